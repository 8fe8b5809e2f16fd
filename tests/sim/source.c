/* SPDX-License-Identifier: Apache-2.0
 *
 * source.c - four kinds of sources: durable requests (nobody else has them), waiting clients, a log that sends everything above its
 * committed offset again when its stream is opened anew, and a queue that lends its messages and lends them again in time.
 *
 * Which instance of an event a delivery belongs to is written into its origin ("event.instance"), so that the ledger can tell a
 * repeated attempt from a redelivered copy.
 */
#include <stdio.h>
#include <string.h>

#include "world.h"

static void draw_source(struct world *world, struct sim_source *source)
{
	source->kind = (enum sim_source_kind)sim_upto(world, 3);
	source->cumulative = source->kind == SIM_LOG && sim_chance(world, 60);
	source->moves = source->kind == SIM_LOG && sim_chance(world, 30);
	if (source->kind == SIM_LEASE)
		source->lease_ms = 3000 + sim_upto(world, 30000);
	sim_draw_txn(world, (uint32_t)(source - world->sources));
	sim_draw_dedup(world, source);
}

void sim_draw_sources(struct world *world)
{
	world->source_count = sim_at_most(world, SIM_SOURCES, 1 + sim_upto(world, SOURCES_MAX - 1));
	for (uint32_t i = 0; i < world->source_count; i++)
		draw_source(world, &world->sources[i]);
}

static struct tn_position stream_of(const struct world *world, uint32_t source)
{
	uint32_t leader = world->sources[source].leader;
	return (struct tn_position){.source = leader + 1, .stream = 1 + source - leader, .epoch = world->sources[source].epoch};
}

uint32_t sim_source_at(struct tn_position position)
{
	return position.source - 1 + position.stream - 1;
}

static void open_stream(struct world *world, uint32_t number)
{
	struct sim_source *source = &world->sources[number];
	source->epoch++;
	struct tn_stream_terms terms = {.lease_ms = source->lease_ms, .cumulative = source->cumulative, .answers = source->answers,
		.moves = source->moves};
	sim_fill_txn_terms(source, &terms);
	if (tn_engine_open_stream(world->engine, stream_of(world, number), &terms) != TN_OK) {
		source->epoch--;
		return;
	}
	sim_say(world, SIM_STREAM, TN_STREAM_OPENED, number, source->epoch);
	source->open = true;
	source->credit = 0;
	source->next_offset = source->committed;
	memset(source->lent_until_ms, 0, sizeof(source->lent_until_ms)); /* a new consumer: what the old one had comes back */
}

void sim_open_sources(struct world *world)
{
	for (uint32_t i = 0; i < world->source_count; i++) {
		if (!world->sources[i].open && !world->sources[i].ending && !sim_txn_blocks(world, i))
			open_stream(world, i);
	}
}

void sim_forget_open(struct world *world, uint32_t number)
{
	for (uint32_t i = 1; i <= world->instance_count; i++) {
		if (world->instances[i].source == number)
			world->instances[i].open = false;
	}
	world->sources[number].unanswered = 0;
}

void sim_end_stream(struct world *world, bool lost)
{
	uint32_t number = sim_upto(world, world->source_count - 1);
	struct sim_source *source = &world->sources[number];
	if (!source->open)
		return;
	int64_t grace_ms = sim_upto(world, 3000);
	sim_say(world, SIM_STREAM, lost ? TN_STREAM_LOST : TN_STREAM_REVOKED, number, grace_ms);
	world->duplicating_faults++;
	world->run_forgot = world->run_forgot || source->dedups;
	source->open = false;
	source->ending = true;
	source->credit = 0;
	if (lost)
		sim_forget_open(world, number);
	(void)!tn_engine_stream(world->engine, stream_of(world, number), lost ? TN_STREAM_LOST : TN_STREAM_REVOKED, grace_ms);
}

void sim_stream_done(struct world *world, const struct tn_command *command)
{
	uint32_t number = sim_source_at(command->position);
	struct sim_source *source = &world->sources[number];
	if (command->position.epoch != source->epoch)
		sim_fail(world, "STREAM_DONE for epoch %u of source %u, which is at %u", command->position.epoch, number, source->epoch);
	if (!source->ending && !world->draining)
		sim_fail(world, "STREAM_DONE for source %u, which goes on", number);
	sim_forget_open(world, number);
	source->ending = source->open = false;
}

void sim_sources_after_crash(struct world *world)
{
	for (uint32_t i = 0; i < world->source_count; i++) {
		sim_forget_open(world, i);
		world->sources[i].open = world->sources[i].ending = false;
		world->sources[i].credit = 0;
	}
}

/* --- Events --- */

