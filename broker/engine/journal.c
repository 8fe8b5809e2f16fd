/* SPDX-License-Identifier: Apache-2.0
 *
 * journal.c - what is to be written, and what became of it. One batch at a time.
 *
 * Whoever needs a row changed says so (tn_journal_want); the wish waits in line while the batch before is being committed, so that
 * a batch gathers whatever came meanwhile: group commit without a timer. A wish not yet in a batch may be replaced or withdrawn.
 *
 *   OK        every wish in it is durable: tn_batch_confirm
 *   UNKNOWN   the same batch goes again after a pause, 100 ms doubling to 5 s; nothing it carries moves meanwhile
 *   REFUSED   the store is full: JOURNALED arrivals are answered UNAVAILABLE, what was being parked backs off, everything else
 *             waits in line again. The store judges a batch by what in it asks for most room, so the most demanding line it took
 *             from, and those above it, rest for a pause; the lines below go on at once. Drops make room.
 *
 * REFUSED after UNKNOWN speaks of the last try only: the first may have been applied. What it carried is doubtful then: a put is
 * repeated until it is OK, an arrival's rows are dropped again.
 */
#include "core.h"
#include "arrival.h"
#include "lane.h"
#include "moves.h"

enum tn_status tn_journal_init(struct tn_engine *engine)
{
	struct tn_journal *journal = &engine->journal;
	for (int line = 0; line < TN_LINES; line++)
		tn_list_init(&journal->lines[line]);
	tn_list_init(&journal->sent_arrivals);
	tn_list_init(&journal->sent_marks);
	tn_list_init(&journal->keeps);
	tn_list_init(&journal->voids);
	journal->moves_at_once = TN_MOVES_MAX;
	journal->moves = tn_budget_take_furniture(engine, TN_MOVES_MAX * sizeof(*journal->moves));
	journal->ops = tn_budget_take_furniture(engine, (TN_BATCH_OPS + TN_MOVES_OPS) * sizeof(*journal->ops));
	journal->rows = tn_budget_take_furniture(engine, TN_BATCH_OPS * sizeof(*journal->rows));
	journal->members = tn_budget_take_furniture(engine, TN_BATCH_OPS * sizeof(struct tn_delivery *));
	journal->failures = tn_budget_take_furniture(engine, TN_BATCH_OPS * sizeof(struct tn_failure *));
	journal->last_ms = engine->now_ms;
	bool all = journal->moves && journal->ops && journal->rows && journal->members && journal->failures;
	return all ? TN_OK : TN_NO_MEMORY;
}

void tn_journal_fini(struct tn_engine *engine)
{
	struct tn_journal *journal = &engine->journal;
	tn_budget_give_furniture(engine, journal->moves, TN_MOVES_MAX * sizeof(*journal->moves));
	tn_budget_give_furniture(engine, journal->ops, (TN_BATCH_OPS + TN_MOVES_OPS) * sizeof(*journal->ops));
	tn_budget_give_furniture(engine, journal->rows, TN_BATCH_OPS * sizeof(*journal->rows));
	tn_budget_give_furniture(engine, journal->members, TN_BATCH_OPS * sizeof(struct tn_delivery *));
	tn_budget_give_furniture(engine, journal->failures, TN_BATCH_OPS * sizeof(struct tn_failure *));
}

/* --- Wishes --- */

void tn_journal_forget(struct tn_engine *engine, struct tn_delivery *delivery)
{
	if (delivery->want == TN_WISH_NONE)
		return;
	tn_link_leave(&delivery->link);
	engine->journal.drop_count -= delivery->want == TN_WISH_DROP;
	engine->books.uncommitted -= delivery->want == TN_WISH_DROP;
	delivery->want = TN_WISH_NONE;
}

static enum tn_line line_of(const struct tn_delivery *delivery, enum tn_row_wish wish)
{
	if (wish == TN_WISH_DROP)
		return TN_LINE_DROPS;
	return tn_batch_needs_event(delivery, wish) ? TN_LINE_EVENTS : TN_LINE_ROWS;
}

