/* SPDX-License-Identifier: Apache-2.0
 *
 * recover.c - what another run left behind: TRIED counts and parked copies to join, and the journal to take up again.
 *
 * At start, page by page: TRIED rows (counts of events their sources still have), PARKED rows by id (their sources may send those
 * again, if the ack was lost), OPEN rows (nobody else has them: in hand again, with their counters). Then sources may be opened.
 * What is remembered by id, here or when a stream is lost, is forgotten after the recover window; a TRIED row goes with it.
 */
#include "core.h"
#include "arrival.h"
#include "lane.h"
#include "target.h"

static uint32_t hash_id(const struct tn_engine *engine, const struct tn_id *id)
{
	uint64_t low, high;
	memcpy(&low, id->bytes, sizeof(low));
	memcpy(&high, id->bytes + sizeof(low), sizeof(high));
	return tn_map_hash(low ^ (high * 0x9e3779b97f4a7c15u), engine->hash_key);
}

static struct tn_delivery *find(const struct tn_engine *engine, const struct tn_id *id)
{
	struct tn_map_node *node = tn_map_find(&engine->by_id, hash_id(engine, id));
	for (; node != NULL; node = tn_map_find_next(node)) {
		struct tn_delivery *delivery = TN_OWNER(node, struct tn_delivery, node);
		if (tn_id_equal(&delivery->id, id))
			return delivery;
	}
	return NULL;
}

/* --- Remembered deliveries --- */

static void leave_memory(struct tn_engine *engine, struct tn_delivery *delivery)
{
	tn_map_remove(&engine->by_id, &delivery->node);
	tn_heap_remove(&engine->backoffs, &delivery->timer);
	tn_link_leave(&delivery->link);
	delivery->remembered = false;
	engine->remembered_count--;
}

void tn_recover_forget(struct tn_engine *engine, struct tn_delivery *delivery)
{
	leave_memory(engine, delivery);
	if (delivery->row == TN_ROW_TRIED || delivery->sent == TN_WISH_TRIED || delivery->doubtful)
		tn_journal_want(engine, delivery, TN_WISH_DROP);
	tn_delivery_hold_or_let_go(engine, delivery);
}

static bool worth_remembering(const struct tn_delivery *delivery)
{
	const struct tn_arrival_in_hand *arrival = delivery->parcel->arrival;
	if (arrival != NULL && arrival->ack_when != TN_ACK_SETTLED)
		return false;
	return delivery->state == TN_STATE_PARKED || delivery->row == TN_ROW_TRIED || delivery->dirty;
}

/* What is remembered may fill a quarter of the budget, so that what waits in the store can still be read: more of it would keep the
 * start from going on until the window is over. */
static uint32_t memory_for(const struct tn_engine *engine)
{
	uint64_t room = engine->config.memory_bytes / 4 / TN_REMEMBERED_BYTES;
	return room > TN_REMEMBERED_MAX ? TN_REMEMBERED_MAX : (uint32_t)room;
}

void tn_recover_remember(struct tn_engine *engine, struct tn_delivery *delivery)
{
	if (delivery->node.in_map || !worth_remembering(delivery)) /* in_map: remembered already, or in the graveyard */
		return;
	if (!tn_delivery_pin_again(engine, delivery))
		return;
	delivery->remembered = true;
	tn_map_put(&engine->by_id, &delivery->node, hash_id(engine, &delivery->id));
	tn_list_push(&engine->remembered, &delivery->link);
	tn_heap_set(&engine->backoffs, &delivery->timer, tn_time_add(engine->now_ms, engine->config.recover_window_ms));
	if (++engine->remembered_count > memory_for(engine) && engine->remembered_count > 1)
		tn_recover_forget(engine, TN_OWNER(tn_list_first(&engine->remembered), struct tn_delivery, link));
}

bool tn_recover_join(struct tn_engine *engine, struct tn_delivery *delivery)
{
	struct tn_delivery *found = engine->remembered_count > 0 ? find(engine, &delivery->id) : NULL;
	if (found == NULL)
		return false;
	if (found->state == TN_STATE_PARKED)
		return true;
	delivery->tries = found->tries;
	delivery->event_seq = found->event_seq;
	delivery->route_no = found->route_no;
	delivery->dirty = found->dirty;
	delivery->doubtful = found->doubtful || found->sent != TN_WISH_NONE;
	tn_delivery_set_row(engine, delivery, found->row);
	leave_memory(engine, found);
	tn_delivery_hold_or_let_go(engine, found);
	return false;
}

/* --- The first scans --- */

static bool has_lanes(const struct tn_engine *engine, bool blocked)
{
	for (uint32_t i = 0; i < engine->target_count; i++) {
		const struct tn_target_limits *limits = &engine->target_list[i]->limits;
		if (blocked ? limits->found_dead_rows > 0 && (limits->ordered || engine->found_blocks) : limits->found_parked > 0)
			return true;
	}
	return false;
}

static bool skip_stage(const struct tn_engine *engine)
{
	switch (engine->reader.stage) {
	case TN_SCAN_FOR_JOINS: /* which also finds the parked rows of lanes */
		return engine->config.recover_window_ms <= 0 && !has_lanes(engine, false);
	case TN_SCAN_FOR_BLOCKS:
		return !has_lanes(engine, true);
	default:
		return false;
	}
}

