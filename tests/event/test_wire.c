/* SPDX-License-Identifier: Apache-2.0
 *
 * test_wire.c - modes and formats beyond the vectors, on each transport.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "message.h"

#define EVENT "{\"specversion\":\"1.0\",\"id\":\"A-1\",\"source\":\"/s\",\"type\":\"t\"}"

static const struct tn_wire *const brokers[] = {&tn_wire_kafka, &tn_wire_amqp, &tn_wire_nats, &tn_wire_redis};

static void transports_are_found_by_name(void **state)
{
	assert_ptr_equal(tn_wire_find(TN_STR("nats")), &tn_wire_nats);
	assert_null(tn_wire_find(TN_STR("NATS")));
	assert_null(tn_wire_find(TN_STR("mqtt")));
}

static void only_http_takes_batches(void **state)
{
	assert_mode(decode(&tn_wire_http, TN_STR("[]"), HEADER("content-type", "Application/CloudEvents-Batch+JSON")), TN_MODE_BATCHED);
	for (size_t i = 0; i < 4; i++)
		assert_fault(decode(brokers[i], TN_STR("[]"), HEADER("content-type", "application/cloudevents-batch+json")),
			TN_FAULT_UNSUPPORTED_FORMAT, "");
}

static void formats_other_than_json_are_refused(void **state)
{
	static const char *const formats[] = {"application/cloudevents", "application/cloudeventsx+json", "application/cloudevents+xml",
		"application/cloudevents+json+x", "application/cloudevents-batch", "application/cloudevents+json; charset",
		"application/cloudevents+jsonx"};
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		struct tn_header header = {TN_STR("content-type"), tn_str_from(formats[i]), TN_STRING};
		assert_fault(decode(&tn_wire_http, TN_STR(EVENT), header), TN_FAULT_UNSUPPORTED_FORMAT, "");
	}
}

static void an_event_in_another_charset_is_refused(void **state)
{
	assert_fault(decode(&tn_wire_http, TN_STR(EVENT), HEADER("content-type", "application/cloudevents+json; charset=utf-16")),
		TN_FAULT_UNSUPPORTED_CHARSET, "");
	assert_mode(decode(&tn_wire_http, TN_STR(EVENT), HEADER("content-type", "application/cloudevents+json ;charset=\"US-ASCII\";")),
		TN_MODE_STRUCTURED);
}

static void a_repeated_content_type_is_refused(void **state)
{
	assert_fault(decode(&tn_wire_http, TN_STR("{}"), REQUIRED("ce-"), HEADER("content-type", "text/plain"),
		HEADER("Content-Type", "text/plain")), TN_FAULT_DUPLICATE_ATTRIBUTE, "datacontenttype");
}

static void brokers_sniff_and_http_does_not(void **state)
{
	for (size_t i = 0; i < 4; i++)
		assert_mode(decode(brokers[i], TN_STR(" " EVENT), HEADER("x", "y")), TN_MODE_STRUCTURED);
	assert_mode(decode(&tn_wire_http, TN_STR(EVENT), HEADER("x", "y")), TN_MODE_PLAIN);
}

static void sniffing_wants_four_strings_in_one_object(void **state)
{
	static const char *const plain[] = {"", "1", "[" EVENT "]", EVENT "x", "{\"specversion\":\"1.0\",\"id\":1,\"source\":\"/s\",\"type\":\"t\"}",
		"{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\"}", "{\"a\":" EVENT "}", "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\""};
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		assert_mode(decode(&tn_wire_kafka, tn_str_from(plain[i]), HEADER("x", "y")), TN_MODE_PLAIN);
}

static void a_sniffed_event_that_is_broken_is_refused_not_wrapped(void **state)
{
	assert_fault(decode(&tn_wire_nats, TN_STR("{\"specversion\":\"0.3\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}"), HEADER("x", "y")),
		TN_FAULT_UNSUPPORTED_SPECVERSION, "specversion");
}

static void attribute_headers_win_over_an_event_in_the_body(void **state)
{
	assert_mode(decode(&tn_wire_kafka, TN_STR(EVENT), REQUIRED("ce_")), TN_MODE_BINARY);
}

static void a_structured_message_without_body_is_refused(void **state)
{
	for (size_t i = 0; i < 4; i++)
		assert_fault(decode(brokers[i], ((struct tn_str){NULL, 0}), HEADER("content-type", "application/cloudevents+json")),
			TN_FAULT_INVALID_JSON, "");
}

static void the_content_type_property_wins_over_the_table(void **state)
{
	const struct tn_header headers[] = {REQUIRED("ce-"), HEADER("content-type", "text/plain")};
	struct tn_wire_input input = {.headers = headers, .header_count = 5, .content_type = TN_STR("application/json")};
	struct result result = {0};
	result.status = tn_wire_decode(&tn_wire_amqp, &input, NULL, &result.decoded, &result.error);
	assert_attribute(result, "datacontenttype", "application/json");
	input.content_type = TN_STR(""); /* a property that is set to nothing says nothing */
	result.status = tn_wire_decode(&tn_wire_amqp, &input, NULL, &result.decoded, &result.error);
	assert_int_equal(result.status, TN_OK);
	assert_null(tn_event_core(result.decoded.events[0], TN_CORE_DATACONTENTTYPE).bytes);
	result_fini(&result);
}

