/* SPDX-License-Identifier: Apache-2.0
 *
 * import.c - a line that export.c wrote, read back into a row and its event.
 *
 * Called by the admin room and by tools. Everything is checked: a line may have been edited, or come from elsewhere. What a dead letter
 * needs to be delivered again must be there (rule, target, delivery id, event); the rest may be missing. Any thread.
 */
#include "turnout/dlq.h"

#include <stdlib.h>
#include <string.h>
#include "turnout/base64.h"
#include "turnout/clock.h"
#include "turnout/json.h"
#include "turnout/wire.h"

enum { NAME_MAX = 1024, TEXT_MAX = 1024, ORIGIN_MAX = 4096 };

/* A member's value: its kind, and its own text. kind END: not there. */
struct value {
	enum tn_json_kind kind;
	struct tn_str raw;                /* as it stands; of a string, between its quotes and still escaped */
};

struct import {
	struct tn_arena *arena;
	struct tn_error *error;
	int64_t wall_offset_ms, accepted_wall_ms;
	struct tn_row *row;
	struct tn_outcome *last;
	bool bad;
};

static void refuse(struct import *import, const char *name, const char *what)
{
	if (!import->bad)
		tn_error_set(import->error, "%s %s", name, what);
	import->bad = true;
}

/* The value of a member of the object json_text, which is known to be good JSON. The last one of a name counts. */
static struct value find(struct tn_str json_text, const char *name)
{
	struct tn_json json;
	struct tn_json_token token, value;
	struct value found = {.kind = TN_JSON_END};
	size_t end;
	tn_json_init(&json, json_text, TN_JSON_DEPTH_LIMIT);
	if (!json_text.bytes || tn_json_next(&json, &token) != TN_OK || token.kind != TN_JSON_OBJECT)
		return found;
	while (tn_json_next(&json, &token) == TN_OK && token.kind == TN_JSON_NAME) {
		if (tn_json_next(&json, &value) != TN_OK || tn_json_skip(&json, &value, &end) != TN_OK)
			break;
		bool scalar = value.kind != TN_JSON_OBJECT && value.kind != TN_JSON_ARRAY;
		if (tn_json_equals(&token, tn_str_from(name)))
			found = (struct value){value.kind, scalar ? value.text : tn_str_make(json_text.bytes + value.at, end - value.at)};
	}
	return found;
}

static struct tn_str object(struct tn_str json_text, const char *name)
{
	struct value value = find(json_text, name);
	return value.kind == TN_JSON_OBJECT ? value.raw : (struct tn_str){0};
}

/* Unescaped, in the arena; bytes NULL: absent or null. */
static struct tn_str text(struct import *import, struct tn_str json_text, const char *name, size_t most)
{
	struct value value = find(json_text, name);
	if (value.kind == TN_JSON_END || value.kind == TN_JSON_NULL)
		return (struct tn_str){0};
	if (value.kind != TN_JSON_STRING || value.raw.len > most * 6) {
		refuse(import, name, "must be a string, and not that long");
		return (struct tn_str){0};
	}
	char *copy = tn_arena_alloc(import->arena, value.raw.len + 1);
	size_t len = tn_json_unescape_to(value.raw, copy);
	copy[len] = '\0';
	if (len > most)
		refuse(import, name, "is too long");
	return tn_str_make(copy, len);
}

static struct tn_str needed(struct import *import, struct tn_str json_text, const char *name, const char *said)
{
	struct tn_str found = text(import, json_text, name, NAME_MAX);
	if (found.len == 0)
		refuse(import, said, "is missing");
	return found;
}

static uint64_t number(struct import *import, struct tn_str json_text, const char *name, uint64_t most)
{
	struct value value = find(json_text, name);
	uint64_t found = 0;
	if (value.kind != TN_JSON_END && value.kind != TN_JSON_NULL &&
		((value.kind != TN_JSON_NUMBER && value.kind != TN_JSON_STRING) || !tn_str_to_u64(value.raw, most, &found)))
		refuse(import, name, "must be a number");
	return found;
}

/* Wall clock; 0: absent. */
static int64_t wall_time(struct import *import, struct tn_str json_text, const char *name)
{
	int64_t wall_ms = 0;
	struct tn_str found = text(import, json_text, name, 64);
	if (found.bytes && !tn_clock_parse(found, &wall_ms))
		refuse(import, name, "must be a time, as 2026-11-23T11:32:16Z");
	return wall_ms;
}

static int64_t engine_time(struct import *import, struct tn_str json_text, const char *name)
{
	int64_t wall_ms = wall_time(import, json_text, name);
	int64_t engine_ms = wall_ms == 0 ? 0 : wall_ms - import->wall_offset_ms;
	return engine_ms < 0 ? 0 : engine_ms;
}

