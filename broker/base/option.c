/* SPDX-License-Identifier: Apache-2.0
 *
 * option.c - fills a struct from a map of the configuration, row by row of an option table.
 *
 * Called by the host for its own settings and for each connector's. Strings go into the caller's arena. One thread.
 */
#include "turnout/option.h"

#include <stdio.h>
#include <stdlib.h>

struct parse {
	const struct tn_doc *doc;
	const struct tn_option *const *tables;
	const char *const *also_known;
	struct tn_arena *arena;
	char *out;
	struct tn_error *error;
};

struct unit {
	const char *name;
	uint64_t factor;
};

/* Digits and a unit; 0 where a bare "0" is meant. */
static bool parse_unit(struct tn_str text, const struct unit *units, uint64_t *out_value)
{
	size_t digits = 0;
	while (digits < text.len && text.bytes[digits] >= '0' && text.bytes[digits] <= '9')
		digits++;
	uint64_t value;
	if (!tn_str_to_u64(tn_str_make(text.bytes, digits), INT64_MAX, &value))
		return false;
	for (; units->name; units++)
		if (tn_str_is(tn_str_tail(text, digits), units->name)) {
			if (value > (uint64_t)INT64_MAX / units->factor)
				return false;
			*out_value = value * units->factor;
			return true;
		}
	if (value == 0 && digits == text.len) {
		*out_value = 0;
		return true;
	}
	return false;
}

bool tn_duration_parse(struct tn_str text, int64_t *out_ms)
{
	static const struct unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {0}};
	uint64_t value;
	if (!parse_unit(text, units, &value))
		return false;
	*out_ms = (int64_t)value;
	return true;
}

