/* SPDX-License-Identifier: Apache-2.0
 *
 * address.c - judges the address a socket is about to connect to.
 *
 * Called by http_client.c for each connect, and by other connectors that open sockets themselves. Owns a list of blocks. Any thread.
 *
 * Every address is turned into views of one family and up to 16 bytes, and each view must pass:
 *
 *   10.1.2.3, ::ffff:10.1.2.3       -> v4 10.1.2.3
 *   64:ff9b::a9fe:a9fe (NAT64)      -> v6 itself, v4 169.254.169.254
 *   2002:a9fe:a9fe:: (6to4)         -> v6 itself, v4 169.254.169.254
 *   ::169.254.169.254 (compatible)  -> v6 itself, v4 169.254.169.254
 */
#include "turnout/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

struct view {
	int family;        /* AF_INET: 4 bytes, AF_INET6: 16 */
	uint8_t bytes[16];
};

struct block {
	struct view start; /* bits beyond the prefix are zero */
	uint8_t prefix;
};

struct tn_address_policy {
	size_t allow_count, deny_count;
	struct block blocks[]; /* those of allow first */
};

static const struct block denied_by_default[] = {
	{{AF_INET, {0}}, 8},                                             /* "this network"; 0.0.0.0 reaches our own host */
	{{AF_INET, {169, 254}}, 16},                                     /* link-local: metadata services */
	{{AF_INET, {100, 100, 100, 200}}, 32},                           /* Alibaba Cloud's metadata service */
	{{AF_INET, {224}}, 4},                                           /* multicast */
	{{AF_INET, {255, 255, 255, 255}}, 32},                           /* broadcast */
	{{AF_INET6, {0}}, 128},                                          /* unspecified */
	{{AF_INET6, {0xfe, 0x80}}, 10},                                  /* link-local */
	{{AF_INET6, {0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, 0x54}}, 128},  /* fd00:ec2::254, EC2's metadata service */
	{{AF_INET6, {0xfd, 0x20, 0x00, 0xce, [14] = 0x02, 0x54}}, 128},  /* fd20:ce::254, Google Cloud's */
	{{AF_INET6, {0xff}}, 8},                                         /* multicast */
};

static unsigned family_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

static bool block_holds(const struct block *block, const struct view *view)
{
	if (block->start.family != view->family)
		return false;
	unsigned whole = block->prefix / 8, rest = block->prefix % 8;
	if (memcmp(block->start.bytes, view->bytes, whole) != 0)
		return false;
	return rest == 0 || (block->start.bytes[whole] ^ view->bytes[whole]) >> (8 - rest) == 0;
}

static bool any_holds(const struct block *blocks, size_t count, const struct view *view)
{
	for (size_t i = 0; i < count; i++)
		if (block_holds(&blocks[i], view))
			return true;
	return false;
}

static bool view_allowed(const struct tn_address_policy *policy, const struct view *view)
{
	if (policy && any_holds(policy->blocks + policy->allow_count, policy->deny_count, view))
		return false;
	if (policy && any_holds(policy->blocks, policy->allow_count, view))
		return true;
	return !any_holds(denied_by_default, sizeof denied_by_default / sizeof *denied_by_default, view);
}

static struct view v4_view(const uint8_t bytes[4])
{
	struct view view = {AF_INET, {0}};
	memcpy(view.bytes, bytes, 4);
	return view;
}

/* The IPv4 address that an IPv6 one carries, or NULL. */
static const uint8_t *find_embedded(const uint8_t bytes[16])
{
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b}, compatible[12] = {0}, loopback[16] = {[15] = 1}, none[16] = {0};
	if (memcmp(bytes, nat64, 12) == 0)
		return bytes + 12;
	if (bytes[0] == 0x20 && bytes[1] == 0x02)
		return bytes + 2;
	if (memcmp(bytes, compatible, 12) == 0 && memcmp(bytes, loopback, 16) != 0 && memcmp(bytes, none, 16) != 0)
		return bytes + 12;
	return NULL;
}

