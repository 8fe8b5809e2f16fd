/* SPDX-License-Identifier: Apache-2.0
 *
 * http_response.h - reads an HTTP/1 answer piece by piece, as it comes from a socket.
 *
 *   STATUS -> HEADERS -> LENGTH                          -> DONE
 *     ^         |     -> SIZE -> CHUNK -> SIZE.. -> TRAILERS -> DONE
 *     '- 1xx ---'     -> UNTIL_CLOSE (tn_http_response_close)  -> DONE
 *
 * What the server may do wrong without harm is forgiven (bare LF, blanks around values); what makes the answer's end doubtful is not, or
 * costs the connection. Pure. Any thread.
 */
#ifndef TURNOUT_HTTP_RESPONSE_H
#define TURNOUT_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/str.h"

enum tn_http_response_state { TN_RESPONSE_STATUS, TN_RESPONSE_HEADERS, TN_RESPONSE_LENGTH, TN_RESPONSE_SIZE, TN_RESPONSE_CHUNK,
	TN_RESPONSE_CHUNK_END, TN_RESPONSE_TRAILERS, TN_RESPONSE_UNTIL_CLOSE, TN_RESPONSE_DONE, TN_RESPONSE_CUT, TN_RESPONSE_BROKEN };

struct tn_http_response_ops { /* false: enough of it, the answer is cut here */
	void (*status)(void *arg, int32_t status); /* a new head begins; what an interim one said is void */
	bool (*header)(void *arg, struct tn_str name, struct tn_str value);
	void (*headers_end)(void *arg);            /* of the final head */
	bool (*body)(void *arg, struct tn_str bytes);
};

struct tn_http_response {
	const struct tn_http_response_ops *ops;
	void *arg;
	enum tn_http_response_state state;
	int32_t status;
	bool bodyless;             /* answers a HEAD */
	bool keep;                 /* the connection may be used again, once DONE */
	bool chunked, coded, has_length;
	uint64_t left;             /* bytes of the body or chunk */
	size_t line_bytes;         /* of all header lines, or of all trailers */
	struct tn_buf line;        /* the start of a line whose end has not come */
};

/* Before each answer; keeps line's memory. */
void tn_http_response_start(struct tn_http_response *response, bool bodyless);
void tn_http_response_fini(struct tn_http_response *response);
/* Takes bytes up to the answer's end and says how many. Look at state then. */
size_t tn_http_response_feed(struct tn_http_response *response, struct tn_str bytes);
/* The other side closed: DONE if that was the end it had announced, else BROKEN. */
void tn_http_response_close(struct tn_http_response *response);

#endif
