/* SPDX-License-Identifier: Apache-2.0
 *
 * store.h - what must outlive the process: one row a delivery, whose state says where it is, and the event's bytes beside it.
 *
 * Journal, park, dead letter and redrive are one put each, so a delivery is in one place by construction. Event bytes lie under
 * event_seq and go, in the same transaction, with the last row of that event: there are no reference counts on disk. Every operation
 * may be done twice; so a commit whose outcome is unknown is answered by submitting the same batch again, and nothing is acked
 * meanwhile. While an engine runs it is the only author of batches. One process owns the store, under a lock file that names its
 * admin socket. LMDB, default sync (delivery-semantics section 17).
 *
 * Who may use the reserve. Space is judged before a batch is written, by its most demanding operation; a batch is refused whole, so
 * what frees space belongs in a batch of its own while the store is nearly full:
 *
 *   the batch holds                                   is refused when the map is used to   or room on disk is below
 *   an event with an OPEN row (intake)                90%                                  the disk reserve
 *   an event without one (a park, a burial)           94%                                  3/4 of it
 *   TRIED rows, idempotency keys, redrives            97%                                  1/2 of it
 *   only drops, purges, and other rows that change    never (but see below)
 *
 * A row that changes and brings no event bytes is there already: it must always be written, since no delivery is tried again before its
 * failure is on disk, and a store full of such deliveries would never become empty.
 *
 * Behind its last page the data file keeps up to 1 MiB of blocks (1/16 of the map, if that is less) for itself, which count as no room:
 * so what changes rows or frees space can be written also on a disk that somebody else filled to the brim.
 *
 * The disk reserve is 1/16 of the map or of the disk, whichever is smaller, at most 64 MiB; what the data file has and does not use
 * counts as free, since the file never shrinks. Space that was freed comes back two commits later; the store makes these small
 * commits itself before it refuses a batch that met a full map, and then writes a batch of the last kind in several commits (which do not
 * hang together: a lost drop costs a duplicate). Only if not even one fits is it REFUSED, or UNKNOWN: it is worth another try.
 *
 * After UNKNOWN the order must hold: batches submitted behind the unknown one are answered UNKNOWN too, untried, until the unknown one
 * was submitted again; then each in its turn. Failing commits are paced by the store (10 ms, doubling to 1 s), so the answer to UNKNOWN
 * is to submit again at once, each with the number it had; numbers ascend one by one. A batch whose outcome was UNKNOWN is REFUSED only
 * when it is certain that its earlier try left nothing; that is so when it failed twice and a small commit behind it succeeded.
 */
#ifndef TURNOUT_STORE_H
#define TURNOUT_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/error.h"
#include "turnout/event.h"
#include "turnout/id.h"
#include "turnout/outcome.h"
#include "turnout/position.h"
#include "turnout/ruleset.h"
#include "turnout/status.h"

/* OPEN: the journal, with event bytes and counters. TRIED: counters only, no event bytes (the source has them). PARKED: waiting, with
 * event bytes. DEAD: a dead letter, with event bytes. */
enum tn_row_state { TN_ROW_OPEN = 1, TN_ROW_TRIED, TN_ROW_PARKED, TN_ROW_DEAD };

/* not_before_ms of a PARKED row that is to be found by its lane (TN_SCAN_LANE), since others of the lane come before it: engine time never
 * gets there. */
#define TN_ROW_BEHIND_MS (INT64_C(1) << 60)

struct tn_row_key {
	uint64_t event_seq;               /* chosen by the engine, ascending, never reused */
	uint32_t route_no;                /* index of the delivery within its event */
};
static inline int tn_row_key_compare(const struct tn_row_key *a, const struct tn_row_key *b)
{
	if (a->event_seq != b->event_seq)
		return a->event_seq < b->event_seq ? -1 : 1;
	return a->route_no < b->route_no ? -1 : a->route_no > b->route_no;
}

enum tn_condition {                       /* exhausted_retry_condition of the dead-letter record (section 8) */
	TN_CONDITION_NONE,                /* sent there without retries */
	TN_CONDITION_MAX_RETRIES, TN_CONDITION_MAX_AGE, TN_CONDITION_DECLINED
};

