/* SPDX-License-Identifier: Apache-2.0
 *
 * test_text.c - strings, buffers, arenas, UTF-8, base64, errors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/arena.h"
#include "turnout/base64.h"
#include "turnout/error.h"
#include "turnout/random.h"
#include "turnout/str.h"
#include "turnout/utf8.h"

static void numbers_are_read_strictly(void **state)
{
	uint64_t value = 7;
	assert_true(tn_str_to_u64(TN_STR("18446744073709551615"), UINT64_MAX, &value));
	assert_int_equal(value, UINT64_MAX);
	assert_false(tn_str_to_u64(TN_STR("18446744073709551616"), UINT64_MAX, &value));
	assert_false(tn_str_to_u64(TN_STR("007"), 10, &value));
	assert_false(tn_str_to_u64(TN_STR("+1"), 10, &value));
	assert_false(tn_str_to_u64(TN_STR(""), 10, &value));
	assert_false(tn_str_to_u64(TN_STR("11"), 10, &value));
}

static void distance_counts_edits(void **state)
{
	assert_int_equal(tn_str_distance(TN_STR("retires"), TN_STR("retries")), 2);
	assert_int_equal(tn_str_distance(TN_STR("URL"), TN_STR("url")), 0);
	assert_int_equal(tn_str_distance(TN_STR(""), TN_STR("abc")), 3);
}

static void utf8_refuses_overlong_and_surrogates(void **state)
{
	assert_int_equal(tn_utf8_check(TN_STR("gr\xc3\xbc\xc3\x9f dich, sch\xc3\xb6ne Welt")), 25);
	assert_int_equal(tn_utf8_check(TN_STR("ab\xc0\x80")), 2);
	assert_int_equal(tn_utf8_check(TN_STR("\xed\xa0\x80")), 0);
	assert_int_equal(tn_utf8_check(TN_STR("\xf4\x90\x80\x80")), 0);
	assert_int_equal(tn_utf8_check(TN_STR("abc\xe2\x82")), 3);
}

static void base64_is_strict_both_ways(void **state)
{
	struct tn_buf buf = {0};
	tn_base64_encode(&buf, TN_STR("light w"));
	assert_true(tn_str_is(tn_buf_str(&buf), "bGlnaHQgdw=="));
	tn_buf_clear(&buf);
	assert_true(tn_base64_decode(&buf, TN_STR("bGlnaHQgdw==")));
	assert_true(tn_str_is(tn_buf_str(&buf), "light w"));
	tn_buf_clear(&buf);
	static const char *const bad[] = {"bGlnaHQgdw=", "bGlnaHQgdx==", "bGln aHQg", "bGl=aHQg", "====", "bGlnaHQgd-=="};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(tn_base64_decode(&buf, tn_str_from(bad[i])));
		assert_int_equal(buf.len, 0);
	}
	tn_buf_fini(&buf);
}

static void delivery_ids_survive_base32(void **state)
{
	struct tn_random random = {42};
	for (int i = 0; i < 200; i++) {
		uint8_t bytes[16], back[16];
		for (size_t j = 0; j < sizeof bytes; j++)
			bytes[j] = (uint8_t)tn_random_next(&random);
		char text[27];
		tn_base32_id(bytes, text);
		assert_int_equal(strlen(text), 26);
		assert_true(tn_base32_parse_id(tn_str_from(text), back));
		assert_memory_equal(bytes, back, 16);
	}
	uint8_t ignored[16];
	assert_false(tn_base32_parse_id(TN_STR("abc"), ignored));
	assert_false(tn_base32_parse_id(TN_STR("aaaaaaaaaaaaaaaaaaaaaaaaa7"), ignored));
}

static void an_error_prints_its_place(void **state)
{
	struct tn_error error = {0};
	char text[64];
	tn_error_at(&error, "rules/a.yaml", 3, 7, "unknown key '%s'", "x");
	assert_string_equal(tn_error_format(&error, text, sizeof text), "rules/a.yaml:3:7: unknown key 'x'");
	tn_error_at(&error, "turnout.yaml", 0, 0, "not there");
	assert_string_equal(tn_error_format(&error, text, sizeof text), "turnout.yaml: not there");
}

static void an_arena_hands_out_zeroed_aligned_memory(void **state)
{
	struct tn_arena arena = {0};
	for (size_t size = 0; size < 5000; size += 77) {
		char *memory = tn_arena_alloc(&arena, size);
		assert_int_equal((uintptr_t)memory % 16, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(memory[i], 0);
		memset(memory, 0xff, size);
	}
	tn_arena_reset(&arena);
	char *again = tn_arena_alloc(&arena, 100);
	assert_int_equal(again[99], 0);
	struct tn_str copy = tn_arena_copy(&arena, TN_STR("abc"));
	assert_string_equal(copy.bytes, "abc");
	tn_arena_fini(&arena);
}

/* Of every length and with every byte in every place: what equals it, and what does not. */
static void case_is_ignored_in_letters_and_in_nothing_else(void **state)
{
	enum { LEN = 19 };
	char left[LEN], right[LEN];
	for (size_t len = 1; len <= LEN; len++) {
		for (size_t at = 0; at < len; at++) {
			for (int byte = 0; byte < 256 * 256; byte++) {
				unsigned char a = (unsigned char)(byte >> 8), b = (unsigned char)byte;
				if ((a ^ b) & 0xdf && (a ^ b) != 0x80 && a != 'a')
					continue; /* far apart: once is enough */
				memset(left, 'x', LEN);
				memset(right, 'X', LEN);
				left[at] = (char)a;
				right[at] = (char)b;
				bool letters = (a | 0x20) >= 'a' && (a | 0x20) <= 'z' && (a | 0x20) == (b | 0x20);
				assert_int_equal(tn_str_equal_nocase(tn_str_make(left, len), tn_str_make(right, len)), a == b || letters);
			}
		}
	}
	assert_false(tn_str_equal_nocase(TN_STR("abc"), TN_STR("ab")));
	assert_true(tn_str_equal_nocase(TN_STR(""), TN_STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_strictly),
		cmocka_unit_test(distance_counts_edits),
		cmocka_unit_test(utf8_refuses_overlong_and_surrogates),
		cmocka_unit_test(base64_is_strict_both_ways),
		cmocka_unit_test(delivery_ids_survive_base32),
		cmocka_unit_test(an_error_prints_its_place),
		cmocka_unit_test(an_arena_hands_out_zeroed_aligned_memory),
		cmocka_unit_test(case_is_ignored_in_letters_and_in_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
