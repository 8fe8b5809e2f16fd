/* SPDX-License-Identifier: Apache-2.0
 *
 * test_retry_after.c - when an answer says we may come again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/http_client.h"

static const int64_t wall_ms = 784111777000; /* Sun, 06 Nov 1994 08:49:37 GMT */

static int64_t ask2(const char *name, const char *value, const char *name2, const char *value2, bool *out_declined)
{
	struct tn_header headers[2] = {{tn_str_from(name), tn_str_from(value), TN_STRING}, {tn_str_from(name2), tn_str_from(value2), TN_STRING}};
	struct tn_http_answer answer = {.status = 503, .headers = headers, .header_count = name2 ? 2 : 1};
	return tn_http_retry_after(&answer, wall_ms, out_declined);
}

static int64_t ask(const char *value)
{
	bool declined = true;
	int64_t ms = ask2("Retry-After", value, NULL, NULL, &declined);
	assert_false(declined);
	return ms;
}

static void seconds_are_taken(void **state)
{
	assert_int_equal(ask("120"), 120000);
	assert_int_equal(ask("0"), 0);
	assert_int_equal(ask("007"), 7000);
	assert_int_equal(ask("99999999999999999999999999"), 10LL * 365 * 86400 * 1000);
}

static void a_negative_number_declines(void **state)
{
	bool declined = false;
	assert_int_equal(ask2("retry-after", "-1", NULL, NULL, &declined), 0);
	assert_true(declined);
	assert_int_equal(ask("-0"), 0);
}

static void all_three_forms_of_a_date_are_taken(void **state)
{
	assert_int_equal(ask("Sun, 06 Nov 1994 08:50:37 GMT"), 60000);
	assert_int_equal(ask("Sunday, 06-Nov-94 08:50:37 GMT"), 60000);
	assert_int_equal(ask("Sun Nov  6 08:50:37 1994"), 60000);
}

static void a_date_is_relative_to_the_answers_own(void **state)
{
	bool declined;
	assert_int_equal(
		ask2("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT", "Date", "Fri, 31 Dec 1999 23:59:30 GMT", &declined), 29000);
	assert_int_equal(ask2("Retry-After", "Sun, 06 Nov 1994 08:50:37 GMT", "Date", "nonsense", &declined), 60000);
}

static void a_date_in_the_past_means_now(void **state)
{
	assert_int_equal(ask("Sun, 06 Nov 1994 08:00:00 GMT"), 0);
}

static void what_cannot_be_read_is_ignored(void **state)
{
	static const char *const bad[] = {"", "soon", "12.5", "1e3", "+5", "--1", "5 s", "Someday", "Sun, 99 Foo 1994 08:50:37 GMT", "-", "0x10",
		"Sun, 06 Nov 1994 08:50:37 GMT and then some more text that is far too long for a date"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (ask(bad[i]) != -1)
			fail_msg("'%s' was taken", bad[i]);
}

static void an_exhausted_rate_limit_counts(void **state)
{
	bool declined;
	assert_int_equal(ask2("RateLimit", "\"default\";r=0;t=30", NULL, NULL, &declined), 30000);
	assert_int_equal(ask2("RateLimit", "limit=100, remaining=0, reset=50", NULL, NULL, &declined), 50000);
	assert_int_equal(ask2("RateLimit-Remaining", "0", "RateLimit-Reset", "9", &declined), 9000);
}

static void a_rate_limit_with_something_left_does_not(void **state)
{
	bool declined;
	assert_int_equal(ask2("RateLimit", "\"default\";r=5;t=30", NULL, NULL, &declined), -1);
	assert_int_equal(ask2("RateLimit", "limit=100, remaining=1, reset=50", NULL, NULL, &declined), -1);
	assert_int_equal(ask2("RateLimit-Remaining", "3", "RateLimit-Reset", "9", &declined), -1);
	assert_int_equal(ask2("RateLimit-Reset", "9", NULL, NULL, &declined), -1);
}

static void of_several_quotas_the_one_that_is_used_up_counts(void **state)
{
	bool declined;
	assert_int_equal(ask2("RateLimit", "\"burst\";r=5;t=1, \"day\";r=0;t=3600", NULL, NULL, &declined), 3600000);
	assert_int_equal(ask2("RateLimit", "\"day\";r=0;t=3600,\"burst\";r=0;t=1", NULL, NULL, &declined), 3600000);
	assert_int_equal(ask2("RateLimit", "\"burst\";r=0, \"day\";t=3600", NULL, NULL, &declined), -1);
}

static void a_retry_after_that_cannot_be_read_leaves_the_rate_limit(void **state)
{
	bool declined;
	assert_int_equal(ask2("RateLimit", "\"default\";r=0;t=30", "Retry-After", "soon", &declined), 30000);
}

static void retry_after_wins_over_rate_limit(void **state)
{
	bool declined;
	assert_int_equal(ask2("RateLimit", "\"default\";r=0;t=30", "Retry-After", "3", &declined), 3000);
}

static void an_answer_without_any_says_nothing(void **state)
{
	bool declined = true;
	struct tn_http_answer answer = {.status = 503};
	assert_int_equal(tn_http_retry_after(&answer, wall_ms, &declined), -1);
	assert_false(declined);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seconds_are_taken),
		cmocka_unit_test(a_negative_number_declines),
		cmocka_unit_test(all_three_forms_of_a_date_are_taken),
		cmocka_unit_test(a_date_is_relative_to_the_answers_own),
		cmocka_unit_test(a_date_in_the_past_means_now),
		cmocka_unit_test(what_cannot_be_read_is_ignored),
		cmocka_unit_test(an_exhausted_rate_limit_counts),
		cmocka_unit_test(a_rate_limit_with_something_left_does_not),
		cmocka_unit_test(of_several_quotas_the_one_that_is_used_up_counts),
		cmocka_unit_test(a_retry_after_that_cannot_be_read_leaves_the_rate_limit),
		cmocka_unit_test(retry_after_wins_over_rate_limit),
		cmocka_unit_test(an_answer_without_any_says_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
