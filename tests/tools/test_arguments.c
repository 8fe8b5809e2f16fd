/* SPDX-License-Identifier: Apache-2.0
 *
 * test_arguments.c - the command line as commands read it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "arguments.h"

struct values {
	bool loud;
	const char *rules;
	uint64_t count;
	double rate;
	int64_t timeout_ms;
};

/* Splits line at blanks, as a shell would, and parses it; what stays is joined again into rest. */
static bool parse(const char *line, struct values *values, char rest[128])
{
	const struct tn_argument table[] = {
	        {"--loud", 'l', TN_ARGUMENT_FLAG, &values->loud},
	        {"--rules", 'r', TN_ARGUMENT_TEXT, &values->rules},
	        {"--count", 0, TN_ARGUMENT_COUNT, &values->count},
	        {"--rate", 0, TN_ARGUMENT_FRACTION, &values->rate},
	        {"--timeout", 0, TN_ARGUMENT_TIME, &values->timeout_ms},
	        {0},
	};
	static char text[128];
	char *argv[16] = {(char *)(uintptr_t) "tool"};
	int argc = 1;
	bool good;

	strcpy(text, line);
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	good = tn_arguments_parse(table, &argc, argv);
	rest[0] = '\0';
	for (int i = 1; good && i < argc; i++)
		strcat(strcat(rest, i > 1 ? " " : ""), argv[i]);
	return good;
}

static void options_may_stand_anywhere(void **state)
{
	struct values values = {0};
	char rest[128];

	assert_true(parse("first --loud --rules=a.yaml second --count 12 -", &values, rest));
	assert_true(values.loud);
	assert_string_equal(values.rules, "a.yaml");
	assert_int_equal(values.count, 12);
	assert_string_equal(rest, "first second -");
}

static void letters_stand_for_names(void **state)
{
	struct values values = {0};
	char rest[128];

	assert_true(parse("-l -r b.yaml", &values, rest));
	assert_true(values.loud);
	assert_string_equal(values.rules, "b.yaml");
}

static void two_dashes_end_the_options(void **state)
{
	struct values values = {0};
	char rest[128];

	assert_true(parse("-- --loud", &values, rest));
	assert_false(values.loud);
	assert_string_equal(rest, "--loud");
}

static void times_have_units_and_seconds_are_the_default(void **state)
{
	struct values values = {0};
	char rest[128];

	assert_true(parse("--timeout 250ms", &values, rest));
	assert_int_equal(values.timeout_ms, 250);
	assert_true(parse("--timeout 1.5", &values, rest));
	assert_int_equal(values.timeout_ms, 1500);
	assert_true(parse("--timeout 2m", &values, rest));
	assert_int_equal(values.timeout_ms, 120000);
	assert_false(parse("--timeout 2h", &values, rest));
}

static void fractions_may_be_percentages(void **state)
{
	struct values values = {0};
	char rest[128];

	assert_true(parse("--rate 10%", &values, rest));
	assert_true(values.rate > 0.0999 && values.rate < 0.1001);
	assert_false(parse("--rate -1", &values, rest));
	assert_false(parse("--rate ten", &values, rest));
}

static void wrong_lines_are_refused(void **state)
{
	struct values values = {0};
	char rest[128];

	assert_false(parse("--luod", &values, rest));
	assert_false(parse("--count", &values, rest));
	assert_false(parse("--count 1x", &values, rest));
	assert_false(parse("--loud=yes", &values, rest));
}

static void a_near_name_is_suggested_and_a_far_one_is_not(void **state)
{
	const char *const names[] = {"match", "decode", NULL};

	assert_string_equal(tn_arguments_suggest("mathc", names), "match");
	assert_null(tn_arguments_suggest("status", names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(options_may_stand_anywhere),
	        cmocka_unit_test(letters_stand_for_names),
	        cmocka_unit_test(two_dashes_end_the_options),
	        cmocka_unit_test(times_have_units_and_seconds_are_the_default),
	        cmocka_unit_test(fractions_may_be_percentages),
	        cmocka_unit_test(wrong_lines_are_refused),
	        cmocka_unit_test(a_near_name_is_suggested_and_a_far_one_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
