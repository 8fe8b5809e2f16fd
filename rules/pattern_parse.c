/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern_parse.c - reads a pattern's text into items, checking all of it; the first thing wrong, in reading order, is the error.
 *
 * Called by pattern.c. Size and JSON syntax are checked before anything else, so that what follows sees only well-formed tokens.
 * Recursion is bounded by the depth limit. One thread.
 */
#include "pattern_operator.h"

#include <assert.h>
#include <stdio.h>

void tn_pattern_advance(struct tn_pattern_parser *parser)
{
	enum tn_status status = tn_json_next(&parser->json, &parser->token);
	assert(status == TN_OK);
	(void)status;
}

static void fill_error(struct tn_pattern_error *error, struct tn_str text, const char *kind, size_t at)
{
	*error = (struct tn_pattern_error){.at = at, .line = 1, .column = 1};
	snprintf(error->kind, sizeof error->kind, "%s", kind);
	for (size_t i = 0; i < at && i < text.len; i++) {
		unsigned char byte = (unsigned char)text.bytes[i];
		if (byte == '\n') {
			error->line++;
			error->column = 1;
		} else if ((byte & 0xc0) != 0x80) {
			error->column++;
		}
	}
}

enum tn_status tn_pattern_refuse(struct tn_pattern_parser *parser, const char *kind, size_t at, const char *why)
{
	struct tn_pattern_error *error = parser->error;
	fill_error(error, parser->text, kind, at);
	size_t shown = parser->path.len < 100 ? parser->path.len : 100;
	if (parser->path.len == 0)
		snprintf(error->message, sizeof error->message, "%s", why);
	else
		snprintf(error->message, sizeof error->message, "%.*s%s: %s", (int)shown, parser->path.bytes,
			shown < parser->path.len ? "..." : "", why);
	return TN_INVALID;
}

struct tn_str tn_pattern_text(struct tn_pattern_parser *parser)
{
	struct tn_str text = parser->token.text;
	if (!parser->token.escaped)
		return text;
	char *bytes = tn_arena_alloc(parser->arena, text.len + 1);
	return tn_str_make(bytes, tn_json_unescape_to(text, bytes));
}

/* --- Value lists --- */

static enum tn_status read_value(struct tn_pattern_parser *parser, struct tn_clause *clause)
{
	switch (parser->token.kind) {
	case TN_JSON_STRING:
		clause->kind = TN_CLAUSE_STRING;
		clause->text = tn_pattern_text(parser);
		return TN_OK;
	case TN_JSON_NUMBER:
		clause->kind = TN_CLAUSE_NUMBER;
		return tn_pattern_number(parser, &clause->number);
	case TN_JSON_TRUE:
		clause->kind = TN_CLAUSE_TRUE;
		return TN_OK;
	case TN_JSON_FALSE:
		clause->kind = TN_CLAUSE_FALSE;
		return TN_OK;
	case TN_JSON_NULL:
		clause->kind = TN_CLAUSE_NULL;
		return TN_OK;
	case TN_JSON_OBJECT:
		return tn_pattern_operator(parser, clause);
	default:
		return tn_pattern_refuse(parser, "E_VALUE", parser->token.at, "an array cannot stand inside a value list");
	}
}

/* The token is the list's `[`; afterwards its `]`. */
static enum tn_status read_values(struct tn_pattern_parser *parser, const struct tn_values **out_values)
{
	struct tn_values *values = tn_arena_new(parser->arena, struct tn_values);
	struct tn_clause **tail = &values->first;
	size_t open = parser->token.at;
	tn_pattern_advance(parser);
	if (parser->token.kind == TN_JSON_ARRAY_END)
		return tn_pattern_refuse(parser, "E_EMPTY_ARRAY", open, "the list has no values");
	for (; parser->token.kind != TN_JSON_ARRAY_END; tn_pattern_advance(parser)) {
		struct tn_clause *clause = tn_arena_new(parser->arena, struct tn_clause);
		enum tn_status status = read_value(parser, clause);
		if (status != TN_OK)
			return status;
		*tail = clause;
		tail = &clause->next;
		values->count++;
		values->cost += tn_clause_cost(clause->kind);
		values->absence |= clause->kind == TN_CLAUSE_ABSENT;
	}
	values->source = tn_str_make(parser->text.bytes + open, parser->token.at + 1 - open);
	*out_values = values;
	return TN_OK;
}

