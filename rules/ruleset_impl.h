/* SPDX-License-Identifier: Apache-2.0
 *
 * ruleset_impl.h - the body of a ruleset, inside rules/ only.
 *
 *   rule file ──rule_file.c──► rules, under one table of paths ──ruleset.c──► published, counted
 *                                                              match.c, explain.c read it, any number of threads
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

struct tn_rule {
	struct tn_pattern_code code;
	enum tn_view view;
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
	struct tn_paths names;              /* rule names, numbered like the rules */
	uint32_t branch_count;
	struct tn_error *error;
};

/* Adds the rules of one document. The draft's error has the place when this fails. */
enum tn_status tn_rule_file_read(struct tn_ruleset_draft *draft, const struct tn_doc *doc) TN_MUST_CHECK;

/* Reads the event into leaves as the view has it (cloudevents.md section 11). envelope is scratch. The event is not raw. */
void tn_view_read(enum tn_view view, const struct tn_ruleset *ruleset, const struct tn_event *event, struct tn_buf *envelope,
	struct tn_leaves *leaves);

struct tn_matcher {
	struct tn_leaves leaves[TN_VIEW_COUNT];
	bool read[TN_VIEW_COUNT]; /* is it this event's? */
	struct tn_agree agree;
	struct tn_buf envelope;
	struct tn_arena told; /* explanations and their strings */
};

/* The event's leaves in that view, read when they are first asked for; matcher->read says whether they were. */
const struct tn_leaves *tn_matcher_leaves(struct tn_matcher *matcher, enum tn_view view, const struct tn_ruleset *ruleset,
	const struct tn_event *event);

#endif
