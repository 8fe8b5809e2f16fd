/* SPDX-License-Identifier: Apache-2.0
 *
 * test_moves.c - what an operator does to dead letters, what is said of its end, and how many of them a target may have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;

static enum tn_status move(enum tn_move move, const struct tn_move_item *items, uint32_t count)
{
	struct tn_moves moves = {.move = move, .token = 7, .items = items, .count = count};
	tn_engine_moves_ended(desk.engine, &moves.as_of);
	return tn_engine_move(desk.engine, &moves);
}

static const struct tn_move_item letter = {.key = {5, 0}, .target_no = 1, .bytes = 1000};

static void a_redrive_parks_the_row_due_now_and_closes_the_books(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(move(TN_MOVE_REDRIVE, &letter, 1), TN_OK);
	assert_int_equal(move(TN_MOVE_REDRIVE, &letter, 1), TN_FULL);
	desk_obey(&desk);
	assert_int_equal(desk_ops(&desk, TN_REDRIVE_ROW), 1);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.moved_token, 7);
	assert_int_equal(desk.moved, 1);
	assert_int_equal(desk_books(&desk)->redriven, 1);
	assert_int_equal(desk_books(&desk)->parked, 1);
	assert_non_null(desk.scan);
	assert_int_equal(desk.scan->target_no, 1);
	desk_close(&desk);
}

static void a_redrive_to_nobody_is_refused(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	struct tn_move_item item = {.key = {5, 0}, .target_no = 77};
	assert_int_equal(move(TN_MOVE_REDRIVE, &item, 1), TN_NOT_FOUND);
	assert_int_equal(move(TN_MOVE_PURGE, &item, 1), TN_OK);
	desk_close(&desk);
}

static void none_and_too_many_are_refused(void **state)
{
	static struct tn_move_item items[TN_MOVES_MAX + 1];
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(move(TN_MOVE_PURGE, items, 0), TN_TOO_LARGE);
	assert_int_equal(move(TN_MOVE_PURGE, items, TN_MOVES_MAX + 1), TN_TOO_LARGE);
	desk_close(&desk);
}

static void what_was_read_before_another_move_ended_is_refused(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	uint64_t before;
	assert_true(tn_engine_moves_ended(desk.engine, &before));
	assert_int_equal(move(TN_MOVE_REDRIVE, &letter, 1), TN_OK);
	uint64_t ended;
	assert_false(tn_engine_moves_ended(desk.engine, &ended));
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_true(tn_engine_moves_ended(desk.engine, &ended));
	struct tn_moves again = {.move = TN_MOVE_REDRIVE, .as_of = before, .items = &letter, .count = 1};
	assert_int_equal(tn_engine_move(desk.engine, &again), TN_FULL);
	assert_int_equal(desk_books(&desk)->redriven, 1);
	desk_close(&desk);
}

static void a_full_store_is_said_to_have_moved_none(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(move(TN_MOVE_REDRIVE, &letter, 1), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.moved_token, 7);
	assert_int_equal(desk.moved, 0);
	assert_int_equal(desk_books(&desk)->redriven, 0);
	assert_int_equal(move(TN_MOVE_PURGE, &letter, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk_ops(&desk, TN_PURGE_ROW), 1); /* a purge does not wait with what asks for room */
	desk_close(&desk);
}

static uint32_t moved_in_batch(void)
{
	return desk_ops(&desk, TN_REDRIVE_ROW);
}

static void move_many(uint32_t count)
{
	static struct tn_move_item items[TN_MOVES_MAX];
	desk_init(&desk);
	desk_open(&desk);
	for (uint32_t i = 0; i < count; i++)
		items[i] = (struct tn_move_item){.key = {100 + i, 0}, .target_no = 1, .bytes = 10};
	assert_int_equal(move(TN_MOVE_REDRIVE, items, count), TN_OK);
	desk_obey(&desk);
	assert_int_equal(moved_in_batch(), count);
}

