/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_source.c - the HTTP source between a client on the loopback and a scripted bus.
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
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <event2/event.h>
#include "http_source.h"

#define EVENT_HEAD "POST /events HTTP/1.1\r\nHost: a\r\nce-id: 1\r\nContent-Length: 2\r\n"
#define EVENT EVENT_HEAD "\r\n{}"

enum script { KEEP, SAY_FULL, REFUSE_AT_ONCE, SAY_CLOSED };

struct fixture {
	struct event_base *base;
	struct tn_host host;
	struct tn_source *source;
	struct tn_http_source_options options;
	char listen[64];
	enum script script;
	struct tn_position positions[64];
	int message_count, full_count;
	bool stopped;
	char body[64], first_header[64];
	enum tn_ack_when ack_when;
};

/* --- The bus --- */

static uint32_t stream_open(void *arg, const char *name, uint32_t epoch, int64_t lease_ms)
{
	assert_int_equal(epoch, 1);
	assert_int_equal(lease_ms, 0);
	return 7;
}

static enum tn_status message(void *arg, const struct tn_message *message)
{
	struct fixture *fixture = arg;
	static const struct tn_wire_error error = {
		.fault = TN_FAULT_MISSING_ATTRIBUTE, .attribute = "source", .index = 2, .offset = -1, .message = "source is missing"};
	static const struct tn_refusal refusal = {.status = 400, .error = &error};
	switch (fixture->script) {
	case SAY_FULL:
		fixture->full_count++;
		return TN_FULL;
	case SAY_CLOSED:
		return TN_CLOSED;
	case REFUSE_AT_ONCE:
		tn_http_source_ops.refuse(fixture->source, message->position, &refusal);
		return TN_OK;
	case KEEP:
		break;
	}
	fixture->positions[fixture->message_count++] = message->position;
	fixture->ack_when = message->ack_when;
	snprintf(fixture->body, sizeof fixture->body, "%.*s", TN_STR_ARG(message->body));
	snprintf(fixture->first_header, sizeof fixture->first_header, "%.*s", TN_STR_ARG(message->headers[1].name));
	return TN_OK;
}

static void stopped(void *arg)
{
	((struct fixture *)arg)->stopped = true;
}

static void set_defaults(struct fixture *fixture)
{
	snprintf(fixture->listen, sizeof fixture->listen, "unix:/tmp/tn-http-source-%d.sock", (int)getpid());
	fixture->options = (struct tn_http_source_options){
		.listen = tn_str_from(fixture->listen),
		.max_body_bytes = 1024 * 1024,
		.max_header_bytes = 80 * 1024,
		.max_connections = 16,
		.min_body_rate = 1024,
		.header_timeout_ms = 10000,
		.idle_timeout_ms = 60000,
		.batch = true,
	};
}

static void start(struct fixture *fixture)
{
	struct tn_error error = {0};
	fixture->base = event_base_new();
	fixture->host = (struct tn_host){
		.base = fixture->base,
		.clock = &tn_clock_system,
		.name = "web",
		.worker_count = 1,
		.arg = fixture,
		.stream_open = stream_open,
		.message = message,
		.stopped = stopped,
	};
	if (tn_http_source_ops.open(&fixture->host, &fixture->options, &fixture->source, &error) != TN_OK)
		fail_msg("%s", error.message);
}

static void turns(struct fixture *fixture)
{
	struct timespec pause = {0, 200000};
	for (int i = 0; i < 20; i++) {
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
		nanosleep(&pause, NULL);
	}
}

static void give_credit(struct fixture *fixture, uint32_t count)
{
	tn_http_source_ops.credit(fixture->source, 7, count);
	turns(fixture);
}

static void finish(struct fixture *fixture)
{
	tn_http_source_ops.stop(fixture->source);
	assert_false(fixture->stopped);
	for (int i = 0; i < 1000 && !fixture->stopped; i++)
		turns(fixture);
	assert_true(fixture->stopped);
	event_base_free(fixture->base);
}

