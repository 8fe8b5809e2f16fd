/* SPDX-License-Identifier: Apache-2.0
 *
 * command_dlq.c - `turnout dlq`: dead letters listed, shown, and sent again.
 *
 * With a bus running, through its admin socket; with none, from the store under its lock. Both go through the dlq room, so the answers
 * are the same.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin_client.h"
#include "arguments.h"
#include "command.h"
#include "turnout/dlq.h"

enum { PAGE = 200, REDRIVE_TIMEOUT_S = 3600 };

struct dlq {
	const char *file, *rule, *target, *code;
	bool json, all, force;
	uint64_t limit; /* 0: no limit */
	struct tn_config *config;
	struct tn_ruleset *ruleset; /* offline redrive only */
	char socket[300];
	bool running;
	uint64_t printed;
	char dest[512];
};

static int complain(const char *message)
{
	fprintf(stderr, "turnout dlq: %s\n", message);
	return TN_EXIT_UNUSABLE;
}

static int complain_error(const struct tn_error *error)
{
	char text[1024];
	return complain(tn_error_format(error, text, sizeof text));
}

/* What the bus answered when it was not 200: its problem's detail. */
static int complain_answer(long status, const struct tn_buf *answer)
{
	json_t *problem = json_loadb(answer->bytes ? answer->bytes : "", answer->len, 0, NULL);
	const char *detail = json_string_value(json_object_get(problem, "detail"));
	char text[700];
	snprintf(text, sizeof text, "%s", detail ? detail : "the bus refused the request");
	json_decref(problem);
	complain(text);
	return status == 404 || status == 409 ? TN_EXIT_FINDINGS : TN_EXIT_UNUSABLE;
}

/* --- Printing --- */

static const char *string(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "-";
}

static void print_line(const json_t *record)
{
	const json_t *event = json_object_get(record, "event");
	printf("%s  %s  %s -> %s  %s after %" JSON_INTEGER_FORMAT " attempts  %s %s\n", string(record, "id"), string(record, "dead_at"),
		string(json_object_get(record, "rule"), "name"), string(json_object_get(record, "target"), "id"),
		string(json_object_get(record, "error"), "code"), json_integer_value(json_object_get(record, "attempts")), string(event, "type"),
		string(event, "id"));
}

static void print_json(const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);
	if (!text)
		abort();
	puts(text);
	free(text);
}

static void print_record(struct dlq *dlq, const json_t *record)
{
	(dlq->json ? print_json : print_line)(record);
	dlq->printed++;
}

static void print_break(unsigned depth)
{
	printf("\n%*s", (int)depth * 2, "");
}

/* Only white space is added: numbers and texts of an event are shown as they were sent. The record is good JSON without any. */
static void print_indented(struct tn_str record)
{
	unsigned depth = 0;
	bool quoted = false;
	for (size_t i = 0; i < record.len; i++) {
		char c = record.bytes[i], next = i + 1 < record.len ? record.bytes[i + 1] : 0;
		if (quoted || c == '"') {
			putchar(c);
			if (c == '\\' && next)
				putchar(record.bytes[++i]);
			quoted = c == '"' ? !quoted : quoted;
			continue;
		}
		bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
		if (closes && record.bytes[i - 1] != (c == '}' ? '{' : '['))
			print_break(--depth);
		putchar(c);
		if (opens && next != (c == '{' ? '}' : ']'))
			print_break(++depth);
		else if (c == ',')
			print_break(depth);
		else if (c == ':')
			putchar(' ');
	}
	putchar('\n');
}

static int print_end(const struct dlq *dlq)
{
	if (!dlq->json)
		printf("%" PRIu64 " dead letter%s\n", dlq->printed, dlq->printed == 1 ? "" : "s");
	return TN_EXIT_GOOD;
}

static int print_tally(const struct dlq *dlq, uint64_t moved, uint64_t no_target, uint64_t too_often)
{
	if (dlq->json)
		printf("{\"moved\":%" PRIu64 ",\"no_target\":%" PRIu64 ",\"too_often\":%" PRIu64 "}\n", moved, no_target, too_often);
	else
		printf("%" PRIu64 " dead letter%s will be delivered again%s\n", moved, moved == 1 ? "" : "s",
			dlq->running ? "" : " when the bus starts");
	if (no_target && !dlq->json)
		printf("%" PRIu64 " stay: their rule or target is gone\n", no_target);
	if (too_often && !dlq->json)
		printf("%" PRIu64 " stay: redriven %d times already (--force overrides)\n", too_often, TN_DLQ_MAX_REDRIVES);
	return moved ? TN_EXIT_GOOD : TN_EXIT_FINDINGS;
}

/* --- With a bus running --- */