/* Past any pause; what was moved is asked for, and not there yet. The next part is out. */
static void wait_for_a_part(void)
{
	desk_tick(&desk, 6000);
	if (desk.scan != NULL)
		desk_page(&desk, NULL, 0, INT64_MAX);
	if (desk.batch != NULL && moved_in_batch() == 0) /* it only says that we live */
		desk_commit(&desk, TN_COMMIT_OK);
}

static void refuse(void)
{
	desk_commit(&desk, TN_COMMIT_REFUSED);
	wait_for_a_part();
}

static void take_all(void)
{
	while (desk.moved_token == 0) {
		if (desk.batch == NULL)
			wait_for_a_part();
		desk_commit(&desk, TN_COMMIT_OK);
	}
}

static void what_does_not_fit_into_a_full_store_goes_by_fewer_at_once(void **state)
{
	move_many(80);
	refuse();
	assert_int_equal(moved_in_batch(), 10);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(moved_in_batch(), 20); /* there is room again */
	assert_int_equal(desk_books(&desk)->redriven, 10);
	refuse();
	assert_int_equal(moved_in_batch(), 3);
	take_all();
	assert_int_equal(desk.moved, 80);
	assert_int_equal(desk_books(&desk)->redriven, 80);
	desk_close(&desk);
}

static void a_store_that_takes_not_even_one_has_moved_none(void **state)
{
	move_many(9);
	refuse();
	assert_int_equal(moved_in_batch(), 2);
	refuse();
	assert_int_equal(moved_in_batch(), 1);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.moved_token, 7);
	assert_int_equal(desk.moved, 0);
	assert_int_equal(desk_books(&desk)->redriven, 0);
	desk_close(&desk);
}

static void once_some_have_moved_the_others_follow_as_soon_as_there_is_room(void **state)
{
	move_many(16);
	refuse();
	desk_commit(&desk, TN_COMMIT_OK);
	for (int i = 0; i < 6; i++)
		refuse();
	assert_int_equal(desk.moved_token, 0);
	assert_int_equal(moved_in_batch(), 1);
	take_all();
	assert_int_equal(desk.moved, 16);
	desk_close(&desk);
}

static void moves_in_doubt_are_repeated_until_they_are_durable(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(move(TN_MOVE_REDRIVE, &letter, 1), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_UNKNOWN);
	desk_tick(&desk, 100);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.moved_token, 0);
	desk_tick(&desk, 200);
	assert_int_equal(desk_ops(&desk, TN_REDRIVE_ROW), 1);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.moved, 1);
	desk_close(&desk);
}

static void inserted_dead_letters_get_keys_of_their_own(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	struct tn_row rows[2] = {{.state = TN_ROW_DEAD, .target_no = 1}, {.state = TN_ROW_DEAD, .target_no = 2}};
	struct tn_move_item items[2] = {{.target_no = 1, .row = &rows[0], .event = desk.event, .bytes = 600},
		{.target_no = 2, .row = &rows[1], .event = desk.event, .bytes = 700}};
	assert_int_equal(move(TN_MOVE_INSERT, items, 2), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk_ops(&desk, TN_PUT_EVENT), 2);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 2);
	assert_int_equal(desk_row(&desk, 1)->key.event_seq, desk_row(&desk, 0)->key.event_seq + 1);
	assert_true(desk.batch->next_seq > desk_row(&desk, 1)->key.event_seq);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.moved, 2);
	struct tn_target_view view;
	assert_true(tn_engine_target_view(desk.engine, 1, &view));
	assert_int_equal(view.dead_rows, 1);
	assert_int_equal(view.dead_bytes, 700);
	desk_close(&desk);
}

