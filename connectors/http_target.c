/* SPDX-License-Identifier: Apache-2.0
 *
 * http_target.c - delivers events to an HTTP endpoint and says what came of it.
 *
 * Called by the host through tn_http_target_ops. One instance a worker, each with an HTTP client of its own; it owns its attempts, which
 * are used again and again. Loop thread of its worker.
 *
 *   deliver -> encode -> sign -> send -> answer -> report -> result
 *                         ^               |
 *                         '-- once: our credential or signature was refused, and a secret reads otherwise now than when it was sent
 *
 * Besides the event a request carries:
 *   Idempotency-Key: "<delivery id>"   the same for every attempt of a delivery, after restarts and redrives too
 *   Turnout-Attempt: <n>               1 for the first
 *   webhook-id, -timestamp, -signature  where it signs (http_signature.h); the id is the delivery's
 *   Prefer: reply                      where events in answers go to the bus (http_reply.h)
 * A request with a batch names its deliveries otherwise (http_batch.h).
 */
#include "http_target.h"

#include "classify.h"
#include "dead_letter.h"
#include "http_batch.h"
#include "http_headers.h"
#include "http_reply.h"
#include "http_report.h"
#include "http_signature.h"
#include "turnout/base64.h"
#include "turnout/http_client.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { REREAD_INTERVAL_MS = 1000, KEY_SIZE = TN_ID_TEXT_SIZE + 2, OWN_HEADERS = 6, KEPT_TEXT = 64 * 1024 };

struct attempt {
	struct attempt *next, *previous; /* under way; the free list uses next alone */
	struct tn_target *target;
	struct tn_http_call *call;
	struct tn_http_headers *fixed;   /* what it was sent with */
	struct tn_event *letter;         /* owned: the event as a dead letter, or NULL */
	const struct tn_attempt *from;   /* the engine's: frozen until the result */
	int64_t deadline_ms;
	uint64_t generation;             /* of the secrets that it was sent with */
	bool again, cancelled;           /* again: sent for the second time */
	struct tn_encoded encoded;
	struct tn_header *headers;       /* encoded, own and fixed ones in a row */
	size_t header_count, header_capacity;
	char id[TN_ID_TEXT_SIZE], key[KEY_SIZE], number[12], timestamp[24], signatures[TN_HTTP_SIGNATURE_TEXT_MAX];
};

struct tn_target {
	const struct tn_host *host;
	const struct tn_http_target_options *options;
	struct tn_address_policy *addresses;
	struct tn_http_client *client;
	struct tn_http_headers *fixed;   /* as read last */
	struct tn_http_signature *signature; /* likewise; NULL: it does not sign */
	uint64_t generation;             /* of fixed and signature: another one when either reads otherwise */
	int64_t reread_ms;               /* not before this the secrets are read again */
	struct tn_classify_overrides overrides;
	char *url;
	struct attempt *first, *free;
	struct event stopping;           /* stop() may be called from within a result, where the client must not be freed */
};

/* --- Attempts --- */

static struct attempt *take_attempt(struct tn_target *target)
{
	struct attempt *attempt = target->free;
	if (attempt) {
		target->free = attempt->next;
	} else if (!(attempt = calloc(1, sizeof *attempt))) {
		abort();
	}
	attempt->target = target;
	attempt->previous = NULL;
	attempt->next = target->first;
	if (attempt->next)
		attempt->next->previous = attempt;
	target->first = attempt;
	return attempt;
}

static void give_attempt(struct attempt *attempt)
{
	struct tn_target *target = attempt->target;
	tn_http_headers_unref(attempt->fixed);
	tn_event_unref(attempt->letter);
	attempt->fixed = NULL;
	attempt->letter = NULL;
	attempt->call = NULL;
	attempt->from = NULL;
	attempt->again = false;
	attempt->cancelled = false;
	if (attempt->encoded.text.capacity > KEPT_TEXT) /* one large batch is no reason to keep so much for ever */
		tn_buf_fini(&attempt->encoded.text);
	*(attempt->previous ? &attempt->previous->next : &target->first) = attempt->next;
	if (attempt->next)
		attempt->next->previous = attempt->previous;
	attempt->next = target->free;
	target->free = attempt;
}

