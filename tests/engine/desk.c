/* SPDX-License-Identifier: Apache-2.0
 *
 * desk.c - the test bed of the engine's unit tests; see desk.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "desk.h"

static void *counted_resize(void *arg, void *old, size_t old_size, size_t size)
{
	struct desk *desk = arg;
	if (size > 0 && desk->fail_after == 0)
		return NULL;
	if (size > 0 && desk->fail_after > 0)
		desk->fail_after--;
	desk->allocated_bytes += size - old_size;
	return tn_alloc_system.resize(NULL, old, old_size, size);
}

static struct tn_event *make_event(void)
{
	struct tn_attribute attributes[] = {{TN_STR("id"), TN_STR("1"), TN_STRING}, {TN_STR("source"), TN_STR("/desk"), TN_STRING},
		{TN_STR("type"), TN_STR("desk"), TN_STRING}};
	struct tn_event_parts parts = {
		.attributes = attributes, .attribute_count = 3, .has_data = true, .data = TN_STR("some data")};
	return tn_event_new(&parts);
}

void desk_init(struct desk *desk)
{
	static const char *const names[DESK_TARGETS] = {"t1", "t2", "t3", "t4"}, *const rules[DESK_TARGETS] = {"r1", "r2", "r3", "r4"};
	memset(desk, 0, sizeof(*desk));
	desk->fail_after = -1;
	desk->stream = desk->epoch = 1;
	desk->now_ms = 1000000;
	desk->removal_grace_ms = 600000;
	desk->event = make_event();
	desk->config = tn_engine_config_default;
	desk->policy = (struct tn_policy){.system = {.base_ms = 1000, .mult = 2, .cap_ms = 512000, .max_retries = 3},
		.jitter = TN_JITTER_NONE, .floor_ms = 50, .max_age_ms = 3600000};
	for (uint32_t i = 0; i < DESK_TARGETS; i++) {
		desk->limits[i] = (struct tn_target_limits){.name = tn_str_from(names[i]), .target_no = i + 1, .max_in_flight = 64,
			.timeout_ms = 15000, .park_rows = 1000, .on_missing = TN_CONFIG_DEAD_LETTER, .retry_after_max_ms = 3600000};
		desk->routes[i] = (struct tn_route){.rule = tn_str_from(rules[i]), .target = tn_str_from(names[i]), .target_no = i + 1,
			.policy = &desk->policy};
	}
	desk->poison = (struct tn_route){.rule = TN_STR("poison"), .target = TN_STR("poison"), .poison = true};
}

void desk_open(struct desk *desk)
{
	struct tn_alloc alloc = {counted_resize, desk};
	struct tn_target_table table = {.targets = desk->limits, .count = DESK_TARGETS, .removal_grace_ms = desk->removal_grace_ms,
		.found_blocks = desk->found_blocks};
	assert_int_equal(tn_engine_new(&desk->config, alloc, 7, desk->now_ms, &desk->engine), TN_OK);
	assert_int_equal(tn_engine_reload(desk->engine, &table), TN_OK);
	struct tn_position stream = {.source = 1, .stream = 1, .epoch = 1};
	assert_int_equal(tn_engine_open_stream(desk->engine, stream, &desk->terms), TN_OK);
	desk_obey(desk);
}

void desk_close(struct desk *desk)
{
	tn_engine_free(desk->engine);
	tn_event_unref(desk->event);
	assert_int_equal(desk->allocated_bytes, 0);
}

/* --- Offers --- */

struct tn_id desk_lane(uint32_t target_no, uint8_t key)
{
	return (struct tn_id){{3, (uint8_t)target_no, key}};
}

static struct tn_match match_of(const struct desk *desk, uint32_t target_no, uint64_t number)
{
	struct tn_match match = {.route = &desk->routes[target_no - 1]};
	uint64_t words[2] = {desk->id_base + number, target_no};
	memcpy(match.id.bytes, words, sizeof(words));
	if (desk->routes[target_no - 1].ordered && desk->lane_key != 0)
		match.lane = desk_lane(target_no, desk->lane_key);
	return match;
}

static enum tn_status offer(struct desk *desk, enum tn_ack_when ack_when, const struct tn_offer *offers, uint32_t count)
{
	struct tn_arrival arrival = {.position = {.source = 1, .stream = desk->stream, .epoch = desk->epoch, .low = ++desk->offered},
		.ack_when = ack_when, .offers = offers, .count = count, .dedup = desk->dedup};
	return tn_engine_offer(desk->engine, &arrival);
}

enum tn_status desk_offer(struct desk *desk, enum tn_ack_when ack_when, uint32_t matches)
{
	struct tn_match all[DESK_TARGETS];
	for (uint32_t i = 0; i < matches; i++)
		all[i] = match_of(desk, i + 1, desk->offered + 1);
	struct tn_offer one = {.event = desk->event, .matches = all, .match_count = matches, .origin = TN_STR("{\"at\":1}")};
	return offer(desk, ack_when, &one, 1);
}

