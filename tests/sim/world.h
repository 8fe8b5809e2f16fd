/* SPDX-License-Identifier: Apache-2.0
 *
 * world.h - the simulated world around one engine: sources, targets, a store and their faults, on a virtual clock.
 *
 * Everything is drawn from one seed. Whatever the engine asked for stays outstanding until the world draws it, so the answers come in
 * any order that rule 4 of engine.h allows. The ledger knows nothing of the engine's insides: it sees what goes in and what comes out.
 *
 *   run.c     one seed: sets the world up, draws step after step, heals it, and waits until everything is settled
 *   obey.c    carries out the engine's commands
 *   source.c  sources, arrivals, streams    target.c  attempts and their results    disk.c  the scripted store
 *   rules.c   routes and rulesets           ledger.c  what must hold                trace.c what happened
 *   copies.c  events that come twice, keys
 *   limits.c  what a target may take: a model of its breaker, and the operator who plays with it
 *   order.c   what must hold of lanes     txn.c     transactions, and who reads only what was committed
 *   fault.c   the kinds by name             tally.c   what all seeds reached        shrink.c a smaller world that fails alike
 */
#ifndef TURNOUT_TESTS_SIM_WORLD_H
#define TURNOUT_TESTS_SIM_WORLD_H

#include <stdio.h>
#include "turnout/engine.h"
#include "turnout/random.h"

enum {
	SOURCES_MAX = 4, TARGETS_MAX = 9, RULES_MAX = 8, ROUTES_MAX = 24,
	EVENTS_MAX = 512, MATCHES_MAX = 8, INSTANCES_MAX = 4096,
	ROWS_MAX = 4096, ATTEMPTS_MAX = 1024, OPS_MAX = 4096, TRACE_KEPT = 50,
	CODE_SIZE = 24, BATCH_MAX = 5, SEEN_MAX = EVENTS_MAX, CLAIMS_MAX = 64, SIM_WINDOW_LONG_MS = 1000000000,
};

/* --- Faults: at least three kinds are drawn for each seed --- */

/* One line a kind: FAULT_<kind>, and its name on the command line. */
#define SIM_FAULTS(FAULT)                                                                                                          \
	FAULT(5XX, "5xx")                                                                                                          \
	FAULT(4XX, "4xx")                                                                                                          \
	FAULT(429, "429")                                                                                                          \
	FAULT(HANG, "hang")                                                                                                        \
	FAULT(LOST_REPLY, "lost-reply")                                                                                            \
	FAULT(FLAP, "flap")                                                                                                        \
	FAULT(CREDENTIAL, "credential")                                                                                            \
	FAULT(HOLD, "hold")                                                                                                        \
	FAULT(MISSING, "missing")                                                                                                  \
	FAULT(DECLINED, "declined")                                                                                                \
	FAULT(STORE_SLOW, "store-slow")                                                                                            \
	FAULT(STORE_UNKNOWN, "store-unknown")                                                                                      \
	FAULT(STORE_FULL, "store-full")                                                                                            \
	FAULT(SCAN_FAILS, "scan-fails")                                                                                            \
	FAULT(CRASH, "crash")                                                                                                      \
	FAULT(RELOAD, "reload")                                                                                                    \
	FAULT(ALLOC, "alloc")                                                                                                      \
	FAULT(STREAM_LOST, "stream-lost")                                                                                          \
	FAULT(STREAM_REVOKED, "stream-revoked")                                                                                    \
	FAULT(DRAIN, "drain")                                                                                                      \
	FAULT(MOVES, "moves")                                                                                                      \
	FAULT(MEMORY, "memory")                                                                                                    \
	FAULT(CLOCK_JUMP, "clock-jump")                                                                                            \
	FAULT(COPIES, "copies")                                                                                                    \
	FAULT(CLAIMS, "claims")                                                                                                    \
	FAULT(EVICTION, "eviction")                                                                                                \
	FAULT(BREAKER, "breaker-races")                                                                                    \
	FAULT(REPLIES, "replies")                                                                                                  \
	FAULT(TXN_ABORT, "txn-abort")                                                                                              \
	FAULT(TXN_FENCE, "txn-fence")

#define SIM_FAULT_ENUM(kind, name) FAULT_##kind,
enum fault { SIM_FAULTS(SIM_FAULT_ENUM) FAULT_COUNT };

/* --- Rules --- */