static void free_attempt(struct attempt *attempt)
{
	tn_encoded_fini(&attempt->encoded);
	free(attempt->headers);
	free(attempt);
}

/* --- Sending --- */

static void add_header(struct attempt *attempt, const struct tn_header *header)
{
	attempt->headers[attempt->header_count++] = *header;
}

static void add_own(struct attempt *attempt, const char *name, const char *value)
{
	add_header(attempt, &(struct tn_header){tn_str_from(name), tn_str_from(value), TN_STRING});
}

static struct tn_str body_of(const struct attempt *attempt)
{
	return attempt->encoded.has_body ? attempt->encoded.body : TN_STR("");
}

static void sign(struct attempt *attempt)
{
	struct tn_target *target = attempt->target;
	int64_t now_s = tn_clock_wall_ms(target->host->clock) / 1000;
	snprintf(attempt->timestamp, sizeof attempt->timestamp, "%" PRId64, now_s);
	tn_http_signature_sign(target->signature, tn_str_from(attempt->id), tn_str_from(attempt->timestamp), body_of(attempt),
		attempt->signatures);
}

static bool takes_replies(const struct attempt *attempt)
{
	return attempt->target->options->reply_to_bus && tn_http_reply_expected(attempt->from);
}

static void gather_headers(struct attempt *attempt)
{
	const struct tn_http_headers *fixed = attempt->fixed;
	size_t need = attempt->encoded.header_count + OWN_HEADERS + fixed->count;
	if (need > attempt->header_capacity) {
		attempt->headers = realloc(attempt->headers, need * sizeof *attempt->headers);
		if (!attempt->headers)
			abort();
		attempt->header_capacity = need;
	}
	attempt->header_count = 0;
	for (size_t i = 0; i < attempt->encoded.header_count; i++)
		add_header(attempt, &attempt->encoded.headers[i]);
	if (tn_http_batch_wanted(attempt->from)) {
		add_own(attempt, "content-type", TN_HTTP_BATCH_TYPE);
	} else {
		add_own(attempt, "Idempotency-Key", attempt->key);
		add_own(attempt, "Turnout-Attempt", attempt->number);
	}
	if (takes_replies(attempt))
		add_own(attempt, "Prefer", "reply");
	if (attempt->target->signature) {
		add_own(attempt, "webhook-id", attempt->id);
		add_own(attempt, "webhook-timestamp", attempt->timestamp);
		add_own(attempt, "webhook-signature", attempt->signatures);
	}
	for (size_t i = 0; i < fixed->count; i++)
		add_header(attempt, &fixed->headers[i]);
}

static uint32_t answer_limit(const struct attempt *attempt)
{
	if (tn_http_batch_wanted(attempt->from))
		return tn_http_batch_answer_max(attempt->from->count);
	return takes_replies(attempt) ? TN_HTTP_REPLY_MAX : TN_CLASSIFY_SAMPLE_MAX;
}

static void on_done(void *arg, const struct tn_http_answer *answer);

static void send_request(struct attempt *attempt, int64_t timeout_ms)
{
	struct tn_target *target = attempt->target;
	attempt->fixed = tn_http_headers_ref(target->fixed);
	attempt->generation = target->generation;
	if (target->signature)
		sign(attempt);
	gather_headers(attempt);
	struct tn_http_call_options options = {
		.method = "POST",
		.url = target->url,
		.headers = attempt->headers,
		.header_count = attempt->header_count,
		.body = body_of(attempt),
		.timeout_ms = timeout_ms > 1 ? timeout_ms : 1,
		.body_limit = answer_limit(attempt),
		.done = on_done,
		.arg = attempt,
	};
	attempt->call = tn_http_client_start(target->client, &options);
}

