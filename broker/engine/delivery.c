/* SPDX-License-Identifier: Apache-2.0
 *
 * delivery.c - one (event, rule, target) on its way: its states, and the one switch that acts on a verdict.
 *
 * States and who moves a delivery between them:
 *
 *   NEW --> PENDING --(attempt.c)--> INFLIGHT --> DELIVERED
 *             ^ |                      |
 *             | |   HOLD, not an attempt, goes back to PENDING
 *             | |                      |-- retryable --> BACKOFF --(due, durable, slot free)--> PENDING
 *             | '--(overdue)--.        |-- retryable, but far away or overdue --.
 *             |               v        |                                        v
 *             |             PARKING <--+---------------------------------------'
 *             |               | durable            '-- rejected, exhausted, no target --> BURYING --(durable)--> DEAD
 *             '--(scan.c)-- PARKED
 *
 * Between INFLIGHT, or BURYING, and the end may lie STAGED, in a transaction (txn.c).
 *
 * A failure counted here makes the delivery dirty: the journal is asked to write it down (in the row it has, else in a TRIED row),
 * and until that is durable no attempt starts (promise 4). A delivery stands in at most one line at a time: its target's, the
 * journal's, the graveyard or among the remembered; so one link serves them all.
 */
#include "core.h"
#include "arrival.h"
#include "lane.h"
#include "moves.h"
#include "pace.h"
#include "stream.h"
#include "target.h"
#include "txn.h"

#define MAY(state) (1u << (state))

#ifndef NDEBUG /* only the assertion below reads it */
/* From a state (index) to states (bits). */
static const uint16_t moves[TN_STATE_COUNT] = {
	[TN_STATE_NEW] = MAY(TN_STATE_PENDING),
	[TN_STATE_PENDING] = MAY(TN_STATE_INFLIGHT) | MAY(TN_STATE_BACKOFF) | MAY(TN_STATE_PARKING) | MAY(TN_STATE_BURYING) |
		MAY(TN_STATE_RELEASED) | MAY(TN_STATE_DROPPED),
	[TN_STATE_INFLIGHT] = MAY(TN_STATE_PENDING) | MAY(TN_STATE_DELIVERED) | MAY(TN_STATE_BACKOFF) | MAY(TN_STATE_PARKING) |
		MAY(TN_STATE_BURYING) | MAY(TN_STATE_DROPPED) | MAY(TN_STATE_RELEASED) | MAY(TN_STATE_STAGED),
	[TN_STATE_BACKOFF] = MAY(TN_STATE_PENDING) | MAY(TN_STATE_PARKING) | MAY(TN_STATE_BURYING) | MAY(TN_STATE_DROPPED) |
		MAY(TN_STATE_RELEASED),
	[TN_STATE_PARKING] = MAY(TN_STATE_PARKED) | MAY(TN_STATE_BACKOFF) | MAY(TN_STATE_RELEASED),
	[TN_STATE_STAGED] = MAY(TN_STATE_DELIVERED) | MAY(TN_STATE_DEAD) | MAY(TN_STATE_PENDING) | MAY(TN_STATE_BURYING) |
		MAY(TN_STATE_RELEASED),
	[TN_STATE_BURYING] = MAY(TN_STATE_DEAD) | MAY(TN_STATE_RELEASED) | MAY(TN_STATE_STAGED) | (TN_PLANT(14) ? MAY(TN_STATE_PENDING) : 0),
};
#endif

void tn_delivery_set_state(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_delivery_state state)
{
	assert(moves[delivery->state] & MAY(state));
	tn_books_count(engine, delivery, state);
	delivery->state = (uint8_t)state;
}

bool tn_delivery_in_hand(const struct tn_delivery *delivery)
{
	return delivery->state >= TN_STATE_PENDING && delivery->state <= TN_STATE_BURYING;
}

void tn_delivery_set_row(struct tn_engine *engine, struct tn_delivery *delivery, uint8_t row)
{
	engine->books.tried_rows += (uint64_t)(row == TN_ROW_TRIED) - (uint64_t)(delivery->row == TN_ROW_TRIED);
	engine->books.open_rows += (uint64_t)(row == TN_ROW_OPEN) - (uint64_t)(delivery->row == TN_ROW_OPEN);
	delivery->row = row;
}

