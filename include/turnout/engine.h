/* SPDX-License-Identifier: Apache-2.0
 *
 * engine.h - the delivery engine: it decides, and does nothing else.
 *
 * One engine a bus, on one loop thread. It has no clock, no socket, no thread, no file: facts come in as calls (arrivals, results,
 * store completions, time), decisions go out as commands, pulled one by one. The real host and the simulator carry them out alike,
 * so what is simulated is what runs. Same inputs, same seed: same commands, bit for bit. Arithmetic is in integers.
 *
 * One turn of the loop: tick, any inputs, then next() until it answers false, then sleep until deadline() or the next fact.
 * No call calls back. Four rules hold everywhere:
 *   (1) Only admission can be refused (offer, move, reload): what was admitted needs no further allocation to reach its end.
 *   (2) Each START gets exactly one result, each STORE one completion, each SCAN one page, each position one answer (an ACK, a
 *       RELEASE, or its stream's end).
 *   (3) What a command points to is frozen until its answer comes (START: the result; STORE: the completion; SCAN: the page); for all
 *       other commands until the next call of next(). Any thread may read it until then.
 *   (4) Within a stream, and among batches, things come in order; between channels any order may happen.
 *
 * A delivery's states (delivery-semantics section 2):
 *
 *   offer --> PENDING --START--> INFLIGHT --DELIVERED--> settled
 *               ^  ^                | RETRY/THROTTLED     REJECTED, exhausted, missing resource
 *               |  '---- due ---- BACKOFF                      |
 *               |                   | too far away             v
 *   due scan ---'     PARKED <-- PARKING                    BURYING --> DEAD (settled)
 *
 * Exactly once (section 22): what a source with transactions hands over is settled by its transaction alone, one at a time for all of
 * its streams. Targets of the source's own cluster are members: their attempts carry the transaction's number, and what they accept is
 * STAGED until the commit, which is the ack of all positions in it. Other targets settle, or park, before the transaction takes an event.
 *
 *   PENDING --START(txn)--> INFLIGHT --STAGED--> STAGED --committed--> settled
 *      ^                        |                   |
 *      '---- aborted: any other outcome, anywhere --'   not an attempt; staged again from memory in the next one
 *
 * Counting (promise 4): a retryable failure is durable before that delivery's next attempt starts: in its row if it has one (journal,
 * parked), else in a TRIED row written during the backoff. Settlement drops the row.
 */
#ifndef TURNOUT_ENGINE_H
#define TURNOUT_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/alloc.h"
#include "turnout/event.h"
#include "turnout/id.h"
#include "turnout/outcome.h"
#include "turnout/position.h"
#include "turnout/ruleset.h"
#include "turnout/status.h"
#include "turnout/store.h"

struct tn_engine;

/* --- Targets, as far as the engine needs them --- */

enum tn_on_park_full { TN_PARK_FULL_PAUSE, TN_PARK_FULL_DEAD_LETTER };
enum tn_on_config_error { TN_CONFIG_HOLD, TN_CONFIG_DEAD_LETTER };
enum tn_dead_overflow { TN_DEAD_STOP, TN_DEAD_DROP_OLDEST };

enum tn_breaker_state { TN_BREAKER_CLOSED, TN_BREAKER_HALF_OPEN, TN_BREAKER_OPEN };
struct tn_breaker_limits {                /* a number that is 0: its default, in brackets */
	bool on;                          /* false: only an operator opens it, or an answer that needs one */
	uint32_t in_a_row;                /* opens after so many failures one after the other [10] */
	uint32_t attempts, percent;       /* or when of so many [20] or more attempts in window_ms so many percent [50] or more failed */
	int64_t window_ms;                /* [30,000] */
	int64_t open_ms, open_max_ms;     /* stays open so long [30,000], and a tenth at most more; twice as long each time it opens again, up
	                                     to [300,000] */
};

/* So many attempts in period_ms [1,000], and up to burst [count] at once. count 0: no limit. */
struct tn_rate_limits {
	uint32_t count, burst;
	int64_t period_ms;
};
/* Over 10 s, at most percent of the first attempts and per_second are retries; both 0: [20] and [10]. What is over waits. */
struct tn_retry_limits {
	bool on;
	uint32_t percent, per_second;
};

