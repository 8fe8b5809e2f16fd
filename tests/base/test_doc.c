/* SPDX-License-Identifier: Apache-2.0
 *
 * test_doc.c - documents people write: what YAML and JSON become, where everything stands, what is refused and at which place.
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

static struct tn_doc parse(const char *text)
{
	struct tn_doc doc = {0};
	struct tn_error error = {0};
	if (tn_doc_parse(tn_str_from(text), "test.yaml", &doc, &error) != TN_OK) {
		char line[600];
		fail_msg("%s", tn_error_format(&error, line, sizeof line));
	}
	return doc;
}

static const struct tn_doc_node *get(const struct tn_doc *doc, const char *name)
{
	const struct tn_doc_node *node = tn_doc_get(doc->root, name);
	assert_non_null(node);
	return node;
}

#define assert_place(node, wanted_line, wanted_column) \
	do { \
		assert_int_equal((node)->line, wanted_line); \
		assert_int_equal((node)->column, wanted_column); \
	} while (0)

static void plain_words_get_the_kind_they_look_like(void **state)
{
	struct tn_doc doc = parse("a: true\nb: 12.50e1\nc: null\nd: ~\ne:\nf: yes\ng: 'true'\nh: \"12\"\ni: 012\nj: .5\nk: 1_000\n");
	assert_int_equal(get(&doc, "a")->kind, TN_DOC_BOOL);
	assert_true(get(&doc, "a")->truth);
	assert_int_equal(get(&doc, "b")->kind, TN_DOC_NUMBER);
	assert_true(tn_str_is(get(&doc, "b")->text, "12.50e1"));
	assert_int_equal(get(&doc, "c")->kind, TN_DOC_NULL);
	assert_int_equal(get(&doc, "d")->kind, TN_DOC_NULL);
	assert_int_equal(get(&doc, "e")->kind, TN_DOC_NULL);
	static const char *const strings[] = {"f", "g", "h", "i", "j", "k"};
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
		assert_int_equal(get(&doc, strings[i])->kind, TN_DOC_STRING);
	tn_doc_fini(&doc);
}

static void yaml_nodes_know_their_line_and_column_in_code_points(void **state)
{
	struct tn_doc doc = parse("# first\n\xc3\xa9t\xc3\xa9: [1, \"\xf0\x9f\x98\x80\", x]\nrules:\n  - name: a\n    list:\n    - b\n");
	const struct tn_doc_node *list = doc.root->first;
	assert_true(tn_str_is(list->name, "\xc3\xa9t\xc3\xa9"));
	assert_int_equal(list->name_line, 2);
	assert_int_equal(list->name_column, 1);
	assert_place(list, 2, 6);
	assert_int_equal(list->count, 3);
	assert_place(list->first->next->next, 2, 15);
	const struct tn_doc_node *rule = get(&doc, "rules")->first;
	assert_place(rule, 4, 5);
	assert_place(tn_doc_get(rule, "name"), 4, 11);
	assert_place(tn_doc_get(rule, "list")->first, 6, 7);
	assert_int_equal(tn_doc_get(rule, "list")->name_column, 5);
	tn_doc_fini(&doc);
}

static void json_nodes_know_their_place_and_their_source_text(void **state)
{
	struct tn_doc doc = parse("\xef\xbb\xbf {\"\xc3\xa9\\u00e9\": [1,\r\n  {\"b\" : \"\\n\"} ], \"c\": false}");
	const struct tn_doc_node *list = doc.root->first;
	assert_true(tn_str_is(list->name, "\xc3\xa9\xc3\xa9"));
	assert_int_equal(list->name_column, 3);
	assert_place(list, 1, 14);
	assert_true(tn_str_is(list->text, "[1,\r\n  {\"b\" : \"\\n\"} ]"));
	const struct tn_doc_node *map = list->first->next;
	assert_place(map, 2, 3);
	assert_true(tn_str_is(map->text, "{\"b\" : \"\\n\"}"));
	assert_true(tn_str_is(map->first->text, "\n"));
	assert_int_equal(get(&doc, "c")->kind, TN_DOC_BOOL);
	assert_false(get(&doc, "c")->truth);
	tn_doc_fini(&doc);
}

static void an_empty_file_is_one_null(void **state)
{
	static const char *const empty[] = {"", "\n\n", "# nothing\n", "---\n"};
	for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
		struct tn_doc doc = parse(empty[i]);
		assert_int_equal(doc.root->kind, TN_DOC_NULL);
		tn_doc_fini(&doc);
	}
}

/* One row: a text, and how its refusal begins. */
static const struct {
	const char *text, *refusal;
} refused[] = {
	{"a: 1\nb: 2\na: 3\n", "f:3:1: 'a' is there twice"},
	{"m: {b: 1, c: 2, b: 3, c: 4}\n", "f:1:17: 'b' is there twice"},
	{"{\"a\": 1,\n \"\\u0061\": 2}", "f:2:2: 'a' is there twice"},
	{"a: &x 1\nb: 2\n", "f:1:4: anchors (&name) are not supported"},
	{"a: &x [1]\n", "f:1:4: anchors (&name) are not supported"},
	{"a: *x\n", "f:1:4: aliases (*name) are not supported"},
	{"a:\n  <<: {b: 1}\n", "f:2:3: merge keys (<<) are not supported"},
	{"a: !!str 12\n", "f:1:4: tags (!name) are not supported"},
	{"a: !map {b: 1}\n", "f:1:4: tags (!name) are not supported"},
	{"a: 1\n---\nb: 2\n", "f:2:1: several documents in one file are not supported"},
	{"? [a]\n: 1\n", "f:1:3: a name must be a plain or quoted word"},
	{"?\n: 1\n", "f:1:2: a name is missing before ':'"},
	{"a: [1, 2\nb: 3\n", "f:2:2: not valid YAML: "},
	{"a: 'x\n", "f:2:1: not valid YAML: "},
	{"a:\n\tb: 1\n", "f:2:1: not valid YAML: "},
	{"a: b\nc: \x01\n", "f:2:4: not valid YAML: "},
	{"a: b\nc\xc3\xa9: x\xff\n", "f:2:6: not valid UTF-8"},
	{"{\"a\": 1,\n}", "f:2:1: not valid JSON"},
	{"[1, 2", "f:1:6: not valid JSON: it ends too early"},
	{"{a: 1}", "f:1:2: not valid JSON (a file that begins with '{' or '[' is read as JSON)"},
};

