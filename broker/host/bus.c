/* SPDX-License-Identifier: Apache-2.0
 *
 * bus.c - one bus from start to drain: the order in which its parts come to life and go.
 *
 * Start (delivery-semantics section 19): configuration, rules, store under its lock, clock anchor, engine, targets; then, in tn_bus_run,
 * recovery, and sources last. Drain (section 18): sources take nothing new, the engine finishes, sources stop, targets stop, the store
 * closes. Bus thread.
 */
#include "bus_parts.h"

#include "turnout/id.h"
#include "turnout/log_sink.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SECOND_MS = 1000, STOP_LIMIT_MS = 8000, STORE_WAIT_MS = 20, STORE_WAITS = 250 };

/* --- The clock (section 14) --- */

int64_t tn_bus_engine_ms(const struct tn_bus *bus)
{
	return tn_engine_clock_now(&bus->engine_clock);
}

int64_t tn_bus_wall_of(const struct tn_bus *bus, int64_t engine_ms)
{
	/* In whole seconds: two clocks read one after the other are a millisecond apart or two, and a record would not be the same twice. */
	int64_t offset_ms = tn_clock_wall_ms(&bus->clock) - tn_bus_engine_ms(bus);
	return engine_ms + (offset_ms + (offset_ms < 0 ? -SECOND_MS / 2 : SECOND_MS / 2)) / SECOND_MS * SECOND_MS;
}

static void start_clock(struct tn_bus *bus, int64_t persisted_ms)
{
	tn_engine_clock_start(&bus->engine_clock, &bus->clock, persisted_ms);
	int64_t ahead_ms = tn_engine_clock_ahead(&bus->engine_clock);
	if (ahead_ms > 0)
		tn_log_warn(&bus->log, "wall clock is more than 7 days ahead of the store; nothing is expired by that",
			"ahead_ms=%lld if_it_is_right=\"turnout clock accept\"", (long long)ahead_ms);
}

int64_t tn_bus_clock_ahead_ms(const struct tn_bus *bus)
{
	return tn_engine_clock_ahead(&bus->engine_clock);
}

int64_t tn_bus_accept_clock(struct tn_bus *bus)
{
	int64_t moved_ms = tn_engine_clock_accept(&bus->engine_clock);
	if (moved_ms > 0)
		tn_log_warn(&bus->log, "the wall clock was accepted; what waits is older by that", "moved_ms=%lld", (long long)moved_ms);
	tn_turn_want(bus);
	return moved_ms;
}

/* --- Start --- */

static enum tn_status read_config(struct tn_bus *bus, struct tn_error *error)
{
	struct tn_config *config;
	enum tn_status status = tn_config_read(bus->options.config_file, &config, error);
	if (status != TN_OK)
		return status;
	bus->snapshot = calloc(1, sizeof *bus->snapshot);
	if (!bus->snapshot)
		abort();
	*bus->snapshot = (struct snapshot){.config = config, .refs = 1};
	bus->started = tn_snapshot_ref(bus->snapshot);
	bus->log = (struct tn_log){
		.fd = bus->options.log_fd,
		.level = (enum tn_log_level)config->log_level,
		.format = (enum tn_log_format)config->log_format,
		.clock = &bus->clock,
		.bus = config->bus.bytes,
		.dropped = &bus->log_dropped,
	};
	return tn_log_sink_open(&bus->log, &bus->log.sink, error);
}

/* The rules are read once before the store is touched, so that a bad rule file changes nothing at all. */
static enum tn_status check_rules(struct tn_bus *bus, struct tn_error *error)
{
	struct tn_ruleset *ruleset;
	enum tn_status status = tn_config_load_rules(bus->snapshot->config, NULL, NULL, 0, &ruleset, error);
	if (status == TN_OK)
		tn_ruleset_unref(ruleset);
	return status;
}

