/* SPDX-License-Identifier: Apache-2.0
 *
 * commit.h - a run of requests, made durable: together if they fit, one by one if not.
 */
#ifndef STORE_COMMIT_H
#define STORE_COMMIT_H

#include "writer.h"

struct tn_work { /* a request on its way through commits */
	const struct tn_request *request;
	bool answered;
	enum tn_commit commit;            /* when answered */
	uint32_t number;                  /* NAME, when answered OK */
	bool refused_on_commit;           /* no room for it; REFUSED if this attempt's commit succeeds, else UNKNOWN */
};

/* Writer thread. Answers every item, in any order. False: one of them with UNKNOWN. */
bool tn_commit_run(struct tn_store *store, struct tn_work *work, size_t count);
/* A change of its own that may be left out, and is where room is short or a batch's outcome is not known. False: nobody should count on it.
 * Writer thread only. */
bool tn_commit_beside(struct tn_store *store, int (*change)(struct tn_apply *apply, void *arg), void *arg);

#endif
