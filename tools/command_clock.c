/* SPDX-License-Identifier: Apache-2.0
 *
 * command_clock.c - `turnout clock`: how the running bus's time stands to the wall clock, and its leap forward when an
 * operator says so.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "admin_client.h"
#include "arguments.h"
#include "command.h"

static int complain(const char *message)
{
	fprintf(stderr, "turnout clock: %s\n", message);
	return TN_EXIT_UNUSABLE;
}

static int complain_error(const struct tn_error *error)
{
	char text[1024];
	return complain(tn_error_format(error, text, sizeof text));
}

static void print_ahead(const char *before, json_int_t ms, const char *after)
{
	printf("%s%" JSON_INTEGER_FORMAT "d %" JSON_INTEGER_FORMAT "h%s\n", before, ms / 86400000, ms / 3600000 % 24,
	        after);
}

static int show(const json_t *status)
{
	json_int_t ahead_ms = json_integer_value(json_object_get(status, "clock_ahead_ms"));
	if (ahead_ms == 0) {
		puts("the clock is not held: nothing to accept");
		return TN_EXIT_GOOD;
	}
	print_ahead("the wall clock is ", ahead_ms,
	        " ahead of what the store last saw; the bus does not follow it.\n"
	        "If it is wrong, set it right and restart. If it is right: turnout clock accept");
	return TN_EXIT_FINDINGS;
}

static int accept(const json_t *answer)
{
	json_int_t moved_ms = json_integer_value(json_object_get(answer, "moved_ms"));
	if (moved_ms == 0) {
		puts("the clock is not held: nothing to accept");
		return TN_EXIT_FINDINGS;
	}
	print_ahead("the bus's time went forward by ", moved_ms, "; what waits is that much older");
	return TN_EXIT_GOOD;
}

static int ask(const char *socket, bool accepting)
{
	struct tn_error error = {0};
	struct tn_buf text = {0};
	long code = 0;
	json_t *answer = NULL;
	int status;
	if (tn_admin_client_call(socket, accepting ? "/clock/accept" : "/status", accepting ? "{}" : NULL, 10, &text,
	            &code, &error) != TN_OK)
		status = complain_error(&error);
	else if (code != 200 || !(answer = json_loadb(text.bytes, text.len, 0, NULL)))
		status = complain("the bus gave no answer that could be read");
	else
		status = (accepting ? accept : show)(answer);
	json_decref(answer);
	tn_buf_fini(&text);
	return status;
}

static int run(int argc, char **argv)
{
	const char *file = "turnout.yaml";
	const struct tn_argument table[] = {{"--config", 'c', TN_ARGUMENT_TEXT, &file}, {0}};
	struct tn_error error = {0};
	struct tn_config *config;
	char socket[300];
	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	bool accepting = argc == 2 && strcmp(argv[1], "accept") == 0;
	if (argc != 2 || (!accepting && strcmp(argv[1], "show") != 0))
		return complain("say what to do: show, or accept; see `turnout help clock`");
	if (tn_config_read(file, &config, &error) != TN_OK)
		return complain_error(&error);
	int status = tn_admin_client_find(config, socket, sizeof socket) == TN_OK
	                     ? ask(socket, accepting)
	                     : complain("no bus is running on that store; its clock is set when it starts");
	tn_config_free(config);
	return status;
}

const struct tn_tool tn_command_clock = {
        .name = "clock",
        .summary = "a wall clock that leapt: show, accept",
        .usage = "clock show|accept [-c turnout.yaml]",
        .help = "A bus goes by a clock of its own, which goes on where the last run left off. When it starts and the "
                "wall clock is more than 7 days\n"
                "ahead of that, the wall clock may be wrong, and following it would expire whatever waits: so the bus "
                "does not, and warns (in the\n"
                "log, in `turnout status`, turnout_clock_ahead_seconds).\n\n"
                "show      how far it is ahead\n"
                "accept    it is right: the bus's time goes forward to it. Everything that waits is older by that much "
                "at once: deliveries past\n"
                "          their max_age become dead letters, retries are due, dead letters past their retention and "
                "idempotency keys past\n"
                "          their window go\n\n"
                "  -c, --config FILE   the configuration [turnout.yaml]\n\n"
                "Exit codes: 0 not held, or accepted; 1 held, or there was nothing to accept; 2 unusable.\n",
        .run = run,
};