void tn_journal_want(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_row_wish wish)
{
	tn_journal_forget(engine, delivery);
	assert(!tn_link_in_list(&delivery->link));
	struct tn_journal *journal = &engine->journal;
	delivery->want = (uint8_t)wish;
	engine->books.uncommitted += wish == TN_WISH_DROP;
	tn_list_push(&journal->lines[line_of(delivery, wish)], &delivery->link);
	if (wish == TN_WISH_DROP && journal->drop_count++ + journal->keep_count == 0)
		journal->drops_since_ms = engine->now_ms;
}

void tn_journal_keep(struct tn_engine *engine, struct tn_mark *mark)
{
	struct tn_journal *journal = &engine->journal;
	tn_list_push(&journal->keeps, &mark->link);
	journal->strict_count += mark->parcel->arrival->dedup.strict;
	if (journal->keep_count++ + journal->drop_count == 0)
		journal->drops_since_ms = engine->now_ms;
}

void tn_journal_void(struct tn_engine *engine, struct tn_mark *mark)
{
	tn_list_push(&engine->journal.voids, &mark->link);
}

bool tn_journal_refuses(const struct tn_engine *engine)
{
	return engine->journal.at_ms[TN_LINE_INTAKE] > engine->now_ms;
}

bool tn_journal_idle(const struct tn_engine *engine)
{
	const struct tn_journal *journal = &engine->journal;
	for (int line = 0; line < TN_LINES; line++) {
		if (!tn_list_empty(&journal->lines[line]))
			return false;
	}
	bool marks = !tn_list_empty(&journal->keeps) || !tn_list_empty(&journal->voids);
	return !journal->outstanding && journal->move_count == 0 && !marks;
}

/* What is in flight may still end; what a crash repeats is bounded by both. */
bool tn_journal_lags(const struct tn_engine *engine)
{
	return engine->books.uncommitted >= engine->config.max_uncommitted;
}

/* Nobody waits for a drop, nor for a key that is not strict, and one lost costs a duplicate at most; so they go along with other work
 * when some comes soon. */
bool tn_journal_drops_rest(const struct tn_engine *engine)
{
	const struct tn_journal *journal = &engine->journal;
	for (int line = TN_LINE_DROPS + 1; line < TN_LINES; line++) {
		if (!tn_list_empty(&journal->lines[line]))
			return false;
	}
	uint32_t count = journal->drop_count + journal->keep_count;
	bool urgent = journal->strict_count > 0 || !tn_list_empty(&journal->voids) || tn_journal_lags(engine);
	return count > 0 && count < TN_DROPS_WAITING && !urgent && journal->move_count == 0 && !engine->draining &&
		engine->now_ms < journal->drops_since_ms + TN_DROP_WAIT_MS;
}

/* --- What became of a batch --- */

static void confirm(struct tn_engine *engine, struct tn_delivery *delivery)
{
	static const uint8_t row_of[] = {[TN_WISH_OPEN] = TN_ROW_OPEN, [TN_WISH_TRIED] = TN_ROW_TRIED,
		[TN_WISH_PARKED] = TN_ROW_PARKED, [TN_WISH_DEAD] = TN_ROW_DEAD, [TN_WISH_DROP] = TN_ROW_NONE};
	enum tn_row_wish wish = delivery->sent;
	delivery->sent = TN_WISH_NONE;
	engine->books.uncommitted -= wish == TN_WISH_DROP;
	delivery->doubtful = false;
	int more_dead = (row_of[wish] == TN_ROW_DEAD) - (delivery->row == TN_ROW_DEAD);
	if (more_dead != 0)
		tn_moves_add_dead(engine, delivery->target, more_dead, tn_dead_letter_bytes(delivery->parcel->event));
	tn_delivery_set_row(engine, delivery, row_of[wish]);
	if (wish == TN_WISH_DROP)
		tn_park_leave_key(engine, delivery);
	else
		delivery->dirty = false;
	if (delivery->want == TN_WISH_NONE && wish == TN_WISH_PARKED && delivery->state == TN_STATE_PARKING) {
		tn_park_confirmed(engine, delivery);
	} else if (TN_PLANT(14) && wish == TN_WISH_DEAD && delivery->route->policy != NULL) {
		tn_delivery_make_pending(engine, delivery);
	} else if (delivery->want == TN_WISH_NONE && wish == TN_WISH_DEAD) {
		tn_delivery_end(engine, delivery, TN_STATE_DEAD);
	} else {
		tn_delivery_go_on_or_let_go(engine, delivery);
	}
}

