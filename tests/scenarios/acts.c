/* SPDX-License-Identifier: Apache-2.0
 *
 * acts.c - what the world does to the engine: events, results, time, the store, streams, reloads, moves, drains, crashes.
 *
 * Each verb reads its words, makes one call, and lets the engine's commands out.
 */
#include <stdio.h>
#include <string.h>

#include "scenario.h"

static const char *const status_names[] = {"ok", "full", "no_memory", "closed", "not_found", "invalid", "too_large", NULL};
static const enum tn_status statuses[] = {TN_OK, TN_FULL, TN_NO_MEMORY, TN_CLOSED, TN_NOT_FOUND, TN_INVALID, TN_TOO_LARGE};

/* `answered STATUS` at words[from], or nothing: ok. */
static bool read_answered(struct scenario *scenario, uint32_t from, enum tn_status *out_status)
{
	uint32_t index = 0;
	if (from < scenario->word_count && (!scn_same_key("answered", from, scenario) || from + 2 != scenario->word_count))
		return scn_fail(scenario, "'%s' is not understood here", scenario->words[from]);
	if (from < scenario->word_count && !scn_choice(scenario, scenario->words[from + 1], status_names, &index))
		return false;
	*out_status = statuses[index];
	return true;
}

static bool check_status(struct scenario *scenario, enum tn_status status, enum tn_status wanted)
{
	const char *name = "another status", *wanted_name = "";
	for (uint32_t i = 0; status_names[i] != NULL; i++) {
		name = statuses[i] == status ? status_names[i] : name;
		wanted_name = statuses[i] == wanted ? status_names[i] : wanted_name;
	}
	if (status != wanted)
		return scn_fail(scenario, "the engine answered %s, not %s", name, wanted_name);
	return scn_obey(scenario);
}

static struct tn_position stream_of(const struct scenario *scenario, uint32_t source)
{
	return (struct tn_position){.source = source + 1, .stream = 1, .epoch = scenario->sources[source].epoch};
}

/* --- Arrivals --- */

enum { NAMES_MAX = 16, MATCHES_MAX = 16 };

struct arrival {
	uint32_t source;
	enum tn_status wanted;
	struct tn_offer offers[NAMES_MAX];
	struct tn_match matches[NAMES_MAX][MATCHES_MAX];
	uint32_t events[NAMES_MAX], count;
};

static bool offer(struct scenario *scenario, struct arrival *arrival)
{
	struct scn_source *source = &scenario->sources[arrival->source];
	if (scenario->position_count == SCN_POSITIONS)
		return scn_fail(scenario, "more than %d arrivals", SCN_POSITIONS);
	if (source->open && source->credit == 0 && arrival->wanted == TN_OK)
		return scn_fail(scenario, "%s has no credit", source->name);
	struct tn_arrival offered = {.position = stream_of(scenario, arrival->source), .ack_when = source->ack_when,
		.offers = arrival->offers, .count = arrival->count};
	offered.position.low = offered.position.high = scenario->position_count + 1;
	enum tn_status status = tn_engine_offer(scenario->engine, &offered);
	if (status == TN_OK) {
		scenario->positions[scenario->position_count++] = (struct scn_position){.source = arrival->source, .epoch = source->epoch,
			.event = arrival->events[0], .run = scenario->run, .open = true};
		source->credit -= source->credit > 0;
		source->unanswered++;
	}
	return check_status(scenario, status, arrival->wanted);
}

static bool add_matches(struct scenario *scenario, const char *rules, struct arrival *arrival, uint32_t offer_no)
{
	struct tn_offer *one = &arrival->offers[offer_no];
	for (const char *from = rules;; from += strcspn(from, ",") + 1) {
		size_t len = strcspn(from, ",");
		uint32_t before = one->match_count;
		for (uint32_t pair = 0; pair < scenario->pair_count && one->match_count < MATCHES_MAX; pair++) {
			const struct scn_route *route = scn_current_route(scenario, pair);
			if (route == NULL || !tn_str_equal(route->route.rule, (struct tn_str){from, len}))
				continue;
			arrival->matches[offer_no][one->match_count++] =
				(struct tn_match){.route = &route->route, .id = scn_delivery_id(arrival->events[offer_no], pair)};
		}
		if (one->match_count == before)
			return scn_fail(scenario, "there is no rule '%.*s'", (int)len, from);
		if (from[len] == '\0')
			return true;
	}
}

