/* SPDX-License-Identifier: Apache-2.0
 *
 * http_source.h - events that are posted to us, for the HTTP connector's row.
 */
#ifndef TURNOUT_CONNECTORS_HTTP_SOURCE_H
#define TURNOUT_CONNECTORS_HTTP_SOURCE_H

#include "turnout/connector.h"

enum tn_http_source_mode { TN_HTTP_SOURCE_DURABLE, TN_HTTP_SOURCE_SYNC };

struct tn_http_source_options {
	struct tn_str listen, path;
	uint32_t mode;                    /* enum tn_http_source_mode */
	uint64_t max_body_bytes, max_header_bytes, max_connections, min_body_rate;
	struct tn_str certificate, key;
	struct tn_secret bearer;
	bool allow_anonymous, batch;
	int64_t header_timeout_ms, idle_timeout_ms;
};

extern const struct tn_option tn_http_source_options[];
extern const struct tn_source_ops tn_http_source_ops;
enum tn_status tn_http_source_check(const void *options, struct tn_error *error);

#endif
