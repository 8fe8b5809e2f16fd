/* SPDX-License-Identifier: Apache-2.0
 *
 * address.h - where outgoing connections may go, judged on the connected address at each connect (DESIGN section 4, "Safe by default").
 *
 * Default: loopback and private are allowed; link-local (metadata services), unspecified, multicast and broadcast are denied. `allow`
 * opens denied ones, `deny` closes others; deny wins. v4-mapped IPv6 addresses are judged as IPv4. Immutable once made: any thread.
 */
#ifndef TURNOUT_ADDRESS_H
#define TURNOUT_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include "turnout/error.h"
#include "turnout/str.h"

struct sockaddr;
struct tn_address_policy;

/* Returns owned in *out. Lists of CIDR blocks ("169.254.0.0/16", "fe80::/10"). TN_INVALID names the block. */
enum tn_status tn_address_policy_new(const struct tn_str *allow, size_t allow_count, const struct tn_str *deny, size_t deny_count,
	struct tn_address_policy **out_policy, struct tn_error *error) TN_MUST_CHECK;
void tn_address_policy_free(struct tn_address_policy *policy);
/* AF_INET and AF_INET6 only; any other family is denied. NULL policy: the default. */
bool tn_address_allowed(const struct tn_address_policy *policy, const struct sockaddr *address);

#endif