/* --- Objects --- */

struct item_list {
	struct tn_pattern_item **tail;
	uint64_t branches; /* that all before multiply out to */
};

static enum tn_status read_object(struct tn_pattern_parser *parser, struct item_list *list);

static void add_item(struct tn_pattern_parser *parser, struct item_list *list, struct tn_pattern_item item)
{
	struct tn_pattern_item *copy = tn_arena_new(parser->arena, struct tn_pattern_item);
	*copy = item;
	*list->tail = copy;
	list->tail = &copy->next;
}

/* How many elements the array has that the token opened. */
static uint32_t count_ahead(const struct tn_pattern_parser *parser)
{
	struct tn_json ahead = parser->json;
	struct tn_json_token token;
	uint32_t count = 0;
	size_t end;
	while (tn_json_next(&ahead, &token) == TN_OK && token.kind != TN_JSON_ARRAY_END &&
		tn_json_skip(&ahead, &token, &end) == TN_OK)
		count++;
	return count;
}

/* The token is the value of a `$or`. */
static enum tn_status read_or(struct tn_pattern_parser *parser, struct item_list *list)
{
	size_t open = parser->token.at;
	struct tn_pattern_item item = {0};
	struct tn_pattern_choice **tail = &item.choices;
	uint64_t sum = 0;
	if (parser->token.kind != TN_JSON_ARRAY)
		return tn_pattern_refuse(parser, "E_OR", open, "$or takes an array of objects");
	if (count_ahead(parser) < 2)
		return tn_pattern_refuse(parser, "E_OR", open, "$or needs at least two objects");
	tn_pattern_advance(parser);
	for (; parser->token.kind != TN_JSON_ARRAY_END; tn_pattern_advance(parser)) {
		if (parser->token.kind != TN_JSON_OBJECT)
			return tn_pattern_refuse(parser, "E_OR", parser->token.at, "each element of $or is an object");
		struct tn_pattern_choice *choice = tn_arena_new(parser->arena, struct tn_pattern_choice);
		struct item_list inner = {&choice->items, list->branches};
		parser->choices++;
		enum tn_status status = read_object(parser, &inner);
		parser->choices--;
		if (status != TN_OK)
			return status;
		*tail = choice;
		tail = &choice->next;
		sum += inner.branches;
		if (sum > parser->limits.branches)
			return tn_pattern_refuse(parser, "E_COMPLEXITY", open, "$or multiplies out to more branches than the limit");
	}
	list->branches = sum;
	add_item(parser, list, item);
	return TN_OK;
}

/* The token is the value of a field, whose path is parser->path. */
static enum tn_status read_field(struct tn_pattern_parser *parser, struct item_list *list)
{
	if (parser->token.kind == TN_JSON_OBJECT)
		return read_object(parser, list);
	if (parser->token.kind != TN_JSON_ARRAY)
		return tn_pattern_refuse(parser, "E_FIELD_VALUE", parser->token.at,
			"a field's value is an object or an array; write [...] around a single value");
	struct tn_pattern_item item = {0};
	enum tn_status status = read_values(parser, &item.values);
	if (status != TN_OK)
		return status;
	item.path = tn_paths_add(parser->paths, tn_buf_str(&parser->path));
	add_item(parser, list, item);
	return TN_OK;
}