struct tn_row {
	struct tn_row_key key;
	enum tn_row_state state;
	struct tn_id id, lane;
	struct tn_tries tries;            /* engine milliseconds */
	struct tn_str rule, target;
	uint32_t target_no;               /* the number of `target`; see tn_store_number */
	uint64_t rule_revision;
	struct tn_str origin;             /* the position as the connector describes it: JSON text, or empty */
	const struct tn_outcome *last;    /* the last failure, or NULL. Read back: `code` points into the page */
	uint64_t lane_seq;                /* place in its lane, ascending in order of acceptance over all runs; 0: unordered */
	uint32_t hops;                    /* of a reply (section 10) */
	struct tn_id dedup_key;           /* of its event; zero: none */
	/* DEAD only */
	int64_t dead_ms;                  /* engine milliseconds */
	enum tn_condition condition;
	uint32_t redrives;                /* kept through PARKED again */
	struct tn_str queue;              /* the dead-letter queue; empty: "default" */
	bool blocks;                      /* its lane starts nothing before it is redriven, purged or released */
};

enum tn_op_kind {
	TN_PUT_EVENT,                     /* event under row->key.event_seq */
	TN_PUT_ROW,                       /* insert or replace by key */
	TN_DROP_ROW,                      /* by key; the last row of its event takes the event bytes along. Absent: fine */
	TN_REDRIVE_ROW,                   /* by key: DEAD -> PARKED with fresh counters and age, due at batch now_ms, redrives + 1; any
	                                     other state, or absent: left alone (so twice is fine) */
	TN_PURGE_ROW,                     /* by key: drops it if DEAD, else left alone */
	TN_RELEASE_ROW,                   /* by key: if DEAD it `blocks` no more, else left alone */
	TN_PUT_SEEN,                      /* an idempotency key that was accepted, or is done: `seen` (section 11) */
	TN_DROP_SEEN,                     /* forgets seen.key. Absent: fine */
};
struct tn_seen {
	struct tn_id key;                 /* scope included: hashed with bus and source */
	uint64_t fingerprint;             /* of the payload */
	uint64_t event_seq;               /* of its journal row, or 0 */
	int64_t expires_ms;               /* engine milliseconds */
};
struct tn_op {
	enum tn_op_kind kind;
	struct tn_row_key key;
	const struct tn_row *row;         /* PUT_ROW */
	struct tn_event *event;           /* PUT_EVENT */
	struct tn_seen seen;              /* PUT_SEEN; DROP_SEEN: its key */
};
struct tn_batch {
	uint64_t number;                  /* 1, 2, ...; the same number again is the same batch again */
	uint64_t next_seq;                /* persisted with it */
	int64_t now_ms;                   /* engine time, persisted with it */
	const struct tn_op *ops;
	uint32_t count;
};
/* OK: durable. REFUSED: certainly nothing of it was written (no room). UNKNOWN: one or the other. */
enum tn_commit { TN_COMMIT_OK, TN_COMMIT_REFUSED, TN_COMMIT_UNKNOWN };

enum tn_scan_order {
	TN_SCAN_BY_KEY,                   /* rows of `state`, by key, after `after` */
	TN_SCAN_DUE,                      /* PARKED rows of target_no with not_before_ms <= until_ms, by (not_before, key) */
	TN_SCAN_LANE,                     /* PARKED rows of target_no and `lane`, by lane_seq, after after_lane_seq */
};
struct tn_scan {
	uint64_t token;
	enum tn_scan_order order;
	enum tn_row_state state;
	uint32_t target_no;               /* BY_KEY: 0 is any target */
	int64_t until_ms;
	struct tn_row_key after;          /* BY_KEY: exclusive; zero: from the start */
	struct tn_id lane;                /* LANE */
	uint64_t after_lane_seq;          /* LANE: exclusive; 0: from the start */
	int64_t after_due_ms;             /* DUE: exclusive with `after`, in (due, key) order; INT64_MIN: from the start */
	uint32_t max_rows;
	size_t max_bytes;                 /* of events and rows; one row always fits */
};
struct tn_page {
	uint64_t token;
	const struct tn_row *rows;
	struct tn_event *const *events;   /* by row; NULL for TRIED rows. The page holds one ref each */
	uint32_t count;
	bool last;                        /* nothing behind this page, as of now */
	bool failed;                      /* the store could not be read: no rows; ask again later */
	int64_t next_due_ms;              /* DUE: earliest not_before behind this page, or INT64_MAX */
	struct tn_ruleset *ruleset;       /* filled in by the host: today's rules; its ref is given back by the host */
	const struct tn_route *const *routes; /* by the host, by row; NULL: rule or target is gone */
	const bool *quarantined;          /* by the host, by row: buried under its own names (TN_POISON_CRASH), whatever its route; NULL: none is */
	struct tn_page_memory *memory;    /* private to the store; NULL in a page made by hand */
};

