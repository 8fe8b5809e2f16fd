/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client_secure.c - calls with TLS: libcurl does them from the first byte to the last.
 *
 * HTTP/1.1 only. This libcurl (7.88) resets each HTTP/2 stream when its answer is complete; servers that guard against rapid resets end such a
 * connection with GOAWAY after about a thousand requests, and all streams on it fail at once.
 *
 * Called by http_client_call.c; its callbacks by libcurl. Owns nothing: the easy handle, the lines and their nodes are the call's.
 * Loop thread only.
 */
#include "http_client_internal.h"

#include <stdlib.h>

enum { RECEIVE_BUFFER = 16 * 1024 };

/* --- The answer --- */

static int32_t status_of(struct tn_str line)
{
	struct tn_str rest = tn_str_tail(line, tn_str_find(line, ' '));
	struct tn_str code = tn_str_trim((struct tn_str){rest.bytes, rest.len < 4 ? rest.len : 4}, " \r\n");
	uint64_t status = 0;
	return tn_str_to_u64(code, 999, &status) ? (int32_t)status : 0;
}

static bool read_header_line(struct tn_http_call *call, struct tn_str line)
{
	if (tn_str_starts(line, TN_STR("HTTP/"))) {
		tn_http_call_status(call, status_of(line));
		return true;
	}
	if (call->headers_whole) /* trailers */
		return true;
	struct tn_str text = tn_str_trim(line, "\r\n");
	if (text.len == 0) {
		call->headers_whole = call->status >= 200 || call->status == 101; /* after which no HTTP follows */
		if (tn_http_call_misdirected(call))
			curl_easy_setopt(call->easy, CURLOPT_FORBID_REUSE, 1L);
		return true;
	}
	size_t colon = tn_str_find(text, ':');
	if (colon == SIZE_MAX)
		return true;
	return tn_http_call_header(call, (struct tn_str){text.bytes, colon}, tn_str_trim(tn_str_tail(text, colon + 1), " \t"));
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
	return read_header_line(arg, (struct tn_str){bytes, size * count}) ? size * count : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	return tn_http_call_body(arg, (struct tn_str){bytes, size * count}) ? size * count : 0;
}

/* --- Settings that stay --- */

static void set_tls(struct tn_http_call *call)
{
	const struct tn_http_client_options *options = &call->client->options;
	CURL *easy = call->easy;

	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* With a directory of certificates beside the file libcurl reads the file again at each connect. */
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	if (options->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file);
	if (options->certificate_file)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, options->certificate_file);
	if (options->key_file)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, options->key_file);
}

void tn_http_secure_init(struct tn_http_call *call)
{
	set_tls(call);
	curl_easy_setopt(call->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(call->easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
	curl_easy_setopt(call->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
	call->timeout_ms = -1;
}

/* --- The request --- */

static void set_method(struct tn_http_call *call, const char *method)
{
	bool has_body = call->options.body.len > 0 || strcmp(method, "POST") == 0;
	if (!call->method || strcmp(call->method, method) != 0 || strcmp(method, "POST") != 0) {
		curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, NULL);
		curl_easy_setopt(call->easy, CURLOPT_NOBODY, 0L);
		curl_easy_setopt(call->easy, has_body ? CURLOPT_POST : CURLOPT_HTTPGET, 1L);
		if (strcmp(method, "HEAD") == 0)
			curl_easy_setopt(call->easy, CURLOPT_NOBODY, 1L);
		else if (strcmp(method, has_body ? "POST" : "GET") != 0)
			curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, method);
		call->method = method;
	}
	if (has_body) {
		curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->options.body.len);
		curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->options.body.bytes ? call->options.body.bytes : "");
	}
}

static void set_timeout(struct tn_http_call *call, int64_t timeout_ms)
{
	if (call->timeout_ms == timeout_ms)
		return;
	call->timeout_ms = timeout_ms;
	curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
}

/* "Name: value", and "Name;" for an empty value, which is how libcurl wants to be told. */
static void add_line(struct tn_http_call *call, const struct tn_header *header)
{
	tn_buf_add_str(&call->lines, header->name);
	if (header->value.len > 0)
		tn_buf_add(&call->lines, ": ", 2);
	else
		tn_buf_add_byte(&call->lines, ';');
	tn_buf_add_str(&call->lines, header->value);
	tn_buf_add_byte(&call->lines, 0);
}

/* Bytes their lines take together; whether the media type is among them. */
static size_t measure_headers(const struct tn_http_call_options *options, bool *out_typed)
{
	size_t bytes = 0;
	*out_typed = false;
	for (size_t i = 0; i < options->header_count; i++) {
		const struct tn_header *header = &options->headers[i];
		bytes += header->name.len + header->value.len + 3;
		if (header->name.len == 12 && tn_str_equal_nocase(header->name, TN_STR("content-type")))
			*out_typed = true;
	}
	return bytes;
}

static void reserve_nodes(struct tn_http_call *call, size_t count)
{
	if (count <= call->node_capacity)
		return;
	call->nodes = realloc(call->nodes, count * sizeof *call->nodes);
	if (!call->nodes)
		abort();
	call->node_capacity = count;
}

/* libcurl only reads its list of lines, so the nodes stand in one array and their texts in one buffer. */
static void set_headers(struct tn_http_call *call)
{
	static char no_expect[] = "Expect:", no_type[] = "Content-Type:";
	size_t count = 0;
	bool typed;
	tn_buf_clear(&call->lines);
	tn_buf_reserve(&call->lines, measure_headers(&call->options, &typed)); /* all of it: nodes point into it */
	reserve_nodes(call, call->options.header_count + 2);
	call->nodes[count++].data = no_expect;
	if (!typed)
		call->nodes[count++].data = no_type;
	for (size_t i = 0; i < call->options.header_count; i++) {
		call->nodes[count++].data = call->lines.bytes + call->lines.len;
		add_line(call, &call->options.headers[i]);
	}
	for (size_t i = 0; i < count; i++)
		call->nodes[i].next = i + 1 < count ? &call->nodes[i + 1] : NULL;
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->nodes);
}

void tn_http_secure_prepare(struct tn_http_call *call)
{
	curl_easy_setopt(call->easy, CURLOPT_FORBID_REUSE, 0L);
	set_headers(call);
	set_method(call, call->options.method);
	set_timeout(call, call->options.timeout_ms);
}
