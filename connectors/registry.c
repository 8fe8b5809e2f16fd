/* SPDX-License-Identifier: Apache-2.0
 *
 * registry.c - the connectors there are, and the names of those that will be.
 *
 * Called by the configuration, help and the contract tests. A new connector is one more row. Any thread.
 */
#include "http.h"

static const struct tn_connector *const connectors[] = {
	&tn_http_connector,
	NULL,
};

static const char *const later[] = {"kafka", "amqp", "nats", "redis", "lambda", "process", NULL};

const struct tn_connector *tn_registry_find(struct tn_str name)
{
	for (const struct tn_connector *const *each = connectors; *each; each++)
		if (tn_str_is(name, (*each)->name))
			return *each;
	return NULL;
}

const struct tn_connector *const *tn_registry_all(void)
{
	return connectors;
}

bool tn_registry_later(struct tn_str name)
{
	for (const char *const *each = later; *each; each++)
		if (tn_str_is(name, *each))
			return true;
	return false;
}
