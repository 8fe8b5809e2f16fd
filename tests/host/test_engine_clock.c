/* SPDX-License-Identifier: Apache-2.0
 *
 * test_engine_clock.c - the engine's time over restarts and steps of the wall clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine_clock.h"

static const int64_t day = 86400000, start = 1800000000000;

struct fake {
	int64_t mono_ms, wall_ms;
};

static int64_t fake_mono(void *arg)
{
	return ((struct fake *)arg)->mono_ms;
}

static int64_t fake_wall(void *arg)
{
	return ((struct fake *)arg)->wall_ms;
}

static struct fake fake;
static const struct tn_clock clock = {fake_mono, fake_wall, &fake};

static struct engine_clock begin(int64_t wall_ms, int64_t persisted_ms)
{
	struct engine_clock engine_clock;
	fake = (struct fake){5000, wall_ms};
	tn_engine_clock_start(&engine_clock, &clock, persisted_ms);
	return engine_clock;
}

static void pass(int64_t ms)
{
	fake.mono_ms += ms;
	fake.wall_ms += ms;
}

static void a_new_store_starts_at_the_wall_clock(void **state)
{
	struct engine_clock engine_clock = begin(start, 0);
	assert_int_equal(tn_engine_clock_now(&engine_clock), start);
	assert_int_equal(tn_engine_clock_ahead(&engine_clock), 0);
}

static void time_that_passed_between_runs_has_passed(void **state)
{
	struct engine_clock engine_clock = begin(start + 7 * day, start);
	assert_int_equal(tn_engine_clock_now(&engine_clock), start + 7 * day);
}

static void a_wall_clock_that_went_back_does_not_take_time_along(void **state)
{
	struct engine_clock engine_clock = begin(start - 100 * day, start);
	assert_int_equal(tn_engine_clock_now(&engine_clock), start);
	pass(1000);
	assert_int_equal(tn_engine_clock_now(&engine_clock), start + 1000);
	assert_int_equal(tn_engine_clock_accept(&engine_clock), 0);
	assert_int_equal(tn_engine_clock_now(&engine_clock), start + 1000);
}

static void steps_while_it_runs_do_not_move_it(void **state)
{
	struct engine_clock engine_clock = begin(start, 0);
	fake.wall_ms += 3650 * day;
	assert_int_equal(tn_engine_clock_now(&engine_clock), start);
	assert_int_equal(tn_engine_clock_ahead(&engine_clock), 0);
	fake.wall_ms -= 7300 * day;
	pass(1);
	assert_int_equal(tn_engine_clock_now(&engine_clock), start + 1);
}

static void more_than_a_week_ahead_is_held_until_it_is_accepted(void **state)
{
	struct engine_clock engine_clock = begin(start + 7 * day + 1, start);
	assert_int_equal(tn_engine_clock_now(&engine_clock), start);
	pass(1000);
	assert_int_equal(tn_engine_clock_ahead(&engine_clock), 7 * day + 1);
	assert_int_equal(tn_engine_clock_accept(&engine_clock), 7 * day + 1);
	assert_int_equal(tn_engine_clock_now(&engine_clock), fake.wall_ms);
	assert_int_equal(tn_engine_clock_ahead(&engine_clock), 0);
	assert_int_equal(tn_engine_clock_accept(&engine_clock), 0);
}

static void a_wall_clock_that_comes_back_needs_no_acceptance(void **state)
{
	struct engine_clock engine_clock = begin(start + 3650 * day, start);
	assert_true(tn_engine_clock_ahead(&engine_clock) > 0);
	fake.wall_ms = start + day;
	assert_int_equal(tn_engine_clock_ahead(&engine_clock), 0);
	assert_int_equal(tn_engine_clock_accept(&engine_clock), 0);
	assert_int_equal(tn_engine_clock_now(&engine_clock), start);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_new_store_starts_at_the_wall_clock),
	        cmocka_unit_test(time_that_passed_between_runs_has_passed),
	        cmocka_unit_test(a_wall_clock_that_went_back_does_not_take_time_along),
	        cmocka_unit_test(steps_while_it_runs_do_not_move_it),
	        cmocka_unit_test(more_than_a_week_ahead_is_held_until_it_is_accepted),
	        cmocka_unit_test(a_wall_clock_that_comes_back_needs_no_acceptance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
