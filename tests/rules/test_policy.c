/* SPDX-License-Identifier: Apache-2.0
 *
 * test_policy.c - retry profiles have the numbers they promise, and a retry map changes exactly what it names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/doc.h"
#include "turnout/policy.h"

static struct tn_policy profile(const char *name)
{
	struct tn_policy policy;
	assert_true(tn_policy_profile(tn_str_from(name), &policy));
	return policy;
}

static enum tn_status parse(const char *text, struct tn_policy *policy, struct tn_error *error)
{
	struct tn_doc doc = {0};
	assert_int_equal(tn_doc_parse(tn_str_from(text), "f", &doc, error), TN_OK);
	enum tn_status status = tn_policy_parse(&doc, doc.root, policy, error);
	tn_doc_fini(&doc);
	return status;
}

/* Every number of the table in section 4 of the delivery semantics. */
static void profiles_have_their_numbers(void **state)
{
	static const struct {
		const char *name;
		struct tn_backoff system, function;
		bool split;
		int64_t max_age_s;
		enum tn_jitter jitter;
	} rows[] = {
		{"eventbridge", {.base_ms = 1000, .mult = 2, .cap_ms = 512000, .max_retries = 185},
			{.base_ms = 1000, .mult = 2, .cap_ms = 512000, .max_retries = 185}, false, 24 * 3600, TN_JITTER_EQUAL},
		{"eventbridge-v2", {.base_ms = 1000, .mult = 2, .cap_ms = 512000, .max_retries = 5},
			{.base_ms = 1000, .mult = 2, .cap_ms = 512000, .max_retries = 5}, false, 300, TN_JITTER_EQUAL},
		{"lambda-async", {.base_ms = 1000, .mult = 2, .cap_ms = 300000, .max_retries = TN_RETRIES_UNLIMITED},
			{.base_ms = 60000, .mult = 2, .cap_ms = 120000, .max_retries = 2}, true, 6 * 3600, TN_JITTER_EQUAL},
		{"fast", {.base_ms = 100, .mult = 2, .cap_ms = 5000, .max_retries = 8},
			{.base_ms = 100, .mult = 2, .cap_ms = 5000, .max_retries = 8}, false, 60, TN_JITTER_EQUAL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tn_policy policy = profile(rows[i].name);
		assert_memory_equal(&policy.system, &rows[i].system, sizeof policy.system);
		assert_memory_equal(&policy.function, &rows[i].function, sizeof policy.function);
		assert_int_equal(policy.split, rows[i].split);
		assert_int_equal(policy.max_age_ms, rows[i].max_age_s * 1000);
		assert_int_equal(policy.jitter, rows[i].jitter);
		assert_int_equal(policy.floor_ms, 50);
	}
	struct tn_policy none;
	assert_false(tn_policy_profile(TN_STR("slow"), &none));
}

static void the_webhook_profile_is_a_list(void **state)
{
	static const int64_t list_s[] = {5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600};
	struct tn_policy policy = profile("webhook");
	assert_int_equal(policy.system.list_count, 9);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(policy.system.list_ms[i], list_s[i] * 1000);
	assert_int_equal(policy.system.max_retries, 9);
	assert_int_equal(policy.jitter, TN_JITTER_PLUS_TENTH);
	assert_int_equal(policy.max_age_ms, 84 * 3600000);
	assert_false(policy.split);
}

static void a_map_changes_what_it_names(void **state)
{
	struct tn_policy policy = profile("fast"), before = policy;
	struct tn_error error;
	assert_int_equal(parse("{}", &policy, &error), TN_OK);
	assert_memory_equal(&policy, &before, sizeof policy);
	assert_int_equal(parse("max_retries: 0\njitter: full\n", &policy, &error), TN_OK);
	assert_int_equal(policy.system.max_retries, 0);
	assert_int_equal(policy.function.max_retries, 0);
	assert_int_equal(policy.jitter, TN_JITTER_FULL);
	assert_int_equal(policy.system.base_ms, 100);
	assert_int_equal(parse("base: 2s\ncap: 8s\nmultiplier: 4\nmax_age: 14d\non_exhausted: drop\n", &policy, &error), TN_OK);
	assert_int_equal(policy.system.base_ms, 2000);
	assert_int_equal(policy.function.cap_ms, 8000);
	assert_int_equal(policy.system.mult, 4);
	assert_int_equal(policy.max_age_ms, 14 * 86400000);
	assert_true(policy.drop_exhausted);
	assert_int_equal(policy.floor_ms, 50);
	assert_int_equal(parse("floor: 3s\n", &policy, &error), TN_OK);
	assert_int_equal(policy.floor_ms, 3000);
	assert_int_equal(parse("profile: eventbridge\nmax_age: 1s\n", &policy, &error), TN_OK);
	assert_int_equal(policy.system.max_retries, 185);
	assert_int_equal(policy.max_age_ms, 1000);
	assert_true(policy.drop_exhausted);
}

static void the_lambda_profile_counts_function_errors(void **state)
{
	struct tn_policy policy = profile("eventbridge");
	struct tn_error error;
	assert_int_equal(parse("profile: lambda-async\nmax_retries: 1\n", &policy, &error), TN_OK);
	assert_int_equal(policy.function.max_retries, 1);
	assert_int_equal(policy.system.max_retries, TN_RETRIES_UNLIMITED);
}

static const struct {
	const char *text, *refusal;
} refused[] = {
	{"max_retries: 1001", "f:1:14: max_retries must be between 0 and 1000"},
	{"max_retries: -1", "f:1:14: max_retries must be a whole number"},
	{"max_retries: 1.5", "f:1:14: max_retries must be a whole number"},
	{"max_age: 999ms", "f:1:10: max_age must be between 1000 ms and 1209600000 ms"},
	{"max_age: 15d", "f:1:10: max_age must be between 1000 ms and 1209600000 ms"},
	{"max_age: soon", "f:1:10: max_age must be a duration like 250ms, 15s, 5m, 2h or 14d"},
	{"profile: slow", "f:1:10: profile must be one of eventbridge, eventbridge-v2, lambda-async, webhook, fast"},
	{"jitter: some", "f:1:9: jitter must be one of equal, full, none"},
	{"on_exhausted: shrug", "f:1:15: on_exhausted must be one of dead_letter, drop, dead_letter_and_continue, dead_letter_and_block"},
	{"base: 10s\ncap: 5s", "f:1:7: cap (5000 ms) must not be below base (10000 ms)"},
	{"floor: 0s", "f:1:8: floor must be between 1 ms and 1209600000 ms"},
	{"cap: 1s\nfloor: 2s", "f:2:8: floor (2000 ms) must not be above cap (1000 ms)"},
	{"profile: webhook\nbase: 1s", "f:2:1: base cannot be set: this profile has a list of delays of its own"},
	{"cap: 1s\nprofile: lambda-async", "f:1:1: cap cannot be set: this profile has two schedules of its own"},
	{"retires: 1", "f:1:1: unknown key 'retires'"},
	{"max_retires: 1", "f:1:1: unknown key 'max_retires'; did you mean 'max_retries'?"},
	{"- 1", "f:1:1: this must be a map of settings"},
};

static void what_is_out_of_range_is_refused_and_changes_nothing(void **state)
{
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct tn_policy policy = profile("eventbridge"), before = policy;
		struct tn_error error = {0};
		char line[600];
		assert_int_not_equal(parse(refused[i].text, &policy, &error), TN_OK);
		assert_string_equal(tn_error_format(&error, line, sizeof line), refused[i].refusal);
		assert_memory_equal(&policy, &before, sizeof policy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profiles_have_their_numbers),
		cmocka_unit_test(the_webhook_profile_is_a_list),
		cmocka_unit_test(a_map_changes_what_it_names),
		cmocka_unit_test(the_lambda_profile_counts_function_errors),
		cmocka_unit_test(what_is_out_of_range_is_refused_and_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
