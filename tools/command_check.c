/* SPDX-License-Identifier: Apache-2.0
 *
 * command_check.c - `turnout check`: validates a configuration and its rules, or rule files alone, without opening anything.
 *
 * The same code that `turnout run` reads with; on top of it a few findings: things that are valid and probably not meant.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "command.h"
#include "turnout/config.h"

enum { KEY_BYTES = 64 }; /* of the store, for one idempotency key; measured */

struct report {
	json_t *findings; /* of {level, message, file?, line?, column?} */
	json_t *notes;    /* likewise; nothing is wrong with these */
	bool unusable;
};

static void add(json_t *list, const char *level, const struct tn_error *error)
{
	json_t *finding = json_pack("{s:s s:s}", "level", level, "message", error->message);
	if (error->file[0])
		json_object_set_new(finding, "file", json_string(error->file));
	if (error->line)
		json_object_set_new(finding, "line", json_integer(error->line));
	if (error->column)
		json_object_set_new(finding, "column", json_integer(error->column));
	json_array_append_new(list, finding);
}

static void add_error(struct report *report, const struct tn_error *error)
{
	report->unusable = true;
	add(report->findings, "error", error);
}

static bool is_sink(const struct tn_config *config, struct tn_str target)
{
	for (size_t i = 0; i < config->dead_letter_count; i++)
		if (tn_str_equal(config->dead_letters[i].target, target))
			return true;
	return false;
}

static void lint_limits(struct report *report, const struct tn_config *config, const struct tn_target_config *target)
{
	struct tn_error error = {0};
	if (target->adaptive && target->max_in_flight > 200) {
		tn_error_at(&error, config->file, 0, 0, "target '%.*s': concurrency: adaptive never goes beyond 200, whatever max_in_flight is",
			TN_STR_ARG(target->name));
		add(report->findings, "finding", &error);
	}
	if (target->retry_budget && target->retry_per_second == 0 && target->retry_percent < 100) {
		tn_error_at(&error, config->file, 0, 0,
			"target '%.*s': with retry_budget.per_second: 0, nothing is repeated while there are fewer than %u first attempts in 10 s",
			TN_STR_ARG(target->name), (unsigned)((100 + target->retry_percent - 1) / target->retry_percent));
		add(report->findings, "finding", &error);
	}
	if (target->park_bytes > config->store_max_bytes && config->store_path.len > 0) {
		tn_error_at(&error, config->file, 0, 0, "target '%.*s': max_parked_size is more than store.max_size, which is reached first",
			TN_STR_ARG(target->name));
		add(report->findings, "finding", &error);
	}
}

/* Valid, but probably not what was meant. */
static void lint(struct report *report, const struct tn_config *config, const struct tn_ruleset *ruleset)
{
	for (size_t i = 0; i < config->target_count; i++) {
		struct tn_str name = config->targets[i].name;
		lint_limits(report, config, &config->targets[i]);
		if (tn_ruleset_uses_target(ruleset, name) || is_sink(config, name))
			continue;
		struct tn_error error = {0};
		tn_error_at(&error, config->file, 0, 0, "target '%.*s' is named by no rule", TN_STR_ARG(name));
		add(report->findings, "finding", &error);
	}
}

/* What idempotency keys cost: room in the store, and how many events a second they can tell apart for as long as they should. */
static void note_keys(struct report *report, const struct tn_config *config)
{
	uint64_t most = config->store_max_bytes / 1024; /* store.h: one a KiB of the map */
	if (most > config->store_max_keys)
		most = config->store_max_keys;
	for (size_t i = 0; i < config->source_count; i++) {
		const struct tn_source_config *source = &config->sources[i];
		struct tn_error error = {0};
		if (source->dedup.by == TN_DEDUP_OFF)
			continue;
		int64_t window_s = source->dedup.window_ms / 1000;
		tn_error_at(&error, config->file, 0, 0,
			"source '%.*s' knows copies for %lld s: up to %llu keys (%llu MiB of the store, for all sources); with more than "
			"%llu a second, keys go before their time",
			TN_STR_ARG(source->name), (long long)window_s, (unsigned long long)most,
			(unsigned long long)(most * KEY_BYTES >> 20), (unsigned long long)(most / (uint64_t)window_s));
		add(report->notes, "note", &error);
	}
}

