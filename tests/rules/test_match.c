/* SPDX-License-Identifier: Apache-2.0
 *
 * test_match.c - matching events against rulesets: what each view shows, delivery ids, poison, capacity; and the ruleset against the
 * plain matcher on random patterns and events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "turnout/base64.h"
#include "turnout/json.h"
#include "turnout/pattern.h"
#include "turnout/random.h"
#include "turnout/ruleset.h"
#include "turnout/wire.h"

static struct tn_event *event_of(const char *json)
{
	struct tn_event *event = NULL;
	struct tn_wire_error error = {0};
	if (tn_event_from_json(tn_str_from(json), 1700000000123, &event, &error) != TN_OK)
		fail_msg("%s: %s", json, error.message);
	return event;
}

static struct tn_ruleset *compile(struct tn_str text)
{
	struct tn_ruleset_config config = {.any_target = true, .allow_empty = true, .eventbridge.region = TN_STR("eu-west-1")};
	struct tn_ruleset *ruleset = NULL;
	struct tn_error error = {0};
	if (tn_ruleset_compile(text, "r", &config, &ruleset, &error) != TN_OK)
		fail_msg("%u:%u: %s\n%.*s", error.line, error.column, error.message, TN_STR_ARG(text));
	return ruleset;
}

static const struct tn_identity identity = {.bus = TN_STR("orders")};

/* Does one rule of that view (NULL: the one it derives) match? */
static bool rule_matches(const char *pattern, const char *view, struct tn_event *event)
{
	struct tn_buf text = {0};
	struct tn_match matches[2];
	size_t count = 99;
	tn_buf_addf(&text, "{\"rules\":[{\"name\":\"a\",%s%s%s\"pattern\":%s,\"targets\":[\"t\"]}]}", view ? "\"view\":\"" : "",
		view ? view : "", view ? "\"," : "", pattern);
	struct tn_ruleset *ruleset = compile(tn_buf_str(&text));
	struct tn_matcher *matcher = tn_matcher_new();
	assert_int_equal(tn_ruleset_match(ruleset, matcher, event, &identity, matches, 2, &count), TN_OK);
	assert_true(count <= 1);
	tn_matcher_free(matcher);
	tn_ruleset_unref(ruleset);
	tn_buf_fini(&text);
	return count == 1;
}

#define BASE "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/shop\",\"type\":\"order.created\""

static bool matches(const char *pattern, const char *json)
{
	struct tn_event *event = event_of(json);
	bool result = rule_matches(pattern, NULL, event);
	tn_event_unref(event);
	return result;
}

static void attributes_stand_at_the_top(void **state)
{
	const char *event = "{" BASE ",\"subject\":\"s\",\"shard\":7,\"vip\":true,\"tenant\":\"7\"}";
	assert_true(matches("{\"type\":[{\"prefix\":\"order.\"}],\"source\":[\"/shop\"],\"id\":[\"1\"],\"subject\":[\"s\"]}", event));
	assert_true(matches("{\"specversion\":[\"1.0\"]}", event));
	assert_true(matches("{\"shard\":[{\"numeric\":[\">\",6]}],\"vip\":[true],\"tenant\":[\"7\"]}", event));
	assert_false(matches("{\"shard\":[\"7\"]}", event));
	assert_false(matches("{\"tenant\":[7]}", event));
	assert_false(matches("{\"vip\":[\"true\"]}", event));
	assert_true(matches("{\"time\":[{\"exists\":false}]}", event));
}

