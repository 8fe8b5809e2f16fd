/* SPDX-License-Identifier: Apache-2.0
 *
 * txn.c - exactly once (delivery-semantics section 22): what a source hands over is committed together with what became of it.
 *
 * Called by stream.c and arrival.c as positions come and get ready, by delivery.c and bury.c when one of them goes another way than into
 * the transaction, and by attempt.c with results. What changes is noted (tn_txn_touch) and worked off before the next command
 * (tn_txn_advance_all).
 *
 * A source has one transaction at a time, for all its streams. Outside targets keep none open, since it takes only arrivals that wait for
 * nothing else (txn_take.c). It ends by a commit, by an abort, or by being fenced off (txn_end.c).
 *
 *   delivery:  OUT --(make_pending, bury)--> HELD --taken--> INSIDE: PENDING -> INFLIGHT -> STAGED --committed--> DELIVERED, DEAD
 *                                             ^                        |
 *                                             '------- aborted --------' what still runs stays OUT until its result
 *
 *   source:    NONE --first taken--> OPEN --closed (500 events, 200 ms, an end) and all STAGED--> COMMITTING --COMMITTED--> NONE
 *                ^                    | one of it failed, died, or 30 s passed                        | ABORTED
 *                '---- ABORTED ---- ABORTING                                                          '--> NONE
 */
#include "core.h"
#include "arrival.h"
#include "lane.h"
#include "stream.h"
#include "target.h"
#include "txn_parts.h"

/* --- One a source --- */

static struct tn_txn *find(const struct tn_engine *engine, uint32_t source)
{
	for (struct tn_link *link = tn_list_first(&engine->txns); link != NULL; link = tn_list_next(&engine->txns, link)) {
		struct tn_txn *txn = TN_OWNER(link, struct tn_txn, link);
		if (txn->source == source)
			return txn;
	}
	return NULL;
}

static struct tn_txn *add(struct tn_engine *engine, uint32_t source)
{
	struct tn_txn *txn = tn_budget_take_furniture(engine, sizeof(*txn));
	if (txn == NULL)
		return NULL;
	txn->source = source;
	tn_list_init(&txn->streams);
	tn_list_init(&txn->touched);
	tn_list_push(&engine->txns, &txn->link);
	return txn;
}

static uint32_t count_streams(const struct tn_txn *txn)
{
	uint32_t count = 0;
	for (struct tn_link *link = tn_list_first(&txn->streams); link != NULL; link = tn_list_next(&txn->streams, link))
		count++;
	return count;
}

static bool grow_positions(struct tn_engine *engine, struct tn_txn *txn, uint32_t wanted)
{
	if (wanted <= txn->capacity)
		return true;
	uint32_t capacity = txn->capacity * 2 > wanted ? txn->capacity * 2 : wanted;
	struct tn_position *positions = tn_budget_take_furniture(engine, capacity * sizeof(*positions));
	if (positions == NULL)
		return false;
	tn_budget_give_furniture(engine, txn->positions, txn->capacity * sizeof(*positions));
	txn->positions = positions;
	txn->capacity = capacity;
	return true;
}

enum tn_status tn_txn_reserve(struct tn_engine *engine, uint32_t source, struct tn_txn **out_txn)
{
	struct tn_txn *txn = find(engine, source);
	if (txn == NULL)
		txn = add(engine, source);
	if (txn == NULL || !grow_positions(engine, txn, count_streams(txn) + 1))
		return TN_NO_MEMORY;
	*out_txn = txn;
	return TN_OK;
}

void tn_txn_enlist(struct tn_stream *stream, struct tn_txn *txn)
{
	const struct tn_stream_terms *terms = &stream->terms;
	tn_link_leave(&stream->of_txn);
	tn_link_leave(&stream->txn_touched);
	stream->txn = txn;
	if (txn == NULL)
		return;
	tn_list_push(&txn->streams, &stream->of_txn);
	txn->cluster = terms->cluster;
	txn->most_events = terms->txn_events > 0 ? terms->txn_events : TN_TXN_EVENTS;
	txn->most_now = txn->most_events;
	txn->collect_ms = terms->txn_ms > 0 ? terms->txn_ms : TN_TXN_MS;
}

