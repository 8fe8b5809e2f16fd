/* SPDX-License-Identifier: Apache-2.0
 *
 * log_sink.h - between log lines and a descriptor that may stall: whoever logs never waits.
 *
 * While the descriptor takes what it is given, lines are written at once, so that a process that dies has said all it had to say. When it
 * stalls (a pipe that nobody reads), lines wait in a bounded buffer for a thread of its own; beyond that they are dropped and counted,
 * and how many is said when it flows again.
 */
#ifndef TURNOUT_LOG_SINK_H
#define TURNOUT_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include "turnout/error.h"
#include "turnout/log.h"

struct tn_log_sink;
enum { TN_LOG_SINK_BYTES = 256 * 1024 };

/* Returns owned a sink for log, which it copies: to be set as log->sink. TN_IO: no thread. */
enum tn_status tn_log_sink_open(const struct tn_log *log, struct tn_log_sink **out_sink, struct tn_error *error) TN_MUST_CHECK;
/* Nobody logs any more. Waits until all is written, or for a second where that stalls. NULL is fine. */
void tn_log_sink_close(struct tn_log_sink *sink);
/* Any thread. One line, at most 4096 bytes. False: dropped, and counted. */
bool tn_log_sink_put(struct tn_log_sink *sink, const char *line, size_t len);

#endif
