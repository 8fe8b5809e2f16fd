/* SPDX-License-Identifier: Apache-2.0
 *
 * pages.c - the selected dead letters, a page of the store at a time.
 *
 * Called by the admin room and by tools, and by offline.c. A cursor is a row key, so a reader may go away between two pages, and what moves
 * meanwhile confuses nobody. Any thread.
 */
#include "selection.h"

const struct tn_dlq_limits tn_dlq_limits_default = {.max_rows = 256, .max_bytes = 1024 * 1024};

/* Answers false when visit has enough. */
static bool visit_page(const struct tn_page *page, const struct tn_dlq_selection *selection, struct tn_dlq_cursor *cursor,
	tn_dlq_visit *visit, void *arg)
{
	for (uint32_t i = 0; i < page->count; i++) {
		const struct tn_row *row = &page->rows[i];
		cursor->after = row->key;
		cursor->rows_read++;
		if (tn_selection_filters(selection, row, page->events[i]) && !visit(arg, row, page->events[i])) {
			cursor->done = page->last && i + 1 == page->count;
			return false;
		}
	}
	cursor->done = page->last;
	return true;
}

static enum tn_status read_all(struct tn_store *store, const struct tn_dlq_selection *selection, const struct tn_dlq_limits *limits,
	struct tn_dlq_cursor *cursor, tn_dlq_visit *visit, void *arg, bool *out_more, struct tn_error *error)
{
	struct tn_page page;
	struct tn_scan scan = {
		.order = TN_SCAN_BY_KEY,
		.state = TN_ROW_DEAD,
		.after = cursor->after,
		.max_rows = limits->max_rows,
		.max_bytes = limits->max_bytes,
	};
	enum tn_status status = tn_store_scan(store, &scan, &page, error);
	if (status == TN_OK)
		*out_more = visit_page(&page, selection, cursor, visit, arg);
	tn_page_fini(&page);
	return status;
}

static enum tn_status read_ids(struct tn_store *store, const struct tn_dlq_selection *selection, const struct tn_dlq_limits *limits,
	struct tn_dlq_cursor *cursor, tn_dlq_visit *visit, void *arg, bool *out_more, struct tn_error *error)
{
	*out_more = true;
	for (uint32_t i = 0; i < limits->max_rows && cursor->ids_done < selection->id_count && *out_more; i++) {
		struct tn_page page;
		enum tn_status status = tn_store_get(store, selection->ids[cursor->ids_done], &page, error);
		if (status == TN_OK && tn_selection_filters(selection, &page.rows[0], page.events[0]))
			*out_more = visit(arg, &page.rows[0], page.events[0]);
		tn_page_fini(&page);
		if (status != TN_OK && status != TN_NOT_FOUND)
			return status;
		cursor->ids_done++;
		cursor->rows_read++;
	}
	cursor->done = cursor->ids_done >= selection->id_count;
	return TN_OK;
}

static enum tn_status read_page(struct tn_store *store, const struct tn_dlq_selection *selection, const struct tn_dlq_limits *limits,
	struct tn_dlq_cursor *cursor, tn_dlq_visit *visit, void *arg, bool *out_more, struct tn_error *error)
{
	*out_more = false;
	if (cursor->done)
		return TN_OK;
	return selection->all ? read_all(store, selection, limits, cursor, visit, arg, out_more, error)
			      : read_ids(store, selection, limits, cursor, visit, arg, out_more, error);
}

enum tn_status tn_dlq_read(struct tn_store *store, const struct tn_dlq_selection *selection, const struct tn_dlq_limits *limits,
	struct tn_dlq_cursor *cursor, tn_dlq_visit *visit, void *arg, struct tn_error *error)
{
	bool more;
	return read_page(store, selection, limits, cursor, visit, arg, &more, error);
}

enum tn_status tn_dlq_each(struct tn_store *store, const struct tn_dlq_selection *selection, tn_dlq_visit *visit, void *arg,
	struct tn_error *error)
{
	struct tn_dlq_cursor cursor = {0};
	enum tn_status status = TN_OK;
	for (bool more = true; more && status == TN_OK && !cursor.done;)
		status = read_page(store, selection, &tn_dlq_limits_default, &cursor, visit, arg, &more, error);
	return status;
}
