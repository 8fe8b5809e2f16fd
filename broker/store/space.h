/* SPDX-License-Identifier: Apache-2.0
 *
 * space.h - is there room for this batch? The rule stands at the top of turnout/store.h.
 */
#ifndef STORE_SPACE_H
#define STORE_SPACE_H

#include <stdbool.h>
#include "turnout/store.h"

enum tn_space_need { TN_SPACE_SETTLE, TN_SPACE_ROWS, TN_SPACE_KEEP, TN_SPACE_INTAKE };

struct tn_space {
	uint64_t used_bytes, max_bytes;   /* of the map */
	uint64_t room_bytes;              /* on the disk: what is free there, and what the file has and does not use */
	uint64_t disk_bytes;              /* the disk's size */
	uint64_t ledger_bytes;            /* used in the same file, and no part of used_bytes */
};

/* The most demanding thing in batch. */
enum tn_space_need tn_space_need(const struct tn_batch *batch);
bool tn_space_allows(const struct tn_space *space, enum tn_space_need need);
/* Free bytes for unprivileged writers where path is; UINT64_MAX when the system does not say. */
uint64_t tn_space_free_disk(const char *path);
/* Fills in what concerns the disk; used_bytes and ledger_bytes are set before. path: the store's folder. */
void tn_space_look(struct tn_space *space, const char *path);

#endif
