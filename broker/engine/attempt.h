/* SPDX-License-Identifier: Apache-2.0
 *
 * attempt.h - attempts: a slot holds one, of one delivery or of a batch of them, from START to its result.
 *
 * Slots come from slabs and are used again; their tokens carry a generation, so that a late result finds nobody. What START said stays as
 * it was until the result, whatever becomes of the deliveries: a slot keeps their parcels. After its deadline a slot lingers, then it is
 * an orphan, which holds up nobody.
 *
 * Here, too, the event that an attempt answered with (reply.c): its delivery is DELIVERED once that is durable.
 */
#ifndef TURNOUT_BROKER_ENGINE_ATTEMPT_H
#define TURNOUT_BROKER_ENGINE_ATTEMPT_H

#include "turnout/engine.h"
#include "turnout/list.h"

struct tn_arrival_in_hand;
struct tn_delivery;
struct tn_failure;
struct tn_lane;
struct tn_parcel;
struct tn_target;

enum tn_slot_state { TN_SLOT_FREE, TN_SLOT_RUNNING, TN_SLOT_LINGERING, TN_SLOT_ORPHAN };
struct tn_load {                           /* one delivery in a slot */
	struct tn_delivery *delivery;
	struct tn_parcel *parcel;          /* kept until the result */
	struct tn_failure *last;           /* what its item's last points into */
	struct tn_lane *lane;              /* which it keeps till the result, or the end of lingering; or NULL */
	bool retry;                        /* counted in its target's retry budget */
};
struct tn_slot {
	struct tn_link link;               /* target->running by deadline; engine->lingering by deadline; engine->slots_free */
	struct tn_link cancel;             /* engine->cancels */
	struct tn_attempt attempt;         /* frozen from START to the result */
	struct tn_item item;               /* likewise: of an attempt of one */
	struct tn_load load;
	struct tn_load *loads;             /* load; or a block of its own, of `room` loads and items, for a batch */
	uint32_t count, room;
	struct tn_target *target;
	struct tn_arrival_in_hand *reply;  /* the event it answered with, until that is durable or the result comes */
	int64_t deadline_ms;
	uint32_t index, generation;
	uint32_t episode;                  /* of its target's breaker, when it started */
	uint32_t decreases;                /* likewise of its limit, where that is adaptive */
	uint8_t state;
	bool replied, reply_refused;       /* replied: it may not do so again */
};
enum { TN_SLOTS_A_SLAB = 64 };

enum tn_status tn_attempt_start(struct tn_engine *engine, struct tn_target *target, struct tn_command *out_command) TN_MUST_CHECK;
void tn_attempt_tick(struct tn_engine *engine);
void tn_attempt_check_target(struct tn_engine *engine, struct tn_target *target); /* its attempts' deadlines */
int64_t tn_attempt_deadline(const struct tn_engine *engine);
bool tn_attempt_next(struct tn_engine *engine, struct tn_command *out_command);
void tn_attempt_free_all(struct tn_engine *engine);
struct tn_slot *tn_attempt_find(const struct tn_engine *engine, uint64_t token); /* NULL: not current */

/* reply.c */
enum tn_status tn_reply_may_come(struct tn_engine *engine, uint64_t token, size_t bytes) TN_MUST_CHECK;
void tn_reply_enter(struct tn_engine *engine, struct tn_arrival_in_hand *reply, uint64_t token);
/* With the result, in its slot still. True: the delivery waits until its reply is durable; or was refused, which is dealt with. */
bool tn_reply_keeps(struct tn_engine *engine, struct tn_slot *slot, const struct tn_outcome *outcome);
void tn_reply_forget(struct tn_slot *slot); /* no result in time: the reply goes its own way */
void tn_reply_settled(struct tn_engine *engine, struct tn_arrival_in_hand *reply, bool durable);
void tn_reply_ended(struct tn_engine *engine, struct tn_delivery *parent, bool durable);

#endif
