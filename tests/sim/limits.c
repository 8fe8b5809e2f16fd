/* SPDX-License-Identifier: Apache-2.0
 *
 * limits.c - what a target may take: a model of its breaker, from what its answers were and what the engine noted.
 *
 * And of its rate, its retry budget and its adaptive limit, which no START may exceed, over any window.
 *
 * No attempt while it is open, one probe and then three while it is half-open; it opens when it must, and never without a cause. Timeouts
 * are known here only by their CANCEL, after the engine drew its conclusions: so causes are judged at the end of a turn.
 */
#include <string.h>

#include "world.h"

static void draw_pace(struct world *world, struct tn_target_limits *limits)
{
	limits->adaptive = sim_chance(world, 25);
	if (sim_chance(world, 25)) {
		limits->rate.period_ms = sim_chance(world, 70) ? 1000 : 60000;
		limits->rate.count = 5 + sim_upto(world, 95);
		limits->rate.burst = sim_chance(world, 50) ? 0 : 1 + sim_upto(world, 20);
	}
	if (sim_chance(world, 30)) {
		limits->retries.on = true;
		limits->retries.percent = sim_upto(world, 40);
		limits->retries.per_second = 1 + sim_upto(world, 3);
	}
	if (sim_chance(world, 15))
		limits->park_bytes = 1000 + sim_upto(world, 20000);
	if (sim_chance(world, 15))
		limits->park_rows_kept = 1 + sim_upto(world, 6);
}

void sim_draw_limits(struct world *world, struct tn_target_limits *limits)
{
	draw_pace(world, limits);
	struct tn_breaker_limits *breaker = &limits->breaker;
	if (sim_chance(world, 40))
		return;
	*breaker = (struct tn_breaker_limits){.on = true, .in_a_row = 2 + sim_upto(world, 8), .attempts = 5 + sim_upto(world, 15),
		.percent = 30 + sim_upto(world, 50), .window_ms = 1000 + sim_upto(world, 30000), .open_ms = 200 + sim_upto(world, 20000)};
	breaker->open_max_ms = breaker->open_ms * (1 + sim_upto(world, 9));
}

/* --- The operator --- */

static void order(struct world *world, uint32_t number, enum tn_breaker_state state)
{
	struct sim_target *target = &world->targets[number];
	sim_say(world, SIM_OPERATOR, number, state, 0);
	target->breaker.by_hand = true;
	enum tn_status status = tn_engine_breaker(world->engine, number, state);
	target->breaker.by_hand = target->breaker.state == TN_BREAKER_OPEN && status == TN_OK;
	if (status == TN_OK && target->breaker.state != state)
		sim_fail(world, "target %u: the operator was not obeyed", number);
}

bool sim_operate(struct world *world)
{
	uint32_t number = 1 + sim_upto(world, world->target_count - 1); /* one draw a statement: arguments have no order */
	order(world, number, sim_chance(world, 40) ? TN_BREAKER_OPEN : TN_BREAKER_CLOSED);
	return true;
}

void sim_close_breakers(struct world *world)
{
	for (uint32_t i = 1; i <= world->target_count; i++) {
		if (world->targets[i].breaker.by_hand)
			order(world, i, TN_BREAKER_CLOSED);
	}
}

void sim_limits_after_crash(struct world *world)
{
	for (uint32_t i = 1; i <= world->target_count; i++) {
		world->targets[i].breaker = (struct sim_breaker){0};
		world->targets[i].starts = (struct sim_starts){0};
	}
}

/* --- Notes --- */

static void check_close(struct world *world, const struct sim_target *target)
{
	const struct sim_breaker *breaker = &target->breaker;
	uint32_t needed = target->limits.breaker.on ? 5 : 0; /* a timeout will do, and comes as a CANCEL after this note */
	if (!breaker->by_hand && (breaker->state != TN_BREAKER_HALF_OPEN || breaker->passed < needed))
		sim_fail(world, "target %s: the breaker closed after %u good probes", target->name, breaker->passed);
}

static void check_half_open(struct world *world, const struct sim_target *target)
{
	const struct sim_breaker *breaker = &target->breaker;
	if (breaker->state != TN_BREAKER_OPEN || breaker->by_hand || world->now_ms < breaker->closed_until_ms)
		sim_fail(world, "target %s: the breaker is half-open too early", target->name);
}

static void enter(struct sim_breaker *breaker, enum tn_breaker_state state)
{
	breaker->state = state;
	breaker->episode++;
	breaker->passed = 0;
}

