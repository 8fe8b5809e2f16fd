/* SPDX-License-Identifier: Apache-2.0
 *
 * fault.c - what can be wrong with an event on a wire: its name, its HTTP status, its sentence.
 *
 * Called by whatever refuses. Owns nothing. Any thread.
 */
#include "fault.h"

#include <stdio.h>

#include "turnout/utf8.h"

static const struct {
	const char *name;
	int status;
} faults[] = {
	[TN_FAULT_NONE] = {"none", 200},
	[TN_FAULT_MISSING_ATTRIBUTE] = {"missing_attribute", 400},
	[TN_FAULT_INVALID_ATTRIBUTE_NAME] = {"invalid_attribute_name", 400},
	[TN_FAULT_INVALID_ATTRIBUTE_VALUE] = {"invalid_attribute_value", 400},
	[TN_FAULT_DUPLICATE_ATTRIBUTE] = {"duplicate_attribute", 400},
	[TN_FAULT_MIXED_PREFIX] = {"mixed_prefix", 400},
	[TN_FAULT_UNSUPPORTED_SPECVERSION] = {"unsupported_specversion", 400},
	[TN_FAULT_INVALID_PERCENT_ENCODING] = {"invalid_percent_encoding", 400},
	[TN_FAULT_INVALID_QUOTING] = {"invalid_quoting", 400},
	[TN_FAULT_INVALID_UTF8] = {"invalid_utf8", 400},
	[TN_FAULT_CONTENT_TYPE_CONFLICT] = {"content_type_conflict", 400},
	[TN_FAULT_INVALID_JSON] = {"invalid_json", 400},
	[TN_FAULT_NOT_AN_OBJECT] = {"not_an_object", 400},
	[TN_FAULT_NOT_AN_ARRAY] = {"not_an_array", 400},
	[TN_FAULT_DATA_CONFLICT] = {"data_conflict", 400},
	[TN_FAULT_DATA_TYPE_MISMATCH] = {"data_type_mismatch", 400},
	[TN_FAULT_INVALID_BASE64] = {"invalid_base64", 400},
	[TN_FAULT_UNSUPPORTED_FORMAT] = {"unsupported_format", 415},
	[TN_FAULT_UNSUPPORTED_CHARSET] = {"unsupported_charset", 415},
	[TN_FAULT_TOO_LARGE] = {"too_large", 413},
	[TN_FAULT_PLAIN_REFUSED] = {"not_a_cloudevent", 400},
};

const char *tn_wire_fault_name(enum tn_wire_fault fault)
{
	return faults[fault].name;
}

int tn_wire_fault_status(enum tn_wire_fault fault)
{
	return faults[fault].status;
}

/* Whole UTF-8 characters only; a control character or a byte that is none becomes '?'. */
static void copy_name(char *out, size_t size, struct tn_str name)
{
	size_t len = 0;
	for (size_t at = 0; at < name.len;) {
		uint32_t code;
		unsigned n = tn_utf8_decode(name.bytes + at, name.len - at, &code);
		bool shown = n > 0 && code >= 0x20 && code != 0x7f;
		if (n == 0)
			n = 1;
		if (len + n >= size)
			break;
		if (shown) {
			memcpy(out + len, name.bytes + at, n);
			len += n;
		} else {
			out[len++] = '?';
		}
		at += n;
	}
	out[len] = 0;
}

enum tn_status tn_fault_set(struct tn_wire_error *error, enum tn_wire_fault fault, struct tn_str attribute, int64_t offset,
	const char *format, ...)
{
	if (!error)
		return TN_INVALID;
	error->fault = fault;
	error->index = -1;
	error->offset = offset;
	copy_name(error->attribute, sizeof error->attribute, attribute);
	va_list args;
	va_start(args, format);
	vsnprintf(error->message, sizeof error->message, format, args);
	va_end(args);
	return TN_INVALID;
}
