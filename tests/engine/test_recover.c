/* SPDX-License-Identifier: Apache-2.0
 *
 * test_recover.c - what another run left behind, due rows, streams that end, and the way out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;

static struct tn_row row_of(enum tn_row_state state, uint64_t seq, uint32_t failures)
{
	struct tn_row row = {.key = {seq, 0}, .state = state, .target_no = 1, .rule = TN_STR("r1"), .target = TN_STR("t1"),
		.tries = {.system = failures, .accepted_ms = 900000, .not_before_ms = 900000}};
	uint64_t words[2] = {1, 1}; /* the id of the first offer to target 1 */
	memcpy(row.id.bytes, words, sizeof(words));
	return row;
}

/* Answers the three first scans: TRIED, PARKED by id, OPEN. */
static void recover(const struct tn_row *tried, const struct tn_row *parked, const struct tn_row *open)
{
	desk.config.recover = true;
	desk.config.store_rows = 1;
	desk.config.next_seq = 100;
	desk_open(&desk);
	assert_int_equal(desk.scan->state, TN_ROW_TRIED);
	assert_false(tn_engine_recovered(desk.engine));
	desk_page(&desk, tried, tried != NULL, INT64_MAX);
	assert_int_equal(desk.scan->state, TN_ROW_PARKED);
	desk_page(&desk, parked, parked != NULL, INT64_MAX);
	assert_int_equal(desk.scan->state, TN_ROW_OPEN);
	desk_page(&desk, open, open != NULL, INT64_MAX);
}

static void the_journal_goes_on_with_its_counters(void **state)
{
	desk_init(&desk);
	struct tn_row open = row_of(TN_ROW_OPEN, 3, 2);
	recover(NULL, NULL, &open);
	assert_true(tn_engine_recovered(desk.engine));
	assert_int_equal(desk_books(&desk)->recovered, 1);
	assert_int_equal(desk.starts[0].attempt->items[0].tries.system, 2);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->tries.system, 3);
	assert_int_equal(desk_row(&desk, 0)->key.event_seq, 3);
	desk_close(&desk);
}

static void a_row_without_rule_or_target_is_dead_at_start(void **state)
{
	desk_init(&desk);
	struct tn_row open = row_of(TN_ROW_OPEN, 3, 0);
	open.rule = (struct tn_str){0};
	recover(NULL, NULL, &open);
	assert_int_equal(desk.start_count, 0);
	assert_string_equal(desk_row(&desk, 0)->last->code, "NO_TARGET");
	assert_int_equal(desk_row(&desk, 0)->target.len, 2);
	desk_close(&desk);
}

static void a_redelivered_copy_continues_its_count(void **state)
{
	desk_init(&desk);
	struct tn_row tried = row_of(TN_ROW_TRIED, 3, 2);
	recover(&tried, NULL, NULL);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.starts[0].attempt->items[0].tries.system, 2);
	assert_int_equal(desk.starts[0].attempt->items[0].tries.accepted_ms, 900000);
	desk_answer(&desk, 0, TN_DELIVERED);
	desk_tick(&desk, 20); /* drops wait a little for company */
	assert_int_equal(desk_ops(&desk, TN_DROP_ROW), 1);
	assert_int_equal(desk.batch->ops[0].key.event_seq, 3);
	desk_close(&desk);
}

static void a_redelivered_copy_joins_its_parked_row(void **state)
{
	desk_init(&desk);
	struct tn_row parked = row_of(TN_ROW_PARKED, 3, 2);
	recover(NULL, &parked, NULL);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(desk.settlements[0].parked, 1);
	assert_int_equal(desk_books(&desk)->joined, 1);
	assert_int_equal(desk_books(&desk)->matched, 0);
	desk_close(&desk);
}

static void a_count_nobody_asks_for_is_dropped_after_the_window(void **state)
{
	desk_init(&desk);
	struct tn_row tried = row_of(TN_ROW_TRIED, 3, 2);
	recover(&tried, NULL, NULL);
	desk_tick(&desk, 600000);
	assert_int_equal(desk_ops(&desk, TN_DROP_ROW), 1);
	desk_close(&desk);
}

static void parked_rows_of_another_run_are_in_the_books_and_come_when_due(void **state)
{
	desk_init(&desk);
	desk.limits[0].found_parked = 1;
	desk_open(&desk);
	assert_int_equal(desk_books(&desk)->recovered, 1);
	assert_int_equal(desk_books(&desk)->parked, 1);
	struct tn_row parked = row_of(TN_ROW_PARKED, 3, 2);
	desk_page(&desk, &parked, 1, INT64_MAX);
	assert_int_equal(desk_books(&desk)->parked, 0);
	assert_int_equal(desk.starts[0].attempt->items[0].tries.system, 2);
	/* Its row is still there: a page that shows it again brings no second copy. */
	desk_answer(&desk, 0, TN_DELIVERED);
	desk_tick(&desk, 20); /* drops wait a little for company */
	assert_int_equal(desk_ops(&desk, TN_DROP_ROW), 1);
	desk_close(&desk);
}

static void a_lost_stream_takes_what_waits_back_and_gets_no_ack(void **state)
{
	desk_init(&desk);
	desk.limits[1].max_in_flight = 1;
	desk_open(&desk);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 2), TN_OK);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 2), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 2);
	struct tn_position stream = {.source = 1, .stream = 1, .epoch = 1};
	assert_int_equal(tn_engine_stream(desk.engine, stream, TN_STREAM_LOST, 0), TN_OK);
	assert_int_equal(desk_books(&desk)->released, 1);
	uint64_t started[2] = {desk.starts[0].token, desk.starts[1].token};
	for (int i = 0; i < 2; i++) {
		desk_answer_to(&desk, started[i], TN_DELIVERED);
		assert_int_equal(desk.answer_count, 0);
	}
	assert_int_equal(desk_books(&desk)->delivered, 2);
	assert_true(desk.stream_done);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_CLOSED);
	desk_close(&desk);
}

