/* SPDX-License-Identifier: Apache-2.0
 *
 * test_notes.c - strikes and kept values: there after a restart, bounded, and gone when they are forgotten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
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

/* --- Strikes --- */

static uint32_t strike(struct fixture *fixture, uint64_t hash, const char *where)
{
	struct tn_error error = {0};
	uint32_t strikes = 0;
	if (tn_store_strike(fixture->store, hash, tn_str_from(where), &strikes, &error) != TN_OK)
		fail_msg("%s", error.message);
	return strikes;
}

struct listing {
	uint32_t count;
	uint64_t hashes[4];
	uint32_t strikes[4];
	char where[4][32];
};

static void on_strike(void *arg, const struct tn_strike *strike)
{
	struct listing *listing = arg;
	if (listing->count < 4) {
		listing->hashes[listing->count] = strike->hash;
		listing->strikes[listing->count] = strike->strikes;
		snprintf(listing->where[listing->count], 32, "%.*s", TN_STR_ARG(strike->where));
	}
	listing->count++;
}

static struct listing list_strikes(struct fixture *fixture)
{
	struct listing listing = {0};
	assert_int_equal(tn_store_each_strike(fixture->store, on_strike, &listing, NULL), TN_OK);
	return listing;
}

static void strikes_add_up_over_restarts(void **state)
{
	assert_int_equal(strike(*state, 77, "shop/3 offset 42"), 1);
	fixture_reopen(*state);
	assert_int_equal(strike(*state, 77, "shop/3 offset 42"), 2);
	assert_int_equal(strike(*state, 78, "web"), 1);
	fixture_reopen(*state);
	assert_int_equal(strike(*state, 77, "row 9-0"), 3);
	struct listing listing = list_strikes(*state);
	assert_int_equal(listing.count, 2);
	assert_int_equal(listing.hashes[0], 77);
	assert_int_equal(listing.strikes[0], 3);
	assert_string_equal(listing.where[0], "row 9-0");
	assert_int_equal(listing.strikes[1], 1);
}

static void what_is_pardoned_starts_at_one_again(void **state)
{
	struct fixture *fixture = *state;
	strike(fixture, 77, "");
	strike(fixture, 77, "");
	assert_int_equal(tn_store_pardon(fixture->store, 77, NULL), TN_OK);
	assert_int_equal(tn_store_pardon(fixture->store, 12345, NULL), TN_OK);
	assert_int_equal(list_strikes(fixture).count, 0);
	assert_int_equal(strike(fixture, 77, ""), 1);
}

static void a_damaged_strike_is_moved_aside_and_counts_from_one(void **state)
{
	struct fixture *fixture = *state;
	uint8_t key[8];
	strike(fixture, 77, "there");
	strike(fixture, 77, "there");
	fixture_close(fixture);
	tn_bytes_put64(key, 77);
	raw_flip(fixture->path, "strikes", key, sizeof key, -1);
	fixture_open(fixture);
	assert_int_equal(list_strikes(fixture).count, 0);
	assert_int_equal(strike(fixture, 77, "there"), 1);
	assert_int_equal(facts_of(fixture).bad_records, 1);
}

static void a_long_place_is_cut_off(void **state)
{
	char where[2000];
	memset(where, 'w', sizeof where);
	where[sizeof where - 1] = '\0';
	assert_int_equal(strike(*state, 1, where), 1);
	assert_int_equal(list_strikes(*state).count, 1);
}

static void what_was_struck_longest_ago_goes_when_there_are_too_many(void **state)
{
	struct fixture *fixture = *state;
	strike(fixture, UINT64_MAX, "old");
	fixture_close(fixture);
	raw_fill(fixture->path, "strikes", TN_STORE_STRIKES - 2); /* damaged ones count as older than all others */
	fixture_open(fixture);
	for (uint64_t i = 1; i < TN_STORE_STRIKES; i += 1000)
		strike(fixture, UINT64_MAX - i, "new");
	assert_int_equal(list_strikes(fixture).count, 11);
	fixture_close(fixture);
	assert_int_equal(raw_count(fixture->path, "strikes"), TN_STORE_STRIKES);
	fixture_open(fixture);
	assert_int_equal(strike(fixture, UINT64_MAX, "old"), 2);
}

/* --- Kept values --- */

static enum tn_status keep(struct fixture *fixture, const char *name, struct tn_str value)
{
	return tn_store_keep(fixture->store, tn_str_from(name), value, NULL);
}

