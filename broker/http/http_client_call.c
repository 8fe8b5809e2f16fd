/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client_call.c - one call: its request checked, its easy handle made, its answer collected.
 *
 * Called by http_client.c, and by the two ways to carry a call out, plain and secure. A call owns its easy handle and its buffers and is used
 * again and again: settings that are the same for all requests are made once, those that follow from the URL only when that changes,
 * because most requests of a client go to one place. Loop thread only.
 */
#include "http_client_internal.h"

#include <stdlib.h>

enum {
	BODY_SLACK = 256 * 1024,   /* bytes beyond body_limit that are read and thrown away, to keep the connection */
	KEEP_BUFFER = 64 * 1024,   /* a larger buffer is given back after its request */
};

/* --- The answer, as it comes --- */

void tn_http_call_status(struct tn_http_call *call, int32_t status)
{
	call->headers_whole = false;
	call->header_count = 0;
	call->header_text.len = 0;
	call->status = status;
}

bool tn_http_call_header(struct tn_http_call *call, struct tn_str name, struct tn_str value)
{
	if (call->header_text.len + name.len + value.len > TN_HTTP_ANSWER_HEADERS_MAX) {
		call->headers_whole = call->status >= 200;
		return false;
	}
	if (call->header_count == call->header_capacity) {
		size_t capacity = call->header_capacity ? call->header_capacity * 2 : 16;
		call->spans = realloc(call->spans, capacity * sizeof *call->spans);
		call->headers = realloc(call->headers, capacity * sizeof *call->headers);
		if (!call->spans || !call->headers)
			abort();
		call->header_capacity = capacity;
	}
	uint32_t at = (uint32_t)call->header_text.len;
	call->spans[call->header_count++] = (struct answer_header){at, (uint32_t)name.len, at + (uint32_t)name.len, (uint32_t)value.len};
	tn_buf_add_str(&call->header_text, name);
	tn_buf_add_str(&call->header_text, value);
	return true;
}

bool tn_http_call_misdirected(const struct tn_http_call *call)
{
	return call->status == 421;
}

bool tn_http_call_body(struct tn_http_call *call, struct tn_str bytes)
{
	size_t room = call->options.body_limit - call->body.len;
	size_t kept = bytes.len < room ? bytes.len : room;
	tn_buf_add(&call->body, bytes.bytes, kept);
	call->body_dropped += bytes.len - kept;
	return call->body_dropped <= BODY_SLACK;
}

static bool was_sent(const struct tn_http_call *call)
{
	long bytes = 0;
	if (!call->tls)
		return call->plain.sent > 0;
	return curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &bytes) == CURLE_OK && bytes > 0;
}

void tn_http_call_answer(struct tn_http_call *call, enum tn_http_failure failure, struct tn_http_answer *out_answer)
{
	for (size_t i = 0; i < call->header_count; i++) {
		const struct answer_header *span = &call->spans[i];
		call->headers[i].name = tn_str_make(call->header_text.bytes + span->name, span->name_len);
		call->headers[i].value = tn_str_make(call->header_text.bytes + span->value, span->value_len);
		call->headers[i].type = TN_STRING;
	}
	*out_answer = (struct tn_http_answer){
		.status = call->headers_whole ? call->status : 0,
		.failure = failure,
		.sent = failure == TN_HTTP_FINE || was_sent(call),
		.headers = call->headers,
		.header_count = call->headers_whole ? call->header_count : 0,
		.body = tn_buf_str(&call->body),
		.body_cut = call->body_dropped > 0,
		.message = failure == TN_HTTP_FINE ? "" : call->message,
		.total_us = tn_http_now_us() - call->started_us,
	};
}

struct tn_str tn_http_answer_header(const struct tn_http_answer *answer, const char *name)
{
	struct tn_str wanted = tn_str_from(name);
	for (size_t i = 0; i < answer->header_count; i++)
		if (tn_str_equal_nocase(answer->headers[i].name, wanted))
			return answer->headers[i].value;
	return (struct tn_str){NULL, 0};
}

