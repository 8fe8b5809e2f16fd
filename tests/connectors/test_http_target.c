/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_target.c - the HTTP target against a scripted server on loopback: what arrives there, and what is reported here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <signal.h>
#include <stdlib.h>

#include "http.h"
#include "http_target.h"
#include "loopback.h"
#include "turnout/address.h"
#include "turnout/base64.h"
#include "turnout/doc.h"

struct world {
	struct event_base *base;
	struct loopback server;
	struct tn_host host;
	struct tn_http_target_options options;
	struct tn_target *target;
	struct tn_arena arena;
	char url[128];
	struct tn_event *event;
	struct tn_route route;
	struct tn_item item;
	struct tn_attempt attempt;
	/* what was reported last */
	unsigned results, stopped;
	uint64_t token;
	struct tn_outcome outcome;
	struct tn_buf message, sample, digest, reply;
	uint32_t count;
	enum tn_verdict verdicts[4];
	unsigned replies;
	bool stop_from_result;
};

/* As text: the header lines, an empty line, the body. */
static void keep_reply(struct world *world, const struct tn_message *reply)
{
	tn_buf_clear(&world->reply);
	if (!reply)
		return;
	world->replies++;
	for (uint32_t i = 0; i < reply->header_count; i++)
		tn_buf_addf(&world->reply, "%.*s: %.*s\n", TN_STR_ARG(reply->headers[i].name), TN_STR_ARG(reply->headers[i].value));
	tn_buf_addf(&world->reply, "\n%.*s", TN_STR_ARG(reply->body));
	tn_buf_terminate(&world->reply);
	assert_true(reply->has_body);
	assert_null(reply->content_type.bytes);
}

static void on_result(void *arg, const struct tn_result *result, const struct tn_message *reply)
{
	struct world *world = arg;
	assert_in_range(result->count, 1, 4);
	world->count = result->count;
	for (uint32_t i = 0; i < result->count; i++)
		world->verdicts[i] = result->outcomes[i].verdict;
	keep_reply(world, reply);
	world->results++;
	world->token = result->token;
	world->outcome = result->outcomes[0];
	tn_buf_clear(&world->message);
	tn_buf_add_str(&world->message, world->outcome.message);
	tn_buf_clear(&world->sample);
	tn_buf_add_str(&world->sample, world->outcome.sample);
	tn_buf_clear(&world->digest);
	tn_buf_add_str(&world->digest, world->outcome.sent_sha256);
	if (world->stop_from_result)
		tn_http_target_ops.stop(world->target);
}

static void on_stopped(void *arg)
{
	struct world *world = arg;
	world->stopped++;
	world->target = NULL;
}

static void run_until(struct world *world, const unsigned *count, unsigned wanted)
{
	for (int turn = 0; *count < wanted; turn++) {
		struct timeval wait = {5, 0};
		event_base_loopexit(world->base, &wait);
		event_base_loop(world->base, EVLOOP_ONCE);
		if (turn > 10000)
			fail_msg("nothing came");
	}
}

static void run_briefly(struct world *world, int ms)
{
	struct timeval wait = {0, ms * 1000};
	event_base_loopexit(world->base, &wait);
	event_base_dispatch(world->base);
}

static struct tn_event *make_event(void)
{
	struct tn_attribute attributes[] = {{TN_STR("id"), TN_STR("1"), TN_STRING}, {TN_STR("source"), TN_STR("/shop"), TN_STRING},
		{TN_STR("type"), TN_STR("order.created"), TN_STRING}, {TN_STR("datacontenttype"), TN_STR("application/json"), TN_STRING},
		{TN_STR("note"), TN_STR("gr\xc3\xbc\xc3\x9f dich"), TN_STRING}, {TN_STR("dlqrule"), TN_STR("of an earlier death"), TN_STRING}};
	return tn_event_new(&(struct tn_event_parts){
		.attributes = attributes, .attribute_count = 6, .has_data = true, .data = TN_STR("{\"total\":1}"), .accepted_ms = 1000});
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	world->base = event_base_new();
	loopback_start(&world->server, world->base);
	world->server.reply = "HTTP/1.1 202 Accepted\r\nContent-Length: 7\r\n\r\nignored";
	world->host = (struct tn_host){
		.base = world->base, .clock = &tn_clock_system, .name = "billing", .arg = world, .result = on_result, .stopped = on_stopped};
	snprintf(world->url, sizeof world->url, "http://127.0.0.1:%u/events?tenant=7", world->server.port);
	world->options = (struct tn_http_target_options){.url = tn_str_from(world->url), .connect_timeout_ms = 1000};
	world->event = make_event();
	world->route = (struct tn_route){.rule = TN_STR("big-orders"), .target = TN_STR("billing")};
	world->item = (struct tn_item){.event = world->event, .route = &world->route, .id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}}};
	world->attempt = (struct tn_attempt){.token = 1, .timeout_ms = 3000, .items = &world->item, .count = 1};
	*state = world;
	return 0;
}

static void stop_target(struct world *world)
{
	if (!world->target)
		return;
	unsigned wanted = world->stopped + 1;
	tn_http_target_ops.stop(world->target);
	assert_int_equal(world->stopped, wanted - 1);
	run_until(world, &world->stopped, wanted);
}

static int tear_down(void **state)
{
	struct world *world = *state;
	world->stop_from_result = false;
	stop_target(world);
	loopback_stop(&world->server);
	event_base_free(world->base);
	tn_event_unref(world->event);
	tn_arena_fini(&world->arena);
	tn_buf_fini(&world->message);
	tn_buf_fini(&world->sample);
	tn_buf_fini(&world->digest);
	tn_buf_fini(&world->reply);
	free(world);
	return 0;
}

static void open_target(struct world *world)
{
	struct tn_error error = {0};
	assert_int_equal(tn_http_target_check(&world->options, &error), TN_OK);
	if (tn_http_target_ops.open(&world->host, &world->options, &world->target, &error) != TN_OK)
		fail_msg("%s", error.message);
}

static const struct tn_outcome *deliver(struct world *world)
{
	if (!world->target)
		open_target(world);
	world->attempt.token++;
	tn_http_target_ops.deliver(world->target, &world->attempt);
	run_until(world, &world->results, world->results + 1);
	assert_int_equal(world->token, world->attempt.token);
	return &world->outcome;
}

