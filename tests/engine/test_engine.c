/* SPDX-License-Identifier: Apache-2.0
 *
 * test_engine.c - an engine's first moments, and facts that answer nothing it asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;

static void *counting(void *arg, void *old, size_t old_size, size_t size)
{
	struct desk *counted = arg;
	if (size > old_size && counted->fail_after-- <= 0)
		return NULL;
	counted->allocated_bytes += size - old_size;
	return tn_alloc_system.resize(NULL, old, old_size, size);
}

static void a_start_without_memory_leaves_nothing_behind(void **state)
{
	desk_init(&desk);
	struct tn_alloc alloc = {counting, &desk};
	struct tn_engine *engine = NULL;
	int fails = -1;
	enum tn_status status;
	do {
		desk.fail_after = ++fails;
		status = tn_engine_new(&desk.config, alloc, 7, desk.now_ms, &engine);
		if (status != TN_OK) {
			assert_int_equal(status, TN_NO_MEMORY);
			assert_null(engine);
			assert_int_equal(desk.allocated_bytes, 0);
		}
	} while (status != TN_OK && fails < 100);
	assert_int_equal(status, TN_OK);
	assert_in_range(fails, 5, 99);
	tn_engine_free(engine);
	assert_int_equal(desk.allocated_bytes, 0);
	tn_engine_free(NULL);
	tn_event_unref(desk.event);
}

static void nothing_is_read_before_the_first_table(void **state)
{
	desk_init(&desk);
	struct tn_engine *engine;
	struct tn_command command;
	desk.config.recover = true;
	desk.config.store_rows = 1;
	desk.config.next_seq = 0; /* a new store may say so */
	assert_int_equal(tn_engine_new(&desk.config, tn_alloc_system, 7, desk.now_ms, &engine), TN_OK);
	assert_false(tn_engine_recovered(engine));
	assert_false(tn_engine_next(engine, &command));
	struct tn_target_table table = {.targets = desk.limits, .count = DESK_TARGETS};
	assert_int_equal(tn_engine_reload(engine, &table), TN_OK);
	assert_true(tn_engine_next(engine, &command));
	assert_int_equal(command.kind, TN_SCAN);
	tn_engine_free(engine);
	tn_event_unref(desk.event);
}

static void a_table_with_a_number_that_cannot_be_changes_nothing(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	struct tn_target_limits wrong = desk.limits[0];
	struct tn_target_table table = {.targets = &wrong, .count = 1};
	struct tn_target_view view;
	wrong.target_no = 0;
	assert_int_equal(tn_engine_reload(desk.engine, &table), TN_INVALID);
	wrong.target_no = (1 << 20) + 1;
	assert_int_equal(tn_engine_reload(desk.engine, &table), TN_INVALID);
	assert_true(tn_engine_target_view(desk.engine, DESK_TARGETS - 1, &view));
	assert_false(view.removed);
	assert_false(tn_engine_target_view(desk.engine, DESK_TARGETS, &view));
	desk_close(&desk);
}

static void a_reload_of_many_targets_needs_all_its_memory_or_changes_nothing(void **state)
{
	enum { MANY = 1200 };
	static struct tn_target_limits limits[MANY];
	desk_init(&desk);
	desk_open(&desk);
	struct tn_target_table table = {.targets = limits, .count = MANY};
	for (uint32_t i = 0; i < MANY; i++) {
		limits[i] = desk.limits[0];
		limits[i].target_no = i + 1;
		limits[i].queue = i % 2 == 0 ? TN_STR("even") : TN_STR("odd");
	}
	enum tn_status status;
	int fails = 0;
	do {
		desk.fail_after = fails / 2; /* twice: what the first try could take stays */
		fails += fails < 20 ? 1 : 97;
		status = tn_engine_reload(desk.engine, &table);
		assert_int_equal(tn_engine_target_count(desk.engine), status == TN_OK ? MANY : DESK_TARGETS);
	} while (status == TN_NO_MEMORY && fails < 4000);
	assert_int_equal(status, TN_OK);
	desk.fail_after = -1;
	desk_close(&desk);
}

