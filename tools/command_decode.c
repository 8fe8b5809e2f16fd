/* SPDX-License-Identifier: Apache-2.0
 *
 * command_decode.c - `turnout decode`: messages as JSON lines in, what they are as JSON lines out.
 *
 * The decoding is decode_line.c's; this file reads and prints.
 */
#include <stdio.h>
#include "arguments.h"
#include "command.h"
#include "lines.h"
#include "turnout/decode_line.h"

static int decode_all(struct tn_lines *lines, const struct tn_wire *wire)
{
	struct tn_buf answer = {0};
	struct tn_error error = {0};
	enum tn_lines_next next;
	struct tn_str line;
	char text[1024];
	int exit_code = TN_EXIT_GOOD;

	while ((next = tn_lines_wait(lines, &line, &error)) == TN_LINES_LINE) {
		tn_buf_clear(&answer);
		if (!tn_decode_line(line, wire, &answer))
			exit_code = TN_EXIT_FINDINGS;
		fwrite(answer.bytes, 1, answer.len, stdout);
	}
	tn_buf_fini(&answer);
	if (next == TN_LINES_END)
		return exit_code;
	fprintf(stderr, "turnout decode: %s\n", tn_error_format(&error, text, sizeof(text)));
	return TN_EXIT_UNUSABLE;
}

static int decode_main(int argc, char **argv)
{
	const char *transport = NULL;
	const struct tn_argument table[] = {{"--transport", 't', TN_ARGUMENT_TEXT, &transport}, {0}};
	const struct tn_wire *wire = NULL;
	struct tn_error error = {0};
	struct tn_lines lines;
	int exit_code;

	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	if (argc > 2) {
		fprintf(stderr, "turnout decode: one file at most, not also '%s'\n", argv[2]);
		return TN_EXIT_UNUSABLE;
	}
	if (transport && !(wire = tn_wire_find(tn_str_from(transport)))) {
		fprintf(stderr, "turnout decode: --transport is http, kafka, amqp, nats or redis, not '%s'\n",
		        transport);
		return TN_EXIT_UNUSABLE;
	}
	if (tn_lines_init(&lines, argv[1], &error) != TN_OK) {
		fprintf(stderr, "turnout decode: %s\n", error.message);
		return TN_EXIT_UNUSABLE;
	}
	exit_code = decode_all(&lines, wire);
	tn_lines_fini(&lines);
	return exit_code;
}

const struct tn_tool tn_command_decode = {
        .name = "decode",
        .summary = "what a message is as a CloudEvent, or why it is none",
        .usage = "decode [--transport http|kafka|amqp|nats|redis] [FILE|-]",
        .help = "Reads one message (JSON) a line and prints one JSON line for each:\n"
                "\n"
                "  {\"mode\":\"binary\",\"event\":{..}}     also structured; the event in its CloudEvents JSON form\n"
                "  {\"mode\":\"batched\",\"events\":[..]}\n"
                "  {\"mode\":\"plain\"}                   not a CloudEvent\n"
                "  {\"error\":KIND,\"attribute\":..,\"index\":..,\"status\":..,\"message\":..}\n"
                "\n"
                "A message: {\"transport\":\"http\",\"headers\":{\"NAME\":\"VALUE\",..},\"body\":\"TEXT\"}. "
                "header_list: [[NAME,VALUE],..] instead\n"
                "of headers where order matters; a value may be {\"base64\":..}; body_base64 instead of body for raw "
                "bytes.\n"
                "\n"
                "  -t, --transport T     for all lines, whatever they say [the line's own transport]\n"
                "\n"
                "Exit code: 0 every line was a message; 1 some were not (error invalid_line); 2 nothing could be "
                "read.\n"
                "\n"
                "  echo '{\"headers\":{\"ce-id\":\"1\"},\"body\":\"\"}' | turnout decode -t http\n",
        .run = decode_main,
};
