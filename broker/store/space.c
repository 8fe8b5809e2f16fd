/* SPDX-License-Identifier: Apache-2.0
 *
 * space.c - is there room for this batch? The rule stands at the top of turnout/store.h.
 *
 * Called by writer.c before it writes, and by store.c for the facts. Judged by map use and free disk, never by errno: at the full point
 * LMDB shows EIO, ENOSPC or MDB_MAP_FULL, and then even a delete can fail. Any thread.
 */
#include "space.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { DISK_RESERVE_LIMIT = 64 * 1024 * 1024, DISK_RESERVE_PART = 16 };

static const struct {
	unsigned map_percent;     /* of the map may be in use */
	unsigned reserve_quarters; /* of the disk reserve must be free */
} limits[] = {
	[TN_SPACE_SETTLE] = {100, 0},
	[TN_SPACE_ROWS] = {97, 2},
	[TN_SPACE_KEEP] = {94, 3},
	[TN_SPACE_INTAKE] = {90, 4},
};

static enum tn_space_need need_of(const struct tn_op *op)
{
	switch (op->kind) {
	case TN_PUT_EVENT:
		return TN_SPACE_KEEP;
	case TN_PUT_ROW: /* one with an event, and none beside it: the row is there already, and only changes */
		return op->row->state == TN_ROW_TRIED ? TN_SPACE_ROWS : TN_SPACE_SETTLE;
	case TN_REDRIVE_ROW:
	case TN_RELEASE_ROW:
	case TN_PUT_SEEN:
		return TN_SPACE_ROWS;
	case TN_DROP_ROW:
	case TN_PURGE_ROW:
	case TN_DROP_SEEN:
		break;
	}
	return TN_SPACE_SETTLE;
}

enum tn_space_need tn_space_need(const struct tn_batch *batch)
{
	enum tn_space_need most = TN_SPACE_SETTLE;
	bool journals = false;
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct tn_op *op = &batch->ops[i];
		enum tn_space_need need = need_of(op);
		if (need > most)
			most = need;
		journals = journals || (op->kind == TN_PUT_ROW && op->row->state == TN_ROW_OPEN);
	}
	return most == TN_SPACE_KEEP && journals ? TN_SPACE_INTAKE : most;
}

static uint64_t disk_reserve(const struct tn_space *space)
{
	uint64_t smaller = space->max_bytes < space->disk_bytes ? space->max_bytes : space->disk_bytes;
	uint64_t reserve = smaller / DISK_RESERVE_PART;
	return reserve < DISK_RESERVE_LIMIT ? reserve : DISK_RESERVE_LIMIT;
}

bool tn_space_allows(const struct tn_space *space, enum tn_space_need need)
{
	if (need == TN_SPACE_SETTLE)
		return true;
	return space->used_bytes <= space->max_bytes / 100 * limits[need].map_percent &&
		space->room_bytes >= disk_reserve(space) / 4 * limits[need].reserve_quarters;
}

uint64_t tn_space_free_disk(const char *path)
{
	struct statvfs disk;
	if (statvfs(path, &disk) != 0)
		return UINT64_MAX;
	return (uint64_t)disk.f_bavail * disk.f_frsize;
}

/* The data file never shrinks: what was deleted from it is room for what comes. Blocks behind its end are ballast, and no room. */
static uint64_t reusable_bytes(const struct tn_space *space, const char *path)
{
	char file[PATH_MAX];
	struct stat st;
	snprintf(file, sizeof file, "%s/data.mdb", path);
	if (stat(file, &st) != 0)
		return 0;
	uint64_t block_bytes = (uint64_t)st.st_blocks * 512, has_bytes = (uint64_t)st.st_size;
	if (has_bytes > block_bytes)
		has_bytes = block_bytes;
	uint64_t full_bytes = space->used_bytes + space->ledger_bytes;
	return has_bytes > full_bytes ? has_bytes - full_bytes : 0;
}

void tn_space_look(struct tn_space *space, const char *path)
{
	struct statvfs disk;
	if (statvfs(path, &disk) != 0) {
		space->room_bytes = space->disk_bytes = UINT64_MAX;
		return;
	}
	space->disk_bytes = (uint64_t)disk.f_blocks * disk.f_frsize;
	space->room_bytes = (uint64_t)disk.f_bavail * disk.f_frsize + reusable_bytes(space, path);
}