enum tn_status desk_offer_to(struct desk *desk, enum tn_ack_when ack_when, uint32_t target_no)
{
	struct tn_match match = match_of(desk, target_no, desk->offered + 1);
	struct tn_offer one = {.event = desk->event, .matches = &match, .match_count = 1};
	return offer(desk, ack_when, &one, 1);
}

enum tn_status desk_offer_many(struct desk *desk, uint32_t events, uint32_t matches)
{
	static struct tn_offer offers[4096];
	struct tn_match all[DESK_TARGETS];
	for (uint32_t i = 0; i < matches; i++)
		all[i] = match_of(desk, i + 1, desk->offered + 1);
	for (uint32_t i = 0; i < events; i++)
		offers[i] = (struct tn_offer){.event = desk->event, .matches = all, .match_count = matches};
	return offer(desk, TN_ACK_JOURNALED, offers, events);
}

enum tn_status desk_offer_keys(struct desk *desk, enum tn_ack_when ack_when, const struct desk_key *keys, uint32_t count)
{
	struct tn_offer offers[16] = {0};
	struct tn_match matches[16][DESK_TARGETS];
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = 0; j < keys[i].matches; j++)
			matches[i][j] = match_of(desk, j + 1, 1000 + keys[i].key);
		offers[i] = (struct tn_offer){.event = desk->event, .dedup_key = {{keys[i].key}}, .fingerprint = keys[i].fingerprint,
			.matches = matches[i], .match_count = keys[i].matches};
	}
	return offer(desk, ack_when, offers, count);
}

void desk_claimed(struct desk *desk, uint32_t claim, const struct tn_claim_answer *answers, uint32_t count)
{
	assert_true(claim < desk->claim_count);
	tn_engine_claimed(desk->engine, desk->claims[claim].token, answers, count);
	desk_obey(desk);
}

enum tn_status desk_offer_poison(struct desk *desk, enum tn_ack_when ack_when, enum tn_poison poison)
{
	struct tn_match match = {.route = &desk->poison};
	struct tn_offer one = {.event = desk->event, .matches = &match, .match_count = 1, .poison = poison};
	return offer(desk, ack_when, &one, 1);
}

/* --- Commands --- */

static void keep_answer(struct desk *desk, const struct tn_command *command)
{
	assert_true(desk->answer_count < sizeof(desk->answers) / sizeof(desk->answers[0]));
	desk->answers[desk->answer_count] = *command;
	if (command->settlement != NULL)
		desk->settlements[desk->answer_count] = *command->settlement;
	desk->answer_count++;
}

static void keep_txn(struct desk *desk, const struct tn_command *command)
{
	assert_true(desk->txn_count < 8 && command->count <= 4);
	desk->txns[desk->txn_count] = *command;
	for (uint32_t i = 0; i < command->count; i++)
		desk->positions[desk->txn_count][i] = command->positions[i];
	desk->txn_count++;
}

static void keep(struct desk *desk, const struct tn_command *command)
{
	switch (command->kind) {
	case TN_START:
		desk->starts[desk->start_count++] = *command;
		break;
	case TN_CANCEL:
		desk->cancels[desk->cancel_count++] = *command;
		break;
	case TN_ACK:
	case TN_RELEASE:
		keep_answer(desk, command);
		break;
	case TN_CREDIT:
		desk->credits[desk->credit_count++] = *command;
		break;
	case TN_STREAM_DONE:
		desk->stream_done = true;
		break;
	case TN_STORE:
		assert_null(desk->batch);
		desk->batch = command->batch;
		break;
	case TN_SCAN:
		desk->scan = command->scan;
		break;
	case TN_ROOM:
		desk->room = true;
		break;
	case TN_DRAINED:
		desk->drained = true;
		desk->timed_out = command->timed_out;
		break;
	case TN_MOVED:
		desk->moved_token = command->token;
		desk->moved = command->moved;
		break;
	case TN_TXN_COMMIT:
	case TN_TXN_ABORT:
		keep_txn(desk, command);
		break;
	case TN_CLAIM:
		desk->claims[desk->claim_count++] = *command;
		break;
	case TN_EXTEND:
		desk->extensions[desk->extension_count++] = *command;
		break;
	}
}

void desk_obey(struct desk *desk)
{
	struct tn_command command;
	desk->start_count = desk->answer_count = desk->cancel_count = desk->credit_count = desk->extension_count = desk->claim_count = 0;
	desk->txn_count = 0;
	desk->room = false;
	desk->moved_token = 0;
	while (tn_engine_next(desk->engine, &command))
		keep(desk, &command);
	assert_true(tn_books_closed(tn_engine_books(desk->engine)));
}

