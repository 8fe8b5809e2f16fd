/* SPDX-License-Identifier: Apache-2.0
 *
 * test_dedup.c - by what an event is told from another one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dedup.h"
#include "turnout/wire.h"

static struct tn_header header;
static struct tn_message message = {.headers = &header};
static struct dedup_message from;
static struct tn_str path_items[TN_DEDUP_PATHS_MAX];
static struct tn_dedup_config config;

static int set_up(void **state)
{
	header = (struct tn_header){0};
	message.header_count = 0;
	from = (struct dedup_message){.bus = TN_STR("orders"), .source = TN_STR("web"), .message = &message};
	config = (struct tn_dedup_config){.by = TN_DEDUP_EVENT};
	return 0;
}

static struct tn_event *event_of(const char *json)
{
	struct tn_event *event;
	struct tn_wire_error error;
	assert_int_equal(tn_event_from_json(tn_str_from(json), 1, &event, &error), TN_OK);
	return event;
}

/* The key of an event, or zero. */
static struct tn_id key_at(const char *json, size_t index)
{
	struct tn_id key = {{0}};
	struct tn_event *event = event_of(json);
	bool some = tn_dedup_key(&config, &from, event, index, &key);
	assert_int_equal(some, !tn_id_is_zero(&key));
	tn_event_unref(event);
	return key;
}

static struct tn_id key_of(const char *json)
{
	return key_at(json, 0);
}

static bool same(struct tn_id a, struct tn_id b)
{
	return tn_id_equal(&a, &b);
}

static void use_paths(const char *first, const char *second)
{
	path_items[0] = tn_str_from(first);
	path_items[1] = tn_str_from(second ? second : "");
	config = (struct tn_dedup_config){.by = TN_DEDUP_PATHS, .paths = {path_items, second ? 2 : 1}};
}

static void give_header(const char *value)
{
	header = (struct tn_header){.name = TN_STR("Idempotency-Key"), .value = tn_str_from(value)};
	message.header_count = 1;
	config.by = TN_DEDUP_HEADER;
}

#define EVENT(id, source, more) "{\"specversion\":\"1.0\",\"id\":\"" id "\",\"source\":\"" source "\",\"type\":\"t\"" more "}"

static void an_event_is_its_source_and_id_within_its_bus_and_source(void **state)
{
	struct tn_id key = key_of(EVENT("1", "/s", ""));
	assert_true(same(key, key_of(EVENT("1", "/s", ",\"subject\":\"x\",\"data\":1"))));
	assert_false(same(key, key_of(EVENT("2", "/s", ""))));
	assert_false(same(key, key_of(EVENT("1", "/t", ""))));
	assert_false(same(key_of(EVENT("1", "/s1", "")), key_of(EVENT("11", "/s", ""))));
	from.source = TN_STR("other");
	assert_false(same(key, key_of(EVENT("1", "/s", ""))));
	from.source = TN_STR("web");
	from.bus = TN_STR("other");
	assert_false(same(key, key_of(EVENT("1", "/s", ""))));
}

/* Stores keep keys and fingerprints: what they are computed from may never change. */
static void keys_and_fingerprints_are_the_same_for_ever(void **state)
{
	static const uint8_t expected[16] = {0xb6, 0x96, 0x0a, 0x29, 0xc2, 0xb4, 0xac, 0x40, 0x5e, 0x3d, 0x32, 0xf9, 0x67, 0xf7, 0x2e, 0xa8};
	struct tn_id key = key_of(EVENT("1", "/s", ""));
	struct tn_event *event = event_of(EVENT("1", "/s", ",\"data\":\"0123456789\""));
	assert_memory_equal(key.bytes, expected, 16);
	assert_true(tn_dedup_fingerprint(event) == 0xb24f3be94dda9f61u); /* of type t, data "0123456789" */
	tn_event_unref(event);
}

static void a_fingerprint_is_of_type_and_data(void **state)
{
	static const char *const events[] = {EVENT("1", "/s", ""), EVENT("1", "/s", ",\"data\":\"\""), EVENT("1", "/s", ",\"data\":\"a\""),
		EVENT("1", "/s", ",\"data\":\"b\""), EVENT("1", "/s", ",\"data\":\"abcdefgh\""), EVENT("1", "/s", ",\"data\":\"abcdefghi\""),
		"{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"u\"}"};
	enum { COUNT = sizeof events / sizeof *events };
	uint64_t prints[COUNT];
	for (int i = 0; i < COUNT; i++) {
		struct tn_event *event = event_of(events[i]);
		prints[i] = tn_dedup_fingerprint(event);
		tn_event_unref(event);
		for (int j = 0; j < i; j++)
			assert_true(prints[i] != prints[j]);
	}
	struct tn_event *other = event_of(EVENT("2", "/t", ",\"data\":\"a\",\"subject\":\"x\""));
	assert_true(tn_dedup_fingerprint(other) == prints[2]);
	tn_event_unref(other);
}

