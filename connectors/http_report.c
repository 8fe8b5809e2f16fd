/* SPDX-License-Identifier: Apache-2.0
 *
 * http_report.c - from an answer to the result of an attempt: by its status, and where a batch or a reply was asked for, by its body.
 *
 * Called by http_target.c once an attempt is over. Owns the outcomes of a batch until fini. Any thread.
 *
 *   status ----- 2xx ----- a batch: which items failed (http_batch.h)
 *     |            '------ replies wanted: is it one (http_reply.h)
 *     '--------- else ---- one outcome for all items (classify.h)
 */
#include "http_report.h"

#include "http_batch.h"
#include "http_reply.h"
#include "turnout/http_client.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

/* --- One outcome for all --- */

/* The client refused the request itself: URL and fixed headers were checked before, so it can only be the event. */
static bool event_is_unsendable(const struct tn_encoded *encoded)
{
	for (size_t i = 0; i < encoded->header_count; i++)
		if (!tn_http_header_name_valid(encoded->headers[i].name) || !tn_http_header_value_valid(encoded->headers[i].value))
			return true;
	return false;
}

static struct tn_str sample_of(const struct tn_http_answer *answer)
{
	size_t len = answer->body.len < TN_CLASSIFY_SAMPLE_MAX ? answer->body.len : TN_CLASSIFY_SAMPLE_MAX;
	return (struct tn_str){answer->body.bytes, len};
}

/* The status said yes, the body says otherwise: whatever was asked for may have been done. */
static void fail_all(struct tn_http_report *report, const struct tn_http_answer *answer, enum tn_verdict verdict, const char *code,
	const char *message)
{
	struct tn_classified *classified = &report->classified;
	int len = snprintf(classified->text, sizeof classified->text, "%s", message);
	classified->outcome = (struct tn_outcome){
		.verdict = verdict,
		.maybe_done = true,
		.status = answer->status,
		.code = code,
		.message = tn_str_make(classified->text, (size_t)len),
		.sample = sample_of(answer),
	};
}

/* --- Batches --- */

static void fail_some(struct tn_http_report *report, const struct tn_http_answer *answer, const bool *failed, uint32_t count)
{
	report->outcomes = calloc(count, sizeof *report->outcomes);
	if (!report->outcomes)
		abort();
	for (uint32_t i = 0; i < count; i++) {
		report->outcomes[i] = report->classified.outcome;
		if (failed[i])
			report->outcomes[i] = (struct tn_outcome){
				.verdict = TN_RETRY,
				.status = answer->status,
				.code = "BATCH_ITEM_FAILURE",
				.message = TN_STR("the target listed this item among those it failed to do"),
				.sample = sample_of(answer),
			};
	}
	report->result.outcomes = report->outcomes;
	report->result.count = count;
}

static void judge_batch(struct tn_http_report *report, const struct tn_http_answer *answer, const struct tn_attempt *attempt)
{
	struct tn_error why = {0};
	bool *failed = calloc(attempt->count, sizeof *failed);
	if (!failed)
		abort();
	if (answer->failure != TN_HTTP_FINE)
		tn_classify_broken_answer(answer, &report->classified);
	else if (answer->body_cut)
		fail_all(report, answer, TN_RETRY, "BATCH_RESPONSE", "the answer to the batch is longer than a list of all items");
	else if (tn_http_batch_read(answer->body, attempt->items, attempt->count, failed, &why) != TN_OK)
		fail_all(report, answer, TN_RETRY, "BATCH_RESPONSE", why.message);
	else if (memchr(failed, true, attempt->count * sizeof *failed))
		fail_some(report, answer, failed, attempt->count);
	free(failed);
}

/* --- Replies --- */

static void judge_reply(struct tn_http_report *report, const struct tn_http_answer *answer)
{
	if (!tn_http_reply_take(answer, &report->message))
		return;
	if (answer->failure != TN_HTTP_FINE)
		tn_classify_broken_answer(answer, &report->classified);
	else if (answer->body_cut)
		fail_all(report, answer, TN_REJECTED, "REPLY_TOO_LARGE", "the target answered with an event of more than 1 MiB; the call was done");
	else
		report->reply = &report->message;
}

/* --- All of it --- */

static void add_digest(struct tn_http_report *report, struct tn_str body)
{
	bool known = false;
	for (uint32_t i = 0; i < report->result.count; i++) {
		struct tn_outcome *outcome = report->outcomes ? &report->outcomes[i] : &report->classified.outcome;
		if (outcome->verdict == TN_DELIVERED || outcome->verdict == TN_HOLD)
			continue;
		if (!known && EVP_Digest(body.bytes, body.len, (unsigned char *)report->digest, NULL, EVP_sha256(), NULL) != 1)
			abort();
		known = true;
		outcome->sent_sha256 = tn_str_make(report->digest, sizeof report->digest);
	}
}

void tn_http_report_init(struct tn_http_report *report, const struct tn_http_exchange *exchange, const struct tn_http_answer *answer)
{
	const struct tn_attempt *attempt = exchange->attempt;
	report->reply = NULL;
	report->outcomes = NULL;
	report->result = (struct tn_result){.token = attempt->token, .count = 1, .outcomes = &report->classified.outcome};
	tn_classify_answer(answer, exchange->overrides, exchange->wall_ms, &report->classified);
	if (answer->failure == TN_HTTP_BAD_URL && event_is_unsendable(exchange->encoded)) {
		report->classified.outcome = (struct tn_outcome){.verdict = TN_REJECTED, .code = "BAD_EVENT",
			.message = TN_STR("an attribute of the event has characters that cannot stand in an HTTP header")};
	} else if (report->classified.outcome.verdict == TN_DELIVERED) {
		if (tn_http_batch_wanted(attempt))
			judge_batch(report, answer, attempt);
		else if (exchange->replies && tn_http_reply_expected(attempt))
			judge_reply(report, answer);
	}
	add_digest(report, exchange->body);
}

void tn_http_report_fini(struct tn_http_report *report)
{
	free(report->outcomes);
}
