/* SPDX-License-Identifier: Apache-2.0
 *
 * test_event_tally.c - the table of events seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "event_tally.h"

static struct tn_id name_of(unsigned number)
{
	const struct tn_str part = {(const char *)&number, sizeof(number)};

	return tn_id_hash(&part, 1);
}

static void a_row_keeps_its_counts_while_the_table_grows(void **state)
{
	struct tn_event_tally tally = {0};

	for (unsigned i = 0; i < 10000; i++) {
		struct tn_id name = name_of(i);

		tn_event_tally_find(&tally, &name)->attempts = i;
	}
	for (unsigned i = 0; i < 10000; i++) {
		struct tn_id name = name_of(i);

		assert_int_equal(tn_event_tally_find(&tally, &name)->attempts, i);
	}
	assert_int_equal(tally.count, 10000);
	tn_event_tally_fini(&tally);
}

static void names_that_begin_alike_are_different_rows(void **state)
{
	struct tn_event_tally tally = {0};
	struct tn_id first = name_of(1), second = first;

	second.bytes[15] ^= 1;
	tn_event_tally_find(&tally, &first)->accepted = 1;
	assert_int_equal(tn_event_tally_find(&tally, &second)->accepted, 0);
	assert_int_equal(tn_event_tally_find(&tally, &first)->accepted, 1);
	tn_event_tally_fini(&tally);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_keeps_its_counts_while_the_table_grows),
		cmocka_unit_test(names_that_begin_alike_are_different_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
