/* SPDX-License-Identifier: Apache-2.0
 *
 * shed.h - when senders are turned away at the door, so that what is in hand gets done (delivery-semantics section 16).
 */
#ifndef TURNOUT_HOST_SHED_H
#define TURNOUT_HOST_SHED_H

#include <stdbool.h>
#include <stdint.h>

enum tn_shed { TN_SHED_NO, TN_SHED_MEMORY, TN_SHED_JOURNAL, TN_SHED_LAG, TN_SHED_REASONS };

struct tn_shed_sample {
	int64_t now_ms; /* monotonic */
	int64_t lag_ms; /* how late the loop came to take it */
	bool memory_full; /* intake has stopped, until half of limits.memory is free */
	uint64_t journal_bytes, journal_limit_bytes;
};
struct tn_shed_judge { /* {0} */
	enum tn_shed reason;
	int64_t memory_since_ms, lag_since_ms; /* 0: not so */
};
/* Takes one sample; answers today's reason. Memory must be full for a second: until then senders simply wait. The loop
 * must be 500 ms late for 5 s. The journal is over 80% of its limit, and was not below 75% since. */
enum tn_shed tn_shed_judge(struct tn_shed_judge *judge, const struct tn_shed_sample *sample);

#endif
