/* SPDX-License-Identifier: Apache-2.0
 *
 * ledger.c - what must hold, whatever was drawn. Independent of the engine: it knows what was offered, started, answered and stored.
 *
 *   promise 1   an acked event is, for every match: delivered, in a row, dead, or dropped by its policy; checked at the ACK, whenever
 *               a row goes, and at the end
 *   promise 2   the books close after every turn, and agree with what was offered and answered
 *   promise 3   without a fault that may repeat something, nothing reached its target twice; with keys that last, not even what
 *               came more than once
 *   promise 4   an attempt that follows n failures finds these n in the store; never more attempts than the policy's
 * and (limits.c) breakers keep attempts away and count none.
 * And: no ack before its batch was OK, nothing starts after its end, Retry-After and backoff are waited out, limits and park caps hold.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "world.h"

void sim_fail(struct world *world, const char *format, ...)
{
	if (world->failed)
		return;
	world->failed = true;
	world->failed_rule = format;
	va_list args;
	va_start(args, format);
	vsnprintf(world->failure, sizeof(world->failure), format, args);
	va_end(args);
	if (!world->quiet)
		printf("seed %" PRIu64 " step %u: %s\n", world->seed, world->inputs, world->failure);
}

struct tn_id sim_id(uint32_t event, uint32_t match)
{
	struct tn_id id = {{1}};
	memcpy(id.bytes + 4, &event, sizeof(event));
	memcpy(id.bytes + 8, &match, sizeof(match));
	return id;
}

void sim_split_id(const struct tn_id *id, uint32_t *out_event, uint32_t *out_match)
{
	memcpy(out_event, id->bytes + 4, sizeof(*out_event));
	memcpy(out_match, id->bytes + 8, sizeof(*out_match));
}

static struct sim_entry *entry_of(struct world *world, const struct tn_id *id)
{
	uint32_t event, match;
	sim_split_id(id, &event, &match);
	return &world->events[event].entries[match];
}

static uint64_t mix_text(uint64_t hash, struct tn_str text)
{
	for (size_t i = 0; i < text.len; i++)
		hash = sim_mix(hash, (uint8_t)text.bytes[i]);
	return sim_mix(hash, text.len);
}

static uint64_t mix_tries(uint64_t hash, const struct tn_tries *tries)
{
	hash = sim_mix(hash, ((uint64_t)tries->system << 32) | tries->function);
	hash = sim_mix(hash, (uint64_t)tries->accepted_ms);
	return sim_mix(hash, (uint64_t)tries->not_before_ms);
}

static uint64_t mix_outcome(uint64_t hash, const struct tn_outcome *outcome)
{
	if (outcome == NULL)
		return sim_mix(hash, 0);
	hash = mix_text(hash, tn_str_from(outcome->code));
	return mix_text(sim_mix(hash, outcome->verdict), outcome->message);
}

uint64_t sim_hash_attempt(const struct tn_attempt *attempt)
{
	uint64_t hash = sim_mix(sim_mix(attempt->token ^ attempt->txn << 40, attempt->target_no), attempt->purpose);
	for (uint32_t i = 0; i < attempt->count; i++) {
		const struct tn_item *item = &attempt->items[i];
		hash = mix_text(mix_text(hash, item->route->rule), item->route->target);
		hash = mix_text(mix_tries(hash, &item->tries), item->origin);
		hash = mix_text(hash, tn_event_data(item->event));
		hash = mix_outcome(hash, item->last);
	}
	return hash;
}

uint64_t sim_hash_batch(const struct tn_batch *batch)
{
	uint64_t hash = sim_mix(batch->number, batch->next_seq);
	hash = sim_mix(hash, (uint64_t)batch->now_ms);
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct tn_op *op = &batch->ops[i];
		hash = sim_mix(sim_mix(sim_mix(hash, op->kind), op->key.event_seq), op->key.route_no);
		if (op->kind == TN_PUT_EVENT)
			hash = mix_text(hash, tn_event_data(op->event));
		if (op->kind == TN_PUT_SEEN || op->kind == TN_DROP_SEEN)
			hash = sim_mix(sim_mix(mix_text(hash, (struct tn_str){(const char *)op->seen.key.bytes, 16}), op->seen.fingerprint),
				(uint64_t)op->seen.expires_ms);
		if (op->kind != TN_PUT_ROW)
			continue;
		hash = mix_tries(sim_mix(hash, op->row->state), &op->row->tries);
		hash = mix_text(mix_text(hash, op->row->rule), op->row->origin);
		hash = mix_outcome(hash, op->row->last);
	}
	return hash;
}

/* --- After every turn --- */

