/* SPDX-License-Identifier: Apache-2.0
 *
 * arrival.c - one message or request in hand: admitted whole, answered once.
 *
 * An arrival has one position, 0..n events and one answer. All memory it and its deliveries may need is one block, taken at the
 * offer; so nothing after TN_OK can fail for want of it.
 *
 *   SETTLED (the source keeps a copy):   OPEN --every delivery settled--> ANSWERING --ACK--> ANSWERED
 *   JOURNALED (nobody else has it):      JOURNALING --batch durable--> ANSWERING --ACK--> ANSWERED, and only now deliveries start
 *                                                   --batch refused--> ANSWERING, UNAVAILABLE, nothing kept
 *
 * Answers leave in the order they fell due. An arrival whose stream ended gets none.
 */
#include "core.h"

/* --- Admission --- */

struct measure {
	uint32_t deliveries, parcels, ops;
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
		size.ops += 1 + offer->match_count;
		size.origins += offer->origin.len;
		size.costs += tn_event_cost(offer->event);
	}
	size.block = sizeof(struct tn_arrival_in_hand) + size.parcels * sizeof(struct tn_parcel) +
		     size.deliveries * sizeof(struct tn_delivery) + size.origins;
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
	delivery->needs_event = delivery->pinned = true;
}

static void fill_parcel(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, struct tn_parcel *parcel,
	const struct tn_offer *offer, struct tn_delivery *deliveries, char *origin)
{
	parcel->event = tn_event_ref(offer->event);
	if (offer->ruleset != NULL) {
		parcel->ruleset = tn_ruleset_ref(offer->ruleset);
		parcel->revision = tn_ruleset_revision(offer->ruleset);
	}
	parcel->arrival = arrival;
	parcel->cost = tn_event_cost(offer->event);
	parcel->deliveries = deliveries;
	parcel->count = parcel->users = parcel->pins = offer->match_count;
	parcel->origin = (struct tn_str){origin, offer->origin.len};
	if (offer->origin.len > 0)
		memcpy(origin, offer->origin.bytes, offer->origin.len);
	for (uint32_t i = 0; i < offer->match_count; i++)
		fill_delivery(engine, &deliveries[i], parcel, &offer->matches[i], i);
	tn_budget_charge(engine, parcel->cost);
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
	struct tn_delivery *deliveries = (struct tn_delivery *)(void *)(in_hand->parcels + size->parcels);
	char *origin = (char *)(deliveries + size->deliveries);
	struct tn_parcel *parcel = in_hand->parcels;
	for (uint32_t i = 0; i < arrival->count; i++) {
		const struct tn_offer *offer = &arrival->offers[i];
		if (offer->match_count == 0)
			continue;
		fill_parcel(engine, in_hand, parcel++, offer, deliveries, origin);
		deliveries += offer->match_count;
		origin += offer->origin.len;
	}
}

/* An arrival too large for the shared batch brings its own. */
static bool needs_own_ops(const struct tn_arrival *arrival, const struct measure *size)
{
	return arrival->ack_when == TN_ACK_JOURNALED && size->ops > TN_BATCH_OPS;
}

static void give_ops(struct tn_engine *engine, struct tn_arrival_in_hand *in_hand)
{
	if (in_hand->ops != NULL) /* (the sizes are only right then) */
		tn_budget_give(engine, in_hand->ops, in_hand->op_count * sizeof(struct tn_op));
	if (in_hand->rows != NULL)
		tn_budget_give(engine, in_hand->rows, in_hand->delivery_count * sizeof(struct tn_row));
	in_hand->ops = NULL;
	in_hand->rows = NULL;
}

static struct tn_arrival_in_hand *take_block(struct tn_engine *engine, const struct tn_arrival *arrival, const struct measure *size)
{
	if (tn_heap_reserve(&engine->backoffs, engine->heap_room + size->deliveries) != TN_OK)
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
	give_ops(engine, in_hand);
	tn_budget_give(engine, in_hand, in_hand->size);
}

static struct tn_arrival_in_hand *admit(struct tn_engine *engine, const struct tn_arrival *arrival, const struct measure *size)
{
	struct tn_arrival_in_hand *in_hand = take_block(engine, arrival, size);
	if (in_hand == NULL)
		return NULL;
	if (needs_own_ops(arrival, size) && (in_hand->ops == NULL || in_hand->rows == NULL)) {
		drop_block(engine, in_hand);
		return NULL;
	}
	engine->heap_room += size->deliveries;
	return in_hand;
}

