/* SPDX-License-Identifier: Apache-2.0
 *
 * test_space.c - who may use the reserve, by rule and in a store that is filled up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include "fixture.h"
#include "space.h"

static enum tn_space_need need_of(enum tn_row_state state, bool with_event)
{
	struct tn_row row = make_row(1, 0, state, 1, 0);
	struct tn_op ops[] = {op_on(TN_DROP_ROW, 9, 0), op_put(&row), op_event(1, NULL)};
	struct tn_batch batch = {.ops = ops, .count = with_event ? 3 : 2};
	return tn_space_need(&batch);
}

static void a_batch_needs_what_its_most_demanding_operation_needs(void **state)
{
	struct tn_op drop = op_on(TN_DROP_ROW, 1, 0), redrive = op_on(TN_REDRIVE_ROW, 1, 0);
	assert_int_equal(need_of(TN_ROW_OPEN, true), TN_SPACE_INTAKE);
	assert_int_equal(need_of(TN_ROW_PARKED, true), TN_SPACE_KEEP);
	assert_int_equal(need_of(TN_ROW_DEAD, true), TN_SPACE_KEEP);
	assert_int_equal(need_of(TN_ROW_TRIED, false), TN_SPACE_ROWS);
	assert_int_equal(need_of(TN_ROW_OPEN, false), TN_SPACE_SETTLE); /* there already: a failure more */
	assert_int_equal(need_of(TN_ROW_PARKED, false), TN_SPACE_SETTLE);
	assert_int_equal(need_of(TN_ROW_DEAD, false), TN_SPACE_SETTLE);
	assert_int_equal(tn_space_need(&(struct tn_batch){.ops = &redrive, .count = 1}), TN_SPACE_ROWS);
	assert_int_equal(tn_space_need(&(struct tn_batch){.ops = &drop, .count = 1}), TN_SPACE_SETTLE);
	assert_int_equal(tn_space_need(&(struct tn_batch){.count = 0}), TN_SPACE_SETTLE);
}

static bool allows(unsigned used_percent, unsigned free_quarters, enum tn_space_need need)
{
	struct tn_space space = {used_percent * MIB, 100 * MIB, free_quarters * (100 * MIB / 16 / 4), 1000 * MIB};
	return tn_space_allows(&space, need);
}

static void each_need_has_its_limit_in_the_map(void **state)
{
	assert_true(allows(90, 4, TN_SPACE_INTAKE));
	assert_false(allows(91, 4, TN_SPACE_INTAKE));
	assert_true(allows(94, 4, TN_SPACE_KEEP));
	assert_false(allows(95, 4, TN_SPACE_KEEP));
	assert_true(allows(97, 4, TN_SPACE_ROWS));
	assert_false(allows(98, 4, TN_SPACE_ROWS));
	assert_true(allows(100, 4, TN_SPACE_SETTLE));
}

static void a_small_disk_has_a_small_reserve(void **state)
{
	struct tn_space space = {.max_bytes = 1024 * MIB, .room_bytes = MIB, .disk_bytes = 8 * MIB};
	assert_true(tn_space_allows(&space, TN_SPACE_INTAKE));
	space.room_bytes = MIB / 2 - 1;
	assert_false(tn_space_allows(&space, TN_SPACE_INTAKE));
}

static void each_need_has_its_limit_on_the_disk(void **state)
{
	assert_false(allows(10, 3, TN_SPACE_INTAKE));
	assert_true(allows(10, 3, TN_SPACE_KEEP));
	assert_false(allows(10, 2, TN_SPACE_KEEP));
	assert_true(allows(10, 2, TN_SPACE_ROWS));
	assert_false(allows(10, 1, TN_SPACE_ROWS));
	assert_true(allows(10, 0, TN_SPACE_SETTLE));
}

static void the_disk_reserve_of_a_large_store_is_64_mib(void **state)
{
	struct tn_space space = {0, 1024 * 1024 * MIB, 64 * MIB, 1024 * 1024 * MIB};
	assert_true(tn_space_allows(&space, TN_SPACE_INTAKE));
	space.room_bytes--;
	assert_false(tn_space_allows(&space, TN_SPACE_INTAKE));
}

/* --- A store that is filled up --- */

static enum tn_commit put_in_state(struct fixture *fixture, uint64_t seq, enum tn_row_state row_state)
{
	struct tn_event *event = make_event(seq, 3000);
	struct tn_row row = make_row(seq, 0, row_state, 1, 0);
	struct tn_op ops[] = {op_event(seq, event), op_put(&row)};
	enum tn_commit commit = apply(fixture, ops, 2);
	tn_event_unref(event);
	return commit;
}

