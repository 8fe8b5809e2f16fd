/* SPDX-License-Identifier: Apache-2.0
 *
 * test_offline.c - redrive and purge with no bus running.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "fixture.h"
#include "turnout/kept_task.h"

enum { LETTERS = 600 }; /* more than two batches */

static void put_letters(struct fixture *fixture, uint64_t first, uint64_t count, uint32_t redrives)
{
	for (uint64_t n = first; n < first + count; n++) {
		struct tn_row row = make_row(n, 0, TN_ROW_DEAD, 1, 0);
		row.redrives = redrives;
		row.tries.system = 9;
		put(fixture, row);
	}
}

/* A store with dead letters, closed. */
static int set_up(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	struct tn_op *ops = calloc(2 * LETTERS, sizeof *ops);
	struct tn_row *rows = calloc(LETTERS, sizeof *rows);
	struct tn_event *event = make_event(1, 100);
	assert_true(ops && rows);
	for (uint64_t n = 0; n < LETTERS; n++) {
		rows[n] = make_row(n + 1, 0, TN_ROW_DEAD, 1, 0);
		rows[n].tries.system = 9;
		ops[2 * n] = op_event(n + 1, event);
		ops[2 * n + 1] = op_put(&rows[n]);
	}
	assert_int_equal(apply_at(fixture, ops, 2 * LETTERS, 5000), TN_COMMIT_OK);
	fixture_close(fixture);
	tn_event_unref(event);
	free(ops);
	free(rows);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(*state);
	return 0;
}

static struct tn_dlq_offline offline_all(struct fixture *fixture, enum tn_dlq_action action)
{
	return (struct tn_dlq_offline){
		.store_path = fixture->path,
		.store_max_size_bytes = fixture->max_size_bytes,
		.terms = {.action = action, .selection = {.all = true}},
		.wall_now_ms = 8000,
	};
}

static struct tn_dlq_tally run(const struct tn_dlq_offline *offline)
{
	struct tn_dlq_tally tally;
	struct tn_error error = {0};
	if (tn_dlq_apply_offline(offline, &tally, &error) != TN_OK)
		fail_msg("%s", error.message);
	return tally;
}

static void a_redrive_makes_everything_due_now(void **state)
{
	struct fixture *fixture = *state;
	struct tn_dlq_offline offline = offline_all(fixture, TN_DLQ_REDRIVE);
	struct tn_dlq_tally tally = run(&offline);
	assert_int_equal(tally.selected, LETTERS);
	assert_int_equal(tally.done, LETTERS);
	fixture_open(fixture);
	assert_int_equal(count_rows(fixture, TN_ROW_DEAD), 0);
	struct tn_page page = scan(fixture, scan_due(1, 8000));
	assert_int_equal(page.count, LETTERS);
	assert_int_equal(page.rows[LETTERS - 1].tries.system, 0);
	assert_int_equal(page.rows[LETTERS - 1].redrives, 1);
	tn_page_fini(&page);
}

static void engine_time_never_goes_back(void **state)
{
	struct fixture *fixture = *state;
	struct tn_dlq_offline offline = offline_all(fixture, TN_DLQ_REDRIVE);
	offline.wall_now_ms = 10;
	run(&offline);
	fixture_open(fixture);
	assert_int_equal(facts_of(fixture).engine_ms, 5000);
	struct tn_page page = scan(fixture, scan_due(1, 5000));
	assert_int_equal(page.rows[0].tries.not_before_ms, 5000);
	tn_page_fini(&page);
}

static void a_second_redrive_finds_nothing_left(void **state)
{
	struct tn_dlq_offline offline = offline_all(*state, TN_DLQ_REDRIVE);
	run(&offline);
	struct tn_dlq_tally tally = run(&offline);
	assert_int_equal(tally.selected, 0);
	assert_int_equal(tally.done, 0);
}

static void a_purge_takes_what_is_selected_and_no_more(void **state)
{
	struct fixture *fixture = *state;
	struct tn_row_key ids[] = {{5, 0}, {6, 0}, {100000, 0}};
	struct tn_dlq_offline offline = offline_all(fixture, TN_DLQ_PURGE);
	offline.terms.selection = (struct tn_dlq_selection){.ids = ids, .id_count = 3};
	assert_int_equal(run(&offline).done, 2);
	fixture_open(fixture);
	assert_int_equal(count_rows(fixture, TN_ROW_DEAD), LETTERS - 2);
}

