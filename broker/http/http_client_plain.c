/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client_plain.c - calls without TLS: libcurl resolves and connects, the exchange itself is ours.
 *
 * Called by http_client.c and by the loop. Owns the connections: a busy one belongs to its call, idle ones wait in a list. Loop thread only.
 *
 * Why not all by libcurl: deliveries to services nearby are the bus's hot path, and half of what such a request costs there goes into
 * formatting its header lines byte by byte, and into polling twice. Here a request is one sendmsg and one read.
 *
 *   start ---- kept connection ----------------------> send -> receive -> leave
 *      '-- libcurl: CONNECT_ONLY -> connected -> dup --^           |
 *                     ^------------------------------------ again, once: a kept connection had been closed by the other side, and nothing
 *                                                           came on it (RFC 9112 section 9.3.1)
 *
 * libcurl closes what it connected when its handle is removed, so the descriptor is duplicated: one system call a connection.
 */
#include "http_client_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { RECEIVE_SIZE = 64 * 1024 };

struct http_connection {
	struct http_connection *next; /* idle */
	struct tn_http_client *client;
	struct tn_http_call *call;    /* busy with it; NULL: idle */
	int fd;
	bool used;                    /* has carried an answer before */
	bool writing;
	int64_t idle_since_us;
	struct event read_event, write_event; /* reading is always registered */
	size_t origin_len;
	char origin[];                /* "host:port" */
};

/* --- Connections --- */

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);

static struct http_connection *new_connection(struct tn_http_client *client, int fd, const struct tn_buf *origin)
{
	struct http_connection *connection = calloc(1, sizeof *connection + origin->len);
	if (!connection)
		abort();
	connection->client = client;
	connection->fd = fd;
	connection->origin_len = origin->len;
	memcpy(connection->origin, origin->bytes, origin->len);
	event_assign(&connection->read_event, client->base, fd, EV_READ | EV_PERSIST, on_readable, connection);
	event_assign(&connection->write_event, client->base, fd, EV_WRITE | EV_PERSIST, on_writable, connection);
	event_add(&connection->read_event, NULL);
	return connection;
}

static void close_connection(struct http_connection *connection)
{
	event_del(&connection->read_event);
	event_del(&connection->write_event);
	close(connection->fd);
	free(connection);
}

static void set_writing(struct http_connection *connection, bool writing)
{
	if (writing == connection->writing)
		return;
	connection->writing = writing;
	if (writing)
		event_add(&connection->write_event, NULL);
	else
		event_del(&connection->write_event);
}

/* --- Idle ones --- */

static bool is_old(const struct tn_http_client *client, const struct http_connection *connection, int64_t now_us)
{
	return now_us - connection->idle_since_us >= client->options.idle_ms * 1000;
}

static void unlink_idle(struct tn_http_client *client, struct http_connection **place)
{
	*place = (*place)->next;
	client->idle_count--;
}

static void arm_idle_timer(struct tn_http_client *client)
{
	struct timeval wait = {.tv_sec = client->options.idle_ms / 1000, .tv_usec = client->options.idle_ms % 1000 * 1000};
	if (!event_pending(&client->idle_timer, EV_TIMEOUT, NULL))
		event_add(&client->idle_timer, &wait);
}

static void on_idle_timer(evutil_socket_t fd, short what, void *arg)
{
	struct tn_http_client *client = arg;
	int64_t now_us = tn_http_now_us();
	struct http_connection **place = &client->idle;
	while (*place) {
		struct http_connection *connection = *place;
		if (is_old(client, connection, now_us)) {
			unlink_idle(client, place);
			close_connection(connection);
		} else {
			place = &connection->next;
		}
	}
	if (client->idle)
		arm_idle_timer(client);
}

static void keep_connection(struct http_connection *connection, int64_t now_us)
{
	struct tn_http_client *client = connection->client;
	if (client->idle_count >= client->options.idle_connections) {
		close_connection(connection);
		return;
	}
	if (!client->idle)
		arm_idle_timer(client);
	connection->call = NULL;
	connection->used = true;
	connection->idle_since_us = now_us;
	connection->next = client->idle;
	client->idle = connection;
	client->idle_count++;
}

