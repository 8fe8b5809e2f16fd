/* SPDX-License-Identifier: Apache-2.0
 *
 * test_patterns.c - the pattern vectors: each pattern compiles or is refused with the right kind at the right byte, and matches its
 * event or does not. Pattern and event are taken out of the line as they stand there. Argument: vectors.jsonl.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "turnout/doc.h"
#include "turnout/json.h"
#include "turnout/pattern.h"

struct vector {
	struct tn_str name, pattern, event, error;
	struct tn_buf pattern_text;
	bool invalid, match, has_at;
	size_t at;
};

static void take_member(struct vector *vector, struct tn_str name, const struct tn_json_token *value, struct tn_str raw)
{
	uint64_t at;
	if (tn_str_is(name, "name"))
		vector->name = value->text;
	else if (tn_str_is(name, "pattern"))
		vector->pattern = raw;
	else if (tn_str_is(name, "pattern_text")) {
		tn_json_unescape(value->text, &vector->pattern_text);
		vector->pattern = tn_buf_str(&vector->pattern_text);
	} else if (tn_str_is(name, "event"))
		vector->event = raw;
	else if (tn_str_is(name, "match"))
		vector->match = value->kind == TN_JSON_TRUE;
	else if (tn_str_is(name, "invalid"))
		vector->invalid = value->kind == TN_JSON_TRUE;
	else if (tn_str_is(name, "error"))
		vector->error = value->text;
	else if (tn_str_is(name, "at") && tn_str_to_u64(value->text, UINT32_MAX, &at)) {
		vector->at = at;
		vector->has_at = true;
	}
}

static bool read_line(struct tn_str line, struct vector *vector)
{
	struct tn_json json;
	struct tn_json_token token, value;
	tn_json_init(&json, line, 512);
	if (tn_json_next(&json, &token) != TN_OK || token.kind != TN_JSON_OBJECT)
		return false;
	while (tn_json_next(&json, &token) == TN_OK && token.kind == TN_JSON_NAME) {
		struct tn_str name = token.text;
		size_t end;
		if (tn_json_next(&json, &value) != TN_OK || tn_json_skip(&json, &value, &end) != TN_OK)
			return false;
		take_member(vector, name, &value, tn_str_make(line.bytes + value.at, end - value.at));
	}
	return token.kind == TN_JSON_OBJECT_END;
}

static bool check_refusal(const struct vector *vector, enum tn_status status, const struct tn_pattern_error *error)
{
	if (status != TN_INVALID) {
		printf("# %.*s: accepted\n", TN_STR_ARG(vector->name));
		return false;
	}
	if (tn_str_is(vector->error, error->kind) && vector->has_at && vector->at == error->at && error->message[0])
		return true;
	printf("# %.*s: %s at %zu (%s), wanted %.*s at %zu\n", TN_STR_ARG(vector->name), error->kind, error->at, error->message,
		TN_STR_ARG(vector->error), vector->at);
	return false;
}

static bool check_match(const struct vector *vector, const struct tn_pattern *pattern)
{
	bool match = !vector->match;
	size_t at = 0;
	enum tn_status status = tn_pattern_match(pattern, vector->event, &match, &at);
	if (status == TN_OK && match == vector->match)
		return true;
	printf("# %.*s: status %d, match %d\n", TN_STR_ARG(vector->name), (int)status, match);
	return false;
}

static bool check_line(struct tn_str line)
{
	struct vector vector = {0};
	struct tn_pattern *pattern = NULL;
	struct tn_pattern_error error = {0};
	bool good = read_line(line, &vector);
	if (!good) {
		printf("# not a vector: %.*s\n", TN_STR_ARG(line));
	} else {
		enum tn_status status = tn_pattern_compile(vector.pattern, NULL, &pattern, &error);
		if (vector.invalid)
			good = check_refusal(&vector, status, &error);
		else if (status != TN_OK) {
			printf("# %.*s: refused: %s at %zu: %s\n", TN_STR_ARG(vector.name), error.kind, error.at, error.message);
			good = false;
		} else
			good = check_match(&vector, pattern);
	}
	printf("%s %.*s\n", good ? "ok -" : "not ok -", TN_STR_ARG(vector.name));
	tn_pattern_free(pattern);
	tn_buf_fini(&vector.pattern_text);
	return good;
}

int main(int argc, char **argv)
{
	enum { AT_LEAST = 343 };
	struct tn_buf file = {0};
	struct tn_error error = {0};
	int count = 0, bad = 0;
	if (argc != 2 || tn_file_read(argv[1], 4 << 20, &file, &error) != TN_OK) {
		printf("Bail out! %s\n", error.message);
		return 2;
	}
	struct tn_str rest = tn_buf_str(&file);
	while (rest.len) {
		size_t end = tn_str_find(rest, '\n');
		struct tn_str line = {rest.bytes, end == SIZE_MAX ? rest.len : end};
		rest = tn_str_tail(rest, line.len + 1);
		if (line.len == 0)
			continue;
		count++;
		bad += !check_line(line);
	}
	if (count < AT_LEAST) {
		printf("not ok - only %d vectors\n", count++);
		bad++;
	}
	printf("1..%d\n", count);
	tn_buf_fini(&file);
	return bad != 0;
}