void sim_check_turn(struct world *world)
{
	const struct tn_books *books = tn_engine_books(world->engine);
	if (!tn_books_closed(books))
		sim_fail(world, "the books do not close");
	if (books->delivered + books->replying != world->run_delivered)
		sim_fail(world, "the books have %" PRIu64 " delivered, the targets said so %" PRIu64 " times", books->delivered,
			world->run_delivered);
	sim_limits_check_turn(world);
	uint64_t matched = books->matched + books->joined + books->skipped + books->unclaimed;
	if (matched > world->run_matched || (matched < world->run_matched && !world->run_forgot))
		sim_fail(world, "the books have %" PRIu64 " matched, joined, copies or unclaimed, offered were %" PRIu64, matched,
			world->run_matched);
	if (books->memory_bytes > world->config.memory_bytes + 65536)
		sim_fail(world, "%" PRIu64 " bytes in hand, allowed were %zu", books->memory_bytes, world->config.memory_bytes);
}

/* --- Policies, computed a second time --- */

static int64_t nominal_ms(const struct tn_backoff *backoff, uint32_t n)
{
	if (backoff->list_count > 0)
		return backoff->list_ms[n > backoff->list_count ? backoff->list_count - 1 : n - 1];
	int64_t delay_ms = backoff->base_ms;
	while (--n > 0 && delay_ms < backoff->cap_ms)
		delay_ms *= backoff->mult;
	return delay_ms < backoff->cap_ms ? delay_ms : backoff->cap_ms;
}

static int64_t least_delay_ms(const struct tn_policy *policy, const struct tn_tries *tries, bool function_error)
{
	uint32_t system = tries->system + !function_error, function = tries->function + function_error;
	bool by_function = policy->split && function_error;
	uint32_t n = !policy->split ? system + function : by_function ? function : system;
	int64_t delay_ms = nominal_ms(by_function ? &policy->function : &policy->system, n);
	if (policy->jitter == TN_JITTER_EQUAL)
		delay_ms /= 2;
	if (policy->jitter == TN_JITTER_FULL)
		delay_ms = 0;
	return delay_ms > policy->floor_ms ? delay_ms : policy->floor_ms;
}

static bool within_retries(const struct tn_policy *policy, const struct tn_tries *tries)
{
	if (policy->split)
		return tries->system <= policy->system.max_retries && tries->function <= policy->function.max_retries;
	return tries->system + tries->function <= policy->system.max_retries;
}

static uint32_t most_retries(const struct tn_policy *policy)
{
	return policy->system.max_retries + (policy->split ? policy->function.max_retries : 0);
}

/* --- Attempts --- */

static void check_limits(struct world *world, uint32_t target_no)
{
	uint32_t of_target = sim_active_attempts(world, target_no), all = sim_active_attempts(world, 0);
	if (of_target > world->targets[target_no].limits.max_in_flight || all > world->config.max_in_flight)
		sim_fail(world, "%u attempts at target %u, %u in all", of_target, target_no, all);
}

static bool row_has_tries(struct world *world, const struct tn_item *item)
{
	for (uint32_t i = 0; i < world->disk.count; i++) {
		const struct sim_row *row = &world->disk.rows[i];
		if (tn_id_equal(&row->id, &item->id) && row->tries.system == item->tries.system &&
			row->tries.function == item->tries.function)
			return true;
	}
	return false;
}

