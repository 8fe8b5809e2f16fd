/* SPDX-License-Identifier: Apache-2.0
 *
 * test_leaves.c - JSON read into leaves: what no path enters is passed over, in text that was checked before without being read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "leaves.h"
#include "turnout/json.h"
#include "turnout/random.h"

static const char *const names[] = {"n", "d.n", "d.e.n", "", "d."};

static void init_paths(struct tn_paths *paths)
{
	tn_paths_init(paths);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		tn_paths_add(paths, tn_str_from(names[i]));
}

/* Appends all leaves, path by path. */
static enum tn_status read_leaves(const struct tn_paths *paths, struct tn_str json, bool checked, struct tn_buf *out)
{
	struct tn_leaves leaves = {0};
	size_t at;
	tn_leaves_begin(&leaves, paths);
	enum tn_status status = tn_leaves_read(&leaves, TN_PATHS_ROOT, json, checked, &at);
	for (uint32_t path = 0; status == TN_OK && path < paths->count; path++)
		for (const struct tn_leaf *leaf = tn_leaves_first(&leaves, path); leaf; leaf = tn_leaves_next(&leaves, leaf)) {
			tn_buf_addf(out, "%u:", leaf->context);
			tn_leaf_to_json(leaf, out);
			tn_buf_add_byte(out, ' ');
		}
	tn_leaves_fini(&leaves);
	return status;
}

static void expect(const char *json, const char *wanted)
{
	struct tn_paths paths;
	init_paths(&paths);
	for (int checked = 0; checked < 2; checked++) {
		struct tn_buf found = {0};
		assert_int_equal(read_leaves(&paths, tn_str_from(json), checked, &found), TN_OK);
		if (!tn_str_is(tn_buf_str(&found), wanted))
			fail_msg("%s: %.*s", json, TN_STR_ARG(tn_buf_str(&found)));
		tn_buf_fini(&found);
	}
	tn_paths_fini(&paths);
}

static void brackets_and_quotes_in_strings_end_nothing(void **state)
{
	expect("{\"x\":[\"]\",\"\\\"]\",\"\\\\\"],\"n\":1}", "0:1 ");
	expect("{\"x\":{\"a\":\"\\\\\\\"}\",\"}\":[{}]},\"n\":1}", "0:1 ");
	expect("{\"x\":[[],{},\"\",[\"\\\\\\\\\",\"\\\"\\\"\"]],\"n\":1}", "0:1 ");
}

static void what_a_path_enters_is_read(void **state)
{
	expect("{\"d\":{\"x\":{\"n\":9},\"n\":\"a\",\"e\":[{\"n\":2},{\"x\":[9]},{\"n\":3}]},\"d.n\":4}", "0:\"a\" 0:4 1:2 3:3 ");
	expect("{\"n\":{\"n\":1},\"d\":[[{\"n\":1}]],\"\":5}", "2:1 0:5 ");
}

static void an_empty_name_is_a_step_too(void **state)
{
	expect("{\"d\":{\"\":7},\"d.\":8}", "0:7 0:8 ");
	expect("{\"d\":9,\"d..\":9,\".d\":9}", "");
}

static void text_that_was_not_checked_is_read_whole(void **state)
{
	static const char *const bad[] = {"{\"x\":[1 2]}", "{\"x\":{\"a\":\"\\q\"}}", "{\"x\":[}", "{\"x\":[{\"n\":01}]}"};
	struct tn_paths paths;
	init_paths(&paths);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(read_leaves(&paths, tn_str_from(bad[i]), false, NULL), TN_INVALID);
	tn_paths_fini(&paths);
}

/* What somebody wrongly called checked is an error or is passed over, within the text. */
static void a_text_that_ends_early_is_invalid_even_when_called_checked(void **state)
{
	const char *whole = "{\"x\":[{\"a\":\"b\\\"\\\\\"}],\"n\":1}";
	struct tn_paths paths;
	init_paths(&paths);
	for (size_t len = 0; len < strlen(whole); len++) {
		char *exact = malloc(len + 1); /* a reader that goes too far is seen by the sanitizer */
		memcpy(exact + 1, whole, len);
		assert_int_equal(read_leaves(&paths, tn_str_make(exact + 1, len), true, NULL), TN_INVALID);
		free(exact);
	}
	tn_paths_fini(&paths);
}

static uint32_t pick(struct tn_random *random, uint32_t count)
{
	return (uint32_t)tn_random_upto(random, count - 1);
}

static void add_value(struct tn_random *random, struct tn_buf *out, int depth)
{
	static const char *const scalars[] = {"1", "\"x\"", "\"}\"", "\"]\"", "\"{[\"", "\"\\\"\"", "\"\\\\\"", "\"\\\\\\\"\"", "null", "\"\""};
	static const char *const members[] = {"n", "d", "e", "x", "d.n", "", "\\u006e", "\\\"}", "]"};
	uint32_t kind = depth == 0 ? 0 : pick(random, 3);
	if (kind == 0) {
		tn_buf_add_text(out, scalars[pick(random, 10)]);
		return;
	}
	tn_buf_add_byte(out, kind == 1 ? '{' : '[');
	for (uint32_t i = 0, count = pick(random, 5); i < count; i++) {
		tn_buf_add_text(out, i ? ", " : "");
		if (kind == 1)
			tn_buf_addf(out, "\"%s\":", members[pick(random, 9)]);
		add_value(random, out, depth - 1);
	}
	tn_buf_add_byte(out, kind == 1 ? '}' : ']');
}

static void passing_over_finds_what_reading_finds(void **state)
{
	struct tn_random random = {5};
	struct tn_paths paths;
	struct tn_buf json = {0}, read = {0}, passed = {0};
	size_t found = 0;
	init_paths(&paths);
	for (int round = 0; round < 20000; round++) {
		tn_buf_clear(&json);
		tn_buf_clear(&read);
		tn_buf_clear(&passed);
		add_value(&random, &json, 6);
		assert_int_equal(read_leaves(&paths, tn_buf_str(&json), false, &read), TN_OK);
		assert_int_equal(read_leaves(&paths, tn_buf_str(&json), true, &passed), TN_OK);
		if (!tn_str_equal(tn_buf_str(&read), tn_buf_str(&passed)))
			fail_msg("%.*s", TN_STR_ARG(tn_buf_str(&json)));
		found += read.len > 0;
	}
	assert_true(found > 1000);
	tn_buf_fini(&json);
	tn_buf_fini(&read);
	tn_buf_fini(&passed);
	tn_paths_fini(&paths);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(brackets_and_quotes_in_strings_end_nothing),
		cmocka_unit_test(what_a_path_enters_is_read),
		cmocka_unit_test(an_empty_name_is_a_step_too),
		cmocka_unit_test(text_that_was_not_checked_is_read_whole),
		cmocka_unit_test(a_text_that_ends_early_is_invalid_even_when_called_checked),
		cmocka_unit_test(passing_over_finds_what_reading_finds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
