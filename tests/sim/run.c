/* SPDX-License-Identifier: Apache-2.0
 *
 * run.c - one seed, from an empty world to a settled one.
 *
 * Steps are drawn until the engine has had its inputs; then the world heals (no more faults, targets answer) and goes on until
 * nothing is left to settle. A world that does not settle is a failure.
 */
#include <stdlib.h>
#include <string.h>

#include "world.h"

enum { INPUTS_MIN = 300, HEAL_STEPS_MAX = 60000 };

uint32_t sim_upto(struct world *world, uint32_t limit)
{
	return (uint32_t)tn_random_upto(&world->random, limit);
}

uint32_t sim_at_most(const struct world *world, enum sim_limit limit, uint32_t drawn)
{
	return drawn < world->most[limit] ? drawn : world->most[limit];
}

bool sim_chance(struct world *world, uint32_t percent)
{
	return sim_upto(world, 99) < percent;
}

/* --- The engine's memory --- */

static void *resize(void *arg, void *old, size_t old_size, size_t size)
{
	struct world *world = arg;
	if (size > old_size && world->alloc_fails && sim_chance(world, 5))
		return NULL;
	world->allocated_bytes += size - old_size;
	return tn_alloc_system.resize(NULL, old, old_size, size);
}

static void draw_config(struct world *world)
{
	world->config = tn_engine_config_default;
	world->config.window = 4 + sim_upto(world, 40);
	world->config.max_in_flight = 2 + sim_upto(world, 40);
	world->config.park_after_ms = 500 + sim_upto(world, 10000);
	world->config.settle_deadline_ms = 1000 + sim_upto(world, 15000);
	world->config.recover_window_ms = 60000;
	world->config.page_rows = 1 + sim_upto(world, 15);
	world->config.page_bytes = 4096;
	world->config.note = sim_noted;
	world->config.note_arg = world;
	if (sim_has(world, FAULT_MEMORY))
		world->config.memory_bytes = 16384 + sim_upto(world, 32768);
	world->config.max_uncommitted = sim_chance(world, 50) ? 1 + sim_upto(world, 12) : tn_engine_config_default.max_uncommitted;
}

void sim_start_engine(struct world *world)
{
	struct tn_target_limits limits[TARGETS_MAX];
	struct tn_target_table table;
	struct tn_alloc alloc = {resize, world};
	world->run++;
	world->run_delivered = world->run_matched = 0;
	world->run_forgot = false;
	world->met_states = 0;
	world->full = false;
	world->draining = world->drained = world->sources_open = world->alloc_fails = false;
	world->config.next_seq = world->disk.next_seq;
	world->config.recover = true;
	world->config.store_rows = world->disk.count;
	if (tn_engine_new(&world->config, alloc, tn_random_next(&world->random), world->now_ms, &world->engine) != TN_OK)
		abort();
	sim_fill_table(world, &table, limits);
	if (tn_engine_reload(world->engine, &table) != TN_OK)
		abort();
	sim_new_revision(world);
	world->alloc_fails = sim_has(world, FAULT_ALLOC);
}

static void stop_engine(struct world *world)
{
	tn_engine_free(world->engine);
	world->engine = NULL;
	if (world->allocated_bytes != 0)
		sim_fail(world, "the engine kept %zu bytes", world->allocated_bytes);
}

void sim_crash(struct world *world)
{
	sim_say(world, SIM_CRASH, world->drained, world->run, 0);
	world->ticked = false;
	world->duplicating_faults += !world->drained;
	sim_disk_after_crash(world);
	sim_claims_after_crash(world);
	sim_replies_after_crash(world);
	sim_txns_after_crash(world);
	stop_engine(world);
	sim_targets_after_crash(world);
	sim_sources_after_crash(world);
	world->now_ms += sim_upto(world, 3000);
	sim_start_engine(world);
}

/* --- Steps --- */

static int64_t next_time(const struct world *world)
{
	int64_t engine_ms = tn_engine_deadline(world->engine), attempts_ms = sim_attempts_deadline(world);
	int64_t next_ms = engine_ms < attempts_ms ? engine_ms : attempts_ms;
	if (sim_txn_deadline(world) < next_ms)
		next_ms = sim_txn_deadline(world);
	if (world->disk.batch != NULL && world->disk.batch_ready_ms < next_ms)
		next_ms = world->disk.batch_ready_ms;
	return next_ms;
}

