/* SPDX-License-Identifier: Apache-2.0
 *
 * sources.c - source instances: opened last, told what the engine decided, stopped first.
 *
 * Calls into a connector happen on the instance's own loop: directly on worker 0, by letter elsewhere. Bus thread unless marked.
 */
#include "bus_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum order { ORDER_ACK, ORDER_EXTEND, ORDER_RELEASE, ORDER_CREDIT, ORDER_STREAM_DONE, ORDER_REFUSE, ORDER_PAUSE, ORDER_SHED, ORDER_STOP };

struct order_letter {
	struct tn_mail mail;
	struct source_instance *instance;
	enum order order;
	struct tn_position position;
	struct tn_settlement settlement;
	struct tn_wire_error error;
	int status;
	uint32_t credit;
	int64_t delay_ms;
	const char *why;
};

struct stream_letter {
	struct tn_mail mail;
	struct tn_bus *bus;
	struct tn_position stream;
	enum tn_stream_event event;
	int64_t grace_ms;
	struct tn_stream_terms terms;
};

/* --- Orders --- */

/* [worker] Orders that were on their way when the instance stopped find no handle any more. */
static void carry_out(const struct order_letter *letter)
{
	struct source_instance *instance = letter->instance;
	const struct tn_source_ops *ops = instance->source->config->connector->source;
	struct tn_source *handle = instance->handle;
	if (!handle)
		return;
	switch (letter->order) {
	case ORDER_ACK:
		ops->ack(handle, letter->position, &letter->settlement);
		break;
	case ORDER_EXTEND:
		ops->extend(handle, letter->position);
		break;
	case ORDER_RELEASE:
		ops->release(handle, letter->position, letter->delay_ms);
		break;
	case ORDER_CREDIT:
		ops->credit(handle, letter->position.stream, letter->credit);
		break;
	case ORDER_STREAM_DONE:
		ops->stream_done(handle, letter->position.stream, letter->position.epoch);
		break;
	case ORDER_REFUSE:
		ops->refuse(handle, letter->position,
			&(struct tn_refusal){.status = letter->status, .error = &letter->error, .retry_after_ms = letter->delay_ms});
		break;
	case ORDER_PAUSE:
		ops->pause(handle, true);
		break;
	case ORDER_SHED:
		if (ops->shed)
			ops->shed(handle, letter->why);
		break;
	case ORDER_STOP:
		ops->stop(handle);
		break;
	}
}

static void open_order(struct tn_mail *mail, void *arg)
{
	if (arg)
		carry_out((struct order_letter *)mail);
	free(mail);
}

static void give_order(const struct order_letter *order)
{
	struct worker *worker = order->instance->worker;
	if (!worker->threaded) {
		carry_out(order);
		return;
	}
	struct order_letter *letter = malloc(sizeof *letter);
	if (!letter)
		abort();
	*letter = *order;
	letter->mail.open = open_order;
	tn_mailbox_post(worker->mailbox, &letter->mail);
}

struct source_instance *tn_sources_find(struct tn_bus *bus, struct tn_position position)
{
	pthread_mutex_lock(&bus->stream_lock);
	struct source_instance *instance = position.stream < bus->stream_count ? bus->streams[position.stream].instance : NULL;
	pthread_mutex_unlock(&bus->stream_lock);
	return instance;
}

void tn_sources_command(struct tn_bus *bus, const struct tn_command *command)
{
	struct source_instance *instance = tn_sources_find(bus, command->position);
	if (!instance || instance->stopped)
		return;
	struct order_letter order = {.instance = instance, .position = command->position, .credit = command->credit,
		.delay_ms = command->delay_ms};
	switch (command->kind) {
	case TN_ACK:
		order.order = ORDER_ACK;
		order.settlement = *command->settlement;
		atomic_fetch_add_explicit(&instance->source->answered, 1, memory_order_relaxed);
		break;
	case TN_EXTEND:
		order.order = ORDER_EXTEND;
		break;
	case TN_RELEASE:
		order.order = ORDER_RELEASE;
		break;
	case TN_CREDIT:
		order.order = ORDER_CREDIT;
		break;
	default:
		order.order = ORDER_STREAM_DONE;
	}
	give_order(&order);
}

void tn_source_refuse(struct source_instance *instance, struct tn_position position, const struct tn_refusal *refusal)
{
	struct order_letter order = {.instance = instance, .order = ORDER_REFUSE, .position = position, .error = *refusal->error,
		.status = refusal->status, .delay_ms = refusal->retry_after_ms};
	atomic_fetch_add_explicit(&instance->source->refused, 1, memory_order_relaxed);
	give_order(&order);
}

