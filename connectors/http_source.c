/* SPDX-License-Identifier: Apache-2.0
 *
 * http_source.c - events that are posted to us: each request is one message, and its answer is the ack.
 *
 * Called by the host through tn_http_source_ops. One instance a worker, each with a listener of its own on the same port; one stream
 * an instance. Owns its server and the requests that wait for an answer, found by their number (position.low). Loop thread of its worker.
 *
 *   headers: 503 draining, 401, 404, 405, 415 - or the body is read
 *   request -> host->message -> JOURNALED 202 | SETTLED 200, 202, 502, 504 | refuse 4xx | release, UNAVAILABLE 503
 *                               DUPLICATE 202, Idempotency-Replayed: true | BUSY 409 | CONFLICT 422
 *
 * While the bus sheds load, whoever comes hears 503 at once. Otherwise, without credit the server is paused: nothing is read, so the senders wait, and at most one request that was read already is kept
 * here. A client that left takes its request with it; what the bus says about it afterwards is for nobody.
 */
#include "http_source.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include "turnout/http_server.h"
#include "turnout/json.h"
#include "turnout/utf8.h"

enum {
	BUCKETS = 1024,
	EPOCH = 1,
	RETRY_AFTER_S = 1,   /* when nobody knows better */
	DRAIN_RETRY_S = 5,   /* about the time of a restart */
	SHED_RETRY_S = 2,    /* it is judged twice a second */
	STOP_MS = 1000,      /* for clients to take their last answers */
	STOP_POLL_MS = 10,
};

struct exchange { /* one request and its number */
	LIST_ENTRY(exchange) link;
	uint64_t number;
	struct tn_http_request *request;
};
LIST_HEAD(exchange_list, exchange);

struct tn_source {
	const struct tn_host *host;
	const struct tn_http_source_options *options;
	struct tn_http_server *server;
	struct ssl_ctx_st *tls;
	struct tn_buf token;              /* empty: anybody may send */
	uint32_t stream;
	uint64_t last_number, credit;
	struct tn_http_request *waiting;  /* the bus was full: kept until credit is called again; nothing is read meanwhile */
	struct exchange_list buckets[BUCKETS], spare;
	bool draining, stopping;
	const char *shed;                 /* why nobody is let in just now; NULL: everybody is */
	uint64_t shed_count;
	struct event stop_event;
	int64_t stop_deadline_ms;
};

/* --- Requests that wait for an answer --- */

static struct exchange *find_exchange(struct tn_source *source, uint64_t number)
{
	struct exchange *exchange;
	LIST_FOREACH(exchange, &source->buckets[number % BUCKETS], link)
		if (exchange->number == number)
			return exchange;
	return NULL;
}

static struct exchange *add_exchange(struct tn_source *source, struct tn_http_request *request)
{
	struct exchange *exchange = LIST_FIRST(&source->spare);
	if (exchange)
		LIST_REMOVE(exchange, link);
	else if (!(exchange = calloc(1, sizeof *exchange)))
		abort();
	exchange->number = ++source->last_number;
	exchange->request = request;
	LIST_INSERT_HEAD(&source->buckets[exchange->number % BUCKETS], exchange, link);
	tn_http_request_set_user(request, exchange);
	return exchange;
}

static void remove_exchange(struct tn_source *source, struct exchange *exchange)
{
	LIST_REMOVE(exchange, link);
	LIST_INSERT_HEAD(&source->spare, exchange, link);
}

/* The request at this position, which is to be answered now; NULL: its client left, or the position is of another life. */
static struct tn_http_request *take_request(struct tn_source *source, struct tn_position position)
{
	struct exchange *exchange = NULL;
	if (position.stream == source->stream && position.epoch == EPOCH)
		exchange = find_exchange(source, position.low);
	if (!exchange)
		return NULL;
	struct tn_http_request *request = exchange->request;
	remove_exchange(source, exchange);
	return request;
}

/* --- What is refused before the body is read --- */

static int refuse_with(struct tn_http_request *request, int status, const char *detail, struct tn_header header, bool close)
{
	struct tn_buf body = {0};
	struct tn_header headers[] = {
		{.name = TN_STR("Content-Type"), .value = TN_STR("application/problem+json")},
		header,
		{.name = TN_STR("Connection"), .value = TN_STR("close")},
	};
	tn_http_problem_text(&body, status, detail, TN_STR(""));
	tn_http_reply(request, status, headers, close ? 3 : 2, tn_buf_str(&body));
	tn_buf_fini(&body);
	return TN_HTTP_ANSWERED;
}

