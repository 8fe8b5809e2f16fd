/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_match.c - `turnout bench match`: what it costs to match an event against many rules, beside asking each pattern
 * alone.
 *
 * Called by command_bench.c. The ruleset is the one that routes; the yardstick, in the same run, is the plain matcher
 * of pattern.c, pattern by pattern. Both must find the same, or the measurement fails.
 */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "arguments.h"
#include "command.h"
#include "load.h"
#include "turnout/pattern.h"
#include "turnout/ruleset.h"
#include "turnout/wire.h"

#define RULES_LIMIT 100000
#define EVENTS 64

struct bench {
	uint64_t rules, seconds, size;
	bool json;
	struct tn_ruleset *ruleset;
	struct tn_matcher *matcher;
	struct tn_match *matches;
	struct tn_pattern **patterns;
	struct tn_buf texts[EVENTS];
	struct tn_event *events[EVENTS];
	double compile_ms;
};

/* Of every ten rules: values, prefixes, numbers and what is not, as people write them. Rule i takes region r<i>. */
static void write_pattern(uint64_t number, struct tn_buf *out)
{
	tn_buf_addf(out, "{\"type\":[\"order.created\"],\"data\":{\"region\":[\"r%" PRIu64 "\"]", number);
	switch (number % 4) {
	case 1:
		tn_buf_add_text(out, ",\"total\":[{\"numeric\":[\">\",100,\"<=\",5000]}]");
		break;
	case 2:
		tn_buf_add_text(out, ",\"sku\":[{\"prefix\":\"a-\"}]");
		break;
	case 3:
		tn_buf_add_text(out, ",\"state\":[{\"anything-but\":[\"draft\",\"void\"]}]");
		break;
	}
	tn_buf_add_text(out, "}}");
}

/* Half of the events match one rule, half match none. */
static void write_event(const struct bench *bench, uint64_t number, struct tn_buf *out)
{
	uint64_t region = number * 7919 % bench->rules;
	size_t start = out->len;

	tn_buf_addf(out,
	        "{\"specversion\":\"1.0\",\"id\":\"e%" PRIu64 "\",\"source\":\"/bench\",\"type\":\"order.%s\",", number,
	        number % 2 ? "created" : "changed");
	tn_buf_addf(out,
	        "\"data\":{\"region\":\"r%" PRIu64 "\",\"total\":1200,\"sku\":\"a-17\",\"state\":\"open\",\"note\":\"",
	        region);
	while (out->len - start + 3 < bench->size)
		tn_buf_add_byte(out, 'x');
	tn_buf_add_text(out, "\"}}");
}

static enum tn_status compile_rules(struct bench *bench, struct tn_error *error)
{
	const struct tn_ruleset_config config = {.any_target = true, .revision = 1};
	struct tn_buf text = {0};
	int64_t start_us = tn_load_now_us();
	enum tn_status status;

	tn_buf_add_text(&text, "rules:\n");
	for (uint64_t i = 0; i < bench->rules; i++) {
		tn_buf_addf(&text, "  - {name: rule-%" PRIu64 ", targets: [there], pattern: ", i);
		write_pattern(i, &text);
		tn_buf_add_text(&text, "}\n");
	}
	status = tn_ruleset_compile(tn_buf_str(&text), "bench.yaml", &config, &bench->ruleset, error);
	bench->compile_ms = (double)(tn_load_now_us() - start_us) / 1e3;
	tn_buf_fini(&text);
	return status;
}

static enum tn_status compile_patterns(struct bench *bench, struct tn_error *error)
{
	struct tn_buf text = {0};
	enum tn_status status = TN_OK;

	for (uint64_t i = 0; status == TN_OK && i < bench->rules; i++) {
		struct tn_pattern_error wrong;

		tn_buf_clear(&text);
		write_pattern(i, &text);
		status = tn_pattern_compile(tn_buf_str(&text), NULL, &bench->patterns[i], &wrong);
		if (status != TN_OK)
			tn_error_set(error, "pattern %" PRIu64 ": %s", i, wrong.message);
	}
	tn_buf_fini(&text);
	return status;
}

static enum tn_status make_events(struct bench *bench, struct tn_error *error)
{
	for (uint64_t i = 0; i < EVENTS; i++) {
		struct tn_wire_error fault;

		write_event(bench, i, &bench->texts[i]);
		if (tn_event_from_json(tn_buf_str(&bench->texts[i]), 0, &bench->events[i], &fault) != TN_OK) {
			tn_error_set(error, "event %" PRIu64 ": %s", i, fault.message);
			return TN_INVALID;
		}
	}
	return TN_OK;
}

/* --- The two ways; each answers how many rules took event number i --- */

static size_t match_ruleset(struct bench *bench, uint64_t i)
{
	const struct tn_identity identity = {.bus = TN_STR("bench")};
	size_t count = 0;

	if (tn_ruleset_match(bench->ruleset, bench->matcher, bench->events[i], &identity, bench->matches,
	            tn_ruleset_route_count(bench->ruleset), &count) != TN_OK)
		return SIZE_MAX;
	return count;
}

