/* SPDX-License-Identifier: Apache-2.0
 *
 * record.c - a dead letter as people and programs read it: the record of delivery-semantics section 8, and one line of a list.
 *
 * Called by the admin room, by tools, and by whoever exports. The event is written by its own codec (wire.h), so its data comes out byte
 * for byte. Any thread.
 */
#include "turnout/dlq.h"

#include <stdio.h>
#include "turnout/base64.h"
#include "turnout/clock.h"
#include "turnout/json.h"
#include "turnout/utf8.h"
#include "turnout/wire.h"

static const char *const class_names[] = {
	[TN_DELIVERED] = "ok",
	[TN_STAGED] = "ok",
	[TN_RETRY] = "retry",
	[TN_THROTTLED] = "throttle",
	[TN_MISCONFIGURED] = "config",
	[TN_REJECTED] = "permanent",
	[TN_HOLD] = "hold",
};
static const char *const condition_names[] = {
	[TN_CONDITION_NONE] = NULL,
	[TN_CONDITION_MAX_RETRIES] = "MaximumRetryAttempts",
	[TN_CONDITION_MAX_AGE] = "MaximumEventAgeInSeconds",
	[TN_CONDITION_DECLINED] = "TargetDeclined",
};

/* --- Members --- */

static void add_name(struct tn_buf *out, const char *name)
{
	if (out->len > 0 && out->bytes[out->len - 1] != '{')
		tn_buf_add_byte(out, ',');
	tn_buf_addf(out, "\"%s\":", name);
}

/* Bytes that are no UTF-8 become question marks: the record is read by everybody. */
static void add_clean(struct tn_buf *out, struct tn_str text)
{
	struct tn_buf clean = {0};
	for (size_t bad = tn_utf8_check(text); bad < text.len; bad = tn_utf8_check(text)) {
		tn_buf_add(&clean, text.bytes, bad);
		tn_buf_add_byte(&clean, '?');
		text = tn_str_tail(text, bad + 1);
	}
	tn_buf_add_str(&clean, text);
	tn_json_quote(out, tn_buf_str(&clean));
	tn_buf_fini(&clean);
}

/* bytes NULL: null. */
static void add_str(struct tn_buf *out, const char *name, struct tn_str text)
{
	add_name(out, name);
	if (text.bytes)
		add_clean(out, text);
	else
		tn_buf_add_text(out, "null");
}

static void add_text(struct tn_buf *out, const char *name, const char *text)
{
	add_str(out, name, tn_str_from(text));
}

static void add_number(struct tn_buf *out, const char *name, int64_t number)
{
	add_name(out, name);
	tn_buf_add_i64(out, number);
}

static void add_base64(struct tn_buf *out, const char *name, struct tn_str bytes)
{
	add_name(out, name);
	tn_buf_add_byte(out, '"');
	tn_base64_encode(out, bytes);
	tn_buf_add_byte(out, '"');
}

/* 0: it did not happen, or nobody wrote it down: null. */
static void add_time(struct tn_buf *out, const char *name, int64_t wall_ms)
{
	char text[TN_TIME_TEXT_SIZE];
	add_text(out, name, wall_ms == 0 ? NULL : tn_clock_format(wall_ms, text));
}

static int64_t to_wall(const struct tn_dlq_view *view, int64_t engine_ms)
{
	return engine_ms == 0 ? 0 : engine_ms + view->wall_offset_ms;
}

static void begin_object(struct tn_buf *out, const char *name)
{
	add_name(out, name);
	tn_buf_add_byte(out, '{');
}

static void end_object(struct tn_buf *out)
{
	tn_buf_add_byte(out, '}');
}

/* --- Parts of the record --- */

static void add_rule(struct tn_buf *out, const struct tn_row *row)
{
	begin_object(out, "rule");
	add_str(out, "name", row->rule);
	add_name(out, "revision");
	tn_buf_add_byte(out, '"');
	tn_buf_add_u64(out, row->rule_revision);
	tn_buf_add_byte(out, '"');
	end_object(out);
}

static void add_target(struct tn_buf *out, const struct tn_dlq_view *view, const struct tn_row *row)
{
	struct tn_dlq_target target = {0};
	if (view->describe_target)
		view->describe_target(view->arg, row->target, &target);
	begin_object(out, "target");
	add_str(out, "id", row->target);
	add_str(out, "kind", target.kind);
	add_str(out, "dest", target.dest);
	end_object(out);
}

