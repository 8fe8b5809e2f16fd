/* SPDX-License-Identifier: Apache-2.0
 *
 * scan.c - brings PARKED rows back when they are due: page by page, target by target, with room set aside.
 *
 * One scan is out at a time. Each target has a cursor in (due, key) order: every due row up to it is in hand already, or was put
 * below it since. What appears below the cursor (a row parked late, one redriven, one that could not be loaded) is remembered as the
 * lowest such due time, and the cursor goes back there. Rows in hand are known by key and skipped.
 *
 *   target has parked rows, next_due <= now, little loaded  -->  stands in engine->scans  -->  SCAN  -->  page  -->  PENDING
 */
#include "core.h"
#include "lane.h"
#include "target.h"

static bool wants_due(const struct tn_engine *engine, const struct tn_target *target)
{
	if (target->parked == 0)
		return false;
	if (target->limits.removed)
		return tn_target_expired(engine, target) && target->next_due_ms != INT64_MAX;
	return target->next_due_ms <= engine->now_ms && !tn_target_waits(engine, target);
}

static bool wants_lane(const struct tn_engine *engine, const struct tn_target *target)
{
	if (tn_list_empty(&target->lanes_to_load) || target->limits.target_no == 0)
		return false;
	return tn_target_expired(engine, target) || (!target->limits.removed && !tn_target_waits(engine, target));
}

bool tn_scan_wanted(const struct tn_engine *engine, const struct tn_target *target)
{
	if (engine->draining || target->loaded >= engine->config.page_rows)
		return false;
	return wants_due(engine, target) || wants_lane(engine, target);
}

bool tn_scan_sees_parked(const struct tn_engine *engine)
{
	return engine->reader.outstanding && engine->reader.use >= TN_SCAN_FOR_DUE;
}

static void lower(struct tn_engine *engine, struct tn_target *target, int64_t due_ms, int64_t at_ms)
{
	target->low_at_ms = target->low_due_ms == INT64_MAX ? at_ms : tn_time_min(target->low_at_ms, at_ms);
	target->low_due_ms = tn_time_min(target->low_due_ms, due_ms);
	tn_target_arm(engine, target, tn_time_max(target->low_at_ms, engine->now_ms + 1));
}

bool tn_scan_under_way(const struct tn_engine *engine, const struct tn_target *target)
{
	return engine->reader.outstanding && engine->reader.use == TN_SCAN_FOR_DUE && engine->reader.target == target;
}

void tn_scan_check_low(struct tn_engine *engine, struct tn_target *target)
{
	if (target->low_due_ms == INT64_MAX || target->low_at_ms > engine->now_ms || tn_scan_under_way(engine, target))
		return;
	if (target->low_due_ms <= target->cursor_due_ms) {
		target->cursor_due_ms = target->low_due_ms == INT64_MIN ? INT64_MIN : target->low_due_ms - 1;
		target->cursor_key = (struct tn_row_key){UINT64_MAX, UINT32_MAX};
	}
	target->next_due_ms = tn_time_min(target->next_due_ms, target->low_due_ms);
	target->low_due_ms = INT64_MAX;
}

void tn_scan_row_parked(struct tn_engine *engine, struct tn_target *target, int64_t due_ms)
{
	if (!TN_PLANT(29) && (tn_scan_under_way(engine, target) || due_ms <= target->cursor_due_ms))
		lower(engine, target, due_ms, engine->now_ms);
	if (!tn_scan_under_way(engine, target))
		target->next_due_ms = tn_time_min(target->next_due_ms, due_ms);
	tn_scan_check_low(engine, target);
	tn_target_arm(engine, target, tn_time_max(due_ms, engine->now_ms + 1));
	tn_target_update(engine, target);
}

/* --- Asking --- */

