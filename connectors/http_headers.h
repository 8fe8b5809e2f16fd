/* SPDX-License-Identifier: Apache-2.0
 *
 * http_headers.h - the headers that every request of one HTTP target carries: its own, the credential, who we are.
 *
 * A set is immutable and counted: attempts under way keep the one they were sent with, while a new one is read because a credential was
 * refused. Loop thread of its target.
 */
#ifndef TURNOUT_CONNECTORS_HTTP_HEADERS_H
#define TURNOUT_CONNECTORS_HTTP_HEADERS_H

#include "http_target.h"
#include "turnout/wire.h"

struct tn_http_headers {
	uint32_t refs;
	size_t count;
	struct tn_header *headers; /* their texts are in text */
	struct tn_buf text;
};

/* What the configuration may say about headers and credentials, before any secret is read. */
enum tn_status tn_http_headers_check(const struct tn_http_target_options *options, struct tn_error *error) TN_MUST_CHECK;
/* Reads the secrets now. Returns owned. TN_NOT_FOUND, TN_IO, TN_INVALID: names the setting, never the value. */
enum tn_status tn_http_headers_read(const struct tn_http_target_options *options, struct tn_http_headers **out_headers, struct tn_error *error)
	TN_MUST_CHECK;
bool tn_http_headers_equal(const struct tn_http_headers *a, const struct tn_http_headers *b);
struct tn_http_headers *tn_http_headers_ref(struct tn_http_headers *headers);
void tn_http_headers_unref(struct tn_http_headers *headers); /* NULL is fine. */

#endif