static void letters_whose_commit_is_unknown_keep_the_keys_they_have(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	struct tn_row row = {.state = TN_ROW_DEAD, .target_no = 1};
	struct tn_move_item item = {.target_no = 1, .row = &row, .event = desk.event, .bytes = 600};
	assert_int_equal(move(TN_MOVE_INSERT, &item, 1), TN_OK);
	desk_obey(&desk);
	uint64_t seq = desk_row(&desk, 0)->key.event_seq;
	desk_commit(&desk, TN_COMMIT_UNKNOWN);
	desk_tick(&desk, 100);
	desk_commit(&desk, TN_COMMIT_REFUSED); /* of the last try only: the first may have been applied */
	desk_tick(&desk, 5000);
	desk_commit(&desk, TN_COMMIT_REFUSED); /* it still may */
	assert_int_equal(desk.moved_token, 0);
	desk_tick(&desk, 5000);
	assert_int_equal(desk_row(&desk, 0)->key.event_seq, seq);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.moved, 1);
	desk_close(&desk);
}

/* --- Dead letters that go elsewhere --- */

static struct tn_row resent[3];

/* Of letter: to t1 and t2. */
static struct tn_move_item resend_item(void)
{
	for (uint32_t i = 0; i < 3; i++)
		resent[i] = (struct tn_row){.state = TN_ROW_PARKED,
		        .rule = TN_STR("r1"),
		        .target = TN_STR("t1"),
		        .target_no = i + 1,
		        .redrives = 1};
	struct tn_move_item item = letter;
	item.row = resent;
	item.row_count = 2;
	item.event = desk.event;
	return item;
}

static void a_resend_puts_rows_and_takes_the_letter_away_in_one_batch(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	struct tn_move_item item = resend_item();
	assert_int_equal(move(TN_MOVE_RESEND, &item, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk_ops(&desk, TN_PUT_EVENT), 1);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 2);
	assert_int_equal(desk_ops(&desk, TN_PURGE_ROW), 1);
	const struct tn_row *row = desk_row(&desk, 1);
	assert_int_equal(row->key.event_seq, desk_row(&desk, 0)->key.event_seq);
	assert_int_equal(row->key.route_no, 1);
	assert_int_equal(row->tries.not_before_ms, desk.now_ms);
	assert_int_equal(row->tries.accepted_ms, desk.now_ms);
	assert_int_equal(row->lane_seq, 0);
	assert_true(desk.batch->next_seq > row->key.event_seq);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.moved, 1);
	assert_int_equal(desk_books(&desk)->redriven, 2);
	assert_int_equal(desk_books(&desk)->parked, 2);
	assert_non_null(desk.scan);
	desk_close(&desk);
}

static void a_resend_to_nobody_or_too_many_is_refused(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	struct tn_move_item item = resend_item();
	resent[1].target_no = 77;
	assert_int_equal(move(TN_MOVE_RESEND, &item, 1), TN_NOT_FOUND);
	item.row_count = TN_MOVES_OPS - 1;
	assert_int_equal(move(TN_MOVE_RESEND, &item, 1), TN_TOO_LARGE);
	desk_close(&desk);
}

static void a_resend_in_doubt_keeps_the_keys_it_has(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	struct tn_move_item item = resend_item();
	resent[0].lane = desk_lane(1, 1);
	assert_int_equal(move(TN_MOVE_RESEND, &item, 1), TN_OK);
	desk_obey(&desk);
	uint64_t seq = desk_row(&desk, 0)->key.event_seq, lane_seq = desk_row(&desk, 0)->lane_seq;
	assert_true(lane_seq > 0);
	desk_commit(&desk, TN_COMMIT_UNKNOWN);
	desk_tick(&desk, 100);
	desk_commit(&desk, TN_COMMIT_REFUSED); /* of the last try only: the first may have been applied */
	desk_tick(&desk, 5000);
	assert_int_equal(desk_row(&desk, 0)->key.event_seq, seq);
	assert_int_equal(desk_row(&desk, 0)->lane_seq, lane_seq);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.moved, 1);
	assert_int_equal(desk_books(&desk)->parked, 2);
	desk_close(&desk);
}

