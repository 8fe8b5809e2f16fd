/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern_operator.c - the parser's half for operators: `{name: operand}`, checked outside in: name, operand, then further keys.
 *
 * Called by pattern_parse.c for each object in a value list. One thread.
 */
#include "pattern_operator.h"
#include "fold.h"

typedef enum tn_status (*operand_reader)(struct tn_pattern_parser *parser, struct tn_clause *clause);
struct operator {
	const char *name;
	operand_reader read; /* the token is the operand's first; afterwards its last */
	const char *unknown; /* on the last row: what to say of a name that is none of them */
};

/* Reads `{name: operand}` for one of the operators. */
static enum tn_status read_operator(struct tn_pattern_parser *parser, const struct operator *operators, struct tn_clause *clause)
{
	size_t open = parser->token.at;
	tn_pattern_advance(parser);
	if (parser->token.kind == TN_JSON_OBJECT_END)
		return tn_pattern_refuse(parser, "E_OPERATOR_KEYS", open, "an operator object needs one key");
	const struct operator *found = operators;
	while (found->name && !tn_json_equals(&parser->token, tn_str_from(found->name)))
		found++;
	if (!found->name)
		return tn_pattern_refuse(parser, "E_OPERATOR", parser->token.at, found->unknown);
	tn_pattern_advance(parser);
	enum tn_status status = found->read(parser, clause);
	if (status != TN_OK)
		return status;
	tn_pattern_advance(parser);
	if (parser->token.kind != TN_JSON_OBJECT_END)
		return tn_pattern_refuse(parser, "E_OPERATOR_KEYS", parser->token.at, "an operator object has one key only");
	return TN_OK;
}

static struct tn_str folded(struct tn_pattern_parser *parser, struct tn_str text)
{
	struct tn_buf buf = {0};
	tn_fold_add(&buf, text);
	struct tn_str copy = tn_arena_copy(parser->arena, tn_buf_str(&buf));
	tn_buf_fini(&buf);
	return copy;
}

static enum tn_status read_text(struct tn_pattern_parser *parser, struct tn_clause *clause, enum tn_clause_kind kind, const char *why)
{
	if (parser->token.kind != TN_JSON_STRING)
		return tn_pattern_refuse(parser, "E_OPERAND", parser->token.at, why);
	clause->kind = kind;
	clause->text = tn_pattern_text(parser);
	return TN_OK;
}

static enum tn_status read_exactly(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	return read_text(parser, clause, TN_CLAUSE_STRING, "exactly takes one string");
}

static enum tn_status read_folded(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	enum tn_status status = read_text(parser, clause, TN_CLAUSE_FOLDED, "equals-ignore-case takes one string");
	if (status == TN_OK)
		clause->text = folded(parser, clause->text);
	return status;
}

/* `{"equals-ignore-case": string}` inside prefix or suffix. */
static enum tn_status read_nested_folded(struct tn_pattern_parser *parser, struct tn_clause *clause, enum tn_clause_kind kind)
{
	static const struct operator nested[] = {
		{"equals-ignore-case", read_folded, NULL},
		{NULL, NULL, "only equals-ignore-case can stand inside prefix and suffix"},
	};
	enum tn_status status = read_operator(parser, nested, clause);
	clause->kind = kind;
	return status;
}

static enum tn_status read_prefix(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	if (parser->token.kind == TN_JSON_OBJECT)
		return read_nested_folded(parser, clause, TN_CLAUSE_PREFIX_FOLDED);
	return read_text(parser, clause, TN_CLAUSE_PREFIX, "prefix takes one string, or an object with equals-ignore-case");
}

static enum tn_status read_suffix(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	if (parser->token.kind == TN_JSON_OBJECT)
		return read_nested_folded(parser, clause, TN_CLAUSE_SUFFIX_FOLDED);
	return read_text(parser, clause, TN_CLAUSE_SUFFIX, "suffix takes one string, or an object with equals-ignore-case");
}

static enum tn_status read_wildcard(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	enum tn_status status = read_text(parser, clause, TN_CLAUSE_WILDCARD, "wildcard takes one string");
	if (status != TN_OK)
		return status;
	const char *wrong = tn_wildcard_parse(clause->text, parser->arena, &clause->wildcard);
	return wrong ? tn_pattern_refuse(parser, "E_WILDCARD", parser->token.at, wrong) : TN_OK;
}

static enum tn_status read_cidr(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	enum tn_status status = read_text(parser, clause, TN_CLAUSE_CIDR, "cidr takes one string");
	if (status != TN_OK)
		return status;
	struct tn_cidr block;
	if (!tn_cidr_parse(clause->text, &block))
		return tn_pattern_refuse(parser, "E_CIDR", parser->token.at,
			"a block is an address, a slash and the number of its bits: 10.0.0.0/8 or fe80::/10");
	clause->cidr = block;
	return TN_OK;
}

