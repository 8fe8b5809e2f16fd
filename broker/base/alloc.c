/* SPDX-License-Identifier: Apache-2.0
 *
 * alloc.c - the system's allocator behind the engine's seam.
 *
 * Handed to the engine by the host and the tools; the engine itself never links it.
 */
#include "turnout/alloc.h"

#include <stdlib.h>

static void *resize(void *arg, void *old, size_t old_size, size_t size)
{
	if (size == 0) {
		free(old);
		return NULL;
	}
	return realloc(old, size);
}

const struct tn_alloc tn_alloc_system = {.resize = resize};
