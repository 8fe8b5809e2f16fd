/* SPDX-License-Identifier: Apache-2.0
 *
 * structured.c - reads the JSON event format (cloudevents.md section 3).
 *
 * Called by wire.c and batch.c. One pass of the scanner; texts and a JSON data value are borrowed from the body, only escaped
 * strings are copied. What data means depends on datacontenttype, which may come later: data is judged when the object has ended.
 * Owns nothing. Any thread.
 */
#include "structured.h"

#include <ctype.h>

#include "fault.h"
#include "media_type.h"
#include "turnout/base64.h"
#include "turnout/utf8.h"

struct data_member { /* `data` or `data_base64`, as found */
	bool found;
	struct tn_json_token token;
	struct tn_str source; /* of the whole value */
};

void tn_structured_begin(struct tn_json *json, struct tn_str body, const struct tn_wire_limits *limits, uint32_t levels)
{
	uint32_t depth = limits && limits->json_depth ? limits->json_depth : TN_EVENT_DATA_DEPTH;
	tn_json_init(json, body, (depth < TN_EVENT_DATA_DEPTH ? depth : TN_EVENT_DATA_DEPTH) + levels);
	if (tn_str_starts(body, TN_STR("\xef\xbb\xbf")))
		json->at = 3;
}

enum tn_status tn_structured_fault(const struct tn_json *json, struct tn_wire_error *error)
{
	size_t at = json->fault_at;
	int64_t place = (int64_t)at;
	uint32_t code;
	if (json->fault == TN_JSON_TOO_DEEP)
		return tn_fault_set(error, TN_FAULT_INVALID_JSON, TN_NO_ATTRIBUTE, place, "JSON is nested too deeply at byte %zu", at);
	if (at >= json->text.len)
		return tn_fault_set(error, TN_FAULT_INVALID_JSON, TN_NO_ATTRIBUTE, place, "JSON ends too early, after %zu bytes", at);
	if (tn_utf8_decode(json->text.bytes + at, json->text.len - at, &code) == 0)
		return tn_fault_set(error, TN_FAULT_INVALID_UTF8, TN_NO_ATTRIBUTE, place, "body is not UTF-8 at byte %zu", at);
	return tn_fault_set(error, TN_FAULT_INVALID_JSON, TN_NO_ATTRIBUTE, place, "JSON is wrong at byte %zu", at);
}

/* An escape like \ud800 that is well-formed but no character: in an attribute it is the value that is wrong. */
static bool is_lone_surrogate(const struct tn_json *json)
{
	struct tn_str rest = tn_str_tail(json->text, json->fault_at);
	if (json->fault != TN_JSON_BAD || rest.len < 6 || rest.bytes[0] != '\\' || rest.bytes[1] != 'u')
		return false;
	for (unsigned i = 2; i < 6; i++)
		if (!isxdigit((unsigned char)rest.bytes[i]))
			return false;
	return (rest.bytes[2] | 0x20) == 'd' && rest.bytes[3] >= '8';
}

static struct tn_str undo_escapes(const struct tn_json_token *token, struct tn_draft *draft)
{
	if (!token->escaped)
		return token->text;
	char *to = tn_draft_room(draft, token->text.len);
	return (struct tn_str){to, tn_json_unescape_to(token->text, to)};
}

static enum tn_status refuse_value(struct tn_str name, const struct tn_json_token *token, const char *why,
	struct tn_wire_error *error)
{
	return tn_fault_set(error, TN_FAULT_INVALID_ATTRIBUTE_VALUE, name, (int64_t)token->at, "attribute '%.*s' %s",
		(int)(name.len < 64 ? name.len : 64), name.bytes, why);
}

