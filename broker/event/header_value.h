/* SPDX-License-Identifier: Apache-2.0
 *
 * header_value.h - one attribute value in a header of HTTP or NATS: quotes and percent-encoding. Any thread.
 */
#ifndef EVENT_HEADER_VALUE_H
#define EVENT_HEADER_VALUE_H

#include "draft.h"

struct tn_header_value {
	struct tn_str text; /* decoded */
	struct tn_str raw;  /* quotes undone, escapes not */
};

/* Undoes white space around it, quotes, one round of percent-encoding. Borrows header, or the draft's room. NONE, INVALID_QUOTING,
 * INVALID_UTF8 (as received) or INVALID_PERCENT_ENCODING (once decoded). */
enum tn_wire_fault tn_header_value_decode(struct tn_str header, struct tn_draft *room, struct tn_header_value *out);
/* Needs anything to be encoded? */
bool tn_header_value_is_plain(struct tn_str text);
/* Writes at most 3 * text.len bytes; returns the end. */
char *tn_header_value_encode(struct tn_str text, char *to);

#endif
