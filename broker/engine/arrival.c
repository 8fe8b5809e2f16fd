/* SPDX-License-Identifier: Apache-2.0
 *
 * arrival.c - one message or request in hand: settled when all of its deliveries are, and answered once.
 *
 * Called by admission.c, by deliveries that end, by the journal, and when a stream ends. An arrival has one position and one answer.
 *
 * One whose events have idempotency keys is CLAIMING until it is known which of them are copies (dedup.c); copies are never booked.
 *
 *   SETTLED (the source keeps a copy):   OPEN --every delivery settled--> ANSWERING --ACK--> ANSWERED
 *   JOURNALED (nobody else has it):      JOURNALING --batch durable--> ANSWERING --ACK--> ANSWERED, and only now deliveries start
 *                                                   --batch refused--> ANSWERING, UNAVAILABLE, nothing kept
 *
 * Answers leave in the order they fell due; on a cumulative stream an ack waits until all before it are ripe, and then stands for
 * them. An arrival whose stream ended gets none.
 */
#include "core.h"
#include "arrival.h"
#include "attempt.h"
#include "lane.h"
#include "stream.h"
#include "target.h"
#include "txn.h"

/* --- In hand --- */

/* The batch room of its own that a large one brought. */
void tn_arrival_give_ops(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	tn_budget_give(engine, arrival->ops, arrival->op_count * sizeof(struct tn_op));
	tn_budget_give(engine, arrival->rows, arrival->delivery_count * sizeof(struct tn_row));
	arrival->ops = NULL;
	arrival->rows = NULL;
}

static void find_oldest(struct tn_engine *engine)
{
	struct tn_link *link = tn_list_first(&engine->arrivals);
	engine->books.oldest_accepted_ms =
		link != NULL ? TN_OWNER(link, const struct tn_arrival_in_hand, in_hand)->accepted_ms : INT64_MAX;
}

void tn_arrival_enter(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, struct tn_stream *stream)
{
	tn_list_push(&engine->arrivals, &arrival->in_hand);
	find_oldest(engine);
	if (stream == NULL) { /* a reply: nothing of it waits for an answer */
		tn_lease_enter(engine, arrival, engine->own_tenure);
		return;
	}
	assert(stream->txn == NULL || arrival->ack_when == TN_ACK_SETTLED);
	arrival->stream = stream;
	arrival->transactional = stream->txn != NULL;
	tn_list_push(&stream->arrivals, &arrival->of_stream);
	tn_lease_enter(engine, arrival, stream->tenure);
	tn_stream_took(engine, stream);
}

/* Into the books: as matched, or joined to what a crash or a lost stream left behind. What is NEW after this is of a copy, for ever. */
static void book_deliveries(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	TN_EACH_DELIVERY(arrival, delivery) {
		if (!delivery->needs_event) /* of a copy */
			continue;
		if (arrival->ack_when == TN_ACK_SETTLED && tn_recover_join(engine, delivery)) {
			engine->books.joined++;
			tn_lane_leave(engine, delivery, TN_STATE_NEW);
			delivery->state = TN_STATE_PARKED;
			tn_arrival_settled(engine, delivery, TN_STATE_PARKED);
			tn_delivery_hold_or_let_go(engine, delivery);
			continue;
		}
		engine->books.matched++;
		tn_delivery_set_state(engine, delivery, TN_STATE_PENDING);
	}
}

void tn_arrival_go(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	engine->books.accepted += arrival->offered;
	engine->books.unmatched += arrival->offered - arrival->count;
	if (arrival->mark_count > 0)
		engine->books.unclaimed -= arrival->delivery_count;
	engine->books.deduplicated += arrival->duplicates;
	engine->books.skipped += arrival->delivery_count - arrival->unsettled;
	book_deliveries(engine, arrival);
	if (arrival->unsettled == 0) {
		tn_arrival_answer(engine, arrival, TN_REPLY_ACK);
	} else if (arrival->ack_when == TN_ACK_JOURNALED) {
		arrival->state = TN_ARRIVAL_JOURNALING;
		tn_list_push(&engine->journal.lines[TN_LINE_INTAKE], &arrival->queue);
		if (TN_PLANT(1))
			tn_arrival_journaled(engine, arrival);
	} else {
		arrival->state = TN_ARRIVAL_OPEN;
		tn_arrival_start(engine, arrival);
	}
}

void tn_arrival_start(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	TN_EACH_DELIVERY(arrival, delivery) {
		if (delivery->state != TN_STATE_PENDING)
			continue;
		const struct tn_policy *policy = delivery->route->policy;
		if (policy != NULL && tn_schedule_exhausted(policy, &delivery->tries)) /* it was dying when its stream ended */
			tn_bury_exhausted(engine, delivery, TN_CONDITION_MAX_RETRIES);
		else if (delivery->dirty || delivery->tries.not_before_ms > engine->now_ms)
			tn_delivery_back_off(engine, delivery, tn_time_max(delivery->tries.not_before_ms, engine->now_ms + 1));
		else
			tn_delivery_make_pending(engine, delivery);
	}
}

