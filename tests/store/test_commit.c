/* SPDX-License-Identifier: Apache-2.0
 *
 * test_commit.c - commits shared, refused, and of unknown outcome: what is answered, and what is there afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "faults.h"
#include "fixture.h"

enum { SUBMITTED = 8 };

struct submission { /* a batch with all it borrows: one event, one OPEN row */
	struct tn_event *event;
	struct tn_row row;
	struct tn_op ops[2];
	struct tn_batch batch;
};
struct bench {
	struct fixture *fixture;
	struct submission submissions[SUBMITTED + 1];
};

static void prepare(struct bench *bench, uint64_t number, size_t event_bytes)
{
	struct submission *it = &bench->submissions[number];
	it->event = make_event(number, event_bytes);
	it->row = make_row(number, 0, TN_ROW_OPEN, 1, 0);
	it->ops[0] = op_event(number, it->event);
	it->ops[1] = op_put(&it->row);
	it->batch = (struct tn_batch){.number = number, .next_seq = number + 1, .ops = it->ops, .count = 2};
}

static int set_up(void **state)
{
	static struct bench bench;
	faults_set(FAULT_NONE);
	faults_set_free_disk(UINT64_MAX);
	bench = (struct bench){.fixture = fixture_new(4 * MIB)};
	for (uint64_t i = 1; i <= SUBMITTED; i++)
		prepare(&bench, i, 100);
	*state = &bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	faults_set(FAULT_NONE);
	faults_release_sync();
	fixture_free(bench->fixture);
	for (uint64_t i = 1; i <= SUBMITTED; i++)
		tn_event_unref(bench->submissions[i].event);
	return 0;
}

static void submit(struct bench *bench, uint64_t number)
{
	tn_store_submit(bench->fixture->store, &bench->submissions[number].batch);
}

static enum tn_commit submit_and_wait(struct bench *bench, uint64_t number)
{
	uint32_t before = bench->fixture->completed;
	submit(bench, number);
	fixture_await(bench->fixture, before + 1);
	assert_int_equal(bench->fixture->completions[before].batch, number);
	return bench->fixture->completions[before].commit;
}

static void expect(struct bench *bench, uint32_t index, uint64_t number, enum tn_commit commit)
{
	assert_int_equal(bench->fixture->completions[index].batch, number);
	assert_int_equal(bench->fixture->completions[index].commit, commit);
}

static void drop(struct bench *bench, uint64_t number)
{
	struct submission *it = &bench->submissions[number];
	it->ops[0] = op_on(TN_DROP_ROW, number, 0);
	it->batch.count = 1;
}

/* --- Sharing --- */

static void what_is_submitted_during_a_commit_shares_the_next_one(void **state)
{
	struct bench *bench = *state;
	uint64_t before = facts_of(bench->fixture).commits;
	faults_hold_sync();
	submit(bench, 1);
	faults_await_held();
	for (uint64_t i = 2; i <= SUBMITTED; i++)
		submit(bench, i);
	faults_release_sync();
	fixture_await(bench->fixture, SUBMITTED);
	for (uint64_t i = 1; i <= SUBMITTED; i++)
		expect(bench, (uint32_t)i - 1, i, TN_COMMIT_OK);
	assert_int_equal(facts_of(bench->fixture).commits - before, 2);
	assert_int_equal(count_rows(bench->fixture, TN_ROW_OPEN), SUBMITTED);
}

static void nothing_is_answered_before_the_disk_has_it(void **state)
{
	struct bench *bench = *state;
	faults_hold_sync();
	submit(bench, 1);
	faults_await_held();
	pthread_mutex_lock(&bench->fixture->lock);
	assert_int_equal(bench->fixture->completed, 0);
	pthread_mutex_unlock(&bench->fixture->lock);
	faults_release_sync();
	fixture_await(bench->fixture, 1);
}

static void closing_answers_what_was_submitted(void **state)
{
	struct bench *bench = *state;
	for (uint64_t i = 1; i <= SUBMITTED; i++)
		submit(bench, i);
	fixture_close(bench->fixture);
	assert_int_equal(bench->fixture->completed, SUBMITTED);
	expect(bench, SUBMITTED - 1, SUBMITTED, TN_COMMIT_OK);
}

/* --- Refusing --- */