static enum tn_status read_attribute(struct tn_json *json, struct tn_str name, size_t name_at, struct tn_draft *draft,
	struct tn_wire_error *error)
{
	struct tn_json_token token;
	if (tn_draft_check_name(name, (int64_t)name_at, error) != TN_OK)
		return TN_INVALID;
	if (tn_json_next(json, &token) != TN_OK) {
		if (!is_lone_surrogate(json))
			return tn_structured_fault(json, error);
		token.at = json->fault_at;
		return refuse_value(name, &token, "has an unpaired surrogate", error);
	}
	bool core = tn_attribute_which(name) != TN_NAME_EXTENSION;
	struct tn_attribute attribute = {name, token.text, TN_STRING};
	switch (token.kind) {
	case TN_JSON_NULL:
		return tn_draft_add_null(draft, name, (int64_t)name_at, error);
	case TN_JSON_STRING:
		attribute.value = undo_escapes(&token, draft);
		break;
	case TN_JSON_TRUE:
	case TN_JSON_FALSE:
		attribute.type = TN_BOOLEAN;
		break;
	case TN_JSON_NUMBER:
		attribute.type = TN_INTEGER;
		if (!core && !tn_attribute_integer(token.text, &attribute.value))
			return refuse_value(name, &token, "is a number, but not an integer of 32 bits", error);
		break;
	default:
		return refuse_value(name, &token, "must not be an object or an array", error);
	}
	if (core && attribute.type != TN_STRING)
		return refuse_value(name, &token, "must be a string", error);
	return tn_draft_add(draft, attribute, (int64_t)name_at, error);
}

static enum tn_status read_data(struct tn_json *json, struct tn_str name, size_t name_at, struct data_member *out,
	struct tn_wire_error *error)
{
	size_t end;
	if (out->found)
		return tn_fault_set(error, TN_FAULT_DUPLICATE_ATTRIBUTE, name, (int64_t)name_at, "member '%.*s' is there twice",
			TN_STR_ARG(name));
	if (tn_json_next(json, &out->token) != TN_OK || tn_json_skip(json, &out->token, &end) != TN_OK)
		return tn_structured_fault(json, error);
	out->found = true;
	out->source = (struct tn_str){json->text.bytes + out->token.at, end - out->token.at};
	return TN_OK;
}

static enum tn_status take_data(const struct data_member *data, struct tn_draft *draft, struct tn_wire_error *error)
{
	static const struct tn_attribute json_type = {{"datacontenttype", 15}, {"application/json", 16}, TN_STRING};
	draft->has_data = true;
	if (!draft->datacontenttype.bytes) {
		/* What is implied is made explicit, so that no other form of the event loses it. Null took the name, so no tn_draft_add. */
		draft->named &= ~(1u << TN_CORE_DATACONTENTTYPE);
		if (tn_draft_add(draft, json_type, -1, error) != TN_OK)
			return TN_INVALID;
	}
	if (tn_media_type_class(draft->datacontenttype) == TN_MEDIA_JSON) {
		draft->data = data->source;
		draft->data_form = TN_FORM_JSON;
		return TN_OK;
	}
	if (data->token.kind != TN_JSON_STRING)
		return tn_fault_set(error, TN_FAULT_DATA_TYPE_MISMATCH, TN_NO_ATTRIBUTE, (int64_t)data->token.at,
			"'data' must be a string, as datacontenttype is not JSON");
	draft->data = undo_escapes(&data->token, draft);
	return TN_OK;
}

static enum tn_status take_base64(const struct data_member *base64, struct tn_draft *draft, struct tn_wire_error *error)
{
	if (base64->token.kind != TN_JSON_STRING || !tn_base64_decode(&draft->decoded, undo_escapes(&base64->token, draft)))
		return tn_fault_set(error, TN_FAULT_INVALID_BASE64, TN_NO_ATTRIBUTE, (int64_t)base64->token.at,
			"'data_base64' is not a string of base64 (RFC 4648 section 4, padded)");
	draft->has_data = true;
	draft->data = tn_buf_str(&draft->decoded);
	draft->data_form = TN_FORM_BASE64;
	return TN_OK;
}

