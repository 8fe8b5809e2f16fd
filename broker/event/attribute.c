/* SPDX-License-Identifier: Apache-2.0
 *
 * attribute.c - names and values of context attributes.
 *
 * Called for each attribute of each event that comes in: the hot path. Owns nothing. Any thread.
 */
#include "attribute.h"

#include "media_type.h"
#include "timestamp.h"
#include "turnout/utf8.h"
#include "uri.h"

unsigned tn_attribute_which(struct tn_str name)
{
	/* By length first: most extensions are told apart without looking at a byte. */
	switch (name.len) {
	case 2:
		return memcmp(name.bytes, "id", 2) == 0 ? TN_CORE_ID : TN_NAME_EXTENSION;
	case 4:
		if (memcmp(name.bytes, "type", 4) == 0)
			return TN_CORE_TYPE;
		return memcmp(name.bytes, "time", 4) == 0 ? TN_CORE_TIME : TN_NAME_EXTENSION;
	case 6:
		return memcmp(name.bytes, "source", 6) == 0 ? TN_CORE_SOURCE : TN_NAME_EXTENSION;
	case 7:
		return memcmp(name.bytes, "subject", 7) == 0 ? TN_CORE_SUBJECT : TN_NAME_EXTENSION;
	case 10:
		return memcmp(name.bytes, "dataschema", 10) == 0 ? TN_CORE_DATASCHEMA : TN_NAME_EXTENSION;
	case 11:
		return memcmp(name.bytes, "specversion", 11) == 0 ? TN_NAME_SPECVERSION : TN_NAME_EXTENSION;
	case 15:
		return memcmp(name.bytes, "datacontenttype", 15) == 0 ? TN_CORE_DATACONTENTTYPE : TN_NAME_EXTENSION;
	default:
		return TN_NAME_EXTENSION;
	}
}

bool tn_attribute_name_valid(struct tn_str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.bytes[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			return false;
	}
	return name.len > 0 && !tn_str_equal(name, TN_STR("data"));
}

/* Eight bytes at once: are they all 0x20-0x7e? */
static bool eight_printable(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
	uint64_t del = word ^ (ones * 0x7f);
	return !((((word - ones * 0x20) & ~word) | ((del - ones) & ~del) | word) & high);
}

static bool is_excluded(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0xfdd0 && code <= 0xfdef) ||
		(code & 0xfffe) == 0xfffe;
}

enum tn_wire_fault tn_attribute_check_text(struct tn_str value)
{
	enum tn_wire_fault fault = TN_FAULT_NONE;
	for (size_t at = 0; at < value.len;) {
		uint64_t word;
		if (value.len - at >= sizeof word) {
			memcpy(&word, value.bytes + at, sizeof word);
			if (eight_printable(word)) {
				at += sizeof word;
				continue;
			}
		}
		uint32_t code;
		unsigned len = tn_utf8_decode(value.bytes + at, value.len - at, &code);
		if (len == 0)
			return TN_FAULT_INVALID_UTF8;
		if (is_excluded(code))
			fault = TN_FAULT_INVALID_ATTRIBUTE_VALUE;
		at += len;
	}
	return fault;
}

static const char *complaint(unsigned which, struct tn_str value)
{
	struct tn_media_type media_type;
	struct tn_timestamp time;
	if (value.len == 0)
		return which == TN_NAME_EXTENSION ? NULL : "must not be empty";
	switch (which) {
	case TN_CORE_SOURCE:
		return tn_uri_reference_valid(value) ? NULL : "is not a URI reference (RFC 3986)";
	case TN_CORE_DATASCHEMA:
		return tn_uri_absolute_valid(value) ? NULL : "is not an absolute URI (RFC 3986)";
	case TN_CORE_TIME:
		return tn_timestamp_parse(value, &time) ? NULL : "is not a timestamp (RFC 3339)";
	case TN_CORE_DATACONTENTTYPE:
		return tn_media_type_parse(value, &media_type) ? NULL : "is not a media type (RFC 2046)";
	default:
		return NULL;
	}
}

enum tn_wire_fault tn_attribute_check(unsigned which, struct tn_str value, const char **out_why)
{
	enum tn_wire_fault fault = tn_attribute_check_text(value);
	if (fault == TN_FAULT_INVALID_UTF8) {
		*out_why = "is not UTF-8";
		return fault;
	}
	const char *why = fault ? "has a control character or a noncharacter" : complaint(which, value);
	if (why) {
		*out_why = why;
		return TN_FAULT_INVALID_ATTRIBUTE_VALUE;
	}
	if (which == TN_NAME_SPECVERSION && !tn_str_equal(value, TN_STR("1.0"))) {
		*out_why = "is not a version that is spoken here (1.0)";
		return TN_FAULT_UNSUPPORTED_SPECVERSION;
	}
	return TN_FAULT_NONE;
}

bool tn_attribute_integer(struct tn_str text, struct tn_str *out_text)
{
	bool negative = text.len > 0 && text.bytes[0] == '-';
	uint64_t magnitude;
	if (!tn_str_to_u64(tn_str_tail(text, negative), negative ? 2147483648u : 2147483647u, &magnitude))
		return false;
	*out_text = negative && magnitude == 0 ? TN_STR("0") : text;
	return true;
}

bool tn_attribute_canonical(const struct tn_attribute *attribute)
{
	struct tn_str integer;
	struct tn_timestamp time;
	switch (attribute->type) {
	case TN_STRING:
	case TN_BYTES:
		return true;
	case TN_BOOLEAN:
		return tn_str_is(attribute->value, "true") || tn_str_is(attribute->value, "false");
	case TN_INTEGER:
		return tn_attribute_integer(attribute->value, &integer) && tn_str_equal(integer, attribute->value);
	case TN_TIMESTAMP:
		return tn_timestamp_parse(attribute->value, &time);
	case TN_OTHER:
		break;
	}
	return false;
}
