/* SPDX-License-Identifier: Apache-2.0
 *
 * txn.c - the brokers' side of exactly once: transactions of a log source, and who reads only what was committed.
 *
 * What an attempt writes inside a transaction is a record that nobody sees before the commit; the offsets become the source's at the same
 * moment. A commit may be answered late, and may turn out to have been aborted, or to have come from one who is fenced by now; what is
 * under way when everything stops is either there or not. Two logs may be streams of one source: the second one's `leader` is the first.
 *
 *   NONE --START or COMMIT of a new number--> OPEN --COMMIT--> COMMITTING --applied--> --answered--> NONE
 *                                              '-----ABORT--> ABORTING: nothing of it is left --answered--> NONE
 */
#include <string.h>

#include "world.h"

enum { CLUSTER = 1 };

void sim_draw_txn(struct world *world, uint32_t number)
{
	struct sim_source *source = &world->sources[number];
	source->leader = number;
	source->transactional = source->kind == SIM_LOG && sim_chance(world, 50);
	if (number > 0 && world->sources[number - 1].transactional && sim_chance(world, 40)) {
		source->kind = SIM_LOG;
		source->lease_ms = 0;
		source->transactional = true;
		source->leader = world->sources[number - 1].leader;
	}
	source->txn_events = 1 + sim_upto(world, 5);
	source->txn_ms = 20 + sim_upto(world, 400);
}

void sim_draw_cluster(struct world *world, struct tn_target_limits *limits)
{
	limits->cluster = sim_chance(world, 45) ? CLUSTER : 0;
}

void sim_fill_txn_terms(const struct sim_source *source, struct tn_stream_terms *terms)
{
	terms->transactional = source->transactional;
	terms->cluster = CLUSTER;
	terms->txn_events = source->txn_events;
	terms->txn_ms = source->txn_ms;
}

static struct sim_txn *txn_of(struct world *world, uint32_t source)
{
	return &world->txns[world->sources[source].leader];
}

static bool is_transactional(const struct world *world, uint32_t instance)
{
	uint32_t source = world->instances[instance].source;
	return source < SOURCES_MAX && world->sources[source].transactional;
}

/* It may end inside a transaction: at its target, or as a dead letter. */
static bool may_end_inside(const struct world *world, uint32_t event, uint32_t match)
{
	uint16_t route = world->events[event].routes[match];
	if (route == ROUTES_MAX)
		return false;
	const struct tn_target_limits *limits = &world->targets[world->routes[route].target_no].limits;
	return limits->cluster != 0 || world->targets[limits->dead_letter_no].limits.cluster != 0;
}

static struct sim_record *find_record(struct sim_txn *txn, uint32_t event, uint32_t match, uint32_t instance)
{
	for (uint32_t i = txn->count; i-- > 0;) {
		struct sim_record *record = &txn->records[i];
		if (record->event == event && record->match == match && record->instance == instance)
			return record;
	}
	return NULL;
}

static struct sim_entry *entry_of(struct world *world, const struct sim_record *record)
{
	return &world->events[record->event].entries[record->match];
}

/* --- Attempts --- */

/* From its row: parked outside, or redriven. No source waits for it. */
static bool is_loaded(const struct world *world, const struct sim_attempt *attempt)
{
	struct tn_id id = sim_id(attempt->event, attempt->match);
	for (uint32_t i = 0; i < world->disk.count; i++) {
		if (world->disk.rows[i].state == TN_ROW_PARKED && tn_id_equal(&world->disk.rows[i].id, &id))
			return true;
	}
	return false;
}

static void check_outside(struct world *world, const struct sim_attempt *attempt, bool member)
{
	const struct sim_txn *txn = txn_of(world, world->instances[attempt->instance].source);
	bool loaded = is_loaded(world, attempt);
	if (member && !loaded)
		sim_fail(world, "event %u match %u: an attempt at a member outside of any transaction", attempt->event, attempt->match);
	for (uint32_t i = 0; i < txn->count && !loaded; i++) {
		if (txn->state == SIM_TXN_OPEN && txn->records[i].instance == attempt->instance)
			sim_fail(world, "event %u match %u: an outside target holds a transaction open", attempt->event, attempt->match);
	}
}

