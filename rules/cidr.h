/* SPDX-License-Identifier: Apache-2.0
 *
 * cidr.h - blocks of IP addresses in text form (event-patterns.md section 6). Pure; any thread.
 */
#ifndef TURNOUT_RULES_CIDR_H
#define TURNOUT_RULES_CIDR_H

#include "turnout/str.h"

struct tn_cidr {
	bool v6;
	uint8_t bits;
	uint8_t address[16];
};

/* "10.0.0.0/8", "fe80::/10"; false: malformed. Host bits are ignored. */
bool tn_cidr_parse(struct tn_str text, struct tn_cidr *out_block);
/* Is the whole text an address of the block's family, within the block? */
bool tn_cidr_contains(const struct tn_cidr *block, struct tn_str text);

#endif
