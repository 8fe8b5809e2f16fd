/* SPDX-License-Identifier: Apache-2.0
 *
 * command.h - what one subcommand of the binary `turnout` is, and the list of them.
 *
 * A subcommand is one file, tools/command_<name>.c, that exports one `const struct tn_tool tn_command_<name>`. Adding
 * one: write the file, declare it below, add it to the array in main.c and a line to tools/meson.build.
 */
#ifndef TURNOUT_TOOLS_COMMAND_H
#define TURNOUT_TOOLS_COMMAND_H

#include "turnout/error.h"

enum tn_exit {
	TN_EXIT_GOOD = 0,
	TN_EXIT_FINDINGS = 1, /* it ran, and the answer is no: findings, refused events, a failed test */
	TN_EXIT_UNUSABLE = 2, /* it could not run: wrong arguments, unreadable file, nobody there */
};

struct tn_tool {
	const char *name;
	const char *summary; /* one line for the list of commands */
	const char *usage; /* what follows `turnout `, one line a form */
	const char *help; /* the options and an example; ends with a line feed */
	int (*run)(int argc, char **argv); /* argv[0] is the name; returns an enum tn_exit. --help never reaches it */
};

/* Says on standard error which command could not do what, and why; answers TN_EXIT_UNUSABLE. */
int tn_command_complain(const struct tn_tool *tool, const struct tn_error *error);

extern const struct tn_tool tn_command_decode;
extern const struct tn_tool tn_command_match;
extern const struct tn_tool tn_command_send;
extern const struct tn_tool tn_command_sink;
extern const struct tn_tool tn_command_bench;
extern const struct tn_tool tn_command_run;
extern const struct tn_tool tn_command_check;
extern const struct tn_tool tn_command_explain;
extern const struct tn_tool tn_command_dlq;
extern const struct tn_tool tn_command_quarantine;
extern const struct tn_tool tn_command_clock;
extern const struct tn_tool tn_command_status;
extern const struct tn_tool tn_command_audit;
extern const struct tn_tool tn_command_trace;
extern const struct tn_tool tn_command_top;
extern const struct tn_tool tn_command_target;
extern const struct tn_tool tn_command_lanes;

#endif
