/* SPDX-License-Identifier: Apache-2.0
 *
 * http_connection.c - one connection: bytes in, requests handed over, answers out (http_connection.h has the states).
 *
 * Woken by its edge-triggered event and by the server's turn. Owns its socket, what was read and not used, what is to be written,
 * and the requests it has not answered. Loop thread only.
 */
#include "http_connection.h"

#include <stdlib.h>

enum {
	TURN_BYTES = 256 * 1024,          /* read from one connection before others have their turn */
	READ_BYTES = 16 * 1024,
	KEPT_BYTES = 32 * 1024,           /* larger buffers go back when they are empty */
	LINGER_MS = 2000,
	LINGER_BYTES = 8 * 1024 * 1024,   /* thrown away of what a refused client still sends */
	BODY_GRACE_MS = 5000,
};

static bool may_take(const struct tn_http_connection *connection)
{
	const struct tn_http_server *server = connection->server;
	return connection->state == TN_HTTP_OPEN && !server->paused && connection->waiting < server->limits.pipeline &&
		connection->out.len - connection->out_sent < server->limits.output_bytes;
}

static void begin_phase(struct tn_http_connection *connection)
{
	connection->since_ms = tn_http_server_now(connection->server);
}

bool tn_http_connection_idle(const struct tn_http_connection *connection)
{
	return connection->state == TN_HTTP_OPEN && TAILQ_EMPTY(&connection->requests) && connection->in.len == 0;
}

/* Nothing of a request is here and nothing of an answer is left; a handshake that the client does not go on with is no request. */
static void note_idle(struct tn_http_connection *connection)
{
	bool begun = connection->in.len || connection->head_begun || !TAILQ_EMPTY(&connection->requests);
	bool live = connection->state == TN_HTTP_OPEN || connection->state == TN_HTTP_SHAKING;
	tn_http_server_note_idle(connection->server, connection, live && !begun && !connection->out.len);
}

bool tn_http_connection_unblocked(const struct tn_http_connection *connection)
{
	return connection->blocked && may_take(connection);
}

/* --- The end --- */

void tn_http_connection_drop(struct tn_http_connection *connection)
{
	struct tn_http_server *server = connection->server;
	struct tn_http_request *request;
	if (connection->state == TN_HTTP_CLOSED)
		return;
	connection->state = TN_HTTP_CLOSED;
	note_idle(connection);
	event_del(&connection->event);
	tn_http_stream_fini(&connection->stream);
	tn_http_server_bury(server, connection);
	if (connection->receiving)
		server->counts.cut_short++;
	connection->receiving = NULL;
	while ((request = TAILQ_FIRST(&connection->requests))) {
		TAILQ_REMOVE(&connection->requests, request, link);
		if (request->handed_over && !request->answered) {
			server->counts.gone++;
			if (server->ops.on_gone)
				server->ops.on_gone(server->arg, request);
		}
		tn_http_request_recycle(server, request);
	}
}

void tn_http_connection_give_way(struct tn_http_connection *connection)
{
	connection->server->counts.idle_closed++;
	tn_http_stream_end(&connection->stream);
	tn_http_connection_drop(connection);
}

void tn_http_connection_end(struct tn_http_connection *connection)
{
	struct tn_http_request *tail = TAILQ_LAST(&connection->requests, tn_http_request_list);
	if (connection->state != TN_HTTP_OPEN)
		return;
	connection->state = TN_HTTP_ENDING;
	if (tail && !tail->answered)
		tail->last = true;
	tn_http_server_make_due(connection->server, connection);
}

/* Reads what the client still sends, so that no reset of ours takes the last answer from it. */
static void discard_input(struct tn_http_connection *connection)
{
	uint64_t until = connection->discarded_bytes + TURN_BYTES;
	while (connection->readable) {
		size_t len = 0;
		enum tn_http_flow flow = tn_http_stream_discard(&connection->stream, &len);
		connection->discarded_bytes += len;
		if (flow == TN_HTTP_FLOW_WAIT) {
			connection->readable = false;
		} else if (flow != TN_HTTP_FLOW_OK || connection->discarded_bytes > LINGER_BYTES) {
			tn_http_connection_drop(connection);
			return;
		} else if (connection->discarded_bytes > until) {
			tn_http_server_make_due_later(connection->server, connection);
			return;
		}
	}
}

/* Everything is answered and written. */
static void finish(struct tn_http_connection *connection)
{
	tn_http_stream_end(&connection->stream);
	if (connection->half_closed) {
		tn_http_connection_drop(connection);
		return;
	}
	connection->state = TN_HTTP_LINGERING;
	tn_buf_fini(&connection->in);
	begin_phase(connection);
	connection->readable = true;
	discard_input(connection);
}

/* --- Requests --- */

