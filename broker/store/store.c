/* SPDX-License-Identifier: Apache-2.0
 *
 * store.c - a store from open to close: its folder, its lock, its environment, its writer; and its facts.
 *
 * Called by the host, or by a tool that found the lock free. Owns everything below it. What a batch does is in apply.c, when it is durable
 * in commit.c and writer.c, what comes out again in scan.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "file_check.h"
#include "folder.h"
#include "lock.h"
#include "seen.h"
#include "space.h"
#include "store_private.h"

enum { SMALLEST_MAP = 1024 * 1024 };

static enum tn_status make_folder(const char *path, struct tn_error *error)
{
	struct stat info;
	if (mkdir(path, 0700) == 0)
		return TN_OK;
	if (errno == ENOENT) {
		tn_error_set(error, "cannot make the store folder %s: its parent folder does not exist", path);
		return TN_NOT_FOUND;
	}
	if (errno != EEXIST) {
		tn_error_set(error, "cannot make the store folder %s: %s", path, strerror(errno));
		return TN_IO;
	}
	if (stat(path, &info) != 0) {
		tn_error_set(error, "cannot look at the store folder %s: %s", path, strerror(errno));
		return TN_IO;
	}
	if (!S_ISDIR(info.st_mode)) {
		tn_error_set(error, "%s is not a folder; a store needs one", path);
		return TN_INVALID;
	}
	return TN_OK;
}

static uint64_t page_aligned(uint64_t bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	return bytes / page * page;
}

/* Reads counters and names, repairs what is damaged of them. */
static int load(struct tn_store *store, MDB_txn *txn)
{
	struct tn_apply apply;
	uint64_t used = 0;
	int rc = tn_apply_begin(&apply, &store->environment, txn);
	if (rc == 0)
		rc = tn_names_load(&store->names, &apply);
	if (rc == 0)
		rc = tn_apply_end(&apply);
	if (rc == 0)
		rc = tn_seen_count(&store->environment, txn, &store->facts.seen);
	if (rc == 0)
		rc = tn_seen_load(&store->environment, txn, &store->seen_index, apply.meta.engine_ms);
	if (rc == 0)
		rc = tn_environment_used(&store->environment, txn, &used, &store->facts.ledger_bytes);
	store->facts.next_seq = apply.meta.next_seq;
	store->facts.engine_ms = apply.meta.engine_ms;
	memcpy(store->facts.rows, apply.meta.rows, sizeof apply.meta.rows);
	store->facts.bad_records = apply.meta.bad_records;
	store->facts.flows = apply.meta.flows;
	store->facts.used_bytes = used;
	store->facts.max_bytes = store->environment.map_bytes;
	tn_apply_fini(&apply);
	return rc;
}

/* Committed only when something was repaired, so that a store on a full disk still opens. */
static enum tn_status load_and_repair(struct tn_store *store, struct tn_error *error)
{
	MDB_txn *txn;
	struct tn_meta before;
	int rc = mdb_txn_begin(store->environment.env, NULL, 0, &txn);
	if (rc == 0) {
		bool damaged = tn_meta_load(&store->environment, txn, &before) != 0;
		rc = load(store, txn);
		if (rc == 0 && (damaged || before.bad_records != store->facts.bad_records))
			rc = mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
	}
	if (rc == 0)
		return TN_OK;
	tn_error_set(error, "cannot read the store %s: %s", store->path, mdb_strerror(rc));
	return TN_IO;
}

static enum tn_status open_parts(struct tn_store *store, const char *admin_socket, struct tn_error *error)
{
	enum tn_status status = make_folder(store->path, error);
	if (status == TN_OK)
		status = tn_lock_take(store->path, admin_socket, &store->lock_fd, error);
	if (status == TN_OK)
		status = tn_folder_reserve_readers(store->path, error);
	if (status == TN_OK)
		status = tn_folder_clear_stillborn(store->path, error);
	if (status == TN_OK)
		status = tn_file_check(store->path, error);
	if (status == TN_OK)
		status = tn_environment_open(&store->environment, store->path, page_aligned(store->options.max_size_bytes),
			page_aligned(store->options.ledger_max_bytes), error);
	if (status == TN_OK)
		status = tn_folder_sync(store->path, error);
	if (status == TN_OK)
		status = load_and_repair(store, error);
	if (status == TN_OK)
		status = tn_writer_start(store, error);
	return status;
}

