/* SPDX-License-Identifier: Apache-2.0
 *
 * event_tally.c - an open-addressing table of 128-bit names, which are digests and therefore their own hash.
 *
 * Called by command_sink.c for each event. Doubles when three quarters full, up to a limit, so that memory stays
 * bounded.
 */
#include "event_tally.h"

#include <stdlib.h>

#define FIRST_CAPACITY 1024
#define COUNT_LIMIT (1u << 23)

void tn_event_tally_fini(struct tn_event_tally *tally)
{
	free(tally->rows);
	*tally = (struct tn_event_tally){0};
}

static struct tn_event_tally_row *probe(struct tn_event_tally *tally, const struct tn_id *name)
{
	uint64_t at;

	memcpy(&at, name->bytes, sizeof(at));
	for (;; at++) {
		struct tn_event_tally_row *row = &tally->rows[at & (tally->capacity - 1)];

		if (tn_id_is_zero(&row->name) || tn_id_equal(&row->name, name))
			return row;
	}
}

static void grow(struct tn_event_tally *tally)
{
	struct tn_event_tally old = *tally;

	tally->capacity = old.capacity > 0 ? old.capacity * 2 : FIRST_CAPACITY;
	tally->rows = calloc(tally->capacity, sizeof(*tally->rows));
	if (!tally->rows)
		abort();
	for (uint64_t i = 0; i < old.capacity; i++)
		if (!tn_id_is_zero(&old.rows[i].name))
			*probe(tally, &old.rows[i].name) = old.rows[i];
	free(old.rows);
}

struct tn_event_tally_row *tn_event_tally_find(struct tn_event_tally *tally, const struct tn_id *name)
{
	struct tn_event_tally_row *row;

	if (tally->count * 4 >= tally->capacity * 3)
		grow(tally);
	row = probe(tally, name);
	if (!tn_id_is_zero(&row->name))
		return row;
	if (tally->count == COUNT_LIMIT)
		return NULL;
	row->name = *name;
	tally->count++;
	return row;
}
