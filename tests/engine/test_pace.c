/* SPDX-License-Identifier: Apache-2.0
 *
 * test_pace.c - how much a target gets and when: rate, retry budget, adaptive concurrency, and the park caps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;

static void set_up(void)
{
	desk_init(&desk);
	desk.config.window = 100000;
	desk.config.settle_deadline_ms = 3600000; /* what waits, waits in memory */
	desk.config.park_after_ms = 3600000;
	desk.policy.system.max_retries = TN_RETRIES_UNLIMITED;
}

static void offer(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
}

/* All that desk holds started get this answer, at the same moment; then what that starts is in desk. */
static void answer_all(enum tn_verdict verdict)
{
	struct tn_outcome outcome = {.verdict = verdict, .code = verdict == TN_DELIVERED ? NULL : "HTTP_503"};
	for (uint32_t i = 0; i < desk.start_count; i++)
		tn_engine_result(desk.engine, &(struct tn_result){.token = desk.starts[i].token, .count = 1, .outcomes = &outcome});
	desk_obey(&desk);
}

static void commit(void)
{
	struct tn_command starts[256];
	uint32_t count = desk.start_count;
	memcpy(starts, desk.starts, count * sizeof(starts[0]));
	while (desk.batch != NULL) {
		desk_commit(&desk, TN_COMMIT_OK);
		for (uint32_t i = 0; i < desk.start_count; i++)
			starts[count++] = desk.starts[i];
	}
	memcpy(desk.starts, starts, count * sizeof(starts[0]));
	desk.start_count = count;
}

static struct tn_target_view view(void)
{
	struct tn_target_view view;
	assert_true(tn_engine_target_view(desk.engine, 0, &view));
	return view;
}

static void reload(void)
{
	struct tn_target_table table = {.targets = desk.limits, .count = DESK_TARGETS};
	assert_int_equal(tn_engine_reload(desk.engine, &table), TN_OK);
	desk_obey(&desk);
}

/* --- Rate --- */

static void a_rate_lets_its_burst_start_and_then_one_as_each_token_comes(void **state)
{
	set_up();
	desk.limits[0].rate = (struct tn_rate_limits){.count = 3, .burst = 2};
	desk_open(&desk);
	offer(6);
	assert_int_equal(desk.start_count, 2);
	assert_int_equal(view().pending, 4); /* not a failure */
	assert_int_equal(tn_engine_deadline(desk.engine), desk.now_ms + 334); /* a third of a second, and no rounding adds up: */
	desk_tick(&desk, 333);
	assert_int_equal(desk.start_count, 0);
	desk_tick(&desk, 1);
	assert_int_equal(desk.start_count, 1);
	desk_tick(&desk, 333);
	assert_int_equal(desk.start_count, 1); /* at 667 */
	desk_tick(&desk, 333);
	assert_int_equal(desk.start_count, 1); /* at 1,000 */
	desk_close(&desk);
}

static void an_idle_target_gathers_its_burst_and_no_more(void **state)
{
	set_up();
	desk.limits[0].rate = (struct tn_rate_limits){.count = 60, .burst = 5, .period_ms = 60000};
	desk_open(&desk);
	offer(5);
	assert_int_equal(desk.start_count, 5);
	assert_int_equal(view().tokens, 0);
	desk_tick(&desk, 3000);
	assert_int_equal(view().tokens, 3);
	desk_tick(&desk, 3600000);
	assert_int_equal(view().tokens, 5);
	offer(20);
	assert_int_equal(desk.start_count, 5);
	desk_close(&desk);
}

static void burst_is_the_rate_where_nothing_is_said(void **state)
{
	set_up();
	desk.limits[0].rate.count = 7;
	desk_open(&desk);
	offer(20);
	assert_int_equal(desk.start_count, 7);
	desk_close(&desk);
}

static void a_new_rate_brings_no_tokens(void **state)
{
	set_up();
	desk.limits[0].rate.count = 4;
	desk_open(&desk);
	offer(40);
	assert_int_equal(desk.start_count, 4);
	desk.limits[0].rate.count = 10;
	reload();
	assert_int_equal(desk.start_count, 0);
	desk_tick(&desk, 100);
	assert_int_equal(desk.start_count, 1);
	reload(); /* the same again */
	desk_tick(&desk, 100);
	assert_int_equal(desk.start_count, 1);
	desk.limits[0].rate.count = 0;
	reload();
	assert_true(desk.start_count > 20);
	desk_close(&desk);
}

