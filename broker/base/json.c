/* SPDX-License-Identifier: Apache-2.0
 *
 * json.c - a strict, allocation-free JSON scanner.
 *
 * Called by the CloudEvents codec, the pattern compiler and the matcher: it is the hot path. Owns nothing, never recurses.
 *
 * `expect` says what may come next. A value is followed by MORE inside a container and by TAIL at the top:
 *
 *   VALUE --scalar--> MORE | TAIL        OBJECT '{' --> FIRST_NAME --'}'--> MORE | TAIL
 *   MORE  --','-----> NAME | VALUE       NAME ':' ---> VALUE
 *   ARRAY '[' ------> FIRST_VALUE --']'--> MORE | TAIL
 */
#include "turnout/json.h"
#include "turnout/utf8.h"

#include <assert.h>

enum { VALUE, FIRST_VALUE, FIRST_NAME, NAME, MORE, TAIL, DONE };

void tn_json_init(struct tn_json *json, struct tn_str text, uint32_t max_depth)
{
	assert(max_depth <= TN_JSON_DEPTH_LIMIT);
	json->text = text;
	json->at = 0;
	json->depth = 0;
	json->max_depth = max_depth;
	json->expect = VALUE;
	json->fault = TN_JSON_FINE;
	json->fault_at = 0;
}

static enum tn_status fail(struct tn_json *json, enum tn_json_fault fault, size_t at)
{
	json->fault = fault;
	json->fault_at = at;
	return TN_INVALID;
}

static void skip_space(struct tn_json *json)
{
	const char *bytes = json->text.bytes;
	size_t at = json->at, len = json->text.len;
	while (at < len && (bytes[at] == ' ' || bytes[at] == '\n' || bytes[at] == '\r' || bytes[at] == '\t'))
		at++;
	json->at = at;
}

static bool in_object(const struct tn_json *json)
{
	uint32_t level = json->depth - 1;
	return json->objects[level / 64] >> (level % 64) & 1;
}

static enum tn_status push(struct tn_json *json, bool object)
{
	if (json->depth == json->max_depth)
		return fail(json, TN_JSON_TOO_DEEP, json->at);
	uint64_t bit = (uint64_t)1 << (json->depth % 64);
	uint64_t *word = &json->objects[json->depth / 64];
	*word = object ? *word | bit : *word & ~bit;
	json->depth++;
	return TN_OK;
}

static int hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits at `at`; -1 when they are not. */
static int32_t hex4(struct tn_str text, size_t at)
{
	if (text.len - at < 4)
		return -1;
	int32_t code = 0;
	for (size_t i = 0; i < 4; i++) {
		int value = hex_value((unsigned char)text.bytes[at + i]);
		if (value < 0)
			return -1;
		code = code << 4 | value;
	}
	return code;
}

/* at stands on a backslash; answers the length of the escape (a surrogate pair is one), or 0. */
static size_t escape_length(struct tn_str text, size_t at)
{
	if (at + 1 >= text.len)
		return 0;
	switch (text.bytes[at + 1]) {
	case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
		return 2;
	case 'u':
		break;
	default:
		return 0;
	}
	int32_t code = hex4(text, at + 2);
	if (code < 0 || (code >= 0xdc00 && code < 0xe000))
		return 0;
	if (code < 0xd800 || code >= 0xe000)
		return 6;
	if (text.len - at < 12 || text.bytes[at + 6] != '\\' || text.bytes[at + 7] != 'u')
		return 0;
	int32_t low = hex4(text, at + 8);
	return low >= 0xdc00 && low < 0xe000 ? 12 : 0;
}

/* Eight bytes at once: is none of them a quote, a backslash, a control character or outside ASCII? */
static bool eight_plain(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
	uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
	uint64_t hit = ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((word - ones * 0x20) & ~word) | word;
	return !(hit & high);
}

/* json->at stands on the opening quote. */
static enum tn_status scan_string(struct tn_json *json, struct tn_json_token *token)
{
	struct tn_str text = json->text;
	size_t start = json->at, at = start + 1;
	bool escaped = false;
	for (;;) {
		uint64_t word;
		while (text.len - at >= 8) {
			memcpy(&word, text.bytes + at, 8);
			if (!eight_plain(word))
				break;
			at += 8;
		}
		if (at >= text.len)
			return fail(json, TN_JSON_BAD, text.len);
		unsigned char c = (unsigned char)text.bytes[at];
		if (c == '"')
			break;
		if (c == '\\') {
			size_t len = escape_length(text, at);
			if (len == 0)
				return fail(json, TN_JSON_BAD, at);
			escaped = true;
			at += len;
		} else if (c < 0x20) {
			return fail(json, TN_JSON_BAD, at);
		} else if (c < 0x80) {
			at++;
		} else {
			uint32_t code;
			unsigned len = tn_utf8_decode(text.bytes + at, text.len - at, &code);
			if (len == 0)
				return fail(json, TN_JSON_BAD, at);
			at += len;
		}
	}
	token->at = start;
	token->text = (struct tn_str){text.bytes + start + 1, at - start - 1};
	token->escaped = escaped;
	json->at = at + 1;
	return TN_OK;
}