static void write_key(struct attempt *attempt, const struct tn_id *id)
{
	char *at = attempt->key;
	bool quoted = !attempt->target->options->bare_key;
	tn_base32_id(id->bytes, attempt->id);
	if (quoted)
		*at++ = '"';
	memcpy(at, attempt->id, TN_ID_TEXT_SIZE);
	if (quoted)
		memcpy(at + TN_ID_TEXT_SIZE - 1, "\"", 2);
}

static void encode_event(struct attempt *attempt)
{
	struct tn_target *target = attempt->target;
	const struct tn_item *item = &attempt->from->items[0];
	const struct tn_event *event = item->event;
	if (attempt->from->purpose == TN_TO_DEAD_LETTER || tn_event_is_raw(event))
		event = attempt->letter = tn_dead_letter_event(item, tn_clock_wall_ms(target->host->clock));
	write_key(attempt, &item->id);
	snprintf(attempt->number, sizeof attempt->number, "%u", item->tries.system + item->tries.function + 1);
	tn_wire_encode(&tn_wire_http, event, target->options->structured ? TN_MODE_STRUCTURED : TN_MODE_BINARY, &attempt->encoded);
}

static void encode_batch(struct attempt *attempt)
{
	struct tn_encoded *encoded = &attempt->encoded;
	uint64_t random[] = {tn_seed_random(), tn_seed_random()};
	tn_base32_id((const uint8_t *)random, attempt->id);
	tn_buf_clear(&encoded->text);
	tn_http_batch_write(attempt->from, tn_clock_wall_ms(attempt->target->host->clock), &encoded->text);
	encoded->header_count = 0;
	encoded->has_body = true;
	encoded->body = tn_buf_str(&encoded->text);
}

static void deliver(struct tn_target *target, const struct tn_attempt *from)
{
	struct attempt *attempt = take_attempt(target);
	attempt->from = from;
	attempt->deadline_ms = tn_clock_mono_ms(target->host->clock) + from->timeout_ms;
	if (tn_http_batch_wanted(from))
		encode_batch(attempt);
	else
		encode_event(attempt);
	send_request(attempt, from->timeout_ms);
}

/* --- Answers --- */

static void reread_headers(struct tn_target *target)
{
	struct tn_http_headers *fresh;
	if (tn_http_headers_read(target->options, &fresh, NULL) != TN_OK)
		return;
	if (tn_http_headers_equal(fresh, target->fixed)) {
		tn_http_headers_unref(fresh);
		return;
	}
	tn_http_headers_unref(target->fixed);
	target->fixed = fresh;
	target->generation++;
}

static void reread_signature(struct tn_target *target)
{
	struct tn_http_signature *fresh;
	if (!target->signature || tn_http_signature_new(&target->options->signing, &fresh, NULL) != TN_OK)
		return;
	if (tn_http_signature_equal(fresh, target->signature)) {
		tn_http_signature_free(fresh);
		return;
	}
	tn_http_signature_free(target->signature);
	target->signature = fresh;
	target->generation++;
}

/* Reads the secrets again; true when they are others than this attempt was sent with. */
static bool secrets_changed(struct attempt *attempt)
{
	struct tn_target *target = attempt->target;
	int64_t now_ms = tn_clock_mono_ms(target->host->clock);
	if (now_ms >= target->reread_ms) {
		target->reread_ms = now_ms + REREAD_INTERVAL_MS;
		reread_headers(target);
		reread_signature(target);
	}
	return target->generation != attempt->generation;
}

/* Receivers say all of these to a signature they do not know. */
static bool may_be_refused(const struct tn_target *target, int32_t status)
{
	return status == 401 || status == 407 || (target->signature && (status == 400 || status == 403));
}

static bool send_again(struct attempt *attempt, const struct tn_http_answer *answer)
{
	if (!may_be_refused(attempt->target, answer->status) || attempt->again || attempt->cancelled || !secrets_changed(attempt))
		return false;
	tn_http_headers_unref(attempt->fixed);
	attempt->again = true;
	send_request(attempt, attempt->deadline_ms - tn_clock_mono_ms(attempt->target->host->clock));
	return true;
}

