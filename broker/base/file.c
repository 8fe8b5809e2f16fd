/* SPDX-License-Identifier: Apache-2.0
 *
 * file.c - reads a whole file, up to a limit.
 *
 * Called for configuration, rule files and secrets. Owns nothing. Any thread.
 */
#include "turnout/doc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum tn_status refuse(const char *path, struct tn_error *error, int code)
{
	char reason[128];
	tn_error_at(error, path, 0, 0, "cannot be read: %s", strerror_r(code, reason, sizeof reason));
	return code == ENOENT || code == ENOTDIR ? TN_NOT_FOUND : TN_IO;
}

static enum tn_status read_all(int fd, const char *path, size_t limit, struct tn_buf *out, struct tn_error *error)
{
	enum { STEP = 64 * 1024 };
	size_t before = out->len;
	for (;;) {
		ssize_t n = read(fd, tn_buf_reserve(out, STEP), STEP);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return refuse(path, error, errno);
		if (n == 0)
			return TN_OK;
		out->len += (size_t)n;
		if (out->len - before > limit) {
			tn_error_at(error, path, 0, 0, "larger than the limit of %zu bytes", limit);
			return TN_TOO_LARGE;
		}
	}
}

enum tn_status tn_file_read(const char *path, size_t limit, struct tn_buf *out, struct tn_error *error)
{
	/* O_NONBLOCK: opening a named pipe must not wait for a writer; it is refused below. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return refuse(path, error, errno);
	struct stat about;
	enum tn_status status;
	size_t before = out->len;
	if (fstat(fd, &about) != 0) {
		status = refuse(path, error, errno);
	} else if (!S_ISREG(about.st_mode)) {
		tn_error_at(error, path, 0, 0, "cannot be read: %s",
			S_ISDIR(about.st_mode) ? "it is a folder" : "it is not a regular file");
		status = TN_IO;
	} else {
		status = read_all(fd, path, limit, out, error);
	}
	if (status != TN_OK)
		out->len = before;
	close(fd);
	return status;
}
