/* SPDX-License-Identifier: Apache-2.0
 *
 * dlq_keeper.c - keeps the queues of dead letters in the store within bounds: what is older than its queue's retention goes, and where
 * a target has more than its queue allows and the policy is drop_oldest, its oldest go.
 *
 * A timer of its own on the bus thread; each tick is one bounded piece of work: a page of the store, or nothing. What it takes away is
 * counted, and said in one log line a sweep. The engine makes the moves, so keeper, redrives and purges never get in each other's way.
 */
#include "bus_parts.h"

#include "turnout/dlq.h"

#include <event2/event.h>
#include <stdlib.h>

enum { TICK_MS = 200, BUSY_MS = 20, REFUSED_MS = 2000, SWEEP_MIN_MS = 1000, SWEEP_MAX_MS = 600000, PAGE_ITEMS = 256, KEPT_PERCENT = 90,
	DROP_PAUSE_MS = 5000 };

enum work { RESTING, EXPIRING, DROPPING };

struct oldest {                           /* engine time; 0: none */
	int64_t dead_ms, parked_ms;
};
struct keeper {
	struct tn_bus *bus;
	struct event *timer;
	enum work work;
	struct tn_dlq_cursor cursor, page; /* page: before the page at hand */
	int64_t next_sweep_ms, next_drop_ms; /* engine time */
	uint64_t gone;                    /* in this sweep */
	struct tn_str drop_target;        /* DROPPING: whose, and how many bytes are to go */
	uint64_t drop_bytes;
	uint32_t oldest_index;            /* of the target looked at next */
	struct oldest *oldest;            /* by index of the engine's targets */
	uint32_t oldest_count;
	struct tn_move_item items[PAGE_ITEMS];
	uint32_t count;
	uint64_t page_bytes;
	struct tn_bus_keeping keeping;
};

static void tick_in(struct keeper *keeper, int64_t wait_ms)
{
	event_add(keeper->timer, &(struct timeval){.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000});
}

/* --- What is to go --- */

static const struct tn_dead_letter_config *queue_of(const struct keeper *keeper, const struct tn_row *row)
{
	const struct tn_config *config = keeper->bus->snapshot->config;
	const struct tn_dead_letter_config *queue = row->queue.len > 0 ? tn_config_dead_letter(config, row->queue) : NULL;
	return queue && !queue->target.bytes ? queue : tn_config_dead_letter(config, TN_STR("default")); /* of a queue that is gone, too */
}

static bool is_expired(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	const struct keeper *keeper = arg;
	return tn_bus_engine_ms(keeper->bus) - row->dead_ms >= queue_of(keeper, row)->retention_ms;
}

static bool take(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct keeper *keeper = arg;
	uint64_t bytes = tn_dead_letter_bytes(event);
	keeper->items[keeper->count++] = (struct tn_move_item){.key = row->key, .target_no = row->target_no, .bytes = bytes};
	keeper->page_bytes += bytes;
	return keeper->count < PAGE_ITEMS && (keeper->work != DROPPING || keeper->page_bytes < keeper->drop_bytes);
}

/* --- Sweeps --- */

static int64_t sweep_interval_ms(const struct keeper *keeper)
{
	const struct tn_config *config = keeper->bus->snapshot->config;
	int64_t shortest_ms = (int64_t)SWEEP_MAX_MS * 10;
	for (size_t i = 0; i < config->dead_letter_count; i++)
		if (!config->dead_letters[i].target.bytes && config->dead_letters[i].retention_ms < shortest_ms)
			shortest_ms = config->dead_letters[i].retention_ms;
	return shortest_ms / 10 < SWEEP_MIN_MS ? SWEEP_MIN_MS : shortest_ms / 10;
}

static void begin(struct keeper *keeper, enum work work)
{
	keeper->work = work;
	keeper->cursor = (struct tn_dlq_cursor){0};
	keeper->gone = 0;
}