static void data_is_read_by_its_kind(void **state)
{
	assert_true(matches("{\"data\":{\"total\":[{\"numeric\":[\">\",1000]}]}}", "{" BASE ",\"data\":{\"total\":1000.5}}"));
	assert_true(matches("{\"data\":{\"items\":{\"sku\":[\"x\"],\"n\":[2]}}}",
		"{" BASE ",\"data\":{\"items\":[{\"sku\":\"x\",\"n\":1},{\"sku\":\"x\",\"n\":2}]}}"));
	assert_false(matches("{\"data\":{\"items\":{\"sku\":[\"x\"],\"n\":[2]}}}",
		"{" BASE ",\"data\":{\"items\":[{\"sku\":\"x\",\"n\":1},{\"sku\":\"y\",\"n\":2}]}}"));
	assert_true(matches("{\"data\":[\"text\"]}", "{" BASE ",\"data\":\"text\"}"));
	assert_true(matches("{\"data\":[null]}", "{" BASE ",\"data\":null}"));
	assert_true(matches("{\"data\":[3]}", "{" BASE ",\"data\":[1,3]}"));
	assert_true(matches("{\"data\":[\"plain, not \\\"JSON\\\"\"]}",
		"{" BASE ",\"datacontenttype\":\"text/plain\",\"data\":\"plain, not \\\"JSON\\\"\"}"));
	assert_true(matches("{\"data\":[{\"exists\":false}]}", "{" BASE ",\"data_base64\":\"AAEC\"}"));
	assert_true(matches("{\"data\":[{\"exists\":false}]}", "{" BASE "}"));
	assert_false(matches("{\"data\":[{\"exists\":true}]}", "{" BASE ",\"data\":{}}"));
}

static void the_eventbridge_view_is_taken_when_the_pattern_names_it(void **state)
{
	const char *event = "{" BASE ",\"time\":\"2026-05-01T12:00:00.5+02:00\",\"subject\":\"arn:x\",\"data\":{\"state\":\"on\"}}";
	assert_true(matches("{\"detail-type\":[\"order.created\"],\"detail\":{\"state\":[\"on\"]},\"source\":[\"/shop\"]}", event));
	assert_true(matches("{\"account\":[\"000000000000\"],\"region\":[\"eu-west-1\"],\"version\":[\"0\"]}", event));
	assert_true(matches("{\"time\":[\"2026-05-01T10:00:00Z\"],\"resources\":[\"arn:x\"]}", event));
	assert_true(matches("{\"time\":[\"2026-05-01T12:00:00.5+02:00\"]}", event));
	assert_true(matches("{\"detail\":{\"data\":[\"t\"]}}", "{" BASE ",\"data\":\"t\"}"));
	assert_true(matches("{\"detail\":{\"data_base64\":[\"AAEC\"]}}", "{" BASE ",\"data_base64\":\"AAEC\"}"));
}

static void a_view_can_be_forced(void **state)
{
	struct tn_event *event = event_of("{" BASE ",\"region\":\"north\",\"data\":{\"a\":1}}");
	assert_true(rule_matches("{\"region\":[\"north\"]}", "cloudevents", event));
	assert_false(rule_matches("{\"region\":[\"north\"]}", NULL, event));
	assert_true(rule_matches("{\"source\":[\"/shop\"],\"data\":[{\"exists\":false}]}", "eventbridge", event));
	tn_event_unref(event);
}

