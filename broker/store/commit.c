/* SPDX-License-Identifier: Apache-2.0
 *
 * commit.c - a run of requests, made durable: together if they fit, one by one if not.
 *
 * Called by writer.c. What goes wrong before mdb_txn_commit leaves nothing behind: REFUSED. When mdb_txn_commit itself fails, nobody
 * knows: UNKNOWN, and doubt.c keeps the order and the certainty from then on. A transaction shared by several requests in which one finds
 * no room is given up and each is tried alone, so that nobody is refused for a neighbour. Writer thread only.
 *
 * Freed pages can be written again from the second transaction after the one that freed them: a batch that met a full map is
 * tried once more after two commits of nothing but the counters, and what only settles is then tried in parts.
 */
#include "commit.h"

#include <stdio.h>
#include "apply.h"
#include "aside.h"
#include "seen.h"
#include "space.h"
#include "store_private.h"

enum { COMMITS_UNTIL_FREED_PAGES_RETURN = 2 };

struct transaction {
	MDB_txn *txn;
	struct tn_apply apply;
	struct tn_space space;
	uint64_t seen;                    /* idempotency keys in the store */
	uint64_t first, last;             /* batches in it; 0: none */
	bool worth_it;                    /* something in it wants to be committed */
};

enum attempt {
	DONE,
	NO_ROOM,                          /* something failed before the commit: certainly nothing was written */
	COMMIT_FAILED,
};

/* --- Facts --- */

static void note_failure(struct tn_store *store, const char *what, int rc)
{
	pthread_mutex_lock(&store->facts_lock);
	snprintf(store->facts.failure, sizeof store->facts.failure, "%s: %s", what, mdb_strerror(rc));
	pthread_mutex_unlock(&store->facts_lock);
}

static void note_nearly_full(struct tn_store *store)
{
	pthread_mutex_lock(&store->facts_lock);
	snprintf(store->facts.failure, sizeof store->facts.failure, "the store is nearly full");
	pthread_mutex_unlock(&store->facts_lock);
}

static void note_commit(struct tn_store *store, const struct transaction *transaction)
{
	const struct tn_meta *meta = &transaction->apply.meta;
	pthread_mutex_lock(&store->facts_lock);
	store->facts.next_seq = meta->next_seq;
	store->facts.engine_ms = meta->engine_ms;
	memcpy(store->facts.rows, meta->rows, sizeof meta->rows);
	store->facts.bad_records = meta->bad_records;
	store->facts.flows = meta->flows;
	store->facts.seen = transaction->seen;
	store->facts.used_bytes = transaction->space.used_bytes;
	store->facts.ledger_bytes = transaction->space.ledger_bytes;
	store->facts.commits++;
	pthread_mutex_unlock(&store->facts_lock);
}

static void note_answers(struct tn_store *store, const struct tn_work *work, size_t count)
{
	pthread_mutex_lock(&store->facts_lock);
	for (size_t i = 0; i < count; i++)
		if (work[i].request->kind == TN_REQUEST_BATCH) {
			store->facts.batches++;
			store->facts.commit_unknown += work[i].commit == TN_COMMIT_UNKNOWN;
			store->facts.commit_refused += work[i].commit == TN_COMMIT_REFUSED;
		}
	pthread_mutex_unlock(&store->facts_lock);
}

/* --- A transaction --- */

static int reopen(struct tn_store *store)
{
	struct tn_error error;
	pthread_rwlock_wrlock(&store->environment_lock);
	tn_environment_close(&store->environment);
	enum tn_status status = tn_environment_open(&store->environment, store->path, store->environment.map_bytes,
		store->environment.ledger_bytes, &error);
	pthread_rwlock_unlock(&store->environment_lock);
	pthread_mutex_lock(&store->facts_lock);
	store->facts.reopened++;
	if (status != TN_OK)
		snprintf(store->facts.failure, sizeof store->facts.failure, "%.150s", error.message);
	pthread_mutex_unlock(&store->facts_lock);
	return status == TN_OK ? 0 : MDB_PANIC;
}

/* After a failed write of its meta page LMDB answers MDB_PANIC to everything until the environment is opened anew. */
static int begin_txn(struct tn_store *store, MDB_txn **out_txn)
{
	int rc = store->environment.env ? mdb_txn_begin(store->environment.env, NULL, 0, out_txn) : MDB_PANIC;
	if (rc != MDB_PANIC)
		return rc;
	rc = reopen(store);
	return rc == 0 ? mdb_txn_begin(store->environment.env, NULL, 0, out_txn) : rc;
}

