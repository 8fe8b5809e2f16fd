/* SPDX-License-Identifier: Apache-2.0
 *
 * http_parser.h - HTTP/1.1 requests out of bytes (RFC 9112), strictly and incrementally. No I/O, no copies.
 *
 *   for (;;) {
 *           step = tn_http_parser_next(&parser, bytes, len, &used);   bytes: everything that was not used up yet
 *           ... look at the step while bytes are still there ...
 *           bytes += used, len -= used;
 *   }
 *
 *   POST /e HTTP/1.1 CRLF Host: a CRLF ... CRLF CRLF | body            | next request
 *   MORE (used 0) until the blank line is there; HEAD | BODY, BODY ... END |  HEAD ...
 *
 * Refused, because two readers could disagree about where a message ends: Content-Length beside Transfer-Encoding, repeated,
 * signed, or not a plain number; a transfer coding other than chunked alone, or one in HTTP/1.0; bare CR and LF; a line
 * folded or with white space before its colon; control characters; chunk sizes and chunk ends that are not exact.
 */
#ifndef TURNOUT_HTTP_PARSER_H
#define TURNOUT_HTTP_PARSER_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/str.h"

enum tn_http_step {
	TN_HTTP_STEP_MORE,    /* nothing more to say about these bytes */
	TN_HTTP_STEP_HEAD,    /* request line and headers are whole: look at the parser's members */
	TN_HTTP_STEP_BODY,    /* piece: the next bytes of the body */
	TN_HTTP_STEP_END,     /* the request is whole; the next call starts another one */
	TN_HTTP_STEP_REFUSED, /* status and detail; the connection must not be read any further */
};

struct tn_http_span { /* of the bytes handed to the call that answered HEAD */
	uint32_t at, len;
};
struct tn_http_field {
	struct tn_http_span name, value;
};

struct tn_http_parser_limits {
	uint32_t header_bytes, header_count;
	uint64_t body_bytes;
};

struct tn_http_parser {
	struct tn_http_parser_limits limits;
	/* From HEAD until END is answered; the spans until the next call only. */
	struct tn_http_span method, target, path;
	struct tn_http_field *fields;
	uint32_t field_count, field_capacity;
	uint64_t length;           /* of the body; unknown when chunked */
	bool chunked, old_version; /* old: HTTP/1.0 */
	bool keep_alive;           /* the client wants the connection kept */
	bool expect_continue;      /* it waits for 100 before it sends the body */
	struct tn_str piece;
	/* REFUSED */
	int status;
	const char *detail;
	/* The rest is private. */
	uint8_t state;
	bool blank_skipped, has_host, has_length, has_coding, asked_close, asked_keep;
	uint32_t line_at, scanned; /* start of the line being read, and how far there is no LF in it */
	uint64_t left, body_seen;
	uint32_t extension_bytes, trailer_bytes, trailer_count;
};

void tn_http_parser_init(struct tn_http_parser *parser, const struct tn_http_parser_limits *limits);
void tn_http_parser_fini(struct tn_http_parser *parser);
/* bytes: all that is not used up yet; until HEAD that is the whole head from its first byte. */
enum tn_http_step tn_http_parser_next(struct tn_http_parser *parser, const char *bytes, size_t len, size_t *out_used);
/* After HEAD or BODY: nothing of this request is to come any more, END follows. */
bool tn_http_parser_whole(const struct tn_http_parser *parser);

#endif
