/* SPDX-License-Identifier: Apache-2.0
 *
 * bus_parts.h - what the files of broker/host share: the bus, its workers, sources and targets. Private to the room.
 *
 * Who touches what: everything here belongs to the bus thread (it runs worker 0 and the engine), except what is marked [worker]: that is
 * touched only on its worker's own loop. Between them go letters (mailbox.h).
 *
 *   worker loop                          bus thread
 *   message -> decode, match ----------> admit: tn_engine_offer           intake.c
 *   ops->ack/refuse/credit <------------ ACK, CREDIT, RELEASE             sources.c
 *   ops->deliver/cancel <--------------- START, CANCEL                    attempts.c
 *   result ----------------------------> tn_engine_result                 attempts.c
 *                    store thread: STORE -> completed -> tn_engine_stored pages.c
 */
#ifndef TURNOUT_HOST_BUS_PARTS_H
#define TURNOUT_HOST_BUS_PARTS_H

#include <pthread.h>
#include <stdatomic.h>
#include "engine_clock.h"
#include "guard.h"
#include "source_rate.h"
#include "turnout/bus.h"
#include "turnout/claims.h"
#include "turnout/mailbox.h"

struct event;

/* A configuration that instances borrow options from: goes with the last of them. */
struct snapshot {
	struct tn_config *config;
	unsigned refs;
};
struct snapshot *tn_snapshot_ref(struct snapshot *snapshot);
void tn_snapshot_unref(struct snapshot *snapshot);

struct worker {
	struct tn_bus *bus;
	uint32_t index;
	struct event_base *base;
	struct tn_mailbox *mailbox;
	pthread_t thread;
	bool threaded;                    /* all but worker 0 */
	struct tn_ruleset *ruleset;       /* [worker] the revision it matches with */
	struct tn_matcher *matcher;       /* [worker] */
	struct tn_guard_slot *slot;       /* [worker] what it is at work on; NULL: nobody will know */
	struct tn_offer *offers;          /* [worker] scratch of intake.c, reused */
	struct tn_match *matches;
	size_t offer_capacity, match_capacity;
};

struct source;
struct source_instance {                  /* one source on one worker */
	struct source *source;
	struct worker *worker;
	struct tn_host host;
	struct tn_source *handle;         /* [worker] */
	struct tn_source_count counts[TN_SOURCE_COUNTS_MAX]; /* as last asked for; the last ones stay when it has stopped */
	size_t count_count;
	bool stopped;
};
struct source {
	struct tn_bus *bus;
	const struct tn_source_config *config;
	uint32_t number;
	char origin[160];                 /* JSON: what rows and dead letters say of this source, without the position and the last brace */
	struct source_instance *instances; /* one, or one a worker */
	uint32_t instance_count;
	atomic_uint_fast64_t messages, refused, answered, over_rate;
	struct tn_source_rate rate;
};
struct stream {
	struct source_instance *instance;
	char *name;
};

struct target_group;
struct target_instance {                  /* one generation of a target on one worker */
	struct target_group *group;
	struct worker *worker;
	struct tn_host host;
	struct tn_target *handle;         /* [worker] */
	bool stopped;
};
struct target_group {                     /* one generation of a target: what one configuration of it opened */
	struct tn_bus *bus;
	struct snapshot *snapshot;
	const struct tn_target_config *config;
	uint32_t target_no, in_flight, next_instance, instance_count;
	struct target_instance *instances;
	struct tn_address_policy *addresses;
	bool retired;                     /* stops after its last result */
	bool stopping;                    /* its instances were told to stop: they may be gone at any moment */
	struct target_group *next;        /* among all groups of the bus */
};

struct attempts;                          /* attempts.c */
struct waiting;                           /* intake.c: arrivals the engine had no room for */
struct watch;                             /* watch.c */
struct readiness;                         /* readiness.c */
struct notes;                             /* notes.c */
struct drops;                             /* drops.c */
struct keeper;                            /* dlq_keeper.c */
struct quarantine;                        /* quarantine.c */
struct shedding;                          /* shed.c */
struct move_call {                        /* moves.c: whose dead letters are being moved */
	uint64_t token;
	tn_bus_moved *done;               /* NULL: nobody's any more */
	void *arg;
};

