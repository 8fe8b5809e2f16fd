/* SPDX-License-Identifier: Apache-2.0
 *
 * alloc.h - the engine's one seam for memory: it can be counted, bounded, and made to fail by a test.
 */
#ifndef TURNOUT_ALLOC_H
#define TURNOUT_ALLOC_H

#include <stddef.h>

struct tn_alloc {
	/* size 0 frees and answers NULL; old NULL allocates; may answer NULL, then old is untouched. old_size is what was asked
	 * for. Memory is not zeroed. */
	void *(*resize)(void *arg, void *old, size_t old_size, size_t size);
	void *arg;
};

/* malloc, realloc, free. */
extern const struct tn_alloc tn_alloc_system;

#endif
