/* SPDX-License-Identifier: Apache-2.0
 *
 * test_progress.c - a task that was interrupted knows what it did, whatever became of the page that was on its way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include "fixture.h"
#include "turnout/kept_task.h"

enum { DIED_MS = 4000, CUTOFF_MS = 5000 };

static const struct tn_dlq_progress on_its_way = {
	.started_ms = 17, .cutoff_ms = CUTOFF_MS, .cursor = {.after = {3, 1}, .ids_done = 4, .rows_read = 40}, .tally = {50, 30, 6, 7, 7},
	.moving = true, .first = {5, 0}, .next = {.after = {9, 2}, .ids_done = 8, .rows_read = 80}, .page = {5, 3, 1, 0, 1}};

static void put_letter(struct fixture *fixture, int64_t dead_ms)
{
	struct tn_row row = make_row(5, 0, TN_ROW_DEAD, 1, 0);
	row.dead_ms = dead_ms;
	put(fixture, row);
}

static void keep_task(struct fixture *fixture, int64_t started_ms)
{
	struct tn_error error = {0};
	struct tn_dlq_kept_task task = {.request = json_object(), .progress = {.started_ms = started_ms, .cutoff_ms = CUTOFF_MS}};
	assert_int_equal(tn_dlq_kept_task_write(fixture->path, TN_STR("q"), &task, &error), TN_OK);
	tn_dlq_kept_task_fini(&task);
}

static struct tn_dlq_progress read_again(struct fixture *fixture)
{
	struct tn_error error = {0};
	struct tn_dlq_kept_task task = {0};
	assert_int_equal(tn_dlq_kept_task_read(fixture->path, TN_STR("q"), fixture->store, &task, &error), TN_OK);
	struct tn_dlq_progress progress = task.progress;
	tn_dlq_kept_task_fini(&task);
	assert_false(progress.moving);
	return progress;
}

static struct tn_dlq_progress read_back(struct fixture *fixture)
{
	struct tn_error error = {0};
	keep_task(fixture, 17);
	assert_int_equal(tn_dlq_progress_write(fixture->path, TN_STR("q"), &on_its_way, &error), TN_OK);
	return read_again(fixture);
}

static void assert_before(const struct tn_dlq_progress *progress)
{
	assert_memory_equal(&progress->tally, &on_its_way.tally, sizeof progress->tally);
	assert_int_equal(progress->cursor.after.event_seq, 3);
	assert_int_equal(progress->cursor.after.route_no, 1);
	assert_int_equal(progress->cursor.ids_done, 4);
	assert_int_equal(progress->cursor.rows_read, 40);
}

static void assert_behind(const struct tn_dlq_progress *progress)
{
	const struct tn_dlq_tally both = {55, 33, 7, 7, 8};
	assert_memory_equal(&progress->tally, &both, sizeof both);
	assert_int_equal(progress->cursor.after.event_seq, 9);
	assert_int_equal(progress->cursor.ids_done, 8);
	assert_int_equal(progress->cursor.rows_read, 80);
}

static void a_page_whose_letters_are_there_did_not_move(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	put_letter(fixture, DIED_MS);
	struct tn_dlq_progress progress = read_back(fixture);
	assert_before(&progress);
	fixture_free(fixture);
}

static void a_page_whose_letters_are_gone_has_moved(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	struct tn_dlq_progress progress = read_back(fixture);
	assert_behind(&progress);
	fixture_free(fixture);
}

static void so_has_one_whose_letters_died_again_since(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	put_letter(fixture, CUTOFF_MS);
	struct tn_dlq_progress progress = read_back(fixture);
	assert_behind(&progress);
	fixture_free(fixture);
}

static void what_became_of_a_page_is_asked_once(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	put_letter(fixture, DIED_MS);
	struct tn_dlq_progress progress = read_back(fixture);
	assert_before(&progress);
	struct tn_op by_somebody_else = op_on(TN_PURGE_ROW, 5, 0);
	assert_int_equal(apply(fixture, &by_somebody_else, 1), TN_COMMIT_OK);
	progress = read_again(fixture);
	assert_before(&progress);
	fixture_free(fixture);
}

static void assert_none(const struct tn_dlq_progress *progress, int64_t started_ms)
{
	const struct tn_dlq_progress none = {.started_ms = started_ms, .cutoff_ms = CUTOFF_MS};
	assert_memory_equal(progress, &none, sizeof none);
}

static void another_tasks_progress_is_none(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	struct tn_error error = {0};
	assert_int_equal(tn_dlq_progress_write(fixture->path, TN_STR("q"), &on_its_way, &error), TN_OK);
	keep_task(fixture, 18);
	struct tn_dlq_progress progress = read_again(fixture);
	assert_none(&progress, 18);
	fixture_free(fixture);
}

static void a_task_that_never_moved_a_page_has_none(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	keep_task(fixture, 17);
	struct tn_dlq_progress progress = read_again(fixture);
	assert_none(&progress, 17);
	fixture_free(fixture);
}

static void a_file_that_is_none_is_not_believed(void **state)
{
	static const char *const texts[] = {"", "1", "2 17 5000", "1 17 5000 x", "1 17 5000 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22\n"};
	struct fixture *fixture = fixture_new(16 * MIB);
	char path[300];
	keep_task(fixture, 17);
	snprintf(path, sizeof path, "%s/redrive_at-q.json", fixture->path);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		FILE *file = fopen(path, "w");
		assert_non_null(file);
		fputs(texts[i], file);
		fclose(file);
		struct tn_dlq_progress progress = read_again(fixture);
		assert_none(&progress, 17);
	}
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_whose_letters_are_there_did_not_move),
		cmocka_unit_test(a_page_whose_letters_are_gone_has_moved),
		cmocka_unit_test(so_has_one_whose_letters_died_again_since),
		cmocka_unit_test(what_became_of_a_page_is_asked_once),
		cmocka_unit_test(another_tasks_progress_is_none),
		cmocka_unit_test(a_task_that_never_moved_a_page_has_none),
		cmocka_unit_test(a_file_that_is_none_is_not_believed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
