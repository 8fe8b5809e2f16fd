/* SPDX-License-Identifier: Apache-2.0
 *
 * doubt.c - after a commit whose outcome is unknown: which batches are in doubt, and when the doubt is over.
 *
 * Called by writer.c. Knows numbers only.
 */
#include "doubt.h"

uint64_t tn_doubt_next(const struct tn_doubt *doubt)
{
	return doubt->awaited;
}

bool tn_doubt_in_turn(struct tn_doubt *doubt, uint64_t number, uint64_t *next)
{
	if (*next == 0 || number < *next)
		return true;
	if (number == *next) {
		*next = number < doubt->last ? number + 1 : 0;
		return true;
	}
	if (doubt->last < number)
		doubt->last = number;
	return false;
}

bool tn_doubt_holds(const struct tn_doubt *doubt, uint64_t number)
{
	return doubt->awaited > 0 && number >= doubt->awaited && number <= doubt->last;
}

void tn_doubt_failed(struct tn_doubt *doubt, uint64_t first, uint64_t last, size_t txn_id)
{
	if (doubt->awaited == 0)
		*doubt = (struct tn_doubt){.awaited = first, .last = last};
	if (doubt->last < last)
		doubt->last = last;
	doubt->txn_id = txn_id;
	doubt->settled = false;
	if (doubt->seen != TN_DOUBT_VISIBLE)
		doubt->seen = TN_DOUBT_UNSEEN;
}

void tn_doubt_partly_done(struct tn_doubt *doubt, uint64_t number)
{
	if (doubt->awaited == 0)
		*doubt = (struct tn_doubt){.awaited = number, .last = number};
	doubt->seen = TN_DOUBT_VISIBLE;
}

void tn_doubt_began(struct tn_doubt *doubt, size_t txn_id)
{
	/* LMDB numbers write transactions one by one: the same number again means that the failed one is not there. */
	if (doubt->awaited > 0 && doubt->seen == TN_DOUBT_UNSEEN)
		doubt->seen = txn_id > doubt->txn_id ? TN_DOUBT_VISIBLE : TN_DOUBT_ABSENT;
}

void tn_doubt_committed(struct tn_doubt *doubt)
{
	doubt->settled = true;
}

void tn_doubt_answered(struct tn_doubt *doubt, uint64_t number)
{
	if (doubt->awaited == 0 || number < doubt->awaited)
		return;
	if (number >= doubt->last)
		*doubt = (struct tn_doubt){0};
	else
		doubt->awaited = number + 1;
}
