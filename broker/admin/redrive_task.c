/* SPDX-License-Identifier: Apache-2.0
 *
 * redrive_task.c - one redrive or purge of the bus: paced, watched, stopped, and taken up again after a crash.
 *
 * Called by redrive.c. A task goes through the store by key, a bounded page a step, asks the engine to move what is selected, and counts
 * what was confirmed. Nothing that dies after the task began is selected, so a record that dies again is not moved twice by one task. What
 * a task must remember is kept beside the store (kept_task.h), so that it can go on from there after a crash.
 *
 *   RUNNING --> DONE                                     every record was looked at
 *      |-----> CANCELLED                                 by an operator
 *      |-----> STOPPED                                   of the last 100 first attempts of what it moved, more than half failed; or
 *      |                                                 most did, and a target's breaker opened over it
 *      '-----> INTERRUPTED                               the bus stopped, or was killed
 *
 * CANCELLED, STOPPED and INTERRUPTED ones can be resumed, also by another run of the bus. To judge, first attempts are counted at the
 * targets it moved to; and at most OUTSTANDING of what it moved to one target wait for theirs, so that a target that is down is not given
 * everything. Bus thread.
 */
#include "redrive_task.h"

#include "redrive_watch.h"
#include "turnout/letter_query.h"
#include "turnout/letter_ways.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert((int)TN_DLQ_PAGE_OPS <= (int)TN_MOVES_OPS && (int)TN_DLQ_PAGE_ITEMS <= (int)TN_MOVES_MAX, "a page is one move");

enum { OUTSTANDING = 1000, JUDGED = 100, IDLE_MS = 5, WAIT_MS = 50, REFUSED_MS = 1000, PAGE_ITEMS = 256 };

struct redrive_task {
	struct tn_bus *bus;
	char queue[65];                   /* "": all */
	json_t *request;                  /* as it was asked for */
	struct tn_letter_query *query;
	struct tn_letter_ways *ways;
	struct event *timer;
	enum tn_dlq_state state;
	bool moving;                      /* a page is on its way */
	char why[TN_DLQ_WHY_SIZE];        /* what it waits for, or why it ended */
	int64_t started_wall_ms, cutoff_ms, paced_ms; /* engine time, but for the first */
	double budget;                    /* records it may move now */
	struct tn_dlq_cursor cursor, before; /* before: the page at hand */
	struct tn_dlq_page page;
	struct tn_dlq_tally tally;
	uint64_t total;                   /* rows to look at, as of its start */
	struct redrive_watch watch;       /* the targets it moved to */
	uint64_t judged_delivered, judged_failed; /* up to the last judgement */
};

/* Engine time is monotonic. */
static int64_t now_ms(const struct redrive_task *task)
{
	return tn_bus_engine_ms(task->bus);
}

static bool has_route(void *arg, struct tn_str rule, struct tn_str target)
{
	const struct redrive_task *task = arg;
	return tn_bus_has_route(task->bus, rule, target);
}

static void find_ways(void *arg, const struct tn_row *row, const struct tn_event *event, struct tn_dlq_ways *out_ways)
{
	struct redrive_task *task = arg;
	struct tn_bus *bus = task->bus;
	tn_letter_ways_find(task->ways, tn_bus_ruleset(bus), tn_bus_config(bus)->bus, task->query->terms.to, row, event, out_ways);
}

/* A redrive is another chance for what ended the process (quarantine.h). */
static void give_chance(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	const struct redrive_task *task = arg;
	struct tn_bus *bus = task->bus;
	struct tn_error error = {0};
	if (tn_bus_pardon_row(bus, row, event, &error) != TN_OK)
		tn_log_error(tn_bus_log(bus), "strikes could not be forgotten; it will die of them again", "error=%s", error.message);
}

/* --- As JSON: for operators, and to be kept --- */

static const char *store_path(const struct redrive_task *task)
{
	return tn_bus_config(task->bus)->store_path.bytes;
}

static struct tn_dlq_progress progress_of(const struct redrive_task *task)
{
	return (struct tn_dlq_progress){.started_ms = task->started_wall_ms, .cutoff_ms = task->cutoff_ms, .cursor = task->cursor,
		.tally = task->tally};
}

/* Borrows the request. */
static struct tn_dlq_kept_task facts_of(const struct redrive_task *task)
{
	struct tn_dlq_kept_task facts = {.request = task->request, .state = task->state, .total = task->total, .progress = progress_of(task)};
	snprintf(facts.why, sizeof facts.why, "%s", task->why);
	return facts;
}

static void add_name(void *arg, struct tn_str name)
{
	json_array_append_new(arg, json_stringn(name.bytes, name.len));
}

