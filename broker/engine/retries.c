/* SPDX-License-Identifier: Apache-2.0
 *
 * retries.c - the retry budget of a target (delivery-semantics section 16): over 10 s, retries are at most so many a second and so many
 * for a hundred first attempts. So neither a restart with many counted rows (section 19) nor a target that comes back is met by a storm.
 *
 * A retry that is delivered gives its place in the budget back: it was no burden. What is left of the bound is for retries that fail or
 * are under way, so a target that is well again gets all that waited as fast as it takes it, and one that is not gets no more than that.
 *
 * Called by attempt.c to choose who starts. Retries over the budget wait, and first attempts pass them:
 *
 *   waiting:  first, retry, first, first, retry      a retry that comes to its head over budget steps aside
 *   stalled:  retry, retry                            and is the first to start once there is budget again
 *
 * Counted in buckets of a second. Eleven of them hold any 10 s, so retries are counted over eleven and first attempts over ten: the
 * bound is never exceeded, in whatever window. A new target's budget is spent but for one second's worth: it ramps. What is loaded from
 * the store and stalled fills the page's room, so parked first attempts behind it come as the budget does.
 */
#include "core.h"
#include "attempt.h"
#include "pace.h"
#include "target.h"

enum { SECOND_MS = 1000, WINDOW_S = 10, PERCENT = 20, PER_SECOND = 10 };

static uint32_t at(int64_t second)
{
	return (uint32_t)(second % TN_RETRY_BUCKETS);
}

void tn_retries_init(const struct tn_engine *engine, struct tn_target *target)
{
	struct tn_retry_budget *budget = &target->budget;
	struct tn_retry_limits *limits = &target->limits.retries;
	if (limits->percent == 0 && limits->per_second == 0) {
		limits->percent = PERCENT;
		limits->per_second = PER_SECOND;
	}
	if (!limits->on)
		tn_retries_unstall(target);
	if (!limits->on || budget->second != 0)
		return;
	budget->second = engine->now_ms / SECOND_MS;
	for (int64_t ago = 2; ago <= WINDOW_S; ago++)
		budget->buckets[at(budget->second + TN_RETRY_BUCKETS - ago)].retries = limits->per_second;
	budget->retries = (WINDOW_S - 1) * limits->per_second;
}

static void turn(const struct tn_engine *engine, struct tn_retry_budget *budget)
{
	int64_t second = engine->now_ms / SECOND_MS, passed = second - budget->second;
	budget->second = second;
	for (int64_t i = passed < TN_RETRY_BUCKETS ? passed : TN_RETRY_BUCKETS; i > 0; i--) {
		uint32_t bucket = at(second - i + 1);
		budget->firsts -= budget->buckets[bucket].firsts;
		budget->retries -= budget->buckets[bucket].retries;
		budget->buckets[bucket].firsts = budget->buckets[bucket].retries = 0;
	}
}

bool tn_retries_allow(const struct tn_engine *engine, struct tn_target *target)
{
	const struct tn_retry_limits *limits = &target->limits.retries;
	struct tn_retry_budget *budget = &target->budget;
	if (!limits->on)
		return true;
	turn(engine, budget);
	uint64_t firsts = budget->firsts - budget->buckets[at(budget->second + 1)].firsts;
	return budget->retries < (uint64_t)limits->per_second * WINDOW_S + firsts * limits->percent / 100;
}

bool tn_retries_is_one(const struct tn_delivery *delivery)
{
	return delivery->tries.system + delivery->tries.function > 0 && delivery->state == TN_STATE_PENDING;
}

bool tn_retries_count(const struct tn_engine *engine, struct tn_target *target, const struct tn_delivery *delivery)
{
	struct tn_retry_budget *budget = &target->budget;
	if (delivery->state != TN_STATE_PENDING)
		return false;
	turn(engine, budget);
	bool retry = tn_retries_is_one(delivery);
	budget->retries += retry;
	budget->firsts += !retry;
	budget->buckets[at(budget->second)].retries += retry;
	budget->buckets[at(budget->second)].firsts += !retry;
	return retry;
}

/* Of those that were delivered, and of those that were no attempts. In time: a timeout's place is spent. */
void tn_retries_give_back(const struct tn_engine *engine, const struct tn_slot *slot, const struct tn_result *result)
{
	struct tn_retry_budget *budget = &slot->target->budget;
	int64_t started = (slot->deadline_ms - slot->attempt.timeout_ms) / SECOND_MS;
	turn(engine, budget);
	if (budget->second - started >= TN_RETRY_BUCKETS)
		return;
	for (uint32_t i = 0; i < slot->count; i++) {
		enum tn_verdict verdict = result->outcomes[i < result->count ? i : 0].verdict;
		bool back = slot->loads[i].retry && (verdict == TN_DELIVERED || verdict == TN_STAGED || verdict == TN_HOLD);
		budget->buckets[at(started)].retries -= back;
		budget->retries -= back;
	}
}

int64_t tn_retries_deadline(const struct tn_engine *engine, const struct tn_target *target)
{
	if (target->stalled_count == 0)
		return INT64_MAX;
	return (engine->now_ms / SECOND_MS + 1) * SECOND_MS;
}

static void stall(struct tn_engine *engine, struct tn_target *target, struct tn_delivery *delivery)
{
	tn_link_leave(&delivery->link);
	tn_list_push(&target->stalled, &delivery->link);
	delivery->stalled = true;
	target->budget_waits++;
	if (target->stalled_count++ == 0)
		tn_target_arm(engine, target, tn_retries_deadline(engine, target));
}

void tn_retries_unstall(struct tn_target *target)
{
	struct tn_list line;
	if (target->stalled_count == 0)
		return;
	tn_list_init(&line);
	tn_list_append(&line, &target->stalled);
	for (struct tn_link *link = tn_list_first(&line); link != NULL; link = tn_list_next(&line, link))
		TN_OWNER(link, struct tn_delivery, link)->stalled = false;
	tn_list_append(&line, &target->waiting);
	tn_list_append(&target->waiting, &line);
	target->stalled_count = 0;
}

/* For a probe, which is the oldest of all that may start: those that may not step aside now. */
static void sort(struct tn_engine *engine, struct tn_target *target, bool allowed)
{
	if (allowed) {
		tn_retries_unstall(target);
		return;
	}
	for (struct tn_link *link = tn_list_first(&target->waiting), *next; link != NULL; link = next) {
		next = tn_list_next(&target->waiting, link);
		struct tn_delivery *delivery = TN_OWNER(link, struct tn_delivery, link);
		if (tn_retries_is_one(delivery))
			stall(engine, target, delivery);
	}
}

struct tn_link *tn_retries_choose(struct tn_engine *engine, struct tn_target *target)
{
	bool allowed = tn_retries_allow(engine, target);
	if (target->breaker.state == TN_BREAKER_HALF_OPEN) {
		sort(engine, target, allowed);
		return tn_breaker_choose(target);
	}
	if (allowed && target->stalled_count > 0)
		return tn_list_first(&target->stalled);
	struct tn_link *link = tn_list_first(&target->waiting);
	while (!allowed && link != NULL && tn_retries_is_one(TN_OWNER(link, struct tn_delivery, link))) {
		stall(engine, target, TN_OWNER(link, struct tn_delivery, link));
		link = tn_list_first(&target->waiting);
	}
	return link;
}