struct sim_route {
	uint32_t rule, target_no;
	struct tn_policy policy;
};
struct tn_ruleset { /* the simulator's own: the engine only counts it */
	uint32_t refs;
	uint64_t revision;
	struct tn_route routes[ROUTES_MAX + 1]; /* the last: poison. rule.bytes NULL: not in this revision */
	struct tn_policy policies[ROUTES_MAX];
	char names[ROUTES_MAX + 1][2][4];
};

/* --- Events and what became of their deliveries --- */

struct sim_entry {                      /* one (event, route) */
	uint32_t effects;               /* how often its target really got it */
	uint32_t attempts;              /* in this life (a redrive begins another) */
	uint32_t failures;              /* retryable ones the engine was told in time, in this life */
	uint32_t told;                  /* failures of any kind that it was told in time, ever */
	uint32_t delivered_instance, delivered_run; /* told in time; 0: not yet */
	uint32_t dead_instance;         /* durable dead letter, until redriven */
	bool acked, dropped, sunk, purged;
	bool died;                      /* a dead letter once, whatever came of that: it has lost its place in its lane */
	uint32_t failed_instance, failed_run; /* whose last failure, and in which run of the engine */
	int64_t not_before_ms;          /* of its next attempt, by policy */
	bool staged;                    /* in a transaction that may still be committed */
	uint32_t committed;             /* how often a transaction with it was */
	bool done;                      /* some copy was delivered, and no reply of it can be lost any more */
	uint32_t replied_instance;      /* the last one whose delivery came with a reply that was taken */
	uint16_t reply;                 /* number of the event its target answers with, and one; 0: none yet */
};
struct sim_event {
	struct tn_event *event;
	bool poison, acked;
	uint32_t source, match_count, offers, hops;
	uint32_t key;                   /* number of the event that first had it */
	bool shares_key;                /* with another payload */
	uint32_t lane_key, offset;      /* of its lanes, 0: none; LOG: its first place in the log, and one */
	uint16_t routes[MATCHES_MAX];
	struct sim_entry entries[MATCHES_MAX];
};

/* --- Sources --- */

/* LOG: offsets, sent again from the committed one. LEASE: a queue that lends, and lends again what was neither acked nor extended. */
enum sim_source_kind { SIM_DURABLE, SIM_SYNC, SIM_LOG, SIM_LEASE };
struct sim_source {
	enum sim_source_kind kind;
	uint32_t credit, epoch;
	bool open, ending, draining;
	bool moves;                     /* another process might have its stream next */
	uint32_t window_max;            /* most positions unanswered at once: for the ledger */
	uint32_t unanswered;
	bool cumulative;                /* LOG: an ack is for all before it */
	int64_t lease_ms;               /* LEASE */
	bool answers, dedups;           /* its sender waits for a verdict; its events have keys */
	struct tn_dedup_terms dedup;
	uint32_t next_offset, committed; /* LOG, LEASE: events of this source by offset */
	uint32_t log_count;
	uint16_t log[EVENTS_MAX];
	bool log_acked[EVENTS_MAX];
	bool transactional;             /* LOG */
	uint32_t leader;                /* whose other stream it is: the engine sees one source; mostly itself */
	uint32_t txn_events;
	int64_t txn_ms;
	int64_t lent_until_ms[EVENTS_MAX]; /* LEASE */
};
/* A source's transactions, at its brokers. */
enum { RECORDS_MAX = 256 };
struct sim_record {
	uint32_t event, match, instance;
	bool dead, told;                /* told: the engine knows that it was written */
};
enum sim_txn_state { SIM_TXN_NONE, SIM_TXN_OPEN, SIM_TXN_COMMITTING, SIM_TXN_ABORTING };
struct sim_txn {
	uint64_t number;                /* of the last one */
	enum sim_txn_state state;
	struct sim_record records[RECORDS_MAX];
	uint32_t count, ends[SOURCES_MAX]; /* ends: COMMITTING: the offset behind the last one, by stream; 0: nothing of it */
	bool applied;
	enum tn_txn_end end;            /* what will be answered */
	int64_t ready_ms;
};
struct sim_instance {                   /* one arrival offered: one position */
	uint32_t source, epoch, offset, run;
	uint32_t count;
	uint16_t events[3];
	bool open, journaled, counted;  /* counted: in run_matched */
	int64_t offered_ms, lent_until_ms;
};

/* --- Targets --- */

