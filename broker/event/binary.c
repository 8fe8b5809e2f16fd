/* SPDX-License-Identifier: Apache-2.0
 *
 * binary.c - binary mode on every transport: attributes in headers, data as the body.
 *
 * Called by wire.c. What differs between transports is data in struct tn_wire. A usual message is read without a copy and written
 * with one run over out->text. Owns nothing. Any thread.
 */
#include "binary.h"

#include <stdlib.h>

#include "fault.h"
#include "header_value.h"
#include "timestamp.h"
#include "turnout/base64.h"

static const struct tn_str DATACONTENTTYPE = {"datacontenttype", 15};

/* --- Reading --- */

struct tn_str tn_binary_strip_prefix(const struct tn_wire *wire, struct tn_str header_name, unsigned *out_prefix)
{
	for (unsigned i = 0; header_name.len > 0 && wire->read_prefixes[i]; i++) {
		/* Most foreign headers end here. */
		if ((header_name.bytes[0] | 0x20) != (wire->read_prefixes[i][0] | 0x20))
			continue;
		struct tn_str prefix = tn_str_from(wire->read_prefixes[i]);
		if (tn_str_starts_nocase(header_name, prefix)) {
			*out_prefix = i;
			return tn_str_tail(header_name, prefix.len);
		}
	}
	return (struct tn_str){NULL, 0};
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* Header names have no case; attribute names are lower case. */
static struct tn_str lower_name(struct tn_str name, struct tn_draft *draft)
{
	size_t at = 0;
	while (at < name.len && !is_upper(name.bytes[at]))
		at++;
	if (at == name.len)
		return name;
	char *to = tn_draft_room(draft, name.len);
	for (size_t i = 0; i < name.len; i++)
		to[i] = is_upper(name.bytes[i]) ? (char)(name.bytes[i] | 0x20) : name.bytes[i];
	return (struct tn_str){to, name.len};
}

/* A source or schema that its sender did not encode: what was received is the URI. */
static bool is_unencoded_uri(struct tn_str name, const struct tn_header_value *value)
{
	if (value->text.bytes == value->raw.bytes || tn_attribute_check_text(value->text) != TN_FAULT_NONE)
		return false;
	const char *why;
	unsigned which = tn_attribute_which(name);
	if (which == TN_NAME_EXTENSION && tn_str_is(name, "dataref"))
		which = TN_CORE_SOURCE;
	if (which != TN_CORE_SOURCE && which != TN_CORE_DATASCHEMA)
		return false;
	return tn_attribute_check(which, value->text, &why) != TN_FAULT_NONE &&
		tn_attribute_check(which, value->raw, &why) == TN_FAULT_NONE;
}

static enum tn_status decode_percent(struct tn_str name, struct tn_str header, struct tn_draft *draft, struct tn_str *out_value,
	struct tn_wire_error *error)
{
	struct tn_header_value value;
	switch (tn_header_value_decode(header, draft, &value)) {
	case TN_FAULT_INVALID_QUOTING:
		return tn_fault_set(error, TN_FAULT_INVALID_QUOTING, name, -1, "attribute header has a quote that does not end");
	case TN_FAULT_INVALID_UTF8:
		return tn_fault_set(error, TN_FAULT_INVALID_UTF8, name, -1, "attribute header is not UTF-8");
	case TN_FAULT_INVALID_PERCENT_ENCODING:
		return tn_fault_set(error, TN_FAULT_INVALID_PERCENT_ENCODING, name, -1,
			"percent-encoded bytes of the attribute header are not UTF-8");
	default:
		*out_value = is_unencoded_uri(name, &value) ? value.raw : value.text;
		return TN_OK;
	}
}

static bool seconds_to_text(struct tn_str seconds, struct tn_draft *draft, struct tn_str *out_text)
{
	bool negative = seconds.len > 0 && seconds.bytes[0] == '-';
	uint64_t magnitude;
	if (!tn_str_to_u64(tn_str_tail(seconds, negative), INT64_MAX, &magnitude))
		return false;
	char *text = tn_draft_room(draft, TN_TIMESTAMP_TEXT_SIZE);
	struct tn_timestamp time = {.seconds = negative ? -(int64_t)magnitude : (int64_t)magnitude};
	if (!tn_timestamp_format(time, text))
		return false;
	*out_text = (struct tn_str){text, TN_TIMESTAMP_TEXT_SIZE - 1};
	return true;
}

static struct tn_str bytes_to_text(struct tn_str bytes, struct tn_draft *draft)
{
	struct tn_buf text = {0};
	tn_base64_encode(&text, bytes);
	char *room = tn_draft_room(draft, text.len);
	struct tn_str copy = {room, text.len};
	if (text.len)
		memcpy(room, text.bytes, text.len);
	tn_buf_fini(&text);
	return copy;
}

/* A native value (AMQP) as the canonical string of its type; false: CloudEvents has no such type. */
static bool native_to_text(const struct tn_header *header, struct tn_draft *draft, struct tn_str *out_value)
{
	switch (header->type) {
	case TN_BOOLEAN:
		*out_value = header->value;
		return tn_str_is(header->value, "true") || tn_str_is(header->value, "false");
	case TN_INTEGER:
		return tn_attribute_integer(header->value, out_value);
	case TN_TIMESTAMP:
		return seconds_to_text(header->value, draft, out_value);
	case TN_BYTES:
		*out_value = bytes_to_text(header->value, draft);
		return true;
	default:
		return false;
	}
}

/* Core attributes are Strings, and time a Timestamp. */
static bool native_fits(struct tn_str name, enum tn_value_type type)
{
	unsigned which = tn_attribute_which(name);
	return which == TN_NAME_EXTENSION || (which == TN_CORE_TIME && type == TN_TIMESTAMP);
}

static enum tn_status decode_value(const struct tn_wire *wire, struct tn_str name, const struct tn_header *header,
	struct tn_draft *draft, struct tn_attribute *out_attribute, struct tn_wire_error *error)
{
	*out_attribute = (struct tn_attribute){name, header->value, header->type};
	if (header->type == TN_STRING)
		return wire->percent ? decode_percent(name, header->value, draft, &out_attribute->value, error) : TN_OK;
	if (!native_fits(name, header->type) || !native_to_text(header, draft, &out_attribute->value))
		return tn_fault_set(error, TN_FAULT_INVALID_ATTRIBUTE_VALUE, name, -1,
			"attribute header has a type or a value that CloudEvents does not know");
	return TN_OK;
}

/* Two places may say it: the transport's own (content_type) and an attribute header (declared). bytes NULL: it does not. */
static enum tn_status add_content_type(const struct tn_wire *wire, struct tn_str content_type, struct tn_str declared,
	struct tn_draft *draft, struct tn_wire_error *error)
{
	struct tn_str chosen = content_type;
	if (!content_type.bytes || (wire->type_in_header && declared.bytes))
		chosen = declared;
	else if (declared.bytes && !tn_str_equal_nocase(declared, content_type))
		return tn_fault_set(error, TN_FAULT_CONTENT_TYPE_CONFLICT, DATACONTENTTYPE, -1,
			"content type and attribute 'datacontenttype' differ");
	if (!chosen.bytes)
		return TN_OK;
	return tn_draft_add(draft, (struct tn_attribute){DATACONTENTTYPE, chosen, TN_STRING}, -1, error);
}

enum tn_status tn_binary_decode(const struct tn_wire *wire, const struct tn_wire_input *input, struct tn_str content_type,
	struct tn_draft *draft, struct tn_wire_error *error)
{
	struct tn_str declared = {NULL, 0};
	unsigned first_prefix = UINT32_MAX, prefix;
	for (size_t i = 0; i < input->header_count; i++) {
		const struct tn_header *header = &input->headers[i];
		struct tn_str name = tn_binary_strip_prefix(wire, header->name, &prefix);
		if (!name.bytes)
			continue;
		if (first_prefix == UINT32_MAX)
			first_prefix = prefix;
		else if (first_prefix != prefix)
			return tn_fault_set(error, TN_FAULT_MIXED_PREFIX, TN_NO_ATTRIBUTE, -1,
				"attribute headers have both prefixes '%s' and '%s'", wire->read_prefixes[first_prefix],
				wire->read_prefixes[prefix]);
		struct tn_attribute attribute;
		name = lower_name(name, draft);
		if (decode_value(wire, name, header, draft, &attribute, error) != TN_OK)
			return TN_INVALID;
		if (!tn_str_equal(name, DATACONTENTTYPE)) {
			if (tn_draft_add(draft, attribute, -1, error) != TN_OK)
				return TN_INVALID;
			continue;
		}
		if (declared.bytes)
			return tn_fault_set(error, TN_FAULT_DUPLICATE_ATTRIBUTE, DATACONTENTTYPE, -1,
				"attribute 'datacontenttype' is there twice");
		declared = attribute.value.bytes ? attribute.value : TN_STR("");
	}
	if (add_content_type(wire, content_type, declared, draft, error) != TN_OK)
		return TN_INVALID;
	draft->has_data = input->has_body && !(wire->empty_is_none && input->body.len == 0);
	if (draft->has_data)
		draft->data = input->body;
	return TN_OK;
}

/* --- Writing --- */

void tn_encoded_reserve(struct tn_encoded *encoded, size_t count)
{
	encoded->header_count = 0;
	if (count <= encoded->header_capacity)
		return;
	struct tn_header *headers = reallocarray(encoded->headers, count, sizeof *headers);
	if (!headers)
		abort();
	encoded->headers = headers;
	encoded->header_capacity = count;
}

void tn_encoded_fini(struct tn_encoded *encoded)
{
	free(encoded->headers);
	tn_buf_fini(&encoded->text);
	*encoded = (struct tn_encoded){0};
}

/* Appends to text, which has the room. */
static struct tn_str put(struct tn_buf *text, struct tn_str part)
{
	struct tn_str put = {text->bytes + text->len, part.len};
	memcpy(text->bytes + text->len, part.bytes, part.len);
	text->len += part.len;
	return put;
}

static struct tn_str put_value(struct tn_buf *text, struct tn_str value)
{
	char *start = text->bytes + text->len, *end = tn_header_value_encode(value, start);
	text->len += (size_t)(end - start);
	return (struct tn_str){start, (size_t)(end - start)};
}

/* Names are written, values are borrowed from the event unless they have to be encoded. */
static void put_header(const struct tn_wire *wire, struct tn_str prefix, struct tn_attribute attribute, struct tn_encoded *out)
{
	struct tn_header *header = &out->headers[out->header_count++];
	*header = (struct tn_header){.value = attribute.value, .type = TN_STRING};
	if (!wire->type_in_header && tn_str_equal(attribute.name, DATACONTENTTYPE)) {
		header->name = TN_STR("content-type");
		return;
	}
	header->name = put(&out->text, prefix);
	header->name.len += put(&out->text, attribute.name).len;
	if (wire->percent && !tn_header_value_is_plain(attribute.value))
		header->value = put_value(&out->text, attribute.value);
}

void tn_binary_encode(const struct tn_wire *wire, const struct tn_event *event, struct tn_encoded *out)
{
	static const struct tn_attribute specversion = {{"specversion", 11}, {"1.0", 3}, TN_STRING};
	struct tn_str prefix = tn_str_from(wire->write_prefix);
	size_t count, need = prefix.len + specversion.name.len;
	const struct tn_attribute *attributes = tn_event_attributes(event, &count);
	for (size_t i = 0; i < count; i++)
		need += prefix.len + attributes[i].name.len + (wire->percent ? attributes[i].value.len * 3 : 0);
	tn_buf_clear(&out->text);
	tn_buf_reserve(&out->text, need); /* all of it: headers point into it */
	tn_encoded_reserve(out, count + 1);
	put_header(wire, prefix, specversion, out);
	for (size_t i = 0; i < count; i++)
		put_header(wire, prefix, attributes[i], out);
	out->has_body = tn_event_has_data(event);
	out->body = tn_event_data(event);
}
