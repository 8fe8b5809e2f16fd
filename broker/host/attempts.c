/* SPDX-License-Identifier: Apache-2.0
 *
 * attempts.c - attempts under way: which instance has each token, and how its one result comes back.
 *
 * Tokens are kept in a small open-addressing table, so a cancel finds its instance and a retired target knows its last result. A result
 * that comes while commands are being carried out waits for a letter: the engine may free an attempt only when nobody is inside it.
 */
#include "bus_parts.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 1024 };

struct slot {
	uint64_t token; /* 0: free */
	struct target_instance *instance;
	const struct tn_attempt *attempt; /* frozen until its result */
};
struct attempts {
	struct slot *slots;
	size_t capacity, count; /* capacity: a power of two, at least twice count */
};

struct deliver_letter {
	struct tn_mail mail;
	struct target_instance *instance;
	const struct tn_attempt *attempt; /* frozen until its result */
	uint64_t token;
};
struct result_letter {
	struct tn_mail mail;
	struct target_instance *instance;
	uint64_t token;
	uint32_t count, room;
	struct tn_message *reply; /* in the same block, or NULL */
	struct tn_outcome outcomes[];
};

/* --- The table --- */

struct attempts *tn_attempts_new(void)
{
	struct attempts *attempts = calloc(1, sizeof *attempts);
	if (!attempts)
		abort();
	attempts->capacity = FIRST_CAPACITY;
	attempts->slots = calloc(attempts->capacity, sizeof *attempts->slots);
	if (!attempts->slots)
		abort();
	return attempts;
}

void tn_attempts_free(struct attempts *attempts)
{
	if (!attempts)
		return;
	free(attempts->slots);
	free(attempts);
}

static size_t home_of(const struct attempts *attempts, uint64_t token)
{
	return (token * 0x9e3779b97f4a7c15u >> 20) & (attempts->capacity - 1);
}

static struct slot *find_slot(struct attempts *attempts, uint64_t token)
{
	size_t at = home_of(attempts, token);
	while (attempts->slots[at].token != token && attempts->slots[at].token != 0)
		at = (at + 1) & (attempts->capacity - 1);
	return &attempts->slots[at];
}

static void grow(struct attempts *attempts)
{
	struct attempts bigger = {.capacity = attempts->capacity * 2, .count = attempts->count};
	bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
	if (!bigger.slots)
		abort();
	for (size_t i = 0; i < attempts->capacity; i++)
		if (attempts->slots[i].token)
			*find_slot(&bigger, attempts->slots[i].token) = attempts->slots[i];
	free(attempts->slots);
	*attempts = bigger;
}

static void add(struct attempts *attempts, const struct tn_attempt *attempt, struct target_instance *instance)
{
	if (++attempts->count * 2 > attempts->capacity)
		grow(attempts);
	*find_slot(attempts, attempt->token) = (struct slot){attempt->token, instance, attempt};
}

/* Linear probing: what stands behind moves up, so that no search ends early. */
static void drop(struct attempts *attempts, struct slot *slot)
{
	size_t mask = attempts->capacity - 1, hole = (size_t)(slot - attempts->slots), at = hole;
	for (;;) {
		at = (at + 1) & mask;
		if (!attempts->slots[at].token)
			break;
		size_t home = home_of(attempts, attempts->slots[at].token);
		if (((at - home) & mask) >= ((at - hole) & mask)) {
			attempts->slots[hole] = attempts->slots[at];
			hole = at;
		}
	}
	attempts->slots[hole] = (struct slot){0};
	attempts->count--;
}

/* --- Out --- */

static size_t put(char *out, size_t at, size_t size, struct tn_str text)
{
	size_t len = text.len < size - at ? text.len : size - at;
	memcpy(out + at, text.bytes, len);
	return at + len;
}

/* {"rule":"r","target":"t"}: names have no characters that JSON would escape. */
static struct tn_str describe(const struct tn_attempt *attempt, char *out, size_t size)
{
	size_t at = put(out, 0, size, TN_STR("{\"rule\":\""));
	at = put(out, at, size, attempt->items[0].route->rule);
	at = put(out, at, size, TN_STR("\",\"target\":\""));
	at = put(out, at, size, attempt->items[0].route->target);
	return tn_str_make(out, put(out, at, size, TN_STR("\"}")));
}

static void enter_batch(struct tn_guard_slot *slot, const struct tn_attempt *attempt, struct tn_str where)
{
	uint64_t names[TN_GUARD_NAMES];
	uint32_t count = attempt->count < TN_GUARD_NAMES ? attempt->count : TN_GUARD_NAMES;
	for (uint32_t i = 0; i < count; i++)
		names[i] = tn_quarantine_delivery(&attempt->items[i].id);
	tn_guard_enter(slot, &(struct tn_guard_work){names, count, where, .any = true});
}