static void refuse(struct tn_http_connection *connection, int status, const char *detail)
{
	if (!connection->receiving) {
		connection->receiving = tn_http_request_new(connection);
		TAILQ_INSERT_TAIL(&connection->requests, connection->receiving, link);
	}
	tn_http_reply_problem(connection->receiving, status, 0, detail, TN_STR(""));
}

static void refuse_bad(struct tn_http_connection *connection)
{
	connection->server->counts.bad_requests++;
	refuse(connection, connection->parser.status, connection->parser.detail);
}

static void refuse_slow(struct tn_http_connection *connection, const char *detail)
{
	connection->server->counts.timeouts++;
	refuse(connection, 408, detail);
}

/* Answers to earlier requests come first. */
static void offer_continue(struct tn_http_connection *connection)
{
	if (!connection->continue_due || !connection->receiving || connection->waiting)
		return;
	connection->continue_due = false;
	tn_buf_add_str(&connection->out, TN_STR("HTTP/1.1 100 Continue\r\n\r\n"));
	tn_http_server_make_due(connection->server, connection);
}

static void take_head(struct tn_http_connection *connection, const char *bytes, bool more_is_there)
{
	struct tn_http_server *server = connection->server;
	struct tn_http_request *request = tn_http_request_new(connection);
	tn_http_request_fill(request, &connection->parser, bytes);
	TAILQ_INSERT_TAIL(&connection->requests, request, link);
	connection->receiving = request;
	connection->head_begun = false;
	connection->continue_due = false;
	if (server->ops.on_headers) {
		const char *detail = NULL;
		int status = server->ops.on_headers(server->arg, request, &detail);
		if (status > 0 && connection->state == TN_HTTP_OPEN)
			tn_http_reply_problem(request, status, 0, detail, TN_STR(""));
		if (status != 0)
			return;
	}
	if (tn_http_parser_whole(&connection->parser))
		return;
	begin_phase(connection);
	connection->continue_due = connection->parser.expect_continue && !more_is_there;
	offer_continue(connection);
}

static void take_whole(struct tn_http_connection *connection)
{
	struct tn_http_server *server = connection->server;
	struct tn_http_request *request = connection->receiving;
	connection->receiving = NULL;
	connection->continue_due = false;
	connection->waiting++;
	begin_phase(connection);
	if (!request->keep_alive || server->draining || connection->end_after_receiving)
		tn_http_connection_end(connection);
	if (request->answered) {
		tn_http_reply_release(connection);
		return;
	}
	request->handed_over = true;
	server->counts.requests++;
	server->ops.on_request(server->arg, request);
}

/* Answers how many of the bytes it used. */
static size_t parse(struct tn_http_connection *connection, const char *bytes, size_t len)
{
	size_t at = 0;
	while (may_take(connection)) {
		size_t used = 0;
		switch (tn_http_parser_next(&connection->parser, bytes + at, len - at, &used)) {
		case TN_HTTP_STEP_MORE:
			return at + used;
		case TN_HTTP_STEP_HEAD:
			take_head(connection, bytes + at, at + used < len);
			break;
		case TN_HTTP_STEP_BODY:
			tn_buf_add_str(&connection->receiving->body, connection->parser.piece);
			break;
		case TN_HTTP_STEP_END:
			take_whole(connection);
			break;
		case TN_HTTP_STEP_REFUSED:
			refuse_bad(connection);
			break;
		}
		at += used;
	}
	return at;
}

/* --- Input --- */

static void use_stored(struct tn_http_connection *connection)
{
	struct tn_buf *in = &connection->in;
	size_t used = parse(connection, in->len ? in->bytes : "", in->len);
	if (used == in->len) {
		tn_buf_clear(in);
		if (in->capacity > KEPT_BYTES)
			tn_buf_fini(in);
	} else if (used) {
		memmove(in->bytes, in->bytes + used, in->len - used);
		in->len -= used;
	}
}

/* Less than there was room for is all there was (epoll(7)), and what comes from now on is a new edge: no read that finds nothing, which
 * would be a fifth of all that the kernel is asked. Not so where the end is there already, whose edge has been, or with TLS, whose bytes
 * may wait in the library. A reset that came by the same edge is found by the answer that cannot be written, or by the next sweep. */
static void note_drained(struct tn_http_connection *connection, size_t len, size_t room)
{
	if (len == room || connection->end_seen || connection->stream.ssl)
		return;
	connection->readable = false;
	connection->unsure = true;
}

