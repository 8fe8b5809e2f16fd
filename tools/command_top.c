/* SPDX-License-Identifier: Apache-2.0
 *
 * command_top.c - `turnout top`: a running bus, live: what comes in and goes out a second, and where it stands.
 *
 * Asks the admin socket for the status each interval and shows the difference. On a terminal it paints over itself with
 * plain ANSI; else it prints a block an interval. SIGINT and SIGTERM end it.
 */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin_client.h"
#include "arguments.h"
#include "command.h"
#include "member.h"
#include "target_text.h"

enum { PATIENCE_S = 10, SHORTEST_MS = 100, LONGEST_MS = 3600000 };

static volatile sig_atomic_t ended; /* set by a signal: the one thing that a handler may touch */

static void on_signal(int number)
{
	ended = 1;
}

/* --- Two looks at the bus --- */

struct looks {
	json_t *before, *now;
	double seconds; /* between them, by the bus's own clock */
	bool terminal;
};

/* A second, between the looks. A counter that went back belongs to a bus that was started anew. */
static double rate(const struct looks *looks, const json_t *before, const json_t *now, const char *name)
{
	long long change = tn_member_number(now, name) - tn_member_number(before, name);
	return change > 0 && before ? (double)change / looks->seconds : 0;
}

static const json_t *named(const json_t *list, const char *name)
{
	size_t i;
	const json_t *each;
	json_array_foreach(list, i, each) if (strcmp(tn_member_text(each, "name"), name) == 0) return each;
	return NULL;
}

/* --- Painting --- */

/* On a terminal what stood behind it is wiped out. */
static void end_line(const struct looks *looks)
{
	fputs(looks->terminal ? "\x1b[K\n" : "\n", stdout);
}

static void print_summary(const struct looks *looks)
{
	const json_t *now = looks->now, *books = json_object_get(now, "books"),
	             *before = json_object_get(looks->before, "books");
	const json_t *hand = json_object_get(books, "in_hand"), *store = json_object_get(now, "store"),
	             *memory = json_object_get(now, "memory");
	char first[24], second[24];
	printf("%s  %s since %s", tn_member_text(now, "bus"), tn_member_text(now, "phase"),
	        tn_member_text(now, "started"));
	end_line(looks);
	printf("a second   in %.1f  delivered %.1f  retried %.1f  parked %.1f  dead %.1f",
	        rate(looks, before, books, "accepted"), rate(looks, before, books, "delivered"),
	        rate(looks, before, books, "retried"), rate(looks, before, books, "parks"),
	        rate(looks, before, books, "dead"));
	end_line(looks);
	printf("in hand    pending %lld  in flight %lld  backoff %lld  parking %lld  burying %lld",
	        tn_member_number(hand, "pending"), tn_member_number(hand, "inflight"),
	        tn_member_number(hand, "backoff"), tn_member_number(hand, "parking"),
	        tn_member_number(hand, "burying"));
	if (json_object_get(now, "oldest_in_hand_ms"))
		printf("; oldest unsettled %.1f s", (double)tn_member_number(now, "oldest_in_hand_ms") / 1000);
	end_line(looks);
	printf("memory     in hand %s of %s",
	        tn_target_text_size((uint64_t)tn_member_number(memory, "in_hand_bytes"), first),
	        tn_target_text_size((uint64_t)tn_member_number(memory, "max_bytes"), second));
	printf("; process %s", tn_target_text_size((uint64_t)tn_member_number(memory, "resident_bytes"), first));
	end_line(looks);
	printf("store      open %lld  tried %lld  parked %lld  dead %lld; %s of %s%s", tn_member_number(store, "open"),
	        tn_member_number(store, "tried"), tn_member_number(store, "parked"), tn_member_number(store, "dead"),
	        tn_target_text_size((uint64_t)tn_member_number(store, "used_bytes"), first),
	        tn_target_text_size((uint64_t)tn_member_number(store, "max_bytes"), second),
	        json_is_true(json_object_get(store, "nearly_full")) ? "  NEARLY FULL" : "");
	end_line(looks);
}

static void print_breaker(const json_t *target)
{
	const json_t *breaker = json_object_get(target, "breaker");
	printf("  %s", tn_member_text(breaker, "state"));
	if (strcmp(tn_member_text(breaker, "state"), "closed") != 0)
		printf(" by %s", tn_member_text(breaker, "code"));
	if (json_object_get(target, "paused_until"))
		printf("; paused by %s", tn_member_text(target, "paused_by"));
	if (json_object_get(target, "park_full"))
		printf("; park full");
	if (json_is_true(json_object_get(target, "removed")))
		printf("; removed");
}

static void print_targets(const struct looks *looks)
{
	size_t i;
	const json_t *now, *old = json_object_get(looks->before, "targets");
	end_line(looks);
	printf("%-24s %11s %9s %9s %9s %12s %10s %8s  %s", "TARGET", "IN FLIGHT", "PENDING", "BACKOFF", "PARKED",
	        "DELIVERED/S", "RETRIED/S", "DEAD/S", "BREAKER");
	end_line(looks);
	json_array_foreach(json_object_get(looks->now, "targets"), i, now)
	{
		const json_t *before = named(old, tn_member_text(now, "name"));
		char in_flight[48];
		snprintf(in_flight, sizeof in_flight, "%lld/%lld", tn_member_number(now, "in_flight"),
		        tn_member_number(now, "limit"));
		printf("%-24.24s %11s %9lld %9lld %9lld %12.1f %10.1f %8.1f", tn_member_text(now, "name"), in_flight,
		        tn_member_number(now, "pending"), tn_member_number(now, "backoff"),
		        tn_member_number(now, "parked"), rate(looks, before, now, "delivered"),
		        rate(looks, before, now, "retried"), rate(looks, before, now, "dead"));
		print_breaker(now);
		end_line(looks);
	}
}

