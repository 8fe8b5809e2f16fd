/* SPDX-License-Identifier: Apache-2.0
 *
 * attempt.c - slots: one attempt each, from START to its one result.
 *
 * Called by engine.c to start what may start, and with results. What START points to lives in the slot and stays as it is until the
 * result comes, whatever becomes of the delivery meanwhile.
 *
 *   RUNNING --result--> FREE
 *      | the deadline passed: counted as a failure, CANCEL
 *      v
 *   LINGERING --result--> FREE              its place within the limits stays taken
 *      | 5 s
 *      v
 *   ORPHAN --result--> FREE                 only the memory stays
 *
 * Slots come in slabs and are used again last in, first out. A token is (generation, index): an answer to an older generation is
 * nobody's.
 */
#include "core.h"

static struct tn_slot *slot_at(const struct tn_engine *engine, uint32_t index)
{
	return &engine->slabs[index / TN_SLOTS_A_SLAB][index % TN_SLOTS_A_SLAB];
}

static uint64_t token_of(const struct tn_slot *slot)
{
	return ((uint64_t)slot->generation << 32) | slot->index;
}

static bool grow_slabs(struct tn_engine *engine)
{
	if (engine->slab_count < engine->slab_capacity)
		return true;
	uint32_t capacity = engine->slab_capacity == 0 ? 16 : engine->slab_capacity * 2;
	size_t old_size = engine->slab_capacity * sizeof(*engine->slabs), size = capacity * sizeof(*engine->slabs);
	struct tn_slot **slabs = engine->alloc.resize(engine->alloc.arg, engine->slabs, old_size, size);
	if (slabs == NULL)
		return false;
	engine->slabs = slabs;
	engine->slab_capacity = capacity;
	return true;
}

static bool add_slab(struct tn_engine *engine)
{
	struct tn_slot *slab = grow_slabs(engine) ? tn_budget_take_furniture(engine, TN_SLOTS_A_SLAB * sizeof(*slab)) : NULL;
	if (slab == NULL)
		return false;
	uint32_t first = engine->slab_count * TN_SLOTS_A_SLAB;
	engine->slabs[engine->slab_count++] = slab;
	for (uint32_t i = 0; i < TN_SLOTS_A_SLAB; i++) {
		slab[i].index = first + i;
		slab[i].generation = 1;
		tn_list_push(&engine->slots_free, &slab[i].link);
	}
	return true;
}

/* --- Start --- */

static void fill_attempt(struct tn_engine *engine, struct tn_slot *slot, struct tn_delivery *delivery, struct tn_target *target)
{
	int64_t timeout_ms = target->limits.timeout_ms > 0 ? target->limits.timeout_ms : 15000;
	slot->item = (struct tn_item){.event = delivery->parcel->event, .route = delivery->route, .id = delivery->id,
		.tries = delivery->tries, .last = slot->last != NULL ? &slot->last->outcome : NULL,
		.condition = (enum tn_condition)delivery->condition, .origin = delivery->parcel->origin, .hops = delivery->parcel->hops};
	slot->attempt = (struct tn_attempt){.token = token_of(slot), .target_no = target->limits.target_no,
		.waiting = target->waiting_count, .timeout_ms = timeout_ms, .items = &slot->item, .count = 1,
		.purpose = delivery->state == TN_STATE_BURYING ? TN_TO_DEAD_LETTER : TN_TO_TARGET};
	slot->deadline_ms = tn_time_add(engine->now_ms, timeout_ms);
}

/* Deadlines grow with time unless a reload changed the timeout: near the end is the place. */
static void enter_running(struct tn_target *target, struct tn_slot *slot)
{
	struct tn_link *place = target->running.head.prev;
	while (place != &target->running.head && TN_OWNER(place, struct tn_slot, link)->deadline_ms > slot->deadline_ms)
		place = place->prev;
	tn_link_insert_after(place, &slot->link);
}

