/* SPDX-License-Identifier: Apache-2.0
 *
 * bury.c - dead letters (delivery-semantics section 8): to the target's sink, if it has one, else to the store; settled when durable.
 *
 * Called when death is decided. A sink is a target: writing to it is an attempt under its limits. Three quick tries; then the DEAD row.
 *
 *   BURYING --> in the sink's line --> attempt --DELIVERED--> DEAD (a row it had is dropped)
 *                   ^                     | anything else, three times; or the sink rests, is held, or keeps us waiting
 *                   '---- 100 ms ---------'--> DEAD row in the journal --durable--> DEAD
 *
 * A sink that is a member of the source's transaction gets it inside: it is STAGED, and DEAD with the commit (txn.c).
 */
#include "core.h"
#include "arrival.h"
#include "lane.h"
#include "moves.h"
#include "target.h"
#include "txn.h"

static struct tn_target *sink_of(const struct tn_engine *engine, const struct tn_delivery *delivery)
{
	uint32_t sink_no = delivery->target->limits.dead_letter_no;
	if (sink_no == 0 || engine->draining || delivery->blocks) /* 0: also what has the poison route, which is nobody's */
		return NULL;
	struct tn_target *sink = tn_target_find(engine, sink_no);
	return sink->limits.removed ? NULL : sink;
}

void tn_bury_in_store(struct tn_engine *engine, struct tn_delivery *delivery)
{
	tn_txn_left(engine, delivery);
	tn_delivery_stop_waiting(engine, delivery);
	tn_heap_remove(&engine->backoffs, &delivery->timer);
	tn_journal_want(engine, delivery, TN_WISH_DEAD);
}

/* One more try at the sink. A sink that rests, is held or has its breaker open costs a try, too. */
static void try_sink(struct tn_engine *engine, struct tn_delivery *delivery)
{
	const struct tn_arrival_in_hand *arrival = delivery->parcel->arrival;
	struct tn_target *sink = sink_of(engine, delivery);
	if (arrival != NULL && arrival->transactional && arrival->abandoned) { /* it comes again, and dies then */
		tn_delivery_end(engine, delivery, TN_STATE_RELEASED);
	} else if (sink == NULL || delivery->sink_tries >= TN_SINK_TRIES) {
		tn_bury_in_store(engine, delivery);
	} else if (delivery->slot != NULL) { /* an attempt that timed out still has its slot */
		tn_heap_set(&engine->backoffs, &delivery->timer, engine->now_ms + TN_SINK_PAUSE_MS);
	} else if (tn_target_waits(engine, sink)) {
		delivery->sink_tries++;
		tn_heap_set(&engine->backoffs, &delivery->timer, engine->now_ms + TN_SINK_PAUSE_MS);
	} else if (tn_txn_is_member(engine, delivery, sink)) {
		tn_txn_hold(engine, delivery);
	} else {
		tn_heap_set(&engine->backoffs, &delivery->timer, tn_time_add(engine->now_ms, engine->config.settle_deadline_ms));
		tn_delivery_wait(engine, delivery, sink, false);
	}
}

void tn_bury_again(struct tn_engine *engine, struct tn_delivery *delivery)
{
	try_sink(engine, delivery);
}

void tn_bury_sink_rests(struct tn_engine *engine, struct tn_delivery *delivery)
{
	tn_txn_left(engine, delivery);
	tn_delivery_stop_waiting(engine, delivery);
	delivery->sink_tries++;
	tn_heap_set(&engine->backoffs, &delivery->timer, engine->now_ms + TN_SINK_PAUSE_MS);
}

void tn_bury_due(struct tn_engine *engine, struct tn_delivery *delivery)
{
	if (delivery->waiting) /* the sink kept us waiting too long */
		tn_bury_in_store(engine, delivery);
	else
		try_sink(engine, delivery);
}

void tn_bury_sink_answered(struct tn_engine *engine, struct tn_delivery *delivery, const struct tn_outcome *outcome)
{
	struct tn_target *sink = delivery->at;
	if (outcome->verdict == TN_DELIVERED) {
		tn_delivery_end(engine, delivery, TN_STATE_DEAD);
		return;
	}
	tn_txn_left(engine, delivery);
	(void)tn_target_honour(engine, sink, outcome);
	delivery->sink_tries++;
	if (delivery->sink_tries >= TN_SINK_TRIES)
		tn_bury_in_store(engine, delivery);
	else
		tn_heap_set(&engine->backoffs, &delivery->timer, engine->now_ms + TN_SINK_PAUSE_MS);
}

void tn_bury(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_condition condition)
{
	tn_delivery_stop_waiting(engine, delivery);
	tn_heap_remove(&engine->backoffs, &delivery->timer);
	tn_journal_forget(engine, delivery);
	tn_txn_left(engine, delivery);
	tn_moves_first_result(engine, delivery, false); /* it may end without any attempt */
	tn_delivery_set_state(engine, delivery, TN_STATE_BURYING);
	delivery->condition = (uint8_t)condition;
	delivery->sink_tries = 0;
	delivery->blocks = tn_lane_dies(engine, delivery);
	const char *code = delivery->last != NULL ? delivery->last->outcome.code : "NO_CODE";
	tn_books_note(engine, TN_NOTE_DEAD, delivery, code, 0);
	if (TN_PLANT(15))
		tn_arrival_settled(engine, delivery, TN_STATE_DEAD);
	try_sink(engine, delivery);
}

void tn_bury_exhausted(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_condition condition)
{
	if (!delivery->route->policy->drop_exhausted) {
		tn_bury(engine, delivery, condition);
		return;
	}
	tn_books_note(engine, TN_NOTE_DROPPED, delivery, "EXHAUSTED", 0);
	tn_delivery_end(engine, delivery, TN_STATE_DROPPED);
}