static void another_burst_or_period_is_another_rate(void **state)
{
	set_up();
	desk.limits[0].rate = (struct tn_rate_limits){.count = 4, .burst = 4, .period_ms = 1000};
	desk_open(&desk);
	desk.limits[0].rate.burst = 2;
	reload();
	assert_int_equal(view().tokens, 2);
	desk.limits[0].rate.burst = 6;
	reload();
	assert_int_equal(view().tokens, 2);
	desk.limits[0].rate.period_ms = 60000;
	reload();
	assert_int_equal(view().tokens, 2);
	desk_tick(&desk, 14999);
	assert_int_equal(view().tokens, 2);
	desk_tick(&desk, 1); /* a quarter of a minute */
	assert_int_equal(view().tokens, 3);
	desk_close(&desk);
}

static void reloads_neither_stop_a_rate_nor_hurry_it(void **state)
{
	set_up();
	desk.limits[0].rate = (struct tn_rate_limits){.count = 1, .burst = 1, .period_ms = 1000};
	desk_open(&desk);
	offer(10);
	assert_int_equal(desk.start_count, 1);
	for (uint32_t i = 1; i < 10; i++) { /* another rate each 100 ms, the one or the other, each of them one a second */
		desk_tick(&desk, 100);
		desk.limits[0].rate = i % 2 == 0 ? (struct tn_rate_limits){.count = 1, .burst = 1, .period_ms = 1000}
						 : (struct tn_rate_limits){.count = 60, .burst = 1, .period_ms = 60000};
		reload();
		assert_int_equal(desk.start_count, 0);
	}
	assert_int_equal(tn_engine_deadline(desk.engine), desk.now_ms + 100);
	desk_tick(&desk, 100);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void a_faster_rate_holds_from_the_reload_on(void **state)
{
	set_up();
	desk.limits[0].rate = (struct tn_rate_limits){.count = 1, .burst = 1, .period_ms = 3600000};
	desk_open(&desk);
	offer(10);
	desk_tick(&desk, 1800000);
	desk.limits[0].rate = (struct tn_rate_limits){.count = 5, .burst = 1, .period_ms = 1000};
	reload();
	assert_int_equal(tn_engine_deadline(desk.engine), desk.now_ms + 100); /* half a token was there */
	desk_tick(&desk, 100);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void a_clock_that_stood_for_years_does_not_break_the_rate(void **state)
{
	set_up();
	desk.limits[0].rate.count = 1000000000;
	desk_open(&desk);
	desk_tick(&desk, INT64_MAX / 4);
	assert_int_equal(view().tokens, 1000000000);
	desk_close(&desk);
}

/* --- Retry budget --- */

static void set_up_budget(uint32_t percent, uint32_t per_second)
{
	set_up();
	desk.policy.system = (struct tn_backoff){.base_ms = 50, .cap_ms = 50, .mult = 1, .max_retries = TN_RETRIES_UNLIMITED};
	desk.limits[0].max_in_flight = 1000;
	desk.limits[0].retries = (struct tn_retry_limits){.on = true, .percent = percent, .per_second = per_second};
}

static void retries_over_the_budget_wait_and_first_attempts_pass_them(void **state)
{
	set_up_budget(0, 2);
	desk_open(&desk);
	offer(10);
	assert_int_equal(desk.start_count, 10);
	answer_all(TN_RETRY);
	commit();
	desk_tick(&desk, 50);
	assert_int_equal(desk.start_count, 2); /* one second's worth */
	assert_int_equal(view().over_budget, 8);
	assert_int_equal(view().budget_waits, 8);
	offer(3);
	assert_int_equal(desk.start_count, 3); /* though eight stand before them */
	desk_close(&desk);
}

static void after_a_start_retries_ramp_second_by_second(void **state)
{
	set_up_budget(0, 2);
	desk_open(&desk);
	offer(30);
	answer_all(TN_RETRY);
	commit();
	desk_tick(&desk, 50);
	uint32_t total = desk.start_count;
	assert_int_equal(total, 2);
	for (int second = 1; second <= 9; second++) {
		desk_tick(&desk, second == 1 ? 950 : 1000);
		total += desk.start_count;
		assert_int_equal(total, 2 + 2 * second);
		if (desk.batch != NULL)
			commit(); /* the heartbeat */
	}
	desk_close(&desk);
}

static void first_attempts_earn_retries(void **state)
{
	set_up_budget(20, 1);
	desk_open(&desk);
	offer(100);
	for (int i = 0; i < 50; i++) {
		struct tn_outcome retry = {.verdict = TN_RETRY, .code = "HTTP_503"};
		tn_engine_result(desk.engine, &(struct tn_result){.token = desk.starts[i].token, .count = 1, .outcomes = &retry});
	}
	desk_obey(&desk);
	commit();
	desk_tick(&desk, 50);
	assert_int_equal(desk.start_count, 21); /* 20 for a hundred, and one */
	assert_int_equal(view().over_budget, 29);
	desk_close(&desk);
}

static void what_waited_for_budget_goes_before_what_came_later(void **state)
{
	set_up_budget(0, 1);
	desk.limits[0].max_in_flight = 2;
	desk_open(&desk);
	offer(2);
	struct tn_id ids[2] = {desk.starts[0].attempt->items[0].id, desk.starts[1].attempt->items[0].id};
	answer_all(TN_RETRY);
	commit();
	desk_tick(&desk, 50);
	assert_int_equal(desk.start_count, 1);
	offer(5); /* one of them fills the second place */
	assert_int_equal(desk.start_count, 1);
	desk_tick(&desk, 950);
	desk.start_count = 0;
	desk_tick(&desk, 13000); /* a budget again, but no place until those under way are done */
	assert_int_equal(desk.start_count, 0);
	desk_tick(&desk, 2000); /* timeouts */
	desk_tick(&desk, 5000); /* and their places */
	assert_true(desk.start_count >= 1);
	assert_memory_equal(desk.starts[0].attempt->items[0].id.bytes, ids[1].bytes, sizeof(ids[1].bytes));
	desk_close(&desk);
}

/* All waited out one failure, and two of them started again. */
static void let_two_of_ten_start_again(void)
{
	set_up_budget(0, 2);
	desk_open(&desk);
	offer(10);
	answer_all(TN_RETRY);
	commit();
	desk_tick(&desk, 50);
	assert_int_equal(desk.start_count, 2);
}

static void a_target_that_is_well_again_gets_all_that_waited_at_once(void **state)
{
	let_two_of_ten_start_again();
	for (int left = 6; left >= 0; left -= 2) {
		answer_all(TN_DELIVERED); /* each gives its place in the budget back */
		assert_int_equal(desk.start_count, 2);
		assert_int_equal(view().over_budget, left);
	}
	answer_all(TN_DELIVERED);
	assert_int_equal(desk.start_count, 0);
	desk_close(&desk);
}

static void a_retry_that_was_no_attempt_gives_its_place_back(void **state)
{
	let_two_of_ten_start_again();
	struct tn_outcome hold = {.verdict = TN_HOLD};
	tn_engine_result(desk.engine, &(struct tn_result){.token = desk.starts[0].token, .count = 1, .outcomes = &hold});
	desk_obey(&desk);
	tn_engine_ready(desk.engine, 1, 1000);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void a_retry_that_fails_or_is_refused_gives_nothing_back(void **state)
{
	let_two_of_ten_start_again();
	answer_all(TN_REJECTED);
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(view().over_budget, 8);
	desk_close(&desk);
}

static void a_retry_delivered_after_its_window_has_no_place_to_give_back(void **state)
{
	struct tn_outcome delivered = {.verdict = TN_DELIVERED};
	let_two_of_ten_start_again();
	uint64_t tokens[2] = {desk.starts[0].token, desk.starts[1].token};
	desk_tick(&desk, 12000);
	assert_int_equal(desk.start_count, 8); /* of the 20 that 10 s allow */
	for (int i = 0; i < 2; i++)
		tn_engine_result(desk.engine, &(struct tn_result){.token = tokens[i], .count = 1, .outcomes = &delivered});
	offer(20);
	answer_all(TN_RETRY);
	commit();
	desk_tick(&desk, 50);
	assert_int_equal(desk.start_count, 12);
	desk_close(&desk);
}

/* In batches of four, so many attempts at a time; all wait out one failure. */
static void let_batches_fail(uint32_t per_second, uint32_t max_in_flight, uint32_t count)
{
	set_up_budget(0, per_second);
	desk.limits[0].max_in_flight = max_in_flight;
	desk.limits[0].batch_items = 4;
	desk.limits[0].batch_bytes = 1 << 20;
	desk_open(&desk);
	offer(count);
	while (desk.start_count > 0)
		answer_all(TN_RETRY);
	commit();
}

static void a_target_of_batches_that_is_well_again_gets_batches_of_what_waited(void **state)
{
	let_batches_fail(4, 2, 10);
	desk_tick(&desk, 50);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->count, 4); /* the budget of a start, and the second place is free */
	assert_int_equal(view().over_budget, 6);
	answer_all(TN_DELIVERED);
	assert_int_equal(desk.starts[0].attempt->count, 4);
	answer_all(TN_DELIVERED);
	assert_int_equal(desk.starts[0].attempt->count, 2);
	desk_close(&desk);
}

static void first_attempts_go_along_in_a_batch_past_retries_over_budget(void **state)
{
	let_batches_fail(1, 1, 4);
	offer(1);
	uint64_t under_way = desk.starts[0].token;
	offer(1);
	desk_tick(&desk, 50); /* in line: a first attempt, four retries, */
	offer(1);             /* and another first attempt */
	struct tn_outcome delivered = {.verdict = TN_DELIVERED};
	tn_engine_result(desk.engine, &(struct tn_result){.token = under_way, .count = 1, .outcomes = &delivered});
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->count, 3);
	assert_int_equal(view().over_budget, 3);
	desk_close(&desk);
}

static void one_answer_to_a_whole_batch_gives_back_the_places_of_all_in_it(void **state)
{
	set_up_budget(0, 2);
	desk.limits[0].batch_items = 10;
	desk.limits[0].batch_bytes = 1 << 20;
	desk_open(&desk);
	for (int i = 0; i < 10; i++)
		assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	answer_all(TN_RETRY);
	commit();
	desk_tick(&desk, 50);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->count, 2);
	assert_int_equal(view().over_budget, 8);
	answer_all(TN_DELIVERED);
	assert_int_equal(view().over_budget, 6);
	assert_int_equal(view().pending, 6);
	desk_close(&desk);
}

