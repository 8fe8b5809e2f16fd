/* SPDX-License-Identifier: Apache-2.0
 *
 * test_seen.c - idempotency keys: found until they expire, bounded, and gone in the order in which they expire.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include "key.h"
#include "raw.h"
#include "store_private.h"

static int set_up(void **state)
{
	*state = fixture_new(16 * MIB);
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(*state);
	return 0;
}

/* Keys that differ in all of their bytes, as hashes do. */
static struct tn_id key_of(uint32_t number)
{
	struct tn_id id;
	uint64_t mixed = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
	memcpy(id.bytes, &mixed, 8);
	mixed *= UINT64_C(0xd6e8feb86659fd93);
	memcpy(id.bytes + 8, &mixed, 8);
	return id;
}

static struct tn_op op_seen(uint32_t number, int64_t expires_ms)
{
	return (struct tn_op){
	        .kind = TN_PUT_SEEN,
	        .seen = {.key = key_of(number),
	                .fingerprint = 1000 + number,
	                .event_seq = 2000 + number,
	                .expires_ms = expires_ms},
	};
}

/* Keys from to to-1, each expiring a millisecond after the one before, in one batch at now_ms. */
static void put_keys(struct fixture *fixture, uint32_t from, uint32_t to, int64_t first_expires_ms, int64_t now_ms)
{
	struct tn_op ops[512];
	for (uint32_t i = from; i < to; i++)
		ops[i - from] = op_seen(i, first_expires_ms + i - from);
	assert_int_equal(apply_at(fixture, ops, to - from, now_ms), TN_COMMIT_OK);
}

static bool is_seen(struct fixture *fixture, uint32_t number, int64_t now_ms, struct tn_seen *out_seen)
{
	struct tn_id key = key_of(number);
	struct tn_error error = {0};
	bool found = false;
	if (tn_store_seen(fixture->store, &key, 1, now_ms, out_seen, &found, &error) != TN_OK)
		fail_msg("%s", error.message);
	return found;
}

static void a_key_is_found_with_what_was_put(void **state)
{
	struct fixture *fixture = *state;
	struct tn_id keys[] = {key_of(1), key_of(2), key_of(3)};
	struct tn_seen seen[3];
	bool found[3];
	struct tn_op ops[] = {op_seen(1, 5000), op_seen(3, 6000)};
	assert_int_equal(apply(fixture, ops, 2), TN_COMMIT_OK);
	fixture_reopen(fixture);
	assert_int_equal(tn_store_seen(fixture->store, keys, 3, 100, seen, found, NULL), TN_OK);
	assert_true(found[0]);
	assert_false(found[1]);
	assert_true(found[2]);
	assert_int_equal(seen[0].fingerprint, 1001);
	assert_int_equal(seen[2].event_seq, 2003);
	assert_int_equal(seen[2].expires_ms, 6000);
	assert_true(tn_id_equal(&seen[2].key, &keys[2]));
	assert_int_equal(facts_of(fixture).seen, 2);
}

static void a_key_is_found_until_it_expires_and_not_from_then_on(void **state)
{
	struct tn_seen seen;
	struct tn_op op = op_seen(1, 5000);
	assert_int_equal(apply(*state, &op, 1), TN_COMMIT_OK);
	assert_true(is_seen(*state, 1, 4999, &seen));
	assert_false(is_seen(*state, 1, 5000, &seen));
	assert_false(is_seen(*state, 1, INT64_MAX, &seen));
}

static void a_key_put_again_has_its_new_time_only(void **state)
{
	struct fixture *fixture = *state;
	struct tn_seen seen;
	struct tn_op first = op_seen(1, 5000), second = op_seen(1, 9000);
	second.seen.event_seq = 0;
	assert_int_equal(apply(fixture, &first, 1), TN_COMMIT_OK);
	assert_int_equal(apply(fixture, &second, 1), TN_COMMIT_OK);
	assert_true(is_seen(fixture, 1, 8000, &seen));
	assert_int_equal(seen.event_seq, 0);
	fixture_close(fixture);
	assert_int_equal(raw_count(fixture->path, "keys"), 1);
	fixture_open(fixture);
	assert_true(is_seen(fixture, 1, 8000, &seen));
}