struct tn_target_limits {
	struct tn_str name;               /* copied */
	uint32_t target_no;               /* 1 and up; the same name has the same number for ever */
	bool removed;                     /* no longer configured, rows may remain: after removal_grace they go DEAD NO_TARGET */
	uint32_t max_in_flight;           /* [64] */
	int64_t timeout_ms;               /* of one attempt; the engine's deadline */
	uint32_t batch_items;             /* so many events in one attempt at most; 0: it takes no batches */
	size_t batch_bytes;               /* and so many bytes of events; one always fits */
	uint32_t park_rows;               /* park cap [100,000] */
	uint64_t park_bytes;              /* likewise, of tn_store_row_bytes; 0: no cap. A row that begins below it is parked whole */
	uint32_t park_rows_kept;          /* park cap for deliveries whose source keeps a copy and waits for nothing (a broker); 0: park_rows */
	enum tn_on_park_full on_park_full;
	enum tn_on_config_error on_credential_error; /* [hold]: the breaker is forced open */
	enum tn_on_config_error on_missing;          /* [dead_letter] */
	struct tn_breaker_limits breaker;
	struct tn_rate_limits rate;
	struct tn_retry_limits retries;
	bool adaptive;                    /* attempts at once are as many as it bears, from 4 up to max_in_flight, at most 200 */
	uint64_t settings;                /* of any meaning: another number says that how it is reached changed, so that an open breaker
	                                     probes at once */
	int64_t retry_after_max_ms;       /* [3,600,000]; 0: Retry-After is ignored */
	uint32_t dead_letter_no;          /* target number of its dead-letter sink, or 0: the store */
	uint64_t found_parked;            /* PARKED rows of it when the store was opened. Read from the first table only, which
	                                     therefore names every target that has rows, removed ones too */
	uint64_t found_parked_bytes;      /* likewise */
	struct tn_str queue;              /* its dead letters' queue in the store, at most 64 bytes (copied); empty: "default" */
	uint64_t dead_max_bytes;          /* of its dead letters (tn_dead_letter_bytes); 0: no cap */
	enum tn_dead_overflow dead_overflow; /* STOP: beyond the cap the target rests, DEAD_LETTERS_FULL, until some have gone */
	bool ordered;                     /* its lanes count. Turned off, they are free: who waits in them starts, and what blocks them is
	                                     released, so that they begin afresh when it is turned on again */
	bool park_ordered;                /* ordered deliveries are parked although their stream may move to another process */
	uint64_t found_dead_rows, found_dead_bytes; /* DEAD rows of it when the store was opened; read from the first table only */
	uint32_t cluster;                 /* of brokers, that it is a topic of: a member of the transactions of sources of the same number;
	                                     0: of none */
};
/* What one dead letter counts for, wherever it is counted: its event, and a row. */
static inline uint64_t tn_dead_letter_bytes(const struct tn_event *event)
{
	return tn_store_row_bytes(event);
}
struct tn_target_table {
	const struct tn_target_limits *targets;
	uint32_t count;
	int64_t removal_grace_ms;         /* [600,000] */
	bool found_blocks;                /* when the store was opened, a dead letter may have blocked its lane; read from the first table only */
};

/* --- Facts that come in --- */

/* When may the source forget? SETTLED: it keeps a copy (a broker, a waiting client). JOURNALED: nobody else has it (HTTP durable), so we
 * must have it on disk before we answer. */
enum tn_ack_when { TN_ACK_SETTLED, TN_ACK_JOURNALED };

/* Why an event goes to the poison route, whose only step is burying: what its dead letter says. */
enum tn_poison {
	TN_POISON_UNREADABLE,             /* POISON: no event, or no rule could be judged on it */
	TN_POISON_REPLY_LOOP,             /* REPLY_LOOP: a reply to a reply to ... */
	TN_POISON_CRASH,                  /* POISON_CRASH: it ended the process too often; not looked at */
};

