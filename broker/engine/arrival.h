/* SPDX-License-Identifier: Apache-2.0
 *
 * arrival.h - arrivals: what a source handed over under one position, until its source has the answer.
 *
 * Made by admission.c, with all its parcels and deliveries in one block; admitted whole or not at all. Answered once, when its
 * acknowledgement mode says so, and freed when nothing unsettled is left and nothing points into it (pins). lease.c keeps the time: what
 * is overdue, and what its source wants to hear of.
 */
#ifndef TURNOUT_BROKER_ENGINE_ARRIVAL_H
#define TURNOUT_BROKER_ENGINE_ARRIVAL_H

#include "delivery.h"

struct tn_stream;
struct tn_tenure;

enum tn_arrival_state { TN_ARRIVAL_CLAIMING, TN_ARRIVAL_JOURNALING, TN_ARRIVAL_OPEN, TN_ARRIVAL_ANSWERING, TN_ARRIVAL_ANSWERED };
enum tn_reply_kind { TN_REPLY_ACK, TN_REPLY_RELEASE, TN_REPLY_UNAVAILABLE, TN_REPLY_BUSY, TN_REPLY_CONFLICT };

struct tn_arrival_in_hand {
	struct tn_link in_hand;            /* engine->arrivals, in order of acceptance */
	struct tn_link overdue;            /* tenure->overdue, by overdue_ms */
	struct tn_link lent;               /* tenure->lent, by extend_ms, while its source wants to hear of it */
	struct tn_link of_stream;          /* stream->arrivals while unanswered */
	struct tn_link queue;              /* journal->arrivals, then engine->answers */
	struct tn_position position;
	struct tn_stream *stream;          /* NULL: the stream ended, or it was answered */
	struct tn_tenure *tenure;          /* of the stream it came by */
	int64_t accepted_ms, overdue_ms, extend_ms;
	struct tn_parcel *parcels;
	size_t reply_bytes;                /* of a reply: what it was admitted with */
	struct tn_slot *asker;             /* a reply whose attempt has no result yet */
	struct tn_delivery *parent;        /* a reply: what is DELIVERED once this is durable */
	struct tn_op *ops;                 /* when too large for the shared batch: its own room */
	struct tn_row *rows;
	const char *code;                  /* of the worst outcome */
	size_t size;
	uint32_t count, delivery_count, op_count;
	uint32_t offered;                  /* events, unmatched ones included */
	uint32_t unsettled, pins;
	struct tn_mark *marks;             /* of its events with a key (dedup.c) */
	struct tn_id *keys;                /* what a CLAIM points to: room for all of them */
	uint32_t mark_count, wanting, unresolved, duplicates, keeping; /* wanting: that are to be asked about; keeping: strictly */
	struct tn_link claim;              /* engine->claims.wanted, .out or .resolved */
	struct tn_heap_node claim_timer;   /* no answer will be waited for; or it is time to ask again */
	uint64_t claim_token;              /* of the CLAIM that is out; 0: none is */
	struct tn_dedup_terms dedup;
	uint32_t delivered, parked, dead, dropped;
	uint8_t state, reply, ack_when;
	bool sent;                         /* its rows are in the outstanding batch */
	bool conflict;                     /* a key of it belongs to another payload, and its sender is to hear of it */
	bool goes_back;                    /* drain: untouched, and so is all behind it */
	bool ripe;                         /* on a cumulative stream: to be acked as soon as all before it are */
	bool ordered;                      /* some of its routes are */
	bool abandoned;                    /* SETTLED, and its stream ended before its answer: what waits goes back to the source */
	bool transactional;                /* it came by a transactional stream */
	bool in_txn;                       /* of its stream's: among the first up to stream->txn_last */
};

struct tn_tenure {                         /* what streams of equal leases share; kept for ever */
	struct tn_link link;               /* engine->tenures */
	int64_t lease_ms, settle_ms;
	struct tn_list overdue, lent;
};

/* arrival.c */
/* The deliveries of an arrival, in order; each may end within the step. */
#define TN_EACH_DELIVERY(arrival, delivery)                                                                                        \
	for (struct tn_delivery *delivery = (struct tn_delivery *)(void *)((arrival)->parcels + (arrival)->count),                  \
				*delivery##_end = delivery + (arrival)->delivery_count;                                             \
		delivery < delivery##_end; delivery++)
void tn_arrival_enter(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, struct tn_stream *stream); /* just admitted; NULL: a reply */
void tn_arrival_start(struct tn_engine *engine, struct tn_arrival_in_hand *arrival); /* its PENDING deliveries, for the first time */
void tn_arrival_give_ops(struct tn_engine *engine, struct tn_arrival_in_hand *arrival);
void tn_arrival_go(struct tn_engine *engine, struct tn_arrival_in_hand *arrival); /* it is no copy, as far as known: into the books */
void tn_arrival_answer_kept(struct tn_engine *engine, struct tn_arrival_in_hand *arrival); /* strict: its last key is durable */
void tn_arrival_settled(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_delivery_state state);
void tn_arrival_journaled(struct tn_engine *engine, struct tn_arrival_in_hand *arrival);
void tn_arrival_refused(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, bool doubtful);
void tn_arrival_give_up(struct tn_engine *engine, struct tn_arrival_in_hand *arrival); /* drain timed out before its batch was durable */
void tn_arrival_free_all(struct tn_engine *engine);
void tn_arrival_unpin(struct tn_engine *engine, struct tn_arrival_in_hand *arrival);
void tn_arrival_answer(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, enum tn_reply_kind reply);
void tn_arrival_committed(struct tn_engine *engine, struct tn_arrival_in_hand *arrival); /* with its transaction: that was its answer */
void tn_arrival_abandon(struct tn_engine *engine, struct tn_arrival_in_hand *arrival); /* its stream ended */
void tn_arrival_release_idle(struct tn_engine *engine, struct tn_arrival_in_hand *arrival); /* what waits is RELEASED */
void tn_arrival_park_waiting(struct tn_engine *engine, struct tn_arrival_in_hand *arrival); /* it is overdue */
bool tn_arrival_next(struct tn_engine *engine, struct tn_command *out_command);

/* lease.c */
struct tn_tenure *tn_lease_tenure(struct tn_engine *engine, int64_t lease_ms); /* NULL without memory */
void tn_lease_enter(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, struct tn_tenure *tenure);
void tn_lease_tick(struct tn_engine *engine);
int64_t tn_lease_deadline(const struct tn_engine *engine);
bool tn_lease_next(struct tn_engine *engine, struct tn_command *out_command);
void tn_lease_free_all(struct tn_engine *engine);

#endif
