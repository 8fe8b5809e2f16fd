/* SPDX-License-Identifier: Apache-2.0
 *
 * test_names.c - target names and their numbers, and how many rows of each are parked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include "bytes.h"
#include "raw.h"

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

static uint32_t number_of(struct fixture *fixture, const char *name)
{
	struct tn_error error = {0};
	uint32_t number = 0;
	if (tn_store_number(fixture->store, tn_str_from(name), &number, &error) != TN_OK)
		fail_msg("%s", error.message);
	return number;
}

static void numbers_start_at_1_and_a_name_keeps_its_own(void **state)
{
	assert_int_equal(number_of(*state, "billing"), 1);
	assert_int_equal(number_of(*state, "audit"), 2);
	assert_int_equal(number_of(*state, "billing"), 1);
}

static void numbers_survive_a_restart(void **state)
{
	number_of(*state, "billing");
	number_of(*state, "audit");
	fixture_reopen(*state);
	assert_int_equal(number_of(*state, "new"), 3);
	assert_int_equal(number_of(*state, "audit"), 2);
}

static void a_name_without_or_with_too_many_bytes_is_refused(void **state)
{
	struct fixture *fixture = *state;
	static const char long_name[1025];
	struct tn_error error = {0};
	uint32_t number;
	assert_int_equal(tn_store_number(fixture->store, TN_STR(""), &number, &error), TN_INVALID);
	assert_int_equal(tn_store_number(fixture->store, tn_str_make(long_name, 1025), &number, &error), TN_INVALID);
	assert_non_null(strstr(error.message, "1025"));
	assert_int_equal(tn_store_number(fixture->store, tn_str_make(long_name, 1024), &number, &error), TN_OK);
}

static void *ask_for_names(void *arg)
{
	for (int i = 0; i < 50; i++) {
		char name[16] = {'t', (char)('0' + i / 10), (char)('0' + i % 10)};
		number_of(arg, name);
	}
	return NULL;
}

static void threads_that_ask_at_once_get_the_same_numbers(void **state)
{
	pthread_t threads[4];
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_for_names, *state), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	fixture_close(*state);
	assert_int_equal(raw_count(((struct fixture *)*state)->path, "names"), 50);
	fixture_open(*state);
	assert_int_equal(number_of(*state, "another"), 51);
}

struct listing {
	uint32_t count;
	struct tn_store_target targets[8];
};

static void on_target(void *arg, const struct tn_store_target *target)
{
	struct listing *listing = arg;
	listing->count++;
	listing->targets[target->number] = *target;
}

static void parked_and_dead_rows_are_counted_by_target(void **state)
{
	struct fixture *fixture = *state;
	struct listing listing = {0};
	uint32_t billing = number_of(fixture, "billing"), audit = number_of(fixture, "audit");
	put(fixture, make_row(1, 0, TN_ROW_PARKED, billing, 5));
	put(fixture, make_row(2, 0, TN_ROW_PARKED, billing, 5));
	put(fixture, make_row(3, 0, TN_ROW_DEAD, billing, 5));
	put(fixture, make_row(4, 0, TN_ROW_PARKED, audit, 5));
	struct tn_op drop = op_on(TN_DROP_ROW, 2, 0);
	assert_int_equal(apply(fixture, &drop, 1), TN_COMMIT_OK);
	fixture_reopen(fixture);
	assert_int_equal(tn_store_each_number(fixture->store, on_target, &listing), TN_OK);
	assert_int_equal(listing.count, 2);
	assert_int_equal(listing.targets[billing].parked_rows, 1);
	assert_int_equal(listing.targets[billing].dead_rows, 1);
	assert_int_equal(listing.targets[audit].parked_rows, 1);
	assert_int_equal(listing.targets[audit].dead_rows, 0);
	assert_int_equal(listing.targets[audit].dead_bytes, 0);
	struct tn_event *event = make_event(1, 100); /* as put() makes them */
	assert_int_equal(listing.targets[billing].parked_bytes, tn_store_row_bytes(event));
	assert_int_equal(listing.targets[billing].dead_bytes, tn_store_row_bytes(event));
	tn_event_unref(event);
}

