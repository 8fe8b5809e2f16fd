/* SPDX-License-Identifier: Apache-2.0
 *
 * histogram.c - log-linear buckets: values below 64 have their own, each power of two above has 64.
 *
 * Called by the load generator and the bench's sink for every answer, so it is a few instructions.
 */
#include "histogram.h"

#include <stddef.h>

#define SUB_BITS 6
#define SUB_COUNT (1 << SUB_BITS)

static size_t bucket_of(uint64_t value)
{
	int shift;
	size_t index;

	if (value < SUB_COUNT)
		return (size_t)value;
	shift = 63 - __builtin_clzll(value) - SUB_BITS;
	index = (size_t)(shift + 1) * SUB_COUNT + (size_t)((value >> shift) - SUB_COUNT);
	return index < TN_HISTOGRAM_BUCKETS ? index : TN_HISTOGRAM_BUCKETS - 1;
}

/* The largest value of a bucket. */
static int64_t bucket_top(size_t index)
{
	size_t shift;

	if (index < SUB_COUNT)
		return (int64_t)index;
	shift = index / SUB_COUNT - 1;
	return (int64_t)(((uint64_t)(index % SUB_COUNT + SUB_COUNT + 1) << shift) - 1);
}

void tn_histogram_add(struct tn_histogram *histogram, int64_t value_us)
{
	if (value_us < 0)
		value_us = 0;
	histogram->count++;
	histogram->buckets[bucket_of((uint64_t)value_us)]++;
	if (value_us > histogram->max_us)
		histogram->max_us = value_us;
}

int64_t tn_histogram_quantile(const struct tn_histogram *histogram, double fraction)
{
	double rank = fraction * (double)histogram->count;
	uint64_t seen = 0;

	for (size_t i = 0; i < TN_HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen > 0 && (double)seen >= rank) {
			int64_t top = bucket_top(i);

			return top < histogram->max_us ? top : histogram->max_us;
		}
	}
	return histogram->max_us;
}