void sim_limits_noted(struct world *world, const struct tn_note *note)
{
	if (note->kind < TN_NOTE_BREAKER_OPENED || note->kind > TN_NOTE_BREAKER_CLOSED)
		return;
	struct sim_target *target = &world->targets[note->target.bytes[1] - '0'];
	struct sim_breaker *breaker = &target->breaker;
	if (note->kind == TN_NOTE_BREAKER_CLOSED) {
		check_close(world, target);
		enter(breaker, TN_BREAKER_CLOSED);
	} else if (note->kind == TN_NOTE_BREAKER_HALF_OPEN) {
		check_half_open(world, target);
		enter(breaker, TN_BREAKER_HALF_OPEN);
	} else {
		int64_t open_ms = target->limits.breaker.open_ms;
		breaker->opened = !breaker->by_hand;
		breaker->was_closed = breaker->state == TN_BREAKER_CLOSED;
		breaker->closed_until_ms = world->now_ms + (open_ms > 0 ? open_ms : 30000);
		enter(breaker, TN_BREAKER_OPEN);
	}
}

/* --- Rate, budget, concurrency --- */

/* In whole numbers: ms are counted `count` times, and an attempt takes period_ms of that. */
static void check_rate(struct world *world, struct sim_target *target)
{
	const struct tn_rate_limits *rate = &target->limits.rate;
	int64_t now = world->now_ms * rate->count, burst = rate->burst > 0 ? rate->burst : rate->count;
	if (rate->count == 0)
		return;
	if (now < target->starts.next - (burst - 1) * rate->period_ms)
		sim_fail(world, "target %s: more attempts than its rate", target->name);
	target->starts.next = (target->starts.next > now ? target->starts.next : now) + rate->period_ms;
}

void sim_limits_item_started(struct world *world, struct sim_attempt *attempt, const struct tn_item *item)
{
	struct sim_target *target = &world->targets[attempt->target_no];
	const struct tn_retry_limits *limits = &target->limits.retries;
	struct sim_starts *starts = &target->starts;
	attempt->start_no = NOT_COUNTED;
	if (!limits->on || attempt->purpose != TN_TO_TARGET)
		return;
	bool retry = item->tries.system + item->tries.function > 0;
	uint32_t firsts = 0, retries = retry;
	for (uint32_t i = 1; i <= starts->count && i <= STARTS_KEPT; i++) {
		uint32_t at = (starts->count - i) % STARTS_KEPT;
		if (starts->kept[at].at_ms <= world->now_ms - 10000)
			break;
		firsts += !starts->kept[at].retry;
		retries += starts->kept[at].retry && !starts->kept[at].good;
	}
	if (retry && retries > limits->per_second * 10 + firsts * limits->percent / 100)
		sim_fail(world, "target %s: %u retries and %u first attempts within 10 s", target->name, retries, firsts);
	attempt->start_no = starts->count++;
	starts->kept[attempt->start_no % STARTS_KEPT] = (struct sim_start){.at_ms = world->now_ms, .retry = retry};
}

void sim_limits_item_answered(struct world *world, const struct sim_attempt *attempt, const struct tn_outcome *outcome)
{
	struct sim_starts *starts = &world->targets[attempt->target_no].starts;
	bool good = outcome->verdict == TN_DELIVERED || outcome->verdict == TN_STAGED || outcome->verdict == TN_HOLD;
	if (attempt->start_no != NOT_COUNTED && starts->count - attempt->start_no <= STARTS_KEPT)
		starts->kept[attempt->start_no % STARTS_KEPT].good = good;
}

static void check_concurrency(struct world *world, uint32_t target_no)
{
	struct tn_target_view view = {0};
	for (uint32_t i = 0; view.target_no != target_no && tn_engine_target_view(world->engine, i, &view);)
		i++;
	if (view.in_flight > view.limit || view.limit > 200)
		sim_fail(world, "target %u: %u attempts at once, with a limit of %u", target_no, view.in_flight, view.limit);
}

static void check_pace(struct world *world, const struct sim_attempt *attempt)
{
	struct sim_target *target = &world->targets[attempt->target_no];
	check_rate(world, target);
	if (target->limits.adaptive)
		check_concurrency(world, attempt->target_no);
}

/* --- Attempts and answers --- */

