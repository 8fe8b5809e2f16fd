/* SPDX-License-Identifier: Apache-2.0
 *
 * event_check.h - for fuzz targets: what must hold for any event, and aborting when it does not.
 */
#ifndef TESTS_FUZZ_EVENT_CHECK_H
#define TESTS_FUZZ_EVENT_CHECK_H

#include <stdlib.h>
#include "turnout/event.h"
#include "turnout/json.h"
#include "turnout/wire.h"

#define MUST(condition) \
	do { \
		if (!(condition)) \
			abort(); \
	} while (0)

/* JSON loses the white space around it when it is put into JSON. */
static inline struct tn_str check_data(const struct tn_event *event)
{
	struct tn_str data = tn_event_data(event);
	return tn_event_data_kind(event) == TN_DATA_JSON ? tn_str_trim(data, " \t\r\n") : data;
}

/* typed: types must agree too. */
static inline void check_same(const struct tn_event *a, const struct tn_event *b, bool typed)
{
	size_t count, other_count;
	const struct tn_attribute *one = tn_event_attributes(a, &count), *other = tn_event_attributes(b, &other_count);
	MUST(count == other_count);
	for (size_t i = 0; i < count; i++) {
		MUST(tn_str_equal(one[i].name, other[i].name) && tn_str_equal(one[i].value, other[i].value));
		MUST(!typed || one[i].type == other[i].type);
	}
	MUST(tn_event_has_data(a) == tn_event_has_data(b));
	MUST(tn_str_equal(check_data(a), check_data(b)));
}

/* Any event survives the JSON form and the record, and its envelope is JSON. */
static inline void check_event(const struct tn_event *event, bool typed)
{
	struct tn_buf out = {0};
	struct tn_event *back = NULL;
	struct tn_wire_error error;
	tn_event_to_json(event, &out);
	MUST(tn_event_from_json(tn_buf_str(&out), 0, &back, &error) == TN_OK);
	check_same(event, back, typed);
	MUST(tn_event_data_kind(event) == tn_event_data_kind(back));
	tn_event_unref(back);
	tn_buf_clear(&out);
	tn_event_freeze(event, &out);
	MUST(tn_event_thaw(tn_buf_str(&out), &back, NULL) == TN_OK);
	check_same(event, back, true);
	MUST(tn_event_data_kind(event) == tn_event_data_kind(back));
	tn_event_unref(back);
	tn_buf_clear(&out);
	tn_event_to_eventbridge(event, NULL, &out);
	MUST(tn_json_valid(tn_buf_str(&out), TN_JSON_DEPTH_LIMIT));
	tn_buf_fini(&out);
}

#endif
