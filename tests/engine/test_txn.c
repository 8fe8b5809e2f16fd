/* SPDX-License-Identifier: Apache-2.0
 *
 * test_txn.c - exactly once: t1 and t2 are topics of the source's own cluster, t3 is outside, t4 is a dead-letter topic of the cluster.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "desk.h"

enum { CLUSTER = 7 };

static void prepare(struct desk *desk)
{
	desk_init(desk);
	desk->terms = (struct tn_stream_terms){.transactional = true, .cluster = CLUSTER};
	desk->limits[0].cluster = desk->limits[1].cluster = desk->limits[3].cluster = CLUSTER;
}

static void open_desk(struct desk *desk)
{
	prepare(desk);
	desk_open(desk);
}

static void open_second_stream(struct desk *desk)
{
	assert_int_equal(tn_engine_open_stream(desk->engine, (struct tn_position){.source = 1, .stream = 2, .epoch = 1}, &desk->terms), TN_OK);
	desk_obey(desk);
}

/* One event to that target; how many attempts that starts. */
static uint32_t offer_to(struct desk *desk, uint32_t target_no)
{
	assert_int_equal(desk_offer_to(desk, TN_ACK_SETTLED, target_no), TN_OK);
	desk_obey(desk);
	return desk->start_count;
}

/* One event to that target, which has taken it into the transaction. */
static void stage(struct desk *desk, uint32_t target_no)
{
	assert_int_equal(offer_to(desk, target_no), 1);
	desk_answer(desk, 0, TN_STAGED);
}

static void assert_commit(const struct desk *desk, uint64_t txn, uint64_t last)
{
	assert_int_equal(desk->txn_count, 1);
	assert_int_equal(desk->txns[0].kind, TN_TXN_COMMIT);
	assert_int_equal(desk->txns[0].token, txn);
	assert_int_equal(desk->txns[0].position.source, 1);
	assert_int_equal(desk->txns[0].count, 1);
	assert_int_equal(desk->positions[0][0].low, last);
}

static void assert_abort(const struct desk *desk, uint64_t txn)
{
	assert_int_equal(desk->txn_count, 1);
	assert_int_equal(desk->txns[0].kind, TN_TXN_ABORT);
	assert_int_equal(desk->txns[0].token, txn);
}

static void what_is_staged_is_delivered_by_the_commit_which_is_the_ack(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	assert_int_equal(desk.starts[0].attempt->txn, 1);
	desk_answer(&desk, 0, TN_STAGED);
	assert_int_equal(desk_books(&desk)->staged, 1);
	assert_int_equal(offer_to(&desk, 2), 1);
	assert_int_equal(desk.starts[0].attempt->txn, 1);
	desk_answer(&desk, 0, TN_DELIVERED); /* inside a transaction that says the same */
	assert_int_equal(desk_books(&desk)->staged, 2);
	assert_int_equal(desk.txn_count, 0);
	desk_tick(&desk, 200);
	assert_commit(&desk, 1, 2);
	assert_int_equal(desk_books(&desk)->delivered, 0);
	desk_txn(&desk, 0, TN_TXN_COMMITTED);
	assert_int_equal(desk_books(&desk)->delivered, 2);
	assert_int_equal(desk_books(&desk)->staged, 0);
	assert_int_equal(desk_books(&desk)->ack_sent, 2);
	assert_int_equal(desk.answer_count, 0);
	assert_null(desk.batch);
	desk_close(&desk);
}

static void a_transaction_is_full_after_so_many_events(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.terms.txn_events = 2;
	desk_open(&desk);
	for (int i = 0; i < 3; i++)
		assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 2);
	struct tn_outcome staged = {.verdict = TN_STAGED};
	for (uint32_t i = 0; i < 2; i++)
		tn_engine_result(desk.engine, &(struct tn_result){.token = desk.starts[i].token, .count = 1, .outcomes = &staged});
	desk_obey(&desk);
	assert_commit(&desk, 1, 2);
	assert_int_equal(desk.start_count, 0); /* one at a time */
	desk_txn(&desk, 0, TN_TXN_COMMITTED);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->txn, 2);
	desk_close(&desk);
}

static void outside_targets_settle_before_members_are_attempted(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 3), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->target_no, 3);
	assert_int_equal(desk.starts[0].attempt->txn, 0);
	uint64_t outside = desk.starts[0].token;
	desk_tick(&desk, 1000);
	assert_int_equal(desk.txn_count, 0); /* none is open meanwhile */
	desk_answer_to(&desk, outside, TN_DELIVERED);
	assert_int_equal(desk.start_count, 2);
	assert_int_equal(desk.starts[0].attempt->txn, 1);
	desk_close(&desk);
}

static void an_outside_target_that_parks_lets_its_event_go_on(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.policy.system.base_ms = 60000;
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 3), TN_OK);
	desk_obey(&desk);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_books(&desk)->parking, 1);
	assert_int_equal(desk.start_count, 0);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.start_count, 2);
	assert_int_equal(desk.starts[0].attempt->txn, 1);
	assert_int_equal(desk.starts[1].attempt->txn, 1);
	desk_close(&desk);
}

static void an_event_without_members_is_settled_by_a_transaction_too(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(offer_to(&desk, 3), 1);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(desk.answer_count, 0);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 0), TN_OK); /* unmatched */
	desk_obey(&desk);
	assert_int_equal(desk.answer_count, 0);
	desk_tick(&desk, 200);
	assert_commit(&desk, 1, 2);
	desk_txn(&desk, 0, TN_TXN_COMMITTED);
	assert_int_equal(desk_books(&desk)->ack_sent, 2);
	desk_close(&desk);
}

static void positions_pass_nothing_that_is_not_in_the_transaction(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(offer_to(&desk, 3), 1);
	uint64_t outside = desk.starts[0].token;
	assert_int_equal(offer_to(&desk, 1), 0); /* behind it in its stream */
	desk_tick(&desk, 1000);
	assert_int_equal(desk.txn_count, 0);
	desk_answer_to(&desk, outside, TN_DELIVERED);
	assert_int_equal(desk.start_count, 1);
	desk_answer(&desk, 0, TN_STAGED);
	desk_tick(&desk, 200);
	assert_commit(&desk, 1, 2);
	desk_close(&desk);
}

