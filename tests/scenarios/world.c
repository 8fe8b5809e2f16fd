/* SPDX-License-Identifier: Apache-2.0
 *
 * world.c - the engine's life, its commands, and the clock.
 *
 * Every command becomes a happening, but for those that only the store answers (STORE, SCAN) and credit, which expect asks for by state.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "scenario.h"

enum { TURNS_MAX = 100000, TICKS_MAX = 1000000 };

/* --- Happenings --- */

struct scn_happening *scn_happen(struct scenario *scenario, const char *kind, const char *who, const char *whom)
{
	static struct scn_happening spare;
	struct scn_happening *happening = &spare;
	if (scenario->happening_count < SCN_HAPPENINGS)
		happening = &scenario->happenings[scenario->happening_count++];
	else
		scn_fail(scenario, "more than %d things happened at once", SCN_HAPPENINGS);
	memset(happening, 0, sizeof(*happening));
	happening->kind = kind;
	snprintf(happening->who[0], SCN_NAME, "%s", who != NULL ? who : "");
	snprintf(happening->who[1], SCN_NAME, "%s", whom != NULL ? whom : "");
	scn_put_time(happening, "at", scenario->now_ms - SCN_ZERO_MS);
	return happening;
}

static struct scn_field *new_field(struct scn_happening *happening, const char *key, enum scn_type type)
{
	struct scn_field *field = &happening->fields[happening->field_count];
	happening->field_count += happening->field_count + 1 < SCN_FIELDS;
	*field = (struct scn_field){.key = key, .type = type};
	return field;
}

void scn_put_text(struct scn_happening *happening, const char *key, const char *text)
{
	if (text != NULL)
		snprintf(new_field(happening, key, SCN_TEXT)->text, SCN_NAME, "%s", text);
}

void scn_put_number(struct scn_happening *happening, const char *key, int64_t number)
{
	struct scn_field *field = new_field(happening, key, SCN_NUMBER);
	field->number = number;
	snprintf(field->text, SCN_NAME, "%" PRId64, number);
}

void scn_put_time(struct scn_happening *happening, const char *key, int64_t ms)
{
	struct scn_field *field = new_field(happening, key, SCN_TIME);
	field->number = ms;
	scn_print_time(field->text, SCN_NAME, ms);
}

static void describe(char *out, size_t size, const struct scn_happening *happening)
{
	size_t len = (size_t)snprintf(out, size, "%s %s %s", happening->kind, happening->who[0], happening->who[1]);
	for (uint32_t i = 0; i < happening->field_count && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, " %s %s", happening->fields[i].key, happening->fields[i].text);
}

bool scn_settle_up(struct scenario *scenario)
{
	char text[512];
	for (uint32_t i = 0; i < scenario->happening_count; i++) {
		const struct scn_happening *happening = &scenario->happenings[i];
		if (happening->taken || happening->optional)
			continue;
		describe(text, sizeof(text), happening);
		return scn_fail(scenario, "before this line, nobody expected: %s", text);
	}
	scenario->happening_count = 0;
	return true;
}

static void trace(struct scenario *scenario, uint32_t from)
{
	char text[512];
	for (uint32_t i = from; scenario->trace && i < scenario->happening_count; i++) {
		describe(text, sizeof(text), &scenario->happenings[i]);
		printf("#   line %u: %s\n", scenario->line, text);
	}
}

/* --- Names --- */

const char *scn_rule_name(const struct scenario *scenario, uint32_t pair)
{
	return pair < scenario->pair_count ? scenario->pairs[pair].rule : "poison";
}

const char *scn_target_name(const struct scenario *scenario, uint32_t target_no)
{
	return target_no > 0 && target_no <= scenario->target_count ? scenario->targets[target_no - 1].name : "nobody";
}

static const char *source_name(const struct scenario *scenario, struct tn_position position)
{
	return scenario->sources[position.source - 1].name;
}

/* --- Commands --- */

