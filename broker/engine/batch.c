/* SPDX-License-Identifier: Apache-2.0
 *
 * batch.c - one batch of store operations from what waits in the journal's lines.
 *
 * Called by journal.c when no batch is out. The lines are served in turn, so that none starves. A batch
 * is bounded in operations and event bytes; an arrival is never split (all of it or nothing of it), so one that is larger than a
 * whole batch brings its own room and goes alone. Rows copy numbers; strings, failures and events are pointed to and kept until the
 * completion.
 */
#include "core.h"
#include "arrival.h"
#include "lane.h"
#include "moves.h"
#include "target.h"

static struct tn_op *add_op(struct tn_journal *journal, enum tn_op_kind kind, struct tn_row_key key)
{
	struct tn_op *op = &journal->ops[journal->op_count++];
	*op = (struct tn_op){.kind = kind, .key = key};
	return op;
}

static void give_seq(struct tn_engine *engine, struct tn_delivery *delivery)
{
	if (delivery->event_seq != 0)
		return;
	struct tn_parcel *parcel = delivery->parcel;
	if (parcel->event_seq == 0)
		parcel->event_seq = engine->next_seq++;
	delivery->event_seq = parcel->event_seq;
}

static void fill_row(struct tn_engine *engine, struct tn_row *row, const struct tn_delivery *delivery, enum tn_row_wish wish)
{
	static const enum tn_row_state states[] = {[TN_WISH_OPEN] = TN_ROW_OPEN, [TN_WISH_TRIED] = TN_ROW_TRIED,
		[TN_WISH_PARKED] = TN_ROW_PARKED, [TN_WISH_DEAD] = TN_ROW_DEAD};
	*row = (struct tn_row){.key = {delivery->event_seq, delivery->route_no}, .state = states[wish], .id = delivery->id,
		.tries = delivery->tries, .rule = delivery->route->rule, .target = delivery->route->target,
		.target_no = delivery->route->target_no, .rule_revision = delivery->parcel->revision,
		.origin = delivery->parcel->origin, .last = delivery->last != NULL ? &delivery->last->outcome : NULL,
		.redrives = delivery->redrives, .hops = delivery->parcel->hops, .dedup_key = delivery->parcel->dedup_key};
	if (delivery->lane != NULL) {
		row->lane = delivery->lane->id;
		row->lane_seq = delivery->lane_seq;
	}
	if (wish == TN_WISH_DEAD) {
		row->blocks = delivery->blocks;
		row->dead_ms = engine->now_ms;
		row->queue = delivery->target->queue;
		row->condition = (enum tn_condition)delivery->condition;
	}
	if (TN_PLANT(10) && wish == TN_WISH_PARKED)
		row->tries.system = row->tries.function = 0;
}

/* Its row, as the store has it now, does not hold the event there. */
bool tn_batch_needs_event(const struct tn_delivery *delivery, enum tn_row_wish wish)
{
	if (TN_PLANT(16) && wish == TN_WISH_DEAD)
		return false;
	return (wish == TN_WISH_PARKED || wish == TN_WISH_DEAD) && delivery->row != TN_ROW_OPEN && delivery->row != TN_ROW_PARKED;
}

static void put_event(struct tn_journal *journal, struct tn_parcel *parcel, const struct tn_delivery *delivery)
{
	bool own = parcel->event_seq == delivery->event_seq;
	if (own && parcel->event_batch == journal->batch.number)
		return;
	if (own)
		parcel->event_batch = journal->batch.number;
	add_op(journal, TN_PUT_EVENT, (struct tn_row_key){.event_seq = delivery->event_seq})->event = parcel->event;
	journal->bytes += parcel->cost;
}

static void add_put(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_row_wish wish)
{
	struct tn_journal *journal = &engine->journal;
	give_seq(engine, delivery);
	if (tn_batch_needs_event(delivery, wish))
		put_event(journal, delivery->parcel, delivery);
	if (wish == TN_WISH_PARKED || wish == TN_WISH_DEAD)
		tn_park_enter_key(engine, delivery);
	struct tn_row *row = &journal->rows[journal->row_count++];
	fill_row(engine, row, delivery, wish);
	add_op(journal, TN_PUT_ROW, row->key)->row = row;
	if (delivery->last != NULL)
		journal->failures[journal->failure_count++] = tn_failure_ref(delivery->last);
}

static bool has_room(const struct tn_journal *journal, uint32_t ops)
{
	return journal->op_count + ops <= TN_BATCH_OPS && journal->bytes < TN_BATCH_BYTES;
}

static struct tn_link *first_of(const struct tn_engine *engine, enum tn_line line)
{
	const struct tn_journal *journal = &engine->journal;
	return journal->at_ms[line] > engine->now_ms ? NULL : tn_list_first(&journal->lines[line]);
}

