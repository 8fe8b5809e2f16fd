/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_response.c - answers read piece by piece: where they end, and what is doubtful.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "http_response.h"

struct reader {
	struct tn_http_response response;
	struct tn_buf headers, body;
	bool ended, enough;
	size_t used;
};

static void on_status(void *arg, int32_t status)
{
	struct reader *reader = arg;
	tn_buf_clear(&reader->headers);
}

static bool on_header(void *arg, struct tn_str name, struct tn_str value)
{
	struct reader *reader = arg;
	tn_buf_add_str(&reader->headers, name);
	tn_buf_add_byte(&reader->headers, '=');
	tn_buf_add_str(&reader->headers, value);
	tn_buf_add_byte(&reader->headers, ';');
	return true;
}

static void on_headers_end(void *arg)
{
	struct reader *reader = arg;
	reader->ended = true;
}

static bool on_body(void *arg, struct tn_str bytes)
{
	struct reader *reader = arg;
	tn_buf_add_str(&reader->body, bytes);
	return !reader->enough;
}

static const struct tn_http_response_ops ops = {on_status, on_header, on_headers_end, on_body};
static struct reader reader;

static int set_up(void **state)
{
	reader = (struct reader){.response = {.ops = &ops, .arg = &reader}};
	return 0;
}

static int tear_down(void **state)
{
	tn_http_response_fini(&reader.response);
	tn_buf_fini(&reader.headers);
	tn_buf_fini(&reader.body);
	return 0;
}

static void feed_in_pieces(struct tn_str text, size_t piece)
{
	tn_buf_clear(&reader.headers);
	tn_buf_clear(&reader.body);
	reader.used = 0;
	tn_http_response_start(&reader.response, false);
	while (reader.used < text.len && reader.response.state < TN_RESPONSE_DONE) {
		struct tn_str rest = tn_str_tail(text, reader.used);
		if (rest.len > piece)
			rest.len = piece;
		reader.used += tn_http_response_feed(&reader.response, rest);
	}
}

/* Any cut into pieces must come out the same. */
static enum tn_http_response_state read_answer(const char *text)
{
	for (size_t piece = strlen(text); piece > 1; piece /= 2)
		feed_in_pieces(tn_str_from(text), piece);
	enum tn_http_response_state state = reader.response.state;
	size_t used = reader.used;
	feed_in_pieces(tn_str_from(text), 1);
	assert_int_equal(reader.response.state, state);
	assert_int_equal(reader.used, used);
	return state;
}

static bool body_is(const char *text)
{
	return tn_str_is(tn_buf_str(&reader.body), text);
}

static void a_length_says_where_the_answer_ends(void **state)
{
	const char *text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 500";
	assert_int_equal(read_answer(text), TN_RESPONSE_DONE);
	assert_true(body_is("hello"));
	assert_true(reader.response.keep);
	assert_int_equal(reader.response.status, 200);
	assert_int_equal(reader.used, strlen(text) - strlen("HTTP/1.1 500"));
	assert_true(tn_str_is(tn_buf_str(&reader.headers), "Content-Length=5;"));
}

static void chunks_say_where_the_answer_ends(void **state)
{
	const char *text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00A ; x=y\r\n, chunked!\r\n0\r\nTrailer: t\r\n\r\nrest";
	assert_int_equal(read_answer(text), TN_RESPONSE_DONE);
	assert_true(body_is("hello, chunked!"));
	assert_true(reader.response.keep);
	assert_int_equal(reader.used, strlen(text) - 4);
}

static void without_either_the_close_ends_it(void **state)
{
	assert_int_equal(read_answer("HTTP/1.1 200 OK\r\n\r\nall of it"), TN_RESPONSE_UNTIL_CLOSE);
	tn_http_response_close(&reader.response);
	assert_int_equal(reader.response.state, TN_RESPONSE_DONE);
	assert_true(body_is("all of it"));
	assert_false(reader.response.keep);
}

static void some_answers_have_no_body(void **state)
{
	assert_int_equal(read_answer("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"), TN_RESPONSE_DONE);
	assert_int_equal(read_answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), TN_RESPONSE_DONE);
	tn_http_response_start(&reader.response, true);
	struct tn_str head = TN_STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
	assert_int_equal(tn_http_response_feed(&reader.response, head), head.len);
	assert_int_equal(reader.response.state, TN_RESPONSE_DONE);
}

