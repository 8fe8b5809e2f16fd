/* SPDX-License-Identifier: Apache-2.0
 *
 * upgrade.c - brings a store that an older version wrote up to today's format.
 *
 * Called by environment.c at open, in the transaction that writes the new format number: it happens whole or not at
 * all. Work grows with the PARKED and DEAD rows, and is done once.
 *
 *   format 1 -> 2   `states` says how many bytes a PARKED or DEAD row counts for; `targets` counts rows and bytes in
 * place of `parked`. `lanes` stays empty: no row of format 1 has a lane.
 *   format 2 -> 3   idempotency keys stand in `keys`, as they expire, in place of `seen` and `expiry`. Where there is
 * not the room for both at once they are dropped: that costs duplicates, and a store that cannot be opened costs more.
 */
#include "upgrade.h"

#include <string.h>
#include "event_record.h"
#include "key.h"
#include "meta.h"
#include "record.h"
#include "seen.h"
#include "space.h"
#include "target_count.h"

/* The entry under cursor gets its bytes, and is counted. */
static int upgrade_entry(const struct tn_environment *environment, MDB_txn *txn, MDB_cursor *cursor, MDB_val old_key,
        MDB_val old_value, struct tn_target_counts *counts)
{
	uint8_t bytes[TN_KEY_STATE], new_value[TN_VALUE_STATE];
	uint32_t size = 0;
	if (old_key.mv_size != sizeof bytes || old_value.mv_size != TN_KEY_TARGET)
		return 0;
	memcpy(bytes, old_key.mv_data, sizeof bytes); /* what LMDB lends may move */
	enum tn_row_state state = (enum tn_row_state)bytes[0];
	uint32_t target_no = tn_bytes_get32(old_value.mv_data);
	int rc = 0;
	if (state == TN_ROW_PARKED || state == TN_ROW_DEAD)
		rc = tn_event_record_weigh(environment, txn, tn_key_get_row(bytes + 1).event_seq, &size);
	if (rc != 0)
		return rc;
	tn_bytes_put32(new_value, target_no);
	tn_bytes_put32(new_value + 4, size);
	MDB_val key = tn_val(bytes, sizeof bytes), value = tn_val(new_value, sizeof new_value);
	rc = mdb_cursor_put(cursor, &key, &value, 0);
	return rc == 0 ? tn_target_count_change(counts, environment, txn, target_no, state, size, 1) : rc;
}

