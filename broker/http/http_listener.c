/* SPDX-License-Identifier: Apache-2.0
 *
 * http_listener.c - a listening socket out of its address as text.
 *
 * Called by http_server.c. Only numeric addresses and "localhost": a name that resolves differently tomorrow is no place to listen.
 */
#include "http_listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "turnout/http_server.h"
#include "turnout/str.h"

enum { BACKLOG = 1024 };

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

static enum tn_status fail(int fd, enum tn_status status, struct tn_error *error, const char *listen, const char *what)
{
	int saved = errno;
	if (fd >= 0)
		close(fd);
	tn_error_set(error, "%s %s: %s", what, listen, strerror(saved));
	return status;
}

/* "host:port" into an address; false: it is not one. */
static bool parse_address(const char *listen, union address *out_address, socklen_t *out_len)
{
	struct tn_str text = tn_str_from(listen), host;
	const char *colon = strrchr(listen, ':');
	char name[INET6_ADDRSTRLEN];
	uint64_t port;

	if (!colon || !tn_str_to_u64(tn_str_from(colon + 1), 65535, &port))
		return false;
	host = tn_str_make(text.bytes, (size_t)(colon - listen));
	bool bracketed = host.len > 2 && host.bytes[0] == '[' && host.bytes[host.len - 1] == ']';
	if (bracketed)
		host = tn_str_make(host.bytes + 1, host.len - 2);
	if (tn_str_is(host, "localhost"))
		host = TN_STR("127.0.0.1");
	if (host.len >= sizeof name)
		return false;
	memcpy(name, host.bytes, host.len);
	name[host.len] = 0;
	memset(out_address, 0, sizeof *out_address);
	if (bracketed) {
		out_address->v6.sin6_family = AF_INET6;
		out_address->v6.sin6_port = htons((uint16_t)port);
		*out_len = sizeof out_address->v6;
		return inet_pton(AF_INET6, name, &out_address->v6.sin6_addr) == 1;
	}
	out_address->v4.sin_family = AF_INET;
	out_address->v4.sin_port = htons((uint16_t)port);
	*out_len = sizeof out_address->v4;
	return inet_pton(AF_INET, name, &out_address->v4.sin_addr) == 1;
}

static bool is_loopback(const union address *address)
{
	static const uint8_t mapped[13] = {[10] = 0xff, 0xff, 127};
	if (address->any.sa_family == AF_INET)
		return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr) ||
		memcmp(&address->v6.sin6_addr, mapped, sizeof mapped) == 0;
}

static void name_address(int fd, struct tn_http_listener *listener)
{
	union address bound = {0};
	socklen_t len = sizeof bound;
	char name[INET6_ADDRSTRLEN] = "";

	if (getsockname(fd, &bound.any, &len) != 0)
		return;
	if (bound.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &bound.v6.sin6_addr, name, sizeof name);
		snprintf(listener->address, sizeof listener->address, "[%s]:%u", name, ntohs(bound.v6.sin6_port));
	} else {
		inet_ntop(AF_INET, &bound.v4.sin_addr, name, sizeof name);
		snprintf(listener->address, sizeof listener->address, "%s:%u", name, ntohs(bound.v4.sin_port));
	}
}

/* Accepted sockets inherit these: no call for each connection. */
static bool set_options(int fd, bool reuse_port)
{
	int on = 1;
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
		(!reuse_port || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0 &&
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
}

static enum tn_status refuse_address(const char *listen, struct tn_error *error)
{
	tn_error_set(error, "%s is not an address to listen on: write 127.0.0.1:8080, [::1]:8080 or unix:/path", listen);
	return TN_INVALID;
}

/* A shared port can be joined by anybody who shares it too, another bus included; somebody who does not share finds out. */
static bool is_taken(const union address *address, socklen_t len)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool taken = fd >= 0 && set_options(fd, false) && bind(fd, &address->any, len) != 0 && errno == EADDRINUSE;
	if (fd >= 0)
		close(fd);
	return taken;
}

