/* SPDX-License-Identifier: Apache-2.0
 *
 * txn.c - exactly once (delivery-semantics section 22): what a source hands over is committed together with what became of it.
 *
 * Called by stream.c and arrival.c as positions come and get ready, by delivery.c and bury.c when one of them goes another way than into
 * the transaction, and with its end. What changes is noted (tn_txn_touch) and worked off before the next command (tn_txn_advance_all).
 *
 * A source has one transaction at a time, for all its streams. It takes arrivals in the order of their stream, so that the positions it
 * commits pass nothing; and only such as wait for nothing else: every delivery of theirs has settled, or is HELD: for a target of the
 * source's own cluster (a member), or for a dead-letter sink there. So no outside target keeps a transaction open.
 *
 *   delivery:  OUT --(make_pending, bury)--> HELD --taken--> INSIDE: PENDING -> INFLIGHT -> STAGED --committed--> DELIVERED, DEAD
 *                                             ^                        |
 *                                             '------- aborted --------' what still runs stays OUT until its result
 *
 *   source:    NONE --first taken--> OPEN --closed (500 events, 200 ms, an end) and all STAGED--> COMMITTING --COMMITTED--> NONE
 *                ^                    | one of it failed, died, or 30 s passed                        | ABORTED
 *                '---- ABORTED ---- ABORTING                                                          '--> NONE
 *
 * An aborted transaction goes again from memory, as soon as nothing of its first arrival has to wait; one that was too much for its
 * members to be staged in time (they are slow, or have a rate) with half as many events. Members are never parked: while
 * one waits for its next try, or its target for better times, its stream waits behind it, until the source's window is full.
 *
 * A stream that is lost takes an open transaction with it; FENCED, all streams are lost: what was staged is RELEASED, and whoever has the
 * stream next begins at the committed position. Once COMMIT was said, its answer decides, for every stream that is still there.
 */
#include "core.h"
#include "arrival.h"
#include "lane.h"
#include "stream.h"
#include "target.h"
#include "txn.h"

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

static void touch_all(struct tn_engine *engine, struct tn_txn *txn)
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
			touch_all(engine, txn);
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

/* --- Taking arrivals --- */

static struct tn_target *wanted_by(const struct tn_engine *engine, const struct tn_delivery *delivery)
{
	if (delivery->state == TN_STATE_PENDING)
		return delivery->target;
	return tn_target_find(engine, delivery->target->limits.dead_letter_no);
}

/* HELD, but for no member any more, or for too long: out, and on its own way. */
static bool is_out_of_place(const struct tn_engine *engine, const struct tn_delivery *delivery, const struct tn_target *target)
{
	if (!tn_txn_is_member(engine, delivery, target) || tn_target_expired(engine, target))
		return true;
	if (delivery->state == TN_STATE_BURYING) /* a sink that does not take it costs a try */
		return target->limits.removed || tn_target_waits(engine, target);
	return tn_schedule_too_old(delivery->route->policy, &delivery->tries, engine->now_ms);
}

static void put_out(struct tn_engine *engine, struct tn_delivery *delivery)
{
	delivery->txn_place = TN_TXN_OUT;
	if (delivery->state == TN_STATE_PENDING)
		tn_delivery_make_pending(engine, delivery);
	else
		tn_bury_again(engine, delivery);
}

/* It could be attempted at once, as far as anybody knows. */
static bool may_enter(struct tn_engine *engine, struct tn_txn *txn, struct tn_delivery *delivery)
{
	const struct tn_target *target = wanted_by(engine, delivery);
	if (delivery->txn_place != TN_TXN_HELD)
		return false;
	if (is_out_of_place(engine, delivery, target)) {
		put_out(engine, delivery);
		return false;
	}
	bool dying = delivery->state == TN_STATE_BURYING;
	bool waits = tn_target_waits(engine, target) || target->limits.removed || (!dying && !tn_lane_lets_in(delivery));
	txn->waits = txn->waits || waits;
	return !waits;
}

/* Settled, but for what the transaction itself is to do. */
static bool is_ready(struct tn_engine *engine, struct tn_txn *txn, struct tn_arrival_in_hand *arrival)
{
	bool ready = true;
	if (arrival->state == TN_ARRIVAL_ANSWERING)
		return arrival->ripe;
	if (arrival->state != TN_ARRIVAL_OPEN || arrival->unsettled == 0)
		return false;
	arrival->pins++;
	TN_EACH_DELIVERY(arrival, delivery) {
		if (tn_delivery_in_hand(delivery) && !may_enter(engine, txn, delivery))
			ready = false;
	}
	tn_arrival_unpin(engine, arrival);
	return ready;
}

