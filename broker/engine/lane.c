/* SPDX-License-Identifier: Apache-2.0
 *
 * lane.c - ordering by key (delivery-semantics section 12): the deliveries of one target that share a key, one after the other.
 *
 * Called wherever an ordered delivery is admitted, wants to start, is parked, or ends. A lane is there while something of it is: a
 * delivery in hand, a PARKED row, an attempt, or a block. Its first member alone may stand in the target's line; the others cost nothing
 * until their turn comes. What changes is noted (tn_lane_touch) and worked off before the next command (tn_lane_advance_all), so nothing
 * here calls itself however long a lane is.
 *
 *   lane_seq:   3           5 6 7 8           9 10 11
 *               attempt     PARKED rows       members in hand, in order of acceptance
 *                           ^ low             wait: no member at or above low may start
 *
 *   The rows. They count as `parked`, and none has a lane_seq below `low`. The row parked as its lane's first has its true not_before
 *   and comes back by the due scan; those behind it are put far away (TN_ROW_BEHIND_MS), and when the turn is theirs the lane asks for
 *   them by lane_seq, one at a time. `parked` may be too high (a row redriven is not taken off), never too low: a scan that finds nothing
 *   puts it right.
 *
 *   Redelivery. A source sends again, in order, what it was not told of. So a delivery that only its source still has (it is soft: the
 *   store does not hold it) must not be overtaken by a row: behind one, nothing of a SETTLED arrival is parked. Once it is parked, those
 *   behind may follow.
 *
 *   An attempt keeps its lane until it is answered, or until 5 s after it was cancelled. An orphan that does its work later still does
 *   it on behalf of a delivery that has not succeeded yet, or is dead; so first successes keep their order, and no lane waits for ever.
 *
 *   A block. With `dead_letter_and_block` the dead letter of a lane's first stays in the store, marked; until it is redriven, purged or
 *   released, its lane starts nothing, over restarts too. A redriven one comes first again, by the lane_seq it had.
 *
 *   Ordering turned off. A lane of a target that no longer orders is free: whatever is in it starts as any other would, its rows are asked
 *   for whatever stands before them, and what blocked it is released in the store as well (moves.c), so that ordering turned on again
 *   begins afresh. Rows parked meanwhile are not counted, since the due scan brings each; so no row from then, or before, is ever
 *   subtracted (counted_seq), and the count stays too high rather than too low.
 */
#include "core.h"
#include "arrival.h"
#include "lane.h"
#include "stream.h"
#include "target.h"
#include "txn.h"

static uint32_t hash_lane(const struct tn_engine *engine, const struct tn_id *id)
{
	uint64_t low, high;
	memcpy(&low, id->bytes, sizeof(low));
	memcpy(&high, id->bytes + sizeof(low), sizeof(high));
	return tn_map_hash(low ^ (high * 0x9e3779b97f4a7c15u), engine->hash_key);
}

static struct tn_lane *find(const struct tn_engine *engine, const struct tn_target *target, const struct tn_id *id)
{
	struct tn_map_node *node = tn_map_find(&engine->lanes, hash_lane(engine, id));
	for (; node != NULL; node = tn_map_find_next(node)) {
		struct tn_lane *lane = TN_OWNER(node, struct tn_lane, node);
		if (lane->target == target && tn_id_equal(&lane->id, id))
			return lane;
	}
	return NULL;
}

struct tn_lane *tn_lane_get(struct tn_engine *engine, struct tn_target *target, const struct tn_id *id)
{
	struct tn_lane *lane = find(engine, target, id);
	if (lane != NULL)
		return lane;
	lane = tn_budget_take_furniture(engine, sizeof(*lane));
	if (lane == NULL)
		return NULL;
	lane->target = target;
	lane->id = *id;
	lane->low = lane->fresh_low = UINT64_MAX;
	lane->low_due_ms = TN_ROW_BEHIND_MS;
	tn_list_init(&lane->members);
	tn_map_put(&engine->lanes, &lane->node, hash_lane(engine, id));
	tn_list_push(&target->lanes, &lane->of_target);
	target->lane_count++;
	return lane;
}

