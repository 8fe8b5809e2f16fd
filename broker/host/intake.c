/* SPDX-License-Identifier: Apache-2.0
 *
 * intake.c - one message becomes one arrival: decoded and matched on its worker, offered to the engine on the bus thread.
 *
 * With one worker the arrival is built in the worker's scratch memory and offered at once; it is copied into a letter only when it
 * crosses a thread or must wait for room. Waiting arrivals keep their order and are bounded by the credit their sources were given.
 */
#include "bus_parts.h"
#include "dedup.h"

#include "turnout/json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH_LIMIT = 1000, JSON_DEPTH = 256, RETRY_AFTER_MS = 5000 };

/* An arrival with everything it points to, in one block. Owns a ref of each event and ruleset. */
struct letter {
	struct tn_mail mail;
	struct source_instance *instance;
	struct tn_arrival arrival;
	struct letter *next;
};

struct waiting {
	struct letter *first, **end;
	size_t count;
};

struct waiting *tn_waiting_new(void)
{
	struct waiting *waiting = calloc(1, sizeof *waiting);
	if (!waiting)
		abort();
	waiting->end = &waiting->first;
	return waiting;
}

size_t tn_waiting_count(const struct waiting *waiting)
{
	return waiting->count;
}

static void free_letter(struct letter *letter)
{
	for (uint32_t i = 0; i < letter->arrival.count; i++) {
		tn_event_unref(letter->arrival.offers[i].event);
		tn_ruleset_unref(letter->arrival.offers[i].ruleset);
	}
	free(letter);
}

void tn_waiting_free(struct waiting *waiting)
{
	if (!waiting)
		return;
	while (waiting->first) {
		struct letter *next = waiting->first->next;
		free_letter(waiting->first);
		waiting->first = next;
	}
	free(waiting);
}

/* --- On the bus thread --- */

static void answer_unavailable(struct source_instance *instance, struct tn_position position, const char *why)
{
	struct tn_wire_error error = {.fault = TN_FAULT_NONE, .index = -1, .offset = -1};
	snprintf(error.message, sizeof error.message, "%s", why);
	struct tn_refusal refusal = {.status = 503, .error = &error, .retry_after_ms = RETRY_AFTER_MS};
	tn_source_refuse(instance, position, &refusal);
}

/* HTTP answers 503 to events that match a target whose park is full, instead of pausing all of its senders (section 6). */
static bool targets_open(struct tn_bus *bus, const struct tn_arrival *arrival)
{
	for (uint32_t i = 0; i < arrival->count; i++)
		for (uint32_t j = 0; j < arrival->offers[i].match_count; j++) {
			const struct tn_route *route = arrival->offers[i].matches[j].route;
			if (!route->poison && !tn_engine_target_open(bus->engine, route->target_no))
				return false;
		}
	return true;
}

/* False: no room, come again. */
static bool offer(struct tn_bus *bus, struct source_instance *instance, const struct tn_arrival *arrival)
{
	if (instance->source->config->connector->answers && !targets_open(bus, arrival)) {
		answer_unavailable(instance, arrival->position, "a matched target has as many deliveries parked, or dead letters, as it may");
		return true;
	}
	switch (tn_engine_offer(bus->engine, arrival)) {
	case TN_OK:
		tn_turn_want(bus);
		return true;
	case TN_FULL:
		return false;
	case TN_NO_MEMORY: /* nobody will say when there is some again: waiting for that could be for ever */
		answer_unavailable(instance, arrival->position, "there is no memory for more events just now");
		return true;
	default:
		answer_unavailable(instance, arrival->position, "the bus is shutting down");
		return true;
	}
}

static void wait_for_room(struct tn_bus *bus, struct letter *letter)
{
	letter->next = NULL;
	*bus->waiting->end = letter;
	bus->waiting->end = &letter->next;
	bus->waiting->count++;
	tn_turn_want(bus);
}

void tn_intake_room(struct tn_bus *bus)
{
	struct waiting *waiting = bus->waiting;
	while (waiting->first && offer(bus, waiting->first->instance, &waiting->first->arrival)) {
		struct letter *letter = waiting->first;
		waiting->first = letter->next;
		if (!waiting->first)
			waiting->end = &waiting->first;
		waiting->count--;
		free_letter(letter);
	}
}

void tn_intake_turn_away(struct tn_bus *bus, const char *why)
{
	struct waiting *waiting = bus->waiting;
	struct letter **place = &waiting->first, *letter;
	while ((letter = *place)) {
		if (!letter->instance->source->config->connector->answers) {
			place = &letter->next;
			continue;
		}
		*place = letter->next;
		waiting->count--;
		answer_unavailable(letter->instance, letter->arrival.position, why);
		free_letter(letter);
	}
	waiting->end = place;
}

