/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client.h - HTTP/1.1 requests without blocking: libcurl on our loop, and our own exchange where there is no TLS.
 *
 * One client a loop; connections are kept and reused. No redirects, no proxies, no cookies, no netrc, no decompression; http and https
 * only, TLS 1.2 and up, verification always. Addresses are judged at each connect. Loop thread only. The process calls curl_global_init(CURL_GLOBAL_DEFAULT) once, in main, before it starts threads, and ignores SIGPIPE.
 *
 *   start -> [resolve -> connect -> TLS] -> send -> receive -> done        once for each start, on the loop, never from inside start
 *      \________________________________________/  cancel -> done(CANCELLED)
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
	const char *ca_file;         /* certificate authorities trusted instead of the system's (PEM); NULL: the system's */
	const char *certificate_file, *key_file; /* client certificate and its key (PEM); NULL: none */
};

enum {
	TN_HTTP_ANSWER_HEADERS_MAX = 64 * 1024, /* bytes of an answer's headers; an answer with more is cut off there */
	TN_HTTP_BODY_LIMIT = 64 * 1024,         /* what body_limit 0 means */
};

/* What came of a call. status != 0: an answer's headers were read to their end. failure != FINE: something went wrong; with a status:
 * after the headers, so that only the body is not whole. An answer over a limit is FINE, and cut. */
enum tn_http_failure {
	TN_HTTP_FINE, TN_HTTP_RESOLVE, TN_HTTP_CONNECT, TN_HTTP_TRANSPORT, TN_HTTP_TIMEOUT, TN_HTTP_TLS_VERIFY, TN_HTTP_BAD_URL,
	TN_HTTP_ADDRESS_BLOCKED, TN_HTTP_LOCAL, TN_HTTP_CANCELLED, TN_HTTP_UNCLASSIFIED,
	TN_HTTP_LOGIN,               /* somebody on the way does not take our credential */
};
/* "TIMEOUT", "TLS_VERIFY", ... as in delivery-semantics section 5; BAD_URL and LOGIN are "BAD_TARGET"; "" for FINE. Constant text. Any thread. */
const char *tn_http_failure_code(enum tn_http_failure failure);

struct tn_http_answer {
	int32_t status;              /* 0: none was read */
	enum tn_http_failure failure;
	bool sent;                   /* the request may have reached the other side, wholly or in part */
	const struct tn_header *headers; /* of the final answer */
	size_t header_count;
	struct tn_str body;          /* up to body_limit; the rest was thrown away */
	bool body_cut;
	const char *message;         /* one sentence for people, "" when fine; names hosts and addresses, never the path or a header */
	int64_t total_us;            /* time the call took */
};

struct tn_http_call_options {
	const char *method;          /* "POST"; constant */
	const char *url;             /* borrowed until the answer */
	const struct tn_header *headers; /* borrowed until the answer; Host, Accept, Content-Length are added. A control character in one,
	                                  * or a name that is not a token: BAD_URL */
	size_t header_count;
	struct tn_str body;          /* borrowed until the answer */
	int64_t timeout_ms;
	uint32_t body_limit;         /* bytes of the answer kept [64 KiB]; a far longer answer is cut off */
	void (*done)(void *arg, const struct tn_http_answer *answer); /* once, never before start returns; answer lives for the call */
	void *arg;
};

/* Returns owned. TN_INVALID: files that cannot be read. */
enum tn_status tn_http_client_new(struct event_base *base, const struct tn_http_client_options *options,
	struct tn_http_client **out_client, struct tn_error *error) TN_MUST_CHECK;
/* Calls under way end without `done`. Not from within done. May wait for a name lookup under way to end. NULL is fine. */
void tn_http_client_free(struct tn_http_client *client);
/* Borrowed handle until done. Failures come through done. */
struct tn_http_call *tn_http_client_start(struct tn_http_client *client, const struct tn_http_call_options *options);
/* done follows, with CANCELLED unless it was already decided. Not from within done. */
void tn_http_call_cancel(struct tn_http_call *call);
/* First header of that name (compared without case); bytes NULL: none. */
struct tn_str tn_http_answer_header(const struct tn_http_answer *answer, const char *name);

/* --- Pure. Any thread. --- */

/* Retry-After of an answer in milliseconds: seconds or HTTP-date (relative to Date if present, else to wall_ms). -1: none.
 * Negative seconds set *out_declined, which is cleared otherwise. RateLimit fields with nothing remaining count as one when
 * Retry-After is absent, or cannot be read and so is ignored (section 7). */
int64_t tn_http_retry_after(const struct tn_http_answer *answer, int64_t wall_ms, bool *out_declined);
/* An absolute http or https URL without user-info and fragment, at most 8,000 bytes; else TN_INVALID, with a message that does not repeat
 * it. Appends to out_shown (may be NULL) what may be shown: scheme://host:port/path, without the query. */
enum tn_status tn_http_url_check(struct tn_str url, struct tn_buf *out_shown, struct tn_error *error) TN_MUST_CHECK;
/* A header's name: a token (RFC 9110). A value: no control characters but tab. */
bool tn_http_header_name_valid(struct tn_str name);
bool tn_http_header_value_valid(struct tn_str value);

#endif