static struct tn_str base64(struct import *import, struct tn_str json_text, const char *name, size_t most)
{
	struct tn_buf bytes = {0};
	struct value value = find(json_text, name);
	struct tn_str copy = {0};
	if (value.kind == TN_JSON_END || value.kind == TN_JSON_NULL)
		return copy;
	if (value.kind != TN_JSON_STRING || !tn_base64_decode(&bytes, value.raw) || bytes.len > most)
		refuse(import, name, "must be base64, and not that long");
	else
		copy = tn_arena_copy(import->arena, bytes.len > 0 ? tn_buf_str(&bytes) : TN_STR(""));
	tn_buf_fini(&bytes);
	return copy;
}

static struct tn_id id_of(struct import *import, struct tn_str record, const char *name)
{
	struct tn_id id = {{0}};
	struct tn_str found = text(import, record, name, 64);
	if (found.bytes && !tn_base32_parse_id(found, id.bytes))
		refuse(import, name, "is not an id");
	return id;
}

/* --- Parts --- */

static struct tn_str digest(struct import *import, struct tn_str record)
{
	struct tn_str hex = text(import, record, "sent_sha256", 2 * TN_DIGEST_SIZE);
	if (hex.len == 0)
		return (struct tn_str){0};
	char *bytes = tn_arena_alloc(import->arena, TN_DIGEST_SIZE);
	for (size_t i = 0; i < TN_DIGEST_SIZE; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *high = hex.len == 2 * TN_DIGEST_SIZE && hex.bytes[2 * i] ? strchr(digits, hex.bytes[2 * i]) : NULL;
		const char *low = high && hex.bytes[2 * i + 1] ? strchr(digits, hex.bytes[2 * i + 1]) : NULL;
		if (!low) {
			refuse(import, "sent_sha256", "must be 64 hex digits");
			return (struct tn_str){0};
		}
		bytes[i] = (char)((high - digits) * 16 + (low - digits));
	}
	return tn_str_make(bytes, TN_DIGEST_SIZE);
}

static enum tn_verdict verdict_of(struct import *import, struct tn_str error)
{
	static const struct {
		const char *name;
		enum tn_verdict verdict;
	} classes[] = {{"retry", TN_RETRY}, {"throttle", TN_THROTTLED}, {"config", TN_MISCONFIGURED}, {"permanent", TN_REJECTED},
		{"poison", TN_REJECTED}};
	struct tn_str name = text(import, error, "class", 32);
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (name.bytes && tn_str_is(name, classes[i].name))
			return classes[i].verdict;
	if (name.bytes)
		refuse(import, "error.class", "must be retry, throttle, config, permanent or poison");
	return TN_RETRY;
}

static void take_error(struct import *import, struct tn_str record)
{
	struct tn_str error = object(record, "error"), code = text(import, error, "code", 64);
	if (!code.bytes)
		return;
	*import->last = (struct tn_outcome){
		.verdict = verdict_of(import, error),
		.code = code.bytes,
		.message = text(import, error, "message", TEXT_MAX),
		.sample = base64(import, error, "response_sample", TEXT_MAX),
		.status = (int32_t)number(import, error, "status", 999),
		.sent_sha256 = digest(import, record),
	};
	import->row->last = import->last;
}

static enum tn_condition condition_of(struct import *import, struct tn_str record)
{
	static const char *const names[] = {NULL, "MaximumRetryAttempts", "MaximumEventAgeInSeconds", "TargetDeclined"};
	struct tn_str name = text(import, record, "exhausted_retry_condition", 64);
	for (unsigned i = 1; name.bytes && i < sizeof names / sizeof *names; i++)
		if (tn_str_is(name, names[i]))
			return (enum tn_condition)i;
	if (name.bytes)
		refuse(import, "exhausted_retry_condition", "is not one");
	return TN_CONDITION_NONE;
}

/* add_source of record.c wraps an origin that has no name of its own. */
static struct tn_str origin_of(struct import *import, struct tn_str record)
{
	struct tn_str source = object(record, "source");
	struct value position = find(source, "position");
	if (!source.bytes || source.len > ORIGIN_MAX)
		return (struct tn_str){0};
	if (find(source, "name").kind != TN_JSON_END)
		return tn_arena_copy(import->arena, source);
	if (position.kind == TN_JSON_OBJECT)
		return tn_arena_copy(import->arena, position.raw);
	return position.kind == TN_JSON_STRING ? text(import, source, "position", ORIGIN_MAX) : (struct tn_str){0};
}