static void a_batch_that_does_not_fit_is_refused_and_its_neighbours_are_not(void **state)
{
	struct bench *bench = *state;
	tn_event_unref(bench->submissions[3].event);
	prepare(bench, 3, 5 * MIB);
	faults_hold_sync();
	submit(bench, 1);
	faults_await_held();
	submit(bench, 2);
	submit(bench, 3);
	submit(bench, 4);
	faults_release_sync();
	fixture_await(bench->fixture, 4);
	expect(bench, 1, 2, TN_COMMIT_OK);
	expect(bench, 2, 3, TN_COMMIT_REFUSED);
	expect(bench, 3, 4, TN_COMMIT_OK);
	assert_int_equal(count_rows(bench->fixture, TN_ROW_OPEN), 3);
}

static void too_little_disk_refuses_intake_but_not_drops(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_OK);
	faults_set_free_disk(1000);
	assert_true(facts_of(bench->fixture).nearly_full);
	assert_int_equal(submit_and_wait(bench, 2), TN_COMMIT_REFUSED);
	drop(bench, 1);
	bench->submissions[1].batch.number = 3;
	tn_store_submit(bench->fixture->store, &bench->submissions[1].batch);
	fixture_await(bench->fixture, 3);
	expect(bench, 2, 3, TN_COMMIT_OK);
	assert_int_equal(count_rows(bench->fixture, TN_ROW_OPEN), 0);
}

static void intake_goes_on_when_the_disk_has_room_again(void **state)
{
	struct bench *bench = *state;
	faults_set_free_disk(1000);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_REFUSED);
	faults_set_free_disk(UINT64_MAX);
	assert_false(facts_of(bench->fixture).nearly_full);
	assert_int_equal(submit_and_wait(bench, 2), TN_COMMIT_OK);
}

/* --- Unknown --- */

static void fail_then_repeat(struct bench *bench, enum fault fault)
{
	faults_set(fault);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_UNKNOWN);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_UNKNOWN);
	faults_set(FAULT_NONE);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_OK);
	assert_int_equal(submit_and_wait(bench, 2), TN_COMMIT_OK);
	assert_int_equal(facts_of(bench->fixture).rows[TN_ROW_OPEN], 2);
	fixture_reopen(bench->fixture);
	assert_int_equal(count_rows(bench->fixture, TN_ROW_OPEN), 2);
	assert_int_equal(facts_of(bench->fixture).rows[TN_ROW_OPEN], 2);
}

static void a_failed_page_write_is_unknown_and_the_batch_can_come_again(void **state)
{
	fail_then_repeat(*state, FAULT_DATA);
}

static void a_failed_sync_is_unknown_and_the_batch_can_come_again(void **state)
{
	fail_then_repeat(*state, FAULT_SYNC);
}

static void a_failed_meta_write_is_unknown_and_the_store_opens_itself_anew(void **state)
{
	struct bench *bench = *state;
	faults_set(FAULT_META);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_UNKNOWN);
	faults_set(FAULT_NONE);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_OK);
	assert_int_equal(facts_of(bench->fixture).reopened, 1);
	assert_int_equal(count_rows(bench->fixture, TN_ROW_OPEN), 1);
}

static void what_was_written_by_a_failed_commit_is_not_written_twice(void **state)
{
	struct bench *bench = *state;
	faults_set(FAULT_META_WRITTEN);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_UNKNOWN);
	faults_set(FAULT_NONE);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_OK);
	assert_int_equal(facts_of(bench->fixture).rows[TN_ROW_OPEN], 1);
	assert_int_equal(count_rows(bench->fixture, TN_ROW_OPEN), 1);
}

/* --- Unknown, with idempotency keys --- */

static void give_key(struct bench *bench, uint64_t number, enum tn_op_kind kind, uint8_t key)
{
	struct submission *it = &bench->submissions[number];
	drop(bench, number);
	it->ops[0] = (struct tn_op){.kind = kind, .seen = {.key = make_id(key), .expires_ms = 5000}};
}

static bool is_seen(struct bench *bench, uint8_t key)
{
	struct tn_id id = make_id(key);
	struct tn_seen seen;
	bool found;
	assert_int_equal(tn_store_seen(bench->fixture->store, &id, 1, 100, &seen, &found, NULL), TN_OK);
	return found;
}

/* A key of a commit that may have been written, and was refused then, must be gone when it was dropped: or it would keep out an event that
 * nobody has. */
