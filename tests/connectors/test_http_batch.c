/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_batch.c - what a batch looks like, and which of its items an answer calls failed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "http_batch.h"
#include "turnout/base64.h"
#include "turnout/wire.h"

enum { COUNT = 4 };

static const struct tn_route route = {.rule = {"big-orders", 10}, .target = {"billing", 7}};

static struct tn_event *make_event(const char *id, const char *extension, const char *value)
{
	struct tn_attribute attributes[] = {{TN_STR("id"), tn_str_from(id), TN_STRING}, {TN_STR("source"), TN_STR("/shop"), TN_STRING},
		{TN_STR("type"), TN_STR("order.created"), TN_STRING}, {TN_STR("datacontenttype"), TN_STR("application/json"), TN_STRING},
		{tn_str_from(extension), tn_str_from(value), TN_STRING}};
	return tn_event_new(&(struct tn_event_parts){.attributes = attributes, .attribute_count = extension ? 5 : 4, .has_data = true,
		.data = TN_STR("{\"total\":1}"), .accepted_ms = 1000});
}

/* Items with the ids 0303..., 0202..., 0101..., 0000...: not in the order of their ids. */
static void number_items(struct tn_item items[COUNT])
{
	memset(items, 0, COUNT * sizeof *items);
	for (int i = 0; i < COUNT; i++) {
		items[i].route = &route;
		memset(&items[i].id, COUNT - 1 - i, sizeof items[i].id);
	}
}

static const char *id_of(const struct tn_item *item)
{
	static char id[TN_ID_TEXT_SIZE];
	tn_base32_id(item->id.bytes, id);
	return id;
}

/* --- The request --- */

static void each_event_carries_its_delivery_id_and_attempt(void **state)
{
	struct tn_item items[COUNT];
	struct tn_buf body = {0};
	struct tn_decoded decoded = {0};
	struct tn_header header = {TN_STR("content-type"), TN_STR(TN_HTTP_BATCH_TYPE), TN_STRING};
	number_items(items);
	for (int i = 0; i < COUNT; i++) {
		items[i].event = make_event("1", NULL, NULL);
		items[i].tries.system = (uint32_t)i;
		items[i].tries.function = 1;
	}
	tn_http_batch_write(&(struct tn_attempt){.items = items, .count = COUNT}, 0, &body);
	struct tn_wire_input input = {.headers = &header, .header_count = 1, .has_body = true, .body = tn_buf_str(&body)};
	assert_int_equal(tn_wire_decode(&tn_wire_http, &input, NULL, &decoded, NULL), TN_OK);
	assert_int_equal(decoded.count, COUNT);
	for (int i = 0; i < COUNT; i++) {
		char attempt[8];
		snprintf(attempt, sizeof attempt, "%d", i + 2);
		assert_true(tn_str_is(tn_event_find(decoded.events[i], TN_STR("turnoutdeliveryid"))->value, id_of(&items[i])));
		assert_true(tn_str_is(tn_event_find(decoded.events[i], TN_STR("turnoutattempt"))->value, attempt));
		assert_true(tn_str_is(tn_event_data(decoded.events[i]), "{\"total\":1}"));
		tn_event_unref(items[i].event);
	}
	tn_decoded_fini(&decoded);
	tn_buf_fini(&body);
}

static void what_an_event_calls_its_delivery_id_is_replaced(void **state)
{
	struct tn_item items[COUNT];
	struct tn_buf body = {0};
	number_items(items);
	items[0].event = make_event("1", "turnoutdeliveryid", "of another bus");
	items[1].event = make_event("2", "turnoutattempt", "99");
	tn_http_batch_write(&(struct tn_attempt){.items = items, .count = 2}, 0, &body);
	tn_buf_terminate(&body);
	assert_null(strstr(body.bytes, "another"));
	assert_null(strstr(body.bytes, "99"));
	assert_non_null(strstr(body.bytes, id_of(&items[0])));
	assert_non_null(strstr(body.bytes, "\"data\":{\"total\":1}"));
	tn_event_unref(items[0].event);
	tn_event_unref(items[1].event);
	tn_buf_fini(&body);
}

