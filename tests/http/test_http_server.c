/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_server.c - the server as clients see it, over real sockets on the loopback, with a clock that tests move.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <event2/event.h>
#include "turnout/http_server.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

enum mode { ECHO, HOLD, FREE_SERVER, BIG_ANSWER };

struct fixture {
	struct event_base *base;
	struct tn_http_server *server;
	struct tn_clock clock;
	int64_t now_ms;
	enum mode mode;
	struct tn_http_request *held[32];
	int held_count, gone_count, handled;
	struct tn_http_request *gone[32];
	int refuse_with; /* on_headers answers so */
	bool answer_in_headers;
	char last_path[64];
};

static int64_t fake_now(void *arg)
{
	return ((struct fixture *)arg)->now_ms;
}

static void reply_text(struct tn_http_request *request, int status, struct tn_str body)
{
	tn_http_reply(request, status, NULL, 0, body);
}

static void on_request(void *arg, struct tn_http_request *request)
{
	struct fixture *fixture = arg;
	struct tn_buf text = {0};
	fixture->handled++;
	snprintf(fixture->last_path, sizeof fixture->last_path, "%.*s", TN_STR_ARG(tn_http_request_path(request)));
	switch (fixture->mode) {
	case ECHO:
		tn_buf_add_str(&text, tn_http_request_method(request));
		tn_buf_add_byte(&text, ' ');
		tn_buf_add_str(&text, tn_http_request_target(request));
		tn_buf_add_byte(&text, ' ');
		tn_buf_add_str(&text, tn_http_request_body(request));
		reply_text(request, 200, tn_buf_str(&text));
		break;
	case BIG_ANSWER:
		memset(tn_buf_reserve(&text, 512 * 1024), 'x', 512 * 1024);
		text.len = 512 * 1024;
		reply_text(request, 200, tn_buf_str(&text));
		break;
	case HOLD:
		assert_true(fixture->held_count < 32);
		fixture->held[fixture->held_count++] = request;
		break;
	case FREE_SERVER:
		tn_http_server_free(fixture->server);
		fixture->server = NULL;
		break;
	}
	tn_buf_fini(&text);
}

static void on_gone(void *arg, struct tn_http_request *request)
{
	struct fixture *fixture = arg;
	fixture->gone[fixture->gone_count++] = request;
}

static int on_headers(void *arg, struct tn_http_request *request, const char **out_detail)
{
	struct fixture *fixture = arg;
	struct tn_header header = {.name = TN_STR("WWW-Authenticate"), .value = TN_STR("Bearer")};
	if (fixture->answer_in_headers) {
		tn_http_reply(request, 401, &header, 1, TN_STR(""));
		return TN_HTTP_ANSWERED;
	}
	*out_detail = "no, thank you";
	return fixture->refuse_with;
}

static void start(struct fixture *fixture, struct tn_http_server_options options)
{
	struct tn_error error = {0};
	fixture->clock = (struct tn_clock){.mono_ms = fake_now, .wall_ms = fake_now, .arg = fixture};
	fixture->base = event_base_new();
	if (!options.listen)
		options.listen = "127.0.0.1:0";
	options.clock = &fixture->clock;
	options.ops = (struct tn_http_server_ops){on_request, on_gone, on_headers};
	options.arg = fixture;
	if (tn_http_server_new(fixture->base, &options, &fixture->server, &error) != TN_OK)
		fail_msg("%s", error.message);
}

static void stop(struct fixture *fixture)
{
	tn_http_server_free(fixture->server);
	event_base_free(fixture->base);
}

static void turn(struct fixture *fixture)
{
	struct timespec pause = {0, 200000};
	event_base_loop(fixture->base, EVLOOP_NONBLOCK);
	nanosleep(&pause, NULL);
}

static void turns(struct fixture *fixture)
{
	for (int i = 0; i < 25; i++)
		turn(fixture);
}

static int dial(struct fixture *fixture)
{
	const char *address = tn_http_server_address(fixture->server);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	bool local = strncmp(address, "unix:", 5) == 0;
	int fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	in.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
	snprintf(un.sun_path, sizeof un.sun_path, "%s", address + 5);
	assert_true(fd >= 0);
	if (local)
		assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
	else
		assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
	return fd;
}

static void send_all(struct fixture *fixture, int fd, struct tn_str bytes)
{
	for (int tries = 0; bytes.len && tries < 20000; tries++) {
		ssize_t sent = send(fd, bytes.bytes, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0)
			bytes = tn_str_tail(bytes, (size_t)sent);
		else if (sent < 0 && errno != EAGAIN)
			return; /* refused and closed: the answer says why */
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
	}
}

static void send_text(struct fixture *fixture, int fd, const char *text)
{
	send_all(fixture, fd, tn_str_from(text));
}

