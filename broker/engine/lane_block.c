/* SPDX-License-Identifier: Apache-2.0
 *
 * lane_block.c - lanes that start nothing, because of a dead letter of theirs.
 *
 * Called by bury.c as deliveries die, by moves.c with what became of dead letters, by recover.c (tn_lane_found) with the blocks of
 * another run, and by the operator who asks which lanes are blocked.
 *
 *   A block. With `dead_letter_and_block` the dead letter of a lane's first stays in the store, marked; until it is redriven, purged or
 *   released, its lane starts nothing, over restarts too. A redriven one comes first again, by the lane_seq it had. A lane that is free
 *   has no block, but the store may be told so a little later (lanes_released).
 */
#include "core.h"
#include "lane_parts.h"

bool tn_lane_dies(const struct tn_engine *engine, const struct tn_delivery *delivery)
{
	struct tn_lane *lane = delivery->lane;
	if (lane == NULL || tn_lane_is_free(lane) || delivery->route->policy == NULL || !delivery->route->policy->block_exhausted)
		return false;
	if (lane->blocked || lane->dying || !tn_lane_is_first(delivery) || tn_target_expired(engine, delivery->target))
		return false;
	lane->dying = true;
	return true;
}

static uint32_t hash_key(const struct tn_engine *engine, struct tn_row_key key)
{
	return tn_map_hash(key.event_seq * 0x100000001b3u + key.route_no, engine->hash_key);
}

void tn_lane_block(struct tn_engine *engine, struct tn_lane *lane, struct tn_row_key key, uint64_t lane_seq)
{
	assert(!lane->blocked);
	lane->blocked_by = key;
	lane->blocked_seq = lane_seq;
	lane->blocked = lane->behind = true;
	tn_map_put(&engine->lanes_blocked, &lane->block, hash_key(engine, key));
	tn_list_push(&engine->lanes_standing, &lane->standing);
	lane->target->lanes_blocked++;
	tn_link_leave(&lane->load);
	tn_target_update(engine, lane->target);
	tn_lane_recall(engine, lane);
	if (!tn_lane_is_free(lane))
		tn_books_note_target(engine, TN_NOTE_LANE_BLOCKED, lane->target, "LANE_BLOCKED", 0);
	tn_lane_touch(engine, lane);
}

static void unblock(struct tn_engine *engine, struct tn_lane *lane)
{
	assert(lane->blocked);
	lane->blocked = lane->behind = false;
	tn_map_remove(&engine->lanes_blocked, &lane->block);
	tn_link_leave(&lane->standing);
	lane->target->lanes_blocked--;
	tn_lane_touch(engine, lane);
}

static struct tn_lane *find_blocked(const struct tn_engine *engine, struct tn_row_key key)
{
	struct tn_map_node *node = tn_map_find(&engine->lanes_blocked, hash_key(engine, key));
	for (; node != NULL; node = tn_map_find_next(node)) {
		struct tn_lane *lane = TN_OWNER(node, struct tn_lane, block);
		if (tn_row_key_compare(&lane->blocked_by, &key) == 0)
			return lane;
	}
	return NULL;
}

bool tn_lane_is_blocked_at(const struct tn_engine *engine, struct tn_row_key key, const struct tn_row *row)
{
	const struct tn_lane *lane = find_blocked(engine, key);
	return lane != NULL && lane->blocked_seq == row->lane_seq;
}

void tn_lane_unblock(struct tn_engine *engine, struct tn_row_key key, bool redriven, int64_t due_ms)
{
	struct tn_lane *lane = find_blocked(engine, key);
	if (lane == NULL)
		return;
	if (redriven)
		tn_lane_add_row(engine, lane, lane->blocked_seq, due_ms);
	unblock(engine, lane);
}

uint32_t tn_engine_blocked_lanes(const struct tn_engine *engine, uint32_t skip, struct tn_lane_view *out, uint32_t capacity)
{
	uint32_t count = 0;
	struct tn_link *link = tn_list_first(&engine->lanes_standing);
	for (; link != NULL && count < capacity; link = tn_list_next(&engine->lanes_standing, link)) {
		const struct tn_lane *lane = TN_OWNER(link, const struct tn_lane, standing);
		if (skip > 0) {
			skip--;
			continue;
		}
		out[count++] = (struct tn_lane_view){.target = lane->target->limits.name, .target_no = lane->target->limits.target_no,
			.blocked_by = lane->blocked_by, .in_hand = lane->in_hand, .parked = lane->parked};
	}
	return count;
}

/* --- Released, since its target orders no more --- */

void tn_lane_release(struct tn_engine *engine, struct tn_lane *lane)
{
	if (!lane->blocked || tn_link_in_list(&lane->release))
		return;
	lane->released = lane->blocked_by;
	unblock(engine, lane);
	tn_list_push(&engine->lanes_released, &lane->release);
}

uint32_t tn_lane_fill_releases(const struct tn_engine *engine, struct tn_move_item *items, uint32_t capacity)
{
	uint32_t count = 0;
	struct tn_link *link = tn_list_first(&engine->lanes_released);
	for (; link != NULL && count < capacity; link = tn_list_next(&engine->lanes_released, link)) {
		const struct tn_lane *lane = TN_OWNER(link, const struct tn_lane, release);
		items[count++] = (struct tn_move_item){.key = lane->released, .target_no = lane->target->limits.target_no};
	}
	return count;
}

void tn_lane_releases_stored(struct tn_engine *engine, uint32_t count)
{
	for (; count > 0; count--)
		tn_lane_touch(engine, TN_OWNER(tn_list_pop(&engine->lanes_released), struct tn_lane, release));
}
