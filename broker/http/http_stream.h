/* SPDX-License-Identifier: Apache-2.0
 *
 * http_stream.h - one accepted socket, with TLS or without: reads and writes that never block.
 *
 * Made for edge-triggered events: after WAIT the caller sits still until the loop says that something changed.
 */
#ifndef TURNOUT_HTTP_STREAM_H
#define TURNOUT_HTTP_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct ssl_st;
struct ssl_ctx_st;

enum tn_http_flow {
	TN_HTTP_FLOW_OK,
	TN_HTTP_FLOW_WAIT,   /* nothing more now */
	TN_HTTP_FLOW_ENDED,  /* reading: the other side sends nothing any more; it may still be reading */
	TN_HTTP_FLOW_BROKEN, /* the connection is gone */
};

struct tn_http_stream {
	int fd;
	struct ssl_st *ssl; /* NULL: none */
	bool shaken;        /* no handshake is under way */
};

/* Takes fd. False: no memory for TLS; fd is closed. */
bool tn_http_stream_init(struct tn_http_stream *stream, int fd, struct ssl_ctx_st *tls);
/* Closes; twice is fine. */
void tn_http_stream_fini(struct tn_http_stream *stream);
enum tn_http_flow tn_http_stream_shake(struct tn_http_stream *stream);
enum tn_http_flow tn_http_stream_read(struct tn_http_stream *stream, char *bytes, size_t size, size_t *out_len);
enum tn_http_flow tn_http_stream_write(struct tn_http_stream *stream, const char *bytes, size_t len, size_t *out_len);
/* Says that no more will be written: close_notify, then FIN. */
void tn_http_stream_end(struct tn_http_stream *stream);
/* Reads and throws away, below TLS. */
enum tn_http_flow tn_http_stream_discard(struct tn_http_stream *stream, size_t *out_len);
/* True when the kernel has bytes that were not read, without reading them. */
bool tn_http_stream_unread(const struct tn_http_stream *stream);
/* True when the first part of a TLS record was read, which the stream keeps until it has the rest. */
bool tn_http_stream_partial(const struct tn_http_stream *stream);
/* True when the other side is gone altogether (a reset, or both directions shut), without reading. A TCP client that closed looks
 * like one that only ended its sending until something is written to it. */
bool tn_http_stream_broken(const struct tn_http_stream *stream);

#endif