static void check_inside(struct world *world, const struct sim_attempt *attempt)
{
	const struct sim_instance *instance = &world->instances[attempt->instance];
	struct sim_txn *txn = txn_of(world, instance->source);
	uint64_t number = attempt->attempt->txn;
	if (txn->state == SIM_TXN_NONE && number > txn->number) {
		txn->state = SIM_TXN_OPEN;
		txn->number = number;
	}
	if (txn->state != SIM_TXN_OPEN || number != txn->number)
		sim_fail(world, "an attempt in a transaction that is not open");
	if (!instance->open || instance->run != world->run)
		sim_fail(world, "an attempt in a transaction, for a position that is not in hand");
	if (find_record(txn, attempt->event, attempt->match, attempt->instance) != NULL)
		sim_fail(world, "event %u match %u: two attempts in one transaction, and the first has written", attempt->event, attempt->match);
	for (uint32_t i = 0; i < world->events[attempt->event].match_count; i++) {
		if (!may_end_inside(world, attempt->event, i) && !sim_is_kept(world, attempt->event, i))
			sim_fail(world, "event %u match %u: an attempt in a transaction before match %u has settled", attempt->event,
				attempt->match, i);
	}
}

void sim_txn_started(struct world *world, const struct sim_attempt *attempt)
{
	bool member = world->targets[attempt->target_no].limits.cluster != 0 && is_transactional(world, attempt->instance);
	if (attempt->attempt->txn != 0 && !member)
		sim_fail(world, "an attempt at target %u in a transaction, of which it is no member", attempt->target_no);
	else if (attempt->attempt->txn != 0)
		check_inside(world, attempt);
	else if (is_transactional(world, attempt->instance))
		check_outside(world, attempt, member);
}

static bool is_current(struct world *world, const struct sim_attempt *attempt)
{
	const struct sim_txn *txn = txn_of(world, world->instances[attempt->instance].source);
	return txn->state == SIM_TXN_OPEN && txn->number == attempt->attempt->txn;
}

void sim_txn_wrote(struct world *world, const struct sim_attempt *attempt)
{
	struct sim_txn *txn = txn_of(world, world->instances[attempt->instance].source);
	if (!is_current(world, attempt)) /* what it writes too late goes nowhere */
		return;
	if (txn->count == RECORDS_MAX) {
		sim_fail(world, "more than %d records in a transaction", RECORDS_MAX);
		return;
	}
	txn->records[txn->count++] = (struct sim_record){.event = attempt->event, .match = attempt->match, .instance = attempt->instance,
		.dead = attempt->purpose == TN_TO_DEAD_LETTER};
}

bool sim_txn_checked(struct world *world, const struct sim_attempt *attempt, const struct tn_outcome *outcome)
{
	struct sim_entry *entry = &world->events[attempt->event].entries[attempt->match];
	bool final = outcome->verdict == TN_REJECTED || outcome->verdict == TN_MISCONFIGURED || outcome->declined;
	if (attempt->attempt->txn == 0 || attempt->cancelled)
		return false;
	if (is_current(world, attempt)) {
		if (outcome->verdict != TN_DELIVERED)
			return false;
		struct sim_txn *txn = txn_of(world, world->instances[attempt->instance].source);
		find_record(txn, attempt->event, attempt->match, attempt->instance)->told = true;
		entry->staged = true;
		return true;
	}
	if (final)
		return false;
	entry->attempts -= attempt->purpose == TN_TO_TARGET; /* its transaction was aborted meanwhile: it was none */
	return true;
}

/* --- Commit and abort, at the broker --- */

static void discard(struct world *world, struct sim_txn *txn)
{
	for (uint32_t i = 0; i < txn->count; i++) {
		struct sim_entry *entry = entry_of(world, &txn->records[i]);
		entry->attempts -= txn->records[i].told && !txn->records[i].dead; /* not an attempt */
		entry->staged = false;
	}
	txn->count = 0;
	memset(txn->ends, 0, sizeof(txn->ends));
}

static void show(struct world *world, const struct sim_record *record)
{
	struct sim_entry *entry = entry_of(world, record);
	entry->staged = false;
	if (++entry->committed > 1)
		sim_fail(world, "whoever reads only what was committed sees event %u match %u twice", record->event, record->match);
	entry->effects += !record->dead;
	entry->sunk = entry->sunk || record->dead;
	entry->done = entry->done || !record->dead;
}