struct tn_offer {                         /* one event with its matches; all copied or referenced by the engine */
	struct tn_event *event;           /* the engine takes a ref of its own */
	struct tn_ruleset *ruleset;       /* likewise: held until the last delivery ends. NULL: the routes outlive the engine */
	struct tn_id dedup_key;           /* its idempotency key, scope included (section 11); zero: none; of a reply it is ignored */
	uint64_t fingerprint;             /* of its payload: the same key with another one is a conflict */
	const struct tn_match *matches;
	uint32_t match_count;             /* 0: no rule matched; settled at once, counted unmatched */
	struct tn_str origin;             /* the position as its connector describes it (JSON), for rows; may be empty */
	enum tn_poison poison;            /* of matches with the poison route */
};
struct tn_dedup_terms {                   /* of the source, for offers with a key */
	int64_t window_ms;                /* a key is known so long after its event was journaled or settled */
	bool strict;                      /* SETTLED: the ack waits until the key is durable */
	bool hold;                        /* no answer about a key: wait for one (a source that answers: UNAVAILABLE); else admit */
};
struct tn_arrival {                       /* one message or request: one position, one answer, 0..n events (a batch is one arrival) */
	struct tn_position position;
	enum tn_ack_when ack_when;
	struct tn_dedup_terms dedup;
	uint64_t parent;                  /* a reply: the token of the attempt that answered with it; then position is not looked at,
	                                     ack_when is JOURNALED, and no answer comes. Else 0 */
	uint32_t hops;                    /* of a reply: those of the item it answers, and one */
	const struct tn_offer *offers;
	uint32_t count;
};

struct tn_result {
	uint64_t token;
	uint32_t count;                   /* 1: the outcome of all items; or one an item, in order */
	const struct tn_outcome *outcomes;
};

enum tn_stream_event {
	TN_STREAM_OPENED,                 /* credit follows */
	TN_STREAM_REVOKED,                /* give up within grace_ms; STREAM_DONE follows the last ACK */
	TN_STREAM_LOST,                   /* gone: no ack can be sent; unjournaled pending work is released, journaled work goes on */
};

/* What a source's kind and settings make of its streams. {0} will do for one that keeps its copy for ever. */
struct tn_stream_terms {
	int64_t lease_ms;                 /* its positions are lent for so long: EXTEND at each third; half of it bounds settling. 0: no lease */
	uint32_t window;                  /* unsettled positions; 0: config.window */
	bool moves;                       /* another process may own it next: ordered deliveries are held rather than parked (section 12) */
	bool answers;                     /* its sender waits for a verdict (HTTP) */
	bool cumulative;                  /* an ACK is for its position and all before it: said only when all of these are settled */
	bool transactional;               /* exactly once: no ACK is said, positions are committed with what was written for them. Arrivals are
	                                     ACK_SETTLED. All streams of a source share one transaction at a time */
	uint32_t cluster;                 /* transactional: targets of this number are members; 0: there are none */
	uint32_t txn_events;              /* transactional: a transaction takes so many events [500] */
	int64_t txn_ms;                   /* or collects so long [200], whichever comes first */
};

/* What became of a transaction: the one answer to TXN_COMMIT and to TXN_ABORT, once it is certain. */
enum tn_txn_end {
	TN_TXN_COMMITTED,                 /* what was staged is there, and so are the positions */
	TN_TXN_ABORTED,                   /* neither is. Also without having been asked, while a transaction is open: it goes again */
	TN_TXN_FENCED,                    /* another process has the source's transactions, at any time: all its streams are lost */
};

/* What a store of idempotency keys knows of one: the answer to TN_CLAIM. */
enum tn_claim {
	TN_CLAIM_NOTHING,                 /* or expired: it is ours now */
	TN_CLAIM_DONE,                    /* accepted and durable, or settled; with this fingerprint */
	TN_CLAIM_ELSEWHERE,               /* at work in another process; ask again after recheck_ms */
	TN_CLAIM_ERROR,                   /* nobody can say */
};
struct tn_claim_answer {
	enum tn_claim claim;
	uint64_t fingerprint;             /* DONE */
	int64_t recheck_ms;               /* ELSEWHERE */
};

