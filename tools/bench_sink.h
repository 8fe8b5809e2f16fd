/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_sink.h - the receiver of the bench: a process that takes POSTs as cheaply as it can and marks which numbers
 * came.
 *
 * Each request carries a number (ce-sequence) and the time it was due (ce-due, microseconds of the monotonic clock).
 */
#ifndef TURNOUT_TOOLS_BENCH_SINK_H
#define TURNOUT_TOOLS_BENCH_SINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "histogram.h"
#include "turnout/error.h"
#include "turnout/status.h"

#define TN_BENCH_SEQUENCES (1u << 26)

struct tn_bench_tally { /* in memory shared with the sink's process; written there, read and reset here between runs */
	uint64_t received, duplicates, reordered, unreadable;
	uint64_t highest; /* sequence seen so far */
	struct tn_histogram latency; /* from due to received whole */
	uint8_t seen[TN_BENCH_SEQUENCES];
};

struct tn_bench_sink {
	pid_t pid;
	uint16_t port; /* of 127.0.0.1 */
	struct tn_bench_tally *tally;
};

enum tn_status tn_bench_sink_start(struct tn_bench_sink *out_sink, struct tn_error *error) TN_MUST_CHECK;
void tn_bench_sink_stop(struct tn_bench_sink *sink);

#endif