static size_t skip_digits(struct tn_str text, size_t at)
{
	while (at < text.len && text.bytes[at] >= '0' && text.bytes[at] <= '9')
		at++;
	return at;
}

static enum tn_status scan_number(struct tn_json *json, struct tn_json_token *token)
{
	struct tn_str text = json->text;
	size_t start = json->at, at = start, end;
	if (text.bytes[at] == '-')
		at++;
	end = skip_digits(text, at);
	if (end == at)
		return fail(json, TN_JSON_BAD, at);
	if (text.bytes[at] == '0' && end > at + 1)
		return fail(json, TN_JSON_BAD, at + 1);
	at = end;
	if (at < text.len && text.bytes[at] == '.') {
		end = skip_digits(text, ++at);
		if (end == at)
			return fail(json, TN_JSON_BAD, at);
		at = end;
	}
	if (at < text.len && (text.bytes[at] == 'e' || text.bytes[at] == 'E')) {
		at++;
		if (at < text.len && (text.bytes[at] == '+' || text.bytes[at] == '-'))
			at++;
		end = skip_digits(text, at);
		if (end == at)
			return fail(json, TN_JSON_BAD, at);
		at = end;
	}
	token->kind = TN_JSON_NUMBER;
	token->at = start;
	token->text = (struct tn_str){text.bytes + start, at - start};
	json->at = at;
	return TN_OK;
}

static enum tn_status scan_word(struct tn_json *json, struct tn_json_token *token, struct tn_str word,
	enum tn_json_kind kind)
{
	size_t start = json->at;
	for (size_t i = 0; i < word.len; i++)
		if (start + i >= json->text.len || json->text.bytes[start + i] != word.bytes[i])
			return fail(json, TN_JSON_BAD, start + i);
	token->kind = kind;
	token->at = start;
	token->text = (struct tn_str){json->text.bytes + start, word.len};
	json->at = start + word.len;
	return TN_OK;
}

static void value_done(struct tn_json *json)
{
	json->expect = json->depth ? MORE : TAIL;
}

static enum tn_status scan_open(struct tn_json *json, struct tn_json_token *token, bool object)
{
	if (push(json, object) != TN_OK)
		return TN_INVALID;
	token->kind = object ? TN_JSON_OBJECT : TN_JSON_ARRAY;
	token->at = json->at;
	token->text = (struct tn_str){json->text.bytes + json->at, 1};
	json->at++;
	json->expect = object ? FIRST_NAME : FIRST_VALUE;
	return TN_OK;
}

static enum tn_status scan_close(struct tn_json *json, struct tn_json_token *token)
{
	token->kind = in_object(json) ? TN_JSON_OBJECT_END : TN_JSON_ARRAY_END;
	token->at = json->at;
	token->text = (struct tn_str){json->text.bytes + json->at, 1};
	json->at++;
	json->depth--;
	value_done(json);
	return TN_OK;
}

static enum tn_status scan_value(struct tn_json *json, struct tn_json_token *token)
{
	enum tn_status status;
	char c = json->text.bytes[json->at];
	switch (c) {
	case '{':
	case '[':
		return scan_open(json, token, c == '{');
	case '"':
		token->kind = TN_JSON_STRING;
		status = scan_string(json, token);
		break;
	case 't':
		status = scan_word(json, token, TN_STR("true"), TN_JSON_TRUE);
		break;
	case 'f':
		status = scan_word(json, token, TN_STR("false"), TN_JSON_FALSE);
		break;
	case 'n':
		status = scan_word(json, token, TN_STR("null"), TN_JSON_NULL);
		break;
	default:
		if (c != '-' && (c < '0' || c > '9'))
			return fail(json, TN_JSON_BAD, json->at);
		status = scan_number(json, token);
	}
	if (status == TN_OK)
		value_done(json);
	return status;
}

static enum tn_status scan_name(struct tn_json *json, struct tn_json_token *token)
{
	if (json->text.bytes[json->at] != '"')
		return fail(json, TN_JSON_BAD, json->at);
	token->kind = TN_JSON_NAME;
	if (scan_string(json, token) != TN_OK)
		return TN_INVALID;
	skip_space(json);
	if (json->at >= json->text.len || json->text.bytes[json->at] != ':')
		return fail(json, TN_JSON_BAD, json->at);
	json->at++;
	json->expect = VALUE;
	return TN_OK;
}