static void a_dead_letter_for_a_sink_is_none_of_its_retries(void **state)
{
	let_two_of_ten_start_again();
	desk.limits[1].dead_letter_no = 1;
	reload();
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 2), TN_OK);
	desk_obey(&desk);
	answer_all(TN_REJECTED);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->target_no, 1);
	assert_int_equal(desk.starts[0].attempt->purpose, TN_TO_DEAD_LETTER);
	assert_int_equal(view().over_budget, 8);
	desk_close(&desk);
}

/* Two that failed are tried again while the breaker is half open: one is the probe, and the other stands in line. */
static void let_two_wait_for_a_half_open_breaker(void)
{
	set_up_budget(0, 1);
	desk.policy.system.base_ms = desk.policy.system.cap_ms = 200;
	desk.limits[0].breaker = (struct tn_breaker_limits){.on = true, .in_a_row = 3, .open_ms = 100, .open_max_ms = 100};
	desk_open(&desk);
	offer(3);
	for (int i = 0; i < 3; i++) {
		struct tn_outcome retry = {.verdict = TN_RETRY, .code = "HTTP_503", .declined = i == 2 /* it leaves no row to be parked */};
		tn_engine_result(desk.engine, &(struct tn_result){.token = desk.starts[i].token, .count = 1, .outcomes = &retry});
	}
	desk_obey(&desk);
	assert_int_equal(view().breaker, TN_BREAKER_OPEN);
	commit();
	desk_tick(&desk, 150);
	assert_int_equal(view().breaker, TN_BREAKER_HALF_OPEN);
	desk_tick(&desk, 50);
	assert_int_equal(desk.start_count, 1);
}

