/* SPDX-License-Identifier: Apache-2.0
 *
 * source_rate.h - so many events a second, minute or hour from one source (delivery-semantics section 16). Private to broker/host.
 */
#ifndef TURNOUT_HOST_SOURCE_RATE_H
#define TURNOUT_HOST_SOURCE_RATE_H

#include <stdatomic.h>
#include <stdint.h>

struct tn_source_rate {
	int64_t each_ns;                  /* an event fills so much time; 0: no rate */
	uint64_t burst;
	atomic_int_fast64_t full_ns;      /* when everything taken so far will have been made good: the bucket is full again */
};

/* count events a period, burst of them at once; burst 0: as many as count. */
void tn_source_rate_init(struct tn_source_rate *rate, uint64_t count, int64_t period_ms, uint64_t burst);
/* Takes count events, all or none. 0: taken; else nothing was, and they will fit in so many ms if nobody else takes any meanwhile. More
 * than burst fit when the bucket is full, and what is too much is made good before anything else fits. Any thread. */
int64_t tn_source_rate_take(struct tn_source_rate *rate, int64_t now_ns, uint64_t count);

#endif
