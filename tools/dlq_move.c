/* SPDX-License-Identifier: Apache-2.0
 *
 * dlq_move.c - `turnout dlq redrive`, `purge`, `status` and `cancel`.
 *
 * With a bus running it is the bus's task: started here, watched here, and gone on with when this process ends. With none running it is
 * done here, under the store's lock.
 */
#include "dlq.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin_client.h"
#include "command.h"
#include "turnout/admin.h"
#include "turnout/clock.h"
#include "turnout/kept_task.h"
#include "turnout/letter_ways.h"
#include "turnout/quarantine.h"

enum { WATCH_MS = 100, PLAIN_MS = 5000, BAR = 30, SAMPLE = 5 };

/* --- What is said of a task, or of what was done without one --- */

static bool is_purge(const json_t *task)
{
	return strcmp(dlq_string(task, "action"), "purge") == 0;
}

static uint64_t done_of(const json_t *task)
{
	return dlq_count(task, is_purge(task) ? "purged" : "moved");
}

static void print_left(const json_t *task)
{
	uint64_t no_target = dlq_count(task, "no_target"), too_often = dlq_count(task, "too_often"), no_match = dlq_count(task, "no_match");
	if (no_target)
		printf("%" PRIu64 " stay: NO_TARGET, their rule or target is gone\n", no_target);
	if (no_match)
		printf("%" PRIu64 " stay: NO_MATCH, no rule takes them now (or more than %d targets would)\n", no_match, TN_DLQ_WAYS);
	if (too_often)
		printf("%" PRIu64 " stay: redriven %d times already (--force overrides)\n", too_often, TN_DLQ_MAX_REDRIVES);
}

/* What was moved behind an open breaker is not on its way. */
static void print_waiting(const struct dlq *dlq, const json_t *task)
{
	size_t i;
	const json_t *name;
	bool other_file = strcmp(dlq->file, "turnout.yaml") != 0;
	json_array_foreach(json_object_get(task, "breakers_open"), i, name)
		printf("! the breaker of target %s is open: what is redriven waits in the store until it closes (turnout target close %s%s%s)\n",
			json_string_value(name), json_string_value(name), other_file ? " -c " : "", other_file ? dlq->file : "");
}

static int print_end(struct dlq *dlq, const json_t *task)
{
	const char *state = dlq_string(task, "state");
	uint64_t done = done_of(task);
	const char *what = is_purge(task) ? "purged" : dlq->running ? "will be delivered again" : "will be delivered again when the bus starts";
	if (dlq->json) {
		dlq_print_json(task);
	} else if (dlq_count(task, "selected") == 0 && strcmp(state, "done") == 0) {
		puts("no dead letter was selected");
		dlq_warn_of_names(dlq);
	} else {
		printf("%" PRIu64 " dead letter%s %s\n", done, done == 1 ? "" : "s", what);
		print_left(task);
		print_waiting(dlq, task);
	}
	if (strcmp(state, "done") == 0)
		return done ? TN_EXIT_GOOD : TN_EXIT_FINDINGS;
	fprintf(stderr, "turnout dlq: %s: %s\n", state, dlq_string(task, "why"));
	return strcmp(state, "stopped") == 0 ? DLQ_EXIT_STOPPED : TN_EXIT_FINDINGS;
}

/* ", of target billing, since 2026-11-23T11:32:16Z": what the task was asked for. */
static void print_terms(const json_t *request)
{
	static const char *const names[] = {"rule", "target", "error", "class", "since", "until", "pattern", "to"};
	size_t ids = json_array_size(json_object_get(request, "ids"));
	if (ids)
		printf(", of %zu by id", ids);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (json_object_get(request, names[i]))
			printf(", %s %s", names[i], dlq_string(request, names[i]));
}

