/* SPDX-License-Identifier: Apache-2.0
 *
 * target_count.h - how many rows, and how many bytes, of each target are PARKED and DEAD: the caps are of these, over
 * restarts.
 */
#ifndef STORE_TARGET_COUNT_H
#define STORE_TARGET_COUNT_H

#include "environment.h"
#include "turnout/store.h"

struct tn_target_count {
	uint32_t target_no;
	bool changed; /* since it was read */
	uint64_t parked_rows, parked_bytes, dead_rows, dead_bytes;
};
struct tn_target_counts { /* those that one write transaction touched. {0}: none */
	struct tn_target_count *items;
	uint32_t count, capacity;
};

/* All answer an LMDB code. */

/* One more (change 1) or less (-1) row of that state and size; states other than PARKED and DEAD are not counted. Comes
 * before `states` is changed, for a damaged record is counted anew from there. */
int tn_target_count_change(struct tn_target_counts *counts, const struct tn_environment *environment, MDB_txn *txn,
        uint32_t target_no, enum tn_row_state state, uint32_t bytes, int change);
int tn_target_count_save(struct tn_target_counts *counts, const struct tn_environment *environment, MDB_txn *txn);
void tn_target_count_fini(struct tn_target_counts *counts);

/* Any thread, any transaction. Absent: zero. Damaged: counted anew from `states`. */
int tn_target_count_read(
        const struct tn_environment *environment, MDB_txn *txn, uint32_t target_no, struct tn_target_count *out_count);
/* As it is written. MDB_CORRUPTED: damaged. */
int tn_target_count_load(
        const struct tn_environment *environment, MDB_txn *txn, uint32_t target_no, struct tn_target_count *out_count);
/* The counts of a target in counts alone, zero when it is new there. Until the next call. */
struct tn_target_count *tn_target_count_of(struct tn_target_counts *counts, uint32_t target_no);
/* Adds an entry of `states` to count, if it is of its target. */
void tn_target_count_add_entry(struct tn_target_count *count, MDB_val key, MDB_val value);

#endif
