/* SPDX-License-Identifier: Apache-2.0
 *
 * test_audit.c - a store that adds up is said to, one that does not is found out, and what can be made anew is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "key.h"
#include "raw.h"

/* A store with everything in it. Target 1 is "a-target", which is what rows are for. */
static int set_up(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	uint32_t number, strikes;
	assert_int_equal(tn_store_number(fixture->store, TN_STR("a-target"), &number, NULL), TN_OK);
	assert_int_equal(tn_store_strike(fixture->store, 7, TN_STR("row"), &strikes, NULL), TN_OK);
	assert_int_equal(tn_store_keep(fixture->store, TN_STR("task"), TN_STR("on"), NULL), TN_OK);
	put(fixture, make_row(1, 0, TN_ROW_OPEN, 1, 0));
	for (uint64_t seq = 2; seq <= 4; seq++)
		put(fixture, make_row(seq, 0, TN_ROW_PARKED, 1, 100 * (int64_t)seq));
	put(fixture, make_row(5, 0, TN_ROW_DEAD, 1, 0));
	put(fixture, make_lane_row(6, make_id(3), 60));
	put(fixture, make_row(7, 0, TN_ROW_DEAD, 1, 0));
	struct tn_row tried = make_row(8, 0, TN_ROW_TRIED, 1, 0);
	struct tn_op ops[] = {op_put(&tried), op_on(TN_REDRIVE_ROW, 7, 0),
	        {.kind = TN_PUT_SEEN, .seen = {.key = make_id(1), .expires_ms = 9000}},
	        {.kind = TN_PUT_SEEN, .seen = {.key = make_id(2), .expires_ms = 9500}}};
	assert_int_equal(apply(fixture, ops, 4), TN_COMMIT_OK);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(*state);
	return 0;
}

static struct tn_audit audit; /* too large for the stack */

static void run_audit(struct fixture *fixture)
{
	struct tn_error error = {0};
	if (tn_store_audit(fixture->store, NULL, NULL, &audit, &error) != TN_OK)
		fail_msg("%s", error.message);
}

static void assert_adds_up(struct fixture *fixture)
{
	run_audit(fixture);
	for (uint32_t i = 0; i < audit.listed_count; i++)
		print_message("%s %s: %s\n", audit.listed[i].code, audit.listed[i].key, audit.listed[i].text);
	assert_int_equal(audit.findings, 0);
}

static void assert_finds(struct fixture *fixture, const char *code, const char *key)
{
	bool found = false;
	run_audit(fixture);
	for (uint32_t i = 0; i < audit.listed_count; i++) {
		const struct tn_audit_finding *finding = &audit.listed[i];
		assert_true(finding->text[0] && finding->advice[0] && finding->key[0]);
		found = found || (strcmp(finding->code, code) == 0 && strstr(finding->key, key));
	}
	if (!found)
		fail_msg("no %s for %s among %u findings, the first of them %s %s", code, key, audit.listed_count,
		        audit.listed[0].code, audit.listed[0].key);
}

/* And a repair makes it add up again. */
static void assert_finds_and_repairs(struct fixture *fixture, const char *code, const char *key)
{
	assert_finds(fixture, code, key);
	assert_int_equal(tn_store_repair(fixture->store, NULL), TN_OK);
	assert_adds_up(fixture);
	fixture_reopen(fixture);
	assert_adds_up(fixture);
}

static void a_store_that_was_used_as_it_should_adds_up(void **state)
{
	assert_adds_up(*state);
	assert_int_equal(audit.rows[TN_ROW_OPEN], 1);
	assert_int_equal(audit.rows[TN_ROW_TRIED], 1);
	assert_int_equal(audit.rows[TN_ROW_PARKED], 5);
	assert_int_equal(audit.rows[TN_ROW_DEAD], 1);
	assert_int_equal(audit.events, 7);
	assert_int_equal(audit.seen, 2);
	assert_int_equal(audit.strikes, 1);
	assert_int_equal(audit.kept, 1);
	assert_int_equal(audit.aside, 0);
	fixture_reopen(*state);
	assert_adds_up(*state);
}

static void an_empty_store_adds_up(void **state)
{
	struct fixture *empty = fixture_new(MIB);
	assert_adds_up(empty);
	fixture_free(empty);
}

static void a_repair_of_a_good_store_changes_nothing_that_is_seen(void **state)
{
	struct fixture *fixture = *state;
	struct tn_store_facts before = facts_of(fixture), after;
	assert_int_equal(tn_store_repair(fixture->store, NULL), TN_OK);
	assert_adds_up(fixture);
	after = facts_of(fixture);
	assert_memory_equal(before.rows, after.rows, sizeof before.rows);
	assert_int_equal(after.next_seq, before.next_seq);
	assert_int_equal(after.bad_records, 0);
	struct tn_page page = scan(fixture, scan_due(1, INT64_MAX));
	assert_int_equal(page.count, 5);
	tn_page_fini(&page);
	page = scan(fixture, scan_lane(1, make_id(3)));
	assert_int_equal(page.count, 1);
	tn_page_fini(&page);
}

