/* SPDX-License-Identifier: Apache-2.0
 *
 * target_text.c - one target of `turnout status` for a person: what it does, what is wrong with it, and what to do about that.
 *
 * Called by command_status.c and command_target.c with what the bus answered. Each "!" line is one thing that keeps deliveries from going
 * on, with the command that looks at it or ends it.
 */
#include "target_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "member.h"
#include "turnout/clock.h"
#include "turnout/str.h"

const char *tn_target_text_size(uint64_t bytes, char out[24])
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;
	for (; value >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
		value /= 1024;
	if (bytes < 1024)
		snprintf(out, 24, "%" PRIu64 " B", bytes);
	else
		snprintf(out, 24, "%.*f %s", value < 10 ? 1 : 0, value, units[unit]);
	return out;
}

const char *tn_target_text_suggest(const struct tn_config *config, const char *name, char out[160])
{
	char **names = calloc(config->target_count + 1, sizeof *names);
	if (!names)
		abort();
	for (size_t i = 0; i < config->target_count; i++)
		if (!(names[i] = strndup(config->targets[i].name.bytes, config->targets[i].name.len)))
			abort();
	const char *meant = tn_arguments_suggest(name, (const char *const *)names);
	out[0] = '\0';
	if (meant)
		snprintf(out, 160, " (did you mean %.130s?)", meant);
	for (size_t i = 0; i < config->target_count; i++)
		free(names[i]);
	free(names);
	return out;
}

/* --- What is wrong --- */

static void print_wrong(const char *what)
{
	printf("         ! %s", what);
}

/* A command to type: with the configuration it takes unless that is the default. */
static void print_command(const char *words, const char *name, const char *file)
{
	printf("turnout %s %s", words, name);
	if (strcmp(file, "turnout.yaml") != 0)
		printf(" -c %s", file);
	putchar('\n');
}

/* "in 28 s (2026-11-23T19:45:05.663Z)" */
static void print_until(const char *text, int64_t now_ms)
{
	int64_t at_ms;
	if (tn_clock_parse(tn_str_from(text), &at_ms) && at_ms > now_ms)
		printf("in %" PRId64 " s (%s)", (at_ms - now_ms + 999) / 1000, text);
	else
		printf("at once");
}

static void print_breaker(const json_t *target, const char *file, int64_t now_ms)
{
	const json_t *breaker = json_object_get(target, "breaker");
	const char *state = tn_member_text(breaker, "state"), *code = tn_member_text(breaker, "code");
	if (strcmp(state, "half_open") == 0) {
		print_wrong("breaker half open");
		printf(" after %s: one delivery after the other probes it\n", code);
	} else if (strcmp(state, "open") == 0) {
		print_wrong("breaker open");
		printf(" by %s: nothing is sent, what comes waits in the store and loses no attempt\n           ", code);
		if (json_object_get(breaker, "until")) {
			printf("probed ");
			print_until(tn_member_text(breaker, "until"), now_ms);
			printf("; closed at once with: ");
		} else {
			printf("until it is closed with: ");
		}
		print_command("target close", tn_member_text(target, "name"), file);
	}
}

static void print_pause(const json_t *target, int64_t now_ms)
{
	if (!json_object_get(target, "paused_until"))
		return;
	print_wrong("paused");
	printf(" by %s: goes on ", tn_member_text(target, "paused_by"));
	print_until(tn_member_text(target, "paused_until"), now_ms);
	putchar('\n');
}

static void print_rate(const json_t *target)
{
	const json_t *rate = json_object_get(target, "rate");
	json_int_t period_ms = tn_member_number(rate, "period_ms");
	if (!rate || tn_member_number(rate, "tokens") > 0 || tn_member_number(target, "pending") == 0)
		return;
	print_wrong("");
	printf("what is pending waits for its rate, %" JSON_INTEGER_FORMAT "/%s\n", tn_member_number(rate, "count"),
		period_ms == 1000 ? "s" : period_ms == 60000 ? "m" : "h");
}

static void print_budget(const json_t *target)
{
	json_int_t count = tn_member_number(target, "over_retry_budget");
	if (count == 0)
		return;
	print_wrong("");
	printf("%" JSON_INTEGER_FORMAT " of what is pending wait%s for the retry budget: too much of what it gets fails\n", count,
		count == 1 ? "s" : "");
}

