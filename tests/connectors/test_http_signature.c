/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_signature.c - keys as Standard Webhooks writes them, and what they sign. The expected signature was computed elsewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "http_signature.h"

static enum tn_status read_keys(const char *value, struct tn_http_signature **out_signature, struct tn_error *error)
{
	struct tn_secret secret = {.reference = TN_STR("env:TEST_SIGNING")};
	setenv("TEST_SIGNING", value, 1);
	return tn_http_signature_new(&(struct tn_secrets){&secret, 1}, out_signature, error);
}

static void the_known_signature_comes_out_each_time(void **state)
{
	struct tn_http_signature *signature = NULL;
	char text[TN_HTTP_SIGNATURE_TEXT_MAX];
	assert_int_equal(read_keys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &signature, NULL), TN_OK);
	for (int i = 0; i < 3; i++) {
		tn_http_signature_sign(signature, TN_STR("msg_p5jXN8AQM9LWM0D4loKWxJek"), TN_STR("1614265330"), TN_STR("{\"test\": 2432232314}"), text);
		assert_string_equal(text, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	}
	tn_http_signature_free(signature);
}

static void eight_keys_of_the_longest_kind_fit(void **state)
{
	char value[128] = "whsec_", text[TN_HTTP_SIGNATURE_TEXT_MAX];
	struct tn_secret secrets[TN_HTTP_SIGNATURE_KEYS_MAX];
	struct tn_http_signature *signature = NULL, *other = NULL;
	for (int i = 0; i < 85; i++)
		strcat(value, "A");
	strcat(value, "A==");
	setenv("TEST_SIGNING", value, 1);
	for (size_t i = 0; i < TN_HTTP_SIGNATURE_KEYS_MAX; i++)
		secrets[i] = (struct tn_secret){.reference = TN_STR("env:TEST_SIGNING")};
	assert_int_equal(tn_http_signature_new(&(struct tn_secrets){secrets, TN_HTTP_SIGNATURE_KEYS_MAX}, &signature, NULL), TN_OK);
	tn_http_signature_sign(signature, TN_STR("id"), TN_STR("1"), TN_STR(""), text);
	assert_int_equal(strlen(text), sizeof text - 1);
	assert_int_equal(tn_http_signature_new(&(struct tn_secrets){secrets, 1}, &other, NULL), TN_OK);
	assert_true(tn_http_signature_equal(signature, signature));
	assert_false(tn_http_signature_equal(signature, other));
	tn_http_signature_free(signature);
	tn_http_signature_free(other);
}

static void a_secret_that_is_no_such_key_is_refused_without_being_shown(void **state)
{
	static const struct {
		const char *value, *reason;
	} rows[] = {
		{"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "does not begin with whsec_"},
		{"", "does not begin with whsec_"},
		{"whsec_", "24 to 64 bytes"},
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "not base64"},
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-", "not base64"},
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ", "not base64"},
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLQ==", "24 to 64 bytes"},
		{"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "24 to 64 bytes"},
		{"whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "asymmetric"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tn_http_signature *signature = NULL;
		struct tn_error error = {0};
		if (read_keys(rows[i].value, &signature, &error) != TN_INVALID)
			fail_msg("'%s' was taken", rows[i].value);
		assert_null(signature);
		if (!strstr(error.message, rows[i].reason))
			fail_msg("'%s' was refused with: %s", rows[i].value, error.message);
		assert_non_null(strstr(error.message, "signing.secrets: the value of env:TEST_SIGNING "));
		assert_null(strstr(error.message, "MfKQ"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_known_signature_comes_out_each_time),
		cmocka_unit_test(eight_keys_of_the_longest_kind_fit),
		cmocka_unit_test(a_secret_that_is_no_such_key_is_refused_without_being_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
