/* SPDX-License-Identifier: Apache-2.0
 *
 * disk.c - a store that keeps rows in memory and does with a batch what it was drawn to do: OK, REFUSED, UNKNOWN and applied, UNKNOWN
 * and lost; at once or later. Applying and answering are two steps, and so are reading a page and handing it over, so that either may
 * overtake the other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

/* --- Rows --- */

static uint32_t place_of(const struct sim_disk *disk, struct tn_row_key key)
{
	uint32_t low = 0, high = disk->count;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (tn_row_key_compare(&disk->rows[middle].key, &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct sim_row *row_at(struct sim_disk *disk, struct tn_row_key key)
{
	uint32_t place = place_of(disk, key);
	return place < disk->count && tn_row_key_compare(&disk->rows[place].key, &key) == 0 ? &disk->rows[place] : NULL;
}

struct sim_row *sim_find_row(struct world *world, uint32_t event, uint32_t match)
{
	struct tn_id id = sim_id(event, match);
	struct sim_row *found = NULL;
	for (uint32_t i = 0; i < world->disk.count; i++) {
		struct sim_row *row = &world->disk.rows[i];
		if (tn_id_equal(&row->id, &id) && (found == NULL || found->state == TN_ROW_TRIED))
			found = row;
	}
	return found;
}

uint64_t sim_parked_rows(const struct world *world, uint32_t target_no, uint64_t *out_bytes)
{
	uint64_t count = 0;
	*out_bytes = 0;
	for (uint32_t i = 0; i < world->disk.count; i++) {
		const struct sim_row *row = &world->disk.rows[i];
		bool counts = row->state == TN_ROW_PARKED && row->target_no == target_no;
		count += counts;
		*out_bytes += counts ? tn_store_row_bytes(row->event) : 0;
	}
	return count;
}

uint64_t sim_dead_bytes(const struct world *world, uint32_t target_no, uint64_t *out_rows)
{
	uint64_t bytes = 0;
	*out_rows = 0;
	for (uint32_t i = 0; i < world->disk.count; i++) {
		const struct sim_row *row = &world->disk.rows[i];
		if (row->state != TN_ROW_DEAD || row->target_no != target_no || !row->dead_confirmed)
			continue;
		bytes += tn_dead_letter_bytes(row->event);
		++*out_rows;
	}
	return bytes;
}

/* --- Applying a batch --- */

static bool has_rows(const struct sim_disk *disk, uint64_t event_seq)
{
	uint32_t place = place_of(disk, (struct tn_row_key){event_seq, 0});
	return place < disk->count && disk->rows[place].key.event_seq == event_seq;
}

static struct tn_event *bytes_of(const struct sim_disk *disk, uint64_t event_seq)
{
	for (uint32_t i = 0; i < disk->staged_count; i++) {
		if (disk->staged_seq[i] == event_seq)
			return disk->staged[i];
	}
	for (uint32_t i = place_of(disk, (struct tn_row_key){event_seq, 0}); i < disk->count; i++) {
		if (disk->rows[i].key.event_seq != event_seq)
			break;
		if (disk->rows[i].event != NULL)
			return disk->rows[i].event;
	}
	return NULL;
}

static void say_row(struct world *world, const struct sim_row *row, uint32_t state)
{
	uint32_t event, match;
	sim_split_id(&row->id, &event, &match);
	sim_say(world, SIM_ROW, state, (int64_t)event * 10 + match, row->tries.not_before_ms);
}

static void drop(struct world *world, struct tn_row_key key)
{
	struct sim_disk *disk = &world->disk;
	struct sim_row *row = row_at(disk, key);
	if (row == NULL)
		return;
	struct sim_row gone = *row;
	size_t behind = disk->count - 1 - (uint32_t)(row - disk->rows);
	memmove(row, row + 1, behind * sizeof(*row));
	disk->count--;
	for (uint32_t i = 0; i < disk->staged_count && !has_rows(disk, key.event_seq); i++) {
		if (disk->staged_seq[i] == key.event_seq)
			disk->staged_seq[i] = 0; /* the bytes go with the last row */
	}
	say_row(world, &gone, 0);
	sim_check_row_gone(world, &gone);
	tn_event_unref(gone.event);
}

static uint32_t route_named(const struct world *world, struct tn_str rule, struct tn_str target)
{
	if (rule.bytes[1] == 'p')
		return ROUTES_MAX;
	for (uint32_t i = 0; i < world->route_count; i++) {
		if (rule.bytes[1] == (char)('0' + world->routes[i].rule) && target.bytes[1] == (char)('0' + world->routes[i].target_no))
			return i;
	}
	return ROUTES_MAX;
}

static void fill_row(struct world *world, struct sim_row *to, const struct tn_row *from)
{
	*to = (struct sim_row){.key = from->key, .state = from->state, .id = from->id, .tries = from->tries, .lane = from->lane,
		.lane_seq = from->lane_seq, .blocks = from->blocks,
		.target_no = from->target_no, .redrives = from->redrives, .condition = from->condition,
		.route = route_named(world, from->rule, from->target), .has_last = from->last != NULL};
	if (from->last != NULL) {
		to->last_verdict = from->last->verdict;
		strncpy(to->code, from->last->code, CODE_SIZE - 1);
	}
	memcpy(to->origin, from->origin.bytes, from->origin.len);
	const char *dot = strchr(to->origin, '.');
	to->instance = dot != NULL ? (uint32_t)strtoul(dot + 1, NULL, 10) : 0;
	struct tn_event *bytes = from->state == TN_ROW_TRIED ? NULL : bytes_of(&world->disk, from->key.event_seq);
	if (from->state != TN_ROW_TRIED && bytes == NULL)
		sim_fail(world, "a row was put without its event's bytes");
	to->event = bytes != NULL ? tn_event_ref(bytes) : NULL;
}

static void begin_life(struct world *world, const struct tn_id *id)
{
	uint32_t event, match;
	sim_split_id(id, &event, &match);
	struct sim_entry *entry = &world->events[event].entries[match];
	entry->attempts = entry->failures = entry->dead_instance = entry->failed_instance = 0;
	entry->purged = false;
}

/* Of one that was sent again under a new key, in place of a dead letter. */
static const struct sim_row *find_successor(const struct sim_disk *disk, const struct sim_row *letter)
{
	for (uint32_t i = 0; i < disk->count; i++) {
		const struct sim_row *row = &disk->rows[i];
		if (row->letter.event_seq > 0 && tn_row_key_compare(&row->letter, &letter->key) == 0)
			return row;
	}
	return NULL;
}

/* Whose place it takes. */
static struct tn_row_key letter_of(const struct sim_disk *disk, struct tn_row_key key)
{
	for (uint32_t i = 0; i < disk->resent_count; i++) {
		if (disk->resent[i][0].key.event_seq == key.event_seq)
			return disk->moving[i].key;
	}
	return (struct tn_row_key){0};
}

static void put(struct world *world, const struct tn_row *row)
{
	struct sim_disk *disk = &world->disk;
	struct sim_row new_row, *old = row_at(disk, row->key);
	fill_row(world, &new_row, row);
	say_row(world, &new_row, new_row.state);
	sim_check_row_put(world, old, &new_row);
	new_row.letter = old != NULL ? old->letter : letter_of(disk, row->key);
	if (old != NULL) {
		new_row.confirmed = old->confirmed && old->state != TN_ROW_TRIED;
		tn_event_unref(old->event);
		*old = new_row;
		return;
	}
	if (disk->count == ROWS_MAX) {
		sim_fail(world, "more than %d rows", ROWS_MAX);
		tn_event_unref(new_row.event);
		return;
	}
	if (new_row.redrives > 0 && new_row.state == TN_ROW_PARKED) {
		begin_life(world, &new_row.id);
		new_row.confirmed = true; /* by its letter, should this transaction come to nothing */
	}
	uint32_t place = place_of(disk, row->key);
	memmove(&disk->rows[place + 1], &disk->rows[place], (disk->count - place) * sizeof(new_row));
	disk->rows[place] = new_row;
	disk->count++;
}

static void redrive(struct world *world, struct tn_row_key key)
{
	struct sim_row *row = row_at(&world->disk, key);
	if (row == NULL || row->state != TN_ROW_DEAD)
		return;
	begin_life(world, &row->id);
	row->state = TN_ROW_PARKED;
	row->blocks = false;
	row->redrives++;
	row->tries = (struct tn_tries){.accepted_ms = world->disk.batch->now_ms, .not_before_ms = world->disk.batch->now_ms};
}

static void release(struct world *world, struct tn_row_key key)
{
	struct sim_row *row = row_at(&world->disk, key);
	if (row != NULL && row->state == TN_ROW_DEAD)
		row->blocks = false;
}

static void purge(struct world *world, struct tn_row_key key)
{
	struct sim_row *row = row_at(&world->disk, key);
	if (row == NULL || row->state != TN_ROW_DEAD)
		return;
	uint32_t event, match;
	sim_split_id(&row->id, &event, &match);
	world->events[event].entries[match].purged = find_successor(&world->disk, row) == NULL;
	drop(world, key);
}

/* After each transaction: a dead letter, or what was sent in its place, never both. */
static void check_successors(struct world *world)
{
	for (uint32_t i = 0; i < world->disk.count; i++) {
		const struct sim_row *row = &world->disk.rows[i];
		if (row->state == TN_ROW_DEAD && find_successor(&world->disk, row) != NULL)
			sim_fail(world, "a dead letter is still there, and what was sent in its place too");
	}
}

static void apply(struct world *world)
{
	struct sim_disk *disk = &world->disk;
	const struct tn_batch *batch = disk->batch;
	disk->staged_count = 0;
	for (uint32_t i = 0; i < batch->count && !world->failed; i++) {
		const struct tn_op *op = &batch->ops[i];
		switch (op->kind) {
		case TN_PUT_EVENT:
			disk->staged[disk->staged_count] = op->event;
			disk->staged_seq[disk->staged_count++] = op->key.event_seq;
			break;
		case TN_PUT_ROW:
			put(world, op->row);
			break;
		case TN_DROP_ROW:
			drop(world, op->key);
			break;
		case TN_REDRIVE_ROW:
			redrive(world, op->key);
			break;
		case TN_RELEASE_ROW:
			release(world, op->key);
			break;
		case TN_PURGE_ROW:
			purge(world, op->key);
			break;
		case TN_PUT_SEEN:
			sim_put_seen(world, &op->seen);
			break;
		case TN_DROP_SEEN:
			sim_drop_seen(world, &op->seen.key);
			break;
		}
	}
	check_successors(world);
	disk->next_seq = batch->next_seq;
	disk->engine_ms = batch->now_ms;
	disk->applied = true;
	sim_say(world, SIM_APPLIED, batch->count & 0xff, (int64_t)batch->number, batch->count);
}

static void confirm_rows(struct world *world)
{
	const struct tn_batch *batch = world->disk.batch;
	for (uint32_t i = 0; i < batch->count; i++) {
		struct sim_row *row = batch->ops[i].kind == TN_PUT_ROW ? row_at(&world->disk, batch->ops[i].row->key) : NULL;
		if (row != NULL)
			row->confirmed = row->dead_confirmed = true;
	}
}

/* --- Batches --- */

static bool asks_for_room(const struct tn_batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		if (batch->ops[i].kind == TN_PUT_EVENT || batch->ops[i].kind == TN_PUT_ROW || batch->ops[i].kind == TN_PUT_SEEN)
			return true;
	}
	return false;
}

static void draw_fate(struct world *world)
{
	struct sim_disk *disk = &world->disk;
	disk->fate = TN_COMMIT_OK;
	disk->lost = false;
	if (sim_has(world, FAULT_STORE_FULL) && sim_chance(world, asks_for_room(disk->batch) ? 35 : 3))
		disk->fate = TN_COMMIT_REFUSED;
	if (sim_has(world, FAULT_STORE_UNKNOWN) && sim_chance(world, 20)) {
		disk->fate = TN_COMMIT_UNKNOWN;
		disk->lost = sim_chance(world, 50);
	}
	disk->batch_ready_ms = world->now_ms + (sim_has(world, FAULT_STORE_SLOW) ? sim_upto(world, 4000) : sim_upto(world, 5));
}

void sim_stored(struct world *world, const struct tn_command *command)
{
	struct sim_disk *disk = &world->disk;
	const struct tn_batch *batch = command->batch;
	uint64_t hash = sim_hash_batch(batch);
	if (disk->batch != NULL)
		sim_fail(world, "a second batch while one is out");
	if (batch->number == disk->last_number && (!disk->last_unknown || hash != disk->last_hash))
		sim_fail(world, "batch %llu came again, and was not unknown or not the same", (unsigned long long)batch->number);
	if (batch->number != disk->last_number && (batch->number != disk->last_number + 1 || disk->last_unknown))
		sim_fail(world, "batch %llu after %llu", (unsigned long long)batch->number, (unsigned long long)disk->last_number);
	disk->batch = batch;
	disk->batch_hash = disk->last_hash = hash;
	disk->last_number = batch->number;
	disk->applied = false;
	draw_fate(world);
}

static bool wants_applying(const struct sim_disk *disk)
{
	return !disk->applied && disk->fate != TN_COMMIT_REFUSED && !disk->lost;
}

static void complete(struct world *world)
{
	struct sim_disk *disk = &world->disk;
	uint64_t number = disk->batch->number;
	if (sim_hash_batch(disk->batch) != disk->batch_hash)
		sim_fail(world, "what a STORE pointed to changed before its completion");
	if (disk->fate == TN_COMMIT_OK)
		confirm_rows(world);
	if (disk->fate == TN_COMMIT_REFUSED)
		sim_seen_refused(world, disk->batch);
	disk->last_unknown = disk->fate == TN_COMMIT_UNKNOWN;
	disk->batch = NULL;
	sim_say(world, SIM_STORED, disk->fate, (int64_t)number, disk->lost);
	tn_engine_stored(world->engine, number, disk->fate);
}

/* --- Pages --- */

void sim_scanned(struct world *world, const struct tn_command *command)
{
	if (world->disk.scan != NULL)
		sim_fail(world, "a second scan while one is out");
	world->disk.scan = command->scan;
	world->disk.scan_copy = *command->scan;
	world->disk.page_read = false;
}

static bool is_before(const struct sim_row *a, const struct sim_row *b, enum tn_scan_order order)
{
	if (order == TN_SCAN_LANE)
		return a->lane_seq < b->lane_seq;
	if (a->tries.not_before_ms != b->tries.not_before_ms)
		return a->tries.not_before_ms < b->tries.not_before_ms;
	return tn_row_key_compare(&a->key, &b->key) < 0;
}

static bool is_asked_for(const struct tn_scan *scan, const struct sim_row *row)
{
	if (row->state != scan->state || (scan->target_no != 0 && row->target_no != scan->target_no))
		return false;
	if (scan->order == TN_SCAN_BY_KEY)
		return tn_row_key_compare(&row->key, &scan->after) > 0;
	if (scan->order == TN_SCAN_LANE)
		return tn_id_equal(&row->lane, &scan->lane) && row->lane_seq > scan->after_lane_seq;
	struct sim_row after = {.tries.not_before_ms = scan->after_due_ms, .key = scan->after};
	return scan->after_due_ms == INT64_MIN || is_before(&after, row, scan->order);
}

/* The next row behind `last` (or from the start), in the scan's order. */
static const struct sim_row *next_row(const struct sim_disk *disk, const struct sim_row *last)
{
	const struct tn_scan *scan = disk->scan;
	const struct sim_row *best = NULL;
	for (uint32_t i = 0; i < disk->count; i++) {
		const struct sim_row *row = &disk->rows[i];
		if (!is_asked_for(scan, row))
			continue;
		if (scan->order == TN_SCAN_BY_KEY) {
			if (last == NULL || tn_row_key_compare(&row->key, &last->key) > 0)
				return row;
		} else if ((last == NULL || is_before(last, row, scan->order)) && (best == NULL || is_before(row, best, scan->order))) {
			best = row;
		}
	}
	return best;
}

static void read_page(struct world *world)
{
	struct sim_disk *disk = &world->disk;
	const struct sim_row *row = NULL;
	disk->page_count = 0;
	disk->page_read = true;
	disk->page_fails = sim_has(world, FAULT_SCAN_FAILS) && sim_chance(world, 25);
	while (disk->page_count < disk->scan->max_rows && disk->page_count < 256 && (row = next_row(disk, row)) != NULL) {
		if (disk->scan->order == TN_SCAN_DUE && row->tries.not_before_ms > disk->scan->until_ms)
			break;
		disk->page[disk->page_count] = *row;
		if (row->event != NULL)
			tn_event_ref(row->event);
		row = &disk->page[disk->page_count++];
	}
	row = disk->page_count > 0 ? next_row(disk, &disk->page[disk->page_count - 1]) : next_row(disk, NULL);
	bool due = row != NULL && (disk->scan->order != TN_SCAN_DUE || row->tries.not_before_ms <= disk->scan->until_ms);
	disk->page_last = !due;
	disk->page_next_due_ms = row != NULL && disk->scan->order == TN_SCAN_DUE ? row->tries.not_before_ms : INT64_MAX;
	sim_say(world, SIM_READ, disk->page_count, disk->page_last, disk->page_fails);
}

struct page_copy { /* freed right after the call: the engine must have copied what it keeps */
	struct tn_row rows[256];
	struct tn_event *events[256];
	const struct tn_route *routes[256];
	struct tn_outcome last[256];
	char texts[256][2][4];
};

static void fill_page_row(const struct world *world, struct page_copy *copy, uint32_t i, const struct sim_row *row)
{
	char(*names)[4] = copy->texts[i];
	bool poison = row->route == ROUTES_MAX;
	names[0][0] = 'r';
	names[0][1] = poison ? 'p' : (char)('0' + world->routes[row->route].rule);
	names[1][0] = 't';
	names[1][1] = poison ? 'p' : (char)('0' + world->routes[row->route].target_no);
	copy->last[i] = (struct tn_outcome){.verdict = row->last_verdict, .code = row->code};
	copy->events[i] = row->event;
	copy->routes[i] = poison ? &world->ruleset->routes[ROUTES_MAX] : sim_todays_route(world, row->route);
	copy->rows[i] = (struct tn_row){.key = row->key, .state = row->state, .id = row->id, .tries = row->tries, .lane = row->lane,
		.lane_seq = row->lane_seq, .blocks = row->blocks,
		.rule = {names[0], 2}, .target = {names[1], 2}, .target_no = row->target_no, .redrives = row->redrives,
		.origin = tn_str_from(row->origin), .last = row->has_last ? &copy->last[i] : NULL, .condition = row->condition};
}

static void hand_over(struct world *world)
{
	struct sim_disk *disk = &world->disk;
	struct page_copy *copy = malloc(sizeof(*copy));
	if (copy == NULL)
		abort();
	uint32_t count = disk->page_fails ? 0 : disk->page_count;
	for (uint32_t i = 0; i < count; i++)
		fill_page_row(world, copy, i, &disk->page[i]);
	struct tn_page page = {.token = disk->scan->token, .rows = copy->rows, .events = copy->events, .routes = copy->routes,
		.count = count, .last = disk->page_last && !disk->page_fails, .failed = disk->page_fails,
		.next_due_ms = disk->page_next_due_ms, .ruleset = world->ruleset};
	if (memcmp(disk->scan, &disk->scan_copy, sizeof(disk->scan_copy)) != 0)
		sim_fail(world, "what a SCAN pointed to changed before its page");
	disk->scan = NULL;
	sim_say(world, SIM_PAGE, count, page.last, page.next_due_ms);
	tn_engine_page(world->engine, &page);
	for (uint32_t i = 0; i < disk->page_count; i++)
		tn_event_unref(disk->page[i].event);
	disk->page_count = 0;
	free(copy);
}

/* --- Steps --- */

static bool batch_step(struct world *world)
{
	struct sim_disk *disk = &world->disk;
	if (disk->batch == NULL)
		return false;
	if (wants_applying(disk)) {
		apply(world);
		return true;
	}
	if (disk->batch_ready_ms > world->now_ms)
		return false;
	complete(world);
	return true;
}

static bool page_step(struct world *world)
{
	if (world->disk.scan == NULL)
		return false;
	if (world->disk.page_read)
		hand_over(world);
	else
		read_page(world);
	return true;
}

bool sim_disk_step(struct world *world)
{
	if (sim_chance(world, 50))
		return batch_step(world) || page_step(world);
	return page_step(world) || batch_step(world);
}

static void forget_page(struct sim_disk *disk)
{
	for (uint32_t i = 0; i < disk->page_count; i++)
		tn_event_unref(disk->page[i].event);
	disk->page_count = 0;
	disk->scan = NULL;
}

static void forget_resent(struct sim_disk *disk)
{
	for (uint32_t i = 0; i < disk->resent_count; i++)
		tn_event_unref(disk->resent_events[i]);
	memset(disk->resent, 0xee, sizeof(disk->resent)); /* nobody may look at them any more */
	disk->resent_count = 0;
}

void sim_disk_after_crash(struct world *world)
{
	struct sim_disk *disk = &world->disk;
	if (disk->batch != NULL && wants_applying(disk) && sim_chance(world, 50))
		apply(world);
	disk->batch = NULL;
	disk->last_unknown = false;
	disk->last_number = 0;
	disk->moving_count = 0;
	forget_resent(disk);
	for (uint32_t i = 0; i < disk->count; i++)
		disk->rows[i].confirmed = disk->rows[i].dead_confirmed = true;
	forget_page(disk);
}

void sim_disk_fini(struct world *world)
{
	forget_page(&world->disk);
	forget_resent(&world->disk);
	for (uint32_t i = 0; i < world->disk.count; i++)
		tn_event_unref(world->disk.rows[i].event);
	world->disk.count = 0;
}

/* --- An operator at the dead letters --- */

static void took_moves(struct sim_disk *disk, const struct tn_moves *moves)
{
	disk->move = moves->move;
	disk->move_token = moves->token;
	disk->moving_count = moves->count;
	for (uint32_t i = 0; i < moves->count; i++)
		disk->moving[i] = *row_at(disk, moves->items[i].key);
}

static bool goes_along(const struct world *world, uint32_t event, uint32_t match)
{
	const struct sim_entry *entry = &world->events[event].entries[match];
	bool delivered = entry->delivered_instance != 0 || entry->done; /* a copy of it */
	struct tn_id id = sim_id(event, match);
	return entry->purged && !delivered && !sim_has_row(world, &id, false) && world->events[event].routes[match] != ROUTES_MAX;
}

static void fill_resent(struct world *world, struct tn_row *to, char (*names)[4], const struct sim_row *letter,
        uint32_t event, uint32_t match)
{
	const struct sim_route *route = &world->routes[world->events[event].routes[match]];
	snprintf(names[0], sizeof(names[0]), "r%u", route->rule);
	snprintf(names[1], sizeof(names[1]), "t%u", route->target_no);
	*to = (struct tn_row){.state = TN_ROW_PARKED,
	        .id = sim_id(event, match),
	        .rule = {names[0], 2},
	        .target = {names[1], 2},
	        .target_no = route->target_no,
	        .lane = sim_lane(world, event, match),
	        .redrives = letter->redrives + 1};
	if (tn_id_equal(&to->id, &letter->id) && tn_id_equal(&to->lane, &letter->lane))
		to->lane_seq = letter->lane_seq;
}

/* To its own target again; the first of them also to those of its event whose dead letters were purged. */
static void prepare_resend(struct world *world, struct tn_move_item *item)
{
	struct sim_disk *disk = &world->disk;
	const struct sim_row *letter = row_at(disk, item->key);
	uint32_t place = disk->resent_count++, event, own;
	sim_split_id(&letter->id, &event, &own);
	disk->resent_events[place] = tn_event_ref(letter->event);
	memcpy(disk->resent_origins[place], letter->origin, sizeof(letter->origin));
	item->row = disk->resent[place];
	item->event = letter->event;
	for (uint32_t i = 0; i < world->events[event].match_count; i++) {
		if (i == own || (place == 0 && goes_along(world, event, i))) {
			fill_resent(world, &item->row[item->row_count], disk->resent_names[place][item->row_count],
			        letter, event, i);
			item->row[item->row_count++].origin = tn_str_from(disk->resent_origins[place]);
		}
	}
}

/* Reads when no move is under way, and now and then acts on what was read before another's moves ended: the engine must refuse that. */
bool sim_move(struct world *world)
{
	struct sim_disk *disk = &world->disk;
	struct tn_move_item items[8];
	uint32_t count = 0;
	uint64_t ended;
	bool idle = tn_engine_moves_ended(world->engine, &ended);
	bool stale = idle && ended > 0 && sim_chance(world, 20);
	if (!idle && sim_chance(world, 70))
		return false;
	for (uint32_t i = 0; i < disk->count && count < 8; i++) {
		const struct sim_row *row = &disk->rows[i];
		if (row->state == TN_ROW_DEAD && row->route != ROUTES_MAX && sim_chance(world, 50))
			items[count++] = (struct tn_move_item){
				.key = row->key, .target_no = row->target_no, .bytes = tn_dead_letter_bytes(row->event)};
	}
	if (count == 0)
		return false;
	uint32_t drawn = sim_upto(world, 99);
	enum tn_move move = drawn < 45   ? TN_MOVE_REDRIVE
	                    : drawn < 75 ? TN_MOVE_RESEND
	                    : drawn < 90 ? TN_MOVE_PURGE
	                                 : TN_MOVE_RELEASE;
	if (move == TN_MOVE_RESEND && (!idle || disk->moving_count > 0))
		move = TN_MOVE_REDRIVE; /* what takes the place of others is still looked at */
	for (uint32_t i = 0; move == TN_MOVE_RESEND && i < count; i++)
		prepare_resend(world, &items[i]);
	struct tn_moves moves = {.move = move,
	        .token = disk->move_token + 1,
	        .as_of = stale ? ended - 1 : ended,
	        .items = items,
	        .count = count};
	enum tn_status status = tn_engine_move(world->engine, &moves);
	if (move == TN_MOVE_RESEND && status != TN_OK)
		forget_resent(disk);
	sim_say(world, SIM_MOVE, status, moves.move, count);
	if ((!idle || stale) && status == TN_OK)
		sim_fail(world, "moves were taken that may have been made by others already");
	if (status == TN_OK)
		took_moves(disk, &moves);
	return true;
}

bool sim_release_lanes(struct world *world)
{
	struct tn_lane_view lanes[8];
	struct tn_move_item items[8];
	uint64_t ended;
	uint32_t count = tn_engine_blocked_lanes(world->engine, 0, lanes, 8);
	if (count == 0 || !tn_engine_moves_ended(world->engine, &ended))
		return false;
	for (uint32_t i = 0; i < count; i++)
		items[i] = (struct tn_move_item){.key = lanes[i].blocked_by, .target_no = lanes[i].target_no};
	for (uint32_t i = 0; i < count && !world->failed; i++) {
		if (row_at(&world->disk, items[i].key) == NULL)
			sim_fail(world, "a lane of target %u is blocked by a dead letter that is not there", items[i].target_no);
	}
	if (world->failed)
		return false;
	struct tn_moves moves = {
		.move = TN_MOVE_RELEASE, .token = world->disk.move_token + 1, .as_of = ended, .items = items, .count = count};
	enum tn_status status = tn_engine_move(world->engine, &moves);
	sim_say(world, SIM_MOVE, status, moves.move, count);
	if (status == TN_OK)
		took_moves(&world->disk, &moves);
	return status == TN_OK;
}

/* What MOVED says must be so: all of them have left that state, or none has. */
void sim_moved(struct world *world, const struct tn_command *command)
{
	struct sim_disk *disk = &world->disk;
	if (disk->moving_count == 0 || command->token != disk->move_token)
		sim_fail(world, "MOVED, and nobody asked");
	if (command->moved != 0 && command->moved != disk->moving_count)
		sim_fail(world, "%u of %u moved", command->moved, disk->moving_count);
	for (uint32_t i = 0; i < disk->moving_count && !world->failed; i++) {
		const struct sim_row *was = &disk->moving[i], *row = row_at(disk, was->key);
		bool there = row != NULL && row->state == TN_ROW_DEAD && row->redrives == was->redrives;
		if (disk->move == TN_MOVE_RELEASE) /* it stays, and blocks no more */
			there = there && (row->blocks || (command->moved == 0 && !was->blocks));
		if (there != (command->moved == 0))
			sim_fail(world, "MOVED says %u, and a dead letter is%s there", command->moved, there ? "" : " not");
	}
	disk->moving_count = 0;
	forget_resent(disk);
}