static void took_from(struct tn_journal *journal, enum tn_line line)
{
	if (line > journal->highest)
		journal->highest = line;
}

/* The first of a line of deliveries. */
static bool take_delivery(struct tn_engine *engine, enum tn_line line)
{
	struct tn_journal *journal = &engine->journal;
	struct tn_link *link = first_of(engine, line);
	if (link == NULL || !has_room(journal, 2))
		return false;
	took_from(journal, line);
	tn_link_leave(link);
	struct tn_delivery *delivery = TN_OWNER(link, struct tn_delivery, link);
	enum tn_row_wish wish = delivery->want;
	journal->drop_count -= wish == TN_WISH_DROP;
	delivery->want = TN_WISH_NONE;
	delivery->sent = (uint8_t)wish;
	if (wish == TN_WISH_DROP)
		add_op(journal, TN_DROP_ROW, (struct tn_row_key){delivery->event_seq, delivery->route_no});
	else
		add_put(engine, delivery, wish);
	journal->members[journal->member_count++] = delivery;
	return true;
}

static void put_seen(struct tn_engine *engine, const struct tn_mark *mark, int64_t expires_ms)
{
	const struct tn_parcel *parcel = mark->parcel;
	add_op(&engine->journal, TN_PUT_SEEN, (struct tn_row_key){0})->seen = (struct tn_seen){.key = parcel->dedup_key,
		.fingerprint = mark->fingerprint, .event_seq = parcel->event_seq, .expires_ms = expires_ms};
}

static void add_arrival(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	struct tn_journal *journal = &engine->journal;
	took_from(journal, TN_LINE_INTAKE);
	tn_link_leave(&arrival->queue);
	tn_list_push(&journal->sent_arrivals, &arrival->queue);
	arrival->sent = true;
	for (uint32_t i = 0; i < arrival->count; i++) {
		struct tn_parcel *parcel = &arrival->parcels[i];
		if (parcel->deliveries->state == TN_STATE_NEW) /* a copy */
			continue;
		for (uint32_t j = 0; j < parcel->count; j++) {
			struct tn_delivery *delivery = &parcel->deliveries[j];
			give_seq(engine, delivery);
			put_event(journal, parcel, delivery);
			struct tn_row *row = &journal->rows[journal->row_count++];
			fill_row(engine, row, delivery, TN_WISH_OPEN);
			add_op(journal, TN_PUT_ROW, row->key)->row = row;
		}
		if (parcel->mark != NULL)
			put_seen(engine, parcel->mark, tn_dedup_expiry(engine, parcel->mark));
	}
}

static bool take_arrival(struct tn_engine *engine)
{
	struct tn_journal *journal = &engine->journal;
	struct tn_link *link = first_of(engine, TN_LINE_INTAKE);
	if (link == NULL)
		return false;
	struct tn_arrival_in_hand *arrival = TN_OWNER(link, struct tn_arrival_in_hand, queue);
	if (arrival->ops != NULL || !has_room(journal, arrival->op_count))
		return false;
	add_arrival(engine, arrival);
	return true;
}

/* The first key to be kept, or to be taken back. */
static bool take_mark(struct tn_engine *engine, struct tn_list *marks, enum tn_line line)
{
	struct tn_journal *journal = &engine->journal;
	struct tn_link *link = tn_list_first(marks);
	if (link == NULL || journal->at_ms[line] > engine->now_ms || !has_room(journal, 1))
		return false;
	struct tn_mark *mark = TN_OWNER(link, struct tn_mark, link);
	took_from(journal, line);
	tn_link_leave(link);
	tn_list_push(&journal->sent_marks, link);
	if (mark->state == TN_MARK_VOIDING) {
		add_op(journal, TN_DROP_SEEN, (struct tn_row_key){0})->seen.key = mark->parcel->dedup_key;
		return true;
	}
	journal->keep_count--;
	journal->strict_count -= mark->parcel->arrival->dedup.strict;
	put_seen(engine, mark, mark->expires_ms);
	return true;
}

/* One that brought its own room, when it is first in line and the batch is empty yet. */
static bool take_large_arrival(struct tn_engine *engine)
{
	struct tn_journal *journal = &engine->journal;
	struct tn_link *link = first_of(engine, TN_LINE_INTAKE);
	if (link == NULL)
		return false;
	struct tn_arrival_in_hand *arrival = TN_OWNER(link, struct tn_arrival_in_hand, queue);
	if (arrival->ops == NULL)
		return false;
	struct tn_op *ops = journal->ops;
	struct tn_row *rows = journal->rows;
	journal->ops = arrival->ops;
	journal->rows = arrival->rows;
	add_arrival(engine, arrival);
	journal->batch.ops = journal->ops;
	journal->ops = ops;
	journal->rows = rows;
	return true;
}