static void a_full_store_leaves_a_letter_that_was_to_go_elsewhere(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	struct tn_move_item item = resend_item();
	assert_int_equal(move(TN_MOVE_RESEND, &item, 1), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.moved_token, 7);
	assert_int_equal(desk.moved, 0);
	assert_int_equal(desk_books(&desk)->parked, 0);
	desk_close(&desk);
}

static void due_rows_are_not_read_while_a_redrive_may_have_been_made(void **state)
{
	desk_init(&desk);
	desk.config.recover = true;
	desk.config.store_rows = 1;
	desk.limits[0].found_parked = 1;
	desk_open(&desk);
	for (int i = 0; i < 3; i++)
		desk_page(&desk, NULL, 0, INT64_MAX);
	desk_page(&desk, NULL, 0, desk.now_ms + 150); /* its row is due then */
	assert_int_equal(move(TN_MOVE_REDRIVE, &letter, 1), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_UNKNOWN);
	desk_tick(&desk, 100);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	desk_tick(&desk, 60); /* the row is due, and the move waits to go again */
	assert_null(desk.batch);
	assert_null(desk.scan);
	desk_tick(&desk, 5000);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_non_null(desk.scan);
	desk_close(&desk);
}

static void a_move_ends_when_its_end_was_said(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	uint64_t ended;
	assert_int_equal(move(TN_MOVE_PURGE, &letter, 1), TN_OK);
	desk_obey(&desk);
	assert_false(tn_engine_moves_ended(desk.engine, &ended));
	tn_engine_stored(desk.engine, desk.batch->number, TN_COMMIT_OK);
	desk.batch = NULL;
	assert_false(tn_engine_moves_ended(desk.engine, &ended));
	desk_obey(&desk);
	assert_true(tn_engine_moves_ended(desk.engine, &ended));
	desk_close(&desk);
}

static void bytes_nobody_had_counted_are_not_counted_off(void **state)
{
	desk_init(&desk);
	desk.limits[0].found_dead_rows = 2;
	desk.limits[0].found_dead_bytes = 10; /* less than the one that goes has */
	desk_open(&desk);
	assert_int_equal(move(TN_MOVE_PURGE, &letter, 1), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_OK);
	struct tn_target_view view;
	assert_true(tn_engine_target_view(desk.engine, 0, &view));
	assert_int_equal(view.dead_rows, 1);
	assert_int_equal(view.dead_bytes, 0);
	desk_close(&desk);
}

/* --- Caps --- */

static void bury_one(void)
{
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer(&desk, 0, TN_REJECTED);
	desk_commit(&desk, TN_COMMIT_OK);
}

static void a_target_with_all_its_dead_letters_rests_until_one_goes(void **state)
{
	desk_init(&desk);
	desk.limits[0].dead_max_bytes = 1;
	desk.limits[0].queue = TN_STR("urgent");
	desk_open(&desk);
	assert_true(tn_engine_target_open(desk.engine, 1));
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer(&desk, 0, TN_REJECTED);
	assert_true(tn_str_is(desk_row(&desk, 0)->queue, "urgent"));
	struct tn_row_key key = desk_row(&desk, 0)->key;
	desk_commit(&desk, TN_COMMIT_OK);
	assert_false(tn_engine_target_open(desk.engine, 1));
	struct tn_target_view view;
	assert_true(tn_engine_target_view(desk.engine, 0, &view));
	assert_true(view.dead_full);
	assert_string_equal(view.pause_code, "DEAD_LETTERS_FULL");

	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 0);
	struct tn_move_item item = {.key = key, .target_no = 1, .bytes = view.dead_bytes};
	assert_int_equal(move(TN_MOVE_PURGE, &item, 1), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.start_count, 1);
	assert_true(tn_engine_target_open(desk.engine, 1));
	desk_close(&desk);
}

static void dropping_the_oldest_is_left_to_the_host(void **state)
{
	desk_init(&desk);
	desk.limits[0].dead_max_bytes = 1;
	desk.limits[0].dead_overflow = TN_DEAD_DROP_OLDEST;
	desk_open(&desk);
	bury_one();
	assert_true(tn_engine_target_open(desk.engine, 1));
	desk_close(&desk);
}

