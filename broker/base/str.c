/* SPDX-License-Identifier: Apache-2.0
 *
 * str.c - borrowed runs of bytes: comparing, cutting, reading small numbers.
 *
 * Called by everybody. Owns nothing. Any thread.
 */
#include "turnout/str.h"

#include <stdlib.h>

static char lower(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
}

static bool same_letters(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

/* Eight at a time: what differs in more than the bit of case is no letter's other case, and most that is asked for differs at once. */
bool tn_str_equal_nocase(struct tn_str a, struct tn_str b)
{
	const uint64_t cases = 0x2020202020202020u;
	size_t at = 0;
	if (a.len != b.len)
		return false;
	for (; a.len - at >= sizeof cases; at += sizeof cases) {
		uint64_t left, right;
		memcpy(&left, a.bytes + at, sizeof left);
		memcpy(&right, b.bytes + at, sizeof right);
		if (((left ^ right) & ~cases) || (left != right && !same_letters(a.bytes + at, b.bytes + at, sizeof cases)))
			return false;
	}
	return same_letters(a.bytes + at, b.bytes + at, a.len - at);
}

bool tn_str_starts(struct tn_str a, struct tn_str prefix)
{
	return a.len >= prefix.len && (prefix.len == 0 || memcmp(a.bytes, prefix.bytes, prefix.len) == 0);
}

bool tn_str_starts_nocase(struct tn_str a, struct tn_str prefix)
{
	return a.len >= prefix.len && tn_str_equal_nocase((struct tn_str){a.bytes, prefix.len}, prefix);
}

bool tn_str_ends(struct tn_str a, struct tn_str suffix)
{
	return a.len >= suffix.len &&
		(suffix.len == 0 || memcmp(a.bytes + a.len - suffix.len, suffix.bytes, suffix.len) == 0);
}

static bool is_in(char byte, const char *set)
{
	for (; *set; set++)
		if (*set == byte)
			return true;
	return false;
}

struct tn_str tn_str_trim(struct tn_str a, const char *set)
{
	while (a.len > 0 && is_in(a.bytes[0], set)) {
		a.bytes++;
		a.len--;
	}
	while (a.len > 0 && is_in(a.bytes[a.len - 1], set))
		a.len--;
	return a;
}

size_t tn_str_find(struct tn_str a, char byte)
{
	const char *found = a.len ? memchr(a.bytes, byte, a.len) : NULL;
	return found ? (size_t)(found - a.bytes) : SIZE_MAX;
}

int tn_str_compare(struct tn_str a, struct tn_str b)
{
	size_t shared = a.len < b.len ? a.len : b.len;
	int order = shared ? memcmp(a.bytes, b.bytes, shared) : 0;
	if (order != 0)
		return order;
	return a.len < b.len ? -1 : a.len > b.len;
}

bool tn_str_to_u64(struct tn_str a, uint64_t limit, uint64_t *out_value)
{
	if (a.len == 0 || (a.len > 1 && a.bytes[0] == '0'))
		return false;
	uint64_t value = 0;
	for (size_t i = 0; i < a.len; i++) {
		if (a.bytes[i] < '0' || a.bytes[i] > '9')
			return false;
		uint64_t digit = (uint64_t)(a.bytes[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (value > limit)
		return false;
	*out_value = value;
	return true;
}

char *tn_str_dup(struct tn_str a)
{
	char *copy = malloc(a.len + 1);
	if (!copy)
		abort();
	if (a.len)
		memcpy(copy, a.bytes, a.len);
	copy[a.len] = 0;
	return copy;
}

unsigned tn_str_distance(struct tn_str a, struct tn_str b)
{
	enum { LONGEST = 63 };
	if (a.len > LONGEST || b.len > LONGEST)
		return LONGEST;
	unsigned row[LONGEST + 1];
	for (unsigned j = 0; j <= b.len; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned best = diagonal + (lower(a.bytes[i - 1]) != lower(b.bytes[j - 1]));
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[b.len];
}
