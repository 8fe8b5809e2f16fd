/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern.c - one event pattern, compiled; and the plain matcher: read the event into leaves, judge the branches one by one.
 *
 * Called by the tools and by tests as the oracle; rulesets use the parts (tn_pattern_build, tn_pattern_judge) with paths and memory of
 * their own. A compiled pattern is immutable: any thread.
 */
#include "pattern_tree.h"
#include "turnout/json.h"

#include <stdlib.h>

struct tn_pattern {
	struct tn_arena arena;
	struct tn_paths paths;
	struct tn_pattern_code code;
};

/* Does the path begin with a member that only the EventBridge view has? */
static bool is_eventbridge(struct tn_str path)
{
	static const char *const members[] = {"detail", "detail-type", "account", "region", "resources", "version"};
	size_t dot = tn_str_find(path, '.');
	struct tn_str first = {path.bytes, dot == SIZE_MAX ? path.len : dot};
	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		if (tn_str_is(first, members[i]))
			return true;
	return false;
}

enum tn_status tn_pattern_build(struct tn_str text, const struct tn_pattern_limits *limits, struct tn_arena *arena,
	struct tn_paths *paths, struct tn_pattern_code *out_code, struct tn_pattern_error *error)
{
	struct tn_pattern_item *items;
	struct tn_pattern_code code = {0};
	enum tn_status status = tn_pattern_parse(text, limits, arena, paths, &items, error);
	if (status != TN_OK)
		return status;
	tn_pattern_expand(items, arena, &code);
	for (uint32_t i = 0; i < code.branch_count; i++)
		for (uint32_t j = 0; j < code.branches[i].count; j++)
			code.names_eventbridge |= is_eventbridge(tn_paths_name(paths, code.branches[i].fields[j].path));
	*out_code = code;
	return TN_OK;
}

enum tn_status tn_pattern_judge(const struct tn_pattern_code *code, const struct tn_leaves *leaves, struct tn_agree *agree,
	bool *out_match)
{
	enum tn_status worst = TN_OK;
	for (uint32_t i = 0; i < code->branch_count; i++) {
		bool match;
		enum tn_status status = tn_branch_match(&code->branches[i], leaves, agree, &match);
		if (status == TN_OK && match) {
			*out_match = true;
			return TN_OK;
		}
		if (status != TN_OK)
			worst = status;
	}
	if (worst == TN_OK)
		*out_match = false;
	return worst;
}

enum tn_status tn_pattern_compile(struct tn_str text, const struct tn_pattern_limits *limits, struct tn_pattern **out_pattern,
	struct tn_pattern_error *error)
{
	struct tn_pattern *pattern = calloc(1, sizeof *pattern);
	if (!pattern)
		abort();
	tn_paths_init(&pattern->paths);
	enum tn_status status = tn_pattern_build(text, limits, &pattern->arena, &pattern->paths, &pattern->code, error);
	if (status == TN_OK)
		*out_pattern = pattern;
	else
		tn_pattern_free(pattern);
	return status;
}

void tn_pattern_free(struct tn_pattern *pattern)
{
	if (!pattern)
		return;
	tn_paths_fini(&pattern->paths);
	tn_arena_fini(&pattern->arena);
	free(pattern);
}

/* The first byte that is no white space; text.len when there is none. */
static size_t first_byte(struct tn_str text)
{
	size_t at = 0;
	while (at < text.len && (text.bytes[at] == ' ' || text.bytes[at] == '\t' || text.bytes[at] == '\n' || text.bytes[at] == '\r'))
		at++;
	return at;
}

enum tn_status tn_pattern_match(const struct tn_pattern *pattern, struct tn_str event_json, bool *out_match, size_t *out_at)
{
	struct tn_leaves leaves = {0};
	struct tn_agree agree = {0};
	size_t at = first_byte(event_json);
	enum tn_status status = TN_INVALID;
	tn_leaves_begin(&leaves, &pattern->paths);
	if (at == event_json.len || event_json.bytes[at] == '{')
		status = tn_leaves_read(&leaves, TN_PATHS_ROOT, event_json, false, &at);
	if (status == TN_OK)
		status = tn_pattern_judge(&pattern->code, &leaves, &agree, out_match);
	else
		*out_at = at;
	tn_agree_fini(&agree);
	tn_leaves_fini(&leaves);
	return status;
}
