/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - turnout-sim: runs the delivery engine through seeds.
 *
 * Prints one line for all seeds together (with a hash over everything that happened), or how the first promise was broken.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "world.h"

static struct world world;

/* The engine found itself in a state it cannot be in. */
static void on_abort(int number)
{
	printf("seed %" PRIu64 " step %u: the engine stopped itself (signal %d)\n", world.seed, world.inputs, number);
	sim_print_trace(&world);
	fflush(stdout);
	_exit(1);
}

static uint64_t number_of(const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);
	if (*text == '\0' || *end != '\0') {
		fprintf(stderr, "turnout-sim: '%s' is not a number\n", text);
		exit(2);
	}
	return number;
}

static const char usage[] = "usage: turnout-sim [--seed FIRST] [--runs COUNT] [--trace] [--steps]\n"
			    "  --trace    every step in words      --steps    one line a seed: its steps and trace hash\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'}, {"runs", required_argument, NULL, 'n'},
		{"trace", no_argument, NULL, 't'}, {"steps", no_argument, NULL, 'p'}, {0}};
	struct sim_options run = {.seed = 1};
	uint64_t runs = 1, steps = 0, hash = 0;
	bool lines = false;
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 's')
			run.seed = number_of(optarg);
		else if (option == 'n')
			runs = number_of(optarg);
		else if (option == 't')
			run.trace = true;
		else if (option == 'p')
			lines = true;
		else
			return fputs(usage, stderr), 2;
	}
	signal(SIGABRT, on_abort);
	for (uint64_t i = 0; i < runs; i++, run.seed++) {
		if (!sim_run(&world, &run))
			return 1;
		steps += world.inputs;
		hash = sim_mix(hash, world.hash);
		if (lines)
			printf("seed %" PRIu64 " steps %u hash %016" PRIx64 "\n", run.seed, world.inputs, world.hash);
	}
	printf("seeds %" PRIu64 " inputs %" PRIu64 " hash %016" PRIx64 "\n", runs, steps, hash);
	return 0;
}
