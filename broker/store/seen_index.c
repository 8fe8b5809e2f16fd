/* SPDX-License-Identifier: Apache-2.0
 *
 * seen_index.c - where the row of an idempotency key stands: in memory, one slot a row.
 *
 * Called by seen.c. Only the writer's thread changes it, and reads it without the lock; a table that is to be larger is
 * made beside the old one, so that a lookup waits for a few slots at most. A key's slots begin at its hash and have no
 * free one between them and there.
 */
#include "seen_index.h"

#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 64, MOST = INT32_MAX / 2, A_TRANSACTION = 8192 }; /* slots */

void tn_seen_index_init(struct tn_seen_index *index, uint64_t max_keys)
{
	uint64_t enough = max_keys < MOST / 2 ? max_keys + max_keys / 3 + A_TRANSACTION : MOST;
	*index = (struct tn_seen_index){.enough = (uint32_t)enough, .seed = tn_seed_random(), .left_out_ms = INT64_MIN};
	pthread_mutex_init(&index->lock, NULL);
}

void tn_seen_index_fini(struct tn_seen_index *index)
{
	free(index->slots);
	index->slots = NULL;
	pthread_mutex_destroy(&index->lock);
}

/* --- Slots --- */

/* Seeded, so that nobody who chooses event ids chooses slots. */
uint32_t tn_seen_index_fingerprint(const struct tn_seen_index *index, const struct tn_id *key)
{
	uint64_t low, high;
	memcpy(&low, key->bytes, sizeof low);
	memcpy(&high, key->bytes + sizeof low, sizeof high);
	uint64_t mixed = (low ^ index->seed) * UINT64_C(0x9e3779b97f4a7c15);
	mixed = (mixed ^ mixed >> 32 ^ high) * UINT64_C(0xd6e8feb86659fd93);
	uint32_t fingerprint = (uint32_t)(mixed >> 32);
	return fingerprint ? fingerprint : 1;
}

static struct tn_seen_slot make_slot(const struct tn_seen_index *index, const struct tn_seen_place *place)
{
	uint64_t expires = (uint64_t)place->expires_ms;
	return (struct tn_seen_slot){
	        tn_seen_index_fingerprint(index, &place->key), {(uint32_t)(expires >> 32), (uint32_t)expires}};
}

static int64_t expiry_of(const struct tn_seen_slot *slot)
{
	return (int64_t)((uint64_t)slot->expires[0] << 32 | slot->expires[1]);
}

static uint32_t home_of(uint32_t fingerprint, uint32_t capacity)
{
	return (uint32_t)((uint64_t)fingerprint * capacity >> 32);
}

static uint32_t behind(uint32_t at, uint32_t capacity)
{
	return at + 1 < capacity ? at + 1 : 0;
}

/* There is a free one. */
static void put_slot(struct tn_seen_slot *slots, uint32_t capacity, struct tn_seen_slot slot)
{
	uint32_t at = home_of(slot.fingerprint, capacity);
	while (slots[at].fingerprint != 0)
		at = behind(at, capacity);
	slots[at] = slot;
}

/* Those behind it move up, each as far as its home lets it. */
static void free_slot(struct tn_seen_slot *slots, uint32_t capacity, uint32_t hole)
{
	for (uint32_t at = behind(hole, capacity); slots[at].fingerprint != 0; at = behind(at, capacity)) {
		uint32_t home = home_of(slots[at].fingerprint, capacity);
		bool between = hole <= at ? hole < home && home <= at : hole < home || home <= at;
		if (between)
			continue;
		slots[hole] = slots[at];
		hole = at;
	}
	slots[hole].fingerprint = 0;
}

static void take_slot(struct tn_seen_index *index, struct tn_seen_slot slot)
{
	if (index->capacity == 0)
		return;
	uint32_t at = home_of(slot.fingerprint, index->capacity);
	while (index->slots[at].fingerprint != 0 && memcmp(&index->slots[at], &slot, sizeof slot) != 0)
		at = behind(at, index->capacity);
	if (index->slots[at].fingerprint == 0)
		return;
	free_slot(index->slots, index->capacity, at);
	index->count--;
}

/* --- The table --- */

/* A quarter stays free, so that ways are short. */
static bool fits(uint64_t count, uint32_t capacity)
{
	return count <= capacity - capacity / 4;
}

/* A third more than is needed, so that the next time is far; but no more than what is enough for ever. */
static uint32_t capacity_for(const struct tn_seen_index *index, uint64_t needed)
{
	uint64_t capacity = SMALLEST;
	while (capacity < MOST && !fits(needed + needed / 3, (uint32_t)capacity))
		capacity += capacity / 2;
	if (capacity > index->enough && fits(needed, index->enough))
		return index->enough;
	return capacity < MOST ? (uint32_t)capacity : MOST;
}