static void find_oldest(struct tn_engine *engine)
{
	struct tn_link *link = tn_list_first(&engine->arrivals);
	engine->books.oldest_accepted_ms =
		link != NULL ? TN_OWNER(link, const struct tn_arrival_in_hand, in_hand)->accepted_ms : INT64_MAX;
}

static void enter(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, struct tn_stream *stream)
{
	arrival->stream = stream;
	tn_list_push(&stream->arrivals, &arrival->of_stream);
	tn_list_push(&engine->arrivals, &arrival->in_hand);
	arrival->overdue_ms = tn_time_add(engine->now_ms, engine->config.settle_deadline_ms);
	tn_list_push(&engine->overdue, &arrival->overdue);
	tn_stream_took(engine, stream);
	find_oldest(engine);
}

/* The deliveries of an arrival, in order; each may end within the step. */
#define FOR_EACH_DELIVERY(arrival, delivery)                                                                                        \
	for (struct tn_delivery *delivery = (struct tn_delivery *)(void *)((arrival)->parcels + (arrival)->count),                  \
				*delivery##_end = delivery + (arrival)->delivery_count;                                             \
		delivery < delivery##_end; delivery++)

static void start_deliveries(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	FOR_EACH_DELIVERY(arrival, delivery) {
		if (delivery->state != TN_STATE_PENDING)
			continue;
		if (delivery->dirty || delivery->tries.not_before_ms > engine->now_ms)
			tn_delivery_back_off(engine, delivery, delivery->tries.not_before_ms);
		else
			tn_delivery_make_pending(engine, delivery);
	}
}

/* Into the books: as matched, or joined to what a crash or a lost stream left behind. */
static void book_deliveries(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	FOR_EACH_DELIVERY(arrival, delivery) {
		if (arrival->ack_when == TN_ACK_SETTLED && tn_recover_join(engine, delivery)) {
			engine->books.joined++;
			delivery->state = TN_STATE_PARKED;
			tn_arrival_settled(engine, delivery, TN_STATE_PARKED);
			tn_delivery_hold_or_let_go(engine, delivery);
			continue;
		}
		engine->books.matched++;
		tn_delivery_set_state(engine, delivery, TN_STATE_PENDING);
	}
}

static uint32_t count_unmatched(const struct tn_arrival *arrival)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < arrival->count; i++)
		count += arrival->offers[i].match_count == 0;
	return count;
}

enum tn_status tn_engine_offer(struct tn_engine *engine, const struct tn_arrival *arrival)
{
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
	enter(engine, in_hand, stream);
	if (refuse) {
		tn_arrival_answer(engine, in_hand, TN_REPLY_UNAVAILABLE);
		return TN_OK;
	}
	engine->books.accepted += arrival->count;
	engine->books.unmatched += count_unmatched(arrival);
	book_deliveries(engine, in_hand);
	if (in_hand->unsettled == 0) {
		tn_arrival_answer(engine, in_hand, TN_REPLY_ACK);
	} else if (arrival->ack_when == TN_ACK_JOURNALED) {
		in_hand->state = TN_ARRIVAL_JOURNALING;
		tn_list_push(&engine->journal.lines[TN_LINE_INTAKE], &in_hand->queue);
		if (TN_PLANT(1))
			tn_arrival_journaled(engine, in_hand);
	} else {
		in_hand->state = TN_ARRIVAL_OPEN;
		start_deliveries(engine, in_hand);
	}
	return TN_OK;
}

/* --- Settlement and answers --- */

void tn_arrival_unpin(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	if (--arrival->pins > 0)
		return;
	tn_link_leave(&arrival->in_hand);
	tn_link_leave(&arrival->overdue);
	find_oldest(engine);
	give_ops(engine, arrival);
	tn_budget_give(engine, arrival, arrival->size);
}

void tn_arrival_answer(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, enum tn_reply_kind reply)
{
	arrival->state = TN_ARRIVAL_ANSWERING;
	arrival->reply = (uint8_t)reply;
	tn_list_push(&engine->answers, &arrival->queue);
}

static void count_settled(struct tn_arrival_in_hand *arrival, const struct tn_delivery *delivery, enum tn_delivery_state state)
{
	const char *code = delivery->last != NULL ? delivery->last->constant_code : NULL;
	switch (state) {
	case TN_STATE_DELIVERED:
		arrival->delivered++;
		return;
	case TN_STATE_DROPPED:
		arrival->dropped++;
		break;
	case TN_STATE_PARKED:
		arrival->parked++;
		if (arrival->dead > 0)
			return;
		break;
	case TN_STATE_DEAD:
		arrival->dead++;
		break;
	default:
		return;
	}
	arrival->code = code;
}

