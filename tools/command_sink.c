/* SPDX-License-Identifier: Apache-2.0
 *
 * command_sink.c - `turnout sink`: receives events as a function would, prints one line for each, fails as it was told
 * to.
 *
 * For trying rules and retry policies without writing a function, and for the tests that count what arrived. The HTTP
 * side is http_server.h; which events came before is in event_tally.c.
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "arguments.h"
#include "command.h"
#include "event_tally.h"
#include "turnout/clock.h"
#include "turnout/http_server.h"
#include "turnout/json.h"
#include "turnout/random.h"
#include "turnout/wire.h"

#define HEADER_LIMIT (512u << 10) /* above what a bus that takes 64 KiB of attributes may send, percent-encoded */
#define BODY_LIMIT (32u << 20)

struct sink {
	struct event_base *base;
	const char *listen, *log_path;
	double fail, retry_after_rate;
	uint64_t status, fail_first, seed, stop_after;
	int64_t retry_after_ms, delay_ms;
	bool json, bodies, quiet;
	struct tn_random random;
	struct tn_event_tally tally;
	FILE *log;
	uint64_t requests, events, distinct, accepted, failed, duplicates, not_events; /* accepted: different ones */
};

struct waiting { /* a request whose answer is delayed */
	struct sink *sink;
	struct tn_http_request *request;
	struct event *timer;
	int status;
	int64_t retry_after_ms;
};

/* --- What is answered --- */

/* True for about so many of all calls, the same ones for the same seed. */
static bool draw(struct sink *sink, double rate)
{
	return rate > 0 && (double)(tn_random_next(&sink->random) >> 11) * 0x1p-53 < rate;
}

static bool must_fail(struct sink *sink, const struct tn_event_tally_row *row)
{
	return (row && row->attempts <= sink->fail_first) || draw(sink, sink->fail);
}

static void send_answer(struct sink *sink, struct tn_http_request *request, int status, int64_t retry_after_ms)
{
	char seconds[24];
	struct tn_header header = {TN_STR("Retry-After"), {0}, TN_STRING};

	snprintf(seconds, sizeof(seconds), "%" PRId64, (retry_after_ms + 999) / 1000);
	header.value = tn_str_from(seconds);
	tn_http_reply(request, status, &header, retry_after_ms > 0 ? 1 : 0, tn_str_from(""));
	if (sink->stop_after > 0 && sink->accepted >= sink->stop_after)
		event_base_loopexit(sink->base, NULL);
}

static void on_delay_over(evutil_socket_t fd, short what, void *arg)
{
	struct waiting *waiting = arg;

	tn_http_request_set_user(waiting->request, NULL);
	send_answer(waiting->sink, waiting->request, waiting->status, waiting->retry_after_ms);
	event_free(waiting->timer);
	free(waiting);
}

static void on_gone(void *arg, struct tn_http_request *request)
{
	struct waiting *waiting = tn_http_request_user(request);

	(void)arg;
	if (!waiting)
		return;
	event_free(waiting->timer);
	free(waiting);
}

static void answer(struct sink *sink, struct tn_http_request *request, int status, int64_t retry_after_ms)
{
	struct timeval delay = {sink->delay_ms / 1000, (suseconds_t)(sink->delay_ms % 1000 * 1000)};
	struct waiting *waiting;

	if (sink->delay_ms == 0) {
		send_answer(sink, request, status, retry_after_ms);
		return;
	}
	waiting = malloc(sizeof(*waiting));
	if (!waiting)
		abort();
	*waiting = (struct waiting){
	        sink, request, evtimer_new(sink->base, on_delay_over, waiting), status, retry_after_ms};
	if (!waiting->timer)
		abort();
	tn_http_request_set_user(request, waiting);
	evtimer_add(waiting->timer, &delay);
}

/* --- What is printed --- */

struct line { /* facts of one event in one request */
	struct tn_str id, source, type, sequence, key, attempt;
	const struct tn_event *event; /* NULL: the request was no CloudEvent */
	int status;
	bool duplicate; /* accepted before, and now again */
};

