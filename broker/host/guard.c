/* SPDX-License-Identifier: Apache-2.0
 *
 * guard.c - the crash guard's file: one slot a thread, written before it looks into bytes from outside and emptied
 * after.
 *
 * Called by intake.c, attempts.c and quarantine.c. Its blocks are set aside when it is opened, since a page that the
 * disk has no room for would end the process. Nothing in it is believed: sizes are checked, a slot carries a sum, and
 * the worst that garbage can do is a strike for bytes that nobody has. Each slot belongs to one thread; opening and
 * closing to the bus thread.
 *
 *   0          12288              24576
 *   | head     | slot of worker 0 | slot of worker 1 | ... | slot of the store's writer |
 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLACE = 3 * 4096, SLOTS_MAX = 1024, BUSY = 0x59535542 /* "BUSY" */ };
static const char magic[16] =
        "turnout guard 2"; /* another layout: another number; then an old file is passed over, and costs a strike */

struct tn_guard_slot {
	_Atomic uint32_t state; /* BUSY, or anything else: empty. Written last, cleared first */
	uint32_t count;
	uint32_t where_len, any;
	uint64_t sum; /* of the first name, count and where_len: garbage has no such sum */
	uint64_t names[TN_GUARD_NAMES];
	char where[TN_GUARD_WHERE];
};
_Static_assert(sizeof(struct tn_guard_slot) <= PLACE, "a slot has pages of its own: threads share no line");

struct tn_guard {
	char *bytes;
	size_t size;
};

static uint64_t sum_of(const struct tn_guard_slot *slot)
{
	return (slot->names[0] ^ (uint64_t)slot->count << 32 ^ slot->where_len) + 0x74726e6f75744731u;
}

/* --- At work --- */

void tn_guard_enter(struct tn_guard_slot *slot, const struct tn_guard_work *work)
{
	if (!slot)
		return;
	slot->count = work->count < TN_GUARD_NAMES ? work->count : TN_GUARD_NAMES;
	slot->any = work->any;
	slot->where_len = (uint32_t)(work->where.len < TN_GUARD_WHERE ? work->where.len : TN_GUARD_WHERE);
	memcpy(slot->names, work->names, slot->count * sizeof *slot->names);
	if (slot->where_len)
		memcpy(slot->where, work->where.bytes, slot->where_len);
	slot->sum = sum_of(slot);
	atomic_store_explicit(&slot->state, BUSY, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst); /* the work does not begin before that */
}

void tn_guard_leave(struct tn_guard_slot *slot)
{
	if (slot)
		atomic_store_explicit(&slot->state, 0, memory_order_release);
}

/* --- The file --- */

static bool makes_sense(const struct tn_guard_slot *slot)
{
	return slot->state == BUSY && slot->count > 0 && slot->count <= TN_GUARD_NAMES &&
	       slot->where_len <= TN_GUARD_WHERE && slot->sum == sum_of(slot);
}

/* Read, not mapped: a file that is shorter than it says ends nothing. */
static void read_slots(int fd, void (*left)(void *arg, const struct tn_guard_work *work), void *arg)
{
	char head[sizeof magic];
	if (pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head || memcmp(head, magic, sizeof head) != 0)
		return;
	struct tn_guard_slot slot;
	for (off_t i = 1; i <= SLOTS_MAX && pread(fd, &slot, sizeof slot, i * PLACE) == (ssize_t)sizeof slot; i++)
		if (makes_sense(&slot))
			left(arg, &(struct tn_guard_work){
			                  slot.names, slot.count, tn_str_make(slot.where, slot.where_len), slot.any != 0});
}

/* Where a file system writes each change to a new place (btrfs), a full disk would find us; others do not know the
 * request. */
static void keep_in_place(int fd)
{
	int flags;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NOCOW_FL;
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
}

static enum tn_status fail(const char *path, int code, struct tn_error *error)
{
	tn_error_set(error, "cannot open the crash guard's file %s: %s", path, strerror(code));
	return TN_IO;
}

static enum tn_status map_file(int fd, const char *path, struct tn_guard *guard, struct tn_error *error)
{
	if (ftruncate(fd, 0) != 0)
		return fail(path, errno, error);
	keep_in_place(fd);
	int code = posix_fallocate(fd, 0, (off_t)guard->size);
	if (code != 0)
		return fail(path, code, error);
	void *bytes = mmap(NULL, guard->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		return fail(path, errno, error);
	guard->bytes = bytes;
	memset(guard->bytes, 0, guard->size);
	memcpy(guard->bytes, magic, sizeof magic);
	return TN_OK;
}

enum tn_status tn_guard_open(const char *path, uint32_t slots,
        void (*left)(void *arg, const struct tn_guard_work *work), void *arg, struct tn_guard **out_guard,
        struct tn_error *error)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(path, errno, error);
	struct tn_guard *guard = calloc(1, sizeof *guard);
	if (!guard)
		abort();
	guard->size = (size_t)(slots + 1) * PLACE;
	read_slots(fd, left, arg);
	enum tn_status status = map_file(fd, path, guard, error);
	close(fd);
	if (status == TN_OK)
		*out_guard = guard;
	else
		tn_guard_close(guard);
	return status;
}

void tn_guard_close(struct tn_guard *guard)
{
	if (!guard)
		return;
	if (guard->bytes)
		munmap(guard->bytes, guard->size);
	free(guard);
}

struct tn_guard_slot *tn_guard_slot(struct tn_guard *guard, uint32_t index)
{
	return guard && (index + 2) * (size_t)PLACE <= guard->size
	               ? (struct tn_guard_slot *)(void *)(guard->bytes + (index + 1) * (size_t)PLACE)
	               : NULL;
}