enum { ANSWERS_KEPT = 64 };
struct sim_breaker {                    /* what the notes and answers say of a target's breaker */
	enum tn_breaker_state state;
	bool by_hand, must_open, opened, was_closed; /* opened: in this turn, by itself; was_closed: before that */
	uint32_t episode, counted;      /* counted: the episode whose answers are kept */
	uint32_t passed;
	int64_t closed_until_ms;        /* OPEN: no probe before */
	uint32_t answers;               /* in that episode; the last of them: */
	int64_t answered_ms[ANSWERS_KEPT];
	bool failed[ANSWERS_KEPT];
};
enum { STARTS_KEPT = 1024 };
struct sim_start {
	int64_t at_ms;
	bool retry, good;               /* good: delivered, or no attempt */
};
struct sim_starts {                     /* when its last deliveries started: for its rate and its retry budget */
	int64_t next;                   /* rate: when an attempt would be due if they came evenly, in ms times the rate's count */
	uint32_t count;
	struct sim_start kept[STARTS_KEPT];
};
struct sim_target {
	struct tn_target_limits limits;
	struct sim_breaker breaker;
	struct sim_starts starts;
	uint64_t told_settings;         /* the engine's last news of them */
	char name[4];
	bool removed, held;
	bool ordered;                   /* by the keys of events */
	bool reordered;                 /* that was changed at least once: nothing is said of its order any more */
	uint8_t mode;                   /* enum fault, or FAULT_COUNT: healthy */
	uint32_t mode_steps;
	uint32_t running;
	int64_t quiet_until_ms;         /* Retry-After */
};
struct sim_attempt {
	bool used, cancelled;
	bool inside;                    /* of a transaction */
	const struct tn_attempt *attempt;
	uint64_t hash;
	uint32_t target_no, event, match, instance;
	uint32_t item;                  /* of a batch; they have one token */
	const struct tn_outcome *of_all; /* item 0: what its result says of the target */
	enum tn_purpose purpose;
	int64_t ready_ms, cancelled_ms;
	uint32_t episode;               /* of its target's breaker when it started */
	uint32_t start_no;              /* among its target's starts; NOT_COUNTED: it has no retry budget */
	uint8_t mode;
};
enum { NOT_COUNTED = 0x7fffffff };

/* --- The scripted store --- */

struct sim_row {
	struct tn_row_key key;
	struct tn_row_key letter;       /* RESEND put it in the place of this one; or 0 */
	enum tn_row_state state;
	struct tn_id id, lane;
	uint64_t lane_seq;
	bool blocks;
	struct tn_tries tries;
	uint32_t route, target_no, redrives, instance;
	enum tn_condition condition;
	struct tn_event *event;         /* the event's bytes, which in truth lie beside the rows */
	bool has_last, confirmed, dead_confirmed; /* the latter: as it is now */
	enum tn_verdict last_verdict;
	char code[CODE_SIZE], origin[16];
};
struct sim_disk {
	/* The operator's moves under way. */
	enum tn_move move;
	struct sim_row moving[8];       /* as they were read */
	uint32_t moving_count;
	struct tn_row resent[8][MATCHES_MAX]; /* RESEND: what takes their place */
	char resent_names[8][MATCHES_MAX][2][4];
	char resent_origins[8][16];
	struct tn_event *resent_events[8];
	uint32_t resent_count;
	uint64_t move_token, moves_seen;
	struct sim_row rows[ROWS_MAX];  /* by key */
	uint32_t count;
	uint64_t next_seq;
	int64_t engine_ms;
	/* The outstanding batch and scan. */
	const struct tn_batch *batch;
	uint64_t batch_hash, last_hash, last_number;
	bool applied, last_unknown;
	enum tn_commit fate;
	bool lost;                      /* UNKNOWN, and not applied */
	int64_t batch_ready_ms;
	struct tn_event *staged[OPS_MAX]; /* PUT_EVENT of the batch being applied */
	uint64_t staged_seq[OPS_MAX];
	uint32_t staged_count;
	const struct tn_scan *scan;
	struct tn_scan scan_copy;
	bool page_read, page_fails, page_last;
	int64_t page_next_due_ms;
	uint32_t page_rows[256], page_count; /* copies of rows as read */
	struct sim_row page[256];
};

/* --- Keys of events that may be copies --- */

struct sim_seen {
	struct tn_id key;
	uint64_t fingerprint;
	int64_t expires_ms;
};
struct sim_claim {                      /* asked, and not answered at once */
	uint64_t token;
	struct tn_id keys[3];
	struct tn_claim_answer answers[3];
	uint32_t count;
	bool read;
};
struct sim_keys {
	struct sim_seen seen[SEEN_MAX];
	struct sim_claim claims[CLAIMS_MAX];
	uint32_t count, claim_count;
};