/* --- The client --- */

static int dial(struct fixture *fixture)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(un.sun_path, sizeof un.sun_path, "%s", fixture->listen + 5);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
	return fd;
}

static int post(struct fixture *fixture, const char *text)
{
	int fd = dial(fixture);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turns(fixture);
	return fd;
}

/* What has been answered so far; answers "" when nothing was. */
static const char *answer_of(struct fixture *fixture, int fd)
{
	static char answer[4096];
	turns(fixture);
	ssize_t got = recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT);
	answer[got > 0 ? got : 0] = 0;
	return answer;
}

static void expect_answer(struct fixture *fixture, int fd, const char *status, const char *part)
{
	const char *answer = answer_of(fixture, fd);
	if (strncmp(answer + 9, status, 3) != 0 || !strstr(answer, part))
		fail_msg("not %s with %s: %s", status, part, answer);
	close(fd);
}

static void expect_refusal(struct fixture *fixture, const char *text, const char *status, const char *part)
{
	expect_answer(fixture, post(fixture, text), status, part);
	assert_int_equal(fixture->message_count, 0);
}

static void settle(struct fixture *fixture, int index, struct tn_settlement settlement)
{
	tn_http_source_ops.ack(fixture->source, fixture->positions[index], &settlement);
}

/* --- Durable and sync --- */

