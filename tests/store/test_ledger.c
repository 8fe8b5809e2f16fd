/* SPDX-License-Identifier: Apache-2.0
 *
 * test_ledger.c - entries are found again by their names, within bounds, and never in the way of the journal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "raw.h"

enum { HOUR_MS = 3600000 };

struct ledger_fixture {
	char path[256];
	struct tn_store *store;
	uint64_t ledger_bytes;
};

static void open_store(struct ledger_fixture *fixture)
{
	struct tn_error error = {0};
	struct tn_store_options options = {.path = fixture->path,
	        .max_size_bytes = 4 * MIB,
	        .ledger_max_bytes = fixture->ledger_bytes,
	        .ledger_keep_ms = HOUR_MS};
	if (tn_store_open(&options, &fixture->store, &error) != TN_OK)
		fail_msg("%s", error.message);
}

static int set_up(void **state)
{
	struct ledger_fixture *fixture = calloc(1, sizeof *fixture);
	make_temp_folder(fixture->path, sizeof fixture->path);
	fixture->ledger_bytes = MIB;
	open_store(fixture);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct ledger_fixture *fixture = *state;
	tn_store_close(fixture->store);
	remove_folder(fixture->path);
	free(fixture);
	return 0;
}

static void reopen(struct ledger_fixture *fixture)
{
	tn_store_close(fixture->store); /* writes what is waiting */
	open_store(fixture);
}

static uint64_t name(const char *id)
{
	return tn_store_ledger_name(tn_str_from(id));
}

static bool append(
        struct ledger_fixture *fixture, int64_t at_ms, const char *first, const char *second, const char *text)
{
	struct tn_ledger_entry entry = {
	        .at_ms = at_ms, .names = {name(first), second ? name(second) : 0}, .text = tn_str_from(text)};
	return tn_store_ledger_append(fixture->store, &entry);
}

struct found {
	char text[512];
	uint32_t count, stop_after;
};

static bool on_entry(void *arg, const struct tn_ledger_entry *entry)
{
	struct found *found = arg;
	size_t len = strlen(found->text);
	snprintf(found->text + len, sizeof found->text - len, "%.*s ", TN_STR_ARG(entry->text));
	return ++found->count != found->stop_after;
}

static struct found find_since(struct ledger_fixture *fixture, const char *id, int64_t since_ms)
{
	struct found found = {0};
	struct tn_error error = {0};
	if (tn_store_ledger_each(fixture->store, name(id), since_ms, on_entry, &found, &error) != TN_OK)
		fail_msg("%s", error.message);
	return found;
}

static struct tn_store_facts facts(struct ledger_fixture *fixture)
{
	struct tn_store_facts facts;
	tn_store_facts(fixture->store, &facts);
	return facts;
}

static void await_written(struct ledger_fixture *fixture, uint64_t done)
{
	for (int i = 0; i < 500; i++) {
		struct tn_store_facts now = facts(fixture);
		if (now.ledger_written + now.ledger_dropped >= done)
			return;
		usleep(20000);
	}
	fail_msg("the ledger was not written within 10 s");
}

static void entries_are_found_by_either_name_before_and_after_they_are_written(void **state)
{
	struct ledger_fixture *fixture = *state;
	assert_true(append(fixture, 1000, "event", "delivery-1", "one"));
	assert_true(append(fixture, 1000, "event", "delivery-2", "two"));
	assert_true(append(fixture, 2000, "other", NULL, "three"));
	for (int round = 0; round < 2; round++) {
		assert_string_equal(find_since(fixture, "event", 0).text, "one two ");
		assert_string_equal(find_since(fixture, "delivery-2", 0).text, "two ");
		assert_string_equal(find_since(fixture, "other", 0).text, "three ");
		assert_string_equal(find_since(fixture, "nobody", 0).text, "");
		reopen(fixture);
	}
}

static void they_are_written_within_some_seconds_though_nothing_else_is(void **state)
{
	struct ledger_fixture *fixture = *state;
	append(fixture, 1000, "event", NULL, "one");
	await_written(fixture, 1);
	assert_int_equal(facts(fixture).ledger_written, 1);
	assert_string_equal(find_since(fixture, "event", 0).text, "one ");
}

static void nothing_from_before_the_time_asked_for_is_told(void **state)
{
	struct ledger_fixture *fixture = *state;
	append(fixture, 1000, "event", NULL, "old");
	reopen(fixture);
	append(fixture, 3000, "event", NULL, "new");
	assert_string_equal(find_since(fixture, "event", 2000).text, "new ");
	assert_string_equal(find_since(fixture, "event", 1000).text, "old new ");
}

static void who_has_heard_enough_ends_it(void **state)
{
	struct ledger_fixture *fixture = *state;
	struct found found = {.stop_after = 1};
	append(fixture, 1000, "event", NULL, "one");
	append(fixture, 1001, "event", NULL, "two");
	reopen(fixture);
	append(fixture, 1002, "event", NULL, "three");
	assert_int_equal(tn_store_ledger_each(fixture->store, name("event"), 0, on_entry, &found, NULL), TN_OK);
	assert_string_equal(found.text, "one ");
}

