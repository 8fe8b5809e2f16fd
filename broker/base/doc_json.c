/* SPDX-License-Identifier: Apache-2.0
 *
 * doc_json.c - reads a JSON text into a document tree.
 *
 * Called by doc.c. The scanner judges the text; this file only places what it yields. One thread.
 */
#include "doc_build.h"
#include "turnout/json.h"

static struct tn_str unescaped(struct tn_doc *doc, const struct tn_json_token *token)
{
	if (!token->escaped)
		return token->text;
	char *bytes = tn_arena_alloc(&doc->arena, token->text.len + 1);
	return tn_str_make(bytes, tn_json_unescape_to(token->text, bytes));
}

static enum tn_status refuse(struct tn_doc_build *build, struct tn_str text, const struct tn_json *json,
	struct tn_doc_cursor cursor)
{
	tn_doc_cursor_move(&cursor, text, json->fault_at);
	const char *file = build->doc->file;
	if (json->fault == TN_JSON_TOO_DEEP)
		tn_error_at(build->error, file, cursor.line, cursor.column, "nested deeper than %d", TN_DOC_DEPTH_LIMIT);
	else if (json->fault_at >= text.len)
		tn_error_at(build->error, file, cursor.line, cursor.column,
			"not valid JSON: it ends too early (a file that begins with '{' or '[' is read as JSON)");
	else
		tn_error_at(build->error, file, cursor.line, cursor.column,
			"not valid JSON (a file that begins with '{' or '[' is read as JSON)");
	return TN_INVALID;
}

static enum tn_doc_kind kind_of(enum tn_json_kind kind)
{
	switch (kind) {
	case TN_JSON_OBJECT:
		return TN_DOC_MAP;
	case TN_JSON_ARRAY:
		return TN_DOC_LIST;
	case TN_JSON_STRING:
		return TN_DOC_STRING;
	case TN_JSON_NUMBER:
		return TN_DOC_NUMBER;
	case TN_JSON_TRUE:
	case TN_JSON_FALSE:
		return TN_DOC_BOOL;
	default:
		return TN_DOC_NULL;
	}
}

static enum tn_status add_value(struct tn_doc_build *build, const struct tn_json_token *token,
	const struct tn_doc_cursor *cursor)
{
	struct tn_doc_node *node;
	enum tn_status status =
		tn_doc_build_value(build, kind_of(token->kind), cursor->line, cursor->column, &node);
	if (status != TN_OK)
		return status;
	node->text = token->kind == TN_JSON_STRING ? unescaped(build->doc, token) : token->text;
	node->truth = token->kind == TN_JSON_TRUE;
	return TN_OK;
}

static enum tn_status close_value(struct tn_doc_build *build, const struct tn_json_token *token)
{
	struct tn_doc_node *node = build->levels[build->depth - 1].node;
	node->text.len = (size_t)(token->text.bytes + 1 - node->text.bytes);
	return tn_doc_build_close(build);
}

enum tn_status tn_doc_json_read(struct tn_doc_build *build, struct tn_str text)
{
	struct tn_json json;
	struct tn_json_token token;
	struct tn_doc_cursor cursor = {0, 1, 1};
	tn_json_init(&json, text, TN_DOC_DEPTH_LIMIT);
	for (;;) {
		if (tn_json_next(&json, &token) != TN_OK)
			return refuse(build, text, &json, cursor);
		tn_doc_cursor_move(&cursor, text, token.at);
		enum tn_status status = TN_OK;
		if (token.kind == TN_JSON_END)
			return TN_OK;
		if (token.kind == TN_JSON_NAME)
			tn_doc_build_name(build, unescaped(build->doc, &token), cursor.line, cursor.column);
		else if (token.kind == TN_JSON_OBJECT_END || token.kind == TN_JSON_ARRAY_END)
			status = close_value(build, &token);
		else
			status = add_value(build, &token, &cursor);
		if (status != TN_OK)
			return status;
	}
}
