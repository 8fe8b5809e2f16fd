/* SPDX-License-Identifier: Apache-2.0
 *
 * map.h - finds members by hash: chained buckets, the member brings its own node, so putting one in cannot fail.
 *
 * The caller hashes (with a key that nobody outside knows) and compares. Buckets grow with the members if memory allows and stay as
 * they are if not. There is no iteration: no order of work may depend on a hash.
 */
#ifndef TURNOUT_MAP_H
#define TURNOUT_MAP_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/alloc.h"
#include "turnout/status.h"

struct tn_map_node {
	struct tn_map_node *next;
	uint32_t hash;
	bool in_map;
};
struct tn_map {
	struct tn_map_node **buckets;
	uint32_t mask, count;
	struct tn_alloc alloc;
};

/* TN_NO_MEMORY. */
enum tn_status tn_map_init(struct tn_map *map, struct tn_alloc alloc) TN_MUST_CHECK;
void tn_map_fini(struct tn_map *map);
void tn_map_put(struct tn_map *map, struct tn_map_node *node, uint32_t hash);
void tn_map_remove(struct tn_map *map, struct tn_map_node *node); /* harmless when it is not in */
/* A member with that hash, then another one; NULL: no more. */
struct tn_map_node *tn_map_find(const struct tn_map *map, uint32_t hash);
struct tn_map_node *tn_map_find_next(const struct tn_map_node *node);

/* Mixes a 64-bit value and a secret key into a hash. */
static inline uint32_t tn_map_hash(uint64_t value, uint64_t key)
{
	uint64_t z = (value ^ key) * 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 32)) * 0xd6e8feb86659fd93u;
	return (uint32_t)(z >> 32);
}

#endif
