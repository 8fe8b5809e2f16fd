/* SPDX-License-Identifier: Apache-2.0
 *
 * test_match_line.c - what a line with a pattern and an event is answered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/match_line.h"

static const struct {
	const char *line, *answer;
	enum tn_match_answer kind;
} rows[] = {
	{"{\"pattern\":{\"a\":[1]},\"event\":{\"a\":1.0}}", "true", TN_MATCH_TRUE},
	{"{\"event\":{\"a\":2},\"pattern\":{\"a\":[1]}}", "false", TN_MATCH_FALSE},
	{" {\"n\":[{}],\"pattern\":{\"a\":[1]}} ", "valid", TN_MATCH_VALID},
	{"{\"pattern_text\":\"{\\\"a\\\":[1]}\",\"event\":{\"a\":1}}", "true", TN_MATCH_TRUE},
	{"{\"pattern_text\":\"\"}", "invalid: E_JSON at 0: not JSON: it ends too early", TN_MATCH_INVALID},
	{"{\"pattern\":{\"a\":{\"b\":\"x\"}},\"event\":1}",
		"invalid: E_FIELD_VALUE at 10: a.b: a field's value is an object or an array; write [...] around a single value",
		TN_MATCH_INVALID},
	{"{\"pattern\": {\"a\":[1]},\"event\": [1]}", "invalid event at 0: an event is a JSON object", TN_MATCH_INVALID},
	{"{\"event\":{}}", "invalid line at 0: it has neither pattern nor pattern_text", TN_MATCH_INVALID},
	{"[1]", "invalid line at 0: a line is a JSON object", TN_MATCH_INVALID},
	{"", "invalid line at 0: not JSON from here on", TN_MATCH_INVALID},
	{"{\"pattern\":{\"a\":[1]},}", "invalid line at 21: not JSON from here on", TN_MATCH_INVALID},
	{"{\"pattern\":{\"a\":[1]}} x", "invalid line at 22: not JSON from here on", TN_MATCH_INVALID},
	{"{\"pattern\":{\"a\":[1]},\"pattern_text\":\"\"}", "invalid line at 21: a second pattern", TN_MATCH_INVALID},
	{"{\"pattern\":{\"a\":[1]},\"event\":{},\"event\":{}}", "invalid line at 32: a second event", TN_MATCH_INVALID},
	{"{\"pattern_text\":5}", "invalid line at 16: pattern_text takes a string", TN_MATCH_INVALID},
};

static void each_line_gets_its_answer(void **state)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tn_buf out = {0};
		enum tn_match_answer kind = tn_match_line(tn_str_from(rows[i].line), &out);
		assert_string_equal(tn_buf_terminate(&out), rows[i].answer);
		assert_int_equal(kind, rows[i].kind);
		tn_buf_fini(&out);
	}
}

static void pattern_and_event_keep_the_text_of_the_line(void **state)
{
	struct tn_buf out = {0};
	/* A duplicate name, an escape in a name, a number with an exponent: parsing and printing would lose each. */
	tn_match_line(TN_STR("{\"pattern\":{\"a\":[\"no\"],\"\\u0061\":[3.0e2]},\"event\":{\"a\":1,\"a\":300}}"), &out);
	assert_string_equal(tn_buf_terminate(&out), "true");
	tn_buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_gets_its_answer),
		cmocka_unit_test(pattern_and_event_keep_the_text_of_the_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
