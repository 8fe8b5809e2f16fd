/* SPDX-License-Identifier: Apache-2.0
 *
 * test_match_memory.c - the hot path allocates nothing once its memory is warm. Linked with malloc and its kin wrapped and counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/ruleset.h"
#include "turnout/wire.h"

static unsigned allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	allocations++;
	return __real_realloc(old, size);
}

static const char rules[] = "rules:\n"
	"- {name: type, pattern: {type: [order]}, targets: [t, u]}\n"
	"- {name: array, pattern: {data: {items: {sku: ['s\"1'], n: [1], gone: [{exists: false}]}}}, targets: [t]}\n"
	"- {name: or, pattern: {$or: [{data: {total: [{numeric: ['>', 5]}]}}, {source: [{wildcard: '*x*'}]}]}, targets: [t]}\n"
	"- {name: bridge, pattern: {detail: {items: {n: [0]}}}, targets: [t]}\n";

static void a_warm_matcher_allocates_nothing(void **state)
{
	struct tn_ruleset_config config = {.any_target = true};
	struct tn_ruleset *ruleset = NULL;
	struct tn_event *event = NULL;
	struct tn_error error;
	struct tn_wire_error wire_error;
	struct tn_buf json = {0};
	struct tn_matcher *matcher = tn_matcher_new();
	struct tn_identity identity = {.bus = TN_STR("b")};
	struct tn_match matches[6];
	size_t count = 0;
	tn_buf_add_text(&json, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"order\",\"data\":{\"total\":7,\"items\":[");
	for (int i = 0; i < 300; i++)
		tn_buf_addf(&json, "%s{\"sku\":\"s\\\"%d\",\"n\":%d}", i ? "," : "", i, i);
	tn_buf_add_text(&json, "]}}");
	assert_int_equal(tn_ruleset_compile(tn_str_from(rules), "r", &config, &ruleset, &error), TN_OK);
	assert_int_equal(tn_event_from_json(tn_buf_str(&json), 0, &event, &wire_error), TN_OK);
	for (int warm = 0; warm < 10; warm++)
		assert_int_equal(tn_ruleset_match(ruleset, matcher, event, &identity, matches, 6, &count), TN_OK);
	assert_int_equal(count, 5);
	unsigned before = allocations;
	assert_true(before > 0);
	for (int again = 0; again < 100; again++)
		assert_int_equal(tn_ruleset_match(ruleset, matcher, event, &identity, matches, 6, &count), TN_OK);
	assert_int_equal(allocations, before);
	tn_matcher_free(matcher);
	tn_event_unref(event);
	tn_ruleset_unref(ruleset);
	tn_buf_fini(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_warm_matcher_allocates_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
