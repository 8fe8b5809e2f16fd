/* SPDX-License-Identifier: Apache-2.0
 *
 * decode_line.c - one message as a line of JSON in, what it is as a line of JSON out.
 *
 * Called by `turnout decode` and by tests: the way to ask the decoder a question without a broker. Owns nothing. Any thread.
 */
#include "turnout/decode_line.h"

#include "turnout/arena.h"
#include "turnout/base64.h"
#include "turnout/error.h"
#include "turnout/json.h"

enum { LINE_DEPTH = 512 };

struct line { /* a message while it is being read */
	struct tn_json json;
	struct tn_arena arena;
	const struct tn_wire *wire;
	bool wire_fixed;              /* given by the caller: the line's own is ignored */
	struct tn_header *headers;
	size_t header_count, header_capacity;
	struct tn_wire_input input;
	struct tn_error error;
};

static bool refuse(struct line *line, const char *why)
{
	tn_error_set(&line->error, "%s", why);
	return false;
}

static bool next(struct line *line, struct tn_json_token *out_token)
{
	if (tn_json_next(&line->json, out_token) == TN_OK)
		return true;
	tn_error_set(&line->error, "line is not JSON at byte %zu", line->json.fault_at);
	return false;
}

static bool skip(struct line *line, const struct tn_json_token *token)
{
	size_t end;
	if (tn_json_skip(&line->json, token, &end) == TN_OK)
		return true;
	tn_error_set(&line->error, "line is not JSON at byte %zu", line->json.fault_at);
	return false;
}

static struct tn_str text_of(struct line *line, const struct tn_json_token *token)
{
	char *text = tn_arena_alloc(&line->arena, token->text.len + 1);
	return (struct tn_str){text, tn_json_unescape_to(token->text, text)};
}

static bool bytes_of(struct line *line, const struct tn_json_token *token, struct tn_str *out)
{
	struct tn_buf bytes = {0};
	bool fine = token->kind == TN_JSON_STRING && tn_base64_decode(&bytes, text_of(line, token));
	if (fine)
		*out = tn_arena_copy(&line->arena, tn_buf_str(&bytes));
	tn_buf_fini(&bytes);
	return fine || refuse(line, "base64 is wrong");
}

static void add_header(struct line *line, struct tn_header header)
{
	if (line->header_count == line->header_capacity) {
		size_t capacity = line->header_capacity ? line->header_capacity * 2 : 16;
		struct tn_header *headers = tn_arena_array(&line->arena, struct tn_header, capacity);
		if (line->header_count)
			memcpy(headers, line->headers, line->header_count * sizeof *headers);
		line->headers = headers;
		line->header_capacity = capacity;
	}
	line->headers[line->header_count++] = header;
}

static enum tn_value_type type_by_name(struct tn_str name)
{
	if (tn_str_is(name, "string"))
		return TN_STRING;
	if (tn_str_is(name, "bool"))
		return TN_BOOLEAN;
	if (tn_str_is(name, "timestamp"))
		return TN_TIMESTAMP;
	return tn_str_starts(name, TN_STR("int")) || tn_str_starts(name, TN_STR("uint")) ? TN_INTEGER : TN_OTHER;
}

/* {"base64":..} or {"type":..,"value":..}; its opening bracket has been read. */
static bool read_value_object(struct line *line, struct tn_header *header)
{
	struct tn_json_token name, token;
	bool valued = false;
	while (next(line, &name)) {
		if (name.kind == TN_JSON_OBJECT_END)
			return valued || refuse(line, "a header's value is an object without base64 or value");
		if (!next(line, &token))
			break;
		if (tn_json_equals(&name, TN_STR("base64"))) {
			if (!bytes_of(line, &token, &header->value))
				break;
			valued = true;
		} else if (tn_json_equals(&name, TN_STR("type")) && token.kind == TN_JSON_STRING) {
			header->type = type_by_name(text_of(line, &token));
		} else if (tn_json_equals(&name, TN_STR("value"))) {
			header->value = text_of(line, &token);
			valued = true;
		}
		if (!skip(line, &token))
			break;
	}
	return false;
}