static void commit_offsets(struct world *world, uint32_t number, uint32_t end)
{
	struct sim_source *source = &world->sources[number];
	for (; source->committed < end; source->committed++) {
		struct sim_event *event = &world->events[source->log[source->committed]];
		source->log_acked[source->committed] = event->acked = true;
		for (uint32_t i = 0; i < event->match_count; i++) {
			event->entries[i].acked = true;
			if (!sim_is_kept(world, source->log[source->committed], i))
				sim_fail(world, "event %u was committed, and match %u is nowhere", source->log[source->committed], i);
		}
	}
}

static void apply(struct world *world, struct sim_txn *txn)
{
	if (txn->applied)
		return;
	txn->applied = true;
	for (uint32_t i = 0; i < txn->count; i++)
		show(world, &txn->records[i]);
	for (uint32_t i = 0; i < world->source_count; i++)
		commit_offsets(world, i, txn->ends[i]);
}

/* --- Commands --- */

static void check_in_commit(struct world *world, struct sim_txn *txn, uint32_t instance_no)
{
	const struct sim_instance *instance = &world->instances[instance_no];
	for (uint32_t i = 0; i < instance->count; i++) {
		for (uint32_t j = 0; j < world->events[instance->events[i]].match_count; j++) {
			const struct sim_record *record = find_record(txn, instance->events[i], j, instance_no);
			if ((record == NULL || !record->told) && !sim_is_kept(world, instance->events[i], j))
				sim_fail(world, "a transaction is committed, and event %u match %u is not in it", instance->events[i], j);
		}
	}
}

static void add_position(struct world *world, struct sim_txn *txn, const struct tn_position *position)
{
	const struct sim_instance *last = &world->instances[position->low <= world->instance_count ? position->low : 0];
	uint32_t in_hand = 0;
	if (!last->open || last->run != world->run || last->epoch != position->epoch || txn_of(world, last->source) != txn) {
		sim_fail(world, "a transaction is committed with a position that is not in hand");
		return;
	}
	txn->ends[last->source] = last->offset + 1;
	for (uint32_t i = 1; i <= world->instance_count; i++) {
		const struct sim_instance *instance = &world->instances[i];
		if (!instance->open || instance->source != last->source || instance->offset > last->offset)
			continue;
		check_in_commit(world, txn, i);
		in_hand++;
	}
	if (world->sources[last->source].committed + in_hand != txn->ends[last->source])
		sim_fail(world, "a transaction commits offset %u and passes others", last->offset);
}

static void draw_fate(struct world *world, struct sim_txn *txn)
{
	bool applied = sim_chance(world, 50);
	txn->end = TN_TXN_COMMITTED;
	if (sim_has(world, FAULT_TXN_ABORT) && sim_chance(world, 25)) {
		txn->end = TN_TXN_ABORTED;
		applied = false;
	} else if (sim_has(world, FAULT_TXN_FENCE) && sim_chance(world, 10)) {
		txn->end = TN_TXN_FENCED;
	}
	txn->ready_ms = world->now_ms + sim_upto(world, sim_chance(world, 15) ? 8000 : 60);
	if (applied)
		apply(world, txn);
}

static void commit(struct world *world, struct sim_txn *txn, const struct tn_command *command)
{
	for (uint32_t i = 0; i < command->count && !world->failed; i++)
		add_position(world, txn, &command->positions[i]);
	for (uint32_t i = 0; i < txn->count && !world->failed; i++) {
		const struct sim_instance *instance = &world->instances[txn->records[i].instance];
		if (txn->ends[instance->source] <= instance->offset)
			sim_fail(world, "event %u is committed without its position", txn->records[i].event);
	}
	txn->state = SIM_TXN_COMMITTING;
	txn->applied = false;
	if (!world->failed)
		draw_fate(world, txn);
}

static void abort_txn(struct world *world, struct sim_txn *txn)
{
	discard(world, txn);
	txn->state = SIM_TXN_ABORTING;
	txn->end = sim_has(world, FAULT_TXN_FENCE) && sim_chance(world, 10) ? TN_TXN_FENCED : TN_TXN_ABORTED;
	txn->ready_ms = world->now_ms + sim_upto(world, sim_chance(world, 10) ? 3000 : 30);
}

void sim_txn_commanded(struct world *world, const struct tn_command *command)
{
	struct sim_txn *txn = &world->txns[command->position.source - 1];
	if (txn->state == SIM_TXN_NONE && command->token > txn->number) {
		txn->state = SIM_TXN_OPEN;
		txn->number = command->token;
	}
	if (txn->state != SIM_TXN_OPEN || command->token != txn->number)
		sim_fail(world, "%s of a transaction that is not open", command->kind == TN_TXN_COMMIT ? "COMMIT" : "ABORT");
	else if (command->kind == TN_TXN_COMMIT)
		commit(world, txn, command);
	else
		abort_txn(world, txn);
}