/* What the bus knows beyond what is kept. */
json_t *tn_redrive_task_json(const struct redrive_task *task)
{
	struct tn_dlq_kept_task facts = facts_of(task);
	json_t *json = tn_dlq_kept_task_json(tn_str_from(task->queue), &facts), *open = json_array();
	uint64_t delivered, failed;
	tn_redrive_watch_each_open(&task->watch, add_name, open);
	tn_redrive_watch_results(&task->watch, &delivered, &failed);
	json_object_set_new(json, "first_delivered", json_integer((json_int_t)delivered));
	json_object_set_new(json, "first_failed", json_integer((json_int_t)failed));
	json_object_set_new(json, "breakers_open", open);
	return json;
}

/* At its start, when it is resumed, and at its end. */
static void keep(const struct redrive_task *task)
{
	struct tn_dlq_kept_task facts = facts_of(task);
	struct tn_error error = {0};
	struct tn_str queue = tn_str_from(task->queue);
	enum tn_status status = task->state == TN_DLQ_DONE ? tn_dlq_kept_task_forget(store_path(task), queue, &error)
							   : tn_dlq_kept_task_write(store_path(task), queue, &facts, &error);
	if (status != TN_OK)
		tn_log_warn(tn_bus_log(task->bus), "redrive could not be kept; after a crash it is not known what became of it",
			"error=%s", error.message);
}

/* A page that is on its way stays named until it is known to have moved. */
static void keep_progress(const struct redrive_task *task)
{
	struct tn_error error = {0};
	struct tn_dlq_progress progress = progress_of(task);
	if (task->moving) {
		progress.cursor = task->before;
		progress.moving = true;
		progress.first = task->page.items[0].key;
		progress.next = task->cursor;
		progress.page = task->page.tally;
	}
	if (tn_dlq_progress_write(store_path(task), tn_str_from(task->queue), &progress, &error) != TN_OK)
		tn_log_warn(tn_bus_log(task->bus), "progress of a redrive could not be kept; after a crash it may count too few",
			"error=%s", error.message);
}

/* --- The end --- */

void tn_redrive_task_end(struct redrive_task *task, enum tn_dlq_state state, const char *why)
{
	static const char *const said[] = {[TN_DLQ_DONE] = "redrive done", [TN_DLQ_CANCELLED] = "redrive cancelled", [TN_DLQ_STOPPED] = "redrive stopped itself",
		[TN_DLQ_INTERRUPTED] = "redrive interrupted"};
	task->state = state;
	snprintf(task->why, sizeof task->why, "%s", why);
	event_del(task->timer);
	keep(task);
	if (state != TN_DLQ_DONE)
		keep_progress(task);
	tn_log_info(tn_bus_log(task->bus), said[state], "queue=%s action=%s selected=%" PRIu64 " moved=%" PRIu64 " why=\"%s\"",
		task->queue[0] ? task->queue : "*", task->query->terms.action == TN_DLQ_PURGE ? "purge" : "redrive", task->tally.selected,
		task->tally.done, why);
}

/* True: it stopped itself. */
static bool judge(struct redrive_task *task)
{
	uint64_t delivered, failed;
	char why[200];
	tn_redrive_watch_results(&task->watch, &delivered, &failed);
	uint64_t new_delivered = delivered - task->judged_delivered, new_failed = failed - task->judged_failed;
	struct tn_str opened = new_failed > new_delivered ? tn_redrive_watch_opened(&task->watch) : (struct tn_str){0};
	if (opened.bytes) {
		snprintf(why, sizeof why, "the first attempts of %" PRIu64 " redriven dead letters failed, and the breaker of target %.*s opened; "
			"mend the target, then resume", new_failed, TN_STR_ARG(opened));
		tn_redrive_task_end(task, TN_DLQ_STOPPED, why);
		return true;
	}
	if (new_delivered + new_failed < JUDGED)
		return false;
	task->judged_delivered = delivered;
	task->judged_failed = failed;
	if (new_failed <= new_delivered)
		return false;
	snprintf(why, sizeof why, "the first attempts of %" PRIu64 " of the last %" PRIu64 " redriven dead letters failed; mend the target, then "
		"resume", new_failed, new_delivered + new_failed);
	tn_redrive_task_end(task, TN_DLQ_STOPPED, why);
	return true;
}

/* --- Steps --- */

static void step_in(struct redrive_task *task, int64_t wait_ms)
{
	event_add(task->timer, &(struct timeval){.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000});
}

static const char *const moved_words[] = {[TN_DLQ_REDRIVE] = "redriven", [TN_DLQ_PURGE] = "purged"};

