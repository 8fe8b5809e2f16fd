/* SPDX-License-Identifier: Apache-2.0
 *
 * reply.c - targets that answer with an event of their own: the same one each time they are asked about the same delivery.
 *
 * A reply is an event like others, but no source has it: once its parent counts as delivered, the ledger wants it durable or done.
 */
#include <stdio.h>
#include <string.h>

#include "world.h"

enum { SOURCE_NONE = SOURCES_MAX, HOPS_MAX = 2 };

/* Number of the event that answers this delivery; EVENTS_MAX: none any more. */
static uint32_t event_of(struct world *world, struct sim_entry *entry, const struct sim_event *parent)
{
	if (entry->reply == 0) {
		uint32_t number = sim_new_event(world, SOURCE_NONE, parent->hops >= HOPS_MAX);
		if (number == EVENTS_MAX)
			return EVENTS_MAX;
		world->events[number].hops = parent->hops + 1;
		entry->reply = (uint16_t)(number + 1);
	}
	return entry->reply - 1u;
}

static bool is_reply_kept(struct world *world, const struct sim_entry *parent)
{
	uint32_t number = parent->reply - 1u;
	for (uint32_t i = 0; i < world->events[number].match_count; i++) {
		if (!sim_is_kept(world, number, i))
			return false;
	}
	return true;
}

/* The ledger follows one reply a delivery: while that of another copy is not durable, this one gives none. */
static bool is_followed(struct world *world, const struct sim_attempt *attempt)
{
	struct sim_entry *entry = &world->events[attempt->event].entries[attempt->match];
	if (entry->replied_instance == 0 || entry->replied_instance == attempt->instance)
		return false;
	entry->done = entry->done || is_reply_kept(world, entry);
	return !entry->done;
}

enum sim_replied sim_reply(struct world *world, const struct sim_attempt *attempt)
{
	struct sim_event *parent = &world->events[attempt->event];
	struct sim_entry *entry = &parent->entries[attempt->match];
	uint32_t number = event_of(world, entry, parent), instance_no = world->instance_count + 1;
	struct tn_offer offer;
	struct tn_match matches[MATCHES_MAX];
	char origin[16];
	if (number == EVENTS_MAX || instance_no >= INSTANCES_MAX || is_followed(world, attempt))
		return SIM_NO_REPLY;
	struct sim_event *event = &world->events[number];
	if (!sim_draft_offer(world, &offer, matches, origin, number, instance_no))
		return SIM_NO_REPLY;
	offer.poison = event->hops > HOPS_MAX ? TN_POISON_REPLY_LOOP : TN_POISON_UNREADABLE;
	struct tn_arrival arrival = {.parent = attempt->attempt->token, .hops = event->hops, .ack_when = TN_ACK_JOURNALED,
		.offers = &offer, .count = 1};
	enum tn_status status = tn_engine_offer(world->engine, &arrival);
	sim_say(world, SIM_OFFER, status, instance_no, number);
	if (status == TN_NOT_FOUND)
		sim_fail(world, "a reply to an attempt under way was nobody's");
	if (status != TN_OK)
		return SIM_REPLY_REFUSED;
	world->instances[instance_no] = (struct sim_instance){.source = SOURCE_NONE, .run = world->run, .journaled = true,
		.offered_ms = world->now_ms};
	world->instance_count++;
	event->offers++;
	world->run_matched += event->match_count;
	entry->replied_instance = attempt->instance;
	return SIM_REPLIED;
}

/* The store had no room for it: the delivery has failed after all. */
void sim_reply_refused(struct world *world, const struct tn_note *note)
{
	uint32_t event, match;
	sim_split_id(&note->id, &event, &match);
	struct sim_entry *entry = &world->events[event].entries[match];
	world->run_delivered--;
	entry->told++;
	world->duplicating_faults++;
	entry->failed_instance = entry->replied_instance;
	entry->failed_run = world->run;
	entry->failures = note->attempts + 1;
	entry->not_before_ms = world->now_ms;
	if (entry->delivered_instance == entry->replied_instance)
		entry->delivered_instance = entry->delivered_run = 0;
	entry->replied_instance = 0;
}

/* What was told before its reply was durable was told to nobody. */
void sim_replies_after_crash(struct world *world)
{
	for (uint32_t i = 0; i < world->event_count; i++) {
		for (uint32_t j = 0; j < world->events[i].match_count; j++) {
			struct sim_entry *entry = &world->events[i].entries[j];
			bool lost = entry->replied_instance != 0 && !is_reply_kept(world, entry);
			if (lost && entry->delivered_instance == entry->replied_instance)
				entry->delivered_instance = entry->delivered_run = 0;
			if (lost)
				entry->replied_instance = 0;
		}
	}
}

/* Its parent was acked, in this instance. */
void sim_check_reply(struct world *world, const struct sim_entry *parent, const struct tn_id *id, uint32_t instance)
{
	if (parent->replied_instance != instance || parent->delivered_instance != instance)
		return;
	struct sim_event *event = &world->events[parent->reply - 1];
	if (sim_has_row(world, id, true)) /* it is durable itself, still */
		return;
	if (!is_reply_kept(world, parent))
		sim_fail(world, "an event was acked, and the reply to it, event %u, is nowhere durable", parent->reply - 1u);
	for (uint32_t i = 0; i < event->match_count; i++)
		event->entries[i].acked = true;
}