static void ids_are_derived_from_names_and_event(void **state)
{
	struct tn_ruleset *ruleset = compile(TN_STR("rules:\n- {name: r1, pattern: {type: [order.created]}, targets: [t1, t2]}\n"
		"- {name: off, enabled: false, pattern: {type: [order.created]}, targets: [t1]}\n"
		"- {name: r2, pattern: {detail-type: [order.created]}, targets: [t1]}\n"));
	struct tn_event *event = event_of("{" BASE "}");
	struct tn_matcher *matcher = tn_matcher_new();
	struct tn_match out[4];
	size_t count;
	assert_int_equal(tn_ruleset_match(ruleset, matcher, event, &identity, out, 4, &count), TN_OK);
	assert_int_equal(count, 3);
	assert_true(tn_str_is(out[0].route->rule, "r1") && tn_str_is(out[0].route->target, "t1"));
	assert_true(tn_str_is(out[1].route->rule, "r1") && tn_str_is(out[1].route->target, "t2"));
	assert_true(tn_str_is(out[2].route->rule, "r2") && tn_str_is(out[2].route->target, "t1"));
	struct tn_str parts[] = {TN_STR("turnout-1"), TN_STR("orders"), TN_STR("r1"), TN_STR("t2"), TN_STR("/shop"), TN_STR("1")};
	struct tn_id wanted = tn_id_hash(parts, 6);
	assert_memory_equal(&out[1].id, &wanted, sizeof wanted);
	/* computed with another implementation of SHA-256 and base32 over the same length-prefixed parts */
	char text[27];
	tn_base32_id(out[1].id.bytes, text);
	assert_string_equal(text, "qf7p3yuq7b73qid6cvf54dcqr4");
	assert_false(tn_id_equal(&out[0].id, &out[1].id));
	assert_true(tn_id_is_zero(&out[0].lane));
	struct tn_identity by_position = {.bus = TN_STR("orders"), .position = TN_STR("shop/3/17")};
	parts[4] = by_position.position;
	wanted = tn_id_hash(parts, 5);
	struct tn_id id = tn_route_delivery_id(&by_position, TN_STR("r1"), TN_STR("t2"), event);
	assert_memory_equal(&id, &wanted, sizeof wanted);
	tn_matcher_free(matcher);
	tn_event_unref(event);
	tn_ruleset_unref(ruleset);
}

static void too_little_room_is_full(void **state)
{
	struct tn_ruleset *ruleset = compile(TN_STR("rules: [{name: r, pattern: {type: [order.created]}, targets: [a, b, c]}]"));
	struct tn_event *event = event_of("{" BASE "}");
	struct tn_matcher *matcher = tn_matcher_new();
	struct tn_match out[4];
	size_t count = 77;
	assert_int_equal(tn_ruleset_route_count(ruleset), 4);
	assert_int_equal(tn_ruleset_match(ruleset, matcher, event, &identity, out, 2, &count), TN_FULL);
	assert_int_equal(count, 77);
	assert_int_equal(tn_ruleset_match(ruleset, matcher, event, &identity, out, 4, &count), TN_OK);
	assert_int_equal(count, 3);
	tn_matcher_free(matcher);
	tn_event_unref(event);
	tn_ruleset_unref(ruleset);
}

static void a_rule_can_be_asked_for_its_routes_whatever_its_pattern_says(void **state)
{
	struct tn_ruleset *ruleset = compile(TN_STR(
		"{\"rules\":[{\"name\":\"b\",\"enabled\":false,\"pattern\":{\"type\":[\"other\"]},\"targets\":[\"u\",\"t\"]},"
		"{\"name\":\"a\",\"pattern\":{\"type\":[\"order.created\"]},\"targets\":[\"t\"]}]}"));
	struct tn_matcher *matcher = tn_matcher_new();
	struct tn_event *event = event_of("{" BASE "}"), *raw = tn_event_new_raw(TN_STR("?"), TN_STR("bad"), 1);
	struct tn_match matches[2];
	size_t count = 99;
	assert_int_equal(tn_ruleset_match_rule(ruleset, matcher, event, &identity, TN_STR("b"), matches, 2, &count), TN_OK);
	assert_int_equal(count, 2);
	assert_true(tn_str_is(matches[0].route->target, "t") && tn_str_is(matches[1].route->target, "u"));
	struct tn_id id = tn_route_delivery_id(&identity, TN_STR("b"), TN_STR("u"), event);
	assert_true(tn_id_equal(&matches[1].id, &id));
	assert_int_equal(tn_ruleset_match_rule(ruleset, matcher, event, &identity, TN_STR("b"), matches, 1, &count), TN_FULL);
	assert_int_equal(tn_ruleset_match_rule(ruleset, matcher, event, &identity, TN_STR("c"), matches, 2, &count), TN_OK);
	assert_int_equal(count, 0);
	assert_int_equal(tn_ruleset_match_rule(ruleset, matcher, raw, &identity, TN_STR("b"), matches, 2, &count), TN_OK);
	assert_int_equal(count, 0);
	tn_event_unref(event);
	tn_event_unref(raw);
	tn_matcher_free(matcher);
	tn_ruleset_unref(ruleset);
}

