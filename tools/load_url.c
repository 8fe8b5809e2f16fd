/* SPDX-License-Identifier: Apache-2.0
 *
 * load_url.c - an http URL, taken apart and looked up, for the load generator.
 *
 * Called once at start; it may block on the name service, which is fine for a command.
 */
#include "load.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum tn_status look_up(const char *host, const char *port, struct tn_load_url *out_url, struct tn_error *error)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *found = NULL;
	int code = getaddrinfo(host, port, &hints, &found);

	if (code != 0) {
		tn_error_set(error, "cannot look up '%s' port %s: %s", host, port, gai_strerror(code));
		return TN_IO;
	}
	memcpy(&out_url->address, found->ai_addr, found->ai_addrlen);
	out_url->address_len = found->ai_addrlen;
	freeaddrinfo(found);
	return TN_OK;
}

/* Splits "host:port" or "[::1]:port" in place; a missing port is 80. */
static bool split_authority(char *authority, char **out_host, const char **out_port)
{
	char *colon = strrchr(authority, ':');

	*out_host = authority;
	*out_port = "80";
	if (authority[0] == '[') {
		char *close = strchr(authority, ']');

		if (!close || (close[1] != '\0' && close[1] != ':'))
			return false;
		colon = close[1] == ':' ? close + 1 : NULL;
		*out_host = authority + 1;
		*close = '\0';
	}
	if (colon) {
		*colon = '\0';
		*out_port = colon + 1;
	}
	return **out_host != '\0' && **out_port != '\0';
}

enum tn_status tn_load_url_parse(const char *text, struct tn_load_url *out_url, struct tn_error *error)
{
	struct tn_load_url url = {0};
	char authority[sizeof(url.host)];
	const char *port;
	char *host;
	size_t len;
	enum tn_status status;

	if (strncmp(text, "https://", 8) == 0) {
		tn_error_set(error, "https is not spoken here: send to the plain HTTP listener, or use curl");
		return TN_UNSUPPORTED;
	}
	if (strncmp(text, "http://", 7) != 0) {
		tn_error_set(error, "'%s' is not a URL: write http://HOST:PORT/PATH", text);
		return TN_INVALID;
	}
	text += 7;
	len = strcspn(text, "/?#");
	if (len == 0 || len >= sizeof(authority) || memchr(text, '@', len) ||
	        strlen(text + len) + 2 > sizeof(url.path)) {
		tn_error_set(error,
		        "the URL must be http://HOST:PORT/PATH, without a user, host up to %zu bytes, path up to %zu",
		        sizeof(url.host) - 1, sizeof(url.path) - 2);
		return TN_INVALID;
	}
	memcpy(authority, text, len);
	authority[len] = '\0';
	memcpy(url.host, authority, len + 1);
	snprintf(url.path, sizeof(url.path), "%s%.*s", text[len] == '/' ? "" : "/", (int)strcspn(text + len, "#"),
	        text + len);
	if (strpbrk(url.path, " \r\n\t") || !split_authority(authority, &host, &port)) {
		tn_error_set(error, "the URL must be http://HOST:PORT/PATH, without blanks");
		return TN_INVALID;
	}
	status = look_up(host, port, &url, error);
	if (status == TN_OK)
		*out_url = url;
	return status;
}