static void the_mode_alone_agrees_with_decoding(void **state)
{
	const struct tn_header headers[] = {REQUIRED("ce_")};
	assert_int_equal(tn_wire_mode(&tn_wire_kafka, &(struct tn_wire_input){.headers = headers, .header_count = 4}), TN_MODE_BINARY);
	assert_int_equal(tn_wire_mode(&tn_wire_http, &(struct tn_wire_input){.headers = headers, .header_count = 4}), TN_MODE_PLAIN);
	assert_int_equal(tn_wire_mode(&tn_wire_redis, &(struct tn_wire_input){.has_body = true, .body = TN_STR(EVENT)}),
		TN_MODE_STRUCTURED);
}

static void an_event_over_the_limit_is_413(void **state)
{
	const struct tn_header headers[] = {REQUIRED("ce-")};
	/* Ten bytes of data, and id A-1, source /s, type t: names and values. */
	const struct tn_wire_limits fits = {.event_bytes = 10 + 5 + 8 + 5}, small = {.event_bytes = 10 + 5 + 8 + 4};
	struct result result = decode_limited(&tn_wire_http, headers, 4, TN_STR("0123456789"), &fits);
	assert_int_equal(result.status, TN_OK);
	result_fini(&result);
	result = decode_limited(&tn_wire_http, headers, 4, TN_STR("0123456789"), &small);
	assert_int_equal(tn_wire_fault_status(result.error.fault), 413);
	assert_fault(result, TN_FAULT_TOO_LARGE, "");
}

static void every_refusal_has_a_status_of_4xx(void **state)
{
	for (enum tn_wire_fault fault = TN_FAULT_MISSING_ATTRIBUTE; fault <= TN_FAULT_PLAIN_REFUSED; fault++) {
		int status = tn_wire_fault_status(fault);
		assert_true(status == 400 || status == 413 || status == 415);
		assert_non_null(tn_wire_fault_name(fault));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transports_are_found_by_name),
		cmocka_unit_test(only_http_takes_batches),
		cmocka_unit_test(formats_other_than_json_are_refused),
		cmocka_unit_test(an_event_in_another_charset_is_refused),
		cmocka_unit_test(a_repeated_content_type_is_refused),
		cmocka_unit_test(brokers_sniff_and_http_does_not),
		cmocka_unit_test(sniffing_wants_four_strings_in_one_object),
		cmocka_unit_test(a_sniffed_event_that_is_broken_is_refused_not_wrapped),
		cmocka_unit_test(attribute_headers_win_over_an_event_in_the_body),
		cmocka_unit_test(a_structured_message_without_body_is_refused),
		cmocka_unit_test(the_content_type_property_wins_over_the_table),
		cmocka_unit_test(the_mode_alone_agrees_with_decoding),
		cmocka_unit_test(an_event_over_the_limit_is_413),
		cmocka_unit_test(every_refusal_has_a_status_of_4xx),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
