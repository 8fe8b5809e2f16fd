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

static void times_for_people_are_read_back(void **state)
{
	static const struct {
		const char *text;
		int64_t wall_ms;
	} good[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2026-11-23T11:32:16.042Z", 1795433536042},
		{"2026-11-23T13:32:16.0429999+02:00", 1795433536042},
		{"2026-11-23t06:02:16-05:30", 1795433536000},
		{"2024-02-29T00:00:00.5Z", 1709164800500},
		{"1969-12-31T23:59:59Z", -1000},
	};
	static const char *const bad[] = {"", "2026-11-23", "2026-11-23T11:32:16", "2026-11-23T11:32Z", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
		"2026-11-23T24:00:00Z", "2026-11-23T11:32:16.Z", "2026-11-23T11:32:16Z ", "2026-11-23T11:32:16+2:00", "x", "2h"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		int64_t wall_ms = 0;
		assert_true(tn_clock_parse(tn_str_from(good[i].text), &wall_ms));
		assert_int_equal(wall_ms, good[i].wall_ms);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int64_t wall_ms = 7;
		if (tn_clock_parse(tn_str_from(bad[i]), &wall_ms))
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(wall_ms, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_do_not_run_together),
		cmocka_unit_test(the_digest_is_sha256_of_prefixed_parts),
		cmocka_unit_test(a_uuid_is_version_4),
		cmocka_unit_test(times_for_people_are_read_back),
		cmocka_unit_test(times_are_rfc_3339),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
