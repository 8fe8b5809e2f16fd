/* SPDX-License-Identifier: Apache-2.0
 *
 * shrink.c - from a seed that fails to a smaller world that fails alike.
 *
 * A world is cut down (a fault less, fewer targets, rules, sources, steps) and run again, by the same seed and by its neighbours,
 * since a world that was cut draws otherwise from there on. What still breaks the same promise is kept and cut further. Each try is a
 * process of its own, so that a crash is an answer too. The number of tries is bounded; what comes out repeats bit by bit.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

enum { TRIES_MAX = 4000, NEIGHBOURS = 40, SECONDS_A_TRY = 5 };

struct verdict {                        /* what the child says; a child that dies says nothing */
	uint64_t rule;                  /* hash of the promise that was broken; 0: none was */
	uint32_t steps;
};
enum { RULE_DIED = 1 };

struct shrinker {
	struct world *world;
	uint64_t rule;                  /* which is looked for */
	struct sim_options best;
	uint32_t steps;                 /* of the best */
	uint32_t tries;
};

static uint64_t hash_of(const char *text)
{
	uint64_t hash = RULE_DIED + 1;
	while (*text != '\0')
		hash = sim_mix(hash, (uint8_t)*text++);
	return hash;
}

static _Noreturn void run_child(struct world *world, struct sim_options options, int out)
{
	struct verdict verdict = {0};
	options.quiet = true;
	options.trace = false;
	options.tally = NULL;
	signal(SIGABRT, SIG_DFL);
	alarm(SECONDS_A_TRY);
	if (freopen("/dev/null", "w", stderr) == NULL)
		_exit(2);
	if (!sim_run(world, &options))
		verdict = (struct verdict){hash_of(world->failed_rule), world->inputs};
	_exit(write(out, &verdict, sizeof(verdict)) == sizeof(verdict) ? 0 : 2);
}

static struct verdict try(struct shrinker *shrinker, const struct sim_options *options)
{
	struct verdict verdict = {RULE_DIED, 0};
	int ends[2];
	shrinker->tries++;
	fflush(stdout);
	if (pipe(ends) != 0)
		return (struct verdict){0};
	pid_t child = fork();
	if (child == 0)
		run_child(shrinker->world, *options, ends[1]);
	close(ends[1]);
	if (child < 0 || read(ends[0], &verdict, sizeof(verdict)) != sizeof(verdict))
		verdict = (struct verdict){child < 0 ? 0 : RULE_DIED, options->most[SIM_INPUTS]};
	close(ends[0]);
	if (child > 0)
		waitpid(child, NULL, 0);
	return verdict;
}

/* True: it fails too, by some seed, and is the best from now on. */
static bool keep_if_it_fails(struct shrinker *shrinker, struct sim_options options)
{
	uint64_t first = options.seed;
	for (uint64_t i = 0; i < NEIGHBOURS && shrinker->tries < TRIES_MAX; i++) {
		options.seed = first + i;
		struct verdict verdict = try(shrinker, &options);
		if (verdict.rule != shrinker->rule)
			continue;
		shrinker->best = options;
		shrinker->steps = verdict.steps;
		return true;
	}
	return false;
}

static bool drop_faults(struct shrinker *shrinker)
{
	bool any = false;
	for (uint32_t fault = 0; fault < FAULT_COUNT; fault++) {
		struct sim_options options = shrinker->best;
		if (!(options.faults & (uint64_t)1 << fault))
			continue;
		options.faults &= ~((uint64_t)1 << fault);
		any |= keep_if_it_fails(shrinker, options);
	}
	return any;
}

static bool lower(struct shrinker *shrinker, enum sim_limit limit, uint32_t to)
{
	struct sim_options options = shrinker->best;
	if (to == 0 || to >= options.most[limit])
		return false;
	options.most[limit] = to;
	return keep_if_it_fails(shrinker, options);
}

static bool lower_limits(struct shrinker *shrinker)
{
	bool any = false;
	for (enum sim_limit limit = SIM_SOURCES; limit < SIM_LIMITS; limit++) {
		while (lower(shrinker, limit, shrinker->best.most[limit] / 2) || lower(shrinker, limit, shrinker->best.most[limit] - 1))
			any = true;
	}
	/* A seed that failed before its steps were all drawn needs no more than these. */
	if (shrinker->steps < shrinker->best.most[SIM_INPUTS])
		any |= lower(shrinker, SIM_INPUTS, shrinker->steps);
	while (lower(shrinker, SIM_INPUTS, shrinker->best.most[SIM_INPUTS] / 2) ||
		lower(shrinker, SIM_INPUTS, shrinker->best.most[SIM_INPUTS] * 9 / 10))
		any = true;
	return any;
}

static void print_command(const struct sim_options *options)
{
	static const char *const limits[] = {"inputs", "sources", "targets", "rules"};
	printf("turnout-sim --seed %" PRIu64 " --faults ", options->seed);
	sim_print_faults(stdout, options->faults, ",");
	for (enum sim_limit limit = 0; limit < SIM_LIMITS; limit++)
		printf(" --%s %u", limits[limit], options->most[limit]);
	putchar('\n');
}

void sim_shrink(struct world *world, const struct sim_options *failed)
{
	struct shrinker shrinker = {.world = world, .best = *failed, .steps = world->inputs,
		.rule = world->failed ? hash_of(world->failed_rule) : RULE_DIED};
	uint32_t drawn[SIM_LIMITS] = {world->inputs_wanted, world->source_count, world->target_count, world->rule_count};
	for (enum sim_limit limit = 0; limit < SIM_LIMITS; limit++)
		shrinker.best.most[limit] = drawn[limit] > 0 ? drawn[limit] : 1;
	shrinker.best.faults = world->faults;
	if (try(&shrinker, &shrinker.best).rule != shrinker.rule) {
		puts("it does not fail again in a process of its own; nothing to shrink");
		return;
	}
	for (bool smaller = true; smaller && shrinker.tries < TRIES_MAX;) {
		smaller = drop_faults(&shrinker);
		smaller |= lower_limits(&shrinker);
	}
	printf("the smallest of %u worlds that fail alike (%u steps):\n  ", shrinker.tries, shrinker.steps);
	print_command(&shrinker.best);
}
