/* SPDX-License-Identifier: Apache-2.0
 *
 * test_reply.c - targets that answer with an event: durable before the delivery they answer counts as done.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "desk.h"

static struct desk desk;
static struct tn_command start;

/* One event is being delivered to target 1, and nobody else has it. */
static void begin(void)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	start = desk.starts[0];
}

/* The target answers with an event for target 2, or for none. */
static enum tn_status reply(uint32_t matches)
{
	struct tn_match match = {.route = &desk.routes[1], .id = {{9}}};
	struct tn_offer offer = {.event = desk.event, .matches = &match, .match_count = matches};
	struct tn_arrival arrival = {.parent = start.token, .hops = 1, .ack_when = TN_ACK_JOURNALED, .offers = &offer, .count = 1};
	return tn_engine_offer(desk.engine, &arrival);
}

static void result(enum tn_verdict verdict)
{
	struct tn_outcome outcome = {.verdict = verdict, .code = "HTTP_503"};
	tn_engine_result(desk.engine, &(struct tn_result){.token = start.token, .count = 1, .outcomes = &outcome});
	desk_obey(&desk);
}

static void the_parent_counts_only_when_its_reply_is_durable(void **state)
{
	begin();
	assert_int_equal(reply(1), TN_OK);
	result(TN_DELIVERED);
	assert_int_equal(desk.answer_count, 0);
	assert_int_equal(desk_books(&desk)->delivered, 0);
	assert_int_equal(desk_books(&desk)->replying, 1);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_OPEN);
	assert_int_equal(desk_row(&desk, 0)->hops, 1);
	assert_true(tn_engine_oldest_of(desk.engine, 0) == INT64_MAX); /* it is of no source */
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.settlements[0].delivered, 1);
	assert_int_equal(desk_books(&desk)->replying, 0);
	assert_int_equal(desk.starts[0].attempt->target_no, 2);
	assert_int_equal(desk.starts[0].attempt->items[0].hops, 1);
	desk_close(&desk);
}

static void its_place_is_free_for_others_meanwhile(void **state)
{
	desk_init(&desk);
	desk.limits[0].max_in_flight = 1;
	desk_open(&desk);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	start = desk.starts[0];
	assert_int_equal(reply(1), TN_OK);
	result(TN_DELIVERED);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void a_reply_the_store_refuses_fails_its_parent_which_is_tried_again(void **state)
{
	begin();
	assert_int_equal(reply(1), TN_OK);
	result(TN_DELIVERED);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.answer_count, 0);
	assert_int_equal(desk_books(&desk)->replies_refused, 1);
	assert_int_equal(desk_books(&desk)->backoff, 1);
	assert_int_equal(desk_books(&desk)->released, 1); /* the reply's own delivery */
	desk_close(&desk);
}

static void a_reply_that_was_refused_before_the_result_came_fails_it_too(void **state)
{
	begin();
	assert_int_equal(reply(1), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	result(TN_DELIVERED);
	assert_int_equal(desk_books(&desk)->delivered, 0);
	assert_int_equal(desk_books(&desk)->backoff, 1);
	desk_close(&desk);
}

static void a_reply_that_is_durable_before_the_result_does_not_hold_it_up(void **state)
{
	begin();
	assert_int_equal(reply(1), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_OK);
	result(TN_DELIVERED);
	assert_int_equal(desk.answer_count, 1);
	desk_close(&desk);
}

static void a_reply_nobody_matches_is_done_with_at_once(void **state)
{
	begin();
	assert_int_equal(reply(0), TN_OK);
	result(TN_DELIVERED);
	assert_int_equal(desk.answer_count, 1);
	assert_null(desk.batch);
	assert_int_equal(desk_books(&desk)->unmatched, 1);
	desk_close(&desk);
}

static void a_failed_attempt_does_not_take_its_reply_back(void **state)
{
	begin();
	assert_int_equal(reply(1), TN_OK);
	result(TN_RETRY);
	assert_int_equal(desk_books(&desk)->backoff, 1);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.starts[0].attempt->target_no, 2);
	desk_close(&desk);
}

static void an_attempt_that_is_over_takes_no_reply_and_none_takes_two(void **state)
{
	begin();
	assert_int_equal(reply(1), TN_OK);
	assert_int_equal(reply(1), TN_NOT_FOUND);
	desk_tick(&desk, 60000);
	assert_int_equal(desk.cancel_count, 1);
	assert_int_equal(reply(1), TN_NOT_FOUND);
	start.token += 1;
	assert_int_equal(reply(1), TN_NOT_FOUND);
	desk_close(&desk);
}

