/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.c - the operating system's clocks, and timestamps for people.
 *
 * Called by the host and the tools, never by the engine. Any thread.
 */
#include "turnout/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
	struct timespec now;
	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t mono_ms(void *arg)
{
	return read_ms(CLOCK_MONOTONIC);
}

static int64_t wall_ms(void *arg)
{
	return read_ms(CLOCK_REALTIME);
}

const struct tn_clock tn_clock_system = {.mono_ms = mono_ms, .wall_ms = wall_ms};

char *tn_clock_format(int64_t at_ms, char out[TN_TIME_TEXT_SIZE])
{
	int64_t seconds = at_ms / 1000, millis = at_ms % 1000;
	if (millis < 0) {
		millis += 1000;
		seconds--;
	}
	time_t when = (time_t)seconds;
	struct tm tm;
	if (!gmtime_r(&when, &tm))
		tm = (struct tm){.tm_year = 70, .tm_mday = 1};
	char text[96];
	snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		tm.tm_hour, tm.tm_min, tm.tm_sec, (int)millis);
	snprintf(out, TN_TIME_TEXT_SIZE, "%.31s", text);
	return out;
}

/* --- Reading --- */

struct reading {
	struct tn_str left;
	bool bad;
};

static int take_digits(struct reading *reading, size_t count, int low, int high)
{
	int value = 0;
	for (size_t i = 0; i < count && !reading->bad; i++) {
		char c = reading->left.len > i ? reading->left.bytes[i] : 0;
		reading->bad = c < '0' || c > '9';
		value = value * 10 + (c - '0');
	}
	if (reading->bad || value < low || value > high) {
		reading->bad = true;
		return 0;
	}
	reading->left = tn_str_tail(reading->left, count);
	return value;
}

static char take_one(struct reading *reading, const char *of)
{
	char c = reading->left.len > 0 ? reading->left.bytes[0] : 0;
	if (reading->bad || c == 0 || !strchr(of, c)) {
		reading->bad = true;
		return 0;
	}
	reading->left = tn_str_tail(reading->left, 1);
	return c;
}

static int take_millis(struct reading *reading)
{
	int millis = 0, scale = 100;
	if (reading->left.len == 0 || reading->left.bytes[0] != '.')
		return 0;
	take_one(reading, ".");
	do {
		millis += take_digits(reading, 1, 0, 9) * scale;
		scale /= 10;
	} while (!reading->bad && reading->left.len > 0 && reading->left.bytes[0] >= '0' && reading->left.bytes[0] <= '9');
	return millis;
}

static int64_t take_offset_ms(struct reading *reading)
{
	char sign = take_one(reading, "Zz+-");
	if (sign != '+' && sign != '-')
		return 0;
	int minutes = take_digits(reading, 2, 0, 23) * 60;
	take_one(reading, ":");
	minutes += take_digits(reading, 2, 0, 59);
	return (int64_t)(sign == '+' ? minutes : -minutes) * 60000;
}

static bool is_day(const struct tm *tm)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year = tm->tm_year + 1900;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return tm->tm_mday <= days[tm->tm_mon] + (leap && tm->tm_mon == 1);
}

bool tn_clock_parse(struct tn_str text, int64_t *out_wall_ms)
{
	struct reading reading = {.left = text};
	struct tm tm = {.tm_year = take_digits(&reading, 4, 0, 9999) - 1900};
	take_one(&reading, "-");
	tm.tm_mon = take_digits(&reading, 2, 1, 12) - 1;
	take_one(&reading, "-");
	tm.tm_mday = take_digits(&reading, 2, 1, 31);
	take_one(&reading, "Tt ");
	tm.tm_hour = take_digits(&reading, 2, 0, 23);
	take_one(&reading, ":");
	tm.tm_min = take_digits(&reading, 2, 0, 59);
	take_one(&reading, ":");
	tm.tm_sec = take_digits(&reading, 2, 0, 59);
	int millis = take_millis(&reading);
	int64_t offset_ms = take_offset_ms(&reading);
	if (reading.bad || reading.left.len > 0 || !is_day(&tm))
		return false;
	*out_wall_ms = (int64_t)timegm(&tm) * 1000 + millis - offset_ms;
	return true;
}
