/* SPDX-License-Identifier: Apache-2.0
 *
 * test_guard.c - what a process was at work on when it died is known afterwards, and a file full of anything hurts
 * nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guard.h"
#include "turnout/random.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FOUND_MAX = 8 };

struct found {
	uint32_t count;
	uint64_t names[FOUND_MAX];
	uint32_t name_counts[FOUND_MAX];
	bool any[FOUND_MAX];
	char where[FOUND_MAX][64];
};

struct fixture {
	char path[64];
	struct found found;
};

static int make_path(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	snprintf(fixture->path, sizeof fixture->path, "/tmp/turnout-guard-XXXXXX");
	int fd = mkstemp(fixture->path);
	assert_true(fd >= 0);
	close(fd);
	unlink(fixture->path);
	*state = fixture;
	return 0;
}

static int remove_path(void **state)
{
	struct fixture *fixture = *state;
	unlink(fixture->path);
	free(fixture);
	return 0;
}

static void take(void *arg, const struct tn_guard_work *work)
{
	struct found *found = arg;
	assert_true(work->count > 0 && work->count <= TN_GUARD_NAMES && work->where.len <= TN_GUARD_WHERE);
	if (found->count < FOUND_MAX) {
		found->names[found->count] = work->names[0];
		found->name_counts[found->count] = work->count;
		found->any[found->count] = work->any;
		snprintf(found->where[found->count], sizeof found->where[0], "%.*s", TN_STR_ARG(work->where));
	}
	found->count++;
}

static struct tn_guard *open_guard(struct fixture *fixture, uint32_t slots)
{
	struct tn_guard *guard = NULL;
	struct tn_error error = {0};
	fixture->found = (struct found){0};
	assert_int_equal(tn_guard_open(fixture->path, slots, take, &fixture->found, &guard, &error), TN_OK);
	return guard;
}

static void enter(struct tn_guard *guard, uint32_t slot, uint64_t name, const char *where)
{
	tn_guard_enter(tn_guard_slot(guard, slot), &(struct tn_guard_work){&name, 1, tn_str_from(where)});
}

/* Runs work in a process of its own that dies at its end. */
static void die_after(struct fixture *fixture, uint32_t slots, void (*work)(struct tn_guard *guard))
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0});
		signal(SIGABRT, SIG_DFL);
		work(open_guard(fixture, slots));
		abort();
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void work_in_the_middle(struct tn_guard *guard)
{
	enter(guard, 0, 11, "done before");
	tn_guard_leave(tn_guard_slot(guard, 0));
	enter(guard, 1, 22, "in the middle");
}

static void what_it_was_at_work_on_is_there_after_it_died(void **state)
{
	struct fixture *fixture = *state;
	die_after(fixture, 2, work_in_the_middle);
	tn_guard_close(open_guard(fixture, 2));
	assert_int_equal(fixture->found.count, 1);
	assert_int_equal(fixture->found.names[0], 22);
	assert_string_equal(fixture->found.where[0], "in the middle");
}

static void it_is_told_once(void **state)
{
	struct fixture *fixture = *state;
	die_after(fixture, 2, work_in_the_middle);
	tn_guard_close(open_guard(fixture, 2));
	tn_guard_close(open_guard(fixture, 2));
	assert_int_equal(fixture->found.count, 0);
}

static void work_on_nothing(struct tn_guard *guard)
{
	enter(guard, 0, 1, "finished");
	tn_guard_leave(tn_guard_slot(guard, 0));
}

static void a_death_between_two_pieces_of_work_names_nobody(void **state)
{
	struct fixture *fixture = *state;
	die_after(fixture, 1, work_on_nothing);
	tn_guard_close(open_guard(fixture, 1));
	assert_int_equal(fixture->found.count, 0);
}

static void work_everywhere(struct tn_guard *guard)
{
	for (uint32_t i = 0; i < 4; i++)
		enter(guard, i, i + 1, "all at once");
}

static void all_threads_are_named_with_fewer_of_them_now(void **state)
{
	struct fixture *fixture = *state;
	die_after(fixture, 4, work_everywhere);
	struct tn_guard *guard = open_guard(fixture, 1);
	assert_int_equal(fixture->found.count, 4);
	assert_non_null(tn_guard_slot(guard, 0));
	assert_null(tn_guard_slot(guard, 1));
	tn_guard_close(guard);
}

static void work_on_too_much(struct tn_guard *guard)
{
	static uint64_t names[TN_GUARD_NAMES + 100];
	static char where[TN_GUARD_WHERE + 100];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		names[i] = i + 1;
	memset(where, 'x', sizeof where);
	tn_guard_enter(tn_guard_slot(guard, 0),
	        &(struct tn_guard_work){names, TN_GUARD_NAMES + 100, tn_str_make(where, sizeof where)});
}

