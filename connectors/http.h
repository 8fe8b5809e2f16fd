/* SPDX-License-Identifier: Apache-2.0
 *
 * http.h - the HTTP connector, for the registry.
 */
#ifndef TURNOUT_CONNECTORS_HTTP_H
#define TURNOUT_CONNECTORS_HTTP_H

#include "turnout/connector.h"

extern const struct tn_connector tn_http_connector;

#endif