static void run(struct tn_engine *engine, struct tn_slot *slot, struct tn_delivery *delivery, struct tn_target *target)
{
	if (delivery->state == TN_STATE_PENDING) {
		tn_delivery_set_state(engine, delivery, TN_STATE_INFLIGHT);
		if (delivery->tries.first_ms == 0)
			delivery->tries.first_ms = engine->now_ms;
		delivery->tries.last_ms = engine->now_ms;
	} else {
		tn_heap_remove(&engine->backoffs, &delivery->timer);
	}
	slot->state = TN_SLOT_RUNNING;
	slot->delivery = delivery;
	slot->parcel = delivery->parcel;
	slot->target = target;
	slot->lane = delivery->state == TN_STATE_INFLIGHT ? delivery->lane : NULL;
	tn_lane_attempt(engine, slot->lane, 1);
	slot->last = tn_failure_ref(delivery->last);
	tn_parcel_pin(delivery->parcel);
	delivery->slot = slot;
	slot->episode = tn_breaker_started(target);
	fill_attempt(engine, slot, delivery, target);
	enter_running(target, slot);
	target->in_flight++;
	engine->in_flight++;
	tn_target_arm(engine, target, slot->deadline_ms);
}

static struct tn_delivery *first_waiting(struct tn_target *target)
{
	struct tn_link *link = target->breaker.state == TN_BREAKER_HALF_OPEN ? tn_breaker_choose(target) : tn_list_first(&target->waiting);
	tn_link_leave(link);
	struct tn_delivery *delivery = TN_OWNER(link, struct tn_delivery, link);
	delivery->waiting = false;
	target->waiting_count--;
	return delivery;
}

/* Takes the first in line, which may turn out too old: then there is no command. */
enum tn_status tn_attempt_start(struct tn_engine *engine, struct tn_target *target, struct tn_command *out_command)
{
	if (tn_list_empty(&engine->slots_free) && !add_slab(engine)) {
		engine->start_at_ms = engine->now_ms + TN_MEMORY_PAUSE_MS;
		return TN_NO_MEMORY;
	}
	tn_link_leave(&target->ring);
	struct tn_delivery *delivery = first_waiting(target);
	if (delivery->state == TN_STATE_PENDING &&
		tn_schedule_too_old(delivery->route->policy, &delivery->tries, engine->now_ms)) {
		tn_bury_exhausted(engine, delivery, TN_CONDITION_MAX_AGE);
		engine->ask_again = true;
		tn_target_update(engine, target);
		return TN_NOT_FOUND;
	}
	struct tn_slot *slot = TN_OWNER(tn_list_pop(&engine->slots_free), struct tn_slot, link);
	run(engine, slot, delivery, target);
	tn_target_update(engine, target);
	*out_command = (struct tn_command){.kind = TN_START, .token = slot->attempt.token, .attempt = &slot->attempt};
	return TN_OK;
}

/* --- Result --- */

static void give_place_back(struct tn_engine *engine, struct tn_slot *slot)
{
	tn_lane_attempt(engine, slot->lane, -1);
	slot->lane = NULL;
	tn_link_leave(&slot->link);
	if (TN_PLANT(21) && slot->state == TN_SLOT_LINGERING)
		return;
	slot->target->in_flight--;
	engine->in_flight--;
}

static void free_slot(struct tn_engine *engine, struct tn_slot *slot)
{
	tn_link_leave(&slot->cancel);
	if (slot->state == TN_SLOT_ORPHAN)
		engine->orphans--;
	slot->state = TN_SLOT_FREE;
	slot->delivery = NULL;
	slot->generation = slot->generation == UINT32_MAX ? 1 : slot->generation + 1;
	tn_list_push_first(&engine->slots_free, &slot->link);
	tn_failure_unref(engine, slot->last);
	slot->last = NULL;
	tn_parcel_unpin(engine, slot->parcel);
}

/* The delivery may go on: nothing of it is under way any more. */
static void part(struct tn_engine *engine, struct tn_slot *slot)
{
	assert(slot->delivery->slot == slot);
	slot->delivery->slot = NULL;
	tn_delivery_go_on(engine, slot->delivery);
}

static void late(struct tn_engine *engine, struct tn_slot *slot, const struct tn_outcome *outcome)
{
	if (outcome->verdict == TN_DELIVERED) {
		engine->books.late_success++;
		tn_books_note(engine, TN_NOTE_LATE_SUCCESS, slot->delivery, "LATE_SUCCESS", 0);
	}
	if (slot->state == TN_SLOT_LINGERING) {
		give_place_back(engine, slot);
		part(engine, slot);
		tn_target_update(engine, slot->target);
	}
	free_slot(engine, slot);
}

