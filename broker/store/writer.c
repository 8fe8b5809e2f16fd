/* SPDX-License-Identifier: Apache-2.0
 *
 * writer.c - the one thread that writes: what was asked of it meanwhile goes into one commit.
 *
 * Any thread asks, through a list under a lock; the thread takes the whole list, has commit.c make runs of it durable, and answers in the
 * order of asking. While one commit waits for the disk the next list fills: batching needs no timer, commit_wait_us can add one.
 * The list's bound is the engine's: it has a bounded number of batches outstanding; scans ask for a bounded number of repairs each.
 */
#include "writer.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include "commit.h"
#include "store_private.h"

/* A transaction's dirty pages stay in memory until it commits. A batch is never split. */
enum { RUN_OPS = 4096, RUN_REQUESTS = 256, ENOUGH_OPS = 256 };
enum { FIRST_PAUSE_MS = 10, LONGEST_PAUSE_MS = 1000 };

static void add_request(struct tn_requests *list, const struct tn_request *request)
{
	if (list->count == list->capacity) {
		list->capacity = list->capacity ? list->capacity * 2 : 64;
		list->items = realloc(list->items, list->capacity * sizeof *list->items);
		if (!list->items)
			abort();
	}
	list->items[list->count++] = *request;
}

static uint32_t count_ops(const struct tn_request *request)
{
	return request->kind == TN_REQUEST_BATCH ? request->batch->count : 1;
}

/* --- Waiting --- */

static struct timespec after_us(uint64_t delay_us)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += (time_t)(delay_us / 1000000);
	at.tv_nsec += (long)(delay_us % 1000000) * 1000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	return at;
}

