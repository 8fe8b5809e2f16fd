/* SPDX-License-Identifier: Apache-2.0
 *
 * test_event.c - an event keeps its own copy of everything it was made from, in order, and knows what its data is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/event.h"

#define ATTRIBUTE(name, value) {TN_STR(name), TN_STR(value), TN_STRING}

static const struct tn_attribute minimal[] = {
	ATTRIBUTE("zeta", "1"), ATTRIBUTE("type", "t"), ATTRIBUTE("alpha", "2"), ATTRIBUTE("source", "/s"), ATTRIBUTE("id", "i"),
};

static struct tn_event *new_minimal(void)
{
	return tn_event_new(&(struct tn_event_parts){.attributes = minimal, .attribute_count = 5, .accepted_ms = 7});
}

/* Data of this media type ("": none), judged. */
static enum tn_data_kind kind_of(const char *media_type, struct tn_str data, enum tn_data_form form)
{
	struct tn_attribute attribute = {TN_STR("datacontenttype"), tn_str_from(media_type), TN_STRING};
	struct tn_event *event = tn_event_new(&(struct tn_event_parts){.attributes = &attribute,
		.attribute_count = attribute.value.len > 0, .has_data = true, .data = data, .data_form = form});
	enum tn_data_kind kind = tn_event_data_kind(event);
	tn_event_unref(event);
	return kind;
}

static void core_attributes_come_first_and_extensions_as_they_came(void **state)
{
	static const char *const order[] = {"id", "source", "type", "zeta", "alpha"};
	struct tn_event *event = new_minimal();
	size_t count;
	const struct tn_attribute *attributes = tn_event_attributes(event, &count);
	assert_int_equal(count, 5);
	for (size_t i = 0; i < count; i++)
		assert_true(tn_str_is(attributes[i].name, order[i]));
	tn_event_unref(event);
}

static void an_event_outlives_what_it_was_made_from(void **state)
{
	char name[] = "ext", value[] = "value", data[] = "data";
	struct tn_attribute attribute = {tn_str_from(name), tn_str_from(value), TN_STRING};
	struct tn_event *event = tn_event_new(&(struct tn_event_parts){.attributes = &attribute, .attribute_count = 1,
		.has_data = true, .data = tn_str_from(data)});
	memset(name, 'x', 3);
	memset(value, 'x', 5);
	memset(data, 'x', 4);
	assert_true(tn_str_is(tn_event_find(event, TN_STR("ext"))->value, "value"));
	assert_true(tn_str_is(tn_event_data(event), "data"));
	tn_event_unref(event);
}

static void attributes_are_found_by_name(void **state)
{
	struct tn_event *event = new_minimal();
	assert_true(tn_str_is(tn_event_core(event, TN_CORE_SOURCE), "/s"));
	assert_null(tn_event_core(event, TN_CORE_TIME).bytes);
	assert_true(tn_str_is(tn_event_find(event, TN_STR("type"))->value, "t"));
	assert_true(tn_str_is(tn_event_find(event, TN_STR("alpha"))->value, "2"));
	assert_null(tn_event_find(event, TN_STR("beta")));
	assert_null(tn_event_find(event, TN_STR("subject")));
	tn_event_unref(event);
}

static void specversion_is_found_but_not_listed(void **state)
{
	struct tn_event *event = new_minimal();
	assert_true(tn_str_is(tn_event_find(event, TN_STR("specversion"))->value, "1.0"));
	tn_event_unref(event);
}

static void no_data_differs_from_empty_data(void **state)
{
	struct tn_event *none = new_minimal();
	struct tn_event *empty = tn_event_new(&(struct tn_event_parts){.has_data = true});
	assert_false(tn_event_has_data(none));
	assert_int_equal(tn_event_data_kind(none), TN_DATA_NONE);
	assert_true(tn_event_has_data(empty));
	assert_int_equal(tn_event_data_kind(empty), TN_DATA_BINARY);
	tn_event_unref(none);
	tn_event_unref(empty);
}

static void data_is_json_when_type_and_bytes_say_so(void **state)
{
	assert_int_equal(kind_of("application/json", TN_STR(" {\"a\":1} "), TN_FORM_OPAQUE), TN_DATA_JSON);
	assert_int_equal(kind_of("Application/Vnd.x+JSON; a=b", TN_STR("1"), TN_FORM_OPAQUE), TN_DATA_JSON);
	assert_int_equal(kind_of("text/json", TN_STR("null"), TN_FORM_OPAQUE), TN_DATA_JSON);
	assert_int_equal(kind_of("application/json", TN_STR("{"), TN_FORM_OPAQUE), TN_DATA_BINARY);
	assert_int_equal(kind_of("application/json-seq", TN_STR("1"), TN_FORM_OPAQUE), TN_DATA_BINARY);
	assert_int_equal(kind_of("", TN_STR("1"), TN_FORM_OPAQUE), TN_DATA_BINARY);
}

