/* SPDX-License-Identifier: Apache-2.0
 *
 * admin_client.c - one request to a running bus through its admin socket, by libcurl's easy interface.
 *
 * Called by `turnout status` and `turnout dlq`. One thread, blocking, with a timeout.
 */
#include "admin_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_LIMIT = 256 * 1024 * 1024, WAIT_MS = 20, WAITS = 250 };

/* Another command may have the store for a moment: sleeps a little; false when it was waited for long enough (5 s). waits: from 0. */
static bool wait_a_moment(unsigned *waits)
{
	const struct timespec moment = {.tv_nsec = WAIT_MS * 1000000};
	if (++*waits > WAITS)
		return false;
	nanosleep(&moment, NULL);
	return true;
}

/* Not yet while a bus starts, no more while it stops, never for a tool. */
static bool is_answering(const char *socket_path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
	bool answering = fd >= 0 && socket_path[0] && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
	if (fd >= 0)
		close(fd);
	return answering;
}

enum tn_status tn_admin_client_find(const struct tn_config *config, char *out_socket, size_t size)
{
	enum tn_status status = tn_store_holder(config->store_path.bytes, out_socket, size);
	for (unsigned i = 0; status == TN_OK && !is_answering(out_socket); status = tn_store_holder(config->store_path.bytes, out_socket, size))
		if (!wait_a_moment(&i))
			return out_socket[0] ? TN_OK : TN_BUSY;
	return status;
}

static enum tn_status open_store(const struct tn_config *config, struct tn_store **out_store, struct tn_error *error)
{
	const struct tn_store_options options = {.path = config->store_path.bytes, .max_size_bytes = config->store_max_bytes};
	if (access(options.path, F_OK) == 0) /* opening would make it */
		return tn_store_open(&options, out_store, error);
	tn_error_set(error, "there is no store at %s yet: this bus never ran", options.path);
	return TN_NOT_FOUND;
}

enum tn_status tn_admin_client_reach(const struct tn_config *config, char *out_socket, size_t size, struct tn_store **out_store,
	struct tn_error *error)
{
	unsigned waits = 0;
	*out_store = NULL;
	for (;;) {
		enum tn_status status = tn_store_holder(config->store_path.bytes, out_socket, size);
		bool held = status == TN_OK;
		if (held && is_answering(out_socket))
			return TN_OK;
		status = open_store(config, out_store, error); /* while it is held this says by whom */
		if (status != TN_BUSY && !(held && status == TN_NOT_FOUND)) /* it is being made */
			return status;
		if (!wait_a_moment(&waits))
			return held && out_socket[0] ? TN_OK : TN_BUSY;
	}
}

static size_t on_body(char *bytes, size_t one, size_t len, void *arg)
{
	struct tn_buf *out = arg;
	if (out->len + len > ANSWER_LIMIT)
		return 0;
	tn_buf_add(out, bytes, len);
	return len;
}

enum tn_status tn_admin_client_call(const char *socket, const char *path, const char *body, long timeout_s, struct tn_buf *out,
	long *out_status, struct tn_error *error)
{
	struct tn_buf url = {0};
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (!curl || !headers)
		abort();
	tn_buf_addf(&url, "http://turnout%s", path);
	curl_easy_setopt(curl, CURLOPT_URL, tn_buf_terminate(&url));
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, timeout_s);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
	if (body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	}
	CURLcode code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, out_status);
	else
		tn_error_set(error, "the bus did not answer on %s: %s", socket, curl_easy_strerror(code));
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	tn_buf_fini(&url);
	return code == CURLE_OK ? TN_OK : TN_IO;
}