static int refuse_draining(struct tn_http_request *request)
{
	char seconds[8];
	snprintf(seconds, sizeof seconds, "%d", DRAIN_RETRY_S);
	struct tn_header header = {.name = TN_STR("Retry-After"), .value = tn_str_from(seconds)};
	return refuse_with(request, 503, "shutting down", header, true);
}

/* The body was not read: a client that sends it all the same would wait for nothing, so the connection stays for the next try. */
static int refuse_shed(struct tn_source *source, struct tn_http_request *request)
{
	char seconds[8];
	snprintf(seconds, sizeof seconds, "%d", SHED_RETRY_S);
	struct tn_header header = {.name = TN_STR("Retry-After"), .value = tn_str_from(seconds)};
	source->shed_count++;
	return refuse_with(request, 503, source->shed, header, false);
}

static bool is_authorized(const struct tn_source *source, const struct tn_http_request *request)
{
	struct tn_str given = tn_http_request_header(request, "authorization"), wanted = tn_buf_str(&source->token);
	if (!tn_str_starts_nocase(given, TN_STR("Bearer ")))
		return false;
	given = tn_str_trim(tn_str_tail(given, 7), " ");
	/* In constant time: how much of a wrong token was right must not show. */
	bool same_length = given.len == wanted.len;
	return CRYPTO_memcmp(same_length ? given.bytes : wanted.bytes, wanted.bytes, wanted.len) == 0 && same_length;
}

static bool is_batch(const struct tn_http_request *request)
{
	struct tn_wire_input input = {.has_body = true};
	input.headers = tn_http_request_headers(request, &input.header_count);
	return tn_wire_mode(&tn_wire_http, &input) == TN_MODE_BATCHED;
}

static int on_headers(void *arg, struct tn_http_request *request, const char **out_detail)
{
	struct tn_source *source = arg;
	const struct tn_http_source_options *options = source->options;
	if (source->draining)
		return refuse_draining(request);
	if (source->token.len && !is_authorized(source, request)) {
		struct tn_header header = {.name = TN_STR("WWW-Authenticate"), .value = TN_STR("Bearer realm=\"turnout\"")};
		return refuse_with(request, 401, "a bearer token is needed", header, false);
	}
	if (options->path.len && !tn_str_equal(tn_http_request_path(request), options->path)) {
		*out_detail = "events are not taken at this path";
		return 404;
	}
	if (!tn_str_is(tn_http_request_method(request), "POST")) {
		struct tn_header header = {.name = TN_STR("Allow"), .value = TN_STR("POST")};
		return refuse_with(request, 405, "events are posted", header, false);
	}
	if (!options->batch && is_batch(request)) {
		*out_detail = "batches are not taken here";
		return 415;
	}
	if (source->shed)
		return refuse_shed(source, request);
	return 0;
}

/* --- Handing over --- */

static void update_pause(struct tn_source *source)
{
	tn_http_server_pause(source->server, !source->draining && !source->shed && (!source->credit || source->waiting));
}

/* One credit a message; the message is answered by ack, release or refuse, which may come before host->message returns. */
static void hand_over(struct tn_source *source, struct tn_http_request *request)
{
	struct exchange *exchange = add_exchange(source, request);
	uint64_t number = exchange->number;
	size_t header_count;
	struct tn_message message = {
		.position = {.stream = source->stream, .epoch = EPOCH, .low = number},
		.ack_when = source->options->mode == TN_HTTP_SOURCE_SYNC ? TN_ACK_SETTLED : TN_ACK_JOURNALED,
		.headers = tn_http_request_headers(request, &header_count),
		.body = tn_http_request_body(request),
		.has_body = true,
	};
	message.header_count = (uint32_t)header_count;
	source->credit--;
	enum tn_status status = source->host->message(source->host->arg, &message);
	exchange = find_exchange(source, number);
	if (!exchange)
		return;
	if (status == TN_OK) {
		tn_http_request_forget(request);
		return;
	}
	remove_exchange(source, exchange);
	source->credit++;
	if (status == TN_FULL) {
		tn_http_request_set_user(request, NULL);
		source->waiting = request;
	} else {
		tn_http_reply_problem(request, 503, RETRY_AFTER_S, "events are not taken now", TN_STR(""));
	}
}

