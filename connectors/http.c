/* SPDX-License-Identifier: Apache-2.0
 *
 * http.c - the HTTP connector: its name, its tables, its two sides.
 *
 * Called by the host through the registry. The sides are in http_source.c and http_target.c.
 */
#include "http.h"

#include "http_source.h"
#include "http_target.h"

const struct tn_connector tn_http_connector = {
	.name = "http",
	.help = "CloudEvents over HTTP",
	.source_options = tn_http_source_options,
	.source_options_size = sizeof(struct tn_http_source_options),
	.target_options = tn_http_target_options,
	.target_options_size = sizeof(struct tn_http_target_options),
	.placement = TN_EACH_WORKER,
	.answers = true,
	.wire = &tn_wire_http,
	.source = &tn_http_source_ops,
	.target = &tn_http_target_ops,
	.check_source = tn_http_source_check,
	.check_target = tn_http_target_check,
	.describe_target = tn_http_target_describe,
};
