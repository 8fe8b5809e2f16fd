/* SPDX-License-Identifier: Apache-2.0
 *
 * command_bench.c - `turnout bench NAME`: finds the measurement.
 */
#include <stdio.h>
#include <string.h>
#include "arguments.h"
#include "bench.h"
#include "command.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} benches[] = {
        {"http", tn_bench_http_main},
        {"match", tn_bench_match_main},
        {"engine", tn_bench_engine_main},
};

#define BENCH_COUNT (sizeof(benches) / sizeof(benches[0]))

static int complain(const char *name)
{
	const char *names[BENCH_COUNT + 1] = {0};
	const char *meant;

	for (size_t i = 0; i < BENCH_COUNT; i++)
		names[i] = benches[i].name;
	meant = name ? tn_arguments_suggest(name, names) : NULL;
	if (name)
		fprintf(stderr, "turnout bench: there is no measurement '%s'", name);
	else
		fputs("turnout bench: say what to measure", stderr);
	fputs(meant ? "; did you mean " : ":", stderr);
	for (size_t i = 0; !meant && names[i]; i++)
		fprintf(stderr, " %s", names[i]);
	fprintf(stderr, "%s%s\n", meant ? meant : "", meant ? "?" : "");
	return TN_EXIT_UNUSABLE;
}

static int bench_main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < BENCH_COUNT; i++)
		if (strcmp(argv[1], benches[i].name) == 0)
			return benches[i].run(argc - 1, argv + 1);
	return complain(argv[1]);
}

const struct tn_tool tn_command_bench = {
        .name = "bench",
        .summary = "repeatable measurements, side by side in one run",
        .usage = "bench http [--seconds N] [--connections N] [--rules N] [--ordering KEYS] [--dedup on|off|both] [--json]\n"
                 "bench match [--seconds N] [--rules N] [--size BYTES] [--json]\n"
                 "bench engine [DELIVERIES] [--ordering KEYS]",
        .help = "bench http: events through the real bus (modes sync and durable), and through HAProxy beside it, from "
                "one load\n"
                "generator to one receiver. Lost, duplicate and reordered events are counted by sequence number and "
                "come first.\n"
                "HAProxy is the yardstick: install it with 'apt-get install haproxy'.\n"
                "\n"
                "      --seconds N       length of each run [3]\n"
                "      --size BYTES      of an event's data [1024]\n"
                "      --connections N   only with so many connections [1 and 64]\n"
                "      --rules N         only with so many rules [1 and 1000]\n"
                "      --ordering KEYS   to a target that orders by key, events with so many keys\n"
                "      --dedup on|off|both   with idempotency keys, as HTTP sources have them unless told otherwise [off]\n"
                "      --dir DIR         where the stores are made [a new folder in /tmp]\n"
                "      --json            one JSON object a line\n"
                "\n"
                "Columns: events/s at saturation, until the last was delivered; CPU seconds of the process for a "
                "million events;\n"
                "events per CPU second compared with HAProxy's; p50 and p99 of the time from due to received at half "
                "that rate,\n"
                "less the same without anything in between.\n"
                "\n"
                "bench match: events of 1 KB against 1 to 1,000 rules, beside asking each pattern alone; both must "
                "find the same.\n"
                "\n"
                "bench engine: deliveries a second that the delivery engine alone decides on one core, without any "
                "I/O.\n"
                "\n"
                "Exit code: 0 measured, 1 events were lost or duplicated, 2 it could not run.\n",
        .run = bench_main,
};
