/* SPDX-License-Identifier: Apache-2.0
 *
 * loopback.h - a scripted HTTP server for tests, on the loop of the test itself.
 *
 * It cuts what comes into requests (by Content-Length), keeps the last one, and answers each with the raw bytes of `reply`, or calls
 * `script`. Included by the one test file that uses it.
 */
#ifndef TURNOUT_TESTS_LOOPBACK_H
#define TURNOUT_TESTS_LOOPBACK_H

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "turnout/str.h"

struct loopback {
	struct event_base *base;
	struct evconnlistener *listener;
	SSL_CTX *tls;
	uint16_t port;
	unsigned connections, requests;
	const char *reply;          /* NULL: none is sent */
	bool close_after;           /* closes once the reply is out */
	void (*script)(struct loopback *loopback, struct bufferevent *connection); /* instead of reply */
	struct tn_buf request;      /* the last one: head and body */
	struct bufferevent *last;   /* the connection it came on */
	struct bufferevent *open[64];
};

#define LOOPBACK_OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static inline void loopback_close(struct loopback *loopback, struct bufferevent *connection)
{
	for (unsigned i = 0; i < 64; i++)
		if (loopback->open[i] == connection)
			loopback->open[i] = NULL;
	bufferevent_free(connection);
}

/* Ends the connection with a reset instead of a goodbye. */
static inline void loopback_reset(struct loopback *loopback, struct bufferevent *connection)
{
	struct linger linger = {.l_onoff = 1};
	setsockopt(bufferevent_getfd(connection), SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	loopback_close(loopback, connection);
}

static inline void loopback_write(struct bufferevent *connection, const char *text)
{
	bufferevent_write(connection, text, strlen(text));
}

static inline void loopback_on_written(struct bufferevent *connection, void *arg)
{
	loopback_close(arg, connection);
}

/* Length of the first whole request in text, or 0. */
static inline size_t loopback_request_len(const char *text, size_t len)
{
	const char *end = memmem(text, len, "\r\n\r\n", 4);
	if (!end)
		return 0;
	size_t head = (size_t)(end - text) + 4, body = 0;
	const char *length = memmem(text, head, "Content-Length: ", 16);
	if (length)
		body = strtoul(length + 16, NULL, 10);
	return head + body <= len ? head + body : 0;
}

static inline void loopback_on_read(struct bufferevent *connection, void *arg)
{
	struct loopback *loopback = arg;
	struct evbuffer *input = bufferevent_get_input(connection);
	size_t len = evbuffer_get_length(input);
	const char *text = (const char *)evbuffer_pullup(input, -1);
	size_t whole = text ? loopback_request_len(text, len) : 0;
	if (whole == 0)
		return;
	tn_buf_clear(&loopback->request);
	tn_buf_add(&loopback->request, text, whole);
	tn_buf_terminate(&loopback->request);
	evbuffer_drain(input, whole);
	loopback->requests++;
	loopback->last = connection;
	if (loopback->script) {
		loopback->script(loopback, connection);
		return;
	}
	if (!loopback->reply)
		return;
	loopback_write(connection, loopback->reply);
	if (loopback->close_after)
		bufferevent_setcb(connection, NULL, loopback_on_written, NULL, loopback);
}

static inline void loopback_on_event(struct bufferevent *connection, short what, void *arg)
{
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		loopback_close(arg, connection);
}

static inline void loopback_on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int len, void *arg)
{
	struct loopback *loopback = arg;
	struct bufferevent *connection = loopback->tls
		? bufferevent_openssl_socket_new(loopback->base, fd, SSL_new(loopback->tls), BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE)
		: bufferevent_socket_new(loopback->base, fd, BEV_OPT_CLOSE_ON_FREE);
	loopback->connections++;
	for (unsigned i = 0; i < 64; i++) {
		if (!loopback->open[i]) {
			loopback->open[i] = connection;
			break;
		}
	}
	bufferevent_setcb(connection, loopback_on_read, NULL, loopback_on_event, loopback);
	bufferevent_enable(connection, EV_READ | EV_WRITE);
}

static inline void loopback_start(struct loopback *loopback, struct event_base *base)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	loopback->base = base;
	loopback->listener = evconnlistener_new_bind(base, loopback_on_accept, loopback, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 64,
		(const struct sockaddr *)&address, sizeof address);
	if (!loopback->listener)
		abort();
	getsockname(evconnlistener_get_fd(loopback->listener), (struct sockaddr *)&address, &len);
	loopback->port = ntohs(address.sin_port);
}

static inline void loopback_stop(struct loopback *loopback)
{
	for (unsigned i = 0; i < 64; i++)
		if (loopback->open[i])
			bufferevent_free(loopback->open[i]);
	evconnlistener_free(loopback->listener);
	SSL_CTX_free(loopback->tls);
	tn_buf_fini(&loopback->request);
	memset(loopback, 0, sizeof *loopback);
}

/* True when the last request has this line, "Name: value". */
static inline bool loopback_has_line(const struct loopback *loopback, const char *line)
{
	char text[1024];
	snprintf(text, sizeof text, "\r\n%s\r\n", line);
	return memmem(loopback->request.bytes, loopback->request.len, text, strlen(text)) != NULL;
}

/* A certificate for `host`, signed by itself, and its key. Returns the files' folder's names in the two buffers. */
static inline SSL_CTX *loopback_tls(const char *host, char *out_certificate, size_t size)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);
	X509_EXTENSION *names = NULL;
	X509V3_CTX context;
	char alternative[128];

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)host, -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	X509_set_pubkey(certificate, key);
	snprintf(alternative, sizeof alternative, "DNS:%s", host);
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	names = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, alternative);
	X509_add_ext(certificate, names, -1);
	X509_sign(certificate, key, EVP_sha256());
	SSL_CTX_use_certificate(tls, certificate);
	SSL_CTX_use_PrivateKey(tls, key);
	snprintf(out_certificate, size, "/tmp/turnout-test-XXXXXX");
	int fd = mkstemp(out_certificate);
	FILE *file = fdopen(fd, "w");
	PEM_write_X509(file, certificate);
	fclose(file);
	X509_EXTENSION_free(names);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return tls;
}

#endif