static void streams_of_a_source_share_its_transaction(void **state)
{
	struct desk desk;
	open_desk(&desk);
	open_second_stream(&desk);
	stage(&desk, 1);
	desk.stream = 2;
	assert_int_equal(offer_to(&desk, 1), 1);
	assert_int_equal(desk.starts[0].attempt->txn, 1);
	desk_answer(&desk, 0, TN_STAGED);
	desk_tick(&desk, 200);
	assert_int_equal(desk.txns[0].count, 2);
	assert_int_equal(desk.positions[0][0].stream, 1);
	assert_int_equal(desk.positions[0][0].low, 1);
	assert_int_equal(desk.positions[0][1].stream, 2);
	assert_int_equal(desk.positions[0][1].low, 2);
	desk_close(&desk);
}

static void any_other_outcome_aborts_and_what_was_staged_goes_again_without_having_been_tried(void **state)
{
	struct desk desk;
	open_desk(&desk);
	stage(&desk, 1);
	assert_int_equal(offer_to(&desk, 2), 1);
	desk_answer(&desk, 0, TN_RETRY);
	assert_abort(&desk, 1);
	assert_int_equal(desk_books(&desk)->staged, 0);
	assert_int_equal(desk_books(&desk)->staged_aborted, 1);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_TRIED); /* the failure is durable before it is tried again */
	desk_txn(&desk, 0, TN_TXN_ABORTED);
	assert_int_equal(desk.start_count, 1); /* the first does not wait for the second */
	assert_int_equal(desk.starts[0].attempt->txn, 2);
	assert_int_equal(desk.starts[0].attempt->items[0].tries.system, 0);
	desk_answer(&desk, 0, TN_STAGED);
	desk_tick(&desk, 200);
	assert_commit(&desk, 2, 1);
	desk_txn(&desk, 0, TN_TXN_COMMITTED);
	assert_int_equal(desk_books(&desk)->delivered, 1);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 800);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->txn, 3);
	assert_int_equal(desk.starts[0].attempt->items[0].tries.system, 1);
	desk_close(&desk);
}

static void a_commit_that_was_aborted_goes_again(void **state)
{
	struct desk desk;
	open_desk(&desk);
	stage(&desk, 1);
	desk_tick(&desk, 200);
	desk_txn(&desk, 0, TN_TXN_ABORTED);
	assert_int_equal(desk_books(&desk)->delivered, 0);
	assert_int_equal(desk_books(&desk)->staged_aborted, 1);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->txn, 2);
	desk_close(&desk);
}

static void an_open_transaction_may_be_aborted_by_others(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	uint64_t under_way = desk.starts[0].token;
	tn_engine_txn(desk.engine, 1, TN_TXN_COMMITTED); /* which nobody asked for */
	tn_engine_txn(desk.engine, 9, TN_TXN_ABORTED);
	tn_engine_txn(desk.engine, 1, TN_TXN_ABORTED);
	desk_obey(&desk);
	assert_int_equal(desk.txn_count, 0);
	assert_int_equal(desk.start_count, 0);
	desk_answer_to(&desk, under_way, TN_RETRY);
	assert_int_equal(desk.start_count, 1); /* what ended with its transaction did not fail */
	assert_int_equal(desk.starts[0].attempt->txn, 2);
	assert_int_equal(desk.starts[0].attempt->items[0].tries.system, 0);
	desk_close(&desk);
}

static void a_rejected_member_is_staged_as_its_dead_letter(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.limits[0].dead_letter_no = 4;
	desk_open(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	desk_answer(&desk, 0, TN_REJECTED);
	assert_abort(&desk, 1);
	assert_null(desk.batch);
	desk_txn(&desk, 0, TN_TXN_ABORTED);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->purpose, TN_TO_DEAD_LETTER);
	assert_int_equal(desk.starts[0].attempt->target_no, 4);
	assert_int_equal(desk.starts[0].attempt->txn, 2);
	desk_answer(&desk, 0, TN_STAGED);
	assert_int_equal(desk_books(&desk)->staged, 1);
	desk_tick(&desk, 200);
	assert_commit(&desk, 2, 1);
	assert_int_equal(desk_books(&desk)->dead, 0);
	desk_txn(&desk, 0, TN_TXN_COMMITTED);
	assert_int_equal(desk_books(&desk)->dead, 1);
	assert_null(desk.batch);
	desk_close(&desk);
}

static void a_dead_letter_whose_transaction_is_aborted_in_a_drain_goes_to_the_store(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.limits[0].dead_letter_no = 4;
	desk_open(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	desk_answer(&desk, 0, TN_REJECTED);
	desk_txn(&desk, 0, TN_TXN_ABORTED);
	desk_answer(&desk, 0, TN_STAGED);
	tn_engine_drain(desk.engine, 10000);
	desk_obey(&desk);
	assert_commit(&desk, 2, 1);
	desk_txn(&desk, 0, TN_TXN_ABORTED);
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_books(&desk)->dead, 1);
	desk_close(&desk);
}

static void a_held_dead_letter_whose_sink_is_removed_goes_to_the_store(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.limits[0].dead_letter_no = 4;
	desk_open(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	desk_answer(&desk, 0, TN_REJECTED);
	assert_abort(&desk, 1);
	desk.limits[3].removed = true;
	desk_reload(&desk);
	tn_engine_txn(desk.engine, 1, TN_TXN_ABORTED);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_books(&desk)->dead, 1);
	desk_close(&desk);
}