/* Under lock. A disk that fails is not asked as fast as an engine can ask; a stop ends the pause. */
static void pause_after_failures(struct tn_writer *writer)
{
	if (writer->failures == 0)
		return;
	unsigned doublings = writer->failures - 1 < 8 ? writer->failures - 1 : 8;
	uint64_t pause_ms = (uint64_t)FIRST_PAUSE_MS << doublings;
	struct timespec until = after_us((pause_ms < LONGEST_PAUSE_MS ? pause_ms : LONGEST_PAUSE_MS) * 1000);
	while (!writer->stopping && pthread_cond_timedwait(&writer->asked, &writer->lock, &until) == 0)
		;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* Under lock. */
static bool ledger_is_due(const struct tn_writer *writer)
{
	struct timespec now = after_us(0);
	return writer->ledger_waits && !is_before(&now, &writer->ledger_at);
}

static void wait_for_work(struct tn_writer *writer)
{
	if (writer->ledger_waits)
		pthread_cond_timedwait(&writer->asked, &writer->lock, &writer->ledger_at);
	else
		pthread_cond_wait(&writer->asked, &writer->lock);
}

/* Under lock. Answers false when there is nothing left to do, ever; takes none when it is time for the ledger. */
static bool take_requests(struct tn_store *store)
{
	struct tn_writer *writer = &store->writer;
	pause_after_failures(writer);
	while (writer->incoming.count == 0 && !writer->stopping && !ledger_is_due(writer))
		wait_for_work(writer);
	if (writer->incoming.count == 0 && writer->stopping)
		return false;
	if (store->options.commit_wait_us > 0 && writer->incoming.count > 0) {
		struct timespec until = after_us(store->options.commit_wait_us);
		while (writer->incoming_ops < ENOUGH_OPS && !writer->stopping &&
			pthread_cond_timedwait(&writer->asked, &writer->lock, &until) == 0)
			;
	}
	struct tn_requests empty = writer->taken;
	writer->taken = writer->incoming;
	writer->incoming = empty;
	writer->incoming.count = 0;
	writer->incoming_ops = 0;
	return true;
}

/* --- Answering --- */

static void answer_waiter(struct tn_writer *writer, const struct tn_work *work)
{
	pthread_mutex_lock(&writer->lock);
	work->request->waiter->commit = work->commit;
	work->request->waiter->number = work->number;
	work->request->waiter->done = true;
	pthread_cond_broadcast(&writer->answered);
	pthread_mutex_unlock(&writer->lock);
}

static void answer(struct tn_store *store, const struct tn_work *work)
{
	if (work->request->waiter)
		answer_waiter(&store->writer, work);
	else if (work->request->kind == TN_REQUEST_BATCH)
		store->options.completed(store->options.arg, work->request->batch->number, work->commit);
}

/* From `from` on as many requests as one transaction should have; at least one. A new name goes alone: the next one's number depends on
 * what became of it. */
static size_t cut_run(const struct tn_requests *taken, size_t from)
{
	uint64_t ops = 0;
	size_t count = 0;
	while (from + count < taken->count && count < RUN_REQUESTS) {
		const struct tn_request *request = &taken->items[from + count];
		ops += count_ops(request);
		if (count > 0 && (ops > RUN_OPS || request->kind == TN_REQUEST_NAME))
			break;
		count++;
		if (request->kind == TN_REQUEST_NAME)
			break;
	}
	return count;
}

static void carry_out(struct tn_store *store)
{
	struct tn_writer *writer = &store->writer;
	struct tn_work work[RUN_REQUESTS];
	for (size_t from = 0, count; from < writer->taken.count; from += count) {
		count = cut_run(&writer->taken, from);
		for (size_t i = 0; i < count; i++)
			work[i] = (struct tn_work){.request = &writer->taken.items[from + i]};
		writer->failures = tn_commit_run(store, work, count) ? 0 : writer->failures + 1;
		for (size_t i = 0; i < count; i++)
			answer(store, &work[i]);
	}
}

/* Behind the batches, and never while the disk fails: it can wait, and be dropped. */
static void write_ledger(struct tn_store *store)
{
	struct tn_writer *writer = &store->writer;
	pthread_mutex_lock(&writer->lock);
	bool due = ledger_is_due(writer) || (writer->stopping && writer->incoming.count == 0);
	writer->ledger_waits = writer->ledger_waits && !due;
	pthread_mutex_unlock(&writer->lock);
	if (due && writer->failures == 0)
		tn_ledger_flush(store);
	else if (due)
		tn_writer_remind(store, LONGEST_PAUSE_MS);
}

static void *run_writer(void *arg)
{
	struct tn_store *store = arg;
	for (;;) {
		pthread_mutex_lock(&store->writer.lock);
		bool more = take_requests(store);
		pthread_mutex_unlock(&store->writer.lock);
		if (more)
			carry_out(store);
		write_ledger(store);
		if (!more)
			return NULL;
	}
}

/* --- Public --- */

void tn_writer_ask(struct tn_store *store, const struct tn_request *request)
{
	struct tn_writer *writer = &store->writer;
	pthread_mutex_lock(&writer->lock);
	add_request(&writer->incoming, request);
	writer->incoming_ops += count_ops(request);
	pthread_cond_signal(&writer->asked);
	pthread_mutex_unlock(&writer->lock);
}

void tn_writer_remind(struct tn_store *store, uint32_t delay_ms)
{
	struct tn_writer *writer = &store->writer;
	struct timespec at = after_us((uint64_t)delay_ms * 1000);
	pthread_mutex_lock(&writer->lock);
	if (!writer->ledger_waits || is_before(&at, &writer->ledger_at)) {
		writer->ledger_waits = true;
		writer->ledger_at = at;
		pthread_cond_signal(&writer->asked);
	}
	pthread_mutex_unlock(&writer->lock);
}

void tn_writer_ask_and_wait(struct tn_store *store, struct tn_request *request, struct tn_waiter *waiter)
{
	struct tn_writer *writer = &store->writer;
	*waiter = (struct tn_waiter){0};
	request->waiter = waiter;
	tn_writer_ask(store, request);
	pthread_mutex_lock(&writer->lock);
	while (!waiter->done)
		pthread_cond_wait(&writer->answered, &writer->lock);
	pthread_mutex_unlock(&writer->lock);
}

enum tn_status tn_writer_call(struct tn_store *store, int (*call)(struct tn_apply *apply, void *arg), void *arg, enum tn_space_need need,
	const char *what, struct tn_error *error)
{
	struct tn_waiter waiter;
	struct tn_request request = {.kind = TN_REQUEST_CALL, .call = call, .arg = arg, .need = need};
	struct tn_store_facts facts;
	tn_writer_ask_and_wait(store, &request, &waiter);
	if (waiter.commit == TN_COMMIT_OK)
		return TN_OK;
	tn_store_facts(store, &facts);
	tn_error_set(error, "cannot %s in the store %s: %s", what, store->path, facts.failure);
	return waiter.commit == TN_COMMIT_REFUSED ? TN_FULL : TN_IO;
}

enum tn_status tn_writer_start(struct tn_store *store, struct tn_error *error)
{
	struct tn_writer *writer = &store->writer;
	pthread_condattr_t monotonic;
	sigset_t all, before;
	pthread_mutex_init(&writer->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&writer->asked, &monotonic);
	pthread_cond_init(&writer->answered, NULL);
	pthread_condattr_destroy(&monotonic);

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&writer->thread, NULL, run_writer, store);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		tn_error_set(error, "cannot start the store's thread: %s", strerror(failed));
		return TN_IO;
	}
	writer->started = true;
	return TN_OK;
}

void tn_writer_stop(struct tn_store *store)
{
	struct tn_writer *writer = &store->writer;
	if (!writer->started)
		return;
	pthread_mutex_lock(&writer->lock);
	writer->stopping = true;
	pthread_cond_signal(&writer->asked);
	pthread_mutex_unlock(&writer->lock);
	pthread_join(writer->thread, NULL);
	pthread_cond_destroy(&writer->asked);
	pthread_cond_destroy(&writer->answered);
	pthread_mutex_destroy(&writer->lock);
	free(writer->incoming.items);
	free(writer->taken.items);
	writer->started = false;
}

void tn_store_submit(struct tn_store *store, const struct tn_batch *batch)
{
	tn_writer_ask(store, &(struct tn_request){.kind = TN_REQUEST_BATCH, .batch = batch});
}

enum tn_commit tn_store_apply(struct tn_store *store, const struct tn_batch *batch)
{
	struct tn_waiter waiter;
	struct tn_request request = {.kind = TN_REQUEST_BATCH, .batch = batch};
	tn_writer_ask_and_wait(store, &request, &waiter);
	return waiter.commit;
}
