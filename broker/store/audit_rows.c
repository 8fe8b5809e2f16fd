/* SPDX-License-Identifier: Apache-2.0
 *
 * audit_rows.c - rows and events against each other, and against the indexes, both ways.
 *
 * Called by audit.c. Rows and events are walked together, by sequence. Each row that can be read must be found by every
 * index it belongs in; and as an index then has at least those entries, it has others exactly when it has more.
 */
#include "audit.h"

#include <stdio.h>
#include <string.h>
#include "event_record.h"
#include "record.h"
#include "row_index.h"

/* --- A row and its places --- */

static int check_place(struct tn_auditing *auditing, enum tn_db db, const void *key, size_t len, struct tn_row_key row,
        const char *code, const char *what)
{
	char text[112];
	MDB_val value;
	bool found;
	int rc = tn_audit_get(auditing, db, key, len, &value, &found);
	if (rc == 0 && !found)
		tn_audit_find(auditing->out, code, tn_audit_advice_repair, tn_audit_row_text(row, text), "%s", what);
	return rc;
}

static int check_state(
        struct tn_auditing *auditing, struct tn_row_key row, const struct tn_row_head *head, uint32_t bytes)
{
	uint8_t key[TN_KEY_STATE];
	char text[112];
	MDB_val value;
	bool found;
	tn_key_put_state(key, head->state, row);
	int rc = tn_audit_get(auditing, TN_DB_STATES, key, sizeof key, &value, &found);
	if (rc != 0)
		return rc;
	auditing->states++;
	tn_audit_row_text(row, text);
	if (!found)
		tn_audit_find(auditing->out, "ROW_NOT_INDEXED", tn_audit_advice_repair, text,
		        "no scan by state finds the row");
	else if (value.mv_size != TN_VALUE_STATE || tn_bytes_get32(value.mv_data) != head->target_no)
		tn_audit_find(auditing->out, "ROW_INDEXED_WRONGLY", tn_audit_advice_repair, text,
		        "the index by state has another target for it");
	else if (bytes > 0 && tn_bytes_get32((const uint8_t *)value.mv_data + 4) != bytes)
		tn_audit_find(auditing->out, "ROW_INDEXED_WRONGLY", tn_audit_advice_repair, text,
		        "it counts for %u bytes and should count for %u",
		        (unsigned)tn_bytes_get32((const uint8_t *)value.mv_data + 4), bytes);
	return 0;
}

static int check_parked(struct tn_auditing *auditing, struct tn_row_key row, const struct tn_row_head *head)
{
	uint8_t due_key[TN_KEY_DUE], lane_key[TN_KEY_LANE];
	struct tn_due due = tn_row_index_due(row, head);
	tn_key_put_due(due_key, &due);
	auditing->due++;
	int rc = check_place(auditing, TN_DB_DUE, due_key, sizeof due_key, row, "PARKED_NEVER_DUE",
	        "the row is parked and stands in no line of due rows: it would wait for ever");
	if (rc != 0 || !tn_row_index_has_lane(head))
		return rc;
	struct tn_lane_place place = tn_row_index_lane(row, head);
	tn_key_put_lane(lane_key, &place);
	auditing->lanes++;
	return check_place(auditing, TN_DB_LANES, lane_key, sizeof lane_key, row, "PARKED_NOT_IN_LANE",
	        "the row is parked in a lane, and the lane does not have it");
}

static int check_name(struct tn_auditing *auditing, const struct tn_row *row)
{
	uint8_t key[TN_KEY_TARGET], version;
	char text[112];
	struct tn_str name = {0};
	MDB_val value;
	bool found;
	if (row->target_no == auditing->named_no && row->target_no != 0 &&
	        tn_str_equal(tn_buf_str(&auditing->named), row->target))
		return 0;
	tn_bytes_put32(key, row->target_no);
	int rc = tn_audit_get(auditing, TN_DB_NAMES, key, sizeof key, &value, &found);
	if (rc != 0)
		return rc;
	if (found &&
	        !tn_record_open(tn_val_str(value), tn_str_make((char *)key, sizeof key), UINT8_MAX, &version, &name))
		return 0; /* a finding of its own */
	if (found && tn_str_equal(name, row->target)) {
		auditing->named_no = row->target_no;
		tn_buf_clear(&auditing->named);
		tn_buf_add_str(&auditing->named, name);
		return 0;
	}
	tn_audit_find(auditing->out, "ROW_TARGET", tn_audit_advice_report, tn_audit_row_text(row->key, text),
	        "the row is for target \"%.*s\" by name, and for \"%.*s\" by number (%u)",
	        (int)(row->target.len < 40 ? row->target.len : 40), row->target.bytes ? row->target.bytes : "",
	        (int)(name.len < 40 ? name.len : 40), name.bytes ? name.bytes : "", (unsigned)row->target_no);
	return 0;
}

/* --- Rows and events together --- */

