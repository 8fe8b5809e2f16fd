/* SPDX-License-Identifier: Apache-2.0
 *
 * copies.c - events that come more than once, under one key or with another payload, and a store of keys that answers at once, late,
 * wrongly ("elsewhere", "no idea") or never, and forgets keys when it is told to.
 *
 * A key is the number of the event that first had it; a payload's fingerprint is the number of its event, plus one.
 */
#include <string.h>

#include "world.h"

void sim_draw_dedup(struct world *world, struct sim_source *source)
{
	source->answers = source->kind == SIM_DURABLE || source->kind == SIM_SYNC;
	source->dedups = sim_chance(world, 60);
	source->dedup = (struct tn_dedup_terms){.strict = sim_chance(world, 25), .hold = sim_chance(world, 25),
		.window_ms = sim_chance(world, 60) ? SIM_WINDOW_LONG_MS : 1 + sim_upto(world, 5000)};
}

/* An event of this source that comes once more, or EVENTS_MAX. */
uint32_t sim_draw_copy(struct world *world, uint32_t source)
{
	uint32_t percent = (world->sources[source].dedups ? 6u : 0) + (sim_has(world, FAULT_COPIES) ? 12u : 0);
	if (world->sources[source].transactional) /* each of its events is to be seen once */
		return EVENTS_MAX;
	if (world->healing || world->event_count == 0 || percent == 0 || !sim_chance(world, percent))
		return EVENTS_MAX;
	uint32_t from = world->event_count < 12 ? 0 : world->event_count - 12; /* copies follow soon, mostly */
	uint32_t number = sim_chance(world, 20) ? sim_upto(world, world->event_count - 1) : from + sim_upto(world, world->event_count - 1 - from);
	const struct sim_event *event = &world->events[number];
	return event->source == source && !event->poison ? number : EVENTS_MAX;
}

void sim_draw_key(struct world *world, uint32_t number)
{
	struct sim_event *event = &world->events[number];
	event->key = number;
	uint32_t other = sim_chance(world, 20) ? sim_draw_copy(world, event->source) : EVENTS_MAX;
	if (other == EVENTS_MAX || other == number || event->poison || !world->sources[event->source].dedups)
		return;
	event->key = world->events[other].key;
	event->shares_key = world->events[other].shares_key = world->events[event->key].shares_key = true;
}

void sim_fill_key(const struct world *world, uint32_t number, struct tn_offer *offer)
{
	const struct sim_event *event = &world->events[number];
	if (!world->sources[event->source].dedups || event->poison)
		return;
	offer->dedup_key.bytes[0] = 2;
	memcpy(offer->dedup_key.bytes + 4, &event->key, sizeof(event->key));
	offer->fingerprint = number + 1;
}

/* --- The keys in the store --- */

static struct sim_seen *find(struct sim_keys *keys, const struct tn_id *key)
{
	for (uint32_t i = 0; i < keys->count; i++) {
		if (tn_id_equal(&keys->seen[i].key, key))
			return &keys->seen[i];
	}
	return NULL;
}

static void forget(struct sim_keys *keys, struct sim_seen *seen)
{
	*seen = keys->seen[--keys->count];
}

void sim_put_seen(struct world *world, const struct tn_seen *put)
{
	struct sim_keys *keys = &world->keys;
	struct sim_seen *seen = find(keys, &put->key);
	uint32_t number = (uint32_t)put->fingerprint - 1;
	sim_check_seen(world, number);
	if (world->sources[world->events[number].source].dedup.window_ms == SIM_WINDOW_LONG_MS && put->expires_ms <= world->now_ms)
		sim_fail(world, "the key of event %u is kept, and over already", number);
	if (seen == NULL && keys->count == SEEN_MAX) {
		sim_fail(world, "more than %d keys", SEEN_MAX);
		return;
	}
	if (seen == NULL)
		seen = &keys->seen[keys->count++];
	*seen = (struct sim_seen){.key = put->key, .fingerprint = put->fingerprint, .expires_ms = put->expires_ms};
}

