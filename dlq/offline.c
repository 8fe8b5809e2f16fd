/* SPDX-License-Identifier: Apache-2.0
 *
 * offline.c - redrive, purge and import with no bus running.
 *
 * Called by a tool. Takes the store's lock by opening it, so that it is the only author of batches; reads a page, moves it, reads the
 * next. A batch only says what is to become of records that are still dead, so doing one twice, or stopping anywhere, is fine.
 */
#include "turnout/kept_task.h"

#include <sys/stat.h>

enum { UNKNOWN_TRIES = 10 };

struct run {
	const struct tn_dlq_offline *offline;
	struct tn_store *store;
	struct tn_dlq_tally *tally;
	struct tn_batch batch;
	struct tn_op ops[TN_DLQ_PAGE_OPS];
	uint64_t lane_seq;                /* the last one given */
	struct tn_dlq_page page;
};

/* An unknown commit is answered by the same batch again. */
static enum tn_status commit(struct tn_store *store, const struct tn_batch *batch, struct tn_error *error)
{
	enum tn_commit commit = TN_COMMIT_UNKNOWN;
	for (unsigned i = 0; i < UNKNOWN_TRIES && commit == TN_COMMIT_UNKNOWN; i++)
		commit = tn_store_apply(store, batch);
	if (commit == TN_COMMIT_OK)
		return TN_OK;
	struct tn_store_facts facts;
	tn_store_facts(store, &facts);
	tn_error_set(error, "the store could not be changed: %s", facts.failure);
	return commit == TN_COMMIT_REFUSED ? TN_FULL : TN_IO;
}

static void add_op(struct run *run, struct tn_op op)
{
	run->ops[run->batch.count++] = op;
}

/* What the engine fills in when it makes this move (engine.h, RESEND). */
static enum tn_status add_resend(struct run *run, const struct tn_dlq_item *item, struct tn_error *error)
{
	struct tn_row_key key = {.event_seq = run->batch.next_seq++};
	enum tn_status status = TN_OK;
	add_op(run, (struct tn_op){.kind = TN_PUT_EVENT, .key = key, .event = item->event});
	for (uint32_t i = 0; i < item->row_count && status == TN_OK; i++) {
		struct tn_row *row = &item->rows[i];
		key.route_no = i;
		row->key = key;
		row->tries = (struct tn_tries){.accepted_ms = run->batch.now_ms, .not_before_ms = run->batch.now_ms};
		if (!tn_id_is_zero(&row->lane) && row->lane_seq == 0)
			row->lane_seq = ++run->lane_seq;
		status = tn_store_number(run->store, row->target, &row->target_no, error);
		add_op(run, (struct tn_op){.kind = TN_PUT_ROW, .key = key, .row = row});
	}
	add_op(run, (struct tn_op){.kind = TN_PURGE_ROW, .key = item->key});
	return status;
}

static enum tn_status add_item(struct run *run, const struct tn_dlq_item *item, struct tn_error *error)
{
	if (item->row_count > 0)
		return add_resend(run, item, error);
	add_op(run, (struct tn_op){.kind = run->offline->terms.action == TN_DLQ_PURGE ? TN_PURGE_ROW : TN_REDRIVE_ROW, .key = item->key});
	return TN_OK;
}

/* Before it may be in the store. */
static enum tn_status keep(struct run *run, const struct tn_dlq_cursor *next, struct tn_error *error)
{
	const struct tn_dlq_offline *offline = run->offline;
	struct tn_dlq_progress *progress = offline->progress;
	if (!progress)
		return TN_OK;
	progress->tally = *run->tally;
	progress->moving = true;
	progress->first = run->page.items[0].key;
	progress->next = *next;
	progress->page = run->page.tally;
	return tn_dlq_progress_write(offline->store_path, offline->progress_queue, progress, error);
}

static enum tn_status move_page(struct run *run, const struct tn_dlq_cursor *next, struct tn_error *error)
{
	enum tn_status status = TN_OK;
	if (run->page.count > 0 && !run->offline->dry_run) {
		run->batch.number++;
		run->batch.count = 0;
		for (uint32_t i = 0; i < run->page.count && status == TN_OK; i++)
			status = add_item(run, &run->page.items[i], error);
		if (status == TN_OK)
			status = keep(run, next, error);
		if (status == TN_OK)
			status = commit(run->store, &run->batch, error);
	}
	if (status == TN_OK)
		tn_dlq_tally_add(run->tally, &run->page.tally);
	return status;
}

