/* SPDX-License-Identifier: Apache-2.0
 *
 * apply.h - a batch's operations, inside one write transaction.
 */
#ifndef STORE_APPLY_H
#define STORE_APPLY_H

#include "environment.h"
#include "key.h"
#include "meta.h"
#include "row_record.h"
#include "target_count.h"

struct tn_seen_work;

enum { TN_SET_ASIDE_SIZE = 160 };

struct tn_apply { /* one write transaction's worth of work */
	const struct tn_environment *environment;
	MDB_txn *txn;
	struct tn_meta meta;              /* as it will be written by tn_apply_end */
	struct tn_target_counts counts;   /* likewise */
	struct tn_seen_work *seen;        /* set by who applies batches */
	uint64_t weighed_seq;             /* the event that was looked at last, and what a row of it counts for */
	uint32_t weighed_bytes;
	MDB_cursor *rows;
	uint8_t last_row[TN_KEY_ROW], last_event[TN_KEY_EVENT]; /* no key above these stands in the database */
	struct tn_buf record;
	struct tn_arena arena;
	char set_aside[8][TN_SET_ASIDE_SIZE]; /* the first of those set aside in it, by name */
	uint32_t set_aside_count;             /* all of them */
};

/* All answer an LMDB code; after any but 0 the transaction is to be aborted. tn_apply_fini is due in every case, before that. */
int tn_apply_begin(struct tn_apply *apply, const struct tn_environment *environment, MDB_txn *txn);
int tn_apply_batch(struct tn_apply *apply, const struct tn_batch *batch);
/* Writes the counters. */
int tn_apply_end(struct tn_apply *apply);
void tn_apply_fini(struct tn_apply *apply);

/* --- Parts that its neighbours share. --- */

/* Is there any row of that event? */
int tn_apply_has_rows(struct tn_apply *apply, uint64_t event_seq, bool *out_has);
/* Deletes; absent is fine. */
int tn_apply_delete(struct tn_apply *apply, enum tn_db db, const void *key, size_t len);

#endif
