/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - turnout-sim: runs the delivery engine through seeds.
 *
 * Prints one line for all seeds together (with a hash over everything that happened), or how the first promise was broken and the
 * smallest world found that breaks it too.
 */
#include <getopt.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "soak.h"
#include "world.h"

enum { SAVE_EVERY = 10000 };

static struct world world;
static struct sim_tally tally;
static sigjmp_buf before_abort;
static volatile sig_atomic_t interrupted;

struct arguments {
	struct sim_options run;
	uint64_t runs;
	const char *state;
	bool steps, pairs, keep;        /* keep: do not shrink */
};

static const char usage[] =
	"usage: turnout-sim [--seed FIRST] [--runs COUNT] [options]\n"
	"  --trace         every step in words\n"
	"  --steps         one line a seed: its steps and trace hash\n"
	"  --pairs         which states of deliveries met which inputs, over all seeds\n"
	"  --state FILE    goes on behind the seeds that FILE says were clean, and writes there how far it came\n"
	"  --no-shrink     a seed that fails is not made smaller\n"
	"to make a world smaller; what a seed draws is cut down to these:\n"
	"  --faults LIST   kinds of faults, with commas, or none; --list names them\n"
	"  --inputs N --sources N --targets N --rules N   at most so many\n";

/* The engine found itself in a state it cannot be in. */
static void on_abort(int number)
{
	siglongjmp(before_abort, 1);
}

static void on_interrupt(int number)
{
	interrupted = 1;
}

static uint64_t number_of(const char *text, uint64_t least, uint64_t most)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || number < least || number > most) {
		fprintf(stderr, "turnout-sim: '%s' is not a number from %" PRIu64 " to %" PRIu64 "\n", text, least, most);
		exit(2);
	}
	return number;
}

static void list_faults(void)
{
	sim_print_faults(stdout, ((uint64_t)1 << FAULT_COUNT) - 1, "\n");
	putchar('\n');
}

static void read_arguments(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'}, {"runs", required_argument, NULL, 'n'},
		{"trace", no_argument, NULL, 't'}, {"steps", no_argument, NULL, 'p'}, {"pairs", no_argument, NULL, 'a'},
		{"state", required_argument, NULL, 'f'}, {"no-shrink", no_argument, NULL, 'k'}, {"faults", required_argument, NULL, 'F'},
		{"list", no_argument, NULL, 'l'}, {"inputs", required_argument, NULL, 0}, {"sources", required_argument, NULL, 1},
		{"targets", required_argument, NULL, 2}, {"rules", required_argument, NULL, 3}, {0}};
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 's')
			arguments->run.seed = number_of(optarg, 0, UINT64_MAX);
		else if (option == 'n')
			arguments->runs = number_of(optarg, 1, UINT64_MAX);
		else if (option == 't')
			arguments->run.trace = true;
		else if (option == 'p')
			arguments->steps = true;
		else if (option == 'a')
			arguments->pairs = true;
		else if (option == 'k')
			arguments->keep = true;
		else if (option == 'f')
			arguments->state = optarg;
		else if (option == 'F' && !sim_parse_faults(optarg, &arguments->run.faults))
			exit(2);
		else if (option == 'l')
			exit((list_faults(), 0));
		else if (option < SIM_LIMITS)
			arguments->run.most[option] = (uint32_t)number_of(optarg, 1, UINT32_MAX);
		else if (option == '?')
			exit((fputs(usage, stderr), 2));
	}
	if (optind < argc)
		exit((fputs(usage, stderr), 2));
}

static bool run_seed(const struct arguments *arguments)
{
	if (sigsetjmp(before_abort, 1) == 0)
		return sim_run(&world, &arguments->run);
	printf("seed %" PRIu64 " step %u: the engine stopped itself\n", world.seed, world.inputs);
	sim_print_trace(&world);
	return false;
}

/* How many of the seeds were clean. */
static uint64_t run_seeds(struct arguments *arguments, struct sim_soak *soak, uint64_t *out_hash)
{
	for (uint64_t done = 0; done < arguments->runs; done++) {
		if (interrupted || !run_seed(arguments))
			return done;
		*out_hash = sim_mix(*out_hash, world.hash);
		soak->next = ++arguments->run.seed;
		soak->clean++;
		soak->inputs += world.facts_given;
		if (arguments->steps)
			printf("seed %" PRIu64 " steps %u hash %016" PRIx64 "\n", world.seed, world.inputs, world.hash);
		if (arguments->state != NULL && soak->clean % SAVE_EVERY == 0 && !sim_soak_save(arguments->state, soak))
			exit(2);
	}
	return arguments->runs;
}

static void report(const struct arguments *arguments, const struct sim_soak *soak, uint64_t done, uint64_t hash)
{
	uint64_t cpu_ms = (uint64_t)clock() * 1000 / CLOCKS_PER_SEC;
	printf("seeds %" PRIu64 " inputs %" PRIu64 " hash %016" PRIx64 "\n", done, tally.inputs, hash);
	sim_print_tally(&tally);
	if (cpu_ms > 100 && !arguments->steps) /* not where two outputs are compared */
		printf("%" PRIu64 " seeds a minute of CPU\n", done * 60000 / cpu_ms);
	if (arguments->pairs)
		sim_print_pairs(&tally);
	if (arguments->state != NULL)
		printf("so far: %" PRIu64 " seeds clean, %" PRIu64 " inputs, the next is seed %" PRIu64 "\n", soak->clean, soak->inputs,
			soak->next);
}

int main(int argc, char **argv)
{
	struct arguments arguments = {.runs = 1, .run = {.seed = 1, .faults = UINT64_MAX, .tally = &tally}};
	struct sim_soak soak = {0};
	uint64_t hash = 0;
	for (uint32_t i = 0; i < SIM_LIMITS; i++)
		arguments.run.most[i] = UINT32_MAX;
	read_arguments(argc, argv, &arguments);
	soak.next = arguments.run.seed;
	if (arguments.state != NULL && !sim_soak_load(arguments.state, &soak))
		return 2;
	arguments.run.seed = soak.next;
	signal(SIGABRT, on_abort);
	if (arguments.state != NULL) {
		signal(SIGINT, on_interrupt);
		signal(SIGTERM, on_interrupt);
	}
	uint64_t done = run_seeds(&arguments, &soak, &hash);
	if (arguments.state != NULL && !sim_soak_save(arguments.state, &soak))
		return 2;
	if (done == arguments.runs || interrupted)
		return report(&arguments, &soak, done, hash), 0;
	if (!arguments.keep)
		sim_shrink(&world, &arguments.run);
	return 1;
}
