/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_process.h - a process under measurement: started, asked what it used, stopped.
 */
#ifndef TURNOUT_TOOLS_BENCH_PROCESS_H
#define TURNOUT_TOOLS_BENCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "turnout/error.h"
#include "turnout/status.h"

/* Starts argv (NULL-terminated, found on PATH) with its output appended to log_path. It ends with its parent. */
enum tn_status tn_bench_process_start(
        const char *const *argv, const char *log_path, pid_t *out_pid, struct tn_error *error) TN_MUST_CHECK;
/* SIGTERM, and SIGKILL after 10 s. Returns the exit status as a shell would show it. */
int tn_bench_process_stop(pid_t pid);
/* Waits until 127.0.0.1:port answers GET path with 200, at most limit_ms. Microseconds it took, or -1. */
int64_t tn_bench_process_wait_ready(pid_t pid, uint16_t port, const char *path, int64_t limit_ms);
/* User and system time used so far, in seconds. */
double tn_bench_process_cpu(pid_t pid);
/* A line of /proc/PID/status such as "RssAnon", in KiB; 0 when there is none. */
uint64_t tn_bench_process_memory(pid_t pid, const char *line);
/* A port of 127.0.0.1 that is free now; 0: none. */
uint16_t tn_bench_free_port(void);

#endif
