/* SPDX-License-Identifier: Apache-2.0
 *
 * test_classify.c - what each HTTP status and each way to get none means for a delivery.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "classify.h"

static struct tn_classified result;

static const struct tn_outcome *status_outcome(int32_t status, const char *name, const char *value, const struct tn_classify_overrides *overrides)
{
	struct tn_header header = {tn_str_from(name), tn_str_from(value), TN_STRING};
	struct tn_http_answer answer = {.status = status, .sent = true, .message = "", .headers = &header, .header_count = name != NULL};
	tn_classify_answer(&answer, overrides, 0, &result);
	return &result.outcome;
}

static const struct tn_outcome *failure_outcome(enum tn_http_failure failure, bool sent)
{
	struct tn_http_answer answer = {.failure = failure, .sent = sent, .message = "it broke"};
	tn_classify_answer(&answer, NULL, 0, &result);
	return &result.outcome;
}

static bool is_in(int32_t status, const int32_t *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == status)
			return true;
	return false;
}
#define IS_IN(status, ...) is_in(status, (const int32_t[]){__VA_ARGS__}, sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

/* Section 5, read again and written down another way. */
static enum tn_verdict expected_verdict(int32_t status)
{
	if (status / 100 == 2)
		return TN_DELIVERED;
	if (status == 429)
		return TN_THROTTLED;
	if (IS_IN(status, 401, 407, 402, 403, 404, 410, 511))
		return TN_MISCONFIGURED;
	if (status < 400 || IS_IN(status, 501, 505, 506))
		return TN_REJECTED;
	if (status >= 500 || IS_IN(status, 408, 425, 421, 423, 409))
		return TN_RETRY;
	return TN_REJECTED;
}

static void every_status_has_the_verdict_of_the_table(void **state)
{
	for (int32_t status = 100; status <= 599; status++) {
		const struct tn_outcome *outcome = status_outcome(status, NULL, NULL, NULL);
		if (outcome->verdict != expected_verdict(status))
			fail_msg("%d: verdict %d", status, (int)outcome->verdict);
		assert_int_equal(outcome->credential, status == 401 || status == 407);
		assert_int_equal(outcome->status, status);
		assert_false(outcome->maybe_done);
		assert_false(outcome->function_error);
		if (outcome->verdict == TN_DELIVERED)
			continue;
		assert_non_null(outcome->code);
		assert_true(outcome->message.len > 0);
	}
}

static void every_status_has_its_code(void **state)
{
	for (int32_t status = 300; status <= 599; status++) {
		char plain[16];
		snprintf(plain, sizeof plain, "HTTP_%d", status);
		const char *expected = status < 400 ? "REDIRECT"
			: status == 401 || status == 407      ? "UNAUTHORIZED"
			: IS_IN(status, 402, 403, 511)        ? "FORBIDDEN"
			: status == 404                       ? "NOT_FOUND"
			: status == 410                       ? "GONE"
			: status == 429                       ? "THROTTLED"
							      : plain;
		assert_string_equal(status_outcome(status, NULL, NULL, NULL)->code, expected);
	}
	assert_string_equal(status_outcome(101, NULL, NULL, NULL)->code, "REDIRECT");
}

static void a_number_that_is_no_status_is_tried_again(void **state)
{
	assert_int_equal(status_outcome(999, NULL, NULL, NULL)->verdict, TN_RETRY);
	assert_string_equal(result.outcome.code, "UNCLASSIFIED");
	assert_int_equal(status_outcome(99, NULL, NULL, NULL)->verdict, TN_RETRY);
}

static void retry_after_makes_503_a_throttle(void **state)
{
	assert_int_equal(status_outcome(503, "Retry-After", "7", NULL)->verdict, TN_THROTTLED);
	assert_string_equal(result.outcome.code, "THROTTLED");
	assert_int_equal(result.outcome.retry_after_ms, 7000);
	assert_int_equal(status_outcome(503, "RateLimit", "remaining=0, reset=4", NULL)->verdict, TN_THROTTLED);
	assert_int_equal(result.outcome.retry_after_ms, 4000);
	assert_int_equal(status_outcome(503, "Retry-After", "0", NULL)->verdict, TN_THROTTLED);
	assert_int_equal(result.outcome.retry_after_ms, 0);
}

static void a_503_that_says_nothing_to_be_understood_is_a_failure(void **state)
{
	assert_int_equal(status_outcome(503, "Retry-After", "soon", NULL)->verdict, TN_RETRY);
	assert_string_equal(result.outcome.code, "HTTP_503");
	assert_int_equal(result.outcome.retry_after_ms, 0);
	assert_int_equal(status_outcome(503, "RateLimit", "remaining=3, reset=4", NULL)->verdict, TN_RETRY);
}

