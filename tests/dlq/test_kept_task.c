/* SPDX-License-Identifier: Apache-2.0
 *
 * test_kept_task.c - what was asked for is there again after a crash, whole, until it is forgotten; what cannot be read is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include "fixture.h"
#include "turnout/kept_task.h"

/* Returns owned. */
static struct tn_dlq_kept_task make_task(enum tn_dlq_state state, const char *why)
{
	struct tn_dlq_kept_task task = {.request = json_pack("{s:s s:b}", "action", "purge", "all", 1), .state = state, .total = 70,
		.progress = {.started_ms = 17, .cutoff_ms = 5000}};
	snprintf(task.why, sizeof task.why, "%s", why);
	return task;
}

static void write_task(struct fixture *fixture, struct tn_str queue, enum tn_dlq_state state, const char *why)
{
	struct tn_error error = {0};
	struct tn_dlq_kept_task task = make_task(state, why);
	assert_int_equal(tn_dlq_kept_task_write(fixture->path, queue, &task, &error), TN_OK);
	tn_dlq_kept_task_fini(&task);
}

static void assert_kept(struct fixture *fixture, struct tn_str queue, enum tn_dlq_state state, const char *why)
{
	struct tn_error error = {0};
	struct tn_dlq_kept_task task = {0};
	assert_true(tn_dlq_kept_task_exists(fixture->path, queue));
	assert_int_equal(tn_dlq_kept_task_read(fixture->path, queue, fixture->store, &task, &error), TN_OK);
	assert_int_equal(task.state, state);
	assert_string_equal(task.why, why);
	assert_int_equal(task.total, 70);
	assert_int_equal(task.progress.started_ms, 17);
	assert_int_equal(task.progress.cutoff_ms, 5000);
	assert_string_equal(json_string_value(json_object_get(task.request, "action")), "purge");
	tn_dlq_kept_task_fini(&task);
}

static void assert_none(struct fixture *fixture, struct tn_str queue)
{
	struct tn_error error = {0};
	struct tn_dlq_kept_task task = {0};
	assert_false(tn_dlq_kept_task_exists(fixture->path, queue));
	assert_int_equal(tn_dlq_kept_task_read(fixture->path, queue, fixture->store, &task, &error), TN_NOT_FOUND);
}

