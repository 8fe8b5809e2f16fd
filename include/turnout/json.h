/* SPDX-License-Identifier: Apache-2.0
 *
 * json.h - a strict, allocation-free JSON scanner (RFC 8259) that yields tokens as byte spans of the text.
 *
 * The hot path reads JSON with it: no tree is built, numbers stay text, strings stay escaped until somebody wants them.
 * It validates everything it passes over: tokens, escapes, surrogate pairs, control characters, UTF-8. It does not check for
 * duplicate names (whose meaning is the caller's). It never recurses. A byte order mark is an error: strip it first where
 * it is allowed.
 *
 *   struct tn_json json;
 *   struct tn_json_token token;
 *   tn_json_init(&json, text, 256);
 *   while (tn_json_next(&json, &token) == TN_OK && token.kind != TN_JSON_END) ...
 */
#ifndef TURNOUT_JSON_H
#define TURNOUT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "turnout/status.h"
#include "turnout/str.h"

#define TN_JSON_DEPTH_LIMIT 1024 /* the most that max_depth may be */

enum tn_json_kind {
	TN_JSON_END, /* the whole text was one value and white space */
	TN_JSON_OBJECT,
	TN_JSON_OBJECT_END,
	TN_JSON_ARRAY,
	TN_JSON_ARRAY_END,
	TN_JSON_NAME, /* a member's name; its value follows */
	TN_JSON_STRING,
	TN_JSON_NUMBER,
	TN_JSON_TRUE,
	TN_JSON_FALSE,
	TN_JSON_NULL,
};

struct tn_json_token {
	enum tn_json_kind kind;
	bool escaped;       /* a string or name with at least one backslash */
	size_t at;          /* offset of its first byte; of a string, the opening quote */
	struct tn_str text; /* name, string: between the quotes, still escaped. number: its text. else: the token */
};

enum tn_json_fault { TN_JSON_FINE, TN_JSON_BAD, TN_JSON_TOO_DEEP };

struct tn_json {
	struct tn_str text;
	size_t at;                   /* next byte to read */
	uint32_t depth, max_depth;   /* open brackets now, and at most */
	uint8_t expect;              /* private */
	enum tn_json_fault fault;    /* why tn_json_next said TN_INVALID */
	size_t fault_at;             /* the byte that cannot be: of a string the byte, or the backslash of the escape; the end:
	                                the length; TOO_DEEP: the bracket */
	uint64_t objects[TN_JSON_DEPTH_LIMIT / 64];
};

/* Borrows text until the last token is done with. */
void tn_json_init(struct tn_json *json, struct tn_str text, uint32_t max_depth);
/* TN_OK, or TN_INVALID with fault and fault_at; after either END or a fault it repeats itself. */
enum tn_status tn_json_next(struct tn_json *json, struct tn_json_token *out_token) TN_MUST_CHECK;
/* Passes over the value that token began (nothing to do for a scalar) and answers where it ended, one past the last byte. */
enum tn_status tn_json_skip(struct tn_json *json, const struct tn_json_token *token, size_t *out_end) TN_MUST_CHECK;
/* One value and nothing else but white space around it. */
bool tn_json_valid(struct tn_str text, uint32_t max_depth);

/* Undoes the escapes of a token's text that the scanner has accepted, appending UTF-8. */
void tn_json_unescape(struct tn_str escaped, struct tn_buf *out);
/* The same into memory of at least escaped.len bytes; returns the number written. */
size_t tn_json_unescape_to(struct tn_str escaped, char *out);
/* Does the token's text, unescaped, equal plain? Without memory. */
bool tn_json_equals(const struct tn_json_token *token, struct tn_str plain);
/* Appends text as a JSON string with its quotes. Text must be UTF-8; control characters are escaped, nothing else needless. */
void tn_json_quote(struct tn_buf *out, struct tn_str text);

#endif
