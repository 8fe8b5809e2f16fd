/* SPDX-License-Identifier: Apache-2.0
 *
 * doc.h - one small tree for everything people write: configuration and rule files, YAML or JSON, with the place of every node.
 *
 * YAML comes through libyaml's events, JSON through our scanner (by the first character that is no white space: `{` or `[` is JSON).
 * Scalars keep their text: nothing goes through a double. Duplicate names, anchors, aliases, merge keys, tags and several documents in
 * one file are refused by name. A tree lives in one arena. One thread.
 */
#ifndef TURNOUT_DOC_H
#define TURNOUT_DOC_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/arena.h"
#include "turnout/error.h"
#include "turnout/status.h"
#include "turnout/str.h"

enum { TN_DOC_NODE_LIMIT = 100000, TN_DOC_DEPTH_LIMIT = 100 };

enum tn_doc_kind { TN_DOC_NULL, TN_DOC_BOOL, TN_DOC_NUMBER, TN_DOC_STRING, TN_DOC_LIST, TN_DOC_MAP };

struct tn_doc_node {
	enum tn_doc_kind kind;
	uint32_t line, column;            /* 1-based; columns in code points */
	struct tn_str text;               /* scalar: its text (strings unescaped). JSON map or list: its source text, as it stands; of YAML
	                                     ones {NULL, 0} */
	bool truth;                       /* BOOL */
	struct tn_str name;               /* as a member of a map: its name */
	uint32_t name_line, name_column;
	uint32_t count;                   /* LIST, MAP */
	struct tn_doc_node *first, *next; /* members in order */
};
struct tn_doc {                           /* {0}; give back with tn_doc_fini */
	struct tn_arena arena;
	struct tn_doc_node *root;         /* never NULL once parsed; of an empty YAML file a NULL node at 1:1 */
	char file[256];
};

void tn_doc_fini(struct tn_doc *doc);
/* name: the file, for errors. Only plain true/false are booleans, only plain null/~/empty is null, only RFC 8259 numbers are numbers.
 * TN_INVALID with the place. */
enum tn_status tn_doc_parse(struct tn_str text, const char *name, struct tn_doc *out_doc, struct tn_error *error) TN_MUST_CHECK;
/* Reads a file of at most limit bytes. TN_NOT_FOUND, TN_IO, TN_TOO_LARGE, TN_INVALID. */
enum tn_status tn_doc_read(const char *path, size_t limit, struct tn_doc *out_doc, struct tn_error *error) TN_MUST_CHECK;
/* A member of a map; NULL when absent or node is not a map. */
const struct tn_doc_node *tn_doc_get(const struct tn_doc_node *node, const char *name);
/* Fills error with the node's place. */
void tn_doc_error(const struct tn_doc *doc, const struct tn_doc_node *node, struct tn_error *error, const char *format, ...)
	TN_PRINTF(4, 5);
/* "unknown key 'retires'; did you mean 'retries'?" at the member's name. known ends with NULL. */
void tn_doc_unknown(const struct tn_doc *doc, const struct tn_doc_node *member, const char *const *known, struct tn_error *error);
/* Writes node as JSON text, remembering for each byte offset which node it came from: for what is handed on as text (patterns). */
struct tn_doc_map_entry {
	size_t at;                        /* offset in the text */
	uint32_t line, column;
};
struct tn_doc_text {                      /* {0}; fini frees */
	struct tn_buf text;
	struct tn_doc_map_entry *entries; /* ascending by at */
	size_t count, capacity;
};
void tn_doc_to_json(const struct tn_doc_node *node, struct tn_doc_text *out);
void tn_doc_text_fini(struct tn_doc_text *text);
/* The place of the name or value that covers offset at; a closing bracket's is that of its opening one. */
void tn_doc_text_place(const struct tn_doc_text *text, size_t at, uint32_t *out_line, uint32_t *out_column);

/* Appends the whole file's bytes. Regular files only, so that nothing waits. TN_NOT_FOUND, TN_IO, TN_TOO_LARGE. */
enum tn_status tn_file_read(const char *path, size_t limit, struct tn_buf *out, struct tn_error *error) TN_MUST_CHECK;

#endif
