/* SPDX-License-Identifier: Apache-2.0
 *
 * arena.c - memory for things that are born and die together.
 *
 * Called by compilers and decoders. One thread at a time for each arena.
 */
#include "turnout/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { FIRST_CHUNK = 2048, LARGEST_CHUNK = 256 * 1024 };

struct tn_arena_chunk {
	struct tn_arena_chunk *older;
	size_t size;
	alignas(max_align_t) char bytes[];
};

void tn_arena_fini(struct tn_arena *arena)
{
	while (arena->chunk) {
		struct tn_arena_chunk *older = arena->chunk->older;
		free(arena->chunk);
		arena->chunk = older;
	}
	*arena = (struct tn_arena){0};
}

void tn_arena_reset(struct tn_arena *arena)
{
	if (!arena->chunk)
		return;
	struct tn_arena_chunk *older = arena->chunk->older;
	while (older) {
		struct tn_arena_chunk *next = older->older;
		free(older);
		older = next;
	}
	arena->chunk->older = NULL;
	arena->used = 0;
	arena->total_bytes = arena->chunk->size;
}

static void add_chunk(struct tn_arena *arena, size_t size)
{
	size_t wanted = arena->chunk ? arena->chunk->size * 2 : FIRST_CHUNK;
	if (wanted > LARGEST_CHUNK)
		wanted = LARGEST_CHUNK;
	if (wanted < size)
		wanted = size;
	struct tn_arena_chunk *chunk = malloc(sizeof *chunk + wanted);
	if (!chunk)
		abort();
	chunk->older = arena->chunk;
	chunk->size = wanted;
	arena->chunk = chunk;
	arena->used = 0;
	arena->total_bytes += wanted;
}

void *tn_arena_alloc(struct tn_arena *arena, size_t size)
{
	size_t align = alignof(max_align_t);
	if (size > SIZE_MAX / 4)
		abort();
	size = (size + align - 1) & ~(align - 1);
	if (!arena->chunk || arena->chunk->size - arena->used < size)
		add_chunk(arena, size);
	void *memory = arena->chunk->bytes + arena->used;
	arena->used += size;
	if (size)
		memset(memory, 0, size);
	return memory;
}

void *tn_arena_alloc_array(struct tn_arena *arena, size_t size, size_t count)
{
	if (size && count > SIZE_MAX / 4 / size)
		abort();
	return tn_arena_alloc(arena, size * count);
}

struct tn_str tn_arena_copy(struct tn_arena *arena, struct tn_str str)
{
	char *copy = tn_arena_alloc(arena, str.len + 1);
	if (str.len)
		memcpy(copy, str.bytes, str.len);
	return (struct tn_str){copy, str.len};
}
