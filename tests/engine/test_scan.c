/* SPDX-License-Identifier: Apache-2.0
 *
 * test_scan.c - pages of the store that are not what was counted on: rows nobody counted, keys and ids that share a hash, odd times.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <stdlib.h>
#include "core.h"
#include "desk.h"

static struct desk desk;

static struct tn_row row_of(enum tn_row_state state, uint64_t seq, uint32_t route_no)
{
	struct tn_row row = {.key = {seq, route_no}, .state = state, .target_no = 1, .rule = TN_STR("r1"), .target = TN_STR("t1"),
		.tries = {.accepted_ms = 900000, .not_before_ms = 900000}};
	uint64_t words[2] = {seq, route_no + 1000};
	memcpy(row.id.bytes, words, sizeof(words));
	return row;
}

static void open_with_parked(uint64_t parked)
{
	desk.config.recover = true;
	desk.config.store_rows = 1;
	desk.config.next_seq = UINT64_MAX / 2;
	desk.limits[0].found_parked = parked;
	desk_open(&desk);
}

static void pass_first_scans(void)
{
	for (int i = 0; i < 3; i++)
		desk_page(&desk, NULL, 0, INT64_MAX);
}

static void a_row_nobody_had_counted_is_recovered(void **state)
{
	desk_init(&desk);
	open_with_parked(1);
	pass_first_scans();
	struct tn_row rows[] = {row_of(TN_ROW_PARKED, 3, 0), row_of(TN_ROW_PARKED, 4, 0)};
	desk_page(&desk, rows, 2, INT64_MAX);
	assert_int_equal(desk.start_count, 2);
	assert_int_equal(desk_books(&desk)->recovered, 2);
	desk_close(&desk);
}

static void a_page_without_routes_is_of_rules_that_are_gone(void **state)
{
	desk_init(&desk);
	open_with_parked(0);
	desk_page(&desk, NULL, 0, INT64_MAX);
	desk_page(&desk, NULL, 0, INT64_MAX);
	struct tn_row row = row_of(TN_ROW_OPEN, 3, 0);
	struct tn_event *event = desk.event;
	struct tn_page page = {.token = desk.scan->token, .rows = &row, .events = &event, .count = 1, .last = true};
	tn_engine_page(desk.engine, &page);
	desk_obey(&desk);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	assert_string_equal(desk_row(&desk, 0)->last->code, "NO_TARGET");
	desk_close(&desk);
}

static void rows_whose_keys_share_a_hash_are_two(void **state)
{
	desk_init(&desk);
	struct tn_row_key twin = desk_twin((struct tn_row_key){3, 1});
	struct tn_row rows[] = {row_of(TN_ROW_PARKED, 3, 1), row_of(TN_ROW_PARKED, twin.event_seq, twin.route_no)};
	open_with_parked(2);
	pass_first_scans();
	desk_page(&desk, rows, 2, INT64_MAX);
	assert_int_equal(desk.start_count, 2);
	assert_int_equal(desk_books(&desk)->inflight, 2);
	desk_close(&desk);
}

enum { TRIED = 300000 };
struct hashed {
	uint32_t hash, route_no;
};

static int compare(const void *a, const void *b)
{
	const struct hashed *one = a, *other = b;
	return one->hash < other->hash ? -1 : one->hash > other->hash;
}

static void keys_of_one_event_are_told_apart_by_their_route(void **state)
{
	static struct hashed routes[TRIED];
	desk_init(&desk);
	open_with_parked(2);
	for (uint32_t i = 0; i < TRIED; i++)
		routes[i] = (struct hashed){tn_map_hash(3 * 0x100000001b3u + i, desk.engine->hash_key), i};
	qsort(routes, TRIED, sizeof(routes[0]), compare);
	uint32_t i = 1;
	while (i < TRIED && routes[i].hash != routes[i - 1].hash)
		i++;
	assert_in_range(i, 1, TRIED - 1);
	struct tn_row rows[] = {row_of(TN_ROW_PARKED, 3, routes[i - 1].route_no), row_of(TN_ROW_PARKED, 3, routes[i].route_no)};
	pass_first_scans();
	desk_page(&desk, rows, 2, INT64_MAX);
	assert_int_equal(desk.start_count, 2);
	desk_close(&desk);
}

static void a_due_page_without_routes_waits_for_its_rules(void **state)
{
	desk_init(&desk);
	open_with_parked(1);
	pass_first_scans();
	struct tn_target_table table = {.targets = desk.limits, .count = DESK_TARGETS, .removal_grace_ms = 5000};
	assert_int_equal(tn_engine_reload(desk.engine, &table), TN_OK);
	struct tn_row row = row_of(TN_ROW_PARKED, 3, 0);
	struct tn_event *event = desk.event;
	struct tn_page page = {.token = desk.scan->token, .rows = &row, .events = &event, .count = 1, .last = true,
		.next_due_ms = INT64_MAX};
	desk.scan = NULL;
	tn_engine_page(desk.engine, &page);
	desk_obey(&desk);
	assert_int_equal(desk_books(&desk)->parked, 1);
	desk_tick(&desk, 5000);
	desk_page(&desk, &row, 1, INT64_MAX); /* the rule is back */
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

