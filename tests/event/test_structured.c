/* SPDX-License-Identifier: Apache-2.0
 *
 * test_structured.c - the JSON event format beyond the vectors: escapes, duplicates, encodings, depth, places, and writing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "message.h"

#define EVENT(members) "{\"specversion\":\"1.0\",\"id\":\"A-1\",\"source\":\"/s\",\"type\":\"t\"" members "}"
#define read(members) decode_structured(TN_STR(EVENT(members)), NULL)

/* Takes result. */
static void assert_data(struct result result, enum tn_data_kind kind, struct tn_str data)
{
	if (result.status != TN_OK)
		fail_msg("%s", result.error.message);
	struct tn_event *event = result.decoded.events[0];
	assert_int_equal(tn_event_data_kind(event), kind);
	assert_true(tn_str_equal(tn_event_data(event), data));
	result_fini(&result);
}

static void duplicates_are_compared_after_escapes(void **state)
{
	assert_fault(read(",\"\\u0069d\":\"2\""), TN_FAULT_DUPLICATE_ATTRIBUTE, "id");
	assert_fault(read(",\"x\":\"\",\"\\u0078\":\"\""), TN_FAULT_DUPLICATE_ATTRIBUTE, "x");
	assert_fault(read(",\"data\":1,\"d\\u0061ta\":1"), TN_FAULT_DUPLICATE_ATTRIBUTE, "data");
	assert_fault(read(",\"data_base64\":null,\"data_base64\":null"), TN_FAULT_DUPLICATE_ATTRIBUTE, "data_base64");
}

static void null_takes_a_name_too(void **state)
{
	assert_fault(read(",\"x\":null,\"x\":\"1\""), TN_FAULT_DUPLICATE_ATTRIBUTE, "x");
	assert_fault(read(",\"subject\":null,\"subject\":\"1\""), TN_FAULT_DUPLICATE_ATTRIBUTE, "subject");
	assert_fault(read(",\"myExt\":null"), TN_FAULT_INVALID_ATTRIBUTE_NAME, "myExt");
}

static void a_duplicate_among_many_members_is_found_with_its_place(void **state)
{
	struct tn_buf body = {0};
	tn_buf_add_text(&body, "{\"specversion\":\"1.0\",\"id\":\"A-1\",\"source\":\"/s\",\"type\":\"t\"");
	for (unsigned i = 0; i < 3000; i++)
		tn_buf_addf(&body, ",\"n%u\":%u", i, i);
	size_t place = body.len + 1;
	tn_buf_add_text(&body, ",\"n7\":null}");
	struct result result = decode_structured(tn_buf_str(&body), NULL);
	assert_int_equal(result.error.offset, place);
	assert_fault(result, TN_FAULT_DUPLICATE_ATTRIBUTE, "n7");
	tn_buf_fini(&body);
}

static void escapes_in_values_are_undone(void **state)
{
	assert_attribute(read(",\"subject\":\"\\u0041\\/\\ud83d\\ude00\""), "subject", "A/\xf0\x9f\x98\x80");
	assert_fault(read(",\"subject\":\"a\\nb\""), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "subject");
	assert_fault(read(",\"subject\":\"\\ufffe\""), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "subject");
	assert_fault(read(",\"subject\":\"a\\ud800b\""), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "subject");
	assert_fault(read(",\"subject\":\"a\\u12\""), TN_FAULT_INVALID_JSON, "");
}

static void bytes_that_are_not_utf8_are_refused_at_their_place(void **state)
{
	struct result result = decode_structured(TN_STR("{\"id\":\"\xff\"}"), NULL);
	assert_int_equal(result.error.offset, 7);
	assert_fault(result, TN_FAULT_INVALID_UTF8, "");
	assert_fault(decode_structured(TN_STR("\xff\xfe{\0}\0"), NULL), TN_FAULT_INVALID_UTF8, "");
	assert_fault(read(",\"data\":\"\xc0\x80\""), TN_FAULT_INVALID_UTF8, "");
	assert_fault(read(",\"data\":\xc3\xa9"), TN_FAULT_INVALID_JSON, "");
}

static void a_byte_order_mark_is_passed_over(void **state)
{
	assert_attribute(decode_structured(TN_STR("\xef\xbb\xbf" EVENT("")), NULL), "id", "A-1");
	struct result result = decode_structured(TN_STR("\xef\xbb\xbf{x"), NULL);
	assert_int_equal(result.error.offset, 4);
	assert_fault(result, TN_FAULT_INVALID_JSON, "");
}

static void data_keeps_its_source_text(void **state)
{
	assert_data(read(",\"data\": {\"a\" : 1.0e+2 , \"b\":12345678901234567890} "), TN_DATA_JSON,
		TN_STR("{\"a\" : 1.0e+2 , \"b\":12345678901234567890}"));
	assert_data(read(",\"data\":\"\\u0041\""), TN_DATA_JSON, TN_STR("\"\\u0041\""));
}

