/* SPDX-License-Identifier: Apache-2.0
 *
 * histogram.h - counts durations in buckets 1.6% wide, so that quantiles cost no memory of every single value.
 *
 * A plain value without pointers: it may live in memory shared between processes.
 */
#ifndef TURNOUT_TOOLS_HISTOGRAM_H
#define TURNOUT_TOOLS_HISTOGRAM_H

#include <stdint.h>

#define TN_HISTOGRAM_BUCKETS (40 * 64)

struct tn_histogram { /* zeroed: empty */
	uint64_t count;
	int64_t max_us;
	uint64_t buckets[TN_HISTOGRAM_BUCKETS];
};

void tn_histogram_add(struct tn_histogram *histogram, int64_t value_us);
/* The value that `fraction` (0..1) of all do not exceed, to the width of its bucket; 0 when empty. */
int64_t tn_histogram_quantile(const struct tn_histogram *histogram, double fraction);

#endif