static void the_oldest_go_when_it_is_full_and_its_bound_holds(void **state)
{
	struct ledger_fixture *fixture = *state;
	char text[400], id[32];
	uint64_t appended = 0, journal = facts(fixture).used_bytes;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < 160; i++, appended++) {
			snprintf(id, sizeof id, "event-%d", (int)appended);
			append(fixture, 1000 + (int64_t)appended, id, "all", text);
		}
		await_written(fixture, appended);
		assert_true(facts(fixture).ledger_bytes <= MIB);
	}
	assert_true(facts(fixture).ledger_written > 5000); /* 2.4 MB of text */
	assert_int_equal(find_since(fixture, "event-0", 0).count, 0);
	snprintf(id, sizeof id, "event-%d", (int)appended - 1);
	assert_int_equal(find_since(fixture, id, 0).count, 1);
	tn_store_close(fixture->store);
	uint64_t entries = raw_count(fixture->path, "ledger");
	assert_true(entries > 500 && entries < 2600);
	assert_int_equal(raw_count(fixture->path, "stories"), 2 * entries);
	open_store(fixture);
	assert_true(facts(fixture).used_bytes <=
	            journal + 16384); /* that it exists, and free pages, are the whole store's */
}

static void what_is_too_old_goes_with_the_next_writing(void **state)
{
	struct ledger_fixture *fixture = *state;
	append(fixture, 1000, "old", NULL, "one");
	reopen(fixture);
	append(fixture, 1000 + HOUR_MS + 1, "new", NULL, "two");
	reopen(fixture);
	assert_int_equal(find_since(fixture, "old", 0).count, 0);
	assert_int_equal(find_since(fixture, "new", 0).count, 1);
}

static void more_than_the_buffer_holds_is_dropped_and_counted(void **state)
{
	struct ledger_fixture *fixture = *state;
	static char text[TN_LEDGER_TEXT + 2];
	memset(text, 'x', sizeof text - 1);
	assert_false(append(fixture, 1000, "event", NULL, text)); /* one byte too long */
	text[TN_LEDGER_TEXT] = 0;
	uint32_t refused = 1;
	for (uint32_t i = 0; i < 200; i++)
		refused += !append(fixture, 1000, "event", NULL, text);
	await_written(fixture, 201);
	assert_true(refused > 1);
	assert_true(facts(fixture).ledger_dropped >= refused);
}

static void without_a_ledger_nothing_is_kept_and_what_there_is_can_be_read(void **state)
{
	struct ledger_fixture *fixture = *state;
	append(fixture, 1000, "event", NULL, "one");
	fixture->ledger_bytes = 0;
	reopen(fixture);
	assert_false(append(fixture, 1000, "event", NULL, "two"));
	assert_string_equal(find_since(fixture, "event", 0).text, "one ");
	assert_int_equal(facts(fixture).ledger_dropped, 0);
}

static void a_store_that_never_had_one_is_read_as_empty(void **state)
{
	struct ledger_fixture *fixture = *state;
	reopen(fixture);
	assert_int_equal(find_since(fixture, "event", 0).count, 0);
}

static void a_damaged_entry_is_passed_over_and_an_audit_does_not_mind(void **state)
{
	struct ledger_fixture *fixture = *state;
	append(fixture, 1000, "event", NULL, "one");
	tn_store_close(fixture->store);
	assert_int_equal(raw_count(fixture->path, "ledger"), 1);
	raw_fill(fixture->path, "ledger", 3);
	raw_fill(fixture->path, "stories", 3);
	open_store(fixture);
	assert_string_equal(find_since(fixture, "event", 0).text, "one ");
	struct tn_audit *audit = calloc(1, sizeof *audit);
	assert_int_equal(tn_store_audit(fixture->store, NULL, NULL, audit, NULL), TN_OK);
	assert_int_equal(audit->findings, 0);
	free(audit);
	append(fixture, 2000 + HOUR_MS, "event", NULL, "two"); /* those of no time are the oldest */
	reopen(fixture);
	assert_string_equal(find_since(fixture, "event", 0).text, "two ");
}

static void a_nearly_full_store_takes_none_and_goes_on(void **state)
{
	struct ledger_fixture *fixture = *state;
	struct tn_event *event = make_event(1, 100000);
	for (uint64_t seq = 1; !facts(fixture).nearly_full; seq++) {
		struct tn_row row = make_row(seq, 0, TN_ROW_PARKED, 1, 0);
		struct tn_op ops[] = {op_event(seq, event), op_put(&row)};
		struct tn_batch batch = {.number = seq, .next_seq = seq + 1, .now_ms = 1, .ops = ops, .count = 2};
		assert_int_equal(tn_store_apply(fixture->store, &batch), TN_COMMIT_OK);
	}
	tn_event_unref(event);
	append(fixture, 1000, "event", NULL, "one");
	await_written(fixture, 1);
	assert_int_equal(facts(fixture).ledger_dropped, 1);
	assert_int_equal(facts(fixture).ledger_written, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(entries_are_found_by_either_name_before_and_after_they_are_written),
	        TEST(they_are_written_within_some_seconds_though_nothing_else_is),
	        TEST(nothing_from_before_the_time_asked_for_is_told),
	        TEST(who_has_heard_enough_ends_it),
	        TEST(the_oldest_go_when_it_is_full_and_its_bound_holds),
	        TEST(what_is_too_old_goes_with_the_next_writing),
	        TEST(more_than_the_buffer_holds_is_dropped_and_counted),
	        TEST(without_a_ledger_nothing_is_kept_and_what_there_is_can_be_read),
	        TEST(a_store_that_never_had_one_is_read_as_empty),
	        TEST(a_damaged_entry_is_passed_over_and_an_audit_does_not_mind),
	        TEST(a_nearly_full_store_takes_none_and_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