static void each_queue_has_a_task_of_its_own_until_it_is_forgotten(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	struct tn_error error = {0};
	struct stat info;
	char file[300];
	assert_none(fixture, TN_STR("urgent"));
	write_task(fixture, TN_STR("urgent"), TN_DLQ_CANCELLED, "one");
	write_task(fixture, TN_STR(""), TN_DLQ_STOPPED, "all");
	write_task(fixture, TN_STR("urgent"), TN_DLQ_INTERRUPTED, "newer");
	assert_kept(fixture, TN_STR("urgent"), TN_DLQ_INTERRUPTED, "newer");
	assert_kept(fixture, TN_STR(""), TN_DLQ_STOPPED, "all");
	snprintf(file, sizeof file, "%s/redrive-urgent.json", fixture->path);
	assert_int_equal(stat(file, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	assert_int_equal(tn_dlq_kept_task_forget(fixture->path, TN_STR("urgent"), &error), TN_OK);
	assert_int_equal(tn_dlq_kept_task_forget(fixture->path, TN_STR("urgent"), &error), TN_OK);
	assert_none(fixture, TN_STR("urgent"));
	assert_kept(fixture, TN_STR(""), TN_DLQ_STOPPED, "all");
	fixture_free(fixture);
}

static void one_found_running_was_interrupted(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	write_task(fixture, TN_STR("q"), TN_DLQ_RUNNING, "waits for nothing");
	assert_kept(fixture, TN_STR("q"), TN_DLQ_INTERRUPTED, "the bus was killed");
	fixture_free(fixture);
}

static void its_numbers_are_forgotten_with_it(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	struct tn_error error = {0};
	struct tn_dlq_progress progress = {.started_ms = 17, .cutoff_ms = 5000, .tally = {.done = 3}};
	struct tn_dlq_kept_task task = {0};
	write_task(fixture, TN_STR("q"), TN_DLQ_RUNNING, "");
	assert_int_equal(tn_dlq_progress_write(fixture->path, TN_STR("q"), &progress, &error), TN_OK);
	assert_int_equal(tn_dlq_kept_task_read(fixture->path, TN_STR("q"), fixture->store, &task, &error), TN_OK);
	assert_int_equal(task.progress.tally.done, 3);
	tn_dlq_kept_task_fini(&task);
	assert_int_equal(tn_dlq_kept_task_forget(fixture->path, TN_STR("q"), &error), TN_OK);
	write_task(fixture, TN_STR("q"), TN_DLQ_RUNNING, "");
	assert_int_equal(tn_dlq_kept_task_read(fixture->path, TN_STR("q"), fixture->store, &task, &error), TN_OK);
	assert_int_equal(task.progress.tally.done, 0);
	tn_dlq_kept_task_fini(&task);
	fixture_free(fixture);
}

static void put_text(struct fixture *fixture, const char *text)
{
	char path[300];
	snprintf(path, sizeof path, "%s/redrive-q.json", fixture->path);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void the_older_form_is_read_without_its_numbers(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	struct tn_error error = {0};
	struct tn_dlq_kept_task task = {0};
	put_text(fixture, "{\"version\":1,\"request\":{\"action\":\"purge\",\"all\":true},\"state\":\"running\",\"why\":\"\",\"started_ms\":17,"
			  "\"cutoff_ms\":5000,\"after\":\"0000000000000003-1\",\"ids_done\":0,\"looked_at\":40,\"total\":70,\"selected\":30,"
			  "\"moved\":30,\"no_target\":0,\"too_often\":0,\"no_match\":0}");
	assert_kept(fixture, TN_STR("q"), TN_DLQ_INTERRUPTED, "the bus was killed");
	assert_int_equal(tn_dlq_kept_task_read(fixture->path, TN_STR("q"), fixture->store, &task, &error), TN_OK);
	assert_int_equal(task.progress.tally.done, 0);
	assert_int_equal(task.progress.cursor.rows_read, 0);
	tn_dlq_kept_task_fini(&task);
	fixture_free(fixture);
}

static void a_file_that_cannot_be_read_is_refused_by_name(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {{"", "is not JSON"}, {"[1]", "is of another version"}, {"{\"version\":2}", "is of another version"},
		{"{\"version\":1}", "has no request"}, {"{\"version\":1,\"request\":{}}", "has no state"},
		{"{\"version\":1,\"request\":{},\"state\":\"done\"}", "has no state"},
		{"{\"version\":1,\"request\":{},\"state\":\"running\",\"started_ms\":1}", "does not say when it began"},
		{"{\"version\":1,\"request\":{},\"state\":\"running\",\"started_ms\":1,\"cutoff_ms\":1,\"total\":-1}", "has no total"}};
	struct fixture *fixture = fixture_new(16 * MIB);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tn_error error = {0};
		struct tn_dlq_kept_task task = {0};
		put_text(fixture, cases[i].text);
		assert_int_equal(tn_dlq_kept_task_read(fixture->path, TN_STR("q"), fixture->store, &task, &error), TN_INVALID);
		assert_non_null(strstr(error.message, cases[i].said));
		assert_non_null(strstr(error.file, "redrive-q.json"));
		assert_null(task.request);
	}
	fixture_free(fixture);
}

static void a_folder_that_cannot_be_written_is_said(void **state)
{
	struct tn_error error = {0};
	struct tn_dlq_kept_task task = make_task(TN_DLQ_RUNNING, "");
	assert_int_equal(tn_dlq_kept_task_write("/nowhere/at/all", TN_STR(""), &task, &error), TN_IO);
	assert_non_null(strstr(error.message, "/nowhere/at/all/redrive.json"));
	tn_dlq_kept_task_fini(&task);
}

static void a_reason_that_was_cut_in_a_character_can_be_said(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	struct tn_dlq_kept_task task = make_task(TN_DLQ_RUNNING, "caf\xc3");
	json_t *json = tn_dlq_kept_task_json(TN_STR(""), &task);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "why")), "caf");
	assert_string_equal(json_string_value(json_object_get(json, "queue")), "*");
	assert_true(json_is_integer(json_object_get(json, "purged")));
	json_decref(json);
	tn_dlq_kept_task_fini(&task);
	write_task(fixture, TN_STR("q"), TN_DLQ_STOPPED, "caf\xc3");
	assert_kept(fixture, TN_STR("q"), TN_DLQ_STOPPED, "caf");
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_queue_has_a_task_of_its_own_until_it_is_forgotten),
		cmocka_unit_test(one_found_running_was_interrupted),
		cmocka_unit_test(its_numbers_are_forgotten_with_it),
		cmocka_unit_test(the_older_form_is_read_without_its_numbers),
		cmocka_unit_test(a_file_that_cannot_be_read_is_refused_by_name),
		cmocka_unit_test(a_folder_that_cannot_be_written_is_said),
		cmocka_unit_test(a_reason_that_was_cut_in_a_character_can_be_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