static void started(struct scenario *scenario, const struct tn_command *command)
{
	const struct tn_attempt *attempt = command->attempt;
	const struct tn_item *item = &attempt->items[0];
	struct scn_attempt *slot = scenario->attempts;
	while (slot < scenario->attempts + SCN_ATTEMPTS && slot->used)
		slot++;
	if (slot == scenario->attempts + SCN_ATTEMPTS) {
		scn_fail(scenario, "more than %d attempts at once", SCN_ATTEMPTS);
		return;
	}
	*slot = (struct scn_attempt){.attempt = attempt, .used = true};
	scn_split_id(&item->id, &slot->event, &slot->pair);
	struct scn_happening *happening = scn_happen(scenario, "start", scn_target_name(scenario, attempt->target_no),
		scenario->events[slot->event].name);
	happening->optional = scenario->targets[attempt->target_no - 1].answers;
	scn_put_number(happening, "attempt", item->tries.system + item->tries.function + 1);
	scn_put_text(happening, "rule", scn_rule_name(scenario, slot->pair));
	scn_put_text(happening, "for", attempt->purpose == TN_TO_DEAD_LETTER ? "dead_letter" : "target");
	scn_put_text(happening, "last", item->last != NULL ? item->last->code : "none");
	scn_put_number(happening, "waiting", attempt->waiting);
	scn_put_number(happening, "items", attempt->count);
	scn_put_number(happening, "txn", (int64_t)attempt->txn);
	for (uint32_t i = 0; i < scenario->source_count && attempt->txn != 0; i++)
		scenario->sources[i].txn = attempt->txn; /* their numbers are all different: whose it is does not matter to `txn` */
	scn_put_time(happening, "timeout", attempt->timeout_ms);
	if (attempt->purpose == TN_TO_TARGET && scenario->start_count < SCN_STARTS)
		scenario->starts[scenario->start_count++] =
			(struct scn_start){.event = slot->event, .pair = slot->pair, .at_ms = scenario->now_ms};
}

static void cancelled(struct scenario *scenario, const struct tn_command *command)
{
	for (uint32_t i = 0; i < SCN_ATTEMPTS; i++) {
		struct scn_attempt *attempt = &scenario->attempts[i];
		if (!attempt->used || attempt->attempt->token != command->token)
			continue;
		attempt->cancelled = true;
		scn_happen(scenario, "cancel", scn_target_name(scenario, attempt->attempt->target_no), scenario->events[attempt->event].name);
		return;
	}
	scn_fail(scenario, "CANCEL of an attempt that is not under way");
}

/* The event an answer is for, and the position closed. */
static const char *answered(struct scenario *scenario, const struct tn_command *command)
{
	struct scn_position *position = &scenario->positions[(command->position.low - 1) % SCN_POSITIONS];
	if (!position->open || position->epoch != command->position.epoch || position->run != scenario->run)
		scn_fail(scenario, "a position was answered that is not open (event %s)", scenario->events[position->event].name);
	position->open = false;
	scenario->sources[position->source].unanswered--;
	return scenario->events[position->event].name;
}

static void acked(struct scenario *scenario, const struct tn_command *command)
{
	static const char *const answers[] = {[TN_ANSWER_SETTLED] = "settled", [TN_ANSWER_JOURNALED] = "journaled",
		[TN_ANSWER_UNAVAILABLE] = "unavailable"};
	const struct tn_settlement *settlement = command->settlement;
	struct scn_happening *happening = scn_happen(scenario, "ack", answered(scenario, command), NULL);
	scn_put_text(happening, "answer",
		settlement->answer < sizeof(answers) / sizeof(answers[0]) ? answers[settlement->answer] : "other");
	scn_put_text(happening, "from", source_name(scenario, command->position));
	scn_put_number(happening, "delivered", settlement->delivered);
	scn_put_number(happening, "parked", settlement->parked);
	scn_put_number(happening, "dead", settlement->dead);
	scn_put_number(happening, "dropped", settlement->dropped);
	scn_put_time(happening, "retry_after", settlement->retry_after_ms);
	scn_put_text(happening, "code", settlement->code != NULL ? settlement->code : "none");
}

static void released(struct scenario *scenario, const struct tn_command *command)
{
	struct scn_happening *happening = scn_happen(scenario, "release", answered(scenario, command), NULL);
	scn_put_text(happening, "from", source_name(scenario, command->position));
	scn_put_time(happening, "delay", command->delay_ms);
}

static void stream_done(struct scenario *scenario, const struct tn_command *command)
{
	struct scn_source *source = &scenario->sources[command->position.source - 1];
	scn_put_number(scn_happen(scenario, "done", source->name, NULL), "epoch", command->position.epoch);
	source->open = source->ending = false;
	for (uint32_t i = 0; i < scenario->position_count; i++) {
		struct scn_position *position = &scenario->positions[i];
		if (&scenario->sources[position->source] == source)
			position->open = false;
	}
	source->unanswered = 0;
}

