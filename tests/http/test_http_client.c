/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_client.c - the HTTP client against a scripted server on loopback: what is sent, what is kept, and how calls end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <curl/curl.h>
#include <signal.h>
#include <stdlib.h>

#include "loopback.h"
#include "turnout/http_client.h"

enum { PATIENCE_S = 10 };

struct world {
	struct event_base *base;
	struct loopback server;
	struct tn_http_client *client;
	/* the last answer */
	unsigned done;
	int32_t status;
	enum tn_http_failure failure;
	bool sent, body_cut;
	struct tn_buf body, message, headers;
	struct tn_http_call_options again; /* method set: started from within done */
};

static void on_done(void *arg, const struct tn_http_answer *answer)
{
	struct world *world = arg;
	world->done++;
	world->status = answer->status;
	world->failure = answer->failure;
	world->sent = answer->sent;
	world->body_cut = answer->body_cut;
	tn_buf_clear(&world->body);
	tn_buf_add_str(&world->body, answer->body);
	tn_buf_clear(&world->message);
	tn_buf_add_text(&world->message, answer->message);
	tn_buf_terminate(&world->message);
	tn_buf_clear(&world->headers);
	for (size_t i = 0; i < answer->header_count; i++) {
		tn_buf_add_str(&world->headers, answer->headers[i].name);
		tn_buf_add_byte(&world->headers, '=');
		tn_buf_add_str(&world->headers, answer->headers[i].value);
		tn_buf_add_byte(&world->headers, '\n');
	}
	tn_buf_terminate(&world->headers);
	if (world->again.method) {
		tn_http_client_start(world->client, &world->again);
		world->again.method = NULL;
	}
}

static void on_impatience(evutil_socket_t fd, short what, void *arg)
{
	fail_msg("nothing came for %d s", PATIENCE_S);
}

static void run_until(struct world *world, unsigned done)
{
	struct event *impatience = evtimer_new(world->base, on_impatience, NULL);
	struct timeval wait = {PATIENCE_S, 0};
	evtimer_add(impatience, &wait);
	while (world->done < done)
		event_base_loop(world->base, EVLOOP_ONCE);
	event_free(impatience);
}

/* Lets the loop do what is ready or comes within a moment. */
static void run_briefly(struct world *world, int ms)
{
	struct timeval wait = {0, ms * 1000};
	event_base_loopexit(world->base, &wait);
	event_base_dispatch(world->base);
}

static const char *local_url(struct world *world, const char *host, char out[128])
{
	snprintf(out, 128, "http://%s:%u/events", host, world->server.port);
	return out;
}

static struct tn_http_call_options post(struct world *world, const char *url)
{
	return (struct tn_http_call_options){
		.method = "POST", .url = url, .body = TN_STR("{}"), .timeout_ms = 5000, .done = on_done, .arg = world};
}

static void send_one(struct world *world, const char *url)
{
	struct tn_http_call_options options = post(world, url);
	tn_http_client_start(world->client, &options);
	run_until(world, world->done + 1);
}

static void send_to_server(struct world *world)
{
	char url[128];
	send_one(world, local_url(world, "127.0.0.1", url));
}

static void open_client(struct world *world, const struct tn_http_client_options *options)
{
	tn_http_client_free(world->client);
	world->client = NULL;
	assert_int_equal(tn_http_client_new(world->base, options, &world->client, NULL), TN_OK);
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	struct tn_http_client_options options = {0};
	world->base = event_base_new();
	loopback_start(&world->server, world->base);
	world->server.reply = LOOPBACK_OK;
	open_client(world, &options);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;
	tn_http_client_free(world->client);
	loopback_stop(&world->server);
	event_base_free(world->base);
	tn_buf_fini(&world->body);
	tn_buf_fini(&world->message);
	tn_buf_fini(&world->headers);
	free(world);
	return 0;
}

/* --- What is sent --- */

