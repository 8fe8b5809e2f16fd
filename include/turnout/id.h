/* SPDX-License-Identifier: Apache-2.0
 *
 * id.h - 128 bits that name a delivery, a lane or a dedup key; and the digest and random sources that make such names.
 */
#ifndef TURNOUT_ID_H
#define TURNOUT_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "turnout/str.h"

struct tn_id {
	uint8_t bytes[16];
};

static inline bool tn_id_equal(const struct tn_id *a, const struct tn_id *b)
{
	return memcmp(a->bytes, b->bytes, 16) == 0;
}
static inline bool tn_id_is_zero(const struct tn_id *id)
{
	static const struct tn_id zero;
	return tn_id_equal(id, &zero);
}

#define TN_ID_TEXT_SIZE 27 /* base32: 26 characters and a NUL */

/* SHA-256 over length-prefixed parts (each: 8 bytes big-endian length, then the bytes). Any thread; the system library. */
void tn_id_digest(const struct tn_str *parts, size_t count, uint8_t out_digest[32]);
/* Its first 128 bits. */
struct tn_id tn_id_hash(const struct tn_str *parts, size_t count);

#define TN_UUID_TEXT_SIZE 37
/* A random (version 4) UUID as text, from the operating system's random source. Any thread. */
void tn_uuid_random(char out[TN_UUID_TEXT_SIZE]);
/* 64 bits from the operating system's random source. Any thread. */
uint64_t tn_seed_random(void);

#endif
