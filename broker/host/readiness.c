/* SPDX-License-Identifier: Apache-2.0
 *
 * readiness.c - what the bus waits for before it opens its sources: services that answer 2xx to a GET (start.wait_for).
 *
 * A bus beside a service must not take events before the service can take deliveries. Each URL is asked until it has answered well once; all
 * within start.timeout, or the bus does not start. What was in the store goes on meanwhile, under its retry policies. Bus thread.
 */
#include "bus_parts.h"

#include "turnout/http_client.h"

#include <event2/event.h>
#include <stdlib.h>

enum { PAUSE_MS = 250, ANSWER_MS = 5000 };

struct service {
	struct readiness *readiness;
	const char *url;
	struct event *again;
	bool ready;
	char why[300]; /* not yet */
};
struct readiness {
	struct tn_bus *bus;
	struct tn_http_client *client;
	struct event *limit;
	struct service *services;
	size_t count, waiting;
	bool failed;
};

static void arm(struct event *timer, int64_t in_ms)
{
	struct timeval wait = {.tv_sec = in_ms / 1000, .tv_usec = in_ms % 1000 * 1000};
	event_add(timer, &wait);
}

static void on_answer(void *arg, const struct tn_http_answer *answer)
{
	struct service *service = arg;
	struct readiness *readiness = service->readiness;
	if (readiness->failed || readiness->bus->phase != TN_BUS_STARTING)
		return;
	if (answer->status >= 200 && answer->status < 300) {
		service->ready = true;
		tn_log_info(&readiness->bus->log, "service is ready", "url=%s", service->url);
		if (--readiness->waiting == 0) {
			event_del(readiness->limit);
			tn_turn_want(readiness->bus);
		}
		return;
	}
	if (answer->status)
		snprintf(service->why, sizeof service->why, "it answered %d", answer->status);
	else
		snprintf(service->why, sizeof service->why, "%s", answer->message);
	arm(service->again, PAUSE_MS);
}

static void ask(evutil_socket_t fd, short what, void *arg)
{
	struct service *service = arg;
	struct tn_http_call_options call = {.method = "GET", .url = service->url, .timeout_ms = ANSWER_MS, .body_limit = 1024,
		.done = on_answer, .arg = service};
	if (service->readiness->bus->phase == TN_BUS_STARTING)
		tn_http_client_start(service->readiness->client, &call);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct readiness *readiness = arg;
	struct tn_bus *bus = readiness->bus;
	if (bus->phase != TN_BUS_STARTING)
		return;
	readiness->failed = bus->failed = true;
	for (size_t i = 0; i < readiness->count; i++) {
		const struct service *service = &readiness->services[i];
		if (service->ready)
			continue;
		tn_log_error(&bus->log, "service did not become ready", "url=%s why=\"%s\"", service->url, service->why);
		tn_error_set(bus->run_error, "start.wait_for: %s was not ready within start.timeout: %s", service->url, service->why);
	}
	tn_bus_drain(bus);
}

static enum tn_status open_service(struct readiness *readiness, struct service *service, struct tn_str url)
{
	*service = (struct service){.readiness = readiness, .url = url.bytes, .why = "it has not answered yet"};
	service->again = evtimer_new(tn_bus_base(readiness->bus), ask, service);
	if (!service->again)
		return TN_NO_MEMORY;
	arm(service->again, 0);
	return TN_OK;
}

enum tn_status tn_readiness_new(struct tn_bus *bus, struct tn_error *error)
{
	const struct tn_config *config = bus->started->config;
	if (config->wait_for.count == 0)
		return TN_OK;
	struct readiness *readiness = calloc(1, sizeof *readiness);
	if (!readiness)
		abort();
	bus->readiness = readiness;
	readiness->bus = bus;
	readiness->services = calloc(config->wait_for.count, sizeof *readiness->services);
	if (!readiness->services)
		abort();
	enum tn_status status = tn_http_client_new(tn_bus_base(bus), &(struct tn_http_client_options){0}, &readiness->client, error);
	for (size_t i = 0; i < config->wait_for.count && status == TN_OK; i++, readiness->count++)
		status = open_service(readiness, &readiness->services[i], config->wait_for.items[i]);
	readiness->limit = evtimer_new(tn_bus_base(bus), on_limit, readiness);
	if (status != TN_OK || !readiness->limit) {
		tn_error_set(error, "no memory to wait for services (start.wait_for)");
		return TN_NO_MEMORY;
	}
	readiness->waiting = readiness->count;
	arm(readiness->limit, config->wait_limit_ms);
	tn_log_info(&bus->log, "waiting for services", "count=%zu timeout_ms=%lld", readiness->count, (long long)config->wait_limit_ms);
	return TN_OK;
}

bool tn_readiness_reached(const struct tn_bus *bus)
{
	return !bus->readiness || (bus->readiness->waiting == 0 && !bus->readiness->failed);
}

void tn_readiness_free(struct readiness *readiness)
{
	if (!readiness)
		return;
	tn_http_client_free(readiness->client);
	for (size_t i = 0; i < readiness->count; i++)
		event_free(readiness->services[i].again);
	if (readiness->limit)
		event_free(readiness->limit);
	free(readiness->services);
	free(readiness);
}
