/* SPDX-License-Identifier: Apache-2.0
 *
 * aside.c - records that cannot be read go to the `bad` database, so that they block nobody and are not lost.
 *
 * Called by apply.c when an operation meets one, and by writer.c for those that scan.c met. A delivery whose row or event cannot be read
 * leaves the counters; bad_records says that it did. Writer thread only.
 */
#include "aside.h"

#include "event_record.h"

/* Copies the value under key into `bad`, where kind stands before its key, and deletes it. Absent is fine. */
static int move(struct tn_apply *apply, enum tn_db db, char kind, const uint8_t *key, size_t len)
{
	uint8_t bad_key[1 + TN_KEY_ROW];
	MDB_val mdb_key = tn_val(key, len), value, mdb_bad_key = tn_val(bad_key, 1 + len);
	int rc = mdb_get(apply->txn, apply->environment->dbi[db], &mdb_key, &value);
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;

	bad_key[0] = (uint8_t)kind;
	memcpy(bad_key + 1, key, len);
	tn_buf_clear(&apply->record); /* the value lies in a page that the put may move */
	tn_buf_add(&apply->record, value.mv_data, value.mv_size);
	value = tn_val(apply->record.bytes, apply->record.len);
	rc = mdb_put(apply->txn, apply->environment->dbi[TN_DB_BAD], &mdb_bad_key, &value, 0);
	if (rc == 0)
		rc = tn_apply_delete(apply, db, key, len);
	apply->meta.bad_records++;
	return rc;
}

/* What the row says of itself is not believed: the index knows its state and target. Its entry in `due` stays until a scan meets it. */
static int forget_row(struct tn_apply *apply, struct tn_row_key row)
{
	for (enum tn_row_state state = TN_ROW_OPEN; state <= TN_ROW_DEAD; state++) {
		uint8_t key[TN_KEY_STATE];
		tn_key_put_state(key, state, row);
		MDB_val mdb_key = tn_val(key, sizeof key), value;
		int rc = mdb_get(apply->txn, apply->environment->dbi[TN_DB_STATES], &mdb_key, &value);
		if (rc == MDB_NOTFOUND)
			continue;
		uint32_t target_no = rc == 0 && value.mv_size == TN_KEY_TARGET ? tn_bytes_get32(value.mv_data) : 0;
		if (rc == 0)
			rc = tn_apply_delete(apply, TN_DB_STATES, key, sizeof key);
		if (rc == 0 && state == TN_ROW_PARKED)
			rc = tn_apply_count_parked(apply, target_no, -1);
		if (rc != 0)
			return rc;
		if (apply->meta.rows[state] > 0)
			apply->meta.rows[state]--;
	}
	return 0;
}

int tn_aside_replaced_row(struct tn_apply *apply, struct tn_row_key row)
{
	uint8_t key[TN_KEY_ROW];
	tn_key_put_row(key, row);
	int rc = move(apply, TN_DB_ROWS, 'r', key, sizeof key);
	return rc == 0 ? forget_row(apply, row) : rc;
}

static int move_row_and_event(struct tn_apply *apply, struct tn_row_key row)
{
	uint8_t event_key[TN_KEY_EVENT];
	bool has_rows;
	int rc = tn_aside_replaced_row(apply, row);
	if (rc == 0)
		rc = tn_apply_has_rows(apply, row.event_seq, &has_rows);
	if (rc != 0 || has_rows)
		return rc;
	tn_bytes_put64(event_key, row.event_seq);
	return move(apply, TN_DB_EVENTS, 'e', event_key, sizeof event_key);
}

static int row_is_fine(struct tn_apply *apply, struct tn_row_key key, bool *out_fine, bool *out_needs_event)
{
	uint8_t bytes[TN_KEY_ROW];
	struct tn_row row;
	tn_key_put_row(bytes, key);
	MDB_val mdb_key = tn_val(bytes, sizeof bytes), value;
	int rc = mdb_get(apply->txn, apply->environment->dbi[TN_DB_ROWS], &mdb_key, &value);
	if (rc != 0)
		return rc;
	tn_arena_reset(&apply->arena);
	*out_fine = tn_row_record_read(tn_val_str(value), key, &apply->arena, &row);
	*out_needs_event = *out_fine && row.state != TN_ROW_TRIED;
	return 0;
}

static int event_is_fine(struct tn_apply *apply, uint64_t event_seq, bool *out_fine)
{
	uint8_t key[TN_KEY_EVENT];
	tn_bytes_put64(key, event_seq);
	MDB_val mdb_key = tn_val(key, sizeof key), value;
	int rc = mdb_get(apply->txn, apply->environment->dbi[TN_DB_EVENTS], &mdb_key, &value);
	struct tn_event *event = rc == 0 ? tn_event_record_read(tn_val_str(value), event_seq) : NULL;
	*out_fine = event != NULL;
	tn_event_unref(event);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int tn_aside_row(struct tn_apply *apply, struct tn_row_key key)
{
	bool fine, needs_event;
	int rc = row_is_fine(apply, key, &fine, &needs_event);
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	if (fine && needs_event)
		rc = event_is_fine(apply, key.event_seq, &fine);
	return rc == 0 && !fine ? move_row_and_event(apply, key) : rc;
}

int tn_aside_due(struct tn_apply *apply, const struct tn_due *due)
{
	uint8_t row_key[TN_KEY_ROW], due_key[TN_KEY_DUE];
	struct tn_row_head head;
	tn_key_put_row(row_key, due->row);
	MDB_val mdb_key = tn_val(row_key, sizeof row_key), value;
	int rc = mdb_get(apply->txn, apply->environment->dbi[TN_DB_ROWS], &mdb_key, &value);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	if (rc == 0 && tn_row_record_head(tn_val_str(value), due->row, &head) && head.state == TN_ROW_PARKED &&
		head.target_no == due->target_no && head.not_before_ms == due->not_before_ms)
		return 0;
	tn_key_put_due(due_key, due);
	return tn_apply_delete(apply, TN_DB_DUE, due_key, sizeof due_key);
}
