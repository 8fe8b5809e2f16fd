/* SPDX-License-Identifier: Apache-2.0
 *
 * test_apply.c - what the operations of a batch do, once and twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "raw.h"

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

static uint64_t used_bytes(struct fixture *fixture)
{
	return facts_of(fixture).used_bytes;
}

static void a_row_comes_back_with_its_event(void **state)
{
	struct tn_row row = make_row(7, 3, TN_ROW_OPEN, 1, 0);
	put(*state, row);
	struct tn_page page = scan(*state, scan_state(TN_ROW_OPEN));
	assert_int_equal(page.count, 1);
	assert_int_equal(page.rows[0].key.event_seq, 7);
	assert_int_equal(page.rows[0].key.route_no, 3);
	assert_true(tn_str_is(page.rows[0].rule, "a-rule"));
	assert_true(is_event_of(page.events[0], 7));
	assert_true(page.last);
	tn_page_fini(&page);
}

static void a_put_moves_a_row_from_state_to_state(void **state)
{
	put(*state, make_row(1, 0, TN_ROW_OPEN, 1, 0));
	for (enum tn_row_state to = TN_ROW_PARKED; to <= TN_ROW_DEAD; to++) {
		struct tn_row row = make_row(1, 0, to, 1, 500);
		struct tn_op op = op_put(&row);
		assert_int_equal(apply(*state, &op, 1), TN_COMMIT_OK);
		assert_int_equal(count_rows(*state, to), 1);
		assert_int_equal(facts_of(*state).rows[to], 1);
	}
	assert_int_equal(count_rows(*state, TN_ROW_OPEN), 0);
	assert_int_equal(count_rows(*state, TN_ROW_PARKED), 0);
	assert_int_equal(facts_of(*state).rows[TN_ROW_OPEN], 0);
	assert_int_equal(facts_of(*state).rows[TN_ROW_PARKED], 0);
}

static void the_last_row_takes_the_event_bytes_along(void **state)
{
	uint64_t before = used_bytes(*state);
	struct tn_event *event = make_event(5, 200000);
	struct tn_row first = make_row(5, 0, TN_ROW_OPEN, 1, 0), second = make_row(5, 1, TN_ROW_OPEN, 1, 0);
	struct tn_op ops[] = {op_event(5, event), op_put(&first), op_put(&second)};
	assert_int_equal(apply(*state, ops, 3), TN_COMMIT_OK);
	tn_event_unref(event);
	assert_true(used_bytes(*state) > before + 200000);

	struct tn_op drop = op_on(TN_DROP_ROW, 5, 0);
	assert_int_equal(apply(*state, &drop, 1), TN_COMMIT_OK);
	assert_true(used_bytes(*state) > before + 200000);
	drop = op_on(TN_DROP_ROW, 5, 1);
	assert_int_equal(apply(*state, &drop, 1), TN_COMMIT_OK);
	assert_true(used_bytes(*state) < before + 100000);
}

static void dropping_what_is_absent_is_fine(void **state)
{
	struct tn_op drop = op_on(TN_DROP_ROW, 99, 0);
	assert_int_equal(apply(*state, &drop, 1), TN_COMMIT_OK);
}

static void a_row_parked_anew_is_due_at_its_new_time_only(void **state)
{
	put(*state, make_row(1, 0, TN_ROW_PARKED, 4, 100));
	struct tn_row later = make_row(1, 0, TN_ROW_PARKED, 4, 900);
	struct tn_op op = op_put(&later);
	assert_int_equal(apply(*state, &op, 1), TN_COMMIT_OK);

	struct tn_page early = scan(*state, scan_due(4, 500)), late = scan(*state, scan_due(4, 900));
	assert_int_equal(early.count, 0);
	assert_int_equal(early.next_due_ms, 900);
	assert_int_equal(late.count, 1);
	tn_page_fini(&early);
	tn_page_fini(&late);
}

static void index_entries_go_with_what_they_stood_for(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, make_row(1, 0, TN_ROW_PARKED, 4, 100));
	put(fixture, make_row(2, 0, TN_ROW_PARKED, 4, 100));
	put(fixture, make_row(3, 0, TN_ROW_PARKED, 4, 100));
	struct tn_row later = make_row(1, 0, TN_ROW_PARKED, 5, 900), dead = make_row(2, 0, TN_ROW_DEAD, 4, 100);
	struct tn_op ops[] = {op_put(&later), op_put(&dead), op_on(TN_DROP_ROW, 3, 0)};
	assert_int_equal(apply(fixture, ops, 3), TN_COMMIT_OK);
	fixture_close(fixture);
	assert_int_equal(raw_count(fixture->path, "due"), 1);
	assert_int_equal(raw_count(fixture->path, "states"), 2);
	assert_int_equal(raw_count(fixture->path, "targets"), 2); /* 4 has a dead row, 5 a parked one */
}

