/* SPDX-License-Identifier: Apache-2.0
 *
 * apply.c - a batch's operations, inside one write transaction.
 *
 * Called by writer.c. Each operation first looks at what is there, and brings rows, indexes and counters from that to what is wanted;
 * so doing it twice is doing it once, and the counters equal the rows by construction. Writer thread only.
 *
 *   operation      rows          row_index.c     meta.flows                  events
 *   PUT_EVENT                                                                put
 *   PUT_ROW        put           old -> new      put, or moved if the        counted for PARKED and DEAD rows
 *                                                state is another
 *   DROP_ROW       delete        leave           dropped                     deleted with the last row
 *   REDRIVE_ROW    a PUT_ROW of what was read, if that is DEAD
 *   PURGE_ROW      a DROP_ROW, if the row is DEAD
 *   RELEASE_ROW    a PUT_ROW of what was read, if that is DEAD
 *   PUT_SEEN and DROP_SEEN are in seen.c.
 */
#include "apply.h"

#include "aside.h"
#include "event_record.h"
#include "record.h"
#include "row_index.h"
#include "seen.h"

/* --- Databases --- */

static int put(struct tn_apply *apply, enum tn_db db, const void *key, size_t key_len, const void *value, size_t value_len,
	unsigned flags)
{
	MDB_val mdb_key = tn_val(key, key_len), mdb_value = tn_val(value, value_len);
	return mdb_put(apply->txn, apply->environment->dbi[db], &mdb_key, &mdb_value, flags);
}

/* Appending keeps pages full; it is allowed only above the last key. */
static int put_ascending(struct tn_apply *apply, enum tn_db db, const uint8_t *key, size_t key_len, uint8_t *last)
{
	unsigned flags = 0;
	if (memcmp(key, last, key_len) > 0) {
		memcpy(last, key, key_len);
		flags = MDB_APPEND;
	}
	return put(apply, db, key, key_len, apply->record.bytes, apply->record.len, flags);
}

