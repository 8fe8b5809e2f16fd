/* SPDX-License-Identifier: Apache-2.0
 *
 * timestamp.c - RFC 3339 as CloudEvents uses it: checked, turned into UTC seconds, written.
 *
 * Called for the time of each event, and by the EventBridge view. Events keep the text as it came: nothing here reformats it.
 * Owns nothing. Any thread.
 */
#include "timestamp.h"

enum { DAY_SECONDS = 86400, DAYS_TO_1970 = 719528 /* from the first day of year 0 */ };

/* Of year 0 and of year 9999. */
static const int64_t FIRST_SECOND = -(int64_t)DAYS_TO_1970 * DAY_SECONDS, LAST_SECOND = INT64_C(253402300799);

static bool is_leap_year(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	return days[month - 1] + (month == 2 && is_leap_year(year));
}

/* From the first day of year 0 to the first day of year, which is 0 or more. */
static int64_t days_before_year(int64_t year)
{
	return 365 * year + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
}

/* Reads exactly n digits at *at, and moves it. */
static bool read_digits(struct tn_str text, size_t *at, unsigned n, int *out_value)
{
	if (text.len - *at < n)
		return false;
	int value = 0;
	for (unsigned i = 0; i < n; i++) {
		char c = text.bytes[*at + i];
		if (c < '0' || c > '9')
			return false;
		value = value * 10 + (c - '0');
	}
	*at += n;
	*out_value = value;
	return true;
}

static bool read_byte(struct tn_str text, size_t *at, char byte)
{
	if (*at >= text.len || (text.bytes[*at] != byte && text.bytes[*at] != (byte | 0x20)))
		return false;
	++*at;
	return true;
}

static bool read_fraction(struct tn_str text, size_t *at)
{
	if (*at >= text.len || text.bytes[*at] != '.')
		return true;
	size_t start = ++*at;
	while (*at < text.len && text.bytes[*at] >= '0' && text.bytes[*at] <= '9')
		++*at;
	return *at > start;
}

static bool read_offset(struct tn_str text, size_t *at, int *out_seconds)
{
	if (read_byte(text, at, 'Z')) {
		*out_seconds = 0;
		return true;
	}
	if (*at >= text.len || (text.bytes[*at] != '+' && text.bytes[*at] != '-'))
		return false;
	int sign = text.bytes[(*at)++] == '+' ? 1 : -1, hours, minutes;
	if (!read_digits(text, at, 2, &hours) || *at >= text.len || text.bytes[(*at)++] != ':' ||
		!read_digits(text, at, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*out_seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

static bool read_date(struct tn_str text, size_t *at, int64_t *out_days)
{
	int year, month, day;
	if (!read_digits(text, at, 4, &year) || !read_byte(text, at, '-') || !read_digits(text, at, 2, &month) ||
		!read_byte(text, at, '-') || !read_digits(text, at, 2, &day))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
		return false;
	int64_t days = days_before_year(year) - DAYS_TO_1970 + day - 1;
	for (int m = 1; m < month; m++)
		days += days_in_month(year, m);
	*out_days = days;
	return true;
}

static bool read_clock(struct tn_str text, size_t *at, int *out_seconds, bool *out_sixty)
{
	int hour, minute, second;
	if (!read_digits(text, at, 2, &hour) || !read_byte(text, at, ':') || !read_digits(text, at, 2, &minute) ||
		!read_byte(text, at, ':') || !read_digits(text, at, 2, &second))
		return false;
	*out_sixty = second == 60;
	*out_seconds = hour * 3600 + minute * 60 + second - *out_sixty;
	return hour < 24 && minute < 60 && second <= 60;
}

bool tn_timestamp_parse(struct tn_str text, struct tn_timestamp *out)
{
	size_t at = 0;
	int64_t days;
	int clock, offset;
	bool sixty;
	if (!read_date(text, &at, &days) || !read_byte(text, &at, 'T') || !read_clock(text, &at, &clock, &sixty) ||
		!read_fraction(text, &at) || !read_offset(text, &at, &offset) || at != text.len)
		return false;
	int64_t seconds = days * DAY_SECONDS + clock - offset;
	if (sixty && (seconds % DAY_SECONDS + DAY_SECONDS) % DAY_SECONDS != DAY_SECONDS - 1)
		return false;
	*out = (struct tn_timestamp){.seconds = seconds, .leap = sixty};
	return true;
}

static char *put_digits(char *to, int value, int n, char behind)
{
	for (int i = n - 1; i >= 0; i--, value /= 10)
		to[i] = (char)('0' + value % 10);
	to[n] = behind;
	return to + n + 1;
}

bool tn_timestamp_format(struct tn_timestamp time, char out[TN_TIMESTAMP_TEXT_SIZE])
{
	if (time.seconds < FIRST_SECOND || time.seconds > LAST_SECOND)
		return false;
	int64_t all = time.seconds - FIRST_SECOND, days = all / DAY_SECONDS;
	int clock = (int)(all % DAY_SECONDS), year = (int)(days / 366), month = 1;
	while (days_before_year(year + 1) <= days)
		year++;
	int day = (int)(days - days_before_year(year));
	while (day >= days_in_month(year, month))
		day -= days_in_month(year, month++);
	out = put_digits(out, year, 4, '-');
	out = put_digits(out, month, 2, '-');
	out = put_digits(out, day + 1, 2, 'T');
	out = put_digits(out, clock / 3600, 2, ':');
	out = put_digits(out, clock / 60 % 60, 2, ':');
	out = put_digits(out, clock % 60 + time.leap, 2, 'Z');
	*out = 0;
	return true;
}
