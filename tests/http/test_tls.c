/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tls.c - the server with TLS, and certificates that cannot be used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <event2/event.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include "turnout/http_server.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

struct fixture {
	struct event_base *base;
	struct tn_http_server *server;
	struct ssl_ctx_st *tls;
	SSL_CTX *client_tls;
	struct tn_clock clock;
	int64_t now_ms;
	char certificate[64], key[64];
	size_t body_len, answer_len;
	bool hold;
	struct tn_http_request *held;
	int gone;
	uint32_t connections; /* the cap; 0: the default */
};

static void write_pem(char path[64], X509 *certificate, EVP_PKEY *key)
{
	snprintf(path, 64, "/tmp/tn-tls-XXXXXX");
	FILE *file = fdopen(mkstemp(path), "w");
	assert_non_null(file);
	if (certificate)
		PEM_write_X509(file, certificate);
	else
		PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
}

static void make_certificate(char certificate_path[64], char key_path[64])
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);
	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	X509_set_pubkey(certificate, key);
	X509_sign(certificate, key, EVP_sha256());
	write_pem(certificate_path, certificate, NULL);
	write_pem(key_path, NULL, key);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static int64_t fake_now(void *arg)
{
	return ((struct fixture *)arg)->now_ms;
}

static void on_request(void *arg, struct tn_http_request *request)
{
	struct fixture *fixture = arg;
	struct tn_buf text = {0};
	fixture->body_len = tn_http_request_body(request).len;
	if (fixture->hold) {
		fixture->held = request;
		return;
	}
	memset(tn_buf_reserve(&text, fixture->answer_len + 1), 'x', fixture->answer_len);
	text.len = fixture->answer_len;
	tn_http_reply(request, 200, NULL, 0, tn_buf_str(&text));
	tn_buf_fini(&text);
}

static void on_gone(void *arg, struct tn_http_request *request)
{
	((struct fixture *)arg)->gone++;
}

static void start(struct fixture *fixture)
{
	struct tn_error error = {0};
	make_certificate(fixture->certificate, fixture->key);
	fixture->clock = (struct tn_clock){.mono_ms = fake_now, .wall_ms = fake_now, .arg = fixture};
	fixture->base = event_base_new();
	fixture->client_tls = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_mode(fixture->client_tls, SSL_MODE_ENABLE_PARTIAL_WRITE);
	if (tn_tls_server_new(fixture->certificate, fixture->key, &fixture->tls, &error) != TN_OK)
		fail_msg("%s", error.message);
	struct tn_http_server_options options = {
		.listen = "127.0.0.1:0",
		.tls = fixture->tls,
		.limits = {.header_ms = 100, .connections = fixture->connections},
		.clock = &fixture->clock,
		.ops = {.on_request = on_request, .on_gone = on_gone},
		.arg = fixture,
	};
	assert_int_equal(tn_http_server_new(fixture->base, &options, &fixture->server, &error), TN_OK);
}

static void stop(struct fixture *fixture)
{
	tn_http_server_free(fixture->server);
	event_base_free(fixture->base);
	SSL_CTX_free(fixture->tls);
	SSL_CTX_free(fixture->client_tls);
	unlink(fixture->certificate);
	unlink(fixture->key);
}

static void turn(struct fixture *fixture)
{
	struct timespec pause = {0, 200000};
	event_base_loop(fixture->base, EVLOOP_NONBLOCK);
	nanosleep(&pause, NULL);
}

