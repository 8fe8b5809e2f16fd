/* SPDX-License-Identifier: Apache-2.0
 *
 * lane_wait.c - those of a lane whose turn it is not: who waits in memory, who in the store, and who goes back to its source.
 *
 * Called by delivery.c and arrival.c with what wants to start or to be parked, by the journal with parks that were refused, and by
 * lane.c when something before those that wait has changed.
 *
 *   Redelivery. A source sends again, in order, what it was not told of. So a delivery that only its source still has (it is soft: the
 *   store does not hold it) must not be overtaken by a row: behind one, nothing of a SETTLED arrival is parked. Once it is parked, those
 *   behind may follow.
 */
#include "core.h"
#include "arrival.h"
#include "lane_parts.h"
#include "stream.h"
#include "txn.h"

/* --- Soft ones --- */

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
		lane->soft = tn_lane_after(lane->soft);
	return lane->soft;
}

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
	return delivery->lane != NULL && !tn_lane_is_free(delivery->lane) && is_soft(delivery);
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

/* --- Into the store --- */

int64_t tn_lane_due(const struct tn_engine *engine, const struct tn_delivery *delivery, int64_t due_ms)
{
	if (delivery->lane == NULL || tn_lane_is_free(delivery->lane) || (tn_lane_is_first(delivery) && !delivery->lane->blocked))
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
	if (tn_lane_is_free(lane) || (!lane->blocked && !tn_lane_has_parked_before(lane, delivery->lane_seq)))
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

void tn_lane_park_behind(struct tn_engine *engine, struct tn_lane *lane)
{
	lane->behind = false;
	for (struct tn_delivery *delivery = tn_lane_first(lane), *next; delivery != NULL; delivery = next) {
		next = tn_lane_after(delivery);
		if (delivery->asked && is_better_parked(engine, delivery))
			tn_park_behind(engine, delivery);
	}
}

void tn_lane_unparked(struct tn_engine *engine, struct tn_delivery *delivery, bool insists)
{
	struct tn_lane *lane = delivery->lane;
	bool stored = delivery->row == TN_ROW_OPEN || delivery->row == TN_ROW_PARKED; /* then a restart knows its place */
	if (lane == NULL || delivery->parcel->arrival == NULL || stored)
		return;
	if (lane->soft == NULL || lane->soft->lane_seq > delivery->lane_seq)
		lane->soft = delivery;
	for (struct tn_delivery *behind = tn_lane_after(delivery), *next; behind != NULL; behind = next) {
		next = tn_lane_after(behind);
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

void tn_lane_put_away(struct tn_engine *engine, struct tn_lane *lane)
{
	while (first_soft(lane) != NULL && lane->soft->asked) {
		lane->soft->asked = false;
		tn_drain_waiting(engine, lane->soft);
	}
}
