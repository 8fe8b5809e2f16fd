/* SPDX-License-Identifier: Apache-2.0
 *
 * dedup.h - idempotency keys: each event that came with one has a mark.
 *
 * Made by admission.c beside its arrival, which waits (CLAIMING) until it is known whether its events are copies. Of the marks in memory
 * with one key one leads, and it alone is in by_key; the others follow it. A mark pins its arrival, whose memory it is part of, until it
 * is GONE. Told by arrival.c as its event's deliveries end, and by journal.c what became of its row.
 */
#ifndef TURNOUT_BROKER_ENGINE_DEDUP_H
#define TURNOUT_BROKER_ENGINE_DEDUP_H

#include "delivery.h"

struct tn_arrival_in_hand;

enum tn_mark_state {
	TN_MARK_GONE,                      /* no longer in memory */
	TN_MARK_WANTING, TN_MARK_ASKED,    /* leads; nobody has said yet whether its event is a copy */
	TN_MARK_FOLLOWING,                 /* a copy of one that leads: becomes of it what becomes of that */
	TN_MARK_AT_WORK,                   /* leads: its event is being journaled or delivered */
	TN_MARK_KEEPING,                   /* leads: settled, its row is on the way to the store */
	TN_MARK_VOIDING,                   /* leads: refused, but its row may be in the store and is to be taken back */
};
struct tn_mark {                           /* the key of one event of an arrival */
	struct tn_map_node node;           /* engine->claims.by_key, while it leads */
	struct tn_link link;               /* FOLLOWING: leader's followers. KEEPING, VOIDING: the journal's */
	struct tn_list followers;          /* in order of acceptance */
	struct tn_parcel *parcel;
	uint64_t fingerprint;
	int64_t expires_ms;                /* KEEPING: of its row */
	uint32_t unsettled;                /* AT_WORK: deliveries of its event */
	uint8_t state;
};
struct tn_claims {
	struct tn_map by_key;
	struct tn_list wanted, out, resolved; /* arrivals: to be asked about; asked about; to go on */
	struct tn_heap times;
	uint32_t times_room;
	uint64_t last_token;
};

enum tn_status tn_dedup_init(struct tn_engine *engine) TN_MUST_CHECK;
void tn_dedup_fini(struct tn_engine *engine);
/* Just admitted, with marks. It goes on by itself: at once, or when it is known what its events are. */
void tn_dedup_enter(struct tn_engine *engine, struct tn_arrival_in_hand *arrival);
void tn_dedup_forget(struct tn_engine *engine, struct tn_arrival_in_hand *arrival); /* CLAIMING: nothing of it goes on */
void tn_dedup_settled(struct tn_engine *engine, struct tn_mark *mark, enum tn_delivery_state state); /* a delivery of its event ended */
void tn_dedup_journaled(struct tn_engine *engine, struct tn_mark *mark); /* its row is durable, with its event's */
void tn_dedup_refused(struct tn_engine *engine, struct tn_mark *mark, bool doubtful); /* likewise not */
void tn_dedup_stored(struct tn_engine *engine, struct tn_mark *mark, bool ok); /* KEEPING or VOIDING: what the store said */
int64_t tn_dedup_expiry(const struct tn_engine *engine, const struct tn_mark *mark); /* of a row that is put now */
void tn_dedup_tick(struct tn_engine *engine);
bool tn_dedup_next(struct tn_engine *engine, struct tn_command *out_command);

#endif
