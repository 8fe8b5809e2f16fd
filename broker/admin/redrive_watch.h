/* SPDX-License-Identifier: Apache-2.0
 *
 * redrive_watch.h - the targets a redrive moved records to, and what came of their first attempts since.
 */
#ifndef TURNOUT_ADMIN_REDRIVE_WATCH_H
#define TURNOUT_ADMIN_REDRIVE_WATCH_H

#include "turnout/bus.h"

struct redrive_watch {                    /* embedded; {.bus}, then fini */
	struct tn_bus *bus;
	struct watched *targets;
	uint32_t count;
};

void tn_redrive_watch_moved(struct redrive_watch *watch, uint32_t target_no); /* one more */
void tn_redrive_watch_results(const struct redrive_watch *watch, uint64_t *out_delivered, uint64_t *out_failed);
/* The name of a target that has `most` or more of what was moved still to try; bytes NULL: there is none. */
struct tn_str tn_redrive_watch_busy(const struct redrive_watch *watch, uint64_t most);
/* The name of a target whose breaker opened since it was moved to, and is open; bytes NULL: there is none. */
struct tn_str tn_redrive_watch_opened(const struct redrive_watch *watch);
/* Calls visit with the name of each target moved to whose breaker is open, and which still has some of it to try. */
void tn_redrive_watch_each_open(const struct redrive_watch *watch, void (*visit)(void *arg, struct tn_str target), void *arg);
void tn_redrive_watch_fini(struct redrive_watch *watch);

#endif
