/* SPDX-License-Identifier: Apache-2.0
 *
 * delivery.h - deliveries, each one (event, route) on its way, and the parcels that hold their events.
 *
 *   parcel (one event) --- delivery (one route), several
 *
 * Admission makes the parcels of an arrival in one block of memory; a row loaded from the store is a parcel with one delivery and no
 * arrival. A delivery stands in one line at most (link). Once it is in the books, its state changes by tn_delivery_set_state alone, so
 * that the books add up. A parcel lets go of its event as soon as none of its deliveries needs it, and its block is freed as soon as
 * nothing points into it: so a call that ends a delivery may free it (tn_delivery_hold_or_let_go).
 *
 * Here, too, the two ways out of memory that are not a success: into the store until later (park.c), and to the dead (bury.c).
 */
#ifndef TURNOUT_BROKER_ENGINE_DELIVERY_H
#define TURNOUT_BROKER_ENGINE_DELIVERY_H

#include "turnout/heap.h"
#include "turnout/engine.h"
#include "turnout/list.h"
#include "turnout/map.h"

struct tn_arrival_in_hand;
struct tn_failure;
struct tn_lane;
struct tn_mark;
struct tn_slot;
struct tn_target;

enum tn_delivery_state {
	TN_STATE_NEW,                      /* not in the books yet */
	TN_STATE_PENDING, TN_STATE_INFLIGHT, TN_STATE_BACKOFF, TN_STATE_PARKING, TN_STATE_STAGED, TN_STATE_BURYING, /* in hand */
	TN_STATE_PARKED, TN_STATE_DELIVERED, TN_STATE_DEAD, TN_STATE_DROPPED, TN_STATE_RELEASED,
	TN_STATE_COUNT
};
/* What the journal is to do with a delivery's row: `want` waits in line, `sent` is in the outstanding batch. */
enum tn_row_wish { TN_WISH_NONE, TN_WISH_OPEN, TN_WISH_TRIED, TN_WISH_PARKED, TN_WISH_DEAD, TN_WISH_DROP };
enum { TN_ROW_NONE = 0 };                  /* beside enum tn_row_state: no row in the store */

struct tn_delivery {
	struct tn_link link;               /* the one line it stands in: a target's, the journal's, the graveyard, the remembered */
	struct tn_map_node node;           /* by row key while the store may show a PARKED or DEAD row of it; by id while remembered */
	struct tn_link in_lane;            /* lane->members, by lane_seq */
	struct tn_lane *lane;              /* until it ends; NULL: unordered */
	uint64_t lane_seq;
	struct tn_heap_node timer;         /* BACKOFF: due. BURYING: next quick try, or the end of waiting for the sink */
	uint32_t route_no;                 /* with event_seq: the key of its row */
	uint64_t event_seq;                /* 0: has none yet */
	struct tn_parcel *parcel;
	const struct tn_route *route;
	struct tn_target *target;          /* of the route */
	struct tn_target *at;              /* in whose line it stands or whose slot it has: target, or a dead-letter sink */
	struct tn_slot *slot;              /* the attempt that runs, or lingers after its time */
	struct tn_failure *last;           /* or NULL */
	struct tn_id id;
	struct tn_tries tries;
	uint32_t redrives;
	uint8_t state;                     /* enum tn_delivery_state */
	uint8_t row;                       /* enum tn_row_state as far as the store has confirmed, or TN_ROW_NONE */
	uint8_t want, sent;                /* enum tn_row_wish */
	uint8_t condition;                 /* enum tn_condition */
	uint8_t sink_tries;
	bool waiting : 1;                  /* link stands in at->waiting, or at->stalled */
	bool stalled : 1;                  /* in at->stalled */
	bool dirty : 1;                    /* a counted failure is not durable yet: no attempt before it is */
	bool doubtful : 1;                 /* a put of it may be in the store although it was refused later */
	bool needs_event : 1, pinned : 1;  /* counted in parcel->users, parcel->pins */
	bool remembered : 1;               /* in engine->by_id */
	bool in_graveyard : 1;
	bool loaded : 1;                   /* from a PARKED row: counted in target->loaded */
	bool park_counted : 1;             /* counted in target->park_rows, and parcel->park_bytes in target->park_bytes */
	bool asked : 1;                    /* PENDING, and could start if its lane let it */
	bool moves : 1;                    /* of a SETTLED arrival whose stream may move to another process */
	bool blocks : 1;                   /* its death stops its lane */
	bool staged_dead : 1;              /* STAGED: as a dead letter */
	bool alone : 1;                    /* goes into no batch with others */
	uint8_t txn_place;                 /* enum tn_txn_place */
};

struct tn_parcel {                         /* one event in hand */
	struct tn_link link;               /* engine->loaded, when it has no arrival */
	struct tn_event *event;            /* NULL once nobody needs it */
	struct tn_ruleset *ruleset;
	struct tn_arrival_in_hand *arrival; /* NULL: loaded from the store, then size is the block's */
	struct tn_str origin;
	uint64_t event_seq;                /* 0: has none yet */
	uint64_t event_batch;              /* number of the last batch that puts the event under event_seq */
	struct tn_mark *mark;              /* its idempotency key is in memory; or NULL */
	struct tn_id dedup_key;            /* zero: none */
	size_t cost, size;
	uint64_t revision;                 /* of the rules it was matched by */
	enum tn_poison poison;             /* where the route is poison */
	uint32_t hops;
	struct tn_delivery *deliveries;
	uint32_t count, users, pins;
	uint32_t park_bytes;               /* of a PARKED row of it, once there is one; events are smaller than that can say */
};

