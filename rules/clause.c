/* SPDX-License-Identifier: Apache-2.0
 *
 * clause.c - does a leaf satisfy one alternative of a value list? Types never convert; most operators look at strings only.
 *
 * Called by branch.c, the only judge of leaves there is: what routes is what explains. Any thread.
 */
#include "clause.h"
#include "fold.h"

static bool accepts_string(const struct tn_clause *clause, struct tn_str text)
{
	switch (clause->kind) {
	case TN_CLAUSE_STRING:
		return tn_str_equal(text, clause->text);
	case TN_CLAUSE_PREFIX:
		return tn_str_starts(text, clause->text);
	case TN_CLAUSE_SUFFIX:
		return tn_str_ends(text, clause->text);
	case TN_CLAUSE_FOLDED:
		return tn_fold_equal(text, clause->text);
	case TN_CLAUSE_PREFIX_FOLDED:
		return tn_fold_starts(text, clause->text);
	case TN_CLAUSE_SUFFIX_FOLDED:
		return tn_fold_ends(text, clause->text);
	case TN_CLAUSE_WILDCARD:
		return tn_wildcard_match(&clause->wildcard, text);
	case TN_CLAUSE_CIDR:
		return tn_cidr_contains(&clause->cidr, text);
	default:
		return false;
	}
}

static bool is_above(const struct tn_bound *bound, const struct tn_decimal *number)
{
	int order = tn_decimal_compare(number, &bound->number);
	return order > 0 || (order == 0 && bound->inclusive);
}

static bool is_below(const struct tn_bound *bound, const struct tn_decimal *number)
{
	int order = tn_decimal_compare(number, &bound->number);
	return order < 0 || (order == 0 && bound->inclusive);
}

static bool accepts_number(const struct tn_clause *clause, const struct tn_decimal *number)
{
	if (clause->kind == TN_CLAUSE_NUMBER)
		return tn_decimal_compare(number, &clause->number) == 0;
	return clause->kind == TN_CLAUSE_RANGE &&
		(!clause->range.lower.present || is_above(&clause->range.lower, number)) &&
		(!clause->range.upper.present || is_below(&clause->range.upper, number));
}

static bool accepts_plainly(const struct tn_clause *clause, const struct tn_leaf *leaf)
{
	switch (leaf->kind) {
	case TN_LEAF_STRING:
		return accepts_string(clause, leaf->text);
	case TN_LEAF_NUMBER:
		return accepts_number(clause, &leaf->number);
	case TN_LEAF_TRUE:
		return clause->kind == TN_CLAUSE_TRUE;
	case TN_LEAF_FALSE:
		return clause->kind == TN_CLAUSE_FALSE;
	case TN_LEAF_NULL:
		return clause->kind == TN_CLAUSE_NULL;
	}
	return false;
}

bool tn_clause_accepts(const struct tn_clause *clause, const struct tn_leaf *leaf)
{
	if (clause->kind == TN_CLAUSE_PRESENT)
		return true;
	if (clause->kind != TN_CLAUSE_BUT)
		return accepts_plainly(clause, leaf);
	for (const struct tn_clause *excluded = clause->excluded; excluded; excluded = excluded->next)
		if (accepts_plainly(excluded, leaf))
			return false;
	return true;
}

bool tn_values_accept(const struct tn_values *values, const struct tn_leaf *leaf)
{
	for (const struct tn_clause *clause = values->first; clause; clause = clause->next)
		if (tn_clause_accepts(clause, leaf))
			return true;
	return false;
}

uint32_t tn_clause_cost(enum tn_clause_kind kind)
{
	switch (kind) {
	case TN_CLAUSE_STRING:
	case TN_CLAUSE_NUMBER:
	case TN_CLAUSE_TRUE:
	case TN_CLAUSE_FALSE:
	case TN_CLAUSE_NULL:
		return 1;
	case TN_CLAUSE_PREFIX:
	case TN_CLAUSE_SUFFIX:
	case TN_CLAUSE_RANGE:
		return 2;
	case TN_CLAUSE_FOLDED:
	case TN_CLAUSE_PREFIX_FOLDED:
	case TN_CLAUSE_SUFFIX_FOLDED:
	case TN_CLAUSE_WILDCARD:
	case TN_CLAUSE_CIDR:
		return 8;
	case TN_CLAUSE_PRESENT:
	case TN_CLAUSE_ABSENT:
	case TN_CLAUSE_BUT:
		return 32; /* cheap, but they reject little */
	}
	return 32;
}
