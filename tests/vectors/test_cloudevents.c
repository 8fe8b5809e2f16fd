/* SPDX-License-Identifier: Apache-2.0
 *
 * test_cloudevents.c - runs the CloudEvents vectors: each message decodes to the expected event or refusal, through the decoder and
 * through the answer of decode_line; each event encodes to the expected message, and that decodes to the event again.
 *
 * Arguments: vectors.jsonl, vectors-encode.jsonl. Every failing vector is named; the test fails at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>

#include "turnout/base64.h"
#include "turnout/decode_line.h"
#include "turnout/wire.h"

enum { MANY_HEADERS = 64 };

static const char *decode_path, *encode_path;

static struct vector { /* the one at hand, for messages */
	const char *name;
	unsigned failures;
} at;

#define expect_that(condition, ...) \
	do { \
		if (!(condition)) { \
			at.failures++; \
			fprintf(stderr, "%s: ", at.name); \
			fprintf(stderr, __VA_ARGS__); \
			fputc('\n', stderr); \
		} \
	} while (0)

static struct tn_str string_of(const json_t *value)
{
	return (struct tn_str){json_string_value(value), json_string_length(value)};
}

/* Owned by buf. */
static struct tn_str base64_of(const json_t *value, struct tn_buf *buf)
{
	tn_buf_reserve(buf, 1);
	assert_true(tn_base64_decode(buf, string_of(value)));
	return tn_buf_str(buf);
}

