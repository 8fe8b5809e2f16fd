/* SPDX-License-Identifier: Apache-2.0
 *
 * lane_parts.h - what the files of a lane do for each other: lane.c, lane_wait.c, lane_rows.c and lane_block.c. Others need lane.h only.
 */
#ifndef TURNOUT_BROKER_ENGINE_LANE_PARTS_H
#define TURNOUT_BROKER_ENGINE_LANE_PARTS_H

#include "lane.h"
#include "target.h"

static inline struct tn_delivery *tn_lane_first(const struct tn_lane *lane) /* member; NULL: there is none */
{
	struct tn_link *link = tn_list_first(&lane->members);
	return link == NULL ? NULL : TN_OWNER(link, struct tn_delivery, in_lane);
}

static inline struct tn_delivery *tn_lane_after(const struct tn_delivery *delivery) /* the next member, or NULL */
{
	struct tn_link *link = tn_list_next(&delivery->lane->members, &delivery->in_lane);
	return link == NULL ? NULL : TN_OWNER(link, struct tn_delivery, in_lane);
}

/* Its target does not order any more. While that is removed, nobody knows; it may come back as it was. */
static inline bool tn_lane_is_free(const struct tn_lane *lane)
{
	return !lane->target->limits.ordered && !lane->target->limits.removed;
}

/* lane.c */
bool tn_lane_has_parked_before(const struct tn_lane *lane, uint64_t lane_seq);
bool tn_lane_is_first(const struct tn_delivery *delivery); /* of the others in hand, or in the store, none comes first */
const struct tn_delivery *tn_lane_foremost(const struct tn_lane *lane); /* what no row may overtake, or NULL */
void tn_lane_recall(struct tn_engine *engine, const struct tn_lane *lane); /* whose turn it was leaves its target's line */
void tn_lane_saw(struct tn_engine *engine, const struct tn_row *row); /* a row of another run: what comes now is behind it */

/* lane_wait.c */
/* Something was parked before those that wait, or the lane is blocked: they may be better off in the store. */
void tn_lane_park_behind(struct tn_engine *engine, struct tn_lane *lane);
/* Draining: what only its source has is parked or given back, one after the other. */
void tn_lane_put_away(struct tn_engine *engine, struct tn_lane *lane);

/* lane_rows.c */
void tn_lane_add_row(struct tn_engine *engine, struct tn_lane *lane, uint64_t lane_seq, int64_t due_ms); /* it is PARKED */
void tn_lane_want_rows(struct tn_engine *engine, struct tn_lane *lane); /* its turn is theirs, if there are any */

/* lane_block.c */
void tn_lane_block(struct tn_engine *engine, struct tn_lane *lane, struct tn_row_key key, uint64_t lane_seq); /* a dead letter does */
/* It is free: what blocks it, if anything, does so no more. In the store that is said soon, by a move. */
void tn_lane_release(struct tn_engine *engine, struct tn_lane *lane);

#endif