/* A letter that went elsewhere has one more line in its story: where it went is told by those that took its place. */
static void tell_moved(const struct redrive_task *task)
{
	struct tn_bus *bus = task->bus;
	const char *word = moved_words[task->query->terms.action];
	for (uint32_t i = 0; i < task->page.count; i++) {
		const struct tn_dlq_item *item = &task->page.items[i];
		tn_bus_tell_moved(bus, &item->id, word);
		for (uint32_t j = 0; j < item->row_count; j++)
			if (!tn_id_equal(&item->rows[j].id, &item->id))
				tn_bus_tell_moved(bus, &item->rows[j].id, word);
	}
}

static void watch_moved(struct redrive_task *task)
{
	for (uint32_t i = 0; i < task->page.count; i++) {
		const struct tn_dlq_item *item = &task->page.items[i];
		if (item->row_count == 0)
			tn_redrive_watch_moved(&task->watch, item->target_no);
		for (uint32_t j = 0; j < item->row_count; j++)
			tn_redrive_watch_moved(&task->watch, item->rows[j].target_no);
	}
}

static void on_moved(void *arg, uint32_t moved)
{
	struct redrive_task *task = arg;
	task->moving = false;
	if (moved == 0)
		task->cursor = task->before;
	else
		tn_dlq_tally_add(&task->tally, &task->page.tally);
	if (moved > 0)
		tell_moved(task);
	if (moved == 0 || task->state != TN_DLQ_RUNNING) /* there may be no next page, or not soon */
		keep_progress(task);
	if (task->state != TN_DLQ_RUNNING)
		return;
	snprintf(task->why, sizeof task->why, "%s", moved == 0 ? "the store is full" : "");
	if (moved == 0) {
		step_in(task, REFUSED_MS);
		return;
	}
	if (task->query->terms.action == TN_DLQ_REDRIVE)
		watch_moved(task);
	step_in(task, IDLE_MS);
}

/* How many records may be moved now. */
static uint32_t take_budget(struct redrive_task *task)
{
	int64_t at_ms = now_ms(task);
	uint32_t rate = task->query->rate;
	if (rate == 0 || task->query->terms.action == TN_DLQ_PURGE)
		return PAGE_ITEMS;
	task->budget += (double)(at_ms - task->paced_ms) * rate / 1000;
	task->paced_ms = at_ms;
	if (task->budget > 1 + rate / 5.0) /* what was not used does not pile up */
		task->budget = 1 + rate / 5.0;
	return task->budget >= 1 ? (uint32_t)task->budget : 0;
}

static enum tn_move move_of(const struct redrive_task *task)
{
	const struct tn_dlq_terms *terms = &task->query->terms;
	if (terms->action == TN_DLQ_PURGE)
		return TN_MOVE_PURGE;
	return terms->to == TN_DLQ_TO_TARGET ? TN_MOVE_REDRIVE : TN_MOVE_RESEND;
}

/* How long until the next step; 0: on_moved says. */
static int64_t move_page(struct redrive_task *task, uint64_t as_of)
{
	struct tn_move_item items[PAGE_ITEMS];
	for (uint32_t i = 0; i < task->page.count; i++) {
		const struct tn_dlq_item *item = &task->page.items[i];
		items[i] = (struct tn_move_item){.key = item->key, .target_no = item->target_no, .bytes = item->bytes, .row = item->rows,
			.row_count = item->row_count, .event = item->event};
	}
	struct tn_moves request = {.move = move_of(task), .as_of = as_of, .items = items, .count = task->page.count};
	switch (tn_bus_move(task->bus, &request, on_moved, task)) {
	case TN_OK:
		task->budget -= task->page.count;
		task->moving = true;
		keep_progress(task);
		return 0;
	case TN_NOT_FOUND: /* a target went with a reload that its rule has not heard of yet */
		task->cursor = task->before;
		return WAIT_MS;
	default:
		task->cursor = task->before;
		return IDLE_MS;
	}
}