static void on_request(void *arg, struct tn_http_request *request)
{
	struct tn_source *source = arg;
	if (source->draining) {
		refuse_draining(request);
		return;
	}
	if (source->shed) { /* it came in before */
		refuse_shed(source, request);
		return;
	}
	/* The server is paused while there is no credit, so this is reached with credit. */
	assert(source->credit && !source->waiting);
	hand_over(source, request);
	update_pause(source);
}

static void on_gone(void *arg, struct tn_http_request *request)
{
	struct tn_source *source = arg;
	struct exchange *exchange = tn_http_request_user(request);
	if (request == source->waiting)
		source->waiting = NULL;
	else if (exchange)
		remove_exchange(source, exchange);
}

static void take_credit(struct tn_source *source, uint32_t stream, uint32_t count)
{
	if (stream != source->stream)
		return;
	source->credit += count;
	if (source->waiting && source->credit) {
		struct tn_http_request *request = source->waiting;
		source->waiting = NULL;
		hand_over(source, request);
	}
	update_pause(source);
}

/* --- Answers --- */

static int64_t seconds_of(int64_t ms)
{
	return ms > 1000 ? (ms + 999) / 1000 : RETRY_AFTER_S;
}

static void answer_dead(struct tn_http_request *request, const struct tn_settlement *settlement)
{
	const char *code = settlement->code ? settlement->code : "UNKNOWN";
	struct tn_buf extra = {0};
	tn_buf_add_text(&extra, ",\"code\":");
	tn_json_quote(&extra, tn_str_from(code));
	tn_buf_addf(&extra, ",\"delivered\":%u,\"parked\":%u,\"dead\":%u,\"dropped\":%u", settlement->delivered,
		settlement->parked, settlement->dead, settlement->dropped);
	tn_http_reply_problem(request, strcmp(code, "TIMEOUT") == 0 ? 504 : 502, 0, "a target did not take the event",
		tn_buf_str(&extra));
	tn_buf_fini(&extra);
}

static void answer_settled(struct tn_source *source, struct tn_http_request *request, const struct tn_settlement *settlement)
{
	bool sync = source->options->mode == TN_HTTP_SOURCE_SYNC;
	if (sync && settlement->dead)
		answer_dead(request, settlement);
	else
		tn_http_reply(request, sync && !settlement->parked ? 200 : 202, NULL, 0, TN_STR(""));
}

static void answer_duplicate(struct tn_http_request *request)
{
	struct tn_header header = {.name = TN_STR("Idempotency-Replayed"), .value = TN_STR("true")};
	tn_http_reply(request, 202, &header, 1, TN_STR(""));
}

static void ack(struct tn_source *source, struct tn_position position, const struct tn_settlement *settlement)
{
	struct tn_http_request *request = take_request(source, position);
	if (!request)
		return;
	switch (settlement->answer) {
	case TN_ANSWER_JOURNALED:
		tn_http_reply(request, 202, NULL, 0, TN_STR(""));
		return;
	case TN_ANSWER_SETTLED:
		answer_settled(source, request, settlement);
		return;
	case TN_ANSWER_DUPLICATE:
		answer_duplicate(request);
		return;
	case TN_ANSWER_BUSY:
		tn_http_reply_problem(request, 409, RETRY_AFTER_S, "this event is being delivered just now", TN_STR(""));
		return;
	case TN_ANSWER_CONFLICT:
		tn_http_reply_problem(request, 422, 0, "the idempotency key belongs to an event with another payload", TN_STR(""));
		return;
	case TN_ANSWER_UNAVAILABLE:
		tn_http_reply_problem(request, 503, seconds_of(settlement->retry_after_ms), "the event could not be kept", TN_STR(""));
		return;
	}
}

static void add_text_member(struct tn_buf *extra, const char *name, const char *text)
{
	struct tn_str str = tn_str_from(text);
	if (!str.len)
		return;
	str.len = tn_utf8_check(str);
	tn_buf_addf(extra, ",\"%s\":", name);
	tn_json_quote(extra, str);
}