static void ask_due(struct tn_engine *engine, struct tn_target *target)
{
	engine->reader.target = target;
	engine->reader.use = TN_SCAN_FOR_DUE;
	engine->reader.scan = (struct tn_scan){.order = TN_SCAN_DUE, .state = TN_ROW_PARKED, .target_no = target->limits.target_no,
		.until_ms = target->limits.removed ? INT64_MAX : engine->now_ms, .after = target->cursor_key,
		.after_due_ms = target->cursor_due_ms};
}

static void ask_lane(struct tn_engine *engine, struct tn_target *target)
{
	engine->reader.target = target;
	engine->reader.use = TN_SCAN_FOR_LANE;
	tn_lane_ask(engine, target);
}

/* What it shows of PARKED and DEAD rows is to be so when it comes: none is read while moves are on their way (nor do these start while
 * one is being read: tn_moves_pending). */
static bool choose_scan(struct tn_engine *engine)
{
	struct tn_link *link = tn_list_first(&engine->scans);
	bool moving = engine->journal.sent_moves > 0 || engine->journal.moves_doubtful;
	bool unmoved = engine->reader.stage == TN_SCAN_FOR_TRIED || engine->reader.stage == TN_SCAN_FOR_OPEN;
	if (moving && !unmoved)
		return false;
	if (tn_recover_next_scan(engine))
		return true;
	if (link == NULL)
		return false;
	tn_link_leave(link);
	struct tn_target *target = TN_OWNER(link, struct tn_target, scans);
	target->lane_turn = wants_lane(engine, target) && (!target->lane_turn || !wants_due(engine, target));
	if (target->lane_turn)
		ask_lane(engine, target);
	else
		ask_due(engine, target);
	return true;
}

bool tn_scan_next(struct tn_engine *engine, struct tn_command *out_command)
{
	struct tn_reader *reader = &engine->reader;
	if (reader->outstanding || engine->draining || !engine->tabled || reader->not_before_ms > engine->now_ms)
		return false;
	if (engine->books.memory_bytes + engine->scan_bytes > engine->config.memory_bytes + engine->reply_bytes || !choose_scan(engine))
		return false;
	reader->outstanding = true;
	reader->scan.token = ++reader->token;
	reader->scan.max_rows = reader->use == TN_SCAN_FOR_LANE ? 1 : engine->config.page_rows;
	reader->scan.max_bytes = engine->scan_bytes;
	tn_budget_charge(engine, engine->scan_bytes);
	*out_command = (struct tn_command){.kind = TN_SCAN, .token = reader->scan.token, .scan = &reader->scan};
	return true;
}

int64_t tn_scan_deadline(const struct tn_engine *engine)
{
	const struct tn_reader *reader = &engine->reader;
	bool waits = !reader->outstanding && !engine->draining && reader->not_before_ms > engine->now_ms;
	bool something = reader->stage != TN_SCAN_FOR_DUE || !tn_list_empty(&engine->scans);
	return waits && something ? reader->not_before_ms : INT64_MAX;
}

/* --- Loading: one block with everything the row's delivery may ever need --- */

static struct tn_str copy_text(char **place, struct tn_str text)
{
	struct tn_str kept = {*place, text.len};
	if (text.len > 0)
		memcpy(*place, text.bytes, text.len);
	*place += text.len;
	return kept;
}

struct loaded {
	struct tn_parcel parcel;
	struct tn_delivery delivery;
	struct tn_route route; /* stands in where the rules know none: names for the dead letter */
	char text[];
};

