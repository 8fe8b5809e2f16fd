/* SPDX-License-Identifier: Apache-2.0
 *
 * core.h - the engine from inside: the structs its files share, and what each file does for the others.
 *
 * Private to broker/engine. Who holds what:
 *
 *   arrival --- parcel (one event) --- delivery (one route)      one block of memory, taken whole at admission
 *                                          |
 *   target --- line of waiting deliveries --'--- slot (one attempt), from slabs, reused
 *
 * A row loaded from the store is a parcel with one delivery and no arrival. Parcels let go of their event as soon as no delivery of
 * theirs needs it, blocks of their memory as soon as nothing points into them (tn_delivery_hold_or_let_go).
 */
#ifndef TURNOUT_BROKER_ENGINE_CORE_H
#define TURNOUT_BROKER_ENGINE_CORE_H

#include <assert.h>
#include "turnout/engine.h"
#include "turnout/heap.h"
#include "turnout/list.h"
#include "turnout/map.h"
#include "turnout/random.h"

/* Planted bugs (delivery-semantics section 23): a build with -DTN_MUTANT=n has bug n, for the simulator to catch. Never in a release.
 * Numbers up to 25 are that section's, as far as the parts they need are built. Of our own: 26 an attempt starts before the failure
 * counted before it is durable; 28 a page older than what was settled meanwhile is believed; 29 a row parked behind the cursor is
 * never looked for; 30 a delivery counts before its reply is durable; 31 a transaction is committed before all of it is staged; 32 what
 * was staged counts as delivered although its transaction was aborted; 33 the first
 * outcome of a batch is taken for all; 27 a lease is extended once and then forgotten; 40 a delivery in
 * memory overtakes the parked rows of its lane; 41 a lane asks for the row behind the next one. */
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

/* --- Failures: why the last attempt did not deliver (failure.c) --- */

struct tn_failure {                        /* counted, never changed */
	struct tn_outcome outcome;
	const char *constant_code;         /* outcome.code where that is constant text, else NULL: what may outlive this */
	uint32_t refs, size;               /* size 0: built into the engine, never freed */
	char text[];
};
enum tn_builtin { TN_FAILURE_TIMEOUT, TN_FAILURE_NO_TARGET, TN_FAILURE_PARK_FULL, TN_FAILURE_UNRECORDED,
	TN_FAILURE_REPLY_REFUSED,
	TN_FAILURE_POISON, TN_FAILURE_REPLY_LOOP, TN_FAILURE_POISON_CRASH, /* in order of enum tn_poison */
	TN_FAILURE_BUILTINS };

/* Returns owned a copy, texts cut; without memory the builtin "UNRECORDED" one. constant: so is outcome's code. */
struct tn_failure *tn_failure_new(struct tn_engine *engine, const struct tn_outcome *outcome, bool constant);
struct tn_failure *tn_failure_ref(struct tn_failure *failure);
void tn_failure_unref(struct tn_engine *engine, struct tn_failure *failure); /* NULL is fine */
void tn_failure_init_builtins(struct tn_engine *engine);
struct tn_failure *tn_failure_of_poison(struct tn_engine *engine, enum tn_poison poison);
/* What a row was buried for, by the code it kept. */
enum tn_poison tn_failure_poison(const struct tn_engine *engine, const struct tn_outcome *last);

/* --- Deliveries (delivery.c) --- */

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

/* --- Arrivals (arrival.c) --- */

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

/* --- Leases (lease.c) --- */

struct tn_tenure {                         /* what streams of equal leases share; kept for ever */
	struct tn_link link;               /* engine->tenures */
	int64_t lease_ms, settle_ms;
	struct tn_list overdue, lent;
};

/* --- Idempotency keys (dedup.c) --- */

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

/* --- Streams (stream.c) --- */

