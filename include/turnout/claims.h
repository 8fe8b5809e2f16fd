/* SPDX-License-Identifier: Apache-2.0
 *
 * claims.h - where idempotency keys are looked up: one vtable a kind of store (delivery-semantics section 11).
 *
 * The engine asks (TN_CLAIM) when an event comes whose key is not at work in this process. The store beside the journal answers within
 * the call: keys get into it with the journal's batches, so asking is all there is. One that is shared by several processes answers
 * later, holds a lease on what it answered NOTHING for, and renews it by itself.
 */
#ifndef TURNOUT_CLAIMS_H
#define TURNOUT_CLAIMS_H

#include <stdint.h>
#include "turnout/engine.h"

struct tn_claim_store;

struct tn_claim_host {
	void *arg;
	/* Any thread; within ask, too. Once for each ask; one answer a key, in order. Copies. */
	void (*answered)(void *arg, uint64_t token, const struct tn_claim_answer *answers, uint32_t count);
};

struct tn_claim_ops {
	const char *name;
	/* Bus thread. Borrows keys for the call. now_ms: engine time, which expiries are in. The engine waits a second for the answer. */
	void (*ask)(struct tn_claim_store *store, uint64_t token, const struct tn_id *keys, uint32_t count, int64_t now_ms);
	void (*close)(struct tn_claim_store *store); /* no answer comes after it */
};

#endif
