/* SPDX-License-Identifier: Apache-2.0
 *
 * store_calls.c - stands between a bus and the calls that write or sync its store: counts them, ends the process at the N-th of them, or
 * writes down each one.
 *
 * Preloaded (LD_PRELOAD) by syscalls.py and power.py; told what to do by its environment:
 *
 *   STORE_CALLS_FOLDER   only calls on files in this folder, and on the folder itself
 *   STORE_CALLS_KILL     SIGKILL in place of the N-th call
 *   STORE_CALLS_HALF     1: when that is a write, half of its bytes are written first
 *   STORE_CALLS_COUNT    file that holds the number of calls so far, as text, also after a kill
 *   STORE_CALLS_RECORD   file to which each call is appended: struct record, the name of its file, its bytes
 *
 * Each call has two names, the second for those built with large file offsets; they are the same on a 64-bit system, which this is for.
 * The store has one writer thread, and calls of other threads (the lock file) come before it starts: the lock makes the order of the
 * record that of the calls, and costs nothing.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == sizeof(off64_t), "a 64-bit system");

enum kind { WRITE = 'w', DURABLE_WRITE = 'd', SYNC = 's', TRUNCATE = 't' };

/* As power.py reads it: little-endian, no padding. */
struct record {
	int64_t begin_ns, end_ns;         /* CLOCK_MONOTONIC */
	int64_t offset;                   /* TRUNCATE: the new size */
	uint32_t kind, name_len, len;
	int32_t answer;                   /* bytes written, 0, or -1 */
};

struct call {
	enum kind kind;
	int fd;
	int64_t offset;
	const struct iovec *parts;
	int part_count;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long count;

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwritev)(int, const struct iovec *, int, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static int (*real_fdatasync)(int), (*real_fsync)(int), (*real_ftruncate)(int, off_t), (*real_msync)(void *, size_t, int);

static void find(void *out_function, const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);
	if (!found)
		abort();
	memcpy(out_function, &found, sizeof found);
}

__attribute__((constructor)) static void find_all(void)
{
	find(&real_pwrite, "pwrite");
	find(&real_pwritev, "pwritev");
	find(&real_write, "write");
	find(&real_writev, "writev");
	find(&real_fdatasync, "fdatasync");
	find(&real_fsync, "fsync");
	find(&real_ftruncate, "ftruncate");
	find(&real_msync, "msync");
}

/* --- Whose file is it --- */

/* The path of the open file within the folder; "" for the folder itself, NULL when it is elsewhere. */
static const char *name_in_folder(int fd, char path[PATH_MAX])
{
	const char *folder = getenv("STORE_CALLS_FOLDER");
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t len = folder ? readlink(link, path, PATH_MAX - 1) : -1;
	if (len < 0)
		return NULL;
	path[len] = '\0';
	size_t folder_len = strlen(folder);
	if (strncmp(path, folder, folder_len) != 0)
		return NULL;
	if (path[folder_len] == '\0')
		return path + folder_len;
	return path[folder_len] == '/' ? path + folder_len + 1 : NULL;
}

/* --- Counting and killing --- */

static void write_count(void)
{
	const char *file = getenv("STORE_CALLS_COUNT");
	char text[32];
	int fd = file ? open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	if (fd < 0)
		return;
	int len = snprintf(text, sizeof text, "%lu\n", count);
	if (real_write(fd, text, (size_t)len) != len)
		abort();
	close(fd);
}

static void write_half(const struct call *call)
{
	if (call->part_count == 0 || !getenv("STORE_CALLS_HALF"))
		return;
	int64_t offset = call->offset;
	size_t left = 0;
	for (int i = 0; i < call->part_count; i++)
		left += call->parts[i].iov_len;
	left /= 2;
	for (int i = 0; i < call->part_count && left > 0; i++) {
		size_t len = call->parts[i].iov_len < left ? call->parts[i].iov_len : left;
		if (real_pwrite(call->fd, call->parts[i].iov_base, len, offset) < 0)
			return;
		offset += (int64_t)len;
		left -= len;
	}
}

static void count_call(const struct call *call)
{
	const char *kill_at = getenv("STORE_CALLS_KILL");
	count++;
	write_count();
	if (kill_at && strtoul(kill_at, NULL, 10) == count) {
		write_half(call);
		kill(getpid(), SIGKILL);
		for (;;)
			pause();
	}
}

