/* SPDX-License-Identifier: Apache-2.0
 *
 * test_log_sink.c - whoever logs never waits, and what is lost is said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/log_sink.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct pipe_log {
	struct tn_log log;
	int read_fd;
	uint64_t dropped;
};

static int64_t no_time(void *arg)
{
	return 0;
}
static const struct tn_clock no_clock = {no_time, no_time, NULL};

static int open_log(void **state)
{
	int ends[2];
	struct tn_error error = {0};
	struct pipe_log *pipe_log = calloc(1, sizeof *pipe_log);
	assert_int_equal(pipe(ends), 0);
	signal(SIGPIPE, SIG_IGN);
	pipe_log->read_fd = ends[0];
	pipe_log->log =
	        (struct tn_log){.fd = ends[1], .level = TN_LOG_INFO, .clock = &no_clock, .dropped = &pipe_log->dropped};
	assert_int_equal(tn_log_sink_open(&pipe_log->log, &pipe_log->log.sink, &error), TN_OK);
	*state = pipe_log;
	return 0;
}

static int close_log(void **state)
{
	struct pipe_log *pipe_log = *state;
	tn_log_sink_close(pipe_log->log.sink);
	close(pipe_log->log.fd);
	close(pipe_log->read_fd);
	free(pipe_log);
	return 0;
}

static void log_lines(struct pipe_log *pipe_log, int first, int count)
{
	for (int i = first; i < first + count; i++)
		tn_log_info(&pipe_log->log, "a line of some length that fills the pipe before long", "number=%d", i);
}

struct reader {
	char *text;
	size_t len;
};

/* Until a line with that text was read. */
static void read_until(struct pipe_log *pipe_log, struct reader *reader, const char *wanted)
{
	while (!reader->text || !strstr(reader->text, wanted)) {
		reader->text = realloc(reader->text, reader->len + 65537);
		ssize_t len = read(pipe_log->read_fd, reader->text + reader->len, 65536);
		assert_true(len > 0);
		reader->len += (size_t)len;
		reader->text[reader->len] = 0;
	}
}

/* Lines number=0, 1, ... without a gap; answers how many. */
static int count_in_order(const char *text)
{
	int next = 0, number;
	for (const char *at = text; (at = strstr(at, "number=")); at++) {
		number = atoi(at + 7);
		if (number != next)
			return next;
		next++;
	}
	return next;
}

static void a_line_is_written_at_once(void **state)
{
	char text[256];
	struct pipe_log *pipe_log = *state;
	fcntl(pipe_log->read_fd, F_SETFL, O_NONBLOCK);
	log_lines(pipe_log, 7, 1);
	ssize_t len = read(pipe_log->read_fd, text, sizeof text - 1);
	assert_true(len > 0);
	text[len] = 0;
	assert_non_null(strstr(text, "number=7\n"));
}

static void a_stalled_pipe_stops_nobody_and_loses_nothing_that_fits(void **state)
{
	struct pipe_log *pipe_log = *state;
	struct reader reader = {0};
	log_lines(pipe_log, 0, 2000); /* more than a pipe holds, less than the buffer */
	assert_int_equal(pipe_log->dropped, 0);
	read_until(pipe_log, &reader, "number=1999\n");
	assert_int_equal(count_in_order(reader.text), 2000);
	free(reader.text);
}

static void what_does_not_fit_is_dropped_counted_and_said(void **state)
{
	enum { LINES = 20000 };
	char said[64];
	struct pipe_log *pipe_log = *state;
	struct reader reader = {0};
	log_lines(pipe_log, 0, LINES);
	uint64_t dropped = pipe_log->dropped;
	assert_true(dropped > 0 && dropped < LINES);
	snprintf(said, sizeof said, "dropped; nobody took them  lines=%llu\n", (unsigned long long)dropped);
	read_until(pipe_log, &reader, said);
	assert_int_equal(count_in_order(reader.text), LINES - (int)dropped);
	tn_log_info(&pipe_log->log, "afterwards", "%s", "");
	read_until(pipe_log, &reader, "afterwards");
	free(reader.text);
}

static void closing_a_pipe_that_flows_loses_nothing(void **state)
{
	struct pipe_log *pipe_log = *state;
	struct reader reader = {0};
	log_lines(pipe_log, 0, 2000);
	/* A reader that comes while it is being closed. */
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(pipe_log->log.fd);
		usleep(100000);
		read_until(pipe_log, &reader, "number=1999\n");
		_exit(count_in_order(reader.text) == 2000 ? 0 : 1);
	}
	tn_log_sink_close(pipe_log->log.sink);
	pipe_log->log.sink = NULL;
	close(pipe_log->log.fd);
	pipe_log->log.fd = -1;
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void closing_a_pipe_that_nobody_reads_comes_to_an_end(void **state)
{
	log_lines(*state, 0, 5000); /* and close_log must return */
}

static void a_reader_that_is_gone_costs_lines_only(void **state)
{
	struct pipe_log *pipe_log = *state;
	close(pipe_log->read_fd);
	pipe_log->read_fd = -1;
	log_lines(pipe_log, 0, 10);
	assert_int_equal(pipe_log->dropped, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_line_is_written_at_once, open_log, close_log),
	        cmocka_unit_test_setup_teardown(
	                a_stalled_pipe_stops_nobody_and_loses_nothing_that_fits, open_log, close_log),
	        cmocka_unit_test_setup_teardown(what_does_not_fit_is_dropped_counted_and_said, open_log, close_log),
	        cmocka_unit_test_setup_teardown(closing_a_pipe_that_flows_loses_nothing, open_log, close_log),
	        cmocka_unit_test_setup_teardown(closing_a_pipe_that_nobody_reads_comes_to_an_end, open_log, close_log),
	        cmocka_unit_test_setup_teardown(a_reader_that_is_gone_costs_lines_only, open_log, close_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
