/* SPDX-License-Identifier: Apache-2.0
 *
 * setup.c - what there is: the engine's numbers, sources, targets, rules, events; each by its name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

/* --- The engine --- */

bool scn_do_engine(struct scenario *scenario)
{
	static const struct scn_setting settings[] = {
		{"max_in_flight", SCN_SET_COUNT, offsetof(struct tn_engine_config, max_in_flight)},
		{"memory", SCN_SET_SIZE, offsetof(struct tn_engine_config, memory_bytes)},
		{"window", SCN_SET_COUNT, offsetof(struct tn_engine_config, window)},
		{"park_after", SCN_SET_TIME, offsetof(struct tn_engine_config, park_after_ms)},
		{"settle_deadline", SCN_SET_TIME, offsetof(struct tn_engine_config, settle_deadline_ms)},
		{"recover_window", SCN_SET_TIME, offsetof(struct tn_engine_config, recover_window_ms)},
		{"revoke_grace", SCN_SET_TIME, offsetof(struct tn_engine_config, revoke_grace_ms)},
		{"uncommitted", SCN_SET_COUNT, offsetof(struct tn_engine_config, max_uncommitted)},
		{"page_rows", SCN_SET_COUNT, offsetof(struct tn_engine_config, page_rows)},
		{0}};
	return scn_read_settings(scenario, 1, settings, &scenario->config);
}

/* --- Sources --- */

static bool copy_name(struct scenario *scenario, char *out_name, const char *name)
{
	if (strlen(name) >= SCN_NAME)
		return scn_fail(scenario, "'%s' is too long a name", name);
	snprintf(out_name, SCN_NAME, "%s", name);
	return true;
}

uint32_t scn_source(struct scenario *scenario, const char *name)
{
	for (uint32_t i = 0; i < scenario->source_count; i++) {
		if (scn_is(scenario->sources[i].name, name))
			return i;
	}
	scn_fail(scenario, "there is no source '%s'", name);
	return UINT32_MAX;
}

bool scn_do_source(struct scenario *scenario)
{
	static const char *const kinds[] = {[TN_ACK_SETTLED] = "keeps", [TN_ACK_JOURNALED] = "journaled", NULL};
	static const struct scn_setting settings[] = {
		{"window", SCN_SET_COUNT, offsetof(struct scn_source, terms.window)},
		{"lease", SCN_SET_TIME, offsetof(struct scn_source, terms.lease_ms)},
		{"moves", SCN_SET_BOOL, offsetof(struct scn_source, terms.moves)},
		{"answers", SCN_SET_BOOL, offsetof(struct scn_source, terms.answers)},
		{"closed", SCN_SET_BOOL, offsetof(struct scn_source, closed)},
		{"transactional", SCN_SET_BOOL, offsetof(struct scn_source, terms.transactional)},
		{"cluster", SCN_SET_COUNT, offsetof(struct scn_source, terms.cluster)},
		{"txn_events", SCN_SET_COUNT, offsetof(struct scn_source, terms.txn_events)},
		{"txn_ms", SCN_SET_TIME, offsetof(struct scn_source, terms.txn_ms)},
		{0}};
	uint32_t kind;
	if (scenario->source_count == SCN_SOURCES)
		return scn_fail(scenario, "more than %d sources", SCN_SOURCES);
	struct scn_source *source = &scenario->sources[scenario->source_count];
	if (!copy_name(scenario, source->name, scenario->words[1]) || !scn_choice(scenario, scenario->words[2], kinds, &kind))
		return false;
	source->ack_when = (enum tn_ack_when)kind;
	scenario->source_count++;
	return scn_read_settings(scenario, 3, settings, source);
}

/* --- Targets --- */

static struct scn_target *find_target(struct scenario *scenario, const char *name)
{
	for (uint32_t i = 0; i < scenario->target_count; i++) {
		if (scn_is(scenario->targets[i].name, name))
			return &scenario->targets[i];
	}
	return NULL;
}

uint32_t scn_target(struct scenario *scenario, const char *name)
{
	struct scn_target *target = find_target(scenario, name);
	if (target != NULL)
		return (uint32_t)(target - scenario->targets);
	scn_fail(scenario, "there is no target '%s'", name);
	return UINT32_MAX;
}

