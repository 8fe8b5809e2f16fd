/* SPDX-License-Identifier: Apache-2.0
 *
 * shelf.c - the store of a scenario: a sorted table of rows that outlives the engine, and answers as it is told.
 */
#include <stdio.h>
#include <string.h>

#include "scenario.h"

static uint32_t place_of(const struct scn_shelf *shelf, struct tn_row_key key)
{
	uint32_t place = 0;
	while (place < shelf->count && tn_row_key_compare(&shelf->rows[place].row.key, &key) < 0)
		place++;
	return place;
}

static struct scn_row *row_at(struct scn_shelf *shelf, struct tn_row_key key)
{
	uint32_t place = place_of(shelf, key);
	bool there = place < shelf->count && tn_row_key_compare(&shelf->rows[place].row.key, &key) == 0;
	return there ? &shelf->rows[place] : NULL;
}

static struct tn_event *bytes_in(const struct tn_batch *batch, uint64_t event_seq)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		if (batch->ops[i].kind == TN_PUT_EVENT && batch->ops[i].key.event_seq == event_seq)
			return batch->ops[i].event;
	}
	return NULL;
}

static struct tn_event *bytes_of(const struct scn_shelf *shelf, const struct tn_batch *batch, uint64_t event_seq)
{
	struct tn_event *bytes = bytes_in(batch, event_seq);
	for (uint32_t i = 0; i < shelf->count && bytes == NULL; i++) {
		if (shelf->rows[i].row.key.event_seq == event_seq)
			bytes = shelf->rows[i].bytes;
	}
	return bytes;
}

static void copy_row(struct scenario *scenario, struct scn_row *to, const struct tn_row *from)
{
	*to = (struct scn_row){.row = *from};
	scn_split_id(&from->id, &to->event, &to->pair);
	snprintf(to->origin, sizeof(to->origin), "%.*s", (int)from->origin.len, from->origin.bytes);
	to->row.rule = tn_str_from(scn_rule_name(scenario, to->pair));
	to->row.target = tn_str_from(to->pair < scenario->pair_count ? scn_target_name(scenario, from->target_no) : "poison");
	if (from->last == NULL)
		return;
	to->last = *from->last;
	to->last.code = scn_code(scenario, from->last->code);
	to->last.message = to->last.sample = to->last.sent_sha256 = (struct tn_str){0};
}

static void put(struct scenario *scenario, const struct tn_batch *batch, const struct tn_row *row)
{
	struct scn_shelf *shelf = &scenario->shelf;
	struct scn_row copy, *old = row_at(shelf, row->key);
	copy_row(scenario, &copy, row);
	struct tn_event *bytes = row->state == TN_ROW_TRIED ? NULL : bytes_of(shelf, batch, row->key.event_seq);
	if (bytes == NULL && row->state != TN_ROW_TRIED)
		scn_fail(scenario, "a row of %s is put without the event's bytes", scenario->events[copy.event].name);
	copy.bytes = bytes != NULL ? tn_event_ref(bytes) : NULL;
	if (old != NULL) {
		tn_event_unref(old->bytes);
		*old = copy;
		return;
	}
	if (shelf->count == SCN_ROWS) {
		tn_event_unref(copy.bytes);
		scn_fail(scenario, "more than %d rows", SCN_ROWS);
		return;
	}
	uint32_t place = place_of(shelf, row->key);
	memmove(&shelf->rows[place + 1], &shelf->rows[place], (shelf->count - place) * sizeof(copy));
	shelf->rows[place] = copy;
	shelf->count++;
}

static void drop(struct scn_shelf *shelf, struct scn_row *row)
{
	if (row == NULL)
		return;
	tn_event_unref(row->bytes);
	memmove(row, row + 1, (size_t)(shelf->rows + shelf->count - row - 1) * sizeof(*row));
	shelf->count--;
}

static void redrive(struct scn_row *row, int64_t now_ms)
{
	if (row == NULL || row->row.state != TN_ROW_DEAD)
		return;
	row->row.state = TN_ROW_PARKED;
	row->row.blocks = false;
	row->row.redrives++;
	row->row.tries = (struct tn_tries){.accepted_ms = now_ms, .not_before_ms = now_ms};
}

static void apply(struct scenario *scenario, const struct tn_batch *batch)
{
	struct scn_shelf *shelf = &scenario->shelf;
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct tn_op *op = &batch->ops[i];
		struct scn_row *row = row_at(shelf, op->key);
		switch (op->kind) {
		case TN_PUT_EVENT: /* comes with its rows */
		case TN_PUT_SEEN:
		case TN_DROP_SEEN:
			break;
		case TN_PUT_ROW:
			put(scenario, batch, op->row);
			break;
		case TN_DROP_ROW:
			drop(shelf, row);
			break;
		case TN_REDRIVE_ROW:
			redrive(row, batch->now_ms);
			break;
		case TN_RELEASE_ROW:
			if (row != NULL)
				row->row.blocks = false;
			break;
		case TN_PURGE_ROW:
			drop(shelf, row != NULL && row->row.state == TN_ROW_DEAD ? row : NULL);
			break;
		}
	}
	shelf->next_seq = batch->next_seq;
}

bool scn_shelf_commit(struct scenario *scenario, enum tn_commit commit, bool applied)
{
	const struct tn_batch *batch = scenario->shelf.batch;
	uint64_t number = batch->number;
	if (applied)
		apply(scenario, batch);
	scenario->shelf.batch = NULL;
	tn_engine_stored(scenario->engine, number, commit);
	return !scenario->failed;
}

