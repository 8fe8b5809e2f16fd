/* SPDX-License-Identifier: Apache-2.0
 *
 * test_record.c - what a dead letter says, as JSON and on a line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include "fixture.h"
#include "turnout/base64.h"
#include "turnout/dlq.h"

static const struct tn_outcome outcome = {
	.verdict = TN_RETRY,
	.status = 503,
	.code = "HTTP_503",
	.message = {"the target answered 503", 23},
	.sample = {"busy\n", 5},
	.sent_sha256 = {"0123456789abcdef0123456789abcd\x00\xff", TN_DIGEST_SIZE},
};

static void describe(void *arg, struct tn_str name, struct tn_dlq_target *out_target)
{
	out_target->kind = TN_STR("http");
	out_target->dest = TN_STR("https://host/path");
}

static const struct tn_dlq_view view = {.bus = {"orders", 6}, .wall_offset_ms = 1700000000000, .describe_target = describe};

static struct tn_row dead_row(void)
{
	struct tn_row row = make_row(42, 7, TN_ROW_DEAD, 1, 0);
	row.tries = (struct tn_tries){.system = 185, .function = 1, .accepted_ms = 1000, .first_ms = 2000, .last_ms = 4000};
	row.dead_ms = 5000;
	row.condition = TN_CONDITION_MAX_RETRIES;
	row.rule_revision = 12;
	row.last = &outcome;
	row.dedup_key = row.id;
	row.origin = TN_STR("{\"name\":\"shop\",\"kind\":\"kafka\",\"position\":{\"offset\":42}}");
	return row;
}

static json_t *record_of(const struct tn_row *row, const struct tn_event *event)
{
	struct tn_buf text = {0};
	json_error_t error;
	tn_dlq_record_json(&view, row, event, &text);
	json_t *json = json_loadb(text.bytes, text.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (!json)
		fail_msg("%s in %.*s", error.text, TN_STR_ARG(tn_buf_str(&text)));
	tn_buf_fini(&text);
	return json;
}

/* The value at a path of names with dots between, as text: strings as they are, the rest as JSON. */
static void assert_at(json_t *json, const char *path, const char *expected)
{
	char name[64];
	json_t *at = json;
	for (const char *rest = path; at && rest; rest = strchr(rest, '.') ? strchr(rest, '.') + 1 : NULL) {
		snprintf(name, sizeof name, "%.*s", (int)strcspn(rest, "."), rest);
		at = json_object_get(at, name);
	}
	if (!at)
		fail_msg("no member %s", path);
	char *text = json_dumps(at, JSON_ENCODE_ANY | JSON_COMPACT);
	if (strcmp(json_is_string(at) ? json_string_value(at) : text, expected) != 0)
		fail_msg("%s is %s, not %s", path, text, expected);
	free(text);
}

static void a_record_has_the_members_of_the_specification(void **state)
{
	struct tn_row row = dead_row();
	struct tn_event *event = make_event(42, 3);
	json_t *json = record_of(&row, event);
	assert_at(json, "dlqversion", "1");
	assert_at(json, "id", "000000000000002a-7");
	assert_at(json, "dead_at", "2023-11-14T22:13:25.000Z");
	assert_at(json, "accepted_at", "2023-11-14T22:13:20.000Z");
	assert_at(json, "first_attempt_at", "2023-11-14T22:13:22.000Z");
	assert_at(json, "last_attempt_at", "2023-11-14T22:13:24.000Z");
	assert_at(json, "bus", "orders");
	assert_at(json, "rule.name", "a-rule");
	assert_at(json, "rule.revision", "12");
	assert_at(json, "target.id", "a-target");
	assert_at(json, "target.kind", "http");
	assert_at(json, "target.dest", "https://host/path");
	assert_at(json, "error.code", "HTTP_503");
	assert_at(json, "error.class", "retry");
	assert_at(json, "error.message", "the target answered 503");
	assert_at(json, "error.status", "503");
	assert_at(json, "error.response_sample", "YnVzeQo=");
	assert_at(json, "exhausted_retry_condition", "MaximumRetryAttempts");
	assert_at(json, "attempts", "186");
	assert_at(json, "retry_attempts", "185");
	assert_at(json, "sent_sha256", "303132333435363738396162636465663031323334353637383961626364" "00ff");
	assert_at(json, "delivery_id", "fivcukrkfivcukrkfivcukrkfi");
	assert_at(json, "dedup_key", "fivcukrkfivcukrkfivcukrkfi");
	assert_at(json, "redrive.count", "0");
	assert_at(json, "redrive.last_at", "null");
	assert_at(json, "event.id", "e42");
	json_decref(json);
	tn_event_unref(event);
}