static struct scn_target *new_target(struct scenario *scenario, const char *name)
{
	if (scenario->target_count == SCN_TARGETS) {
		scn_fail(scenario, "more than %d targets", SCN_TARGETS);
		return NULL;
	}
	struct scn_target *target = &scenario->targets[scenario->target_count];
	if (!copy_name(scenario, target->name, name))
		return NULL;
	target->limits = (struct tn_target_limits){.name = tn_str_from(target->name), .target_no = ++scenario->target_count,
		.max_in_flight = 64, .timeout_ms = 15000, .park_rows = 100000, .on_missing = TN_CONFIG_DEAD_LETTER,
		.retry_after_max_ms = 3600000};
	return target;
}

bool scn_do_target(struct scenario *scenario)
{
	static const char *const park_full[] = {[TN_PARK_FULL_PAUSE] = "pause_source", [TN_PARK_FULL_DEAD_LETTER] = "dead_letter", NULL};
	static const char *const config_error[] = {[TN_CONFIG_HOLD] = "hold", [TN_CONFIG_DEAD_LETTER] = "dead_letter", NULL};
	static const struct scn_setting settings[] = {
		{"max_in_flight", SCN_SET_COUNT, offsetof(struct tn_target_limits, max_in_flight)},
		{"timeout", SCN_SET_TIME, offsetof(struct tn_target_limits, timeout_ms)},
		{"park_rows", SCN_SET_COUNT, offsetof(struct tn_target_limits, park_rows)},
		{"on_park_full", SCN_SET_CHOICE, offsetof(struct tn_target_limits, on_park_full), .choices = park_full},
		{"on_credential_error", SCN_SET_CHOICE, offsetof(struct tn_target_limits, on_credential_error), .choices = config_error},
		{"on_missing", SCN_SET_CHOICE, offsetof(struct tn_target_limits, on_missing), .choices = config_error},
		{"retry_after_max", SCN_SET_TIME, offsetof(struct tn_target_limits, retry_after_max_ms)},
		{"dead_letter", SCN_SET_TARGET, offsetof(struct tn_target_limits, dead_letter_no)},
		{"cluster", SCN_SET_COUNT, offsetof(struct tn_target_limits, cluster)},
		{"settings", SCN_SET_NUMBER, offsetof(struct tn_target_limits, settings)},
		{"ordered", SCN_SET_BOOL, offsetof(struct tn_target_limits, ordered)},
		{"park_ordered", SCN_SET_BOOL, offsetof(struct tn_target_limits, park_ordered)},
		{"rate", SCN_SET_COUNT, offsetof(struct tn_target_limits, rate.count)},
		{"rate_period", SCN_SET_TIME, offsetof(struct tn_target_limits, rate.period_ms)},
		{"burst", SCN_SET_COUNT, offsetof(struct tn_target_limits, rate.burst)},
		{"adaptive", SCN_SET_BOOL, offsetof(struct tn_target_limits, adaptive)},
		{"retry_budget", SCN_SET_BOOL, offsetof(struct tn_target_limits, retries.on)},
		{"retry_percent", SCN_SET_COUNT, offsetof(struct tn_target_limits, retries.percent)},
		{"retry_per_second", SCN_SET_COUNT, offsetof(struct tn_target_limits, retries.per_second)},
		{"park_rows_kept", SCN_SET_COUNT, offsetof(struct tn_target_limits, park_rows_kept)},
		{"breaker", SCN_SET_BOOL, offsetof(struct tn_target_limits, breaker.on)},
		{"breaker_failures", SCN_SET_COUNT, offsetof(struct tn_target_limits, breaker.in_a_row)},
		{"breaker_attempts", SCN_SET_COUNT, offsetof(struct tn_target_limits, breaker.attempts)},
		{"breaker_percent", SCN_SET_COUNT, offsetof(struct tn_target_limits, breaker.percent)},
		{"breaker_window", SCN_SET_TIME, offsetof(struct tn_target_limits, breaker.window_ms)},
		{"breaker_open", SCN_SET_TIME, offsetof(struct tn_target_limits, breaker.open_ms)},
		{"breaker_open_max", SCN_SET_TIME, offsetof(struct tn_target_limits, breaker.open_max_ms)},
		{0}};
	struct scn_target *target = find_target(scenario, scenario->words[1]);
	if (target == NULL)
		target = new_target(scenario, scenario->words[1]);
	if (target == NULL)
		return false;
	target->removed = false;
	return scn_read_settings(scenario, 2, settings, &target->limits);
}

