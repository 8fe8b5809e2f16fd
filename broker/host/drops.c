/* SPDX-License-Identifier: Apache-2.0
 *
 * drops.c - how many deliveries each rule dropped at each target, by its policy (on_exhausted: drop).
 *
 * Called by notes.c with each that was dropped, and read for metrics. Names come and go with reloads, so there is a bound: what is dropped
 * beyond so many pairs of names is counted under no name. Bus thread.
 */
#include "bus_parts.h"

#include <stdlib.h>

enum { PAIRS_MAX = 1000 };

struct drops {
	struct tn_bus_drop *pairs; /* the first has no names: the rest of them */
	size_t count, capacity;
};

struct drops *tn_drops_new(void)
{
	struct drops *drops = calloc(1, sizeof *drops);
	if (!drops || !(drops->pairs = calloc(1, sizeof *drops->pairs)))
		abort();
	drops->count = drops->capacity = 1;
	return drops;
}

void tn_drops_free(struct drops *drops)
{
	if (!drops)
		return;
	for (size_t i = 1; i < drops->count; i++) {
		free((char *)(uintptr_t)drops->pairs[i].rule.bytes);
		free((char *)(uintptr_t)drops->pairs[i].target.bytes);
	}
	free(drops->pairs);
	free(drops);
}

static struct tn_bus_drop *find(struct drops *drops, struct tn_str rule, struct tn_str target)
{
	for (size_t i = 1; i < drops->count; i++)
		if (tn_str_equal(drops->pairs[i].rule, rule) && tn_str_equal(drops->pairs[i].target, target))
			return &drops->pairs[i];
	return NULL;
}

static struct tn_bus_drop *add(struct drops *drops, struct tn_str rule, struct tn_str target)
{
	if (drops->count > PAIRS_MAX)
		return &drops->pairs[0];
	if (drops->count == drops->capacity) {
		drops->capacity *= 2;
		drops->pairs = realloc(drops->pairs, drops->capacity * sizeof *drops->pairs);
		if (!drops->pairs)
			abort();
	}
	struct tn_bus_drop *pair = &drops->pairs[drops->count++];
	*pair = (struct tn_bus_drop){.rule = {tn_str_dup(rule), rule.len}, .target = {tn_str_dup(target), target.len}};
	return pair;
}

void tn_drops_count(struct drops *drops, struct tn_str rule, struct tn_str target)
{
	struct tn_bus_drop *pair = find(drops, rule, target);
	if (!pair)
		pair = add(drops, rule, target);
	pair->count++;
}

bool tn_bus_drop(const struct tn_bus *bus, size_t index, struct tn_bus_drop *out_drop)
{
	if (index >= bus->drops->count)
		return false;
	*out_drop = bus->drops->pairs[index];
	return true;
}