static void what_is_too_much_is_cut(void **state)
{
	struct fixture *fixture = *state;
	die_after(fixture, 1, work_on_too_much);
	tn_guard_close(open_guard(fixture, 1));
	assert_int_equal(fixture->found.count, 1);
	assert_int_equal(fixture->found.name_counts[0], TN_GUARD_NAMES);
}

static void work_on_a_batch(struct tn_guard *guard)
{
	uint64_t names[] = {7, 8, 9};
	tn_guard_enter(tn_guard_slot(guard, 0), &(struct tn_guard_work){names, 3, TN_STR("batch"), .any = true});
	tn_guard_enter(tn_guard_slot(guard, 1), &(struct tn_guard_work){names, 2, TN_STR("message"), .any = false});
}

static void of_a_batch_it_is_known_that_it_was_any_of_it(void **state)
{
	struct fixture *fixture = *state;
	die_after(fixture, 2, work_on_a_batch);
	tn_guard_close(open_guard(fixture, 2));
	assert_int_equal(fixture->found.count, 2);
	assert_int_equal(fixture->found.name_counts[0], 3);
	assert_true(fixture->found.any[0]);
	assert_false(fixture->found.any[1]);
}

static size_t read_file(const struct fixture *fixture, char *out, size_t size)
{
	int fd = open(fixture->path, O_RDONLY);
	ssize_t len = read(fd, out, size);
	close(fd);
	assert_true(len > 0);
	return (size_t)len;
}

static void write_file(const struct fixture *fixture, const char *bytes, size_t len)
{
	int fd = open(fixture->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static void a_file_cut_short_anywhere_is_a_file(void **state)
{
	static char whole[4096 * 8];
	struct fixture *fixture = *state;
	die_after(fixture, 4, work_everywhere);
	size_t len = read_file(fixture, whole, sizeof whole);
	for (size_t cut = 0; cut <= len; cut += 777) {
		write_file(fixture, whole, cut);
		tn_guard_close(open_guard(fixture, 4));
		assert_true(fixture->found.count <= 4);
	}
}

static void garbage_names_nobody_or_is_harmless(void **state)
{
	static char whole[4096 * 8], garbage[4096 * 8];
	struct fixture *fixture = *state;
	struct tn_random random = {7};
	die_after(fixture, 4, work_everywhere);
	size_t len = read_file(fixture, whole, sizeof whole);
	for (int round = 0; round < 200; round++) {
		memcpy(garbage, whole, len);
		size_t from = 4096 + tn_random_next(&random) % (len - 4096 - 64);
		for (size_t i = 0; i < 64; i++)
			garbage[from + i] = (char)tn_random_next(&random);
		write_file(fixture, garbage, len);
		tn_guard_close(open_guard(fixture, 4));
		assert_true(fixture->found.count <= 4);
	}
	for (size_t i = 0; i < len; i++)
		garbage[i] = (char)tn_random_next(&random);
	write_file(fixture, garbage, len);
	tn_guard_close(open_guard(fixture, 4));
	assert_int_equal(fixture->found.count, 0);
}

static void it_is_for_its_owner_alone(void **state)
{
	struct fixture *fixture = *state;
	struct stat stat_of;
	tn_guard_close(open_guard(fixture, 1));
	assert_int_equal(stat(fixture->path, &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 0777, 0600);
}

static void no_folder_is_an_error_and_no_guard_is_fine(void **state)
{
	struct tn_guard *guard = NULL;
	struct tn_error error = {0};
	assert_int_equal(tn_guard_open("/nowhere/at/all", 1, take, NULL, &guard, &error), TN_IO);
	assert_true(error.message[0] != 0);
	assert_null(guard);
	enter(NULL, 0, 1, "");
	tn_guard_leave(tn_guard_slot(NULL, 0));
	tn_guard_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(what_it_was_at_work_on_is_there_after_it_died, make_path, remove_path),
	        cmocka_unit_test_setup_teardown(it_is_told_once, make_path, remove_path),
	        cmocka_unit_test_setup_teardown(
	                a_death_between_two_pieces_of_work_names_nobody, make_path, remove_path),
	        cmocka_unit_test_setup_teardown(all_threads_are_named_with_fewer_of_them_now, make_path, remove_path),
	        cmocka_unit_test_setup_teardown(what_is_too_much_is_cut, make_path, remove_path),
	        cmocka_unit_test_setup_teardown(of_a_batch_it_is_known_that_it_was_any_of_it, make_path, remove_path),
	        cmocka_unit_test_setup_teardown(a_file_cut_short_anywhere_is_a_file, make_path, remove_path),
	        cmocka_unit_test_setup_teardown(garbage_names_nobody_or_is_harmless, make_path, remove_path),
	        cmocka_unit_test_setup_teardown(it_is_for_its_owner_alone, make_path, remove_path),
	        cmocka_unit_test(no_folder_is_an_error_and_no_guard_is_fine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
