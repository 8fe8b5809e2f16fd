/* SPDX-License-Identifier: Apache-2.0
 *
 * http_target.c - delivers events to an HTTP endpoint and says what came of it.
 *
 * Called by the host through tn_http_target_ops. One instance a worker, each with an HTTP client of its own; it owns its attempts, which
 * are used again and again. Loop thread of its worker.
 *
 *   deliver -> encode -> send -> answer -> classify -> result
 *                         ^         |
 *                         '-- once: 401 or 407, and the credential reads otherwise now than when it was sent
 *
 * Besides the event a request carries:
 *   Idempotency-Key: "<delivery id>"   the same for every attempt of a delivery, after restarts and redrives too
 *   Turnout-Attempt: <n>               1 for the first
 */
#include "http_target.h"

#include "classify.h"
#include "dead_letter.h"
#include "http_headers.h"
#include "turnout/base64.h"
#include "turnout/http_client.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>

enum { REREAD_INTERVAL_MS = 1000, KEY_SIZE = TN_ID_TEXT_SIZE + 2, OWN_HEADERS = 2 };

struct attempt {
	struct attempt *next, *previous; /* under way; the free list uses next alone */
	struct tn_target *target;
	struct tn_http_call *call;
	struct tn_http_headers *fixed;   /* what it was sent with */
	struct tn_event *letter;         /* owned: the event as a dead letter, or NULL */
	uint64_t token;
	int64_t deadline_ms;
	bool again, cancelled;           /* again: sent for the second time */
	struct tn_encoded encoded;
	struct tn_header *headers;       /* encoded, own and fixed ones in a row */
	size_t header_count, header_capacity;
	char key[KEY_SIZE], number[12];
};

struct tn_target {
	const struct tn_host *host;
	const struct tn_http_target_options *options;
	struct tn_address_policy *addresses;
	struct tn_http_client *client;
	struct tn_http_headers *fixed;   /* as read last */
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
	attempt->again = false;
	attempt->cancelled = false;
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
	add_header(attempt, &(struct tn_header){TN_STR("Idempotency-Key"), tn_str_from(attempt->key), TN_STRING});
	add_header(attempt, &(struct tn_header){TN_STR("Turnout-Attempt"), tn_str_from(attempt->number), TN_STRING});
	for (size_t i = 0; i < fixed->count; i++)
		add_header(attempt, &fixed->headers[i]);
}

static void on_done(void *arg, const struct tn_http_answer *answer);

static void send_request(struct attempt *attempt, int64_t timeout_ms)
{
	struct tn_target *target = attempt->target;
	attempt->fixed = tn_http_headers_ref(target->fixed);
	gather_headers(attempt);
	struct tn_http_call_options options = {
		.method = "POST",
		.url = target->url,
		.headers = attempt->headers,
		.header_count = attempt->header_count,
		.body = attempt->encoded.has_body ? attempt->encoded.body : TN_STR(""),
		.timeout_ms = timeout_ms > 1 ? timeout_ms : 1,
		.body_limit = TN_CLASSIFY_SAMPLE_MAX,
		.done = on_done,
		.arg = attempt,
	};
	attempt->call = tn_http_client_start(target->client, &options);
}

static void write_key(struct attempt *attempt, const struct tn_id *id)
{
	char *at = attempt->key;
	bool quoted = !attempt->target->options->bare_key;
	if (quoted)
		*at++ = '"';
	tn_base32_id(id->bytes, at);
	if (quoted)
		memcpy(at + TN_ID_TEXT_SIZE - 1, "\"", 2);
}

static void deliver(struct tn_target *target, const struct tn_attempt *from)
{
	const struct tn_item *item = &from->items[0];
	const struct tn_event *event = item->event;
	struct attempt *attempt = take_attempt(target);
	attempt->token = from->token;
	attempt->deadline_ms = tn_clock_mono_ms(target->host->clock) + from->timeout_ms;
	if (from->purpose == TN_TO_DEAD_LETTER || tn_event_is_raw(event))
		event = attempt->letter = tn_dead_letter_event(item, tn_clock_wall_ms(target->host->clock));
	write_key(attempt, &item->id);
	snprintf(attempt->number, sizeof attempt->number, "%u", item->tries.system + item->tries.function + 1);
	tn_wire_encode(&tn_wire_http, event, target->options->structured ? TN_MODE_STRUCTURED : TN_MODE_BINARY, &attempt->encoded);
	send_request(attempt, from->timeout_ms);
}