int tn_apply_delete(struct tn_apply *apply, enum tn_db db, const void *key, size_t len)
{
	MDB_val mdb_key = tn_val(key, len);
	int rc = mdb_del(apply->txn, apply->environment->dbi[db], &mdb_key, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int read_last_key(struct tn_apply *apply, MDB_cursor *cursor, uint8_t *out, size_t len)
{
	MDB_val key, value;
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	memset(out, 0, len);
	if (rc == 0 && key.mv_size == len)
		memcpy(out, key.mv_data, len);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* --- Rows --- */

enum found { ABSENT, PRESENT, DAMAGED };

/* What is there now. out_head and out_record: if PRESENT, the latter until the next write. */
static int find_row(struct tn_apply *apply, struct tn_row_key row, enum found *out_found, struct tn_row_head *out_head,
	struct tn_str *out_record)
{
	uint8_t key[TN_KEY_ROW];
	tn_key_put_row(key, row);
	MDB_val mdb_key = tn_val(key, sizeof key), value;
	int rc = mdb_get(apply->txn, apply->environment->dbi[TN_DB_ROWS], &mdb_key, &value);
	*out_found = ABSENT;
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	*out_record = tn_val_str(value);
	*out_found = tn_row_record_head(*out_record, row, out_head) ? PRESENT : DAMAGED;
	return 0;
}

/* OPEN and TRIED rows are found by state and target alone; of the others the bytes may have changed too. */
static bool same_index(const struct tn_row_head *a, const struct tn_row_head *b)
{
	return a->state == b->state && a->target_no == b->target_no && (a->state == TN_ROW_OPEN || a->state == TN_ROW_TRIED);
}

/* What a row counts for its target. The event stands there already: it goes in front of its rows. */
static int weigh(struct tn_apply *apply, const struct tn_row *row, uint32_t *out_bytes)
{
	uint64_t event_seq = row->key.event_seq;
	*out_bytes = 0;
	if (row->state != TN_ROW_PARKED && row->state != TN_ROW_DEAD)
		return 0;
	int rc = apply->weighed_seq == event_seq && event_seq > 0
		? 0
		: tn_event_record_weigh(apply->environment, apply->txn, event_seq, &apply->weighed_bytes);
	apply->weighed_seq = rc == 0 ? event_seq : 0;
	*out_bytes = apply->weighed_bytes;
	return rc;
}

static void count_put(struct tn_store_flows *flows, enum found found, const struct tn_row_head *old, enum tn_row_state state)
{
	if (found != PRESENT)
		flows->put[state]++;
	else if (old->state != state)
		flows->moved[old->state][state]++;
}

static int put_row(struct tn_apply *apply, const struct tn_row *row)
{
	enum found found;
	struct tn_str old_record;
	struct tn_row_head old = {0}, head = {row->state, row->target_no, row->tries.not_before_ms, row->lane, row->lane_seq};
	uint32_t bytes;
	int rc = find_row(apply, row->key, &found, &old, &old_record);
	if (rc == 0 && found == DAMAGED)
		rc = tn_aside_replaced_row(apply, row->key);
	if (rc != 0)
		return rc;

	uint8_t key[TN_KEY_ROW];
	tn_key_put_row(key, row->key);
	tn_row_record_write(&apply->record, row);
	rc = put_ascending(apply, TN_DB_ROWS, key, sizeof key, apply->last_row);
	if (rc != 0 || (found == PRESENT && same_index(&old, &head)))
		return rc;
	rc = weigh(apply, row, &bytes);
	if (rc == 0 && found == PRESENT)
		rc = tn_row_index_leave(apply, row->key, &old);
	if (rc == 0)
		rc = tn_row_index_enter(apply, row->key, &head, bytes);
	count_put(&apply->meta.flows, found, &old, row->state);
	return rc;
}

int tn_apply_has_rows(struct tn_apply *apply, uint64_t event_seq, bool *out_has)
{
	uint8_t first[TN_KEY_ROW];
	tn_key_put_row(first, (struct tn_row_key){event_seq, 0});
	MDB_val key = tn_val(first, sizeof first), value;
	int rc = mdb_cursor_get(apply->rows, &key, &value, MDB_SET_RANGE);
	*out_has = rc == 0 && tn_bytes_get64(key.mv_data) == event_seq;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int delete_row(struct tn_apply *apply, struct tn_row_key row, const struct tn_row_head *head)
{
	uint8_t key[TN_KEY_ROW];
	tn_key_put_row(key, row);
	int rc = tn_apply_delete(apply, TN_DB_ROWS, key, sizeof key);
	return rc == 0 ? tn_row_index_leave(apply, row, head) : rc;
}

/* The last row of its event takes the bytes along. */
static int delete_event_without_rows(struct tn_apply *apply, uint64_t event_seq)
{
	bool has_rows;
	uint8_t key[TN_KEY_EVENT];
	int rc = tn_apply_has_rows(apply, event_seq, &has_rows);
	if (rc != 0 || has_rows)
		return rc;
	tn_bytes_put64(key, event_seq);
	return tn_apply_delete(apply, TN_DB_EVENTS, key, sizeof key);
}

/* --- Operations --- */

static int put_event(struct tn_apply *apply, uint64_t event_seq, const struct tn_event *event)
{
	uint8_t key[TN_KEY_EVENT];
	tn_bytes_put64(key, event_seq);
	tn_event_record_write(&apply->record, event_seq, event);
	apply->weighed_seq = event_seq;
	apply->weighed_bytes = (uint32_t)tn_store_row_bytes(event);
	return put_ascending(apply, TN_DB_EVENTS, key, sizeof key, apply->last_event);
}

static int drop_row(struct tn_apply *apply, struct tn_row_key row, bool only_dead)
{
	enum found found;
	struct tn_row_head head;
	struct tn_str record;
	int rc = find_row(apply, row, &found, &head, &record);
	if (rc == 0 && found == DAMAGED)
		rc = tn_aside_row(apply, row);
	if (rc != 0 || (only_dead && (found != PRESENT || head.state != TN_ROW_DEAD)))
		return rc;
	if (found == PRESENT) {
		rc = delete_row(apply, row, &head);
		apply->meta.flows.dropped[head.state]++;
		apply->meta.flows.purged += only_dead;
	}
	return rc == 0 ? delete_event_without_rows(apply, row.event_seq) : rc;
}

/* Its strings live in apply->arena. */
static int read_dead(struct tn_apply *apply, struct tn_row_key key, struct tn_row *out_row, bool *out_dead)
{
	enum found found;
	struct tn_row_head head;
	struct tn_str record;
	int rc = find_row(apply, key, &found, &head, &record);
	*out_dead = false;
	if (rc != 0 || found == ABSENT || (found == PRESENT && head.state != TN_ROW_DEAD))
		return rc;
	tn_arena_reset(&apply->arena);
	if (found == DAMAGED || !tn_row_record_read(record, key, &apply->arena, out_row))
		return tn_aside_row(apply, key);
	*out_dead = true;
	return 0;
}

static int redrive_row(struct tn_apply *apply, struct tn_row_key key, int64_t now_ms)
{
	struct tn_row row;
	bool dead;
	int rc = read_dead(apply, key, &row, &dead);
	if (rc != 0 || !dead)
		return rc;
	row.state = TN_ROW_PARKED;
	row.tries = (struct tn_tries){.accepted_ms = now_ms, .not_before_ms = now_ms};
	row.last = NULL;
	row.dead_ms = 0;
	row.condition = TN_CONDITION_NONE;
	row.queue = (struct tn_str){0};
	row.blocks = false;
	row.redrives++;
	apply->meta.flows.redriven++;
	return put_row(apply, &row);
}

static int release_row(struct tn_apply *apply, struct tn_row_key key)
{
	struct tn_row row;
	bool dead;
	int rc = read_dead(apply, key, &row, &dead);
	row.blocks = false;
	return rc == 0 && dead ? put_row(apply, &row) : rc;
}

static int apply_op(struct tn_apply *apply, const struct tn_op *op, int64_t now_ms)
{
	switch (op->kind) {
	case TN_PUT_EVENT:
		return put_event(apply, op->key.event_seq, op->event);
	case TN_PUT_ROW:
		return put_row(apply, op->row);
	case TN_DROP_ROW:
		return drop_row(apply, op->key, false);
	case TN_REDRIVE_ROW:
		return redrive_row(apply, op->key, now_ms);
	case TN_PURGE_ROW:
		return drop_row(apply, op->key, true);
	case TN_RELEASE_ROW:
		return release_row(apply, op->key);
	case TN_PUT_SEEN:
		tn_seen_put(apply, &op->seen);
		return 0;
	case TN_DROP_SEEN:
		return tn_seen_drop(apply, &op->seen.key);
	}
	return MDB_BAD_VALSIZE;
}

/* --- A transaction --- */

int tn_apply_begin(struct tn_apply *apply, const struct tn_environment *environment, MDB_txn *txn)
{
	MDB_cursor *events = NULL;
	*apply = (struct tn_apply){.environment = environment, .txn = txn};

	int rc = tn_meta_load(environment, txn, &apply->meta);
	if (rc == MDB_CORRUPTED)
		rc = tn_meta_rebuild(environment, txn, &apply->meta);
	if (rc == 0)
		rc = mdb_cursor_open(txn, environment->dbi[TN_DB_ROWS], &apply->rows);
	if (rc == 0)
		rc = read_last_key(apply, apply->rows, apply->last_row, sizeof apply->last_row);
	if (rc == 0)
		rc = mdb_cursor_open(txn, environment->dbi[TN_DB_EVENTS], &events);
	if (rc == 0)
		rc = read_last_key(apply, events, apply->last_event, sizeof apply->last_event);
	if (events)
		mdb_cursor_close(events);
	return rc;
}

int tn_apply_batch(struct tn_apply *apply, const struct tn_batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		int rc = apply_op(apply, &batch->ops[i], batch->now_ms);
		if (rc != 0)
			return rc;
	}
	if (apply->meta.next_seq < batch->next_seq)
		apply->meta.next_seq = batch->next_seq;
	if (apply->meta.engine_ms < batch->now_ms)
		apply->meta.engine_ms = batch->now_ms;
	return 0;
}

int tn_apply_end(struct tn_apply *apply)
{
	int rc = tn_target_count_save(&apply->counts, apply->environment, apply->txn);
	return rc == 0 ? tn_meta_save(apply->environment, apply->txn, &apply->meta) : rc;
}

void tn_apply_fini(struct tn_apply *apply)
{
	if (apply->rows)
		mdb_cursor_close(apply->rows);
	apply->rows = NULL;
	tn_target_count_fini(&apply->counts);
	tn_buf_fini(&apply->record);
	tn_arena_fini(&apply->arena);
}
