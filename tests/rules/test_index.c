/* SPDX-License-Identifier: Apache-2.0
 *
 * test_index.c - which rules are asked about an event: those the index finds, never too few; and that the answer is the one that asking
 * every rule gives, on random rulesets and events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "index.h"
#include "turnout/random.h"
#include "turnout/wire.h"

static const struct tn_identity identity = {.bus = TN_STR("b")};

static struct tn_ruleset *compile(struct tn_str text)
{
	struct tn_ruleset_config config = {.any_target = true, .allow_empty = true};
	struct tn_ruleset *ruleset = NULL;
	struct tn_error error = {0};
	if (tn_ruleset_compile(text, "r", &config, &ruleset, &error) != TN_OK)
		fail_msg("%u:%u: %s\n%.*s", error.line, error.column, error.message, TN_STR_ARG(text));
	return ruleset;
}

static struct tn_event *event_of(struct tn_str json)
{
	struct tn_event *event = NULL;
	struct tn_wire_error error = {0};
	if (tn_event_from_json(json, 0, &event, &error) != TN_OK)
		fail_msg("%s\n%.*s", error.message, TN_STR_ARG(json));
	return event;
}

static bool is_asked(const struct tn_matcher *matcher, uint32_t rule)
{
	return matcher->asking.rules[rule / 64] >> (rule % 64) & 1;
}

static size_t match(const struct tn_ruleset *ruleset, struct tn_matcher *matcher, const struct tn_event *event, struct tn_match *out,
	size_t capacity)
{
	size_t count = 0;
	assert_int_equal(tn_ruleset_match(ruleset, matcher, event, &identity, out, capacity, &count), TN_OK);
	return count;
}

/* --- Who is asked --- */

/* Is the second of two rules, the one with this pattern, asked about an event with these members? The first is always asked. */
static bool asks(const char *pattern, const char *members)
{
	struct tn_buf text = {0}, json = {0};
	struct tn_match out[3];
	tn_buf_addf(&text, "{\"rules\":[{\"name\":\"other\",\"targets\":[\"t\"],\"pattern\":{\"gone\":[{\"exists\":false}]}},"
		"{\"name\":\"r\",\"targets\":[\"t\"],\"pattern\":%s}]}", pattern);
	tn_buf_addf(&json, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",%s}", members);
	struct tn_ruleset *ruleset = compile(tn_buf_str(&text));
	struct tn_event *event = event_of(tn_buf_str(&json));
	struct tn_matcher *matcher = tn_matcher_new();
	match(ruleset, matcher, event, out, 3);
	assert_true(is_asked(matcher, 0));
	bool asked = is_asked(matcher, 1);
	tn_matcher_free(matcher);
	tn_event_unref(event);
	tn_ruleset_unref(ruleset);
	tn_buf_fini(&text);
	tn_buf_fini(&json);
	return asked;
}

static void a_string_asks_the_rules_that_name_it(void **state)
{
	assert_true(asks("{\"type\":[\"a\",\"b\"]}", "\"type\":\"b\""));
	assert_false(asks("{\"type\":[\"a\",\"b\"]}", "\"type\":\"c\""));
	assert_false(asks("{\"type\":[\"ab\"]}", "\"type\":\"a\""));
	assert_false(asks("{\"type\":[\"ab\"]}", "\"type\":\"abc\""));
	assert_false(asks("{\"subject\":[\"a\"]}", "\"type\":\"a\""));
	assert_true(asks("{\"data\":[\"\"]}", "\"type\":\"a\",\"data\":\"\""));
}

static void a_number_asks_by_value(void **state)
{
	assert_true(asks("{\"data\":{\"n\":[3e2]}}", "\"type\":\"a\",\"data\":{\"n\":300.0}"));
	assert_true(asks("{\"data\":{\"n\":[0]}}", "\"type\":\"a\",\"data\":{\"n\":[7,-0e9]}"));
	assert_true(asks("{\"data\":{\"n\":[12345678901234567890.5]}}", "\"type\":\"a\",\"data\":{\"n\":12345678901234567890.50}"));
	assert_false(asks("{\"data\":{\"n\":[300]}}", "\"type\":\"a\",\"data\":{\"n\":-300}"));
	assert_false(asks("{\"data\":{\"n\":[300]}}", "\"type\":\"a\",\"data\":{\"n\":3000}"));
	assert_false(asks("{\"data\":{\"n\":[300]}}", "\"type\":\"a\",\"data\":{\"n\":\"300\"}"));
}