/* Puts events until one is refused; answers how many went in. */
static uint64_t fill(struct fixture *fixture, uint64_t first_seq, enum tn_row_state row_state)
{
	uint64_t count = 0;
	enum tn_commit commit;
	while ((commit = put_in_state(fixture, first_seq + count, row_state)) == TN_COMMIT_OK)
		count++;
	assert_int_equal(commit, TN_COMMIT_REFUSED);
	return count;
}

static void drop_all(struct fixture *fixture, uint64_t first_seq, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct tn_op drop = op_on(TN_DROP_ROW, first_seq + i, 0);
		assert_int_equal(apply(fixture, &drop, 1), TN_COMMIT_OK);
	}
}

static void a_full_store_takes_no_intake_but_parks_counts_and_drops(void **state)
{
	struct fixture *fixture = fixture_new(2 * MIB);
	uint64_t count = fill(fixture, 1, TN_ROW_OPEN);
	struct tn_store_facts facts = facts_of(fixture);
	assert_true(facts.nearly_full);
	assert_true(facts.used_bytes > facts.max_bytes / 100 * 90);
	assert_true(count > 300);

	assert_int_equal(put_in_state(fixture, 100001, TN_ROW_PARKED), TN_COMMIT_OK);
	uint64_t parked = fill(fixture, 200001, TN_ROW_DEAD);
	struct tn_row tried = make_row(300001, 0, TN_ROW_TRIED, 1, 0), dead = make_row(1, 0, TN_ROW_DEAD, 1, 0);
	struct tn_op ops[] = {op_put(&tried), op_put(&dead)};
	assert_int_equal(apply(fixture, ops, 2), TN_COMMIT_OK);
	assert_true(parked > 0);
	drop_all(fixture, 2, count - 1);
	assert_false(facts_of(fixture).nearly_full);
	fixture_free(fixture);
}

static void a_store_can_be_filled_and_emptied_again_and_again(void **state)
{
	struct fixture *fixture = fixture_new(2 * MIB);
	uint64_t seq = 1, first = 0;
	for (unsigned round = 0; round < 4; round++) {
		uint64_t count = fill(fixture, seq, TN_ROW_OPEN);
		if (round == 0)
			first = count;
		assert_true(count * 100 >= first * 95);
		drop_all(fixture, seq, count);
		seq += count;
	}
	assert_int_equal(facts_of(fixture).rows[TN_ROW_OPEN], 0);
	fixture_free(fixture);
}

static void a_store_that_is_full_opens_and_can_be_emptied(void **state)
{
	struct fixture *fixture = fixture_new(2 * MIB);
	uint64_t count = fill(fixture, 1, TN_ROW_OPEN);
	fixture_reopen(fixture);
	assert_true(facts_of(fixture).nearly_full);
	assert_int_equal(count_rows(fixture, TN_ROW_OPEN), count);
	drop_all(fixture, 1, count);
	assert_int_equal(put_in_state(fixture, 100001, TN_ROW_OPEN), TN_COMMIT_OK);
	fixture_free(fixture);
}

/* Past the reserve, where every page is taken: what frees space still goes through. */
static void one_batch_of_drops_empties_a_store_at_its_limit(void **state)
{
	struct fixture *fixture = fixture_new(2 * MIB);
	uint64_t count = fill(fixture, 1, TN_ROW_OPEN), dead = fill(fixture, 200001, TN_ROW_DEAD);
	uint64_t tried = 0;
	for (enum tn_commit commit = TN_COMMIT_OK; commit == TN_COMMIT_OK; tried++) {
		struct tn_row row = make_row(300001 + tried, 0, TN_ROW_TRIED, 1, 0);
		struct tn_op op = op_put(&row);
		commit = apply(fixture, &op, 1);
	}
	struct tn_op *ops = calloc(count + dead, sizeof *ops);
	assert_non_null(ops);
	for (uint64_t i = 0; i < count + dead; i++)
		ops[i] = op_on(TN_DROP_ROW, i < count ? 1 + i : 200001 + i - count, 0);
	assert_int_equal(apply(fixture, ops, (uint32_t)(count + dead)), TN_COMMIT_OK);
	assert_false(facts_of(fixture).nearly_full);
	free(ops);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_needs_what_its_most_demanding_operation_needs),
		cmocka_unit_test(each_need_has_its_limit_in_the_map),
		cmocka_unit_test(each_need_has_its_limit_on_the_disk),
		cmocka_unit_test(a_small_disk_has_a_small_reserve),
		cmocka_unit_test(the_disk_reserve_of_a_large_store_is_64_mib),
		cmocka_unit_test(a_full_store_takes_no_intake_but_parks_counts_and_drops),
		cmocka_unit_test(a_store_can_be_filled_and_emptied_again_and_again),
		cmocka_unit_test(a_store_that_is_full_opens_and_can_be_emptied),
		cmocka_unit_test(one_batch_of_drops_empties_a_store_at_its_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
