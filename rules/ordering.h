/* SPDX-License-Identifier: Apache-2.0
 *
 * ordering.h - the key of one target, compiled: where it stands in an event, and the lane it makes. Inside rules/ only.
 */
#ifndef TURNOUT_RULES_ORDERING_H
#define TURNOUT_RULES_ORDERING_H

#include "ruleset_impl.h"
#include "turnout/ordering.h"

/* In the arena of a ruleset that is being built. */
const struct tn_lane_key *tn_lane_key_new(struct tn_ruleset *ruleset, const struct tn_ordering *ordering);
/* Zero: unordered. The event is not raw, and is the one the matcher was begun with. */
struct tn_id tn_lane_key_hash(const struct tn_lane_key *key, struct tn_str target, struct tn_matcher *matcher, const struct tn_ruleset *ruleset,
	const struct tn_event *event);

#endif