static void a_key_that_was_dropped_is_found_no_more(void **state)
{
	struct fixture *fixture = *state;
	struct tn_seen seen;
	struct tn_op ops[] = {op_seen(1, 5000), op_seen(2, 5000), op_seen(1, 0), op_seen(3, 0)};
	ops[2].kind = ops[3].kind = TN_DROP_SEEN;
	assert_int_equal(apply(fixture, ops, 4), TN_COMMIT_OK);
	assert_false(is_seen(fixture, 1, 100, &seen)); /* put and dropped in one transaction */
	assert_int_equal(apply(fixture, ops + 2, 2), TN_COMMIT_OK);
	assert_false(is_seen(fixture, 1, 100, &seen));
	assert_true(is_seen(fixture, 2, 100, &seen));
	fixture_close(fixture);
	assert_int_equal(raw_count(fixture->path, "keys"), 1);
	fixture_open(fixture);
}

static void expired_keys_are_swept_a_few_with_each_commit(void **state)
{
	struct fixture *fixture = *state;
	struct tn_seen seen;
	put_keys(fixture, 0, 300, 1000, 0);
	put_keys(fixture, 300, 400, 90000, 0);
	assert_int_equal(apply_at(fixture, NULL, 0, 50000), TN_COMMIT_OK);
	uint64_t after_one = facts_of(fixture).seen;
	assert_true(after_one < 400 && after_one > 300);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(apply_at(fixture, NULL, 0, 50000), TN_COMMIT_OK);
	assert_int_equal(facts_of(fixture).seen, 100);
	assert_true(is_seen(fixture, 350, 50000, &seen));
}

static void too_many_keys_push_out_those_that_expire_first(void **state)
{
	struct fixture *fixture = *state;
	struct tn_seen seen;
	fixture_close(fixture);
	fixture->max_seen = 50;
	fixture_open(fixture);
	put_keys(fixture, 0, 50, 1000, 0);
	put_keys(fixture, 50, 80, 2000, 0);
	assert_int_equal(facts_of(fixture).seen, 50);
	assert_false(is_seen(fixture, 29, 0, &seen));
	assert_true(is_seen(fixture, 30, 0, &seen));
	assert_true(is_seen(fixture, 79, 0, &seen));
}

static void keys_over_a_bound_that_was_lowered_go_a_few_at_a_time(void **state)
{
	struct fixture *fixture = *state;
	put_keys(fixture, 0, 100, 1000, 0);
	fixture_close(fixture);
	fixture->max_seen = 50;
	fixture_open(fixture);
	put_keys(fixture, 100, 130, 2000, 0);
	assert_int_equal(facts_of(fixture).seen, 100 + 30 - 2 * 30);
	put_keys(fixture, 130, 180, 2000, 0);
	assert_int_equal(facts_of(fixture).seen, 50);
}

static void keys_leave_most_of_a_small_store_to_events(void **state)
{
	struct fixture *small = fixture_new(MIB);
	for (uint32_t from = 0; from < 5000; from += 500)
		put_keys(small, from, from + 500, 1000, 0);
	assert_int_equal(facts_of(small).seen, 1024);
	assert_false(facts_of(small).nearly_full);
	fixture_free(small);
}

static void flip_key(struct fixture *fixture, uint32_t number, int64_t expires_ms, int64_t bit)
{
	struct tn_id id = key_of(number);
	uint8_t key[TN_KEY_SEEN];
	tn_key_put_seen(key, expires_ms, &id);
	fixture_close(fixture);
	raw_flip(fixture->path, "keys", key, sizeof key, bit);
	fixture_open(fixture);
}