static void add_lanes(struct arrival *arrival, uint32_t offer_no, uint8_t key)
{
	for (uint32_t i = 0; key != 0 && i < arrival->offers[offer_no].match_count; i++) {
		struct tn_match *match = &arrival->matches[offer_no][i];
		if (match->route->ordered)
			match->lane = (struct tn_id){{2, (uint8_t)match->route->target_no, key}};
	}
}

struct event_settings {
	int64_t bytes, key;
	uint32_t answered;
};

static bool read_event(struct scenario *scenario, uint32_t from, struct arrival *arrival)
{
	static const struct scn_setting settings[] = {
		{"bytes", SCN_SET_NUMBER, offsetof(struct event_settings, bytes)},
		{"key", SCN_SET_NUMBER, offsetof(struct event_settings, key)},
		{"answered", SCN_SET_CHOICE, offsetof(struct event_settings, answered), .choices = status_names},
		{0}};
	struct event_settings read = {.bytes = 20};
	const char *rules = scenario->words[from + 3];
	arrival->source = scn_source(scenario, scenario->words[from + 1]);
	if (arrival->source == UINT32_MAX || !scn_read_settings(scenario, from + 4, settings, &read))
		return false;
	if (read.key < 0 || read.key > 255)
		return scn_fail(scenario, "a key is 1 to 255, or 0 for none");
	if (read.bytes < 0 || read.bytes > 1 << 24)
		return scn_fail(scenario, "an event has 0 to 16777216 bytes");
	arrival->wanted = statuses[read.answered];
	for (uint32_t i = 0; i + 1 < from; i++) {
		arrival->events[i] = scn_event_new(scenario, scenario->words[i + 1], (uint64_t)read.bytes, false);
		if (arrival->events[i] == UINT32_MAX)
			return false;
		arrival->offers[i] = (struct tn_offer){.event = scenario->events[arrival->events[i]].event,
			.matches = arrival->matches[i], .origin = tn_str_from(scenario->words[i + 1])};
		if (!scn_is(rules, "none") && !add_matches(scenario, rules, arrival, i))
			return false;
		add_lanes(arrival, i, (uint8_t)read.key);
	}
	arrival->count = from - 1;
	return true;
}

bool scn_do_event(struct scenario *scenario)
{
	struct arrival arrival = {0};
	uint32_t from = 1;
	while (from < scenario->word_count && !scn_is(scenario->words[from], "from"))
		from++;
	if (from == 1 || from > NAMES_MAX || !scn_same_key("matches", from + 2, scenario) || from + 3 >= scenario->word_count)
		return scn_fail(scenario, "usage: event NAME... from SOURCE matches RULE[,RULE...]|none [KEY VALUE...]");
	return read_event(scenario, from, &arrival) && offer(scenario, &arrival);
}

bool scn_do_poison(struct scenario *scenario)
{
	struct arrival arrival = {.count = 1};
	if (!scn_same_key("from", 2, scenario) || scenario->word_count != 4)
		return scn_fail(scenario, "usage: poison NAME from SOURCE");
	arrival.source = scn_source(scenario, scenario->words[3]);
	arrival.events[0] = scn_event_new(scenario, scenario->words[1], 20, true);
	if (arrival.source == UINT32_MAX || arrival.events[0] == UINT32_MAX)
		return false;
	arrival.matches[0][0] = (struct tn_match){.route = &scenario->poison, .id = scn_delivery_id(arrival.events[0], SCN_PAIRS)};
	arrival.offers[0] = (struct tn_offer){.event = scenario->events[arrival.events[0]].event, .matches = arrival.matches[0],
		.match_count = 1, .origin = tn_str_from(scenario->words[1])};
	return offer(scenario, &arrival);
}