static void a_damaged_row_is_found(void **state)
{
	struct fixture *fixture = *state;
	fixture_close(fixture);
	raw_flip_row(fixture->path, 3, 0, 200);
	fixture_open(fixture);
	assert_finds(fixture, "ROW_DAMAGED", "0000000000000003-0");
	assert_int_equal(audit.rows[TN_ROW_PARKED], 4);
	assert_finds_and_repairs(fixture, "ROW_DAMAGED", "0000000000000003-0");
	assert_int_equal(audit.aside, 2); /* the row, and its event */
	assert_int_equal(facts_of(fixture).rows[TN_ROW_PARKED], 4);
}

static void a_damaged_event_is_found(void **state)
{
	struct fixture *fixture = *state;
	fixture_close(fixture);
	raw_flip_event(fixture->path, 5, -20);
	fixture_open(fixture);
	assert_finds_and_repairs(fixture, "EVENT_DAMAGED", "0000000000000005");
	assert_int_equal(facts_of(fixture).rows[TN_ROW_DEAD], 0);
}

static void what_was_set_aside_is_said_and_is_no_finding(void **state)
{
	struct fixture *fixture = *state;
	fixture_close(fixture);
	raw_flip_row(fixture->path, 3, 0, 200);
	raw_flip_row(fixture->path, 6, 0, 200);
	fixture_open(fixture);
	struct tn_page page = scan(fixture, scan_state(TN_ROW_PARKED));
	assert_int_equal(page.count, 3);
	tn_page_fini(&page);
	assert_int_equal(apply(fixture, NULL, 0), TN_COMMIT_OK); /* behind the repairs that the scan asked for */
	assert_adds_up(fixture);
	assert_int_equal(audit.aside, 4);
	assert_int_equal(audit.leftovers, 3); /* two in `due`, one in `lanes` */
}

static void a_parked_row_that_would_never_be_due_is_found(void **state)
{
	struct fixture *fixture = *state;
	uint8_t key[TN_KEY_DUE];
	tn_key_put_due(key, &(struct tn_due){1, 300, {3, 0}});
	fixture_close(fixture);
	raw_delete(fixture->path, "due", key, sizeof key);
	fixture_open(fixture);
	assert_finds_and_repairs(fixture, "PARKED_NEVER_DUE", "0000000000000003-0");
	struct tn_page page = scan(fixture, scan_due(1, INT64_MAX));
	assert_int_equal(page.count, 5);
	tn_page_fini(&page);
}

static void a_row_that_its_lane_does_not_have_is_found(void **state)
{
	struct fixture *fixture = *state;
	uint8_t key[TN_KEY_LANE];
	tn_key_put_lane(key, &(struct tn_lane_place){1, make_id(3), 60, {6, 0}});
	fixture_close(fixture);
	raw_delete(fixture->path, "lanes", key, sizeof key);
	fixture_open(fixture);
	assert_finds_and_repairs(fixture, "PARKED_NOT_IN_LANE", "0000000000000006-0");
}

static void a_row_that_no_scan_finds_is_found(void **state)
{
	struct fixture *fixture = *state;
	uint8_t key[TN_KEY_STATE];
	tn_key_put_state(key, TN_ROW_OPEN, (struct tn_row_key){1, 0});
	fixture_close(fixture);
	raw_delete(fixture->path, "states", key, sizeof key);
	fixture_open(fixture);
	assert_finds(fixture, "COUNT_OF_ROWS", "open");
	assert_finds_and_repairs(fixture, "ROW_NOT_INDEXED", "0000000000000001-0");
	assert_int_equal(count_rows(fixture, TN_ROW_OPEN), 1);
}

static void index_entries_without_a_row_are_found(void **state)
{
	struct fixture *fixture = *state;
	uint8_t state_key[TN_KEY_STATE], due[TN_KEY_DUE], lane[TN_KEY_LANE];
	tn_key_put_state(state_key, TN_ROW_DEAD, (struct tn_row_key){99, 0});
	tn_key_put_due(due, &(struct tn_due){1, 301, {3, 0}});
	tn_key_put_lane(lane, &(struct tn_lane_place){1, make_id(3), 61, {6, 0}});
	const struct {
		const char *db;
		const void *key;
		size_t len;
	} entries[] = {{"states", state_key, sizeof state_key}, {"due", due, sizeof due}, {"lanes", lane, sizeof lane}};
	for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
		fixture_close(fixture);
		raw_put(fixture->path, entries[i].db, entries[i].key, entries[i].len);
		fixture_open(fixture);
		assert_finds_and_repairs(fixture, "INDEX_POINTS_NOWHERE", entries[i].db);
	}
}

static void event_bytes_that_no_row_stands_for_are_found(void **state)
{
	struct fixture *fixture = *state;
	struct tn_event *event = make_event(50, 100);
	struct tn_op op = op_event(50, event);
	assert_int_equal(apply(fixture, &op, 1), TN_COMMIT_OK);
	tn_event_unref(event);
	assert_finds_and_repairs(fixture, "EVENT_WITHOUT_ROWS", "0000000000000032");
}