/* Names, nesting and order of delivery-semantics section 8; the event as its sender wrote it. */
static void the_record_is_that_of_the_specification_byte_for_byte(void **state)
{
	static const char expected[] =
		"{\"dlqversion\":\"1\",\"id\":\"000000000000002a-7\",\"dead_at\":\"2023-11-14T22:13:25.000Z\","
		"\"accepted_at\":\"2023-11-14T22:13:20.000Z\",\"first_attempt_at\":\"2023-11-14T22:13:22.000Z\","
		"\"last_attempt_at\":\"2023-11-14T22:13:24.000Z\",\"bus\":\"orders\",\"rule\":{\"name\":\"a-rule\",\"revision\":\"12\"},"
		"\"target\":{\"id\":\"a-target\",\"kind\":\"http\",\"dest\":\"https://host/path\"},"
		"\"error\":{\"code\":\"HTTP_503\",\"class\":\"retry\",\"message\":\"the target answered 503\",\"status\":503,"
		"\"response_sample\":\"YnVzeQo=\"},\"exhausted_retry_condition\":\"MaximumRetryAttempts\",\"attempts\":186,"
		"\"retry_attempts\":185,\"sent_sha256\":\"303132333435363738396162636465663031323334353637383961626364" "00ff\",\"delivery_id\":\"fivcukrkfivcukrkfivcukrkfi\",\"dedup_key\":\"fivcukrkfivcukrkfivcukrkfi\","
		"\"source\":{\"name\":\"shop\",\"kind\":\"kafka\",\"position\":{\"offset\":42}},"
		"\"redrive\":{\"count\":0,\"last_at\":null},"
		"\"event\":{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\",\"datacontenttype\":\"application/json\","
		"\"myext\":\"kept\",\"count\":7,\"data\":{ \"n\": 1.00, \"n\":12345678901234567890, \"s\":\"\\u00e4\" }}}";
	struct tn_attribute attributes[] = {{TN_STR("id"), TN_STR("1"), TN_STRING}, {TN_STR("source"), TN_STR("/s"), TN_STRING},
		{TN_STR("type"), TN_STR("t"), TN_STRING}, {TN_STR("datacontenttype"), TN_STR("application/json"), TN_STRING},
		{TN_STR("myext"), TN_STR("kept"), TN_STRING}, {TN_STR("count"), TN_STR("7"), TN_INTEGER}};
	struct tn_event *event = tn_event_new(&(struct tn_event_parts){.attributes = attributes, .attribute_count = 6, .has_data = true,
		.data = TN_STR("{ \"n\": 1.00, \"n\":12345678901234567890, \"s\":\"\\u00e4\" }"), .accepted_ms = 1700000000000});
	struct tn_row row = dead_row();
	struct tn_buf text = {0};
	tn_dlq_record_json(&view, &row, event, &text);
	assert_string_equal(tn_buf_terminate(&text), expected);
	tn_buf_fini(&text);
	tn_event_unref(event);
}

static void what_was_never_sent_has_no_digest_and_no_time(void **state)
{
	struct tn_row row = dead_row();
	struct tn_outcome unsent = outcome;
	struct tn_event *event = make_event(42, 3);
	unsent.sent_sha256 = (struct tn_str){0};
	row.last = &unsent;
	row.tries.first_ms = row.tries.last_ms = 0;
	row.dedup_key = (struct tn_id){0};
	json_t *json = record_of(&row, event);
	assert_at(json, "first_attempt_at", "null");
	assert_at(json, "last_attempt_at", "null");
	assert_at(json, "sent_sha256", "null");
	assert_at(json, "dedup_key", "null");
	json_decref(json);
	tn_event_unref(event);
}

static void the_source_is_the_origin_or_holds_it_as_position(void **state)
{
	struct tn_row row = dead_row();
	struct tn_event *event = make_event(42, 3);
	json_t *json = record_of(&row, event);
	assert_at(json, "source.name", "shop");
	assert_at(json, "source.position.offset", "42");
	json_decref(json);
	row.origin = TN_STR("{\"offset\":42,\"inner\":{\"name\":1}}");
	json = record_of(&row, event);
	assert_at(json, "source.position.offset", "42");
	json_decref(json);
	row.origin = TN_STR("not \"json\"");
	json = record_of(&row, event);
	assert_at(json, "source.position", "not \"json\"");
	json_decref(json);
	row.origin = (struct tn_str){0};
	json = record_of(&row, event);
	assert_at(json, "source.position", "null");
	json_decref(json);
	tn_event_unref(event);
}

static void binary_data_is_kept_byte_for_byte(void **state)
{
	static const char bytes[] = {0, 1, (char)0xff, (char)0x80, '\n'};
	struct tn_attribute attributes[] = {{TN_STR("id"), TN_STR("1"), TN_STRING}, {TN_STR("source"), TN_STR("/s"), TN_STRING},
		{TN_STR("type"), TN_STR("t"), TN_STRING}, {TN_STR("myext"), TN_STR("kept"), TN_STRING},
		{TN_STR("datacontenttype"), TN_STR("application/octet-stream"), TN_STRING}};
	struct tn_event_parts parts = {.attributes = attributes, .attribute_count = 5, .has_data = true, .data = {bytes, sizeof bytes}};
	struct tn_event *event = tn_event_new(&parts);
	struct tn_row row = dead_row();
	json_t *json = record_of(&row, event);
	assert_at(json, "event.data_base64", "AAH/gAo=");
	assert_at(json, "event.myext", "kept");
	json_decref(json);
	tn_event_unref(event);
}

