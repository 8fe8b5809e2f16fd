/* SPDX-License-Identifier: Apache-2.0
 *
 * names.h - the persistent numbers of target names.
 */
#ifndef STORE_NAMES_H
#define STORE_NAMES_H

#include <pthread.h>
#include "apply.h"

enum { TN_NAME_LIMIT = 1024 };

struct tn_name {
	struct tn_str name; /* in the arena */
	uint32_t number;
};
struct tn_names { /* the database's names, in memory: few, asked for at start and reload. Any thread */
	pthread_mutex_t lock;
	struct tn_arena arena;
	struct tn_name *names;
	uint32_t count, capacity, highest;
};

void tn_names_init(struct tn_names *names);
void tn_names_fini(struct tn_names *names);
/* Reads all; a damaged one is moved aside, and told again from a row of its number where there is one. LMDB code. */
int tn_names_load(struct tn_names *names, struct tn_apply *apply);
bool tn_names_find(struct tn_names *names, struct tn_str name, uint32_t *out_number);
/* The number that the next new name gets. */
uint32_t tn_names_next(struct tn_names *names);
/* Writes name under number. LMDB code. */
int tn_names_put(struct tn_apply *apply, struct tn_str name, uint32_t number);
/* The name is durable: from now on it is found. */
void tn_names_add(struct tn_names *names, struct tn_str name, uint32_t number);

#endif