/* --- Results --- */

struct outcome_settings {
	int64_t retry_after_ms, status;
	bool function, maybe, credential, declined;
};

static const char *usual_code(enum tn_verdict verdict, const struct outcome_settings *read)
{
	static const char *const codes[] = {[TN_RETRY] = "HTTP_503", [TN_THROTTLED] = "THROTTLED", [TN_MISCONFIGURED] = "NOT_FOUND",
		[TN_REJECTED] = "HTTP_422", [TN_HOLD] = "NO_ROOM"};
	if (verdict == TN_MISCONFIGURED && read->credential)
		return "UNAUTHORIZED";
	if (verdict == TN_RETRY && read->function)
		return "FUNCTION_ERROR";
	return codes[verdict];
}

/* VERDICT [CODE] [KEY VALUE...] from words[from] on. */
static bool read_outcome(struct scenario *scenario, uint32_t from, struct tn_outcome *out_outcome)
{
	static const char *const verdicts[] = {[TN_DELIVERED] = "delivered", [TN_STAGED] = "staged", [TN_RETRY] = "retry",
		[TN_THROTTLED] = "throttled", [TN_MISCONFIGURED] = "misconfigured", [TN_REJECTED] = "rejected", [TN_HOLD] = "hold", NULL};
	static const struct scn_setting settings[] = {
		{"retry_after", SCN_SET_TIME, offsetof(struct outcome_settings, retry_after_ms)},
		{"status", SCN_SET_NUMBER, offsetof(struct outcome_settings, status)},
		{"function", SCN_SET_BOOL, offsetof(struct outcome_settings, function)},
		{"maybe_done", SCN_SET_BOOL, offsetof(struct outcome_settings, maybe)},
		{"credential", SCN_SET_BOOL, offsetof(struct outcome_settings, credential)},
		{"declined", SCN_SET_BOOL, offsetof(struct outcome_settings, declined)},
		{0}};
	struct outcome_settings read = {0};
	uint32_t verdict;
	if (from >= scenario->word_count)
		return scn_fail(scenario, "%s: a verdict is missing", scenario->words[0]);
	if (!scn_choice(scenario, scenario->words[from], verdicts, &verdict))
		return false;
	bool coded = from + 1 < scenario->word_count && scenario->words[from + 1][0] >= 'A' && scenario->words[from + 1][0] <= 'Z';
	if (!scn_read_settings(scenario, from + 1 + coded, settings, &read))
		return false;
	*out_outcome = (struct tn_outcome){.verdict = (enum tn_verdict)verdict, .function_error = read.function, .maybe_done = read.maybe,
		.credential = read.credential, .declined = read.declined, .status = (int32_t)read.status,
		.retry_after_ms = read.retry_after_ms,
		.code = coded ? scn_code(scenario, scenario->words[from + 1]) : usual_code((enum tn_verdict)verdict, &read)};
	return true;
}

/* The one attempt that fits; -1: none is said to be wanted. */
static struct scn_attempt *find_attempt(struct scenario *scenario, uint32_t event, uint32_t target_no, const char *rule)
{
	struct scn_attempt *found = NULL;
	for (uint32_t i = 0; i < SCN_ATTEMPTS; i++) {
		struct scn_attempt *attempt = &scenario->attempts[i];
		if (!attempt->used || attempt->event != event || (target_no != 0 && attempt->attempt->target_no != target_no))
			continue;
		if (rule != NULL && !scn_is(scn_rule_name(scenario, attempt->pair), rule))
			continue;
		if (found != NULL && found->cancelled == attempt->cancelled) {
			scn_fail(scenario, "more than one attempt of it is under way: say 'from TARGET' or 'rule RULE'");
			return NULL;
		}
		if (found == NULL || attempt->cancelled) /* the older one answers first */
			found = attempt;
	}
	if (found == NULL)
		scn_fail(scenario, "no such attempt is under way");
	return found;
}

