/* SPDX-License-Identifier: Apache-2.0
 *
 * test_aside.c - records with a bit turned over: passed over, moved aside, counted, and in nobody's way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "raw.h"

static int set_up(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	for (uint64_t seq = 1; seq <= 3; seq++)
		put(fixture, make_row(seq, 0, TN_ROW_PARKED, 1, 100 * (int64_t)seq));
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(*state);
	return 0;
}

static void damage_row(struct fixture *fixture, uint64_t seq, int64_t bit)
{
	fixture_close(fixture);
	raw_flip_row(fixture->path, seq, 0, bit);
	fixture_open(fixture);
}

static void damage_event(struct fixture *fixture, uint64_t seq, int64_t bit)
{
	fixture_close(fixture);
	raw_flip_event(fixture->path, seq, bit);
	fixture_open(fixture);
}

/* Repairs stand in the writer's list in front of this. */
static void await_repairs(struct fixture *fixture)
{
	assert_int_equal(apply(fixture, NULL, 0), TN_COMMIT_OK);
}

/* 1 and 3 are there, 2 is in `bad` with its event, and nothing else of it anywhere. */
static void assert_only_2_is_gone(struct fixture *fixture)
{
	struct tn_page page = scan(fixture, scan_state(TN_ROW_PARKED));
	assert_int_equal(page.count, 2);
	assert_int_equal(page.rows[0].key.event_seq, 1);
	assert_int_equal(page.rows[1].key.event_seq, 3);
	tn_page_fini(&page);
	await_repairs(fixture);
	page = scan(fixture, scan_due(1, INT64_MAX));
	assert_int_equal(page.count, 2);
	tn_page_fini(&page);
	await_repairs(fixture);
	assert_int_equal(facts_of(fixture).rows[TN_ROW_PARKED], 2);
	assert_int_equal(facts_of(fixture).bad_records, 2);
	fixture_close(fixture);
	assert_int_equal(raw_count(fixture->path, "rows"), 2);
	assert_int_equal(raw_count(fixture->path, "states"), 2);
	assert_int_equal(raw_count(fixture->path, "due"), 2);
	assert_int_equal(raw_count(fixture->path, "events"), 2);
	assert_int_equal(raw_count(fixture->path, "bad"), 2);
	fixture_open(fixture);
}

static void a_damaged_row_is_moved_aside_with_its_event(void **state)
{
	damage_row(*state, 2, 100);
	assert_only_2_is_gone(*state);
}

static void a_row_of_a_version_nobody_wrote_is_moved_aside(void **state)
{
	damage_row(*state, 2, 6);
	assert_only_2_is_gone(*state);
}

static void a_damaged_event_is_moved_aside_with_its_row(void **state)
{
	damage_event(*state, 2, -40);
	assert_only_2_is_gone(*state);
}

static void a_due_scan_moves_damage_aside_too(void **state)
{
	damage_row(*state, 2, 300);
	struct tn_page page = scan(*state, scan_due(1, INT64_MAX));
	assert_int_equal(page.count, 2);
	tn_page_fini(&page);
	await_repairs(*state);
	assert_only_2_is_gone(*state);
}

static void a_damaged_row_can_be_dropped(void **state)
{
	damage_row(*state, 2, 200);
	struct tn_op drop = op_on(TN_DROP_ROW, 2, 0);
	assert_int_equal(apply(*state, &drop, 1), TN_COMMIT_OK);
	assert_only_2_is_gone(*state);
}

static void a_damaged_row_can_be_put_anew(void **state)
{
	struct fixture *fixture = *state;
	damage_row(fixture, 2, 200);
	put(fixture, make_row(2, 0, TN_ROW_PARKED, 1, 50));
	struct tn_page page = scan(fixture, scan_due(1, INT64_MAX));
	assert_int_equal(page.count, 3);
	assert_int_equal(page.rows[0].key.event_seq, 2);
	tn_page_fini(&page);
	assert_int_equal(facts_of(fixture).rows[TN_ROW_PARKED], 3);
}

static void a_damaged_row_is_not_found_by_its_key(void **state)
{
	struct fixture *fixture = *state;
	struct tn_page page;
	damage_row(fixture, 2, 200);
	assert_int_equal(tn_store_get(fixture->store, (struct tn_row_key){2, 0}, &page, NULL), TN_NOT_FOUND);
	tn_page_fini(&page);
	assert_only_2_is_gone(fixture);
}

static void damaged_counters_are_counted_anew(void **state)
{
	struct fixture *fixture = *state;
	put(fixture, make_row(900, 0, TN_ROW_DEAD, 1, 0));
	fixture_close(fixture);
	raw_flip(fixture->path, "meta", "state", 5, 99);
	fixture_open(fixture);
	struct tn_store_facts facts = facts_of(fixture);
	assert_int_equal(facts.next_seq, 901);
	assert_int_equal(facts.rows[TN_ROW_PARKED], 3);
	assert_int_equal(facts.rows[TN_ROW_DEAD], 1);
	assert_int_equal(facts.bad_records, 1);
	put(fixture, make_row(901, 0, TN_ROW_DEAD, 1, 0));
	assert_int_equal(facts_of(fixture).rows[TN_ROW_DEAD], 2);
}

/* In the file itself, as a disk would: wherever the data of event 2 stands ("cccc..."). */
static unsigned flip_in_file(const char *path, const char *pattern)
{
	char name[400];
	unsigned found = 0;
	struct stat info;
	snprintf(name, sizeof name, "%s/data.mdb", path);
	int fd = open(name, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &info), 0);
	char *bytes = malloc((size_t)info.st_size);
	assert_non_null(bytes);
	assert_int_equal(pread(fd, bytes, (size_t)info.st_size, 0), info.st_size);
	for (off_t i = 0; i + (off_t)strlen(pattern) < info.st_size; i++)
		if (memcmp(bytes + i, pattern, strlen(pattern)) == 0) {
			char turned = (char)(bytes[i] ^ 16);
			assert_int_equal(pwrite(fd, &turned, 1, i), 1);
			found++;
		}
	free(bytes);
	close(fd);
	return found;
}

static void a_bit_turned_over_in_the_file_is_moved_aside(void **state)
{
	struct fixture *fixture = *state;
	fixture_close(fixture);
	assert_true(flip_in_file(fixture->path, "cccccccc") > 0);
	fixture_open(fixture);
	assert_only_2_is_gone(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_damaged_row_is_moved_aside_with_its_event),
		TEST(a_row_of_a_version_nobody_wrote_is_moved_aside),
		TEST(a_damaged_event_is_moved_aside_with_its_row),
		TEST(a_due_scan_moves_damage_aside_too),
		TEST(a_damaged_row_can_be_dropped),
		TEST(a_damaged_row_can_be_put_anew),
		TEST(a_damaged_row_is_not_found_by_its_key),
		TEST(damaged_counters_are_counted_anew),
		TEST(a_bit_turned_over_in_the_file_is_moved_aside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
