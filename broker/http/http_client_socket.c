/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client_socket.c - libcurl's sockets and its timer as events of our loop.
 *
 * Called by libcurl and by the loop. Owns one http_socket for each descriptor that libcurl watches. Loop thread only.
 *
 * libcurl says REMOVE at the end of each request, also when the connection is kept, and IN again at the next one. A socket opened here
 * stays registered for reading in between: that saves two system calls a request, and the loop tells us of it only when the other side
 * closes (then it is unregistered; libcurl finds out when it wants to reuse it). Its own closing reaches us as tn_http_socket_close.
 * Descriptors that libcurl opened for itself (its resolver's) are unregistered at once, as we are not told when they are closed.
 *
 * The timer is lazy: libcurl moves it several times a request, mostly to later, so an earlier event of the loop is left standing and looks
 * at the due time when it fires. "At once" is not a timer but an active event.
 */
#include "http_client_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t tn_http_now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- Sockets --- */

static struct http_socket **find_place(struct tn_http_client *client, curl_socket_t fd)
{
	struct http_socket **place = &client->sockets[(unsigned)fd % HTTP_SOCKET_BUCKETS];
	while (*place && (*place)->fd != fd)
		place = &(*place)->next;
	return place;
}

static void act(struct http_socket *socket, int what)
{
	struct tn_http_client *client = socket->client;
	int running;
	curl_multi_socket_action(client->multi, socket->fd, what, &running);
	tn_http_client_settle(client);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct http_socket *socket = arg;
	if (socket->wanted) {
		act(socket, CURL_CSELECT_IN);
		return;
	}
	event_del(&socket->read_event);
	socket->reading = false;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	act(arg, CURL_CSELECT_OUT);
}

static struct http_socket *add_socket(struct tn_http_client *client, curl_socket_t fd, bool ours)
{
	struct http_socket **place = find_place(client, fd);
	struct http_socket *added = calloc(1, sizeof *added);
	if (!added)
		abort();
	added->client = client;
	added->fd = fd;
	added->ours = ours;
	event_assign(&added->read_event, client->base, fd, EV_READ | EV_PERSIST, on_readable, added);
	event_assign(&added->write_event, client->base, fd, EV_WRITE | EV_PERSIST, on_writable, added);
	added->next = *place;
	*place = added;
	return added;
}

static void set_reading(struct http_socket *socket, bool reading)
{
	if (reading == socket->reading)
		return;
	socket->reading = reading;
	if (reading)
		event_add(&socket->read_event, NULL);
	else
		event_del(&socket->read_event);
}

static void set_writing(struct http_socket *socket, bool writing)
{
	if (writing == socket->writing)
		return;
	socket->writing = writing;
	if (writing)
		event_add(&socket->write_event, NULL);
	else
		event_del(&socket->write_event);
}

static void free_socket(struct http_socket **place)
{
	struct http_socket *socket = *place;
	*place = socket->next;
	set_reading(socket, false);
	set_writing(socket, false);
	free(socket);
}

int tn_http_socket_watch(CURL *easy, curl_socket_t fd, int what, void *client_arg, void *socket_arg)
{
	struct tn_http_client *client = client_arg;
	struct http_socket *socket = socket_arg;
	if (!socket) {
		socket = *find_place(client, fd);
		if (!socket) {
			if (what == CURL_POLL_REMOVE)
				return 0;
			socket = add_socket(client, fd, false);
		}
		if (what != CURL_POLL_REMOVE)
			curl_multi_assign(client->multi, fd, socket);
	}
	if (what == CURL_POLL_REMOVE && !socket->ours) {
		free_socket(find_place(client, fd));
		return 0;
	}
	socket->wanted = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
	set_writing(socket, what == CURL_POLL_OUT || what == CURL_POLL_INOUT);
	if (what != CURL_POLL_REMOVE)
		set_reading(socket, socket->wanted);
	return 0;
}

static void note_blocked(struct tn_http_call *call, const struct sockaddr *address)
{
	const void *bytes = address->sa_family == AF_INET ? (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr
							  : (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	call->blocked++;
	if (!inet_ntop(address->sa_family, bytes, call->blocked_address, sizeof call->blocked_address))
		snprintf(call->blocked_address, sizeof call->blocked_address, "this kind of address");
}

curl_socket_t tn_http_socket_open(void *call_arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct tn_http_call *call = call_arg;
	if (!tn_address_allowed(call->client->options.addresses, &address->addr)) {
		note_blocked(call, &address->addr);
		return CURL_SOCKET_BAD;
	}
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd < 0) {
		call->shortage = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
		return CURL_SOCKET_BAD;
	}
	call->opened++;
	add_socket(call->client, fd, true);
	return fd;
}

int tn_http_socket_close(void *client_arg, curl_socket_t fd)
{
	struct http_socket **place = find_place(client_arg, fd);
	if (*place)
		free_socket(place);
	return close(fd);
}

void tn_http_socket_free_all(struct tn_http_client *client)
{
	for (size_t i = 0; i < HTTP_SOCKET_BUCKETS; i++)
		while (client->sockets[i])
			free_socket(&client->sockets[i]);
}

/* --- Time --- */

static void arm_timer(struct tn_http_client *client, int64_t now_us)
{
	int64_t wait_us = client->timer_due_us > now_us ? client->timer_due_us - now_us : 0;
	struct timeval wait = {.tv_sec = wait_us / 1000000, .tv_usec = wait_us % 1000000};
	client->timer_armed_us = client->timer_due_us;
	event_add(&client->timer, &wait);
}

int tn_http_socket_timer(CURLM *multi, long timeout_ms, void *client_arg)
{
	struct tn_http_client *client = client_arg;
	if (timeout_ms == 0) {
		client->timer_due_us = 0;
		event_active(&client->kick, 0, 0);
		return 0;
	}
	if (timeout_ms < 0) {
		client->timer_due_us = INT64_MAX;
		return 0;
	}
	int64_t now_us = tn_http_now_us();
	client->timer_due_us = now_us + (int64_t)timeout_ms * 1000;
	if (client->timer_due_us < client->timer_armed_us)
		arm_timer(client, now_us);
	return 0;
}

static void tick(struct tn_http_client *client)
{
	int running;
	client->timer_due_us = INT64_MAX;
	curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	tn_http_client_settle(client);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct tn_http_client *client = arg;
	int64_t now_us = tn_http_now_us();
	client->timer_armed_us = INT64_MAX;
	if (client->timer_due_us <= now_us)
		tick(client);
	else if (client->timer_due_us != INT64_MAX)
		arm_timer(client, now_us);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct tn_http_client *client = arg;
	if (client->timer_due_us == 0)
		tick(client);
	else
		tn_http_client_settle(client);
}

void tn_http_socket_init(struct tn_http_client *client)
{
	client->timer_due_us = INT64_MAX;
	client->timer_armed_us = INT64_MAX;
	evtimer_assign(&client->timer, client->base, on_timer, client);
	event_assign(&client->kick, client->base, -1, 0, on_kick, client);
}
