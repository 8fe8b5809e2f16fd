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
#include "attempt.h"
#include "lane.h"
#include "pace.h"
#include "target.h"
#include "txn.h"

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

static struct tn_item item_of(const struct tn_load *load)
{
	const struct tn_delivery *delivery = load->delivery;
	return (struct tn_item){.event = load->parcel->event, .route = delivery->route, .id = delivery->id, .tries = delivery->tries,
		.last = load->last != NULL ? &load->last->outcome : NULL, .condition = (enum tn_condition)delivery->condition,
		.origin = load->parcel->origin, .hops = load->parcel->hops};
}

static struct tn_item *items_of(struct tn_slot *slot)
{
	return slot->loads == &slot->load ? &slot->item : (struct tn_item *)(void *)(slot->loads + slot->room);
}

static void fill_attempt(struct tn_engine *engine, struct tn_slot *slot, struct tn_target *target)
{
	int64_t timeout_ms = target->limits.timeout_ms > 0 ? target->limits.timeout_ms : 15000;
	struct tn_item *items = items_of(slot);
	bool dead = slot->loads->delivery->state == TN_STATE_BURYING;
	for (uint32_t i = 0; i < slot->count; i++)
		items[i] = item_of(&slot->loads[i]);
	slot->attempt = (struct tn_attempt){.token = token_of(slot), .target_no = target->limits.target_no,
		.waiting = target->waiting_count, .timeout_ms = timeout_ms, .items = items, .count = slot->count,
		.batch = target->limits.batch_items > 0 && !dead, .purpose = dead ? TN_TO_DEAD_LETTER : TN_TO_TARGET,
		.txn = tn_txn_number(slot->loads->delivery)};
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

static void put_in(struct tn_engine *engine, struct tn_slot *slot, struct tn_delivery *delivery)
{
	struct tn_load *load = &slot->loads[slot->count++];
	bool retry = delivery->at->limits.retries.on && tn_retries_count(engine, delivery->at, delivery);
	if (delivery->state == TN_STATE_PENDING) {
		tn_delivery_set_state(engine, delivery, TN_STATE_INFLIGHT);
		if (delivery->tries.first_ms == 0)
			delivery->tries.first_ms = engine->now_ms;
		delivery->tries.last_ms = engine->now_ms;
	} else {
		tn_heap_remove(&engine->backoffs, &delivery->timer);
	}
	*load = (struct tn_load){.delivery = delivery, .parcel = delivery->parcel, .last = tn_failure_ref(delivery->last), .retry = retry};
	load->lane = delivery->state == TN_STATE_INFLIGHT ? delivery->lane : NULL;
	if (load->lane != NULL)
		tn_lane_attempt(engine, load->lane, 1);
	tn_parcel_pin(delivery->parcel);
	delivery->slot = slot;
}

static void run(struct tn_engine *engine, struct tn_slot *slot, struct tn_target *target)
{
	slot->state = TN_SLOT_RUNNING;
	slot->target = target;
	slot->episode = tn_breaker_started(target);
	fill_attempt(engine, slot, target);
	enter_running(target, slot);
	target->in_flight++;
	engine->in_flight++;
	if (target->limits.rate.count > 0)
		tn_rate_started(engine, target);
	if (target->limits.adaptive)
		slot->decreases = tn_adaptive_started(target);
	tn_target_arm(engine, target, slot->deadline_ms);
}

/* NULL: those in line are all retries over the budget. */
static struct tn_link *next_in_line(struct tn_engine *engine, struct tn_target *target)
{
	bool plain = !target->limits.retries.on && target->breaker.state == TN_BREAKER_CLOSED;
	return plain ? tn_list_first(&target->waiting) : tn_retries_choose(engine, target);
}

static struct tn_delivery *first_waiting(struct tn_engine *engine, struct tn_target *target)
{
	struct tn_link *link = next_in_line(engine, target);
	if (link == NULL)
		return NULL;
	tn_link_leave(link);
	struct tn_delivery *delivery = TN_OWNER(link, struct tn_delivery, link);
	target->stalled_count -= delivery->stalled;
	delivery->waiting = delivery->stalled = false;
	target->waiting_count--;
	return delivery;
}

/* In line, and not too old by now: that one is buried. */
static bool may_start(struct tn_engine *engine, struct tn_delivery *delivery)
{
	if (delivery->state != TN_STATE_PENDING ||
		!tn_schedule_too_old(delivery->route->policy, &delivery->tries, engine->now_ms))
		return true;
	tn_bury_exhausted(engine, delivery, TN_CONDITION_MAX_AGE);
	engine->ask_again = true;
	return false;
}

/* --- Batches: what stands in line goes along, without waiting for more --- */

/* A block for a whole batch; without memory it will be one of one. */
static void make_room(struct tn_engine *engine, struct tn_slot *slot, uint32_t room)
{
	size_t size = room * (sizeof(struct tn_load) + sizeof(struct tn_item));
	struct tn_load *loads = tn_budget_take_furniture(engine, size);
	if (loads == NULL)
		return;
	loads[0] = slot->load;
	slot->loads = loads;
	slot->room = room;
}

static struct tn_delivery *next_of_batch(struct tn_engine *engine, struct tn_target *target, uint64_t txn, size_t *bytes)
{
	struct tn_link *link = next_in_line(engine, target);
	struct tn_delivery *delivery = link != NULL ? TN_OWNER(link, struct tn_delivery, link) : NULL;
	if (delivery == NULL || delivery->state != TN_STATE_PENDING || delivery->alone || tn_txn_number(delivery) != txn)
		return NULL;
	*bytes += delivery->parcel->cost;
	return *bytes > target->limits.batch_bytes ? NULL : delivery;
}

static void fill_batch(struct tn_engine *engine, struct tn_slot *slot, struct tn_target *target)
{
	size_t bytes = slot->load.parcel->cost;
	uint32_t most = target->limits.batch_items;
	uint64_t txn = tn_txn_number(slot->load.delivery);
	if (most < 2 || target->breaker.state != TN_BREAKER_CLOSED)
		return;
	if (slot->load.delivery->state != TN_STATE_INFLIGHT || slot->load.delivery->alone)
		return;
	struct tn_delivery *delivery = next_of_batch(engine, target, txn, &bytes);
	if (delivery == NULL)
		return;
	make_room(engine, slot, target->waiting_count < most ? target->waiting_count + 1 : most);
	while (slot->count < slot->room && delivery != NULL) {
		tn_delivery_stop_waiting(engine, delivery);
		if (may_start(engine, delivery))
			put_in(engine, slot, delivery);
		delivery = next_of_batch(engine, target, txn, &bytes);
	}
}

/* Takes the first in line, which may turn out too old: then there is no command. */
enum tn_status tn_attempt_start(struct tn_engine *engine, struct tn_target *target, struct tn_command *out_command)
{
	if (tn_list_empty(&engine->slots_free) && !add_slab(engine)) {
		engine->start_at_ms = engine->now_ms + TN_MEMORY_PAUSE_MS;
		return TN_NO_MEMORY;
	}
	tn_link_leave(&target->ring);
	struct tn_delivery *delivery = first_waiting(engine, target);
	if (delivery == NULL || !may_start(engine, delivery)) {
		tn_target_update(engine, target);
		return TN_NOT_FOUND;
	}
	struct tn_slot *slot = TN_OWNER(tn_list_pop(&engine->slots_free), struct tn_slot, link);
	slot->loads = &slot->load;
	put_in(engine, slot, delivery);
	fill_batch(engine, slot, target);
	run(engine, slot, target);
	tn_target_update(engine, target);
	*out_command = (struct tn_command){.kind = TN_START, .token = slot->attempt.token, .attempt = &slot->attempt};
	return TN_OK;
}

/* --- Result --- */

static void give_place_back(struct tn_engine *engine, struct tn_slot *slot)
{
	for (uint32_t i = 0; i < slot->count; i++) {
		if (slot->loads[i].lane != NULL)
			tn_lane_attempt(engine, slot->loads[i].lane, -1);
		slot->loads[i].lane = NULL;
	}
	tn_link_leave(&slot->link);
	if (TN_PLANT(21) && slot->state == TN_SLOT_LINGERING)
		return;
	slot->target->in_flight--;
	engine->in_flight--;
}

static void give_loads(struct tn_engine *engine, struct tn_slot *slot)
{
	if (slot->room > 0)
		tn_budget_give_furniture(engine, slot->loads, slot->room * (sizeof(struct tn_load) + sizeof(struct tn_item)));
	slot->loads = NULL;
	slot->count = slot->room = 0;
}

static void free_slot(struct tn_engine *engine, struct tn_slot *slot)
{
	tn_link_leave(&slot->cancel);
	if (slot->state == TN_SLOT_ORPHAN)
		engine->orphans--;
	slot->state = TN_SLOT_FREE;
	slot->generation = slot->generation == UINT32_MAX ? 1 : slot->generation + 1;
	tn_list_push_first(&engine->slots_free, &slot->link);
	for (uint32_t i = 0; i < slot->count; i++) {
		tn_failure_unref(engine, slot->loads[i].last);
		tn_parcel_unpin(engine, slot->loads[i].parcel);
	}
	give_loads(engine, slot);
}

/* Its deliveries may go on: nothing of them is under way any more. */
static void part(struct tn_engine *engine, struct tn_slot *slot)
{
	for (uint32_t i = 0; i < slot->count; i++) {
		assert(slot->loads[i].delivery->slot == slot);
		slot->loads[i].delivery->slot = NULL;
		tn_delivery_go_on(engine, slot->loads[i].delivery);
	}
}

/* One for all, or one an item. */
static const struct tn_outcome *outcome_of(const struct tn_result *result, uint32_t item)
{
	return &result->outcomes[item < result->count && !TN_PLANT(33) ? item : 0];
}

static void late(struct tn_engine *engine, struct tn_slot *slot, const struct tn_result *result)
{
	for (uint32_t i = 0; i < slot->count; i++) {
		if (outcome_of(result, i)->verdict != TN_DELIVERED || slot->attempt.txn != 0)
			continue;
		engine->books.late_success++;
		tn_books_note(engine, TN_NOTE_LATE_SUCCESS, slot->loads[i].delivery, "LATE_SUCCESS", 0);
	}
	if (slot->state == TN_SLOT_LINGERING) {
		give_place_back(engine, slot);
		part(engine, slot);
		tn_target_update(engine, slot->target);
	}
	free_slot(engine, slot);
}

static void answer(struct tn_engine *engine, struct tn_slot *slot, struct tn_delivery *delivery, const struct tn_outcome *outcome)
{
	delivery->slot = NULL;
	if (slot->attempt.txn != 0 && tn_txn_takes(engine, delivery, outcome))
		return;
	tn_books_note_attempt(engine, delivery, outcome);
	if (delivery->state == TN_STATE_BURYING)
		tn_bury_sink_answered(engine, delivery, outcome);
	else if (!tn_reply_keeps(engine, slot, outcome))
		tn_delivery_answered(engine, delivery, outcome);
}

static bool is_staged(const struct tn_slot *slot, const struct tn_outcome *outcome)
{
	return slot->attempt.txn != 0 && outcome->verdict == TN_STAGED;
}

/* What it says of the target: a batch that came through in part came through. */
static const struct tn_outcome *outcome_of_all(const struct tn_slot *slot, const struct tn_result *result)
{
	for (uint32_t i = 0; i < slot->count && i < result->count; i++) {
		if (result->outcomes[i].verdict == TN_DELIVERED || is_staged(slot, &result->outcomes[i]))
			return &result->outcomes[i];
	}
	return &result->outcomes[0];
}

static void in_time(struct tn_engine *engine, struct tn_slot *slot, const struct tn_result *result)
{
	const struct tn_outcome *of_all = outcome_of_all(slot, result);
	const struct tn_outcome written = {.verdict = TN_DELIVERED};
	bool held = of_all->verdict == TN_HOLD;
	give_place_back(engine, slot);
	if (slot->target->limits.retries.on)
		tn_retries_give_back(engine, slot, result);
	engine->books.attempts += !held;
	if (is_staged(slot, of_all))
		of_all = &written;
	if (slot->target->limits.adaptive)
		tn_adaptive_answered(engine, slot, of_all);
	tn_target_answered(engine, slot->target, slot->episode, of_all);
	for (uint32_t i = 0; i < slot->count; i++) {
		uint32_t item = held ? slot->count - 1 - i : i; /* the first in line is to be the first again */
		answer(engine, slot, slot->loads[item].delivery, outcome_of(result, item));
	}
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
		in_time(engine, slot, result);
	else
		late(engine, slot, result);
}

/* --- Deadlines --- */

static void time_out(struct tn_engine *engine, struct tn_slot *slot)
{
	tn_link_leave(&slot->link);
	if (slot->target->limits.adaptive)
		tn_adaptive_timed_out(slot);
	slot->state = TN_SLOT_LINGERING;
	slot->deadline_ms = engine->now_ms + TN_LINGER_MS;
	tn_list_push(&engine->lingering, &slot->link);
	tn_list_push(&engine->cancels, &slot->cancel);
	engine->books.attempts++;
	tn_reply_forget(slot);
	tn_breaker_answered(engine, slot->target, slot->episode, &engine->builtin[TN_FAILURE_TIMEOUT]->outcome);
	for (uint32_t i = 0; i < slot->count; i++)
		tn_delivery_timed_out(engine, slot->loads[i].delivery);
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
	tn_books_note(engine, TN_NOTE_ORPHAN, slot->loads->delivery, "ORPHAN", 0);
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
	for (uint32_t i = 0; i < engine->slab_count * TN_SLOTS_A_SLAB; i++) {
		struct tn_slot *slot = slot_at(engine, i);
		for (uint32_t j = 0; j < slot->count; j++)
			tn_failure_unref(engine, slot->loads[j].last);
		give_loads(engine, slot);
	}
	for (uint32_t i = 0; i < engine->slab_count; i++)
		tn_budget_give_furniture(engine, engine->slabs[i], TN_SLOTS_A_SLAB * sizeof(struct tn_slot));
	tn_budget_give_furniture(engine, engine->slabs, engine->slab_capacity * sizeof(*engine->slabs));
}
