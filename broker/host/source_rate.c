/* SPDX-License-Identifier: Apache-2.0
 *
 * source_rate.c - a token bucket that all workers of a source share without a lock.
 *
 * Called by intake.c. Instead of a level there is the time at which the bucket will be full again:
 *
 *   now                        full_ns
 *    |---------------------------|           what is missing in the bucket, at each_ns an event
 *    |<----- at most burst ----->|
 *
 * An event moves full_ns on by each_ns, which is rounded up: never more than the rate.
 */
#include "source_rate.h"

enum { NS_PER_MS = 1000000 };

void tn_source_rate_init(struct tn_source_rate *rate, uint64_t count, int64_t period_ms, uint64_t burst)
{
	rate->each_ns = count > 0 ? (period_ms * NS_PER_MS + (int64_t)count - 1) / (int64_t)count : 0;
	rate->burst = burst > 0 ? burst : count;
	rate->full_ns = INT64_MIN;
}

int64_t tn_source_rate_take(struct tn_source_rate *rate, int64_t now_ns, uint64_t count)
{
	int64_t room_ns = count < rate->burst ? (int64_t)(rate->burst - count) * rate->each_ns : 0;
	int_fast64_t full_ns = rate->full_ns;
	int64_t from_ns;
	if (rate->each_ns == 0)
		return 0;
	do {
		from_ns = full_ns > now_ns ? full_ns : now_ns;
		if (from_ns - now_ns > room_ns)
			return (from_ns - now_ns - room_ns + NS_PER_MS - 1) / NS_PER_MS;
	} while (!atomic_compare_exchange_weak(&rate->full_ns, &full_ns, from_ns + (int64_t)count * rate->each_ns));
	return 0;
}
