/* SPDX-License-Identifier: Apache-2.0
 *
 * store_private.h - the store's parts, for the files of this folder.
 */
#ifndef STORE_STORE_PRIVATE_H
#define STORE_STORE_PRIVATE_H

#include "environment.h"
#include "meta.h"
#include "names.h"
#include "writer.h"

struct tn_store {
	char *path;
	struct tn_store_options options;  /* its path is the above; admin_socket is not kept */
	int lock_fd;
	/* Held for reading by whoever uses environment on another thread than the writer's; for writing while it is opened anew. */
	pthread_rwlock_t environment_lock;
	struct tn_environment environment;
	struct tn_names names;
	struct tn_writer writer;
	pthread_mutex_t facts_lock;
	struct tn_store_facts facts;
};

#endif
