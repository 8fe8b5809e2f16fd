/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern_operator.h - what the two halves of the pattern parser share: where it stands, and how it complains.
 */
#ifndef TURNOUT_RULES_PATTERN_OPERATOR_H
#define TURNOUT_RULES_PATTERN_OPERATOR_H

#include "pattern_tree.h"
#include "turnout/json.h"

struct tn_pattern_parser {
	struct tn_str text;
	struct tn_json json;
	struct tn_json_token token; /* the one being looked at */
	struct tn_arena *arena;
	struct tn_paths *paths;
	struct tn_pattern_limits limits;
	struct tn_pattern_error *error;
	struct tn_buf path; /* of the member being read */
	uint32_t objects;   /* open pattern objects */
	uint32_t choices;   /* of them, those that are branches of a `$or` */
};

/* To the next token. The text was scanned before, so there is one. */
void tn_pattern_advance(struct tn_pattern_parser *parser);
/* Fills in the error; always TN_INVALID. */
enum tn_status tn_pattern_refuse(struct tn_pattern_parser *parser, const char *kind, size_t at, const char *why) TN_MUST_CHECK;
/* The token's text, unescaped, in the arena. */
struct tn_str tn_pattern_text(struct tn_pattern_parser *parser);

/* The token is the `{` of an operator object; afterwards it is its `}`. Fills in the clause. */
enum tn_status tn_pattern_operator(struct tn_pattern_parser *parser, struct tn_clause *clause) TN_MUST_CHECK;
/* The token is a number. */
enum tn_status tn_pattern_number(struct tn_pattern_parser *parser, struct tn_decimal *out_number) TN_MUST_CHECK;
/* May name not be a field inside a `$or`? */
bool tn_pattern_reserved(struct tn_str name);

#endif