static enum tn_status judge_data(const struct data_member *data, const struct data_member *base64, struct tn_draft *draft,
	struct tn_wire_error *error)
{
	bool has_base64 = base64->found && base64->token.kind != TN_JSON_NULL;
	if (data->found && has_base64)
		return tn_fault_set(error, TN_FAULT_DATA_CONFLICT, TN_NO_ATTRIBUTE, (int64_t)base64->token.at,
			"'data' and 'data_base64' exclude each other");
	if (data->found)
		return take_data(data, draft, error);
	return has_base64 ? take_base64(base64, draft, error) : TN_OK;
}

enum tn_status tn_structured_read(struct tn_json *json, struct tn_draft *draft, struct tn_wire_error *error)
{
	struct data_member data = {0}, base64 = {0};
	for (;;) {
		struct tn_json_token token;
		enum tn_status status;
		if (tn_json_next(json, &token) != TN_OK)
			return tn_structured_fault(json, error);
		if (token.kind == TN_JSON_OBJECT_END)
			return judge_data(&data, &base64, draft, error);
		size_t name_at = token.at;
		struct tn_str name = undo_escapes(&token, draft);
		if (tn_str_equal(name, TN_STR("data")))
			status = read_data(json, name, name_at, &data, error);
		else if (tn_str_equal(name, TN_STR("data_base64")))
			status = read_data(json, name, name_at, &base64, error);
		else
			status = read_attribute(json, name, name_at, draft, error);
		if (status != TN_OK)
			return status;
	}
}

static enum tn_status read_document(struct tn_str body, struct tn_draft *draft, struct tn_wire_error *error)
{
	struct tn_json json;
	struct tn_json_token token;
	tn_structured_begin(&json, body, draft->limits, 1);
	if (tn_json_next(&json, &token) != TN_OK)
		return tn_structured_fault(&json, error);
	if (token.kind != TN_JSON_OBJECT)
		return tn_fault_set(error, TN_FAULT_NOT_AN_OBJECT, TN_NO_ATTRIBUTE, (int64_t)token.at,
			"an event is a JSON object, and this is none");
	if (tn_structured_read(&json, draft, error) != TN_OK)
		return TN_INVALID;
	return tn_json_next(&json, &token) == TN_OK ? TN_OK : tn_structured_fault(&json, error);
}

enum tn_status tn_structured_decode(struct tn_str body, struct tn_draft *draft, struct tn_event **out_event,
	struct tn_wire_error *error)
{
	if (read_document(body, draft, error) != TN_OK)
		return TN_INVALID;
	return tn_draft_finish(draft, out_event, error);
}

bool tn_structured_sniff(struct tn_str body)
{
	static const struct tn_str wanted[] = {{"specversion", 11}, {"id", 2}, {"source", 6}, {"type", 4}};
	struct tn_json json;
	struct tn_json_token token;
	unsigned strings = 0;
	size_t end;
	/* As deep as can be: an event that is too deep is a broken event, not something else. */
	tn_structured_begin(&json, body, NULL, TN_JSON_DEPTH_LIMIT - TN_EVENT_DATA_DEPTH);
	if (tn_json_next(&json, &token) != TN_OK || token.kind != TN_JSON_OBJECT)
		return false;
	for (;;) {
		if (tn_json_next(&json, &token) != TN_OK)
			return false;
		if (token.kind == TN_JSON_OBJECT_END)
			break;
		unsigned i = 0;
		while (i < 4 && !tn_json_equals(&token, wanted[i]))
			i++;
		if (tn_json_next(&json, &token) != TN_OK || tn_json_skip(&json, &token, &end) != TN_OK)
			return false;
		if (i < 4 && token.kind != TN_JSON_STRING)
			return false;
		strings |= i < 4 ? 1u << i : 0;
	}
	return strings == 15 && tn_json_next(&json, &token) == TN_OK;
}
