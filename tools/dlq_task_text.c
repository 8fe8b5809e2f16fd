/* SPDX-License-Identifier: Apache-2.0
 *
 * dlq_task_text.c - what is said of a redrive or purge: while it runs, of one that is kept, at its end, and of what one would do.
 *
 * Called by dlq_move.c and dlq_stopped.c with a task as the bus answers it, or as kept_task.h says it.
 */
#include "dlq.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

enum { BAR = 30 };

bool dlq_task_is_purge(const json_t *task)
{
	return strcmp(dlq_string(task, "action"), "purge") == 0;
}

static uint64_t done_of(const json_t *task)
{
	return dlq_count(task, dlq_task_is_purge(task) ? "purged" : "moved");
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

int dlq_task_print_end(struct dlq *dlq, const json_t *task)
{
	const char *state = dlq_string(task, "state");
	uint64_t done = done_of(task);
	const char *what = dlq_task_is_purge(task) ? "purged" : dlq->running ? "will be delivered again" : "will be delivered again when the bus starts";
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
		dlq_count(task, "selected"), dlq_task_is_purge(task) ? "purged" : "moved", done);
	if (json_object_get(task, "first_delivered") && !dlq_task_is_purge(task)) /* a running bus knows */
		printf("; first attempts: %" PRIu64 " delivered, %" PRIu64 " failed, %" PRIu64 " to come", dlq_count(task, "first_delivered"),
			dlq_count(task, "first_failed"), done > tried ? done - tried : 0);
	putchar('\n');
	print_waiting(dlq, task);
}

void dlq_task_show(const struct dlq *dlq, const json_t *task)
{
	if (dlq->json)
		dlq_print_json(task);
	else
		print_task(dlq, task);
}

/* --- While it runs --- */

static unsigned percent(const json_t *task)
{
	uint64_t total = dlq_count(task, "total"), looked = dlq_count(task, "looked_at");
	return total == 0 || looked >= total ? 100 : (unsigned)(looked * 100 / total);
}

void dlq_task_draw(const json_t *task, bool terminal)
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

/* --- Dry runs --- */

int dlq_task_print_dry(struct dlq *dlq, const json_t *request, const json_t *found, const struct tn_dlq_tally *tally)
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
	printf("%" PRIu64 " dead letter%s would be %s%s\n", tally->done, tally->done == 1 ? "" : "s", dlq_task_is_purge(request) ? "purged" : "redriven",
		json_array_size(sample) ? ", the first of them:" : "");
	json_array_foreach(sample, i, record)
		dlq_print_line(dlq, record);
	json_t *left = json_pack("{s:I s:I s:I}", "no_target", (json_int_t)tally->no_target, "no_match", (json_int_t)tally->no_match, "too_often",
		(json_int_t)tally->too_often);
	print_left(left);
	json_decref(left);
	if (!dlq_task_is_purge(request))
		print_waiting(dlq, found);
	if (tally->selected == 0)
		dlq_warn_of_names(dlq);
	return tally->done ? TN_EXIT_GOOD : TN_EXIT_FINDINGS;
}