/* --- The world --- */

enum sim_limit { SIM_INPUTS, SIM_SOURCES, SIM_TARGETS, SIM_RULES, SIM_LIMITS };
struct sim_options {
	uint64_t seed;
	bool trace, quiet;              /* quiet: a failure is kept in world->failure, not printed */
	/* What was drawn is cut down to these: how a failing seed is made smaller. */
	uint64_t faults;                /* bits by enum fault */
	uint32_t most[SIM_LIMITS];
	struct sim_tally *tally;        /* or NULL */
};
enum { SIM_LATE = 0x80 };               /* in the detail of a RESULT: it was cancelled before */
enum sim_fact { SIM_TICK, SIM_OFFER, SIM_RESULT, SIM_READY, SIM_STORED, SIM_APPLIED, SIM_READ, SIM_PAGE, SIM_STREAM, SIM_RELOAD,
	SIM_MOVE, SIM_DRAIN, SIM_CRASH, SIM_ROW, SIM_COMMAND, SIM_CLAIMED, SIM_OPERATOR, SIM_TXN };
struct sim_trace {
	uint8_t fact, detail;
	int64_t now_ms, a, b;
};

/* --- What the seeds of one run reached together (tally.c) --- */

enum { SIM_STATES = 16, SIM_INPUT_KINDS = 64 };
struct sim_tally {
	uint64_t met[SIM_STATES][SIM_INPUT_KINDS]; /* how often an input came while a delivery (or row) was in that state */
	uint64_t given[SIM_INPUT_KINDS];
	uint64_t seeds, inputs, kinds, drawn[64];  /* drawn: seeds by fault */
	uint32_t fewest_inputs, fewest_kinds;
};

struct world {
	struct tn_engine *engine;
	struct sim_tally *tally;        /* or NULL */
	uint32_t most[SIM_LIMITS];
	struct tn_random random;
	uint64_t seed;
	int64_t now_ms;
	uint64_t faults;                /* bits by enum fault */
	bool healing, failed, trace, quiet, drained, alloc_fails;
	char failure[256];
	const char *failed_rule;        /* the sentence without its numbers: which promise it was */
	bool ticked;                    /* in this step */
	bool full;                      /* an offer was FULL, and ROOM has not come */
	uint32_t run;                   /* of the engine: 1 and up */
	uint32_t inputs, duplicating_faults; /* inputs: steps drawn so far */
	uint32_t inputs_wanted;
	uint32_t facts_given;           /* to the engine: what is promised of a seed is counted in these */
	uint64_t met_states;            /* bits by enum sim_met: what the last turn left behind */
	size_t allocated_bytes;
	struct tn_engine_config config;

	uint32_t source_count, target_count, rule_count, route_count, event_count, instance_count;
	struct sim_source sources[SOURCES_MAX + 1]; /* the last: none, where replies come from */
	struct sim_target targets[TARGETS_MAX]; /* by number; [0] unused */
	struct sim_route routes[ROUTES_MAX];
	struct tn_ruleset *ruleset;
	uint64_t revision;
	struct sim_event events[EVENTS_MAX];
	struct sim_instance instances[INSTANCES_MAX];
	struct sim_attempt attempts[ATTEMPTS_MAX];
	uint32_t attempt_end, attempts_used, running;
	struct sim_disk disk;
	struct sim_keys keys;
	struct sim_txn txns[SOURCES_MAX]; /* by leader */
	bool draining, sources_open, recovering;
	int64_t drain_until_ms;
	uint64_t run_delivered, run_matched;
	bool run_forgot;                /* offered deliveries were forgotten before they were matched: a stream ended, a conflict */

	uint64_t hash;
	struct sim_trace kept[TRACE_KEPT];
	uint64_t trace_count;
};

/* run.c */
bool sim_run(struct world *world, const struct sim_options *options); /* false: a promise was broken; it was said how */
void sim_start_engine(struct world *world);
void sim_crash(struct world *world);
uint32_t sim_at_most(const struct world *world, enum sim_limit limit, uint32_t drawn);
uint32_t sim_upto(struct world *world, uint32_t limit);    /* inclusive */
bool sim_chance(struct world *world, uint32_t percent);