/* --- The easy handle --- */

static void set_transport(struct tn_http_call *call)
{
	const struct tn_http_client_options *options = &call->client->options;
	CURL *easy = call->easy;
	long idle_s = options->idle_ms < 1000 ? 1 : (long)(options->idle_ms / 1000);

	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_ms);
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, idle_s);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, tn_http_socket_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, tn_http_socket_close);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, call->client);
}

struct tn_http_call *tn_http_call_new(struct tn_http_client *client)
{
	struct tn_http_call *call = calloc(1, sizeof *call);
	if (!call)
		abort();
	call->client = client;
	call->easy = curl_easy_init();
	if (!call->easy)
		abort();
	set_transport(call);
	tn_http_secure_init(call);
	tn_http_plain_init_call(call);
	curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->message);
	return call;
}

void tn_http_call_free(struct tn_http_call *call)
{
	curl_easy_cleanup(call->easy);
	tn_buf_fini(&call->url);
	tn_buf_fini(&call->plain.origin);
	tn_buf_fini(&call->plain.target);
	tn_buf_fini(&call->plain.head);
	tn_http_response_fini(&call->plain.response);
	tn_buf_fini(&call->lines);
	tn_buf_fini(&call->header_text);
	tn_buf_fini(&call->body);
	free(call->nodes);
	free(call->spans);
	free(call->headers);
	free(call);
}

/* --- The request --- */

static bool headers_are_valid(const struct tn_http_call_options *options)
{
	for (size_t i = 0; i < options->header_count; i++)
		if (!tn_http_header_name_valid(options->headers[i].name) || !tn_http_header_value_valid(options->headers[i].value))
			return false;
	return true;
}

static bool set_url(struct tn_http_call *call, const char *url)
{
	size_t len = strlen(url);
	if (call->url.len > 0 && call->url.len == len && memcmp(call->url.bytes, url, len) == 0)
		return true;
	tn_buf_clear(&call->url);
	tn_buf_add(&call->url, url, len);
	tn_buf_terminate(&call->url);
	call->tls = !tn_str_starts_nocase(tn_buf_str(&call->url), TN_STR("http:"));
	curl_easy_setopt(call->easy, CURLOPT_URL, call->url.bytes);
	curl_easy_setopt(call->easy, CURLOPT_CONNECT_ONLY, (long)!call->tls);
	if (call->tls || tn_http_plain_set_url(call))
		return true;
	tn_buf_clear(&call->url);
	return false;
}

bool tn_http_call_prepare(struct tn_http_call *call, const struct tn_http_call_options *options)
{
	call->options = *options;
	if (call->options.body_limit == 0)
		call->options.body_limit = TN_HTTP_BODY_LIMIT;
	call->started_us = tn_http_now_us();
	call->message[0] = 0;
	if (!headers_are_valid(&call->options)) {
		strcpy(call->message, "a header's name or value has characters that must not be sent");
		return false;
	}
	if (!set_url(call, options->url))
		return false;
	if (call->tls)
		tn_http_secure_prepare(call);
	else
		tn_http_plain_prepare(call);
	return true;
}

static void clear_buffer(struct tn_buf *buf)
{
	if (buf->capacity > KEEP_BUFFER)
		tn_buf_fini(buf);
	tn_buf_clear(buf);
}

void tn_http_call_reset(struct tn_http_call *call)
{
	clear_buffer(&call->lines);
	clear_buffer(&call->plain.head);
	clear_buffer(&call->plain.response.line);
	call->plain.sent = 0;
	clear_buffer(&call->header_text);
	clear_buffer(&call->body);
	call->header_count = 0;
	call->status = 0;
	call->headers_whole = false;
	call->body_dropped = 0;
	call->opened = 0;
	call->blocked = 0;
	call->shortage = false;
}
