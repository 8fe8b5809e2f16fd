/* SPDX-License-Identifier: Apache-2.0
 *
 * scan.c - pages of rows: by key within a state, by due time within a target, by place within a lane.
 *
 * Called from any thread; each call is one read transaction that ends before it returns, for a reader that stays open keeps LMDB from
 * using freed pages again. A record that cannot be read is passed over, and the writer is asked to move it aside.
 */
#include <errno.h>
#include "page.h"
#include "store_private.h"

enum { REPAIRS_A_SCAN = 256 }; /* the rest is met again by the next scan */

struct reading {                          /* one read transaction */
	struct tn_store_reading base;
	struct tn_page_memory *memory;
	uint32_t repairs;
};

static int begin(struct reading *reading, struct tn_store *store, uint32_t max_rows, size_t max_bytes)
{
	*reading = (struct reading){.memory = tn_page_memory_new(max_rows, max_bytes)};
	return tn_store_begin_reading(store, &reading->base);
}


static void ask_repair(struct reading *reading, const struct tn_request *request)
{
	if (reading->repairs++ < REPAIRS_A_SCAN)
		tn_writer_ask(reading->base.store, request);
}

static void ask_row_repair(struct reading *reading, struct tn_row_key row)
{
	ask_repair(reading, &(struct tn_request){.kind = TN_REQUEST_ASIDE_ROW, .due = {.row = row}});
}

/* Ends the reading; hands the rows over to page, or tells why there are none. */
static enum tn_status hand_over(struct reading *reading, int rc, struct tn_page *page, struct tn_error *error)
{
	struct tn_page_memory *memory = reading->memory;
	page->rows = memory->rows;
	page->events = memory->events;
	page->count = memory->count;
	page->memory = memory;
	enum tn_status status = tn_store_end_reading(&reading->base, rc, error);
	if (status == TN_OK)
		return status;
	uint64_t token = page->token;
	tn_page_fini(page);
	page->token = token;
	page->failed = true;
	page->next_due_ms = INT64_MAX;
	return status;
}

/* --- By key --- */

static int seek_state(MDB_cursor *cursor, const struct tn_scan *scan, MDB_val *key, MDB_val *value)
{
	uint8_t from[TN_KEY_STATE];
	tn_key_put_state(from, scan->state, scan->after);
	*key = tn_val(from, sizeof from);
	int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
	bool from_start = scan->after.event_seq == 0 && scan->after.route_no == 0;
	if (rc == 0 && !from_start && key->mv_size == sizeof from && memcmp(key->mv_data, from, sizeof from) == 0)
		rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
	return rc;
}

static bool wants(const struct tn_scan *scan, MDB_val value)
{
	return scan->target_no == 0 || (value.mv_size == TN_VALUE_STATE && tn_bytes_get32(value.mv_data) == scan->target_no);
}