static enum tn_status move_all(struct run *run, struct tn_error *error)
{
	struct tn_dlq_progress *progress = run->offline->progress;
	struct tn_dlq_cursor cursor = progress ? progress->cursor : (struct tn_dlq_cursor){0};
	struct tn_store_facts facts;
	enum tn_status status = TN_OK;
	tn_store_facts(run->store, &facts);
	run->batch.ops = run->ops;
	run->batch.next_seq = facts.next_seq;
	run->batch.now_ms = facts.engine_ms > run->offline->wall_now_ms ? facts.engine_ms : run->offline->wall_now_ms;
	run->lane_seq = ((uint64_t)run->batch.now_ms + 1) << 20; /* as the engine reckons: above all it gave up to now */
	while (status == TN_OK && !cursor.done) {
		status = tn_dlq_page_read(run->store, &run->offline->terms, TN_DLQ_PAGE_ITEMS, &cursor, &run->page, error);
		if (status == TN_OK)
			status = move_page(run, &cursor, error);
		if (status == TN_OK && progress)
			progress->cursor = cursor;
	}
	return status;
}

enum tn_status tn_dlq_insert_offline(struct tn_store *store, struct tn_row *rows, struct tn_event *const *events, uint32_t count,
	struct tn_error *error)
{
	struct tn_store_facts facts;
	struct tn_op ops[2 * TN_DLQ_IMPORT_LINES] = {0};
	if (count > TN_DLQ_IMPORT_LINES)
		return TN_TOO_LARGE;
	tn_store_facts(store, &facts);
	struct tn_batch batch = {.number = facts.batches + 1, .next_seq = facts.next_seq, .now_ms = facts.engine_ms, .ops = ops};
	for (uint32_t i = 0; i < count; i++) {
		rows[i].key = (struct tn_row_key){.event_seq = batch.next_seq++};
		ops[batch.count++] = (struct tn_op){.kind = TN_PUT_EVENT, .key = rows[i].key, .event = events[i]};
		ops[batch.count++] = (struct tn_op){.kind = TN_PUT_ROW, .key = rows[i].key, .row = &rows[i]};
	}
	return commit(store, &batch, error);
}

/* Before this had the lock somebody else may have gone on with the task, or ended it. */
static enum tn_status take_up(struct run *run, struct tn_error *error)
{
	const struct tn_dlq_offline *offline = run->offline;
	struct tn_dlq_progress *progress = offline->progress;
	struct tn_dlq_kept_task kept = {0};
	if (!progress)
		return TN_OK;
	enum tn_status status = tn_dlq_kept_task_read(offline->store_path, offline->progress_queue, run->store, &kept, error);
	if (status == TN_OK && (kept.progress.started_ms != progress->started_ms || kept.progress.cutoff_ms != progress->cutoff_ms))
		status = TN_NOT_FOUND;
	if (status == TN_NOT_FOUND)
		tn_error_at(error, NULL, 0, 0, "the task has been ended by somebody else");
	if (status == TN_OK) {
		*progress = kept.progress;
		*run->tally = progress->tally;
	}
	tn_dlq_kept_task_fini(&kept);
	return status;
}

static void on_completed(void *arg, uint64_t batch, enum tn_commit commit)
{
}

/* Opening would make a store where there is none. */
static enum tn_status find_store(const char *path, struct tn_error *error)
{
	struct stat info;
	if (stat(path, &info) == 0)
		return TN_OK;
	tn_error_set(error, "there is no store at %s", path);
	return TN_NOT_FOUND;
}

enum tn_status tn_dlq_apply_offline(const struct tn_dlq_offline *offline, struct tn_dlq_tally *out_tally, struct tn_error *error)
{
	struct run run = {.offline = offline, .tally = out_tally};
	struct tn_store_options options = {
		.path = offline->store_path,
		.max_size_bytes = offline->store_max_size_bytes,
		.completed = on_completed,
	};
	*out_tally = (struct tn_dlq_tally){0};
	enum tn_status status = find_store(offline->store_path, error);
	if (status == TN_OK)
		status = tn_store_open(&options, &run.store, error);
	if (status == TN_OK)
		status = take_up(&run, error);
	if (status == TN_OK)
		status = move_all(&run, error);
	if (status == TN_OK && offline->progress)
		status = tn_dlq_kept_task_forget(offline->store_path, offline->progress_queue, error);
	tn_store_close(run.store);
	tn_dlq_page_fini(&run.page);
	return status;
}
