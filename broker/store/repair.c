/* SPDX-License-Identifier: Apache-2.0
 *
 * repair.c - indexes and counters made anew from the rows, where an audit found that they are off.
 *
 * Called by `turnout audit --repair`, with no engine. One transaction on the writer's thread: it happens whole or not
 * at all. Rows and events that cannot be read are set aside; what is lost stays lost.
 */
#include "apply.h"
#include "aside.h"
#include "event_record.h"
#include "record.h"
#include "row_index.h"
#include "seen.h"
#include "store_private.h"

enum { LONGEST_KEY = 64 };

/* Calls each with every record of a database, which may delete it: the place is kept as a key, not by a cursor. */
static int each_record(
        struct tn_apply *apply, enum tn_db db, int (*each)(struct tn_apply *apply, MDB_val key, MDB_val value))
{
	MDB_cursor *cursor;
	uint8_t at[LONGEST_KEY + 1] = {0};
	MDB_val key = tn_val(at, 1), value;
	int rc = mdb_cursor_open(apply->txn, apply->environment->dbi[db], &cursor);
	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE)) == 0) {
		if (key.mv_size > LONGEST_KEY) {
			rc = MDB_CORRUPTED;
			break;
		}
		size_t len = key.mv_size;
		memcpy(at, key.mv_data, len);
		rc = each(apply, tn_val(at, len), value);
		if (rc != 0)
			break;
		at[len] = 0; /* the least key behind it */
		key = tn_val(at, len + 1);
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* --- Records --- */

static void pass_seq(struct tn_apply *apply, uint64_t seq)
{
	if (apply->meta.next_seq <= seq && seq < UINT64_MAX)
		apply->meta.next_seq = seq + 1;
}

static int repair_row(struct tn_apply *apply, MDB_val key, MDB_val value)
{
	struct tn_row_head head;
	uint8_t row_key[TN_KEY_ROW];
	MDB_val again;
	uint32_t bytes = 0;
	if (key.mv_size != TN_KEY_ROW)
		return tn_aside_record(apply, TN_DB_ROWS, 'r', key.mv_data, key.mv_size);
	struct tn_row_key row = tn_key_get_row(key.mv_data);
	pass_seq(apply, row.event_seq);
	int rc = tn_aside_row(apply, row);
	if (rc != 0)
		return rc;
	tn_key_put_row(row_key, row);
	MDB_val mdb_key = tn_val(row_key, sizeof row_key);
	rc = mdb_get(apply->txn, apply->environment->dbi[TN_DB_ROWS], &mdb_key, &again);
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc; /* it was set aside */
	if (!tn_row_record_head(tn_val_str(again), row, &head))
		return MDB_CORRUPTED;
	if (head.state == TN_ROW_PARKED || head.state == TN_ROW_DEAD)
		rc = tn_event_record_weigh(apply->environment, apply->txn, row.event_seq, &bytes);
	return rc == 0 ? tn_row_index_enter(apply, row, &head, bytes) : rc;
}

static int repair_event(struct tn_apply *apply, MDB_val key, MDB_val value)
{
	bool has_rows = false;
	int rc = 0;
	struct tn_event *event = NULL;
	if (key.mv_size == TN_KEY_EVENT) {
		uint64_t seq = tn_bytes_get64(key.mv_data);
		pass_seq(apply, seq);
		event = tn_event_record_read(tn_val_str(value), seq, NULL, TN_READER_AUDIT);
		rc = tn_apply_has_rows(apply, seq, &has_rows);
	}
	if (rc == 0 && (!has_rows || !event))
		rc = tn_aside_record(apply, TN_DB_EVENTS, 'e', key.mv_data, key.mv_size);
	tn_event_unref(event);
	return rc;
}

static int repair_seen(struct tn_apply *apply, MDB_val key, MDB_val value)
{
	struct tn_seen seen;
	if (tn_seen_read(tn_val_str(value), tn_val_str(key), &seen))
		return 0;
	return tn_aside_record(apply, TN_DB_SEEN, 's', key.mv_data, key.mv_size);
}

static bool is_sealed(MDB_val key, MDB_val value)
{
	uint8_t version;
	struct tn_str content;
	return tn_record_open(tn_val_str(value), tn_val_str(key), UINT8_MAX, &version, &content);
}

static int repair_strike(struct tn_apply *apply, MDB_val key, MDB_val value)
{
	return is_sealed(key, value) ? 0 : tn_aside_record(apply, TN_DB_STRIKES, 'k', key.mv_data, key.mv_size);
}

static int repair_kept(struct tn_apply *apply, MDB_val key, MDB_val value)
{
	return is_sealed(key, value) ? 0 : tn_aside_record(apply, TN_DB_KEPT, 't', key.mv_data, key.mv_size);
}

/* --- All of it --- */

static int empty(struct tn_apply *apply)
{
	static const enum tn_db derived[] = {TN_DB_STATES, TN_DB_DUE, TN_DB_LANES, TN_DB_TARGETS};
	int rc = 0;
	for (size_t i = 0; i < sizeof derived / sizeof *derived && rc == 0; i++)
		rc = mdb_drop(apply->txn, apply->environment->dbi[derived[i]], 0);
	tn_target_count_fini(&apply->counts);
	memset(apply->meta.rows, 0, sizeof apply->meta.rows);
	return rc;
}

static int repair(struct tn_apply *apply, void *arg)
{
	int rc = empty(apply);
	if (rc == 0)
		rc = each_record(apply, TN_DB_ROWS, repair_row);
	if (rc == 0)
		rc = each_record(apply, TN_DB_EVENTS, repair_event);
	if (rc == 0)
		rc = each_record(apply, TN_DB_SEEN, repair_seen);
	if (rc == 0)
		rc = each_record(apply, TN_DB_STRIKES, repair_strike);
	if (rc == 0)
		rc = each_record(apply, TN_DB_KEPT, repair_kept);
	/* What is there now counts as put; how it came is not known any more. */
	apply->meta.flows = (struct tn_store_flows){0};
	memcpy(apply->meta.flows.put, apply->meta.rows, sizeof apply->meta.rows);
	return rc;
}

enum tn_status tn_store_repair(struct tn_store *store, struct tn_error *error)
{
	return tn_writer_call(store, repair, NULL, TN_SPACE_SETTLE, "repair what is off", error);
}
