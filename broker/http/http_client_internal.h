/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client_internal.h - what the files of the HTTP client share: the client, its sockets, its calls.
 *
 *   http_client.c          the client: starting, ending and cancelling calls
 *   http_client_call.c     one call: a libcurl easy handle, the answer as it is collected
 *   http_client_plain.c    calls without TLS: our own exchange on a connection that libcurl made
 *   http_client_secure.c   calls with TLS: all by libcurl
 *   http_client_socket.c   libcurl's sockets and timer on our loop
 *   http_client_failure.c  libcurl's results as ours
 *   http_client_text.c     URLs and header texts, checked
 */
#ifndef TURNOUT_HTTP_CLIENT_INTERNAL_H
#define TURNOUT_HTTP_CLIENT_INTERNAL_H

#include "http_response.h"
#include "turnout/http_client.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>

enum { HTTP_SOCKET_BUCKETS = 256 };

struct http_socket {
	struct http_socket *next; /* in its bucket */
	struct tn_http_client *client;
	curl_socket_t fd;
	bool ours;                /* opened by open_socket, so that its close is told to us */
	bool wanted;              /* libcurl waits for it to be readable */
	bool reading, writing;    /* what is registered with the loop */
	struct event read_event, write_event;
};

enum call_state { CALL_FREE, CALL_RUNNING, CALL_ENDED };

struct http_connection; /* one without TLS, of http_client_plain.c */

struct plain_request {    /* a call without TLS */
	struct tn_buf origin;     /* "host:port" */
	struct tn_buf target;     /* "/path?query" */
	struct tn_buf head;       /* of this request, all of it */
	size_t sent;              /* bytes of head and body */
	struct http_connection *connection; /* NULL: none yet, libcurl is connecting */
	struct tn_http_response response;
	struct event timer;
};

/* Keeps its easy handle, buffers and arrays from one request to the next. */
struct tn_http_call {
	struct tn_http_call *next, *previous; /* in the list of its state; the free list uses next alone */
	struct tn_http_client *client;
	CURL *easy;
	enum call_state state;
	struct tn_http_call_options options;
	int64_t started_us;
	struct tn_buf url;        /* as the easy handle has it */
	bool tls;                 /* so says url */
	struct plain_request plain;
	/* of a call with TLS, as the easy handle has it */
	int64_t timeout_ms;
	const char *method;
	struct tn_buf lines;
	struct curl_slist *nodes;
	size_t node_capacity;
	/* the answer */
	struct tn_buf header_text, body;
	struct answer_header *spans;
	struct tn_header *headers;
	size_t header_count, header_capacity;
	int32_t status;           /* of the headers being read */
	bool headers_whole;       /* not of an interim answer; their end was read, or they were cut */
	size_t body_dropped;
	enum tn_http_failure failure; /* CALL_ENDED: why */
	uint32_t opened, blocked; /* sockets; those the address policy refused */
	bool shortage;            /* the operating system gave no socket */
	char blocked_address[64];
	char message[CURL_ERROR_SIZE];
};

struct answer_header { /* offsets into header_text, which moves as it grows */
	uint32_t name, name_len, value, value_len;
};

struct call_list {
	struct tn_http_call *first, *last;
};

struct tn_http_client {
	struct event_base *base;
	CURLM *multi;
	struct tn_http_client_options options; /* with defaults; its strings are owned */
	char *ca_file, *certificate_file, *key_file;
	struct http_socket *sockets[HTTP_SOCKET_BUCKETS];
	struct event timer;
	struct event kick;        /* active: libcurl has something to do at once, or a call has ended */
	int64_t timer_due_us;     /* when libcurl wants to be called, or INT64_MAX */
	int64_t timer_armed_us;   /* when the loop's timer fires, or INT64_MAX; never later than due */
	struct call_list running, ended;
	struct tn_http_call *free;
	uint32_t free_count;
	struct http_connection *idle; /* the one used last first */
	uint32_t idle_count;
	struct event idle_timer;
	char *received;               /* what was just read from a connection */
};

int64_t tn_http_now_us(void);

/* Returns owned; its easy handle has all settings that do not change from call to call. Aborts without memory. */
struct tn_http_call *tn_http_call_new(struct tn_http_client *client);
void tn_http_call_free(struct tn_http_call *call);
/* Takes the request. False: call->message says what is wrong with it. */
bool tn_http_call_prepare(struct tn_http_call *call, const struct tn_http_call_options *options);
/* The answer as it comes. False: that is enough of it. */
void tn_http_call_status(struct tn_http_call *call, int32_t status);
/* 421: this connection leads to a server that does not answer for the host; another one may not (RFC 9110 section 15.5.20). */
bool tn_http_call_misdirected(const struct tn_http_call *call);
bool tn_http_call_header(struct tn_http_call *call, struct tn_str name, struct tn_str value);
bool tn_http_call_body(struct tn_http_call *call, struct tn_str bytes);
/* Fills the answer from what was received; it borrows from call. */
void tn_http_call_answer(struct tn_http_call *call, enum tn_http_failure failure, struct tn_http_answer *out_answer);
/* Forgets request and answer, keeps the memory unless it is much. */
void tn_http_call_reset(struct tn_http_call *call);
/* libcurl's result as ours, as far as the result alone tells: pure. */
enum tn_http_failure tn_http_failure_of(CURLcode result);
/* The same of a call, by what else is known of it; writes call->message. */
enum tn_http_failure tn_http_call_failure(struct tn_http_call *call, CURLcode result);

/* With TLS: settings that stay, and the request. */
void tn_http_secure_init(struct tn_http_call *call);
void tn_http_secure_prepare(struct tn_http_call *call);

/* Without TLS: what stays, and the request. False: the url cannot be requested, call->message says why. */
void tn_http_plain_init_call(struct tn_http_call *call);
bool tn_http_plain_set_url(struct tn_http_call *call);
void tn_http_plain_prepare(struct tn_http_call *call);
/* On a kept connection, or asks libcurl for a new one. */
void tn_http_plain_start(struct tn_http_call *call);
/* libcurl has connected call->easy; it is still in the multi handle. */
void tn_http_plain_connected(struct tn_http_call *call);
/* Leaves its connection, which is kept if nothing speaks against it. */
void tn_http_plain_leave(struct tn_http_call *call);
void tn_http_plain_init(struct tn_http_client *client);
void tn_http_plain_fini(struct tn_http_client *client);

/* Hands a running call over, at once: only from the loop, never from start. */
void tn_http_client_end(struct tn_http_call *call, enum tn_http_failure failure);
/* The same, from the loop's next round. */
void tn_http_client_end_later(struct tn_http_call *call, enum tn_http_failure failure);

/* CURLMOPT_SOCKETFUNCTION, CURLMOPT_TIMERFUNCTION, CURLOPT_OPENSOCKETFUNCTION (call), CURLOPT_CLOSESOCKETFUNCTION (client). */
int tn_http_socket_watch(CURL *easy, curl_socket_t fd, int what, void *client_arg, void *socket_arg);
int tn_http_socket_timer(CURLM *multi, long timeout_ms, void *client_arg);
curl_socket_t tn_http_socket_open(void *call_arg, curlsocktype purpose, struct curl_sockaddr *address);
int tn_http_socket_close(void *client_arg, curl_socket_t fd);
void tn_http_socket_free_all(struct tn_http_client *client);
/* Sets up timer and kick. */
void tn_http_socket_init(struct tn_http_client *client);
/* Called after libcurl did something: hands over the calls that ended. */
void tn_http_client_settle(struct tn_http_client *client);

#endif
