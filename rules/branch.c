/* SPDX-License-Identifier: Apache-2.0
 *
 * branch.c - judges one branch of a pattern on the leaves of an event.
 *
 * Called by pattern.c and by match.c, so the plain matcher, the router and explain are one. A field is settled when a leaf outside all
 * arrays satisfies it, or when it may be absent and there is no leaf; a branch whose fields are all settled matches, one with a field
 * that nothing satisfies does not, and only what is left asks agree.c.
 */
#include "branch.h"

enum finding { NOTHING, SETTLED, INSIDE_ARRAY, ABSENT_BUT_IN_ARRAY };

static enum finding look(const struct tn_field *field, const struct tn_leaves *leaves)
{
	const struct tn_leaf *leaf = tn_leaves_first(leaves, field->path);
	bool absence = field->values->absence;
	if (!leaf)
		return absence ? SETTLED : NOTHING;
	for (; leaf; leaf = tn_leaves_next(leaves, leaf)) {
		if (tn_values_accept(field->values, leaf))
			return leaf->context == 0 ? SETTLED : INSIDE_ARRAY;
		if (leaf->context == 0)
			absence = false;
	}
	return absence ? ABSENT_BUT_IN_ARRAY : NOTHING;
}

static enum tn_status ask_agree(const struct tn_branch *branch, const struct tn_leaves *leaves, struct tn_agree *agree,
	bool *out_match)
{
	tn_agree_begin(agree, leaves->contexts);
	for (uint32_t i = 0; i < branch->count; i++) {
		const struct tn_field *field = &branch->fields[i];
		const struct tn_leaf *leaf = tn_leaves_first(leaves, field->path);
		tn_agree_field(agree, field->values->absence);
		for (; leaf; leaf = tn_leaves_next(leaves, leaf)) {
			bool accepted = tn_values_accept(field->values, leaf);
			if (accepted || field->values->absence)
				tn_agree_leaf(agree, leaf->context, accepted);
		}
	}
	return tn_agree_decide(agree, out_match);
}

enum tn_status tn_branch_match(const struct tn_branch *branch, const struct tn_leaves *leaves, struct tn_agree *agree, bool *out_match)
{
	bool settled = true;
	for (uint32_t i = 0; i < branch->count; i++) {
		enum finding finding = look(&branch->fields[i], leaves);
		if (finding == NOTHING) {
			*out_match = false;
			return TN_OK;
		}
		settled &= finding == SETTLED;
	}
	if (!settled)
		return ask_agree(branch, leaves, agree, out_match);
	*out_match = true;
	return TN_OK;
}

bool tn_field_match(const struct tn_field *field, const struct tn_leaves *leaves)
{
	enum finding finding = look(field, leaves);
	return finding == SETTLED || finding == INSIDE_ARRAY;
}
