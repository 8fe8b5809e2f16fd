/* SPDX-License-Identifier: Apache-2.0
 *
 * test_delivery.c - retries, parking, dead letters: what a verdict does to one delivery.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;

static void start_one(enum tn_ack_when ack_when)
{
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, ack_when, 1), TN_OK);
	desk_obey(&desk);
	if (ack_when == TN_ACK_JOURNALED)
		desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.start_count, 1);
}

static void a_failure_is_durable_before_the_next_attempt(void **state)
{
	desk_init(&desk);
	start_one(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_RETRY);
	const struct tn_row *row = desk_row(&desk, 0);
	assert_int_equal(row->state, TN_ROW_TRIED);
	assert_int_equal(row->tries.system, 1);
	assert_int_equal(row->tries.not_before_ms, desk.now_ms + 1000);
	assert_int_equal(desk_ops(&desk, TN_PUT_EVENT), 0);
	desk_tick(&desk, 5000);
	assert_int_equal(desk.start_count, 0); /* due, but the commit is out */
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->items[0].tries.system, 1);
	assert_string_equal(desk.starts[0].attempt->items[0].last->code, "HTTP_503");
	desk_close(&desk);
}

static void a_journaled_failure_is_counted_in_the_row_it_has(void **state)
{
	desk_init(&desk);
	start_one(TN_ACK_JOURNALED);
	uint64_t seq = desk_books(&desk)->open_rows;
	assert_int_equal(seq, 1);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_OPEN);
	assert_int_equal(desk_row(&desk, 0)->tries.system, 1);
	desk_close(&desk);
}

static void a_retry_before_its_time_does_not_start(void **state)
{
	desk_init(&desk);
	start_one(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_RETRY);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 999);
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(tn_engine_deadline(desk.engine), desk.now_ms + 1);
	desk_tick(&desk, 1);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void a_wait_too_long_for_memory_is_parked_and_acked_when_durable(void **state)
{
	desk_init(&desk);
	desk.policy.system.base_ms = 60000;
	start_one(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	assert_int_equal(desk_ops(&desk, TN_PUT_EVENT), 1);
	assert_int_equal(desk.answer_count, 0);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.settlements[0].parked, 1);
	assert_string_equal(desk.settlements[0].code, "HTTP_503");
	assert_int_equal(desk_books(&desk)->parked, 1);
	assert_int_equal(desk_books(&desk)->memory_bytes, 0);
	desk_close(&desk);
}

static void what_waits_past_the_settle_deadline_is_parked(void **state)
{
	desk_init(&desk);
	desk.limits[0].max_in_flight = 1;
	desk.limits[0].timeout_ms = 100000;
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	desk_tick(&desk, 14999);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 0); /* the heartbeat, at most */
	desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 1);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	assert_int_equal(desk_row(&desk, 0)->tries.system, 0);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.settlements[0].parked, 1);
	desk_close(&desk);
}

static void a_refused_park_waits_in_memory(void **state)
{
	desk_init(&desk);
	desk.policy.system.base_ms = 20000;
	start_one(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_RETRY);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.answer_count, 0);
	assert_int_equal(desk_books(&desk)->backoff, 1);
	desk_tick(&desk, 100);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_TRIED); /* the count, at least */
	desk_close(&desk);
}

static void a_full_park_pauses_or_buries_as_told(void **state)
{
	desk_init(&desk);
	desk.policy.system.base_ms = 60000;
	desk.limits[0].park_rows = 0;
	start_one(TN_ACK_SETTLED);
	assert_false(tn_engine_target_open(desk.engine, 1));
	assert_true(tn_engine_target_open(desk.engine, 2));
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_books(&desk)->backoff, 1);
	desk_close(&desk);

	desk_init(&desk);
	desk.policy.system.base_ms = 60000;
	desk.limits[0].park_rows = 0;
	desk.limits[0].on_park_full = TN_PARK_FULL_DEAD_LETTER;
	start_one(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	desk_close(&desk);
}