static bool read_header(struct line *line, struct tn_str name)
{
	struct tn_json_token token;
	struct tn_header header = {.name = name, .type = TN_STRING};
	if (!next(line, &token))
		return false;
	if (token.kind == TN_JSON_STRING)
		header.value = text_of(line, &token);
	else if (token.kind != TN_JSON_OBJECT)
		return refuse(line, "a header's value is neither a string nor an object");
	else if (!read_value_object(line, &header))
		return false;
	add_header(line, header);
	return true;
}

/* {name: value, ..} */
static bool read_headers(struct line *line, const struct tn_json_token *open)
{
	struct tn_json_token token;
	if (open->kind != TN_JSON_OBJECT)
		return refuse(line, "headers is not an object");
	while (next(line, &token)) {
		if (token.kind == TN_JSON_OBJECT_END)
			return true;
		if (!read_header(line, text_of(line, &token)))
			break;
	}
	return false;
}

/* [[name, value], ..] */
static bool read_header_list(struct line *line, const struct tn_json_token *open)
{
	static const char why[] = "header_list is not an array of [name, value]";
	struct tn_json_token token, name, close;
	if (open->kind != TN_JSON_ARRAY)
		return refuse(line, why);
	while (next(line, &token)) {
		if (token.kind == TN_JSON_ARRAY_END)
			return true;
		if (token.kind != TN_JSON_ARRAY)
			return refuse(line, why);
		if (!next(line, &name))
			break;
		if (name.kind != TN_JSON_STRING)
			return refuse(line, why);
		if (!read_header(line, text_of(line, &name)) || !next(line, &close))
			break;
		if (close.kind != TN_JSON_ARRAY_END)
			return refuse(line, why);
	}
	return false;
}

static bool read_properties(struct line *line, const struct tn_json_token *open)
{
	struct tn_json_token name, token;
	if (open->kind != TN_JSON_OBJECT)
		return refuse(line, "properties is not an object");
	while (next(line, &name)) {
		if (name.kind == TN_JSON_OBJECT_END)
			return true;
		if (!next(line, &token))
			break;
		if (tn_json_equals(&name, TN_STR("content_type")) && token.kind == TN_JSON_STRING)
			line->input.content_type = text_of(line, &token);
		if (!skip(line, &token))
			break;
	}
	return false;
}

static bool read_transport(struct line *line, const struct tn_json_token *token)
{
	if (line->wire_fixed)
		return skip(line, token);
	if (token->kind == TN_JSON_STRING)
		line->wire = tn_wire_find(text_of(line, token));
	return line->wire || refuse(line, "transport is none of http, kafka, amqp, nats, redis");
}

static bool read_body(struct line *line, const struct tn_json_token *token, bool base64)
{
	if (token->kind == TN_JSON_NULL)
		return true;
	if (line->input.has_body)
		return refuse(line, "body is there twice");
	if (token->kind != TN_JSON_STRING)
		return refuse(line, "body is not a string");
	line->input.has_body = true;
	if (base64)
		return bytes_of(line, token, &line->input.body);
	line->input.body = text_of(line, token);
	return true;
}

static bool read_member(struct line *line, const struct tn_json_token *name, const struct tn_json_token *token)
{
	if (tn_json_equals(name, TN_STR("transport")))
		return read_transport(line, token);
	if (tn_json_equals(name, TN_STR("headers")))
		return read_headers(line, token);
	if (tn_json_equals(name, TN_STR("header_list")))
		return read_header_list(line, token);
	if (tn_json_equals(name, TN_STR("properties")))
		return read_properties(line, token);
	if (tn_json_equals(name, TN_STR("body")))
		return read_body(line, token, false);
	if (tn_json_equals(name, TN_STR("body_base64")))
		return read_body(line, token, true);
	return skip(line, token);
}

