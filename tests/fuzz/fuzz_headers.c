/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_headers.c - any headers and body on any transport: what decodes must encode, and decode to the same event again.
 *
 * Input: a byte for the transport, lines "name:value" (a control byte before the name is the value's type), an empty line, the body.
 */
#include "event_check.h"

enum { MANY_HEADERS = 128 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const struct tn_wire *const wires[] = {&tn_wire_http, &tn_wire_kafka, &tn_wire_amqp, &tn_wire_nats, &tn_wire_redis};

static struct tn_header header_from(struct tn_str line)
{
	struct tn_header header = {.type = TN_STRING};
	if (line.len > 0 && line.bytes[0] >= 1 && line.bytes[0] <= 5) {
		header.type = (enum tn_value_type)line.bytes[0];
		line = tn_str_tail(line, 1);
	}
	size_t colon = tn_str_find(line, ':');
	header.name = (struct tn_str){line.bytes, colon == SIZE_MAX ? line.len : colon};
	header.value = tn_str_tail(line, colon == SIZE_MAX ? line.len : colon + 1);
	return header;
}

static size_t split(struct tn_str text, struct tn_header *headers, struct tn_wire_input *input)
{
	size_t count = 0;
	while (count < MANY_HEADERS && text.len > 0) {
		size_t end = tn_str_find(text, '\n');
		struct tn_str line = {text.bytes, end == SIZE_MAX ? text.len : end};
		text = tn_str_tail(text, end == SIZE_MAX ? text.len : end + 1);
		if (line.len == 0) {
			input->has_body = true;
			input->body = text;
			break;
		}
		headers[count++] = header_from(line);
	}
	return count;
}

static void check_way_back(const struct tn_wire *wire, const struct tn_event *event, enum tn_mode mode, struct tn_encoded *encoded)
{
	struct tn_decoded back = {0};
	struct tn_wire_error error;
	tn_wire_encode(wire, event, mode, encoded);
	struct tn_wire_input input = {.headers = encoded->headers, .header_count = encoded->header_count,
		.has_body = encoded->has_body, .body = encoded->body};
	MUST(tn_wire_decode(wire, &input, NULL, &back, &error) == TN_OK && back.count == 1);
	bool lost = back.mode == TN_MODE_BINARY && wire->empty_is_none && tn_event_data(event).len == 0;
	/* A dataref that is no URI is forwarded; read again it may pass for one whose sender did not encode. */
	lost |= wire->percent && tn_event_find(event, TN_STR("dataref"));
	if (!lost)
		check_same(event, back.events[0], false);
	tn_decoded_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct tn_header headers[MANY_HEADERS];
	struct tn_decoded decoded = {0};
	struct tn_wire_error error = {0};
	if (len == 0)
		return 0;
	const struct tn_wire *wire = wires[bytes[0] % 5];
	struct tn_wire_input input = {.headers = headers};
	input.header_count = split((struct tn_str){(const char *)bytes + 1, len - 1}, headers, &input);
	if (tn_wire_decode(wire, &input, NULL, &decoded, &error) != TN_OK) {
		MUST(error.fault != TN_FAULT_NONE && error.message[0]);
		return 0;
	}
	MUST(decoded.mode == tn_wire_mode(wire, &input));
	struct tn_encoded encoded = {0};
	for (size_t i = 0; i < decoded.count; i++) {
		check_event(decoded.events[i], false);
		check_way_back(wire, decoded.events[i], TN_MODE_BINARY, &encoded);
		check_way_back(wire, decoded.events[i], TN_MODE_STRUCTURED, &encoded);
	}
	tn_encoded_fini(&encoded);
	tn_decoded_fini(&decoded);
	return 0;
}
