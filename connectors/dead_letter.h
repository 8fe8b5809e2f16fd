/* SPDX-License-Identifier: Apache-2.0
 *
 * dead_letter.h - what a sink is sent: the event that died, with the reason in CloudEvents extensions (delivery-semantics section 8).
 */
#ifndef TURNOUT_CONNECTORS_DEAD_LETTER_H
#define TURNOUT_CONNECTORS_DEAD_LETTER_H

#include "turnout/engine.h"

/* Returns owned. wall_ms: now. Any thread. */
struct tn_event *tn_dead_letter_event(const struct tn_item *item, int64_t wall_ms);

#endif
