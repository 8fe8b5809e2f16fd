/* SPDX-License-Identifier: Apache-2.0
 *
 * policy.h - the numbers of one retry policy (delivery-semantics section 4). Plain values; integer milliseconds.
 */
#ifndef TURNOUT_POLICY_H
#define TURNOUT_POLICY_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/error.h"
#include "turnout/status.h"
#include "turnout/str.h"

enum tn_jitter { TN_JITTER_EQUAL, TN_JITTER_FULL, TN_JITTER_NONE, TN_JITTER_PLUS_TENTH /* webhook: +0..10% */ };

enum { TN_POLICY_LIST_MAX = 16 };
enum { TN_RETRIES_UNLIMITED = 0xffffffff };

struct tn_backoff {                       /* d(n) = min(cap, base * mult^(n-1)), or the n-th of the list */
	int64_t base_ms, cap_ms;
	uint32_t mult;
	uint32_t list_count;              /* > 0: the list instead; past its end its last entry */
	int64_t list_ms[TN_POLICY_LIST_MAX];
	uint32_t max_retries;             /* or TN_RETRIES_UNLIMITED */
};

struct tn_policy {
	struct tn_backoff system;         /* throttle, transport, 5xx: counted in tn_tries.system */
	struct tn_backoff function;       /* what the function itself answered: counted in tn_tries.function */
	bool split;                       /* two counters (lambda-async); else `system` rules both and counts their sum */
	enum tn_jitter jitter;
	int64_t floor_ms;                 /* [50] */
	int64_t max_age_ms;
	bool drop_exhausted;              /* on_exhausted: drop, instead of dead_letter_and_continue */
	bool block_exhausted;             /* on_exhausted: dead_letter_and_block: in a lane, whatever was not delivered stops those behind */
};

struct tn_doc;
struct tn_doc_node;
struct tn_option;

/* A named profile: "eventbridge" (default), "eventbridge-v2", "lambda-async", "webhook", "fast". False: no such name. */
bool tn_policy_profile(struct tn_str name, struct tn_policy *out_policy);
/* A `retry:` map, of a target or of a rule, over what policy says already: `profile` replaces all but on_exhausted, and each other key
 * its number. TN_INVALID or TN_UNSUPPORTED with the place; then policy is untouched. */
enum tn_status tn_policy_parse(const struct tn_doc *doc, const struct tn_doc_node *map, struct tn_policy *policy,
	struct tn_error *error) TN_MUST_CHECK;
/* The keys of that map with their help, for `turnout help`. */
const struct tn_option *tn_policy_options(void);

#endif