static void add_number_member(struct tn_buf *extra, const char *name, int64_t number)
{
	if (number >= 0)
		tn_buf_addf(extra, ",\"%s\":%lld", name, (long long)number);
}

static void refuse(struct tn_source *source, struct tn_position position, const struct tn_refusal *refusal)
{
	struct tn_http_request *request = take_request(source, position);
	const struct tn_wire_error *error = refusal->error;
	struct tn_buf extra = {0};
	source->credit++; /* the bus never had it */
	update_pause(source);
	if (!request)
		return;
	if (error) {
		add_text_member(&extra, "error", tn_wire_fault_name(error->fault));
		add_text_member(&extra, "attribute", error->attribute);
		add_number_member(&extra, "index", error->index);
		add_number_member(&extra, "offset", error->offset);
	}
	tn_http_reply_problem(request, refusal->status, refusal->retry_after_ms ? seconds_of(refusal->retry_after_ms) : 0,
		error && error->message[0] ? error->message : NULL, tn_buf_str(&extra));
	tn_buf_fini(&extra);
}

static void extend(struct tn_source *source, struct tn_position position)
{
	/* The client waits as long as it wants to. */
}

static void release(struct tn_source *source, struct tn_position position, int64_t delay_ms)
{
	struct tn_http_request *request = take_request(source, position);
	if (request)
		tn_http_reply_problem(request, 503, seconds_of(delay_ms), "the event was not taken", TN_STR(""));
}

static void stream_done(struct tn_source *source, uint32_t stream, uint32_t epoch)
{
	/* Every ack is its answer: nothing is left to commit. */
}

static size_t describe(const char *stream_name, struct tn_position position, char *out_json, size_t size)
{
	return (size_t)snprintf(out_json, size, "{\"request\":%llu}", (unsigned long long)position.low);
}

static size_t counts(struct tn_source *source, struct tn_source_count *out_counts)
{
	struct tn_http_server_counts now;
	tn_http_server_counts(source->server, &now);
	const struct tn_source_count rows[] = {
		{"accepted", "Connections accepted", now.accepted},
		{"requests", "Requests received whole", now.requests},
		{"bad_requests", "Requests refused because they were not good HTTP", now.bad_requests},
		{"timeouts", "Requests, handshakes and answers given up because the client was too slow", now.timeouts},
		{"gone", "Requests whose client left before its answer", now.gone},
		{"over_limit", "Times that accepting stopped: max_connections and none idle, or no descriptors left", now.over_limit},
		{"idle_closed", "Idle connections closed because another one waited: max_connections", now.idle_closed},
		{"cut_short", "Requests whose client left before they were whole", now.cut_short},
		{"tls_failures", "TLS handshakes that failed", now.tls_failures},
		{"shed", "Requests turned away because there was more than could be done", source->shed_count},
	};
	static_assert(sizeof rows / sizeof *rows <= TN_SOURCE_COUNTS_MAX, "rows for all");
	memcpy(out_counts, rows, sizeof rows);
	return sizeof rows / sizeof *rows;
}

/* --- The end --- */

static void refuse_waiting(struct tn_source *source)
{
	struct tn_http_request *request = source->waiting;
	source->waiting = NULL;
	if (request)
		refuse_draining(request);
}

static void pause_source(struct tn_source *source, bool draining)
{
	if (source->stopping)
		return;
	source->draining = draining;
	if (draining)
		refuse_waiting(source);
	update_pause(source);
}

/* A request that waits for room goes on waiting: it was read before. */
static void shed(struct tn_source *source, const char *why)
{
	if (source->stopping)
		return;
	source->shed = why;
	update_pause(source);
}

static void free_exchanges(struct exchange_list *list)
{
	struct exchange *exchange;
	while ((exchange = LIST_FIRST(list))) {
		LIST_REMOVE(exchange, link);
		free(exchange);
	}
}

static void free_source(struct tn_source *source)
{
	tn_http_server_free(source->server);
	for (size_t i = 0; i < BUCKETS; i++)
		free_exchanges(&source->buckets[i]);
	free_exchanges(&source->spare);
	SSL_CTX_free(source->tls);
	OPENSSL_cleanse(source->token.bytes, source->token.len);
	tn_buf_fini(&source->token);
	free(source);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct tn_source *source = arg;
	const struct tn_host *host = source->host;
	struct timeval delay = {0, STOP_POLL_MS * 1000};
	if (tn_http_server_connections(source->server) && tn_clock_mono_ms(host->clock) < source->stop_deadline_ms) {
		event_add(&source->stop_event, &delay);
		return;
	}
	free_source(source);
	host->stopped(host->arg);
}