static void a_key_that_an_unknown_commit_left_is_found_and_can_be_dropped(void **state)
{
	static const enum fault faults[] = {FAULT_META_WRITTEN, FAULT_META, FAULT_SYNC, FAULT_DATA};
	uint64_t number = 1;
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		struct bench *bench = *state;
		give_key(bench, number, TN_PUT_SEEN, (uint8_t)(i + 1));
		give_key(bench, number + 1, TN_DROP_SEEN, (uint8_t)(i + 1));
		faults_set(faults[i]);
		assert_int_equal(submit_and_wait(bench, number), TN_COMMIT_UNKNOWN);
		faults_set(FAULT_NONE);
		assert_int_equal(submit_and_wait(bench, number), TN_COMMIT_OK);
		assert_true(is_seen(bench, (uint8_t)(i + 1)));
		faults_set(faults[i]);
		assert_int_equal(submit_and_wait(bench, number + 1), TN_COMMIT_UNKNOWN);
		faults_set(FAULT_NONE);
		assert_int_equal(submit_and_wait(bench, number + 1), TN_COMMIT_OK);
		assert_false(is_seen(bench, (uint8_t)(i + 1)));
		fixture_reopen(bench->fixture);
		assert_false(is_seen(bench, (uint8_t)(i + 1)));
		number += 2;
	}
}

static void a_key_that_was_refused_is_not_found(void **state)
{
	struct bench *bench = *state;
	give_key(bench, 1, TN_PUT_SEEN, 1);
	faults_set_free_disk(1000);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_REFUSED);
	assert_false(is_seen(bench, 1));
	faults_set_free_disk(UINT64_MAX);
	assert_int_equal(submit_and_wait(bench, 2), TN_COMMIT_OK);
	assert_false(is_seen(bench, 1));
}

static void rows_can_be_read_while_commits_fail(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_OK);
	faults_set(FAULT_DATA);
	assert_int_equal(submit_and_wait(bench, 2), TN_COMMIT_UNKNOWN);
	assert_int_equal(count_rows(bench->fixture, TN_ROW_OPEN), 1);
}

static void batches_behind_an_unknown_one_wait_for_it(void **state)
{
	struct bench *bench = *state;
	faults_set(FAULT_DATA);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_UNKNOWN);
	faults_set(FAULT_NONE);
	assert_int_equal(submit_and_wait(bench, 2), TN_COMMIT_UNKNOWN);
	assert_int_equal(submit_and_wait(bench, 3), TN_COMMIT_UNKNOWN);
	assert_int_equal(count_rows(bench->fixture, TN_ROW_OPEN), 0);
	for (uint64_t i = 1; i <= 4; i++)
		assert_int_equal(submit_and_wait(bench, i), TN_COMMIT_OK);
	assert_int_equal(count_rows(bench->fixture, TN_ROW_OPEN), 4);
}

static void a_later_batch_is_never_undone_by_an_earlier_one_that_comes_again(void **state)
{
	struct bench *bench = *state;
	drop(bench, 2);
	bench->submissions[2].ops[0].key.event_seq = 1;
	faults_set(FAULT_SYNC);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_UNKNOWN);
	faults_set(FAULT_NONE);
	assert_int_equal(submit_and_wait(bench, 2), TN_COMMIT_UNKNOWN);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_OK);
	assert_int_equal(submit_and_wait(bench, 2), TN_COMMIT_OK);
	assert_int_equal(count_rows(bench->fixture, TN_ROW_OPEN), 0);
}

static void a_refused_batch_behind_an_unknown_one_is_unknown_too(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_OK);
	faults_hold_sync();
	submit(bench, 2);
	faults_await_held();
	drop(bench, 3);
	bench->submissions[3].ops[0].key.event_seq = 1;
	submit(bench, 3);
	submit(bench, 4);
	faults_set_free_disk(1000);
	faults_set(FAULT_DATA);
	faults_release_sync();
	fixture_await(bench->fixture, 4);
	expect(bench, 2, 3, TN_COMMIT_UNKNOWN);
	expect(bench, 3, 4, TN_COMMIT_UNKNOWN);
	faults_set(FAULT_NONE);
	assert_int_equal(submit_and_wait(bench, 3), TN_COMMIT_OK);
	assert_int_equal(submit_and_wait(bench, 5), TN_COMMIT_UNKNOWN);
	assert_int_equal(submit_and_wait(bench, 4), TN_COMMIT_REFUSED);
	faults_set_free_disk(UINT64_MAX);
	assert_int_equal(submit_and_wait(bench, 5), TN_COMMIT_OK);
}

