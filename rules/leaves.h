/* SPDX-License-Identifier: Apache-2.0
 *
 * leaves.h - an event as patterns see it: a bag of leaves (event-patterns.md section 2), of which only those are kept that stand at a
 * path some pattern names.
 *
 * A leaf's membership, the elements of arrays that enclose it, is a node in a tree of contexts. Context 0 is the whole event; each
 * object or array that is an element of an array makes one:
 *
 *   {"d":[{"id":1},{"id":2,"e":[{"x":3}]}]}     0 ── array 1, element 0: context 1       d.id = 1 in context 1
 *                                                ├─ array 1, element 1: context 2       d.id = 2 in context 2
 *                                                │   └─ array 2, element 0: context 3   d.e.x = 3 in context 3
 *
 * Numbers of contexts ascend in reading order. The memory is kept from event to event. One thread.
 */
#ifndef TURNOUT_RULES_LEAVES_H
#define TURNOUT_RULES_LEAVES_H

#include "decimal.h"
#include "paths.h"
#include "turnout/arena.h"

enum tn_leaf_kind { TN_LEAF_STRING, TN_LEAF_NUMBER, TN_LEAF_TRUE, TN_LEAF_FALSE, TN_LEAF_NULL };

struct tn_leaf {
	enum tn_leaf_kind kind;
	uint32_t context;
	uint32_t next;             /* the next leaf of the same path in reading order; 0: none */
	struct tn_str text;        /* STRING: unescaped. NUMBER: as written */
	struct tn_decimal number;  /* NUMBER */
};
struct tn_context {
	uint32_t parent, array, depth; /* array: which instance it is an element of */
	uint32_t end;                  /* contexts within it: its own number up to here, exclusive */
};

struct tn_leaves_frame;
struct tn_leaves { /* {0} */
	const struct tn_paths *paths;
	struct tn_leaf *items; /* from 1 up */
	uint32_t count, capacity;
	uint32_t *first, *last; /* of each path; 0: none */
	uint32_t path_capacity;
	uint32_t *touched, touched_count; /* paths that have leaves */
	struct tn_context *contexts;
	uint32_t context_count, context_capacity, array_count;
	struct tn_arena strings;
	struct tn_leaves_frame *frames;
};

void tn_leaves_fini(struct tn_leaves *leaves);
/* Forgets the last event and gets ready for one under these paths, which are borrowed until the next begin. */
void tn_leaves_begin(struct tn_leaves *leaves, const struct tn_paths *paths);
/* A scalar at a node of the paths (outside all arrays); nothing happens when no path ends there. text is borrowed. */
void tn_leaves_add(struct tn_leaves *leaves, uint32_t node, enum tn_leaf_kind kind, struct tn_str text);
/* One JSON text standing at node, which may be TN_PATHS_ROOT. The text is borrowed. TN_INVALID with the byte. checked: the text is known
 * to be JSON, so objects and arrays that no path enters are not read, only passed; otherwise it is checked whole. */
enum tn_status tn_leaves_read(struct tn_leaves *leaves, uint32_t node, struct tn_str json, bool checked, size_t *out_at) TN_MUST_CHECK;

/* The first leaf of a path, or NULL, and the one after it. */
static inline const struct tn_leaf *tn_leaves_first(const struct tn_leaves *leaves, uint32_t path)
{
	return leaves->first[path] ? &leaves->items[leaves->first[path]] : NULL;
}
static inline const struct tn_leaf *tn_leaves_next(const struct tn_leaves *leaves, const struct tn_leaf *leaf)
{
	return leaf->next ? &leaves->items[leaf->next] : NULL;
}
/* Appends the leaf as JSON. */
void tn_leaf_to_json(const struct tn_leaf *leaf, struct tn_buf *out);

#endif