const char *tn_dlq_class(const struct tn_row *row, const struct tn_event *event)
{
	if (event && tn_event_is_raw(event))
		return "poison";
	return row->last && (size_t)row->last->verdict < sizeof class_names / sizeof *class_names ? class_names[row->last->verdict]
												    : NULL;
}

bool tn_dlq_is_class(struct tn_str text)
{
	for (size_t i = 0; i < sizeof class_names / sizeof *class_names; i++)
		if (tn_str_is(text, class_names[i]))
			return true;
	return tn_str_is(text, "poison");
}

static void add_error(struct tn_buf *out, const struct tn_row *row, const struct tn_event *event, bool brief)
{
	const struct tn_outcome *last = row->last;
	begin_object(out, "error");
	add_text(out, "code", last ? last->code : NULL);
	add_text(out, "class", tn_dlq_class(row, event));
	if (!brief)
		add_str(out, "message",
			event && tn_event_is_raw(event) ? tn_event_raw_reason(event) : last ? last->message : (struct tn_str){0});
	add_name(out, "status");
	if (last && last->status != 0)
		tn_buf_add_i64(out, last->status);
	else
		tn_buf_add_text(out, "null");
	if (!brief)
		add_base64(out, "response_sample", last ? last->sample : (struct tn_str){0});
	end_object(out);
}

static void add_attempts(struct tn_buf *out, const struct tn_row *row)
{
	uint64_t attempts = (uint64_t)row->tries.system + row->tries.function;
	add_number(out, "attempts", (int64_t)attempts);
	add_number(out, "retry_attempts", attempts > 0 ? (int64_t)attempts - 1 : 0);
}

static void add_condition(struct tn_buf *out, const struct tn_row *row)
{
	bool known = (size_t)row->condition < sizeof condition_names / sizeof *condition_names;
	add_text(out, "exhausted_retry_condition", known ? condition_names[row->condition] : NULL);
}

/* Zero: there is none: null. */
static void add_id(struct tn_buf *out, const char *name, const struct tn_id *id)
{
	char text[TN_ID_TEXT_SIZE];
	tn_base32_id(id->bytes, text);
	add_text(out, name, tn_id_is_zero(id) ? NULL : text);
}

