/* SPDX-License-Identifier: Apache-2.0
 *
 * trace.c - what happened: a hash over all of it, and the last steps in words.
 */
#include <inttypes.h>
#include <stdio.h>

#include "world.h"

uint64_t sim_mix(uint64_t hash, uint64_t value)
{
	hash ^= value;
	hash *= 0x100000001b3u;
	return hash ^ (hash >> 29);
}

static void print_step(uint64_t number, const struct sim_trace *step)
{
	static const char *const facts[] = {"tick", "offer", "result", "ready", "stored", "applied", "read", "page", "stream",
		"reload", "move", "drain", "crash", "row", "command", "claimed", "operator", "txn"};
	static const char *const commands[] = {"START", "CANCEL", "ACK", "EXTEND", "RELEASE", "CREDIT", "STREAM_DONE", "STORE",
		"SCAN", "ROOM", "DRAINED", "CLAIM", "MOVED", "TXN_COMMIT", "TXN_ABORT"};
	printf("%6" PRIu64 "  %10" PRId64 " ms  %-8s", number, step->now_ms, facts[step->fact]);
	if (step->fact == SIM_COMMAND)
		printf("%-12s", commands[step->detail]);
	else
		printf("%-12u", step->detail);
	printf("%" PRId64 " %" PRId64 "\n", step->a, step->b);
}

void sim_say(struct world *world, enum sim_fact fact, uint32_t detail, int64_t a, int64_t b)
{
	struct sim_trace step = {.fact = (uint8_t)fact, .detail = (uint8_t)detail, .now_ms = world->now_ms, .a = a, .b = b};
	sim_tally_fact(world, fact, detail, a, b);
	world->hash = sim_mix(world->hash, ((uint64_t)fact << 32) | detail);
	world->hash = sim_mix(world->hash, (uint64_t)world->now_ms);
	world->hash = sim_mix(world->hash, (uint64_t)a);
	world->hash = sim_mix(world->hash, (uint64_t)b);
	world->kept[world->trace_count++ % TRACE_KEPT] = step;
	if (world->trace)
		print_step(world->trace_count, &step);
}

void sim_print_trace(const struct world *world)
{
	uint64_t from = world->trace_count > TRACE_KEPT ? world->trace_count - TRACE_KEPT : 0;
	for (uint64_t i = from; i < world->trace_count; i++)
		print_step(i + 1, &world->kept[i % TRACE_KEPT]);
}
