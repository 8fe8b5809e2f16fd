/* SPDX-License-Identifier: Apache-2.0
 *
 * test_eventbridge.c - an event as an envelope, an envelope as an event, and that the two ways invert each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/event.h"
#include "turnout/wire.h"

static const char envelope[] = "{\"version\":\"0\",\"id\":\"6a7e8feb-b491-4cf7-a9f1-bf3703467718\","
	"\"detail-type\":\"EC2 Instance State-change Notification\",\"source\":\"aws.ec2\",\"account\":\"111122223333\","
	"\"time\":\"2017-12-22T18:43:48Z\",\"region\":\"us-west-1\","
	"\"resources\":[\"arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0\"],"
	"\"detail\":{\"instance-id\":\"i-1234567890abcdef0\",\"n\":1.50}}";

static struct tn_event *event_of(const char *json)
{
	struct tn_event *event = NULL;
	struct tn_wire_error error = {0};
	if (tn_event_from_json(tn_str_from(json), 1522949460999, &event, &error) != TN_OK)
		fail_msg("%s", error.message);
	return event;
}

static struct tn_event *taken(const char *json)
{
	struct tn_event *event = NULL;
	struct tn_error error = {{0}};
	if (tn_event_from_eventbridge(tn_str_from(json), 0, &event, &error) != TN_OK)
		fail_msg("%s", error.message);
	return event;
}

/* Takes event. */
static void assert_envelope(struct tn_event *event, const struct tn_eventbridge *defaults, const char *expected)
{
	struct tn_buf out = {0};
	tn_event_to_eventbridge(event, defaults, &out);
	assert_string_equal(tn_buf_terminate(&out), expected);
	tn_buf_fini(&out);
	tn_event_unref(event);
}

#define EVENT(members) event_of("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"" members "}")
#define ENVELOPE(account, time, region, resources, detail) "{\"version\":\"0\",\"id\":\"1\",\"detail-type\":\"t\",\"source\":\"/s\"," \
	"\"account\":\"" account "\",\"time\":\"" time "\",\"region\":\"" region "\",\"resources\":" resources ",\"detail\":" detail "}"
#define DETAIL(detail) ENVELOPE("000000000000", "2018-04-05T17:31:00Z", "", "[]", detail)

static void assert_refused(const char *json, const char *part)
{
	struct tn_event *event = NULL;
	struct tn_error error = {{0}};
	assert_int_equal(tn_event_from_eventbridge(tn_str_from(json), 0, &event, &error), TN_INVALID);
	assert_null(event);
	if (!strstr(error.message, part))
		fail_msg("'%s' does not say '%s'", error.message, part);
}

static void an_envelope_comes_back_as_it_was(void **state)
{
	assert_envelope(taken(envelope), NULL, envelope);
}

static void an_envelope_without_resources_comes_back_too(void **state)
{
	static const char none[] = "{\"version\":\"0\",\"id\":\"1\",\"detail-type\":\"t\",\"source\":\"s\",\"account\":\"1\","
		"\"time\":\"2017-12-22T18:43:48Z\",\"region\":\"\",\"resources\":[],\"detail\":{}}";
	assert_envelope(taken(none), NULL, none);
}

static void an_envelope_becomes_a_cloudevent(void **state)
{
	struct tn_event *event = taken(envelope);
	assert_true(tn_str_is(tn_event_core(event, TN_CORE_TYPE), "EC2 Instance State-change Notification"));
	assert_true(tn_str_is(tn_event_core(event, TN_CORE_SOURCE), "aws.ec2"));
	assert_true(tn_str_is(tn_event_core(event, TN_CORE_TIME), "2017-12-22T18:43:48Z"));
	assert_true(tn_str_is(tn_event_core(event, TN_CORE_SUBJECT), "arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0"));
	assert_true(tn_str_is(tn_event_core(event, TN_CORE_DATACONTENTTYPE), "application/json"));
	assert_true(tn_str_is(tn_event_find(event, TN_STR("ebaccount"))->value, "111122223333"));
	assert_true(tn_str_is(tn_event_find(event, TN_STR("ebregion"))->value, "us-west-1"));
	assert_true(tn_str_is(tn_event_data(event), "{\"instance-id\":\"i-1234567890abcdef0\",\"n\":1.50}"));
	assert_int_equal(tn_event_data_kind(event), TN_DATA_JSON);
	tn_event_unref(event);
}

