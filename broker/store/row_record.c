/* SPDX-License-Identifier: Apache-2.0
 *
 * row_record.c - a delivery row as bytes: its persistent fields, in their order on disk.
 *
 * Called by apply.c (write) and scan.c (read). Knows no database. Any thread.
 */
#include "row_record.h"

#include "key.h"
#include "record.h"

/* To change the record:
 *   1. give it the next version number, and let write_fields write only that;
 *   2. keep read_fields able to read every older version, with a default for what that did not have;
 *   3. add a record of the old version, as bytes, to tests/store/test_row_record.c;
 *   4. if an older Turnout must not open such a store, raise FORMAT in environment.c too. */
enum { ROW_VERSION = 2 };

enum { ROW_HAS_LAST = 1, ROW_BLOCKS = 2 };
enum { LAST_FUNCTION_ERROR = 1, LAST_MAYBE_DONE = 2, LAST_CREDENTIAL = 4, LAST_DECLINED = 8 };

/* Version 2, without the strings and the last outcome behind it. The key is not in it: the record stands under it. */
struct row_fields {
	uint8_t state, flags, condition;
	uint32_t target_no, redrives, tries_system, tries_function;
	int64_t not_before_ms, accepted_ms, first_ms, dead_ms;
	uint64_t rule_revision;
	struct tn_id id, lane;
	/* Not in version 1, which has no `queue` and no sent_sha256 either: zero and empty. */
	uint64_t lane_seq;
	uint32_t hops;
	struct tn_id dedup_key;
	int64_t last_ms;
};
struct last_fields {
	uint8_t verdict, flags;
	uint32_t status;
	int64_t retry_after_ms;
};

/* --- Writing --- */

static void put8(struct tn_buf *out, uint8_t value)
{
	tn_buf_add_byte(out, (char)value);
}

static void put32(struct tn_buf *out, uint32_t value)
{
	tn_bytes_put32((uint8_t *)tn_buf_reserve(out, 4), value);
	out->len += 4;
}

static void put64(struct tn_buf *out, uint64_t value)
{
	tn_bytes_put64((uint8_t *)tn_buf_reserve(out, 8), value);
	out->len += 8;
}

static void put_str(struct tn_buf *out, struct tn_str str)
{
	put32(out, (uint32_t)str.len);
	tn_buf_add_str(out, str);
}

static void write_fields(struct tn_buf *out, const struct row_fields *fields)
{
	put8(out, fields->state);
	put8(out, fields->flags);
	put8(out, fields->condition);
	put32(out, fields->target_no);
	put32(out, fields->redrives);
	put32(out, fields->tries_system);
	put32(out, fields->tries_function);
	put64(out, (uint64_t)fields->not_before_ms);
	put64(out, (uint64_t)fields->accepted_ms);
	put64(out, (uint64_t)fields->first_ms);
	put64(out, (uint64_t)fields->dead_ms);
	put64(out, fields->rule_revision);
	tn_buf_add(out, fields->id.bytes, sizeof fields->id.bytes);
	tn_buf_add(out, fields->lane.bytes, sizeof fields->lane.bytes);
	put64(out, fields->lane_seq);
	put32(out, fields->hops);
	tn_buf_add(out, fields->dedup_key.bytes, sizeof fields->dedup_key.bytes);
	put64(out, (uint64_t)fields->last_ms);
}

static void write_last(struct tn_buf *out, const struct tn_outcome *last)
{
	put8(out, (uint8_t)last->verdict);
	put8(out, (uint8_t)((last->function_error ? LAST_FUNCTION_ERROR : 0) | (last->maybe_done ? LAST_MAYBE_DONE : 0) |
		(last->credential ? LAST_CREDENTIAL : 0) | (last->declined ? LAST_DECLINED : 0)));
	put32(out, (uint32_t)last->status);
	put64(out, (uint64_t)last->retry_after_ms);
	put_str(out, tn_str_from(last->code));
	put_str(out, last->message);
	put_str(out, last->sample);
	put_str(out, last->sent_sha256);
}

