/* SPDX-License-Identifier: Apache-2.0
 *
 * doc.c - documents people write: reading one, finding members, saying where something is wrong.
 *
 * Called by the configuration reader and the rule files. doc_yaml.c and doc_json.c read, doc_build.c grows the tree. One thread.
 */
#include "doc_build.h"
#include "turnout/utf8.h"

#include <stdarg.h>
#include <stdio.h>

void tn_doc_fini(struct tn_doc *doc)
{
	tn_arena_fini(&doc->arena);
	*doc = (struct tn_doc){0};
}

static struct tn_str without_mark(struct tn_str text)
{
	return tn_str_starts(text, TN_STR("\xef\xbb\xbf")) ? tn_str_tail(text, 3) : text;
}

static bool looks_like_json(struct tn_str text)
{
	size_t at = 0;
	while (at < text.len && strchr(" \t\r\n", text.bytes[at]) && text.bytes[at])
		at++;
	return at < text.len && (text.bytes[at] == '{' || text.bytes[at] == '[');
}

static enum tn_status read_text(struct tn_doc_build *build, struct tn_str text)
{
	size_t well_formed = tn_utf8_check(text);
	if (well_formed < text.len) {
		struct tn_doc_cursor place = {0, 1, 1};
		tn_doc_cursor_move(&place, text, well_formed);
		tn_error_at(build->error, build->doc->file, place.line, place.column, "not valid UTF-8");
		return TN_INVALID;
	}
	return looks_like_json(text) ? tn_doc_json_read(build, text) : tn_doc_yaml_read(build, text);
}

enum tn_status tn_doc_parse(struct tn_str text, const char *name, struct tn_doc *out_doc, struct tn_error *error)
{
	struct tn_doc doc = {0};
	struct tn_doc_build build = {.doc = &doc, .error = error};
	snprintf(doc.file, sizeof doc.file, "%s", name ? name : "");
	enum tn_status status = read_text(&build, tn_arena_copy(&doc.arena, without_mark(text)));
	if (status != TN_OK) {
		tn_doc_fini(&doc);
		return status;
	}
	*out_doc = doc;
	return TN_OK;
}

enum tn_status tn_doc_read(const char *path, size_t limit, struct tn_doc *out_doc, struct tn_error *error)
{
	struct tn_buf text = {0};
	enum tn_status status = tn_file_read(path, limit, &text, error);
	if (status == TN_OK)
		status = tn_doc_parse(tn_buf_str(&text), path, out_doc, error);
	tn_buf_fini(&text);
	return status;
}

const struct tn_doc_node *tn_doc_get(const struct tn_doc_node *node, const char *name)
{
	if (!node || node->kind != TN_DOC_MAP)
		return NULL;
	for (const struct tn_doc_node *member = node->first; member; member = member->next)
		if (tn_str_is(member->name, name))
			return member;
	return NULL;
}

void tn_doc_error(const struct tn_doc *doc, const struct tn_doc_node *node, struct tn_error *error, const char *format, ...)
{
	char message[sizeof error->message];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	tn_error_at(error, doc->file, node->line, node->column, "%s", message);
}

/* The nearest known name, when it is near enough to be a slip of the finger. */
static const char *suggest(struct tn_str name, const char *const *known)
{
	const char *best = NULL;
	unsigned least = name.len < 4 ? 2 : name.len < 9 ? 3 : 4;
	for (; *known; known++) {
		unsigned distance = tn_str_distance(name, tn_str_from(*known));
		if (distance < least && distance < strlen(*known)) {
			least = distance;
			best = *known;
		}
	}
	return best;
}

void tn_doc_unknown(const struct tn_doc *doc, const struct tn_doc_node *member, const char *const *known,
	struct tn_error *error)
{
	const char *best = suggest(member->name, known);
	if (best)
		tn_error_at(error, doc->file, member->name_line, member->name_column, "unknown key '%.*s'; did you mean '%s'?",
			TN_STR_ARG(member->name), best);
	else
		tn_error_at(error, doc->file, member->name_line, member->name_column, "unknown key '%.*s'",
			TN_STR_ARG(member->name));
}
