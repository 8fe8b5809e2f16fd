/* SPDX-License-Identifier: Apache-2.0
 *
 * paths.h - the field paths that patterns name, numbered, and a tree of their steps to walk an event by.
 *
 * A path is member names joined by `.`; `{"a.b":..}` and `{"a":{"b":..}}` are one path, so a step is what stands between two dots, not a
 * member name:
 *
 *   "a", "a.b", "c"          root (0) --a--> 1 [path 0] --b--> 2 [path 1]
 *                                    \--c--> 3 [path 2]
 *
 * Built by one thread, then immutable: any thread may walk it.
 */
#ifndef TURNOUT_RULES_PATHS_H
#define TURNOUT_RULES_PATHS_H

#include "turnout/arena.h"

#define TN_PATHS_NONE UINT32_MAX
enum { TN_PATHS_ROOT = 0 };

struct tn_paths_node;
struct tn_paths { /* {0} and then tn_paths_init */
	struct tn_arena arena;
	struct tn_paths_node *nodes;
	uint32_t node_count, node_capacity;
	uint32_t *slots; /* hash table of steps: node numbers, 0 for free */
	uint32_t slot_count;
	struct tn_str *names; /* of each path */
	uint32_t count, capacity;
};

void tn_paths_init(struct tn_paths *paths);
void tn_paths_fini(struct tn_paths *paths);
/* The path's number, from 0 up; the same for the same name. */
uint32_t tn_paths_add(struct tn_paths *paths, struct tn_str name);
struct tn_str tn_paths_name(const struct tn_paths *paths, uint32_t path);

/* From node along a member's name, which may hold dots. TN_PATHS_NONE: no path goes there. */
uint32_t tn_paths_step(const struct tn_paths *paths, uint32_t node, struct tn_str name);
/* The path that ends at node; TN_PATHS_NONE: paths only pass it. */
uint32_t tn_paths_at(const struct tn_paths *paths, uint32_t node);
/* Does any path go on from node? */
bool tn_paths_go_on(const struct tn_paths *paths, uint32_t node);

#endif