static void a_row_without_its_event_is_found(void **state)
{
	struct tn_row row = make_row(50, 0, TN_ROW_OPEN, 1, 0);
	struct tn_op op = op_put(&row);
	assert_int_equal(apply(*state, &op, 1), TN_COMMIT_OK);
	assert_finds_and_repairs(*state, "ROW_WITHOUT_EVENT", "0000000000000032-0");
}

static void a_sequence_that_would_be_used_again_is_found(void **state)
{
	struct fixture *fixture = *state;
	struct tn_row row = make_row(700, 0, TN_ROW_TRIED, 1, 0);
	struct tn_op op = op_put(&row);
	struct tn_batch batch = {.number = 99, .ops = &op, .count = 1}; /* without a next_seq above it */
	assert_int_equal(tn_store_apply(fixture->store, &batch), TN_COMMIT_OK);
	assert_finds_and_repairs(fixture, "SEQUENCE_AHEAD", "00000000000002bc");
	assert_int_equal(facts_of(fixture).next_seq, 701);
}

static void damaged_counts_are_found(void **state)
{
	struct fixture *fixture = *state;
	uint8_t key[4];
	tn_bytes_put32(key, 1);
	fixture_close(fixture);
	raw_flip(fixture->path, "targets", key, sizeof key, -1);
	fixture_open(fixture);
	assert_finds_and_repairs(fixture, "COUNT_DAMAGED", "target number 1");
}

static void a_damaged_key_strike_or_kept_value_is_found(void **state)
{
	struct fixture *fixture = *state;
	struct tn_id id = make_id(2);
	uint8_t hash[8], seen[TN_KEY_SEEN];
	tn_bytes_put64(hash, 7);
	tn_key_put_seen(seen, 9500, &id);
	fixture_close(fixture);
	raw_flip(fixture->path, "keys", seen, sizeof seen, -1);
	raw_flip(fixture->path, "strikes", hash, sizeof hash, -1);
	raw_flip(fixture->path, "kept", "task", 4, -1);
	fixture_open(fixture);
	assert_finds(fixture, "SEEN_DAMAGED", "keys 800000000000251c0202");
	assert_finds(fixture, "STRIKE_DAMAGED", "strikes 0000000000000007");
	assert_finds_and_repairs(fixture, "KEPT_DAMAGED", "kept 7461736b");
}

static void a_row_for_a_target_that_is_not_its_number_s_is_found(void **state)
{
	struct fixture *fixture = *state;
	struct tn_row row = make_row(50, 0, TN_ROW_TRIED, 1, 0);
	row.target = TN_STR("another");
	struct tn_op op = op_put(&row);
	assert_int_equal(apply(fixture, &op, 1), TN_COMMIT_OK);
	assert_finds(fixture, "ROW_TARGET", "0000000000000032-0");
}

static void many_findings_are_counted_and_the_first_hundred_listed(void **state)
{
	for (uint64_t seq = 1000; seq < 1150; seq++) {
		struct tn_row row = make_row(seq, 0, TN_ROW_OPEN, 1, 0);
		struct tn_op op = op_put(&row);
		assert_int_equal(apply(*state, &op, 1), TN_COMMIT_OK);
	}
	run_audit(*state);
	assert_int_equal(audit.findings, 150);
	assert_int_equal(audit.listed_count, 100);
}

static bool no_more(void *arg)
{
	return false;
}

static void an_audit_that_is_ended_says_so(void **state)
{
	struct fixture *fixture = *state;
	struct tn_error error = {0};
	for (uint64_t seq = 1000; seq < 1300; seq++) {
		struct tn_row row = make_row(seq, 0, TN_ROW_TRIED, 1, 0);
		struct tn_op op = op_put(&row);
		assert_int_equal(apply(fixture, &op, 1), TN_COMMIT_OK);
	}
	assert_int_equal(tn_store_audit(fixture->store, no_more, NULL, &audit, &error), TN_CLOSED);
	assert_non_null(strstr(error.message, "ended"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_store_that_was_used_as_it_should_adds_up),
	        cmocka_unit_test(an_empty_store_adds_up),
	        TEST(a_repair_of_a_good_store_changes_nothing_that_is_seen),
	        TEST(a_damaged_row_is_found),
	        TEST(a_damaged_event_is_found),
	        TEST(what_was_set_aside_is_said_and_is_no_finding),
	        TEST(a_parked_row_that_would_never_be_due_is_found),
	        TEST(a_row_that_its_lane_does_not_have_is_found),
	        TEST(a_row_that_no_scan_finds_is_found),
	        TEST(index_entries_without_a_row_are_found),
	        TEST(event_bytes_that_no_row_stands_for_are_found),
	        TEST(a_row_without_its_event_is_found),
	        TEST(a_sequence_that_would_be_used_again_is_found),
	        TEST(damaged_counts_are_found),
	        TEST(a_damaged_key_strike_or_kept_value_is_found),
	        TEST(a_row_for_a_target_that_is_not_its_number_s_is_found),
	        TEST(many_findings_are_counted_and_the_first_hundred_listed),
	        TEST(an_audit_that_is_ended_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
