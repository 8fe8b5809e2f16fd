/* SPDX-License-Identifier: Apache-2.0
 *
 * http_signature.h - signs requests as Standard Webhooks 1.0.0 says, with one key or, while they are rotated, several.
 *
 *   webhook-id         what the request is about, the same for each attempt
 *   webhook-timestamp  this attempt, in seconds
 *   webhook-signature  v1,<base64 HMAC-SHA256(key, id.timestamp.body)>, one a key, separated by spaces
 *
 * A secret is `whsec_` and the key in base64, 24 to 64 bytes of it. The prefix must be there: without it the libraries of receivers
 * do not agree on whether what they read is base64. Loop thread of its target.
 */
#ifndef TURNOUT_CONNECTORS_HTTP_SIGNATURE_H
#define TURNOUT_CONNECTORS_HTTP_SIGNATURE_H

#include "turnout/error.h"
#include "turnout/option.h"
#include "turnout/str.h"

struct tn_http_signature; /* the keys, as they were read */

enum {
	TN_HTTP_SIGNATURE_KEYS_MAX = 8,
	TN_HTTP_SIGNATURE_TEXT_MAX = TN_HTTP_SIGNATURE_KEYS_MAX * (3 + 44 + 1), /* "v1,", the digest, a space or the NUL */
};

/* Reads the secrets now. Returns owned. TN_NOT_FOUND, TN_IO, TN_INVALID: names the reference, never the value. */
enum tn_status tn_http_signature_new(const struct tn_secrets *secrets, struct tn_http_signature **out_signature,
	struct tn_error *error) TN_MUST_CHECK;
void tn_http_signature_free(struct tn_http_signature *signature); /* NULL is fine. */
/* In constant time. */
bool tn_http_signature_equal(const struct tn_http_signature *a, const struct tn_http_signature *b);
/* The value of webhook-signature. id and timestamp have no dot in them. */
void tn_http_signature_sign(struct tn_http_signature *signature, struct tn_str id, struct tn_str timestamp, struct tn_str body,
	char out_text[TN_HTTP_SIGNATURE_TEXT_MAX]);

#endif
