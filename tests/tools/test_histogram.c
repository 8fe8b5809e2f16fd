/* SPDX-License-Identifier: Apache-2.0
 *
 * test_histogram.c - quantiles of durations, to the width of a bucket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "histogram.h"

static void small_values_are_exact(void **state)
{
	struct tn_histogram histogram = {0};

	for (int64_t value = 1; value <= 60; value++)
		tn_histogram_add(&histogram, value);
	assert_int_equal(tn_histogram_quantile(&histogram, 0.5), 30);
	assert_int_equal(tn_histogram_quantile(&histogram, 1), 60);
}

static void large_values_are_off_by_less_than_two_percent(void **state)
{
	for (int64_t value = 64; value < 1000000000; value = value * 3 + 7) {
		struct tn_histogram histogram = {0};
		int64_t median;

		tn_histogram_add(&histogram, value);
		tn_histogram_add(&histogram, value * 4);
		median = tn_histogram_quantile(&histogram, 0.5);
		assert_true(median >= value && median <= value + value / 50);
	}
}

static void a_quantile_never_exceeds_the_largest_value(void **state)
{
	struct tn_histogram histogram = {0};

	tn_histogram_add(&histogram, 1000003);
	assert_int_equal(tn_histogram_quantile(&histogram, 0.99), 1000003);
	assert_int_equal(histogram.max_us, 1000003);
}

static void nothing_counted_is_zero(void **state)
{
	struct tn_histogram histogram = {0};

	assert_int_equal(tn_histogram_quantile(&histogram, 0.99), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(large_values_are_off_by_less_than_two_percent),
		cmocka_unit_test(a_quantile_never_exceeds_the_largest_value),
		cmocka_unit_test(nothing_counted_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