static void a_request_arrives_as_it_was_given(void **state)
{
	struct world *world = *state;
	struct tn_header headers[] = {{TN_STR("Content-Type"), TN_STR("application/json"), TN_STRING},
		{TN_STR("ce-id"), TN_STR("a%20b"), TN_STRING}, {TN_STR("X-Empty"), TN_STR(""), TN_STRING}};
	char url[128];
	struct tn_http_call_options options = post(world, local_url(world, "127.0.0.1", url));
	options.headers = headers;
	options.header_count = 3;
	options.body = TN_STR("{\"a\":1}");
	tn_http_client_start(world->client, &options);
	assert_int_equal(world->done, 0);
	run_until(world, 1);
	assert_int_equal(world->status, 200);
	assert_int_equal(world->failure, TN_HTTP_FINE);
	assert_true(world->sent);
	assert_string_equal(world->headers.bytes, "Content-Length=2\n");
	assert_true(tn_str_is(tn_buf_str(&world->body), "ok"));
	assert_true(tn_str_starts(tn_buf_str(&world->server.request), TN_STR("POST /events HTTP/1.1\r\n")));
	assert_true(tn_str_ends(tn_buf_str(&world->server.request), TN_STR("\r\n\r\n{\"a\":1}")));
	assert_true(loopback_has_line(&world->server, "Content-Type: application/json"));
	assert_true(loopback_has_line(&world->server, "Content-Length: 7"));
	assert_true(loopback_has_line(&world->server, "ce-id: a%20b"));
	assert_true(loopback_has_line(&world->server, "X-Empty:"));
}

static void nothing_is_sent_that_was_not_asked_for(void **state)
{
	struct world *world = *state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	char *big = calloc(1, 2 << 20);
	memset(big, 'x', 2 << 20);
	char url[128];
	struct tn_http_call_options options = post(world, local_url(world, "127.0.0.1", url));
	options.body = tn_str_make(big, 2 << 20);
	tn_http_client_start(world->client, &options);
	run_until(world, 1);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	assert_int_equal(world->status, 200);
	assert_int_equal(world->server.request.len - (2 << 20), loopback_request_len(world->server.request.bytes, world->server.request.len) - (2 << 20));
	assert_null(strcasestr(world->server.request.bytes, "expect:"));
	assert_null(strcasestr(world->server.request.bytes, "content-type:"));
	assert_null(strcasestr(world->server.request.bytes, "user-agent:"));
	assert_null(strcasestr(world->server.request.bytes, "accept-encoding:"));
	free(big);
}

static void methods_may_change_from_call_to_call(void **state)
{
	static const char *const methods[] = {"POST", "GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "GET", "POST"};
	struct world *world = *state;
	char url[128];
	struct tn_http_call_options options = post(world, local_url(world, "127.0.0.1", url));
	for (unsigned i = 0; i < sizeof methods / sizeof *methods; i++) {
		bool body = strcmp(methods[i], "POST") == 0 || strcmp(methods[i], "PUT") == 0;
		options.method = methods[i];
		options.body = body ? TN_STR("body") : TN_STR("");
		world->server.reply = strcmp(methods[i], "HEAD") == 0 ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" : LOOPBACK_OK;
		tn_http_client_start(world->client, &options);
		run_until(world, i + 1);
		assert_int_equal(world->status, 200);
		assert_true(tn_str_starts(tn_buf_str(&world->server.request), tn_str_from(methods[i])));
		assert_int_equal(tn_str_ends(tn_buf_str(&world->server.request), TN_STR("\r\n\r\nbody")), body);
	}
	assert_int_equal(world->server.connections, 1);
}

static void a_header_cannot_smuggle_another(void **state)
{
	static const struct tn_header bad[] = {{TN_STR("X"), TN_STR("a\r\nY: b"), TN_STRING}, {TN_STR("X"), TN_STR("a\nb"), TN_STRING},
		{TN_STR("X: y"), TN_STR("a"), TN_STRING}, {TN_STR("X"), {"a\0b", 3}, TN_STRING}, {TN_STR(""), TN_STR("a"), TN_STRING}};
	struct world *world = *state;
	char url[128];
	struct tn_http_call_options options = post(world, local_url(world, "127.0.0.1", url));
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		options.headers = &bad[i];
		options.header_count = 1;
		tn_http_client_start(world->client, &options);
		assert_int_equal(world->done, i);
		run_until(world, i + 1);
		assert_int_equal(world->failure, TN_HTTP_BAD_URL);
		assert_false(world->sent);
	}
	assert_int_equal(world->server.requests, 0);
}

/* --- Connections --- */

static void a_connection_is_used_again(void **state)
{
	struct world *world = *state;
	for (int i = 0; i < 20; i++)
		send_to_server(world);
	assert_int_equal(world->server.requests, 20);
	assert_int_equal(world->server.connections, 1);
}

static void calls_at_the_same_time_have_their_own_connections(void **state)
{
	struct world *world = *state;
	char url[128];
	struct tn_http_call_options options = post(world, local_url(world, "127.0.0.1", url));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 8; i++)
			tn_http_client_start(world->client, &options);
		run_until(world, (unsigned)(round + 1) * 8);
	}
	assert_int_equal(world->server.requests, 24);
	assert_int_equal(world->server.connections, 8);
}

