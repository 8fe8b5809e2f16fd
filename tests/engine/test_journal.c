/* SPDX-License-Identifier: Apache-2.0
 *
 * test_journal.c - batches: gathered, repeated, refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;

static void what_comes_during_a_commit_goes_together_in_the_next(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_JOURNALED, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.batch->number, 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(desk_offer(&desk, TN_ACK_JOURNALED, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 1);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.batch->number, 2);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 5);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.answer_count, 5);
	desk_close(&desk);
}

static void an_unknown_commit_goes_again_and_nothing_is_acked_meanwhile(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_JOURNALED, 1), TN_OK);
	desk_obey(&desk);
	const struct tn_batch *first = desk.batch;
	struct tn_row row = *desk_row(&desk, 0);
	for (int64_t pause_ms = 100; pause_ms <= 800; pause_ms *= 2) {
		desk_commit(&desk, TN_COMMIT_UNKNOWN);
		assert_int_equal(desk.answer_count + desk.start_count, 0);
		desk_tick(&desk, pause_ms - 1);
		assert_null(desk.batch);
		desk_tick(&desk, 1);
		assert_ptr_equal(desk.batch, first);
		assert_int_equal(desk.batch->number, 1);
		assert_memory_equal(&row.key, &desk_row(&desk, 0)->key, sizeof(row.key));
	}
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk_books(&desk)->commit_unknown, 4);
	desk_close(&desk);
}

static void drops_go_on_while_a_full_store_refuses(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_JOURNALED, 1), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_OK);
	uint64_t start = desk.starts[0].token;
	assert_int_equal(desk_offer(&desk, TN_ACK_JOURNALED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer_to(&desk, start, TN_DELIVERED); /* its drop waits behind the batch that is out */
	desk_commit(&desk, TN_COMMIT_REFUSED);
	desk_tick(&desk, 20); /* drops wait a little for company */
	assert_int_equal(desk_ops(&desk, TN_DROP_ROW), 1);
	assert_int_equal(desk.batch->count, 1);
	desk_close(&desk);
}

/* One attempt after another, each with a row. */
static void deliver(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(desk.start_count, 1);
		desk_answer(&desk, 0, TN_DELIVERED);
	}
}

static void attempts_wait_while_too_many_ends_are_not_durable(void **state)
{
	desk_init(&desk);
	desk.config.max_uncommitted = 3;
	desk.limits[0].max_in_flight = 1;
	desk_open(&desk);
	for (int i = 0; i < 7; i++)
		assert_int_equal(desk_offer(&desk, TN_ACK_JOURNALED, 1), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_OK);
	deliver(3);
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(desk_books(&desk)->uncommitted, 3);
	assert_int_equal(desk_ops(&desk, TN_DROP_ROW), 3); /* at once, not after 20 ms */
	desk_commit(&desk, TN_COMMIT_UNKNOWN);
	desk_tick(&desk, 100);
	assert_int_equal(desk.start_count, 0);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(desk_books(&desk)->uncommitted, 3);
	desk_tick(&desk, 5000);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_books(&desk)->uncommitted, 0);
	deliver(3);
	desk_commit(&desk, TN_COMMIT_OK);
	deliver(1);
	desk_close(&desk);
}

static void rows_in_doubt_are_dropped_when_their_arrival_is_refused(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_JOURNALED, 1), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_UNKNOWN);
	desk_tick(&desk, 100);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_UNAVAILABLE);
	desk_tick(&desk, 20); /* drops wait a little for company */
	assert_int_equal(desk_ops(&desk, TN_DROP_ROW), 1);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_books(&desk)->memory_bytes, 0);
	desk_close(&desk);
}

static void engine_time_is_persisted_at_least_every_ten_seconds(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	desk_tick(&desk, 9999);
	assert_null(desk.batch);
	desk_tick(&desk, 1);
	assert_non_null(desk.batch);
	assert_int_equal(desk.batch->count, 0);
	assert_int_equal(desk.batch->now_ms, desk.now_ms);
	desk_close(&desk);
}

/* The store may have it, or not; and its delivery goes back to the source. */
static void leave_count_in_doubt(void)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_TRIED);
	desk_commit(&desk, TN_COMMIT_UNKNOWN);
	desk_tick(&desk, 100);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	desk_end_stream(&desk, 1, TN_STREAM_LOST);
}

static void wait_for_drop(void)
{
	for (int i = 0; i < 3 && desk_ops(&desk, TN_DROP_ROW) == 0; i++) {
		if (desk.batch != NULL)
			desk_commit(&desk, TN_COMMIT_OK);
		desk_tick(&desk, 20);
	}
	assert_int_equal(desk_ops(&desk, TN_DROP_ROW), 1);
}

static void a_count_in_doubt_that_nobody_asks_for_is_dropped(void **state)
{
	leave_count_in_doubt();
	desk_tick(&desk, 600000);
	wait_for_drop();
	desk_close(&desk);
}

static void a_count_in_doubt_goes_on_with_its_copy_and_is_dropped_when_that_is_delivered(void **state)
{
	leave_count_in_doubt();
	desk.epoch = 2;
	desk.offered = 0; /* the same event */
	assert_int_equal(tn_engine_open_stream(desk.engine, (struct tn_position){.source = 1, .stream = 1, .epoch = 2}, &desk.terms), TN_OK);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_tick(&desk, 1000);
	for (int i = 0; i < 3 && desk.start_count == 0 && desk.batch != NULL; i++)
		desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->items[0].tries.system, 1);
	desk_answer(&desk, 0, TN_DELIVERED);
	wait_for_drop();
	desk_close(&desk);
}

static void a_count_that_is_being_written_when_its_window_ends_is_dropped(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer(&desk, 0, TN_RETRY);
	desk_end_stream(&desk, 1, TN_STREAM_LOST);
	desk_tick(&desk, 600000);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 20); /* drops wait a little for company */
	assert_int_equal(desk_ops(&desk, TN_DROP_ROW), 1);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_during_a_commit_goes_together_in_the_next),
		cmocka_unit_test(an_unknown_commit_goes_again_and_nothing_is_acked_meanwhile),
		cmocka_unit_test(drops_go_on_while_a_full_store_refuses),
		cmocka_unit_test(attempts_wait_while_too_many_ends_are_not_durable),
		cmocka_unit_test(rows_in_doubt_are_dropped_when_their_arrival_is_refused),
		cmocka_unit_test(engine_time_is_persisted_at_least_every_ten_seconds),
		cmocka_unit_test(a_count_in_doubt_that_nobody_asks_for_is_dropped),
		cmocka_unit_test(a_count_in_doubt_goes_on_with_its_copy_and_is_dropped_when_that_is_delivered),
		cmocka_unit_test(a_count_that_is_being_written_when_its_window_ends_is_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