static void a_batch_in_doubt_is_refused_only_when_a_commit_made_it_certain(void **state)
{
	struct bench *bench = *state;
	faults_set(FAULT_META);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_UNKNOWN);
	faults_set_free_disk(1000);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_UNKNOWN);
	faults_set(FAULT_NONE);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_REFUSED);
	assert_int_equal(count_rows(bench->fixture, TN_ROW_OPEN), 0);
}

static void a_batch_that_the_disk_never_takes_is_refused_and_blocks_nobody(void **state)
{
	struct bench *bench = *state;
	tn_event_unref(bench->submissions[1].event);
	prepare(bench, 1, MIB);
	faults_set(FAULT_LARGE);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_UNKNOWN);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_REFUSED);
	assert_int_equal(submit_and_wait(bench, 2), TN_COMMIT_OK);
	fixture_reopen(bench->fixture);
	assert_int_equal(count_rows(bench->fixture, TN_ROW_OPEN), 1);
}

static void a_batch_in_doubt_that_is_there_is_not_refused(void **state)
{
	struct bench *bench = *state;
	faults_set(FAULT_META_WRITTEN);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_UNKNOWN);
	faults_set(FAULT_NONE);
	faults_set_free_disk(1000);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_OK);
	assert_int_equal(count_rows(bench->fixture, TN_ROW_OPEN), 1);
}

static void a_batch_in_doubt_that_is_there_and_finds_no_room_again_stays_unknown(void **state)
{
	struct bench *bench = *state;
	tn_event_unref(bench->submissions[1].event);
	prepare(bench, 1, 5 * MIB / 2);
	faults_set(FAULT_META_WRITTEN);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_UNKNOWN);
	faults_set(FAULT_NONE);
	assert_int_equal(submit_and_wait(bench, 1), TN_COMMIT_UNKNOWN);
	assert_int_equal(count_rows(bench->fixture, TN_ROW_OPEN), 1);
}

static void a_name_that_could_not_be_kept_gets_no_number(void **state)
{
	struct bench *bench = *state;
	struct tn_error error = {0};
	uint32_t number = 0;
	faults_set(FAULT_DATA);
	assert_int_equal(tn_store_number(bench->fixture->store, TN_STR("new"), &number, &error), TN_IO);
	assert_int_equal(number, 0);
	assert_non_null(strstr(error.message, "new"));
	faults_set(FAULT_NONE);
	assert_int_equal(tn_store_number(bench->fixture->store, TN_STR("new"), &number, &error), TN_OK);
	assert_int_equal(number, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_submitted_during_a_commit_shares_the_next_one),
		TEST(nothing_is_answered_before_the_disk_has_it),
		TEST(closing_answers_what_was_submitted),
		TEST(a_batch_that_does_not_fit_is_refused_and_its_neighbours_are_not),
		TEST(too_little_disk_refuses_intake_but_not_drops),
		TEST(intake_goes_on_when_the_disk_has_room_again),
		TEST(a_failed_page_write_is_unknown_and_the_batch_can_come_again),
		TEST(a_failed_sync_is_unknown_and_the_batch_can_come_again),
		TEST(a_failed_meta_write_is_unknown_and_the_store_opens_itself_anew),
		TEST(what_was_written_by_a_failed_commit_is_not_written_twice),
		TEST(rows_can_be_read_while_commits_fail),
		TEST(a_key_that_an_unknown_commit_left_is_found_and_can_be_dropped),
		TEST(a_key_that_was_refused_is_not_found),
		TEST(batches_behind_an_unknown_one_wait_for_it),
		TEST(a_later_batch_is_never_undone_by_an_earlier_one_that_comes_again),
		TEST(a_refused_batch_behind_an_unknown_one_is_unknown_too),
		TEST(a_batch_in_doubt_is_refused_only_when_a_commit_made_it_certain),
		TEST(a_batch_that_the_disk_never_takes_is_refused_and_blocks_nobody),
		TEST(a_batch_in_doubt_that_is_there_is_not_refused),
		TEST(a_batch_in_doubt_that_is_there_and_finds_no_room_again_stays_unknown),
		TEST(a_name_that_could_not_be_kept_gets_no_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
