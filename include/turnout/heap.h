/* SPDX-License-Identifier: Apache-2.0
 *
 * heap.h - who is due next: a binary heap of nodes by time. The node knows its place, so that it can be moved and removed.
 *
 * Memory is taken by tn_heap_reserve alone: with room reserved, nothing here can fail. Equal times come in an order that depends on
 * the calls made before and on nothing else.
 */
#ifndef TURNOUT_HEAP_H
#define TURNOUT_HEAP_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/alloc.h"
#include "turnout/status.h"

struct tn_heap_node {
	uint32_t place; /* 1 and up; 0: in no heap */
};
struct tn_heap_entry {
	int64_t due_ms;
	struct tn_heap_node *node;
};
struct tn_heap {
	struct tn_heap_entry *entries;
	uint32_t count, capacity;
	struct tn_alloc alloc;
};

void tn_heap_init(struct tn_heap *heap, struct tn_alloc alloc);
void tn_heap_fini(struct tn_heap *heap);
/* Room for `count` nodes in all. TN_NO_MEMORY: nothing changed. */
enum tn_status tn_heap_reserve(struct tn_heap *heap, uint32_t count) TN_MUST_CHECK;
/* Puts the node in, or moves it to its new time. Room was reserved. */
void tn_heap_set(struct tn_heap *heap, struct tn_heap_node *node, int64_t due_ms);
/* Harmless when it is not in. */
void tn_heap_remove(struct tn_heap *heap, struct tn_heap_node *node);
/* The earliest node due at now_ms, taken out; or NULL. */
struct tn_heap_node *tn_heap_pop_due(struct tn_heap *heap, int64_t now_ms);

static inline bool tn_heap_holds(const struct tn_heap_node *node)
{
	return node->place != 0;
}
static inline int64_t tn_heap_deadline(const struct tn_heap *heap) /* INT64_MAX when empty */
{
	return heap->count == 0 ? INT64_MAX : heap->entries[0].due_ms;
}
static inline int64_t tn_heap_due(const struct tn_heap *heap, const struct tn_heap_node *node) /* it is in */
{
	return heap->entries[node->place - 1].due_ms;
}

#endif