static int upgrade_states(const struct tn_environment *environment, MDB_txn *txn, struct tn_target_counts *counts)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(txn, environment->dbi[TN_DB_STATES], &cursor);
	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		rc = upgrade_entry(environment, txn, cursor, key, value, counts);
		if (rc != 0)
			break;
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int drop_parked(MDB_txn *txn)
{
	MDB_dbi parked;
	int rc = mdb_dbi_open(txn, "parked", 0, &parked);
	if (rc == 0)
		rc = mdb_drop(txn, parked, 1);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int tn_upgrade_from_1(const struct tn_environment *environment, MDB_txn *txn)
{
	struct tn_target_counts counts = {0};
	int rc = upgrade_states(environment, txn, &counts);
	if (rc == 0)
		rc = tn_target_count_save(&counts, environment, txn);
	if (rc == 0)
		rc = drop_parked(txn);
	tn_target_count_fini(&counts);
	return rc;
}

/* --- From 2 --- */

enum { SEEN_2_VERSION = 1, SEEN_2_BYTES = 8 * 3, ROWS_A_PAGE = 32, SPARE_PAGES = 64 };

struct old_keys {
	const struct tn_environment *environment;
	MDB_txn *txn;
	MDB_dbi seen, expiry;
};

/* Under a cursor of `expiry`. Damaged: not found. */
static int read_old_key(const struct old_keys *old, MDB_val entry, struct tn_seen *out_seen, bool *out_found)
{
	struct tn_seen seen;
	uint8_t version;
	struct tn_str content;
	MDB_val value;
	*out_found = false;
	if (entry.mv_size != TN_KEY_SEEN)
		return 0;
	seen.expires_ms = tn_key_get_seen(entry.mv_data, &seen.key);
	MDB_val key = tn_val(seen.key.bytes, sizeof seen.key.bytes);
	int rc = mdb_get(old->txn, old->seen, &key, &value);
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	if (!tn_record_open(tn_val_str(value), tn_val_str(key), SEEN_2_VERSION, &version, &content) ||
	        content.len != SEEN_2_BYTES)
		return 0;
	const uint8_t *bytes = (const uint8_t *)content.bytes;
	seen.fingerprint = tn_bytes_get64(bytes);
	seen.event_seq = tn_bytes_get64(bytes + 8);
	*out_found = (int64_t)tn_bytes_get64(bytes + 16) == seen.expires_ms;
	*out_seen = seen;
	return 0;
}

static int copy_keys(const struct old_keys *old, MDB_cursor *from, MDB_cursor *to, int64_t now_ms)
{
	MDB_val key, value;
	int rc;
	while ((rc = mdb_cursor_get(from, &key, &value, MDB_NEXT)) == 0) {
		struct tn_seen seen;
		bool found;
		rc = read_old_key(old, key, &seen, &found);
		if (rc == 0 && found && seen.expires_ms > now_ms)
			rc = tn_seen_append(to, &seen);
		if (rc != 0)
			break;
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int convert_keys(const struct old_keys *old)
{
	MDB_cursor *from = NULL, *to = NULL;
	struct tn_meta meta = {0};
	int rc = tn_meta_load(old->environment, old->txn, &meta);
	if (rc == MDB_CORRUPTED) /* it is made anew later; until then nothing has expired */
		rc = 0;
	if (rc == 0)
		rc = mdb_cursor_open(old->txn, old->expiry, &from);
	if (rc == 0)
		rc = mdb_cursor_open(old->txn, old->environment->dbi[TN_DB_SEEN], &to);
	if (rc == 0)
		rc = copy_keys(old, from, to, meta.engine_ms);
	if (to)
		mdb_cursor_close(to);
	if (from)
		mdb_cursor_close(from);
	return rc;
}

/* Old pages come back only after this transaction, so the new ones are judged by what was never used of the map. */
static int has_room_for_both(const struct old_keys *old, const char *path, bool *out_room)
{
	MDB_envinfo info;
	MDB_stat stat;
	struct tn_space space = {0};
	int rc = mdb_stat(old->txn, old->expiry, &stat);
	if (rc == 0)
		rc = mdb_env_info(mdb_txn_env(old->txn), &info);
	if (rc != 0)
		return rc;
	uint64_t pages = stat.ms_entries / ROWS_A_PAGE + SPARE_PAGES, page_bytes = stat.ms_psize;
	space.used_bytes = (info.me_last_pgno + 1) * page_bytes;
	tn_space_look(&space, path);
	*out_room = (info.me_last_pgno + 1 + pages) * page_bytes <= info.me_mapsize &&
	            space.room_bytes >= 2 * pages * page_bytes;
	return 0;
}

int tn_upgrade_from_2(const struct tn_environment *environment, MDB_txn *txn, const char *path)
{
	struct old_keys old = {.environment = environment, .txn = txn};
	bool room = false;
	int rc = mdb_dbi_open(txn, "seen", 0, &old.seen);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "expiry", 0, &old.expiry);
	if (rc == 0)
		rc = has_room_for_both(&old, path, &room);
	if (rc == 0 && room)
		rc = convert_keys(&old);
	if (rc == 0)
		rc = mdb_drop(txn, old.expiry, 1);
	if (rc == 0)
		rc = mdb_drop(txn, old.seen, 1);
	return rc == MDB_NOTFOUND ? 0 : rc;
}
