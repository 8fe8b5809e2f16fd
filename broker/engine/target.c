/* SPDX-License-Identifier: Apache-2.0
 *
 * target.c - one target as the engine knows it: its limits today, its line of waiting deliveries, and whether it may start one now.
 *
 * Called by reload, by delivery.c with what a result says about the whole target, and by attempt.c. A target number is for ever, so
 * targets are never freed before the engine; what a reload leaves out is removed, and its deliveries die after the grace.
 *
 * Fairness: a target that can start stands in one of two rings, by whether it holds a quarter of all slots or more. Starts come
 * round-robin from the first ring, and from the second only while the first is empty.
 */
#include "core.h"
#include "attempt.h"
#include "lane.h"
#include "moves.h"
#include "pace.h"
#include "target.h"
#include "txn.h"

struct tn_target *tn_target_find(const struct tn_engine *engine, uint32_t target_no)
{
	struct tn_target *target = target_no < engine->target_capacity ? engine->targets[target_no] : NULL;
	return target != NULL ? target : engine->targets[0];
}

bool tn_target_waits(const struct tn_engine *engine, const struct tn_target *target)
{
	return target->held || target->dead_full || target->paused_until_ms > engine->now_ms ||
	       target->breaker.state == TN_BREAKER_OPEN;
}

bool tn_target_expired(const struct tn_engine *engine, const struct tn_target *target)
{
	return target->limits.removed && target->removed_until_ms <= engine->now_ms;
}

static uint32_t start_limit(const struct tn_target *target)
{
	uint32_t limit = target->limits.max_in_flight < target->hold_limit ? target->limits.max_in_flight : target->hold_limit;
	return target->limits.adaptive && target->adaptive.limit < limit ? target->adaptive.limit : limit;
}

static bool can_start(const struct tn_engine *engine, struct tn_target *target)
{
	return target->waiting_count > 0 && !target->limits.removed && !engine->draining && !tn_target_waits(engine, target) &&
	       target->in_flight < start_limit(target) &&
	       (target->breaker.state == TN_BREAKER_CLOSED || tn_breaker_allows(engine, target)) &&
	       (target->limits.rate.count == 0 || tn_rate_allows(engine, target)) &&
	       (target->waiting_count > target->stalled_count || tn_retries_allow(engine, target));
}

static void update_ring(struct tn_engine *engine, struct tn_target *target)
{
	bool over = target->in_flight >= engine->quarter;
	bool stands = tn_link_in_list(&target->ring);
	if (!can_start(engine, target)) {
		tn_link_leave(&target->ring);
	} else if (!stands || target->ring_over != over) {
		tn_link_leave(&target->ring);
		target->ring_over = over;
		tn_list_push(over ? &engine->ready_over : &engine->ready_under, &target->ring);
	}
}

void tn_target_update(struct tn_engine *engine, struct tn_target *target)
{
	update_ring(engine, target);
	bool stands = tn_link_in_list(&target->scans), wanted = tn_scan_wanted(engine, target);
	if (wanted && !stands)
		tn_list_push(&engine->scans, &target->scans);
	else if (!wanted && stands)
		tn_link_leave(&target->scans);
	tn_txn_wake(engine);
}

void tn_target_arm(struct tn_engine *engine, struct tn_target *target, int64_t due_ms)
{
	if (due_ms >= TN_ROW_BEHIND_MS)
		return;
	if (!tn_heap_holds(&target->timer) || due_ms < tn_heap_due(&engine->target_times, &target->timer))
		tn_heap_set(&engine->target_times, &target->timer, due_ms);
}

static void bury_waiting(struct tn_engine *engine, struct tn_target *target)
{
	struct tn_link *link;
	tn_retries_unstall(target);
	while ((link = tn_list_first(&target->waiting)) != NULL) {
		struct tn_delivery *delivery = TN_OWNER(link, struct tn_delivery, link);
		tn_delivery_stop_waiting(engine, delivery);
		if (delivery->state == TN_STATE_BURYING)
			tn_bury_in_store(engine, delivery);
		else
			tn_delivery_make_pending(engine, delivery); /* which finds the target expired */
	}
}

