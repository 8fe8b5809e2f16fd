/* SPDX-License-Identifier: Apache-2.0
 *
 * stream.c - what a source hands over in order: how much it may hand over, and what becomes of it when it ends.
 *
 * Called with stream events and by arrival.c as positions come and are answered. Credit granted and positions unanswered together
 * never exceed the window; while memory is full or the engine drains, no credit is granted. A stream that ends takes its unanswered
 * arrivals with it: what waits is released, what is under way goes on without an answer.
 */
#include "core.h"
#include "arrival.h"
#include "stream.h"
#include "txn.h"

static uint32_t hash_stream(const struct tn_engine *engine, struct tn_position position)
{
	return tn_map_hash(((uint64_t)position.source << 32) | position.stream, engine->hash_key);
}

struct tn_stream *tn_stream_find(const struct tn_engine *engine, struct tn_position position)
{
	struct tn_map_node *node = tn_map_find(&engine->streams_by_number, hash_stream(engine, position));
	for (; node != NULL; node = tn_map_find_next(node)) {
		struct tn_stream *stream = TN_OWNER(node, struct tn_stream, node);
		if (stream->position.source == position.source && stream->position.stream == position.stream)
			return stream;
	}
	return NULL;
}

static uint32_t window_of(const struct tn_engine *engine, const struct tn_stream *stream)
{
	return stream->terms.window > 0 ? stream->terms.window : engine->config.window;
}

static uint32_t owed_credit(const struct tn_engine *engine, const struct tn_stream *stream)
{
	uint32_t used = stream->unsettled + stream->credit, window = window_of(engine, stream);
	if (!stream->open || engine->full || engine->draining || used >= window)
		return 0;
	return window - used;
}

/* Credit goes out in large pieces, or in any size once the source runs low. */
static bool has_something_to_say(const struct tn_engine *engine, const struct tn_stream *stream)
{
	if (stream->done_owed)
		return tn_list_empty(&stream->arrivals);
	uint32_t owed = owed_credit(engine, stream), quarter = window_of(engine, stream) / 4;
	return owed > 0 && (owed >= quarter || stream->credit < quarter);
}

void tn_stream_say(struct tn_engine *engine, struct tn_stream *stream)
{
	if (!tn_link_in_list(&stream->dirty) && has_something_to_say(engine, stream))
		tn_list_push(&engine->streams_dirty, &stream->dirty);
}

void tn_stream_say_all(struct tn_engine *engine)
{
	for (struct tn_link *link = tn_list_first(&engine->streams); link != NULL; link = tn_list_next(&engine->streams, link))
		tn_stream_say(engine, TN_OWNER(link, struct tn_stream, link));
}

void tn_stream_took(struct tn_engine *engine, struct tn_stream *stream)
{
	stream->unsettled++;
	if (stream->credit > 0)
		stream->credit--;
	tn_stream_say(engine, stream);
}

void tn_stream_answered(struct tn_engine *engine, struct tn_stream *stream)
{
	stream->unsettled--;
	tn_stream_say(engine, stream);
}

bool tn_stream_window_high(const struct tn_engine *engine, const struct tn_stream *stream)
{
	return (uint64_t)stream->unsettled * 4 >= (uint64_t)window_of(engine, stream) * 3;
}

static struct tn_stream *add(struct tn_engine *engine, struct tn_position position)
{
	struct tn_stream *stream = tn_budget_take_furniture(engine, sizeof(*stream));
	if (stream == NULL)
		return NULL;
	stream->position = (struct tn_position){.source = position.source, .stream = position.stream};
	tn_list_init(&stream->arrivals);
	tn_map_put(&engine->streams_by_number, &stream->node, hash_stream(engine, position));
	tn_list_push(&engine->streams, &stream->link);
	return stream;
}

void tn_stream_abandon(struct tn_engine *engine, struct tn_stream *stream)
{
	struct tn_link *link;
	while ((link = tn_list_first(&stream->arrivals)) != NULL && !TN_PLANT(5))
		tn_arrival_abandon(engine, TN_OWNER(link, struct tn_arrival_in_hand, of_stream));
}

static void end(struct tn_engine *engine, struct tn_stream *stream, bool say_done)
{
	stream->open = stream->revoked = false;
	stream->credit = 0;
	tn_txn_stream_ends(engine, stream);
	tn_stream_abandon(engine, stream);
	stream->done_owed = say_done;
	tn_stream_say(engine, stream);
}

/* Can be answered within the grace: nothing of it waits. */
static bool is_under_way(const struct tn_arrival_in_hand *arrival)
{
	if (arrival->transactional) /* only what its transaction has taken */
		return arrival->in_txn;
	if (arrival->state == TN_ARRIVAL_CLAIMING)
		return false;
	TN_EACH_DELIVERY(arrival, delivery) {
		if (delivery->state == TN_STATE_PENDING || delivery->state == TN_STATE_BACKOFF)
			return arrival->ack_when == TN_ACK_JOURNALED;
	}
	return true;
}

