/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_batch.c - any bytes as a batch: all members or a refusal, and limits are kept.
 */
#include "event_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const struct tn_header header = {TN_STR("content-type"), TN_STR("application/cloudevents-batch+json"), TN_STRING};
	const struct tn_wire_limits limits = {.event_bytes = 512, .batch_events = 8, .json_depth = 16};
	struct tn_wire_input input = {.headers = &header, .header_count = 1, .has_body = true, .body = {(const char *)bytes, len}};
	struct tn_decoded decoded = {0};
	struct tn_wire_error error = {0};
	if (tn_wire_decode(&tn_wire_http, &input, &limits, &decoded, &error) != TN_OK) {
		MUST(decoded.count == 0 && error.message[0] && error.index < (int32_t)limits.batch_events);
		return 0;
	}
	MUST(decoded.mode == TN_MODE_BATCHED && decoded.count <= limits.batch_events);
	for (size_t i = 0; i < decoded.count; i++) {
		MUST(tn_event_data(decoded.events[i]).len <= limits.event_bytes);
		check_event(decoded.events[i], true);
	}
	tn_decoded_fini(&decoded);
	return 0;
}
