/* SPDX-License-Identifier: Apache-2.0
 *
 * command_send.c - `turnout send`: sends events to an HTTP endpoint and counts what became of them.
 *
 * Events come from event_feed.c, the requests go out through load.c; this file writes the requests in the mode wanted,
 * and tells a person what happened.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "arguments.h"
#include "command.h"
#include "event_feed.h"
#include "load.h"
#include "turnout/wire.h"

#define CONNECTIONS_LIMIT 10000
#define BATCH_LIMIT 1000
#define COMPLAINTS_MAX 5 /* refusals and bad lines told one by one; the rest is only counted */

struct slot { /* the request under way on one connection */
	struct tn_buf ids; /* one a line */
	uint32_t events;
};

struct send {
	struct tn_event_feed *feed;
	const struct tn_load_url *url;
	struct slot *slots;
	enum tn_mode mode;
	uint64_t batch;
	int ack_log; /* -1: none */
	bool show_progress, terminal;
	int64_t started_us, told_us;
	struct tn_encoded encoded;
	struct tn_buf body; /* of a batch */
	uint64_t events, accepted, refused, unanswered, bad_lines; /* in events */
	uint32_t complaints;
	bool failed; /* the input or the ack log broke */
};

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
	(void)number;
	stop_asked = 1;
}

