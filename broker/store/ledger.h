/* SPDX-License-Identifier: Apache-2.0
 *
 * ledger.h - what became of events, for people: a bounded buffer, and two databases beside the store's content.
 */
#ifndef STORE_LEDGER_H
#define STORE_LEDGER_H

#include <pthread.h>
#include <stdint.h>
#include "turnout/str.h"

struct tn_store;

struct tn_ledger {
	uint64_t max_bytes; /* 0: none is kept */
	int64_t keep_ms;
	pthread_mutex_t lock;
	/* Under lock. taken: what is being written; only the writer empties it. */
	struct tn_buf incoming, taken;
	uint64_t next_number;
	uint64_t waiting; /* entries in incoming */
	uint64_t dropped;
};

void tn_ledger_init(struct tn_ledger *ledger, uint64_t max_bytes, int64_t keep_ms);
void tn_ledger_fini(struct tn_ledger *ledger);
/* Writes what was appended so far. Writer thread. */
void tn_ledger_flush(struct tn_store *store);

#endif
