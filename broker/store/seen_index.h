/* SPDX-License-Identifier: Apache-2.0
 *
 * seen_index.h - where the row of an idempotency key stands: in memory, one slot a row.
 *
 * Rows lie in the order in which they expire, so that new ones go to the same few pages (seen.c); this finds them by
 * key. It says only where to look, and the row decides: a slot too many costs a look, a slot too few a duplicate. So
 * slots come when a commit may have put their rows, and go when a commit certainly has taken them away.
 *
 * Open addressing with 12 bytes a slot: 32 bits of a seeded hash of the key, and when it expires. Memory grows with the
 * rows and shrinks with them; made anew from the rows when a store is opened.
 */
#ifndef STORE_SEEN_INDEX_H
#define STORE_SEEN_INDEX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "turnout/id.h"

struct tn_seen_place { /* of a row */
	struct tn_id key;
	int64_t expires_ms;
};
struct tn_seen_slot {
	uint32_t fingerprint; /* 0: free */
	uint32_t expires[2]; /* milliseconds, the high half first: so that a slot has no padding */
};
struct tn_seen_index {
	pthread_mutex_t lock; /* of what is below, for its one writer to write and for others to read */
	struct tn_seen_slot *slots;
	uint32_t capacity, count;
	uint32_t enough; /* slots for as many rows as there are to be at most */
	uint64_t seed;
	uint64_t left_out; /* rows that there was no memory for, ever */
	int64_t left_out_ms; /* when the last of them expires; INT64_MIN: none */
};

enum { TN_SEEN_PLACES = 8 };
struct tn_seen_places { /* where rows of a key may stand; several: hashes are alike, or rows are gone */
	int64_t expires_ms[TN_SEEN_PLACES];
	uint32_t count;
	bool more; /* than there is room for here */
};

void tn_seen_index_init(struct tn_seen_index *index, uint64_t max_keys);
void tn_seen_index_fini(struct tn_seen_index *index);

/* Any thread. Of a key's rows, those that expire after after_ms. */
void tn_seen_index_find(
        struct tn_seen_index *index, const struct tn_id *key, int64_t after_ms, struct tn_seen_places *out_places);
/* Any thread. What of a key is in its slots: never 0. */
uint32_t tn_seen_index_fingerprint(const struct tn_seen_index *index, const struct tn_id *key);
/* Any thread. How many rows were left out, ever. */
uint64_t tn_seen_index_left_out(struct tn_seen_index *index);

/* --- The writer's thread, or before there is one. --- */

/* Room for so many more, in one step. Best effort. */
void tn_seen_index_reserve(struct tn_seen_index *index, uint64_t more, int64_t now_ms);
/* Takes one slot of each away. Both may free slots of what expired until now_ms. */
void tn_seen_index_remove(
        struct tn_seen_index *index, const struct tn_seen_place *places, uint32_t count, int64_t now_ms);
/* One slot for each. Without memory they are left out, which costs duplicates. */
void tn_seen_index_add(struct tn_seen_index *index, const struct tn_seen_place *places, uint32_t count, int64_t now_ms);
/* Every row that expires after now_ms has a slot. */
bool tn_seen_index_is_whole(const struct tn_seen_index *index, int64_t now_ms);

#endif
