/* SPDX-License-Identifier: Apache-2.0
 *
 * test_seen_index.c - slots in memory: each that was added and not removed is found, whatever the order, and without
 * memory nothing breaks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "seen_index.h"

/* --- calloc fails on demand (linked with --wrap) --- */

static bool no_memory;
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
	return no_memory ? NULL : __real_calloc(count, size);
}

static int set_up(void **state)
{
	static struct tn_seen_index index;
	tn_seen_index_init(&index, 1000);
	no_memory = false;
	*state = &index;
	return 0;
}

static int tear_down(void **state)
{
	no_memory = false;
	tn_seen_index_fini(*state);
	return 0;
}

static struct tn_seen_place place_of(uint32_t number)
{
	struct tn_seen_place place = {.expires_ms = 1000 + number};
	uint64_t mixed = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
	memcpy(place.key.bytes, &mixed, 8);
	memcpy(place.key.bytes + 8, &number, 4);
	return place;
}

static void add(struct tn_seen_index *index, uint32_t number)
{
	struct tn_seen_place place = place_of(number);
	tn_seen_index_add(index, &place, 1, 0);
}

static void take(struct tn_seen_index *index, uint32_t number)
{
	struct tn_seen_place place = place_of(number);
	tn_seen_index_remove(index, &place, 1, 0);
}

static uint32_t found(struct tn_seen_index *index, uint32_t number)
{
	struct tn_seen_place place = place_of(number);
	struct tn_seen_places places;
	tn_seen_index_find(index, &place.key, place.expires_ms - 1, &places);
	for (uint32_t i = 0; i < places.count; i++)
		assert_true(places.expires_ms[i] >= place.expires_ms);
	return places.count;
}

static void nothing_is_found_in_an_empty_index(void **state)
{
	assert_int_equal(found(*state, 1), 0);
	take(*state, 1);
}

static void what_was_added_is_found_until_it_is_removed_in_any_order(void **state)
{
	enum { KEYS = 3000 };
	static bool there[KEYS];
	uint32_t count = 0;
	uint64_t random = 7;
	memset(there, 0, sizeof there);
	for (unsigned step = 0; step < 60000; step++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		uint32_t number = (uint32_t)(random >> 33) % KEYS;
		bool growing = step / 6000 % 2 == 0;
		if (!there[number] && growing) {
			add(*state, number);
			there[number] = true;
			count++;
		} else if (there[number] && !growing) {
			take(*state, number);
			there[number] = false;
			count--;
		}
	}
	assert_int_equal(((struct tn_seen_index *)*state)->count, count);
	for (uint32_t i = 0; i < KEYS; i++)
		assert_true(found(*state, i) >= there[i]);
	for (uint32_t i = 0; i < KEYS; i++)
		if (there[i])
			take(*state, i);
	assert_int_equal(((struct tn_seen_index *)*state)->count, 0);
}

static void a_key_added_twice_is_there_until_it_was_removed_twice(void **state)
{
	add(*state, 1);
	add(*state, 1);
	assert_int_equal(found(*state, 1), 2);
	take(*state, 1);
	assert_int_equal(found(*state, 1), 1);
	take(*state, 1);
	assert_int_equal(found(*state, 1), 0);
}

static void places_that_expired_are_not_looked_at(void **state)
{
	struct tn_seen_place place = place_of(1);
	struct tn_seen_places places;
	add(*state, 1);
	tn_seen_index_find(*state, &place.key, place.expires_ms, &places);
	assert_int_equal(places.count, 0);
}

static void more_places_than_can_be_told_are_said_to_be_more(void **state)
{
	struct tn_seen_place place = place_of(1);
	struct tn_seen_places places;
	for (unsigned i = 0; i < TN_SEEN_PLACES; i++)
		add(*state, 1);
	tn_seen_index_find(*state, &place.key, 0, &places);
	assert_false(places.more);
	add(*state, 1);
	tn_seen_index_find(*state, &place.key, 0, &places);
	assert_int_equal(places.count, TN_SEEN_PLACES);
	assert_true(places.more);
}

static void expired_slots_make_room_before_memory_is_taken(void **state)
{
	struct tn_seen_index *index = *state;
	for (uint32_t i = 0; i < 1000; i++)
		add(index, i);
	uint32_t capacity = index->capacity;
	for (uint32_t i = 1000; i < 20000; i++) {
		struct tn_seen_place place = place_of(i);
		tn_seen_index_add(index, &place, 1, place.expires_ms - 1000);
	}
	assert_true(index->capacity <= capacity * 2);
	for (uint32_t i = 19000; i < 20000; i++)
		assert_int_not_equal(found(index, i), 0);
}

static void without_memory_a_key_is_left_out_and_counted(void **state)
{
	struct tn_seen_index *index = *state;
	uint32_t number = 0;
	add(index, number++);
	no_memory = true;
	while (tn_seen_index_left_out(index) == 0)
		add(index, number++);
	assert_int_equal(found(index, number - 1), 0);
	assert_false(tn_seen_index_is_whole(index, place_of(number - 1).expires_ms - 1));
	assert_true(tn_seen_index_is_whole(index, place_of(number - 1).expires_ms));
	for (uint32_t i = 0; i + 1 < number; i++)
		assert_int_equal(found(index, i), 1);
	no_memory = false;
	add(index, number - 1);
	assert_int_equal(found(index, number - 1), 1);
	assert_int_equal(tn_seen_index_left_out(index), 1);
}

static void a_million_keys_take_sixteen_megabytes(void **state)
{
	struct tn_seen_index index;
	tn_seen_index_init(&index, 1000000);
	tn_seen_index_reserve(&index, 1000000, 0);
	for (uint32_t i = 0; i < 1000000; i++)
		add(&index, i);
	assert_true(index.capacity * sizeof *index.slots <= 16200000);
	tn_seen_index_fini(&index);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(nothing_is_found_in_an_empty_index),
	        TEST(what_was_added_is_found_until_it_is_removed_in_any_order),
	        TEST(a_key_added_twice_is_there_until_it_was_removed_twice),
	        TEST(places_that_expired_are_not_looked_at),
	        TEST(more_places_than_can_be_told_are_said_to_be_more),
	        TEST(expired_slots_make_room_before_memory_is_taken),
	        TEST(without_memory_a_key_is_left_out_and_counted),
	        TEST(a_million_keys_take_sixteen_megabytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
