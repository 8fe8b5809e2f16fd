/* SPDX-License-Identifier: Apache-2.0
 *
 * rules.c - routes drawn by hand, and rulesets of which the engine sees only the count.
 *
 * A new revision is a new block with new names in it; the old one is freed with its last ref, so that a route kept too long is a
 * use after free that the sanitizer sees.
 */
#include <stdio.h>
#include <stdlib.h>

#include "world.h"

struct tn_ruleset *tn_ruleset_ref(struct tn_ruleset *ruleset)
{
	ruleset->refs++;
	return ruleset;
}

void tn_ruleset_unref(struct tn_ruleset *ruleset)
{
	if (ruleset != NULL && --ruleset->refs == 0)
		free(ruleset);
}

uint64_t tn_ruleset_revision(const struct tn_ruleset *ruleset)
{
	return ruleset->revision;
}

static struct tn_backoff draw_backoff(struct world *world)
{
	struct tn_backoff backoff = {.base_ms = 50 + sim_upto(world, 1500), .mult = 1 + sim_upto(world, 2),
		.cap_ms = 1000 + sim_upto(world, 60000), .max_retries = sim_upto(world, 5)};
	if (sim_chance(world, 20)) {
		backoff.list_count = 1 + sim_upto(world, 3);
		for (uint32_t i = 0; i < backoff.list_count; i++)
			backoff.list_ms[i] = 20 + sim_upto(world, 20000);
	}
	return backoff;
}

static struct tn_policy draw_policy(struct world *world)
{
	bool blocks = sim_chance(world, 15);
	return (struct tn_policy){.block_exhausted = blocks, .system = draw_backoff(world), .function = draw_backoff(world), .split = sim_chance(world, 25),
		.jitter = (enum tn_jitter)sim_upto(world, 3), .floor_ms = 50, .max_age_ms = 5000 + sim_upto(world, 600000),
		.drop_exhausted = sim_chance(world, 20) && !blocks};
}

void sim_draw_rules(struct world *world)
{
	world->rule_count = sim_at_most(world, SIM_RULES, 1 + sim_upto(world, RULES_MAX - 1));
	for (uint32_t rule = 0; rule < world->rule_count; rule++) {
		uint32_t targets = 1 + sim_upto(world, 2);
		for (uint32_t i = 0; i < targets && world->route_count < ROUTES_MAX; i++) {
			uint32_t target_no = 1 + sim_upto(world, world->target_count - 1);
			if (i > 0 && world->routes[world->route_count - 1].rule == rule &&
				world->routes[world->route_count - 1].target_no <= target_no)
				continue; /* each pair once */
			struct sim_route *route = &world->routes[world->route_count++];
			route->rule = rule;
			route->target_no = target_no;
			route->policy = draw_policy(world);
		}
	}
}

static void name_route(struct tn_ruleset *ruleset, uint32_t index, char rule, char target)
{
	char(*names)[4] = ruleset->names[index];
	names[0][0] = 'r';
	names[0][1] = rule;
	names[1][0] = 't';
	names[1][1] = target;
	ruleset->routes[index].rule = (struct tn_str){names[0], 2};
	ruleset->routes[index].target = (struct tn_str){names[1], 2};
}

void sim_new_revision(struct world *world)
{
	struct tn_ruleset *ruleset = calloc(1, sizeof(*ruleset));
	if (ruleset == NULL)
		abort();
	ruleset->refs = 1;
	ruleset->revision = ++world->revision;
	for (uint32_t i = 0; i < world->route_count; i++) {
		const struct sim_route *drawn = &world->routes[i];
		struct tn_route *route = &ruleset->routes[i];
		if (world->targets[drawn->target_no].removed)
			continue;
		name_route(ruleset, i, (char)('0' + drawn->rule), (char)('0' + drawn->target_no));
		ruleset->policies[i] = drawn->policy;
		route->policy = &ruleset->policies[i];
		route->target_no = drawn->target_no;
		route->ordered = world->targets[drawn->target_no].ordered;
	}
	name_route(ruleset, ROUTES_MAX, 'p', 'p');
	ruleset->routes[ROUTES_MAX].poison = true;
	tn_ruleset_unref(world->ruleset);
	world->ruleset = ruleset;
}

const struct tn_route *sim_todays_route(const struct world *world, uint32_t route)
{
	const struct tn_route *found = &world->ruleset->routes[route];
	return found->rule.bytes != NULL ? found : NULL;
}
