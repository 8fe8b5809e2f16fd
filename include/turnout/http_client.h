/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client.h - HTTP requests without blocking: libcurl's multi interface on our loop, behind a contract that lets it be replaced.
 *
 * One client a loop; connections are kept and reused. No redirects, no proxies from the environment, http and https only, TLS
 * verification always. Addresses are judged at each connect. Loop thread only.
 */
#ifndef TURNOUT_HTTP_CLIENT_H
#define TURNOUT_HTTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/address.h"
#include "turnout/error.h"
#include "turnout/str.h"
#include "turnout/wire.h"

struct event_base;
struct tn_http_client;
struct tn_http_call;

struct tn_http_client_options {
	const struct tn_address_policy *addresses; /* borrowed; NULL: the default policy */
	int64_t connect_ms;          /* [5,000] */
	uint32_t idle_connections;   /* kept open [256] */
	int64_t idle_ms;             /* [45,000] a kept connection's age without use */
	const char *ca_file;         /* extra certificate authorities; NULL: the system's */
	const char *certificate_file, *key_file; /* client certificate; NULL: none */
};

/* What came of a call. Exactly one of status != 0 (an answer was read) and failure != TN_HTTP_FINE... or both, when the answer broke off. */
enum tn_http_failure {
	TN_HTTP_FINE, TN_HTTP_RESOLVE, TN_HTTP_CONNECT, TN_HTTP_TRANSPORT, TN_HTTP_TIMEOUT, TN_HTTP_TLS_VERIFY, TN_HTTP_BAD_URL,
	TN_HTTP_ADDRESS_BLOCKED, TN_HTTP_LOCAL, TN_HTTP_CANCELLED, TN_HTTP_UNCLASSIFIED,
};
const char *tn_http_failure_code(enum tn_http_failure failure); /* "TIMEOUT", "TLS_VERIFY", ... as in section 5 */

struct tn_http_answer {
	int32_t status;              /* 0: none was read */
	enum tn_http_failure failure;
	bool sent;                   /* the request may have reached the other side */
	const struct tn_header *headers; /* of the final answer */
	size_t header_count;
	struct tn_str body;          /* up to body_limit; the rest was thrown away */
	bool body_cut;
	const char *message;         /* one sentence for people, "" when fine */
	int64_t total_us;            /* time the call took */
};

struct tn_http_call_options {
	const char *method;          /* "POST"; constant */
	const char *url;             /* borrowed until the answer */
	const struct tn_header *headers; /* borrowed until the answer; Host, Content-Length are added */
	size_t header_count;
	struct tn_str body;          /* borrowed until the answer */
	int64_t timeout_ms;
	uint32_t body_limit;         /* bytes of the answer kept [64 KiB] */
	void (*done)(void *arg, const struct tn_http_answer *answer); /* once, never before start returns; answer lives for the call */
	void *arg;
};

/* Returns owned. TN_INVALID: files that cannot be read. */
enum tn_status tn_http_client_new(struct event_base *base, const struct tn_http_client_options *options,
	struct tn_http_client **out_client, struct tn_error *error) TN_MUST_CHECK;
/* Calls under way end without `done`. NULL is fine. */
void tn_http_client_free(struct tn_http_client *client);
/* Borrowed handle until done. Failures come through done. */
struct tn_http_call *tn_http_client_start(struct tn_http_client *client, const struct tn_http_call_options *options);
/* done follows, with CANCELLED unless it was already decided. Not from within done. */
void tn_http_call_cancel(struct tn_http_call *call);
/* Retry-After of an answer in milliseconds: seconds or HTTP-date (relative to Date if present). 0: none or unparsable. Negative seconds
 * set *out_declined. RateLimit with nothing remaining counts when Retry-After is absent (section 7). */
int64_t tn_http_retry_after(const struct tn_http_answer *answer, int64_t wall_ms, bool *out_declined);

#endif
