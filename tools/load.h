/* SPDX-License-Identifier: Apache-2.0
 *
 * load.h - keeps HTTP connections busy with requests that a callback writes: the sender of `turnout send` and `turnout
 * bench`.
 *
 * Raw sockets and epoll, one thread, one request at a time on each connection, so that it costs little beside what it
 * measures. With a rate it is an open loop: requests are due by the clock, and a late answer delays nobody's due time;
 * a latency counts from the due time.
 */
#ifndef TURNOUT_TOOLS_LOAD_H
#define TURNOUT_TOOLS_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <signal.h>
#include <sys/socket.h>
#include "histogram.h"
#include "turnout/error.h"
#include "turnout/status.h"
#include "turnout/str.h"

struct tn_load_url {
	struct sockaddr_storage address;
	socklen_t address_len;
	char host[280]; /* as the Host header has it: "name:8080" */
	char path[1024]; /* with the query; "/" at least */
};
/* Takes http://HOST[:PORT][/PATH] apart and looks up the name. */
enum tn_status tn_load_url_parse(const char *text, struct tn_load_url *out_url, struct tn_error *error) TN_MUST_CHECK;

enum tn_load_next {
	TN_LOAD_READY, /* a request was written */
	TN_LOAD_LATER, /* none yet: ask again when wake_fd can be read */
	TN_LOAD_END, /* there are no more */
};

struct tn_load_counts {
	uint64_t requests; /* taken from render */
	uint64_t tries; /* sent, repeated ones too */
	uint64_t answers[600]; /* tries answered, by status */
	uint64_t unanswered; /* tries sent, in part at least, that got no whole answer: closed, broken, timed out */
	uint64_t unreached; /* connections that were refused or timed out */
	uint64_t under_way; /* right now */
	struct tn_histogram latency; /* of final answers, from due time to answer */
};

struct tn_load_options {
	const struct tn_load_url *url;
	uint32_t connections;
	double rate; /* requests a second; 0: as fast as they are answered */
	int64_t timeout_ms; /* for one try */
	bool retry; /* repeat what was not answered, or answered 429 or 503, until it is, as Retry-After says */
	int64_t give_up_ms; /* with retry: stop when nothing was answered well for so long */
	int wake_fd; /* see TN_LOAD_LATER; -1: none */
	/* Writes one whole HTTP request into out, which is empty. slot: below connections, its until it is settled.
	 * due_us: when it should go out, on the clock of tn_load_now_us; not later than now. */
	enum tn_load_next (*render)(void *arg, uint32_t slot, int64_t due_us, struct tn_buf *out);
	/* The request of this slot is done: its last answer and the start of its body, or status 0 when there was none.
	 * May be NULL. */
	void (*settled)(void *arg, uint32_t slot, int status, struct tn_str body);
	/* About five times a second. May be NULL. */
	void (*progress)(void *arg, const struct tn_load_counts *counts);
	void *arg;
	const volatile sig_atomic_t *stop; /* set by a signal: no new requests; NULL: never */
};

/* Runs until all is settled. TN_OK even when answers were bad: look at the counts. TN_IO: nobody can be reached, or
 * given up; counts are right in that case too. */
enum tn_status tn_load_run(
        const struct tn_load_options *options, struct tn_load_counts *counts, struct tn_error *error) TN_MUST_CHECK;

/* Microseconds of the monotonic clock. */
int64_t tn_load_now_us(void);

#endif
