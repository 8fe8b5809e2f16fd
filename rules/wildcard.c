/* SPDX-License-Identifier: Apache-2.0
 *
 * wildcard.c - text with stars. The first piece stands at the start, the last at the end, and each between them is taken where it
 * first occurs after the one before: with stars alone the leftmost choice is never a wrong one, so nothing is ever tried twice.
 *
 * Called by the pattern compiler and clause.c. Any thread.
 */
#include "wildcard.h"

static const char *check(struct tn_str text, uint32_t *out_stars)
{
	uint32_t stars = 0;
	bool after_star = false;
	for (size_t at = 0; at < text.len; at++) {
		if (text.bytes[at] == '*') {
			if (after_star)
				return "two stars in a row";
			after_star = true;
			stars++;
			continue;
		}
		after_star = false;
		if (text.bytes[at] != '\\')
			continue;
		if (++at == text.len)
			return "a backslash at the end";
		if (text.bytes[at] != '*' && text.bytes[at] != '\\')
			return "a backslash before something other than a star or a backslash";
	}
	*out_stars = stars;
	return NULL;
}

const char *tn_wildcard_parse(struct tn_str text, struct tn_arena *arena, struct tn_wildcard *out_wildcard)
{
	uint32_t stars;
	const char *wrong = check(text, &stars);
	if (wrong)
		return wrong;
	struct tn_wildcard wildcard = {tn_arena_array(arena, struct tn_str, stars + 1), stars + 1};
	char *plain = tn_arena_alloc(arena, text.len + 1);
	struct tn_str *piece = wildcard.pieces;
	*piece = tn_str_make(plain, 0);
	for (size_t at = 0; at < text.len; at++) {
		if (text.bytes[at] == '*') {
			*++piece = tn_str_make(plain, 0);
			continue;
		}
		at += text.bytes[at] == '\\';
		*plain++ = text.bytes[at];
		piece->len++;
	}
	*out_wildcard = wildcard;
	return NULL;
}

bool tn_wildcard_match(const struct tn_wildcard *wildcard, struct tn_str value)
{
	struct tn_str first = wildcard->pieces[0], last = wildcard->pieces[wildcard->count - 1];
	if (wildcard->count == 1)
		return tn_str_equal(value, first);
	if (value.len < first.len + last.len || !tn_str_starts(value, first) || !tn_str_ends(value, last))
		return false;
	struct tn_str middle = {value.bytes + first.len, value.len - first.len - last.len};
	for (uint32_t i = 1; i + 1 < wildcard->count; i++) {
		struct tn_str piece = wildcard->pieces[i];
		const char *found = middle.len ? memmem(middle.bytes, middle.len, piece.bytes, piece.len) : NULL;
		if (!found)
			return false;
		middle = tn_str_tail(middle, (size_t)(found - middle.bytes) + piece.len);
	}
	return true;
}
