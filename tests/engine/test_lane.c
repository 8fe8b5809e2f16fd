/* SPDX-License-Identifier: Apache-2.0
 *
 * test_lane.c - ordering by key: who starts, who waits, what is parked behind what, and what a restart finds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;

/* Target 1 orders by key. */
static void prepare(void)
{
	desk_init(&desk);
	desk.limits[0].ordered = desk.routes[0].ordered = true;
	desk.policy.max_age_ms = 86400000;
}

static void offer(enum tn_ack_when ack_when, uint8_t key)
{
	desk.lane_key = key;
	assert_int_equal(desk_offer_to(&desk, ack_when, 1), TN_OK);
	desk_obey(&desk);
}

static uint64_t number_of(uint32_t start) /* of the offer it came with */
{
	uint64_t number;
	memcpy(&number, desk.starts[start].attempt->items[0].id.bytes, sizeof(number));
	return number;
}

static struct tn_row parked(uint64_t seq, uint64_t lane_seq, int64_t not_before_ms)
{
	struct tn_row row = {.key = {seq, 0}, .state = TN_ROW_PARKED, .lane = desk_lane(1, 7), .lane_seq = lane_seq, .rule = TN_STR("r1"),
		.target = TN_STR("t1"), .target_no = 1, .tries = {.accepted_ms = desk.now_ms, .not_before_ms = not_before_ms}};
	row.id.bytes[0] = (uint8_t)seq;
	row.id.bytes[15] = 1;
	return row;
}

static void open_with_rows(uint64_t next_seq, uint64_t rows)
{
	desk.config.recover = true;
	desk.config.store_rows = rows;
	desk.config.next_seq = next_seq;
	desk.limits[0].found_parked = rows;
	desk_open(&desk);
	desk_page(&desk, NULL, 0, INT64_MAX); /* no counts */
}

static void of_one_key_the_next_starts_when_the_one_before_is_delivered(void **state)
{
	prepare();
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 7);
	uint64_t first = desk.starts[0].token;
	offer(TN_ACK_SETTLED, 7);
	assert_int_equal(desk.start_count, 0);
	offer(TN_ACK_SETTLED, 8); /* another key */
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(number_of(0), 3);
	desk_answer_to(&desk, first, TN_DELIVERED);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(number_of(0), 2);
	desk_close(&desk);
}

static void events_without_a_key_do_not_wait(void **state)
{
	prepare();
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 0);
	offer(TN_ACK_SETTLED, 0);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void a_failing_first_one_blocks_its_own_key_only(void **state)
{
	prepare();
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 7);
	uint64_t first = desk.starts[0].token;
	offer(TN_ACK_SETTLED, 7);
	desk_answer_to(&desk, first, TN_RETRY);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.start_count, 0); /* in backoff, and the second behind it */
	offer(TN_ACK_SETTLED, 8);
	assert_int_equal(desk.start_count, 1);
	desk_tick(&desk, 1000);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(number_of(0), 1); /* again, before the second */
	desk_close(&desk);
}

/* So the first of a key that fails never has one behind it that was done. */
static void a_batch_takes_one_of_each_key_and_the_next_of_one_that_failed_waits(void **state)
{
	prepare();
	desk.limits[0].max_in_flight = 1;
	desk.limits[0].batch_items = 10;
	desk.limits[0].batch_bytes = 1 << 20;
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 9);
	uint64_t first = desk.starts[0].token;
	static const uint8_t keys[] = {7, 7, 8, 7, 8};
	for (size_t i = 0; i < sizeof keys; i++)
		offer(TN_ACK_SETTLED, keys[i]);
	desk_answer_to(&desk, first, TN_DELIVERED);
	const struct tn_attempt *batch = desk.starts[0].attempt;
	assert_int_equal(batch->count, 2);
	assert_int_equal(batch->items[0].id.bytes[0], 2); /* of 7 */
	assert_int_equal(batch->items[1].id.bytes[0], 4); /* of 8 */
	const struct tn_outcome outcomes[] = {{.verdict = TN_RETRY, .code = "BATCH_ITEM_FAILURE"}, {.verdict = TN_DELIVERED}};
	tn_engine_result(desk.engine, &(struct tn_result){.token = batch->token, .count = 2, .outcomes = outcomes});
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->count, 1);
	assert_int_equal(number_of(0), 6); /* the next of 8 */
	first = desk.starts[0].token;
	desk_commit(&desk, TN_COMMIT_OK);
	desk_answer_to(&desk, first, TN_DELIVERED);
	assert_int_equal(desk.start_count, 0);
	desk_tick(&desk, 1000);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(number_of(0), 2); /* again, before the others of 7 */
	desk_close(&desk);
}

static void a_dead_letter_lets_the_next_go_on_once_it_is_durable(void **state)
{
	prepare();
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 7);
	uint64_t first = desk.starts[0].token;
	offer(TN_ACK_SETTLED, 7);
	desk_answer_to(&desk, first, TN_REJECTED);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	assert_false(desk_row(&desk, 0)->blocks);
	assert_int_equal(desk.start_count, 0);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(number_of(0), 2);
	desk_close(&desk);
}