struct walk {
	MDB_cursor *rows, *events;
	MDB_val row_key, row_value, event_key, event_value;
	bool row, event; /* is there one under the cursor? */
};

static int advance(MDB_cursor *cursor, MDB_val *key, MDB_val *value, size_t key_size, bool *out_there)
{
	int rc;
	do /* a key of another size cannot have been written */
		rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
	while (rc == 0 && key->mv_size != key_size);
	*out_there = rc == 0;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int next_row(struct walk *walk)
{
	return advance(walk->rows, &walk->row_key, &walk->row_value, TN_KEY_ROW, &walk->row);
}

static int next_event(struct walk *walk)
{
	return advance(walk->events, &walk->event_key, &walk->event_value, TN_KEY_EVENT, &walk->event);
}

/* Buried without being looked at: it counts for more than its event would, if that may be looked at by now. */
static bool is_unread(const struct tn_row *row)
{
	return row->last && row->last->code && strcmp(row->last->code, "POISON_CRASH") == 0;
}

static int check_row(struct tn_auditing *auditing, const struct walk *walk, bool has_event, uint32_t bytes)
{
	struct tn_row_key key = tn_key_get_row(walk->row_key.mv_data);
	struct tn_row_head head;
	struct tn_row row;
	char text[112];
	tn_audit_row_text(key, text);
	tn_arena_reset(&auditing->arena);
	if (!tn_row_record_head(tn_val_str(walk->row_value), key, &head) ||
	        !tn_row_record_read(tn_val_str(walk->row_value), key, &auditing->arena, &row)) {
		tn_audit_find(
		        auditing->out, "ROW_DAMAGED", tn_audit_advice_record, text, "the row's record cannot be read");
		return 0;
	}
	auditing->out->rows[head.state]++;
	bool counts = head.state == TN_ROW_PARKED || head.state == TN_ROW_DEAD;
	if (head.state != TN_ROW_TRIED && !has_event)
		tn_audit_find(auditing->out, "ROW_WITHOUT_EVENT", tn_audit_advice_record, text,
		        "the row's event is not there");
	int rc = check_state(auditing, key, &head, counts && has_event && !is_unread(&row) ? bytes : 0);
	if (rc == 0 && head.state == TN_ROW_PARKED)
		rc = check_parked(auditing, key, &head);
	return rc == 0 ? check_name(auditing, &row) : rc;
}

/* The event of sequence seq is under the cursor. */
static void check_event(
        struct tn_auditing *auditing, const struct walk *walk, uint64_t seq, bool has_rows, uint32_t *out_bytes)
{
	char text[112];
	struct tn_event *event = tn_event_record_read(tn_val_str(walk->event_value), seq, auditing->environment->guard, TN_READER_AUDIT);
	snprintf(text, sizeof text, "event %016llx", (unsigned long long)seq);
	auditing->out->events++;
	bool unread = event && tn_event_is_raw(event) && tn_str_is(tn_event_raw_reason(event), TN_EVENT_UNREAD);
	*out_bytes = event && !unread ? (uint32_t)tn_store_row_bytes(event) : 0;
	if (!event)
		tn_audit_find(auditing->out, "EVENT_DAMAGED", tn_audit_advice_record, text,
		        "the event's record cannot be read");
	if (!has_rows)
		tn_audit_find(auditing->out, "EVENT_WITHOUT_ROWS", tn_audit_advice_repair, text,
		        "event bytes that no row stands for");
	tn_event_unref(event);
}

static int check_one_seq(struct tn_auditing *auditing, struct walk *walk)
{
	char text[112];
	uint64_t row_seq = walk->row ? tn_bytes_get64(walk->row_key.mv_data) : UINT64_MAX;
	uint64_t event_seq = walk->event ? tn_bytes_get64(walk->event_key.mv_data) : UINT64_MAX;
	uint64_t seq = row_seq < event_seq ? row_seq : event_seq;
	bool has_event = walk->event && event_seq == seq, has_row = walk->row && row_seq == seq;
	uint32_t bytes = 0;
	int rc = tn_audit_step(auditing);
	if (seq >= auditing->meta.next_seq) {
		snprintf(text, sizeof text, "%s %016llx", has_row ? "row" : "event", (unsigned long long)seq);
		tn_audit_find(auditing->out, "SEQUENCE_AHEAD", tn_audit_advice_repair, text,
		        "the next event would get number %llu, which is not above",
		        (unsigned long long)auditing->meta.next_seq);
	}
	if (has_event) {
		check_event(auditing, walk, seq, has_row, &bytes);
		if (rc == 0)
			rc = next_event(walk);
	}
	while (rc == 0 && walk->row && tn_bytes_get64(walk->row_key.mv_data) == seq) {
		rc = check_row(auditing, walk, has_event, bytes);
		if (rc == 0)
			rc = next_row(walk);
	}
	return rc;
}

int tn_audit_rows(struct tn_auditing *auditing)
{
	struct walk walk = {0};
	int rc = mdb_cursor_open(auditing->txn, auditing->environment->dbi[TN_DB_ROWS], &walk.rows);
	if (rc == 0)
		rc = mdb_cursor_open(auditing->txn, auditing->environment->dbi[TN_DB_EVENTS], &walk.events);
	if (rc == 0)
		rc = next_row(&walk);
	if (rc == 0)
		rc = next_event(&walk);
	while (rc == 0 && (walk.row || walk.event))
		rc = check_one_seq(auditing, &walk);
	if (walk.rows)
		mdb_cursor_close(walk.rows);
	if (walk.events)
		mdb_cursor_close(walk.events);
	return rc;
}

/* --- Entries that stand for no row --- */

enum entry { FITS, LEFT_OVER, POINTS_NOWHERE };

/* What the row of an entry says. A damaged one is a finding already. */
static int look_up(struct tn_auditing *auditing, struct tn_row_key row, struct tn_row_head *out_head,
        bool *out_readable, enum entry *out_entry)
{
	uint8_t key[TN_KEY_ROW];
	MDB_val value;
	bool found, aside = false;
	tn_key_put_row(key, row);
	int rc = tn_audit_get(auditing, TN_DB_ROWS, key, sizeof key, &value, &found);
	if (rc == 0 && !found)
		rc = tn_audit_was_set_aside(auditing, 'r', key, sizeof key, &aside);
	*out_readable = found && tn_row_record_head(tn_val_str(value), row, out_head);
	*out_entry = found ? FITS : aside ? LEFT_OVER : POINTS_NOWHERE;
	return rc;
}

static int judge(struct tn_auditing *auditing, int rc, enum entry entry, const char *database, MDB_val key)
{
	char text[112];
	if (rc == 0 && entry == LEFT_OVER)
		auditing->out->leftovers++;
	if (rc == 0 && entry == POINTS_NOWHERE)
		tn_audit_find(auditing->out, "INDEX_POINTS_NOWHERE", tn_audit_advice_repair,
		        tn_audit_hex_text(database, key, text),
		        "an index entry for a row that is not there, or is elsewhere");
	return rc;
}

static int check_state_entry(struct tn_auditing *auditing, MDB_val key, MDB_val value)
{
	enum entry entry = POINTS_NOWHERE;
	struct tn_row_head head;
	bool readable = false;
	const uint8_t *bytes = key.mv_data;
	int rc = key.mv_size == TN_KEY_STATE ? look_up(auditing, tn_key_get_row(bytes + 1), &head, &readable, &entry)
	                                     : 0;
	if (readable && head.state != bytes[0])
		entry = POINTS_NOWHERE;
	return judge(auditing, rc, entry, "states", key);
}

static int check_due_entry(struct tn_auditing *auditing, MDB_val key, MDB_val value)
{
	enum entry entry = POINTS_NOWHERE;
	struct tn_row_head head;
	bool readable = false;
	int rc = 0;
	if (key.mv_size == TN_KEY_DUE) {
		struct tn_due due = tn_key_get_due(key.mv_data);
		rc = look_up(auditing, due.row, &head, &readable, &entry);
		if (readable && (head.state != TN_ROW_PARKED || head.target_no != due.target_no ||
		                        head.not_before_ms != due.not_before_ms))
			entry = POINTS_NOWHERE;
	}
	return judge(auditing, rc, entry, "due", key);
}

static int check_lane_entry(struct tn_auditing *auditing, MDB_val key, MDB_val value)
{
	enum entry entry = POINTS_NOWHERE;
	struct tn_row_head head;
	bool readable = false;
	int rc = 0;
	if (key.mv_size == TN_KEY_LANE) {
		struct tn_lane_place place = tn_key_get_lane(key.mv_data);
		rc = look_up(auditing, place.row, &head, &readable, &entry);
		if (readable && (head.state != TN_ROW_PARKED || head.target_no != place.target_no ||
		                        head.lane_seq != place.lane_seq || !tn_id_equal(&head.lane, &place.lane)))
			entry = POINTS_NOWHERE;
	}
	return judge(auditing, rc, entry, "lanes", key);
}

int tn_audit_indexes(struct tn_auditing *auditing)
{
	const struct {
		enum tn_db db;
		uint64_t expected;
		int (*check)(struct tn_auditing *auditing, MDB_val key, MDB_val value);
	} indexes[] = {
	        {TN_DB_STATES, auditing->states, check_state_entry},
	        {TN_DB_DUE, auditing->due, check_due_entry},
	        {TN_DB_LANES, auditing->lanes, check_lane_entry},
	};
	int rc = 0;
	for (size_t i = 0; i < sizeof indexes / sizeof *indexes && rc == 0; i++) {
		uint64_t count = 0;
		rc = tn_audit_count(auditing, indexes[i].db, &count);
		if (rc == 0 && (count != indexes[i].expected || auditing->out->findings > 0))
			rc = tn_audit_each(auditing, indexes[i].db, indexes[i].check);
	}
	return rc;
}