/* --- What a source says: any thread --- */

static enum tn_status tell(const struct stream_letter *letter)
{
	struct tn_engine *engine = letter->bus->engine;
	if (letter->event == TN_STREAM_OPENED)
		return tn_engine_open_stream(engine, letter->stream, &letter->terms);
	return tn_engine_stream(engine, letter->stream, letter->event, letter->grace_ms);
}

static void take_stream(struct tn_mail *mail, void *arg)
{
	struct stream_letter *letter = (struct stream_letter *)mail;
	if (arg) {
		if (tell(letter) != TN_OK) {
			tn_log_error(&letter->bus->log, "no memory to open a stream of a source; stopping", "source=%.*s",
				TN_STR_ARG(letter->bus->sources[letter->stream.source].config->name));
			letter->bus->failed = true;
			tn_bus_drain(letter->bus);
		}
		tn_turn_want(letter->bus);
	}
	free(letter);
}

static void tell_engine(struct tn_bus *bus, struct tn_position stream, enum tn_stream_event event, int64_t grace_ms,
	const struct tn_stream_terms *terms)
{
	struct stream_letter *letter = malloc(sizeof *letter);
	if (!letter)
		abort();
	*letter = (struct stream_letter){.mail.open = take_stream, .bus = bus, .stream = stream, .event = event, .grace_ms = grace_ms,
		.terms = *terms};
	tn_mailbox_post(bus->workers[0].mailbox, &letter->mail);
}

static uint32_t on_stream_open(void *arg, const char *name, uint32_t epoch, int64_t lease_ms)
{
	struct source_instance *instance = arg;
	struct tn_bus *bus = instance->source->bus;
	pthread_mutex_lock(&bus->stream_lock);
	if (bus->stream_count == bus->stream_capacity) {
		bus->stream_capacity = bus->stream_capacity ? bus->stream_capacity * 2 : 16;
		bus->streams = realloc(bus->streams, bus->stream_capacity * sizeof *bus->streams);
		if (!bus->streams)
			abort();
	}
	uint32_t number = bus->stream_count++;
	bus->streams[number] = (struct stream){instance, tn_str_dup(tn_str_from(name))};
	pthread_mutex_unlock(&bus->stream_lock);
	struct tn_position stream = {.source = instance->source->number, .stream = number, .epoch = epoch};
	const struct tn_connector *connector = instance->source->config->connector;
	struct tn_stream_terms terms = {.lease_ms = lease_ms, .window = (uint32_t)instance->source->config->window,
		.moves = connector->shared_group, .answers = connector->answers, .cumulative = connector->cumulative_ack};
	tell_engine(bus, stream, TN_STREAM_OPENED, 0, &terms);
	return number;
}

static void on_stream_end(void *arg, uint32_t stream, uint32_t epoch, bool lost, int64_t grace_ms)
{
	struct source_instance *instance = arg;
	struct tn_position position = {.source = instance->source->number, .stream = stream, .epoch = epoch};
	tell_engine(instance->source->bus, position, lost ? TN_STREAM_LOST : TN_STREAM_REVOKED, grace_ms,
		&(struct tn_stream_terms){0});
}

static enum tn_status on_message(void *arg, const struct tn_message *message)
{
	return tn_intake_message(arg, message);
}

static void take_stopped(struct tn_mail *mail, void *arg)
{
	struct order_letter *letter = (struct order_letter *)mail;
	struct tn_bus *bus = letter->instance->source->bus;
	letter->instance->stopped = true;
	free(letter);
	if (arg && tn_sources_stopped(bus))
		tn_targets_stop(bus);
}

static void on_stopped(void *arg)
{
	struct source_instance *instance = arg;
	instance->handle = NULL; /* it frees itself */
	struct order_letter *letter = calloc(1, sizeof *letter);
	if (!letter)
		abort();
	letter->mail.open = take_stopped;
	letter->instance = instance;
	tn_mailbox_post(instance->source->bus->workers[0].mailbox, &letter->mail);
}

const char *tn_sources_stream_name(struct tn_bus *bus, uint32_t stream)
{
	pthread_mutex_lock(&bus->stream_lock);
	const char *name = stream < bus->stream_count ? bus->streams[stream].name : "";
	pthread_mutex_unlock(&bus->stream_lock);
	return name;
}

/* --- What connectors count --- */

/* [worker], while the bus thread waits. */
static void ask_for_counts(void *arg)
{
	struct source_instance *instance = arg;
	if (instance->handle)
		instance->count_count = instance->source->config->connector->source->counts(instance->handle, instance->counts);
}

