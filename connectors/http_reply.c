/* SPDX-License-Identifier: Apache-2.0
 *
 * http_reply.c - tells whether an answer carries events, and makes a message of it.
 *
 * Called by http_target.c and http_report.c where the target's answers go to the bus. Owns nothing. Any thread.
 */
#include "http_reply.h"

#include "http_batch.h"

bool tn_http_reply_expected(const struct tn_attempt *attempt)
{
	return attempt->purpose == TN_TO_TARGET && !tn_http_batch_wanted(attempt);
}

bool tn_http_reply_take(const struct tn_http_answer *answer, struct tn_message *out_reply)
{
	const struct tn_wire_input input = {
		.headers = answer->headers,
		.header_count = answer->header_count,
		.has_body = true,
		.body = answer->body,
	};
	if (tn_wire_mode(&tn_wire_http, &input) == TN_MODE_PLAIN)
		return false;
	*out_reply = (struct tn_message){
		.headers = answer->headers,
		.header_count = (uint32_t)answer->header_count,
		.body = answer->body,
		.has_body = true,
	};
	return true;
}