static void add_insert(struct tn_engine *engine, const struct tn_move_item *item)
{
	struct tn_journal *journal = &engine->journal;
	if (item->row->key.event_seq == 0)
		item->row->key = (struct tn_row_key){.event_seq = engine->next_seq++};
	add_op(journal, TN_PUT_EVENT, (struct tn_row_key){.event_seq = item->row->key.event_seq})->event = item->event;
	add_op(journal, TN_PUT_ROW, item->row->key)->row = item->row;
}

/* Once named, rows keep their keys: what is in doubt may have been written. */
static void name_resent(struct tn_engine *engine, const struct tn_move_item *item)
{
	uint64_t event_seq = item->row[0].key.event_seq > 0 ? item->row[0].key.event_seq : engine->next_seq++;
	for (uint32_t i = 0; i < item->row_count; i++) {
		struct tn_row *row = &item->row[i];
		row->key = (struct tn_row_key){event_seq, i};
		row->tries = (struct tn_tries){.accepted_ms = engine->now_ms, .not_before_ms = engine->now_ms};
		if (!tn_id_is_zero(&row->lane) && row->lane_seq == 0)
			row->lane_seq = tn_lane_next_seq(engine);
	}
}

static void put_resent(struct tn_journal *journal, const struct tn_move_item *item)
{
	add_op(journal, TN_PUT_EVENT, (struct tn_row_key){.event_seq = item->row[0].key.event_seq})->event =
	        item->event;
	for (uint32_t i = 0; i < item->row_count; i++)
		add_op(journal, TN_PUT_ROW, item->row[i].key)->row = &item->row[i];
}

static void add_resend(struct tn_engine *engine, const struct tn_move_item *item)
{
	struct tn_journal *journal = &engine->journal;
	bool copied = TN_PLANT(17) && item->row[0].key.event_seq > 0;
	name_resent(engine, item);
	if (!TN_PLANT(17) || !copied)
		put_resent(journal, item);
	if (!TN_PLANT(17) || copied)
		add_op(journal, TN_PURGE_ROW, item->key);
}

static void take_moves(struct tn_engine *engine)
{
	struct tn_journal *journal = &engine->journal;
	enum tn_line line = tn_moves_line(engine);
	static const enum tn_op_kind ops[] = {
		[TN_MOVE_REDRIVE] = TN_REDRIVE_ROW, [TN_MOVE_PURGE] = TN_PURGE_ROW, [TN_MOVE_RELEASE] = TN_RELEASE_ROW};
	if (!tn_moves_pending(engine) || journal->at_ms[line] > engine->now_ms)
		return;
	took_from(journal, line);
	uint32_t count = journal->move_count < journal->moves_at_once ? journal->move_count : journal->moves_at_once;
	for (uint32_t i = 0; i < count; i++) {
		const struct tn_move_item *item = &journal->moves[journal->move_first + i];
		if (journal->move == TN_MOVE_INSERT)
			add_insert(engine, item);
		else if (journal->move == TN_MOVE_RESEND)
			add_resend(engine, item);
		else
			add_op(journal, ops[journal->move], item->key);
	}
	if (TN_PLANT(17) && journal->move == TN_MOVE_RESEND && journal->ops[journal->op_count - 1].kind != TN_PURGE_ROW)
		return;
	journal->sent_moves = count;
	journal->move_count -= count;
}

static void fill(struct tn_engine *engine)
{
	struct tn_journal *journal = &engine->journal;
	if (take_large_arrival(engine))
		return;
	journal->batch.ops = journal->ops;
	while (take_mark(engine, &journal->voids, TN_LINE_DROPS)) /* before the rows that belong to them */
		;
	for (bool more = true; more;) {
		more = take_delivery(engine, TN_LINE_DROPS);
		more = take_mark(engine, &journal->keeps, TN_LINE_ROWS) || more;
		more = take_delivery(engine, TN_LINE_ROWS) || more;
		more = take_delivery(engine, TN_LINE_EVENTS) || more;
		more = take_arrival(engine) || more;
	}
	take_moves(engine);
}

bool tn_batch_build(struct tn_engine *engine)
{
	struct tn_journal *journal = &engine->journal;
	tn_moves_take_own(engine);
	bool heartbeat = !engine->draining && journal->at_ms[TN_LINE_DROPS] <= engine->now_ms &&
			 engine->now_ms - journal->last_ms >= TN_HEARTBEAT_MS;
	if ((tn_journal_idle(engine) || tn_journal_drops_rest(engine)) && !heartbeat)
		return false;
	journal->op_count = journal->row_count = journal->member_count = journal->failure_count = 0;
	journal->bytes = 0;
	journal->highest = TN_LINE_DROPS;
	journal->batch.number++;
	fill(engine);
	journal->batch.next_seq = engine->next_seq;
	journal->batch.now_ms = engine->now_ms;
	journal->batch.count = journal->op_count;
	if (journal->op_count > 0 || heartbeat)
		return true;
	journal->batch.number--;
	return false;
}