struct tn_bus {
	struct tn_bus_options options;
	struct tn_clock clock;
	struct tn_log log;
	struct snapshot *snapshot;        /* today's configuration */
	struct snapshot *started;         /* the one the bus was started with, for its whole life: its name, its store, its workers and its
	                                   * sources, which a reload does not change. Any thread may read it. */
	struct tn_ruleset *ruleset;       /* today's rules */
	uint64_t revision;
	struct tn_store *store;
	struct tn_engine *engine;
	const struct tn_claim_ops *claim_ops; /* NULL: not open yet */
	struct tn_claim_store *claim_store;
	char admin_socket[256];
	struct engine_clock engine_clock;
	uint64_t store_reopened;          /* as last seen, and when it grew */
	int64_t store_reopened_ms;

	struct worker *workers;
	uint32_t worker_count;
	struct event *turn, *deadline;
	bool turn_wanted, dispatching;

	struct source *sources;
	size_t source_count;
	struct stream *streams;
	uint32_t stream_count, stream_capacity;
	pthread_mutex_t stream_lock;

	struct target_group *groups;      /* all generations, current and retired */
	struct target_group **current;    /* by target number; NULL: none */
	uint32_t current_count;
	struct attempts *attempts;
	struct waiting *waiting;
	struct watch *watch;
	struct notes *notes;
	struct drops *drops;
	struct readiness *readiness;      /* NULL: nothing is waited for */
	struct tn_buf story;              /* scratch of stories.c, reused */
	struct move_call move;
	struct keeper *keeper;
	struct quarantine *quarantine;
	struct shedding *shedding;

	enum tn_bus_phase phase;
	bool sources_open, drain_timed_out, failed;
	struct event *stop_limit;
	struct tn_error *run_error;
	uint64_t reloads, reload_errors, log_dropped;
	bool reload_failing;
	int64_t started_ms;
	atomic_uint_fast64_t plain_refused;
};

/* turn.c */
enum tn_status tn_turn_init(struct tn_bus *bus);
void tn_turn_fini(struct tn_bus *bus);
void tn_turn_want(struct tn_bus *bus); /* something came in: have a turn at the end of this round of the loop */

/* worker.c */
enum tn_status tn_workers_new(struct tn_bus *bus, struct tn_error *error);
enum tn_status tn_workers_start(struct tn_bus *bus, struct tn_error *error);
void tn_workers_stop(struct tn_bus *bus);  /* joins the threads; their loops are empty by then */
void tn_workers_free(struct tn_bus *bus);
/* Runs step on the worker's loop and waits for it; directly when it is this thread's or its thread does not run yet. Bus thread. */
void tn_worker_call(struct worker *worker, void (*step)(void *arg), void *arg);
/* Every worker matches with this ruleset from its next message on. */
void tn_workers_publish(struct tn_bus *bus, struct tn_ruleset *ruleset);

/* sources.c */
enum tn_status tn_sources_open(struct tn_bus *bus, struct tn_error *error);
void tn_sources_pause(struct tn_bus *bus);
void tn_sources_shed(struct tn_bus *bus, const char *why); /* turn senders away; NULL: no more */
void tn_sources_stop(struct tn_bus *bus);
bool tn_sources_stopped(const struct tn_bus *bus);
void tn_sources_free(struct tn_bus *bus);
void tn_sources_command(struct tn_bus *bus, const struct tn_command *command);
/* The instance a position came from; NULL: never opened. */
struct source_instance *tn_sources_find(struct tn_bus *bus, struct tn_position position);
/* Any thread: refuses a message of an instance on its own loop. Copies. */
void tn_source_refuse(struct source_instance *instance, struct tn_position position, const struct tn_refusal *refusal);
/* The stream's name, for describe(); borrowed for ever. */
const char *tn_sources_stream_name(struct tn_bus *bus, uint32_t stream);

/* intake.c */
struct waiting *tn_waiting_new(void);
void tn_waiting_free(struct waiting *waiting);
size_t tn_waiting_count(const struct waiting *waiting);
void tn_intake_room(struct tn_bus *bus);
void tn_intake_turn_away(struct tn_bus *bus, const char *why); /* those who wait for an answer need not wait for room */
/* [worker] host->message of a source. */
enum tn_status tn_intake_message(struct source_instance *instance, const struct tn_message *message);

/* targets.c */
/* Opens what is new or changed in snapshot, tells the engine today's limits, and retires what was replaced or is gone; all or nothing:
 * on failure everything is as before. */
enum tn_status tn_targets_adopt(struct tn_bus *bus, struct snapshot *snapshot, struct tn_error *error);
struct target_group *tn_targets_find(struct tn_bus *bus, uint32_t target_no);
/* For tn_config_load_rules: the store's number of a target name; 0 when the store could not say. arg: the bus. */
uint32_t tn_targets_number(void *arg, struct tn_str name);
void tn_targets_release(struct target_group *group); /* a result came: a retired group may stop now */
void tn_targets_stop(struct tn_bus *bus);
bool tn_targets_stopped(const struct tn_bus *bus);
void tn_targets_free(struct tn_bus *bus);