static void take_letter(struct tn_mail *mail, void *arg)
{
	struct letter *letter = (struct letter *)mail;
	struct tn_bus *bus = letter->instance->source->bus;
	if (!arg)
		free_letter(letter); /* the loop is gone: its source was never answered */
	else if (!bus->waiting->first && offer(bus, letter->instance, &letter->arrival))
		free_letter(letter);
	else
		wait_for_room(bus, letter);
}

/* --- On the worker's loop --- */

static size_t letter_size(const struct tn_arrival *arrival)
{
	size_t size = sizeof(struct letter) + arrival->count * sizeof(struct tn_offer);
	for (uint32_t i = 0; i < arrival->count; i++)
		size += arrival->offers[i].match_count * sizeof(struct tn_match) + arrival->offers[i].origin.len;
	return size;
}

static struct letter *copy_letter(struct source_instance *instance, const struct tn_arrival *arrival)
{
	struct letter *letter = malloc(letter_size(arrival));
	if (!letter)
		abort();
	struct tn_offer *offers = (struct tn_offer *)(letter + 1);
	struct tn_match *matches = (struct tn_match *)(offers + arrival->count);
	for (uint32_t i = 0; i < arrival->count; i++) {
		offers[i] = arrival->offers[i];
		tn_event_ref(offers[i].event);
		tn_ruleset_ref(offers[i].ruleset);
		if (offers[i].match_count)
			memcpy(matches, offers[i].matches, offers[i].match_count * sizeof *matches);
		offers[i].matches = matches;
		matches += offers[i].match_count;
	}
	char *text = (char *)matches;
	for (uint32_t i = 0; i < arrival->count; i++) {
		struct tn_str *origin = &offers[i].origin;
		if (origin->len)
			memcpy(text, origin->bytes, origin->len);
		*origin = tn_str_make(text, origin->len);
		text += origin->len;
	}
	*letter = (struct letter){.mail.open = take_letter, .instance = instance, .arrival = *arrival};
	letter->arrival.offers = offers;
	return letter;
}

static void hand_over(struct source_instance *instance, const struct tn_arrival *arrival)
{
	struct tn_bus *bus = instance->source->bus;
	if (instance->worker->index != 0) {
		tn_mailbox_post(bus->workers[0].mailbox, &copy_letter(instance, arrival)->mail);
		return;
	}
	if (!bus->waiting->first && offer(bus, instance, arrival))
		return;
	wait_for_room(bus, copy_letter(instance, arrival));
}

static void refuse(struct source_instance *instance, const struct tn_message *message, const struct tn_wire_error *error)
{
	struct tn_refusal refusal = {.status = tn_wire_fault_status(error->fault), .error = error};
	atomic_fetch_add_explicit(&instance->source->refused, 1, memory_order_relaxed);
	instance->source->config->connector->source->refuse(instance->handle, message->position, &refusal);
}

/* Nothing of it is kept, so its sender may come again. An empty batch counts too: it is work. */
static bool within_rate(struct source_instance *instance, const struct tn_message *message, size_t events)
{
	struct source *source = instance->source;
	struct tn_wire_error error = {.fault = TN_FAULT_NONE, .index = -1, .offset = -1};
	if (source->rate.each_ns == 0)
		return true;
	int64_t now_ns = tn_clock_mono_ms(&source->bus->clock) * 1000000;
	int64_t wait_ms = tn_source_rate_take(&source->rate, now_ns, events > 0 ? events : 1);
	if (wait_ms == 0)
		return true;
	struct tn_refusal refusal = {.status = 429, .error = &error, .retry_after_ms = wait_ms};
	snprintf(error.message, sizeof error.message, "more events than this source's rate, %.*s", TN_STR_ARG(source->config->rate));
	atomic_fetch_add_explicit(&source->refused, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&source->over_rate, 1, memory_order_relaxed);
	source->config->connector->source->refuse(instance->handle, message->position, &refusal);
	return false;
}

/* Good enough for an attribute: visible ASCII and spaces. What it means is its consumer's business. */
static bool is_media_type(struct tn_str type)
{
	for (size_t i = 0; i < type.len; i++)
		if (type.bytes[i] < ' ' || type.bytes[i] > '~')
			return false;
	return type.len > 0 && type.len <= 255;
}

