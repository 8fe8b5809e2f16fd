/* SPDX-License-Identifier: Apache-2.0
 *
 * media_type.c - reads media types and sorts them into JSON, text and the rest (cloudevents.md section 3).
 *
 * Called once or twice for each event. Owns nothing. Any thread.
 */
#include "media_type.h"

static bool is_token(char c)
{
	static const bool token[128] = {
		['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true,
		['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true, ['\''] = true, ['*'] = true,
		['+'] = true, ['-'] = true, ['.'] = true, ['^'] = true, ['_'] = true, ['`'] = true, ['|'] = true,
		['~'] = true,
	};
	unsigned char byte = (unsigned char)c;
	return byte < sizeof token && token[byte];
}

static struct tn_str read_token(struct tn_str text, size_t *at)
{
	size_t start = *at;
	while (*at < text.len && is_token(text.bytes[*at]))
		++*at;
	return (struct tn_str){text.bytes + start, *at - start};
}

static void skip_space(struct tn_str text, size_t *at)
{
	while (*at < text.len && (text.bytes[*at] == ' ' || text.bytes[*at] == '\t'))
		++*at;
}

/* *at stands on the opening quote. */
static bool read_quoted(struct tn_str text, size_t *at, struct tn_str *out)
{
	size_t start = ++*at;
	while (*at < text.len && text.bytes[*at] != '"') {
		if (text.bytes[*at] == '\\')
			++*at;
		if (*at >= text.len || text.bytes[*at] < 0x20 || text.bytes[*at] > 0x7e)
			return false;
		++*at;
	}
	if (*at >= text.len)
		return false;
	*out = (struct tn_str){text.bytes + start, *at - start};
	++*at;
	return true;
}

/* *at stands behind a semicolon. */
static bool read_parameter(struct tn_str text, size_t *at, struct tn_media_type *out)
{
	skip_space(text, at);
	if (*at == text.len || text.bytes[*at] == ';')
		return true;
	struct tn_str name = read_token(text, at), value;
	if (name.len == 0 || *at >= text.len || text.bytes[(*at)++] != '=' || *at >= text.len)
		return false;
	if (text.bytes[*at] == '"') {
		if (!read_quoted(text, at, &value))
			return false;
	} else {
		value = read_token(text, at);
		if (value.len == 0)
			return false;
	}
	if (!out->charset.bytes && tn_str_equal_nocase(name, TN_STR("charset")))
		out->charset = value;
	return true;
}

bool tn_media_type_parse(struct tn_str text, struct tn_media_type *out)
{
	struct tn_media_type found = {0};
	size_t at = 0;
	if (tn_str_trim(text, " \t").len != text.len)
		return false;
	found.type = read_token(text, &at);
	if (found.type.len == 0 || at >= text.len || text.bytes[at++] != '/')
		return false;
	found.subtype = read_token(text, &at);
	if (found.subtype.len == 0)
		return false;
	found.essence = (struct tn_str){text.bytes, at};
	for (;;) {
		skip_space(text, &at);
		if (at == text.len)
			break;
		if (text.bytes[at++] != ';' || !read_parameter(text, &at, &found))
			return false;
	}
	*out = found;
	return true;
}

bool tn_media_type_is_utf8(const struct tn_media_type *media_type)
{
	struct tn_str charset = media_type->charset;
	return !charset.bytes || tn_str_equal_nocase(charset, TN_STR("utf-8")) ||
		tn_str_equal_nocase(charset, TN_STR("us-ascii"));
}

/* Is subtype word, or does it end in "+word"? */
static bool subtype_is(struct tn_str subtype, struct tn_str word)
{
	if (subtype.len > word.len && subtype.bytes[subtype.len - word.len - 1] == '+')
		subtype = tn_str_tail(subtype, subtype.len - word.len);
	return tn_str_equal_nocase(subtype, word);
}

enum tn_media_class tn_media_type_class(struct tn_str text)
{
	struct tn_media_type media_type;
	if (!text.bytes || !tn_media_type_parse(text, &media_type))
		return TN_MEDIA_OTHER;
	if (subtype_is(media_type.subtype, TN_STR("json")))
		return TN_MEDIA_JSON;
	if ((tn_str_equal_nocase(media_type.type, TN_STR("text")) || subtype_is(media_type.subtype, TN_STR("xml"))) &&
		tn_media_type_is_utf8(&media_type))
		return TN_MEDIA_TEXT;
	return TN_MEDIA_OTHER;
}
