/* SPDX-License-Identifier: Apache-2.0
 *
 * classify.c - two tables: HTTP statuses, and ways to get none, each with its verdict (delivery-semantics section 5).
 *
 * Called by targets that speak HTTP. Pure. Any thread.
 *
 * A status that was read counts even when the body then broke off: nothing in the body can change it. Where something could (a batch, a
 * reply), whoever reads the body says so, and the break counts.
 * Of the statuses an operator must act on, 401 and 407 are about who we are (the credential); 402, 403 and 511 are treated like what is
 * missing (404, 410): the server knows us and says no, and waiting changes neither.
 */
#include "classify.h"

#include "turnout/utf8.h"

#include <stdio.h>

struct status_row {
	int32_t from, to;
	enum tn_verdict verdict;
	bool credential;
	const char *code; /* NULL: HTTP_<status> */
	const char *hint; /* after "the target answered <status>" */
};

/* The first row that holds the status counts. */
static const struct status_row status_rows[] = {
	{100, 199, TN_REJECTED, false, "REDIRECT", ", which is no final answer"},
	{200, 299, TN_DELIVERED, false, NULL, ""},
	{300, 399, TN_REJECTED, false, "REDIRECT", "; redirects are never followed"},
	{401, 401, TN_MISCONFIGURED, true, "UNAUTHORIZED", "; it did not take our credential"},
	{402, 403, TN_MISCONFIGURED, false, "FORBIDDEN", ""},
	{404, 404, TN_MISCONFIGURED, false, "NOT_FOUND", "; nothing is at this address"},
	{407, 407, TN_MISCONFIGURED, true, "UNAUTHORIZED", "; a proxy wants a credential"},
	{408, 409, TN_RETRY, false, NULL, ""},
	{410, 410, TN_MISCONFIGURED, false, "GONE", "; what was at this address is gone"},
	{421, 421, TN_RETRY, false, NULL, ""},
	{423, 423, TN_RETRY, false, NULL, ""},
	{425, 425, TN_RETRY, false, NULL, ""},
	{429, 429, TN_THROTTLED, false, "THROTTLED", ""},
	{400, 499, TN_REJECTED, false, NULL, ""},
	{501, 501, TN_REJECTED, false, NULL, ""},
	{505, 506, TN_REJECTED, false, NULL, ""},
	{511, 511, TN_MISCONFIGURED, false, "FORBIDDEN", "; the network wants a login"},
	{500, 599, TN_RETRY, false, NULL, ""},
	{0, INT32_MAX, TN_RETRY, false, "UNCLASSIFIED", ", which is no status of HTTP"},
};

struct failure_row {
	enum tn_verdict verdict;
	bool credential;
	bool unknown; /* if the request was sent, it may have been done */
};

static const struct failure_row failure_rows[] = {
	[TN_HTTP_FINE] = {TN_RETRY, false, true},
	[TN_HTTP_RESOLVE] = {TN_RETRY, false, false},
	[TN_HTTP_CONNECT] = {TN_RETRY, false, false},
	[TN_HTTP_TRANSPORT] = {TN_RETRY, false, true},
	[TN_HTTP_TIMEOUT] = {TN_RETRY, false, true},
	[TN_HTTP_TLS_VERIFY] = {TN_MISCONFIGURED, true, false},
	[TN_HTTP_BAD_URL] = {TN_MISCONFIGURED, false, false},
	[TN_HTTP_ADDRESS_BLOCKED] = {TN_MISCONFIGURED, false, false},
	[TN_HTTP_LOCAL] = {TN_RETRY, false, true},
	[TN_HTTP_CANCELLED] = {TN_RETRY, false, true},
	[TN_HTTP_UNCLASSIFIED] = {TN_RETRY, false, true},
	[TN_HTTP_LOGIN] = {TN_MISCONFIGURED, true, false},
};

/* --- Codes: constant text for each status --- */

#define ONE(h, t, u) "HTTP_" #h #t #u "\0"
#define TEN(h, t) \
	ONE(h, t, 0) ONE(h, t, 1) ONE(h, t, 2) ONE(h, t, 3) ONE(h, t, 4) ONE(h, t, 5) ONE(h, t, 6) ONE(h, t, 7) ONE(h, t, 8) ONE(h, t, 9)
#define HUNDRED(h) TEN(h, 0) TEN(h, 1) TEN(h, 2) TEN(h, 3) TEN(h, 4) TEN(h, 5) TEN(h, 6) TEN(h, 7) TEN(h, 8) TEN(h, 9)

static const char *status_code(int32_t status)
{
	static const char codes[] = HUNDRED(3) HUNDRED(4) HUNDRED(5);
	return status >= 300 && status <= 599 ? codes + (size_t)(status - 300) * sizeof "HTTP_500" : "UNCLASSIFIED";
}

/* --- Overrides --- */

static bool has_bit(const uint64_t *bits, int32_t status)
{
	return status >= 100 && status <= 599 && (bits[(status - 100) / 64] >> ((status - 100) % 64) & 1);
}

static bool parse_range(struct tn_str text, uint64_t *out_from, uint64_t *out_to)
{
	size_t dash = tn_str_find(text, '-');
	struct tn_str from = dash == SIZE_MAX ? text : tn_str_make(text.bytes, dash);
	struct tn_str to = dash == SIZE_MAX ? text : tn_str_tail(text, dash + 1);
	return tn_str_to_u64(from, 599, out_from) && tn_str_to_u64(to, 599, out_to) && *out_from >= 300 && *out_from <= *out_to;
}

