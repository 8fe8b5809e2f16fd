/* SPDX-License-Identifier: Apache-2.0
 *
 * http_server.c - the listener, the turn that writes answers, the sweep that looks at time limits (http_server.h is the contract).
 *
 * Called by whoever serves HTTP. Owns listener, connections and spare requests. Loop thread only.
 */
#include "http_connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
	ACCEPTS_A_TURN = 64,
	RETRY_MS = 100, /* after running out of descriptors */
	IDLE_LEAST_MS = 100, /* before a connection goes for another one */
	SWEEP_MS = 500,
	SWEEP_LEAST_MS = 10,
};

int64_t tn_http_server_now(const struct tn_http_server *server)
{
	return tn_clock_mono_ms(server->clock);
}

static void add_timer(struct event *event, int64_t ms)
{
	struct timeval delay = {ms / 1000, (suseconds_t)(ms % 1000 * 1000)};
	event_add(event, &delay);
}

/* --- Who frees what, and when --- */

void tn_http_server_enter(struct tn_http_server *server)
{
	server->depth++;
}

static void free_closed(struct tn_http_server *server)
{
	struct tn_http_connection *connection;
	while ((connection = SLIST_FIRST(&server->closed))) {
		SLIST_REMOVE_HEAD(&server->closed, closed_link);
		TAILQ_REMOVE(&server->connections, connection, link);
		if (connection->due)
			TAILQ_REMOVE(&server->due, connection, due_link);
		tn_http_connection_free(connection);
	}
}

static void destroy(struct tn_http_server *server)
{
	struct event *events[] = {&server->accept_event, &server->retry_event, &server->idle_event, &server->turn_event,
		&server->again_event, &server->sweep_event};
	struct tn_http_request *request;
	for (size_t i = 0; i < sizeof events / sizeof *events; i++)
		event_del(events[i]);
	while ((request = TAILQ_FIRST(&server->spare))) {
		TAILQ_REMOVE(&server->spare, request, link);
		tn_http_request_free(request);
	}
	free(server->scratch);
	free(server);
}

void tn_http_server_leave(struct tn_http_server *server)
{
	if (--server->depth)
		return;
	free_closed(server);
	if (server->freed)
		destroy(server);
}

/* --- Accepting --- */

static bool is_full(const struct tn_http_server *server)
{
	return server->connection_count >= server->limits.connections;
}

static void start_accepting(struct tn_http_server *server)
{
	if (server->accepting || server->draining || server->freed || event_pending(&server->retry_event, EV_TIMEOUT, NULL))
		return;
	if (is_full(server) && TAILQ_EMPTY(&server->idle))
		return;
	server->accepting = event_add(&server->accept_event, NULL) == 0;
}

static void stop_accepting(struct tn_http_server *server)
{
	event_del(&server->accept_event);
	server->accepting = false;
}

/* --- Idle connections make room ---
 *
 * With all connections taken, the one that is idle longest goes when another one waits. Not before IDLE_LEAST_MS, or every answer
 * would cost a busy sender its connection while it is writing the next request; so accepting stops until the first has come of age.
 * Each step takes or puts one end of the list: what a connection costs does not grow with their number.
 */

static void wait_for_age(struct tn_http_server *server, int64_t ms)
{
	if (!server->accepting && !server->draining && !server->freed && !event_pending(&server->idle_event, EV_TIMEOUT, NULL))
		add_timer(&server->idle_event, ms);
}

void tn_http_server_note_idle(struct tn_http_server *server, struct tn_http_connection *connection, bool idle)
{
	if (connection->idling == idle)
		return;
	connection->idling = idle;
	if (!idle) {
		TAILQ_REMOVE(&server->idle, connection, idle_link);
		return;
	}
	connection->idle_since_ms = tn_http_server_now(server);
	TAILQ_INSERT_TAIL(&server->idle, connection, idle_link);
	wait_for_age(server, IDLE_LEAST_MS);
}

/* NULL: none is idle, or none long enough. */
static struct tn_http_connection *find_idle(struct tn_http_server *server)
{
	struct tn_http_connection *connection;
	while ((connection = TAILQ_FIRST(&server->idle))) {
		if (tn_http_server_now(server) - connection->idle_since_ms < IDLE_LEAST_MS)
			return NULL;
		if (!tn_http_stream_unread(&connection->stream))
			return connection;
		tn_http_server_note_idle(server, connection, false); /* until what it has sent was looked at */
	}
	return NULL;
}