static void a_removed_target_is_never_shut_for_its_full_park(void **state)
{
	desk_init(&desk);
	desk.limits[0].park_rows = 0;
	desk_open(&desk);
	assert_false(tn_engine_target_open(desk.engine, 1));
	desk.limits[0].removed = true;
	struct tn_target_table table = {.targets = desk.limits, .count = DESK_TARGETS, .removal_grace_ms = 1000};
	assert_int_equal(tn_engine_reload(desk.engine, &table), TN_OK);
	assert_true(tn_engine_target_open(desk.engine, 1));
	desk_close(&desk);
}

static void nobody_has_no_breaker(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(tn_engine_breaker(desk.engine, 0, TN_BREAKER_OPEN), TN_NOT_FOUND);
	assert_int_equal(tn_engine_breaker(desk.engine, 99, TN_BREAKER_OPEN), TN_NOT_FOUND);
	assert_int_equal(tn_engine_breaker(desk.engine, 1, TN_BREAKER_OPEN), TN_OK);
	desk_close(&desk);
}

static void a_result_nobody_waits_for_changes_nothing(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	struct tn_outcome delivered = {.verdict = TN_DELIVERED};
	struct tn_result result = {.token = 5, .count = 1, .outcomes = &delivered};
	tn_engine_result(desk.engine, &result); /* before any attempt */
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	uint64_t token = desk.starts[0].token;
	uint64_t wrong[] = {token + 1, token + ((uint64_t)1 << 32), token + 1000000};
	for (uint32_t i = 0; i < 3; i++) {
		result.token = wrong[i]; /* a free slot, another generation, no slot at all */
		tn_engine_result(desk.engine, &result);
	}
	result = (struct tn_result){.token = token, .count = 0};
	tn_engine_result(desk.engine, &result);
	assert_int_equal(desk_books(&desk)->inflight, 1);
	desk_answer(&desk, 0, TN_DELIVERED);
	result = (struct tn_result){.token = token, .count = 1, .outcomes = &delivered};
	tn_engine_result(desk.engine, &result); /* a second time */
	assert_int_equal(desk_books(&desk)->delivered, 1);
	assert_int_equal(desk_books(&desk)->late_success, 0);
	desk_close(&desk);
}

static void a_completion_nobody_waits_for_changes_nothing(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	tn_engine_stored(desk.engine, 1, TN_COMMIT_OK); /* before any batch */
	assert_int_equal(desk_offer(&desk, TN_ACK_JOURNALED, 1), TN_OK);
	desk_obey(&desk);
	uint64_t number = desk.batch->number;
	tn_engine_stored(desk.engine, number + 1, TN_COMMIT_OK);
	desk_obey(&desk);
	assert_int_equal(desk.answer_count, 0);
	desk_commit(&desk, TN_COMMIT_UNKNOWN);
	desk.now_ms += 100;
	tn_engine_tick(desk.engine, desk.now_ms);
	tn_engine_stored(desk.engine, number, TN_COMMIT_OK); /* it is to go again, and did not yet */
	desk_obey(&desk);
	assert_int_equal(desk.answer_count, 0);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.answer_count, 1);
	desk_close(&desk);
}

static void a_page_nobody_waits_for_changes_nothing(void **state)
{
	desk_init(&desk);
	desk.config.recover = true;
	desk.config.store_rows = 1;
	desk_open(&desk);
	struct tn_page page = {.token = desk.scan->token + 1, .last = true};
	tn_engine_page(desk.engine, &page);
	desk_obey(&desk);
	assert_int_equal(desk.scan->state, TN_ROW_TRIED);
	for (int i = 0; i < 3; i++)
		desk_page(&desk, NULL, 0, INT64_MAX);
	assert_null(desk.scan);
	page.token--;
	tn_engine_page(desk.engine, &page);
	assert_true(tn_engine_recovered(desk.engine));
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_without_memory_leaves_nothing_behind),
		cmocka_unit_test(nothing_is_read_before_the_first_table),
		cmocka_unit_test(a_table_with_a_number_that_cannot_be_changes_nothing),
		cmocka_unit_test(a_reload_of_many_targets_needs_all_its_memory_or_changes_nothing),
		cmocka_unit_test(a_removed_target_is_never_shut_for_its_full_park),
		cmocka_unit_test(nobody_has_no_breaker),
		cmocka_unit_test(a_result_nobody_waits_for_changes_nothing),
		cmocka_unit_test(a_completion_nobody_waits_for_changes_nothing),
		cmocka_unit_test(a_page_nobody_waits_for_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
