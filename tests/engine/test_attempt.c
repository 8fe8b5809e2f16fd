/* SPDX-License-Identifier: Apache-2.0
 *
 * test_attempt.c - slots, and results at the edge of what is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;

static void offer_many(void)
{
	desk_init(&desk);
	desk.limits[0].max_in_flight = 3000;
	desk.config.window = 4000;
	desk_open(&desk);
	for (uint32_t i = 0; i < 1100; i++)
		assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
}

static void more_than_a_thousand_attempts_run_at_once(void **state)
{
	offer_many();
	/* The first 1,024 have their slots; no memory for more: it is asked for again soon. */
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1100);
	assert_int_equal(desk_books(&desk)->inflight, 1100);
	desk_close(&desk);
}

static void a_start_without_memory_is_tried_again_soon(void **state)
{
	offer_many();
	desk.fail_after = 17; /* the list of slabs, 16 slabs, and then it would grow */
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1024);
	desk.fail_after = -1;
	desk_tick(&desk, 99);
	assert_int_equal(desk.start_count, 0);
	desk_tick(&desk, 1);
	assert_int_equal(desk.start_count, 76);
	desk_close(&desk);
}

static void a_target_without_a_timeout_has_fifteen_seconds(void **state)
{
	desk_init(&desk);
	desk.limits[0].timeout_ms = 0;
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.starts[0].attempt->timeout_ms, 15000);
	desk_close(&desk);
}

static void staged_outside_a_transaction_is_a_failure(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer_with(&desk, 0, (struct tn_outcome){.verdict = TN_STAGED, .code = "STAGED"});
	assert_int_equal(desk_books(&desk)->backoff, 1);
	assert_int_equal(desk_row(&desk, 0)->tries.system, 1);
	desk_close(&desk);
}

static void a_failure_without_a_code_is_unclassified(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer_with(&desk, 0, (struct tn_outcome){.verdict = TN_RETRY});
	assert_string_equal(desk_row(&desk, 0)->last->code, "UNCLASSIFIED");
	desk_close(&desk);
}

static void a_hold_may_end_for_any_number_of_attempts(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer(&desk, 0, TN_HOLD);
	tn_engine_ready(desk.engine, 1, UINT32_MAX);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_than_a_thousand_attempts_run_at_once),
		cmocka_unit_test(a_start_without_memory_is_tried_again_soon),
		cmocka_unit_test(a_target_without_a_timeout_has_fifteen_seconds),
		cmocka_unit_test(staged_outside_a_transaction_is_a_failure),
		cmocka_unit_test(a_failure_without_a_code_is_unclassified),
		cmocka_unit_test(a_hold_may_end_for_any_number_of_attempts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
