/* SPDX-License-Identifier: Apache-2.0
 *
 * order.c - what must hold of lanes, each the events of one key at one target that orders by key:
 *
 *   - never two attempts at once (a cancelled one counts for 5 s more, or till its answer);
 *   - a first attempt that may bring a first success starts only when nothing accepted before it is still owed: neither in a row of the
 *     store, nor in an arrival that is not answered, nor, of a log, at an earlier offset; what is staged is owed to all outside of its
 *     transaction;
 *   - nothing starts while a dead letter blocks the lane;
 *   - a target that orders no more leaves no lane blocked, once it is healthy;
 *   - nothing of a stream that may move is parked; nor, lane or not, what is for a member of its transaction.
 *
 * What was delivered once, died, or was dropped is owed no longer: when it comes again, it comes out of turn.
 */
#include "world.h"

struct tn_id sim_lane(const struct world *world, uint32_t event, uint32_t match)
{
	struct tn_id lane = {{0}};
	uint16_t route = world->events[event].routes[match];
	if (route == ROUTES_MAX || world->events[event].lane_key == 0 || !world->targets[world->routes[route].target_no].ordered)
		return lane;
	lane.bytes[0] = 2;
	lane.bytes[1] = (uint8_t)world->routes[route].target_no;
	lane.bytes[15] = (uint8_t)world->events[event].lane_key;
	return lane;
}

static bool is_owed(const struct world *world, uint32_t event, uint32_t match, bool inside)
{
	const struct sim_entry *entry = &world->events[event].entries[match];
	return entry->effects == 0 && !(entry->staged && inside) && !entry->died && !entry->sunk && !entry->dropped && !entry->purged;
}

/* A match of that event in the lane that is still owed, or MATCHES_MAX. */
static uint32_t owed_in(const struct world *world, uint32_t event, const struct tn_id *lane, bool inside)
{
	for (uint32_t i = 0; i < world->events[event].match_count; i++) {
		struct tn_id other = sim_lane(world, event, i);
		if (tn_id_equal(&other, lane) && is_owed(world, event, i, inside))
			return i;
	}
	return MATCHES_MAX;
}

static void check_alone(struct world *world, const struct sim_attempt *attempt, const struct tn_id *lane)
{
	for (uint32_t i = 0; i < world->attempt_end; i++) {
		const struct sim_attempt *other = &world->attempts[i];
		bool given_up = other->cancelled && world->now_ms >= other->cancelled_ms + 5000;
		if (!other->used || other == attempt || given_up || other->purpose != TN_TO_TARGET)
			continue;
		struct tn_id its = sim_lane(world, other->event, other->match);
		if (tn_id_equal(&its, lane))
			sim_fail(world, "event %u match %u: an attempt while event %u of its lane has one", attempt->event, attempt->match,
				other->event);
	}
}

static void check_blocks(struct world *world, const struct sim_attempt *attempt, const struct tn_id *lane)
{
	for (uint32_t i = 0; i < world->disk.count; i++) {
		const struct sim_row *row = &world->disk.rows[i];
		if (row->state == TN_ROW_DEAD && row->blocks && row->dead_confirmed && tn_id_equal(&row->lane, lane))
			sim_fail(world, "event %u match %u: an attempt while a dead letter blocks its lane", attempt->event, attempt->match);
	}
}

static void check_rows(struct world *world, const struct sim_attempt *attempt, const struct tn_id *lane)
{
	for (uint32_t i = 0; i < world->disk.count; i++) {
		const struct sim_row *row = &world->disk.rows[i];
		uint32_t event, match;
		sim_split_id(&row->id, &event, &match);
		bool holds = (row->state == TN_ROW_OPEN || row->state == TN_ROW_PARKED) && row->confirmed;
		if (!holds || row->instance >= attempt->instance || event == attempt->event || !tn_id_equal(&row->lane, lane))
			continue;
		if (is_owed(world, event, match, attempt->inside))
			sim_fail(world, "event %u match %u: an attempt before event %u, which has a row", attempt->event, attempt->match, event);
	}
}

static void check_arrivals(struct world *world, const struct sim_attempt *attempt, const struct tn_id *lane)
{
	for (uint32_t i = attempt->instance; --i > 0 && world->instances[i].run == world->run;) {
		const struct sim_instance *instance = &world->instances[i];
		for (uint32_t j = 0; instance->open && !world->sources[instance->source].ending && j < instance->count; j++) {
			uint32_t event = instance->events[j];
			if (event != attempt->event && owed_in(world, event, lane, attempt->inside) != MATCHES_MAX)
				sim_fail(world, "event %u match %u: an attempt before event %u, which came first", attempt->event, attempt->match, event);
		}
	}
}

static void check_log(struct world *world, const struct sim_attempt *attempt, const struct tn_id *lane)
{
	const struct sim_event *event = &world->events[attempt->event];
	if (event->source >= SOURCES_MAX) /* a reply */
		return;
	const struct sim_source *source = &world->sources[event->source];
	for (uint32_t i = 0; source->kind == SIM_LOG && i + 1 < event->offset; i++) {
		if (owed_in(world, source->log[i], lane, attempt->inside) != MATCHES_MAX)
			sim_fail(world, "event %u match %u: an attempt before event %u, earlier in its log", attempt->event, attempt->match,
				source->log[i]);
	}
}

void sim_check_order(struct world *world, const struct sim_attempt *attempt)
{
	struct tn_id lane = sim_lane(world, attempt->event, attempt->match);
	if (tn_id_is_zero(&lane) || world->targets[lane.bytes[1]].reordered)
		return;
	check_alone(world, attempt, &lane);
	check_blocks(world, attempt, &lane);
	if (!is_owed(world, attempt->event, attempt->match, attempt->inside))
		return;
	check_rows(world, attempt, &lane);
	check_arrivals(world, attempt, &lane);
	check_log(world, attempt, &lane);
}

void sim_check_held(struct world *world, const struct sim_row *row)
{
	if (world->instances[row->instance].source >= SOURCES_MAX) /* a reply */
		return;
	const struct sim_source *source = &world->sources[world->instances[row->instance].source];
	bool held = !tn_id_is_zero(&row->lane) && source->moves && !world->targets[row->target_no].reordered;
	if (held && !world->targets[row->target_no].limits.park_ordered)
		sim_fail(world, "a delivery of a stream that may move was parked");
	if (source->transactional && row->route != ROUTES_MAX && world->targets[row->target_no].limits.cluster != 0)
		sim_fail(world, "a member of a transaction was parked");
}
