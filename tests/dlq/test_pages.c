/* SPDX-License-Identifier: Apache-2.0
 *
 * test_pages.c - selecting dead letters, a page at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "turnout/dlq.h"

enum { LETTERS = 10 };

/* Letter n: rule "odd" or "even", target "t1" to "t3", code "HTTP_500" or none, dead at 100 n. Two rows are not dead. */
static int set_up(void **state)
{
	static const struct tn_outcome outcome = {.verdict = TN_RETRY, .code = "HTTP_500"};
	static const char *const targets[] = {"t1", "t2", "t3"};
	struct fixture *fixture = fixture_new(16 * MIB);
	for (uint64_t n = 1; n <= LETTERS; n++) {
		struct tn_row row = make_row(n, 0, TN_ROW_DEAD, 1, 0);
		row.rule = n % 2 ? TN_STR("odd") : TN_STR("even");
		row.target = tn_str_from(targets[n % 3]);
		row.last = n <= 5 ? &outcome : NULL;
		row.dead_ms = 100 * (int64_t)n;
		put(fixture, row);
	}
	put(fixture, make_row(11, 0, TN_ROW_OPEN, 1, 0));
	put(fixture, make_row(12, 0, TN_ROW_PARKED, 1, 0));
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(*state);
	return 0;
}

struct visited {
	uint32_t count, enough_at;
	uint64_t seqs[32];
};

static bool on_record(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct visited *visited = arg;
	assert_true(is_event_of(event, row->key.event_seq));
	visited->seqs[visited->count++] = row->key.event_seq;
	return visited->count != visited->enough_at;
}

static struct visited visit(struct fixture *fixture, struct tn_dlq_selection selection)
{
	struct visited visited = {0};
	assert_int_equal(tn_dlq_each(fixture->store, &selection, on_record, &visited, NULL), TN_OK);
	return visited;
}

static void an_empty_selection_selects_nothing(void **state)
{
	assert_int_equal(visit(*state, (struct tn_dlq_selection){0}).count, 0);
	assert_int_equal(visit(*state, (struct tn_dlq_selection){.rule = TN_STR("odd")}).count, 0);
}

static void all_means_the_dead_ones_in_order(void **state)
{
	struct visited visited = visit(*state, (struct tn_dlq_selection){.all = true});
	assert_int_equal(visited.count, LETTERS);
	for (uint32_t i = 0; i < LETTERS; i++)
		assert_int_equal(visited.seqs[i], i + 1);
}

static void everything_that_is_set_must_hold(void **state)
{
	assert_int_equal(visit(*state, (struct tn_dlq_selection){.all = true, .rule = TN_STR("odd")}).count, 5);
	assert_int_equal(visit(*state, (struct tn_dlq_selection){.all = true, .target = TN_STR("t1")}).count, 3);
	assert_int_equal(visit(*state, (struct tn_dlq_selection){.all = true, .code = TN_STR("HTTP_500")}).count, 5);
	struct visited both = visit(*state, (struct tn_dlq_selection){.all = true, .rule = TN_STR("odd"), .target = TN_STR("t1")});
	assert_int_equal(both.count, 2);
	assert_int_equal(both.seqs[0], 3);
	assert_int_equal(both.seqs[1], 9);
}

static void times_select_from_and_before(void **state)
{
	struct visited visited = visit(*state, (struct tn_dlq_selection){.all = true, .dead_after_ms = 300, .dead_before_ms = 600});
	assert_int_equal(visited.count, 3);
	assert_int_equal(visited.seqs[0], 3);
	assert_int_equal(visited.seqs[2], 5);
}

static void named_ones_come_in_the_order_of_their_names(void **state)
{
	struct tn_row_key ids[] = {{7, 0}, {11, 0}, {99, 0}, {2, 0}};
	struct visited visited = visit(*state, (struct tn_dlq_selection){.ids = ids, .id_count = 4});
	assert_int_equal(visited.count, 2);
	assert_int_equal(visited.seqs[0], 7);
	assert_int_equal(visited.seqs[1], 2);
}

static bool is_later_than(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	return row->key.event_seq > *(uint64_t *)arg;
}

static void a_predicate_has_a_word_too(void **state)
{
	uint64_t limit = 8;
	struct visited visited = visit(*state, (struct tn_dlq_selection){.all = true, .matches = is_later_than, .arg = &limit});
	assert_int_equal(visited.count, 2);
}

static void one_call_reads_one_page_and_the_cursor_goes_on(void **state)
{
	struct fixture *fixture = *state;
	struct tn_dlq_selection selection = {.all = true, .rule = TN_STR("even")};
	struct tn_dlq_limits limits = {.max_rows = 3, .max_bytes = SIZE_MAX};
	struct tn_dlq_cursor cursor = {0};
	struct visited visited = {0};
	assert_int_equal(tn_dlq_read(fixture->store, &selection, &limits, &cursor, on_record, &visited, NULL), TN_OK);
	assert_int_equal(visited.count, 1);
	assert_false(cursor.done);
	unsigned calls = 1;
	for (; !cursor.done; calls++)
		assert_int_equal(tn_dlq_read(fixture->store, &selection, &limits, &cursor, on_record, &visited, NULL), TN_OK);
	assert_int_equal(visited.count, 5);
	assert_int_equal(calls, 4);
}

static void enough_leaves_the_cursor_behind_that_record(void **state)
{
	struct fixture *fixture = *state;
	struct tn_dlq_selection selection = {.all = true};
	struct tn_dlq_cursor cursor = {0};
	struct visited visited = {.enough_at = 4};
	assert_int_equal(tn_dlq_read(fixture->store, &selection, &tn_dlq_limits_default, &cursor, on_record, &visited, NULL), TN_OK);
	assert_int_equal(visited.count, 4);
	assert_int_equal(tn_dlq_read(fixture->store, &selection, &tn_dlq_limits_default, &cursor, on_record, &visited, NULL), TN_OK);
	assert_int_equal(visited.count, LETTERS);
	assert_int_equal(visited.seqs[4], 5);
	assert_true(cursor.done);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_selection_selects_nothing),
		TEST(all_means_the_dead_ones_in_order),
		TEST(everything_that_is_set_must_hold),
		TEST(times_select_from_and_before),
		TEST(named_ones_come_in_the_order_of_their_names),
		TEST(a_predicate_has_a_word_too),
		TEST(one_call_reads_one_page_and_the_cursor_goes_on),
		TEST(enough_leaves_the_cursor_behind_that_record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