static void words_ask_by_kind(void **state)
{
	assert_true(asks("{\"data\":{\"n\":[null]}}", "\"type\":\"a\",\"data\":{\"n\":null}"));
	assert_true(asks("{\"data\":{\"n\":[true]}}", "\"type\":\"a\",\"data\":{\"n\":true}"));
	assert_true(asks("{\"data\":{\"n\":[false]}}", "\"type\":\"a\",\"data\":{\"n\":false}"));
	assert_false(asks("{\"data\":{\"n\":[true]}}", "\"type\":\"a\",\"data\":{\"n\":false}"));
	assert_false(asks("{\"data\":{\"n\":[null]}}", "\"type\":\"a\",\"data\":{\"n\":\"null\"}"));
}

static void a_string_asks_by_its_beginnings(void **state)
{
	assert_true(asks("{\"type\":[{\"prefix\":\"order.\"}]}", "\"type\":\"order.created\""));
	assert_true(asks("{\"type\":[{\"prefix\":\"order.\"}]}", "\"type\":\"order.\""));
	assert_false(asks("{\"type\":[{\"prefix\":\"order.\"}]}", "\"type\":\"order\""));
	assert_false(asks("{\"type\":[{\"prefix\":\"order.\"}]}", "\"type\":\"border.\""));
	assert_true(asks("{\"type\":[{\"prefix\":\"\"}]}", "\"type\":\"a\""));
	assert_true(asks("{\"type\":[\"x\",{\"wildcard\":\"order.*.eu\"}]}", "\"type\":\"order.created.eu\""));
	assert_false(asks("{\"type\":[\"x\",{\"wildcard\":\"order.*.eu\"}]}", "\"type\":\"x.eu\""));
	assert_true(asks("{\"type\":[{\"wildcard\":\"*.eu\"}]}", "\"type\":\"us\""));
}

/* Sixty-three bytes are looked at, the judge sees to the rest. */
static void a_long_prefix_asks_by_its_beginning(void **state)
{
#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN
	assert_true(asks("{\"type\":[{\"prefix\":\"" SIXTY "abc\"}]}", "\"type\":\"" SIXTY "abc\""));
	assert_false(asks("{\"type\":[{\"prefix\":\"" SIXTY "abc\"}]}", "\"type\":\"" SIXTY "abd\""));
	assert_true(asks("{\"type\":[{\"prefix\":\"" SIXTY "abcdef\"}]}", "\"type\":\"" SIXTY "abcdef\""));
	assert_false(asks("{\"type\":[{\"prefix\":\"" SIXTY "abcdef\"}]}", "\"type\":\"" SIXTY "abd\""));
	assert_true(asks("{\"type\":[\"" SIXTY SIXTY "\"]}", "\"type\":\"" SIXTY SIXTY "\""));
	assert_false(asks("{\"type\":[\"" SIXTY SIXTY "\"]}", "\"type\":\"" SIXTY SIXTY "0\""));
}

static void other_operators_ask_when_the_field_is_there(void **state)
{
	assert_true(asks("{\"subject\":[{\"anything-but\":\"x\"}]}", "\"type\":\"a\",\"subject\":\"x\""));
	assert_false(asks("{\"subject\":[{\"anything-but\":\"x\"}]}", "\"type\":\"a\""));
	assert_false(asks("{\"subject\":[{\"exists\":true}]}", "\"type\":\"a\""));
	assert_false(asks("{\"data\":{\"n\":[{\"numeric\":[\">\",5]}]}}", "\"type\":\"a\",\"data\":{\"m\":7}"));
}

static void a_rule_that_absence_satisfies_is_always_asked(void **state)
{
	assert_true(asks("{\"subject\":[\"x\",{\"exists\":false}]}", "\"type\":\"a\",\"subject\":\"y\""));
	assert_true(asks("{\"$or\":[{\"type\":[\"b\"]},{\"subject\":[{\"exists\":false}]}]}", "\"type\":\"a\",\"subject\":\"y\""));
}

