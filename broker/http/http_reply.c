/* SPDX-License-Identifier: Apache-2.0
 *
 * http_reply.c - answers: made when they are known, written in the order of their requests.
 *
 * Called by whoever handles requests, and by http_connection.c for refusals. Never writes to a socket: it makes the connection due.
 * Loop thread only.
 */
#include "http_connection.h"

#include <assert.h>
#include "turnout/json.h"

const char *tn_http_reason(int status)
{
	switch (status) {
	case 100:
		return "Continue";
	case 200:
		return "OK";
	case 201:
		return "Created";
	case 202:
		return "Accepted";
	case 204:
		return "No Content";
	case 304:
		return "Not Modified";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 409:
		return "Conflict";
	case 410:
		return "Gone";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 415:
		return "Unsupported Media Type";
	case 417:
		return "Expectation Failed";
	case 422:
		return "Unprocessable Content";
	case 429:
		return "Too Many Requests";
	case 431:
		return "Request Header Fields Too Large";
	case 500:
		return "Internal Server Error";
	case 501:
		return "Not Implemented";
	case 502:
		return "Bad Gateway";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return status < 300 ? "OK" : status < 400 ? "Redirect" : status < 500 ? "Client Error" : "Server Error";
	}
}

static bool is_connection(const struct tn_header *header)
{
	return tn_str_equal_nocase(header->name, TN_STR("connection"));
}

static bool asks_for_close(const struct tn_header *headers, size_t header_count)
{
	for (size_t i = 0; i < header_count; i++)
		if (is_connection(&headers[i]) && tn_str_equal_nocase(headers[i].value, TN_STR("close")))
			return true;
	return false;
}

/* Whatever a header's value came from, it stays within its line. */
static void add_line_part(struct tn_buf *out, struct tn_str part)
{
	tn_buf_add_str(out, part);
	for (char *byte = out->bytes + out->len - part.len; byte < out->bytes + out->len; byte++)
		if ((uint8_t)*byte < ' ' && *byte != '\t')
			*byte = ' ';
}

static void add_header(struct tn_buf *out, struct tn_str name, struct tn_str value)
{
	tn_buf_add(out, "\r\n", 2);
	add_line_part(out, name);
	tn_buf_add(out, ": ", 2);
	add_line_part(out, value);
}

static void write_answer(struct tn_buf *out, const struct tn_http_request *request, int status, const struct tn_header *headers,
	size_t header_count, struct tn_str body)
{
	bool bodyless = status == 204 || status == 304;
	tn_buf_reserve(out, 128 + body.len);
	tn_buf_add_str(out, TN_STR("HTTP/1.1 "));
	tn_buf_add_u64(out, (uint64_t)status);
	tn_buf_add_byte(out, ' ');
	tn_buf_add_text(out, tn_http_reason(status));
	if (!bodyless) {
		tn_buf_add_str(out, TN_STR("\r\nContent-Length: "));
		tn_buf_add_u64(out, body.len);
	}
	if (request->last)
		tn_buf_add_str(out, TN_STR("\r\nConnection: close"));
	else if (request->old_version)
		tn_buf_add_str(out, TN_STR("\r\nConnection: keep-alive"));
	for (size_t i = 0; i < header_count; i++)
		if (!is_connection(&headers[i]))
			add_header(out, headers[i].name, headers[i].value);
	tn_buf_add(out, "\r\n\r\n", 4);
	if (!bodyless && !request->head_only)
		tn_buf_add_str(out, body);
}

void tn_http_reply_release(struct tn_http_connection *connection)
{
	struct tn_http_request *request;
	while ((request = TAILQ_FIRST(&connection->requests)) && request->answered && request != connection->receiving) {
		tn_buf_add_str(&connection->out, tn_buf_str(&request->answer));
		TAILQ_REMOVE(&connection->requests, request, link);
		connection->waiting--;
		tn_http_request_recycle(connection->server, request);
	}
}

/* The rest of it will not be read. */
static void stop_receiving(struct tn_http_connection *connection)
{
	connection->receiving = NULL;
	connection->waiting++;
	tn_http_connection_end(connection);
}

static void end_if_asked(struct tn_http_connection *connection, const struct tn_http_request *request, bool close)
{
	if (connection->receiving == request) {
		if (!tn_http_parser_whole(&connection->parser))
			stop_receiving(connection);
		else if (close)
			connection->end_after_receiving = true;
	} else if (close && connection->receiving) {
		connection->end_after_receiving = true;
	} else if (close) {
		tn_http_connection_end(connection);
	}
}

void tn_http_reply(
	struct tn_http_request *request, int status, const struct tn_header *headers, size_t header_count, struct tn_str body)
{
	struct tn_http_connection *connection = request->connection;
	struct tn_http_server *server = connection->server;
	assert(!request->answered && status >= 200 && status <= 599);

	end_if_asked(connection, request, server->draining || asks_for_close(headers, header_count));
	request->answered = true;
	bool its_turn = TAILQ_FIRST(&connection->requests) == request;
	write_answer(its_turn ? &connection->out : &request->answer, request, status, headers, header_count, body);
	tn_http_reply_release(connection);
	tn_http_server_make_due(server, connection);
}

void tn_http_problem_text(struct tn_buf *out, int status, const char *detail, struct tn_str extra)
{
	tn_buf_add_text(out, "{\"type\":\"about:blank\",\"title\":");
	tn_json_quote(out, tn_str_from(tn_http_reason(status)));
	tn_buf_add_text(out, ",\"status\":");
	tn_buf_add_u64(out, (uint64_t)status);
	if (detail) {
		tn_buf_add_text(out, ",\"detail\":");
		tn_json_quote(out, tn_str_from(detail));
	}
	tn_buf_add_str(out, extra);
	tn_buf_add_byte(out, '}');
}

void tn_http_reply_problem(
	struct tn_http_request *request, int status, int64_t retry_after_s, const char *detail, struct tn_str extra)
{
	struct tn_buf body = {0}, seconds = {0};
	struct tn_header headers[2] = {
		{.name = TN_STR("Content-Type"), .value = TN_STR("application/problem+json")},
		{.name = TN_STR("Retry-After")},
	};

	tn_http_problem_text(&body, status, detail, extra);
	tn_buf_add_i64(&seconds, retry_after_s);
	headers[1].value = tn_buf_str(&seconds);
	tn_http_reply(request, status, headers, retry_after_s > 0 ? 2 : 1, tn_buf_str(&body));
	tn_buf_fini(&body);
	tn_buf_fini(&seconds);
}