static void drop_idle(struct http_connection *connection)
{
	struct http_connection **place = &connection->client->idle;
	while (*place != connection)
		place = &(*place)->next;
	unlink_idle(connection->client, place);
	close_connection(connection);
}

/* The one used last: others may grow old and go. */
static struct http_connection *take_idle(struct tn_http_client *client, const struct tn_buf *origin, int64_t now_us)
{
	for (struct http_connection **place = &client->idle; *place; place = &(*place)->next) {
		struct http_connection *connection = *place;
		if (connection->origin_len != origin->len || memcmp(connection->origin, origin->bytes, origin->len) != 0)
			continue;
		unlink_idle(client, place);
		if (!is_old(client, connection, now_us))
			return connection;
		close_connection(connection);
		return NULL; /* those behind it are older */
	}
	return NULL;
}

/* --- The exchange --- */

static void connect_anew(struct tn_http_call *call)
{
	CURLMcode code = curl_multi_add_handle(call->client->multi, call->easy);
	if (code == CURLM_OK)
		return;
	snprintf(call->message, sizeof call->message, "%s", curl_multi_strerror(code));
	tn_http_client_end_later(call, TN_HTTP_LOCAL);
}

static bool nothing_came(const struct tn_http_response *response)
{
	return response->state == TN_RESPONSE_STATUS && response->line_bytes == 0 && response->status == 0;
}

/* The connection is of no use any more. Not from within start: there it would be handed over too early. */
static void break_off(struct tn_http_call *call, const char *why, bool from_loop)
{
	struct http_connection *connection = call->plain.connection;
	bool stale = connection->used && nothing_came(&call->plain.response);
	close_connection(connection);
	call->plain.connection = NULL;
	if (stale) {
		call->plain.sent = 0;
		connect_anew(call);
		return;
	}
	snprintf(call->message, sizeof call->message, "%s", why);
	if (from_loop)
		tn_http_client_end(call, TN_HTTP_TRANSPORT);
	else
		tn_http_client_end_later(call, TN_HTTP_TRANSPORT);
}