static void a_row_whose_event_was_there_before_counts_the_same(void **state)
{
	struct fixture *fixture = *state;
	struct listing listing = {0};
	uint32_t billing = number_of(fixture, "billing");
	struct tn_row row = make_row(1, 0, TN_ROW_DEAD, billing, 0);
	put(fixture, make_row(1, 0, TN_ROW_OPEN, billing, 0));
	struct tn_op op = op_put(&row);
	assert_int_equal(apply(fixture, &op, 1), TN_COMMIT_OK);
	assert_int_equal(tn_store_each_number(fixture->store, on_target, &listing), TN_OK);
	struct tn_event *event = make_event(1, 100);
	assert_int_equal(listing.targets[billing].dead_bytes, tn_store_row_bytes(event));
	tn_event_unref(event);
}

static void damaged_counts_of_a_target_are_counted_anew(void **state)
{
	struct fixture *fixture = *state;
	struct listing before = {0}, after = {0};
	uint8_t key[4];
	uint32_t billing = number_of(fixture, "billing");
	for (uint64_t seq = 1; seq <= 3; seq++)
		put(fixture, make_row(seq, 0, seq < 3 ? TN_ROW_PARKED : TN_ROW_DEAD, billing, 5));
	assert_int_equal(tn_store_each_number(fixture->store, on_target, &before), TN_OK);
	fixture_close(fixture);
	tn_bytes_put32(key, billing);
	raw_flip(fixture->path, "targets", key, sizeof key, -1);
	fixture_open(fixture);
	assert_int_equal(tn_store_each_number(fixture->store, on_target, &after), TN_OK);
	assert_int_equal(after.targets[billing].parked_rows, 2);
	assert_int_equal(after.targets[billing].dead_bytes, before.targets[billing].dead_bytes);
	struct tn_op drop = op_on(TN_DROP_ROW, 1, 0);
	assert_int_equal(apply(fixture, &drop, 1), TN_COMMIT_OK);
	assert_int_equal(tn_store_each_number(fixture->store, on_target, &after), TN_OK);
	assert_int_equal(after.targets[billing].parked_rows, 1);
	assert_int_equal(after.targets[billing].parked_bytes * 2, before.targets[billing].parked_bytes);
}

static void damage_name(struct fixture *fixture, uint32_t number)
{
	uint8_t key[4];
	fixture_close(fixture);
	tn_bytes_put32(key, number);
	raw_flip(fixture->path, "names", key, sizeof key, -3);
	fixture_open(fixture);
}

static void a_damaged_name_is_known_again_from_its_rows(void **state)
{
	uint32_t number = number_of(*state, "a-target");
	number_of(*state, "other");
	put(*state, make_row(1, 0, TN_ROW_PARKED, number, 5));
	damage_name(*state, number);
	assert_int_equal(number_of(*state, "a-target"), number);
	assert_int_equal(facts_of(*state).bad_records, 1);
}

static void the_number_of_a_damaged_name_is_not_given_again(void **state)
{
	assert_int_equal(number_of(*state, "a-target"), 1);
	damage_name(*state, 1);
	assert_int_equal(number_of(*state, "a-target"), 2);
	fixture_reopen(*state);
	assert_int_equal(facts_of(*state).bad_records, 1);
	assert_int_equal(number_of(*state, "a-target"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(numbers_start_at_1_and_a_name_keeps_its_own),
		TEST(numbers_survive_a_restart),
		TEST(a_name_without_or_with_too_many_bytes_is_refused),
		TEST(threads_that_ask_at_once_get_the_same_numbers),
		TEST(parked_and_dead_rows_are_counted_by_target),
		TEST(a_row_whose_event_was_there_before_counts_the_same),
		TEST(damaged_counts_of_a_target_are_counted_anew),
		TEST(a_damaged_name_is_known_again_from_its_rows),
		TEST(the_number_of_a_damaged_name_is_not_given_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