/* [worker] A target turns the event into what it sends before deliver() returns: the guard sees to it that this is known. */
static void hand_over(struct target_instance *instance, const struct tn_attempt *attempt)
{
	char text[256];
	struct tn_guard_slot *slot = instance->worker->slot;
	struct tn_str where = describe(attempt, text, sizeof text);
	uint64_t name = tn_quarantine_delivery(&attempt->items[0].id);
	if (attempt->count == 1)
		tn_guard_enter(slot, &(struct tn_guard_work){&name, 1, where});
	else
		enter_batch(slot, attempt, where);
	instance->group->config->connector->target->deliver(instance->handle, attempt);
	tn_guard_leave(slot);
}

static void deliver(struct tn_mail *mail, void *arg)
{
	struct deliver_letter *letter = (struct deliver_letter *)mail;
	struct target_instance *instance = letter->instance;
	if (arg)
		hand_over(instance, letter->attempt);
	free(letter);
}

static void cancel(struct tn_mail *mail, void *arg)
{
	struct deliver_letter *letter = (struct deliver_letter *)mail;
	struct target_instance *instance = letter->instance;
	if (arg)
		instance->group->config->connector->target->cancel(instance->handle, letter->token);
	free(letter);
}

static void post(struct target_instance *instance, const struct tn_attempt *attempt, uint64_t token,
	void (*open)(struct tn_mail *mail, void *arg))
{
	struct deliver_letter *letter = malloc(sizeof *letter);
	if (!letter)
		abort();
	*letter = (struct deliver_letter){.mail.open = open, .instance = instance, .attempt = attempt, .token = token};
	tn_mailbox_post(instance->worker->mailbox, &letter->mail);
}

/* Some of it ended the process too often; or may have, and is not alone. */
static bool is_suspect(const struct tn_bus *bus, const struct tn_attempt *attempt)
{
	bool suspect = false;
	for (uint32_t i = 0; i < attempt->count && !suspect; i++) {
		uint64_t name = tn_quarantine_delivery(&attempt->items[i].id);
		suspect = tn_quarantine_holds(bus->quarantine, name) || (attempt->count > 1 && tn_quarantine_suspects(bus->quarantine, name));
	}
	return suspect;
}

/* True: it was answered instead of handed over. What is quarantined dies; of a batch, suspects come again one by one, the others as a
 * batch again: for them it was no attempt. */
static bool refuse_quarantined(struct tn_bus *bus, const struct tn_attempt *attempt)
{
	uint32_t target_no = attempt->target_no;
	if (!is_suspect(bus, attempt))
		return false;
	struct tn_outcome *outcomes = calloc(attempt->count, sizeof *outcomes);
	if (!outcomes)
		abort();
	for (uint32_t i = 0; i < attempt->count; i++) {
		uint64_t name = tn_quarantine_delivery(&attempt->items[i].id);
		outcomes[i] = (struct tn_outcome){
			.verdict = TN_HOLD, .code = "BATCH_SPLIT", .alone = tn_quarantine_suspects(bus->quarantine, name)};
		if (!tn_quarantine_holds(bus->quarantine, name))
			continue;
		outcomes[i] = (struct tn_outcome){.verdict = TN_REJECTED, .code = "POISON_CRASH",
			.message = TN_STR("the process ended too often while it was handed to its target; it was not tried again")};
		tn_quarantine_counted(bus->quarantine);
	}
	tn_engine_result(bus->engine, &(struct tn_result){.token = attempt->token, .count = attempt->count, .outcomes = outcomes});
	free(outcomes);
	tn_engine_ready(bus->engine, target_no, UINT32_MAX); /* the target itself lacks no room */
	return true;
}

void tn_attempts_start(struct tn_bus *bus, const struct tn_attempt *attempt)
{
	if (refuse_quarantined(bus, attempt))
		return;
	struct target_group *group = tn_targets_find(bus, attempt->target_no);
	if (!group) { /* removed between two turns: the engine hears of it like of any target that is not there */
		struct tn_outcome outcome = {.verdict = TN_RETRY, .code = "NO_TARGET", .message = TN_STR("the target is no longer configured")};
		tn_engine_result(bus->engine, &(struct tn_result){.token = attempt->token, .count = 1, .outcomes = &outcome});
		return;
	}
	struct target_instance *instance = &group->instances[group->next_instance];
	group->next_instance = (group->next_instance + 1) % group->instance_count;
	group->in_flight++;
	add(bus->attempts, attempt, instance);
	if (instance->worker->threaded)
		post(instance, attempt, 0, deliver);
	else
		hand_over(instance, attempt);
}

void tn_attempts_cancel(struct tn_bus *bus, uint64_t token)
{
	struct slot *slot = find_slot(bus->attempts, token);
	if (!slot->token)
		return;
	struct target_instance *instance = slot->instance;
	if (instance->worker->threaded)
		post(instance, NULL, token, cancel);
	else
		instance->group->config->connector->target->cancel(instance->handle, token);
}

