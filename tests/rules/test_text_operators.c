/* SPDX-License-Identifier: Apache-2.0
 *
 * test_text_operators.c - wildcards and address blocks on their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cidr.h"
#include "wildcard.h"

static bool wild(const char *pattern, const char *value)
{
	struct tn_arena arena = {0};
	struct tn_wildcard wildcard;
	assert_null(tn_wildcard_parse(tn_str_from(pattern), &arena, &wildcard));
	bool match = tn_wildcard_match(&wildcard, tn_str_from(value));
	tn_arena_fini(&arena);
	return match;
}

static void stars_stand_for_any_run(void **state)
{
	assert_true(wild("*", ""));
	assert_true(wild("a*", "a"));
	assert_true(wild("*a*b*", "xxaxxbxx"));
	assert_true(wild("a*b*c", "abbbc"));
	assert_true(wild("a*b", "a\nb"));
	assert_false(wild("*a*b*", "ba"));
	assert_false(wild("", "a"));
	assert_true(wild("", ""));
}

static void pieces_do_not_overlap(void **state)
{
	assert_true(wild("aba*aba", "abaaba"));
	assert_false(wild("aba*aba", "ababa"));
	assert_false(wild("*ab*b", "ab"));
	assert_true(wild("*ab*ab*", "abab"));
	assert_false(wild("*aba*ba", "aba"));
}

static void escapes_make_plain_characters(void **state)
{
	assert_true(wild("a\\*b", "a*b"));
	assert_false(wild("a\\*b", "axb"));
	assert_true(wild("\\\\*", "\\x"));
	assert_true(wild("*\\*", "ab*"));
	assert_true(wild("?.[", "?.["));
}

static void malformed_wildcards_are_refused(void **state)
{
	static const char *const bad[] = {"**", "a**b", "\\", "a\\", "\\a", "*\\***"};
	struct tn_arena arena = {0};
	struct tn_wildcard wildcard;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_non_null(tn_wildcard_parse(tn_str_from(bad[i]), &arena, &wildcard));
	tn_arena_fini(&arena);
}

static bool inside(const char *block_text, const char *address)
{
	struct tn_cidr block;
	assert_true(tn_cidr_parse(tn_str_from(block_text), &block));
	return tn_cidr_contains(&block, tn_str_from(address));
}

static void blocks_hold_their_addresses(void **state)
{
	assert_true(inside("10.0.0.77/24", "10.0.0.255"));
	assert_false(inside("10.0.0.0/24", "10.0.1.0"));
	assert_true(inside("10.0.0.0/9", "10.127.255.255"));
	assert_false(inside("10.0.0.0/9", "10.128.0.0"));
	assert_true(inside("0.0.0.0/0", "255.255.255.255"));
	assert_true(inside("1.2.3.4/32", "1.2.3.4"));
	assert_true(inside("fe80::/10", "FEBF::1"));
	assert_false(inside("fe80::/10", "fec0::"));
	assert_true(inside("::ffff:1.2.3.0/120", "::FFFF:102:3ff"));
	assert_true(inside("::1/128", "0:0:0:0:0:0:0:1"));
}

static void families_are_kept_apart(void **state)
{
	assert_false(inside("::/0", "1.2.3.4"));
	assert_false(inside("0.0.0.0/0", "::ffff:1.2.3.4"));
}

static void only_whole_addresses_count(void **state)
{
	static const char *const not_addresses[] = {"", "10.0.0.1 ", " 10.0.0.1", "10.0.0.01", "10.0.0", "10.0.0.256", "10.0.0.1/32", "a"};
	for (size_t i = 0; i < sizeof not_addresses / sizeof *not_addresses; i++)
		assert_false(inside("0.0.0.0/0", not_addresses[i]));
	assert_false(inside("::/0", "fe80::1%eth0"));
	assert_false(inside("::/0", "1::2::3"));
	struct tn_cidr block;
	assert_true(tn_cidr_parse(TN_STR("0.0.0.0/0"), &block));
	assert_false(tn_cidr_contains(&block, TN_STR("1.2.3.4\0")));
}

static void malformed_blocks_are_refused(void **state)
{
	static const char *const bad[] = {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/8/8", "/8",
		"10.0.0.01/8", "::/129", "fe80::%eth0/10", "10.0.0.0/-1", "1.2.3/8", "::1.2.3.4.5/96", "10.0.0.0 /8"};
	struct tn_cidr block;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (tn_cidr_parse(tn_str_from(bad[i]), &block))
			fail_msg("accepted %s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stars_stand_for_any_run),
		cmocka_unit_test(pieces_do_not_overlap),
		cmocka_unit_test(escapes_make_plain_characters),
		cmocka_unit_test(malformed_wildcards_are_refused),
		cmocka_unit_test(blocks_hold_their_addresses),
		cmocka_unit_test(families_are_kept_apart),
		cmocka_unit_test(only_whole_addresses_count),
		cmocka_unit_test(malformed_blocks_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