/* Reads until `enough` is in what was read, or (NULL) until the connection ends, and answers true then; at most 5 s. */
static bool read_until(struct fixture *fixture, int fd, const char *enough, struct tn_buf *out)
{
	for (int i = 0; i < 25000; i++) {
		char *room = tn_buf_reserve(out, 65536);
		ssize_t got = recv(fd, room, 65536, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN)) {
			if (enough)
				fail_msg("ended before \"%s\": %s", enough, tn_buf_terminate(out));
			return true;
		}
		if (got > 0)
			out->len += (size_t)got;
		if (enough && strstr(tn_buf_terminate(out), enough))
			return false;
		if (got < 0)
			turn(fixture);
	}
	fail_msg("no answer");
	return true;
}

static int status_of(const struct tn_buf *answer)
{
	return answer->len > 12 ? atoi(answer->bytes + 9) : 0;
}

/* Sends, reads to the end of the connection; answers the status. */
static int ask(struct fixture *fixture, struct tn_str bytes, struct tn_buf *out_answer)
{
	struct tn_buf answer = {0};
	int fd = dial(fixture);
	send_all(fixture, fd, bytes);
	read_until(fixture, fd, NULL, &answer);
	close(fd);
	turns(fixture);
	int status = status_of(&answer);
	if (out_answer)
		*out_answer = answer;
	else
		tn_buf_fini(&answer);
	return status;
}

static struct tn_http_server_counts counts_of(struct fixture *fixture)
{
	struct tn_http_server_counts counts;
	tn_http_server_counts(fixture->server, &counts);
	return counts;
}

static void reset(int fd)
{
	struct linger linger = {.l_onoff = 1};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	close(fd);
}

/* --- Answers --- */

