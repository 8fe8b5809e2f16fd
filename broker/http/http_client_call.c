/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client_call.c - one call: what libcurl is told before it, and what is kept of the answer.
 *
 * Called by http_client.c; its callbacks by libcurl. A call owns its easy handle and its buffers and is used again and again: settings
 * that are the same for all requests are made once, and URL, method and time limit only when they change, because most requests of a
 * client go to one place. Loop thread only.
 */
#include "http_client_internal.h"

#include <stdlib.h>
#include <strings.h>

enum {
	BODY_SLACK = 256 * 1024,   /* bytes beyond body_limit that are read and thrown away, to keep the connection */
	KEEP_BUFFER = 64 * 1024,   /* a larger buffer is given back after its request */
	RECEIVE_BUFFER = 16 * 1024,
};

/* --- The answer, as it comes --- */

static void begin_headers(struct tn_http_call *call, struct tn_str line)
{
	struct tn_str rest = tn_str_tail(line, tn_str_find(line, ' '));
	struct tn_str code = tn_str_trim((struct tn_str){rest.bytes, rest.len < 4 ? rest.len : 4}, " \r\n");
	uint64_t status = 0;
	call->headers_whole = false;
	call->header_count = 0;
	call->header_text.len = 0;
	call->status = tn_str_to_u64(code, 999, &status) ? (int32_t)status : 0;
}

static void add_header(struct tn_http_call *call, struct tn_str name, struct tn_str value)
{
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
}

static bool read_header_line(struct tn_http_call *call, struct tn_str line)
{
	if (tn_str_starts(line, TN_STR("HTTP/"))) {
		begin_headers(call, line);
		return true;
	}
	if (call->headers_whole) /* trailers */
		return true;
	struct tn_str text = tn_str_trim(line, "\r\n");
	if (text.len == 0) {
		call->headers_whole = call->status >= 200;
		return true;
	}
	if (call->header_text.len + text.len > TN_HTTP_ANSWER_HEADERS_MAX) {
		call->headers_whole = call->status >= 200;
		return false;
	}
	size_t colon = tn_str_find(text, ':');
	if (colon != SIZE_MAX)
		add_header(call, (struct tn_str){text.bytes, colon}, tn_str_trim(tn_str_tail(text, colon + 1), " \t"));
	return true;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
	return read_header_line(arg, (struct tn_str){bytes, size * count}) ? size * count : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct tn_http_call *call = arg;
	size_t len = size * count, room = call->options.body_limit - call->body.len;
	size_t kept = len < room ? len : room;
	tn_buf_add(&call->body, bytes, kept);
	call->body_dropped += len - kept;
	return call->body_dropped > BODY_SLACK ? 0 : len;
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
		.sent = failure == TN_HTTP_FINE,
		.headers = call->headers,
		.header_count = call->headers_whole ? call->header_count : 0,
		.body = tn_buf_str(&call->body),
		.body_cut = call->body_dropped > 0,
		.message = failure == TN_HTTP_FINE ? "" : call->message,
		.total_us = tn_http_now_us() - call->started_us,
	};
	long bytes = 0;
	if (failure != TN_HTTP_FINE && curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &bytes) == CURLE_OK)
		out_answer->sent = bytes > 0;
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
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_ms);
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, idle_s);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, tn_http_socket_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, tn_http_socket_close);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, call->client);
}

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

static void set_all(struct tn_http_call *call)
{
	CURL *easy = call->easy;
	set_transport(call);
	set_tls(call);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->message);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	call->method = NULL;
	call->timeout_ms = -1;
	tn_buf_clear(&call->url);
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
	set_all(call);
	return call;
}

void tn_http_call_free(struct tn_http_call *call)
{
	curl_easy_cleanup(call->easy);
	tn_buf_fini(&call->url);
	tn_buf_fini(&call->lines);
	tn_buf_fini(&call->header_text);
	tn_buf_fini(&call->body);
	free(call->nodes);
	free(call->spans);
	free(call->headers);
	free(call);
}

/* --- The request --- */

static void set_url(struct tn_http_call *call, const char *url)
{
	size_t len = strlen(url);
	if (call->url.len > 0 && call->url.len == len && memcmp(call->url.bytes, url, len) == 0)
		return;
	tn_buf_clear(&call->url);
	tn_buf_add(&call->url, url, len);
	/* Never a cleartext HTTP/2: this libcurl loses the second request of such a connection. With TLS a burst waits for the first
	 * connection, in case it can carry all of it; without, it must not wait. */
	bool tls = strncasecmp(url, "https:", 6) == 0;
	curl_easy_setopt(call->easy, CURLOPT_URL, url);
	curl_easy_setopt(call->easy, CURLOPT_HTTP_VERSION, (long)(tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	curl_easy_setopt(call->easy, CURLOPT_PIPEWAIT, (long)tls);
}

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

static bool check_headers(const struct tn_http_call_options *options, size_t *out_bytes, bool *out_typed)
{
	*out_bytes = 0;
	*out_typed = false;
	for (size_t i = 0; i < options->header_count; i++) {
		const struct tn_header *header = &options->headers[i];
		if (!tn_http_header_name_valid(header->name) || !tn_http_header_value_valid(header->value))
			return false;
		*out_bytes += header->name.len + header->value.len + 3;
		if (header->name.len == 12 && tn_str_equal_nocase(header->name, TN_STR("content-type")))
			*out_typed = true;
	}
	return true;
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
static bool set_headers(struct tn_http_call *call)
{
	static char no_expect[] = "Expect:", no_type[] = "Content-Type:";
	size_t bytes, count = 0;
	bool typed;
	if (!check_headers(&call->options, &bytes, &typed))
		return false;
	tn_buf_clear(&call->lines);
	tn_buf_reserve(&call->lines, bytes);
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
	return true;
}

bool tn_http_call_prepare(struct tn_http_call *call, const struct tn_http_call_options *options)
{
	call->options = *options;
	if (call->options.body_limit == 0)
		call->options.body_limit = TN_HTTP_BODY_LIMIT;
	call->started_us = tn_http_now_us();
	call->message[0] = 0;
	if (!set_headers(call)) {
		strcpy(call->message, "a header's name or value has characters that must not be sent");
		return false;
	}
	set_url(call, options->url);
	set_method(call, options->method);
	set_timeout(call, options->timeout_ms);
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
