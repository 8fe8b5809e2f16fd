/* SPDX-License-Identifier: Apache-2.0
 *
 * target.c - targets that answer as their mode says, late or in time, once.
 */
#include <string.h>

#include "world.h"

void sim_draw_targets(struct world *world)
{
	world->target_count = sim_at_most(world, SIM_TARGETS, 1 + sim_upto(world, TARGETS_MAX - 2));
	for (uint32_t i = 1; i <= world->target_count; i++) {
		struct sim_target *target = &world->targets[i];
		target->name[0] = 't';
		target->name[1] = (char)('0' + i);
		target->mode = FAULT_COUNT;
		target->limits = (struct tn_target_limits){.name = {target->name, 2}, .target_no = i,
			.max_in_flight = 1 + sim_upto(world, 15), .timeout_ms = 200 + sim_upto(world, 3000),
			.park_rows = sim_chance(world, 30) ? 1 + sim_upto(world, 6) : 1000,
			.on_park_full = sim_chance(world, 50) ? TN_PARK_FULL_PAUSE : TN_PARK_FULL_DEAD_LETTER,
			.on_credential_error = sim_chance(world, 80) ? TN_CONFIG_HOLD : TN_CONFIG_DEAD_LETTER,
			.on_missing = sim_chance(world, 20) ? TN_CONFIG_HOLD : TN_CONFIG_DEAD_LETTER,
			.retry_after_max_ms = sim_chance(world, 80) ? 1000 + sim_upto(world, 60000) : 0};
		sim_draw_limits(world, &target->limits);
		sim_draw_cluster(world, &target->limits);
		if (sim_chance(world, 25))
			target->limits.dead_letter_no = 1 + sim_upto(world, world->target_count - 1);
		target->limits.ordered = target->ordered = sim_chance(world, 50);
		target->limits.park_ordered = sim_chance(world, 30);
		if (sim_chance(world, 35)) {
			target->limits.batch_items = 1 + sim_upto(world, BATCH_MAX - 1);
			target->limits.batch_bytes = 100 + sim_upto(world, 4000);
		}
		if (sim_chance(world, 15))
			target->limits.dead_max_bytes = 1 + sim_upto(world, 4000);
	}
}

/* The table names every target that has rows (engine.h). */
static bool has_rows(const struct world *world, uint32_t target_no)
{
	for (uint32_t i = 0; i < world->disk.count; i++) {
		if (world->disk.rows[i].target_no == target_no)
			return true;
	}
	return false;
}

/* A dead letter of that target, or of any (0), blocks its lane. */
bool sim_has_blocks(const struct world *world, uint32_t target_no)
{
	for (uint32_t i = 0; i < world->disk.count; i++) {
		const struct sim_row *row = &world->disk.rows[i];
		if (row->state == TN_ROW_DEAD && row->blocks && (target_no == 0 || row->target_no == target_no))
			return true;
	}
	return false;
}

uint32_t sim_blocks_without_order(const struct world *world)
{
	for (uint32_t i = 1; i <= world->target_count; i++) {
		if (!world->targets[i].ordered && !world->targets[i].removed && sim_has_blocks(world, i))
			return i;
	}
	return 0;
}

void sim_fill_table(struct world *world, struct tn_target_table *table, struct tn_target_limits *limits)
{
	*table = (struct tn_target_table){.targets = limits, .removal_grace_ms = 5000, .found_blocks = sim_has_blocks(world, 0)};
	for (uint32_t i = 1; i <= world->target_count; i++) {
		struct tn_target_limits *row = &limits[table->count];
		*row = world->targets[i].limits;
		row->removed = world->targets[i].removed;
		row->found_parked = sim_parked_rows(world, i, &row->found_parked_bytes);
		row->found_dead_bytes = sim_dead_bytes(world, i, &row->found_dead_rows);
		if (world->healing)
			row->dead_max_bytes = 0;
		bool told = !row->removed || has_rows(world, i) || sim_chance(world, 50);
		table->count += told;
		if (told && world->targets[i].told_settings != row->settings)
			world->targets[i].breaker.closed_until_ms = 0; /* a probe at once */
		if (told)
			world->targets[i].told_settings = row->settings;
	}
}