static void any_branch_asks_its_rule(void **state)
{
	assert_true(asks("{\"$or\":[{\"type\":[\"a\"]},{\"subject\":[\"b\"]}]}", "\"type\":\"a\""));
	assert_true(asks("{\"$or\":[{\"type\":[\"a\"]},{\"subject\":[\"b\"]}]}", "\"type\":\"x\",\"subject\":\"b\""));
	assert_false(asks("{\"$or\":[{\"type\":[\"a\"]},{\"subject\":[\"b\"]}]}", "\"type\":\"b\",\"subject\":\"a\""));
}

static void an_eventbridge_rule_is_found_in_its_view(void **state)
{
	assert_true(asks("{\"detail-type\":[\"a\"]}", "\"type\":\"a\""));
	assert_false(asks("{\"detail-type\":[\"a\"]}", "\"type\":\"b\""));
	assert_true(asks("{\"detail\":{\"n\":[1]}}", "\"type\":\"b\",\"data\":{\"n\":[0,1]}"));
	assert_false(asks("{\"detail\":{\"n\":[1]}}", "\"type\":\"b\",\"data\":{\"n\":[0]}"));
}

static void a_rule_that_is_not_enabled_is_never_asked(void **state)
{
	struct tn_ruleset *ruleset = compile(TN_STR("rules:\n"
		"- {name: a, pattern: {type: [x]}, targets: [t], enabled: false}\n"
		"- {name: b, pattern: {gone: [{exists: false}]}, targets: [t], enabled: false}\n"));
	struct tn_event *event = event_of(TN_STR("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"x\"}"));
	struct tn_matcher *matcher = tn_matcher_new();
	struct tn_match out[1];
	assert_int_equal(match(ruleset, matcher, event, out, 1), 0);
	assert_int_equal(matcher->asking.rules[0], 0);
	tn_matcher_free(matcher);
	tn_event_unref(event);
	tn_ruleset_unref(ruleset);
}

/* --- What is chosen --- */

/* How many of 200 rules are asked; # in the pattern is the rule's number. */
static unsigned count_asked(const char *pattern, const char *members, enum tn_extent *out_read)
{
	enum { RULES = 200 };
	struct tn_buf text = {0}, json = {0};
	struct tn_match out[RULES + 1];
	unsigned asked = 0;
	tn_buf_add_text(&text, "{\"rules\":[");
	for (unsigned i = 0; i < RULES; i++) {
		tn_buf_addf(&text, "%s{\"name\":\"r%u\",\"targets\":[\"t\"],\"pattern\":", i ? "," : "", i);
		for (const char *at = pattern; *at; at++)
			if (*at == '#')
				tn_buf_addf(&text, "%u", i);
			else
				tn_buf_add_byte(&text, *at);
		tn_buf_add_byte(&text, '}');
	}
	tn_buf_add_text(&text, "]}");
	tn_buf_addf(&json, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",%s}", members);
	struct tn_ruleset *ruleset = compile(tn_buf_str(&text));
	struct tn_event *event = event_of(tn_buf_str(&json));
	struct tn_matcher *matcher = tn_matcher_new();
	match(ruleset, matcher, event, out, RULES + 1);
	for (uint32_t i = 0; i < RULES; i++)
		asked += is_asked(matcher, i);
	*out_read = matcher->read[TN_VIEW_CLOUDEVENTS];
	tn_matcher_free(matcher);
	tn_event_unref(event);
	tn_ruleset_unref(ruleset);
	tn_buf_fini(&text);
	tn_buf_fini(&json);
	return asked;
}

static void the_field_that_tells_rules_apart_is_chosen(void **state)
{
	enum tn_extent read;
	assert_int_equal(count_asked("{\"source\":[\"/s\"],\"type\":[\"t-#\"]}", "\"type\":\"t-7\"", &read), 1);
	assert_int_equal(count_asked("{\"source\":[\"/s-#\"],\"type\":[\"t\"]}", "\"type\":\"t\"", &read), 0);
	assert_int_equal(count_asked("{\"type\":[\"t\"],\"data\":{\"n\":[#]}}", "\"type\":\"t\",\"data\":{\"n\":[5,9]}", &read), 2);
}

