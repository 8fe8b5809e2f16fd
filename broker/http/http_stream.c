/* SPDX-License-Identifier: Apache-2.0
 *
 * http_stream.c - one accepted socket, with TLS or without: reads and writes that never block.
 *
 * Called by http_connection.c. OpenSSL works on the descriptor itself, so that one epoll registration serves both kinds. Writing with
 * OpenSSL raises SIGPIPE for a connection that was reset: the process ignores that signal. Loop thread only.
 */
#include "http_stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

bool tn_http_stream_init(struct tn_http_stream *stream, int fd, struct ssl_ctx_st *tls)
{
	*stream = (struct tn_http_stream){.fd = fd, .shaken = !tls};
	if (!tls)
		return true;
	stream->ssl = SSL_new(tls);
	if (stream->ssl && SSL_set_fd(stream->ssl, fd) == 1) {
		SSL_set_accept_state(stream->ssl);
		return true;
	}
	tn_http_stream_fini(stream);
	return false;
}

void tn_http_stream_fini(struct tn_http_stream *stream)
{
	SSL_free(stream->ssl);
	stream->ssl = NULL;
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
}

static enum tn_http_flow flow_of_errno(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? TN_HTTP_FLOW_WAIT : TN_HTTP_FLOW_BROKEN;
}

static enum tn_http_flow flow_of_ssl(struct tn_http_stream *stream, int result)
{
	switch (SSL_get_error(stream->ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return TN_HTTP_FLOW_WAIT;
	case SSL_ERROR_ZERO_RETURN:
		return TN_HTTP_FLOW_ENDED;
	default:
		return TN_HTTP_FLOW_BROKEN;
	}
}

enum tn_http_flow tn_http_stream_shake(struct tn_http_stream *stream)
{
	if (stream->shaken)
		return TN_HTTP_FLOW_OK;
	ERR_clear_error();
	int result = SSL_do_handshake(stream->ssl);
	if (result == 1) {
		stream->shaken = true;
		return TN_HTTP_FLOW_OK;
	}
	return flow_of_ssl(stream, result) == TN_HTTP_FLOW_WAIT ? TN_HTTP_FLOW_WAIT : TN_HTTP_FLOW_BROKEN;
}

enum tn_http_flow tn_http_stream_read(struct tn_http_stream *stream, char *bytes, size_t size, size_t *out_len)
{
	if (stream->ssl) {
		ERR_clear_error();
		int result = SSL_read(stream->ssl, bytes, size > INT_MAX ? INT_MAX : (int)size);
		if (result <= 0)
			return flow_of_ssl(stream, result);
		*out_len = (size_t)result;
		return TN_HTTP_FLOW_OK;
	}
	ssize_t result;
	do
		result = recv(stream->fd, bytes, size, 0);
	while (result < 0 && errno == EINTR);
	if (result < 0)
		return flow_of_errno();
	if (result == 0)
		return TN_HTTP_FLOW_ENDED;
	*out_len = (size_t)result;
	return TN_HTTP_FLOW_OK;
}

enum tn_http_flow tn_http_stream_write(struct tn_http_stream *stream, const char *bytes, size_t len, size_t *out_len)
{
	if (stream->ssl) {
		ERR_clear_error();
		int result = SSL_write(stream->ssl, bytes, len > INT_MAX ? INT_MAX : (int)len);
		if (result <= 0)
			return flow_of_ssl(stream, result) == TN_HTTP_FLOW_WAIT ? TN_HTTP_FLOW_WAIT : TN_HTTP_FLOW_BROKEN;
		*out_len = (size_t)result;
		return TN_HTTP_FLOW_OK;
	}
	ssize_t result;
	do
		result = send(stream->fd, bytes, len, MSG_NOSIGNAL);
	while (result < 0 && errno == EINTR);
	if (result < 0)
		return flow_of_errno();
	*out_len = (size_t)result;
	return TN_HTTP_FLOW_OK;
}

void tn_http_stream_end(struct tn_http_stream *stream)
{
	if (stream->ssl && stream->shaken) {
		ERR_clear_error();
		SSL_shutdown(stream->ssl);
	}
	shutdown(stream->fd, SHUT_WR);
}

enum tn_http_flow tn_http_stream_discard(struct tn_http_stream *stream, size_t *out_len)
{
	char bytes[16 * 1024];
	ssize_t result = recv(stream->fd, bytes, sizeof bytes, 0);
	if (result < 0)
		return flow_of_errno();
	*out_len = (size_t)result;
	return result ? TN_HTTP_FLOW_OK : TN_HTTP_FLOW_ENDED;
}

bool tn_http_stream_unread(const struct tn_http_stream *stream)
{
	char byte;
	return recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool tn_http_stream_partial(const struct tn_http_stream *stream)
{
	return stream->ssl && SSL_has_pending(stream->ssl);
}

bool tn_http_stream_broken(const struct tn_http_stream *stream)
{
	struct pollfd poll_fd = {.fd = stream->fd, .events = 0};
	return poll(&poll_fd, 1, 0) > 0 && poll_fd.revents & (POLLERR | POLLHUP);
}
