/* SPDX-License-Identifier: Apache-2.0
 *
 * admission.c - offers: taken whole, or refused with nothing changed.
 *
 * Called by the loop with one message or request. All memory an arrival, its deliveries and the rows they may ever need is taken here,
 * in one block; so nothing after TN_OK can fail for want of it.
 */
#include "core.h"
#include "arrival.h"
#include "attempt.h"
#include "lane.h"
#include "stream.h"
#include "target.h"

struct measure {
	uint32_t deliveries, parcels, marks, ops;
	size_t block, origins, costs;
};

static struct measure measure_arrival(const struct tn_arrival *arrival)
{
	struct measure size = {0};
	for (uint32_t i = 0; i < arrival->count; i++) {
		const struct tn_offer *offer = &arrival->offers[i];
		if (offer->match_count == 0)
			continue;
		size.parcels++;
		size.deliveries += offer->match_count;
		size.marks += !tn_id_is_zero(&offer->dedup_key);
		size.ops += 1 + offer->match_count + !tn_id_is_zero(&offer->dedup_key);
		size.origins += offer->origin.len;
		size.costs += tn_event_cost(offer->event);
	}
	size.block = sizeof(struct tn_arrival_in_hand) + size.parcels * sizeof(struct tn_parcel) +
		     size.deliveries * sizeof(struct tn_delivery) + size.marks * (sizeof(struct tn_mark) + sizeof(struct tn_id)) +
		     size.origins;
	return size;
}

static void fill_delivery(struct tn_engine *engine, struct tn_delivery *delivery, struct tn_parcel *parcel,
	const struct tn_match *match, uint32_t route_no)
{
	delivery->parcel = parcel;
	delivery->route = match->route;
	delivery->route_no = route_no;
	delivery->target = tn_target_find(engine, match->route->target_no);
	delivery->id = match->id;
	delivery->tries = match->tries;
	if (delivery->tries.accepted_ms == 0)
		delivery->tries.accepted_ms = engine->now_ms;
	if (match->route->poison) /* its row says why, should it have to be buried by another run */
		delivery->last = tn_failure_of_poison(engine, parcel->poison);
	delivery->needs_event = delivery->pinned = true;
	parcel->arrival->ordered = parcel->arrival->ordered || match->route->ordered;
}

static void fill_parcel(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, struct tn_parcel *parcel,
	const struct tn_offer *offer, uint32_t hops, struct tn_delivery *deliveries, char *origin)
{
	parcel->event = tn_event_ref(offer->event);
	if (offer->ruleset != NULL) {
		parcel->ruleset = tn_ruleset_ref(offer->ruleset);
		parcel->revision = tn_ruleset_revision(offer->ruleset);
	}
	parcel->arrival = arrival;
	parcel->cost = tn_event_cost(offer->event);
	parcel->poison = offer->poison;
	parcel->hops = hops;
	parcel->deliveries = deliveries;
	parcel->count = parcel->users = parcel->pins = offer->match_count;
	parcel->origin = (struct tn_str){origin, offer->origin.len};
	if (offer->origin.len > 0)
		memcpy(origin, offer->origin.bytes, offer->origin.len);
	for (uint32_t i = 0; i < offer->match_count; i++)
		fill_delivery(engine, &deliveries[i], parcel, &offer->matches[i], i);
	tn_budget_charge(engine, parcel->cost);
}

static void fill_mark(struct tn_arrival_in_hand *arrival, struct tn_parcel *parcel, const struct tn_offer *offer)
{
	if (tn_id_is_zero(&offer->dedup_key))
		return;
	struct tn_mark *mark = &arrival->marks[arrival->mark_count++];
	tn_list_init(&mark->followers);
	mark->parcel = parcel;
	mark->fingerprint = offer->fingerprint;
	parcel->mark = mark;
	parcel->dedup_key = offer->dedup_key;
	arrival->pins++;
}

