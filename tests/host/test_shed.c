/* SPDX-License-Identifier: Apache-2.0
 *
 * test_shed.c - when senders are turned away, and let in again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shed.h"

enum { LIMIT = 1000000 };

static enum tn_shed at(struct tn_shed_judge *judge, int64_t now_ms, int64_t lag_ms, bool full, uint64_t journal)
{
	struct tn_shed_sample sample = {now_ms, lag_ms, full, journal, LIMIT};
	return tn_shed_judge(judge, &sample);
}

static void nothing_is_wrong_with_an_idle_bus(void **state)
{
	struct tn_shed_judge judge = {0};
	for (int64_t now = 0; now < 60000; now += 500)
		assert_int_equal(at(&judge, now, 500, false, LIMIT / 100 * 80), TN_SHED_NO);
}

static void memory_that_is_full_for_a_moment_makes_senders_wait_only(void **state)
{
	struct tn_shed_judge judge = {0};
	assert_int_equal(at(&judge, 0, 0, true, 0), TN_SHED_NO);
	assert_int_equal(at(&judge, 500, 0, true, 0), TN_SHED_NO);
	assert_int_equal(at(&judge, 900, 0, false, 0), TN_SHED_NO);
	assert_int_equal(at(&judge, 1400, 0, true, 0), TN_SHED_NO);
	assert_int_equal(at(&judge, 2400, 0, true, 0), TN_SHED_MEMORY);
	assert_int_equal(at(&judge, 2900, 0, false, 0), TN_SHED_NO);
}

static void a_loop_that_is_late_for_five_seconds_turns_senders_away(void **state)
{
	struct tn_shed_judge judge = {0};
	int64_t now = 1000;
	for (; now < 6000; now += 600)
		assert_int_equal(at(&judge, now, 501, false, 0), TN_SHED_NO);
	assert_int_equal(at(&judge, 6000, 501, false, 0), TN_SHED_LAG);
	assert_int_equal(at(&judge, 6500, 10, false, 0), TN_SHED_NO);
	assert_int_equal(at(&judge, 7000, 9000, false, 0), TN_SHED_NO);
}

static void the_journal_has_a_border_on_each_side(void **state)
{
	struct tn_shed_judge judge = {0};
	assert_int_equal(at(&judge, 0, 0, false, LIMIT / 100 * 80 + 1), TN_SHED_JOURNAL);
	assert_int_equal(at(&judge, 500, 0, false, LIMIT / 100 * 76), TN_SHED_JOURNAL);
	assert_int_equal(at(&judge, 1000, 0, false, LIMIT / 100 * 75), TN_SHED_NO);
	assert_int_equal(at(&judge, 1500, 0, false, LIMIT / 100 * 79), TN_SHED_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(nothing_is_wrong_with_an_idle_bus),
	        cmocka_unit_test(memory_that_is_full_for_a_moment_makes_senders_wait_only),
	        cmocka_unit_test(a_loop_that_is_late_for_five_seconds_turns_senders_away),
	        cmocka_unit_test(the_journal_has_a_border_on_each_side),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