static void in_time(struct tn_engine *engine, struct tn_slot *slot, const struct tn_outcome *outcome)
{
	struct tn_delivery *delivery = slot->delivery;
	give_place_back(engine, slot);
	delivery->slot = NULL;
	if (outcome->verdict != TN_HOLD)
		engine->books.attempts++;
	tn_target_answered(engine, slot->target, slot->episode, outcome);
	if (delivery->state == TN_STATE_BURYING)
		tn_bury_sink_answered(engine, delivery, outcome);
	else if (!tn_reply_keeps(engine, slot, outcome))
		tn_delivery_answered(engine, delivery, outcome);
	free_slot(engine, slot);
}

struct tn_slot *tn_attempt_find(const struct tn_engine *engine, uint64_t token)
{
	uint32_t index = (uint32_t)token;
	if (index >= engine->slab_count * TN_SLOTS_A_SLAB)
		return NULL;
	struct tn_slot *slot = slot_at(engine, index);
	return slot->state != TN_SLOT_FREE && token_of(slot) == token ? slot : NULL;
}

void tn_engine_result(struct tn_engine *engine, const struct tn_result *result)
{
	struct tn_slot *slot = tn_attempt_find(engine, result->token);
	if (slot == NULL || result->count == 0)
		return;
	if (slot->state == TN_SLOT_RUNNING)
		in_time(engine, slot, &result->outcomes[0]);
	else
		late(engine, slot, &result->outcomes[0]);
}

/* --- Deadlines --- */

static void time_out(struct tn_engine *engine, struct tn_slot *slot)
{
	tn_link_leave(&slot->link);
	slot->state = TN_SLOT_LINGERING;
	slot->deadline_ms = engine->now_ms + TN_LINGER_MS;
	tn_list_push(&engine->lingering, &slot->link);
	tn_list_push(&engine->cancels, &slot->cancel);
	engine->books.attempts++;
	tn_reply_forget(slot);
	tn_breaker_answered(engine, slot->target, slot->episode, &engine->builtin[TN_FAILURE_TIMEOUT]->outcome);
	tn_delivery_timed_out(engine, slot->delivery);
}

void tn_attempt_check_target(struct tn_engine *engine, struct tn_target *target)
{
	struct tn_link *link;
	while ((link = tn_list_first(&target->running)) != NULL) {
		struct tn_slot *slot = TN_OWNER(link, struct tn_slot, link);
		if (slot->deadline_ms > engine->now_ms)
			return;
		time_out(engine, slot);
	}
}

static void orphan(struct tn_engine *engine, struct tn_slot *slot)
{
	give_place_back(engine, slot);
	slot->state = TN_SLOT_ORPHAN;
	engine->orphans++;
	engine->books.orphaned_attempts++;
	tn_books_note(engine, TN_NOTE_ORPHAN, slot->delivery, "ORPHAN", 0);
	part(engine, slot);
	tn_target_update(engine, slot->target);
}

void tn_attempt_tick(struct tn_engine *engine)
{
	struct tn_link *link;
	while ((link = tn_list_first(&engine->lingering)) != NULL) {
		struct tn_slot *slot = TN_OWNER(link, struct tn_slot, link);
		if (slot->deadline_ms > engine->now_ms)
			return;
		orphan(engine, slot);
	}
}

int64_t tn_attempt_deadline(const struct tn_engine *engine)
{
	struct tn_link *link = tn_list_first(&engine->lingering);
	return link == NULL ? INT64_MAX : TN_OWNER(link, const struct tn_slot, link)->deadline_ms;
}

bool tn_attempt_next(struct tn_engine *engine, struct tn_command *out_command)
{
	struct tn_link *link = tn_list_pop(&engine->cancels);
	if (link == NULL)
		return false;
	*out_command = (struct tn_command){.kind = TN_CANCEL, .token = TN_OWNER(link, struct tn_slot, cancel)->attempt.token};
	return true;
}

void tn_attempt_free_all(struct tn_engine *engine)
{
	for (uint32_t i = 0; i < engine->slab_count * TN_SLOTS_A_SLAB; i++)
		tn_failure_unref(engine, slot_at(engine, i)->last);
	for (uint32_t i = 0; i < engine->slab_count; i++)
		tn_budget_give_furniture(engine, engine->slabs[i], TN_SLOTS_A_SLAB * sizeof(struct tn_slot));
	tn_budget_give_furniture(engine, engine->slabs, engine->slab_capacity * sizeof(*engine->slabs));
}
