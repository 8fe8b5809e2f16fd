/* SPDX-License-Identifier: Apache-2.0
 *
 * test_lines.c - lines out of a pipe that gives its bytes piece by piece.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "lines.h"

struct pipe_lines {
	struct tn_lines lines;
	int writer;
};

static void open_pipe(struct pipe_lines *pipe_lines)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	*pipe_lines = (struct pipe_lines){.lines = {.fd = fds[0], .owned = true}, .writer = fds[1]};
}

static void put(struct pipe_lines *pipe_lines, const char *text)
{
	assert_int_equal(write(pipe_lines->writer, text, strlen(text)), strlen(text));
}

static void expect_line(struct pipe_lines *pipe_lines, const char *text)
{
	struct tn_str line;

	assert_int_equal(tn_lines_next(&pipe_lines->lines, &line, NULL), TN_LINES_LINE);
	assert_true(tn_str_is(line, text));
}

static void expect(struct pipe_lines *pipe_lines, enum tn_lines_next next)
{
	struct tn_str line;

	assert_int_equal(tn_lines_next(&pipe_lines->lines, &line, NULL), next);
}

static void half_a_line_is_waited_for(void **state)
{
	struct pipe_lines pipe_lines;

	open_pipe(&pipe_lines);
	put(&pipe_lines, "one\ntw");
	expect_line(&pipe_lines, "one");
	expect(&pipe_lines, TN_LINES_LATER);
	put(&pipe_lines, "o\n");
	expect_line(&pipe_lines, "two");
	close(pipe_lines.writer);
	expect(&pipe_lines, TN_LINES_END);
	tn_lines_fini(&pipe_lines.lines);
}

static void the_last_line_needs_no_line_feed(void **state)
{
	struct pipe_lines pipe_lines;

	open_pipe(&pipe_lines);
	put(&pipe_lines, "last");
	close(pipe_lines.writer);
	expect_line(&pipe_lines, "last");
	expect(&pipe_lines, TN_LINES_END);
	tn_lines_fini(&pipe_lines.lines);
}

static void blank_lines_are_passed_over_but_counted(void **state)
{
	struct pipe_lines pipe_lines;

	open_pipe(&pipe_lines);
	put(&pipe_lines, "\n \r\nthird\n");
	expect_line(&pipe_lines, "third");
	assert_int_equal(pipe_lines.lines.number, 3);
	close(pipe_lines.writer);
	tn_lines_fini(&pipe_lines.lines);
}

static void a_missing_file_is_named(void **state)
{
	struct tn_lines lines;
	struct tn_error error = {0};

	assert_int_equal(tn_lines_init(&lines, "/nowhere/at/all", &error), TN_NOT_FOUND);
	assert_non_null(strstr(error.message, "/nowhere/at/all"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_a_line_is_waited_for),
		cmocka_unit_test(the_last_line_needs_no_line_feed),
		cmocka_unit_test(blank_lines_are_passed_over_but_counted),
		cmocka_unit_test(a_missing_file_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
