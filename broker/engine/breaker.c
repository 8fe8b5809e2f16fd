/* SPDX-License-Identifier: Apache-2.0
 *
 * breaker.c - the circuit breaker of a target (delivery-semantics section 15): a dead target is left alone, and found alive again.
 *
 * Called with every answer of a target and every timeout, by its timer, by reload, and by an operator.
 *
 *   CLOSED --too many failures, a config error that is held, the operator--> OPEN: no attempts, what would wait is parked
 *     ^ ^                                                                    |  ^
 *     | '-- the operator, from any state                  30 s, doubling to  |  | any failure
 *     |                                          300 s; or settings changed  v  |
 *     '------------------------ 5 good answers ---------------------------- HALF_OPEN: 1 probe, then 3 at a time
 *
 * A probe is a real delivery, the oldest there is, and counts like any attempt; so it has a deadline, and HALF_OPEN cannot stick.
 * Failures are RETRY and timeouts. THROTTLED says nothing; all else is an answer, and good. An attempt that began before the last
 * change of state says nothing about now: each change begins an episode, and only answers to its own attempts count.
 *
 * Parking by the breaker costs no retry, and leaves a delivery due as it was: OPEN keeps its rows from being read, so whatever ends
 * OPEN finds them due. One that was loaded from its row is put back without a write.
 */
#include "core.h"
#include "lane.h"
#include "pace.h"
#include "target.h"

enum {
	IN_A_ROW = 10, ATTEMPTS = 20, PERCENT = 50, WINDOW_MS = 30000, OPEN_MS = 30000, OPEN_MAX_MS = 300000,
	PROBES = 3,            /* at a time, once the first passed */
	GOOD_PROBES = 5,       /* close it */
	PAGE_WAIT_MS = 1000,   /* a store that does not answer keeps no probe waiting for longer */
	HELD_MS = 30000,       /* beyond the park cap, a delivery looks again so often while an operator has it open */
};

void tn_breaker_default(struct tn_breaker_limits *limits)
{
	limits->in_a_row = limits->in_a_row > 0 ? limits->in_a_row : IN_A_ROW;
	limits->attempts = limits->attempts > 0 ? limits->attempts : ATTEMPTS;
	limits->percent = limits->percent > 0 ? limits->percent : PERCENT;
	limits->window_ms = limits->window_ms > 0 ? limits->window_ms : WINDOW_MS;
	limits->open_ms = limits->open_ms > 0 ? limits->open_ms : OPEN_MS;
	limits->open_max_ms = limits->open_max_ms > 0 ? limits->open_max_ms : OPEN_MAX_MS;
}

/* --- What an open one does with deliveries --- */

static void park(struct tn_engine *engine, struct tn_delivery *delivery)
{
	int64_t due_ms = tn_time_max(delivery->tries.not_before_ms, engine->now_ms);
	if (TN_PLANT(18))
		delivery->tries.system++;
	if (tn_park_is_written(delivery))
		tn_park_put_back(engine, delivery);
	else if (tn_park_has_room(delivery) || delivery->target->limits.on_park_full == TN_PARK_FULL_DEAD_LETTER)
		tn_park_or_hold(engine, delivery, due_ms);
	else
		tn_park_or_hold(engine, delivery, tn_time_min(delivery->target->breaker.until_ms, engine->now_ms + HELD_MS));
}

bool tn_breaker_keeps(struct tn_engine *engine, struct tn_delivery *delivery)
{
	if (delivery->target->breaker.state != TN_BREAKER_OPEN || tn_lane_keeps(engine, delivery))
		return false;
	park(engine, delivery);
	return true;
}

/* A target's line also has dead letters whose sink it is: those count it as a try. */
static void empty_line(struct tn_engine *engine, struct tn_target *target)
{
	struct tn_list line; /* what may not be parked stands in it again after this */
	struct tn_link *link;
	tn_list_init(&line);
	tn_retries_unstall(target);
	tn_list_append(&line, &target->waiting);
	while ((link = tn_list_first(&line)) != NULL) {
		struct tn_delivery *delivery = TN_OWNER(link, struct tn_delivery, link);
		if (delivery->state == TN_STATE_BURYING) {
			tn_bury_sink_rests(engine, delivery);
		} else if (!tn_lane_keeps(engine, delivery)) {
			park(engine, delivery);
		} else {
			tn_link_leave(link);
			tn_list_push(&target->waiting, link);
		}
	}
}

/* --- Changes of state --- */

