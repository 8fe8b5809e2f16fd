/* SPDX-License-Identifier: Apache-2.0
 *
 * command_trace.c - `turnout trace ID`: one event's story from the ledger of a running bus (through its admin socket),
 * or of a stopped one's store.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin_client.h"
#include "arguments.h"
#include "command.h"
#include "member.h"
#include "turnout/admin.h"
#include "turnout/clock.h"
#include "turnout/json.h"

enum { PATIENCE_S = 30 };

/* --- Printing --- */

/* "+250 ms", "+1.2 s", "+2 min", "+3.5 h": since the event was received. */
static const char *format_span(int64_t span_ms, char out[24])
{
	if (span_ms < 1000)
		snprintf(out, 24, "%lld ms", (long long)span_ms);
	else if (span_ms < 60000)
		snprintf(out, 24, "%.1f s", (double)span_ms / 1000);
	else if (span_ms < 3600000)
		snprintf(out, 24, "%.1f min", (double)span_ms / 60000);
	else
		snprintf(out, 24, "%.1f h", (double)span_ms / 3600000);
	return out;
}

static int64_t time_of(const json_t *object, const char *name)
{
	int64_t at_ms = 0;
	return tn_clock_parse(tn_str_from(tn_member_text(object, name)), &at_ms) ? at_ms : 0;
}

/* "2026-05-01T12:00:00.123Z  +1.2 s    what" */
static void print_line(const char *at, int64_t since_ms, const char *what)
{
	char span[24], signed_span[28];
	snprintf(signed_span, sizeof signed_span, "+%s", format_span(since_ms < 0 ? 0 : since_ms, span));
	printf("  %-24s  %-9s  %-13s", at, signed_span, what);
}

static void print_outcome(const json_t *step)
{
	char span[24];
	if (json_object_get(step, "status"))
		printf(" %lld", tn_member_number(step, "status"));
	if (tn_member_text(step, "code")[0])
		printf(" %s", tn_member_text(step, "code"));
	if (json_object_get(step, "latency_ms"))
		printf(" after %s", format_span(tn_member_number(step, "latency_ms"), span));
	if (tn_member_text(step, "message")[0])
		printf(": %s", tn_member_text(step, "message"));
}

static void print_step(const json_t *step, int64_t received_ms)
{
	char what[32], span[24];
	int64_t at_ms = time_of(step, "at");
	bool next = json_object_get(step, "next_at") != NULL;
	if (strcmp(tn_member_text(step, "what"), "attempt") == 0)
		snprintf(what, sizeof what, "attempt %lld", tn_member_number(step, "attempt"));
	else
		snprintf(what, sizeof what, "%s", tn_member_text(step, "what"));
	print_line(tn_member_text(step, "at"), at_ms - received_ms, what);
	if (strcmp(tn_member_text(step, "what"), "delivered") == 0)
		printf(" at attempt %lld:", tn_member_number(step, "attempt"));
	if (strcmp(tn_member_text(step, "what"), "retry") != 0)
		print_outcome(step);
	if (next && time_of(step, "next_at") > at_ms) /* what is parked may have been due before */
		printf("%s next try in %s, %s", strcmp(tn_member_text(step, "what"), "retry") == 0 ? "" : ";",
		        format_span(time_of(step, "next_at") - at_ms, span), tn_member_text(step, "next_at"));
	putchar('\n');
}

static void print_delivery(const json_t *delivery, int64_t received_ms)
{
	size_t i;
	const json_t *step;
	printf("\n  delivery %s  rule %s -> target %s: %s\n", tn_member_text(delivery, "delivery"), tn_member_text(delivery, "rule"),
	        tn_member_text(delivery, "target"), tn_member_text(delivery, "state"));
	json_array_foreach(json_object_get(delivery, "steps"), i, step) print_step(step, received_ms);
}

static void print_story(const json_t *story)
{
	size_t i;
	const json_t *delivery, *origin = json_object_get(story, "origin"), *event = json_object_get(story, "event");
	int64_t received_ms = time_of(story, "received_at");
	printf("event    %s  source %s  type %s\n", tn_member_text(story, "id"), tn_member_text(story, "source"),
	        tn_member_text(story, "type"));
	printf("received %s", tn_member_text(story, "received_at"));
	if (origin)
		printf(" from %s (%s)", tn_member_text(origin, "name"), tn_member_text(origin, "kind"));
	putchar('\n');
	if (event) {
		char *text = json_dumps(event, JSON_COMPACT);
		printf("payload  %s\n", text ? text : "");
		free(text);
	} else if (json_object_get(story, "event_omitted_bytes")) {
		printf("payload  of %lld bytes was too long to be kept\n", tn_member_number(story, "event_omitted_bytes"));
	}
	if (json_object_get(story, "unmatched_at"))
		puts("matched  by no rule");
	json_array_foreach(json_object_get(story, "deliveries"), i, delivery) print_delivery(delivery, received_ms);
}

