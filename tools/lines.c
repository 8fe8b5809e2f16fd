/* SPDX-License-Identifier: Apache-2.0
 *
 * lines.c - cuts what can be read into lines.
 *
 * Called by the commands that take events a line. Never makes standard input non-blocking, which a shell would inherit:
 * it asks poll() first instead.
 */
#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_LIMIT (16u << 20)
#define READ_SIZE 65536

enum tn_status tn_lines_init(struct tn_lines *lines, const char *path, struct tn_error *error)
{
	bool standard = !path || strcmp(path, "-") == 0;

	*lines = (struct tn_lines){.fd = STDIN_FILENO, .owned = !standard};
	snprintf(lines->name, sizeof(lines->name), "%s", standard ? "standard input" : path);
	if (standard)
		return TN_OK;
	lines->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (lines->fd >= 0)
		return TN_OK;
	lines->owned = false;
	tn_error_set(error, "cannot open %s: %s", path, strerror(errno));
	return errno == ENOENT ? TN_NOT_FOUND : TN_IO;
}

void tn_lines_fini(struct tn_lines *lines)
{
	if (lines->owned)
		close(lines->fd);
	tn_buf_fini(&lines->text);
}

/* Reads once, if that does not wait. */
static enum tn_lines_next read_more(struct tn_lines *lines, struct tn_error *error)
{
	struct pollfd poll_fd = {.fd = lines->fd, .events = POLLIN};
	ssize_t got;

	if (poll(&poll_fd, 1, 0) == 0)
		return TN_LINES_LATER;
	if (lines->at > 0)
		memmove(lines->text.bytes, lines->text.bytes + lines->at, lines->text.len - lines->at);
	lines->text.len -= lines->at;
	lines->at = 0;
	if (lines->text.len > LINE_LIMIT) {
		tn_error_at(error, lines->name, (uint32_t)lines->number + 1, 0, "the line is longer than %u bytes",
		        LINE_LIMIT);
		return TN_LINES_ERROR;
	}
	got = read(lines->fd, tn_buf_reserve(&lines->text, READ_SIZE), READ_SIZE);
	if (got < 0 && errno == EINTR)
		return TN_LINES_LATER;
	if (got < 0) {
		tn_error_at(error, lines->name, 0, 0, "cannot read: %s", strerror(errno));
		return TN_LINES_ERROR;
	}
	lines->text.len += (size_t)got;
	lines->ended = got == 0;
	return TN_LINES_LINE;
}

/* Takes one line out of text; false: no whole one is there. The last needs no line feed. */
static bool cut_line(struct tn_lines *lines, struct tn_str *out_line)
{
	struct tn_str rest = tn_str_tail(tn_buf_str(&lines->text), lines->at);
	size_t len = tn_str_find(rest, '\n');

	if (len == SIZE_MAX && (!lines->ended || rest.len == 0))
		return false;
	if (len == SIZE_MAX)
		len = rest.len;
	lines->at += len < rest.len ? len + 1 : len;
	lines->number++;
	*out_line = tn_str_make(rest.bytes, len);
	return true;
}

enum tn_lines_next tn_lines_next(struct tn_lines *lines, struct tn_str *out_line, struct tn_error *error)
{
	for (;;) {
		enum tn_lines_next next;

		while (cut_line(lines, out_line))
			if (tn_str_trim(*out_line, " \t\r").len > 0)
				return TN_LINES_LINE;
		if (lines->ended)
			return TN_LINES_END;
		next = read_more(lines, error);
		if (next != TN_LINES_LINE)
			return next;
	}
}

enum tn_lines_next tn_lines_wait(struct tn_lines *lines, struct tn_str *out_line, struct tn_error *error)
{
	struct pollfd poll_fd = {.fd = lines->fd, .events = POLLIN};
	enum tn_lines_next next;

	while ((next = tn_lines_next(lines, out_line, error)) == TN_LINES_LATER) {
		fflush(stdout);
		poll(&poll_fd, 1, -1);
	}
	return next;
}
