/* SPDX-License-Identifier: Apache-2.0
 *
 * index.h - which rules are worth asking about an event; index.c has the idea.
 *
 * Built once with its ruleset, then immutable: any thread, each with its own asking.
 */
#ifndef TURNOUT_RULES_INDEX_H
#define TURNOUT_RULES_INDEX_H

#include "ruleset_impl.h"

/* Words in tn_asking.rules. */
static inline uint32_t tn_index_words(uint32_t rule_count)
{
	return (rule_count + 63) / 64;
}

/* Returns owned. Of the ruleset its paths and rules must be there, and stay. */
struct tn_index *tn_index_new(const struct tn_ruleset *ruleset);
void tn_index_free(struct tn_index *index);

/* Begins an event: to be asked are those rules that are asked whatever it holds. */
void tn_index_begin(const struct tn_index *index, struct tn_asking *asking);
/* Adds those that the leaves of a view speak for. */
void tn_index_look_up(const struct tn_index *index, enum tn_view view, const struct tn_leaves *leaves, struct tn_asking *asking);
/* How much of the event a look-up in that view needs; nothing: no rule is to be found there. */
enum tn_extent tn_index_extent(const struct tn_index *index, enum tn_view view);

void tn_asking_fini(struct tn_asking *asking);

#endif
