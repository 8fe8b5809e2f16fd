/* SPDX-License-Identifier: Apache-2.0
 *
 * command_status.c - `turnout status`: the books, sources and targets of a running bus; or, with none running, what its store holds.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin_client.h"
#include "arguments.h"
#include "command.h"
#include "member.h"
#include "target_text.h"
#include "turnout/clock.h"

static void print_books(const json_t *books)
{
	const json_t *hand = json_object_get(books, "in_hand");
	json_int_t in_hand = tn_member_number(hand, "pending") + tn_member_number(hand, "backoff") + tn_member_number(hand, "inflight") +
		tn_member_number(hand, "staged") + tn_member_number(hand, "parking") + tn_member_number(hand, "burying");
	printf("books    matched %" JSON_INTEGER_FORMAT " + recovered %" JSON_INTEGER_FORMAT " + redriven %" JSON_INTEGER_FORMAT
	       " = delivered %" JSON_INTEGER_FORMAT " + dead %" JSON_INTEGER_FORMAT " + dropped %" JSON_INTEGER_FORMAT
	       " + released %" JSON_INTEGER_FORMAT " + parked %" JSON_INTEGER_FORMAT " + in hand %" JSON_INTEGER_FORMAT "  %s\n",
		tn_member_number(books, "matched"), tn_member_number(books, "recovered"), tn_member_number(books, "redriven"), tn_member_number(books, "delivered"),
		tn_member_number(books, "dead"), tn_member_number(books, "dropped"), tn_member_number(books, "released"),
		tn_member_number(books, "parked"), in_hand,
		json_is_true(json_object_get(books, "closed")) ? "(closed)" : "(NOT CLOSED: please report this)");
	printf("events   accepted %" JSON_INTEGER_FORMAT ", unmatched %" JSON_INTEGER_FORMAT "; attempts %" JSON_INTEGER_FORMAT
	       ", of which failed and were to be repeated %" JSON_INTEGER_FORMAT "\n",
		tn_member_number(books, "accepted"), tn_member_number(books, "unmatched"), tn_member_number(books, "attempts"), tn_member_number(books, "retried"));
	if (tn_member_number(books, "deduplicated") + tn_member_number(books, "dedup_conflict") > 0)
		printf("copies   %" JSON_INTEGER_FORMAT " not taken again, %" JSON_INTEGER_FORMAT " with another payload under their key\n",
			tn_member_number(books, "deduplicated"), tn_member_number(books, "dedup_conflict"));
}

static void print_lists(const json_t *status, const char *file)
{
	size_t i;
	const json_t *each;
	json_array_foreach(json_object_get(status, "sources"), i, each)
	{
		printf("source   %-16s %s%s  messages %" JSON_INTEGER_FORMAT ", refused %" JSON_INTEGER_FORMAT, tn_member_text(each, "name"),
			tn_member_text(each, "kind"), json_is_true(json_object_get(each, "open")) ? "" : " (closed)", tn_member_number(each, "messages"),
			tn_member_number(each, "refused"));
		if (tn_member_number(each, "over_rate") > 0)
			printf(", of them over %s %" JSON_INTEGER_FORMAT, tn_member_text(each, "rate"), tn_member_number(each, "over_rate"));
		putchar('\n');
	}
	json_array_foreach(json_object_get(status, "targets"), i, each)
		tn_target_text_print(each, file, tn_clock_wall_ms(&tn_clock_system));
}

static void print_text(const json_t *status, const char *file)
{
	const json_t *rules = json_object_get(status, "rules"), *store = json_object_get(status, "store");
	char used[24], most[24];
	printf("bus      %s, %s since %s\n", tn_member_text(status, "bus"), tn_member_text(status, "phase"), tn_member_text(status, "started"));
	printf("rules    %" JSON_INTEGER_FORMAT " rule%s, revision %" JSON_INTEGER_FORMAT "%s\n", tn_member_number(rules, "count"),
		tn_member_number(rules, "count") == 1 ? "" : "s", tn_member_number(rules, "revision"),
		json_is_true(json_object_get(rules, "failing")) ? "  (what is on disk now was refused; see the log)" : "");
	if (tn_member_number(status, "clock_ahead_ms") > 0)
		printf("clock    the wall clock is %" JSON_INTEGER_FORMAT " days ahead of the bus's: see `turnout help clock`\n",
			tn_member_number(status, "clock_ahead_ms") / 86400000);
	if (json_object_get(status, "shedding"))
		printf("shedding senders are turned away: %s\n", tn_member_text(status, "shedding"));
	print_books(json_object_get(status, "books"));
	print_lists(status, file);
	printf("store    open %" JSON_INTEGER_FORMAT ", tried %" JSON_INTEGER_FORMAT ", parked %" JSON_INTEGER_FORMAT
	       ", dead %" JSON_INTEGER_FORMAT "; %s of %s%s\n",
		tn_member_number(store, "open"), tn_member_number(store, "tried"), tn_member_number(store, "parked"), tn_member_number(store, "dead"),
		tn_target_text_size((uint64_t)tn_member_number(store, "used_bytes"), used),
		tn_target_text_size((uint64_t)tn_member_number(store, "max_bytes"), most),
		json_is_true(json_object_get(store, "nearly_full")) ? "  (nearly full: new events are refused)" : "");
}

static int ask_bus(const char *socket, const char *file, bool json)
{
	struct tn_error error = {0};
	struct tn_buf answer = {0};
	long code = 0;
	int status = TN_EXIT_GOOD;
	json_t *root = NULL;
	if (tn_admin_client_call(socket, "/status", NULL, 10, &answer, &code, &error) != TN_OK) {
		status = tn_command_complain(&tn_command_status, &error);
	} else if (code != 200 || !(root = json_loadb(answer.bytes, answer.len, 0, NULL))) {
		tn_error_set(&error, "the bus answered %ld: %.*s", code, (int)(answer.len > 300 ? 300 : answer.len), answer.bytes);
		status = tn_command_complain(&tn_command_status, &error);
	} else if (json) {
		printf("%.*s\n", TN_STR_ARG(tn_buf_str(&answer)));
	} else {
		print_text(root, file);
	}
	json_decref(root);
	tn_buf_fini(&answer);
	return status;
}

/* No bus is running: the store itself is asked, under its lock. Takes store. */
static int ask_store(const struct tn_config *config, struct tn_store *store, const char *file, bool json)
{
	struct tn_store_facts facts;
	tn_store_facts(store, &facts);
	tn_store_close(store);
	unsigned long long open = facts.rows[TN_ROW_OPEN], tried = facts.rows[TN_ROW_TRIED], parked = facts.rows[TN_ROW_PARKED],
			   dead = facts.rows[TN_ROW_DEAD];
	if (json)
		printf("{\"bus\":\"%.*s\",\"phase\":\"stopped\",\"store\":{\"open\":%llu,\"tried\":%llu,\"parked\":%llu,\"dead\":%llu}}\n",
			TN_STR_ARG(config->bus), open, tried, parked, dead);
	else
		printf("bus      %.*s, not running\nstore    open %llu, tried %llu, parked %llu, dead %llu\n", TN_STR_ARG(config->bus),
			open, tried, parked, dead);
	unsigned long long waiting = open + tried + parked;
	bool other_file = strcmp(file, "turnout.yaml") != 0;
	if (!json && waiting > 0)
		printf("         ! %llu deliver%s for the bus to start\n", waiting, waiting == 1 ? "y waits" : "ies wait");
	if (!json && dead > 0)
		printf("         ! %llu dead letter%s: turnout dlq count%s%s\n", dead, dead == 1 ? "" : "s", other_file ? " -c " : "",
			other_file ? file : "");
	return TN_EXIT_GOOD;
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
	struct tn_error error = {0};
	struct tn_config *config;
	struct tn_store *store;
	char socket[300];
	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	if (tn_config_read(file, &config, &error) != TN_OK)
		return tn_command_complain(&tn_command_status, &error);
	int status;
	if (tn_admin_client_reach(config, socket, sizeof socket, &store, &error) != TN_OK)
		status = tn_command_complain(&tn_command_status, &error);
	else
		status = store ? ask_store(config, store, file, json) : ask_bus(socket, file, json);
	tn_config_free(config);
	return status;
}

const struct tn_tool tn_command_status = {
	.name = "status",
	.summary = "the books, sources and targets of a running bus",
	.usage = "status [-c turnout.yaml] [--json]",
	.help = "Asks the running bus through the admin socket beside its store; with none running, reads the store.\n\n"
		"  -c, --config FILE   the configuration [turnout.yaml]\n"
		"      --json          one JSON object\n\n"
		"The books close at any instant: matched + recovered + redriven = delivered + dead + dropped + released + parked + in hand.\n",
	.run = run,
};