static void tick(struct world *world, int64_t now_ms)
{
	int64_t more_ms = now_ms - world->now_ms;
	sim_check_leases(world, now_ms);
	if (now_ms > world->now_ms)
		world->now_ms = now_ms;
	sim_say(world, SIM_TICK, 0, now_ms, more_ms);
	tn_engine_tick(world->engine, now_ms);
	world->ticked = true;
}

static void pass_time(struct world *world)
{
	int64_t next_ms = next_time(world);
	if (sim_has(world, FAULT_CLOCK_JUMP) && sim_chance(world, 3))
		tick(world, world->now_ms + sim_upto(world, 120000));
	else if (sim_has(world, FAULT_CLOCK_JUMP) && sim_chance(world, 3))
		tick(world, world->now_ms - sim_upto(world, 5000));
	else if (next_ms != INT64_MAX && sim_chance(world, 25))
		tick(world, next_ms);
	else
		tick(world, world->now_ms + sim_upto(world, sim_chance(world, 10) ? 3000 : 60));
}

static void drain(struct world *world)
{
	int64_t timeout_ms = sim_upto(world, 8000);
	sim_say(world, SIM_DRAIN, 0, timeout_ms, 0);
	world->draining = world->run_forgot = true;
	world->drain_until_ms = world->now_ms + timeout_ms;
	tn_engine_drain(world->engine, timeout_ms);
}

/* True: a rare fault was done. */
static bool rare_step(struct world *world)
{
	switch (sim_upto(world, 9)) {
	case 0:
		return sim_has(world, FAULT_STREAM_LOST) && world->sources_open ? (sim_end_stream(world, true), true) : false;
	case 1:
		return sim_has(world, FAULT_STREAM_REVOKED) && world->sources_open ? (sim_end_stream(world, false), true) : false;
	case 2:
		return sim_has(world, FAULT_RELOAD) ? (sim_reload(world), true) : false;
	case 3:
		return sim_has(world, FAULT_DRAIN) && !world->draining && sim_chance(world, 40) ? (drain(world), true) : false;
	case 4:
		return sim_has(world, FAULT_CRASH) && sim_chance(world, 30) ? (sim_crash(world), true) : false;
	case 5:
		return sim_has(world, FAULT_EVICTION) && sim_evict(world);
	case 6:
		return sim_has(world, FAULT_BREAKER) && sim_operate(world);
	default:
		return sim_has(world, FAULT_MOVES) && sim_move(world);
	}
}

static bool common_step(struct world *world)
{
	uint32_t drawn = sim_upto(world, 99);
	if (drawn < 28)
		return sim_offer(world);
	if (drawn < 58)
		return sim_answer(world);
	if (drawn < 78)
		return sim_disk_step(world);
	if (drawn < 81)
		return sim_ready(world);
	if (drawn < 82)
		return sim_claim_step(world);
	if (drawn < 87)
		return rare_step(world);
	if (drawn < 90)
		return sim_txn_step(world);
	return false;
}

static void after_step(struct world *world)
{
	sim_obey(world);
	/* A loop that sleeps until the deadline must not spin. */
	if (world->ticked && !world->failed && !world->drained && tn_engine_deadline(world->engine) <= world->now_ms)
		sim_fail(world, "the deadline is not in the future, though everything was done");
	world->ticked = false;
	if (world->drained)
		sim_crash(world);
	if (world->failed)
		return;
	if (!world->draining && tn_engine_recovered(world->engine)) {
		world->sources_open = true;
		sim_open_sources(world);
		sim_obey(world);
	}
	sim_check_turn(world);
	sim_tally_turn(world);
}

static void step(struct world *world)
{
	world->inputs++;
	sim_change_modes(world);
	if (!common_step(world))
		pass_time(world);
	after_step(world);
}

/* --- Healing --- */

static bool is_settled(const struct world *world)
{
	const struct tn_books *books = tn_engine_books(world->engine);
	if (world->attempts_used > 0 || world->disk.batch != NULL || world->disk.scan != NULL || !sim_sources_done(world))
		return false;
	if (!sim_txn_idle(world))
		return false;
	if (books->pending + books->backoff + books->inflight + books->staged + books->parking + books->burying + books->parked > 0)
		return false;
	for (uint32_t i = 0; i < world->disk.count; i++) {
		if (world->disk.rows[i].state != TN_ROW_DEAD)
			return false;
	}
	return world->draining || !sim_blocks_without_order(world);
}