/* What stood in the crash guard's slot too often: the host says so, beside the row, and gives it the poison route. */
static void a_quarantined_row_is_a_dead_letter_untried(void **state)
{
	desk_init(&desk);
	open_with_parked(0);
	desk_page(&desk, NULL, 0, INT64_MAX);
	desk_page(&desk, NULL, 0, INT64_MAX);
	struct tn_outcome nameless = {.verdict = TN_RETRY};
	struct tn_row rows[] = {row_of(TN_ROW_OPEN, 3, 0), row_of(TN_ROW_OPEN, 4, 0), row_of(TN_ROW_OPEN, 5, 0)};
	rows[2].last = &nameless;
	struct tn_event *events[] = {desk.event, desk.event, desk.event};
	const struct tn_route *routes[] = {&desk.poison, &desk.routes[0], &desk.poison};
	const bool quarantined[] = {true, false, false};
	struct tn_page page = {.token = desk.scan->token, .rows = rows, .events = events, .routes = routes, .quarantined = quarantined,
		.count = 3, .last = true};
	desk.scan = NULL;
	tn_engine_page(desk.engine, &page);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	assert_string_equal(desk_row(&desk, 0)->last->code, "POISON_CRASH");
	assert_string_equal(desk_row(&desk, 1)->last->code, "POISON");
	desk_close(&desk);
}

static void ids_that_share_a_hash_are_two(void **state)
{
	desk_init(&desk);
	struct tn_row tried = row_of(TN_ROW_TRIED, 3, 0);
	tried.tries.system = 2;
	uint64_t golden = 0x9e3779b97f4a7c15u; /* low ^ high * golden is what an id is hashed by; the first offer's is 1, 1 */
	uint64_t words[2] = {1 ^ golden ^ (2 * golden), 2};
	memcpy(tried.id.bytes, words, sizeof(words));
	open_with_parked(0);
	desk_page(&desk, &tried, 1, INT64_MAX);
	desk_page(&desk, NULL, 0, INT64_MAX);
	desk_page(&desk, NULL, 0, INT64_MAX);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.starts[0].attempt->items[0].tries.system, 0); /* it is another delivery */
	desk_close(&desk);
}

static void a_row_that_was_always_due_is_read_again_when_its_rule_may_be_back(void **state)
{
	desk_init(&desk);
	open_with_parked(1);
	pass_first_scans();
	struct tn_target_table table = {.targets = desk.limits, .count = DESK_TARGETS, .removal_grace_ms = 5000};
	assert_int_equal(tn_engine_reload(desk.engine, &table), TN_OK);
	struct tn_row row = row_of(TN_ROW_PARKED, 3, 0);
	row.tries.not_before_ms = INT64_MIN;
	row.rule = (struct tn_str){0};
	desk_page(&desk, &row, 1, INT64_MAX);
	assert_null(desk.scan);
	desk_tick(&desk, 5000);
	assert_int_equal(desk.scan->after_due_ms, INT64_MIN);
	desk_page(&desk, &row, 1, INT64_MAX);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	desk_close(&desk);
}

static void rows_of_this_run_end_the_first_scans(void **state)
{
	desk_init(&desk);
	desk.config.recover = true;
	desk.config.store_rows = 1;
	desk.config.next_seq = 100;
	desk_open(&desk);
	desk_page(&desk, NULL, 0, INT64_MAX);
	desk_page(&desk, NULL, 0, INT64_MAX);
	struct tn_row rows[] = {row_of(TN_ROW_OPEN, 3, 0), row_of(TN_ROW_OPEN, 100, 0)};
	desk_page(&desk, rows, 2, INT64_MAX);
	assert_int_equal(desk_books(&desk)->recovered, 1);
	assert_true(tn_engine_recovered(desk.engine));
	desk_close(&desk);
}

static void without_a_recover_window_nothing_is_read_to_be_joined(void **state)
{
	desk_init(&desk);
	desk.config.recover_window_ms = 0;
	open_with_parked(0);
	assert_int_equal(desk.scan->state, TN_ROW_TRIED);
	desk_page(&desk, NULL, 0, INT64_MAX);
	assert_int_equal(desk.scan->state, TN_ROW_OPEN);
	desk_close(&desk);
}