void sim_reload(struct world *world)
{
	struct tn_target_limits limits[TARGETS_MAX];
	struct tn_target_table table;
	struct sim_target *target = &world->targets[1 + sim_upto(world, world->target_count - 1)];
	bool was_removed = target->removed;
	uint32_t max_in_flight = target->limits.max_in_flight;
	uint64_t settings = target->limits.settings;
	target->limits.settings += sim_has(world, FAULT_BREAKER) && sim_chance(world, 50);
	bool budget = target->limits.retries.on, ordered = target->ordered;
	if (sim_chance(world, 15))
		target->limits.ordered = target->ordered = !ordered;
	if (budget && sim_chance(world, 20))
		target->limits.retries.on = false;
	if (sim_chance(world, 60))
		target->removed = !target->removed && !world->healing;
	else
		target->limits.max_in_flight = 1 + sim_upto(world, 15);
	sim_fill_table(world, &table, limits);
	enum tn_status status = tn_engine_reload(world->engine, &table);
	sim_say(world, SIM_RELOAD, status, target->limits.target_no, target->removed);
	if (status == TN_OK) {
		target->reordered = target->reordered || target->ordered != ordered;
		sim_new_revision(world);
	} else {
		target->limits.ordered = target->ordered = ordered;
		target->removed = was_removed;
		target->limits.max_in_flight = max_in_flight;
		target->limits.settings = settings;
		target->limits.retries.on = budget;
	}
}

/* --- Modes --- */

static const uint8_t target_faults[] = {FAULT_5XX, FAULT_4XX, FAULT_429, FAULT_HANG, FAULT_LOST_REPLY, FAULT_FLAP, FAULT_CREDENTIAL,
	FAULT_HOLD, FAULT_MISSING, FAULT_DECLINED};

void sim_change_modes(struct world *world)
{
	for (uint32_t i = 1; i <= world->target_count; i++) {
		struct sim_target *target = &world->targets[i];
		if (target->mode_steps > 0 && !world->healing) {
			target->mode_steps--;
			continue;
		}
		uint8_t mode = target_faults[sim_upto(world, sizeof(target_faults) - 1)];
		target->mode = sim_has(world, mode) && sim_chance(world, 60) ? mode : FAULT_COUNT;
		target->mode_steps = sim_upto(world, 60);
	}
}

/* --- Attempts --- */

static struct sim_attempt *free_attempt(struct world *world)
{
	for (uint32_t i = 0; i < world->attempt_end; i++) {
		if (!world->attempts[i].used)
			return &world->attempts[i];
	}
	return world->attempt_end < ATTEMPTS_MAX ? &world->attempts[world->attempt_end++] : NULL;
}

static uint32_t instance_of(struct tn_str origin)
{
	uint32_t number = 0;
	size_t i = 0;
	while (i < origin.len && origin.bytes[i] != '.')
		i++;
	for (i++; i < origin.len; i++)
		number = number * 10 + (uint32_t)(origin.bytes[i] - '0');
	return number;
}

/* One record an item; they stand and fall together, by their token. */
static struct sim_attempt *started_item(struct world *world, const struct tn_attempt *attempt, uint32_t number)
{
	const struct tn_item *item = &attempt->items[number];
	struct sim_attempt *record = free_attempt(world);
	if (record == NULL) {
		sim_fail(world, "more than %d attempts at once", ATTEMPTS_MAX);
		return NULL;
	}
	*record = (struct sim_attempt){.used = true, .attempt = attempt, .hash = sim_hash_attempt(attempt), .item = number,
		.target_no = attempt->target_no, .purpose = attempt->purpose, .instance = instance_of(item->origin),
		.inside = attempt->txn != 0};
	sim_split_id(&item->id, &record->event, &record->match);
	world->attempts_used++;
	return record;
}

static void check_batch(struct world *world, const struct tn_attempt *attempt)
{
	uint32_t most = world->targets[attempt->target_no].limits.batch_items;
	if (attempt->purpose == TN_TO_DEAD_LETTER)
		most = 0;
	if (attempt->count == 0 || attempt->count > (most > 0 ? most : 1) || attempt->batch != (most > 0))
		sim_fail(world, "%u events at once to target %u, which takes %u", attempt->count, attempt->target_no, most);
}

void sim_started(struct world *world, const struct tn_command *command)
{
	const struct tn_attempt *attempt = command->attempt;
	uint8_t mode = world->targets[attempt->target_no].mode;
	int64_t ready_ms = 0;
	check_batch(world, attempt);
	for (uint32_t i = 0; i < attempt->count && !world->failed; i++) {
		struct sim_attempt *record = started_item(world, attempt, i);
		if (record == NULL)
			return;
		if (i == 0)
			sim_limits_started(world, record);
		sim_limits_item_started(world, record, &attempt->items[i]);
		sim_check_start(world, record, &attempt->items[i]);
		sim_txn_started(world, record);
		if (i == 0)
			ready_ms = world->now_ms + sim_upto(world, sim_chance(world, 10) ? 1500 : 100);
		record->mode = mode;
		record->ready_ms = mode == FAULT_HANG ? INT64_MAX : ready_ms;
	}
}