static uint32_t count_probes(const struct world *world, uint32_t target_no, uint32_t episode)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < world->attempt_end; i++) {
		const struct sim_attempt *attempt = &world->attempts[i];
		count += attempt->used && !attempt->cancelled && attempt->target_no == target_no && attempt->episode == episode;
	}
	return count;
}

void sim_limits_started(struct world *world, struct sim_attempt *attempt)
{
	struct sim_breaker *breaker = &world->targets[attempt->target_no].breaker;
	attempt->episode = breaker->episode;
	check_pace(world, attempt);
	if (breaker->state == TN_BREAKER_OPEN)
		sim_fail(world, "an attempt at target %u, whose breaker is open", attempt->target_no);
	if (breaker->state != TN_BREAKER_HALF_OPEN)
		return;
	uint32_t probes = count_probes(world, attempt->target_no, breaker->episode);
	if (probes > (breaker->passed == 0 ? 1u : 3u))
		sim_fail(world, "target %u: %u probes at once after %u good ones", attempt->target_no, probes, breaker->passed);
}

static bool is_held(const struct tn_target_limits *limits, const struct tn_outcome *outcome)
{
	enum tn_on_config_error policy = outcome->credential ? limits->on_credential_error : limits->on_missing;
	return outcome->verdict == TN_MISCONFIGURED && policy == TN_CONFIG_HOLD;
}

void sim_limits_answered(struct world *world, const struct sim_attempt *attempt, const struct tn_outcome *outcome)
{
	struct sim_target *target = &world->targets[attempt->target_no];
	struct sim_breaker *breaker = &target->breaker;
	bool now = attempt->episode == breaker->episode, failed = outcome->verdict == TN_RETRY;
	if (attempt->episode != breaker->counted || outcome->verdict == TN_HOLD || outcome->verdict == TN_THROTTLED)
		return;
	if (is_held(&target->limits, outcome)) {
		breaker->must_open = now;
		return;
	}
	if (breaker->state == TN_BREAKER_HALF_OPEN && now && !(failed && target->limits.breaker.on))
		breaker->passed++;
	breaker->answered_ms[breaker->answers % ANSWERS_KEPT] = world->now_ms;
	breaker->failed[breaker->answers++ % ANSWERS_KEPT] = failed;
}

static uint32_t failed_in_a_row(const struct sim_breaker *breaker)
{
	uint32_t row = 0;
	while (row < breaker->answers && row < ANSWERS_KEPT && breaker->failed[(breaker->answers - 1 - row) % ANSWERS_KEPT])
		row++;
	return row;
}

/* Some number of the last answers, all within the window, failed too often. */
static bool failed_often(const struct world *world, const struct sim_breaker *breaker, const struct tn_breaker_limits *limits)
{
	uint32_t failures = 0;
	for (uint32_t i = 1; i <= breaker->answers && i <= ANSWERS_KEPT; i++) {
		uint32_t at = (breaker->answers - i) % ANSWERS_KEPT;
		failures += breaker->failed[at];
		if (breaker->answered_ms[at] < world->now_ms - limits->window_ms)
			return false;
		if (i >= limits->attempts && failures * 100 >= i * limits->percent)
			return true;
	}
	return breaker->answers > ANSWERS_KEPT;
}

static void check_breaker(struct world *world, struct sim_target *target)
{
	struct sim_breaker *breaker = &target->breaker;
	const struct tn_breaker_limits *limits = &target->limits.breaker;
	uint32_t row = failed_in_a_row(breaker);
	if (breaker->opened && !breaker->must_open && row == 0)
		sim_fail(world, "target %s: the breaker opened, and the last answer was good", target->name);
	if (breaker->must_open && !breaker->opened)
		sim_fail(world, "target %s: an operator must act, and the breaker did not open", target->name);
	if (!breaker->opened && limits->on && breaker->counted == breaker->episode && breaker->state == TN_BREAKER_CLOSED &&
		row >= limits->in_a_row)
		sim_fail(world, "target %s: %u failures in a row, and the breaker is closed", target->name, row);
	if (breaker->opened && !breaker->must_open && breaker->was_closed && row < limits->in_a_row && !failed_often(world, breaker, limits))
		sim_fail(world, "target %s: the breaker opened after %u failures in a row", target->name, row);
	if (breaker->counted != breaker->episode)
		breaker->answers = 0;
	breaker->counted = breaker->episode;
	breaker->opened = breaker->must_open = false;
}

void sim_limits_check_turn(struct world *world)
{
	for (uint32_t i = 1; i <= world->target_count; i++)
		check_breaker(world, &world->targets[i]);
}
