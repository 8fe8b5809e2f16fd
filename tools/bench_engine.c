/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_engine.c - `turnout bench engine`: how many deliveries a second the engine alone decides on one core.
 *
 * No I/O: a small world answers every command at once or a turn later. Each event goes to every target, a tenth of the answers are
 * RETRY, and about 10,000 deliveries are in hand. Depends on the engine, events and base only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arguments.h"
#include "bench.h"
#include "turnout/engine.h"
#include "turnout/random.h"

enum { IN_HAND = 10000, MAX_TARGETS = 4, ANSWERS_MAX = 16384, OFFERS_A_TURN = 512 };

struct world {
	struct tn_engine *engine;
	struct tn_event *event;
	struct tn_policy policy;
	struct tn_route routes[MAX_TARGETS];
	struct tn_match matches[MAX_TARGETS];
	struct tn_random random;
	uint32_t targets;
	uint64_t keys;                     /* ordering by so many; 0: none */
	uint64_t tokens[ANSWERS_MAX];
	uint32_t token_count;
	uint64_t batch;
	uint64_t offered, acked;
	int64_t now_ms;
	size_t allocated_bytes, peak_bytes;
};

static void *count_resize(void *arg, void *old, size_t old_size, size_t size)
{
	struct world *world = arg;
	world->allocated_bytes += size - old_size;
	if (world->allocated_bytes > world->peak_bytes)
		world->peak_bytes = world->allocated_bytes;
	return tn_alloc_system.resize(NULL, old, old_size, size);
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool set_up(struct world *world, uint32_t targets, uint64_t keys)
{
	static const char *const names[MAX_TARGETS] = {"one", "two", "three", "four"};
	struct tn_target_limits limits[MAX_TARGETS];
	struct tn_engine_config config = tn_engine_config_default;
	struct tn_attribute attributes[] = {{TN_STR("id"), TN_STR("1"), TN_STRING}, {TN_STR("source"), TN_STR("/bench"), TN_STRING},
		{TN_STR("type"), TN_STR("bench"), TN_STRING}};
	struct tn_event_parts parts = {.attributes = attributes, .attribute_count = 3};
	memset(world, 0, sizeof(*world));
	world->targets = targets;
	world->keys = keys;
	world->random.state = 1;
	world->event = tn_event_new(&parts);
	world->policy = (struct tn_policy){.system = {.base_ms = 2, .cap_ms = 8, .mult = 2, .max_retries = 100}, .max_age_ms = 3600000};
	config.window = 1000000;
	for (uint32_t i = 0; i < targets; i++) {
		limits[i] = (struct tn_target_limits){.name = tn_str_from(names[i]), .target_no = i + 1, .max_in_flight = 4096,
			.timeout_ms = 60000, .park_rows = 100000};
		world->routes[i] = (struct tn_route){.rule = TN_STR("rule"), .target = tn_str_from(names[i]), .target_no = i + 1,
			.policy = &world->policy};
		world->routes[i].ordered = limits[i].ordered = keys > 0;
		world->matches[i].route = &world->routes[i];
	}
	struct tn_target_table table = {.targets = limits, .count = targets};
	struct tn_alloc alloc = {count_resize, world};
	return tn_engine_new(&config, alloc, 1, 0, &world->engine) == TN_OK && tn_engine_reload(world->engine, &table) == TN_OK &&
	       tn_engine_stream(world->engine, (struct tn_position){.source = 1}, TN_STREAM_OPENED, 0) == TN_OK;
}

static void tear_down(struct world *world)
{
	tn_engine_free(world->engine);
	tn_event_unref(world->event);
}

static uint64_t in_hand(const struct world *world)
{
	const struct tn_books *books = tn_engine_books(world->engine);
	return books->pending + books->backoff + books->inflight + books->parking + books->burying;
}

static void offer(struct world *world)
{
	for (uint32_t i = 0; i < world->targets; i++) {
		uint64_t words[2] = {tn_random_next(&world->random), world->offered};
		memcpy(world->matches[i].id.bytes, words, sizeof(words));
		uint64_t lane[2] = {i + 1, world->keys > 0 ? words[0] % world->keys * 0x9e3779b97f4a7c15u : 0};
		if (world->keys > 0)
			memcpy(world->matches[i].lane.bytes, lane, sizeof(lane));
	}
	struct tn_offer one = {.event = world->event, .matches = world->matches, .match_count = world->targets};
	struct tn_arrival arrival = {.position = {.source = 1, .low = ++world->offered}, .offers = &one, .count = 1};
	if (tn_engine_offer(world->engine, &arrival) != TN_OK)
		abort();
}

static void answer_all(struct world *world)
{
	static const struct tn_outcome delivered = {.verdict = TN_DELIVERED};
	static const struct tn_outcome retry = {.verdict = TN_RETRY, .status = 503, .code = "HTTP_503"};
	for (uint32_t i = 0; i < world->token_count; i++) {
		bool fails = tn_random_upto(&world->random, 9) == 0;
		struct tn_result result = {.token = world->tokens[i], .count = 1, .outcomes = fails ? &retry : &delivered};
		tn_engine_result(world->engine, &result);
	}
	world->token_count = 0;
	if (world->batch != 0)
		tn_engine_stored(world->engine, world->batch, TN_COMMIT_OK);
	world->batch = 0;
}

static void obey(struct world *world)
{
	struct tn_command command;
	while (tn_engine_next(world->engine, &command)) {
		if (command.kind == TN_START)
			world->tokens[world->token_count++] = command.token;
		else if (command.kind == TN_STORE)
			world->batch = command.batch->number;
		else if (command.kind == TN_ACK)
			world->acked++;
	}
}

static void turn(struct world *world)
{
	tn_engine_tick(world->engine, ++world->now_ms);
	answer_all(world);
	uint64_t wanted = in_hand(world) < IN_HAND ? (IN_HAND - in_hand(world)) / world->targets : 0;
	for (uint64_t i = 0; i < wanted; i++)
		offer(world);
	obey(world);
}

static void report(const struct world *world, double took_s, uint64_t deliveries, size_t bytes)
{
	printf("%7u  %12.0f  %9.0f  %11zu  %10" PRIu64 "\n", world->targets, (double)deliveries / took_s,
		took_s * 1e9 / (double)deliveries, bytes, tn_engine_books(world->engine)->retried);
}

static int measure(uint32_t targets, uint64_t keys, uint64_t deliveries)
{
	static struct world world;
	if (!set_up(&world, targets, keys))
		return 2;
	size_t empty_bytes = world.allocated_bytes;
	while (in_hand(&world) < IN_HAND - targets)
		turn(&world);
	size_t bytes = (world.allocated_bytes - empty_bytes) / (size_t)in_hand(&world);
	for (int i = 0; i < 200; i++)
		turn(&world);
	uint64_t before = tn_engine_books(world.engine)->delivered;
	double start_s = seconds();
	while (tn_engine_books(world.engine)->delivered - before < deliveries)
		turn(&world);
	double took_s = seconds() - start_s;
	report(&world, took_s, tn_engine_books(world.engine)->delivered - before, bytes);
	bool closed = tn_books_closed(tn_engine_books(world.engine));
	tear_down(&world);
	if (!closed)
		fputs("turnout bench engine: the books do not close\n", stderr);
	return closed ? 0 : 1;
}

int tn_bench_engine_main(int argc, char **argv)
{
	uint64_t keys = 0;
	const struct tn_argument table[] = {{"--ordering", 0, TN_ARGUMENT_COUNT, &keys}, {0}};
	if (!tn_arguments_parse(table, &argc, argv))
		return 2;
	uint64_t deliveries = argc > 1 ? strtoull(argv[1], NULL, 10) : 3000000;
	if (deliveries == 0) {
		fputs("turnout bench engine: say how many deliveries, as 3000000\n", stderr);
		return 2;
	}
	puts("targets  deliveries/s  ns/each    bytes/each     retried");
	int worst = 0;
	for (uint32_t targets = 1; targets <= MAX_TARGETS; targets *= MAX_TARGETS) {
		int code = measure(targets, keys, deliveries);
		worst = code > worst ? code : worst;
	}
	return worst;
}
