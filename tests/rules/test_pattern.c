/* SPDX-License-Identifier: Apache-2.0
 *
 * test_pattern.c - what the vectors leave open: limits, the order of errors, odd paths, events that want care.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/pattern.h"

static struct tn_pattern_error refusal(struct tn_str text, const struct tn_pattern_limits *limits)
{
	struct tn_pattern *pattern = NULL;
	struct tn_pattern_error error = {0};
	if (tn_pattern_compile(text, limits, &pattern, &error) == TN_OK) {
		tn_pattern_free(pattern);
		fail_msg("accepted: %.*s", TN_STR_ARG(text));
	}
	assert_null(pattern);
	return error;
}

static bool match_text(struct tn_str text, struct tn_str event)
{
	struct tn_pattern *pattern;
	struct tn_pattern_error error;
	bool match;
	size_t at;
	if (tn_pattern_compile(text, NULL, &pattern, &error) != TN_OK)
		fail_msg("%.*s: %s at %zu: %s", TN_STR_ARG(text), error.kind, error.at, error.message);
	assert_int_equal(tn_pattern_match(pattern, event, &match, &at), TN_OK);
	tn_pattern_free(pattern);
	return match;
}

static bool match(const char *text, const char *event)
{
	return match_text(tn_str_from(text), tn_str_from(event));
}

/* A text, the kind, and the part of the text at which the error stands. */
static const struct {
	const char *text, *kind, *from;
} refused[] = {
	/* JSON comes before everything, whatever stands earlier */
	{"{\"a\":\"x\",\"b\":[}", "E_JSON", "}"},
	{"[{]", "E_JSON", "]"},
	/* then reading order */
	{"{\"a\":[{\"prefix\":3,\"suffix\":4}]}", "E_OPERAND", "3"},
	{"{\"a\":[{\"nope\":3,\"suffix\":4}]}", "E_OPERATOR", "\"nope"},
	{"{\"a\":[{\"anything-but\":[1e10000,\"x\"]}]}", "E_NUMBER_RANGE", "1e1"},
	{"{\"a\":[{\"anything-but\":[\"x\",1e10000]}]}", "E_MIXED", "1e1"},
	{"{\"a\":[{\"anything-but\":[\"x\",{}]}]}", "E_OPERAND", "{}]"},
	{"{\"a\":[{\"anything-but\":{\"prefix\":[]}}]}", "E_EMPTY_OPERAND", "[]"},
	{"{\"a\":[{\"anything-but\":{\"suffix\":{\"equals-ignore-case\":\"\"}}}]}", "E_EMPTY_OPERAND", "\"\""},
	{"{\"a\":[{\"anything-but\":{\"suffix\":[\"x\",{\"prefix\":\"\"}]}}]}", "E_OPERATOR", "\"prefix"},
	{"{\"a\":[{\"anything-but\":{\"prefix\":\"x\",\"prefix\":\"y\"}}]}", "E_OPERATOR_KEYS", "\"prefix\":\"y"},
	{"{\"a\":[{\"numeric\":[\">\",5,\"<\",5,1]}]}", "E_RANGE", "5,1"},
	{"{\"a\":[{\"numeric\":[\">\"]}]}", "E_NUMERIC", "]}]"},
	{"{\"a\":[{\"numeric\":[[]]}]}", "E_NUMERIC", "[]]"},
	{"{\"a\":[{\"numeric\":[\"=\",-1e-10000]}]}", "E_NUMBER_RANGE", "-1e"},
	{"{\"a\":[1e10000]}", "E_NUMBER_RANGE", "1e1"},
	{"{\"$or\":[\"x\"],\"b\":1}", "E_OR", "[\"x"},
	{"{\"\\u0024or\":1}", "E_OR", "1"},
	{"{\"$or\":[{\"a\":[1]},{\"b\":{\"cidr\":{\"c\":[1]}}}]}", "E_RESERVED", "\"cidr"},
	{"{\"$or\":[{\"a\":[1]},{\"b\":{\"\\u003c\":[1]}}]}", "E_RESERVED", "\"\\u003c"},
	{"{\"a\":{\"$or\":[{\"b\":[1]},{\"c\":[]}]}}", "E_EMPTY_ARRAY", "[]"},
};

static void the_first_error_in_reading_order_is_told(void **state)
{
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct tn_pattern_error error = refusal(tn_str_from(refused[i].text), NULL);
		size_t at = (size_t)(strstr(refused[i].text, refused[i].from) - refused[i].text);
		if (strcmp(error.kind, refused[i].kind) != 0 || error.at != at)
			fail_msg("%s: %s at %zu", refused[i].text, error.kind, error.at);
	}
}

