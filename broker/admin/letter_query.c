/* SPDX-License-Identifier: Apache-2.0
 *
 * letter_query.c - reads which dead letters somebody means.
 *
 * Called by dead_letters.c and redrive_task.c for requests and for kept tasks, and by `turnout dlq` with no bus running. An event pattern
 * becomes a rule set of one rule, so that it means here what it means in a rule file. One thread a query.
 */
#include "turnout/letter_query.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "turnout/clock.h"
#include "turnout/json.h"
#include "turnout/ruleset.h"

struct tn_letter_query_parts {
	json_t *body;                     /* the selection's strings live in it */
	struct tn_row_key *ids;
	struct tn_ruleset *ruleset;       /* of the pattern */
	struct tn_matcher *matcher;
	struct tn_match *matches;
	size_t capacity;
};

static enum tn_status refuse(struct tn_error *error, const char *name, const char *what)
{
	tn_error_set(error, "%s %s", name, what);
	return TN_INVALID;
}

/* --- Members --- */

static const char *const known[] = {"all", "ids", "rule", "target", "error", "class", "queue", "since", "until", "pattern", "action", "force",
	"rate", "after", "limit", "to"};

static enum tn_status check_names(const json_t *body, struct tn_error *error)
{
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)body, name, value)
	{
		size_t i = 0;
		while (i < sizeof known / sizeof *known && strcmp(known[i], name) != 0)
			i++;
		if (i == sizeof known / sizeof *known) {
			tn_error_set(error, "there is no member '%.60s'", name);
			return TN_INVALID;
		}
	}
	return TN_OK;
}

static enum tn_status read_text(const json_t *body, const char *name, struct tn_str *out, struct tn_error *error)
{
	const json_t *value = json_object_get(body, name);
	if (!value)
		return TN_OK;
	if (!json_is_string(value) || json_string_length(value) == 0 || json_string_length(value) > 1024)
		return refuse(error, name, "must be a string of 1 to 1024 bytes");
	*out = tn_str_make(json_string_value(value), json_string_length(value));
	return TN_OK;
}

static enum tn_status read_time(const json_t *body, const char *name, int64_t wall_offset_ms, int64_t *out_ms, struct tn_error *error)
{
	struct tn_str text = {0};
	int64_t wall_ms;
	enum tn_status status = read_text(body, name, &text, error);
	if (status != TN_OK || !text.bytes)
		return status;
	if (!tn_clock_parse(text, &wall_ms))
		return refuse(error, name, "must be a time, as 2026-11-23T11:32:16Z");
	*out_ms = wall_ms - wall_offset_ms > 1 ? wall_ms - wall_offset_ms : 1; /* 0 is no bound */
	return TN_OK;
}

static enum tn_status read_ids(struct tn_letter_query *query, const json_t *ids, struct tn_error *error)
{
	size_t i;
	const json_t *each;
	if (!ids)
		return TN_OK;
	if (!json_is_array(ids) || json_array_size(ids) == 0 || json_array_size(ids) > TN_LETTER_IDS_MAX)
		return refuse(error, "ids", "must be a list of 1 to 100000 ids");
	query->parts->ids = calloc(json_array_size(ids), sizeof *query->parts->ids);
	if (!query->parts->ids)
		abort();
	json_array_foreach(ids, i, each)
		if (!json_is_string(each) || !tn_dlq_id_parse(tn_str_from(json_string_value(each)), &query->parts->ids[i])) {
			tn_error_set(error, "'%.60s' is not the id of a dead letter", json_is_string(each) ? json_string_value(each) : "?");
			return TN_INVALID;
		}
	query->named = true;
	query->terms.selection.all = false;
	query->terms.selection.ids = query->parts->ids;
	query->terms.selection.id_count = tn_dlq_unique(query->parts->ids, (uint32_t)json_array_size(ids));
	return TN_OK;
}

static enum tn_status read_action(struct tn_letter_query *query, const json_t *body, struct tn_error *error)
{
	struct tn_str action = {0};
	const json_t *rate = json_object_get(body, "rate");
	enum tn_status status = read_text(body, "action", &action, error);
	if (status != TN_OK)
		return status;
	if (action.bytes && !tn_str_is(action, "redrive") && !tn_str_is(action, "purge"))
		return refuse(error, "action", "must be redrive or purge");
	query->terms.action = action.bytes && tn_str_is(action, "purge") ? TN_DLQ_PURGE : TN_DLQ_REDRIVE;
	query->terms.force = json_is_true(json_object_get(body, "force"));
	query->rate = TN_LETTER_RATE;
	if (json_is_string(rate) && strcmp(json_string_value(rate), "max") == 0)
		query->rate = 0;
	else if (json_is_integer(rate) && json_integer_value(rate) >= 1 && json_integer_value(rate) <= TN_LETTER_RATE_MAX)
		query->rate = (uint32_t)json_integer_value(rate);
	else if (rate)
		return refuse(error, "rate", "must be 1 to 500 a second, or max");
	return TN_OK;
}

static enum tn_status read_to(struct tn_letter_query *query, const json_t *body, struct tn_error *error)
{
	static const char *const names[] = {[TN_DLQ_TO_TARGET] = "target", [TN_DLQ_TO_RULE] = "rule", [TN_DLQ_TO_BUS] = "bus"};
	struct tn_str to = {0};
	enum tn_status status = read_text(body, "to", &to, error);
	if (status != TN_OK || !to.bytes)
		return status;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (tn_str_is(to, names[i])) {
			query->terms.to = (enum tn_dlq_to)i;
			return TN_OK;
		}
	return refuse(error, "to", "must be target, rule or bus");
}

