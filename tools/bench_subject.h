/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_subject.h - what `turnout bench http` measures: the bus in one mode, HAProxy beside it, or nothing in between.
 */
#ifndef TURNOUT_TOOLS_BENCH_SUBJECT_H
#define TURNOUT_TOOLS_BENCH_SUBJECT_H

#include "bench_process.h"

enum tn_bench_kind { TN_BENCH_DIRECT, TN_BENCH_HAPROXY, TN_BENCH_SYNC, TN_BENCH_DURABLE };

struct tn_bench_subject {
	bool ordered; /* its target orders by key */
	enum tn_bench_kind kind;
	uint32_t rules;
	bool dedup; /* its events have idempotency keys */
	pid_t pid; /* 0: nothing runs (DIRECT) */
	uint16_t port; /* where events go in */
	int64_t ready_us; /* from start to ready */
	uint64_t idle_anon_kib, idle_file_kib;
};

const char *tn_bench_kind_name(enum tn_bench_kind kind);
/* ordered: the target orders by key. dedup: the source knows copies. dir: an empty folder for its configuration, store and log.
 * sink_port: where events come out. */
enum tn_status tn_bench_subject_start(enum tn_bench_kind kind, uint32_t rules, bool ordered, bool dedup, const char *dir, uint16_t sink_port,
        struct tn_bench_subject *out_subject, struct tn_error *error) TN_MUST_CHECK;
/* False: it did not end well. */
bool tn_bench_subject_stop(struct tn_bench_subject *subject);

#endif
