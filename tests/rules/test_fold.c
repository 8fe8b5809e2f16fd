/* SPDX-License-Identifier: Apache-2.0
 *
 * test_fold.c - comparing without case is Unicode simple folding: symmetric, code point by code point.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fold.h"

static struct tn_buf folded(const char *text)
{
	struct tn_buf buf = {0};
	tn_fold_add(&buf, tn_str_from(text));
	return buf;
}

static bool equal(const char *text, const char *pattern)
{
	struct tn_buf buf = folded(pattern);
	bool result = tn_fold_equal(tn_str_from(text), tn_buf_str(&buf));
	tn_buf_fini(&buf);
	return result;
}

static void simple_folding_pairs_are_equal_both_ways(void **state)
{
	static const char *const pairs[][2] = {{"STRASSE", "strasse"}, {"\xc3\x9f", "\xe1\xba\x9e"}, {"\xcf\x83", "\xcf\x82"},
		{"\xce\xa3", "\xcf\x82"}, {"k", "\xe2\x84\xaa"}, {"s", "\xc5\xbf"}, {"\xc7\x86", "\xc7\x85"},
		{"\xf0\x90\x90\x80", "\xf0\x90\x90\xa8"}, {"\xe2\xb1\xa5", "\xc8\xba"}, {"", ""}};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		assert_true(equal(pairs[i][0], pairs[i][1]));
		assert_true(equal(pairs[i][1], pairs[i][0]));
	}
}

static void folding_never_changes_the_number_of_letters(void **state)
{
	assert_false(equal("\xc3\x9f", "SS"));
	assert_false(equal("\xc4\xb1", "I"));
	assert_false(equal("\xc4\xb0", "i"));
	assert_false(equal("a", "ab"));
	assert_false(equal("ab", "a"));
}

static void folding_is_idempotent_for_every_code_point(void **state)
{
	unsigned changed = 0;
	for (uint32_t code = 0; code <= 0x10ffff; code++) {
		uint32_t once = tn_fold_code(code);
		assert_int_equal(tn_fold_code(once), once);
		changed += once != code;
	}
	assert_int_equal(changed, 1512); /* Unicode 17.0.0, statuses C and S */
}

static void both_ends_are_compared_by_letters(void **state)
{
	struct tn_buf start = folded("\xe2\xb1\xa5""B"), end = folded("B\xe2\xb1\xa5");
	assert_true(tn_fold_starts(TN_STR("\xc8\xba""bc"), tn_buf_str(&start)));
	assert_false(tn_fold_starts(TN_STR("\xc8\xba"), tn_buf_str(&start)));
	assert_true(tn_fold_ends(TN_STR("ab\xc8\xba"), tn_buf_str(&end)));
	assert_false(tn_fold_ends(TN_STR("\xc8\xba"), tn_buf_str(&end)));
	assert_false(tn_fold_ends(TN_STR("ab\xc8\xba""c"), tn_buf_str(&end)));
	assert_true(tn_fold_ends(TN_STR("x"), TN_STR("")));
	tn_buf_fini(&start);
	tn_buf_fini(&end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(simple_folding_pairs_are_equal_both_ways),
		cmocka_unit_test(folding_never_changes_the_number_of_letters),
		cmocka_unit_test(folding_is_idempotent_for_every_code_point),
		cmocka_unit_test(both_ends_are_compared_by_letters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