static void data_is_text_when_type_and_utf8_say_so(void **state)
{
	assert_int_equal(kind_of("text/plain", TN_STR("h\xc3\xa9"), TN_FORM_OPAQUE), TN_DATA_TEXT);
	assert_int_equal(kind_of("text/plain; charset=\"UTF-8\"", TN_STR("h"), TN_FORM_OPAQUE), TN_DATA_TEXT);
	assert_int_equal(kind_of("image/svg+xml", TN_STR("<a/>"), TN_FORM_OPAQUE), TN_DATA_TEXT);
	assert_int_equal(kind_of("text/plain; charset=latin1", TN_STR("h"), TN_FORM_OPAQUE), TN_DATA_BINARY);
	assert_int_equal(kind_of("text/plain", TN_STR("h\xe9"), TN_FORM_OPAQUE), TN_DATA_BINARY);
}

static void base64_data_is_binary_whatever_its_type(void **state)
{
	assert_int_equal(kind_of("application/json", TN_STR("{}"), TN_FORM_BASE64), TN_DATA_BINARY);
	assert_int_equal(kind_of("text/plain", TN_STR("x"), TN_FORM_BASE64), TN_DATA_BINARY);
}

static void json_data_deeper_than_the_limit_is_bytes(void **state)
{
	char deep[2 * (TN_EVENT_DATA_DEPTH + 1)];
	memset(deep, '[', sizeof deep / 2);
	memset(deep + sizeof deep / 2, ']', sizeof deep / 2);
	assert_int_equal(kind_of("application/json", tn_str_make(deep, sizeof deep), TN_FORM_OPAQUE), TN_DATA_BINARY);
	assert_int_equal(kind_of("application/json", tn_str_make(deep + 1, sizeof deep - 2), TN_FORM_OPAQUE), TN_DATA_JSON);
}

static void a_raw_event_has_bytes_and_a_reason(void **state)
{
	struct tn_event *event = tn_event_new_raw(TN_STR("\0\xff"), TN_STR("not JSON"), 9);
	size_t count;
	assert_true(tn_event_is_raw(event));
	assert_true(tn_str_equal(tn_event_data(event), TN_STR("\0\xff")));
	assert_true(tn_str_is(tn_event_raw_reason(event), "not JSON"));
	assert_int_equal(tn_event_accepted_ms(event), 9);
	tn_event_attributes(event, &count);
	assert_int_equal(count, 0);
	assert_null(tn_event_find(event, TN_STR("specversion")));
	tn_event_unref(event);
}

static void cost_covers_every_byte_kept(void **state)
{
	struct tn_event *small = new_minimal();
	struct tn_event *large = tn_event_new(&(struct tn_event_parts){.attributes = minimal, .attribute_count = 5,
		.has_data = true, .data = TN_STR("0123456789")});
	assert_int_equal(tn_event_cost(large) - tn_event_cost(small), 10);
	assert_true(tn_event_cost(small) > 5 * sizeof(struct tn_attribute));
	tn_event_unref(small);
	tn_event_unref(large);
}

static void the_last_reference_frees(void **state)
{
	struct tn_event *event = new_minimal();
	assert_ptr_equal(tn_event_ref(event), event);
	tn_event_unref(event);
	assert_true(tn_str_is(tn_event_core(event, TN_CORE_ID), "i"));
	tn_event_unref(event);
	tn_event_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(core_attributes_come_first_and_extensions_as_they_came),
		cmocka_unit_test(an_event_outlives_what_it_was_made_from),
		cmocka_unit_test(attributes_are_found_by_name),
		cmocka_unit_test(specversion_is_found_but_not_listed),
		cmocka_unit_test(no_data_differs_from_empty_data),
		cmocka_unit_test(data_is_json_when_type_and_bytes_say_so),
		cmocka_unit_test(data_is_text_when_type_and_utf8_say_so),
		cmocka_unit_test(base64_data_is_binary_whatever_its_type),
		cmocka_unit_test(json_data_deeper_than_the_limit_is_bytes),
		cmocka_unit_test(a_raw_event_has_bytes_and_a_reason),
		cmocka_unit_test(cost_covers_every_byte_kept),
		cmocka_unit_test(the_last_reference_frees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