static struct tn_txn *txn_of(const struct tn_delivery *delivery)
{
	const struct tn_arrival_in_hand *arrival = delivery->parcel->arrival;
	return arrival != NULL && arrival->stream != NULL ? arrival->stream->txn : NULL;
}

bool tn_txn_shared(const struct tn_delivery *delivery, const struct tn_delivery *other)
{
	assert(txn_of(delivery) != NULL);
	return txn_of(delivery) == txn_of(other);
}

bool tn_txn_is_member(const struct tn_engine *engine, const struct tn_delivery *delivery, const struct tn_target *target)
{
	if (tn_list_empty(&engine->txns))
		return false;
	const struct tn_txn *txn = txn_of(delivery);
	return txn != NULL && txn->cluster != 0 && target->limits.cluster == txn->cluster;
}

uint64_t tn_txn_number(const struct tn_delivery *delivery)
{
	return delivery->txn_place == TN_TXN_INSIDE ? txn_of(delivery)->number : 0;
}

/* --- Something changed --- */

static void look_again(struct tn_engine *engine, struct tn_txn *txn)
{
	if (!tn_link_in_list(&txn->dirty))
		tn_list_push(&engine->txns_touched, &txn->dirty);
}

void tn_txn_touch(struct tn_engine *engine, struct tn_stream *stream)
{
	if (stream == NULL || stream->txn == NULL)
		return;
	if (!tn_link_in_list(&stream->txn_touched))
		tn_list_push(&stream->txn->touched, &stream->txn_touched);
	look_again(engine, stream->txn);
}

void tn_txn_touch_all(struct tn_engine *engine, struct tn_txn *txn)
{
	for (struct tn_link *link = tn_list_first(&txn->streams); link != NULL; link = tn_list_next(&txn->streams, link))
		tn_txn_touch(engine, TN_OWNER(link, struct tn_stream, of_txn));
	look_again(engine, txn);
}

void tn_txn_wake(struct tn_engine *engine)
{
	for (struct tn_link *link = tn_list_first(&engine->txns); link != NULL; link = tn_list_next(&engine->txns, link)) {
		struct tn_txn *txn = TN_OWNER(link, struct tn_txn, link);
		if (txn->waits)
			tn_txn_touch_all(engine, txn);
		txn->waits = false;
	}
}

void tn_txn_hold(struct tn_engine *engine, struct tn_delivery *delivery)
{
	delivery->txn_place = TN_TXN_HELD;
	if (delivery->lane != NULL && delivery->state == TN_STATE_BURYING) /* which lets others of its event pass */
		tn_lane_touch(engine, delivery->lane);
	tn_txn_touch(engine, delivery->parcel->arrival->stream);
}

void tn_txn_left(struct tn_engine *engine, struct tn_delivery *delivery)
{
	struct tn_txn *txn = delivery->txn_place == TN_TXN_INSIDE ? txn_of(delivery) : NULL;
	delivery->txn_place = TN_TXN_OUT;
	if (txn == NULL || txn->state != TN_TXN_OPEN)
		return;
	txn->failed = true;
	look_again(engine, txn);
}

/* --- Inside --- */

static void stage(struct tn_engine *engine, struct tn_txn *txn, struct tn_delivery *delivery)
{
	delivery->staged_dead = delivery->state == TN_STATE_BURYING;
	tn_delivery_set_state(engine, delivery, TN_STATE_STAGED);
	txn->unstaged--;
	look_again(engine, txn);
}

bool tn_txn_takes(struct tn_engine *engine, struct tn_delivery *delivery, const struct tn_outcome *outcome)
{
	if (delivery->txn_place != TN_TXN_INSIDE)
		return tn_txn_takes_late(engine, delivery, outcome);
	if (outcome->verdict != TN_DELIVERED && outcome->verdict != TN_STAGED)
		return false;
	stage(engine, txn_of(delivery), delivery);
	return true;
}

/* --- Time and commands --- */