static void complain(struct send *send, const char *format, ...) TN_PRINTF(2, 3);
static void complain(struct send *send, const char *format, ...)
{
	va_list args;

	if (send->complaints++ >= COMPLAINTS_MAX)
		return;
	fputs("turnout send: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* --- Writing requests --- */

static void write_head(
        const struct send *send, const struct tn_header *headers, size_t count, size_t body_len, struct tn_buf *out)
{
	tn_buf_addf(out, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: turnout/" TN_VERSION "\r\n", send->url->path,
	        send->url->host);
	for (size_t i = 0; i < count; i++) {
		tn_buf_add_str(out, headers[i].name);
		tn_buf_add_text(out, ": ");
		tn_buf_add_str(out, headers[i].value);
		tn_buf_add_text(out, "\r\n");
	}
	tn_buf_addf(out, "Content-Length: %zu\r\n\r\n", body_len);
}

static void write_single(struct send *send, const struct tn_event *event, struct tn_buf *out)
{
	const struct tn_encoded *encoded = &send->encoded;

	tn_wire_encode(&tn_wire_http, event, send->mode, &send->encoded);
	write_head(send, encoded->headers, encoded->header_count, encoded->has_body ? encoded->body.len : 0, out);
	if (encoded->has_body)
		tn_buf_add_str(out, encoded->body);
}

static void write_batch(struct send *send, struct tn_buf *out)
{
	const struct tn_header header = {
	        TN_STR("Content-Type"), TN_STR("application/cloudevents-batch+json"), TN_STRING};

	tn_buf_add_byte(&send->body, ']');
	write_head(send, &header, 1, send->body.len, out);
	tn_buf_add_str(out, tn_buf_str(&send->body));
}

static void remember_id(struct slot *slot, const struct tn_event *event)
{
	tn_buf_add_str(&slot->ids, tn_event_core(event, TN_CORE_ID));
	tn_buf_add_byte(&slot->ids, '\n');
	slot->events++;
}

/* The next event, past lines that are none. */
static enum tn_event_feed_next next_event(struct send *send, struct tn_event **out_event)
{
	struct tn_error error = {0};
	enum tn_event_feed_next next;
	char text[1024];

	while ((next = tn_event_feed_next(send->feed, out_event, &error)) == TN_EVENT_FEED_BAD) {
		send->bad_lines++;
		complain(send, "%s", tn_error_format(&error, text, sizeof(text)));
	}
	if (next == TN_EVENT_FEED_ERROR) {
		send->failed = true;
		fprintf(stderr, "turnout send: %s\n", tn_error_format(&error, text, sizeof(text)));
	}
	return next;
}

static enum tn_load_next on_render(void *arg, uint32_t slot_no, int64_t due_us, struct tn_buf *out)
{
	struct send *send = arg;
	struct slot *slot = &send->slots[slot_no];
	enum tn_event_feed_next next = TN_EVENT_FEED_EVENT;
	struct tn_event *event;

	(void)due_us;
	tn_buf_clear(&slot->ids);
	slot->events = 0;
	tn_buf_clear(&send->body);
	while (slot->events < send->batch && (next = next_event(send, &event)) == TN_EVENT_FEED_EVENT) {
		remember_id(slot, event);
		if (send->mode == TN_MODE_BATCHED) {
			tn_buf_add_byte(&send->body, slot->events == 1 ? '[' : ',');
			tn_event_to_json(event, &send->body);
		} else {
			write_single(send, event, out);
		}
		tn_event_unref(event);
	}
	send->events += slot->events;
	if (slot->events == 0)
		return next == TN_EVENT_FEED_LATER ? TN_LOAD_LATER : TN_LOAD_END;
	if (send->mode == TN_MODE_BATCHED)
		write_batch(send, out);
	return TN_LOAD_READY;
}

/* --- Answers --- */

static void log_accepted(struct send *send, const struct slot *slot)
{
	if (send->ack_log < 0 || write(send->ack_log, slot->ids.bytes, slot->ids.len) == (ssize_t)slot->ids.len)
		return;
	if (!send->failed)
		fprintf(stderr, "turnout send: cannot write the ack log: %s\n", strerror(errno));
	send->failed = true;
}

static void on_settled(void *arg, uint32_t slot_no, int status, struct tn_str body)
{
	struct send *send = arg;
	struct slot *slot = &send->slots[slot_no];
	int id_len = slot->ids.len > 0 ? (int)tn_str_find(tn_buf_str(&slot->ids), '\n') : 0;

	if (status >= 200 && status < 300) {
		send->accepted += slot->events;
		log_accepted(send, slot);
	} else if (status == 0) {
		send->unanswered += slot->events;
	} else {
		send->refused += slot->events;
		complain(send, "event %.*s was refused with %d: %.*s", id_len, slot->ids.bytes, status,
		        TN_STR_ARG(body));
	}
}

static void on_progress(void *arg, const struct tn_load_counts *counts)
{
	struct send *send = arg;
	int64_t now_us = tn_load_now_us();

	if (!send->show_progress || (!send->terminal && now_us - send->told_us < 1000000))
		return;
	send->told_us = now_us;
	fprintf(stderr,
	        "%s%" PRIu64 " accepted, %" PRIu64 " refused, %" PRIu64 " unanswered, %" PRIu64 " repeated, %.1f s%s",
	        send->terminal ? "\r" : "", send->accepted, send->refused, send->unanswered,
	        counts->tries > counts->requests ? counts->tries - counts->requests : 0,
	        (double)(now_us - send->started_us) / 1e6, send->terminal ? "\033[K" : "\n");
}

/* --- The summary --- */

static void print_json(const struct send *send, const struct tn_load_counts *counts, double seconds)
{
	const char *comma = "";

	printf("{\"events\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"unanswered\":%" PRIu64
	       ",\"bad_lines\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"tries\":{\"sent\":%" PRIu64
	       ",\"unanswered\":%" PRIu64 ",\"unreached\":%" PRIu64 "},\"answers\":{",
	        send->events, send->accepted, send->refused, send->unanswered, send->bad_lines, counts->requests,
	        counts->tries, counts->unanswered, counts->unreached);
	for (int status = 0; status < 600; status++) {
		if (counts->answers[status] == 0)
			continue;
		printf("%s\"%d\":%" PRIu64, comma, status, counts->answers[status]);
		comma = ",";
	}
	printf("},\"seconds\":%.6f,\"latency_us\":{\"p50\":%" PRId64 ",\"p99\":%" PRId64 ",\"max\":%" PRId64 "}}\n",
	        seconds, tn_histogram_quantile(&counts->latency, 0.5), tn_histogram_quantile(&counts->latency, 0.99),
	        counts->latency.max_us);
}

static void print_text(const struct send *send, const struct tn_load_counts *counts, double seconds)
{
	printf("sent        %" PRIu64 " events in %.2f s (%.0f/s)\n", send->events, seconds,
	        (double)send->events / seconds);
	printf("accepted    %" PRIu64 "\nrefused     %" PRIu64 "\nunanswered  %" PRIu64 "\n", send->accepted,
	        send->refused, send->unanswered);
	if (send->bad_lines > 0)
		printf("bad lines   %" PRIu64 " (not sent)\n", send->bad_lines);
	fputs("answers    ", stdout);
	for (int status = 0; status < 600; status++)
		if (counts->answers[status] > 0)
			printf(" %d: %" PRIu64, status, counts->answers[status]);
	if (counts->unanswered + counts->unreached > 0)
		printf(" none: %" PRIu64 " not reached: %" PRIu64, counts->unanswered, counts->unreached);
	printf("\nlatency     p50 %.2f ms, p99 %.2f ms, max %.2f ms\n",
	        (double)tn_histogram_quantile(&counts->latency, 0.5) / 1e3,
	        (double)tn_histogram_quantile(&counts->latency, 0.99) / 1e3, (double)counts->latency.max_us / 1e3);
}

/* --- The command --- */

struct arguments {
	struct tn_event_feed_options feed;
	const char *mode, *ack_log;
	uint64_t connections, batch;
	double rate;
	int64_t timeout_ms, give_up_ms;
	bool retry, json, progress;
};

static bool read_mode(const struct arguments *arguments, struct send *send)
{
	static const char *const names[] = {"binary", "structured", "batched", NULL};
	const char *meant;

	for (int i = 0; names[i]; i++) {
		if (strcmp(arguments->mode, names[i]) != 0)
			continue;
		send->mode = (enum tn_mode)i;
		send->batch = send->mode == TN_MODE_BATCHED ? arguments->batch : 1;
		return true;
	}
	meant = tn_arguments_suggest(arguments->mode, names);
	fprintf(stderr, "turnout send: --mode is binary, structured or batched, not '%s'%s%s\n", arguments->mode,
	        meant ? "; did you mean " : "", meant ? meant : "");
	return false;
}

static bool check_ranges(const struct arguments *arguments)
{
	if (arguments->connections < 1 || arguments->connections > CONNECTIONS_LIMIT)
		fprintf(stderr, "turnout send: --connections is 1 to %d\n", CONNECTIONS_LIMIT);
	else if (arguments->batch < 1 || arguments->batch > BATCH_LIMIT)
		fprintf(stderr, "turnout send: --batch is 1 to %d\n", BATCH_LIMIT);
	else if (arguments->timeout_ms < 1 || arguments->give_up_ms < 1)
		fputs("turnout send: --timeout and --give-up are at least 1ms\n", stderr);
	else
		return true;
	return false;
}

static int run_load(struct send *send, const struct arguments *arguments)
{
	struct tn_load_options options = {.url = send->url,
	        .connections = (uint32_t)arguments->connections,
	        .rate = arguments->rate / (double)send->batch,
	        .timeout_ms = arguments->timeout_ms,
	        .retry = arguments->retry,
	        .give_up_ms = arguments->give_up_ms,
	        .wake_fd = tn_event_feed_fd(send->feed),
	        .render = on_render,
	        .settled = on_settled,
	        .progress = on_progress,
	        .arg = send,
	        .stop = &stop_asked};
	struct tn_load_counts counts = {0};
	struct tn_error error = {0};
	enum tn_status status;
	double seconds;

	send->started_us = tn_load_now_us();
	status = tn_load_run(&options, &counts, &error);
	seconds = (double)(tn_load_now_us() - send->started_us) / 1e6;
	if (send->show_progress && send->terminal)
		fputc('\n', stderr);
	/* What was under way when the run broke off got no answer either. */
	send->unanswered = send->events - send->accepted - send->refused;
	if (arguments->json)
		print_json(send, &counts, seconds);
	else
		print_text(send, &counts, seconds);
	if (status != TN_OK)
		fprintf(stderr, "turnout send: %s. Is the bus running, and is this its address?\n", error.message);
	if (status != TN_OK || send->failed)
		return TN_EXIT_UNUSABLE;
	return send->refused + send->unanswered + send->bad_lines > 0 ? TN_EXIT_FINDINGS : TN_EXIT_GOOD;
}

static int run_send(struct send *send, const struct arguments *arguments)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	int exit_code;

	if (arguments->ack_log) {
		send->ack_log = open(arguments->ack_log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (send->ack_log < 0) {
			fprintf(stderr, "turnout send: cannot open %s: %s\n", arguments->ack_log, strerror(errno));
			return TN_EXIT_UNUSABLE;
		}
	}
	send->slots = calloc(arguments->connections, sizeof(*send->slots));
	if (!send->slots)
		abort();
	sigaction(SIGINT, &action, NULL); /* the second one ends it at once */
	sigaction(SIGTERM, &action, NULL);
	exit_code = run_load(send, arguments);
	for (uint64_t i = 0; i < arguments->connections; i++)
		tn_buf_fini(&send->slots[i].ids);
	free(send->slots);
	tn_encoded_fini(&send->encoded);
	tn_buf_fini(&send->body);
	if (send->ack_log >= 0)
		close(send->ack_log);
	return exit_code;
}

static bool parse_arguments(struct arguments *arguments, int *argc, char **argv)
{
	const struct tn_argument table[] = {
	        {"--count", 'n', TN_ARGUMENT_COUNT, &arguments->feed.count},
	        {"--size", 0, TN_ARGUMENT_COUNT, &arguments->feed.size},
	        {"--data", 'd', TN_ARGUMENT_TEXT, &arguments->feed.data},
	        {"--type", 't', TN_ARGUMENT_TEXT, &arguments->feed.type},
	        {"--source", 's', TN_ARGUMENT_TEXT, &arguments->feed.source},
	        {"--id-prefix", 0, TN_ARGUMENT_TEXT, &arguments->feed.id_prefix},
	        {"--mode", 'm', TN_ARGUMENT_TEXT, &arguments->mode},
	        {"--batch", 0, TN_ARGUMENT_COUNT, &arguments->batch},
	        {"--rate", 0, TN_ARGUMENT_FRACTION, &arguments->rate},
	        {"--connections", 'c', TN_ARGUMENT_COUNT, &arguments->connections},
	        {"--timeout", 0, TN_ARGUMENT_TIME, &arguments->timeout_ms},
	        {"--retry", 0, TN_ARGUMENT_FLAG, &arguments->retry},
	        {"--give-up", 0, TN_ARGUMENT_TIME, &arguments->give_up_ms},
	        {"--ack-log", 0, TN_ARGUMENT_TEXT, &arguments->ack_log},
	        {"--progress", 0, TN_ARGUMENT_FLAG, &arguments->progress},
	        {"--json", 0, TN_ARGUMENT_FLAG, &arguments->json},
	        {0},
	};

	if (!tn_arguments_parse(table, argc, argv) || !check_ranges(arguments))
		return false;
	if (*argc < 2 || *argc > 3) {
		fputs("turnout send: say where to: turnout send http://127.0.0.1:8080/ [FILE]\n", stderr);
		return false;
	}
	/* Without a file, options that describe an event ask for made-up ones. */
	arguments->feed.path = argv[2];
	arguments->feed.make =
	        *argc == 2 && (arguments->feed.count > 0 || arguments->feed.data || arguments->feed.type);
	if (arguments->feed.make && arguments->feed.count == 0)
		arguments->feed.count = 1;
	return true;
}

static int send_main(int argc, char **argv)
{
	struct arguments arguments = {
	        .mode = "binary", .connections = 1, .batch = 100, .timeout_ms = 30000, .give_up_ms = 60000};
	struct send send = {.ack_log = -1, .terminal = isatty(STDERR_FILENO)};
	struct tn_load_url url;
	struct tn_error error = {0};
	int exit_code;

	if (!parse_arguments(&arguments, &argc, argv) || !read_mode(&arguments, &send))
		return TN_EXIT_UNUSABLE;
	send.show_progress = arguments.progress || send.terminal;
	send.url = &url;
	if (tn_load_url_parse(argv[1], &url, &error) != TN_OK ||
	        tn_event_feed_new(&arguments.feed, &send.feed, &error) != TN_OK) {
		fprintf(stderr, "turnout send: %s\n", error.message);
		return TN_EXIT_UNUSABLE;
	}
	exit_code = run_send(&send, &arguments);
	tn_event_feed_free(send.feed);
	return exit_code;
}

const struct tn_tool tn_command_send = {
        .name = "send",
        .summary = "send events to an HTTP endpoint, and count the answers",
        .usage = "send URL [FILE|-] [options]\n"
                 "send URL --count N [options]",
        .help = "Reads one CloudEvent (JSON) a line from FILE or standard input, or makes up N of them, posts them to "
                "URL and\n"
                "prints what was answered.\n"
                "\n"
                "Events:\n"
                "  -n, --count N         make up N events (with FILE: send at most N of its lines)\n"
                "      --size BYTES      at least so much data in each made-up event\n"
                "  -d, --data JSON       the data of made-up events\n"
                "  -t, --type TYPE       their type [turnout.test]\n"
                "  -s, --source SOURCE   their source [/turnout/send]\n"
                "      --id-prefix TEXT  their ids are TEXT-0, TEXT-1, ... [random, so that every run sends new "
                "events]\n"
                "Sending:\n"
                "  -m, --mode MODE       binary, structured or batched [binary]\n"
                "      --batch N         events in one batch [100]\n"
                "  -c, --connections N   kept open, one request at a time on each [1]\n"
                "      --rate R          events a second, by the clock [as fast as they are answered]\n"
                "      --timeout TIME    for one answer [30s]\n"
                "      --retry           repeat what got no answer, or 429 or 503, until it gets another (same id: a "
                "duplicate\n"
                "                        can be recognised)\n"
                "      --give-up TIME    with --retry: stop when nothing was accepted for so long [60s]\n"
                "Telling:\n"
                "      --ack-log FILE    append the id of each event answered 2xx, at once\n"
                "      --progress        show progress though standard error is no terminal\n"
                "      --json            the summary as JSON\n"
                "\n"
                "Exit code: 0 all accepted; 1 some refused, unanswered or unreadable; 2 could not be sent.\n"
                "\n"
                "  turnout send http://127.0.0.1:8080/ --type order.created --data '{\"total\":1200}'\n"
                "  turnout send http://127.0.0.1:8080/ events.jsonl --mode structured\n"
                "  turnout send http://127.0.0.1:8080/ --count 100000 --connections 16 --retry\n",
        .run = send_main,
};