static void txn_ends(struct scenario *scenario, const struct tn_command *command)
{
	struct scn_source *source = &scenario->sources[command->position.source - 1];
	bool commit = command->kind == TN_TXN_COMMIT;
	struct scn_happening *happening = scn_happen(scenario, commit ? "commit" : "abort", source->name, NULL);
	source->txn = command->token;
	source->txn_end = command->count > 0 ? command->positions[0].low : 0;
	scn_put_number(happening, "txn", (int64_t)command->token);
	if (source->txn_end > 0)
		scn_put_text(happening, "last", scenario->events[scenario->positions[source->txn_end - 1].event].name);
}

static void carry_out(struct scenario *scenario, const struct tn_command *command)
{
	switch (command->kind) {
	case TN_START:
		started(scenario, command);
		break;
	case TN_CANCEL:
		cancelled(scenario, command);
		break;
	case TN_ACK:
		acked(scenario, command);
		break;
	case TN_RELEASE:
		released(scenario, command);
		break;
	case TN_EXTEND:
		scn_happen(scenario, "extend", scenario->events[scenario->positions[command->position.low - 1].event].name, NULL);
		break;
	case TN_CREDIT:
		scenario->sources[command->position.source - 1].credit += command->credit;
		break;
	case TN_STREAM_DONE:
		stream_done(scenario, command);
		break;
	case TN_STORE:
		scenario->shelf.batch = command->batch;
		break;
	case TN_SCAN:
		scenario->shelf.scan = command->scan;
		break;
	case TN_ROOM:
		scn_happen(scenario, "room", NULL, NULL);
		break;
	case TN_DRAINED:
		scn_put_text(scn_happen(scenario, "drained", NULL, NULL), "in_time", command->timed_out ? "no" : "yes");
		break;
	case TN_MOVED:
		scn_put_number(scn_happen(scenario, "moved", NULL, NULL), "count", command->moved);
		break;
	case TN_TXN_COMMIT:
	case TN_TXN_ABORT:
		txn_ends(scenario, command);
		break;
	case TN_CLAIM:
		scn_fail(scenario, "a CLAIM, of which scenarios know nothing yet");
		break;
	}
}

bool scn_answer(struct scenario *scenario, struct scn_attempt *attempt, const struct tn_outcome *outcome)
{
	struct tn_result result = {.token = attempt->attempt->token, .count = 1, .outcomes = outcome};
	attempt->used = false;
	tn_engine_result(scenario->engine, &result);
	return true;
}

/* One attempt at a target that answers by itself; false: none is under way. */
static bool answer_one(struct scenario *scenario)
{
	for (uint32_t i = 0; i < SCN_ATTEMPTS; i++) {
		struct scn_attempt *attempt = &scenario->attempts[i];
		const struct scn_target *target = attempt->used ? &scenario->targets[attempt->attempt->target_no - 1] : NULL;
		if (target != NULL && target->answers)
			return scn_answer(scenario, attempt, &target->outcome);
	}
	return false;
}

bool scn_obey(struct scenario *scenario)
{
	uint32_t from = scenario->happening_count;
	for (uint32_t turns = 0; !scenario->failed && turns < TURNS_MAX; turns++) {
		struct tn_command command;
		if (tn_engine_next(scenario->engine, &command)) {
			carry_out(scenario, &command);
			continue;
		}
		if (scn_shelf_step(scenario) || answer_one(scenario))
			continue;
		trace(scenario, from);
		return tn_books_closed(tn_engine_books(scenario->engine)) || scn_fail(scenario, "the books do not close");
	}
	return scn_fail(scenario, "the engine does not come to rest");
}

/* --- Notes --- */

void scn_note(void *arg, const struct tn_note *note)
{
	static const char *const kinds[] = {[TN_NOTE_RETRY] = "retry", [TN_NOTE_PARKED] = "parked", [TN_NOTE_DEAD] = "dead",
		[TN_NOTE_DROPPED] = "dropped", [TN_NOTE_TIMEOUT] = "timeout", [TN_NOTE_LATE_SUCCESS] = "late_success",
		[TN_NOTE_ORPHAN] = "orphan", [TN_NOTE_COMMIT_UNKNOWN] = "commit_unknown", [TN_NOTE_COMMIT_REFUSED] = "commit_refused",
		[TN_NOTE_TARGET_PAUSED] = "target_paused", [TN_NOTE_PARK_FULL] = "park_full", [TN_NOTE_NO_TARGET] = "no_target",
		[TN_NOTE_MEMORY_FULL] = "memory_full", [TN_NOTE_STALE_ACK] = "stale_ack",
		[TN_NOTE_BREAKER_OPENED] = "breaker_opened", [TN_NOTE_BREAKER_HALF_OPEN] = "breaker_half_open",
		[TN_NOTE_BREAKER_CLOSED] = "breaker_closed"};
	struct scenario *scenario = arg;
	if (scenario->happening_count == SCN_HAPPENINGS)
		return; /* they may be missed */
	const char *kind = note->kind < sizeof(kinds) / sizeof(kinds[0]) && kinds[note->kind] != NULL ? kinds[note->kind] : "other";
	struct scn_happening *happening = scn_happen(scenario, "note", kind, NULL);
	char target[SCN_NAME];
	snprintf(target, sizeof(target), "%.*s", (int)note->target.len, note->target.bytes);
	happening->optional = true;
	scn_put_text(happening, "target", target);
	scn_put_text(happening, "code", note->code);
	scn_put_number(happening, "attempts", note->attempts);
	scn_put_time(happening, "due", note->due_ms > 0 ? note->due_ms - SCN_ZERO_MS : 0);
}