static void fill_arrival(struct tn_engine *engine, struct tn_arrival_in_hand *in_hand, const struct tn_arrival *arrival,
	const struct measure *size)
{
	memset(in_hand, 0, size->block - size->origins);
	in_hand->position = arrival->position;
	in_hand->ack_when = (uint8_t)arrival->ack_when;
	in_hand->accepted_ms = engine->now_ms;
	in_hand->parcels = (struct tn_parcel *)(in_hand + 1);
	in_hand->size = size->block;
	in_hand->count = size->parcels;
	in_hand->delivery_count = in_hand->unsettled = size->deliveries;
	in_hand->op_count = size->ops;
	in_hand->pins = size->parcels + 1;
	in_hand->offered = arrival->count;
	in_hand->dedup = arrival->dedup;
	struct tn_delivery *deliveries = (struct tn_delivery *)(void *)(in_hand->parcels + size->parcels);
	in_hand->marks = (struct tn_mark *)(void *)(deliveries + size->deliveries);
	in_hand->keys = (struct tn_id *)(in_hand->marks + size->marks);
	char *origin = (char *)(in_hand->keys + size->marks);
	struct tn_parcel *parcel = in_hand->parcels;
	for (uint32_t i = 0; i < arrival->count; i++) {
		const struct tn_offer *offer = &arrival->offers[i];
		if (offer->match_count == 0)
			continue;
		fill_parcel(engine, in_hand, parcel, offer, arrival->hops, deliveries, origin);
		if (arrival->parent == 0)
			fill_mark(in_hand, parcel, offer);
		parcel++;
		deliveries += offer->match_count;
		origin += offer->origin.len;
	}
}

/* An arrival too large for the shared batch brings its own. */
static bool needs_own_ops(const struct tn_arrival *arrival, const struct measure *size)
{
	return arrival->ack_when == TN_ACK_JOURNALED && size->ops > TN_BATCH_OPS;
}

/* Places in their lanes are taken now, whatever they have to wait for before they may start. */
static bool enter_lanes(struct tn_engine *engine, struct tn_arrival_in_hand *in_hand, const struct tn_arrival *arrival)
{
	struct tn_parcel *parcel = in_hand->parcels;
	for (uint32_t i = 0; i < arrival->count; i++) {
		const struct tn_offer *offer = &arrival->offers[i];
		for (uint32_t j = 0; j < offer->match_count; j++) {
			struct tn_delivery *delivery = &parcel->deliveries[j];
			if (!offer->matches[j].route->ordered || tn_id_is_zero(&offer->matches[j].lane))
				continue;
			delivery->lane = tn_lane_get(engine, delivery->target, &offer->matches[j].lane);
			if (delivery->lane == NULL)
				return false;
			delivery->moves = arrival->ack_when == TN_ACK_SETTLED && tn_stream_find(engine, arrival->position)->terms.moves;
			tn_lane_enter(engine, delivery);
			if (arrival->ack_when == TN_ACK_JOURNALED && parcel->event_seq == 0)
				parcel->event_seq = engine->next_seq++; /* recovery reads the journal by it: in the order of lanes */
		}
		parcel += offer->match_count > 0;
	}
	return true;
}

static struct tn_arrival_in_hand *take_block(struct tn_engine *engine, const struct tn_arrival *arrival, const struct measure *size)
{
	if (tn_heap_reserve(&engine->backoffs, engine->heap_room + size->deliveries) != TN_OK)
		return NULL;
	if (size->marks > 0 && tn_heap_reserve(&engine->claims.times, engine->claims.times_room + 1) != TN_OK)
		return NULL;
	struct tn_arrival_in_hand *in_hand = tn_budget_take(engine, size->block);
	if (in_hand == NULL)
		return NULL;
	struct tn_op *ops = NULL;
	struct tn_row *rows = NULL;
	if (needs_own_ops(arrival, size)) {
		ops = tn_budget_take(engine, size->ops * sizeof(struct tn_op));
		rows = tn_budget_take(engine, size->deliveries * sizeof(struct tn_row));
	}
	fill_arrival(engine, in_hand, arrival, size);
	in_hand->ops = ops;
	in_hand->rows = rows;
	return in_hand;
}