static void a_cancelled_attempt_keeps_its_lane_till_it_is_answered_or_five_seconds_are_over(void **state)
{
	prepare();
	desk.policy.system.max_retries = 0;
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 7);
	uint64_t first = desk.starts[0].token;
	offer(TN_ACK_SETTLED, 7);
	desk_tick(&desk, 15000);
	assert_int_equal(desk.cancel_count, 1);
	desk_commit(&desk, TN_COMMIT_OK); /* the heartbeat, or its dead letter */
	if (desk.batch != NULL)
		desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_books(&desk)->dead, 1);
	assert_int_equal(desk.start_count, 0);
	desk_answer_to(&desk, first, TN_RETRY); /* late */
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(number_of(0), 2);
	desk_close(&desk);

	prepare();
	desk.policy.system.max_retries = 0;
	desk_open(&desk);
	offer(TN_ACK_JOURNALED, 7);
	desk_commit(&desk, TN_COMMIT_OK);
	offer(TN_ACK_JOURNALED, 7);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 14000);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 1000);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_books(&desk)->dead, 1);
	desk_tick(&desk, 4999);
	if (desk.batch != NULL)
		desk_commit(&desk, TN_COMMIT_OK);
	uint32_t early = desk.start_count;
	desk_tick(&desk, 1);
	assert_int_equal(early, 0);
	assert_int_equal(desk_books(&desk)->orphaned_attempts, 1);
	desk_close(&desk);
}

static void what_waits_behind_a_parked_one_is_parked_far_away_and_asked_for_in_its_turn(void **state)
{
	prepare();
	desk.policy.system.base_ms = 60000;
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 7);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->tries.not_before_ms, desk.now_ms + 60000);
	struct tn_row first = *desk_row(&desk, 0);
	first.rule = TN_STR("r1");
	first.target = TN_STR("t1");
	first.last = NULL;
	desk_commit(&desk, TN_COMMIT_OK);

	offer(TN_ACK_SETTLED, 7);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED); /* at once: its turn is far away */
	assert_true(desk_row(&desk, 0)->tries.not_before_ms == TN_ROW_BEHIND_MS);
	struct tn_row second = *desk_row(&desk, 0);
	second.rule = TN_STR("r1");
	second.target = TN_STR("t1");
	assert_true(second.lane_seq > first.lane_seq);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_books(&desk)->parked, 2);

	desk_tick(&desk, 60000);
	assert_int_equal(desk.scan->order, TN_SCAN_DUE);
	desk_page(&desk, &first, 1, TN_ROW_BEHIND_MS);
	assert_int_equal(desk.start_count, 1);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	assert_true(tn_id_equal(&desk.scan->lane, &second.lane));
	assert_true(desk.scan->after_lane_seq < second.lane_seq);
	desk_page(&desk, &second, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(number_of(0), 2);
	desk_close(&desk);
}

static void rows_of_a_lane_come_back_in_order_after_a_restart(void **state)
{
	prepare();
	struct tn_row rows[] = {parked(1, 50, TN_ROW_BEHIND_MS), parked(2, 40, TN_ROW_BEHIND_MS)};
	open_with_rows(3, 2);
	desk_page(&desk, rows, 2, INT64_MAX); /* what is parked */
	desk_page(&desk, NULL, 0, INT64_MAX); /* the journal */
	for (int i = 0; i < 2 && desk.scan->order != TN_SCAN_LANE; i++)
		desk_page(&desk, NULL, 0, TN_ROW_BEHIND_MS); /* nothing is due */
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	offer(TN_ACK_SETTLED, 7);
	assert_int_equal(desk.start_count, 0); /* it waits behind the rows */
	desk_page(&desk, &rows[1], 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->items[0].id.bytes[0], 2);
	desk_close(&desk);
}

static void a_place_in_a_lane_is_above_all_of_the_run_before(void **state)
{
	prepare();
	struct tn_row row = parked(1, UINT64_C(1) << 62, TN_ROW_BEHIND_MS);
	open_with_rows(2, 1);
	desk_page(&desk, &row, 1, INT64_MAX);
	desk_page(&desk, NULL, 0, INT64_MAX);
	offer(TN_ACK_JOURNALED, 7);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_OPEN);
	assert_true(desk_row(&desk, 0)->lane_seq > row.lane_seq);
	desk_close(&desk);
}

static void what_only_its_source_has_is_not_overtaken_by_a_row(void **state)
{
	prepare();
	desk.limits[0].timeout_ms = 100000;
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 7);
	offer(TN_ACK_SETTLED, 7);
	desk_tick(&desk, 15000);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 0); /* the first is under way, and nowhere but here and at its source */
	desk_close(&desk);

	prepare();
	desk.limits[0].timeout_ms = 100000;
	desk_open(&desk);
	offer(TN_ACK_JOURNALED, 7);
	desk_commit(&desk, TN_COMMIT_OK);
	offer(TN_ACK_JOURNALED, 7);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 9000);
	desk_tick(&desk, 6000);
	if (desk_ops(&desk, TN_PUT_ROW) == 0)
		desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED); /* the journal has both */
	desk_close(&desk);
}

/* The first is in the journal, the second may be parked: what the store refuses of the first must not bring that one back to memory. */
static void a_row_in_doubt_is_parked_although_what_the_journal_has_before_it_is_not(void **state)
{
	prepare();
	desk.limits[0].timeout_ms = 60000;
	desk.policy.system.base_ms = 60000;
	desk_open(&desk);
	offer(TN_ACK_JOURNALED, 7);
	desk_commit(&desk, TN_COMMIT_OK);
	uint64_t first = desk.starts[0].token;
	offer(TN_ACK_SETTLED, 7);
	desk_tick(&desk, 10000);
	if (desk.batch != NULL) /* of engine time alone */
		desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 5000); /* overdue */
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	desk_commit(&desk, TN_COMMIT_UNKNOWN);
	struct tn_outcome again = {.verdict = TN_RETRY, .code = "HTTP_503"};
	tn_engine_result(desk.engine, &(struct tn_result){.token = first, .count = 1, .outcomes = &again});
	desk_tick(&desk, 100);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk_row(&desk, 0)->tries.system, 1); /* the first one's */
	assert_int_equal(desk_books(&desk)->parking, 2);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk_books(&desk)->backoff, 1);
	assert_int_equal(desk_books(&desk)->parking, 1);
	while (desk_books(&desk)->parking > 0) {
		desk_tick(&desk, 100);
		if (desk.batch != NULL)
			desk_commit(&desk, TN_COMMIT_OK);
	}
	assert_int_equal(desk_books(&desk)->parked, 1);
	desk_close(&desk);
}