/* REDRIVE: DEAD -> PARKED, due now. PURGE: gone. INSERT: dead letters from elsewhere, under new keys. RELEASE: stays
 * a dead letter, and blocks its lane no more (as REDRIVE and PURGE do too). RESEND: gone, and in its place, in the same
 * transaction, PARKED rows of its event under a new key, due now. */
enum tn_move { TN_MOVE_REDRIVE, TN_MOVE_PURGE, TN_MOVE_INSERT, TN_MOVE_RELEASE, TN_MOVE_RESEND };
struct tn_move_item {
	struct tn_row_key key;            /* not for INSERT */
	uint32_t target_no;               /* of the row */
	uint64_t bytes;                   /* tn_dead_letter_bytes of its event */
	struct tn_row *row; /* INSERT: DEAD, without a key, which is filled in; borrowed, as the event, until MOVED.
	                       RESEND: likewise, the first of row_count; tries are filled in too, and lane_seq, where
	                       there is a lane and it is 0: behind all that came before */
	uint32_t row_count; /* RESEND: 1 and up */
	struct tn_event *event;
};
struct tn_moves {
	enum tn_move move;
	uint64_t token;                   /* comes back with MOVED */
	uint64_t as_of;                   /* tn_engine_moves_ended before the rows were read; INSERT: not looked at */
	const struct tn_move_item *items; /* copied; each row is named once */
	uint32_t count;                   /* at most TN_MOVES_MAX; RESEND: at most TN_MOVES_OPS, a letter being 2 and one a row */
};
enum { TN_MOVES_MAX = 512, TN_MOVES_OPS = 2 * TN_MOVES_MAX };

/* --- Decisions that go out --- */

enum tn_purpose { TN_TO_TARGET, TN_TO_DEAD_LETTER }; /* a sink is a target: same limits, same verdicts */

struct tn_item {
	struct tn_event *event;
	const struct tn_route *route;     /* TO_DEAD_LETTER: the route that died, not the sink's */
	struct tn_id id;
	struct tn_tries tries;            /* before this attempt: attempt number = system + function + 1 */
	const struct tn_outcome *last;    /* the failure before, or NULL. TO_DEAD_LETTER: why it died */
	enum tn_condition condition;      /* TO_DEAD_LETTER */
	struct tn_str origin;
	uint32_t hops;                    /* the event came back to the bus so many times, as the reply to one before */
};
struct tn_attempt {
	uint64_t token;
	uint64_t txn;                     /* not 0: inside this transaction of the source. DELIVERED and STAGED say the same then: written. What
	                                     comes after its TXN_ABORT is no failure, unless REJECTED or MISCONFIGURED */
	uint32_t target_no;               /* where it goes (the sink, when TO_DEAD_LETTER) */
	uint32_t waiting;                 /* how many stand behind these */
	enum tn_purpose purpose;
	int64_t timeout_ms;
	const struct tn_item *items;
	uint32_t count;                   /* above 1: a batch. Never for dead letters, and never while the breaker probes */
	bool batch;                       /* the target takes batches: the batch form even for one item */
};

enum tn_answer {
	TN_ANSWER_SETTLED,                /* every delivery settled: the counts below say how */
	TN_ANSWER_JOURNALED,              /* durable; the rest is our business */
	TN_ANSWER_DUPLICATE,              /* every event of it is a copy of one that is durable or settled */
	TN_ANSWER_UNAVAILABLE,            /* refused by the store: nothing was kept, retry_after_ms says when to come again.
	                                     For ACK_JOURNALED arrivals before any attempt, and to a source that answers while
	                                     idempotency keys cannot be looked up */
	TN_ANSWER_BUSY,                   /* only to a source that answers: a copy of an event that is at work (ACK_SETTLED) */
	TN_ANSWER_CONFLICT,               /* likewise: its key belongs to another payload; nothing of it was taken */
};
struct tn_settlement {
	enum tn_answer answer;
	uint32_t delivered, parked, dead, dropped;
	int64_t retry_after_ms;
	const char *code;                 /* of the worst outcome: constant text, or NULL. "TIMEOUT" tells 504 from 502 */
};

