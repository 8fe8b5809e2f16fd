/* SPDX-License-Identifier: Apache-2.0
 *
 * test_breaker.c - when the circuit breaker opens, what it keeps away, and how it closes again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;
static struct tn_command under_way[DESK_KEPT]; /* of target 1, in the order they started */
static uint32_t started, answered;

static void keep_starts(void)
{
	for (uint32_t i = 0; i < desk.start_count; i++)
		under_way[started++] = desk.starts[i];
}

static void answer_next_with(struct tn_outcome outcome)
{
	struct tn_result result = {.token = under_way[answered++].token, .count = 1, .outcomes = &outcome};
	assert_true(answered <= started);
	tn_engine_result(desk.engine, &result);
	desk_obey(&desk);
	keep_starts();
}

static void answer_next(enum tn_verdict verdict)
{
	answer_next_with((struct tn_outcome){.verdict = verdict, .code = verdict == TN_DELIVERED ? NULL : "HTTP_503"});
}

static void tick(int64_t more_ms)
{
	desk_tick(&desk, more_ms);
	keep_starts();
}

static void offer(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	keep_starts();
}

static void commit(void)
{
	while (desk.batch != NULL) {
		desk_commit(&desk, TN_COMMIT_OK);
		keep_starts();
	}
}

static struct tn_target_view view(void)
{
	struct tn_target_view view;
	assert_true(tn_engine_target_view(desk.engine, 0, &view));
	return view;
}

static void set_up(void)
{
	started = answered = 0;
	desk_init(&desk);
	desk.limits[0].breaker.on = true;
	desk.config.window = 100000;
}

/* With nothing in hand but what the breaker parked. */
static void open_by_failures(void)
{
	desk.limits[0].max_in_flight = 10;
	desk_open(&desk);
	offer(10);
	for (int i = 0; i < 10; i++)
		answer_next(TN_RETRY);
	commit();
	tick(2000); /* the first nine were to be tried again in memory */
	commit();
	assert_int_equal(desk_books(&desk)->parked, 10);
}

static struct tn_row row_of(uint64_t event_seq, int64_t accepted_ms, int64_t due_ms)
{
	return (struct tn_row){.key = {event_seq, 0}, .state = TN_ROW_PARKED, .id = {{(uint8_t)event_seq, 99}}, .target_no = 1,
		.tries = {.accepted_ms = accepted_ms, .not_before_ms = due_ms}, .rule = TN_STR("r1"), .target = TN_STR("t1")};
}

/* --- Opening --- */

static void ten_failures_in_a_row_open_it(void **state)
{
	set_up();
	desk_open(&desk);
	offer(10);
	for (int i = 0; i < 9; i++)
		answer_next(TN_RETRY);
	assert_int_equal(view().breaker, TN_BREAKER_CLOSED);
	answer_next(TN_RETRY);
	assert_int_equal(view().breaker, TN_BREAKER_OPEN);
	assert_string_equal(view().breaker_code, "HTTP_503");
	assert_in_range(view().breaker_until_ms, desk.now_ms + 30000, desk.now_ms + 33000);
	assert_int_equal(view().breaker_opened, 1);
	desk_close(&desk);
}

static void half_of_twenty_failures_open_it_within_the_window_only(void **state)
{
	for (int slow = 0; slow <= 1; slow++) {
		set_up();
		desk_open(&desk);
		offer(20);
		for (int i = 0; i < 20; i++) {
			if (slow && i == 10)
				tick(14000);
			answer_next(i % 2 == 0 ? TN_DELIVERED : TN_RETRY);
			assert_int_equal(view().breaker, i < 19 ? TN_BREAKER_CLOSED : TN_BREAKER_OPEN);
		}
		desk_close(&desk);
	}
	set_up();
	desk.limits[0].timeout_ms = 60000;
	desk_open(&desk);
	offer(20);
	for (int i = 0; i < 20; i++) {
		if (i == 10)
			tick(30001);
		answer_next(i % 2 == 0 ? TN_DELIVERED : TN_RETRY);
	}
	assert_int_equal(view().breaker, TN_BREAKER_CLOSED);
	desk_close(&desk);
}