static bool same_json(struct tn_str text, const json_t *expected)
{
	json_t *value = json_loadb(text.bytes, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	bool same = value && json_equal(value, expected);
	json_decref(value);
	return same;
}

static enum tn_value_type type_of(const char *name)
{
	if (!name)
		return TN_STRING;
	return strcmp(name, "integer") == 0 ? TN_INTEGER : strcmp(name, "boolean") == 0 ? TN_BOOLEAN : TN_TIMESTAMP;
}

/* --- A message of the corpus as a source would hand it over --- */

struct message {
	struct tn_header headers[MANY_HEADERS];
	struct tn_buf texts[MANY_HEADERS], body;
	struct tn_wire_input input;
};

static void add_header(struct message *message, const char *name, const json_t *value)
{
	size_t i = message->input.header_count++;
	assert_true(i < MANY_HEADERS);
	struct tn_header *header = &message->headers[i];
	struct tn_buf *text = &message->texts[i];
	*header = (struct tn_header){.name = tn_str_from(name), .type = TN_STRING};
	if (json_is_string(value)) {
		header->value = string_of(value);
		return;
	}
	const json_t *base64 = json_object_get(value, "base64"), *inner = json_object_get(value, "value");
	const char *type = json_string_value(json_object_get(value, "type"));
	if (base64) {
		header->value = base64_of(base64, text);
		return;
	}
	assert_non_null(type);
	header->type = TN_OTHER;
	if (strcmp(type, "bool") == 0) {
		header->type = TN_BOOLEAN;
		tn_buf_add_text(text, json_is_true(inner) ? "true" : "false");
	} else if (json_is_integer(inner)) {
		header->type = strcmp(type, "timestamp") == 0 ? TN_TIMESTAMP : TN_INTEGER;
		tn_buf_add_i64(text, json_integer_value(inner));
	}
	header->value = tn_buf_str(text);
}

static void message_from(json_t *vector, struct message *message)
{
	*message = (struct message){0};
	message->input.headers = message->headers;
	const char *name;
	json_t *value, *pair;
	size_t i;
	json_object_foreach(json_object_get(vector, "headers"), name, value)
		add_header(message, name, value);
	json_array_foreach(json_object_get(vector, "header_list"), i, pair)
		add_header(message, json_string_value(json_array_get(pair, 0)), json_array_get(pair, 1));
	value = json_object_get(json_object_get(vector, "properties"), "content_type");
	if (value)
		message->input.content_type = string_of(value);
	value = json_object_get(vector, "body");
	if (json_is_string(value)) {
		message->input.has_body = true;
		message->input.body = string_of(value);
	}
	value = json_object_get(vector, "body_base64");
	if (value) {
		message->input.has_body = true;
		message->input.body = base64_of(value, &message->body);
	}
}

static void message_fini(struct message *message)
{
	for (size_t i = 0; i < MANY_HEADERS; i++)
		tn_buf_fini(&message->texts[i]);
	tn_buf_fini(&message->body);
}

static const struct tn_wire *wire_of(const json_t *vector)
{
	const struct tn_wire *wire = tn_wire_find(string_of(json_object_get(vector, "transport")));
	assert_non_null(wire);
	return wire;
}

/* --- Comparing --- */

static void expect_attributes(const struct tn_event *event, const json_t *expected)
{
	json_t *attributes = json_object_get(expected, "attributes"), *types = json_object_get(expected, "types"), *value;
	const char *name;
	size_t count;
	tn_event_attributes(event, &count);
	expect_that(count + 1 == json_object_size(attributes), "%zu attributes, not %zu", count + 1, json_object_size(attributes));
	json_object_foreach(attributes, name, value) {
		const struct tn_attribute *attribute = tn_event_find(event, tn_str_from(name));
		expect_that(attribute, "no attribute %s", name);
		if (!attribute)
			continue;
		expect_that(tn_str_equal(attribute->value, string_of(value)), "%s is %.*s, not %s", name,
			TN_STR_ARG(attribute->value), json_string_value(value));
		enum tn_value_type type = type_of(json_string_value(json_object_get(types, name)));
		expect_that(attribute->type == type, "%s has type %d, not %d", name, attribute->type, type);
	}
}

static void expect_data(const struct tn_event *event, const json_t *expected)
{
	const char *kind = json_string_value(json_object_get(expected, "data_kind"));
	const json_t *value = json_object_get(expected, "data");
	struct tn_str data = tn_event_data(event);
	struct tn_buf bytes = {0};
	assert_non_null(kind);
	expect_that(tn_event_has_data(event) == (strcmp(kind, "none") != 0), "has data: %d", tn_event_has_data(event));
	if (strcmp(kind, "json") == 0)
		expect_that(tn_event_data_kind(event) == TN_DATA_JSON && same_json(data, value), "data is %.*s",
			TN_STR_ARG(data));
	else if (strcmp(kind, "text") == 0)
		expect_that(tn_str_equal(data, string_of(value)), "data is %.*s", TN_STR_ARG(data));
	else if (strcmp(kind, "binary") == 0)
		expect_that(tn_event_data_kind(event) == TN_DATA_BINARY &&
			tn_str_equal(data, base64_of(json_object_get(expected, "data_base64"), &bytes)), "data is %zu bytes", data.len);
	tn_buf_fini(&bytes);
}

static void expect_event(const struct tn_event *event, const json_t *expected)
{
	expect_attributes(event, expected);
	expect_data(event, expected);
}

static void expect_decoded(const json_t *vector, const struct tn_decoded *decoded)
{
	static const char *const modes[] = {"binary", "structured", "batched", "plain"};
	const json_t *expected = json_object_get(vector, "expect"), *events = json_object_get(expected, "events");
	const char *mode = json_string_value(json_object_get(vector, "mode"));
	expect_that(strcmp(mode, modes[decoded->mode]) == 0, "mode is %s, not %s", modes[decoded->mode], mode);
	expect_that(expected != NULL, "decodes, but must not");
	if (json_is_array(events)) {
		expect_that(decoded->count == json_array_size(events), "%zu events", decoded->count);
		for (size_t i = 0; i < decoded->count && i < json_array_size(events); i++)
			expect_event(decoded->events[i], json_array_get(events, i));
	} else if (expected && !json_object_get(expected, "plain")) {
		expect_that(decoded->count == 1, "%zu events", decoded->count);
		if (decoded->count == 1)
			expect_event(decoded->events[0], expected);
	} else {
		expect_that(decoded->count == 0, "%zu events", decoded->count);
	}
}

static void expect_fault(const json_t *vector, const struct tn_wire_error *error)
{
	const char *kind = json_string_value(json_object_get(vector, "error"));
	const json_t *attribute = json_object_get(vector, "attribute"), *index = json_object_get(vector, "index"),
		*status = json_object_get(vector, "status");
	expect_that(kind && strcmp(kind, tn_wire_fault_name(error->fault)) == 0, "error is %s, not %s (%s)",
		tn_wire_fault_name(error->fault), kind ? kind : "none", error->message);
	expect_that(strcmp(attribute ? json_string_value(attribute) : "", error->attribute) == 0, "attribute is %s",
		error->attribute);
	expect_that(error->index == (index ? json_integer_value(index) : -1), "index is %d", (int)error->index);
	if (status)
		expect_that(tn_wire_fault_status(error->fault) == json_integer_value(status), "status is %d",
			tn_wire_fault_status(error->fault));
	expect_that(error->message[0] != 0, "no message");
}

/* --- The answer of decode_line --- */

static void expect_json_event(const json_t *event, const json_t *expected)
{
	const char *name, *kind = json_string_value(json_object_get(expected, "data_kind"));
	json_t *types = json_object_get(expected, "types"), *value;
	json_t *data = json_object_get(event, "data"), *base64 = json_object_get(event, "data_base64");
	json_object_foreach(json_object_get(expected, "attributes"), name, value) {
		const json_t *member = json_object_get(event, name);
		enum tn_value_type type = type_of(json_string_value(json_object_get(types, name)));
		if (type == TN_INTEGER)
			expect_that(json_is_integer(member) && json_integer_value(member) == atoll(json_string_value(value)),
				"answer: %s", name);
		else if (type == TN_BOOLEAN)
			expect_that(json_is_boolean(member), "answer: %s", name);
		else
			expect_that(json_equal(member, value), "answer: %s", name);
	}
	size_t members = json_object_size(json_object_get(expected, "attributes")) + (data != NULL) + (base64 != NULL);
	expect_that(json_object_size(event) == members, "answer: %zu members", json_object_size(event));
	if (strcmp(kind, "none") == 0) {
		expect_that(!data && !base64, "answer: data");
	} else if (strcmp(kind, "json") == 0) {
		expect_that(json_equal(data, json_object_get(expected, "data")), "answer: data");
	} else {
		struct tn_buf has = {0}, wanted = {0};
		struct tn_str one = base64 ? base64_of(base64, &has) : string_of(data), other = strcmp(kind, "text") == 0 ?
			string_of(json_object_get(expected, "data")) : base64_of(json_object_get(expected, "data_base64"), &wanted);
		expect_that(tn_str_equal(one, other), "answer: data");
		tn_buf_fini(&has);
		tn_buf_fini(&wanted);
	}
}

static void expect_answer(struct tn_str line, const json_t *vector)
{
	struct tn_buf out = {0};
	size_t i;
	json_t *expected;
	expect_that(tn_decode_line(line, NULL, &out), "line is not read");
	expect_that(tn_str_find(tn_buf_str(&out), '\n') == out.len - 1, "answer is not one line");
	json_t *answer = json_loadb(out.bytes, out.len, JSON_REJECT_DUPLICATES, NULL);
	expect_that(answer, "answer is not JSON: %.*s", TN_STR_ARG(tn_buf_str(&out)));
	static const char *const facts[] = {"error", "attribute", "index", "status"};
	for (i = 0; i < 4; i++) {
		json_t *fact = json_object_get(vector, facts[i]), *said = json_object_get(answer, facts[i]);
		expect_that(fact ? json_equal(said, fact) : !said, "answer: %s", facts[i]);
	}
	json_t *wanted = json_object_get(vector, "expect");
	if (wanted)
		expect_that(json_equal(json_object_get(answer, "mode"), json_object_get(vector, "mode")), "answer: mode");
	if (json_object_get(wanted, "attributes"))
		expect_json_event(json_object_get(answer, "event"), wanted);
	json_array_foreach(json_object_get(wanted, "events"), i, expected)
		expect_json_event(json_array_get(json_object_get(answer, "events"), i), expected);
	json_decref(answer);
	tn_buf_fini(&out);
}

/* --- Running --- */

static unsigned for_each_line(const char *path, void (*run)(struct tn_str line, json_t *vector))
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	unsigned count = 0;
	assert_non_null(file);
	at.failures = 0;
	while ((len = getline(&line, &size, file)) > 0) {
		json_t *vector = json_loadb(line, (size_t)len, JSON_ALLOW_NUL, NULL);
		assert_non_null(vector);
		at.name = json_string_value(json_object_get(vector, "name"));
		run(tn_str_make(line, (size_t)len), vector);
		json_decref(vector);
		count++;
	}
	free(line);
	fclose(file);
	assert_int_equal(at.failures, 0);
	return count;
}