enum tn_status tn_json_next(struct tn_json *json, struct tn_json_token *token)
{
	if (json->fault != TN_JSON_FINE)
		return TN_INVALID;
	token->escaped = false;
	skip_space(json);
	if (json->expect >= TAIL) {
		if (json->at < json->text.len)
			return fail(json, TN_JSON_BAD, json->at);
		json->expect = DONE;
		token->kind = TN_JSON_END;
		token->at = json->at;
		token->text = (struct tn_str){json->text.bytes + json->at, 0};
		return TN_OK;
	}
	if (json->at >= json->text.len)
		return fail(json, TN_JSON_BAD, json->text.len);
	char c = json->text.bytes[json->at];
	if (json->expect == MORE) {
		if (c == (in_object(json) ? '}' : ']'))
			return scan_close(json, token);
		if (c != ',')
			return fail(json, TN_JSON_BAD, json->at);
		json->at++;
		json->expect = in_object(json) ? NAME : VALUE;
		skip_space(json);
		if (json->at >= json->text.len)
			return fail(json, TN_JSON_BAD, json->text.len);
	} else if ((json->expect == FIRST_NAME && c == '}') || (json->expect == FIRST_VALUE && c == ']')) {
		return scan_close(json, token);
	}
	if (json->expect == FIRST_NAME || json->expect == NAME)
		return scan_name(json, token);
	return scan_value(json, token);
}

enum tn_status tn_json_skip(struct tn_json *json, const struct tn_json_token *token, size_t *out_end)
{
	if (token->kind == TN_JSON_OBJECT || token->kind == TN_JSON_ARRAY) {
		uint32_t outside = json->depth - 1;
		struct tn_json_token inner;
		while (json->depth > outside)
			if (tn_json_next(json, &inner) != TN_OK)
				return TN_INVALID;
	}
	*out_end = json->at;
	return TN_OK;
}

bool tn_json_valid(struct tn_str text, uint32_t max_depth)
{
	struct tn_json json;
	struct tn_json_token token;
	tn_json_init(&json, text, max_depth);
	do {
		if (tn_json_next(&json, &token) != TN_OK)
			return false;
	} while (token.kind != TN_JSON_END);
	return true;
}

/* escaped.bytes[*at] is a backslash the scanner accepted; moves *at past the escape. */
static uint32_t read_escape(struct tn_str escaped, size_t *at)
{
	static const char plain[] = "\"\\/\b\f\n\r\t", letters[] = "\"\\/bfnrt";
	char c = escaped.bytes[*at + 1];
	if (c != 'u') {
		*at += 2;
		return (uint32_t)plain[strchr(letters, c) - letters];
	}
	uint32_t code = (uint32_t)hex4(escaped, *at + 2);
	*at += 6;
	if (code >= 0xd800 && code < 0xdc00) {
		uint32_t low = (uint32_t)hex4(escaped, *at + 2);
		*at += 6;
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	return code;
}

size_t tn_json_unescape_to(struct tn_str escaped, char *out)
{
	size_t len = 0;
	for (size_t at = 0; at < escaped.len;) {
		if (escaped.bytes[at] != '\\') {
			out[len++] = escaped.bytes[at++];
			continue;
		}
		char four[4];
		unsigned n = tn_utf8_encode(read_escape(escaped, &at), four);
		memcpy(out + len, four, n);
		len += n;
	}
	return len;
}

void tn_json_unescape(struct tn_str escaped, struct tn_buf *out)
{
	char *to = tn_buf_reserve(out, escaped.len);
	out->len += tn_json_unescape_to(escaped, to);
}

bool tn_json_equals(const struct tn_json_token *token, struct tn_str plain)
{
	if (!token->escaped)
		return tn_str_equal(token->text, plain);
	size_t len = 0;
	for (size_t at = 0; at < token->text.len;) {
		char four[4] = {token->text.bytes[at]};
		unsigned n = 1;
		if (four[0] == '\\')
			n = tn_utf8_encode(read_escape(token->text, &at), four);
		else
			at++;
		if (plain.len - len < n || memcmp(plain.bytes + len, four, n) != 0)
			return false;
		len += n;
	}
	return len == plain.len;
}

void tn_json_quote(struct tn_buf *out, struct tn_str text)
{
	static const char hex[] = "0123456789abcdef";
	char *to = tn_buf_reserve(out, text.len * 6 + 2), *from = to;
	*to++ = '"';
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.bytes[i];
		if (c >= 0x20 && c != '"' && c != '\\') {
			*to++ = (char)c;
			continue;
		}
		*to++ = '\\';
		switch (c) {
		case '"': case '\\': *to++ = (char)c; break;
		case '\n': *to++ = 'n'; break;
		case '\r': *to++ = 'r'; break;
		case '\t': *to++ = 't'; break;
		case '\b': *to++ = 'b'; break;
		case '\f': *to++ = 'f'; break;
		default:
			*to++ = 'u'; *to++ = '0'; *to++ = '0';
			*to++ = hex[c >> 4];
			*to++ = hex[c & 15];
		}
	}
	*to++ = '"';
	out->len += (size_t)(to - from);
}