static void a_revoked_stream_is_done_after_the_ack_of_what_was_under_way(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	uint64_t start = desk.starts[0].token;
	struct tn_position stream = {.source = 1, .stream = 1, .epoch = 1};
	assert_int_equal(tn_engine_stream(desk.engine, stream, TN_STREAM_REVOKED, 5000), TN_OK);
	desk_tick(&desk, 4000);
	assert_false(desk.stream_done);
	desk_answer_to(&desk, start, TN_DELIVERED);
	assert_int_equal(desk.answer_count, 1);
	assert_true(desk.stream_done);
	desk_close(&desk);
}

static void a_released_failure_is_remembered_for_the_copy(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer(&desk, 0, TN_RETRY);
	desk_commit(&desk, TN_COMMIT_OK);
	struct tn_position stream = {.source = 1, .stream = 1, .epoch = 1};
	assert_int_equal(tn_engine_stream(desk.engine, stream, TN_STREAM_LOST, 0), TN_OK);
	assert_int_equal(desk_books(&desk)->released, 1);
	assert_int_equal(tn_engine_stream(desk.engine, stream, TN_STREAM_OPENED, 0), TN_OK);
	desk.offered = 0; /* the same event again */
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_tick(&desk, 1000);
	assert_int_equal(desk.starts[0].attempt->items[0].tries.system, 1);
	desk_close(&desk);
}

static void drain_gives_back_what_is_untouched_and_waits_for_what_runs(void **state)
{
	desk_init(&desk);
	desk.limits[0].max_in_flight = 1;
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	uint64_t start = desk.starts[0].token;
	tn_engine_drain(desk.engine, 30000);
	desk_obey(&desk);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.answers[0].kind, TN_RELEASE);
	assert_int_equal(desk.answers[0].position.low, 2);
	assert_false(desk.drained);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_CLOSED);
	desk_answer_to(&desk, start, TN_DELIVERED);
	assert_int_equal(desk.answers[0].kind, TN_ACK);
	assert_true(desk.stream_done && desk.drained && !desk.timed_out);
	desk_close(&desk);
}

static void drain_parks_what_was_tried(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer(&desk, 0, TN_RETRY);
	desk_commit(&desk, TN_COMMIT_OK);
	tn_engine_drain(desk.engine, 30000);
	desk_obey(&desk);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	assert_int_equal(desk_row(&desk, 0)->tries.system, 1);
	assert_false(desk.drained);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.settlements[0].parked, 1);
	assert_true(desk.drained);
	desk_close(&desk);
}

static void drain_leaves_what_does_not_end_behind_unanswered(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	tn_engine_drain(desk.engine, 30000);
	tn_engine_drain(desk.engine, 5000); /* again: shorter only */
	tn_engine_drain(desk.engine, 60000);
	desk_tick(&desk, 4999);
	assert_false(desk.drained);
	desk_tick(&desk, 1);
	assert_true(desk.drained && desk.timed_out);
	assert_int_equal(desk.answers[0].kind, TN_RELEASE);
	desk_close(&desk);
}

static void journaled_work_stays_in_the_journal_when_draining(void **state)
{
	desk_init(&desk);
	desk.limits[0].max_in_flight = 1;
	desk_open(&desk);
	assert_int_equal(desk_offer_many(&desk, 2, 1), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_OK);
	uint64_t start = desk.starts[0].token;
	tn_engine_drain(desk.engine, 30000);
	desk_obey(&desk);
	desk_answer_to(&desk, start, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_OPEN); /* the count is brought up to date */
	desk_commit(&desk, TN_COMMIT_OK);
	assert_true(desk.drained);
	assert_int_equal(desk_books(&desk)->open_rows, 2);
	desk_close(&desk);
}

static void what_the_journal_still_has_is_parked_beyond_what_brokers_may_park(void **state)
{
	desk_init(&desk);
	desk.policy.system.base_ms = 60000;
	desk.limits[0].park_rows_kept = 1;
	desk.limits[0].found_parked = 1;
	struct tn_row open = row_of(TN_ROW_OPEN, 3, 0);
	recover(NULL, NULL, &open);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_journal_goes_on_with_its_counters),
		cmocka_unit_test(a_row_without_rule_or_target_is_dead_at_start),
		cmocka_unit_test(a_redelivered_copy_continues_its_count),
		cmocka_unit_test(a_redelivered_copy_joins_its_parked_row),
		cmocka_unit_test(a_count_nobody_asks_for_is_dropped_after_the_window),
		cmocka_unit_test(parked_rows_of_another_run_are_in_the_books_and_come_when_due),
		cmocka_unit_test(a_lost_stream_takes_what_waits_back_and_gets_no_ack),
		cmocka_unit_test(a_revoked_stream_is_done_after_the_ack_of_what_was_under_way),
		cmocka_unit_test(a_released_failure_is_remembered_for_the_copy),
		cmocka_unit_test(drain_gives_back_what_is_untouched_and_waits_for_what_runs),
		cmocka_unit_test(drain_parks_what_was_tried),
		cmocka_unit_test(drain_leaves_what_does_not_end_behind_unanswered),
		cmocka_unit_test(journaled_work_stays_in_the_journal_when_draining),
		cmocka_unit_test(what_the_journal_still_has_is_parked_beyond_what_brokers_may_park),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