static void run_decode(struct tn_str line, json_t *vector)
{
	struct message message;
	struct tn_decoded decoded = {0};
	struct tn_wire_error error = {0};
	message_from(vector, &message);
	if (tn_wire_decode(wire_of(vector), &message.input, NULL, &decoded, &error) == TN_OK)
		expect_decoded(vector, &decoded);
	else
		expect_fault(vector, &error);
	tn_decoded_fini(&decoded);
	message_fini(&message);
	expect_answer(line, vector);
}

static void every_message_decodes_as_expected(void **state)
{
	assert_int_equal(for_each_line(decode_path, run_decode), 162);
}

static struct tn_event *event_from(const json_t *described)
{
	struct tn_attribute attributes[MANY_HEADERS];
	struct tn_event_parts parts = {.attributes = attributes};
	struct tn_buf data = {0};
	json_t *types = json_object_get(described, "types"), *value;
	const char *name, *kind = json_string_value(json_object_get(described, "data_kind"));
	json_object_foreach(json_object_get(described, "attributes"), name, value)
		if (strcmp(name, "specversion") != 0)
			attributes[parts.attribute_count++] = (struct tn_attribute){tn_str_from(name), string_of(value),
				type_of(json_string_value(json_object_get(types, name)))};
	parts.has_data = strcmp(kind, "none") != 0;
	value = json_object_get(described, "data");
	if (strcmp(kind, "json") == 0) {
		char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		tn_buf_add_text(&data, text);
		free(text);
	} else if (strcmp(kind, "text") == 0) {
		tn_buf_add_str(&data, string_of(value));
	} else if (strcmp(kind, "binary") == 0) {
		base64_of(json_object_get(described, "data_base64"), &data);
	}
	parts.data = tn_buf_str(&data);
	struct tn_event *event = tn_event_new(&parts);
	tn_buf_fini(&data);
	return event;
}

