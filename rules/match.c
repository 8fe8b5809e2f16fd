/* SPDX-License-Identifier: Apache-2.0
 *
 * match.c - matches one event against all rules, and derives the delivery ids of what matched.
 *
 * Called by the worker that decoded the event, for every event: the hot path. The event is read into leaves once a view, at the paths
 * that some rule names; the index says which rules they speak for, and of those each one's branches are judged, cheapest field first.
 * What no look-up and no such rule needs, as often all of data, is not read. Allocates nothing once its memory is warm. Any thread, each
 * with its own matcher.
 */
#include "index.h"
#include "ordering.h"

#include <stdlib.h>

struct tn_matcher *tn_matcher_new(void)
{
	struct tn_matcher *matcher = calloc(1, sizeof *matcher);
	if (!matcher)
		abort();
	return matcher;
}

void tn_matcher_free(struct tn_matcher *matcher)
{
	if (!matcher)
		return;
	for (int view = 0; view < TN_VIEW_COUNT; view++)
		tn_leaves_fini(&matcher->leaves[view]);
	tn_agree_fini(&matcher->agree);
	tn_buf_fini(&matcher->envelope);
	tn_buf_fini(&matcher->key);
	tn_arena_fini(&matcher->told);
	tn_asking_fini(&matcher->asking);
	free(matcher);
}

void tn_matcher_begin(struct tn_matcher *matcher)
{
	for (int view = 0; view < TN_VIEW_COUNT; view++)
		matcher->read[view] = TN_EXTENT_NOTHING;
}

const struct tn_leaves *tn_matcher_leaves(struct tn_matcher *matcher, enum tn_view view, enum tn_extent extent,
	const struct tn_ruleset *ruleset, const struct tn_event *event)
{
	struct tn_leaves *leaves = &matcher->leaves[view];
	enum tn_extent *read = &matcher->read[view];
	if (*read == TN_EXTENT_NOTHING && extent > *read) {
		tn_view_read_head(view, ruleset, event, leaves);
		*read = TN_EXTENT_HEAD;
	}
	if (*read == TN_EXTENT_HEAD && extent > *read) {
		tn_view_read_rest(view, ruleset, event, &matcher->envelope, leaves);
		*read = TN_EXTENT_ALL;
	}
	return leaves;
}

struct tn_id tn_route_delivery_id(const struct tn_identity *identity, struct tn_str rule, struct tn_str target,
	const struct tn_event *event)
{
	struct tn_str parts[6] = {TN_STR("turnout-1"), identity->bus, rule, target};
	if (identity->position.len) {
		parts[4] = identity->position;
		return tn_id_hash(parts, 5);
	}
	if (tn_event_is_raw(event)) {
		parts[4] = tn_event_data(event);
		return tn_id_hash(parts, 5);
	}
	parts[4] = tn_event_core(event, TN_CORE_SOURCE);
	parts[5] = tn_event_core(event, TN_CORE_ID);
	return tn_id_hash(parts, 6);
}

struct output {
	struct tn_match *matches;
	size_t count, capacity;
};

static enum tn_status add_match(struct output *output, const struct tn_route *route, const struct tn_identity *identity,
	const struct tn_event *event)
{
	if (output->count == output->capacity)
		return TN_FULL;
	output->matches[output->count++] = (struct tn_match){
		.route = route, .id = tn_route_delivery_id(identity, route->rule, route->target, event)};
	return TN_OK;
}

/* Leaves in matcher->asking those that may match. */
static void find_rules(const struct tn_ruleset *ruleset, struct tn_matcher *matcher, const struct tn_event *event)
{
	tn_index_begin(ruleset->index, &matcher->asking);
	for (enum tn_view view = TN_VIEW_CLOUDEVENTS; view <= TN_VIEW_EVENTBRIDGE; view++) {
		enum tn_extent extent = tn_index_extent(ruleset->index, view);
		if (extent != TN_EXTENT_NOTHING)
			tn_index_look_up(ruleset->index, view, tn_matcher_leaves(matcher, view, extent, ruleset, event), &matcher->asking);
	}
}

struct matching {
	const struct tn_ruleset *ruleset;
	struct tn_matcher *matcher;
	const struct tn_event *event;
	const struct tn_identity *identity;
	struct output *output;
	bool undecided; /* some rule could not be judged */
};

static enum tn_status add_route(struct matching *matching, const struct tn_route *route)
{
	enum tn_status status = add_match(matching->output, route, matching->identity, matching->event);
	if (status == TN_OK && route->ordered)
		matching->output->matches[matching->output->count - 1].lane =
			tn_lane_key_hash(route->lane_key, route->target, matching->matcher, matching->ruleset, matching->event);
	return status;
}

static enum tn_status match_rule(struct matching *matching, const struct tn_rule *rule)
{
	const struct tn_leaves *leaves =
		tn_matcher_leaves(matching->matcher, rule->view, rule->extent, matching->ruleset, matching->event);
	bool match = false;
	if (tn_pattern_judge(&rule->code, leaves, &matching->matcher->agree, &match) != TN_OK)
		matching->undecided = true;
	for (uint32_t i = 0; match && i < rule->route_count; i++)
		if (add_route(matching, &rule->routes[i]) != TN_OK)
			return TN_FULL;
	return TN_OK;
}

static enum tn_status match_rules(const struct tn_ruleset *ruleset, struct tn_matcher *matcher, const struct tn_event *event,
	const struct tn_identity *identity, struct output *output)
{
	struct matching matching = {ruleset, matcher, event, identity, output, false};
	tn_matcher_begin(matcher);
	find_rules(ruleset, matcher, event);
	for (uint32_t word = 0; word < tn_index_words(ruleset->rule_count); word++)
		for (uint64_t rest = matcher->asking.rules[word]; rest; rest &= rest - 1)
			if (match_rule(&matching, &ruleset->rules[word * 64 + (uint32_t)__builtin_ctzll(rest)]) != TN_OK)
				return TN_FULL;
	return matching.undecided ? add_match(output, &ruleset->poison, identity, event) : TN_OK;
}

enum tn_status tn_ruleset_match(const struct tn_ruleset *ruleset, struct tn_matcher *matcher, const struct tn_event *event,
	const struct tn_identity *identity, struct tn_match *out, size_t capacity, size_t *out_count)
{
	struct output output = {out, 0, capacity};
	enum tn_status status = tn_event_is_raw(event) ? add_match(&output, &ruleset->poison, identity, event) :
		match_rules(ruleset, matcher, event, identity, &output);
	if (status == TN_OK)
		*out_count = output.count;
	return status;
}

enum tn_status tn_ruleset_match_rule(const struct tn_ruleset *ruleset, struct tn_matcher *matcher, const struct tn_event *event,
	const struct tn_identity *identity, struct tn_str rule, struct tn_match *out, size_t capacity, size_t *out_count)
{
	struct output output = {out, 0, capacity};
	struct matching matching = {ruleset, matcher, event, identity, &output, false};
	enum tn_status status = TN_OK;
	uint32_t i = tn_event_is_raw(event) ? ruleset->route_count : tn_ruleset_first_route(ruleset, rule);
	tn_matcher_begin(matcher);
	for (; i < ruleset->route_count && status == TN_OK && tn_str_equal(ruleset->by_name[i]->rule, rule); i++)
		status = add_route(&matching, ruleset->by_name[i]);
	if (status == TN_OK)
		*out_count = output.count;
	return status;
}
