/* SPDX-License-Identifier: Apache-2.0
 *
 * test_uri.c - which texts are URI references, and which of them are absolute.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "uri.h"

static void assert_reference(const char *text, bool valid)
{
	if (tn_uri_reference_valid(tn_str_from(text)) != valid)
		fail_msg("%s", text);
}

static void references_of_every_shape_are_taken(void **state)
{
	static const char *const good[] = {"", "/", "/a/b?c=d#e", "a", "a/b:c", "../x", "?q", "#f", "//host/p", "urn:a:b", "http://h:80/p",
		"1-555-123-4567", "mailto:a@b.c", "https://u:p@[::1]:8080/a?b#c", "x://[v1.fe:80]/", "/a%20b", "a+b.c-1:x", "/!$&'()*+,;=:@"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_reference(good[i], true);
}

static void characters_outside_rfc_3986_are_refused(void **state)
{
	static const char *const bad[] = {"a b", "a\"b", "<a>", "a\\b", "a^b", "a`b", "{a}", "a|b", "caf\xc3\xa9", "a\x7f", "a\tb"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_reference(bad[i], false);
}

static void an_escape_has_two_hex_digits(void **state)
{
	assert_reference("/%", false);
	assert_reference("/%4", false);
	assert_reference("/%4g", false);
	assert_reference("/%zz", false);
	assert_reference("/%aF", true);
}

static void brackets_enclose_a_host_and_nothing_else(void **state)
{
	static const char *const bad[] = {"/a[b]", "x://a[::1]/", "x://[::1", "x://[::1]a/", "x://[::1]:8x/", "x://[g]/", "x://[]/",
		"x://[::1]/[", "x://[::1]?]", "[::1]", "x://[a@b]/", "x://h/#[a]", "x://[v.x]/", "x://[1]@h/"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_reference(bad[i], false);
}

static void one_fragment_at_most(void **state)
{
	assert_reference("a#b", true);
	assert_reference("a#b#c", false);
}

static void a_colon_in_the_first_segment_ends_a_scheme(void **state)
{
	assert_reference("1:2", false);
	assert_reference(":a", false);
	assert_reference("a%20b:c", false);
	assert_reference("./1:2", true);
}

static void absolute_means_with_a_scheme(void **state)
{
	assert_true(tn_uri_absolute_valid(TN_STR("https://example.com/schema#/defs/x")));
	assert_true(tn_uri_absolute_valid(TN_STR("urn:x")));
	assert_false(tn_uri_absolute_valid(TN_STR("/schema")));
	assert_false(tn_uri_absolute_valid(TN_STR("//host/schema")));
	assert_false(tn_uri_absolute_valid(TN_STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_of_every_shape_are_taken),
		cmocka_unit_test(characters_outside_rfc_3986_are_refused),
		cmocka_unit_test(an_escape_has_two_hex_digits),
		cmocka_unit_test(brackets_enclose_a_host_and_nothing_else),
		cmocka_unit_test(one_fragment_at_most),
		cmocka_unit_test(a_colon_in_the_first_segment_ends_a_scheme),
		cmocka_unit_test(absolute_means_with_a_scheme),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