/* To park it again at once: it was not what the store refused, or it may be parked already, or there is no other way out. */
static bool may_insist(const struct tn_engine *engine, const struct tn_delivery *delivery, enum tn_row_wish wish)
{
	return line_of(delivery, wish) < engine->journal.highest || delivery->doubtful || engine->draining;
}

static void park_refused(struct tn_engine *engine, struct tn_delivery *delivery, enum tn_row_wish wish)
{
	bool insists = may_insist(engine, delivery, wish);
	if (insists)
		tn_journal_want(engine, delivery, wish);
	tn_lane_unparked(engine, delivery, insists);
	if (!insists)
		tn_park_refused(engine, delivery);
}

static void refuse(struct tn_engine *engine, struct tn_delivery *delivery, bool doubtful)
{
	enum tn_row_wish wish = delivery->sent;
	delivery->sent = TN_WISH_NONE;
	engine->books.uncommitted -= wish == TN_WISH_DROP;
	delivery->doubtful = delivery->doubtful || (doubtful && wish != TN_WISH_DROP);
	if (delivery->want != TN_WISH_NONE)
		return; /* a newer wish stands in line already */
	if (wish == TN_WISH_DROP || wish == TN_WISH_DEAD || delivery->state == TN_STATE_BACKOFF)
		tn_journal_want(engine, delivery, wish);
	else if (delivery->state == TN_STATE_PARKING)
		park_refused(engine, delivery, wish);
	else
		tn_delivery_hold_or_let_go(engine, delivery);
}

static void finish_marks(struct tn_engine *engine, bool ok)
{
	bool insist = TN_LINE_ROWS < engine->journal.highest; /* it was not they that the store refused */
	struct tn_list marks;
	tn_list_init(&marks);
	tn_list_append(&marks, &engine->journal.sent_marks);
	struct tn_link *link;
	while ((link = tn_list_pop(&marks)) != NULL) {
		struct tn_mark *mark = TN_OWNER(link, struct tn_mark, link);
		if (!ok && insist && mark->state == TN_MARK_KEEPING)
			tn_journal_keep(engine, mark);
		else
			tn_dedup_stored(engine, mark, ok);
	}
}

static void finish(struct tn_engine *engine, bool ok)
{
	struct tn_journal *journal = &engine->journal;
	bool doubtful = journal->unknown;
	journal->outstanding = false;
	for (uint32_t i = 0; i < journal->failure_count; i++)
		tn_failure_unref(engine, journal->failures[i]);
	for (uint32_t i = 0; i < journal->member_count; i++) {
		if (ok)
			confirm(engine, journal->members[i]);
		else
			refuse(engine, journal->members[i], doubtful);
	}
	finish_marks(engine, ok);
	struct tn_list arrivals;
	tn_list_init(&arrivals);
	tn_list_append(&arrivals, &journal->sent_arrivals);
	struct tn_link *link;
	while ((link = tn_list_pop(&arrivals)) != NULL) {
		struct tn_arrival_in_hand *arrival = TN_OWNER(link, struct tn_arrival_in_hand, queue);
		arrival->sent = false;
		if (ok)
			tn_arrival_journaled(engine, arrival);
		else
			tn_arrival_refused(engine, arrival, doubtful);
	}
	tn_moves_finish(engine, ok, doubtful);
}

static int64_t longer(int64_t pause_ms)
{
	return pause_ms == 0 ? TN_COMMIT_MIN_MS : tn_time_min(pause_ms * 2, TN_COMMIT_MAX_MS);
}