static void data_is_read_only_when_a_rule_asked_needs_it(void **state)
{
	enum tn_extent read;
	const char *pattern = "{\"type\":[\"t-#\"],\"data\":{\"n\":[#]}}";
	assert_int_equal(count_asked(pattern, "\"type\":\"t\",\"data\":{\"n\":5}", &read), 0);
	assert_int_equal(read, TN_EXTENT_HEAD);
	assert_int_equal(count_asked(pattern, "\"type\":\"t-5\",\"data\":{\"n\":5}", &read), 1);
	assert_int_equal(read, TN_EXTENT_ALL);
}

static void an_envelope_is_written_only_when_a_rule_asked_needs_it(void **state)
{
	struct tn_ruleset *ruleset = compile(TN_STR("rules:\n"
		"- {name: a, pattern: {detail-type: ['x\"y'], source: [/s], id: ['1']}, view: eventbridge, targets: [t]}\n"
		"- {name: b, pattern: {detail-type: [z], detail: {n: [1]}}, targets: [t]}\n"));
	struct tn_event *head = event_of(TN_STR("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"x\\\"y\"}"));
	struct tn_event *all = event_of(TN_STR("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"z\",\"data\":{\"n\":1}}"));
	struct tn_matcher *matcher = tn_matcher_new();
	struct tn_match out[2];
	assert_int_equal(match(ruleset, matcher, head, out, 2), 1);
	assert_int_equal(matcher->read[TN_VIEW_EVENTBRIDGE], TN_EXTENT_HEAD);
	assert_int_equal(matcher->read[TN_VIEW_CLOUDEVENTS], TN_EXTENT_NOTHING);
	assert_int_equal(match(ruleset, matcher, all, out, 2), 1);
	assert_true(tn_str_is(out[0].route->rule, "b"));
	assert_int_equal(matcher->read[TN_VIEW_EVENTBRIDGE], TN_EXTENT_ALL);
	assert_int_equal(matcher->leaves[TN_VIEW_EVENTBRIDGE].count, 4); /* none of them twice */
	tn_matcher_free(matcher);
	tn_event_unref(head);
	tn_event_unref(all);
	tn_ruleset_unref(ruleset);
}

/* --- Asking every rule --- */

enum { RULES = 70, EVENTS = 12 }; /* more rules than a word has bits */

static uint32_t pick(struct tn_random *random, uint32_t count)
{
	return (uint32_t)tn_random_upto(random, count - 1);
}

#define PICK(random, texts) (texts)[pick((random), sizeof(texts) / sizeof *(texts))]

static const char *const scalars[] = {"\"x\"", "\"xy\"", "\"xyz\"", "\"x\\\"y\"", "\"XY\"", "\"\"", "\"x\\u0079\"", "\"" SIXTY "abcd\"",
	"\"" SIXTY "abce\"", "1", "1.0", "10e-1", "-1", "0", "-0.0", "12345678901234567890", "12345678901234567891", "true", "false", "null"};
static const char *const operators[] = {"{\"prefix\":\"x\"}", "{\"prefix\":\"xy\"}", "{\"prefix\":\"\"}", "{\"prefix\":\"" SIXTY "abcd\"}",
	"{\"wildcard\":\"x*z\"}", "{\"wildcard\":\"*y\"}", "{\"wildcard\":\"xy\"}", "{\"suffix\":\"y\"}", "{\"equals-ignore-case\":\"xy\"}",
	"{\"exactly\":\"xyz\"}", "{\"numeric\":[\">\",0]}", "{\"numeric\":[\"=\",1]}", "{\"exists\":true}", "{\"exists\":false}",
	"{\"anything-but\":[\"x\",\"xy\"]}", "{\"prefix\":{\"equals-ignore-case\":\"X\"}}"};