/* --- Rules --- */

const struct scn_route *scn_current_route(const struct scenario *scenario, uint32_t pair)
{
	for (uint32_t i = 0; i < scenario->route_count; i++) {
		const struct scn_route *route = &scenario->routes[i];
		if (route->current && route->pair == pair && !scenario->targets[route->route.target_no - 1].removed)
			return route;
	}
	return NULL;
}

uint32_t scn_pair_of(const struct scenario *scenario, const struct tn_route *route)
{
	for (uint32_t i = 0; i < scenario->pair_count; i++) {
		if (tn_str_is(route->rule, scenario->pairs[i].rule) && route->target_no == scenario->pairs[i].target_no)
			return i;
	}
	return SCN_PAIRS;
}

static uint32_t find_pair(struct scenario *scenario, const char *rule, uint32_t target_no)
{
	for (uint32_t i = 0; i < scenario->pair_count; i++) {
		if (scn_is(scenario->pairs[i].rule, rule) && scenario->pairs[i].target_no == target_no)
			return i;
	}
	if (scenario->pair_count == SCN_PAIRS || !copy_name(scenario, scenario->pairs[scenario->pair_count].rule, rule)) {
		scn_fail(scenario, "more than %d pairs of rule and target", SCN_PAIRS);
		return UINT32_MAX;
	}
	scenario->pairs[scenario->pair_count].target_no = target_no;
	return scenario->pair_count++;
}

/* `profile NAME` comes first, the other numbers are laid over it. */
static bool read_policy(struct scenario *scenario, uint32_t from, struct tn_policy *out_policy)
{
	static const char *const jitters[] = {[TN_JITTER_EQUAL] = "equal", [TN_JITTER_FULL] = "full", [TN_JITTER_NONE] = "none",
		[TN_JITTER_PLUS_TENTH] = "plus_tenth", NULL};
	static const char *const exhausted[] = {"dead_letter", "drop", "dead_letter_and_block", NULL};
	struct numbers {
		struct tn_policy policy;
		enum tn_jitter jitter;
		int exhausted;
	} numbers = {.jitter = TN_JITTER_NONE};
	static const struct scn_setting settings[] = {
		{"max", SCN_SET_COUNT, offsetof(struct numbers, policy.system.max_retries)},
		{"function_max", SCN_SET_COUNT, offsetof(struct numbers, policy.function.max_retries)},
		{"function_base", SCN_SET_TIME, offsetof(struct numbers, policy.function.base_ms)},
		{"function_cap", SCN_SET_TIME, offsetof(struct numbers, policy.function.cap_ms)},
		{"base", SCN_SET_TIME, offsetof(struct numbers, policy.system.base_ms)},
		{"mult", SCN_SET_COUNT, offsetof(struct numbers, policy.system.mult)},
		{"cap", SCN_SET_TIME, offsetof(struct numbers, policy.system.cap_ms)},
		{"list", SCN_SET_TIMES, offsetof(struct numbers, policy.system.list_ms), offsetof(struct numbers, policy.system.list_count)},
		{"max_age", SCN_SET_TIME, offsetof(struct numbers, policy.max_age_ms)},
		{"floor", SCN_SET_TIME, offsetof(struct numbers, policy.floor_ms)},
		{"jitter", SCN_SET_CHOICE, offsetof(struct numbers, jitter), .choices = jitters},
		{"on_exhausted", SCN_SET_CHOICE, offsetof(struct numbers, exhausted), .choices = exhausted},
		{0}};
	const char *profile = "eventbridge";
	if (scn_same_key("profile", from, scenario) && from + 1 < scenario->word_count) {
		profile = scenario->words[from + 1];
		from += 2;
	}
	if (!tn_policy_profile(tn_str_from(profile), &numbers.policy))
		return scn_fail(scenario, "there is no retry profile '%s'", profile);
	if (!scn_read_settings(scenario, from, settings, &numbers))
		return false;
	numbers.policy.jitter = numbers.jitter;
	numbers.policy.drop_exhausted = numbers.exhausted == 1;
	numbers.policy.block_exhausted = numbers.exhausted == 2;
	*out_policy = numbers.policy;
	return true;
}

