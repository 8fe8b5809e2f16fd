/* SPDX-License-Identifier: Apache-2.0
 *
 * test_export.c - a dead letter away and back: everything is as it was, and bad lines are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "turnout/dlq.h"

static const struct tn_dlq_view view = {.bus = {"orders", 6}, .wall_offset_ms = 1700000000000};
static const struct tn_outcome outcome = {.verdict = TN_THROTTLED, .status = 429, .code = "HTTP_429", .message = {"too much \"now\"", 14},
	.sample = {"busy\n\0x", 7}, .sent_sha256 = {"0123456789abcdef0123456789abcdef", 32}};

static struct tn_row dead_row(void)
{
	struct tn_row row = make_row(42, 7, TN_ROW_DEAD, 1, 0);
	row.tries = (struct tn_tries){.system = 5, .accepted_ms = 1000, .first_ms = 2000, .last_ms = 3000};
	row.dead_ms = 5000;
	row.condition = TN_CONDITION_MAX_AGE;
	row.rule_revision = 12;
	row.redrives = 2;
	row.queue = TN_STR("urgent");
	row.last = &outcome;
	row.dedup_key.bytes[3] = 9;
	row.origin = TN_STR("{\"name\":\"shop\",\"position\":{\"offset\":42}}");
	return row;
}

/* The line of row and event, read back. */
static void there_and_back(struct tn_arena *arena, const struct tn_row *row, const struct tn_event *event, struct tn_row *out_row,
	struct tn_event **out_event)
{
	struct tn_buf line = {0};
	struct tn_error error = {0};
	tn_dlq_export_line(&view, row, event, &line);
	assert_int_equal(line.bytes[line.len - 1], '\n');
	assert_null(memchr(line.bytes, '\n', line.len - 1));
	if (tn_dlq_import_line(tn_str_make(line.bytes, line.len - 1), view.wall_offset_ms, arena, out_row, out_event, &error) != TN_OK)
		fail_msg("%s in %.*s", error.message, TN_STR_ARG(tn_buf_str(&line)));
	tn_buf_fini(&line);
}

static void assert_str(struct tn_str actual, struct tn_str expected)
{
	assert_int_equal(actual.len, expected.len);
	assert_memory_equal(actual.bytes ? actual.bytes : "", expected.bytes ? expected.bytes : "", expected.len);
}

static void a_row_comes_back_whole(void **state)
{
	struct tn_arena arena = {0};
	struct tn_row before = dead_row(), after;
	struct tn_event *event = make_event(1, 10), *back;
	there_and_back(&arena, &before, event, &after, &back);
	assert_int_equal(after.state, TN_ROW_DEAD);
	assert_str(after.rule, before.rule);
	assert_str(after.target, before.target);
	assert_str(after.queue, before.queue);
	assert_str(after.origin, before.origin);
	assert_memory_equal(&after.id, &before.id, sizeof after.id);
	assert_memory_equal(&after.dedup_key, &before.dedup_key, sizeof after.dedup_key);
	assert_int_equal(after.redrives, 2);
	assert_int_equal(after.condition, TN_CONDITION_MAX_AGE);
	assert_int_equal(after.rule_revision, 12);
	assert_int_equal(after.dead_ms, 5000);
	assert_int_equal(after.tries.system, 5);
	assert_int_equal(after.tries.accepted_ms, 1000);
	assert_int_equal(after.tries.first_ms, 2000);
	assert_int_equal(after.tries.last_ms, 3000);
	assert_int_equal(after.last->verdict, TN_THROTTLED);
	assert_int_equal(after.last->status, 429);
	assert_string_equal(after.last->code, "HTTP_429");
	assert_str(after.last->message, outcome.message);
	assert_str(after.last->sample, outcome.sample);
	assert_str(after.last->sent_sha256, outcome.sent_sha256);
	tn_event_unref(event);
	tn_event_unref(back);
	tn_arena_fini(&arena);
}