/* --- Answers --- */

static void settle(struct world *world, struct sim_txn *txn)
{
	apply(world, txn);
	for (uint32_t i = 0; i < txn->count; i++) {
		const struct sim_record *record = &txn->records[i];
		const struct sim_instance *instance = &world->instances[record->instance];
		world->run_delivered += instance->open && instance->run == world->run && record->told && !record->dead;
	}
	for (uint32_t i = 1; i <= world->instance_count; i++) {
		struct sim_instance *instance = &world->instances[i];
		bool in = instance->open && instance->source < SOURCES_MAX && txn_of(world, instance->source) == txn;
		if (!in || instance->offset >= txn->ends[instance->source])
			continue;
		instance->open = false;
		world->sources[instance->source].unanswered--;
	}
}

static void fence(struct world *world, struct sim_txn *txn)
{
	world->duplicating_faults++;
	for (uint32_t i = 0; i < world->source_count; i++) {
		struct sim_source *source = &world->sources[i];
		if (source->transactional && txn_of(world, i) == txn && (source->open || source->ending)) {
			world->run_forgot = world->run_forgot || source->dedups;
			sim_forget_open(world, i);
			source->ending = true;
			source->open = false;
			source->credit = 0;
		}
	}
}

static void end(struct world *world, struct sim_txn *txn, enum tn_txn_end how)
{
	sim_say(world, SIM_TXN, how, (int64_t)txn->number, txn->state);
	if (how == TN_TXN_COMMITTED)
		settle(world, txn);
	else if (how == TN_TXN_FENCED)
		fence(world, txn);
	if (txn->state == SIM_TXN_COMMITTING && txn->applied)
		txn->count = 0;
	discard(world, txn);
	txn->state = SIM_TXN_NONE;
	txn->applied = false;
	tn_engine_txn(world->engine, txn->number, how);
}

/* Nobody asked, while it was open. */
static bool interfere(struct world *world, struct sim_txn *txn)
{
	if (txn->state != SIM_TXN_OPEN || !sim_chance(world, 8))
		return false;
	if (sim_has(world, FAULT_TXN_FENCE) && sim_chance(world, 20))
		return end(world, txn, TN_TXN_FENCED), true;
	if (sim_has(world, FAULT_TXN_ABORT))
		return end(world, txn, TN_TXN_ABORTED), true;
	return false;
}

bool sim_txn_step(struct world *world)
{
	for (uint32_t i = 0; i < world->source_count; i++) {
		struct sim_txn *txn = &world->txns[i];
		bool owed = txn->state == SIM_TXN_COMMITTING || txn->state == SIM_TXN_ABORTING;
		if (owed && txn->ready_ms <= world->now_ms)
			return end(world, txn, txn->end), true;
		if (interfere(world, txn))
			return true;
	}
	return false;
}

int64_t sim_txn_deadline(const struct world *world)
{
	int64_t deadline_ms = INT64_MAX;
	for (uint32_t i = 0; i < world->source_count; i++) {
		const struct sim_txn *txn = &world->txns[i];
		if ((txn->state == SIM_TXN_COMMITTING || txn->state == SIM_TXN_ABORTING) && txn->ready_ms < deadline_ms)
			deadline_ms = txn->ready_ms;
	}
	return deadline_ms;
}

bool sim_txn_idle(const struct world *world)
{
	return sim_txn_deadline(world) == INT64_MAX;
}

/* Whoever reads the committed offset waits until it is certain. */
bool sim_txn_blocks(struct world *world, uint32_t source)
{
	const struct sim_txn *txn = txn_of(world, source);
	return world->sources[source].transactional && txn->state == SIM_TXN_COMMITTING && txn->ends[source] > 0;
}

void sim_txns_after_crash(struct world *world)
{
	for (uint32_t i = 0; i < world->source_count; i++) {
		struct sim_txn *txn = &world->txns[i];
		if (txn->state == SIM_TXN_COMMITTING && txn->end != TN_TXN_ABORTED && sim_chance(world, 50))
			apply(world, txn);
		if (txn->applied)
			txn->count = 0;
		discard(world, txn);
		*txn = (struct sim_txn){0}; /* the next process counts anew */
	}
}
