/* SPDX-License-Identifier: Apache-2.0
 *
 * progress.c - how far a redrive or purge is, exactly, in a file of its own: it is written with each page, and what was asked for may be long.
 *
 * Called by a running bus and by offline.c before a page may be in the store, and by kept_task.c after a crash. A page moves as a whole,
 * so one of its records tells whether it did. Any thread, one a queue.
 */
#include "progress.h"

#include "keep.h"

#include <inttypes.h>

static const char file_name[] = "redrive_at";

/* The file is these numbers, in this order, behind the version. */
enum { VERSION = 1, NUMBERS = 23 };

struct numbers {
	uint64_t values[NUMBERS];
	uint32_t count;
};

static void swap(struct numbers *numbers, bool read, uint64_t *value)
{
	uint64_t *place = &numbers->values[numbers->count++];
	if (read)
		*value = *place;
	else
		*place = *value;
}

static void swap_key(struct numbers *numbers, bool read, struct tn_row_key *key)
{
	uint64_t route_no = key->route_no;
	swap(numbers, read, &key->event_seq);
	swap(numbers, read, &route_no);
	key->route_no = (uint32_t)route_no;
}

static void swap_cursor(struct numbers *numbers, bool read, struct tn_dlq_cursor *cursor)
{
	uint64_t ids_done = cursor->ids_done;
	swap_key(numbers, read, &cursor->after);
	swap(numbers, read, &ids_done);
	swap(numbers, read, &cursor->rows_read);
	cursor->ids_done = (uint32_t)ids_done;
}

static void swap_tally(struct numbers *numbers, bool read, struct tn_dlq_tally *tally)
{
	swap(numbers, read, &tally->selected);
	swap(numbers, read, &tally->done);
	swap(numbers, read, &tally->no_target);
	swap(numbers, read, &tally->too_often);
	swap(numbers, read, &tally->no_match);
}

/* Between numbers and progress, one way or the other. */
static void swap_progress(struct numbers *numbers, bool read, struct tn_dlq_progress *progress)
{
	uint64_t started_ms = (uint64_t)progress->started_ms, cutoff_ms = (uint64_t)progress->cutoff_ms, moving = progress->moving;
	swap(numbers, read, &started_ms);
	swap(numbers, read, &cutoff_ms);
	swap_cursor(numbers, read, &progress->cursor);
	swap_tally(numbers, read, &progress->tally);
	swap(numbers, read, &moving);
	swap_key(numbers, read, &progress->first);
	swap_cursor(numbers, read, &progress->next);
	swap_tally(numbers, read, &progress->page);
	progress->started_ms = (int64_t)started_ms;
	progress->cutoff_ms = (int64_t)cutoff_ms;
	progress->moving = moving != 0;
}

enum tn_status tn_dlq_progress_write(const char *store_path, struct tn_str queue, const struct tn_dlq_progress *progress, struct tn_error *error)
{
	struct tn_buf text = {0};
	struct numbers numbers = {.count = 0};
	struct tn_dlq_progress copy = *progress;
	swap_progress(&numbers, false, &copy);
	tn_buf_addf(&text, "%d", VERSION);
	for (uint32_t i = 0; i < numbers.count; i++)
		tn_buf_addf(&text, " %" PRIu64, numbers.values[i]);
	tn_buf_add_byte(&text, '\n');
	enum tn_status status = tn_keep_put(store_path, file_name, queue, tn_buf_str(&text), error);
	tn_buf_fini(&text);
	return status;
}

enum tn_status tn_progress_forget(const char *store_path, struct tn_str queue, struct tn_error *error)
{
	return tn_keep_put(store_path, file_name, queue, (struct tn_str){0}, error);
}

/* Digits up to a space or the end of the line. */
static bool take_number(struct tn_str *text, uint64_t *out_number)
{
	size_t len = 0;
	while (len < text->len && text->bytes[len] != ' ' && text->bytes[len] != '\n')
		len++;
	bool good = len < text->len && tn_str_to_u64(tn_str_make(text->bytes, len), UINT64_MAX, out_number);
	*text = good ? tn_str_tail(*text, len + 1) : (struct tn_str){0};
	return good;
}

static bool parse(struct tn_str text, struct tn_dlq_progress *out_progress)
{
	struct numbers numbers = {.count = 0};
	uint64_t version;
	if (!take_number(&text, &version) || version != VERSION)
		return false;
	for (uint32_t i = 0; i < NUMBERS; i++)
		if (!take_number(&text, &numbers.values[i]))
			return false;
	swap_progress(&numbers, true, out_progress);
	return text.len == 0;
}

/* Is that record still where the page would have taken it from? What died again did so later. */
static enum tn_status find_first(struct tn_store *store, const struct tn_dlq_progress *progress, bool *out_there, struct tn_error *error)
{
	struct tn_page page;
	enum tn_status status = tn_store_get(store, progress->first, &page, error);
	*out_there = status == TN_OK && page.rows[0].state == TN_ROW_DEAD && page.rows[0].dead_ms < progress->cutoff_ms;
	tn_page_fini(&page);
	return status == TN_NOT_FOUND ? TN_OK : status;
}

/* What becomes of the page's records from now on has nothing to do with it. */
static enum tn_status settle(const char *store_path, struct tn_str queue, struct tn_store *store, struct tn_dlq_progress *progress,
	struct tn_error *error)
{
	bool there = true;
	enum tn_status status = find_first(store, progress, &there, error);
	if (status != TN_OK)
		return status;
	if (!there) {
		progress->cursor = progress->next;
		tn_dlq_tally_add(&progress->tally, &progress->page);
	}
	progress->moving = false;
	return tn_dlq_progress_write(store_path, queue, progress, error);
}

enum tn_status tn_progress_read(const char *store_path, struct tn_str queue, struct tn_store *store, struct tn_dlq_progress *progress,
	struct tn_error *error)
{
	struct tn_buf text = {0};
	struct tn_dlq_progress kept = {0};
	enum tn_status status = tn_keep_get(store_path, file_name, queue, &text, error);
	bool good = status == TN_OK && parse(tn_buf_str(&text), &kept);
	tn_buf_fini(&text);
	if (status != TN_OK && status != TN_NOT_FOUND)
		return status;
	if (!good || kept.started_ms != progress->started_ms || kept.cutoff_ms != progress->cutoff_ms)
		return TN_OK; /* there is none, or it is another task's, or another version's */
	status = kept.moving ? settle(store_path, queue, store, &kept, error) : TN_OK;
	if (status == TN_OK)
		*progress = kept;
	return status;
}
