/* SPDX-License-Identifier: Apache-2.0
 *
 * load.c - the load generator: epoll, non-blocking sockets, one request at a time on each connection.
 *
 * Called by command_send.c and bench_http.c. Owns its sockets and buffers for the length of one run.
 *
 *   IDLE --render--> CONNECTING --> WRITING --> READING --answer--> IDLE, or PAUSED (to be repeated) --time--> WRITING
 *     ^                                            |
 *     '---- closed, broken, timed out: settled unanswered, or PAUSED when repeating
 *
 * An answer whose end cannot be told by Content-Length is taken by its status, and the connection is closed after it.
 */
#include "load.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define HEAD_LIMIT 16384 /* bytes of an answer's head; more breaks the connection */
#define BODY_KEPT 1024 /* bytes of an answer's body that the caller gets to see */
#define EVENTS_AT_ONCE 256
#define SWEEP_US 50000 /* how often deadlines of all connections are looked at */
#define PROGRESS_US 200000
#define RETRY_PAUSE_US 50000 /* between tries when the answer names no time */
#define RETRY_AFTER_LIMIT_S 60

enum state { IDLE, CONNECTING, WRITING, READING, PAUSED };

struct connection {
	int fd; /* -1: none */
	enum state state;
	uint32_t slot;
	bool watching_writes; /* EPOLLOUT is asked for */
	struct tn_buf request;
	size_t written;
	int64_t due_us; /* when the request should have gone out */
	int64_t deadline_us; /* of this try; of the pause, when PAUSED */
	char head[HEAD_LIMIT];
	size_t head_len;
	size_t body_kept; /* head begins with so many bytes of the body, once the head itself was read */
	uint64_t body_left;
	int status; /* of the answer whose body is being read; 0: its head is not complete */
	bool close_after;
	int64_t retry_after_us;
};

struct load {
	const struct tn_load_options *options;
	struct tn_load_counts *counts;
	struct connection *connections;
	uint32_t *idle; /* a stack of slots */
	uint32_t idle_count;
	int epoll;
	bool ended; /* render has no more */
	bool waiting; /* render said LATER */
	int64_t started_us, next_sweep_us, next_progress_us, last_good_us;
	enum tn_status status; /* not OK: stop at once */
	struct tn_error *error;
};

int64_t tn_load_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void try_write(struct load *load, struct connection *connection);

/* --- The end of a try --- */

static void disconnect(struct connection *connection)
{
	if (connection->fd >= 0)
		close(connection->fd); /* leaves the epoll set by itself */
	connection->fd = -1;
	connection->watching_writes = false;
}

static void settle(struct load *load, struct connection *connection, int status)
{
	load->counts->under_way--;
	if (status != 0)
		tn_histogram_add(&load->counts->latency, tn_load_now_us() - connection->due_us);
	connection->state = IDLE;
	load->idle[load->idle_count++] = connection->slot;
	if (load->options->settled)
		load->options->settled(load->options->arg, connection->slot, status,
		        tn_str_make(connection->head, status ? connection->body_kept : 0));
}

static void pause_try(struct connection *connection, int64_t pause_us)
{
	connection->state = PAUSED;
	connection->deadline_us = tn_load_now_us() + pause_us;
}

static void take_answer(struct load *load, struct connection *connection)
{
	int status = connection->status;

	load->counts->answers[status < 600 ? status : 599]++;
	if (connection->close_after)
		disconnect(connection);
	if (status < 400)
		load->last_good_us = tn_load_now_us();
	if (load->options->retry && (status == 503 || status == 429))
		pause_try(connection, connection->retry_after_us > 0 ? connection->retry_after_us : RETRY_PAUSE_US);
	else
		settle(load, connection, status);
}

/* The connection broke, or time is up. reached: at least part of the request went out. */
static void lose_try(struct load *load, struct connection *connection, bool reached, const char *why)
{
	bool refused = connection->state == CONNECTING;

	disconnect(connection);
	if (connection->state == IDLE || connection->state == PAUSED) /* the server closed a kept connection */
		return;
	if (reached)
		load->counts->unanswered++;
	else
		load->counts->unreached++;
	if (load->options->retry) {
		pause_try(connection, RETRY_PAUSE_US);
		return;
	}
	settle(load, connection, 0);
	if (refused) {
		tn_error_set(load->error, "cannot connect to %s: %s", load->options->url->host, why);
		load->status = TN_IO;
	}
}

