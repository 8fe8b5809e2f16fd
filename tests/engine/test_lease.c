/* SPDX-License-Identifier: Apache-2.0
 *
 * test_lease.c - positions that are only lent, and acks that stand for all before them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;

static void open_with(struct tn_stream_terms terms)
{
	desk_init(&desk);
	desk.terms = terms;
	desk_open(&desk);
}

static void offer(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
}

static void answer(const struct tn_command *start)
{
	struct tn_outcome outcome = {.verdict = TN_DELIVERED};
	struct tn_result result = {.token = start->token, .count = 1, .outcomes = &outcome};
	tn_engine_result(desk.engine, &result);
	desk_obey(&desk);
}

static void a_lent_position_is_extended_at_each_third_of_its_lease_until_it_is_answered(void **state)
{
	open_with((struct tn_stream_terms){.lease_ms = 9000});
	offer(1);
	struct tn_command start = desk.starts[0];
	desk_tick(&desk, 2999);
	assert_int_equal(desk.extension_count, 0);
	assert_int_equal(tn_engine_deadline(desk.engine), desk.now_ms + 1);
	desk_tick(&desk, 1);
	assert_int_equal(desk.extension_count, 1);
	assert_int_equal(desk.extensions[0].position.low, 1);
	desk_tick(&desk, 3000);
	assert_int_equal(desk.extension_count, 1);
	answer(&start);
	assert_int_equal(desk.answer_count, 1);
	desk_tick(&desk, 3000);
	assert_int_equal(desk.extension_count, 0);
	assert_int_equal(desk_books(&desk)->extended, 2);
	desk_close(&desk);
}

static void nothing_is_extended_where_nothing_is_lent(void **state)
{
	open_with((struct tn_stream_terms){0});
	offer(1);
	desk_tick(&desk, 14000);
	assert_int_equal(desk.extension_count, 0);
	desk_close(&desk);
}

static void what_waits_is_parked_at_half_the_lease(void **state)
{
	desk_init(&desk);
	desk.terms.lease_ms = 6000;
	desk.limits[0].max_in_flight = 1;
	desk_open(&desk);
	offer(2); /* the second waits behind the first */
	desk_tick(&desk, 2999);
	assert_null(desk.batch);
	desk_tick(&desk, 1);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.answers[0].position.low, 2);
	desk_close(&desk);
}

static void an_extension_stops_when_the_stream_is_lost(void **state)
{
	open_with((struct tn_stream_terms){.lease_ms = 9000});
	offer(1);
	struct tn_position stream = {.source = 1, .stream = 1, .epoch = 1};
	assert_int_equal(tn_engine_stream(desk.engine, stream, TN_STREAM_LOST, 0), TN_OK);
	desk_tick(&desk, 5000);
	assert_int_equal(desk.extension_count, 0);
	desk_close(&desk);
}

static void a_cumulative_ack_waits_for_all_before_it_and_stands_for_them(void **state)
{
	open_with((struct tn_stream_terms){.cumulative = true});
	offer(4);
	struct tn_command starts[4] = {desk.starts[0], desk.starts[1], desk.starts[2], desk.starts[3]};
	answer(&starts[2]);
	assert_int_equal(desk.answer_count, 0);
	answer(&starts[1]);
	assert_int_equal(desk.answer_count, 0);
	answer(&starts[0]);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.answers[0].position.low, 3);
	answer(&starts[3]);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.answers[0].position.low, 4);
	assert_int_equal(desk_books(&desk)->ack_sent, 4);
	desk_close(&desk);
}

static void a_gap_holds_the_window_and_so_the_credit(void **state)
{
	open_with((struct tn_stream_terms){.cumulative = true, .window = 4});
	offer(4);
	struct tn_command starts[4] = {desk.starts[0], desk.starts[1], desk.starts[2], desk.starts[3]};
	for (int i = 1; i < 4; i++) {
		answer(&starts[i]);
		assert_int_equal(desk.credit_count, 0);
	}
	answer(&starts[0]);
	assert_int_equal(desk.credits[0].credit, 4);
	desk_close(&desk);
}

