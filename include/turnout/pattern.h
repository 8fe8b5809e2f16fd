/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern.h - one event pattern (event-patterns.md), compiled; and the plain matcher that is the oracle of every faster one.
 */
#ifndef TURNOUT_PATTERN_H
#define TURNOUT_PATTERN_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/status.h"
#include "turnout/str.h"

struct tn_pattern; /* immutable once compiled; any thread may match with it */

enum { TN_PATTERN_TEXT_BYTES = 4096, TN_PATTERN_BRANCHES = 1000, TN_PATTERN_DEPTH = 64 };

struct tn_pattern_limits { /* zero members: the defaults of event-patterns.md section 10 */
	size_t text_bytes;
	uint32_t branches, depth; /* depth: of objects that hold fields */
};
struct tn_pattern_error {
	char kind[24];            /* "E_OPERAND" and so on (section 9) */
	size_t at;                /* byte offset into the text */
	uint32_t line, column;    /* 1-based, in code points, of that offset */
	char message[256];        /* a sentence with the path */
};

/* Returns owned. TN_INVALID with the error. */
enum tn_status tn_pattern_compile(struct tn_str text, const struct tn_pattern_limits *limits, struct tn_pattern **out_pattern,
	struct tn_pattern_error *error) TN_MUST_CHECK;
void tn_pattern_free(struct tn_pattern *pattern);
/* event_json: one JSON object. TN_INVALID: it is not; *out_at is the byte. TN_TOO_LARGE: it cannot be decided in bounded work; only for
 * events that lead one path into several arrays at once (by a name that is there twice) or nest huge arrays very deep. */
enum tn_status tn_pattern_match(const struct tn_pattern *pattern, struct tn_str event_json, bool *out_match, size_t *out_at)
	TN_MUST_CHECK;

#endif