static void a_dead_letter_whose_transaction_was_aborted_stays_one(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.limits[0].dead_letter_no = 4;
	desk_open(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	desk_answer(&desk, 0, TN_REJECTED);
	desk_txn(&desk, 0, TN_TXN_ABORTED);
	desk_answer(&desk, 0, TN_STAGED);
	desk_tick(&desk, 200);
	desk_txn(&desk, 0, TN_TXN_ABORTED);
	assert_int_equal(desk_books(&desk)->burying, 1);
	assert_int_equal(desk.starts[0].attempt->purpose, TN_TO_DEAD_LETTER);
	assert_int_equal(desk.starts[0].attempt->txn, 3);
	desk_close(&desk);
}

static void behind_a_staged_dead_letter_its_lane_waits_for_the_commit(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.limits[2].dead_letter_no = 4;
	desk.limits[2].ordered = desk.routes[2].ordered = true;
	desk.lane_key = 1;
	desk_open(&desk);
	assert_int_equal(offer_to(&desk, 3), 1);
	desk_answer(&desk, 0, TN_REJECTED);
	desk_answer(&desk, 0, TN_STAGED);
	assert_int_equal(offer_to(&desk, 3), 0);
	desk_tick(&desk, 200);
	assert_commit(&desk, 1, 1);
	desk_txn(&desk, 0, TN_TXN_ABORTED); /* it is no dead letter yet */
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->purpose, TN_TO_DEAD_LETTER);
	desk_answer(&desk, 0, TN_STAGED);
	desk_tick(&desk, 200);
	assert_int_equal(desk.start_count, 0);
	desk_txn(&desk, 0, TN_TXN_COMMITTED);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->purpose, TN_TO_TARGET);
	desk_close(&desk);
}

static void a_dead_letter_for_the_store_is_durable_before_its_event_is_taken_again(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 2), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 2);
	desk_answer(&desk, 1, TN_REJECTED);
	assert_abort(&desk, 1);
	desk_txn(&desk, 0, TN_TXN_ABORTED);
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_books(&desk)->dead, 1);
	assert_int_equal(desk.start_count, 0); /* the other's first attempt has no result yet */
	desk_close(&desk);
}