static void revoke(struct tn_engine *engine, struct tn_stream *stream, int64_t grace_ms)
{
	stream->open = false;
	stream->revoked = true;
	stream->credit = 0;
	stream->revoke_end_ms = tn_time_add(engine->now_ms, tn_time_min(grace_ms, engine->config.revoke_grace_ms));
	bool gap = false; /* behind one that goes back nothing can be acked cumulatively */
	for (struct tn_link *link = tn_list_first(&stream->arrivals), *next; link != NULL; link = next) {
		next = tn_list_next(&stream->arrivals, link);
		struct tn_arrival_in_hand *arrival = TN_OWNER(link, struct tn_arrival_in_hand, of_stream);
		if (!gap && is_under_way(arrival))
			continue;
		tn_arrival_abandon(engine, arrival);
		gap = stream->terms.cumulative;
	}
	stream->done_owed = true;
	tn_txn_touch(engine, stream);
	tn_stream_say(engine, stream);
}

void tn_stream_lose(struct tn_engine *engine, struct tn_stream *stream)
{
	if (stream->open || stream->revoked)
		end(engine, stream, true);
}

enum tn_status tn_engine_open_stream(struct tn_engine *engine, struct tn_position position, const struct tn_stream_terms *terms)
{
	struct tn_stream *stream = tn_stream_find(engine, position);
	if (stream == NULL)
		stream = add(engine, position);
	struct tn_tenure *tenure = tn_lease_tenure(engine, terms->lease_ms);
	struct tn_txn *txn = NULL;
	if (stream == NULL || tenure == NULL)
		return TN_NO_MEMORY;
	if (terms->transactional && tn_txn_reserve(engine, position.source, &txn) != TN_OK)
		return TN_NO_MEMORY;
	end(engine, stream, false); /* an older epoch, should it still be there */
	stream->position.epoch = position.epoch;
	stream->terms = *terms;
	stream->terms.cumulative = terms->cumulative || terms->transactional;
	tn_txn_enlist(stream, txn);
	stream->tenure = tenure;
	stream->open = true;
	tn_stream_say(engine, stream);
	return TN_OK;
}

enum tn_status tn_engine_stream(struct tn_engine *engine, struct tn_position position, enum tn_stream_event event, int64_t grace_ms)
{
	struct tn_stream *stream = tn_stream_find(engine, position);
	if (event == TN_STREAM_OPENED)
		return tn_engine_open_stream(engine, position, &(struct tn_stream_terms){0});
	if (stream == NULL || stream->position.epoch != position.epoch || !(stream->open || stream->revoked))
		return TN_OK;
	if (event == TN_STREAM_REVOKED && !stream->revoked)
		revoke(engine, stream, grace_ms);
	else if (event == TN_STREAM_LOST)
		tn_stream_lose(engine, stream);
	return TN_OK;
}

void tn_stream_tick(struct tn_engine *engine)
{
	for (struct tn_link *link = tn_list_first(&engine->streams); link != NULL; link = tn_list_next(&engine->streams, link)) {
		struct tn_stream *stream = TN_OWNER(link, struct tn_stream, link);
		if (stream->revoked && stream->revoke_end_ms <= engine->now_ms)
			end(engine, stream, true);
	}
}

int64_t tn_stream_deadline(const struct tn_engine *engine)
{
	int64_t deadline_ms = INT64_MAX;
	for (struct tn_link *link = tn_list_first(&engine->streams); link != NULL; link = tn_list_next(&engine->streams, link)) {
		const struct tn_stream *stream = TN_OWNER(link, const struct tn_stream, link);
		if (stream->revoked)
			deadline_ms = tn_time_min(deadline_ms, stream->revoke_end_ms);
	}
	return deadline_ms;
}

bool tn_stream_next(struct tn_engine *engine, struct tn_command *out_command)
{
	struct tn_link *link;
	while ((link = tn_list_pop(&engine->streams_dirty)) != NULL) {
		struct tn_stream *stream = TN_OWNER(link, struct tn_stream, dirty);
		if (!has_something_to_say(engine, stream))
			continue;
		*out_command = (struct tn_command){.kind = TN_CREDIT, .position = stream->position};
		if (stream->done_owed) {
			out_command->kind = TN_STREAM_DONE;
			stream->done_owed = stream->revoked = false;
			return true;
		}
		out_command->credit = owed_credit(engine, stream);
		stream->credit += out_command->credit;
		return true;
	}
	return false;
}

void tn_stream_finish_all(struct tn_engine *engine)
{
	for (struct tn_link *link = tn_list_first(&engine->streams); link != NULL; link = tn_list_next(&engine->streams, link)) {
		struct tn_stream *stream = TN_OWNER(link, struct tn_stream, link);
		assert(stream->done_owed || !stream->revoked);
		stream->done_owed = stream->done_owed || stream->open;
		stream->open = false;
		tn_stream_say(engine, stream);
	}
}

void tn_stream_free_all(struct tn_engine *engine)
{
	struct tn_link *link;
	while ((link = tn_list_pop(&engine->streams)) != NULL)
		tn_budget_give_furniture(engine, TN_OWNER(link, struct tn_stream, link), sizeof(struct tn_stream));
}
