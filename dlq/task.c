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

static bool goes_elsewhere(const struct tn_dlq_terms *terms)
{
	return terms->action == TN_DLQ_REDRIVE && terms->to != TN_DLQ_TO_TARGET;
}

static bool has_way(struct choosing *choosing, const struct tn_row *row, const struct tn_event *event, struct tn_dlq_ways *out_ways)
{
	const struct tn_dlq_terms *terms = choosing->terms;
	struct tn_dlq_tally *tally = &choosing->page->tally;
	bool has = true;
	if (goes_elsewhere(terms)) {
		terms->find_ways(terms->arg, row, event, out_ways);
		has = out_ways->count > 0;
	} else if (terms->has_route) {
		has = terms->has_route(terms->arg, row->rule, row->target);
	}
	tally->no_match += !has && terms->to == TN_DLQ_TO_BUS;
	tally->no_target += !has && terms->to != TN_DLQ_TO_BUS;
	return has;
}

static bool may_move(struct choosing *choosing, const struct tn_row *row, const struct tn_event *event, struct tn_dlq_ways *out_ways)
{
	const struct tn_dlq_terms *terms = choosing->terms;
	uint32_t limit = terms->max_redrives > 0 ? terms->max_redrives : TN_DLQ_MAX_REDRIVES;
	if (terms->action == TN_DLQ_PURGE)
		return true;
	if (!has_way(choosing, row, event, out_ways))
		return false;
	if (row->redrives >= limit && !terms->force) {
		choosing->page->tally.too_often++;
		return false;
	}
	return true;
}

/* The same delivery keeps its place in its lane. */
static void fill_row(struct tn_row *to, struct tn_arena *arena, const struct tn_row *letter, const struct tn_match *match, uint64_t revision)
{
	*to = (struct tn_row){.state = TN_ROW_PARKED, .id = match->id, .lane = match->lane, .rule = tn_arena_copy(arena, match->route->rule),
		.target = tn_arena_copy(arena, match->route->target), .target_no = match->route->target_no, .rule_revision = revision,
		.origin = tn_arena_copy(arena, letter->origin), .hops = letter->hops, .dedup_key = letter->dedup_key,
		.redrives = letter->redrives + 1};
	if (tn_id_equal(&match->id, &letter->id) && tn_id_equal(&match->lane, &letter->lane))
		to->lane_seq = letter->lane_seq;
}

static void send_ways(struct tn_dlq_page *page, struct tn_dlq_item *item, const struct tn_row *letter, const struct tn_event *event,
	const struct tn_dlq_ways *ways)
{
	item->rows = tn_arena_array(&page->arena, struct tn_row, ways->count);
	item->row_count = ways->count;
	item->event = tn_event_ref((struct tn_event *)(uintptr_t)event);
	for (uint32_t i = 0; i < ways->count; i++)
		fill_row(&item->rows[i], &page->arena, letter, &ways->matches[i], ways->revision);
	page->ops += 2 + ways->count;
}

static void empty_page(struct tn_dlq_page *page)
{
	for (uint32_t i = 0; i < page->count; i++)
		tn_event_unref(page->items[i].event);
	page->count = page->ops = 0;
	page->tally = (struct tn_dlq_tally){0};
	tn_arena_reset(&page->arena);
}

void tn_dlq_page_fini(struct tn_dlq_page *page)
{
	empty_page(page);
	tn_arena_fini(&page->arena);
}

static bool on_record(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct choosing *choosing = arg;
	struct tn_dlq_page *page = choosing->page;
	struct tn_dlq_ways ways = {0};
	page->tally.selected++;
	if (may_move(choosing, row, event, &ways)) {
		struct tn_dlq_item *item = &page->items[page->count++];
		*item = (struct tn_dlq_item){.key = row->key, .target_no = row->target_no, .bytes = tn_store_row_bytes(event), .id = row->id};
		if (goes_elsewhere(choosing->terms))
			send_ways(page, item, row, event, &ways);
		if (choosing->terms->chosen)
			choosing->terms->chosen(choosing->terms->arg, row, event);
	}
	return page->count < choosing->most && page->ops + 2 + TN_DLQ_WAYS <= TN_DLQ_PAGE_OPS;
}

void tn_dlq_tally_add(struct tn_dlq_tally *tally, const struct tn_dlq_tally *more)
{
	tally->selected += more->selected;
	tally->done += more->done;
	tally->no_target += more->no_target;
	tally->too_often += more->too_often;
	tally->no_match += more->no_match;
}

enum tn_status tn_dlq_page_read(struct tn_store *store, const struct tn_dlq_terms *terms, uint32_t most, struct tn_dlq_cursor *cursor,
	struct tn_dlq_page *out_page, struct tn_error *error)
{
	struct choosing choosing = {.terms = terms, .most = most < TN_DLQ_PAGE_ITEMS ? most : TN_DLQ_PAGE_ITEMS, .page = out_page};
	empty_page(out_page);
	enum tn_status status = tn_dlq_read(store, &terms->selection, &tn_dlq_limits_default, cursor, on_record, &choosing, error);
	out_page->tally.done = out_page->count;
	return status;
}