/* Tools that look into a stopped bus's store have no admin socket and let go in a moment; a bus must not fail to start for that. */
static bool a_tool_holds(const char *store_path)
{
	char socket[256] = "";
	enum tn_status status = tn_store_holder(store_path, socket, sizeof socket);
	return status == TN_NOT_FOUND || (status == TN_OK && !socket[0]);
}

/* Writer thread. */
static void on_set_aside(void *arg, const char *record, uint32_t more)
{
	const struct tn_bus *bus = arg;
	tn_log_warn(&bus->log, "damaged record of the store set aside; what it stood for is lost here: have its source send it again, and look at "
		"the disk (turnout audit)", "record=%s more=%u", record, more);
}

static enum tn_status open_store(struct tn_bus *bus, struct tn_store_facts *out_facts, struct tn_error *error)
{
	const struct tn_config *config = bus->snapshot->config;
	snprintf(bus->admin_socket, sizeof bus->admin_socket, "%s/admin.sock", config->store_path.bytes);
	struct tn_store_options options = {
		.path = config->store_path.bytes,
		.max_size_bytes = config->store_max_bytes,
		.ledger_max_bytes = config->trace_events != TN_NOTES_DECISIONS ? config->trace_max_bytes : 0,
		.ledger_keep_ms = config->trace_keep_ms,
		.max_seen = config->store_max_keys,
		.admin_socket = bus->admin_socket,
		.completed = tn_pages_completed,
		.set_aside = on_set_aside,
		.arg = bus,
		.guard = {.enter = tn_quarantine_enter_event, .leave = tn_quarantine_leave_event, .arg = bus},
	};
	enum tn_status status = tn_store_open(&options, &bus->store, error);
	for (int i = 0; status == TN_BUSY && i < STORE_WAITS && a_tool_holds(config->store_path.bytes); i++) {
		nanosleep(&(struct timespec){.tv_nsec = STORE_WAIT_MS * 1000000}, NULL);
		status = tn_store_open(&options, &bus->store, error);
	}
	if (status == TN_OK) {
		tn_store_facts(bus->store, out_facts);
		tn_claims_open(bus);
	}
	return status;
}

static enum tn_status make_engine(struct tn_bus *bus, const struct tn_store_facts *facts, struct tn_error *error)
{
	const struct tn_config *config = bus->snapshot->config;
	struct tn_engine_config engine = tn_engine_config_default;
	engine.max_in_flight = (uint32_t)config->max_in_flight;
	engine.memory_bytes = config->memory_bytes;
	engine.park_after_ms = config->park_after_ms;
	engine.settle_deadline_ms = config->settle_deadline_ms;
	engine.next_seq = facts->next_seq;
	engine.recover = true;
	for (unsigned i = 1; i < 5; i++)
		engine.store_rows += facts->rows[i];
	engine.note = tn_notes_write;
	engine.note_arg = bus->notes;
	engine.note_detail = (enum tn_note_detail)config->trace_events;
	enum tn_status status = tn_engine_new(&engine, tn_alloc_system, tn_seed_random(), tn_bus_engine_ms(bus), &bus->engine);
	if (status != TN_OK)
		tn_error_set(error, "no memory for the delivery engine; lower limits.memory or limits.max_in_flight");
	return status;
}

static enum tn_status start_parts(struct tn_bus *bus, struct tn_error *error)
{
	struct tn_store_facts facts;
	enum tn_status status = check_rules(bus, error);
	if (status == TN_OK)
		status = tn_workers_new(bus, error);
	if (status == TN_OK)
		status = tn_turn_init(bus);
	if (status == TN_OK)
		status = open_store(bus, &facts, error);
	if (status != TN_OK)
		return status;
	start_clock(bus, facts.engine_ms);
	bus->quarantine = tn_quarantine_new(bus);
	bus->revision = 1;
	status = tn_config_load_rules(bus->snapshot->config, tn_targets_number, bus, bus->revision, &bus->ruleset, error);
	if (status == TN_OK)
		status = make_engine(bus, &facts, error);
	if (status == TN_OK)
		status = tn_targets_adopt(bus, bus->snapshot, error);
	if (status == TN_OK)
		tn_workers_publish(bus, bus->ruleset);
	return status;
}