static void enter(struct tn_target *target, enum tn_breaker_state state)
{
	struct tn_breaker *breaker = &target->breaker;
	breaker->state = (uint8_t)state;
	breaker->episode++;
	breaker->in_a_row = breaker->attempts = breaker->failures = breaker->probes = breaker->passed = 0;
	memset(breaker->buckets, 0, sizeof(breaker->buckets));
}

static void open_until(struct tn_engine *engine, struct tn_target *target, int64_t until_ms, const char *code)
{
	struct tn_breaker *breaker = &target->breaker;
	enter(target, TN_BREAKER_OPEN);
	breaker->opened++;
	breaker->until_ms = until_ms;
	breaker->code = code;
	tn_books_note_target(engine, TN_NOTE_BREAKER_OPENED, target, code, until_ms == INT64_MAX ? 0 : until_ms);
	tn_target_arm(engine, target, until_ms);
	if (!engine->draining)
		empty_line(engine, target);
	tn_target_update(engine, target);
}

static void open_for_now(struct tn_engine *engine, struct tn_target *target, const char *code)
{
	const struct tn_breaker_limits *limits = &target->limits.breaker;
	struct tn_breaker *breaker = &target->breaker;
	breaker->pause_ms = tn_time_min(breaker->pause_ms == 0 ? limits->open_ms : breaker->pause_ms * 2, limits->open_max_ms);
	int64_t jitter_ms = (int64_t)tn_random_upto(&engine->random, (uint64_t)breaker->pause_ms / 10);
	open_until(engine, target, tn_time_add(engine->now_ms, breaker->pause_ms + jitter_ms), code);
}

static void open_half(struct tn_engine *engine, struct tn_target *target)
{
	struct tn_breaker *breaker = &target->breaker;
	enter(target, TN_BREAKER_HALF_OPEN);
	breaker->page_by_ms = engine->now_ms + PAGE_WAIT_MS;
	tn_books_note_target(engine, TN_NOTE_BREAKER_HALF_OPEN, target, breaker->code, 0);
	tn_target_arm(engine, target, breaker->page_by_ms);
	tn_target_update(engine, target);
}

static void close_again(struct tn_engine *engine, struct tn_target *target)
{
	struct tn_breaker *breaker = &target->breaker;
	tn_books_note_target(engine, TN_NOTE_BREAKER_CLOSED, target, breaker->code, 0);
	enter(target, TN_BREAKER_CLOSED);
	breaker->pause_ms = 0;
	breaker->code = NULL;
	tn_target_update(engine, target);
}

void tn_breaker_wake(struct tn_engine *engine, struct tn_target *target)
{
	if (target->breaker.state == TN_BREAKER_OPEN && target->breaker.until_ms <= engine->now_ms)
		open_half(engine, target);
}

void tn_breaker_changed(struct tn_engine *engine, struct tn_target *target)
{
	if (target->breaker.state != TN_BREAKER_OPEN || target->breaker.until_ms == INT64_MAX)
		return;
	target->breaker.pause_ms = 0;
	open_half(engine, target);
}

int64_t tn_breaker_deadline(const struct tn_engine *engine, const struct tn_target *target)
{
	const struct tn_breaker *breaker = &target->breaker;
	if (breaker->state == TN_BREAKER_OPEN)
		return breaker->until_ms;
	bool waits = breaker->state == TN_BREAKER_HALF_OPEN && breaker->page_by_ms > engine->now_ms;
	return waits ? breaker->page_by_ms : INT64_MAX;
}

enum tn_status tn_engine_breaker(struct tn_engine *engine, uint32_t target_no, enum tn_breaker_state state)
{
	struct tn_target *target = tn_target_find(engine, target_no);
	assert(state != TN_BREAKER_HALF_OPEN);
	if (target->limits.target_no != target_no || target_no == 0)
		return TN_NOT_FOUND;
	if (state == TN_BREAKER_OPEN && !(target->breaker.state == TN_BREAKER_OPEN && target->breaker.until_ms == INT64_MAX))
		open_until(engine, target, INT64_MAX, "OPERATOR");
	else if (state == TN_BREAKER_CLOSED && target->breaker.state != TN_BREAKER_CLOSED)
		close_again(engine, target);
	return TN_OK;
}

/* --- Answers --- */

