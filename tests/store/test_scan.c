/* SPDX-License-Identifier: Apache-2.0
 *
 * test_scan.c - pages of rows: order, bounds, and going on from where one ended.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

static int set_up(void **state)
{
	*state = fixture_new(16 * MIB);
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(*state);
	return 0;
}

static void put_with_event(struct fixture *fixture, uint64_t seq, uint32_t routes, size_t event_bytes)
{
	struct tn_event *event = make_event(seq, event_bytes);
	struct tn_row rows[8];
	struct tn_op ops[9] = {op_event(seq, event)};
	for (uint32_t i = 0; i < routes; i++) {
		rows[i] = make_row(seq, i, TN_ROW_OPEN, 1, 0);
		ops[i + 1] = op_put(&rows[i]);
	}
	assert_int_equal(apply(fixture, ops, routes + 1), TN_COMMIT_OK);
	tn_event_unref(event);
}

static void rows_come_in_the_order_of_their_keys(void **state)
{
	put(*state, make_row(300, 0, TN_ROW_DEAD, 1, 0));
	put(*state, make_row(2, 0, TN_ROW_DEAD, 1, 0));
	put(*state, make_row(70000, 0, TN_ROW_DEAD, 1, 0));
	put(*state, make_row(300, 2, TN_ROW_DEAD, 1, 0));
	struct tn_page page = scan(*state, scan_state(TN_ROW_DEAD));
	assert_int_equal(page.count, 4);
	for (uint32_t i = 0; i + 1 < page.count; i++)
		assert_true(tn_row_key_compare(&page.rows[i].key, &page.rows[i + 1].key) < 0);
	tn_page_fini(&page);
}

static void a_scan_goes_on_after_the_last_row_of_the_page_before(void **state)
{
	struct tn_scan what = scan_state(TN_ROW_OPEN);
	struct tn_page page;
	uint64_t seen = 0;
	bool last = false;
	for (uint64_t seq = 1; seq <= 7; seq++)
		put(*state, make_row(seq, 0, TN_ROW_OPEN, 1, 0));
	what.max_rows = 3;
	for (unsigned pages = 0; !last; pages++) {
		page = scan(*state, what);
		assert_true(pages < 3 && page.count > 0);
		for (uint32_t i = 0; i < page.count; i++)
			assert_int_equal(page.rows[i].key.event_seq, ++seen);
		what.after = page.rows[page.count - 1].key;
		last = page.last;
		tn_page_fini(&page);
	}
	assert_int_equal(seen, 7);
}

static void a_page_that_ends_with_the_last_row_says_so(void **state)
{
	struct tn_scan what = scan_state(TN_ROW_OPEN);
	for (uint64_t seq = 1; seq <= 3; seq++)
		put(*state, make_row(seq, 0, TN_ROW_OPEN, 1, 0));
	what.max_rows = 3;
	struct tn_page page = scan(*state, what);
	assert_int_equal(page.count, 3);
	assert_true(page.last);
	tn_page_fini(&page);
}

static void a_page_is_bounded_in_bytes_and_has_at_least_one_row(void **state)
{
	struct tn_scan what = scan_state(TN_ROW_OPEN);
	put_with_event(*state, 1, 1, 10000);
	put_with_event(*state, 2, 1, 10000);
	what.max_bytes = 100;
	struct tn_page page = scan(*state, what);
	assert_int_equal(page.count, 1);
	assert_false(page.last);
	tn_page_fini(&page);
	what.max_bytes = 25000;
	page = scan(*state, what);
	assert_int_equal(page.count, 2);
	tn_page_fini(&page);
}

static void rows_of_one_event_share_it(void **state)
{
	put_with_event(*state, 1, 3, 10000);
	struct tn_scan what = scan_state(TN_ROW_OPEN);
	what.max_bytes = 15000;
	struct tn_page page = scan(*state, what);
	assert_int_equal(page.count, 3);
	assert_ptr_equal(page.events[0], page.events[2]);
	tn_page_fini(&page);
}

static void a_scan_by_key_can_ask_for_one_target(void **state)
{
	struct tn_scan what = scan_state(TN_ROW_DEAD);
	for (uint64_t seq = 1; seq <= 6; seq++)
		put(*state, make_row(seq, 0, TN_ROW_DEAD, seq % 2 ? 1 : 2, 0));
	what.target_no = 2;
	struct tn_page page = scan(*state, what);
	assert_int_equal(page.count, 3);
	assert_int_equal(page.rows[0].key.event_seq, 2);
	tn_page_fini(&page);
}

static void tried_rows_come_without_an_event(void **state)
{
	struct tn_row row = make_row(9, 0, TN_ROW_TRIED, 1, 0);
	struct tn_op op = op_put(&row);
	assert_int_equal(apply(*state, &op, 1), TN_COMMIT_OK);
	struct tn_page page = scan(*state, scan_state(TN_ROW_TRIED));
	assert_int_equal(page.count, 1);
	assert_null(page.events[0]);
	tn_page_fini(&page);
}

static void due_rows_come_by_time_and_only_those_of_the_target(void **state)
{
	put(*state, make_row(1, 0, TN_ROW_PARKED, 1, 300));
	put(*state, make_row(2, 0, TN_ROW_PARKED, 1, -100));
	put(*state, make_row(3, 0, TN_ROW_PARKED, 2, 50));
	put(*state, make_row(4, 0, TN_ROW_PARKED, 1, 200));
	put(*state, make_row(5, 0, TN_ROW_PARKED, 1, 999));
	struct tn_page page = scan(*state, scan_due(1, 300));
	assert_int_equal(page.count, 3);
	assert_int_equal(page.rows[0].key.event_seq, 2);
	assert_int_equal(page.rows[1].key.event_seq, 4);
	assert_int_equal(page.rows[2].key.event_seq, 1);
	assert_true(page.last);
	assert_int_equal(page.next_due_ms, 999);
	tn_page_fini(&page);
}

static void nothing_due_says_when_something_will_be(void **state)
{
	struct tn_page page = scan(*state, scan_due(1, 1000));
	assert_int_equal(page.next_due_ms, INT64_MAX);
	assert_true(page.last);
	tn_page_fini(&page);
	put(*state, make_row(1, 0, TN_ROW_PARKED, 1, 5000));
	page = scan(*state, scan_due(1, 1000));
	assert_int_equal(page.count, 0);
	assert_int_equal(page.next_due_ms, 5000);
	tn_page_fini(&page);
}

static void a_due_scan_goes_on_among_rows_due_at_the_same_time(void **state)
{
	struct tn_scan what = scan_due(1, 1000);
	uint64_t seen = 0;
	for (uint64_t seq = 1; seq <= 5; seq++)
		put(*state, make_row(seq, 0, TN_ROW_PARKED, 1, 700));
	what.max_rows = 2;
	for (unsigned pages = 0; pages < 3; pages++) {
		struct tn_page page = scan(*state, what);
		for (uint32_t i = 0; i < page.count; i++)
			assert_int_equal(page.rows[i].key.event_seq, ++seen);
		assert_int_equal(page.last, pages == 2);
		assert_int_equal(page.next_due_ms, pages == 2 ? INT64_MAX : 700);
		what.after = page.rows[page.count - 1].key;
		what.after_due_ms = page.rows[page.count - 1].tries.not_before_ms;
		tn_page_fini(&page);
	}
	assert_int_equal(seen, 5);
}

static void lane_rows_come_by_their_place_and_only_those_of_the_lane(void **state)
{
	struct tn_id lane = make_id(7), other = make_id(8);
	struct tn_row elsewhere = make_lane_row(9, lane, 2);
	elsewhere.target_no = 2;
	put(*state, make_lane_row(1, lane, 300));
	put(*state, make_lane_row(2, lane, 70000));
	put(*state, make_lane_row(3, other, 200));
	put(*state, make_lane_row(4, lane, 5));
	put(*state, make_row(5, 0, TN_ROW_PARKED, 1, 0));
	put(*state, elsewhere);
	struct tn_page page = scan(*state, scan_lane(1, lane));
	assert_int_equal(page.count, 3);
	assert_int_equal(page.rows[0].key.event_seq, 4);
	assert_int_equal(page.rows[1].key.event_seq, 1);
	assert_int_equal(page.rows[2].key.event_seq, 2);
	assert_int_equal(page.rows[2].lane_seq, 70000);
	assert_true(is_event_of(page.events[0], 4));
	assert_true(page.last);
	tn_page_fini(&page);
}

static void a_lane_scan_goes_on_behind_the_place_it_ended_at(void **state)
{
	struct tn_id lane = make_id(7);
	struct tn_scan what = scan_lane(1, lane);
	uint64_t seen = 0;
	for (uint64_t seq = 1; seq <= 5; seq++)
		put(*state, make_lane_row(seq, lane, seq * 10));
	what.max_rows = 2;
	for (unsigned pages = 0; pages < 3; pages++) {
		struct tn_page page = scan(*state, what);
		for (uint32_t i = 0; i < page.count; i++)
			assert_int_equal(page.rows[i].key.event_seq, ++seen);
		assert_int_equal(page.last, pages == 2);
		what.after_lane_seq = page.rows[page.count - 1].lane_seq;
		tn_page_fini(&page);
	}
	assert_int_equal(seen, 5);
}

static void a_row_that_left_its_lane_or_was_put_elsewhere_in_it_is_found_there_no_more(void **state)
{
	struct tn_id lane = make_id(7);
	for (uint64_t seq = 1; seq <= 4; seq++)
		put(*state, make_lane_row(seq, lane, seq));
	struct tn_row dead = make_lane_row(1, lane, 1), moved = make_lane_row(2, lane, 9), out = make_lane_row(3, (struct tn_id){0}, 0);
	dead.state = TN_ROW_DEAD;
	struct tn_op ops[] = {op_put(&dead), op_put(&moved), op_put(&out)};
	assert_int_equal(apply(*state, ops, 3), TN_COMMIT_OK);
	struct tn_page page = scan(*state, scan_lane(1, lane));
	assert_int_equal(page.count, 2);
	assert_int_equal(page.rows[0].key.event_seq, 4);
	assert_int_equal(page.rows[1].key.event_seq, 2);
	tn_page_fini(&page);
}

static void a_redriven_row_is_in_its_lane_again(void **state)
{
	struct tn_row row = make_lane_row(6, make_id(7), 44);
	row.state = TN_ROW_DEAD;
	put(*state, row);
	struct tn_op redrive = op_on(TN_REDRIVE_ROW, 6, 0);
	assert_int_equal(apply_at(*state, &redrive, 1, 7000), TN_COMMIT_OK);
	struct tn_page page = scan(*state, scan_lane(1, make_id(7)));
	assert_int_equal(page.count, 1);
	assert_int_equal(page.rows[0].lane_seq, 44);
	tn_page_fini(&page);
}

static void one_row_can_be_asked_for_by_its_key(void **state)
{
	struct fixture *fixture = *state;
	struct tn_page page;
	put(fixture, make_row(4, 1, TN_ROW_DEAD, 1, 0));
	assert_int_equal(tn_store_get(fixture->store, (struct tn_row_key){4, 1}, &page, NULL), TN_OK);
	assert_int_equal(page.count, 1);
	assert_true(is_event_of(page.events[0], 4));
	tn_page_fini(&page);
	assert_int_equal(tn_store_get(fixture->store, (struct tn_row_key){4, 2}, &page, NULL), TN_NOT_FOUND);
	tn_page_fini(&page);
}

static void a_page_carries_the_token_it_was_asked_with(void **state)
{
	struct tn_scan what = scan_state(TN_ROW_OPEN);
	what.token = 77;
	struct tn_page page = scan(*state, what);
	assert_int_equal(page.token, 77);
	tn_page_fini(&page);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_come_in_the_order_of_their_keys),
		TEST(a_scan_goes_on_after_the_last_row_of_the_page_before),
		TEST(a_page_that_ends_with_the_last_row_says_so),
		TEST(a_page_is_bounded_in_bytes_and_has_at_least_one_row),
		TEST(rows_of_one_event_share_it),
		TEST(a_scan_by_key_can_ask_for_one_target),
		TEST(tried_rows_come_without_an_event),
		TEST(due_rows_come_by_time_and_only_those_of_the_target),
		TEST(nothing_due_says_when_something_will_be),
		TEST(a_due_scan_goes_on_among_rows_due_at_the_same_time),
		TEST(lane_rows_come_by_their_place_and_only_those_of_the_lane),
		TEST(a_lane_scan_goes_on_behind_the_place_it_ended_at),
		TEST(a_row_that_left_its_lane_or_was_put_elsewhere_in_it_is_found_there_no_more),
		TEST(a_redriven_row_is_in_its_lane_again),
		TEST(one_row_can_be_asked_for_by_its_key),
		TEST(a_page_carries_the_token_it_was_asked_with),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
