/* SPDX-License-Identifier: Apache-2.0
 *
 * heap.c - a binary heap by time; see heap.h.
 *
 * Called by the engine for retries and targets. Owns its array, not the nodes. Times stand in the array beside the pointers, so a
 * sift touches nodes only to tell them their new place.
 */
#include "turnout/heap.h"

#include <assert.h>
#include <string.h>

void tn_heap_init(struct tn_heap *heap, struct tn_alloc alloc)
{
	memset(heap, 0, sizeof(*heap));
	heap->alloc = alloc;
}

void tn_heap_fini(struct tn_heap *heap)
{
	if (heap->entries != NULL)
		heap->alloc.resize(heap->alloc.arg, heap->entries, heap->capacity * sizeof(*heap->entries), 0);
	heap->entries = NULL;
	heap->count = heap->capacity = 0;
}

enum tn_status tn_heap_reserve(struct tn_heap *heap, uint32_t count)
{
	if (count <= heap->capacity)
		return TN_OK;
	uint32_t capacity = heap->capacity < 32 ? 64 : heap->capacity * 2;
	if (capacity < count)
		capacity = count;
	void *entries = heap->alloc.resize(heap->alloc.arg, heap->entries, heap->capacity * sizeof(*heap->entries),
		capacity * sizeof(*heap->entries));
	if (entries == NULL)
		return TN_NO_MEMORY;
	heap->entries = entries;
	heap->capacity = capacity;
	return TN_OK;
}

static void put(struct tn_heap *heap, uint32_t place, struct tn_heap_entry entry)
{
	heap->entries[place - 1] = entry;
	entry.node->place = place;
}

static void sift_up(struct tn_heap *heap, uint32_t place, struct tn_heap_entry entry)
{
	while (place > 1 && heap->entries[place / 2 - 1].due_ms > entry.due_ms) {
		put(heap, place, heap->entries[place / 2 - 1]);
		place /= 2;
	}
	put(heap, place, entry);
}

static void sift_down(struct tn_heap *heap, uint32_t place, struct tn_heap_entry entry)
{
	for (;;) {
		uint32_t child = place * 2;
		if (child > heap->count)
			break;
		if (child < heap->count && heap->entries[child].due_ms < heap->entries[child - 1].due_ms)
			child++;
		if (heap->entries[child - 1].due_ms >= entry.due_ms)
			break;
		put(heap, place, heap->entries[child - 1]);
		place = child;
	}
	put(heap, place, entry);
}

void tn_heap_set(struct tn_heap *heap, struct tn_heap_node *node, int64_t due_ms)
{
	struct tn_heap_entry entry = {due_ms, node};
	if (node->place == 0) {
		assert(heap->count < heap->capacity);
		sift_up(heap, ++heap->count, entry);
	} else if (due_ms < heap->entries[node->place - 1].due_ms) {
		sift_up(heap, node->place, entry);
	} else {
		sift_down(heap, node->place, entry);
	}
}

void tn_heap_remove(struct tn_heap *heap, struct tn_heap_node *node)
{
	uint32_t place = node->place;
	if (place == 0)
		return;
	node->place = 0;
	struct tn_heap_entry last = heap->entries[--heap->count];
	if (last.node == node)
		return;
	if (place > 1 && heap->entries[place / 2 - 1].due_ms > last.due_ms)
		sift_up(heap, place, last);
	else
		sift_down(heap, place, last);
}

struct tn_heap_node *tn_heap_pop_due(struct tn_heap *heap, int64_t now_ms)
{
	if (heap->count == 0 || heap->entries[0].due_ms > now_ms)
		return NULL;
	struct tn_heap_node *node = heap->entries[0].node;
	tn_heap_remove(heap, node);
	return node;
}