static void check_counts(struct world *world, const struct sim_attempt *attempt, const struct tn_item *item, struct sim_entry *entry)
{
	const struct tn_policy *policy = &world->routes[world->events[attempt->event].routes[attempt->match]].policy;
	uint32_t forks = world->run * world->events[attempt->event].offers; /* copies, each once more for each crash */
	if (item->tries.system + item->tries.function > 0 && !row_has_tries(world, item))
		sim_fail(world, "event %u match %u: an attempt after failures that are not durable", attempt->event, attempt->match);
	if (!within_retries(policy, &item->tries))
		sim_fail(world, "event %u match %u: an attempt after %u failures", attempt->event, attempt->match,
			item->tries.system + item->tries.function);
	if (++entry->attempts > (most_retries(policy) + 1) * forks)
		sim_fail(world, "event %u match %u: %u attempts", attempt->event, attempt->match, entry->attempts);
	if (world->now_ms > item->tries.accepted_ms + policy->max_age_ms)
		sim_fail(world, "event %u match %u: an attempt past the age limit", attempt->event, attempt->match);
	bool same_run = entry->failed_instance == attempt->instance && entry->failed_run == world->run;
	if (same_run && world->now_ms < entry->not_before_ms)
		sim_fail(world, "event %u match %u: %" PRId64 " ms before its time", attempt->event, attempt->match,
			entry->not_before_ms - world->now_ms);
	if (same_run && item->tries.system + item->tries.function != entry->failures)
		sim_fail(world, "event %u match %u: %u failures remembered, there were %u", attempt->event, attempt->match,
			item->tries.system + item->tries.function, entry->failures);
}

void sim_check_start(struct world *world, const struct sim_attempt *attempt, const struct tn_item *item)
{
	const struct sim_target *target = &world->targets[attempt->target_no];
	const struct sim_event *event = &world->events[attempt->event];
	struct sim_entry *entry = &world->events[attempt->event].entries[attempt->match];
	if (world->draining)
		sim_fail(world, "an attempt while draining");
	if (target->removed)
		sim_fail(world, "an attempt at target %u, which was removed", attempt->target_no);
	uint64_t cap_bytes = world->healing ? 0 : target->limits.dead_max_bytes, dead_rows;
	if (cap_bytes > 0 && sim_dead_bytes(world, attempt->target_no, &dead_rows) >= cap_bytes)
		sim_fail(world, "an attempt at target %u, which has %" PRIu64 " dead letters and may not have more", attempt->target_no, dead_rows);
	if (world->now_ms < target->quiet_until_ms)
		sim_fail(world, "an attempt at target %u, %" PRId64 " ms before the end of its Retry-After", attempt->target_no,
			target->quiet_until_ms - world->now_ms);
	if (!tn_str_equal(tn_event_data(item->event), tn_event_data(event->event)))
		sim_fail(world, "event %u arrives as another", attempt->event);
	check_limits(world, attempt->target_no);
	if (attempt->purpose == TN_TO_DEAD_LETTER) {
		uint32_t sink = world->targets[world->routes[event->routes[attempt->match]].target_no].limits.dead_letter_no;
		if (sink != attempt->target_no)
			sim_fail(world, "a dead letter goes to target %u, its sink is %u", attempt->target_no, sink);
		return;
	}
	if (entry->dead_instance == attempt->instance)
		sim_fail(world, "event %u match %u: an attempt after its dead letter", attempt->event, attempt->match);
	if (entry->delivered_instance == attempt->instance && entry->delivered_run == world->run)
		sim_fail(world, "event %u match %u: an attempt after it was delivered", attempt->event, attempt->match);
	if (attempt->target_no != world->routes[event->routes[attempt->match]].target_no)
		sim_fail(world, "event %u match %u goes to target %u", attempt->event, attempt->match, attempt->target_no);
	check_counts(world, attempt, item, entry);
	sim_check_order(world, attempt);
}

static int64_t retry_after_ms(const struct world *world, uint32_t target_no, const struct tn_outcome *outcome)
{
	int64_t most_ms = world->targets[target_no].limits.retry_after_max_ms;
	return outcome->retry_after_ms < most_ms ? outcome->retry_after_ms : most_ms;
}

static void count_failure(struct world *world, const struct sim_attempt *attempt, const struct tn_outcome *outcome)
{
	struct sim_entry *entry = &world->events[attempt->event].entries[attempt->match];
	const struct tn_tries *tries = &attempt->attempt->items[attempt->item].tries;
	const struct tn_policy *policy = &world->routes[world->events[attempt->event].routes[attempt->match]].policy;
	int64_t delay_ms = least_delay_ms(policy, tries, outcome->function_error);
	int64_t after_ms = retry_after_ms(world, attempt->target_no, outcome);
	entry->failures = tries->system + tries->function + 1;
	entry->failed_instance = attempt->instance;
	entry->failed_run = world->run;
	entry->not_before_ms = world->now_ms + (delay_ms > after_ms ? delay_ms : after_ms);
}

