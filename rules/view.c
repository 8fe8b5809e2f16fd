/* SPDX-License-Identifier: Apache-2.0
 *
 * view.c - an event as rules see it, read into leaves: as a CloudEvent, or as an EventBridge envelope (cloudevents.md section 11).
 *
 * Called by match.c once an event and view; for the rest only when a rule still in question needs it. The CloudEvents view is never
 * written down: attributes become leaves as they are, and data is scanned where it lies. The EventBridge view is read from the envelope
 * that an EventBridge target would be sent, so that the two cannot differ; only the attributes that stand in it as they are can be had
 * before it is written. Any thread, each with its own leaves.
 */
#include "ruleset_impl.h"

#include <assert.h>

static enum tn_leaf_kind leaf_kind(const struct tn_attribute *attribute)
{
	if (attribute->type == TN_INTEGER)
		return TN_LEAF_NUMBER;
	if (attribute->type == TN_BOOLEAN)
		return tn_str_is(attribute->value, "true") ? TN_LEAF_TRUE : TN_LEAF_FALSE;
	return TN_LEAF_STRING;
}

static void add_data(const struct tn_event *event, uint32_t node, struct tn_leaves *leaves)
{
	size_t at;
	switch (tn_event_data_kind(event)) {
	case TN_DATA_JSON:
		if (tn_leaves_read(leaves, node, tn_event_data(event), true, &at) != TN_OK)
			assert(!"JSON data was checked when the event was made");
		break;
	case TN_DATA_TEXT:
		tn_leaves_add(leaves, node, TN_LEAF_STRING, tn_event_data(event));
		break;
	case TN_DATA_NONE:
	case TN_DATA_BINARY:
		break;
	}
}

/* The members of an envelope that are attributes taken as they are. */
static const struct {
	const char *member;
	enum tn_core attribute;
} taken[] = {{"id", TN_CORE_ID}, {"detail-type", TN_CORE_TYPE}, {"source", TN_CORE_SOURCE}};

void tn_view_read_head(enum tn_view view, const struct tn_ruleset *ruleset, const struct tn_event *event, struct tn_leaves *leaves)
{
	const struct tn_paths *paths = &ruleset->paths;
	size_t count;
	tn_leaves_begin(leaves, paths);
	if (view == TN_VIEW_EVENTBRIDGE) {
		for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
			tn_leaves_add(leaves, tn_paths_step(paths, TN_PATHS_ROOT, tn_str_from(taken[i].member)), TN_LEAF_STRING,
				tn_event_core(event, taken[i].attribute));
		return;
	}
	const struct tn_attribute *attributes = tn_event_attributes(event, &count);
	for (size_t i = 0; i < count; i++)
		tn_leaves_add(leaves, tn_paths_step(paths, TN_PATHS_ROOT, attributes[i].name), leaf_kind(&attributes[i]),
			attributes[i].value);
	tn_leaves_add(leaves, tn_paths_step(paths, TN_PATHS_ROOT, TN_STR("specversion")), TN_LEAF_STRING, TN_STR("1.0"));
}

void tn_view_read_rest(enum tn_view view, const struct tn_ruleset *ruleset, const struct tn_event *event, struct tn_buf *envelope,
	struct tn_leaves *leaves)
{
	size_t at;
	if (view == TN_VIEW_CLOUDEVENTS) {
		uint32_t data = tn_paths_step(&ruleset->paths, TN_PATHS_ROOT, TN_STR("data"));
		if (data != TN_PATHS_NONE)
			add_data(event, data, leaves);
		return;
	}
	tn_buf_clear(envelope);
	tn_event_to_eventbridge(event, &ruleset->eventbridge, envelope);
	tn_leaves_begin(leaves, &ruleset->paths); /* the head stands in the envelope too */
	if (tn_leaves_read(leaves, TN_PATHS_ROOT, tn_buf_str(envelope), true, &at) != TN_OK)
		assert(!"an envelope is JSON");
}

bool tn_view_has_in_head(enum tn_view view, struct tn_str path)
{
	if (view == TN_VIEW_CLOUDEVENTS)
		return !tn_str_is(path, "data") && !tn_str_starts(path, TN_STR("data."));
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		if (tn_str_is(path, taken[i].member))
			return true;
	return false;
}
