/* SPDX-License-Identifier: Apache-2.0
 *
 * test_option.c - option tables fill structs, and refuse what is wrong at its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/option.h"

#include <stdio.h>

static const char *const modes[] = {"durable", "sync", NULL};

struct sample {
	struct tn_str name, certificate;
	bool batch;
	uint64_t limit, size;
	int64_t timeout_ms;
	uint32_t mode;
	struct tn_secret token;
	struct tn_secrets keys;
	struct tn_texts hosts;
	struct tn_pairs headers;
};

static const struct tn_option table[] = {
	{"name", TN_OPTION_TEXT, offsetof(struct sample, name), .required = true, .help = "its name"},
	{"tls.certificate", TN_OPTION_PATH, offsetof(struct sample, certificate), .help = "file"},
	{"batch", TN_OPTION_BOOL, offsetof(struct sample, batch), "true", .help = "batches"},
	{"limit", TN_OPTION_NUMBER, offsetof(struct sample, limit), "10", .min = 1, .max = 100, .help = "a number"},
	{"size", TN_OPTION_SIZE, offsetof(struct sample, size), "64KiB", .help = "bytes"},
	{"timeout", TN_OPTION_DURATION, offsetof(struct sample, timeout_ms), "15s", .min = 10, .max = 60000, .help = "time"},
	{"mode", TN_OPTION_CHOICE, offsetof(struct sample, mode), "durable", .choices = modes, .help = "mode"},
	{"auth.bearer", TN_OPTION_SECRET, offsetof(struct sample, token), .help = "token"},
	{"keys", TN_OPTION_SECRETS, offsetof(struct sample, keys), .help = "keys"},
	{"hosts", TN_OPTION_TEXTS, offsetof(struct sample, hosts), .help = "hosts"},
	{"headers", TN_OPTION_PAIRS, offsetof(struct sample, headers), .help = "headers"},
	{"breaker", TN_OPTION_LATER, .help = "breakers come later"},
	{0},
};

struct read {
	struct tn_doc doc;
	struct tn_arena arena;
	struct tn_error error;
	struct sample sample;
	enum tn_status status;
};

static void read_text(struct read *read, const char *text)
{
	static const char *const also[] = {"kind", NULL};
	const struct tn_option *const tables[] = {table, NULL};
	*read = (struct read){0};
	assert_int_equal(tn_doc_parse(tn_str_from(text), "etc/t.yaml", &read->doc, &read->error), TN_OK);
	read->status = tn_option_parse(&read->doc, read->doc.root, tables, also, &read->arena, &read->sample, &read->error);
}

static void close_read(struct read *read)
{
	tn_doc_fini(&read->doc);
	tn_arena_fini(&read->arena);
}

static void values_and_defaults_fill_the_struct(void **state)
{
	struct read read;
	read_text(&read, "name: web\nkind: http\ntls: {certificate: c.pem}\ntimeout: 250ms\nmode: sync\nhosts: [a, b]\n"
			 "headers: {X-A: plain, X-B: file:k/b}\nauth:\n  bearer: env:TOKEN\nkeys: [env:NEW, file:k/old]\n");
	assert_int_equal(read.status, TN_OK);
	assert_true(tn_str_is(read.sample.name, "web"));
	assert_true(tn_str_is(read.sample.certificate, "etc/c.pem"));
	assert_true(read.sample.batch);
	assert_int_equal(read.sample.limit, 10);
	assert_int_equal(read.sample.size, 65536);
	assert_int_equal(read.sample.timeout_ms, 250);
	assert_int_equal(read.sample.mode, 1);
	assert_int_equal(read.sample.hosts.count, 2);
	assert_true(read.sample.headers.items[0].value.literal);
	assert_false(read.sample.headers.items[1].value.literal);
	assert_true(tn_str_is(read.sample.headers.items[1].value.reference, "file:etc/k/b"));
	assert_true(tn_str_is(read.sample.token.reference, "env:TOKEN"));
	assert_int_equal(read.sample.keys.count, 2);
	assert_true(tn_str_is(read.sample.keys.items[0].reference, "env:NEW"));
	assert_true(tn_str_is(read.sample.keys.items[1].reference, "file:etc/k/old"));
	close_read(&read);
}

static void what_is_wrong_is_refused_at_its_place(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"kind: http\n", "etc/t.yaml:1:1: name is missing: its name"},
		{"name: a\ntimeuot: 1s\n", "etc/t.yaml:2:1: unknown key 'timeuot'; did you mean 'timeout'?"},
		{"name: a\ntls: {certifcate: x}\n", "etc/t.yaml:2:7: unknown key 'certifcate'; did you mean 'certificate'?"},
		{"name: a\ntimeout: 15\n", "etc/t.yaml:2:10: timeout must be a duration like 250ms, 15s, 5m, 2h or 14d"},
		{"name: a\ntimeout: 2m\n", "etc/t.yaml:2:10: timeout must be between 10 ms and 60000 ms"},
		{"name: a\nlimit: 0\n", "etc/t.yaml:2:8: limit must be between 1 and 100"},
		{"name: a\nlimit: -1\n", "etc/t.yaml:2:8: limit must be a whole number"},
		{"name: a\nbatch: yes\n", "etc/t.yaml:2:8: batch must be true or false"},
		{"name: a\nmode: fast\n", "etc/t.yaml:2:7: mode must be one of durable, sync"},
		{"name: a\nname2: b\nhosts: x\n", "etc/t.yaml:2:1: unknown key 'name2'; did you mean 'name'?"},
		{"name: a\nhosts: x\n", "etc/t.yaml:2:8: hosts must be a list"},
		{"name: a\nauth: {bearer: s3cret}\n",
			"etc/t.yaml:2:16: auth.bearer must be a reference: env:NAME or file:PATH (secrets do not stand in the configuration)"},
		{"name: a\nkeys: env:KEY\n", "etc/t.yaml:2:7: keys must be a list of references: env:NAME or file:PATH"},
		{"name: a\nkeys: []\n",
			"etc/t.yaml:2:7: keys must be a list of at least one reference, env:NAME or file:PATH; this one is empty"},
		{"name: a\nkeys: ['env:']\n", "etc/t.yaml:2:8: keys must be env: with a name, or file: with a path"},
		{"name: a\ntls: {}\n", "etc/t.yaml:2:6: tls has no settings"},
		{"name: a\nkeys: [[]]\n", "etc/t.yaml:2:8: keys must be a list of references: env:NAME or file:PATH"},
		{"name: a\nkeys: [env:KEY, s3cret]\n",
			"etc/t.yaml:2:17: keys must be a reference: env:NAME or file:PATH (secrets do not stand in the configuration)"},
		{"name: a\nbreaker: {}\n", "etc/t.yaml:2:10: breaker is not in this version: breakers come later"},
		{"name: [a]\n", "etc/t.yaml:1:7: name must be a single value"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct read read;
		char text[600];
		read_text(&read, cases[i].text);
		assert_int_not_equal(read.status, TN_OK);
		assert_string_equal(tn_error_format(&read.error, text, sizeof text), cases[i].error);
		close_read(&read);
	}
}

static void durations_and_sizes_need_their_units(void **state)
{
	int64_t ms;
	uint64_t bytes;
	assert_true(tn_duration_parse(TN_STR("14d"), &ms) && ms == 14 * 86400000LL);
	assert_true(tn_duration_parse(TN_STR("0"), &ms) && ms == 0);
	assert_false(tn_duration_parse(TN_STR("5"), &ms));
	assert_false(tn_duration_parse(TN_STR("1.5s"), &ms));
	assert_false(tn_duration_parse(TN_STR("99999999999999999d"), &ms));
	assert_true(tn_size_parse(TN_STR("4GiB"), &bytes) && bytes == (uint64_t)4 << 30);
	assert_false(tn_size_parse(TN_STR("4G"), &bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_and_defaults_fill_the_struct),
		cmocka_unit_test(what_is_wrong_is_refused_at_its_place),
		cmocka_unit_test(durations_and_sizes_need_their_units),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