static void quieten(struct world *world, const struct sim_attempt *attempt, const struct tn_outcome *outcome)
{
	struct sim_target *target = &world->targets[attempt->target_no];
	int64_t until_ms = 0;
	if (outcome->retry_after_ms > 0)
		until_ms = world->now_ms + retry_after_ms(world, attempt->target_no, outcome);
	if (until_ms > target->quiet_until_ms)
		target->quiet_until_ms = until_ms;
}

void sim_check_result(struct world *world, const struct sim_attempt *attempt, const struct tn_outcome *outcome)
{
	struct sim_entry *entry = &world->events[attempt->event].entries[attempt->match];
	bool to_target = attempt->purpose == TN_TO_TARGET;
	quieten(world, attempt, outcome);
	sim_limits_item_answered(world, attempt, outcome);
	if (attempt->item == 0)
		sim_limits_answered(world, attempt, attempt->of_all != NULL ? attempt->of_all : outcome);
	if (sim_txn_checked(world, attempt, outcome))
		return;
	entry->told += to_target && outcome->verdict != TN_DELIVERED && outcome->verdict != TN_HOLD;
	if (outcome->verdict == TN_HOLD && to_target) {
		entry->attempts--;
	} else if (outcome->verdict == TN_DELIVERED && to_target) {
		entry->delivered_instance = attempt->instance;
		entry->delivered_run = world->run;
		entry->done = entry->done || entry->replied_instance != attempt->instance;
		world->run_delivered++;
	} else if (outcome->verdict == TN_DELIVERED) {
		entry->sunk = true;
	} else if (to_target && (outcome->verdict == TN_RETRY || outcome->verdict == TN_THROTTLED)) {
		count_failure(world, attempt, outcome);
	} else if (to_target && outcome->verdict == TN_MISCONFIGURED) {
		entry->attempts--; /* held for an operator, or dead: either way no retry is used up */
	}
}

/* --- Acks and rows --- */

static bool is_done(const struct sim_entry *entry)
{
	return entry->done || entry->delivered_instance != 0 || entry->sunk || entry->dropped || entry->purged;
}

bool sim_has_row(const struct world *world, const struct tn_id *id, bool confirmed)
{
	for (uint32_t i = 0; i < world->disk.count; i++) {
		const struct sim_row *row = &world->disk.rows[i];
		if (row->state != TN_ROW_TRIED && tn_id_equal(&row->id, id) && (row->confirmed || !confirmed))
			return true;
	}
	return false;
}

bool sim_is_kept(struct world *world, uint32_t event, uint32_t match)
{
	struct tn_id id = sim_id(event, match);
	return is_done(&world->events[event].entries[match]) || sim_has_row(world, &id, true);
}

static bool is_refusal(const struct tn_settlement *settlement)
{
	return settlement->answer == TN_ANSWER_UNAVAILABLE || settlement->answer == TN_ANSWER_BUSY ||
	       settlement->answer == TN_ANSWER_CONFLICT;
}

/* None of its events is lost by that: a sender that waits has them. */
static void check_refusal(struct world *world, const struct sim_instance *instance, const struct tn_settlement *settlement)
{
	const struct sim_source *source = &world->sources[instance->source];
	bool copies = false, conflicts = false;
	for (uint32_t i = 0; i < instance->count; i++) {
		copies = copies || world->events[instance->events[i]].offers > 1;
		conflicts = conflicts || world->events[instance->events[i]].shares_key;
	}
	if (!source->answers)
		sim_fail(world, "answer %d to a source that keeps a copy", (int)settlement->answer);
	if (settlement->answer == TN_ANSWER_UNAVAILABLE && !instance->journaled && !(source->dedups && source->dedup.hold))
		sim_fail(world, "UNAVAILABLE to a sender that waits for delivery");
	if (settlement->answer == TN_ANSWER_BUSY && (instance->journaled || !copies))
		sim_fail(world, "BUSY, and there is no copy");
	if (settlement->answer == TN_ANSWER_CONFLICT && !conflicts)
		sim_fail(world, "CONFLICT, and no key is shared");
}

static void check_copy(struct world *world, const struct sim_instance *instance, const struct sim_event *event)
{
	if (!world->sources[instance->source].dedups || (event->match_count > 0 && event->offers < 2))
		sim_fail(world, "DUPLICATE, and there was none before");
}

