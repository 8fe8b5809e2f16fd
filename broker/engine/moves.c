/* SPDX-License-Identifier: Apache-2.0
 *
 * moves.c - dead letters in the store: what an operator does to them, and how many each target may have.
 *
 * Called by the loop with rows it has read, by journal.c with what became of them. One call's moves at a time: all of them or none, in one
 * batch. A store without room for that may have room for less, and a move may be what makes room: so a refused batch goes again as an
 * eighth of it, and once a part is durable, the rest is tried until it is, too. A move says nothing of what it found: the store leaves alone what is no longer DEAD. That the books may believe it all the
 * same rests on this: a DEAD row leaves that state by a move only, and moves are taken only when none is under way and none has ended
 * since the caller began to read (as_of). Dead letters that a batch in doubt may hold are known by key, and not moved.
 *
 *   tn_engine_move --> waits --> in a batch --OK-------> books, MOVED {moved: all}
 *                        ^            |-------REFUSED: fewer at once; a single one: MOVED {moved: 0}
 *                        '--REFUSED after UNKNOWN: rows may be moved already that no book knows of: again until OK
 */
#include "core.h"
#include "lane.h"
#include "moves.h"
#include "target.h"

/* May it go to where it is to go? */
static bool has_targets(const struct tn_engine *engine, enum tn_move move, const struct tn_move_item *item)
{
	if (move == TN_MOVE_REDRIVE)
		return !tn_target_find(engine, item->target_no)->limits.removed;
	for (uint32_t i = 0; move == TN_MOVE_RESEND && i < item->row_count; i++) {
		if (tn_target_find(engine, item->row[i].target_no)->limits.removed)
			return false;
	}
	return true;
}

static bool is_too_large(const struct tn_moves *moves)
{
	uint64_t ops = 0;
	for (uint32_t i = 0; moves->count <= TN_MOVES_MAX && moves->move == TN_MOVE_RESEND && i < moves->count; i++)
		ops += 2 + moves->items[i].row_count;
	return moves->count == 0 || moves->count > TN_MOVES_MAX || ops > TN_MOVES_OPS;
}

enum tn_status tn_engine_move(struct tn_engine *engine, const struct tn_moves *moves)
{
	struct tn_journal *journal = &engine->journal;
	uint64_t ended;
	if (engine->draining)
		return TN_CLOSED;
	if (is_too_large(moves))
		return TN_TOO_LARGE;
	if (!tn_engine_moves_ended(engine, &ended) || (moves->move != TN_MOVE_INSERT && moves->as_of != ended))
		return TN_FULL;
	for (uint32_t i = 0; i < moves->count && moves->move != TN_MOVE_INSERT; i++) {
		if (!has_targets(engine, moves->move, &moves->items[i]))
			return TN_NOT_FOUND;
		if (tn_park_find(engine, moves->items[i].key) != NULL)
			return TN_FULL; /* read from a commit whose outcome is not known here yet */
	}
	memcpy(journal->moves, moves->items, moves->count * sizeof(*moves->items));
	journal->move = moves->move;
	journal->moves_own = false;
	journal->move_token = moves->token;
	journal->move_first = 0;
	journal->move_count = moves->count;
	return TN_OK;
}

/* A drained engine leaves them to the next run, which finds them. */
void tn_moves_take_own(struct tn_engine *engine)
{
	struct tn_journal *journal = &engine->journal;
	uint64_t ended;
	if (tn_list_empty(&engine->lanes_released) || engine->draining || !tn_engine_moves_ended(engine, &ended))
		return;
	journal->moves_own = true;
	journal->move = TN_MOVE_RELEASE;
	journal->move_first = 0;
	journal->move_count = tn_lane_fill_releases(engine, journal->moves, TN_MOVES_MAX);
}

bool tn_engine_moves_ended(const struct tn_engine *engine, uint64_t *out_ended)
{
	const struct tn_journal *journal = &engine->journal;
	*out_ended = journal->moves_ended;
	return journal->move_count == 0 && journal->sent_moves == 0 && !journal->moved_owed;
}

static bool parks(enum tn_move move)
{
	return move == TN_MOVE_REDRIVE || move == TN_MOVE_RESEND;
}

/* Redrives wait while a page of PARKED rows is on its way: it may show a row before or after the move, and nobody could tell. So do all
 * moves while a page of dead letters is. */
bool tn_moves_pending(const struct tn_engine *engine)
{
	bool waits = tn_scan_sees_parked(engine) && parks(engine->journal.move);
	bool blocks = engine->reader.outstanding && engine->reader.use == TN_SCAN_FOR_BLOCKS;
	return engine->journal.move_count > 0 && !waits && !blocks;
}

enum tn_line tn_moves_line(const struct tn_engine *engine)
{
	static const uint8_t lines[] = {[TN_MOVE_REDRIVE] = TN_LINE_ROWS,
	        [TN_MOVE_PURGE] = TN_LINE_DROPS,
	        [TN_MOVE_INSERT] = TN_LINE_EVENTS,
	        [TN_MOVE_RELEASE] = TN_LINE_ROWS,
	        [TN_MOVE_RESEND] = TN_LINE_EVENTS};
	return lines[engine->journal.move];
}

static void confirm_redriven(struct tn_engine *engine, struct tn_target *target, uint64_t bytes)
{
	engine->books.redriven++;
	engine->books.parked++;
	target->redriven++;
	target->parked++;
	target->park_rows++;
	target->park_bytes += bytes;
	tn_scan_row_parked(engine, target, engine->journal.batch.now_ms);
}

/* The row that took the place of one that blocked its lane comes first in it again; one that goes elsewhere, or behind,
 * only sets it free. */