/* The ring turns on to now; what is older than the window is forgotten. */
static uint32_t turn_ring(struct tn_breaker *breaker, int64_t window_ms, int64_t now_ms)
{
	int64_t bucket_ms = window_ms / TN_BREAKER_BUCKETS > 0 ? window_ms / TN_BREAKER_BUCKETS : 1;
	int64_t bucket_no = now_ms / bucket_ms;
	int64_t passed = bucket_no - breaker->bucket_no;
	breaker->bucket_no = bucket_no;
	for (int64_t i = passed < TN_BREAKER_BUCKETS ? passed : TN_BREAKER_BUCKETS; i > 0; i--) {
		uint32_t at = (uint32_t)((bucket_no - i + 1) % TN_BREAKER_BUCKETS);
		breaker->attempts -= breaker->buckets[at].attempts;
		breaker->failures -= breaker->buckets[at].failures;
		breaker->buckets[at].attempts = breaker->buckets[at].failures = 0;
	}
	return (uint32_t)(bucket_no % TN_BREAKER_BUCKETS);
}

static void count(struct tn_engine *engine, struct tn_target *target, bool failed, const char *code)
{
	const struct tn_breaker_limits *limits = &target->limits.breaker;
	struct tn_breaker *breaker = &target->breaker;
	uint32_t at = turn_ring(breaker, limits->window_ms, engine->now_ms);
	breaker->attempts++;
	breaker->failures += failed;
	breaker->buckets[at].attempts++;
	breaker->buckets[at].failures += failed;
	breaker->in_a_row = failed ? breaker->in_a_row + 1 : 0;
	if (!failed)
		return;
	bool often = breaker->attempts >= limits->attempts && (uint64_t)breaker->failures * 100 >= (uint64_t)breaker->attempts * limits->percent;
	if (often || breaker->in_a_row >= limits->in_a_row)
		open_for_now(engine, target, code);
}

/* With no breaker wanted, HALF_OPEN comes after a config error alone: any other answer says that it is over. */
static void probed(struct tn_engine *engine, struct tn_target *target, bool failed, const char *code)
{
	struct tn_breaker *breaker = &target->breaker;
	if (failed && target->limits.breaker.on)
		open_for_now(engine, target, code);
	else if (++breaker->passed >= GOOD_PROBES || !target->limits.breaker.on)
		close_again(engine, target);
}

static bool is_held_error(const struct tn_target *target, const struct tn_outcome *outcome)
{
	const struct tn_target_limits *limits = &target->limits;
	return outcome->verdict == TN_MISCONFIGURED &&
	       (outcome->credential ? limits->on_credential_error : limits->on_missing) == TN_CONFIG_HOLD;
}

static bool says_nothing(const struct tn_outcome *outcome)
{
	return outcome->verdict == TN_HOLD || outcome->verdict == TN_THROTTLED || outcome->local;
}

void tn_breaker_answered(struct tn_engine *engine, struct tn_target *target, uint32_t episode, const struct tn_outcome *outcome)
{
	struct tn_breaker *breaker = &target->breaker;
	bool half = breaker->state == TN_BREAKER_HALF_OPEN;
	bool failed = outcome->verdict == TN_RETRY || outcome->verdict == TN_STAGED;
	if (episode != breaker->episode || (TN_PLANT(19) && half && failed))
		return;
	if (half)
		breaker->probes--;
	if (is_held_error(target, outcome))
		open_for_now(engine, target, outcome->code);
	else if (says_nothing(outcome))
		return;
	else if (half)
		probed(engine, target, failed, outcome->code);
	else if (target->limits.breaker.on)
		count(engine, target, failed, outcome->code);
}

/* --- Attempts --- */

uint32_t tn_breaker_started(struct tn_target *target)
{
	target->breaker.probes += target->breaker.state == TN_BREAKER_HALF_OPEN;
	return target->breaker.episode;
}

/* The oldest of all may be parked: its page comes first. */
static bool awaits_page(const struct tn_engine *engine, const struct tn_target *target)
{
	return engine->now_ms < target->breaker.page_by_ms && target->loaded == 0 &&
	       (tn_scan_wanted(engine, target) || tn_scan_under_way(engine, target));
}

bool tn_breaker_allows(const struct tn_engine *engine, const struct tn_target *target)
{
	const struct tn_breaker *breaker = &target->breaker;
	assert(breaker->state == TN_BREAKER_HALF_OPEN);
	uint32_t limit = breaker->passed == 0 ? 1 : PROBES;
	return breaker->probes < limit && !awaits_page(engine, target);
}

struct tn_link *tn_breaker_choose(const struct tn_target *target)
{
	struct tn_link *oldest = tn_list_first(&target->waiting);
	for (struct tn_link *link = oldest; link != NULL; link = tn_list_next(&target->waiting, link)) {
		int64_t accepted_ms = TN_OWNER(link, const struct tn_delivery, link)->tries.accepted_ms;
		if (accepted_ms < TN_OWNER(oldest, const struct tn_delivery, link)->tries.accepted_ms)
			oldest = link;
	}
	return oldest;
}