static void a_header_is_read_quoted_or_bare(void **state)
{
	give_header("\"k-1\"");
	struct tn_id key = key_of(EVENT("1", "/s", ""));
	assert_true(same(key, key_of(EVENT("2", "/t", ""))));
	static const char *const alike[] = {"k-1", " k-1 ", "\"k-1\";a=b", "\"k\\-1\""};
	for (size_t i = 0; i < sizeof alike / sizeof *alike; i++) {
		give_header(alike[i]);
		assert_true(same(key, key_of(EVENT("1", "/s", ""))));
	}
	give_header("\"k-1"); /* no end: taken as it stands */
	assert_false(same(key, key_of(EVENT("1", "/s", ""))));
	assert_false(same(key, key_at(EVENT("1", "/s", ""), 1)));
}

static void without_a_header_there_is_no_key(void **state)
{
	config.by = TN_DEDUP_HEADER;
	struct tn_id key = key_of(EVENT("1", "/s", ""));
	assert_true(tn_id_is_zero(&key));
	give_header("\"\"");
	key = key_of(EVENT("1", "/s", ""));
	assert_true(tn_id_is_zero(&key));
}

static void a_path_leads_to_an_attribute_or_into_the_data(void **state)
{
	use_paths("data.order.id", "subject");
	struct tn_id key = key_of(EVENT("1", "/s", ",\"subject\":\"a\",\"data\":{\"x\":[1,{\"id\":2}],\"order\":{\"id\":7}}"));
	assert_true(same(key, key_of(EVENT("2", "/t", ",\"subject\":\"a\",\"data\":{\"order\":{\"z\":0,\"id\":7}}"))));
	assert_false(same(key, key_of(EVENT("1", "/s", ",\"subject\":\"a\",\"data\":{\"order\":{\"id\":8}}"))));
	assert_false(same(key, key_of(EVENT("1", "/s", ",\"subject\":\"b\",\"data\":{\"order\":{\"id\":7}}"))));
	use_paths("data.a", NULL);
	assert_true(same(key_of(EVENT("1", "/s", ",\"data\":{\"a\":\"x\\u0041\"}")), key_of(EVENT("1", "/s", ",\"data\":{\"\\u0061\":\"xA\"}"))));
	assert_true(same(key_of(EVENT("1", "/s", ",\"data\":{\"a\":[1,2]}")), key_of(EVENT("2", "/s", ",\"data\":{\"a\":[1,2]}"))));
}

static void a_path_that_leads_nowhere_makes_no_key(void **state)
{
	static const char *const events[] = {EVENT("1", "/s", ""), EVENT("1", "/s", ",\"data\":{}"), EVENT("1", "/s", ",\"data\":{\"a\":1}"),
		EVENT("1", "/s", ",\"data\":{\"a\":{\"b\":null}}"), EVENT("1", "/s", ",\"data\":[{\"a\":{\"b\":1}}]"),
		EVENT("1", "/s", ",\"datacontenttype\":\"text/plain\",\"data\":\"{}\"")};
	use_paths("data.a.b", NULL);
	for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
		struct tn_id key = key_of(events[i]);
		assert_true(tn_id_is_zero(&key));
	}
}

static void what_was_wrapped_here_has_no_key_by_its_new_id(void **state)
{
	from.wrapped = true;
	struct tn_id key = key_of(EVENT("1", "/s", ""));
	assert_true(tn_id_is_zero(&key));
}

static void paths_are_checked(void **state)
{
	static const char *const good[] = {"subject", "partitionkey", "data.a", "data.Order Id.x-1"};
	static const char *const bad[] = {"", "data", "data.", "data.a.", "data..a", "Subject", "a.b", "data_a"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(tn_dedup_path_is_valid(tn_str_from(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(tn_dedup_path_is_valid(tn_str_from(bad[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_event_is_its_source_and_id_within_its_bus_and_source, set_up),
		cmocka_unit_test_setup(keys_and_fingerprints_are_the_same_for_ever, set_up),
		cmocka_unit_test_setup(a_fingerprint_is_of_type_and_data, set_up),
		cmocka_unit_test_setup(a_header_is_read_quoted_or_bare, set_up),
		cmocka_unit_test_setup(without_a_header_there_is_no_key, set_up),
		cmocka_unit_test_setup(a_path_leads_to_an_attribute_or_into_the_data, set_up),
		cmocka_unit_test_setup(a_path_that_leads_nowhere_makes_no_key, set_up),
		cmocka_unit_test_setup(what_was_wrapped_here_has_no_key_by_its_new_id, set_up),
		cmocka_unit_test_setup(paths_are_checked, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
