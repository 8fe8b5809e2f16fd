/* SPDX-License-Identifier: Apache-2.0
 *
 * command.c - what subcommands have in common.
 */
#include "command.h"

#include <stdio.h>

int tn_command_complain(const struct tn_tool *tool, const struct tn_error *error)
{
	char text[1024];
	fprintf(stderr, "turnout %s: %s\n", tool->name, tn_error_format(error, text, sizeof text));
	return TN_EXIT_UNUSABLE;
}
