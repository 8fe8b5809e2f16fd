/* SPDX-License-Identifier: Apache-2.0
 *
 * http_request.c - one request: its own copy of the head and the body, reused from request to request.
 *
 * Made by http_connection.c, read by whoever handles it. Spare ones wait in the server with their memory. Loop thread only.
 */
#include "http_connection.h"

#include <stdlib.h>

enum { SPARE_REQUESTS = 256, SPARE_BYTES = 16 * 1024 };

struct tn_http_request *tn_http_request_new(struct tn_http_connection *connection)
{
	struct tn_http_server *server = connection->server;
	struct tn_http_request *request = TAILQ_FIRST(&server->spare);
	if (request) {
		TAILQ_REMOVE(&server->spare, request, link);
		server->spare_count--;
	} else {
		request = calloc(1, sizeof *request);
		if (!request)
			abort();
	}
	request->connection = connection;
	return request;
}

static struct tn_str str_of(struct tn_http_span span, const char *bytes)
{
	return tn_str_make(bytes + span.at, span.len);
}

static void reserve_headers(struct tn_http_request *request, size_t count)
{
	if (count <= request->header_capacity)
		return;
	struct tn_header *headers = realloc(request->headers, count * sizeof *headers);
	if (!headers)
		abort();
	request->headers = headers;
	request->header_capacity = count;
}

void tn_http_request_fill(struct tn_http_request *request, const struct tn_http_parser *parser, const char *bytes)
{
	const struct tn_http_field *last = parser->field_count ? &parser->fields[parser->field_count - 1] : NULL;
	size_t end = last ? (size_t)last->value.at + last->value.len : (size_t)parser->target.at + parser->target.len;
	tn_buf_add(&request->head, bytes, end);
	bytes = request->head.bytes;
	request->method = str_of(parser->method, bytes);
	request->target = str_of(parser->target, bytes);
	request->path = str_of(parser->path, bytes);
	reserve_headers(request, parser->field_count);
	for (uint32_t i = 0; i < parser->field_count; i++)
		request->headers[i] = (struct tn_header){
			.name = str_of(parser->fields[i].name, bytes),
			.value = str_of(parser->fields[i].value, bytes),
			.type = TN_STRING,
		};
	request->header_count = parser->field_count;
	request->head_only = tn_str_is(request->method, "HEAD");
	request->old_version = parser->old_version;
	request->keep_alive = parser->keep_alive;
	request->last = !parser->keep_alive;
}

static void empty_buf(struct tn_buf *buf)
{
	if (buf->capacity > SPARE_BYTES)
		tn_buf_fini(buf);
	else
		tn_buf_clear(buf);
}

void tn_http_request_recycle(struct tn_http_server *server, struct tn_http_request *request)
{
	if (server->spare_count == SPARE_REQUESTS) {
		tn_http_request_free(request);
		return;
	}
	empty_buf(&request->head);
	empty_buf(&request->body);
	empty_buf(&request->answer);
	struct tn_http_request clean = {
		.head = request->head,
		.body = request->body,
		.answer = request->answer,
		.headers = request->headers,
		.header_capacity = request->header_capacity,
	};
	*request = clean;
	TAILQ_INSERT_HEAD(&server->spare, request, link);
	server->spare_count++;
}

void tn_http_request_free(struct tn_http_request *request)
{
	tn_buf_fini(&request->head);
	tn_buf_fini(&request->body);
	tn_buf_fini(&request->answer);
	free(request->headers);
	free(request);
}

/* --- For whoever handles it --- */

struct tn_str tn_http_request_method(const struct tn_http_request *request)
{
	return request->method;
}

struct tn_str tn_http_request_target(const struct tn_http_request *request)
{
	return request->target;
}

struct tn_str tn_http_request_path(const struct tn_http_request *request)
{
	return request->path;
}

const struct tn_header *tn_http_request_headers(const struct tn_http_request *request, size_t *out_count)
{
	*out_count = request->header_count;
	return request->headers;
}

struct tn_str tn_http_request_header(const struct tn_http_request *request, const char *name)
{
	struct tn_str wanted = tn_str_from(name);
	for (size_t i = 0; i < request->header_count; i++)
		if (tn_str_equal_nocase(request->headers[i].name, wanted))
			return request->headers[i].value;
	return (struct tn_str){0};
}

struct tn_str tn_http_request_body(const struct tn_http_request *request)
{
	return tn_buf_str(&request->body);
}

void tn_http_request_forget(struct tn_http_request *request)
{
	request->method = request->target = request->path = (struct tn_str){0};
	request->header_count = 0;
	tn_buf_fini(&request->head);
	tn_buf_fini(&request->body);
}

void tn_http_request_set_user(struct tn_http_request *request, void *user)
{
	request->user = user;
}

void *tn_http_request_user(const struct tn_http_request *request)
{
	return request->user;
}