/* What is not a CloudEvent becomes one (cloudevents.md section 10). */
static struct tn_event *wrap_plain(struct source_instance *instance, const struct tn_wire_input *input)
{
	char id[TN_UUID_TEXT_SIZE], time[TN_TIME_TEXT_SIZE], source[128];
	const struct source *from = instance->source;
	tn_uuid_random(id);
	tn_clock_format(input->accepted_ms, time);
	snprintf(source, sizeof source, "/%s/%.*s", from->config->connector->name, TN_STR_ARG(from->config->name));
	struct tn_str type = input->content_type;
	for (size_t i = 0; i < input->header_count && !type.bytes; i++)
		if (tn_str_equal_nocase(input->headers[i].name, TN_STR("content-type")))
			type = input->headers[i].value;
	if (!is_media_type(type))
		type = (struct tn_str){0};
	if (!type.bytes && input->body.len)
		type = tn_json_valid(input->body, JSON_DEPTH) ? TN_STR("application/json") : TN_STR("application/octet-stream");
	struct tn_attribute attributes[5] = {
		{TN_STR("id"), tn_str_from(id), TN_STRING},
		{TN_STR("source"), tn_str_from(source), TN_STRING},
		{TN_STR("type"), TN_STR("turnout.http.request"), TN_STRING},
		{TN_STR("time"), tn_str_from(time), TN_STRING},
		{TN_STR("datacontenttype"), type, TN_STRING},
	};
	struct tn_event_parts parts = {
		.attributes = attributes,
		.attribute_count = type.bytes ? 5 : 4,
		.has_data = input->has_body && input->body.len > 0,
		.data = input->body,
		.accepted_ms = input->accepted_ms,
	};
	return tn_event_new(&parts);
}

/* Fills decoded with what the message holds, or refuses it and answers false. */
static bool decode(struct source_instance *instance, const struct tn_message *message, struct tn_decoded *decoded)
{
	struct tn_bus *bus = instance->source->bus;
	struct tn_wire_error error;
	struct tn_wire_limits limits = {.batch_events = BATCH_LIMIT, .json_depth = JSON_DEPTH};
	struct tn_wire_input input = {
		.headers = message->headers,
		.header_count = message->header_count,
		.content_type = message->content_type,
		.has_body = message->has_body,
		.body = message->body,
		.accepted_ms = tn_clock_wall_ms(&bus->clock),
	};
	if (tn_wire_decode(instance->source->config->connector->wire, &input, &limits, decoded, &error) != TN_OK) {
		refuse(instance, message, &error);
		return false;
	}
	if (decoded->mode != TN_MODE_PLAIN)
		return true;
	if (instance->source->config->plain == TN_PLAIN_REJECT) {
		error = (struct tn_wire_error){.fault = TN_FAULT_PLAIN_REFUSED, .index = -1, .offset = -1};
		snprintf(error.message, sizeof error.message,
			"not a CloudEvent: send ce-specversion, ce-id, ce-source and ce-type headers, or Content-Type application/cloudevents+json");
		atomic_fetch_add_explicit(&bus->plain_refused, 1, memory_order_relaxed);
		refuse(instance, message, &error);
		return false;
	}
	decoded->events = malloc(sizeof *decoded->events);
	if (!decoded->events)
		abort();
	decoded->events[0] = wrap_plain(instance, &input);
	decoded->count = 1;
	return true;
}

static void make_room(struct worker *worker, size_t offers, size_t matches)
{
	if (offers > worker->offer_capacity) {
		worker->offer_capacity = offers;
		worker->offers = realloc(worker->offers, offers * sizeof *worker->offers);
	}
	if (matches > worker->match_capacity) {
		worker->match_capacity = matches * 2;
		worker->matches = realloc(worker->matches, worker->match_capacity * sizeof *worker->matches);
	}
	if (!worker->offers || !worker->matches)
		abort();
}

/* An event that no rule matches needs no key: nothing is done that a copy could do again. */
static void add_keys(struct source_instance *instance, const struct tn_message *message, const struct tn_decoded *decoded)
{
	const struct source *source = instance->source;
	const struct tn_dedup_config *dedup = &source->config->dedup;
	struct dedup_message from = {.bus = source->bus->started->config->bus, .source = source->config->name, .message = message,
		.wrapped = decoded->mode == TN_MODE_PLAIN};
	for (size_t i = 0; i < decoded->count && dedup->by != TN_DEDUP_OFF; i++) {
		struct tn_offer *offer = &instance->worker->offers[i];
		if (offer->match_count > 0 && tn_dedup_key(dedup, &from, offer->event, i, &offer->dedup_key))
			offer->fingerprint = tn_dedup_fingerprint(offer->event);
	}
}