static void a_durable_event_is_answered_202_when_it_is_journaled(void **state)
{
	struct fixture f = {0};
	set_defaults(&f);
	start(&f);
	give_credit(&f, 10);
	int fd = post(&f, EVENT);
	assert_int_equal(f.message_count, 1);
	assert_int_equal(f.ack_when, TN_ACK_JOURNALED);
	assert_string_equal(f.body, "{}");
	assert_string_equal(f.first_header, "ce-id");
	assert_int_equal(f.positions[0].stream, 7);
	assert_int_equal(f.positions[0].epoch, 1);
	assert_string_equal(answer_of(&f, fd), "");
	settle(&f, 0, (struct tn_settlement){.answer = TN_ANSWER_JOURNALED});
	assert_string_equal(answer_of(&f, fd), "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
	close(fd);
	finish(&f);
}

static void a_durable_event_that_no_rule_matches_is_answered_202(void **state)
{
	struct fixture f = {0};
	set_defaults(&f);
	start(&f);
	give_credit(&f, 10);
	int fd = post(&f, EVENT);
	settle(&f, 0, (struct tn_settlement){.answer = TN_ANSWER_SETTLED});
	expect_answer(&f, fd, "202", "");
	finish(&f);
}

static void a_sync_event_is_answered_by_its_worst_outcome(void **state)
{
	static const struct {
		struct tn_settlement settlement;
		const char *status, *part;
	} rows[] = {
		{{.delivered = 2}, "200", "Content-Length: 0"},
		{{.delivered = 0}, "200", "Content-Length: 0"},
		{{.delivered = 1, .parked = 1}, "202", "Content-Length: 0"},
		{{.delivered = 1, .parked = 1, .dead = 1, .code = "HTTP_500"}, "502", "\"code\":\"HTTP_500\",\"delivered\":1"},
		{{.dead = 1, .code = "TIMEOUT"}, "504", "\"code\":\"TIMEOUT\""},
		{{.dead = 1}, "502", "\"code\":\"UNKNOWN\""},
	};
	struct fixture f = {0};
	set_defaults(&f);
	f.options.mode = TN_HTTP_SOURCE_SYNC;
	start(&f);
	give_credit(&f, 10);
	for (int i = 0; i < (int)(sizeof rows / sizeof *rows); i++) {
		int fd = post(&f, EVENT);
		assert_int_equal(f.ack_when, TN_ACK_SETTLED);
		settle(&f, i, rows[i].settlement);
		expect_answer(&f, fd, rows[i].status, rows[i].part);
	}
	finish(&f);
}

static void a_full_store_is_answered_503_with_the_time_to_come_again(void **state)
{
	struct fixture f = {0};
	set_defaults(&f);
	start(&f);
	give_credit(&f, 10);
	int fd = post(&f, EVENT);
	settle(&f, 0, (struct tn_settlement){.answer = TN_ANSWER_UNAVAILABLE, .retry_after_ms = 4500});
	expect_answer(&f, fd, "503", "Retry-After: 5\r\n");
	finish(&f);
}

static void a_copy_is_answered_as_accepted_as_busy_or_as_a_conflict(void **state)
{
	static const struct {
		enum tn_answer answer;
		const char *status, *part;
	} rows[] = {
		{TN_ANSWER_DUPLICATE, "202", "Idempotency-Replayed: true\r\n"},
		{TN_ANSWER_BUSY, "409", "Retry-After: 1\r\n"},
		{TN_ANSWER_CONFLICT, "422", "another payload"},
	};
	struct fixture f = {0};
	set_defaults(&f);
	start(&f);
	give_credit(&f, 10);
	for (int i = 0; i < (int)(sizeof rows / sizeof *rows); i++) {
		int fd = post(&f, EVENT);
		settle(&f, i, (struct tn_settlement){.answer = rows[i].answer});
		expect_answer(&f, fd, rows[i].status, rows[i].part);
	}
	finish(&f);
}

static void a_released_event_is_answered_503(void **state)
{
	struct fixture f = {0};
	set_defaults(&f);
	start(&f);
	give_credit(&f, 10);
	int fd = post(&f, EVENT);
	tn_http_source_ops.release(f.source, f.positions[0], 0);
	expect_answer(&f, fd, "503", "Retry-After: 1\r\n");
	finish(&f);
}

static void pipelined_events_are_answered_in_order(void **state)
{
	struct fixture f = {0};
	set_defaults(&f);
	f.options.mode = TN_HTTP_SOURCE_SYNC;
	start(&f);
	give_credit(&f, 10);
	int fd = post(&f, EVENT EVENT);
	assert_int_equal(f.message_count, 2);
	settle(&f, 1, (struct tn_settlement){.parked = 1});
	assert_string_equal(answer_of(&f, fd), "");
	settle(&f, 0, (struct tn_settlement){.delivered = 1});
	const char *answer = answer_of(&f, fd);
	assert_int_equal(strncmp(answer, "HTTP/1.1 200", 12), 0);
	assert_non_null(strstr(answer, "HTTP/1.1 202"));
	close(fd);
	finish(&f);
}

/* --- Refusals --- */

static void a_bad_event_is_refused_with_its_place(void **state)
{
	struct fixture f = {.script = REFUSE_AT_ONCE};
	set_defaults(&f);
	start(&f);
	give_credit(&f, 1);
	for (int i = 0; i < 3; i++) /* a refused event costs no credit */
		expect_refusal(&f, EVENT, "400",
			"\"detail\":\"source is missing\",\"error\":\"missing_attribute\",\"attribute\":\"source\",\"index\":2}");
	finish(&f);
}

static void other_methods_are_told_what_is_allowed(void **state)
{
	static const char *const methods[] = {"GET", "PUT", "OPTIONS", "DELETE", "PATCH"};
	struct fixture f = {0};
	set_defaults(&f);
	start(&f);
	give_credit(&f, 10);
	for (size_t i = 0; i < 5; i++) {
		char text[64];
		snprintf(text, sizeof text, "%s /events HTTP/1.1\r\nHost: a\r\n\r\n", methods[i]);
		expect_refusal(&f, text, "405", "Allow: POST\r\n");
	}
	finish(&f);
}

static void any_path_takes_events_unless_one_is_set(void **state)
{
	struct fixture f = {0};
	set_defaults(&f);
	f.options.path = TN_STR("/in");
	start(&f);
	give_credit(&f, 10);
	expect_refusal(&f, EVENT, "404", "problem+json");
	close(post(&f, "POST /in?x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
	assert_int_equal(f.message_count, 1);
	finish(&f);
}

static void batches_can_be_switched_off(void **state)
{
	struct fixture f = {0};
	set_defaults(&f);
	f.options.batch = false;
	start(&f);
	give_credit(&f, 10);
	expect_refusal(&f, EVENT_HEAD "Content-Type: application/cloudevents-batch+json; charset=utf-8\r\n\r\n[]", "415", "batches");
	close(post(&f, EVENT));
	assert_int_equal(f.message_count, 1);
	finish(&f);
}

static void a_token_is_needed_before_the_body_is_read(void **state)
{
	static const char *const wrong[] = {"", "Authorization: Bearer s3cre\r\n", "Authorization: Bearer s3cret2\r\n",
		"Authorization: Bearer S3cret\r\n", "Authorization: Basic s3cret\r\n", "Authorization: s3cret\r\n",
		"Authorization: Bearer\r\n"};
	struct fixture f = {0};
	char text[256];
	setenv("TN_TEST_TOKEN", "s3cret", 1);
	set_defaults(&f);
	f.options.bearer.reference = TN_STR("env:TN_TEST_TOKEN");
	start(&f);
	give_credit(&f, 10);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		snprintf(text, sizeof text, EVENT_HEAD "%s\r\n", wrong[i]); /* the body is never sent */
		expect_refusal(&f, text, "401", "WWW-Authenticate: Bearer");
	}
	close(post(&f, EVENT_HEAD "Authorization: bearer s3cret\r\n\r\n{}"));
	assert_int_equal(f.message_count, 1);
	finish(&f);
}

static void a_bus_that_takes_nothing_more_is_answered_503(void **state)
{
	struct fixture f = {.script = SAY_CLOSED};
	set_defaults(&f);
	start(&f);
	give_credit(&f, 10);
	expect_refusal(&f, EVENT, "503", "Retry-After: 1\r\n");
	finish(&f);
}

/* --- Credit --- */

static void nothing_is_handed_over_without_credit(void **state)
{
	struct fixture f = {0};
	set_defaults(&f);
	start(&f);
	int fd = post(&f, EVENT EVENT EVENT);
	assert_int_equal(f.message_count, 0);
	give_credit(&f, 2);
	assert_int_equal(f.message_count, 2);
	settle(&f, 0, (struct tn_settlement){.answer = TN_ANSWER_JOURNALED});
	turns(&f);
	assert_int_equal(f.message_count, 2);
	give_credit(&f, 1);
	assert_int_equal(f.message_count, 3);
	close(fd);
	finish(&f);
}

static void what_the_bus_had_no_room_for_is_offered_again(void **state)
{
	struct fixture f = {.script = SAY_FULL};
	set_defaults(&f);
	start(&f);
	give_credit(&f, 2);
	int fd = post(&f, EVENT EVENT);
	assert_int_equal(f.full_count, 1);
	turns(&f);
	assert_int_equal(f.full_count, 1);
	f.script = KEEP;
	give_credit(&f, 0);
	assert_int_equal(f.message_count, 2);
	settle(&f, 0, (struct tn_settlement){.answer = TN_ANSWER_JOURNALED});
	settle(&f, 1, (struct tn_settlement){.answer = TN_ANSWER_JOURNALED});
	expect_answer(&f, fd, "202", "");
	finish(&f);
}

/* --- Clients that leave --- */

static void an_ack_for_a_client_that_left_is_for_nobody(void **state)
{
	struct fixture f = {0};
	set_defaults(&f);
	start(&f);
	give_credit(&f, 10);
	close(post(&f, EVENT));
	turns(&f);
	settle(&f, 0, (struct tn_settlement){.answer = TN_ANSWER_JOURNALED});
	settle(&f, 0, (struct tn_settlement){.answer = TN_ANSWER_JOURNALED});
	int fd = post(&f, EVENT);
	settle(&f, 1, (struct tn_settlement){.answer = TN_ANSWER_JOURNALED});
	expect_answer(&f, fd, "202", "");
	finish(&f);
}

static void an_event_whose_client_left_while_it_waited_is_not_offered(void **state)
{
	struct fixture f = {.script = SAY_FULL};
	set_defaults(&f);
	start(&f);
	give_credit(&f, 1);
	close(post(&f, EVENT));
	turns(&f);
	f.script = KEEP;
	give_credit(&f, 1);
	assert_int_equal(f.message_count, 0);
	close(post(&f, EVENT));
	assert_int_equal(f.message_count, 1);
	finish(&f);
}

static void an_ack_of_another_stream_answers_nobody(void **state)
{
	struct fixture f = {0};
	set_defaults(&f);
	start(&f);
	give_credit(&f, 10);
	int fd = post(&f, EVENT);
	f.positions[0].stream = 8;
	settle(&f, 0, (struct tn_settlement){.answer = TN_ANSWER_JOURNALED});
	assert_string_equal(answer_of(&f, fd), "");
	close(fd);
	finish(&f);
}

/* --- The end --- */

static void a_draining_source_answers_503_and_what_it_has(void **state)
{
	struct fixture f = {0};
	set_defaults(&f);
	start(&f);
	give_credit(&f, 1);
	int fd = post(&f, EVENT), late = post(&f, EVENT);
	assert_string_equal(answer_of(&f, late), "");
	tn_http_source_ops.pause(f.source, true);
	expect_answer(&f, late, "503", "Retry-After: 5\r\n");
	int refused = post(&f, EVENT);
	expect_answer(&f, refused, "503", "Connection: close\r\n");
	settle(&f, 0, (struct tn_settlement){.answer = TN_ANSWER_JOURNALED});
	expect_answer(&f, fd, "202", "");
	assert_int_equal(f.message_count, 1);
	finish(&f);
}

static void an_event_that_waits_for_room_is_answered_503_when_draining(void **state)
{
	struct fixture f = {.script = SAY_FULL};
	set_defaults(&f);
	start(&f);
	give_credit(&f, 1);
	int fd = post(&f, EVENT);
	assert_string_equal(answer_of(&f, fd), "");
	tn_http_source_ops.pause(f.source, true);
	expect_answer(&f, fd, "503", "Retry-After: 5\r\n");
	finish(&f);
}

static void stopping_ends_with_unanswered_clients(void **state)
{
	struct fixture f = {0};
	set_defaults(&f);
	start(&f);
	give_credit(&f, 1);
	int fd = post(&f, EVENT);
	finish(&f);
	char byte;
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
}

static void a_position_is_described_as_json(void **state)
{
	char json[64];
	struct tn_position position = {.stream = 1, .epoch = 1, .low = 42};
	size_t len = tn_http_source_ops.describe("web", position, json, sizeof json);
	assert_string_equal(json, "{\"request\":42}");
	assert_int_equal(len, strlen(json));
}

/* --- Options --- */

static void check_says(struct tn_http_source_options options, enum tn_status status, const char *part)
{
	struct tn_error error = {0};
	assert_int_equal(tn_http_source_check(&options, &error), status);
	assert_non_null(strstr(error.message, part));
}

static void an_open_address_needs_a_token_or_a_word(void **state)
{
	struct tn_http_source_options options = {.listen = TN_STR("0.0.0.0:8080")};
	check_says(options, TN_INVALID, "allow_anonymous");
	options.listen = TN_STR("[::]:8080");
	check_says(options, TN_INVALID, "allow_anonymous");
	options.allow_anonymous = true;
	check_says(options, TN_OK, "");
	options.allow_anonymous = false;
	options.bearer.reference = TN_STR("env:TOKEN");
	check_says(options, TN_OK, "");
}

static void a_local_address_needs_neither(void **state)
{
	static const char *const rows[] = {"127.0.0.1:8080", "127.1.2.3:80", "localhost:80", "[::1]:80", "[::ffff:127.0.0.1]:80",
		"unix:/run/turnout.sock"};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		check_says((struct tn_http_source_options){.listen = tn_str_from(rows[i])}, TN_OK, "");
}

static void options_that_cannot_be_meant_are_refused(void **state)
{
	struct tn_http_source_options options = {.listen = TN_STR("nowhere")};
	check_says(options, TN_INVALID, "nowhere is not an address");
	options.listen = TN_STR("127.0.0.1:0");
	options.key = TN_STR("key.pem");
	check_says(options, TN_INVALID, "tls.certificate");
	options.key = TN_STR("");
	options.path = TN_STR("in");
	check_says(options, TN_INVALID, "path in");
}

static void open_says(struct tn_http_source_options options, enum tn_status status, const char *part)
{
	struct event_base *base = event_base_new();
	struct tn_host host = {.base = base, .clock = &tn_clock_system, .name = "web", .worker_count = 1};
	struct tn_error error = {0};
	struct tn_source *source = NULL;
	assert_int_equal(tn_http_source_ops.open(&host, &options, &source, &error), status);
	assert_non_null(strstr(error.message, part));
	assert_null(source);
	event_base_free(base);
}

static void what_cannot_be_opened_says_why(void **state)
{
	struct fixture f = {0};
	set_defaults(&f);
	start(&f);
	open_says(f.options, TN_BUSY, "cannot listen on");
	f.options.certificate = TN_STR("/nonexistent.pem");
	f.options.key = TN_STR("/nonexistent.pem");
	open_says(f.options, TN_INVALID, "/nonexistent.pem");
	f.options.bearer.reference = TN_STR("env:TN_TEST_NO_SUCH_TOKEN");
	open_says(f.options, TN_NOT_FOUND, "TN_TEST_NO_SUCH_TOKEN");
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_durable_event_is_answered_202_when_it_is_journaled),
		cmocka_unit_test(a_durable_event_that_no_rule_matches_is_answered_202),
		cmocka_unit_test(a_sync_event_is_answered_by_its_worst_outcome),
		cmocka_unit_test(a_full_store_is_answered_503_with_the_time_to_come_again),
		cmocka_unit_test(a_copy_is_answered_as_accepted_as_busy_or_as_a_conflict),
		cmocka_unit_test(a_released_event_is_answered_503),
		cmocka_unit_test(pipelined_events_are_answered_in_order),
		cmocka_unit_test(a_bad_event_is_refused_with_its_place),
		cmocka_unit_test(other_methods_are_told_what_is_allowed),
		cmocka_unit_test(any_path_takes_events_unless_one_is_set),
		cmocka_unit_test(batches_can_be_switched_off),
		cmocka_unit_test(a_token_is_needed_before_the_body_is_read),
		cmocka_unit_test(a_bus_that_takes_nothing_more_is_answered_503),
		cmocka_unit_test(nothing_is_handed_over_without_credit),
		cmocka_unit_test(what_the_bus_had_no_room_for_is_offered_again),
		cmocka_unit_test(an_ack_for_a_client_that_left_is_for_nobody),
		cmocka_unit_test(an_event_whose_client_left_while_it_waited_is_not_offered),
		cmocka_unit_test(an_ack_of_another_stream_answers_nobody),
		cmocka_unit_test(a_draining_source_answers_503_and_what_it_has),
		cmocka_unit_test(an_event_that_waits_for_room_is_answered_503_when_draining),
		cmocka_unit_test(stopping_ends_with_unanswered_clients),
		cmocka_unit_test(a_position_is_described_as_json),
		cmocka_unit_test(an_open_address_needs_a_token_or_a_word),
		cmocka_unit_test(a_local_address_needs_neither),
		cmocka_unit_test(options_that_cannot_be_meant_are_refused),
		cmocka_unit_test(what_cannot_be_opened_says_why),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("http_source", tests, NULL, NULL);
}