static void print_task(const struct dlq *dlq, const json_t *task)
{
	bool every = strcmp(dlq_string(task, "queue"), "*") == 0;
	uint64_t tried = dlq_count(task, "first_delivered") + dlq_count(task, "first_failed"), done = done_of(task);
	printf("%s of %s%s", dlq_string(task, "action"), every ? "all queues" : "queue ", every ? "" : dlq_string(task, "queue"));
	print_terms(json_object_get(task, "request"));
	printf(", started %s: %s%s%s\n", dlq_string(task, "started_at"), dlq_string(task, "state"), dlq_string(task, "why")[0] ? ", " : "",
		dlq_string(task, "why"));
	uint64_t looked = dlq_count(task, "looked_at"), total = dlq_count(task, "total");
	printf("  looked at %" PRIu64 " of %" PRIu64 ", selected %" PRIu64 ", %s %" PRIu64, looked,
		looked > total ? looked : total, /* what died meanwhile is looked at, too */
		dlq_count(task, "selected"), is_purge(task) ? "purged" : "moved", done);
	if (json_object_get(task, "first_delivered") && !is_purge(task)) /* a running bus knows */
		printf("; first attempts: %" PRIu64 " delivered, %" PRIu64 " failed, %" PRIu64 " to come", dlq_count(task, "first_delivered"),
			dlq_count(task, "first_failed"), done > tried ? done - tried : 0);
	putchar('\n');
	print_waiting(dlq, task);
}

static void show_task(const struct dlq *dlq, const json_t *task)
{
	if (dlq->json)
		dlq_print_json(task);
	else
		print_task(dlq, task);
}

/* --- Watching --- */

static unsigned percent(const json_t *task)
{
	uint64_t total = dlq_count(task, "total"), looked = dlq_count(task, "looked_at");
	return total == 0 || looked >= total ? 100 : (unsigned)(looked * 100 / total);
}

static void draw(const json_t *task, bool terminal)
{
	char bar[BAR + 1];
	unsigned part = percent(task);
	for (unsigned i = 0; i < BAR; i++)
		bar[i] = i < part * BAR / 100 ? '#' : '.';
	bar[BAR] = '\0';
	if (terminal)
		fprintf(stderr, "\r[%s] %3u%%  %" PRIu64 " moved, %" PRIu64 " delivered, %" PRIu64 " failed  %.60s\033[K", bar, part, done_of(task),
			dlq_count(task, "first_delivered"), dlq_count(task, "first_failed"), dlq_string(task, "why"));
	else
		fprintf(stderr, "%u%%: %" PRIu64 " moved, %" PRIu64 " delivered, %" PRIu64 " failed%s%s\n", part, done_of(task),
			dlq_count(task, "first_delivered"), dlq_count(task, "first_failed"), dlq_string(task, "why")[0] ? "; " : "",
			dlq_string(task, "why"));
}

static json_t *find_task(const json_t *tasks, const char *queue)
{
	size_t i;
	json_t *task;
	json_array_foreach(json_object_get(tasks, "tasks"), i, task)
		if (strcmp(dlq_string(task, "queue"), queue) == 0)
			return json_incref(task);
	return NULL;
}

/* Until it has ended. Takes task. */
static int watch(struct dlq *dlq, json_t *task)
{
	bool terminal = isatty(STDERR_FILENO);
	char queue[80];
	snprintf(queue, sizeof queue, "%s", dlq_string(task, "queue"));
	for (int64_t shown_ms = 0; strcmp(dlq_string(task, "state"), "running") == 0; shown_ms += WATCH_MS) {
		if (!dlq->json && (terminal || (shown_ms > 0 && shown_ms % PLAIN_MS == 0)))
			draw(task, terminal);
		nanosleep(&(struct timespec){.tv_nsec = WATCH_MS * 1000000}, NULL);
		json_decref(task);
		json_t *tasks = NULL;
		int status = dlq_call_json(dlq, "/dlq/tasks", NULL, &tasks);
		if (status != TN_EXIT_GOOD) {
			fprintf(stderr, "turnout dlq: the task is kept; `turnout dlq redrive --resume` goes on with it\n");
			return status;
		}
		task = find_task(tasks, queue);
		json_decref(tasks);
		if (!task)
			return dlq_complain("the bus has forgotten the task");
	}
	if (terminal && !dlq->json) {
		draw(task, terminal);
		fputc('\n', stderr);
	}
	int status = print_end(dlq, task);
	json_decref(task);
	return status;
}

static int start_running(struct dlq *dlq, const char *path, const json_t *request)
{
	json_t *task = NULL;
	int status = dlq_call_json(dlq, path, request, &task);
	if (status != TN_EXIT_GOOD)
		return status;
	if (!dlq->detach)
		return watch(dlq, task);
	if (dlq->json)
		dlq_print_json(task);
	else
		printf("started; `turnout dlq status` shows it\n");
	json_decref(task);
	return TN_EXIT_GOOD;
}

/* --- Dry runs --- */

