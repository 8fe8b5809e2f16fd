/* SPDX-License-Identifier: Apache-2.0
 *
 * rate.c - so many attempts a second, minute or hour at one target: a token bucket in integers (delivery-semantics section 16).
 *
 * Called by target.c, which asks whether one may start, and by attempt.c when one does. What must wait stays PENDING, which is no failure.
 * The level is kept in parts of a token, of which each millisecond brings `count` and an attempt takes `period_ms`: so nothing is ever
 * rounded, and in any window of T ms there start at most burst + T * count / period_ms. An answer that was no attempt (HOLD) gives
 * nothing back.
 */
#include "core.h"
#include "pace.h"
#include "target.h"

static int64_t capacity(const struct tn_rate_limits *limits)
{
	return (int64_t)limits->burst * limits->period_ms;
}

static int64_t level_with(const struct tn_engine *engine, const struct tn_target *target, const struct tn_rate_limits *limits)
{
	int64_t came;
	if (__builtin_mul_overflow(engine->now_ms - target->rate.at_ms, (int64_t)limits->count, &came))
		came = INT64_MAX;
	return tn_time_min(tn_time_add(target->rate.level, came), capacity(limits));
}

static int64_t level_now(const struct tn_engine *engine, const struct tn_target *target)
{
	return level_with(engine, target, &target->limits.rate);
}

bool tn_rate_allows(const struct tn_engine *engine, const struct tn_target *target)
{
	return target->limits.rate.count == 0 || level_now(engine, target) >= target->limits.rate.period_ms;
}

int64_t tn_rate_deadline(const struct tn_engine *engine, const struct tn_target *target)
{
	const struct tn_rate_limits *limits = &target->limits.rate;
	if (tn_rate_allows(engine, target))
		return INT64_MAX;
	int64_t missing = limits->period_ms - level_now(engine, target);
	return tn_time_add(engine->now_ms, (missing + limits->count - 1) / limits->count);
}

uint32_t tn_rate_tokens(const struct tn_engine *engine, const struct tn_target *target)
{
	return target->limits.rate.count == 0 ? 0 : (uint32_t)(level_now(engine, target) / target->limits.rate.period_ms);
}

void tn_rate_started(struct tn_engine *engine, struct tn_target *target)
{
	target->rate.level = level_now(engine, target) - target->limits.rate.period_ms;
	target->rate.at_ms = engine->now_ms;
	tn_target_arm(engine, target, tn_rate_deadline(engine, target));
}

/* The same tokens, and the same part of the next one, in parts of the new rate: never more than its burst. */
static int64_t in_parts_of(const struct tn_rate_limits *limits, const struct tn_rate_limits *before, int64_t level)
{
	int64_t tokens = level / before->period_ms, rest = level % before->period_ms;
	return tn_time_min(tokens * limits->period_ms + rest * limits->period_ms / before->period_ms, capacity(limits));
}

/* before: what it was until now; its count 0: there was none, and the bucket is full. */
void tn_rate_changed(struct tn_engine *engine, struct tn_target *target, const struct tn_rate_limits *before)
{
	struct tn_rate_limits *limits = &target->limits.rate;
	limits->period_ms = limits->period_ms > 0 ? limits->period_ms : 1000;
	limits->burst = limits->burst > 0 ? limits->burst : limits->count;
	if (limits->count == before->count && limits->period_ms == before->period_ms && limits->burst == before->burst)
		return;
	target->rate.level = before->count == 0 ? capacity(limits) : in_parts_of(limits, before, level_with(engine, target, before));
	target->rate.at_ms = engine->now_ms;
}
