/* SPDX-License-Identifier: Apache-2.0
 *
 * http.c - the HTTP connector: its name, its tables, its two sides.
 *
 * Called by the host through the registry. The sides are in http_source.c and http_target.c.
 */
#include "http.h"

#include "http_target.h"

const struct tn_connector tn_http_connector = {
	.name = "http",
	.help = "CloudEvents over HTTP",
	.target_options = tn_http_target_options,
	.target_options_size = sizeof(struct tn_http_target_options),
	.placement = TN_EACH_WORKER,
	.answers = true,
	.wire = &tn_wire_http,
	.target = &tn_http_target_ops,
	.check_target = tn_http_target_check,
	.describe_target = tn_http_target_describe,
};