static void raw_events_take_the_poison_route(void **state)
{
	struct tn_ruleset *ruleset = compile(TN_STR("rules: [{name: r, pattern: {type: [{exists: false}]}, targets: [a]}]"));
	struct tn_event *event = tn_event_new_raw(TN_STR("{\"type\""), TN_STR("not JSON"), 5);
	struct tn_event *other = tn_event_new_raw(TN_STR("{\"types\""), TN_STR("not JSON"), 5);
	struct tn_matcher *matcher = tn_matcher_new();
	struct tn_match out[2], again[2];
	size_t count;
	assert_int_equal(tn_ruleset_match(ruleset, matcher, event, &identity, out, 2, &count), TN_OK);
	assert_int_equal(count, 1);
	assert_ptr_equal(out[0].route, tn_ruleset_poison_route(ruleset));
	assert_int_equal(tn_ruleset_match(ruleset, matcher, other, &identity, again, 2, &count), TN_OK);
	assert_false(tn_id_equal(&out[0].id, &again[0].id));
	tn_matcher_free(matcher);
	tn_event_unref(event);
	tn_event_unref(other);
	tn_ruleset_unref(ruleset);
}

/* 24 arrays under one name, each with an element for each of 24 fields but one: no choice works, and none can be ruled out early. */
static void an_event_that_cannot_be_judged_goes_to_poison_too(void **state)
{
	enum { FIELDS = 12 };
	struct tn_buf text = {0}, json = {0};
	tn_buf_add_text(&text, "{\"rules\":[{\"name\":\"easy\",\"pattern\":{\"type\":[\"order.created\"]},\"targets\":[\"t\"]},"
		"{\"name\":\"hard\",\"pattern\":{\"data\":{\"a\":{");
	for (int i = 0; i < FIELDS; i++)
		tn_buf_addf(&text, "%s\"f%d\":[1]", i ? "," : "", i);
	tn_buf_add_text(&text, "}}},\"targets\":[\"t\"]}]}");
	tn_buf_add_text(&json, "{" BASE ",\"data\":{");
	for (int array = 0; array < FIELDS - 1; array++) {
		tn_buf_addf(&json, "%s\"a\":[", array ? "," : "");
		for (int i = 0; i < FIELDS; i++)
			tn_buf_addf(&json, "%s{\"f%d\":1}", i ? "," : "", i);
		tn_buf_add_text(&json, "]");
	}
	tn_buf_add_text(&json, "}}");
	tn_buf_terminate(&json);
	struct tn_ruleset *ruleset = compile(tn_buf_str(&text));
	struct tn_event *event = event_of(json.bytes);
	struct tn_matcher *matcher = tn_matcher_new();
	struct tn_match out[3];
	size_t count;
	assert_int_equal(tn_ruleset_match(ruleset, matcher, event, &identity, out, 3, &count), TN_OK);
	assert_int_equal(count, 2);
	assert_true(tn_str_is(out[0].route->rule, "easy"));
	assert_true(out[1].route->poison);
	tn_matcher_free(matcher);
	tn_event_unref(event);
	tn_ruleset_unref(ruleset);
	tn_buf_fini(&text);
	tn_buf_fini(&json);
}

/* --- Random patterns and events --- */

static uint32_t pick(struct tn_random *random, uint32_t count)
{
	return (uint32_t)(tn_random_next(random) >> 33) % count;
}

static void add_one_of(struct tn_random *random, struct tn_buf *out, const char *const *texts, uint32_t count)
{
	tn_buf_add_text(out, texts[pick(random, count)]);
}

