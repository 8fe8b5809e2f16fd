/* SPDX-License-Identifier: Apache-2.0
 *
 * command_audit.c - `turnout audit`: the books recomputed from the store; of a running bus through its admin socket, or
 * from the store itself.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin_client.h"
#include "arguments.h"
#include "command.h"
#include "member.h"
#include "turnout/admin.h"

enum { PATIENCE_S = 3600 }; /* it reads the whole store */

/* --- Printing --- */

/* What to do stands once, under the findings it is for. */
static void print_findings(const json_t *listed)
{
	size_t i;
	const json_t *finding;
	json_array_foreach(listed, i, finding)
	{
		const char *advice = tn_member_text(finding, "advice"),
		           *next = tn_member_text(json_array_get(listed, i + 1), "advice");
		printf("%-20s %s: %s\n", tn_member_text(finding, "code"), tn_member_text(finding, "key"),
		        tn_member_text(finding, "text"));
		if (strcmp(advice, next) != 0)
			printf("%-20s -> %s\n", "", advice);
	}
}

static void print_text(const json_t *report)
{
	const json_t *rows = json_object_get(report, "rows"), *listed = json_object_get(report, "listed");
	printf("rows     open %lld, tried %lld, parked %lld, dead %lld; events %lld, idempotency keys %lld\n",
	        tn_member_number(rows, "open"), tn_member_number(rows, "tried"), tn_member_number(rows, "parked"),
	        tn_member_number(rows, "dead"), tn_member_number(report, "events"), tn_member_number(report, "seen"));
	if (tn_member_number(report, "aside") > 0)
		printf("aside    %lld damaged records were set aside earlier: what they stood for was lost here\n",
		        tn_member_number(report, "aside"));
	if (json_object_get(report, "books"))
		printf("books    %s\n", json_is_true(json_object_get(json_object_get(report, "books"), "closed"))
		                                ? "closed"
		                                : "NOT CLOSED");
	print_findings(listed);
	if (tn_member_number(report, "findings") > (long long)json_array_size(listed))
		printf("... and %lld more\n",
		        tn_member_number(report, "findings") - (long long)json_array_size(listed));
	if (tn_member_number(report, "findings") == 0)
		puts("everything adds up");
	else
		printf("%lld findings: the store does not add up\n", tn_member_number(report, "findings"));
}

static int print_report(struct tn_str text, bool json)
{
	struct tn_error error = {0};
	json_t *report = json_loadb(text.bytes, text.len, 0, NULL);
	if (!report) {
		tn_error_set(
		        &error, "the answer cannot be read: %.*s", (int)(text.len > 300 ? 300 : text.len), text.bytes);
		return tn_command_complain(&tn_command_audit, &error);
	}
	if (json)
		printf("%.*s\n", TN_STR_ARG(text));
	else
		print_text(report);
	int status = tn_member_number(report, "findings") == 0 ? TN_EXIT_GOOD : TN_EXIT_FINDINGS;
	json_decref(report);
	return status;
}

/* --- Asking --- */

static int ask_bus(const char *socket, bool json)
{
	struct tn_error error = {0};
	struct tn_buf answer = {0};
	long code = 0;
	int status;
	if (tn_admin_client_call(socket, "/audit", NULL, PATIENCE_S, &answer, &code, &error) != TN_OK) {
		status = tn_command_complain(&tn_command_audit, &error);
	} else if (code != 200) {
		tn_error_set(&error, "the bus answered %ld: %.*s", code, (int)(answer.len > 300 ? 300 : answer.len),
		        answer.bytes);
		status = tn_command_complain(&tn_command_audit, &error);
	} else {
		status = print_report(tn_buf_str(&answer), json);
	}
	tn_buf_fini(&answer);
	return status;
}

static enum tn_status audit_store(struct tn_store *store, bool repair, struct tn_audit *audit, struct tn_error *error)
{
	enum tn_status status = repair ? tn_store_repair(store, error) : TN_OK;
	return status == TN_OK ? tn_store_audit(store, NULL, NULL, audit, error) : status;
}

/* No bus is running: the store itself is read, under its lock. Takes store. */
static int ask_store(struct tn_store *store, bool json, bool repair)
{
	struct tn_error error = {0};
	struct tn_buf text = {0};
	struct tn_audit *audit = malloc(sizeof *audit);
	if (!audit)
		abort();
	enum tn_status done = audit_store(store, repair, audit, &error);
	tn_store_close(store);
	if (done == TN_OK)
		tn_audit_json(audit, NULL, &text);
	int status =
	        done == TN_OK ? print_report(tn_buf_str(&text), json) : tn_command_complain(&tn_command_audit, &error);
	tn_buf_fini(&text);
	free(audit);
	return status;
}

static int run(int argc, char **argv)
{
	const char *file = "turnout.yaml";
	bool json = false, repair = false;
	const struct tn_argument table[] = {
	        {"--config", 'c', TN_ARGUMENT_TEXT, &file},
	        {"--json", 0, TN_ARGUMENT_FLAG, &json},
	        {"--repair", 0, TN_ARGUMENT_FLAG, &repair},
	        {0},
	};
	struct tn_error error = {0};
	struct tn_config *config;
	struct tn_store *store;
	char socket[300];
	int status;
	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	if (tn_config_read(file, &config, &error) != TN_OK)
		return tn_command_complain(&tn_command_audit, &error);
	if (tn_admin_client_reach(config, socket, sizeof socket, &store, &error) != TN_OK) {
		status = tn_command_complain(&tn_command_audit, &error);
	} else if (store) {
		status = ask_store(store, json, repair);
	} else if (repair) {
		tn_error_set(
		        &error, "a bus is running on the store %s: stop it before a repair", config->store_path.bytes);
		status = tn_command_complain(&tn_command_audit, &error);
	} else {
		status = ask_bus(socket, json);
	}
	tn_config_free(config);
	return status;
}

const struct tn_tool tn_command_audit = {
        .name = "audit",
        .summary = "recomputes the books from the store, and says what does not add up",
        .usage = "audit [-c turnout.yaml] [--json] [--repair]",
        .help = "Reads everything in the store: each record's checksum, indexes and counters against the rows, both "
                "ways, events\n"
                "against rows, and what ever came and went against what is there. Of a running bus (through the admin "
                "socket beside\n"
                "its store, while it works on) the engine's books too; with none running the store itself, under its "
                "lock.\n\n"
                "  -c, --config FILE   the configuration [turnout.yaml]\n"
                "      --json          one JSON object\n"
                "      --repair        first sets damaged records aside and makes indexes and counters anew from the "
                "rows; only\n"
                "                      with no bus running. What was lost is not brought back\n\n"
                "Exit codes: 0 everything adds up; 1 findings, each with what to do; 2 the store could not be read.\n",
        .run = run,
};
