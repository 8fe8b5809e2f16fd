/* SPDX-License-Identifier: Apache-2.0
 *
 * test_hash.c - tests the hash that knows bytes again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "turnout/hash.h"

static void it_is_the_same_in_every_run(void **state)
{
	/* These stand in stores: a change forgets their strikes. */
	assert_int_equal(tn_hash_bytes(TN_STR(""), 0), UINT64_C(0xa10be9a3704b48bc));
	assert_int_equal(tn_hash_bytes(TN_STR("abc"), 0), UINT64_C(0x6cae5f50c22e2cc1));
	assert_int_equal(tn_hash_bytes(TN_STR("0123456789abcdef0"), 7), UINT64_C(0x86a2b41f1f17987d));
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return left < right ? -1 : left > right;
}

static void every_single_bit_and_length_counts(void **state)
{
	enum { LEN = 100, HASHES = LEN * 8 + LEN + 1 };
	static uint64_t hashes[HASHES];
	char bytes[LEN] = {0};
	size_t count = 0;
	for (size_t len = 0; len <= LEN; len++)
		hashes[count++] = tn_hash_bytes(tn_str_make(bytes, len), 1);
	for (size_t bit = 0; bit < (size_t)LEN * 8; bit++) {
		bytes[bit / 8] = (char)(1 << bit % 8);
		hashes[count++] = tn_hash_bytes(tn_str_make(bytes, LEN), 1);
		bytes[bit / 8] = 0;
	}
	qsort(hashes, count, sizeof *hashes, compare);
	for (size_t i = 1; i < count; i++)
		assert_true(hashes[i] != hashes[i - 1]);
}

static void borders_between_pieces_count(void **state)
{
	uint64_t one = tn_hash_bytes(TN_STR("c"), tn_hash_bytes(TN_STR("ab"), 0));
	uint64_t other = tn_hash_bytes(TN_STR("bc"), tn_hash_bytes(TN_STR("a"), 0));
	assert_true(one != other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(it_is_the_same_in_every_run),
	        cmocka_unit_test(every_single_bit_and_length_counts),
	        cmocka_unit_test(borders_between_pieces_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
