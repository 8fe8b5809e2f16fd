/* SPDX-License-Identifier: Apache-2.0
 *
 * test_json.c - the scanner accepts exactly RFC 8259 and says at which byte it stopped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/json.h"

static size_t fault_at(const char *text, uint32_t depth, enum tn_json_fault *out_fault)
{
	struct tn_json json;
	struct tn_json_token token;
	tn_json_init(&json, tn_str_from(text), depth);
	while (tn_json_next(&json, &token) == TN_OK)
		if (token.kind == TN_JSON_END) {
			*out_fault = TN_JSON_FINE;
			return SIZE_MAX;
		}
	*out_fault = json.fault;
	return json.fault_at;
}

#define assert_bad(text, offset) \
	do { \
		enum tn_json_fault fault_; \
		assert_int_equal(fault_at(text, 16, &fault_), offset); \
		assert_int_equal(fault_, TN_JSON_BAD); \
	} while (0)

static void accepts_every_kind_of_value(void **state)
{
	static const char *const good[] = {"0", "-0", "1.5e+3", "\"\"", "true", "false", "null", "[]", "{}", " [ 1 , {\"a\":[]} ] ",
		"\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"", "{\"a\":1,\"a\":2}", "[[[[[[]]]]]]"};
	enum tn_json_fault fault;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(fault_at(good[i], 16, &fault), SIZE_MAX);
}

static void names_the_byte_that_cannot_be(void **state)
{
	assert_bad("", 0);
	assert_bad("01", 1);
	assert_bad("1.", 2);
	assert_bad("-", 1);
	assert_bad("tru", 3);
	assert_bad("[1,]", 3);
	assert_bad("{\"a\" 1}", 5);
	assert_bad("{,}", 1);
	assert_bad("[1 2]", 3);
	assert_bad("1 x", 2);
	assert_bad("\"abcdefghijkl\x01\"", 13);
	assert_bad("\"ab\\x\"", 3);
	assert_bad("\"\\ud800\"", 1);
	assert_bad("\"\\udc00\"", 1);
	assert_bad("\"\xc0\x80\"", 1);
	assert_bad("\"abc", 4);
	assert_bad("[", 1);
	assert_bad("{\"a\":1]", 6);
	assert_bad("\xef\xbb\xbf{}", 0);
}

static void depth_is_limited_at_the_bracket(void **state)
{
	enum tn_json_fault fault;
	assert_int_equal(fault_at("[[[]]]", 3, &fault), SIZE_MAX);
	assert_int_equal(fault_at("[[[ {}]]]", 3, &fault), 4);
	assert_int_equal(fault, TN_JSON_TOO_DEEP);
}

static void skipping_ends_behind_the_value(void **state)
{
	struct tn_json json;
	struct tn_json_token token;
	size_t end;
	tn_json_init(&json, TN_STR("{\"a\":[1,{\"b\":\"]\"}],\"c\":2}"), 16);
	assert_int_equal(tn_json_next(&json, &token), TN_OK);
	assert_int_equal(tn_json_next(&json, &token), TN_OK);
	assert_int_equal(tn_json_next(&json, &token), TN_OK);
	assert_int_equal(token.kind, TN_JSON_ARRAY);
	assert_int_equal(tn_json_skip(&json, &token, &end), TN_OK);
	assert_int_equal(end, 18);
	assert_int_equal(tn_json_next(&json, &token), TN_OK);
	assert_true(tn_json_equals(&token, TN_STR("c")));
}

static void escapes_are_undone_and_made(void **state)
{
	struct tn_json json;
	struct tn_json_token token;
	struct tn_buf buf = {0};
	tn_json_init(&json, TN_STR("\"a\\n\\u00e9\\ud83d\\ude00\\/\""), 1);
	assert_int_equal(tn_json_next(&json, &token), TN_OK);
	tn_json_unescape(token.text, &buf);
	assert_true(tn_str_is(tn_buf_str(&buf), "a\n\xc3\xa9\xf0\x9f\x98\x80/"));
	assert_true(tn_json_equals(&token, tn_buf_str(&buf)));
	assert_false(tn_json_equals(&token, TN_STR("a\n")));
	tn_buf_clear(&buf);
	tn_json_quote(&buf, TN_STR("q\"\\\n\x01"));
	assert_true(tn_str_is(tn_buf_str(&buf), "\"q\\\"\\\\\\n\\u0001\""));
	tn_buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_every_kind_of_value),
		cmocka_unit_test(names_the_byte_that_cannot_be),
		cmocka_unit_test(depth_is_limited_at_the_bracket),
		cmocka_unit_test(skipping_ends_behind_the_value),
		cmocka_unit_test(escapes_are_undone_and_made),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