static int print_dry(struct dlq *dlq, const json_t *request, const json_t *found, const struct tn_dlq_tally *tally)
{
	json_t *sample = json_object_get(found, "sample"), *open = json_object_get(found, "breakers_open");
	size_t i;
	const json_t *record;
	if (dlq->json) {
		json_t *answer = json_pack("{s:I s:I s:I s:I s:I s:O s:O}", "selected", (json_int_t)tally->selected, "would_move", (json_int_t)tally->done,
			"no_target", (json_int_t)tally->no_target, "no_match", (json_int_t)tally->no_match, "too_often",
			(json_int_t)tally->too_often, "sample", sample,
			"breakers_open", open);
		dlq_print_json(answer);
		json_decref(answer);
		return tally->done ? TN_EXIT_GOOD : TN_EXIT_FINDINGS;
	}
	printf("%" PRIu64 " dead letter%s would be %s%s\n", tally->done, tally->done == 1 ? "" : "s", is_purge(request) ? "purged" : "redriven",
		json_array_size(sample) ? ", the first of them:" : "");
	json_array_foreach(sample, i, record)
		dlq_print_line(dlq, record);
	json_t *left = json_pack("{s:I s:I s:I}", "no_target", (json_int_t)tally->no_target, "no_match", (json_int_t)tally->no_match, "too_often",
		(json_int_t)tally->too_often);
	print_left(left);
	json_decref(left);
	if (!is_purge(request))
		print_waiting(dlq, found);
	if (tally->selected == 0)
		dlq_warn_of_names(dlq);
	return tally->done ? TN_EXIT_GOOD : TN_EXIT_FINDINGS;
}

static void add_names(json_t *names, const json_t *more)
{
	size_t i, j;
	json_t *name, *known;
	json_array_foreach(more, i, name)
	{
		bool there = false;
		json_array_foreach(names, j, known)
			there |= json_equal(known, name) != 0;
		if (!there)
			json_array_append(names, name);
	}
}

static int count_running(struct dlq *dlq, json_t *request, const json_t *found, struct tn_dlq_tally *tally)
{
	json_t *sample = json_object_get(found, "sample");
	for (bool more = true; more;) {
		json_t *page = NULL;
		int status = dlq_call_json(dlq, "/dlq/count", request, &page);
		if (status != TN_EXIT_GOOD)
			return status;
		tn_dlq_tally_add(tally, &(struct tn_dlq_tally){.selected = dlq_count(page, "selected"), .done = dlq_count(page, "would_move"),
			.no_target = dlq_count(page, "no_target"), .too_often = dlq_count(page, "too_often"), .no_match = dlq_count(page, "no_match")});
		for (size_t i = 0; i < json_array_size(json_object_get(page, "sample")) && json_array_size(sample) < SAMPLE; i++)
			json_array_append(sample, json_array_get(json_object_get(page, "sample"), i));
		add_names(json_object_get(found, "breakers_open"), json_object_get(page, "breakers_open"));
		const char *next = json_string_value(json_object_get(page, "next"));
		more = next != NULL;
		if (more)
			json_object_set_new(request, "after", json_string(next));
		json_decref(page);
	}
	return TN_EXIT_GOOD;
}

/* --- Stopped --- */

struct stopped {
	struct dlq *dlq;
	struct tn_letter_ways *ways;
	enum tn_dlq_to to;
	json_t *sample;
	uint64_t *chances;                /* names to take out of quarantine */
	size_t chance_count, chance_capacity;
};

static bool has_route(void *arg, struct tn_str rule, struct tn_str target)
{
	const struct stopped *stopped = arg;
	return tn_ruleset_find_route(stopped->dlq->ruleset, rule, target) != NULL;
}

static void find_ways(void *arg, const struct tn_row *row, const struct tn_event *event, struct tn_dlq_ways *out_ways)
{
	struct stopped *stopped = arg;
	tn_letter_ways_find(stopped->ways, stopped->dlq->ruleset, stopped->dlq->config->bus, stopped->to, row, event, out_ways);
}

static void add_sample(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct stopped *stopped = arg;
	struct tn_dlq_view view = dlq_view(stopped->dlq);
	struct tn_buf line = {0};
	if (json_array_size(stopped->sample) >= SAMPLE)
		return;
	tn_dlq_line_json(&view, row, event, &line);
	json_array_append_new(stopped->sample, json_loadb(line.bytes, line.len, JSON_ALLOW_NUL, NULL));
	tn_buf_fini(&line);
}

/* --- A redrive is another chance for what ended the process --- */

