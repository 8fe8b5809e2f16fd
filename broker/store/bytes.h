/* SPDX-License-Identifier: Apache-2.0
 *
 * bytes.h - integers as the store writes them: big-endian, so that keys sort as numbers do.
 */
#ifndef STORE_BYTES_H
#define STORE_BYTES_H

#include <stdint.h>

static inline void tn_bytes_put32(uint8_t *out, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		out[i] = (uint8_t)(value >> (24 - 8 * i));
}
static inline void tn_bytes_put64(uint8_t *out, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(value >> (56 - 8 * i));
}
static inline uint32_t tn_bytes_get32(const uint8_t *bytes)
{
	uint32_t value = 0;
	for (unsigned i = 0; i < 4; i++)
		value = value << 8 | bytes[i];
	return value;
}
static inline uint64_t tn_bytes_get64(const uint8_t *bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value;
}

#endif
