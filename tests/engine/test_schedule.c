/* SPDX-License-Identifier: Apache-2.0
 *
 * test_schedule.c - the arithmetic of retries, against the formula of delivery-semantics section 4.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core.h"

static struct tn_policy eventbridge(void)
{
	return (struct tn_policy){.system = {.base_ms = 1000, .mult = 2, .cap_ms = 512000, .max_retries = 185},
		.jitter = TN_JITTER_NONE, .floor_ms = 50, .max_age_ms = 86400000};
}

static struct tn_schedule after(const struct tn_policy *policy, uint32_t failures, int64_t now_ms, int64_t retry_after_ms)
{
	struct tn_random random = {1};
	struct tn_tries tries = {.system = failures};
	return tn_schedule_next(policy, &tries, false, now_ms, retry_after_ms, &random);
}

static void delays_double_up_to_the_cap(void **state)
{
	struct tn_policy policy = eventbridge();
	assert_int_equal(after(&policy, 1, 0, 0).next_ms, 1000);
	assert_int_equal(after(&policy, 2, 0, 0).next_ms, 2000);
	assert_int_equal(after(&policy, 10, 0, 0).next_ms, 512000);
	assert_int_equal(after(&policy, 185, 0, 0).next_ms, 512000);
}

static void equal_jitter_keeps_half_and_full_keeps_the_floor(void **state)
{
	struct tn_policy policy = eventbridge();
	struct tn_random random = {1};
	struct tn_tries tries = {.system = 4};
	bool low = false, high = false;
	for (int i = 0; i < 1000; i++) {
		policy.jitter = TN_JITTER_EQUAL;
		int64_t next_ms = tn_schedule_next(&policy, &tries, false, 0, 0, &random).next_ms;
		assert_in_range(next_ms, 4000, 8000);
		low = low || next_ms < 5000;
		high = high || next_ms > 7000;
		policy.jitter = TN_JITTER_FULL;
		assert_in_range(tn_schedule_next(&policy, &tries, false, 0, 0, &random).next_ms, 50, 8000);
		policy.jitter = TN_JITTER_PLUS_TENTH;
		assert_in_range(tn_schedule_next(&policy, &tries, false, 0, 0, &random).next_ms, 8000, 8800);
	}
	assert_true(low && high);
}

static void a_list_ends_with_its_last_entry(void **state)
{
	struct tn_policy policy = eventbridge();
	policy.system.list_count = 2;
	policy.system.list_ms[0] = 5000;
	policy.system.list_ms[1] = 300000;
	assert_int_equal(after(&policy, 1, 0, 0).next_ms, 5000);
	assert_int_equal(after(&policy, 2, 0, 0).next_ms, 300000);
	assert_int_equal(after(&policy, 9, 0, 0).next_ms, 300000);
}

static void retries_end_with_one_more_failure_than_max_retries(void **state)
{
	struct tn_policy policy = eventbridge();
	policy.system.max_retries = 3;
	assert_false(after(&policy, 3, 0, 0).stop);
	assert_true(after(&policy, 4, 0, 0).stop);
	assert_int_equal(after(&policy, 4, 0, 0).condition, TN_CONDITION_MAX_RETRIES);
	policy.system.max_retries = 0;
	assert_true(after(&policy, 1, 0, 0).stop);
}

static void the_age_limit_is_not_waited_out(void **state)
{
	struct tn_policy policy = eventbridge();
	policy.max_age_ms = 10000;
	assert_false(after(&policy, 1, 9000, 0).stop);
	assert_true(after(&policy, 1, 9001, 0).stop);
	assert_int_equal(after(&policy, 1, 9001, 0).condition, TN_CONDITION_MAX_AGE);
	assert_true(after(&policy, 1, 0, 10001).stop);
}

static void retry_after_lengthens_and_never_shortens(void **state)
{
	struct tn_policy policy = eventbridge();
	assert_int_equal(after(&policy, 1, 0, 7000).next_ms, 7000);
	assert_int_equal(after(&policy, 5, 0, 7000).next_ms, 16000);
}

static void split_counters_do_not_share_their_limits(void **state)
{
	struct tn_policy policy = eventbridge();
	struct tn_random random = {1};
	struct tn_tries tries = {.system = 50, .function = 2};
	policy.split = true;
	policy.system.max_retries = TN_RETRIES_UNLIMITED;
	policy.function = (struct tn_backoff){.base_ms = 60000, .mult = 2, .cap_ms = 120000, .max_retries = 2};
	assert_int_equal(tn_schedule_next(&policy, &tries, true, 0, 0, &random).next_ms, 120000);
	assert_false(tn_schedule_next(&policy, &tries, false, 0, 0, &random).stop);
	assert_false(tn_schedule_exhausted(&policy, &tries));
	tries.function = 3;
	assert_true(tn_schedule_next(&policy, &tries, true, 0, 0, &random).stop);
	assert_true(tn_schedule_exhausted(&policy, &tries));
}

static void a_schedule_of_nothing_is_the_floor(void **state)
{
	struct tn_policy policy = eventbridge();
	policy.system.base_ms = 0;
	for (policy.jitter = TN_JITTER_EQUAL; policy.jitter <= TN_JITTER_NONE; policy.jitter++)
		assert_int_equal(after(&policy, 3, 0, 0).next_ms, 50);
}

static void huge_numbers_saturate(void **state)
{
	struct tn_policy policy = eventbridge();
	policy.system = (struct tn_backoff){.base_ms = INT64_MAX / 2, .mult = 1000, .cap_ms = INT64_MAX, .max_retries = 1000};
	policy.max_age_ms = INT64_MAX;
	assert_int_equal(after(&policy, 900, INT64_MAX - 5, 0).next_ms, INT64_MAX);
}

static void split_counters_each_exhaust_their_own_limit(void **state)
{
	struct tn_policy policy = eventbridge();
	policy.split = true;
	policy.system.max_retries = policy.function.max_retries = 2;
	assert_false(tn_schedule_exhausted(&policy, &(struct tn_tries){.system = 2, .function = 2}));
	assert_true(tn_schedule_exhausted(&policy, &(struct tn_tries){.system = 3}));
	assert_true(tn_schedule_exhausted(&policy, &(struct tn_tries){.function = 3}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delays_double_up_to_the_cap),
		cmocka_unit_test(equal_jitter_keeps_half_and_full_keeps_the_floor),
		cmocka_unit_test(a_list_ends_with_its_last_entry),
		cmocka_unit_test(retries_end_with_one_more_failure_than_max_retries),
		cmocka_unit_test(the_age_limit_is_not_waited_out),
		cmocka_unit_test(retry_after_lengthens_and_never_shortens),
		cmocka_unit_test(split_counters_do_not_share_their_limits),
		cmocka_unit_test(a_schedule_of_nothing_is_the_floor),
		cmocka_unit_test(huge_numbers_saturate),
		cmocka_unit_test(split_counters_each_exhaust_their_own_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