static void a_count_as_high_as_it_goes_stays_there(void **state)
{
	desk_init(&desk);
	desk.policy.system.max_retries = TN_RETRIES_UNLIMITED;
	open_with_parked(0);
	desk_page(&desk, NULL, 0, INT64_MAX);
	desk_page(&desk, NULL, 0, INT64_MAX);
	struct tn_row open = row_of(TN_ROW_OPEN, 3, 0);
	open.tries.system = UINT32_MAX / 2;
	desk_page(&desk, &open, 1, INT64_MAX);
	desk_answer(&desk, 0, TN_RETRY);
	assert_int_equal(desk_row(&desk, 0)->tries.system, UINT32_MAX / 2);
	desk_close(&desk);
}

static void of_very_many_counts_the_oldest_are_forgotten(void **state)
{
	enum { A_PAGE = 200, PAGES = 340 };
	static struct tn_row rows[A_PAGE];
	static struct tn_event *events[A_PAGE];
	static const struct tn_route *routes[A_PAGE];
	desk_init(&desk);
	desk.config.memory_bytes = (size_t)1 << 30;
	open_with_parked(0);
	for (uint64_t page_no = 0; page_no < PAGES; page_no++) {
		for (uint64_t i = 0; i < A_PAGE; i++) {
			rows[i] = row_of(TN_ROW_TRIED, 1 + page_no * A_PAGE + i, 0);
			routes[i] = &desk.routes[0];
		}
		struct tn_page page = {.token = desk.scan->token, .rows = rows, .events = events, .routes = routes, .count = A_PAGE,
			.last = page_no == PAGES - 1};
		desk.scan = NULL;
		tn_engine_page(desk.engine, &page);
		if (desk.batch != NULL)
			desk_commit(&desk, TN_COMMIT_OK);
		desk_obey(&desk);
	}
	desk_page(&desk, NULL, 0, INT64_MAX);
	desk_tick(&desk, 1000);
	while (desk.batch != NULL)
		desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_books(&desk)->tried_rows, 65536);
	desk_close(&desk);
}

static void a_resumed_delivery_keeps_its_age(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	struct tn_match match = {.route = &desk.routes[0], .tries = {.system = 1, .accepted_ms = desk.now_ms - 3600001}};
	struct tn_offer offer = {.event = desk.event, .matches = &match, .match_count = 1};
	struct tn_arrival arrival = {.position = {.source = 1, .stream = 1, .epoch = 1, .low = 1}, .offers = &offer, .count = 1};
	assert_int_equal(tn_engine_offer(desk.engine, &arrival), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk_row(&desk, 0)->condition, TN_CONDITION_MAX_AGE);
	desk_close(&desk);
}

static void however_little_memory_there_is_one_count_is_remembered(void **state)
{
	struct tn_row rows[] = {row_of(TN_ROW_TRIED, 3, 0), row_of(TN_ROW_TRIED, 4, 0)};
	desk_init(&desk);
	desk.config.memory_bytes = 1;
	open_with_parked(0);
	desk_page(&desk, rows, 2, INT64_MAX);
	while (desk.batch == NULL)
		desk_tick(&desk, 20);
	assert_int_equal(desk_ops(&desk, TN_DROP_ROW), 1); /* the older one is forgotten */
	assert_int_equal(desk.batch->ops[0].key.event_seq, 3);
	desk_close(&desk);
}

static void while_the_journal_is_read_the_engine_has_not_recovered(void **state)
{
	desk_init(&desk);
	open_with_parked(0);
	desk_page(&desk, NULL, 0, INT64_MAX);
	struct tn_page page = {.token = desk.scan->token, .last = true, .next_due_ms = INT64_MAX};
	tn_engine_page(desk.engine, &page);
	assert_false(tn_engine_recovered(desk.engine)); /* it is to be asked for */
	desk_obey(&desk);
	assert_int_equal(desk.scan->state, TN_ROW_OPEN);
	assert_false(tn_engine_recovered(desk.engine)); /* it was asked for */
	desk_page(&desk, NULL, 0, INT64_MAX);
	assert_true(tn_engine_recovered(desk.engine));
	desk_close(&desk);
}

static void a_journal_larger_than_memory_does_not_keep_sources_closed(void **state)
{
	struct tn_row row = row_of(TN_ROW_OPEN, 3, 0);
	const struct tn_route *route = &desk.routes[0];
	desk_init(&desk);
	desk.config.memory_bytes = 1;
	open_with_parked(0);
	desk_page(&desk, NULL, 0, INT64_MAX);
	desk_page(&desk, NULL, 0, INT64_MAX);
	assert_int_equal(desk.scan->state, TN_ROW_OPEN);
	struct tn_page page = {.token = desk.scan->token, .rows = &row, .events = &desk.event, .routes = &route, .count = 1};
	desk.scan = NULL;
	tn_engine_page(desk.engine, &page);
	desk_obey(&desk);
	assert_null(desk.scan); /* there is more of it, but no room */
	assert_true(tn_engine_recovered(desk.engine));
	desk_answer(&desk, 0, TN_DELIVERED);
	desk_tick(&desk, 20); /* drops wait a little for company */
	desk_commit(&desk, TN_COMMIT_OK);
	assert_non_null(desk.scan);
	assert_int_equal(desk.scan->state, TN_ROW_OPEN);
	desk_close(&desk);
}

