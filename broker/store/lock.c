/* SPDX-License-Identifier: Apache-2.0
 *
 * lock.c - one process at a time owns a store; its lock file says which, and where its admin socket is.
 *
 * Called by store.c; tn_store_holder by tools. The lock belongs to the open file description (fcntl(2), F_OFD_SETLK): it excludes a second
 * open in this process too, and the kernel drops it with the process, so a file that kill -9 left behind is only text. The file is never
 * removed: two processes could then hold two files of that name.
 *
 *   pid 4711
 *   socket /var/lib/turnout/admin.sock
 *
 * The rest of it are empty lines: it always has the same size and is overwritten in place, so that it also can be on a disk that has
 * become full.
 */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "turnout/store.h"

enum { TEXT_BYTES = 512 };

struct holder {
	char pid[24], socket[256];
};

static bool make_file_name(const char *path, char *out, size_t size)
{
	return (size_t)snprintf(out, size, "%s/turnout.lock", path) < size;
}

/* Copies the rest of the line that starts with name; "" when there is none. */
static void find_line(const char *text, const char *name, char *out, size_t size)
{
	out[0] = '\0';
	for (const char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
		if (strncmp(line, name, strlen(name)) == 0) {
			const char *rest = line + strlen(name);
			snprintf(out, size, "%.*s", (int)strcspn(rest, "\n"), rest);
			return;
		}
}

static void read_holder(int fd, struct holder *out_holder)
{
	char text[TEXT_BYTES];
	ssize_t len = pread(fd, text, sizeof text - 1, 0);
	text[len > 0 ? len : 0] = '\0';
	find_line(text, "pid ", out_holder->pid, sizeof out_holder->pid);
	find_line(text, "socket ", out_holder->socket, sizeof out_holder->socket);
}

static enum tn_status write_holder(int fd, const char *name, const char *admin_socket, struct tn_error *error)
{
	char text[TEXT_BYTES];
	int len = snprintf(text, sizeof text, "pid %ld\n%s%s%s", (long)getpid(), admin_socket ? "socket " : "",
		admin_socket ? admin_socket : "", admin_socket ? "\n" : "");
	if (len >= (int)sizeof text || (admin_socket && strlen(admin_socket) >= sizeof((struct holder *)0)->socket)) {
		tn_error_set(error, "the admin socket's path is too long for the lock file %s", name);
		return TN_INVALID;
	}
	memset(text + len, '\n', sizeof text - (size_t)len);
	ssize_t written = pwrite(fd, text, sizeof text, 0);
	/* On a full disk the lock holds all the same; others only cannot read who has it. */
	if (written != sizeof text && !(written >= 0 || errno == ENOSPC || errno == EDQUOT)) {
		tn_error_set(error, "cannot write the lock file %s: %s", name, strerror(errno));
		return TN_IO;
	}
	return TN_OK;
}

static enum tn_status refuse_busy(int fd, const char *path, struct tn_error *error)
{
	struct holder holder;
	read_holder(fd, &holder);
	tn_error_set(error, "the store %s is in use by %s%s%s%s", path, holder.pid[0] ? "process " : "another process", holder.pid,
		holder.socket[0] ? ", admin socket " : "", holder.socket);
	return TN_BUSY;
}

enum tn_status tn_lock_take(const char *path, const char *admin_socket, int *out_fd, struct tn_error *error)
{
	char name[4096];
	if (!make_file_name(path, name, sizeof name)) {
		tn_error_set(error, "the store's path is too long");
		return TN_INVALID;
	}
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		tn_error_set(error, "cannot open the lock file %s: %s", name, strerror(errno));
		return TN_IO;
	}
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	enum tn_status status;
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
		status = write_holder(fd, name, admin_socket, error);
	} else if (errno == EAGAIN || errno == EACCES) {
		status = refuse_busy(fd, path, error);
	} else {
		tn_error_set(error, "cannot lock %s: %s", name, strerror(errno));
		status = TN_IO;
	}
	if (status == TN_OK)
		*out_fd = fd;
	else
		close(fd);
	return status;
}

void tn_lock_release(int fd)
{
	if (fd < 0)
		return;
	char nobody[TEXT_BYTES];
	memset(nobody, '\n', sizeof nobody);
	/* When it fails the text stays, which nobody believes without the lock. */
	if (pwrite(fd, nobody, sizeof nobody, 0) < 0)
		errno = 0;
	close(fd);
}

enum tn_status tn_store_holder(const char *path, char *out_socket, size_t size)
{
	char name[4096];
	if (!make_file_name(path, name, sizeof name))
		return TN_NOT_FOUND;
	int fd = open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? TN_NOT_FOUND : TN_IO;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	enum tn_status status = TN_OK;
	if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
		status = TN_IO;
	else if (lock.l_type == F_UNLCK)
		status = TN_NOT_FOUND;
	if (status == TN_OK) {
		struct holder holder;
		read_holder(fd, &holder);
		snprintf(out_socket, size, "%s", holder.socket);
	}
	close(fd);
	return status;
}