static void print_park(const json_t *target)
{
	const json_t *full = json_object_get(target, "park_full");
	char used[24], most[24];
	if (!full)
		return;
	print_wrong("");
	printf("as much is parked as may be (%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT ", %s of %s): %s\n", tn_member_number(target, "parked"),
		tn_member_number(full, "max_parked"), tn_target_text_size((uint64_t)tn_member_number(target, "parked_bytes"), used),
		tn_target_text_size((uint64_t)tn_member_number(full, "max_parked_bytes"), most),
		strcmp(tn_member_text(full, "then"), "dead_letter") == 0 ? "what else fails becomes a dead letter" :
								 "senders of what it should get hear 503");
}

static void print_letters(const json_t *target, const char *file)
{
	const json_t *letters = json_object_get(target, "dead_letters");
	char used[24], most[24];
	if (tn_member_number(letters, "rows") == 0)
		return;
	if (json_is_true(json_object_get(letters, "full"))) {
		print_wrong("paused");
		printf(" by DEAD_LETTERS_FULL (%s of %s) until some were redriven or purged: ",
			tn_target_text_size((uint64_t)tn_member_number(letters, "bytes"), used),
			tn_target_text_size((uint64_t)tn_member_number(letters, "max_bytes"), most));
	} else {
		print_wrong("");
		printf("%" JSON_INTEGER_FORMAT " dead letter%s: ", tn_member_number(letters, "rows"), tn_member_number(letters, "rows") == 1 ? "" : "s");
	}
	print_command("dlq count --target", tn_member_text(target, "name"), file);
}

static void print_lanes(const json_t *target, const char *file)
{
	json_int_t blocked = tn_member_number(json_object_get(target, "lanes"), "blocked");
	if (blocked == 0)
		return;
	print_wrong("");
	printf("%" JSON_INTEGER_FORMAT " key%s blocked by a dead letter: ", blocked, blocked == 1 ? "" : "s");
	print_command("lanes list --target", tn_member_text(target, "name"), file);
}

/* --- The target --- */

void tn_target_text_print(const json_t *target, const char *file, int64_t now_ms)
{
	printf("target   %-16s in flight %" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT ", pending %" JSON_INTEGER_FORMAT
	       ", backoff %" JSON_INTEGER_FORMAT ", parked %" JSON_INTEGER_FORMAT "; delivered %" JSON_INTEGER_FORMAT
	       ", died %" JSON_INTEGER_FORMAT "\n",
		tn_member_text(target, "name"), tn_member_number(target, "in_flight"), tn_member_number(target, "limit"), tn_member_number(target, "pending"),
		tn_member_number(target, "backoff"), tn_member_number(target, "parked"), tn_member_number(target, "delivered"), tn_member_number(target, "dead"));
	if (json_is_true(json_object_get(target, "removed")))
		puts("         ! removed from the configuration: what waits for it becomes dead letters, unless it returns within "
		     "limits.removal_grace");
	print_breaker(target, file, now_ms);
	print_pause(target, now_ms);
	print_rate(target);
	print_budget(target);
	print_park(target);
	print_lanes(target, file);
	print_letters(target, file);
}

void tn_target_text_print_more(const json_t *target)
{
	const json_t *letters = json_object_get(target, "dead_letters"), *breaker = json_object_get(target, "breaker");
	json_int_t opened = tn_member_number(breaker, "opened");
	char used[24], most[24];
	printf("         breaker %s, opened %" JSON_INTEGER_FORMAT " time%s; repeated %" JSON_INTEGER_FORMAT ", dropped %" JSON_INTEGER_FORMAT
	       "\n",
		tn_member_text(breaker, "state"), opened, opened == 1 ? "" : "s", tn_member_number(target, "retried"), tn_member_number(target, "dropped"));
	printf("         dead letters in queue %s: %" JSON_INTEGER_FORMAT ", %s of %s\n", tn_member_text(letters, "queue"),
		tn_member_number(letters, "rows"),
		tn_target_text_size((uint64_t)tn_member_number(letters, "bytes"), used),
		tn_target_text_size((uint64_t)tn_member_number(letters, "max_bytes"), most));
}