static const struct tn_header *find_header(const struct tn_encoded *encoded, const char *name)
{
	for (size_t i = 0; i < encoded->header_count; i++)
		if (tn_str_equal_nocase(encoded->headers[i].name, tn_str_from(name)))
			return &encoded->headers[i];
	return NULL;
}

static void expect_header(const struct tn_encoded *encoded, const char *name, const json_t *value)
{
	const struct tn_header *header = find_header(encoded, name);
	expect_that(header, "no header %s", name);
	if (header)
		expect_that(tn_str_equal(header->value, string_of(value)), "header %s is %.*s", name, TN_STR_ARG(header->value));
}

static void expect_body(const struct tn_encoded *encoded, const json_t *wire)
{
	const json_t *text = json_object_get(wire, "body"), *json = json_object_get(wire, "body_json"),
		*base64 = json_object_get(wire, "body_base64");
	struct tn_buf bytes = {0};
	if (json_is_null(text))
		expect_that(!encoded->has_body, "has a body");
	if (json_is_string(text))
		expect_that(tn_str_equal(encoded->body, string_of(text)), "body is %.*s", TN_STR_ARG(encoded->body));
	if (json)
		expect_that(same_json(encoded->body, json), "body is %.*s", TN_STR_ARG(encoded->body));
	if (base64)
		expect_that(tn_str_equal(encoded->body, base64_of(base64, &bytes)), "body is %zu bytes", encoded->body.len);
	tn_buf_fini(&bytes);
}