enum tn_command_kind {
	TN_START,        /* attempt. Answer: tn_engine_result */
	TN_CANCEL,       /* token: its time is up; hurry the one result (it still must come) */
	TN_ACK,          /* position, settlement: the source may forget it; on a cumulative stream all before it, too */
	TN_EXTEND,       /* position: still at work, where its stream has a lease */
	TN_RELEASE,      /* position, delay_ms: give it back, undone */
	TN_CREDIT,       /* position's source and stream, credit: it may hand over so many more */
	TN_STREAM_DONE,  /* position's stream and epoch: the last ACK was sent */
	TN_STORE,        /* batch. Answer: tn_engine_stored. At most one outstanding batch is required; more are in order */
	TN_SCAN,         /* scan. Answer: tn_engine_page */
	TN_ROOM,         /* offers that were TN_FULL may be tried again */
	TN_DRAINED,      /* drain is complete (timed_out says how) */
	TN_CLAIM,        /* token, keys, key_count: what is known of these idempotency keys? Answer: tn_engine_claimed */
	TN_MOVED,        /* token, moved: what tn_engine_move took has come to its end; 0: a full store refused it, whole */
	TN_TXN_COMMIT,   /* token: the transaction; position's source; positions, count: the last one of each stream (with which all before it
	                    are settled). Answer: tn_engine_txn. No command names a transaction before the answer to the one before it;
	                    the first that names it begins it: a START, or this one */
	TN_TXN_ABORT,    /* token, position's source: nothing of it may ever be seen. Answer: tn_engine_txn */
};
struct tn_command {
	enum tn_command_kind kind;
	uint64_t token;
	struct tn_position position;
	uint32_t credit;
	int64_t delay_ms;
	bool timed_out;
	uint32_t moved;
	const struct tn_attempt *attempt;
	const struct tn_settlement *settlement;
	const struct tn_batch *batch;
	const struct tn_scan *scan;
	const struct tn_id *keys;
	uint32_t key_count;
	const struct tn_position *positions;
	uint32_t count;
};

/* --- Notes: decisions told to whoever writes logs and traces --- */

enum tn_note_kind { TN_NOTE_RETRY, TN_NOTE_PARKED, TN_NOTE_DEAD, TN_NOTE_DROPPED, TN_NOTE_TIMEOUT, TN_NOTE_LATE_SUCCESS, TN_NOTE_ORPHAN,
	TN_NOTE_COMMIT_UNKNOWN, TN_NOTE_COMMIT_REFUSED, TN_NOTE_TARGET_PAUSED, TN_NOTE_PARK_FULL, TN_NOTE_NO_TARGET, TN_NOTE_MEMORY_FULL,
	TN_NOTE_STALE_ACK, TN_NOTE_DEAD_FULL, TN_NOTE_BREAKER_OPENED, TN_NOTE_BREAKER_HALF_OPEN, TN_NOTE_BREAKER_CLOSED,
	TN_NOTE_REPLY_REFUSED, TN_NOTE_LANE_BLOCKED,
	/* Of stories only (enum tn_note_detail): */
	TN_NOTE_ATTEMPT,                  /* one ended, not DELIVERED: what came of it is noted next. HOLD is no attempt */
	TN_NOTE_DELIVERED, TN_NOTE_RELEASED, TN_NOTE_UNMATCHED };
/* What is noted beside decisions. FAILED: the attempts that failed, and the end of every delivery that was ever more than a first try that
 * went well, so that those which go well cost nothing. ALL: the end of every delivery, and events that no rule matched. */
enum tn_note_detail { TN_NOTES_DECISIONS, TN_NOTES_FAILED, TN_NOTES_ALL };
struct tn_note {
	enum tn_note_kind kind;
	const char *code;                 /* constant text */
	struct tn_str rule, target;
	struct tn_id id;
	uint32_t attempts;
	int64_t due_ms;                   /* engine time of the next try, or 0 */
	int32_t status;
	struct tn_str message;
	/* Of notes about a delivery: */
	const struct tn_event *event;     /* also UNMATCHED */
	struct tn_str origin;             /* likewise */
	uint32_t redrives;
	int64_t latency_ms;               /* ATTEMPT, DELIVERED: engine time from START; -1: not known */
};

