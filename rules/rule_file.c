/* SPDX-License-Identifier: Apache-2.0
 *
 * rule_file.c - reads the rules of one document, checking all of it; what is wrong is told with file, line and column.
 *
 * Called by ruleset.c for each rule file. Adds to the ruleset that is being built, which is thrown away whole when anything fails. Keys
 * that later versions bring are refused by name, so that nobody takes silence for consent. One thread.
 */
#include "ordering.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const rule_keys[] = {"name", "description", "enabled", "view", "pattern", "targets", NULL};
static const char *const target_keys[] = {"target", "retry", NULL};
static const char *const later_keys[] = {"filters", "ordering", "rate", "breaker", "concurrency", "reply", "dedup"};
static const char *const aws_keys[] = {"EventPattern", "Targets", "Type", "Properties", "Resources", "AWSTemplateFormatVersion", "Name",
	"State", "ScheduleExpression", "EventBusName", "RoleArn", "Description", "Rules"};

struct reading {
	struct tn_ruleset_draft *draft;
	const struct tn_doc *doc;
};

/* --- Refusing --- */

static enum tn_status refuse_name(const struct reading *reading, const struct tn_doc_node *member, const char *why)
{
	tn_error_at(reading->draft->error, reading->doc->file, member->name_line, member->name_column, "'%.*s' %s",
		TN_STR_ARG(member->name), why);
	return TN_UNSUPPORTED;
}

static enum tn_status refuse_key(const struct reading *reading, const struct tn_doc_node *member, const char *const *known)
{
	for (size_t i = 0; i < sizeof aws_keys / sizeof *aws_keys; i++)
		if (tn_str_is(member->name, aws_keys[i]))
			return refuse_name(reading, member,
				"belongs to an AWS::Events::Rule; such bodies come later: write name, pattern and targets");
	if (tn_str_starts(member->name, TN_STR("input")))
		return refuse_name(reading, member, "comes later: a target receives the event as it is");
	for (size_t i = 0; i < sizeof later_keys / sizeof *later_keys; i++)
		if (tn_str_is(member->name, later_keys[i]))
			return refuse_name(reading, member, "comes later; it is not in this version");
	tn_doc_unknown(reading->doc, member, known, reading->draft->error);
	return TN_INVALID;
}

static bool is_known(struct tn_str name, const char *const *known)
{
	for (; *known; known++)
		if (tn_str_is(name, *known))
			return true;
	return false;
}

static enum tn_status check_keys(const struct reading *reading, const struct tn_doc_node *map, const char *const *known)
{
	for (const struct tn_doc_node *member = map->first; member; member = member->next)
		if (!is_known(member->name, known))
			return refuse_key(reading, member, known);
	return TN_OK;
}

#define refuse(reading, node, ...) (tn_doc_error((reading)->doc, (node), (reading)->draft->error, __VA_ARGS__), TN_INVALID)

/* --- A rule's parts --- */

