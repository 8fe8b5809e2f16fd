/* SPDX-License-Identifier: Apache-2.0
 *
 * match_line.c - answers one line that holds a pattern and an event.
 *
 * Called by `turnout match --pairs`, and with it by whoever checks this matcher against another. Any thread.
 */
#include "turnout/match_line.h"
#include "turnout/json.h"
#include "turnout/pattern.h"

struct pair {
	struct tn_str pattern, event; /* bytes NULL: not there */
	struct tn_buf plain;          /* pattern_text, unescaped */
	const char *wrong;
	size_t wrong_at;
};

static bool refuse(struct pair *pair, size_t at, const char *why)
{
	pair->wrong = why;
	pair->wrong_at = at;
	return false;
}

static bool take_member(struct pair *pair, const struct tn_json_token *name, const struct tn_json_token *value, struct tn_str raw)
{
	bool text = tn_json_equals(name, TN_STR("pattern_text"));
	if (text || tn_json_equals(name, TN_STR("pattern"))) {
		if (pair->pattern.bytes)
			return refuse(pair, name->at, "a second pattern");
		if (text && value->kind != TN_JSON_STRING)
			return refuse(pair, value->at, "pattern_text takes a string");
		pair->pattern = raw;
		if (text) {
			tn_buf_reserve(&pair->plain, 1);
			tn_json_unescape(value->text, &pair->plain);
			pair->pattern = tn_buf_str(&pair->plain);
		}
	} else if (tn_json_equals(name, TN_STR("event"))) {
		if (pair->event.bytes)
			return refuse(pair, name->at, "a second event");
		pair->event = raw;
	}
	return true;
}

static bool read_pair(struct tn_str line, struct pair *pair)
{
	struct tn_json json;
	struct tn_json_token name, value;
	size_t end;
	tn_json_init(&json, line, TN_JSON_DEPTH_LIMIT);
	if (tn_json_next(&json, &name) != TN_OK)
		return refuse(pair, json.fault_at, "not JSON from here on");
	if (name.kind != TN_JSON_OBJECT)
		return refuse(pair, name.at, "a line is a JSON object");
	while (tn_json_next(&json, &name) == TN_OK && name.kind == TN_JSON_NAME) {
		if (tn_json_next(&json, &value) != TN_OK || tn_json_skip(&json, &value, &end) != TN_OK)
			break;
		if (!take_member(pair, &name, &value, tn_str_make(line.bytes + value.at, end - value.at)))
			return false;
	}
	if (json.fault == TN_JSON_TOO_DEEP)
		return refuse(pair, json.fault_at, "nested too deep");
	if (json.fault != TN_JSON_FINE || tn_json_next(&json, &name) != TN_OK)
		return refuse(pair, json.fault_at, "not JSON from here on");
	if (!pair->pattern.bytes)
		return refuse(pair, 0, "it has neither pattern nor pattern_text");
	return true;
}

static enum tn_match_answer match_event(const struct tn_pattern *pattern, struct tn_str event, struct tn_buf *out)
{
	bool match;
	size_t at = 0;
	enum tn_status status = tn_pattern_match(pattern, event, &match, &at);
	if (status == TN_OK) {
		tn_buf_add_text(out, match ? "true" : "false");
		return match ? TN_MATCH_TRUE : TN_MATCH_FALSE;
	}
	tn_buf_addf(out, "invalid event at %zu: %s", at,
		status == TN_INVALID ? "an event is a JSON object" : "it cannot be decided in bounded work");
	return TN_MATCH_INVALID;
}

static enum tn_match_answer answer(const struct pair *pair, struct tn_buf *out)
{
	struct tn_pattern *pattern;
	struct tn_pattern_error error;
	if (tn_pattern_compile(pair->pattern, NULL, &pattern, &error) != TN_OK) {
		tn_buf_addf(out, "invalid: %s at %zu: %s", error.kind, error.at, error.message);
		return TN_MATCH_INVALID;
	}
	enum tn_match_answer answer = TN_MATCH_VALID;
	if (pair->event.bytes)
		answer = match_event(pattern, pair->event, out);
	else
		tn_buf_add_text(out, "valid");
	tn_pattern_free(pattern);
	return answer;
}

enum tn_match_answer tn_match_line(struct tn_str line, struct tn_buf *out)
{
	struct pair pair = {0};
	enum tn_match_answer result = TN_MATCH_INVALID;
	if (read_pair(line, &pair))
		result = answer(&pair, out);
	else
		tn_buf_addf(out, "invalid line at %zu: %s", pair.wrong_at, pair.wrong);
	tn_buf_fini(&pair.plain);
	return result;
}