static int64_t future(const struct tn_engine *engine, int64_t time_ms)
{
	return time_ms > engine->now_ms ? time_ms : INT64_MAX;
}

static void arm_all(struct tn_engine *engine, struct tn_target *target)
{
	struct tn_link *first = tn_list_first(&target->running);
	int64_t due_ms = first ? TN_OWNER(first, const struct tn_slot, link)->deadline_ms : INT64_MAX;
	due_ms = tn_time_min(due_ms, future(engine, target->paused_until_ms));
	if (target->held)
		due_ms = tn_time_min(due_ms, target->held_until_ms);
	due_ms = tn_time_min(due_ms, tn_breaker_deadline(engine, target));
	due_ms = tn_time_min(due_ms, tn_rate_deadline(engine, target));
	due_ms = tn_time_min(due_ms, tn_retries_deadline(engine, target));
	if (target->limits.removed)
		due_ms = tn_time_min(due_ms, future(engine, target->removed_until_ms));
	if (target->parked > 0)
		due_ms = tn_time_min(due_ms, future(engine, target->next_due_ms));
	if (target->low_due_ms != INT64_MAX)
		due_ms = tn_time_min(due_ms, future(engine, target->low_at_ms));
	if (!tn_list_empty(&target->lanes_resting))
		due_ms = tn_time_min(due_ms, target->lanes_again_ms);
	tn_target_arm(engine, target, due_ms);
}

void tn_target_wake(struct tn_engine *engine, struct tn_target *target)
{
	tn_attempt_check_target(engine, target);
	if (target->paused_until_ms <= engine->now_ms) {
		target->paused_until_ms = 0;
		target->pause_code = NULL;
	}
	if (target->held && target->held_until_ms <= engine->now_ms) {
		target->held = false;
		target->hold_limit = target->in_flight + 1;
	}
	tn_breaker_wake(engine, target);
	if (tn_target_expired(engine, target)) {
		bury_waiting(engine, target);
		tn_lane_touch_all(engine, target);
	}
	tn_lane_wake(engine, target);
	tn_scan_check_low(engine, target);
	tn_target_update(engine, target);
	arm_all(engine, target);
}

/* --- What a result says about all of it --- */

static void pause(struct tn_engine *engine, struct tn_target *target, int64_t until_ms, const char *code)
{
	if (until_ms <= target->paused_until_ms)
		return;
	target->paused_until_ms = until_ms;
	target->pause_code = code;
	tn_books_note_target(engine, TN_NOTE_TARGET_PAUSED, target, code, until_ms);
	tn_target_arm(engine, target, until_ms);
	tn_target_update(engine, target);
}

int64_t tn_target_honour(struct tn_engine *engine, struct tn_target *target, const struct tn_outcome *outcome)
{
	int64_t after_ms = tn_time_min(outcome->retry_after_ms, target->limits.retry_after_max_ms);
	if (after_ms <= 0 || TN_PLANT(13))
		return 0;
	pause(engine, target, tn_time_add(engine->now_ms, after_ms), outcome->code);
	return after_ms;
}

void tn_target_hold(struct tn_engine *engine, struct tn_target *target)
{
	target->held = true;
	target->held_until_ms = engine->now_ms + TN_HELD_MS;
	tn_target_arm(engine, target, target->held_until_ms);
	tn_target_update(engine, target);
}

void tn_target_answered(struct tn_engine *engine, struct tn_target *target, uint32_t episode, const struct tn_outcome *outcome)
{
	tn_breaker_answered(engine, target, episode, outcome);
	if (outcome->verdict == TN_HOLD) {
		tn_target_hold(engine, target);
		return;
	}
	if (target->hold_limit != UINT32_MAX && ++target->hold_limit >= target->limits.max_in_flight)
		target->hold_limit = UINT32_MAX;
	tn_target_update(engine, target);
}