void tn_delivery_set_last(struct tn_engine *engine, struct tn_delivery *delivery, struct tn_failure *failure)
{
	tn_failure_unref(engine, delivery->last);
	delivery->last = failure;
}

/* --- Memory: the event first, the block when nothing points into it --- */

static void parcel_unuse(struct tn_engine *engine, struct tn_parcel *parcel)
{
	if (--parcel->users > 0)
		return;
	tn_event_unref(parcel->event);
	tn_ruleset_unref(parcel->ruleset);
	parcel->event = NULL;
	parcel->ruleset = NULL;
	tn_budget_refund(engine, parcel->cost);
	parcel->cost = 0;
}

static void parcel_let_go(struct tn_engine *engine, struct tn_parcel *parcel)
{
	if (--parcel->pins > 0)
		return;
	engine->heap_room -= parcel->count;
	if (parcel->arrival != NULL) {
		tn_arrival_unpin(engine, parcel->arrival);
		return;
	}
	tn_link_leave(&parcel->link);
	tn_budget_give(engine, parcel, parcel->size);
}

void tn_parcel_pin(struct tn_parcel *parcel)
{
	parcel->users++;
	parcel->pins++;
}

void tn_parcel_unpin(struct tn_engine *engine, struct tn_parcel *parcel)
{
	parcel_unuse(engine, parcel);
	parcel_let_go(engine, parcel);
}

bool tn_delivery_pin_again(struct tn_engine *engine, struct tn_delivery *delivery)
{
	struct tn_parcel *parcel = delivery->parcel;
	if (delivery->pinned)
		return true;
	if (parcel->pins == 0) {
		if (tn_heap_reserve(&engine->backoffs, engine->heap_room + parcel->count) != TN_OK)
			return false;
		engine->heap_room += parcel->count;
		parcel->arrival->pins++;
	}
	parcel->pins++;
	delivery->pinned = true;
	return true;
}

void tn_parcel_drop(struct tn_parcel *parcel)
{
	tn_event_unref(parcel->event);
	tn_ruleset_unref(parcel->ruleset);
}

void tn_delivery_hold_or_let_go(struct tn_engine *engine, struct tn_delivery *delivery)
{
	bool needs_event = tn_delivery_in_hand(delivery) || delivery->sent != TN_WISH_NONE;
	bool pinned = needs_event || delivery->want || delivery->node.in_map;
	/* What ended wants drops alone, and has none under way yet. */
	assert(delivery->sent != TN_WISH_DROP && (needs_event || delivery->want == TN_WISH_NONE || delivery->want == TN_WISH_DROP));
	assert(delivery->node.in_map || !delivery->in_graveyard);
	if (delivery->needs_event && !needs_event) {
		delivery->needs_event = false;
		tn_delivery_set_last(engine, delivery, NULL);
		parcel_unuse(engine, delivery->parcel);
	}
	if (delivery->pinned && !pinned) {
		delivery->pinned = false;
		tn_delivery_set_row(engine, delivery, TN_ROW_NONE);
		parcel_let_go(engine, delivery->parcel);
	}
}

/* --- Lines --- */

void tn_delivery_wait(struct tn_engine *engine, struct tn_delivery *delivery, struct tn_target *at, bool first)
{
	assert(!tn_link_in_list(&delivery->link));
	delivery->asked = false;
	if (first)
		tn_list_push_first(&at->waiting, &delivery->link);
	else
		tn_list_push(&at->waiting, &delivery->link);
	delivery->at = at;
	delivery->waiting = true;
	at->waiting_count++;
	tn_target_update(engine, at);
}

void tn_delivery_stop_waiting(struct tn_engine *engine, struct tn_delivery *delivery)
{
	delivery->asked = false;
	if (!delivery->waiting)
		return;
	tn_link_leave(&delivery->link);
	delivery->at->stalled_count -= delivery->stalled;
	delivery->waiting = delivery->stalled = false;
	delivery->at->waiting_count--;
	tn_target_update(engine, delivery->at);
}