static void add_member(struct tn_buf *out, const char *name, struct tn_str value)
{
	if (!value.bytes)
		return;
	tn_buf_addf(out, ",\"%s\":", name);
	tn_json_quote(out, value);
}

static void format_json(const struct sink *sink, const struct line *line, struct tn_buf *out)
{
	char time[TN_TIME_TEXT_SIZE];

	tn_buf_addf(out, "{\"time\":\"%s\"", tn_clock_format(tn_clock_wall_ms(&tn_clock_system), time));
	add_member(out, "id", line->id);
	add_member(out, "source", line->source);
	add_member(out, "type", line->type);
	add_member(out, "sequence", line->sequence);
	add_member(out, "key", line->key);
	add_member(out, "attempt", line->attempt);
	tn_buf_addf(out, ",\"status\":%d,\"duplicate\":%s", line->status, line->duplicate ? "true" : "false");
	if (sink->bodies && line->event) {
		tn_buf_add_text(out, ",\"event\":");
		tn_event_to_json(line->event, out);
	}
	tn_buf_add_text(out, "}\n");
}

static void format_text(const struct sink *sink, const struct line *line, struct tn_buf *out)
{
	tn_buf_addf(out, "%.*s  %.*s  key=%.*s attempt=%.*s -> %d%s", TN_STR_ARG(line->id), TN_STR_ARG(line->type),
	        TN_STR_ARG(line->key), TN_STR_ARG(line->attempt), line->status, line->duplicate ? "  DUPLICATE" : "");
	if (sink->bodies && line->event) {
		tn_buf_add_text(out, "  ");
		tn_event_to_json(line->event, out);
	}
	tn_buf_add_byte(out, '\n');
}

/* One write a line and no buffer after it: whoever reads the log sees all that was answered. */
static void print_line(struct sink *sink, const struct line *line)
{
	struct tn_buf text = {0};

	if (sink->log) {
		format_json(sink, line, &text);
		fwrite(text.bytes, 1, text.len, sink->log);
		fflush(sink->log);
	}
	if (!sink->quiet) {
		tn_buf_clear(&text);
		(sink->json ? format_json : format_text)(sink, line, &text);
		fwrite(text.bytes, 1, text.len, stdout);
		fflush(stdout);
	}
	tn_buf_fini(&text);
}

/* --- Receiving --- */

/* The key without its quotes (a structured-field string), as a person compares it. */
static struct tn_str idempotency_key(const struct tn_http_request *request)
{
	return tn_str_trim(tn_http_request_header(request, "Idempotency-Key"), "\" ");
}

static struct tn_id name_event(const struct line *line)
{
	const struct tn_str parts[] = {line->key, line->source, line->id};

	return tn_id_hash(parts, 3);
}

static struct line describe(const struct tn_http_request *request, const struct tn_event *event)
{
	const struct tn_attribute *sequence = event ? tn_event_find(event, TN_STR("sequence")) : NULL;

	return (struct line){
	        .id = event ? tn_event_core(event, TN_CORE_ID) : TN_STR("-"),
	        .source = event ? tn_event_core(event, TN_CORE_SOURCE) : TN_STR("-"),
	        .type = event ? tn_event_core(event, TN_CORE_TYPE) : TN_STR("(not a CloudEvent)"),
	        .sequence = sequence ? sequence->value : (struct tn_str){0},
	        .key = idempotency_key(request),
	        .attempt = tn_http_request_header(request, "Turnout-Attempt"),
	        .event = event,
	};
}

static void take_event(
        struct sink *sink, const struct tn_http_request *request, const struct tn_event *event, int *status)
{
	struct line line = describe(request, event);
	struct tn_id name = name_event(&line);
	struct tn_event_tally_row *row = event ? tn_event_tally_find(&sink->tally, &name) : NULL;

	sink->events++;
	if (row)
		sink->distinct += row->attempts++ == 0;
	if (*status == 200 && must_fail(sink, row))
		*status = (int)sink->status; /* a batch is answered as one: the first failure decides */
	line.status = *status;
	if (*status < 300 && row) {
		line.duplicate = row->accepted++ > 0;
		sink->accepted += !line.duplicate;
	}
	sink->failed += *status >= 300;
	sink->duplicates += line.duplicate;
	print_line(sink, &line);
}

