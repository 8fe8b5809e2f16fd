/* SPDX-License-Identifier: Apache-2.0
 *
 * keep.c - what a redrive must remember to go on after a crash, in a file beside the store.
 *
 * Called by a running bus and by tools. Written beside and renamed, so that it is always whole. Any thread, one a queue.
 */
#include "keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "turnout/doc.h"

enum { KEPT_LIMIT = 16 * 1024 * 1024 };

static void path_of(const char *store_path, const char *name, struct tn_str queue, const char *ending, struct tn_buf *out)
{
	tn_buf_addf(out, "%s/%s%s%.*s.json%s", store_path, name, queue.len > 0 ? "-" : "", TN_STR_ARG(queue), ending);
	tn_buf_terminate(out);
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
	path_of(store_path, name, queue, "", &path);
	path_of(store_path, name, queue, ".new", &beside);
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
	path_of(store_path, name, queue, "", &path);
	enum tn_status status = tn_file_read(path.bytes, KEPT_LIMIT, out, error);
	tn_buf_fini(&path);
	return status;
}

enum tn_status tn_dlq_keep(const char *store_path, struct tn_str queue, struct tn_str text, struct tn_error *error)
{
	return tn_keep_put(store_path, "redrive", queue, text, error);
}

enum tn_status tn_dlq_kept(const char *store_path, struct tn_str queue, struct tn_buf *out, struct tn_error *error)
{
	return tn_keep_get(store_path, "redrive", queue, out, error);
}
