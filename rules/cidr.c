/* SPDX-License-Identifier: Apache-2.0
 *
 * cidr.c - blocks of IP addresses. Families are kept apart: an IPv6 block never holds IPv4 text, mapped addresses included.
 *
 * Called by the pattern compiler and clause.c. Owns nothing. Any thread.
 */
#include "cidr.h"

#include <arpa/inet.h>

static bool parse_address(struct tn_str text, bool v6, uint8_t out[16])
{
	char copy[INET6_ADDRSTRLEN];
	if (text.len == 0 || text.len >= sizeof copy || memchr(text.bytes, 0, text.len))
		return false;
	memcpy(copy, text.bytes, text.len);
	copy[text.len] = 0;
	return inet_pton(v6 ? AF_INET6 : AF_INET, copy, out) == 1;
}

bool tn_cidr_parse(struct tn_str text, struct tn_cidr *out_block)
{
	size_t slash = tn_str_find(text, '/');
	if (slash == SIZE_MAX)
		return false;
	struct tn_str address = {text.bytes, slash};
	struct tn_cidr block = {.v6 = tn_str_find(address, ':') != SIZE_MAX};
	uint64_t bits;
	if (!parse_address(address, block.v6, block.address) ||
		!tn_str_to_u64(tn_str_tail(text, slash + 1), block.v6 ? 128 : 32, &bits))
		return false;
	block.bits = (uint8_t)bits;
	*out_block = block;
	return true;
}

bool tn_cidr_contains(const struct tn_cidr *block, struct tn_str text)
{
	uint8_t address[16];
	if (!parse_address(text, block->v6, address))
		return false;
	size_t whole = block->bits / 8;
	if (memcmp(address, block->address, whole) != 0)
		return false;
	unsigned part = block->bits % 8;
	return part == 0 || (address[whole] ^ block->address[whole]) >> (8 - part) == 0;
}
