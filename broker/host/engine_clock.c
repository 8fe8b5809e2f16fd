/* SPDX-License-Identifier: Apache-2.0
 *
 * engine_clock.c - the engine's time never goes back, and never leaps unasked.
 *
 * Called by bus.c. A wall clock that is more than a week ahead of what the store last saw may be wrong, and to believe
 * it would expire all that waits: so time goes on from where it was, late rather than gone, until an operator says that
 * it is right. Bus thread.
 */
#include "engine_clock.h"

static const int64_t jump_limit_ms = (int64_t)7 * 86400 * 1000;

void tn_engine_clock_start(struct engine_clock *engine_clock, const struct tn_clock *clock, int64_t persisted_ms)
{
	int64_t wall_ms = tn_clock_wall_ms(clock);
	*engine_clock = (struct engine_clock){.clock = clock, .anchor_mono_ms = tn_clock_mono_ms(clock)};
	engine_clock->held = persisted_ms > 0 && wall_ms - persisted_ms > jump_limit_ms;
	engine_clock->anchor_ms = engine_clock->held || persisted_ms > wall_ms ? persisted_ms : wall_ms;
}

int64_t tn_engine_clock_now(const struct engine_clock *engine_clock)
{
	return engine_clock->anchor_ms + tn_clock_mono_ms(engine_clock->clock) - engine_clock->anchor_mono_ms;
}

int64_t tn_engine_clock_ahead(const struct engine_clock *engine_clock)
{
	int64_t ahead_ms = tn_clock_wall_ms(engine_clock->clock) - tn_engine_clock_now(engine_clock);
	return engine_clock->held && ahead_ms > jump_limit_ms ? ahead_ms : 0;
}

int64_t tn_engine_clock_accept(struct engine_clock *engine_clock)
{
	int64_t ahead_ms = tn_engine_clock_ahead(engine_clock);
	engine_clock->anchor_ms += ahead_ms;
	engine_clock->held = engine_clock->held && ahead_ms == 0;
	return ahead_ms;
}
