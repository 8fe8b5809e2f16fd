/* SPDX-License-Identifier: Apache-2.0
 *
 * kept_task.c - what was asked for and what became of it, in a file beside the store; how far it is stands in progress.c's.
 *
 * Called by a running bus and by tools; the order of the writes is kept_task.h's. Any thread, one a queue.
 *
 * A version that cannot be read as this one gets another number, and is refused here.
 */
#include "turnout/kept_task.h"

#include "keep.h"
#include "progress.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "turnout/clock.h"
#include "turnout/utf8.h"

enum { VERSION = 1 };

static const char file_name[] = "redrive";

static const char *const state_names[] = {[TN_DLQ_RUNNING] = "running", [TN_DLQ_DONE] = "done", [TN_DLQ_CANCELLED] = "cancelled",
	[TN_DLQ_STOPPED] = "stopped", [TN_DLQ_INTERRUPTED] = "interrupted"};
enum { STATES = sizeof state_names / sizeof *state_names };

const char *tn_dlq_state_name(enum tn_dlq_state state)
{
	return state_names[state];
}

/* --- Writing --- */

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* It may have been cut in the middle of a character. */
static json_t *why_text(const struct tn_dlq_kept_task *task)
{
	return json_stringn(task->why, tn_utf8_check(tn_str_from(task->why)));
}

enum tn_status tn_dlq_kept_task_write(const char *store_path, struct tn_str queue, const struct tn_dlq_kept_task *task, struct tn_error *error)
{
	json_t *json = json_pack("{s:i s:O s:s s:o s:o s:o s:o}", "version", VERSION, "request", task->request, "state", state_names[task->state],
		"why", why_text(task), "started_ms", json_integer(task->progress.started_ms), "cutoff_ms", json_integer(task->progress.cutoff_ms),
		"total", number(task->total));
	char *text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (!text)
		abort();
	enum tn_status status = tn_keep_put(store_path, file_name, queue, tn_str_from(text), error);
	free(text);
	return status;
}

enum tn_status tn_dlq_kept_task_forget(const char *store_path, struct tn_str queue, struct tn_error *error)
{
	enum tn_status status = tn_keep_put(store_path, file_name, queue, (struct tn_str){0}, error);
	return status == TN_OK ? tn_progress_forget(store_path, queue, error) : status;
}

/* --- Reading --- */

static bool read_state(const json_t *json, enum tn_dlq_state *out_state)
{
	const char *name = json_string_value(json);
	for (size_t i = 0; name && i < STATES; i++)
		if (i != TN_DLQ_DONE && strcmp(state_names[i], name) == 0) {
			*out_state = (enum tn_dlq_state)i;
			return true;
		}
	return false;
}

static bool read_ms(const json_t *json, int64_t *out_ms)
{
	*out_ms = json_integer_value(json);
	return *out_ms > 0;
}

/* NULL, or what is wrong with it. */
static const char *read_members(const json_t *json, struct tn_dlq_kept_task *out_task)
{
	json_t *request = json_object_get(json, "request");
	const char *why = json_string_value(json_object_get(json, "why"));
	const json_t *total = json_object_get(json, "total");
	if (json_integer_value(json_object_get(json, "version")) != VERSION)
		return "is of another version of Turnout";
	if (!json_is_object(request))
		return "has no request";
	if (!read_state(json_object_get(json, "state"), &out_task->state))
		return "has no state";
	if (!read_ms(json_object_get(json, "started_ms"), &out_task->progress.started_ms) ||
		!read_ms(json_object_get(json, "cutoff_ms"), &out_task->progress.cutoff_ms))
		return "does not say when it began";
	if (!json_is_integer(total) || json_integer_value(total) < 0)
		return "has no total";
	out_task->total = (uint64_t)json_integer_value(total);
	snprintf(out_task->why, sizeof out_task->why, "%s", why ? why : "");
	out_task->request = json_incref(request);
	return NULL;
}

/* Nobody is left who runs it. */
static void interrupt(struct tn_dlq_kept_task *task)
{
	task->state = TN_DLQ_INTERRUPTED;
	snprintf(task->why, sizeof task->why, "the bus was killed");
}

static enum tn_status parse(struct tn_str text, const char *path, struct tn_dlq_kept_task *out_task, struct tn_error *error)
{
	json_error_t place = {0};
	json_t *json = json_loadb(text.bytes ? text.bytes : "", text.len, JSON_REJECT_DUPLICATES, &place);
	const char *wrong = json ? read_members(json, out_task) : "is not JSON";
	if (wrong)
		tn_error_at(error, path, json || place.line < 0 ? 0 : (uint32_t)place.line, 0,
			"the redrive or purge kept here cannot go on: the file %s; remove it, and start another", wrong);
	json_decref(json);
	return wrong ? TN_INVALID : TN_OK;
}

static enum tn_status read_task(const char *store_path, struct tn_str queue, struct tn_dlq_kept_task *out_task, struct tn_error *error)
{
	struct tn_buf text = {0}, path = {0};
	tn_keep_path(store_path, file_name, queue, &path);
	enum tn_status status = tn_keep_get(store_path, file_name, queue, &text, error);
	if (status == TN_OK)
		status = parse(tn_buf_str(&text), path.bytes, out_task, error);
	tn_buf_fini(&text);
	tn_buf_fini(&path);
	return status;
}

enum tn_status tn_dlq_kept_task_read(const char *store_path, struct tn_str queue, struct tn_store *store, struct tn_dlq_kept_task *out_task,
	struct tn_error *error)
{
	struct tn_dlq_kept_task task = {0};
	enum tn_status status = read_task(store_path, queue, &task, error);
	if (status == TN_OK)
		status = tn_progress_read(store_path, queue, store, &task.progress, error);
	if (status != TN_OK) {
		tn_dlq_kept_task_fini(&task);
		return status;
	}
	if (task.state == TN_DLQ_RUNNING)
		interrupt(&task);
	*out_task = task;
	return TN_OK;
}

bool tn_dlq_kept_task_exists(const char *store_path, struct tn_str queue)
{
	return tn_keep_exists(store_path, file_name, queue);
}

void tn_dlq_kept_task_fini(struct tn_dlq_kept_task *task)
{
	json_decref(task->request);
	*task = (struct tn_dlq_kept_task){0};
}

/* --- Showing --- */

static bool is_purge(const json_t *request)
{
	const char *action = json_string_value(json_object_get(request, "action"));
	return action && strcmp(action, "purge") == 0;
}

json_t *tn_dlq_kept_task_json(struct tn_str queue, const struct tn_dlq_kept_task *task)
{
	const struct tn_dlq_tally *tally = &task->progress.tally;
	char started[TN_TIME_TEXT_SIZE];
	bool purge = is_purge(task->request);
	return json_pack("{s:s% s:s s:s s:o s:s s:O s:o s:o s:o s:o s:o s:o s:o}", "queue", queue.len > 0 ? queue.bytes : "*",
		queue.len > 0 ? queue.len : 1, "action", purge ? "purge" : "redrive", "state", state_names[task->state], "why", why_text(task),
		"started_at", tn_clock_format(task->progress.started_ms, started), "request", task->request, "looked_at",
		number(task->progress.cursor.rows_read), "total", number(task->total), "selected", number(tally->selected),
		purge ? "purged" : "moved", number(tally->done), "no_target", number(tally->no_target), "no_match", number(tally->no_match),
		"too_often", number(tally->too_often));
}