static void a_call_can_be_started_from_done(void **state)
{
	struct world *world = *state;
	char url[128];
	world->again = post(world, local_url(world, "127.0.0.1", url));
	struct tn_http_call_options options = world->again;
	tn_http_client_start(world->client, &options);
	run_until(world, 2);
	assert_int_equal(world->server.requests, 2);
	assert_int_equal(world->server.connections, 1);
}

static void a_connection_the_server_closed_while_idle_costs_nothing(void **state)
{
	struct world *world = *state;
	for (int i = 0; i < 5; i++) {
		send_to_server(world);
		assert_int_equal(world->status, 200);
		loopback_close(&world->server, world->server.last);
		if (i % 2)
			run_briefly(world, 20); /* the loop sees it; otherwise only the next request does */
	}
	assert_int_equal(world->server.connections, 5);
}

static void an_answer_that_closes_is_a_whole_answer(void **state)
{
	struct world *world = *state;
	world->server.reply = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end";
	world->server.close_after = true;
	for (int i = 0; i < 3; i++) {
		send_to_server(world);
		assert_int_equal(world->failure, TN_HTTP_FINE);
		assert_true(tn_str_is(tn_buf_str(&world->body), "until the end"));
	}
	assert_int_equal(world->server.connections, 3);
}

static void answer_first_then_hang_up(struct loopback *loopback, struct bufferevent *connection)
{
	if (loopback->requests == 1)
		loopback_write(connection, LOOPBACK_OK);
	else
		loopback_close(loopback, connection);
}

static void a_kept_connection_that_breaks_is_replaced_once(void **state)
{
	struct world *world = *state;
	world->server.script = answer_first_then_hang_up;
	send_to_server(world);
	assert_int_equal(world->status, 200);
	send_to_server(world);
	assert_int_equal(world->failure, TN_HTTP_TRANSPORT);
	assert_true(world->sent);
	assert_int_equal(world->server.requests, 3);
	assert_int_equal(world->server.connections, 2);
}

static void an_idle_connection_is_closed_after_its_time(void **state)
{
	struct world *world = *state;
	struct tn_http_client_options options = {.idle_ms = 40};
	open_client(world, &options);
	send_to_server(world);
	assert_non_null(world->server.open[0]);
	run_briefly(world, 120);
	assert_null(world->server.open[0]);
	send_to_server(world);
	assert_int_equal(world->server.connections, 2);
}

static void no_more_connections_are_kept_than_configured(void **state)
{
	struct world *world = *state;
	struct tn_http_client_options options = {.idle_connections = 2};
	char url[128];
	open_client(world, &options);
	struct tn_http_call_options each = post(world, local_url(world, "127.0.0.1", url));
	for (int i = 0; i < 6; i++)
		tn_http_client_start(world->client, &each);
	run_until(world, 6);
	run_briefly(world, 30);
	unsigned open = 0;
	for (unsigned i = 0; i < 64; i++)
		open += world->server.open[i] != NULL;
	assert_int_equal(open, 2);
}

