/* SPDX-License-Identifier: Apache-2.0
 *
 * http_target.h - events to an HTTP endpoint (`kind: http` under `targets`). The binding is that of CloudEvents over HTTP.
 */
#ifndef TURNOUT_CONNECTORS_HTTP_TARGET_H
#define TURNOUT_CONNECTORS_HTTP_TARGET_H

#include "turnout/connector.h"

struct tn_http_target_options {
	struct tn_str url;
	uint32_t structured;         /* content_mode: binary, structured */
	uint32_t bare_key;           /* idempotency_key: quoted, bare */
	int64_t connect_timeout_ms;
	struct tn_pairs headers;
	struct tn_secret bearer, basic_password;
	struct tn_secrets signing;   /* none: requests are not signed */
	struct tn_str basic_username;
	struct tn_str tls_ca, tls_certificate, tls_key;
	struct tn_texts allow, deny; /* CIDR blocks, added to those of the bus */
	struct tn_texts retry_on, fail_on;
	bool disable_on_gone;
	uint32_t reply_to_bus;       /* reply: ignore, bus */
};

extern const struct tn_option tn_http_target_options[];
extern const struct tn_target_ops tn_http_target_ops;
enum tn_status tn_http_target_check(const void *options, struct tn_error *error) TN_MUST_CHECK;
void tn_http_target_describe(const void *options, char *out, size_t size);

#endif