static void confirm_resent(struct tn_engine *engine, const struct tn_move_item *item)
{
	bool comes_first = false;
	for (uint32_t i = 0; i < item->row_count; i++) {
		comes_first |= tn_lane_is_blocked_at(engine, item->key, &item->row[i]);
		confirm_redriven(engine, tn_target_find(engine, item->row[i].target_no), item->bytes);
	}
	tn_lane_unblock(engine, item->key, comes_first, engine->journal.batch.now_ms);
}

static void confirm_sent(struct tn_engine *engine)
{
	struct tn_journal *journal = &engine->journal;
	if (journal->moves_own) {
		tn_lane_releases_stored(engine, journal->sent_moves);
		return;
	}
	for (uint32_t i = 0; i < journal->sent_moves; i++) {
		const struct tn_move_item *item = &journal->moves[journal->move_first + i];
		struct tn_target *target = tn_target_find(engine, item->target_no);
		if (journal->move != TN_MOVE_RELEASE)
			tn_moves_add_dead(engine, target, journal->move == TN_MOVE_INSERT ? 1 : -1, item->bytes);
		if (journal->move == TN_MOVE_RESEND)
			confirm_resent(engine, item);
		else if (journal->move != TN_MOVE_INSERT)
			tn_lane_unblock(engine, item->key, journal->move == TN_MOVE_REDRIVE, journal->batch.now_ms);
		if (journal->move == TN_MOVE_REDRIVE)
			confirm_redriven(engine, target, item->bytes);
	}
}

static void end(struct tn_journal *journal)
{
	journal->moved = journal->move_first;
	journal->moved_owed = !journal->moves_own;
	journal->moves_ended++;
	journal->move_count = 0;
	journal->moves_doubtful = false;
}

static void refused(struct tn_journal *journal, bool doubtful)
{
	journal->moves_doubtful = journal->moves_doubtful || doubtful;
	if (journal->sent_moves == 1 && journal->move_first == 0 && !journal->moves_doubtful) {
		end(journal);
		return;
	}
	journal->move_count += journal->sent_moves;
	journal->moves_at_once = (journal->sent_moves + 7) / 8;
}

void tn_moves_finish(struct tn_engine *engine, bool ok, bool doubtful)
{
	struct tn_journal *journal = &engine->journal;
	if (journal->sent_moves == 0)
		return;
	if (ok) {
		confirm_sent(engine);
		journal->move_first += journal->sent_moves;
		journal->moves_at_once = journal->moves_at_once < TN_MOVES_MAX / 2 ? journal->moves_at_once * 2 : TN_MOVES_MAX;
		if (journal->move_count == 0)
			end(journal);
	} else {
		refused(journal, doubtful);
	}
	journal->sent_moves = 0;
}

bool tn_moves_next(struct tn_engine *engine, struct tn_command *out_command)
{
	struct tn_journal *journal = &engine->journal;
	if (!journal->moved_owed)
		return false;
	journal->moved_owed = false;
	*out_command = (struct tn_command){.kind = TN_MOVED, .token = journal->move_token, .moved = journal->moved};
	return true;
}

/* --- How many a target may have --- */

void tn_moves_check_full(struct tn_engine *engine, struct tn_target *target)
{
	const struct tn_target_limits *limits = &target->limits;
	bool full = limits->dead_max_bytes > 0 && limits->dead_overflow == TN_DEAD_STOP && target->dead_bytes >= limits->dead_max_bytes;
	if (full == target->dead_full)
		return;
	target->dead_full = full;
	if (full)
		tn_books_note_target(engine, TN_NOTE_DEAD_FULL, target, "DEAD_LETTERS_FULL", 0);
	tn_target_update(engine, target);
}

void tn_moves_add_dead(struct tn_engine *engine, struct tn_target *target, int change, uint64_t bytes)
{
	if (change > 0) {
		target->dead_rows++;
		target->dead_bytes += bytes;
	} else {
		target->dead_rows -= target->dead_rows > 0;
		target->dead_bytes = target->dead_rows > 0 && target->dead_bytes > bytes ? target->dead_bytes - bytes : 0;
	}
	tn_moves_check_full(engine, target);
}

void tn_moves_first_result(struct tn_engine *engine, const struct tn_delivery *delivery, bool delivered)
{
	if (delivery->redrives == 0 || delivery->tries.system + delivery->tries.function > 0)
		return;
	engine->books.redrive_delivered += delivered;
	engine->books.redrive_failed += !delivered;
	delivery->target->redrive_delivered += delivered;
	delivery->target->redrive_failed += !delivered;
}

/* --- Names of queues --- */

struct tn_str tn_moves_queue_name(struct tn_engine *engine, struct tn_str name)
{
	if (name.len == 0)
		return (struct tn_str){"", 0};
	for (struct tn_queue_name *queue = engine->queues; queue != NULL; queue = queue->next) {
		if (tn_str_equal((struct tn_str){queue->text, queue->len}, name))
			return (struct tn_str){queue->text, queue->len};
	}
	struct tn_queue_name *queue = tn_budget_take_furniture(engine, sizeof(*queue) + name.len);
	if (queue == NULL)
		return (struct tn_str){NULL, 0};
	*queue = (struct tn_queue_name){.next = engine->queues, .len = name.len};
	memcpy(queue->text, name.bytes, name.len);
	engine->queues = queue;
	return (struct tn_str){queue->text, queue->len};
}

void tn_moves_fini(struct tn_engine *engine)
{
	while (engine->queues != NULL) {
		struct tn_queue_name *queue = engine->queues;
		engine->queues = queue->next;
		tn_budget_give_furniture(engine, queue, sizeof(*queue) + queue->len);
	}
}
