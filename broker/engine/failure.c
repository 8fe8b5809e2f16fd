/* SPDX-License-Identifier: Apache-2.0
 *
 * failure.c - keeps why the last attempt did not deliver: for the next attempt, the row, and the dead letter.
 *
 * Called by delivery.c and bury.c. A failure is one counted block that never changes, so attempts and batches may point into it
 * while the delivery moves on. The text is a courtesy: without memory the delivery goes its way with a builtin failure instead.
 */
#include "core.h"

static struct tn_str cut(struct tn_str text)
{
	return (struct tn_str){text.bytes, text.len < TN_TEXT_MAX ? text.len : TN_TEXT_MAX};
}

static struct tn_str copy(char **place, struct tn_str text)
{
	struct tn_str kept = {*place, text.len};
	if (text.len > 0)
		memcpy(*place, text.bytes, text.len);
	*place += text.len;
	return kept;
}

/* Of any other size it is no digest. */
static struct tn_str digest_of(const struct tn_outcome *outcome)
{
	return outcome->sent_sha256.len == TN_DIGEST_SIZE ? outcome->sent_sha256 : (struct tn_str){NULL, 0};
}

struct tn_failure *tn_failure_new(struct tn_engine *engine, const struct tn_outcome *outcome, bool constant)
{
	struct tn_str message = cut(outcome->message), sample = cut(outcome->sample);
	struct tn_str code = cut(tn_str_from(outcome->code ? outcome->code : "UNCLASSIFIED"));
	struct tn_str digest = digest_of(outcome);
	size_t size = sizeof(struct tn_failure) + code.len + 1 + message.len + sample.len + digest.len;
	struct tn_failure *failure = tn_budget_take(engine, size);
	if (failure == NULL)
		return engine->builtin[TN_FAILURE_UNRECORDED];
	char *place = failure->text;
	failure->outcome = *outcome;
	failure->outcome.code = copy(&place, code).bytes;
	*place++ = '\0';
	failure->outcome.message = copy(&place, message);
	failure->outcome.sample = copy(&place, sample);
	failure->outcome.sent_sha256 = copy(&place, digest);
	failure->constant_code = constant ? outcome->code : NULL;
	failure->refs = 1;
	failure->size = (uint32_t)size;
	return failure;
}

struct tn_failure *tn_failure_ref(struct tn_failure *failure)
{
	if (failure != NULL && failure->size > 0)
		failure->refs++;
	return failure;
}

void tn_failure_unref(struct tn_engine *engine, struct tn_failure *failure)
{
	if (failure != NULL && failure->size > 0 && --failure->refs == 0)
		tn_budget_give(engine, failure, failure->size);
}

struct tn_failure *tn_failure_of_poison(struct tn_engine *engine, enum tn_poison poison)
{
	return engine->builtin[TN_FAILURE_POISON + (int)poison];
}

enum tn_poison tn_failure_poison(const struct tn_engine *engine, const struct tn_outcome *last)
{
	int poison = TN_POISON_CRASH;
	while (poison > TN_POISON_UNREADABLE && (last == NULL || last->code == NULL ||
		strcmp(last->code, engine->builtin[TN_FAILURE_POISON + poison]->outcome.code) != 0))
		poison--;
	return (enum tn_poison)poison;
}

void tn_failure_init_builtins(struct tn_engine *engine)
{
	static const struct tn_outcome outcomes[TN_FAILURE_BUILTINS] = {
		[TN_FAILURE_TIMEOUT] = {.verdict = TN_RETRY, .maybe_done = true, .code = "TIMEOUT", .message = {"no answer in time", 17}},
		[TN_FAILURE_NO_TARGET] = {.verdict = TN_MISCONFIGURED, .code = "NO_TARGET",
			.message = {"the rule or the target is no longer configured", 46}},
		[TN_FAILURE_PARK_FULL] = {.verdict = TN_RETRY, .code = "PARK_FULL", .message = {"the target's park cap is reached", 32}},
		[TN_FAILURE_POISON] = {.verdict = TN_REJECTED, .code = "POISON", .message = {"it is no event, or no rule could be judged on it", 48}},
		[TN_FAILURE_REPLY_REFUSED] = {.verdict = TN_RETRY, .maybe_done = true, .code = "REPLY_REFUSED",
			.message = {"the store had no room for the event it answered with", 52}},
		[TN_FAILURE_REPLY_LOOP] = {.verdict = TN_REJECTED, .code = "REPLY_LOOP",
			.message = {"a reply to a reply, too many times over", 39}},
		[TN_FAILURE_POISON_CRASH] = {.verdict = TN_REJECTED, .code = "POISON_CRASH",
			.message = {"the process ended at work on it too often; it was not looked at again", 69}},
		[TN_FAILURE_UNRECORDED] = {.verdict = TN_RETRY, .code = "UNRECORDED",
			.message = {"there was no memory to keep what the target answered", 52}},
	};
	for (int i = 0; i < TN_FAILURE_BUILTINS; i++) {
		engine->builtins[i].outcome = outcomes[i];
		engine->builtins[i].constant_code = outcomes[i].code;
		engine->builtin[i] = &engine->builtins[i];
	}
}
