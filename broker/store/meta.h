/* SPDX-License-Identifier: Apache-2.0
 *
 * meta.h - what the store knows of itself: the counters that are written with every batch.
 */
#ifndef STORE_META_H
#define STORE_META_H

#include "environment.h"
#include "turnout/store.h"

struct tn_meta {
	uint64_t next_seq;                /* above every event_seq in the store */
	int64_t engine_ms;
	uint64_t rows[5];                 /* by enum tn_row_state; equals the entries of `states`, by construction */
	uint64_t bad_records;
	struct tn_store_flows flows;
};

/* LMDB code. A new store: next_seq 1, the rest 0. MDB_CORRUPTED: the record is there and damaged. */
int tn_meta_load(const struct tn_environment *environment, MDB_txn *txn, struct tn_meta *out_meta);
/* LMDB code. */
int tn_meta_save(const struct tn_environment *environment, MDB_txn *txn, const struct tn_meta *meta);
/* Makes meta anew from what the databases hold, where the record is damaged, and moves that aside. engine_ms becomes 0. LMDB code. */
int tn_meta_rebuild(const struct tn_environment *environment, MDB_txn *txn, struct tn_meta *out_meta);

#endif
