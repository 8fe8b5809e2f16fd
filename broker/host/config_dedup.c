/* SPDX-License-Identifier: Apache-2.0
 *
 * config_dedup.c - `dedup` of a source: by what copies of an event are known, and for how long.
 *
 * Called by config_lists.c. A word or a list of paths is short for a map with that as its `by`.
 */
#include "config_lists.h"

#include "dedup.h"

static const struct {
	const char *word;
	enum tn_dedup_by by;
} words[] = {{"off", TN_DEDUP_OFF}, {"event", TN_DEDUP_EVENT}, {"header", TN_DEDUP_HEADER}};

static const char *const error_choices[] = {"pass", "hold", NULL};

#define AT(member) offsetof(struct tn_dedup_config, member)

static const struct tn_option dedup_options[] = {
	{"window", TN_OPTION_DURATION, AT(window_ms), .min = 1000, .max = (uint64_t)30 * 86400000, .help = "a copy is known so long after its event [5m; by header: 24h]"},
	{"strict", TN_OPTION_BOOL, AT(strict), "false", .help = "brokers and sync: acknowledge only when the key is on disk, too"},
	{"on_error", TN_OPTION_CHOICE, AT(on_error), "pass", .choices = error_choices, .help = "keys cannot be looked up: pass (perhaps a copy) or hold (HTTP: 503)"},
	{0},
};

static enum tn_status read_word(const struct tn_doc *doc, const struct tn_doc_node *node, const struct tn_connector *connector,
	struct tn_dedup_config *dedup, struct tn_error *error)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (!tn_str_equal(node->text, tn_str_from(words[i].word)))
			continue;
		if (words[i].by == TN_DEDUP_HEADER && !connector->answers) {
			tn_doc_error(doc, node, error, "a source of kind %s has no Idempotency-Key header; use event, or a list of paths",
				connector->name);
			return TN_INVALID;
		}
		dedup->by = words[i].by;
		return TN_OK;
	}
	tn_doc_error(doc, node, error, "dedup is off, event, header, or a list of paths");
	return TN_INVALID;
}

static enum tn_status read_paths(const struct tn_doc *doc, const struct tn_doc_node *list, struct tn_arena *arena,
	struct tn_dedup_config *dedup, struct tn_error *error)
{
	if (list->count == 0 || list->count > TN_DEDUP_PATHS_MAX) {
		tn_doc_error(doc, list, error, "dedup takes 1 to %d paths", TN_DEDUP_PATHS_MAX);
		return TN_INVALID;
	}
	dedup->by = TN_DEDUP_PATHS;
	dedup->paths.items = tn_arena_array(arena, struct tn_str, list->count);
	for (const struct tn_doc_node *item = list->first; item; item = item->next) {
		if (item->kind != TN_DOC_STRING || !tn_dedup_path_is_valid(item->text)) {
			tn_doc_error(doc, item, error, "a path is the name of an attribute, or leads into JSON data: data.order.id");
			return TN_INVALID;
		}
		dedup->paths.items[dedup->paths.count++] = tn_arena_copy(arena, item->text);
	}
	return TN_OK;
}

static enum tn_status read_by(const struct tn_doc *doc, const struct tn_doc_node *node, const struct tn_connector *connector,
	struct tn_arena *arena, struct tn_dedup_config *dedup, struct tn_error *error)
{
	if (node->kind == TN_DOC_LIST)
		return read_paths(doc, node, arena, dedup, error);
	if (node->kind == TN_DOC_STRING)
		return read_word(doc, node, connector, dedup, error);
	tn_doc_error(doc, node, error, "dedup is off, event, header, or a list of paths");
	return TN_INVALID;
}

static enum tn_status read_map(const struct tn_doc *doc, const struct tn_doc_node *map, const struct tn_connector *connector,
	struct tn_arena *arena, struct tn_dedup_config *dedup, struct tn_error *error)
{
	static const char *const more[] = {"by", NULL};
	const struct tn_option *const tables[] = {dedup_options, NULL};
	enum tn_dedup_by by = dedup->by;
	enum tn_status status = tn_option_parse(doc, map, tables, more, arena, dedup, error);
	dedup->by = by;
	const struct tn_doc_node *node = tn_doc_get(map, "by");
	return status == TN_OK && node ? read_by(doc, node, connector, arena, dedup, error) : status;
}

enum tn_status tn_config_read_dedup(const struct tn_doc *doc, const struct tn_doc_node *source, const struct tn_connector *connector,
	struct tn_arena *arena, struct tn_dedup_config *out_dedup, struct tn_error *error)
{
	struct tn_dedup_config dedup = {.by = connector->answers ? TN_DEDUP_EVENT : TN_DEDUP_OFF};
	const struct tn_doc_node *node = tn_doc_get(source, "dedup");
	enum tn_status status = TN_OK;
	if (node && node->kind == TN_DOC_MAP)
		status = read_map(doc, node, connector, arena, &dedup, error);
	else if (node)
		status = read_by(doc, node, connector, arena, &dedup, error);
	if (dedup.window_ms == 0)
		dedup.window_ms = dedup.by == TN_DEDUP_HEADER ? 86400000 : 300000;
	if (status == TN_OK)
		*out_dedup = dedup;
	return status;
}

void tn_config_dedup_help(struct tn_buf *out)
{
	tn_buf_add_text(out, " dedup of a source: off, event, header, a list of paths, or a map:\n"
			     "  by                       off, event (its source and id) [default for http], header (Idempotency-Key; http\n"
			     "                           only), or a list of paths: [subject, data.order.id]; others: off\n");
	tn_option_help(dedup_options, out);
}