/* Matches each event with one revision of the rules; the scratch may move while it grows, so pointers are set last. */
static void match_all(struct source_instance *instance, const struct tn_decoded *decoded, struct tn_str origin)
{
	struct worker *worker = instance->worker;
	/* A worker must not look at bus->snapshot, which a reload replaces; and a bus never changes its name. */
	struct tn_identity identity = {.bus = instance->source->bus->started->config->bus};
	size_t routes = tn_ruleset_route_count(worker->ruleset) + 1, used = 0;
	make_room(worker, decoded->count + 1, routes);
	for (size_t i = 0; i < decoded->count; i++) {
		size_t count = 0;
		make_room(worker, decoded->count, used + routes);
		enum tn_status status = tn_ruleset_match(worker->ruleset, worker->matcher, decoded->events[i], &identity,
			worker->matches + used, routes, &count);
		assert(status == TN_OK); /* there is room for every route */
		(void)status;
		worker->offers[i] = (struct tn_offer){.event = decoded->events[i], .ruleset = worker->ruleset,
			.match_count = (uint32_t)count, .origin = origin};
		used += count;
	}
	used = 0;
	for (size_t i = 0; i < decoded->count; i++) {
		worker->offers[i].matches = worker->matches + used;
		used += worker->offers[i].match_count;
	}
}

/* {"name":"shop","kind":"kafka","position":{...}}: the position only where its connector can describe one. */
static struct tn_str describe_origin(const struct source *source, struct tn_position position, char *out, size_t size)
{
	const struct tn_source_ops *ops = source->config->connector->source;
	size_t len = strlen(source->origin);
	memcpy(out, source->origin, len);
	if (ops->describe) {
		static const char member[] = ",\"position\":";
		memcpy(out + len, member, sizeof member - 1);
		len += sizeof member - 1;
		len += ops->describe(tn_sources_stream_name(source->bus, position.stream), position, out + len, size - len - 1);
	}
	out[len++] = '}';
	return tn_str_make(out, len);
}

/* It ended the process too often: to the dead letters as it is. Its sender hears that it is durable, whatever mode it asked for, since
 * coming again would help nobody. */
static void bury_unseen(struct source_instance *instance, const struct tn_message *message, struct tn_position position,
	struct tn_str origin, uint64_t name)
{
	struct tn_bus *bus = instance->source->bus;
	const struct tn_connector *connector = instance->source->config->connector;
	struct tn_ruleset *ruleset = instance->worker->ruleset;
	struct tn_identity identity = {.bus = bus->started->config->bus};
	struct tn_match match = {.route = tn_ruleset_poison_route(ruleset)};
	struct tn_offer offer = {.event = tn_quarantine_bury(bus->quarantine, connector, message, name), .ruleset = ruleset,
		.poison = TN_POISON_CRASH, .matches = &match, .match_count = 1, .origin = origin};
	match.id = tn_route_delivery_id(&identity, match.route->rule, match.route->target, offer.event);
	struct tn_arrival arrival = {.position = position, .ack_when = connector->answers ? TN_ACK_JOURNALED : message->ack_when,
		.offers = &offer, .count = 1};
	hand_over(instance, &arrival);
	tn_event_unref(offer.event);
}

enum tn_status tn_intake_message(struct source_instance *instance, const struct tn_message *message)
{
	struct source *source = instance->source;
	struct tn_decoded decoded = {0};
	char text[512];
	uint64_t names[2];
	atomic_fetch_add_explicit(&source->messages, 1, memory_order_relaxed);
	struct tn_position position = message->position;
	position.source = source->number;
	struct tn_str origin = describe_origin(source, position, text, sizeof text);
	uint32_t name_count = tn_quarantine_message(source->config->connector, message, origin, names);
	for (uint32_t i = 0; i < name_count; i++)
		if (tn_quarantine_holds(source->bus->quarantine, names[i])) {
			bury_unseen(instance, message, position, origin, names[i]);
			return TN_OK;
		}
	tn_guard_enter(instance->worker->slot, &(struct tn_guard_work){names, name_count, origin});
	bool good = decode(instance, message, &decoded), within = good && within_rate(instance, message, decoded.count);
	if (within) {
		match_all(instance, &decoded, origin);
		add_keys(instance, message, &decoded);
	}
	tn_guard_leave(instance->worker->slot);
	if (!within) {
		if (good)
			tn_decoded_fini(&decoded);
		return TN_OK;
	}
	const struct tn_dedup_config *dedup = &source->config->dedup;
	struct tn_arrival arrival = {.position = position, .ack_when = message->ack_when, .offers = instance->worker->offers,
		.count = (uint32_t)decoded.count,
		.dedup = {.window_ms = dedup->window_ms, .strict = dedup->strict, .hold = dedup->on_error == 1}};
	hand_over(instance, &arrival);
	tn_decoded_fini(&decoded);
	return TN_OK;
}
