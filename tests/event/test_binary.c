/* SPDX-License-Identifier: Apache-2.0
 *
 * test_binary.c - attributes in headers, beyond the vectors: encodings, native types, many and large headers, and writing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "message.h"

#define NO_BODY ((struct tn_str){NULL, 0})

static struct result http_subject(struct tn_str value)
{
	const struct tn_header headers[] = {REQUIRED("ce-"), {TN_STR("ce-subject"), value, TN_STRING}};
	return decode_limited(&tn_wire_http, headers, 5, NO_BODY, NULL);
}

static struct result http_source(const char *value)
{
	const struct tn_header headers[] = {HEADER("ce-specversion", "1.0"), HEADER("ce-id", "1"), HEADER("ce-type", "t"),
		{TN_STR("ce-source"), tn_str_from(value), TN_STRING}};
	return decode_limited(&tn_wire_http, headers, 4, NO_BODY, NULL);
}

static struct result native(const char *name, const char *value, enum tn_value_type type)
{
	const struct tn_header headers[] = {REQUIRED("ce-"), {tn_str_from(name), tn_str_from(value), type}};
	return decode_limited(&tn_wire_amqp, headers, 5, NO_BODY, NULL);
}

static void quotes_are_undone_before_percent(void **state)
{
	assert_attribute(http_subject(TN_STR(" \t\"a%20b\"%22c\\\t ")), "subject", "a b\"c\\");
	assert_attribute(http_subject(TN_STR("a\"b\"c\"\"d")), "subject", "abcd");
	assert_attribute(http_subject(TN_STR("\"\\%41\"")), "subject", "A");
	assert_fault(http_subject(TN_STR("\"a\\\"")), TN_FAULT_INVALID_QUOTING, "subject");
	assert_fault(http_subject(TN_STR("\"a\\")), TN_FAULT_INVALID_QUOTING, "subject");
}

static void percent_is_undone_once_and_kept_where_it_is_none(void **state)
{
	assert_attribute(http_subject(TN_STR("%2541")), "subject", "%41");
	assert_attribute(http_subject(TN_STR("%")), "subject", "%");
	assert_attribute(http_subject(TN_STR("%4")), "subject", "%4");
	assert_attribute(http_subject(TN_STR("%%41%zz+")), "subject", "%A%zz+");
}

static void a_character_is_raw_or_encoded_as_a_whole(void **state)
{
	assert_attribute(http_subject(TN_STR("\xc3\xa9%C3%A9")), "subject", "\xc3\xa9\xc3\xa9");
	assert_fault(http_subject(TN_STR("\xc3%A9")), TN_FAULT_INVALID_UTF8, "subject");
	assert_fault(http_subject(TN_STR("%C3\xa9")), TN_FAULT_INVALID_UTF8, "subject");
	assert_fault(http_subject(TN_STR("%C3a")), TN_FAULT_INVALID_PERCENT_ENCODING, "subject");
	assert_fault(http_subject(TN_STR("%ED%A0%80")), TN_FAULT_INVALID_PERCENT_ENCODING, "subject");
	assert_fault(http_subject(TN_STR("%F4%90%80%80")), TN_FAULT_INVALID_PERCENT_ENCODING, "subject");
	assert_fault(http_subject(TN_STR("caf\xe9")), TN_FAULT_INVALID_UTF8, "subject");
}

static void excluded_characters_are_refused_however_they_come(void **state)
{
	static const char *const bad[] = {"a%0Ab", "%00", "%7F", "%C2%85", "%EF%BF%BE", "%EF%B7%90", "%F0%9F%BF%BF", "\xc2\x9f", "a\x7f"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_fault(http_subject(tn_str_from(bad[i])), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "subject");
	assert_attribute(http_subject(TN_STR("%EF%BF%BD")), "subject", "\xef\xbf\xbd");
}

static void an_unencoded_uri_is_taken_as_received(void **state)
{
	assert_attribute(http_source("/a%20b"), "source", "/a%20b");
	assert_attribute(http_source("/a%2Fb"), "source", "/a/b");
	assert_attribute(http_source("\"/a%20b\""), "source", "/a%20b");
	assert_fault(http_source("/a b"), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "source");
	assert_attribute(decode(&tn_wire_http, NO_BODY, REQUIRED("ce-"), HEADER("ce-dataref", "https://x/a%20b")), "dataref", "https://x/a%20b");
	assert_attribute(decode(&tn_wire_http, NO_BODY, REQUIRED("ce-"), HEADER("ce-other", "https://x/a%20b")), "other", "https://x/a b");
}

static void names_are_lower_cased_and_checked(void **state)
{
	assert_attribute(decode(&tn_wire_nats, NO_BODY, REQUIRED("CE-"), HEADER("cE-ComExt1", "v")), "comext1", "v");
	assert_fault(decode(&tn_wire_http, NO_BODY, REQUIRED("ce-"), HEADER("ce-", "v")), TN_FAULT_INVALID_ATTRIBUTE_NAME, "");
	assert_fault(decode(&tn_wire_http, NO_BODY, REQUIRED("ce-"), HEADER("ce-Content-Type", "v")), TN_FAULT_INVALID_ATTRIBUTE_NAME,
		"content-type");
	assert_fault(decode(&tn_wire_kafka, NO_BODY, REQUIRED("ce_"), HEADER("ce_\xff\n", "v")), TN_FAULT_INVALID_ATTRIBUTE_NAME, "??");
}

static void names_differing_in_case_are_the_same_name(void **state)
{
	assert_fault(decode(&tn_wire_kafka, NO_BODY, REQUIRED("ce_"), HEADER("CE_ID", "A-1")), TN_FAULT_DUPLICATE_ATTRIBUTE, "id");
	assert_fault(decode(&tn_wire_kafka, NO_BODY, REQUIRED("ce_"), HEADER("ce_x", ""), HEADER("ce_X", "")),
		TN_FAULT_DUPLICATE_ATTRIBUTE, "x");
}

static void brokers_without_percent_encoding_take_bytes_as_they_are(void **state)
{
	assert_attribute(decode(&tn_wire_kafka, NO_BODY, REQUIRED("ce_"), HEADER("ce_subject", " \"a%20")), "subject", " \"a%20");
	assert_fault(decode(&tn_wire_kafka, NO_BODY, REQUIRED("ce_"), HEADER("ce_subject", "\xff")), TN_FAULT_INVALID_UTF8, "subject");
}

static void two_content_types_must_agree_but_on_nats(void **state)
{
	assert_attribute(decode(&tn_wire_kafka, NO_BODY, REQUIRED("ce_"), HEADER("ce_datacontenttype", "text/plain")), "datacontenttype",
		"text/plain");
	assert_attribute(decode(&tn_wire_http, NO_BODY, REQUIRED("ce-"), HEADER("ce-datacontenttype", "TEXT/plain"),
		HEADER("Content-Type", "text/plain")), "datacontenttype", "text/plain");
	assert_attribute(decode(&tn_wire_nats, NO_BODY, REQUIRED("ce-"), HEADER("ce-datacontenttype", "text/plain"),
		HEADER("Content-Type", "text/html")), "datacontenttype", "text/plain");
	assert_fault(decode(&tn_wire_http, NO_BODY, REQUIRED("ce-"), HEADER("ce-datacontenttype", "text/plain"),
		HEADER("ce-datacontenttype", "text/plain")), TN_FAULT_DUPLICATE_ATTRIBUTE, "datacontenttype");
}

static void native_values_become_canonical_strings(void **state)
{
	assert_attribute(native("ce-time", "1522949460", TN_TIMESTAMP), "time", "2018-04-05T17:31:00Z");
	assert_attribute(native("ce-seen", "-1", TN_TIMESTAMP), "seen", "1969-12-31T23:59:59Z");
	assert_attribute(native("ce-n", "-2147483648", TN_INTEGER), "n", "-2147483648");
	assert_attribute(native("ce-n", "-0", TN_INTEGER), "n", "0");
	assert_attribute(native("ce-b", "false", TN_BOOLEAN), "b", "false");
	assert_attribute(native("ce-blob", "\x01\x02", TN_BYTES), "blob", "AQI=");
}

static void native_values_without_a_type_here_are_refused(void **state)
{
	assert_fault(native("ce-n", "2147483648", TN_INTEGER), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "n");
	assert_fault(native("ce-n", "1.5", TN_OTHER), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "n");
	assert_fault(native("ce-subject", "5", TN_INTEGER), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "subject");
	assert_fault(native("ce-seen", "999999999999999", TN_TIMESTAMP), TN_FAULT_INVALID_ATTRIBUTE_VALUE, "seen");
}

/* ce-<name of n>: header number n of many. */
static void many_headers(struct tn_header *headers, char (*names)[16], size_t count, struct tn_str value)
{
	const struct tn_header required[] = {REQUIRED("ce-")};
	memcpy(headers, required, sizeof required);
	for (size_t i = 4; i < count; i++) {
		snprintf(names[i], sizeof names[i], "ce-x%zu", i);
		headers[i] = (struct tn_header){tn_str_from(names[i]), value, TN_STRING};
	}
}