static void what_cannot_be_is_refused_at_its_place(void **state)
{
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct tn_doc doc = {0};
		struct tn_error error = {0};
		char line[600];
		if (tn_doc_parse(tn_str_from(refused[i].text), "f", &doc, &error) != TN_INVALID)
			fail_msg("accepted: %s", refused[i].text);
		tn_error_format(&error, line, sizeof line);
		if (strncmp(line, refused[i].refusal, strlen(refused[i].refusal)) != 0)
			fail_msg("%s\nwanted: %s\ngot:    %s", refused[i].text, refused[i].refusal, line);
		assert_null(doc.root);
	}
}

static void refuse_nested(const char *head, char open, int levels, enum tn_status wanted)
{
	struct tn_buf text = {0};
	struct tn_doc doc = {0};
	struct tn_error error = {0};
	tn_buf_add_text(&text, head);
	for (int i = 0; i < levels; i++)
		tn_buf_add_byte(&text, open);
	for (int i = 0; i < levels; i++)
		tn_buf_add_byte(&text, ']');
	assert_int_equal(tn_doc_parse(tn_buf_str(&text), "f", &doc, &error), wanted);
	if (wanted != TN_OK) {
		assert_string_equal(error.message, "nested deeper than 100");
		assert_int_equal(error.column, strlen(head) + 101);
	}
	tn_doc_fini(&doc);
	tn_buf_fini(&text);
}

static void depth_is_limited_in_both_languages(void **state)
{
	refuse_nested("", '[', 100, TN_OK);
	refuse_nested("", '[', 101, TN_INVALID);
	refuse_nested("--- ", '[', 100, TN_OK);
	refuse_nested("--- ", '[', 101, TN_INVALID);
}

static void the_number_of_values_is_limited(void **state)
{
	struct tn_buf text = {0};
	struct tn_doc doc = {0};
	struct tn_error error = {0};
	tn_buf_add_text(&text, "[0");
	for (int i = 0; i < TN_DOC_NODE_LIMIT; i++)
		tn_buf_add_text(&text, ",0");
	tn_buf_add_text(&text, "]");
	assert_int_equal(tn_doc_parse(tn_buf_str(&text), "f", &doc, &error), TN_INVALID);
	assert_string_equal(error.message, "more than 100000 values in one file");
	tn_buf_fini(&text);
}