/* fault.c */
bool sim_has(const struct world *world, enum fault fault); /* drawn, and not healing */
void sim_draw_faults(struct world *world, uint64_t allowed); /* at least three, of which those not allowed do not count */
const char *sim_fault_name(uint32_t fault);
bool sim_parse_faults(const char *list, uint64_t *out_faults); /* names with commas, or "none"; false: it was said */
void sim_print_faults(FILE *out, uint64_t faults, const char *between);

/* tally.c */
void sim_tally_turn(struct world *world);  /* after each turn: which states there are */
void sim_tally_fact(struct world *world, enum sim_fact fact, uint32_t detail, int64_t a, int64_t b);
void sim_tally_seed(const struct world *world);
void sim_print_tally(const struct sim_tally *tally);
void sim_print_pairs(const struct sim_tally *tally);

/* shrink.c: a smaller world, perhaps of another seed, in which the same promise is broken; printed as a command line. */
void sim_shrink(struct world *world, const struct sim_options *failed);

/* obey.c: pulls commands until there is none. */
void sim_obey(struct world *world);

/* rules.c */
void sim_draw_rules(struct world *world);
void sim_new_revision(struct world *world);
uint32_t sim_route_of(const struct tn_route *route); /* index; ROUTES_MAX: poison */
const struct tn_route *sim_todays_route(const struct world *world, uint32_t route);

/* source.c */
void sim_draw_sources(struct world *world);
void sim_open_sources(struct world *world);
void sim_sources_after_crash(struct world *world);
bool sim_offer(struct world *world);
void sim_end_stream(struct world *world, bool lost);
void sim_acked(struct world *world, const struct tn_command *command);
void sim_released(struct world *world, const struct tn_command *command);
void sim_extended(struct world *world, const struct tn_command *command);
void sim_check_leases(struct world *world, int64_t now_ms); /* before a tick to now_ms */
void sim_credit(struct world *world, const struct tn_command *command);
void sim_stream_done(struct world *world, const struct tn_command *command);
void sim_forget_open(struct world *world, uint32_t number); /* no answer will come for what was open in it */
uint32_t sim_source_at(struct tn_position position);
bool sim_sources_done(const struct world *world);

/* Number of a new event, or EVENTS_MAX: enough of them. */
uint32_t sim_new_event(struct world *world, uint32_t source, bool poison);
/* False: today's rules match it otherwise. */
bool sim_draft_offer(struct world *world, struct tn_offer *offer, struct tn_match *matches, char origin[16], uint32_t number,
	uint32_t instance);

/* reply.c */
enum sim_replied { SIM_NO_REPLY, SIM_REPLIED, SIM_REPLY_REFUSED };
enum sim_replied sim_reply(struct world *world, const struct sim_attempt *attempt);
void sim_reply_refused(struct world *world, const struct tn_note *note);
void sim_replies_after_crash(struct world *world);
void sim_check_reply(struct world *world, const struct sim_entry *parent, const struct tn_id *id, uint32_t instance);

/* target.c */
void sim_draw_targets(struct world *world);
void sim_fill_table(struct world *world, struct tn_target_table *table, struct tn_target_limits *limits);
void sim_reload(struct world *world);
bool sim_has_blocks(const struct world *world, uint32_t target_no); /* 0: of any */
uint32_t sim_blocks_without_order(const struct world *world); /* a target that orders no more, and has some; or 0 */
void sim_started(struct world *world, const struct tn_command *command);
void sim_cancelled(struct world *world, const struct tn_command *command);
bool sim_answer(struct world *world); /* one outstanding attempt; false: none is ready */
bool sim_ready(struct world *world);
void sim_change_modes(struct world *world);
void sim_targets_after_crash(struct world *world);
uint32_t sim_active_attempts(const struct world *world, uint32_t target_no); /* within the limits; 0: of all targets */
int64_t sim_attempts_deadline(const struct world *world);

/* txn.c */
void sim_draw_txn(struct world *world, uint32_t source);
void sim_draw_cluster(struct world *world, struct tn_target_limits *limits);
void sim_fill_txn_terms(const struct sim_source *source, struct tn_stream_terms *terms);
void sim_txn_started(struct world *world, const struct sim_attempt *attempt);
void sim_txn_wrote(struct world *world, const struct sim_attempt *attempt);
bool sim_txn_checked(struct world *world, const struct sim_attempt *attempt, const struct tn_outcome *outcome); /* false: like any result */
void sim_txn_commanded(struct world *world, const struct tn_command *command);
bool sim_txn_step(struct world *world);
int64_t sim_txn_deadline(const struct world *world);
bool sim_txn_idle(const struct world *world);
bool sim_txn_blocks(struct world *world, uint32_t source); /* its stream may not be opened yet */
void sim_txns_after_crash(struct world *world);