static enum tn_status read_exists(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	if (parser->token.kind != TN_JSON_TRUE && parser->token.kind != TN_JSON_FALSE)
		return tn_pattern_refuse(parser, "E_OPERAND", parser->token.at, "exists takes true or false");
	clause->kind = parser->token.kind == TN_JSON_TRUE ? TN_CLAUSE_PRESENT : TN_CLAUSE_ABSENT;
	return TN_OK;
}

/* --- numeric --- */

enum tn_status tn_pattern_number(struct tn_pattern_parser *parser, struct tn_decimal *out_number)
{
	struct tn_decimal number = tn_decimal_parse(parser->token.text);
	if (!tn_decimal_in_range(&number))
		return tn_pattern_refuse(parser, "E_NUMBER_RANGE", parser->token.at, "the exponent is beyond 9999");
	*out_number = number;
	return TN_OK;
}

/* A comparison, already read, and its number: the next token. */
static enum tn_status read_bound(struct tn_pattern_parser *parser, bool inclusive, struct tn_bound *bound)
{
	tn_pattern_advance(parser);
	if (parser->token.kind == TN_JSON_ARRAY_END)
		return tn_pattern_refuse(parser, "E_NUMERIC", parser->token.at, "the number is missing");
	if (parser->token.kind != TN_JSON_NUMBER)
		return tn_pattern_refuse(parser, "E_NUMERIC", parser->token.at, "a comparison needs a number");
	bound->present = true;
	bound->inclusive = inclusive;
	return tn_pattern_number(parser, &bound->number);
}

static bool token_is(const struct tn_pattern_parser *parser, const char *text)
{
	return parser->token.kind == TN_JSON_STRING && tn_json_equals(&parser->token, tn_str_from(text));
}

/* The token stands behind a lower bound: the end, or the upper one. */
static enum tn_status read_upper(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	if (parser->token.kind == TN_JSON_ARRAY_END)
		return TN_OK;
	bool inclusive = token_is(parser, "<=");
	if (!inclusive && !token_is(parser, "<"))
		return tn_pattern_refuse(parser, "E_NUMERIC", parser->token.at, "a range ends with < or <=");
	enum tn_status status = read_bound(parser, inclusive, &clause->range.upper);
	if (status != TN_OK)
		return status;
	if (tn_decimal_compare(&clause->range.lower.number, &clause->range.upper.number) >= 0)
		return tn_pattern_refuse(parser, "E_RANGE", parser->token.at, "the lower bound must be below the upper one");
	tn_pattern_advance(parser);
	return TN_OK;
}

static enum tn_status read_comparison(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	bool equal = token_is(parser, "="), below = token_is(parser, "<"), at_most = token_is(parser, "<=");
	bool above = token_is(parser, ">"), at_least = token_is(parser, ">=");
	if (parser->token.kind == TN_JSON_ARRAY_END)
		return tn_pattern_refuse(parser, "E_NUMERIC", parser->token.at, "the comparison is missing");
	if (!equal && !below && !at_most && !above && !at_least)
		return tn_pattern_refuse(parser, "E_NUMERIC", parser->token.at, "a comparison is one of = < <= > >=");
	struct tn_bound bound = {0};
	enum tn_status status = read_bound(parser, equal || at_most || at_least, &bound);
	if (status != TN_OK)
		return status;
	if (equal || above || at_least)
		clause->range.lower = bound;
	if (equal || below || at_most)
		clause->range.upper = bound;
	tn_pattern_advance(parser);
	return above || at_least ? read_upper(parser, clause) : TN_OK;
}

static enum tn_status read_numeric(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	if (parser->token.kind != TN_JSON_ARRAY)
		return tn_pattern_refuse(parser, "E_OPERAND", parser->token.at, "numeric takes an array such as [\">\", 5]");
	clause->kind = TN_CLAUSE_RANGE;
	tn_pattern_advance(parser);
	enum tn_status status = read_comparison(parser, clause);
	if (status != TN_OK)
		return status;
	if (parser->token.kind != TN_JSON_ARRAY_END)
		return tn_pattern_refuse(parser, "E_NUMERIC", parser->token.at, "nothing may follow here");
	return TN_OK;
}

/* --- anything-but --- */

/* Reads one operand, or a list of them, into the list that clause excludes. read finds the kind of the clause before in its clause, and
 * BUT in the first. */