static void add_filter(struct tn_buf *path, const char *name, const char *value)
{
	if (value)
		tn_buf_addf(path, "&%s=%s", name, value);
}

static int list_running(struct dlq *dlq)
{
	struct tn_buf path = {0}, answer = {0};
	struct tn_error error = {0};
	char after[TN_DLQ_ID_SIZE] = "";
	int status = TN_EXIT_GOOD;
	bool more = true;
	while (more && status == TN_EXIT_GOOD && (dlq->limit == 0 || dlq->printed < dlq->limit)) {
		uint64_t left = dlq->limit ? dlq->limit - dlq->printed : PAGE;
		long code = 0;
		tn_buf_clear(&path);
		tn_buf_clear(&answer);
		tn_buf_addf(&path, "/dlq?limit=%" PRIu64, left < PAGE ? left : PAGE);
		add_filter(&path, "after", after[0] ? after : NULL);
		add_filter(&path, "rule", dlq->rule);
		add_filter(&path, "target", dlq->target);
		add_filter(&path, "error", dlq->code);
		if (tn_admin_client_call(dlq->socket, tn_buf_terminate(&path), NULL, 30, &answer, &code, &error) != TN_OK) {
			status = complain_error(&error);
		} else if (code != 200) {
			status = complain_answer(code, &answer);
		} else {
			json_t *page = json_loadb(answer.bytes, answer.len, JSON_ALLOW_NUL, NULL);
			size_t i;
			const json_t *record;
			json_array_foreach(json_object_get(page, "dead_letters"), i, record)
				print_record(dlq, record);
			const char *next = json_string_value(json_object_get(page, "next"));
			more = next != NULL;
			snprintf(after, sizeof after, "%s", next ? next : "");
			json_decref(page);
		}
	}
	tn_buf_fini(&path);
	tn_buf_fini(&answer);
	return status == TN_EXIT_GOOD ? print_end(dlq) : status;
}

static int show_running(struct dlq *dlq, const char *id)
{
	struct tn_buf path = {0}, answer = {0};
	struct tn_error error = {0};
	long code = 0;
	int status = TN_EXIT_GOOD;
	tn_buf_addf(&path, "/dlq/%s", id);
	if (tn_admin_client_call(dlq->socket, tn_buf_terminate(&path), NULL, 30, &answer, &code, &error) != TN_OK)
		status = complain_error(&error);
	else if (code != 200)
		status = complain_answer(code, &answer);
	else if (dlq->json)
		printf("%.*s\n", TN_STR_ARG(tn_buf_str(&answer)));
	else
		print_indented(tn_buf_str(&answer));
	tn_buf_fini(&path);
	tn_buf_fini(&answer);
	return status;
}

static void set_text(json_t *object, const char *name, const char *value)
{
	if (value)
		json_object_set_new(object, name, json_string(value));
}

static uint64_t count_of(const json_t *answer, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(answer, name));
}

static int redrive_running(struct dlq *dlq, int count, char **ids)
{
	struct tn_buf answer = {0};
	struct tn_error error = {0};
	long code = 0;
	int status;
	json_t *body = json_pack("{s:b}", "force", dlq->force);
	if (dlq->all) {
		json_object_set_new(body, "all", json_true());
		set_text(body, "rule", dlq->rule);
		set_text(body, "target", dlq->target);
		set_text(body, "error", dlq->code);
	} else {
		json_t *list = json_array();
		for (int i = 0; i < count; i++)
			json_array_append_new(list, json_string(ids[i]));
		json_object_set_new(body, "ids", list);
	}
	char *text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	if (!text)
		abort();
	if (tn_admin_client_call(dlq->socket, "/dlq/redrive", text, REDRIVE_TIMEOUT_S, &answer, &code, &error) != TN_OK) {
		status = complain_error(&error);
	} else if (code != 200) {
		status = complain_answer(code, &answer);
	} else {
		json_t *tally = json_loadb(answer.bytes, answer.len, 0, NULL);
		status = print_tally(dlq, count_of(tally, "moved"), count_of(tally, "no_target"), count_of(tally, "too_often"));
		json_decref(tally);
	}
	free(text);
	tn_buf_fini(&answer);
	return status;
}

/* --- With no bus running --- */

static void describe_target(void *arg, struct tn_str name, struct tn_dlq_target *out_target)
{
	struct dlq *dlq = arg;
	const struct tn_target_config *target = tn_config_target(dlq->config, name);
	*out_target = (struct tn_dlq_target){0};
	if (!target)
		return;
	out_target->kind = tn_str_from(target->connector->name);
	if (!target->connector->describe_target)
		return;
	target->connector->describe_target(target->options, dlq->dest, sizeof dlq->dest);
	out_target->dest = tn_str_from(dlq->dest);
}

