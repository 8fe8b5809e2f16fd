/* SPDX-License-Identifier: Apache-2.0
 *
 * test_record_id.c - row keys as names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/dlq.h"

static void a_name_is_the_sequence_in_hex_and_the_route(void **state)
{
	char text[TN_DLQ_ID_SIZE];
	assert_string_equal(tn_dlq_id_format((struct tn_row_key){42, 7}, text), "000000000000002a-7");
	assert_string_equal(tn_dlq_id_format((struct tn_row_key){UINT64_MAX, UINT32_MAX}, text), "ffffffffffffffff-4294967295");
}

static void a_name_leads_back_to_its_key(void **state)
{
	struct tn_row_key key;
	assert_true(tn_dlq_id_parse(TN_STR("ffffffffffffff0e-4294967295"), &key));
	assert_true(key.event_seq == UINT64_MAX - 241);
	assert_int_equal(key.route_no, UINT32_MAX);
}

static void anything_else_is_no_name(void **state)
{
	static const char *const others[] = {"", "nonsense", "000000000000002a", "000000000000002a-", "000000000000002A-0",
		"000000000000002a-01", "000000000000002a-4294967296", "000000000000002a-0 ", "00000000000002a-0",
		"0000000000000002a-0", "000000000000002g-0", "000000000000002a--1"};
	struct tn_row_key key;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (tn_dlq_id_parse(tn_str_from(others[i]), &key))
			fail_msg("taken for a name: %s", others[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_the_sequence_in_hex_and_the_route),
		cmocka_unit_test(a_name_leads_back_to_its_key),
		cmocka_unit_test(anything_else_is_no_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