static void note_chance(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct stopped *stopped = arg;
	if (stopped->chance_count + TN_QUARANTINE_NAMES > stopped->chance_capacity) {
		stopped->chance_capacity = stopped->chance_capacity * 2 + TN_QUARANTINE_NAMES;
		stopped->chances = realloc(stopped->chances, stopped->chance_capacity * sizeof *stopped->chances);
		if (!stopped->chances)
			abort();
	}
	stopped->chance_count += tn_quarantine_names(row, event, stopped->chances + stopped->chance_count);
}

/* By a bus that began meanwhile. */
static enum tn_status ask_for_chances(const struct stopped *stopped, const char *socket, struct tn_error *error)
{
	enum tn_status status = TN_OK;
	for (size_t at = 0, end; at < stopped->chance_count && status == TN_OK; at = end) {
		struct tn_buf body = {0}, answer = {0};
		long code = 0;
		end = at + TN_ADMIN_RELEASES < stopped->chance_count ? at + TN_ADMIN_RELEASES : stopped->chance_count;
		for (size_t i = at; i < end; i++) {
			char name[TN_QUARANTINE_TEXT];
			tn_buf_addf(&body, "%s\"%s\"", i == at ? "{\"hashes\":[" : ",", tn_quarantine_format(stopped->chances[i], name));
		}
		tn_buf_add_text(&body, "]}");
		status = tn_admin_client_call(socket, "/quarantine/release", tn_buf_terminate(&body), 10, &answer, &code, error);
		if (status == TN_OK && code != 200) {
			tn_error_set(error, "what was redriven may stay in quarantine: the bus answered %ld", code);
			status = TN_IO;
		}
		tn_buf_fini(&body);
		tn_buf_fini(&answer);
	}
	return status;
}

static enum tn_status give_chances(struct stopped *stopped, struct tn_error *error)
{
	struct tn_store *store = NULL;
	char socket[300];
	enum tn_status status = TN_OK;
	if (stopped->chance_count > 0)
		status = tn_admin_client_reach(stopped->dlq->config, socket, sizeof socket, &store, error);
	if (status == TN_OK && !store)
		status = ask_for_chances(stopped, socket, error);
	for (size_t i = 0; i < stopped->chance_count && status == TN_OK && store; i++)
		status = tn_store_pardon(store, stopped->chances[i], error);
	tn_store_close(store);
	free(stopped->chances);
	return status;
}

/* Until whoever has it is done. False: it complained, or there is a bus to ask instead. */
static bool wait_for_store(struct dlq *dlq)
{
	struct tn_store *store = dlq_open_store(dlq);
	tn_store_close(store);
	return store != NULL;
}

/* What an interrupted task left. */
struct kept {
	struct tn_str queue;
	struct tn_dlq_kept_task task;
};

/* kept: or NULL. */
static int apply_stopped(struct dlq *dlq, const json_t *request, struct kept *kept, json_t *sample, struct tn_dlq_tally *tally)
{
	struct tn_error error = {0};
	struct stopped stopped = {.dlq = dlq, .sample = sample};
	struct tn_letter_query *query = dlq_query(request);
	if (!query)
		return TN_EXIT_UNUSABLE;
	if (tn_config_load_rules(dlq->config, NULL, NULL, 1, &dlq->ruleset, &error) != TN_OK) {
		tn_letter_query_free(query);
		return dlq_complain_error(&error);
	}
	struct tn_dlq_offline offline = {
		.store_path = dlq->config->store_path.bytes,
		.store_max_size_bytes = dlq->config->store_max_bytes,
		.terms = query->terms,
		.dry_run = dlq->dry_run,
		.wall_now_ms = tn_clock_wall_ms(&tn_clock_system),
	};
	stopped.ways = tn_letter_ways_new();
	stopped.to = offline.terms.to;
	offline.terms.has_route = has_route;
	offline.terms.find_ways = find_ways;
	offline.terms.chosen = dlq->dry_run ? add_sample : offline.terms.action == TN_DLQ_REDRIVE ? note_chance : NULL;
	offline.terms.arg = &stopped;
	if (kept) {
		int64_t cutoff_ms = kept->task.progress.cutoff_ms;
		offline.progress = &kept->task.progress;
		offline.progress_queue = kept->queue;
		if (offline.terms.selection.dead_before_ms == 0 || offline.terms.selection.dead_before_ms > cutoff_ms)
			offline.terms.selection.dead_before_ms = cutoff_ms;
	}
	enum tn_status status = tn_dlq_apply_offline(&offline, tally, &error);
	bool waited = true;
	while (status == TN_BUSY && (waited = wait_for_store(dlq)))
		status = tn_dlq_apply_offline(&offline, tally, &error);
	tn_ruleset_unref(dlq->ruleset);
	tn_letter_query_free(query);
	tn_letter_ways_free(stopped.ways);
	struct tn_error chances_error = {0};
	enum tn_status given = give_chances(&stopped, &chances_error);
	if (status == TN_OK && given == TN_OK)
		return TN_EXIT_GOOD;
	return waited ? dlq_complain_error(status != TN_OK ? &error : &chances_error) : TN_EXIT_UNUSABLE;
}

