/* SPDX-License-Identifier: Apache-2.0
 *
 * test_record.c - what was frozen thaws to the same event, and nothing else thaws.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "turnout/event.h"

static const struct tn_attribute attributes[] = {
	{TN_STR("id"), TN_STR("A-1"), TN_STRING},
	{TN_STR("source"), TN_STR("/s"), TN_STRING},
	{TN_STR("type"), TN_STR("caf\xc3\xa9"), TN_STRING},
	{TN_STR("time"), TN_STR("2018-04-05T17:31:00Z"), TN_TIMESTAMP},
	{TN_STR("datacontenttype"), TN_STR("application/json"), TN_STRING},
	{TN_STR("empty"), TN_STR(""), TN_STRING},
	{TN_STR("severity"), TN_STR("-3"), TN_INTEGER},
	{TN_STR("deprecated"), TN_STR("true"), TN_BOOLEAN},
	{TN_STR("blob"), TN_STR("AAE="), TN_BYTES},
};

static struct tn_event *new_event(bool has_data, struct tn_str data, enum tn_data_form form)
{
	return tn_event_new(&(struct tn_event_parts){.attributes = attributes,
		.attribute_count = sizeof attributes / sizeof *attributes, .has_data = has_data, .data = data,
		.data_form = form, .accepted_ms = -5});
}

static struct tn_event *thaw(struct tn_str record)
{
	struct tn_event *event = NULL;
	assert_int_equal(tn_event_thaw(record, &event, NULL), TN_OK);
	return event;
}

static void assert_same(const struct tn_event *a, const struct tn_event *b)
{
	size_t count, other_count;
	const struct tn_attribute *one = tn_event_attributes(a, &count), *other = tn_event_attributes(b, &other_count);
	assert_int_equal(count, other_count);
	for (size_t i = 0; i < count; i++) {
		assert_true(tn_str_equal(one[i].name, other[i].name));
		assert_true(tn_str_equal(one[i].value, other[i].value));
		assert_int_equal(one[i].type, other[i].type);
	}
	assert_int_equal(tn_event_has_data(a), tn_event_has_data(b));
	assert_true(tn_str_equal(tn_event_data(a), tn_event_data(b)));
	assert_int_equal(tn_event_data_kind(a), tn_event_data_kind(b));
	assert_int_equal(tn_event_data_was_base64(a), tn_event_data_was_base64(b));
	assert_int_equal(tn_event_accepted_ms(a), tn_event_accepted_ms(b));
	assert_int_equal(tn_event_is_raw(a), tn_event_is_raw(b));
	assert_true(tn_str_equal(tn_event_raw_reason(a), tn_event_raw_reason(b)));
}

/* Takes event. */
static void assert_survives(struct tn_event *event)
{
	struct tn_buf record = {0};
	tn_event_freeze(event, &record);
	struct tn_event *back = thaw(tn_buf_str(&record));
	assert_same(event, back);
	tn_event_unref(event);
	tn_event_unref(back);
	tn_buf_fini(&record);
}

static void every_shape_of_event_survives(void **state)
{
	assert_survives(new_event(false, (struct tn_str){NULL, 0}, TN_FORM_OPAQUE));
	assert_survives(new_event(true, TN_STR(""), TN_FORM_OPAQUE));
	assert_survives(new_event(true, TN_STR("{\"a\":1}"), TN_FORM_JSON));
	assert_survives(new_event(true, TN_STR("{\"a\":"), TN_FORM_OPAQUE));
	assert_survives(new_event(true, TN_STR("{\"a\":1}"), TN_FORM_BASE64));
	assert_survives(new_event(true, TN_STR("\0\xff\x80"), TN_FORM_BASE64));
	assert_survives(tn_event_new(&(struct tn_event_parts){.accepted_ms = INT64_MAX}));
	assert_survives(tn_event_new_raw(TN_STR("\0\xff"), TN_STR("not JSON"), INT64_MIN));
	assert_survives(tn_event_new_raw(TN_STR(""), TN_STR(""), 0));
}

static void records_are_appended(void **state)
{
	struct tn_buf record = {0};
	struct tn_event *event = new_event(true, TN_STR("1"), TN_FORM_OPAQUE);
	tn_buf_add_text(&record, "before");
	tn_event_freeze(event, &record);
	struct tn_event *back = thaw(tn_str_tail(tn_buf_str(&record), 6));
	assert_same(event, back);
	tn_event_unref(event);
	tn_event_unref(back);
	tn_buf_fini(&record);
}

/* Written by the first release; must be read by all later ones. */
static void a_record_of_version_1_is_read_for_ever(void **state)
{
	static const char record[] =
		"\x01\x02" "\x6a\x76\xce\x66\x23\x37\xa4\xca" "\xe8\x03\0\0\0\0\0\0" "\x04\0\0\0"
		"\0\x02\0\0\0id\x01\0\0\0" "a"
		"\0\x06\0\0\0source\x02\0\0\0/s"
		"\0\x04\0\0\0type\x01\0\0\0t"
		"\x02\x01\0\0\0n\x01\0\0\0" "7"
		"\x03\0\0\0\0\0\0\0xyz";
	struct tn_event *event = thaw(tn_str_make(record, sizeof record - 1));
	assert_true(tn_str_is(tn_event_core(event, TN_CORE_SOURCE), "/s"));
	assert_int_equal(tn_event_find(event, TN_STR("n"))->type, TN_INTEGER);
	assert_true(tn_str_is(tn_event_data(event), "xyz"));
	assert_int_equal(tn_event_accepted_ms(event), 1000);
	tn_event_unref(event);
}

static void no_flipped_bit_goes_unseen(void **state)
{
	struct tn_buf record = {0};
	struct tn_event *event = new_event(true, TN_STR("{\"a\":[1,2,3]}"), TN_FORM_OPAQUE), *none = NULL;
	tn_event_freeze(event, &record);
	for (size_t bit = 0; bit < record.len * 8; bit++) {
		struct tn_error error = {{0}};
		record.bytes[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(tn_event_thaw(tn_buf_str(&record), &none, &error), TN_INVALID);
		assert_non_null(strstr(error.message, "byte"));
		record.bytes[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_null(none);
	tn_event_unref(event);
	tn_buf_fini(&record);
}

static void a_cut_record_is_refused_at_every_length(void **state)
{
	struct tn_buf record = {0};
	struct tn_event *event = new_event(true, TN_STR("data"), TN_FORM_OPAQUE), *none = NULL;
	tn_event_freeze(event, &record);
	for (size_t len = 0; len < record.len; len++) {
		char *exact = malloc(len ? len : 1); /* so that a read past the end is seen */
		assert_non_null(exact);
		memcpy(exact, record.bytes, len);
		assert_int_equal(tn_event_thaw(tn_str_make(exact, len), &none, NULL), TN_INVALID);
		free(exact);
	}
	tn_event_unref(event);
	tn_buf_fini(&record);
}

static void a_newer_version_is_refused_by_number(void **state)
{
	struct tn_error error = {{0}};
	struct tn_event *none = NULL;
	assert_int_equal(tn_event_thaw(TN_STR("\x02 and whatever follows"), &none, &error), TN_INVALID);
	assert_non_null(strstr(error.message, "version 2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shape_of_event_survives),
		cmocka_unit_test(records_are_appended),
		cmocka_unit_test(a_record_of_version_1_is_read_for_ever),
		cmocka_unit_test(no_flipped_bit_goes_unseen),
		cmocka_unit_test(a_cut_record_is_refused_at_every_length),
		cmocka_unit_test(a_newer_version_is_refused_by_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