static enum tn_status read_excluded(struct tn_pattern_parser *parser, struct tn_clause *clause, operand_reader read)
{
	struct tn_clause **tail = &clause->excluded;
	bool list = parser->token.kind == TN_JSON_ARRAY;
	enum tn_clause_kind before = TN_CLAUSE_BUT;
	clause->kind = TN_CLAUSE_BUT;
	if (list) {
		size_t open = parser->token.at;
		tn_pattern_advance(parser);
		if (parser->token.kind == TN_JSON_ARRAY_END)
			return tn_pattern_refuse(parser, "E_EMPTY_OPERAND", open, "the list is empty");
	}
	for (;;) {
		struct tn_clause *excluded = tn_arena_new(parser->arena, struct tn_clause);
		excluded->kind = before;
		enum tn_status status = read(parser, excluded);
		if (status != TN_OK)
			return status;
		*tail = excluded;
		tail = &excluded->next;
		before = excluded->kind;
		if (!list)
			return TN_OK;
		tn_pattern_advance(parser);
		if (parser->token.kind == TN_JSON_ARRAY_END)
			return TN_OK;
	}
}

static enum tn_status refuse_empty(struct tn_pattern_parser *parser)
{
	return tn_pattern_refuse(parser, "E_EMPTY_OPERAND", parser->token.at, "\"\" would exclude every string");
}

static enum tn_status read_solid_folded(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	enum tn_status status = read_folded(parser, clause);
	return status == TN_OK && clause->text.len == 0 ? refuse_empty(parser) : status;
}

/* A string that is not empty, or `{"equals-ignore-case": such a string}`. */
static enum tn_status read_solid(struct tn_pattern_parser *parser, struct tn_clause *clause, enum tn_clause_kind kind,
	enum tn_clause_kind folded_kind)
{
	static const struct operator nested[] = {
		{"equals-ignore-case", read_solid_folded, NULL},
		{NULL, NULL, "only equals-ignore-case can stand inside prefix and suffix"},
	};
	enum tn_status status;
	if (parser->token.kind == TN_JSON_OBJECT) {
		status = read_operator(parser, nested, clause);
		clause->kind = folded_kind;
		return status;
	}
	status = read_text(parser, clause, kind, "strings only");
	return status == TN_OK && clause->text.len == 0 ? refuse_empty(parser) : status;
}

static enum tn_status read_solid_prefix(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	return read_solid(parser, clause, TN_CLAUSE_PREFIX, TN_CLAUSE_PREFIX_FOLDED);
}

static enum tn_status read_solid_suffix(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	return read_solid(parser, clause, TN_CLAUSE_SUFFIX, TN_CLAUSE_SUFFIX_FOLDED);
}

static enum tn_status read_but_prefix(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	return read_excluded(parser, clause, read_solid_prefix);
}

static enum tn_status read_but_suffix(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	return read_excluded(parser, clause, read_solid_suffix);
}

static enum tn_status read_but_folded(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	return read_excluded(parser, clause, read_folded);
}

static enum tn_status read_but_wildcard(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	return read_excluded(parser, clause, read_wildcard);
}

/* A string or a number, of the type its list began with. */
static enum tn_status read_literal(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	bool number = parser->token.kind == TN_JSON_NUMBER;
	if ((number && clause->kind == TN_CLAUSE_STRING) ||
		(parser->token.kind == TN_JSON_STRING && clause->kind == TN_CLAUSE_NUMBER))
		return tn_pattern_refuse(parser, "E_MIXED", parser->token.at, "a list holds strings or numbers, not both");
	if (!number)
		return read_text(parser, clause, TN_CLAUSE_STRING,
			"anything-but takes strings or numbers, alone or in a list, or an operator");
	clause->kind = TN_CLAUSE_NUMBER;
	return tn_pattern_number(parser, &clause->number);
}

static enum tn_status read_but(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	static const struct operator nested[] = {
		{"prefix", read_but_prefix, NULL},
		{"suffix", read_but_suffix, NULL},
		{"equals-ignore-case", read_but_folded, NULL},
		{"wildcard", read_but_wildcard, NULL},
		{NULL, NULL, "only prefix, suffix, equals-ignore-case and wildcard can stand inside anything-but"},
	};
	if (parser->token.kind == TN_JSON_OBJECT)
		return read_operator(parser, nested, clause);
	return read_excluded(parser, clause, read_literal);
}

enum tn_status tn_pattern_operator(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	static const struct operator operators[] = {
		{"exactly", read_exactly, NULL},
		{"prefix", read_prefix, NULL},
		{"suffix", read_suffix, NULL},
		{"equals-ignore-case", read_folded, NULL},
		{"wildcard", read_wildcard, NULL},
		{"numeric", read_numeric, NULL},
		{"cidr", read_cidr, NULL},
		{"exists", read_exists, NULL},
		{"anything-but", read_but, NULL},
		{NULL, NULL, "there is no such operator; there are exactly, prefix, suffix, equals-ignore-case, wildcard, numeric, cidr, "
			     "exists and anything-but"},
	};
	return read_operator(parser, operators, clause);
}

bool tn_pattern_reserved(struct tn_str name)
{
	static const char *const reserved[] = {"exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists",
		"wildcard", "numeric", "cidr", "=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case",
		"date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range", "ip-address-in-range",
		"ip-address-not-in-range"};
	for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
		if (tn_str_is(name, reserved[i]))
			return true;
	return false;
}
