/* SPDX-License-Identifier: Apache-2.0
 *
 * adaptive.c - how many attempts at once a target bears, found by trying (delivery-semantics section 16): additive increase,
 * multiplicative decrease.
 *
 * Called by target.c and attempt.c where `concurrency: adaptive` is wanted. A window is as many answers as the limit is. THROTTLED or a
 * timeout takes a tenth, at once; what started before the last tenth was taken says nothing more, so that one bad moment costs one
 * tenth. At the end of a window, answers that took much longer than they used to take a tenth, too; else, if the limit was reached in
 * it, it grows by one.
 *
 * Times are engine milliseconds from START to the result, averaged over the window in 1/1024 ms: a target that answers in less than a
 * millisecond yields zeros and ones, of which the mean is as good as any clock's. What one such mean may differ from another by chance
 * is not taken for news: less than a millisecond never counts as longer.
 */
#include "core.h"
#include "attempt.h"
#include "pace.h"
#include "target.h"

enum { FIRST_LIMIT = 4, MOST = 200, PART = 1024 /* of a millisecond */ };

static void begin_window(struct tn_adaptive *adaptive)
{
	adaptive->answers = 0;
	adaptive->total_ms = 0;
	adaptive->reached = false;
}

void tn_adaptive_init(struct tn_target *target)
{
	if (target->limits.adaptive && target->adaptive.limit == 0)
		target->adaptive.limit = FIRST_LIMIT;
}

uint32_t tn_adaptive_started(struct tn_target *target)
{
	target->adaptive.reached = target->adaptive.reached || target->in_flight >= target->adaptive.limit;
	return target->adaptive.decreases;
}

static void decrease(struct tn_adaptive *adaptive)
{
	adaptive->limit = adaptive->limit * 9 / 10 > 0 ? adaptive->limit * 9 / 10 : 1;
	adaptive->decreases++;
	begin_window(adaptive);
}

/* 0.4 of what is new. */
static int64_t mix(int64_t old, int64_t new)
{
	return old + (new - old) * 2 / 5;
}

static void end_window(struct tn_adaptive *adaptive)
{
	int64_t mean = (int64_t)(adaptive->total_ms * PART / adaptive->answers);
	int64_t more = mean - adaptive->mean, deviation = adaptive->deviation * 5 / 2;
	bool longer = adaptive->known && more > (deviation > PART ? deviation : PART);
	adaptive->deviation = adaptive->known ? mix(adaptive->deviation, more < 0 ? -more : more) : 0;
	adaptive->mean = adaptive->known ? mix(adaptive->mean, mean) : mean;
	adaptive->known = true;
	if (longer) {
		decrease(adaptive);
		return;
	}
	adaptive->limit += adaptive->reached && adaptive->limit < MOST;
	begin_window(adaptive);
}

void tn_adaptive_answered(const struct tn_engine *engine, const struct tn_slot *slot, const struct tn_outcome *outcome)
{
	struct tn_adaptive *adaptive = &slot->target->adaptive;
	if (slot->decreases != adaptive->decreases)
		return;
	if (outcome->verdict == TN_THROTTLED) {
		decrease(adaptive);
	} else if (outcome->verdict == TN_DELIVERED || outcome->verdict == TN_REJECTED) {
		adaptive->total_ms += (uint64_t)(engine->now_ms - (slot->deadline_ms - slot->attempt.timeout_ms));
		if (++adaptive->answers >= adaptive->limit)
			end_window(adaptive);
	}
}

void tn_adaptive_timed_out(const struct tn_slot *slot)
{
	if (slot->decreases == slot->target->adaptive.decreases)
		decrease(&slot->target->adaptive);
}
