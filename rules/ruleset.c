/* SPDX-License-Identifier: Apache-2.0
 *
 * ruleset.c - builds a ruleset from rule files, all of it or nothing; counts who uses it; finds routes by name.
 *
 * Called by the host at start and at each reload, and by the tools. Building: one thread. A finished ruleset never changes, so any
 * thread may use it while it holds a ref.
 */
#include "index.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* --- Life --- */

struct tn_ruleset *tn_ruleset_ref(struct tn_ruleset *ruleset)
{
	atomic_fetch_add_explicit(&ruleset->references, 1, memory_order_relaxed);
	return ruleset;
}

void tn_ruleset_unref(struct tn_ruleset *ruleset)
{
	if (!ruleset || atomic_fetch_sub_explicit(&ruleset->references, 1, memory_order_acq_rel) != 1)
		return;
	tn_paths_fini(&ruleset->paths);
	tn_arena_fini(&ruleset->arena);
	tn_index_free(ruleset->index);
	free(ruleset->rules);
	free(ruleset->by_name);
	free(ruleset);
}

uint64_t tn_ruleset_revision(const struct tn_ruleset *ruleset)
{
	return ruleset->revision;
}

uint32_t tn_ruleset_rule_count(const struct tn_ruleset *ruleset)
{
	return ruleset->rule_count;
}

uint32_t tn_ruleset_route_count(const struct tn_ruleset *ruleset)
{
	return ruleset->live_route_count + 1; /* the poison route */
}

/* --- Routes by name --- */

static int compare_routes(const struct tn_route *a, struct tn_str rule, struct tn_str target)
{
	int order = tn_str_compare(a->rule, rule);
	return order ? order : tn_str_compare(a->target, target);
}

static int by_names(const void *a, const void *b)
{
	const struct tn_route *two = *(const struct tn_route *const *)b;
	return compare_routes(*(const struct tn_route *const *)a, two->rule, two->target);
}

static void sort_routes(struct tn_ruleset *ruleset)
{
	uint32_t count = 0;
	ruleset->by_name = calloc(ruleset->route_count + 1, sizeof *ruleset->by_name);
	if (!ruleset->by_name)
		abort();
	for (uint32_t i = 0; i < ruleset->rule_count; i++)
		for (uint32_t j = 0; j < ruleset->rules[i].route_count; j++)
			ruleset->by_name[count++] = &ruleset->rules[i].routes[j];
	qsort(ruleset->by_name, count, sizeof *ruleset->by_name, by_names);
}