static void sixty_four_kib_of_attributes_are_taken(void **state)
{
	enum { COUNT = 5000 };
	struct tn_header *headers = calloc(COUNT, sizeof *headers);
	char (*names)[16] = calloc(COUNT, sizeof *names);
	assert_true(headers && names);
	many_headers(headers, names, COUNT, TN_STR("%20a\"b\""));
	struct result result = decode_limited(&tn_wire_http, headers, COUNT, NO_BODY, &(struct tn_wire_limits){.event_bytes = 1 << 20});
	assert_int_equal(result.status, TN_OK);
	size_t count;
	const struct tn_attribute *attributes = tn_event_attributes(result.decoded.events[0], &count);
	assert_int_equal(count, COUNT - 1);
	assert_true(tn_str_is(attributes[COUNT - 2].name, "x4999"));
	assert_true(tn_str_is(attributes[3].value, " ab"));
	result_fini(&result);
	free(headers);
	free(names);
}

static void one_attribute_of_64_kib_is_taken(void **state)
{
	size_t len = 64 * 1024;
	char *value = malloc(len);
	assert_non_null(value);
	memset(value, 'a', len);
	struct result result = http_subject(tn_str_make(value, len));
	assert_int_equal(result.status, TN_OK);
	assert_int_equal(tn_event_core(result.decoded.events[0], TN_CORE_SUBJECT).len, len);
	result_fini(&result);
	free(value);
}