static void on_request(void *arg, struct tn_http_request *request)
{
	struct sink *sink = arg;
	const struct tn_wire_limits limits = {.batch_events = 10000, .json_depth = 256};
	struct tn_wire_input input = {.has_body = true, .body = tn_http_request_body(request)};
	struct tn_decoded decoded = {0};
	struct tn_wire_error error;
	int status = 200;
	int64_t retry_after_ms = 0;

	sink->requests++;
	input.headers = tn_http_request_headers(request, &input.header_count);
	input.accepted_ms = tn_clock_wall_ms(&tn_clock_system);
	if (tn_wire_decode(&tn_wire_http, &input, &limits, &decoded, &error) != TN_OK) {
		sink->not_events++;
		fprintf(stderr, "turnout sink: a request was no CloudEvent: %s\n", error.message);
		tn_http_reply_problem(request, tn_wire_fault_status(error.fault), 0, error.message, tn_str_from(""));
		return;
	}
	for (size_t i = 0; i < decoded.count; i++)
		take_event(sink, request, decoded.events[i], &status);
	if (decoded.mode == TN_MODE_PLAIN)
		take_event(sink, request, NULL, &status);
	if (status >= 300 && draw(sink, sink->retry_after_rate))
		retry_after_ms = sink->retry_after_ms;
	tn_decoded_fini(&decoded);
	answer(sink, request, status, retry_after_ms);
}

/* --- The command --- */

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	event_base_loopexit(arg, NULL);
}

static void print_summary(const struct sink *sink)
{
	FILE *out = sink->json ? stdout : stderr;

	if (sink->json)
		fprintf(out,
		        "{\"summary\":{\"requests\":%" PRIu64 ",\"events\":%" PRIu64 ",\"distinct\":%" PRIu64
		        ",\"failed\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"not_events\":%" PRIu64 "}}\n",
		        sink->requests, sink->events, sink->distinct, sink->failed, sink->duplicates, sink->not_events);
	else
		fprintf(out,
		        "%" PRIu64 " requests: %" PRIu64 " events, %" PRIu64 " different ones; %" PRIu64
		        " answered %" PRIu64 "; %" PRIu64 " duplicates; %" PRIu64 " not CloudEvents\n",
		        sink->requests, sink->events, sink->distinct, sink->failed, sink->status, sink->duplicates,
		        sink->not_events);
}

static int serve(struct sink *sink)
{
	const struct tn_http_server_options options = {.listen = sink->listen,
	        .limits = {.header_bytes = HEADER_LIMIT, .body_bytes = BODY_LIMIT},
	        .ops = {.on_request = on_request, .on_gone = on_gone},
	        .arg = sink};
	struct event *interrupt = evsignal_new(sink->base, SIGINT, on_signal, sink->base);
	struct event *terminate = evsignal_new(sink->base, SIGTERM, on_signal, sink->base);
	struct tn_http_server *server = NULL;
	struct tn_error error = {0};
	enum tn_status status;

	if (!interrupt || !terminate)
		abort();
	event_add(interrupt, NULL);
	event_add(terminate, NULL);
	status = tn_http_server_new(sink->base, &options, &server, &error);
	if (status == TN_OK) {
		fprintf(stderr, "turnout sink: listening on %s\n", tn_http_server_address(server));
		event_base_dispatch(sink->base);
		tn_http_server_free(server);
		print_summary(sink);
	} else {
		fprintf(stderr, "turnout sink: %s\n", error.message);
	}
	event_free(interrupt);
	event_free(terminate);
	return status == TN_OK ? TN_EXIT_GOOD : TN_EXIT_UNUSABLE;
}