static void add_list(struct tn_random *random, struct tn_buf *out)
{
	tn_buf_add_byte(out, '[');
	for (uint32_t i = 0, count = 1 + pick(random, 3); i < count; i++)
		tn_buf_addf(out, "%s%s", i ? "," : "", pick(random, 3) ? PICK(random, scalars) : PICK(random, operators));
	tn_buf_add_byte(out, ']');
}

/* Members for some of a, b, c, each a list or an object of such, and perhaps a `$or`. */
static void add_fields(struct tn_random *random, struct tn_buf *out, int depth)
{
	uint32_t chosen = 1 + pick(random, 7);
	bool first = true;
	tn_buf_add_byte(out, '{');
	for (int i = 0; i < 3; i++) {
		if (!(chosen >> i & 1))
			continue;
		tn_buf_addf(out, "%s\"%c\":", first ? "" : ",", 'a' + i);
		first = false;
		if (depth && pick(random, 4) == 0)
			add_fields(random, out, depth - 1);
		else
			add_list(random, out);
	}
	if (depth && pick(random, 4) == 0) {
		tn_buf_add_text(out, ",\"$or\":[");
		add_fields(random, out, depth - 1);
		tn_buf_add_byte(out, ',');
		add_fields(random, out, depth - 1);
		tn_buf_add_byte(out, ']');
	}
	tn_buf_add_byte(out, '}');
}

static void add_rule(struct tn_random *random, struct tn_buf *out, unsigned number)
{
	bool bridge = pick(random, 2);
	tn_buf_addf(out, "%s\n{\"name\":\"r%u\",\"view\":\"%s\",\"enabled\":%s,\"targets\":[\"t\"],\"pattern\":{", number ? "," : "", number,
		bridge ? "eventbridge" : "cloudevents", pick(random, 10) ? "true" : "false");
	uint32_t chosen = 1 + pick(random, 3);
	if (chosen & 1) {
		tn_buf_addf(out, "\"%s\":", bridge ? "detail-type" : pick(random, 2) ? "type" : "subject");
		add_list(random, out);
	}
	if (chosen & 2) {
		tn_buf_addf(out, "%s\"%s\":", chosen & 1 ? "," : "", bridge ? "detail" : "data");
		if (!bridge && pick(random, 8) == 0)
			add_list(random, out);
		else
			add_fields(random, out, 2);
	}
	tn_buf_add_text(out, "}}");
}

static void add_data(struct tn_random *random, struct tn_buf *out, int depth)
{
	uint32_t kind = depth == 0 ? 0 : pick(random, 4);
	if (kind < 2) {
		tn_buf_add_text(out, PICK(random, scalars));
		return;
	}
	tn_buf_add_byte(out, kind == 2 ? '{' : '[');
	for (uint32_t i = 0, count = pick(random, 5); i < count; i++) {
		tn_buf_add_text(out, i ? "," : "");
		if (kind == 2)
			tn_buf_addf(out, "\"%c\":", 'a' + (int)pick(random, 3)); /* a name may be there twice */
		add_data(random, out, depth - 1);
	}
	tn_buf_add_byte(out, kind == 2 ? '}' : ']');
}

static struct tn_event *make_event(struct tn_random *random)
{
	static const char *const types[] = {"x", "xy", "xyz", "x\\\"y", "XY", "z", SIXTY "abcd", SIXTY "abcf"};
	struct tn_buf json = {0};
	tn_buf_addf(&json, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"%s\"", PICK(random, types));
	if (pick(random, 2))
		tn_buf_addf(&json, ",\"subject\":\"%s\"", PICK(random, types));
	if (pick(random, 8)) {
		tn_buf_add_text(&json, ",\"data\":");
		add_data(random, &json, 5);
	}
	tn_buf_add_byte(&json, '}');
	struct tn_event *event = event_of(tn_buf_str(&json));
	tn_buf_fini(&json);
	return event;
}

struct tally {
	unsigned asked, matched, rules;
};