static void abandon(struct transaction *transaction)
{
	tn_apply_fini(&transaction->apply);
	if (transaction->txn)
		mdb_txn_abort(transaction->txn);
	transaction->txn = NULL;
}

static int begin(struct tn_store *store, struct transaction *transaction)
{
	*transaction = (struct transaction){0};
	int rc = begin_txn(store, &transaction->txn);
	if (rc != 0)
		return rc;
	tn_doubt_began(&store->writer.doubt, mdb_txn_id(transaction->txn));
	rc = tn_apply_begin(&transaction->apply, &store->environment, transaction->txn);
	if (rc == 0)
		rc = tn_environment_used(&store->environment, transaction->txn, &transaction->space.used_bytes, &transaction->space.ledger_bytes);
	if (rc != 0)
		abandon(transaction);
	tn_seen_begin(&store->seen_work, &store->seen_index, tn_seen_limit(store->options.max_seen, store->environment.map_bytes));
	transaction->apply.seen = &store->seen_work;
	transaction->space.max_bytes = store->environment.map_bytes;
	tn_space_look(&transaction->space, store->path);
	return rc;
}

/* Housekeeping copies pages too: a batch that needs the last of the room has it for itself. */
static int sweep_seen(struct transaction *transaction)
{
	if (transaction->first == 0 || !tn_space_allows(&transaction->space, TN_SPACE_INTAKE))
		return 0;
	return tn_seen_sweep(&transaction->apply);
}

static void tell_set_aside(const struct tn_store *store, const struct tn_apply *apply)
{
	const uint32_t most = sizeof apply->set_aside / sizeof *apply->set_aside;
	for (uint32_t i = 0; store->options.set_aside && i < apply->set_aside_count && i < most; i++)
		store->options.set_aside(store->options.arg, apply->set_aside[i], i + 1 == most ? apply->set_aside_count - most : 0);
}

static enum attempt finish(struct tn_store *store, struct transaction *transaction)
{
	struct tn_doubt *doubt = &store->writer.doubt;
	size_t txn_id = mdb_txn_id(transaction->txn);
	int rc = sweep_seen(transaction);
	if (rc == 0)
		rc = tn_seen_write(&transaction->apply);
	if (rc == 0)
		rc = tn_apply_end(&transaction->apply);
	if (rc == 0)
		rc = tn_seen_count(&store->environment, transaction->txn, &transaction->seen);
	if (rc == 0)
		rc = tn_environment_used(&store->environment, transaction->txn, &transaction->space.used_bytes, &transaction->space.ledger_bytes);
	if (rc != 0) {
		note_failure(store, "cannot write", rc);
		abandon(transaction);
		return NO_ROOM;
	}
	tn_apply_fini(&transaction->apply);
	rc = mdb_txn_commit(transaction->txn);
	transaction->txn = NULL;
	if (rc == 0) {
		tn_doubt_committed(doubt);
		tn_seen_committed(&store->seen_work, true, transaction->apply.meta.engine_ms);
		note_commit(store, transaction);
		tn_environment_keep_ballast(&store->environment);
		tell_set_aside(store, &transaction->apply);
		return DONE;
	}
	/* Pages are given out before the first of them is written: this one is no riddle. */
	if (rc == MDB_MAP_FULL || rc == MDB_TXN_FULL) {
		note_failure(store, "cannot write", rc);
		return NO_ROOM;
	}
	note_failure(store, "a commit failed", rc);
	tn_seen_committed(&store->seen_work, false, transaction->apply.meta.engine_ms);
	if (transaction->first > 0)
		tn_doubt_failed(doubt, transaction->first, transaction->last, txn_id);
	else if (doubt->awaited > 0)
		tn_doubt_failed(doubt, doubt->awaited, doubt->last, txn_id);
	return COMMIT_FAILED;
}

/* --- Requests in a transaction --- */

static void settle(struct tn_work *work, enum tn_commit commit)
{
	work->answered = true;
	work->commit = commit;
}

/* Refuses now; or leaves it to the commit of this transaction, where an earlier try may have left something, or where a batch in front of
 * it may become unknown (and then this one has to come again behind it). */
static void refuse(struct tn_store *store, struct transaction *transaction, struct tn_work *work)
{
	uint64_t number = work->request->batch->number;
	if (transaction->first == 0 && !tn_doubt_holds(&store->writer.doubt, number)) {
		settle(work, TN_COMMIT_REFUSED);
		return;
	}
	work->refused_on_commit = true;
	if (transaction->first == 0)
		transaction->first = number;
	transaction->last = number;
	transaction->worth_it = true;
}