void sim_check_ack(struct world *world, uint32_t instance_no, const struct tn_settlement *settlement)
{
	const struct sim_instance *instance = &world->instances[instance_no];
	uint32_t matches = 0;
	if (settlement != NULL && is_refusal(settlement)) {
		check_refusal(world, instance, settlement);
		return;
	}
	for (uint32_t i = 0; i < instance->count; i++) {
		struct sim_event *event = &world->events[instance->events[i]];
		matches += event->match_count;
		for (uint32_t j = 0; j < event->match_count; j++) {
			struct tn_id id = sim_id(instance->events[i], j);
			if (!is_done(&event->entries[j]) && !sim_has_row(world, &id, true))
				sim_fail(world, "event %u was acked, and match %u is nowhere durable", instance->events[i], j);
			event->entries[j].acked = true;
			sim_check_reply(world, &event->entries[j], &id, instance_no);
		}
	}
	if (settlement == NULL) /* on a cumulative stream: the ack was that of a later one */
		return;
	uint32_t counted = settlement->delivered + settlement->parked + settlement->dead + settlement->dropped;
	bool dedups = world->sources[instance->source].dedups;
	if (settlement->answer == TN_ANSWER_SETTLED && (counted > matches || (counted < matches && !dedups)))
		sim_fail(world, "an answer counts %u deliveries, there were %u", counted, matches);
	if (settlement->answer == TN_ANSWER_DUPLICATE) {
		for (uint32_t i = 0; i < instance->count; i++)
			check_copy(world, instance, &world->events[instance->events[i]]);
	} else if ((settlement->answer == TN_ANSWER_JOURNALED) != (instance->journaled && matches > 0)) {
		sim_fail(world, "answer %d to position %u", (int)settlement->answer, instance_no);
	}
}

void sim_check_seen(struct world *world, uint32_t number)
{
	const struct sim_event *event = &world->events[number];
	for (uint32_t i = 0; i < event->match_count; i++) {
		struct tn_id id = sim_id(number, i);
		if (!is_done(&event->entries[i]) && !sim_has_row(world, &id, false))
			sim_fail(world, "the key of event %u is kept, and match %u is neither done nor in the store", number, i);
	}
}

void sim_check_row_gone(struct world *world, const struct sim_row *row)
{
	const struct sim_entry *entry = entry_of(world, &row->id);
	if (row->state != TN_ROW_TRIED && entry->acked && !is_done(entry) && !sim_has_row(world, &row->id, false))
		sim_fail(world, "the last row of an acked delivery was dropped, and it is not done");
}

/* What the journal held already and a restart found behind its lane's parked rows is parked in any case. */
static bool passes_cap(const struct world *world, const struct sim_row *row)
{
	return row->lane_seq != 0 && world->instances[row->instance].run < world->run;
}

static bool is_kept_elsewhere(const struct world *world, const struct sim_row *row)
{
	const struct sim_source *source = &world->sources[world->instances[row->instance].source];
	return source->kind != SIM_DURABLE && !source->answers;
}

static void check_park_cap(struct world *world, const struct sim_row *row)
{
	uint64_t rows = 0, bytes = 0, kept = 0; /* kept: rows come in any order, but those kept elsewhere in that of their parking */
	uint64_t own = tn_store_row_bytes(row->event), largest = own;
	for (uint32_t i = 0; i < world->disk.count; i++) {
		const struct sim_row *other = &world->disk.rows[i];
		bool counts = other->state == TN_ROW_PARKED && other->target_no == row->target_no && other->redrives == 0;
		rows += counts && !passes_cap(world, other);
		uint64_t size = counts && !passes_cap(world, other) ? tn_store_row_bytes(other->event) : 0;
		bytes += size;
		largest = size > largest ? size : largest;
		kept += counts && !passes_cap(world, other) && is_kept_elsewhere(world, other);
	}
	const struct tn_target_limits *limits = &world->targets[row->target_no].limits;
	if (rows >= limits->park_rows && !passes_cap(world, row))
		sim_fail(world, "target %u has %" PRIu64 " parked rows already", row->target_no, rows);
	/* The one that was let in last may have been the largest. */
	if (limits->park_bytes > 0 && bytes + own - largest >= limits->park_bytes && !passes_cap(world, row))
		sim_fail(world, "target %u has %" PRIu64 " parked bytes already", row->target_no, bytes);
	if (limits->park_rows_kept > 0 && kept >= limits->park_rows_kept && is_kept_elsewhere(world, row) && !passes_cap(world, row))
		sim_fail(world, "target %u has %" PRIu64 " parked rows of brokers already", row->target_no, kept);
}

