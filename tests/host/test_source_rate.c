/* SPDX-License-Identifier: Apache-2.0
 *
 * test_source_rate.c - how many events a source may bring, and when the next ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "source_rate.h"

#define MS INT64_C(1000000)

static uint64_t take_all(struct tn_source_rate *rate, int64_t now_ns)
{
	uint64_t taken = 0;
	while (tn_source_rate_take(rate, now_ns, 1) == 0)
		taken++;
	return taken;
}

static void a_burst_fits_at_once_and_then_as_many_as_the_rate_says(void **state)
{
	struct tn_source_rate rate;
	tn_source_rate_init(&rate, 100, 1000, 20);
	assert_int_equal(take_all(&rate, 5000 * MS), 20);
	assert_int_equal(tn_source_rate_take(&rate, 5000 * MS, 1), 10);
	assert_int_equal(tn_source_rate_take(&rate, 5009 * MS, 1), 1);
	assert_int_equal(tn_source_rate_take(&rate, 5010 * MS, 1), 0);
	assert_int_equal(take_all(&rate, 5100 * MS), 9);
	assert_int_equal(take_all(&rate, 3600 * 1000 * MS), 20);
}

static void a_batch_is_taken_whole_or_not_at_all(void **state)
{
	struct tn_source_rate rate;
	tn_source_rate_init(&rate, 100, 1000, 20);
	assert_int_equal(tn_source_rate_take(&rate, 0, 15), 0);
	assert_int_equal(tn_source_rate_take(&rate, 0, 10), 50);
	assert_int_equal(tn_source_rate_take(&rate, 0, 5), 0);
	assert_int_equal(tn_source_rate_take(&rate, 50 * MS, 5), 0);
}

static void a_batch_larger_than_the_burst_is_taken_from_a_full_bucket_and_made_good(void **state)
{
	struct tn_source_rate rate;
	tn_source_rate_init(&rate, 100, 1000, 20);
	assert_int_equal(tn_source_rate_take(&rate, 0, 1), 0);
	assert_int_equal(tn_source_rate_take(&rate, 0, 50), 10);
	assert_int_equal(tn_source_rate_take(&rate, 10 * MS, 50), 0);
	assert_int_equal(tn_source_rate_take(&rate, 10 * MS, 1), 310);
	assert_int_equal(tn_source_rate_take(&rate, 320 * MS, 1), 0);
	assert_int_equal(tn_source_rate_take(&rate, 320 * MS, 1000), 200);
}

static void without_a_burst_there_fit_as_many_as_the_rate_says(void **state)
{
	struct tn_source_rate rate;
	tn_source_rate_init(&rate, 7, 3600000, 0);
	assert_int_equal(take_all(&rate, 1), 7);
	assert_int_equal(tn_source_rate_take(&rate, 1, 1), 3600000 / 7 + 1);
}

static void the_extremes_do_not_overflow(void **state)
{
	struct tn_source_rate rate;
	tn_source_rate_init(&rate, 1, 3600000, 1000000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(tn_source_rate_take(&rate, INT64_C(400) * 86400 * 1000 * MS, 1000), 0);
	assert_int_equal(tn_source_rate_take(&rate, INT64_C(400) * 86400 * 1000 * MS, 1), 3600000);
	tn_source_rate_init(&rate, 1, 3600000, 1);
	assert_int_equal(tn_source_rate_take(&rate, 0, 1000), 0);
	assert_int_equal(tn_source_rate_take(&rate, 0, 1), INT64_C(3600000) * 1000);
	tn_source_rate_init(&rate, 1000000, 1000, 0);
	assert_int_equal(take_all(&rate, 0), 1000000);
	assert_int_equal(take_all(&rate, 1 * MS), 1000);
}

static void without_a_rate_everything_fits(void **state)
{
	struct tn_source_rate rate;
	tn_source_rate_init(&rate, 0, 0, 0);
	assert_int_equal(tn_source_rate_take(&rate, 0, 1000000), 0);
}

static void *take_from_a_thread(void *arg)
{
	return (void *)(uintptr_t)take_all(arg, MS);
}

static void threads_share_it(void **state)
{
	struct tn_source_rate rate;
	pthread_t threads[4];
	uintptr_t all = 0;
	tn_source_rate_init(&rate, 100000, 60000, 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_from_a_thread, &rate), 0);
	for (int i = 0; i < 4; i++) {
		void *taken;
		pthread_join(threads[i], &taken);
		all += (uintptr_t)taken;
	}
	assert_int_equal(all, 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_fits_at_once_and_then_as_many_as_the_rate_says),
		cmocka_unit_test(a_batch_is_taken_whole_or_not_at_all),
		cmocka_unit_test(a_batch_larger_than_the_burst_is_taken_from_a_full_bucket_and_made_good),
		cmocka_unit_test(without_a_burst_there_fit_as_many_as_the_rate_says),
		cmocka_unit_test(the_extremes_do_not_overflow),
		cmocka_unit_test(without_a_rate_everything_fits),
		cmocka_unit_test(threads_share_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