static void a_raw_event_is_poison_with_its_bytes_and_the_reason(void **state)
{
	struct tn_event *event = tn_event_new_raw(TN_STR("{broken\xff"), TN_STR("no JSON"), 1700000000000);
	struct tn_row row = dead_row();
	row.last = NULL;
	json_t *json = record_of(&row, event);
	assert_at(json, "event", "null");
	assert_at(json, "event_raw_base64", "e2Jyb2tlbv8=");
	assert_at(json, "error.class", "poison");
	assert_at(json, "error.message", "no JSON");
	assert_at(json, "error.code", "null");
	json_decref(json);
	tn_event_unref(event);
}

static void text_that_is_no_utf_8_does_not_spoil_the_record(void **state)
{
	struct tn_outcome bad = outcome;
	struct tn_row row = dead_row();
	struct tn_event *event = make_event(42, 3);
	bad.message = TN_STR("caf\xe9 \"\x01");
	row.last = &bad;
	json_t *json = record_of(&row, event);
	assert_at(json, "error.message", "caf? \"\x01");
	json_decref(json);
	tn_event_unref(event);
}

static void a_record_that_died_again_says_when_it_was_redriven(void **state)
{
	struct tn_row row = dead_row();
	struct tn_event *event = make_event(42, 3);
	row.redrives = 2;
	row.tries.accepted_ms = 3000;
	json_t *json = record_of(&row, event);
	assert_at(json, "redrive.count", "2");
	assert_at(json, "redrive.last_at", "2023-11-14T22:13:23.000Z");
	json_decref(json);
	tn_event_unref(event);
}

static void a_target_that_is_gone_has_no_kind(void **state)
{
	struct tn_row row = dead_row();
	struct tn_buf text = {0};
	struct tn_dlq_view blind = {.bus = TN_STR("b")};
	struct tn_event *event = make_event(42, 3);
	tn_dlq_record_json(&blind, &row, event, &text);
	assert_non_null(strstr(tn_buf_terminate(&text), "\"target\":{\"id\":\"a-target\",\"kind\":null,\"dest\":null}"));
	tn_buf_fini(&text);
	tn_event_unref(event);
}

static void a_line_of_json_has_no_payload(void **state)
{
	struct tn_row row = dead_row();
	struct tn_event *event = make_event(42, 3);
	struct tn_buf text = {0};
	tn_dlq_line_json(&view, &row, event, &text);
	json_t *json = json_loadb(text.bytes, text.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_at(json, "id", "000000000000002a-7");
	assert_at(json, "rule.name", "a-rule");
	assert_at(json, "target.id", "a-target");
	assert_at(json, "error.code", "HTTP_503");
	assert_at(json, "error.status", "503");
	assert_at(json, "event.type", "test.made");
	assert_null(json_object_get(json_object_get(json, "event"), "data"));
	assert_null(json_object_get(json_object_get(json, "error"), "message"));
	assert_null(memchr(text.bytes, '\n', text.len));
	json_decref(json);
	tn_buf_fini(&text);
	tn_event_unref(event);
}

static void a_line_of_text_cannot_play_with_the_terminal(void **state)
{
	struct tn_row row = dead_row();
	struct tn_event *event = make_event(42, 3);
	struct tn_buf text = {0};
	row.rule = TN_STR("r\x1b[31m\n\xc2\x9b\xff\xc3\xa4");
	tn_dlq_line_text(&view, &row, event, &text);
	assert_string_equal(tn_buf_terminate(&text), "000000000000002a-7  2023-11-14T22:13:25.000Z  r?[31m???\xc3\xa4 -> a-target  HTTP_503  "
						     "attempts=186  test.made e42");
	tn_buf_fini(&text);
	tn_event_unref(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_has_the_members_of_the_specification),
		cmocka_unit_test(the_record_is_that_of_the_specification_byte_for_byte),
		cmocka_unit_test(what_was_never_sent_has_no_digest_and_no_time),
		cmocka_unit_test(the_source_is_the_origin_or_holds_it_as_position),
		cmocka_unit_test(binary_data_is_kept_byte_for_byte),
		cmocka_unit_test(a_raw_event_is_poison_with_its_bytes_and_the_reason),
		cmocka_unit_test(text_that_is_no_utf_8_does_not_spoil_the_record),
		cmocka_unit_test(a_record_that_died_again_says_when_it_was_redriven),
		cmocka_unit_test(a_target_that_is_gone_has_no_kind),
		cmocka_unit_test(a_line_of_json_has_no_payload),
		cmocka_unit_test(a_line_of_text_cannot_play_with_the_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
