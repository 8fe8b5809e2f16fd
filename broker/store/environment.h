/* SPDX-License-Identifier: Apache-2.0
 *
 * environment.h - the LMDB environment of one store, and its databases.
 */
#ifndef STORE_ENVIRONMENT_H
#define STORE_ENVIRONMENT_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>
#include "turnout/error.h"
#include "turnout/str.h"

enum tn_db {
	TN_DB_META, TN_DB_EVENTS, TN_DB_ROWS, TN_DB_STATES, TN_DB_DUE, TN_DB_LANES, TN_DB_TARGETS, TN_DB_NAMES, TN_DB_SEEN, TN_DB_STRIKES,
	TN_DB_KEPT, TN_DB_BAD, TN_DB_COUNT
};

struct tn_environment {
	MDB_env *env;                     /* NULL: not open */
	MDB_dbi dbi[TN_DB_COUNT];
	uint64_t map_bytes;               /* of the journal: what tn_environment_used is measured against */
	uint64_t ledger_bytes;            /* the map has so many more, for the ledger */
	MDB_dbi ledger, stories;          /* the ledger's two databases, beside all that counts as the store's content */
	bool has_ledger;                  /* they are there: made with the first entry, in a store of any age */
	uint32_t page_bytes;
	uint64_t ballast_end;             /* blocks of the data file are ours up to here, as far as the disk gave them */
	const struct tn_store_guard *guard; /* of the options, or NULL; stays over closing and opening */
};

/* Opens, makes what is missing, checks the format, brings an older store up to it, clears the slots of readers that died. TN_INVALID: not ours, or a newer format. */
enum tn_status tn_environment_open(struct tn_environment *environment, const char *path, uint64_t map_bytes, uint64_t ledger_bytes,
	struct tn_error *error)
	TN_MUST_CHECK;
/* Is that the name of one of its databases? */
bool tn_environment_knows(const char *database);
/* No transaction is open. Not open is fine. */
void tn_environment_close(struct tn_environment *environment);
/* Opens the ledger's databases, or with MDB_CREATE makes them; MDB_NOTFOUND: there are none. LMDB code. */
int tn_environment_open_ledger(MDB_txn *txn, unsigned flags, MDB_dbi *out_ledger, MDB_dbi *out_stories);
/* Sees to it that the data file has blocks of its own behind its last page: what frees space must be written first, also on a disk that
 * somebody else filled. Best effort: a disk that is full already gives none. After each commit; cheap when there is nothing to do. */
void tn_environment_keep_ballast(struct tn_environment *environment);
/* Bytes in pages that hold something: of all databases but the ledger's, and LMDB's own; and of the ledger's. LMDB code. */
int tn_environment_used(const struct tn_environment *environment, MDB_txn *txn, uint64_t *out_bytes, uint64_t *out_ledger_bytes);

static inline MDB_val tn_val(const void *bytes, size_t len)
{
	union {
		const void *in;
		void *out;
	} cast = {bytes}; /* LMDB's one type for both directions; what goes in is not written to */
	return (MDB_val){len, cast.out};
}
static inline struct tn_str tn_val_str(MDB_val val)
{
	return tn_str_make(val.mv_data, val.mv_size);
}

#endif
