/* SPDX-License-Identifier: Apache-2.0
 *
 * environment.c - the LMDB environment of one store, and its databases.
 *
 * Called by store.c when the store opens and closes, and by writer.c when LMDB gave the environment up. Owns the MDB_env. Whoever opens
 * or closes it makes sure that nobody uses it meanwhile.
 *
 * Always LMDB's default flags of durability: NOSYNC, NOMETASYNC and MAPASYNC lose or break what was promised, WRITEMAP turns a full
 * disk into SIGBUS. NOTLS: a read transaction belongs to a call, not to a thread.
 */
#include "environment.h"

#include <errno.h>
#include <fcntl.h>
#include "key.h"
#include "upgrade.h"

/* The format of the store as a whole: the databases and the shape of their keys. Records have versions of their own. To change it: raise
 * the number, and bring an older store up to it in upgrade.c, in the one transaction that writes the new number. Version 1 had no lanes, no
 * idempotency keys, no strikes, nothing kept, and counted parked rows by target in a database `parked`; version 2 had idempotency keys in
 * `seen`, by key, and once more in `expiry`. */
enum { FORMAT = 3, OLDEST_FORMAT = 1 };
enum { LEDGER_DATABASES = 2, BALLAST_LIMIT = 1024 * 1024, BALLAST_PART = 16 };

static const char *const database_names[TN_DB_COUNT] = {
	[TN_DB_META] = "meta",
	[TN_DB_EVENTS] = "events",
	[TN_DB_ROWS] = "rows",
	[TN_DB_STATES] = "states",
	[TN_DB_DUE] = "due",
	[TN_DB_LANES] = "lanes",
	[TN_DB_TARGETS] = "targets",
	[TN_DB_NAMES] = "names",
	[TN_DB_SEEN] = "keys",
	[TN_DB_STRIKES] = "strikes",
	[TN_DB_KEPT] = "kept",
	[TN_DB_BAD] = "bad",
};
static const char format_key[] = "format";

bool tn_environment_knows(const char *database)
{
	for (unsigned i = 0; i < TN_DB_COUNT; i++)
		if (strcmp(database_names[i], database) == 0)
			return true;
	return false;
}

static enum tn_status fail_lmdb(int rc, const char *path, const char *what, struct tn_error *error)
{
	switch (rc) {
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
		tn_error_set(error, "%s is not a store, or is damaged: %s", path, mdb_strerror(rc));
		return TN_INVALID;
	default:
		tn_error_set(error, "cannot %s the store %s: %s", what, path, mdb_strerror(rc));
		return rc == MDB_MAP_FULL || rc == ENOSPC ? TN_FULL : TN_IO;
	}
}

static int is_empty(MDB_txn *txn, bool *out_empty)
{
	MDB_dbi root;
	MDB_stat stat;
	int rc = mdb_dbi_open(txn, NULL, 0, &root);
	if (rc == 0)
		rc = mdb_stat(txn, root, &stat);
	if (rc == 0)
		*out_empty = stat.ms_entries == 0;
	return rc;
}

static int write_format(MDB_txn *txn, MDB_dbi meta)
{
	uint8_t number[4];
	MDB_val key = tn_val(format_key, sizeof format_key - 1), value = tn_val(number, sizeof number);
	tn_bytes_put32(number, FORMAT);
	return mdb_put(txn, meta, &key, &value, 0);
}

static enum tn_status check_format(MDB_txn *txn, MDB_dbi meta, const char *path, uint32_t *out_format, struct tn_error *error)
{
	MDB_val key = tn_val(format_key, sizeof format_key - 1), value;
	int rc = mdb_get(txn, meta, &key, &value);
	if (rc == MDB_NOTFOUND || (rc == 0 && value.mv_size != 4)) {
		tn_error_set(error, "%s is not a store: it has no format number", path);
		return TN_INVALID;
	}
	if (rc != 0)
		return fail_lmdb(rc, path, "read", error);
	uint32_t number = tn_bytes_get32(value.mv_data);
	*out_format = number;
	if (number >= OLDEST_FORMAT && number <= FORMAT)
		return TN_OK;
	if (number > FORMAT)
		tn_error_set(error, "the store %s was written by a newer version (format %u; this version knows %d)", path, number,
			FORMAT);
	else
		tn_error_set(error, "%s is not a store: its format number is %u", path, number);
	return TN_INVALID;
}

static enum tn_status prepare_databases(struct tn_environment *environment, MDB_txn *txn, const char *path,
	struct tn_error *error)
{
	bool empty = false;
	int rc = is_empty(txn, &empty);
	if (rc != 0)
		return fail_lmdb(rc, path, "read", error);