static void end(struct keeper *keeper)
{
	if (keeper->work == EXPIRING)
		keeper->next_sweep_ms = tn_bus_engine_ms(keeper->bus) + sweep_interval_ms(keeper);
	if (keeper->gone > 0 && keeper->work == EXPIRING)
		tn_log_info(&keeper->bus->log, "expired dead letters purged", "count=%llu", (unsigned long long)keeper->gone);
	if (keeper->gone > 0 && keeper->work == DROPPING)
		tn_log_warn(&keeper->bus->log, "oldest dead letters dropped; the target has all it may have", "target=%.*s count=%llu",
			TN_STR_ARG(keeper->drop_target), (unsigned long long)keeper->gone);
	if (keeper->gone == 0 && keeper->work == DROPPING) /* nothing of its is to be found: it was counted before it could be read */
		keeper->next_drop_ms = tn_bus_engine_ms(keeper->bus) + DROP_PAUSE_MS;
	keeper->work = RESTING;
}

static void on_moved(void *arg, uint32_t moved)
{
	struct keeper *keeper = arg;
	if (moved == 0) { /* a purge is refused only when the store cannot be written at all */
		keeper->cursor = keeper->page;
		tick_in(keeper, REFUSED_MS);
		return;
	}
	keeper->gone += moved;
	if (keeper->work == DROPPING) {
		keeper->keeping.dropped += moved;
		keeper->drop_bytes = keeper->drop_bytes > keeper->page_bytes ? keeper->drop_bytes - keeper->page_bytes : 0;
	} else {
		keeper->keeping.expired += moved;
	}
	tick_in(keeper, BUSY_MS);
}

static enum tn_status read_page(struct keeper *keeper)
{
	struct tn_dlq_selection selection = {.all = true};
	struct tn_error error = {0};
	if (keeper->work == DROPPING)
		selection.target = keeper->drop_target;
	else
		selection = (struct tn_dlq_selection){.all = true, .matches = is_expired, .arg = keeper};
	keeper->page = keeper->cursor;
	keeper->count = 0;
	keeper->page_bytes = 0;
	return tn_dlq_read(keeper->bus->store, &selection, &tn_dlq_limits_default, &keeper->cursor, take, keeper, &error);
}

/* One page. How long to wait until the next piece of work; 0: until on_moved says. */
static int64_t sweep(struct keeper *keeper)
{
	uint64_t as_of;
	if (!tn_bus_moves_ended(keeper->bus, &as_of))
		return BUSY_MS;
	if (keeper->cursor.done || (keeper->work == DROPPING && keeper->drop_bytes == 0)) {
		end(keeper);
		return TICK_MS;
	}
	if (read_page(keeper) != TN_OK) { /* the store says so itself, and may be read again later */
		keeper->cursor = keeper->page;
		return REFUSED_MS;
	}
	if (keeper->count == 0)
		return BUSY_MS;
	struct tn_moves moves = {.move = TN_MOVE_PURGE, .as_of = as_of, .items = keeper->items, .count = keeper->count};
	if (tn_bus_move(keeper->bus, &moves, on_moved, keeper) == TN_OK)
		return 0;
	keeper->cursor = keeper->page;
	return BUSY_MS;
}

/* --- What to do next --- */

static bool find_overflow(struct keeper *keeper)
{
	struct tn_target_view view;
	const struct tn_config *config = keeper->bus->snapshot->config;
	for (uint32_t i = 0; i < tn_engine_target_count(keeper->bus->engine); i++) {
		if (!tn_engine_target_view(keeper->bus->engine, i, &view) || view.dead_max_bytes == 0 || view.dead_bytes <= view.dead_max_bytes)
			continue;
		const struct tn_target_config *target = tn_config_target(config, view.name);
		if (!target || tn_config_store_queue(config, target)->overflow != TN_DEAD_DROP_OLDEST)
			continue;
		keeper->drop_target = view.name; /* the engine's own, for its whole life */
		keeper->drop_bytes = view.dead_bytes - view.dead_max_bytes / 100 * KEPT_PERCENT;
		return true;
	}
	return false;
}

