/* SPDX-License-Identifier: Apache-2.0
 *
 * crashing.c - a planted fault for tests of the crash guard: events that end the process where their data says so.
 *
 * Linked into `turnout-crashing`, which is the real binary but for this (ld --wrap): "crash:decode" ends it when a
 * message is decoded, "crash:thaw" when a stored event is read, "crash:deliver" when it is encoded for its target,
 * alone or in a batch. Never part of a release.
 */
#include <stdlib.h>
#include <string.h>
#include "turnout/connector.h"
#include "turnout/wire.h"

enum tn_status __real_tn_wire_decode(const struct tn_wire *wire, const struct tn_wire_input *input,
        const struct tn_wire_limits *limits, struct tn_decoded *out, struct tn_wire_error *error);
enum tn_status __wrap_tn_wire_decode(const struct tn_wire *wire, const struct tn_wire_input *input,
        const struct tn_wire_limits *limits, struct tn_decoded *out, struct tn_wire_error *error);
enum tn_status __real_tn_event_thaw(struct tn_str record, struct tn_event **out_event, struct tn_error *error);
enum tn_status __wrap_tn_event_thaw(struct tn_str record, struct tn_event **out_event, struct tn_error *error);
void __real_tn_wire_encode(
        const struct tn_wire *wire, const struct tn_event *event, enum tn_mode mode, struct tn_encoded *out);
void __wrap_tn_wire_encode(
        const struct tn_wire *wire, const struct tn_event *event, enum tn_mode mode, struct tn_encoded *out);

void __real_tn_http_batch_write(const struct tn_attempt *attempt, int64_t wall_ms, struct tn_buf *out);
void __wrap_tn_http_batch_write(const struct tn_attempt *attempt, int64_t wall_ms, struct tn_buf *out);

static void crash_on(struct tn_str bytes, const char *word)
{
	if (bytes.len && memmem(bytes.bytes, bytes.len, word, strlen(word)))
		abort();
}

enum tn_status __wrap_tn_wire_decode(const struct tn_wire *wire, const struct tn_wire_input *input,
        const struct tn_wire_limits *limits, struct tn_decoded *out, struct tn_wire_error *error)
{
	crash_on(input->body, "crash:decode");
	return __real_tn_wire_decode(wire, input, limits, out, error);
}

enum tn_status __wrap_tn_event_thaw(struct tn_str record, struct tn_event **out_event, struct tn_error *error)
{
	crash_on(record, "crash:thaw");
	return __real_tn_event_thaw(record, out_event, error);
}

void __wrap_tn_wire_encode(
        const struct tn_wire *wire, const struct tn_event *event, enum tn_mode mode, struct tn_encoded *out)
{
	crash_on(tn_event_data(event), "crash:deliver");
	__real_tn_wire_encode(wire, event, mode, out);
}

void __wrap_tn_http_batch_write(const struct tn_attempt *attempt, int64_t wall_ms, struct tn_buf *out)
{
	for (uint32_t i = 0; i < attempt->count; i++)
		crash_on(tn_event_data(attempt->items[i].event), "crash:deliver");
	__real_tn_http_batch_write(attempt, wall_ms, out);
}