void tn_lane_touch(struct tn_engine *engine, struct tn_lane *lane)
{
	if (!tn_link_in_list(&lane->touched))
		tn_list_push(&engine->lanes_touched, &lane->touched);
}

void tn_lane_touch_all(struct tn_engine *engine, struct tn_target *target)
{
	for (struct tn_link *link = tn_list_first(&target->lanes); link != NULL; link = tn_list_next(&target->lanes, link))
		tn_lane_touch(engine, TN_OWNER(link, struct tn_lane, of_target));
}

/* --- Members --- */

static struct tn_delivery *first_member(const struct tn_lane *lane)
{
	struct tn_link *link = tn_list_first(&lane->members);
	return link == NULL ? NULL : TN_OWNER(link, struct tn_delivery, in_lane);
}

static struct tn_delivery *next_member(const struct tn_delivery *delivery)
{
	struct tn_link *link = tn_list_next(&delivery->lane->members, &delivery->in_lane);
	return link == NULL ? NULL : TN_OWNER(link, struct tn_delivery, in_lane);
}

/* Only its source has it. */
static bool is_soft(const struct tn_delivery *delivery)
{
	const struct tn_arrival_in_hand *arrival = delivery->parcel->arrival;
	return arrival != NULL && arrival->ack_when == TN_ACK_SETTLED && delivery->state != TN_STATE_PARKING &&
	       delivery->row != TN_ROW_OPEN && delivery->row != TN_ROW_PARKED;
}

/* Members turn hard one after the other, so the mark is moved over each of them once. */
static const struct tn_delivery *first_soft(struct tn_lane *lane)
{
	while (lane->soft != NULL && !is_soft(lane->soft))
		lane->soft = next_member(lane->soft);
	return lane->soft;
}

/* Its target does not order any more. While that is removed, nobody knows; it may come back as it was. */
static bool is_free(const struct tn_lane *lane)
{
	return !lane->target->limits.ordered && !lane->target->limits.removed;
}

static bool has_parked_before(const struct tn_lane *lane, uint64_t lane_seq)
{
	return lane->parked > 0 && lane->low < lane_seq && !TN_PLANT(40);
}

/* What is staged becomes real together with what else its transaction took, and is to be waited for by anything outside: it may yet be
 * aborted. And a dead letter that waits for a transaction to take its event must not keep that event from it. */
static bool lets_pass(const struct tn_delivery *delivery, const struct tn_delivery *next)
{
	if (delivery->state == TN_STATE_STAGED)
		return next->txn_place == TN_TXN_INSIDE && tn_txn_shared(delivery, next);
	return delivery->state == TN_STATE_BURYING && delivery->txn_place == TN_TXN_HELD && delivery->parcel->arrival == next->parcel->arrival;
}

/* That delivery, or one behind it that all from there on let pass. */
static struct tn_delivery *turn_from(struct tn_delivery *delivery)
{
	struct tn_delivery *next;
	while (delivery != NULL && (next = next_member(delivery)) != NULL && lets_pass(delivery, next))
		delivery = next;
	return delivery;
}

static struct tn_delivery *first_in_turn(const struct tn_lane *lane)
{
	return turn_from(first_member(lane));
}

/* What no row may overtake. What is staged comes first: its commit is waited for. */
static const struct tn_delivery *first_of_all(const struct tn_lane *lane)
{
	struct tn_delivery *first = first_member(lane);
	return first != NULL && first->state == TN_STATE_STAGED ? first : turn_from(first);
}

/* Of the others in hand, or in the store, none comes first. */
static bool is_first(const struct tn_delivery *delivery)
{
	return first_in_turn(delivery->lane) == delivery && !has_parked_before(delivery->lane, delivery->lane_seq);
}

static bool skips_failed(const struct tn_delivery *delivery) /* planted bug 20 */
{
	const struct tn_delivery *first = first_member(delivery->lane);
	while (first != delivery && first->state == TN_STATE_BACKOFF)
		first = next_member(first);
	return first == delivery;
}

