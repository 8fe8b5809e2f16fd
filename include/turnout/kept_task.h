/* SPDX-License-Identifier: Apache-2.0
 *
 * kept_task.h - what is kept of a redrive or purge: it goes on after a crash, and `turnout dlq status` knows it with no bus running.
 *
 * Two files beside the store, a pair for each queue ("": all queues), each replaced whole, and no fact in both:
 *
 *   redrive[-QUEUE].json       the task: what was asked for, its state, why. Written when that changes: at its start, resume and end
 *   redrive_at[-QUEUE].json    its numbers: how far it is, what it counted, the page on its way. Written with each page
 *
 * Both say by started_ms and cutoff_ms which task they are of; a task whose numbers are not there, or are another's, has moved nothing:
 * all are zero. They are written by whoever has the store, in this order. If the process ends behind
 *
 *   start, resume   1 the task, running        it moved nothing yet; resumed, what its numbers say
 *   a page          2 the numbers, with it     its records are dead still, so it did not move, and is not counted
 *                   3 the store's commit       they are not, so it moved, and is counted
 *   its end         4 the task, with its state the numbers are those of 2, and the store says whether 3 happened
 *                   5 the numbers              the same, without asking the store
 *   all done        4 the task is forgotten    it is no more; its numbers are nobody's
 *                   5 so are its numbers
 *
 * A task that is found running has been interrupted. If it had moved everything but was not forgotten, it ends at once when resumed.
 * Nothing is synced: a power cut may lose the newest of either file. Then it goes on from further back, where nothing is dead of before
 * its cutoff any more, and counts too little; or it is not known, and is asked for again. Nothing is moved twice.
 */
#ifndef TURNOUT_KEPT_TASK_H
#define TURNOUT_KEPT_TASK_H

#include "turnout/dlq.h"

struct json_t; /* jansson */

enum tn_dlq_state { TN_DLQ_RUNNING, TN_DLQ_DONE, TN_DLQ_CANCELLED, TN_DLQ_STOPPED, TN_DLQ_INTERRUPTED };
const char *tn_dlq_state_name(enum tn_dlq_state state);

/* How far a task is. A page moves as a whole. */
struct tn_dlq_progress {
	int64_t started_ms, cutoff_ms;    /* which task it is of: wall clock; engine time, nothing that died from then on is selected */
	struct tn_dlq_cursor cursor;      /* up to here */
	struct tn_dlq_tally tally;
	bool moving;                      /* a page is on its way: */
	struct tn_row_key first;          /* one of its records */
	struct tn_dlq_cursor next;        /* once it has moved */
	struct tn_dlq_tally page;
};

enum { TN_DLQ_WHY_SIZE = 200 };
struct tn_dlq_kept_task {                 /* {0}; what read filled in, fini gives back */
	struct json_t *request;           /* letter_query.h */
	enum tn_dlq_state state;          /* never DONE in a file */
	char why[TN_DLQ_WHY_SIZE];        /* it ended, or waits */
	uint64_t total;                   /* rows to look at, as of its start */
	struct tn_dlq_progress progress;
};

/* Is there one of that queue? */
bool tn_dlq_kept_task_exists(const char *store_path, struct tn_str queue);
/* Both files; the store says what became of a page on its way, and the numbers are kept again without it, before anything else can happen
 * to its records. One found running is INTERRUPTED. TN_NOT_FOUND: there is none. TN_INVALID: the file is none of this version's; the
 * error names it. Members it does not know are passed over. TN_IO. */
enum tn_status tn_dlq_kept_task_read(const char *store_path, struct tn_str queue, struct tn_store *store,
	struct tn_dlq_kept_task *out_task, struct tn_error *error) TN_MUST_CHECK;
void tn_dlq_kept_task_fini(struct tn_dlq_kept_task *task);
/* The first file: all but the numbers. */
enum tn_status tn_dlq_kept_task_write(const char *store_path, struct tn_str queue, const struct tn_dlq_kept_task *task,
	struct tn_error *error) TN_MUST_CHECK;
/* The second file. Before the page that is moving can be in the store. */
enum tn_status tn_dlq_progress_write(const char *store_path, struct tn_str queue, const struct tn_dlq_progress *progress,
	struct tn_error *error) TN_MUST_CHECK;
/* Both are gone; fine if they were. */
enum tn_status tn_dlq_kept_task_forget(const char *store_path, struct tn_str queue, struct tn_error *error) TN_MUST_CHECK;

/* For operators, running or not. Returns owned. */
struct json_t *tn_dlq_kept_task_json(struct tn_str queue, const struct tn_dlq_kept_task *task);

#endif