static struct tn_event *make_event(struct world *world, uint32_t number, bool poison)
{
	char id[16], data[64];
	int id_len = snprintf(id, sizeof(id), "%u", number);
	int data_len = snprintf(data, sizeof(data), "%u of seed %llu", number, (unsigned long long)world->seed);
	struct tn_str text = {data, (size_t)data_len};
	if (poison)
		return tn_event_new_raw(text, TN_STR("drawn as poison"), 1);
	struct tn_attribute attributes[] = {{TN_STR("id"), {id, (size_t)id_len}, TN_STRING},
		{TN_STR("source"), TN_STR("/sim"), TN_STRING}, {TN_STR("type"), TN_STR("sim"), TN_STRING}};
	struct tn_event_parts parts = {.attributes = attributes, .attribute_count = 3, .has_data = true, .data = text};
	return tn_event_new(&parts);
}

static void draw_matches(struct world *world, struct sim_event *event)
{
	if (event->poison) {
		event->routes[event->match_count++] = ROUTES_MAX;
		return;
	}
	uint32_t rules = sim_chance(world, 6) ? 0 : 1u << sim_upto(world, world->rule_count - 1);
	if (sim_chance(world, 40))
		rules |= 1u << sim_upto(world, world->rule_count - 1);
	for (uint32_t i = 0; i < world->route_count && event->match_count < MATCHES_MAX; i++) {
		if ((rules & (1u << world->routes[i].rule)) && sim_todays_route(world, i) != NULL)
			event->routes[event->match_count++] = (uint16_t)i;
	}
}

uint32_t sim_new_event(struct world *world, uint32_t source, bool poison)
{
	if (world->healing || world->event_count >= EVENTS_MAX)
		return EVENTS_MAX;
	uint32_t number = world->event_count++;
	struct sim_event *event = &world->events[number];
	event->source = source;
	event->poison = poison || sim_chance(world, 3);
	event->lane_key = sim_chance(world, 75) ? 1 + sim_upto(world, 2) : 0;
	event->event = make_event(world, number, event->poison);
	draw_matches(world, event);
	sim_draw_key(world, number);
	return number;
}

static uint32_t new_or_copy(struct world *world, uint32_t source)
{
	uint32_t copy = sim_draw_copy(world, source);
	return copy != EVENTS_MAX ? copy : sim_new_event(world, source, false);
}

static uint32_t next_of_log(struct world *world, struct sim_source *source, uint32_t number)
{
	if (source->next_offset == source->log_count) {
		uint32_t event = source->log_count < EVENTS_MAX ? new_or_copy(world, number) : EVENTS_MAX;
		if (event == EVENTS_MAX)
			return EVENTS_MAX;
		source->log[source->log_count++] = (uint16_t)event;
		if (world->events[event].source == number && world->events[event].offset == 0)
			world->events[event].offset = source->log_count;
	}
	return source->log[source->next_offset];
}

/* Offset of a message nobody has: one that came back, or a new one. */
static uint32_t next_of_queue(struct world *world, struct sim_source *source, uint32_t number)
{
	for (uint32_t i = source->committed; i < source->log_count; i++) {
		if (!source->log_acked[i] && source->lent_until_ms[i] <= world->now_ms)
			return i;
	}
	uint32_t event = source->log_count < EVENTS_MAX ? new_or_copy(world, number) : EVENTS_MAX;
	if (event == EVENTS_MAX)
		return EVENTS_MAX;
	source->log[source->log_count] = (uint16_t)event;
	return source->log_count++;
}

static uint32_t next_event(struct world *world, uint32_t number, bool first)
{
	struct sim_source *source = &world->sources[number];
	if (source->kind == SIM_LEASE) {
		source->next_offset = next_of_queue(world, source, number);
		return source->next_offset == EVENTS_MAX ? EVENTS_MAX : source->log[source->next_offset];
	}
	if (source->kind == SIM_LOG)
		return next_of_log(world, source, number);
	if (source->kind == SIM_DURABLE && first && !world->healing && world->event_count > 0 && sim_chance(world, 5)) {
		uint32_t again = sim_upto(world, world->event_count - 1); /* a client that repeats its request */
		if (world->events[again].source == number && !world->events[again].acked)
			return again;
	}
	return first || source->dedups ? new_or_copy(world, number) : sim_new_event(world, number, false);
}

/* --- Offers --- */

struct draft {
	struct tn_offer offers[3];
	struct tn_match matches[3][MATCHES_MAX];
	char origins[3][16];
};

bool sim_draft_offer(struct world *world, struct tn_offer *offer, struct tn_match *matches, char origin[16], uint32_t number,
	uint32_t instance)
{
	struct sim_event *event = &world->events[number];
	*offer = (struct tn_offer){.event = event->event, .ruleset = world->ruleset, .matches = matches,
		.match_count = event->match_count};
	for (uint32_t i = 0; i < event->match_count; i++) {
		const struct tn_route *route = &world->ruleset->routes[event->routes[i]];
		if (route->rule.bytes == NULL)
			return false; /* today's rules match it otherwise: the simulator waits instead */
		matches[i] = (struct tn_match){.route = route, .id = sim_id(number, i), .lane = sim_lane(world, number, i)};
	}
	int len = snprintf(origin, 16, "%u.%u", number, instance);
	offer->origin = (struct tn_str){origin, (size_t)len};
	sim_fill_key(world, number, offer);
	return true;
}

