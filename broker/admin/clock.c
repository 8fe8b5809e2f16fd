/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.c - an operator says that the wall clock is right.
 *
 * Called by admin.c for POST /clock/accept, which `turnout clock accept` sends. Bus thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include "admin_parts.h"

void tn_admin_clock(struct tn_bus *bus, struct tn_http_request *request)
{
	char body[64];
	struct tn_header header = {TN_STR("Content-Type"), TN_STR("application/json"), TN_STRING};
	if (!tn_str_is(tn_http_request_path(request), "/clock/accept") ||
	        !tn_str_is(tn_http_request_method(request), "POST")) {
		tn_http_reply_problem(
		        request, 405, 0, "here is POST /clock/accept; /status shows the clock", (struct tn_str){0});
		return;
	}
	int len = snprintf(body, sizeof body, "{\"moved_ms\":%" PRId64 "}", tn_bus_accept_clock(bus));
	tn_http_reply(request, 200, &header, 1, tn_str_make(body, (size_t)len));
}
