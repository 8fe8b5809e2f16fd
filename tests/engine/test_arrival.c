/* SPDX-License-Identifier: Apache-2.0
 *
 * test_arrival.c - admission, the ack rule, and what a refused offer leaves behind: nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;

static void a_settled_arrival_is_acked_after_its_last_delivery_and_writes_nothing(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 2), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 2);
	uint64_t second = desk.starts[1].token;
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(desk.answer_count, 0);
	desk_answer_to(&desk, second, TN_DELIVERED);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_SETTLED);
	assert_int_equal(desk.settlements[0].delivered, 2);
	assert_null(desk.batch);
	desk_close(&desk);
}

static void a_journaled_arrival_is_acked_and_started_only_when_its_batch_is_durable(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_JOURNALED, 2), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count + desk.answer_count, 0);
	assert_int_equal(desk_ops(&desk, TN_PUT_EVENT), 1);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_OPEN);
	assert_int_equal(desk_row(&desk, 1)->key.route_no, 1);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_JOURNALED);
	assert_int_equal(desk.start_count, 2);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_null(desk.batch);
	desk_tick(&desk, 20); /* drops wait a little for company */
	assert_int_equal(desk_ops(&desk, TN_DROP_ROW), 1);
	desk_close(&desk);
}

static void an_event_that_matches_nothing_is_settled_at_once(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_JOURNALED, 0), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.answer_count, 1);
	assert_null(desk.batch);
	assert_int_equal(desk_books(&desk)->unmatched, 1);
	desk_close(&desk);
}

static void a_failing_allocation_refuses_the_offer_and_leaves_nothing(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	size_t before = desk.allocated_bytes;
	for (int fails = 0; fails < 3; fails++) {
		desk.fail_after = fails;
		enum tn_status status = desk_offer_many(&desk, 2000, 1); /* large: brings its own batch */
		assert_int_equal(status, TN_NO_MEMORY);
		desk.fail_after = -1;
		assert_int_equal(desk_books(&desk)->matched, 0);
		assert_int_equal(desk_books(&desk)->memory_bytes, 0);
	}
	desk_obey(&desk);
	assert_null(desk.batch);
	assert_in_range(desk.allocated_bytes - before, 0, 100000); /* the heap may have grown */
	desk_close(&desk);
}

static void an_arrival_larger_than_a_batch_is_still_one_commit(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer_many(&desk, 2000, 2), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk_ops(&desk, TN_PUT_EVENT), 2000);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 4000);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.answer_count, 1);
	desk_close(&desk);
}

static void a_refused_journal_answers_unavailable_and_forgets(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_JOURNALED, 2), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_UNAVAILABLE);
	assert_true(desk.settlements[0].retry_after_ms > 0);
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(desk_books(&desk)->released, 2);
	assert_int_equal(desk_books(&desk)->memory_bytes, 0);
	/* While the store refuses, the next one hears so at once. */
	assert_int_equal(desk_offer(&desk, TN_ACK_JOURNALED, 2), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_UNAVAILABLE);
	assert_null(desk.batch);
	desk_tick(&desk, 200);
	assert_int_equal(desk_offer(&desk, TN_ACK_JOURNALED, 2), TN_OK);
	desk_obey(&desk);
	assert_non_null(desk.batch);
	desk_close(&desk);
}

static void intake_stops_at_the_memory_limit_and_room_comes_at_half(void **state)
{
	desk_init(&desk);
	desk.config.memory_bytes = 40000;
	desk_open(&desk);
	uint32_t admitted = 0;
	while (desk_offer(&desk, TN_ACK_SETTLED, 1) == TN_OK)
		admitted++;
	assert_in_range(desk_books(&desk)->memory_bytes, 20000, 40000);
	desk_obey(&desk);
	assert_int_equal(desk.credit_count, 0);
	struct tn_command starts[64];
	uint32_t count = desk.start_count, done = 0;
	memcpy(starts, desk.starts, count * sizeof(starts[0]));
	bool room = false;
	while (done < count && !room) {
		desk.starts[0] = starts[done++];
		desk.start_count = 1;
		desk_answer(&desk, 0, TN_DELIVERED);
		room = desk.room;
	}
	assert_true(room);
	assert_in_range(desk_books(&desk)->memory_bytes, 1, 20000);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_close(&desk);
}

static void raw_bytes_go_straight_to_the_dead_letters(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer_poison(&desk, TN_ACK_SETTLED, TN_POISON_UNREADABLE), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	assert_string_equal(desk_row(&desk, 0)->last->code, "POISON");
	assert_int_equal(desk.answer_count, 0);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.settlements[0].dead, 1);
	desk_close(&desk);
}

static void what_ended_the_process_says_so_also_when_another_run_buries_it(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer_poison(&desk, TN_ACK_JOURNALED, TN_POISON_CRASH), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_OPEN);
	assert_string_equal(desk_row(&desk, 0)->last->code, "POISON_CRASH");
	struct tn_row row = *desk_row(&desk, 0);
	struct tn_outcome last = *row.last;
	row.last = &last;
	desk_close(&desk);

	desk_init(&desk);
	desk.config.recover = true;
	desk.config.store_rows = 1;
	desk.config.next_seq = 2;
	desk_open(&desk);
	while (desk.scan != NULL && desk.scan->state != TN_ROW_OPEN)
		desk_page(&desk, NULL, 0, INT64_MAX);
	desk_page(&desk, &row, 1, INT64_MAX);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	assert_string_equal(desk_row(&desk, 0)->last->code, "POISON_CRASH");
	desk_close(&desk);
}

static void it_is_full_while_what_is_in_hand_needs_all_the_memory(void **state)
{
	desk_init(&desk);
	desk.config.memory_bytes = 1;
	desk_open(&desk);
	assert_false(tn_engine_full(desk.engine));
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK); /* one always fits */
	desk_obey(&desk);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_FULL);
	assert_true(tn_engine_full(desk.engine));
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_true(desk.room);
	assert_false(tn_engine_full(desk.engine));
	desk_close(&desk);
}

static void each_source_has_an_oldest_event_of_its_own(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_true(tn_engine_oldest_of(desk.engine, 1) == INT64_MAX);
	int64_t began_ms = desk.now_ms;
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	uint64_t first = desk.starts[0].token;
	desk_tick(&desk, 1000);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(tn_engine_oldest_of(desk.engine, 1), began_ms);
	assert_true(tn_engine_oldest_of(desk.engine, 2) == INT64_MAX);
	desk_answer_to(&desk, first, TN_DELIVERED);
	assert_int_equal(tn_engine_oldest_of(desk.engine, 1), began_ms + 1000);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_settled_arrival_is_acked_after_its_last_delivery_and_writes_nothing),
		cmocka_unit_test(a_journaled_arrival_is_acked_and_started_only_when_its_batch_is_durable),
		cmocka_unit_test(an_event_that_matches_nothing_is_settled_at_once),
		cmocka_unit_test(a_failing_allocation_refuses_the_offer_and_leaves_nothing),
		cmocka_unit_test(an_arrival_larger_than_a_batch_is_still_one_commit),
		cmocka_unit_test(a_refused_journal_answers_unavailable_and_forgets),
		cmocka_unit_test(intake_stops_at_the_memory_limit_and_room_comes_at_half),
		cmocka_unit_test(raw_bytes_go_straight_to_the_dead_letters),
		cmocka_unit_test(what_ended_the_process_says_so_also_when_another_run_buries_it),
		cmocka_unit_test(each_source_has_an_oldest_event_of_its_own),
		cmocka_unit_test(it_is_full_while_what_is_in_hand_needs_all_the_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