/* delivery.c: the states, and what a result makes of them. */
void tn_delivery_set_state(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_delivery_state state);
void tn_delivery_set_row(struct tn_engine *engine, struct tn_delivery *delivery, uint8_t row);
void tn_delivery_set_last(struct tn_engine *engine, struct tn_delivery *delivery, struct tn_failure *failure); /* takes failure */
/* Lets go of event and memory as far as nothing needs them. The delivery may be freed by this. */
void tn_delivery_hold_or_let_go(struct tn_engine *engine, struct tn_delivery *delivery);
/* A slot keeps a parcel, with its event, until the result. */
void tn_parcel_pin(struct tn_parcel *parcel);
void tn_parcel_unpin(struct tn_engine *engine, struct tn_parcel *parcel);
/* Its memory is wanted again although nothing pinned the delivery. False: no room. */
bool tn_delivery_pin_again(struct tn_engine *engine, struct tn_delivery *delivery);
void tn_parcel_drop(struct tn_parcel *parcel); /* with the engine: refs only */
/* Into its target's line: or to the grave, when it is too old, poison, or its target gone. */
void tn_delivery_make_pending(struct tn_engine *engine, struct tn_delivery *delivery);
void tn_delivery_wait(struct tn_engine *engine, struct tn_delivery *delivery, struct tn_target *at, bool first);
void tn_delivery_stop_waiting(struct tn_engine *engine, struct tn_delivery *delivery);
void tn_delivery_back_off(struct tn_engine *engine, struct tn_delivery *delivery, int64_t due_ms);
void tn_delivery_due(struct tn_engine *engine, struct tn_delivery *delivery); /* its timer fired */
/* BACKOFF whose failure became durable, or whose slot became free: on, if it is time. */
void tn_delivery_go_on(struct tn_engine *engine, struct tn_delivery *delivery);
void tn_delivery_go_on_or_let_go(struct tn_engine *engine, struct tn_delivery *delivery);
/* Terminal: DELIVERED, DROPPED, RELEASED, DEAD or PARKED. Tells the arrival; drops the row where that is due. */
void tn_delivery_end(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_delivery_state state);
void tn_delivery_answered(struct tn_engine *engine, struct tn_delivery *delivery, const struct tn_outcome *outcome);
void tn_delivery_timed_out(struct tn_engine *engine, struct tn_delivery *delivery);
bool tn_delivery_in_hand(const struct tn_delivery *delivery);

/* park.c */
bool tn_park_has_room(const struct tn_delivery *delivery);
void tn_park_count(struct tn_delivery *delivery); /* its row, if it is not counted yet */
void tn_park_count_loaded(struct tn_delivery *delivery); /* its row, which was counted without it */
bool tn_park_is_full(const struct tn_target *target);
/* A delivery that waits (PENDING, BACKOFF or just failed) goes to the store until due_ms; or stays in memory, or dies, as the park cap says. */
void tn_park_or_hold(struct tn_engine *engine, struct tn_delivery *delivery, int64_t due_ms);
bool tn_park_is_written(const struct tn_delivery *delivery);
/* Its PARKED row, from which it was loaded, says all there is to say: nothing is written. The delivery is freed. */
void tn_park_put_back(struct tn_engine *engine, struct tn_delivery *delivery);
/* One that waits for its lane, whatever the park cap says: put away until the lane asks for it. */
void tn_park_behind(struct tn_engine *engine, struct tn_delivery *delivery);
void tn_park_confirmed(struct tn_engine *engine, struct tn_delivery *delivery);
void tn_park_refused(struct tn_engine *engine, struct tn_delivery *delivery);
void tn_park_leave_key(struct tn_engine *engine, struct tn_delivery *delivery); /* its PARKED row is gone or no longer ours */
void tn_park_empty_graveyard(struct tn_engine *engine);
struct tn_delivery *tn_park_find(const struct tn_engine *engine, struct tn_row_key key);
void tn_park_enter_key(struct tn_engine *engine, struct tn_delivery *delivery);

/* bury.c */
void tn_bury(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_condition condition);
void tn_bury_exhausted(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_condition condition); /* or drop, by policy */
void tn_bury_sink_answered(struct tn_engine *engine, struct tn_delivery *delivery, const struct tn_outcome *outcome);
void tn_bury_due(struct tn_engine *engine, struct tn_delivery *delivery);
void tn_bury_sink_rests(struct tn_engine *engine, struct tn_delivery *delivery); /* in its line, when it stopped taking any: a try is gone */
void tn_bury_in_store(struct tn_engine *engine, struct tn_delivery *delivery);
void tn_bury_again(struct tn_engine *engine, struct tn_delivery *delivery); /* BURYING, in no line: the next try */

#endif