static void timeouts_open_it(void **state)
{
	set_up();
	desk_open(&desk);
	offer(10);
	tick(15000);
	assert_int_equal(view().breaker, TN_BREAKER_OPEN);
	assert_string_equal(view().breaker_code, "TIMEOUT");
	desk_close(&desk);
}

static void throttling_and_rejection_do_not_open_it(void **state)
{
	set_up();
	desk_open(&desk);
	offer(40);
	for (int i = 0; i < 40; i++)
		answer_next(i % 2 == 0 ? TN_THROTTLED : TN_REJECTED);
	assert_int_equal(view().breaker, TN_BREAKER_CLOSED);
	desk_close(&desk);
}

static void a_shortage_of_our_own_does_not_open_it(void **state)
{
	set_up();
	desk_open(&desk);
	offer(40);
	for (int i = 0; i < 40; i++) {
		struct tn_outcome outcome = {.verdict = TN_RETRY, .local = true, .code = "LOCAL"};
		uint64_t token = desk.starts[i].token;
		tn_engine_result(desk.engine, &(struct tn_result){.token = token, .count = 1, .outcomes = &outcome});
	}
	desk_obey(&desk);
	assert_int_equal(view().breaker, TN_BREAKER_CLOSED);
	desk_close(&desk);
}

static void a_good_answer_breaks_the_row_and_a_throttled_one_does_not(void **state)
{
	set_up();
	desk_open(&desk);
	offer(19);
	for (int i = 0; i < 9; i++)
		answer_next(TN_RETRY);
	answer_next(TN_DELIVERED);
	for (int i = 0; i < 8; i++)
		answer_next(TN_RETRY);
	assert_int_equal(view().breaker, TN_BREAKER_CLOSED);
	answer_next(TN_THROTTLED);
	offer(2);
	answer_next(TN_RETRY);
	answer_next(TN_RETRY);
	assert_int_equal(view().breaker, TN_BREAKER_OPEN);
	desk_close(&desk);
}

static void switched_off_it_stays_closed(void **state)
{
	set_up();
	desk.limits[0].breaker.on = false;
	desk_open(&desk);
	offer(40);
	for (int i = 0; i < 40; i++)
		answer_next(TN_RETRY);
	assert_int_equal(view().breaker, TN_BREAKER_CLOSED);
	desk_close(&desk);
}

/* --- Open --- */

static void opening_parks_what_waits_and_burns_no_attempt(void **state)
{
	set_up();
	desk.limits[0].max_in_flight = 10;
	desk_open(&desk);
	offer(15);
	assert_int_equal(started, 10);
	for (int i = 0; i < 10; i++) {
		answer_next(TN_RETRY);
		if (i < 9)
			assert_int_equal(view().breaker, TN_BREAKER_CLOSED);
	}
	assert_int_equal(started, 15); /* nine places became free before it opened, for five */
	commit();
	offer(3);
	assert_int_equal(started, 15);
	commit();
	assert_int_equal(desk_books(&desk)->pending, 0);
	assert_int_equal(desk_books(&desk)->parks, 4); /* the tenth, and the three that came later */
	assert_int_equal(desk_books(&desk)->attempts, 10);
	desk_close(&desk);
}

static void what_is_parked_unattempted_counts_no_failure(void **state)
{
	set_up();
	open_by_failures();
	offer(1);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	assert_int_equal(desk_row(&desk, 0)->tries.system, 0);
	assert_int_equal(desk_row(&desk, 0)->tries.not_before_ms, desk.now_ms); /* due as soon as it is not open any more */
	desk_close(&desk);
}