size_t tn_bus_source_counts(struct tn_bus *bus, size_t index, struct tn_source_count *out_counts)
{
	struct source *source = &bus->sources[index];
	size_t count = 0;
	if (!source->config->connector->source->counts)
		return 0;
	for (uint32_t i = 0; i < source->instance_count; i++) {
		struct source_instance *instance = &source->instances[i];
		tn_worker_call(instance->worker, ask_for_counts, instance);
		for (size_t j = 0; j < instance->count_count; j++) {
			uint64_t before = j < count ? out_counts[j].value : 0;
			out_counts[j] = instance->counts[j];
			out_counts[j].value += before;
		}
		if (instance->count_count > count)
			count = instance->count_count;
	}
	return count;
}

/* --- Life --- */

struct open_call {
	struct source_instance *instance;
	enum tn_status status;
	struct tn_error *error;
};

static void open_instance(void *arg)
{
	struct open_call *call = arg;
	struct source_instance *instance = call->instance;
	const struct tn_source_config *config = instance->source->config;
	call->status = config->connector->source->open(&instance->host, config->options, &instance->handle, call->error);
}

static void init_source(struct tn_bus *bus, struct source *source, const struct tn_source_config *config, uint32_t number)
{
	source->bus = bus;
	source->config = config;
	source->number = number;
	snprintf(source->origin, sizeof source->origin, "{\"name\":\"%.*s\",\"kind\":\"%s\"", TN_STR_ARG(config->name),
		config->connector->name);
	tn_source_rate_init(&source->rate, config->rate_count, config->rate_period_ms, config->burst);
	source->instance_count = config->connector->placement == TN_EACH_WORKER ? bus->worker_count : 1;
	source->instances = calloc(source->instance_count, sizeof *source->instances);
	if (!source->instances)
		abort();
	for (uint32_t i = 0; i < source->instance_count; i++) {
		struct source_instance *instance = &source->instances[i];
		instance->source = source;
		instance->worker = &bus->workers[i];
		instance->stopped = true;
		instance->host = (struct tn_host){
			.base = instance->worker->base,
			.clock = &bus->clock,
			.name = config->name.bytes,
			.worker = i,
			.worker_count = source->instance_count,
			.arg = instance,
			.stream_open = on_stream_open,
			.stream_end = on_stream_end,
			.message = on_message,
			.stopped = on_stopped,
		};
	}
}

enum tn_status tn_sources_open(struct tn_bus *bus, struct tn_error *error)
{
	const struct tn_config *config = bus->started->config;
	bus->source_count = config->source_count;
	bus->sources = calloc(config->source_count, sizeof *bus->sources);
	if (!bus->sources)
		abort();
	for (size_t i = 0; i < config->source_count; i++)
		init_source(bus, &bus->sources[i], &config->sources[i], (uint32_t)i);
	for (size_t i = 0; i < bus->source_count; i++)
		for (uint32_t j = 0; j < bus->sources[i].instance_count; j++) {
			struct open_call call = {.instance = &bus->sources[i].instances[j], .error = error};
			tn_worker_call(call.instance->worker, open_instance, &call);
			if (call.status != TN_OK)
				return call.status;
			call.instance->stopped = false;
		}
	return TN_OK;
}

static void order_all(struct tn_bus *bus, enum order what, const char *why)
{
	for (size_t i = 0; i < bus->source_count; i++)
		for (uint32_t j = 0; j < bus->sources[i].instance_count; j++)
			if (!bus->sources[i].instances[j].stopped)
				give_order(&(struct order_letter){.instance = &bus->sources[i].instances[j], .order = what, .why = why});
}

void tn_sources_pause(struct tn_bus *bus)
{
	order_all(bus, ORDER_PAUSE, NULL);
}

void tn_sources_shed(struct tn_bus *bus, const char *why)
{
	order_all(bus, ORDER_SHED, why);
}

void tn_sources_stop(struct tn_bus *bus)
{
	if (tn_sources_stopped(bus))
		tn_targets_stop(bus);
	else
		order_all(bus, ORDER_STOP, NULL);
}

bool tn_sources_stopped(const struct tn_bus *bus)
{
	for (size_t i = 0; i < bus->source_count; i++)
		for (uint32_t j = 0; j < bus->sources[i].instance_count; j++)
			if (!bus->sources[i].instances[j].stopped)
				return false;
	return true;
}

void tn_sources_free(struct tn_bus *bus)
{
	for (size_t i = 0; i < bus->source_count; i++)
		free(bus->sources[i].instances);
	free(bus->sources);
	for (uint32_t i = 0; i < bus->stream_count; i++)
		free(bus->streams[i].name);
	free(bus->streams);
}
