/* SPDX-License-Identifier: Apache-2.0
 *
 * writer.h - the one thread that writes: what was asked of it meanwhile goes into one commit.
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include <pthread.h>
#include <time.h>
#include "doubt.h"
#include "key.h"
#include "space.h"
#include "turnout/store.h"

enum tn_request_kind { TN_REQUEST_BATCH, TN_REQUEST_NAME, TN_REQUEST_CALL, TN_REQUEST_ASIDE_ROW, TN_REQUEST_ASIDE_DUE, TN_REQUEST_ASIDE_LANE };

struct tn_apply;

struct tn_waiter {                        /* of a caller that stays until its request was answered */
	bool done;
	enum tn_commit commit;
	uint32_t number;                  /* NAME */
};
struct tn_request {
	enum tn_request_kind kind;
	const struct tn_batch *batch;     /* borrowed until answered */
	struct tn_str name;               /* likewise */
	/* CALL: some small change. An LMDB code; may be called again after any but 0, and after a failed commit never. */
	int (*call)(struct tn_apply *apply, void *arg);
	void *arg;
	enum tn_space_need need;          /* CALL */
	struct tn_due due;                /* ASIDE_ROW: its row only */
	struct tn_lane_place lane;        /* ASIDE_LANE */
	struct tn_waiter *waiter;         /* NULL: a batch is answered through options.completed, the others not at all */
};
struct tn_requests {
	struct tn_request *items;
	size_t count, capacity;
};

struct tn_writer {
	pthread_t thread;
	bool started, stopping;           /* stopping: under lock, as all down to incoming */
	pthread_mutex_t lock;
	pthread_cond_t asked, answered;
	struct tn_requests incoming;
	uint32_t incoming_ops;
	bool ledger_waits;                /* something is to be written there, at: */
	struct timespec ledger_at;
	/* The thread's own. */
	struct tn_requests taken;
	struct tn_doubt doubt;
	unsigned failures;                /* runs in a row with an UNKNOWN in them: they are paced */
};

/* Starts the thread, which blocks all signals. */
enum tn_status tn_writer_start(struct tn_store *store, struct tn_error *error) TN_MUST_CHECK;
/* Answers what was asked so far, ends the thread. A writer that was not started is fine. */
void tn_writer_stop(struct tn_store *store);
/* Any thread. Copies request. */
void tn_writer_ask(struct tn_store *store, const struct tn_request *request);
/* Any thread. The ledger is to be written: in delay_ms, or earlier if it was to be already. */
void tn_writer_remind(struct tn_store *store, uint32_t delay_ms);
/* Any thread but the writer's. Has a small change made and waits until it is durable: TN_OK; TN_FULL: certainly not made; TN_IO: nobody
 * knows. what: for the error, "cannot WHAT in the store". */
enum tn_status tn_writer_call(struct tn_store *store, int (*call)(struct tn_apply *apply, void *arg), void *arg, enum tn_space_need need,
	const char *what, struct tn_error *error) TN_MUST_CHECK;
/* Any thread but the writer's. Fills in waiter. */
void tn_writer_ask_and_wait(struct tn_store *store, struct tn_request *request, struct tn_waiter *waiter);

#endif