/* --- Back --- */

static void take_result(struct tn_bus *bus, const struct tn_result *result, const struct tn_message *reply)
{
	struct slot *slot = find_slot(bus->attempts, result->token);
	if (!slot->token)
		return; /* a second answer: the contract allows one */
	struct target_group *group = slot->instance->group;
	const struct tn_attempt *attempt = slot->attempt;
	struct tn_reply_verdict verdict;
	struct tn_result instead = {.token = result->token, .count = 1, .outcomes = &verdict.outcome};
	drop(bus->attempts, slot);
	group->in_flight--;
	if (reply && tn_replies_take(bus, group->config->connector->wire, attempt, reply, &verdict))
		result = &instead;
	tn_engine_result(bus->engine, result);
	tn_targets_release(group);
	tn_turn_want(bus);
}

static void open_result(struct tn_mail *mail, void *arg)
{
	struct result_letter *letter = (struct result_letter *)mail;
	struct tn_result result = {.token = letter->token, .count = letter->count, .outcomes = letter->outcomes};
	if (arg)
		take_result(letter->instance->group->bus, &result, letter->reply);
	free(letter);
}

static char *copy_text(struct tn_str *text, char *to)
{
	if (text->len)
		memcpy(to, text->bytes, text->len);
	*text = tn_str_make(to, text->len);
	return to + text->len;
}

static size_t reply_size(const struct tn_message *reply)
{
	size_t size = sizeof *reply + reply->header_count * sizeof *reply->headers + reply->content_type.len + reply->body.len;
	for (uint32_t i = 0; i < reply->header_count; i++)
		size += reply->headers[i].name.len + reply->headers[i].value.len;
	return size;
}

/* Into a block with room for it, suitably aligned. */
static struct tn_message *copy_reply(const struct tn_message *reply, void *block)
{
	struct tn_message *copy = block;
	struct tn_header *headers = (struct tn_header *)(copy + 1);
	char *text = (char *)(headers + reply->header_count);
	*copy = *reply;
	copy->headers = headers;
	for (uint32_t i = 0; i < reply->header_count; i++) {
		headers[i] = reply->headers[i];
		text = copy_text(&headers[i].name, text);
		text = copy_text(&headers[i].value, text);
	}
	if (copy->content_type.bytes)
		text = copy_text(&copy->content_type, text);
	copy_text(&copy->body, text);
	return copy;
}

static struct result_letter *copy_result(struct target_instance *instance, const struct tn_result *result,
	const struct tn_message *reply)
{
	size_t size = sizeof(struct result_letter) + result->count * sizeof(struct tn_outcome) + (reply ? reply_size(reply) : 0);
	for (uint32_t i = 0; i < result->count; i++)
		size += result->outcomes[i].message.len + result->outcomes[i].sample.len + result->outcomes[i].sent_sha256.len;
	struct result_letter *letter = malloc(size);
	if (!letter)
		abort();
	*letter = (struct result_letter){.mail.open = open_result, .instance = instance, .token = result->token, .count = result->count};
	char *text = (char *)(letter->outcomes + result->count);
	if (reply) {
		letter->reply = copy_reply(reply, text);
		text += reply_size(reply);
	}
	for (uint32_t i = 0; i < result->count; i++) {
		letter->outcomes[i] = result->outcomes[i];
		text = copy_text(&letter->outcomes[i].message, text);
		text = copy_text(&letter->outcomes[i].sample, text);
		text = copy_text(&letter->outcomes[i].sent_sha256, text);
	}
	return letter;
}

void tn_attempts_result(void *arg, const struct tn_result *result, const struct tn_message *reply)
{
	struct target_instance *instance = arg;
	struct tn_bus *bus = instance->group->bus;
	if (instance->worker->index == 0 && !bus->dispatching)
		take_result(bus, result, reply);
	else
		tn_mailbox_post(bus->workers[0].mailbox, &copy_result(instance, result, reply)->mail);
}

static void open_ready(struct tn_mail *mail, void *arg)
{
	struct result_letter *letter = (struct result_letter *)mail;
	struct target_group *group = letter->instance->group;
	if (arg) {
		tn_engine_ready(group->bus->engine, group->target_no, letter->room);
		tn_turn_want(group->bus);
	}
	free(letter);
}

void tn_attempts_ready(void *arg, uint32_t room)
{
	struct target_instance *instance = arg;
	struct result_letter *letter = calloc(1, sizeof *letter);
	if (!letter)
		abort();
	*letter = (struct result_letter){.mail.open = open_ready, .instance = instance, .room = room};
	tn_mailbox_post(instance->group->bus->workers[0].mailbox, &letter->mail);
}