/* limits.c */
void sim_draw_limits(struct world *world, struct tn_target_limits *limits);
bool sim_operate(struct world *world);       /* the operator opens or closes a breaker */
void sim_close_breakers(struct world *world); /* those he opened */
void sim_limits_after_crash(struct world *world);
void sim_limits_noted(struct world *world, const struct tn_note *note);
void sim_limits_started(struct world *world, struct sim_attempt *attempt);
void sim_limits_item_started(struct world *world, struct sim_attempt *attempt, const struct tn_item *item);
void sim_limits_item_answered(struct world *world, const struct sim_attempt *attempt, const struct tn_outcome *outcome); /* in time */
void sim_limits_answered(struct world *world, const struct sim_attempt *attempt, const struct tn_outcome *outcome);
void sim_limits_check_turn(struct world *world);

/* disk.c */
void sim_stored(struct world *world, const struct tn_command *command);
void sim_scanned(struct world *world, const struct tn_command *command);
bool sim_disk_step(struct world *world); /* apply, complete, read or hand over the page; false: nothing to do */
void sim_disk_after_crash(struct world *world);
bool sim_move(struct world *world);
bool sim_release_lanes(struct world *world); /* those that are blocked; false: none is, or not now */
void sim_moved(struct world *world, const struct tn_command *command);
struct sim_row *sim_find_row(struct world *world, uint32_t event, uint32_t match);
uint64_t sim_parked_rows(const struct world *world, uint32_t target_no, uint64_t *out_bytes);
uint64_t sim_dead_bytes(const struct world *world, uint32_t target_no, uint64_t *out_rows); /* of what the engine knows of */
void sim_disk_fini(struct world *world);

/* copies.c */
void sim_draw_dedup(struct world *world, struct sim_source *source);
uint32_t sim_draw_copy(struct world *world, uint32_t source);
void sim_draw_key(struct world *world, uint32_t number);
void sim_fill_key(const struct world *world, uint32_t number, struct tn_offer *offer);
void sim_put_seen(struct world *world, const struct tn_seen *put);
void sim_drop_seen(struct world *world, const struct tn_id *key);
void sim_seen_refused(struct world *world, const struct tn_batch *batch);
bool sim_evict(struct world *world);
void sim_claimed(struct world *world, const struct tn_command *command);
bool sim_claim_step(struct world *world);
void sim_claims_after_crash(struct world *world);

/* ledger.c: each says what is wrong and fails the run. */
void sim_fail(struct world *world, const char *format, ...) TN_PRINTF(2, 3);
void sim_check_turn(struct world *world);
void sim_check_start(struct world *world, const struct sim_attempt *attempt, const struct tn_item *item);
void sim_check_ack(struct world *world, uint32_t instance, const struct tn_settlement *settlement);
void sim_check_result(struct world *world, const struct sim_attempt *attempt, const struct tn_outcome *outcome);
bool sim_has_row(const struct world *world, const struct tn_id *id, bool confirmed); /* other than a TRIED one */
bool sim_is_kept(struct world *world, uint32_t event, uint32_t match); /* durable, or done with */
void sim_check_row_gone(struct world *world, const struct sim_row *row);
void sim_check_row_put(struct world *world, const struct sim_row *old, const struct sim_row *row);
void sim_check_seen(struct world *world, uint32_t event); /* its key is kept */
void sim_check_end(struct world *world);
void sim_noted(void *arg, const struct tn_note *note);
struct tn_id sim_id(uint32_t event, uint32_t match);
struct tn_id sim_lane(const struct world *world, uint32_t event, uint32_t match); /* zero: unordered */
void sim_split_id(const struct tn_id *id, uint32_t *out_event, uint32_t *out_match);
uint64_t sim_hash_attempt(const struct tn_attempt *attempt);
uint64_t sim_hash_batch(const struct tn_batch *batch);

/* order.c: likewise, of lanes. */
void sim_check_order(struct world *world, const struct sim_attempt *attempt); /* just started */
void sim_check_held(struct world *world, const struct sim_row *row);          /* just parked */

/* trace.c */
void sim_say(struct world *world, enum sim_fact fact, uint32_t detail, int64_t a, int64_t b);
void sim_print_trace(const struct world *world);
uint64_t sim_mix(uint64_t hash, uint64_t value);

#endif
