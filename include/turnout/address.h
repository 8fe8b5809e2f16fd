/* SPDX-License-Identifier: Apache-2.0
 *
 * address.h - where outgoing connections may go, judged on the connected address at each connect (DESIGN section 4, "Safe by default").
 *
 * Default: loopback and private are allowed; denied are link-local (metadata services), the metadata services that stand on other
 * addresses, unspecified (all of 0.0.0.0/8), multicast and broadcast. `allow` opens what the default denies, `deny` closes more; deny wins.
 * v4-mapped IPv6 addresses are judged as IPv4. An IPv6 address that carries an IPv4 one (NAT64, 6to4, v4-compatible) must pass as both.
 * Immutable once made: any thread.
 */
#ifndef TURNOUT_ADDRESS_H
#define TURNOUT_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include "turnout/error.h"
#include "turnout/str.h"

struct sockaddr;
struct tn_address_policy;

enum { TN_ADDRESS_BLOCKS_MAX = 4096 }; /* allow and deny together */

/* Returns owned in *out. Lists of CIDR blocks ("169.254.0.0/16", "fe80::/10") or single addresses. TN_INVALID names the block. */
enum tn_status tn_address_policy_new(const struct tn_str *allow, size_t allow_count, const struct tn_str *deny, size_t deny_count,
	struct tn_address_policy **out_policy, struct tn_error *error) TN_MUST_CHECK;
/* The same, with the blocks of base (which is only read; NULL: none) before these: deny of either wins, allow of either opens. */
enum tn_status tn_address_policy_extend(const struct tn_address_policy *base, const struct tn_str *allow, size_t allow_count,
	const struct tn_str *deny, size_t deny_count, struct tn_address_policy **out_policy, struct tn_error *error) TN_MUST_CHECK;
void tn_address_policy_free(struct tn_address_policy *policy);
/* AF_INET and AF_INET6 only; any other family is denied. NULL policy: the default. */
bool tn_address_allowed(const struct tn_address_policy *policy, const struct sockaddr *address);

#endif
