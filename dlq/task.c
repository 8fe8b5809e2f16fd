/* SPDX-License-Identifier: Apache-2.0
 *
 * task.c - a page of what an operator wants moved: which of the selected records, and which stay and why.
 *
 * Called by a running bus and by offline.c, so that both answer the same. Moves nothing itself. Any thread.
 */
#include "turnout/dlq.h"

struct choosing {
	const struct tn_dlq_terms *terms;
	uint32_t most;
	struct tn_dlq_page *page;
};

static bool may_move(struct choosing *choosing, const struct tn_row *row)
{
	const struct tn_dlq_terms *terms = choosing->terms;
	uint32_t limit = terms->max_redrives > 0 ? terms->max_redrives : TN_DLQ_MAX_REDRIVES;
	if (terms->action == TN_DLQ_PURGE)
		return true;
	if (terms->has_route && !terms->has_route(terms->arg, row->rule, row->target)) {
		choosing->page->tally.no_target++;
		return false;
	}
	if (row->redrives >= limit && !terms->force) {
		choosing->page->tally.too_often++;
		return false;
	}
	return true;
}

static bool on_record(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct choosing *choosing = arg;
	struct tn_dlq_page *page = choosing->page;
	page->tally.selected++;
	if (may_move(choosing, row)) {
		page->items[page->count++] = (struct tn_dlq_item){row->key, row->target_no, tn_store_row_bytes(event), row->id};
		if (choosing->terms->chosen)
			choosing->terms->chosen(choosing->terms->arg, row, event);
	}
	return page->count < choosing->most;
}

void tn_dlq_tally_add(struct tn_dlq_tally *tally, const struct tn_dlq_tally *more)
{
	tally->selected += more->selected;
	tally->done += more->done;
	tally->no_target += more->no_target;
	tally->too_often += more->too_often;
}

enum tn_status tn_dlq_page_read(struct tn_store *store, const struct tn_dlq_terms *terms, uint32_t most, struct tn_dlq_cursor *cursor,
	struct tn_dlq_page *out_page, struct tn_error *error)
{
	struct choosing choosing = {.terms = terms, .most = most < TN_DLQ_PAGE_ITEMS ? most : TN_DLQ_PAGE_ITEMS, .page = out_page};
	out_page->count = 0;
	out_page->tally = (struct tn_dlq_tally){0};
	enum tn_status status = tn_dlq_read(store, &terms->selection, &tn_dlq_limits_default, cursor, on_record, &choosing, error);
	out_page->tally.done = out_page->count;
	return status;
}
