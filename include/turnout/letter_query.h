/* SPDX-License-Identifier: Apache-2.0
 *
 * letter_query.h - which dead letters somebody means, and what is to become of them, as JSON: what `turnout dlq` sends to a running bus,
 * and what it goes by itself with none running. So both mean the same.
 *
 *   {"ids": [...]} or nothing: all that the filters leave
 *   "rule", "target", "error", "class", "queue"     names
 *   "since", "until"                                RFC 3339; when they died: from, and before
 *   "pattern"                                       an event pattern, as text: its event must match, as a rule would
 *   "action": "redrive" or "purge", "force": true, "rate": 1 to 500 a second, or "max"
 *   "to": "target", "rule" or "bus"                  where a redrive sends
 *   "after", "limit"                                a page of a list
 */
#ifndef TURNOUT_LETTER_QUERY_H
#define TURNOUT_LETTER_QUERY_H

#include "turnout/dlq.h"

enum { TN_LETTER_RATE = 50, TN_LETTER_RATE_MAX = 500, TN_LETTER_LIST = 100, TN_LETTER_LIST_MAX = 1000, TN_LETTER_IDS_MAX = 100000 };

struct tn_letter_query {
	struct tn_dlq_terms terms;        /* selection, action, force and to; has_route, find_ways and arg are the user's to set */
	bool named;                       /* by ids */
	struct tn_str queue;              /* the one it is about; empty: all */
	uint32_t rate;                    /* a second; 0: as fast as it goes */
	struct tn_row_key after;
	uint64_t limit;
	struct tn_letter_query_parts *parts; /* private: what the rest points into */
};

/* wall_offset_ms: wall clock = engine time + this. Returns owned. TN_INVALID with the member. */
enum tn_status tn_letter_query_new(struct tn_str json, int64_t wall_offset_ms, struct tn_letter_query **out_query,
	struct tn_error *error) TN_MUST_CHECK;
void tn_letter_query_free(struct tn_letter_query *query); /* NULL is fine */

#endif
