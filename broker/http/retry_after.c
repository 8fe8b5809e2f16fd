/* SPDX-License-Identifier: Apache-2.0
 *
 * retry_after.c - when a server says we may come again (RFC 9110 Retry-After, and the RateLimit fields of the HTTPAPI drafts).
 *
 * Called by whoever classifies an answer. Pure. Any thread.
 *
 *   Retry-After: 120                                       seconds; a negative number means "never again"
 *   Retry-After: Fri, 31 Dec 1999 23:59:59 GMT             relative to the answer's own Date, so that clocks need not agree
 *   RateLimit: "default";r=0;t=30                          remaining, seconds to reset (draft 8 and later)
 *   RateLimit: limit=100, remaining=0, reset=30            (draft 3 to 7)
 *   RateLimit-Remaining: 0  and  RateLimit-Reset: 30       (up to draft 6)
 */
#include "turnout/http_client.h"

#include <curl/curl.h>

enum { DATE_MAX = 64 };
static const uint64_t seconds_max = 10ULL * 365 * 86400; /* larger numbers mean this: nobody waits so long */

/* Digits only, any number of them. */
static bool parse_seconds(struct tn_str text, int64_t *out_ms)
{
	uint64_t value = 0;
	if (text.len == 0)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.bytes[i] < '0' || text.bytes[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text.bytes[i] - '0');
		if (value > seconds_max)
			value = seconds_max;
	}
	*out_ms = (int64_t)value * 1000;
	return true;
}

/* The three forms of an HTTP-date; each starts with the day's name. */
static bool parse_date(struct tn_str text, int64_t *out_ms)
{
	char copy[DATE_MAX];
	if (text.len < 3 || text.len >= sizeof copy || memchr("MTWFSmtwfs", text.bytes[0], 10) == NULL)
		return false;
	memcpy(copy, text.bytes, text.len);
	copy[text.len] = 0;
	time_t seconds = curl_getdate(copy, NULL);
	if (seconds == -1)
		return false;
	*out_ms = (int64_t)seconds * 1000;
	return true;
}

static int64_t until(const struct tn_http_answer *answer, int64_t wall_ms, int64_t then_ms)
{
	int64_t now_ms;
	if (!parse_date(tn_http_answer_header(answer, "date"), &now_ms))
		now_ms = wall_ms;
	return then_ms > now_ms ? then_ms - now_ms : 0;
}

/* One `name=value` among parts separated by commas, semicolons and blanks. */
static bool find_parameter(struct tn_str text, const char *name, int64_t *out_ms)
{
	size_t name_len = strlen(name);
	while (text.len > 0) {
		size_t end = 0;
		while (end < text.len && !memchr(",; \t", text.bytes[end], 4))
			end++;
		struct tn_str part = {text.bytes, end};
		if (part.len > name_len && part.bytes[name_len] == '=' && memcmp(part.bytes, name, name_len) == 0)
			return parse_seconds(tn_str_tail(part, name_len + 1), out_ms);
		text = tn_str_tail(text, end + 1);
	}
	return false;
}

/* When what remains is nothing: milliseconds until there is more; -1: something remains, or nobody says. */
static int64_t reset_of(bool both, int64_t remaining_ms, int64_t reset_ms)
{
	return both && remaining_ms == 0 ? reset_ms : -1;
}

/* One quota of the list that newer drafts allow, up to the next comma: "burst";r=5;t=1, "day";r=0;t=3600 */
static int64_t quota_reset(struct tn_str quota)
{
	int64_t remaining_ms = -1, reset_ms = -1;
	bool both = find_parameter(quota, "r", &remaining_ms) && find_parameter(quota, "t", &reset_ms);
	return reset_of(both, remaining_ms, reset_ms);
}

/* Of several quotas that are used up, the one that takes longest. */
static int64_t quotas_reset(struct tn_str field)
{
	int64_t longest_ms = -1;
	while (field.len > 0) {
		size_t comma = tn_str_find(field, ',');
		size_t end = comma == SIZE_MAX ? field.len : comma;
		int64_t ms = quota_reset(tn_str_make(field.bytes, end));
		longest_ms = ms > longest_ms ? ms : longest_ms;
		field = tn_str_tail(field, comma == SIZE_MAX ? end : end + 1);
	}
	return longest_ms;
}

static int64_t rate_limit_reset(const struct tn_http_answer *answer)
{
	struct tn_str field = tn_http_answer_header(answer, "ratelimit");
	int64_t remaining_ms = -1, reset_ms = -1, ms = quotas_reset(field);
	bool both = find_parameter(field, "remaining", &remaining_ms) && find_parameter(field, "reset", &reset_ms);
	if (ms < 0)
		ms = reset_of(both, remaining_ms, reset_ms);
	if (ms >= 0)
		return ms;
	both = parse_seconds(tn_http_answer_header(answer, "ratelimit-remaining"), &remaining_ms) &&
	       parse_seconds(tn_http_answer_header(answer, "ratelimit-reset"), &reset_ms);
	return reset_of(both, remaining_ms, reset_ms);
}

int64_t tn_http_retry_after(const struct tn_http_answer *answer, int64_t wall_ms, bool *out_declined)
{
	struct tn_str text = tn_http_answer_header(answer, "retry-after");
	int64_t ms = 0;
	*out_declined = false;
	if (parse_seconds(text, &ms))
		return ms;
	if (text.len > 1 && text.bytes[0] == '-' && parse_seconds(tn_str_tail(text, 1), &ms)) {
		*out_declined = ms > 0;
		return 0;
	}
	return parse_date(text, &ms) ? until(answer, wall_ms, ms) : rate_limit_reset(answer);
}