static void a_cloudevent_with_object_data_comes_back(void **state)
{
	struct tn_event *event = EVENT(",\"time\":\"2018-04-05T17:31:00Z\",\"subject\":\"x\",\"data\":{\"a\":1.0}");
	struct tn_buf out = {0};
	tn_event_to_eventbridge(event, NULL, &out);
	struct tn_event *back = taken(tn_buf_terminate(&out));
	for (unsigned which = 0; which < TN_CORE_COUNT; which++)
		assert_true(tn_str_equal(tn_event_core(event, which), tn_event_core(back, which)));
	assert_true(tn_str_equal(tn_event_data(event), tn_event_data(back)));
	tn_event_unref(event);
	tn_event_unref(back);
	tn_buf_fini(&out);
}

static void several_resources_are_no_subject(void **state)
{
	struct tn_event *event = taken("{\"id\":\"1\",\"detail-type\":\"t\",\"source\":\"s\",\"time\":\"2017-12-22T18:43:48Z\","
		"\"resources\":[ \"a b\" ,\n\"\\u0007\" ],\"detail\":{}}");
	assert_null(tn_event_core(event, TN_CORE_SUBJECT).bytes);
	assert_true(tn_str_is(tn_event_find(event, TN_STR("ebresources"))->value, "[\"a b\",\"\\u0007\"]"));
	assert_null(tn_event_find(event, TN_STR("ebaccount")));
	tn_event_unref(event);
}

static void time_is_utc_cut_to_seconds_else_ingest_time(void **state)
{
	assert_envelope(EVENT(",\"time\":\"2018-04-05T19:31:07.9+02:00\""), NULL,
		ENVELOPE("000000000000", "2018-04-05T17:31:07Z", "", "[]", "{}"));
	assert_envelope(EVENT(""), NULL, DETAIL("{}"));
	assert_envelope(EVENT(",\"time\":\"0000-01-01T00:00:00+01:00\""), NULL,
		ENVELOPE("000000000000", "0000-01-01T00:00:00+01:00", "", "[]", "{}"));
}

static void the_configuration_fills_in_account_and_region(void **state)
{
	const struct tn_eventbridge defaults = {TN_STR("123456789012"), TN_STR("eu-central-1")};
	assert_envelope(EVENT(""), &defaults, ENVELOPE("123456789012", "2018-04-05T17:31:00Z", "eu-central-1", "[]", "{}"));
	assert_envelope(EVENT(",\"ebaccount\":\"9\",\"ebregion\":\"x\""), &defaults,
		ENVELOPE("9", "2018-04-05T17:31:00Z", "x", "[]", "{}"));
}

static void resources_are_ebresources_or_the_subject(void **state)
{
	assert_envelope(EVENT(",\"subject\":\"a\\\"b\""), NULL,
		ENVELOPE("000000000000", "2018-04-05T17:31:00Z", "", "[\"a\\\"b\"]", "{}"));
	assert_envelope(EVENT(",\"subject\":\"s\",\"ebresources\":\"[\\\"a\\\",\\\"b\\\"]\""), NULL,
		ENVELOPE("000000000000", "2018-04-05T17:31:00Z", "", "[\"a\",\"b\"]", "{}"));
	/* Anybody may send an extension of that name. */
	assert_envelope(EVENT(",\"subject\":\"s\",\"ebresources\":\"[1]\""), NULL,
		ENVELOPE("000000000000", "2018-04-05T17:31:00Z", "", "[\"s\"]", "{}"));
	assert_envelope(EVENT(",\"ebresources\":\"[\\\"a\\\"]],\""), NULL, DETAIL("{}"));
}

