/* SPDX-License-Identifier: Apache-2.0
 *
 * command_quarantine.c - `turnout quarantine`: what the process died at work on, listed and released.
 *
 * With a bus running, through its admin socket; with none, from the store under its lock.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin_client.h"
#include "arguments.h"
#include "command.h"
#include "turnout/admin.h"

struct quarantine {
	const char *file;
	bool json, all;
	struct tn_config *config;
	char socket[300];
	bool running;
	struct tn_store *store; /* with no bus running */
};

static int complain(const char *message)
{
	fprintf(stderr, "turnout quarantine: %s\n", message);
	return TN_EXIT_UNUSABLE;
}

static int complain_error(const struct tn_error *error)
{
	char text[1024];
	return complain(tn_error_format(error, text, sizeof text));
}

/* POST with a body, GET without. Returns owned; NULL: it has complained. */
static json_t *ask(const struct quarantine *quarantine, const char *path, const char *body)
{
	struct tn_buf answer = {0};
	struct tn_error error = {0};
	long code = 0;
	json_t *json = NULL;
	if (tn_admin_client_call(quarantine->socket, path, body, 60, &answer, &code, &error) != TN_OK)
		complain_error(&error);
	else if (!(json = json_loadb(answer.bytes ? answer.bytes : "", answer.len, 0, NULL)) || code != 200)
		complain(json ? json_string_value(json_object_get(json, "detail"))
		              : "the bus gave no answer that could be read");
	tn_buf_fini(&answer);
	if (code == 200)
		return json;
	json_decref(json);
	return NULL;
}

static json_t *read_strikes(const struct quarantine *quarantine)
{
	struct tn_buf text = {0};
	struct tn_error error = {0};
	json_t *json = NULL;
	if (quarantine->running)
		return ask(quarantine, "/quarantine", NULL);
	if (tn_quarantine_write(quarantine->store, &text, &error) != TN_OK)
		complain_error(&error);
	else if (!(json = json_loadb(text.bytes, text.len, 0, NULL)))
		complain("the strikes in the store cannot be read");
	tn_buf_fini(&text);
	return json;
}

/* --- List --- */

static void print_strike(const json_t *strike)
{
	char *where = json_dumps(json_object_get(strike, "where"), JSON_COMPACT | JSON_ENCODE_ANY);
	printf("%s  %" JSON_INTEGER_FORMAT " strike%s%s  %s\n", json_string_value(json_object_get(strike, "hash")),
	        json_integer_value(json_object_get(strike, "strikes")),
	        json_integer_value(json_object_get(strike, "strikes")) == 1 ? "" : "s",
	        json_is_true(json_object_get(strike, "quarantined")) ? ", quarantined" : "", where ? where : "");
	free(where);
}

static int list(const struct quarantine *quarantine, int argc)
{
	size_t i;
	const json_t *strike;
	if (argc > 0)
		return complain("list takes no hashes");
	json_t *answer = read_strikes(quarantine);
	if (!answer)
		return TN_EXIT_UNUSABLE;
	if (quarantine->json) {
		char *text = json_dumps(answer, JSON_COMPACT);
		puts(text ? text : "");
		free(text);
	} else {
		json_array_foreach(json_object_get(answer, "strikes"), i, strike) print_strike(strike);
		printf("%zu in all\n", json_array_size(json_object_get(answer, "strikes")));
	}
	json_decref(answer);
	return TN_EXIT_GOOD;
}

/* --- Release --- */

static int release_running(const struct quarantine *quarantine, const json_t *hashes)
{
	for (size_t at = 0; at < json_array_size(hashes); at += TN_ADMIN_RELEASES) {
		json_t *few = json_array();
		for (size_t i = at; i < at + TN_ADMIN_RELEASES && i < json_array_size(hashes); i++)
			json_array_append(few, json_array_get(hashes, i));
		json_t *body = json_pack("{s:o}", "hashes", few);
		char *text = json_dumps(body, JSON_COMPACT);
		json_t *answer = text ? ask(quarantine, "/quarantine/release", text) : NULL;
		bool good = answer != NULL;
		free(text);
		json_decref(body);
		json_decref(answer);
		if (!good)
			return TN_EXIT_UNUSABLE;
	}
	return TN_EXIT_GOOD;
}

static int release_stopped(const struct quarantine *quarantine, const json_t *hashes)
{
	size_t i;
	const json_t *hash;
	struct tn_error error = {0};
	json_array_foreach(hashes, i, hash)
	{
		uint64_t name;
		if (tn_quarantine_parse(tn_str_from(json_string_value(hash)), &name) &&
		        tn_store_pardon(quarantine->store, name, &error) != TN_OK)
			return complain_error(&error);
	}
	return TN_EXIT_GOOD;
}