void tn_delivery_make_pending(struct tn_engine *engine, struct tn_delivery *delivery)
{
	assert(delivery->slot == NULL && (!delivery->dirty || TN_PLANT(26)));
	if (delivery->state != TN_STATE_PENDING)
		tn_delivery_set_state(engine, delivery, TN_STATE_PENDING);
	if (delivery->route->poison) {
		engine->books.poison++;
		engine->books.reply_loop += delivery->parcel->poison == TN_POISON_REPLY_LOOP;
		engine->books.quarantined += delivery->parcel->poison == TN_POISON_CRASH;
		tn_delivery_set_last(engine, delivery, tn_failure_of_poison(engine, delivery->parcel->poison));
		tn_bury(engine, delivery, TN_CONDITION_NONE);
	} else if (tn_target_expired(engine, delivery->target) || delivery->route->policy == NULL) {
		engine->books.no_target++;
		tn_delivery_set_last(engine, delivery, engine->builtin[TN_FAILURE_NO_TARGET]);
		tn_books_note(engine, TN_NOTE_NO_TARGET, delivery, "NO_TARGET", 0);
		tn_bury(engine, delivery, TN_CONDITION_NONE);
	} else if (tn_schedule_too_old(delivery->route->policy, &delivery->tries, engine->now_ms)) {
		tn_bury_exhausted(engine, delivery, TN_CONDITION_MAX_AGE);
	} else if (engine->draining) {
		tn_drain_waiting(engine, delivery);
	} else if (delivery->txn_place != TN_TXN_INSIDE && tn_txn_is_member(engine, delivery, delivery->target)) {
		tn_txn_hold(engine, delivery);
	} else if (delivery->lane != NULL && !tn_lane_admits(engine, delivery)) {
		tn_lane_wait(engine, delivery);
	} else if (!tn_breaker_keeps(engine, delivery)) {
		tn_delivery_wait(engine, delivery, delivery->target, false);
	}
}

/* --- Waiting for the next try --- */

static void write_down(struct tn_engine *engine, struct tn_delivery *delivery)
{
	if (!delivery->dirty)
		return;
	enum tn_row_wish wish = TN_WISH_TRIED;
	if (delivery->row == TN_ROW_OPEN)
		wish = TN_WISH_OPEN;
	else if (delivery->row == TN_ROW_PARKED)
		wish = TN_WISH_PARKED;
	tn_journal_want(engine, delivery, wish);
}

void tn_delivery_back_off(struct tn_engine *engine, struct tn_delivery *delivery, int64_t due_ms)
{
	tn_txn_left(engine, delivery);
	tn_delivery_set_state(engine, delivery, TN_STATE_BACKOFF);
	delivery->tries.not_before_ms = due_ms;
	tn_heap_set(&engine->backoffs, &delivery->timer, due_ms);
	write_down(engine, delivery);
}

void tn_delivery_go_on(struct tn_engine *engine, struct tn_delivery *delivery)
{
	if (delivery->state != TN_STATE_BACKOFF || tn_heap_holds(&delivery->timer) || delivery->slot != NULL)
		return;
	if (delivery->dirty && !(TN_PLANT(26) && !tn_link_in_list(&delivery->link)))
		return;
	tn_delivery_make_pending(engine, delivery);
}

void tn_delivery_go_on_or_let_go(struct tn_engine *engine, struct tn_delivery *delivery)
{
	if (tn_delivery_in_hand(delivery))
		tn_delivery_go_on(engine, delivery);
	else
		tn_delivery_hold_or_let_go(engine, delivery);
}

void tn_delivery_due(struct tn_engine *engine, struct tn_delivery *delivery)
{
	if (delivery->state == TN_STATE_BURYING)
		tn_bury_due(engine, delivery);
	else if (delivery->remembered)
		tn_recover_forget(engine, delivery);
	else
		tn_delivery_go_on(engine, delivery);
}

/* --- The end --- */

