/* SPDX-License-Identifier: Apache-2.0
 *
 * test_id.c - digests over length-prefixed parts, UUIDs, timestamps for people.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/clock.h"
#include "turnout/id.h"

static void parts_do_not_run_together(void **state)
{
	struct tn_str one[] = {TN_STR("ab"), TN_STR("c")}, two[] = {TN_STR("a"), TN_STR("bc")};
	struct tn_id a = tn_id_hash(one, 2), b = tn_id_hash(two, 2), again = tn_id_hash(one, 2);
	assert_false(tn_id_equal(&a, &b));
	assert_true(tn_id_equal(&a, &again));
}

static void the_digest_is_sha256_of_prefixed_parts(void **state)
{
	/* printf '\0\0\0\0\0\0\0\003abc' | sha256sum */
	static const uint8_t first[4] = {0xc3, 0x49, 0x4c, 0xa1};
	struct tn_str part = TN_STR("abc");
	uint8_t digest[32];
	tn_id_digest(&part, 1, digest);
	assert_memory_equal(digest, first, sizeof first);
}

static void a_uuid_is_version_4(void **state)
{
	char a[TN_UUID_TEXT_SIZE], b[TN_UUID_TEXT_SIZE];
	tn_uuid_random(a);
	tn_uuid_random(b);
	assert_int_equal(strlen(a), 36);
	assert_int_equal(a[14], '4');
	assert_string_not_equal(a, b);
}

static void times_are_rfc_3339(void **state)
{
	char text[TN_TIME_TEXT_SIZE];
	assert_string_equal(tn_clock_format(0, text), "1970-01-01T00:00:00.000Z");
	assert_string_equal(tn_clock_format(1795433536042, text), "2026-11-23T11:32:16.042Z");
	assert_string_equal(tn_clock_format(-1, text), "1969-12-31T23:59:59.999Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_do_not_run_together),
		cmocka_unit_test(the_digest_is_sha256_of_prefixed_parts),
		cmocka_unit_test(a_uuid_is_version_4),
		cmocka_unit_test(times_are_rfc_3339),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