static void next_stage(struct tn_engine *engine)
{
	engine->reader.after = (struct tn_row_key){0};
	do
		engine->reader.stage++;
	while (skip_stage(engine));
	for (uint32_t i = 0; engine->reader.stage == TN_SCAN_FOR_DUE && i < engine->target_count; i++)
		tn_lane_touch_all(engine, engine->target_list[i]);
}

bool tn_recover_next_scan(struct tn_engine *engine)
{
	struct tn_reader *reader = &engine->reader;
	static const enum tn_row_state states[] = {
		[TN_SCAN_FOR_TRIED] = TN_ROW_TRIED, [TN_SCAN_FOR_JOINS] = TN_ROW_PARKED, [TN_SCAN_FOR_BLOCKS] = TN_ROW_DEAD,
		[TN_SCAN_FOR_OPEN] = TN_ROW_OPEN};
	if (reader->stage == TN_SCAN_FOR_DUE)
		return false;
	reader->use = reader->stage;
	reader->scan = (struct tn_scan){.order = TN_SCAN_BY_KEY, .state = states[reader->stage], .after = reader->after,
		.until_ms = INT64_MAX, .after_due_ms = INT64_MIN};
	return true;
}

static bool in_window(const struct tn_engine *engine, const struct tn_row *row)
{
	bool behind = row->tries.not_before_ms >= TN_ROW_BEHIND_MS;
	int64_t touched_ms = behind ? row->tries.accepted_ms : tn_time_max(row->tries.accepted_ms, row->tries.not_before_ms);
	return tn_time_add(touched_ms, engine->config.recover_window_ms) > engine->now_ms;
}

/* A count whose event the source still has. */
static bool take_tried(struct tn_engine *engine, const struct tn_page *page, uint32_t index)
{
	struct tn_delivery *delivery = tn_scan_load(engine, page, index, false);
	if (delivery == NULL)
		return false;
	delivery->state = TN_STATE_RELEASED; /* in no books: matched when its event comes again */
	if (in_window(engine, &page->rows[index]))
		tn_recover_remember(engine, delivery);
	else
		tn_journal_want(engine, delivery, TN_WISH_DROP);
	tn_delivery_hold_or_let_go(engine, delivery);
	return true;
}

static bool take_join(struct tn_engine *engine, const struct tn_page *page, uint32_t index)
{
	if (!in_window(engine, &page->rows[index]))
		return tn_lane_found(engine, &page->rows[index]);
	struct tn_delivery *delivery = tn_scan_load(engine, page, index, false);
	if (delivery == NULL)
		return false;
	if (!tn_lane_found(engine, &page->rows[index])) {
		delivery->state = TN_STATE_RELEASED;
		tn_delivery_hold_or_let_go(engine, delivery);
		return false;
	}
	delivery->state = TN_STATE_PARKED; /* in the books as its row; here only to be found by id */
	tn_recover_remember(engine, delivery);
	tn_delivery_hold_or_let_go(engine, delivery);
	return true;
}

static bool take_open(struct tn_engine *engine, const struct tn_page *page, uint32_t index)
{
	const struct tn_row *row = &page->rows[index];
	struct tn_lane *lane = NULL;
	if (!tn_id_is_zero(&row->lane) && (lane = tn_lane_get(engine, tn_target_find(engine, row->target_no), &row->lane)) == NULL)
		return false;
	struct tn_delivery *delivery = tn_scan_load(engine, page, index, true);
	if (lane != NULL)
		tn_lane_touch(engine, lane);
	if (delivery == NULL)
		return false;
	if (lane != NULL)
		tn_lane_enter_row(engine, lane, delivery, row);
	engine->books.recovered++;
	tn_delivery_set_state(engine, delivery, TN_STATE_PENDING);
	if (delivery->tries.not_before_ms > engine->now_ms)
		tn_delivery_back_off(engine, delivery, delivery->tries.not_before_ms);
	else
		tn_delivery_make_pending(engine, delivery);
	return true;
}

static bool take(struct tn_engine *engine, const struct tn_page *page, uint32_t index)
{
	switch (engine->reader.use) {
	case TN_SCAN_FOR_TRIED:
		return take_tried(engine, page, index);
	case TN_SCAN_FOR_JOINS:
		return take_join(engine, page, index);
	case TN_SCAN_FOR_BLOCKS:
		return tn_lane_found(engine, &page->rows[index]);
	default:
		return take_open(engine, page, index);
	}
}

void tn_recover_page(struct tn_engine *engine, const struct tn_page *page)
{
	struct tn_reader *reader = &engine->reader;
	for (uint32_t i = 0; i < page->count; i++) {
		if (page->rows[i].key.event_seq >= reader->end_seq) {
			next_stage(engine); /* from here on, rows are of this run */
			return;
		}
		if (!take(engine, page, i)) {
			reader->not_before_ms = engine->now_ms + TN_SCAN_PAUSE_MS;
			return;
		}
		reader->after = page->rows[i].key;
	}
	if (page->last)
		next_stage(engine);
}

/* Journaled work that memory has no room for yet does not keep sources closed. */
bool tn_engine_recovered(const struct tn_engine *engine)
{
	const struct tn_reader *reader = &engine->reader;
	if (!engine->tabled || reader->stage < TN_SCAN_FOR_OPEN)
		return false;
	if (reader->stage == TN_SCAN_FOR_OPEN)
		return !reader->outstanding && engine->books.memory_bytes + engine->scan_bytes > engine->config.memory_bytes + engine->reply_bytes;
	return reader->first_due_done || (tn_list_empty(&engine->scans) && !reader->outstanding);
}
