/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - the one binary: finds the subcommand, prints help and version.
 *
 * Exit codes are the same for every command: 0 good, 1 findings or failed, 2 unusable (see command.h).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "arguments.h"
#include "command.h"
#include "turnout/config.h"

/* In the order of the help: first what runs a bus, then what looks at rules, then what sends and measures. */
static const struct tn_tool *const tools[] = {
        &tn_command_run,
        &tn_command_check,
        &tn_command_match,
        &tn_command_explain,
        &tn_command_decode,
        &tn_command_send,
        &tn_command_sink,
        &tn_command_dlq,
        &tn_command_quarantine,
        &tn_command_clock,
        &tn_command_status,
        &tn_command_top,
        &tn_command_audit,
        &tn_command_trace,
        &tn_command_target,
        &tn_command_lanes,
        &tn_command_bench,
        NULL,
};

#define NAMES_MAX 32

static const struct tn_tool *find_tool(const char *name)
{
	for (size_t i = 0; tools[i]; i++)
		if (strcmp(tools[i]->name, name) == 0)
			return tools[i];
	return NULL;
}

static void print_overview(FILE *out)
{
	fputs("turnout: an event bus in one process. CloudEvents in, rules in the middle, deliveries out.\n\n"
	      "Usage: turnout COMMAND [arguments]\n\nCommands:\n",
	        out);
	for (size_t i = 0; tools[i]; i++)
		fprintf(out, "  %-9s %s\n", tools[i]->name, tools[i]->summary);
	fputs("  help      help for one command: turnout help COMMAND\n"
	      "  version   the version of this binary\n\n"
	      "turnout help config lists every setting of turnout.yaml.\n"
	      "Exit codes: 0 good; 1 findings, or something was refused; 2 it could not run at all.\n",
	        out);
}

static void print_help(const struct tn_tool *tool)
{
	const char *line = tool->usage;

	for (const char *lead = "Usage:"; *line; lead = "      ") {
		size_t len = strcspn(line, "\n");

		printf("%s turnout %.*s\n", lead, (int)len, line);
		line += len + (line[len] == '\n');
	}
	printf("\n%s", tool->help);
}

static void print_config_help(void)
{
	struct tn_buf text = {0};

	tn_config_help(&text);
	fwrite(text.bytes, 1, text.len, stdout);
	tn_buf_fini(&text);
}

static int complain_unknown(const char *name)
{
	const char *names[NAMES_MAX + 1] = {"help", "version", "config"};
	const char *meant;

	for (size_t i = 0; tools[i] && i + 3 < NAMES_MAX; i++)
		names[i + 3] = tools[i]->name;
	meant = tn_arguments_suggest(name, names);
	fprintf(stderr, "turnout: there is no command '%s'", name);
	if (meant)
		fprintf(stderr, "; did you mean '%s'?", meant);
	fputs("\nTry: turnout help\n", stderr);
	return TN_EXIT_UNUSABLE;
}

static int run_help(int argc, char **argv)
{
	const struct tn_tool *tool;

	if (argc < 3) {
		print_overview(stdout);
		return TN_EXIT_GOOD;
	}
	if (strcmp(argv[2], "config") == 0) {
		print_config_help();
		return TN_EXIT_GOOD;
	}
	tool = find_tool(argv[2]);
	if (!tool)
		return complain_unknown(argv[2]);
	print_help(tool);
	return TN_EXIT_GOOD;
}

static int print_version(void)
{
	puts("turnout " TN_VERSION);
	return TN_EXIT_GOOD;
}

/* --help anywhere before a "--" asks for the help of the command, whatever else stands there. */
static bool wants_help(int argc, char **argv)
{
	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

/* Output that cannot be written (a full disk behind a pipe) must not look like success. */
static int finish_output(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (errno != EPIPE) /* a reader that has seen enough, such as head, is no news */
		perror("turnout: cannot write the output");
	return TN_EXIT_UNUSABLE;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	const struct tn_tool *tool;

	signal(SIGPIPE, SIG_IGN);
	if (!name) {
		print_overview(stderr);
		return TN_EXIT_UNUSABLE;
	}
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return finish_output(run_help(argc, argv));
	if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0)
		return finish_output(print_version());
	tool = find_tool(name);
	if (!tool)
		return complain_unknown(name);
	if (wants_help(argc, argv)) {
		print_help(tool);
		return finish_output(TN_EXIT_GOOD);
	}
	return finish_output(tool->run(argc - 1, argv + 1));
}