static void retry_after_counts_where_it_is_tried_again(void **state)
{
	assert_int_equal(status_outcome(429, "Retry-After", "3", NULL)->retry_after_ms, 3000);
	assert_int_equal(status_outcome(500, "Retry-After", "3", NULL)->retry_after_ms, 3000);
	assert_int_equal(status_outcome(400, "Retry-After", "3", NULL)->retry_after_ms, 0);
	assert_int_equal(status_outcome(401, "Retry-After", "3", NULL)->retry_after_ms, 0);
}

static void a_negative_retry_after_declines(void **state)
{
	assert_true(status_outcome(503, "Retry-After", "-1", NULL)->declined);
	assert_true(status_outcome(429, "Retry-After", "-1", NULL)->declined);
	assert_false(status_outcome(429, "Retry-After", "1", NULL)->declined);
}

static void each_failure_has_its_verdict(void **state)
{
	static const struct {
		enum tn_http_failure failure;
		enum tn_verdict verdict;
		bool credential, unknown;
		const char *code;
	} rows[] = {
		{TN_HTTP_RESOLVE, TN_RETRY, false, false, "RESOLVE"},
		{TN_HTTP_CONNECT, TN_RETRY, false, false, "CONNECT"},
		{TN_HTTP_TRANSPORT, TN_RETRY, false, true, "TRANSPORT"},
		{TN_HTTP_TIMEOUT, TN_RETRY, false, true, "TIMEOUT"},
		{TN_HTTP_TLS_VERIFY, TN_MISCONFIGURED, true, false, "TLS_VERIFY"},
		{TN_HTTP_BAD_URL, TN_MISCONFIGURED, false, false, "BAD_TARGET"},
		{TN_HTTP_ADDRESS_BLOCKED, TN_MISCONFIGURED, false, false, "ADDRESS_BLOCKED"},
		{TN_HTTP_LOCAL, TN_RETRY, false, true, "LOCAL"},
		{TN_HTTP_CANCELLED, TN_RETRY, false, true, "TIMEOUT"},
		{TN_HTTP_UNCLASSIFIED, TN_RETRY, false, true, "UNCLASSIFIED"},
		{TN_HTTP_LOGIN, TN_MISCONFIGURED, true, false, "BAD_TARGET"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct tn_outcome *outcome = failure_outcome(rows[i].failure, true);
		assert_int_equal(outcome->verdict, rows[i].verdict);
		assert_int_equal(outcome->credential, rows[i].credential);
		assert_int_equal(outcome->maybe_done, rows[i].unknown);
		assert_int_equal(outcome->local, rows[i].failure == TN_HTTP_LOCAL);
		assert_string_equal(outcome->code, rows[i].code);
		assert_int_equal(outcome->status, 0);
		assert_false(failure_outcome(rows[i].failure, false)->maybe_done);
	}
}

static void a_status_counts_although_the_body_broke_off(void **state)
{
	struct tn_http_answer answer = {.status = 204, .failure = TN_HTTP_TRANSPORT, .sent = true, .message = "closed"};
	tn_classify_answer(&answer, NULL, 0, &result);
	assert_int_equal(result.outcome.verdict, TN_DELIVERED);
	answer.status = 400;
	tn_classify_answer(&answer, NULL, 0, &result);
	assert_int_equal(result.outcome.verdict, TN_REJECTED);
}

static void a_message_is_one_clean_line(void **state)
{
	char longest[3000];
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = 0;
	struct tn_http_answer answer = {.failure = TN_HTTP_CONNECT, .message = "a\r\nb\x1b[31m\xff" "c \xc3\xbc"};
	tn_classify_answer(&answer, NULL, 0, &result);
	assert_true(tn_str_is(result.outcome.message, "a  b [31m c \xc3\xbc"));
	answer.message = longest;
	tn_classify_answer(&answer, NULL, 0, &result);
	assert_int_equal(result.outcome.message.len, 1024);
}

static void the_sample_is_the_start_of_the_body(void **state)
{
	char body[2000] = "why not";
	struct tn_http_answer answer = {.status = 400, .message = "", .body = {body, sizeof body}};
	tn_classify_answer(&answer, NULL, 0, &result);
	assert_int_equal(result.outcome.sample.len, 1024);
	assert_ptr_equal(result.outcome.sample.bytes, body);
}

static struct tn_classify_overrides parse(struct tn_str retry, struct tn_str fail)
{
	struct tn_classify_overrides overrides;
	struct tn_texts retry_on = {&retry, retry.len > 0}, fail_on = {&fail, fail.len > 0};
	assert_int_equal(tn_classify_parse(&retry_on, &fail_on, &overrides, NULL), TN_OK);
	return overrides;
}

static void a_target_may_see_a_status_otherwise(void **state)
{
	struct tn_classify_overrides overrides = parse(TN_STR("404"), TN_STR("500-503"));
	assert_int_equal(status_outcome(404, "Retry-After", "2", &overrides)->verdict, TN_RETRY);
	assert_string_equal(result.outcome.code, "HTTP_404");
	assert_int_equal(result.outcome.retry_after_ms, 2000);
	assert_int_equal(status_outcome(503, "Retry-After", "2", &overrides)->verdict, TN_REJECTED);
	assert_int_equal(result.outcome.retry_after_ms, 0);
	assert_int_equal(status_outcome(504, NULL, NULL, &overrides)->verdict, TN_RETRY);
	assert_int_equal(status_outcome(200, NULL, NULL, &overrides)->verdict, TN_DELIVERED);
	overrides = parse(TN_STR("401"), TN_STR("429"));
	assert_int_equal(status_outcome(401, NULL, NULL, &overrides)->verdict, TN_RETRY);
	assert_false(result.outcome.credential);
	assert_int_equal(status_outcome(429, NULL, NULL, &overrides)->verdict, TN_REJECTED);
	overrides = parse(TN_STR("429"), TN_STR(""));
	assert_int_equal(status_outcome(429, NULL, NULL, &overrides)->verdict, TN_THROTTLED);
}

static void what_is_gone_may_hold_the_target(void **state)
{
	struct tn_classify_overrides overrides = {.hold_gone = true};
	assert_int_equal(status_outcome(410, NULL, NULL, &overrides)->verdict, TN_MISCONFIGURED);
	assert_true(result.outcome.credential);
	assert_string_equal(result.outcome.code, "GONE");
	assert_false(status_outcome(404, NULL, NULL, &overrides)->credential);
	overrides = parse(TN_STR("410"), TN_STR(""));
	overrides.hold_gone = true;
	assert_int_equal(status_outcome(410, NULL, NULL, &overrides)->verdict, TN_RETRY);
	assert_false(result.outcome.credential);
}

static void a_body_that_was_needed_and_broke_off_counts_as_the_break(void **state)
{
	struct tn_http_answer answer = {.status = 200, .failure = TN_HTTP_TRANSPORT, .sent = true, .message = "closed"};
	tn_classify_broken_answer(&answer, &result);
	assert_int_equal(result.outcome.verdict, TN_RETRY);
	assert_string_equal(result.outcome.code, "TRANSPORT");
	assert_int_equal(result.outcome.status, 200);
	assert_true(result.outcome.maybe_done);
	answer.failure = TN_HTTP_CANCELLED;
	tn_classify_broken_answer(&answer, &result);
	assert_string_equal(result.outcome.code, "TIMEOUT");
}

static void wrong_lists_of_statuses_are_refused(void **state)
{
	static const char *const bad[] = {"", "200", "299-400", "600", "5xx", "500-", "-500", "599-500", "500-600", "0500", " 500"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct tn_str text = tn_str_from(bad[i]);
		struct tn_texts list = {&text, 1}, none = {NULL, 0};
		struct tn_classify_overrides overrides;
		struct tn_error error = {0};
		if (tn_classify_parse(&none, &list, &overrides, &error) != TN_INVALID)
			fail_msg("'%s' was taken", bad[i]);
		assert_non_null(strstr(error.message, "fail_on"));
	}
	struct tn_str one = TN_STR("500-503"), other = TN_STR("503");
	struct tn_texts retry_on = {&one, 1}, fail_on = {&other, 1};
	struct tn_classify_overrides overrides;
	assert_int_equal(tn_classify_parse(&retry_on, &fail_on, &overrides, NULL), TN_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_status_has_the_verdict_of_the_table),
		cmocka_unit_test(every_status_has_its_code),
		cmocka_unit_test(a_number_that_is_no_status_is_tried_again),
		cmocka_unit_test(retry_after_makes_503_a_throttle),
		cmocka_unit_test(a_503_that_says_nothing_to_be_understood_is_a_failure),
		cmocka_unit_test(retry_after_counts_where_it_is_tried_again),
		cmocka_unit_test(a_negative_retry_after_declines),
		cmocka_unit_test(each_failure_has_its_verdict),
		cmocka_unit_test(a_status_counts_although_the_body_broke_off),
		cmocka_unit_test(a_message_is_one_clean_line),
		cmocka_unit_test(the_sample_is_the_start_of_the_body),
		cmocka_unit_test(a_target_may_see_a_status_otherwise),
		cmocka_unit_test(what_is_gone_may_hold_the_target),
		cmocka_unit_test(a_body_that_was_needed_and_broke_off_counts_as_the_break),
		cmocka_unit_test(wrong_lists_of_statuses_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