struct tn_engine_config {
	uint32_t max_in_flight;           /* over all targets [4,096] */
	size_t memory_bytes;              /* events and deliveries in hand [64 MiB]; credit stops at 100%, resumes at 50% */
	uint32_t window;                  /* unsettled positions of one stream [1,000] */
	int64_t park_after_ms;            /* [10,000] */
	int64_t settle_deadline_ms;       /* [15,000] */
	int64_t recover_window_ms;        /* [600,000] */
	int64_t revoke_grace_ms;          /* [5,000] */
	uint32_t page_rows;               /* [256] */
	size_t page_bytes;                /* [1 MiB] */
	uint32_t max_uncommitted;         /* [1,024] while so many ends of deliveries are not durable yet, no attempt starts: a crash repeats
					   * at most these and the attempts under way */
	uint64_t next_seq;                /* from the store: first event sequence not yet used */
	bool recover;                     /* there is a store with possible rows: scan OPEN, TRIED and due PARKED rows first */
	uint64_t store_rows;              /* rows found at start, all states: bounds recovery */
	void (*note)(void *arg, const struct tn_note *note); /* must not call the engine; strings live for the call; NULL: none */
	void *note_arg;
	enum tn_note_detail note_detail;
};
/* The bracketed defaults above. */
extern const struct tn_engine_config tn_engine_config_default;

/* --- The books (promise 2). Counters only grow; gauges say now. --- */

struct tn_books {
	uint64_t matched, recovered, redriven;            /* left side */
	uint64_t delivered, dead, dropped, released;      /* right side, with: */
	uint64_t parked;                                  /* gauge: deliveries in PARKED rows */
	uint64_t pending, backoff, inflight, staged, parking, burying; /* gauges: in hand */
	uint64_t accepted, unmatched, retried, parks, late_success, orphaned_attempts, commit_unknown, commit_refused, ack_sent,
		stale_acks, poison, no_target, attempts, refused_full,
		extended,                         /* leases: how often a position was said to be still at work */
		joined,                           /* redelivered copies that found their PARKED row: not matched again */
		deduplicated,                     /* events that were copies of one that is durable or settled: not matched */
		skipped,                          /* the deliveries these would have had */
		dedup_conflict,                   /* events whose key belonged to another payload */
		dedup_unknown,                    /* events admitted although nobody could say whether they are copies */
		redrive_delivered, redrive_failed; /* what came of the first attempts of redriven ones */
	uint64_t replies, replies_refused;                /* events that targets answered with, and those the store had no room for */
	uint64_t reply_loop, quarantined;                 /* of poison: see enum tn_poison */
	uint64_t staged_aborted;                          /* deliveries that were staged, and whose transaction was aborted */
	uint64_t replying;                                /* gauge, of inflight: answered with an event that is not durable yet */
	uint64_t keys_in_progress;                        /* gauge: idempotency keys in memory */
	uint64_t unclaimed;                               /* gauge: deliveries of arrivals that wait to learn whether they are copies */
	uint64_t tried_rows, open_rows;                   /* gauges: rows in the store that belong to deliveries in hand */
	uint64_t uncommitted;                             /* gauge: deliveries that came to their end, and whose row is not durably gone yet */
	uint64_t memory_bytes;                            /* gauge */
	int64_t oldest_accepted_ms;                       /* engine time of the oldest event in hand, or INT64_MAX */
};
/* Engine time that source's oldest unsettled event of this run was accepted, or INT64_MAX. */
int64_t tn_engine_oldest_of(const struct tn_engine *engine, uint32_t source);
/* matched + recovered + redriven == delivered + dead + dropped + released + parked + in hand */
bool tn_books_closed(const struct tn_books *books);