static enum tn_status read_page(struct tn_letter_query *query, const json_t *body, struct tn_error *error)
{
	struct tn_str after = {0};
	const json_t *limit = json_object_get(body, "limit");
	enum tn_status status = read_text(body, "after", &after, error);
	if (status != TN_OK)
		return status;
	if (after.bytes && !tn_dlq_id_parse(after, &query->after))
		return refuse(error, "after", "must be the id of a dead letter");
	query->limit = TN_LETTER_LIST;
	if (limit && (!json_is_integer(limit) || json_integer_value(limit) < 1 || json_integer_value(limit) > TN_LETTER_LIST_MAX))
		return refuse(error, "limit", "must be a number from 1 to 1000");
	if (limit)
		query->limit = (uint64_t)json_integer_value(limit);
	return TN_OK;
}

/* --- The pattern --- */

static bool matches(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct tn_letter_query_parts *parts = arg;
	size_t count = 0;
	if (!event || tn_event_is_raw(event) ||
		tn_ruleset_match(parts->ruleset, parts->matcher, event, &(struct tn_identity){0}, parts->matches, parts->capacity, &count) != TN_OK)
		return false;
	return count > 0 && !parts->matches[0].route->poison;
}

static enum tn_status read_pattern(struct tn_letter_query *query, const json_t *body, struct tn_error *error)
{
	struct tn_letter_query_parts *parts = query->parts;
	const json_t *pattern = json_object_get(body, "pattern");
	struct tn_ruleset_config config = {.any_target = true};
	struct tn_buf rules = {0};
	struct tn_error wrong = {0};
	if (!pattern)
		return TN_OK;
	if (!json_is_string(pattern) || !tn_json_valid(tn_str_make(json_string_value(pattern), json_string_length(pattern)), TN_JSON_DEPTH_LIMIT))
		return refuse(error, "pattern", "is not JSON");
	tn_buf_addf(&rules, "{\"rules\":[{\"name\":\"pattern\",\"targets\":[\"any\"],\"pattern\":%s}]}", json_string_value(pattern));
	enum tn_status status = tn_ruleset_compile(tn_buf_str(&rules), "pattern", &config, &parts->ruleset, &wrong);
	tn_buf_fini(&rules);
	if (status != TN_OK) {
		tn_error_set(error, "pattern: %s", wrong.message);
		return TN_INVALID;
	}
	parts->matcher = tn_matcher_new();
	parts->capacity = tn_ruleset_route_count(parts->ruleset);
	parts->matches = calloc(parts->capacity, sizeof *parts->matches);
	if (!parts->matches)
		abort();
	query->terms.selection.matches = matches;
	query->terms.selection.arg = parts;
	return TN_OK;
}

/* --- All of it --- */

static enum tn_status read_selection(struct tn_letter_query *query, const json_t *body, int64_t wall_offset_ms, struct tn_error *error)
{
	struct tn_dlq_selection *selection = &query->terms.selection;
	const struct {
		const char *name;
		struct tn_str *out;
	} texts[] = {{"rule", &selection->rule}, {"target", &selection->target}, {"error", &selection->code}, {"class", &selection->error_class},
		{"queue", &selection->queue}};
	enum tn_status status = TN_OK;
	selection->all = true;
	for (size_t i = 0; status == TN_OK && i < sizeof texts / sizeof *texts; i++)
		status = read_text(body, texts[i].name, texts[i].out, error);
	if (status == TN_OK && selection->error_class.bytes && !tn_dlq_is_class(selection->error_class))
		status = refuse(error, "class", "must be retry, throttle, config, permanent or poison");
	if (status == TN_OK)
		status = read_time(body, "since", wall_offset_ms, &selection->dead_after_ms, error);
	if (status == TN_OK)
		status = read_time(body, "until", wall_offset_ms, &selection->dead_before_ms, error);
	if (status == TN_OK)
		status = read_ids(query, json_object_get(body, "ids"), error);
	if (status == TN_OK)
		status = read_pattern(query, body, error);
	query->queue = selection->queue;
	return status;
}

enum tn_status tn_letter_query_new(struct tn_str json, int64_t wall_offset_ms, struct tn_letter_query **out_query, struct tn_error *error)
{
	struct tn_letter_query *query = calloc(1, sizeof *query);
	json_error_t wrong;
	if (!query || !(query->parts = calloc(1, sizeof *query->parts)))
		abort();
	json_t *body = query->parts->body = json_loadb(json.bytes ? json.bytes : "", json.len, JSON_REJECT_DUPLICATES, &wrong);
	enum tn_status status = TN_OK;
	if (!json_is_object(body))
		status = refuse(error, "the request", "must be a JSON object");
	if (status == TN_OK)
		status = check_names(body, error);
	if (status == TN_OK)
		status = read_selection(query, body, wall_offset_ms, error);
	if (status == TN_OK)
		status = read_action(query, body, error);
	if (status == TN_OK)
		status = read_to(query, body, error);
	if (status == TN_OK)
		status = read_page(query, body, error);
	if (status != TN_OK) {
		tn_letter_query_free(query);
		return status;
	}
	*out_query = query;
	return TN_OK;
}

void tn_letter_query_free(struct tn_letter_query *query)
{
	if (!query)
		return;
	tn_ruleset_unref(query->parts->ruleset);
	tn_matcher_free(query->parts->matcher);
	free(query->parts->matches);
	free(query->parts->ids);
	json_decref(query->parts->body);
	free(query->parts);
	free(query);
}