static void a_duplicate_among_many_is_found(void **state)
{
	enum { COUNT = 1000 };
	static struct tn_header headers[COUNT];
	static char names[COUNT][16];
	many_headers(headers, names, COUNT, TN_STR("v"));
	headers[COUNT - 1].name = TN_STR("CE-X17");
	assert_fault(decode_limited(&tn_wire_http, headers, COUNT, NO_BODY, NULL), TN_FAULT_DUPLICATE_ATTRIBUTE, "x17");
}

static void buffers_are_reused_from_event_to_event(void **state)
{
	/* The second event is larger than the first: the buffers grow, and nothing of the first is left. */
	const struct tn_attribute small[] = {{TN_STR("id"), TN_STR("1"), TN_STRING}, {TN_STR("source"), TN_STR("/s"), TN_STRING},
		{TN_STR("type"), TN_STR("t"), TN_STRING}};
	struct tn_attribute large[43];
	memcpy(large, small, sizeof small);
	static char names[43][16];
	for (size_t i = 3; i < 43; i++) {
		snprintf(names[i], sizeof names[i], "ext%zu", i);
		large[i] = (struct tn_attribute){tn_str_from(names[i]), TN_STR("h\xc3\xa9 \"%\""), TN_STRING};
	}
	struct tn_event *one = tn_event_new(&(struct tn_event_parts){.attributes = small, .attribute_count = 3});
	struct tn_event *two = tn_event_new(&(struct tn_event_parts){.attributes = large, .attribute_count = 43, .has_data = true,
		.data = TN_STR("x")});
	struct tn_encoded encoded = {0};
	tn_wire_encode(&tn_wire_http, one, TN_MODE_BINARY, &encoded);
	assert_int_equal(encoded.header_count, 4);
	tn_wire_encode(&tn_wire_http, two, TN_MODE_BINARY, &encoded);
	assert_int_equal(encoded.header_count, 44);
	for (size_t i = 4; i < 44; i++) {
		assert_true(tn_str_starts(encoded.headers[i].name, TN_STR("ce-ext")));
		assert_true(tn_str_is(encoded.headers[i].value, "h%C3%A9%20%22%25%22"));
	}
	tn_wire_encode(&tn_wire_http, one, TN_MODE_BINARY, &encoded);
	assert_int_equal(encoded.header_count, 4);
	assert_false(encoded.has_body);
	tn_encoded_fini(&encoded);
	tn_event_unref(one);
	tn_event_unref(two);
}