static void open_moving_stream(void)
{
	struct tn_stream_terms terms = {.moves = true};
	desk_open(&desk);
	assert_int_equal(tn_engine_open_stream(desk.engine, (struct tn_position){.source = 1, .stream = 1, .epoch = 1}, &terms), TN_OK);
	desk_obey(&desk);
}

static void what_may_move_to_another_process_is_held_and_given_back_by_a_drain(void **state)
{
	prepare();
	desk.policy.system.base_ms = 60000;
	open_moving_stream();
	offer(TN_ACK_SETTLED, 7);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_TRIED);
	assert_int_equal(desk_books(&desk)->backoff, 1);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 30000);
	assert_int_equal(desk_books(&desk)->backoff, 1);
	tn_engine_drain(desk.engine, 10000);
	desk_obey(&desk);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.answers[0].kind, TN_RELEASE);
	desk_close(&desk);

	prepare();
	desk.policy.system.base_ms = 60000;
	desk.limits[0].park_ordered = true;
	open_moving_stream();
	offer(TN_ACK_SETTLED, 7);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	desk_close(&desk);
}

static uint64_t blocker_seq;

static void block_lane(void)
{
	prepare();
	desk.policy.block_exhausted = true;
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 7);
	desk_answer(&desk, 0, TN_REJECTED);
	assert_true(desk_row(&desk, 0)->blocks);
	blocker_seq = desk_row(&desk, 0)->lane_seq;
	desk_commit(&desk, TN_COMMIT_OK);
	offer(TN_ACK_SETTLED, 7);
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED); /* an operator may take his time */
	desk_commit(&desk, TN_COMMIT_OK);
}

/* place: RESEND: of the row that comes instead; 0: a new one. */
static void move_blocker_to(enum tn_move move, uint64_t place)
{
	struct tn_lane_view view;
	uint64_t as_of;
	assert_int_equal(tn_engine_blocked_lanes(desk.engine, 0, &view, 1), 1);
	assert_int_equal(view.parked, 1);
	assert_true(tn_engine_moves_ended(desk.engine, &as_of));
	struct tn_row row = {
	        .state = TN_ROW_PARKED, .target_no = 1, .lane = desk_lane(1, 7), .lane_seq = place, .redrives = 1};
	struct tn_move_item item = {
	        .key = view.blocked_by, .target_no = 1, .row = &row, .row_count = 1, .event = desk.event};
	struct tn_moves moves = {.move = move, .token = 1, .as_of = as_of, .items = &item, .count = 1};
	assert_int_equal(tn_engine_move(desk.engine, &moves), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.moved, 1);
	assert_int_equal(tn_engine_blocked_lanes(desk.engine, 0, &view, 1), 0);
}

static void move_blocker(enum tn_move move)
{
	move_blocker_to(move, 0);
}

static void a_blocked_lane_stands_until_it_is_released(void **state)
{
	block_lane();
	offer(TN_ACK_SETTLED, 8);
	assert_int_equal(desk.start_count, 1); /* another key */
	move_blocker(TN_MOVE_RELEASE);
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	desk_close(&desk);

	block_lane();
	move_blocker(TN_MOVE_PURGE);
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	desk_close(&desk);
}

static void a_redriven_blocker_comes_before_those_it_blocked(void **state)
{
	block_lane();
	move_blocker(TN_MOVE_REDRIVE);
	assert_int_equal(desk.scan->order, TN_SCAN_DUE); /* it is due; its lane does not ask for the one behind it */
	desk_close(&desk);
}

static void what_takes_the_place_of_a_blocker_comes_first_where_it_has_its_place(void **state)
{
	block_lane();
	move_blocker_to(TN_MOVE_RESEND, blocker_seq);
	assert_int_equal(desk.scan->order, TN_SCAN_DUE);
	assert_int_equal(desk_books(&desk)->parked, 2);
	desk_close(&desk);

	block_lane();
	move_blocker_to(TN_MOVE_RESEND, 0); /* behind: the lane asks for the one that was blocked */
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	desk_close(&desk);
}

static void a_lane_is_blocked_over_a_restart(void **state)
{
	prepare();
	struct tn_row dead = parked(1, 40, 0), behind = parked(2, 50, TN_ROW_BEHIND_MS);
	dead.state = TN_ROW_DEAD;
	dead.blocks = true;
	desk.limits[0].found_dead_rows = 1;
	open_with_rows(3, 1);
	desk_page(&desk, &behind, 1, INT64_MAX);
	assert_int_equal(desk.scan->state, TN_ROW_DEAD);
	desk_page(&desk, &dead, 1, INT64_MAX);
	desk_page(&desk, NULL, 0, INT64_MAX); /* the journal */
	desk_page(&desk, NULL, 0, TN_ROW_BEHIND_MS);
	assert_null(desk.scan); /* nothing is asked for */
	offer(TN_ACK_SETTLED, 7);
	assert_int_equal(desk.start_count, 0);
	struct tn_target_view view;
	assert_true(tn_engine_target_view(desk.engine, 0, &view));
	assert_int_equal(view.lanes_blocked, 1);
	desk_close(&desk);
}

static void what_blocks_lanes_is_not_read_while_a_dead_letter_is_on_its_way_out(void **state)
{
	struct tn_move_item item = {.key = {1, 0}, .target_no = 1};
	struct tn_moves moves = {.move = TN_MOVE_PURGE, .token = 1, .items = &item, .count = 1};
	prepare();
	desk.limits[0].found_dead_rows = 1;
	open_with_rows(3, 1);
	assert_int_equal(tn_engine_move(desk.engine, &moves), TN_OK);
	desk_obey(&desk);
	desk_page(&desk, NULL, 0, INT64_MAX);
	assert_null(desk.scan);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_non_null(desk.scan);
	desk_close(&desk);
}