static void a_store_that_refuses_takes_no_reply(void **state)
{
	begin();
	assert_int_equal(desk_offer_to(&desk, TN_ACK_JOURNALED, 2), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(reply(1), TN_FULL);
	desk_close(&desk);
}

static void without_memory_there_is_no_reply(void **state)
{
	begin();
	desk.fail_after = 0;
	assert_int_equal(reply(1), TN_NO_MEMORY);
	desk.fail_after = -1;
	result(TN_DELIVERED);
	assert_int_equal(desk.answer_count, 1);
	desk_close(&desk);
}

static void replies_may_go_a_quarter_over_the_budget(void **state)
{
	desk_init(&desk);
	desk.config.memory_bytes = 1;
	desk_open(&desk);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK); /* one always fits */
	desk_obey(&desk);
	start = desk.starts[0];
	assert_int_equal(reply(1), TN_FULL);
	desk_close(&desk);
}

static void a_reply_that_was_refused_says_nothing_when_its_attempt_fails(void **state)
{
	begin();
	assert_int_equal(reply(1), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	result(TN_RETRY);
	assert_int_equal(desk_books(&desk)->replies_refused, 0);
	assert_int_equal(desk_books(&desk)->backoff, 1);
	desk_close(&desk);
}

static void a_dead_letter_sink_has_no_reply(void **state)
{
	desk_init(&desk);
	desk.limits[0].dead_letter_no = 2;
	desk_open(&desk);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer(&desk, 0, TN_REJECTED);
	start = desk.starts[0];
	assert_int_equal(start.attempt->purpose, TN_TO_DEAD_LETTER);
	assert_int_equal(reply(1), TN_NOT_FOUND);
	desk_close(&desk);
}

static void a_member_of_a_transaction_has_no_reply(void **state)
{
	desk_init(&desk);
	desk.terms = (struct tn_stream_terms){.transactional = true, .cluster = 7};
	desk.limits[0].cluster = 7;
	desk_open(&desk);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	start = desk.starts[0];
	assert_int_equal(reply(1), TN_NOT_FOUND);
	desk_close(&desk);
}

static void an_attempt_of_several_events_has_no_reply(void **state)
{
	desk_init(&desk);
	desk.limits[0].batch_items = 2;
	desk.limits[0].batch_bytes = 1 << 20;
	desk_open(&desk);
	for (int i = 0; i < 2; i++)
		assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	start = desk.starts[0];
	assert_int_equal(start.attempt->count, 2);
	assert_int_equal(reply(1), TN_NOT_FOUND);
	desk_close(&desk);
}

static void after_a_drain_no_reply_is_taken(void **state)
{
	begin();
	tn_engine_drain(desk.engine, 1000);
	desk_obey(&desk);
	desk_tick(&desk, 1000);
	assert_true(desk.drained && desk.timed_out);
	assert_int_equal(reply(1), TN_FULL);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_parent_counts_only_when_its_reply_is_durable),
		cmocka_unit_test(its_place_is_free_for_others_meanwhile),
		cmocka_unit_test(a_reply_the_store_refuses_fails_its_parent_which_is_tried_again),
		cmocka_unit_test(a_reply_that_was_refused_before_the_result_came_fails_it_too),
		cmocka_unit_test(a_reply_that_is_durable_before_the_result_does_not_hold_it_up),
		cmocka_unit_test(a_reply_nobody_matches_is_done_with_at_once),
		cmocka_unit_test(a_failed_attempt_does_not_take_its_reply_back),
		cmocka_unit_test(an_attempt_that_is_over_takes_no_reply_and_none_takes_two),
		cmocka_unit_test(a_store_that_refuses_takes_no_reply),
		cmocka_unit_test(without_memory_there_is_no_reply),
		cmocka_unit_test(replies_may_go_a_quarter_over_the_budget),
		cmocka_unit_test(a_reply_that_was_refused_says_nothing_when_its_attempt_fails),
		cmocka_unit_test(a_dead_letter_sink_has_no_reply),
		cmocka_unit_test(a_member_of_a_transaction_has_no_reply),
		cmocka_unit_test(an_attempt_of_several_events_has_no_reply),
		cmocka_unit_test(after_a_drain_no_reply_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