/* A transaction that waited for others of the lane would be kept open by them. */
bool tn_lane_lets_in(const struct tn_delivery *delivery)
{
	const struct tn_lane *lane = delivery->lane;
	if (lane == NULL || is_free(lane))
		return true;
	struct tn_link *before = delivery->in_lane.prev;
	if (lane->blocked || has_parked_before(lane, delivery->lane_seq))
		return false;
	if (before == &lane->members.head)
		return true;
	const struct tn_delivery *other = TN_OWNER(before, const struct tn_delivery, in_lane);
	bool along = other->txn_place == TN_TXN_HELD && other->parcel->arrival == delivery->parcel->arrival;
	return along || (other->txn_place == TN_TXN_INSIDE && tn_txn_shared(other, delivery));
}

bool tn_lane_admits(const struct tn_engine *engine, const struct tn_delivery *delivery)
{
	const struct tn_lane *lane = delivery->lane;
	if (is_free(lane))
		return true;
	if (delivery->parcel->arrival != NULL && engine->reader.stage < TN_SCAN_FOR_DUE)
		return false; /* the journal may hold some of its lane that memory has no room for yet */
	return lane->under_way == 0 && !lane->blocked && (is_first(delivery) || (TN_PLANT(20) && skips_failed(delivery)));
}

/* Out of its target's line: it is not its turn any more. */
static void call_back(struct tn_engine *engine, struct tn_delivery *delivery)
{
	if (delivery == NULL || !delivery->waiting || delivery->state != TN_STATE_PENDING)
		return;
	tn_delivery_stop_waiting(engine, delivery);
	delivery->asked = true;
}

static void insert(struct tn_engine *engine, struct tn_lane *lane, struct tn_delivery *delivery)
{
	struct tn_link *place = lane->members.head.prev;
	while (place != &lane->members.head && TN_OWNER(place, struct tn_delivery, in_lane)->lane_seq > delivery->lane_seq)
		place = place->prev;
	delivery->lane = lane;
	lane->in_hand++;
	tn_link_insert_after(place, &delivery->in_lane);
	call_back(engine, turn_from(next_member(delivery)));
}

uint64_t tn_lane_next_seq(struct tn_engine *engine)
{
	uint64_t now_seq = (uint64_t)engine->now_ms << TN_LANE_SEQ_BITS;
	engine->lane_seq = engine->lane_seq < now_seq ? now_seq : engine->lane_seq + 1;
	return engine->lane_seq;
}

void tn_lane_enter(struct tn_engine *engine, struct tn_delivery *delivery)
{
	struct tn_lane *lane = delivery->lane;
	delivery->lane_seq = tn_lane_next_seq(engine);
	insert(engine, lane, delivery);
	if (lane->soft == NULL)
		lane->soft = delivery;
}

void tn_lane_enter_row(struct tn_engine *engine, struct tn_lane *lane, struct tn_delivery *delivery, const struct tn_row *row)
{
	delivery->lane_seq = row->lane_seq;
	tn_lane_saw(engine, row);
	insert(engine, lane, delivery);
	if (row->state != TN_ROW_PARKED)
		return;
	if (row->redrives == 0 && lane->parked > 0 && row->lane_seq >= lane->target->counted_seq) /* else, perhaps it was not counted */
		lane->parked--;
	if (lane->low == row->lane_seq) {
		lane->low = row->lane_seq + 1;
		lane->low_due_ms = TN_ROW_BEHIND_MS;
	}
	if (delivery->tries.not_before_ms >= TN_ROW_BEHIND_MS)
		delivery->tries.not_before_ms = 0;
}

void tn_lane_saw(struct tn_engine *engine, const struct tn_row *row)
{
	if (engine->lane_seq < row->lane_seq)
		engine->lane_seq = row->lane_seq;
}

/* --- Rows --- */