/* --- Settlement and answers --- */

void tn_arrival_unpin(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	if (--arrival->pins > 0)
		return;
	tn_link_leave(&arrival->in_hand);
	tn_link_leave(&arrival->overdue);
	find_oldest(engine);
	engine->claims.times_room -= arrival->mark_count > 0;
	engine->reply_bytes -= arrival->reply_bytes;
	tn_arrival_give_ops(engine, arrival);
	tn_budget_give(engine, arrival, arrival->size);
}

static void leave_stream(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	struct tn_stream *stream = arrival->stream;
	tn_link_leave(&arrival->of_stream);
	tn_link_leave(&arrival->lent);
	arrival->stream = NULL;
	tn_stream_answered(engine, stream);
}

static struct tn_arrival_in_hand *ripe_at(struct tn_link *link)
{
	struct tn_arrival_in_hand *arrival = link != NULL ? TN_OWNER(link, struct tn_arrival_in_hand, of_stream) : NULL;
	return arrival != NULL && arrival->ripe ? arrival : NULL;
}

/* The last of the ripe ones at the head of its stream speaks for those before it. */
static void answer_cumulatively(struct tn_engine *engine, struct tn_stream *stream)
{
	struct tn_arrival_in_hand *first = ripe_at(tn_list_first(&stream->arrivals)), *behind;
	if (first == NULL)
		return;
	while ((behind = ripe_at(tn_list_next(&stream->arrivals, &first->of_stream))) != NULL) {
		tn_link_leave(&first->queue);
		tn_arrival_committed(engine, first);
		first = behind;
	}
	if (!tn_link_in_list(&first->queue))
		tn_list_push(&engine->answers, &first->queue);
}

void tn_arrival_committed(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	arrival->state = TN_ARRIVAL_ANSWERED;
	engine->books.ack_sent++;
	leave_stream(engine, arrival);
	tn_arrival_unpin(engine, arrival);
}

void tn_arrival_answer(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, enum tn_reply_kind reply)
{
	arrival->state = TN_ARRIVAL_ANSWERING;
	arrival->reply = (uint8_t)reply;
	arrival->ripe = reply == TN_REPLY_ACK && arrival->stream->terms.cumulative && !TN_PLANT(4);
	if (arrival->transactional && reply == TN_REPLY_ACK) { /* which its transaction says */
		arrival->ripe = true;
		tn_txn_touch(engine, arrival->stream);
	} else if (arrival->ripe) {
		answer_cumulatively(engine, arrival->stream);
	} else {
		tn_list_push(&engine->answers, &arrival->queue);
	}
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
		if (arrival->dead > 0)
			return;
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
	if (delivery->parcel->mark != NULL)
		tn_dedup_settled(engine, delivery->parcel->mark, state);
	if (arrival == NULL)
		return;
	assert(arrival->unsettled > 0);
	count_settled(arrival, delivery, state);
	if (--arrival->unsettled == 0)
		leave_hand(engine, arrival);
	bool ripe = arrival->unsettled == 0 && arrival->keeping == 0;
	if (arrival->state == TN_ARRIVAL_OPEN && (ripe || TN_PLANT(2)))
		tn_arrival_answer(engine, arrival, TN_REPLY_ACK);
	if (arrival->transactional)
		tn_txn_touch(engine, arrival->stream);
}

void tn_arrival_answer_kept(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	if (arrival->state == TN_ARRIVAL_OPEN && arrival->unsettled == 0)
		tn_arrival_answer(engine, arrival, TN_REPLY_ACK);
}

void tn_arrival_journaled(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	arrival->pins++; /* its deliveries may all end below */
	tn_arrival_give_ops(engine, arrival);
	if (arrival->stream != NULL) {
		tn_link_leave(&arrival->queue);
		tn_arrival_answer(engine, arrival, TN_REPLY_ACK);
	} else {
		arrival->state = TN_ARRIVAL_ANSWERED;
		tn_arrival_unpin(engine, arrival);
	}
	TN_EACH_DELIVERY(arrival, delivery) {
		if (delivery->state == TN_STATE_PENDING)
			tn_delivery_set_row(engine, delivery, TN_ROW_OPEN);
	}
	for (uint32_t i = 0; i < arrival->count; i++) {
		if (arrival->parcels[i].mark != NULL)
			tn_dedup_journaled(engine, arrival->parcels[i].mark);
	}
	tn_reply_settled(engine, arrival, true);
	tn_arrival_start(engine, arrival);
	tn_arrival_unpin(engine, arrival);
}