/* --- The clock --- */

bool scn_advance(struct scenario *scenario, int64_t until_ms)
{
	for (uint32_t ticks = 0; scenario->engine != NULL; ticks++) {
		int64_t deadline_ms = tn_engine_deadline(scenario->engine);
		if (ticks == TICKS_MAX)
			return scn_fail(scenario, "the engine wakes for ever");
		if (deadline_ms > until_ms)
			break;
		if (deadline_ms > scenario->now_ms)
			scenario->now_ms = deadline_ms;
		else if (ticks > 0)
			return scn_fail(scenario, "the deadline is not in the future, though everything was done");
		tn_engine_tick(scenario->engine, scenario->now_ms);
		if (!scn_obey(scenario))
			return false;
	}
	if (until_ms > scenario->now_ms)
		scenario->now_ms = until_ms;
	if (scenario->engine == NULL)
		return true;
	tn_engine_tick(scenario->engine, scenario->now_ms);
	return scn_obey(scenario);
}

/* --- Life --- */

static void *resize(void *arg, void *old, size_t old_size, size_t size)
{
	struct scenario *scenario = arg;
	if (size > old_size && scenario->memory_fails)
		return NULL;
	scenario->allocated_bytes += size - old_size;
	return tn_alloc_system.resize(NULL, old, old_size, size);
}

static bool give_table(struct scenario *scenario)
{
	struct tn_target_limits limits[SCN_TARGETS];
	for (uint32_t i = 0; i < scenario->target_count; i++) {
		limits[i] = scenario->targets[i].limits;
		limits[i].removed = scenario->targets[i].removed;
		limits[i].found_parked = scn_shelf_rows(scenario, i + 1, TN_ROW_PARKED);
		limits[i].found_dead_rows = scn_shelf_rows(scenario, i + 1, TN_ROW_DEAD);
	}
	struct tn_target_table table = {.targets = limits, .count = scenario->target_count,
		.removal_grace_ms = scenario->removal_grace_ms, .found_blocks = true};
	return tn_engine_reload(scenario->engine, &table) == TN_OK || scn_fail(scenario, "the engine refuses the targets");
}

bool scn_start_engine(struct scenario *scenario)
{
	struct tn_alloc alloc = {resize, scenario};
	scenario->run++;
	scenario->config.next_seq = scenario->shelf.next_seq;
	scenario->config.recover = true;
	scenario->config.store_rows = scenario->shelf.count;
	if (tn_engine_new(&scenario->config, alloc, scenario->run, scenario->now_ms, &scenario->engine) != TN_OK)
		return scn_fail(scenario, "the engine does not start");
	if (!give_table(scenario) || !scn_obey(scenario))
		return false;
	if (!tn_engine_recovered(scenario->engine))
		return true; /* stream opens, once the store was read */
	for (uint32_t i = 0; i < scenario->source_count; i++) {
		struct scn_source *source = &scenario->sources[i];
		if (source->closed)
			continue;
		source->open = true;
		source->credit = 0;
		struct tn_position stream = {.source = i + 1, .stream = 1, .epoch = ++source->epoch};
		if (tn_engine_open_stream(scenario->engine, stream, &source->terms) != TN_OK)
			return scn_fail(scenario, "%s does not open", source->name);
	}
	return scn_obey(scenario);
}

void scn_stop_engine(struct scenario *scenario)
{
	tn_engine_free(scenario->engine);
	scenario->engine = NULL;
	memset(scenario->attempts, 0, sizeof(scenario->attempts));
	for (uint32_t i = 0; i < scenario->source_count; i++) {
		struct scn_source *source = &scenario->sources[i];
		source->open = source->ending = false;
		source->credit = source->unanswered = 0;
	}
	for (uint32_t i = 0; i < scenario->position_count; i++)
		scenario->positions[i].open = false;
}
