/* SPDX-License-Identifier: Apache-2.0
 *
 * letter_ways.h - where a dead letter goes that is not sent back to its own target alone: to the targets its rule has now, or to what
 * today's rules make of its event. Asked by a running bus and, with none running, by `turnout dlq`: so both mean the same.
 */
#ifndef TURNOUT_LETTER_WAYS_H
#define TURNOUT_LETTER_WAYS_H

#include "turnout/dlq.h"
#include "turnout/ruleset.h"

struct tn_letter_ways; /* one thread */

struct tn_letter_ways *tn_letter_ways_new(void); /* Returns owned. */
void tn_letter_ways_free(struct tn_letter_ways *ways); /* NULL is fine */
/* The same rule and target keep the delivery id they had. So do others, where that was made of the event's source and id; else (a reply,
 * a letter of another bus) theirs are made of the letter's delivery id: the same each time. An event that is none, or that not all rules
 * can be judged on, goes nowhere. */
void tn_letter_ways_find(struct tn_letter_ways *ways, const struct tn_ruleset *ruleset, struct tn_str bus, enum tn_dlq_to to,
	const struct tn_row *row, const struct tn_event *event, struct tn_dlq_ways *out_ways);

#endif