bool scn_do_result(struct scenario *scenario)
{
	struct tn_outcome outcome;
	uint32_t event = scn_event(scenario, scenario->words[1]), target = UINT32_MAX, at = 2;
	const char *rule = NULL;
	if (event == UINT32_MAX)
		return false;
	if (scn_same_key("from", at, scenario) && at + 1 < scenario->word_count) {
		target = scn_target(scenario, scenario->words[at + 1]);
		if (target == UINT32_MAX)
			return false;
		at += 2;
	}
	if (scn_same_key("rule", at, scenario) && at + 1 < scenario->word_count) {
		rule = scenario->words[at + 1];
		at += 2;
	}
	struct scn_attempt *attempt = find_attempt(scenario, event, target + 1, rule);
	if (attempt == NULL || !read_outcome(scenario, at, &outcome))
		return false;
	return scn_answer(scenario, attempt, &outcome) && scn_obey(scenario);
}

bool scn_do_answers(struct scenario *scenario)
{
	uint32_t number = scn_target(scenario, scenario->words[1]);
	if (number == UINT32_MAX)
		return false;
	struct scn_target *target = &scenario->targets[number];
	target->answers = !scn_is(scenario->words[2], "by-hand");
	if (target->answers && !read_outcome(scenario, 2, &target->outcome))
		return false;
	return scenario->engine == NULL || scn_obey(scenario);
}

bool scn_do_ready(struct scenario *scenario)
{
	int64_t room;
	uint32_t target = scn_target(scenario, scenario->words[1]);
	if (target == UINT32_MAX || !scn_number(scenario, scenario->words[2], &room))
		return false;
	tn_engine_ready(scenario->engine, target + 1, (uint32_t)room);
	return scn_obey(scenario);
}

/* Committed: the positions up to its end are answered. */
static void settle_txn(struct scenario *scenario, uint32_t number)
{
	struct scn_source *source = &scenario->sources[number];
	for (uint32_t i = 0; i < scenario->position_count && i < source->txn_end; i++) {
		struct scn_position *position = &scenario->positions[i];
		if (position->source == number && position->open)
			source->unanswered--;
		position->open = position->open && position->source != number;
	}
}

bool scn_do_txn(struct scenario *scenario)
{
	static const char *const ends[] = {[TN_TXN_COMMITTED] = "committed", [TN_TXN_ABORTED] = "aborted", [TN_TXN_FENCED] = "fenced", NULL};
	uint32_t number = scn_source(scenario, scenario->words[1]), end;
	if (number == UINT32_MAX || !scn_choice(scenario, scenario->words[2], ends, &end))
		return false;
	if (scenario->sources[number].txn == 0)
		return scn_fail(scenario, "%s had no transaction yet", scenario->sources[number].name);
	if (end == TN_TXN_COMMITTED)
		settle_txn(scenario, number);
	tn_engine_txn(scenario->engine, scenario->sources[number].txn, (enum tn_txn_end)end);
	return scn_obey(scenario);
}

bool scn_do_breaker(struct scenario *scenario)
{
	static const char *const states[] = {[TN_BREAKER_CLOSED] = "closed", [TN_BREAKER_HALF_OPEN] = "half_open", [TN_BREAKER_OPEN] = "open",
		NULL};
	uint32_t target = scn_target(scenario, scenario->words[1]), state;
	if (target == UINT32_MAX || !scn_choice(scenario, scenario->words[2], states, &state) || state == TN_BREAKER_HALF_OPEN)
		return scn_fail(scenario, "an operator opens a breaker, or closes it");
	if (tn_engine_breaker(scenario->engine, target + 1, (enum tn_breaker_state)state) != TN_OK)
		return scn_fail(scenario, "the engine does not know that target");
	return scn_obey(scenario);
}

/* --- Time --- */

