/* SPDX-License-Identifier: Apache-2.0
 *
 * dlq_move.c - `turnout dlq redrive`, `purge`, `status` and `cancel`.
 *
 * With a bus running it is the bus's task: started here, watched here, and gone on with when this process ends. With none running it is
 * done by dlq_stopped.c.
 */
#include "dlq.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"

enum { WATCH_MS = 100, PLAIN_MS = 5000 };

/* --- Running --- */

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
			dlq_task_draw(task, terminal);
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
		dlq_task_draw(task, terminal);
		fputc('\n', stderr);
	}
	int status = dlq_task_print_end(dlq, task);
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
		for (size_t i = 0; i < json_array_size(json_object_get(page, "sample")) && json_array_size(sample) < DLQ_SAMPLE; i++)
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

/* --- The words --- */

static int dry_run(struct dlq *dlq, json_t *request)
{
	struct tn_dlq_tally tally = {0};
	json_t *found = json_pack("{s:[] s:[]}", "sample", "breakers_open");
	int status = dlq->running ? count_running(dlq, request, found, &tally)
				  : dlq_stopped_count(dlq, request, json_object_get(found, "sample"), &tally);
	if (status == TN_EXIT_GOOD)
		status = dlq_task_print_dry(dlq, request, found, &tally);
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
		status = dlq->running ? start_running(dlq, "/dlq/tasks", request) : dlq_stopped_move(dlq, request);
	json_decref(request);
	return status;
}

static int resume(struct dlq *dlq, int argc)
{
	if (argc > 0 || dlq->all || dlq->dry_run || dlq->rate || dlq->to)
		return dlq_complain("--resume goes on with what was started, as it was; it takes no ids, --all, --dry-run, --rate or --to");
	if (!dlq->running)
		return dlq_stopped_resume(dlq);
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

int dlq_status(struct dlq *dlq, int argc, char **argv)
{
	json_t *tasks = NULL, *task;
	size_t i;
	if (argc > 0)
		return dlq_complain("status takes no ids");
	int status = dlq->running ? dlq_call_json(dlq, "/dlq/tasks", NULL, &tasks) : dlq_stopped_status(dlq);
	json_array_foreach(json_object_get(tasks, "tasks"), i, task)
	{
		if (dlq->queue && strcmp(dlq_string(task, "queue"), dlq->queue) != 0)
			continue;
		dlq_task_show(dlq, task);
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
		dlq_task_show(dlq, answer);
	json_decref(request);
	json_decref(answer);
	return status;
}