enum tn_status tn_bus_new(const struct tn_bus_options *options, struct tn_bus **out_bus, struct tn_error *error)
{
	struct tn_bus *bus = calloc(1, sizeof *bus);
	if (!bus)
		abort();
	bus->options = *options;
	bus->clock = options->clock ? *options->clock : tn_clock_system;
	bus->started_ms = tn_clock_wall_ms(&bus->clock);
	pthread_mutex_init(&bus->stream_lock, NULL);
	bus->waiting = tn_waiting_new();
	bus->attempts = tn_attempts_new();
	bus->notes = tn_notes_new(bus);
	bus->drops = tn_drops_new();
	enum tn_status status = read_config(bus, error);
	if (status == TN_OK)
		status = start_parts(bus, error);
	if (status != TN_OK) {
		tn_bus_free(bus);
		return status;
	}
	*out_bus = bus;
	return TN_OK;
}

/* --- Run and drain --- */

int tn_bus_run(struct tn_bus *bus, struct tn_error *error)
{
	bus->run_error = error;
	if (tn_readiness_new(bus, error) != TN_OK || tn_workers_start(bus, error) != TN_OK)
		return 2;
	bus->watch = tn_watch_new(bus);
	bus->keeper = tn_keeper_new(bus);
	bus->shedding = tn_shedding_new(bus);
	tn_turn_want(bus);
	event_base_loop(bus->workers[0].base, EVLOOP_NO_EXIT_ON_EMPTY);
	tn_workers_stop(bus);
	tn_log_info(&bus->log, "stopped", "drained=%s", bus->drain_timed_out ? "no" : "yes");
	return bus->failed ? 2 : bus->drain_timed_out ? 3 : 0;
}

static void on_stop_limit(evutil_socket_t fd, short what, void *arg)
{
	struct tn_bus *bus = arg;
	tn_log_warn(&bus->log, "a source or target did not stop in time", "limit_ms=%d", STOP_LIMIT_MS);
	bus->drain_timed_out = true;
	event_base_loopbreak(bus->workers[0].base);
}

void tn_bus_drain(struct tn_bus *bus)
{
	if (bus->phase >= TN_BUS_DRAINING)
		return;
	int64_t timeout_ms = bus->snapshot->config->drain_timeout_ms, limit_ms = timeout_ms + STOP_LIMIT_MS;
	bus->phase = TN_BUS_DRAINING;
	if (bus->options.on_phase)
		bus->options.on_phase(TN_BUS_DRAINING);
	tn_log_info(&bus->log, "draining", "timeout_ms=%lld", (long long)timeout_ms);
	tn_sources_pause(bus);
	tn_engine_drain(bus->engine, timeout_ms);
	bus->stop_limit = evtimer_new(bus->workers[0].base, on_stop_limit, bus);
	struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000};
	if (bus->stop_limit)
		event_add(bus->stop_limit, &limit);
	tn_turn_want(bus);
}

/* A start that failed after the targets were opened: no loop has run that would have stopped them. */
static void stop_targets(struct tn_bus *bus)
{
	if (bus->phase != TN_BUS_STARTING || bus->failed || tn_targets_stopped(bus))
		return;
	tn_targets_stop(bus);
	for (uint32_t i = bus->worker_count; i-- > 0;)
		event_base_loop(bus->workers[i].base, EVLOOP_NONBLOCK);
}