static void advance(struct tn_engine *engine, struct tn_txn *txn)
{
	if (txn->state == TN_TXN_OPEN && txn->failed)
		tn_txn_abort(engine, txn);
	tn_txn_collect(engine, txn);
	bool closed = engine->draining || tn_txn_is_full(engine, txn), whole = txn->unstaged == 0 || TN_PLANT(31);
	assert(txn->state != TN_TXN_OPEN || !txn->failed); /* what is taken does not fail at once */
	if (txn->state != TN_TXN_OPEN || !closed || !whole)
		return;
	txn->state = TN_TXN_COMMITTING;
	txn->say = true;
}

void tn_txn_advance_all(struct tn_engine *engine)
{
	struct tn_link *link;
	while ((link = tn_list_pop(&engine->txns_touched)) != NULL)
		advance(engine, TN_OWNER(link, struct tn_txn, dirty));
}

static void give_up(struct tn_txn *txn)
{
	txn->failed = true;
	txn->most_now = txn->events > 1 ? txn->events / 2 : 1;
}

void tn_txn_tick(struct tn_engine *engine)
{
	for (struct tn_link *link = tn_list_first(&engine->txns); link != NULL; link = tn_list_next(&engine->txns, link)) {
		struct tn_txn *txn = TN_OWNER(link, struct tn_txn, link);
		if (txn->state != TN_TXN_OPEN || txn->close_ms > engine->now_ms)
			continue;
		if (txn->give_up_ms <= engine->now_ms)
			give_up(txn);
		look_again(engine, txn);
	}
}

int64_t tn_txn_deadline(const struct tn_engine *engine)
{
	int64_t deadline_ms = INT64_MAX;
	for (struct tn_link *link = tn_list_first(&engine->txns); link != NULL; link = tn_list_next(&engine->txns, link)) {
		const struct tn_txn *txn = TN_OWNER(link, const struct tn_txn, link);
		if (txn->state == TN_TXN_OPEN)
			deadline_ms = tn_time_min(deadline_ms, txn->close_ms > engine->now_ms ? txn->close_ms : txn->give_up_ms);
	}
	return deadline_ms;
}

static void fill_positions(struct tn_txn *txn)
{
	txn->count = 0;
	for (struct tn_link *link = tn_list_first(&txn->streams); link != NULL; link = tn_list_next(&txn->streams, link)) {
		const struct tn_stream *stream = TN_OWNER(link, const struct tn_stream, of_txn);
		if (stream->txn_last != NULL)
			txn->positions[txn->count++] = stream->txn_last->position;
	}
}

bool tn_txn_next(struct tn_engine *engine, struct tn_command *out_command)
{
	for (struct tn_link *link = tn_list_first(&engine->txns); link != NULL; link = tn_list_next(&engine->txns, link)) {
		struct tn_txn *txn = TN_OWNER(link, struct tn_txn, link);
		if (!txn->say)
			continue;
		txn->say = false;
		*out_command = (struct tn_command){.kind = TN_TXN_ABORT, .token = txn->number, .position = {.source = txn->source}};
		if (txn->state == TN_TXN_ABORTING)
			return true;
		fill_positions(txn);
		out_command->kind = TN_TXN_COMMIT;
		out_command->positions = txn->positions;
		out_command->count = txn->count;
		return true;
	}
	return false;
}

bool tn_txn_idle(const struct tn_engine *engine)
{
	for (struct tn_link *link = tn_list_first(&engine->txns); link != NULL; link = tn_list_next(&engine->txns, link)) {
		if (TN_OWNER(link, const struct tn_txn, link)->state != TN_TXN_NONE)
			return false;
	}
	return true;
}

void tn_txn_free_all(struct tn_engine *engine)
{
	struct tn_link *link;
	while ((link = tn_list_pop(&engine->txns)) != NULL) {
		struct tn_txn *txn = TN_OWNER(link, struct tn_txn, link);
		tn_budget_give_furniture(engine, txn->positions, txn->capacity * sizeof(*txn->positions));
		tn_budget_give_furniture(engine, txn, sizeof(*txn));
	}
}