void tn_engine_ready(struct tn_engine *engine, uint32_t target_no, uint32_t room)
{
	struct tn_target *target = tn_target_find(engine, target_no);
	uint32_t limit = room < UINT32_MAX - target->in_flight ? target->in_flight + room : UINT32_MAX - 1;
	target->held = false;
	target->hold_limit = limit > 0 ? limit : 1;
	tn_target_update(engine, target);
}

/* --- Reload: all or nothing --- */

static struct tn_target *new_target(struct tn_engine *engine, struct tn_str name)
{
	struct tn_target *target = tn_budget_take_furniture(engine, sizeof(*target) + name.len);
	if (target == NULL)
		return NULL;
	char *own_name = (char *)(target + 1);
	if (name.len > 0)
		memcpy(own_name, name.bytes, name.len);
	target->limits.name = (struct tn_str){own_name, name.len};
	target->hold_limit = UINT32_MAX;
	target->counted_seq = UINT64_MAX;
	target->next_due_ms = target->low_due_ms = INT64_MAX;
	target->cursor_due_ms = INT64_MIN;
	tn_list_init(&target->waiting);
	tn_list_init(&target->stalled);
	tn_list_init(&target->running);
	tn_list_init(&target->lanes);
	tn_list_init(&target->lanes_to_load);
	tn_list_init(&target->lanes_resting);
	return target;
}

static enum tn_status grow_pointers(struct tn_engine *engine, struct tn_target ***array, uint32_t *capacity, uint32_t count)
{
	if (count <= *capacity)
		return TN_OK;
	uint32_t grown = *capacity * 2 > count ? *capacity * 2 : count;
	size_t old_size = *capacity * sizeof(**array), size = grown * sizeof(**array);
	struct tn_target **pointers = engine->alloc.resize(engine->alloc.arg, *array, old_size, size);
	if (pointers == NULL)
		return TN_NO_MEMORY;
	memset(pointers + *capacity, 0, size - old_size);
	*array = pointers;
	*capacity = grown;
	return TN_OK;
}

static enum tn_status make_room(struct tn_engine *engine, const struct tn_target_table *table)
{
	uint32_t highest = 0;
	for (uint32_t i = 0; i < table->count; i++) {
		uint32_t number = table->targets[i].target_no;
		if (number == 0 || number > TN_TARGET_NO_MAX)
			return TN_INVALID;
		highest = number > highest ? number : highest;
		if (tn_moves_queue_name(engine, table->targets[i].queue).bytes == NULL)
			return TN_NO_MEMORY;
	}
	uint32_t count = engine->target_count + table->count;
	if (tn_heap_reserve(&engine->target_times, count + 1) != TN_OK)
		return TN_NO_MEMORY;
	if (grow_pointers(engine, &engine->targets, &engine->target_capacity, highest + 1) != TN_OK)
		return TN_NO_MEMORY;
	return grow_pointers(engine, &engine->target_list, &engine->target_list_capacity, count);
}

/* New targets stand in the list from `from` on, not yet found by number. */
static enum tn_status make_targets(struct tn_engine *engine, const struct tn_target_table *table, uint32_t from)
{
	uint32_t end = from;
	for (uint32_t i = 0; i < table->count; i++) {
		if (engine->targets[table->targets[i].target_no] != NULL)
			continue;
		struct tn_target *target = new_target(engine, table->targets[i].name);
		if (target == NULL) {
			while (end > from) {
				target = engine->target_list[--end];
				tn_budget_give_furniture(engine, target, sizeof(*target) + target->limits.name.len);
			}
			return TN_NO_MEMORY;
		}
		target->limits.target_no = table->targets[i].target_no;
		engine->target_list[end++] = target;
	}
	return TN_OK;
}

static void remove_target(struct tn_engine *engine, struct tn_target *target, int64_t grace_ms)
{
	if (target->limits.removed)
		return;
	target->limits.removed = true;
	target->removed_until_ms = tn_time_add(engine->now_ms, grace_ms);
}

