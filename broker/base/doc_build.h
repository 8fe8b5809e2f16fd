/* SPDX-License-Identifier: Apache-2.0
 *
 * doc_build.h - what the YAML and the JSON reader share: growing a tree node by node, within its limits.
 *
 * A value is begun with tn_doc_build_value and filled in by its reader; a map or list stays open until tn_doc_build_close. Inside a map
 * tn_doc_build_name comes before each value.
 */
#ifndef TURNOUT_DOC_BUILD_H
#define TURNOUT_DOC_BUILD_H

#include "turnout/doc.h"

struct tn_doc_level {
	struct tn_doc_node *node, *last; /* an open map or list, and its newest member */
};
struct tn_doc_build { /* {.doc, .error} */
	struct tn_doc *doc;
	struct tn_error *error;
	struct tn_doc_level levels[TN_DOC_DEPTH_LIMIT];
	uint32_t depth, nodes;
	bool named; /* a name waits for its value */
	struct tn_str name;
	uint32_t name_line, name_column;
};

/* Is a name due next? */
bool tn_doc_build_wants_name(const struct tn_doc_build *build);
/* name lives in the document's arena. */
void tn_doc_build_name(struct tn_doc_build *build, struct tn_str name, uint32_t line, uint32_t column);
/* A new value in its place in the tree; LIST and MAP are open from here. TN_INVALID: over a limit. */
enum tn_status tn_doc_build_value(struct tn_doc_build *build, enum tn_doc_kind kind, uint32_t line, uint32_t column,
	struct tn_doc_node **out_node) TN_MUST_CHECK;
/* Ends the innermost open map or list. TN_INVALID: a map with two members of one name. */
enum tn_status tn_doc_build_close(struct tn_doc_build *build) TN_MUST_CHECK;

/* The readers. text lives in the document's arena. They fill doc->root. */
enum tn_status tn_doc_yaml_read(struct tn_doc_build *build, struct tn_str text) TN_MUST_CHECK;
enum tn_status tn_doc_json_read(struct tn_doc_build *build, struct tn_str text) TN_MUST_CHECK;

/* A place in a text, moved forward only. */
struct tn_doc_cursor {
	size_t at;
	uint32_t line, column;
};
void tn_doc_cursor_move(struct tn_doc_cursor *cursor, struct tn_str text, size_t at);

#endif
