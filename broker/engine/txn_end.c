/* SPDX-License-Identifier: Apache-2.0
 *
 * txn_end.c - how a transaction ends, and what becomes of what it took.
 *
 * Called by txn.c when one of it failed, by stream.c when a stream ends, by drain.c, and with the answers to COMMIT and ABORT.
 *
 * An aborted transaction goes again from memory, as soon as nothing of its first arrival has to wait; one that was too much for its
 * members to be staged in time (they are slow, or have a rate) with half as many events.
 *
 * A stream that is lost takes an open transaction with it; FENCED, all streams are lost: what was staged is RELEASED, and whoever has the
 * stream next begins at the committed position. Once COMMIT was said, its answer decides, for every stream that is still there.
 */
#include "core.h"
#include "arrival.h"
#include "stream.h"
#include "target.h"
#include "txn_parts.h"

/* --- What it took --- */

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

/* --- Committed --- */

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

/* --- Aborted --- */

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
bool tn_txn_takes_late(struct tn_engine *engine, struct tn_delivery *delivery, const struct tn_outcome *outcome)
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

void tn_txn_abort(struct tn_engine *engine, struct tn_txn *txn)
{
	txn->state = TN_TXN_ABORTING;
	txn->say = true;
	each_stream(engine, txn, undo_stream);
}

/* --- Out of our hands --- */

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
		tn_txn_abort(engine, stream->txn);
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
	tn_txn_touch_all(engine, txn);
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
			tn_txn_abort(engine, txn);
		each_stream(engine, txn, bury_held);
		tn_txn_touch_all(engine, txn);
	}
}

void tn_txn_give_up(struct tn_engine *engine)
{
	for (struct tn_link *link = tn_list_first(&engine->txns); link != NULL; link = tn_list_next(&engine->txns, link)) {
		struct tn_txn *txn = TN_OWNER(link, struct tn_txn, link);
		if (may_abort(txn))
			tn_txn_abort(engine, txn);
		each_stream(engine, txn, forget_stream);
	}
}