static void a_redriven_row_is_due_now_with_fresh_counters_and_the_same_id(void **state)
{
	struct tn_outcome outcome = {.verdict = TN_RETRY, .code = "HTTP_503", .message = TN_STR("no")};
	struct tn_row dead = make_row(3, 0, TN_ROW_DEAD, 2, 0);
	dead.tries.system = 185;
	dead.last = &outcome;
	dead.dead_ms = 4000;
	dead.condition = TN_CONDITION_MAX_RETRIES;
	dead.queue = TN_STR("slow");
	dead.hops = 3;
	dead.blocks = true;
	dead.dedup_key = make_id(9);
	put(*state, dead);

	struct tn_op redrive = op_on(TN_REDRIVE_ROW, 3, 0);
	assert_int_equal(apply_at(*state, &redrive, 1, 7000), TN_COMMIT_OK);
	struct tn_page page = scan(*state, scan_due(2, 7000));
	assert_int_equal(page.count, 1);
	assert_int_equal(page.rows[0].tries.system, 0);
	assert_int_equal(page.rows[0].tries.accepted_ms, 7000);
	assert_int_equal(page.rows[0].redrives, 1);
	assert_int_equal(page.rows[0].queue.len, 0);
	assert_true(tn_id_equal(&page.rows[0].id, &dead.id));
	assert_int_equal(page.rows[0].hops, 3);
	assert_false(page.rows[0].blocks);
	assert_true(tn_id_equal(&page.rows[0].dedup_key, &dead.dedup_key));
	assert_true(is_event_of(page.events[0], 3));
	tn_page_fini(&page);
	assert_int_equal(count_rows(*state, TN_ROW_DEAD), 0);
}

static void a_redrive_leaves_what_is_not_dead_alone(void **state)
{
	put(*state, make_row(3, 0, TN_ROW_PARKED, 2, 5000));
	struct tn_op redrive = op_on(TN_REDRIVE_ROW, 3, 0);
	assert_int_equal(apply_at(*state, &redrive, 1, 7000), TN_COMMIT_OK);
	struct tn_page page = scan(*state, scan_due(2, INT64_MAX));
	assert_int_equal(page.rows[0].tries.not_before_ms, 5000);
	assert_int_equal(page.rows[0].redrives, 0);
	tn_page_fini(&page);
}

static void a_release_takes_the_block_from_dead_rows_only(void **state)
{
	struct tn_row dead = make_row(3, 0, TN_ROW_DEAD, 2, 0), parked = make_row(4, 0, TN_ROW_PARKED, 2, 5000);
	dead.blocks = parked.blocks = true;
	dead.lane = make_id(7);
	dead.lane_seq = 40;
	dead.dead_ms = 4000;
	put(*state, dead);
	put(*state, parked);
	struct tn_op ops[] = {op_on(TN_RELEASE_ROW, 3, 0), op_on(TN_RELEASE_ROW, 4, 0), op_on(TN_RELEASE_ROW, 5, 0)};
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(apply(*state, ops, 3), TN_COMMIT_OK);
		struct tn_page page = scan(*state, scan_state(TN_ROW_DEAD));
		assert_int_equal(page.count, 1);
		assert_false(page.rows[0].blocks);
		assert_int_equal(page.rows[0].dead_ms, 4000);
		assert_int_equal(page.rows[0].lane_seq, 40);
		assert_true(tn_id_equal(&page.rows[0].lane, &dead.lane));
		tn_page_fini(&page);
		page = scan(*state, scan_state(TN_ROW_PARKED));
		assert_true(page.rows[0].blocks);
		tn_page_fini(&page);
	}
}

