/* SPDX-License-Identifier: Apache-2.0
 *
 * bench.h - the measurements behind `turnout bench`. Each takes its own arguments, argv[0] being its name, prints its
 * table and answers an exit code (command.h).
 */
#ifndef TURNOUT_TOOLS_BENCH_H
#define TURNOUT_TOOLS_BENCH_H

int tn_bench_http_main(int argc, char **argv);
int tn_bench_match_main(int argc, char **argv);
int tn_bench_engine_main(int argc, char **argv);

#endif
