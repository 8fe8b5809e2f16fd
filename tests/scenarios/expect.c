/* SPDX-License-Identifier: Apache-2.0
 *
 * expect.c - what must have happened, and how things must stand.
 *
 * expect KIND WHO... KEY VALUE...: takes the first happening of that kind and about these whose fields have these values. What stands
 * (rows, books, targets, sources, the batch) is written into a happening of its own first, and compared alike.
 */
#include <stdio.h>
#include <string.h>

#include "scenario.h"

static bool same_value(struct scenario *scenario, const struct scn_field *field, const char *word)
{
	int64_t number;
	if (field->type == SCN_TEXT)
		return scn_is(field->text, word);
	if (field->type == SCN_TIME)
		return scn_time(scenario, word, &number) && number == field->number;
	return scn_number(scenario, word, &number) && number == field->number;
}

static const struct scn_field *field_of(const struct scn_happening *happening, const char *key)
{
	for (uint32_t i = 0; i < happening->field_count; i++) {
		if (scn_is(happening->fields[i].key, key))
			return &happening->fields[i];
	}
	return NULL;
}

/* The first field that differs; key_word: its word. NULL: none. */
static const struct scn_field *first_difference(struct scenario *scenario, const struct scn_happening *happening, uint32_t from,
	uint32_t *out_word)
{
	for (uint32_t i = from; i + 1 < scenario->word_count; i += 2) {
		const struct scn_field *field = field_of(happening, scenario->words[i]);
		if (field == NULL) {
			scn_fail(scenario, "%s has no field '%s'", happening->kind, scenario->words[i]);
			return NULL;
		}
		*out_word = i + 1;
		if (!same_value(scenario, field, scenario->words[i + 1]))
			return field;
	}
	return NULL;
}

static bool fields_come_in_pairs(struct scenario *scenario, uint32_t from)
{
	if (from <= scenario->word_count && (scenario->word_count - from) % 2 == 0)
		return true;
	return scn_fail(scenario, "expect %s: words are missing (KEY VALUE pairs come last)", scenario->words[1]);
}

static bool compare(struct scenario *scenario, const struct scn_happening *state, uint32_t from)
{
	uint32_t word = 0;
	if (!fields_come_in_pairs(scenario, from))
		return false;
	const struct scn_field *field = first_difference(scenario, state, from, &word);
	if (field != NULL)
		return scn_fail(scenario, "%s is %s, not %s", field->key, field->text, scenario->words[word]);
	return !scenario->failed;
}

/* --- What happened --- */

static const struct kind {
	const char *name;
	uint32_t who;                   /* names that follow */
} kinds[] = {{"start", 2}, {"cancel", 2}, {"ack", 1}, {"release", 1}, {"extend", 1}, {"done", 1}, {"drained", 0}, {"room", 0}, {"moved", 0}, {"commit", 1},
	{"abort", 1},
	{"note", 1}};

static bool is_about(const struct scenario *scenario, const struct scn_happening *happening, const struct kind *kind)
{
	if (happening->taken || !scn_is(happening->kind, kind->name))
		return false;
	for (uint32_t i = 0; i < kind->who; i++) {
		if (!scn_is(happening->who[i], scenario->words[2 + i]))
			return false;
	}
	return true;
}

static bool list_missing(struct scenario *scenario, const struct scn_field *field, uint32_t word)
{
	if (field != NULL)
		return scn_fail(scenario, "it happened, but %s is %s, not %s", field->key, field->text, scenario->words[word]);
	char text[512] = "";
	size_t len = 0;
	for (uint32_t i = 0; i < scenario->happening_count && len < sizeof(text); i++) {
		const struct scn_happening *happening = &scenario->happenings[i];
		if (!happening->taken)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s %s", len > 0 ? "; " : "", happening->kind,
				happening->who[0], happening->who[1]);
	}
	return scn_fail(scenario, "it did not happen. What did: %s", len > 0 ? text : "nothing");
}