static void a_purge_drops_dead_rows_only(void **state)
{
	put(*state, make_row(1, 0, TN_ROW_DEAD, 2, 0));
	put(*state, make_row(2, 0, TN_ROW_PARKED, 2, 0));
	struct tn_op ops[] = {op_on(TN_PURGE_ROW, 1, 0), op_on(TN_PURGE_ROW, 2, 0)};
	assert_int_equal(apply(*state, ops, 2), TN_COMMIT_OK);
	assert_int_equal(count_rows(*state, TN_ROW_DEAD), 0);
	assert_int_equal(count_rows(*state, TN_ROW_PARKED), 1);
}

static void sequence_and_time_are_kept_and_never_go_back(void **state)
{
	struct fixture *fixture = *state;
	struct tn_batch later = {.number = 1, .next_seq = 50, .now_ms = 9000}, earlier = {.number = 2, .next_seq = 40, .now_ms = 8000};
	assert_int_equal(tn_store_apply(fixture->store, &later), TN_COMMIT_OK);
	assert_int_equal(tn_store_apply(fixture->store, &earlier), TN_COMMIT_OK);
	fixture_reopen(fixture);
	assert_int_equal(facts_of(fixture).next_seq, 50);
	assert_int_equal(facts_of(fixture).engine_ms, 9000);
}

/* --- Twice is once --- */

static struct tn_op op_seen(uint8_t key, int64_t expires_ms)
{
	return (struct tn_op){.kind = TN_PUT_SEEN, .seen = {.key = make_id(key), .expires_ms = expires_ms}};
}

static void remember_target(void *arg, const struct tn_store_target *target)
{
	struct tn_store_target *targets = arg;
	targets[target->number] = *target;
	targets[target->number].name = (struct tn_str){0};
}

struct picture { /* everything a reader can see */
	uint64_t rows[5];
	struct tn_store_target targets[3];
	struct tn_store_flows flows;
	uint64_t seen;
	uint32_t counts[5];
	struct tn_row_key keys[5][8];
	int64_t due_ms[3][8];
};

static struct picture take_picture(struct fixture *fixture)
{
	struct picture picture = {0};
	struct tn_store_facts facts = facts_of(fixture);
	memcpy(picture.rows, facts.rows, sizeof facts.rows);
	picture.flows = facts.flows;
	picture.seen = facts.seen;
	assert_int_equal(tn_store_each_number(fixture->store, remember_target, picture.targets), TN_OK);
	for (enum tn_row_state i = TN_ROW_OPEN; i <= TN_ROW_DEAD; i++) {
		struct tn_page page = scan(fixture, scan_state(i));
		picture.counts[i] = page.count;
		for (uint32_t j = 0; j < page.count; j++)
			picture.keys[i][j] = page.rows[j].key;
		tn_page_fini(&page);
	}
	for (uint32_t target_no = 1; target_no <= 2; target_no++) {
		struct tn_page page = scan(fixture, scan_due(target_no, INT64_MAX));
		for (uint32_t j = 0; j < page.count; j++)
			picture.due_ms[target_no][j] = page.rows[j].tries.not_before_ms;
		tn_page_fini(&page);
	}
	return picture;
}