static void a_node_becomes_json_that_knows_where_it_came_from(void **state)
{
	struct tn_doc doc = parse("p:\n  type: [a, 'b\"']\n  n: {numeric: ['>', 1.50]}\n  e: [{exists: false}, null]\n");
	struct tn_doc_text text = {0};
	tn_doc_to_json(get(&doc, "p"), &text);
	const char *json = "{\"type\":[\"a\",\"b\\\"\"],\"n\":{\"numeric\":[\">\",1.50]},\"e\":[{\"exists\":false},null]}";
	assert_true(tn_str_is(tn_buf_str(&text.text), json));
	static const struct {
		const char *part;
		uint32_t line, column;
	} places[] = {{"{\"type", 2, 3}, {"\"type", 2, 3}, {"[\"a", 2, 9}, {"\"a", 2, 10}, {"\"b", 2, 13}, {"\"n\"", 3, 3},
		{"{\"num", 3, 6}, {"1.50", 3, 22}, {"]},\"e", 3, 16}, {"false", 4, 16}, {"null", 4, 24}};
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		uint32_t line, column;
		tn_doc_text_place(&text, (size_t)(strstr(json, places[i].part) - json), &line, &column);
		assert_int_equal(line, places[i].line);
		assert_int_equal(column, places[i].column);
	}
	tn_doc_text_fini(&text);
	tn_doc_fini(&doc);
}

static void an_unknown_key_gets_the_nearest_known_one(void **state)
{
	static const char *const known[] = {"retries", "target", "id", NULL};
	struct tn_doc doc = parse("a: 1\n\nretires: 1\nzebra: 2\nx: 3\n");
	struct tn_error error = {0};
	tn_doc_unknown(&doc, get(&doc, "retires"), known, &error);
	assert_string_equal(error.message, "unknown key 'retires'; did you mean 'retries'?");
	assert_int_equal(error.line, 3);
	assert_int_equal(error.column, 1);
	tn_doc_unknown(&doc, get(&doc, "zebra"), known, &error);
	assert_string_equal(error.message, "unknown key 'zebra'");
	tn_doc_unknown(&doc, get(&doc, "x"), known, &error);
	assert_string_equal(error.message, "unknown key 'x'");
	tn_doc_fini(&doc);
}

static void files_are_read_within_their_limit(void **state)
{
	char path[] = "/tmp/test_doc_XXXXXX", pipe_path[64];
	struct tn_doc doc = {0};
	struct tn_error error = {0};
	struct tn_buf bytes = {0};
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "a: 1\n", 5), 5);
	close(fd);
	assert_int_equal(tn_doc_read(path, 5, &doc, &error), TN_OK);
	assert_true(tn_str_is(get(&doc, "a")->text, "1"));
	assert_string_equal(doc.file, path);
	tn_doc_fini(&doc);
	assert_int_equal(tn_doc_read(path, 4, &doc, &error), TN_TOO_LARGE);
	assert_string_equal(error.file, path);
	assert_int_equal(tn_file_read("/tmp", 100, &bytes, &error), TN_IO);
	assert_string_equal(error.message, "cannot be read: it is a folder");
	unlink(path);
	assert_int_equal(tn_file_read(path, 100, &bytes, &error), TN_NOT_FOUND);
	snprintf(pipe_path, sizeof pipe_path, "%s.pipe", path);
	assert_int_equal(mkfifo(pipe_path, 0600), 0);
	assert_int_equal(tn_file_read(pipe_path, 100, &bytes, &error), TN_IO);
	unlink(pipe_path);
	assert_int_equal(bytes.len, 0);
	tn_buf_fini(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_words_get_the_kind_they_look_like),
		cmocka_unit_test(yaml_nodes_know_their_line_and_column_in_code_points),
		cmocka_unit_test(json_nodes_know_their_place_and_their_source_text),
		cmocka_unit_test(an_empty_file_is_one_null),
		cmocka_unit_test(what_cannot_be_is_refused_at_its_place),
		cmocka_unit_test(depth_is_limited_in_both_languages),
		cmocka_unit_test(the_number_of_values_is_limited),
		cmocka_unit_test(a_node_becomes_json_that_knows_where_it_came_from),
		cmocka_unit_test(an_unknown_key_gets_the_nearest_known_one),
		cmocka_unit_test(files_are_read_within_their_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