static bool has_or_may_have_row(const struct tn_delivery *delivery)
{
	return delivery->row != TN_ROW_NONE || delivery->sent != TN_WISH_NONE || delivery->doubtful;
}

static bool is_journaled(const struct tn_delivery *delivery)
{
	const struct tn_arrival_in_hand *arrival = delivery->parcel->arrival;
	return arrival != NULL && arrival->ack_when == TN_ACK_JOURNALED;
}

/* What becomes of its row, now that it ended in this state. */
static void leave_row(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_delivery_state state)
{
	switch (state) {
	case TN_STATE_RELEASED: /* a TRIED row stays: the source will send it again, and the count goes on */
		if (is_journaled(delivery) && delivery->doubtful)
			tn_journal_want(engine, delivery, TN_WISH_DROP);
		else
			tn_recover_remember(engine, delivery);
		break;
	case TN_STATE_DELIVERED:
	case TN_STATE_DROPPED:
		if (has_or_may_have_row(delivery))
			tn_journal_want(engine, delivery, TN_WISH_DROP);
		break;
	case TN_STATE_DEAD:
		if (delivery->row != TN_ROW_DEAD && has_or_may_have_row(delivery))
			tn_journal_want(engine, delivery, TN_WISH_DROP);
		else
			tn_park_leave_key(engine, delivery);
		break;
	default:
		tn_park_leave_key(engine, delivery);
		break;
	}
}

void tn_delivery_end(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_delivery_state state)
{
	tn_delivery_stop_waiting(engine, delivery);
	tn_heap_remove(&engine->backoffs, &delivery->timer);
	tn_journal_forget(engine, delivery);
	tn_txn_left(engine, delivery);
	if (state == TN_STATE_RELEASED)
		tn_books_note_end(engine, delivery, state, 0);
	tn_delivery_set_state(engine, delivery, state);
	if (delivery->loaded) {
		delivery->loaded = false;
		delivery->target->loaded--;
		tn_target_update(engine, delivery->target);
	}
	leave_row(engine, delivery, state);
	tn_lane_leave(engine, delivery, state);
	if (!(TN_PLANT(15) && state == TN_STATE_DEAD))
		tn_arrival_settled(engine, delivery, state);
	tn_delivery_hold_or_let_go(engine, delivery);
}

/* --- Verdicts --- */

static bool may_stay_in_memory(const struct tn_engine *engine, const struct tn_delivery *delivery, int64_t next_ms)
{
	const struct tn_arrival_in_hand *arrival = delivery->parcel->arrival;
	if (tn_lane_keeps(engine, delivery))
		return true;
	if (next_ms - engine->now_ms > engine->config.park_after_ms || delivery->target->breaker.state != TN_BREAKER_CLOSED)
		return false;
	if (arrival == NULL)
		return true;
	if (engine->now_ms - arrival->accepted_ms >= arrival->tenure->settle_ms)
		return false;
	return arrival->stream == NULL || !tn_stream_window_high(engine, arrival->stream);
}

/* Tried, or held back; to be tried (again) at next_ms. Memory, store, or back to its source. */
static void wait_until(struct tn_engine *engine, struct tn_delivery *delivery, int64_t next_ms)
{
	const struct tn_arrival_in_hand *arrival = delivery->parcel->arrival;
	delivery->tries.not_before_ms = next_ms;
	if (arrival != NULL && arrival->abandoned) {
		tn_delivery_end(engine, delivery, TN_STATE_RELEASED);
	} else if (engine->draining) {
		tn_drain_waiting(engine, delivery);
	} else if (may_stay_in_memory(engine, delivery, next_ms)) {
		tn_delivery_back_off(engine, delivery, next_ms);
	} else {
		tn_park_or_hold(engine, delivery, next_ms);
	}
}

static void count_failure(struct tn_delivery *delivery, bool function_error)
{
	uint32_t *counter = function_error ? &delivery->tries.function : &delivery->tries.system;
	if (*counter < UINT32_MAX / 2)
		++*counter;
	delivery->dirty = true;
}

