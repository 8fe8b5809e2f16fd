/* SPDX-License-Identifier: Apache-2.0
 *
 * explain.c - why each rule matched an event or did not: the field that stopped it, what was expected there and what was found.
 *
 * Called by `turnout explain` and the admin interface. Asks the same judge that routes (branch.c), field by field. Of a rule's branches
 * the one that came nearest speaks. Any thread, each with its own matcher, whose memory holds the answer.
 */
#include "ruleset_impl.h"

#include <stdlib.h>

enum { LEAVES_SHOWN = 32 };

struct asking {
	struct tn_matcher *matcher;
	const struct tn_ruleset *ruleset;
	const struct tn_leaves *leaves;
};

static struct tn_str keep(struct tn_matcher *matcher, struct tn_buf *text)
{
	struct tn_str kept = tn_arena_copy(&matcher->told, tn_buf_str(text));
	tn_buf_fini(text);
	return kept;
}

/* One leaf as it is, several as a list. */
static struct tn_str show_leaves(const struct asking *asking, uint32_t path)
{
	struct tn_buf text = {0};
	const struct tn_leaf *leaf = tn_leaves_first(asking->leaves, path);
	bool several = leaf && tn_leaves_next(asking->leaves, leaf);
	if (several)
		tn_buf_add_byte(&text, '[');
	for (int shown = 0; leaf && shown < LEAVES_SHOWN; shown++) {
		if (shown)
			tn_buf_add_byte(&text, ',');
		tn_leaf_to_json(leaf, &text);
		leaf = tn_leaves_next(asking->leaves, leaf);
	}
	if (several)
		tn_buf_add_byte(&text, ']');
	return keep(asking->matcher, &text);
}

static int by_place(const void *a, const void *b)
{
	const struct tn_field *one = a, *two = b;
	return one->place < two->place ? -1 : one->place > two->place;
}

/* The first field, as written, that the ones before it leave no leaf for; fields are sorted by place. */
static uint32_t find_contradiction(const struct asking *asking, const struct tn_field *fields, uint32_t count)
{
	for (uint32_t n = 1; n < count; n++) {
		bool match = false;
		if (tn_branch_match(&(struct tn_branch){fields, n}, asking->leaves, &asking->matcher->agree, &match) != TN_OK || !match)
			return n - 1;
	}
	return count - 1;
}

/* Does branch a come nearer to a match than b? */
static bool is_nearer(const struct tn_explanation *a, const struct tn_explanation *b)
{
	uint32_t missing_a = a->total - a->satisfied, missing_b = b->total - b->satisfied;
	if (missing_a != missing_b)
		return missing_a < missing_b;
	return a->satisfied > b->satisfied;
}

/* Fills in what this branch has to say. */
static void explain_branch(const struct asking *asking, const struct tn_branch *branch, struct tn_explanation *out)
{
	struct tn_field *fields = tn_arena_array(&asking->matcher->told, struct tn_field, branch->count);
	uint32_t stopper = UINT32_MAX, satisfied = 0;
	memcpy(fields, branch->fields, branch->count * sizeof *fields);
	qsort(fields, branch->count, sizeof *fields, by_place);
	for (uint32_t i = 0; i < branch->count; i++) {
		bool good = tn_field_match(&fields[i], asking->leaves);
		satisfied += good;
		if (!good && stopper == UINT32_MAX)
			stopper = i;
	}
	out->total = branch->count;
	out->satisfied = satisfied;
	if (stopper == UINT32_MAX) {
		stopper = find_contradiction(asking, fields, branch->count);
		out->satisfied = stopper;
		out->other_element = true;
	}
	out->field = tn_paths_name(&asking->ruleset->paths, fields[stopper].path);
	out->expected = fields[stopper].values->source;
	out->actual = show_leaves(asking, fields[stopper].path);
}

static enum tn_status explain_rule(const struct asking *asking, const struct tn_rule *rule, struct tn_explanation *out)
{
	*out = (struct tn_explanation){.rule = rule->name, .file = rule->file, .line = rule->line, .disabled = rule->disabled};
	enum tn_status worst = TN_OK;
	for (uint32_t i = 0; i < rule->code.branch_count; i++) {
		const struct tn_branch *branch = &rule->code.branches[i];
		struct tn_explanation candidate = *out;
		bool match = false;
		enum tn_status status = tn_branch_match(branch, asking->leaves, &asking->matcher->agree, &match);
		if (status != TN_OK)
			worst = status;
		if (match) {
			*out = (struct tn_explanation){.rule = rule->name, .file = rule->file, .line = rule->line,
				.disabled = rule->disabled, .matched = true, .satisfied = branch->count, .total = branch->count};
			return TN_OK;
		}
		candidate.other_element = false;
		explain_branch(asking, branch, &candidate);
		if (out->total == 0 || is_nearer(&candidate, out))
			*out = candidate;
	}
	return worst;
}

struct ranked {
	struct tn_explanation explanation;
	uint32_t number;
};

static int by_nearness(const void *a, const void *b)
{
	const struct ranked *one = a, *two = b;
	const struct tn_explanation *x = &one->explanation, *y = &two->explanation;
	if (x->disabled != y->disabled)
		return x->disabled ? 1 : -1;
	if (x->matched != y->matched)
		return x->matched ? -1 : 1;
	if (!x->matched && (is_nearer(x, y) || is_nearer(y, x)))
		return is_nearer(x, y) ? -1 : 1;
	return one->number < two->number ? -1 : 1;
}

enum tn_status tn_ruleset_explain(const struct tn_ruleset *ruleset, struct tn_matcher *matcher, const struct tn_event *event,
	const struct tn_explanation **out_explanations, size_t *out_count)
{
	if (tn_event_is_raw(event))
		return TN_INVALID;
	tn_arena_reset(&matcher->told);
	tn_matcher_begin(matcher);
	struct ranked *ranked = tn_arena_array(&matcher->told, struct ranked, ruleset->rule_count);
	struct tn_explanation *explanations = tn_arena_array(&matcher->told, struct tn_explanation, ruleset->rule_count);
	for (uint32_t i = 0; i < ruleset->rule_count; i++) {
		const struct tn_rule *rule = &ruleset->rules[i];
		struct asking asking = {matcher, ruleset, tn_matcher_leaves(matcher, rule->view, rule->extent, ruleset, event)};
		enum tn_status status = explain_rule(&asking, rule, &ranked[i].explanation);
		if (status != TN_OK)
			return status;
		ranked[i].number = i;
	}
	qsort(ranked, ruleset->rule_count, sizeof *ranked, by_nearness);
	for (uint32_t i = 0; i < ruleset->rule_count; i++)
		explanations[i] = ranked[i].explanation;
	*out_explanations = explanations;
	*out_count = ruleset->rule_count;
	return TN_OK;
}