static void connections_of_two_servers_are_not_mixed(void **state)
{
	struct world *world = *state;
	struct loopback other = {.reply = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"};
	char url[128];
	loopback_start(&other, world->base);
	snprintf(url, sizeof url, "http://127.0.0.1:%u/", other.port);
	for (int i = 0; i < 3; i++) {
		send_to_server(world);
		assert_int_equal(world->status, 200);
		send_one(world, url);
		assert_int_equal(world->status, 404);
	}
	assert_int_equal(world->server.connections, 1);
	assert_int_equal(other.connections, 1);
	loopback_stop(&other);
}

static void say_too_much(struct loopback *loopback, struct bufferevent *connection)
{
	loopback_write(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
}

static void an_answer_nobody_asked_for_is_never_somebodys(void **state)
{
	struct world *world = *state;
	world->server.script = say_too_much;
	for (int i = 0; i < 3; i++) {
		send_to_server(world);
		assert_int_equal(world->status, 200);
	}
	assert_int_equal(world->server.connections, 3);
}

static void refuse_early(struct bufferevent *connection, void *arg)
{
	bufferevent_disable(connection, EV_READ);
	loopback_write(connection, "HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n");
}

static void on_early_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int len, void *arg)
{
	struct loopback *loopback = arg;
	struct bufferevent *connection = bufferevent_socket_new(loopback->base, fd, BEV_OPT_CLOSE_ON_FREE);
	loopback->open[loopback->connections++] = connection;
	bufferevent_setcb(connection, refuse_early, NULL, loopback_on_event, loopback);
	bufferevent_enable(connection, EV_READ | EV_WRITE);
}

static void an_answer_may_come_before_the_request_is_all_sent(void **state)
{
	struct world *world = *state;
	char *big = calloc(1, 16 << 20), url[128];
	struct tn_http_call_options options = post(world, local_url(world, "127.0.0.1", url));
	options.body = tn_str_make(big, 16 << 20);
	evconnlistener_set_cb(world->server.listener, on_early_accept, &world->server);
	tn_http_client_start(world->client, &options);
	run_until(world, 1);
	assert_int_equal(world->status, 413);
	assert_int_equal(world->failure, TN_HTTP_FINE);
	free(big);
	send_to_server(world);
	assert_int_equal(world->server.connections, 2);
}

/* --- Failures --- */

static void nobody_listening_is_connect(void **state)
{
	struct world *world = *state;
	char url[128];
	local_url(world, "127.0.0.1", url);
	evconnlistener_disable(world->server.listener);
	int fd = evconnlistener_get_fd(world->server.listener);
	shutdown(fd, SHUT_RDWR);
	send_one(world, url);
	assert_int_equal(world->failure, TN_HTTP_CONNECT);
	assert_int_equal(world->status, 0);
	assert_false(world->sent);
}

static void an_unknown_name_is_resolve(void **state)
{
	struct world *world = *state;
	send_one(world, "http://no-such-host.invalid/");
	assert_int_equal(world->failure, TN_HTTP_RESOLVE);
	assert_false(world->sent);
}

static void a_silent_server_is_a_timeout_that_may_have_done_it(void **state)
{
	struct world *world = *state;
	char url[128];
	struct tn_http_call_options options = post(world, local_url(world, "127.0.0.1", url));
	world->server.reply = NULL;
	options.timeout_ms = 60;
	tn_http_client_start(world->client, &options);
	run_until(world, 1);
	assert_int_equal(world->failure, TN_HTTP_TIMEOUT);
	assert_int_equal(world->status, 0);
	assert_true(world->sent);
}

static void timeouts_of_many_calls_are_kept_in_any_order(void **state)
{
	struct world *world = *state;
	char url[128];
	struct tn_http_call_options options = post(world, local_url(world, "127.0.0.1", url));
	world->server.reply = NULL;
	static const int64_t timeouts[] = {900, 30, 4000, 60, 10, 300};
	for (unsigned i = 0; i < 6; i++) {
		options.timeout_ms = timeouts[i];
		tn_http_client_start(world->client, &options);
	}
	run_briefly(world, 150);
	assert_int_equal(world->done, 3);
	run_briefly(world, 300);
	assert_int_equal(world->done, 4);
}

static void hang_up(struct loopback *loopback, struct bufferevent *connection)
{
	loopback_close(loopback, connection);
}

static void a_server_that_hangs_up_is_transport(void **state)
{
	struct world *world = *state;
	world->server.script = hang_up;
	send_to_server(world);
	assert_int_equal(world->failure, TN_HTTP_TRANSPORT);
	assert_int_equal(world->status, 0);
	assert_true(world->sent);
}

static void an_interim_answer_followed_by_nothing_is_transport(void **state)
{
	struct world *world = *state;
	world->server.reply = "HTTP/1.1 100 Continue\r\nUpgrade: x\r\n\r\n";
	world->server.close_after = true;
	send_to_server(world);
	assert_int_equal(world->failure, TN_HTTP_TRANSPORT);
	assert_int_equal(world->status, 0);
}

static void a_reset_is_transport(void **state)
{
	struct world *world = *state;
	world->server.script = loopback_reset;
	send_to_server(world);
	assert_int_equal(world->failure, TN_HTTP_TRANSPORT);
	assert_true(world->sent);
}

static void garbage_is_transport(void **state)
{
	static const char *const garbage[] = {"SSH-2.0-OpenSSH_9.2\r\n", "\x00\x01\x02garbage\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
		"<html>hello</html>", "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"};
	struct world *world = *state;
	world->server.close_after = true;
	for (unsigned i = 0; i < sizeof garbage / sizeof *garbage; i++) {
		world->server.reply = garbage[i][0] ? garbage[i] : "\x01\x02garbage\r\n\r\n";
		send_to_server(world);
		if (world->failure != TN_HTTP_TRANSPORT || world->status != 0)
			fail_msg("'%s' was %s with status %d", garbage[i], tn_http_failure_code(world->failure), world->status);
	}
}

static void an_answer_that_breaks_off_keeps_its_status(void **state)
{
	struct world *world = *state;
	world->server.reply = "HTTP/1.1 503 Busy\r\nContent-Length: 100\r\nRetry-After: 7\r\n\r\nshort";
	world->server.close_after = true;
	send_to_server(world);
	assert_int_equal(world->status, 503);
	assert_int_equal(world->failure, TN_HTTP_TRANSPORT);
	assert_non_null(strstr(world->headers.bytes, "Retry-After=7\n"));
}

static void headers_that_break_off_are_no_answer(void **state)
{
	struct world *world = *state;
	world->server.reply = "HTTP/1.1 200 OK\r\nContent-Le";
	world->server.close_after = true;
	send_to_server(world);
	assert_int_equal(world->status, 0);
	assert_int_equal(world->failure, TN_HTTP_TRANSPORT);
}

static void a_bad_url_is_told_and_never_sent(void **state)
{
	static const char *const urls[] = {"ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http://user:secret@127.0.0.1/", "http://a b/"};
	struct world *world = *state;
	for (unsigned i = 0; i < sizeof urls / sizeof *urls; i++) {
		send_one(world, urls[i]);
		assert_int_equal(world->failure, TN_HTTP_BAD_URL);
		assert_null(strstr(world->message.bytes, "secret"));
	}
}

/* --- Answers that are odd or big --- */

static void a_redirect_is_an_answer(void **state)
{
	struct world *world = *state;
	char reply[256];
	snprintf(reply, sizeof reply, "HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:%u/other\r\nContent-Length: 0\r\n\r\n", world->server.port);
	world->server.reply = reply;
	send_to_server(world);
	assert_int_equal(world->status, 307);
	assert_int_equal(world->server.requests, 1);
}

/* Neither we nor libcurl may follow, repeat, upgrade or interpret anything: what a status means is decided elsewhere. */
static void ask_for_every_status(struct world *world, const char *url)
{
	for (int status = 101; status <= 599; status += status == 101 ? 99 : 1) {
		char reply[256];
		bool bodiless = status == 101 || status == 204 || status == 304;
		snprintf(reply, sizeof reply, "HTTP/1.1 %d Said\r\nLocation: /other\r\nWWW-Authenticate: Basic realm=x\r\nProxy-Authenticate: Basic\r\n%s",
			status, bodiless ? "\r\n" : "Content-Length: 2\r\n\r\nno");
		world->server.reply = reply;
		world->server.close_after = status == 101;
		unsigned requests = world->server.requests;
		send_one(world, url);
		if (world->status != status || (world->failure != TN_HTTP_FINE && status != 101) || world->server.requests != requests + 1)
			fail_msg("%d: status %d, failure %s, %u requests", status, (int)world->status, tn_http_failure_code(world->failure),
				world->server.requests - requests);
		assert_true(tn_str_is(tn_buf_str(&world->body), bodiless ? "" : "no"));
	}
}

static void every_status_is_read_and_nothing_done_about_it(void **state)
{
	struct world *world = *state;
	char url[128];
	ask_for_every_status(world, local_url(world, "127.0.0.1", url));
}

static void an_interim_answer_is_not_the_answer(void **state)
{
	struct world *world = *state;
	world->server.reply = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\nX: y\r\n\r\n";
	send_to_server(world);
	assert_int_equal(world->status, 204);
	assert_string_equal(world->headers.bytes, "X=y\n");
}

static void flood_body(struct loopback *loopback, struct bufferevent *connection)
{
	char *big = calloc(1, 4 << 20);
	loopback_write(connection, "HTTP/1.1 200 OK\r\n\r\n");
	bufferevent_write(connection, big, 4 << 20);
	free(big);
}

static void a_body_without_end_is_cut_and_the_status_counts(void **state)
{
	struct world *world = *state;
	world->server.script = flood_body;
	send_to_server(world);
	assert_int_equal(world->status, 200);
	assert_int_equal(world->failure, TN_HTTP_FINE);
	assert_true(world->body_cut);
	assert_int_equal(world->body.len, TN_HTTP_BODY_LIMIT);
}

static void a_body_a_little_over_the_limit_keeps_the_connection(void **state)
{
	struct world *world = *state;
	char url[128];
	struct tn_http_call_options options = post(world, local_url(world, "127.0.0.1", url));
	options.body_limit = 4;
	world->server.reply = "HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nlong text";
	for (unsigned i = 0; i < 2; i++) {
		tn_http_client_start(world->client, &options);
		run_until(world, i + 1);
		assert_true(tn_str_is(tn_buf_str(&world->body), "long"));
		assert_true(world->body_cut);
	}
	assert_int_equal(world->server.connections, 1);
}

static void flood_headers(struct loopback *loopback, struct bufferevent *connection)
{
	loopback_write(connection, "HTTP/1.1 429 Slow\r\n");
	for (int i = 0; i < 20000; i++)
		loopback_write(connection, "X-Header: 0123456789\r\n");
}

static void headers_without_end_are_cut_and_the_status_counts(void **state)
{
	struct world *world = *state;
	world->server.script = flood_headers;
	send_to_server(world);
	assert_int_equal(world->status, 429);
	assert_true(world->headers.len < 2 * TN_HTTP_ANSWER_HEADERS_MAX);
}

static void trailers_are_not_headers(void **state)
{
	struct world *world = *state;
	world->server.reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nRetry-After: 9\r\n\r\n";
	send_to_server(world);
	assert_string_equal(world->headers.bytes, "Transfer-Encoding=chunked\n");
	assert_true(tn_str_is(tn_buf_str(&world->body), "ok"));
}

/* --- Cancelling and freeing --- */

static void a_cancelled_call_ends_once_and_later(void **state)
{
	struct world *world = *state;
	char url[128];
	struct tn_http_call_options options = post(world, local_url(world, "127.0.0.1", url));
	world->server.reply = NULL;
	struct tn_http_call *call = tn_http_client_start(world->client, &options);
	run_briefly(world, 30);
	assert_int_equal(world->server.requests, 1);
	tn_http_call_cancel(call);
	tn_http_call_cancel(call);
	assert_int_equal(world->done, 0);
	run_until(world, 1);
	assert_int_equal(world->failure, TN_HTTP_CANCELLED);
	assert_true(world->sent);
	run_briefly(world, 20);
	assert_int_equal(world->done, 1);
}

static void a_call_cancelled_before_it_was_sent_was_not_sent(void **state)
{
	struct world *world = *state;
	char url[128];
	struct tn_http_call_options options = post(world, local_url(world, "127.0.0.1", url));
	tn_http_call_cancel(tn_http_client_start(world->client, &options));
	run_until(world, 1);
	assert_int_equal(world->failure, TN_HTTP_CANCELLED);
	assert_false(world->sent);
	send_to_server(world);
	assert_int_equal(world->status, 200);
	assert_int_equal(world->server.requests, 1);
}

static void freeing_the_client_ends_calls_without_a_word(void **state)
{
	struct world *world = *state;
	char url[128];
	struct tn_http_call_options options = post(world, local_url(world, "127.0.0.1", url));
	world->server.reply = NULL;
	for (int i = 0; i < 4; i++)
		tn_http_client_start(world->client, &options);
	run_briefly(world, 30);
	tn_http_call_cancel(tn_http_client_start(world->client, &options));
	tn_http_client_free(world->client);
	world->client = NULL;
	run_briefly(world, 30);
	assert_int_equal(world->done, 0);
}

/* --- Addresses --- */

static void a_forbidden_address_is_blocked_at_connect(void **state)
{
	static const char *const urls[] = {"http://169.254.169.254/latest/meta-data", "http://[::ffff:169.254.1.1]/", "http://0.0.0.0:80/",
		"http://[fe80::1]/", "http://0/", "http://2852039166/", "http://0xa9fea9fe/"};
	struct world *world = *state;
	for (unsigned i = 0; i < sizeof urls / sizeof *urls; i++) {
		send_one(world, urls[i]);
		if (world->failure != TN_HTTP_ADDRESS_BLOCKED)
			fail_msg("%s was %s: %s", urls[i], tn_http_failure_code(world->failure), world->message.bytes);
		assert_false(world->sent);
		assert_non_null(strstr(world->message.bytes, "the address policy forbids"));
	}
}

static void a_name_is_judged_by_where_it_leads(void **state)
{
	struct world *world = *state;
	struct tn_str deny[] = {TN_STR("127.0.0.0/8"), TN_STR("::1/128")};
	struct tn_address_policy *policy = NULL;
	char url[128];
	local_url(world, "localhost", url);
	send_one(world, url);
	assert_int_equal(world->status, 200);
	assert_int_equal(tn_address_policy_new(NULL, 0, deny, 2, &policy, NULL), TN_OK);
	struct tn_http_client_options options = {.addresses = policy};
	open_client(world, &options);
	send_one(world, url);
	assert_int_equal(world->failure, TN_HTTP_ADDRESS_BLOCKED);
	assert_int_equal(world->server.requests, 1);
	tn_http_client_free(world->client);
	world->client = NULL;
	tn_address_policy_free(policy);
}

static void one_forbidden_address_of_a_name_does_not_stop_the_others(void **state)
{
	struct world *world = *state;
	struct tn_str deny[] = {TN_STR("::1")};
	struct tn_address_policy *policy = NULL;
	char url[128];
	assert_int_equal(tn_address_policy_new(NULL, 0, deny, 1, &policy, NULL), TN_OK);
	struct tn_http_client_options options = {.addresses = policy};
	open_client(world, &options);
	send_one(world, local_url(world, "localhost", url));
	assert_int_equal(world->status, 200);
	tn_http_client_free(world->client);
	world->client = NULL;
	tn_address_policy_free(policy);
}

static void a_misdirected_request_gives_up_its_connection(void **state)
{
	struct world *world = *state;
	world->server.reply = "HTTP/1.1 421 Elsewhere\r\nContent-Length: 0\r\n\r\n";
	for (int i = 0; i < 3; i++) {
		send_to_server(world);
		assert_int_equal(world->status, 421);
	}
	assert_int_equal(world->server.connections, 3);
}

/* --- TLS --- */

static void a_certificate_nobody_vouches_for_is_refused(void **state)
{
	struct world *world = *state;
	char certificate[64], url[128];
	world->server.tls = loopback_tls("localhost", certificate, sizeof certificate);
	snprintf(url, sizeof url, "https://localhost:%u/", world->server.port);
	send_one(world, url);
	assert_int_equal(world->failure, TN_HTTP_TLS_VERIFY);
	assert_false(world->sent);
	assert_int_equal(world->server.requests, 0);
	unlink(certificate);
}

static void a_configured_authority_vouches_for_its_name_only(void **state)
{
	struct world *world = *state;
	char certificate[64], url[128];
	world->server.tls = loopback_tls("localhost", certificate, sizeof certificate);
	struct tn_http_client_options options = {.ca_file = certificate};
	open_client(world, &options);
	snprintf(url, sizeof url, "https://localhost:%u/", world->server.port);
	for (int i = 0; i < 3; i++) {
		send_one(world, url);
		assert_int_equal(world->status, 200);
	}
	assert_int_equal(world->server.connections, 1);
	snprintf(url, sizeof url, "https://127.0.0.1:%u/", world->server.port);
	send_one(world, url);
	assert_int_equal(world->failure, TN_HTTP_TLS_VERIFY);
	unlink(certificate);
}

static void every_status_is_read_over_tls_and_nothing_done_about_it(void **state)
{
	struct world *world = *state;
	char certificate[64], url[128];
	world->server.tls = loopback_tls("localhost", certificate, sizeof certificate);
	struct tn_http_client_options options = {.ca_file = certificate};
	open_client(world, &options);
	snprintf(url, sizeof url, "https://localhost:%u/", world->server.port);
	ask_for_every_status(world, url);
	unlink(certificate);
}

static void a_misdirected_request_gives_up_its_secure_connection(void **state)
{
	struct world *world = *state;
	char certificate[64], url[128];
	world->server.tls = loopback_tls("localhost", certificate, sizeof certificate);
	world->server.reply = "HTTP/1.1 421 Elsewhere\r\nContent-Length: 0\r\n\r\n";
	struct tn_http_client_options options = {.ca_file = certificate};
	open_client(world, &options);
	snprintf(url, sizeof url, "https://localhost:%u/", world->server.port);
	for (int i = 0; i < 2; i++)
		send_one(world, url);
	assert_int_equal(world->status, 421);
	assert_int_equal(world->server.connections, 2);
	world->server.reply = LOOPBACK_OK;
	for (int i = 0; i < 2; i++)
		send_one(world, url);
	assert_int_equal(world->status, 200);
	assert_int_equal(world->server.connections, 3);
	unlink(certificate);
}

static void a_server_without_tls_is_transport(void **state)
{
	struct world *world = *state;
	char url[128];
	snprintf(url, sizeof url, "https://127.0.0.1:%u/", world->server.port);
	world->server.reply = NULL;
	struct tn_http_call_options options = post(world, url);
	options.timeout_ms = 100;
	tn_http_client_start(world->client, &options);
	run_until(world, 1);
	assert_int_equal(world->failure, TN_HTTP_TIMEOUT);
	assert_false(world->sent);
}

static void a_missing_file_is_told_when_the_client_is_made(void **state)
{
	struct world *world = *state;
	struct tn_http_client_options options = {.ca_file = "/nowhere/ca.pem"};
	struct tn_http_client *client = NULL;
	struct tn_error error = {0};
	assert_int_equal(tn_http_client_new(world->base, &options, &client, &error), TN_INVALID);
	assert_null(client);
	assert_non_null(strstr(error.message, "/nowhere/ca.pem"));
}

/* --- Texts --- */

static void urls_are_checked_and_shown_without_secrets(void **state)
{
	struct tn_buf shown = {0};
	struct tn_error error;
	assert_int_equal(tn_http_url_check(TN_STR("https://billing.internal/events/../x?token=s"), &shown, NULL), TN_OK);
	assert_true(tn_str_is(tn_buf_str(&shown), "https://billing.internal:443/events/../x"));
	tn_buf_clear(&shown);
	assert_int_equal(tn_http_url_check(TN_STR("HTTP://[::1]:8080"), &shown, NULL), TN_OK);
	assert_true(tn_str_is(tn_buf_str(&shown), "http://[::1]:8080/"));
	tn_buf_fini(&shown);
	static const char *const bad[] = {"", "billing", "ftp://x/", "http:/x/", "http:///x", "https://me:secret@x/", "https://me@x/", "http://x/#top",
		"http://x y/", "http://x:99999/", "http://x/\r\nHost: y", "//x/", "http://"};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (tn_http_url_check(tn_str_from(bad[i]), NULL, &error) != TN_INVALID)
			fail_msg("'%s' was taken", bad[i]);
		assert_null(strstr(error.message, "secret"));
	}
}

