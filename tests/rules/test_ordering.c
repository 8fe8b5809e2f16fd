/* SPDX-License-Identifier: Apache-2.0
 *
 * test_ordering.c - the `ordering` of a target is read, or refused with its place; events of one key get one lane.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/doc.h"
#include "turnout/ruleset.h"
#include "turnout/wire.h"

static enum tn_status parse(const char *text, struct tn_arena *arena, struct tn_ordering *out, struct tn_error *error)
{
	struct tn_doc doc = {0};
	struct tn_buf map = {0};
	tn_buf_addf(&map, "ordering: %s", text);
	if (tn_doc_parse(tn_buf_str(&map), "f", &doc, error) != TN_OK)
		fail_msg("%s: %s", map.bytes, error->message);
	enum tn_status status = tn_ordering_parse(&doc, tn_doc_get(doc.root, "ordering"), arena, out, error);
	tn_doc_fini(&doc);
	tn_buf_fini(&map);
	return status;
}

static void a_word_or_a_map_says_the_key(void **state)
{
	struct tn_arena arena = {0};
	struct tn_error error = {0};
	struct tn_ordering ordering = {.by_key = true};
	assert_int_equal(parse("none", &arena, &ordering, &error), TN_OK);
	assert_false(ordering.by_key);
	assert_int_equal(parse("key", &arena, &ordering, &error), TN_OK);
	assert_true(ordering.by_key && !ordering.serial && tn_str_is(ordering.key, "partitionkey"));
	assert_int_equal(parse("{keyless: serial}", &arena, &ordering, &error), TN_OK);
	assert_true(ordering.by_key && ordering.serial && tn_str_is(ordering.key, "partitionkey"));
	assert_int_equal(parse("{key: data.order.id}", &arena, &ordering, &error), TN_OK);
	assert_true(ordering.by_key && !ordering.serial && tn_str_is(ordering.key, "data.order.id"));
	tn_arena_fini(&arena);
}

static void what_is_no_key_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {{"fifo", "ordering is none, key, or a map"}, {"[key]", "ordering is none, key, or a map"},
		{"{key: Order-Id}", "key is the name of an attribute"}, {"{key: data}", "key is the name of an attribute"},
		{"{key: data.a..b}", "key is the name of an attribute"}, {"{key: data.a.}", "key is the name of an attribute"},
		{"{key: data.}", "key is the name of an attribute"}, {"{keyless: never}", "keyless must be one of"},
		{"{keys: id}", "unknown key 'keys'; did you mean 'key'?"}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tn_arena arena = {0};
		struct tn_error error = {0};
		struct tn_ordering ordering = {.serial = true};
		assert_int_equal(parse(rows[i].text, &arena, &ordering, &error), TN_INVALID);
		if (!strstr(error.message, rows[i].message) || error.line != 1)
			fail_msg("%s: line %u: %s", rows[i].text, error.line, error.message);
		assert_true(ordering.serial); /* untouched */
		tn_arena_fini(&arena);
	}
}

/* --- Lanes --- */

#define BASE "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/shop\",\"type\":\"order.created\""

/* Of {BASE, members}, at target "t" or "u". */
static struct tn_id lane_at(const char *target, const char *key, bool serial, const char *members)
{
	struct tn_ordering ordering = {.by_key = key != NULL, .serial = serial, .key = tn_str_from(key ? key : "")};
	struct tn_policy policy;
	assert_true(tn_policy_profile(TN_STR("fast"), &policy));
	struct tn_target_name names[] = {{.name = TN_STR("t"), .number = 1, .policy = policy, .ordering = ordering},
		{.name = TN_STR("u"), .number = 2, .policy = policy, .ordering = ordering}};
	struct tn_ruleset_config config = {.targets = names, .target_count = 2};
	struct tn_identity identity = {.bus = TN_STR("orders")};
	struct tn_buf rules = {0}, json = {0};
	struct tn_ruleset *ruleset = NULL;
	struct tn_event *event = NULL;
	struct tn_error error = {0};
	struct tn_wire_error wire = {0};
	struct tn_match match;
	size_t count = 0;
	tn_buf_addf(&rules, "rules: [{name: a, pattern: {type: [order.created]}, targets: [%s]}]", target);
	tn_buf_addf(&json, "{" BASE "%s%s}", *members ? "," : "", members);
	if (tn_ruleset_compile(tn_buf_str(&rules), "r", &config, &ruleset, &error) != TN_OK)
		fail_msg("%s", error.message);
	if (tn_event_from_json(tn_buf_str(&json), 1, &event, &wire) != TN_OK)
		fail_msg("%s", wire.message);
	struct tn_matcher *matcher = tn_matcher_new();
	assert_int_equal(tn_ruleset_match(ruleset, matcher, event, &identity, &match, 1, &count), TN_OK);
	assert_int_equal(count, 1);
	assert_int_equal(match.route->ordered, key != NULL);
	struct tn_id lane = match.lane;
	tn_matcher_free(matcher);
	tn_event_unref(event);
	tn_ruleset_unref(ruleset);
	tn_buf_fini(&rules);
	tn_buf_fini(&json);
	return lane;
}