bool tn_size_parse(struct tn_str text, uint64_t *out_bytes)
{
	static const struct unit units[] = {{"", 1}, {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
		{"TiB", (uint64_t)1 << 40}, {"kB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {0}};
	return parse_unit(text, units, out_bytes);
}

/* Room for one value of the row's type. */
static void *place_of(const struct parse *parse, const struct tn_option *row)
{
	return parse->out + row->offset;
}

static enum tn_status refuse(const struct parse *parse, const struct tn_option *row, const struct tn_doc_node *node, const char *wanted)
{
	tn_doc_error(parse->doc, node, parse->error, "%s must be %s", row->name, wanted);
	return TN_INVALID;
}

static enum tn_status check_range(const struct parse *parse, const struct tn_option *row, const struct tn_doc_node *node, uint64_t value)
{
	if ((row->min == 0 && row->max == 0) || (value >= row->min && value <= row->max))
		return TN_OK;
	char wanted[96];
	const char *unit = row->type == TN_OPTION_DURATION ? " ms" : row->type == TN_OPTION_SIZE ? " bytes" : "";
	snprintf(wanted, sizeof wanted, "between %llu%s and %llu%s", (unsigned long long)row->min, unit, (unsigned long long)row->max, unit);
	return refuse(parse, row, node, wanted);
}

static bool is_scalar(const struct tn_doc_node *node)
{
	return node->kind != TN_DOC_LIST && node->kind != TN_DOC_MAP && node->kind != TN_DOC_NULL;
}

static enum tn_status read_choice(const struct parse *parse, const struct tn_option *row, const struct tn_doc_node *node, struct tn_str text)
{
	char wanted[200] = "one of";
	for (uint32_t i = 0; row->choices[i]; i++) {
		if (tn_str_is(text, row->choices[i])) {
			*(uint32_t *)place_of(parse, row) = i;
			return TN_OK;
		}
		size_t len = strlen(wanted);
		snprintf(wanted + len, sizeof wanted - len, "%s %s", i ? "," : "", row->choices[i]);
	}
	return refuse(parse, row, node, wanted);
}

/* Relative to the folder of the file it was written in; in the arena. */
static struct tn_str resolve_path(const struct parse *parse, struct tn_str path)
{
	const char *slash = strrchr(parse->doc->file, '/');
	if (path.len == 0 || path.bytes[0] == '/' || !slash)
		return tn_arena_copy(parse->arena, path);
	size_t folder = (size_t)(slash - parse->doc->file) + 1;
	char *joined = tn_arena_alloc(parse->arena, folder + path.len + 1);
	memcpy(joined, parse->doc->file, folder);
	memcpy(joined + folder, path.bytes, path.len);
	return tn_str_make(joined, folder + path.len);
}

/* A reference, its path resolved. */
static struct tn_str resolve_reference(const struct parse *parse, struct tn_str text)
{
	static const struct tn_str scheme = {"file:", 5};
	if (!tn_str_starts(text, scheme))
		return tn_arena_copy(parse->arena, text);
	struct tn_str path = resolve_path(parse, tn_str_tail(text, scheme.len));
	char *joined = tn_arena_alloc(parse->arena, scheme.len + path.len + 1);
	memcpy(joined, scheme.bytes, scheme.len);
	memcpy(joined + scheme.len, path.bytes, path.len);
	return tn_str_make(joined, scheme.len + path.len);
}

static enum tn_status read_secret(const struct parse *parse, const struct tn_option *row, const struct tn_doc_node *node, struct tn_str text,
	struct tn_secret *out_secret)
{
	if (!tn_secret_is_reference(text))
		return refuse(parse, row, node, "a reference: env:NAME or file:PATH (secrets do not stand in the configuration)");
	if (text.bytes[text.len - 1] == ':' && tn_str_find(text, ':') == text.len - 1)
		return refuse(parse, row, node, "env: with a name, or file: with a path");
	*out_secret = (struct tn_secret){.reference = resolve_reference(parse, text)};
	return TN_OK;
}

/* A scalar by its text; `node` is NULL for a default, which is trusted. */
static enum tn_status read_scalar(const struct parse *parse, const struct tn_option *row, const struct tn_doc_node *node, struct tn_str text)
{
	uint64_t value;
	int64_t duration;
	switch (row->type) {
	case TN_OPTION_TEXT:
		*(struct tn_str *)place_of(parse, row) = tn_arena_copy(parse->arena, text);
		return TN_OK;
	case TN_OPTION_PATH:
		*(struct tn_str *)place_of(parse, row) = resolve_path(parse, text);
		return TN_OK;
	case TN_OPTION_BOOL:
		if (!tn_str_is(text, "true") && !tn_str_is(text, "false"))
			return refuse(parse, row, node, "true or false");
		*(bool *)place_of(parse, row) = tn_str_is(text, "true");
		return TN_OK;
	case TN_OPTION_NUMBER:
		if (!tn_str_to_u64(text, UINT64_MAX, &value))
			return refuse(parse, row, node, "a whole number");
		*(uint64_t *)place_of(parse, row) = value;
		return node ? check_range(parse, row, node, value) : TN_OK;
	case TN_OPTION_DURATION:
		if (!tn_duration_parse(text, &duration))
			return refuse(parse, row, node, "a duration like 250ms, 15s, 5m, 2h or 14d");
		*(int64_t *)place_of(parse, row) = duration;
		return node ? check_range(parse, row, node, (uint64_t)duration) : TN_OK;
	case TN_OPTION_SIZE:
		if (!tn_size_parse(text, &value))
			return refuse(parse, row, node, "a size like 512, 64KiB, 1MiB or 4GiB");
		*(uint64_t *)place_of(parse, row) = value;
		return node ? check_range(parse, row, node, value) : TN_OK;
	case TN_OPTION_CHOICE:
		return read_choice(parse, row, node, text);
	case TN_OPTION_SECRET:
		return read_secret(parse, row, node, text, place_of(parse, row));
	default:
		abort();
	}
}

static enum tn_status read_texts(const struct parse *parse, const struct tn_option *row, const struct tn_doc_node *node)
{
	struct tn_texts *texts = place_of(parse, row);
	if (node->kind != TN_DOC_LIST)
		return refuse(parse, row, node, "a list");
	texts->items = tn_arena_array(parse->arena, struct tn_str, node->count);
	texts->count = 0;
	for (const struct tn_doc_node *item = node->first; item; item = item->next) {
		if (!is_scalar(item))
			return refuse(parse, row, item, "a list of strings");
		texts->items[texts->count++] = tn_arena_copy(parse->arena, item->text);
	}
	return TN_OK;
}

static enum tn_status read_secrets(const struct parse *parse, const struct tn_option *row, const struct tn_doc_node *node)
{
	struct tn_secrets *secrets = place_of(parse, row);
	if (node->kind != TN_DOC_LIST)
		return refuse(parse, row, node, "a list of references: env:NAME or file:PATH");
	if (node->count == 0)
		return refuse(parse, row, node, "a list of at least one reference, env:NAME or file:PATH; this one is empty");
	secrets->items = tn_arena_array(parse->arena, struct tn_secret, node->count);
	secrets->count = 0;
	for (const struct tn_doc_node *item = node->first; item; item = item->next) {
		if (!is_scalar(item))
			return refuse(parse, row, item, "a list of references: env:NAME or file:PATH");
		enum tn_status status = read_secret(parse, row, item, item->text, &secrets->items[secrets->count++]);
		if (status != TN_OK)
			return status;
	}
	return TN_OK;
}

static enum tn_status read_pairs(const struct parse *parse, const struct tn_option *row, const struct tn_doc_node *node)
{
	struct tn_pairs *pairs = place_of(parse, row);
	if (node->kind != TN_DOC_MAP)
		return refuse(parse, row, node, "a map of name: value");
	pairs->items = tn_arena_array(parse->arena, struct tn_pair, node->count);
	pairs->count = 0;
	for (const struct tn_doc_node *item = node->first; item; item = item->next) {
		if (!is_scalar(item))
			return refuse(parse, row, item, "a map of name: string");
		struct tn_pair *pair = &pairs->items[pairs->count++];
		pair->name = tn_arena_copy(parse->arena, item->name);
		pair->value.literal = !tn_secret_is_reference(item->text);
		pair->value.reference = pair->value.literal ? tn_arena_copy(parse->arena, item->text) : resolve_reference(parse, item->text);
	}
	return TN_OK;
}

static enum tn_status read_node(const struct parse *parse, const struct tn_option *row, const struct tn_doc_node *node)
{
	switch (row->type) {
	case TN_OPTION_LATER:
		tn_doc_error(parse->doc, node, parse->error, "%s is not in this version: %s", row->name, row->help);
		return TN_UNSUPPORTED;
	case TN_OPTION_SECRETS:
		return read_secrets(parse, row, node);
	case TN_OPTION_TEXTS:
		return read_texts(parse, row, node);
	case TN_OPTION_PAIRS:
		return read_pairs(parse, row, node);
	default:
		if (!is_scalar(node))
			return refuse(parse, row, node, node->kind == TN_DOC_NULL ? "given a value" : "a single value");
		return read_scalar(parse, row, node, node->text);
	}
}

/* The part of a dotted row name after `prefix`, or NULL when the row is not below it. */
static const char *below(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);
	return strncmp(name, prefix, len) == 0 ? name + len : NULL;
}

static const struct tn_option *find_row(const struct parse *parse, const char *prefix, struct tn_str name, bool *out_group)
{
	*out_group = false;
	for (size_t t = 0; parse->tables[t]; t++)
		for (const struct tn_option *row = parse->tables[t]; row->name; row++) {
			const char *rest = below(row->name, prefix);
			if (!rest)
				continue;
			if (tn_str_is(name, rest))
				return row;
			const char *dot = strchr(rest, '.');
			if (dot && tn_str_equal(name, tn_str_make(rest, (size_t)(dot - rest))))
				*out_group = true;
		}
	return NULL;
}

static enum tn_status refuse_unknown(const struct parse *parse, const char *prefix, const struct tn_doc_node *member)
{
	const char *known[256];
	char names[256][48];
	size_t count = 0;
	for (size_t t = 0; parse->tables[t]; t++)
		for (const struct tn_option *row = parse->tables[t]; row->name && count < 200; row++) {
			const char *rest = below(row->name, prefix);
			if (!rest || row->type == TN_OPTION_LATER)
				continue;
			snprintf(names[count], sizeof names[count], "%.*s", (int)strcspn(rest, "."), rest);
			known[count] = names[count];
			count++;
		}
	for (size_t i = 0; !*prefix && parse->also_known && parse->also_known[i] && count < 250; i++)
		known[count++] = parse->also_known[i];
	known[count] = NULL;
	tn_doc_unknown(parse->doc, member, known, parse->error);
	return TN_INVALID;
}

static bool is_also_known(const struct parse *parse, const char *prefix, struct tn_str name)
{
	if (*prefix || !parse->also_known)
		return false;
	for (size_t i = 0; parse->also_known[i]; i++)
		if (tn_str_is(name, parse->also_known[i]))
			return true;
	return false;
}

/* Members of one map; a dotted row's first part is a map of its own. Depth is bounded by the dots in row names. */
static enum tn_status read_map(const struct parse *parse, const char *prefix, const struct tn_doc_node *map)
{
	if (map->kind != TN_DOC_MAP) {
		tn_doc_error(parse->doc, map, parse->error, "%.*s must be a map of settings",
			*prefix ? (int)strlen(prefix) - 1 : 4, *prefix ? prefix : "this");
		return TN_INVALID;
	}
	if (*prefix && map->count == 0) { /* whoever writes `signing: {}` means something, and would get nothing */
		tn_doc_error(parse->doc, map, parse->error, "%.*s has no settings", (int)strlen(prefix) - 1, prefix);
		return TN_INVALID;
	}
	for (const struct tn_doc_node *member = map->first; member; member = member->next) {
		bool group;
		const struct tn_option *row = find_row(parse, prefix, member->name, &group);
		enum tn_status status;
		if (row) {
			status = read_node(parse, row, member);
		} else if (group) {
			char deeper[96];
			snprintf(deeper, sizeof deeper, "%s%.*s.", prefix, TN_STR_ARG(member->name));
			status = read_map(parse, deeper, member);
		} else if (is_also_known(parse, prefix, member->name)) {
			continue;
		} else {
			status = refuse_unknown(parse, prefix, member);
		}
		if (status != TN_OK)
			return status;
	}
	return TN_OK;
}

static const struct tn_doc_node *find_node(const struct tn_doc_node *map, const char *name)
{
	char part[48];
	size_t len = strcspn(name, ".");
	snprintf(part, sizeof part, "%.*s", (int)len, name);
	const struct tn_doc_node *node = tn_doc_get(map, part);
	return node && name[len] == '.' ? find_node(node, name + len + 1) : node;
}

static enum tn_status set_defaults(const struct parse *parse, const struct tn_doc_node *map)
{
	for (size_t t = 0; parse->tables[t]; t++)
		for (const struct tn_option *row = parse->tables[t]; row->name; row++) {
			if (row->required && !find_node(map, row->name)) {
				tn_doc_error(parse->doc, map, parse->error, "%s is missing: %s", row->name, row->help);
				return TN_INVALID;
			}
			if (row->standard && row->type != TN_OPTION_TEXTS && row->type != TN_OPTION_PAIRS && row->type != TN_OPTION_LATER &&
				read_scalar(parse, row, NULL, tn_str_from(row->standard)) != TN_OK)
				abort(); /* a table's default must parse */
		}
	return TN_OK;
}

enum tn_status tn_option_parse(const struct tn_doc *doc, const struct tn_doc_node *map, const struct tn_option *const *tables,
	const char *const *also_known, struct tn_arena *arena, void *out, struct tn_error *error)
{
	struct parse parse = {doc, tables, also_known, arena, out, error};
	if (map->kind != TN_DOC_MAP) {
		tn_doc_error(doc, map, error, "this must be a map of settings");
		return TN_INVALID;
	}
	/* What is there first: an unknown or misspelt name explains a missing one. */
	struct tn_arena scratch = {0};
	parse.arena = &scratch;
	enum tn_status status = read_map(&parse, "", map);
	tn_arena_fini(&scratch);
	parse.arena = arena;
	if (status == TN_OK)
		status = set_defaults(&parse, map);
	if (status == TN_OK)
		status = read_map(&parse, "", map);
	return status;
}

void tn_option_help(const struct tn_option *table, struct tn_buf *out)
{
	for (const struct tn_option *row = table; row->name; row++) {
		if (row->type == TN_OPTION_LATER)
			continue;
		tn_buf_addf(out, "  %-24s %s", row->name, row->help);
		if (row->standard)
			tn_buf_addf(out, " [%s]", row->standard);
		if (row->required)
			tn_buf_add_text(out, " (required)");
		tn_buf_add_byte(out, '\n');
	}
}
