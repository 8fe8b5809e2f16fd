/* SPDX-License-Identifier: Apache-2.0
 *
 * seen.h - idempotency keys that were accepted, until they expire.
 */
#ifndef STORE_SEEN_H
#define STORE_SEEN_H

#include "apply.h"

/* All answer an LMDB code. */

/* Inserts or replaces by key; drops the keys that expire first where there are too many then. */
int tn_seen_put(struct tn_apply *apply, const struct tn_seen *seen);
/* Absent is fine. */
int tn_seen_drop(struct tn_apply *apply, const struct tn_id *key);
/* Drops some of what has expired: a bounded number, more when more was put in this transaction. */
int tn_seen_sweep(struct tn_apply *apply);
/* Any thread, any transaction. Not found: absent, expired or damaged. */
int tn_seen_find(const struct tn_environment *environment, MDB_txn *txn, const struct tn_id *key, int64_t now_ms,
        struct tn_seen *out_seen, bool *out_found);
int tn_seen_count(const struct tn_environment *environment, MDB_txn *txn, uint64_t *out_count);
/* How many keys a store may hold: max_seen, or fewer in a small one. */
uint64_t tn_seen_limit(uint64_t max_seen, uint64_t map_bytes);
bool tn_seen_read(struct tn_str record, const struct tn_id *key, struct tn_seen *out_seen);

#endif