static void a_failed_delivery_whose_breaker_is_open_does_not_stay_in_memory(void **state)
{
	set_up();
	desk.limits[0].max_in_flight = 11;
	desk_open(&desk);
	offer(11);
	for (int i = 0; i < 10; i++)
		answer_next(TN_RETRY);
	commit();
	answer_next(TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	assert_int_equal(desk_row(&desk, 0)->tries.system, 1);
	desk_close(&desk);
}

static void beyond_the_park_cap_it_waits_in_memory_until_the_breaker_may_close(void **state)
{
	set_up();
	desk.limits[0].park_rows = 1;
	desk.limits[0].breaker.in_a_row = 1;
	desk_open(&desk);
	offer(1);
	answer_next(TN_RETRY);
	commit();
	offer(3);
	assert_int_equal(desk_books(&desk)->backoff, 3);
	tick(view().breaker_until_ms - desk.now_ms - 1);
	assert_int_equal(started, 1);
	assert_int_equal(desk_books(&desk)->backoff, 3);
	tick(1);
	assert_int_equal(view().breaker, TN_BREAKER_HALF_OPEN);
	assert_int_equal(desk_books(&desk)->pending, 3);
	desk_close(&desk);
}

static void a_sinks_open_breaker_costs_a_dead_letter_its_three_tries(void **state)
{
	set_up();
	desk.limits[1].dead_letter_no = 1;
	desk.limits[0].breaker.in_a_row = 1;
	desk_open(&desk);
	offer(1);
	answer_next(TN_RETRY);
	commit();
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 2), TN_OK);
	desk_obey(&desk);
	desk_answer(&desk, 0, TN_REJECTED);
	tick(100);
	tick(100);
	assert_null(desk.batch);
	tick(100);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD); /* in the store */
	desk_close(&desk);
}

static void opening_sends_the_dead_letters_in_line_of_a_sink_away(void **state)
{
	set_up();
	desk.limits[1].dead_letter_no = 1;
	desk.limits[0].breaker.in_a_row = 1;
	desk.limits[0].max_in_flight = 1;
	desk_open(&desk);
	offer(1);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 2), TN_OK);
	desk_obey(&desk);
	desk_answer(&desk, 0, TN_REJECTED); /* stands in line at the sink now */
	assert_int_equal(desk.start_count, 0);
	answer_next(TN_RETRY);
	commit();
	tick(100);
	tick(100);
	tick(100);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	desk_close(&desk);
}

/* --- Half-open --- */

static void one_probe_then_three_at_a_time_and_five_good_answers_close_it(void **state)
{
	set_up();
	open_by_failures();
	tick(view().breaker_until_ms - desk.now_ms);
	assert_int_equal(view().breaker, TN_BREAKER_HALF_OPEN);
	assert_non_null(desk.scan);
	offer(8);
	assert_int_equal(started, 10); /* the page of what is parked comes first */
	desk_page(&desk, NULL, 0, INT64_MAX);
	keep_starts();
	assert_int_equal(started, 11);
	answer_next(TN_DELIVERED);
	assert_int_equal(started, 14);
	answer_next(TN_DELIVERED);
	assert_int_equal(started, 15);
	answer_next(TN_DELIVERED);
	answer_next(TN_REJECTED); /* an answer like any other */
	assert_int_equal(view().breaker, TN_BREAKER_HALF_OPEN);
	assert_int_equal(started, 17);
	answer_next(TN_DELIVERED);
	assert_int_equal(view().breaker, TN_BREAKER_CLOSED);
	assert_int_equal(started, 18);
	assert_null(view().breaker_code);
	desk_close(&desk);
}

static void a_failed_probe_opens_it_again_for_twice_as_long_up_to_five_minutes(void **state)
{
	set_up();
	desk.policy.system.max_retries = TN_RETRIES_UNLIMITED;
	desk.policy.max_age_ms = 365 * 86400000LL;
	open_by_failures();
	static const int64_t lasts_ms[] = {60000, 120000, 240000, 300000, 300000};
	for (size_t i = 0; i < sizeof(lasts_ms) / sizeof(lasts_ms[0]); i++) {
		tick(view().breaker_until_ms - desk.now_ms);
		struct tn_row row = row_of(1, 1000000, 1000000);
		desk_page(&desk, &row, 1, INT64_MAX);
		keep_starts();
		assert_int_equal(started, 11 + i);
		answer_next(TN_RETRY);
		assert_int_equal(view().breaker, TN_BREAKER_OPEN);
		assert_in_range(view().breaker_until_ms - desk.now_ms, lasts_ms[i], lasts_ms[i] + lasts_ms[i] / 10);
		commit();
	}
	desk_close(&desk);
}