/* attempts.c */
struct attempts *tn_attempts_new(void);
void tn_attempts_free(struct attempts *attempts);
void tn_attempts_start(struct tn_bus *bus, const struct tn_attempt *attempt);
void tn_attempts_cancel(struct tn_bus *bus, uint64_t token);
/* Any thread: host->result and host->ready of a target. */
void tn_attempts_result(void *arg, const struct tn_result *result, const struct tn_message *reply);
void tn_attempts_ready(void *arg, uint32_t room);

/* replies.c */
struct tn_reply_verdict {
	struct tn_outcome outcome;
	char text[256];                   /* what outcome's message may point into */
};
/* Offers the event a target answered with. True: it was not taken, and the result is to be what out_verdict says instead. */
bool tn_replies_take(struct tn_bus *bus, const struct tn_wire *wire, const struct tn_attempt *attempt, const struct tn_message *reply,
	struct tn_reply_verdict *out_verdict);

/* claims.c: where the engine's questions about idempotency keys go. */
void tn_claims_open(struct tn_bus *bus);
void tn_claims_ask(struct tn_bus *bus, const struct tn_command *command);
void tn_claims_close(struct tn_bus *bus); /* harmless when it was not opened */

/* pages.c */
void tn_pages_scan(struct tn_bus *bus, const struct tn_scan *scan);
void tn_pages_completed(void *arg, uint64_t batch, enum tn_commit commit); /* Any thread. */

/* dlq_keeper.c */
struct keeper *tn_keeper_new(struct tn_bus *bus);
void tn_keeper_free(struct keeper *keeper);

/* quarantine.c: the names of quarantine.h, and who of them has three strikes */
struct quarantine *tn_quarantine_new(struct tn_bus *bus); /* the store is open, the workers do not run yet */
void tn_quarantine_free(struct quarantine *quarantine);
/* Any thread. NULL holds nothing. */
bool tn_quarantine_holds(const struct quarantine *quarantine, uint64_t name);
/* Likewise: it has a strike, or was in a batch that the last run ended at. It is to be attempted alone, so that no other is struck. */
bool tn_quarantine_suspects(const struct quarantine *quarantine, uint64_t name);
/* Any thread. The message's names; answers how many. origin: its source and position. */
uint32_t tn_quarantine_message(const struct tn_connector *connector, const struct tn_message *message, struct tn_str origin,
	uint64_t out_names[2]);
/* Any thread. Returns owned a raw event: the headers that make an event of it, an empty line, the body; counted. */
struct tn_event *tn_quarantine_bury(struct quarantine *quarantine, const struct tn_connector *connector, const struct tn_message *message,
	uint64_t name);
void tn_quarantine_counted(struct quarantine *quarantine); /* Any thread: something else was buried unseen */
/* For tn_store_options; arg: the bus. */
bool tn_quarantine_enter_event(void *arg, uint64_t event_seq, enum tn_store_reader reader);
void tn_quarantine_leave_event(void *arg, enum tn_store_reader reader);

/* shed.c */
struct shedding *tn_shedding_new(struct tn_bus *bus);
void tn_shedding_free(struct shedding *shedding);

/* moves.c */
void tn_moves_ended(struct tn_bus *bus, const struct tn_command *command);

/* reload.c, watch.c */
void tn_reload_rules(struct tn_bus *bus);
struct watch *tn_watch_new(struct tn_bus *bus);
void tn_watch_free(struct watch *watch);
void tn_watch_follow(struct watch *watch); /* the rule paths may have changed */

/* notes.c */
struct notes *tn_notes_new(struct tn_bus *bus);
void tn_notes_free(struct notes *notes);
void tn_notes_write(void *arg, const struct tn_note *note);
uint64_t tn_notes_suppressed(const struct notes *notes);

/* drops.c */
struct drops *tn_drops_new(void);
void tn_drops_free(struct drops *drops);
void tn_drops_count(struct drops *drops, struct tn_str rule, struct tn_str target);

/* readiness.c */
enum tn_status tn_readiness_new(struct tn_bus *bus, struct tn_error *error);
bool tn_readiness_reached(const struct tn_bus *bus);
void tn_readiness_free(struct readiness *readiness);

/* stories.c */
void tn_stories_note(struct tn_bus *bus, const struct tn_note *note);

#endif
