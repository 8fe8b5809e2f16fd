/* SPDX-License-Identifier: Apache-2.0
 *
 * bus.h - one bus in the real world: the engine's loop, the workers, the store, the connectors, and their life from start to drain.
 *
 * No global state: two buses in one process never meet. All functions: the thread that runs the bus (it carries the engine and worker
 * 0), unless said otherwise. Used by `turnout run` and by the admin room.
 *
 *   tn_bus_new: config, rules, lock, store, clock anchor, targets      (nothing accepted yet; health can be served)
 *   tn_bus_run: workers, recovery, sources last, ready; returns after the drain
 */
#ifndef TURNOUT_BUS_H
#define TURNOUT_BUS_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/clock.h"
#include "turnout/config.h"
#include "turnout/engine.h"
#include "turnout/error.h"
#include "turnout/log.h"
#include "turnout/quarantine.h"
#include "turnout/store.h"

struct event_base;
struct tn_bus;
enum tn_bus_phase { TN_BUS_STARTING, TN_BUS_READY, TN_BUS_DRAINING, TN_BUS_STOPPED };

struct tn_bus_options {
	const char *config_file;
	const struct tn_clock *clock;     /* NULL: the system's */
	int log_fd;                       /* [2] */
	void (*on_phase)(enum tn_bus_phase phase); /* READY and DRAINING, when they begin; NULL: nobody is told */
};

/* Returns owned. Every failure comes with an error a person can act on. TN_BUSY: another process has the store. */
enum tn_status tn_bus_new(const struct tn_bus_options *options, struct tn_bus **out_bus, struct tn_error *error) TN_MUST_CHECK;
/* Runs until drained. 0: drained; 3: the drain timed out (what was left is in the journal or unacked); 2: a source or worker could not
 * start, with the error. */
int tn_bus_run(struct tn_bus *bus, struct tn_error *error);
void tn_bus_free(struct tn_bus *bus);

/* SIGHUP: reads the configuration and the rules again; targets and rules change, or nothing does. Errors are logged and counted. */
void tn_bus_reload(struct tn_bus *bus);
/* SIGTERM: drain_timeout of the configuration. */
void tn_bus_drain(struct tn_bus *bus);

/* --- For the admin room --- */
struct event_base *tn_bus_base(const struct tn_bus *bus);
const struct tn_config *tn_bus_config(const struct tn_bus *bus);
struct tn_engine *tn_bus_engine(const struct tn_bus *bus);
struct tn_store *tn_bus_store(const struct tn_bus *bus);
const struct tn_log *tn_bus_log(const struct tn_bus *bus);
const char *tn_bus_admin_socket(const struct tn_bus *bus); /* path of the Unix socket beside the store */
int64_t tn_bus_engine_ms(const struct tn_bus *bus);        /* engine time now */
int64_t tn_bus_wall_of(const struct tn_bus *bus, int64_t engine_ms); /* for people: engine time as wall-clock time */
/* How far the wall clock is ahead of engine time that was held back at start, more than a week; 0: it is not held. */
int64_t tn_bus_clock_ahead_ms(const struct tn_bus *bus);
/* An operator says that the wall clock is right: engine time goes forward to it. Answers by how much; 0: it was not held. */
int64_t tn_bus_accept_clock(struct tn_bus *bus);
enum tn_bus_phase tn_bus_phase(const struct tn_bus *bus);

struct tn_bus_counts { /* since start */
	uint64_t messages, refused, plain_refused, waiting, reloads, reload_errors, reload_failing, notes_suppressed, log_dropped;
	uint64_t revision, rules;
	int64_t started_ms;               /* wall clock */
};
void tn_bus_counts(const struct tn_bus *bus, struct tn_bus_counts *out_counts);

struct tn_source_view {
	struct tn_str name;
	const char *kind;
	uint64_t messages, refused, answered, over_rate; /* over_rate: of the refused */
	struct tn_str rate;               /* as configured; empty: none */
	bool open;
	int64_t oldest_ms;                /* engine time its oldest unsettled event was accepted; INT64_MAX: there is none */
};
size_t tn_bus_source_count(const struct tn_bus *bus);
void tn_bus_source_view(const struct tn_bus *bus, size_t index, struct tn_source_view *out_view);
/* What its connector counts (connector.h), over all its instances: fills up to TN_SOURCE_COUNTS_MAX and answers how many. Waits for
 * their workers. */