/* The token is a member's name; afterwards it is its value's last. */
static enum tn_status read_member(struct tn_pattern_parser *parser, struct item_list *list)
{
	struct tn_str name = tn_pattern_text(parser);
	bool choice = tn_str_is(name, "$or");
	size_t outer = parser->path.len;
	if (!choice) {
		if (parser->objects > 1 + parser->choices) /* not at the top, where no name stands before this one */
			tn_buf_add_byte(&parser->path, '.');
		tn_buf_add_str(&parser->path, name);
	}
	if (parser->choices && tn_pattern_reserved(name))
		return tn_pattern_refuse(parser, "E_RESERVED", parser->token.at,
			"an operator's name cannot be a field's name inside $or");
	tn_pattern_advance(parser);
	enum tn_status status = choice ? read_or(parser, list) : read_field(parser, list);
	if (status == TN_OK)
		parser->path.len = outer;
	return status;
}

/* The token is the object's `{`; afterwards its `}`. */
static enum tn_status read_object(struct tn_pattern_parser *parser, struct item_list *list)
{
	size_t open = parser->token.at;
	if (parser->objects == parser->limits.depth)
		return tn_pattern_refuse(parser, "E_DEPTH", open, "nested deeper than the limit");
	parser->objects++;
	tn_pattern_advance(parser);
	if (parser->token.kind == TN_JSON_OBJECT_END)
		return tn_pattern_refuse(parser, "E_EMPTY_OBJECT", open, "an object without fields");
	for (; parser->token.kind != TN_JSON_OBJECT_END; tn_pattern_advance(parser)) {
		enum tn_status status = read_member(parser, list);
		if (status != TN_OK)
			return status;
	}
	parser->objects--;
	return TN_OK;
}

/* --- The whole text --- */

static enum tn_status check_json(struct tn_pattern_parser *parser)
{
	struct tn_json json;
	struct tn_json_token token;
	tn_json_init(&json, parser->text, TN_JSON_DEPTH_LIMIT);
	do
		if (tn_json_next(&json, &token) != TN_OK) {
			if (json.fault == TN_JSON_TOO_DEEP)
				return tn_pattern_refuse(parser, "E_DEPTH", json.fault_at, "nested deeper than the limit");
			return tn_pattern_refuse(parser, "E_JSON", json.fault_at,
				json.fault_at == parser->text.len ? "not JSON: it ends too early" : "not JSON from here on");
		}
	while (token.kind != TN_JSON_END);
	return TN_OK;
}

static enum tn_status read_pattern(struct tn_pattern_parser *parser, struct tn_pattern_item **out_items)
{
	if (parser->text.len > parser->limits.text_bytes)
		return tn_pattern_refuse(parser, "E_SIZE", parser->limits.text_bytes, "the text is longer than the limit");
	enum tn_status status = check_json(parser);
	if (status != TN_OK)
		return status;
	tn_json_init(&parser->json, parser->text, TN_JSON_DEPTH_LIMIT);
	tn_pattern_advance(parser);
	if (parser->token.kind != TN_JSON_OBJECT)
		return tn_pattern_refuse(parser, "E_ROOT", parser->token.at, "a pattern is an object");
	struct item_list list = {out_items, 1};
	return read_object(parser, &list);
}

enum tn_status tn_pattern_parse(struct tn_str text, const struct tn_pattern_limits *limits, struct tn_arena *arena,
	struct tn_paths *paths, struct tn_pattern_item **out_items, struct tn_pattern_error *error)
{
	struct tn_pattern_error ignored;
	struct tn_pattern_parser parser = {.text = text, .arena = arena, .paths = paths, .error = error ? error : &ignored};
	if (limits)
		parser.limits = *limits;
	if (!parser.limits.text_bytes)
		parser.limits.text_bytes = TN_PATTERN_TEXT_BYTES;
	if (!parser.limits.branches)
		parser.limits.branches = TN_PATTERN_BRANCHES;
	if (!parser.limits.depth)
		parser.limits.depth = TN_PATTERN_DEPTH;
	if (text.len <= parser.limits.text_bytes)
		parser.text = tn_arena_copy(arena, text);
	enum tn_status status = read_pattern(&parser, out_items);
	tn_buf_fini(&parser.path);
	return status;
}
