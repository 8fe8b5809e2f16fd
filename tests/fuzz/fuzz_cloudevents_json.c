/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_cloudevents_json.c - any bytes as a CloudEvent in JSON, and as an EventBridge envelope.
 */
#include "event_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct tn_str text = {(const char *)bytes, len};
	struct tn_event *event = NULL;
	struct tn_wire_error fault = {0};
	struct tn_error error = {{0}};
	if (tn_event_from_json(text, 0, &event, &fault) == TN_OK) {
		check_event(event, true);
		tn_event_unref(event);
	} else {
		MUST(fault.fault != TN_FAULT_NONE && fault.message[0] && fault.offset <= (int64_t)len);
	}
	if (tn_event_from_eventbridge(text, 0, &event, &error) == TN_OK) {
		check_event(event, true);
		tn_event_unref(event);
	} else {
		MUST(error.message[0]);
	}
	return 0;
}
