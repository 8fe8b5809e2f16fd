/* SPDX-License-Identifier: Apache-2.0
 *
 * http_server.h - a strict HTTP/1.1 server of our own (RFC 9112), for events, health and metrics.
 *
 * It refuses whatever smuggling needs (both Content-Length and Transfer-Encoding, a repeated or signed length, bare LF, spaces before
 * the colon, obs-fold, unknown transfer codings, chunk oddities) with 400 and a closed connection; pushes back on reads while
 * answers are outstanding; notices a client that left; bounds headers, body, connections and slow clients. Pipelined requests are
 * handled and answered in order. Problems are answered as application/problem+json (RFC 9457). Loop thread only. Needs epoll.
 * The process must ignore SIGPIPE (OpenSSL writes with plain write(2)).
 *
 * When all connections are taken and another client waits, the connection that has been idle longest is closed, so that nobody shuts
 * the others out by being silent. Idle is one without a begun request (or TLS record), an unanswered one, an answer not yet written, or
 * anything unread; it must have been so for 100 ms, so that a sender that goes on at once keeps its connection. A handshake counts as
 * idle from its beginning. If none is idle, accepting stops until one is, or closes.
 *
 * From within any callback everything may be called: tn_http_reply for this or any other request, pause, drain, and
 * tn_http_server_free, which then closes at once and frees the memory after the callback has returned. No callback is called from
 * within tn_http_reply, pause or drain; only tn_http_server_free calls on_gone. Answers of one loop iteration are written together at
 * its end.
 *
 * A client that left: a reset (or, on a unix socket, a close) ends the connection at once, also while reading is stopped, and each of
 * its unanswered requests gets on_gone. A TCP client that only ended its sending (FIN) still gets its answers; one that closed looks
 * the same until something is written to it, so it is noticed when its answer is.
 */
#ifndef TURNOUT_HTTP_SERVER_H
#define TURNOUT_HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/clock.h"
#include "turnout/error.h"
#include "turnout/str.h"
#include "turnout/wire.h"

struct event_base;
struct ssl_ctx_st;
struct tn_http_server;
struct tn_http_request; /* valid from on_request until it was answered or on_gone was called for it */

struct tn_http_limits { /* zero members: the defaults */
	uint32_t connections;       /* [1,024] beyond: the one idle longest makes room, or accepting stops */
	uint32_t header_bytes;      /* [80 KiB] request line and headers together; beyond: 431 (414 within the request line) */
	uint32_t header_count;      /* [256]; beyond: 431 */
	uint64_t body_bytes;        /* [1 MiB]; beyond: 413 (Content-Length: before the body is read) */
	uint32_t pipeline;          /* [16] requests of one connection handed over and not yet answered; beyond: reading stops */
	int64_t header_ms;          /* [10,000] from the first byte to the end of the headers; then 408 */
	int64_t idle_ms;            /* [60,000] between requests; then closed */
	uint32_t body_rate;         /* [1,024] bytes a second a body must come at least, after the first 5 s; else 408 */
	int64_t write_ms;           /* [30,000] no progress while writing: closed */
	uint64_t output_bytes;      /* [1 MiB] unread answers on one connection: reading stops until they are taken */
};

#define TN_HTTP_ANSWERED (-1) /* from on_headers */

struct tn_http_server_ops {
	/* A whole request. Answer it with tn_http_reply now or later, once. */
	void (*on_request)(void *arg, struct tn_http_request *request);
	/* The client of an unanswered request that on_request has seen left; the request is freed after this returns: do not answer it.
	 * May be NULL. */
	void (*on_gone)(void *arg, struct tn_http_request *request);
	/* Asked after the headers, before the body is read: 0 goes on; else a status to refuse with (401, 405, 503...), problem detail in
	 * *out_detail (constant text); or TN_HTTP_ANSWERED after tn_http_reply was called for it (which may add headers). The connection
	 * is closed after a refusal, unless no body follows. A request whose body never becomes whole is not heard of again. May be NULL. */
	int (*on_headers)(void *arg, struct tn_http_request *request, const char **out_detail);
};

/* Whose the port is. One listener a worker: the first shares it, and finds out if it is taken; the others join. */
enum tn_http_port { TN_HTTP_PORT_OWN, TN_HTTP_PORT_SHARE, TN_HTTP_PORT_JOIN };

struct tn_http_server_options {
	const char *listen;         /* "127.0.0.1:8080", "[::1]:0", "unix:/path" */
	enum tn_http_port port;
	uint32_t unix_mode;         /* file mode of a unix socket [0600] */
	struct ssl_ctx_st *tls;     /* borrowed; NULL: none */
	struct tn_http_limits limits;
	const struct tn_clock *clock; /* borrowed; NULL: the system's */
	struct tn_http_server_ops ops;
	void *arg;
};

