/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern_tree.h - a pattern on its way from text to branches, inside rules/ only.
 *
 *   text ──pattern_parse.c──► items ──pattern_expand.c──► branches
 *          checks everything          multiplies `$or` out
 *
 * An object becomes a list of items in the order they were written; nested objects are gone, their fields have longer paths.
 */
#ifndef TURNOUT_RULES_PATTERN_TREE_H
#define TURNOUT_RULES_PATTERN_TREE_H

#include "branch.h"
#include "paths.h"
#include "turnout/pattern.h"

struct tn_pattern_item { /* a field, or a `$or` */
	struct tn_pattern_item *next;
	uint32_t path, slot;            /* slot: the path's number within the pattern, for tn_pattern_expand */
	const struct tn_values *values; /* NULL: a `$or` */
	struct tn_pattern_choice *choices;
};
struct tn_pattern_choice { /* one object of a `$or` */
	struct tn_pattern_choice *next;
	struct tn_pattern_item *items;
};

struct tn_pattern_code { /* a compiled pattern, in somebody's arena and under somebody's paths */
	const struct tn_branch *branches;
	uint32_t branch_count;
	bool names_eventbridge; /* a member that only the EventBridge view has (cloudevents.md section 11) */
};

/* The items of the text's object. TN_INVALID with the error. Copies the text. */
enum tn_status tn_pattern_parse(struct tn_str text, const struct tn_pattern_limits *limits, struct tn_arena *arena,
	struct tn_paths *paths, struct tn_pattern_item **out_items, struct tn_pattern_error *error) TN_MUST_CHECK;
/* Cannot fail: the parser counted the branches. */
void tn_pattern_expand(struct tn_pattern_item *items, struct tn_arena *arena, struct tn_pattern_code *out_code);
/* Both. */
enum tn_status tn_pattern_build(struct tn_str text, const struct tn_pattern_limits *limits, struct tn_arena *arena,
	struct tn_paths *paths, struct tn_pattern_code *out_code, struct tn_pattern_error *error) TN_MUST_CHECK;
/* Does any branch match? TN_TOO_LARGE: see tn_agree_decide. */
enum tn_status tn_pattern_judge(const struct tn_pattern_code *code, const struct tn_leaves *leaves, struct tn_agree *agree,
	bool *out_match) TN_MUST_CHECK;

#endif
