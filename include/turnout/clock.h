/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.h - time is an argument. Nothing in Turnout calls time() on its own: it asks the clock it was lent.
 */
#ifndef TURNOUT_CLOCK_H
#define TURNOUT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include "turnout/str.h"

/* Both functions: any thread. Milliseconds; wall is since 1970-01-01T00:00:00Z. */
struct tn_clock {
	int64_t (*mono_ms)(void *arg);
	int64_t (*wall_ms)(void *arg);
	void *arg;
};

/* The operating system's clocks. */
extern const struct tn_clock tn_clock_system;

static inline int64_t tn_clock_mono_ms(const struct tn_clock *clock)
{
	return clock->mono_ms(clock->arg);
}
static inline int64_t tn_clock_wall_ms(const struct tn_clock *clock)
{
	return clock->wall_ms(clock->arg);
}

#define TN_TIME_TEXT_SIZE 32
/* "2026-11-23T11:32:16.042Z", NUL-terminated. Returns out. Any thread. */
char *tn_clock_format(int64_t wall_ms, char out[TN_TIME_TEXT_SIZE]);
/* RFC 3339: "2026-11-23T11:32:16Z", with a fraction and with an offset too; what is finer than milliseconds is cut off. Any thread. */
bool tn_clock_parse(struct tn_str text, int64_t *out_wall_ms);

#endif
