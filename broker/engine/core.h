/* SPDX-License-Identifier: Apache-2.0
 *
 * core.h - the engine from inside: what it holds, and the small things that all its files use.
 *
 * Private to broker/engine, and included by every file of it; each noun has a header of its own. Who holds what:
 *
 *   arrival --- parcel (one event) --- delivery (one route)      arrival.h, delivery.h
 *                                          |
 *   target --- line of waiting deliveries --'--- slot (one attempt)      target.h, attempt.h
 *
 * Between them stand: what belongs to several deliveries of a target (lane.h), to several arrivals of a source (stream.h, txn.h), to events
 * of one key (dedup.h). journal.h writes, scan.h reads; moves.h is for dead letters.
 */
#ifndef TURNOUT_BROKER_ENGINE_CORE_H
#define TURNOUT_BROKER_ENGINE_CORE_H

#include <assert.h>
#include "turnout/engine.h"
#include "turnout/heap.h"
#include "turnout/list.h"
#include "turnout/map.h"
#include "turnout/random.h"
#include "dedup.h"
#include "delivery.h"
#include "failure.h"
#include "journal.h"
#include "scan.h"

/* Planted bugs (delivery-semantics section 23): a build with -DTN_MUTANT=n has bug n, for the simulator to catch. Never in a release.
 * Numbers up to 25 are that section's, as far as the parts they need are built. Of our own: 26 an attempt starts before the failure
 * counted before it is durable; 27 a lease is extended once and then forgotten; 28 a page older than what was settled meanwhile is
 * believed; 29 a row parked behind the cursor is never looked for; 30 a delivery counts before its reply is durable; 31 a transaction is
 * committed before all of it is staged; 32 what was staged counts as delivered although its transaction was aborted; 33 the first outcome
 * of a batch is taken for all; 40 a delivery in memory overtakes the parked rows of its lane; 41 a lane asks for the row behind the next
 * one. */
#ifndef TN_MUTANT
#define TN_MUTANT 0
#endif
#define TN_PLANT(n) (TN_MUTANT == (n))

enum {
	TN_LINGER_MS = 5000,           /* a cancelled attempt keeps its slot so long */
	TN_SINK_TRIES = 3,
	TN_SINK_PAUSE_MS = 100,        /* between quick tries */
	TN_HELD_MS = 30000,            /* a HOLD nobody ended is tried again */
	TN_COMMIT_MIN_MS = 100,        /* pause before a batch goes again, doubling */
	TN_COMMIT_MAX_MS = 5000,
	TN_SCAN_PAUSE_MS = 1000,       /* before a page that failed is asked for again */
	TN_MEMORY_PAUSE_MS = 100,      /* before a start that found no memory is tried again */
	TN_HEARTBEAT_MS = 10000,       /* engine time is persisted at least so often */
	TN_DROP_WAIT_MS = 20,          /* drops alone wait so long for other work to go with: a commit costs more than they do */
	TN_DROPS_WAITING = 256,        /* or until there are so many */
	TN_BATCH_OPS = 1024,
	TN_BATCH_BYTES = 4 << 20,      /* of event bytes; one event always fits */
	TN_REMEMBERED_MAX = 65536,     /* deliveries known by id so that a redelivered copy can join */
	TN_REMEMBERED_BYTES = 1024,    /* reckoned for each of them; they fill a quarter of the memory at most */
	TN_TEXT_MAX = 1024,            /* of a failure's message and sample, each */
	TN_CLAIM_WAIT_MS = 1000,       /* an arrival waits so long to learn whether it is a copy */
	TN_RECHECK_MAX_MS = 600000,    /* or for another process, each time */
	TN_TARGET_NO_MAX = 1 << 20,
	TN_TXN_EVENTS = 500, TN_TXN_MS = 200, /* what a transaction collects */
	TN_TXN_OPEN_MAX_MS = 30000,    /* and how long it may be open: half of what brokers allow */
	TN_LANE_SEQ_BITS = 20,         /* lane_seq: engine milliseconds, and so many bits for what came within one */
};

struct tn_engine {
	struct tn_engine_config config;
	struct tn_alloc alloc;
	struct tn_random random;
	uint64_t hash_key;
	int64_t now_ms;
	struct tn_books books;
	uint64_t next_seq;

	struct tn_heap backoffs, target_times;
	struct tn_map by_key, by_id, streams_by_number;
	struct tn_list arrivals, answers, tenures;
	struct tn_tenure *own_tenure;      /* of arrivals without a stream */
	struct tn_list settled;            /* arrivals with nothing unsettled that something still points into */
	struct tn_list loaded;             /* parcels from the store */
	struct tn_list streams, streams_dirty;
	struct tn_list txns, txns_touched;
	uint64_t txn_number;               /* the last one given */
	struct tn_list remembered;         /* by the time they were remembered */
	uint32_t remembered_count;
	struct tn_list graveyard;          /* left the store while a scan was out: its page may still show them */