static uint32_t check_config(struct report *report, const char *file)
{
	struct tn_error error = {0};
	struct tn_config *config;
	struct tn_ruleset *ruleset;
	uint32_t rules = 0;
	if (tn_config_read(file, &config, &error) != TN_OK) {
		add_error(report, &error);
		return 0;
	}
	if (tn_config_load_rules(config, NULL, NULL, 1, &ruleset, &error) != TN_OK) {
		add_error(report, &error);
	} else {
		rules = tn_ruleset_rule_count(ruleset);
		lint(report, config, ruleset);
		note_keys(report, config);
		tn_ruleset_unref(ruleset);
	}
	tn_config_free(config);
	return rules;
}

static uint32_t check_files(struct report *report, int count, char **files)
{
	struct tn_error error = {0};
	struct tn_ruleset *ruleset;
	const struct tn_ruleset_config any = {.any_target = true, .revision = 1};
	const char **paths = calloc((size_t)count, sizeof *paths);
	if (!paths)
		abort();
	for (int i = 0; i < count; i++)
		paths[i] = files[i];
	enum tn_status status = tn_ruleset_load(NULL, paths, (size_t)count, &any, &ruleset, &error);
	free(paths);
	if (status != TN_OK) {
		add_error(report, &error);
		return 0;
	}
	uint32_t rules = tn_ruleset_rule_count(ruleset);
	tn_ruleset_unref(ruleset);
	return rules;
}

static void print_list(const json_t *list)
{
	size_t i;
	json_t *finding;
	json_array_foreach(list, i, finding)
	{
		struct tn_error error = {0};
		char line[1024];
		const char *file = json_string_value(json_object_get(finding, "file"));
		tn_error_at(&error, file, (uint32_t)json_integer_value(json_object_get(finding, "line")),
			(uint32_t)json_integer_value(json_object_get(finding, "column")), "%s: %s",
			json_string_value(json_object_get(finding, "level")), json_string_value(json_object_get(finding, "message")));
		puts(tn_error_format(&error, line, sizeof line));
	}
}

static void print_text(const struct report *report, uint32_t rules)
{
	print_list(report->findings);
	print_list(report->notes);
	if (json_array_size(report->findings) == 0)
		printf("good: %u rule%s\n", rules, rules == 1 ? "" : "s");
}

static void print_json(const struct report *report, uint32_t rules)
{
	json_t *all = json_pack("{s:b s:i s:O s:O}", "good", json_array_size(report->findings) == 0, "rules", (int)rules, "findings",
		report->findings, "notes", report->notes);
	char *text = json_dumps(all, JSON_COMPACT);
	if (!text)
		abort();
	puts(text);
	free(text);
	json_decref(all);
}

static int run(int argc, char **argv)
{
	const char *file = NULL;
	bool json = false;
	const struct tn_argument table[] = {
		{"--config", 'c', TN_ARGUMENT_TEXT, &file},
		{"--json", 0, TN_ARGUMENT_FLAG, &json},
		{0},
	};
	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	struct report report = {.findings = json_array(), .notes = json_array()};
	uint32_t rules = 0;
	if (file || argc == 1)
		rules += check_config(&report, file ? file : "turnout.yaml");
	if (argc > 1)
		rules += check_files(&report, argc - 1, argv + 1);
	(json ? print_json : print_text)(&report, rules);
	int status = report.unusable ? TN_EXIT_UNUSABLE : json_array_size(report.findings) ? TN_EXIT_FINDINGS : TN_EXIT_GOOD;
	json_decref(report.findings);
	json_decref(report.notes);
	return status;
}

const struct tn_tool tn_command_check = {
	.name = "check",
	.summary = "validates a configuration and its rules",
	.usage = "check [-c turnout.yaml] [RULEFILE...]",
	.help = "Reads the configuration and its rule files as `turnout run` would, without opening anything. With rule files and no -c,\n"
		"checks those alone: any target name is taken.\n\n"
		"  -c, --config FILE   the configuration [turnout.yaml, when no rule file is given]\n"
		"      --json          one JSON object: {good, rules, findings: [{level, message, file, line, column}], notes}\n\n"
		"Exit codes: 0 good; 1 findings (valid, but probably not meant); 2 unusable, with file:line:column.\n\n"
		"Example: turnout check rules/orders.yaml\n",
	.run = run,
};