static uint32_t count_live(const struct tn_seen_index *index, int64_t now_ms)
{
	uint32_t live = 0;
	for (uint32_t i = 0; i < index->capacity; i++)
		live += index->slots[i].fingerprint != 0 && expiry_of(&index->slots[i]) > now_ms;
	return live;
}

/* Without what expired. False: no memory, and all is as it was. */
static bool make_anew(struct tn_seen_index *index, uint32_t capacity, int64_t now_ms)
{
	struct tn_seen_slot *slots = calloc(capacity, sizeof *slots), *old = index->slots;
	uint32_t count = 0;
	if (!slots)
		return false;
	for (uint32_t i = 0; i < index->capacity; i++) {
		if (old[i].fingerprint == 0 || expiry_of(&old[i]) <= now_ms)
			continue;
		put_slot(slots, capacity, old[i]);
		count++;
	}
	pthread_mutex_lock(&index->lock);
	index->slots = slots;
	index->capacity = capacity;
	index->count = count;
	pthread_mutex_unlock(&index->lock);
	free(old);
	return true;
}

static bool make_room(struct tn_seen_index *index, uint64_t more, int64_t now_ms)
{
	if (fits(index->count + more, index->capacity))
		return true;
	uint64_t needed = count_live(index, now_ms) + more;
	uint32_t capacity = capacity_for(index, needed);
	return fits(needed, capacity) && make_anew(index, capacity, now_ms);
}

static void give_room_back(struct tn_seen_index *index, int64_t now_ms)
{
	if (index->capacity > SMALLEST && index->count < index->capacity / 8)
		make_anew(index, capacity_for(index, index->count), now_ms);
}

/* --- Public --- */

void tn_seen_index_find(
        struct tn_seen_index *index, const struct tn_id *key, int64_t after_ms, struct tn_seen_places *out_places)
{
	uint32_t fingerprint = tn_seen_index_fingerprint(index, key);
	out_places->count = 0;
	out_places->more = false;
	pthread_mutex_lock(&index->lock);
	uint32_t at = index->capacity > 0 ? home_of(fingerprint, index->capacity) : 0;
	for (; index->capacity > 0 && index->slots[at].fingerprint != 0; at = behind(at, index->capacity)) {
		const struct tn_seen_slot *slot = &index->slots[at];
		if (slot->fingerprint != fingerprint || expiry_of(slot) <= after_ms)
			continue;
		out_places->more = out_places->count == TN_SEEN_PLACES;
		if (out_places->more)
			break;
		out_places->expires_ms[out_places->count++] = expiry_of(slot);
	}
	pthread_mutex_unlock(&index->lock);
}

uint64_t tn_seen_index_left_out(struct tn_seen_index *index)
{
	pthread_mutex_lock(&index->lock);
	uint64_t left_out = index->left_out;
	pthread_mutex_unlock(&index->lock);
	return left_out;
}

void tn_seen_index_reserve(struct tn_seen_index *index, uint64_t more, int64_t now_ms)
{
	make_room(index, more, now_ms);
}

static void leave_out(struct tn_seen_index *index, const struct tn_seen_place *come, uint32_t count)
{
	index->left_out += count;
	for (uint32_t i = 0; i < count; i++)
		if (index->left_out_ms < come[i].expires_ms)
			index->left_out_ms = come[i].expires_ms;
}

void tn_seen_index_remove(
        struct tn_seen_index *index, const struct tn_seen_place *places, uint32_t count, int64_t now_ms)
{
	if (count == 0)
		return;
	pthread_mutex_lock(&index->lock);
	for (uint32_t i = 0; i < count; i++)
		take_slot(index, make_slot(index, &places[i]));
	pthread_mutex_unlock(&index->lock);
	give_room_back(index, now_ms);
}

void tn_seen_index_add(struct tn_seen_index *index, const struct tn_seen_place *places, uint32_t count, int64_t now_ms)
{
	if (count == 0)
		return;
	bool room = make_room(index, count, now_ms);
	pthread_mutex_lock(&index->lock);
	for (uint32_t i = 0; i < count && room; i++)
		put_slot(index->slots, index->capacity, make_slot(index, &places[i]));
	if (room)
		index->count += count;
	else
		leave_out(index, places, count);
	pthread_mutex_unlock(&index->lock);
}

bool tn_seen_index_is_whole(const struct tn_seen_index *index, int64_t now_ms)
{
	return index->left_out_ms <= now_ms;
}
