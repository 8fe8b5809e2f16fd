/* SPDX-License-Identifier: Apache-2.0
 *
 * ruleset_impl.h - the body of a ruleset, inside rules/ only.
 *
 *   rule file ──rule_file.c──► rules, under one table of paths ──ruleset.c──► published, counted
 *                                                    with an index.c   match.c, explain.c read it, any number of threads
 */
#ifndef TURNOUT_RULES_RULESET_IMPL_H
#define TURNOUT_RULES_RULESET_IMPL_H

#include <stdatomic.h>
#include "pattern_tree.h"
#include "turnout/doc.h"
#include "turnout/ruleset.h"

enum { TN_RULE_LIMIT = 10000, TN_RULE_BRANCH_LIMIT = 200000, TN_RULE_FILE_BYTES = 1 << 20, TN_RULE_NAME_BYTES = 64,
	TN_RULE_TARGET_LIMIT = 100 };

enum tn_view { TN_VIEW_CLOUDEVENTS, TN_VIEW_EVENTBRIDGE };
enum { TN_VIEW_COUNT = 2 };
/* How much of an event is read, in one view. The head is what costs little: a CloudEvent's attributes; of an
 * EventBridge envelope what is a string attribute taken as it is. */
enum tn_extent { TN_EXTENT_NOTHING, TN_EXTENT_HEAD, TN_EXTENT_ALL };

struct tn_index;

struct tn_rule {
	struct tn_pattern_code code;
	enum tn_view view;
	enum tn_extent extent; /* what must be read to judge it */
	bool disabled;
	struct tn_route *routes;
	uint32_t route_count;
	struct tn_str name, file;
	uint32_t line;
};
struct tn_ruleset {
	atomic_uint references;
	uint64_t revision;
	struct tn_arena arena;           /* everything below but the arrays of rules and routes */
	struct tn_paths paths;           /* of all patterns, for both views */
	struct tn_rule *rules;           /* in file order */
	uint32_t rule_count, rule_capacity;
	struct tn_index *index;          /* of the rules that are not disabled */
	uint32_t route_count;            /* of all rules; of those that are not disabled in live_route_count */
	uint32_t live_route_count;
	const struct tn_route **by_name; /* all routes, sorted by rule and target */
	struct tn_route poison;
	struct tn_policy default_policy; /* of targets whose configuration is not known, and of poison */
	struct tn_eventbridge eventbridge;
};

/* What is being built. */
struct tn_ruleset_draft {
	struct tn_ruleset *ruleset;
	const struct tn_ruleset_config *config;
	struct tn_policy **target_policies; /* one a target of config, copied when first used */
	const struct tn_lane_key **lane_keys; /* likewise, of ordered targets */
	struct tn_paths names;              /* rule names, numbered like the rules */
	uint32_t branch_count;
	struct tn_error *error;
};

/* Where the routes of that rule begin in by_name, if it has any. */
uint32_t tn_ruleset_first_route(const struct tn_ruleset *ruleset, struct tn_str rule);

/* Adds the rules of one document. The draft's error has the place when this fails. */
enum tn_status tn_rule_file_read(struct tn_ruleset_draft *draft, const struct tn_doc *doc) TN_MUST_CHECK;

/* Read the event into leaves as the view has it (cloudevents.md section 11): the head, then the rest. envelope is scratch. The event is
 * not raw. */
void tn_view_read_head(enum tn_view view, const struct tn_ruleset *ruleset, const struct tn_event *event, struct tn_leaves *leaves);
void tn_view_read_rest(enum tn_view view, const struct tn_ruleset *ruleset, const struct tn_event *event, struct tn_buf *envelope,
	struct tn_leaves *leaves);
/* Would leaves at that path be in the head? */
bool tn_view_has_in_head(enum tn_view view, struct tn_str path);

/* Which rules to ask about the event at hand: index.c fills it. The memory is kept from event to event. */
struct tn_asking { /* {0} */
	uint64_t *rules; /* a bit for each, rule 0 the lowest of word 0: walked in order they keep the order of the files */
	uint32_t rules_capacity;
	uint64_t *seen; /* of each key the last event that had it: an event that has one a million times adds its rules once */
	uint32_t seen_capacity;
	uint64_t event; /* counts */
};
struct tn_matcher {
	struct tn_leaves leaves[TN_VIEW_COUNT];
	enum tn_extent read[TN_VIEW_COUNT]; /* how much of this event */
	struct tn_asking asking;
	struct tn_agree agree;
	struct tn_buf envelope, key; /* key: of a lane */
	struct tn_arena told; /* explanations and their strings */
};

/* Forgets the last event. */
void tn_matcher_begin(struct tn_matcher *matcher);
/* The event's leaves in that view, read when they are first asked for. */
const struct tn_leaves *tn_matcher_leaves(struct tn_matcher *matcher, enum tn_view view, enum tn_extent extent,
	const struct tn_ruleset *ruleset, const struct tn_event *event);

#endif
