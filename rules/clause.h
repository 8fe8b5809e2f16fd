/* SPDX-License-Identifier: Apache-2.0
 *
 * clause.h - one alternative of a field's value list, compiled: a literal or an operator (event-patterns.md sections 4 to 7).
 *
 * Lives in its pattern's arena; immutable; any thread.
 */
#ifndef TURNOUT_RULES_CLAUSE_H
#define TURNOUT_RULES_CLAUSE_H

#include "cidr.h"
#include "leaves.h"
#include "wildcard.h"

enum tn_clause_kind {
	TN_CLAUSE_STRING, /* a literal, or `exactly` */
	TN_CLAUSE_NUMBER,
	TN_CLAUSE_TRUE,
	TN_CLAUSE_FALSE,
	TN_CLAUSE_NULL,
	TN_CLAUSE_PREFIX,
	TN_CLAUSE_SUFFIX,
	TN_CLAUSE_FOLDED, /* equals-ignore-case; text is folded, as in the next two */
	TN_CLAUSE_PREFIX_FOLDED,
	TN_CLAUSE_SUFFIX_FOLDED,
	TN_CLAUSE_WILDCARD,
	TN_CLAUSE_RANGE, /* numeric */
	TN_CLAUSE_CIDR,
	TN_CLAUSE_PRESENT, /* exists: true */
	TN_CLAUSE_ABSENT,  /* exists: false: accepts no leaf; the branch judges absence */
	TN_CLAUSE_BUT,     /* anything-but */
};

struct tn_bound {
	bool present, inclusive;
	struct tn_decimal number;
};
struct tn_clause {
	enum tn_clause_kind kind;
	struct tn_clause *next;
	union {
		struct tn_str text;
		struct tn_decimal number;
		struct {
			struct tn_bound lower, upper;
		} range;
		struct tn_cidr cidr;
		struct tn_wildcard wildcard;
		struct tn_clause *excluded; /* BUT: a list, by next */
	};
};

struct tn_values { /* a field's value list */
	struct tn_clause *first;
	uint32_t count;
	bool absence;         /* ABSENT is among them */
	uint32_t cost;        /* guides the order of fields: what rejects most for least comes first */
	struct tn_str source; /* as the pattern has it, brackets included */
};

bool tn_clause_accepts(const struct tn_clause *clause, const struct tn_leaf *leaf);
bool tn_values_accept(const struct tn_values *values, const struct tn_leaf *leaf);
/* The cost of one clause of that kind. */
uint32_t tn_clause_cost(enum tn_clause_kind kind);

#endif