static int move_stopped(struct dlq *dlq, const json_t *request, struct kept *kept)
{
	struct tn_dlq_tally tally = {0};
	int status = apply_stopped(dlq, request, kept, NULL, &tally);
	if (status != TN_EXIT_GOOD)
		return status;
	json_t *task = json_pack("{s:s s:s s:s s:I s:I s:I s:I s:I}", "action", is_purge(request) ? "purge" : "redrive", "state", "done", "why", "",
		"selected", (json_int_t)tally.selected, is_purge(request) ? "purged" : "moved", (json_int_t)tally.done, "no_target",
		(json_int_t)tally.no_target, "no_match", (json_int_t)tally.no_match, "too_often", (json_int_t)tally.too_often);
	status = print_end(dlq, task);
	json_decref(task);
	return status;
}

/* The next queue from *i on that has a kept task, and that --queue means; bytes NULL: there is none. */
static struct tn_str next_kept(const struct dlq *dlq, size_t *i)
{
	const struct tn_config *config = dlq->config;
	while (*i <= config->dead_letter_count) {
		struct tn_str queue = *i < config->dead_letter_count ? config->dead_letters[*i].name : TN_STR("");
		++*i;
		if ((!dlq->queue || tn_str_is(queue, dlq->queue)) && tn_dlq_kept_task_exists(config->store_path.bytes, queue))
			return queue;
	}
	return (struct tn_str){0};
}

/* The kept task of --queue, or the only one. Returns an enum tn_exit. */
static int find_kept(struct dlq *dlq, struct kept *out_kept)
{
	struct tn_error error = {0};
	size_t i = 0;
	out_kept->queue = next_kept(dlq, &i);
	if (!out_kept->queue.bytes || next_kept(dlq, &i).bytes) {
		dlq_complain(out_kept->queue.bytes ? "there are several tasks; say which --queue" : "there is no such task");
		return TN_EXIT_FINDINGS;
	}
	struct tn_store *store = dlq_open_store(dlq);
	if (!store)
		return TN_EXIT_UNUSABLE;
	enum tn_status status = tn_dlq_kept_task_read(dlq->config->store_path.bytes, out_kept->queue, store, &out_kept->task, &error);
	tn_store_close(store);
	return status == TN_OK ? TN_EXIT_GOOD : dlq_complain_error(&error);
}

static int resume_stopped(struct dlq *dlq)
{
	struct kept kept = {0};
	int status = find_kept(dlq, &kept);
	if (status == TN_EXIT_GOOD)
		status = move_stopped(dlq, kept.task.request, &kept);
	tn_dlq_kept_task_fini(&kept.task);
	return status;
}

/* --- The words --- */

static int dry_run(struct dlq *dlq, json_t *request)
{
	struct tn_dlq_tally tally = {0};
	json_t *found = json_pack("{s:[] s:[]}", "sample", "breakers_open");
	int status = dlq->running ? count_running(dlq, request, found, &tally)
				  : apply_stopped(dlq, request, NULL, json_object_get(found, "sample"), &tally);
	if (status == TN_EXIT_GOOD)
		status = print_dry(dlq, request, found, &tally);
	json_decref(found);
	return status;
}

static int act(struct dlq *dlq, const char *action, int argc, char **argv)
{
	json_t *request = dlq_request(dlq, argc, argv);
	if (!request)
		return TN_EXIT_UNUSABLE;
	int status;
	json_object_set_new(request, "action", json_string(action));
	if (dlq->dry_run)
		status = dry_run(dlq, request);
	else
		status = dlq->running ? start_running(dlq, "/dlq/tasks", request) : move_stopped(dlq, request, NULL);
	json_decref(request);
	return status;
}

