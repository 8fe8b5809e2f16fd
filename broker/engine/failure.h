/* SPDX-License-Identifier: Apache-2.0
 *
 * failure.h - why the last attempt of a delivery did not deliver.
 *
 * Made by delivery.c from an outcome and by scan.c from a row; read by batch.c when the row is written. One block, counted, that never
 * changes: attempts and batches point into it while the delivery moves on. What the engine itself decides (a timeout, no target, ...) has
 * a failure built in, which needs no memory.
 */
#ifndef TURNOUT_BROKER_ENGINE_FAILURE_H
#define TURNOUT_BROKER_ENGINE_FAILURE_H

#include "turnout/engine.h"
struct tn_failure {                        /* counted, never changed */
	struct tn_outcome outcome;
	const char *constant_code;         /* outcome.code where that is constant text, else NULL: what may outlive this */
	uint32_t refs, size;               /* size 0: built into the engine, never freed */
	char text[];
};
enum tn_builtin { TN_FAILURE_TIMEOUT, TN_FAILURE_NO_TARGET, TN_FAILURE_PARK_FULL, TN_FAILURE_UNRECORDED,
	TN_FAILURE_REPLY_REFUSED,
	TN_FAILURE_POISON, TN_FAILURE_REPLY_LOOP, TN_FAILURE_POISON_CRASH, /* in order of enum tn_poison */
	TN_FAILURE_BUILTINS };

/* Returns owned a copy, texts cut; without memory the builtin "UNRECORDED" one. constant: so is outcome's code. */
struct tn_failure *tn_failure_new(struct tn_engine *engine, const struct tn_outcome *outcome, bool constant);
struct tn_failure *tn_failure_ref(struct tn_failure *failure);
void tn_failure_unref(struct tn_engine *engine, struct tn_failure *failure); /* NULL is fine */
void tn_failure_init_builtins(struct tn_engine *engine);
struct tn_failure *tn_failure_of_poison(struct tn_engine *engine, enum tn_poison poison);
/* What a row was buried for, by the code it kept. */
enum tn_poison tn_failure_poison(const struct tn_engine *engine, const struct tn_outcome *last);

#endif