static void fill_loaded(struct tn_engine *engine, struct loaded *loaded, const struct tn_row *row, const struct tn_route *route)
{
	struct tn_delivery *delivery = &loaded->delivery;
	char *place = loaded->text;
	loaded->parcel.origin = copy_text(&place, row->origin);
	loaded->parcel.revision = row->rule_revision;
	loaded->parcel.hops = row->hops;
	loaded->parcel.dedup_key = row->dedup_key;
	loaded->parcel.deliveries = delivery;
	loaded->parcel.count = loaded->parcel.users = loaded->parcel.pins = 1;
	if (route == NULL) {
		loaded->route = (struct tn_route){.rule = copy_text(&place, row->rule), .target = copy_text(&place, row->target),
			.target_no = row->target_no};
		route = &loaded->route;
	}
	delivery->parcel = &loaded->parcel;
	delivery->route = route;
	delivery->target = tn_target_find(engine, row->target_no);
	delivery->event_seq = row->key.event_seq;
	delivery->route_no = row->key.route_no;
	delivery->id = row->id;
	delivery->tries = row->tries;
	delivery->redrives = row->redrives;
	delivery->needs_event = delivery->pinned = true;
	if (row->last != NULL)
		delivery->last = tn_failure_new(engine, row->last, false);
	loaded->parcel.poison = tn_failure_poison(engine, row->last);
	tn_delivery_set_row(engine, delivery, (uint8_t)row->state);
}

struct tn_delivery *tn_scan_load(struct tn_engine *engine, const struct tn_page *page, uint32_t index, bool with_event)
{
	const struct tn_row *row = &page->rows[index];
	bool quarantined = page->quarantined != NULL && page->quarantined[index];
	const struct tn_route *route = page->routes != NULL && !quarantined ? page->routes[index] : NULL;
	size_t size = sizeof(struct loaded) + row->origin.len + (route == NULL ? row->rule.len + row->target.len : 0);
	if (tn_heap_reserve(&engine->backoffs, engine->heap_room + 1) != TN_OK)
		return NULL;
	struct loaded *loaded = tn_budget_take(engine, size);
	if (loaded == NULL)
		return NULL;
	memset(loaded, 0, sizeof(*loaded));
	fill_loaded(engine, loaded, row, route);
	if (quarantined) { /* under its own names, so that it may be redriven */
		loaded->parcel.poison = TN_POISON_CRASH;
		loaded->route.poison = true;
	}
	loaded->parcel.size = size;
	tn_list_push(&engine->loaded, &loaded->parcel.link);
	engine->heap_room++;
	if (with_event) {
		loaded->parcel.event = tn_event_ref(page->events[index]);
		loaded->parcel.cost = tn_event_cost(page->events[index]);
		tn_budget_charge(engine, loaded->parcel.cost);
		if (page->ruleset != NULL)
			loaded->parcel.ruleset = tn_ruleset_ref(page->ruleset);
	}
	return &loaded->delivery;
}

/* --- The page --- */

static bool rule_may_return(const struct tn_engine *engine, const struct tn_page *page, uint32_t index)
{
	bool known = page->routes != NULL && page->routes[index] != NULL;
	return !known && engine->now_ms < tn_time_add(engine->rules_changed_ms, engine->removal_grace_ms);
}

static void leave_parked(struct tn_engine *engine, struct tn_target *target, uint64_t bytes)
{
	if (target->parked > 0) {
		target->parked--;
		engine->books.parked--;
		return;
	}
	engine->books.recovered++; /* a row nobody had counted: from another run, and found only now */
	target->park_rows++;
	target->park_bytes += bytes;
}

/* lane: it is this row's turn in it; or NULL. False: no memory. */
static bool put_in_hand(struct tn_engine *engine, struct tn_target *target, struct tn_lane *lane, const struct tn_page *page,
	uint32_t index)
{
	struct tn_delivery *delivery = tn_scan_load(engine, page, index, true);
	if (delivery == NULL)
		return false;
	tn_park_count_loaded(delivery);
	leave_parked(engine, target, delivery->parcel->park_bytes);
	delivery->loaded = true;
	target->loaded++;
	tn_park_enter_key(engine, delivery);
	if (lane != NULL)
		tn_lane_enter_row(engine, lane, delivery, &page->rows[index]);
	tn_delivery_make_pending(engine, delivery);
	return true;
}

