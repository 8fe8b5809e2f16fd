/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_match.c - nanoseconds to match one event against 1, 100 and 1,000 rules. Prints, asserts nothing; run by hand.
 *
 *   bench_match [milliseconds for each row]
 *
 * type: each rule wants another type, one of them the event's. prefix: the same by how the type begins. both: another type, and a number
 * in data. numeric: all want the event's kind of type, and numbers in data tell them apart. arrays: two fields within the elements of a
 * 200-element array. none: as type, but no rule wants the event's. bridge: as both, in the EventBridge view.
 */
#include <stdio.h>
#include <stdlib.h>

#include "turnout/clock.h"
#include "turnout/ruleset.h"
#include "turnout/wire.h"

enum { BATCH = 64 };

static struct tn_ruleset *make_rules(const char *pattern, unsigned count)
{
	struct tn_ruleset_config config = {.any_target = true};
	struct tn_ruleset *ruleset = NULL;
	struct tn_error error = {0};
	struct tn_buf text = {0};
	tn_buf_add_text(&text, "{\"rules\":[");
	for (unsigned i = 0; i < count; i++) {
		tn_buf_addf(&text, "%s\n{\"name\":\"r%u\",\"targets\":[\"t\"],\"pattern\":", i ? "," : "", i);
		for (const char *at = pattern; *at; at++)
			if (*at == '#')
				tn_buf_addf(&text, "%u", i);
			else
				tn_buf_add_byte(&text, *at);
		tn_buf_add_byte(&text, '}');
	}
	tn_buf_add_text(&text, "]}");
	if (tn_ruleset_compile(tn_buf_str(&text), "bench", &config, &ruleset, &error) != TN_OK) {
		fprintf(stderr, "%u:%u: %s\n", error.line, error.column, error.message);
		exit(2);
	}
	tn_buf_fini(&text);
	return ruleset;
}

static struct tn_event *make_event(bool array)
{
	struct tn_event *event = NULL;
	struct tn_wire_error error;
	struct tn_buf json = {0};
	tn_buf_add_text(&json, "{\"specversion\":\"1.0\",\"id\":\"A234-1234-1234\",\"source\":\"/shop/eu\",\"type\":\"order.type-0.created\","
		"\"subject\":\"4711\",\"time\":\"2026-05-01T12:00:00Z\",\"data\":{\"customer\":{\"id\":\"c-1\",\"name\":\"Anna Doe\","
		"\"tags\":[\"a\",\"b\",\"c\"]},\"total\":1250.75,\"items\":[");
	for (int i = 0; i < (array ? 200 : 2); i++)
		tn_buf_addf(&json, "%s{\"sku\":\"s-%d\",\"n\":%d}", i ? "," : "", i, i);
	tn_buf_add_text(&json, "]}}");
	if (tn_event_from_json(tn_buf_str(&json), 0, &event, &error) != TN_OK)
		exit(2);
	tn_buf_fini(&json);
	return event;
}

static void measure(const char *name, const char *pattern, unsigned rules, bool array, int64_t limit_ms)
{
	struct tn_ruleset *ruleset = make_rules(pattern, rules);
	struct tn_event *event = make_event(array);
	struct tn_matcher *matcher = tn_matcher_new();
	struct tn_identity identity = {.bus = TN_STR("bench")};
	size_t capacity = tn_ruleset_route_count(ruleset), count = 0;
	struct tn_match *matches = calloc(capacity, sizeof *matches);
	uint64_t events = 0;
	int64_t start = tn_clock_mono_ms(&tn_clock_system), now;
	do {
		for (int i = 0; i < BATCH; i++)
			if (tn_ruleset_match(ruleset, matcher, event, &identity, matches, capacity, &count) != TN_OK)
				exit(2);
		events += BATCH;
		now = tn_clock_mono_ms(&tn_clock_system);
	} while (now - start < limit_ms);
	printf("%-8s %5u rules  %3zu matched  %10.0f ns/event\n", name, rules, count, (double)(now - start) * 1e6 / (double)events);
	free(matches);
	tn_matcher_free(matcher);
	tn_event_unref(event);
	tn_ruleset_unref(ruleset);
}

int main(int argc, char **argv)
{
	static const unsigned sizes[] = {1, 100, 1000};
	int64_t limit_ms = argc > 1 ? atoll(argv[1]) : 300;
	for (size_t i = 0; i < 3; i++) {
		measure("type", "{\"type\":[\"order.type-#.created\"]}", sizes[i], false, limit_ms);
		measure("prefix", "{\"type\":[{\"prefix\":\"order.type-#.\"}]}", sizes[i], false, limit_ms);
		measure("both", "{\"type\":[\"order.type-#.created\"],\"data\":{\"total\":[{\"numeric\":[\">\",1e3]}]}}", sizes[i], false,
			limit_ms);
		measure("bridge", "{\"detail-type\":[\"order.type-#.created\"],\"detail\":{\"total\":[{\"numeric\":[\">\",1e3]}]}}", sizes[i],
			false, limit_ms);
		measure("none", "{\"type\":[\"other.type-#.created\"],\"data\":{\"total\":[{\"numeric\":[\">\",1e3]}]}}", sizes[i], false,
			limit_ms);
		measure("numeric", "{\"type\":[{\"prefix\":\"order.\"}],\"data\":{\"total\":[{\"numeric\":[\">\",#e3]}]}}", sizes[i], false,
			limit_ms);
		measure("arrays", "{\"data\":{\"items\":{\"sku\":[\"s-#\"],\"n\":[1]}}}", sizes[i], true, limit_ms);
	}
	return 0;
}
