/* SPDX-License-Identifier: Apache-2.0
 *
 * test_config.c - turnout.yaml is read whole or refused with its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>


static struct tn_config *read_config(const char *text, enum tn_status *out_status, struct tn_error *error)
{
	char path[] = "/tmp/turnout-config-XXXXXX";
	int fd = mkstemp(path);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	struct tn_config *config = NULL;
	*out_status = tn_config_read(path, &config, error);
	unlink(path);
	return config;
}

#define GOOD_TOP "bus: orders\nstore: {path: data}\nrules: [rules/*.yaml]\n"
#define GOOD_SOURCE "sources:\n  - {name: web, kind: http, listen: \"127.0.0.1:8080\"}\n"
#define GOOD_TARGET "targets:\n  - {name: billing, kind: http, url: \"http://127.0.0.1:9/\"}\n"

static void a_small_configuration_gets_the_defaults(void **state)
{
	enum tn_status status;
	struct tn_error error = {0};
	struct tn_config *config = read_config(GOOD_TOP GOOD_SOURCE GOOD_TARGET, &status, &error);
	assert_int_equal(status, TN_OK);
	assert_true(tn_str_is(config->bus, "orders"));
	assert_string_equal(config->store_path.bytes, "/tmp/data");
	assert_int_equal(config->workers, 1);
	assert_int_equal(config->memory_bytes, 64 << 20);
	assert_int_equal(config->source_count, 1);
	assert_int_equal(config->targets[0].max_in_flight, 64);
	assert_int_equal(config->targets[0].timeout_ms, 15000);
	assert_int_equal(config->targets[0].policy.system.max_retries, 185);
	assert_int_equal(config->dead_letter_count, 1);
	assert_null(config->dead_letters[0].target.bytes);
	tn_config_free(config);
}

/* What the specification of delivery says in brackets. */
static void nothing_said_is_what_the_specification_says(void **state)
{
	enum tn_status status;
	struct tn_error error = {0};
	struct tn_config *config = read_config(GOOD_TOP GOOD_SOURCE GOOD_TARGET, &status, &error);
	assert_int_equal(status, TN_OK);
	assert_int_equal(config->sources[0].window, 1000);
	assert_int_equal(config->sources[0].dedup.by, TN_DEDUP_EVENT);
	assert_int_equal(config->park_after_ms, 10000);
	assert_int_equal(config->settle_deadline_ms, 15000);
	assert_int_equal(config->drain_timeout_ms, 30000);
	assert_int_equal(config->removal_grace_ms, 600000);
	assert_int_equal(config->max_hops, 8);
	assert_int_equal(config->max_in_flight, 4096);
	assert_int_equal(config->store_max_bytes, (uint64_t)4 << 30);
	const struct tn_target_config *target = &config->targets[0];
	struct tn_policy profile;
	assert_true(tn_policy_profile(TN_STR("eventbridge"), &profile));
	assert_memory_equal(&target->policy, &profile, sizeof profile);
	assert_int_equal(target->retry_after_max_ms, 3600000);
	assert_int_equal(target->on_credential_error, TN_CONFIG_HOLD);
	assert_int_equal(target->on_missing, TN_CONFIG_DEAD_LETTER);
	assert_int_equal(target->on_park_full, TN_PARK_FULL_PAUSE);
	assert_false(target->ordering.by_key);
	struct tn_target_limits limits = {0};
	tn_config_limits(config, target, &limits);
	assert_int_equal(limits.park_rows, 100000);
	assert_int_equal(limits.park_rows_kept, 10000);
	assert_int_equal(limits.park_bytes, (uint64_t)1 << 30);
	const struct tn_dead_letter_config *queue = tn_config_store_queue(config, target);
	assert_true(tn_str_is(queue->name, "default"));
	assert_int_equal(queue->retention_ms, (int64_t)14 * 86400000);
	assert_int_equal(queue->overflow, TN_DEAD_STOP);
	tn_config_free(config);
}

static void a_target_may_order_by_key(void **state)
{
	enum tn_status status;
	struct tn_error error = {0};
	struct tn_config *config = read_config(GOOD_TOP GOOD_SOURCE
		"targets:\n  - {name: a, kind: http, url: \"http://h/\", ordering: {key: data.order.id, keyless: serial}, park_ordered: true,\n"
		"     retry: {on_exhausted: dead_letter_and_block}}\n", &status, &error);
	assert_int_equal(status, TN_OK);
	assert_true(config->targets[0].ordering.by_key && config->targets[0].ordering.serial && config->targets[0].park_ordered);
	assert_true(tn_str_is(config->targets[0].ordering.key, "data.order.id"));
	assert_true(config->targets[0].policy.block_exhausted && !config->targets[0].policy.drop_exhausted);
	tn_config_free(config);
}

