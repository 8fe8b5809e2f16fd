/* SPDX-License-Identifier: Apache-2.0
 *
 * faults.c - the operating system under LMDB, made to fail.
 *
 * The executable exports these functions, so the LMDB library calls them instead of the C library's. The assembler names keep the
 * headers' 64-bit variants out of the way.
 */
#include "faults.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PLENTY (UINT64_C(1) << 49)

enum { META_PAGES_END = 2 * 4096, LARGE_WRITE = 128 * 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static enum fault current;
static bool meta_was_written, holding;
static unsigned held;
static uint64_t free_disk = PLENTY;

ssize_t fault_pwrite(int fd, const void *bytes, size_t len, off_t offset) __asm__("pwrite");
ssize_t fault_writev(int fd, const struct iovec *parts, int count) __asm__("writev");
int fault_fdatasync(int fd) __asm__("fdatasync");
int fault_statvfs(const char *path, struct statvfs *out) __asm__("statvfs");
int fault_statvfs64(const char *path, struct statvfs *out) __asm__("statvfs64");

static enum fault fault_now(void)
{
	pthread_mutex_lock(&lock);
	enum fault fault = current;
	pthread_mutex_unlock(&lock);
	return fault;
}

static ssize_t write_at(int fd, const void *bytes, size_t len, off_t offset)
{
	return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

/* LMDB answers a failed meta write with writing the old one back, which must not succeed here. */
static ssize_t write_meta(int fd, const void *bytes, size_t len, off_t offset)
{
	pthread_mutex_lock(&lock);
	bool write_it = current == FAULT_META_WRITTEN && !meta_was_written;
	meta_was_written = true;
	pthread_mutex_unlock(&lock);
	if (write_it && write_at(fd, bytes, len, offset) != (ssize_t)len)
		return -1;
	errno = EIO;
	return -1;
}

ssize_t fault_pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	enum fault fault = fault_now();
	if (offset < META_PAGES_END && (fault == FAULT_META || fault == FAULT_META_WRITTEN))
		return write_meta(fd, bytes, len, offset);
	if (offset >= META_PAGES_END && (fault == FAULT_DATA || (fault == FAULT_LARGE && len >= LARGE_WRITE))) {
		errno = EIO;
		return -1;
	}
	return write_at(fd, bytes, len, offset);
}

ssize_t fault_writev(int fd, const struct iovec *parts, int count)
{
	enum fault fault = fault_now();
	size_t len = 0;
	for (int i = 0; i < count; i++)
		len += parts[i].iov_len;
	if (fault == FAULT_DATA || (fault == FAULT_LARGE && len >= LARGE_WRITE)) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_writev, fd, parts, count);
}

int fault_fdatasync(int fd)
{
	pthread_mutex_lock(&lock);
	held++;
	pthread_cond_broadcast(&changed);
	while (holding)
		pthread_cond_wait(&changed, &lock);
	held--;
	bool fails = current == FAULT_SYNC;
	pthread_mutex_unlock(&lock);
	if (fails) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

int fault_statvfs64(const char *path, struct statvfs *out)
{
	pthread_mutex_lock(&lock);
	uint64_t bytes = free_disk;
	pthread_mutex_unlock(&lock);
	*out = (struct statvfs){.f_frsize = 1, .f_bavail = bytes, .f_blocks = UINT64_C(1) << 50};
	return 0;
}

int fault_statvfs(const char *path, struct statvfs *out)
{
	return fault_statvfs64(path, out);
}

void faults_set(enum fault fault)
{
	pthread_mutex_lock(&lock);
	current = fault;
	meta_was_written = false;
	pthread_mutex_unlock(&lock);
}

void faults_set_free_disk(uint64_t bytes)
{
	pthread_mutex_lock(&lock);
	free_disk = bytes < PLENTY ? bytes : PLENTY;
	pthread_mutex_unlock(&lock);
}

void faults_hold_sync(void)
{
	pthread_mutex_lock(&lock);
	holding = true;
	pthread_mutex_unlock(&lock);
}

void faults_await_held(void)
{
	pthread_mutex_lock(&lock);
	while (held == 0)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

void faults_release_sync(void)
{
	pthread_mutex_lock(&lock);
	holding = false;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}
