/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_pattern.c - any bytes: a pattern up to the first NUL, then an event. A good pattern must match any object or refuse it; the
 * same bytes also go through the line reader.
 */
#include <stdlib.h>

#include "turnout/json.h"
#include "turnout/match_line.h"
#include "turnout/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tn_str input = {(const char *)data, size};
	size_t end = tn_str_find(input, 0);
	struct tn_str text = {input.bytes, end == SIZE_MAX ? size : end}, event = tn_str_tail(input, text.len + 1);
	struct tn_pattern *pattern = NULL;
	struct tn_pattern_error error = {0};
	struct tn_buf out = {0};
	if (tn_pattern_compile(text, NULL, &pattern, &error) == TN_OK) {
		bool match;
		size_t at = SIZE_MAX;
		enum tn_status status = tn_pattern_match(pattern, event, &match, &at);
		if (status == TN_OK && !tn_json_valid(event, TN_JSON_DEPTH_LIMIT))
			abort();
		if (status == TN_INVALID && at > event.len)
			abort();
	} else if (error.at > text.len || error.line == 0 || error.column == 0 || !error.kind[0] || !error.message[0]) {
		abort();
	}
	tn_pattern_free(pattern);
	tn_match_line(input, &out);
	tn_buf_fini(&out);
	return 0;
}