static void on_done(void *arg, const struct tn_http_answer *answer)
{
	struct attempt *attempt = arg;
	const struct tn_host *host = attempt->target->host;
	struct tn_http_exchange exchange = {
		.attempt = attempt->from,
		.encoded = &attempt->encoded,
		.body = body_of(attempt),
		.overrides = &attempt->target->overrides,
		.replies = attempt->target->options->reply_to_bus,
		.wall_ms = tn_clock_wall_ms(host->clock),
	};
	struct tn_http_report report;
	if (send_again(attempt, answer))
		return;
	tn_http_report_init(&report, &exchange, answer);
	give_attempt(attempt);
	host->result(host->arg, &report.result, report.reply);
	tn_http_report_fini(&report);
}

static void cancel(struct tn_target *target, uint64_t token)
{
	for (struct attempt *attempt = target->first; attempt; attempt = attempt->next) {
		if (attempt->from->token != token)
			continue;
		attempt->cancelled = true;
		tn_http_call_cancel(attempt->call);
		return;
	}
}

/* --- Opening and stopping --- */

static void free_target(struct tn_target *target)
{
	tn_http_client_free(target->client);
	while (target->first)
		give_attempt(target->first);
	while (target->free) {
		struct attempt *attempt = target->free;
		target->free = attempt->next;
		free_attempt(attempt);
	}
	tn_http_headers_unref(target->fixed);
	tn_http_signature_free(target->signature);
	tn_address_policy_free(target->addresses);
	free(target->url);
	free(target);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct tn_target *target = arg;
	const struct tn_host *host = target->host;
	free_target(target);
	host->stopped(host->arg);
}

static void stop(struct tn_target *target)
{
	event_active(&target->stopping, 0, 0);
}

static char *path_or_null(struct tn_str path)
{
	return path.len > 0 ? tn_str_dup(path) : NULL;
}

static enum tn_status open_client(struct tn_target *target, struct tn_error *error)
{
	const struct tn_http_target_options *options = target->options;
	char *ca = path_or_null(options->tls_ca), *certificate = path_or_null(options->tls_certificate), *key = path_or_null(options->tls_key);
	struct tn_http_client_options client_options = {
		.addresses = target->addresses,
		.connect_ms = options->connect_timeout_ms,
		.ca_file = ca,
		.certificate_file = certificate,
		.key_file = key,
	};
	enum tn_status status = tn_http_client_new(target->host->base, &client_options, &target->client, error);
	free(ca);
	free(certificate);
	free(key);
	return status;
}

static enum tn_status open_target(const struct tn_host *host, const void *options, struct tn_target **out_target, struct tn_error *error)
{
	struct tn_target *target = calloc(1, sizeof *target);
	if (!target)
		abort();
	target->host = host;
	target->options = options;
	target->url = tn_str_dup(target->options->url);
	event_assign(&target->stopping, host->base, -1, 0, on_stop, target);
	enum tn_status status = tn_address_policy_extend(host->addresses, target->options->allow.items, target->options->allow.count,
		target->options->deny.items, target->options->deny.count, &target->addresses, error);
	if (status == TN_OK)
		status = tn_classify_parse(&target->options->retry_on, &target->options->fail_on, &target->overrides, error);
	target->overrides.hold_gone = target->options->disable_on_gone;
	if (status == TN_OK)
		status = tn_http_headers_read(target->options, &target->fixed, error);
	if (status == TN_OK && target->options->signing.count > 0)
		status = tn_http_signature_new(&target->options->signing, &target->signature, error);
	if (status == TN_OK)
		status = open_client(target, error);
	if (status != TN_OK) {
		free_target(target);
		return status;
	}
	*out_target = target;
	return TN_OK;
}

const struct tn_target_ops tn_http_target_ops = {
	.open = open_target,
	.deliver = deliver,
	.cancel = cancel,
	.stop = stop,
};