static void print_sources(const struct looks *looks)
{
	size_t i;
	const json_t *now, *old = json_object_get(looks->before, "sources");
	end_line(looks);
	printf("%-24s %11s %9s %12s %12s", "SOURCE", "KIND", "STATE", "MESSAGES/S", "REFUSED/S");
	end_line(looks);
	json_array_foreach(json_object_get(looks->now, "sources"), i, now)
	{
		const json_t *before = named(old, tn_member_text(now, "name"));
		printf("%-24.24s %11s %9s %12.1f %12.1f", tn_member_text(now, "name"), tn_member_text(now, "kind"),
		        json_is_true(json_object_get(now, "open")) ? "open" : "closed",
		        rate(looks, before, now, "messages"), rate(looks, before, now, "refused"));
		end_line(looks);
	}
}

static void paint(const struct looks *looks)
{
	if (looks->terminal)
		fputs("\x1b[H", stdout); /* home; each line wipes what stood behind it, and the end what stood below */
	print_summary(looks);
	print_targets(looks);
	print_sources(looks);
	if (looks->terminal)
		fputs("\x1b[J", stdout);
	else
		putchar('\n');
	fflush(stdout);
}

/* --- Asking --- */

static enum tn_status look(const char *socket, json_t **out_status, struct tn_error *error)
{
	struct tn_buf answer = {0};
	long code = 0;
	enum tn_status status = tn_admin_client_call(socket, "/status", NULL, PATIENCE_S, &answer, &code, error);
	json_t *root = status == TN_OK && code == 200 ? json_loadb(answer.bytes, answer.len, 0, NULL) : NULL;
	if (status == TN_OK && !root) {
		tn_error_set(error, "the bus answered %ld: %.*s", code, (int)(answer.len > 300 ? 300 : answer.len),
		        answer.bytes);
		status = TN_IO;
	}
	tn_buf_fini(&answer);
	if (root)
		*out_status = root;
	return status;
}

static void pause_for(int64_t interval_ms)
{
	struct timespec wait = {
	        .tv_sec = (time_t)(interval_ms / 1000), .tv_nsec = (long)(interval_ms % 1000) * 1000000};
	if (!ended)
		nanosleep(&wait, NULL); /* a signal ends it early, and then everything */
}

static int watch(const char *socket, int64_t interval_ms, bool once)
{
	struct tn_error error = {0};
	struct looks looks = {.terminal = !once && isatty(STDOUT_FILENO)};
	enum tn_status status = look(socket, &looks.before, &error);
	if (looks.terminal && status == TN_OK)
		fputs("\x1b[2J", stdout);
	for (bool more = true; more && status == TN_OK && !ended; more = !once && !ferror(stdout)) {
		pause_for(interval_ms);
		if (ended || (status = look(socket, &looks.now, &error)) != TN_OK)
			break;
		double passed_ms =
		        (double)(tn_member_number(looks.now, "now_ms") - tn_member_number(looks.before, "now_ms"));
		looks.seconds = passed_ms > 1 ? passed_ms / 1000 : 0.001;
		paint(&looks);
		json_decref(looks.before);
		looks.before = looks.now;
		looks.now = NULL;
	}
	json_decref(looks.before);
	return status == TN_OK ? TN_EXIT_GOOD : tn_command_complain(&tn_command_top, &error);
}

static int run(int argc, char **argv)
{
	const char *file = "turnout.yaml";
	bool once = false;
	int64_t interval_ms = 1000;
	const struct tn_argument table[] = {
	        {"--config", 'c', TN_ARGUMENT_TEXT, &file},
	        {"--interval", 'i', TN_ARGUMENT_TIME, &interval_ms},
	        {"--once", 0, TN_ARGUMENT_FLAG, &once},
	        {0},
	};
	struct tn_error error = {0};
	struct tn_config *config;
	char socket[300];
	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	if (argc > 1 || interval_ms < SHORTEST_MS || interval_ms > LONGEST_MS) {
		tn_error_set(&error, argc > 1 ? "it takes no arguments but options" : "--interval is 100ms to 1h");
		return tn_command_complain(&tn_command_top, &error);
	}
	if (tn_config_read(file, &config, &error) != TN_OK)
		return tn_command_complain(&tn_command_top, &error);
	enum tn_status found = tn_admin_client_find(config, socket, sizeof socket);
	if (found != TN_OK)
		tn_error_set(&error, "no bus is running on the store %s", config->store_path.bytes);
	tn_config_free(config);
	if (found != TN_OK)
		return tn_command_complain(&tn_command_top, &error);
	struct sigaction action = {.sa_handler = on_signal};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return watch(socket, interval_ms, once);
}

const struct tn_tool tn_command_top = {
        .name = "top",
        .summary = "a running bus, live: rates, targets, sources",
        .usage = "top [-c turnout.yaml] [--interval 1s] [--once]",
        .help = "Asks the running bus through the admin socket beside its store, each interval, and shows what "
                "happened since. On a terminal\n"
                "it refreshes in place until ctrl-c; else it prints a block each time.\n\n"
                "  -c, --config FILE     the configuration [turnout.yaml]\n"
                "  -i, --interval TIME   100ms to 1h [1s]\n"
                "      --once            one block, measured over one interval\n\n"
                "Exit codes: 0 it was ended; 2 no bus is running, or it went away.\n",
        .run = run,
};