static void an_error_knows_line_and_column_and_path(void **state)
{
	struct tn_pattern_error error = refusal(TN_STR("{\n  \"\xc3\xa9\": {\"\xc3\xa9\":\t[{\"prefix\": 3}]}}"), NULL);
	assert_int_equal(error.line, 2);
	assert_int_equal(error.column, 26);
	assert_string_equal(error.message, "\xc3\xa9.\xc3\xa9: prefix takes one string, or an object with equals-ignore-case");
}

static void size_is_limited_at_its_byte(void **state)
{
	struct tn_buf text = {0};
	tn_buf_add_text(&text, "{\"a\":[1]");
	while (text.len < 4095)
		tn_buf_add_byte(&text, ' ');
	tn_buf_add_byte(&text, '}');
	assert_true(match_text(tn_buf_str(&text), TN_STR("{\"a\":1}")));
	tn_buf_add_byte(&text, 'x');
	struct tn_pattern_error error = refusal(tn_buf_str(&text), NULL);
	assert_string_equal(error.kind, "E_SIZE");
	assert_int_equal(error.at, 4096);
	tn_buf_fini(&text);
}

static struct tn_buf nested(int levels)
{
	struct tn_buf text = {0};
	for (int i = 0; i < levels; i++)
		tn_buf_add_text(&text, "{\"a\":");
	tn_buf_add_text(&text, "[{\"anything-but\":{\"prefix\":[\"x\"]}}]");
	for (int i = 0; i < levels; i++)
		tn_buf_add_byte(&text, '}');
	return text;
}

static void sixty_four_objects_are_not_too_deep(void **state)
{
	struct tn_buf good = nested(64), bad = nested(65);
	assert_false(match_text(tn_buf_str(&good), TN_STR("{}")));
	struct tn_pattern_error error = refusal(tn_buf_str(&bad), NULL);
	assert_string_equal(error.kind, "E_DEPTH");
	assert_int_equal(error.at, 64 * 5);
	tn_buf_fini(&good);
	tn_buf_fini(&bad);
}

static void branches_multiply_up_to_the_limit(void **state)
{
	struct tn_pattern_limits limits = {.branches = 4};
	const char *four = "{\"$or\":[{\"a\":[1]},{\"b\":[1]}],\"c\":{\"$or\":[{\"d\":[1]},{\"e\":[1]}]}}";
	const char *six = "{\"$or\":[{\"a\":[1]},{\"b\":[1]}],\"c\":{\"$or\":[{\"d\":[1]},{\"e\":[1]},{\"f\":[1]}]}}";
	struct tn_pattern *pattern;
	assert_int_equal(tn_pattern_compile(tn_str_from(four), &limits, &pattern, NULL), TN_OK);
	tn_pattern_free(pattern);
	struct tn_pattern_error error = refusal(tn_str_from(six), &limits);
	assert_string_equal(error.kind, "E_COMPLEXITY");
	assert_int_equal(error.at, strstr(six, "[{\"d") - six);
}

static void dots_and_empty_names_are_part_of_the_path(void **state)
{
	assert_true(match("{\"\":{\"a\":[1]}}", "{\"\":{\"a\":1}}"));
	assert_true(match("{\"\":{\"a\":[1]}}", "{\".a\":1}"));
	assert_false(match("{\"\":{\"a\":[1]}}", "{\"a\":1}"));
	assert_true(match("{\"a\":{\"\":[1]}}", "{\"a.\":1}"));
	assert_true(match("{\"a.b\":{\"c\":[1]}}", "{\"a\":{\"b.c\":1}}"));
	assert_true(match("{\"a\":{\"\":{\"\":[1]}}}", "{\"a..\":[1]}"));
	assert_false(match("{\"a\":{\"\":[1]}}", "{\"a\":1}"));
	assert_true(match("{\"$or\":[{\"\":[1]},{\"x\":{\"$or\":[{\"y\":[1]},{\"\":[1]}]}}]}", "{\"x\":{\"\":1}}"));
}

static void a_scalar_and_an_object_may_share_a_path(void **state)
{
	const char *both = "{\"a\":[1],\"a.b\":[2]}";
	assert_true(match(both, "{\"a\":[1,{\"b\":2}]}"));
	assert_false(match(both, "{\"a\":[{\"b\":2}]}"));
	assert_true(match(both, "{\"a\":1,\"a\":{\"b\":2}}"));
}