static bool fill_draft(struct world *world, struct draft *draft, struct sim_instance *instance, uint32_t number, uint32_t instance_no)
{
	uint32_t wanted = world->sources[number].kind == SIM_DURABLE ? 1 + sim_upto(world, 2) : 1;
	while (instance->count < wanted) {
		uint32_t event = next_event(world, number, instance->count == 0);
		if (event == EVENTS_MAX)
			break;
		uint32_t n = instance->count;
		if (!sim_draft_offer(world, &draft->offers[n], draft->matches[n], draft->origins[n], event, instance_no))
			break;
		instance->events[instance->count++] = (uint16_t)event;
	}
	return instance->count > 0;
}

static void admitted(struct world *world, uint32_t number, struct sim_instance *instance, bool accepted)
{
	struct sim_source *source = &world->sources[number];
	instance->open = true;
	instance->counted = accepted;
	world->instance_count++;
	source->credit--;
	source->unanswered++;
	instance->offset = source->next_offset;
	source->next_offset += source->kind == SIM_LOG;
	if (source->kind == SIM_LEASE)
		instance->lent_until_ms = source->lent_until_ms[instance->offset] = world->now_ms + source->lease_ms;
	for (uint32_t i = 0; i < instance->count; i++) {
		world->events[instance->events[i]].offers++;
		world->run_matched += !accepted ? 0 : world->events[instance->events[i]].match_count;
	}
}

bool sim_offer(struct world *world)
{
	uint32_t number = sim_upto(world, world->source_count - 1);
	struct sim_source *source = &world->sources[number];
	if (world->full || !source->open || source->credit == 0 || world->instance_count + 1 >= INSTANCES_MAX)
		return false;
	uint32_t instance_no = world->instance_count + 1;
	struct sim_instance *instance = &world->instances[instance_no];
	struct draft draft;
	*instance = (struct sim_instance){.source = number, .epoch = source->epoch, .offset = source->next_offset, .run = world->run,
		.journaled = source->kind == SIM_DURABLE, .offered_ms = world->now_ms};
	if (!fill_draft(world, &draft, instance, number, instance_no))
		return false;
	struct tn_arrival arrival = {.position = stream_of(world, number), .offers = draft.offers, .count = instance->count,
		.ack_when = instance->journaled ? TN_ACK_JOURNALED : TN_ACK_SETTLED, .dedup = source->dedup};
	arrival.position.high = source->next_offset;
	arrival.position.low = instance_no;
	const struct tn_books *books = tn_engine_books(world->engine);
	uint64_t before = books->accepted + books->unclaimed; /* unchanged: UNAVAILABLE, BUSY or CONFLICT follows */
	enum tn_status status = tn_engine_offer(world->engine, &arrival);
	sim_say(world, SIM_OFFER, status, instance_no, instance->events[0]);
	if (status == TN_OK)
		admitted(world, number, instance, books->accepted + books->unclaimed > before);
	else if (status == TN_FULL)
		world->full = true;
	else if (status == TN_CLOSED && !world->draining)
		sim_fail(world, "an offer on an open stream was answered CLOSED");
	return true;
}

/* --- Answers --- */

static struct sim_instance *instance_at(struct world *world, const struct tn_command *command)
{
	uint64_t number = command->position.low;
	if (number > 0 && number <= world->instance_count)
		return &world->instances[number];
	sim_fail(world, "a command for a position nobody offered");
	return NULL;
}

static struct sim_instance *answered(struct world *world, const struct tn_command *command)
{
	uint64_t number = command->position.low;
	struct sim_instance *instance = instance_at(world, command);
	if (instance == NULL)
		return NULL;
	if (!instance->open || instance->epoch != command->position.epoch || instance->run != world->run) {
		sim_fail(world, "position %u was answered twice, or after its stream had ended", (unsigned)number);
		return NULL;
	}
	instance->open = false;
	world->sources[instance->source].unanswered--;
	return instance;
}

static void ack_log(struct sim_source *source, uint32_t offset)
{
	source->log_acked[offset] = true;
	while (source->committed < source->log_count && source->log_acked[source->committed])
		source->committed++;
}

static void forget_by_source(struct world *world, struct sim_instance *instance)
{
	struct sim_source *source = &world->sources[instance->source];
	for (uint32_t i = 0; i < instance->count; i++)
		world->events[instance->events[i]].acked = true;
	if (source->kind == SIM_LOG || source->kind == SIM_LEASE)
		ack_log(source, instance->offset);
}