/* Fresh bytes are parsed where they were read; only what is left over is stored. */
static enum tn_http_flow read_some(struct tn_http_connection *connection, size_t *out_len)
{
	enum tn_http_flow flow;
	if (connection->in.len) {
		char *room = tn_buf_reserve(&connection->in, READ_BYTES);
		flow = tn_http_stream_read(&connection->stream, room, READ_BYTES, out_len);
		if (flow == TN_HTTP_FLOW_OK) {
			note_drained(connection, *out_len, READ_BYTES);
			connection->in.len += *out_len;
			use_stored(connection);
		}
		return flow;
	}
	char *scratch = connection->server->scratch;
	flow = tn_http_stream_read(&connection->stream, scratch, TN_HTTP_SCRATCH_BYTES, out_len);
	if (flow == TN_HTTP_FLOW_OK) {
		note_drained(connection, *out_len, TN_HTTP_SCRATCH_BYTES);
		size_t used = parse(connection, scratch, *out_len);
		if (connection->state == TN_HTTP_OPEN)
			tn_buf_add(&connection->in, scratch + used, *out_len - used);
	}
	return flow;
}

/* The client sends nothing any more; it may still be reading. What was not whole will never be. */
static void end_input(struct tn_http_connection *connection)
{
	connection->readable = false;
	connection->half_closed = true;
	if (tn_http_stream_broken(&connection->stream)) {
		tn_http_connection_drop(connection);
		return;
	}
	if (connection->receiving || connection->in.len)
		connection->server->counts.cut_short++;
	tn_buf_clear(&connection->in);
	if (connection->receiving) {
		TAILQ_REMOVE(&connection->requests, connection->receiving, link);
		tn_http_request_recycle(connection->server, connection->receiving);
		connection->receiving = NULL;
	}
	tn_http_connection_end(connection);
}

static void take_requests(struct tn_http_connection *connection)
{
	size_t taken = 0;
	use_stored(connection);
	while (connection->readable && may_take(connection)) {
		size_t len = 0;
		if (taken >= TURN_BYTES) {
			tn_http_server_make_due_later(connection->server, connection);
			return;
		}
		switch (read_some(connection, &len)) {
		case TN_HTTP_FLOW_OK:
			taken += len;
			break;
		case TN_HTTP_FLOW_WAIT:
			connection->readable = false;
			break;
		case TN_HTTP_FLOW_ENDED:
			end_input(connection);
			break;
		case TN_HTTP_FLOW_BROKEN:
			tn_http_connection_drop(connection);
			break;
		}
	}
}

static void note_head_begun(struct tn_http_connection *connection)
{
	if (connection->head_begun || connection->receiving)
		return;
	if (!connection->in.len && !tn_http_stream_partial(&connection->stream))
		return;
	connection->head_begun = true;
	begin_phase(connection);
}

static void shake(struct tn_http_connection *connection)
{
	enum tn_http_flow flow = tn_http_stream_shake(&connection->stream);
	if (flow == TN_HTTP_FLOW_WAIT)
		return;
	if (flow == TN_HTTP_FLOW_BROKEN) {
		connection->server->counts.tls_failures++;
		tn_http_connection_drop(connection);
		return;
	}
	connection->state = TN_HTTP_OPEN;
	begin_phase(connection);
	if (connection->server->draining)
		tn_http_connection_end(connection);
}

void tn_http_connection_take(struct tn_http_connection *connection)
{
	if (connection->state == TN_HTTP_SHAKING)
		shake(connection);
	if (connection->state == TN_HTTP_OPEN) {
		take_requests(connection);
		note_head_begun(connection);
	} else if (connection->state == TN_HTTP_LINGERING) {
		discard_input(connection);
	}
	connection->blocked = connection->state == TN_HTTP_OPEN && !may_take(connection);
	note_idle(connection);
}

/* --- Output --- */

static void empty_output(struct tn_http_connection *connection)
{
	connection->out_sent = 0;
	tn_buf_clear(&connection->out);
	if (connection->out.capacity > KEPT_BYTES)
		tn_buf_fini(&connection->out);
}

void tn_http_connection_flush(struct tn_http_connection *connection)
{
	struct tn_buf *out = &connection->out;
	if (connection->state != TN_HTTP_OPEN && connection->state != TN_HTTP_ENDING)
		return;
	offer_continue(connection);
	while (connection->out_sent < out->len && connection->writable) {
		size_t len = 0;
		enum tn_http_flow flow = tn_http_stream_write(
			&connection->stream, out->bytes + connection->out_sent, out->len - connection->out_sent, &len);
		if (flow == TN_HTTP_FLOW_BROKEN) {
			tn_http_connection_drop(connection);
			return;
		}
		connection->writable = flow == TN_HTTP_FLOW_OK;
		connection->out_sent += len;
		if (flow == TN_HTTP_FLOW_OK) {
			connection->stalled = false;
		} else if (!connection->stalled) {
			connection->stalled = true;
			connection->write_since_ms = tn_http_server_now(connection->server);
		}
	}
	if (connection->out_sent < out->len)
		return;
	empty_output(connection);
	if (connection->state == TN_HTTP_ENDING && TAILQ_EMPTY(&connection->requests))
		finish(connection);
	else if (TAILQ_EMPTY(&connection->requests) && !connection->head_begun)
		begin_phase(connection);
	note_idle(connection);
}