uint32_t tn_ruleset_first_route(const struct tn_ruleset *ruleset, struct tn_str rule)
{
	uint32_t low = 0, high = ruleset->route_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (tn_str_compare(ruleset->by_name[middle]->rule, rule) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct tn_route *tn_ruleset_find_route(const struct tn_ruleset *ruleset, struct tn_str rule, struct tn_str target)
{
	uint32_t low = 0, high = ruleset->route_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = compare_routes(ruleset->by_name[middle], rule, target);
		if (order == 0)
			return ruleset->by_name[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return compare_routes(&ruleset->poison, rule, target) == 0 ? &ruleset->poison : NULL;
}

bool tn_ruleset_uses_target(const struct tn_ruleset *ruleset, struct tn_str target)
{
	for (uint32_t i = 0; i < ruleset->route_count; i++)
		if (tn_str_equal(ruleset->by_name[i]->target, target))
			return true;
	return false;
}

const struct tn_route *tn_ruleset_poison_route(const struct tn_ruleset *ruleset)
{
	return &ruleset->poison;
}

/* --- Building --- */

static void begin_draft(struct tn_ruleset_draft *draft, const struct tn_ruleset_config *config, struct tn_error *error)
{
	struct tn_ruleset *ruleset = calloc(1, sizeof *ruleset);
	if (!ruleset)
		abort();
	atomic_init(&ruleset->references, 1);
	ruleset->revision = config->revision;
	tn_paths_init(&ruleset->paths);
	tn_policy_profile(TN_STR("eventbridge"), &ruleset->default_policy);
	/* Not what a rule or a target can be called. */
	ruleset->poison = (struct tn_route){
		.rule = TN_STR("$poison"), .target = TN_STR("$poison"), .policy = &ruleset->default_policy, .poison = true};
	ruleset->eventbridge.account = tn_arena_copy(&ruleset->arena, config->eventbridge.account);
	ruleset->eventbridge.region = tn_arena_copy(&ruleset->arena, config->eventbridge.region);
	*draft = (struct tn_ruleset_draft){.ruleset = ruleset, .config = config, .error = error};
	draft->target_policies = calloc(config->target_count + 1, sizeof *draft->target_policies);
	draft->lane_keys = calloc(config->target_count + 1, sizeof *draft->lane_keys);
	if (!draft->target_policies || !draft->lane_keys)
		abort();
	tn_paths_init(&draft->names);
}

static enum tn_status end_draft(struct tn_ruleset_draft *draft, enum tn_status status, const char *where,
	struct tn_ruleset **out_ruleset)
{
	tn_paths_fini(&draft->names);
	free(draft->target_policies);
	free(draft->lane_keys);
	if (status == TN_OK && draft->ruleset->rule_count == 0 && !draft->config->allow_empty) {
		tn_error_at(draft->error, where, 0, 0, "there are no rules");
		status = TN_INVALID;
	}
	if (status != TN_OK) {
		tn_ruleset_unref(draft->ruleset);
		return status;
	}
	sort_routes(draft->ruleset);
	draft->ruleset->index = tn_index_new(draft->ruleset);
	*out_ruleset = draft->ruleset;
	return TN_OK;
}

enum tn_status tn_ruleset_compile(struct tn_str text, const char *name, const struct tn_ruleset_config *config,
	struct tn_ruleset **out_ruleset, struct tn_error *error)
{
	struct tn_ruleset_draft draft;
	struct tn_doc doc = {0};
	begin_draft(&draft, config, error);
	enum tn_status status = tn_doc_parse(text, name, &doc, error);
	if (status == TN_OK)
		status = tn_rule_file_read(&draft, &doc);
	tn_doc_fini(&doc);
	return end_draft(&draft, status, name, out_ruleset);
}

/* --- Files --- */

static enum tn_status load_file(struct tn_ruleset_draft *draft, const char *path)
{
	struct tn_doc doc = {0};
	enum tn_status status = tn_doc_read(path, TN_RULE_FILE_BYTES, &doc, draft->error);
	if (status == TN_OK)
		status = tn_rule_file_read(draft, &doc);
	tn_doc_fini(&doc);
	return status;
}

/* For glob(3): what is not there matches nothing; what cannot be read is an error. */
static int on_glob_error(const char *path, int code)
{
	return code != ENOENT && code != ENOTDIR;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Is the folder there that the pattern begins with, before its first star? */
static bool folder_exists(const char *pattern)
{
	size_t magic = strcspn(pattern, "*?["), end = magic;
	struct stat about;
	while (end > 0 && pattern[end - 1] != '/')
		end--;
	if (end == 0)
		return true;
	char *folder = tn_str_dup(tn_str_make(pattern, end));
	bool exists = stat(folder, &about) == 0 && S_ISDIR(about.st_mode);
	free(folder);
	return exists;
}

/* seen: the files read before; one that several patterns name is read once. */
static enum tn_status load_matches(struct tn_ruleset_draft *draft, const glob_t *matches, struct tn_paths *seen)
{
	qsort(matches->gl_pathv, matches->gl_pathc, sizeof *matches->gl_pathv, by_bytes);
	for (size_t i = 0; i < matches->gl_pathc; i++) {
		uint32_t known = seen->count;
		if (tn_paths_add(seen, tn_str_from(matches->gl_pathv[i])) < known)
			continue;
		enum tn_status status = load_file(draft, matches->gl_pathv[i]);
		if (status != TN_OK)
			return status;
	}
	return TN_OK;
}

static enum tn_status load_pattern(struct tn_ruleset_draft *draft, const char *pattern, struct tn_paths *seen)
{
	glob_t matches = {0};
	enum tn_status status = TN_OK;
	int result = glob(pattern, GLOB_NOSORT, on_glob_error, &matches);
	if (result == 0) {
		status = load_matches(draft, &matches, seen);
	} else if (result == GLOB_NOSPACE) {
		abort();
	} else if (result != GLOB_NOMATCH) {
		tn_error_at(draft->error, pattern, 0, 0, "the folder cannot be read");
		status = TN_IO;
	} else if (!draft->config->allow_empty && !folder_exists(pattern)) {
		tn_error_at(draft->error, pattern, 0, 0, "the folder of these rule files is not there");
		status = TN_INVALID;
	}
	globfree(&matches);
	return status;
}

static enum tn_status load_path(struct tn_ruleset_draft *draft, const char *base_dir, const char *path, struct tn_paths *seen)
{
	struct tn_buf full = {0};
	if (base_dir && path[0] != '/')
		tn_buf_addf(&full, "%s/", base_dir);
	tn_buf_add_text(&full, path);
	tn_buf_terminate(&full);
	enum tn_status status = TN_OK;
	uint32_t known = seen->count;
	if (strpbrk(path, "*?["))
		status = load_pattern(draft, full.bytes, seen);
	else if (tn_paths_add(seen, tn_buf_str(&full)) == known)
		status = load_file(draft, full.bytes);
	tn_buf_fini(&full);
	return status;
}

enum tn_status tn_ruleset_load(const char *base_dir, const char *const *paths, size_t path_count, const struct tn_ruleset_config *config,
	struct tn_ruleset **out_ruleset, struct tn_error *error)
{
	struct tn_ruleset_draft draft;
	struct tn_paths seen;
	enum tn_status status = TN_OK;
	begin_draft(&draft, config, error);
	tn_paths_init(&seen);
	for (size_t i = 0; i < path_count && status == TN_OK; i++)
		status = load_path(&draft, base_dir, paths[i], &seen);
	tn_paths_fini(&seen);
	return end_draft(&draft, status, path_count ? paths[0] : "", out_ruleset);
}