static void data_may_come_before_its_type(void **state)
{
	assert_data(decode_structured(TN_STR("{\"data\":\"\\u0041\\u0000\",\"datacontenttype\":\"text/plain\",\"specversion\":\"1.0\","
		"\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}"), NULL), TN_DATA_TEXT, TN_STR("A\0"));
}

static void a_null_datacontenttype_is_none(void **state)
{
	assert_attribute(read(",\"datacontenttype\":null,\"data\":1"), "datacontenttype", "application/json");
	assert_attribute(read(",\"data\":1,\"datacontenttype\":null"), "datacontenttype", "application/json");
}

static void null_data_and_base64_exclude_each_other(void **state)
{
	assert_fault(read(",\"data\":null,\"data_base64\":\"\""), TN_FAULT_DATA_CONFLICT, "");
	assert_data(read(",\"data\":null,\"data_base64\":null"), TN_DATA_JSON, TN_STR("null"));
	assert_data(read(",\"data_base64\":null"), TN_DATA_NONE, TN_STR(""));
}

static void base64_is_strict(void **state)
{
	assert_data(read(",\"data_base64\":\"\""), TN_DATA_BINARY, TN_STR(""));
	assert_data(read(",\"data_base64\":\"\\u002B\\u002B\\/\\/\""), TN_DATA_BINARY, TN_STR("\xfb\xef\xff"));
	static const char *const bad[] = {"\"AA\"", "\"AA==AA==\"", "\"AA ==\"", "\"AB==\"", "\"-_8=\"", "\"\\n\"", "1", "{}", "true"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct tn_buf body = {0};
		tn_buf_addf(&body, EVENT(",\"data_base64\":%s"), bad[i]);
		assert_fault(decode_structured(tn_buf_str(&body), NULL), TN_FAULT_INVALID_BASE64, "");
		tn_buf_fini(&body);
	}
}

static void data_of_a_type_that_is_not_json_is_a_string(void **state)
{
	assert_data(read(",\"datacontenttype\":\"application/json-seq\",\"data\":\"x\""), TN_DATA_BINARY, TN_STR("x"));
	assert_fault(read(",\"datacontenttype\":\"text/plain\",\"data\":null"), TN_FAULT_DATA_TYPE_MISMATCH, "");
	assert_fault(read(",\"datacontenttype\":\"application/geo+json-seq\",\"data\":1"), TN_FAULT_DATA_TYPE_MISMATCH, "");
}

static void integers_are_integers_of_32_bits(void **state)
{
	assert_attribute(read(",\"n\":-0"), "n", "0");
	assert_fault(read(",\"n\":-2147483649"), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "n");
	assert_fault(read(",\"n\":5.0"), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "n");
	assert_fault(read(",\"n\":1e3"), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "n");
	assert_fault(read(",\"n\":99999999999999999999"), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "n");
}

static void core_attributes_are_strings(void **state)
{
	assert_fault(read(",\"subject\":true"), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "subject");
	assert_fault(read(",\"time\":1522949460"), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "time");
	assert_fault(read(",\"datacontenttype\":[]"), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "datacontenttype");
}

static void a_media_type_has_no_space_around_it(void **state)
{
	assert_fault(read(",\"datacontenttype\":\" text/plain\""), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "datacontenttype");
	assert_fault(read(",\"datacontenttype\":\"text/plain; a=b \""), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "datacontenttype");
	assert_attribute(read(",\"datacontenttype\":\"text/plain ; a=\\\"b c\\\\\\\"\\\";\""), "datacontenttype", "text/plain ; a=\"b c\\\"\";");
}

static void a_bad_name_is_reported_before_its_value(void **state)
{
	assert_fault(read(",\"\":{}"), TN_FAULT_INVALID_ATTRIBUTE_NAME, "");
	assert_fault(read(",\"a\\u0000b\":{}"), TN_FAULT_INVALID_ATTRIBUTE_NAME, "a?b");
	assert_fault(read(",\"caf\xc3\xa9\":{}"), TN_FAULT_INVALID_ATTRIBUTE_NAME, "caf\xc3\xa9");
}

static void a_long_bad_name_is_cut_between_characters(void **state)
{
	struct tn_buf body = {0};
	tn_buf_add_text(&body, "{\"x");
	for (unsigned i = 0; i < 100; i++)
		tn_buf_add_text(&body, "\xc3\xa9");
	tn_buf_add_text(&body, "\":1}");
	struct result result = decode_structured(tn_buf_str(&body), NULL);
	assert_int_equal(result.error.fault, TN_FAULT_INVALID_ATTRIBUTE_NAME);
	assert_int_equal(strlen(result.error.attribute), 63);
	tn_buf_fini(&body);
}