static void a_probe_is_within_the_budget_too_and_a_first_attempt_passes_what_is_over_it(void **state)
{
	let_two_wait_for_a_half_open_breaker();
	answer_all(TN_REJECTED); /* which is an answer, and gives no place back */
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(view().over_budget, 1);
	offer(1);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->items[0].tries.system, 0);
	desk_close(&desk);
}

static void what_waits_for_budget_is_probed_with_as_soon_as_there_is_some(void **state)
{
	let_two_wait_for_a_half_open_breaker();
	answer_all(TN_REJECTED);
	desk_tick(&desk, 799);
	assert_int_equal(desk.start_count, 0);
	desk_tick(&desk, 1); /* the next second */
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->items[0].tries.system, 1);
	desk_close(&desk);
}

static void without_a_budget_any_more_what_waited_for_it_starts(void **state)
{
	set_up_budget(0, 1);
	desk_open(&desk);
	offer(5);
	answer_all(TN_RETRY);
	commit();
	desk_tick(&desk, 50);
	assert_int_equal(view().over_budget, 4);
	desk.limits[0].retries.on = false;
	reload();
	assert_int_equal(desk.start_count, 4);
	assert_int_equal(view().over_budget, 0);
	desk_close(&desk);
}

static void an_opening_breaker_parks_what_waits_for_budget(void **state)
{
	set_up_budget(0, 1);
	desk_open(&desk);
	offer(5);
	answer_all(TN_RETRY);
	commit();
	desk_tick(&desk, 50);
	assert_int_equal(view().over_budget, 4);
	assert_int_equal(tn_engine_breaker(desk.engine, 1, TN_BREAKER_OPEN), TN_OK);
	assert_int_equal(view().over_budget, 0);
	assert_int_equal(desk_books(&desk)->parking, 4);
	desk_close(&desk);
}