static void members_are_held_never_parked(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.policy.system.base_ms = 60000;
	desk_open(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	desk_answer(&desk, 0, TN_RETRY);
	desk_txn(&desk, 0, TN_TXN_ABORTED);
	assert_int_equal(desk_books(&desk)->backoff, 1);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 59000); /* past every deadline of settling */
	assert_int_equal(desk_books(&desk)->backoff, 1);
	assert_int_equal(desk_books(&desk)->parks, 0);
	assert_int_equal(desk.start_count, 0);
	desk_tick(&desk, 1000);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void a_member_behind_an_open_breaker_is_held_and_goes_on_when_it_closes(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(tn_engine_breaker(desk.engine, 1, TN_BREAKER_OPEN), TN_OK);
	assert_int_equal(offer_to(&desk, 1), 0);
	desk_tick(&desk, 60000);
	assert_int_equal(desk_books(&desk)->pending, 1);
	assert_int_equal(desk.txn_count, 0); /* none is open: its stream waits */
	assert_int_equal(tn_engine_breaker(desk.engine, 1, TN_BREAKER_CLOSED), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void a_transaction_that_cannot_be_staged_is_not_kept_open_for_ever(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.limits[0].timeout_ms = 600000;
	desk_open(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	desk_tick(&desk, 30000);
	assert_int_equal(desk.txn_count, 0);
	desk_tick(&desk, 200);
	assert_abort(&desk, 1);
	desk_close(&desk);
}

static void stage_one_in(struct desk *desk, int64_t more_ms)
{
	assert_int_equal(desk->txn_count, 0);
	desk_tick(desk, more_ms);
	assert_int_equal(desk->start_count, 1);
	desk_answer(desk, 0, TN_STAGED);
}

static void a_transaction_that_was_too_much_to_be_staged_in_time_goes_again_as_a_smaller_one(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.limits[0].rate = (struct tn_rate_limits){.count = 1, .burst = 1, .period_ms = 12000};
	desk_open(&desk);
	for (int i = 0; i < 4; i++)
		assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	stage_one_in(&desk, 0);
	stage_one_in(&desk, 12000);
	stage_one_in(&desk, 12000);
	desk_tick(&desk, 6200); /* the fourth would start in another six seconds */
	assert_abort(&desk, 1);
	desk_txn(&desk, 0, TN_TXN_ABORTED);
	stage_one_in(&desk, 5800);
	stage_one_in(&desk, 12000);
	assert_commit(&desk, 2, 2);
	desk_txn(&desk, 0, TN_TXN_COMMITTED);
	stage_one_in(&desk, 12000);
	stage_one_in(&desk, 12000);
	assert_commit(&desk, 3, 4);
	desk_close(&desk);
}

static void what_dies_of_age_in_line_ends_its_transaction_before_its_dead_letter_is_written_outside(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.limits[0].max_in_flight = 1;
	desk.limits[0].dead_letter_no = 3;
	desk.policy.max_age_ms = 5000;
	desk_open(&desk);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	assert_int_equal(offer_to(&desk, 1), 1); /* the second is inside, too, and waits its turn */
	uint64_t first = desk.starts[0].token;
	desk_tick(&desk, 5001);
	assert_int_equal(desk.txn_count, 0);
	tn_engine_result(desk.engine, &(struct tn_result){.token = first, .count = 1, .outcomes = &(struct tn_outcome){.verdict = TN_STAGED}});
	struct tn_command command;
	assert_true(tn_engine_next(desk.engine, &command));
	while (command.kind != TN_START && command.kind != TN_TXN_ABORT)
		assert_true(tn_engine_next(desk.engine, &command));
	assert_int_equal(command.kind, TN_TXN_ABORT);
	assert_int_equal(command.token, 1);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->target_no, 3);
	assert_int_equal(desk.starts[0].attempt->txn, 0);
	desk_close(&desk);
}

static void hold_is_no_attempt_and_keeps_the_transaction(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	desk_answer(&desk, 0, TN_HOLD);
	assert_int_equal(desk.txn_count, 0);
	tn_engine_ready(desk.engine, 1, 1);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->txn, 1);
	desk_close(&desk);
}

static void a_lost_stream_takes_its_transaction_with_it(void **state)
{
	struct desk desk;
	open_desk(&desk);
	open_second_stream(&desk);
	stage(&desk, 1);
	desk.stream = 2;
	stage(&desk, 1);
	desk_end_stream(&desk, 2, TN_STREAM_LOST);
	assert_abort(&desk, 1);
	assert_true(desk.stream_done);
	assert_int_equal(desk_books(&desk)->released, 1);
	desk_txn(&desk, 0, TN_TXN_ABORTED);
	assert_int_equal(desk.start_count, 1); /* the other stream's goes again */
	desk_answer(&desk, 0, TN_STAGED);
	desk_tick(&desk, 200);
	assert_commit(&desk, 2, 1);
	desk_close(&desk);
}

static void a_commit_that_was_said_decides_for_the_streams_that_are_left(void **state)
{
	struct desk desk;
	open_desk(&desk);
	open_second_stream(&desk);
	stage(&desk, 1);
	desk.stream = 2;
	stage(&desk, 1);
	desk_tick(&desk, 200);
	uint64_t txn = desk.txns[0].token;
	desk_end_stream(&desk, 2, TN_STREAM_LOST);
	assert_int_equal(desk.txn_count, 0);
	assert_int_equal(desk_books(&desk)->released, 1);
	tn_engine_txn(desk.engine, txn, TN_TXN_COMMITTED);
	desk_obey(&desk);
	assert_int_equal(desk_books(&desk)->delivered, 1);
	desk_close(&desk);
}

static void fenced_forgets_everything_of_the_source(void **state)
{
	struct desk desk;
	open_desk(&desk);
	stage(&desk, 1);
	assert_int_equal(offer_to(&desk, 2), 1);
	uint64_t under_way = desk.starts[0].token;
	tn_engine_txn(desk.engine, 1, TN_TXN_FENCED);
	desk_obey(&desk);
	assert_int_equal(desk.txn_count, 0);
	assert_true(desk.stream_done);
	assert_int_equal(desk_books(&desk)->released, 1);
	desk_answer_to(&desk, under_way, TN_REJECTED);
	assert_int_equal(desk_books(&desk)->released, 2); /* whatever its answer */
	assert_int_equal(desk_books(&desk)->ack_sent, 0);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_CLOSED);
	desk.epoch = 2;
	assert_int_equal(tn_engine_open_stream(desk.engine, (struct tn_position){.source = 1, .stream = 1, .epoch = 2}, &desk.terms), TN_OK);
	assert_int_equal(offer_to(&desk, 1), 1);
	assert_int_equal(desk.starts[0].attempt->txn, 2);
	desk_close(&desk);
}

static void revoke(struct desk *desk, int64_t grace_ms)
{
	struct tn_position stream = {.source = 1, .stream = 1, .epoch = 1};
	assert_int_equal(tn_engine_stream(desk->engine, stream, TN_STREAM_REVOKED, grace_ms), TN_OK);
	desk->stream_done = false;
	desk_obey(desk);
}

static void a_revoked_stream_is_committed_when_all_is_staged_within_the_grace(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	uint64_t under_way = desk.starts[0].token;
	revoke(&desk, 1000);
	assert_int_equal(desk.txn_count, 0);
	assert_false(desk.stream_done);
	desk_answer_to(&desk, under_way, TN_STAGED);
	assert_commit(&desk, 1, 1); /* at once: nothing more is taken */
	assert_false(desk.stream_done);
	desk_txn(&desk, 0, TN_TXN_COMMITTED);
	assert_true(desk.stream_done);
	assert_int_equal(desk_books(&desk)->delivered, 1);
	desk_close(&desk);
}

static void a_revoked_stream_is_aborted_when_its_grace_is_over(void **state)
{
	struct desk desk;
	open_desk(&desk);
	stage(&desk, 1);
	assert_int_equal(offer_to(&desk, 1), 1);
	revoke(&desk, 1000);
	desk_tick(&desk, 1000);
	assert_abort(&desk, 1);
	assert_true(desk.stream_done);
	assert_int_equal(desk_books(&desk)->released, 1);
	assert_int_equal(desk_books(&desk)->inflight, 1);
	desk_close(&desk);
}

static void what_fails_within_the_grace_goes_back(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	uint64_t under_way = desk.starts[0].token;
	revoke(&desk, 1000);
	desk_answer_to(&desk, under_way, TN_RETRY);
	assert_abort(&desk, 1);
	assert_true(desk.stream_done);
	assert_int_equal(desk_books(&desk)->released, 1);
	desk_close(&desk);
}

static void draining_commits_what_can_be_staged_and_waits_for_the_answer(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	uint64_t under_way = desk.starts[0].token;
	tn_engine_drain(desk.engine, 10000);
	desk_obey(&desk);
	assert_int_equal(desk.txn_count, 0);
	desk_answer_to(&desk, under_way, TN_STAGED);
	assert_commit(&desk, 1, 1);
	assert_false(desk.drained);
	desk_txn(&desk, 0, TN_TXN_COMMITTED);
	assert_true(desk.drained);
	assert_int_equal(desk_books(&desk)->delivered, 1);
	desk_close(&desk);
}

static void draining_aborts_what_cannot_be_staged_any_more(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.limits[0].max_in_flight = 1;
	desk_open(&desk);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	assert_int_equal(offer_to(&desk, 1), 1); /* the second stands in line */
	desk_answer(&desk, 0, TN_STAGED);
	tn_engine_ready(desk.engine, 1, 1);
	assert_int_equal(offer_to(&desk, 1), 0);
	tn_engine_drain(desk.engine, 10000);
	desk_obey(&desk);
	assert_abort(&desk, 1);
	assert_int_equal(desk.answer_count, 3);
	assert_int_equal(desk.answers[0].kind, TN_RELEASE);
	assert_false(desk.drained);
	desk_txn(&desk, 0, TN_TXN_ABORTED);
	assert_false(desk.drained); /* an attempt is under way */
	desk_close(&desk);
}

static void a_drain_that_times_out_leaves_the_commit_behind(void **state)
{
	struct desk desk;
	open_desk(&desk);
	stage(&desk, 1);
	tn_engine_drain(desk.engine, 1000);
	desk_obey(&desk);
	assert_int_equal(desk.txns[0].kind, TN_TXN_COMMIT);
	desk_tick(&desk, 1000);
	assert_true(desk.drained && desk.timed_out);
	assert_int_equal(desk_books(&desk)->released, 1);
	desk_close(&desk);
}

static void a_drain_that_times_out_aborts_what_is_open(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	tn_engine_drain(desk.engine, 1000);
	desk_obey(&desk);
	desk_tick(&desk, 1000);
	assert_abort(&desk, 1);
	assert_true(desk.drained && desk.timed_out);
	assert_int_equal(desk.answers[0].kind, TN_RELEASE);
	desk_close(&desk);
}

static void without_a_cluster_every_target_is_outside(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.terms.cluster = 0;
	desk_open(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	assert_int_equal(desk.starts[0].attempt->txn, 0);
	desk_answer(&desk, 0, TN_DELIVERED);
	desk_tick(&desk, 200);
	assert_commit(&desk, 1, 1);
	desk_txn(&desk, 0, TN_TXN_COMMITTED);
	tn_engine_txn(desk.engine, 1, TN_TXN_ABORTED); /* that is over */
	assert_int_equal(desk_books(&desk)->ack_sent, 1);
	desk_close(&desk);
}

/* In one turn comes a CANCEL first, and what follows it is not asked for yet. */
static void until_commit_was_said_a_lost_stream_still_aborts(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.limits[2].timeout_ms = 200;
	desk_open(&desk);
	open_second_stream(&desk);
	desk.stream = 2;
	assert_int_equal(offer_to(&desk, 3), 1);
	desk.stream = 1;
	stage(&desk, 1);
	struct tn_command command;
	tn_engine_tick(desk.engine, desk.now_ms += 200);
	assert_true(tn_engine_next(desk.engine, &command));
	assert_int_equal(command.kind, TN_CANCEL);
	tn_engine_txn(desk.engine, 1, TN_TXN_COMMITTED); /* nobody can know that */
	assert_int_equal(desk_books(&desk)->staged, 1);
	desk_end_stream(&desk, 1, TN_STREAM_LOST);
	assert_abort(&desk, 1);
	assert_int_equal(desk_books(&desk)->released, 1);
	desk_close(&desk);
}

static void a_held_dead_letter_goes_back_with_its_stream_though_its_count_is_being_written(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.limits[2].dead_letter_no = 4;
	desk.limits[2].park_rows = 0;
	desk.limits[2].on_park_full = TN_PARK_FULL_DEAD_LETTER;
	desk_open(&desk);
	assert_int_equal(tn_engine_breaker(desk.engine, 1, TN_BREAKER_OPEN), TN_OK);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 3), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_TRIED);
	desk_tick(&desk, 15000); /* overdue, and there is no room to park it */
	assert_int_equal(desk_books(&desk)->burying, 1);
	desk_end_stream(&desk, 1, TN_STREAM_LOST);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_books(&desk)->burying, 0);
	assert_int_equal(desk_books(&desk)->released, 3);
	desk_close(&desk);
}