static void dead_letters_and_poison_go_as_events(void **state)
{
	struct tn_item items[COUNT];
	struct tn_buf body = {0};
	struct tn_outcome last = {.verdict = TN_RETRY, .code = "HTTP_503"};
	number_items(items);
	items[0].event = make_event("1", NULL, NULL);
	items[1].event = tn_event_new_raw(TN_STR("garbage"), TN_STR("not JSON"), 0);
	items[0].last = items[1].last = &last;
	tn_http_batch_write(&(struct tn_attempt){.items = items, .count = 2, .purpose = TN_TO_DEAD_LETTER}, 0, &body);
	tn_buf_terminate(&body);
	assert_non_null(strstr(body.bytes, "\"dlqerrorcode\":\"HTTP_503\""));
	assert_non_null(strstr(body.bytes, "\"type\":\"turnout.poison\""));
	assert_non_null(strstr(body.bytes, "\"data_base64\":\"Z2FyYmFnZQ==\""));
	tn_event_unref(items[0].event);
	tn_event_unref(items[1].event);
	tn_buf_fini(&body);
}

/* --- The answer --- */

/* In body, @0 to @9 stand for the ids of the items. Answers the failed ones as digits, or why the answer is none. */
static const char *read_body(const char *body, const struct tn_item *items, uint32_t count)
{
	static char shown[64];
	static struct tn_error error;
	struct tn_buf text = {0};
	bool failed[COUNT] = {false};
	for (const char *at = body; *at; at++) {
		if (*at == '@')
			tn_buf_add_text(&text, id_of(&items[*++at - '0']));
		else
			tn_buf_add_byte(&text, *at);
	}
	enum tn_status status = tn_http_batch_read(tn_buf_str(&text), items, count, failed, &error);
	tn_buf_fini(&text);
	if (status != TN_OK)
		return error.message;
	size_t len = 0;
	for (uint32_t i = 0; i < count; i++)
		if (failed[i])
			shown[len++] = (char)('0' + i);
	shown[len] = '\0';
	return shown;
}

static void the_items_listed_failed_and_no_others(void **state)
{
	static const struct {
		const char *body, *failed;
	} rows[] = {
		{"", ""},
		{" \r\n", ""},
		{"null", ""},
		{"[]", ""},
		{"{}", ""},
		{"{\"done\":[{\"itemIdentifier\":\"x\"}],\"took\":1e999}", ""},
		{"{\"batchItemFailures\":null}", ""},
		{"{\"batchItemFailures\":[]}", ""},
		{"{\"batchItemFailures\":[{\"itemIdentifier\":\"@0\"}]}", "0"},
		{"{\"batchItemFailures\":[{\"itemIdentifier\":\"@3\"},{\"itemIdentifier\":\"@1\"}]}", "13"},
		{"{\"batchItemFailures\":[{\"itemIdentifier\":\"@1\"},{\"itemIdentifier\":\"@1\"}]}", "1"},
		{" {\"a\":{\"b\":[1,{}]},\"batchItemFailures\":[{\"why\":[\"no\"],\"itemIdentifier\":\"@2\",\"x\":null}],\"c\":0} ", "2"},
		{"{\"batchItemFailures\":[{\"itemIdentifier\":\"@0\"},{\"itemIdentifier\":\"@1\"},{\"itemIdentifier\":\"@2\"},"
		 "{\"itemIdentifier\":\"@3\"}]}", "0123"},
		{"{\"batchItem\\u0046ailures\":[{\"item\\u0049dentifier\":\"\\u0061aaaaaaaaaaaaaaaaaaaaaaaaa\"}]}", "3"},
	};
	struct tn_item items[COUNT];
	number_items(items);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *failed = read_body(rows[i].body, items, COUNT);
		if (strcmp(failed, rows[i].failed) != 0)
			fail_msg("%s: got '%s'", rows[i].body, failed);
	}
}

