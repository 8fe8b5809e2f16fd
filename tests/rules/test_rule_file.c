/* SPDX-License-Identifier: Apache-2.0
 *
 * test_rule_file.c - rule files: what is wrong is told at its place; what is right becomes rules and routes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/doc.h"
#include "turnout/ruleset.h"

static struct tn_ruleset_config configuration(void)
{
	static struct tn_target_name targets[] = {{.name = TN_STR("billing"), .number = 7}, {.name = TN_STR("audit"), .number = 9}};
	for (size_t i = 0; i < 2; i++)
		assert_true(tn_policy_profile(TN_STR("fast"), &targets[i].policy));
	return (struct tn_ruleset_config){.targets = targets, .target_count = 2, .revision = 5};
}

static struct tn_ruleset *compile(const char *text)
{
	struct tn_ruleset_config config = configuration();
	struct tn_ruleset *ruleset = NULL;
	struct tn_error error = {0};
	if (tn_ruleset_compile(tn_str_from(text), "r.yaml", &config, &ruleset, &error) != TN_OK) {
		char line[700];
		fail_msg("%s", tn_error_format(&error, line, sizeof line));
	}
	return ruleset;
}

/* A rule that is good but for what a row puts in its place. */
#define PATTERN "  pattern: {type: [a]}\n"
#define TARGETS "  targets: [billing]\n"
#define RULE(rest) "rules:\n- name: a\n" rest