void sim_cancelled(struct world *world, const struct tn_command *command)
{
	static const struct tn_outcome timeout = {.verdict = TN_RETRY};
	int64_t ready_ms = world->now_ms + sim_upto(world, sim_chance(world, 70) ? 200 : 9000);
	bool found = false;
	for (uint32_t i = 0; i < world->attempt_end; i++) {
		struct sim_attempt *attempt = &world->attempts[i];
		if (!attempt->used || attempt->attempt->token != command->token)
			continue;
		attempt->cancelled = found = true;
		sim_check_result(world, attempt, &timeout);
		attempt->cancelled_ms = world->now_ms;
		attempt->ready_ms = ready_ms;
	}
	if (!found)
		sim_fail(world, "CANCEL of an attempt that is not under way");
}

static struct tn_outcome delivered(struct world *world, const struct sim_attempt *attempt)
{
	if (attempt->attempt->txn != 0)
		sim_txn_wrote(world, attempt);
	else if (attempt->purpose == TN_TO_TARGET)
		world->events[attempt->event].entries[attempt->match].effects++;
	return (struct tn_outcome){.verdict = TN_DELIVERED};
}

static struct tn_outcome outcome_of(struct world *world, const struct sim_attempt *attempt)
{
	struct tn_outcome retry = {.verdict = TN_RETRY, .status = 503, .code = "HTTP_503", .message = TN_STR("it is down"),
		.function_error = sim_chance(world, 30)};
	switch (attempt->mode) {
	case FAULT_5XX:
		return retry;
	case FAULT_4XX:
		return (struct tn_outcome){.verdict = TN_REJECTED, .status = 422, .code = "HTTP_422"};
	case FAULT_429:
		return (struct tn_outcome){.verdict = TN_THROTTLED, .status = 429, .code = "THROTTLED",
			.retry_after_ms = 500 + sim_upto(world, 30000)};
	case FAULT_LOST_REPLY:
		delivered(world, attempt);
		world->duplicating_faults++;
		retry.maybe_done = true;
		return retry;
	case FAULT_HANG: /* only after CANCEL: late, one way or the other */
		world->duplicating_faults++;
		return sim_chance(world, 50) ? retry : delivered(world, attempt);
	case FAULT_FLAP:
		return sim_chance(world, 50) ? retry : delivered(world, attempt);
	case FAULT_CREDENTIAL:
		return (struct tn_outcome){.verdict = TN_MISCONFIGURED, .credential = true, .status = 401, .code = "UNAUTHORIZED"};
	case FAULT_MISSING:
		return (struct tn_outcome){.verdict = TN_MISCONFIGURED, .status = 404, .code = "NOT_FOUND"};
	case FAULT_DECLINED:
		return (struct tn_outcome){.verdict = TN_THROTTLED, .declined = true, .status = 503, .code = "HTTP_503"};
	case FAULT_HOLD:
		return (struct tn_outcome){.verdict = TN_HOLD, .code = "NO_ROOM"};
	default:
		return delivered(world, attempt);
	}
}

/* What the host makes of a reply it could not hand over. */
static struct tn_outcome with_reply(struct world *world, const struct sim_attempt *attempt)
{
	struct sim_entry *entry = &world->events[attempt->event].entries[attempt->match];
	if (entry->replied_instance == attempt->instance)
		entry->replied_instance = 0;
	if (!sim_has(world, FAULT_REPLIES) || !sim_chance(world, 60) || sim_reply(world, attempt) != SIM_REPLY_REFUSED)
		return (struct tn_outcome){.verdict = TN_DELIVERED};
	world->duplicating_faults++;
	return (struct tn_outcome){.verdict = TN_RETRY, .maybe_done = true, .code = "REPLY_REFUSED"};
}

/* Of all items of that attempt, in order; answers how many. */
static uint32_t gather(struct world *world, const struct sim_attempt *one, struct sim_attempt **out_items)
{
	uint64_t token = one->attempt->token;
	uint32_t count = one->attempt->count;
	for (uint32_t i = 0; i < world->attempt_end; i++) {
		struct sim_attempt *attempt = &world->attempts[i];
		if (attempt->used && attempt->attempt->token == token)
			out_items[attempt->item] = attempt;
	}
	return count;
}

static void answer_item(struct world *world, struct sim_attempt *attempt, struct tn_outcome *out_outcome)
{
	if (attempt->cancelled && out_outcome->verdict == TN_DELIVERED)
		world->duplicating_faults++;
	bool alone = attempt->attempt->count == 1 && attempt->purpose == TN_TO_TARGET && attempt->attempt->txn == 0;
	if (!attempt->cancelled && out_outcome->verdict == TN_DELIVERED && alone)
		*out_outcome = with_reply(world, attempt);
	if (!attempt->cancelled)
		sim_check_result(world, attempt, out_outcome);
	if (!attempt->cancelled && out_outcome->verdict == TN_HOLD)
		world->targets[attempt->target_no].held = true;
	sim_say(world, SIM_RESULT, (uint32_t)out_outcome->verdict | (attempt->cancelled ? SIM_LATE : 0),
		(int64_t)attempt->event * 10 + attempt->match, attempt->target_no * 2u + attempt->purpose);
	attempt->used = false;
	world->attempts_used--;
}