/* The first of its rows in that state, in the order in which their events were stored. True: there is one. */
static bool read_first(struct keeper *keeper, uint32_t target_no, enum tn_row_state state, struct tn_page *out_page)
{
	struct tn_scan one = {.order = TN_SCAN_BY_KEY, .state = state, .target_no = target_no, .max_rows = 1, .max_bytes = 1};
	struct tn_error error = {0};
	return tn_store_scan(keeper->bus->store, &one, out_page, &error) == TN_OK && out_page->count > 0;
}

/* One target a tick. */
static void look_at_oldest(struct keeper *keeper)
{
	struct tn_target_view view;
	uint32_t count = tn_engine_target_count(keeper->bus->engine);
	if (count > keeper->oldest_count) {
		keeper->oldest = realloc(keeper->oldest, count * sizeof *keeper->oldest);
		if (!keeper->oldest)
			abort();
		memset(keeper->oldest + keeper->oldest_count, 0, (count - keeper->oldest_count) * sizeof *keeper->oldest);
		keeper->oldest_count = count;
	}
	if (keeper->oldest_index >= count)
		keeper->oldest_index = 0;
	uint32_t index = keeper->oldest_index++;
	if (count == 0 || !tn_engine_target_view(keeper->bus->engine, index, &view))
		return;
	struct tn_page dead = {0}, parked = {0};
	bool some_dead = view.dead_rows > 0 && read_first(keeper, view.target_no, TN_ROW_DEAD, &dead);
	bool some_parked = view.parked > 0 && read_first(keeper, view.target_no, TN_ROW_PARKED, &parked);
	keeper->oldest[index] = (struct oldest){
		.dead_ms = some_dead ? dead.rows[0].dead_ms : 0, .parked_ms = some_parked ? parked.rows[0].tries.accepted_ms : 0};
	tn_page_fini(&dead);
	tn_page_fini(&parked);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *keeper = arg;
	if (keeper->bus->phase >= TN_BUS_DRAINING)
		return;
	int64_t wait_ms = TICK_MS;
	if (keeper->work != RESTING) {
		wait_ms = sweep(keeper);
	} else if (tn_bus_engine_ms(keeper->bus) >= keeper->next_drop_ms && find_overflow(keeper)) {
		begin(keeper, DROPPING);
		wait_ms = BUSY_MS;
	} else if (tn_bus_engine_ms(keeper->bus) >= keeper->next_sweep_ms) {
		begin(keeper, EXPIRING);
		wait_ms = BUSY_MS;
	} else {
		look_at_oldest(keeper);
	}
	if (wait_ms > 0)
		tick_in(keeper, wait_ms);
}

/* --- Life --- */

struct keeper *tn_keeper_new(struct tn_bus *bus)
{
	struct keeper *keeper = calloc(1, sizeof *keeper);
	if (!keeper)
		abort();
	keeper->bus = bus;
	keeper->timer = evtimer_new(bus->workers[0].base, on_tick, keeper);
	if (!keeper->timer)
		abort();
	tick_in(keeper, TICK_MS);
	return keeper;
}

void tn_keeper_free(struct keeper *keeper)
{
	if (!keeper)
		return;
	tn_bus_moves_forget(keeper->bus, keeper);
	event_free(keeper->timer);
	free(keeper->oldest);
	free(keeper);
}

void tn_bus_keeping(const struct tn_bus *bus, struct tn_bus_keeping *out_keeping)
{
	*out_keeping = bus->keeper ? bus->keeper->keeping : (struct tn_bus_keeping){0};
}

int64_t tn_bus_oldest_dead_ms(const struct tn_bus *bus, uint32_t index)
{
	return bus->keeper && index < bus->keeper->oldest_count ? bus->keeper->oldest[index].dead_ms : 0;
}

int64_t tn_bus_oldest_parked_ms(const struct tn_bus *bus, uint32_t index)
{
	return bus->keeper && index < bus->keeper->oldest_count ? bus->keeper->oldest[index].parked_ms : 0;
}