/* --- Adaptive concurrency --- */

static void set_up_adaptive(void)
{
	set_up();
	desk.limits[0].adaptive = true;
	desk.limits[0].max_in_flight = 200;
	desk_open(&desk);
}

/* Time passes, and what was started before is in desk again. */
static void pass(int64_t ms)
{
	struct tn_command starts[256];
	uint32_t count = desk.start_count;
	memcpy(starts, desk.starts, count * sizeof(starts[0]));
	desk_tick(&desk, ms);
	assert_int_equal(desk.start_count, 0);
	memcpy(desk.starts, starts, count * sizeof(starts[0]));
	desk.start_count = count;
}

static void concurrency_starts_at_four_and_grows_by_one_a_window(void **state)
{
	set_up_adaptive();
	offer(2000);
	for (uint32_t limit = 4; limit < 30; limit++) {
		assert_int_equal(view().limit, limit);
		assert_int_equal(view().in_flight, limit);
		pass(10);
		answer_all(TN_DELIVERED);
	}
	desk_close(&desk);
}

static void an_idle_target_does_not_grow(void **state)
{
	set_up_adaptive();
	for (int i = 0; i < 40; i++) {
		offer(1);
		answer_all(TN_DELIVERED);
	}
	assert_int_equal(view().limit, 4);
	desk_close(&desk);
}

static void it_never_grows_beyond_max_in_flight(void **state)
{
	set_up_adaptive();
	desk.limits[0].max_in_flight = 6;
	reload();
	offer(100);
	for (int i = 0; i < 8; i++) {
		assert_true(desk.start_count <= 6);
		answer_all(TN_DELIVERED);
	}
	assert_int_equal(view().limit, 6);
	desk_close(&desk);
}

static void it_never_grows_beyond_two_hundred(void **state)
{
	set_up_adaptive();
	desk.limits[0].max_in_flight = 1000;
	reload();
	offer(21000);
	for (int i = 0; i < 196; i++)
		answer_all(TN_DELIVERED);
	assert_int_equal(view().limit, 200);
	assert_int_equal(desk.start_count, 200);
	answer_all(TN_DELIVERED);
	assert_int_equal(view().limit, 200);
	desk_close(&desk);
}

