/* SPDX-License-Identifier: Apache-2.0
 *
 * offline.c - redrive and purge with no bus running.
 *
 * Called by a tool. Takes the store's lock by opening it, so that it is the only author of batches; reads a page, moves it, reads the
 * next. A batch only says what is to become of records that are still dead, so doing one twice, or stopping anywhere, is fine.
 */
#include "turnout/dlq.h"

#include <sys/stat.h>

enum { BATCH_ROWS = 256, UNKNOWN_TRIES = 10 };

struct run {
	const struct tn_dlq_offline *offline;
	struct tn_store *store;
	struct tn_dlq_tally *tally;
	struct tn_batch batch;
	struct tn_op ops[BATCH_ROWS];
};

static bool may_move(struct run *run, const struct tn_row *row)
{
	const struct tn_dlq_offline *offline = run->offline;
	uint32_t limit = offline->max_redrives > 0 ? offline->max_redrives : TN_DLQ_MAX_REDRIVES;
	if (offline->action == TN_DLQ_PURGE)
		return true;
	if (offline->has_route && !offline->has_route(offline->arg, row->rule, row->target)) {
		run->tally->no_target++;
		return false;
	}
	if (row->redrives >= limit && !offline->force) {
		run->tally->too_often++;
		return false;
	}
	return true;
}

static bool on_record(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct run *run = arg;
	run->tally->selected++;
	if (may_move(run, row))
		run->ops[run->batch.count++] = (struct tn_op){
			.kind = run->offline->action == TN_DLQ_PURGE ? TN_PURGE_ROW : TN_REDRIVE_ROW,
			.key = row->key,
		};
	return run->batch.count < BATCH_ROWS;
}

/* An unknown commit is answered by the same batch again. */
static enum tn_status commit(struct run *run, struct tn_error *error)
{
	enum tn_commit commit = TN_COMMIT_UNKNOWN;
	run->batch.number++;
	for (unsigned i = 0; i < UNKNOWN_TRIES && commit == TN_COMMIT_UNKNOWN; i++)
		commit = tn_store_apply(run->store, &run->batch);
	if (commit == TN_COMMIT_OK) {
		run->tally->done += run->batch.count;
		run->batch.count = 0;
		return TN_OK;
	}
	struct tn_store_facts facts;
	tn_store_facts(run->store, &facts);
	tn_error_set(error, "the store could not be changed: %s", facts.failure);
	return commit == TN_COMMIT_REFUSED ? TN_FULL : TN_IO;
}

static enum tn_status move_page(struct run *run, struct tn_error *error)
{
	if (run->batch.count == 0)
		return TN_OK;
	if (run->offline->dry_run) {
		run->tally->done += run->batch.count;
		run->batch.count = 0;
		return TN_OK;
	}
	return commit(run, error);
}

static enum tn_status move_all(struct run *run, struct tn_error *error)
{
	struct tn_dlq_cursor cursor = {0};
	struct tn_store_facts facts;
	enum tn_status status = TN_OK;
	tn_store_facts(run->store, &facts);
	run->batch.ops = run->ops;
	run->batch.next_seq = facts.next_seq;
	run->batch.now_ms = facts.engine_ms > run->offline->wall_now_ms ? facts.engine_ms : run->offline->wall_now_ms;
	while (status == TN_OK && !cursor.done) {
		status = tn_dlq_read(run->store, &run->offline->selection, &tn_dlq_limits_default, &cursor, on_record, run, error);
		if (status == TN_OK)
			status = move_page(run, error);
	}
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
		status = move_all(&run, error);
	tn_store_close(run.store);
	return status;
}