static bool expect_happening(struct scenario *scenario, const struct kind *kind)
{
	const struct scn_field *field = NULL;
	uint32_t from = 2 + kind->who, word = 0, differs = 0;
	if (!fields_come_in_pairs(scenario, from))
		return false;
	for (uint32_t i = 0; i < scenario->happening_count; i++) {
		struct scn_happening *happening = &scenario->happenings[i];
		if (!is_about(scenario, happening, kind))
			continue;
		const struct scn_field *different = first_difference(scenario, happening, from, &word);
		if (scenario->failed)
			return false;
		if (different == NULL) {
			happening->taken = true;
			return true;
		}
		field = field == NULL ? different : field;
		differs = word;
	}
	return list_missing(scenario, field, differs);
}

static bool expect_nothing(struct scenario *scenario)
{
	return scn_settle_up(scenario);
}

/* --- How things stand --- */

static const char *row_state(enum tn_row_state state)
{
	static const char *const names[] = {"none", "open", "tried", "parked", "dead"};
	return names[state];
}

/* expect row EVENT TARGET ... | expect no row EVENT [TARGET] */
static bool find_row(struct scenario *scenario, uint32_t at, const struct scn_row **out_row)
{
	uint32_t event = at < scenario->word_count ? scn_event(scenario, scenario->words[at]) : UINT32_MAX, target_no = 0;
	if (event == UINT32_MAX)
		return scn_fail(scenario, "usage: expect row EVENT TARGET KEY VALUE..., or expect no row EVENT [TARGET]");
	if (at + 1 < scenario->word_count && !scn_is(scenario->words[at + 1], "-"))
		target_no = scn_target(scenario, scenario->words[at + 1]) + 1;
	*out_row = scn_shelf_row(scenario, event, target_no);
	return !scenario->failed;
}

static bool expect_row(struct scenario *scenario)
{
	static const char *const conditions[] = {[TN_CONDITION_NONE] = "none", [TN_CONDITION_MAX_RETRIES] = "max_retries",
		[TN_CONDITION_MAX_AGE] = "max_age", [TN_CONDITION_DECLINED] = "declined"};
	struct scn_happening state = {.kind = "row"};
	const struct scn_row *found;
	if (!find_row(scenario, 2, &found))
		return false;
	if (found == NULL)
		return scn_fail(scenario, "there is no such row");
	const struct tn_row *row = &found->row;
	scn_put_text(&state, "state", row_state(row->state));
	scn_put_number(&state, "tries", row->tries.system + row->tries.function);
	scn_put_number(&state, "system", row->tries.system);
	scn_put_number(&state, "function", row->tries.function);
	scn_put_time(&state, "accepted", row->tries.accepted_ms - SCN_ZERO_MS);
	scn_put_time(&state, "due", row->tries.not_before_ms - SCN_ZERO_MS);
	scn_put_text(&state, "code", row->last != NULL ? found->last.code : "none");
	scn_put_text(&state, "condition", conditions[row->condition]);
	scn_put_text(&state, "blocks", row->blocks ? "yes" : "no");
	scn_put_number(&state, "redrives", row->redrives);
	scn_put_text(&state, "rule", scn_rule_name(scenario, found->pair));
	scn_put_number(&state, "lane_seq", (int64_t)row->lane_seq);
	return compare(scenario, &state, 4);
}

static bool expect_no(struct scenario *scenario)
{
	const struct scn_row *found;
	bool batch = scn_same_key("batch", 2, scenario) && scenario->word_count == 3;
	if (batch)
		return scenario->shelf.batch == NULL || scn_fail(scenario, "a batch is out");
	if (!scn_same_key("row", 2, scenario) || scenario->word_count > 5)
		return scn_fail(scenario, "usage: expect no row EVENT [TARGET], or expect no batch");
	if (!find_row(scenario, 3, &found))
		return false;
	return found == NULL || scn_fail(scenario, "there is one: %s at %s", row_state(found->row.state), found->row.target.bytes);
}

#define BOOK(name) {#name, offsetof(struct tn_books, name)}
static const struct {
	const char *name;
	size_t offset;
} books[] = {BOOK(matched), BOOK(recovered), BOOK(redriven), BOOK(delivered), BOOK(dead), BOOK(dropped), BOOK(released), BOOK(parked),
	BOOK(pending), BOOK(backoff), BOOK(inflight), BOOK(staged), BOOK(staged_aborted), BOOK(parking), BOOK(burying), BOOK(accepted), BOOK(unmatched),
	BOOK(retried), BOOK(parks), BOOK(late_success), BOOK(orphaned_attempts), BOOK(commit_unknown), BOOK(commit_refused), BOOK(ack_sent),
	BOOK(stale_acks), BOOK(poison), BOOK(no_target), BOOK(attempts), BOOK(refused_full), BOOK(joined), BOOK(tried_rows), BOOK(open_rows),
	BOOK(memory_bytes)};