/* The ack of a later position was theirs, too. */
static void ack_those_before(struct world *world, const struct sim_instance *last)
{
	for (uint32_t i = 1; i <= world->instance_count; i++) {
		struct sim_instance *instance = &world->instances[i];
		if (!instance->open || instance->source != last->source || instance->offset >= last->offset)
			continue;
		instance->open = false;
		world->sources[instance->source].unanswered--;
		sim_check_ack(world, i, NULL);
		forget_by_source(world, instance);
	}
}

void sim_acked(struct world *world, const struct tn_command *command)
{
	struct sim_instance *instance = answered(world, command);
	if (instance == NULL)
		return;
	if (world->sources[instance->source].transactional)
		sim_fail(world, "an ack to a source that is settled by its transactions");
	sim_check_ack(world, (uint32_t)command->position.low, command->settlement);
	switch (command->settlement->answer) {
	case TN_ANSWER_UNAVAILABLE:
		world->run_forgot = world->run_forgot || world->sources[instance->source].dedup.hold;
		return;
	case TN_ANSWER_CONFLICT:
		for (uint32_t i = 0; i < instance->count && instance->counted; i++)
			world->run_matched -= world->events[instance->events[i]].match_count;
		return;
	case TN_ANSWER_BUSY:
		return;
	default:
		break;
	}
	forget_by_source(world, instance);
	if (world->sources[instance->source].cumulative)
		ack_those_before(world, instance);
}

/* --- Leases --- */

void sim_extended(struct world *world, const struct tn_command *command)
{
	struct sim_instance *instance = instance_at(world, command);
	if (instance == NULL)
		return;
	struct sim_source *source = &world->sources[instance->source];
	if (source->lease_ms == 0 || !instance->open || instance->epoch != command->position.epoch)
		sim_fail(world, "a position was extended that is not lent");
	if (instance->lent_until_ms > world->now_ms) /* else it is lent to another by now */
		instance->lent_until_ms = source->lent_until_ms[instance->offset] = world->now_ms + source->lease_ms;
}

/* A lease may run out only if the engine was not asked in its last third. */
void sim_check_leases(struct world *world, int64_t now_ms)
{
	for (uint32_t i = 1; i <= world->instance_count; i++) {
		struct sim_instance *instance = &world->instances[i];
		int64_t lease_ms = world->sources[instance->source].lease_ms;
		if (!instance->open || lease_ms == 0 || instance->lent_until_ms <= world->now_ms || instance->lent_until_ms > now_ms)
			continue;
		world->duplicating_faults++;
		bool ends = world->draining || world->sources[instance->source].ending; /* what waited is the source's again */
		if (world->now_ms >= instance->lent_until_ms - lease_ms / 3 && !ends)
			sim_fail(world, "the lease of position %u runs out, and it was not extended", i);
	}
}

/* What waits there found no room in the store, so what is under way of it, or done, comes again. */
static bool is_touched(struct world *world, uint32_t number)
{
	const struct sim_instance *instance = &world->instances[number];
	for (uint32_t i = 0; i < world->attempt_end; i++) {
		if (world->attempts[i].used && world->attempts[i].instance == number)
			return true;
	}
	for (uint32_t i = 0; i < instance->count; i++) {
		for (uint32_t j = 0; j < world->events[instance->events[i]].match_count; j++) {
			struct tn_id id = sim_id(instance->events[i], j);
			if (world->events[instance->events[i]].entries[j].delivered_instance == number)
				return true;
			if (sim_has_row(world, &id, false)) /* a copy may come too late to join it */
				return true;
		}
	}
	return false;
}

void sim_released(struct world *world, const struct tn_command *command)
{
	struct sim_instance *instance = answered(world, command);
	if (instance != NULL && instance->journaled)
		sim_fail(world, "a journaled position was released");
	world->duplicating_faults += is_touched(world, (uint32_t)command->position.low);
	if (!world->draining)
		sim_fail(world, "a position was released while nothing ended");
}

void sim_credit(struct world *world, const struct tn_command *command)
{
	struct sim_source *source = &world->sources[sim_source_at(command->position)];
	if (!source->open || command->position.epoch != source->epoch || world->draining) {
		sim_fail(world, "credit for a stream that is not open, or while draining");
		return;
	}
	source->credit += command->credit;
	if (source->credit + source->unanswered > world->config.window)
		sim_fail(world, "credit %u and %u unanswered are more than the window", source->credit, source->unanswered);
}

bool sim_sources_done(const struct world *world)
{
	for (uint32_t i = 0; i < world->source_count; i++) {
		const struct sim_source *source = &world->sources[i];
		if (source->unanswered > 0 || (source->kind >= SIM_LOG && source->committed < source->log_count))
			return false;
	}
	return true;
}