static void exhausted_retries_are_a_dead_letter_settled_when_durable(void **state)
{
	desk_init(&desk);
	desk.policy.system.max_retries = 0;
	start_one(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_RETRY);
	const struct tn_row *row = desk_row(&desk, 0);
	assert_int_equal(row->state, TN_ROW_DEAD);
	assert_int_equal(row->condition, TN_CONDITION_MAX_RETRIES);
	assert_int_equal(row->dead_ms, desk.now_ms);
	assert_int_equal(desk_ops(&desk, TN_PUT_EVENT), 1);
	assert_int_equal(desk_books(&desk)->burying, 1);
	assert_int_equal(desk.answer_count, 0);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.settlements[0].dead, 1);
	assert_int_equal(desk_books(&desk)->dead, 1);
	desk_close(&desk);
}

static void a_refused_dead_letter_is_not_settled(void **state)
{
	desk_init(&desk);
	start_one(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_REJECTED);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.answer_count, 0);
	desk_tick(&desk, 100);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.answer_count, 1);
	desk_close(&desk);
}

static void only_an_explicit_policy_drops(void **state)
{
	desk_init(&desk);
	desk.policy.system.max_retries = 0;
	desk.policy.drop_exhausted = true;
	start_one(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk.settlements[0].dropped, 1);
	assert_null(desk.batch);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer(&desk, 0, TN_REJECTED); /* never exhausted: it goes to the dead letters all the same */
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	desk_close(&desk);
}

static void a_target_that_declines_gets_no_more_of_it(void **state)
{
	desk_init(&desk);
	start_one(TN_ACK_SETTLED);
	desk_answer_with(&desk, 0, (struct tn_outcome){.verdict = TN_RETRY, .declined = true, .code = "HTTP_503", .status = 503});
	assert_int_equal(desk_row(&desk, 0)->condition, TN_CONDITION_DECLINED);
	desk_close(&desk);
}

static void three_quick_tries_at_the_sink_then_the_store(void **state)
{
	desk_init(&desk);
	desk.limits[0].dead_letter_no = 2;
	start_one(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_REJECTED);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(desk.start_count, 1);
		assert_int_equal(desk.starts[0].attempt->purpose, TN_TO_DEAD_LETTER);
		assert_int_equal(desk.starts[0].attempt->target_no, 2);
		assert_string_equal(desk.starts[0].attempt->items[0].last->code, "HTTP_422");
		assert_null(desk.batch);
		desk_answer(&desk, 0, TN_RETRY);
		if (i < 2)
			desk_tick(&desk, 100);
	}
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	desk_close(&desk);
}

static void a_sink_that_takes_it_settles_it(void **state)
{
	desk_init(&desk);
	desk.limits[0].dead_letter_no = 2;
	start_one(TN_ACK_JOURNALED);
	desk_answer(&desk, 0, TN_REJECTED);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(desk_books(&desk)->dead, 1);
	desk_tick(&desk, 20); /* drops wait a little for company */
	assert_int_equal(desk_ops(&desk, TN_DROP_ROW), 1);
	desk_close(&desk);
}

static void an_attempt_past_its_time_is_a_failure_and_its_late_success_is_only_counted(void **state)
{
	desk_init(&desk);
	start_one(TN_ACK_SETTLED);
	uint64_t start = desk.starts[0].token;
	desk_tick(&desk, 15000);
	assert_int_equal(desk.cancel_count, 1);
	assert_true(desk.cancels[0].token == start);
	assert_string_equal(desk_row(&desk, 0)->last->code, "TIMEOUT");
	desk_answer_to(&desk, start, TN_DELIVERED);
	assert_int_equal(desk_books(&desk)->delivered, 0);
	assert_int_equal(desk_books(&desk)->late_success, 1);
	desk_close(&desk);
}

static void a_cancelled_attempt_keeps_its_slot_for_five_seconds(void **state)
{
	desk_init(&desk);
	desk.limits[0].max_in_flight = 1;
	desk.limits[0].timeout_ms = 1000;
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_tick(&desk, 1000);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 4999);
	assert_int_equal(desk.start_count, 0);
	desk_tick(&desk, 1);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk_books(&desk)->orphaned_attempts, 1);
	desk_close(&desk);
}

static void hold_is_no_attempt(void **state)
{
	desk_init(&desk);
	start_one(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_HOLD);
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(desk_books(&desk)->attempts, 0);
	assert_int_equal(desk_books(&desk)->pending, 1);
	desk_tick(&desk, 1000);
	assert_int_equal(desk.start_count, 0);
	tn_engine_ready(desk.engine, 1, 1);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->items[0].tries.system, 0);
	desk_close(&desk);
}

