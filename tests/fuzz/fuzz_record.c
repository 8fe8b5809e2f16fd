/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_record.c - any bytes as an event's record; and the same bytes behind a header whose checksum is right, so that the fuzzer
 * gets past it.
 */
#include "event_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static uint64_t load(const char *bytes, size_t n)
{
	uint64_t value = 0;
	for (size_t i = 0; i < n; i++)
		value |= (uint64_t)(uint8_t)bytes[i] << (8 * i);
	return value;
}

static uint64_t add_word(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
	return sum ^ sum >> 32;
}

/* record.c says how. */
static uint64_t checksum(struct tn_str record)
{
	struct tn_str body = tn_str_tail(record, 10);
	uint64_t sum = add_word(body.len, load(record.bytes, 2));
	for (; body.len >= 8; body = tn_str_tail(body, 8))
		sum = add_word(sum, load(body.bytes, 8));
	return add_word(sum, load(body.bytes, body.len));
}

static void thaw(struct tn_str record, bool sound)
{
	struct tn_event *event = NULL, *back = NULL;
	struct tn_error error = {{0}};
	struct tn_buf again = {0};
	if (tn_event_thaw(record, &event, &error) != TN_OK) {
		MUST(error.message[0] && (!sound || !strstr(error.message, "checksum")));
		return;
	}
	tn_event_freeze(event, &again);
	MUST(again.len == record.len);
	MUST(tn_event_thaw(tn_buf_str(&again), &back, NULL) == TN_OK);
	check_same(event, back, true);
	tn_buf_clear(&again);
	if (!tn_event_is_raw(event)) { /* whatever thaws can be written */
		tn_event_to_json(event, &again);
		MUST(tn_json_valid(tn_buf_str(&again), TN_EVENT_DATA_DEPTH + 1));
	}
	tn_event_unref(event);
	tn_event_unref(back);
	tn_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct tn_buf record = {0};
	thaw((struct tn_str){(const char *)bytes, len}, false);
	if (len == 0)
		return 0;
	tn_buf_add(&record, "\x01", 1);
	tn_buf_add(&record, bytes, 1);
	tn_buf_add(&record, "12345678", 8);
	tn_buf_add(&record, bytes + 1, len - 1);
	uint64_t sum = checksum(tn_buf_str(&record));
	for (unsigned i = 0; i < 8; i++)
		record.bytes[2 + i] = (char)(uint8_t)(sum >> (8 * i));
	thaw(tn_buf_str(&record), true);
	tn_buf_fini(&record);
	return 0;
}
