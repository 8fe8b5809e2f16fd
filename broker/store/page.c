/* SPDX-License-Identifier: Apache-2.0
 *
 * page.c - rows and events on their way out of a read transaction.
 *
 * Called by scan.c, row by row. Everything is copied: what LMDB lends is gone with its transaction. Any thread.
 */
#include "page.h"

#include <stdlib.h>
#include "event_record.h"
#include "key.h"
#include "row_record.h"

struct tn_page_memory *tn_page_memory_new(uint32_t max_rows, size_t max_bytes)
{
	struct tn_page_memory *memory = calloc(1, sizeof *memory);
	if (!memory)
		abort();
	memory->max_rows = max_rows > 0 ? max_rows : 1;
	memory->max_bytes = max_bytes;
	return memory;
}

void tn_page_memory_free(struct tn_page_memory *memory)
{
	if (!memory)
		return;
	tn_arena_fini(&memory->arena);
	free(memory->rows);
	free(memory->events);
	free(memory);
}

void tn_page_fini(struct tn_page *page)
{
	for (uint32_t i = 0; i < page->count; i++)
		if (page->events)
			tn_event_unref(page->events[i]);
	tn_page_memory_free(page->memory);
	*page = (struct tn_page){0};
}

static void append(struct tn_page_memory *memory, const struct tn_row *row, struct tn_event *event)
{
	if (memory->count == memory->capacity) {
		memory->capacity = memory->capacity ? memory->capacity * 2 : 16;
		memory->rows = realloc(memory->rows, memory->capacity * sizeof *memory->rows);
		memory->events = realloc(memory->events, memory->capacity * sizeof *memory->events);
		if (!memory->rows || !memory->events)
			abort();
	}
	memory->rows[memory->count] = *row;
	memory->events[memory->count] = event;
	memory->count++;
}

/* The event of the row before, when that is the same event. */
static struct tn_event *share_event(struct tn_page_memory *memory, uint64_t event_seq)
{
	if (memory->count == 0 || memory->rows[memory->count - 1].key.event_seq != event_seq)
		return NULL;
	struct tn_event *event = memory->events[memory->count - 1];
	return event ? tn_event_ref(event) : NULL;
}

static bool has_room(const struct tn_page_memory *memory, size_t bytes)
{
	return memory->count == 0 || (memory->count < memory->max_rows && memory->bytes + bytes <= memory->max_bytes);
}

/* The bytes of a row's event; a row that has none, or whose event is at hand: empty. */
static int find_event(const struct tn_page_memory *memory, const struct tn_environment *environment, MDB_txn *txn, uint64_t event_seq,
	MDB_val *out_value)
{
	uint8_t bytes[TN_KEY_EVENT];
	tn_bytes_put64(bytes, event_seq);
	MDB_val key = tn_val(bytes, sizeof bytes);
	return mdb_get(txn, environment->dbi[TN_DB_EVENTS], &key, out_value);
}

int tn_page_add_row(struct tn_page_memory *memory, const struct tn_environment *environment, MDB_txn *txn, struct tn_row_key key,
	enum tn_page_add *out_add)
{
	uint8_t bytes[TN_KEY_ROW];
	struct tn_row_head head;
	tn_key_put_row(bytes, key);
	MDB_val mdb_key = tn_val(bytes, sizeof bytes), record, event_record = {0};
	int rc = mdb_get(txn, environment->dbi[TN_DB_ROWS], &mdb_key, &record);
	*out_add = TN_PAGE_ABSENT;
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	*out_add = TN_PAGE_BAD;
	if (!tn_row_record_head(tn_val_str(record), key, &head))
		return 0;

	struct tn_event *event = NULL;
	if (head.state != TN_ROW_TRIED) {
		event = share_event(memory, key.event_seq);
		rc = event ? 0 : find_event(memory, environment, txn, key.event_seq, &event_record);
		if (rc != 0)
			return rc == MDB_NOTFOUND ? 0 : rc;
	}
	size_t cost = record.mv_size + event_record.mv_size;
	if (!has_room(memory, cost)) {
		tn_event_unref(event);
		*out_add = TN_PAGE_FULL;
		return 0;
	}
	if (head.state != TN_ROW_TRIED && !event) {
		event = tn_event_record_read(tn_val_str(event_record), key.event_seq, environment->guard, TN_READER_SCAN);
		if (!event)
			return 0;
	}
	struct tn_row row;
	if (!tn_row_record_read(tn_val_str(record), key, &memory->arena, &row)) {
		tn_event_unref(event);
		return 0;
	}
	append(memory, &row, event);
	memory->bytes += cost;
	*out_add = TN_PAGE_ADDED;
	return 0;
}