static struct tn_arrival_in_hand *candidate(const struct tn_stream *stream)
{
	struct tn_link *link = stream->txn_last != NULL ? tn_list_next(&stream->arrivals, &stream->txn_last->of_stream) :
							  tn_list_first(&stream->arrivals);
	assert(link == NULL || !stream->revoked); /* then there is only what was taken */
	return link == NULL ? NULL : TN_OWNER(link, struct tn_arrival_in_hand, of_stream);
}

static void open(struct tn_engine *engine, struct tn_txn *txn)
{
	txn->state = TN_TXN_OPEN;
	txn->number = ++engine->txn_number;
	txn->close_ms = tn_time_add(engine->now_ms, txn->collect_ms);
	txn->give_up_ms = tn_time_add(txn->close_ms, TN_TXN_OPEN_MAX_MS);
	txn->events = txn->unstaged = 0;
	txn->failed = false;
}

static void enter(struct tn_engine *engine, struct tn_txn *txn, struct tn_stream *stream, struct tn_arrival_in_hand *arrival)
{
	if (txn->state == TN_TXN_NONE)
		open(engine, txn);
	txn->events += arrival->offered;
	arrival->in_txn = true;
	stream->txn_last = arrival;
	TN_EACH_DELIVERY(arrival, delivery) {
		if (delivery->txn_place != TN_TXN_HELD)
			continue;
		delivery->txn_place = TN_TXN_INSIDE;
		txn->unstaged++;
		if (delivery->state == TN_STATE_PENDING)
			tn_delivery_make_pending(engine, delivery);
		else
			tn_delivery_wait(engine, delivery, wanted_by(engine, delivery), false);
	}
}

static bool is_full(const struct tn_engine *engine, const struct tn_txn *txn)
{
	if (txn->events >= txn->most_now || txn->close_ms <= engine->now_ms)
		return true;
	for (struct tn_link *link = tn_list_first(&txn->streams); link != NULL; link = tn_list_next(&txn->streams, link)) {
		const struct tn_stream *stream = TN_OWNER(link, const struct tn_stream, of_txn);
		if (stream->revoked && stream->txn_last != NULL)
			return true;
	}
	return false;
}

static bool takes_more(const struct tn_engine *engine, const struct tn_txn *txn)
{
	if (txn->state == TN_TXN_NONE)
		return true;
	return txn->state == TN_TXN_OPEN && !is_full(engine, txn);
}

/* False: there is more to take than the transaction may. */
static bool take_from(struct tn_engine *engine, struct tn_txn *txn, struct tn_stream *stream)
{
	struct tn_arrival_in_hand *arrival;
	while ((arrival = candidate(stream)) != NULL) {
		if (!takes_more(engine, txn))
			return false;
		if (!is_ready(engine, txn, arrival))
			return true;
		enter(engine, txn, stream, arrival);
	}
	return true;
}

static void collect(struct tn_engine *engine, struct tn_txn *txn)
{
	struct tn_link *link;
	while (takes_more(engine, txn) && (link = tn_list_pop(&txn->touched)) != NULL) {
		if (!take_from(engine, txn, TN_OWNER(link, struct tn_stream, txn_touched)) && !tn_link_in_list(link))
			tn_list_push(&txn->touched, link);
	}
}

/* --- Inside --- */

static void stage(struct tn_engine *engine, struct tn_txn *txn, struct tn_delivery *delivery)
{
	delivery->staged_dead = delivery->state == TN_STATE_BURYING;
	tn_delivery_set_state(engine, delivery, TN_STATE_STAGED);
	txn->unstaged--;
	look_again(engine, txn);
}

/* PENDING or BURYING, in no line, and no longer in a transaction. */
static void go_back(struct tn_engine *engine, struct tn_delivery *delivery)
{
	bool dying = delivery->state == TN_STATE_BURYING;
	if (delivery->parcel->arrival->abandoned)
		tn_delivery_end(engine, delivery, TN_STATE_RELEASED);
	else if (engine->draining && dying)
		tn_bury_in_store(engine, delivery);
	else if (engine->draining)
		tn_drain_waiting(engine, delivery);
	else
		tn_txn_hold(engine, delivery);
}

