/* SPDX-License-Identifier: Apache-2.0
 *
 * map.c - intrusive hash table; see map.h.
 *
 * Called by the engine. Owns its bucket array, not the members.
 */
#include "turnout/map.h"

#include <assert.h>
#include <string.h>

enum { FIRST_BUCKETS = 64 };

static struct tn_map_node **new_buckets(struct tn_alloc alloc, uint32_t count)
{
	struct tn_map_node **buckets = alloc.resize(alloc.arg, NULL, 0, count * sizeof(struct tn_map_node *));
	if (buckets != NULL)
		memset(buckets, 0, count * sizeof(struct tn_map_node *));
	return buckets;
}

static void free_buckets(struct tn_map *map)
{
	map->alloc.resize(map->alloc.arg, map->buckets, ((size_t)map->mask + 1) * sizeof(struct tn_map_node *), 0);
}

enum tn_status tn_map_init(struct tn_map *map, struct tn_alloc alloc)
{
	*map = (struct tn_map){.alloc = alloc, .mask = FIRST_BUCKETS - 1};
	map->buckets = new_buckets(alloc, FIRST_BUCKETS);
	return map->buckets == NULL ? TN_NO_MEMORY : TN_OK;
}

void tn_map_fini(struct tn_map *map)
{
	if (map->buckets != NULL)
		free_buckets(map);
	map->buckets = NULL;
}

static void grow(struct tn_map *map)
{
	uint32_t count = (map->mask + 1) * 2;
	struct tn_map_node **buckets = new_buckets(map->alloc, count);
	if (buckets == NULL)
		return;
	for (uint32_t i = 0; i <= map->mask; i++) {
		for (struct tn_map_node *node = map->buckets[i], *next; node != NULL; node = next) {
			next = node->next;
			node->next = buckets[node->hash & (count - 1)];
			buckets[node->hash & (count - 1)] = node;
		}
	}
	free_buckets(map);
	map->buckets = buckets;
	map->mask = count - 1;
}

void tn_map_put(struct tn_map *map, struct tn_map_node *node, uint32_t hash)
{
	assert(!node->in_map);
	if (map->count > map->mask && map->mask < (1u << 30))
		grow(map);
	struct tn_map_node **bucket = &map->buckets[hash & map->mask];
	*node = (struct tn_map_node){.next = *bucket, .hash = hash, .in_map = true};
	*bucket = node;
	map->count++;
}

void tn_map_remove(struct tn_map *map, struct tn_map_node *node)
{
	if (!node->in_map)
		return;
	struct tn_map_node **place = &map->buckets[node->hash & map->mask];
	while (*place != node)
		place = &(*place)->next;
	*place = node->next;
	node->next = NULL;
	node->in_map = false;
	map->count--;
}

static struct tn_map_node *first_with(struct tn_map_node *node, uint32_t hash)
{
	while (node != NULL && node->hash != hash)
		node = node->next;
	return node;
}

struct tn_map_node *tn_map_find(const struct tn_map *map, uint32_t hash)
{
	return first_with(map->buckets[hash & map->mask], hash);
}

struct tn_map_node *tn_map_find_next(const struct tn_map_node *node)
{
	return first_with(node->next, node->hash);
}