static struct tn_dlq_view make_view(struct dlq *dlq)
{
	return (struct tn_dlq_view){.bus = dlq->config->bus, .describe_target = describe_target, .arg = dlq};
}

static bool visit_line(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct dlq *dlq = arg;
	struct tn_dlq_view view = make_view(dlq);
	struct tn_buf line = {0};
	tn_dlq_line_json(&view, row, event, &line);
	json_t *record = json_loadb(line.bytes, line.len, JSON_ALLOW_NUL, NULL);
	print_record(dlq, record);
	json_decref(record);
	tn_buf_fini(&line);
	return dlq->limit == 0 || dlq->printed < dlq->limit;
}

static bool visit_record(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct dlq *dlq = arg;
	struct tn_dlq_view view = make_view(dlq);
	struct tn_buf record = {0};
	tn_dlq_record_json(&view, row, event, &record);
	if (dlq->json)
		printf("%.*s\n", TN_STR_ARG(tn_buf_str(&record)));
	else
		print_indented(tn_buf_str(&record));
	dlq->printed++;
	tn_buf_fini(&record);
	return false;
}

static struct tn_dlq_selection filter_of(const struct dlq *dlq)
{
	return (struct tn_dlq_selection){.all = true, .rule = tn_str_from(dlq->rule), .target = tn_str_from(dlq->target),
		.code = tn_str_from(dlq->code)};
}

static int read_stopped(struct dlq *dlq, const struct tn_dlq_selection *selection, tn_dlq_visit *visit)
{
	struct tn_error error = {0};
	struct tn_store *store;
	struct tn_store_options options = {.path = dlq->config->store_path.bytes, .max_size_bytes = dlq->config->store_max_bytes};
	if (access(options.path, F_OK) != 0) { /* opening would make it */
		tn_error_set(&error, "there is no store at %s yet: this bus never ran", options.path);
		return complain_error(&error);
	}
	if (tn_admin_client_open_store(&options, &store, &error) != TN_OK)
		return complain_error(&error);
	enum tn_status status = tn_dlq_each(store, selection, visit, dlq, &error);
	tn_store_close(store);
	return status == TN_OK ? TN_EXIT_GOOD : complain_error(&error);
}

static int list_stopped(struct dlq *dlq)
{
	struct tn_dlq_selection selection = filter_of(dlq);
	int status = read_stopped(dlq, &selection, visit_line);
	return status == TN_EXIT_GOOD ? print_end(dlq) : status;
}

static bool has_route(void *arg, struct tn_str rule, struct tn_str target)
{
	struct dlq *dlq = arg;
	return tn_ruleset_find_route(dlq->ruleset, rule, target) != NULL;
}

static int parse_ids(int count, char **texts, struct tn_row_key *out_keys)
{
	for (int i = 0; i < count; i++)
		if (!tn_dlq_id_parse(tn_str_from(texts[i]), &out_keys[i])) {
			char text[200];
			snprintf(text, sizeof text, "'%.100s' is not the id of a dead letter; `turnout dlq list` shows them", texts[i]);
			return complain(text);
		}
	return TN_EXIT_GOOD;
}

static int show_stopped(struct dlq *dlq, const struct tn_row_key *key)
{
	struct tn_dlq_selection selection = {.ids = key, .id_count = 1};
	int status = read_stopped(dlq, &selection, visit_record);
	if (status == TN_EXIT_GOOD && dlq->printed == 0) {
		complain("there is no such dead letter");
		return TN_EXIT_FINDINGS;
	}
	return status;
}

static int redrive_stopped(struct dlq *dlq, uint32_t count, const struct tn_row_key *keys)
{
	struct tn_error error = {0};
	struct tn_dlq_tally tally = {0};
	if (tn_config_load_rules(dlq->config, NULL, NULL, 1, &dlq->ruleset, &error) != TN_OK)
		return complain_error(&error);
	struct tn_dlq_offline offline = {
		.store_path = dlq->config->store_path.bytes,
		.store_max_size_bytes = dlq->config->store_max_bytes,
		.action = TN_DLQ_REDRIVE,
		.selection = dlq->all ? filter_of(dlq) : (struct tn_dlq_selection){.ids = keys, .id_count = count},
		.force = dlq->force,
		.wall_now_ms = tn_clock_wall_ms(&tn_clock_system),
		.has_route = has_route,
		.arg = dlq,
	};
	enum tn_status status = tn_dlq_apply_offline(&offline, &tally, &error);
	for (unsigned i = 0; status == TN_BUSY && tn_admin_client_wait(&i);)
		status = tn_dlq_apply_offline(&offline, &tally, &error);
	tn_ruleset_unref(dlq->ruleset);
	if (status != TN_OK)
		return complain_error(&error);
	return print_tally(dlq, tally.done, tally.no_target, tally.too_often);
}

