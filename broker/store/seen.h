/* SPDX-License-Identifier: Apache-2.0
 *
 * seen.h - idempotency keys that were accepted, until they expire.
 */
#ifndef STORE_SEEN_H
#define STORE_SEEN_H

#include "apply.h"
#include "seen_index.h"

struct tn_seen_put {
	struct tn_seen seen;
	uint32_t order; /* of two with one key the later one counts */
};
struct tn_seen_rows {
	struct tn_seen_place *items;
	uint32_t count, capacity;
};
struct tn_seen_work { /* what one write transaction does to keys; kept for the next one, for its memory */
	struct tn_seen_index *index;
	uint64_t limit; /* keys, at most */
	struct tn_seen_put *puts; /* to be written by tn_seen_write */
	uint32_t put_count, put_capacity;
	struct tn_seen_rows come, gone; /* rows: what the index is to be told */
};

/* How many keys a store may hold: max_seen, or fewer in a small one. */
uint64_t tn_seen_limit(uint64_t max_seen, uint64_t map_bytes);
/* {0} before. Forgets what another transaction did. */
void tn_seen_begin(struct tn_seen_work *work, struct tn_seen_index *index, uint64_t limit);
void tn_seen_fini(struct tn_seen_work *work);

/* Those with an int answer an LMDB code. */

/* Inserts or replaces by key, when tn_seen_write is called. */
void tn_seen_put(struct tn_apply *apply, const struct tn_seen *seen);
/* Absent is fine. */
int tn_seen_drop(struct tn_apply *apply, const struct tn_id *key);
/* Drops some of what has expired: a bounded number, more when more was put in this transaction. */
int tn_seen_sweep(struct tn_apply *apply);
/* Writes what was put; drops the keys that expire first where there are too many then. Once in a transaction. */
int tn_seen_write(struct tn_apply *apply);
/* After the commit. certain: it succeeded; else it may have. */
void tn_seen_committed(struct tn_seen_work *work, bool certain, int64_t now_ms);

/* Makes the index of the rows that are there. */
int tn_seen_load(const struct tn_environment *environment, MDB_txn *txn, struct tn_seen_index *index, int64_t now_ms);
int tn_seen_count(const struct tn_environment *environment, MDB_txn *txn, uint64_t *out_count);
/* key: of the row, TN_KEY_SEEN bytes. False: damaged. */
bool tn_seen_read(struct tn_str record, struct tn_str key, struct tn_seen *out_seen);
/* Appends a row to a database that has none behind it; for upgrade.c. */
int tn_seen_append(MDB_cursor *cursor, const struct tn_seen *seen);

#endif
