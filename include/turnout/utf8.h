/* SPDX-License-Identifier: Apache-2.0
 *
 * utf8.h - well-formed UTF-8 only: no overlong forms, no surrogates, nothing above U+10FFFF (RFC 3629).
 */
#ifndef TURNOUT_UTF8_H
#define TURNOUT_UTF8_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/str.h"

/* Offset of the first byte that is not part of well-formed UTF-8; text.len when all is well. */
size_t tn_utf8_check(struct tn_str text);
/* Length of the sequence at bytes (1..4) and its code point, or 0 when it is not well-formed. len > 0. */
unsigned tn_utf8_decode(const char *bytes, size_t len, uint32_t *out_code);
/* Writes 1..4 bytes; code must be a scalar value. */
unsigned tn_utf8_encode(uint32_t code, char out[4]);

#endif