static const struct {
	const char *text, *refusal;
} refused[] = {
	/* the file */
	{"- a\n", "r:1:1: a rule file is a map with the member 'rules', a list"},
	{"rule: []\n", "r:1:1: unknown key 'rule'; did you mean 'rules'?"},
	{"rules: {}\n", "r:1:8: rules is a list; begin each rule with '- name: ...'"},
	{"rules: [a]\n", "r:1:9: a rule is a map with name, pattern and targets"},
	{"rules:\n- name: a\n name: b\n", "r:3:2: not valid YAML: while parsing a block mapping, did not find expected key"},
	{"rules: []\n", "r: there are no rules"},
	{"", "r: there are no rules"},
	{"# only a comment\n", "r: there are no rules"},
	/* names */
	{"rules:\n- " "pattern: {type: [a]}\n" TARGETS, "r:2:3: a rule needs a name"},
	{"rules:\n- name: ''\n" PATTERN TARGETS, "r:2:9: a rule's name is 1 to 64 letters, digits, '.', '_' or '-'"},
	{"rules:\n- name: a b\n" PATTERN TARGETS, "r:2:9: a rule's name is 1 to 64 letters, digits, '.', '_' or '-'"},
	{"rules:\n- name: [a]\n" PATTERN TARGETS, "r:2:9: a rule's name is 1 to 64 letters, digits, '.', '_' or '-'"},
	{"rules:\n- name: 0123456789012345678901234567890123456789012345678901234567890123x\n" PATTERN TARGETS,
		"r:2:9: a rule's name is 1 to 64 letters, digits, '.', '_' or '-'"},
	{RULE(PATTERN TARGETS) "- name: a\n" PATTERN TARGETS, "r:5:9: there is a rule 'a' already, at r:2"},
	/* plain parts */
	{RULE("  description: 5\n" PATTERN TARGETS), "r:3:16: description is a text; put it in quotes"},
	{RULE("  enabled: yes\n" PATTERN TARGETS), "r:3:12: enabled is true or false"},
	{RULE("  view: kafka\n" PATTERN TARGETS), "r:3:9: view is cloudevents or eventbridge"},
	{RULE("  view: [eventbridge]\n" PATTERN TARGETS), "r:3:9: view is cloudevents or eventbridge"},
	/* keys */
	{RULE("  patern: {}\n" PATTERN TARGETS), "r:3:3: unknown key 'patern'; did you mean 'pattern'?"},
	{RULE(PATTERN TARGETS "  zebra: 1\n"), "r:5:3: unknown key 'zebra'"},
	{RULE(PATTERN TARGETS "  input: {}\n"), "r:5:3: 'input' comes later: a target receives the event as it is"},
	{RULE(PATTERN "  targets: [{target: billing, input_path: $.x}]\n"),
		"r:4:31: 'input_path' comes later: a target receives the event as it is"},
	{RULE(PATTERN TARGETS "  inputTransformer: {}\n"), "r:5:3: 'inputTransformer' comes later: a target receives the event as it is"},
	{RULE("  filters: []\n" PATTERN TARGETS), "r:3:3: 'filters' comes later; it is not in this version"},
	{RULE("  ordering: key\n"), "r:3:3: 'ordering' comes later; it is not in this version"},
	{RULE("  rate: 5\n"), "r:3:3: 'rate' comes later; it is not in this version"},
	{RULE("  breaker: {}\n"), "r:3:3: 'breaker' comes later; it is not in this version"},
	{RULE("  concurrency: 1\n"), "r:3:3: 'concurrency' comes later; it is not in this version"},
	{RULE("  reply: x\n"), "r:3:3: 'reply' comes later; it is not in this version"},
	{RULE(PATTERN "  targets: [{target: billing, dedup: x}]\n"), "r:4:31: 'dedup' comes later; it is not in this version"},
	{RULE("  EventPattern: {}\n"),
		"r:3:3: 'EventPattern' belongs to an AWS::Events::Rule; such bodies come later: write name, pattern and targets"},
	{"Resources:\n  R:\n    Type: AWS::Events::Rule\n",
		"r:1:1: 'Resources' belongs to an AWS::Events::Rule; such bodies come later: write name, pattern and targets"},
	{"{\"Type\": \"AWS::Events::Rule\"}",
		"r:1:2: 'Type' belongs to an AWS::Events::Rule; such bodies come later: write name, pattern and targets"},
	/* patterns */
	{RULE(TARGETS), "r:2:3: rule 'a' needs a pattern"},
	{RULE("  pattern: x\n" TARGETS), "r:3:12: pattern: a pattern is an object (E_ROOT)"},
	{RULE("  pattern: {}\n" TARGETS), "r:3:12: pattern: an object without fields (E_EMPTY_OBJECT)"},
	{RULE("  pattern:\n    type: order\n" TARGETS),
		"r:4:11: pattern: type: a field's value is an object or an array; write [...] around a single value (E_FIELD_VALUE)"},
	{RULE("  pattern:\n    data:\n      total: [{numeric: ['>', ten]}]\n" TARGETS),
		"r:5:31: pattern: data.total: a comparison needs a number (E_NUMERIC)"},
	{RULE("  pattern: {a: [{numeric: ['>']}]}\n" TARGETS), "r:3:27: pattern: a: the number is missing (E_NUMERIC)"},
	{RULE("  pattern:\n    a: [{ cidr: 10.0.0.0 }]\n" TARGETS),
		"r:4:17: pattern: a: a block is an address, a slash and the number of its bits: 10.0.0.0/8 or fe80::/10 (E_CIDR)"},
	{RULE("  pattern:\n    $or: [{a: [1]}, {b: [1], prefix: [2]}]\n" TARGETS),
		"r:4:30: pattern: prefix: an operator's name cannot be a field's name inside $or (E_RESERVED)"},
	{"{\"rules\": [{\"name\": \"a\",\n  \"pattern\": {\"\xc3\xa9\": [ {\"exists\": 1} ]},\n  \"targets\": [\"billing\"]}]}",
		"r:2:33: pattern: \xc3\xa9: exists takes true or false (E_OPERAND)"},
	/* targets */
	{RULE(PATTERN), "r:2:3: rule 'a' needs targets"},
	{RULE(PATTERN "  targets: billing\n"), "r:4:12: targets is a list; write [...] around a single one"},
	{RULE(PATTERN "  targets: []\n"), "r:4:12: rule 'a' needs at least one target"},
	{RULE(PATTERN "  targets: [bilings]\n"), "r:4:13: there is no target 'bilings'; did you mean 'billing'?"},
	{RULE(PATTERN "  targets:\n  - audit\n  - target: warehouse\n"), "r:6:13: there is no target 'warehouse' in the configuration"},
	{RULE(PATTERN "  targets: [billing, audit, billing]\n"), "r:4:29: target 'billing' is there twice"},
	{RULE(PATTERN "  targets: [[billing]]\n"), "r:4:13: a target's name is 1 to 64 letters, digits, '.', '_' or '-'"},
	{RULE(PATTERN "  targets: [{retry: {}}]\n"), "r:4:13: a target's map needs the member 'target', its name"},
	{RULE(PATTERN "  targets: [{target: billing, rety: {}}]\n"), "r:4:31: unknown key 'rety'; did you mean 'retry'?"},
	{RULE(PATTERN "  targets: [{target: billing, retry: {max_retries: 2000}}]\n"),
		"r:4:52: max_retries must be between 0 and 1000"},
	{RULE(PATTERN "  targets: [{target: billing, retry: 5}]\n"), "r:4:38: this must be a map of settings"},
};