static bool read_line(struct line *line)
{
	struct tn_json_token name, token;
	if (!next(line, &token))
		return false;
	if (token.kind != TN_JSON_OBJECT)
		return refuse(line, "line is not a JSON object");
	for (;;) {
		if (!next(line, &name))
			return false;
		if (name.kind == TN_JSON_OBJECT_END)
			break;
		if (!next(line, &token) || !read_member(line, &name, &token))
			return false;
	}
	if (!next(line, &token))
		return false;
	line->input.headers = line->headers;
	line->input.header_count = line->header_count;
	return line->wire || refuse(line, "transport is missing");
}

/* --- The answer --- */

/* JSON data keeps its source text, and that may have line ends: between tokens only, where a space says the same. */
static void put_event(const struct tn_event *event, struct tn_buf *out)
{
	size_t start = out->len;
	tn_event_to_json(event, out);
	for (size_t i = start; i < out->len; i++)
		if (out->bytes[i] == '\n' || out->bytes[i] == '\r')
			out->bytes[i] = ' ';
}

static void put_decoded(const struct tn_decoded *decoded, struct tn_buf *out)
{
	static const char *const modes[] = {[TN_MODE_BINARY] = "binary", [TN_MODE_STRUCTURED] = "structured",
		[TN_MODE_BATCHED] = "batched", [TN_MODE_PLAIN] = "plain"};
	tn_buf_addf(out, "{\"mode\":\"%s\"", modes[decoded->mode]);
	if (decoded->mode == TN_MODE_BATCHED) {
		tn_buf_add_text(out, ",\"events\":[");
		for (size_t i = 0; i < decoded->count; i++) {
			if (i > 0)
				tn_buf_add_byte(out, ',');
			put_event(decoded->events[i], out);
		}
		tn_buf_add_byte(out, ']');
	} else if (decoded->count > 0) {
		tn_buf_add_text(out, ",\"event\":");
		put_event(decoded->events[0], out);
	}
	tn_buf_add_text(out, "}\n");
}

static void put_fault(const struct tn_wire *wire, const struct tn_wire_error *error, struct tn_buf *out)
{
	tn_buf_addf(out, "{\"error\":\"%s\"", tn_wire_fault_name(error->fault));
	if (error->attribute[0]) {
		tn_buf_add_text(out, ",\"attribute\":");
		tn_json_quote(out, tn_str_from(error->attribute));
	}
	if (error->index >= 0)
		tn_buf_addf(out, ",\"index\":%d", (int)error->index);
	if (wire == &tn_wire_http)
		tn_buf_addf(out, ",\"status\":%d", tn_wire_fault_status(error->fault));
	tn_buf_add_text(out, ",\"message\":");
	tn_json_quote(out, tn_str_from(error->message));
	tn_buf_add_text(out, "}\n");
}

static void put_answer(const struct line *line, struct tn_buf *out)
{
	struct tn_decoded decoded = {0};
	struct tn_wire_error error = {0};
	if (tn_wire_decode(line->wire, &line->input, NULL, &decoded, &error) == TN_OK)
		put_decoded(&decoded, out);
	else
		put_fault(line->wire, &error, out);
	tn_decoded_fini(&decoded);
}

bool tn_decode_line(struct tn_str text, const struct tn_wire *wire, struct tn_buf *out)
{
	struct line line = {.wire = wire, .wire_fixed = wire != NULL};
	tn_json_init(&line.json, text, LINE_DEPTH);
	bool fine = read_line(&line);
	if (fine) {
		put_answer(&line, out);
	} else {
		tn_buf_add_text(out, "{\"error\":\"invalid_line\",\"message\":");
		tn_json_quote(out, tn_str_from(line.error.message));
		tn_buf_add_text(out, "}\n");
	}
	tn_arena_fini(&line.arena);
	return fine;
}
