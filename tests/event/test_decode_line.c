/* SPDX-License-Identifier: Apache-2.0
 *
 * test_decode_line.c - the answers of decode_line, letter by letter, and lines that are no messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/decode_line.h"
#include "turnout/utf8.h"

#define MEMBERS "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\""
#define CE "\"ce_specversion\":\"1.0\",\"ce_id\":\"1\",\"ce_source\":\"/s\",\"ce_type\":\"t\""

static void assert_answer(const char *line, const struct tn_wire *wire, const char *expected)
{
	struct tn_buf out = {0};
	assert_true(tn_decode_line(tn_str_from(line), wire, &out));
	assert_string_equal(tn_buf_terminate(&out), expected);
	tn_buf_fini(&out);
}

static void assert_unreadable(struct tn_str line)
{
	static const char start[] = "{\"error\":\"invalid_line\",\"message\":\"";
	struct tn_buf out = {0};
	assert_false(tn_decode_line(line, NULL, &out));
	assert_true(tn_str_starts(tn_buf_str(&out), TN_STR(start)));
	assert_true(tn_str_ends(tn_buf_str(&out), TN_STR("\"}\n")));
	assert_true(out.len > sizeof start + 5);
	tn_buf_fini(&out);
}

static void each_mode_has_its_answer(void **state)
{
	assert_answer("{\"transport\":\"kafka\",\"headers\":{" CE "},\"body\":\"\\u0000\"}", NULL,
		"{\"mode\":\"binary\",\"event\":{" MEMBERS ",\"data_base64\":\"AA==\"}}\n");
	assert_answer("{\"transport\":\"kafka\",\"body\":\"{\\\"specversion\\\":\\\"1.0\\\",\\\"id\\\":\\\"1\\\",\\\"source\\\":\\\"/s\\\",\\\"type\\\":\\\"t\\\"}\"}",
		NULL, "{\"mode\":\"structured\",\"event\":{" MEMBERS "}}\n");
	assert_answer("{\"transport\":\"http\",\"headers\":{\"Content-Type\":\"application/cloudevents-batch+json\"},\"body\":\"[]\"}", NULL,
		"{\"mode\":\"batched\",\"events\":[]}\n");
	assert_answer("{\"transport\":\"http\"}", NULL, "{\"mode\":\"plain\"}\n");
}

static void a_refusal_leaves_out_what_does_not_apply(void **state)
{
	assert_answer("{\"transport\":\"kafka\",\"headers\":{\"ce_id\":\"1\"}}", NULL,
		"{\"error\":\"missing_attribute\",\"attribute\":\"specversion\",\"message\":\"required attribute 'specversion' is missing\"}\n");
	assert_answer("{\"transport\":\"http\",\"headers\":{\"Content-Type\":\"application/cloudevents-batch+json\"},\"body\":\"[1]\"}", NULL,
		"{\"error\":\"not_an_object\",\"index\":0,\"status\":400,\"message\":"
		"\"an event is a JSON object, and this member of the batch is none\"}\n");
}

static void the_callers_transport_wins(void **state)
{
	assert_answer("{\"transport\":\"http\",\"headers\":{" CE "}}", &tn_wire_redis, "{\"mode\":\"binary\",\"event\":{" MEMBERS "}}\n");
	assert_answer("{\"headers\":{" CE "}}", &tn_wire_kafka, "{\"mode\":\"binary\",\"event\":{" MEMBERS "}}\n");
}

static void a_null_body_is_no_body(void **state)
{
	assert_answer("{\"transport\":\"kafka\",\"headers\":{" CE "},\"body\":null}", NULL, "{\"mode\":\"binary\",\"event\":{" MEMBERS "}}\n");
	assert_answer("{\"transport\":\"kafka\",\"headers\":{" CE "},\"body\":\"\"}", NULL,
		"{\"mode\":\"binary\",\"event\":{" MEMBERS ",\"data_base64\":\"\"}}\n");
}

static void raw_and_typed_header_values_are_read(void **state)
{
	assert_answer("{\"transport\":\"amqp\",\"headers\":{\"ce-x\":{\"base64\":\"/w==\"},\"ce-id\":\"1\"}}", NULL,
		"{\"error\":\"invalid_utf8\",\"attribute\":\"x\",\"message\":\"attribute 'x' is not UTF-8\"}\n");
	assert_answer("{\"transport\":\"amqp\",\"headers\":{" CE ",\"ce_n\":{\"type\":\"int64\",\"value\":-7},"
		"\"ce_b\":{\"value\":false,\"type\":\"bool\"},\"x-death\":{\"type\":\"table\",\"value\":{\"a\":[1]}}}}", NULL,
		"{\"mode\":\"binary\",\"event\":{" MEMBERS ",\"n\":-7,\"b\":false}}\n");
	assert_answer("{\"transport\":\"amqp\",\"headers\":{\"ce-x\":{\"type\":\"table\",\"value\":{}},\"ce-id\":\"1\"}}", NULL,
		"{\"error\":\"invalid_attribute_value\",\"attribute\":\"x\",\"message\":"
		"\"attribute header has a type or a value that CloudEvents does not know\"}\n");
}

static void data_over_several_lines_stays_in_one(void **state)
{
	assert_answer("{\"transport\":\"kafka\",\"headers\":{" CE ",\"content-type\":\"application/json\"},\"body\":\"{\\n\\\"a\\\":\\r\\n\\\"\\\\n\\\"}\"}",
		NULL, "{\"mode\":\"binary\",\"event\":{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\","
		"\"datacontenttype\":\"application/json\",\"data\":{ \"a\":  \"\\n\"}}}\n");
}

static void lines_that_are_no_messages_are_answered(void **state)
{
	static const char *const bad[] = {"", "x", "[]", "{}", "{\"transport\":\"mqtt\"}", "{\"transport\":1}", "{\"transport\":\"http\"} x",
		"{\"transport\":\"http\",\"headers\":[]}", "{\"transport\":\"http\",\"headers\":{\"a\":1}}",
		"{\"transport\":\"http\",\"headers\":{\"a\":{}}}", "{\"transport\":\"http\",\"headers\":{\"a\":{\"base64\":\"?\"}}}",
		"{\"transport\":\"http\",\"header_list\":{}}", "{\"transport\":\"http\",\"header_list\":[1]}",
		"{\"transport\":\"http\",\"header_list\":[[\"a\"]]}", "{\"transport\":\"http\",\"header_list\":[[\"a\",\"b\",\"c\"]]}",
		"{\"transport\":\"http\",\"properties\":1}", "{\"transport\":\"http\",\"body\":{}}",
		"{\"transport\":\"http\",\"body_base64\":\"*\"}", "{\"transport\":\"http\",\"body\":\"a\",\"body_base64\":\"\"}",
		"{\"transport\":\"http\",\"headers\":{\"a\":{\"value\":", "{\"transport\":\"http\",\"x\":\"\\ud800\"}"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_unreadable(tn_str_from(bad[i]));
}

static void an_answer_is_utf8_whatever_the_name(void **state)
{
	struct tn_buf out = {0};
	assert_true(tn_decode_line(TN_STR("{\"transport\":\"kafka\",\"headers\":{\"ce_id\":\"1\",\"ce_\\u0007\\u00e9\\u00e9\\u00e9\":\"x\"}}"), NULL, &out));
	assert_int_equal(tn_utf8_check(tn_buf_str(&out)), out.len);
	assert_non_null(strstr(tn_buf_terminate(&out), "\"attribute\":\"?\xc3\xa9\xc3\xa9\xc3\xa9\""));
	tn_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mode_has_its_answer),
		cmocka_unit_test(a_refusal_leaves_out_what_does_not_apply),
		cmocka_unit_test(the_callers_transport_wins),
		cmocka_unit_test(a_null_body_is_no_body),
		cmocka_unit_test(raw_and_typed_header_values_are_read),
		cmocka_unit_test(data_over_several_lines_stays_in_one),
		cmocka_unit_test(lines_that_are_no_messages_are_answered),
		cmocka_unit_test(an_answer_is_utf8_whatever_the_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