static ssize_t send_more(struct tn_http_call *call)
{
	const struct tn_buf *head = &call->plain.head;
	struct tn_str body = call->options.body;
	size_t head_sent = call->plain.sent < head->len ? call->plain.sent : head->len, body_sent = call->plain.sent - head_sent;
	struct iovec parts[2] = {
		{.iov_base = head->bytes + head_sent, .iov_len = head->len - head_sent},
		{.iov_base = (void *)(uintptr_t)(body.bytes + body_sent), .iov_len = body.len - body_sent},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	return sendmsg(call->plain.connection->fd, &message, MSG_NOSIGNAL);
}

static bool is_sent(const struct tn_http_call *call)
{
	return call->plain.sent == call->plain.head.len + call->options.body.len;
}

static void send_request(struct tn_http_call *call, bool from_loop)
{
	while (!is_sent(call)) {
		ssize_t n = send_more(call);
		if (n >= 0) {
			call->plain.sent += (size_t)n;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			set_writing(call->plain.connection, true);
			return;
		} else if (errno != EINTR) {
			char why[128];
			/* An answer may have come before the connection broke (413): reading finds out. */
			if (errno == EPIPE && call->plain.sent > 0)
				break;
			snprintf(why, sizeof why, "sending failed: %m");
			break_off(call, why, from_loop);
			return;
		}
	}
	set_writing(call->plain.connection, false);
}

static void begin(struct tn_http_call *call, struct http_connection *connection, bool from_loop)
{
	connection->call = call;
	call->plain.connection = connection;
	tn_http_response_start(&call->plain.response, strcmp(call->options.method, "HEAD") == 0);
	send_request(call, from_loop);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct http_connection *connection = arg;
	send_request(connection->call, true);
}

static void look_at_state(struct tn_http_call *call)
{
	switch (call->plain.response.state) {
	case TN_RESPONSE_DONE:
	case TN_RESPONSE_CUT:
		tn_http_client_end(call, TN_HTTP_FINE);
		break;
	case TN_RESPONSE_BROKEN:
		break_off(call, "the answer broke off or is not HTTP", true);
		break;
	default:
		break;
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct http_connection *connection = arg;
	struct tn_http_client *client = connection->client;
	struct tn_http_call *call = connection->call;
	if (!call) { /* closed by the other side, or it speaks without being asked */
		drop_idle(connection);
		return;
	}
	ssize_t n = read(fd, client->received, RECEIVE_SIZE);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	struct tn_http_response *response = &call->plain.response;
	if (n < 0) {
		char why[128];
		snprintf(why, sizeof why, "receiving failed: %m");
		break_off(call, why, true);
		return;
	}
	if (n == 0 && nothing_came(response)) {
		break_off(call, "the connection was closed without an answer", true);
		return;
	}
	if (n == 0) {
		tn_http_response_close(response);
	} else if (tn_http_response_feed(response, tn_str_make(client->received, (size_t)n)) < (size_t)n) {
		response->keep = false;
	}
	look_at_state(call);
}

void tn_http_plain_leave(struct tn_http_call *call)
{
	struct http_connection *connection = call->plain.connection;
	event_del(&call->plain.timer);
	if (!connection)
		return;
	call->plain.connection = NULL;
	if (call->plain.response.state == TN_RESPONSE_DONE && call->plain.response.keep && is_sent(call) && !tn_http_call_misdirected(call))
		keep_connection(connection, tn_http_now_us());
	else
		close_connection(connection);
}

/* --- Starting --- */

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct tn_http_call *call = arg;
	snprintf(call->message, sizeof call->message, "no answer within %lld ms", (long long)call->options.timeout_ms);
	tn_http_client_end(call, TN_HTTP_TIMEOUT);
}

void tn_http_plain_start(struct tn_http_call *call)
{
	struct timeval wait = {.tv_sec = call->options.timeout_ms / 1000, .tv_usec = call->options.timeout_ms % 1000 * 1000};
	struct http_connection *connection = take_idle(call->client, &call->plain.origin, call->started_us);
	evtimer_assign(&call->plain.timer, call->client->base, on_timeout, call);
	event_add(&call->plain.timer, &wait);
	if (connection)
		begin(call, connection, false);
	else
		connect_anew(call);
}

void tn_http_plain_connected(struct tn_http_call *call)
{
	curl_socket_t theirs = CURL_SOCKET_BAD;
	curl_easy_getinfo(call->easy, CURLINFO_ACTIVESOCKET, &theirs);
	int fd = theirs == CURL_SOCKET_BAD ? -1 : fcntl(theirs, F_DUPFD_CLOEXEC, 0);
	int why = errno;
	curl_multi_remove_handle(call->client->multi, call->easy);
	if (fd < 0) {
		errno = why;
		snprintf(call->message, sizeof call->message, "the connection could not be taken over: %m");
		tn_http_client_end(call, TN_HTTP_LOCAL);
		return;
	}
	begin(call, new_connection(call->client, fd, &call->plain.origin), true);
}

/* --- The request --- */

static bool add_part(struct tn_http_call *call, CURLU *parts, CURLUPart part, unsigned flags, struct tn_buf *out)
{
	char *text = NULL;
	CURLUcode code = curl_url_get(parts, part, &text, flags);
	if (code == CURLUE_OK)
		tn_buf_add_text(out, text);
	else if (code != CURLUE_NO_QUERY)
		snprintf(call->message, sizeof call->message, "not a url: %s", curl_url_strerror(code));
	curl_free(text);
	return code == CURLUE_OK;
}

static bool read_url(struct tn_http_call *call, CURLU *parts)
{
	struct plain_request *plain = &call->plain;
	CURLUcode code = curl_url_set(parts, CURLUPART_URL, call->url.bytes, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS);
	if (code != CURLUE_OK) {
		snprintf(call->message, sizeof call->message, "not a url: %s", curl_url_strerror(code));
		return false;
	}
	tn_buf_clear(&plain->origin);
	tn_buf_clear(&plain->target);
	if (!add_part(call, parts, CURLUPART_HOST, CURLU_PUNYCODE, &plain->origin))
		return false;
	tn_buf_add_byte(&plain->origin, ':');
	if (!add_part(call, parts, CURLUPART_PORT, CURLU_DEFAULT_PORT, &plain->origin) || !add_part(call, parts, CURLUPART_PATH, 0, &plain->target))
		return false;
	size_t path_len = plain->target.len;
	tn_buf_add_byte(&plain->target, '?');
	if (!add_part(call, parts, CURLUPART_QUERY, 0, &plain->target))
		plain->target.len = path_len;
	return true;
}

bool tn_http_plain_set_url(struct tn_http_call *call)
{
	CURLU *parts = curl_url();
	if (!parts)
		abort();
	bool good = read_url(call, parts);
	curl_url_cleanup(parts);
	curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, 0L); /* the timer of the call is ours */
	call->timeout_ms = -1;
	return good;
}