	struct tn_target **targets;        /* by number; [0]: nobody, for numbers no table ever named */
	struct tn_target **target_list;    /* in order of appearance */
	uint32_t target_capacity, target_count, target_list_capacity;
	int64_t removal_grace_ms, rules_changed_ms;
	bool tabled;                       /* a first table came */
	bool found_blocks;                 /* of it */
	struct tn_queue_name *queues;      /* every one that was ever named: rows on their way point to them */
	struct tn_list ready_under, ready_over, scans;
	struct tn_map lanes, lanes_blocked;
	struct tn_list lanes_touched, lanes_standing, lanes_released;
	uint64_t lane_seq;                 /* the last one given */
	uint32_t in_flight, quarter;
	uint32_t orphans;                  /* slots whose result never came */

	struct tn_slot **slabs;
	uint32_t slab_count, slab_capacity;
	struct tn_list slots_free, lingering, cancels;
	bool ask_again;                    /* a start was looked for and something else was decided */
	int64_t start_at_ms;               /* starts wait after an allocation failed */

	uint32_t heap_room;                /* deliveries that may need a place in backoffs */
	size_t intake_limit_bytes, scan_bytes;
	size_t reply_bytes;                /* of replies in hand: they take no room from pages, which those before them may wait for */
	bool full, room_owed;

	struct tn_journal journal;
	struct tn_reader reader;
	struct tn_claims claims;

	bool draining, drained, drained_owed, drain_timed_out;
	int64_t drain_end_ms;

	struct tn_settlement settlement;   /* of the last ACK command */
	struct tn_failure *builtin[TN_FAILURE_BUILTINS];
	struct tn_failure builtins[TN_FAILURE_BUILTINS];
};

/* Saturating, for times. */
static inline int64_t tn_time_add(int64_t time_ms, int64_t more_ms)
{
	int64_t sum;
	return __builtin_add_overflow(time_ms, more_ms, &sum) ? INT64_MAX : sum;
}
static inline int64_t tn_time_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}
static inline int64_t tn_time_max(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* budget.c: blocks through the engine's seam, NULL without memory; and the budget of what is in hand. */
void *tn_budget_take(struct tn_engine *engine, size_t size);             /* charged */
void tn_budget_give(struct tn_engine *engine, void *block, size_t size); /* NULL is fine */
void *tn_budget_take_furniture(struct tn_engine *engine, size_t size);   /* the engine's own: not charged, zeroed */
void tn_budget_give_furniture(struct tn_engine *engine, void *block, size_t size); /* NULL is fine */
void tn_budget_charge(struct tn_engine *engine, size_t bytes);
void tn_budget_refund(struct tn_engine *engine, size_t bytes);
bool tn_budget_admits(struct tn_engine *engine, size_t bytes); /* false: full from now on, until half is free */

/* schedule.c: pure arithmetic of section 4. */
struct tn_schedule {
	int64_t next_ms;
	bool stop;
	enum tn_condition condition;       /* when stop */
};
/* After the failure just counted in tries. function_error: which counter grew. retry_after_ms: capped, or 0. */
struct tn_schedule tn_schedule_next(const struct tn_policy *policy, const struct tn_tries *tries, bool function_error, int64_t now_ms,
	int64_t retry_after_ms, struct tn_random *random);
bool tn_schedule_exhausted(const struct tn_policy *policy, const struct tn_tries *tries); /* by what is counted already */
bool tn_schedule_too_old(const struct tn_policy *policy, const struct tn_tries *tries, int64_t when_ms);

/* books.c */
void tn_books_count(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_delivery_state state); /* the move to state */
void tn_books_note(struct tn_engine *engine, enum tn_note_kind kind, const struct tn_delivery *delivery, const char *code,
	int64_t due_ms);
/* Of stories, where they are wanted: an attempt ended (not one at a dead-letter sink); its delivery is about to end, in state. */
void tn_books_note_attempt(struct tn_engine *engine, const struct tn_delivery *delivery, const struct tn_outcome *outcome);
void tn_books_note_end(struct tn_engine *engine, const struct tn_delivery *delivery, enum tn_delivery_state state, int32_t status);
void tn_books_note_unmatched(struct tn_engine *engine, const struct tn_offer *offer); /* TN_NOTES_ALL */
void tn_books_note_target(struct tn_engine *engine, enum tn_note_kind kind, const struct tn_target *target, const char *code,
	int64_t due_ms);

/* drain.c */
void tn_drain_tick(struct tn_engine *engine);
void tn_drain_waiting(struct tn_engine *engine, struct tn_delivery *delivery); /* it would wait; but we are draining */
bool tn_drain_next(struct tn_engine *engine, struct tn_command *out_command);

#endif