bool scn_do_advance(struct scenario *scenario)
{
	int64_t ms;
	bool to = scn_is(scenario->words[1], "to");
	if (scenario->word_count != 2u + to || !scn_time(scenario, scenario->words[1 + to], &ms))
		return scn_fail(scenario, "usage: advance TIME, or advance to TIME");
	int64_t until_ms = to ? SCN_ZERO_MS + ms : scenario->now_ms + ms;
	if (until_ms < scenario->now_ms)
		return scn_fail(scenario, "it is later than that already");
	return scn_advance(scenario, until_ms);
}

bool scn_do_jump(struct scenario *scenario)
{
	int64_t ms;
	bool back = scn_is(scenario->words[1], "back");
	if (scenario->word_count != 2u + back || !scn_time(scenario, scenario->words[1 + back], &ms))
		return scn_fail(scenario, "usage: jump TIME, or jump back TIME");
	if (!back)
		scenario->now_ms += ms;
	tn_engine_tick(scenario->engine, scenario->now_ms - (back ? ms : 0));
	return scn_obey(scenario);
}

/* --- The store --- */

static bool answer_batch(struct scenario *scenario)
{
	enum tn_commit commit = TN_COMMIT_OK;
	bool applied = scn_is(scenario->words[1], "ok");
	if (scn_is(scenario->words[1], "refused"))
		commit = TN_COMMIT_REFUSED;
	if (scn_is(scenario->words[1], "unknown")) {
		commit = TN_COMMIT_UNKNOWN;
		applied = scn_same_key("applied", 2, scenario);
		if (!applied && !scn_same_key("lost", 2, scenario))
			return scn_fail(scenario, "usage: store unknown applied, or store unknown lost");
	}
	if (scenario->shelf.batch == NULL)
		return scn_fail(scenario, "no batch is out (does the store wait?)");
	return scn_settle_up(scenario) && scn_shelf_commit(scenario, commit, applied) && scn_obey(scenario);
}

bool scn_do_store(struct scenario *scenario)
{
	static const char *const words[] = {[SCN_STORE_WORKS] = "works", [SCN_STORE_WAITS] = "waits", [SCN_STORE_FULL] = "full", "readable",
		"unreadable", "ok", "refused", "unknown", NULL};
	uint32_t word;
	if (!scn_choice(scenario, scenario->words[1], words, &word))
		return false;
	if (word > SCN_STORE_FULL + 2)
		return answer_batch(scenario);
	if (word > SCN_STORE_FULL)
		scenario->shelf.unreadable = word == SCN_STORE_FULL + 2;
	else
		scenario->shelf.mode = (enum scn_store)word;
	return scenario->engine == NULL || (scn_settle_up(scenario) && scn_obey(scenario));
}

/* --- Streams --- */

static bool open_stream(struct scenario *scenario, uint32_t number)
{
	struct scn_source *source = &scenario->sources[number];
	source->epoch++;
	source->open = true;
	source->ending = false;
	source->credit = source->unanswered = 0;
	for (uint32_t i = 0; i < scenario->position_count; i++)
		scenario->positions[i].open = scenario->positions[i].open && scenario->positions[i].source != number;
	return check_status(scenario, tn_engine_open_stream(scenario->engine, stream_of(scenario, number), &source->terms), TN_OK);
}

bool scn_do_stream(struct scenario *scenario)
{
	static const char *const words[] = {"opens", "lost", "revoked", NULL};
	int64_t grace_ms = 0;
	uint32_t word, number = scn_source(scenario, scenario->words[1]);
	if (number == UINT32_MAX || !scn_choice(scenario, scenario->words[2], words, &word))
		return false;
	if (scn_same_key("grace", 3, scenario) && (scenario->word_count != 5 || !scn_time(scenario, scenario->words[4], &grace_ms)))
		return scn_fail(scenario, "usage: stream SOURCE revoked [grace TIME]");
	if (word == 0)
		return open_stream(scenario, number);
	struct scn_source *source = &scenario->sources[number];
	source->open = false;
	source->ending = true;
	source->credit = 0;
	for (uint32_t i = 0; i < scenario->position_count && word == 1; i++)
		scenario->positions[i].open = scenario->positions[i].open && scenario->positions[i].source != number;
	enum tn_stream_event event = word == 1 ? TN_STREAM_LOST : TN_STREAM_REVOKED;
	return check_status(scenario, tn_engine_stream(scenario->engine, stream_of(scenario, number), event, grace_ms), TN_OK);
}

