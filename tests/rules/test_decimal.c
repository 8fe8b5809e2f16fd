/* SPDX-License-Identifier: Apache-2.0
 *
 * test_decimal.c - numbers compare by value, exactly, whatever their length and exponent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "decimal.h"

static int compare(const char *a, const char *b)
{
	struct tn_decimal one = tn_decimal_parse(tn_str_from(a)), two = tn_decimal_parse(tn_str_from(b));
	int order = tn_decimal_compare(&one, &two);
	assert_int_equal(tn_decimal_compare(&two, &one), -order);
	return order;
}

static void one_value_has_many_spellings(void **state)
{
	static const char *const spellings[][2] = {{"300", "3.0e2"}, {"300", "3E+2"}, {"300.000", "0.3e3"}, {"0", "-0"}, {"-0.0", "0e99"},
		{"0e99999999999999999999", "0"}, {"1e-3", "0.001"}, {"1000000000000000000000000", "1e24"},
		{"12345678901234567890123.45", "1.234567890123456789012345e22"}, {"-5", "-50e-1"}, {"0.00e5", "0"},
		{"100000000000000000000.0010", "100000000000000000000.001"}};
	for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
		if (compare(spellings[i][0], spellings[i][1]) != 0)
			fail_msg("%s and %s differ", spellings[i][0], spellings[i][1]);
}

static void what_a_double_cannot_tell_apart_differs(void **state)
{
	assert_int_equal(compare("9007199254740993", "9007199254740992"), 1);
	assert_int_equal(compare("0.1", "0.10000000000000001"), -1);
	assert_int_equal(compare("0.1", "0.100000000000000000000000000000000000000000001"), -1);
	assert_int_equal(compare("-0.1", "-0.10000000000000001"), 1);
	assert_int_equal(compare("10000000000000000000000000001", "1e28"), 1);
	assert_int_equal(compare("1000000000000000000.5", "1000000000000000000.49"), 1);
}

static void order_is_that_of_the_number_line(void **state)
{
	static const char *const ascending[] = {"-1e99999999999999999999", "-1e5", "-12", "-1.5", "-1", "-0.5", "-1e-20000", "0", "1e-20000",
		"1e-3", "0.0010001", "0.5", "1", "1.5", "9.99", "10", "12", "99999", "1e5", "1e9999", "1e10000", "1e99999999999999999999"};
	size_t count = sizeof ascending / sizeof *ascending;
	for (size_t i = 0; i < count; i++)
		for (size_t j = i + 1; j < count; j++)
			if (compare(ascending[i], ascending[j]) != -1)
				fail_msg("%s is not below %s", ascending[i], ascending[j]);
}

static void the_range_counts_from_the_first_digit(void **state)
{
	static const struct {
		const char *text;
		bool in_range;
	} rows[] = {{"1e9999", true}, {"10e9999", false}, {"0.1e10000", true}, {"1e10000", false}, {"1e-9999", true}, {"0.1e-9999", false},
		{"0e123456", true}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tn_decimal number = tn_decimal_parse(tn_str_from(rows[i].text));
		assert_int_equal(tn_decimal_in_range(&number), rows[i].in_range);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_value_has_many_spellings),
		cmocka_unit_test(what_a_double_cannot_tell_apart_differs),
		cmocka_unit_test(order_is_that_of_the_number_line),
		cmocka_unit_test(the_range_counts_from_the_first_digit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
