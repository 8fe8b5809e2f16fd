/* SPDX-License-Identifier: Apache-2.0
 *
 * test_batch.c - a batch is all or nothing, and a refusal says which member.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "message.h"

static struct result decode_batch(struct tn_str body, const struct tn_wire_limits *limits)
{
	const struct tn_header header = HEADER("Content-Type", "application/cloudevents-batch+json");
	return decode_limited(&tn_wire_http, &header, 1, body, limits);
}

/* count members, the one at bad (if any) replaced. */
static void write_batch(struct tn_buf *out, unsigned count, unsigned bad, const char *replacement)
{
	tn_buf_add_text(out, "[");
	for (unsigned i = 0; i < count; i++) {
		if (i > 0)
			tn_buf_add_text(out, " ,\n");
		if (i == bad)
			tn_buf_add_text(out, replacement);
		else
			tn_buf_addf(out, "{\"specversion\":\"1.0\",\"id\":\"%u\",\"source\":\"\\u002fs\",\"type\":\"t\",\"data\":%u}", i, i);
	}
	tn_buf_add_text(out, "]");
}

static void assert_bad_member(unsigned count, unsigned bad, const char *member, enum tn_wire_fault fault, const char *attribute)
{
	struct tn_buf body = {0};
	write_batch(&body, count, bad, member);
	struct result result = decode_batch(tn_buf_str(&body), NULL);
	assert_int_equal(result.error.index, bad);
	assert_fault(result, fault, attribute);
	tn_buf_fini(&body);
}

static void a_large_batch_keeps_order(void **state)
{
	struct tn_buf body = {0};
	char id[16];
	write_batch(&body, 5000, UINT32_MAX, "");
	struct result result = decode_batch(tn_buf_str(&body), NULL);
	assert_int_equal(result.decoded.count, 5000);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(id, sizeof id, "%u", i);
		assert_true(tn_str_is(tn_event_core(result.decoded.events[i], TN_CORE_ID), id));
		assert_true(tn_str_is(tn_event_core(result.decoded.events[i], TN_CORE_SOURCE), "/s"));
		assert_true(tn_str_is(tn_event_data(result.decoded.events[i]), id));
	}
	result_fini(&result);
	tn_buf_fini(&body);
}

static void one_bad_member_refuses_all_and_is_named(void **state)
{
	assert_bad_member(1, 0, "{}", TN_FAULT_MISSING_ATTRIBUTE, "specversion");
	assert_bad_member(1000, 999, "null", TN_FAULT_NOT_AN_OBJECT, "");
	assert_bad_member(1000, 500, "[]", TN_FAULT_NOT_AN_OBJECT, "");
	assert_bad_member(3, 1, "{\"id\":\"\"}", TN_FAULT_INVALID_ATTRIBUTE_VALUE, "id");
	assert_bad_member(3, 2, "{\"id\":\"1\",\"id\":\"1\"}", TN_FAULT_DUPLICATE_ATTRIBUTE, "id");
	assert_bad_member(3, 2, "{\"specversion\":\"0.3\"}", TN_FAULT_UNSUPPORTED_SPECVERSION, "specversion");
	assert_bad_member(3, 1, "{\"data\":1,\"data_base64\":\"\"}", TN_FAULT_DATA_CONFLICT, "");
}

static void broken_json_is_a_fault_of_the_body(void **state)
{
	static const char *const bad[] = {"", "[", "[{\"id\":\"1\"", "[,]", "[{\"id\":tru}]", "[] x"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct result result = decode_batch(tn_str_from(bad[i]), NULL);
		assert_int_equal(result.error.index, -1);
		assert_true(result.error.offset >= 0);
		assert_fault(result, TN_FAULT_INVALID_JSON, "");
	}
}

static void the_number_of_members_is_limited(void **state)
{
	const struct tn_wire_limits limits = {.batch_events = 10};
	struct tn_buf body = {0};
	write_batch(&body, 10, UINT32_MAX, "");
	assert_mode(decode_batch(tn_buf_str(&body), &limits), TN_MODE_BATCHED);
	tn_buf_clear(&body);
	write_batch(&body, 11, UINT32_MAX, "");
	assert_fault(decode_batch(tn_buf_str(&body), &limits), TN_FAULT_TOO_LARGE, "");
	tn_buf_fini(&body);
}

static void the_limit_of_size_is_for_each_member(void **state)
{
	const struct tn_wire_limits limits = {.event_bytes = 64};
	struct tn_buf body = {0};
	write_batch(&body, 100, UINT32_MAX, "");
	assert_mode(decode_batch(tn_buf_str(&body), &limits), TN_MODE_BATCHED);
	tn_buf_clear(&body);
	write_batch(&body, 100, 50, "{\"specversion\":\"1.0\",\"id\":\"0123456789012345678901234567890123456789\",\"source\":\"/s\",\"type\":\"t\"}");
	struct result result = decode_batch(tn_buf_str(&body), &limits);
	assert_int_equal(result.status, TN_OK);
	result_fini(&result);
	result = decode_batch(tn_buf_str(&body), &(struct tn_wire_limits){.event_bytes = 50});
	assert_int_equal(result.error.index, 50);
	assert_fault(result, TN_FAULT_TOO_LARGE, "");
	tn_buf_fini(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_batch_keeps_order),
		cmocka_unit_test(one_bad_member_refuses_all_and_is_named),
		cmocka_unit_test(broken_json_is_a_fault_of_the_body),
		cmocka_unit_test(the_number_of_members_is_limited),
		cmocka_unit_test(the_limit_of_size_is_for_each_member),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
