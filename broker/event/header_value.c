/* SPDX-License-Identifier: Apache-2.0
 *
 * header_value.c - quotes and percent-encoding of attribute values in headers (cloudevents.md section 4).
 *
 * Called for each context attribute of a binary HTTP or NATS message, both ways. A value that needs no decoding is not copied.
 * Owns nothing. Any thread.
 */
#include "header_value.h"

#include "turnout/utf8.h"

/* Between quotes, \x stands for x, and the quotes vanish; outside, everything stays. */
static bool undo_quotes(struct tn_str text, char *to, size_t *out_len)
{
	bool quoted = false;
	size_t len = 0;
	for (size_t at = 0; at < text.len; at++) {
		char c = text.bytes[at];
		if (c == '"') {
			quoted = !quoted;
			continue;
		}
		if (quoted && c == '\\') {
			if (++at == text.len)
				return false;
			c = text.bytes[at];
		}
		to[len++] = c;
	}
	*out_len = len;
	return !quoted;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A percent sign without two hex digits stays: large senders do not encode at all and write "100%". */
static size_t undo_percent(struct tn_str text, char *to)
{
	size_t len = 0;
	for (size_t at = 0; at < text.len; at++) {
		char c = text.bytes[at];
		if (c == '%' && text.len - at > 2) {
			int high = hex_value(text.bytes[at + 1]), low = hex_value(text.bytes[at + 2]);
			if (high >= 0 && low >= 0) {
				c = (char)(high << 4 | low);
				at += 2;
			}
		}
		to[len++] = c;
	}
	return len;
}

enum tn_wire_fault tn_header_value_decode(struct tn_str header, struct tn_draft *room, struct tn_header_value *out)
{
	struct tn_str raw = tn_str_trim(header, " \t");
	/* Before decoding: a character must not be half raw, half encoded. */
	if (tn_utf8_check(raw) != raw.len)
		return TN_FAULT_INVALID_UTF8;
	if (tn_str_find(raw, '"') != SIZE_MAX) {
		char *to = tn_draft_room(room, raw.len);
		size_t len;
		if (!undo_quotes(raw, to, &len))
			return TN_FAULT_INVALID_QUOTING;
		raw = (struct tn_str){to, len};
	}
	struct tn_str text = raw;
	if (tn_str_find(raw, '%') != SIZE_MAX) {
		char *to = tn_draft_room(room, raw.len);
		text = (struct tn_str){to, undo_percent(raw, to)};
		if (tn_utf8_check(text) != text.len)
			return TN_FAULT_INVALID_PERCENT_ENCODING;
	}
	*out = (struct tn_header_value){text, raw};
	return TN_FAULT_NONE;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x21 && c <= 0x7e && c != '"' && c != '%';
}

bool tn_header_value_is_plain(struct tn_str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_plain((unsigned char)text.bytes[i]))
			return false;
	return true;
}

char *tn_header_value_encode(struct tn_str text, char *to)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.bytes[i];
		if (is_plain(c)) {
			*to++ = (char)c;
			continue;
		}
		*to++ = '%';
		*to++ = hex[c >> 4];
		*to++ = hex[c & 15];
	}
	return to;
}