static bool got_line(struct world *world, const char *line)
{
	return loopback_has_line(&world->server, line);
}

/* --- What arrives --- */

static void an_event_arrives_in_binary_mode(void **state)
{
	struct world *world = *state;
	world->item.tries.system = 2;
	assert_int_equal(deliver(world)->verdict, TN_DELIVERED);
	assert_true(tn_str_starts(tn_buf_str(&world->server.request), TN_STR("POST /events?tenant=7 HTTP/1.1\r\n")));
	assert_true(tn_str_ends(tn_buf_str(&world->server.request), TN_STR("\r\n\r\n{\"total\":1}")));
	assert_true(got_line(world, "content-type: application/json"));
	assert_true(got_line(world, "ce-specversion: 1.0"));
	assert_true(got_line(world, "ce-id: 1"));
	assert_true(got_line(world, "ce-note: gr%C3%BC%C3%9F%20dich"));
	assert_true(got_line(world, "Idempotency-Key: \"aebagbafaydqqcikbmga2dqpca\""));
	assert_true(got_line(world, "Turnout-Attempt: 3"));
	assert_true(got_line(world, "User-Agent: Turnout/" TN_VERSION));
	assert_int_equal(world->sample.len, 0);
}

static void an_event_arrives_in_structured_mode(void **state)
{
	struct world *world = *state;
	world->options.structured = 1;
	assert_int_equal(deliver(world)->verdict, TN_DELIVERED);
	assert_non_null(strcasestr(world->server.request.bytes, "content-type: application/cloudevents+json"));
	assert_non_null(strstr(world->server.request.bytes, "\"data\":{\"total\":1}"));
	assert_null(strstr(world->server.request.bytes, "ce-id"));
}

static void the_key_may_be_bare(void **state)
{
	struct world *world = *state;
	world->options.bare_key = 1;
	deliver(world);
	assert_true(got_line(world, "Idempotency-Key: aebagbafaydqqcikbmga2dqpca"));
}

static void headers_and_secrets_are_sent(void **state)
{
	struct world *world = *state;
	struct tn_pair pairs[] = {{TN_STR("X-Tenant"), {TN_STR("seven"), true}}, {TN_STR("User-Agent"), {TN_STR("Shop/1"), true}},
		{TN_STR("X-Key"), {TN_STR("env:TEST_KEY"), false}}};
	setenv("TEST_KEY", "k3y", 1);
	setenv("TEST_TOKEN", "t0ken", 1);
	world->options.headers = (struct tn_pairs){pairs, 3};
	world->options.bearer.reference = TN_STR("env:TEST_TOKEN");
	deliver(world);
	assert_true(got_line(world, "X-Tenant: seven"));
	assert_true(got_line(world, "X-Key: k3y"));
	assert_true(got_line(world, "Authorization: Bearer t0ken"));
	assert_true(got_line(world, "User-Agent: Shop/1"));
	assert_false(got_line(world, "User-Agent: Turnout/" TN_VERSION));
}

