/* SPDX-License-Identifier: Apache-2.0
 *
 * secret.c - reads a value by reference: env:NAME or file:PATH.
 *
 * Called by connectors when they open and when a credential was refused. The value never reaches an error or a log. Any thread.
 */
#include "turnout/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { SECRET_LIMIT = 64 * 1024 };

bool tn_secret_is_reference(struct tn_str text)
{
	return tn_str_starts(text, TN_STR("env:")) || tn_str_starts(text, TN_STR("file:"));
}

static enum tn_status read_env(struct tn_str name, struct tn_buf *out, struct tn_error *error)
{
	char *key = tn_str_dup(name);
	const char *value = secure_getenv(key);
	free(key);
	if (!value) {
		tn_error_set(error, "secret env:%.*s: the environment variable is not set", TN_STR_ARG(name));
		return TN_NOT_FOUND;
	}
	tn_buf_add_text(out, value);
	return TN_OK;
}

static enum tn_status read_all(int fd, struct tn_buf *out)
{
	size_t start = out->len;
	for (;;) {
		ssize_t n = read(fd, tn_buf_reserve(out, 4096), 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return TN_IO;
		if (n == 0)
			return TN_OK;
		out->len += (size_t)n;
		if (out->len - start > SECRET_LIMIT)
			return TN_TOO_LARGE;
	}
}

static enum tn_status read_file(struct tn_str path, struct tn_buf *out, struct tn_error *error)
{
	char *name = tn_str_dup(path);
	size_t start = out->len;
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	enum tn_status status = fd < 0 ? (errno == ENOENT ? TN_NOT_FOUND : TN_IO) : read_all(fd, out);
	if (status == TN_TOO_LARGE)
		tn_error_set(error, "secret file:%s: larger than %d bytes", name, SECRET_LIMIT);
	else if (status != TN_OK)
		tn_error_set(error, "secret file:%s: %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(name);
	if (status != TN_OK) {
		out->len = start;
		return status;
	}
	while (out->len > start && (out->bytes[out->len - 1] == '\n' || out->bytes[out->len - 1] == '\r'))
		out->len--;
	return TN_OK;
}

enum tn_status tn_secret_read(const struct tn_secret *secret, struct tn_buf *out, struct tn_error *error)
{
	if (secret->literal) {
		tn_buf_add_str(out, secret->reference);
		return TN_OK;
	}
	if (tn_str_starts(secret->reference, TN_STR("env:")))
		return read_env(tn_str_tail(secret->reference, 4), out, error);
	return read_file(tn_str_tail(secret->reference, 5), out, error);
}