/* --- Time limits --- */

static void sweep_body(struct tn_http_connection *connection, int64_t now_ms)
{
	int64_t counted_ms = now_ms - connection->since_ms - BODY_GRACE_MS;
	if (counted_ms <= 0)
		return;
	uint64_t wanted = (uint64_t)counted_ms * connection->server->limits.body_rate / 1000;
	if (connection->receiving->body.len < wanted)
		refuse_slow(connection, "the body comes too slowly");
}

static void sweep_reading(struct tn_http_connection *connection, int64_t now_ms, int64_t elapsed_ms)
{
	const struct tn_http_limits *limits = &connection->server->limits;
	if (!may_take(connection)) {
		connection->since_ms += elapsed_ms; /* it is us who do not read */
	} else if (connection->receiving) {
		sweep_body(connection, now_ms);
	} else if (connection->head_begun) {
		if (now_ms - connection->since_ms > limits->header_ms)
			refuse_slow(connection, "the headers come too slowly");
	} else if (!TAILQ_EMPTY(&connection->requests) || connection->out.len) {
		connection->since_ms = now_ms; /* it is us who do not answer, or the write limit that counts */
	} else if (now_ms - connection->since_ms > limits->idle_ms) {
		tn_http_connection_end(connection);
	}
}

static void time_out(struct tn_http_connection *connection)
{
	connection->server->counts.timeouts++;
	tn_http_connection_drop(connection);
}

void tn_http_connection_sweep(struct tn_http_connection *connection, int64_t now_ms, int64_t elapsed_ms)
{
	const struct tn_http_limits *limits = &connection->server->limits;
	if (connection->unsure && tn_http_stream_broken(&connection->stream)) {
		tn_http_connection_drop(connection);
		return;
	}
	connection->unsure = false;
	switch (connection->state) {
	case TN_HTTP_SHAKING:
		if (now_ms - connection->since_ms > limits->header_ms)
			time_out(connection);
		return;
	case TN_HTTP_OPEN:
	case TN_HTTP_ENDING:
		if (connection->stalled && now_ms - connection->write_since_ms > limits->write_ms)
			time_out(connection);
		else if (connection->state == TN_HTTP_OPEN)
			sweep_reading(connection, now_ms, elapsed_ms);
		return;
	case TN_HTTP_LINGERING:
		if (now_ms - connection->since_ms > LINGER_MS)
			tn_http_connection_drop(connection);
		return;
	case TN_HTTP_CLOSED:
		return;
	}
}

/* --- Birth and events --- */

static void on_edge(evutil_socket_t fd, short what, void *arg)
{
	struct tn_http_connection *connection = arg;
	struct tn_http_server *server = connection->server;
	bool tls = connection->stream.ssl; /* which may want to read in order to write */
	if (connection->state == TN_HTTP_CLOSED)
		return;
	tn_http_server_enter(server);
	connection->end_seen |= what & EV_CLOSED;
	connection->readable |= tls || what & (EV_READ | EV_CLOSED);
	connection->writable |= tls || what & EV_WRITE;
	tn_http_connection_take(connection);
	/* An edge that nobody reads for may be a reset. */
	if ((connection->state == TN_HTTP_OPEN || connection->state == TN_HTTP_ENDING) && connection->readable &&
		tn_http_stream_broken(&connection->stream))
		tn_http_connection_drop(connection);
	if (connection->out.len)
		tn_http_server_make_due(server, connection);
	tn_http_server_leave(server);
}

void tn_http_connection_new(struct tn_http_server *server, int fd)
{
	struct tn_http_connection *connection = calloc(1, sizeof *connection);
	struct tn_http_parser_limits limits = {
		.header_bytes = server->limits.header_bytes,
		.header_count = server->limits.header_count,
		.body_bytes = server->limits.body_bytes,
	};
	if (!connection)
		abort();
	connection->server = server;
	connection->writable = true;
	TAILQ_INIT(&connection->requests);
	tn_http_parser_init(&connection->parser, &limits);
	begin_phase(connection);
	TAILQ_INSERT_TAIL(&server->connections, connection, link);
	server->connection_count++;
	connection->state = server->tls ? TN_HTTP_SHAKING : TN_HTTP_OPEN;
	event_assign(&connection->event, server->base, fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_edge, connection);
	note_idle(connection);
	if (!tn_http_stream_init(&connection->stream, fd, server->tls) || event_add(&connection->event, NULL) != 0)
		tn_http_connection_drop(connection);
}

void tn_http_connection_free(struct tn_http_connection *connection)
{
	tn_http_parser_fini(&connection->parser);
	tn_buf_fini(&connection->in);
	tn_buf_fini(&connection->out);
	free(connection);
}