bool tn_scan_take_lane_row(struct tn_engine *engine, struct tn_lane *lane, const struct tn_page *page, uint32_t index,
	int64_t *out_again_ms)
{
	*out_again_ms = engine->rules_changed_ms + engine->removal_grace_ms;
	if (rule_may_return(engine, page, index) && !tn_target_expired(engine, lane->target))
		return false;
	*out_again_ms = engine->now_ms + TN_SCAN_PAUSE_MS;
	return put_in_hand(engine, lane->target, lane, page, index);
}

/* The lane of a due row. False: no memory. */
static bool find_lane(struct tn_engine *engine, struct tn_target *target, const struct tn_row *row, struct tn_lane **out_lane)
{
	*out_lane = NULL;
	if (tn_id_is_zero(&row->lane))
		return true;
	*out_lane = tn_lane_get(engine, target, &row->lane);
	if (*out_lane != NULL)
		tn_lane_touch(engine, *out_lane);
	return *out_lane != NULL;
}

/* False: no memory; this row and those behind it are asked for again. */
static bool take_row(struct tn_engine *engine, struct tn_target *target, const struct tn_page *page, uint32_t index)
{
	const struct tn_row *row = &page->rows[index];
	if (tn_park_find(engine, row->key) != NULL)
		return true;
	if (rule_may_return(engine, page, index) && !tn_target_expired(engine, target)) {
		lower(engine, target, row->tries.not_before_ms, engine->rules_changed_ms + engine->removal_grace_ms);
		return true;
	}
	struct tn_lane *lane;
	bool found = find_lane(engine, target, row, &lane);
	if (found && lane != NULL && !tn_target_expired(engine, target) && !tn_lane_takes(engine, lane, row))
		return true;
	if (!found || !put_in_hand(engine, target, lane, page, index)) {
		lower(engine, target, row->tries.not_before_ms, engine->now_ms + TN_SCAN_PAUSE_MS);
		return false;
	}
	return true;
}

/* A page asked for while its target was expired holds all its rows; the target may have come back since. */
static uint32_t count_due(const struct tn_engine *engine, const struct tn_target *target, const struct tn_page *page)
{
	uint32_t due = page->count;
	while (due > 0 && page->rows[due - 1].tries.not_before_ms > engine->now_ms && !tn_target_expired(engine, target))
		due--;
	return due;
}

static void take_due_page(struct tn_engine *engine, struct tn_target *target, const struct tn_page *page)
{
	uint32_t taken = 0, due = count_due(engine, target, page);
	while (taken < due && take_row(engine, target, page, taken))
		taken++;
	if (taken > 0) {
		target->cursor_due_ms = page->rows[taken - 1].tries.not_before_ms;
		target->cursor_key = page->rows[taken - 1].key;
	}
	if (taken < due)
		target->next_due_ms = INT64_MAX; /* until low_at_ms */
	else if (due < page->count)
		target->next_due_ms = page->rows[due].tries.not_before_ms;
	else if (page->last)
		target->next_due_ms = page->next_due_ms;
}

void tn_engine_page(struct tn_engine *engine, const struct tn_page *page)
{
	struct tn_reader *reader = &engine->reader;
	if (!reader->outstanding || page->token != reader->scan.token)
		return;
	tn_budget_refund(engine, engine->scan_bytes);
	if (page->failed)
		reader->not_before_ms = engine->now_ms + TN_SCAN_PAUSE_MS;
	struct tn_target *target = tn_scan_sees_parked(engine) ? reader->target : NULL;
	if (reader->use == TN_SCAN_FOR_LANE)
		tn_lane_page(engine, reader->lane, page);
	else if (!page->failed && target != NULL)
		take_due_page(engine, target, page);
	else if (!page->failed)
		tn_recover_page(engine, page);
	reader->outstanding = false;
	tn_park_empty_graveyard(engine);
	if (target != NULL) {
		reader->first_due_done = true;
		tn_target_wake(engine, target);
	}
}