static void refused(struct tn_engine *engine)
{
	struct tn_journal *journal = &engine->journal;
	int64_t *pause_ms = &journal->pause_ms[journal->highest];
	engine->books.commit_refused++;
	tn_books_note_target(engine, TN_NOTE_COMMIT_REFUSED, NULL, "COMMIT_REFUSED", 0);
	*pause_ms = longer(*pause_ms);
	for (int line = (int)journal->highest; line < TN_LINES; line++)
		journal->at_ms[line] = tn_time_max(journal->at_ms[line], engine->now_ms + *pause_ms);
	finish(engine, false);
}

static void unknown(struct tn_engine *engine)
{
	struct tn_journal *journal = &engine->journal;
	engine->books.commit_unknown++;
	tn_books_note_target(engine, TN_NOTE_COMMIT_UNKNOWN, NULL, "COMMIT_UNKNOWN", 0);
	journal->unknown = true;
	journal->unknown_pause_ms = longer(journal->unknown_pause_ms);
	journal->again_ms = engine->now_ms + journal->unknown_pause_ms;
}

void tn_engine_stored(struct tn_engine *engine, uint64_t batch, enum tn_commit commit)
{
	struct tn_journal *journal = &engine->journal;
	if (!journal->outstanding || journal->submit || batch != journal->batch.number)
		return;
	if (TN_PLANT(22) && commit == TN_COMMIT_UNKNOWN)
		commit = TN_COMMIT_REFUSED;
	if (TN_PLANT(23) && commit == TN_COMMIT_UNKNOWN)
		commit = TN_COMMIT_OK;
	switch (commit) {
	case TN_COMMIT_OK:
		journal->unknown_pause_ms = journal->pause_ms[journal->highest] = 0;
		journal->last_ms = journal->batch.now_ms;
		finish(engine, true);
		break;
	case TN_COMMIT_REFUSED:
		refused(engine);
		break;
	case TN_COMMIT_UNKNOWN:
		unknown(engine);
		break;
	}
}

/* --- Time and commands --- */

void tn_journal_tick(struct tn_engine *engine)
{
	struct tn_journal *journal = &engine->journal;
	if (journal->outstanding && journal->again_ms <= engine->now_ms) {
		journal->again_ms = INT64_MAX;
		journal->submit = true;
	}
}

int64_t tn_journal_deadline(const struct tn_engine *engine)
{
	const struct tn_journal *journal = &engine->journal;
	if (journal->outstanding)
		return journal->again_ms;
	int64_t deadline_ms = INT64_MAX;
	if (!engine->draining)
		deadline_ms = tn_time_max(journal->last_ms + TN_HEARTBEAT_MS, journal->at_ms[TN_LINE_DROPS]);
	for (int line = 0; line < TN_LINES; line++) {
		bool waits = !tn_list_empty(&journal->lines[line]) || (line == (int)tn_moves_line(engine) && tn_moves_pending(engine));
		int64_t at_ms = journal->at_ms[line];
		if (line == TN_LINE_DROPS && tn_journal_drops_rest(engine))
			at_ms = tn_time_max(at_ms, journal->drops_since_ms + TN_DROP_WAIT_MS);
		if (waits)
			deadline_ms = tn_time_min(deadline_ms, at_ms);
	}
	if (!tn_list_empty(&journal->voids))
		deadline_ms = tn_time_min(deadline_ms, journal->at_ms[TN_LINE_DROPS]);
	int64_t rest_ms = tn_journal_drops_rest(engine) ? journal->drops_since_ms + TN_DROP_WAIT_MS : INT64_MIN;
	if (!tn_list_empty(&journal->keeps))
		deadline_ms = tn_time_min(deadline_ms, tn_time_max(journal->at_ms[TN_LINE_ROWS], rest_ms));
	return deadline_ms;
}

bool tn_journal_next(struct tn_engine *engine, struct tn_command *out_command)
{
	struct tn_journal *journal = &engine->journal;
	if (!journal->outstanding && tn_batch_build(engine)) {
		journal->outstanding = journal->submit = true;
		journal->unknown = false;
		journal->again_ms = INT64_MAX;
	}
	if (!journal->submit)
		return false;
	journal->submit = false;
	*out_command = (struct tn_command){.kind = TN_STORE, .token = journal->batch.number, .batch = &journal->batch};
	return true;
}