static void data_comes_back_byte_for_byte(void **state)
{
	static const struct {
		const char *type, *data;
		size_t len;
	} cases[] = {
		{"application/json", "{\"a\": 1.00,\r\n \"b\":[1e400]}\n", 27},
		{"application/json", " 7 ", 3},
		{"application/json", "\"a\\nb\"", 6},
		{"application/json", "{broken", 7},
		{"text/plain; charset=utf-8", "line\nline\t\xc3\xa4", 12},
		{"application/octet-stream", "\0\xff\n", 3},
		{"application/json", "", 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tn_arena arena = {0};
		struct tn_row row = dead_row(), after;
		struct tn_attribute attributes[] = {{TN_STR("id"), TN_STR("1"), TN_STRING}, {TN_STR("source"), TN_STR("/s"), TN_STRING},
			{TN_STR("type"), TN_STR("t"), TN_STRING}, {TN_STR("datacontenttype"), tn_str_from(cases[i].type), TN_STRING},
			{TN_STR("dlqdata"), TN_STR("mine"), TN_STRING}, {TN_STR("count"), TN_STR("5"), TN_INTEGER}};
		struct tn_event *event = tn_event_new(&(struct tn_event_parts){.attributes = attributes, .attribute_count = 6, .has_data = true,
			.data = tn_str_make(cases[i].data, cases[i].len), .accepted_ms = 1700000001000}), *back;
		there_and_back(&arena, &row, event, &after, &back);
		assert_str(tn_event_data(back), tn_event_data(event));
		assert_int_equal(tn_event_data_kind(back), tn_event_data_kind(event));
		assert_str(tn_event_find(back, TN_STR("dlqdata"))->value, TN_STR("mine"));
		assert_int_equal(tn_event_find(back, TN_STR("count"))->type, TN_INTEGER);
		assert_str(tn_event_core(back, TN_CORE_DATACONTENTTYPE), tn_str_from(cases[i].type));
		assert_int_equal(tn_event_accepted_ms(back), 1700000001000);
		tn_event_unref(event);
		tn_event_unref(back);
		tn_arena_fini(&arena);
	}
}

static void raw_bytes_come_back(void **state)
{
	struct tn_arena arena = {0};
	struct tn_row row = dead_row(), after;
	struct tn_event *raw = tn_event_new_raw(tn_str_make("\0{\xff", 3), TN_STR("no JSON"), 5), *back;
	there_and_back(&arena, &row, raw, &after, &back);
	assert_true(tn_event_is_raw(back));
	assert_str(tn_event_data(back), tn_event_data(raw));
	assert_str(tn_event_raw_reason(back), TN_STR("no JSON"));
	tn_event_unref(raw);
	tn_event_unref(back);
	tn_arena_fini(&arena);
}

#define LINE(members) "{\"specversion\":\"1.0\",\"data\":{\"dlqversion\":\"1\"" members "}}"
#define NAMES ",\"rule\":{\"name\":\"r\"},\"target\":{\"id\":\"t\"},\"dead_at\":\"2026-01-01T00:00:00Z\""
#define ID ",\"delivery_id\":\"aaaaaaaaaaaaaaaaaaaaaaaaaa\""

static void bad_lines_are_refused_with_what_is_wrong(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{"", "not one JSON value"},
		{"{\"specversion\":\"1.0\"", "not one JSON value"},
		{"{\"specversion\":\"1.0\",\"data\":{}} x", "not one JSON value"},
		{"[]", "not a CloudEvent"},
		{"{\"specversion\":\"1.0\",\"data\":7}", "not a CloudEvent"},
		{"{\"specversion\":\"1.0\",\"data\":{\"dlqversion\":\"2\"}}", "dlqversion"},
		{LINE(""), "rule.name is missing"},
		{LINE(",\"rule\":{\"name\":7}"), "name must be a string"},
		{LINE(NAMES), "delivery_id is missing"},
		{LINE(NAMES ",\"delivery_id\":\"zz\""), "delivery_id is not an id"},
		{LINE(NAMES ID), "event is missing"},
		{LINE(NAMES ID ",\"event\":{\"id\":\"1\"}"), "event: "},
		{LINE(NAMES ID ",\"event_raw_base64\":\"***\""), "event_raw_base64 must be base64"},
		{LINE(NAMES ID ",\"attempts\":-1"), "attempts must be a number"},
		{LINE(NAMES ID ",\"accepted_at\":\"yesterday\""), "accepted_at must be a time"},
		{LINE(NAMES ID ",\"error\":{\"code\":\"X\",\"class\":\"odd\"}"), "error.class must be"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tn_arena arena = {0};
		struct tn_row row;
		struct tn_event *event = NULL;
		struct tn_error error = {0};
		assert_int_equal(tn_dlq_import_line(tn_str_from(cases[i].line), 0, &arena, &row, &event, &error), TN_INVALID);
		if (!strstr(error.message, cases[i].says))
			fail_msg("%s: %s", cases[i].line, error.message);
		tn_arena_fini(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_comes_back_whole),
		cmocka_unit_test(data_comes_back_byte_for_byte),
		cmocka_unit_test(raw_bytes_come_back),
		cmocka_unit_test(bad_lines_are_refused_with_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