static bool is_one_lane(const char *key, const char *a, const char *b)
{
	struct tn_id one = lane_at("t", key, false, a), two = lane_at("t", key, false, b);
	assert_false(tn_id_is_zero(&one));
	assert_false(tn_id_is_zero(&two));
	return tn_id_equal(&one, &two);
}

static bool is_unordered(const char *key, const char *members)
{
	struct tn_id lane = lane_at("t", key, false, members);
	return tn_id_is_zero(&lane);
}

static void events_of_one_key_share_a_lane(void **state)
{
	assert_true(is_one_lane("partitionkey", "\"partitionkey\":\"7\",\"subject\":\"a\"", "\"partitionkey\":\"7\""));
	assert_false(is_one_lane("partitionkey", "\"partitionkey\":\"7\"", "\"partitionkey\":\"8\""));
	assert_true(is_one_lane("subject", "\"subject\":\"a\",\"partitionkey\":\"1\"", "\"subject\":\"a\",\"partitionkey\":\"2\""));
	assert_true(is_one_lane("data.order.id", "\"data\":{\"order\":{\"id\":\"x\",\"n\":1}}", "\"data\":{\"order\":{\"n\":2,\"id\":\"x\"}}"));
	assert_false(is_one_lane("data.order.id", "\"data\":{\"order\":{\"id\":\"x\"}}", "\"data\":{\"order\":{\"id\":\"y\"}}"));
}

static void each_target_has_lanes_of_its_own(void **state)
{
	struct tn_id t = lane_at("t", "subject", false, "\"subject\":\"a\""), u = lane_at("u", "subject", false, "\"subject\":\"a\"");
	assert_false(tn_id_equal(&t, &u));
}

static void a_number_is_its_value_and_a_boolean_its_word(void **state)
{
	assert_true(is_one_lane("data.k", "\"data\":{\"k\":1}", "\"data\":{\"k\":1.0}"));
	assert_true(is_one_lane("data.k", "\"data\":{\"k\":120}", "\"data\":{\"k\":1.2e2}"));
	assert_true(is_one_lane("data.k", "\"data\":{\"k\":0.5}", "\"data\":{\"k\":5e-1}"));
	assert_true(is_one_lane("data.k", "\"data\":{\"k\":-0}", "\"data\":{\"k\":0}"));
	assert_true(is_one_lane("data.k", "\"data\":{\"k\":7}", "\"data\":{\"k\":\"7\"}"));
	assert_true(is_one_lane("data.k", "\"data\":{\"k\":9007199254740993}", "\"data\":{\"k\":\"9007199254740993\"}"));
	assert_false(is_one_lane("data.k", "\"data\":{\"k\":9007199254740993}", "\"data\":{\"k\":9007199254740992}"));
	assert_false(is_one_lane("data.k", "\"data\":{\"k\":12345678901234567890123}", "\"data\":{\"k\":12345678901234567890124}"));
	assert_false(is_one_lane("data.k", "\"data\":{\"k\":1}", "\"data\":{\"k\":-1}"));
	assert_true(is_one_lane("data.k", "\"data\":{\"k\":true}", "\"data\":{\"k\":\"true\"}"));
	assert_true(is_one_lane("data.k", "\"data\":{\"k\":[3,4]}", "\"data\":{\"k\":3}"));
}

static void without_a_key_an_event_is_unordered_or_in_the_one_serial_lane(void **state)
{
	assert_true(is_unordered(NULL, "\"subject\":\"a\""));
	assert_true(is_unordered("partitionkey", ""));
	assert_true(is_unordered("data.k", ""));
	assert_true(is_unordered("data.k", "\"data\":{\"k\":null}"));
	assert_true(is_unordered("data.k", "\"data\":{\"k\":\"\"}"));
	assert_true(is_unordered("data.k", "\"data\":{\"k\":{\"k\":1}}"));
	assert_true(is_unordered("data.k", "\"datacontenttype\":\"text/plain\",\"data\":\"k\""));
	struct tn_id one = lane_at("t", "partitionkey", true, ""), two = lane_at("t", "partitionkey", true, "\"subject\":\"a\"");
	assert_false(tn_id_is_zero(&one));
	assert_true(tn_id_equal(&one, &two));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_word_or_a_map_says_the_key),
		cmocka_unit_test(what_is_no_key_is_refused_with_its_place),
		cmocka_unit_test(events_of_one_key_share_a_lane),
		cmocka_unit_test(each_target_has_lanes_of_its_own),
		cmocka_unit_test(a_number_is_its_value_and_a_boolean_its_word),
		cmocka_unit_test(without_a_key_an_event_is_unordered_or_in_the_one_serial_lane),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