size_t tn_bus_source_counts(struct tn_bus *bus, size_t index, struct tn_source_count *out_counts);

struct tn_bus_keeping {                   /* dead letters that were taken away, since start */
	uint64_t expired;                 /* older than their queue's retention */
	uint64_t dropped;                 /* by overflow: drop_oldest */
};
void tn_bus_keeping(const struct tn_bus *bus, struct tn_bus_keeping *out_keeping);
/* How many deliveries a rule dropped at a target since start, by its policy; the first has no names: those of so many rules that they are
 * not told apart. False: there is none with that index. */
struct tn_bus_drop {
	struct tn_str rule, target;
	uint64_t count;
};
bool tn_bus_drop(const struct tn_bus *bus, size_t index, struct tn_bus_drop *out_drop);
/* When the oldest dead letter of the engine's target with that index died (engine time), as of some seconds ago; 0: it has none. */
int64_t tn_bus_oldest_dead_ms(const struct tn_bus *bus, uint32_t index);
/* When the event of its oldest parked delivery was accepted; likewise. */
int64_t tn_bus_oldest_parked_ms(const struct tn_bus *bus, uint32_t index);

/* Are senders turned away (delivery-semantics section 16)? */
struct tn_bus_shed {
	const char *reason;               /* "memory", "journal", "lag"; NULL: they are let in */
	int64_t lag_ms;                   /* how late the loop was, half a second ago at most */
};
void tn_bus_shedding(const struct tn_bus *bus, struct tn_bus_shed *out_view);

/* What ended the process (quarantine.h). */
struct tn_bus_quarantine {
	uint64_t held;                    /* names in quarantine */
	uint64_t strikes;                 /* given at this start */
	uint64_t buried;                  /* messages, rows and deliveries that were not looked at, since start */
};
void tn_bus_quarantine(const struct tn_bus *bus, struct tn_bus_quarantine *out_view);
/* Forgets its strikes, from now on. Waits for the disk. TN_FULL, TN_IO: it is as before, for all anybody knows. */
enum tn_status tn_bus_pardon(struct tn_bus *bus, uint64_t name, struct tn_error *error) TN_MUST_CHECK;
/* The same for all names of a dead letter that are in quarantine: before it is sent again. */
enum tn_status tn_bus_pardon_row(struct tn_bus *bus, const struct tn_row *row, const struct tn_event *event, struct tn_error *error)
	TN_MUST_CHECK;

/* Dead letters (engine.h): moves rows read from the store, as_of tn_bus_moves_ended before. TN_FULL: read again in a moment. done is
 * called later, with the number moved: all of them, or 0 when a full store refused them. The token is the bus's. */
typedef void tn_bus_moved(void *arg, uint32_t moved);
enum tn_status tn_bus_move(struct tn_bus *bus, const struct tn_moves *moves, tn_bus_moved *done, void *arg) TN_MUST_CHECK;
/* False: a move is under way. */
bool tn_bus_moves_ended(const struct tn_bus *bus, uint64_t *out_as_of);
/* Whoever asked with arg is gone: done is not called for it. */
void tn_bus_moves_forget(struct tn_bus *bus, void *arg);
/* The breaker of a target, by the operator. TN_NOT_FOUND: no such target. */
enum tn_status tn_bus_breaker(struct tn_bus *bus, struct tn_str target, enum tn_breaker_state state) TN_MUST_CHECK;
/* For the delivery's story (trace.events): "redriven" or "purged". */
void tn_bus_tell_moved(struct tn_bus *bus, const struct tn_id *delivery, const char *what);
/* True when today's rules still have that rule with that target. */
bool tn_bus_has_route(const struct tn_bus *bus, struct tn_str rule, struct tn_str target);
const struct tn_ruleset *tn_bus_ruleset(const struct tn_bus *bus); /* today's rules; until the next reload */

#endif