void tn_row_record_write(struct tn_buf *out, const struct tn_row *row)
{
	uint8_t key[TN_KEY_ROW];
	struct row_fields fields = {
		.state = (uint8_t)row->state,
		.flags = (uint8_t)((row->last ? ROW_HAS_LAST : 0) | (row->blocks ? ROW_BLOCKS : 0)),
		.condition = (uint8_t)row->condition,
		.target_no = row->target_no,
		.redrives = row->redrives,
		.tries_system = row->tries.system,
		.tries_function = row->tries.function,
		.not_before_ms = row->tries.not_before_ms,
		.accepted_ms = row->tries.accepted_ms,
		.first_ms = row->tries.first_ms,
		.dead_ms = row->dead_ms,
		.rule_revision = row->rule_revision,
		.id = row->id,
		.lane = row->lane,
		.lane_seq = row->lane_seq,
		.hops = row->hops,
		.dedup_key = row->dedup_key,
		.last_ms = row->tries.last_ms,
	};

	tn_record_begin(out);
	write_fields(out, &fields);
	put_str(out, row->rule);
	put_str(out, row->target);
	put_str(out, row->origin);
	put_str(out, row->queue);
	if (row->last)
		write_last(out, row->last);
	tn_key_put_row(key, row->key);
	tn_record_seal(out, ROW_VERSION, tn_str_make((char *)key, sizeof key));
}

/* --- Reading --- */

struct reader {                           /* once it ran short, everything after is zero */
	struct tn_str left;
	uint8_t version;
	bool short_of;
};

static const uint8_t *take(struct reader *reader, size_t len)
{
	static const uint8_t zeros[16];
	if (reader->short_of || reader->left.len < len) {
		reader->short_of = true;
		return zeros;
	}
	const uint8_t *bytes = (const uint8_t *)reader->left.bytes;
	reader->left = tn_str_tail(reader->left, len);
	return bytes;
}

static uint8_t get8(struct reader *reader)
{
	return *take(reader, 1);
}

static uint32_t get32(struct reader *reader)
{
	return tn_bytes_get32(take(reader, 4));
}

static uint64_t get64(struct reader *reader)
{
	return tn_bytes_get64(take(reader, 8));
}

static struct tn_str get_str(struct reader *reader, struct tn_arena *arena)
{
	size_t len = get32(reader);
	if (reader->short_of || reader->left.len < len) {
		reader->short_of = true;
		return (struct tn_str){0};
	}
	struct tn_str str = tn_arena_copy(arena, tn_str_make(reader->left.bytes, len));
	reader->left = tn_str_tail(reader->left, len);
	return str;
}

static void read_fields(struct reader *reader, struct row_fields *fields)
{
	fields->state = get8(reader);
	fields->flags = get8(reader);
	fields->condition = get8(reader);
	fields->target_no = get32(reader);
	fields->redrives = get32(reader);
	fields->tries_system = get32(reader);
	fields->tries_function = get32(reader);
	fields->not_before_ms = (int64_t)get64(reader);
	fields->accepted_ms = (int64_t)get64(reader);
	fields->first_ms = (int64_t)get64(reader);
	fields->dead_ms = (int64_t)get64(reader);
	fields->rule_revision = get64(reader);
	memcpy(fields->id.bytes, take(reader, 16), 16);
	memcpy(fields->lane.bytes, take(reader, 16), 16);
	if (reader->version < 2)
		return;
	fields->lane_seq = get64(reader);
	fields->hops = get32(reader);
	memcpy(fields->dedup_key.bytes, take(reader, 16), 16);
	fields->last_ms = (int64_t)get64(reader);
}

static bool fields_make_sense(const struct row_fields *fields)
{
	return fields->state >= TN_ROW_OPEN && fields->state <= TN_ROW_DEAD && (fields->flags & ~(ROW_HAS_LAST | ROW_BLOCKS)) == 0 &&
		fields->condition <= TN_CONDITION_DECLINED;
}

