/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_sink.c - the bench's receiver: raw epoll, a fixed answer, counts in shared memory.
 *
 * Forked by bench_http.c; ends with its parent. It understands just the HTTP that a bus or a proxy sends:
 * Content-Length and kept connections. Anything else counts as unreadable and closes the connection.
 */
#include "bench_sink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "load.h"

#define INPUT_LIMIT 65536
#define FDS_LIMIT 4096
#define EVENTS_AT_ONCE 256

struct peer {
	size_t len;
	char input[INPUT_LIMIT];
};

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/* The number after the header's name, or UINT64_MAX. Names arrive in lower case from whoever is measured. */
static uint64_t find_number(const char *head, size_t len, const char *name)
{
	const char *found = memmem(head, len, name, strlen(name));

	return found ? strtoull(found + strlen(name), NULL, 10) : UINT64_MAX;
}

static void mark(struct tn_bench_tally *tally, const char *head, size_t len)
{
	uint64_t sequence = find_number(head, len, "\r\nce-sequence: ");
	uint64_t due_us = find_number(head, len, "\r\nce-due: ");

	if (sequence >= TN_BENCH_SEQUENCES || due_us == UINT64_MAX) {
		tally->unreadable++;
		return;
	}
	if (tally->seen[sequence]++ > 0)
		tally->duplicates++;
	else if (sequence < tally->highest)
		tally->reordered++;
	if (sequence > tally->highest)
		tally->highest = sequence;
	tn_histogram_add(&tally->latency, tn_load_now_us() - (int64_t)due_us);
	__atomic_store_n(&tally->received, tally->received + 1, __ATOMIC_RELEASE);
}

/* Bytes of the first whole request in the input; 0: not whole yet; -1: not understood. */
static ssize_t whole_request(const struct peer *peer)
{
	const char *end = memmem(peer->input, peer->len, "\r\n\r\n", 4);
	const char *length;
	size_t size;

	if (!end)
		return peer->len == INPUT_LIMIT ? -1 : 0;
	length = strcasestr(peer->input, "\r\ncontent-length:");
	if (!length || length > end)
		return -1;
	size = (size_t)(end + 4 - peer->input) + strtoull(length + 17, NULL, 10);
	if (size > INPUT_LIMIT)
		return -1;
	return size <= peer->len ? (ssize_t)size : 0;
}

/* False: the connection is to be closed. */
static bool serve(int fd, struct peer *peer, struct tn_bench_tally *tally)
{
	ssize_t got = recv(fd, peer->input + peer->len, INPUT_LIMIT - peer->len, 0);
	ssize_t size;

	if (got <= 0)
		return got < 0 && (errno == EAGAIN || errno == EINTR);
	peer->len += (size_t)got;
	peer->input[peer->len] = '\0'; /* the struct has room for it, see new_peer */
	while ((size = whole_request(peer)) > 0) {
		mark(tally, peer->input, (size_t)size);
		peer->len -= (size_t)size;
		memmove(peer->input, peer->input + size, peer->len + 1);
		if (send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(answer) - 1)
			return false;
	}
	tally->unreadable += size < 0;
	return size == 0;
}

static struct peer *new_peer(void)
{
	struct peer *peer = malloc(sizeof(*peer) + 1);

	if (!peer)
		abort();
	peer->len = 0;
	return peer;
}

static void accept_all(int listener, int epoll, struct peer **peers)
{
	int one = 1;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

		if (fd >= FDS_LIMIT) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		peers[fd] = new_peer();
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	}
}

static _Noreturn void run_sink(int listener, struct tn_bench_tally *tally)
{
	struct peer **peers = calloc(FDS_LIMIT, sizeof(*peers));
	struct epoll_event events[EVENTS_AT_ONCE];
	struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0 || !peers || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
		_exit(1);
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, -1);

		for (int i = 0; i < count; i++) {
			int fd = events[i].data.fd;

			if (fd == listener) {
				accept_all(listener, epoll, peers);
			} else if (!serve(fd, peers[fd], tally)) {
				close(fd);
				free(peers[fd]);
				peers[fd] = NULL;
			}
		}
	}
}

static int listen_anywhere(uint16_t *out_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 1024) != 0 ||
	        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
		close(fd);
		return -1;
	}
	*out_port = ntohs(address.sin_port);
	return fd;
}

enum tn_status tn_bench_sink_start(struct tn_bench_sink *out_sink, struct tn_error *error)
{
	struct tn_bench_sink sink = {0};
	int listener = listen_anywhere(&sink.port);

	if (listener < 0) {
		tn_error_set(error, "cannot listen on 127.0.0.1: %s", strerror(errno));
		return TN_IO;
	}
	sink.tally = mmap(
	        NULL, sizeof(*sink.tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	sink.pid = sink.tally == MAP_FAILED ? -1 : fork();
	if (sink.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_sink(listener, sink.tally);
	}
	close(listener);
	if (sink.pid < 0) {
		tn_error_set(error, "cannot start the receiver: %s", strerror(errno));
		return TN_IO;
	}
	*out_sink = sink;
	return TN_OK;
}

void tn_bench_sink_stop(struct tn_bench_sink *sink)
{
	kill(sink->pid, SIGKILL);
	waitpid(sink->pid, NULL, 0);
	munmap(sink->tally, sizeof(*sink->tally));
}
