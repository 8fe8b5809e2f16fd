/* SPDX-License-Identifier: Apache-2.0
 *
 * lines.h - lines from a file, a pipe or a terminal, read only when there is something, so that a loop need not wait
 * for them.
 */
#ifndef TURNOUT_TOOLS_LINES_H
#define TURNOUT_TOOLS_LINES_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/error.h"
#include "turnout/str.h"

enum tn_lines_next { TN_LINES_LINE, TN_LINES_LATER, TN_LINES_END, TN_LINES_ERROR };

struct tn_lines { /* embedded; fini it */
	int fd;
	bool owned; /* fd is ours to close */
	bool ended;
	uint64_t number; /* of the line given last, from 1 */
	size_t at; /* where the next line begins in text */
	struct tn_buf text;
	char name[256]; /* for messages */
};

/* path NULL or "-": standard input. */
enum tn_status tn_lines_init(struct tn_lines *lines, const char *path, struct tn_error *error) TN_MUST_CHECK;
void tn_lines_fini(struct tn_lines *lines);
/* The next line that is not blank, without its line feed, borrowed until the next call. LATER: nothing to read right
 * now. ERROR: it cannot be read, or a line is over the limit of 16 MiB; error says where. */
enum tn_lines_next tn_lines_next(struct tn_lines *lines, struct tn_str *out_line, struct tn_error *error);
/* The same for filters, which have nothing else to do: flushes standard output and waits instead of saying LATER. */
enum tn_lines_next tn_lines_wait(struct tn_lines *lines, struct tn_str *out_line, struct tn_error *error);

#endif