/* Clients take their last answers; who still has none when the time is up sees the connection close. */
static void stop(struct tn_source *source)
{
	struct timeval now = {0};
	if (source->stopping)
		return;
	pause_source(source, true);
	source->stopping = true;
	source->stop_deadline_ms = tn_clock_mono_ms(source->host->clock) + STOP_MS;
	tn_http_server_drain(source->server);
	event_assign(&source->stop_event, source->host->base, -1, 0, on_stop, source);
	event_add(&source->stop_event, &now);
}

/* --- The beginning --- */

static enum tn_status read_token(struct tn_source *source, struct tn_error *error)
{
	const struct tn_secret *bearer = &source->options->bearer;
	if (!bearer->reference.len)
		return TN_OK;
	enum tn_status status = tn_secret_read(bearer, &source->token, error);
	if (status == TN_OK && !source->token.len) {
		tn_error_set(error, "auth.bearer %.*s is empty", TN_STR_ARG(bearer->reference));
		return TN_INVALID;
	}
	return status;
}

static enum tn_status read_certificate(struct tn_source *source, struct tn_error *error)
{
	if (!source->options->certificate.len)
		return TN_OK;
	char *certificate = tn_str_dup(source->options->certificate), *key = tn_str_dup(source->options->key);
	enum tn_status status = tn_tls_server_new(certificate, key, &source->tls, error);
	free(certificate);
	free(key);
	return status;
}

/* Senders get half of the process's descriptors at most: with all of them, no target could be reached and no rule file read. */
static uint32_t connection_limit(const struct tn_source *source)
{
	struct rlimit files;
	uint64_t wanted = source->options->max_connections, share;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
		return (uint32_t)wanted;
	share = files.rlim_cur / 2 / source->host->worker_count;
	return (uint32_t)(wanted < share ? wanted : share > 0 ? share : 1);
}

static enum tn_status open_server(struct tn_source *source, struct tn_error *error)
{
	const struct tn_http_source_options *options = source->options;
	char *listen = tn_str_dup(options->listen);
	struct tn_http_server_options server_options = {
		.listen = listen,
		.port = source->host->worker_count == 1 ? TN_HTTP_PORT_OWN : source->host->worker == 0 ? TN_HTTP_PORT_SHARE : TN_HTTP_PORT_JOIN,
		.tls = source->tls,
		.limits = {
			.connections = connection_limit(source),
			.header_bytes = (uint32_t)options->max_header_bytes,
			.body_bytes = options->max_body_bytes,
			.header_ms = options->header_timeout_ms,
			.idle_ms = options->idle_timeout_ms,
			.body_rate = (uint32_t)options->min_body_rate,
		},
		.clock = source->host->clock,
		.ops = {.on_request = on_request, .on_gone = on_gone, .on_headers = on_headers},
		.arg = source,
	};
	enum tn_status status = tn_http_server_new(source->host->base, &server_options, &source->server, error);
	free(listen);
	return status;
}

static enum tn_status open_source(
	const struct tn_host *host, const void *options, struct tn_source **out_source, struct tn_error *error)
{
	struct tn_source *source = calloc(1, sizeof *source);
	if (!source)
		abort();
	source->host = host;
	source->options = options;
	enum tn_status status = read_token(source, error);
	if (status == TN_OK)
		status = read_certificate(source, error);
	if (status == TN_OK)
		status = open_server(source, error);
	if (status != TN_OK) {
		free_source(source);
		return status;
	}
	update_pause(source);
	source->stream = host->stream_open(host->arg, host->name, EPOCH, 0);
	*out_source = source;
	return TN_OK;
}

const struct tn_source_ops tn_http_source_ops = {
	.open = open_source,
	.credit = take_credit,
	.ack = ack,
	.refuse = refuse,
	.extend = extend,
	.release = release,
	.stream_done = stream_done,
	.describe = describe,
	.pause = pause_source,
	.shed = shed,
	.stop = stop,
	.counts = counts,
};
