/* SPDX-License-Identifier: Apache-2.0
 *
 * match.c - matches one event against all rules, and derives the delivery ids of what matched.
 *
 * Called by the worker that decoded the event, for every event: the hot path. The event is read into leaves once a view, at the paths
 * that some rule names; then each rule's branches are judged, cheapest field first. Allocates nothing once its memory is warm.
 * Any thread, each with its own matcher.
 */
#include "ruleset_impl.h"

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
	tn_arena_fini(&matcher->told);
	free(matcher);
}

const struct tn_leaves *tn_matcher_leaves(struct tn_matcher *matcher, enum tn_view view, const struct tn_ruleset *ruleset,
	const struct tn_event *event)
{
	if (!matcher->read[view])
		tn_view_read(view, ruleset, event, &matcher->envelope, &matcher->leaves[view]);
	matcher->read[view] = true;
	return &matcher->leaves[view];
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

static enum tn_status match_rules(const struct tn_ruleset *ruleset, struct tn_matcher *matcher, const struct tn_event *event,
	const struct tn_identity *identity, struct output *output)
{
	bool undecided = false;
	matcher->read[TN_VIEW_CLOUDEVENTS] = matcher->read[TN_VIEW_EVENTBRIDGE] = false;
	for (uint32_t i = 0; i < ruleset->rule_count; i++) {
		const struct tn_rule *rule = &ruleset->rules[i];
		bool match = false;
		if (rule->disabled)
			continue;
		const struct tn_leaves *leaves = tn_matcher_leaves(matcher, rule->view, ruleset, event);
		if (tn_pattern_judge(&rule->code, leaves, &matcher->agree, &match) != TN_OK)
			undecided = true;
		for (uint32_t j = 0; match && j < rule->route_count; j++)
			if (add_match(output, &rule->routes[j], identity, event) != TN_OK)
				return TN_FULL;
	}
	return undecided ? add_match(output, &ruleset->poison, identity, event) : TN_OK;
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