static void failed(struct tn_engine *engine, struct tn_delivery *delivery, const struct tn_outcome *outcome)
{
	const struct tn_policy *policy = delivery->route->policy;
	count_failure(delivery, outcome->function_error);
	int64_t after_ms = tn_target_honour(engine, delivery->target, outcome);
	if (outcome->declined) {
		tn_bury(engine, delivery, TN_CONDITION_DECLINED);
		return;
	}
	struct tn_schedule schedule =
		tn_schedule_next(policy, &delivery->tries, outcome->function_error, engine->now_ms, after_ms, &engine->random);
	if (schedule.stop) {
		tn_bury_exhausted(engine, delivery, schedule.condition);
		return;
	}
	engine->books.retried++;
	delivery->target->retried++;
	tn_books_note(engine, TN_NOTE_RETRY, delivery, outcome->code, schedule.next_ms);
	wait_until(engine, delivery, schedule.next_ms);
}

static void misconfigured(struct tn_engine *engine, struct tn_delivery *delivery, const struct tn_outcome *outcome)
{
	const struct tn_target_limits *limits = &delivery->target->limits;
	if ((outcome->credential ? limits->on_credential_error : limits->on_missing) == TN_CONFIG_HOLD) {
		wait_until(engine, delivery, engine->now_ms); /* for an operator, behind the breaker; it loses no retry */
		return;
	}
	count_failure(delivery, false);
	tn_bury(engine, delivery, TN_CONDITION_NONE);
}

/* HOLD is no attempt: first in line again, as if nothing had been. */
static void held(struct tn_engine *engine, struct tn_delivery *delivery)
{
	const struct tn_arrival_in_hand *arrival = delivery->parcel->arrival;
	tn_delivery_set_state(engine, delivery, TN_STATE_PENDING);
	if (arrival != NULL && arrival->abandoned)
		tn_delivery_end(engine, delivery, TN_STATE_RELEASED);
	else if (engine->draining)
		tn_drain_waiting(engine, delivery);
	else if (delivery->lane != NULL && !tn_lane_admits(engine, delivery))
		tn_lane_wait(engine, delivery);
	else if (!tn_breaker_keeps(engine, delivery))
		tn_delivery_wait(engine, delivery, delivery->target, true);
}

void tn_delivery_answered(struct tn_engine *engine, struct tn_delivery *delivery, const struct tn_outcome *outcome)
{
	if (outcome->verdict != TN_DELIVERED && outcome->verdict != TN_HOLD)
		tn_delivery_set_last(engine, delivery, tn_failure_new(engine, outcome, true));
	if (outcome->verdict != TN_HOLD)
		tn_moves_first_result(engine, delivery, outcome->verdict == TN_DELIVERED);
	switch (outcome->verdict) {
	case TN_DELIVERED:
		tn_books_note_end(engine, delivery, TN_STATE_DELIVERED, outcome->status);
		tn_delivery_end(engine, delivery, TN_STATE_DELIVERED);
		break;
	case TN_HOLD:
		delivery->alone = delivery->alone || outcome->alone;
		held(engine, delivery);
		break;
	case TN_REJECTED:
		count_failure(delivery, false);
		tn_bury(engine, delivery, TN_CONDITION_NONE);
		break;
	case TN_MISCONFIGURED:
		misconfigured(engine, delivery, outcome);
		break;
	case TN_RETRY:
	case TN_THROTTLED:
	case TN_STAGED: /* outside of any transaction: whoever says so must say it again properly */
		failed(engine, delivery, outcome);
		break;
	}
}

void tn_delivery_timed_out(struct tn_engine *engine, struct tn_delivery *delivery)
{
	struct tn_failure *timeout = engine->builtin[TN_FAILURE_TIMEOUT];
	tn_books_note_attempt(engine, delivery, &timeout->outcome);
	tn_books_note(engine, TN_NOTE_TIMEOUT, delivery, timeout->outcome.code, 0);
	if (delivery->state == TN_STATE_BURYING) {
		tn_bury_sink_answered(engine, delivery, &timeout->outcome);
		return;
	}
	tn_delivery_set_last(engine, delivery, timeout);
	tn_moves_first_result(engine, delivery, false);
	failed(engine, delivery, &timeout->outcome);
}
