/* SPDX-License-Identifier: Apache-2.0
 *
 * log_sink.c - log lines for a descriptor that may stall; see log_sink.h.
 *
 * Called by log.c, from any thread. Owns a ring of whole lines and the thread that writes them. A pipe that poll(2)
 * calls writable takes 4096 bytes without waiting; other descriptors that stall (a terminal on hold) stall this thread
 * alone once lines wait. The descriptor is not made non-blocking: it is shared with whoever started us.
 *
 *   line --nothing waits, and writable--> write(2)
 *        --else--> ring --thread, when writable--> write(2)
 *        --ring full--> dropped
 */
#include "turnout/log_sink.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 4096, POLL_MS = 100, CLOSE_MS = 1000 };

struct tn_log_sink {
	struct tn_log log; /* without a sink: for what the thread has to say itself */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* lines came, the end is near, the thread is done */
	pthread_t thread;
	char *ring;
	size_t first, len; /* of the ring */
	uint64_t lost; /* dropped since that was last said */
	bool closing, done;
};

/* --- The ring. Under the lock. --- */

static void append(struct tn_log_sink *sink, const char *bytes, size_t len)
{
	size_t at = (sink->first + sink->len) % TN_LOG_SINK_BYTES,
	       part = TN_LOG_SINK_BYTES - at < len ? TN_LOG_SINK_BYTES - at : len;
	memcpy(sink->ring + at, bytes, part);
	memcpy(sink->ring, bytes + part, len - part);
	sink->len += len;
}

/* Whole lines, as many as fit: a line is not cut by those of another process. */
static size_t take_lines(struct tn_log_sink *sink, char out[CHUNK])
{
	size_t have = sink->len < CHUNK ? sink->len : CHUNK,
	       part = TN_LOG_SINK_BYTES - sink->first < have ? TN_LOG_SINK_BYTES - sink->first : have;
	memcpy(out, sink->ring + sink->first, part);
	memcpy(out + part, sink->ring, have - part);
	while (have > 0 && out[have - 1] != '\n')
		have--;
	sink->first = (sink->first + have) % TN_LOG_SINK_BYTES;
	sink->len -= have;
	return have;
}

/* --- Writing --- */

static bool is_writable(int fd, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
	return poll(&poll_fd, 1, timeout_ms) > 0;
}

/* What fails is gone: there is nobody to tell. */
static bool write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t written = write(fd, bytes, len);
		if (written < 0 && (errno == EINTR || errno == EAGAIN)) {
			if (errno == EAGAIN)
				is_writable(fd, POLL_MS);
			continue;
		}
		if (written < 0)
			return false;
		bytes += written;
		len -= (size_t)written;
	}
	return true;
}

static void count_dropped(struct tn_log_sink *sink)
{
	if (sink->log.dropped)
		__atomic_add_fetch(sink->log.dropped, 1, __ATOMIC_RELAXED);
}

bool tn_log_sink_put(struct tn_log_sink *sink, const char *line, size_t len)
{
	bool kept = true;
	pthread_mutex_lock(&sink->lock);
	if (sink->len == 0 && sink->lost == 0 && is_writable(sink->log.fd, 0)) {
		kept = write(sink->log.fd, line, len) == (ssize_t)len;
	} else if (len <= TN_LOG_SINK_BYTES - sink->len) {
		append(sink, line, len);
		pthread_cond_broadcast(&sink->changed);
	} else {
		sink->lost++;
		kept = false;
	}
	pthread_mutex_unlock(&sink->lock);
	if (!kept)
		count_dropped(sink);
	return kept;
}

/* --- The thread --- */

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool has_work(const struct tn_log_sink *sink)
{
	return sink->len > 0 || sink->lost > 0;
}

/* The lock is held, and let go while it writes. Lines before what was lost come first. */
static void write_some(struct tn_log_sink *sink)
{
	char chunk[CHUNK];
	size_t len = take_lines(sink, chunk);
	uint64_t lost = len == 0 ? sink->lost : 0;
	pthread_mutex_unlock(&sink->lock);
	if (len > 0)
		write_all(sink->log.fd, chunk, len);
	else
		tn_log_warn(
		        &sink->log, "log lines were dropped; nobody took them", "lines=%llu", (unsigned long long)lost);
	pthread_mutex_lock(&sink->lock);
	sink->lost -= lost;
}

static void *run(void *arg)
{
	struct tn_log_sink *sink = arg;
	int64_t limit_ms = INT64_MAX;
	pthread_mutex_lock(&sink->lock);
	while (!(sink->closing && !has_work(sink)) && now_ms() < limit_ms) {
		if (sink->closing && limit_ms == INT64_MAX)
			limit_ms = now_ms() + CLOSE_MS;
		if (!has_work(sink)) {
			pthread_cond_wait(&sink->changed, &sink->lock);
			continue;
		}
		pthread_mutex_unlock(&sink->lock);
		bool writable = is_writable(sink->log.fd, POLL_MS);
		pthread_mutex_lock(&sink->lock);
		if (writable)
			write_some(sink);
	}
	sink->done = true;
	pthread_cond_broadcast(&sink->changed);
	pthread_mutex_unlock(&sink->lock);
	return NULL;
}

/* --- Life --- */

enum tn_status tn_log_sink_open(const struct tn_log *log, struct tn_log_sink **out_sink, struct tn_error *error)
{
	struct tn_log_sink *sink = calloc(1, sizeof *sink);
	if (!sink || !(sink->ring = malloc(TN_LOG_SINK_BYTES)))
		abort();
	sink->log = *log;
	sink->log.sink = NULL;
	pthread_mutex_init(&sink->lock, NULL);
	pthread_cond_init(&sink->changed, NULL);
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&sink->thread, NULL, run, sink);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed != 0) {
		free(sink->ring);
		free(sink);
		tn_error_set(error, "cannot start the thread that writes the log: %s", strerror(failed));
		return TN_IO;
	}
	*out_sink = sink;
	return TN_OK;
}

/* The thread may sit in a write that never ends: it is left there, with what it needs. */
void tn_log_sink_close(struct tn_log_sink *sink)
{
	if (!sink)
		return;
	struct timespec limit;
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += 2 * CLOSE_MS / 1000;
	pthread_mutex_lock(&sink->lock);
	sink->closing = true;
	pthread_cond_broadcast(&sink->changed);
	while (!sink->done && pthread_cond_timedwait(&sink->changed, &sink->lock, &limit) != ETIMEDOUT)
		;
	bool done = sink->done;
	pthread_mutex_unlock(&sink->lock);
	if (!done) {
		pthread_detach(sink->thread);
		return;
	}
	pthread_join(sink->thread, NULL);
	pthread_mutex_destroy(&sink->lock);
	pthread_cond_destroy(&sink->changed);
	free(sink->ring);
	free(sink);
}
