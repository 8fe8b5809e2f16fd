/* SPDX-License-Identifier: Apache-2.0
 *
 * breakers.c - the circuit breaker of a target, opened and closed by hand.
 *
 * Called by admin.c for POST /breaker, which `turnout target` sends. What an operator opens stays open until he closes it, or the
 * process ends. Bus thread.
 */
#include "admin_parts.h"

#include <jansson.h>

static struct tn_str member(const json_t *body, const char *name)
{
	const json_t *value = json_object_get(body, name);
	return json_is_string(value) ? tn_str_make(json_string_value(value), json_string_length(value)) : (struct tn_str){0};
}

static void answer(struct tn_bus *bus, struct tn_http_request *request, struct tn_str target, struct tn_str state)
{
	bool open = tn_str_is(state, "open");
	if (target.len == 0 || !(open || tn_str_is(state, "closed")))
		tn_http_reply_problem(request, 400, 0, "the body must be {\"target\": NAME, \"state\": \"open\" or \"closed\"}", (struct tn_str){0});
	else if (tn_bus_breaker(bus, target, open ? TN_BREAKER_OPEN : TN_BREAKER_CLOSED) != TN_OK)
		tn_http_reply_problem(request, 404, 0, "there is no such target", (struct tn_str){0});
	else
		tn_http_reply(request, 204, NULL, 0, (struct tn_str){0});
}

void tn_breakers_request(struct tn_bus *bus, struct tn_http_request *request)
{
	if (!tn_str_is(tn_http_request_method(request), "POST")) {
		tn_http_reply_problem(request, 405, 0, "a breaker is opened and closed with POST; /status shows it", (struct tn_str){0});
		return;
	}
	struct tn_str text = tn_http_request_body(request);
	json_t *body = json_loadb(text.bytes ? text.bytes : "", text.len, JSON_REJECT_DUPLICATES, NULL);
	answer(bus, request, member(body, "target"), member(body, "state"));
	json_decref(body);
}
