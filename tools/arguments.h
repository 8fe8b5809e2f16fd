/* SPDX-License-Identifier: Apache-2.0
 *
 * arguments.h - command-line options as a table: one row an option, parsed in one pass, unknown ones answered with a
 * suggestion.
 *
 *   static const char *rules;
 *   const struct tn_argument table[] = {{"--rules", 'r', TN_ARGUMENT_TEXT, &rules}, {0}};
 *   if (!tn_arguments_parse(table, &argc, argv))
 *           return TN_EXIT_UNUSABLE;
 */
#ifndef TURNOUT_TOOLS_ARGUMENTS_H
#define TURNOUT_TOOLS_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

enum tn_argument_kind {
	TN_ARGUMENT_FLAG, /* bool, set to true */
	TN_ARGUMENT_TEXT, /* const char * */
	TN_ARGUMENT_COUNT, /* uint64_t, decimal */
	TN_ARGUMENT_FRACTION, /* double, 0 and up: "0.1", "10%" */
	TN_ARGUMENT_TIME, /* int64_t milliseconds: "250ms", "2s", "1m"; a bare number is in seconds */
};

struct tn_argument {
	const char *name; /* "--count"; a row without a name ends the table */
	char letter; /* 'c' for -c, or 0 */
	enum tn_argument_kind kind;
	void *out; /* where the value goes; untouched when the option is not given */
};

/* Reads the options in argv[1..], taking "--name value", "--name=value" and "-n value"; "--" ends them. What is not an
 * option stays, in order: argv[1..*argc-1] afterwards. False: something is wrong, and a sentence about it stands on
 * standard error. */
bool tn_arguments_parse(const struct tn_argument *table, int *argc, char **argv);

/* The name in candidates (NULL-terminated) that was most likely meant, or NULL. */
const char *tn_arguments_suggest(const char *word, const char *const *candidates);

#endif
