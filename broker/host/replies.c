/* SPDX-License-Identifier: Apache-2.0
 *
 * replies.c - a target's answer that is an event goes back to the bus (delivery-semantics section 10).
 *
 * Called by attempts.c with the result it came with, before the engine hears of that. The reply is decoded and matched here, on the bus
 * thread: it must be offered in one turn with its result, and replies are few beside what a bus takes in. Its delivery ids derive
 * from the parent's delivery id and its place in the answer, so a call that is repeated repeats them.
 *
 * What cannot be taken changes the result, so that nothing is lost in silence:
 *   no event, though it says it is one   REJECTED REPLY_INVALID: asked again it would say the same; the dead letter says why
 *   no room                              RETRY REPLY_REFUSED: asked again, with the same key, when there may be
 *   its attempt was timed out            the result counts as late, as ever, and the reply is let go: it will be asked for again
 *   more hops than allowed               taken as an event, and buried as REPLY_LOOP; the parent is delivered
 */
#include "bus_parts.h"

#include "turnout/base64.h"

#include <stdio.h>
#include <stdlib.h>

enum { EVENTS_MAX = 1000, JSON_DEPTH = 256, HOPS_SIZE = 12 };

#define HOPS_NAME "turnouthops"

struct draft {
	struct tn_bus *bus;
	const struct tn_item *parent;
	struct tn_offer *offers;
	struct tn_match *matches;
	size_t routes;                    /* room for matches of one event */
	uint32_t count, hops;
};

/* --- Hops: in the row, and in the event, so that they outlive a way through somebody else's hands --- */

/* As the event itself says. */
static uint32_t hops_of(const struct tn_event *event)
{
	const struct tn_attribute *hops = tn_event_is_raw(event) ? NULL : tn_event_find(event, TN_STR(HOPS_NAME));
	uint32_t number = 0;
	for (size_t i = 0; hops && i < hops->value.len && number < 100000; i++) {
		if (hops->value.bytes[i] < '0' || hops->value.bytes[i] > '9')
			return 0;
		number = number * 10 + (uint32_t)(hops->value.bytes[i] - '0');
	}
	return number;
}

/* By its row if it was a reply here, and by itself if it came by way of others. */
static uint32_t hops_of_item(const struct tn_item *item)
{
	uint32_t said = hops_of(item->event);
	return said > item->hops ? said : item->hops;
}

/* Returns owned the event with its hops. */
static struct tn_event *with_hops(const struct tn_event *event, uint32_t hops)
{
	size_t count = 0, kept = 0;
	char text[HOPS_SIZE];
	const struct tn_attribute *given = tn_event_attributes(event, &count);
	struct tn_attribute *attributes = malloc((count + 1) * sizeof *attributes);
	if (!attributes)
		abort();
	for (size_t i = 0; i < count; i++)
		if (!tn_str_equal(given[i].name, TN_STR(HOPS_NAME)))
			attributes[kept++] = given[i];
	int len = snprintf(text, sizeof text, "%u", hops);
	attributes[kept++] = (struct tn_attribute){TN_STR(HOPS_NAME), tn_str_make(text, (size_t)len), TN_INTEGER};
	struct tn_event_parts parts = {.attributes = attributes, .attribute_count = kept, .has_data = tn_event_has_data(event),
		.data = tn_event_data(event), .accepted_ms = tn_event_accepted_ms(event)};
	if (tn_event_data_was_base64(event))
		parts.data_form = TN_FORM_BASE64;
	else if (tn_event_data_kind(event) == TN_DATA_JSON)
		parts.data_form = TN_FORM_JSON;
	struct tn_event *marked = tn_event_new(&parts);
	free(attributes);
	return marked;
}

/* --- The arrival --- */

static void match(struct draft *draft, uint32_t index, struct tn_event *event)
{
	struct tn_bus *bus = draft->bus;
	struct tn_offer *offer = &draft->offers[index];
	struct tn_match *matches = draft->matches + index * draft->routes;
	char place[TN_ID_TEXT_SIZE + 24], id[TN_ID_TEXT_SIZE];
	tn_base32_id(draft->parent->id.bytes, id);
	int len = snprintf(place, sizeof place, "reply:%s:%u", id, index);
	struct tn_identity identity = {.bus = bus->started->config->bus, .position = tn_str_make(place, (size_t)len)};
	size_t count = 0;
	*offer = (struct tn_offer){.event = event, .ruleset = bus->ruleset, .matches = matches, .origin = draft->parent->origin};
	if (draft->hops > bus->snapshot->config->max_hops) {
		matches[0] = (struct tn_match){.route = tn_ruleset_poison_route(bus->ruleset)};
		matches[0].id = tn_route_delivery_id(&identity, matches[0].route->rule, matches[0].route->target, event);
		offer->poison = TN_POISON_REPLY_LOOP;
		offer->match_count = 1;
		return;
	}
	if (tn_ruleset_match(bus->ruleset, bus->workers[0].matcher, event, &identity, matches, draft->routes, &count) != TN_OK)
		abort(); /* there is room for every route */
	offer->match_count = (uint32_t)count;
}