/* --- Answers --- */

/* Reads the credential again; true when it is another one than this attempt was sent with. */
static bool credential_changed(struct attempt *attempt)
{
	struct tn_target *target = attempt->target;
	struct tn_http_headers *fresh;
	int64_t now_ms = tn_clock_mono_ms(target->host->clock);
	if (now_ms >= target->reread_ms) {
		target->reread_ms = now_ms + REREAD_INTERVAL_MS;
		if (tn_http_headers_read(target->options, &fresh, NULL) == TN_OK) {
			if (tn_http_headers_equal(fresh, target->fixed)) {
				tn_http_headers_unref(fresh);
			} else {
				tn_http_headers_unref(target->fixed);
				target->fixed = fresh;
			}
		}
	}
	return target->fixed != attempt->fixed;
}

static bool send_again(struct attempt *attempt, const struct tn_http_answer *answer)
{
	if ((answer->status != 401 && answer->status != 407) || attempt->again || attempt->cancelled || !credential_changed(attempt))
		return false;
	tn_http_headers_unref(attempt->fixed);
	attempt->again = true;
	send_request(attempt, attempt->deadline_ms - tn_clock_mono_ms(attempt->target->host->clock));
	return true;
}

/* The client refused the request itself: URL and fixed headers were checked before, so it can only be the event. */
static bool event_is_unsendable(const struct attempt *attempt)
{
	for (size_t i = 0; i < attempt->encoded.header_count; i++)
		if (!tn_http_header_name_valid(attempt->encoded.headers[i].name) ||
			!tn_http_header_value_valid(attempt->encoded.headers[i].value))
			return true;
	return false;
}

static void on_done(void *arg, const struct tn_http_answer *answer)
{
	struct attempt *attempt = arg;
	const struct tn_host *host = attempt->target->host;
	struct tn_classified classified;
	if (send_again(attempt, answer))
		return;
	tn_classify_answer(answer, &attempt->target->overrides, tn_clock_wall_ms(host->clock), &classified);
	if (answer->failure == TN_HTTP_BAD_URL && event_is_unsendable(attempt)) {
		classified.outcome = (struct tn_outcome){.verdict = TN_REJECTED, .code = "BAD_EVENT",
			.message = TN_STR("an attribute of the event has characters that cannot stand in an HTTP header")};
	}
	struct tn_result result = {.token = attempt->token, .count = 1, .outcomes = &classified.outcome};
	give_attempt(attempt);
	host->result(host->arg, &result, NULL);
}