static void add_host(struct tn_buf *head, struct tn_str origin)
{
	struct tn_str standard = TN_STR(":80");
	tn_buf_add(head, "Host: ", 6);
	tn_buf_add(head, origin.bytes, tn_str_ends(origin, standard) ? origin.len - standard.len : origin.len);
	tn_buf_add(head, "\r\n", 2);
}

/* Room for all lines was made. */
static char *put(char *at, struct tn_str text)
{
	memcpy(at, text.bytes, text.len);
	return at + text.len;
}

static void add_headers(struct tn_buf *head, const struct tn_http_call_options *options)
{
	size_t need = 2;
	for (size_t i = 0; i < options->header_count; i++)
		need += options->headers[i].name.len + options->headers[i].value.len + 4;
	char *start = tn_buf_reserve(head, need), *at = start;
	for (size_t i = 0; i < options->header_count; i++) {
		at = put(at, options->headers[i].name);
		*at++ = ':';
		if (options->headers[i].value.len > 0) {
			*at++ = ' ';
			at = put(at, options->headers[i].value);
		}
		at = put(at, TN_STR("\r\n"));
	}
	head->len += (size_t)(at - start);
}

void tn_http_plain_prepare(struct tn_http_call *call)
{
	struct tn_buf *head = &call->plain.head;
	const struct tn_http_call_options *options = &call->options;
	bool states_length = options->body.len > 0 || strcmp(options->method, "POST") == 0 || strcmp(options->method, "PUT") == 0;
	tn_buf_clear(head);
	tn_buf_add_text(head, options->method);
	tn_buf_add_byte(head, ' ');
	tn_buf_add_str(head, tn_buf_str(&call->plain.target));
	tn_buf_add(head, " HTTP/1.1\r\n", 11);
	add_host(head, tn_buf_str(&call->plain.origin));
	add_headers(head, options);
	if (states_length) {
		tn_buf_add(head, "Content-Length: ", 16);
		tn_buf_add_u64(head, options->body.len);
		tn_buf_add(head, "\r\n", 2);
	}
	tn_buf_add(head, "\r\n", 2);
}

/* --- The answer --- */

static void on_status(void *arg, int32_t status)
{
	tn_http_call_status(arg, status);
}

static bool on_header(void *arg, struct tn_str name, struct tn_str value)
{
	return tn_http_call_header(arg, name, value);
}

static void on_headers_end(void *arg)
{
	struct tn_http_call *call = arg;
	call->headers_whole = true;
}

static bool on_body(void *arg, struct tn_str bytes)
{
	return tn_http_call_body(arg, bytes);
}

void tn_http_plain_init_call(struct tn_http_call *call)
{
	static const struct tn_http_response_ops ops = {on_status, on_header, on_headers_end, on_body};
	call->plain.response.ops = &ops;
	call->plain.response.arg = call;
}

/* --- With the client --- */

void tn_http_plain_init(struct tn_http_client *client)
{
	client->received = malloc(RECEIVE_SIZE);
	if (!client->received)
		abort();
	evtimer_assign(&client->idle_timer, client->base, on_idle_timer, client);
}

void tn_http_plain_fini(struct tn_http_client *client)
{
	while (client->idle)
		drop_idle(client->idle);
	event_del(&client->idle_timer);
	free(client->received);
}
