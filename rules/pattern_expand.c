/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern_expand.c - multiplies a pattern's `$or`s out into branches, in document order; the last list for a path wins.
 *
 * Called by pattern.c with what the parser made. While it grows, a branch is a chain from its newest field to its oldest, and chains
 * share their older parts; at the end each is walked once, keeping the newest list of each path. One thread.
 */
#include "pattern_tree.h"

#include <stdlib.h>

struct link {
	const struct link *older;
	const struct tn_pattern_item *item;
};
struct chains {
	const struct link **items;
	uint32_t count, capacity;
};

static void add_chain(struct chains *chains, const struct link *link)
{
	if (chains->count == chains->capacity) {
		chains->capacity = chains->capacity ? chains->capacity * 2 : 4;
		chains->items = realloc(chains->items, chains->capacity * sizeof *chains->items);
		if (!chains->items)
			abort();
	}
	chains->items[chains->count++] = link;
}

static void extend(struct chains *chains, const struct tn_pattern_item *items, struct tn_arena *scratch);

/* Replaces each chain by its extensions, one for each choice (which may bring more of their own). */
static void choose(struct chains *chains, const struct tn_pattern_choice *choices, struct tn_arena *scratch)
{
	struct chains out = {0};
	for (; choices; choices = choices->next) {
		struct chains copy = {0};
		for (uint32_t i = 0; i < chains->count; i++)
			add_chain(&copy, chains->items[i]);
		extend(&copy, choices->items, scratch);
		for (uint32_t i = 0; i < copy.count; i++)
			add_chain(&out, copy.items[i]);
		free(copy.items);
	}
	free(chains->items);
	*chains = out;
}

static void extend(struct chains *chains, const struct tn_pattern_item *items, struct tn_arena *scratch)
{
	for (; items; items = items->next) {
		if (!items->values) {
			choose(chains, items->choices, scratch);
			continue;
		}
		for (uint32_t i = 0; i < chains->count; i++) {
			struct link *link = tn_arena_new(scratch, struct link);
			*link = (struct link){chains->items[i], items};
			chains->items[i] = link;
		}
	}
}

static int by_cost(const void *a, const void *b)
{
	const struct tn_field *one = a, *two = b;
	if (one->values->cost != two->values->cost)
		return one->values->cost < two->values->cost ? -1 : 1;
	return one->place < two->place ? -1 : one->place > two->place;
}

struct slots {
	uint32_t *paths; /* the path of each slot */
	uint32_t count, capacity;
};

static uint32_t find_slot(struct slots *slots, uint32_t path)
{
	for (uint32_t i = 0; i < slots->count; i++)
		if (slots->paths[i] == path)
			return i;
	if (slots->count == slots->capacity) {
		slots->capacity = slots->capacity ? slots->capacity * 2 : 16;
		slots->paths = realloc(slots->paths, slots->capacity * sizeof *slots->paths);
		if (!slots->paths)
			abort();
	}
	slots->paths[slots->count] = path;
	return slots->count++;
}

static void number_slots(struct slots *slots, struct tn_pattern_item *items)
{
	for (; items; items = items->next) {
		if (items->values)
			items->slot = find_slot(slots, items->path);
		for (struct tn_pattern_choice *choice = items->choices; choice; choice = choice->next)
			number_slots(slots, choice->items);
	}
}

/* newest_of: room for each slot. */
static struct tn_branch finish(const struct link *newest, const struct tn_pattern_item **newest_of, uint32_t slots,
	struct tn_arena *arena)
{
	uint32_t count = 0;
	memset(newest_of, 0, slots * sizeof *newest_of);
	for (const struct link *link = newest; link; link = link->older)
		if (!newest_of[link->item->slot]) {
			newest_of[link->item->slot] = link->item;
			count++;
		}
	struct tn_field *fields = tn_arena_array(arena, struct tn_field, count);
	uint32_t place = count;
	for (const struct link *link = newest; link; link = link->older)
		if (newest_of[link->item->slot] == link->item) {
			place--;
			fields[place] = (struct tn_field){link->item->path, place, link->item->values};
		}
	qsort(fields, count, sizeof *fields, by_cost);
	return (struct tn_branch){fields, count};
}

void tn_pattern_expand(struct tn_pattern_item *items, struct tn_arena *arena, struct tn_pattern_code *out_code)
{
	struct tn_arena scratch = {0};
	struct chains chains = {0};
	struct slots slots = {0};
	number_slots(&slots, items);
	add_chain(&chains, NULL);
	extend(&chains, items, &scratch);
	const struct tn_pattern_item **newest_of = tn_arena_array(&scratch, const struct tn_pattern_item *, slots.count);
	struct tn_branch *branches = tn_arena_array(arena, struct tn_branch, chains.count);
	for (uint32_t i = 0; i < chains.count; i++)
		branches[i] = finish(chains.items[i], newest_of, slots.count, arena);
	out_code->branches = branches;
	out_code->branch_count = chains.count;
	free(slots.paths);
	free(chains.items);
	tn_arena_fini(&scratch);
}
