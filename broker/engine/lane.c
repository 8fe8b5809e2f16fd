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
 * Here are the lane's life, its members, and whose turn it is. What it has in the store is brought by lane_rows.c; who waits in memory
 * and who in the store is said by lane_wait.c; and lane_block.c keeps it from starting anything behind its dead letter.
 *
 *   An attempt keeps its lane until it is answered, or until 5 s after it was cancelled. An orphan that does its work later still does
 *   it on behalf of a delivery that has not succeeded yet, or is dead; so first successes keep their order, and no lane waits for ever.
 *
 *   Ordering turned off. A lane of a target that no longer orders is free: whatever is in it starts as any other would, its rows are asked
 *   for whatever stands before them, and what blocked it is released in the store as well (moves.c), so that ordering turned on again
 *   begins afresh. Rows parked meanwhile are not counted, since the due scan brings each; so no row from then, or before, is ever
 *   subtracted (counted_seq), and the count stays too high rather than too low.
 */
#include "core.h"
#include "lane_parts.h"
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

/* --- Whose turn it is --- */

bool tn_lane_has_parked_before(const struct tn_lane *lane, uint64_t lane_seq)
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
	while (delivery != NULL && (next = tn_lane_after(delivery)) != NULL && lets_pass(delivery, next))
		delivery = next;
	return delivery;
}

static struct tn_delivery *first_in_turn(const struct tn_lane *lane)
{
	return turn_from(tn_lane_first(lane));
}

/* What is staged comes first: its commit is waited for. */
const struct tn_delivery *tn_lane_foremost(const struct tn_lane *lane)
{
	struct tn_delivery *first = tn_lane_first(lane);
	return first != NULL && first->state == TN_STATE_STAGED ? first : turn_from(first);
}

bool tn_lane_is_first(const struct tn_delivery *delivery)
{
	return first_in_turn(delivery->lane) == delivery && !tn_lane_has_parked_before(delivery->lane, delivery->lane_seq);
}

static bool skips_failed(const struct tn_delivery *delivery) /* planted bug 20 */
{
	const struct tn_delivery *first = tn_lane_first(delivery->lane);
	while (first != delivery && first->state == TN_STATE_BACKOFF)
		first = tn_lane_after(first);
	return first == delivery;
}

/* A transaction that waited for others of the lane would be kept open by them. */
bool tn_lane_lets_in(const struct tn_delivery *delivery)
{
	const struct tn_lane *lane = delivery->lane;
	if (lane == NULL || tn_lane_is_free(lane))
		return true;
	struct tn_link *before = delivery->in_lane.prev;
	if (lane->blocked || tn_lane_has_parked_before(lane, delivery->lane_seq))
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
	if (tn_lane_is_free(lane))
		return true;
	if (delivery->parcel->arrival != NULL && engine->reader.stage < TN_SCAN_FOR_DUE)
		return false; /* the journal may hold some of its lane that memory has no room for yet */
	return lane->under_way == 0 && !lane->blocked && (tn_lane_is_first(delivery) || (TN_PLANT(20) && skips_failed(delivery)));
}

/* --- Members --- */

/* Out of its target's line: it is not its turn any more. */
static void call_back(struct tn_engine *engine, struct tn_delivery *delivery)
{
	if (delivery == NULL || !delivery->waiting || delivery->state != TN_STATE_PENDING)
		return;
	tn_delivery_stop_waiting(engine, delivery);
	delivery->asked = true;
}

void tn_lane_recall(struct tn_engine *engine, const struct tn_lane *lane)
{
	call_back(engine, first_in_turn(lane));
}

static void insert(struct tn_engine *engine, struct tn_lane *lane, struct tn_delivery *delivery)
{
	struct tn_link *place = lane->members.head.prev;
	while (place != &lane->members.head && TN_OWNER(place, struct tn_delivery, in_lane)->lane_seq > delivery->lane_seq)
		place = place->prev;
	delivery->lane = lane;
	lane->in_hand++;
	tn_link_insert_after(place, &delivery->in_lane);
	call_back(engine, turn_from(tn_lane_after(delivery)));
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

void tn_lane_leave_it(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_delivery_state state)
{
	struct tn_lane *lane = delivery->lane;
	bool comes = tn_lane_is_free(lane) && delivery->tries.not_before_ms < TN_ROW_BEHIND_MS; /* by the due scan, on its own */
	if (state == TN_STATE_PARKED && !comes) {
		tn_lane_add_row(engine, lane, delivery->lane_seq, delivery->tries.not_before_ms);
		lane->behind = true;
	} else if (state == TN_STATE_DEAD && delivery->blocks && !lane->blocked) {
		tn_lane_block(engine, lane, (struct tn_row_key){delivery->event_seq, delivery->route_no}, delivery->lane_seq);
	}
	lane->dying = lane->dying && !delivery->blocks;
	lane->given_back = lane->given_back || state == TN_STATE_RELEASED || state == TN_STATE_NEW;
	if (lane->soft == delivery)
		lane->soft = tn_lane_after(delivery);
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

void tn_lane_order_changed(struct tn_engine *engine, struct tn_target *target)
{
	target->counted_seq = target->limits.ordered ? engine->lane_seq + 1 : UINT64_MAX;
	for (struct tn_link *link = tn_list_first(&target->lanes); link != NULL; link = tn_list_next(&target->lanes, link)) {
		struct tn_lane *lane = TN_OWNER(link, struct tn_lane, of_target);
		for (struct tn_delivery *delivery = tn_lane_first(lane); delivery != NULL; delivery = tn_lane_after(delivery))
			call_back(engine, delivery); /* until it is looked at */
		lane->behind = true;
		tn_lane_touch(engine, lane);
	}
}

/* --- Its turn --- */

/* Also those of an expired target, which find that out then. */
static void call_members(struct tn_engine *engine, struct tn_lane *lane)
{
	for (struct tn_delivery *delivery = tn_lane_first(lane), *next; delivery != NULL; delivery = next) {
		next = tn_lane_after(delivery);
		if (delivery->asked)
			tn_delivery_make_pending(engine, delivery);
	}
}

/* Nobody waits for anybody. */
static void call_all(struct tn_engine *engine, struct tn_lane *lane)
{
	call_members(engine, lane);
	tn_lane_want_rows(engine, lane);
}

static void call_next(struct tn_engine *engine, struct tn_lane *lane)
{
	struct tn_delivery *first = first_in_turn(lane);
	while (TN_PLANT(20) && first != NULL && first->state == TN_STATE_BACKOFF)
		first = tn_lane_after(first);
	const struct tn_delivery *before = tn_lane_foremost(lane);
	bool between = first != NULL && tn_lane_has_parked_before(lane, first->lane_seq) && !tn_lane_has_parked_before(lane, before->lane_seq);
	if (between)
		return;
	if (first == NULL || tn_lane_has_parked_before(lane, first->lane_seq))
		tn_lane_want_rows(engine, lane);
	else if (first->asked && tn_lane_admits(engine, first))
		tn_delivery_make_pending(engine, first);
}

static void count_waiting(struct tn_lane *lane)
{
	const struct tn_delivery *first = tn_lane_first(lane);
	bool waits = lane->parked > 0 || (first != NULL && (first->asked || tn_lane_after(first) != NULL));
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
	if (tn_lane_is_free(lane))
		tn_lane_release(engine, lane);
	if (tn_target_expired(engine, lane->target))
		call_members(engine, lane);
	else if (lane->behind && !engine->draining)
		tn_lane_park_behind(engine, lane);
	if (engine->draining)
		tn_lane_put_away(engine, lane);
	else if (tn_lane_is_free(lane))
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