static void a_damaged_key_is_not_found_and_can_be_put_anew(void **state)
{
	struct fixture *fixture = *state;
	struct tn_seen seen;
	struct tn_op op = op_seen(1, 5000);
	assert_int_equal(apply(fixture, &op, 1), TN_COMMIT_OK);
	flip_key(fixture, 1, 5000, 90);
	assert_false(is_seen(fixture, 1, 100, &seen));
	assert_int_equal(apply(fixture, &op, 1), TN_COMMIT_OK);
	assert_true(is_seen(fixture, 1, 100, &seen));
	assert_int_equal(facts_of(fixture).bad_records, 1);
}

static void a_damaged_key_is_swept_when_its_time_comes(void **state)
{
	struct fixture *fixture = *state;
	struct tn_op op = op_seen(1, 5000);
	assert_int_equal(apply(fixture, &op, 1), TN_COMMIT_OK);
	flip_key(fixture, 1, 5000, -1);
	assert_int_equal(apply_at(fixture, NULL, 0, 15000), TN_COMMIT_OK);
	fixture_close(fixture);
	assert_int_equal(raw_count(fixture->path, "keys"), 0);
	assert_int_equal(raw_count(fixture->path, "bad"), 1);
	fixture_open(fixture);
}

/* --- The index --- */

static void keys_are_found_again_after_a_restart_and_expired_ones_take_no_memory(void **state)
{
	struct fixture *fixture = *state;
	struct tn_seen seen;
	put_keys(fixture, 0, 400, 1000, 0);
	put_keys(fixture, 400, 800, 90000, 0);
	assert_int_equal(apply_at(fixture, NULL, 0, 1399), TN_COMMIT_OK);
	fixture_reopen(fixture);
	for (uint32_t i = 400; i < 800; i++)
		assert_true(is_seen(fixture, i, 50000, &seen));
	assert_int_equal(fixture->store->seen_index.count, 400);
	struct tn_op drop = {.kind = TN_DROP_SEEN, .seen.key = key_of(500)};
	assert_int_equal(apply_at(fixture, &drop, 1, 2000), TN_COMMIT_OK);
	assert_false(is_seen(fixture, 500, 50000, &seen));
}

struct hashed {
	uint32_t fingerprint, number;
};

static int compare_hashed(const void *a, const void *b)
{
	const struct hashed *one = a, *other = b;
	return one->fingerprint < other->fingerprint ? -1 : one->fingerprint > other->fingerprint;
}

/* Two keys with one fingerprint: with 400,000 keys there are some 18 such pairs. */
static void find_two_alike(struct fixture *fixture, uint32_t *out_one, uint32_t *out_other)
{
	enum { KEYS = 400000 };
	struct hashed *keys = malloc(KEYS * sizeof *keys);
	assert_non_null(keys);
	for (uint32_t i = 0; i < KEYS; i++) {
		struct tn_id id = key_of(i);
		keys[i] = (struct hashed){tn_seen_index_fingerprint(&fixture->store->seen_index, &id), i};
	}
	qsort(keys, KEYS, sizeof *keys, compare_hashed);
	uint32_t at = 1;
	while (at < KEYS && keys[at].fingerprint != keys[at - 1].fingerprint)
		at++;
	assert_true(at < KEYS);
	*out_one = keys[at - 1].number;
	*out_other = keys[at].number;
	free(keys);
}

static void keys_that_look_alike_in_the_index_are_told_apart(void **state)
{
	struct fixture *fixture = *state;
	struct tn_seen seen;
	uint32_t one, other;
	find_two_alike(fixture, &one, &other);
	struct tn_op put_one = op_seen(one, 5000), put_other = op_seen(other, 5000), drop = op_seen(one, 0);
	drop.kind = TN_DROP_SEEN;
	assert_int_equal(apply(fixture, &put_one, 1), TN_COMMIT_OK);
	assert_false(is_seen(fixture, other, 100, &seen));
	assert_int_equal(apply(fixture, &put_other, 1), TN_COMMIT_OK);
	assert_true(is_seen(fixture, one, 100, &seen));
	assert_int_equal(seen.fingerprint, 1000 + one);
	assert_true(is_seen(fixture, other, 100, &seen));
	assert_int_equal(seen.fingerprint, 1000 + other);
	assert_int_equal(apply(fixture, &drop, 1), TN_COMMIT_OK);
	assert_false(is_seen(fixture, one, 100, &seen));
	assert_true(is_seen(fixture, other, 100, &seen));
}