static void throttling_takes_a_tenth_once_however_many_say_so(void **state)
{
	set_up_adaptive();
	offer(3000);
	for (int i = 0; i < 16; i++)
		answer_all(TN_DELIVERED);
	assert_int_equal(view().limit, 20);
	pass(5);
	answer_all(TN_THROTTLED);
	assert_int_equal(view().limit, 18);
	desk_close(&desk);
}

static void timeouts_take_a_tenth(void **state)
{
	set_up_adaptive();
	offer(10);
	desk_tick(&desk, 15000);
	assert_int_equal(view().limit, 3);
	desk_close(&desk);
}

/* One answer at a time, so that the limit stays what it is but for what the times say. */
static void one(int64_t rtt_ms)
{
	offer(1);
	assert_int_equal(desk.start_count, 1);
	pass(rtt_ms);
	answer_all(TN_DELIVERED);
}

static void answers_that_take_much_longer_take_a_tenth(void **state)
{
	set_up_adaptive();
	for (int i = 0; i < 40; i++)
		one(20 + i % 3);
	assert_int_equal(view().limit, 4);
	for (int i = 0; i < 4; i++)
		one(80);
	assert_int_equal(view().limit, 3);
	desk_close(&desk);
}

static void less_than_a_millisecond_is_no_news(void **state)
{
	set_up_adaptive();
	for (int i = 0; i < 400; i++)
		one(i % 17 == 0 || (i / 4) % 5 == 0 ? 1 : 0); /* windows of zeros, and now and then one of ones */
	assert_int_equal(view().limit, 4);
	desk_close(&desk);
}

/* --- Park caps --- */

static void park_all(void)
{
	assert_int_equal(tn_engine_breaker(desk.engine, 1, TN_BREAKER_OPEN), TN_OK);
	desk_obey(&desk);
}

static void what_is_parked_is_capped_in_bytes_too(void **state)
{
	set_up();
	uint64_t each = tn_store_row_bytes(desk.event);
	desk.limits[0].park_bytes = 3 * each;
	desk_open(&desk);
	park_all();
	offer(5);
	commit();
	assert_int_equal(desk_books(&desk)->parked, 3);
	assert_int_equal(desk_books(&desk)->backoff, 2);
	assert_int_equal(view().parked_bytes, 3 * each);
	assert_false(tn_engine_target_open(desk.engine, 1));
	desk_close(&desk);
}

static void bytes_found_at_start_count(void **state)
{
	set_up();
	uint64_t each = tn_store_row_bytes(desk.event);
	desk.limits[0].park_bytes = 3 * each;
	desk.limits[0].found_parked = 2;
	desk.limits[0].found_parked_bytes = 2 * each;
	desk_open(&desk);
	park_all();
	offer(3);
	commit();
	assert_int_equal(view().parked_bytes, 3 * each);
	assert_int_equal(desk_books(&desk)->backoff, 2);
	desk_close(&desk);
}

static void what_is_delivered_gives_its_bytes_back(void **state)
{
	set_up();
	desk_open(&desk);
	park_all();
	offer(1);
	commit();
	assert_int_equal(tn_engine_breaker(desk.engine, 1, TN_BREAKER_CLOSED), TN_OK);
	desk_obey(&desk);
	struct tn_row row = {.key = {1, 0}, .state = TN_ROW_PARKED, .id = {{1}}, .target_no = 1, .rule = TN_STR("r1"), .target = TN_STR("t1"),
		.tries = {.accepted_ms = desk.now_ms, .not_before_ms = desk.now_ms}};
	desk_page(&desk, &row, 1, INT64_MAX);
	answer_all(TN_DELIVERED);
	desk_tick(&desk, 20);
	commit();
	assert_int_equal(view().parked_bytes, 0);
	desk_close(&desk);
}

