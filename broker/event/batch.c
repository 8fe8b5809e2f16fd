/* SPDX-License-Identifier: Apache-2.0
 *
 * batch.c - reads the JSON batch format: all members, or none and the index of the bad one.
 *
 * Called by wire.c for HTTP, the only transport that has batches. Owns nothing. Any thread.
 */
#include <stdlib.h>

#include "fault.h"
#include "structured.h"

/* One event more at the end of out. */
static void keep(struct tn_decoded *out, size_t *capacity, struct tn_event *event)
{
	if (out->count == *capacity) {
		*capacity = *capacity ? *capacity * 2 : 16;
		struct tn_event **events = reallocarray(out->events, *capacity, sizeof(struct tn_event *));
		if (!events)
			abort();
		out->events = events;
	}
	out->events[out->count++] = event;
}

static enum tn_status read_member(struct tn_json *json, const struct tn_json_token *token, struct tn_draft *draft,
	struct tn_event **out_event, struct tn_wire_error *error)
{
	if (token->kind != TN_JSON_OBJECT)
		return tn_fault_set(error, TN_FAULT_NOT_AN_OBJECT, TN_NO_ATTRIBUTE, (int64_t)token->at,
			"an event is a JSON object, and this member of the batch is none");
	tn_draft_reset(draft);
	if (tn_structured_read(json, draft, error) != TN_OK)
		return TN_INVALID;
	return tn_draft_finish(draft, out_event, error);
}

static enum tn_status read_members(struct tn_json *json, struct tn_draft *draft, struct tn_decoded *out,
	struct tn_wire_error *error)
{
	uint32_t limit = draft->limits ? draft->limits->batch_events : 0;
	size_t capacity = 0;
	for (;;) {
		struct tn_json_token token;
		struct tn_event *event;
		if (tn_json_next(json, &token) != TN_OK)
			return tn_structured_fault(json, error);
		if (token.kind == TN_JSON_ARRAY_END)
			break;
		if (limit && out->count == limit)
			return tn_fault_set(error, TN_FAULT_TOO_LARGE, TN_NO_ATTRIBUTE, (int64_t)token.at,
				"batch has more than %u events", limit);
		if (read_member(json, &token, draft, &event, error) != TN_OK) {
			/* Broken JSON is a fault of the body, not of a member. */
			if (error && json->fault == TN_JSON_FINE)
				error->index = (int32_t)out->count;
			return TN_INVALID;
		}
		keep(out, &capacity, event);
	}
	struct tn_json_token token;
	return tn_json_next(json, &token) == TN_OK ? TN_OK : tn_structured_fault(json, error);
}

static enum tn_status read_array(struct tn_str body, struct tn_draft *draft, struct tn_decoded *out, struct tn_wire_error *error)
{
	struct tn_json json;
	struct tn_json_token token;
	tn_structured_begin(&json, body, draft->limits, 2);
	if (tn_json_next(&json, &token) != TN_OK)
		return tn_structured_fault(&json, error);
	if (token.kind != TN_JSON_ARRAY)
		return tn_fault_set(error, TN_FAULT_NOT_AN_ARRAY, TN_NO_ATTRIBUTE, (int64_t)token.at,
			"a batch is a JSON array, and this is none");
	return read_members(&json, draft, out, error);
}

enum tn_status tn_batch_decode(struct tn_str body, const struct tn_wire_limits *limits, int64_t accepted_ms,
	struct tn_decoded *out, struct tn_wire_error *error)
{
	struct tn_draft draft;
	struct tn_decoded decoded = {.mode = TN_MODE_BATCHED};
	tn_draft_init(&draft, limits, accepted_ms);
	enum tn_status status = read_array(body, &draft, &decoded, error);
	tn_draft_fini(&draft);
	if (status == TN_OK) {
		*out = decoded;
		return TN_OK;
	}
	tn_decoded_fini(&decoded);
	return status;
}