static void offer_two_of_one_lane(struct desk *desk, uint32_t target_no)
{
	struct tn_match matches[2];
	struct tn_offer offers[2];
	for (uint8_t i = 0; i < 2; i++) {
		matches[i] = (struct tn_match){.route = &desk->routes[target_no - 1], .id = {{9, i}}, .lane = desk_lane(target_no, 1)};
		offers[i] = (struct tn_offer){.event = desk->event, .matches = &matches[i], .match_count = 1};
	}
	struct tn_arrival arrival = {.position = {.source = 1, .stream = 1, .epoch = 1, .low = ++desk->offered}, .offers = offers, .count = 2};
	assert_int_equal(tn_engine_offer(desk->engine, &arrival), TN_OK);
	desk_obey(desk);
}

static void a_row_comes_before_what_a_held_dead_letter_let_pass(void **state)
{
	struct desk desk;
	struct tn_row row = {.key = {1, 0}, .state = TN_ROW_PARKED, .id = {{8}}, .lane = desk_lane(3, 1), .lane_seq = 40,
		.rule = TN_STR("r3"), .target = TN_STR("t3"), .target_no = 3, .tries = {.accepted_ms = 1000000}};
	prepare(&desk);
	desk.config.recover = true;
	desk.config.store_rows = 1;
	desk.config.next_seq = 2;
	desk.limits[2] = (struct tn_target_limits){.name = desk.limits[2].name, .target_no = 3, .max_in_flight = 1, .timeout_ms = 15000,
		.park_rows = 1000, .found_parked = 1, .ordered = true, .dead_letter_no = 4};
	desk.routes[2].ordered = true;
	desk_open(&desk);
	for (int i = 0; i < 4 && desk.scan->order != TN_SCAN_DUE; i++)
		desk_page(&desk, NULL, 0, INT64_MAX);
	offer_two_of_one_lane(&desk, 3);
	assert_int_equal(desk.start_count, 1);
	uint64_t first = desk.starts[0].token;
	assert_int_equal(offer_to(&desk, 3), 0); /* of no lane */
	desk_answer_to(&desk, first, TN_REJECTED);
	assert_int_equal(desk.start_count, 1);
	uint64_t unordered = desk.starts[0].token; /* the second of the two is in line behind it */
	desk_page(&desk, &row, 1, INT64_MAX);
	desk_answer_to(&desk, unordered, TN_DELIVERED);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->items[0].id.bytes[0], 8);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->items[0].id.bytes[0], 9);
	desk_close(&desk);
}