static void lower(struct tn_lane *lane, uint64_t lane_seq, int64_t due_ms)
{
	if (lane->scanning && lane_seq < lane->fresh_low)
		lane->fresh_low = lane_seq;
	if (lane->parked > 0 && lane->low < lane_seq)
		return;
	lane->low = lane_seq;
	lane->low_due_ms = due_ms;
}

static void add_row(struct tn_engine *engine, struct tn_lane *lane, uint64_t lane_seq, int64_t due_ms)
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
	if (row->state == TN_ROW_PARKED) {
		add_row(engine, lane, row->lane_seq, row->tries.not_before_ms);
	} else if (row->blocks && !lane->blocked) {
		lane->blocked_by = row->key;
		lane->blocked_seq = row->lane_seq;
		tn_lane_set_blocked(engine, lane, true);
	}
	return true;
}

bool tn_lane_takes(struct tn_engine *engine, struct tn_lane *lane, const struct tn_row *row)
{
	const struct tn_delivery *first = first_member(lane);
	if (is_free(lane))
		return true;
	bool waits = lane->blocked || has_parked_before(lane, row->lane_seq) || (first != NULL && first->lane_seq < row->lane_seq);
	if (!waits)
		return true;
	lower(lane, row->lane_seq, TN_ROW_BEHIND_MS); /* the due scan does not show it again */
	lane->parked += row->redrives > 0 || lane->parked == 0; /* perhaps not counted yet: too high does no harm */
	return false;
}

/* --- Waiting --- */

/* Its stream may move to another process, and what is parked stays with this one. */
static bool holds(const struct tn_delivery *delivery)
{
	return delivery->moves && !delivery->target->limits.park_ordered;
}

/* It is held; or its stream ends, and one before it went back to its source already. It is soft. */
static bool is_kept(const struct tn_engine *engine, const struct tn_delivery *delivery)
{
	const struct tn_stream *stream = delivery->parcel->arrival->stream;
	bool ends = engine->draining || stream == NULL || stream->revoked;
	return holds(delivery) || (ends && delivery->lane->given_back);
}

static bool follows_soft(const struct tn_delivery *delivery)
{
	const struct tn_delivery *soft = first_soft(delivery->lane);
	return soft != NULL && soft->lane_seq < delivery->lane_seq;
}

static bool waits_in_turn(const struct tn_delivery *delivery)
{
	return delivery->lane != NULL && !is_free(delivery->lane) && is_soft(delivery);
}

bool tn_lane_keeps(const struct tn_engine *engine, const struct tn_delivery *delivery)
{
	if (tn_txn_is_member(engine, delivery, delivery->target))
		return true;
	bool soft = waits_in_turn(delivery);
	return soft && (is_kept(engine, delivery) || follows_soft(delivery));
}

bool tn_lane_follows(const struct tn_engine *engine, const struct tn_delivery *delivery)
{
	bool soft = waits_in_turn(delivery);
	return soft && !tn_txn_is_member(engine, delivery, delivery->target) && !is_kept(engine, delivery) && follows_soft(delivery);
}

void tn_lane_stay(const struct tn_arrival_in_hand *arrival)
{
	TN_EACH_DELIVERY(arrival, delivery) {
		if (delivery->lane != NULL && !holds(delivery))
			delivery->lane->stays = true;
	}
}

int64_t tn_lane_due(const struct tn_engine *engine, const struct tn_delivery *delivery, int64_t due_ms)
{
	if (delivery->lane == NULL || is_free(delivery->lane) || (is_first(delivery) && !delivery->lane->blocked))
		return due_ms;
	return delivery->tries.not_before_ms > engine->now_ms ? delivery->tries.not_before_ms : TN_ROW_BEHIND_MS;
}

static bool is_far(const struct tn_engine *engine, const struct tn_lane *lane)
{
	if (lane->blocked || lane->target->breaker.state == TN_BREAKER_OPEN)
		return true;
	return lane->low_due_ms < TN_ROW_BEHIND_MS && lane->low_due_ms - engine->now_ms > engine->config.park_after_ms;
}

