/* SPDX-License-Identifier: Apache-2.0
 *
 * command_match.c - `turnout match`: does a pattern match these events?
 *
 * The matching is pattern.c's, the --pairs form match_line.c's; this file reads and prints.
 */
#include <stdio.h>
#include "arguments.h"
#include "command.h"
#include "lines.h"
#include "turnout/match_line.h"
#include "turnout/pattern.h"

/* Answers one line; false: it is a finding. pattern NULL: the line brings its own. */
static bool answer_line(const struct tn_pattern *pattern, struct tn_str line, struct tn_buf *answer)
{
	bool match = false;
	size_t at = 0;

	tn_buf_clear(answer);
	if (!pattern)
		return tn_match_line(line, answer) != TN_MATCH_INVALID;
	switch (tn_pattern_match(pattern, line, &match, &at)) {
	case TN_OK:
		tn_buf_add_text(answer, match ? "true" : "false");
		return true;
	case TN_TOO_LARGE:
		tn_buf_add_text(answer, "invalid event: too many ways through its arrays");
		return false;
	default:
		tn_buf_addf(answer, "invalid event at %zu: not a JSON object", at);
		return false;
	}
}

static int match_all(struct tn_lines *lines, const struct tn_pattern *pattern)
{
	struct tn_buf answer = {0};
	struct tn_error error = {0};
	enum tn_lines_next next;
	struct tn_str line;
	char text[1024];
	int exit_code = TN_EXIT_GOOD;

	while ((next = tn_lines_wait(lines, &line, &error)) == TN_LINES_LINE) {
		if (!answer_line(pattern, line, &answer))
			exit_code = TN_EXIT_FINDINGS;
		tn_buf_add_byte(&answer, '\n');
		fwrite(answer.bytes, 1, answer.len, stdout);
	}
	tn_buf_fini(&answer);
	if (next == TN_LINES_END)
		return exit_code;
	fprintf(stderr, "turnout match: %s\n", tn_error_format(&error, text, sizeof(text)));
	return TN_EXIT_UNUSABLE;
}

static bool compile(const char *text, struct tn_pattern **out_pattern)
{
	struct tn_pattern_error error;

	if (tn_pattern_compile(tn_str_from(text), NULL, out_pattern, &error) == TN_OK)
		return true;
	fprintf(stderr, "turnout match: the pattern is invalid: %s at %zu: %s\n", error.kind, error.at, error.message);
	return false;
}

static int match_main(int argc, char **argv)
{
	const char *text = NULL;
	bool pairs = false;
	const struct tn_argument table[] = {
	        {"--pattern", 'p', TN_ARGUMENT_TEXT, &text}, {"--pairs", 0, TN_ARGUMENT_FLAG, &pairs}, {0}};
	struct tn_pattern *pattern = NULL;
	struct tn_error error = {0};
	struct tn_lines lines;
	int exit_code = TN_EXIT_UNUSABLE;

	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	if (argc > 2 || pairs == (text != NULL)) {
		fputs("turnout match: give either -p PATTERN or --pairs, and one file at most\n", stderr);
		return TN_EXIT_UNUSABLE;
	}
	if (text && !compile(text, &pattern))
		return TN_EXIT_UNUSABLE;
	if (tn_lines_init(&lines, argv[1], &error) == TN_OK) {
		exit_code = match_all(&lines, pattern);
		tn_lines_fini(&lines);
	} else {
		fprintf(stderr, "turnout match: %s\n", error.message);
	}
	tn_pattern_free(pattern);
	return exit_code;
}

const struct tn_tool tn_command_match = {
        .name = "match",
        .summary = "does a pattern match these events?",
        .usage = "match -p PATTERN [FILE|-]\n"
                 "match --pairs [FILE|-]",
        .help = "Reads one JSON event a line and prints true or false for each.\n"
                "\n"
                "  -p, --pattern TEXT    the pattern, in JSON\n"
                "      --pairs           each line brings both, {\"pattern\":..,\"event\":..}, and is answered true, "
                "false or\n"
                "                        'invalid: KIND at OFFSET: why'; without an event: valid, or invalid. A "
                "pattern that is no JSON\n"
                "                        goes into pattern_text. Other members are ignored\n"
                "\n"
                "Exit code: 0 every line was answered; 1 some were invalid; 2 the pattern is, or nothing could be "
                "read.\n"
                "\n"
                "  turnout match -p '{\"data\":{\"total\":[{\"numeric\":[\">\",1000]}]}}' events.jsonl\n",
        .run = match_main,
};