struct tn_store;

/* Whose thread: the caller of scan and get, which is one thread where there is a guard; the writer's; the caller of audit. */
enum tn_store_reader { TN_READER_SCAN, TN_READER_WRITER, TN_READER_AUDIT, TN_STORE_READERS };
struct tn_store_guard {                   /* the crash guard's eye on events that are read from the store (section 13) */
	/* Before an event's bytes are looked into, and after, on the reader's thread. True: they are not to be looked into; the event is
	 * answered raw, with its bytes as the store has them, and leave is not called. */
	bool (*enter)(void *arg, uint64_t event_seq, enum tn_store_reader reader);
	void (*leave)(void *arg, enum tn_store_reader reader);
	void *arg;
};

struct tn_store_options {
	const char *path;                 /* folder; made with 0700 when missing (its parent must exist) */
	uint64_t max_size_bytes;          /* [4 GiB] map size; intake stops at 90% */
	uint32_t commit_wait_us;          /* [0..2000] how long a batch waits for company */
	uint64_t max_seen;                /* [1,000,000; 0 is the default] idempotency keys, each up to 16 bytes of memory; in a small
	                                     store fewer: one a KiB of the map */
	uint64_t ledger_max_bytes;        /* of the ledger, beside max_size_bytes; 0: none is kept, though what there is can be read */
	int64_t ledger_keep_ms;           /* entries are dropped when they are older */
	const char *admin_socket;         /* written into the lock file; may be NULL (a tool) */
	/* Posted from the writer thread, in order; must not block, may only enqueue. */
	void (*completed)(void *arg, uint64_t batch, enum tn_commit commit);
	/* Likewise, once it is durable: that record (as "row:000000000000002a-0") could not be read and was moved aside, and so were so many
	 * more that are not named. NULL: nobody is told. */
	void (*set_aside)(void *arg, const char *record, uint32_t more);
	void *arg;
	struct tn_store_guard guard;      /* enter NULL: none */
};
/* How many rows ever went where, since the store was made (or since these are counted: what was there then counts as put). Always
 * rows[s] = put[s] + sum of moved[any][s] - sum of moved[s][any] - dropped[s] - aside[s]. */
struct tn_store_flows {                   /* by enum tn_row_state; [0] unused */
	uint64_t put[5];                  /* new rows */
	uint64_t moved[5][5];             /* [from][to], from != to */
	uint64_t dropped[5];
	uint64_t aside[5];                /* damaged, see bad_records */
	uint64_t purged, redriven;        /* part of dropped[DEAD] and of moved[DEAD][PARKED] */
};
struct tn_store_facts {                   /* as found at open, and as of the last commit */
	uint64_t next_seq;
	int64_t engine_ms;                /* last persisted engine time; 0: a new store */
	uint64_t rows[5];                 /* by enum tn_row_state; [0] unused */
	uint64_t used_bytes, max_bytes;   /* of the map: pages in use, and all */
	uint64_t free_disk_bytes;         /* asked for anew with each call */
	bool nearly_full;                 /* over 90% of the map, or too little disk: intake must stop */
	struct tn_store_flows flows;
	uint64_t seen;                    /* idempotency keys held, expired ones included that were not swept yet */
	uint64_t seen_left_out;           /* of them, since open: those that there was no memory for to find them by: duplicates are not seen */
	uint64_t bad_records;             /* moved aside since the store was made: read or bear the loss, `bad` database */
	uint64_t commits, batches;        /* since open */
	uint64_t commit_unknown, commit_refused; /* batches so answered, since open */
	uint64_t reopened;                /* how often LMDB gave the environment up and it was opened anew (twice in 60 s: leave) */
	uint64_t ledger_written, ledger_dropped; /* entries, since open; dropped: there was no room or no time for them */
	uint64_t ledger_bytes;            /* in use, beside used_bytes */
	char failure[160];                /* what last went wrong with a write; "" when nothing did */
};

/* Returns owned. TN_BUSY: another process has it, and the error names that process and its admin socket. TN_INVALID: written by a newer
 * version, or not a store. TN_IO. Starts the writer thread. */
enum tn_status tn_store_open(const struct tn_store_options *options, struct tn_store **out_store, struct tn_error *error) TN_MUST_CHECK;
/* The admin socket named in the lock file of a store that is in use; "" if none. TN_NOT_FOUND: nobody has it. */
enum tn_status tn_store_holder(const char *path, char *out_socket, size_t size) TN_MUST_CHECK;
/* Waits for the batches submitted so far; then stops the writer and unlocks. No other call is under way. NULL is fine. */
void tn_store_close(struct tn_store *store);

