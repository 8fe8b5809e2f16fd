/* SPDX-License-Identifier: Apache-2.0
 *
 * test_batch.c - what fits into one batch of the store, and what has to wait for the next.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <stdlib.h>
#include "desk.h"

static struct desk desk;

static void park_all(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, count);
	struct tn_outcome retry = {.verdict = TN_RETRY, .code = "HTTP_503"};
	for (uint32_t i = 0; i < count; i++) {
		struct tn_result result = {.token = desk.starts[i].token, .count = 1, .outcomes = &retry};
		tn_engine_result(desk.engine, &result);
	}
}

static void make_wide(void)
{
	desk_init(&desk);
	desk.policy.system.base_ms = 60000;
	desk.limits[0].max_in_flight = 3000;
	desk.config.window = 4000;
}

static void a_batch_holds_at_most_so_many_operations(void **state)
{
	make_wide();
	desk_open(&desk);
	park_all(700); /* a row and an event each */
	desk_obey(&desk);
	assert_int_equal(desk.batch->count, 1024);
	assert_int_equal(desk_books(&desk)->parking, 700);
	/* More of every kind waits: a journaled arrival is not cut in two. */
	assert_int_equal(desk_offer_many(&desk, 512, 1), TN_OK);
	tn_engine_stored(desk.engine, desk.batch->number, TN_COMMIT_OK);
	desk.batch = NULL;
	struct tn_command command;
	while (tn_engine_next(desk.engine, &command)) {
		if (command.kind == TN_STORE)
			desk.batch = command.batch;
	}
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 188); /* the rest of the parks; the arrival's 1,024 do not fit beside them */
	assert_int_equal(desk_row(&desk, 187)->state, TN_ROW_PARKED);
	desk_close(&desk);
}

static void a_batch_holds_at_most_so_many_bytes_of_events(void **state)
{
	static char text[1 << 20];
	make_wide();
	tn_event_unref(desk.event);
	memset(text, 'x', sizeof(text));
	struct tn_attribute attributes[] = {{TN_STR("id"), TN_STR("1"), TN_STRING}, {TN_STR("source"), TN_STR("/desk"), TN_STRING},
		{TN_STR("type"), TN_STR("large"), TN_STRING}};
	struct tn_event_parts parts = {.attributes = attributes, .attribute_count = 3, .has_data = true, .data = {text, sizeof(text)}};
	desk.event = tn_event_new(&parts);
	desk_open(&desk);
	park_all(10);
	desk_obey(&desk);
	assert_int_equal(desk_ops(&desk, TN_PUT_EVENT), 4);
	assert_int_equal(desk.batch->count, 8);
	desk_close(&desk);
}

static void an_arrival_larger_than_a_batch_waits_for_one_of_its_own(void **state)
{
	make_wide();
	desk_open(&desk);
	assert_int_equal(desk_offer_many(&desk, 1, 1), TN_OK);
	assert_int_equal(desk_offer_many(&desk, 2000, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.batch->count, 2);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.batch->count, 4000);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_books(&desk)->open_rows, 2001);
	desk_close(&desk);
}

static void a_large_arrival_without_memory_for_its_rows_is_refused(void **state)
{
	make_wide();
	desk_open(&desk);
	desk.fail_after = 1; /* the heap, which stays larger */
	assert_int_equal(desk_offer_many(&desk, 2000, 1), TN_NO_MEMORY);
	for (int fails = 0; fails < 3; fails++) { /* the block, operations, rows */
		desk.fail_after = fails;
		assert_int_equal(desk_offer_many(&desk, 2000, 1), TN_NO_MEMORY);
		assert_int_equal(desk_books(&desk)->matched, 0);
	}
	desk.fail_after = 3;
	assert_int_equal(desk_offer_many(&desk, 2000, 1), TN_OK);
	desk.fail_after = -1;
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_holds_at_most_so_many_operations),
		cmocka_unit_test(a_batch_holds_at_most_so_many_bytes_of_events),
		cmocka_unit_test(an_arrival_larger_than_a_batch_waits_for_one_of_its_own),
		cmocka_unit_test(a_large_arrival_without_memory_for_its_rows_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