static enum tn_status parse_list(const struct tn_texts *list, const char *name, uint64_t *bits, struct tn_error *error)
{
	for (size_t i = 0; i < list->count; i++) {
		uint64_t from, to;
		if (!parse_range(list->items[i], &from, &to)) {
			tn_error_set(error, "%s: '%.*s' is not a status or range of statuses from 300 to 599", name, TN_STR_ARG(list->items[i]));
			return TN_INVALID;
		}
		for (uint64_t status = from; status <= to; status++)
			bits[(status - 100) / 64] |= (uint64_t)1 << ((status - 100) % 64);
	}
	return TN_OK;
}

enum tn_status tn_classify_parse(const struct tn_texts *retry_on, const struct tn_texts *fail_on, struct tn_classify_overrides *out_overrides,
	struct tn_error *error)
{
	struct tn_classify_overrides overrides = {.hold_gone = false};
	enum tn_status status = parse_list(retry_on, "retry_on", overrides.retry, error);
	if (status == TN_OK)
		status = parse_list(fail_on, "fail_on", overrides.fail, error);
	if (status != TN_OK)
		return status;
	for (int32_t each = 300; each <= 599; each++) {
		if (has_bit(overrides.retry, each) && has_bit(overrides.fail, each)) {
			tn_error_set(error, "status %d is in retry_on and in fail_on", each);
			return TN_INVALID;
		}
	}
	*out_overrides = overrides;
	return TN_OK;
}

static void apply_overrides(const struct tn_classify_overrides *overrides, struct tn_outcome *outcome)
{
	bool waits = outcome->verdict == TN_RETRY || outcome->verdict == TN_THROTTLED;
	if (outcome->status == 410)
		outcome->credential = overrides->hold_gone;
	if (has_bit(overrides->fail, outcome->status))
		outcome->verdict = TN_REJECTED;
	else if (has_bit(overrides->retry, outcome->status) && !waits)
		outcome->verdict = TN_RETRY;
	else
		return;
	outcome->code = status_code(outcome->status);
	outcome->credential = false;
}

/* --- Verdicts --- */

/* Printable text on one line, cut to fit. */
static struct tn_str clean(char *out, size_t size, struct tn_str text)
{
	size_t len = 0;
	while (text.len > 0) {
		uint32_t code;
		unsigned run = tn_utf8_decode(text.bytes, text.len, &code);
		bool printable = run > 0 && code >= 0x20 && (code < 0x7f || code > 0x9f);
		if (run == 0)
			run = 1;
		if (len + run > size)
			break;
		memcpy(out + len, printable ? text.bytes : " ", printable ? run : 1);
		len += printable ? run : 1;
		text = tn_str_tail(text, run);
	}
	return (struct tn_str){out, len};
}

static void set_waiting_time(const struct tn_http_answer *answer, int64_t wall_ms, struct tn_outcome *outcome)
{
	bool declined;
	int64_t retry_after_ms = tn_http_retry_after(answer, wall_ms, &declined);
	if (outcome->status == 503 && outcome->verdict == TN_RETRY && retry_after_ms >= 0) {
		outcome->verdict = TN_THROTTLED;
		outcome->code = "THROTTLED";
	}
	outcome->retry_after_ms = retry_after_ms > 0 ? retry_after_ms : 0;
	outcome->declined = declined;
}

static void classify_status(const struct tn_http_answer *answer, const struct tn_classify_overrides *overrides, int64_t wall_ms,
	struct tn_classified *out)
{
	const struct status_row *row = status_rows;
	while (answer->status < row->from || answer->status > row->to)
		row++;
	struct tn_outcome *outcome = &out->outcome;
	*outcome = (struct tn_outcome){.verdict = row->verdict, .credential = row->credential, .status = answer->status};
	if (row->verdict == TN_DELIVERED)
		return;
	outcome->code = row->code ? row->code : status_code(answer->status);
	if (overrides)
		apply_overrides(overrides, outcome);
	if (outcome->verdict == TN_RETRY || outcome->verdict == TN_THROTTLED)
		set_waiting_time(answer, wall_ms, outcome);
	int len = snprintf(out->text, sizeof out->text, "the target answered %d%s", answer->status, row->hint);
	outcome->message = tn_str_make(out->text, (size_t)len);
	outcome->sample = answer->body;
	if (outcome->sample.len > TN_CLASSIFY_SAMPLE_MAX)
		outcome->sample.len = TN_CLASSIFY_SAMPLE_MAX;
}

static void classify_failure(const struct tn_http_answer *answer, struct tn_classified *out)
{
	const struct failure_row *row = &failure_rows[answer->failure];
	/* Who cancels is the engine, when the attempt's time is up. */
	enum tn_http_failure failure = answer->failure == TN_HTTP_CANCELLED ? TN_HTTP_TIMEOUT : answer->failure;
	out->outcome = (struct tn_outcome){
		.verdict = row->verdict,
		.maybe_done = row->unknown && answer->sent,
		.credential = row->credential,
		.local = answer->failure == TN_HTTP_LOCAL,
		.code = failure == TN_HTTP_FINE ? "UNCLASSIFIED" : tn_http_failure_code(failure),
		.message = answer->failure == TN_HTTP_CANCELLED ? TN_STR("the target did not answer in time")
								: clean(out->text, sizeof out->text, tn_str_from(answer->message)),
	};
}

void tn_classify_answer(const struct tn_http_answer *answer, const struct tn_classify_overrides *overrides, int64_t wall_ms,
	struct tn_classified *out)
{
	if (answer->status != 0)
		classify_status(answer, overrides, wall_ms, out);
	else
		classify_failure(answer, out);
}

void tn_classify_broken_answer(const struct tn_http_answer *answer, struct tn_classified *out)
{
	classify_failure(answer, out);
	out->outcome.status = answer->status;
}