static void what_is_wrong_is_told_at_its_place(void **state)
{
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct tn_ruleset_config config = configuration();
		struct tn_ruleset *ruleset = NULL;
		struct tn_error error = {0};
		char line[700];
		if (tn_ruleset_compile(tn_str_from(refused[i].text), "r", &config, &ruleset, &error) == TN_OK)
			fail_msg("accepted:\n%s", refused[i].text);
		tn_error_format(&error, line, sizeof line);
		if (strcmp(line, refused[i].refusal) != 0)
			fail_msg("%s\nwanted: %s\ngot:    %s", refused[i].text, refused[i].refusal, line);
		assert_null(ruleset);
	}
}

static void keys_of_later_versions_are_told_apart_from_mistakes(void **state)
{
	struct tn_ruleset_config config = configuration();
	struct tn_ruleset *ruleset = NULL;
	struct tn_error error;
	assert_int_equal(tn_ruleset_compile(TN_STR("rules: [{input: 1}]"), "r", &config, &ruleset, &error), TN_UNSUPPORTED);
	assert_int_equal(tn_ruleset_compile(TN_STR("rules: [{imput: 1}]"), "r", &config, &ruleset, &error), TN_INVALID);
}

static void a_rule_becomes_routes(void **state)
{
	struct tn_ruleset *ruleset = compile("rules:\n"
		"- {name: one, description: first, enabled: true, view: cloudevents, pattern: {type: [a]}, targets: [billing, audit]}\n"
		"- {name: two, pattern: {type: [b]}, targets: [{target: audit, retry: {max_retries: 3}}, {target: billing}]}\n"
		"- {name: off, enabled: false, pattern: {type: [b]}, targets: [audit]}\n");
	assert_int_equal(tn_ruleset_rule_count(ruleset), 3);
	assert_int_equal(tn_ruleset_route_count(ruleset), 5);
	assert_int_equal(tn_ruleset_revision(ruleset), 5);
	const struct tn_route *plain = tn_ruleset_find_route(ruleset, TN_STR("one"), TN_STR("audit"));
	const struct tn_route *changed = tn_ruleset_find_route(ruleset, TN_STR("two"), TN_STR("audit"));
	assert_true(tn_str_is(plain->rule, "one") && tn_str_is(plain->target, "audit"));
	assert_int_equal(plain->target_no, 9);
	assert_int_equal(plain->policy->system.max_retries, 8);
	assert_int_equal(changed->policy->system.max_retries, 3);
	assert_int_equal(changed->policy->system.base_ms, 100);
	assert_int_equal(tn_ruleset_find_route(ruleset, TN_STR("two"), TN_STR("billing"))->target_no, 7);
	assert_non_null(tn_ruleset_find_route(ruleset, TN_STR("off"), TN_STR("audit")));
	assert_null(tn_ruleset_find_route(ruleset, TN_STR("one"), TN_STR("two")));
	assert_null(tn_ruleset_find_route(ruleset, TN_STR("three"), TN_STR("audit")));
	const struct tn_route *poison = tn_ruleset_poison_route(ruleset);
	assert_true(poison->poison);
	assert_ptr_equal(tn_ruleset_find_route(ruleset, poison->rule, poison->target), poison);
	tn_ruleset_unref(ruleset);
}

static void tools_may_take_any_target(void **state)
{
	struct tn_ruleset_config config = {.any_target = true};
	struct tn_ruleset *ruleset = NULL;
	struct tn_error error;
	const char *text = "rules: [{name: a, pattern: {type: [a]}, targets: [whatever]}]";
	assert_int_equal(tn_ruleset_compile(tn_str_from(text), "r", &config, &ruleset, &error), TN_OK);
	assert_int_equal(tn_ruleset_find_route(ruleset, TN_STR("a"), TN_STR("whatever"))->policy->system.max_retries, 185);
	tn_ruleset_unref(ruleset);
}

static void the_number_of_rules_is_limited(void **state)
{
	struct tn_ruleset_config config = {.any_target = true};
	struct tn_ruleset *ruleset = NULL;
	struct tn_error error;
	struct tn_buf text = {0};
	tn_buf_add_text(&text, "{\"rules\":[");
	for (int i = 0; i <= 10000; i++)
		tn_buf_addf(&text, "%s{\"name\":\"r%d\",\"pattern\":{\"type\":[%d]},\"targets\":[\"t\"]}", i ? ",\n" : "", i, i);
	tn_buf_add_text(&text, "]}");
	assert_int_equal(tn_ruleset_compile(tn_buf_str(&text), "r", &config, &ruleset, &error), TN_INVALID);
	assert_string_equal(error.message, "more than 10000 rules");
	assert_int_equal(error.line, 10001);
	tn_buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_is_told_at_its_place),
		cmocka_unit_test(keys_of_later_versions_are_told_apart_from_mistakes),
		cmocka_unit_test(a_rule_becomes_routes),
		cmocka_unit_test(tools_may_take_any_target),
		cmocka_unit_test(the_number_of_rules_is_limited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
