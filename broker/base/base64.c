/* SPDX-License-Identifier: Apache-2.0
 *
 * base64.c - strict base64, and the base32 text of delivery ids.
 *
 * Called by the CloudEvents codec, the HTTP target and the dead-letter record. Owns nothing.
 */
#include "turnout/base64.h"

static const char alphabet64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet32[] = "abcdefghijklmnopqrstuvwxyz234567";

void tn_base64_encode(struct tn_buf *out, struct tn_str bytes)
{
	const unsigned char *b = (const unsigned char *)bytes.bytes;
	char *to = tn_buf_reserve(out, (bytes.len + 2) / 3 * 4);
	size_t i = 0;
	for (; i + 3 <= bytes.len; i += 3) {
		uint32_t word = (uint32_t)b[i] << 16 | (uint32_t)b[i + 1] << 8 | b[i + 2];
		*to++ = alphabet64[word >> 18];
		*to++ = alphabet64[word >> 12 & 63];
		*to++ = alphabet64[word >> 6 & 63];
		*to++ = alphabet64[word & 63];
	}
	if (i < bytes.len) {
		bool two = i + 2 == bytes.len;
		uint32_t word = (uint32_t)b[i] << 16 | (two ? (uint32_t)b[i + 1] << 8 : 0);
		*to++ = alphabet64[word >> 18];
		*to++ = alphabet64[word >> 12 & 63];
		*to++ = two ? alphabet64[word >> 6 & 63] : '=';
		*to++ = '=';
	}
	out->len += (bytes.len + 2) / 3 * 4;
}

static int value64(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool tn_base64_decode(struct tn_buf *out, struct tn_str text)
{
	if (text.len % 4 != 0)
		return false;
	if (text.len == 0)
		return true;
	size_t padding = text.bytes[text.len - 1] != '=' ? 0 : text.bytes[text.len - 2] != '=' ? 1 : 2;
	size_t digits = text.len - padding;
	char *to = tn_buf_reserve(out, text.len / 4 * 3);
	size_t len = 0;
	uint32_t word = 0;
	for (size_t i = 0; i < digits; i++) {
		int value = value64(text.bytes[i]);
		if (value < 0)
			return false;
		word = word << 6 | (uint32_t)value;
		if (i % 4 == 3) {
			to[len++] = (char)(word >> 16);
			to[len++] = (char)(word >> 8);
			to[len++] = (char)word;
			word = 0;
		}
	}
	if (padding == 1) {
		if (word & 3)
			return false;
		to[len++] = (char)(word >> 10);
		to[len++] = (char)(word >> 2);
	} else if (padding == 2) {
		if (word & 15)
			return false;
		to[len++] = (char)(word >> 4);
	}
	out->len += len;
	return true;
}

void tn_base32_id(const uint8_t bytes[16], char out[27])
{
	uint32_t bits = 0, held = 0;
	size_t at = 0;
	for (unsigned i = 0; i < 16; i++) {
		bits = bits << 8 | bytes[i];
		held += 8;
		while (held >= 5) {
			held -= 5;
			out[at++] = alphabet32[bits >> held & 31];
		}
	}
	out[at++] = alphabet32[bits << (5 - held) & 31];
	out[at] = 0;
}

bool tn_base32_parse_id(struct tn_str text, uint8_t out_bytes[16])
{
	if (text.len != 26)
		return false;
	uint8_t bytes[16];
	uint32_t bits = 0, held = 0;
	unsigned at = 0;
	for (unsigned i = 0; i < 26; i++) {
		char c = text.bytes[i];
		uint32_t value;
		if (c >= 'a' && c <= 'z')
			value = (uint32_t)(c - 'a');
		else if (c >= '2' && c <= '7')
			value = (uint32_t)(c - '2' + 26);
		else
			return false;
		bits = bits << 5 | value;
		held += 5;
		if (held >= 8 && at < 16) {
			held -= 8;
			bytes[at++] = (uint8_t)(bits >> held);
		}
	}
	if (bits & ((1u << held) - 1))
		return false;
	for (unsigned i = 0; i < 16; i++)
		out_bytes[i] = bytes[i];
	return true;
}