static bool parse_arguments(struct sink *sink, int argc, char **argv)
{
	const struct tn_argument table[] = {
	        {"--listen", 'l', TN_ARGUMENT_TEXT, &sink->listen},
	        {"--fail", 0, TN_ARGUMENT_FRACTION, &sink->fail},
	        {"--fail-first", 0, TN_ARGUMENT_COUNT, &sink->fail_first},
	        {"--status", 0, TN_ARGUMENT_COUNT, &sink->status},
	        {"--retry-after", 0, TN_ARGUMENT_TIME, &sink->retry_after_ms},
	        {"--retry-after-rate", 0, TN_ARGUMENT_FRACTION, &sink->retry_after_rate},
	        {"--delay", 0, TN_ARGUMENT_TIME, &sink->delay_ms},
	        {"--seed", 0, TN_ARGUMENT_COUNT, &sink->seed},
	        {"--stop-after", 0, TN_ARGUMENT_COUNT, &sink->stop_after},
	        {"--log", 0, TN_ARGUMENT_TEXT, &sink->log_path},
	        {"--bodies", 0, TN_ARGUMENT_FLAG, &sink->bodies},
	        {"--quiet", 'q', TN_ARGUMENT_FLAG, &sink->quiet},
	        {"--json", 0, TN_ARGUMENT_FLAG, &sink->json},
	        {0},
	};

	if (!tn_arguments_parse(table, &argc, argv))
		return false;
	if (argc > 1)
		fprintf(stderr, "turnout sink: '%s' is not an option; an address goes after --listen\n", argv[1]);
	else if (sink->status < 300 || sink->status > 599)
		fputs("turnout sink: --status is 300 to 599\n", stderr);
	else if (sink->delay_ms > 3600000)
		fputs("turnout sink: --delay is at most 60m\n", stderr);
	else
		return true;
	return false;
}

static int sink_main(int argc, char **argv)
{
	struct sink sink = {.listen = "127.0.0.1:8090", .status = 503, .retry_after_rate = 1, .seed = tn_seed_random()};
	int exit_code;

	if (!parse_arguments(&sink, argc, argv))
		return TN_EXIT_UNUSABLE;
	sink.random.state = sink.seed;
	if (sink.log_path && !(sink.log = fopen(sink.log_path, "ae"))) {
		fprintf(stderr, "turnout sink: cannot open %s: %s\n", sink.log_path, strerror(errno));
		return TN_EXIT_UNUSABLE;
	}
	sink.base = event_base_new();
	if (!sink.base)
		abort();
	exit_code = serve(&sink);
	event_base_free(sink.base);
	tn_event_tally_fini(&sink.tally);
	if (sink.log && fclose(sink.log) != 0) {
		fprintf(stderr, "turnout sink: cannot write %s: %s\n", sink.log_path, strerror(errno));
		exit_code = TN_EXIT_UNUSABLE;
	}
	return exit_code;
}

const struct tn_tool tn_command_sink = {
        .name = "sink",
        .summary = "receive events as a function would, with scripted failures",
        .usage = "sink [--listen ADDRESS:PORT] [options]",
        .help = "Answers 200 to every CloudEvent and prints a line for it: id, type, Idempotency-Key, attempt, status "
                "answered.\n"
                "\n"
                "  -l, --listen A:P          where to listen [127.0.0.1:8090; port 0: any, it is printed]\n"
                "Failing:\n"
                "      --fail RATE           fail so many of all attempts: 0.1 or 10%\n"
                "      --fail-first N        fail the first N attempts of each event\n"
                "      --status CODE         what failing answers [503]\n"
                "      --retry-after TIME    failures say Retry-After (whole seconds)\n"
                "      --retry-after-rate R  only so many of them [1]\n"
                "      --delay TIME          answer only after so long\n"
                "      --seed N              the same seed fails the same attempts [random]\n"
                "Telling:\n"
                "      --log FILE            append a JSON line an event, before it is answered\n"
                "      --bodies              lines carry the event too\n"
                "      --json                print JSON lines, and the summary as JSON\n"
                "  -q, --quiet               print no lines, only the summary\n"
                "      --stop-after N        end once N different events were answered 200\n"
                "\n"
                "  turnout sink --listen 127.0.0.1:9001 --fail-first 2\n"
                "  turnout sink --fail 10% --retry-after 1s --retry-after-rate 0.3\n",
        .run = sink_main,
};
