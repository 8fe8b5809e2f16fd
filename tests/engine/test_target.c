/* SPDX-License-Identifier: Apache-2.0
 *
 * test_target.c - limits, fairness, Retry-After, reload and removal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;

static uint32_t count_starts(uint32_t target_no)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < desk.start_count; i++)
		count += desk.starts[i].attempt->target_no == target_no;
	return count;
}

static void never_more_than_max_in_flight(void **state)
{
	desk_init(&desk);
	desk.limits[0].max_in_flight = 3;
	desk_open(&desk);
	for (int i = 0; i < 10; i++)
		assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 3);
	assert_int_equal(desk.starts[2].attempt->waiting, 7);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void one_target_alone_may_have_all_slots_but_only_a_quarter_while_others_wait(void **state)
{
	desk_init(&desk);
	desk.config.max_in_flight = 16;
	desk_open(&desk);
	for (int i = 0; i < 30; i++)
		assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(count_starts(1), 16);
	struct tn_command starts[16];
	memcpy(starts, desk.starts, sizeof(starts));
	for (int i = 0; i < 30; i++)
		assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 2), TN_OK);
	for (int i = 0; i < 4; i++) { /* slots that become free go to the one below its quarter */
		desk.starts[0] = starts[i];
		desk.start_count = 1;
		desk_answer(&desk, 0, TN_DELIVERED);
		assert_int_equal(count_starts(2), 1);
		assert_int_equal(count_starts(1), 0);
	}
	desk_close(&desk);
}

static void targets_take_turns(void **state)
{
	desk_init(&desk);
	desk.config.max_in_flight = 8;
	desk_open(&desk);
	for (int i = 0; i < 20; i++)
		assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	for (uint32_t target_no = 2; target_no <= 4; target_no++) {
		for (int i = 0; i < 2; i++)
			assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, target_no), TN_OK);
	}
	desk_obey(&desk);
	for (uint32_t target_no = 1; target_no <= 4; target_no++)
		assert_int_equal(count_starts(target_no), 2);
	desk_close(&desk);
}

static void retry_after_quietens_the_whole_target(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 2), TN_OK);
	desk_obey(&desk);
	desk_answer_with(&desk, 0, (struct tn_outcome){.verdict = TN_THROTTLED, .code = "THROTTLED", .retry_after_ms = 7000});
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 2), TN_OK);
	desk_tick(&desk, 6999);
	assert_int_equal(count_starts(1), 0);
	struct tn_target_view view;
	assert_true(tn_engine_target_view(desk.engine, 0, &view));
	assert_int_equal(view.paused_until_ms, desk.now_ms + 1);
	assert_string_equal(view.pause_code, "THROTTLED");
	desk_tick(&desk, 1);
	assert_int_equal(count_starts(1), 2);
	desk_close(&desk);
}

static void retry_after_is_capped_and_may_be_switched_off(void **state)
{
	desk_init(&desk);
	desk.limits[0].retry_after_max_ms = 2000;
	desk.limits[1].retry_after_max_ms = 0;
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 2), TN_OK);
	desk_obey(&desk);
	struct tn_command second = desk.starts[1];
	struct tn_outcome busy = {.verdict = TN_THROTTLED, .code = "THROTTLED", .retry_after_ms = 3600000};
	desk_answer_with(&desk, 0, busy);
	desk.starts[0] = second;
	desk.start_count = 1;
	desk_answer_with(&desk, 0, busy);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 1000);
	assert_int_equal(count_starts(2), 1);
	assert_int_equal(count_starts(1), 0);
	desk_tick(&desk, 1000);
	assert_int_equal(count_starts(1), 1);
	desk_close(&desk);
}

static void retry_after_past_the_age_limit_is_death_now(void **state)
{
	desk_init(&desk);
	desk.policy.max_age_ms = 30000;
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer_with(&desk, 0, (struct tn_outcome){.verdict = TN_THROTTLED, .code = "THROTTLED", .retry_after_ms = 31000});
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	assert_int_equal(desk_row(&desk, 0)->condition, TN_CONDITION_MAX_AGE);
	desk_close(&desk);
}

static void a_missing_resource_is_a_dead_letter(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer(&desk, 0, TN_MISCONFIGURED);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	assert_int_equal(desk_row(&desk, 0)->condition, TN_CONDITION_NONE);
	desk_close(&desk);
}

