/* SPDX-License-Identifier: Apache-2.0
 *
 * test_doubt.c - the order and the end of doubt, in numbers only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "doubt.h"

static bool in_turn(struct tn_doubt *doubt, uint64_t number)
{
	uint64_t next = tn_doubt_next(doubt);
	return tn_doubt_in_turn(doubt, number, &next);
}

static void without_doubt_any_batch_is_in_turn(void **state)
{
	struct tn_doubt doubt = {0};
	assert_true(in_turn(&doubt, 1));
	assert_true(in_turn(&doubt, 900));
}

static void only_the_awaited_batch_is_in_turn(void **state)
{
	struct tn_doubt doubt = {0};
	tn_doubt_failed(&doubt, 5, 7, 40);
	assert_false(in_turn(&doubt, 6));
	assert_false(in_turn(&doubt, 8));
	assert_true(in_turn(&doubt, 5));
}

static void a_run_of_batches_in_their_order_is_in_turn(void **state)
{
	struct tn_doubt doubt = {0};
	tn_doubt_failed(&doubt, 5, 6, 40);
	uint64_t next = tn_doubt_next(&doubt);
	assert_true(tn_doubt_in_turn(&doubt, 5, &next));
	assert_true(tn_doubt_in_turn(&doubt, 6, &next));
	assert_true(tn_doubt_in_turn(&doubt, 7, &next));
}

static void a_batch_sent_away_must_come_again_too(void **state)
{
	struct tn_doubt doubt = {0};
	tn_doubt_failed(&doubt, 5, 5, 40);
	assert_false(in_turn(&doubt, 6));
	assert_true(in_turn(&doubt, 5));
	tn_doubt_answered(&doubt, 5);
	assert_false(in_turn(&doubt, 7));
	assert_true(in_turn(&doubt, 6));
	tn_doubt_answered(&doubt, 6);
	assert_true(in_turn(&doubt, 7));
	tn_doubt_answered(&doubt, 7);
	assert_true(in_turn(&doubt, 100));
}

static void a_transaction_of_the_same_number_shows_that_nothing_was_written(void **state)
{
	struct tn_doubt doubt = {0};
	tn_doubt_failed(&doubt, 5, 5, 40);
	tn_doubt_began(&doubt, 40);
	assert_int_equal(doubt.seen, TN_DOUBT_ABSENT);
	assert_false(doubt.settled);
	tn_doubt_committed(&doubt);
	assert_true(doubt.settled);
}

static void a_transaction_of_the_next_number_shows_that_all_was_written(void **state)
{
	struct tn_doubt doubt = {0};
	tn_doubt_failed(&doubt, 5, 5, 40);
	tn_doubt_began(&doubt, 41);
	assert_int_equal(doubt.seen, TN_DOUBT_VISIBLE);
}

static void a_second_failure_opens_the_question_again(void **state)
{
	struct tn_doubt doubt = {0};
	tn_doubt_failed(&doubt, 5, 5, 40);
	tn_doubt_began(&doubt, 40);
	tn_doubt_failed(&doubt, 5, 5, 40);
	assert_int_equal(doubt.seen, TN_DOUBT_UNSEEN);
	tn_doubt_began(&doubt, 41);
	assert_int_equal(doubt.seen, TN_DOUBT_VISIBLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_doubt_any_batch_is_in_turn),
		cmocka_unit_test(only_the_awaited_batch_is_in_turn),
		cmocka_unit_test(a_run_of_batches_in_their_order_is_in_turn),
		cmocka_unit_test(a_batch_sent_away_must_come_again_too),
		cmocka_unit_test(a_transaction_of_the_same_number_shows_that_nothing_was_written),
		cmocka_unit_test(a_transaction_of_the_next_number_shows_that_all_was_written),
		cmocka_unit_test(a_second_failure_opens_the_question_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
