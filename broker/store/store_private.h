/* SPDX-License-Identifier: Apache-2.0
 *
 * store_private.h - the store's parts, for the files of this folder.
 */
#ifndef STORE_STORE_PRIVATE_H
#define STORE_STORE_PRIVATE_H

#include "environment.h"
#include "ledger.h"
#include "meta.h"
#include "names.h"
#include "seen.h"
#include "writer.h"

struct tn_store {
	char *path;
	struct tn_store_options options;  /* its path is the above; admin_socket is not kept */
	int lock_fd;
	/* Held for reading by whoever uses environment on another thread than the writer's; for writing while it is opened anew. */
	pthread_rwlock_t environment_lock;
	struct tn_environment environment;
	struct tn_names names;
	struct tn_writer writer;
	struct tn_seen_index seen_index;
	struct tn_seen_work seen_work;    /* the writer's */
	struct tn_ledger ledger;
	pthread_mutex_t facts_lock;
	struct tn_store_facts facts;
};

struct tn_store_reading {                 /* one read transaction on another thread than the writer's */
	struct tn_store *store;
	const struct tn_environment *environment;
	MDB_txn *txn;
};
/* LMDB code; the end is due in every case. */
int tn_store_begin_reading(struct tn_store *store, struct tn_store_reading *reading);
/* Answers for rc, an LMDB code: TN_OK, or TN_IO with a sentence. */
enum tn_status tn_store_end_reading(struct tn_store_reading *reading, int rc, struct tn_error *error) TN_MUST_CHECK;

#endif
