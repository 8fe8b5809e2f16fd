/* SPDX-License-Identifier: Apache-2.0
 *
 * match_line.h - one line of `turnout match --pairs`: a pattern, perhaps an event, and the answer.
 *
 *   {"pattern":{..},"event":{..}}      true, false, or what is wrong
 *   {"pattern":{..}}                   valid, or what is wrong
 *   {"pattern_text":"..", ...}         the same, for a text that is not JSON
 *
 * Pattern and event are taken as they stand in the line. Other members are ignored.
 */
#ifndef TURNOUT_MATCH_LINE_H
#define TURNOUT_MATCH_LINE_H

#include "turnout/str.h"

enum tn_match_answer {
	TN_MATCH_FALSE,
	TN_MATCH_TRUE,
	TN_MATCH_VALID,   /* a good pattern, and no event */
	TN_MATCH_INVALID, /* of the pattern "invalid: KIND at OFFSET: why"; else "invalid event at OFFSET: why", "invalid line ..." */
};

/* Appends the answer, without a newline. Any thread. */
enum tn_match_answer tn_match_line(struct tn_str line, struct tn_buf *out);

#endif