void sim_check_row_put(struct world *world, const struct sim_row *old, const struct sim_row *row)
{
	struct sim_entry *entry = entry_of(world, &row->id);
	if (old != NULL && !tn_id_equal(&old->id, &row->id))
		sim_fail(world, "a row took the key of another delivery's");
	bool resent = old == NULL && row->redrives > 0; /* new rows are, until they were put once */
	bool counts = old != NULL && row->state != TN_ROW_DEAD && old->state != TN_ROW_DEAD;
	if (counts && (row->tries.system < old->tries.system || row->tries.function < old->tries.function))
		sim_fail(world, "a row forgot failures");
	if (row->tries.system + row->tries.function > entry->told)
		sim_fail(world, "a row counts %u failures, there were %u", row->tries.system + row->tries.function, entry->told);
	if (old != NULL && old->state == TN_ROW_DEAD && row->state != TN_ROW_DEAD)
		sim_fail(world, "a dead letter was overwritten");
	if (row->state == TN_ROW_PARKED && (old == NULL || old->state != TN_ROW_PARKED) && row->route != ROUTES_MAX &&
	        !resent)
		check_park_cap(world, row);
	if (row->state == TN_ROW_PARKED && old == NULL && !resent)
		sim_check_held(world, row);
	if (row->state == TN_ROW_DEAD) {
		entry->dead_instance = row->instance;
		entry->died = true;
	}
}

void sim_noted(void *arg, const struct tn_note *note)
{
	struct world *world = arg;
	sim_limits_noted(world, note);
	if (note->kind == TN_NOTE_REPLY_REFUSED)
		sim_reply_refused(world, note);
	if (note->kind != TN_NOTE_DROPPED)
		return;
	uint32_t event, match;
	sim_split_id(&note->id, &event, &match);
	if (!world->routes[world->events[event].routes[match]].policy.drop_exhausted)
		sim_fail(world, "event %u match %u was dropped, which its policy does not allow", event, match);
	world->events[event].entries[match].dropped = true;
}

/* --- The end: everything healed, nothing under way --- */

static void check_rows_at_end(struct world *world)
{
	for (uint32_t i = 0; i < world->disk.count; i++) {
		if (world->disk.rows[i].state != TN_ROW_DEAD)
			sim_fail(world, "a row in state %d is left at the end", (int)world->disk.rows[i].state);
	}
}

/* Or as if it had: its copies are known as such for as long as a seed lasts. */
static bool comes_once(const struct world *world, const struct sim_event *event)
{
	const struct sim_source *source = &world->sources[event->source];
	bool known = source->dedups && source->dedup.window_ms == SIM_WINDOW_LONG_MS && !event->shares_key && !event->poison;
	return event->offers == 1 || known;
}

void sim_check_end(struct world *world)
{
	const struct tn_books *books = tn_engine_books(world->engine);
	if (books->pending + books->backoff + books->inflight + books->staged + books->parking + books->burying + books->parked > 0)
		sim_fail(world, "the books have deliveries in hand or parked at the end");
	if (sim_blocks_without_order(world))
		sim_fail(world, "a dead letter of target %u still blocks its lane, and it orders no more", sim_blocks_without_order(world));
	check_rows_at_end(world);
	for (uint32_t i = 0; i < world->event_count; i++) {
		const struct sim_event *event = &world->events[i];
		for (uint32_t j = 0; j < event->match_count; j++) {
			const struct sim_entry *entry = &event->entries[j];
			struct tn_id id = sim_id(i, j);
			if (entry->acked && !is_done(entry) && !sim_has_row(world, &id, true))
				sim_fail(world, "event %u match %u was acked and is nowhere", i, j);
			if (entry->effects > 1 && world->duplicating_faults == 0 && comes_once(world, event))
				sim_fail(world, "event %u match %u was delivered %u times, and nothing had failed", i, j, entry->effects);
		}
	}
}
