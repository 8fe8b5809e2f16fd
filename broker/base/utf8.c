/* SPDX-License-Identifier: Apache-2.0
 *
 * utf8.c - well-formed UTF-8 (RFC 3629), checked in one pass.
 *
 * Called by the JSON scanner, the header codec and the matcher. Owns nothing.
 */
#include "turnout/utf8.h"

unsigned tn_utf8_decode(const char *bytes, size_t len, uint32_t *out_code)
{
	const unsigned char *b = (const unsigned char *)bytes;
	if (b[0] < 0x80) {
		*out_code = b[0];
		return 1;
	}
	if (b[0] < 0xc2)
		return 0;
	unsigned need = b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;
	if (need == 0 || len < need)
		return 0;
	uint32_t code = b[0] & (0x7fu >> need);
	for (unsigned i = 1; i < need; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (b[i] & 0x3fu);
	}
	if ((need == 3 && code < 0x800) || (need == 4 && code < 0x10000) || code > 0x10ffff ||
		(code >= 0xd800 && code < 0xe000))
		return 0;
	*out_code = code;
	return need;
}

size_t tn_utf8_check(struct tn_str text)
{
	size_t at = 0;
	while (at < text.len) {
		uint64_t eight;
		if (text.len - at >= 8) {
			memcpy(&eight, text.bytes + at, 8);
			if (!(eight & 0x8080808080808080u)) {
				at += 8;
				continue;
			}
		}
		uint32_t code;
		unsigned n = tn_utf8_decode(text.bytes + at, text.len - at, &code);
		if (n == 0)
			return at;
		at += n;
	}
	return at;
}

unsigned tn_utf8_encode(uint32_t code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}
