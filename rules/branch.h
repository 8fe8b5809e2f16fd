/* SPDX-License-Identifier: Apache-2.0
 *
 * branch.h - one branch of a pattern, after `$or` was expanded: fields that must all be satisfied; and the judging of it on leaves.
 *
 * Immutable, in its pattern's arena; any thread, each with its own leaves and agree.
 */
#ifndef TURNOUT_RULES_BRANCH_H
#define TURNOUT_RULES_BRANCH_H

#include "agree.h"
#include "clause.h"

struct tn_field {
	uint32_t path;
	uint32_t place; /* its place among the branch's fields as they were written */
	const struct tn_values *values;
};
struct tn_branch {
	const struct tn_field *fields; /* cheapest and most selective first */
	uint32_t count;
};

/* TN_TOO_LARGE: see tn_agree_decide. */
enum tn_status tn_branch_match(const struct tn_branch *branch, const struct tn_leaves *leaves, struct tn_agree *agree,
	bool *out_match) TN_MUST_CHECK;
/* Could this field be satisfied if it stood alone? */
bool tn_field_match(const struct tn_field *field, const struct tn_leaves *leaves);

#endif