static void a_request_is_answered_and_the_connection_kept(void **state)
{
	struct fixture f = {0};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, "POST /e?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
	read_until(&f, fd, "abc", &answer);
	assert_string_equal(tn_buf_terminate(&answer), "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nPOST /e?x=1 abc");
	assert_string_equal(f.last_path, "/e");
	tn_buf_clear(&answer);
	send_text(&f, fd, GET);
	assert_false(read_until(&f, fd, "GET /", &answer));
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct fixture f = {.mode = HOLD};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, GET GET GET);
	turns(&f);
	assert_int_equal(f.held_count, 3);
	reply_text(f.held[2], 200, TN_STR("three"));
	reply_text(f.held[1], 200, TN_STR("two"));
	reply_text(f.held[0], 200, TN_STR("one"));
	read_until(&f, fd, "three", &answer);
	assert_string_equal(tn_buf_terminate(&answer),
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthree");
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void a_refusal_comes_after_the_answers_before_it(void **state)
{
	struct fixture f = {.mode = HOLD};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, GET "nonsense\r\n");
	turns(&f);
	reply_text(f.held[0], 202, TN_STR(""));
	assert_true(read_until(&f, fd, NULL, &answer));
	assert_int_equal(status_of(&answer), 202);
	assert_non_null(strstr(tn_buf_terminate(&answer), "HTTP/1.1 400"));
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void an_answer_to_head_has_no_body(void **state)
{
	struct fixture f = {0};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	ask(&f, TN_STR("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), &answer);
	assert_string_equal(tn_buf_terminate(&answer), "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\n");
	tn_buf_fini(&answer);
	stop(&f);
}

static void an_answer_204_has_no_length(void **state)
{
	struct fixture f = {.mode = HOLD};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, GET);
	turns(&f);
	reply_text(f.held[0], 204, TN_STR(""));
	read_until(&f, fd, "\r\n\r\n", &answer);
	assert_string_equal(tn_buf_terminate(&answer), "HTTP/1.1 204 No Content\r\n\r\n");
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void an_answer_cannot_be_split_by_a_header_value(void **state)
{
	struct fixture f = {.mode = HOLD};
	struct tn_buf answer = {0};
	struct tn_header header = {.name = TN_STR("X"), .value = TN_STR("a\r\nY: b")};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, GET);
	turns(&f);
	tn_http_reply(f.held[0], 200, &header, 1, TN_STR(""));
	read_until(&f, fd, "\r\n\r\n", &answer);
	assert_null(strstr(answer.bytes, "\r\nY:"));
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void http_1_0_is_kept_only_when_asked(void **state)
{
	struct fixture f = {0};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	assert_int_equal(ask(&f, TN_STR("GET / HTTP/1.0\r\n\r\n"), &answer), 200);
	assert_non_null(strstr(tn_buf_terminate(&answer), "Connection: close"));
	tn_buf_clear(&answer);
	int fd = dial(&f);
	send_text(&f, fd, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	assert_false(read_until(&f, fd, "GET /", &answer));
	assert_non_null(strstr(answer.bytes, "Connection: keep-alive"));
	tn_buf_clear(&answer);
	send_text(&f, fd, "GET / HTTP/1.0\r\n\r\n");
	assert_true(read_until(&f, fd, NULL, &answer));
	assert_int_equal(status_of(&answer), 200);
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void a_body_in_chunks_is_joined_and_trailers_dropped(void **state)
{
	struct fixture f = {0};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	ask(&f,
		TN_STR("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
		       "2\r\nab\r\n1;x=y\r\nc\r\n0\r\nX: y\r\n\r\n"),
		&answer);
	assert_non_null(strstr(tn_buf_terminate(&answer), "POST / abc"));
	tn_buf_fini(&answer);
	stop(&f);
}

static void bytes_that_come_one_by_one_make_the_same_request(void **state)
{
	struct fixture f = {0};
	struct tn_buf answer = {0};
	const char *text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	for (; *text; text++) {
		send_all(&f, fd, tn_str_make(text, 1));
		turn(&f);
	}
	read_until(&f, fd, "POST / abc", &answer);
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void a_large_body_arrives_whole(void **state)
{
	struct fixture f = {.mode = HOLD};
	struct tn_buf text = {0};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	tn_buf_addf(&text, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", 1024 * 1024);
	size_t head = text.len;
	for (int i = 0; i < 1024 * 1024; i++)
		tn_buf_add_byte(&text, (char)(i * 7 % 251));
	send_all(&f, fd, tn_buf_str(&text));
	turns(&f);
	assert_int_equal(f.held_count, 1);
	assert_true(tn_str_equal(tn_http_request_body(f.held[0]), tn_str_tail(tn_buf_str(&text), head)));
	close(fd);
	tn_buf_fini(&text);
	stop(&f);
}

static void a_large_answer_arrives_whole(void **state)
{
	struct fixture f = {.mode = BIG_ANSWER};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	ask(&f, TN_STR("GET / HTTP/1.0\r\n\r\n"), &answer);
	assert_int_equal(strlen(strstr(tn_buf_terminate(&answer), "\r\n\r\n") + 4), 512 * 1024);
	tn_buf_fini(&answer);
	stop(&f);
}

static void a_problem_says_what_is_wrong(void **state)
{
	struct fixture f = {.mode = HOLD};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, GET);
	turns(&f);
	tn_http_reply_problem(f.held[0], 503, 7, "say \"later\"", TN_STR(",\"index\":3"));
	read_until(&f, fd, "}", &answer);
	assert_non_null(strstr(answer.bytes, "Content-Type: application/problem+json\r\n"));
	assert_non_null(strstr(answer.bytes, "Retry-After: 7\r\n"));
	assert_non_null(strstr(answer.bytes,
		"{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
		"\"detail\":\"say \\\"later\\\"\",\"index\":3}"));
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

/* --- Refusals --- */

static void refusals_have_their_status_and_end_the_connection(void **state)
{
	static const struct {
		const char *bytes;
		int status;
	} rows[] = {
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nabc", 400},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400},
		{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400},
		{"GET / HTTP/1.1\nHost: a\n\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: \x02\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
		{"GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
		{"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501},
		{"GET / HTTP/1.1\r\nHost: a\r\nExpect: cake\r\n\r\n", 417},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2097152\r\n\r\n", 413},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n", 413},
	};
	struct fixture f = {0};
	start(&f, (struct tn_http_server_options){0});
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tn_buf answer = {0};
		int status = ask(&f, tn_str_from(rows[i].bytes), &answer);
		if (status != rows[i].status || !strstr(tn_buf_terminate(&answer), "Connection: close") ||
			!strstr(answer.bytes, "application/problem+json"))
			fail_msg("%s: %s", rows[i].bytes, answer.bytes);
		tn_buf_fini(&answer);
	}
	assert_int_equal(f.handled, 0);
	assert_int_equal(counts_of(&f).bad_requests, sizeof rows / sizeof *rows);
	assert_int_equal(tn_http_server_connections(f.server), 0);
	stop(&f);
}

static void fill_headers(struct tn_buf *text, size_t bytes)
{
	tn_buf_clear(text);
	tn_buf_add_text(text, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
	for (size_t i = 0; i < bytes / 1024; i++)
		tn_buf_addf(text, "ce-x%zu: %01000d\r\n", i, 0);
	tn_buf_add_text(text, "\r\n");
}

static void headers_of_64_kib_pass_and_of_100_kib_do_not(void **state)
{
	struct fixture f = {0};
	struct tn_buf text = {0};
	start(&f, (struct tn_http_server_options){0});
	fill_headers(&text, 65 * 1024);
	assert_int_equal(ask(&f, tn_buf_str(&text), NULL), 200);
	fill_headers(&text, 100 * 1024);
	assert_int_equal(ask(&f, tn_buf_str(&text), NULL), 431);
	tn_buf_fini(&text);
	stop(&f);
}

static void a_client_that_sends_on_can_still_read_why_it_was_refused(void **state)
{
	struct fixture f = {0};
	struct tn_buf text = {0};
	start(&f, (struct tn_http_server_options){0});
	tn_buf_addf(&text, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%02097152d", 2097152, 0);
	assert_int_equal(ask(&f, tn_buf_str(&text), NULL), 413);
	tn_buf_fini(&text);
	stop(&f);
}

static void a_client_that_ignores_its_refusal_is_cut_off(void **state)
{
	struct fixture f = {0};
	start(&f, (struct tn_http_server_options){.limits.idle_ms = 100});
	int fd = dial(&f);
	send_text(&f, fd, "nonsense\r\n");
	turns(&f);
	assert_int_equal(tn_http_server_connections(f.server), 1);
	f.now_ms += 2100;
	for (int i = 0; i < 20; i++)
		turns(&f);
	assert_int_equal(tn_http_server_connections(f.server), 0);
	close(fd);
	stop(&f);
}

static void headers_are_judged_before_the_body_is_read(void **state)
{
	struct fixture f = {.refuse_with = 405};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	assert_int_equal(
		ask(&f, TN_STR("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"), &answer), 405);
	assert_non_null(strstr(tn_buf_terminate(&answer), "no, thank you"));
	assert_null(strstr(answer.bytes, "100 Continue"));
	assert_int_equal(f.handled, 0);
	tn_buf_fini(&answer);
	stop(&f);
}

static void a_refusal_by_headers_may_bring_headers(void **state)
{
	struct fixture f = {.answer_in_headers = true};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	assert_int_equal(ask(&f, TN_STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"), &answer), 401);
	assert_non_null(strstr(tn_buf_terminate(&answer), "WWW-Authenticate: Bearer\r\n"));
	tn_buf_fini(&answer);
	stop(&f);
}

static void a_refused_request_without_a_body_keeps_the_connection(void **state)
{
	struct fixture f = {.refuse_with = 404};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, GET);
	read_until(&f, fd, "}", &answer);
	assert_int_equal(status_of(&answer), 404);
	f.refuse_with = 0;
	tn_buf_clear(&answer);
	send_text(&f, fd, GET);
	assert_false(read_until(&f, fd, "GET /", &answer));
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void a_client_that_waits_for_100_gets_it(void **state)
{
	struct fixture f = {0};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	read_until(&f, fd, "\r\n\r\n", &answer);
	assert_string_equal(tn_buf_terminate(&answer), "HTTP/1.1 100 Continue\r\n\r\n");
	send_text(&f, fd, "abc");
	read_until(&f, fd, "POST / abc", &answer);
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void a_100_waits_for_the_answer_before_it(void **state)
{
	struct fixture f = {.mode = HOLD};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, GET "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	turns(&f);
	reply_text(f.held[0], 200, TN_STR("one"));
	read_until(&f, fd, "100 Continue", &answer);
	assert_int_equal(status_of(&answer), 200);
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

/* --- Slow clients --- */

static void wait_for(struct fixture *fixture, int64_t ms)
{
	fixture->now_ms += ms;
	for (int i = 0; i < 20; i++)
		turns(fixture);
}

static void slow_headers_are_given_up(void **state)
{
	struct fixture f = {0};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){.limits = {.header_ms = 100, .idle_ms = 1000000}});
	int fd = dial(&f);
	wait_for(&f, 5000);
	send_text(&f, fd, "GET / HT");
	turns(&f);
	wait_for(&f, 90);
	send_text(&f, fd, "TP/1.1\r\n");
	turns(&f);
	wait_for(&f, 20);
	assert_true(read_until(&f, fd, NULL, &answer));
	assert_int_equal(status_of(&answer), 408);
	assert_int_equal(counts_of(&f).timeouts, 1);
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void slow_bodies_are_given_up(void **state)
{
	struct fixture f = {0};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){.limits = {.header_ms = 100, .body_rate = 1000}});
	int fd = dial(&f);
	send_text(&f, fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n0123456789");
	turns(&f);
	wait_for(&f, 5005);
	assert_int_equal(tn_http_server_connections(f.server), 1);
	assert_int_equal(recv(fd, (char[1]){0}, 1, MSG_DONTWAIT), -1);
	wait_for(&f, 20);
	assert_true(read_until(&f, fd, NULL, &answer));
	assert_int_equal(status_of(&answer), 408);
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void idle_connections_are_closed_without_a_word(void **state)
{
	struct fixture f = {0};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){.limits = {.idle_ms = 100}});
	int fd = dial(&f);
	send_text(&f, fd, GET);
	read_until(&f, fd, "GET /", &answer);
	tn_buf_clear(&answer);
	wait_for(&f, 150);
	assert_true(read_until(&f, fd, NULL, &answer));
	assert_int_equal(answer.len, 0);
	assert_int_equal(counts_of(&f).timeouts, 0);
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void a_client_that_waits_for_its_answer_is_not_idle(void **state)
{
	struct fixture f = {.mode = HOLD};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){.limits = {.idle_ms = 100, .header_ms = 100}});
	int fd = dial(&f);
	send_text(&f, fd, GET);
	turns(&f);
	wait_for(&f, 100000);
	reply_text(f.held[0], 200, TN_STR("late"));
	read_until(&f, fd, "late", &answer);
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void a_client_that_does_not_read_is_given_up(void **state)
{
	struct fixture f = {.mode = BIG_ANSWER};
	start(&f, (struct tn_http_server_options){.limits = {.write_ms = 100, .idle_ms = 1000000, .output_bytes = 64 * 1024 * 1024}});
	int fd = dial(&f), small = 4096;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	for (int i = 0; i < 40; i++)
		send_text(&f, fd, GET);
	wait_for(&f, 0); /* until the kernel's buffers are full */
	assert_int_equal(tn_http_server_connections(f.server), 1);
	wait_for(&f, 150);
	assert_int_equal(tn_http_server_connections(f.server), 0);
	assert_int_equal(counts_of(&f).timeouts, 1);
	close(fd);
	stop(&f);
}

/* --- Clients that leave --- */

static void a_body_cut_short_is_never_handed_over(void **state)
{
	static const char *const rows[] = {
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabc",
		"POST / HTTP/1.1\r\nHost: a\r\nConte",
	};
	struct fixture f = {0};
	start(&f, (struct tn_http_server_options){0});
	for (size_t i = 0; i < 3; i++) {
		int fd = dial(&f);
		send_text(&f, fd, rows[i]);
		turns(&f);
		close(fd);
		turns(&f);
		assert_int_equal(counts_of(&f).cut_short, i + 1);
	}
	assert_int_equal(f.handled + f.gone_count, 0);
	assert_int_equal(tn_http_server_connections(f.server), 0);
	stop(&f);
}

static void a_client_that_ended_its_sending_still_gets_its_answer(void **state)
{
	struct fixture f = {.mode = HOLD};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, GET);
	shutdown(fd, SHUT_WR);
	turns(&f);
	assert_int_equal(f.gone_count, 0);
	reply_text(f.held[0], 200, TN_STR("answer"));
	assert_true(read_until(&f, fd, NULL, &answer));
	assert_non_null(strstr(tn_buf_terminate(&answer), "answer"));
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void a_client_that_resets_is_noticed_before_the_answer(void **state)
{
	struct fixture f = {.mode = HOLD};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, GET GET);
	turns(&f);
	reset(fd);
	turns(&f);
	assert_int_equal(f.gone_count, 2);
	assert_ptr_equal(f.gone[0], f.held[0]);
	assert_int_equal(counts_of(&f).gone, 2);
	assert_int_equal(tn_http_server_connections(f.server), 0);
	stop(&f);
}

static void a_reset_is_noticed_although_reading_is_paused(void **state)
{
	struct fixture f = {.mode = HOLD};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, GET);
	turns(&f);
	tn_http_server_pause(f.server, true);
	send_text(&f, fd, GET);
	turns(&f);
	assert_int_equal(f.held_count, 1);
	reset(fd);
	turns(&f);
	assert_int_equal(f.gone_count, 1);
	assert_int_equal(tn_http_server_connections(f.server), 0);
	stop(&f);
}

static void a_reset_is_noticed_after_a_half_close(void **state)
{
	struct fixture f = {.mode = HOLD};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, GET);
	shutdown(fd, SHUT_WR);
	turns(&f);
	assert_int_equal(f.gone_count, 0);
	reset(fd);
	turns(&f);
	assert_int_equal(f.gone_count, 1);
	stop(&f);
}

static void a_reset_right_behind_the_request_is_noticed(void **state)
{
	struct fixture f = {.mode = HOLD};
	start(&f, (struct tn_http_server_options){.limits = {.header_ms = 100}}); /* swept the more often */
	int fd = dial(&f);
	turns(&f);
	assert_int_equal(send(fd, GET, strlen(GET), 0), strlen(GET));
	reset(fd);
	for (int i = 0; i < 20 && tn_http_server_connections(f.server) > 0; i++)
		turns(&f);
	assert_int_equal(f.held_count, f.gone_count);
	assert_int_equal(tn_http_server_connections(f.server), 0);
	stop(&f);
}

static void a_closed_unix_socket_is_noticed_before_the_answer(void **state)
{
	struct fixture f = {.mode = HOLD};
	char listen[64];
	snprintf(listen, sizeof listen, "unix:/tmp/tn-http-%d.sock", (int)getpid());
	start(&f, (struct tn_http_server_options){.listen = listen});
	int fd = dial(&f);
	send_text(&f, fd, GET);
	turns(&f);
	close(fd);
	turns(&f);
	assert_int_equal(f.gone_count, 1);
	stop(&f);
}

/* --- Back-pressure and limits --- */

static void a_paused_server_reads_nothing_and_goes_on_later(void **state)
{
	struct fixture f = {0};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	tn_http_server_pause(f.server, true);
	send_text(&f, fd, GET GET);
	turns(&f);
	assert_int_equal(f.handled, 0);
	tn_http_server_pause(f.server, false);
	turns(&f);
	assert_int_equal(f.handled, 2);
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void a_pause_is_not_counted_against_the_client(void **state)
{
	struct fixture f = {0};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){.limits = {.header_ms = 100}});
	int fd = dial(&f);
	send_text(&f, fd, "GET / HT");
	turns(&f);
	tn_http_server_pause(f.server, true);
	wait_for(&f, 5000);
	tn_http_server_pause(f.server, false);
	wait_for(&f, 50);
	send_text(&f, fd, "TP/1.1\r\nHost: a\r\n\r\n");
	read_until(&f, fd, "GET /", &answer);
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void unanswered_requests_of_a_connection_are_bounded(void **state)
{
	struct fixture f = {.mode = HOLD};
	start(&f, (struct tn_http_server_options){.limits.pipeline = 2});
	int fd = dial(&f);
	send_text(&f, fd, GET GET GET GET GET);
	turns(&f);
	assert_int_equal(f.held_count, 2);
	reply_text(f.held[0], 200, TN_STR(""));
	turns(&f);
	assert_int_equal(f.held_count, 3);
	close(fd);
	stop(&f);
}

static void unread_answers_stop_the_reading(void **state)
{
	struct fixture f = {.mode = BIG_ANSWER};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	for (int i = 0; i < 64; i++)
		send_text(&f, fd, GET);
	turns(&f);
	int handled = f.handled;
	assert_true(handled < 40);
	for (int i = 0; f.handled < 64 && i < 5000; i++) {
		tn_buf_clear(&answer);
		read_until(&f, fd, "x", &answer);
	}
	assert_int_equal(f.handled, 64);
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void connections_beyond_the_cap_wait(void **state)
{
	struct fixture f = {0};
	struct tn_buf answer = {0};
	start(&f, (struct tn_http_server_options){.limits.connections = 2});
	int one = dial(&f), two = dial(&f), three = dial(&f);
	send_text(&f, three, GET);
	turns(&f);
	assert_int_equal(tn_http_server_connections(f.server), 2);
	assert_int_equal(f.handled, 0);
	close(one);
	read_until(&f, three, "GET /", &answer);
	assert_true(counts_of(&f).over_limit >= 1);
	close(two);
	close(three);
	tn_buf_fini(&answer);
	stop(&f);
}

static bool is_open(int fd)
{
	char byte;
	return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) != 0;
}

static void expect_answered(struct fixture *fixture, int fd)
{
	struct tn_buf answer = {0};
	read_until(fixture, fd, "GET /", &answer);
	tn_buf_fini(&answer);
}

static void the_connection_idle_longest_makes_room(void **state)
{
	struct fixture f = {0};
	start(&f, (struct tn_http_server_options){.limits.connections = 2});
	int one = dial(&f), two = dial(&f);
	turns(&f);
	wait_for(&f, 200);
	send_text(&f, one, GET);
	expect_answered(&f, one);
	int three = dial(&f);
	send_text(&f, three, GET);
	expect_answered(&f, three);
	assert_false(is_open(two));
	assert_true(is_open(one));
	assert_int_equal(counts_of(&f).idle_closed, 1);
	close(one);
	close(two);
	close(three);
	stop(&f);
}

static void silent_connections_do_not_shut_others_out(void **state)
{
	struct fixture f = {0};
	int silent[60];
	start(&f, (struct tn_http_server_options){.limits.connections = 4});
	for (int i = 0; i < 60; i++)
		silent[i] = dial(&f);
	int last = dial(&f);
	send_text(&f, last, GET);
	for (int i = 0; i < 16; i++)
		wait_for(&f, 100);
	expect_answered(&f, last);
	assert_int_equal(counts_of(&f).idle_closed, 57);
	assert_int_equal(tn_http_server_connections(f.server), 4);
	for (int i = 0; i < 60; i++)
		close(silent[i]);
	close(last);
	stop(&f);
}

static void a_connection_that_was_just_answered_keeps_its_place(void **state)
{
	struct fixture f = {0};
	start(&f, (struct tn_http_server_options){.limits.connections = 1});
	int busy = dial(&f), waiting = dial(&f);
	send_text(&f, waiting, GET);
	for (int i = 0; i < 10; i++) {
		send_text(&f, busy, GET);
		expect_answered(&f, busy);
		wait_for(&f, 50);
	}
	assert_int_equal(f.handled, 10);
	wait_for(&f, 100);
	expect_answered(&f, waiting);
	close(busy);
	close(waiting);
	stop(&f);
}

static void a_begun_or_unanswered_request_keeps_its_connection(void **state)
{
	struct fixture f = {.mode = HOLD};
	start(&f, (struct tn_http_server_options){.limits.connections = 3});
	int unanswered = dial(&f), head = dial(&f), body = dial(&f);
	send_text(&f, unanswered, GET);
	send_text(&f, head, "GET / HT");
	send_text(&f, body, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
	turns(&f);
	int waiting = dial(&f);
	send_text(&f, waiting, GET);
	wait_for(&f, 3000);
	assert_int_equal(counts_of(&f).idle_closed, 0);
	assert_int_equal(f.held_count, 1);
	reply_text(f.held[0], 200, TN_STR("GET / late"));
	expect_answered(&f, unanswered);
	wait_for(&f, 150); /* idle now: it goes when its time has come, although accepting had stopped */
	wait_for(&f, 0);
	assert_int_equal(f.held_count, 2);
	assert_int_equal(counts_of(&f).idle_closed, 1);
	assert_true(is_open(head) && is_open(body));
	close(unanswered);
	close(head);
	close(body);
	close(waiting);
	stop(&f);
}

static void a_request_that_was_not_read_yet_keeps_its_connection(void **state)
{
	struct fixture f = {0};
	start(&f, (struct tn_http_server_options){.limits.connections = 1});
	int fd = dial(&f);
	turns(&f);
	tn_http_server_pause(f.server, true);
	send_text(&f, fd, GET);
	int waiting = dial(&f);
	wait_for(&f, 3000);
	wait_for(&f, 0);
	assert_int_equal(counts_of(&f).idle_closed, 0);
	tn_http_server_pause(f.server, false);
	expect_answered(&f, fd);
	close(fd);
	close(waiting);
	stop(&f);
}

static void no_connection_goes_while_nobody_waits(void **state)
{
	struct fixture f = {0};
	start(&f, (struct tn_http_server_options){.limits.connections = 2});
	int one = dial(&f), two = dial(&f);
	turns(&f);
	wait_for(&f, 50000);
	wait_for(&f, 0);
	assert_int_equal(tn_http_server_connections(f.server), 2);
	assert_int_equal(counts_of(&f).idle_closed, 0);
	close(one);
	close(two);
	stop(&f);
}

static void running_out_of_descriptors_does_not_spin(void **state)
{
	struct fixture f = {0};
	struct tn_buf answer = {0};
	struct rlimit old, tight;
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, "");
	getrlimit(RLIMIT_NOFILE, &old);
	tight = old;
	tight.rlim_cur = (rlim_t)fd + 1;
	setrlimit(RLIMIT_NOFILE, &tight);
	turns(&f);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(counts_of(&f).accepted, 0);
	assert_int_equal(counts_of(&f).over_limit, 1);
	send_text(&f, fd, GET);
	read_until(&f, fd, "GET /", &answer);
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

/* --- The end --- */

static void draining_answers_what_is_there_and_closes(void **state)
{
	struct fixture f = {.mode = HOLD};
	struct tn_buf answer = {0}, nothing = {0};
	start(&f, (struct tn_http_server_options){0});
	int busy = dial(&f), idle = dial(&f);
	send_text(&f, busy, GET);
	turns(&f);
	tn_http_server_drain(f.server);
	assert_true(read_until(&f, idle, NULL, &nothing));
	assert_int_equal(nothing.len, 0);
	reply_text(f.held[0], 200, TN_STR("last"));
	assert_true(read_until(&f, busy, NULL, &answer));
	assert_string_equal(
		tn_buf_terminate(&answer), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlast");
	close(busy);
	close(idle);
	turns(&f);
	assert_int_equal(tn_http_server_connections(f.server), 0);
	tn_buf_fini(&answer);
	tn_buf_fini(&nothing);
	stop(&f);
}

static void an_answer_may_close_its_connection(void **state)
{
	struct fixture f = {.mode = HOLD};
	struct tn_buf answer = {0};
	struct tn_header close_it = {.name = TN_STR("Connection"), .value = TN_STR("close")};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, GET);
	turns(&f);
	tn_http_reply(f.held[0], 503, &close_it, 1, TN_STR(""));
	assert_true(read_until(&f, fd, NULL, &answer));
	assert_string_equal(
		tn_buf_terminate(&answer), "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	close(fd);
	tn_buf_fini(&answer);
	stop(&f);
}

static void freeing_the_server_tells_of_unanswered_requests(void **state)
{
	struct fixture f = {.mode = HOLD};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, GET GET);
	turns(&f);
	tn_http_server_free(f.server);
	f.server = NULL;
	assert_int_equal(f.gone_count, 2);
	close(fd);
	stop(&f);
}

static void the_server_may_be_freed_while_it_hands_over_a_request(void **state)
{
	struct fixture f = {.mode = FREE_SERVER};
	start(&f, (struct tn_http_server_options){0});
	int fd = dial(&f);
	send_text(&f, fd, GET GET);
	turns(&f);
	assert_int_equal(f.handled, 1);
	assert_int_equal(f.gone_count, 1);
	close(fd);
	stop(&f);
}

/* --- Addresses --- */

static enum tn_status try_listen(struct event_base *base, struct tn_http_server_options options, struct tn_error *error)
{
	struct tn_http_server *server = NULL;
	options.ops.on_request = on_request;
	enum tn_status status = tn_http_server_new(base, &options, &server, error);
	tn_http_server_free(server);
	return status;
}

static void addresses_that_are_none_are_refused(void **state)
{
	static const char *const rows[] = {"", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "example.com:80", "::1:80",
		"[::1]", "127.0.0.1:-1", "unix:", ":80"};
	struct event_base *base = event_base_new();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tn_error error = {0};
		assert_int_equal(try_listen(base, (struct tn_http_server_options){.listen = rows[i]}, &error), TN_INVALID);
		assert_true(error.message[0]);
	}
	event_base_free(base);
}

static void an_address_in_use_is_busy_unless_it_is_shared(void **state)
{
	struct fixture f = {0};
	struct tn_error error = {0};
	start(&f, (struct tn_http_server_options){.port = TN_HTTP_PORT_SHARE});
	struct tn_http_server_options options = {.listen = tn_http_server_address(f.server)};
	assert_int_equal(try_listen(f.base, options, &error), TN_BUSY);
	options.port = TN_HTTP_PORT_JOIN;
	assert_int_equal(try_listen(f.base, options, &error), TN_OK);
	stop(&f);
}

static void a_unix_socket_has_its_mode_and_goes_with_the_server(void **state)
{
	struct fixture f = {0};
	struct tn_error error = {0};
	struct stat stat_buf;
	struct tn_buf answer = {0};
	char listen[64];
	snprintf(listen, sizeof listen, "unix:/tmp/tn-http-%d.sock", (int)getpid());
	start(&f, (struct tn_http_server_options){.listen = listen});
	assert_int_equal(stat(listen + 5, &stat_buf), 0);
	assert_int_equal(stat_buf.st_mode & 0777, 0600);
	assert_int_equal(try_listen(f.base, (struct tn_http_server_options){.listen = listen}, &error), TN_BUSY);
	int fd = dial(&f);
	send_text(&f, fd, GET);
	read_until(&f, fd, "GET /", &answer);
	close(fd);
	stop(&f);
	assert_int_equal(stat(listen + 5, &stat_buf), -1);
	tn_buf_fini(&answer);
}

static void a_stale_unix_socket_is_replaced(void **state)
{
	struct fixture f = {0};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	char listen[64];
	snprintf(listen, sizeof listen, "unix:/tmp/tn-http-%d.sock", (int)getpid());
	snprintf(un.sun_path, sizeof un.sun_path, "%s", listen + 5);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	close(fd);
	start(&f, (struct tn_http_server_options){.listen = listen});
	close(dial(&f));
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_answered_and_the_connection_kept),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(a_refusal_comes_after_the_answers_before_it),
		cmocka_unit_test(an_answer_to_head_has_no_body),
		cmocka_unit_test(an_answer_204_has_no_length),
		cmocka_unit_test(an_answer_cannot_be_split_by_a_header_value),
		cmocka_unit_test(http_1_0_is_kept_only_when_asked),
		cmocka_unit_test(a_body_in_chunks_is_joined_and_trailers_dropped),
		cmocka_unit_test(bytes_that_come_one_by_one_make_the_same_request),
		cmocka_unit_test(a_large_body_arrives_whole),
		cmocka_unit_test(a_large_answer_arrives_whole),
		cmocka_unit_test(a_problem_says_what_is_wrong),
		cmocka_unit_test(refusals_have_their_status_and_end_the_connection),
		cmocka_unit_test(headers_of_64_kib_pass_and_of_100_kib_do_not),
		cmocka_unit_test(a_client_that_sends_on_can_still_read_why_it_was_refused),
		cmocka_unit_test(a_client_that_ignores_its_refusal_is_cut_off),
		cmocka_unit_test(headers_are_judged_before_the_body_is_read),
		cmocka_unit_test(a_refusal_by_headers_may_bring_headers),
		cmocka_unit_test(a_refused_request_without_a_body_keeps_the_connection),
		cmocka_unit_test(a_client_that_waits_for_100_gets_it),
		cmocka_unit_test(a_100_waits_for_the_answer_before_it),
		cmocka_unit_test(slow_headers_are_given_up),
		cmocka_unit_test(slow_bodies_are_given_up),
		cmocka_unit_test(idle_connections_are_closed_without_a_word),
		cmocka_unit_test(a_client_that_waits_for_its_answer_is_not_idle),
		cmocka_unit_test(a_client_that_does_not_read_is_given_up),
		cmocka_unit_test(a_body_cut_short_is_never_handed_over),
		cmocka_unit_test(a_client_that_ended_its_sending_still_gets_its_answer),
		cmocka_unit_test(a_client_that_resets_is_noticed_before_the_answer),
		cmocka_unit_test(a_reset_is_noticed_although_reading_is_paused),
		cmocka_unit_test(a_reset_is_noticed_after_a_half_close),
		cmocka_unit_test(a_reset_right_behind_the_request_is_noticed),
		cmocka_unit_test(a_closed_unix_socket_is_noticed_before_the_answer),
		cmocka_unit_test(a_paused_server_reads_nothing_and_goes_on_later),
		cmocka_unit_test(a_pause_is_not_counted_against_the_client),
		cmocka_unit_test(unanswered_requests_of_a_connection_are_bounded),
		cmocka_unit_test(unread_answers_stop_the_reading),
		cmocka_unit_test(connections_beyond_the_cap_wait),
		cmocka_unit_test(the_connection_idle_longest_makes_room),
		cmocka_unit_test(silent_connections_do_not_shut_others_out),
		cmocka_unit_test(a_connection_that_was_just_answered_keeps_its_place),
		cmocka_unit_test(a_begun_or_unanswered_request_keeps_its_connection),
		cmocka_unit_test(a_request_that_was_not_read_yet_keeps_its_connection),
		cmocka_unit_test(no_connection_goes_while_nobody_waits),
		cmocka_unit_test(running_out_of_descriptors_does_not_spin),
		cmocka_unit_test(draining_answers_what_is_there_and_closes),
		cmocka_unit_test(an_answer_may_close_its_connection),
		cmocka_unit_test(freeing_the_server_tells_of_unanswered_requests),
		cmocka_unit_test(the_server_may_be_freed_while_it_hands_over_a_request),
		cmocka_unit_test(addresses_that_are_none_are_refused),
		cmocka_unit_test(an_address_in_use_is_busy_unless_it_is_shared),
		cmocka_unit_test(a_unix_socket_has_its_mode_and_goes_with_the_server),
		cmocka_unit_test(a_stale_unix_socket_is_replaced),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("http_server", tests, NULL, NULL);
}
