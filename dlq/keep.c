/* SPDX-License-Identifier: Apache-2.0
 *
 * keep.c - small files beside the store, for what a redrive or purge must remember.
 *
 * Called by kept_task.c and progress.c. Written beside and renamed, so that it is always whole. Any thread, one a queue.
 */
#include "keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "turnout/doc.h"

enum { KEPT_LIMIT = 16 * 1024 * 1024 };

void tn_keep_path(const char *store_path, const char *name, struct tn_str queue, struct tn_buf *out)
{
	tn_buf_addf(out, "%s/%s%s%.*s.json", store_path, name, queue.len > 0 ? "-" : "", TN_STR_ARG(queue));
	tn_buf_terminate(out);
}

bool tn_keep_exists(const char *store_path, const char *name, struct tn_str queue)
{
	struct tn_buf path = {0};
	tn_keep_path(store_path, name, queue, &path);
	bool exists = access(path.bytes, F_OK) == 0;
	tn_buf_fini(&path);
	return exists;
}

static bool write_file(const char *path, struct tn_str text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool good = fd >= 0 && write(fd, text.bytes, text.len) == (ssize_t)text.len;
	return fd >= 0 && close(fd) == 0 && good;
}

enum tn_status tn_keep_put(const char *store_path, const char *name, struct tn_str queue, struct tn_str text, struct tn_error *error)
{
	struct tn_buf path = {0}, beside = {0};
	tn_keep_path(store_path, name, queue, &path);
	tn_buf_addf(&beside, "%s.new", path.bytes);
	tn_buf_terminate(&beside);
	bool good;
	if (text.bytes)
		good = write_file(beside.bytes, text) && rename(beside.bytes, path.bytes) == 0;
	else
		good = unlink(path.bytes) == 0 || errno == ENOENT;
	if (!good) {
		tn_error_set(error, "%s: %s", path.bytes, strerror(errno));
		unlink(beside.bytes);
	}
	tn_buf_fini(&path);
	tn_buf_fini(&beside);
	return good ? TN_OK : TN_IO;
}

enum tn_status tn_keep_get(const char *store_path, const char *name, struct tn_str queue, struct tn_buf *out, struct tn_error *error)
{
	struct tn_buf path = {0};
	tn_keep_path(store_path, name, queue, &path);
	enum tn_status status = tn_file_read(path.bytes, KEPT_LIMIT, out, error);
	tn_buf_fini(&path);
	return status;
}