static bool expect_book(struct scenario *scenario, const char *name, const char *word)
{
	int64_t wanted;
	uint64_t value;
	for (size_t i = 0; i < sizeof(books) / sizeof(books[0]); i++) {
		if (!scn_is(books[i].name, name))
			continue;
		memcpy(&value, (const char *)tn_engine_books(scenario->engine) + books[i].offset, sizeof(value));
		if (!scn_number(scenario, word, &wanted))
			return false;
		return (int64_t)value == wanted || scn_fail(scenario, "the books have %s %llu, not %s", name, (unsigned long long)value, word);
	}
	return scn_fail(scenario, "the books have no '%s'", name);
}

static bool expect_books(struct scenario *scenario)
{
	if (!fields_come_in_pairs(scenario, 2))
		return false;
	for (uint32_t i = 2; i < scenario->word_count; i += 2) {
		if (!expect_book(scenario, scenario->words[i], scenario->words[i + 1]))
			return false;
	}
	return true;
}

static bool find_view(const struct scenario *scenario, uint32_t target_no, struct tn_target_view *out_view)
{
	for (uint32_t i = 0; i < tn_engine_target_count(scenario->engine); i++) {
		if (tn_engine_target_view(scenario->engine, i, out_view) && out_view->target_no == target_no)
			return true;
	}
	return false;
}

static bool expect_target(struct scenario *scenario)
{
	struct scn_happening state = {.kind = "target"};
	struct tn_target_view view;
	uint32_t target = scenario->word_count > 2 ? scn_target(scenario, scenario->words[2]) : UINT32_MAX;
	if (target == UINT32_MAX || !find_view(scenario, target + 1, &view))
		return scn_fail(scenario, "usage: expect target NAME KEY VALUE..., of a target that the engine knows");
	scn_put_number(&state, "in_flight", view.in_flight);
	scn_put_number(&state, "max_in_flight", view.max_in_flight);
	scn_put_number(&state, "pending", (int64_t)view.pending);
	scn_put_number(&state, "backoff", (int64_t)view.backoff);
	scn_put_number(&state, "parked", (int64_t)view.parked);
	scn_put_number(&state, "delivered", (int64_t)view.delivered);
	scn_put_number(&state, "retried", (int64_t)view.retried);
	scn_put_number(&state, "dead", (int64_t)view.dead);
	scn_put_number(&state, "dropped", (int64_t)view.dropped);
	scn_put_number(&state, "parks", (int64_t)view.parks);
	scn_put_number(&state, "lanes", view.lanes);
	scn_put_number(&state, "lanes_waiting", view.lanes_waiting);
	scn_put_number(&state, "lanes_blocked", view.lanes_blocked);
	scn_put_text(&state, "ordered", view.ordered ? "yes" : "no");
	scn_put_time(&state, "paused_until", view.paused_until_ms > 0 ? view.paused_until_ms - SCN_ZERO_MS : 0);
	scn_put_text(&state, "pause_code", view.pause_code != NULL ? view.pause_code : "none");
	static const char *const breakers[] = {"closed", "half_open", "open"};
	scn_put_text(&state, "breaker", breakers[view.breaker]);
	scn_put_text(&state, "breaker_code", view.breaker_code != NULL ? view.breaker_code : "none");
	scn_put_number(&state, "breaker_opened", (int64_t)view.breaker_opened);
	scn_put_number(&state, "limit", view.limit);
	scn_put_number(&state, "tokens", view.tokens);
	scn_put_number(&state, "over_budget", view.over_budget);
	scn_put_text(&state, "removed", view.removed ? "yes" : "no");
	scn_put_text(&state, "open", tn_engine_target_open(scenario->engine, target + 1) ? "yes" : "no");
	return compare(scenario, &state, 3);
}

