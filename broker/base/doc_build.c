/* SPDX-License-Identifier: Apache-2.0
 *
 * doc_build.c - grows a document tree node by node, within its limits; refuses two members of one name.
 *
 * Called by doc_yaml.c and doc_json.c. The tree belongs to the document's arena. One thread.
 */
#include "doc_build.h"

#include <stdlib.h>

static struct tn_doc_level *innermost(struct tn_doc_build *build)
{
	return build->depth ? &build->levels[build->depth - 1] : NULL;
}

bool tn_doc_build_wants_name(const struct tn_doc_build *build)
{
	return build->depth && build->levels[build->depth - 1].node->kind == TN_DOC_MAP && !build->named;
}

void tn_doc_build_name(struct tn_doc_build *build, struct tn_str name, uint32_t line, uint32_t column)
{
	build->named = true;
	build->name = name;
	build->name_line = line;
	build->name_column = column;
}

static void link_into_parent(struct tn_doc_build *build, struct tn_doc_node *node)
{
	struct tn_doc_level *parent = innermost(build);
	if (!parent) {
		build->doc->root = node;
		return;
	}
	if (parent->last)
		parent->last->next = node;
	else
		parent->node->first = node;
	parent->last = node;
	parent->node->count++;
	if (parent->node->kind == TN_DOC_MAP) {
		node->name = build->name;
		node->name_line = build->name_line;
		node->name_column = build->name_column;
		build->named = false;
	}
}

enum tn_status tn_doc_build_value(struct tn_doc_build *build, enum tn_doc_kind kind, uint32_t line, uint32_t column,
	struct tn_doc_node **out_node)
{
	bool container = kind == TN_DOC_MAP || kind == TN_DOC_LIST;
	if (build->nodes == TN_DOC_NODE_LIMIT) {
		tn_error_at(build->error, build->doc->file, line, column, "more than %d values in one file", TN_DOC_NODE_LIMIT);
		return TN_INVALID;
	}
	if (container && build->depth == TN_DOC_DEPTH_LIMIT) {
		tn_error_at(build->error, build->doc->file, line, column, "nested deeper than %d", TN_DOC_DEPTH_LIMIT);
		return TN_INVALID;
	}
	struct tn_doc_node *node = tn_arena_new(&build->doc->arena, struct tn_doc_node);
	build->nodes++;
	node->kind = kind;
	node->line = line;
	node->column = column;
	link_into_parent(build, node);
	if (container)
		build->levels[build->depth++] = (struct tn_doc_level){node, NULL};
	*out_node = node;
	return TN_OK;
}

static int by_name_and_place(const void *a, const void *b)
{
	const struct tn_doc_node *one = *(const struct tn_doc_node *const *)a, *two = *(const struct tn_doc_node *const *)b;
	int order = tn_str_compare(one->name, two->name);
	if (order != 0)
		return order;
	if (one->name_line != two->name_line)
		return one->name_line < two->name_line ? -1 : 1;
	return one->name_column < two->name_column ? -1 : one->name_column > two->name_column;
}

/* The first member, in reading order, whose name came before; NULL when there is none. */
static const struct tn_doc_node *find_duplicate(const struct tn_doc_node *map)
{
	const struct tn_doc_node **members = calloc(map->count, sizeof *members), *found = NULL;
	if (!members)
		abort();
	size_t count = 0;
	for (const struct tn_doc_node *member = map->first; member; member = member->next)
		members[count++] = member;
	qsort(members, count, sizeof *members, by_name_and_place);
	for (size_t i = 1; i < count; i++) {
		const struct tn_doc_node *again = members[i];
		if (tn_str_equal(members[i - 1]->name, again->name) &&
			(!found || again->name_line < found->name_line ||
				(again->name_line == found->name_line && again->name_column < found->name_column)))
			found = again;
	}
	free(members);
	return found;
}

enum tn_status tn_doc_build_close(struct tn_doc_build *build)
{
	const struct tn_doc_node *node = build->levels[--build->depth].node;
	if (node->kind != TN_DOC_MAP || node->count < 2)
		return TN_OK;
	const struct tn_doc_node *again = find_duplicate(node);
	if (!again)
		return TN_OK;
	tn_error_at(build->error, build->doc->file, again->name_line, again->name_column, "'%.*s' is there twice",
		TN_STR_ARG(again->name));
	return TN_INVALID;
}

void tn_doc_cursor_move(struct tn_doc_cursor *cursor, struct tn_str text, size_t at)
{
	for (; cursor->at < at && cursor->at < text.len; cursor->at++) {
		unsigned char byte = (unsigned char)text.bytes[cursor->at];
		if (byte == '\n') {
			cursor->line++;
			cursor->column = 1;
		} else if ((byte & 0xc0) != 0x80) {
			cursor->column++;
		}
	}
}