static void a_probe_whose_answer_never_comes_times_out(void **state)
{
	set_up();
	open_by_failures();
	tick(view().breaker_until_ms - desk.now_ms);
	struct tn_row row = row_of(1, 1000000, 1000000);
	desk_page(&desk, &row, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	tick(15000);
	assert_int_equal(view().breaker, TN_BREAKER_OPEN);
	desk_close(&desk);
}

static void a_throttled_probe_says_nothing_and_the_next_one_follows(void **state)
{
	set_up();
	open_by_failures();
	tick(view().breaker_until_ms - desk.now_ms);
	desk_page(&desk, NULL, 0, INT64_MAX);
	offer(2);
	assert_int_equal(started, 11);
	answer_next(TN_THROTTLED);
	assert_int_equal(view().breaker, TN_BREAKER_HALF_OPEN);
	assert_int_equal(started, 12);
	desk_close(&desk);
}

static void the_probe_is_the_oldest_of_what_waits_and_what_is_parked(void **state)
{
	set_up();
	open_by_failures();
	tick(view().breaker_until_ms - desk.now_ms);
	offer(1);
	struct tn_row rows[] = {row_of(1, 1000500, 1000000), row_of(2, 1000100, 1000001)};
	desk_page(&desk, rows, 2, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk.starts[0].attempt->items[0].tries.accepted_ms, 1000100);
	desk_close(&desk);
}

static void a_store_that_does_not_answer_keeps_the_probe_waiting_for_a_second_only(void **state)
{
	set_up();
	open_by_failures();
	tick(view().breaker_until_ms - desk.now_ms);
	assert_non_null(desk.scan);
	offer(1);
	tick(999);
	assert_int_equal(started, 10);
	assert_int_equal(tn_engine_deadline(desk.engine), desk.now_ms + 1);
	tick(1);
	assert_int_equal(started, 11);
	desk_close(&desk);
}

static void a_row_that_was_loaded_is_put_back_without_a_write(void **state)
{
	set_up();
	open_by_failures();
	tick(view().breaker_until_ms - desk.now_ms);
	struct tn_row rows[] = {row_of(1, 1000000, 1000000), row_of(2, 1000001, 1000000)};
	desk_page(&desk, rows, 2, INT64_MAX);
	keep_starts();
	commit(); /* the heartbeat */
	assert_int_equal(desk_books(&desk)->parked, 8);
	answer_next(TN_RETRY);
	assert_int_equal(desk_books(&desk)->parked, 9);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 1); /* the probe's failure */
	assert_int_equal(desk_row(&desk, 0)->key.event_seq, 1);
	commit();
	tick(view().breaker_until_ms - desk.now_ms);
	assert_non_null(desk.scan); /* and is found again */
	assert_true(desk.scan->after_due_ms < 1000000);
	desk_close(&desk);
}

static void answers_to_attempts_from_before_say_nothing(void **state)
{
	set_up();
	desk.limits[0].timeout_ms = 600000;
	desk.limits[0].max_in_flight = 20;
	desk_open(&desk);
	offer(20);
	for (int i = 0; i < 10; i++)
		answer_next(TN_RETRY);
	commit();
	tick(view().breaker_until_ms - desk.now_ms);
	desk_page(&desk, NULL, 0, INT64_MAX);
	for (int i = 0; i < 5; i++)
		answer_next(TN_DELIVERED);
	assert_int_equal(view().breaker, TN_BREAKER_HALF_OPEN);
	answer_next(TN_RETRY);
	assert_int_equal(view().breaker, TN_BREAKER_HALF_OPEN);
	desk_close(&desk);
}

/* --- Errors for an operator --- */

static const struct tn_outcome refused = {.verdict = TN_MISCONFIGURED, .credential = true, .code = "UNAUTHORIZED", .status = 401};