/* --- The command --- */

static int run_list(struct dlq *dlq, int argc, char **argv)
{
	if (argc > 0)
		return complain("list takes no ids; filter with --rule, --target, --error");
	return dlq->running ? list_running(dlq) : list_stopped(dlq);
}

static int run_show(struct dlq *dlq, int argc, char **argv)
{
	struct tn_row_key key;
	if (argc != 1)
		return complain("show takes one id; `turnout dlq list` shows them");
	if (parse_ids(1, argv, &key) != TN_EXIT_GOOD)
		return TN_EXIT_UNUSABLE;
	return dlq->running ? show_running(dlq, argv[0]) : show_stopped(dlq, &key);
}

static int run_redrive(struct dlq *dlq, int argc, char **argv)
{
	if ((argc == 0) != dlq->all)
		return complain("redrive takes ids, or --all (with --rule, --target or --error to choose among all)");
	struct tn_row_key *keys = calloc((size_t)argc + 1, sizeof *keys);
	if (!keys)
		abort();
	int status = parse_ids(argc, argv, keys);
	if (status == TN_EXIT_GOOD)
		status = dlq->running ? redrive_running(dlq, argc, argv) : redrive_stopped(dlq, tn_dlq_unique(keys, (uint32_t)argc), keys);
	free(keys);
	return status;
}

static int run(int argc, char **argv)
{
	static const char *const words[] = {"list", "show", "redrive", NULL};
	static int (*const steps[])(struct dlq *dlq, int argc, char **argv) = {run_list, run_show, run_redrive};
	struct dlq dlq = {.file = "turnout.yaml"};
	const struct tn_argument table[] = {
		{"--config", 'c', TN_ARGUMENT_TEXT, &dlq.file},
		{"--rule", 0, TN_ARGUMENT_TEXT, &dlq.rule},
		{"--target", 0, TN_ARGUMENT_TEXT, &dlq.target},
		{"--error", 0, TN_ARGUMENT_TEXT, &dlq.code},
		{"--limit", 0, TN_ARGUMENT_COUNT, &dlq.limit},
		{"--all", 0, TN_ARGUMENT_FLAG, &dlq.all},
		{"--force", 0, TN_ARGUMENT_FLAG, &dlq.force},
		{"--json", 0, TN_ARGUMENT_FLAG, &dlq.json},
		{0},
	};
	struct tn_error error = {0};
	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	const char *const filters[] = {dlq.rule, dlq.target, dlq.code};
	for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
		if (filters[i] && !tn_config_is_name(tn_str_from(filters[i])))
			return complain("--rule, --target and --error take one name: letters, digits, '.', '_' and '-'");
	size_t word = 0;
	while (argc > 1 && words[word] && strcmp(words[word], argv[1]) != 0)
		word++;
	if (argc < 2 || !words[word])
		return complain("say what to do: list, show ID, or redrive ID...|--all; see `turnout help dlq`");
	if (tn_config_read(dlq.file, &dlq.config, &error) != TN_OK)
		return complain_error(&error);
	dlq.running = tn_admin_client_find(dlq.config, dlq.socket, sizeof dlq.socket) == TN_OK;
	int status = steps[word](&dlq, argc - 2, argv + 2);
	tn_config_free(dlq.config);
	return status;
}

const struct tn_tool tn_command_dlq = {
	.name = "dlq",
	.summary = "dead letters: list, show, redrive",
	.usage = "dlq list [-c turnout.yaml] [--rule R] [--target T] [--error CODE] [--limit N]\n"
		 "dlq show [-c turnout.yaml] ID\n"
		 "dlq redrive [-c turnout.yaml] ID...|--all [--rule R] [--target T] [--error CODE] [--force]",
	.help = "Dead letters of the configuration's bus: through its admin socket while it runs, from its store when it does not.\n\n"
		"list      one line each, oldest first\n"
		"show      one whole record, with the original event\n"
		"redrive   deliver again to the same rule's target, with fresh counters and the same delivery id\n\n"
		"  -c, --config FILE   the configuration [turnout.yaml]\n"
		"      --rule NAME, --target NAME, --error CODE\n"
		"                      only those of that rule, target, error code\n"
		"      --limit N       at most N\n"
		"      --all           redrive all (that the filters leave)\n"
		"      --force         redrive also what was redriven 10 times\n"
		"      --json          records as JSON, one a line\n\n"
		"Exit codes: 0 done; 1 nothing was moved, or no such record; 2 unusable.\n\n"
		"Example: turnout dlq list --target billing; turnout dlq redrive --all --target billing\n",
	.run = run,
};
