/* SPDX-License-Identifier: Apache-2.0
 *
 * fold.c - Unicode simple case folding by a table of ranges, and comparisons that fold one side as they go.
 *
 * Called by clause.c for every operator that ignores case. Folding never changes the number of code points, though it may change
 * their length in bytes. Owns nothing. Any thread.
 */
#include "fold.h"
#include "turnout/utf8.h"

struct fold_range {
	uint32_t first, last;
	int32_t delta;
	uint32_t stride;
};
#include "fold_table.h"

uint32_t tn_fold_code(uint32_t code)
{
	if (code < 0x80)
		return code >= 'A' && code <= 'Z' ? code + ('a' - 'A') : code;
	size_t low = 0, high = sizeof fold_ranges / sizeof *fold_ranges;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct fold_range *range = &fold_ranges[middle];
		if (code < range->first)
			high = middle;
		else if (code > range->last)
			low = middle + 1;
		else if ((code - range->first) % range->stride == 0)
			return (uint32_t)((int32_t)code + range->delta);
		else
			return code;
	}
	return code;
}

/* The code point at *at; a byte that is no UTF-8 stands for itself, so that this ends on any input. */
static uint32_t next_code(struct tn_str text, size_t *at)
{
	uint32_t code;
	unsigned len = tn_utf8_decode(text.bytes + *at, text.len - *at, &code);
	if (len == 0) {
		code = (unsigned char)text.bytes[*at];
		len = 1;
	}
	*at += len;
	return code;
}

void tn_fold_add(struct tn_buf *out, struct tn_str text)
{
	for (size_t at = 0; at < text.len;) {
		char four[4];
		unsigned len = tn_utf8_encode(tn_fold_code(next_code(text, &at)), four);
		tn_buf_add(out, four, len);
	}
}

/* Compares from text_at on, until folded ends; answers where text stood then, or SIZE_MAX when they differ. */
static size_t compare_from(struct tn_str text, size_t text_at, struct tn_str folded)
{
	for (size_t at = 0; at < folded.len;) {
		if (text_at >= text.len || tn_fold_code(next_code(text, &text_at)) != next_code(folded, &at))
			return SIZE_MAX;
	}
	return text_at;
}

bool tn_fold_equal(struct tn_str text, struct tn_str folded)
{
	return compare_from(text, 0, folded) == text.len;
}

bool tn_fold_starts(struct tn_str text, struct tn_str folded)
{
	return compare_from(text, 0, folded) != SIZE_MAX;
}

static bool begins_code(char byte)
{
	return ((unsigned char)byte & 0xc0) != 0x80;
}

bool tn_fold_ends(struct tn_str text, struct tn_str folded)
{
	size_t codes = 0, at = text.len;
	for (size_t i = 0; i < folded.len; i++)
		codes += begins_code(folded.bytes[i]);
	for (; codes; codes--) {
		if (at == 0)
			return false;
		do
			at--;
		while (at > 0 && !begins_code(text.bytes[at]));
	}
	return compare_from(text, at, folded) == text.len;
}