static void expect_wire(const struct tn_encoded *encoded, const json_t *vector)
{
	json_t *wire = json_object_get(vector, "wire"), *value;
	json_t *headers = json_object_get(wire, "headers"), *properties = json_object_get(wire, "properties");
	const char *name;
	size_t i;
	json_object_foreach(headers, name, value)
		expect_header(encoded, name, value);
	value = json_object_get(properties, "content_type"); /* the AMQP target puts it there */
	if (value)
		expect_header(encoded, "content-type", value);
	value = json_object_get(properties, "message_id"); /* likewise: the id of the event */
	if (value)
		expect_header(encoded, "ce-id", value);
	size_t count = json_object_size(headers) + (json_object_get(properties, "content_type") != NULL);
	expect_that(encoded->header_count == count, "%zu headers, not %zu", encoded->header_count, count);
	json_array_foreach(json_object_get(wire, "absent"), i, value)
		expect_that(!find_header(encoded, json_string_value(value)), "has header %s", json_string_value(value));
	expect_body(encoded, wire);
}

static void expect_way_back(const struct tn_wire *wire, const struct tn_encoded *encoded, const json_t *vector)
{
	struct tn_wire_input input = {.headers = encoded->headers, .header_count = encoded->header_count,
		.has_body = encoded->has_body, .body = encoded->body};
	struct tn_decoded decoded = {0};
	struct tn_wire_error error = {0};
	json_t *expected = json_deep_copy(json_object_get(vector, "event"));
	if (tn_wire_decode(wire, &input, NULL, &decoded, &error) != TN_OK) {
		expect_that(false, "does not decode again: %s", error.message);
	} else {
		bool structured = strcmp(json_string_value(json_object_get(vector, "mode")), "structured") == 0;
		expect_that(decoded.mode == (structured ? TN_MODE_STRUCTURED : TN_MODE_BINARY), "mode is %d", decoded.mode);
		if (!structured)
			json_object_del(expected, "types"); /* headers do not carry them */
		expect_event(decoded.events[0], expected);
	}
	json_decref(expected);
	tn_decoded_fini(&decoded);
}

static void run_encode(struct tn_str line, json_t *vector)
{
	static struct tn_encoded encoded; /* reused from vector to vector, as a target does */
	const struct tn_wire *wire = wire_of(vector);
	bool structured = strcmp(json_string_value(json_object_get(vector, "mode")), "structured") == 0;
	struct tn_event *event = event_from(json_object_get(vector, "event"));
	expect_event(event, json_object_get(vector, "event"));
	tn_wire_encode(wire, event, structured ? TN_MODE_STRUCTURED : TN_MODE_BINARY, &encoded);
	expect_wire(&encoded, vector);
	expect_way_back(wire, &encoded, vector);
	tn_event_unref(event);
}

static void every_event_encodes_as_expected_and_back(void **state)
{
	assert_int_equal(for_each_line(encode_path, run_encode), 47);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_decodes_as_expected),
		cmocka_unit_test(every_event_encodes_as_expected_and_back),
	};
	if (argc != 3) {
		fprintf(stderr, "usage: %s VECTORS ENCODE_VECTORS\n", argv[0]);
		return 2;
	}
	decode_path = argv[1];
	encode_path = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