static void data_that_is_no_object_is_wrapped(void **state)
{
	assert_envelope(EVENT(",\"data\": {\"a\" : 1} "), NULL, DETAIL("{\"a\" : 1}"));
	assert_envelope(EVENT(",\"data\":[1]"), NULL, DETAIL("{\"data\":[1]}"));
	assert_envelope(EVENT(",\"data\":null"), NULL, DETAIL("{\"data\":null}"));
	assert_envelope(EVENT(",\"datacontenttype\":\"text/plain\",\"data\":\"a\\nb\""), NULL, DETAIL("{\"data\":\"a\\nb\"}"));
	assert_envelope(EVENT(",\"data_base64\":\"AAE=\""), NULL, DETAIL("{\"data_base64\":\"AAE=\"}"));
}

static void a_source_is_escaped_into_a_uri(void **state)
{
	static const char *const cases[][2] = {{"my app", "my%20app"}, {"caf\xc3\xa9", "caf%C3%A9"}, {"100%", "100%25"},
		{"a%20b", "a%20b"}, {"a b%2x", "a%20b%252x"}, {"a[1]", "a%5B1%5D"}, {"a#b#c", "a#b%23c"}, {"1:2 3/4:5", "1%3A2%203/4:5"}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tn_buf json = {0};
		tn_buf_addf(&json, "{\"id\":\"1\",\"detail-type\":\"t\",\"source\":\"%s\",\"time\":\"2017-12-22T18:43:48Z\",\"detail\":{}}",
			cases[i][0]);
		struct tn_event *event = taken(tn_buf_terminate(&json));
		struct tn_str source = tn_event_core(event, TN_CORE_SOURCE);
		if (!tn_str_is(source, cases[i][1]))
			fail_msg("%.*s", TN_STR_ARG(source));
		tn_event_unref(event);
		tn_buf_fini(&json);
	}
}

static void a_bad_envelope_is_refused_by_member(void **state)
{
	assert_refused("[]", "not a JSON object");
	assert_refused("{\"id\":\"1\"", "ends too early");
	assert_refused("{}", "'id' is missing");
	assert_refused("{\"id\":1}", "'id' is not a string");
	assert_refused("{\"id\":\"1\",\"id\":\"1\"}", "'id' is there twice");
	assert_refused("{\"id\":\"1\",\"detail-type\":\"\",\"source\":\"s\",\"time\":\"2017-12-22T18:43:48Z\",\"detail\":{}}", "'detail-type'");
	assert_refused("{\"id\":\"1\",\"detail-type\":\"t\",\"source\":\"s\",\"time\":\"now\",\"detail\":{}}", "'time'");
	assert_refused("{\"id\":\"1\",\"detail-type\":\"t\",\"source\":\"s\",\"time\":\"2017-12-22T18:43:48Z\"}", "'detail' is missing");
	assert_refused("{\"detail\":[]}", "'detail' is not an object");
	assert_refused("{\"version\":\"1\",\"id\":\"1\",\"detail-type\":\"t\",\"source\":\"s\",\"time\":\"2017-12-22T18:43:48Z\",\"detail\":{}}",
		"'version'");
	assert_refused("{\"resources\":[1],\"id\":\"1\",\"detail-type\":\"t\",\"source\":\"s\",\"time\":\"2017-12-22T18:43:48Z\",\"detail\":{}}",
		"'resources'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_envelope_comes_back_as_it_was),
		cmocka_unit_test(an_envelope_without_resources_comes_back_too),
		cmocka_unit_test(an_envelope_becomes_a_cloudevent),
		cmocka_unit_test(a_cloudevent_with_object_data_comes_back),
		cmocka_unit_test(several_resources_are_no_subject),
		cmocka_unit_test(time_is_utc_cut_to_seconds_else_ingest_time),
		cmocka_unit_test(the_configuration_fills_in_account_and_region),
		cmocka_unit_test(resources_are_ebresources_or_the_subject),
		cmocka_unit_test(data_that_is_no_object_is_wrapped),
		cmocka_unit_test(a_source_is_escaped_into_a_uri),
		cmocka_unit_test(a_bad_envelope_is_refused_by_member),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