static void apply_limits(struct tn_engine *engine, struct tn_target *target, const struct tn_target_limits *limits, int64_t grace_ms)
{
	struct tn_str name = target->limits.name;
	bool removed = target->limits.removed, changed = target->limits.settings != limits->settings;
	bool ordered = target->limits.ordered;
	struct tn_rate_limits rate = target->limits.rate;
	target->limits = *limits;
	target->limits.ordered = limits->removed ? ordered : limits->ordered;
	target->limits.name = name;
	target->limits.removed = removed && limits->removed;
	tn_breaker_default(&target->limits.breaker);
	tn_rate_changed(engine, target, &rate);
	tn_retries_init(engine, target);
	tn_adaptive_init(target);
	if (changed)
		tn_breaker_changed(engine, target);
	if (target->limits.max_in_flight == 0)
		target->limits.max_in_flight = 1;
	target->limits.queue = target->queue = tn_moves_queue_name(engine, limits->queue); /* it was made by make_room */
	if (limits->removed)
		remove_target(engine, target, grace_ms);
	target->in_table = true;
	if (ordered != target->limits.ordered || removed != target->limits.removed)
		tn_lane_order_changed(engine, target);
}

/* Rows the store had when it was opened: parked since another run. */
static void count_found(struct tn_engine *engine, struct tn_target *target, uint64_t rows, uint64_t bytes)
{
	target->parked = target->park_rows = rows;
	target->park_bytes = bytes;
	engine->books.recovered += rows;
	engine->books.parked += rows;
	if (rows > 0)
		target->next_due_ms = engine->now_ms;
}

static void apply_table(struct tn_engine *engine, const struct tn_target_table *table)
{
	int64_t grace_ms = engine->tabled ? table->removal_grace_ms : 0;
	for (uint32_t i = 0; i < table->count; i++) {
		const struct tn_target_limits *limits = &table->targets[i];
		struct tn_target *target = engine->targets[limits->target_no];
		apply_limits(engine, target, limits, grace_ms);
		if (!engine->tabled) {
			count_found(engine, target, limits->found_parked, limits->found_parked_bytes);
			target->dead_rows = limits->found_dead_rows;
			target->dead_bytes = limits->found_dead_bytes;
		}
		tn_moves_check_full(engine, target);
	}
	engine->found_blocks = engine->tabled ? engine->found_blocks : table->found_blocks;
	engine->removal_grace_ms = table->removal_grace_ms;
	engine->rules_changed_ms = engine->tabled ? engine->now_ms : INT64_MIN / 2;
	engine->tabled = true;
}

enum tn_status tn_engine_reload(struct tn_engine *engine, const struct tn_target_table *table)
{
	enum tn_status status = make_room(engine, table);
	if (status != TN_OK)
		return status;
	uint32_t from = engine->target_count;
	for (uint32_t i = 0; i < table->count; i++) {
		for (uint32_t j = 0; j < i; j++) {
			if (table->targets[i].target_no == table->targets[j].target_no)
				return TN_INVALID;
		}
	}
	status = make_targets(engine, table, from);
	if (status != TN_OK)
		return status;
	for (uint32_t i = 0; i < table->count; i++) {
		if (engine->targets[table->targets[i].target_no] == NULL) {
			struct tn_target *target = engine->target_list[engine->target_count++];
			engine->targets[target->limits.target_no] = target;
		}
	}
	for (uint32_t i = 0; i < engine->target_count; i++)
		engine->target_list[i]->in_table = false;
	apply_table(engine, table);
	for (uint32_t i = 0; i < engine->target_count; i++) {
		struct tn_target *target = engine->target_list[i];
		if (!target->in_table)
			remove_target(engine, target, table->removal_grace_ms);
		tn_target_wake(engine, target);
	}
	return TN_OK;
}

/* --- Nobody: stands in for numbers that no table ever named, and for poison --- */