/* Applies steps batches of a small life, each `times` over. */
static struct picture live(struct fixture *fixture, unsigned times)
{
	uint32_t number;
	assert_int_equal(tn_store_number(fixture->store, TN_STR("one"), &number, NULL), TN_OK);
	assert_int_equal(tn_store_number(fixture->store, TN_STR("two"), &number, NULL), TN_OK);
	struct tn_event *events[] = {make_event(1, 10), make_event(2, 5000), make_event(3, 10)};
	struct tn_row open1 = make_row(1, 0, TN_ROW_OPEN, 1, 0), open2 = make_row(1, 1, TN_ROW_OPEN, 2, 0),
		parked1 = make_row(1, 0, TN_ROW_PARKED, 1, 100), parked1_later = make_row(1, 0, TN_ROW_PARKED, 1, 300),
		dead2 = make_row(2, 0, TN_ROW_DEAD, 2, 0), dead3 = make_row(3, 0, TN_ROW_DEAD, 1, 0),
		tried4 = make_row(4, 0, TN_ROW_TRIED, 1, 0);
	const struct {
		struct tn_op ops[4];
		uint32_t count;
	} steps[] = {
		{{op_event(1, events[0]), op_put(&open1), op_put(&open2)}, 3},
		{{op_put(&parked1), op_put(&tried4)}, 2},
		{{op_event(2, events[1]), op_put(&dead2), op_event(3, events[2]), op_put(&dead3)}, 4},
		{{op_put(&parked1_later), op_on(TN_DROP_ROW, 1, 1)}, 2},
		{{op_on(TN_REDRIVE_ROW, 2, 0), op_on(TN_PURGE_ROW, 3, 0)}, 2},
		{{op_on(TN_DROP_ROW, 4, 0), op_seen(1, 9000), op_seen(2, 9000), op_seen(1, 9500)}, 4},
	};
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		for (unsigned j = 0; j < times; j++) {
			struct tn_batch batch = {.number = i + 1, .now_ms = 1000, .ops = steps[i].ops, .count = steps[i].count};
			assert_int_equal(tn_store_apply(fixture->store, &batch), TN_COMMIT_OK);
		}
	for (unsigned i = 0; i < 3; i++)
		tn_event_unref(events[i]);
	return take_picture(fixture);
}

static void every_batch_done_twice_leaves_the_same_store(void **state)
{
	struct fixture *other = fixture_new(16 * MIB);
	struct picture once = live(*state, 1), twice = live(other, 2);
	assert_memory_equal(&once, &twice, sizeof once);
	assert_int_equal(once.counts[TN_ROW_PARKED], 2);
	assert_int_equal(once.targets[1].parked_rows, 1);
	assert_int_equal(once.targets[2].parked_rows, 1);
	assert_int_equal(once.due_ms[1][0], 300);
	assert_int_equal(once.seen, 2);
	fixture_free(other);
}

static void assert_flows_equal_rows(const struct tn_store_facts *facts)
{
	const struct tn_store_flows *flows = &facts->flows;
	for (enum tn_row_state i = TN_ROW_OPEN; i <= TN_ROW_DEAD; i++) {
		uint64_t in = flows->put[i], out = flows->dropped[i] + flows->aside[i];
		for (enum tn_row_state j = TN_ROW_OPEN; j <= TN_ROW_DEAD; j++) {
			in += flows->moved[j][i];
			out += flows->moved[i][j];
		}
		assert_int_equal(facts->rows[i], in - out);
	}
}

static void what_went_into_a_state_less_what_left_it_is_there(void **state)
{
	live(*state, 2);
	fixture_reopen(*state);
	struct tn_store_facts facts = facts_of(*state);
	assert_flows_equal_rows(&facts);
	assert_int_equal(facts.flows.put[TN_ROW_OPEN], 2);
	assert_int_equal(facts.flows.moved[TN_ROW_OPEN][TN_ROW_PARKED], 1);
	assert_int_equal(facts.flows.dropped[TN_ROW_OPEN], 1);
	assert_int_equal(facts.flows.redriven, 1);
	assert_int_equal(facts.flows.moved[TN_ROW_DEAD][TN_ROW_PARKED], 1);
	assert_int_equal(facts.flows.purged, 1);
	assert_int_equal(facts.flows.dropped[TN_ROW_DEAD], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_row_comes_back_with_its_event, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_put_moves_a_row_from_state_to_state, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_last_row_takes_the_event_bytes_along, set_up, tear_down),
		cmocka_unit_test_setup_teardown(dropping_what_is_absent_is_fine, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_row_parked_anew_is_due_at_its_new_time_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(index_entries_go_with_what_they_stood_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_redriven_row_is_due_now_with_fresh_counters_and_the_same_id, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_redrive_leaves_what_is_not_dead_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_release_takes_the_block_from_dead_rows_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_purge_drops_dead_rows_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sequence_and_time_are_kept_and_never_go_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_batch_done_twice_leaves_the_same_store, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_went_into_a_state_less_what_left_it_is_there, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
