/* SPDX-License-Identifier: Apache-2.0
 *
 * row_record.h - a delivery row as bytes.
 */
#ifndef STORE_ROW_RECORD_H
#define STORE_ROW_RECORD_H

#include <stdbool.h>
#include "turnout/arena.h"
#include "turnout/store.h"

struct tn_row_head {                      /* what the indexes need to know of a row */
	enum tn_row_state state;
	uint32_t target_no;
	int64_t not_before_ms;
	struct tn_id lane;
	uint64_t lane_seq;
};

/* Replaces out with the sealed record of row. */
void tn_row_record_write(struct tn_buf *out, const struct tn_row *row);
/* False: no such record can have been written. record is any bytes. */
bool tn_row_record_head(struct tn_str record, struct tn_row_key key, struct tn_row_head *out_head);
/* The same for all of it; strings and the last outcome are copied into arena, code with a NUL behind it. */
bool tn_row_record_read(struct tn_str record, struct tn_row_key key, struct tn_arena *arena, struct tn_row *out_row);

#endif
