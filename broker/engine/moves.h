/* SPDX-License-Identifier: Apache-2.0
 *
 * moves.h - dead letters, as their targets and the operator see them.
 *
 * What is to be moved waits in the journal (struct tn_journal): one call's moves at a time, the operator's or the engine's own, which
 * release lanes. A target counts its dead letters, and starts nothing while it has as many as its cap says; whoever adds one or takes one
 * away says so (tn_moves_add_dead).
 */
#ifndef TURNOUT_BROKER_ENGINE_MOVES_H
#define TURNOUT_BROKER_ENGINE_MOVES_H

#include "journal.h"

struct tn_delivery;
struct tn_target;

struct tn_queue_name {
	struct tn_queue_name *next;
	size_t len;
	char text[];
};

bool tn_moves_pending(const struct tn_engine *engine);  /* waiting for a batch, and nothing speaks against it */
enum tn_line tn_moves_line(const struct tn_engine *engine);
void tn_moves_take_own(struct tn_engine *engine);               /* if nobody else's are under way */
void tn_moves_finish(struct tn_engine *engine, bool ok, bool doubtful); /* what became of the moves in the batch */
bool tn_moves_next(struct tn_engine *engine, struct tn_command *out_command);
void tn_moves_add_dead(struct tn_engine *engine, struct tn_target *target, int change, uint64_t bytes);
void tn_moves_check_full(struct tn_engine *engine, struct tn_target *target); /* its cap or its dead letters changed */
void tn_moves_first_result(struct tn_engine *engine, const struct tn_delivery *delivery, bool delivered); /* before it is counted */
/* A lasting copy of a queue's name; bytes NULL without memory. */
struct tn_str tn_moves_queue_name(struct tn_engine *engine, struct tn_str name);
void tn_moves_fini(struct tn_engine *engine);

#endif