static void header_names_are_tokens_and_values_are_text(void **state)
{
	static const char token_marks[] = "!#$%&'*+-.^_`|~";
	for (unsigned c = 0; c < 256; c++) {
		char byte = (char)c;
		bool alphanumeric = c < 128 && ((c | 32) >= 'a' ? (c | 32) <= 'z' && c >= 'A' : c >= '0' && c <= '9');
		bool token = alphanumeric || (c && strchr(token_marks, (int)c));
		bool text = c == '\t' || (c >= 0x20 && c != 0x7f);
		if (tn_http_header_name_valid(tn_str_make(&byte, 1)) != token || tn_http_header_value_valid(tn_str_make(&byte, 1)) != text)
			fail_msg("byte %u", c);
	}
	assert_false(tn_http_header_name_valid(TN_STR("")));
	assert_true(tn_http_header_value_valid(TN_STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_request_arrives_as_it_was_given, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_sent_that_was_not_asked_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(methods_may_change_from_call_to_call, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_header_cannot_smuggle_another, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_connection_is_used_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(calls_at_the_same_time_have_their_own_connections, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_call_can_be_started_from_done, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_connection_the_server_closed_while_idle_costs_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_answer_that_closes_is_a_whole_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_kept_connection_that_breaks_is_replaced_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_idle_connection_is_closed_after_its_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_more_connections_are_kept_than_configured, set_up, tear_down),
		cmocka_unit_test_setup_teardown(connections_of_two_servers_are_not_mixed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_answer_nobody_asked_for_is_never_somebodys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_misdirected_request_gives_up_its_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_answer_may_come_before_the_request_is_all_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_listening_is_connect, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_unknown_name_is_resolve, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_silent_server_is_a_timeout_that_may_have_done_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(timeouts_of_many_calls_are_kept_in_any_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_server_that_hangs_up_is_transport, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_interim_answer_followed_by_nothing_is_transport, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reset_is_transport, set_up, tear_down),
		cmocka_unit_test_setup_teardown(garbage_is_transport, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_answer_that_breaks_off_keeps_its_status, set_up, tear_down),
		cmocka_unit_test_setup_teardown(headers_that_break_off_are_no_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_bad_url_is_told_and_never_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_redirect_is_an_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_status_is_read_and_nothing_done_about_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_interim_answer_is_not_the_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_body_without_end_is_cut_and_the_status_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_body_a_little_over_the_limit_keeps_the_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(headers_without_end_are_cut_and_the_status_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(trailers_are_not_headers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cancelled_call_ends_once_and_later, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_call_cancelled_before_it_was_sent_was_not_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(freeing_the_client_ends_calls_without_a_word, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_forbidden_address_is_blocked_at_connect, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_name_is_judged_by_where_it_leads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_forbidden_address_of_a_name_does_not_stop_the_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_certificate_nobody_vouches_for_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_configured_authority_vouches_for_its_name_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_status_is_read_over_tls_and_nothing_done_about_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_misdirected_request_gives_up_its_secure_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_server_without_tls_is_transport, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_missing_file_is_told_when_the_client_is_made, set_up, tear_down),
		cmocka_unit_test(header_names_are_tokens_and_values_are_text),
		cmocka_unit_test(urls_are_checked_and_shown_without_secrets),
	};
	signal(SIGPIPE, SIG_IGN);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}