static void what_was_redriven_between_two_of_a_transaction_waits_for_the_first_and_the_second_for_it(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.config.recover = true;
	desk.config.store_rows = 1;
	desk.config.next_seq = 2;
	desk.limits[0].ordered = desk.routes[0].ordered = true;
	desk.limits[0].found_parked = 1;
	desk.lane_key = 1;
	desk_open(&desk);
	for (int i = 0; i < 4 && desk.scan->order != TN_SCAN_DUE; i++)
		desk_page(&desk, NULL, 0, INT64_MAX);
	stage(&desk, 1);
	struct tn_row row = {.key = {1, 0}, .state = TN_ROW_PARKED, .id = {{8}}, .lane = desk_lane(1, 1), .redrives = 1,
		.lane_seq = ((uint64_t)desk.now_ms + 5) << 20, .rule = TN_STR("r1"), .target = TN_STR("t1"), .target_no = 1,
		.tries = {.accepted_ms = desk.now_ms}};
	desk_tick(&desk, 10);
	assert_int_equal(offer_to(&desk, 1), 1);
	struct tn_command second = desk.starts[0];
	desk_page(&desk, &row, 1, INT64_MAX);
	desk_answer_to(&desk, second.token, TN_HOLD);
	tn_engine_ready(desk.engine, 1, 10);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 0);
	assert_null(desk.scan); /* it would be read for nothing, again and again */
	desk_tick(&desk, 30200);
	assert_abort(&desk, 1);
	desk_txn(&desk, 0, TN_TXN_ABORTED);
	assert_int_equal(desk.start_count, 1);
	desk_answer(&desk, 0, TN_STAGED);
	assert_commit(&desk, 2, 1); /* half as many as before: one */
	assert_null(desk.scan);
	desk_txn(&desk, 0, TN_TXN_COMMITTED);
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	desk_page(&desk, &row, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->items[0].id.bytes[0], 8);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(desk.start_count, 1);
	assert_memory_equal(&desk.starts[0].attempt->items[0].id, &second.attempt->items[0].id, sizeof(struct tn_id));
	desk_close(&desk);
}

static void a_member_that_is_removed_is_held_and_dies_after_the_grace(void **state)
{
	struct desk desk;
	open_desk(&desk);
	desk.limits[0].removed = true;
	desk_reload(&desk);
	assert_int_equal(offer_to(&desk, 1), 0);
	desk_tick(&desk, 599999);
	assert_int_equal(desk_books(&desk)->pending, 1);
	desk_tick(&desk, 1);
	assert_int_equal(desk_books(&desk)->burying, 1);
	while (desk.batch != NULL) /* the first is that of engine time alone */
		desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 200);
	assert_int_equal(desk.txns[0].kind, TN_TXN_COMMIT);
	assert_int_equal(desk_books(&desk)->dead, 1);
	desk_close(&desk);
}

static void a_target_that_leaves_the_cluster_is_served_outside(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(tn_engine_breaker(desk.engine, 1, TN_BREAKER_OPEN), TN_OK);
	assert_int_equal(offer_to(&desk, 1), 0);
	desk.limits[0].cluster = 0;
	struct tn_target_table table = {.targets = desk.limits, .count = DESK_TARGETS, .removal_grace_ms = 600000};
	assert_int_equal(tn_engine_reload(desk.engine, &table), TN_OK);
	assert_int_equal(tn_engine_breaker(desk.engine, 1, TN_BREAKER_CLOSED), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->txn, 0);
	desk_close(&desk);
}

static void without_memory_a_transactional_stream_does_not_open(void **state)
{
	struct desk desk;
	open_desk(&desk);
	struct tn_position stream = {.source = 2, .stream = 1, .epoch = 1};
	for (int pieces = 0; pieces < 3; pieces++) { /* the stream, its transaction, a place for its position: each call gets one more */
		desk.fail_after = pieces > 0;
		assert_int_equal(tn_engine_open_stream(desk.engine, stream, &desk.terms), TN_NO_MEMORY);
	}
	desk.fail_after = 1;
	assert_int_equal(tn_engine_open_stream(desk.engine, stream, &desk.terms), TN_OK);
	desk_close(&desk);
}

static void a_source_of_no_cluster_has_no_members(void **state)
{
	struct desk desk;
	prepare(&desk);
	desk.terms.cluster = 0;
	desk.limits[0].cluster = 0;
	desk_open(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	assert_int_equal(desk.starts[0].attempt->txn, 0);
	desk_answer(&desk, 0, TN_DELIVERED);
	desk_tick(&desk, 200);
	assert_commit(&desk, 1, 1); /* of its position alone */
	desk_close(&desk);
}

static void an_answer_that_comes_twice_changes_nothing(void **state)
{
	struct desk desk;
	open_desk(&desk);
	stage(&desk, 1);
	desk_tick(&desk, 200);
	desk_txn(&desk, 0, TN_TXN_COMMITTED);
	tn_engine_txn(desk.engine, 1, TN_TXN_FENCED);
	desk_obey(&desk);
	assert_false(desk.stream_done);
	assert_int_equal(offer_to(&desk, 1), 1);
	desk_close(&desk);
}

static void fenced_while_it_is_revoked_ends_the_stream_at_once(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	revoke(&desk, 1000);
	assert_false(desk.stream_done);
	tn_engine_txn(desk.engine, 1, TN_TXN_FENCED);
	desk_obey(&desk);
	assert_true(desk.stream_done);
	desk_close(&desk);
}

static void a_position_without_events_is_committed_with_the_others(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(desk_offer_keys(&desk, TN_ACK_SETTLED, NULL, 0), TN_OK);
	desk_obey(&desk);
	desk_tick(&desk, 200);
	assert_commit(&desk, 1, 1);
	desk_txn(&desk, 0, TN_TXN_COMMITTED);
	assert_int_equal(desk_books(&desk)->ack_sent, 1);
	desk_close(&desk);
}

/* All is staged, and the commit decided, but another command went out first. */
static void decide_commit(struct desk *desk)
{
	struct tn_command command;
	prepare(desk);
	desk->limits[2].timeout_ms = 200;
	desk_open(desk);
	assert_int_equal(offer_to(desk, 1), 1);
	desk_answer(desk, 0, TN_STAGED);
	assert_int_equal(offer_to(desk, 3), 1);
	desk->now_ms += 200;
	tn_engine_tick(desk->engine, desk->now_ms);
	assert_true(tn_engine_next(desk->engine, &command));
	assert_int_equal(command.kind, TN_CANCEL);
}

static void a_commit_that_was_not_said_yet_is_an_abort_when_the_stream_is_lost(void **state)
{
	struct desk desk;
	decide_commit(&desk);
	desk_end_stream(&desk, 1, TN_STREAM_LOST);
	assert_abort(&desk, 1);
	desk_close(&desk);
}

static void a_commit_that_was_not_said_yet_cannot_have_been_made(void **state)
{
	struct desk desk;
	decide_commit(&desk);
	tn_engine_txn(desk.engine, 1, TN_TXN_COMMITTED);
	assert_int_equal(desk_books(&desk)->delivered, 0);
	desk_obey(&desk);
	assert_commit(&desk, 1, 1);
	desk_close(&desk);
}

static void open_source(struct desk *desk, uint32_t source)
{
	assert_int_equal(tn_engine_open_stream(desk->engine, (struct tn_position){.source = source, .stream = 1, .epoch = 1}, &desk->terms), TN_OK);
	desk_obey(desk);
}

/* Ordering was off when both began. */
static void of_two_sources_in_one_lane_the_second_waits_for_the_commit_of_the_first(void **state)
{
	struct desk desk;
	struct tn_match match = {.route = &desk.routes[0], .id = {{9}}, .lane = desk_lane(1, 1)};
	struct tn_offer one = {.match_count = 1, .matches = &match};
	struct tn_arrival arrival = {.position = {.source = 2, .stream = 1, .epoch = 1, .low = 1}, .offers = &one, .count = 1};
	prepare(&desk);
	one.event = desk.event;
	desk.routes[0].ordered = true;
	desk.lane_key = 1;
	desk_open(&desk);
	open_source(&desk, 2);
	stage(&desk, 1);
	assert_int_equal(tn_engine_offer(desk.engine, &arrival), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.starts[0].attempt->txn, 2);
	uint64_t second = desk.starts[0].token;
	desk.limits[0].ordered = true;
	desk_reload(&desk);
	desk_answer_to(&desk, second, TN_HOLD);
	tn_engine_ready(desk.engine, 1, 10);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 0);
	desk_tick(&desk, 200);
	assert_commit(&desk, 1, 1);
	desk_txn(&desk, 0, TN_TXN_COMMITTED);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->items[0].id.bytes[0], 9);
	desk_close(&desk);
}

