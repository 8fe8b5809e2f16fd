/* SPDX-License-Identifier: Apache-2.0
 *
 * strikes.c - the crash guard's memory: what was being worked on when a process died, and how often.
 *
 * Called by the host at start, after an unclean exit, before the engine runs. The number is bounded: the one that was
 * struck longest ago goes first. Any thread asks; the writer's thread changes.
 */
#include <stdlib.h>
#include "apply.h"
#include "aside.h"
#include "record.h"
#include "store_private.h"

enum { STRIKE_VERSION = 1, STRIKE_HEAD = 12 }; /* to change it: as in row_record.c */
enum { KEY_BYTES = 8 };

struct strike_change { /* one call on the writer's thread */
	uint64_t hash;
	struct tn_str where;
	uint32_t strikes;
};

/* --- The record: the transaction that wrote it, strikes, where --- */

static bool read_record(MDB_val key, MDB_val value, struct tn_strike *out_strike, uint64_t *out_stamp)
{
	uint8_t version;
	struct tn_str content;
	if (key.mv_size != KEY_BYTES ||
	        !tn_record_open(tn_val_str(value), tn_val_str(key), STRIKE_VERSION, &version, &content) ||
	        content.len < STRIKE_HEAD)
		return false;
	const uint8_t *bytes = (const uint8_t *)content.bytes;
	*out_stamp = tn_bytes_get64(bytes);
	*out_strike = (struct tn_strike){
	        tn_bytes_get64(key.mv_data), tn_bytes_get32(bytes + 8), tn_str_tail(content, STRIKE_HEAD)};
	return true;
}

static int put_record(struct tn_apply *apply, const struct tn_strike *strike)
{
	uint8_t key[KEY_BYTES];
	tn_bytes_put64(key, strike->hash);
	tn_record_begin(&apply->record);
	uint8_t *head = (uint8_t *)tn_buf_reserve(&apply->record, STRIKE_HEAD);
	tn_bytes_put64(head, mdb_txn_id(apply->txn));
	tn_bytes_put32(head + 8, strike->strikes);
	apply->record.len += STRIKE_HEAD;
	tn_buf_add_str(&apply->record, strike->where);
	tn_record_seal(&apply->record, STRIKE_VERSION, tn_str_make((char *)key, sizeof key));
	MDB_val mdb_key = tn_val(key, sizeof key), value = tn_val(apply->record.bytes, apply->record.len);
	return mdb_put(apply->txn, apply->environment->dbi[TN_DB_STRIKES], &mdb_key, &value, 0);
}

/* --- On the writer's thread --- */

/* Drops the one that was struck longest ago, if there are too many. A damaged one goes before all others. */
static int evict(struct tn_apply *apply)
{
	MDB_stat stat;
	MDB_cursor *cursor;
	MDB_val key, value;
	uint8_t oldest[KEY_BYTES] = {0};
	uint64_t oldest_stamp = UINT64_MAX;
	int rc = mdb_stat(apply->txn, apply->environment->dbi[TN_DB_STRIKES], &stat);
	if (rc != 0 || stat.ms_entries <= TN_STORE_STRIKES)
		return rc;
	rc = mdb_cursor_open(apply->txn, apply->environment->dbi[TN_DB_STRIKES], &cursor);
	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		struct tn_strike strike;
		uint64_t stamp;
		if (!read_record(key, value, &strike, &stamp))
			stamp = 0;
		if (stamp < oldest_stamp && key.mv_size == sizeof oldest) {
			oldest_stamp = stamp;
			memcpy(oldest, key.mv_data, sizeof oldest);
		}
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? tn_apply_delete(apply, TN_DB_STRIKES, oldest, sizeof oldest) : rc;
}

static int strike_once(struct tn_apply *apply, void *arg)
{
	struct strike_change *change = arg;
	struct tn_strike strike = {.hash = change->hash, .where = change->where}, old;
	uint64_t stamp;
	uint8_t key[KEY_BYTES];
	tn_bytes_put64(key, change->hash);
	MDB_val mdb_key = tn_val(key, sizeof key), value;
	int rc = mdb_get(apply->txn, apply->environment->dbi[TN_DB_STRIKES], &mdb_key, &value);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	if (rc == 0 && read_record(mdb_key, value, &old, &stamp))
		strike.strikes = old.strikes;
	else if (rc == 0 && (rc = tn_aside_record(apply, TN_DB_STRIKES, 'k', key, sizeof key)) != 0)
		return rc;
	strike.strikes += strike.strikes < UINT32_MAX;
	change->strikes = strike.strikes;
	rc = put_record(apply, &strike);
	return rc == 0 ? evict(apply) : rc;
}

static int pardon_once(struct tn_apply *apply, void *arg)
{
	const struct strike_change *change = arg;
	uint8_t key[KEY_BYTES];
	tn_bytes_put64(key, change->hash);
	return tn_apply_delete(apply, TN_DB_STRIKES, key, sizeof key);
}

/* --- Public --- */

enum tn_status tn_store_strike(
        struct tn_store *store, uint64_t hash, struct tn_str where, uint32_t *out_strikes, struct tn_error *error)
{
	struct strike_change change = {
	        hash, tn_str_make(where.bytes, where.len < TN_STORE_WHERE ? where.len : TN_STORE_WHERE), 0};
	enum tn_status status = tn_writer_call(store, strike_once, &change, TN_SPACE_SETTLE, "count a strike", error);
	if (status == TN_OK)
		*out_strikes = change.strikes;
	return status;
}

enum tn_status tn_store_pardon(struct tn_store *store, uint64_t hash, struct tn_error *error)
{
	struct strike_change change = {.hash = hash};
	return tn_writer_call(store, pardon_once, &change, TN_SPACE_SETTLE, "forget strikes", error);
}

enum tn_status tn_store_each_strike(struct tn_store *store, void (*each)(void *arg, const struct tn_strike *strike),
        void *arg, struct tn_error *error)
{
	struct tn_store_reading reading;
	MDB_cursor *cursor = NULL;
	MDB_val key, value;
	int rc = tn_store_begin_reading(store, &reading);
	if (rc == 0)
		rc = mdb_cursor_open(reading.txn, reading.environment->dbi[TN_DB_STRIKES], &cursor);
	while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		struct tn_strike strike;
		uint64_t stamp;
		if (read_record(key, value, &strike, &stamp))
			each(arg, &strike);
	}
	if (cursor)
		mdb_cursor_close(cursor);
	return tn_store_end_reading(&reading, rc == MDB_NOTFOUND ? 0 : rc, error);
}