static void a_removed_target_waits_out_its_grace_then_its_deliveries_die(void **state)
{
	desk_init(&desk);
	desk.config.settle_deadline_ms = 3600000;
	desk_open(&desk);
	struct tn_target_table table = {.targets = desk.limits + 1, .count = DESK_TARGETS - 1, .removal_grace_ms = 60000};
	assert_int_equal(tn_engine_reload(desk.engine, &table), TN_OK);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_tick(&desk, 59999);
	assert_int_equal(desk.start_count, 0);
	if (desk.batch != NULL)
		desk_commit(&desk, TN_COMMIT_OK); /* the heartbeat */
	desk_tick(&desk, 1);
	assert_string_equal(desk_row(&desk, 0)->last->code, "NO_TARGET");
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	desk_close(&desk);
}

static void a_target_that_comes_back_in_time_goes_on(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	struct tn_target_table table = {.targets = desk.limits + 1, .count = DESK_TARGETS - 1, .removal_grace_ms = 60000};
	assert_int_equal(tn_engine_reload(desk.engine, &table), TN_OK);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_tick(&desk, 5000);
	assert_int_equal(desk.start_count, 0);
	table = (struct tn_target_table){.targets = desk.limits, .count = DESK_TARGETS, .removal_grace_ms = 60000};
	assert_int_equal(tn_engine_reload(desk.engine, &table), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void a_reload_without_memory_changes_nothing(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	struct tn_target_limits more[6];
	memcpy(more, desk.limits, sizeof(desk.limits));
	more[0].max_in_flight = 1;
	more[4] = (struct tn_target_limits){.name = TN_STR("t5"), .target_no = 5};
	more[5] = (struct tn_target_limits){.name = TN_STR("t6"), .target_no = 600};
	struct tn_target_table table = {.targets = more, .count = 6};
	struct tn_target_view view;
	for (int fails = 0;; fails++) {
		desk.fail_after = fails;
		enum tn_status status = tn_engine_reload(desk.engine, &table);
		desk.fail_after = -1;
		if (status == TN_OK)
			break;
		assert_int_equal(status, TN_NO_MEMORY);
		assert_int_equal(tn_engine_target_count(desk.engine), 4);
		assert_true(tn_engine_target_view(desk.engine, 0, &view));
		assert_int_equal(view.max_in_flight, 64);
	}
	assert_int_equal(tn_engine_target_count(desk.engine), 6);
	more[5].target_no = 5;
	assert_int_equal(tn_engine_reload(desk.engine, &table), TN_INVALID);
	desk_close(&desk);
}

static void dead_letters_in_line_of_a_sink_that_is_given_up_go_to_the_store(void **state)
{
	desk_init(&desk);
	desk.limits[0].dead_letter_no = 4;
	desk.limits[3].max_in_flight = 1;
	desk.removal_grace_ms = 1000;
	desk_open(&desk);
	for (int i = 0; i < 2; i++)
		assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	uint64_t second = desk.starts[1].token;
	desk_answer(&desk, 0, TN_REJECTED);
	assert_int_equal(desk.starts[0].attempt->target_no, 4);
	desk_answer_to(&desk, second, TN_REJECTED);
	assert_int_equal(desk.start_count, 0);
	desk.limits[3].removed = true;
	desk_reload(&desk);
	assert_null(desk.batch); /* the sink may be back in time */
	desk_tick(&desk, 1000);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_more_than_max_in_flight),
		cmocka_unit_test(one_target_alone_may_have_all_slots_but_only_a_quarter_while_others_wait),
		cmocka_unit_test(targets_take_turns),
		cmocka_unit_test(retry_after_quietens_the_whole_target),
		cmocka_unit_test(retry_after_is_capped_and_may_be_switched_off),
		cmocka_unit_test(retry_after_past_the_age_limit_is_death_now),
		cmocka_unit_test(a_missing_resource_is_a_dead_letter),
		cmocka_unit_test(a_removed_target_waits_out_its_grace_then_its_deliveries_die),
		cmocka_unit_test(a_target_that_comes_back_in_time_goes_on),
		cmocka_unit_test(a_reload_without_memory_changes_nothing),
		cmocka_unit_test(dead_letters_in_line_of_a_sink_that_is_given_up_go_to_the_store),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
