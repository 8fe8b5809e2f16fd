/* SPDX-License-Identifier: Apache-2.0
 *
 * letter_ways.c - dead letters matched again.
 *
 * Called by dead_letters.c and redrive_task.c, and by `turnout dlq` with no bus running, record by record. One thread each.
 */
#include "turnout/letter_ways.h"

#include <stdio.h>
#include <stdlib.h>
#include "turnout/base64.h"

struct tn_letter_ways {
	struct tn_matcher *matcher;
	struct tn_match matches[TN_DLQ_WAYS];
};

struct tn_letter_ways *tn_letter_ways_new(void)
{
	struct tn_letter_ways *ways = calloc(1, sizeof *ways);
	if (!ways)
		abort();
	ways->matcher = tn_matcher_new();
	return ways;
}

void tn_letter_ways_free(struct tn_letter_ways *ways)
{
	if (!ways)
		return;
	tn_matcher_free(ways->matcher);
	free(ways);
}

enum { PLACE_SIZE = TN_ID_TEXT_SIZE + 16 };

/* What its delivery id was made of; or, where that is not to be known any more, the id itself. */
static struct tn_identity identity_of(struct tn_str bus, const struct tn_row *row, const struct tn_event *event, char place[PLACE_SIZE])
{
	struct tn_identity identity = {.bus = bus};
	char text[TN_ID_TEXT_SIZE];
	struct tn_id id = tn_route_delivery_id(&identity, row->rule, row->target, event);
	if (tn_id_equal(&id, &row->id))
		return identity;
	tn_base32_id(row->id.bytes, text);
	int len = snprintf(place, PLACE_SIZE, "redrive:%s", text);
	identity.position = tn_str_make(place, (size_t)len);
	return identity;
}

static bool is_same(const struct tn_match *match, const struct tn_row *row)
{
	return tn_str_equal(match->route->rule, row->rule) && tn_str_equal(match->route->target, row->target);
}

void tn_letter_ways_find(struct tn_letter_ways *ways, const struct tn_ruleset *ruleset, struct tn_str bus, enum tn_dlq_to to,
	const struct tn_row *row, const struct tn_event *event, struct tn_dlq_ways *out_ways)
{
	char place[PLACE_SIZE];
	struct tn_identity identity = identity_of(bus, row, event, place);
	size_t count = 0;
	enum tn_status status = to == TN_DLQ_TO_RULE
		? tn_ruleset_match_rule(ruleset, ways->matcher, event, &identity, row->rule, ways->matches, TN_DLQ_WAYS, &count)
		: tn_ruleset_match(ruleset, ways->matcher, event, &identity, ways->matches, TN_DLQ_WAYS, &count);
	bool whole = status == TN_OK;
	for (size_t i = 0; i < count; i++) {
		whole = whole && !ways->matches[i].route->poison;
		if (is_same(&ways->matches[i], row))
			ways->matches[i].id = row->id;
	}
	*out_ways = (struct tn_dlq_ways){.matches = ways->matches, .count = whole ? (uint32_t)count : 0, .revision = tn_ruleset_revision(ruleset)};
}