void sim_drop_seen(struct world *world, const struct tn_id *key)
{
	struct sim_seen *seen = find(&world->keys, key);
	if (seen != NULL)
		forget(&world->keys, seen);
}

bool sim_evict(struct world *world)
{
	if (world->keys.count == 0)
		return false;
	forget(&world->keys, &world->keys.seen[sim_upto(world, world->keys.count - 1)]);
	world->duplicating_faults++;
	return true;
}

/* A batch with them was refused: those of events that the store does not hold are lost, which costs copies. */
void sim_seen_refused(struct world *world, const struct tn_batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		if (batch->ops[i].kind == TN_PUT_SEEN)
			world->duplicating_faults += world->sources[world->events[batch->ops[i].seen.fingerprint - 1].source].kind != SIM_DURABLE;
	}
}

/* --- Claims --- */

static void look_up(struct world *world, struct sim_claim *claim)
{
	for (uint32_t i = 0; i < claim->count; i++) {
		const struct sim_seen *seen = find(&world->keys, &claim->keys[i]);
		claim->answers[i] = (struct tn_claim_answer){.claim = TN_CLAIM_NOTHING};
		if (seen != NULL && seen->expires_ms > world->now_ms)
			claim->answers[i] = (struct tn_claim_answer){.claim = TN_CLAIM_DONE, .fingerprint = seen->fingerprint};
	}
	claim->read = true;
}

static void answer(struct world *world, const struct sim_claim *claim)
{
	sim_say(world, SIM_CLAIMED, claim->answers[0].claim, (int64_t)claim->token, claim->count);
	tn_engine_claimed(world->engine, claim->token, claim->answers, claim->count);
}

static void spoil(struct world *world, struct sim_claim *claim)
{
	bool elsewhere = sim_chance(world, 50);
	world->duplicating_faults += !elsewhere;
	claim->read = true;
	for (uint32_t i = 0; i < claim->count; i++)
		claim->answers[i] = (struct tn_claim_answer){.claim = elsewhere ? TN_CLAIM_ELSEWHERE : TN_CLAIM_ERROR,
			.recheck_ms = sim_upto(world, 3000)};
}

static void put_off(struct world *world, const struct sim_claim *claim)
{
	world->duplicating_faults++; /* the engine waits a second only */
	if (world->keys.claim_count < CLAIMS_MAX && sim_chance(world, 80)) /* else it is lost */
		world->keys.claims[world->keys.claim_count++] = *claim;
}

void sim_claimed(struct world *world, const struct tn_command *command)
{
	struct sim_claim claim = {.token = command->token, .count = command->key_count};
	if (claim.count == 0 || claim.count > 3) {
		sim_fail(world, "a claim of %u keys", claim.count);
		return;
	}
	memcpy(claim.keys, command->keys, claim.count * sizeof(claim.keys[0]));
	bool faulty = sim_has(world, FAULT_CLAIMS);
	if (!faulty || sim_chance(world, 50))
		look_up(world, &claim);
	if (faulty && sim_chance(world, 12))
		spoil(world, &claim);
	if (faulty && sim_chance(world, 30))
		put_off(world, &claim);
	else if (claim.read)
		answer(world, &claim);
	else
		put_off(world, &claim);
}

/* One that was put off, in any order. */
bool sim_claim_step(struct world *world)
{
	struct sim_keys *keys = &world->keys;
	if (keys->claim_count == 0)
		return false;
	uint32_t drawn = sim_upto(world, keys->claim_count - 1);
	struct sim_claim claim = keys->claims[drawn];
	keys->claims[drawn] = keys->claims[--keys->claim_count];
	if (!claim.read)
		look_up(world, &claim);
	answer(world, &claim);
	return true;
}

void sim_claims_after_crash(struct world *world)
{
	world->keys.claim_count = 0;
}
