/* SPDX-License-Identifier: Apache-2.0
 *
 * test_ruleset.c - loading rule files from folders: order, globs, what is missing, and that a bad one leaves nothing behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "turnout/doc.h"
#include "turnout/ruleset.h"

struct folder {
	char path[64];
};

static int make_folder(void **state)
{
	struct folder *folder = calloc(1, sizeof *folder);
	snprintf(folder->path, sizeof folder->path, "/tmp/test_ruleset_XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	*state = folder;
	return 0;
}

static int remove_folder(void **state)
{
	struct folder *folder = *state;
	char command[128];
	snprintf(command, sizeof command, "rm -rf '%s'", folder->path);
	int result = system(command);
	free(folder);
	return result;
}

static void put(const struct folder *folder, const char *name, const char *text)
{
	char path[160];
	snprintf(path, sizeof path, "%s/%s", folder->path, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void put_rule(const struct folder *folder, const char *name, const char *rule)
{
	char text[200];
	snprintf(text, sizeof text, "rules: [{name: %s, pattern: {type: [a]}, targets: [t]}]", rule);
	put(folder, name, text);
}

static enum tn_status load(const struct folder *folder, const char *const *paths, size_t count, bool allow_empty,
	struct tn_ruleset **out, char line[700])
{
	struct tn_ruleset_config config = {.any_target = true, .allow_empty = allow_empty};
	struct tn_error error = {0};
	enum tn_status status = tn_ruleset_load(folder->path, paths, count, &config, out, &error);
	char full[700];
	tn_error_format(&error, full, sizeof full);
	const char *start = strncmp(full, folder->path, strlen(folder->path)) == 0 ? full + strlen(folder->path) + 1 : full;
	snprintf(line, 700, "%s", start);
	return status;
}

/* The names of all rules, in the order in which they match. */
static void assert_order(const struct tn_ruleset *ruleset, const char *wanted)
{
	struct tn_attribute attributes[] = {{TN_STR("id"), TN_STR("1"), TN_STRING}, {TN_STR("source"), TN_STR("/s"), TN_STRING},
		{TN_STR("type"), TN_STR("a"), TN_STRING}};
	struct tn_event_parts parts = {.attributes = attributes, .attribute_count = 3};
	struct tn_event *event = tn_event_new(&parts);
	struct tn_matcher *matcher = tn_matcher_new();
	struct tn_identity identity = {.bus = TN_STR("b")};
	struct tn_match matches[16];
	size_t count;
	struct tn_buf names = {0};
	assert_int_equal(tn_ruleset_match(ruleset, matcher, event, &identity, matches, 16, &count), TN_OK);
	for (size_t i = 0; i < count; i++)
		tn_buf_addf(&names, "%s%.*s", i ? " " : "", TN_STR_ARG(matches[i].route->rule));
	assert_string_equal(tn_buf_terminate(&names), wanted);
	tn_buf_fini(&names);
	tn_matcher_free(matcher);
	tn_event_unref(event);
}

static void files_are_read_in_the_order_of_their_bytes(void **state)
{
	static const char *const paths[] = {"z.yaml", "*.yaml", "*.json"};
	struct tn_ruleset *ruleset;
	char line[700];
	put_rule(*state, "b.yaml", "bb");
	put_rule(*state, "B.yaml", "B");
	put_rule(*state, "a.yaml", "a");
	put_rule(*state, "z.yaml", "z");
	put_rule(*state, ".hidden.yaml", "hidden");
	put(*state, "c.json", "{\"rules\": [{\"name\": \"c\", \"pattern\": {\"type\": [\"a\"]}, \"targets\": [\"t\"]}]}");
	assert_int_equal(load(*state, paths, 3, false, &ruleset, line), TN_OK);
	assert_order(ruleset, "z B a bb c");
	tn_ruleset_unref(ruleset);
}

static void a_name_is_unique_over_all_files(void **state)
{
	static const char *const paths[] = {"*.yaml"};
	struct tn_ruleset *ruleset = NULL;
	char line[700], wanted[200];
	put_rule(*state, "a.yaml", "same");
	put_rule(*state, "b.yaml", "same");
	assert_int_equal(load(*state, paths, 1, false, &ruleset, line), TN_INVALID);
	snprintf(wanted, sizeof wanted, "b.yaml:1:16: there is a rule 'same' already, at %s/a.yaml:1", ((struct folder *)*state)->path);
	assert_string_equal(line, wanted);
	assert_null(ruleset);
}

static void one_bad_file_spoils_the_set(void **state)
{
	static const char *const paths[] = {"*.yaml"};
	struct tn_ruleset *ruleset = NULL;
	char line[700];
	put_rule(*state, "a.yaml", "good");
	put(*state, "b.yaml", "rules:\n- name: bad\n  pattern: {type: a}\n  targets: [t]\n");
	assert_int_equal(load(*state, paths, 1, false, &ruleset, line), TN_INVALID);
	assert_string_equal(line, "b.yaml:3:19: pattern: type: a field's value is an object or an array; write [...] around a single "
		"value (E_FIELD_VALUE)");
	assert_null(ruleset);
}

static void what_is_missing_is_an_error_unless_allowed(void **state)
{
	static const char *const nothing[] = {"*.yaml"}, *const no_folder[] = {"rules/*.yaml"}, *const no_file[] = {"a.yaml"};
	struct tn_ruleset *ruleset = NULL;
	char line[700];
	assert_int_equal(load(*state, nothing, 1, false, &ruleset, line), TN_INVALID);
	assert_string_equal(line, "*.yaml: there are no rules");
	assert_int_equal(load(*state, no_folder, 1, false, &ruleset, line), TN_INVALID);
	assert_string_equal(line, "rules/*.yaml: the folder of these rule files is not there");
	assert_int_equal(load(*state, no_file, 1, true, &ruleset, line), TN_NOT_FOUND);
	assert_string_equal(line, "a.yaml: cannot be read: No such file or directory");
	assert_null(ruleset);
	assert_int_equal(load(*state, no_folder, 1, true, &ruleset, line), TN_OK);
	assert_int_equal(tn_ruleset_rule_count(ruleset), 0);
	assert_order(ruleset, "");
	tn_ruleset_unref(ruleset);
}

static void a_file_has_a_size_limit(void **state)
{
	static const char *const paths[] = {"big.yaml"};
	struct tn_ruleset *ruleset = NULL;
	char line[700], *big = malloc((1 << 20) + 2);
	memset(big, '#', (1 << 20) + 1);
	big[(1 << 20) + 1] = 0;
	put(*state, "big.yaml", big);
	assert_int_equal(load(*state, paths, 1, false, &ruleset, line), TN_TOO_LARGE);
	assert_string_equal(line, "big.yaml: larger than the limit of 1048576 bytes");
	free(big);
}

static void a_ruleset_lives_until_its_last_ref(void **state)
{
	static const char *const paths[] = {"a.yaml"};
	struct tn_ruleset *ruleset = NULL;
	char line[700];
	put_rule(*state, "a.yaml", "a");
	assert_int_equal(load(*state, paths, 1, false, &ruleset, line), TN_OK);
	assert_ptr_equal(tn_ruleset_ref(ruleset), ruleset);
	tn_ruleset_unref(ruleset);
	assert_order(ruleset, "a");
	tn_ruleset_unref(ruleset);
	tn_ruleset_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_are_read_in_the_order_of_their_bytes, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_name_is_unique_over_all_files, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(one_bad_file_spoils_the_set, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(what_is_missing_is_an_error_unless_allowed, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_file_has_a_size_limit, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_ruleset_lives_until_its_last_ref, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
