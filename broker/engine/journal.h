/* SPDX-License-Identifier: Apache-2.0
 *
 * journal.h - what is to be written, in lines by how much room it asks of the store, and the one batch that is outstanding.
 *
 * A delivery waits in one line at most, with its newest wish; marks and JOURNALED arrivals have lines of their own. batch.c makes one
 * batch of what waits; from then on it is frozen until the store has answered, and when that answer is unknown it goes again unchanged.
 */
#ifndef TURNOUT_BROKER_ENGINE_JOURNAL_H
#define TURNOUT_BROKER_ENGINE_JOURNAL_H

#include "delivery.h"

struct tn_mark;

/* What asks the store for more room than the one before (store.h): a full store refuses the last first. */
enum tn_line { TN_LINE_DROPS, TN_LINE_ROWS, TN_LINE_EVENTS, TN_LINE_INTAKE, TN_LINES };
struct tn_journal {
	struct tn_list lines[TN_LINES];    /* deliveries; INTAKE: JOURNALED arrivals before their answer */
	int64_t at_ms[TN_LINES], pause_ms[TN_LINES]; /* a line waits so long after a refusal; ascending */
	uint32_t drop_count;               /* in the line of drops */
	int64_t drops_since_ms;            /* when the first of them came */
	struct tn_list keeps, voids;       /* marks: their row is to be put; to be taken back */
	uint32_t keep_count, strict_count; /* in the first of these; so many of them cannot wait for company */
	struct tn_move_item *moves;
	uint32_t move_first, move_count;   /* the next of them, and how many are neither durable nor in the outstanding batch */
	uint32_t moves_at_once;            /* into one batch: fewer after a refusal */
	bool moves_doubtful;               /* moves in line that an unknown commit may have made already */
	enum tn_move move;
	uint64_t move_token, moves_ended;
	uint32_t moved;                    /* of the moves that ended last */
	bool moved_owed;                   /* a MOVED command is owed */
	bool moves_own;                    /* nobody asked for these: lanes of targets that order no more */
	/* The outstanding batch: frozen until its completion. */
	struct tn_batch batch;
	struct tn_op *ops;
	struct tn_row *rows;
	struct tn_delivery **members;      /* deliveries in it */
	struct tn_failure **failures;      /* what rows point into */
	struct tn_list sent_arrivals, sent_marks;
	uint32_t op_count, row_count, member_count, failure_count, sent_moves;
	size_t bytes;
	enum tn_line highest;              /* the most demanding line it took from */
	bool outstanding, submit, unknown; /* submit: a STORE command is owed. unknown: it was answered so at least once */
	int64_t again_ms;                  /* when an unknown batch goes again */
	int64_t unknown_pause_ms;
	int64_t last_ms;                   /* when engine time was last persisted */
};

/* journal.c */
enum tn_status tn_journal_init(struct tn_engine *engine) TN_MUST_CHECK;
void tn_journal_fini(struct tn_engine *engine);
void tn_journal_want(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_row_wish wish); /* replaces an older wish */
void tn_journal_forget(struct tn_engine *engine, struct tn_delivery *delivery); /* withdraws the wish */
void tn_journal_keep(struct tn_engine *engine, struct tn_mark *mark); /* its row: with the next batch, or a little later */
void tn_journal_void(struct tn_engine *engine, struct tn_mark *mark); /* takes its row back, before anything else is written */
bool tn_journal_refuses(const struct tn_engine *engine);
bool tn_journal_idle(const struct tn_engine *engine);
bool tn_journal_lags(const struct tn_engine *engine); /* so many drops are not durable yet that attempts wait */
bool tn_journal_drops_rest(const struct tn_engine *engine); /* only drops wait, and may wait a little for company */
int64_t tn_journal_deadline(const struct tn_engine *engine);
void tn_journal_tick(struct tn_engine *engine);
bool tn_journal_next(struct tn_engine *engine, struct tn_command *out_command);

/* batch.c: one batch from what waits. False: nothing to do now. */
bool tn_batch_needs_event(const struct tn_delivery *delivery, enum tn_row_wish wish);
bool tn_batch_build(struct tn_engine *engine);

#endif