void desk_tick(struct desk *desk, int64_t more_ms)
{
	desk->now_ms += more_ms;
	tn_engine_tick(desk->engine, desk->now_ms);
	desk_obey(desk);
}

static void answer(struct desk *desk, uint64_t token, struct tn_outcome outcome)
{
	tn_engine_result(desk->engine, &(struct tn_result){.token = token, .count = 1, .outcomes = &outcome});
	desk_obey(desk);
}

void desk_answer_with(struct desk *desk, uint32_t start, struct tn_outcome outcome)
{
	assert_true(start < desk->start_count);
	answer(desk, desk->starts[start].token, outcome);
}

void desk_answer_to(struct desk *desk, uint64_t token, enum tn_verdict verdict)
{
	static const char *const codes[] = {[TN_RETRY] = "HTTP_503", [TN_THROTTLED] = "THROTTLED", [TN_MISCONFIGURED] = "NOT_FOUND",
		[TN_REJECTED] = "HTTP_422", [TN_HOLD] = "NO_ROOM"};
	answer(desk, token, (struct tn_outcome){.verdict = verdict, .code = codes[verdict]});
}

void desk_answer(struct desk *desk, uint32_t start, enum tn_verdict verdict)
{
	assert_true(start < desk->start_count);
	desk_answer_to(desk, desk->starts[start].token, verdict);
}

void desk_reload(struct desk *desk)
{
	struct tn_target_table table = {.targets = desk->limits, .count = DESK_TARGETS, .removal_grace_ms = desk->removal_grace_ms};
	assert_int_equal(tn_engine_reload(desk->engine, &table), TN_OK);
	desk_obey(desk);
}

void desk_end_stream(struct desk *desk, uint32_t stream, enum tn_stream_event event)
{
	struct tn_position position = {.source = 1, .stream = stream, .epoch = 1};
	assert_int_equal(tn_engine_stream(desk->engine, position, event, 1000), TN_OK);
	desk_obey(desk);
}

void desk_commit(struct desk *desk, enum tn_commit commit)
{
	assert_non_null(desk->batch);
	uint64_t number = desk->batch->number;
	desk->batch = NULL;
	tn_engine_stored(desk->engine, number, commit);
	desk_obey(desk);
}

void desk_page(struct desk *desk, const struct tn_row *rows, uint32_t count, int64_t next_due_ms)
{
	struct tn_event *events[16] = {0};
	const struct tn_route *routes[16] = {0};
	assert_non_null(desk->scan);
	for (uint32_t i = 0; i < count; i++) {
		events[i] = rows[i].state == TN_ROW_TRIED ? NULL : desk->event;
		routes[i] = rows[i].target_no > 0 && rows[i].target_no <= DESK_TARGETS && rows[i].rule.len > 0 ?
			&desk->routes[rows[i].target_no - 1] : NULL;
		if (rows[i].rule.len > 0 && tn_str_equal(rows[i].rule, desk->poison.rule))
			routes[i] = &desk->poison;
	}
	struct tn_page page = {.token = desk->scan->token, .rows = rows, .events = events, .routes = routes, .count = count,
		.last = true, .next_due_ms = next_due_ms};
	desk->scan = NULL;
	tn_engine_page(desk->engine, &page);
	desk_obey(desk);
}

void desk_txn(struct desk *desk, uint32_t txn, enum tn_txn_end end)
{
	assert_true(txn < desk->txn_count);
	tn_engine_txn(desk->engine, desk->txns[txn].token, end);
	desk_obey(desk);
}

/* event_seq * prime + route_no is hashed: one less in route_no is made up for by the prime's inverse in event_seq. */
struct tn_row_key desk_twin(struct tn_row_key key)
{
	const uint64_t prime = 0x100000001b3u;
	uint64_t inverse = prime;
	for (int i = 0; i < 6; i++)
		inverse *= 2 - prime * inverse;
	assert_true(key.route_no > 0 && prime * inverse == 1);
	return (struct tn_row_key){key.event_seq + inverse, key.route_no - 1};
}

const struct tn_books *desk_books(const struct desk *desk)
{
	return tn_engine_books(desk->engine);
}

const struct tn_row *desk_row(const struct desk *desk, uint32_t n)
{
	for (uint32_t i = 0; desk->batch != NULL && i < desk->batch->count; i++) {
		if (desk->batch->ops[i].kind == TN_PUT_ROW && n-- == 0)
			return desk->batch->ops[i].row;
	}
	return NULL;
}

uint32_t desk_ops(const struct desk *desk, enum tn_op_kind kind)
{
	uint32_t count = 0;
	for (uint32_t i = 0; desk->batch != NULL && i < desk->batch->count; i++)
		count += desk->batch->ops[i].kind == kind;
	return count;
}