/* --- Reading answers --- */

static void read_retry_after(struct connection *connection, const char *value)
{
	long seconds = strtol(value, NULL, 10);

	if (seconds > RETRY_AFTER_LIMIT_S)
		seconds = RETRY_AFTER_LIMIT_S;
	if (seconds > 0)
		connection->retry_after_us = (int64_t)seconds * 1000000;
}

static void read_header_line(struct connection *connection, const char *line, bool *out_has_length)
{
	if (strncasecmp(line, "content-length:", 15) == 0) {
		connection->body_left = strtoull(line + 15, NULL, 10);
		*out_has_length = true;
	} else if (strncasecmp(line, "connection:", 11) == 0) {
		connection->close_after = strcasestr(line + 11, "close") != NULL;
	} else if (strncasecmp(line, "retry-after:", 12) == 0) {
		read_retry_after(connection, line + 12);
	}
}

/* head[0..len-1] ends with the empty line. False: not HTTP. */
static bool read_head(struct connection *connection, size_t len)
{
	bool has_length = false;
	char *line = connection->head;

	connection->head[len - 1] = '\0';
	if (len < 13 || strncmp(line, "HTTP/1.", 7) != 0)
		return false;
	connection->status = (int)strtol(line + 9, NULL, 10);
	connection->close_after = line[7] == '0';
	connection->body_left = 0;
	connection->retry_after_us = 0;
	if (connection->status < 100 || connection->status > 999)
		return false;
	for (line = strchr(line, '\n'); line; line = strchr(line + 1, '\n'))
		read_header_line(connection, line + 1, &has_length);
	if (!has_length && connection->status >= 200 && connection->status != 204 && connection->status != 304)
		connection->close_after = true;
	return true;
}

/* Counts off the body's bytes and throws away all but its start. */
static void take_body(struct connection *connection)
{
	size_t fresh = connection->head_len - connection->body_kept;
	size_t kept = BODY_KEPT - connection->body_kept;
	char *drop;

	if (fresh > connection->body_left)
		fresh = connection->body_left;
	if (kept > fresh)
		kept = fresh;
	connection->body_left -= fresh;
	connection->body_kept += kept;
	drop = connection->head + connection->body_kept;
	connection->head_len -= fresh - kept;
	memmove(drop, drop + fresh - kept, connection->head_len - connection->body_kept);
}

/* Looks at what has come so far; true: a whole answer. *out_broken: nonsense. */
static bool parse_answer(struct connection *connection, bool *out_broken)
{
	*out_broken = false;
	for (;;) {
		char *end;

		if (connection->status == 0) {
			end = memmem(connection->head, connection->head_len, "\r\n\r\n", 4);
			if (!end) {
				*out_broken = connection->head_len == HEAD_LIMIT;
				return false;
			}
			end += 4;
			if (!read_head(connection, (size_t)(end - connection->head))) {
				*out_broken = true;
				return false;
			}
			connection->head_len -= (size_t)(end - connection->head);
			memmove(connection->head, end, connection->head_len);
			if (connection->status < 200) { /* 100 Continue: the answer is still to come */
				connection->status = 0;
				continue;
			}
		}
		take_body(connection);
		return connection->body_left == 0;
	}
}

static void on_readable(struct load *load, struct connection *connection)
{
	ssize_t got =
	        recv(connection->fd, connection->head + connection->head_len, HEAD_LIMIT - connection->head_len, 0);
	bool broken;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0 || connection->state == IDLE || connection->state == PAUSED) { /* unasked bytes end it too */
		lose_try(load, connection, connection->state != CONNECTING, got < 0 ? strerror(errno) : "closed");
		return;
	}
	connection->head_len += (size_t)got;
	if (parse_answer(connection, &broken)) {
		/* An answer before the end of the request: what is left of it must not be sent. */
		if (connection->state == WRITING || connection->head_len > connection->body_kept)
			connection->close_after = true;
		take_answer(load, connection);
	} else if (broken) {
		lose_try(load, connection, true, "the answer is not HTTP");
	}
}

/* --- Writing requests --- */