	MDB_dbi *meta = &environment->dbi[TN_DB_META];
	rc = mdb_dbi_open(txn, database_names[TN_DB_META], empty ? MDB_CREATE : 0, meta);
	if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE) {
		tn_error_set(error, "%s is not a store: its databases are those of another program", path);
		return TN_INVALID;
	}
	if (rc == 0 && empty)
		rc = write_format(txn, *meta);
	if (rc != 0)
		return fail_lmdb(rc, path, "set up", error);
	uint32_t format;
	enum tn_status status = check_format(txn, *meta, path, &format, error);
	if (status != TN_OK)
		return status;

	bool make = empty || format < FORMAT;
	for (unsigned i = TN_DB_META + 1; i < TN_DB_COUNT; i++) {
		rc = mdb_dbi_open(txn, database_names[i], make ? MDB_CREATE : 0, &environment->dbi[i]);
		if (rc != 0)
			return fail_lmdb(rc, path, "set up", error);
	}
	if (format == FORMAT)
		return TN_OK;
	rc = format == 1 ? tn_upgrade_from_1(environment, txn) : 0;
	if (rc == 0)
		rc = tn_upgrade_from_2(environment, txn, path);
	if (rc == 0)
		rc = write_format(txn, *meta);
	return rc == 0 ? TN_OK : fail_lmdb(rc, path, "bring up to date", error);
}

int tn_environment_open_ledger(MDB_txn *txn, unsigned flags, MDB_dbi *out_ledger, MDB_dbi *out_stories)
{
	int rc = mdb_dbi_open(txn, "ledger", flags, out_ledger);
	return rc == 0 ? mdb_dbi_open(txn, "stories", flags, out_stories) : rc;
}

static enum tn_status open_databases(struct tn_environment *environment, const char *path, struct tn_error *error)
{
	MDB_txn *txn;
	MDB_stat stat;
	int rc = mdb_txn_begin(environment->env, NULL, 0, &txn);
	if (rc != 0)
		return fail_lmdb(rc, path, "open", error);
	enum tn_status status = prepare_databases(environment, txn, path, error);
	if (status != TN_OK) {
		mdb_txn_abort(txn);
		return status;
	}
	environment->has_ledger = tn_environment_open_ledger(txn, 0, &environment->ledger, &environment->stories) == 0;
	rc = mdb_txn_commit(txn);
	if (rc == 0)
		rc = mdb_env_stat(environment->env, &stat);
	if (rc != 0)
		return fail_lmdb(rc, path, "set up", error);
	environment->page_bytes = stat.ms_psize;
	return TN_OK;
}

enum tn_status tn_environment_open(struct tn_environment *environment, const char *path, uint64_t map_bytes, uint64_t ledger_bytes,
	struct tn_error *error)
{
	int dead_readers;
	*environment = (struct tn_environment){.map_bytes = map_bytes, .ledger_bytes = ledger_bytes, .guard = environment->guard};
	int rc = mdb_env_create(&environment->env);
	if (rc != 0)
		return fail_lmdb(rc, path, "open", error);
	rc = mdb_env_set_maxdbs(environment->env, TN_DB_COUNT + TN_UPGRADE_DATABASES + LEDGER_DATABASES);
	if (rc == 0)
		rc = mdb_env_set_mapsize(environment->env, map_bytes + ledger_bytes);
	if (rc == 0)
		rc = mdb_env_open(environment->env, path, MDB_NOTLS, 0600);
	if (rc == 0)
		rc = mdb_env_sync(environment->env, 1); /* the meta pages of a new file before any other: see folder.h */
	if (rc == 0)
		rc = mdb_reader_check(environment->env, &dead_readers);
	enum tn_status status = rc == 0 ? open_databases(environment, path, error) : fail_lmdb(rc, path, "open", error);
	if (status != TN_OK)
		tn_environment_close(environment);
	else
		tn_environment_keep_ballast(environment);
	return status;
}

void tn_environment_close(struct tn_environment *environment)
{
	if (environment->env)
		mdb_env_close(environment->env);
	environment->env = NULL;
}

void tn_environment_keep_ballast(struct tn_environment *environment)
{
	MDB_envinfo info;
	int fd;
	uint64_t ballast = environment->map_bytes / BALLAST_PART < BALLAST_LIMIT ? environment->map_bytes / BALLAST_PART : BALLAST_LIMIT;
	if (mdb_env_info(environment->env, &info) != 0)
		return;
	uint64_t end = (info.me_last_pgno + 1) * environment->page_bytes;
	if (end + ballast / 2 <= environment->ballast_end || mdb_env_get_fd(environment->env, &fd) != 0)
		return;
	/* The file's length stays what LMDB made it: only blocks are taken. */
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)end, (off_t)ballast) == 0)
		environment->ballast_end = end + ballast;
}

static int add_pages(MDB_txn *txn, MDB_dbi dbi, uint64_t *pages)
{
	MDB_stat stat;
	int rc = mdb_stat(txn, dbi, &stat);
	if (rc == 0)
		*pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
	return rc;
}

int tn_environment_used(const struct tn_environment *environment, MDB_txn *txn, uint64_t *out_bytes, uint64_t *out_ledger_bytes)
{
	enum { INNER = 2 }; /* the free list and the root, LMDB's own, are numbers 0 and 1 */
	uint64_t pages = 2, ledger_pages = 0; /* the two meta pages */
	int rc = 0;
	for (unsigned i = 0; i < INNER + TN_DB_COUNT && rc == 0; i++)
		rc = add_pages(txn, i < INNER ? i : environment->dbi[i - INNER], &pages);
	if (rc == 0 && environment->has_ledger)
		rc = add_pages(txn, environment->ledger, &ledger_pages);
	if (rc == 0 && environment->has_ledger)
		rc = add_pages(txn, environment->stories, &ledger_pages);
	*out_bytes = pages * environment->page_bytes;
	*out_ledger_bytes = ledger_pages * environment->page_bytes;
	return rc;
}