/* Any thread but the one that runs `completed`. The persistent number of a target name (1 to 1024 bytes): the same for ever, 1 and up.
 * Writes, syncs and waits for it when the name is new: call at start and reload only. TN_FULL, TN_IO: a new name could not be kept. */
enum tn_status tn_store_number(struct tn_store *store, struct tn_str target, uint32_t *out_number, struct tn_error *error) TN_MUST_CHECK;
/* What a PARKED or DEAD row counts for, wherever that is counted: its event, and itself. An event that several rows share counts for each
 * of them. */
static inline uint64_t tn_store_row_bytes(const struct tn_event *event)
{
	return (event ? tn_event_cost(event) : 0) + 512;
}
/* What caps are of. A target has one dead-letter queue at a time, so its dead rows are those of its queue. */
struct tn_store_target {
	struct tn_str name;
	uint32_t number;
	uint64_t parked_rows, parked_bytes, dead_rows, dead_bytes;
};
/* Any thread. Calls back for each known target name; target lives for the call. */
enum tn_status tn_store_each_number(struct tn_store *store, void (*each)(void *arg, const struct tn_store_target *target), void *arg)
	TN_MUST_CHECK;

/* Any thread. Borrows batch until its completion is posted. Completions come in order of submission. Several submitted batches may share
 * one commit. Strings and events in it are read on the writer thread. */
void tn_store_submit(struct tn_store *store, const struct tn_batch *batch);
/* Any thread. One read transaction, ended before it returns. out_page is filled in (token, rows, events, last, next_due_ms) and given
 * back with tn_page_fini; on failure it has its token and `failed`. Bad records are passed over, moved aside soon after, and counted. */
enum tn_status tn_store_scan(struct tn_store *store, const struct tn_scan *scan, struct tn_page *out_page, struct tn_error *error)
	TN_MUST_CHECK;
/* Any thread. One row by key, as a page of one; TN_NOT_FOUND: absent, or a bad record. */
enum tn_status tn_store_get(struct tn_store *store, struct tn_row_key key, struct tn_page *out_page, struct tn_error *error) TN_MUST_CHECK;
/* Any thread. Which of these idempotency keys are in the store and expire after now_ms: an index in memory says where each may be, and one
 * read transaction, if there is anything to look at, whether it is. out and out_found are by key; out[i] is filled in where out_found[i]. A
 * damaged one is not found, nor one that there was no memory for in the index: that costs a duplicate, never an event. Where there are
 * too many keys those that expire first are dropped. */
enum tn_status tn_store_seen(struct tn_store *store, const struct tn_id *keys, uint32_t count, int64_t now_ms, struct tn_seen *out,
	bool *out_found, struct tn_error *error) TN_MUST_CHECK;
/* Frees rows and strings, unrefs events. ruleset and routes are the host's. */
void tn_page_fini(struct tn_page *page);
/* Any thread. */
void tn_store_facts(struct tn_store *store, struct tn_store_facts *out_facts);

/* --- Notes beside the deliveries. All wait for the disk; any thread but the one that runs `completed`. --- */

enum { TN_STORE_STRIKES = 10000, TN_STORE_WHERE = 1024, TN_STORE_KEPT = 256, TN_STORE_KEPT_NAME = 64, TN_STORE_KEPT_VALUE = 4096 };

/* The crash guard's memory (section 13). */
struct tn_strike {
	uint64_t hash;                    /* of the bytes that were being worked on */
	uint32_t strikes;
	struct tn_str where;              /* position or row key when it was struck last, as the host describes it */
};
/* One more strike. At start only. where: cut off at TN_STORE_WHERE bytes. Of more than TN_STORE_STRIKES, what was struck longest ago goes.
 * TN_FULL. TN_IO: it may or may not have been counted. */
enum tn_status tn_store_strike(struct tn_store *store, uint64_t hash, struct tn_str where, uint32_t *out_strikes, struct tn_error *error)
	TN_MUST_CHECK;
/* One read transaction; strike lives for the call, which must not call the store. Damaged ones are passed over. */
enum tn_status tn_store_each_strike(struct tn_store *store, void (*each)(void *arg, const struct tn_strike *strike), void *arg,
	struct tn_error *error) TN_MUST_CHECK;
/* Forgets its strikes; none: fine. */
enum tn_status tn_store_pardon(struct tn_store *store, uint64_t hash, struct tn_error *error) TN_MUST_CHECK;