static void deep_events_are_read_without_recursion(void **state)
{
	enum { DEEP = 1000 };
	struct tn_buf event = {0};
	tn_buf_add_text(&event, "{\"x\":");
	for (int i = 0; i < DEEP; i++)
		tn_buf_add_text(&event, i % 2 ? "[" : "{\"y\":");
	tn_buf_add_text(&event, "1");
	for (int i = DEEP; i-- > 0;)
		tn_buf_add_text(&event, i % 2 ? "]" : "}");
	tn_buf_add_text(&event, ",\"t\":");
	for (int i = 0; i < DEEP; i++)
		tn_buf_add_byte(&event, '[');
	tn_buf_add_text(&event, "\"here\"");
	for (int i = 0; i < DEEP; i++)
		tn_buf_add_byte(&event, ']');
	tn_buf_add_text(&event, ",\"u\":[{\"v\":1}]}");
	assert_true(match_text(TN_STR("{\"t\":[\"here\"],\"u\":{\"v\":[1]}}"), tn_buf_str(&event)));
	tn_buf_fini(&event);
}

static void what_is_no_object_is_no_event(void **state)
{
	static const struct {
		const char *event;
		size_t at;
	} rows[] = {{"", 0}, {"  [1]", 2}, {"{\"b\":[1,}", 8}, {"{\"b\":1} x", 8}, {"null", 0}, {"{\"b\":\"\\ud800\"}", 6}};
	struct tn_pattern *pattern;
	bool matched;
	assert_int_equal(tn_pattern_compile(TN_STR("{\"a\":[1]}"), NULL, &pattern, NULL), TN_OK);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t at = 99;
		assert_int_equal(tn_pattern_match(pattern, tn_str_from(rows[i].event), &matched, &at), TN_INVALID);
		assert_int_equal(at, rows[i].at);
	}
	tn_pattern_free(pattern);
}

static void absence_is_judged_in_the_element_that_was_picked(void **state)
{
	const char *pattern = "{\"d\":{\"id\":[2],\"err\":[{\"exists\":false}]}}";
	assert_true(match(pattern, "{\"d\":[{\"id\":1,\"err\":\"x\"},{\"id\":2}]}"));
	assert_false(match(pattern, "{\"d\":[{\"id\":2,\"err\":\"x\"},{\"id\":1}]}"));
	assert_true(match(pattern, "{\"d\":[{\"id\":2,\"err\":\"x\"},{\"id\":2}]}"));
	assert_false(match("{\"d\":{\"err\":[{\"exists\":false}]}}", "{\"d\":[{\"id\":1,\"err\":\"x\"},{\"id\":2}]}"));
	/* The second leaf of id.a enters the element without err; the first would not. */
	assert_true(match("{\"d\":{\"id\":[{\"exists\":true}],\"err\":[\"y\",{\"exists\":false}]}}",
		"{\"d\":[{\"id\":1,\"err\":\"x\"},{\"id\":2}]}"));
}

static void a_tangle_of_duplicate_names_is_still_decided(void **state)
{
	/* Two arrays under one name: one element of each may be chosen. */
	const char *event = "{\"a\":[{\"x\":1},{\"y\":1}],\"a\":[{\"x\":2},{\"y\":2}]}";
	assert_true(match("{\"a\":{\"x\":[1],\"y\":[2]}}", event));
	assert_true(match("{\"a\":{\"x\":[2],\"y\":[1]}}", event));
	assert_false(match("{\"a\":{\"x\":[1],\"y\":[1]}}", event));
	assert_false(match("{\"a\":{\"x\":[2],\"y\":[2]}}", event));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_error_in_reading_order_is_told),
		cmocka_unit_test(an_error_knows_line_and_column_and_path),
		cmocka_unit_test(size_is_limited_at_its_byte),
		cmocka_unit_test(sixty_four_objects_are_not_too_deep),
		cmocka_unit_test(branches_multiply_up_to_the_limit),
		cmocka_unit_test(dots_and_empty_names_are_part_of_the_path),
		cmocka_unit_test(a_scalar_and_an_object_may_share_a_path),
		cmocka_unit_test(deep_events_are_read_without_recursion),
		cmocka_unit_test(what_is_no_object_is_no_event),
		cmocka_unit_test(absence_is_judged_in_the_element_that_was_picked),
		cmocka_unit_test(a_tangle_of_duplicate_names_is_still_decided),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