static void add_digest(struct tn_buf *out, const char *name, struct tn_str digest)
{
	char text[2 * TN_DIGEST_SIZE + 1] = "";
	for (size_t i = 0; i < digest.len && i < TN_DIGEST_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", (unsigned char)digest.bytes[i]);
	add_text(out, name, digest.len == TN_DIGEST_SIZE ? text : NULL);
}

/* Is it one JSON object, and has it a member `name` at its top? */
static bool is_object(struct tn_str json_text, bool *out_named)
{
	struct tn_json json;
	struct tn_json_token token;
	bool object = false;
	*out_named = false;
	tn_json_init(&json, json_text, 16);
	for (;;) {
		uint32_t depth = json.depth;
		if (tn_json_next(&json, &token) != TN_OK)
			return false;
		if (token.kind == TN_JSON_END)
			return object;
		object = object || token.kind == TN_JSON_OBJECT;
		if (depth == 0 && token.kind != TN_JSON_OBJECT)
			return false;
		if (depth == 1 && token.kind == TN_JSON_NAME && tn_json_equals(&token, TN_STR("name")))
			*out_named = true;
	}
}

static void add_source(struct tn_buf *out, struct tn_str origin)
{
	bool named, object = is_object(origin, &named);
	add_name(out, "source");
	if (object && named) {
		tn_buf_add_str(out, origin);
		return;
	}
	tn_buf_add_text(out, "{\"position\":");
	if (object)
		tn_buf_add_str(out, origin);
	else if (origin.len > 0)
		add_clean(out, origin);
	else
		tn_buf_add_text(out, "null");
	end_object(out);
}

/* A redrive gives a delivery a fresh age, so that says when it was. */
static void add_redrive(struct tn_buf *out, const struct tn_dlq_view *view, const struct tn_row *row)
{
	begin_object(out, "redrive");
	add_number(out, "count", row->redrives);
	add_time(out, "last_at", row->redrives > 0 ? to_wall(view, row->tries.accepted_ms) : 0);
	end_object(out);
}

static void add_event(struct tn_buf *out, const struct tn_event *event)
{
	add_name(out, "event");
	if (event && !tn_event_is_raw(event))
		tn_event_to_json(event, out);
	else
		tn_buf_add_text(out, "null");
	if (event && tn_event_is_raw(event))
		add_base64(out, "event_raw_base64", tn_event_data(event));
}

static void add_event_summary(struct tn_buf *out, const struct tn_event *event)
{
	add_name(out, "event");
	if (!event || tn_event_is_raw(event)) {
		tn_buf_add_text(out, "null");
		return;
	}
	tn_buf_add_byte(out, '{');
	add_str(out, "id", tn_event_core(event, TN_CORE_ID));
	add_str(out, "source", tn_event_core(event, TN_CORE_SOURCE));
	add_str(out, "type", tn_event_core(event, TN_CORE_TYPE));
	end_object(out);
}

/* --- Public --- */

void tn_dlq_record_json(const struct tn_dlq_view *view, const struct tn_row *row, const struct tn_event *event, struct tn_buf *out)
{
	char id[TN_DLQ_ID_SIZE];
	tn_buf_add_byte(out, '{');
	add_text(out, "dlqversion", "1");
	add_text(out, "id", tn_dlq_id_format(row->key, id));
	add_time(out, "dead_at", to_wall(view, row->dead_ms));
	add_time(out, "accepted_at", event ? tn_event_accepted_ms(event) : to_wall(view, row->tries.accepted_ms));
	add_time(out, "first_attempt_at", to_wall(view, row->tries.first_ms));
	add_time(out, "last_attempt_at", to_wall(view, row->tries.last_ms));
	add_str(out, "bus", view->bus);
	add_rule(out, row);
	add_target(out, view, row);
	add_error(out, row, event, false);
	add_condition(out, row);
	add_attempts(out, row);
	add_digest(out, "sent_sha256", row->last ? row->last->sent_sha256 : (struct tn_str){0});
	add_id(out, "delivery_id", &row->id);
	add_id(out, "dedup_key", &row->dedup_key);
	add_source(out, row->origin);
	add_redrive(out, view, row);
	add_event(out, event);
	end_object(out);
}

void tn_dlq_line_json(const struct tn_dlq_view *view, const struct tn_row *row, const struct tn_event *event, struct tn_buf *out)
{
	char id[TN_DLQ_ID_SIZE];
	tn_buf_add_byte(out, '{');
	add_text(out, "id", tn_dlq_id_format(row->key, id));
	add_time(out, "dead_at", to_wall(view, row->dead_ms));
	add_rule(out, row);
	add_target(out, view, row);
	add_error(out, row, event, true);
	add_condition(out, row);
	add_attempts(out, row);
	add_id(out, "delivery_id", &row->id);
	add_redrive(out, view, row);
	add_event_summary(out, event);
	add_str(out, "queue", row->queue.len > 0 ? row->queue : TN_STR("default"));
	end_object(out);
}

/* Names come from outside: what is not a printable character must not reach a terminal. */
static void add_printable(struct tn_buf *out, struct tn_str text)
{
	for (size_t at = 0; at < text.len;) {
		uint32_t code;
		unsigned len = tn_utf8_decode(text.bytes + at, text.len - at, &code);
		if (len == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0)) {
			tn_buf_add_byte(out, '?');
			at += len > 0 ? len : 1;
		} else {
			tn_buf_add(out, text.bytes + at, len);
			at += len;
		}
	}
}

void tn_dlq_line_text(const struct tn_dlq_view *view, const struct tn_row *row, const struct tn_event *event, struct tn_buf *out)
{
	char id[TN_DLQ_ID_SIZE], time[TN_TIME_TEXT_SIZE];
	tn_buf_addf(out, "%s  %s  ", tn_dlq_id_format(row->key, id), tn_clock_format(to_wall(view, row->dead_ms), time));
	add_printable(out, row->rule);
	tn_buf_add_text(out, " -> ");
	add_printable(out, row->target);
	tn_buf_add_text(out, "  ");
	add_printable(out, row->last ? tn_str_from(row->last->code) : TN_STR("-"));
	tn_buf_addf(out, "  attempts=%llu  ", (unsigned long long)row->tries.system + row->tries.function);
	if (event && !tn_event_is_raw(event)) {
		add_printable(out, tn_event_core(event, TN_CORE_TYPE));
		tn_buf_add_byte(out, ' ');
		add_printable(out, tn_event_core(event, TN_CORE_ID));
	} else {
		tn_buf_add_text(out, "(raw bytes)");
	}
}
