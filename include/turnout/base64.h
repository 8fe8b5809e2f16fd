/* SPDX-License-Identifier: Apache-2.0
 *
 * base64.h - RFC 4648 section 4, padded and strict; and base32 lower-case without padding for delivery ids.
 */
#ifndef TURNOUT_BASE64_H
#define TURNOUT_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "turnout/str.h"

/* Appends the encoded form. */
void tn_base64_encode(struct tn_buf *out, struct tn_str bytes);
/* Appends the decoded bytes; false (out unchanged): wrong alphabet, length, padding, white space or non-zero spare bits. */
bool tn_base64_decode(struct tn_buf *out, struct tn_str text);
/* 16 bytes to 26 characters and a NUL, alphabet a-z2-7. */
void tn_base32_id(const uint8_t bytes[16], char out[27]);
/* Its inverse; false: not 26 such characters, or spare bits set. */
bool tn_base32_parse_id(struct tn_str text, uint8_t out_bytes[16]);

#endif