/* Nothing of it was kept. If an earlier, unknown commit may have kept it after all, its rows are dropped again. */
void tn_arrival_refused(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, bool doubtful)
{
	bool answer = arrival->stream != NULL;
	arrival->pins++;
	tn_arrival_give_ops(engine, arrival);
	if (answer) {
		tn_arrival_answer(engine, arrival, TN_REPLY_UNAVAILABLE);
	} else {
		arrival->state = TN_ARRIVAL_ANSWERED;
		tn_arrival_unpin(engine, arrival);
	}
	tn_reply_settled(engine, arrival, false);
	for (uint32_t i = 0; i < arrival->count; i++) { /* before the rows are dropped: without them, a key would be a loss */
		if (arrival->parcels[i].mark != NULL)
			tn_dedup_refused(engine, arrival->parcels[i].mark, doubtful);
	}
	TN_EACH_DELIVERY(arrival, delivery) {
		if (delivery->state != TN_STATE_PENDING)
			continue;
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

/* For a member, and not on its way there, nor to the store: outside of its transaction it may not go. (Sent may be a count of before.) */
static bool is_idle_dead_letter(const struct tn_delivery *delivery)
{
	return delivery->state == TN_STATE_BURYING && delivery->slot == NULL && delivery->want == TN_WISH_NONE &&
	       delivery->sent != TN_WISH_DEAD;
}

void tn_arrival_release_idle(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	TN_EACH_DELIVERY(arrival, delivery) {
		bool idle = delivery->state == TN_STATE_PENDING || delivery->state == TN_STATE_BACKOFF;
		if (idle || delivery->state == TN_STATE_STAGED || (arrival->transactional && is_idle_dead_letter(delivery)))
			tn_delivery_end(engine, delivery, TN_STATE_RELEASED);
		else if (delivery->state == TN_STATE_PARKED)
			tn_recover_remember(engine, delivery);
	}
}

void tn_arrival_abandon(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	arrival->pins++;
	if (arrival->state == TN_ARRIVAL_CLAIMING)
		tn_dedup_forget(engine, arrival);
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

/* --- Overdue --- */

void tn_arrival_park_waiting(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	bool owed = arrival->state == TN_ARRIVAL_OPEN;
	arrival->pins++;
	if (arrival->transactional)
		tn_txn_touch(engine, arrival->stream);
	TN_EACH_DELIVERY(arrival, delivery) {
		bool waits = delivery->state == TN_STATE_PENDING && (delivery->waiting || delivery->asked);
		if (!waits && !(owed && delivery->state == TN_STATE_BACKOFF))
			continue;
		if (!tn_park_has_room(delivery) && delivery->target->limits.on_park_full == TN_PARK_FULL_PAUSE)
			continue;
		if (tn_lane_keeps(engine, delivery))
			continue;
		int64_t due_ms = tn_time_max(delivery->tries.not_before_ms, delivery->target->paused_until_ms);
		tn_park_or_hold(engine, delivery, tn_time_max(due_ms, engine->now_ms));
	}
	tn_arrival_unpin(engine, arrival);
}

/* --- Answers go out --- */

static void fill_settlement(struct tn_engine *engine, const struct tn_arrival_in_hand *arrival)
{
	engine->settlement = (struct tn_settlement){.answer = TN_ANSWER_SETTLED, .delivered = arrival->delivered,
		.parked = arrival->parked, .dead = arrival->dead, .dropped = arrival->dropped, .code = arrival->code};
	bool copies = arrival->duplicates > 0 && arrival->duplicates == arrival->count;
	if (arrival->reply == TN_REPLY_BUSY || arrival->reply == TN_REPLY_CONFLICT) {
		engine->settlement = (struct tn_settlement){
			.answer = arrival->reply == TN_REPLY_BUSY ? TN_ANSWER_BUSY : TN_ANSWER_CONFLICT};
	} else if (arrival->reply == TN_REPLY_UNAVAILABLE) {
		engine->settlement = (struct tn_settlement){.answer = TN_ANSWER_UNAVAILABLE, .code = "STORE_REFUSED",
			.retry_after_ms = tn_time_max(1000, engine->journal.at_ms[TN_LINE_INTAKE] - engine->now_ms)};
	} else if (copies) {
		engine->settlement = (struct tn_settlement){.answer = TN_ANSWER_DUPLICATE};
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
	struct tn_link *behind = tn_list_next(&arrival->stream->arrivals, &arrival->of_stream);
	if (TN_PLANT(3) && arrival->ripe && behind != NULL)
		out_command->position = TN_OWNER(behind, struct tn_arrival_in_hand, of_stream)->position;
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
		TN_EACH_DELIVERY(arrival, delivery)
			tn_failure_unref(engine, delivery->last);
		for (uint32_t i = 0; i < arrival->count; i++)
			tn_parcel_drop(&arrival->parcels[i]);
		tn_arrival_give_ops(engine, arrival);
		tn_budget_give(engine, arrival, arrival->size);
	}
}

void tn_arrival_free_all(struct tn_engine *engine)
{
	free_list(engine, &engine->arrivals);
	free_list(engine, &engine->settled);
}
