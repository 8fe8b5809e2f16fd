/* SPDX-License-Identifier: Apache-2.0
 *
 * test_lane_free.c - ordering turned off: what waited for its key goes on, what blocked it is released in the store, and turned on again
 * it begins afresh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;

/* Target 1 orders by key, and its dead letters block. */
static void prepare(void)
{
	desk_init(&desk);
	desk.limits[0].ordered = desk.routes[0].ordered = true;
	desk.policy.block_exhausted = true;
	desk.policy.max_age_ms = 86400000;
}

static void offer(enum tn_ack_when ack_when, uint8_t key)
{
	desk.lane_key = key;
	assert_int_equal(desk_offer_to(&desk, ack_when, 1), TN_OK);
	desk_obey(&desk);
	if (ack_when == TN_ACK_JOURNALED)
		desk_commit(&desk, TN_COMMIT_OK);
}

static void order(bool ordered)
{
	desk.limits[0].ordered = ordered;
	desk_reload(&desk);
}

static uint32_t blocked(void)
{
	struct tn_lane_view view[4];
	return tn_engine_blocked_lanes(desk.engine, 0, view, 4);
}

/* The first is a dead letter that blocks, the second waits in memory. */
static void block_lane(void)
{
	prepare();
	desk_open(&desk);
	offer(TN_ACK_JOURNALED, 7);
	uint64_t first = desk.starts[0].token;
	offer(TN_ACK_JOURNALED, 7);
	desk_answer_to(&desk, first, TN_REJECTED);
	assert_true(desk_row(&desk, 0)->blocks);
	desk_commit(&desk, TN_COMMIT_OK);
	if (desk.batch != NULL) /* the second goes to the store */
		desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(blocked(), 1);
}

static struct tn_row row_of(uint64_t seq, uint64_t lane_seq, enum tn_row_state state, uint8_t key, int64_t not_before_ms)
{
	struct tn_row row = {.key = {seq, 0}, .state = state, .lane = desk_lane(1, key), .lane_seq = lane_seq, .rule = TN_STR("r1"),
		.target = TN_STR("t1"), .target_no = 1, .tries = {.accepted_ms = desk.now_ms, .not_before_ms = not_before_ms},
		.blocks = state == TN_ROW_DEAD};
	row.id.bytes[0] = (uint8_t)seq;
	row.id.bytes[15] = 1;
	return row;
}

static void a_blocked_key_goes_on_and_the_store_forgets_the_block(void **state)
{
	block_lane();
	order(false);
	assert_int_equal(blocked(), 0);
	assert_non_null(desk.batch);
	assert_int_equal(desk_ops(&desk, TN_RELEASE_ROW), 1);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.moved_token, 0); /* nobody asked */
	order(true);
	assert_int_equal(blocked(), 0);
	desk_close(&desk);
}

static void a_release_that_the_store_refuses_is_made_later(void **state)
{
	block_lane();
	order(false);
	assert_int_equal(desk_ops(&desk, TN_RELEASE_ROW), 1);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	desk_tick(&desk, 10000);
	assert_non_null(desk.batch);
	assert_int_equal(desk_ops(&desk, TN_RELEASE_ROW), 1);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 10000);
	assert_int_equal(desk_ops(&desk, TN_RELEASE_ROW), 0);
	desk_close(&desk);
}

static void an_operators_move_goes_first(void **state)
{
	uint64_t as_of;
	block_lane();
	struct tn_lane_view view;
	assert_int_equal(tn_engine_blocked_lanes(desk.engine, 0, &view, 1), 1);
	assert_true(tn_engine_moves_ended(desk.engine, &as_of));
	struct tn_move_item item = {.key = {1000, 0}, .target_no = 2};
	struct tn_moves moves = {.move = TN_MOVE_PURGE, .token = 9, .as_of = as_of, .items = &item, .count = 1};
	assert_int_equal(tn_engine_move(desk.engine, &moves), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk_ops(&desk, TN_PURGE_ROW), 1);
	order(false);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.moved_token, 9);
	assert_int_equal(desk_ops(&desk, TN_RELEASE_ROW), 1);
	assert_int_equal(tn_engine_move(desk.engine, &moves), TN_FULL); /* while ours are under way */
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.moved_token, 0);
	desk_close(&desk);
}