static int64_t read_and_move(struct redrive_task *task, uint32_t most, uint64_t as_of)
{
	struct tn_error error = {0};
	task->before = task->cursor;
	if (tn_dlq_page_read(tn_bus_store(task->bus), &task->query->terms, most, &task->cursor, &task->page, &error) != TN_OK) {
		snprintf(task->why, sizeof task->why, "%.150s", error.message);
		task->cursor = task->before;
		return REFUSED_MS;
	}
	if (task->page.count > 0)
		return move_page(task, as_of);
	tn_dlq_tally_add(&task->tally, &task->page.tally);
	return 1;
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	struct redrive_task *task = arg;
	struct tn_bus *bus = task->bus;
	uint64_t as_of;
	if (tn_bus_phase(bus) >= TN_BUS_DRAINING) {
		tn_redrive_task_end(task, TN_DLQ_INTERRUPTED, "the bus was stopped");
		return;
	}
	if (!tn_bus_moves_ended(bus, &as_of)) {
		step_in(task, IDLE_MS);
		return;
	}
	if (judge(task))
		return;
	if (task->cursor.done) {
		tn_redrive_task_end(task, TN_DLQ_DONE, "");
		return;
	}
	struct tn_str busy = tn_redrive_watch_busy(&task->watch, OUTSTANDING);
	uint32_t most = busy.bytes ? 0 : take_budget(task);
	if (busy.bytes)
		snprintf(task->why, sizeof task->why, "waits: %d of those moved to target %.*s are not tried yet", OUTSTANDING, TN_STR_ARG(busy));
	int64_t wait_ms = most == 0 ? (busy.bytes ? WAIT_MS : IDLE_MS) : read_and_move(task, most, as_of);
	if (wait_ms > 0)
		step_in(task, wait_ms);
}

/* --- Its life --- */

void tn_redrive_task_free(struct redrive_task *task)
{
	if (!task)
		return;
	tn_bus_moves_forget(task->bus, task);
	event_free(task->timer);
	tn_letter_query_free(task->query);
	tn_letter_ways_free(task->ways);
	if (!task->moving) /* else its rows may be on their way to the store: they live as long as the process */
		tn_dlq_page_fini(&task->page);
	json_decref(task->request);
	tn_redrive_watch_fini(&task->watch);
	free(task);
}

struct redrive_task *tn_redrive_task_new(struct tn_bus *bus, json_t *request, struct tn_error *error)
{
	struct tn_letter_query *query;
	char *text = json_dumps(request, JSON_COMPACT);
	if (!text)
		abort();
	enum tn_status status = tn_letter_query_new(tn_str_from(text), tn_bus_wall_of(bus, 0), &query, error);
	free(text);
	if (status != TN_OK)
		return NULL;
	struct redrive_task *task = calloc(1, sizeof *task);
	if (!task || !(task->timer = evtimer_new(tn_bus_base(bus), on_step, task)))
		abort();
	task->bus = bus;
	task->watch.bus = bus;
	task->request = json_incref(request);
	task->query = query;
	task->paced_ms = now_ms(task);
	query->terms.has_route = has_route;
	query->terms.chosen = query->terms.action == TN_DLQ_REDRIVE ? give_chance : NULL;
	query->terms.find_ways = find_ways;
	query->terms.arg = task;
	task->ways = tn_letter_ways_new();
	snprintf(task->queue, sizeof task->queue, "%.*s", TN_STR_ARG(query->queue));
	return task;
}

static void bound_by_cutoff(struct redrive_task *task)
{
	struct tn_dlq_selection *selection = &task->query->terms.selection;
	if (selection->dead_before_ms == 0 || selection->dead_before_ms > task->cutoff_ms)
		selection->dead_before_ms = task->cutoff_ms;
}

struct redrive_task *tn_redrive_task_take_up(struct tn_bus *bus, const struct tn_dlq_kept_task *kept, struct tn_error *error)
{
	struct redrive_task *task = tn_redrive_task_new(bus, kept->request, error);
	if (!task)
		return NULL;
	task->state = kept->state;
	snprintf(task->why, sizeof task->why, "%s", kept->why);
	task->started_wall_ms = kept->progress.started_ms;
	task->cutoff_ms = kept->progress.cutoff_ms;
	task->cursor = kept->progress.cursor;
	task->tally = kept->progress.tally;
	task->total = kept->total;
	bound_by_cutoff(task);
	return task;
}

void tn_redrive_task_start(struct redrive_task *task)
{
	struct tn_store_facts facts;
	tn_store_facts(tn_bus_store(task->bus), &facts);
	task->total = task->query->named ? task->query->terms.selection.id_count : facts.rows[TN_ROW_DEAD];
	task->started_wall_ms = tn_bus_wall_of(task->bus, now_ms(task));
	task->cutoff_ms = now_ms(task) + 1;
	bound_by_cutoff(task);
	keep(task);
	step_in(task, 0);
}

void tn_redrive_task_resume(struct redrive_task *task)
{
	task->state = TN_DLQ_RUNNING;
	task->why[0] = '\0';
	tn_redrive_watch_results(&task->watch, &task->judged_delivered, &task->judged_failed);
	task->budget = 0;
	task->paced_ms = now_ms(task);
	keep(task);
	step_in(task, 0);
}

const char *tn_redrive_task_queue(const struct redrive_task *task)
{
	return task->queue;
}

enum tn_dlq_state tn_redrive_task_state(const struct redrive_task *task)
{
	return task->state;
}

bool tn_redrive_task_is_moving(const struct redrive_task *task)
{
	return task->moving;
}