struct tn_stream {
	struct tn_map_node node;
	struct tn_link link;               /* engine->streams */
	struct tn_link dirty;              /* engine->streams_dirty: something to say */
	struct tn_list arrivals;           /* unanswered ones */
	struct tn_position position;       /* source, stream, epoch */
	struct tn_stream_terms terms;
	struct tn_tenure *tenure;
	uint32_t unsettled, credit;        /* credit: granted and not used yet */
	int64_t revoke_end_ms;
	bool open, revoked, done_owed;
	struct tn_txn *txn;                /* of its source; NULL: not transactional */
	struct tn_link of_txn, txn_touched; /* txn->streams, txn->touched */
	struct tn_arrival_in_hand *txn_last; /* the last of its arrivals that the transaction took; NULL: none */
};

/* --- Transactions (txn.c) --- */

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

/* --- Attempts (attempt.c) --- */

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

/* --- The circuit breaker of a target (breaker.c) --- */

enum { TN_BREAKER_BUCKETS = 10 };
struct tn_breaker {
	uint8_t state;                     /* enum tn_breaker_state */
	uint32_t episode;                  /* grows with each change of state: an attempt from before says nothing about now */
	uint32_t in_a_row;                 /* CLOSED: failures since the last good answer */
	uint32_t attempts, failures;       /* CLOSED: over all buckets */
	uint32_t probes, passed;           /* HALF_OPEN: under way; good answers so far */
	int64_t until_ms;                  /* OPEN. INT64_MAX: until an operator closes it */
	int64_t page_by_ms;                /* HALF_OPEN: what is parked may be older than what waits: the first page is awaited so long */
	int64_t pause_ms;                  /* how long it was open last; 0: closed since */
	const char *code;                  /* not CLOSED: what opened it */
	uint64_t opened;
	int64_t bucket_no;                 /* the newest one's, counted from time 0 */
	struct {
		uint32_t attempts, failures;
	} buckets[TN_BREAKER_BUCKETS];
};

/* --- What else a target may take (rate.c, retries.c, adaptive.c) --- */

struct tn_rate {
	int64_t level, at_ms;              /* parts of a token that there were at at_ms */
};
enum { TN_RETRY_BUCKETS = 11 };
struct tn_retry_budget {
	int64_t second;                    /* of the newest bucket; 0: no budget yet */
	uint32_t firsts, retries;          /* over all buckets */
	struct {
		uint32_t firsts, retries;
	} buckets[TN_RETRY_BUCKETS];
};
struct tn_adaptive {
	uint32_t limit, answers;           /* answers: of this window */
	uint32_t decreases;                /* how often the limit went down: an attempt from before the last time says nothing about now */
	uint64_t total_ms;                 /* that they took */
	int64_t mean, deviation;           /* of the windows before, in 1/1024 ms */
	bool reached, known;               /* reached: so many were under way in this window. known: there was one before */
};

/* --- Targets (target.c) --- */

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

/* --- Lanes (lane.c) --- */

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

/* --- The journal (journal.c) --- */

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

/* --- Reading the store (scan.c, recover.c) --- */

