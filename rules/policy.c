/* SPDX-License-Identifier: Apache-2.0
 *
 * policy.c - named retry profiles, and a `retry:` map laid over one (delivery-semantics.md section 4).
 *
 * Called by the configuration for targets and by rule_file.c for what a rule overrides. Pure; any thread.
 */
#include "turnout/policy.h"
#include "turnout/option.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

enum { FLOOR_MS = 50 };

static const struct profile {
	const char *name;
	struct tn_policy policy;
} profiles[] = {
	{"eventbridge", {
		.system = {.base_ms = SECOND, .mult = 2, .cap_ms = 512 * SECOND, .max_retries = 185},
		.max_age_ms = 24 * HOUR,
	}},
	{"eventbridge-v2", {
		.system = {.base_ms = SECOND, .mult = 2, .cap_ms = 512 * SECOND, .max_retries = 5},
		.max_age_ms = 300 * SECOND,
	}},
	{"lambda-async", {
		.system = {.base_ms = SECOND, .mult = 2, .cap_ms = 300 * SECOND, .max_retries = TN_RETRIES_UNLIMITED},
		.function = {.base_ms = 60 * SECOND, .mult = 2, .cap_ms = 120 * SECOND, .max_retries = 2},
		.split = true,
		.max_age_ms = 6 * HOUR,
	}},
	{"webhook", {
		.system = {
			.list_count = 9,
			.list_ms = {5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR},
			.max_retries = 9,
		},
		.jitter = TN_JITTER_PLUS_TENTH,
		.max_age_ms = 84 * HOUR,
	}},
	{"fast", {
		.system = {.base_ms = 100, .mult = 2, .cap_ms = 5 * SECOND, .max_retries = 8},
		.max_age_ms = 60 * SECOND,
	}},
};
static const char *const profile_names[] = {"eventbridge", "eventbridge-v2", "lambda-async", "webhook", "fast", NULL};
/* TN_JITTER_PLUS_TENTH is the webhook profile's own. */
static const char *const jitter_names[] = {[TN_JITTER_EQUAL] = "equal", [TN_JITTER_FULL] = "full", [TN_JITTER_NONE] = "none", NULL};
enum { DEAD_LETTER, DROP, CONTINUE, BLOCK }; /* CONTINUE: DEAD_LETTER, by its whole name */
static const char *const exhausted_names[] = {
	[DEAD_LETTER] = "dead_letter", [DROP] = "drop", [CONTINUE] = "dead_letter_and_continue", [BLOCK] = "dead_letter_and_block", NULL};

bool tn_policy_profile(struct tn_str name, struct tn_policy *out_policy)
{
	for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++) {
		if (!tn_str_is(name, profiles[i].name))
			continue;
		*out_policy = profiles[i].policy;
		out_policy->floor_ms = FLOOR_MS;
		if (!out_policy->split)
			out_policy->function = out_policy->system;
		return true;
	}
	return false;
}

struct retry {
	uint32_t profile, jitter, on_exhausted;
	uint64_t max_retries, multiplier;
	int64_t max_age_ms, base_ms, cap_ms, floor_ms;
};

static const struct tn_option options[] = {
	{.name = "profile", .type = TN_OPTION_CHOICE, .offset = offsetof(struct retry, profile), .choices = profile_names,
		.reloadable = true, .help = "the schedule to start from: eventbridge, eventbridge-v2, lambda-async, webhook, fast"},
	{.name = "max_retries", .type = TN_OPTION_NUMBER, .offset = offsetof(struct retry, max_retries), .min = 0, .max = 1000,
		.reloadable = true, .help = "retries after the first attempt"},
	{.name = "max_age", .type = TN_OPTION_DURATION, .offset = offsetof(struct retry, max_age_ms), .min = SECOND, .max = 14 * DAY,
		.reloadable = true, .help = "since the event was accepted, 1s to 14d"},
	{.name = "base", .type = TN_OPTION_DURATION, .offset = offsetof(struct retry, base_ms), .min = 1, .max = 14 * DAY,
		.reloadable = true, .help = "the first delay"},
	{.name = "multiplier", .type = TN_OPTION_NUMBER, .offset = offsetof(struct retry, multiplier), .min = 1, .max = 100,
		.reloadable = true, .help = "each delay is the one before times this"},
	{.name = "cap", .type = TN_OPTION_DURATION, .offset = offsetof(struct retry, cap_ms), .min = 1, .max = 14 * DAY,
		.reloadable = true, .help = "the longest delay"},
	{.name = "floor", .type = TN_OPTION_DURATION, .offset = offsetof(struct retry, floor_ms), .min = 1, .max = 14 * DAY,
		.reloadable = true, .help = "the shortest delay, whatever chance says [50ms]"},
	{.name = "jitter", .type = TN_OPTION_CHOICE, .offset = offsetof(struct retry, jitter), .choices = jitter_names,
		.reloadable = true, .help = "how much of a delay is random: equal (half of it), full (all), none"},
	{.name = "on_exhausted", .type = TN_OPTION_CHOICE, .offset = offsetof(struct retry, on_exhausted), .choices = exhausted_names,
		.reloadable = true, .help = "when retries or age run out: dead_letter, drop, or dead_letter_and_block: any dead letter stops its key (ordering)"},
	{0},
};