static void a_dry_run_counts_and_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct tn_dlq_offline offline = offline_all(fixture, TN_DLQ_PURGE);
	offline.dry_run = true;
	assert_int_equal(run(&offline).done, LETTERS);
	fixture_open(fixture);
	assert_int_equal(count_rows(fixture, TN_ROW_DEAD), LETTERS);
}

static bool knows_only_other(void *arg, struct tn_str rule, struct tn_str target)
{
	return tn_str_is(target, "other");
}

static void a_record_whose_target_is_gone_stays(void **state)
{
	struct fixture *fixture = *state;
	struct tn_dlq_offline offline = offline_all(fixture, TN_DLQ_REDRIVE);
	offline.terms.has_route = knows_only_other;
	struct tn_dlq_tally tally = run(&offline);
	assert_int_equal(tally.selected, LETTERS);
	assert_int_equal(tally.no_target, LETTERS);
	assert_int_equal(tally.done, 0);
	fixture_open(fixture);
	assert_int_equal(count_rows(fixture, TN_ROW_DEAD), LETTERS);
}

/* Two ways for each but the first hundred: the one it had, and a new one. */
static void two_ways(void *arg, const struct tn_row *row, const struct tn_event *event, struct tn_dlq_ways *out_ways)
{
	static const struct tn_route routes[] = {
		{.rule = TN_STR("new"), .target = TN_STR("first")}, {.rule = TN_STR("new"), .target = TN_STR("second"), .ordered = true}};
	static struct tn_match matches[2];
	matches[0] = (struct tn_match){.route = &routes[0], .id = row->id};
	matches[1] = (struct tn_match){.route = &routes[1], .id = {{7}}, .lane = {{9}}};
	*out_ways = (struct tn_dlq_ways){.matches = matches, .count = row->key.event_seq <= 100 ? 0 : 2, .revision = 42};
}

static void what_goes_elsewhere_is_parked_there_and_is_no_dead_letter_any_more(void **state)
{
	struct fixture *fixture = *state;
	struct tn_dlq_offline offline = offline_all(fixture, TN_DLQ_REDRIVE);
	offline.terms.to = TN_DLQ_TO_BUS;
	offline.terms.find_ways = two_ways;
	struct tn_dlq_tally tally = run(&offline);
	assert_int_equal(tally.done, LETTERS - 100);
	assert_int_equal(tally.no_match, 100);
	assert_int_equal(tally.no_target, 0);
	fixture_open(fixture);
	assert_int_equal(count_rows(fixture, TN_ROW_DEAD), 100);
	assert_int_equal(count_rows(fixture, TN_ROW_PARKED), 2 * (LETTERS - 100));
	uint32_t first, second;
	struct tn_error error = {0};
	assert_int_equal(tn_store_number(fixture->store, TN_STR("first"), &first, &error), TN_OK);
	assert_int_equal(tn_store_number(fixture->store, TN_STR("second"), &second, &error), TN_OK);
	struct tn_page page = scan(fixture, scan_due(first, 8000));
	assert_int_equal(page.count, LETTERS - 100);
	struct tn_page other = scan(fixture, scan_due(second, 8000));
	assert_int_equal(other.count, LETTERS - 100);
	for (uint32_t i = 0; i < page.count; i++) {
		assert_int_equal(page.rows[i].redrives, 1);
		assert_int_equal(page.rows[i].rule_revision, 42);
		assert_int_equal(page.rows[i].tries.system, 0);
		assert_int_equal(page.rows[i].lane_seq, 0);
		assert_true(page.rows[i].key.event_seq > LETTERS);
		assert_int_equal(other.rows[i].key.event_seq, page.rows[i].key.event_seq);
		assert_true(other.rows[i].lane_seq > (i > 0 ? other.rows[i - 1].lane_seq : 8000u << 20));
	}
	tn_page_fini(&page);
	tn_page_fini(&other);
	offline.terms.to = TN_DLQ_TO_RULE;
	fixture_close(fixture);
	assert_int_equal(run(&offline).no_target, 100);
}

static void a_record_redriven_ten_times_needs_force(void **state)
{
	struct fixture *fixture = *state;
	fixture_open(fixture);
	put_letters(fixture, 1, 1, 10);
	put_letters(fixture, 2, 1, 9);
	fixture_close(fixture);
	struct tn_row_key ids[] = {{1, 0}, {2, 0}};
	struct tn_dlq_offline offline = offline_all(fixture, TN_DLQ_REDRIVE);
	offline.terms.selection = (struct tn_dlq_selection){.ids = ids, .id_count = 2};
	struct tn_dlq_tally tally = run(&offline);
	assert_int_equal(tally.too_often, 1);
	assert_int_equal(tally.done, 1);
	offline.terms.force = true;
	assert_int_equal(run(&offline).done, 1);
}