static void a_source_knows_copies_as_it_is_told(void **state)
{
	static const struct {
		const char *dedup;
		enum tn_dedup_by by;
		int64_t window_ms;
	} cases[] = {
		{"", TN_DEDUP_EVENT, 300000},
		{", dedup: off", TN_DEDUP_OFF, 300000},
		{", dedup: header", TN_DEDUP_HEADER, 86400000},
		{", dedup: {by: header, window: 1h}", TN_DEDUP_HEADER, 3600000},
		{", dedup: {window: 10s, strict: true, on_error: hold}", TN_DEDUP_EVENT, 10000},
		{", dedup: [subject, data.order.id]", TN_DEDUP_PATHS, 300000},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[512];
		enum tn_status status;
		struct tn_error error = {0};
		snprintf(text, sizeof text, GOOD_TOP "sources:\n  - {name: web, kind: http, listen: \"127.0.0.1:1\"%s}\n" GOOD_TARGET,
			cases[i].dedup);
		struct tn_config *config = read_config(text, &status, &error);
		assert_int_equal(status, TN_OK);
		const struct tn_dedup_config *dedup = &config->sources[0].dedup;
		assert_int_equal(dedup->by, cases[i].by);
		assert_int_equal(dedup->window_ms, cases[i].window_ms);
		assert_int_equal(dedup->strict, strstr(cases[i].dedup, "strict") != NULL);
		assert_int_equal(dedup->on_error, strstr(cases[i].dedup, "hold") != NULL);
		assert_int_equal(dedup->paths.count, dedup->by == TN_DEDUP_PATHS ? 2 : 0);
		tn_config_free(config);
	}
}

static void a_target_may_change_its_retry_policy(void **state)
{
	enum tn_status status;
	struct tn_error error = {0};
	struct tn_config *config = read_config(GOOD_TOP GOOD_SOURCE
		"targets:\n  - {name: a, kind: http, url: \"http://127.0.0.1:9/\", retry: {profile: fast, max_retries: 3}, dead_letter: sink}\n"
		"  - {name: dead, kind: http, url: \"http://127.0.0.1:9/\"}\n"
		"dead_letters: [{name: sink, target: dead}]\n", &status, &error);
	assert_int_equal(status, TN_OK);
	assert_int_equal(config->targets[0].policy.system.base_ms, 100);
	assert_int_equal(config->targets[0].policy.system.max_retries, 3);
	assert_true(tn_str_is(tn_config_dead_letter(config, TN_STR("sink"))->target, "dead"));
	tn_config_free(config);
}