/* Of those that have strikes: a hash that has none is a mistake, or was released already. Returns owned. */
static json_t *choose(const struct quarantine *quarantine, int argc, char **argv)
{
	size_t i;
	const json_t *strike;
	json_t *chosen = json_array(), *strikes = read_strikes(quarantine);
	json_array_foreach(json_object_get(strikes, "strikes"), i, strike)
	{
		json_t *hash = json_object_get(strike, "hash");
		bool wanted = quarantine->all;
		for (int j = 0; j < argc && !wanted; j++)
			wanted = strcmp(argv[j], json_string_value(hash)) == 0;
		if (wanted)
			json_array_append(chosen, hash);
	}
	if (strikes)
		json_decref(strikes);
	else
		json_decref(chosen);
	return strikes ? chosen : NULL;
}

static int release(const struct quarantine *quarantine, int argc, char **argv)
{
	uint64_t name;
	for (int i = 0; i < argc; i++)
		if (!tn_quarantine_parse(tn_str_from(argv[i]), &name))
			return complain("a hash has sixteen digits, 0-9 and a-f; `turnout quarantine list` shows them");
	if ((argc == 0) != quarantine->all)
		return complain("release takes hashes, or --all");
	json_t *chosen = choose(quarantine, argc, argv);
	if (!chosen)
		return TN_EXIT_UNUSABLE;
	size_t count = json_array_size(chosen);
	int status = (quarantine->running ? release_running : release_stopped)(quarantine, chosen);
	json_decref(chosen);
	if (status != TN_EXIT_GOOD)
		return status;
	if (quarantine->json)
		printf("{\"released\":%zu}\n", count);
	else
		printf("%zu released: what comes again, or is redriven, is looked at again\n", count);
	return count < (size_t)argc || count == 0 ? TN_EXIT_FINDINGS : TN_EXIT_GOOD;
}

/* --- The command --- */

static int with_store(struct quarantine *quarantine, bool listing, int argc, char **argv)
{
	struct tn_error error = {0};
	if (tn_admin_client_reach(quarantine->config, quarantine->socket, sizeof quarantine->socket, &quarantine->store, &error) != TN_OK)
		return complain_error(&error);
	quarantine->running = !quarantine->store;
	int status = listing ? list(quarantine, argc) : release(quarantine, argc, argv);
	tn_store_close(quarantine->store);
	return status;
}

static int run(int argc, char **argv)
{
	struct quarantine quarantine = {.file = "turnout.yaml"};
	const struct tn_argument table[] = {
	        {"--config", 'c', TN_ARGUMENT_TEXT, &quarantine.file},
	        {"--all", 0, TN_ARGUMENT_FLAG, &quarantine.all},
	        {"--json", 0, TN_ARGUMENT_FLAG, &quarantine.json},
	        {0},
	};
	struct tn_error error = {0};
	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	bool listing = argc > 1 && strcmp(argv[1], "list") == 0;
	if (argc < 2 || (!listing && strcmp(argv[1], "release") != 0))
		return complain("say what to do: list, or release HASH...|--all; see `turnout help quarantine`");
	if (tn_config_read(quarantine.file, &quarantine.config, &error) != TN_OK)
		return complain_error(&error);
	int status = with_store(&quarantine, listing, argc - 2, argv + 2);
	tn_config_free(quarantine.config);
	return status;
}

const struct tn_tool tn_command_quarantine = {
        .name = "quarantine",
        .summary = "what ended the process: list, release",
        .usage = "quarantine list [-c turnout.yaml] [--json]\n"
                 "quarantine release [-c turnout.yaml] HASH...|--all",
        .help = "When a bus ends in the middle of decoding, matching or handing over an event, that event gets a "
                "strike at the next start. At\n"
                "three strikes it is quarantined: from then on it is not looked at, but dead-lettered as it came, with "
                "code POISON_CRASH.\n\n"
                "list      what has strikes, and where it came from\n"
                "release   forget the strikes; redriving a dead letter of that kind does the same for it\n\n"
                "  -c, --config FILE   the configuration [turnout.yaml]\n"
                "      --all           release all\n"
                "      --json          JSON\n\n"
                "Exit codes: 0 done; 1 there was nothing to release, or less than was named; 2 unusable.\n\n"
                "Example: turnout quarantine list; turnout quarantine release 18757a46414c9381\n",
        .run = run,
};