enum tn_scan_use { TN_SCAN_FOR_TRIED, TN_SCAN_FOR_JOINS, TN_SCAN_FOR_BLOCKS, TN_SCAN_FOR_OPEN, TN_SCAN_FOR_DUE, TN_SCAN_FOR_LANE };
struct tn_reader {
	struct tn_scan scan;
	struct tn_target *target;          /* DUE, LANE */
	struct tn_lane *lane;              /* LANE */
	enum tn_scan_use use;
	bool outstanding, submit;
	uint64_t token;
	int64_t not_before_ms;             /* after a failure */
	/* Recovery. */
	enum tn_scan_use stage;            /* FOR_DUE: those before are through */
	struct tn_row_key after;
	uint64_t end_seq;                  /* rows from here on are of this run */
	bool first_due_done;
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
bool tn_lane_admits(const struct tn_engine *engine, const struct tn_delivery *delivery);                       /* may it stand in its target's line now? */
bool tn_lane_lets_in(const struct tn_delivery *delivery); /* HELD: may its transaction take it, as far as its lane goes? */
void tn_lane_wait(struct tn_engine *engine, struct tn_delivery *delivery);     /* PENDING, ready, and not admitted: called in its turn */
void tn_lane_attempt(struct tn_engine *engine, struct tn_lane *lane, int change); /* one began (+1), or is no more (-1) */
bool tn_lane_keeps(const struct tn_engine *engine, const struct tn_delivery *delivery); /* not to be parked now */
bool tn_lane_follows(const struct tn_engine *engine, const struct tn_delivery *delivery); /* but perhaps when those before it are */
void tn_lane_stay(const struct tn_arrival_in_hand *arrival); /* draining: it does not go back, nor what is before it in its lanes */
int64_t tn_lane_due(const struct tn_engine *engine, const struct tn_delivery *delivery, int64_t due_ms); /* for its row */
/* Its park was refused; insists: it goes again. Those that were to follow it must not overtake it. */
void tn_lane_unparked(struct tn_engine *engine, struct tn_delivery *delivery, bool insists);
bool tn_lane_dies(const struct tn_engine *engine, const struct tn_delivery *delivery); /* it dies: true if that blocks its lane */
void tn_lane_set_blocked(struct tn_engine *engine, struct tn_lane *lane, bool blocked);
/* The dead letter under that key was moved: the lane it blocks, if any, goes on; redriven: with it, due at due_ms. */
void tn_lane_unblock(struct tn_engine *engine, struct tn_row_key key, bool redriven, int64_t due_ms);
void tn_lane_order_changed(struct tn_engine *engine, struct tn_target *target); /* it orders now, or does no more */
/* What is to be released in the store, since its target orders no more; the first count of it were. */
uint32_t tn_lane_fill_releases(const struct tn_engine *engine, struct tn_move_item *items, uint32_t capacity);
void tn_lane_releases_stored(struct tn_engine *engine, uint32_t count);
/* The dead letter under that key blocks a lane, and row has its place there. */
bool tn_lane_is_blocked_at(const struct tn_engine *engine, struct tn_row_key key, const struct tn_row *row);
void tn_lane_saw(struct tn_engine *engine, const struct tn_row *row);          /* a row of another run */
bool tn_lane_found(struct tn_engine *engine, const struct tn_row *row);        /* PARKED or DEAD, at recovery. False: no memory */
bool tn_lane_takes(struct tn_engine *engine, struct tn_lane *lane, const struct tn_row *row); /* a due row: is it its turn? */
void tn_lane_ask(struct tn_engine *engine, struct tn_target *target);          /* fills reader.scan for the next of lanes_to_load */
void tn_lane_page(struct tn_engine *engine, struct tn_lane *lane, const struct tn_page *page);
void tn_lane_wake(struct tn_engine *engine, struct tn_target *target);
void tn_lane_touch(struct tn_engine *engine, struct tn_lane *lane);            /* something changed: look at it before the next command */
void tn_lane_touch_all(struct tn_engine *engine, struct tn_target *target);
void tn_lane_advance_all(struct tn_engine *engine);
void tn_lane_free_all(struct tn_engine *engine, struct tn_target *target);

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

/* dedup.c */
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
void tn_txn_stream_ends(struct tn_engine *engine, struct tn_stream *stream); /* before its arrivals are abandoned */
void tn_txn_advance_all(struct tn_engine *engine);
void tn_txn_tick(struct tn_engine *engine);
int64_t tn_txn_deadline(const struct tn_engine *engine);
bool tn_txn_next(struct tn_engine *engine, struct tn_command *out_command);
void tn_txn_drain(struct tn_engine *engine);                    /* just begun */
void tn_txn_give_up(struct tn_engine *engine);                  /* drain timed out */
bool tn_txn_idle(const struct tn_engine *engine);               /* no answer is awaited */
void tn_txn_free_all(struct tn_engine *engine);

/* stream.c */
void tn_stream_lose(struct tn_engine *engine, struct tn_stream *stream); /* as if it had been said */
void tn_stream_abandon(struct tn_engine *engine, struct tn_stream *stream); /* what is unanswered gets no answer */
struct tn_stream *tn_stream_find(const struct tn_engine *engine, struct tn_position position);
void tn_stream_took(struct tn_engine *engine, struct tn_stream *stream);     /* one position came */
void tn_stream_answered(struct tn_engine *engine, struct tn_stream *stream); /* one was answered */
void tn_stream_say(struct tn_engine *engine, struct tn_stream *stream);
void tn_stream_say_all(struct tn_engine *engine);
bool tn_stream_window_high(const struct tn_engine *engine, const struct tn_stream *stream);
void tn_stream_tick(struct tn_engine *engine);
int64_t tn_stream_deadline(const struct tn_engine *engine);
bool tn_stream_next(struct tn_engine *engine, struct tn_command *out_command);
void tn_stream_finish_all(struct tn_engine *engine); /* drain: STREAM_DONE for each */
void tn_stream_free_all(struct tn_engine *engine);

/* attempt.c */
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

/* target.c */
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

/* breaker.c */
void tn_breaker_default(struct tn_breaker_limits *limits); /* what is 0 */
/* An attempt got its result, or its time was up. episode: the slot's. */
void tn_breaker_answered(struct tn_engine *engine, struct tn_target *target, uint32_t episode, const struct tn_outcome *outcome);
uint32_t tn_breaker_started(struct tn_target *target);  /* an attempt: answers the episode */
void tn_breaker_wake(struct tn_engine *engine, struct tn_target *target); /* is it time for a probe? */
void tn_breaker_changed(struct tn_engine *engine, struct tn_target *target); /* its settings: a probe at once */
int64_t tn_breaker_deadline(const struct tn_engine *engine, const struct tn_target *target);
bool tn_breaker_allows(const struct tn_engine *engine, const struct tn_target *target); /* HALF_OPEN: one more probe now */
struct tn_link *tn_breaker_choose(const struct tn_target *target); /* HALF_OPEN: the oldest in line */
/* True: it is open, and delivery, which would wait in line, is parked instead; it may be freed. */
bool tn_breaker_keeps(struct tn_engine *engine, struct tn_delivery *delivery);

/* rate.c */
bool tn_rate_allows(const struct tn_engine *engine, const struct tn_target *target); /* one more attempt now */
int64_t tn_rate_deadline(const struct tn_engine *engine, const struct tn_target *target); /* of the next token, while there is none */
uint32_t tn_rate_tokens(const struct tn_engine *engine, const struct tn_target *target);
void tn_rate_started(struct tn_engine *engine, struct tn_target *target);
void tn_rate_changed(struct tn_engine *engine, struct tn_target *target, const struct tn_rate_limits *before);
/* retries.c */
void tn_retries_init(const struct tn_engine *engine, struct tn_target *target); /* its limits are known, or others */
bool tn_retries_allow(const struct tn_engine *engine, struct tn_target *target); /* one more retry now */
bool tn_retries_is_one(const struct tn_delivery *delivery); /* in line */
bool tn_retries_count(const struct tn_engine *engine, struct tn_target *target, const struct tn_delivery *delivery); /* is about to start;
                                                                                                                       is it a retry? */
void tn_retries_give_back(const struct tn_engine *engine, const struct tn_slot *slot, const struct tn_result *result);
int64_t tn_retries_deadline(const struct tn_engine *engine, const struct tn_target *target); /* of the next second, while some wait */
void tn_retries_unstall(struct tn_target *target);      /* all into one line again */
struct tn_link *tn_retries_choose(struct tn_engine *engine, struct tn_target *target); /* who starts; NULL: all are over budget */
/* adaptive.c: for targets that are */
void tn_adaptive_init(struct tn_target *target);
uint32_t tn_adaptive_started(struct tn_target *target); /* in_flight has it; answers what the slot is to keep */
void tn_adaptive_answered(const struct tn_engine *engine, const struct tn_slot *slot, const struct tn_outcome *outcome);
void tn_adaptive_timed_out(const struct tn_slot *slot);

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

/* moves.c: dead letters, as their targets and the operator see them. */
bool tn_moves_pending(const struct tn_engine *engine);  /* waiting for a batch, and nothing speaks against it */
enum tn_line tn_moves_line(const struct tn_engine *engine);
void tn_moves_take_own(struct tn_engine *engine);               /* if nobody else's are under way */
void tn_moves_finish(struct tn_engine *engine, bool ok, bool doubtful); /* what became of the moves in the batch */
bool tn_moves_next(struct tn_engine *engine, struct tn_command *out_command);
void tn_moves_add_dead(struct tn_engine *engine, struct tn_target *target, int change, uint64_t bytes);
void tn_moves_check_full(struct tn_engine *engine, struct tn_target *target); /* its cap or its dead letters changed */
void tn_moves_first_result(struct tn_engine *engine, const struct tn_delivery *delivery, bool delivered); /* before it is counted */
struct tn_queue_name {
	struct tn_queue_name *next;
	size_t len;
	char text[];
};
/* A lasting copy of a queue's name; bytes NULL without memory. */
struct tn_str tn_moves_queue_name(struct tn_engine *engine, struct tn_str name);
void tn_moves_fini(struct tn_engine *engine);

/* scan.c */
void tn_scan_row_parked(struct tn_engine *engine, struct tn_target *target, int64_t due_ms); /* a PARKED row is in the store */
bool tn_scan_wanted(const struct tn_engine *engine, const struct tn_target *target);
bool tn_scan_under_way(const struct tn_engine *engine, const struct tn_target *target);
void tn_scan_check_low(struct tn_engine *engine, struct tn_target *target);
bool tn_scan_next(struct tn_engine *engine, struct tn_command *out_command);
int64_t tn_scan_deadline(const struct tn_engine *engine);
bool tn_scan_sees_parked(const struct tn_engine *engine); /* a page is on its way that may show PARKED or DEAD rows as they were */
/* In hand, and ready. False: not before *out_again_ms. */
bool tn_scan_take_lane_row(struct tn_engine *engine, struct tn_lane *lane, const struct tn_page *page, uint32_t index,
	int64_t *out_again_ms);
/* One row as a parcel with one delivery, not in the books yet. NULL without memory. event may be NULL. */
struct tn_delivery *tn_scan_load(struct tn_engine *engine, const struct tn_page *page, uint32_t index, bool with_event);

/* recover.c */
bool tn_recover_next_scan(struct tn_engine *engine); /* fills reader.scan; false: nothing to recover now */
void tn_recover_page(struct tn_engine *engine, const struct tn_page *page);
void tn_recover_remember(struct tn_engine *engine, struct tn_delivery *delivery); /* so that a redelivered copy joins it */
/* Joins delivery (NEW) to what is remembered under its id. True: it is parked already, nothing is left to do. */
bool tn_recover_join(struct tn_engine *engine, struct tn_delivery *delivery);
void tn_recover_forget(struct tn_engine *engine, struct tn_delivery *delivery);
void tn_recover_tick(struct tn_engine *engine);
int64_t tn_recover_deadline(const struct tn_engine *engine);

/* drain.c */
void tn_drain_tick(struct tn_engine *engine);
void tn_drain_waiting(struct tn_engine *engine, struct tn_delivery *delivery); /* it would wait; but we are draining */
bool tn_drain_next(struct tn_engine *engine, struct tn_command *out_command);

#endif
