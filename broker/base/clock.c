/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.c - the operating system's clocks, and timestamps for people.
 *
 * Called by the host and the tools, never by the engine. Any thread.
 */
#include "turnout/clock.h"

#include <stdio.h>
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