static enum tn_status offer_all(struct tn_bus *bus, const struct tn_attempt *attempt, struct tn_decoded *decoded)
{
	struct draft draft = {.bus = bus, .parent = &attempt->items[0], .routes = tn_ruleset_route_count(bus->ruleset) + 1,
		.count = (uint32_t)decoded->count, .hops = hops_of_item(&attempt->items[0]) + 1};
	draft.offers = calloc(draft.count + 1, sizeof *draft.offers);
	draft.matches = calloc((draft.count + 1) * draft.routes, sizeof *draft.matches);
	if (!draft.offers || !draft.matches)
		abort();
	for (uint32_t i = 0; i < draft.count; i++) {
		uint32_t said = hops_of(decoded->events[i]);
		draft.hops = said >= draft.hops ? said + 1 : draft.hops;
	}
	for (uint32_t i = 0; i < draft.count; i++) {
		struct tn_event *marked = with_hops(decoded->events[i], draft.hops);
		tn_event_unref(decoded->events[i]);
		decoded->events[i] = marked;
		match(&draft, i, marked);
	}
	struct tn_arrival arrival = {.parent = attempt->token, .hops = draft.hops, .ack_when = TN_ACK_JOURNALED, .offers = draft.offers,
		.count = draft.count};
	enum tn_status status = tn_engine_offer(bus->engine, &arrival);
	free(draft.offers);
	free(draft.matches);
	return status;
}

/* --- The step --- */

static void cannot_read(struct tn_reply_verdict *verdict, const struct tn_wire_error *error)
{
	snprintf(verdict->text, sizeof verdict->text, "the answer says it is an event and is none: %.200s", error->message);
	verdict->outcome = (struct tn_outcome){.verdict = TN_REJECTED, .maybe_done = true, .code = "REPLY_INVALID",
		.message = tn_str_from(verdict->text)};
}

static bool take_reply(struct tn_bus *bus, const struct tn_wire *wire, const struct tn_attempt *attempt, const struct tn_message *reply,
	struct tn_reply_verdict *out_verdict)
{
	struct tn_decoded decoded = {0};
	struct tn_wire_error error;
	struct tn_wire_limits limits = {.batch_events = EVENTS_MAX, .json_depth = JSON_DEPTH};
	struct tn_wire_input input = {.headers = reply->headers, .header_count = reply->header_count, .content_type = reply->content_type,
		.has_body = reply->has_body, .body = reply->body, .accepted_ms = tn_clock_wall_ms(&bus->clock)};
	if (tn_wire_decode(wire, &input, &limits, &decoded, &error) != TN_OK) {
		cannot_read(out_verdict, &error);
		return true;
	}
	enum tn_status status = decoded.mode == TN_MODE_PLAIN || decoded.count == 0 ? TN_OK : offer_all(bus, attempt, &decoded);
	tn_decoded_fini(&decoded);
	if (status == TN_OK || status == TN_NOT_FOUND)
		return false;
	out_verdict->outcome = (struct tn_outcome){.verdict = TN_RETRY, .maybe_done = true, .local = true, .code = "REPLY_REFUSED",
		.message = TN_STR("the bus had no room for the event it answered with")};
	return true;
}

/* A reply that the process dies at work on is its parent's: that delivery would bring it again. */
bool tn_replies_take(struct tn_bus *bus, const struct tn_wire *wire, const struct tn_attempt *attempt, const struct tn_message *reply,
	struct tn_reply_verdict *out_verdict)
{
	uint64_t name = tn_quarantine_delivery(&attempt->items[0].id);
	tn_guard_enter(bus->workers[0].slot, &(struct tn_guard_work){&name, 1, TN_STR("{\"reply_to\":\"this delivery\"}")});
	bool changed = take_reply(bus, wire, attempt, reply, out_verdict);
	tn_guard_leave(bus->workers[0].slot);
	return changed;
}
