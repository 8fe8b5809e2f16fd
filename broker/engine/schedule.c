/* SPDX-License-Identifier: Apache-2.0
 *
 * schedule.c - when to try again, or why not any more (delivery-semantics section 4).
 *
 * Called by delivery.c with a failure just counted. Pure arithmetic in integer milliseconds, saturating; chance comes from the
 * engine's own sequence. No kind of jitter goes below the policy's floor.
 */
#include "core.h"

/* d(n), n >= 1. */
static int64_t nominal_delay(const struct tn_backoff *backoff, uint32_t n)
{
	if (backoff->list_count > 0)
		return backoff->list_ms[(n < backoff->list_count ? n : backoff->list_count) - 1];
	int64_t delay_ms = backoff->base_ms;
	if (backoff->mult <= 1 || delay_ms <= 0)
		return tn_time_min(delay_ms, backoff->cap_ms);
	for (uint32_t i = 1; i < n && delay_ms < backoff->cap_ms; i++) {
		if (__builtin_mul_overflow(delay_ms, (int64_t)backoff->mult, &delay_ms))
			delay_ms = INT64_MAX;
	}
	return tn_time_min(delay_ms, backoff->cap_ms);
}

static int64_t upto(struct tn_random *random, int64_t limit_ms)
{
	return limit_ms <= 0 ? 0 : (int64_t)tn_random_upto(random, (uint64_t)limit_ms);
}

static int64_t with_jitter(const struct tn_policy *policy, int64_t delay_ms, struct tn_random *random)
{
	switch (policy->jitter) {
	case TN_JITTER_EQUAL:
		delay_ms = delay_ms / 2 + upto(random, delay_ms / 2);
		break;
	case TN_JITTER_FULL:
		delay_ms = upto(random, delay_ms);
		break;
	case TN_JITTER_PLUS_TENTH:
		delay_ms = tn_time_add(delay_ms, upto(random, delay_ms / 10));
		break;
	case TN_JITTER_NONE:
		break;
	}
	return TN_PLANT(12) ? delay_ms : tn_time_max(delay_ms, policy->floor_ms);
}

bool tn_schedule_too_old(const struct tn_policy *policy, const struct tn_tries *tries, int64_t when_ms)
{
	int64_t from_ms = TN_PLANT(11) && tries->not_before_ms > 0 ? tries->not_before_ms : tries->accepted_ms;
	return when_ms > tn_time_add(from_ms, policy->max_age_ms);
}

bool tn_schedule_exhausted(const struct tn_policy *policy, const struct tn_tries *tries)
{
	if (policy->split)
		return tries->system > policy->system.max_retries || tries->function > policy->function.max_retries;
	return tries->system + tries->function > policy->system.max_retries;
}

struct tn_schedule tn_schedule_next(const struct tn_policy *policy, const struct tn_tries *tries, bool function_error, int64_t now_ms,
	int64_t retry_after_ms, struct tn_random *random)
{
	const struct tn_backoff *backoff = policy->split && function_error ? &policy->function : &policy->system;
	uint32_t n = tries->system + tries->function;
	if (policy->split)
		n = function_error ? tries->function : tries->system;
	if (n > backoff->max_retries)
		return (struct tn_schedule){.stop = true, .condition = TN_CONDITION_MAX_RETRIES};
	int64_t delay_ms = with_jitter(policy, nominal_delay(backoff, n), random);
	int64_t next_ms = tn_time_add(now_ms, tn_time_max(delay_ms, retry_after_ms));
	if (tn_schedule_too_old(policy, tries, next_ms))
		return (struct tn_schedule){.stop = true, .condition = TN_CONDITION_MAX_AGE};
	return (struct tn_schedule){.next_ms = next_ms};
}