static void a_broker_keeps_what_is_beyond_its_own_cap(void **state)
{
	set_up();
	desk.limits[0].park_rows_kept = 2;
	desk_open(&desk);
	park_all();
	offer(4); /* as a broker's: it keeps a copy, and waits for nothing */
	commit();
	assert_int_equal(desk_books(&desk)->parked, 2);
	assert_int_equal(desk_books(&desk)->backoff, 2);
	assert_true(tn_engine_target_open(desk.engine, 1)); /* for those who cannot wait */
	for (int i = 0; i < 3; i++)
		assert_int_equal(desk_offer_to(&desk, TN_ACK_JOURNALED, 1), TN_OK);
	desk_obey(&desk);
	commit();
	assert_int_equal(desk_books(&desk)->parked, 5);
	desk_close(&desk);
}

static void a_sender_that_waits_for_a_verdict_is_no_broker(void **state)
{
	set_up();
	desk.limits[0].park_rows_kept = 2;
	desk_open(&desk);
	struct tn_stream_terms terms = {.answers = true};
	assert_int_equal(tn_engine_open_stream(desk.engine, (struct tn_position){.source = 1, .stream = 1, .epoch = 1}, &terms), TN_OK);
	park_all();
	offer(4);
	commit();
	assert_int_equal(desk_books(&desk)->parked, 4);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_lets_its_burst_start_and_then_one_as_each_token_comes),
		cmocka_unit_test(an_idle_target_gathers_its_burst_and_no_more),
		cmocka_unit_test(burst_is_the_rate_where_nothing_is_said),
		cmocka_unit_test(a_new_rate_brings_no_tokens),
		cmocka_unit_test(another_burst_or_period_is_another_rate),
		cmocka_unit_test(reloads_neither_stop_a_rate_nor_hurry_it),
		cmocka_unit_test(a_faster_rate_holds_from_the_reload_on),
		cmocka_unit_test(a_clock_that_stood_for_years_does_not_break_the_rate),
		cmocka_unit_test(retries_over_the_budget_wait_and_first_attempts_pass_them),
		cmocka_unit_test(after_a_start_retries_ramp_second_by_second),
		cmocka_unit_test(first_attempts_earn_retries),
		cmocka_unit_test(what_waited_for_budget_goes_before_what_came_later),
		cmocka_unit_test(a_target_that_is_well_again_gets_all_that_waited_at_once),
		cmocka_unit_test(a_retry_that_was_no_attempt_gives_its_place_back),
		cmocka_unit_test(a_retry_that_fails_or_is_refused_gives_nothing_back),
		cmocka_unit_test(a_retry_delivered_after_its_window_has_no_place_to_give_back),
		cmocka_unit_test(a_target_of_batches_that_is_well_again_gets_batches_of_what_waited),
		cmocka_unit_test(first_attempts_go_along_in_a_batch_past_retries_over_budget),
		cmocka_unit_test(one_answer_to_a_whole_batch_gives_back_the_places_of_all_in_it),
		cmocka_unit_test(a_dead_letter_for_a_sink_is_none_of_its_retries),
		cmocka_unit_test(a_probe_is_within_the_budget_too_and_a_first_attempt_passes_what_is_over_it),
		cmocka_unit_test(what_waits_for_budget_is_probed_with_as_soon_as_there_is_some),
		cmocka_unit_test(without_a_budget_any_more_what_waited_for_it_starts),
		cmocka_unit_test(an_opening_breaker_parks_what_waits_for_budget),
		cmocka_unit_test(concurrency_starts_at_four_and_grows_by_one_a_window),
		cmocka_unit_test(an_idle_target_does_not_grow),
		cmocka_unit_test(it_never_grows_beyond_max_in_flight),
		cmocka_unit_test(it_never_grows_beyond_two_hundred),
		cmocka_unit_test(throttling_takes_a_tenth_once_however_many_say_so),
		cmocka_unit_test(timeouts_take_a_tenth),
		cmocka_unit_test(answers_that_take_much_longer_take_a_tenth),
		cmocka_unit_test(less_than_a_millisecond_is_no_news),
		cmocka_unit_test(what_is_parked_is_capped_in_bytes_too),
		cmocka_unit_test(bytes_found_at_start_count),
		cmocka_unit_test(what_is_delivered_gives_its_bytes_back),
		cmocka_unit_test(a_broker_keeps_what_is_beyond_its_own_cap),
		cmocka_unit_test(a_sender_that_waits_for_a_verdict_is_no_broker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