static void a_drain_leaves_the_release_to_the_next_run(void **state)
{
	block_lane();
	tn_engine_drain(desk.engine, 1000);
	order(false);
	assert_int_equal(desk_ops(&desk, TN_RELEASE_ROW), 0);
	desk_close(&desk);
}

static void those_that_wait_in_memory_start_at_once(void **state)
{
	prepare();
	desk_open(&desk);
	for (int i = 0; i < 3; i++)
		offer(TN_ACK_SETTLED, 7);
	assert_int_equal(desk.start_count, 0);
	order(false);
	assert_int_equal(desk.start_count, 2);
	offer(TN_ACK_SETTLED, 7); /* matched by the old rules: it has a lane, which is free */
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void a_dead_letter_blocks_nothing_any_more(void **state)
{
	prepare();
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 7);
	uint64_t first = desk.starts[0].token;
	order(false);
	desk_answer_to(&desk, first, TN_REJECTED);
	assert_false(desk_row(&desk, 0)->blocks);
	desk_close(&desk);
}

static void one_that_blocks_on_its_way_is_released_when_it_is_there(void **state)
{
	prepare();
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 7);
	desk_answer(&desk, 0, TN_REJECTED);
	assert_true(desk_row(&desk, 0)->blocks);
	order(false);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(blocked(), 0);
	assert_int_equal(desk_ops(&desk, TN_RELEASE_ROW), 1);
	desk_close(&desk);
}

static void a_target_that_is_removed_keeps_its_order_for_its_return(void **state)
{
	block_lane();
	desk.limits[0].removed = true;
	order(false); /* a table says so of what is no longer configured */
	assert_int_equal(blocked(), 1);
	desk.limits[0].removed = false;
	order(true);
	assert_int_equal(blocked(), 1);
	assert_null(desk.batch);
	desk_close(&desk);
}

static void turned_on_again_the_next_waits_for_the_one_before(void **state)
{
	prepare();
	desk_open(&desk);
	order(false);
	order(true);
	offer(TN_ACK_SETTLED, 7);
	assert_int_equal(desk.start_count, 1);
	offer(TN_ACK_SETTLED, 7);
	assert_int_equal(desk.start_count, 0);
	desk_close(&desk);
}

static void those_in_line_wait_for_their_turn_again(void **state)
{
	prepare();
	desk.limits[0].max_in_flight = 1;
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 7);
	uint64_t first = desk.starts[0].token;
	offer(TN_ACK_SETTLED, 7);
	offer(TN_ACK_SETTLED, 7);
	order(false); /* both in line */
	desk.limits[0].max_in_flight = 8;
	order(true);
	assert_int_equal(desk.start_count, 0);
	desk_answer_to(&desk, first, TN_DELIVERED);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

/* --- Rows --- */

static void open_with_rows(const struct tn_row *parked, uint32_t count, bool found_blocks)
{
	desk.limits[0].ordered = false;
	desk.config.recover = true;
	desk.config.store_rows = count;
	desk.config.next_seq = 2000;
	desk.limits[0].found_parked = count;
	desk.found_blocks = found_blocks;
	desk_open(&desk);
	desk_page(&desk, NULL, 0, INT64_MAX); /* no counts */
	desk_page(&desk, parked, count, INT64_MAX);
}

static void a_row_put_behind_others_is_asked_for_though_they_are_not_due(void **state)
{
	prepare();
	desk.config.recover_window_ms = 0; /* which would have read them all */
	struct tn_row rows[] = {row_of(1, 40, TN_ROW_PARKED, 7, desk.now_ms + 60000), row_of(2, 50, TN_ROW_PARKED, 7, TN_ROW_BEHIND_MS)};
	open_with_rows(rows, 2, false);
	while (desk.scan != NULL && desk.scan->order != TN_SCAN_LANE)
		desk_page(&desk, NULL, 0, desk.now_ms + 60000);
	assert_non_null(desk.scan);
	desk_page(&desk, rows, 2, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->items[0].id.bytes[0], 2);
	assert_int_equal(desk.scan->order, TN_SCAN_DUE); /* which brings the first */
	desk_close(&desk);
}

static void give_page(const struct tn_row *row)
{
	const struct tn_route *routes[] = {&desk.routes[0]};
	struct tn_event *events[] = {desk.event};
	struct tn_page page = {.token = desk.scan->token, .rows = row, .events = events, .count = 1, .routes = routes, .next_due_ms = INT64_MAX};
	desk.scan = NULL;
	tn_engine_page(desk.engine, &page);
	desk_obey(&desk);
}