static void an_answer_that_is_not_understood_is_said_to_be(void **state)
{
	static const struct {
		const char *body, *why;
	} rows[] = {
		{"OK", "is not JSON"},
		{"{", "is not JSON"},
		{"{}{}", "is not JSON"},
		{"{\"batchItemFailures\":[{\"itemIdentifier\":\"@0\"}]", "is not JSON"},
		{"{\"a\":tru}", "is not JSON"},
		{"\"done\"", "is no JSON object"},
		{"true", "is no JSON object"},
		{"[{\"itemIdentifier\":\"@0\"}]", "is no JSON object"},
		{"{\"batchItemFailures\":{}}", "is no list"},
		{"{\"batchItemFailures\":\"@0\"}", "is no list"},
		{"{\"batchItemFailures\":[],\"batchItemFailures\":[]}", "twice"},
		{"{\"batchItemFailures\":[\"@0\"]}", "no object"},
		{"{\"batchItemFailures\":[null]}", "no object"},
		{"{\"batchItemFailures\":[{}]}", "without itemIdentifier"},
		{"{\"batchItemFailures\":[{\"id\":\"@0\"}]}", "without itemIdentifier"},
		{"{\"batchItemFailures\":[{\"itemIdentifier\":null}]}", "no text or empty"},
		{"{\"batchItemFailures\":[{\"itemIdentifier\":\"\"}]}", "no text or empty"},
		{"{\"batchItemFailures\":[{\"itemIdentifier\":7}]}", "no text or empty"},
		{"{\"batchItemFailures\":[{\"itemIdentifier\":{\"a\":1}}]}", "no text or empty"},
		{"{\"batchItemFailures\":[{\"itemIdentifier\":\"order-1\"}]}", "not in it"},
		{"{\"batchItemFailures\":[{\"itemIdentifier\":\"@1\"},{\"itemIdentifier\":\"7777777777777777777777777a\"}]}", "not in it"},
		{"{\"batchItemFailures\":[{\"itemIdentifier\":\"@0\",\"itemIdentifier\":\"@1\"}]}", "two items"},
		{"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "no JSON object"},
		{"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "too deep"},
	};
	struct tn_item items[COUNT];
	number_items(items);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *why = read_body(rows[i].body, items, COUNT);
		if (!strstr(why, rows[i].why) || !strstr(why, "the answer to the batch "))
			fail_msg("%s: got '%s'", rows[i].body, why);
	}
}

static void two_copies_of_one_delivery_fail_together(void **state)
{
	struct tn_item items[COUNT];
	number_items(items);
	items[3].id = items[1].id;
	assert_string_equal(read_body("{\"batchItemFailures\":[{\"itemIdentifier\":\"@1\"}]}", items, COUNT), "13");
}

static void the_room_for_an_answer_grows_with_the_batch_up_to_a_limit(void **state)
{
	assert_true(tn_http_batch_answer_max(1) >= 4096);
	assert_true(tn_http_batch_answer_max(1000) >= 1000 * sizeof "{\"itemIdentifier\": \"aebagbafaydqqcikbmga2dqpca\"}, ");
	assert_int_equal(tn_http_batch_answer_max(UINT32_MAX), 1024 * 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_event_carries_its_delivery_id_and_attempt),
		cmocka_unit_test(what_an_event_calls_its_delivery_id_is_replaced),
		cmocka_unit_test(dead_letters_and_poison_go_as_events),
		cmocka_unit_test(the_items_listed_failed_and_no_others),
		cmocka_unit_test(an_answer_that_is_not_understood_is_said_to_be),
		cmocka_unit_test(two_copies_of_one_delivery_fail_together),
		cmocka_unit_test(the_room_for_an_answer_grows_with_the_batch_up_to_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