/* `data` nested so deep. */
static struct result read_deep(size_t depth, const struct tn_wire_limits *limits)
{
	struct tn_buf body = {0};
	tn_buf_add_text(&body, "{\"specversion\":\"1.0\",\"id\":\"A-1\",\"source\":\"/s\",\"type\":\"t\",\"data\":");
	for (size_t i = 0; i < depth; i++)
		tn_buf_add_byte(&body, '[');
	for (size_t i = 0; i < depth; i++)
		tn_buf_add_byte(&body, ']');
	tn_buf_add_byte(&body, '}');
	struct result result = decode_structured(tn_buf_str(&body), limits);
	tn_buf_fini(&body);
	return result;
}

static void depth_is_limited(void **state)
{
	const struct tn_wire_limits ten = {.json_depth = 10};
	assert_mode(read_deep(TN_EVENT_DATA_DEPTH, NULL), TN_MODE_STRUCTURED);
	assert_fault(read_deep(TN_EVENT_DATA_DEPTH + 1, NULL), TN_FAULT_INVALID_JSON, "");
	assert_fault(read_deep(1000000, NULL), TN_FAULT_INVALID_JSON, "");
	assert_mode(read_deep(10, &ten), TN_MODE_STRUCTURED);
	assert_fault(read_deep(11, &ten), TN_FAULT_INVALID_JSON, "");
}

static void broken_json_is_refused_at_its_place(void **state)
{
	struct result result = decode_structured(TN_STR(EVENT("") " x"), NULL);
	assert_int_equal(result.error.offset, (int)sizeof(EVENT("") " x") - 2);
	assert_fault(result, TN_FAULT_INVALID_JSON, "");
	result = decode_structured(TN_STR("{\"id\":01}"), NULL);
	assert_int_equal(result.error.offset, 7);
	assert_fault(result, TN_FAULT_INVALID_JSON, "");
}

/* Takes result; the event as JSON, read again, is that JSON again. */
static void assert_written(struct result result, const char *expected)
{
	struct tn_buf out = {0};
	if (result.status != TN_OK)
		fail_msg("%s", result.error.message);
	tn_event_to_json(result.decoded.events[0], &out);
	assert_string_equal(tn_buf_terminate(&out), expected);
	struct result again = decode_structured(tn_buf_str(&out), NULL);
	tn_buf_clear(&out);
	assert_int_equal(again.status, TN_OK);
	tn_event_to_json(again.decoded.events[0], &out);
	assert_string_equal(tn_buf_terminate(&out), expected);
	tn_buf_fini(&out);
	result_fini(&result);
	result_fini(&again);
}

static void what_is_written_reads_back(void **state)
{
	assert_written(read(""), EVENT(""));
	assert_written(read(",\"z\":1,\"a\":true,\"subject\":\"q\\\"\",\"f\":\"true\",\"data\":[1.0]"),
		EVENT(",\"subject\":\"q\\\"\",\"datacontenttype\":\"application/json\",\"z\":1,\"a\":true,\"f\":\"true\",\"data\":[1.0]"));
	assert_written(read(",\"datacontenttype\":\"text/plain\",\"data\":\"\\u0000\\\"\""),
		EVENT(",\"datacontenttype\":\"text/plain\",\"data\":\"\\u0000\\\"\""));
	assert_written(read(",\"datacontenttype\":\"text/plain\",\"data_base64\":\"eA==\""),
		EVENT(",\"datacontenttype\":\"text/plain\",\"data_base64\":\"eA==\""));
	assert_written(read(",\"datacontenttype\":\"application/json\",\"data_base64\":\"e30=\""),
		EVENT(",\"datacontenttype\":\"application/json\",\"data_base64\":\"e30=\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(duplicates_are_compared_after_escapes),
		cmocka_unit_test(null_takes_a_name_too),
		cmocka_unit_test(a_duplicate_among_many_members_is_found_with_its_place),
		cmocka_unit_test(escapes_in_values_are_undone),
		cmocka_unit_test(bytes_that_are_not_utf8_are_refused_at_their_place),
		cmocka_unit_test(a_byte_order_mark_is_passed_over),
		cmocka_unit_test(data_keeps_its_source_text),
		cmocka_unit_test(data_may_come_before_its_type),
		cmocka_unit_test(a_null_datacontenttype_is_none),
		cmocka_unit_test(null_data_and_base64_exclude_each_other),
		cmocka_unit_test(base64_is_strict),
		cmocka_unit_test(data_of_a_type_that_is_not_json_is_a_string),
		cmocka_unit_test(integers_are_integers_of_32_bits),
		cmocka_unit_test(core_attributes_are_strings),
		cmocka_unit_test(a_media_type_has_no_space_around_it),
		cmocka_unit_test(a_bad_name_is_reported_before_its_value),
		cmocka_unit_test(a_long_bad_name_is_cut_between_characters),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(broken_json_is_refused_at_its_place),
		cmocka_unit_test(what_is_written_reads_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
