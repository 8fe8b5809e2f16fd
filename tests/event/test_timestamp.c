/* SPDX-License-Identifier: Apache-2.0
 *
 * test_timestamp.c - RFC 3339 is read strictly, and seconds are those of UTC.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "timestamp.h"

static bool valid(const char *text)
{
	struct tn_timestamp time;
	return tn_timestamp_parse(tn_str_from(text), &time);
}

/* What the text is in UTC. */
static void assert_utc(const char *text, const char *utc)
{
	struct tn_timestamp time;
	char out[TN_TIMESTAMP_TEXT_SIZE];
	assert_true(tn_timestamp_parse(tn_str_from(text), &time));
	assert_true(tn_timestamp_format(time, out));
	assert_string_equal(out, utc);
}

static void offsets_are_undone(void **state)
{
	assert_utc("2018-04-05T17:31:00Z", "2018-04-05T17:31:00Z");
	assert_utc("2018-04-05T17:31:00+02:00", "2018-04-05T15:31:00Z");
	assert_utc("2018-12-31T23:30:00-00:45", "2019-01-01T00:15:00Z");
	assert_utc("2018-04-05t17:31:00.999999999z", "2018-04-05T17:31:00Z");
	assert_utc("2018-04-05T17:31:00-00:00", "2018-04-05T17:31:00Z");
	assert_utc("2000-03-01T00:00:00+00:01", "2000-02-29T23:59:00Z");
	assert_utc("1900-03-01T00:00:00+00:01", "1900-02-28T23:59:00Z");
	assert_utc("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z");
	assert_utc("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z");
}

static void seconds_are_since_1970(void **state)
{
	struct tn_timestamp time;
	assert_true(tn_timestamp_parse(TN_STR("1970-01-01T00:00:00Z"), &time));
	assert_int_equal(time.seconds, 0);
	assert_true(tn_timestamp_parse(TN_STR("2018-04-05T17:31:00Z"), &time));
	assert_int_equal(time.seconds, 1522949460);
	assert_true(tn_timestamp_parse(TN_STR("1969-12-31T23:59:59Z"), &time));
	assert_int_equal(time.seconds, -1);
}

static void every_day_of_four_centuries_reads_back(void **state)
{
	char out[TN_TIMESTAMP_TEXT_SIZE];
	struct tn_timestamp back;
	for (int64_t day = -100000; day < 100000; day++) {
		assert_true(tn_timestamp_format((struct tn_timestamp){.seconds = day * 86400}, out));
		assert_true(tn_timestamp_parse(tn_str_from(out), &back));
		assert_int_equal(back.seconds, day * 86400);
	}
}

static void what_is_not_rfc_3339_is_refused(void **state)
{
	static const char *const bad[] = {"", "2018-04-05", "2018-04-05T17:31:00", "2018-04-05 17:31:00Z", "2018-04-05T17:31Z",
		"2018-04-05T17:31:00+0200", "2018-04-05T17:31:00+02", "2018-04-05T24:00:00Z", "2018-04-05T17:60:00Z",
		"2018-04-05T17:31:00,5Z", "2018-04-05T17:31:00.Z", "2018-04-05T17:31:00GMT", "2018-04-31T17:31:00Z",
		"2018-00-05T17:31:00Z", "2018-04-00T17:31:00Z", "2018-04-05T17:31:00+24:00", "2018-04-05T17:31:00+02:60",
		"2018-04-05T17:31:00Z ", "18-04-05T17:31:00Z", "2018-4-05T17:31:00Z", "1522949460", "+018-04-05T17:31:00Z"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (valid(bad[i]))
			fail_msg("%s", bad[i]);
}

static void leap_days_are_known(void **state)
{
	assert_true(valid("2024-02-29T00:00:00Z"));
	assert_true(valid("2000-02-29T00:00:00Z"));
	assert_false(valid("2023-02-29T00:00:00Z"));
	assert_false(valid("1900-02-29T00:00:00Z"));
}

static void second_60_only_ends_a_day_of_utc(void **state)
{
	assert_utc("1990-12-31T23:59:60Z", "1990-12-31T23:59:60Z");
	assert_utc("1990-12-31T15:59:60-08:00", "1990-12-31T23:59:60Z");
	assert_false(valid("1990-12-31T23:59:60-08:00"));
	assert_false(valid("1990-12-31T12:00:60Z"));
	assert_false(valid("1990-12-31T23:59:61Z"));
}

static void years_outside_four_digits_cannot_be_written(void **state)
{
	char out[TN_TIMESTAMP_TEXT_SIZE];
	struct tn_timestamp time;
	assert_true(tn_timestamp_parse(TN_STR("0000-01-01T00:00:00+00:01"), &time));
	assert_false(tn_timestamp_format(time, out));
	assert_true(tn_timestamp_parse(TN_STR("9999-12-31T23:59:59-00:01"), &time));
	assert_false(tn_timestamp_format(time, out));
	assert_false(tn_timestamp_format((struct tn_timestamp){.seconds = INT64_MIN}, out));
	assert_false(tn_timestamp_format((struct tn_timestamp){.seconds = INT64_MAX}, out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offsets_are_undone),
		cmocka_unit_test(seconds_are_since_1970),
		cmocka_unit_test(every_day_of_four_centuries_reads_back),
		cmocka_unit_test(what_is_not_rfc_3339_is_refused),
		cmocka_unit_test(leap_days_are_known),
		cmocka_unit_test(second_60_only_ends_a_day_of_utc),
		cmocka_unit_test(years_outside_four_digits_cannot_be_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
