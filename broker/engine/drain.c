/* SPDX-License-Identifier: Apache-2.0
 *
 * drain.c - the way out (delivery-semantics section 18): nothing new, everything durable or given back, every position answered.
 *
 * Called by engine.c. What waits untouched goes back to its source whole. What was tried is parked, so that no other delivery of its
 * event is repeated; what cannot be parked takes its whole position back. Rows in the journal or from a PARKED row are durable as
 * they are: only their counters are brought up to date. Attempts under way are awaited until the timeout, then left behind, unanswered.
 */
#include "core.h"
#include "arrival.h"
#include "lane.h"
#include "stream.h"
#include "target.h"
#include "txn.h"

static bool is_durable(const struct tn_delivery *delivery)
{
	return delivery->row == TN_ROW_OPEN || delivery->row == TN_ROW_PARKED;
}

/* Nobody has said yet whether its events are copies. */
static void give_back_unclaimed(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	tn_dedup_forget(engine, arrival);
	tn_arrival_answer(engine, arrival, arrival->ack_when == TN_ACK_JOURNALED ? TN_REPLY_UNAVAILABLE : TN_REPLY_RELEASE);
}

static void give_back_one(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	if (arrival->state == TN_ARRIVAL_CLAIMING) {
		give_back_unclaimed(engine, arrival);
		return;
	}
	arrival->pins++;
	arrival->abandoned = arrival->ack_when == TN_ACK_SETTLED;
	if (TN_PLANT(24))
		tn_arrival_answer(engine, arrival, TN_REPLY_ACK);
	else
		tn_arrival_answer(engine, arrival, TN_REPLY_RELEASE);
	tn_arrival_release_idle(engine, arrival);
	tn_arrival_unpin(engine, arrival);
}

/* On a cumulative stream everything behind it goes back with it: what was delivered there will come again. */
static void give_back(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	struct tn_stream *stream = arrival->stream;
	struct tn_link *behind = tn_list_next(&stream->arrivals, &arrival->of_stream);
	give_back_one(engine, arrival);
	for (; stream->terms.cumulative && behind != NULL; behind = tn_list_next(&stream->arrivals, behind)) {
		arrival = TN_OWNER(behind, struct tn_arrival_in_hand, of_stream);
		if (arrival->ripe || arrival->state == TN_ARRIVAL_OPEN || arrival->state == TN_ARRIVAL_CLAIMING) {
			arrival->ripe = false;
			give_back_one(engine, arrival);
		}
	}
}

/* In state PENDING, INFLIGHT (just failed) or BACKOFF; in no line. */
void tn_drain_waiting(struct tn_engine *engine, struct tn_delivery *delivery)
{
	struct tn_arrival_in_hand *arrival = delivery->parcel->arrival;
	tn_txn_left(engine, delivery);
	if (is_durable(delivery)) {
		if (delivery->state == TN_STATE_INFLIGHT)
			tn_delivery_back_off(engine, delivery, delivery->tries.not_before_ms);
	} else if (tn_park_has_room(delivery) && !tn_lane_keeps(engine, delivery)) {
		tn_park_or_hold(engine, delivery, tn_time_max(delivery->tries.not_before_ms, engine->now_ms));
	} else if (tn_lane_follows(engine, delivery)) {
		delivery->asked = delivery->state == TN_STATE_PENDING; /* its lane calls */
	} else if (arrival->state == TN_ARRIVAL_OPEN) {
		if (delivery->state == TN_STATE_INFLIGHT)
			tn_delivery_set_state(engine, delivery, TN_STATE_PENDING);
		give_back(engine, arrival);
	} else {
		tn_delivery_end(engine, delivery, TN_STATE_RELEASED);
	}
}

static bool is_untouched(const struct tn_arrival_in_hand *arrival)
{
	TN_EACH_DELIVERY(arrival, delivery) {
		if (delivery->state == TN_STATE_NEW) /* of a copy */
			continue;
		if (delivery->state != TN_STATE_PENDING || delivery->tries.first_ms != 0)
			return false;
	}
	return true;
}

static bool is_followed(const struct tn_arrival_in_hand *arrival)
{
	TN_EACH_DELIVERY(arrival, delivery) {
		if (delivery->lane != NULL && delivery->lane->stays)
			return true;
	}
	return false;
}

/* Offsets pass only what is settled, and in a lane a row follows rows alone: an untouched one with work behind it is parked, lest that work
 * be done twice. */
static void choose_what_goes_back(struct tn_stream *stream)
{
	struct tn_list *list = &stream->arrivals;
	for (struct tn_link *link = list->head.prev; link != &list->head; link = link->prev) {
		struct tn_arrival_in_hand *arrival = TN_OWNER(link, struct tn_arrival_in_hand, of_stream);
		bool claiming = arrival->state == TN_ARRIVAL_CLAIMING;
		if (arrival->in_txn) /* nothing of it waits: it is awaited */
			return;
		arrival->goes_back = claiming || (arrival->state == TN_ARRIVAL_OPEN && is_untouched(arrival) && !is_followed(arrival));
		if (!arrival->goes_back)
			tn_lane_stay(arrival);
		if (!arrival->goes_back && stream->terms.cumulative)
			return;
	}
}