static void stop_at_limit(struct tn_http_server *server)
{
	const struct tn_http_connection *first = TAILQ_FIRST(&server->idle);
	server->counts.over_limit++;
	stop_accepting(server);
	if (first)
		wait_for_age(server, first->idle_since_ms + IDLE_LEAST_MS - tn_http_server_now(server));
}

void tn_http_server_bury(struct tn_http_server *server, struct tn_http_connection *connection)
{
	SLIST_INSERT_HEAD(&server->closed, connection, closed_link);
	server->connection_count--;
	start_accepting(server);
}

static void start_sweeping(struct tn_http_server *server)
{
	if (server->sweeping)
		return;
	server->sweeping = true;
	server->swept_ms = tn_http_server_now(server);
	add_timer(&server->sweep_event, server->sweep_ms);
}

/* False: no more now. */
static bool accept_one(struct tn_http_server *server)
{
	struct tn_http_connection *idle = NULL;
	if (is_full(server) && !(idle = find_idle(server))) {
		stop_at_limit(server);
		return false;
	}
	int fd = accept4(server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		server->counts.accepted++;
		if (idle)
			tn_http_connection_give_way(idle);
		tn_http_connection_new(server, fd);
		start_sweeping(server);
		return true;
	}
	if (errno == EINTR || errno == ECONNABORTED)
		return true;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return false;
	/* No descriptors or memory: the connection stays where it is, and asking again at once would spin. */
	server->counts.over_limit++;
	stop_accepting(server);
	add_timer(&server->retry_event, RETRY_MS);
	return false;
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct tn_http_server *server = arg;
	tn_http_server_enter(server);
	for (int i = 0; i < ACCEPTS_A_TURN && accept_one(server); i++)
		;
	tn_http_server_leave(server);
}

/* What stopped it may be over: descriptors, the connection cap. */
static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	start_accepting(arg);
}

/* --- The turn --- */

static void add_due(struct tn_http_server *server, struct tn_http_connection *connection)
{
	connection->due = true;
	TAILQ_INSERT_TAIL(&server->due, connection, due_link);
}

void tn_http_server_make_due(struct tn_http_server *server, struct tn_http_connection *connection)
{
	if (!connection->due)
		add_due(server, connection);
	event_active(&server->turn_event, EV_TIMEOUT, 0);
}

void tn_http_server_make_due_later(struct tn_http_server *server, struct tn_http_connection *connection)
{
	if (!connection->due)
		add_due(server, connection);
	add_timer(&server->again_event, 0);
}

static void run_due(struct tn_http_server *server, struct tn_http_connection *connection)
{
	if (connection->state == TN_HTTP_CLOSED)
		return;
	tn_http_connection_take(connection);
	tn_http_connection_flush(connection);
	if (tn_http_connection_unblocked(connection))
		tn_http_server_make_due_later(server, connection);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct tn_http_server *server = arg;
	struct tn_http_connection_list now = TAILQ_HEAD_INITIALIZER(now);
	struct tn_http_connection *connection;
	tn_http_server_enter(server);
	TAILQ_CONCAT(&now, &server->due, due_link);
	while ((connection = TAILQ_FIRST(&now))) {
		TAILQ_REMOVE(&now, connection, due_link);
		connection->due = false;
		run_due(server, connection);
	}
	tn_http_server_leave(server);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct tn_http_server *server = arg;
	struct tn_http_connection *connection;
	int64_t now_ms = tn_http_server_now(server), elapsed_ms = now_ms - server->swept_ms;
	server->swept_ms = now_ms;
	tn_http_server_enter(server);
	TAILQ_FOREACH(connection, &server->connections, link)
		tn_http_connection_sweep(connection, now_ms, elapsed_ms);
	server->sweeping = server->connection_count > 0;
	if (server->sweeping)
		add_timer(&server->sweep_event, server->sweep_ms);
	tn_http_server_leave(server);
}

/* --- Making one --- */

static int64_t or_default(int64_t value, int64_t standard)
{
	return value ? value : standard;
}

static struct tn_http_limits with_defaults(const struct tn_http_limits *limits)
{
	return (struct tn_http_limits){
		.connections = limits->connections ? limits->connections : 1024,
		.header_bytes = limits->header_bytes ? limits->header_bytes : 80 * 1024,
		.header_count = limits->header_count ? limits->header_count : 256,
		.body_bytes = limits->body_bytes ? limits->body_bytes : 1024 * 1024,
		.pipeline = limits->pipeline ? limits->pipeline : 16,
		.header_ms = or_default(limits->header_ms, 10000),
		.idle_ms = or_default(limits->idle_ms, 60000),
		.body_rate = limits->body_rate ? limits->body_rate : 1024,
		.write_ms = or_default(limits->write_ms, 30000),
		.output_bytes = limits->output_bytes ? limits->output_bytes : 1024 * 1024,
	};
}