const struct tn_option *tn_policy_options(void)
{
	return options;
}

static void apply_numbers(const struct tn_doc_node *map, const struct retry *retry, struct tn_policy *policy)
{
	struct tn_backoff *counted = policy->split ? &policy->function : &policy->system;
	if (tn_doc_get(map, "max_retries"))
		counted->max_retries = (uint32_t)retry->max_retries;
	if (tn_doc_get(map, "max_age"))
		policy->max_age_ms = retry->max_age_ms;
	if (tn_doc_get(map, "base"))
		policy->system.base_ms = retry->base_ms;
	if (tn_doc_get(map, "multiplier"))
		policy->system.mult = (uint32_t)retry->multiplier;
	if (tn_doc_get(map, "cap"))
		policy->system.cap_ms = retry->cap_ms;
	if (tn_doc_get(map, "floor"))
		policy->floor_ms = retry->floor_ms;
	if (tn_doc_get(map, "jitter"))
		policy->jitter = (enum tn_jitter)retry->jitter;
	if (tn_doc_get(map, "on_exhausted"))
		policy->drop_exhausted = retry->on_exhausted == DROP;
	if (tn_doc_get(map, "on_exhausted"))
		policy->block_exhausted = retry->on_exhausted == BLOCK;
	if (!policy->split)
		policy->function = policy->system;
}

/* Delays of their own have no place in a schedule that is a list, or two. */
static const struct tn_doc_node *find_delay(const struct tn_doc_node *map)
{
	static const char *const names[] = {"base", "multiplier", "cap"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const struct tn_doc_node *node = tn_doc_get(map, names[i]);
		if (node)
			return node;
	}
	return NULL;
}

static enum tn_status check_delays(const struct tn_doc *doc, const struct tn_doc_node *map, const struct tn_policy *policy,
	struct tn_error *error)
{
	const struct tn_doc_node *delay = find_delay(map);
	if (delay && (policy->split || policy->system.list_count)) {
		tn_error_at(error, doc->file, delay->name_line, delay->name_column, "%.*s cannot be set: this profile has %s of its own",
			TN_STR_ARG(delay->name), policy->split ? "two schedules" : "a list of delays");
		return TN_INVALID;
	}
	if (delay && policy->system.cap_ms < policy->system.base_ms) {
		tn_doc_error(doc, delay, error, "cap (%lld ms) must not be below base (%lld ms)", (long long)policy->system.cap_ms,
			(long long)policy->system.base_ms);
		return TN_INVALID;
	}
	const struct tn_doc_node *floor = tn_doc_get(map, "floor");
	if (floor && !policy->system.list_count && policy->floor_ms > policy->system.cap_ms) {
		tn_doc_error(doc, floor, error, "floor (%lld ms) must not be above cap (%lld ms)", (long long)policy->floor_ms,
			(long long)policy->system.cap_ms);
		return TN_INVALID;
	}
	return TN_OK;
}

enum tn_status tn_policy_parse(const struct tn_doc *doc, const struct tn_doc_node *map, struct tn_policy *policy, struct tn_error *error)
{
	static const struct tn_option *const tables[] = {options, NULL};
	struct tn_arena arena = {0};
	struct retry retry = {0};
	struct tn_policy changed = *policy;
	enum tn_status status = tn_option_parse(doc, map, tables, NULL, &arena, &retry, error);
	tn_arena_fini(&arena);
	if (status != TN_OK)
		return status;
	if (tn_doc_get(map, "profile")) {
		tn_policy_profile(tn_str_from(profile_names[retry.profile]), &changed);
		changed.drop_exhausted = policy->drop_exhausted;
		changed.block_exhausted = policy->block_exhausted;
	}
	apply_numbers(map, &retry, &changed);
	status = check_delays(doc, map, &changed, error);
	if (status == TN_OK)
		*policy = changed;
	return status;
}
