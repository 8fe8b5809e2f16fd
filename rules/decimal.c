/* SPDX-License-Identifier: Apache-2.0
 *
 * decimal.c - exact decimal numbers: sign, exponent, 19 leading digits in a word, and the text of the few that have more.
 *
 * Called by the pattern compiler and by leaves.c for each number at a path that a rule names. Two numbers with the same exponent
 * compare by their leading digits alone unless one is longer than 19 digits. Any thread.
 */
#include "decimal.h"

#include <inttypes.h>
#include <stdio.h>

enum { LEAD_DIGITS = 19 };
static const int64_t EXPONENT_CAP = INT64_C(1) << 60;

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The number after `e`, saturated. */
static int64_t parse_exponent(struct tn_str text)
{
	size_t at = 0;
	bool negative = text.len && text.bytes[0] == '-';
	int64_t value = 0;
	if (text.len && !is_digit(text.bytes[0]))
		at++;
	for (; at < text.len && is_digit(text.bytes[at]); at++)
		if (value < EXPONENT_CAP)
			value = value * 10 + (text.bytes[at] - '0');
	if (value > EXPONENT_CAP)
		value = EXPONENT_CAP;
	return negative ? -value : value;
}

/* Digits and point without trailing zeros and point. */
static struct tn_str trim_end(struct tn_str digits)
{
	while (digits.len && (digits.bytes[digits.len - 1] == '0' || digits.bytes[digits.len - 1] == '.'))
		digits.len--;
	return digits;
}

/* Where the mantissa (digits, perhaps a point) has its first digit that is not 0, and what power of ten that digit stands for. */
static size_t find_first(struct tn_str mantissa, int64_t *out_power)
{
	size_t point = tn_str_find(mantissa, '.'), at = 0;
	if (point == SIZE_MAX)
		point = mantissa.len;
	while (at < mantissa.len && (mantissa.bytes[at] == '0' || mantissa.bytes[at] == '.'))
		at++;
	*out_power = at < point ? (int64_t)(point - at) - 1 : -(int64_t)(at - point);
	return at;
}

struct tn_decimal tn_decimal_parse(struct tn_str text)
{
	struct tn_decimal number = {0};
	bool negative = text.len && text.bytes[0] == '-';
	struct tn_str mantissa = tn_str_tail(text, negative);
	int64_t exponent = 0, power;
	for (size_t at = 0; at < mantissa.len; at++)
		if (mantissa.bytes[at] == 'e' || mantissa.bytes[at] == 'E') {
			exponent = parse_exponent(tn_str_tail(mantissa, at + 1));
			mantissa.len = at;
		}
	size_t at = find_first(mantissa, &power);
	if (at == mantissa.len)
		return number;
	number.sign = negative ? -1 : 1;
	number.exponent = exponent + power;
	int digits = 0;
	for (; digits < LEAD_DIGITS && at < mantissa.len; at++)
		if (mantissa.bytes[at] != '.') {
			number.lead = number.lead * 10 + (uint64_t)(mantissa.bytes[at] - '0');
			digits++;
		}
	for (; digits < LEAD_DIGITS; digits++)
		number.lead *= 10;
	number.rest = trim_end(tn_str_tail(mantissa, at));
	return number;
}

static int compare_rest(struct tn_str a, struct tn_str b)
{
	size_t i = 0, j = 0;
	for (;;) {
		i += i < a.len && a.bytes[i] == '.';
		j += j < b.len && b.bytes[j] == '.';
		if (i == a.len || j == b.len)
			return i < a.len ? 1 : j < b.len ? -1 : 0;
		if (a.bytes[i] != b.bytes[j])
			return a.bytes[i] < b.bytes[j] ? -1 : 1;
		i++;
		j++;
	}
}

int tn_decimal_compare(const struct tn_decimal *a, const struct tn_decimal *b)
{
	if (a->sign != b->sign)
		return a->sign < b->sign ? -1 : 1;
	int order;
	if (a->exponent != b->exponent)
		order = a->exponent < b->exponent ? -1 : 1;
	else if (a->lead != b->lead)
		order = a->lead < b->lead ? -1 : 1;
	else
		order = compare_rest(a->rest, b->rest);
	return a->sign * order;
}

bool tn_decimal_in_range(const struct tn_decimal *a)
{
	return a->exponent <= TN_DECIMAL_EXPONENT_LIMIT && a->exponent >= -TN_DECIMAL_EXPONENT_LIMIT;
}

void tn_decimal_to_text(const struct tn_decimal *decimal, struct tn_buf *out)
{
	char digits[24];
	if (decimal->sign == 0) {
		tn_buf_add_byte(out, '0');
		return;
	}
	int count = snprintf(digits, sizeof digits, "%019" PRIu64, decimal->lead);
	while (decimal->rest.len == 0 && count > 1 && digits[count - 1] == '0')
		count--;
	bool integer = decimal->rest.len == 0 && decimal->exponent >= count - 1 && decimal->exponent < 19;
	if (decimal->sign < 0)
		tn_buf_add_byte(out, '-');
	if (!integer)
		tn_buf_add_text(out, "0.");
	tn_buf_add(out, digits, (size_t)count);
	for (size_t i = 0; i < decimal->rest.len; i++)
		if (decimal->rest.bytes[i] != '.')
			tn_buf_add_byte(out, decimal->rest.bytes[i]);
	for (int64_t i = count - 1; integer && i < decimal->exponent; i++)
		tn_buf_add_byte(out, '0');
	if (!integer)
		tn_buf_addf(out, "e%" PRId64, decimal->exponent);
}
