/* SPDX-License-Identifier: Apache-2.0
 *
 * event_tally.h - how often each event came, and how often it was accepted; by a 128-bit name.
 */
#ifndef TURNOUT_TOOLS_EVENT_TALLY_H
#define TURNOUT_TOOLS_EVENT_TALLY_H

#include <stdint.h>
#include "turnout/id.h"

struct tn_event_tally_row {
	struct tn_id name; /* zero: a free row */
	uint32_t attempts, accepted;
};

struct tn_event_tally { /* zeroed: empty; fini it */
	struct tn_event_tally_row *rows;
	uint64_t capacity, count;
};

void tn_event_tally_fini(struct tn_event_tally *tally);
/* The row of that name, made if need be; valid until the next call. NULL: 8,388,608 names are kept, and this is a new
 * one. */
struct tn_event_tally_row *tn_event_tally_find(struct tn_event_tally *tally, const struct tn_id *name);

#endif
