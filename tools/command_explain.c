/* SPDX-License-Identifier: Apache-2.0
 *
 * command_explain.c - `turnout explain`: for each rule, matched, or the first field that stopped it.
 *
 * The matcher that routes is the one that is asked, so the answer is never another story.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "command.h"
#include "turnout/clock.h"
#include "turnout/config.h"
#include "turnout/doc.h"
#include "turnout/wire.h"

enum { EVENT_LIMIT = 16 * 1024 * 1024 };

static enum tn_status load_rules(const char *config_file, const char *rule_file, struct tn_ruleset **out_ruleset, struct tn_error *error)
{
	if (rule_file) {
		const struct tn_ruleset_config any = {.any_target = true, .revision = 1};
		return tn_ruleset_load(NULL, &rule_file, 1, &any, out_ruleset, error);
	}
	struct tn_config *config;
	enum tn_status status = tn_config_read(config_file, &config, error);
	if (status != TN_OK)
		return status;
	status = tn_config_load_rules(config, NULL, NULL, 1, out_ruleset, error);
	tn_config_free(config);
	return status;
}

static enum tn_status read_input(struct tn_buf *text, struct tn_error *error)
{
	size_t len;
	do {
		len = fread(tn_buf_reserve(text, 4096), 1, 4096, stdin);
		text->len += len;
	} while (len > 0 && text->len <= EVENT_LIMIT);
	if (len == 0 && !ferror(stdin))
		return TN_OK;
	tn_error_set(error, ferror(stdin) ? "standard input could not be read" : "standard input is larger than 16 MiB");
	return TN_IO;
}

static enum tn_status read_event(const char *file, struct tn_event **out_event, struct tn_error *error)
{
	struct tn_buf text = {0};
	struct tn_wire_error fault;
	enum tn_status status = strcmp(file, "-") == 0 ? read_input(&text, error) : tn_file_read(file, EVENT_LIMIT, &text, error);
	if (status == TN_OK) {
		status = tn_event_from_json(tn_str_trim(tn_buf_str(&text), " \t\r\n"), tn_clock_wall_ms(&tn_clock_system), out_event, &fault);
		if (status != TN_OK)
			tn_error_at(error, file, 0, 0, "not a CloudEvent: %s", fault.message);
	}
	tn_buf_fini(&text);
	return status;
}

static void print_text(const struct tn_explanation *why)
{
	if (why->matched) {
		printf("matched   %.*s\n", TN_STR_ARG(why->rule));
		return;
	}
	printf("no match  %.*s  (%u of %u fields)  %.*s: expected %.*s, actual ", TN_STR_ARG(why->rule), why->satisfied, why->total,
		TN_STR_ARG(why->field), TN_STR_ARG(why->expected));
	if (why->actual.len)
		printf("%.*s\n", TN_STR_ARG(why->actual));
	else
		puts("absent");
}

static json_t *text_json(struct tn_str text)
{
	return json_stringn(text.bytes ? text.bytes : "", text.len);
}

static json_t *value_json(struct tn_str text)
{
	json_t *value = text.len ? json_loadb(text.bytes, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
	return value ? value : text.len ? text_json(text) : json_null();
}

static void print_json(const struct tn_explanation *why)
{
	json_t *line = json_pack("{s:o s:b}", "rule", text_json(why->rule), "matched", why->matched);
	if (why->file.len) {
		json_object_set_new(line, "file", text_json(why->file));
		json_object_set_new(line, "line", json_integer(why->line));
	}
	if (!why->matched) {
		json_object_set_new(line, "field", text_json(why->field));
		json_object_set_new(line, "expected", value_json(why->expected));
		json_object_set_new(line, "actual", value_json(why->actual));
		json_object_set_new(line, "satisfied", json_integer(why->satisfied));
		json_object_set_new(line, "total", json_integer(why->total));
	}
	char *text = json_dumps(line, JSON_COMPACT);
	if (!text)
		abort();
	puts(text);
	free(text);
	json_decref(line);
}

static int explain(const struct tn_ruleset *ruleset, const struct tn_event *event, bool json)
{
	struct tn_matcher *matcher = tn_matcher_new();
	const struct tn_explanation *all;
	size_t count = 0, matched = 0;
	if (tn_ruleset_explain(ruleset, matcher, event, &all, &count) != TN_OK)
		count = 0;
	for (size_t i = 0; i < count; i++) {
		(json ? print_json : print_text)(&all[i]);
		matched += all[i].matched;
	}
	tn_matcher_free(matcher);
	return matched ? TN_EXIT_GOOD : TN_EXIT_FINDINGS;
}

static int run(int argc, char **argv)
{
	const char *config = "turnout.yaml", *rules = NULL;
	bool json = false;
	const struct tn_argument table[] = {
		{"--config", 'c', TN_ARGUMENT_TEXT, &config},
		{"--rules", 'r', TN_ARGUMENT_TEXT, &rules},
		{"--json", 0, TN_ARGUMENT_FLAG, &json},
		{0},
	};
	struct tn_error error = {0};
	struct tn_ruleset *ruleset = NULL;
	struct tn_event *event = NULL;
	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	if (argc != 2) {
		fputs("turnout explain: give one event: a file with a CloudEvent in JSON, or - for standard input\n", stderr);
		return TN_EXIT_UNUSABLE;
	}
	int status;
	if (load_rules(config, rules, &ruleset, &error) != TN_OK || read_event(argv[1], &event, &error) != TN_OK)
		status = tn_command_complain(&tn_command_explain, &error);
	else
		status = explain(ruleset, event, json);
	tn_event_unref(event);
	tn_ruleset_unref(ruleset);
	return status;
}

const struct tn_tool tn_command_explain = {
	.name = "explain",
	.summary = "why each rule matched an event, or which field stopped it",
	.usage = "explain [-c turnout.yaml | -r RULEFILE] EVENT",
	.help = "EVENT is a file with one CloudEvent in JSON, or - for standard input. Matched rules come first, then the nearest miss.\n\n"
		"  -c, --config FILE   the configuration whose rules are asked [turnout.yaml]\n"
		"  -r, --rules FILE    one rule file instead\n"
		"      --json          one JSON object a line: {rule, matched, field, expected, actual, satisfied, total}\n\n"
		"Exit codes: 0 at least one rule matched; 1 none did; 2 unusable.\n\n"
		"Example: turnout explain -r rules/orders.yaml event.json\n",
	.run = run,
};