/* --- Writing down --- */

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void write_record(const struct call *call, const char *name, int64_t begin_ns, ssize_t answer)
{
	const char *file = getenv("STORE_CALLS_RECORD");
	int fd = file ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	if (fd < 0)
		return;
	struct record record = {.begin_ns = begin_ns, .end_ns = now_ns(), .offset = call->offset, .kind = call->kind,
		.name_len = (uint32_t)strlen(name), .answer = (int32_t)answer};
	struct iovec all[2 + IOV_MAX] = {{&record, sizeof record}, {(void *)(uintptr_t)name, record.name_len}};
	for (int i = 0; i < call->part_count; i++) {
		record.len += (uint32_t)call->parts[i].iov_len;
		all[2 + i] = call->parts[i];
	}
	ssize_t want = (ssize_t)(sizeof record + record.name_len + record.len);
	ssize_t head = real_writev(fd, all, 2);
	ssize_t rest = call->part_count > 0 ? real_writev(fd, all + 2, call->part_count) : 0;
	if (head < 0 || rest < 0 || head + rest != want)
		abort();
	close(fd);
}

static bool is_durable(int fd)
{
	return (fcntl(fd, F_GETFL) & (O_DSYNC | O_SYNC)) != 0;
}

/* Answers whether the call is one of ours; then the lock is held until end_call. */
static bool begin_call(struct call *call, char path[PATH_MAX], const char **out_name, int64_t *out_begin_ns)
{
	int before = errno;
	const char *name = name_in_folder(call->fd, path);
	if (name) {
		pthread_mutex_lock(&lock);
		if (call->kind == WRITE && is_durable(call->fd))
			call->kind = DURABLE_WRITE;
		count_call(call);
		*out_name = name;
		*out_begin_ns = now_ns();
	}
	errno = before;
	return name != NULL;
}

static void end_call(const struct call *call, const char *name, int64_t begin_ns, ssize_t answer)
{
	int before = errno;
	write_record(call, name, begin_ns, answer);
	pthread_mutex_unlock(&lock);
	errno = before;
}

/* Does `expression` and answers what it answers. */
#define THROUGH(type, call, expression) \
	do { \
		char path[PATH_MAX]; \
		const char *name; \
		int64_t begin_ns; \
		bool ours = begin_call(&(call), path, &name, &begin_ns); \
		type answer = (expression); \
		if (ours) \
			end_call(&(call), name, begin_ns, answer); \
		return answer; \
	} while (0)

/* --- The calls --- */

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	struct iovec part = {(void *)(uintptr_t)bytes, len};
	struct call call = {WRITE, fd, offset, &part, 1};
	THROUGH(ssize_t, call, real_pwrite(fd, bytes, len, offset));
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
	return pwrite(fd, bytes, len, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int part_count, off_t offset)
{
	struct call call = {WRITE, fd, offset, parts, part_count};
	THROUGH(ssize_t, call, real_pwritev(fd, parts, part_count, offset));
}

ssize_t pwritev64(int fd, const struct iovec *parts, int part_count, off64_t offset)
{
	return pwritev(fd, parts, part_count, offset);
}

static int64_t offset_of(int fd)
{
	int before = errno;
	off_t offset = lseek(fd, 0, SEEK_CUR);
	errno = before;
	return offset < 0 ? 0 : offset;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
	struct iovec part = {(void *)(uintptr_t)bytes, len};
	struct call call = {WRITE, fd, offset_of(fd), &part, 1};
	THROUGH(ssize_t, call, real_write(fd, bytes, len));
}

ssize_t writev(int fd, const struct iovec *parts, int part_count)
{
	struct call call = {WRITE, fd, offset_of(fd), parts, part_count};
	THROUGH(ssize_t, call, real_writev(fd, parts, part_count));
}

int fdatasync(int fd)
{
	struct call call = {SYNC, fd, 0, NULL, 0};
	THROUGH(int, call, real_fdatasync(fd));
}

int fsync(int fd)
{
	struct call call = {SYNC, fd, 0, NULL, 0};
	THROUGH(int, call, real_fsync(fd));
}

int ftruncate(int fd, off_t size)
{
	struct call call = {TRUNCATE, fd, size, NULL, 0};
	THROUGH(int, call, real_ftruncate(fd, size));
}

int ftruncate64(int fd, off64_t size)
{
	return ftruncate(fd, size);
}

/* The store does not write through its map (tests/store would see it); a change to that must not go unnoticed here. */
int msync(void *address, size_t len, int flags)
{
	static const char complaint[] = "store_calls: msync is not expected of a store\n";
	if (getenv("STORE_CALLS_FOLDER") && real_write(STDERR_FILENO, complaint, sizeof complaint - 1) > 0)
		abort();
	return real_msync(address, len, flags);
}
