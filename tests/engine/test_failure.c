/* SPDX-License-Identifier: Apache-2.0
 *
 * test_failure.c - what is kept of a failure: for the row and for the next attempt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;

static void fail_with(struct tn_str message, struct tn_str sample, struct tn_str digest)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	desk_answer_with(&desk, 0, (struct tn_outcome){.verdict = TN_RETRY, .code = "HTTP_503", .status = 503, .message = message,
		.sample = sample, .sent_sha256 = digest});
}

static void message_sample_and_digest_are_in_the_row_and_in_the_next_attempt(void **state)
{
	char message[] = "the target answered 503", sample[] = "no room", digest[] = "0123456789abcdef0123456789ABCDEF";
	fail_with(tn_str_from(message), tn_str_from(sample), tn_str_from(digest));
	memset(message, 'x', sizeof message - 1); /* what a target lent is its own again */
	memset(sample, 'x', sizeof sample - 1);
	memset(digest, 'x', sizeof digest - 1);
	for (int i = 0; i < 2; i++) {
		const struct tn_outcome *last = i == 0 ? desk_row(&desk, 0)->last : desk.starts[0].attempt->items[0].last;
		assert_string_equal(last->code, "HTTP_503");
		assert_true(tn_str_is(last->message, "the target answered 503"));
		assert_true(tn_str_is(last->sample, "no room"));
		assert_true(tn_str_is(last->sent_sha256, "0123456789abcdef0123456789ABCDEF"));
		if (i == 0) {
			desk_commit(&desk, TN_COMMIT_OK);
			desk_tick(&desk, 2000);
			assert_int_equal(desk.start_count, 1);
		}
	}
	desk_close(&desk);
}

static void text_that_is_too_long_is_cut_and_a_digest_of_another_size_is_none(void **state)
{
	char longest[1500];
	memset(longest, 'x', sizeof longest);
	fail_with(tn_str_make(longest, 1500), tn_str_make(longest, 1500), tn_str_make(longest, 1500));
	assert_int_equal(desk_row(&desk, 0)->last->message.len, 1024);
	assert_int_equal(desk_row(&desk, 0)->last->sample.len, 1024);
	assert_int_equal(desk_row(&desk, 0)->last->sent_sha256.len, 0);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message_sample_and_digest_are_in_the_row_and_in_the_next_attempt),
		cmocka_unit_test(text_that_is_too_long_is_cut_and_a_digest_of_another_size_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
