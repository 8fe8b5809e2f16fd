/* SPDX-License-Identifier: Apache-2.0
 *
 * command_lanes.c - `turnout lanes`: keys whose order a dead letter holds up, listed and released, through the admin socket of a running bus.
 */
#include "admin_client.h"
#include "arguments.h"
#include "command.h"
#include "member.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TRIES = 50, PAUSE_US = 100000 };   /* while other moves of dead letters are under way */

struct request {
	const char *target;
	bool all, json;
	char **ids;
	int id_count;
};

/* One call; 503 is tried again for a while. NULL: it was said why not. */
static json_t *ask(const char *socket, const char *path, const char *body)
{
	struct tn_error error = {0};
	struct tn_buf answer = {0};
	long code = 503;
	enum tn_status status = TN_OK;
	for (int i = 0; i < TRIES && status == TN_OK && code == 503; i++) {
		if (i > 0)
			usleep(PAUSE_US);
		tn_buf_clear(&answer);
		status = tn_admin_client_call(socket, path, body, 30, &answer, &code, &error);
	}
	json_t *root = status == TN_OK && code == 200 ? json_loadb(answer.bytes, answer.len, 0, NULL) : NULL;
	if (status == TN_OK && !root)
		tn_error_set(&error, "the bus answered %ld: %.*s", code, (int)(answer.len > 300 ? 300 : answer.len), answer.bytes ? answer.bytes : "");
	if (!root)
		tn_command_complain(&tn_command_lanes, &error);
	tn_buf_fini(&answer);
	return root;
}

static int print_json(json_t *root)
{
	char *text = json_dumps(root, JSON_COMPACT);
	puts(text ? text : "");
	free(text);
	json_decref(root);
	return TN_EXIT_GOOD;
}

static int list(const char *socket, const struct request *request)
{
	size_t i;
	json_t *each, *root = ask(socket, "/lanes", NULL);
	if (!root)
		return TN_EXIT_UNUSABLE;
	if (request->json)
		return print_json(root);
	const json_t *lanes = json_object_get(root, "lanes");
	if (json_array_size(lanes) > 0)
		printf("%-24s %-34s %9s %9s\n", "TARGET", "BLOCKED BY DEAD LETTER", "IN HAND", "PARKED");
	json_array_foreach(lanes, i, each)
		printf("%-24s %-34s %9" JSON_INTEGER_FORMAT " %9" JSON_INTEGER_FORMAT "\n", tn_member_text(each, "target"), tn_member_text(each, "dead_letter"),
			json_integer_value(json_object_get(each, "in_hand")), json_integer_value(json_object_get(each, "parked")));
	printf("%" JSON_INTEGER_FORMAT " blocked\n", json_integer_value(json_object_get(root, "blocked")));
	json_decref(root);
	return TN_EXIT_GOOD;
}

static char *body_of(const struct request *request)
{
	json_t *body = json_object(), *ids = json_array();
	for (int i = 0; i < request->id_count; i++)
		json_array_append_new(ids, json_string(request->ids[i]));
	if (request->id_count > 0)
		json_object_set(body, "ids", ids);
	if (request->target)
		json_object_set_new(body, "target", json_string(request->target));
	if (request->all)
		json_object_set_new(body, "all", json_true());
	char *text = json_dumps(body, JSON_COMPACT);
	json_decref(ids);
	json_decref(body);
	return text;
}

/* A bus releases some hundred at a time. */
static int release(const char *socket, const struct request *request)
{
	json_int_t released = 0, more = 1;
	char *body = body_of(request);
	while (body && more > 0) {
		json_t *root = ask(socket, "/lanes/release", body);
		if (!root)
			break;
		more = json_integer_value(json_object_get(root, "released"));
		released += more;
		json_decref(root);
	}
	free(body);
	if (request->json)
		printf("{\"released\":%" JSON_INTEGER_FORMAT "}\n", released);
	else
		printf("%" JSON_INTEGER_FORMAT " released\n", released);
	if (more > 0)
		return TN_EXIT_UNUSABLE;
	return released > 0 || request->id_count == 0 ? TN_EXIT_GOOD : TN_EXIT_FINDINGS;
}

static int act(const struct tn_config *config, const char *verb, const struct request *request)
{
	struct tn_error error = {0};
	char socket[300];
	if (tn_admin_client_find(config, socket, sizeof socket) != TN_OK) {
		tn_error_set(&error, "no bus is running on %s", config->store_path.bytes);
		return tn_command_complain(&tn_command_lanes, &error);
	}
	return strcmp(verb, "list") == 0 ? list(socket, request) : release(socket, request);
}

static int run(int argc, char **argv)
{
	const char *file = "turnout.yaml";
	struct request request = {0};
	const struct tn_argument table[] = {
		{"--config", 'c', TN_ARGUMENT_TEXT, &file},
		{"--target", 't', TN_ARGUMENT_TEXT, &request.target},
		{"--all", 0, TN_ARGUMENT_FLAG, &request.all},
		{"--json", 0, TN_ARGUMENT_FLAG, &request.json},
		{0},
	};
	struct tn_error error = {0};
	struct tn_config *config;
	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	const char *verb = argc > 1 ? argv[1] : "";
	request.ids = argv + 2;
	request.id_count = argc > 2 ? argc - 2 : 0;
	int chosen = (request.id_count > 0) + (request.target != NULL) + request.all;
	if (strcmp(verb, "list") != 0 && strcmp(verb, "release") != 0)
		tn_error_set(&error, "say list, or release");
	else if (strcmp(verb, "list") == 0 && chosen > 0)
		tn_error_set(&error, "list takes no lanes: it lists all");
	else if (strcmp(verb, "release") == 0 && chosen != 1)
		tn_error_set(&error, "say which: the ids of the dead letters, or --target NAME, or --all");
	if (error.message[0] || tn_config_read(file, &config, &error) != TN_OK)
		return tn_command_complain(&tn_command_lanes, &error);
	int status = act(config, verb, &request);
	tn_config_free(config);
	return status;
}

const struct tn_tool tn_command_lanes = {
	.name = "lanes",
	.summary = "keys whose order a dead letter holds up: list them, release them",
	.usage = "lanes list|release [ID...] [--target NAME|--all] [-c turnout.yaml] [--json]",
	.help = "With on_exhausted: dead_letter_and_block, a dead letter of an ordered target stops all that has its key.\n\n"
		"list      the lanes that stand still, each with the dead letter that blocks it\n"
		"release   let them go on without it: it stays a dead letter. To go on with it, use `turnout dlq redrive ID`\n\n"
		"  ID                  a dead letter that blocks its lane\n"
		"  -t, --target NAME   all lanes of a target\n"
		"      --all           all lanes\n"
		"  -c, --config FILE   the configuration [turnout.yaml]\n"
		"      --json          one JSON object\n\n"
		"Exit code: 0 done, 1 none of these blocks a lane, 2 no bus is running.\n",
	.run = run,
};