static void interim_answers_come_before_the_answer(void **state)
{
	assert_int_equal(read_answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0\r\nA: b\r\n\r\n"),
		TN_RESPONSE_DONE);
	assert_int_equal(reader.response.status, 201);
	assert_true(tn_str_is(tn_buf_str(&reader.headers), "Content-Length=0;A=b;"));
}

static void a_change_of_protocol_is_the_last_answer(void **state)
{
	assert_int_equal(read_answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), TN_RESPONSE_DONE);
	assert_int_equal(reader.response.status, 101);
	assert_false(reader.response.keep);
}

static void small_faults_are_forgiven(void **state)
{
	assert_int_equal(read_answer("\r\nHTTP/1.1 200\nContent-Length:2\nX: \t y \t\n\nok"), TN_RESPONSE_DONE);
	assert_true(body_is("ok"));
	assert_true(tn_str_is(tn_buf_str(&reader.headers), "Content-Length=2;X=y;"));
	assert_int_equal(read_answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"), TN_RESPONSE_DONE);
}

static void what_makes_the_end_doubtful_costs_the_connection(void **state)
{
	static const char *const doubtful[] = {"HTTP/1.1 200 OK\r\nConnection: keep-alive, Close\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\r\n folded\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"};
	for (size_t i = 0; i < sizeof doubtful / sizeof *doubtful; i++) {
		assert_int_equal(read_answer(doubtful[i]), TN_RESPONSE_DONE);
		if (reader.response.keep)
			fail_msg("the connection was kept after: %s", doubtful[i]);
	}
	assert_int_equal(read_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx"), TN_RESPONSE_UNTIL_CLOSE);
}

static void what_is_no_answer_is_broken(void **state)
{
	static const char *const broken[] = {"HTTP/2 200 OK\r\n", "HTTP/1.2 200 OK\r\n", "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000 OK\r\n",
		"HTTP/1.1 099 OK\r\n", "HTTP/1.1  200 OK\r\n", "http/1.1 200 OK\r\n", "ICY 200 OK\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n",
		"HTTP/1.1 200 OK\r\n: x\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length:\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n"};
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
		if (read_answer(broken[i]) != TN_RESPONSE_BROKEN)
			fail_msg("this was taken: %s", broken[i]);
}

static void a_close_within_the_answer_breaks_it(void **state)
{
	static const char *const parts[] = {"", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		feed_in_pieces(tn_str_from(parts[i]), 1000);
		tn_http_response_close(&reader.response);
		assert_int_equal(reader.response.state, TN_RESPONSE_BROKEN);
	}
}

static void headers_without_end_are_cut_once_the_status_is_known(void **state)
{
	struct tn_buf text = {0};
	tn_buf_add_text(&text, "HTTP/1.1 429 Slow\r\n");
	for (int i = 0; i < 10000; i++)
		tn_buf_add_text(&text, "X-Header: 0123456789\r\n");
	feed_in_pieces(tn_buf_str(&text), 4096);
	assert_int_equal(reader.response.state, TN_RESPONSE_CUT);
	assert_true(reader.ended);
	tn_buf_clear(&text);
	for (int i = 0; i < 10000; i++)
		tn_buf_add_text(&text, "HTTP/1.1 100 and no line end");
	feed_in_pieces(tn_buf_str(&text), 4096);
	assert_int_equal(reader.response.state, TN_RESPONSE_BROKEN);
	tn_buf_fini(&text);
}

static void the_reader_may_say_enough(void **state)
{
	reader.enough = true;
	feed_in_pieces(TN_STR("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello"), 1);
	assert_int_equal(reader.response.state, TN_RESPONSE_CUT);
	assert_true(body_is("h"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_length_says_where_the_answer_ends),
		TEST(chunks_say_where_the_answer_ends),
		TEST(without_either_the_close_ends_it),
		TEST(some_answers_have_no_body),
		TEST(interim_answers_come_before_the_answer),
		TEST(a_change_of_protocol_is_the_last_answer),
		TEST(small_faults_are_forgiven),
		TEST(what_makes_the_end_doubtful_costs_the_connection),
		TEST(what_is_no_answer_is_broken),
		TEST(a_close_within_the_answer_breaks_it),
		TEST(headers_without_end_are_cut_once_the_status_is_known),
		TEST(the_reader_may_say_enough),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