static void leave_hand(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	tn_link_leave(&arrival->overdue);
	tn_link_leave(&arrival->in_hand);
	tn_list_push(&engine->settled, &arrival->in_hand);
	find_oldest(engine);
}

void tn_arrival_settled(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_delivery_state state)
{
	struct tn_arrival_in_hand *arrival = delivery->parcel->arrival;
	if (arrival == NULL || arrival->unsettled == 0)
		return;
	count_settled(arrival, delivery, state);
	if (--arrival->unsettled == 0)
		leave_hand(engine, arrival);
	if (arrival->state == TN_ARRIVAL_OPEN && (arrival->unsettled == 0 || TN_PLANT(2)))
		tn_arrival_answer(engine, arrival, TN_REPLY_ACK);
}

void tn_arrival_journaled(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	arrival->pins++; /* its deliveries may all end below */
	give_ops(engine, arrival);
	if (arrival->stream != NULL) {
		tn_link_leave(&arrival->queue);
		tn_arrival_answer(engine, arrival, TN_REPLY_ACK);
	} else {
		arrival->state = TN_ARRIVAL_ANSWERED;
		tn_arrival_unpin(engine, arrival);
	}
	FOR_EACH_DELIVERY(arrival, delivery)
		tn_delivery_set_row(engine, delivery, TN_ROW_OPEN);
	start_deliveries(engine, arrival);
	tn_arrival_unpin(engine, arrival);
}

/* Nothing of it was kept. If an earlier, unknown commit may have kept it after all, its rows are dropped again. */
void tn_arrival_refused(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, bool doubtful)
{
	bool answer = arrival->stream != NULL;
	arrival->pins++;
	give_ops(engine, arrival);
	if (answer) {
		tn_arrival_answer(engine, arrival, TN_REPLY_UNAVAILABLE);
	} else {
		arrival->state = TN_ARRIVAL_ANSWERED;
		tn_arrival_unpin(engine, arrival);
	}
	FOR_EACH_DELIVERY(arrival, delivery) {
		delivery->doubtful = doubtful;
		tn_delivery_end(engine, delivery, TN_STATE_RELEASED);
	}
	tn_arrival_unpin(engine, arrival);
}

void tn_arrival_give_up(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	tn_link_leave(&arrival->queue);
	if (arrival->sent) /* the store still reads it, and may keep it */
		tn_arrival_answer(engine, arrival, TN_REPLY_UNAVAILABLE);
	else
		tn_arrival_refused(engine, arrival, false);
}

void tn_arrival_release_idle(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	FOR_EACH_DELIVERY(arrival, delivery) {
		if (delivery->state == TN_STATE_PENDING || delivery->state == TN_STATE_BACKOFF)
			tn_delivery_end(engine, delivery, TN_STATE_RELEASED);
		else if (delivery->state == TN_STATE_PARKED)
			tn_recover_remember(engine, delivery);
	}
}

static void leave_stream(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	struct tn_stream *stream = arrival->stream;
	tn_link_leave(&arrival->of_stream);
	arrival->stream = NULL;
	tn_stream_answered(engine, stream);
}

void tn_arrival_abandon(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	arrival->pins++;
	leave_stream(engine, arrival);
	if (arrival->state == TN_ARRIVAL_ANSWERING) {
		tn_link_leave(&arrival->queue);
		engine->books.stale_acks++;
	}
	if (arrival->state != TN_ARRIVAL_JOURNALING) {
		arrival->state = TN_ARRIVAL_ANSWERED;
		tn_arrival_unpin(engine, arrival);
	}
	if (arrival->ack_when == TN_ACK_SETTLED) {
		arrival->abandoned = true;
		tn_arrival_release_idle(engine, arrival);
	}
	tn_arrival_unpin(engine, arrival);
}

/* --- Overdue: an event may not stay unsettled in memory for ever --- */

