/* SPDX-License-Identifier: Apache-2.0
 *
 * test_store.c - opening, closing, refusing; the lock; what a folder may be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fixture.h"

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

static enum tn_status try_open(const char *path, struct tn_error *error)
{
	struct tn_store *store = NULL;
	struct tn_store_options options = {.path = path, .max_size_bytes = MIB};
	enum tn_status status = tn_store_open(&options, &store, error);
	tn_store_close(store);
	return status;
}

static void a_new_store_starts_at_sequence_1_and_is_empty(void **state)
{
	struct tn_store_facts facts = facts_of(*state);
	assert_int_equal(facts.next_seq, 1);
	assert_int_equal(facts.engine_ms, 0);
	assert_int_equal(facts.rows[TN_ROW_OPEN], 0);
	assert_false(facts.nearly_full);
	assert_int_equal(facts.max_bytes, 16 * MIB);
}

static void rows_are_there_after_closing_and_opening(void **state)
{
	put(*state, make_row(1, 0, TN_ROW_OPEN, 1, 0));
	put(*state, make_row(2, 0, TN_ROW_DEAD, 1, 0));
	fixture_reopen(*state);
	assert_int_equal(count_rows(*state, TN_ROW_OPEN), 1);
	assert_int_equal(count_rows(*state, TN_ROW_DEAD), 1);
	assert_int_equal(facts_of(*state).rows[TN_ROW_DEAD], 1);
}

static void only_the_owner_may_look_at_folder_and_files(void **state)
{
	struct fixture *fixture = *state;
	char path[512], folder[300];
	struct stat info;
	snprintf(folder, sizeof folder, "%s/inner", fixture->path);
	struct tn_error error = {0};
	assert_int_equal(try_open(folder, &error), TN_OK);
	assert_int_equal(stat(folder, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0700);
	static const char *const files[] = {"data.mdb", "lock.mdb", "turnout.lock"};
	for (unsigned i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, files[i]);
		assert_int_equal(stat(path, &info), 0);
		assert_int_equal(info.st_mode & 0777, 0600);
	}
}

static void a_missing_parent_is_said(void **state)
{
	struct fixture *fixture = *state;
	char path[300];
	struct tn_error error = {0};
	snprintf(path, sizeof path, "%s/no/store", fixture->path);
	assert_int_equal(try_open(path, &error), TN_NOT_FOUND);
	assert_non_null(strstr(error.message, "parent"));
}

static void a_file_instead_of_a_folder_is_said(void **state)
{
	struct fixture *fixture = *state;
	char path[300];
	struct tn_error error = {0};
	snprintf(path, sizeof path, "%s/data.mdb", fixture->path);
	assert_int_equal(try_open(path, &error), TN_INVALID);
	assert_non_null(strstr(error.message, "not a folder"));
}

static void a_data_file_of_something_else_is_said(void **state)
{
	struct fixture *fixture = *state;
	char folder[300], path[400];
	struct tn_error error = {0};
	snprintf(folder, sizeof folder, "%s/other", fixture->path);
	snprintf(path, sizeof path, "%s/data.mdb", folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	for (unsigned i = 0; i < 10000; i++)
		fputs("this is no database\n", file);
	fclose(file);
	assert_int_equal(try_open(folder, &error), TN_INVALID);
	assert_non_null(strstr(error.message, "not a store"));
}

static void a_database_of_another_program_is_said_and_left_alone(void **state)
{
	struct fixture *fixture = *state;
	char folder[300];
	struct tn_error error = {0};
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_val key = {3, folder}, value = {3, folder};
	snprintf(folder, sizeof folder, "%s/other", fixture->path);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, folder, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	assert_int_equal(try_open(folder, &error), TN_INVALID);
	assert_non_null(strstr(error.message, "another program"));
}

static void a_newer_format_is_refused_by_its_number(void **state)
{
	struct fixture *fixture = *state;
	struct tn_error error = {0};
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	char name[] = "format", number[] = {0, 0, 0, 4};
	MDB_val key = {6, name}, value = {4, number};
	fixture_close(fixture);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
	assert_int_equal(mdb_env_open(env, fixture->path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "meta", 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	assert_int_equal(fixture_try_open(fixture, &error), TN_INVALID);
	assert_non_null(strstr(error.message, "newer version (format 4"));
}

/* In a child without privileges, since root may write anywhere. */
static void a_folder_that_cannot_be_written_is_said(void **state)
{
	struct fixture *fixture = *state;
	char folder[300];
	snprintf(folder, sizeof folder, "%s/readonly", fixture->path);
	assert_int_equal(mkdir(folder, 0555), 0);
	assert_int_equal(chmod(fixture->path, 0755), 0);
	pid_t child = fork();
	if (child == 0) {
		struct tn_error error = {0};
		if (geteuid() == 0 && setuid(65534) != 0)
			_exit(2);
		enum tn_status status = try_open(folder, &error);
		_exit(status == TN_IO && strstr(error.message, strerror(EACCES)) ? 0 : 1);
	}
	int how;
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_true(WIFEXITED(how));
	assert_int_equal(WEXITSTATUS(how), 0);
}