static bool has_room(struct tn_store *store, const struct transaction *transaction, const struct tn_batch *batch)
{
	const struct tn_doubt *doubt = &store->writer.doubt;
	if (tn_space_allows(&transaction->space, tn_space_need(batch)))
		return true;
	/* It is there already, as far as anybody can see: putting it again takes no room to speak of. */
	return tn_doubt_holds(doubt, batch->number) && doubt->seen == TN_DOUBT_VISIBLE;
}

static int apply_batch(struct tn_store *store, struct transaction *transaction, struct tn_work *work, uint64_t *next)
{
	const struct tn_batch *batch = work->request->batch;
	work->refused_on_commit = false;
	if (!tn_doubt_in_turn(&store->writer.doubt, batch->number, next)) {
		settle(work, TN_COMMIT_UNKNOWN);
		return 0;
	}
	if (!has_room(store, transaction, batch)) {
		note_nearly_full(store);
		refuse(store, transaction, work);
		return 0;
	}
	if (transaction->first == 0)
		transaction->first = batch->number;
	transaction->last = batch->number;
	transaction->worth_it = true;
	return tn_apply_batch(&transaction->apply, batch);
}

static int apply_name(struct tn_store *store, struct transaction *transaction, struct tn_work *work)
{
	uint32_t number;
	if (tn_names_find(&store->names, work->request->name, &number)) {
		settle(work, TN_COMMIT_OK);
		work->number = number;
		return 0;
	}
	transaction->worth_it = true;
	work->number = tn_names_next(&store->names);
	return tn_names_put(&transaction->apply, work->request->name, work->number);
}

static int apply_call(struct tn_store *store, struct transaction *transaction, struct tn_work *work)
{
	if (!tn_space_allows(&transaction->space, work->request->need)) {
		note_nearly_full(store);
		settle(work, TN_COMMIT_REFUSED);
		return 0;
	}
	transaction->worth_it = true;
	return work->request->call(&transaction->apply, work->request->arg);
}

static int apply_request(struct tn_store *store, struct transaction *transaction, struct tn_work *work, uint64_t *next)
{
	switch (work->request->kind) {
	case TN_REQUEST_BATCH:
		return apply_batch(store, transaction, work, next);
	case TN_REQUEST_NAME:
		return apply_name(store, transaction, work);
	case TN_REQUEST_CALL:
		return apply_call(store, transaction, work);
	case TN_REQUEST_ASIDE_ROW:
		transaction->worth_it = true;
		return tn_aside_row(&transaction->apply, work->request->due.row);
	case TN_REQUEST_ASIDE_DUE:
		transaction->worth_it = true;
		return tn_aside_due(&transaction->apply, &work->request->due);
	case TN_REQUEST_ASIDE_LANE:
		transaction->worth_it = true;
		return tn_aside_lane(&transaction->apply, &work->request->lane);
	}
	return 0;
}

/* --- Runs --- */

static void settle_all(struct tn_store *store, struct tn_work *work, size_t count, bool committed)
{
	for (size_t i = 0; i < count; i++) {
		struct tn_work *item = &work[i];
		if (item->answered)
			continue;
		settle(item, !committed ? TN_COMMIT_UNKNOWN : item->refused_on_commit ? TN_COMMIT_REFUSED : TN_COMMIT_OK);
		if (committed && item->request->kind == TN_REQUEST_NAME)
			tn_names_add(&store->names, item->request->name, item->number);
	}
}

/* Commits the counters only. */
static enum attempt touch(struct tn_store *store)
{
	struct transaction transaction;
	int rc = begin(store, &transaction);
	if (rc != 0) {
		note_failure(store, "cannot write", rc);
		return NO_ROOM;
	}
	return finish(store, &transaction);
}

/* A disk with room for little fails large commits for ever, and everything behind them would wait. So, when a batch that came again fails
 * again: does the transaction after it see nothing of it, and can that one be committed? Then it was refused. */
static bool left_nothing(struct tn_store *store)
{
	return touch(store) == DONE && store->writer.doubt.seen == TN_DOUBT_ABSENT;
}

/* All that is not answered yet, in one transaction. NO_ROOM: nothing was written, and nothing of this attempt is answered but what had to
 * wait for its turn. */