static void watch(struct load *load, struct connection *connection, bool writes, bool is_new)
{
	struct epoll_event event = {
	        .events = EPOLLIN | (writes ? (uint32_t)EPOLLOUT : 0), .data.u32 = connection->slot};

	if (!is_new && connection->watching_writes == writes)
		return;
	epoll_ctl(load->epoll, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, connection->fd, &event);
	connection->watching_writes = writes;
}

static void try_connect(struct load *load, struct connection *connection)
{
	const struct tn_load_url *url = load->options->url;
	int one = 1;

	connection->state = CONNECTING;
	connection->fd = socket(url->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connection->fd < 0) {
		lose_try(load, connection, false, strerror(errno));
		return;
	}
	setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(connection->fd, (const struct sockaddr *)&url->address, url->address_len) == 0) {
		watch(load, connection, false, true);
		try_write(load, connection);
	} else if (errno == EINPROGRESS) {
		watch(load, connection, true, true);
	} else {
		lose_try(load, connection, false, strerror(errno));
	}
}

static void on_write_error(struct load *load, struct connection *connection)
{
	if (connection->state == CONNECTING) {
		lose_try(load, connection, false, strerror(errno));
	} else if (connection->written == 0) { /* a kept connection that the server has closed meanwhile */
		disconnect(connection);
		try_connect(load, connection);
	} else {
		on_readable(load, connection); /* it may have been refused with an answer before its end */
	}
}

static void try_write(struct load *load, struct connection *connection)
{
	size_t left = connection->request.len - connection->written;
	ssize_t put = send(connection->fd, connection->request.bytes + connection->written, left, MSG_NOSIGNAL);

	if (put < 0 && errno != EAGAIN && errno != EINTR) {
		on_write_error(load, connection);
		return;
	}
	if (connection->written == 0 && put > 0)
		load->counts->tries++;
	connection->written += put > 0 ? (size_t)put : 0;
	connection->state = connection->written == connection->request.len ? READING : WRITING;
	watch(load, connection, connection->state == WRITING, false);
}

/* One more try of the request that stands in connection->request. */
static void begin_try(struct load *load, struct connection *connection)
{
	connection->written = 0;
	connection->head_len = 0;
	connection->body_kept = 0;
	connection->status = 0;
	connection->deadline_us = tn_load_now_us() + load->options->timeout_ms * 1000;
	if (connection->fd >= 0)
		try_write(load, connection);
	else
		try_connect(load, connection);
}

static void on_writable(struct load *load, struct connection *connection)
{
	int code = 0;
	socklen_t len = sizeof(code);

	if (connection->state == CONNECTING && getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &code, &len) == 0 &&
	        code != 0)
		lose_try(load, connection, false, strerror(code));
	else if (connection->state == CONNECTING || connection->state == WRITING)
		try_write(load, connection);
	else
		watch(load, connection, false, false);
}

/* --- Pacing --- */

/* When the next request should go out; now when there is no rate. */
static int64_t next_due_us(const struct load *load, int64_t now_us)
{
	if (load->options->rate <= 0)
		return now_us;
	return load->started_us + (int64_t)((double)load->counts->requests * 1e6 / load->options->rate);
}

static void start_due(struct load *load, int64_t now_us)
{
	while (load->idle_count > 0 && !load->ended && !load->waiting && load->status == TN_OK) {
		int64_t due_us = next_due_us(load, now_us);
		struct connection *connection = &load->connections[load->idle[load->idle_count - 1]];
		enum tn_load_next next;

		if (due_us > now_us || (load->options->stop && *load->options->stop))
			return;
		tn_buf_clear(&connection->request);
		next = load->options->render(load->options->arg, connection->slot, due_us, &connection->request);
		load->ended = next == TN_LOAD_END;
		load->waiting = next == TN_LOAD_LATER;
		if (next != TN_LOAD_READY)
			return;
		load->idle_count--;
		if (load->counts->under_way == 0)
			load->last_good_us = now_us; /* patience begins with work */
		load->counts->requests++;
		connection->due_us = due_us;
		load->counts->under_way++;
		begin_try(load, connection);
	}
}

