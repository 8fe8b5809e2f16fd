/* SPDX-License-Identifier: Apache-2.0
 *
 * wildcard.h - text with stars (event-patterns.md section 7), taken apart once and then matched in one pass over the value.
 *
 * Pure; any thread.
 */
#ifndef TURNOUT_RULES_WILDCARD_H
#define TURNOUT_RULES_WILDCARD_H

#include "turnout/arena.h"

struct tn_wildcard {
	struct tn_str *pieces; /* what stands between the stars, unescaped: one more than there are stars */
	uint32_t count;
};

/* NULL, or what is wrong with it. The pieces live in arena. */
const char *tn_wildcard_parse(struct tn_str text, struct tn_arena *arena, struct tn_wildcard *out_wildcard);
bool tn_wildcard_match(const struct tn_wildcard *wildcard, struct tn_str value);

#endif
