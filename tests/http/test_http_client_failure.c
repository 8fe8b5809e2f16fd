/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_client_failure.c - what each result of libcurl counts as: section 5 of the delivery semantics, by number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http_client_internal.h"

static const struct {
	enum tn_http_failure failure;
	int results[16]; /* ends with 0 */
} rows[] = {
	{TN_HTTP_RESOLVE, {5, 6}},
	{TN_HTTP_CONNECT, {7}},
	{TN_HTTP_TRANSPORT, {8, 18, 52, 55, 56, 16, 92, 95, 35, 96}},
	{TN_HTTP_TRANSPORT, {23, 61, 63}}, /* before a status was read; after it, the status counts */
	{TN_HTTP_LOCAL, {27, 81, 89, 99}},
	{TN_HTTP_TIMEOUT, {28}},
	{TN_HTTP_BAD_URL, {1, 3, 43}},
	{TN_HTTP_TLS_VERIFY, {58, 77, 83, 90, 60}},
	{TN_HTTP_TLS_VERIFY, {91, 98}}, /* not in the table, and as much about certificates */
	{TN_HTTP_LOGIN, {67}},
};

static enum tn_http_failure expected(int result)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (const int *each = rows[i].results; *each; each++)
			if (*each == result)
				return rows[i].failure;
	return TN_HTTP_UNCLASSIFIED;
}

static void every_result_counts_as_the_table_says(void **state)
{
	assert_int_equal(tn_http_failure_of(CURLE_OK), TN_HTTP_FINE);
	for (int result = 1; result < CURL_LAST + 100; result++) {
		enum tn_http_failure failure = tn_http_failure_of((CURLcode)result);
		if (failure != expected(result))
			fail_msg("%d is %s, not %s", result, tn_http_failure_code(failure), tn_http_failure_code(expected(result)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_result_counts_as_the_table_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