static bool is_mapped(const uint8_t bytes[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
	return memcmp(bytes, mapped, 12) == 0;
}

bool tn_address_allowed(const struct tn_address_policy *policy, const struct sockaddr *address)
{
	struct view view = {AF_INET6, {0}};
	if (address->sa_family == AF_INET) {
		struct sockaddr_in v4;
		memcpy(&v4, address, sizeof v4);
		view = v4_view((const uint8_t *)&v4.sin_addr);
		return view_allowed(policy, &view);
	}
	if (address->sa_family != AF_INET6)
		return false;
	struct sockaddr_in6 v6;
	memcpy(&v6, address, sizeof v6);
	memcpy(view.bytes, &v6.sin6_addr, 16);
	if (is_mapped(view.bytes)) {
		view = v4_view(view.bytes + 12);
		return view_allowed(policy, &view);
	}
	const uint8_t *embedded = find_embedded(view.bytes);
	if (embedded) {
		struct view inner = v4_view(embedded);
		if (!view_allowed(policy, &inner))
			return false;
	}
	return view_allowed(policy, &view);
}

/* --- Reading blocks --- */

static bool has_bits_beyond(const struct block *block)
{
	for (unsigned bit = block->prefix; bit < family_bits(block->start.family); bit++)
		if (block->start.bytes[bit / 8] & (0x80 >> bit % 8))
			return true;
	return false;
}

/* ::ffff:10.0.0.0/104 is 10.0.0.0/8, as addresses of that form are judged as IPv4. */
static void unmap(struct block *block)
{
	if (block->start.family != AF_INET6 || block->prefix < 96 || !is_mapped(block->start.bytes))
		return;
	block->start = v4_view(block->start.bytes + 12);
	block->prefix -= 96;
}

static enum tn_status parse_block(struct tn_str text, struct block *out_block, struct tn_error *error)
{
	char address[INET6_ADDRSTRLEN];
	size_t slash = tn_str_find(text, '/');
	struct tn_str head = {text.bytes, slash == SIZE_MAX ? text.len : slash};
	struct block block = {{AF_INET, {0}}, 0};

	if (head.len < sizeof address && tn_str_find(head, 0) == SIZE_MAX) {
		memcpy(address, head.bytes, head.len);
		address[head.len] = 0;
		if (strchr(address, ':'))
			block.start.family = AF_INET6;
	} else {
		address[0] = 0;
	}
	if (inet_pton(block.start.family, address, block.start.bytes) != 1) {
		tn_error_set(error, "'%.*s' is not an address or CIDR block", TN_STR_ARG(text));
		return TN_INVALID;
	}
	uint64_t prefix = family_bits(block.start.family);
	if (slash != SIZE_MAX && !tn_str_to_u64(tn_str_tail(text, slash + 1), prefix, &prefix)) {
		tn_error_set(error, "'%.*s': the prefix length must be 0 to %u", TN_STR_ARG(text), family_bits(block.start.family));
		return TN_INVALID;
	}
	block.prefix = (uint8_t)prefix;
	if (has_bits_beyond(&block)) {
		tn_error_set(error, "'%.*s' has bits set beyond its prefix length", TN_STR_ARG(text));
		return TN_INVALID;
	}
	unmap(&block);
	*out_block = block;
	return TN_OK;
}

static enum tn_status parse_list(const struct tn_str *texts, size_t count, struct block *out, struct tn_error *error)
{
	for (size_t i = 0; i < count; i++) {
		enum tn_status status = parse_block(texts[i], &out[i], error);
		if (status != TN_OK)
			return status;
	}
	return TN_OK;
}

enum tn_status tn_address_policy_extend(const struct tn_address_policy *base, const struct tn_str *allow, size_t allow_count,
	const struct tn_str *deny, size_t deny_count, struct tn_address_policy **out_policy, struct tn_error *error)
{
	size_t base_allow = base ? base->allow_count : 0, base_deny = base ? base->deny_count : 0;
	if (allow_count > TN_ADDRESS_BLOCKS_MAX || deny_count > TN_ADDRESS_BLOCKS_MAX ||
		base_allow + base_deny + allow_count + deny_count > TN_ADDRESS_BLOCKS_MAX) {
		tn_error_set(error, "more than %d address blocks", TN_ADDRESS_BLOCKS_MAX);
		return TN_INVALID;
	}
	size_t total = base_allow + base_deny + allow_count + deny_count;
	struct tn_address_policy *policy = calloc(1, sizeof *policy + total * sizeof *policy->blocks);
	if (!policy)
		abort();
	policy->allow_count = base_allow + allow_count;
	policy->deny_count = base_deny + deny_count;
	struct block *denied = policy->blocks + policy->allow_count;
	if (base) {
		memcpy(policy->blocks, base->blocks, base_allow * sizeof *policy->blocks);
		memcpy(denied, base->blocks + base_allow, base_deny * sizeof *policy->blocks);
	}
	enum tn_status status = parse_list(allow, allow_count, policy->blocks + base_allow, error);
	if (status == TN_OK)
		status = parse_list(deny, deny_count, denied + base_deny, error);
	if (status != TN_OK) {
		tn_address_policy_free(policy);
		return status;
	}
	*out_policy = policy;
	return TN_OK;
}

enum tn_status tn_address_policy_new(const struct tn_str *allow, size_t allow_count, const struct tn_str *deny, size_t deny_count,
	struct tn_address_policy **out_policy, struct tn_error *error)
{
	return tn_address_policy_extend(NULL, allow, allow_count, deny, deny_count, out_policy, error);
}

void tn_address_policy_free(struct tn_address_policy *policy)
{
	free(policy);
}
