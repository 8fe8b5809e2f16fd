/* SPDX-License-Identifier: Apache-2.0
 *
 * txn_take.c - which arrivals a transaction takes, and when it takes no more.
 *
 * Called by txn.c before the next command, when something an arrival may have waited for has changed.
 *
 * It takes arrivals in the order of their stream, so that the positions it commits pass nothing; and only such as wait for nothing else:
 * every delivery of theirs has settled, or is HELD: for a target of the source's own cluster (a member), or for a dead-letter sink there.
 * So no outside target keeps a transaction open.
 *
 * Members are never parked: while one waits for its next try, or its target for better times, its stream waits behind it, until the
 * source's window is full.
 */
#include "core.h"
#include "arrival.h"
#include "lane.h"
#include "stream.h"
#include "target.h"
#include "txn_parts.h"

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

bool tn_txn_is_full(const struct tn_engine *engine, const struct tn_txn *txn)
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
	return txn->state == TN_TXN_OPEN && !tn_txn_is_full(engine, txn);
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

void tn_txn_collect(struct tn_engine *engine, struct tn_txn *txn)
{
	struct tn_link *link;
	while (takes_more(engine, txn) && (link = tn_list_pop(&txn->touched)) != NULL) {
		if (!take_from(engine, txn, TN_OWNER(link, struct tn_stream, txn_touched)) && !tn_link_in_list(link))
			tn_list_push(&txn->touched, link);
	}
}
