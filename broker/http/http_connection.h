/* SPDX-License-Identifier: Apache-2.0
 *
 * http_connection.h - what the files of the HTTP server share: the server, its connections, their requests.
 *
 *   SHAKING --TLS done--> OPEN --refusal, Connection: close, end of input, drain--> ENDING --all answered, all written--.
 *      |                   |                                                          |                                  v
 *      '---- failure ------+---------------- reset, write error, timeout -------------+-------------> CLOSED <-- LINGERING (2 s)
 *
 * Each connection has one edge-triggered event for both directions, registered once: so an idle request costs no epoll_ctl, and a
 * reset is noticed also while nothing is read. A connection that has something to do stands in the server's `due` list; the server's
 * turn event, which runs after the callbacks of one loop iteration, writes what they have answered, at once. Nothing that a user
 * calls (tn_http_reply, pause, drain, free) works on a connection directly: it only makes it due. So no callback is re-entered.
 *
 * Closed connections stay in the list, and everything stays allocated, until the outermost server function returns.
 */
#ifndef TURNOUT_HTTP_CONNECTION_H
#define TURNOUT_HTTP_CONNECTION_H

#include <sys/queue.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include "http_listener.h"
#include "http_parser.h"
#include "http_stream.h"
#include "turnout/clock.h"
#include "turnout/http_server.h"

struct tn_http_connection;

struct tn_http_request {
	TAILQ_ENTRY(tn_http_request) link;
	struct tn_http_connection *connection;
	struct tn_buf head, body;     /* the bytes everything below points into */
	struct tn_header *headers;
	size_t header_count, header_capacity;
	struct tn_str method, target, path;
	void *user;
	struct tn_buf answer;         /* made before its turn: an earlier request is not answered yet */
	bool handed_over;             /* on_request has seen it */
	bool answered;
	bool head_only, old_version, keep_alive;
	bool last;                    /* nothing is read after it: its answer says Connection: close */
};
TAILQ_HEAD(tn_http_request_list, tn_http_request);

enum tn_http_connection_state { TN_HTTP_SHAKING, TN_HTTP_OPEN, TN_HTTP_ENDING, TN_HTTP_LINGERING, TN_HTTP_CLOSED };

struct tn_http_connection {
	TAILQ_ENTRY(tn_http_connection) link, due_link;
	TAILQ_ENTRY(tn_http_connection) idle_link;
	SLIST_ENTRY(tn_http_connection) closed_link;
	struct tn_http_server *server;
	struct tn_http_stream stream;
	struct event event;
	enum tn_http_connection_state state;
	bool readable, writable;      /* since the last edge nothing has said WAIT */
	bool due;                     /* stands in the due list */
	bool idling;                  /* stands in the idle list, since idle_since_ms */
	bool blocked;                 /* reading was stopped by a limit or a pause */
	bool end_seen;                /* the kernel has said that the client ended its sending: reading comes upon it */
	bool unsure;                  /* a reset may have come with the bytes read last; the sweep asks */
	bool half_closed;             /* the client has ended its sending */
	bool end_after_receiving;
	bool continue_due;            /* 100 Continue waits for the answers before it */
	bool head_begun;              /* in holds the start of a head */
	bool stalled;                 /* the client does not take what we write, since write_since_ms */
	struct tn_http_parser parser;
	struct tn_buf in;             /* read, and not parsed yet */
	struct tn_http_request_list requests; /* received or being received, in order, until their answers are in out */
	struct tn_http_request *receiving;    /* the last one, as long as its body is not whole */
	uint32_t waiting;             /* requests in the list but the one being received */
	struct tn_buf out;
	size_t out_sent;
	int64_t since_ms;             /* the phase that has a time limit began */
	int64_t write_since_ms, idle_since_ms;
	uint64_t discarded_bytes;
};
TAILQ_HEAD(tn_http_connection_list, tn_http_connection);

struct tn_http_server {
	struct event_base *base;
	struct tn_http_server_ops ops;
	void *arg;
	struct tn_http_limits limits;
	struct ssl_ctx_st *tls;
	const struct tn_clock *clock;
	struct tn_http_listener listener;
	struct event accept_event, retry_event, idle_event, turn_event, again_event, sweep_event;
	struct tn_http_connection_list connections, due;
	struct tn_http_connection_list idle;         /* which of them could go for another one; the longest idle first */
	SLIST_HEAD(, tn_http_connection) closed;     /* still among the connections */
	uint32_t connection_count;
	struct tn_http_request_list spare;
	uint32_t spare_count;
	char *scratch;                /* where fresh bytes are read to */
	bool paused, draining, accepting, sweeping, freed;
	uint32_t depth;               /* server functions on the stack */
	int64_t sweep_ms, swept_ms;
	struct tn_http_server_counts counts;
};

enum { TN_HTTP_SCRATCH_BYTES = 64 * 1024 };

/* --- http_server.c --- */
int64_t tn_http_server_now(const struct tn_http_server *server);
/* Around everything the loop calls: the outermost leave frees what was closed. */
void tn_http_server_enter(struct tn_http_server *server);
void tn_http_server_leave(struct tn_http_server *server);
/* The turn event will look at it. */
void tn_http_server_make_due(struct tn_http_server *server, struct tn_http_connection *connection);
/* The same, but other events come first. */
void tn_http_server_make_due_later(struct tn_http_server *server, struct tn_http_connection *connection);
/* Has it in the idle list, at the end if it was not there, or not. */
void tn_http_server_note_idle(struct tn_http_server *server, struct tn_http_connection *connection, bool idle);
/* Frees it when the time has come, and has room for another one. */
void tn_http_server_bury(struct tn_http_server *server, struct tn_http_connection *connection);

/* --- http_connection.c --- */
/* Takes fd. */
void tn_http_connection_new(struct tn_http_server *server, int fd);
void tn_http_connection_free(struct tn_http_connection *connection);
/* Takes what input there is, as far as that is allowed now. */
void tn_http_connection_take(struct tn_http_connection *connection);
/* Writes what output there is. */
void tn_http_connection_flush(struct tn_http_connection *connection);
/* Reading was stopped by a limit that is no longer reached. */
bool tn_http_connection_unblocked(const struct tn_http_connection *connection);
/* Looks at the time limits; elapsed_ms: since the last look. */
void tn_http_connection_sweep(struct tn_http_connection *connection, int64_t now_ms, int64_t elapsed_ms);
/* Takes no more requests; closes after the last answer. */
void tn_http_connection_end(struct tn_http_connection *connection);
/* Closes now; unanswered requests get on_gone. */
void tn_http_connection_drop(struct tn_http_connection *connection);
bool tn_http_connection_idle(const struct tn_http_connection *connection);
/* Closes an idle one at once: whoever waits for its place does not wait until its client has closed too. */
void tn_http_connection_give_way(struct tn_http_connection *connection);

/* --- http_request.c --- */
struct tn_http_request *tn_http_request_new(struct tn_http_connection *connection);
/* The parser has just answered HEAD with these bytes. */
void tn_http_request_fill(struct tn_http_request *request, const struct tn_http_parser *parser, const char *bytes);
/* Back among the spare ones. */
void tn_http_request_recycle(struct tn_http_server *server, struct tn_http_request *request);
void tn_http_request_free(struct tn_http_request *request);

/* --- http_reply.c --- */
/* Moves the answers whose turn it is to the output. */
void tn_http_reply_release(struct tn_http_connection *connection);

#endif
