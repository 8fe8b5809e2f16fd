/* SPDX-License-Identifier: Apache-2.0
 *
 * ruleset.h - rules, compiled: immutable, counted, one revision; and the matching of an event against all of them.
 *
 * A ruleset is built from rule files (rules/rule_file.c), published whole, and replaced whole. An event is matched once, by the revision
 * current when it was accepted, and its offer holds a ref to that revision until the last delivery ends.
 */
#ifndef TURNOUT_RULESET_H
#define TURNOUT_RULESET_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/error.h"
#include "turnout/event.h"
#include "turnout/id.h"
#include "turnout/ordering.h"
#include "turnout/policy.h"
#include "turnout/status.h"

struct tn_ruleset;
struct tn_rule;
struct tn_lane_key;

struct tn_ruleset *tn_ruleset_ref(struct tn_ruleset *ruleset); /* Any thread. Returns ruleset. */
void tn_ruleset_unref(struct tn_ruleset *ruleset);             /* Any thread; the last one frees. NULL is fine. */
uint64_t tn_ruleset_revision(const struct tn_ruleset *ruleset);
uint32_t tn_ruleset_rule_count(const struct tn_ruleset *ruleset); /* those that are not enabled included */
/* Upper bound of what tn_ruleset_match may answer for any one event; at least 1. */
uint32_t tn_ruleset_route_count(const struct tn_ruleset *ruleset);

struct tn_tries {               /* what a delivery went through; engine milliseconds, 0: not yet */
	uint32_t system, function; /* failures counted, see tn_policy */
	int64_t accepted_ms, first_ms, not_before_ms;
	int64_t last_ms;           /* start of the latest attempt, as first_ms is of the first */
};

struct tn_route {               /* one (rule, target); lives as long as its ruleset */
	struct tn_str rule, target;       /* names: what rows, metrics and dead letters carry */
	uint32_t target_no;               /* same name, same number, over reloads and (with a store) restarts */
	const struct tn_policy *policy;   /* retry numbers only; borrowed from the ruleset */
	bool ordered;                     /* its target orders by key: matches may have a lane */
	const struct tn_lane_key *lane_key; /* private to rules; NULL: unordered */
	bool poison;                      /* the built-in route of events that cannot be matched, whose only step is burying */
};

struct tn_match {
	const struct tn_route *route;
	struct tn_id id;                  /* delivery id (section 10) */
	struct tn_id lane;                /* hash over target and key (ordering.h); zero: unordered */
	struct tn_tries tries;            /* zero, or resumed */
};

struct tn_identity {            /* what delivery ids are derived from beside rule, target, CE source and CE id */
	struct tn_str bus;
	struct tn_str position;           /* identity: position; takes the place of CE source and id; empty: not used */
};

/* Scratch memory for matching; one for each thread that matches. Returns owned. */
struct tn_matcher;
struct tn_matcher *tn_matcher_new(void);
void tn_matcher_free(struct tn_matcher *matcher);

/* Any thread, each with its own matcher. Rules in file order; a rule's targets in their order. A raw event has one match: the poison
 * route. An event on which some rule cannot be judged in bounded work (see tn_pattern_match) gets the poison route after the matches of
 * the others, so that it does not go nowhere. TN_FULL: more than capacity (never when capacity >= route_count). No match is TN_OK with
 * 0. */
enum tn_status tn_ruleset_match(const struct tn_ruleset *ruleset, struct tn_matcher *matcher, const struct tn_event *event,
	const struct tn_identity *identity, struct tn_match *out, size_t capacity, size_t *out_count) TN_MUST_CHECK;
/* What that rule would answer if the event matched it, whether it does or not, and enabled or not; by target name. A raw event, or no such
 * rule: TN_OK with 0. TN_FULL. */
enum tn_status tn_ruleset_match_rule(const struct tn_ruleset *ruleset, struct tn_matcher *matcher, const struct tn_event *event,
	const struct tn_identity *identity, struct tn_str rule, struct tn_match *out, size_t capacity, size_t *out_count) TN_MUST_CHECK;
/* The delivery id of one route, for whoever has a route and an event but no match at hand. Of a raw event its bytes stand in for CE source
 * and id. */
struct tn_id tn_route_delivery_id(const struct tn_identity *identity, struct tn_str rule, struct tn_str target,
	const struct tn_event *event);
/* True when some rule names that target. */
bool tn_ruleset_uses_target(const struct tn_ruleset *ruleset, struct tn_str target);
/* Today's route of those names, for rows read back from the store; NULL: rule or target is gone. A rule that is not enabled is still
 * there: it matches nothing new, but what it matched before is delivered. The poison route is found by its names. */
const struct tn_route *tn_ruleset_find_route(const struct tn_ruleset *ruleset, struct tn_str rule, struct tn_str target);
const struct tn_route *tn_ruleset_poison_route(const struct tn_ruleset *ruleset);

/* --- Building. One thread. --- */

struct tn_target_name {         /* a target as far as rules need it */
	struct tn_str name;
	uint32_t number;
	struct tn_policy policy;          /* the target's own retry policy; a rule may override parts */
	struct tn_ordering ordering;      /* strings are borrowed while building */
};
struct tn_ruleset_config {
	const struct tn_target_name *targets;
	uint32_t target_count;
	bool any_target;                  /* tools without a configuration: take every target name, number 0, profile eventbridge */
	bool allow_empty;                 /* an empty set is not an error */
	uint64_t revision;
	struct tn_eventbridge eventbridge;
};
/* Reads rule files: each of paths is a file, or a glob whose matches are read in byte order. Returns owned. TN_INVALID, TN_NOT_FOUND,
 * TN_IO, TN_TOO_LARGE or TN_UNSUPPORTED (a key of a later version) with file:line:column; never half a set. base_dir: what relative
 * paths are relative to, NULL: the working directory. A folder that is missing or a set without rules is TN_INVALID unless
 * allow_empty. */
enum tn_status tn_ruleset_load(const char *base_dir, const char *const *paths, size_t path_count,
	const struct tn_ruleset_config *config, struct tn_ruleset **out_ruleset, struct tn_error *error) TN_MUST_CHECK;
/* The same from one text, for tests and tools; name stands in for the file in errors. */
enum tn_status tn_ruleset_compile(struct tn_str text, const char *name, const struct tn_ruleset_config *config,
	struct tn_ruleset **out_ruleset, struct tn_error *error) TN_MUST_CHECK;

/* --- Explaining: the same matcher that routes, asked why. --- */

struct tn_explanation {         /* strings live until the matcher is used again or freed */
	struct tn_str rule;
	struct tn_str file;               /* where the rule stands */
	uint32_t line;
	bool matched;
	bool disabled;                    /* enabled: false; judged all the same, and put last */
	struct tn_str field;              /* the first field that stopped it: its path, as "data.total" */
	struct tn_str expected;           /* the pattern's values there, as JSON */
	struct tn_str actual;             /* the event's leaves there (at most 32), as JSON, several in a list; empty: absent */
	bool other_element;               /* each field has its leaf, but this one's is in another array element than those before it */
	uint32_t satisfied, total;        /* fields of the best branch that matched, and all of it: nearest miss first sorts by these */
};
/* One explanation a rule, nearest miss first (matched rules before all). Borrowed until the matcher is used again. TN_INVALID: a raw
 * event. TN_TOO_LARGE: see tn_pattern_match. */
enum tn_status tn_ruleset_explain(const struct tn_ruleset *ruleset, struct tn_matcher *matcher, const struct tn_event *event,
	const struct tn_explanation **out_explanations, size_t *out_count) TN_MUST_CHECK;

#endif