static size_t match_plainly(struct bench *bench, uint64_t i)
{
	size_t count = 0;

	for (uint64_t rule = 0; rule < bench->rules; rule++) {
		bool match = false;
		size_t at;

		if (tn_pattern_match(bench->patterns[rule], tn_buf_str(&bench->texts[i]), &match, &at) != TN_OK)
			return SIZE_MAX;
		count += match;
	}
	return count;
}

static bool agree(struct bench *bench)
{
	for (uint64_t i = 0; i < EVENTS; i++)
		if (match_ruleset(bench, i) != match_plainly(bench, i) || match_ruleset(bench, i) != i % 2)
			return false;
	return true;
}

/* Nanoseconds an event, over so many seconds. */
static double measure(struct bench *bench, size_t (*match)(struct bench *bench, uint64_t i))
{
	int64_t start_us = tn_load_now_us();
	int64_t now_us = start_us;
	uint64_t done = 0;

	while (now_us - start_us < (int64_t)bench->seconds * 1000000) {
		for (uint64_t i = 0; i < EVENTS; i++)
			match(bench, i);
		done += EVENTS;
		now_us = tn_load_now_us();
	}
	return (double)(now_us - start_us) * 1e3 / (double)done;
}

static void print_row(const struct bench *bench, double ruleset_ns, double plain_ns)
{
	if (bench->json)
		printf("{\"rules\":%" PRIu64
		       ",\"compile_ms\":%.1f,\"ns_per_event\":%.0f,\"events_per_s\":%.0f,\"plain_ns_per_event\":%.0f"
		       ",\"times_faster\":%.2f}\n",
		        bench->rules, bench->compile_ms, ruleset_ns, 1e9 / ruleset_ns, plain_ns, plain_ns / ruleset_ns);
	else
		printf("%8" PRIu64 " %12.1f %12.0f %12.0f %14.0f %8.1fx\n", bench->rules, bench->compile_ms, ruleset_ns,
		        1e9 / ruleset_ns, plain_ns, plain_ns / ruleset_ns);
	fflush(stdout);
}

static void release(struct bench *bench)
{
	for (uint64_t i = 0; i < EVENTS; i++) {
		tn_event_unref(bench->events[i]);
		tn_buf_fini(&bench->texts[i]);
	}
	for (uint64_t i = 0; bench->patterns && i < bench->rules; i++)
		tn_pattern_free(bench->patterns[i]);
	free(bench->patterns);
	free(bench->matches);
	tn_matcher_free(bench->matcher);
	tn_ruleset_unref(bench->ruleset);
}

static int run(struct bench bench)
{
	struct tn_error error = {0};
	enum tn_status status;

	bench.patterns = calloc(bench.rules, sizeof(struct tn_pattern *));
	bench.matcher = tn_matcher_new();
	if (!bench.patterns)
		abort();
	status = compile_rules(&bench, &error);
	if (status == TN_OK)
		status = compile_patterns(&bench, &error);
	if (status == TN_OK)
		status = make_events(&bench, &error);
	if (status == TN_OK) {
		bench.matches = calloc(tn_ruleset_route_count(bench.ruleset) + 1, sizeof(*bench.matches));
		if (!bench.matches)
			abort();
		if (agree(&bench)) {
			print_row(&bench, measure(&bench, match_ruleset), measure(&bench, match_plainly));
		} else {
			tn_error_set(&error, "the ruleset and the plain matcher disagree with %" PRIu64 " rules",
			        bench.rules);
			status = TN_INVALID;
		}
	}
	if (status != TN_OK)
		fprintf(stderr, "turnout bench match: %s\n", error.message);
	release(&bench);
	return status == TN_OK ? TN_EXIT_GOOD : TN_EXIT_FINDINGS;
}

int tn_bench_match_main(int argc, char **argv)
{
	static const uint64_t sizes[] = {1, 10, 100, 1000};
	struct bench bench = {.seconds = 1, .size = 1024};
	const struct tn_argument table[] = {
	        {"--rules", 0, TN_ARGUMENT_COUNT, &bench.rules},
	        {"--seconds", 0, TN_ARGUMENT_COUNT, &bench.seconds},
	        {"--size", 0, TN_ARGUMENT_COUNT, &bench.size},
	        {"--json", 0, TN_ARGUMENT_FLAG, &bench.json},
	        {0},
	};
	int exit_code = TN_EXIT_GOOD;

	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	if (argc > 1 || bench.rules > RULES_LIMIT || bench.seconds < 1 || bench.seconds > 600 || bench.size > 65536) {
		fprintf(stderr, "turnout bench match: at most %d rules, 600 seconds, 65536 bytes\n", RULES_LIMIT);
		return TN_EXIT_UNUSABLE;
	}
	if (!bench.json)
		printf("%8s %12s %12s %12s %14s %9s\n", "rules", "compile ms", "ns/event", "events/s", "plain ns/event",
		        "faster");
	if (bench.rules > 0)
		return run(bench);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && exit_code == TN_EXIT_GOOD; i++) {
		bench.rules = sizes[i];
		exit_code = run(bench);
	}
	return exit_code;
}
