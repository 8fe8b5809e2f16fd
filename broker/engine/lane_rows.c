/* SPDX-License-Identifier: Apache-2.0
 *
 * lane_rows.c - what a lane has in the store: how many rows, from which place on, and bringing the next of them when its turn comes.
 *
 * Called by recover.c and scan.c with rows as they are seen, by lane.c as members are parked and as turns come, and by scan.c when it
 * is a lane's turn to have a page.
 *
 *   The rows. They count as `parked`, and none has a lane_seq below `low`. The row parked as its lane's first has its true not_before
 *   and comes back by the due scan; those behind it are put far away (TN_ROW_BEHIND_MS), and when the turn is theirs the lane asks for
 *   them by lane_seq, one at a time. `parked` may be too high (a row redriven is not taken off), never too low: a scan that finds nothing
 *   puts it right.
 */
#include "core.h"
#include "lane_parts.h"

/* --- Counting them --- */

static void lower(struct tn_lane *lane, uint64_t lane_seq, int64_t due_ms)
{
	if (lane->scanning && lane_seq < lane->fresh_low)
		lane->fresh_low = lane_seq;
	if (lane->parked > 0 && lane->low < lane_seq)
		return;
	lane->low = lane_seq;
	lane->low_due_ms = due_ms;
}

void tn_lane_add_row(struct tn_engine *engine, struct tn_lane *lane, uint64_t lane_seq, int64_t due_ms)
{
	lower(lane, lane_seq, due_ms);
	lane->parked++;
	lane->fresh += lane->scanning;
	tn_lane_touch(engine, lane);
}

bool tn_lane_found(struct tn_engine *engine, const struct tn_row *row)
{
	if (tn_id_is_zero(&row->lane))
		return true;
	struct tn_lane *lane = tn_lane_get(engine, tn_target_find(engine, row->target_no), &row->lane);
	if (lane == NULL)
		return false;
	tn_lane_saw(engine, row);
	if (row->state == TN_ROW_PARKED)
		tn_lane_add_row(engine, lane, row->lane_seq, row->tries.not_before_ms);
	else if (row->blocks && !lane->blocked)
		tn_lane_block(engine, lane, row->key, row->lane_seq);
	return true;
}

bool tn_lane_takes(struct tn_engine *engine, struct tn_lane *lane, const struct tn_row *row)
{
	const struct tn_delivery *first = tn_lane_first(lane);
	if (tn_lane_is_free(lane))
		return true;
	bool waits = lane->blocked || tn_lane_has_parked_before(lane, row->lane_seq) || (first != NULL && first->lane_seq < row->lane_seq);
	if (!waits)
		return true;
	lower(lane, row->lane_seq, TN_ROW_BEHIND_MS); /* the due scan does not show it again */
	lane->parked += row->redrives > 0 || lane->parked == 0; /* perhaps not counted yet: too high does no harm */
	return false;
}

/* --- Asking for them --- */

static bool may_load(const struct tn_engine *engine, const struct tn_lane *lane)
{
	return !lane->blocked || tn_lane_is_free(lane) || tn_target_expired(engine, lane->target);
}

/* The first of its rows is nobody else's to bring: the due scan shows it in its time, or never. */
void tn_lane_want_rows(struct tn_engine *engine, struct tn_lane *lane)
{
	bool wanted = lane->parked > 0 && may_load(engine, lane) && !lane->scanning;
	bool ours = lane->low_due_ms >= TN_ROW_BEHIND_MS || tn_lane_is_free(lane);
	if (wanted && ours && !tn_link_in_list(&lane->load)) {
		tn_list_push(&lane->target->lanes_to_load, &lane->load);
		tn_target_update(engine, lane->target);
	}
}

static void ask_later(struct tn_engine *engine, struct tn_lane *lane, int64_t at_ms)
{
	struct tn_target *target = lane->target;
	target->lanes_again_ms = tn_list_empty(&target->lanes_resting) ? at_ms : tn_time_min(target->lanes_again_ms, at_ms);
	tn_list_push(&target->lanes_resting, &lane->load);
	tn_target_arm(engine, target, tn_time_max(at_ms, engine->now_ms + 1));
}

void tn_lane_wake(struct tn_engine *engine, struct tn_target *target)
{
	if (target->lanes_again_ms <= engine->now_ms)
		tn_list_append(&target->lanes_to_load, &target->lanes_resting);
}

void tn_lane_ask(struct tn_engine *engine, struct tn_target *target)
{
	struct tn_lane *lane = TN_OWNER(tn_list_pop(&target->lanes_to_load), struct tn_lane, load);
	lane->scanning = true;
	lane->fresh_low = UINT64_MAX;
	lane->fresh = 0;
	engine->reader.lane = lane;
	engine->reader.scan = (struct tn_scan){.order = TN_SCAN_LANE, .state = TN_ROW_PARKED, .target_no = target->limits.target_no,
		.lane = lane->id, .after_lane_seq = lane->low - !TN_PLANT(41), .after_due_ms = INT64_MIN, .until_ms = INT64_MAX};
}

/* --- A page came --- */

/* What the page did not show is not there, but for what was parked since it was asked for. */
static void reckon(struct tn_lane *lane, bool shown_all)
{
	if (shown_all)
		lane->parked = lane->fresh;
	if (lane->fresh_low < lane->low) {
		lane->low = lane->fresh_low;
		lane->low_due_ms = TN_ROW_BEHIND_MS;
	}
}

/* True: it is in hand now. */
static bool take_row(struct tn_engine *engine, struct tn_lane *lane, const struct tn_page *page, uint32_t index)
{
	const struct tn_row *row = &page->rows[index];
	const struct tn_delivery *first = tn_lane_foremost(lane);
	int64_t due_ms = row->tries.not_before_ms, again_ms;
	bool waits = due_ms > engine->now_ms && due_ms < TN_ROW_BEHIND_MS && !tn_target_expired(engine, lane->target);
	lane->low = row->lane_seq;
	lane->low_due_ms = waits ? due_ms : TN_ROW_BEHIND_MS;
	bool overtakes = lane->fresh_low < row->lane_seq || (first != NULL && first->lane_seq < row->lane_seq);
	if (waits || (overtakes && !tn_lane_is_free(lane)) || !may_load(engine, lane))
		return false;
	if (tn_scan_take_lane_row(engine, lane, page, index, &again_ms))
		return true;
	ask_later(engine, lane, again_ms);
	return false;
}

/* The due scan brings it, and it keeps no other from coming. */
static bool passes_by(const struct tn_engine *engine, const struct tn_lane *lane, const struct tn_row *row)
{
	return tn_lane_is_free(lane) && row->tries.not_before_ms > engine->now_ms && row->tries.not_before_ms < TN_ROW_BEHIND_MS;
}

static void take_page(struct tn_engine *engine, struct tn_lane *lane, const struct tn_page *page)
{
	for (uint32_t i = 0; i < page->count; i++) {
		if (tn_park_find(engine, page->rows[i].key) == NULL && !passes_by(engine, lane, &page->rows[i])) {
			bool taken = take_row(engine, lane, page, i);
			reckon(lane, taken && page->last && i + 1 == page->count);
			return;
		}
		lane->low = page->rows[i].lane_seq + 1; /* in hand, or parked again since; or it comes by itself */
		lane->low_due_ms = TN_ROW_BEHIND_MS;
	}
	reckon(lane, page->last);
}

void tn_lane_page(struct tn_engine *engine, struct tn_lane *lane, const struct tn_page *page)
{
	if (!page->failed)
		take_page(engine, lane, page);
	lane->scanning = false;
	tn_lane_touch(engine, lane);
}
