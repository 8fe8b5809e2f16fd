/* SPDX-License-Identifier: Apache-2.0
 *
 * arena.h - memory for things that are born and die together.
 *
 * Chunks are taken from malloc and given back all at once. Allocation aborts when there is no memory: size what input decides
 * against a limit first. One thread at a time.
 */
#ifndef TURNOUT_ARENA_H
#define TURNOUT_ARENA_H

#include <stddef.h>
#include "turnout/str.h"

struct tn_arena_chunk;
struct tn_arena { /* {0} is an empty one */
	struct tn_arena_chunk *chunk;
	size_t used, total_bytes;
};

void tn_arena_fini(struct tn_arena *arena);
/* Forgets everything, keeps the newest chunk for the next use. */
void tn_arena_reset(struct tn_arena *arena);
/* Zeroed, aligned for any type. size 0 is fine. */
void *tn_arena_alloc(struct tn_arena *arena, size_t size);
#define tn_arena_new(arena, type) ((type *)tn_arena_alloc((arena), sizeof(type)))
#define tn_arena_array(arena, type, count) ((type *)tn_arena_alloc_array((arena), sizeof(type), (count)))
/* Aborts on overflow of size * count. */
void *tn_arena_alloc_array(struct tn_arena *arena, size_t size, size_t count);
/* A copy, with a NUL behind it that is not counted. */
struct tn_str tn_arena_copy(struct tn_arena *arena, struct tn_str str);

#endif