/* The dead letter of t1 waits for the abort to be answered, before it goes to t4. */
static void hold_dead_letter(struct desk *desk)
{
	prepare(desk);
	desk->limits[0].dead_letter_no = 4;
	desk_open(desk);
	assert_int_equal(offer_to(desk, 1), 1);
	desk_answer(desk, 0, TN_REJECTED);
	assert_abort(desk, 1);
	assert_null(desk->batch);
}

static void a_drain_writes_a_held_dead_letter_to_the_store(void **state)
{
	struct desk desk;
	hold_dead_letter(&desk);
	tn_engine_drain(desk.engine, 10000);
	desk_obey(&desk);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_books(&desk)->dead, 1);
	desk_close(&desk);
}

static void a_held_dead_letter_whose_sink_rests_is_in_the_store_after_three_tries(void **state)
{
	struct desk desk;
	hold_dead_letter(&desk);
	assert_int_equal(tn_engine_breaker(desk.engine, 4, TN_BREAKER_OPEN), TN_OK);
	tn_engine_txn(desk.engine, 1, TN_TXN_ABORTED);
	desk_obey(&desk);
	for (int tries = 0; tries < 3; tries++) {
		assert_null(desk.batch);
		assert_int_equal(desk.start_count, 0);
		desk_tick(&desk, 100);
	}
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	desk_close(&desk);
}

static void a_drain_waits_for_the_answer_to_an_abort_though_nothing_else_is_left(void **state)
{
	struct desk desk;
	open_desk(&desk);
	stage(&desk, 1);
	desk_end_stream(&desk, 1, TN_STREAM_LOST);
	assert_abort(&desk, 1);
	tn_engine_drain(desk.engine, 10000);
	tn_engine_tick(desk.engine, ++desk.now_ms);
	struct tn_command command;
	assert_false(tn_engine_next(desk.engine, &command));
	tn_engine_txn(desk.engine, 1, TN_TXN_ABORTED);
	desk_obey(&desk);
	assert_true(desk.drained);
	assert_false(desk.timed_out);
	desk_close(&desk);
}

/* What its target said for good is so, whatever became of the transaction; else it goes again. */
static void a_member_that_is_refused_after_its_transaction_was_aborted_is_dead(void **state)
{
	static const struct tn_outcome outcomes[] = {{.verdict = TN_MISCONFIGURED, .code = "NOT_FOUND"},
		{.verdict = TN_RETRY, .code = "HTTP_503", .declined = true}};
	for (size_t i = 0; i < 2; i++) {
		struct desk desk;
		prepare(&desk);
		desk_open(&desk);
		assert_int_equal(offer_to(&desk, 1), 1);
		uint64_t under_way = desk.starts[0].token;
		tn_engine_txn(desk.engine, 1, TN_TXN_ABORTED);
		tn_engine_result(desk.engine, &(struct tn_result){.token = under_way, .count = 1, .outcomes = &outcomes[i]});
		desk_obey(&desk);
		assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
		assert_string_equal(desk_row(&desk, 0)->last->code, outcomes[i].code);
		desk_close(&desk);
	}
}

static void a_member_that_is_refused_after_its_stream_was_lost_goes_back_to_its_source(void **state)
{
	struct desk desk;
	open_desk(&desk);
	assert_int_equal(offer_to(&desk, 1), 1);
	uint64_t under_way = desk.starts[0].token;
	desk_end_stream(&desk, 1, TN_STREAM_LOST);
	desk_answer_to(&desk, under_way, TN_REJECTED);
	assert_null(desk.batch);
	assert_int_equal(desk_books(&desk)->released, 1);
	desk_close(&desk);
}

static void a_dead_letter_under_way_when_its_transaction_is_aborted_goes_again_in_the_next(void **state)
{
	struct desk desk;
	hold_dead_letter(&desk);
	desk_txn(&desk, 0, TN_TXN_ABORTED);
	uint64_t under_way = desk.starts[0].token;
	tn_engine_txn(desk.engine, 2, TN_TXN_ABORTED);
	desk_answer_to(&desk, under_way, TN_RETRY);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->purpose, TN_TO_DEAD_LETTER);
	assert_int_equal(desk.starts[0].attempt->txn, 3);
	desk_close(&desk);
}