static void a_store_in_use_is_not_touched(void **state)
{
	struct fixture *fixture = *state;
	struct tn_dlq_offline offline = offline_all(fixture, TN_DLQ_PURGE);
	struct tn_dlq_tally tally;
	struct tn_error error = {0};
	fixture_open(fixture);
	assert_int_equal(tn_dlq_apply_offline(&offline, &tally, &error), TN_BUSY);
	assert_non_null(strstr(error.message, "/run/test/admin.sock"));
	assert_int_equal(count_rows(fixture, TN_ROW_DEAD), LETTERS);
}

static void no_store_is_made_where_there_is_none(void **state)
{
	struct fixture *fixture = *state;
	char path[300];
	struct stat info;
	struct tn_dlq_offline offline = offline_all(fixture, TN_DLQ_REDRIVE);
	struct tn_dlq_tally tally;
	struct tn_error error = {0};
	snprintf(path, sizeof path, "%s/nothing", fixture->path);
	offline.store_path = path;
	assert_int_equal(tn_dlq_apply_offline(&offline, &tally, &error), TN_NOT_FOUND);
	assert_non_null(strstr(error.message, path));
	assert_int_not_equal(stat(path, &info), 0);
}

/* --- Going on with a kept task --- */

static const struct tn_dlq_progress half_way = {.started_ms = 17, .cutoff_ms = 6000, .cursor = {.after = {200, 0}, .rows_read = 200},
	.tally = {.selected = 200, .done = 150, .no_target = 50}};

static void keep_task(struct fixture *fixture, const struct tn_dlq_progress *progress)
{
	struct tn_error error = {0};
	struct tn_dlq_kept_task task = {.request = json_object(), .progress = *progress};
	assert_int_equal(tn_dlq_kept_task_write(fixture->path, TN_STR("q"), &task, &error), TN_OK);
	assert_int_equal(tn_dlq_progress_write(fixture->path, TN_STR("q"), progress, &error), TN_OK);
	tn_dlq_kept_task_fini(&task);
}

static void a_kept_task_goes_on_where_it_was_and_is_forgotten(void **state)
{
	struct fixture *fixture = *state;
	struct tn_dlq_progress named = {.started_ms = 17, .cutoff_ms = 6000};
	struct tn_dlq_offline offline = offline_all(fixture, TN_DLQ_PURGE);
	offline.progress = &named;
	offline.progress_queue = TN_STR("q");
	keep_task(fixture, &half_way);
	struct tn_dlq_tally tally = run(&offline);
	assert_int_equal(tally.done, 150 + LETTERS - 200);
	assert_int_equal(tally.no_target, 50);
	assert_false(tn_dlq_kept_task_exists(fixture->path, TN_STR("q")));
	fixture_open(fixture);
	assert_int_equal(count_rows(fixture, TN_ROW_DEAD), 200);
}

static void a_task_that_was_ended_meanwhile_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	struct tn_dlq_progress named = {.started_ms = 18, .cutoff_ms = 6000};
	struct tn_dlq_offline offline = offline_all(fixture, TN_DLQ_PURGE);
	struct tn_dlq_tally tally;
	struct tn_error error = {0};
	offline.progress = &named;
	offline.progress_queue = TN_STR("q");
	assert_int_equal(tn_dlq_apply_offline(&offline, &tally, &error), TN_NOT_FOUND);
	keep_task(fixture, &half_way); /* another one */
	assert_int_equal(tn_dlq_apply_offline(&offline, &tally, &error), TN_NOT_FOUND);
	assert_non_null(strstr(error.message, "ended by somebody else"));
	assert_true(tn_dlq_kept_task_exists(fixture->path, TN_STR("q")));
	fixture_open(fixture);
	assert_int_equal(count_rows(fixture, TN_ROW_DEAD), LETTERS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_redrive_makes_everything_due_now),
		TEST(engine_time_never_goes_back),
		TEST(a_second_redrive_finds_nothing_left),
		TEST(a_purge_takes_what_is_selected_and_no_more),
		TEST(a_dry_run_counts_and_changes_nothing),
		TEST(a_record_whose_target_is_gone_stays),
		TEST(what_goes_elsewhere_is_parked_there_and_is_no_dead_letter_any_more),
		TEST(a_record_redriven_ten_times_needs_force),
		TEST(a_store_in_use_is_not_touched),
		TEST(no_store_is_made_where_there_is_none),
		TEST(a_kept_task_goes_on_where_it_was_and_is_forgotten),
		TEST(a_task_that_was_ended_meanwhile_is_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
