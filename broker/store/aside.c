/* SPDX-License-Identifier: Apache-2.0
 *
 * aside.c - records that cannot be read go to the `bad` database, so that they block nobody and are not lost.
 *
 * Called by apply.c when an operation meets one, and by writer.c for those that scan.c met. A delivery whose row or event cannot be read
 * leaves the counters; bad_records says that it did. Writer thread only.
 */
#include "aside.h"

#include <stdio.h>
#include "event_record.h"
#include "row_index.h"

/* For people: which record, in the words of `turnout dlq` and `turnout audit`. */
static void name_record(char kind, const uint8_t *key, size_t len, char out[TN_SET_ASIDE_SIZE])
{
	static const char kinds[] = "reskt";
	static const char *const words[] = {"row", "event", "idempotency-key", "strike", "kept"};
	const char *found = strchr(kinds, kind);
	size_t at = (size_t)snprintf(out, TN_SET_ASIDE_SIZE, "%s:", found ? words[found - kinds] : "record");
	if (kind == 'r' && len == TN_KEY_ROW) {
		struct tn_row_key row = tn_key_get_row(key);
		snprintf(out + at, TN_SET_ASIDE_SIZE - at, "%016llx-%u", (unsigned long long)row.event_seq, row.route_no);
		return;
	}
	for (size_t i = 0; i < len && at + 3 < TN_SET_ASIDE_SIZE; i++)
		at += (size_t)snprintf(out + at, TN_SET_ASIDE_SIZE - at, "%02x", key[i]);
}

int tn_aside_record(struct tn_apply *apply, enum tn_db db, char kind, const void *key, size_t len)
{
	uint8_t bad_key[1 + 64];
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
	if (apply->set_aside_count < sizeof apply->set_aside / sizeof *apply->set_aside)
		name_record(kind, bad_key + 1, len, apply->set_aside[apply->set_aside_count]);
	apply->set_aside_count++;
	return rc;
}

int tn_aside_replaced_row(struct tn_apply *apply, struct tn_row_key row)
{
	uint8_t key[TN_KEY_ROW];
	tn_key_put_row(key, row);
	int rc = tn_aside_record(apply, TN_DB_ROWS, 'r', key, sizeof key);
	return rc == 0 ? tn_row_index_forget(apply, row) : rc;
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
	return tn_aside_record(apply, TN_DB_EVENTS, 'e', event_key, sizeof event_key);
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
	struct tn_event *event = rc == 0 ? tn_event_record_read(tn_val_str(value), event_seq, apply->environment->guard, TN_READER_WRITER) : NULL;
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

/* Is the row there and PARKED? out_head if so. */
static int find_parked(struct tn_apply *apply, struct tn_row_key row, bool *out_parked, struct tn_row_head *out_head)
{
	uint8_t key[TN_KEY_ROW];
	tn_key_put_row(key, row);
	MDB_val mdb_key = tn_val(key, sizeof key), value;
	int rc = mdb_get(apply->txn, apply->environment->dbi[TN_DB_ROWS], &mdb_key, &value);
	*out_parked = rc == 0 && tn_row_record_head(tn_val_str(value), row, out_head) && out_head->state == TN_ROW_PARKED;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int tn_aside_due(struct tn_apply *apply, const struct tn_due *due)
{
	uint8_t key[TN_KEY_DUE];
	struct tn_row_head head;
	bool parked;
	int rc = find_parked(apply, due->row, &parked, &head);
	if (rc != 0 || (parked && head.target_no == due->target_no && head.not_before_ms == due->not_before_ms))
		return rc;
	tn_key_put_due(key, due);
	return tn_apply_delete(apply, TN_DB_DUE, key, sizeof key);
}

int tn_aside_lane(struct tn_apply *apply, const struct tn_lane_place *place)
{
	uint8_t key[TN_KEY_LANE];
	struct tn_row_head head;
	bool parked;
	int rc = find_parked(apply, place->row, &parked, &head);
	if (rc != 0 || (parked && head.target_no == place->target_no && head.lane_seq == place->lane_seq &&
			       tn_id_equal(&head.lane, &place->lane)))
		return rc;
	tn_key_put_lane(key, place);
	return tn_apply_delete(apply, TN_DB_LANES, key, sizeof key);
}