/* Not worth a place in memory: a row that is loaded again when its turn comes; or the lane's first is far away. */
static bool is_better_parked(const struct tn_engine *engine, const struct tn_delivery *delivery)
{
	const struct tn_lane *lane = delivery->lane;
	if (is_free(lane) || (!lane->blocked && !has_parked_before(lane, delivery->lane_seq)))
		return false;
	if (delivery->parcel->arrival == NULL)
		return true;
	return is_far(engine, lane) && !tn_lane_keeps(engine, delivery) && tn_park_has_room(delivery);
}

void tn_lane_wait(struct tn_engine *engine, struct tn_delivery *delivery)
{
	delivery->asked = true;
	if (is_better_parked(engine, delivery))
		tn_park_behind(engine, delivery);
	else
		tn_lane_touch(engine, delivery->lane);
}

void tn_lane_unparked(struct tn_engine *engine, struct tn_delivery *delivery, bool insists)
{
	struct tn_lane *lane = delivery->lane;
	bool stored = delivery->row == TN_ROW_OPEN || delivery->row == TN_ROW_PARKED; /* then a restart knows its place */
	if (lane == NULL || delivery->parcel->arrival == NULL || stored)
		return;
	if (lane->soft == NULL || lane->soft->lane_seq > delivery->lane_seq)
		lane->soft = delivery;
	for (struct tn_delivery *behind = next_member(delivery), *next; behind != NULL; behind = next) {
		next = next_member(behind);
		bool follows = behind->state == TN_STATE_PARKING && behind->want == TN_WISH_PARKED && behind->row != TN_ROW_OPEN &&
			       behind->row != TN_ROW_PARKED && behind->parcel->arrival != NULL;
		if (!follows)
			continue;
		if (insists) {
			tn_journal_want(engine, behind, TN_WISH_PARKED);
		} else {
			assert(!behind->doubtful); /* its row might be there already: and then so would be that of the one before */
			tn_journal_forget(engine, behind);
			tn_park_refused(engine, behind);
		}
	}
}

/* --- Leaving --- */

void tn_lane_leave_it(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_delivery_state state)
{
	struct tn_lane *lane = delivery->lane;
	bool comes = is_free(lane) && delivery->tries.not_before_ms < TN_ROW_BEHIND_MS; /* by the due scan, on its own */
	if (state == TN_STATE_PARKED && !comes) {
		add_row(engine, lane, delivery->lane_seq, delivery->tries.not_before_ms);
		lane->behind = true;
	} else if (state == TN_STATE_DEAD && delivery->blocks && !lane->blocked) {
		lane->blocked_by = (struct tn_row_key){delivery->event_seq, delivery->route_no};
		lane->blocked_seq = delivery->lane_seq;
		tn_lane_set_blocked(engine, lane, true);
	}
	lane->dying = lane->dying && !delivery->blocks;
	lane->given_back = lane->given_back || state == TN_STATE_RELEASED || state == TN_STATE_NEW;
	if (lane->soft == delivery)
		lane->soft = next_member(delivery);
	tn_link_leave(&delivery->in_lane);
	lane->in_hand--;
	delivery->asked = false;
	delivery->lane = NULL;
	tn_lane_touch(engine, lane);
}

void tn_lane_attempt(struct tn_engine *engine, struct tn_lane *lane, int change)
{
	lane->under_way += (uint32_t)change;
	tn_lane_touch(engine, lane);
}

/* --- Blocks --- */

bool tn_lane_dies(const struct tn_engine *engine, const struct tn_delivery *delivery)
{
	struct tn_lane *lane = delivery->lane;
	if (lane == NULL || is_free(lane) || delivery->route->policy == NULL || !delivery->route->policy->block_exhausted)
		return false;
	if (lane->blocked || lane->dying || !is_first(delivery) || tn_target_expired(engine, delivery->target))
		return false;
	lane->dying = true;
	return true;
}

static uint32_t hash_key(const struct tn_engine *engine, struct tn_row_key key)
{
	return tn_map_hash(key.event_seq * 0x100000001b3u + key.route_no, engine->hash_key);
}