static void no_room_said_when_nobody_waits_for_the_answer_any_more_gives_it_back_or_parks_it(void **state)
{
	desk_init(&desk);
	start_one(TN_ACK_SETTLED);
	uint64_t under_way = desk.starts[0].token;
	desk_end_stream(&desk, 1, TN_STREAM_LOST);
	desk_answer_to(&desk, under_way, TN_HOLD);
	assert_int_equal(desk_books(&desk)->released, 1);
	desk_close(&desk);

	desk_init(&desk);
	start_one(TN_ACK_SETTLED);
	under_way = desk.starts[0].token;
	tn_engine_drain(desk.engine, 10000);
	desk_answer_to(&desk, under_way, TN_HOLD);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.answers[0].kind, TN_ACK);
	assert_true(desk.drained);
	desk_close(&desk);
}

/* It failed, its count is still being written, and it was too long in memory for a full park: it dies. */
static void die_while_count_is_written(void)
{
	desk_init(&desk);
	desk.limits[0].park_rows = 0;
	desk.limits[0].on_park_full = TN_PARK_FULL_DEAD_LETTER;
	desk.limits[0].dead_letter_no = 4;
	start_one(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_TRIED);
	desk_tick(&desk, 15000);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->purpose, TN_TO_DEAD_LETTER);
}

static void a_dead_letter_that_its_sink_takes_while_its_count_is_written_leaves_no_row(void **state)
{
	die_while_count_is_written();
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(desk_books(&desk)->dead, 1);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 20); /* drops wait a little for company */
	assert_int_equal(desk_ops(&desk, TN_DROP_ROW), 1);
	desk_close(&desk);
}

static void a_count_that_the_store_refuses_keeps_no_dead_letter_from_its_sink(void **state)
{
	die_while_count_is_written();
	uint64_t under_way = desk.starts[0].token;
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 0); /* it is not written again */
	desk_answer_to(&desk, under_way, TN_DELIVERED);
	assert_int_equal(desk_books(&desk)->dead, 1);
	assert_int_equal(desk.answers[0].kind, TN_ACK);
	desk_tick(&desk, 1000);
	assert_int_equal(desk_ops(&desk, TN_DROP_ROW), 0);
	desk_close(&desk);
}

static void what_only_the_journal_has_is_parked_beyond_what_brokers_may_park(void **state)
{
	desk_init(&desk);
	desk.policy.system.base_ms = 60000;
	desk.limits[0].park_rows_kept = 1;
	start_one(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_TRIED); /* its source keeps it */
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_offer(&desk, TN_ACK_JOURNALED, 1), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_is_durable_before_the_next_attempt),
		cmocka_unit_test(a_journaled_failure_is_counted_in_the_row_it_has),
		cmocka_unit_test(a_retry_before_its_time_does_not_start),
		cmocka_unit_test(a_wait_too_long_for_memory_is_parked_and_acked_when_durable),
		cmocka_unit_test(what_waits_past_the_settle_deadline_is_parked),
		cmocka_unit_test(a_refused_park_waits_in_memory),
		cmocka_unit_test(a_full_park_pauses_or_buries_as_told),
		cmocka_unit_test(exhausted_retries_are_a_dead_letter_settled_when_durable),
		cmocka_unit_test(a_refused_dead_letter_is_not_settled),
		cmocka_unit_test(only_an_explicit_policy_drops),
		cmocka_unit_test(a_target_that_declines_gets_no_more_of_it),
		cmocka_unit_test(three_quick_tries_at_the_sink_then_the_store),
		cmocka_unit_test(a_sink_that_takes_it_settles_it),
		cmocka_unit_test(an_attempt_past_its_time_is_a_failure_and_its_late_success_is_only_counted),
		cmocka_unit_test(a_cancelled_attempt_keeps_its_slot_for_five_seconds),
		cmocka_unit_test(hold_is_no_attempt),
		cmocka_unit_test(no_room_said_when_nobody_waits_for_the_answer_any_more_gives_it_back_or_parks_it),
		cmocka_unit_test(a_dead_letter_that_its_sink_takes_while_its_count_is_written_leaves_no_row),
		cmocka_unit_test(a_count_that_the_store_refuses_keeps_no_dead_letter_from_its_sink),
		cmocka_unit_test(what_only_the_journal_has_is_parked_beyond_what_brokers_may_park),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