static void park_waiting(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	bool owed = arrival->state == TN_ARRIVAL_OPEN;
	FOR_EACH_DELIVERY(arrival, delivery) {
		bool waits = delivery->state == TN_STATE_PENDING && delivery->waiting;
		if (!waits && !(owed && delivery->state == TN_STATE_BACKOFF))
			continue;
		if (!tn_park_has_room(delivery) && delivery->target->limits.on_park_full == TN_PARK_FULL_PAUSE)
			continue;
		int64_t due_ms = tn_time_max(delivery->tries.not_before_ms, delivery->target->paused_until_ms);
		tn_park_or_hold(engine, delivery, tn_time_max(due_ms, engine->now_ms));
	}
}

/* While memory is full, waiting deliveries get an eighth of the time. */
static int64_t head_start(const struct tn_engine *engine)
{
	return engine->full ? engine->config.settle_deadline_ms - engine->config.settle_deadline_ms / 8 : 0;
}

void tn_arrival_check_overdue(struct tn_engine *engine)
{
	struct tn_link *link;
	int64_t until_ms = tn_time_add(engine->now_ms, head_start(engine));
	int64_t again_ms = tn_time_add(engine->now_ms, engine->config.settle_deadline_ms);
	while ((link = tn_list_first(&engine->overdue)) != NULL && !engine->draining) {
		struct tn_arrival_in_hand *arrival = TN_OWNER(link, struct tn_arrival_in_hand, overdue);
		if (arrival->overdue_ms > until_ms || arrival->overdue_ms >= again_ms)
			return;
		tn_link_leave(link);
		arrival->overdue_ms = again_ms;
		tn_list_push(&engine->overdue, link);
		arrival->pins++;
		park_waiting(engine, arrival);
		tn_arrival_unpin(engine, arrival);
	}
}

int64_t tn_arrival_deadline(const struct tn_engine *engine)
{
	struct tn_link *link = tn_list_first(&engine->overdue);
	if (link == NULL || engine->draining)
		return INT64_MAX;
	int64_t due_ms = TN_OWNER(link, const struct tn_arrival_in_hand, overdue)->overdue_ms - head_start(engine);
	return tn_time_max(due_ms, engine->now_ms + 1);
}

/* --- Answers go out --- */

static void fill_settlement(struct tn_engine *engine, const struct tn_arrival_in_hand *arrival)
{
	engine->settlement = (struct tn_settlement){.answer = TN_ANSWER_SETTLED, .delivered = arrival->delivered,
		.parked = arrival->parked, .dead = arrival->dead, .dropped = arrival->dropped, .code = arrival->code};
	if (arrival->reply == TN_REPLY_UNAVAILABLE) {
		engine->settlement = (struct tn_settlement){.answer = TN_ANSWER_UNAVAILABLE, .code = "STORE_REFUSED",
			.retry_after_ms = tn_time_max(1000, engine->journal.at_ms[TN_LINE_INTAKE] - engine->now_ms)};
	} else if (arrival->ack_when == TN_ACK_JOURNALED && arrival->delivery_count > 0) {
		engine->settlement = (struct tn_settlement){.answer = TN_ANSWER_JOURNALED};
	}
}

bool tn_arrival_next(struct tn_engine *engine, struct tn_command *out_command)
{
	struct tn_link *link = tn_list_pop(&engine->answers);
	if (link == NULL)
		return false;
	struct tn_arrival_in_hand *arrival = TN_OWNER(link, struct tn_arrival_in_hand, queue);
	*out_command = (struct tn_command){.kind = TN_RELEASE, .position = arrival->position};
	if (arrival->reply != TN_REPLY_RELEASE) {
		fill_settlement(engine, arrival);
		out_command->kind = TN_ACK;
		out_command->settlement = &engine->settlement;
		engine->books.ack_sent++;
	}
	arrival->state = TN_ARRIVAL_ANSWERED;
	leave_stream(engine, arrival);
	tn_arrival_unpin(engine, arrival);
	return true;
}

static void free_list(struct tn_engine *engine, struct tn_list *list)
{
	struct tn_link *link;
	while ((link = tn_list_pop(list)) != NULL) {
		struct tn_arrival_in_hand *arrival = TN_OWNER(link, struct tn_arrival_in_hand, in_hand);
		FOR_EACH_DELIVERY(arrival, delivery)
			tn_failure_unref(engine, delivery->last);
		for (uint32_t i = 0; i < arrival->count; i++)
			tn_parcel_drop(&arrival->parcels[i]);
		give_ops(engine, arrival);
		tn_budget_give(engine, arrival, arrival->size);
	}
}

void tn_arrival_free_all(struct tn_engine *engine)
{
	free_list(engine, &engine->arrivals);
	free_list(engine, &engine->settled);
}