static const char *const names[] = {"\"a\"", "\"b\"", "\"c\"", "\"a.b\"", "\"\"", "\"\\u0061\""};
static const char *const scalars[] = {"1", "1.0", "2", "-3e1", "10", "\"x\"", "\"xy\"", "\"XY\"", "\"10.0.0.7\"", "\"\"", "true", "false",
	"null", "\"a*b\"", "\"\\u0078\""};
static const char *const values[] = {"1", "\"x\"", "null", "true", "{\"exists\":true}", "{\"exists\":false}", "{\"prefix\":\"x\"}",
	"{\"suffix\":{\"equals-ignore-case\":\"y\"}}", "{\"equals-ignore-case\":\"xy\"}", "{\"wildcard\":\"*x*\"}",
	"{\"numeric\":[\">\",0,\"<=\",10]}", "{\"numeric\":[\"<\",0]}", "{\"cidr\":\"10.0.0.0/8\"}", "{\"anything-but\":[\"x\",\"xy\"]}",
	"{\"anything-but\":1}", "{\"anything-but\":{\"prefix\":\"x\"}}"};

static void add_value(struct tn_random *random, struct tn_buf *out, int depth)
{
	uint32_t kind = depth == 0 ? 0 : pick(random, 4);
	if (kind < 2) {
		add_one_of(random, out, scalars, sizeof scalars / sizeof *scalars);
		return;
	}
	tn_buf_add_byte(out, kind == 2 ? '{' : '[');
	uint32_t count = pick(random, 4);
	for (uint32_t i = 0; i < count; i++) {
		if (i)
			tn_buf_add_byte(out, ',');
		if (kind == 2) {
			add_one_of(random, out, names, sizeof names / sizeof *names);
			tn_buf_add_byte(out, ':');
		}
		add_value(random, out, depth - 1);
	}
	tn_buf_add_byte(out, kind == 2 ? '}' : ']');
}

static void add_pattern_object(struct tn_random *random, struct tn_buf *out, int depth)
{
	uint32_t count = 1 + pick(random, 3);
	tn_buf_add_byte(out, '{');
	for (uint32_t i = 0; i < count; i++) {
		if (i)
			tn_buf_add_byte(out, ',');
		if (depth > 0 && i == 0 && pick(random, 4) == 0) { /* no name twice: rule files refuse that */
			tn_buf_add_text(out, "\"$or\":[");
			add_pattern_object(random, out, depth - 1);
			tn_buf_add_byte(out, ',');
			add_pattern_object(random, out, depth - 1);
			tn_buf_add_byte(out, ']');
			continue;
		}
		static const char *const distinct[] = {"\"a\":", "\"b\":", "\"c\":"};
		tn_buf_add_text(out, distinct[i]);
		if (depth > 0 && pick(random, 3) == 0) {
			add_pattern_object(random, out, depth - 1);
			continue;
		}
		tn_buf_add_byte(out, '[');
		add_one_of(random, out, values, sizeof values / sizeof *values);
		if (pick(random, 2)) {
			tn_buf_add_byte(out, ',');
			add_one_of(random, out, values, sizeof values / sizeof *values);
		}
		tn_buf_add_byte(out, ']');
	}
	tn_buf_add_byte(out, '}');
}

enum { RULES = 8 };

