/* SPDX-License-Identifier: Apache-2.0
 *
 * http_response.c - the parser of HTTP/1 answers (RFC 9112).
 *
 * Called by http_client_plain.c with what it read. Owns at most the start of one line. Any thread.
 *
 * Answers decide nothing but a verdict, yet a connection whose answers slip by one would give every delivery the verdict of another. So
 * whenever the framing is doubtful (two lengths, a folded line, both length and chunks) the connection is not kept, or the answer is BROKEN.
 */
#include "http_response.h"

enum { LINE_MAX_BYTES = 64 * 1024, SIZE_DIGITS_MAX = 15 };

void tn_http_response_start(struct tn_http_response *response, bool bodyless)
{
	response->state = TN_RESPONSE_STATUS;
	response->bodyless = bodyless;
	response->status = 0;
	response->line_bytes = 0;
	tn_buf_clear(&response->line);
}

void tn_http_response_fini(struct tn_http_response *response)
{
	tn_buf_fini(&response->line);
}

/* --- The head --- */

/* "HTTP/1.1 200 OK", the reason may be missing. */
static void read_status(struct tn_http_response *response, struct tn_str line)
{
	uint64_t status;
	bool good = line.len >= 12 && memcmp(line.bytes, "HTTP/1.", 7) == 0 && (line.bytes[7] == '0' || line.bytes[7] == '1') &&
		line.bytes[8] == ' ' && (line.len == 12 || line.bytes[12] == ' ') &&
		tn_str_to_u64(tn_str_make(line.bytes + 9, 3), 999, &status) && status >= 100;
	if (!good) {
		response->state = TN_RESPONSE_BROKEN;
		return;
	}
	response->status = (int32_t)status;
	response->keep = line.bytes[7] == '1';
	response->chunked = false;
	response->coded = false;
	response->has_length = false;
	response->left = 0;
	response->state = TN_RESPONSE_HEADERS;
	response->ops->status(response->arg, response->status);
}

static bool has_token(struct tn_str list, struct tn_str token)
{
	while (list.len > 0) {
		size_t comma = tn_str_find(list, ',');
		struct tn_str part = {list.bytes, comma == SIZE_MAX ? list.len : comma};
		if (tn_str_equal_nocase(tn_str_trim(part, " \t"), token))
			return true;
		list = tn_str_tail(list, part.len + 1);
	}
	return false;
}

static void read_length(struct tn_http_response *response, struct tn_str value)
{
	uint64_t length = 0;
	bool good = value.len > 0 && value.len <= 18;
	for (size_t i = 0; good && i < value.len; i++) {
		good = value.bytes[i] >= '0' && value.bytes[i] <= '9';
		length = length * 10 + (uint64_t)(value.bytes[i] - '0');
	}
	if (!good || (response->has_length && length != response->left)) {
		response->state = TN_RESPONSE_BROKEN;
		return;
	}
	response->has_length = true;
	response->left = length;
}

/* The few headers that say where the answer ends and what becomes of the connection; told apart by their length first. */
static void heed_header(struct tn_http_response *response, struct tn_str name, struct tn_str value)
{
	if (name.len == 10 && tn_str_equal_nocase(name, TN_STR("connection"))) {
		if (has_token(value, TN_STR("close")))
			response->keep = false;
	} else if (name.len == 14 && tn_str_equal_nocase(name, TN_STR("content-length"))) {
		read_length(response, value);
	} else if (name.len == 17 && tn_str_equal_nocase(name, TN_STR("transfer-encoding"))) {
		response->coded = true;
		response->chunked = tn_str_equal_nocase(value, TN_STR("chunked"));
	}
}

static void read_header(struct tn_http_response *response, struct tn_str line)
{
	size_t colon = tn_str_find(line, ':');
	if (line.bytes[0] == ' ' || line.bytes[0] == '\t') { /* a folded line: nothing we heed may be folded */
		response->keep = false;
		return;
	}
	if (colon == SIZE_MAX || colon == 0) {
		response->state = TN_RESPONSE_BROKEN;
		return;
	}
	struct tn_str name = {line.bytes, colon}, value = tn_str_trim(tn_str_tail(line, colon + 1), " \t");
	heed_header(response, name, value);
	if (response->state == TN_RESPONSE_HEADERS && !response->ops->header(response->arg, name, value))
		response->state = TN_RESPONSE_CUT;
}

static void end_head(struct tn_http_response *response)
{
	response->line_bytes = 0;
	if (response->status < 200 && response->status != 101) {
		response->state = TN_RESPONSE_STATUS;
		return;
	}
	response->ops->headers_end(response->arg);
	if (response->status == 101) { /* nobody asked for another protocol, and what follows is in it */
		response->keep = false;
		response->state = TN_RESPONSE_DONE;
		return;
	}
	if (response->coded && response->has_length)
		response->keep = false;
	if (response->bodyless || response->status == 204 || response->status == 304)
		response->state = TN_RESPONSE_DONE;
	else if (response->coded)
		response->state = response->chunked ? TN_RESPONSE_SIZE : TN_RESPONSE_UNTIL_CLOSE;
	else if (response->has_length)
		response->state = response->left > 0 ? TN_RESPONSE_LENGTH : TN_RESPONSE_DONE;
	else
		response->state = TN_RESPONSE_UNTIL_CLOSE;
	if (response->state == TN_RESPONSE_UNTIL_CLOSE)
		response->keep = false;
}