/* --- The operator --- */

bool scn_do_reload(struct scenario *scenario)
{
	struct tn_target_limits limits[SCN_TARGETS];
	enum tn_status wanted;
	uint32_t from = scn_same_key("grace", 1, scenario) ? 3 : 1;
	if (from == 3 && (scenario->word_count < 3 || !scn_time(scenario, scenario->words[2], &scenario->removal_grace_ms)))
		return scn_fail(scenario, "usage: reload [grace TIME] [answered STATUS]");
	if (!read_answered(scenario, from, &wanted))
		return false;
	for (uint32_t i = 0; i < scenario->target_count; i++) {
		limits[i] = scenario->targets[i].limits;
		limits[i].removed = scenario->targets[i].removed;
	}
	struct tn_target_table table = {.targets = limits, .count = scenario->target_count,
		.removal_grace_ms = scenario->removal_grace_ms};
	return check_status(scenario, tn_engine_reload(scenario->engine, &table), wanted);
}

bool scn_do_move(struct scenario *scenario)
{
	enum tn_status wanted;
	uint32_t event = scn_event(scenario, scenario->words[1]), target = scn_target(scenario, scenario->words[2]);
	if (event == UINT32_MAX || target == UINT32_MAX || !read_answered(scenario, 3, &wanted))
		return false;
	const struct scn_row *row = scn_shelf_row(scenario, event, target + 1);
	if (row == NULL || row->row.state != TN_ROW_DEAD)
		return scn_fail(scenario, "%s has no dead letter of %s", scenario->words[2], scenario->words[1]);
	struct tn_move_item item = {.key = row->row.key, .target_no = target + 1, .bytes = tn_dead_letter_bytes(row->bytes)};
	const char *verb = scenario->words[0];
	struct tn_moves moves = {.items = &item, .count = 1, .token = ++scenario->moves,
		.move = scn_is(verb, "redrive") ? TN_MOVE_REDRIVE : scn_is(verb, "purge") ? TN_MOVE_PURGE : TN_MOVE_RELEASE};
	(void)!tn_engine_moves_ended(scenario->engine, &moves.as_of); /* one under way: that is for the engine to refuse */
	return check_status(scenario, tn_engine_move(scenario->engine, &moves), wanted);
}

bool scn_do_drain(struct scenario *scenario)
{
	int64_t timeout_ms = 30000;
	if (scn_same_key("timeout", 1, scenario) && (scenario->word_count != 3 || !scn_time(scenario, scenario->words[2], &timeout_ms)))
		return scn_fail(scenario, "usage: drain [timeout TIME]");
	tn_engine_drain(scenario->engine, timeout_ms);
	return scn_obey(scenario);
}

bool scn_do_crash(struct scenario *scenario)
{
	bool applied = scn_same_key("applied", 1, scenario);
	if (scenario->word_count != 1u + applied)
		return scn_fail(scenario, "usage: crash [applied]");
	scn_shelf_crash(scenario, applied);
	scn_stop_engine(scenario);
	return true;
}

bool scn_do_restart(struct scenario *scenario)
{
	if (scenario->engine != NULL || scenario->run == 0)
		return scn_fail(scenario, "restart: the engine %s", scenario->run == 0 ? "never ran" : "runs");
	return scn_start_engine(scenario);
}

bool scn_do_memory(struct scenario *scenario)
{
	static const char *const words[] = {"works", "fails", NULL};
	uint32_t word;
	if (!scn_choice(scenario, scenario->words[1], words, &word))
		return false;
	scenario->memory_fails = word == 1;
	return true;
}