struct tn_target_view {                   /* one target for status and metrics */
	struct tn_str name;
	uint32_t target_no;
	bool removed, ordered;
	uint32_t in_flight, max_in_flight;
	uint64_t pending, backoff, parked;
	uint64_t delivered, retried, dead, dropped, parks;
	int64_t paused_until_ms;          /* Retry-After; 0: not paused */
	const char *pause_code;
	uint32_t lanes, lanes_waiting, lanes_blocked; /* keys with something in hand or parked; those where something waits its turn; for an operator */
	struct tn_str queue;              /* of its dead letters; empty: "default" */
	uint64_t dead_rows, dead_bytes, dead_max_bytes; /* in the store */
	bool dead_full;                   /* it rests until dead letters have gone: pause_code is DEAD_LETTERS_FULL */
	uint64_t redriven, redrive_delivered, redrive_failed;
	enum tn_breaker_state breaker;
	int64_t breaker_until_ms;         /* OPEN: until then; INT64_MAX: until the operator closes it */
	const char *breaker_code;         /* not CLOSED: what opened it */
	uint64_t breaker_opened;          /* how often it did */
	uint64_t parked_bytes;            /* of rows parked, being parked, or loaded from a PARKED row */
	uint32_t limit;                   /* attempts at once as things are: max_in_flight, or less */
	uint32_t tokens;                  /* attempts its rate allows at this moment; 0 without a rate, too */
	uint32_t over_budget;             /* retries that wait for the retry budget */
	uint64_t budget_waits;            /* how often one had to */
	struct tn_rate_limits rate;       /* as things are */
	uint64_t max_parked, max_parked_bytes; /* 0 bytes: no cap */
	bool park_full;                   /* one of them is reached */
	bool pauses;                      /* what has no room then stays with its source; else it becomes a dead letter */
};

/* --- The engine. Loop thread, all of them. --- */

/* Returns owned. now_ms: engine time at start. TN_NO_MEMORY. */
enum tn_status tn_engine_new(const struct tn_engine_config *config, struct tn_alloc alloc, uint64_t seed, int64_t now_ms,
	struct tn_engine **out_engine) TN_MUST_CHECK;
/* Drops everything in hand, unrefs events. Nothing outstanding is answered. NULL is fine. */
void tn_engine_free(struct tn_engine *engine);

/* Engine milliseconds; never backwards (an earlier now is taken as the latest one). */
void tn_engine_tick(struct tn_engine *engine, int64_t now_ms);
/* TN_OK: admitted. TN_FULL: nothing changed; offer again after TN_ROOM. TN_NO_MEMORY: nothing changed. TN_CLOSED: draining, or the
 * position's stream is not open in that epoch. While the store refuses, a JOURNALED arrival is admitted and at once answered UNAVAILABLE.
 * A reply is offered before the result it came with, in one turn. TN_NOT_FOUND: its attempt is over, or gave a reply already: it is
 * nobody's (what was timed out will be asked again). TN_FULL, TN_NO_MEMORY: there is no room and no ROOM follows: then the result
 * must not say DELIVERED but RETRY. */
enum tn_status tn_engine_offer(struct tn_engine *engine, const struct tn_arrival *arrival) TN_MUST_CHECK;
/* If the attempt's reply was taken, DELIVERED counts once that is durable. A token that is not current is ignored; a late success is
 * counted and noted. Copies what it keeps (message and sample are cut to
 * fit the room set aside for them). */
void tn_engine_result(struct tn_engine *engine, const struct tn_result *result);
/* Ends a TN_HOLD: room more attempts fit now. */
void tn_engine_ready(struct tn_engine *engine, uint32_t target_no, uint32_t room);
/* UNKNOWN: the engine submits the same batch again (a STORE command with the same number). REFUSED: nothing was written. */
void tn_engine_stored(struct tn_engine *engine, uint64_t batch, enum tn_commit commit);
void tn_engine_page(struct tn_engine *engine, const struct tn_page *page);
/* One answer a key, in order. Borrows. A token that is not current is ignored (waiting ended after 1 s). The store must have been read
 * after the CLAIM was given: a key leaves the engine only when its row is durable, so nothing can be missed between the two. */
