/* SPDX-License-Identifier: Apache-2.0
 *
 * doubt.h - after a commit whose outcome is unknown: which batches are in doubt, and when the doubt is over.
 *
 * Batches are tried again in their order: while one is awaited, those behind it are answered UNKNOWN, untried. And none of them may be
 * refused unless it is certain that its earlier try left nothing: the transaction after the failed one saw nothing of it (ABSENT) and was
 * committed itself (settled), which overwrote whatever the failed one may have left in the file.
 *
 *                     .--- next transaction sees it ----> VISIBLE --.
 *   failed: UNSEEN ---|                                             |--- all in doubt answered OK or REFUSED ---> closed
 *                     '--- does not --> ABSENT -- commit --> settled'
 *
 * A value, writer thread only.
 */
#ifndef STORE_DOUBT_H
#define STORE_DOUBT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tn_doubt_seen { TN_DOUBT_UNSEEN, TN_DOUBT_ABSENT, TN_DOUBT_VISIBLE };

struct tn_doubt { /* {0}: none */
	uint64_t awaited, last;           /* batches in doubt, if awaited > 0: the one that must come next, and the highest */
	size_t txn_id;                    /* of the failed transaction */
	enum tn_doubt_seen seen;
	bool settled;
};

/* Is it this batch's turn? If not it is in doubt too, and is to be answered UNKNOWN. next: for a run of batches that are tried together,
 * tn_doubt_next before the first of them; raised when it is their turn. */
bool tn_doubt_in_turn(struct tn_doubt *doubt, uint64_t number, uint64_t *next);
uint64_t tn_doubt_next(const struct tn_doubt *doubt);
/* Was an earlier try of this batch possibly written? */
bool tn_doubt_holds(const struct tn_doubt *doubt, uint64_t number);
/* The commit of transaction txn_id failed, with batches first to last in it. */
void tn_doubt_failed(struct tn_doubt *doubt, uint64_t first, uint64_t last, size_t txn_id);
/* Some of a batch's operations are there, and the rest found no room. */
void tn_doubt_partly_done(struct tn_doubt *doubt, uint64_t number);
/* A write transaction began. */
void tn_doubt_began(struct tn_doubt *doubt, size_t txn_id);
/* A commit succeeded. */
void tn_doubt_committed(struct tn_doubt *doubt);
/* A batch was answered OK or REFUSED. */
void tn_doubt_answered(struct tn_doubt *doubt, uint64_t number);

#endif
