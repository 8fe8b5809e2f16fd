/* SPDX-License-Identifier: Apache-2.0
 *
 * park.c - deliveries that must wait longer than memory should bear: into PARKED rows, under one cap per target.
 *
 * Called by delivery.c after a failure, by arrival.c for what is overdue, by drain.c. While the store may show a PARKED or DEAD row of
 * a delivery in hand, that delivery is known by its row key, so that a page of due rows never loads it a second time, and a dead
 * letter that is not confirmed yet is not moved. A page may be
 * older than what was committed meanwhile: keys that leave while a scan is out stay in the graveyard until its page has come.
 */
#include "core.h"
#include "arrival.h"
#include "lane.h"
#include "stream.h"
#include "target.h"

static uint32_t hash_key(const struct tn_engine *engine, struct tn_row_key key)
{
	return tn_map_hash(key.event_seq * 0x100000001b3u + key.route_no, engine->hash_key);
}

struct tn_delivery *tn_park_find(const struct tn_engine *engine, struct tn_row_key key)
{
	struct tn_map_node *node = tn_map_find(&engine->by_key, hash_key(engine, key));
	for (; node != NULL; node = tn_map_find_next(node)) {
		struct tn_delivery *delivery = TN_OWNER(node, struct tn_delivery, node);
		if (delivery->event_seq == key.event_seq && delivery->route_no == key.route_no)
			return delivery;
	}
	return NULL;
}

void tn_park_enter_key(struct tn_engine *engine, struct tn_delivery *delivery)
{
	struct tn_row_key key = {delivery->event_seq, delivery->route_no};
	if (!delivery->node.in_map)
		tn_map_put(&engine->by_key, &delivery->node, hash_key(engine, key));
}

static bool gives_up_row(const struct tn_delivery *delivery)
{
	return delivery->state != TN_STATE_PARKED;
}

void tn_park_count_loaded(struct tn_delivery *delivery)
{
	delivery->park_counted = true;
	delivery->parcel->park_bytes = (uint32_t)tn_store_row_bytes(delivery->parcel->event);
}

void tn_park_count(struct tn_delivery *delivery)
{
	if (delivery->park_counted)
		return;
	tn_park_count_loaded(delivery);
	delivery->target->park_rows++;
	delivery->target->park_bytes += delivery->parcel->park_bytes;
}

/* What the store had counted before this run began, by an older rule perhaps, never makes it less than nothing. */
static void uncount(struct tn_delivery *delivery)
{
	struct tn_target *target = delivery->target;
	delivery->park_counted = false;
	target->park_rows--;
	target->park_bytes -= target->park_bytes < delivery->parcel->park_bytes ? target->park_bytes : delivery->parcel->park_bytes;
}

void tn_park_leave_key(struct tn_engine *engine, struct tn_delivery *delivery)
{
	if (delivery->park_counted && gives_up_row(delivery))
		uncount(delivery);
	if (!delivery->node.in_map)
		return;
	assert(!delivery->remembered && !delivery->in_graveyard);
	if (tn_scan_sees_parked(engine) && !TN_PLANT(28)) {
		delivery->in_graveyard = true;
		tn_list_push(&engine->graveyard, &delivery->link);
		return;
	}
	tn_map_remove(&engine->by_key, &delivery->node);
}

static bool may_come_again(const struct tn_delivery *delivery)
{
	const struct tn_arrival_in_hand *arrival = delivery->parcel->arrival;
	return delivery->state == TN_STATE_PARKED && arrival != NULL && arrival->abandoned;
}

void tn_park_empty_graveyard(struct tn_engine *engine)
{
	struct tn_link *link;
	while ((link = tn_list_pop(&engine->graveyard)) != NULL) {
		struct tn_delivery *delivery = TN_OWNER(link, struct tn_delivery, link);
		delivery->in_graveyard = false;
		tn_map_remove(&engine->by_key, &delivery->node);
		if (may_come_again(delivery))
			tn_recover_remember(engine, delivery);
		tn_delivery_hold_or_let_go(engine, delivery);
	}
}

bool tn_park_is_full(const struct tn_target *target)
{
	return target->park_rows >= target->limits.park_rows ||
	       (target->limits.park_bytes > 0 && target->park_bytes >= target->limits.park_bytes);
}

/* By its source, which does not wait for a verdict either: a broker. */
static bool is_kept_elsewhere(const struct tn_delivery *delivery)
{
	const struct tn_arrival_in_hand *arrival = delivery->parcel->arrival;
	if (arrival == NULL || arrival->stream == NULL)
		return false;
	return arrival->ack_when == TN_ACK_SETTLED && !arrival->stream->terms.answers;
}

