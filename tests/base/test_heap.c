/* SPDX-License-Identifier: Apache-2.0
 *
 * test_heap.c - the heap by time, against a plain search; and the map, with members that share their hash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/heap.h"
#include "turnout/list.h"
#include "turnout/map.h"
#include "turnout/random.h"

enum { NODES = 300 };

struct member {
	struct tn_heap_node node;
	int64_t due_ms;
};

static struct member *earliest(struct member *members)
{
	struct member *found = NULL;
	for (int i = 0; i < NODES; i++) {
		if (tn_heap_holds(&members[i].node) && (found == NULL || members[i].due_ms < found->due_ms))
			found = &members[i];
	}
	return found;
}

static void the_earliest_comes_first_whatever_was_moved_or_removed(void **state)
{
	static struct member members[NODES];
	struct tn_heap heap;
	struct tn_random random = {42};
	tn_heap_init(&heap, tn_alloc_system);
	assert_int_equal(tn_heap_reserve(&heap, NODES), TN_OK);
	for (int step = 0; step < 20000; step++) {
		struct member *member = &members[tn_random_upto(&random, NODES - 1)];
		if (tn_random_upto(&random, 2) == 0) {
			tn_heap_remove(&heap, &member->node);
		} else {
			member->due_ms = (int64_t)tn_random_upto(&random, 1000);
			tn_heap_set(&heap, &member->node, member->due_ms);
			assert_int_equal(tn_heap_due(&heap, &member->node), member->due_ms);
		}
		struct member *first = earliest(members);
		assert_int_equal(tn_heap_deadline(&heap), first != NULL ? first->due_ms : INT64_MAX);
	}
	int64_t last_ms = 0;
	struct tn_heap_node *node;
	assert_null(tn_heap_pop_due(&heap, -1));
	while ((node = tn_heap_pop_due(&heap, 1000)) != NULL) {
		struct member *member = TN_OWNER(node, struct member, node);
		assert_true(member->due_ms >= last_ms);
		last_ms = member->due_ms;
	}
	assert_int_equal(heap.count, 0);
	tn_heap_fini(&heap);
}

struct entry {
	struct tn_map_node node;
	uint64_t key;
};

static struct entry *find(const struct tn_map *map, uint64_t key)
{
	struct tn_map_node *node = tn_map_find(map, (uint32_t)(key % 97)); /* many share a hash */
	for (; node != NULL; node = tn_map_find_next(node)) {
		struct entry *entry = TN_OWNER(node, struct entry, node);
		if (entry->key == key)
			return entry;
	}
	return NULL;
}

static void what_was_put_in_is_found_until_it_is_removed(void **state)
{
	static struct entry entries[1000];
	struct tn_map map;
	assert_int_equal(tn_map_init(&map, tn_alloc_system), TN_OK);
	for (uint64_t i = 0; i < 1000; i++) {
		entries[i].key = i;
		tn_map_put(&map, &entries[i].node, (uint32_t)(i % 97));
	}
	for (uint64_t i = 0; i < 1000; i += 3)
		tn_map_remove(&map, &entries[i].node);
	for (uint64_t i = 0; i < 1000; i++)
		assert_ptr_equal(find(&map, i), i % 3 == 0 ? NULL : &entries[i]);
	assert_int_equal(map.count, 1000 - 334);
	tn_map_remove(&map, &entries[0].node); /* harmless */
	assert_int_equal(map.count, 1000 - 334);
	tn_map_fini(&map);
}

struct item {
	struct tn_link link;
	int number;
};

static void a_list_keeps_its_order(void **state)
{
	struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
	struct tn_list list, other;
	tn_list_init(&list);
	tn_list_init(&other);
	assert_null(tn_list_pop(&list));
	tn_list_push(&list, &items[1].link);
	tn_list_push(&list, &items[2].link);
	tn_list_push_first(&list, &items[0].link);
	tn_list_push(&other, &items[3].link);
	tn_list_append(&list, &other);
	assert_true(tn_list_empty(&other));
	tn_link_leave(&items[1].link);
	tn_link_leave(&items[1].link); /* harmless */
	int expected[] = {0, 2, 3};
	for (int i = 0; i < 3; i++)
		assert_int_equal(TN_OWNER(tn_list_pop(&list), struct item, link)->number, expected[i]);
	assert_true(tn_list_empty(&list));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_earliest_comes_first_whatever_was_moved_or_removed),
		cmocka_unit_test(what_was_put_in_is_found_until_it_is_removed),
		cmocka_unit_test(a_list_keeps_its_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