static void print_nothing(const struct tn_config *config, const char *id)
{
	printf("nothing is known of %s", id);
	switch ((enum tn_note_detail)config->trace_events) {
	case TN_NOTES_DECISIONS:
		puts(": trace.events is off");
		break;
	case TN_NOTES_FAILED:
		puts(": it never came, it is older than trace.keep, or all its deliveries went well at once "
		     "(trace.events: all keeps those too)");
		break;
	case TN_NOTES_ALL:
		puts(": it never came, or it is older than trace.keep, or was pushed out by trace.max_size");
		break;
	}
}

static int print_report(const struct tn_config *config, const char *id, struct tn_str text, bool json)
{
	struct tn_error error = {0};
	size_t i;
	const json_t *story;
	json_t *report = json_loadb(text.bytes, text.len, 0, NULL), *stories = json_object_get(report, "stories");
	if (!stories) {
		json_decref(report);
		tn_error_set(
		        &error, "the answer cannot be read: %.*s", (int)(text.len > 300 ? 300 : text.len), text.bytes);
		return tn_command_complain(&tn_command_trace, &error);
	}
	if (json)
		printf("%.*s\n", TN_STR_ARG(text));
	else if (json_array_size(stories) == 0)
		print_nothing(config, id);
	else
		json_array_foreach(stories, i, story)
		{
			if (i > 0)
				putchar('\n');
			print_story(story);
		}
	if (!json && json_is_true(json_object_get(report, "cut")))
		puts("\n... there is more of it than is shown");
	int status = json_array_size(stories) > 0 ? TN_EXIT_GOOD : TN_EXIT_FINDINGS;
	json_decref(report);
	return status;
}

/* --- Asking --- */

static enum tn_status ask_bus(const char *socket, const char *id, struct tn_buf *out, struct tn_error *error)
{
	struct tn_buf body = {0};
	long code = 0;
	tn_buf_add_text(&body, "{\"id\":");
	tn_json_quote(&body, tn_str_from(id));
	tn_buf_add_byte(&body, '}');
	enum tn_status status =
	        tn_admin_client_call(socket, "/trace", tn_buf_terminate(&body), PATIENCE_S, out, &code, error);
	tn_buf_fini(&body);
	if (status == TN_OK && code != 200) {
		tn_error_set(
		        error, "the bus answered %ld: %.*s", code, (int)(out->len > 300 ? 300 : out->len), out->bytes);
		return TN_IO;
	}
	return status;
}

/* No bus is running: the store itself is read, under its lock. Its engine time is what it was when the bus ended. */
static enum tn_status ask_store(const struct tn_config *config, struct tn_store *store, const char *id, struct tn_buf *out,
        struct tn_error *error)
{
	struct tn_store_facts facts;
	tn_store_facts(store, &facts);
	return tn_trace_json(store, tn_str_from(id), facts.engine_ms - config->trace_keep_ms, 0, out, error);
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
	struct tn_buf answer = {0};
	char socket[300];
	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	if (argc != 2) {
		fputs("turnout trace: it takes one id, of an event or of a delivery\n", stderr);
		return TN_EXIT_UNUSABLE;
	}
	if (tn_config_read(file, &config, &error) != TN_OK)
		return tn_command_complain(&tn_command_trace, &error);
	enum tn_status asked = tn_admin_client_reach(config, socket, sizeof socket, &store, &error);
	if (asked == TN_OK)
		asked = store ? ask_store(config, store, argv[1], &answer, &error) : ask_bus(socket, argv[1], &answer, &error);
	tn_store_close(store);
	int status = asked == TN_OK ? print_report(config, argv[1], tn_buf_str(&answer), json) : tn_command_complain(&tn_command_trace, &error);
	tn_buf_fini(&answer);
	tn_config_free(config);
	return status;
}

const struct tn_tool tn_command_trace = {
        .name = "trace",
        .summary = "one event's story: received, matched, each attempt, and how it ended",
        .usage = "trace [-c turnout.yaml] [--json] ID",
        .help = "ID is the id of an event (several sources may use the same one: all are told) or of a delivery (the "
                "idempotency key its\n"
                "target sees, and what the log and `turnout dlq` name it by). Of a running bus, through the admin "
                "socket beside its\n"
                "store; with none running from the store itself, under its lock.\n\n"
                "  -c, --config FILE   the configuration [turnout.yaml]\n"
                "      --json          one JSON object\n\n"
                "What is kept is the configuration's trace.events: failed (everything that was not delivered at first "
                "try, and costs\n"
                "nothing else), all, or off; for trace.keep, in at most trace.max_size; payloads only with "
                "trace.payloads. A crash may\n"
                "lose the last second of it, never an event.\n\n"
                "Exit codes: 0 something is known of it; 1 nothing is; 2 nobody could be asked.\n",
        .run = run,
};
