/* SPDX-License-Identifier: Apache-2.0
 *
 * paths.c - field paths as a tree of steps; the steps of all nodes lie in one hash table.
 *
 * Called by the pattern compiler (adding) and by leaves.c (walking, for each member of each object it enters).
 */
#include "paths.h"

#include <stdlib.h>

struct tn_paths_node {
	uint32_t parent, path;
	bool goes_on;
	uint32_t hash;
	struct tn_str step;
};

void tn_paths_init(struct tn_paths *paths)
{
	*paths = (struct tn_paths){.node_capacity = 16, .slot_count = 32, .capacity = 16};
	paths->nodes = calloc(paths->node_capacity, sizeof *paths->nodes);
	paths->slots = calloc(paths->slot_count, sizeof *paths->slots);
	paths->names = calloc(paths->capacity, sizeof *paths->names);
	if (!paths->nodes || !paths->slots || !paths->names)
		abort();
	paths->nodes[TN_PATHS_ROOT] = (struct tn_paths_node){.parent = TN_PATHS_NONE, .path = TN_PATHS_NONE};
	paths->node_count = 1;
}

void tn_paths_fini(struct tn_paths *paths)
{
	free(paths->nodes);
	free(paths->slots);
	free(paths->names);
	tn_arena_fini(&paths->arena);
	*paths = (struct tn_paths){0};
}

struct step { /* out of a node, along what stands between two dots */
	uint32_t parent, hash;
	struct tn_str text;
};

/* Cuts the first step off *rest; *out_more: a dot came behind it. The hash is FNV-1a, begun with the node: a name is gone through once. */
static struct step cut_step(uint32_t parent, struct tn_str *rest, bool *out_more)
{
	uint32_t hash = 2166136261u ^ (parent * 2654435761u);
	size_t len = 0;
	for (; len < rest->len && rest->bytes[len] != '.'; len++)
		hash = (hash ^ (unsigned char)rest->bytes[len]) * 16777619u;
	struct step step = {parent, hash, tn_str_make(rest->bytes, len)};
	*out_more = len < rest->len;
	*rest = tn_str_tail(*rest, len + 1);
	return step;
}

/* The slot that holds the step, or the free one where it belongs. */
static uint32_t find_slot(const struct tn_paths *paths, const struct step *step)
{
	uint32_t mask = paths->slot_count - 1, slot = step->hash & mask;
	for (;; slot = (slot + 1) & mask) {
		uint32_t number = paths->slots[slot];
		if (number == 0)
			return slot;
		const struct tn_paths_node *node = &paths->nodes[number];
		if (node->hash == step->hash && node->parent == step->parent && tn_str_equal(node->step, step->text))
			return slot;
	}
}

static void grow_slots(struct tn_paths *paths)
{
	free(paths->slots);
	paths->slot_count *= 2;
	paths->slots = calloc(paths->slot_count, sizeof *paths->slots);
	if (!paths->slots)
		abort();
	for (uint32_t number = 1; number < paths->node_count; number++) {
		const struct tn_paths_node *node = &paths->nodes[number];
		paths->slots[find_slot(paths, &(struct step){node->parent, node->hash, node->step})] = number;
	}
}

static uint32_t add_step(struct tn_paths *paths, const struct step *step)
{
	uint32_t slot = find_slot(paths, step);
	if (paths->slots[slot])
		return paths->slots[slot];
	if (paths->node_count == paths->node_capacity) {
		paths->node_capacity *= 2;
		paths->nodes = realloc(paths->nodes, paths->node_capacity * sizeof *paths->nodes);
		if (!paths->nodes)
			abort();
	}
	uint32_t number = paths->node_count++;
	paths->nodes[step->parent].goes_on = true;
	paths->nodes[number] = (struct tn_paths_node){
		.parent = step->parent, .path = TN_PATHS_NONE, .hash = step->hash, .step = tn_arena_copy(&paths->arena, step->text)};
	paths->slots[slot] = number;
	if (paths->node_count * 2 > paths->slot_count)
		grow_slots(paths);
	return number;
}

static uint32_t add_name(struct tn_paths *paths, struct tn_str name)
{
	if (paths->count == paths->capacity) {
		paths->capacity *= 2;
		paths->names = realloc(paths->names, paths->capacity * sizeof *paths->names);
		if (!paths->names)
			abort();
	}
	paths->names[paths->count] = tn_arena_copy(&paths->arena, name);
	return paths->count++;
}

uint32_t tn_paths_add(struct tn_paths *paths, struct tn_str name)
{
	uint32_t node = TN_PATHS_ROOT;
	struct tn_str rest = name;
	bool more = true;
	while (more) {
		struct step step = cut_step(node, &rest, &more);
		node = add_step(paths, &step);
	}
	if (paths->nodes[node].path == TN_PATHS_NONE)
		paths->nodes[node].path = add_name(paths, name);
	return paths->nodes[node].path;
}

struct tn_str tn_paths_name(const struct tn_paths *paths, uint32_t path)
{
	return paths->names[path];
}

uint32_t tn_paths_step(const struct tn_paths *paths, uint32_t node, struct tn_str name)
{
	bool more = true;
	while (more) {
		if (!paths->nodes[node].goes_on)
			return TN_PATHS_NONE;
		struct step step = cut_step(node, &name, &more);
		node = paths->slots[find_slot(paths, &step)];
		if (node == 0)
			return TN_PATHS_NONE;
	}
	return node;
}

uint32_t tn_paths_at(const struct tn_paths *paths, uint32_t node)
{
	return paths->nodes[node].path;
}

bool tn_paths_go_on(const struct tn_paths *paths, uint32_t node)
{
	return paths->nodes[node].goes_on;
}
