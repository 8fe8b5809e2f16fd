/* SPDX-License-Identifier: Apache-2.0
 *
 * engine_clock.h - the engine's time: monotonic, anchored once at start, going on where the last run left off
 * (delivery-semantics section 14).
 */
#ifndef TURNOUT_HOST_ENGINE_CLOCK_H
#define TURNOUT_HOST_ENGINE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/clock.h"

struct engine_clock {
	const struct tn_clock *clock;
	int64_t anchor_ms, anchor_mono_ms;
	bool held; /* at start the wall clock was so far ahead that nobody should believe it unasked */
};

/* persisted_ms: engine time when it was last written down, or 0. */
void tn_engine_clock_start(struct engine_clock *engine_clock, const struct tn_clock *clock, int64_t persisted_ms);
int64_t tn_engine_clock_now(const struct engine_clock *engine_clock);
/* How far the wall clock is ahead of a time that was held; 0: not held, or the wall clock has come back. */
int64_t tn_engine_clock_ahead(const struct engine_clock *engine_clock);
/* Goes forward to the wall clock; answers by how much. */
int64_t tn_engine_clock_accept(struct engine_clock *engine_clock);

#endif
