/* SPDX-License-Identifier: Apache-2.0
 *
 * redrive.c - redrives and purges as operators see them: started, listed, cancelled, resumed.
 *
 * Called by dead_letters.c for /dlq/tasks. Owns the tasks (redrive_task.c), at most one a queue: those of this run of the bus, and what an
 * earlier one left behind. No two run that may meet the same dead letters. Bus thread.
 */
#include "admin_parts.h"

#include "redrive_task.h"

#include <stdlib.h>
#include <string.h>

enum { TASKS_MAX = 16 };

struct redrives {
	struct tn_bus *bus;
	struct redrive_task *tasks[TASKS_MAX];
};

/* --- Finding --- */

static bool same_queue(const struct redrive_task *task, const char *queue)
{
	return strcmp(tn_redrive_task_queue(task), queue) == 0;
}

static bool is_running(const struct redrive_task *task)
{
	return tn_redrive_task_state(task) == TN_DLQ_RUNNING;
}

static bool is_done(const struct redrive_task *task)
{
	return tn_redrive_task_state(task) == TN_DLQ_DONE;
}

/* A task that runs and may meet this queue's dead letters. */
static const struct redrive_task *find_rival(const struct redrives *redrives, const char *queue)
{
	for (size_t i = 0; i < TASKS_MAX; i++) {
		const struct redrive_task *task = redrives->tasks[i];
		if (task && is_running(task) && (same_queue(task, queue) || !queue[0] || !tn_redrive_task_queue(task)[0]))
			return task;
	}
	return NULL;
}

static struct redrive_task **find_place(struct redrives *redrives, const char *queue)
{
	struct redrive_task **place = NULL;
	for (size_t i = 0; i < TASKS_MAX; i++) {
		struct redrive_task *task = redrives->tasks[i];
		if (task && same_queue(task, queue))
			return &redrives->tasks[i];
		if (!place && (!task || is_done(task)))
			place = &redrives->tasks[i];
	}
	return place;
}

/* --- Answering --- */

static void add_json(struct tn_buf *out, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (!text)
		abort();
	tn_buf_add_text(out, text);
	free(text);
}

static void reply_task(struct tn_http_request *request, const struct redrive_task *task)
{
	struct tn_buf body = {0};
	struct tn_header header = {TN_STR("Content-Type"), TN_STR("application/json"), TN_STRING};
	add_json(&body, tn_redrive_task_json(task));
	tn_http_reply(request, 200, &header, 1, tn_buf_str(&body));
	tn_buf_fini(&body);
}

static void refuse(struct tn_http_request *request, int status, const char *detail)
{
	tn_http_reply_problem(request, status, 0, detail, (struct tn_str){0});
}

/* --- Starting --- */

static void start(struct redrives *redrives, struct redrive_task *task, struct tn_http_request *request)
{
	struct redrive_task **place = find_place(redrives, tn_redrive_task_queue(task));
	if (find_rival(redrives, tn_redrive_task_queue(task)) || !place || (*place && tn_redrive_task_is_moving(*place))) {
		tn_redrive_task_free(task);
		refuse(request, 409, "a redrive or purge of that queue is under way; see `turnout dlq status`");
		return;
	}
	tn_redrive_task_free(*place);
	*place = task;
	tn_redrive_task_start(task);
	reply_task(request, task);
}

static void start_requested(struct redrives *redrives, struct tn_http_request *request)
{
	struct tn_str text = tn_http_request_body(request);
	struct tn_error error = {0};
	json_t *body = json_loadb(text.bytes ? text.bytes : "", text.len, JSON_REJECT_DUPLICATES, NULL);
	bool says_which = json_object_get(body, "ids") || json_is_true(json_object_get(body, "all"));
	struct redrive_task *task = says_which ? tn_redrive_task_new(redrives->bus, body, &error) : NULL;
	if (task)
		start(redrives, task, request);
	else
		refuse(request, 400, says_which ? error.message : "the body must be {\"ids\": [...]} with ids of dead letters, or {\"all\": true}");
	json_decref(body);
}

/* --- What an earlier run left behind --- */

/* NULL: nothing was kept for that queue, or nobody can read it. */
static struct redrive_task *read_kept(struct redrives *redrives, struct tn_str queue)
{
	struct tn_bus *bus = redrives->bus;
	struct tn_dlq_kept_task kept = {0};
	struct tn_error error = {0};
	struct redrive_task *task = NULL;
	char text[1024];
	enum tn_status status = tn_dlq_kept_task_read(tn_bus_config(bus)->store_path.bytes, queue, tn_bus_store(bus), &kept, &error);
	if (status == TN_OK)
		task = tn_redrive_task_take_up(bus, &kept, &error);
	if (!task && status != TN_NOT_FOUND)
		tn_log_error(tn_bus_log(bus), "a redrive or purge that was kept cannot be resumed", "queue=%.*s error=%s",
			queue.len > 0 ? (int)queue.len : 1, queue.len > 0 ? queue.bytes : "*", tn_error_format(&error, text, sizeof text));
	tn_dlq_kept_task_fini(&kept);
	return task;
}