static int resume(struct dlq *dlq, int argc)
{
	if (argc > 0 || dlq->all || dlq->dry_run || dlq->rate || dlq->to)
		return dlq_complain("--resume goes on with what was started, as it was; it takes no ids, --all, --dry-run, --rate or --to");
	if (!dlq->running)
		return resume_stopped(dlq);
	json_t *request = json_object();
	if (dlq->queue)
		json_object_set_new(request, "queue", json_string(dlq->queue));
	int status = start_running(dlq, "/dlq/tasks/resume", request);
	json_decref(request);
	return status;
}

int dlq_redrive(struct dlq *dlq, int argc, char **argv)
{
	if (dlq->to && strcmp(dlq->to, "target") != 0 && strcmp(dlq->to, "rule") != 0 && strcmp(dlq->to, "bus") != 0)
		return dlq_complain("--to takes target, rule or bus");
	if (dlq->resume)
		return resume(dlq, argc);
	if ((argc == 0) != dlq->all)
		return dlq_complain("redrive takes ids, or --all (with --rule, --target and so on to choose among all)");
	return act(dlq, "redrive", argc, argv);
}

int dlq_purge(struct dlq *dlq, int argc, char **argv)
{
	if (dlq->to)
		return dlq_complain("--to is for redrive");
	if (dlq->resume)
		return resume(dlq, argc);
	if ((argc == 0) != dlq->all)
		return dlq_complain("purge takes ids, or --all (with --rule, --target and so on to choose among all)");
	if (!dlq->yes && !dlq->dry_run)
		return dlq_complain("purged dead letters are gone for good: add --yes, or --dry-run to see which ones these are");
	return act(dlq, "purge", argc, argv);
}

static int show_kept(struct dlq *dlq, struct tn_store *store, struct tn_str queue)
{
	struct tn_dlq_kept_task kept = {0};
	struct tn_error error = {0};
	enum tn_status status = tn_dlq_kept_task_read(dlq->config->store_path.bytes, queue, store, &kept, &error);
	if (status == TN_NOT_FOUND) /* another command has just done the rest of it */
		return TN_EXIT_GOOD;
	dlq->printed++;
	if (status != TN_OK)
		return dlq_complain_error(&error);
	json_t *task = tn_dlq_kept_task_json(queue, &kept);
	show_task(dlq, task);
	json_decref(task);
	tn_dlq_kept_task_fini(&kept);
	return TN_EXIT_GOOD;
}

/* The store is asked only when there is something to ask: there may be none yet. */
static int status_stopped(struct dlq *dlq)
{
	size_t i = 0;
	int worst = TN_EXIT_GOOD;
	struct tn_str queue = next_kept(dlq, &i);
	if (!queue.bytes)
		return TN_EXIT_GOOD;
	struct tn_store *store = dlq_open_store(dlq);
	if (!store)
		return TN_EXIT_UNUSABLE;
	for (; queue.bytes; queue = next_kept(dlq, &i)) {
		int status = show_kept(dlq, store, queue);
		worst = status != TN_EXIT_GOOD ? status : worst;
	}
	tn_store_close(store);
	return worst;
}

int dlq_status(struct dlq *dlq, int argc, char **argv)
{
	json_t *tasks = NULL, *task;
	size_t i;
	if (argc > 0)
		return dlq_complain("status takes no ids");
	int status = dlq->running ? dlq_call_json(dlq, "/dlq/tasks", NULL, &tasks) : status_stopped(dlq);
	json_array_foreach(json_object_get(tasks, "tasks"), i, task)
	{
		if (dlq->queue && strcmp(dlq_string(task, "queue"), dlq->queue) != 0)
			continue;
		show_task(dlq, task);
		dlq->printed++;
	}
	json_decref(tasks);
	if (status == TN_EXIT_GOOD && dlq->printed == 0 && !dlq->json)
		puts("no redrive or purge");
	return status;
}

int dlq_cancel(struct dlq *dlq, int argc, char **argv)
{
	json_t *answer = NULL, *request;
	if (argc > 0)
		return dlq_complain("cancel takes no ids; --queue if there are several tasks");
	if (!dlq->running)
		return dlq_complain("no bus is running, so nothing is being moved");
	request = json_object();
	if (dlq->queue)
		json_object_set_new(request, "queue", json_string(dlq->queue));
	int status = dlq_call_json(dlq, "/dlq/tasks/cancel", request, &answer);
	if (status == TN_EXIT_GOOD)
		show_task(dlq, answer);
	json_decref(request);
	json_decref(answer);
	return status;
}