static void basic_credentials_are_sent(void **state)
{
	struct world *world = *state;
	setenv("TEST_PASSWORD", "open sesame", 1);
	world->options.basic_username = TN_STR("Aladdin");
	world->options.basic_password.reference = TN_STR("env:TEST_PASSWORD");
	deliver(world);
	assert_true(got_line(world, "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
}

static void attempts_share_a_connection(void **state)
{
	struct world *world = *state;
	for (int i = 0; i < 10; i++)
		deliver(world);
	assert_int_equal(world->server.connections, 1);
	assert_int_equal(world->results, 10);
}

/* --- What is reported --- */

static void a_refusal_is_reported_with_its_sample(void **state)
{
	struct world *world = *state;
	world->server.reply = "HTTP/1.1 503 Busy\r\nRetry-After: 9\r\nContent-Length: 4\r\n\r\nlate";
	const struct tn_outcome *outcome = deliver(world);
	assert_int_equal(outcome->verdict, TN_THROTTLED);
	assert_string_equal(outcome->code, "THROTTLED");
	assert_int_equal(outcome->status, 503);
	assert_int_equal(outcome->retry_after_ms, 9000);
	assert_true(tn_str_is(tn_buf_str(&world->sample), "late"));
	assert_true(tn_str_is(tn_buf_str(&world->message), "the target answered 503"));
}

static void a_redirect_is_rejected_and_not_followed(void **state)
{
	struct world *world = *state;
	world->server.reply = "HTTP/1.1 308 Moved\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n";
	assert_int_equal(deliver(world)->verdict, TN_REJECTED);
	assert_string_equal(world->outcome.code, "REDIRECT");
	assert_int_equal(world->server.requests, 1);
}

static void overrides_of_the_target_count(void **state)
{
	struct world *world = *state;
	struct tn_str status = TN_STR("404");
	world->options.retry_on = (struct tn_texts){&status, 1};
	world->server.reply = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n";
	assert_int_equal(deliver(world)->verdict, TN_RETRY);
}

static void a_forbidden_address_is_a_misconfiguration(void **state)
{
	struct world *world = *state;
	struct tn_str deny = TN_STR("127.0.0.0/8");
	world->options.deny = (struct tn_texts){&deny, 1};
	const struct tn_outcome *outcome = deliver(world);
	assert_int_equal(outcome->verdict, TN_MISCONFIGURED);
	assert_string_equal(outcome->code, "ADDRESS_BLOCKED");
	assert_false(outcome->credential);
	assert_int_equal(world->server.connections, 0);
}

static void the_bus_may_forbid_what_the_target_allows(void **state)
{
	struct world *world = *state;
	struct tn_str block = TN_STR("127.0.0.0/8");
	struct tn_address_policy *policy = NULL;
	assert_int_equal(tn_address_policy_new(NULL, 0, &block, 1, &policy, NULL), TN_OK);
	world->host.addresses = policy;
	world->options.allow = (struct tn_texts){&block, 1};
	assert_string_equal(deliver(world)->code, "ADDRESS_BLOCKED");
	tn_address_policy_free(policy);
}

static void silence_is_a_timeout(void **state)
{
	struct world *world = *state;
	world->server.reply = NULL;
	world->attempt.timeout_ms = 50;
	const struct tn_outcome *outcome = deliver(world);
	assert_int_equal(outcome->verdict, TN_RETRY);
	assert_string_equal(outcome->code, "TIMEOUT");
	assert_true(outcome->maybe_done);
}

static void a_cancelled_attempt_is_a_timeout_reported_once(void **state)
{
	struct world *world = *state;
	world->server.reply = NULL;
	open_target(world);
	struct tn_attempt attempts[3];
	for (uint64_t token = 1; token <= 3; token++) {
		attempts[token - 1] = world->attempt;
		attempts[token - 1].token = token;
		tn_http_target_ops.deliver(world->target, &attempts[token - 1]);
	}
	run_briefly(world, 30);
	tn_http_target_ops.cancel(world->target, 2);
	tn_http_target_ops.cancel(world->target, 77);
	assert_int_equal(world->results, 0);
	run_until(world, &world->results, 1);
	assert_int_equal(world->token, 2);
	assert_string_equal(world->outcome.code, "TIMEOUT");
	assert_true(world->outcome.maybe_done);
	tn_http_target_ops.cancel(world->target, 2);
	run_briefly(world, 30);
	assert_int_equal(world->results, 1);
	tn_http_target_ops.cancel(world->target, 1);
	tn_http_target_ops.cancel(world->target, 3);
	run_until(world, &world->results, 3);
}

static void an_event_that_cannot_stand_in_headers_is_rejected(void **state)
{
	struct world *world = *state;
	struct tn_attribute attributes[] = {{TN_STR("id"), TN_STR("1"), TN_STRING}, {TN_STR("source"), TN_STR("/shop"), TN_STRING},
		{TN_STR("type"), TN_STR("x"), TN_STRING}, {TN_STR("datacontenttype"), TN_STR("text/plain\r\nX-Evil: 1"), TN_STRING}};
	tn_event_unref(world->event);
	world->event = tn_event_new(&(struct tn_event_parts){.attributes = attributes, .attribute_count = 4});
	world->item.event = world->event;
	assert_int_equal(deliver(world)->verdict, TN_REJECTED);
	assert_string_equal(world->outcome.code, "BAD_EVENT");
	assert_int_equal(world->server.requests, 0);
}

/* The digest of what came after the headers of the last request. */
static bool is_digest_of_request(struct world *world)
{
	unsigned char digest[32];
	const char *body = strstr(world->server.request.bytes, "\r\n\r\n") + 4;
	EVP_Digest(body, strlen(body), digest, NULL, EVP_sha256(), NULL);
	return tn_str_equal(tn_buf_str(&world->digest), tn_str_make((const char *)digest, sizeof digest));
}

static void a_failure_has_the_digest_of_what_was_sent(void **state)
{
	struct world *world = *state;
	assert_int_equal(deliver(world)->sent_sha256.len, 0);
	world->server.reply = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
	deliver(world);
	assert_true(is_digest_of_request(world));
	stop_target(world);
	world->options.structured = 1;
	deliver(world);
	assert_true(is_digest_of_request(world));
}

static void the_digest_of_nothing_is_that_of_no_bytes(void **state)
{
	struct world *world = *state;
	struct tn_attribute attributes[] = {{TN_STR("id"), TN_STR("1"), TN_STRING}, {TN_STR("source"), TN_STR("/shop"), TN_STRING},
		{TN_STR("type"), TN_STR("x"), TN_STRING}};
	tn_event_unref(world->event);
	world->item.event = world->event = tn_event_new(&(struct tn_event_parts){.attributes = attributes, .attribute_count = 3});
	world->server.reply = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
	deliver(world);
	assert_memory_equal(world->digest.bytes, "\xe3\xb0\xc4\x42", 4);
}

static void a_target_that_is_gone_may_be_held(void **state)
{
	struct world *world = *state;
	world->server.reply = "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n";
	assert_false(deliver(world)->credential);
	stop_target(world);
	world->options.disable_on_gone = true;
	assert_true(deliver(world)->credential);
	assert_int_equal(world->outcome.verdict, TN_MISCONFIGURED);
	assert_string_equal(world->outcome.code, "GONE");
}

/* --- Credentials that change --- */

static void want_new_token(struct loopback *server, struct bufferevent *connection)
{
	loopback_write(connection, loopback_has_line(server, "Authorization: Bearer new") ? LOOPBACK_OK
											     : "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
}

static void a_refused_token_is_read_again_once(void **state)
{
	struct world *world = *state;
	setenv("TEST_TOKEN", "old", 1);
	world->options.bearer.reference = TN_STR("env:TEST_TOKEN");
	world->server.script = want_new_token;
	open_target(world);
	setenv("TEST_TOKEN", "new", 1);
	assert_int_equal(deliver(world)->verdict, TN_DELIVERED);
	assert_int_equal(world->server.requests, 2);
	assert_int_equal(world->results, 1);
	assert_true(got_line(world, "Turnout-Attempt: 1"));
	deliver(world);
	assert_int_equal(world->server.requests, 3);
}

static void a_token_that_did_not_change_is_not_sent_again(void **state)
{
	struct world *world = *state;
	setenv("TEST_TOKEN", "old", 1);
	world->options.bearer.reference = TN_STR("env:TEST_TOKEN");
	world->server.script = want_new_token;
	const struct tn_outcome *outcome = deliver(world);
	assert_int_equal(outcome->verdict, TN_MISCONFIGURED);
	assert_true(outcome->credential);
	assert_string_equal(outcome->code, "UNAUTHORIZED");
	assert_int_equal(world->server.requests, 1);
}

static void a_new_token_that_is_refused_too_is_the_end(void **state)
{
	struct world *world = *state;
	setenv("TEST_TOKEN", "old", 1);
	world->options.bearer.reference = TN_STR("env:TEST_TOKEN");
	world->server.reply = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n";
	open_target(world);
	setenv("TEST_TOKEN", "other", 1);
	assert_string_equal(deliver(world)->code, "UNAUTHORIZED");
	assert_int_equal(world->server.requests, 2);
}

static int64_t hurried_ms(void *arg)
{
	int64_t *now_ms = arg;
	return *now_ms += 1500;
}

static void change_the_token(struct loopback *server, struct bufferevent *connection)
{
	char token[32];
	snprintf(token, sizeof token, "number %u", server->requests);
	setenv("TEST_TOKEN", token, 1);
	loopback_write(connection, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
}

static void a_token_that_keeps_changing_is_tried_twice_an_attempt(void **state)
{
	struct world *world = *state;
	int64_t now_ms = 0;
	struct tn_clock clock = {.mono_ms = hurried_ms, .wall_ms = hurried_ms, .arg = &now_ms};
	setenv("TEST_TOKEN", "old", 1);
	world->host.clock = &clock;
	world->options.bearer.reference = TN_STR("env:TEST_TOKEN");
	world->server.script = change_the_token;
	world->attempt.timeout_ms = 60000;
	assert_string_equal(deliver(world)->code, "UNAUTHORIZED");
	assert_int_equal(world->server.requests, 2);
	stop_target(world);
}

static void a_missing_secret_stops_the_target_from_opening(void **state)
{
	struct world *world = *state;
	struct tn_error error = {0};
	struct tn_target *target = NULL;
	unsetenv("TEST_MISSING");
	world->options.bearer.reference = TN_STR("env:TEST_MISSING");
	assert_int_equal(tn_http_target_ops.open(&world->host, &world->options, &target, &error), TN_NOT_FOUND);
	assert_null(target);
	assert_non_null(strstr(error.message, "TEST_MISSING"));
	setenv("TEST_MISSING", "two\nlines", 1);
	assert_int_equal(tn_http_target_ops.open(&world->host, &world->options, &target, &error), TN_INVALID);
	assert_null(strstr(error.message, "lines"));
}

/* --- Signatures --- */

/* The value of a header of the last request, in a buffer that stays until the next call. */
static const char *sent_header(struct world *world, const char *name)
{
	static char value[512];
	char start[64];
	snprintf(start, sizeof start, "\r\n%s: ", name);
	const char *at = strstr(world->server.request.bytes, start);
	if (!at)
		return NULL;
	at += strlen(start);
	snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
	return value;
}

/* Whether the last request carries the signature of that secret over its own id, time and body. */
static bool is_signed_by(struct world *world, const char *secret)
{
	struct tn_buf key = {0}, text = {0}, expected = {0};
	unsigned char digest[32];
	const char *body = strstr(world->server.request.bytes, "\r\n\r\n") + 4;
	assert_true(tn_base64_decode(&key, tn_str_from(secret + 6)));
	tn_buf_add_text(&text, sent_header(world, "webhook-id"));
	tn_buf_add_byte(&text, '.');
	tn_buf_add_text(&text, sent_header(world, "webhook-timestamp"));
	tn_buf_add_byte(&text, '.');
	tn_buf_add_text(&text, body);
	HMAC(EVP_sha256(), key.bytes, (int)key.len, (const unsigned char *)text.bytes, text.len, digest, NULL);
	tn_buf_add_text(&expected, "v1,");
	tn_base64_encode(&expected, tn_str_make((const char *)digest, sizeof digest));
	tn_buf_terminate(&expected);
	bool found = strstr(sent_header(world, "webhook-signature"), expected.bytes) != NULL;
	tn_buf_fini(&key);
	tn_buf_fini(&text);
	tn_buf_fini(&expected);
	return found;
}

#define OLD_SECRET "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"
#define NEW_SECRET "whsec_bmV3IG5ldyBuZXcgbmV3IG5ldyBuZXcgISEh"

static void sign_with(struct world *world, struct tn_secret *secrets, size_t count)
{
	static const char *const names[] = {"env:TEST_OLD", "env:TEST_NEW"};
	setenv("TEST_OLD", OLD_SECRET, 1);
	setenv("TEST_NEW", NEW_SECRET, 1);
	for (size_t i = 0; i < count; i++)
		secrets[i] = (struct tn_secret){.reference = tn_str_from(names[i])};
	world->options.signing = (struct tn_secrets){secrets, count};
}

static void a_request_is_signed_over_the_bytes_sent(void **state)
{
	struct world *world = *state;
	struct tn_secret secrets[1];
	int64_t before_s = tn_clock_wall_ms(&tn_clock_system) / 1000;
	sign_with(world, secrets, 1);
	for (world->options.structured = 0; world->options.structured < 2; world->options.structured++) {
		assert_int_equal(deliver(world)->verdict, TN_DELIVERED);
		assert_true(got_line(world, "webhook-id: aebagbafaydqqcikbmga2dqpca"));
		assert_in_range(atoll(sent_header(world, "webhook-timestamp")), before_s, before_s + 60);
		assert_true(is_signed_by(world, OLD_SECRET));
		assert_false(is_signed_by(world, NEW_SECRET));
	}
}

static void an_event_without_data_is_signed_too(void **state)
{
	struct world *world = *state;
	struct tn_secret secrets[1];
	struct tn_attribute attributes[] = {{TN_STR("id"), TN_STR("1"), TN_STRING}, {TN_STR("source"), TN_STR("/shop"), TN_STRING},
		{TN_STR("type"), TN_STR("x"), TN_STRING}};
	tn_event_unref(world->event);
	world->item.event = world->event = tn_event_new(&(struct tn_event_parts){.attributes = attributes, .attribute_count = 3});
	sign_with(world, secrets, 1);
	deliver(world);
	assert_true(is_signed_by(world, OLD_SECRET));
}

static void each_attempt_is_signed_with_its_own_time(void **state)
{
	struct world *world = *state;
	struct tn_secret secrets[1];
	int64_t now_ms = 1700000000000;
	struct tn_clock clock = {.mono_ms = hurried_ms, .wall_ms = hurried_ms, .arg = &now_ms};
	world->host.clock = &clock;
	world->attempt.timeout_ms = 60000;
	sign_with(world, secrets, 1);
	deliver(world);
	int64_t first_s = atoll(sent_header(world, "webhook-timestamp"));
	world->item.tries.system = 1;
	deliver(world);
	assert_true(atoll(sent_header(world, "webhook-timestamp")) > first_s);
	assert_true(got_line(world, "webhook-id: aebagbafaydqqcikbmga2dqpca"));
	assert_true(is_signed_by(world, OLD_SECRET));
	stop_target(world);
}

static void while_keys_are_rotated_both_sign(void **state)
{
	struct world *world = *state;
	struct tn_secret secrets[2];
	sign_with(world, secrets, 2);
	deliver(world);
	assert_true(is_signed_by(world, OLD_SECRET));
	assert_true(is_signed_by(world, NEW_SECRET));
	assert_int_equal(strcspn(sent_header(world, "webhook-signature"), " "), 47);
}

static void no_key_no_signature(void **state)
{
	struct world *world = *state;
	deliver(world);
	assert_null(sent_header(world, "webhook-id"));
	assert_null(sent_header(world, "webhook-signature"));
}

static struct world *judge; /* of want_new_key */
static const char *refusal;

static void want_new_key(struct loopback *server, struct bufferevent *connection)
{
	loopback_write(connection, is_signed_by(judge, NEW_SECRET) ? LOOPBACK_OK : refusal);
}

static void a_refused_signature_is_made_again_once_with_the_key_read_anew(void **state)
{
	static const char *const refusals[] = {"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"};
	struct world *world = *state;
	struct tn_secret secrets[1];
	judge = world;
	world->server.script = want_new_key;
	for (size_t i = 0; i < 3; i++) {
		unsigned requests = world->server.requests;
		refusal = refusals[i];
		sign_with(world, secrets, 1);
		open_target(world);
		setenv("TEST_OLD", NEW_SECRET, 1);
		assert_int_equal(deliver(world)->verdict, TN_DELIVERED);
		assert_int_equal(world->server.requests, requests + 2);
		stop_target(world);
	}
}

static void a_refusal_of_what_is_not_signed_is_final(void **state)
{
	struct world *world = *state;
	setenv("TEST_TOKEN", "old", 1);
	world->options.bearer.reference = TN_STR("env:TEST_TOKEN");
	world->server.reply = "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n";
	open_target(world);
	setenv("TEST_TOKEN", "new", 1);
	assert_int_equal(deliver(world)->verdict, TN_REJECTED);
	assert_int_equal(world->server.requests, 1);
}

static void a_bad_key_stops_the_target_from_opening(void **state)
{
	struct world *world = *state;
	struct tn_secret secrets[2];
	struct tn_error error = {0};
	sign_with(world, secrets, 2);
	setenv("TEST_NEW", "whsec_c2hvcnQ=", 1);
	assert_int_equal(tn_http_target_ops.open(&world->host, &world->options, &world->target, &error), TN_INVALID);
	assert_null(world->target);
	assert_non_null(strstr(error.message, "env:TEST_NEW"));
	assert_null(strstr(error.message, "c2hvcnQ"));
}

/* --- Dead letters --- */

static void a_dead_letter_carries_its_reason(void **state)
{
	struct world *world = *state;
	struct tn_outcome last = {.verdict = TN_RETRY, .code = "HTTP_503", .message = TN_STR("the target answered 503")};
	world->attempt.purpose = TN_TO_DEAD_LETTER;
	world->item.last = &last;
	world->item.condition = TN_CONDITION_MAX_RETRIES;
	world->item.tries.system = 4;
	assert_int_equal(deliver(world)->verdict, TN_DELIVERED);
	assert_true(got_line(world, "ce-id: 1"));
	assert_true(got_line(world, "ce-dlqrule: big-orders"));
	assert_true(got_line(world, "ce-dlqtarget: billing"));
	assert_true(got_line(world, "ce-dlqerrorcode: HTTP_503"));
	assert_true(got_line(world, "ce-dlqerrormsg: the%20target%20answered%20503"));
	assert_true(got_line(world, "ce-dlqcondition: MaximumRetryAttempts"));
	assert_true(got_line(world, "ce-dlqretries: 3"));
	assert_non_null(strstr(world->server.request.bytes, "\r\nce-dlqtime: 20"));
	assert_true(tn_str_ends(tn_buf_str(&world->server.request), TN_STR("{\"total\":1}")));
}

static void a_dead_letter_may_be_structured(void **state)
{
	struct world *world = *state;
	world->options.structured = 1;
	world->attempt.purpose = TN_TO_DEAD_LETTER;
	world->item.tries.system = 1;
	deliver(world);
	assert_non_null(strstr(world->server.request.bytes, "\"dlqretries\":0"));
	assert_null(strstr(world->server.request.bytes, "dlqcondition"));
	assert_null(strstr(world->server.request.bytes, "earlier"));
}

static void poison_arrives_wrapped_in_an_event(void **state)
{
	struct world *world = *state;
	struct tn_outcome last = {.verdict = TN_REJECTED, .code = "POISON", .message = TN_STR("no such thing")};
	tn_event_unref(world->event);
	world->event = tn_event_new_raw(TN_STR("\x01garbage"), TN_STR("not JSON"), 0);
	world->item.event = world->event;
	world->item.last = &last;
	world->item.origin = TN_STR("{\"offset\":42}");
	world->attempt.purpose = TN_TO_DEAD_LETTER;
	assert_int_equal(deliver(world)->verdict, TN_DELIVERED);
	assert_true(got_line(world, "ce-type: turnout.poison"));
	assert_true(got_line(world, "ce-id: aebagbafaydqqcikbmga2dqpca"));
	assert_true(got_line(world, "ce-source: /turnout/poison"));
	assert_true(got_line(world, "content-type: application/octet-stream"));
	assert_true(got_line(world, "ce-dlqerrorcode: POISON"));
	assert_true(got_line(world, "ce-dlqorigin: {%22offset%22:42}"));
	assert_true(tn_str_ends(tn_buf_str(&world->server.request), TN_STR("\r\n\r\n\x01garbage")));
}

static void a_dead_letter_of_base64_data_stays_base64(void **state)
{
	struct world *world = *state;
	struct tn_attribute attributes[] = {{TN_STR("id"), TN_STR("1"), TN_STRING}, {TN_STR("source"), TN_STR("/shop"), TN_STRING},
		{TN_STR("type"), TN_STR("x"), TN_STRING}, {TN_STR("datacontenttype"), TN_STR("application/json"), TN_STRING}};
	tn_event_unref(world->event);
	world->item.event = world->event = tn_event_new(&(struct tn_event_parts){.attributes = attributes, .attribute_count = 4,
		.has_data = true, .data = TN_STR("{}"), .data_form = TN_FORM_BASE64});
	world->options.structured = 1;
	world->attempt.purpose = TN_TO_DEAD_LETTER;
	deliver(world);
	assert_non_null(strstr(world->server.request.bytes, "\"data_base64\":\"e30=\""));
}

/* --- Batches --- */

#define FIRST_ID "aebagbafaydqqcikbmga2dqpca"

/* Three items with the ids a..., q... and 7..., of one event. */
static void make_batch(struct world *world, struct tn_item items[3])
{
	for (int i = 0; i < 3; i++) {
		items[i] = world->item;
		items[i].tries.system = (uint32_t)i;
	}
	memset(&items[1].id, 0x80, sizeof items[1].id);
	memset(&items[2].id, 0xff, sizeof items[2].id);
	world->attempt.items = items;
	world->attempt.count = 3;
}

static void several_items_arrive_as_a_batch(void **state)
{
	struct world *world = *state;
	struct tn_item items[3];
	make_batch(world, items);
	world->server.reply = "HTTP/1.1 204 Done\r\n\r\n";
	assert_int_equal(deliver(world)->verdict, TN_DELIVERED);
	assert_int_equal(world->count, 1);
	assert_true(got_line(world, "content-type: application/cloudevents-batch+json"));
	assert_null(sent_header(world, "Idempotency-Key"));
	assert_null(sent_header(world, "Turnout-Attempt"));
	assert_null(sent_header(world, "ce-id"));
	const char *body = strstr(world->server.request.bytes, "\r\n\r\n") + 4;
	assert_true(body[0] == '[' && strcmp(body + strlen(body) - 2, "}]") == 0);
	assert_non_null(strstr(body, "\"turnoutdeliveryid\":\"" FIRST_ID "\",\"turnoutattempt\":1}"));
	assert_non_null(strstr(body, "\"turnoutattempt\":3}]"));
}

static void one_item_is_a_batch_where_the_target_takes_batches(void **state)
{
	struct world *world = *state;
	world->attempt.batch = true;
	world->server.reply = LOOPBACK_OK;
	assert_string_equal(deliver(world)->code, "BATCH_RESPONSE"); /* it says ok, which is no JSON */
	assert_int_equal(world->outcome.verdict, TN_RETRY);
	assert_true(is_digest_of_request(world));
	assert_true(got_line(world, "content-type: application/cloudevents-batch+json"));
}

static void the_items_that_were_not_done_are_retried(void **state)
{
	struct world *world = *state;
	struct tn_item items[3];
	make_batch(world, items);
	world->server.reply = "HTTP/1.1 200 OK\r\nContent-Length: 76\r\n\r\n"
			      "{\"batchItemFailures\":[{\"itemIdentifier\":\"" FIRST_ID "\"}]}     ";
	deliver(world);
	assert_int_equal(world->count, 3);
	assert_int_equal(world->verdicts[0], TN_RETRY);
	assert_int_equal(world->verdicts[1], TN_DELIVERED);
	assert_int_equal(world->verdicts[2], TN_DELIVERED);
	assert_string_equal(world->outcome.code, "BATCH_ITEM_FAILURE");
	assert_true(is_digest_of_request(world));
}

static void a_refused_batch_has_one_outcome_for_all(void **state)
{
	struct world *world = *state;
	struct tn_item items[3];
	make_batch(world, items);
	world->server.reply = "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n";
	assert_int_equal(deliver(world)->verdict, TN_THROTTLED);
	assert_int_equal(world->count, 1);
}

static void an_answer_to_a_batch_that_breaks_off_says_nothing(void **state)
{
	struct world *world = *state;
	struct tn_item items[3];
	make_batch(world, items);
	world->server.close_after = true;
	world->server.reply = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n";
	assert_int_equal(deliver(world)->verdict, TN_RETRY);
	assert_string_equal(world->outcome.code, "TRANSPORT");
	assert_true(world->outcome.maybe_done);
	assert_int_equal(world->count, 1);
}

static void answer_at_length(struct loopback *server, struct bufferevent *connection)
{
	char blanks[5000];
	memset(blanks, ' ', sizeof blanks);
	loopback_write(connection, "HTTP/1.1 200 OK\r\nContent-Length: 5002\r\n\r\n{}");
	bufferevent_write(connection, blanks, sizeof blanks);
}

static void an_answer_longer_than_any_list_of_failures_is_not_read(void **state)
{
	struct world *world = *state;
	struct tn_item items[3];
	make_batch(world, items);
	world->server.script = answer_at_length;
	assert_int_equal(deliver(world)->verdict, TN_RETRY);
	assert_string_equal(world->outcome.code, "BATCH_RESPONSE");
	assert_int_equal(world->sample.len, 1024);
}

static void each_request_of_a_batch_has_a_webhook_id_of_its_own(void **state)
{
	struct world *world = *state;
	struct tn_item items[3];
	struct tn_secret secrets[1];
	char first[64];
	make_batch(world, items);
	sign_with(world, secrets, 1);
	deliver(world);
	snprintf(first, sizeof first, "%.63s", sent_header(world, "webhook-id"));
	assert_int_equal(strlen(first), 26);
	assert_true(is_signed_by(world, OLD_SECRET));
	deliver(world);
	assert_string_not_equal(sent_header(world, "webhook-id"), first);
}

/* --- Replies --- */

#define REPLY_HEAD "HTTP/1.1 200 OK\r\nce-specversion: 1.0\r\nce-id: r1\r\nce-source: /f\r\nce-type: t\r\nContent-Type: text/plain\r\n"

static void an_event_in_the_answer_is_handed_over(void **state)
{
	struct world *world = *state;
	world->options.reply_to_bus = 1;
	world->server.reply = REPLY_HEAD "Content-Length: 5\r\n\r\nhello";
	assert_int_equal(deliver(world)->verdict, TN_DELIVERED);
	assert_int_equal(world->replies, 1);
	assert_non_null(strstr(world->reply.bytes, "ce-id: r1\n"));
	assert_true(tn_str_ends(tn_buf_str(&world->reply), TN_STR("\n\nhello")));
	assert_true(got_line(world, "Prefer: reply"));
}

static void an_answer_is_no_reply_unless_the_target_says_so(void **state)
{
	struct world *world = *state;
	world->server.reply = REPLY_HEAD "Content-Length: 5\r\n\r\nhello";
	assert_int_equal(deliver(world)->verdict, TN_DELIVERED);
	assert_int_equal(world->replies, 0);
	assert_null(sent_header(world, "Prefer"));
}

static void a_sink_of_dead_letters_sends_no_replies(void **state)
{
	struct world *world = *state;
	world->options.reply_to_bus = 1;
	world->attempt.purpose = TN_TO_DEAD_LETTER;
	world->server.reply = REPLY_HEAD "Content-Length: 5\r\n\r\nhello";
	assert_int_equal(deliver(world)->verdict, TN_DELIVERED);
	assert_int_equal(world->replies, 0);
	assert_null(sent_header(world, "Prefer"));
}

static void a_batch_takes_no_replies(void **state)
{
	struct world *world = *state;
	world->options.reply_to_bus = 1;
	world->attempt.batch = true;
	world->server.reply = REPLY_HEAD "Content-Length: 2\r\n\r\n{}";
	assert_int_equal(deliver(world)->verdict, TN_DELIVERED);
	assert_int_equal(world->replies, 0);
	assert_null(sent_header(world, "Prefer"));
}

static void a_reply_that_breaks_off_is_asked_for_again(void **state)
{
	struct world *world = *state;
	world->options.reply_to_bus = 1;
	world->server.close_after = true;
	world->server.reply = REPLY_HEAD "Content-Length: 50\r\n\r\nhello";
	assert_int_equal(deliver(world)->verdict, TN_RETRY);
	assert_string_equal(world->outcome.code, "TRANSPORT");
	assert_int_equal(world->outcome.status, 200);
	assert_true(world->outcome.maybe_done);
	assert_int_equal(world->replies, 0);
	world->server.reply = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello";
	assert_int_equal(deliver(world)->verdict, TN_DELIVERED);
}

static size_t flood;

static void reply_with_a_flood(struct loopback *server, struct bufferevent *connection)
{
	char head[256], *big = malloc(flood);
	memset(big, 'x', flood);
	snprintf(head, sizeof head, REPLY_HEAD "Content-Length: %zu\r\n\r\n", flood);
	loopback_write(connection, head);
	bufferevent_write(connection, big, flood);
	free(big);
}

static void a_reply_that_is_too_large_is_a_dead_letter(void **state)
{
	struct world *world = *state;
	world->options.reply_to_bus = 1;
	world->server.script = reply_with_a_flood;
	flood = 1024 * 1024;
	assert_int_equal(deliver(world)->verdict, TN_DELIVERED);
	assert_int_equal(world->replies, 1);
	flood++;
	assert_int_equal(deliver(world)->verdict, TN_REJECTED);
	assert_string_equal(world->outcome.code, "REPLY_TOO_LARGE");
	assert_true(world->outcome.maybe_done);
	assert_int_equal(world->sample.len, 1024);
	assert_int_equal(world->replies, 1);
}

/* --- Stopping --- */

static void a_target_may_be_stopped_from_its_last_result(void **state)
{
	struct world *world = *state;
	open_target(world);
	world->stop_from_result = true;
	tn_http_target_ops.deliver(world->target, &world->attempt);
	run_until(world, &world->stopped, 1);
	assert_int_equal(world->results, 1);
}

/* --- Configuration --- */

static enum tn_status parse(struct world *world, const char *text, struct tn_error *error)
{
	const struct tn_option *const tables[] = {tn_http_connector.target_options, NULL};
	struct tn_doc doc = {0};
	memset(&world->options, 0, sizeof world->options);
	enum tn_status status = tn_doc_parse(tn_str_from(text), "turnout.yaml", &doc, error);
	if (status == TN_OK)
		status = tn_option_parse(&doc, doc.root, tables, NULL, &world->arena, &world->options, error);
	if (status == TN_OK)
		status = tn_http_connector.check_target(&world->options, error);
	tn_doc_fini(&doc);
	return status;
}

static void settings_are_read_from_the_configuration(void **state)
{
	struct world *world = *state;
	struct tn_error error = {0};
	char shown[64];
	const char *text = "url: https://billing.internal/events?key=1\n"
			   "content_mode: structured\n"
			   "connect_timeout: 2s\n"
			   "auth: {bearer: env:TOKEN}\n"
			   "idempotency_key: bare\n"
			   "signing: {secrets: [env:NEW, file:old]}\n"
			   "headers: {X-Tenant: seven, X-Key: file:/run/key}\n"
			   "addresses: {allow: [169.254.1.0/24], deny: [10.0.0.0/8]}\n"
			   "retry_on: [404, 450-459]\n"
			   "fail_on: [500]\n";
	if (parse(world, text, &error) != TN_OK)
		fail_msg("%s", error.message);
	assert_int_equal(world->options.structured, 1);
	assert_int_equal(world->options.connect_timeout_ms, 2000);
	assert_int_equal(world->options.headers.count, 2);
	assert_int_equal(world->options.bare_key, 1);
	assert_int_equal(world->options.signing.count, 2);
	tn_http_connector.describe_target(&world->options, shown, sizeof shown);
	assert_string_equal(shown, "https://billing.internal:443/events");
}

static void wrong_settings_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *reason;
	} rows[] = {
		{"content_mode: binary\n", "url is missing"},
		{"url: ftp://x/\n", "http://"},
		{"url: http://me:secret@x/\n", "use auth"},
		{"url: http://x/\nheaders: {Host: y}\n", "'Host' is set by the bus"},
		{"url: http://x/\nheaders: {ce-id: y}\n", "'ce-id' is set by the bus"},
		{"url: http://x/\nheaders: {Turnout-Attempt: '9'}\n", "set by the bus"},
		{"url: http://x/\nheaders: {content-length: '9'}\n", "set by the bus"},
		{"url: http://x/\nheaders: {Idempotency-Key: y}\n", "set by the bus"},
		{"url: http://x/\nheaders: {Transfer-Encoding: chunked}\n", "set by the bus"},
		{"url: http://x/\nheaders: {'a b': y}\n", "'a b' is not the name"},
		{"url: http://x/\nheaders: {a: \"x\\r\\nb: c\"}\n", "control characters"},
		{"url: http://x/\nheaders: {a: x, A: y}\n", "twice"},
		{"url: http://x/\nheaders: {Authorization: Bearer x}\n", "must be a reference"},
		{"url: http://x/\nauth: {bearer: secret}\n", "reference"},
		{"url: http://x/\nauth: {bearer: env:A, basic: {username: u, password: env:P}}\n", "exclude"},
		{"url: http://x/\nauth: {basic: {username: u}}\n", "username and password"},
		{"url: http://x/\nauth: {basic: {username: 'u:v', password: env:P}}\n", "colon"},
		{"url: http://x/\nauth: {bearer: env:A}\nheaders: {authorization: env:B}\n", "exclude"},
		{"url: http://x/\ntls: {key: /k}\n", "need each other"},
		{"url: http://x/\naddresses: {deny: [10.0.0.1/8]}\n", "10.0.0.1/8"},
		{"url: http://x/\nretry_on: [200]\n", "retry_on: '200'"},
		{"url: http://x/\nretry_on: [503]\nfail_on: [500-599]\n", "503"},
		{"url: http://x/\nsigning: {}\n", "signing has no settings"},
		{"url: http://x/\nsigning: {secrets: [whsec_AAAA]}\n", "reference"},
		{"url: http://x/\nsigning: {secrets: [env:A, env:A, env:A, env:A, env:A, env:A, env:A, env:A, env:A]}\n", "at most 8"},
		{"url: http://x/\nheaders: {Webhook-Id: y}\n", "set by the bus"},
		{"url: http://x/\nidempotency_key: structured\n", "quoted, bare"},
		{"url: http://x/\nauth: {oauth2: {}}\n", "later"},
	};
	struct world *world = *state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tn_error error = {0};
		if (parse(world, rows[i].text, &error) == TN_OK)
			fail_msg("this was taken: %s", rows[i].text);
		if (!strstr(error.message, rows[i].reason))
			fail_msg("%s was refused with: %s", rows[i].text, error.message);
		assert_null(strstr(error.message, "secret@"));
	}
}

static void the_registry_knows_what_is_there_and_what_comes(void **state)
{
	assert_ptr_equal(tn_registry_find(TN_STR("http")), &tn_http_connector);
	assert_null(tn_registry_find(TN_STR("kafka")));
	assert_true(tn_registry_later(TN_STR("kafka")));
	assert_false(tn_registry_later(TN_STR("http")));
	assert_false(tn_registry_later(TN_STR("carrier-pigeon")));
	assert_ptr_equal(tn_registry_all()[0], &tn_http_connector);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_event_arrives_in_binary_mode),
		TEST(an_event_arrives_in_structured_mode),
		TEST(the_key_may_be_bare),
		TEST(headers_and_secrets_are_sent),
		TEST(basic_credentials_are_sent),
		TEST(attempts_share_a_connection),
		TEST(a_refusal_is_reported_with_its_sample),
		TEST(a_redirect_is_rejected_and_not_followed),
		TEST(overrides_of_the_target_count),
		TEST(a_forbidden_address_is_a_misconfiguration),
		TEST(the_bus_may_forbid_what_the_target_allows),
		TEST(silence_is_a_timeout),
		TEST(a_cancelled_attempt_is_a_timeout_reported_once),
		TEST(an_event_that_cannot_stand_in_headers_is_rejected),
		TEST(a_refused_token_is_read_again_once),
		TEST(a_token_that_did_not_change_is_not_sent_again),
		TEST(a_new_token_that_is_refused_too_is_the_end),
		TEST(a_token_that_keeps_changing_is_tried_twice_an_attempt),
		TEST(a_missing_secret_stops_the_target_from_opening),
		TEST(a_request_is_signed_over_the_bytes_sent),
		TEST(an_event_without_data_is_signed_too),
		TEST(each_attempt_is_signed_with_its_own_time),
		TEST(while_keys_are_rotated_both_sign),
		TEST(no_key_no_signature),
		TEST(a_refused_signature_is_made_again_once_with_the_key_read_anew),
		TEST(a_refusal_of_what_is_not_signed_is_final),
		TEST(a_bad_key_stops_the_target_from_opening),
		TEST(a_dead_letter_carries_its_reason),
		TEST(a_dead_letter_may_be_structured),
		TEST(poison_arrives_wrapped_in_an_event),
		TEST(a_dead_letter_of_base64_data_stays_base64),
		TEST(a_failure_has_the_digest_of_what_was_sent),
		TEST(the_digest_of_nothing_is_that_of_no_bytes),
		TEST(a_target_that_is_gone_may_be_held),
		TEST(several_items_arrive_as_a_batch),
		TEST(one_item_is_a_batch_where_the_target_takes_batches),
		TEST(the_items_that_were_not_done_are_retried),
		TEST(a_refused_batch_has_one_outcome_for_all),
		TEST(an_answer_to_a_batch_that_breaks_off_says_nothing),
		TEST(an_answer_longer_than_any_list_of_failures_is_not_read),
		TEST(each_request_of_a_batch_has_a_webhook_id_of_its_own),
		TEST(an_event_in_the_answer_is_handed_over),
		TEST(an_answer_is_no_reply_unless_the_target_says_so),
		TEST(a_sink_of_dead_letters_sends_no_replies),
		TEST(a_batch_takes_no_replies),
		TEST(a_reply_that_breaks_off_is_asked_for_again),
		TEST(a_reply_that_is_too_large_is_a_dead_letter),
		TEST(a_target_may_be_stopped_from_its_last_result),
		TEST(settings_are_read_from_the_configuration),
		TEST(wrong_settings_are_refused_with_a_reason),
		cmocka_unit_test(the_registry_knows_what_is_there_and_what_comes),
	};
	signal(SIGPIPE, SIG_IGN);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	curl_global_cleanup();
	return failed;
}