static void a_revoked_stream_acks_what_ends_in_time_up_to_the_first_that_waits(void **state)
{
	desk_init(&desk);
	desk.terms.cumulative = true;
	desk.limits[0].max_in_flight = 2;
	desk_open(&desk);
	offer(4); /* two under way, two wait */
	struct tn_command starts[2] = {desk.starts[0], desk.starts[1]};
	struct tn_position stream = {.source = 1, .stream = 1, .epoch = 1};
	assert_int_equal(tn_engine_stream(desk.engine, stream, TN_STREAM_REVOKED, 5000), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk_books(&desk)->released, 2);
	answer(&starts[1]);
	assert_false(desk.stream_done);
	answer(&starts[0]);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.answers[0].position.low, 2);
	assert_true(desk.stream_done);
	desk_close(&desk);
}

static void a_drain_parks_the_untouched_that_has_work_behind_it(void **state)
{
	desk_init(&desk);
	desk.terms.cumulative = true;
	desk.limits[0].max_in_flight = 1;
	desk_open(&desk);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK); /* waits */
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 2), TN_OK); /* under way */
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK); /* waits, and nothing is behind it */
	desk_obey(&desk);
	struct tn_command starts[2] = {desk.starts[0], desk.starts[1]};
	tn_engine_drain(desk.engine, 5000);
	desk_obey(&desk);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.answers[0].kind, TN_RELEASE);
	assert_int_equal(desk.answers[0].position.low, 4);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	desk_commit(&desk, TN_COMMIT_OK);
	answer(&starts[1]);
	answer(&starts[0]);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.answers[0].position.low, 3);
	assert_true(desk.drained);
	desk_close(&desk);
}

static void a_stream_without_memory_for_its_lease_is_not_open(void **state)
{
	open_with((struct tn_stream_terms){0});
	struct tn_position stream = {.source = 1, .stream = 2, .epoch = 1};
	desk.fail_after = 1;
	assert_int_equal(tn_engine_open_stream(desk.engine, stream, &(struct tn_stream_terms){.lease_ms = 1000}), TN_NO_MEMORY);
	desk.fail_after = -1;
	assert_int_equal(tn_engine_open_stream(desk.engine, stream, &(struct tn_stream_terms){.lease_ms = 1000}), TN_OK);
	desk_close(&desk);
}

static void a_lease_too_short_to_be_halved_is_overdue_at_once(void **state)
{
	desk_init(&desk);
	desk.terms.lease_ms = 1;
	desk.limits[0].max_in_flight = 1;
	desk_open(&desk);
	offer(2);
	desk_tick(&desk, 1);
	assert_int_equal(desk_books(&desk)->parking, 1);
	desk_close(&desk);
}

static void without_any_time_to_settle_what_waits_is_parked_with_the_next_tick(void **state)
{
	desk_init(&desk);
	desk.config.settle_deadline_ms = 0;
	desk.limits[0].max_in_flight = 1;
	desk_open(&desk);
	offer(3);
	desk_tick(&desk, 1);
	assert_int_equal(desk_books(&desk)->parking, 2);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lent_position_is_extended_at_each_third_of_its_lease_until_it_is_answered),
		cmocka_unit_test(nothing_is_extended_where_nothing_is_lent),
		cmocka_unit_test(what_waits_is_parked_at_half_the_lease),
		cmocka_unit_test(an_extension_stops_when_the_stream_is_lost),
		cmocka_unit_test(a_cumulative_ack_waits_for_all_before_it_and_stands_for_them),
		cmocka_unit_test(a_gap_holds_the_window_and_so_the_credit),
		cmocka_unit_test(a_revoked_stream_acks_what_ends_in_time_up_to_the_first_that_waits),
		cmocka_unit_test(a_drain_parks_the_untouched_that_has_work_behind_it),
		cmocka_unit_test(a_stream_without_memory_for_its_lease_is_not_open),
		cmocka_unit_test(a_lease_too_short_to_be_halved_is_overdue_at_once),
		cmocka_unit_test(without_any_time_to_settle_what_waits_is_parked_with_the_next_tick),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
