/* SPDX-License-Identifier: Apache-2.0
 *
 * selection.c - which dead letters an operator means.
 *
 * Called by pages.c for each record. Any thread.
 */
#include "selection.h"

#include <stdlib.h>

static bool wants(struct tn_str wanted, struct tn_str actual)
{
	return !wanted.bytes || tn_str_equal(wanted, actual);
}

static int compare_keys(const void *a, const void *b)
{
	return tn_row_key_compare(a, b);
}

uint32_t tn_dlq_unique(struct tn_row_key *ids, uint32_t count)
{
	uint32_t kept = 0;
	if (count > 0)
		qsort(ids, count, sizeof *ids, compare_keys);
	for (uint32_t i = 0; i < count; i++)
		if (kept == 0 || tn_row_key_compare(&ids[kept - 1], &ids[i]) != 0)
			ids[kept++] = ids[i];
	return kept;
}

static bool is_named(const struct tn_dlq_selection *selection, const struct tn_row *row)
{
	if (selection->all)
		return true;
	for (uint32_t i = 0; i < selection->id_count; i++)
		if (tn_row_key_compare(&selection->ids[i], &row->key) == 0)
			return true;
	return false;
}

static bool is_class(struct tn_str wanted, const struct tn_row *row, const struct tn_event *event)
{
	const char *name = tn_dlq_class(row, event);
	return name && tn_str_is(wanted, name);
}

static struct tn_str queue_of(const struct tn_row *row)
{
	return row->queue.len > 0 ? row->queue : TN_STR("default");
}

bool tn_selection_filters(const struct tn_dlq_selection *selection, const struct tn_row *row, const struct tn_event *event)
{
	struct tn_str code = row->last ? tn_str_from(row->last->code) : (struct tn_str){0};
	return row->state == TN_ROW_DEAD && wants(selection->rule, row->rule) && wants(selection->target, row->target) &&
		wants(selection->code, code) && (!selection->error_class.bytes || is_class(selection->error_class, row, event)) &&
		(!selection->queue.bytes || tn_str_equal(selection->queue, queue_of(row))) && (selection->dead_after_ms == 0 || row->dead_ms >= selection->dead_after_ms) &&
		(selection->dead_before_ms == 0 || row->dead_ms < selection->dead_before_ms) &&
		(!selection->matches || selection->matches(selection->arg, row, event));
}

bool tn_dlq_selects(const struct tn_dlq_selection *selection, const struct tn_row *row, const struct tn_event *event)
{
	return is_named(selection, row) && tn_selection_filters(selection, row, event);
}
