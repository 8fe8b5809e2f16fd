/* SPDX-License-Identifier: Apache-2.0
 *
 * http_parser.c - HTTP/1.1 requests out of bytes, strictly (http_parser.h says what is refused and why).
 *
 * Called by http_connection.c with whatever was read. Owns only its array of fields. Any thread, one at a time.
 */
#include "http_parser.h"

#include <stdlib.h>

enum state { REQUEST_LINE, FIELDS, BODY_LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILERS, END, REFUSED };

enum {
	CHUNK_LINE_BYTES = 512,         /* a chunk's size with its extensions */
	EXTENSION_BYTES = 16 * 1024,    /* all chunk extensions of a body: they are thrown away, and cost us reading */
	TRAILER_BYTES = 8 * 1024,
};

/* What a byte may be. */
enum { TOKEN = 1, VALUE = 2, PATH = 4, QUERY = 8, HOST = 16 };

#define UPPER_LOWER (TOKEN | VALUE | PATH | QUERY | HOST)
static const uint8_t kinds[256] = {
	['\t'] = VALUE, [' '] = VALUE, ['"'] = VALUE, ['#'] = VALUE | TOKEN, ['<'] = VALUE, ['>'] = VALUE, ['\\'] = VALUE,
	['^'] = VALUE | TOKEN, ['`'] = VALUE | TOKEN, ['{'] = VALUE, ['|'] = VALUE | TOKEN, ['}'] = VALUE,
	['!'] = UPPER_LOWER, ['$'] = UPPER_LOWER, ['&'] = UPPER_LOWER, ['\''] = UPPER_LOWER, ['*'] = UPPER_LOWER,
	['+'] = UPPER_LOWER, ['-'] = UPPER_LOWER, ['.'] = UPPER_LOWER, ['_'] = UPPER_LOWER, ['~'] = UPPER_LOWER,
	['%'] = UPPER_LOWER,
	['('] = VALUE | PATH | QUERY | HOST, [')'] = VALUE | PATH | QUERY | HOST, [','] = VALUE | PATH | QUERY | HOST,
	[';'] = VALUE | PATH | QUERY | HOST, ['='] = VALUE | PATH | QUERY | HOST, [':'] = VALUE | PATH | QUERY | HOST,
	['@'] = VALUE | PATH | QUERY, ['/'] = VALUE | PATH | QUERY, ['?'] = VALUE | QUERY,
	['['] = VALUE | HOST, [']'] = VALUE | HOST,
	['0' ... '9'] = UPPER_LOWER, ['A' ... 'Z'] = UPPER_LOWER, ['a' ... 'z'] = UPPER_LOWER,
	[0x80 ... 0xff] = VALUE, /* obs-text: raw UTF-8 in values is common; whoever uses it validates it */
};

static inline bool is(char byte, unsigned kind)
{
	return kinds[(uint8_t)byte] & kind;
}

static bool all(struct tn_str str, unsigned kind)
{
	for (size_t i = 0; i < str.len; i++)
		if (!is(str.bytes[i], kind))
			return false;
	return true;
}