static void a_stream_that_ended_before_its_source_is_fenced_does_not_end_again(void **state)
{
	struct desk desk;
	struct tn_command command;
	open_desk(&desk);
	open_second_stream(&desk);
	desk_end_stream(&desk, 2, TN_STREAM_LOST);
	assert_true(desk.stream_done);
	assert_int_equal(offer_to(&desk, 1), 1);
	tn_engine_txn(desk.engine, 1, TN_TXN_FENCED);
	uint32_t done = 0;
	while (tn_engine_next(desk.engine, &command)) {
		done += command.kind == TN_STREAM_DONE;
		assert_true(command.kind != TN_STREAM_DONE || command.position.stream == 1);
	}
	assert_int_equal(done, 1);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_staged_is_delivered_by_the_commit_which_is_the_ack),
		cmocka_unit_test(a_transaction_is_full_after_so_many_events),
		cmocka_unit_test(outside_targets_settle_before_members_are_attempted),
		cmocka_unit_test(an_outside_target_that_parks_lets_its_event_go_on),
		cmocka_unit_test(an_event_without_members_is_settled_by_a_transaction_too),
		cmocka_unit_test(positions_pass_nothing_that_is_not_in_the_transaction),
		cmocka_unit_test(streams_of_a_source_share_its_transaction),
		cmocka_unit_test(any_other_outcome_aborts_and_what_was_staged_goes_again_without_having_been_tried),
		cmocka_unit_test(a_commit_that_was_aborted_goes_again),
		cmocka_unit_test(an_open_transaction_may_be_aborted_by_others),
		cmocka_unit_test(a_rejected_member_is_staged_as_its_dead_letter),
		cmocka_unit_test(a_dead_letter_whose_transaction_is_aborted_in_a_drain_goes_to_the_store),
		cmocka_unit_test(a_held_dead_letter_whose_sink_is_removed_goes_to_the_store),
		cmocka_unit_test(a_dead_letter_whose_transaction_was_aborted_stays_one),
		cmocka_unit_test(behind_a_staged_dead_letter_its_lane_waits_for_the_commit),
		cmocka_unit_test(a_dead_letter_for_the_store_is_durable_before_its_event_is_taken_again),
		cmocka_unit_test(members_are_held_never_parked),
		cmocka_unit_test(a_member_behind_an_open_breaker_is_held_and_goes_on_when_it_closes),
		cmocka_unit_test(a_transaction_that_cannot_be_staged_is_not_kept_open_for_ever),
		cmocka_unit_test(a_transaction_that_was_too_much_to_be_staged_in_time_goes_again_as_a_smaller_one),
		cmocka_unit_test(what_dies_of_age_in_line_ends_its_transaction_before_its_dead_letter_is_written_outside),
		cmocka_unit_test(hold_is_no_attempt_and_keeps_the_transaction),
		cmocka_unit_test(a_lost_stream_takes_its_transaction_with_it),
		cmocka_unit_test(a_commit_that_was_said_decides_for_the_streams_that_are_left),
		cmocka_unit_test(fenced_forgets_everything_of_the_source),
		cmocka_unit_test(a_revoked_stream_is_committed_when_all_is_staged_within_the_grace),
		cmocka_unit_test(a_revoked_stream_is_aborted_when_its_grace_is_over),
		cmocka_unit_test(what_fails_within_the_grace_goes_back),
		cmocka_unit_test(draining_commits_what_can_be_staged_and_waits_for_the_answer),
		cmocka_unit_test(draining_aborts_what_cannot_be_staged_any_more),
		cmocka_unit_test(a_drain_that_times_out_leaves_the_commit_behind),
		cmocka_unit_test(a_drain_that_times_out_aborts_what_is_open),
		cmocka_unit_test(without_a_cluster_every_target_is_outside),
		cmocka_unit_test(until_commit_was_said_a_lost_stream_still_aborts),
		cmocka_unit_test(a_held_dead_letter_goes_back_with_its_stream_though_its_count_is_being_written),
		cmocka_unit_test(a_row_comes_before_what_a_held_dead_letter_let_pass),
		cmocka_unit_test(what_was_redriven_between_two_of_a_transaction_waits_for_the_first_and_the_second_for_it),
		cmocka_unit_test(a_member_that_is_removed_is_held_and_dies_after_the_grace),
		cmocka_unit_test(a_target_that_leaves_the_cluster_is_served_outside),
		cmocka_unit_test(without_memory_a_transactional_stream_does_not_open),
		cmocka_unit_test(a_source_of_no_cluster_has_no_members),
		cmocka_unit_test(an_answer_that_comes_twice_changes_nothing),
		cmocka_unit_test(fenced_while_it_is_revoked_ends_the_stream_at_once),
		cmocka_unit_test(a_position_without_events_is_committed_with_the_others),
		cmocka_unit_test(a_commit_that_was_not_said_yet_is_an_abort_when_the_stream_is_lost),
		cmocka_unit_test(a_commit_that_was_not_said_yet_cannot_have_been_made),
		cmocka_unit_test(of_two_sources_in_one_lane_the_second_waits_for_the_commit_of_the_first),
		cmocka_unit_test(a_drain_writes_a_held_dead_letter_to_the_store),
		cmocka_unit_test(a_held_dead_letter_whose_sink_rests_is_in_the_store_after_three_tries),
		cmocka_unit_test(a_drain_waits_for_the_answer_to_an_abort_though_nothing_else_is_left),
		cmocka_unit_test(a_member_that_is_refused_after_its_transaction_was_aborted_is_dead),
		cmocka_unit_test(a_member_that_is_refused_after_its_stream_was_lost_goes_back_to_its_source),
		cmocka_unit_test(a_dead_letter_under_way_when_its_transaction_is_aborted_goes_again_in_the_next),
		cmocka_unit_test(a_stream_that_ended_before_its_source_is_fenced_does_not_end_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