static bool is_name(struct tn_str text)
{
	if (text.len == 0 || text.len > TN_RULE_NAME_BYTES)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.bytes[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}

static bool is_word(const struct tn_doc_node *node)
{
	return node->kind == TN_DOC_STRING || node->kind == TN_DOC_NUMBER || node->kind == TN_DOC_BOOL;
}

static enum tn_status read_name(const struct reading *reading, const struct tn_doc_node *map, struct tn_rule *rule)
{
	struct tn_ruleset_draft *draft = reading->draft;
	const struct tn_doc_node *node = tn_doc_get(map, "name");
	if (!node)
		return refuse(reading, map, "a rule needs a name");
	if (!is_word(node) || !is_name(node->text))
		return refuse(reading, node, "a rule's name is 1 to %d letters, digits, '.', '_' or '-'", TN_RULE_NAME_BYTES);
	uint32_t known = draft->names.count, number = tn_paths_add(&draft->names, node->text);
	if (number < known) {
		const struct tn_rule *other = &draft->ruleset->rules[number];
		return refuse(reading, node, "there is a rule '%.*s' already, at %.*s:%u", TN_STR_ARG(node->text),
			TN_STR_ARG(other->file), other->line);
	}
	rule->name = tn_arena_copy(&draft->ruleset->arena, node->text);
	rule->line = node->line;
	return TN_OK;
}

static enum tn_status read_plain_parts(const struct reading *reading, const struct tn_doc_node *map, struct tn_rule *rule)
{
	const struct tn_doc_node *description = tn_doc_get(map, "description"), *enabled = tn_doc_get(map, "enabled");
	const struct tn_doc_node *view = tn_doc_get(map, "view");
	if (description && description->kind != TN_DOC_STRING)
		return refuse(reading, description, "description is a text; put it in quotes");
	if (enabled && enabled->kind != TN_DOC_BOOL)
		return refuse(reading, enabled, "enabled is true or false");
	rule->disabled = enabled && !enabled->truth;
	if (view && (!is_word(view) || (!tn_str_is(view->text, "cloudevents") && !tn_str_is(view->text, "eventbridge"))))
		return refuse(reading, view, "view is cloudevents or eventbridge");
	return TN_OK;
}

static enum tn_status refuse_pattern(const struct reading *reading, const struct tn_doc_text *text, const struct tn_pattern_error *error)
{
	uint32_t line, column;
	tn_doc_text_place(text, error->at, &line, &column);
	tn_error_at(reading->draft->error, reading->doc->file, line, column, "pattern: %s (%s)", error->message, error->kind);
	return TN_INVALID;
}

static enum tn_extent extent_of(const struct tn_rule *rule, const struct tn_paths *paths)
{
	for (uint32_t i = 0; i < rule->code.branch_count; i++)
		for (uint32_t j = 0; j < rule->code.branches[i].count; j++)
			if (!tn_view_has_in_head(rule->view, tn_paths_name(paths, rule->code.branches[i].fields[j].path)))
				return TN_EXTENT_ALL;
	return TN_EXTENT_HEAD;
}

static enum tn_status read_pattern(const struct reading *reading, const struct tn_doc_node *map, struct tn_rule *rule)
{
	struct tn_ruleset_draft *draft = reading->draft;
	const struct tn_doc_node *node = tn_doc_get(map, "pattern"), *view = tn_doc_get(map, "view");
	struct tn_doc_text text = {0};
	struct tn_pattern_error error;
	if (!node)
		return refuse(reading, map, "rule '%.*s' needs a pattern", TN_STR_ARG(rule->name));
	tn_doc_to_json(node, &text);
	enum tn_status status = tn_pattern_build(tn_buf_str(&text.text), NULL, &draft->ruleset->arena, &draft->ruleset->paths, &rule->code,
		&error);
	if (status != TN_OK)
		status = refuse_pattern(reading, &text, &error);
	tn_doc_text_fini(&text);
	if (status != TN_OK)
		return status;
	draft->branch_count += rule->code.branch_count;
	if (draft->branch_count > TN_RULE_BRANCH_LIMIT)
		return refuse(reading, node, "the patterns of all rules multiply out to more than %d branches", TN_RULE_BRANCH_LIMIT);
	bool eventbridge = view ? tn_str_is(view->text, "eventbridge") : rule->code.names_eventbridge;
	rule->view = eventbridge ? TN_VIEW_EVENTBRIDGE : TN_VIEW_CLOUDEVENTS;
	rule->extent = extent_of(rule, &draft->ruleset->paths);
	return TN_OK;
}

/* --- Targets --- */

static enum tn_status refuse_target(const struct reading *reading, const struct tn_doc_node *node)
{
	const struct tn_ruleset_config *config = reading->draft->config;
	struct tn_str best = {0};
	unsigned least = node->text.len < 4 ? 2 : 4;
	for (uint32_t i = 0; i < config->target_count; i++) {
		unsigned distance = tn_str_distance(node->text, config->targets[i].name);
		if (distance < least) {
			least = distance;
			best = config->targets[i].name;
		}
	}
	if (best.len)
		return refuse(reading, node, "there is no target '%.*s'; did you mean '%.*s'?", TN_STR_ARG(node->text), TN_STR_ARG(best));
	return refuse(reading, node, "there is no target '%.*s' in the configuration", TN_STR_ARG(node->text));
}

/* The target's own policy, copied once. */
static const struct tn_policy *policy_of(struct tn_ruleset_draft *draft, uint32_t target)
{
	struct tn_policy **policy = &draft->target_policies[target];
	if (!*policy) {
		*policy = tn_arena_new(&draft->ruleset->arena, struct tn_policy);
		**policy = draft->config->targets[target].policy;
	}
	return *policy;
}

/* Likewise its key, if it orders by one. */
static void set_order(struct tn_ruleset_draft *draft, uint32_t target, struct tn_route *route)
{
	const struct tn_ordering *ordering = &draft->config->targets[target].ordering;
	const struct tn_lane_key **key = &draft->lane_keys[target];
	if (ordering->by_key && !*key)
		*key = tn_lane_key_new(draft->ruleset, ordering);
	route->lane_key = *key;
	route->ordered = ordering->by_key;
}

static enum tn_status find_target(const struct reading *reading, const struct tn_doc_node *node, struct tn_route *route)
{
	struct tn_ruleset_draft *draft = reading->draft;
	const struct tn_ruleset_config *config = draft->config;
	if (!is_word(node) || !is_name(node->text))
		return refuse(reading, node, "a target's name is 1 to %d letters, digits, '.', '_' or '-'", TN_RULE_NAME_BYTES);
	route->target = tn_arena_copy(&draft->ruleset->arena, node->text);
	for (uint32_t i = 0; i < config->target_count; i++)
		if (tn_str_equal(node->text, config->targets[i].name)) {
			route->target_no = config->targets[i].number;
			route->policy = policy_of(draft, i);
			set_order(draft, i, route);
			return TN_OK;
		}
	route->policy = &draft->ruleset->default_policy;
	return config->any_target ? TN_OK : refuse_target(reading, node);
}

static enum tn_status read_target(const struct reading *reading, const struct tn_doc_node *node, struct tn_route *route)
{
	if (node->kind != TN_DOC_MAP)
		return find_target(reading, node, route);
	const struct tn_doc_node *name = tn_doc_get(node, "target"), *retry = tn_doc_get(node, "retry");
	enum tn_status status = check_keys(reading, node, target_keys);
	if (status != TN_OK)
		return status;
	if (!name)
		return refuse(reading, node, "a target's map needs the member 'target', its name");
	status = find_target(reading, name, route);
	if (status != TN_OK || !retry)
		return status;
	struct tn_policy *policy = tn_arena_new(&reading->draft->ruleset->arena, struct tn_policy);
	*policy = *route->policy;
	route->policy = policy;
	status = tn_policy_parse(reading->doc, retry, policy, reading->draft->error);
	bool blocks = status == TN_OK && policy->block_exhausted && !route->ordered;
	if (blocks && !reading->draft->config->any_target)
		return refuse(reading, retry, "on_exhausted: dead_letter_and_block needs a target with ordering: key");
	return status;
}

static bool is_repeated(const struct tn_rule *rule, uint32_t last)
{
	for (uint32_t i = 0; i < last; i++)
		if (tn_str_equal(rule->routes[i].target, rule->routes[last].target))
			return true;
	return false;
}

static enum tn_status read_targets(const struct reading *reading, const struct tn_doc_node *map, struct tn_rule *rule)
{
	const struct tn_doc_node *list = tn_doc_get(map, "targets");
	if (!list)
		return refuse(reading, map, "rule '%.*s' needs targets", TN_STR_ARG(rule->name));
	if (list->kind != TN_DOC_LIST)
		return refuse(reading, list, "targets is a list; write [...] around a single one");
	if (list->count == 0)
		return refuse(reading, list, "rule '%.*s' needs at least one target", TN_STR_ARG(rule->name));
	if (list->count > TN_RULE_TARGET_LIMIT)
		return refuse(reading, list, "a rule has at most %d targets", TN_RULE_TARGET_LIMIT);
	rule->routes = tn_arena_array(&reading->draft->ruleset->arena, struct tn_route, list->count);
	for (const struct tn_doc_node *node = list->first; node; node = node->next) {
		struct tn_route *route = &rule->routes[rule->route_count];
		route->rule = rule->name;
		enum tn_status status = read_target(reading, node, route);
		if (status != TN_OK)
			return status;
		if (is_repeated(rule, rule->route_count))
			return refuse(reading, node, "target '%.*s' is there twice", TN_STR_ARG(route->target));
		rule->route_count++;
	}
	return TN_OK;
}

/* --- The document --- */

static void add_rule(struct tn_ruleset *ruleset, const struct tn_rule *rule)
{
	if (ruleset->rule_count == ruleset->rule_capacity) {
		ruleset->rule_capacity = ruleset->rule_capacity ? ruleset->rule_capacity * 2 : 16;
		ruleset->rules = realloc(ruleset->rules, ruleset->rule_capacity * sizeof *ruleset->rules);
		if (!ruleset->rules)
			abort();
	}
	ruleset->rules[ruleset->rule_count++] = *rule;
	ruleset->route_count += rule->route_count;
	ruleset->live_route_count += rule->disabled ? 0 : rule->route_count;
}

static enum tn_status read_rule(const struct reading *reading, const struct tn_doc_node *node, struct tn_str file)
{
	struct tn_rule rule = {.file = file};
	if (node->kind != TN_DOC_MAP)
		return refuse(reading, node, "a rule is a map with name, pattern and targets");
	if (reading->draft->ruleset->rule_count == TN_RULE_LIMIT)
		return refuse(reading, node, "more than %d rules", TN_RULE_LIMIT);
	enum tn_status status = check_keys(reading, node, rule_keys);
	if (status == TN_OK)
		status = read_name(reading, node, &rule);
	if (status == TN_OK)
		status = read_plain_parts(reading, node, &rule);
	if (status == TN_OK)
		status = read_pattern(reading, node, &rule);
	if (status == TN_OK)
		status = read_targets(reading, node, &rule);
	if (status == TN_OK)
		add_rule(reading->draft->ruleset, &rule);
	return status;
}

enum tn_status tn_rule_file_read(struct tn_ruleset_draft *draft, const struct tn_doc *doc)
{
	static const char *const file_keys[] = {"rules", NULL};
	struct reading reading = {draft, doc};
	struct tn_str file = tn_arena_copy(&draft->ruleset->arena, tn_str_from(doc->file));
	if (doc->root->kind == TN_DOC_NULL)
		return TN_OK;
	if (doc->root->kind != TN_DOC_MAP)
		return refuse(&reading, doc->root, "a rule file is a map with the member 'rules', a list");
	enum tn_status status = check_keys(&reading, doc->root, file_keys);
	const struct tn_doc_node *list = tn_doc_get(doc->root, "rules");
	if (status != TN_OK || !list || list->kind == TN_DOC_NULL)
		return status;
	if (list->kind != TN_DOC_LIST)
		return refuse(&reading, list, "rules is a list; begin each rule with '- name: ...'");
	for (const struct tn_doc_node *node = list->first; node && status == TN_OK; node = node->next)
		status = read_rule(&reading, node, file);
	return status;
}