static enum tn_status open_inet(
	const char *listen_text, enum tn_http_port port, struct tn_http_listener *listener, struct tn_error *error)
{
	union address address;
	socklen_t len;
	if (!parse_address(listen_text, &address, &len))
		return refuse_address(listen_text, error);
	int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || !set_options(fd, port != TN_HTTP_PORT_OWN))
		return fail(fd, TN_IO, error, listen_text, "cannot make a socket for");
	if (port == TN_HTTP_PORT_SHARE && is_taken(&address, len)) {
		errno = EADDRINUSE;
		return fail(fd, TN_BUSY, error, listen_text, "cannot listen on");
	}
	if (bind(fd, &address.any, len) != 0 || listen(fd, BACKLOG) != 0)
		return fail(fd, errno == EADDRINUSE ? TN_BUSY : TN_IO, error, listen_text, "cannot listen on");
	listener->fd = fd;
	name_address(fd, listener);
	return TN_OK;
}

/* A socket file nobody answers at is left over from a process that was killed. */
static bool is_stale(const union address *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	bool stale = connect(fd, &address->any, sizeof address->local) != 0 && errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int bind_unix(int fd, const union address *address)
{
	if (bind(fd, &address->any, sizeof address->local) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return -1;
	if (!is_stale(address)) {
		errno = EADDRINUSE;
		return -1;
	}
	return unlink(address->local.sun_path) == 0 ? bind(fd, &address->any, sizeof address->local) : -1;
}

static enum tn_status open_unix(const char *path, uint32_t mode, struct tn_http_listener *listener, struct tn_error *error)
{
	union address address = {.local.sun_family = AF_UNIX};
	struct stat stat_buf;
	if (!*path || strlen(path) >= sizeof address.local.sun_path) {
		tn_error_set(error, "unix:%s is not a path for a socket: 1 to %zu bytes", path,
			sizeof address.local.sun_path - 1);
		return TN_INVALID;
	}
	strcpy(address.local.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* fchmod before bind: the file never has more rights than it is to have. chmod after it: whatever the umask took. */
	if (fd < 0 || fchmod(fd, mode) != 0)
		return fail(fd, TN_IO, error, path, "cannot make a socket for");
	if (bind_unix(fd, &address) != 0)
		return fail(fd, errno == EADDRINUSE ? TN_BUSY : TN_IO, error, path, "cannot listen on");
	if (chmod(path, mode) != 0 || stat(path, &stat_buf) != 0 || listen(fd, BACKLOG) != 0)
		return fail(fd, TN_IO, error, path, "cannot listen on");
	listener->fd = fd;
	listener->device = stat_buf.st_dev;
	listener->inode = stat_buf.st_ino;
	snprintf(listener->address, sizeof listener->address, "unix:%s", path);
	return TN_OK;
}

enum tn_status tn_http_listener_open(const char *listen_text, enum tn_http_port port, uint32_t unix_mode,
	struct tn_http_listener *out_listener, struct tn_error *error)
{
	struct tn_http_listener listener = {.fd = -1};
	enum tn_status status = strncmp(listen_text, "unix:", 5) == 0
		? open_unix(listen_text + 5, unix_mode, &listener, error)
		: open_inet(listen_text, port, &listener, error);
	if (status == TN_OK)
		*out_listener = listener;
	return status;
}

enum tn_status tn_http_listener_check(const char *listen, bool *out_local, struct tn_error *error)
{
	union address address;
	socklen_t len;
	bool local = strncmp(listen, "unix:", 5) == 0;
	if (!local && !parse_address(listen, &address, &len))
		return refuse_address(listen, error);
	*out_local = local || is_loopback(&address);
	return TN_OK;
}

void tn_http_listener_close(struct tn_http_listener *listener)
{
	struct stat stat_buf;
	const char *path = listener->address + 5;
	if (listener->fd < 0)
		return;
	if (listener->inode && stat(path, &stat_buf) == 0 && stat_buf.st_dev == listener->device &&
		stat_buf.st_ino == listener->inode)
		unlink(path);
	close(listener->fd);
	listener->fd = -1;
}
