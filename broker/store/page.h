/* SPDX-License-Identifier: Apache-2.0
 *
 * page.h - rows and events on their way out of a read transaction.
 */
#ifndef STORE_PAGE_H
#define STORE_PAGE_H

#include "environment.h"
#include "turnout/arena.h"
#include "turnout/store.h"

struct tn_page_memory {                   /* a page's rows and events; grows row by row */
	struct tn_arena arena;            /* strings */
	struct tn_row *rows;
	struct tn_event **events;
	uint32_t count, capacity;
	size_t bytes;                     /* of the records they came from; an event shared by several rows once */
	uint32_t max_rows;
	size_t max_bytes;
};

enum tn_page_add { TN_PAGE_ADDED, TN_PAGE_FULL, TN_PAGE_ABSENT, TN_PAGE_BAD };

/* Returns owned. */
struct tn_page_memory *tn_page_memory_new(uint32_t max_rows, size_t max_bytes);
void tn_page_memory_free(struct tn_page_memory *memory);
/* Copies the row and its event. FULL: the page has rows and no room for this one. LMDB code. */
int tn_page_add_row(struct tn_page_memory *memory, const struct tn_environment *environment, MDB_txn *txn, struct tn_row_key key,
	enum tn_page_add *out_add);

#endif
