/* SPDX-License-Identifier: Apache-2.0
 *
 * test_address.c - which addresses may be connected to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "turnout/address.h"

static bool allowed(const struct tn_address_policy *policy, const char *text)
{
	struct sockaddr_storage storage = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
	} else {
		v6->sin6_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
	}
	return tn_address_allowed(policy, (const struct sockaddr *)&storage);
}

static struct tn_address_policy *make(const char *allow, const char *deny)
{
	struct tn_str one = tn_str_from(allow), other = tn_str_from(deny);
	struct tn_address_policy *policy = NULL;
	assert_int_equal(tn_address_policy_new(&one, allow != NULL, &other, deny != NULL, &policy, NULL), TN_OK);
	return policy;
}

static void loopback_private_and_public_are_allowed(void **state)
{
	static const char *const good[] = {"127.0.0.1", "127.255.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "100.64.0.1", "8.8.8.8",
		"169.253.255.255", "169.255.0.0", "223.255.255.255", "1.0.0.0", "::1", "fd00::1", "2001:db8::1", "fec0::1",
		"::ffff:10.0.0.1", "64:ff9b::8.8.8.8", "2002:808:808::1"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (!allowed(NULL, good[i]))
			fail_msg("%s was denied", good[i]);
}

static void link_local_unspecified_multicast_and_broadcast_are_denied(void **state)
{
	static const char *const bad[] = {"169.254.169.254", "169.254.0.0", "169.254.255.255", "0.0.0.0", "0.1.2.3", "224.0.0.1",
		"239.255.255.255", "255.255.255.255", "100.100.100.200", "::", "fe80::1", "febf::1", "ff02::1", "fd00:ec2::254",
		"fd20:ce::254"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (allowed(NULL, bad[i]))
			fail_msg("%s was allowed", bad[i]);
}

static void an_ipv4_address_cannot_hide_in_an_ipv6_one(void **state)
{
	static const char *const bad[] = {"::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:224.0.0.1", "64:ff9b::169.254.169.254",
		"64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "2002:0:1::", "::169.254.169.254"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (allowed(NULL, bad[i]))
			fail_msg("%s was allowed", bad[i]);
}

static void allow_opens_only_its_own_block(void **state)
{
	struct tn_address_policy *policy = make("169.254.170.2", NULL);
	assert_true(allowed(policy, "169.254.170.2"));
	assert_true(allowed(policy, "::ffff:169.254.170.2"));
	assert_false(allowed(policy, "169.254.170.3"));
	assert_true(allowed(policy, "8.8.8.8"));
	tn_address_policy_free(policy);
}

static void deny_closes_and_wins_over_allow(void **state)
{
	struct tn_address_policy *policy = make("127.0.0.1", "127.0.0.0/8");
	assert_false(allowed(policy, "127.0.0.1"));
	assert_false(allowed(policy, "::ffff:127.0.0.1"));
	assert_true(allowed(policy, "::1"));
	assert_true(allowed(policy, "128.0.0.1"));
	tn_address_policy_free(policy);
}

static void opening_all_of_ipv6_does_not_open_what_hides_in_it(void **state)
{
	struct tn_address_policy *policy = make("::/0", NULL);
	assert_true(allowed(policy, "fe80::1"));
	assert_false(allowed(policy, "64:ff9b::169.254.169.254"));
	assert_false(allowed(policy, "::ffff:169.254.169.254"));
	tn_address_policy_free(policy);
}

static void prefixes_end_at_any_bit(void **state)
{
	struct tn_address_policy *policy = make(NULL, "172.16.0.0/12");
	assert_false(allowed(policy, "172.16.0.0"));
	assert_false(allowed(policy, "172.31.255.255"));
	assert_true(allowed(policy, "172.32.0.0"));
	assert_true(allowed(policy, "172.15.255.255"));
	tn_address_policy_free(policy);
	policy = make(NULL, "0.0.0.0/0");
	assert_false(allowed(policy, "8.8.8.8"));
	assert_true(allowed(policy, "2001:db8::1"));
	tn_address_policy_free(policy);
}

static void a_mapped_block_is_an_ipv4_block(void **state)
{
	struct tn_address_policy *policy = make(NULL, "::ffff:10.0.0.0/104");
	assert_false(allowed(policy, "10.9.9.9"));
	assert_true(allowed(policy, "11.0.0.0"));
	tn_address_policy_free(policy);
}

static void an_extended_policy_keeps_both_lists(void **state)
{
	struct tn_address_policy *base = make("169.254.1.0/24", "10.0.0.0/8"), *policy = NULL;
	struct tn_str allow = TN_STR("10.1.0.0/16"), deny = TN_STR("169.254.1.9");
	assert_int_equal(tn_address_policy_extend(base, &allow, 1, &deny, 1, &policy, NULL), TN_OK);
	tn_address_policy_free(base);
	assert_true(allowed(policy, "169.254.1.1"));
	assert_false(allowed(policy, "169.254.1.9"));
	assert_false(allowed(policy, "10.1.0.1"));
	assert_false(allowed(policy, "169.254.2.1"));
	tn_address_policy_free(policy);
}

static void wrong_blocks_are_refused_by_name(void **state)
{
	static const char *const bad[] = {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0/8", "10.0.0.1/8", "fe80::/129",
		"fe80::1/10", "localhost", "10.0.0.0/8 ", "fe80::%eth0/10", "1:2:3:4:5:6:7:8:9", "010.0.0.0/8"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct tn_str text = tn_str_from(bad[i]);
		struct tn_address_policy *policy = NULL;
		struct tn_error error = {0};
		if (tn_address_policy_new(NULL, 0, &text, 1, &policy, &error) != TN_INVALID)
			fail_msg("'%s' was taken", bad[i]);
		assert_null(policy);
		assert_non_null(strstr(error.message, bad[i]));
	}
}

static void other_families_are_denied(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/docker.sock"};
	assert_false(tn_address_allowed(NULL, (const struct sockaddr *)&address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_private_and_public_are_allowed),
		cmocka_unit_test(link_local_unspecified_multicast_and_broadcast_are_denied),
		cmocka_unit_test(an_ipv4_address_cannot_hide_in_an_ipv6_one),
		cmocka_unit_test(allow_opens_only_its_own_block),
		cmocka_unit_test(deny_closes_and_wins_over_allow),
		cmocka_unit_test(opening_all_of_ipv6_does_not_open_what_hides_in_it),
		cmocka_unit_test(prefixes_end_at_any_bit),
		cmocka_unit_test(a_mapped_block_is_an_ipv4_block),
		cmocka_unit_test(an_extended_policy_keeps_both_lists),
		cmocka_unit_test(wrong_blocks_are_refused_by_name),
		cmocka_unit_test(other_families_are_denied),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
