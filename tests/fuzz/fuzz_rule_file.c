/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_rule_file.c - any bytes as a rule file: rules that match and can be explained, or an error with its place.
 */
#include <stdlib.h>

#include "turnout/ruleset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tn_event *make_event(void)
{
	struct tn_attribute attributes[] = {{TN_STR("id"), TN_STR("1"), TN_STRING}, {TN_STR("source"), TN_STR("/s"), TN_STRING},
		{TN_STR("type"), TN_STR("a"), TN_STRING}, {TN_STR("vip"), TN_STR("true"), TN_BOOLEAN}};
	struct tn_event_parts parts = {.attributes = attributes, .attribute_count = 4, .has_data = true,
		.data = TN_STR("{\"a\":[{\"b\":1},{\"b\":[\"x\",null]}],\"t\":{\"u\":2e2}}")};
	return tn_event_new(&parts);
}

static void use(const struct tn_ruleset *ruleset)
{
	struct tn_event *event = make_event();
	struct tn_matcher *matcher = tn_matcher_new();
	struct tn_identity identity = {.bus = TN_STR("b")};
	size_t count, capacity = tn_ruleset_route_count(ruleset);
	struct tn_match *matches = calloc(capacity, sizeof *matches);
	const struct tn_explanation *explanations;
	if (tn_ruleset_match(ruleset, matcher, event, &identity, matches, capacity, &count) != TN_OK || count > capacity)
		abort();
	if (tn_ruleset_explain(ruleset, matcher, event, &explanations, &count) != TN_OK || count != tn_ruleset_rule_count(ruleset))
		abort();
	free(matches);
	tn_matcher_free(matcher);
	tn_event_unref(event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tn_ruleset_config config = {.any_target = true, .allow_empty = true};
	struct tn_ruleset *ruleset = NULL;
	struct tn_error error = {0};
	enum tn_status status = tn_ruleset_compile(tn_str_make((const char *)data, size), "f", &config, &ruleset, &error);
	if (status == TN_OK)
		use(ruleset);
	else if (error.line == 0 || error.column == 0 || !error.message[0])
		abort();
	tn_ruleset_unref(ruleset);
	return 0;
}
