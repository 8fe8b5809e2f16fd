/* SPDX-License-Identifier: Apache-2.0
 *
 * turn.c - one turn of the bus: tell the engine the time, carry out what it decided, sleep until it wants to go on.
 *
 * Whoever hands the engine a fact asks for a turn; one turn serves all facts of one round of the event loop. Bus thread.
 */
#include "bus_parts.h"

#include <event2/event.h>

static void carry_out(struct tn_bus *bus, const struct tn_command *command)
{
	switch (command->kind) {
	case TN_START:
		tn_attempts_start(bus, command->attempt);
		break;
	case TN_CANCEL:
		tn_attempts_cancel(bus, command->token);
		break;
	case TN_ACK:
	case TN_EXTEND:
	case TN_RELEASE:
	case TN_CREDIT:
	case TN_STREAM_DONE:
		tn_sources_command(bus, command);
		break;
	case TN_STORE:
		tn_store_submit(bus->store, command->batch);
		break;
	case TN_SCAN:
		tn_pages_scan(bus, command->scan);
		break;
	case TN_CLAIM:
		tn_claims_ask(bus, command);
		break;
	case TN_ROOM:
		tn_intake_room(bus);
		break;
	case TN_MOVED:
		tn_moves_ended(bus, command);
		break;
	case TN_TXN_COMMIT: /* no source offers transactions yet: nobody opened a stream with any */
	case TN_TXN_ABORT:
		tn_log_error(&bus->log, "transaction of a source without any", "source=%u", command->position.source);
		break;
	case TN_DRAINED:
		bus->drain_timed_out = command->timed_out;
		tn_sources_stop(bus);
		break;
	}
}

static void sleep_until_deadline(struct tn_bus *bus)
{
	int64_t deadline_ms = tn_engine_deadline(bus->engine);
	if (deadline_ms == INT64_MAX) {
		event_del(bus->deadline);
		return;
	}
	int64_t wait_ms = deadline_ms - tn_bus_engine_ms(bus);
	if (wait_ms < 1)
		wait_ms = 1; /* time has no finer grain here, and a turn must not spin */
	struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
	event_add(bus->deadline, &wait);
}

static void open_sources(struct tn_bus *bus)
{
	struct tn_error error = {0};
	char text[1024], quoted[1200];
	bus->sources_open = true;
	if (tn_sources_open(bus, &error) != TN_OK) {
		tn_error_format(&error, text, sizeof text);
		tn_log_error(&bus->log, "source could not be opened", "error=%s", tn_log_quote(text, strlen(text), quoted, sizeof quoted));
		*bus->run_error = error;
		bus->failed = true;
		tn_bus_drain(bus);
		return;
	}
	bus->phase = TN_BUS_READY;
	if (bus->options.on_phase)
		bus->options.on_phase(TN_BUS_READY);
	const struct tn_books *books = tn_engine_books(bus->engine);
	tn_log_info(&bus->log, "ready", "rules=%u revision=%llu recovered=%llu start_ms=%lld", tn_ruleset_rule_count(bus->ruleset),
		(unsigned long long)bus->revision, (unsigned long long)books->recovered,
		(long long)(tn_clock_wall_ms(&bus->clock) - bus->started_ms));
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct tn_bus *bus = arg;
	struct tn_command command;
	bus->turn_wanted = false;
	tn_engine_tick(bus->engine, tn_bus_engine_ms(bus));
	bus->dispatching = true;
	while (tn_engine_next(bus->engine, &command))
		carry_out(bus, &command);
	bus->dispatching = false;
	/* Sources come last: everything that was in hand before is known by then (delivery-semantics section 19). */
	if (!bus->sources_open && bus->phase == TN_BUS_STARTING && tn_engine_recovered(bus->engine) && tn_readiness_reached(bus))
		open_sources(bus);
	sleep_until_deadline(bus);
}

void tn_turn_want(struct tn_bus *bus)
{
	if (bus->turn_wanted)
		return;
	bus->turn_wanted = true;
	event_active(bus->turn, EV_TIMEOUT, 0);
}

enum tn_status tn_turn_init(struct tn_bus *bus)
{
	struct event_base *base = bus->workers[0].base;
	bus->turn = event_new(base, -1, 0, on_turn, bus);
	bus->deadline = event_new(base, -1, 0, on_turn, bus);
	return bus->turn && bus->deadline ? TN_OK : TN_NO_MEMORY;
}

void tn_turn_fini(struct tn_bus *bus)
{
	if (bus->turn)
		event_free(bus->turn);
	if (bus->deadline)
		event_free(bus->deadline);
}