static void what_is_wrong_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"", ":1:1: "},
		{"store: {path: d}\nrules: [r]\n", "bus is missing"},
		{"bus: a b\nstore: {path: d}\nrules: [r]\n" GOOD_SOURCE GOOD_TARGET, ":1:6: bus must be"},
		{GOOD_TOP "sources:\n  - {name: web, kind: http, listen: \"127.0.0.1:8080\", rate: 5}\n" GOOD_TARGET,
			":5:61: rate must be a number from 1 to 1000000 of events"},
		{GOOD_TOP "sources:\n  - {name: web, kind: http, listen: \"127.0.0.1:8080\", rate: \"\"}\n" GOOD_TARGET,
			":5:61: rate must be a number from 1 to 1000000 of events"},
		{GOOD_TOP "sources:\n  - {name: web, kind: http, listen: \"127.0.0.1:8080\", burst: 5}\n" GOOD_TARGET,
			":5:62: burst says how many may come at once within a rate"},
		{"bus: a\nstore: none\nrules: [r]\n" GOOD_SOURCE GOOD_TARGET, ":2:8: store: none is not in this version"},
		{"bus: a\nstore: {path: d}\nrules: []\n" GOOD_SOURCE GOOD_TARGET, ":3:8: rules must name"},
		{GOOD_TOP GOOD_TARGET, "sources is missing"},
		{GOOD_TOP GOOD_SOURCE, "targets is missing"},
		{GOOD_TOP "workes: 2\n" GOOD_SOURCE GOOD_TARGET, ":4:1: unknown key 'workes'; did you mean 'workers'?"},
		{GOOD_TOP "sources:\n  - {name: web, kind: http, listen: \"127.0.0.1:1\", dedup: alway}\n" GOOD_TARGET,
			":5:59: dedup is off, event, header, or a list of paths"},
		{GOOD_TOP "sources:\n  - {name: web, kind: http, listen: \"127.0.0.1:1\", dedup: {by: [id, \"data..x\"]}}\n" GOOD_TARGET,
			"a path is the name of an attribute"},
		{GOOD_TOP "sources:\n  - {name: web, kind: http, listen: \"127.0.0.1:1\", dedup: []}\n" GOOD_TARGET, "1 to 8 paths"},
		{GOOD_TOP "sources:\n  - {name: web, kind: http, listen: \"127.0.0.1:1\", dedup: {windo: 5s}}\n" GOOD_TARGET,
			"unknown key 'windo'; did you mean 'window'?"},
		{GOOD_TOP "sources:\n  - {name: k, kind: kafka}\n" GOOD_TARGET, ":5:21: kind 'kafka' is not in this version"},
		{GOOD_TOP "sources:\n  - {name: k, kind: kofka}\n" GOOD_TARGET, ":5:21: there is no source kind 'kofka'"},
		{GOOD_TOP "sources:\n  - {name: web, kind: http, listen: \"127.0.0.1:1\", lisen: x}\n" GOOD_TARGET,
			"unknown key 'lisen'; did you mean 'listen'?"},
		{GOOD_TOP GOOD_SOURCE "  - {name: web, kind: http, listen: \"127.0.0.1:2\"}\n" GOOD_TARGET, "name 'web' is already taken"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http}\n", "url is missing"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", breaker: {open: 1h}}\n",
			":7:54: breaker.open_max must not be less than breaker.open"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", rate: 5}\n", ":7:51: rate must be a number from 1"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", rate: \"\"}\n", "rate must be a number from 1"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", rate: 0/s}\n", "rate must be a number from 1"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", rate: 5/d}\n", "rate must be a number from 1"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", burst: 5}\n", "there is no rate"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", retry_budget: {percent: 0, per_second: 0}}\n",
			"a retry budget of nothing"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", concurrency: many}\n", "concurrency"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", breaker: off}\n",
			":7:54: breaker must be a map of settings"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", max_inflight: 3}\n",
			"unknown key 'max_inflight'; did you mean 'max_in_flight'?"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", ordering: fifo}\n",
			":7:55: ordering is none, key, or a map"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", park_ordered: true}\n",
			"park_ordered needs ordering: key"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", retry: {on_exhausted: dead_letter_and_block}}\n",
			"on_exhausted: dead_letter_and_block needs ordering: key"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", retry: {max_retries: 9999}}\n", "max_retries"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", dead_letter: nope}\n",
			"there is no dead-letter queue 'nope'"},
		{GOOD_TOP GOOD_SOURCE GOOD_TARGET "dead_letters: [{name: d, target: nope}]\n", "there is no target 'nope'"},
		{GOOD_TOP GOOD_SOURCE "targets:\n  - {name: a, kind: http, url: \"http://h/\", dead_letter: d}\n"
			"dead_letters: [{name: d, target: a}]\n", "is a dead-letter sink, so its own"},
		{GOOD_TOP GOOD_SOURCE GOOD_TARGET "dead_letters: [{name: default, target: a}]\n", "'default' is in the store"},
		{GOOD_TOP GOOD_SOURCE GOOD_TARGET "dead_letters: [{name: d, target: a, retention: 1d}]\n", "has no retention, max_size or overflow"},
		{GOOD_TOP GOOD_SOURCE GOOD_TARGET "dead_letters: [{name: d, kind: store, overflow: explode}]\n", "overflow"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		enum tn_status status;
		struct tn_error error = {0};
		char text[1024];
		struct tn_config *config = read_config(cases[i].text, &status, &error);
		assert_int_not_equal(status, TN_OK);
		assert_null(config);
		tn_error_format(&error, text, sizeof text);
		if (!strstr(text, cases[i].error))
			fail_msg("case %zu: expected \"%s\" in \"%s\"", i, cases[i].error, text);
	}
}

static void a_missing_file_says_so(void **state)
{
	struct tn_error error = {0};
	struct tn_config *config;
	char text[600];
	assert_int_equal(tn_config_read("/tmp/no-such-turnout.yaml", &config, &error), TN_NOT_FOUND);
	assert_non_null(strstr(tn_error_format(&error, text, sizeof text), "/tmp/no-such-turnout.yaml"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_configuration_gets_the_defaults),
		cmocka_unit_test(nothing_said_is_what_the_specification_says),
		cmocka_unit_test(a_target_may_order_by_key),
		cmocka_unit_test(a_source_knows_copies_as_it_is_told),
		cmocka_unit_test(a_target_may_change_its_retry_policy),
		cmocka_unit_test(what_is_wrong_is_refused_with_its_place),
		cmocka_unit_test(a_missing_file_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
