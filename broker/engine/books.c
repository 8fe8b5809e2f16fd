/* SPDX-License-Identifier: Apache-2.0
 *
 * books.c - every delivery in exactly one column (promise 2), and notes to whoever writes logs.
 *
 * Called at each change of state, so the books are closed at any instant, not only when all is quiet.
 */
#include "core.h"
#include "arrival.h"
#include "target.h"

bool tn_books_closed(const struct tn_books *books)
{
	uint64_t in_hand =
		books->pending + books->backoff + books->inflight + books->staged + books->parking + books->burying;
	return books->matched + books->recovered + books->redriven ==
	       books->delivered + books->dead + books->dropped + books->released + books->parked + in_hand;
}

static uint64_t *gauge(struct tn_books *books, enum tn_delivery_state state)
{
	switch (state) {
	case TN_STATE_PENDING:
		return &books->pending;
	case TN_STATE_INFLIGHT:
		return &books->inflight;
	case TN_STATE_BACKOFF:
		return &books->backoff;
	case TN_STATE_PARKING:
		return &books->parking;
	case TN_STATE_STAGED:
		return &books->staged;
	case TN_STATE_BURYING:
		return &books->burying;
	default:
		return NULL;
	}
}

static void count_end(struct tn_books *books, struct tn_target *target, enum tn_delivery_state state)
{
	switch (state) {
	case TN_STATE_DELIVERED:
		books->delivered++;
		target->delivered++;
		break;
	case TN_STATE_DEAD:
		books->dead++;
		target->dead++;
		break;
	case TN_STATE_DROPPED:
		books->dropped++;
		target->dropped++;
		break;
	case TN_STATE_RELEASED:
		books->released++;
		break;
	default:
		assert(state == TN_STATE_PARKED);
		books->parked++;
		books->parks++;
		target->parked++;
		target->parks++;
		break;
	}
}

void tn_books_count(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_delivery_state state)
{
	struct tn_target *target = delivery->target;
	uint64_t *from = gauge(&engine->books, delivery->state), *to = gauge(&engine->books, state);
	if (from != NULL)
		--*from;
	if (to != NULL)
		++*to;
	else
		count_end(&engine->books, target, state);
	target->pending += (uint64_t)(state == TN_STATE_PENDING) - (uint64_t)(delivery->state == TN_STATE_PENDING);
	target->backoff += (uint64_t)(state == TN_STATE_BACKOFF) - (uint64_t)(delivery->state == TN_STATE_BACKOFF);
}

static struct tn_note note_of(enum tn_note_kind kind, const struct tn_delivery *delivery)
{
	const struct tn_outcome *last = delivery->last != NULL ? &delivery->last->outcome : NULL;
	struct tn_note note = {.kind = kind, .rule = delivery->route->rule, .target = delivery->route->target, .id = delivery->id,
		.attempts = delivery->tries.system + delivery->tries.function, .event = delivery->parcel->event,
		.origin = delivery->parcel->origin, .redrives = delivery->redrives, .latency_ms = -1};
	if (last != NULL) {
		note.status = last->status;
		note.message = last->message;
	}
	return note;
}

void tn_books_note(struct tn_engine *engine, enum tn_note_kind kind, const struct tn_delivery *delivery, const char *code,
	int64_t due_ms)
{
	if (engine->config.note == NULL)
		return;
	struct tn_note note = note_of(kind, delivery);
	note.code = code;
	note.due_ms = due_ms;
	engine->config.note(engine->config.note_arg, &note);
}

/* --- Stories --- */

void tn_books_note_attempt(struct tn_engine *engine, const struct tn_delivery *delivery, const struct tn_outcome *outcome)
{
	if (engine->config.note_detail == TN_NOTES_DECISIONS || outcome->verdict == TN_DELIVERED || outcome->verdict == TN_HOLD ||
		delivery->state != TN_STATE_INFLIGHT)
		return;
	struct tn_note note = note_of(TN_NOTE_ATTEMPT, delivery);
	note.code = outcome->code;
	note.status = outcome->status;
	note.message = outcome->message;
	note.latency_ms = engine->now_ms - delivery->tries.last_ms;
	engine->config.note(engine->config.note_arg, &note);
}

static bool went_well_at_once(const struct tn_delivery *delivery, enum tn_delivery_state state)
{
	return state == TN_STATE_DELIVERED && delivery->last == NULL && delivery->row != TN_ROW_PARKED && delivery->redrives == 0;
}

void tn_books_note_end(struct tn_engine *engine, const struct tn_delivery *delivery, enum tn_delivery_state state, int32_t status)
{
	if (engine->config.note_detail == TN_NOTES_DECISIONS ||
		(engine->config.note_detail == TN_NOTES_FAILED && went_well_at_once(delivery, state)))
		return;
	struct tn_note note = note_of(state == TN_STATE_DELIVERED ? TN_NOTE_DELIVERED : TN_NOTE_RELEASED, delivery);
	note.message = (struct tn_str){NULL, 0}; /* that of a failure before */
	note.status = status;
	if (state == TN_STATE_DELIVERED)
		note.latency_ms = engine->now_ms - delivery->tries.last_ms;
	engine->config.note(engine->config.note_arg, &note);
}

void tn_books_note_unmatched(struct tn_engine *engine, const struct tn_offer *offer)
{
	struct tn_note note = {.kind = TN_NOTE_UNMATCHED, .event = offer->event, .origin = offer->origin, .latency_ms = -1};
	engine->config.note(engine->config.note_arg, &note);
}

void tn_books_note_target(struct tn_engine *engine, enum tn_note_kind kind, const struct tn_target *target, const char *code,
	int64_t due_ms)
{
	if (engine->config.note == NULL)
		return;
	struct tn_note note = {.kind = kind, .code = code, .due_ms = due_ms};
	if (target != NULL)
		note.target = target->limits.name;
	engine->config.note(engine->config.note_arg, &note);
}

int64_t tn_engine_oldest_of(const struct tn_engine *engine, uint32_t source)
{
	for (struct tn_link *link = tn_list_first(&engine->arrivals); link != NULL; link = tn_list_next(&engine->arrivals, link)) {
		const struct tn_arrival_in_hand *arrival = TN_OWNER(link, const struct tn_arrival_in_hand, in_hand);
		if (arrival->position.source == source && arrival->reply_bytes == 0) /* a reply's position says nothing */
			return arrival->accepted_ms;
	}
	return INT64_MAX;
}
