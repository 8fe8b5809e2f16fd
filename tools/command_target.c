/* SPDX-License-Identifier: Apache-2.0
 *
 * command_target.c - `turnout target`: one target of the running bus, and its circuit breaker by hand.
 */
#include "admin_client.h"
#include "arguments.h"
#include "command.h"
#include "target_text.h"
#include "turnout/clock.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* One request. 404 is a finding: there is no such target. The answer's body is appended to out. */
static int ask(const char *socket, const char *path, const char *body, struct tn_buf *out)
{
	struct tn_error error = {0};
	long code = 0;
	if (tn_admin_client_call(socket, path, body, 10, out, &code, &error) != TN_OK)
		return tn_command_complain(&tn_command_target, &error);
	if (code == 404)
		return TN_EXIT_FINDINGS;
	if (code / 100 == 2)
		return TN_EXIT_GOOD;
	tn_error_set(&error, "the bus answered %ld: %.*s", code, (int)(out->len > 300 ? 300 : out->len), out->bytes);
	return tn_command_complain(&tn_command_target, &error);
}

static int set_breaker(const char *socket, const char *name, const char *state)
{
	struct tn_buf answer = {0};
	json_t *body = json_pack("{s:s s:s}", "target", name, "state", state);
	char *text = json_dumps(body, JSON_COMPACT);
	int status = text ? ask(socket, "/breaker", text, &answer) : TN_EXIT_UNUSABLE;
	free(text);
	json_decref(body);
	tn_buf_fini(&answer);
	return status;
}

static json_t *find_target(const json_t *status, const char *name)
{
	size_t i;
	json_t *each;
	json_array_foreach(json_object_get(status, "targets"), i, each)
	{
		const char *its_name = json_string_value(json_object_get(each, "name"));
		if (its_name && strcmp(its_name, name) == 0)
			return each;
	}
	return NULL;
}

static int show(const char *socket, const char *file, const char *name, bool json)
{
	struct tn_buf answer = {0};
	int status = ask(socket, "/status", NULL, &answer);
	json_t *root = status == TN_EXIT_GOOD ? json_loadb(answer.bytes, answer.len, 0, NULL) : NULL;
	json_t *target = find_target(root, name);
	if (status == TN_EXIT_GOOD && !target) {
		status = TN_EXIT_FINDINGS;
	} else if (target && json) {
		char *text = json_dumps(target, JSON_COMPACT);
		puts(text ? text : "");
		free(text);
	} else if (target) {
		tn_target_text_print(target, file, tn_clock_wall_ms(&tn_clock_system));
		tn_target_text_print_more(target);
	}
	json_decref(root);
	tn_buf_fini(&answer);
	return status;
}

static int act(const struct tn_config *config, const char *file, const char *verb, const char *name, bool json)
{
	struct tn_error error = {0};
	char socket[300];
	if (tn_admin_client_find(config, socket, sizeof socket) != TN_OK) {
		tn_error_set(&error, "no bus is running on %s", config->store_path.bytes);
		return tn_command_complain(&tn_command_target, &error);
	}
	int status = TN_EXIT_GOOD;
	char meant[160];
	if (strcmp(verb, "open") == 0)
		status = set_breaker(socket, name, "open");
	else if (strcmp(verb, "close") == 0)
		status = set_breaker(socket, name, "closed");
	if (status == TN_EXIT_GOOD)
		status = show(socket, file, name, json);
	if (status == TN_EXIT_FINDINGS)
		fprintf(stderr, "turnout target: there is no target '%s'%s\n", name, tn_target_text_suggest(config, name, meant));
	return status;
}

static int run(int argc, char **argv)
{
	const char *file = "turnout.yaml";
	bool json = false;
	const struct tn_argument table[] = {
		{"--config", 'c', TN_ARGUMENT_TEXT, &file},
		{"--json", 0, TN_ARGUMENT_FLAG, &json},
		{0},
	};
	static const char *const verbs[] = {"status", "open", "close", NULL};
	struct tn_error error = {0};
	struct tn_config *config;
	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	const char *verb = argc > 1 ? argv[1] : "";
	if (argc != 3 || (strcmp(verb, verbs[0]) != 0 && strcmp(verb, verbs[1]) != 0 && strcmp(verb, verbs[2]) != 0)) {
		const char *meant = argc == 3 ? tn_arguments_suggest(verb, verbs) : NULL;
		tn_error_set(&error, "say status, open or close, and the name of a target%s%s%s", meant ? " (did you mean " : "", meant ? meant : "",
			meant ? "?)" : "");
		return tn_command_complain(&tn_command_target, &error);
	}
	if (tn_config_read(file, &config, &error) != TN_OK)
		return tn_command_complain(&tn_command_target, &error);
	int status = act(config, file, verb, argv[2], json);
	tn_config_free(config);
	return status;
}

const struct tn_tool tn_command_target = {
	.name = "target",
	.summary = "one target of a running bus: its state, and its circuit breaker by hand",
	.usage = "target status|open|close NAME [-c turnout.yaml] [--json]",
	.help = "status  what the bus knows of the target\n"
		"open    no more attempts: what comes for it is parked, until it is closed again or the bus restarts\n"
		"close   attempts begin at once, whatever had opened it\n\n"
		"  -c, --config FILE   the configuration [turnout.yaml]\n"
		"      --json          one JSON object\n\n"
		"Exit code: 0 done, 1 there is no such target, 2 no bus is running.\n",
	.run = run,
};