/* Keeps value under name, over restarts, in place of what was there; an empty value: nothing any more. For tasks that must be resumed: the
 * store does not look into it. TN_INVALID: name (1 to TN_STORE_KEPT_NAME bytes) or value (up to TN_STORE_KEPT_VALUE) is too long. TN_FULL:
 * no room, or TN_STORE_KEPT names. TN_IO: old or new. */
enum tn_status tn_store_keep(struct tn_store *store, struct tn_str name, struct tn_str value, struct tn_error *error) TN_MUST_CHECK;
/* Appends the value to out. TN_NOT_FOUND: none. TN_INVALID: it is damaged. TN_IO. */
enum tn_status tn_store_kept(struct tn_store *store, struct tn_str name, struct tn_buf *out, struct tn_error *error) TN_MUST_CHECK;

/* --- The ledger: what became of events, for people. Nothing depends on it. --- */

/* Entries are found by one of two names and read in order of time. They are written up to a second later, by commits of their own that no
 * batch waits for but as for a batch before it; a crash loses what was not written, and what finds no room is dropped and counted. The
 * ledger has room of its own beside max_size_bytes, and nothing is added to it while the store is nearly full. The oldest entries go when
 * it is full, or when they are too old. */
enum { TN_LEDGER_TEXT = 32768 };
struct tn_ledger_entry {
	int64_t at_ms;                    /* engine milliseconds */
	uint64_t number;                  /* read back: with at_ms, its place */
	uint64_t names[2];                /* tn_store_ledger_name; 0: none */
	struct tn_str text;               /* up to TN_LEDGER_TEXT bytes: the store does not look into it */
};
/* Of an id. Never 0; two ids may share one. */
uint64_t tn_store_ledger_name(struct tn_str id);
/* Any thread; copies, and never waits for the disk. False: dropped. */
bool tn_store_ledger_append(struct tn_store *store, const struct tn_ledger_entry *entry);
/* Any thread. Entries of that name from since_ms on, oldest first, and those not written yet after them: an entry may come twice, with one
 * number. entry lives for the call; false from each ends it. */
enum tn_status tn_store_ledger_each(struct tn_store *store, uint64_t name, int64_t since_ms,
	bool (*each)(void *arg, const struct tn_ledger_entry *entry), void *arg, struct tn_error *error) TN_MUST_CHECK;

/* --- Audit: does the store add up? --- */

enum { TN_AUDIT_LISTED = 100 };
struct tn_audit_finding {
	const char *code;                 /* constant: "ROW_DAMAGED" */
	const char *advice;               /* constant: what to do */
	char key[112];                    /* the record, index entry or counter it is about */
	char text[160];                   /* what is wrong with it */
};
struct tn_audit { /* large: not for the stack */
	uint64_t rows[5];                 /* counted, by enum tn_row_state; damaged ones are in none */
	uint64_t events, seen, names, strikes, kept;
	uint64_t aside;                   /* records that were set aside earlier: no finding, and yet deliveries that were lost */
	uint64_t leftovers;               /* index entries that those left behind, which go when a scan meets them: no finding */
	uint64_t findings;                /* all of them; 0: it adds up */
	uint32_t listed_count;            /* the first of them */
	struct tn_audit_finding listed[TN_AUDIT_LISTED];
};
/* Any thread. One read transaction over everything, which blocks no writer but keeps pages that are freed meanwhile from being used again.
 * Each record's checksum; counters and indexes against the rows, both ways; events against rows; sequences; what went in and out. goes_on
 * (may be NULL) is asked now and then: false ends it with TN_CLOSED. TN_IO. */
enum tn_status tn_store_audit(struct tn_store *store, bool (*goes_on)(void *arg), void *arg, struct tn_audit *out_audit,
	struct tn_error *error) TN_MUST_CHECK;
/* Adds a finding of somebody else's. */
void tn_audit_find(struct tn_audit *audit, const char *code, const char *advice, const char *key, const char *format, ...) TN_PRINTF(5, 6);
/* Without an engine only. In one transaction: sets damaged records aside, and makes indexes and counters anew from the rows. What a store
 * lost it does not bring back. TN_FULL, TN_IO. */
enum tn_status tn_store_repair(struct tn_store *store, struct tn_error *error) TN_MUST_CHECK;

/* --- Without an engine: a tool that took the lock itself. --- */

/* Applies one batch and waits for its end; `completed` is not called for it. */
enum tn_commit tn_store_apply(struct tn_store *store, const struct tn_batch *batch);

#endif