static void take_row(struct import *import, struct tn_str line, struct tn_str record)
{
	struct tn_row *row = import->row;
	struct tn_str queue = text(import, line, "dlqqueue", 64);
	uint32_t redrives = (uint32_t)number(import, object(record, "redrive"), "count", UINT32_MAX);
	*row = (struct tn_row){
		.state = TN_ROW_DEAD,
		.rule = needed(import, object(record, "rule"), "name", "rule.name"),
		.target = needed(import, object(record, "target"), "id", "target.id"),
		.rule_revision = number(import, object(record, "rule"), "revision", UINT64_MAX),
		.id = id_of(import, record, "delivery_id"),
		.dedup_key = id_of(import, record, "dedup_key"),
		.condition = condition_of(import, record),
		.redrives = redrives,
		.origin = origin_of(import, record),
		.dead_ms = engine_time(import, record, "dead_at"),
		.queue = queue.bytes && !tn_str_is(queue, "default") ? queue : (struct tn_str){0},
		.tries = {
			.system = (uint32_t)number(import, record, "attempts", UINT32_MAX / 2),
			.accepted_ms = engine_time(import, redrives > 0 ? object(record, "redrive") : record,
				redrives > 0 ? "last_at" : "accepted_at"),
			.first_ms = engine_time(import, record, "first_attempt_at"),
			.last_ms = engine_time(import, record, "last_attempt_at"),
		},
	};
	if (find(record, "delivery_id").kind != TN_JSON_STRING)
		refuse(import, "delivery_id", "is missing");
	if (row->dead_ms == 0)
		refuse(import, "dead_at", "is missing");
	import->accepted_wall_ms = wall_time(import, record, "accepted_at");
	take_error(import, record);
}

/* --- The event --- */

static struct tn_event *with_data(const struct tn_event *event, struct tn_str data, int64_t accepted_ms)
{
	size_t count;
	const struct tn_attribute *attributes = tn_event_attributes(event, &count);
	return tn_event_new(&(struct tn_event_parts){.attributes = attributes, .attribute_count = count, .has_data = true, .data = data,
		.accepted_ms = accepted_ms});
}

static struct tn_event *read_event(struct import *import, struct tn_str json_text, struct tn_str exact)
{
	struct tn_event *event = NULL;
	struct tn_wire_error wrong;
	if (tn_event_from_json(json_text, import->accepted_wall_ms, &event, &wrong) != TN_OK) {
		if (!import->bad)
			tn_error_set(import->error, "event: %s", wrong.message);
		import->bad = true;
		return NULL;
	}
	if (!exact.bytes)
		return event;
	struct tn_event *whole = with_data(event, exact, import->accepted_wall_ms);
	tn_event_unref(event);
	return whole;
}

static struct tn_event *take_event(struct import *import, struct tn_str line, struct tn_str record)
{
	struct value event = find(record, "event");
	if (event.kind == TN_JSON_OBJECT)
		return read_event(import, event.raw, base64(import, line, "dlqdata", TN_DLQ_LINE_MAX));
	struct tn_str raw = base64(import, record, "event_raw_base64", TN_DLQ_LINE_MAX);
	if (import->bad || !raw.bytes) {
		refuse(import, "event", "is missing");
		return NULL;
	}
	struct tn_str reason = text(import, object(record, "error"), "message", TEXT_MAX);
	return tn_event_new_raw(raw, reason.bytes ? reason : TN_STR("imported"), import->accepted_wall_ms);
}

static struct tn_str check_line(struct import *import, struct tn_str line)
{
	struct tn_str record = {0};
	if (line.len > TN_DLQ_LINE_MAX)
		refuse(import, "the line", "is longer than 4 MiB");
	else if (!tn_json_valid(line, TN_JSON_DEPTH_LIMIT))
		refuse(import, "the line", "is not one JSON value");
	else if (!(record = object(line, "data")).bytes || find(line, "specversion").kind != TN_JSON_STRING)
		refuse(import, "the line", "is not a CloudEvent with a dead-letter record as its data");
	else if (!tn_str_equal(find(record, "dlqversion").raw, TN_STR("1")))
		refuse(import, "dlqversion", "must be \"1\"");
	return record;
}

enum tn_status tn_dlq_import_line(struct tn_str line, int64_t wall_offset_ms, struct tn_arena *arena, struct tn_row *out_row,
	struct tn_event **out_event, struct tn_error *error)
{
	struct tn_row row = {0};
	struct tn_event *event = NULL;
	struct import import = {.arena = arena, .error = error, .wall_offset_ms = wall_offset_ms, .row = &row,
		.last = tn_arena_new(arena, struct tn_outcome)};
	struct tn_str record = check_line(&import, line);
	if (!import.bad)
		take_row(&import, line, record);
	if (!import.bad)
		event = take_event(&import, line, record);
	if (import.bad) {
		tn_event_unref(event);
		return TN_INVALID;
	}
	*out_row = row;
	*out_event = event;
	return TN_OK;
}
