/* SPDX-License-Identifier: Apache-2.0
 *
 * dlq_tally.c - `turnout dlq count`: how many dead letters, of which rule and target, by which error, since when.
 *
 * Called by dlq_list, record by record. Groups are found one after the other: there are few, and no more than GROUPS of them.
 */
#include "dlq.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROUPS = 1000 };                   /* what is beyond is counted together */

struct group {
	char *rule, *target, *code;       /* of the last one, "..." */
	char first[32], last[32];         /* when they died */
	uint64_t count;
};

struct dlq_tally {
	struct group groups[GROUPS + 1];
	size_t count;
};

static char *copy(const char *text)
{
	char *mine = strdup(text);
	if (!mine)
		abort();
	return mine;
}

static struct group *find_group(struct dlq_tally *tally, const char *rule, const char *target, const char *code)
{
	size_t i = 0;
	for (; i < tally->count && i < GROUPS; i++) {
		const struct group *group = &tally->groups[i];
		if (strcmp(group->rule, rule) == 0 && strcmp(group->target, target) == 0 && strcmp(group->code, code) == 0)
			return &tally->groups[i];
	}
	if (i < tally->count)
		return &tally->groups[i];
	bool more = tally->count == GROUPS;
	tally->groups[tally->count++] = (struct group){.rule = copy(more ? "..." : rule), .target = copy(more ? "..." : target),
		.code = copy(more ? "..." : code)};
	return &tally->groups[i];
}

struct dlq_tally *dlq_tally_new(void)
{
	struct dlq_tally *tally = calloc(1, sizeof *tally);
	if (!tally)
		abort();
	return tally;
}

void dlq_tally_free(struct dlq_tally *tally)
{
	for (size_t i = 0; tally && i < tally->count; i++) {
		free(tally->groups[i].rule);
		free(tally->groups[i].target);
		free(tally->groups[i].code);
	}
	free(tally);
}

void dlq_tally_add(struct dlq_tally *tally, const json_t *record)
{
	struct group *group = find_group(tally, dlq_string(json_object_get(record, "rule"), "name"),
		dlq_string(json_object_get(record, "target"), "id"), dlq_string(json_object_get(record, "error"), "code"));
	const char *died = dlq_string(record, "dead_at");
	if (group->count == 0 || strcmp(died, group->first) < 0)
		snprintf(group->first, sizeof group->first, "%s", died);
	if (group->count == 0 || strcmp(died, group->last) > 0)
		snprintf(group->last, sizeof group->last, "%s", died);
	group->count++;
}

static int compare(const void *left, const void *right)
{
	const struct group *a = left, *b = right;
	return (a->count < b->count) - (a->count > b->count);
}

void dlq_tally_print(struct dlq_tally *tally, bool json)
{
	qsort(tally->groups, tally->count, sizeof *tally->groups, compare);
	for (size_t i = 0; i < tally->count; i++) {
		const struct group *group = &tally->groups[i];
		if (json) {
			json_t *line = json_pack("{s:I s:s s:s s:s s:s s:s}", "count", (json_int_t)group->count, "rule", group->rule, "target",
				group->target, "error", group->code, "first_dead_at", group->first, "last_dead_at", group->last);
			dlq_print_json(line);
			json_decref(line);
		} else {
			printf("%8" PRIu64 "  %s -> %s  %s  died %s to %s\n", group->count, group->rule, group->target, group->code, group->first,
				group->last);
		}
	}
}