static enum attempt try_all(struct tn_store *store, struct tn_work *work, size_t count)
{
	struct transaction transaction;
	uint64_t next = tn_doubt_next(&store->writer.doubt);
	int rc = begin(store, &transaction);
	for (size_t i = 0; i < count && rc == 0; i++)
		if (!work[i].answered)
			rc = apply_request(store, &transaction, &work[i], &next);
	if (rc != 0) {
		note_failure(store, "cannot write", rc);
		abandon(&transaction);
		return NO_ROOM;
	}
	if (!transaction.worth_it) {
		abandon(&transaction);
		return DONE;
	}
	bool again = tn_doubt_holds(&store->writer.doubt, transaction.first);
	enum attempt attempt = finish(store, &transaction);
	if (attempt == COMMIT_FAILED && again && left_nothing(store))
		attempt = NO_ROOM;
	if (attempt != NO_ROOM)
		settle_all(store, work, count, attempt == DONE);
	return attempt;
}

/* It found no room even alone. REFUSED, unless it is not certain that an earlier try left nothing. */
static void give_up(struct tn_store *store, struct tn_work *work)
{
	const struct tn_doubt *doubt = &store->writer.doubt;
	bool certain = work->request->kind != TN_REQUEST_BATCH || !tn_doubt_holds(doubt, work->request->batch->number) ||
		(doubt->seen == TN_DOUBT_ABSENT && doubt->settled);
	settle(work, certain ? TN_COMMIT_REFUSED : TN_COMMIT_UNKNOWN);
}

/* Once more after commits of nothing but the counters, if there was no room. */
static enum attempt try_twice(struct tn_store *store, struct tn_work *work)
{
	enum attempt attempt = try_all(store, work, 1);
	for (unsigned i = 0; i < COMMITS_UNTIL_FREED_PAGES_RETURN && attempt == NO_ROOM; i++)
		if (touch(store) == COMMIT_FAILED)
			attempt = COMMIT_FAILED;
	return attempt == NO_ROOM ? try_all(store, work, 1) : attempt;
}

/* Even a delete copies the pages it changes. Drops and changed rows do not hang together, so many of them may go in several commits, each
 * of which makes room for a later one. */
static void settle_in_parts(struct tn_store *store, struct tn_work *work)
{
	const struct tn_batch *batch = work->request->batch;
	enum attempt attempt = NO_ROOM;
	uint32_t at = 0, size = batch->count / 2;
	while (at < batch->count && size > 0 && attempt != COMMIT_FAILED) {
		struct tn_batch part = *batch;
		part.ops += at;
		part.count = size < batch->count - at ? size : batch->count - at;
		struct tn_request request = {.kind = TN_REQUEST_BATCH, .batch = &part};
		struct tn_work part_work = {.request = &request};
		attempt = try_twice(store, &part_work);
		if (attempt == DONE)
			at += part.count;
		else
			size /= 2;
	}
	if (at == batch->count) {
		settle(work, TN_COMMIT_OK);
	} else if (at > 0) {
		tn_doubt_partly_done(&store->writer.doubt, batch->number);
		settle(work, TN_COMMIT_UNKNOWN);
	}
}

static bool may_go_in_parts(const struct tn_work *work)
{
	return work->request->kind == TN_REQUEST_BATCH && work->request->batch->count > 1 &&
		tn_space_need(work->request->batch) == TN_SPACE_SETTLE;
}

static void try_alone(struct tn_store *store, struct tn_work *work)
{
	enum attempt attempt = try_twice(store, work);
	if (attempt == NO_ROOM && !work->answered && may_go_in_parts(work))
		settle_in_parts(store, work);
	if (!work->answered)
		give_up(store, work);
}

static void tell_doubt(struct tn_doubt *doubt, const struct tn_work *work)
{
	if (work->request->kind == TN_REQUEST_BATCH && work->commit != TN_COMMIT_UNKNOWN)
		tn_doubt_answered(doubt, work->request->batch->number);
}

bool tn_commit_run(struct tn_store *store, struct tn_work *work, size_t count)
{
	bool certain = true;
	try_all(store, work, count);
	for (size_t i = 0; i < count; i++) {
		if (!work[i].answered)
			try_alone(store, &work[i]);
		tell_doubt(&store->writer.doubt, &work[i]);
		certain = certain && work[i].commit != TN_COMMIT_UNKNOWN;
	}
	note_answers(store, work, count);
	return certain;
}

bool tn_commit_beside(struct tn_store *store, int (*change)(struct tn_apply *apply, void *arg), void *arg)
{
	struct transaction transaction;
	if (store->writer.doubt.awaited > 0 || begin(store, &transaction) != 0)
		return false;
	if (!tn_space_allows(&transaction.space, TN_SPACE_INTAKE) || change(&transaction.apply, arg) != 0) {
		abandon(&transaction);
		return false;
	}
	return finish(store, &transaction) == DONE;
}
