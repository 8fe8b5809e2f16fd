/* SPDX-License-Identifier: Apache-2.0
 *
 * dlq_stopped.c - redrives and purges with no bus running: done here, under the store's lock; and those that a bus left behind.
 *
 * Called by dlq_move.c. A bus may begin at any moment before the lock is had: then dlq->began, and nothing was done.
 */
#include "dlq.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin_client.h"
#include "command.h"
#include "turnout/admin.h"
#include "turnout/clock.h"
#include "turnout/kept_task.h"
#include "turnout/letter_ways.h"
#include "turnout/quarantine.h"

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
	if (json_array_size(stopped->sample) >= DLQ_SAMPLE)
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

/* --- Moving --- */

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
static struct tn_dlq_offline describe(struct stopped *stopped, const struct tn_letter_query *query, struct kept *kept)
{
	const struct dlq *dlq = stopped->dlq;
	struct tn_dlq_offline offline = {
		.store_path = dlq->config->store_path.bytes,
		.store_max_size_bytes = dlq->config->store_max_bytes,
		.terms = query->terms,
		.dry_run = dlq->dry_run,
		.wall_now_ms = tn_clock_wall_ms(&tn_clock_system),
	};
	struct tn_dlq_selection *selection = &offline.terms.selection;
	offline.terms.has_route = has_route;
	offline.terms.find_ways = find_ways;
	offline.terms.chosen = dlq->dry_run ? add_sample : offline.terms.action == TN_DLQ_REDRIVE ? note_chance : NULL;
	offline.terms.arg = stopped;
	if (kept) {
		int64_t cutoff_ms = kept->task.progress.cutoff_ms;
		offline.progress = &kept->task.progress;
		offline.progress_queue = kept->queue;
		if (selection->dead_before_ms == 0 || selection->dead_before_ms > cutoff_ms)
			selection->dead_before_ms = cutoff_ms;
	}
	return offline;
}

/* sample: of a dry run. */
static int apply(struct dlq *dlq, const json_t *request, struct kept *kept, json_t *sample, struct tn_dlq_tally *tally)
{
	struct tn_error error = {0}, chances_error = {0};
	struct stopped stopped = {.dlq = dlq, .sample = sample};
	struct tn_letter_query *query = dlq_query(request);
	if (!query)
		return TN_EXIT_UNUSABLE;
	if (tn_config_load_rules(dlq->config, NULL, NULL, 1, &dlq->ruleset, &error) != TN_OK) {
		tn_letter_query_free(query);
		return dlq_complain_error(&error);
	}
	stopped.ways = tn_letter_ways_new();
	stopped.to = query->terms.to;
	struct tn_dlq_offline offline = describe(&stopped, query, kept);
	enum tn_status status = tn_dlq_apply_offline(&offline, tally, &error);
	bool waited = true;
	while (status == TN_BUSY && (waited = wait_for_store(dlq)))
		status = tn_dlq_apply_offline(&offline, tally, &error);
	tn_ruleset_unref(dlq->ruleset);
	tn_letter_query_free(query);
	tn_letter_ways_free(stopped.ways);
	enum tn_status given = give_chances(&stopped, &chances_error);
	if (status == TN_OK && given == TN_OK)
		return TN_EXIT_GOOD;
	return waited ? dlq_complain_error(status != TN_OK ? &error : &chances_error) : TN_EXIT_UNUSABLE;
}

int dlq_stopped_count(struct dlq *dlq, const json_t *request, json_t *sample, struct tn_dlq_tally *out_tally)
{
	return apply(dlq, request, NULL, sample, out_tally);
}

static int move(struct dlq *dlq, const json_t *request, struct kept *kept)
{
	struct tn_dlq_tally tally = {0};
	bool purge = dlq_task_is_purge(request);
	int status = apply(dlq, request, kept, NULL, &tally);
	if (status != TN_EXIT_GOOD)
		return status;
	json_t *task = json_pack("{s:s s:s s:s s:I s:I s:I s:I s:I}", "action", purge ? "purge" : "redrive", "state", "done", "why", "",
		"selected", (json_int_t)tally.selected, purge ? "purged" : "moved", (json_int_t)tally.done, "no_target",
		(json_int_t)tally.no_target, "no_match", (json_int_t)tally.no_match, "too_often", (json_int_t)tally.too_often);
	status = dlq_task_print_end(dlq, task);
	json_decref(task);
	return status;
}

int dlq_stopped_move(struct dlq *dlq, const json_t *request)
{
	return move(dlq, request, NULL);
}

/* --- Kept tasks --- */

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

int dlq_stopped_resume(struct dlq *dlq)
{
	struct kept kept = {0};
	int status = find_kept(dlq, &kept);
	if (status == TN_EXIT_GOOD)
		status = move(dlq, kept.task.request, &kept);
	tn_dlq_kept_task_fini(&kept.task);
	return status;
}

/* --- Status --- */

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
	dlq_task_show(dlq, task);
	json_decref(task);
	tn_dlq_kept_task_fini(&kept);
	return TN_EXIT_GOOD;
}

/* The store is asked only when there is something to ask: there may be none yet. */
int dlq_stopped_status(struct dlq *dlq)
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