/* Often enough for the shortest limit. */
static int64_t sweep_interval(const struct tn_http_limits *limits)
{
	int64_t shortest = limits->header_ms;
	if (limits->idle_ms < shortest)
		shortest = limits->idle_ms;
	if (limits->write_ms < shortest)
		shortest = limits->write_ms;
	int64_t interval = shortest / 8;
	return interval < SWEEP_LEAST_MS ? SWEEP_LEAST_MS : interval > SWEEP_MS ? SWEEP_MS : interval;
}

static struct tn_http_server *new_server(struct event_base *base, const struct tn_http_server_options *options)
{
	struct tn_http_server *server = calloc(1, sizeof *server);
	if (!server || !(server->scratch = malloc(TN_HTTP_SCRATCH_BYTES)))
		abort();
	server->base = base;
	server->ops = options->ops;
	server->arg = options->arg;
	server->limits = with_defaults(&options->limits);
	server->tls = options->tls;
	server->clock = options->clock ? options->clock : &tn_clock_system;
	server->sweep_ms = sweep_interval(&server->limits);
	TAILQ_INIT(&server->connections);
	TAILQ_INIT(&server->due);
	TAILQ_INIT(&server->idle);
	TAILQ_INIT(&server->spare);
	SLIST_INIT(&server->closed);
	return server;
}

enum tn_status tn_http_server_new(struct event_base *base, const struct tn_http_server_options *options,
	struct tn_http_server **out_server, struct tn_error *error)
{
	struct tn_http_listener listener;
	if (!(event_base_get_features(base) & EV_FEATURE_ET)) {
		tn_error_set(error, "the HTTP server needs an event loop on epoll");
		return TN_UNSUPPORTED;
	}
	uint32_t mode = options->unix_mode ? options->unix_mode : 0600;
	enum tn_status status = tn_http_listener_open(options->listen, options->port, mode, &listener, error);
	if (status != TN_OK)
		return status;
	struct tn_http_server *server = new_server(base, options);
	server->listener = listener;
	event_assign(&server->accept_event, base, listener.fd, EV_READ | EV_PERSIST, on_accept, server);
	event_assign(&server->retry_event, base, -1, 0, on_retry, server);
	event_assign(&server->idle_event, base, -1, 0, on_retry, server);
	event_assign(&server->turn_event, base, -1, 0, on_turn, server);
	event_assign(&server->again_event, base, -1, 0, on_turn, server);
	event_assign(&server->sweep_event, base, -1, 0, on_sweep, server);
	start_accepting(server);
	*out_server = server;
	return TN_OK;
}

void tn_http_server_free(struct tn_http_server *server)
{
	struct tn_http_connection *connection;
	if (!server || server->freed)
		return;
	tn_http_server_enter(server);
	server->freed = true;
	stop_accepting(server);
	tn_http_listener_close(&server->listener);
	TAILQ_FOREACH(connection, &server->connections, link)
		tn_http_connection_drop(connection);
	tn_http_server_leave(server);
}

/* --- Control --- */

void tn_http_server_pause(struct tn_http_server *server, bool paused)
{
	struct tn_http_connection *connection;
	server->paused = paused;
	if (paused)
		return;
	TAILQ_FOREACH(connection, &server->connections, link)
		if (connection->blocked)
			tn_http_server_make_due(server, connection);
}

void tn_http_server_drain(struct tn_http_server *server)
{
	struct tn_http_connection *connection;
	if (server->draining)
		return;
	server->draining = true;
	stop_accepting(server);
	tn_http_listener_close(&server->listener);
	TAILQ_FOREACH(connection, &server->connections, link)
		if (tn_http_connection_idle(connection))
			tn_http_connection_end(connection);
}

const char *tn_http_server_address(const struct tn_http_server *server)
{
	return server->listener.address;
}

uint32_t tn_http_server_connections(const struct tn_http_server *server)
{
	return server->connection_count;
}

void tn_http_server_counts(const struct tn_http_server *server, struct tn_http_server_counts *out_counts)
{
	*out_counts = server->counts;
}