static void drop_block(struct tn_engine *engine, struct tn_arrival_in_hand *in_hand)
{
	for (uint32_t i = 0; i < in_hand->count; i++) {
		tn_event_unref(in_hand->parcels[i].event);
		tn_ruleset_unref(in_hand->parcels[i].ruleset);
		tn_budget_refund(engine, in_hand->parcels[i].cost);
	}
	tn_arrival_give_ops(engine, in_hand);
	tn_budget_give(engine, in_hand, in_hand->size);
}

static struct tn_arrival_in_hand *admit(struct tn_engine *engine, const struct tn_arrival *arrival, const struct measure *size)
{
	struct tn_arrival_in_hand *in_hand = take_block(engine, arrival, size);
	if (in_hand == NULL)
		return NULL;
	bool whole = !needs_own_ops(arrival, size) || (in_hand->ops != NULL && in_hand->rows != NULL);
	if (!whole || (in_hand->ordered && !enter_lanes(engine, in_hand, arrival))) {
		TN_EACH_DELIVERY(in_hand, delivery)
			tn_lane_leave(engine, delivery, TN_STATE_NEW);
		drop_block(engine, in_hand);
		return NULL;
	}
	engine->heap_room += size->deliveries;
	return in_hand;
}

/* One without matches is done with already: nobody will miss it. */
static enum tn_status offer_reply(struct tn_engine *engine, const struct tn_arrival *arrival)
{
	struct measure size = measure_arrival(arrival);
	enum tn_status status = tn_reply_may_come(engine, arrival->parent, size.block + size.costs);
	if (status != TN_OK)
		return status;
	if (size.deliveries == 0) {
		engine->books.replies++;
		engine->books.accepted += arrival->count;
		engine->books.unmatched += arrival->count;
		return TN_OK;
	}
	struct tn_arrival_in_hand *reply = admit(engine, arrival, &size);
	if (reply == NULL)
		return TN_NO_MEMORY;
	tn_arrival_enter(engine, reply, NULL);
	tn_reply_enter(engine, reply, arrival->parent);
	tn_arrival_go(engine, reply);
	return TN_OK;
}

static enum tn_status offer_any(struct tn_engine *engine, const struct tn_arrival *arrival)
{
	if (arrival->parent != 0)
		return offer_reply(engine, arrival);
	struct tn_stream *stream = tn_stream_find(engine, arrival->position);
	if (engine->draining || stream == NULL || !stream->open || stream->position.epoch != arrival->position.epoch)
		return TN_CLOSED;
	bool refuse = arrival->ack_when == TN_ACK_JOURNALED && tn_journal_refuses(engine);
	struct measure size = {.block = sizeof(struct tn_arrival_in_hand)};
	if (!refuse)
		size = measure_arrival(arrival);
	if (!tn_budget_admits(engine, size.block + size.costs)) {
		engine->books.refused_full++;
		return TN_FULL;
	}
	struct tn_arrival empty = {.position = arrival->position, .ack_when = arrival->ack_when};
	struct tn_arrival_in_hand *in_hand = admit(engine, refuse ? &empty : arrival, &size);
	if (in_hand == NULL)
		return TN_NO_MEMORY;
	tn_arrival_enter(engine, in_hand, stream);
	if (refuse) {
		tn_arrival_answer(engine, in_hand, TN_REPLY_UNAVAILABLE);
		return TN_OK;
	}
	if (in_hand->mark_count > 0)
		tn_dedup_enter(engine, in_hand);
	else
		tn_arrival_go(engine, in_hand);
	return TN_OK;
}

enum tn_status tn_engine_offer(struct tn_engine *engine, const struct tn_arrival *arrival)
{
	uint64_t unmatched = engine->books.unmatched;
	enum tn_status status = offer_any(engine, arrival);
	if (engine->config.note_detail != TN_NOTES_ALL || engine->books.unmatched == unmatched)
		return status;
	for (uint32_t i = 0; i < arrival->count; i++) {
		if (arrival->offers[i].match_count == 0)
			tn_books_note_unmatched(engine, &arrival->offers[i]);
	}
	return status;
}