static bool expect_source(struct scenario *scenario)
{
	struct scn_happening state = {.kind = "source"};
	uint32_t number = scenario->word_count > 2 ? scn_source(scenario, scenario->words[2]) : UINT32_MAX;
	if (number == UINT32_MAX)
		return scn_fail(scenario, "usage: expect source NAME KEY VALUE...");
	const struct scn_source *source = &scenario->sources[number];
	scn_put_number(&state, "credit", source->credit);
	scn_put_number(&state, "unanswered", source->unanswered);
	scn_put_number(&state, "epoch", source->epoch);
	scn_put_text(&state, "open", source->open ? "yes" : "no");
	return compare(scenario, &state, 3);
}

static bool expect_batch(struct scenario *scenario)
{
	static const char *const ops[] = {[TN_PUT_EVENT] = "event", [TN_DROP_ROW] = "drop", [TN_REDRIVE_ROW] = "redrive",
		[TN_PURGE_ROW] = "purge", [TN_RELEASE_ROW] = "release", [TN_PUT_SEEN] = "seen"};
	const struct tn_batch *batch = scenario->shelf.batch;
	struct scn_happening state = {.kind = "batch"};
	int64_t by_op[8] = {0}, by_row[8] = {0};
	if (batch == NULL)
		return scn_fail(scenario, "no batch is out (does the store wait?)");
	for (uint32_t i = 0; i < batch->count; i++) {
		by_op[batch->ops[i].kind]++;
		if (batch->ops[i].kind == TN_PUT_ROW)
			by_row[batch->ops[i].row->state]++;
	}
	for (uint32_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (ops[i] != NULL)
			scn_put_number(&state, ops[i], by_op[i]);
	}
	for (enum tn_row_state row = TN_ROW_OPEN; row <= TN_ROW_DEAD; row++)
		scn_put_number(&state, row_state(row), by_row[row]);
	scn_put_number(&state, "ops", batch->count);
	scn_put_number(&state, "number", (int64_t)batch->number);
	return compare(scenario, &state, 2);
}

/* expect schedule TARGET EVENT TIME...: when its attempts started, from the beginning. */
static bool expect_schedule(struct scenario *scenario)
{
	uint32_t word = 4;
	if (scenario->word_count < 5)
		return scn_fail(scenario, "usage: expect schedule TARGET EVENT TIME...");
	uint32_t target = scn_target(scenario, scenario->words[2]), event = scn_event(scenario, scenario->words[3]);
	for (uint32_t i = 0; i < scenario->start_count && !scenario->failed; i++) {
		const struct scn_start *start = &scenario->starts[i];
		int64_t at_ms = start->at_ms - SCN_ZERO_MS, wanted_ms;
		char text[SCN_NAME];
		if (start->event != event || start->pair >= scenario->pair_count || scenario->pairs[start->pair].target_no != target + 1)
			continue;
		scn_print_time(text, sizeof(text), at_ms);
		if (word == scenario->word_count)
			return scn_fail(scenario, "one more attempt, at %s", text);
		if (!scn_time(scenario, scenario->words[word], &wanted_ms))
			return false;
		if (wanted_ms != at_ms)
			return scn_fail(scenario, "attempt %u was at %s, not at %s", word - 3, text, scenario->words[word]);
		word++;
	}
	if (word < scenario->word_count)
		return scn_fail(scenario, "there was no attempt %u", word - 3);
	return !scenario->failed;
}

static bool expect_recovered(struct scenario *scenario)
{
	return tn_engine_recovered(scenario->engine) || scn_fail(scenario, "it is still reading the store");
}

bool scn_do_expect(struct scenario *scenario)
{
	static const struct {
		const char *name;
		scn_verb look;
	} states[] = {{"nothing", expect_nothing}, {"row", expect_row}, {"no", expect_no}, {"books", expect_books}, {"target", expect_target},
		{"source", expect_source}, {"batch", expect_batch}, {"schedule", expect_schedule}, {"recovered", expect_recovered}};
	const char *word = scenario->words[1];
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (!scn_is(states[i].name, word))
			continue;
		if (scenario->engine == NULL && !scn_is(word, "row") && !scn_is(word, "no") && !scn_is(word, "schedule"))
			return scn_fail(scenario, "the engine crashed; only its rows can be looked at");
		return states[i].look(scenario);
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (scn_is(kinds[i].name, word))
			return expect_happening(scenario, &kinds[i]);
	}
	return scn_fail(scenario, "'%s' cannot be expected", word);
}
