/* SPDX-License-Identifier: Apache-2.0
 *
 * uri.c - is this a URI reference?
 *
 * Called for source and dataschema of each event. Looks at the characters, the escapes, the brackets, the number signs and the
 * scheme; never resolves, normalises or decodes. Owns nothing. Any thread.
 */
#include "uri.h"

bool tn_uri_byte_valid(char byte)
{
	static const bool valid[128] = {
		['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true,
		['-'] = true, ['.'] = true, ['_'] = true, ['~'] = true,
		[':'] = true, ['/'] = true, ['?'] = true, ['#'] = true, ['['] = true, [']'] = true, ['@'] = true,
		['!'] = true, ['$'] = true, ['&'] = true, ['\''] = true, ['('] = true, [')'] = true, ['*'] = true,
		['+'] = true, [','] = true, [';'] = true, ['='] = true, ['%'] = true,
	};
	unsigned char c = (unsigned char)byte;
	return c < sizeof valid && valid[c];
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool bytes_valid(struct tn_str text, bool *out_brackets)
{
	unsigned number_signs = 0;
	*out_brackets = false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.bytes[i];
		if (!tn_uri_byte_valid(c))
			return false;
		if (c == '%' && (text.len - i < 3 || !is_hex(text.bytes[i + 1]) || !is_hex(text.bytes[i + 2])))
			return false;
		number_signs += c == '#';
		*out_brackets |= c == '[' || c == ']';
	}
	return number_signs <= 1;
}

/* Offset of the first byte that is one of set, or the length. */
static size_t find_any(struct tn_str text, const char *set)
{
	size_t at = 0;
	while (at < text.len && !strchr(set, text.bytes[at]))
		at++;
	return at;
}

/* Length of the scheme; 0: there is none; false: a colon in the first segment whose left side is no scheme. */
static bool find_scheme(struct tn_str text, size_t *out_len)
{
	size_t at = find_any(text, ":/?#");
	*out_len = 0;
	if (at == text.len || text.bytes[at] != ':')
		return true;
	if (at == 0 || !is_letter(text.bytes[0]))
		return false;
	for (size_t i = 1; i < at; i++) {
		char c = text.bytes[i];
		if (!is_letter(c) && !is_digit(c) && c != '+' && c != '-' && c != '.')
			return false;
	}
	*out_len = at;
	return true;
}

/* What stands between the brackets: an IPv6 address by its alphabet, or "v", hex digits, ".", anything. */
static bool literal_valid(struct tn_str literal)
{
	if (literal.len > 1 && (literal.bytes[0] | 0x20) == 'v') {
		size_t dot = tn_str_find(literal, '.');
		if (dot == SIZE_MAX || dot == 1 || dot + 1 == literal.len)
			return false;
		for (size_t i = 1; i < dot; i++)
			if (!is_hex(literal.bytes[i]))
				return false;
		return find_any(tn_str_tail(literal, dot + 1), "[]@%") == literal.len - dot - 1;
	}
	for (size_t i = 0; i < literal.len; i++)
		if (!is_hex(literal.bytes[i]) && literal.bytes[i] != ':' && literal.bytes[i] != '.')
			return false;
	return literal.len > 1;
}

/* There are brackets: they must enclose the host, as in "x://user@[::1]:80/path". */
static bool brackets_valid(struct tn_str after_scheme)
{
	if (!tn_str_starts(after_scheme, TN_STR("//")))
		return false;
	struct tn_str rest = tn_str_tail(after_scheme, 2);
	size_t end = find_any(rest, "/?#");
	struct tn_str authority = {rest.bytes, end}, tail = tn_str_tail(rest, end);
	size_t user = tn_str_find(authority, '@');
	if (user != SIZE_MAX) {
		if (find_any((struct tn_str){authority.bytes, user}, "[]") != user)
			return false;
		authority = tn_str_tail(authority, user + 1);
	}
	size_t close = tn_str_find(authority, ']');
	if (close == SIZE_MAX || authority.bytes[0] != '[' ||
		!literal_valid((struct tn_str){authority.bytes + 1, close - 1}))
		return false;
	struct tn_str port = tn_str_tail(authority, close + 1);
	if (port.len > 0 && port.bytes[0] != ':')
		return false;
	for (size_t i = 1; i < port.len; i++)
		if (!is_digit(port.bytes[i]))
			return false;
	return find_any(tail, "[]") == tail.len;
}

static bool check(struct tn_str text, size_t *out_scheme_len)
{
	bool brackets;
	if (!bytes_valid(text, &brackets) || !find_scheme(text, out_scheme_len))
		return false;
	return !brackets || brackets_valid(tn_str_tail(text, *out_scheme_len ? *out_scheme_len + 1 : 0));
}

bool tn_uri_reference_valid(struct tn_str text)
{
	size_t scheme_len;
	return check(text, &scheme_len);
}

bool tn_uri_absolute_valid(struct tn_str text)
{
	size_t scheme_len;
	return check(text, &scheme_len) && scheme_len > 0;
}