/* Of each queue, and of all. */
static void find_kept(struct redrives *redrives)
{
	const struct tn_config *config = tn_bus_config(redrives->bus);
	for (size_t i = 0; i <= config->dead_letter_count; i++) {
		struct tn_str queue = i < config->dead_letter_count ? config->dead_letters[i].name : TN_STR("");
		struct redrive_task *task = read_kept(redrives, queue);
		struct redrive_task **place = task ? find_place(redrives, tn_redrive_task_queue(task)) : NULL;
		if (place && !*place)
			*place = task;
		else
			tn_redrive_task_free(task);
	}
}

/* --- What operators ask --- */

/* The one that is not done, of that queue if one is named. NULL: it answered. */
static struct redrive_task *find_named(struct redrives *redrives, struct tn_http_request *request)
{
	struct tn_str text = tn_http_request_body(request);
	json_t *body = json_loadb(text.bytes ? text.bytes : "", text.len, JSON_REJECT_DUPLICATES, NULL);
	const char *queue = json_string_value(json_object_get(body, "queue"));
	struct redrive_task *found = NULL;
	unsigned count = 0;
	for (size_t i = 0; i < TASKS_MAX; i++) {
		struct redrive_task *task = redrives->tasks[i];
		if (!task || is_done(task) || (queue && !same_queue(task, queue)))
			continue;
		found = task;
		count++;
	}
	json_decref(body);
	if (count == 1)
		return found;
	refuse(request, count == 0 ? 404 : 409, count == 0 ? "there is no such task" : "there are several tasks; say which queue");
	return NULL;
}

static void resume(struct redrives *redrives, struct tn_http_request *request)
{
	struct redrive_task *task = find_named(redrives, request);
	if (!task)
		return;
	if (find_rival(redrives, tn_redrive_task_queue(task)) || tn_redrive_task_is_moving(task)) {
		refuse(request, 409, "a redrive or purge of that queue is under way; see `turnout dlq status`");
		return;
	}
	tn_redrive_task_resume(task);
	reply_task(request, task);
}

static void cancel(struct redrives *redrives, struct tn_http_request *request)
{
	struct redrive_task *task = find_named(redrives, request);
	if (!task)
		return;
	if (is_running(task))
		tn_redrive_task_end(task, TN_DLQ_CANCELLED, "by an operator");
	reply_task(request, task);
}

static void list(struct redrives *redrives, struct tn_http_request *request)
{
	struct tn_header header = {TN_STR("Content-Type"), TN_STR("application/json"), TN_STRING};
	struct tn_buf body = {0};
	json_t *tasks = json_array();
	for (size_t i = 0; i < TASKS_MAX; i++)
		if (redrives->tasks[i])
			json_array_append_new(tasks, tn_redrive_task_json(redrives->tasks[i]));
	add_json(&body, json_pack("{s:o}", "tasks", tasks));
	tn_http_reply(request, 200, &header, 1, tn_buf_str(&body));
	tn_buf_fini(&body);
}

void tn_redrives_request(struct redrives *redrives, struct tn_http_request *request, struct tn_str path)
{
	bool post = tn_str_is(tn_http_request_method(request), "POST");
	if (tn_str_is(path, "/dlq/tasks") && !post)
		list(redrives, request);
	else if (!post)
		refuse(request, 405, "this is asked for with POST");
	else if (tn_bus_phase(redrives->bus) >= TN_BUS_DRAINING)
		refuse(request, 503, "the bus is shutting down");
	else if (tn_str_is(path, "/dlq/tasks"))
		start_requested(redrives, request);
	else if (tn_str_is(path, "/dlq/tasks/resume"))
		resume(redrives, request);
	else if (tn_str_is(path, "/dlq/tasks/cancel"))
		cancel(redrives, request);
	else
		refuse(request, 404, "there is no such path");
}

struct redrives *tn_redrives_new(struct tn_bus *bus)
{
	struct redrives *redrives = calloc(1, sizeof *redrives);
	if (!redrives)
		abort();
	redrives->bus = bus;
	find_kept(redrives);
	return redrives;
}

void tn_redrives_free(struct redrives *redrives)
{
	if (!redrives)
		return;
	for (size_t i = 0; i < TASKS_MAX; i++) {
		if (redrives->tasks[i] && is_running(redrives->tasks[i]))
			tn_redrive_task_end(redrives->tasks[i], TN_DLQ_INTERRUPTED, "the bus was stopped");
		tn_redrive_task_free(redrives->tasks[i]);
	}
	free(redrives);
}