static void cancel(struct tn_target *target, uint64_t token)
{
	for (struct attempt *attempt = target->first; attempt; attempt = attempt->next) {
		if (attempt->token != token)
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
	if (status == TN_OK)
		status = tn_http_headers_read(target->options, &target->fixed, error);
	if (status == TN_OK)
		status = open_client(target, error);
	if (status != TN_OK) {
		free_target(target);
		return status;
	}
	*out_target = target;
	return TN_OK;
}

/* --- Configuration --- */

static const char *const modes[] = {"binary", "structured", NULL};
static const char *const key_formats[] = {"structured", "bare", NULL};

#define AT(member) offsetof(struct tn_http_target_options, member)
#define LATER(name, what) {name, TN_OPTION_LATER, 0, .help = what " comes later"}

const struct tn_option tn_http_target_options[] = {
	{"url", TN_OPTION_TEXT, AT(url), .required = true, .reloadable = true, .help = "http:// or https://, without user name"},
	{"content_mode", TN_OPTION_CHOICE, AT(structured), "binary", .reloadable = true, .choices = modes,
		.help = "attributes in headers (binary), or all in a JSON body (structured)"},
	{"idempotency_format", TN_OPTION_CHOICE, AT(bare_key), "structured", .reloadable = true, .choices = key_formats,
		.help = "Idempotency-Key with quotes (structured), or without (bare)"},
	{"connect_timeout", TN_OPTION_DURATION, AT(connect_timeout_ms), "5s", .reloadable = true, .min = 10, .max = 300000,
		.help = "to connect, TLS included; within the attempt's timeout"},
	{"headers", TN_OPTION_PAIRS, AT(headers), .reloadable = true, .help = "more headers: name to value, or to env:NAME or file:PATH"},
	{"auth.bearer", TN_OPTION_SECRET, AT(bearer), .reloadable = true, .help = "token; read again when the target answers 401"},
	{"auth.basic.username", TN_OPTION_TEXT, AT(basic_username), .reloadable = true, .help = "user name"},
	{"auth.basic.password", TN_OPTION_SECRET, AT(basic_password), .reloadable = true, .help = "password"},
	{"tls.ca", TN_OPTION_PATH, AT(tls_ca), .reloadable = true, .help = "file of authorities (PEM) trusted instead of the system's"},
	{"tls.certificate", TN_OPTION_PATH, AT(tls_certificate), .reloadable = true, .help = "file of our certificate (PEM)"},
	{"tls.key", TN_OPTION_PATH, AT(tls_key), .reloadable = true, .help = "file of its key (PEM)"},
	{"addresses.allow", TN_OPTION_TEXTS, AT(allow), .reloadable = true, .help = "CIDR blocks allowed beside the default"},
	{"addresses.deny", TN_OPTION_TEXTS, AT(deny), .reloadable = true, .help = "CIDR blocks denied; wins over allow"},
	{"retry_on", TN_OPTION_TEXTS, AT(retry_on), .reloadable = true, .help = "statuses to retry: 404, 520-599"},
	{"fail_on", TN_OPTION_TEXTS, AT(fail_on), .reloadable = true, .help = "statuses never to retry"},
	LATER("signing", "signing (Standard Webhooks)"),
	LATER("auth.oauth2", "OAuth 2"),
	LATER("abuse_protection", "the webhook handshake"),
	LATER("reply", "taking events from answers"),
	LATER("batch", "batches"),
	{0},
};

static enum tn_status check_tls(const struct tn_http_target_options *options, struct tn_error *error)
{
	if ((options->tls_certificate.len > 0) == (options->tls_key.len > 0))
		return TN_OK;
	tn_error_set(error, "tls.certificate and tls.key need each other");
	return TN_INVALID;
}

static enum tn_status check_addresses(const struct tn_http_target_options *options, struct tn_error *error)
{
	struct tn_address_policy *policy = NULL;
	struct tn_error why = {0};
	enum tn_status status = tn_address_policy_new(
		options->allow.items, options->allow.count, options->deny.items, options->deny.count, &policy, &why);
	tn_address_policy_free(policy);
	if (status != TN_OK)
		tn_error_set(error, "addresses: %s", why.message);
	return status;
}

enum tn_status tn_http_target_check(const void *options_arg, struct tn_error *error)
{
	const struct tn_http_target_options *options = options_arg;
	struct tn_classify_overrides overrides;
	enum tn_status status = tn_http_url_check(options->url, NULL, error);
	if (status == TN_OK)
		status = tn_http_headers_check(options, error);
	if (status == TN_OK)
		status = check_tls(options, error);
	if (status == TN_OK)
		status = check_addresses(options, error);
	if (status == TN_OK)
		status = tn_classify_parse(&options->retry_on, &options->fail_on, &overrides, error);
	return status;
}

void tn_http_target_describe(const void *options_arg, char *out, size_t size)
{
	const struct tn_http_target_options *options = options_arg;
	struct tn_buf shown = {0};
	if (tn_http_url_check(options->url, &shown, NULL) != TN_OK)
		tn_buf_add_text(&shown, "(bad url)");
	snprintf(out, size, "%.*s", TN_STR_ARG(tn_buf_str(&shown)));
	tn_buf_fini(&shown);
}

const struct tn_target_ops tn_http_target_ops = {
	.open = open_target,
	.deliver = deliver,
	.cancel = cancel,
	.stop = stop,
};