static struct tn_outcome *read_last(struct reader *reader, struct tn_arena *arena)
{
	struct tn_outcome *last = tn_arena_new(arena, struct tn_outcome);
	struct last_fields fields = {.verdict = get8(reader), .flags = get8(reader)};
	fields.status = get32(reader);
	fields.retry_after_ms = (int64_t)get64(reader);
	if (fields.verdict > TN_HOLD || fields.flags > 15)
		reader->short_of = true;

	*last = (struct tn_outcome){
		.verdict = (enum tn_verdict)fields.verdict,
		.function_error = fields.flags & LAST_FUNCTION_ERROR,
		.maybe_done = fields.flags & LAST_MAYBE_DONE,
		.credential = fields.flags & LAST_CREDENTIAL,
		.declined = fields.flags & LAST_DECLINED,
		.status = (int32_t)fields.status,
		.retry_after_ms = fields.retry_after_ms,
	};
	last->code = get_str(reader, arena).bytes;
	last->message = get_str(reader, arena);
	last->sample = get_str(reader, arena);
	if (reader->version >= 2)
		last->sent_sha256 = get_str(reader, arena);
	if (last->sent_sha256.len > 0 && last->sent_sha256.len != TN_DIGEST_SIZE)
		reader->short_of = true;
	return last;
}

static bool open_record(struct tn_str record, struct tn_row_key row_key, struct reader *out_reader,
	struct row_fields *out_fields)
{
	uint8_t key[TN_KEY_ROW];
	tn_key_put_row(key, row_key);
	*out_reader = (struct reader){0};
	*out_fields = (struct row_fields){0};
	if (!tn_record_open(record, tn_str_make((char *)key, sizeof key), ROW_VERSION, &out_reader->version, &out_reader->left))
		return false;
	read_fields(out_reader, out_fields);
	return !out_reader->short_of && fields_make_sense(out_fields);
}

bool tn_row_record_head(struct tn_str record, struct tn_row_key key, struct tn_row_head *out_head)
{
	struct reader reader;
	struct row_fields fields;
	if (!open_record(record, key, &reader, &fields))
		return false;
	*out_head = (struct tn_row_head){
		.state = (enum tn_row_state)fields.state,
		.target_no = fields.target_no,
		.not_before_ms = fields.not_before_ms,
		.lane = fields.lane,
		.lane_seq = fields.lane_seq,
	};
	return true;
}

bool tn_row_record_read(struct tn_str record, struct tn_row_key key, struct tn_arena *arena, struct tn_row *out_row)
{
	struct reader reader;
	struct row_fields fields;
	if (!open_record(record, key, &reader, &fields))
		return false;

	struct tn_row row = {
		.key = key,
		.state = (enum tn_row_state)fields.state,
		.id = fields.id,
		.lane = fields.lane,
		.tries = {fields.tries_system, fields.tries_function, fields.accepted_ms, fields.first_ms,
			fields.not_before_ms, fields.last_ms},
		.target_no = fields.target_no,
		.rule_revision = fields.rule_revision,
		.dead_ms = fields.dead_ms,
		.condition = (enum tn_condition)fields.condition,
		.redrives = fields.redrives,
		.lane_seq = fields.lane_seq,
		.hops = fields.hops,
		.dedup_key = fields.dedup_key,
	};
	row.rule = get_str(&reader, arena);
	row.target = get_str(&reader, arena);
	row.origin = get_str(&reader, arena);
	if (reader.version >= 2)
		row.queue = get_str(&reader, arena);
	row.blocks = fields.flags & ROW_BLOCKS;
	if (fields.flags & ROW_HAS_LAST)
		row.last = read_last(&reader, arena);
	if (reader.short_of || reader.left.len > 0)
		return false;
	*out_row = row;
	return true;
}