static int hex_digit(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte = (char)(byte | 0x20);
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool refuse(struct tn_http_parser *parser, int status, const char *detail)
{
	parser->state = REFUSED;
	parser->status = status;
	parser->detail = detail;
	return false;
}

static void start_request(struct tn_http_parser *parser)
{
	parser->state = REQUEST_LINE;
	parser->field_count = 0;
	parser->length = parser->left = parser->body_seen = 0;
	parser->chunked = parser->old_version = parser->keep_alive = parser->expect_continue = false;
	parser->blank_skipped = parser->has_host = parser->has_length = parser->has_coding = false;
	parser->asked_close = parser->asked_keep = false;
	parser->line_at = parser->scanned = 0;
	parser->extension_bytes = parser->trailer_bytes = parser->trailer_count = 0;
}

void tn_http_parser_init(struct tn_http_parser *parser, const struct tn_http_parser_limits *limits)
{
	*parser = (struct tn_http_parser){.limits = *limits};
	start_request(parser);
}

void tn_http_parser_fini(struct tn_http_parser *parser)
{
	free(parser->fields);
	parser->fields = NULL;
	parser->field_capacity = 0;
}

bool tn_http_parser_whole(const struct tn_http_parser *parser)
{
	return parser->state == END;
}

enum line { LINE_UNFINISHED, LINE_WHOLE, LINE_TOO_LONG, LINE_REFUSED };

/* The line that starts at line_at, without its CRLF; out_end is one past it. It must end within the first `limit` bytes. */
static enum line take_line(
	struct tn_http_parser *parser, const char *bytes, size_t len, size_t limit, struct tn_str *out_line, size_t *out_end)
{
	size_t visible = len < limit ? len : limit;
	const char *lf = visible > parser->scanned
		? memchr(bytes + parser->scanned, '\n', visible - parser->scanned)
		: NULL;
	if (!lf) {
		parser->scanned = (uint32_t)visible;
		return len >= limit ? LINE_TOO_LONG : LINE_UNFINISHED;
	}
	size_t at = (size_t)(lf - bytes);
	if (at == parser->line_at || bytes[at - 1] != '\r') {
		refuse(parser, 400, "a line must end with CR LF");
		return LINE_REFUSED;
	}
	*out_line = tn_str_make(bytes + parser->line_at, at - 1 - parser->line_at);
	*out_end = at + 1;
	return LINE_WHOLE;
}

/* The same for lines that are used up one by one; `limit` counts from this line's first byte. */
static enum line take_single_line(
	struct tn_http_parser *parser, const char *bytes, size_t len, size_t limit, struct tn_str *out_line, size_t *out_end)
{
	enum line line = take_line(parser, bytes, len, limit, out_line, out_end);
	if (line == LINE_WHOLE)
		parser->scanned = 0;
	return line;
}

/* --- The request line --- */

static bool check_escapes(struct tn_str str)
{
	for (size_t i = 0; i < str.len; i++)
		if (str.bytes[i] == '%' &&
			(str.len - i < 3 || hex_digit(str.bytes[i + 1]) < 0 || hex_digit(str.bytes[i + 2]) < 0))
			return false;
	return true;
}

/* "/path?query"; out_path is the part before the question mark. */
static bool check_origin(struct tn_str target, struct tn_str *out_path)
{
	size_t mark = tn_str_find(target, '?');
	*out_path = mark == SIZE_MAX ? target : tn_str_make(target.bytes, mark);
	struct tn_str query = tn_str_tail(target, out_path->len + 1);
	return all(*out_path, PATH) && all(query, QUERY) && check_escapes(target);
}

/* "http://host/path": the form meant for proxies, which every server must accept. */
static bool check_absolute(struct tn_str target, struct tn_str *out_path)
{
	size_t scheme = tn_str_starts_nocase(target, TN_STR("http://")) ? 7
		: tn_str_starts_nocase(target, TN_STR("https://"))      ? 8
									: 0;
	if (!scheme)
		return false;
	size_t end = scheme;
	while (end < target.len && is(target.bytes[end], HOST))
		end++;
	if (end == scheme)
		return false;
	if (end == target.len || target.bytes[end] == '?') {
		*out_path = tn_str_make(target.bytes + scheme - 1, 1); /* "/": the second slash stands for it */
		return all(tn_str_tail(target, end + 1), QUERY) && check_escapes(target);
	}
	return target.bytes[end] == '/' && check_origin(tn_str_tail(target, end), out_path);
}

static bool check_target(struct tn_str method, struct tn_str target, struct tn_str *out_path)
{
	if (target.len && target.bytes[0] == '/')
		return check_origin(target, out_path);
	*out_path = target;
	if (tn_str_is(target, "*"))
		return tn_str_is(method, "OPTIONS");
	return check_absolute(target, out_path);
}

static bool take_version(struct tn_http_parser *parser, struct tn_str version)
{
	if (tn_str_is(version, "HTTP/1.1"))
		return true;
	if (tn_str_is(version, "HTTP/1.0")) {
		parser->old_version = true;
		return true;
	}
	bool shaped = version.len == 8 && tn_str_starts(version, TN_STR("HTTP/")) && hex_digit(version.bytes[5]) >= 0 &&
		hex_digit(version.bytes[5]) <= 9 && version.bytes[6] == '.' && hex_digit(version.bytes[7]) >= 0 &&
		hex_digit(version.bytes[7]) <= 9;
	return shaped ? refuse(parser, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
		      : refuse(parser, 400, "the request line must end with an HTTP version");
}

static bool take_request_line(struct tn_http_parser *parser, const char *bytes, struct tn_str line)
{
	static const char shape[] = "the request line must be a method, a target and a version with one space between them";
	size_t first = tn_str_find(line, ' ');
	if (first == SIZE_MAX || first == 0)
		return refuse(parser, 400, shape);
	struct tn_str method = tn_str_make(line.bytes, first), rest = tn_str_tail(line, first + 1);
	size_t second = tn_str_find(rest, ' ');
	if (second == SIZE_MAX || second == 0)
		return refuse(parser, 400, shape);
	struct tn_str target = tn_str_make(rest.bytes, second), path;
	if (!all(method, TOKEN))
		return refuse(parser, 400, "the method is not a token");
	if (!take_version(parser, tn_str_tail(rest, second + 1)))
		return false;
	if (tn_str_is(method, "CONNECT"))
		return refuse(parser, 501, "no tunnels are made here");
	if (!check_target(method, target, &path))
		return refuse(parser, 400, "the request target is not valid");
	parser->method = (struct tn_http_span){(uint32_t)(method.bytes - bytes), (uint32_t)method.len};
	parser->target = (struct tn_http_span){(uint32_t)(target.bytes - bytes), (uint32_t)target.len};
	parser->path = (struct tn_http_span){(uint32_t)(path.bytes - bytes), (uint32_t)path.len};
	return true;
}

/* --- Header fields --- */

static bool take_length(struct tn_http_parser *parser, struct tn_str value)
{
	if (parser->has_length)
		return refuse(parser, 400, "Content-Length is there twice");
	uint64_t length = 0;
	for (size_t i = 0; i < value.len; i++) {
		unsigned digit = (unsigned)(uint8_t)value.bytes[i] - '0';
		if (digit > 9 || length > (UINT64_MAX - digit) / 10)
			return refuse(parser, 400, "Content-Length is not a number");
		length = length * 10 + digit;
	}
	if (!value.len)
		return refuse(parser, 400, "Content-Length is not a number");
	parser->has_length = true;
	parser->length = length;
	return true;
}

static bool take_coding(struct tn_http_parser *parser, struct tn_str value)
{
	if (parser->has_coding)
		return refuse(parser, 400, "Transfer-Encoding is there twice");
	if (!tn_str_equal_nocase(value, TN_STR("chunked")))
		return refuse(parser, 400, "the only transfer coding is chunked, once and alone");
	parser->has_coding = true;
	return true;
}

static bool take_host(struct tn_http_parser *parser, struct tn_str value)
{
	if (parser->has_host)
		return refuse(parser, 400, "Host is there twice");
	if (!all(value, HOST))
		return refuse(parser, 400, "Host is not a host name");
	parser->has_host = true;
	return true;
}

static void take_connection(struct tn_http_parser *parser, struct tn_str value)
{
	while (value.len) {
		size_t comma = tn_str_find(value, ',');
		struct tn_str word = tn_str_trim(tn_str_make(value.bytes, comma == SIZE_MAX ? value.len : comma), " \t");
		if (tn_str_equal_nocase(word, TN_STR("close")))
			parser->asked_close = true;
		else if (tn_str_equal_nocase(word, TN_STR("keep-alive")))
			parser->asked_keep = true;
		value = comma == SIZE_MAX ? TN_STR("") : tn_str_tail(value, comma + 1);
	}
}

static bool take_expect(struct tn_http_parser *parser, struct tn_str value)
{
	if (parser->old_version)
		return true; /* RFC 9110 10.1.1: ignored from HTTP/1.0 */
	if (!tn_str_equal_nocase(value, TN_STR("100-continue")))
		return refuse(parser, 417, "the only expectation met here is 100-continue");
	parser->expect_continue = true;
	return true;
}

static bool interpret(struct tn_http_parser *parser, struct tn_str name, struct tn_str value)
{
	switch (name.len) {
	case 4:
		if (tn_str_equal_nocase(name, TN_STR("Host")))
			return take_host(parser, value);
		break;
	case 6:
		if (tn_str_equal_nocase(name, TN_STR("Expect")))
			return take_expect(parser, value);
		break;
	case 10:
		if (tn_str_equal_nocase(name, TN_STR("Connection")))
			take_connection(parser, value);
		break;
	case 14:
		if (tn_str_equal_nocase(name, TN_STR("Content-Length")))
			return take_length(parser, value);
		break;
	case 17:
		if (tn_str_equal_nocase(name, TN_STR("Transfer-Encoding")))
			return take_coding(parser, value);
		break;
	default:
		break;
	}
	return true;
}

static bool split_field(struct tn_http_parser *parser, struct tn_str line, struct tn_str *out_name, struct tn_str *out_value)
{
	if (line.bytes[0] == ' ' || line.bytes[0] == '\t')
		return refuse(parser, 400, "a header line must not be folded");
	size_t colon = 0;
	while (colon < line.len && is(line.bytes[colon], TOKEN))
		colon++;
	if (colon == line.len)
		return refuse(parser, 400, "a header line has no colon");
	if (colon > 0 && (line.bytes[colon] == ' ' || line.bytes[colon] == '\t'))
		return refuse(parser, 400, "white space stands before the colon of a header");
	if (colon == 0 || line.bytes[colon] != ':')
		return refuse(parser, 400, "a header name is not a token");
	*out_name = tn_str_make(line.bytes, colon);
	struct tn_str value = tn_str_tail(line, colon + 1);
	if (!all(value, VALUE))
		return refuse(parser, 400, "a header value has a control character in it");
	while (value.len && (value.bytes[0] == ' ' || value.bytes[0] == '\t'))
		value.bytes++, value.len--;
	while (value.len && (value.bytes[value.len - 1] == ' ' || value.bytes[value.len - 1] == '\t'))
		value.len--;
	*out_value = value;
	return true;
}

static struct tn_http_field *new_field(struct tn_http_parser *parser)
{
	if (parser->field_count == parser->field_capacity) {
		uint32_t capacity = parser->field_capacity ? parser->field_capacity * 2 : 16;
		struct tn_http_field *fields = realloc(parser->fields, capacity * sizeof *fields);
		if (!fields)
			abort();
		parser->fields = fields;
		parser->field_capacity = capacity;
	}
	return &parser->fields[parser->field_count++];
}

static bool take_field(struct tn_http_parser *parser, const char *bytes, struct tn_str line)
{
	struct tn_str name, value;
	if (!split_field(parser, line, &name, &value))
		return false;
	if (parser->field_count == parser->limits.header_count)
		return refuse(parser, 431, "too many headers");
	*new_field(parser) = (struct tn_http_field){
		{(uint32_t)(name.bytes - bytes), (uint32_t)name.len},
		{(uint32_t)(value.bytes - bytes), (uint32_t)value.len},
	};
	return interpret(parser, name, value);
}

/* The blank line is there: judges the head as a whole. */
static bool finish_head(struct tn_http_parser *parser)
{
	if (!parser->has_host && !parser->old_version)
		return refuse(parser, 400, "Host is missing");
	if (parser->has_coding && parser->has_length)
		return refuse(parser, 400, "Content-Length and Transfer-Encoding exclude each other");
	if (parser->has_coding && parser->old_version)
		return refuse(parser, 400, "HTTP/1.0 knows no Transfer-Encoding");
	if (parser->length > parser->limits.body_bytes)
		return refuse(parser, 413, "the body is too large");
	parser->keep_alive = !parser->asked_close && (!parser->old_version || parser->asked_keep);
	parser->chunked = parser->has_coding;
	parser->left = parser->length;
	parser->state = parser->chunked ? CHUNK_SIZE : parser->left ? BODY_LENGTH : END;
	return true;
}

/* RFC 9112 2.2: one blank line before a request is forgiven. */
static bool take_first_line(struct tn_http_parser *parser, const char *bytes, struct tn_str line)
{
	if (line.len == 0 && !parser->blank_skipped) {
		parser->blank_skipped = true;
		return true;
	}
	parser->state = FIELDS;
	return take_request_line(parser, bytes, line);
}

static bool refuse_long_head(struct tn_http_parser *parser)
{
	return parser->state == REQUEST_LINE ? refuse(parser, 414, "the request line is too long")
					     : refuse(parser, 431, "the headers are too large");
}

static enum tn_http_step read_head(struct tn_http_parser *parser, const char *bytes, size_t len, size_t *out_used)
{
	for (;;) {
		struct tn_str line;
		size_t end;
		enum line found = take_line(parser, bytes, len, parser->limits.header_bytes, &line, &end);
		if (found == LINE_UNFINISHED)
			return TN_HTTP_STEP_MORE;
		if (found == LINE_TOO_LONG)
			refuse_long_head(parser);
		if (found != LINE_WHOLE)
			return TN_HTTP_STEP_REFUSED;
		parser->line_at = parser->scanned = (uint32_t)end;
		if (parser->state == FIELDS && line.len == 0) {
			parser->line_at = parser->scanned = 0;
			*out_used = end;
			return finish_head(parser) ? TN_HTTP_STEP_HEAD : TN_HTTP_STEP_REFUSED;
		}
		if (parser->state == FIELDS ? !take_field(parser, bytes, line) : !take_first_line(parser, bytes, line))
			return TN_HTTP_STEP_REFUSED;
	}
}

/* --- The body --- */

static enum tn_http_step read_piece(struct tn_http_parser *parser, const char *bytes, size_t len, size_t *out_used)
{
	size_t take = parser->left < len ? (size_t)parser->left : len;
	if (!take)
		return TN_HTTP_STEP_MORE;
	parser->piece = tn_str_make(bytes, take);
	parser->left -= take;
	if (!parser->left)
		parser->state = parser->chunked ? CHUNK_END : END;
	*out_used = take;
	return TN_HTTP_STEP_BODY;
}

/* What follows a chunk's size on its line: extensions, which are read and dropped. */
static bool take_extensions(struct tn_http_parser *parser, struct tn_str rest)
{
	if (!rest.len)
		return true;
	struct tn_str start = rest;
	while (start.len && (start.bytes[0] == ' ' || start.bytes[0] == '\t'))
		start.bytes++, start.len--;
	if (!start.len || start.bytes[0] != ';' || !all(rest, VALUE))
		return refuse(parser, 400, "a chunk size is not a number");
	parser->extension_bytes += (uint32_t)rest.len;
	return parser->extension_bytes <= EXTENSION_BYTES ? true : refuse(parser, 400, "too many chunk extensions");
}

static bool take_chunk_size(struct tn_http_parser *parser, struct tn_str line)
{
	uint64_t size = 0;
	size_t digits = 0;
	for (; digits < line.len && hex_digit(line.bytes[digits]) >= 0; digits++) {
		if (digits == 16)
			return refuse(parser, 400, "a chunk size is too long");
		size = size << 4 | (uint64_t)hex_digit(line.bytes[digits]);
	}
	if (!digits)
		return refuse(parser, 400, "a chunk size is not a number");
	if (!take_extensions(parser, tn_str_tail(line, digits)))
		return false;
	if (size > parser->limits.body_bytes - parser->body_seen)
		return refuse(parser, 413, "the body is too large");
	parser->body_seen += size;
	parser->left = size;
	parser->state = size ? CHUNK_DATA : TRAILERS;
	return true;
}

static enum tn_http_step read_chunk_size(struct tn_http_parser *parser, const char *bytes, size_t len, size_t *out_used)
{
	struct tn_str line;
	enum line found = take_single_line(parser, bytes, len, CHUNK_LINE_BYTES, &line, out_used);
	if (found == LINE_TOO_LONG)
		refuse(parser, 400, "a chunk size line is too long");
	else if (found == LINE_WHOLE)
		take_chunk_size(parser, line);
	return parser->state == REFUSED ? TN_HTTP_STEP_REFUSED : TN_HTTP_STEP_MORE;
}

static enum tn_http_step read_chunk_end(struct tn_http_parser *parser, const char *bytes, size_t len, size_t *out_used)
{
	if ((len > 0 && bytes[0] != '\r') || (len > 1 && bytes[1] != '\n')) {
		refuse(parser, 400, "a chunk does not end where it said");
		return TN_HTTP_STEP_REFUSED;
	}
	if (len > 1) {
		parser->state = CHUNK_SIZE;
		*out_used = 2;
	}
	return TN_HTTP_STEP_MORE;
}

static bool take_trailer(struct tn_http_parser *parser, struct tn_str line)
{
	struct tn_str name, value;
	if (line.len == 0) {
		parser->state = END;
		return true;
	}
	if (++parser->trailer_count > parser->limits.header_count)
		return refuse(parser, 431, "too many trailers");
	return split_field(parser, line, &name, &value);
}

/* Read and dropped: nobody here has a use for them, and they must not become headers (RFC 9110 6.5.1). */
static enum tn_http_step read_trailer(struct tn_http_parser *parser, const char *bytes, size_t len, size_t *out_used)
{
	struct tn_str line;
	enum line found = take_single_line(parser, bytes, len, TRAILER_BYTES - parser->trailer_bytes, &line, out_used);
	if (found == LINE_TOO_LONG)
		refuse(parser, 431, "the trailers are too large");
	else if (found == LINE_WHOLE && take_trailer(parser, line))
		parser->trailer_bytes += (uint32_t)*out_used;
	return parser->state == REFUSED ? TN_HTTP_STEP_REFUSED : TN_HTTP_STEP_MORE;
}

static enum tn_http_step read_state(struct tn_http_parser *parser, const char *bytes, size_t len, size_t *out_used)
{
	switch ((enum state)parser->state) {
	case REQUEST_LINE:
	case FIELDS:
		return read_head(parser, bytes, len, out_used);
	case BODY_LENGTH:
	case CHUNK_DATA:
		return read_piece(parser, bytes, len, out_used);
	case CHUNK_SIZE:
		return read_chunk_size(parser, bytes, len, out_used);
	case CHUNK_END:
		return read_chunk_end(parser, bytes, len, out_used);
	case TRAILERS:
		return read_trailer(parser, bytes, len, out_used);
	case END:
		start_request(parser);
		return TN_HTTP_STEP_END;
	case REFUSED:
		break;
	}
	return TN_HTTP_STEP_REFUSED;
}

enum tn_http_step tn_http_parser_next(struct tn_http_parser *parser, const char *bytes, size_t len, size_t *out_used)
{
	size_t used = 0;
	for (;;) {
		size_t step_used = 0;
		uint8_t before = parser->state;
		enum tn_http_step step = read_state(parser, bytes + used, len - used, &step_used);
		used += step_used;
		/* MORE after a step forward (a chunk size, a trailer) is our own business. */
		if (step != TN_HTTP_STEP_MORE || (!step_used && parser->state == before)) {
			*out_used = used;
			return step;
		}
	}
}