static int scan_by_key(struct reading *reading, const struct tn_scan *scan, struct tn_page *page)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(reading->base.txn, reading->base.environment->dbi[TN_DB_STATES], &cursor);
	if (rc != 0)
		return rc;
	page->last = true;
	for (rc = seek_state(cursor, scan, &key, &value); rc == 0; rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
		const uint8_t *bytes = key.mv_data;
		enum tn_page_add add = TN_PAGE_ABSENT;
		if (key.mv_size != TN_KEY_STATE || bytes[0] != scan->state)
			break;
		struct tn_row_key row = tn_key_get_row(bytes + 1);
		if (wants(scan, value))
			rc = tn_page_add_row(reading->memory, reading->base.environment, reading->base.txn, row, &add);
		if (rc != 0)
			break;
		if (add == TN_PAGE_BAD)
			ask_row_repair(reading, row);
		if (add == TN_PAGE_FULL) {
			page->last = false;
			break;
		}
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* --- By due time --- */

static int seek_due(MDB_cursor *cursor, const struct tn_scan *scan, MDB_val *key, MDB_val *value)
{
	uint8_t from[TN_KEY_DUE];
	bool from_start = scan->after_due_ms == INT64_MIN;
	struct tn_due due = {scan->target_no, scan->after_due_ms, from_start ? (struct tn_row_key){0} : scan->after};
	tn_key_put_due(from, &due);
	*key = tn_val(from, sizeof from);
	int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
	if (rc == 0 && !from_start && key->mv_size == sizeof from && memcmp(key->mv_data, from, sizeof from) == 0)
		rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
	return rc;
}

/* Takes the row that was added last back out. */
static void drop_last_row(struct tn_page_memory *memory)
{
	tn_event_unref(memory->events[--memory->count]);
}

/* Adds the row of an entry, unless the row says something else: then the entry is what was left of a row that was moved aside. */
static int add_due_row(struct reading *reading, const struct tn_due *due, enum tn_page_add *out_add)
{
	struct tn_page_memory *memory = reading->memory;
	int rc = tn_page_add_row(memory, reading->base.environment, reading->base.txn, due->row, out_add);
	if (rc != 0)
		return rc;
	if (*out_add == TN_PAGE_BAD)
		ask_row_repair(reading, due->row);
	if (*out_add == TN_PAGE_ADDED) {
		const struct tn_row *row = &memory->rows[memory->count - 1];
		if (row->state == TN_ROW_PARKED && row->target_no == due->target_no &&
			row->tries.not_before_ms == due->not_before_ms)
			return 0;
		drop_last_row(memory);
		*out_add = TN_PAGE_ABSENT;
	}
	if (*out_add == TN_PAGE_ABSENT)
		ask_repair(reading, &(struct tn_request){.kind = TN_REQUEST_ASIDE_DUE, .due = *due});
	return 0;
}

static int scan_due(struct reading *reading, const struct tn_scan *scan, struct tn_page *page)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(reading->base.txn, reading->base.environment->dbi[TN_DB_DUE], &cursor);
	if (rc != 0)
		return rc;
	page->last = true;
	for (rc = seek_due(cursor, scan, &key, &value); rc == 0; rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
		enum tn_page_add add = TN_PAGE_FULL;
		if (key.mv_size != TN_KEY_DUE)
			continue;
		struct tn_due due = tn_key_get_due(key.mv_data);
		if (due.target_no != scan->target_no)
			break;
		page->next_due_ms = due.not_before_ms;
		if (due.not_before_ms > scan->until_ms)
			break;
		rc = add_due_row(reading, &due, &add);
		page->last = add != TN_PAGE_FULL;
		if (rc != 0 || add == TN_PAGE_FULL)
			break;
		page->next_due_ms = INT64_MAX;
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* --- By lane --- */

/* As add_due_row. */
static int add_lane_row(struct reading *reading, const struct tn_lane_place *place, enum tn_page_add *out_add)
{
	struct tn_page_memory *memory = reading->memory;
	int rc = tn_page_add_row(memory, reading->base.environment, reading->base.txn, place->row, out_add);
	if (rc != 0)
		return rc;
	if (*out_add == TN_PAGE_BAD)
		ask_row_repair(reading, place->row);
	if (*out_add == TN_PAGE_ADDED) {
		const struct tn_row *row = &memory->rows[memory->count - 1];
		if (row->state == TN_ROW_PARKED && row->target_no == place->target_no && row->lane_seq == place->lane_seq &&
			tn_id_equal(&row->lane, &place->lane))
			return 0;
		drop_last_row(memory);
		*out_add = TN_PAGE_ABSENT;
	}
	if (*out_add == TN_PAGE_ABSENT)
		ask_repair(reading, &(struct tn_request){.kind = TN_REQUEST_ASIDE_LANE, .lane = *place});
	return 0;
}

static int scan_lane(struct reading *reading, const struct tn_scan *scan, struct tn_page *page)
{
	MDB_cursor *cursor;
	uint8_t from[TN_KEY_LANE];
	page->last = true;
	if (scan->after_lane_seq == UINT64_MAX)
		return 0;
	tn_key_put_lane(from, &(struct tn_lane_place){scan->target_no, scan->lane,
				      scan->after_lane_seq > 0 ? scan->after_lane_seq + 1 : 0, {0}});
	MDB_val key = tn_val(from, sizeof from), value;
	int rc = mdb_cursor_open(reading->base.txn, reading->base.environment->dbi[TN_DB_LANES], &cursor);
	if (rc != 0)
		return rc;
	for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); rc == 0; rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
		enum tn_page_add add;
		if (key.mv_size != TN_KEY_LANE)
			continue;
		struct tn_lane_place place = tn_key_get_lane(key.mv_data);
		if (place.target_no != scan->target_no || !tn_id_equal(&place.lane, &scan->lane))
			break;
		rc = add_lane_row(reading, &place, &add);
		page->last = add != TN_PAGE_FULL;
		if (rc != 0 || add == TN_PAGE_FULL)
			break;
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* --- Public --- */

static int scan_in_order(struct reading *reading, const struct tn_scan *scan, struct tn_page *page)
{
	switch (scan->order) {
	case TN_SCAN_BY_KEY:
		return scan_by_key(reading, scan, page);
	case TN_SCAN_DUE:
		return scan_due(reading, scan, page);
	case TN_SCAN_LANE:
		return scan_lane(reading, scan, page);
	}
	return EINVAL;
}

enum tn_status tn_store_scan(struct tn_store *store, const struct tn_scan *scan, struct tn_page *out_page, struct tn_error *error)
{
	struct reading reading;
	*out_page = (struct tn_page){.token = scan->token, .next_due_ms = INT64_MAX};
	int rc = begin(&reading, store, scan->max_rows, scan->max_bytes);
	if (rc == 0)
		rc = scan_in_order(&reading, scan, out_page);
	return hand_over(&reading, rc, out_page, error);
}

enum tn_status tn_store_get(struct tn_store *store, struct tn_row_key key, struct tn_page *out_page, struct tn_error *error)
{
	struct reading reading;
	enum tn_page_add add = TN_PAGE_ABSENT;
	*out_page = (struct tn_page){.last = true, .next_due_ms = INT64_MAX};
	int rc = begin(&reading, store, 1, SIZE_MAX);
	if (rc == 0)
		rc = tn_page_add_row(reading.memory, reading.base.environment, reading.base.txn, key, &add);
	if (rc == 0 && add == TN_PAGE_BAD)
		ask_row_repair(&reading, key);
	enum tn_status status = hand_over(&reading, rc, out_page, error);
	if (status != TN_OK || add == TN_PAGE_ADDED)
		return status;
	tn_error_set(error, "the store has no such row");
	return TN_NOT_FOUND;
}

/* --- Targets --- */

/* A copy of the names, and what is counted for each. The copy is in the page memory's arena. */
static int read_targets(struct reading *reading, struct tn_store_target **out_targets, uint32_t *out_count)
{
	struct tn_names *names = &reading->base.store->names;
	struct tn_arena *arena = &reading->memory->arena;
	pthread_mutex_lock(&names->lock);
	uint32_t count = names->count;
	struct tn_store_target *targets = tn_arena_array(arena, struct tn_store_target, count);
	for (uint32_t i = 0; i < count; i++)
		targets[i] = (struct tn_store_target){.name = tn_arena_copy(arena, names->names[i].name), .number = names->names[i].number};
	pthread_mutex_unlock(&names->lock);

	int rc = 0;
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		struct tn_target_count found;
		rc = tn_target_count_read(reading->base.environment, reading->base.txn, targets[i].number, &found);
		if (rc != 0)
			break;
		targets[i].parked_rows = found.parked_rows;
		targets[i].parked_bytes = found.parked_bytes;
		targets[i].dead_rows = found.dead_rows;
		targets[i].dead_bytes = found.dead_bytes;
	}
	*out_targets = targets;
	*out_count = count;
	return rc;
}

enum tn_status tn_store_each_number(struct tn_store *store, void (*each)(void *arg, const struct tn_store_target *target), void *arg)
{
	struct reading reading;
	struct tn_store_target *targets = NULL;
	uint32_t count = 0;
	int rc = begin(&reading, store, 1, 0);
	if (rc == 0)
		rc = read_targets(&reading, &targets, &count);
	enum tn_status status = tn_store_end_reading(&reading.base, rc, NULL);
	for (uint32_t i = 0; i < count && status == TN_OK; i++)
		each(arg, &targets[i]);
	tn_page_memory_free(reading.memory);
	return status;
}