/* --- The body --- */

/* Hexadecimal digits, then perhaps an extension after ';' or blanks. */
static void read_size(struct tn_http_response *response, struct tn_str line)
{
	uint64_t size = 0;
	size_t digits = 0;
	for (; digits < line.len; digits++) {
		char c = line.bytes[digits];
		unsigned value = c >= '0' && c <= '9' ? (unsigned)(c - '0')
			: c >= 'a' && c <= 'f'        ? (unsigned)(c - 'a') + 10
			: c >= 'A' && c <= 'F'        ? (unsigned)(c - 'A') + 10
						      : 16;
		if (value == 16)
			break;
		size = size * 16 + value;
		if (digits >= SIZE_DIGITS_MAX)
			break;
	}
	bool ended = digits == line.len || line.bytes[digits] == ';' || line.bytes[digits] == ' ' || line.bytes[digits] == '\t';
	if (digits == 0 || !ended) {
		response->state = TN_RESPONSE_BROKEN;
		return;
	}
	response->left = size;
	response->state = size > 0 ? TN_RESPONSE_CHUNK : TN_RESPONSE_TRAILERS;
	response->line_bytes = 0;
}

static size_t take_body(struct tn_http_response *response, struct tn_str bytes)
{
	size_t take = bytes.len < response->left ? bytes.len : (size_t)response->left;
	response->left -= take;
	if (!response->ops->body(response->arg, tn_str_make(bytes.bytes, take)))
		response->state = TN_RESPONSE_CUT;
	else if (response->left == 0)
		response->state = response->state == TN_RESPONSE_CHUNK ? TN_RESPONSE_CHUNK_END : TN_RESPONSE_DONE;
	return take;
}

/* --- Lines --- */

static void read_line(struct tn_http_response *response, struct tn_str line)
{
	switch (response->state) {
	case TN_RESPONSE_STATUS:
		if (line.len > 0) /* an empty line may precede it */
			read_status(response, line);
		break;
	case TN_RESPONSE_HEADERS:
		if (line.len > 0)
			read_header(response, line);
		else
			end_head(response);
		break;
	case TN_RESPONSE_SIZE:
		read_size(response, line);
		break;
	case TN_RESPONSE_CHUNK_END:
		response->state = line.len == 0 ? TN_RESPONSE_SIZE : TN_RESPONSE_BROKEN;
		break;
	default: /* TN_RESPONSE_TRAILERS */
		if (line.len == 0)
			response->state = TN_RESPONSE_DONE;
		break;
	}
}

/* Header lines and trailers are counted against one limit; over it, an answer whose status is known is cut, another is broken. */
static bool within_limit(struct tn_http_response *response, size_t more)
{
	response->line_bytes += more;
	if (response->line_bytes <= LINE_MAX_BYTES)
		return true;
	if (response->state == TN_RESPONSE_HEADERS && response->status >= 200) {
		response->ops->headers_end(response->arg);
		response->state = TN_RESPONSE_CUT;
	} else {
		response->state = TN_RESPONSE_BROKEN;
	}
	return false;
}

static size_t take_line(struct tn_http_response *response, struct tn_str bytes)
{
	const char *end = memchr(bytes.bytes, '\n', bytes.len);
	size_t taken = end ? (size_t)(end - bytes.bytes) + 1 : bytes.len;
	struct tn_str line = {bytes.bytes, end ? taken - 1 : taken};
	if (!within_limit(response, taken))
		return taken;
	if (!end || response->line.len > 0) {
		tn_buf_add_str(&response->line, line);
		line = tn_buf_str(&response->line);
	}
	if (!end)
		return taken;
	if (line.len > 0 && line.bytes[line.len - 1] == '\r')
		line.len--;
	read_line(response, line);
	tn_buf_clear(&response->line);
	return taken;
}

size_t tn_http_response_feed(struct tn_http_response *response, struct tn_str bytes)
{
	size_t used = 0;
	while (used < bytes.len && response->state < TN_RESPONSE_DONE) {
		struct tn_str rest = tn_str_tail(bytes, used);
		if (response->state == TN_RESPONSE_LENGTH || response->state == TN_RESPONSE_CHUNK) {
			used += take_body(response, rest);
		} else if (response->state == TN_RESPONSE_UNTIL_CLOSE) {
			if (!response->ops->body(response->arg, rest))
				response->state = TN_RESPONSE_CUT;
			used = bytes.len;
		} else {
			used += take_line(response, rest);
		}
	}
	return used;
}

void tn_http_response_close(struct tn_http_response *response)
{
	response->keep = false;
	if (response->state < TN_RESPONSE_DONE)
		response->state = response->state == TN_RESPONSE_UNTIL_CLOSE ? TN_RESPONSE_DONE : TN_RESPONSE_BROKEN;
}