enum tn_status tn_target_new_nobody(struct tn_engine *engine)
{
	if (tn_heap_reserve(&engine->target_times, 1) != TN_OK ||
		grow_pointers(engine, &engine->targets, &engine->target_capacity, 1) != TN_OK)
		return TN_NO_MEMORY;
	engine->targets[0] = new_target(engine, (struct tn_str){0});
	if (engine->targets[0] == NULL)
		return TN_NO_MEMORY;
	engine->targets[0]->limits.removed = true;
	engine->targets[0]->removed_until_ms = INT64_MIN;
	return TN_OK;
}

static void free_target(struct tn_engine *engine, struct tn_target *target)
{
	if (target == NULL)
		return;
	tn_lane_free_all(engine, target);
	tn_budget_give_furniture(engine, target, sizeof(*target) + target->limits.name.len);
}

void tn_target_free_all(struct tn_engine *engine)
{
	for (uint32_t i = 0; i < engine->target_count; i++)
		free_target(engine, engine->target_list[i]);
	if (engine->targets != NULL)
		free_target(engine, engine->targets[0]);
	tn_budget_give_furniture(engine, engine->target_list, engine->target_list_capacity * sizeof(*engine->target_list));
	tn_budget_give_furniture(engine, engine->targets, engine->target_capacity * sizeof(*engine->targets));
}

/* --- For status and metrics --- */

uint32_t tn_engine_target_count(const struct tn_engine *engine)
{
	return engine->target_count;
}

bool tn_engine_target_view(const struct tn_engine *engine, uint32_t index, struct tn_target_view *out_view)
{
	if (index >= engine->target_count)
		return false;
	const struct tn_target *target = engine->target_list[index];
	*out_view = (struct tn_target_view){.name = target->limits.name, .target_no = target->limits.target_no,
		.removed = target->limits.removed, .ordered = target->limits.ordered, .in_flight = target->in_flight, .max_in_flight = target->limits.max_in_flight,
		.pending = target->pending, .backoff = target->backoff, .parked = target->parked, .delivered = target->delivered,
		.retried = target->retried, .dead = target->dead, .dropped = target->dropped, .parks = target->parks,
		.breaker = (enum tn_breaker_state)target->breaker.state, .breaker_code = target->breaker.code,
		.breaker_opened = target->breaker.opened, .limit = start_limit(target), .tokens = tn_rate_tokens(engine, target),
		.rate = target->limits.rate, .max_parked = target->limits.park_rows, .max_parked_bytes = target->limits.park_bytes,
		.park_full = tn_park_is_full(target), .pauses = target->limits.on_park_full == TN_PARK_FULL_PAUSE,
		.parked_bytes = target->park_bytes, .over_budget = target->stalled_count, .budget_waits = target->budget_waits};
	if (target->breaker.state == TN_BREAKER_OPEN)
		out_view->breaker_until_ms = target->breaker.until_ms;
	if (target->paused_until_ms > engine->now_ms) {
		out_view->paused_until_ms = target->paused_until_ms;
		out_view->pause_code = target->pause_code;
	}
	out_view->lanes = target->lane_count;
	out_view->lanes_waiting = target->lanes_waiting;
	out_view->lanes_blocked = target->lanes_blocked;
	out_view->queue = target->queue;
	out_view->dead_rows = target->dead_rows;
	out_view->dead_bytes = target->dead_bytes;
	out_view->dead_max_bytes = target->limits.dead_max_bytes;
	out_view->redriven = target->redriven;
	out_view->redrive_delivered = target->redrive_delivered;
	out_view->redrive_failed = target->redrive_failed;
	out_view->dead_full = target->dead_full;
	if (target->dead_full)
		out_view->pause_code = "DEAD_LETTERS_FULL";
	return true;
}

bool tn_engine_target_open(const struct tn_engine *engine, uint32_t target_no)
{
	const struct tn_target *target = tn_target_find(engine, target_no);
	return (!target->dead_full && (!tn_park_is_full(target) || target->limits.on_park_full != TN_PARK_FULL_PAUSE)) ||
	       target->limits.removed;
}