static void compare(const struct tn_ruleset *ruleset, struct tn_matcher *matcher, const struct tn_event *event, struct tally *tally)
{
	struct tn_matcher *slow = tn_matcher_new();
	struct tn_match out[RULES + 1];
	size_t count = match(ruleset, matcher, event, out, RULES + 1), next = 0;
	bool undecided = false;
	tn_matcher_begin(slow);
	for (uint32_t i = 0; i < ruleset->rule_count; i++) {
		const struct tn_rule *rule = &ruleset->rules[i];
		const struct tn_leaves *leaves = tn_matcher_leaves(slow, rule->view, TN_EXTENT_ALL, ruleset, event);
		bool wanted = false;
		if (rule->disabled)
			continue;
		undecided |= tn_pattern_judge(&rule->code, leaves, &slow->agree, &wanted) != TN_OK;
		bool got = next < count && out[next].route == &rule->routes[0];
		if (wanted != got)
			fail_msg("%.*s, line %u: wanted %d", TN_STR_ARG(rule->name), rule->line, wanted);
		next += got;
		tally->matched += got;
		tally->asked += is_asked(matcher, i);
		tally->rules++;
	}
	assert_int_equal(count, next + undecided);
	tn_matcher_free(slow);
}

static void asking_few_finds_what_asking_all_finds(void **state)
{
	enum { ROUNDS = 150 };
	struct tn_random random = {11};
	struct tn_matcher *matcher = tn_matcher_new();
	struct tally tally = {0};
	for (int round = 0; round < ROUNDS; round++) {
		struct tn_buf text = {0};
		tn_buf_add_text(&text, "{\"rules\":[");
		for (unsigned i = 0, count = 1 + pick(&random, round % 2 ? RULES : 4); i < count; i++)
			add_rule(&random, &text, i);
		tn_buf_add_text(&text, "]}");
		struct tn_ruleset *ruleset = compile(tn_buf_str(&text));
		for (int i = 0; i < EVENTS; i++) {
			struct tn_event *event = make_event(&random);
			compare(ruleset, matcher, event, &tally);
			tn_event_unref(event);
		}
		tn_ruleset_unref(ruleset);
		tn_buf_fini(&text);
	}
	assert_true(tally.asked < tally.rules * 3 / 4);
	assert_true(tally.matched > tally.rules / 50);
	tn_matcher_free(matcher);
}

/* More keys than are weighed: asked always, and still found. */
static void a_pattern_of_many_branches_is_asked(void **state)
{
	struct tn_buf pattern = {0};
	tn_buf_add_text(&pattern, "{\"subject\":[");
	for (int i = 0; i < 300; i++)
		tn_buf_addf(&pattern, "%s\"%d\"", i ? "," : "", i);
	tn_buf_add_text(&pattern, "],\"$or\":[");
	for (int i = 0; i < 100; i++)
		tn_buf_addf(&pattern, "%s{\"type\":[\"%d\"]}", i ? "," : "", i);
	tn_buf_add_text(&pattern, "]}");
	tn_buf_terminate(&pattern);
	assert_true(asks(pattern.bytes, "\"type\":\"99\",\"subject\":\"299\""));
	assert_true(asks(pattern.bytes, "\"type\":\"x\",\"subject\":\"x\""));
	tn_buf_fini(&pattern);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_string_asks_the_rules_that_name_it),
		cmocka_unit_test(a_number_asks_by_value),
		cmocka_unit_test(words_ask_by_kind),
		cmocka_unit_test(a_string_asks_by_its_beginnings),
		cmocka_unit_test(a_long_prefix_asks_by_its_beginning),
		cmocka_unit_test(other_operators_ask_when_the_field_is_there),
		cmocka_unit_test(a_rule_that_absence_satisfies_is_always_asked),
		cmocka_unit_test(any_branch_asks_its_rule),
		cmocka_unit_test(an_eventbridge_rule_is_found_in_its_view),
		cmocka_unit_test(a_rule_that_is_not_enabled_is_never_asked),
		cmocka_unit_test(the_field_that_tells_rules_apart_is_chosen),
		cmocka_unit_test(data_is_read_only_when_a_rule_asked_needs_it),
		cmocka_unit_test(an_envelope_is_written_only_when_a_rule_asked_needs_it),
		cmocka_unit_test(a_pattern_of_many_branches_is_asked),
		cmocka_unit_test(asking_few_finds_what_asking_all_finds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