bool tn_park_has_room(const struct tn_delivery *delivery)
{
	const struct tn_target *target = delivery->target;
	if (delivery->park_counted)
		return true;
	bool kept = target->limits.park_rows_kept > 0 && is_kept_elsewhere(delivery);
	return !tn_park_is_full(target) && !(kept && target->park_rows >= target->limits.park_rows_kept);
}

static void hold(struct tn_engine *engine, struct tn_delivery *delivery, int64_t due_ms)
{
	tn_books_note(engine, TN_NOTE_PARK_FULL, delivery, "PARK_FULL", due_ms);
	if (delivery->target->limits.on_park_full == TN_PARK_FULL_DEAD_LETTER) {
		if (delivery->last == NULL)
			tn_delivery_set_last(engine, delivery, engine->builtin[TN_FAILURE_PARK_FULL]);
		tn_bury(engine, delivery, TN_CONDITION_NONE);
	} else {
		tn_delivery_back_off(engine, delivery, due_ms);
	}
}

static void park(struct tn_engine *engine, struct tn_delivery *delivery, int64_t due_ms)
{
	tn_delivery_set_state(engine, delivery, TN_STATE_PARKING);
	delivery->tries.not_before_ms = due_ms;
	tn_park_count(delivery);
	tn_journal_want(engine, delivery, TN_WISH_PARKED);
}

void tn_park_or_hold(struct tn_engine *engine, struct tn_delivery *delivery, int64_t due_ms)
{
	tn_delivery_stop_waiting(engine, delivery);
	tn_heap_remove(&engine->backoffs, &delivery->timer);
	tn_journal_forget(engine, delivery);
	if (!tn_park_has_room(delivery)) {
		hold(engine, delivery, due_ms);
		return;
	}
	park(engine, delivery, tn_lane_due(engine, delivery, due_ms));
}

void tn_park_behind(struct tn_engine *engine, struct tn_delivery *delivery)
{
	tn_delivery_stop_waiting(engine, delivery);
	if (tn_park_is_written(delivery))
		tn_park_put_back(engine, delivery);
	else
		park(engine, delivery, tn_lane_due(engine, delivery, TN_ROW_BEHIND_MS));
}

bool tn_park_is_written(const struct tn_delivery *delivery)
{
	return delivery->loaded && delivery->row == TN_ROW_PARKED && !delivery->dirty && !delivery->doubtful &&
	       delivery->want == TN_WISH_NONE && delivery->sent == TN_WISH_NONE;
}

void tn_park_put_back(struct tn_engine *engine, struct tn_delivery *delivery)
{
	struct tn_target *target = delivery->target;
	bool in_lane = delivery->lane != NULL; /* which asks for it, whatever its due time there is */
	if (in_lane)
		delivery->tries.not_before_ms = TN_ROW_BEHIND_MS;
	tn_delivery_stop_waiting(engine, delivery);
	tn_delivery_set_state(engine, delivery, TN_STATE_PARKING);
	tn_delivery_end(engine, delivery, TN_STATE_PARKED);
	if (!in_lane)
		tn_scan_row_parked(engine, target, INT64_MIN); /* its due time in the store may be an older one than in memory */
}

void tn_park_confirmed(struct tn_engine *engine, struct tn_delivery *delivery)
{
	struct tn_target *target = delivery->target;
	int64_t due_ms = delivery->tries.not_before_ms;
	tn_books_note(engine, TN_NOTE_PARKED, delivery, "PARKED", due_ms);
	tn_delivery_end(engine, delivery, TN_STATE_PARKED);
	tn_scan_row_parked(engine, target, due_ms);
}

void tn_park_refused(struct tn_engine *engine, struct tn_delivery *delivery)
{
	const struct tn_arrival_in_hand *arrival = delivery->parcel->arrival;
	if (delivery->row != TN_ROW_PARKED) { /* no page can have shown it */
		tn_map_remove(&engine->by_key, &delivery->node);
		uncount(delivery);
	}
	if (delivery->tries.not_before_ms >= TN_ROW_BEHIND_MS)
		delivery->tries.not_before_ms = engine->now_ms;
	if (arrival != NULL && arrival->abandoned)
		tn_delivery_end(engine, delivery, TN_STATE_RELEASED);
	else
		tn_delivery_back_off(engine, delivery, delivery->tries.not_before_ms);
}
