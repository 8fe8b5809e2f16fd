/* SPDX-License-Identifier: Apache-2.0
 *
 * txn.h - transactions: a source has one at a time, for all its streams, and it commits positions with what became of them.
 *
 * A delivery is OUT of it, HELD for it, or INSIDE; only deliveries of arrivals it has taken are INSIDE, and those are the first of each
 * stream, up to stream->txn_last. What is HELD or INSIDE is never parked. Whoever changes something an arrival may have waited for
 * touches it (tn_txn_touch, tn_txn_wake); it is looked at before the next command.
 */
#ifndef TURNOUT_BROKER_ENGINE_TXN_H
#define TURNOUT_BROKER_ENGINE_TXN_H

#include "turnout/engine.h"
#include "turnout/list.h"

struct tn_delivery;
struct tn_stream;
struct tn_target;

enum tn_txn_place {
	TN_TXN_OUT,                        /* its own affair */
	TN_TXN_HELD,                       /* PENDING or BURYING, in no line: for a member, and its transaction has not taken it yet */
	TN_TXN_INSIDE,                     /* taken: to be STAGED, or STAGED; a running attempt carries the number */
};
enum tn_txn_state { TN_TXN_NONE, TN_TXN_OPEN, TN_TXN_COMMITTING, TN_TXN_ABORTING };
struct tn_txn {                            /* of one source; kept for ever */
	struct tn_link link;               /* engine->txns */
	struct tn_link dirty;              /* engine->txns_touched: to be looked at before the next command */
	struct tn_list streams;
	struct tn_list touched;            /* streams whose next arrival may be ready to be taken */
	uint64_t number;                   /* of the last one */
	int64_t close_ms, give_up_ms;      /* OPEN: takes no more; is aborted */
	int64_t collect_ms;
	uint32_t source, cluster, most_events;
	uint32_t most_now;                 /* events it takes: half of what was too much to be staged in time; one more with each commit */
	uint32_t events, unstaged;         /* OPEN: taken; deliveries of these that are not STAGED yet */
	struct tn_position *positions;     /* room for one a stream */
	uint32_t count, capacity;
	uint8_t state;
	bool failed;                       /* OPEN: one of it came to another end */
	bool waits;                        /* something was not taken because of its target or its lane */
	bool say;                          /* its command is owed */
};

/* txn.c */
enum tn_status tn_txn_reserve(struct tn_engine *engine, uint32_t source, struct tn_txn **out_txn) TN_MUST_CHECK; /* for one more stream */
void tn_txn_enlist(struct tn_stream *stream, struct tn_txn *txn); /* NULL: no longer */
/* It is attempted inside a transaction, and nowhere else: never parked. */
bool tn_txn_is_member(const struct tn_engine *engine, const struct tn_delivery *delivery, const struct tn_target *target);
void tn_txn_hold(struct tn_engine *engine, struct tn_delivery *delivery); /* until its transaction takes it */
void tn_txn_touch(struct tn_engine *engine, struct tn_stream *stream); /* an arrival of it may be ready now; not transactional is fine */
bool tn_txn_shared(const struct tn_delivery *delivery, const struct tn_delivery *other); /* of the same source; the first is HELD or INSIDE */
void tn_txn_wake(struct tn_engine *engine);                     /* a target or a lane changed */
uint64_t tn_txn_number(const struct tn_delivery *delivery);     /* that its attempt is to carry, or 0 */
/* The result of an attempt that carried a number. False: it is like any other. */
bool tn_txn_takes(struct tn_engine *engine, struct tn_delivery *delivery, const struct tn_outcome *outcome);
void tn_txn_left(struct tn_engine *engine, struct tn_delivery *delivery); /* it goes another way: if INSIDE, that is the end of its transaction */
void tn_txn_advance_all(struct tn_engine *engine);
void tn_txn_tick(struct tn_engine *engine);
int64_t tn_txn_deadline(const struct tn_engine *engine);
bool tn_txn_next(struct tn_engine *engine, struct tn_command *out_command);
bool tn_txn_idle(const struct tn_engine *engine);               /* no answer is awaited */
void tn_txn_free_all(struct tn_engine *engine);

/* txn_end.c */
void tn_txn_stream_ends(struct tn_engine *engine, struct tn_stream *stream); /* before its arrivals are abandoned */
void tn_txn_drain(struct tn_engine *engine);                    /* just begun */
void tn_txn_give_up(struct tn_engine *engine);                  /* drain timed out */

#endif