void tn_lane_set_blocked(struct tn_engine *engine, struct tn_lane *lane, bool blocked)
{
	assert(blocked != lane->blocked);
	lane->blocked = lane->behind = blocked;
	if (blocked) {
		tn_map_put(&engine->lanes_blocked, &lane->block, hash_key(engine, lane->blocked_by));
		tn_list_push(&engine->lanes_standing, &lane->standing);
		lane->target->lanes_blocked++;
		tn_link_leave(&lane->load);
		tn_target_update(engine, lane->target);
		call_back(engine, first_in_turn(lane));
		if (!is_free(lane))
			tn_books_note_target(engine, TN_NOTE_LANE_BLOCKED, lane->target, "LANE_BLOCKED", 0);
	} else {
		tn_map_remove(&engine->lanes_blocked, &lane->block);
		tn_link_leave(&lane->standing);
		lane->target->lanes_blocked--;
	}
	tn_lane_touch(engine, lane);
}

/* It is free: what blocks it does so no more. In the store that is said soon, by a move. */
static void release(struct tn_engine *engine, struct tn_lane *lane)
{
	if (!lane->blocked || tn_link_in_list(&lane->release))
		return;
	lane->released = lane->blocked_by;
	tn_lane_set_blocked(engine, lane, false);
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

void tn_lane_order_changed(struct tn_engine *engine, struct tn_target *target)
{
	target->counted_seq = target->limits.ordered ? engine->lane_seq + 1 : UINT64_MAX;
	for (struct tn_link *link = tn_list_first(&target->lanes); link != NULL; link = tn_list_next(&target->lanes, link)) {
		struct tn_lane *lane = TN_OWNER(link, struct tn_lane, of_target);
		for (struct tn_delivery *delivery = first_member(lane); delivery != NULL; delivery = next_member(delivery))
			call_back(engine, delivery); /* until it is looked at */
		lane->behind = true;
		tn_lane_touch(engine, lane);
	}
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
		add_row(engine, lane, lane->blocked_seq, due_ms);
	tn_lane_set_blocked(engine, lane, false);
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

/* --- Asking for rows --- */

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

static bool may_load(const struct tn_engine *engine, const struct tn_lane *lane)
{
	return !lane->blocked || is_free(lane) || tn_target_expired(engine, lane->target);
}

/* The first of its rows is nobody else's to bring: the due scan shows it in its time, or never. */
static void ask_for_rows(struct tn_engine *engine, struct tn_lane *lane)
{
	bool wanted = (lane->low_due_ms >= TN_ROW_BEHIND_MS || is_free(lane)) && !lane->scanning;
	if (wanted && !tn_link_in_list(&lane->load)) {
		tn_list_push(&lane->target->lanes_to_load, &lane->load);
		tn_target_update(engine, lane->target);
	}
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
	const struct tn_delivery *first = first_of_all(lane);
	int64_t due_ms = row->tries.not_before_ms, again_ms;
	bool waits = due_ms > engine->now_ms && due_ms < TN_ROW_BEHIND_MS && !tn_target_expired(engine, lane->target);
	lane->low = row->lane_seq;
	lane->low_due_ms = waits ? due_ms : TN_ROW_BEHIND_MS;
	bool overtakes = lane->fresh_low < row->lane_seq || (first != NULL && first->lane_seq < row->lane_seq);
	if (waits || (overtakes && !is_free(lane)) || !may_load(engine, lane))
		return false;
	if (tn_scan_take_lane_row(engine, lane, page, index, &again_ms))
		return true;
	ask_later(engine, lane, again_ms);
	return false;
}

/* The due scan brings it, and it keeps no other from coming. */
static bool passes_by(const struct tn_engine *engine, const struct tn_lane *lane, const struct tn_row *row)
{
	return is_free(lane) && row->tries.not_before_ms > engine->now_ms && row->tries.not_before_ms < TN_ROW_BEHIND_MS;
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

/* --- Its turn --- */

/* Something was parked before those that wait, or the lane is blocked: they may be better off in the store. */
static void park_those_behind(struct tn_engine *engine, struct tn_lane *lane)
{
	lane->behind = false;
	for (struct tn_delivery *delivery = first_member(lane), *next; delivery != NULL; delivery = next) {
		next = next_member(delivery);
		if (delivery->asked && is_better_parked(engine, delivery))
			tn_park_behind(engine, delivery);
	}
}

/* Also those of an expired target, which find that out then. */
static void call_members(struct tn_engine *engine, struct tn_lane *lane)
{
	for (struct tn_delivery *delivery = first_member(lane), *next; delivery != NULL; delivery = next) {
		next = next_member(delivery);
		if (delivery->asked)
			tn_delivery_make_pending(engine, delivery);
	}
}

/* Nobody waits for anybody. */
static void call_all(struct tn_engine *engine, struct tn_lane *lane)
{
	call_members(engine, lane);
	if (lane->parked > 0)
		ask_for_rows(engine, lane);
}

static void call_next(struct tn_engine *engine, struct tn_lane *lane)
{
	struct tn_delivery *first = first_in_turn(lane);
	while (TN_PLANT(20) && first != NULL && first->state == TN_STATE_BACKOFF)
		first = next_member(first);
	const struct tn_delivery *before = first_of_all(lane);
	bool between = first != NULL && has_parked_before(lane, first->lane_seq) && !has_parked_before(lane, before->lane_seq);
	if (between)
		return;
	if (first == NULL || has_parked_before(lane, first->lane_seq)) {
		if (lane->parked > 0 && may_load(engine, lane))
			ask_for_rows(engine, lane);
	} else if (first->asked && tn_lane_admits(engine, first)) {
		tn_delivery_make_pending(engine, first);
	}
}

/* Draining: what only its source has is parked or given back, one after the other. */
static void put_away_next(struct tn_engine *engine, struct tn_lane *lane)
{
	while (first_soft(lane) != NULL && lane->soft->asked) {
		lane->soft->asked = false;
		tn_drain_waiting(engine, lane->soft);
	}
}

static void count_waiting(struct tn_lane *lane)
{
	const struct tn_delivery *first = first_member(lane);
	bool waits = lane->parked > 0 || (first != NULL && (first->asked || next_member(first) != NULL));
	lane->target->lanes_waiting += (uint32_t)waits - (uint32_t)lane->waits;
	lane->waits = waits;
}

static void drop_lane(struct tn_engine *engine, struct tn_lane *lane)
{
	tn_map_remove(&engine->lanes, &lane->node);
	tn_link_leave(&lane->of_target);
	tn_link_leave(&lane->load);
	tn_target_update(engine, lane->target);
	lane->target->lane_count--;
	tn_budget_give_furniture(engine, lane, sizeof(*lane));
}

static void advance(struct tn_engine *engine, struct tn_lane *lane)
{
	if (is_free(lane))
		release(engine, lane);
	if (tn_target_expired(engine, lane->target))
		call_members(engine, lane);
	else if (lane->behind && !engine->draining)
		park_those_behind(engine, lane);
	if (engine->draining)
		put_away_next(engine, lane);
	else if (is_free(lane))
		call_all(engine, lane);
	else
		call_next(engine, lane);
	count_waiting(lane);
	tn_txn_wake(engine);
	bool empty = tn_list_empty(&lane->members) && lane->parked == 0 && lane->under_way == 0;
	if (empty && !lane->blocked && !lane->scanning && !tn_link_in_list(&lane->release) && !tn_link_in_list(&lane->touched))
		drop_lane(engine, lane);
}

void tn_lane_advance_all(struct tn_engine *engine)
{
	struct tn_link *link;
	while ((link = tn_list_pop(&engine->lanes_touched)) != NULL)
		advance(engine, TN_OWNER(link, struct tn_lane, touched));
}

void tn_lane_free_all(struct tn_engine *engine, struct tn_target *target)
{
	struct tn_link *link;
	while ((link = tn_list_pop(&target->lanes)) != NULL)
		tn_budget_give_furniture(engine, TN_OWNER(link, struct tn_lane, of_target), sizeof(struct tn_lane));
}