bool scn_do_rule(struct scenario *scenario)
{
	uint32_t target = scn_is(scenario->words[2], "->") ? scn_target(scenario, scenario->words[3]) : UINT32_MAX;
	if (target == UINT32_MAX)
		return scn_fail(scenario, "usage: rule NAME -> TARGET [retry] [KEY VALUE...]");
	uint32_t pair = find_pair(scenario, scenario->words[1], target + 1);
	if (pair == UINT32_MAX)
		return false;
	if (scenario->route_count == SCN_ROUTES)
		return scn_fail(scenario, "more than %d rules", SCN_ROUTES);
	for (uint32_t i = 0; i < scenario->route_count; i++)
		scenario->routes[i].current = scenario->routes[i].current && scenario->routes[i].pair != pair;
	struct scn_route *route = &scenario->routes[scenario->route_count++];
	*route = (struct scn_route){.pair = pair, .current = true, .route = {.rule = tn_str_from(scenario->pairs[pair].rule),
		.target = scenario->targets[target].limits.name, .target_no = target + 1, .policy = &route->policy,
		.ordered = scenario->targets[target].limits.ordered}};
	return read_policy(scenario, scn_same_key("retry", 4, scenario) ? 5 : 4, &route->policy);
}

bool scn_do_remove(struct scenario *scenario)
{
	const char *name = scenario->words[2];
	if (scn_is(scenario->words[1], "target")) {
		uint32_t target = scn_target(scenario, name);
		if (target != UINT32_MAX)
			scenario->targets[target].removed = true;
		return target != UINT32_MAX;
	}
	bool any = false;
	for (uint32_t i = 0; i < scenario->route_count; i++) {
		struct scn_route *route = &scenario->routes[i];
		if (route->current && scn_is(scenario->pairs[route->pair].rule, name)) {
			route->current = false;
			any = true;
		}
	}
	return any || scn_fail(scenario, "there is no rule '%s'", name);
}

/* --- Events --- */

struct tn_id scn_delivery_id(uint32_t event, uint32_t pair)
{
	struct tn_id id = {{1}};
	memcpy(id.bytes + 4, &event, sizeof(event));
	memcpy(id.bytes + 8, &pair, sizeof(pair));
	return id;
}

void scn_split_id(const struct tn_id *id, uint32_t *out_event, uint32_t *out_pair)
{
	memcpy(out_event, id->bytes + 4, sizeof(*out_event));
	memcpy(out_pair, id->bytes + 8, sizeof(*out_pair));
}

uint32_t scn_event(struct scenario *scenario, const char *name)
{
	for (uint32_t i = 0; i < scenario->event_count; i++) {
		if (scn_is(scenario->events[i].name, name))
			return i;
	}
	scn_fail(scenario, "there is no event '%s'", name);
	return UINT32_MAX;
}

static struct tn_event *make_event(const char *name, uint64_t data_bytes, bool poison)
{
	char *data = calloc(1, data_bytes + 1);
	if (data == NULL)
		abort();
	memset(data, 'x', data_bytes);
	struct tn_str text = {data, data_bytes};
	struct tn_attribute attributes[] = {{TN_STR("id"), tn_str_from(name), TN_STRING}, {TN_STR("source"), TN_STR("/scenario"), TN_STRING},
		{TN_STR("type"), TN_STR("scenario"), TN_STRING}};
	struct tn_event_parts parts = {.attributes = attributes, .attribute_count = 3, .has_data = data_bytes > 0, .data = text};
	struct tn_event *event = poison ? tn_event_new_raw(text, TN_STR("not a CloudEvent"), 1) : tn_event_new(&parts);
	free(data);
	return event;
}

uint32_t scn_event_new(struct scenario *scenario, const char *name, uint64_t data_bytes, bool poison)
{
	for (uint32_t i = 0; i < scenario->event_count; i++) {
		if (scn_is(scenario->events[i].name, name))
			return i;
	}
	if (scenario->event_count == SCN_EVENTS) {
		scn_fail(scenario, "more than %d events", SCN_EVENTS);
		return UINT32_MAX;
	}
	struct scn_event *event = &scenario->events[scenario->event_count];
	if (!copy_name(scenario, event->name, name))
		return UINT32_MAX;
	event->event = make_event(name, data_bytes, poison);
	return scenario->event_count++;
}