static void a_size_too_small_to_work_with_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct tn_error error = {0};
	fixture_close(fixture);
	fixture->max_size_bytes = MIB - 1;
	assert_int_equal(fixture_try_open(fixture, &error), TN_INVALID);
	assert_non_null(strstr(error.message, "at least"));
}

/* --- The lock --- */

static void a_second_open_is_told_who_has_it(void **state)
{
	struct fixture *fixture = *state;
	struct tn_error error = {0};
	char pid[32];
	assert_int_equal(try_open(fixture->path, &error), TN_BUSY);
	snprintf(pid, sizeof pid, "process %ld", (long)getpid());
	assert_non_null(strstr(error.message, pid));
	assert_non_null(strstr(error.message, "/run/test/admin.sock"));
}

static void another_process_is_told_who_has_it(void **state)
{
	struct fixture *fixture = *state;
	pid_t child = fork();
	if (child == 0) {
		struct tn_error error = {0};
		enum tn_status status = try_open(fixture->path, &error);
		_exit(status == TN_BUSY && strstr(error.message, "/run/test/admin.sock") ? 0 : 1);
	}
	int how;
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_int_equal(how, 0);
}

static void the_holder_of_a_store_can_be_asked_for(void **state)
{
	struct fixture *fixture = *state;
	char holder[300] = "";
	assert_int_equal(tn_store_holder(fixture->path, holder, sizeof holder), TN_OK);
	assert_string_equal(holder, "/run/test/admin.sock");
	fixture_close(fixture);
	assert_int_equal(tn_store_holder(fixture->path, holder, sizeof holder), TN_NOT_FOUND);
	assert_int_equal(tn_store_holder("/nowhere/at/all", holder, sizeof holder), TN_NOT_FOUND);
}

static void asking_for_the_holder_leaves_the_lock_free(void **state)
{
	struct fixture *fixture = *state;
	char holder[300];
	fixture_close(fixture);
	assert_int_equal(tn_store_holder(fixture->path, holder, sizeof holder), TN_NOT_FOUND);
	fixture_open(fixture);
}

static void a_lock_file_left_by_a_killed_process_is_nobodys(void **state)
{
	struct fixture *fixture = *state;
	int ready[2];
	char byte, holder[300];
	fixture_close(fixture);
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		fixture_open(fixture);
		if (write(ready[1], "r", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(tn_store_holder(fixture->path, holder, sizeof holder), TN_OK);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(tn_store_holder(fixture->path, holder, sizeof holder), TN_NOT_FOUND);
	fixture_open(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_store_starts_at_sequence_1_and_is_empty, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rows_are_there_after_closing_and_opening, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_the_owner_may_look_at_folder_and_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_missing_parent_is_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_instead_of_a_folder_is_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_data_file_of_something_else_is_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_database_of_another_program_is_said_and_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_newer_format_is_refused_by_its_number, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_written_is_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_size_too_small_to_work_with_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_second_open_is_told_who_has_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_process_is_told_who_has_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_holder_of_a_store_can_be_asked_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(asking_for_the_holder_leaves_the_lock_free, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lock_file_left_by_a_killed_process_is_nobodys, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
