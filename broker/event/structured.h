/* SPDX-License-Identifier: Apache-2.0
 *
 * structured.h - the JSON event format: one event, or a batch of them. Any thread.
 */
#ifndef EVENT_STRUCTURED_H
#define EVENT_STRUCTURED_H

#include "draft.h"
#include "turnout/json.h"
#include "turnout/wire.h"

/* Reads one object into draft; json has just answered its opening bracket. Answers behind its closing one. */
enum tn_status tn_structured_read(struct tn_json *json, struct tn_draft *draft, struct tn_wire_error *error) TN_MUST_CHECK;
/* The whole body is one event. */
enum tn_status tn_structured_decode(struct tn_str body, struct tn_draft *draft, struct tn_event **out_event,
	struct tn_wire_error *error) TN_MUST_CHECK;
/* The scanner's refusal as ours. */
enum tn_status tn_structured_fault(const struct tn_json *json, struct tn_wire_error *error);
/* Sets json to the start of body, behind a byte order mark; levels: how many there are around `data`. */
void tn_structured_begin(struct tn_json *json, struct tn_str body, const struct tn_wire_limits *limits, uint32_t levels);
/* Is body one JSON object whose specversion, id, source and type are all strings? */
bool tn_structured_sniff(struct tn_str body);

/* batch.c: the whole body is an array of events. */
enum tn_status tn_batch_decode(struct tn_str body, const struct tn_wire_limits *limits, int64_t accepted_ms,
	struct tn_decoded *out, struct tn_wire_error *error) TN_MUST_CHECK;

#endif