static void a_lane_without_memory_refuses_the_offer_and_nothing_else(void **state)
{
	prepare();
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 7);
	desk.lane_key = 9;
	desk.fail_after = 1; /* its block, but no lane */
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_NO_MEMORY);
	desk.fail_after = -1;
	desk_obey(&desk);
	assert_int_equal(desk_books(&desk)->matched, 1);
	offer(TN_ACK_SETTLED, 9);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

/* Up to here the lanes' rows were read: nothing is due, and the journal is empty. */
static void pass_scans(void)
{
	for (int i = 0; i < 3 && desk.scan != NULL && desk.scan->order != TN_SCAN_LANE; i++)
		desk_page(&desk, NULL, 0, TN_ROW_BEHIND_MS);
}

static struct tn_row blocker(uint64_t seq, uint32_t route_no, uint8_t key)
{
	struct tn_row row = parked(seq, 40, 0);
	row.key.route_no = route_no;
	row.state = TN_ROW_DEAD;
	row.blocks = true;
	row.lane = desk_lane(1, key);
	return row;
}

static void open_with_blockers(const struct tn_row *rows, uint32_t count)
{
	prepare();
	desk.limits[0].found_dead_rows = count;
	open_with_rows(UINT64_MAX - 1000, 1);
	desk_page(&desk, NULL, 0, INT64_MAX); /* nothing is parked */
	desk_page(&desk, rows, count, INT64_MAX);
	pass_scans();
}

static void make_move(enum tn_move move, struct tn_row_key key)
{
	uint64_t as_of;
	assert_true(tn_engine_moves_ended(desk.engine, &as_of));
	struct tn_move_item item = {.key = key, .target_no = 1};
	struct tn_moves moves = {.move = move, .token = 1, .as_of = as_of, .items = &item, .count = 1};
	assert_int_equal(tn_engine_move(desk.engine, &moves), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_OK);
}

static void release(const struct tn_row *row)
{
	make_move(TN_MOVE_RELEASE, row->key);
}

/* It comes back with the place it had in its lane. */
static struct tn_row redrive(const struct tn_row *dead)
{
	make_move(TN_MOVE_REDRIVE, dead->key);
	struct tn_row row = *dead;
	row.state = TN_ROW_PARKED;
	row.redrives = 1;
	row.last = NULL;
	row.tries.not_before_ms = desk.now_ms;
	row.rule = TN_STR("r1");
	row.target = TN_STR("t1");
	return row;
}

static struct tn_row die(uint8_t key)
{
	offer(TN_ACK_SETTLED, key);
	desk_answer(&desk, 0, TN_REJECTED);
	struct tn_row dead = *desk_row(&desk, 0);
	desk_commit(&desk, TN_COMMIT_OK);
	return dead;
}

static void of_two_blockers_found_the_first_blocks_the_lane(void **state)
{
	struct tn_row rows[] = {blocker(1, 0, 7), blocker(2, 0, 7)};
	struct tn_lane_view view[2];
	open_with_blockers(rows, 2);
	assert_int_equal(tn_engine_blocked_lanes(desk.engine, 0, view, 2), 1);
	assert_int_equal(view[0].blocked_by.event_seq, 1);
	desk_close(&desk);
}

static void blocked_lanes_are_listed_page_by_page(void **state)
{
	struct tn_row rows[] = {blocker(1, 0, 7), blocker(2, 0, 8), blocker(3, 0, 9)};
	struct tn_lane_view view[3];
	open_with_blockers(rows, 3);
	assert_int_equal(tn_engine_blocked_lanes(desk.engine, 0, view, 2), 2);
	assert_int_equal(view[1].blocked_by.event_seq, 2);
	assert_int_equal(tn_engine_blocked_lanes(desk.engine, 2, view, 3), 1);
	assert_int_equal(view[0].blocked_by.event_seq, 3);
	assert_int_equal(tn_engine_blocked_lanes(desk.engine, 3, view, 3), 0);
	desk_close(&desk);
}

static void of_blockers_whose_keys_share_a_hash_the_right_one_is_released(void **state)
{
	struct tn_row_key twin = desk_twin((struct tn_row_key){3, 1});
	struct tn_row rows[] = {blocker(3, 1, 7), blocker(twin.event_seq, twin.route_no, 8)};
	struct tn_lane_view view[2];
	for (int i = 0; i < 2; i++) {
		open_with_blockers(rows, 2);
		release(&rows[i]);
		assert_int_equal(tn_engine_blocked_lanes(desk.engine, 0, view, 2), 1);
		assert_true(view[0].blocked_by.event_seq == rows[1 - i].key.event_seq);
		desk_close(&desk);
	}
}

static void lanes_that_share_a_hash_or_a_key_are_apart(void **state)
{
	/* low ^ high * K is what they are hashed by; the third has the key of the first, at another target */
	struct tn_match matches[3] = {{.route = &desk.routes[0], .id.bytes = {1}}, {.route = &desk.routes[0], .id.bytes = {2}},
		{.route = &desk.routes[1], .id.bytes = {3}}};
	struct tn_offer offers[3];
	prepare();
	desk.limits[1].ordered = desk.routes[1].ordered = true;
	desk_open(&desk);
	for (uint64_t i = 0; i < 3; i++) {
		uint64_t high = i % 2 + 1, words[] = {high * 0x9e3779b97f4a7c15u, high};
		memcpy(matches[i].lane.bytes, words, sizeof(words));
		offers[i] = (struct tn_offer){.event = desk.event, .matches = &matches[i], .match_count = 1};
	}
	struct tn_arrival arrival = {.position = {.source = 1, .stream = 1, .epoch = 1, .low = 1}, .offers = offers, .count = 3};
	assert_int_equal(tn_engine_offer(desk.engine, &arrival), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 3);
	desk_close(&desk);
}

