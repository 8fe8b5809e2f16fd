/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_parser.c - which bytes are a request, which are refused and how. Each row is fed whole and byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "turnout/http_server.h"

struct row {
	const char *why;
	struct tn_str bytes;
	int result; /* whole requests, or the status of the refusal */
};
#define ROW(why, text, result) {why, {text, sizeof(text) - 1}, result}
#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST /e HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static void check(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int result = tn_http_parse_probe(rows[i].bytes.bytes, rows[i].bytes.len);
		if (result != rows[i].result)
			fail_msg("%s: %d, not %d", rows[i].why, result, rows[i].result);
	}
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

static void whole_requests_are_taken(void **state)
{
	static const struct row rows[] = {
		ROW("nothing", "", 0),
		ROW("no body", GET "\r\n", 1),
		ROW("two at once", GET "\r\n" GET "\r\n", 2),
		ROW("unfinished", GET, 0),
		ROW("one blank line before", "\r\n" GET "\r\n", 1),
		ROW("a length", POST "Content-Length: 3\r\n\r\nabc", 1),
		ROW("a length of zero", POST "Content-Length: 0\r\n\r\n", 1),
		ROW("a short body", POST "Content-Length: 4\r\n\r\nabc", 0),
		ROW("length, then the next", POST "Content-Length: 3\r\n\r\nabc" GET "\r\n", 2),
		ROW("white space around a value", GET "X: \t a \t \r\n\r\n", 1),
		ROW("an empty value", GET "X:\r\n\r\n", 1),
		ROW("raw UTF-8 in a value", GET "X: \xc3\xa9\r\n\r\n", 1),
		ROW("HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 1),
		ROW("absolute form", "GET http://a:80/b?c HTTP/1.1\r\nHost: a\r\n\r\n", 1),
		ROW("absolute form without a path", "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", 1),
		ROW("asterisk form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 1),
		ROW("any method that is a token", "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n", 1),
		ROW("an IPv6 Host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 1),
		ROW("an escape", "GET /%2F HTTP/1.1\r\nHost: a\r\n\r\n", 1),
		ROW("expectation", POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\na", 1),
		ROW("an expectation of HTTP/1.0 is ignored", "GET / HTTP/1.0\r\nExpect: x\r\n\r\n", 1),
	};
	CHECK(rows);
}

static void chunked_bodies_are_taken(void **state)
{
	static const struct row rows[] = {
		ROW("empty", CHUNKED "0\r\n\r\n", 1),
		ROW("two chunks", CHUNKED "3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n", 1),
		ROW("without case", POST "transfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n", 1),
		ROW("extensions", CHUNKED "1;a=b;c=\"d e\"\r\nx\r\n0;e\r\n\r\n", 1),
		ROW("white space before an extension", CHUNKED "1 ;a\r\nx\r\n0\r\n\r\n", 1),
		ROW("trailers", CHUNKED "0\r\nX: y\r\nContent-Length: 5\r\n\r\n" GET "\r\n", 2),
		ROW("leading zeros", CHUNKED "0000000000000001\r\nx\r\n0\r\n\r\n", 1),
		ROW("cut short", CHUNKED "3\r\nabc\r\n", 0),
		ROW("without the last line", CHUNKED "0\r\n", 0),
	};
	CHECK(rows);
}

static void chunk_oddities_are_refused(void **state)
{
	static const struct row rows[] = {
		ROW("no size", CHUNKED "\r\n", 400),
		ROW("sign", CHUNKED "+1\r\nx\r\n0\r\n\r\n", 400),
		ROW("0x", CHUNKED "0x1\r\nx\r\n0\r\n\r\n", 400),
		ROW("white space before", CHUNKED " 1\r\nx\r\n0\r\n\r\n", 400),
		ROW("white space after", CHUNKED "1 \r\nx\r\n0\r\n\r\n", 400),
		ROW("17 digits", CHUNKED "00000000000000001\r\nx\r\n", 400),
		ROW("bare LF after the size", CHUNKED "1\nx\r\n0\r\n\r\n", 400),
		ROW("bare LF after the data", CHUNKED "1\r\nx\n0\r\n\r\n", 400),
		ROW("more data than said", CHUNKED "1\r\nxy\r\n0\r\n\r\n", 400),
		ROW("NUL in an extension", CHUNKED "1;\0\r\nx\r\n0\r\n\r\n", 400),
		ROW("CR in an extension", CHUNKED "1;\ra\r\nx\r\n0\r\n\r\n", 400),
		ROW("a size over the body limit", CHUNKED "100001\r\n", 413),
		ROW("a size that would overflow", CHUNKED "ffffffffffffffff\r\n", 413),
		ROW("a bad trailer", CHUNKED "0\r\nX y\r\n\r\n", 400),
		ROW("a folded trailer", CHUNKED "0\r\nX: y\r\n z\r\n\r\n", 400),
	};
	CHECK(rows);
}

static void what_smuggling_needs_is_refused(void **state)
{
	static const struct row rows[] = {
		ROW("both lengths", POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
		ROW("both, the other way round", POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400),
		ROW("a length twice", POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
		ROW("a list of lengths", POST "Content-Length: 3, 3\r\n\r\nabc", 400),
		ROW("a signed length", POST "Content-Length: +3\r\n\r\nabc", 400),
		ROW("a negative length", POST "Content-Length: -3\r\n\r\nabc", 400),
		ROW("white space in a length", POST "Content-Length: 1 2\r\n\r\nabc", 400),
		ROW("a hexadecimal length", POST "Content-Length: 0x3\r\n\r\nabc", 400),
		ROW("an empty length", POST "Content-Length: \r\n\r\n", 400),
		ROW("a length that overflows", POST "Content-Length: 18446744073709551616\r\n\r\n", 400),
		ROW("a long length that overflows", POST "Content-Length: 99999999999999999999999999\r\n\r\n", 400),
		ROW("the largest length", POST "Content-Length: 18446744073709551615\r\n\r\n", 413),
		ROW("chunked twice", POST "Transfer-Encoding: chunked, chunked\r\n\r\n", 400),
		ROW("two coding headers", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
		ROW("another coding", POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 400),
		ROW("identity", POST "Transfer-Encoding: identity\r\n\r\n", 400),
		ROW("a coding with a parameter", POST "Transfer-Encoding: chunked;a\r\n\r\n", 400),
		ROW("an empty coding", POST "Transfer-Encoding:\r\n\r\n", 400),
		ROW("vertical tab before chunked", POST "Transfer-Encoding: \vchunked\r\n\r\n", 400),
		ROW("a coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
		ROW("bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
		ROW("bare LF after a header", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
		ROW("bare LF as the end", GET "\n", 400),
		ROW("bare CR in a value", GET "X: a\rb\r\n\r\n", 400),
		ROW("CR CR LF", GET "X: a\r\r\n\r\n", 400),
		ROW("NUL in a value", GET "X: a\0b\r\n\r\n", 400),
		ROW("control character in a value", GET "X: \x01\r\n\r\n", 400),
		ROW("DEL in a value", GET "X: \x7f\r\n\r\n", 400),
		ROW("space before the colon", GET "X : a\r\n\r\n", 400),
		ROW("tab before the colon", GET "X\t: a\r\n\r\n", 400),
		ROW("a folded line", GET "X: a\r\n b\r\n\r\n", 400),
		ROW("a folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
		ROW("no name", GET ": a\r\n\r\n", 400),
		ROW("no colon", GET "X\r\n\r\n", 400),
		ROW("a name that is no token", GET "X(: a\r\n\r\n", 400),
		ROW("NUL in a name", GET "X\0: a\r\n\r\n", 400),
	};
	CHECK(rows);
}

static void bad_request_lines_are_refused(void **state)
{
	static const struct row rows[] = {
		ROW("HTTP/0.9", "GET /\r\n", 400),
		ROW("no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		ROW("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		ROW("a tab", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		ROW("a space behind", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
		ROW("a space in front", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		ROW("a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		ROW("a method that is no token", "G[T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		ROW("two blank lines", "\r\n\r\n" GET "\r\n", 400),
		ROW("a relative target", "GET e HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		ROW("a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		ROW("UTF-8 in the target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		ROW("half an escape", "GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		ROW("asterisk with another method", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		ROW("user-info", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		ROW("another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
		ROW("a tunnel", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
		ROW("HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
		ROW("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
		ROW("the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
		ROW("HTTP/1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
		ROW("lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", 400),
		ROW("a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\r\n", 400),
		ROW("no Host", "GET / HTTP/1.1\r\n\r\n", 400),
		ROW("two Hosts", GET "Host: a\r\n\r\n", 400),
		ROW("two Hosts of HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
		ROW("a Host that is none", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
		ROW("an unknown expectation", GET "Expect: 200-ok\r\n\r\n", 417),
	};
	CHECK(rows);
}

static void expect_result(const char *head, const char *name, size_t value_bytes, int result)
{
	struct tn_buf text = {0};
	tn_buf_addf(&text, "%s%s", head, name);
	for (size_t i = 0; i < value_bytes; i++)
		tn_buf_add_byte(&text, 'a');
	tn_buf_add_text(&text, strchr(head, '\n') ? "\r\n\r\n" : " HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(tn_http_parse_probe(text.bytes, text.len), result);
	tn_buf_fini(&text);
}

static void heads_have_a_size_limit(void **state)
{
	expect_result(GET, "X: ", 64 * 1024, 1);
	expect_result(GET, "X: ", 100 * 1024, 431);
	expect_result("GET ", "/", 8000, 1);
	expect_result("GET ", "/", 100 * 1024, 414);
}

static void a_head_of_exactly_the_limit_passes(void **state)
{
	size_t rest = strlen(GET "X: \r\n\r\n");
	expect_result(GET, "X: ", 80 * 1024 - rest, 1);
	expect_result(GET, "X: ", 80 * 1024 - rest + 1, 431);
}

static void headers_are_counted(void **state)
{
	for (int extra = 255; extra <= 256; extra++) {
		struct tn_buf text = {0};
		tn_buf_add_text(&text, GET);
		for (int i = 0; i < extra; i++)
			tn_buf_add_text(&text, "a:b\r\n");
		tn_buf_add_text(&text, "\r\n");
		assert_int_equal(tn_http_parse_probe(text.bytes, text.len), extra == 255 ? 1 : 431);
		tn_buf_fini(&text);
	}
}

static void chunk_extensions_have_a_limit(void **state)
{
	struct tn_buf text = {0};
	tn_buf_add_text(&text, CHUNKED);
	for (int i = 0; i < 200; i++)
		tn_buf_addf(&text, "1;%0100d\r\nx\r\n", 0);
	tn_buf_add_text(&text, "0\r\n\r\n");
	assert_int_equal(tn_http_parse_probe(text.bytes, text.len), 400);
	tn_buf_clear(&text);
	tn_buf_addf(&text, CHUNKED "1;%0600d\r\nx\r\n0\r\n\r\n", 0);
	assert_int_equal(tn_http_parse_probe(text.bytes, text.len), 400);
	tn_buf_fini(&text);
}

static void trailers_have_a_limit(void **state)
{
	struct tn_buf text = {0};
	tn_buf_add_text(&text, CHUNKED "0\r\n");
	for (int i = 0; i < 100; i++)
		tn_buf_addf(&text, "X: %0100d\r\n", 0);
	tn_buf_add_text(&text, "\r\n");
	assert_int_equal(tn_http_parse_probe(text.bytes, text.len), 431);
	tn_buf_fini(&text);
}

static void a_chunked_body_has_a_limit_over_all_chunks(void **state)
{
	struct tn_buf text = {0};
	tn_buf_add_text(&text, CHUNKED);
	for (int i = 0; i < 17; i++)
		tn_buf_addf(&text, "10000\r\n%065536d\r\n", 0);
	assert_int_equal(tn_http_parse_probe(text.bytes, text.len), 413);
	tn_buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_requests_are_taken),
		cmocka_unit_test(chunked_bodies_are_taken),
		cmocka_unit_test(chunk_oddities_are_refused),
		cmocka_unit_test(what_smuggling_needs_is_refused),
		cmocka_unit_test(bad_request_lines_are_refused),
		cmocka_unit_test(heads_have_a_size_limit),
		cmocka_unit_test(a_head_of_exactly_the_limit_passes),
		cmocka_unit_test(headers_are_counted),
		cmocka_unit_test(chunk_extensions_have_a_limit),
		cmocka_unit_test(trailers_have_a_limit),
		cmocka_unit_test(a_chunked_body_has_a_limit_over_all_chunks),
	};
	return cmocka_run_group_tests_name("http_parser", tests, NULL, NULL);
}
