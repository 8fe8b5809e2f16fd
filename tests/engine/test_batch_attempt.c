/* SPDX-License-Identifier: Apache-2.0
 *
 * test_batch_attempt.c - several deliveries in one attempt: what stands in line goes along, and each item stands for itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;

static void open_taking(uint32_t items, size_t bytes)
{
	desk_init(&desk);
	desk.limits[0].max_in_flight = 1;
	desk.limits[0].batch_items = items;
	desk.limits[0].batch_bytes = bytes;
	desk_open(&desk);
}

static void offer(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
}

static void answer(uint32_t count, const struct tn_outcome *outcomes)
{
	tn_engine_result(desk.engine, &(struct tn_result){.token = desk.starts[0].token, .count = count, .outcomes = outcomes});
	desk_obey(&desk);
}

static void what_stands_in_line_goes_along_in_order(void **state)
{
	open_taking(10, 1 << 20);
	offer(4);
	const struct tn_attempt *attempt = desk.starts[0].attempt;
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(attempt->count, 4);
	assert_true(attempt->batch);
	assert_int_equal(desk_books(&desk)->inflight, 4);
	assert_int_equal(attempt->items[3].tries.last_ms, desk.now_ms);
	answer(1, &(struct tn_outcome){.verdict = TN_DELIVERED});
	assert_int_equal(desk.answer_count, 4);
	assert_int_equal(desk.answers[0].position.low, 1);
	assert_int_equal(desk.answers[3].position.low, 4);
	assert_int_equal(desk_books(&desk)->attempts, 1);
	desk_close(&desk);
}

static void of_ten_items_with_three_failed_exactly_those_are_repeated(void **state)
{
	struct tn_outcome outcomes[10];
	open_taking(10, 1 << 20);
	offer(10);
	for (int i = 0; i < 10; i++) {
		bool fails = i == 1 || i == 4 || i == 9;
		outcomes[i] = (struct tn_outcome){.verdict = fails ? TN_RETRY : TN_DELIVERED, .code = "BATCH_ITEM_FAILURE"};
	}
	answer(10, outcomes);
	assert_int_equal(desk.answer_count, 7);
	assert_int_equal(desk_books(&desk)->backoff, 3);
	desk_commit(&desk, TN_COMMIT_OK);
	desk_tick(&desk, 10000);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->count, 3);
	answer(1, &(struct tn_outcome){.verdict = TN_DELIVERED});
	assert_int_equal(desk.answer_count, 3);
	assert_int_equal(desk.answers[0].position.low + desk.answers[1].position.low + desk.answers[2].position.low, 2 + 5 + 10);
	desk_close(&desk);
}

static void a_batch_is_bounded_in_items_and_bytes_and_one_always_fits(void **state)
{
	open_taking(3, 1 << 20);
	offer(5);
	assert_int_equal(desk.starts[0].attempt->count, 3);
	assert_int_equal(desk.starts[0].attempt->waiting, 2);
	desk_close(&desk);

	open_taking(10, 1);
	offer(3);
	assert_int_equal(desk.starts[0].attempt->count, 1);
	assert_true(desk.starts[0].attempt->batch);
	desk_close(&desk);
}

static void a_batch_that_finds_no_room_stands_in_line_again_as_before(void **state)
{
	open_taking(10, 1 << 20);
	offer(3);
	answer(1, &(struct tn_outcome){.verdict = TN_HOLD});
	assert_int_equal(desk_books(&desk)->pending, 3);
	assert_int_equal(desk_books(&desk)->attempts, 0);
	tn_engine_ready(desk.engine, 1, 5);
	desk_obey(&desk);
	assert_int_equal(desk.starts[0].attempt->count, 3);
	answer(1, &(struct tn_outcome){.verdict = TN_DELIVERED});
	assert_int_equal(desk.answers[0].position.low, 1);
	desk_close(&desk);
}

static void expect_batch_from(uint64_t first, uint32_t count)
{
	uint64_t number;
	assert_int_equal(desk.start_count, 1);
	memcpy(&number, desk.starts[0].attempt->items[0].id.bytes, sizeof(number));
	assert_int_equal(number, first);
	assert_int_equal(desk.starts[0].attempt->count, count);
	answer(1, &(struct tn_outcome){.verdict = TN_DELIVERED});
}

static void what_is_to_go_alone_does_and_the_others_go_together_and_none_was_tried(void **state)
{
	struct tn_outcome outcomes[6];
	desk_init(&desk);
	desk.policy.system.max_retries = 0;
	desk.limits[0].max_in_flight = 1;
	desk.limits[0].batch_items = 10;
	desk.limits[0].batch_bytes = 1 << 20;
	desk_open(&desk);
	offer(6);
	for (int i = 0; i < 6; i++)
		outcomes[i] = (struct tn_outcome){.verdict = TN_HOLD, .code = "BATCH_SPLIT", .alone = i == 2};
	outcomes[3] = (struct tn_outcome){.verdict = TN_REJECTED, .code = "POISON_CRASH"};
	answer(6, outcomes);
	tn_engine_ready(desk.engine, 1, UINT32_MAX);
	desk_obey(&desk);
	expect_batch_from(1, 2);
	expect_batch_from(3, 1);
	expect_batch_from(5, 2);
	assert_int_equal(desk_books(&desk)->delivered, 5);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_books(&desk)->dead, 1);
	desk_close(&desk);
}

static void what_is_to_go_alone_does_so_however_often_it_is_held(void **state)
{
	open_taking(10, 1 << 20);
	offer(2);
	answer(2, (struct tn_outcome[]){{.verdict = TN_HOLD, .code = "BATCH_SPLIT", .alone = true}, {.verdict = TN_HOLD, .code = "BATCH_SPLIT"}});
	for (int i = 0; i < 3; i++) {
		tn_engine_ready(desk.engine, 1, 1);
		desk_obey(&desk);
		assert_int_equal(desk.starts[0].attempt->count, 1);
		answer(1, &(struct tn_outcome){.verdict = TN_HOLD, .code = "NO_ROOM"});
	}
	tn_engine_ready(desk.engine, 1, 1);
	desk_obey(&desk);
	expect_batch_from(1, 1);
	expect_batch_from(2, 1);
	desk_close(&desk);
}

static void a_batch_that_takes_too_long_fails_whole_and_its_late_success_is_counted_by_item(void **state)
{
	open_taking(10, 1 << 20);
	offer(2);
	struct tn_command start = desk.starts[0];
	desk_tick(&desk, 15000);
	assert_int_equal(desk.cancel_count, 1);
	assert_int_equal(desk_books(&desk)->retried, 2);
	desk.starts[0] = start;
	answer(1, &(struct tn_outcome){.verdict = TN_DELIVERED});
	assert_int_equal(desk_books(&desk)->late_success, 2);
	desk_close(&desk);
}

static void without_memory_for_a_batch_they_go_one_by_one(void **state)
{
	open_taking(10, 1 << 20);
	offer(1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk.fail_after = 0;
	answer(1, &(struct tn_outcome){.verdict = TN_DELIVERED});
	desk.fail_after = -1;
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->count, 1);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stands_in_line_goes_along_in_order),
		cmocka_unit_test(of_ten_items_with_three_failed_exactly_those_are_repeated),
		cmocka_unit_test(a_batch_is_bounded_in_items_and_bytes_and_one_always_fits),
		cmocka_unit_test(a_batch_that_finds_no_room_stands_in_line_again_as_before),
		cmocka_unit_test(what_is_to_go_alone_does_and_the_others_go_together_and_none_was_tried),
		cmocka_unit_test(what_is_to_go_alone_does_so_however_often_it_is_held),
		cmocka_unit_test(a_batch_that_takes_too_long_fails_whole_and_its_late_success_is_counted_by_item),
		cmocka_unit_test(without_memory_for_a_batch_they_go_one_by_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
