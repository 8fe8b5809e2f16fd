/* SPDX-License-Identifier: Apache-2.0
 *
 * message.h - for tests: a message in one line, and what became of it.
 */
#ifndef TESTS_EVENT_MESSAGE_H
#define TESTS_EVENT_MESSAGE_H

#include "turnout/wire.h"

struct result { /* give back with result_fini */
	enum tn_status status;
	struct tn_decoded decoded;
	struct tn_wire_error error;
};

#define HEADER(name, value) {TN_STR(name), TN_STR(value), TN_STRING}
#define REQUIRED(prefix) HEADER(prefix "specversion", "1.0"), HEADER(prefix "id", "A-1"), HEADER(prefix "source", "/s"), \
	HEADER(prefix "type", "t")

static inline struct result decode_limited(const struct tn_wire *wire, const struct tn_header *headers, size_t count,
	struct tn_str body, const struct tn_wire_limits *limits)
{
	struct result result = {0};
	struct tn_wire_input input = {.headers = headers, .header_count = count, .has_body = body.bytes != NULL, .body = body,
		.accepted_ms = 1};
	result.status = tn_wire_decode(wire, &input, limits, &result.decoded, &result.error);
	return result;
}

#define decode(wire, body, ...) \
	decode_limited(wire, (const struct tn_header[]){__VA_ARGS__}, \
		sizeof((const struct tn_header[]){__VA_ARGS__}) / sizeof(struct tn_header), body, NULL)

static inline struct result decode_structured(struct tn_str body, const struct tn_wire_limits *limits)
{
	const struct tn_header header = HEADER("Content-Type", "application/cloudevents+json");
	return decode_limited(&tn_wire_http, &header, 1, body, limits);
}

static inline void result_fini(struct result *result)
{
	tn_decoded_fini(&result->decoded);
}

/* Takes what it was given. */
#define assert_fault(taken, kind, name) \
	do { \
		struct result result_ = (taken); \
		if (result_.status != TN_INVALID || result_.error.fault != (kind) || strcmp(result_.error.attribute, (name)) != 0) \
			fail_msg("%s, '%s': %s", tn_wire_fault_name(result_.error.fault), result_.error.attribute, \
				result_.error.message); \
		assert_null(result_.decoded.events); \
		result_fini(&result_); \
	} while (0)

/* Takes what it was given. */
#define assert_attribute(taken, name, expected) \
	do { \
		struct result result_ = (taken); \
		if (result_.status != TN_OK) \
			fail_msg("%s", result_.error.message); \
		assert_int_equal(result_.decoded.count, 1); \
		const struct tn_attribute *attribute_ = tn_event_find(result_.decoded.events[0], TN_STR(name)); \
		assert_non_null(attribute_); \
		if (!tn_str_equal(attribute_->value, TN_STR(expected))) \
			fail_msg("%.*s", TN_STR_ARG(attribute_->value)); \
		result_fini(&result_); \
	} while (0)

/* Takes what it was given. */
#define assert_mode(taken, expected) \
	do { \
		struct result result_ = (taken); \
		if (result_.status != TN_OK) \
			fail_msg("%s", result_.error.message); \
		assert_int_equal(result_.decoded.mode, expected); \
		result_fini(&result_); \
	} while (0)

#endif