/* Compares one ruleset of one view with the plain matcher on the view's own JSON text, over several events. */
static unsigned compare_with_oracle(struct tn_random *random, struct tn_matcher *matcher, bool eventbridge)
{
	struct tn_buf rules = {0}, json = {0}, view = {0};
	struct tn_pattern *patterns[RULES];
	unsigned matched = 0;
	tn_buf_add_text(&rules, "{\"rules\":[");
	for (int i = 0; i < RULES; i++) {
		struct tn_buf pattern = {0};
		tn_buf_addf(&pattern, "{\"%s\":", eventbridge ? "detail" : "data");
		add_pattern_object(random, &pattern, 3);
		tn_buf_add_text(&pattern, pick(random, 4) ? "}" : ",\"source\":[{\"suffix\":\"shop\"}],\"id\":[\"1\"]}");
		assert_int_equal(tn_pattern_compile(tn_buf_str(&pattern), NULL, &patterns[i], NULL), TN_OK);
		tn_buf_addf(&rules, "%s{\"name\":\"r%d\",\"targets\":[\"t\"],\"pattern\":%.*s}", i ? "," : "", i,
			TN_STR_ARG(tn_buf_str(&pattern)));
		tn_buf_fini(&pattern);
	}
	tn_buf_add_text(&rules, "]}");
	struct tn_ruleset *ruleset = compile(tn_buf_str(&rules));
	for (int round = 0; round < 10; round++) {
		tn_buf_clear(&json);
		tn_buf_clear(&view);
		tn_buf_add_text(&json, "{" BASE ",\"data\":");
		add_value(random, &json, 4);
		tn_buf_add_byte(&json, '}');
		tn_buf_terminate(&json);
		struct tn_event *event = event_of(json.bytes);
		struct tn_eventbridge defaults = {.region = TN_STR("eu-west-1")};
		if (eventbridge)
			tn_event_to_eventbridge(event, &defaults, &view);
		else
			tn_event_to_json(event, &view);
		struct tn_match out[RULES + 1];
		size_t count, next = 0;
		assert_int_equal(tn_ruleset_match(ruleset, matcher, event, &identity, out, RULES + 1, &count), TN_OK);
		for (int i = 0; i < RULES; i++) {
			bool wanted, got;
			size_t at;
			char name[8];
			snprintf(name, sizeof name, "r%d", i);
			assert_int_equal(tn_pattern_match(patterns[i], tn_buf_str(&view), &wanted, &at), TN_OK);
			got = next < count && tn_str_is(out[next].route->rule, name);
			if (wanted != got)
				fail_msg("rule %d: wanted %d\n%.*s\n%.*s", i, wanted, TN_STR_ARG(tn_buf_str(&rules)), TN_STR_ARG(tn_buf_str(&view)));
			next += got;
			matched += got;
		}
		assert_int_equal(next, count);
		tn_event_unref(event);
	}
	for (int i = 0; i < RULES; i++)
		tn_pattern_free(patterns[i]);
	tn_ruleset_unref(ruleset);
	tn_buf_fini(&rules);
	tn_buf_fini(&json);
	tn_buf_fini(&view);
	return matched;
}

static void the_ruleset_matches_what_the_plain_matcher_matches(void **state)
{
	enum { ROUNDS = 400 };
	struct tn_random random = {7};
	struct tn_matcher *matcher = tn_matcher_new();
	unsigned matched = 0;
	for (int round = 0; round < ROUNDS; round++)
		matched += compare_with_oracle(&random, matcher, round % 2);
	assert_in_range(matched, ROUNDS, ROUNDS * RULES * 10 - ROUNDS);
	tn_matcher_free(matcher);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attributes_stand_at_the_top),
		cmocka_unit_test(data_is_read_by_its_kind),
		cmocka_unit_test(the_eventbridge_view_is_taken_when_the_pattern_names_it),
		cmocka_unit_test(a_view_can_be_forced),
		cmocka_unit_test(ids_are_derived_from_names_and_event),
		cmocka_unit_test(too_little_room_is_full),
		cmocka_unit_test(a_rule_can_be_asked_for_its_routes_whatever_its_pattern_says),
		cmocka_unit_test(raw_events_take_the_poison_route),
		cmocka_unit_test(an_event_that_cannot_be_judged_goes_to_poison_too),
		cmocka_unit_test(the_ruleset_matches_what_the_plain_matcher_matches),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