/* The transaction it ran in was aborted meanwhile. */
static bool takes_late(struct tn_engine *engine, struct tn_delivery *delivery, const struct tn_outcome *outcome)
{
	bool final = outcome->verdict == TN_REJECTED || outcome->verdict == TN_MISCONFIGURED || outcome->declined;
	if (final && !delivery->parcel->arrival->abandoned)
		return false;
	(void)tn_target_honour(engine, delivery->at, outcome);
	if (delivery->state != TN_STATE_BURYING)
		tn_delivery_set_state(engine, delivery, TN_STATE_PENDING);
	go_back(engine, delivery);
	return true;
}

bool tn_txn_takes(struct tn_engine *engine, struct tn_delivery *delivery, const struct tn_outcome *outcome)
{
	if (delivery->txn_place != TN_TXN_INSIDE)
		return takes_late(engine, delivery, outcome);
	if (outcome->verdict != TN_DELIVERED && outcome->verdict != TN_STAGED)
		return false;
	stage(engine, txn_of(delivery), delivery);
	return true;
}

/* --- Commit and abort --- */

/* What the transaction has taken of a stream, oldest first; the step may let go of the arrival. */
static void each_taken(struct tn_engine *engine, struct tn_stream *stream, void (*step)(struct tn_engine *, struct tn_arrival_in_hand *))
{
	struct tn_arrival_in_hand *last = stream->txn_last;
	stream->txn_last = NULL;
	for (struct tn_link *link = last != NULL ? tn_list_first(&stream->arrivals) : NULL, *next; link != NULL; link = next) {
		struct tn_arrival_in_hand *arrival = TN_OWNER(link, struct tn_arrival_in_hand, of_stream);
		next = arrival == last ? NULL : tn_list_next(&stream->arrivals, link);
		arrival->in_txn = false;
		arrival->pins++;
		step(engine, arrival);
		tn_arrival_unpin(engine, arrival);
	}
}

static void each_stream(struct tn_engine *engine, struct tn_txn *txn, void (*step)(struct tn_engine *, struct tn_stream *))
{
	for (struct tn_link *link = tn_list_first(&txn->streams); link != NULL; link = tn_list_next(&txn->streams, link))
		step(engine, TN_OWNER(link, struct tn_stream, of_txn));
}

static void settle_arrival(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	TN_EACH_DELIVERY(arrival, delivery) {
		if (delivery->state != TN_STATE_STAGED)
			continue;
		if (!delivery->staged_dead)
			tn_books_note_end(engine, delivery, TN_STATE_DELIVERED, 0);
		tn_delivery_end(engine, delivery, delivery->staged_dead ? TN_STATE_DEAD : TN_STATE_DELIVERED);
	}
	tn_arrival_committed(engine, arrival);
}

static void settle_stream(struct tn_engine *engine, struct tn_stream *stream)
{
	each_taken(engine, stream, settle_arrival);
}

static void undo_delivery(struct tn_engine *engine, struct tn_delivery *delivery)
{
	if (delivery->txn_place != TN_TXN_INSIDE)
		return;
	delivery->txn_place = TN_TXN_OUT;
	if (delivery->slot != NULL) /* its result will say */
		return;
	if (delivery->state == TN_STATE_STAGED) {
		engine->books.staged_aborted++;
		if (TN_PLANT(32)) {
			tn_delivery_end(engine, delivery, TN_STATE_DELIVERED);
			return;
		}
		tn_delivery_set_state(engine, delivery, delivery->staged_dead ? TN_STATE_BURYING : TN_STATE_PENDING);
	}
	tn_delivery_stop_waiting(engine, delivery);
	go_back(engine, delivery);
}

static void undo_arrival(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	TN_EACH_DELIVERY(arrival, delivery)
		undo_delivery(engine, delivery);
}

static void undo_stream(struct tn_engine *engine, struct tn_stream *stream)
{
	each_taken(engine, stream, undo_arrival);
	tn_txn_touch(engine, stream);
	if (stream->revoked) /* it does not get into another one */
		tn_stream_abandon(engine, stream);
}

static void begin_abort(struct tn_engine *engine, struct tn_txn *txn)
{
	txn->state = TN_TXN_ABORTING;
	txn->say = true;
	each_stream(engine, txn, undo_stream);
}

static void forget_arrival(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	TN_EACH_DELIVERY(arrival, delivery)
		delivery->txn_place = TN_TXN_OUT;
}

static void forget_stream(struct tn_engine *engine, struct tn_stream *stream)
{
	each_taken(engine, stream, forget_arrival);
}