static bool heal_step(struct world *world)
{
	world->inputs++;
	if (sim_chance(world, 10) && !world->draining && sim_release_lanes(world))
		return true;
	if (sim_answer(world) || sim_disk_step(world) || sim_ready(world) || sim_claim_step(world) || sim_txn_step(world) || (!world->draining && sim_offer(world)))
		return true;
	int64_t next_ms = next_time(world);
	if (next_ms == INT64_MAX)
		return false;
	tick(world, next_ms > world->now_ms ? next_ms : world->now_ms + 1);
	return true;
}

static void say_unsettled(struct world *world)
{
	const struct tn_books *books = tn_engine_books(world->engine);
	unsigned rows[5] = {0}, unanswered = 0;
	for (uint32_t i = 0; i < world->disk.count; i++)
		rows[world->disk.rows[i].state]++;
	for (uint32_t i = 0; i < world->source_count; i++)
		unanswered += world->sources[i].unanswered;
	sim_fail(world, "it does not settle: %u pending %u backoff %u in flight %u parking %u burying %u parked; "
			"rows: %u open %u tried %u parked; %u attempts, %u positions, sources %s",
		(unsigned)books->pending, (unsigned)books->backoff, (unsigned)books->inflight, (unsigned)books->parking,
		(unsigned)books->burying, (unsigned)books->parked, rows[1], rows[2], rows[3], world->attempts_used, unanswered,
		sim_sources_done(world) ? "done" : "not done");
}

static void heal(struct world *world)
{
	world->healing = true;
	world->alloc_fails = false;
	sim_change_modes(world);
	sim_close_breakers(world);
	bool back = sim_chance(world, 50);
	for (uint32_t i = 0; i < world->source_count; i++) /* a log waits until today's rules route its events again */
		back = back || world->sources[i].kind >= SIM_LOG;
	for (uint32_t i = 1; i <= world->target_count && back; i++)
		world->targets[i].removed = false;
	if (!world->draining)
		sim_reload(world);
	sim_obey(world);
	for (uint32_t i = 0; i < HEAL_STEPS_MAX && !world->failed; i++) {
		if (is_settled(world))
			return;
		if (!heal_step(world))
			break;
		after_step(world);
	}
	if (!world->failed && !is_settled(world))
		say_unsettled(world);
}

/* --- One seed --- */

static void draw_world(struct world *world, const struct sim_options *options)
{
	memset(world, 0, sizeof(*world));
	world->seed = options->seed;
	world->trace = options->trace;
	world->quiet = options->quiet;
	world->tally = options->tally;
	memcpy(world->most, options->most, sizeof(world->most));
	world->random.state = options->seed;
	world->random.state = tn_random_next(&world->random) * 0xd1342543de82ef95u; /* neighbours share nothing */
	world->now_ms = 1000000;
	world->disk.next_seq = 1;
	sim_draw_faults(world, options->faults);
	draw_config(world);
	sim_draw_targets(world);
	sim_draw_rules(world);
	sim_draw_sources(world);
	sim_new_revision(world);
}

static void end_world(struct world *world)
{
	if (world->engine != NULL && !world->failed)
		stop_engine(world);
	sim_disk_fini(world);
	for (uint32_t i = 0; i < world->event_count; i++)
		tn_event_unref(world->events[i].event);
	tn_ruleset_unref(world->ruleset);
	world->ruleset = NULL;
}

bool sim_run(struct world *world, const struct sim_options *options)
{
	draw_world(world, options);
	sim_start_engine(world);
	world->inputs_wanted = sim_at_most(world, SIM_INPUTS, INPUTS_MIN + sim_upto(world, 300));
	while (world->facts_given < world->inputs_wanted && !world->failed)
		step(world);
	if (!world->failed)
		heal(world);
	if (!world->failed)
		sim_check_end(world);
	bool passed = !world->failed;
	if (!passed && !world->quiet)
		sim_print_trace(world);
	sim_tally_seed(world);
	end_world(world);
	return passed;
}