enum tn_status tn_store_open(const struct tn_store_options *options, struct tn_store **out_store, struct tn_error *error)
{
	if (options->max_size_bytes < SMALLEST_MAP) {
		tn_error_set(error, "the store's size is %llu bytes; it must be at least %d",
			(unsigned long long)options->max_size_bytes, SMALLEST_MAP);
		return TN_INVALID;
	}
	struct tn_store *store = calloc(1, sizeof *store);
	if (!store)
		abort();
	store->path = tn_str_dup(tn_str_from(options->path));
	store->options = *options;
	store->options.path = store->path;
	store->options.admin_socket = NULL;
	store->environment.guard = options->guard.enter ? &store->options.guard : NULL;
	store->lock_fd = -1;
	pthread_rwlock_init(&store->environment_lock, NULL);
	pthread_mutex_init(&store->facts_lock, NULL);
	tn_names_init(&store->names);
	tn_seen_index_init(&store->seen_index, tn_seen_limit(options->max_seen, options->max_size_bytes));
	tn_ledger_init(&store->ledger, options->ledger_max_bytes, options->ledger_keep_ms);

	enum tn_status status = open_parts(store, options->admin_socket, error);
	if (status == TN_OK)
		*out_store = store;
	else
		tn_store_close(store);
	return status;
}

void tn_store_close(struct tn_store *store)
{
	if (!store)
		return;
	tn_writer_stop(store);
	tn_environment_close(&store->environment);
	tn_lock_release(store->lock_fd);
	tn_names_fini(&store->names);
	tn_seen_fini(&store->seen_work);
	tn_seen_index_fini(&store->seen_index);
	tn_ledger_fini(&store->ledger);
	pthread_rwlock_destroy(&store->environment_lock);
	pthread_mutex_destroy(&store->facts_lock);
	free(store->path);
	free(store);
}

enum tn_status tn_store_number(struct tn_store *store, struct tn_str target, uint32_t *out_number, struct tn_error *error)
{
	struct tn_waiter waiter;
	struct tn_request request = {.kind = TN_REQUEST_NAME, .name = target};
	if (target.len == 0 || target.len > TN_NAME_LIMIT) {
		tn_error_set(error, "a target's name has 1 to %d bytes, not %zu", TN_NAME_LIMIT, target.len);
		return TN_INVALID;
	}
	if (tn_names_find(&store->names, target, out_number))
		return TN_OK;
	tn_writer_ask_and_wait(store, &request, &waiter);
	if (waiter.commit == TN_COMMIT_OK) {
		*out_number = waiter.number;
		return TN_OK;
	}
	struct tn_store_facts facts;
	tn_store_facts(store, &facts);
	tn_error_set(error, "cannot give target %.*s a number in the store %s: %s", TN_STR_ARG(target), store->path, facts.failure);
	return waiter.commit == TN_COMMIT_REFUSED ? TN_FULL : TN_IO;
}

int tn_store_begin_reading(struct tn_store *store, struct tn_store_reading *reading)
{
	*reading = (struct tn_store_reading){.store = store, .environment = &store->environment};
	pthread_rwlock_rdlock(&store->environment_lock);
	return store->environment.env ? mdb_txn_begin(store->environment.env, NULL, MDB_RDONLY, &reading->txn) : MDB_PANIC;
}

enum tn_status tn_store_end_reading(struct tn_store_reading *reading, int rc, struct tn_error *error)
{
	if (reading->txn)
		mdb_txn_abort(reading->txn);
	pthread_rwlock_unlock(&reading->store->environment_lock);
	if (rc == 0)
		return TN_OK;
	tn_error_set(error, "cannot read the store %s: %s", reading->store->path, mdb_strerror(rc));
	return TN_IO;
}

void tn_store_facts(struct tn_store *store, struct tn_store_facts *out_facts)
{
	pthread_mutex_lock(&store->facts_lock);
	struct tn_store_facts facts = store->facts;
	pthread_mutex_unlock(&store->facts_lock);
	facts.seen_left_out = tn_seen_index_left_out(&store->seen_index);
	facts.free_disk_bytes = tn_space_free_disk(store->path);
	struct tn_space space = {.used_bytes = facts.used_bytes, .ledger_bytes = facts.ledger_bytes, .max_bytes = facts.max_bytes};
	tn_space_look(&space, store->path);
	facts.nearly_full = !tn_space_allows(&space, TN_SPACE_INTAKE);
	*out_facts = facts;
}
