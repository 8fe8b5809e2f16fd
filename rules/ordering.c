/* SPDX-License-Identifier: Apache-2.0
 *
 * ordering.c - the `ordering` of a target, and the lane of an event in it: a hash over target and key.
 *
 * Parsing is called by the configuration, keys are compiled by rule_file.c, lanes are made by match.c for each match of an ordered target.
 */
#include "ordering.h"

#include <inttypes.h>
#include <stdio.h>
#include "turnout/option.h"

static const char *const keyless_names[] = {"unordered", "serial", NULL};

struct settings {
	struct tn_str key;
	uint32_t keyless;
};
static const struct tn_option options[] = {
	{.name = "key", .type = TN_OPTION_TEXT, .offset = offsetof(struct settings, key), .standard = "partitionkey", .reloadable = true,
		.help = "an attribute, or data.<path>: events with one value of it are delivered one after the other"},
	{.name = "keyless", .type = TN_OPTION_CHOICE, .offset = offsetof(struct settings, keyless), .choices = keyless_names,
		.standard = "unordered", .reloadable = true, .help = "events without that key: unordered, or all in one row (serial)"},
	{0},
};

const struct tn_option *tn_ordering_options(void)
{
	return options;
}

static bool is_attribute(struct tn_str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.bytes[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
			return false;
	}
	return name.len > 0;
}

static bool is_in_data(struct tn_str key)
{
	if (!tn_str_starts(key, TN_STR("data.")) || key.bytes[key.len - 1] == '.')
		return false;
	for (size_t i = 1; i < key.len; i++)
		if (key.bytes[i] == '.' && key.bytes[i - 1] == '.')
			return false; /* as everywhere else, a path has no empty name */
	return true;
}

static enum tn_status parse_map(const struct tn_doc *doc, const struct tn_doc_node *map, struct tn_arena *arena, struct tn_ordering *out,
	struct tn_error *error)
{
	static const struct tn_option *const tables[] = {options, NULL};
	struct settings settings = {0};
	enum tn_status status = tn_option_parse(doc, map, tables, NULL, arena, &settings, error);
	if (status != TN_OK)
		return status;
	bool known = is_in_data(settings.key) || (is_attribute(settings.key) && !tn_str_is(settings.key, "data"));
	if (!known || settings.key.len > TN_ORDERING_KEY_BYTES) {
		tn_doc_error(doc, tn_doc_get(map, "key"), error,
			"key is the name of an attribute (a-z and 0-9), or data. and a path, of at most %d bytes", TN_ORDERING_KEY_BYTES);
		return TN_INVALID;
	}
	*out = (struct tn_ordering){.by_key = true, .serial = settings.keyless == 1, .key = settings.key};
	return TN_OK;
}

enum tn_status tn_ordering_parse(const struct tn_doc *doc, const struct tn_doc_node *node, struct tn_arena *arena, struct tn_ordering *out,
	struct tn_error *error)
{
	if (node->kind == TN_DOC_MAP)
		return parse_map(doc, node, arena, out, error);
	bool word = node->kind == TN_DOC_STRING;
	if (word && tn_str_is(node->text, "none")) {
		*out = (struct tn_ordering){0};
	} else if (word && tn_str_is(node->text, "key")) {
		*out = (struct tn_ordering){.by_key = true, .key = TN_STR("partitionkey")};
	} else {
		tn_doc_error(doc, node, error, "ordering is none, key, or a map with key and keyless");
		return TN_INVALID;
	}
	return TN_OK;
}

/* --- Lanes --- */

struct tn_lane_key {
	struct tn_str name;       /* of the attribute, or the path */
	uint32_t path;            /* TN_PATHS_NONE: an attribute */
	bool serial;
};

const struct tn_lane_key *tn_lane_key_new(struct tn_ruleset *ruleset, const struct tn_ordering *ordering)
{
	struct tn_lane_key *key = tn_arena_new(&ruleset->arena, struct tn_lane_key);
	key->name = tn_arena_copy(&ruleset->arena, ordering->key);
	key->serial = ordering->serial;
	key->path = is_in_data(key->name) ? tn_paths_add(&ruleset->paths, key->name) : TN_PATHS_NONE;
	return key;
}

static bool add_text(const struct tn_leaf *leaf, struct tn_buf *out)
{
	switch (leaf->kind) {
	case TN_LEAF_STRING:
		tn_buf_add(out, leaf->text.bytes, leaf->text.len);
		break;
	case TN_LEAF_NUMBER:
		tn_decimal_to_text(&leaf->number, out);
		break;
	case TN_LEAF_TRUE:
		tn_buf_add_text(out, "true");
		break;
	case TN_LEAF_FALSE:
		tn_buf_add_text(out, "false");
		break;
	case TN_LEAF_NULL:
		break;
	}
	return out->len > 0;
}

static bool find_key(const struct tn_lane_key *key, struct tn_matcher *matcher, const struct tn_ruleset *ruleset, const struct tn_event *event,
	struct tn_str *out_text)
{
	if (key->path == TN_PATHS_NONE) {
		const struct tn_attribute *attribute = tn_event_find(event, key->name);
		*out_text = attribute ? attribute->value : (struct tn_str){0};
		return out_text->len > 0;
	}
	const struct tn_leaves *leaves = tn_matcher_leaves(matcher, TN_VIEW_CLOUDEVENTS, TN_EXTENT_ALL, ruleset, event);
	const struct tn_leaf *leaf = tn_leaves_first(leaves, key->path);
	tn_buf_clear(&matcher->key);
	bool found = leaf && add_text(leaf, &matcher->key);
	*out_text = tn_buf_str(&matcher->key);
	return found;
}

struct tn_id tn_lane_key_hash(const struct tn_lane_key *key, struct tn_str target, struct tn_matcher *matcher, const struct tn_ruleset *ruleset,
	const struct tn_event *event)
{
	struct tn_str parts[3] = {TN_STR("turnout-lane-1"), target};
	if (find_key(key, matcher, ruleset, event, &parts[2]))
		return tn_id_hash(parts, 3);
	return key->serial ? tn_id_hash(parts, 2) : (struct tn_id){{0}};
}