static void assert_kept(struct fixture *fixture, const char *name, struct tn_str value)
{
	struct tn_buf out = {0};
	struct tn_error error = {0};
	if (tn_store_kept(fixture->store, tn_str_from(name), &out, &error) != TN_OK)
		fail_msg("%s", error.message);
	assert_true(tn_str_equal(tn_buf_str(&out), value));
	tn_buf_fini(&out);
}

static enum tn_status kept_status(struct fixture *fixture, const char *name)
{
	struct tn_buf out = {0};
	struct tn_error error = {0};
	enum tn_status status = tn_store_kept(fixture->store, tn_str_from(name), &out, &error);
	assert_int_equal(out.len, 0);
	assert_non_null(strstr(error.message, name));
	tn_buf_fini(&out);
	return status;
}

static void a_value_is_kept_until_another_takes_its_place(void **state)
{
	assert_int_equal(keep(*state, "redrive", TN_STR("{\"a\":1}")), TN_OK);
	assert_int_equal(keep(*state, "other", TN_STR("x")), TN_OK);
	fixture_reopen(*state);
	assert_kept(*state, "redrive", TN_STR("{\"a\":1}"));
	assert_int_equal(keep(*state, "redrive", TN_STR("{\"a\":2}")), TN_OK);
	assert_kept(*state, "redrive", TN_STR("{\"a\":2}"));
	assert_kept(*state, "other", TN_STR("x"));
}

static void an_empty_value_is_no_value(void **state)
{
	assert_int_equal(kept_status(*state, "redrive"), TN_NOT_FOUND);
	assert_int_equal(keep(*state, "redrive", TN_STR("on")), TN_OK);
	assert_int_equal(keep(*state, "redrive", TN_STR("")), TN_OK);
	assert_int_equal(keep(*state, "redrive", TN_STR("")), TN_OK);
	assert_int_equal(kept_status(*state, "redrive"), TN_NOT_FOUND);
}

static void names_and_values_that_are_too_long_are_refused(void **state)
{
	struct fixture *fixture = *state;
	static const char bytes[TN_STORE_KEPT_VALUE + 1];
	assert_int_equal(tn_store_keep(fixture->store, TN_STR(""), TN_STR("x"), NULL), TN_INVALID);
	assert_int_equal(tn_store_keep(fixture->store, tn_str_make(bytes, 65), TN_STR("x"), NULL), TN_INVALID);
	assert_int_equal(keep(fixture, "a", tn_str_make(bytes, sizeof bytes)), TN_INVALID);
	assert_int_equal(
	        tn_store_keep(fixture->store, tn_str_make(bytes, 64), tn_str_make(bytes, TN_STORE_KEPT_VALUE), NULL),
	        TN_OK);
}

static void only_so_many_values_are_kept(void **state)
{
	char name[16];
	for (int i = 0; i < TN_STORE_KEPT; i++) {
		snprintf(name, sizeof name, "n%d", i);
		assert_int_equal(keep(*state, name, TN_STR("x")), TN_OK);
	}
	assert_int_equal(keep(*state, "one more", TN_STR("x")), TN_FULL);
	assert_int_equal(keep(*state, "n7", TN_STR("y")), TN_OK);
	assert_int_equal(keep(*state, "n8", TN_STR("")), TN_OK);
	assert_int_equal(keep(*state, "one more", TN_STR("x")), TN_OK);
}

static void a_damaged_value_is_said_to_be_damaged_and_moved_aside_by_the_next(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(keep(fixture, "redrive", TN_STR("on")), TN_OK);
	fixture_close(fixture);
	raw_flip(fixture->path, "kept", "redrive", 7, -1);
	fixture_open(fixture);
	assert_int_equal(kept_status(fixture, "redrive"), TN_INVALID);
	assert_int_equal(keep(fixture, "redrive", TN_STR("off")), TN_OK);
	assert_kept(fixture, "redrive", TN_STR("off"));
	assert_int_equal(facts_of(fixture).bad_records, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(strikes_add_up_over_restarts),
	        TEST(what_is_pardoned_starts_at_one_again),
	        TEST(a_damaged_strike_is_moved_aside_and_counts_from_one),
	        TEST(a_long_place_is_cut_off),
	        TEST(what_was_struck_longest_ago_goes_when_there_are_too_many),
	        TEST(a_value_is_kept_until_another_takes_its_place),
	        TEST(an_empty_value_is_no_value),
	        TEST(names_and_values_that_are_too_long_are_refused),
	        TEST(only_so_many_values_are_kept),
	        TEST(a_damaged_value_is_said_to_be_damaged_and_moved_aside_by_the_next),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