void tn_engine_claimed(struct tn_engine *engine, uint64_t token, const struct tn_claim_answer *answers, uint32_t count);
/* OPENED may answer TN_NO_MEMORY: the stream is not open, say it again later. The others are always TN_OK. A stream opened in a new
 * epoch ends the old one (its unanswered positions get no answer). */
enum tn_status tn_engine_stream(struct tn_engine *engine, struct tn_position stream, enum tn_stream_event event, int64_t grace_ms);
/* OPENED, with its terms (copied). */
enum tn_status tn_engine_open_stream(struct tn_engine *engine, struct tn_position stream, const struct tn_stream_terms *terms)
	TN_MUST_CHECK;
/* What became of the transaction COMMIT or ABORT named. A number that is not current is ignored. */
void tn_engine_txn(struct tn_engine *engine, uint64_t txn, enum tn_txn_end end);
/* All or nothing; by number: new ones are added, known ones changed, those not in the table count as removed. TN_NO_MEMORY;
 * TN_INVALID: a number 0, over 2^20, or twice. Nothing is read from the store before the first table; what that one calls removed
 * has no grace. Comes before any ruleset that routes to a new number (an unknown number is a removed target). */
enum tn_status tn_engine_reload(struct tn_engine *engine, const struct tn_target_table *table) TN_MUST_CHECK;
/* What an operator does to dead letters; MOVED says how it ended. The rows were read from the store, as DEAD, after
 * as_of: so nobody can have moved them meanwhile, and what the books believe is so. All of it or nothing. TN_TOO_LARGE:
 * none, or more than may be. TN_FULL: moves are under way, or others ended since as_of, or one of these dead letters is
 * not confirmed yet; read again in a moment. TN_NOT_FOUND: a redrive or resend to a target that is not there.
 * TN_CLOSED: draining. */
enum tn_status tn_engine_move(struct tn_engine *engine, const struct tn_moves *moves) TN_MUST_CHECK;
/* How many calls of tn_engine_move have come to their end. False: one is under way. */
bool tn_engine_moves_ended(const struct tn_engine *engine, uint64_t *out_ended);
/* By the operator. OPEN: no attempts, what waits is parked, until he closes it; CLOSED: as if nothing had been. TN_NOT_FOUND: no such
 * target. */
enum tn_status tn_engine_breaker(struct tn_engine *engine, uint32_t target_no, enum tn_breaker_state state) TN_MUST_CHECK;
/* No more credit or new work; attempts end or are given up at timeout; backoff parks; DRAINED comes last. Repeating it shortens the
 * timeout only. */
void tn_engine_drain(struct tn_engine *engine, int64_t timeout_ms);
/* The next decision, or false. */
bool tn_engine_next(struct tn_engine *engine, struct tn_command *out_command);
/* Engine milliseconds of the next thing it wants to do by itself; INT64_MAX: nothing. A value not above now means: tick at once. */
int64_t tn_engine_deadline(const struct tn_engine *engine);
/* True once the first scans (OPEN, TRIED, first page of due rows) are through: sources may be opened. */
bool tn_engine_recovered(const struct tn_engine *engine);
/* True: memory is full, and no more credit is given until half of it is free. */
bool tn_engine_full(const struct tn_engine *engine);
const struct tn_books *tn_engine_books(const struct tn_engine *engine);
uint32_t tn_engine_target_count(const struct tn_engine *engine);
/* Lanes that a dead letter blocks, in the order they were blocked; returns how many of them were filled in. */
struct tn_lane_view {
	struct tn_str target;
	uint32_t target_no;
	struct tn_row_key blocked_by;     /* the dead letter */
	uint32_t in_hand;
	uint64_t parked;                  /* about so many rows wait in the store */
};
uint32_t tn_engine_blocked_lanes(const struct tn_engine *engine, uint32_t skip, struct tn_lane_view *out, uint32_t capacity);
bool tn_engine_target_view(const struct tn_engine *engine, uint32_t index, struct tn_target_view *out_view);
/* False: this target's park cap is reached and its policy is to pause, or it has all the dead letters it may have: HTTP answers 503 to
 * events that match it. */
bool tn_engine_target_open(const struct tn_engine *engine, uint32_t target_no);

#endif