/* Ends tries that took too long and begins those that have paused long enough. */
static void sweep(struct load *load, int64_t now_us)
{
	for (uint32_t i = 0; i < load->options->connections; i++) {
		struct connection *connection = &load->connections[i];

		if (connection->state == IDLE || connection->deadline_us > now_us)
			continue;
		if (connection->state == PAUSED)
			begin_try(load, connection);
		else
			lose_try(load, connection, connection->written > 0, "no answer in time");
	}
	if (load->options->retry && load->counts->under_way > 0 && load->status == TN_OK &&
	        now_us - load->last_good_us > load->options->give_up_ms * 1000) {
		tn_error_set(load->error, "given up: %s accepted nothing for %lld s", load->options->url->host,
		        (long long)load->options->give_up_ms / 1000);
		load->status = TN_IO;
	}
}

static struct timespec time_to_wait(const struct load *load, int64_t now_us)
{
	int64_t until_us = load->next_sweep_us;

	if (load->idle_count > 0 && !load->ended && !load->waiting && !(load->options->stop && *load->options->stop)) {
		int64_t due_us = next_due_us(load, now_us);

		until_us = due_us < until_us ? due_us : until_us;
	}
	until_us = until_us > now_us ? until_us - now_us : 0;
	return (struct timespec){.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
}

static void handle_event(struct load *load, const struct epoll_event *event)
{
	struct connection *connection;

	if (event->data.u32 == UINT32_MAX) { /* wake_fd */
		load->waiting = false;
		return;
	}
	connection = &load->connections[event->data.u32];
	if (connection->fd >= 0 && (event->events & EPOLLOUT))
		on_writable(load, connection);
	if (connection->fd >= 0 && (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && connection->state != CONNECTING)
		on_readable(load, connection);
}

/* wake_fd is watched only while render waits for it: it stays readable otherwise. */
static void watch_wake_fd(struct load *load, bool *watched)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = UINT32_MAX};

	if (load->options->wake_fd < 0 || *watched == load->waiting)
		return;
	if (epoll_ctl(load->epoll, load->waiting ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, load->options->wake_fd, &event) != 0)
		load->waiting = false; /* a regular file is always readable */
	*watched = load->waiting;
}

static void run_loop(struct load *load)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	bool watched = false;

	while (load->status == TN_OK) {
		int64_t now_us = tn_load_now_us();
		struct timespec wait;
		int count;

		start_due(load, now_us);
		if (load->counts->under_way == 0 && (load->ended || (load->options->stop && *load->options->stop)))
			break;
		watch_wake_fd(load, &watched);
		wait = time_to_wait(load, now_us);
		count = epoll_pwait2(load->epoll, events, EVENTS_AT_ONCE, &wait, NULL);
		for (int i = 0; i < count; i++)
			handle_event(load, &events[i]);
		now_us = tn_load_now_us();
		if (now_us >= load->next_sweep_us) {
			load->next_sweep_us = now_us + SWEEP_US;
			sweep(load, now_us);
		}
		if (load->options->progress && now_us >= load->next_progress_us) {
			load->next_progress_us = now_us + PROGRESS_US;
			load->options->progress(load->options->arg, load->counts);
		}
	}
}

static bool prepare(struct load *load)
{
	uint32_t count = load->options->connections;

	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->connections = calloc(count, sizeof(*load->connections));
	load->idle = calloc(count, sizeof(*load->idle));
	if (load->epoll < 0 || !load->connections || !load->idle)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		load->connections[i].fd = -1;
		load->connections[i].slot = i;
		load->idle[load->idle_count++] = i;
	}
	return true;
}

static void close_all(struct load *load)
{
	for (uint32_t i = 0; i < load->idle_count + load->counts->under_way; i++) {
		disconnect(&load->connections[i]);
		tn_buf_fini(&load->connections[i].request);
	}
	free(load->connections);
	free(load->idle);
	if (load->epoll >= 0)
		close(load->epoll);
}

enum tn_status tn_load_run(const struct tn_load_options *options, struct tn_load_counts *counts, struct tn_error *error)
{
	int64_t now_us = tn_load_now_us();
	struct load load = {.options = options,
	        .counts = counts,
	        .error = error,
	        .started_us = now_us,
	        .next_sweep_us = now_us + SWEEP_US,
	        .next_progress_us = now_us};

	assert(options->connections > 0);
	if (prepare(&load)) {
		run_loop(&load);
	} else {
		tn_error_set(error, "no memory for %u connections", options->connections);
		load.status = TN_NO_MEMORY;
	}
	if (options->progress)
		options->progress(options->arg, counts);
	close_all(&load);
	return load.status;
}
