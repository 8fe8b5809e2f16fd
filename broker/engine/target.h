/* SPDX-License-Identifier: Apache-2.0
 *
 * target.h - targets: the line of what waits for one, what is under way there, and what it has in the store.
 *
 * Made from the target table and kept as long as the engine: a number is for ever. Whoever changes what a target may do ends with
 * tn_target_update, which puts it into the rings where it belongs: of those that can start, of those with rows to load. Its one timer is
 * not later than the next thing it wants to do.
 */
#ifndef TURNOUT_BROKER_ENGINE_TARGET_H
#define TURNOUT_BROKER_ENGINE_TARGET_H

#include "turnout/heap.h"
#include "turnout/engine.h"
#include "turnout/list.h"
#include "pace.h"
struct tn_target {
	struct tn_target_limits limits;    /* name is ours */
	struct tn_heap_node timer;         /* not later than the next thing this target wants to do */
	struct tn_link ring;               /* engine->ready_under or ready_over: can start now */
	bool ring_over;                    /* which of them */
	struct tn_link scans;              /* engine->scans: has due rows to load */
	struct tn_list waiting;            /* PENDING deliveries, and BURYING ones whose sink this is */
	struct tn_list running;            /* slots, earliest deadline first */
	uint32_t waiting_count, in_flight;
	uint32_t hold_limit;               /* in flight at most so many, since a HOLD */
	uint64_t pending, backoff, parked, park_rows; /* park_rows: parked, being parked, or loaded from a PARKED row */
	uint64_t park_bytes;               /* of those rows */
	uint32_t loaded;
	int64_t paused_until_ms, held_until_ms, removed_until_ms;
	const char *pause_code;
	bool held, in_table;
	struct tn_breaker breaker;
	struct tn_rate rate;
	struct tn_retry_budget budget;
	struct tn_adaptive adaptive;
	struct tn_list stalled;            /* retries over the budget, which stepped aside from waiting; waiting_count has them */
	uint32_t stalled_count;
	uint64_t budget_waits;
	/* Due scan: rows up to (cursor_due_ms, cursor_key) are in hand. low_*: rows below it that must be read again. */
	int64_t cursor_due_ms, next_due_ms, low_due_ms, low_at_ms;
	struct tn_row_key cursor_key;
	uint64_t delivered, retried, dead, dropped, parks;
	/* Lanes. */
	struct tn_list lanes, lanes_to_load, lanes_resting; /* resting until lanes_again_ms */
	int64_t lanes_again_ms;
	uint32_t lane_count, lanes_waiting, lanes_blocked;
	uint64_t counted_seq;              /* since its lanes count: PARKED rows of lane_seqs below may be none of lane->parked */
	bool lane_turn;                    /* its next page is a lane's */
	/* Dead letters (moves.c). */
	struct tn_str queue;               /* among engine->queues */
	uint64_t dead_rows, dead_bytes;
	bool dead_full;
	uint64_t redriven, redrive_delivered, redrive_failed;
};

struct tn_target *tn_target_find(const struct tn_engine *engine, uint32_t target_no); /* never NULL: nobody, if unknown */
void tn_target_update(struct tn_engine *engine, struct tn_target *target); /* after any change: does it stand in the right rings? */
void tn_target_wake(struct tn_engine *engine, struct tn_target *target);   /* its timer fired */
void tn_target_arm(struct tn_engine *engine, struct tn_target *target, int64_t due_ms); /* not later than due_ms */
/* Its wish for peace, capped; the whole target keeps it. How long that is, or 0. */
int64_t tn_target_honour(struct tn_engine *engine, struct tn_target *target, const struct tn_outcome *outcome);
void tn_target_hold(struct tn_engine *engine, struct tn_target *target);
void tn_target_answered(struct tn_engine *engine, struct tn_target *target, uint32_t episode, const struct tn_outcome *outcome);
bool tn_target_expired(const struct tn_engine *engine, const struct tn_target *target); /* removed, and its grace is over */
bool tn_target_waits(const struct tn_engine *engine, const struct tn_target *target);   /* paused, held, or its breaker is open */
enum tn_status tn_target_new_nobody(struct tn_engine *engine) TN_MUST_CHECK;
void tn_target_free_all(struct tn_engine *engine);

#endif
