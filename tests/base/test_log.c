/* SPDX-License-Identifier: Apache-2.0
 *
 * test_log.c - log lines stay one line and valid JSON, whatever a value holds; secrets are read by reference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/log.h"
#include "turnout/secret.h"
#include "turnout/str.h"
#include "turnout/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int64_t fixed_ms(void *arg)
{
	return 1795433536042;
}

static struct tn_str logged(enum tn_log_format format, const char *value, char *out, size_t size)
{
	int ends[2];
	char quoted[256];
	assert_int_equal(pipe(ends), 0);
	struct tn_clock clock = {fixed_ms, fixed_ms, NULL};
	struct tn_log log = {.fd = ends[1], .level = TN_LOG_INFO, .format = format, .clock = &clock, .bus = "orders"};
	tn_log_debug(&log, "not shown", "a=%d", 1);
	tn_log_warn(&log, "delivery parked", "rule=%s n=%d why=%s", "big", 3, tn_log_quote(value, strlen(value), quoted, sizeof quoted));
	ssize_t len = read(ends[0], out, size);
	close(ends[0]);
	close(ends[1]);
	return tn_str_make(out, (size_t)len);
}

static void text_reads_like_a_sentence_with_facts(void **state)
{
	char out[512];
	struct tn_str line = logged(TN_LOG_TEXT, "a b", out, sizeof out);
	assert_true(tn_str_is(line, "2026-11-23T11:32:16.042Z warn  delivery parked  rule=big n=3 why=\"a b\"\n"));
}

static void json_stays_valid_with_nasty_values(void **state)
{
	char out[512];
	struct tn_str line = logged(TN_LOG_JSON, "x\"y\\z\n=", out, sizeof out);
	assert_int_equal(line.bytes[line.len - 1], '\n');
	assert_true(tn_json_valid(line, 8));
	assert_true(tn_str_starts(line, TN_STR("{\"time\":\"2026-11-23T11:32:16.042Z\",\"level\":\"warn\",\"bus\":\"orders\",\"msg\":\"delivery parked\",\"rule\":\"big\"")));
}

static void secrets_come_from_environment_and_files(void **state)
{
	struct tn_buf value = {0};
	struct tn_error error = {0};
	setenv("TN_TEST_SECRET", "s3cret", 1);
	struct tn_secret env = {.reference = TN_STR("env:TN_TEST_SECRET")}, missing = {.reference = TN_STR("env:TN_TEST_NOT_SET")};
	assert_int_equal(tn_secret_read(&env, &value, &error), TN_OK);
	assert_true(tn_str_is(tn_buf_str(&value), "s3cret"));
	assert_int_equal(tn_secret_read(&missing, &value, &error), TN_NOT_FOUND);
	assert_non_null(strstr(error.message, "env:TN_TEST_NOT_SET"));

	char path[] = "/tmp/turnout-secret-XXXXXX", reference[64];
	int fd = mkstemp(path);
	assert_int_equal(write(fd, "line\n", 5), 5);
	close(fd);
	snprintf(reference, sizeof reference, "file:%s", path);
	struct tn_secret file = {.reference = tn_str_from(reference)};
	tn_buf_clear(&value);
	assert_int_equal(tn_secret_read(&file, &value, &error), TN_OK);
	assert_true(tn_str_is(tn_buf_str(&value), "line"));
	unlink(path);
	assert_int_equal(tn_secret_read(&file, &value, &error), TN_NOT_FOUND);
	assert_true(tn_str_is(tn_buf_str(&value), "line"));
	tn_buf_fini(&value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_reads_like_a_sentence_with_facts),
		cmocka_unit_test(json_stays_valid_with_nasty_values),
		cmocka_unit_test(secrets_come_from_environment_and_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