static void blocks_of_another_run_are_released_one_after_the_other(void **state)
{
	prepare();
	struct tn_row behind = row_of(9, 90, TN_ROW_PARKED, 7, TN_ROW_BEHIND_MS);
	struct tn_row dead[] = {row_of(1, 40, TN_ROW_DEAD, 7, 0), row_of(2, 41, TN_ROW_DEAD, 7, 0)};
	desk.limits[0].found_dead_rows = 2;
	open_with_rows(&behind, 1, true);
	assert_int_equal(desk.scan->state, TN_ROW_DEAD);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_JOURNALED, 2), TN_OK);
	desk_obey(&desk); /* its batch is out: the releases wait */
	give_page(&dead[0]);
	give_page(&dead[1]);
	desk_page(&desk, NULL, 0, INT64_MAX);
	while (desk.scan != NULL && desk.scan->order != TN_SCAN_LANE)
		desk_page(&desk, NULL, 0, TN_ROW_BEHIND_MS);
	desk_page(&desk, &behind, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1); /* whatever blocks its lane */
	desk_commit(&desk, TN_COMMIT_OK);
	for (uint64_t seq = 1; seq <= 2; seq++) {
		assert_int_equal(desk_ops(&desk, TN_RELEASE_ROW), 1);
		assert_int_equal(desk.batch->ops[desk.batch->count - 1].key.event_seq, seq);
		desk_commit(&desk, TN_COMMIT_OK);
	}
	assert_int_equal(blocked(), 0);
	desk_close(&desk);
}

static void more_than_one_batch_takes_are_released_in_several(void **state)
{
	enum { MANY = TN_MOVES_MAX + 2 };
	struct tn_row *rows = calloc(MANY, sizeof(*rows));
	prepare();
	for (uint32_t i = 0; i < MANY; i++) {
		rows[i] = row_of(i + 1, i + 1, TN_ROW_DEAD, 0, 0);
		rows[i].lane.bytes[5] = (uint8_t)i;
		rows[i].lane.bytes[6] = (uint8_t)(i >> 8);
		rows[i].lane.bytes[7] = 1;
	}
	struct tn_row behind = row_of(1900, 900000, TN_ROW_PARKED, 7, TN_ROW_BEHIND_MS);
	desk.limits[0].found_dead_rows = MANY;
	open_with_rows(&behind, 1, true);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_JOURNALED, 2), TN_OK);
	desk_obey(&desk); /* its batch is out: the releases wait, and nothing keeps the rest from being read */
	for (uint32_t i = 0; i + 1 < MANY; i++)
		give_page(&rows[i]);
	desk_page(&desk, &rows[MANY - 1], 1, INT64_MAX);
	desk_commit(&desk, TN_COMMIT_OK);
	uint32_t released = 0, batches = 0;
	for (; desk.batch != NULL && batches < 4; batches++) {
		released += desk_ops(&desk, TN_RELEASE_ROW);
		desk_commit(&desk, TN_COMMIT_OK);
	}
	assert_int_equal(released, MANY);
	assert_int_equal(batches, 2);
	desk_close(&desk);
	free(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blocked_key_goes_on_and_the_store_forgets_the_block),
		cmocka_unit_test(a_release_that_the_store_refuses_is_made_later),
		cmocka_unit_test(an_operators_move_goes_first),
		cmocka_unit_test(a_drain_leaves_the_release_to_the_next_run),
		cmocka_unit_test(those_that_wait_in_memory_start_at_once),
		cmocka_unit_test(a_dead_letter_blocks_nothing_any_more),
		cmocka_unit_test(one_that_blocks_on_its_way_is_released_when_it_is_there),
		cmocka_unit_test(a_target_that_is_removed_keeps_its_order_for_its_return),
		cmocka_unit_test(turned_on_again_the_next_waits_for_the_one_before),
		cmocka_unit_test(those_in_line_wait_for_their_turn_again),
		cmocka_unit_test(a_row_put_behind_others_is_asked_for_though_they_are_not_due),
		cmocka_unit_test(blocks_of_another_run_are_released_one_after_the_other),
		cmocka_unit_test(more_than_one_batch_takes_are_released_in_several),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