void tn_bus_free(struct tn_bus *bus)
{
	if (!bus)
		return;
	tn_workers_stop(bus);
	stop_targets(bus);
	tn_store_close(bus->store); /* its last completions become letters, which the mailboxes below only free */
	tn_watch_free(bus->watch);
	tn_keeper_free(bus->keeper);
	tn_readiness_free(bus->readiness);
	tn_shedding_free(bus->shedding);
	tn_turn_fini(bus);
	if (bus->stop_limit)
		event_free(bus->stop_limit);
	tn_waiting_free(bus->waiting);
	tn_workers_free(bus);
	tn_sources_free(bus);
	tn_targets_free(bus);
	tn_attempts_free(bus->attempts);
	tn_engine_free(bus->engine);
	tn_quarantine_free(bus->quarantine);
	tn_claims_close(bus);
	tn_ruleset_unref(bus->ruleset);
	tn_log_sink_close(bus->log.sink); /* its lines have the bus's name, which is the configuration's */
	bus->log.sink = NULL;
	tn_snapshot_unref(bus->snapshot);
	tn_snapshot_unref(bus->started);
	tn_notes_free(bus->notes);
	tn_drops_free(bus->drops);
	tn_buf_fini(&bus->story);
	pthread_mutex_destroy(&bus->stream_lock);
	free(bus);
}

/* --- Views --- */

struct event_base *tn_bus_base(const struct tn_bus *bus)
{
	return bus->workers[0].base;
}

const struct tn_config *tn_bus_config(const struct tn_bus *bus)
{
	return bus->snapshot->config;
}

struct tn_engine *tn_bus_engine(const struct tn_bus *bus)
{
	return bus->engine;
}

struct tn_store *tn_bus_store(const struct tn_bus *bus)
{
	return bus->store;
}

const struct tn_log *tn_bus_log(const struct tn_bus *bus)
{
	return &bus->log;
}

const char *tn_bus_admin_socket(const struct tn_bus *bus)
{
	return bus->admin_socket;
}

enum tn_bus_phase tn_bus_phase(const struct tn_bus *bus)
{
	return bus->phase;
}

void tn_bus_counts(const struct tn_bus *bus, struct tn_bus_counts *out_counts)
{
	*out_counts = (struct tn_bus_counts){
		.plain_refused = bus->plain_refused,
		.waiting = tn_waiting_count(bus->waiting),
		.reloads = bus->reloads,
		.reload_errors = bus->reload_errors,
		.reload_failing = bus->reload_failing,
		.notes_suppressed = tn_notes_suppressed(bus->notes),
		.log_dropped = bus->log_dropped,
		.revision = bus->revision,
		.rules = tn_ruleset_rule_count(bus->ruleset),
		.started_ms = bus->started_ms,
	};
	for (size_t i = 0; i < bus->source_count; i++) {
		out_counts->messages += bus->sources[i].messages;
		out_counts->refused += bus->sources[i].refused;
	}
}

size_t tn_bus_source_count(const struct tn_bus *bus)
{
	return bus->source_count;
}

void tn_bus_source_view(const struct tn_bus *bus, size_t index, struct tn_source_view *out_view)
{
	const struct source *source = &bus->sources[index];
	*out_view = (struct tn_source_view){
		.name = source->config->name,
		.kind = source->config->connector->name,
		.messages = source->messages,
		.refused = source->refused,
		.answered = source->answered,
		.over_rate = source->over_rate,
		.rate = source->config->rate,
		.open = !source->instances[0].stopped,
		.oldest_ms = tn_engine_oldest_of(bus->engine, source->number),
	};
}

enum tn_status tn_bus_breaker(struct tn_bus *bus, struct tn_str target, enum tn_breaker_state state)
{
	struct tn_target_view view;
	for (uint32_t i = 0; tn_engine_target_view(bus->engine, i, &view); i++)
		if (tn_str_equal(view.name, target)) {
			tn_turn_want(bus);
			return tn_engine_breaker(bus->engine, view.target_no, state);
		}
	return TN_NOT_FOUND;
}

bool tn_bus_has_route(const struct tn_bus *bus, struct tn_str rule, struct tn_str target)
{
	return tn_ruleset_find_route(bus->ruleset, rule, target) != NULL;
}

const struct tn_ruleset *tn_bus_ruleset(const struct tn_bus *bus)
{
	return bus->ruleset;
}