/* Nothing of it is to be committed, and that is still in our hands. */
static bool may_abort(const struct tn_txn *txn)
{
	return txn->state == TN_TXN_OPEN || (txn->state == TN_TXN_COMMITTING && txn->say);
}

void tn_txn_stream_ends(struct tn_engine *engine, struct tn_stream *stream)
{
	if (stream->txn == NULL || stream->txn_last == NULL)
		return;
	if (may_abort(stream->txn))
		begin_abort(engine, stream->txn);
	else
		forget_stream(engine, stream);
}

static void fence_off(struct tn_engine *engine, struct tn_stream *stream)
{
	forget_stream(engine, stream);
	tn_stream_lose(engine, stream);
}

void tn_engine_txn(struct tn_engine *engine, uint64_t number, enum tn_txn_end end)
{
	struct tn_txn *txn = NULL;
	for (struct tn_link *link = tn_list_first(&engine->txns); link != NULL && txn == NULL; link = tn_list_next(&engine->txns, link)) {
		txn = TN_OWNER(link, struct tn_txn, link);
		if (txn->number != number || txn->state == TN_TXN_NONE)
			txn = NULL;
	}
	bool committed = txn != NULL && txn->state == TN_TXN_COMMITTING && !txn->say;
	if (txn == NULL || (end == TN_TXN_COMMITTED && !committed))
		return;
	txn->state = TN_TXN_NONE;
	txn->say = false;
	if (end == TN_TXN_COMMITTED) {
		txn->most_now += txn->most_now < txn->most_events;
		each_stream(engine, txn, settle_stream);
	} else if (end == TN_TXN_ABORTED) {
		each_stream(engine, txn, undo_stream);
	} else {
		each_stream(engine, txn, fence_off);
	}
	touch_all(engine, txn);
}

static void advance(struct tn_engine *engine, struct tn_txn *txn)
{
	if (txn->state == TN_TXN_OPEN && txn->failed)
		begin_abort(engine, txn);
	collect(engine, txn);
	bool closed = engine->draining || is_full(engine, txn), whole = txn->unstaged == 0 || TN_PLANT(31);
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

/* --- Time and commands --- */

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

/* --- The way out --- */

/* No attempt starts any more. */
static bool has_unstarted(const struct tn_stream *stream)
{
	for (struct tn_link *link = tn_list_first(&stream->arrivals); link != NULL; link = tn_list_next(&stream->arrivals, link)) {
		struct tn_arrival_in_hand *arrival = TN_OWNER(link, struct tn_arrival_in_hand, of_stream);
		TN_EACH_DELIVERY(arrival, delivery) {
			if (delivery->txn_place == TN_TXN_INSIDE && delivery->slot == NULL && delivery->state != TN_STATE_STAGED)
				return true;
		}
	}
	return false;
}

/* Its sink is not tried any more. */
static void bury_held(struct tn_engine *engine, struct tn_stream *stream)
{
	for (struct tn_link *link = tn_list_first(&stream->arrivals); link != NULL; link = tn_list_next(&stream->arrivals, link)) {
		struct tn_arrival_in_hand *arrival = TN_OWNER(link, struct tn_arrival_in_hand, of_stream);
		TN_EACH_DELIVERY(arrival, delivery) {
			if (delivery->txn_place == TN_TXN_HELD && delivery->state == TN_STATE_BURYING)
				tn_bury_in_store(engine, delivery);
		}
	}
}

void tn_txn_drain(struct tn_engine *engine)
{
	for (struct tn_link *link = tn_list_first(&engine->txns); link != NULL; link = tn_list_next(&engine->txns, link)) {
		struct tn_txn *txn = TN_OWNER(link, struct tn_txn, link);
		struct tn_link *at = tn_list_first(&txn->streams);
		while (at != NULL && !has_unstarted(TN_OWNER(at, const struct tn_stream, of_txn)))
			at = tn_list_next(&txn->streams, at);
		if (at != NULL)
			begin_abort(engine, txn);
		each_stream(engine, txn, bury_held);
		touch_all(engine, txn);
	}
}

void tn_txn_give_up(struct tn_engine *engine)
{
	for (struct tn_link *link = tn_list_first(&engine->txns); link != NULL; link = tn_list_next(&engine->txns, link)) {
		struct tn_txn *txn = TN_OWNER(link, struct tn_txn, link);
		if (may_abort(txn))
			begin_abort(engine, txn);
		each_stream(engine, txn, forget_stream);
	}
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