static void an_event_that_carries_an_event_is_not_mistaken_for_it(void **state)
{
	const struct tn_attribute attributes[] = {{TN_STR("id"), TN_STR("outer"), TN_STRING}, {TN_STR("source"), TN_STR("/s"), TN_STRING},
		{TN_STR("type"), TN_STR("t"), TN_STRING},
		{TN_STR("datacontenttype"), TN_STR("application/cloudevents+json"), TN_STRING}};
	static const struct tn_wire *const wires[] = {&tn_wire_http, &tn_wire_kafka, &tn_wire_amqp, &tn_wire_nats, &tn_wire_redis};
	struct tn_event *event = tn_event_new(&(struct tn_event_parts){.attributes = attributes, .attribute_count = 4,
		.has_data = true, .data = TN_STR("{\"specversion\":\"1.0\",\"id\":\"inner\",\"source\":\"/s\",\"type\":\"t\"}")});
	struct tn_encoded encoded = {0};
	for (size_t i = 0; i < 5; i++) {
		tn_wire_encode(wires[i], event, TN_MODE_BINARY, &encoded);
		assert_attribute(decode_limited(wires[i], encoded.headers, encoded.header_count, encoded.body, NULL), "id", "outer");
	}
	tn_encoded_fini(&encoded);
	tn_event_unref(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes_are_undone_before_percent),
		cmocka_unit_test(percent_is_undone_once_and_kept_where_it_is_none),
		cmocka_unit_test(a_character_is_raw_or_encoded_as_a_whole),
		cmocka_unit_test(excluded_characters_are_refused_however_they_come),
		cmocka_unit_test(an_unencoded_uri_is_taken_as_received),
		cmocka_unit_test(names_are_lower_cased_and_checked),
		cmocka_unit_test(names_differing_in_case_are_the_same_name),
		cmocka_unit_test(brokers_without_percent_encoding_take_bytes_as_they_are),
		cmocka_unit_test(two_content_types_must_agree_but_on_nats),
		cmocka_unit_test(native_values_become_canonical_strings),
		cmocka_unit_test(native_values_without_a_type_here_are_refused),
		cmocka_unit_test(sixty_four_kib_of_attributes_are_taken),
		cmocka_unit_test(one_attribute_of_64_kib_is_taken),
		cmocka_unit_test(a_duplicate_among_many_is_found),
		cmocka_unit_test(buffers_are_reused_from_event_to_event),
		cmocka_unit_test(an_event_that_carries_an_event_is_not_mistaken_for_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