static int dial(struct fixture *fixture)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	in.sin_port = htons((uint16_t)atoi(strrchr(tn_http_server_address(fixture->server), ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static SSL *shake(struct fixture *fixture)
{
	SSL *ssl = SSL_new(fixture->client_tls);
	SSL_set_fd(ssl, dial(fixture));
	for (int i = 0; i < 5000 && SSL_connect(ssl) != 1; i++)
		turn(fixture);
	assert_true(SSL_is_init_finished(ssl));
	return ssl;
}

static void hang_up(SSL *ssl)
{
	close(SSL_get_fd(ssl));
	SSL_free(ssl);
}

static void send_all(struct fixture *fixture, SSL *ssl, struct tn_str bytes)
{
	for (int i = 0; bytes.len && i < 20000; i++) {
		int sent = SSL_write(ssl, bytes.bytes, (int)bytes.len);
		if (sent > 0)
			bytes = tn_str_tail(bytes, (size_t)sent);
		else
			turn(fixture);
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
	}
	assert_int_equal(bytes.len, 0);
}

static void read_at_least(struct fixture *fixture, SSL *ssl, size_t len, struct tn_buf *out)
{
	for (int i = 0; i < 20000 && out->len < len; i++) {
		int got = SSL_read(ssl, tn_buf_reserve(out, 65536), 65536);
		if (got > 0)
			out->len += (size_t)got;
		else
			turn(fixture);
	}
	assert_true(out->len >= len);
}

static struct tn_http_server_counts counts_of(struct fixture *fixture)
{
	struct tn_http_server_counts counts;
	tn_http_server_counts(fixture->server, &counts);
	return counts;
}

static void large_requests_and_answers_pass_through_tls(void **state)
{
	struct fixture f = {.answer_len = 700000};
	struct tn_buf text = {0}, answer = {0};
	start(&f);
	SSL *ssl = shake(&f);
	tn_buf_addf(&text, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n%0900000d", 0);
	for (int i = 0; i < 2; i++) {
		tn_buf_clear(&answer);
		send_all(&f, ssl, tn_buf_str(&text));
		read_at_least(&f, ssl, 700000 + strlen("HTTP/1.1 200 OK\r\nContent-Length: 700000\r\n\r\n"), &answer);
		assert_int_equal(f.body_len, 900000);
	}
	hang_up(ssl);
	tn_buf_fini(&text);
	tn_buf_fini(&answer);
	stop(&f);
}

static void pipelined_requests_are_all_answered(void **state)
{
	struct fixture f = {.answer_len = 1};
	struct tn_buf text = {0}, answer = {0};
	start(&f);
	SSL *ssl = shake(&f);
	for (int i = 0; i < 2000; i++)
		tn_buf_add_text(&text, GET);
	send_all(&f, ssl, tn_buf_str(&text));
	read_at_least(&f, ssl, 2000 * strlen("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"), &answer);
	hang_up(ssl);
	tn_buf_fini(&text);
	tn_buf_fini(&answer);
	stop(&f);
}

static void a_client_that_said_goodbye_still_gets_its_answer(void **state)
{
	struct fixture f = {.hold = true};
	struct tn_buf answer = {0};
	start(&f);
	SSL *ssl = shake(&f);
	send_all(&f, ssl, TN_STR(GET));
	SSL_shutdown(ssl);
	for (int i = 0; i < 25; i++)
		turn(&f);
	assert_int_equal(f.gone, 0);
	tn_http_reply(f.held, 200, NULL, 0, TN_STR("answer"));
	read_at_least(&f, ssl, strlen("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nanswer"), &answer);
	hang_up(ssl);
	tn_buf_fini(&answer);
	stop(&f);
}

static void a_reset_is_noticed_before_the_answer(void **state)
{
	struct fixture f = {.hold = true};
	struct linger linger = {.l_onoff = 1};
	start(&f);
	SSL *ssl = shake(&f);
	send_all(&f, ssl, TN_STR(GET));
	for (int i = 0; i < 25; i++)
		turn(&f);
	assert_non_null(f.held);
	setsockopt(SSL_get_fd(ssl), SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	hang_up(ssl);
	for (int i = 0; i < 25; i++)
		turn(&f);
	assert_int_equal(f.gone, 1);
	assert_int_equal(tn_http_server_connections(f.server), 0);
	stop(&f);
}

static void a_client_that_speaks_no_tls_is_closed(void **state)
{
	struct fixture f = {0};
	start(&f);
	int fd = dial(&f);
	assert_int_equal(send(fd, GET, strlen(GET), 0), strlen(GET));
	for (int i = 0; i < 25; i++)
		turn(&f);
	assert_int_equal(tn_http_server_connections(f.server), 0);
	assert_int_equal(counts_of(&f).tls_failures, 1);
	close(fd);
	stop(&f);
}

static void a_handshake_that_takes_too_long_is_given_up(void **state)
{
	struct fixture f = {0};
	start(&f);
	int fd = dial(&f);
	for (int i = 0; i < 25; i++)
		turn(&f);
	assert_int_equal(tn_http_server_connections(f.server), 1);
	f.now_ms += 150;
	for (int i = 0; i < 500 && tn_http_server_connections(f.server); i++)
		turn(&f);
	assert_int_equal(tn_http_server_connections(f.server), 0);
	assert_int_equal(counts_of(&f).timeouts, 1);
	close(fd);
	stop(&f);
}

static void a_client_that_does_not_begin_its_handshake_makes_room(void **state)
{
	struct fixture f = {.answer_len = 1, .connections = 1};
	start(&f);
	int silent = dial(&f);
	for (int i = 0; i < 25; i++)
		turn(&f);
	f.now_ms += 100;
	hang_up(shake(&f));
	assert_int_equal(counts_of(&f).idle_closed, 1);
	close(silent);
	stop(&f);
}

/* Encrypts without sending. */
static void write_aside(SSL *ssl, struct tn_str text, struct tn_buf *out_record)
{
	char *bytes;
	SSL_set0_wbio(ssl, BIO_new(BIO_s_mem()));
	assert_int_equal(SSL_write(ssl, text.bytes, (int)text.len), text.len);
	long len = BIO_get_mem_data(SSL_get_wbio(ssl), &bytes);
	tn_buf_add(out_record, bytes, (size_t)len);
}

static void a_connection_with_part_of_a_record_is_not_idle(void **state)
{
	struct fixture f = {.answer_len = 1, .connections = 1};
	struct tn_buf record = {0}, answer = {0};
	start(&f);
	SSL *ssl = shake(&f);
	f.now_ms += 150;
	write_aside(ssl, TN_STR(GET), &record);
	assert_int_equal(send(SSL_get_rfd(ssl), record.bytes, 20, 0), 20);
	for (int i = 0; i < 25; i++)
		turn(&f);
	int waiting = dial(&f);
	f.now_ms += 50;
	for (int i = 0; i < 1000; i++)
		turn(&f);
	assert_int_equal(counts_of(&f).idle_closed, 0);
	assert_int_equal(send(SSL_get_rfd(ssl), record.bytes + 20, record.len - 20, 0), record.len - 20);
	read_at_least(&f, ssl, 1, &answer);
	close(waiting);
	close(SSL_get_rfd(ssl));
	SSL_free(ssl);
	tn_buf_fini(&record);
	tn_buf_fini(&answer);
	stop(&f);
}

static void tls_1_1_is_refused(void **state)
{
	struct fixture f = {0};
	start(&f);
	SSL_CTX_set_security_level(f.client_tls, 0);
	SSL_CTX_set_min_proto_version(f.client_tls, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(f.client_tls, TLS1_1_VERSION);
	SSL *ssl = SSL_new(f.client_tls);
	SSL_set_fd(ssl, dial(&f));
	for (int i = 0; i < 500 && !counts_of(&f).tls_failures; i++) {
		SSL_connect(ssl);
		turn(&f);
	}
	assert_int_equal(counts_of(&f).tls_failures, 1);
	hang_up(ssl);
	stop(&f);
}

static void files_that_cannot_be_used_are_refused_by_name(void **state)
{
	struct ssl_ctx_st *tls = NULL;
	struct tn_error error = {0};
	char certificate[64], key[64], other_certificate[64], other_key[64];
	make_certificate(certificate, key);
	make_certificate(other_certificate, other_key);
	assert_int_equal(tn_tls_server_new("/nonexistent", key, &tls, &error), TN_INVALID);
	assert_non_null(strstr(error.message, "/nonexistent"));
	assert_int_equal(tn_tls_server_new(certificate, certificate, &tls, &error), TN_INVALID);
	assert_non_null(strstr(error.message, certificate));
	assert_int_equal(tn_tls_server_new(certificate, other_key, &tls, &error), TN_INVALID);
	assert_non_null(strstr(error.message, other_key));
	assert_null(tls);
	unlink(certificate);
	unlink(key);
	unlink(other_certificate);
	unlink(other_key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_requests_and_answers_pass_through_tls),
		cmocka_unit_test(pipelined_requests_are_all_answered),
		cmocka_unit_test(a_client_that_said_goodbye_still_gets_its_answer),
		cmocka_unit_test(a_reset_is_noticed_before_the_answer),
		cmocka_unit_test(a_client_that_speaks_no_tls_is_closed),
		cmocka_unit_test(a_handshake_that_takes_too_long_is_given_up),
		cmocka_unit_test(a_client_that_does_not_begin_its_handshake_makes_room),
		cmocka_unit_test(a_connection_with_part_of_a_record_is_not_idle),
		cmocka_unit_test(tls_1_1_is_refused),
		cmocka_unit_test(files_that_cannot_be_used_are_refused_by_name),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