/* A batch may come through in part. */
static void fail_some(struct world *world, struct tn_outcome *outcomes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!world->healing && count > 1 && outcomes[i].verdict == TN_DELIVERED && sim_chance(world, 10)) {
			outcomes[i] = (struct tn_outcome){.verdict = TN_RETRY, .maybe_done = true, .code = "BATCH_ITEM_FAILURE"};
			world->duplicating_faults++; /* it had its effect all the same */
		}
	}
}

static void answer(struct world *world, struct sim_attempt *one)
{
	struct sim_attempt *items[BATCH_MAX] = {0};
	struct tn_outcome outcomes[BATCH_MAX];
	struct tn_result result = {.token = one->attempt->token, .outcomes = outcomes};
	uint64_t txn = one->attempt->txn;
	if (sim_hash_attempt(one->attempt) != one->hash)
		sim_fail(world, "what a START pointed to changed before its result");
	result.count = gather(world, one, items);
	for (uint32_t i = 0; i < result.count; i++)
		outcomes[i] = outcome_of(world, items[i]);
	fail_some(world, outcomes, result.count);
	items[0]->of_all = &outcomes[0];
	for (uint32_t i = result.count; i-- > 0;)
		items[0]->of_all = outcomes[i].verdict == TN_DELIVERED ? &outcomes[i] : items[0]->of_all;
	for (uint32_t i = 0; i < result.count; i++)
		answer_item(world, items[i], &outcomes[i]);
	for (uint32_t i = 0; i < result.count && txn != 0; i++) {
		if (outcomes[i].verdict == TN_DELIVERED && sim_chance(world, 50))
			outcomes[i].verdict = TN_STAGED; /* which says the same there */
	}
	tn_engine_result(world->engine, &result);
}

bool sim_answer(struct world *world)
{
	if (world->attempts_used == 0)
		return false;
	uint32_t from = sim_upto(world, world->attempt_end - 1);
	for (uint32_t i = 0; i < world->attempt_end; i++) {
		struct sim_attempt *attempt = &world->attempts[(from + i) % world->attempt_end];
		if (attempt->used && attempt->ready_ms <= world->now_ms) {
			answer(world, attempt);
			return true;
		}
	}
	return false;
}

uint32_t sim_active_attempts(const struct world *world, uint32_t target_no)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < world->attempt_end; i++) {
		const struct sim_attempt *attempt = &world->attempts[i];
		bool given_up = attempt->cancelled && world->now_ms >= attempt->cancelled_ms + 5000;
		count += attempt->used && attempt->item == 0 && !given_up && (target_no == 0 || attempt->target_no == target_no);
	}
	return count;
}

int64_t sim_attempts_deadline(const struct world *world)
{
	int64_t deadline_ms = INT64_MAX;
	for (uint32_t i = 0; i < world->attempt_end; i++) {
		if (world->attempts[i].used && world->attempts[i].ready_ms < deadline_ms)
			deadline_ms = world->attempts[i].ready_ms;
	}
	return deadline_ms;
}

/* A held target finds room again. */
bool sim_ready(struct world *world)
{
	uint32_t number = 1 + sim_upto(world, world->target_count - 1);
	if (!world->targets[number].held)
		return false;
	uint32_t room = sim_upto(world, 3);
	world->targets[number].held = false;
	sim_say(world, SIM_READY, number, room, 0);
	tn_engine_ready(world->engine, number, room);
	return true;
}

/* What was under way may have arrived all the same. */
void sim_targets_after_crash(struct world *world)
{
	for (uint32_t i = 0; i < world->attempt_end; i++) {
		struct sim_attempt *attempt = &world->attempts[i];
		if (attempt->used && attempt->purpose == TN_TO_TARGET && !attempt->inside && sim_chance(world, 50)) {
			world->events[attempt->event].entries[attempt->match].effects++;
			world->duplicating_faults++; /* also after a drain in good order: it was cancelled and never answered */
		}
		attempt->used = false;
	}
	world->attempts_used = world->attempt_end = 0;
	sim_limits_after_crash(world);
	for (uint32_t i = 1; i <= world->target_count; i++) {
		world->targets[i].quiet_until_ms = 0;
		world->targets[i].held = false;
	}
}