static void park_waiting(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	TN_EACH_DELIVERY(arrival, delivery) {
		if (arrival->state != TN_ARRIVAL_OPEN)
			return;
		if (delivery->state != TN_STATE_PENDING && delivery->state != TN_STATE_BACKOFF)
			continue;
		tn_delivery_stop_waiting(engine, delivery);
		tn_drain_waiting(engine, delivery);
	}
}

static void settle_arrivals(struct tn_engine *engine)
{
	for (struct tn_link *link = tn_list_first(&engine->streams); link != NULL; link = tn_list_next(&engine->streams, link))
		choose_what_goes_back(TN_OWNER(link, struct tn_stream, link));
	struct tn_list rest; /* one that goes back may take others along, out of any list they stand in */
	struct tn_link *link;
	tn_list_init(&rest);
	tn_list_append(&rest, &engine->arrivals);
	while ((link = tn_list_pop(&rest)) != NULL) {
		struct tn_arrival_in_hand *arrival = TN_OWNER(link, struct tn_arrival_in_hand, in_hand);
		tn_list_push(&engine->arrivals, link);
		if (arrival->state != TN_ARRIVAL_OPEN && arrival->state != TN_ARRIVAL_CLAIMING)
			continue;
		arrival->pins++;
		if (arrival->goes_back || arrival->state == TN_ARRIVAL_CLAIMING)
			give_back(engine, arrival);
		else
			park_waiting(engine, arrival);
		tn_arrival_unpin(engine, arrival);
	}
}

/* No sink is tried any more. */
static void bury_waiting(struct tn_engine *engine)
{
	for (uint32_t i = 0; i < engine->target_count; i++) {
		struct tn_target *target = engine->target_list[i];
		for (struct tn_link *link = tn_list_first(&target->waiting), *next; link != NULL; link = next) {
			next = tn_list_next(&target->waiting, link);
			struct tn_delivery *delivery = TN_OWNER(link, struct tn_delivery, link);
			if (delivery->state == TN_STATE_BURYING)
				tn_bury_in_store(engine, delivery);
		}
		tn_target_update(engine, target);
	}
}

void tn_engine_drain(struct tn_engine *engine, int64_t timeout_ms)
{
	int64_t end_ms = tn_time_add(engine->now_ms, timeout_ms);
	if (engine->draining) {
		engine->drain_end_ms = tn_time_min(engine->drain_end_ms, end_ms);
		return;
	}
	engine->draining = true;
	engine->drain_end_ms = end_ms;
	tn_txn_drain(engine);
	settle_arrivals(engine);
	bury_waiting(engine);
}

/* --- The end --- */

static bool is_all_answered(const struct tn_engine *engine)
{
	for (struct tn_link *link = tn_list_first(&engine->streams); link != NULL; link = tn_list_next(&engine->streams, link)) {
		if (!tn_list_empty(&TN_OWNER(link, const struct tn_stream, link)->arrivals))
			return false;
	}
	return true;
}

static void give_up(struct tn_engine *engine)
{
	for (struct tn_link *link = tn_list_first(&engine->streams); link != NULL; link = tn_list_next(&engine->streams, link)) {
		struct tn_stream *stream = TN_OWNER(link, struct tn_stream, link);
		for (struct tn_link *at = tn_list_first(&stream->arrivals), *next; at != NULL; at = next) {
			next = tn_list_next(&stream->arrivals, at);
			struct tn_arrival_in_hand *arrival = TN_OWNER(at, struct tn_arrival_in_hand, of_stream);
			bool uncommitted = arrival->transactional && arrival->ripe;
			if (arrival->state == TN_ARRIVAL_OPEN || uncommitted)
				give_back(engine, arrival);
			else if (arrival->state == TN_ARRIVAL_JOURNALING)
				tn_arrival_give_up(engine, arrival);
		}
	}
}

void tn_drain_tick(struct tn_engine *engine)
{
	if (!engine->draining || engine->drained || engine->drain_end_ms > engine->now_ms)
		return;
	engine->drained = engine->drained_owed = engine->drain_timed_out = true;
	tn_txn_give_up(engine);
	give_up(engine);
	tn_stream_finish_all(engine);
}

/* Asked when nothing else is to be said. */
bool tn_drain_next(struct tn_engine *engine, struct tn_command *out_command)
{
	if (!engine->draining)
		return false;
	if (!engine->drained && engine->in_flight == 0 && tn_journal_idle(engine) && is_all_answered(engine) &&
		tn_txn_idle(engine)) {
		engine->drained = engine->drained_owed = true;
		tn_stream_finish_all(engine);
		if (tn_stream_next(engine, out_command))
			return true;
	}
	if (!engine->drained_owed)
		return false;
	engine->drained_owed = false;
	*out_command = (struct tn_command){.kind = TN_DRAINED, .timed_out = engine->drain_timed_out};
	return true;
}