/* Returns owned, listening. TN_BUSY: the address is in use. TN_INVALID: not an address. TN_UNSUPPORTED: a loop without epoll. TN_IO. */
enum tn_status tn_http_server_new(struct event_base *base, const struct tn_http_server_options *options,
	struct tn_http_server **out_server, struct tn_error *error) TN_MUST_CHECK;
/* Whether `listen` can be meant, without opening it. out_local: only this machine can reach it (loopback, unix socket). TN_INVALID. */
enum tn_status tn_http_listener_check(const char *listen, bool *out_local, struct tn_error *error) TN_MUST_CHECK;
/* Closes the listener and all connections; unanswered requests get on_gone, and none may be answered afterwards. NULL is fine. */
void tn_http_server_free(struct tn_http_server *server);
/* "127.0.0.1:43211": the address as bound. */
const char *tn_http_server_address(const struct tn_http_server *server);
/* While paused nothing is read from any connection and on_request is not called, also not for what was read before (answers still go
 * out): back-pressure to the senders. Counted: no; idempotent. */
void tn_http_server_pause(struct tn_http_server *server, bool paused);
/* No new connections; answers carry Connection: close; idle connections are closed now, others after their answers. */
void tn_http_server_drain(struct tn_http_server *server);
uint32_t tn_http_server_connections(const struct tn_http_server *server);
struct tn_http_server_counts {
	uint64_t accepted;     /* connections */
	uint64_t requests;     /* handed to on_request */
	uint64_t bad_requests; /* refused by the server itself, timeouts not included */
	uint64_t timeouts;     /* 408, handshakes and writes that took too long; idle connections are not counted */
	uint64_t gone;         /* requests whose client left before the answer */
	uint64_t over_limit;   /* times that accepting stopped: connection cap and none idle, or no descriptors left */
	uint64_t idle_closed;  /* idle connections closed because another one waited; not those that idle_ms closed */
	uint64_t cut_short;    /* requests whose client ended or left before they were whole: never handed over */
	uint64_t tls_failures; /* handshakes that failed */
};
void tn_http_server_counts(const struct tn_http_server *server, struct tn_http_server_counts *out_counts);

/* --- The request. Strings live as long as the request. --- */
struct tn_str tn_http_request_method(const struct tn_http_request *request);
struct tn_str tn_http_request_target(const struct tn_http_request *request);  /* as sent: "/events?x=1" */
struct tn_str tn_http_request_path(const struct tn_http_request *request);    /* up to the ? */
const struct tn_header *tn_http_request_headers(const struct tn_http_request *request, size_t *out_count); /* in order, names as sent */
struct tn_str tn_http_request_header(const struct tn_http_request *request, const char *name); /* first of that name; bytes NULL: none */
struct tn_str tn_http_request_body(const struct tn_http_request *request);
/* Gives the memory of headers and body back early, for a request that is answered much later. All strings of it end here. */
void tn_http_request_forget(struct tn_http_request *request);
void tn_http_request_set_user(struct tn_http_request *request, void *user);
void *tn_http_request_user(const struct tn_http_request *request);

/* Answers: copies everything. headers: extra ones; Content-Length and Connection are added (a Connection: close among them closes the
 * connection after the answer). Answers to HEAD carry the length but no body. After it the request is gone. */
void tn_http_reply(struct tn_http_request *request, int status, const struct tn_header *headers, size_t header_count,
	struct tn_str body);
/* application/problem+json with type about:blank, title (the status's reason), status, detail, and members of `extra` (JSON text of
 * members with a leading comma, or empty). retry_after_s 0: none. */
void tn_http_reply_problem(struct tn_http_request *request, int status, int64_t retry_after_s, const char *detail, struct tn_str extra);
/* The same text alone, appended to out, for an answer that needs more headers; its type is application/problem+json. */
void tn_http_problem_text(struct tn_buf *out, int status, const char *detail, struct tn_str extra);
const char *tn_http_reason(int status);

/* --- The parser alone, for the fuzzer: feeds bytes, whole and one by one, and aborts if that makes a difference. Answers the status
 * of the refusal, or how many whole requests there were (below 100 in any sensible use). --- */
int tn_http_parse_probe(const char *bytes, size_t len);

/* TLS for servers: certificate chain and key, TLS 1.2 and up. Returns owned in *out (SSL_CTX_free). */
enum tn_status tn_tls_server_new(const char *certificate_file, const char *key_file, struct ssl_ctx_st **out_tls, struct tn_error *error)
	TN_MUST_CHECK;

#endif
