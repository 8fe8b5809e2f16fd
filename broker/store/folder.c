/* SPDX-License-Identifier: Apache-2.0
 *
 * folder.c - the names of a store's files, made durable; and a data file that was never whole, cleared away.
 *
 * Called by store.c when a store opens. LMDB syncs what is in its file, but nobody promises that a new file still has its name after the
 * power went, unless the folder is synced too (fsync(2)). And while LMDB makes its file, the power may leave sectors of its first two
 * pages.
 */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0, or why not. Some file systems cannot sync a folder, and need not. */
static int sync_names(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	int failure = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EROFS ? 0 : errno;
	close(fd);
	return failure;
}

enum tn_status tn_folder_sync(const char *path, struct tn_error *error)
{
	char parent[4096];
	if ((size_t)snprintf(parent, sizeof parent, "%s/..", path) >= sizeof parent) {
		tn_error_set(error, "the store's path is too long");
		return TN_INVALID;
	}
	int failure = sync_names(path);
	if (failure == 0)
		failure = sync_names(parent);
	/* A parent that may only be passed through was made by somebody else. */
	if (failure == 0 || failure == EACCES)
		return TN_OK;
	tn_error_set(error, "cannot sync the store folder %s: %s", path, strerror(failure));
	return TN_IO;
}

/* --- LMDB's table of readers --- */

enum { READERS_BYTES = 8192 }; /* of 126 readers, as LMDB has by default */

enum tn_status tn_folder_reserve_readers(const char *path, struct tn_error *error)
{
	char name[4096];
	if ((size_t)snprintf(name, sizeof name, "%s/lock.mdb", path) >= sizeof name) {
		tn_error_set(error, "the store's path is too long");
		return TN_INVALID;
	}
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int failure = fd < 0 ? errno : posix_fallocate(fd, 0, READERS_BYTES);
	if (fd >= 0)
		close(fd);
	if (failure == 0)
		return TN_OK;
	tn_error_set(error, "cannot make %s: %s", name, strerror(failure));
	return failure == ENOSPC ? TN_FULL : TN_IO;
}

/* --- A data file that was never whole --- */

enum { META_PAGES = 2, LARGEST_PAGE = 65536, SECTOR = 512, MAGIC_OFFSET = 16 };

static bool is_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* A fresh meta page fits in its first sector, which the disk writes or does not; the number there is LMDB's, mdb.c MDB_MAGIC. */
static bool is_part_of_fresh_metas(const uint8_t *bytes, size_t len, size_t page_bytes)
{
	static const uint32_t magic = 0xBEEFC0DE;
	for (size_t at = 0; at < len; at += SECTOR) {
		size_t sector = len - at < SECTOR ? len - at : SECTOR;
		bool meta = at % page_bytes == 0 && sector == SECTOR && memcmp(bytes + at + MAGIC_OFFSET, &magic, sizeof magic) == 0;
		if (!meta && !is_zero(bytes + at, sector))
			return false;
	}
	return true;
}

static bool is_stillborn(int fd)
{
	uint8_t bytes[META_PAGES * LARGEST_PAGE];
	struct stat info;
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	if (fstat(fd, &info) != 0 || info.st_size == 0 || page_bytes > LARGEST_PAGE || (size_t)info.st_size > META_PAGES * page_bytes)
		return false;
	ssize_t len = pread(fd, bytes, sizeof bytes, 0);
	return len == info.st_size && is_part_of_fresh_metas(bytes, (size_t)len, page_bytes);
}

enum tn_status tn_folder_clear_stillborn(const char *path, struct tn_error *error)
{
	char name[4096];
	if ((size_t)snprintf(name, sizeof name, "%s/data.mdb", path) >= sizeof name) {
		tn_error_set(error, "the store's path is too long");
		return TN_INVALID;
	}
	int fd = open(name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return TN_OK; /* not there, or LMDB says why */
	enum tn_status status = TN_OK;
	if (is_stillborn(fd) && ftruncate(fd, 0) != 0) {
		tn_error_set(error, "cannot begin the store file %s anew: %s", name, strerror(errno));
		status = TN_IO;
	}
	close(fd);
	return status;
}