static void a_wrong_credential_opens_it_costs_no_retry_and_is_probed_alone(void **state)
{
	set_up();
	desk.limits[0].breaker.on = false; /* it works without */
	desk.limits[0].max_in_flight = 1;
	desk.policy.system.max_retries = 0;
	desk_open(&desk);
	offer(5);
	answer_next_with(refused);
	assert_int_equal(view().breaker, TN_BREAKER_OPEN);
	assert_string_equal(view().breaker_code, "UNAUTHORIZED");
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 5);
	commit();
	assert_int_equal(desk_books(&desk)->parked, 5);
	tick(29999);
	assert_int_equal(started, 1);
	tick(view().breaker_until_ms - desk.now_ms);
	struct tn_row rows[] = {row_of(1, 1000000, 1000000), row_of(2, 1000000, 1000000)};
	desk_page(&desk, rows, 2, INT64_MAX);
	keep_starts();
	assert_int_equal(started, 2);
	assert_int_equal(under_way[1].attempt->items[0].tries.system, 0);
	answer_next_with(refused);
	assert_in_range(view().breaker_until_ms - desk.now_ms, 60000, 66000);
	desk_close(&desk);
}

static void when_the_only_row_of_its_page_ends_at_once_what_waits_is_the_probe(void **state)
{
	struct tn_row row = row_of(1, 400000, 1000000); /* its time is over, and the policy drops it */
	set_up();
	desk.policy.drop_exhausted = true;
	desk.policy.max_age_ms = 500000;
	desk_open(&desk);
	offer(1);
	answer_next_with(refused);
	commit();
	tick(view().breaker_until_ms - desk.now_ms);
	offer(1);
	assert_int_equal(started, 1);
	desk_page(&desk, &row, 1, INT64_MAX);
	assert_int_equal(desk_books(&desk)->dropped, 1);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

static void a_credential_that_is_right_again_closes_it_at_the_first_answer_where_no_breaker_is_wanted(void **state)
{
	set_up();
	desk.limits[0].breaker.on = false;
	desk_open(&desk);
	offer(1);
	answer_next_with(refused);
	commit();
	tick(view().breaker_until_ms - desk.now_ms);
	desk_page(&desk, NULL, 0, INT64_MAX);
	offer(1);
	answer_next(TN_RETRY);
	assert_int_equal(view().breaker, TN_BREAKER_CLOSED);
	desk_close(&desk);
}

static void changed_settings_are_probed_at_once(void **state)
{
	set_up();
	desk_open(&desk);
	offer(2);
	answer_next_with(refused);
	commit();
	struct tn_target_table table = {.targets = desk.limits, .count = DESK_TARGETS};
	assert_int_equal(tn_engine_reload(desk.engine, &table), TN_OK);
	assert_int_equal(view().breaker, TN_BREAKER_OPEN); /* the same settings: as before */
	desk.limits[0].settings = 1;
	assert_int_equal(tn_engine_reload(desk.engine, &table), TN_OK);
	assert_int_equal(view().breaker, TN_BREAKER_HALF_OPEN);
	answer_next_with(refused); /* of the old settings */
	assert_int_equal(view().breaker, TN_BREAKER_HALF_OPEN);
	desk_obey(&desk);
	assert_non_null(desk.scan);
	struct tn_row row = row_of(1, 1000000, 1000000);
	desk_page(&desk, &row, 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

/* --- The operator --- */

static void the_operator_opens_it_until_he_closes_it(void **state)
{
	set_up();
	desk_open(&desk);
	assert_int_equal(tn_engine_breaker(desk.engine, 1, TN_BREAKER_OPEN), TN_OK);
	offer(2);
	commit();
	assert_int_equal(started, 0);
	assert_true(view().breaker_until_ms == INT64_MAX);
	desk.limits[0].settings = 1;
	struct tn_target_table table = {.targets = desk.limits, .count = DESK_TARGETS};
	assert_int_equal(tn_engine_reload(desk.engine, &table), TN_OK);
	tick(3600000);
	commit();
	assert_int_equal(view().breaker, TN_BREAKER_OPEN);
	assert_int_equal(tn_engine_breaker(desk.engine, 1, TN_BREAKER_CLOSED), TN_OK);
	assert_int_equal(view().breaker, TN_BREAKER_CLOSED);
	desk_obey(&desk);
	assert_non_null(desk.scan);
	assert_int_equal(tn_engine_breaker(desk.engine, 77, TN_BREAKER_OPEN), TN_NOT_FOUND);
	desk_close(&desk);
}

static void no_room_said_while_it_is_open_parks_too(void **state)
{
	set_up();
	desk_open(&desk);
	offer(1);
	assert_int_equal(tn_engine_breaker(desk.engine, 1, TN_BREAKER_OPEN), TN_OK);
	answer_next(TN_HOLD);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_PARKED);
	assert_int_equal(desk_row(&desk, 0)->tries.system, 0);
	desk_close(&desk);
}

static void a_window_shorter_than_a_millisecond_a_bucket_counts_all_the_same(void **state)
{
	desk_init(&desk);
	started = answered = 0;
	desk.limits[0].breaker = (struct tn_breaker_limits){.on = true, .in_a_row = 100, .attempts = 2, .percent = 100, .window_ms = 5};
	desk_open(&desk);
	offer(2);
	answer_next(TN_RETRY);
	assert_int_equal(view().breaker, TN_BREAKER_CLOSED);
	answer_next(TN_RETRY);
	assert_int_equal(view().breaker, TN_BREAKER_OPEN);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_failures_in_a_row_open_it),
		cmocka_unit_test(half_of_twenty_failures_open_it_within_the_window_only),
		cmocka_unit_test(timeouts_open_it),
		cmocka_unit_test(throttling_and_rejection_do_not_open_it),
		cmocka_unit_test(a_shortage_of_our_own_does_not_open_it),
		cmocka_unit_test(a_good_answer_breaks_the_row_and_a_throttled_one_does_not),
		cmocka_unit_test(switched_off_it_stays_closed),
		cmocka_unit_test(opening_parks_what_waits_and_burns_no_attempt),
		cmocka_unit_test(what_is_parked_unattempted_counts_no_failure),
		cmocka_unit_test(a_failed_delivery_whose_breaker_is_open_does_not_stay_in_memory),
		cmocka_unit_test(beyond_the_park_cap_it_waits_in_memory_until_the_breaker_may_close),
		cmocka_unit_test(a_sinks_open_breaker_costs_a_dead_letter_its_three_tries),
		cmocka_unit_test(opening_sends_the_dead_letters_in_line_of_a_sink_away),
		cmocka_unit_test(one_probe_then_three_at_a_time_and_five_good_answers_close_it),
		cmocka_unit_test(a_failed_probe_opens_it_again_for_twice_as_long_up_to_five_minutes),
		cmocka_unit_test(a_probe_whose_answer_never_comes_times_out),
		cmocka_unit_test(a_throttled_probe_says_nothing_and_the_next_one_follows),
		cmocka_unit_test(the_probe_is_the_oldest_of_what_waits_and_what_is_parked),
		cmocka_unit_test(a_store_that_does_not_answer_keeps_the_probe_waiting_for_a_second_only),
		cmocka_unit_test(a_row_that_was_loaded_is_put_back_without_a_write),
		cmocka_unit_test(answers_to_attempts_from_before_say_nothing),
		cmocka_unit_test(a_wrong_credential_opens_it_costs_no_retry_and_is_probed_alone),
		cmocka_unit_test(a_credential_that_is_right_again_closes_it_at_the_first_answer_where_no_breaker_is_wanted),
		cmocka_unit_test(changed_settings_are_probed_at_once),
		cmocka_unit_test(the_operator_opens_it_until_he_closes_it),
		cmocka_unit_test(no_room_said_while_it_is_open_parks_too),
		cmocka_unit_test(a_window_shorter_than_a_millisecond_a_bucket_counts_all_the_same),
		cmocka_unit_test(when_the_only_row_of_its_page_ends_at_once_what_waits_is_the_probe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
