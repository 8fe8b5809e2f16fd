/* SPDX-License-Identifier: Apache-2.0
 *
 * row_index.h - what stands beside a row so that it is found: its entries in `states`, `due` and `lanes`, and its
 * counters.
 */
#ifndef STORE_ROW_INDEX_H
#define STORE_ROW_INDEX_H

#include "apply.h"

/* All answer an LMDB code. */

/* Enters a row that stands nowhere yet. bytes: what its target's counts count for it. */
int tn_row_index_enter(struct tn_apply *apply, struct tn_row_key row, const struct tn_row_head *head, uint32_t bytes);
/* Takes it out of everything. */
int tn_row_index_leave(struct tn_apply *apply, struct tn_row_key row, const struct tn_row_head *head);
/* The same for a row that cannot be read: what `states` knows of it is believed. Its entries in `due` and `lanes` stay
 * until a scan meets them. */
int tn_row_index_forget(struct tn_apply *apply, struct tn_row_key row);

static inline bool tn_row_index_has_lane(const struct tn_row_head *head)
{
	return head->state == TN_ROW_PARKED && !tn_id_is_zero(&head->lane);
}
static inline struct tn_due tn_row_index_due(struct tn_row_key row, const struct tn_row_head *head)
{
	return (struct tn_due){head->target_no, head->not_before_ms, row};
}
static inline struct tn_lane_place tn_row_index_lane(struct tn_row_key row, const struct tn_row_head *head)
{
	return (struct tn_lane_place){head->target_no, head->lane, head->lane_seq, row};
}

#endif
