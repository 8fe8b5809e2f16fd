/* SPDX-License-Identifier: Apache-2.0
 *
 * lane.h - lanes: what one target gets of one key, one after the other.
 *
 * Entered at admission, and by rows as they are loaded; left by whatever ends or parks a delivery. A delivery in hand is a member from
 * tn_lane_enter to tn_lane_leave, in order of lane_seq. Whoever changes what a lane may wait for touches it, and it is looked at before
 * the next command; an empty one goes then. Without a lane (NULL), a delivery is unordered.
 */
#ifndef TURNOUT_BROKER_ENGINE_LANE_H
#define TURNOUT_BROKER_ENGINE_LANE_H

#include "delivery.h"

struct tn_page;

struct tn_lane {                           /* what one target gets of one key */
	struct tn_map_node node;           /* engine->lanes */
	struct tn_map_node block;          /* engine->lanes_blocked, by the key of the dead letter */
	struct tn_link of_target;          /* target->lanes */
	struct tn_link touched;            /* engine->lanes_touched: to be looked at */
	struct tn_link load;               /* target->lanes_to_load or lanes_resting: its next row is to be asked for */
	struct tn_list members;            /* deliveries in hand, by lane_seq */
	struct tn_delivery *soft;          /* no member before this one is soft; NULL: none is */
	struct tn_target *target;
	struct tn_id id;
	uint64_t parked;                   /* PARKED rows of it that are not in hand: not more than these */
	uint64_t low;                      /* while parked > 0: none of them has a lower lane_seq */
	int64_t low_due_ms;                /* when the due scan shows the first of them; TN_ROW_BEHIND_MS: ask for it */
	uint64_t fresh, fresh_low;         /* the same for those parked since its scan went out */
	uint32_t under_way;                /* attempts: running, or lingering after their time */
	struct tn_link standing;           /* engine->lanes_standing, while it is blocked */
	struct tn_row_key blocked_by;      /* the dead letter */
	uint64_t blocked_seq;
	struct tn_link release;            /* engine->lanes_released: its target orders no more, and `released` blocks in the store still */
	struct tn_row_key released;
	uint32_t in_hand;                  /* members */
	bool blocked, scanning;
	bool dying;                        /* one that will block it is on its way to the store */
	bool behind;                       /* members may wait for rows in the store, or for an operator: see if they should, too */
	bool given_back;                   /* one of it went back to its source: when their stream ends, so must those behind */
	bool stays;                        /* draining: one of it does not go back */
	bool waits;                        /* counted in target->lanes_waiting */
};

/* lane.c */
/* The lane of that key, made if it is not there; NULL without memory. Touch it if nothing enters: an empty one goes again. */
struct tn_lane *tn_lane_get(struct tn_engine *engine, struct tn_target *target, const struct tn_id *id);
uint64_t tn_lane_next_seq(struct tn_engine *engine); /* behind all that came before */
/* Takes the next place in delivery->lane, and keeps it however long the delivery is not ready to start: until it ends. */
void tn_lane_enter(struct tn_engine *engine, struct tn_delivery *delivery);
void tn_lane_enter_row(struct tn_engine *engine, struct tn_lane *lane, struct tn_delivery *delivery, const struct tn_row *row);
void tn_lane_leave_it(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_delivery_state state);
static inline void tn_lane_leave(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_delivery_state state)
{
	if (delivery->lane != NULL) /* it ended so; NEW: a copy */
		tn_lane_leave_it(engine, delivery, state);
}
bool tn_lane_admits(const struct tn_engine *engine, const struct tn_delivery *delivery); /* may it stand in its target's line now? */
bool tn_lane_lets_in(const struct tn_delivery *delivery); /* HELD: may its transaction take it, as far as its lane goes? */
void tn_lane_attempt(struct tn_engine *engine, struct tn_lane *lane, int change); /* one began (+1), or is no more (-1) */
void tn_lane_order_changed(struct tn_engine *engine, struct tn_target *target); /* it orders now, or does no more */
void tn_lane_touch(struct tn_engine *engine, struct tn_lane *lane);            /* something changed: look at it before the next command */
void tn_lane_touch_all(struct tn_engine *engine, struct tn_target *target);
void tn_lane_advance_all(struct tn_engine *engine);
void tn_lane_free_all(struct tn_engine *engine, struct tn_target *target);

/* lane_wait.c */
void tn_lane_wait(struct tn_engine *engine, struct tn_delivery *delivery);     /* PENDING, ready, and not admitted: called in its turn */
bool tn_lane_keeps(const struct tn_engine *engine, const struct tn_delivery *delivery); /* not to be parked now */
bool tn_lane_follows(const struct tn_engine *engine, const struct tn_delivery *delivery); /* but perhaps when those before it are */
void tn_lane_stay(const struct tn_arrival_in_hand *arrival); /* draining: it does not go back, nor what is before it in its lanes */
int64_t tn_lane_due(const struct tn_engine *engine, const struct tn_delivery *delivery, int64_t due_ms); /* for its row */
/* Its park was refused; insists: it goes again. Those that were to follow it must not overtake it. */
void tn_lane_unparked(struct tn_engine *engine, struct tn_delivery *delivery, bool insists);

/* lane_rows.c */
bool tn_lane_found(struct tn_engine *engine, const struct tn_row *row);        /* PARKED or DEAD, at recovery. False: no memory */
bool tn_lane_takes(struct tn_engine *engine, struct tn_lane *lane, const struct tn_row *row); /* a due row: is it its turn? */
void tn_lane_ask(struct tn_engine *engine, struct tn_target *target);          /* fills reader.scan for the next of lanes_to_load */
void tn_lane_page(struct tn_engine *engine, struct tn_lane *lane, const struct tn_page *page);
void tn_lane_wake(struct tn_engine *engine, struct tn_target *target);

/* lane_block.c */
bool tn_lane_dies(const struct tn_engine *engine, const struct tn_delivery *delivery); /* it dies: true if that blocks its lane */
/* The dead letter under that key was moved: the lane it blocks, if any, goes on; redriven: with it, due at due_ms. */
void tn_lane_unblock(struct tn_engine *engine, struct tn_row_key key, bool redriven, int64_t due_ms);
/* The dead letter under that key blocks a lane, and row has its place there. */
bool tn_lane_is_blocked_at(const struct tn_engine *engine, struct tn_row_key key, const struct tn_row *row);
/* What is to be released in the store, since its target orders no more; the first count of it were. */
uint32_t tn_lane_fill_releases(const struct tn_engine *engine, struct tn_move_item *items, uint32_t capacity);
void tn_lane_releases_stored(struct tn_engine *engine, uint32_t count);

#endif
