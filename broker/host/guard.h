/* SPDX-License-Identifier: Apache-2.0
 *
 * guard.h - the crash guard's file: what each thread is at work on just now, where a dying process cannot take it
 * along.
 *
 * A file of one slot a thread, mapped shared: writing to it is writing to memory, and the system keeps it when the
 * process is gone. What stands in it at the next start is what the process may have died of (quarantine.c).
 * Delivery-semantics section 13.
 */
#ifndef TURNOUT_HOST_GUARD_H
#define TURNOUT_HOST_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/error.h"
#include "turnout/status.h"
#include "turnout/str.h"

struct tn_guard;
struct tn_guard_slot;

enum { TN_GUARD_NAMES = 1000 /* a batch has no more */, TN_GUARD_WHERE = 1024 };

struct tn_guard_work { /* what a thread is at work on */
	const uint64_t *names; /* by which it will be known again */
	uint32_t count; /* those over TN_GUARD_NAMES are left out */
	struct tn_str where; /* for people; cut off at TN_GUARD_WHERE bytes */
	bool any; /* one of the names, and nobody knows which: a batch. Else all of them are names of one thing */
};

/* Opens or makes the file (0600) and calls back for each slot that a process died in; what makes no sense is passed
 * over. Then all slots are empty, and there are so many. TN_IO: no room on the disk, or no such folder. */
enum tn_status tn_guard_open(const char *path, uint32_t slots,
        void (*left)(void *arg, const struct tn_guard_work *work), void *arg, struct tn_guard **out_guard,
        struct tn_error *error) TN_MUST_CHECK;
/* Its threads are gone. NULL is fine. */
void tn_guard_close(struct tn_guard *guard);
/* Borrowed until close. NULL for a guard that is NULL. */
struct tn_guard_slot *tn_guard_slot(struct tn_guard *guard, uint32_t index);

/* The slot's own thread; a slot that is NULL: nothing. No nesting: the inner leave would be the outer's. */
void tn_guard_enter(struct tn_guard_slot *slot, const struct tn_guard_work *work);
void tn_guard_leave(struct tn_guard_slot *slot);

#endif
