/* SPDX-License-Identifier: Apache-2.0
 *
 * test_explain.c - why rules match or not: the field that stopped each, expected and actual, nearest miss first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/ruleset.h"
#include "turnout/wire.h"

static const char rules[] = "rules:\n"
	"- {name: far, pattern: {type: [x], source: [y], data: {total: [1]}}, targets: [t]}\n"
	"- {name: off, enabled: false, pattern: {type: [order]}, targets: [t]}\n"
	"- {name: near, pattern: {type: [order], data: {total: [{numeric: ['>', 1000]}], items: {sku: [{exists: true}]}}}, targets: [t]}\n"
	"- {name: or, pattern: {$or: [{type: [x], source: [z]}, {type: [order], subject: [s]}]}, targets: [t]}\n"
	"- {name: elements, pattern: {data: {items: {sku: [a], n: [2]}}}, targets: [t]}\n"
	"- {name: bridge, pattern: {detail-type: [order], detail: {gone: [1]}}, targets: [t]}\n"
	"- {name: hit, pattern: {type: [order]}, targets: [t]}\n";

struct asked {
	struct tn_ruleset *ruleset;
	struct tn_matcher *matcher;
	struct tn_event *event;
	const struct tn_explanation *explanations;
	size_t count;
};

static int ask(void **state)
{
	static struct asked asked;
	struct tn_ruleset_config config = {.any_target = true};
	struct tn_error error;
	struct tn_wire_error wire_error;
	asked = (struct asked){.matcher = tn_matcher_new()};
	assert_int_equal(tn_ruleset_compile(tn_str_from(rules), "r.yaml", &config, &asked.ruleset, &error), TN_OK);
	assert_int_equal(tn_event_from_json(TN_STR("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"order\",\"data\":{"
		"\"total\":7.50,\"items\":[{\"sku\":\"a\",\"n\":1},{\"sku\":\"b\",\"n\":2}]}}"), 0, &asked.event, &wire_error), TN_OK);
	assert_int_equal(tn_ruleset_explain(asked.ruleset, asked.matcher, asked.event, &asked.explanations, &asked.count), TN_OK);
	*state = &asked;
	return 0;
}

static int forget(void **state)
{
	struct asked *asked = *state;
	tn_matcher_free(asked->matcher);
	tn_event_unref(asked->event);
	tn_ruleset_unref(asked->ruleset);
	return 0;
}

static const struct tn_explanation *about(const struct asked *asked, const char *rule)
{
	for (size_t i = 0; i < asked->count; i++)
		if (tn_str_is(asked->explanations[i].rule, rule))
			return &asked->explanations[i];
	fail_msg("nothing about %s", rule);
	return NULL;
}

#define assert_text(str, wanted) \
	do { \
		if (!tn_str_is((str), wanted)) \
			fail_msg("got %.*s, wanted %s", TN_STR_ARG(str), wanted); \
	} while (0)

static void matches_come_first_then_the_nearest_miss(void **state)
{
	static const char *const order[] = {"hit", "near", "or", "elements", "bridge", "far", "off"};
	const struct asked *asked = *state;
	assert_int_equal(asked->count, 7);
	for (size_t i = 0; i < 7; i++)
		assert_text(asked->explanations[i].rule, order[i]);
	assert_true(asked->explanations[0].matched);
	assert_true(asked->explanations[6].disabled);
	assert_true(asked->explanations[6].matched);
}

static void a_miss_names_field_expected_and_actual(void **state)
{
	const struct tn_explanation *near = about(*state, "near");
	assert_false(near->matched);
	assert_text(near->field, "data.total");
	assert_text(near->expected, "[{\"numeric\":[\">\",1000]}]");
	assert_text(near->actual, "7.50");
	assert_int_equal(near->satisfied, 2);
	assert_int_equal(near->total, 3);
	assert_text(near->file, "r.yaml");
	assert_int_equal(near->line, 4);
}

static void the_first_field_as_written_is_named(void **state)
{
	const struct tn_explanation *far = about(*state, "far");
	assert_text(far->field, "type");
	assert_text(far->actual, "\"order\"");
	assert_int_equal(far->satisfied, 0);
}

static void the_nearest_branch_speaks(void **state)
{
	const struct tn_explanation *or = about(*state, "or");
	assert_text(or->field, "subject");
	assert_text(or->expected, "[\"s\"]");
	assert_int_equal(or->actual.len, 0);
	assert_int_equal(or->satisfied, 1);
}

static void leaves_in_different_elements_are_told_apart(void **state)
{
	const struct tn_explanation *elements = about(*state, "elements");
	assert_true(elements->other_element);
	assert_text(elements->field, "data.items.n");
	assert_text(elements->actual, "[1,2]");
	assert_false(about(*state, "near")->other_element);
}

static void each_rule_is_explained_in_its_view(void **state)
{
	const struct tn_explanation *bridge = about(*state, "bridge");
	assert_text(bridge->field, "detail.gone");
	assert_int_equal(bridge->satisfied, 1);
}

static void a_raw_event_cannot_be_explained(void **state)
{
	struct asked *asked = *state;
	struct tn_event *raw = tn_event_new_raw(TN_STR("x"), TN_STR("not JSON"), 0);
	assert_int_equal(tn_ruleset_explain(asked->ruleset, asked->matcher, raw, &asked->explanations, &asked->count), TN_INVALID);
	tn_event_unref(raw);
}

#define test(name) cmocka_unit_test_setup_teardown(name, ask, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(matches_come_first_then_the_nearest_miss),
		test(a_miss_names_field_expected_and_actual),
		test(the_first_field_as_written_is_named),
		test(the_nearest_branch_speaks),
		test(leaves_in_different_elements_are_told_apart),
		test(each_rule_is_explained_in_its_view),
		test(a_raw_event_cannot_be_explained),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