/* The page was asked for while the target was given up, and so holds all its rows. */
static void a_target_that_comes_back_before_its_page_takes_of_it_what_is_due(void **state)
{
	struct tn_row rows[] = {row_of(TN_ROW_PARKED, 3, 0), row_of(TN_ROW_PARKED, 4, 0)};
	desk_init(&desk);
	desk.policy.max_age_ms = 86400000;
	desk.removal_grace_ms = 1000;
	desk.limits[0].removed = true;
	open_with_parked(2);
	for (int i = 0; i < 4 && desk.scan != NULL; i++)
		desk_page(&desk, NULL, 0, desk.now_ms);
	desk_tick(&desk, 1000);
	assert_int_equal(desk.scan->order, TN_SCAN_DUE);
	assert_true(desk.scan->until_ms == INT64_MAX);
	desk.limits[0].removed = false;
	desk_reload(&desk);
	rows[1].tries.not_before_ms = desk.now_ms + 5000;
	desk_page(&desk, rows, 2, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_null(desk.scan);
	desk_tick(&desk, 5000);
	assert_int_equal(desk.scan->order, TN_SCAN_DUE);
	desk_page(&desk, &rows[1], 1, INT64_MAX);
	assert_int_equal(desk.start_count, 1);
	desk_close(&desk);
}

/* Whatever piece of memory it is that is not there. */
static void what_a_start_finds_waits_for_memory_and_is_taken_then(void **state)
{
	static const enum tn_row_state stages[] = {TN_ROW_TRIED, TN_ROW_PARKED, TN_ROW_OPEN};
	for (size_t stage = 0; stage < 3; stage++) {
		struct tn_row row = row_of(stages[stage], 3, 0);
		row.lane = stages[stage] == TN_ROW_TRIED ? (struct tn_id){0} : desk_lane(1, 7);
		row.lane_seq = 40;
		desk_init(&desk);
		desk.limits[0].ordered = true;
		open_with_parked(1);
		for (size_t i = 0; i < stage; i++)
			desk_page(&desk, NULL, 0, INT64_MAX);
		int pieces = 0;
		for (; desk.scan != NULL && desk.scan->state == stages[stage]; pieces++) {
			desk.fail_after = (pieces + 1) / 2; /* what the heap has it keeps: each count twice */
			desk_page(&desk, &row, 1, INT64_MAX);
			desk.fail_after = -1;
			desk_tick(&desk, 1000);
		}
		assert_true(pieces > 1);
		assert_int_equal(desk_books(&desk)->recovered, 1 + (stages[stage] == TN_ROW_OPEN));
		desk_close(&desk);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_nobody_had_counted_is_recovered),
		cmocka_unit_test(a_page_without_routes_is_of_rules_that_are_gone),
		cmocka_unit_test(rows_whose_keys_share_a_hash_are_two),
		cmocka_unit_test(keys_of_one_event_are_told_apart_by_their_route),
		cmocka_unit_test(a_due_page_without_routes_waits_for_its_rules),
		cmocka_unit_test(a_quarantined_row_is_a_dead_letter_untried),
		cmocka_unit_test(ids_that_share_a_hash_are_two),
		cmocka_unit_test(a_row_that_was_always_due_is_read_again_when_its_rule_may_be_back),
		cmocka_unit_test(rows_of_this_run_end_the_first_scans),
		cmocka_unit_test(without_a_recover_window_nothing_is_read_to_be_joined),
		cmocka_unit_test(a_count_as_high_as_it_goes_stays_there),
		cmocka_unit_test(of_very_many_counts_the_oldest_are_forgotten),
		cmocka_unit_test(a_resumed_delivery_keeps_its_age),
		cmocka_unit_test(however_little_memory_there_is_one_count_is_remembered),
		cmocka_unit_test(while_the_journal_is_read_the_engine_has_not_recovered),
		cmocka_unit_test(a_journal_larger_than_memory_does_not_keep_sources_closed),
		cmocka_unit_test(a_target_that_comes_back_before_its_page_takes_of_it_what_is_due),
		cmocka_unit_test(what_a_start_finds_waits_for_memory_and_is_taken_then),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