/* --- Pages --- */

static bool comes_before(const struct tn_row *a, const struct tn_row *b)
{
	if (a->tries.not_before_ms != b->tries.not_before_ms)
		return a->tries.not_before_ms < b->tries.not_before_ms;
	return tn_row_key_compare(&a->key, &b->key) < 0;
}

/* Is row behind `after` in the order of the scan? */
static bool is_behind(const struct tn_scan *scan, const struct tn_row *row, const struct tn_row *after)
{
	switch (scan->order) {
	case TN_SCAN_BY_KEY:
		return tn_row_key_compare(&row->key, after != NULL ? &after->key : &scan->after) > 0;
	case TN_SCAN_LANE:
		return row->lane_seq > (after != NULL ? after->lane_seq : scan->after_lane_seq);
	case TN_SCAN_DUE:
		break;
	}
	struct tn_row from = {.key = scan->after, .tries.not_before_ms = scan->after_due_ms};
	if (after == NULL && scan->after_due_ms == INT64_MIN)
		return true;
	return comes_before(after != NULL ? after : &from, row);
}

static bool is_asked_for(const struct tn_scan *scan, const struct tn_row *row)
{
	if (row->state != scan->state || (scan->target_no != 0 && row->target_no != scan->target_no))
		return false;
	return scan->order != TN_SCAN_LANE || tn_id_equal(&row->lane, &scan->lane);
}

static const struct scn_row *next_row(const struct scn_shelf *shelf, const struct scn_row *after)
{
	const struct scn_row *best = NULL;
	for (uint32_t i = 0; i < shelf->count; i++) {
		const struct scn_row *row = &shelf->rows[i];
		if (!is_asked_for(shelf->scan, &row->row) || !is_behind(shelf->scan, &row->row, after != NULL ? &after->row : NULL))
			continue;
		if (best == NULL || is_behind(shelf->scan, &best->row, &row->row))
			best = row;
	}
	return best;
}

static void answer_scan(struct scenario *scenario)
{
	enum { PAGE_MAX = 256 };
	static struct tn_row rows[PAGE_MAX];
	static struct tn_event *events[PAGE_MAX];
	static const struct tn_route *routes[PAGE_MAX];
	struct scn_shelf *shelf = &scenario->shelf;
	const struct tn_scan *scan = shelf->scan;
	const struct scn_row *row = next_row(shelf, NULL);
	struct tn_page page = {.token = scan->token, .rows = rows, .events = events, .routes = routes, .failed = shelf->unreadable,
		.last = true, .next_due_ms = INT64_MAX};
	while (row != NULL && !page.failed) {
		bool due = scan->order != TN_SCAN_DUE || row->row.tries.not_before_ms <= scan->until_ms;
		if (!due || page.count == scan->max_rows || page.count == PAGE_MAX) {
			page.last = !due;
			page.next_due_ms = scan->order == TN_SCAN_DUE ? row->row.tries.not_before_ms : INT64_MAX;
			break;
		}
		const struct scn_route *route = scn_current_route(scenario, row->pair);
		rows[page.count] = row->row;
		rows[page.count].origin = tn_str_from(row->origin);
		rows[page.count].last = row->row.last != NULL ? &row->last : NULL;
		events[page.count] = row->bytes;
		routes[page.count++] = row->pair == SCN_PAIRS ? &scenario->poison : route != NULL ? &route->route : NULL;
		row = next_row(shelf, row);
	}
	shelf->scan = NULL;
	tn_engine_page(scenario->engine, &page);
}

/* --- By itself --- */

static bool frees_only(const struct tn_batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		if (batch->ops[i].kind != TN_DROP_ROW && batch->ops[i].kind != TN_PURGE_ROW)
			return false;
	}
	return true;
}

bool scn_shelf_step(struct scenario *scenario)
{
	struct scn_shelf *shelf = &scenario->shelf;
	if (shelf->batch != NULL && shelf->mode != SCN_STORE_WAITS) {
		bool fits = shelf->mode == SCN_STORE_WORKS || frees_only(shelf->batch);
		scn_shelf_commit(scenario, fits ? TN_COMMIT_OK : TN_COMMIT_REFUSED, fits);
		return true;
	}
	if (shelf->scan == NULL)
		return false;
	answer_scan(scenario);
	return true;
}

void scn_shelf_crash(struct scenario *scenario, bool applied)
{
	if (applied && scenario->shelf.batch != NULL)
		apply(scenario, scenario->shelf.batch);
	scenario->shelf.batch = NULL;
	scenario->shelf.scan = NULL;
}

void scn_shelf_clear(struct scenario *scenario)
{
	while (scenario->shelf.count > 0)
		drop(&scenario->shelf, &scenario->shelf.rows[0]);
}

const struct scn_row *scn_shelf_row(const struct scenario *scenario, uint32_t event, uint32_t target_no)
{
	const struct scn_row *found = NULL;
	for (uint32_t i = 0; i < scenario->shelf.count; i++) {
		const struct scn_row *row = &scenario->shelf.rows[i];
		if (row->event == event && (target_no == 0 || row->row.target_no == target_no))
			found = row; /* the newest: the largest key */
	}
	return found;
}

uint64_t scn_shelf_rows(const struct scenario *scenario, uint32_t target_no, enum tn_row_state state)
{
	uint64_t count = 0;
	for (uint32_t i = 0; i < scenario->shelf.count; i++)
		count += scenario->shelf.rows[i].row.state == state && scenario->shelf.rows[i].row.target_no == target_no;
	return count;
}