static void dead_letters_found_at_start_count(void **state)
{
	desk_init(&desk);
	desk.limits[0].dead_max_bytes = 5000;
	desk.limits[0].found_dead_rows = 3;
	desk.limits[0].found_dead_bytes = 5000;
	desk_open(&desk);
	assert_false(tn_engine_target_open(desk.engine, 1));
	desk_close(&desk);
}

/* --- What became of redriven ones --- */

static void load_redriven(void)
{
	struct tn_row row = {.key = {5, 0}, .state = TN_ROW_PARKED, .rule = TN_STR("r1"), .target = TN_STR("t1"), .target_no = 1,
		.redrives = 1, .tries = {.accepted_ms = desk.now_ms, .not_before_ms = desk.now_ms}};
	assert_int_equal(move(TN_MOVE_REDRIVE, &letter, 1), TN_OK);
	desk_obey(&desk);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_page(&desk, &row, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
}

static void the_first_attempt_of_a_redriven_one_is_counted(void **state)
{
	struct tn_target_view view;
	desk_init(&desk);
	desk_open(&desk);
	load_redriven();
	desk_answer(&desk, 0, TN_RETRY);
	assert_true(tn_engine_target_view(desk.engine, 0, &view));
	assert_int_equal(view.redriven, 1);
	assert_int_equal(view.redrive_failed, 1);
	assert_int_equal(view.redrive_delivered, 0);
	desk_close(&desk);
}

static void a_redriven_one_that_is_delivered_is_counted(void **state)
{
	struct tn_target_view view;
	desk_init(&desk);
	desk_open(&desk);
	load_redriven();
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_true(tn_engine_target_view(desk.engine, 0, &view));
	assert_int_equal(view.redrive_failed, 0);
	assert_int_equal(view.redrive_delivered, 1);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(due_rows_are_not_read_while_a_redrive_may_have_been_made),
		cmocka_unit_test(a_resend_puts_rows_and_takes_the_letter_away_in_one_batch),
		cmocka_unit_test(a_resend_to_nobody_or_too_many_is_refused),
		cmocka_unit_test(a_resend_in_doubt_keeps_the_keys_it_has),
		cmocka_unit_test(a_full_store_leaves_a_letter_that_was_to_go_elsewhere),
		cmocka_unit_test(letters_whose_commit_is_unknown_keep_the_keys_they_have),
		cmocka_unit_test(a_move_ends_when_its_end_was_said),
		cmocka_unit_test(bytes_nobody_had_counted_are_not_counted_off),
		cmocka_unit_test(a_redrive_parks_the_row_due_now_and_closes_the_books),
		cmocka_unit_test(a_redrive_to_nobody_is_refused),
		cmocka_unit_test(none_and_too_many_are_refused),
		cmocka_unit_test(what_was_read_before_another_move_ended_is_refused),
		cmocka_unit_test(a_full_store_is_said_to_have_moved_none),
		cmocka_unit_test(what_does_not_fit_into_a_full_store_goes_by_fewer_at_once),
		cmocka_unit_test(a_store_that_takes_not_even_one_has_moved_none),
		cmocka_unit_test(once_some_have_moved_the_others_follow_as_soon_as_there_is_room),
		cmocka_unit_test(moves_in_doubt_are_repeated_until_they_are_durable),
		cmocka_unit_test(inserted_dead_letters_get_keys_of_their_own),
		cmocka_unit_test(a_target_with_all_its_dead_letters_rests_until_one_goes),
		cmocka_unit_test(dropping_the_oldest_is_left_to_the_host),
		cmocka_unit_test(dead_letters_found_at_start_count),
		cmocka_unit_test(the_first_attempt_of_a_redriven_one_is_counted),
		cmocka_unit_test(a_redriven_one_that_is_delivered_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
