/* SPDX-License-Identifier: Apache-2.0
 *
 * test_keep.c - what a redrive must remember is there again, whole, until it is forgotten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include "fixture.h"
#include "turnout/dlq.h"

static void assert_kept(const char *path, struct tn_str queue, const char *expected)
{
	struct tn_buf text = {0};
	struct tn_error error = {0};
	enum tn_status status = tn_dlq_kept(path, queue, &text, &error);
	assert_int_equal(status, expected ? TN_OK : TN_NOT_FOUND);
	if (expected)
		assert_string_equal(tn_buf_terminate(&text), expected);
	tn_buf_fini(&text);
}

static void each_queue_has_a_text_of_its_own_until_it_is_forgotten(void **state)
{
	char path[256], file[300];
	struct tn_error error = {0};
	struct stat info;
	make_temp_folder(path, sizeof path);
	assert_kept(path, TN_STR("urgent"), NULL);
	assert_int_equal(tn_dlq_keep(path, TN_STR("urgent"), TN_STR("one"), &error), TN_OK);
	assert_int_equal(tn_dlq_keep(path, TN_STR(""), TN_STR("all"), &error), TN_OK);
	assert_int_equal(tn_dlq_keep(path, TN_STR("urgent"), TN_STR("newer"), &error), TN_OK);
	assert_kept(path, TN_STR("urgent"), "newer");
	assert_kept(path, TN_STR(""), "all");
	snprintf(file, sizeof file, "%s/redrive-urgent.json", path);
	assert_int_equal(stat(file, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	assert_int_equal(tn_dlq_keep(path, TN_STR("urgent"), (struct tn_str){0}, &error), TN_OK);
	assert_int_equal(tn_dlq_keep(path, TN_STR("urgent"), (struct tn_str){0}, &error), TN_OK);
	assert_kept(path, TN_STR("urgent"), NULL);
	remove_folder(path);
}

static void a_folder_that_cannot_be_written_is_said(void **state)
{
	struct tn_error error = {0};
	assert_int_equal(tn_dlq_keep("/nowhere/at/all", TN_STR(""), TN_STR("x"), &error), TN_IO);
	assert_non_null(strstr(error.message, "/nowhere/at/all/redrive.json"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_queue_has_a_text_of_its_own_until_it_is_forgotten),
		cmocka_unit_test(a_folder_that_cannot_be_written_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
