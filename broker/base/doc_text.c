/* SPDX-License-Identifier: Apache-2.0
 *
 * doc_text.c - a document's node as JSON text that remembers where each part of it was written.
 *
 * Called by the rule files: patterns reach their compiler as text, and its complaints come back as offsets. Recursion is bounded by
 * TN_DOC_DEPTH_LIMIT. One thread.
 */
#include "turnout/doc.h"
#include "turnout/json.h"

#include <stdlib.h>

static void mark(struct tn_doc_text *out, uint32_t line, uint32_t column)
{
	if (out->count == out->capacity) {
		out->capacity = out->capacity ? out->capacity * 2 : 32;
		out->entries = realloc(out->entries, out->capacity * sizeof *out->entries);
		if (!out->entries)
			abort();
	}
	out->entries[out->count++] = (struct tn_doc_map_entry){out->text.len, line, column};
}

static void add_container(const struct tn_doc_node *node, struct tn_doc_text *out)
{
	bool map = node->kind == TN_DOC_MAP;
	tn_buf_add_byte(&out->text, map ? '{' : '[');
	for (const struct tn_doc_node *member = node->first; member; member = member->next) {
		if (member != node->first)
			tn_buf_add_byte(&out->text, ',');
		if (map) {
			mark(out, member->name_line, member->name_column);
			tn_json_quote(&out->text, member->name);
			tn_buf_add_byte(&out->text, ':');
		}
		tn_doc_to_json(member, out);
	}
	mark(out, node->line, node->column);
	tn_buf_add_byte(&out->text, map ? '}' : ']');
}

void tn_doc_to_json(const struct tn_doc_node *node, struct tn_doc_text *out)
{
	mark(out, node->line, node->column);
	switch (node->kind) {
	case TN_DOC_NULL:
		tn_buf_add_text(&out->text, "null");
		break;
	case TN_DOC_BOOL:
	case TN_DOC_NUMBER:
		tn_buf_add_str(&out->text, node->text);
		break;
	case TN_DOC_STRING:
		tn_json_quote(&out->text, node->text);
		break;
	case TN_DOC_LIST:
	case TN_DOC_MAP:
		add_container(node, out);
	}
}

void tn_doc_text_fini(struct tn_doc_text *text)
{
	tn_buf_fini(&text->text);
	free(text->entries);
	*text = (struct tn_doc_text){0};
}

void tn_doc_text_place(const struct tn_doc_text *text, size_t at, uint32_t *out_line, uint32_t *out_column)
{
	size_t low = 0, high = text->count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (text->entries[middle].at <= at)
			low = middle;
		else
			high = middle;
	}
	*out_line = text->count ? text->entries[low].line : 0;
	*out_column = text->count ? text->entries[low].column : 0;
}