static void a_redriven_dead_letter_goes_before_what_was_held_at_its_place(void **state)
{
	prepare();
	desk_open(&desk);
	struct tn_row redriven = die(7);
	offer(TN_ACK_SETTLED, 7);
	uint64_t second = desk.starts[0].token;
	redriven = redrive(&redriven);
	assert_int_equal(desk.scan->order, TN_SCAN_DUE);
	desk_page(&desk, &redriven, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 0); /* the second is under way */
	desk_answer_to(&desk, second, TN_HOLD);
	tn_engine_ready(desk.engine, 1, 64);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(number_of(0), 1);
	desk_close(&desk);
}

static void a_row_of_a_lane_that_nobody_had_counted_is_attempted(void **state)
{
	struct tn_row row = parked(1, 40, 0);
	prepare();
	open_with_rows(3, 1);
	for (int i = 0; i < 3 && desk.scan->order != TN_SCAN_DUE; i++)
		desk_page(&desk, NULL, 0, INT64_MAX);
	desk_page(&desk, &row, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void a_row_that_nobody_had_counted_waits_for_what_is_before_it(void **state)
{
	struct tn_row open = parked(1, 40, 0), row = parked(2, 50, 0);
	open.state = TN_ROW_OPEN;
	prepare();
	open_with_rows(3, 2);
	for (int i = 0; i < 3 && desk.scan->state != TN_ROW_OPEN; i++)
		desk_page(&desk, NULL, 0, INT64_MAX);
	desk_page(&desk, &open, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	uint64_t first = desk.starts[0].token;
	desk_page(&desk, &row, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 0);
	desk_answer_to(&desk, first, TN_DELIVERED);
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	desk_close(&desk);
}

static void rows_of_a_lane_at_no_target_are_not_asked_for(void **state)
{
	struct tn_row row = parked(1, 40, TN_ROW_BEHIND_MS);
	row.target_no = 77;
	prepare();
	open_with_rows(3, 1);
	desk_page(&desk, &row, 1, INT64_MAX);
	pass_scans();
	assert_null(desk.scan);
	desk_close(&desk);
}

static void a_page_with_more_than_the_first_row_leaves_the_others_to_be_asked_for(void **state)
{
	struct tn_row rows[] = {parked(1, 40, TN_ROW_BEHIND_MS), parked(2, 50, TN_ROW_BEHIND_MS)};
	prepare();
	open_with_rows(3, 2);
	desk_page(&desk, rows, 2, INT64_MAX);
	pass_scans();
	desk_page(&desk, rows, 2, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->items[0].id.bytes[0], 1);
	desk_answer(&desk, 0, TN_DELIVERED);
	pass_scans();
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	assert_true(desk.scan->after_lane_seq < 50);
	desk_close(&desk);
}

static void without_a_recover_window_the_parked_rows_of_lanes_are_read_all_the_same(void **state)
{
	prepare();
	desk.config.recover_window_ms = 0;
	open_with_rows(3, 1);
	assert_int_equal(desk.scan->state, TN_ROW_PARKED);
	desk_close(&desk);
}

static void commit_all(void)
{
	while (desk.batch != NULL)
		desk_commit(&desk, TN_COMMIT_OK);
}

/* Two rows of a key, the second due much later; the target goes, the first dies, and the lane asks for the second. */
static void let_the_first_of_two_die_with_its_target(struct tn_row rows[2])
{
	prepare();
	desk.limits[0].removed = true;
	open_with_rows(3, 2);
	desk_page(&desk, rows, 2, INT64_MAX);
	pass_scans();
	desk_tick(&desk, 600000);
	commit_all();
	assert_int_equal(desk.scan->order, TN_SCAN_DUE);
	desk_page(&desk, &rows[0], 1, INT64_MAX);
	commit_all();
	assert_int_equal(desk_books(&desk)->dead, 1);
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
}

static void of_a_target_that_is_gone_for_good_a_row_dies_before_it_is_due(void **state)
{
	struct tn_row rows[] = {parked(1, 40, 0), parked(2, 50, 2000000)};
	let_the_first_of_two_die_with_its_target(rows);
	desk_page(&desk, &rows[1], 1, INT64_MAX);
	commit_all();
	assert_int_equal(desk_books(&desk)->dead, 2);
	desk_close(&desk);
}

static void a_due_row_without_memory_for_its_lane_comes_later(void **state)
{
	prepare();
	struct tn_row row = parked(1, 40, desk.now_ms);
	open_with_rows(2, 1);
	while (desk.scan->order != TN_SCAN_DUE)
		desk_page(&desk, NULL, 0, INT64_MAX);
	desk.fail_after = 0;
	desk_page(&desk, &row, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 0);
	desk.fail_after = -1;
	desk_tick(&desk, 5000);
	assert_int_equal(desk.scan->order, TN_SCAN_DUE);
	desk_page(&desk, &row, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static uint32_t lanes(void)
{
	struct tn_target_view view;
	assert_true(tn_engine_target_view(desk.engine, 0, &view));
	return view.lanes;
}

/* The breaker puts all three back: the one without a key is due again, the others wait for their lanes to ask for them. */
static void put_back_one_without_a_key_and_two_with(const struct tn_row rows[3])
{
	desk.limits[0].max_in_flight = 1;
	open_with_rows(4, 3);
	desk_page(&desk, rows + 1, 2, INT64_MAX);
	while (desk.scan->order != TN_SCAN_DUE)
		desk_page(&desk, NULL, 0, INT64_MAX);
	desk_page(&desk, rows, 3, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	uint64_t first = desk.starts[0].token;
	assert_int_equal(tn_engine_breaker(desk.engine, 1, TN_BREAKER_OPEN), TN_OK);
	desk_obey(&desk);
	desk_answer_to(&desk, first, TN_HOLD);
	tn_engine_ready(desk.engine, 1, 1);
	assert_int_equal(tn_engine_breaker(desk.engine, 1, TN_BREAKER_CLOSED), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk_books(&desk)->parked, 3);
}

static void a_lane_stays_while_its_rows_are_being_read_though_nothing_of_it_is_left(void **state)
{
	prepare();
	uint64_t seq = (uint64_t)(desk.now_ms + 1000) << 20; /* of this run: its rows are counted */
	struct tn_row rows[] = {parked(1, 0, desk.now_ms), parked(2, seq, desk.now_ms), parked(3, seq + 1, desk.now_ms)};
	rows[0].lane = (struct tn_id){0};
	rows[2].lane = desk_lane(1, 8);
	put_back_one_without_a_key_and_two_with(rows);
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	desk_page(&desk, &rows[1], 1, INT64_MAX);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(lanes(), 1);
	assert_int_equal(desk.scan->order, TN_SCAN_DUE);
	desk_page(&desk, &rows[2], 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.scan->order, TN_SCAN_LANE); /* it had asked for what that page brought */
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(lanes(), 1);
	desk_page(&desk, NULL, 0, INT64_MAX);
	assert_int_equal(lanes(), 0);
	desk_close(&desk);
}

static void rows_whose_rule_may_come_back_are_asked_for_when_the_grace_is_over_key_by_key(void **state)
{
	struct tn_row rows[] = {parked(1, 40, TN_ROW_BEHIND_MS), parked(2, 50, TN_ROW_BEHIND_MS)};
	const struct tn_str rule = rows[0].rule;
	prepare();
	rows[1].lane = desk_lane(1, 8);
	rows[0].rule = rows[1].rule = (struct tn_str){0};
	open_with_rows(3, 2);
	desk_reload(&desk); /* other rules */
	desk_page(&desk, rows, 2, INT64_MAX);
	for (int i = 0; i < 2; i++) {
		pass_scans();
		assert_int_equal(desk.scan->order, TN_SCAN_LANE);
		desk_page(&desk, &rows[i], 1, INT64_MAX);
	}
	assert_int_equal(desk.start_count, 0);
	assert_null(desk.scan);
	desk_tick(&desk, desk.removal_grace_ms);
	for (int i = 0; i < 2; i++) {
		rows[i].rule = rule; /* it is back */
		pass_scans();
		assert_int_equal(desk.scan->order, TN_SCAN_LANE);
		desk_page(&desk, &rows[i], 1, INT64_MAX);
		assert_int_equal(desk.start_count, 1);
	}
	desk_close(&desk);
}

static void a_row_that_has_a_time_of_its_own_is_not_taken_before_it(void **state)
{
	prepare();
	struct tn_row rows[] = {parked(1, 40, desk.now_ms), parked(2, 50, desk.now_ms + 60000)};
	open_with_rows(3, 2);
	desk_page(&desk, rows, 2, INT64_MAX);
	for (int i = 0; i < 3 && desk.scan->order != TN_SCAN_DUE; i++)
		desk_page(&desk, NULL, 0, INT64_MAX);
	desk_page(&desk, &rows[0], 1, desk.now_ms + 60000);
	assert_int_equal(desk.start_count, 1);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	desk_page(&desk, &rows[1], 1, INT64_MAX);
	assert_int_equal(desk.start_count, 0);
	assert_null(desk.scan); /* it is not asked for again and again */
	desk_tick(&desk, 60000);
	assert_int_equal(desk.scan->order, TN_SCAN_DUE);
	desk_page(&desk, &rows[1], 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void a_drain_parks_what_waits_for_its_retry_with_the_time_of_that_though_another_comes_before_it(void **state)
{
	prepare();
	desk.policy.system.base_ms = 5000;
	desk_open(&desk);
	struct tn_row dead = die(7);
	offer(TN_ACK_SETTLED, 7);
	desk_answer(&desk, 0, TN_RETRY);
	int64_t retry_ms = desk_row(&desk, 0)->tries.not_before_ms;
	desk_commit(&desk, TN_COMMIT_OK);
	struct tn_row row = redrive(&dead);
	desk_page(&desk, &row, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	tn_engine_drain(desk.engine, 10000);
	desk_obey(&desk);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	assert_true(desk_row(&desk, 0)->tries.not_before_ms == retry_ms);
	desk_close(&desk);
}

static void what_a_drain_parks_it_parks_again_when_the_store_refuses(void **state)
{
	prepare();
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 7);
	desk_answer(&desk, 0, TN_RETRY);
	desk_commit(&desk, TN_COMMIT_OK);
	offer(TN_ACK_SETTLED, 7);
	tn_engine_drain(desk.engine, 10000);
	desk_obey(&desk);
	assert_int_equal(desk.answers[0].kind, TN_RELEASE); /* the second: nothing was done for it */
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	desk_tick(&desk, 200);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.answers[0].kind, TN_ACK);
	assert_true(desk.drained);
	desk_close(&desk);
}

static void a_loaded_row_goes_back_unwritten_when_one_before_it_is_parked(void **state)
{
	prepare();
	desk.limits[0].max_in_flight = 1;
	desk.policy.system.base_ms = 60000;
	desk_open(&desk);
	struct tn_row first = die(7), second = die(7);
	offer(TN_ACK_SETTLED, 8); /* has the only place */
	uint64_t other = desk.starts[0].token;
	second = redrive(&second);
	desk_page(&desk, &second, 1, INT64_MAX);
	first = redrive(&first);
	desk_page(&desk, &first, 1, INT64_MAX);
	desk_answer_to(&desk, other, TN_DELIVERED);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(number_of(0), 1);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 1);
	assert_int_equal(desk_row(&desk, 0)->key.event_seq, first.key.event_seq);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 0);
	assert_int_equal(desk_books(&desk)->parked, 2);
	assert_int_equal(desk.start_count, 0);
	desk_close(&desk);
}

static void a_due_row_of_a_blocked_key_waits(void **state)
{
	prepare();
	struct tn_row dead = blocker(1, 0, 7), row = parked(2, 50, desk.now_ms + 1000);
	desk.limits[0].found_dead_rows = 1;
	open_with_rows(3, 1);
	desk_page(&desk, NULL, 0, INT64_MAX); /* nobody had counted it */
	desk_page(&desk, &dead, 1, INT64_MAX);
	desk_page(&desk, NULL, 0, INT64_MAX); /* the journal */
	desk_page(&desk, NULL, 0, desk.now_ms + 1000);
	desk_tick(&desk, 1000);
	assert_int_equal(desk.scan->order, TN_SCAN_DUE);
	desk_page(&desk, &row, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 0);
	release(&dead);
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	desk_page(&desk, &row, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void what_was_parked_while_its_lane_was_read_is_asked_for_next(void **state)
{
	struct tn_row row = parked(1, 40, TN_ROW_BEHIND_MS);
	prepare();
	open_with_rows(3, 1);
	desk_page(&desk, &row, 1, INT64_MAX);
	pass_scans();
	assert_int_equal(desk.scan->order, TN_SCAN_LANE); /* the row is purged meanwhile */
	offer(TN_ACK_SETTLED, 7);
	assert_int_equal(desk.start_count, 0);
	desk_tick(&desk, 15000);
	struct tn_row later = *desk_row(&desk, 0);
	assert_int_equal(later.state, TN_ROW_PARKED);
	later.rule = TN_STR("r1");
	later.target = TN_STR("t1");
	later.last = NULL;
	desk_commit(&desk, TN_COMMIT_OK);
	desk_page(&desk, &later, 1, INT64_MAX); /* read after it was written */
	assert_int_equal(desk.start_count, 0);
	pass_scans();
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	assert_true(desk.scan->after_lane_seq < later.lane_seq);
	desk_page(&desk, &later, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(number_of(0), 1);
	desk_close(&desk);
}

/* A lane's page was asked for; then one was parked in that lane. Answers a row of a later place, which the page shows. */
static struct tn_row park_while_page_is_read(uint64_t *out_lane_seq)
{
	struct tn_row gone = parked(1, 40, TN_ROW_BEHIND_MS);
	prepare();
	open_with_rows(3, 1);
	desk_page(&desk, &gone, 1, INT64_MAX);
	pass_scans();
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	struct tn_row later = parked(90, ((uint64_t)desk.now_ms + 5) << 20, TN_ROW_BEHIND_MS);
	offer(TN_ACK_SETTLED, 7);
	desk_tick(&desk, 15000);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	*out_lane_seq = desk_row(&desk, 0)->lane_seq;
	assert_true(*out_lane_seq < later.lane_seq);
	desk_commit(&desk, TN_COMMIT_OK);
	return later;
}

static void a_row_is_not_taken_from_a_page_that_was_read_before_another_was_parked_before_it(void **state)
{
	uint64_t lane_seq;
	struct tn_row later = park_while_page_is_read(&lane_seq);
	desk_page(&desk, &later, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 0);
	pass_scans();
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	assert_true(desk.scan->after_lane_seq < lane_seq);
	desk_close(&desk);
}

static void it_is_taken_when_its_target_orders_no_more(void **state)
{
	uint64_t lane_seq;
	struct tn_row later = park_while_page_is_read(&lane_seq);
	desk.limits[0].ordered = false;
	desk_reload(&desk);
	desk_page(&desk, &later, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void at_a_target_that_was_given_up_a_dead_letter_blocks_nothing(void **state)
{
	prepare();
	desk.policy.block_exhausted = true;
	desk.limits[0].timeout_ms = 3600000;
	desk.removal_grace_ms = 1000;
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 7);
	uint64_t under_way = desk.starts[0].token;
	desk.limits[0].removed = true;
	desk_reload(&desk);
	desk_tick(&desk, 1000);
	desk_answer_to(&desk, under_way, TN_REJECTED);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	assert_false(desk_row(&desk, 0)->blocks);
	desk_close(&desk);
}

static void of_a_target_that_is_gone_for_good_a_row_dies_though_its_rule_may_come_back(void **state)
{
	struct tn_row rows[] = {parked(1, 40, 0), parked(2, 50, 2000000)};
	let_the_first_of_two_die_with_its_target(rows);
	desk_reload(&desk); /* other rules */
	rows[1].rule = (struct tn_str){0};
	desk_page(&desk, &rows[1], 1, INT64_MAX);
	commit_all();
	assert_int_equal(desk_books(&desk)->dead, 2);
	desk_close(&desk);
}

static void what_is_too_old_when_its_turn_comes_is_dropped_and_its_lane_is_gone(void **state)
{
	prepare();
	desk.policy.max_age_ms = 500;
	desk.policy.drop_exhausted = true;
	desk_open(&desk);
	offer(TN_ACK_SETTLED, 7);
	uint64_t first = desk.starts[0].token;
	offer(TN_ACK_SETTLED, 7);
	desk_tick(&desk, 1000);
	desk_answer_to(&desk, first, TN_DELIVERED);
	assert_int_equal(desk_books(&desk)->dropped, 1);
	assert_int_equal(lanes(), 0);
	desk_close(&desk);
}

/* Its rows are read to be given up. */
static void a_blocked_lane_of_a_target_that_comes_back_while_it_is_read_stays_blocked(void **state)
{
	struct tn_row dead = blocker(1, 0, 7), behind = parked(2, 50, TN_ROW_BEHIND_MS);
	prepare();
	desk.limits[0].found_dead_rows = 1;
	desk.removal_grace_ms = 1000;
	open_with_rows(3, 1);
	desk_page(&desk, &behind, 1, INT64_MAX);
	desk_page(&desk, &dead, 1, INT64_MAX);
	desk_page(&desk, NULL, 0, INT64_MAX); /* the journal */
	pass_scans();
	assert_null(desk.scan);
	desk.limits[0].removed = true;
	desk_reload(&desk);
	desk_tick(&desk, 1000);
	for (int i = 0; i < 3 && desk.scan->order != TN_SCAN_LANE; i++)
		desk_page(&desk, NULL, 0, INT64_MAX);
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	desk.limits[0].removed = false;
	desk_reload(&desk);
	desk_page(&desk, &behind, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(desk_books(&desk)->parked, 1);
	pass_scans();
	assert_null(desk.scan);
	release(&dead);
	assert_int_equal(desk.scan->order, TN_SCAN_LANE);
	desk_page(&desk, &behind, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_one_key_the_next_starts_when_the_one_before_is_delivered),
		cmocka_unit_test(events_without_a_key_do_not_wait),
		cmocka_unit_test(a_failing_first_one_blocks_its_own_key_only),
		cmocka_unit_test(a_batch_takes_one_of_each_key_and_the_next_of_one_that_failed_waits),
		cmocka_unit_test(a_dead_letter_lets_the_next_go_on_once_it_is_durable),
		cmocka_unit_test(a_cancelled_attempt_keeps_its_lane_till_it_is_answered_or_five_seconds_are_over),
		cmocka_unit_test(what_waits_behind_a_parked_one_is_parked_far_away_and_asked_for_in_its_turn),
		cmocka_unit_test(rows_of_a_lane_come_back_in_order_after_a_restart),
		cmocka_unit_test(a_place_in_a_lane_is_above_all_of_the_run_before),
		cmocka_unit_test(what_only_its_source_has_is_not_overtaken_by_a_row),
		cmocka_unit_test(a_row_in_doubt_is_parked_although_what_the_journal_has_before_it_is_not),
		cmocka_unit_test(what_may_move_to_another_process_is_held_and_given_back_by_a_drain),
		cmocka_unit_test(a_blocked_lane_stands_until_it_is_released),
		cmocka_unit_test(a_redriven_blocker_comes_before_those_it_blocked),
		cmocka_unit_test(what_takes_the_place_of_a_blocker_comes_first_where_it_has_its_place),
		cmocka_unit_test(a_lane_is_blocked_over_a_restart),
		cmocka_unit_test(a_due_row_without_memory_for_its_lane_comes_later),
		cmocka_unit_test(a_lane_stays_while_its_rows_are_being_read_though_nothing_of_it_is_left),
		cmocka_unit_test(what_blocks_lanes_is_not_read_while_a_dead_letter_is_on_its_way_out),
		cmocka_unit_test(a_lane_without_memory_refuses_the_offer_and_nothing_else),
		cmocka_unit_test(of_two_blockers_found_the_first_blocks_the_lane),
		cmocka_unit_test(blocked_lanes_are_listed_page_by_page),
		cmocka_unit_test(of_blockers_whose_keys_share_a_hash_the_right_one_is_released),
		cmocka_unit_test(lanes_that_share_a_hash_or_a_key_are_apart),
		cmocka_unit_test(a_redriven_dead_letter_goes_before_what_was_held_at_its_place),
		cmocka_unit_test(a_row_of_a_lane_that_nobody_had_counted_is_attempted),
		cmocka_unit_test(a_row_that_nobody_had_counted_waits_for_what_is_before_it),
		cmocka_unit_test(rows_of_a_lane_at_no_target_are_not_asked_for),
		cmocka_unit_test(a_page_with_more_than_the_first_row_leaves_the_others_to_be_asked_for),
		cmocka_unit_test(without_a_recover_window_the_parked_rows_of_lanes_are_read_all_the_same),
		cmocka_unit_test(of_a_target_that_is_gone_for_good_a_row_dies_before_it_is_due),
		cmocka_unit_test(rows_whose_rule_may_come_back_are_asked_for_when_the_grace_is_over_key_by_key),
		cmocka_unit_test(a_row_that_has_a_time_of_its_own_is_not_taken_before_it),
		cmocka_unit_test(a_drain_parks_what_waits_for_its_retry_with_the_time_of_that_though_another_comes_before_it),
		cmocka_unit_test(what_a_drain_parks_it_parks_again_when_the_store_refuses),
		cmocka_unit_test(a_loaded_row_goes_back_unwritten_when_one_before_it_is_parked),
		cmocka_unit_test(a_due_row_of_a_blocked_key_waits),
		cmocka_unit_test(what_was_parked_while_its_lane_was_read_is_asked_for_next),
		cmocka_unit_test(a_row_is_not_taken_from_a_page_that_was_read_before_another_was_parked_before_it),
		cmocka_unit_test(it_is_taken_when_its_target_orders_no_more),
		cmocka_unit_test(at_a_target_that_was_given_up_a_dead_letter_blocks_nothing),
		cmocka_unit_test(of_a_target_that_is_gone_for_good_a_row_dies_though_its_rule_may_come_back),
		cmocka_unit_test(what_is_too_old_when_its_turn_comes_is_dropped_and_its_lane_is_gone),
		cmocka_unit_test(a_blocked_lane_of_a_target_that_comes_back_while_it_is_read_stays_blocked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