static void a_key_without_a_place_in_memory_can_be_dropped(void **state)
{
	struct fixture *fixture = *state;
	struct tn_seen seen;
	struct tn_op drop = {.kind = TN_DROP_SEEN, .seen.key = key_of(7)};
	struct tn_seen_index *index = &fixture->store->seen_index;
	put_keys(fixture, 0, 20, 5000, 0);
	/* As if there had been no memory for it. */
	tn_seen_index_remove(index, &(struct tn_seen_place){key_of(7), 5007}, 1, 0);
	index->left_out_ms = 5007;
	assert_false(is_seen(fixture, 7, 100, &seen));
	assert_int_equal(apply(fixture, &drop, 1), TN_COMMIT_OK);
	fixture_reopen(fixture);
	assert_false(is_seen(fixture, 7, 100, &seen));
	assert_true(is_seen(fixture, 6, 100, &seen));
	assert_true(is_seen(fixture, 8, 100, &seen));
	assert_int_equal(facts_of(fixture).seen, 19);
}

static void memory_is_given_back_with_the_keys(void **state)
{
	struct fixture *fixture = *state;
	for (uint32_t from = 0; from < 5000; from += 500)
		put_keys(fixture, from, from + 500, 1000, 0);
	uint32_t most = fixture->store->seen_index.capacity;
	assert_in_range(most, 5000, 15000);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(apply_at(fixture, NULL, 0, 50000), TN_COMMIT_OK);
	assert_int_equal(facts_of(fixture).seen, 0);
	assert_int_equal(fixture->store->seen_index.count, 0);
	assert_true(fixture->store->seen_index.capacity < most / 10);
}

static void the_index_holds_what_the_store_holds(void **state)
{
	struct fixture *fixture = *state;
	fixture_close(fixture);
	fixture->max_seen = 300;
	fixture_open(fixture);
	for (uint32_t round = 0; round < 60; round++) {
		int64_t now_ms = 100 * (int64_t)round;
		put_keys(fixture, 40 * round, 40 * round + 40, now_ms + (round % 3 ? 2000 : 400), now_ms);
		struct tn_op ops[] = {op_seen(40 * round, 0), op_seen(40 * round + 1, 0),
		        op_seen(40 * round + 1, now_ms + 3000), op_seen(40 * round + 2, now_ms + 1000),
		        op_seen(40 * round + 2, now_ms + 1500)};
		ops[0].kind = ops[1].kind = TN_DROP_SEEN;
		assert_int_equal(apply_at(fixture, ops, 5, now_ms), TN_COMMIT_OK);
		assert_int_equal(fixture->store->seen_index.count, facts_of(fixture).seen);
	}
	assert_in_range(facts_of(fixture).seen, 200, 300);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_key_is_found_with_what_was_put),
	        TEST(a_key_is_found_until_it_expires_and_not_from_then_on),
	        TEST(a_key_put_again_has_its_new_time_only),
	        TEST(a_key_that_was_dropped_is_found_no_more),
	        TEST(expired_keys_are_swept_a_few_with_each_commit),
	        TEST(too_many_keys_push_out_those_that_expire_first),
	        TEST(keys_over_a_bound_that_was_lowered_go_a_few_at_a_time),
	        TEST(keys_leave_most_of_a_small_store_to_events),
	        TEST(a_damaged_key_is_not_found_and_can_be_put_anew),
	        TEST(a_damaged_key_is_swept_when_its_time_comes),
	        TEST(keys_are_found_again_after_a_restart_and_expired_ones_take_no_memory),
	        TEST(keys_that_look_alike_in_the_index_are_told_apart),
	        TEST(a_key_without_a_place_in_memory_can_be_dropped),
	        TEST(memory_is_given_back_with_the_keys),
	        TEST(the_index_holds_what_the_store_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
