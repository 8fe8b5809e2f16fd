/* SPDX-License-Identifier: Apache-2.0
 *
 * trace.c - one event's story, put together from the entries of the store's ledger, as one JSON object.
 *
 * Called by admin.c for POST /trace, and by `turnout trace` with no bus running. Entries are found by the id that was
 * asked for; where that is an event's, those of its deliveries are looked up too, since a redrive knows its delivery
 * only. Bounded: a story is never read whole when it is longer than a person can read.
 */
#include "admin_parts.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "turnout/admin.h"

enum { ENTRIES_MAX = 5000, DELIVERIES_MAX = 500, ID_LIMIT = 65536, CUT_NAME = 256 };

struct entry {
	int64_t at_ms;
	uint64_t number;
	json_t *json;
};
struct trace {
	struct tn_str id;
	int64_t wall_ms;
	struct entry *entries;
	size_t count, capacity;
	bool cut;
};

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "";
}

/* --- Collecting --- */

static bool is_named(const json_t *json, struct tn_str id)
{
	struct tn_str event = tn_str_from(text_of(json, "id"));
	return tn_str_is(id, text_of(json, "delivery")) || tn_str_equal(event, id) ||
	       (id.len > CUT_NAME && event.len > 0 && tn_str_starts(id, event)); /* a long one was cut */
}

static bool collect(void *arg, const struct tn_ledger_entry *entry)
{
	struct trace *trace = arg;
	json_t *json = json_loadb(entry->text.bytes, entry->text.len, 0, NULL);
	if (!json || !is_named(json, trace->id)) {
		json_decref(json);
		return true;
	}
	if (trace->count == trace->capacity) {
		trace->capacity = trace->capacity ? trace->capacity * 2 : 64;
		trace->entries = realloc(trace->entries, trace->capacity * sizeof *trace->entries);
		if (!trace->entries)
			abort();
	}
	trace->entries[trace->count++] = (struct entry){entry->at_ms, entry->number, json};
	trace->cut = trace->count >= ENTRIES_MAX;
	return !trace->cut;
}

static enum tn_status look_up(
        struct trace *trace, struct tn_store *store, struct tn_str id, int64_t since_ms, struct tn_error *error)
{
	struct tn_str asked = trace->id;
	trace->id = id;
	enum tn_status status = tn_store_ledger_each(store, tn_store_ledger_name(id), since_ms, collect, trace, error);
	trace->id = asked;
	return status;
}

/* The deliveries of the events that were found; each once. */
static enum tn_status look_up_deliveries(
        struct trace *trace, struct tn_store *store, int64_t since_ms, struct tn_error *error)
{
	enum tn_status status = TN_OK;
	size_t found = trace->count;
	json_t *known = json_object();
	for (size_t i = 0; i < found && status == TN_OK && !trace->cut; i++) {
		const char *delivery = text_of(trace->entries[i].json, "delivery");
		if (!delivery[0] || json_object_get(known, delivery) || tn_str_is(trace->id, delivery))
			continue;
		trace->cut = json_object_size(known) >= DELIVERIES_MAX;
		json_object_set_new(known, delivery, json_true());
		status = look_up(trace, store, tn_str_from(delivery), since_ms, error);
	}
	json_decref(known);
	return status;
}

static int compare(const void *a_arg, const void *b_arg)
{
	const struct entry *a = a_arg, *b = b_arg;
	if (a->at_ms != b->at_ms)
		return a->at_ms < b->at_ms ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

static void sort_and_drop_twins(struct trace *trace)
{
	size_t kept = 0;
	if (trace->count > 0)
		qsort(trace->entries, trace->count, sizeof *trace->entries, compare);
	for (size_t i = 0; i < trace->count; i++) {
		if (kept > 0 && compare(&trace->entries[kept - 1], &trace->entries[i]) == 0)
			json_decref(trace->entries[i].json);
		else
			trace->entries[kept++] = trace->entries[i];
	}
	trace->count = kept;
}

/* --- Telling --- */

static void set_time(json_t *object, const char *name, int64_t wall_ms)
{
	char text[TN_TIME_TEXT_SIZE];
	json_object_set_new(object, name, json_string(tn_clock_format(wall_ms, text)));
}

static void copy_members(json_t *to, const json_t *from, const char *const *names)
{
	for (; *names; names++)
		if (json_object_get(from, *names) && !json_object_get(to, *names))
			json_object_set(to, *names, json_object_get(from, *names));
}

static bool is_same(const json_t *a, const json_t *b, const char *name)
{
	return strcmp(text_of(a, name), text_of(b, name)) == 0;
}

static json_t *find_delivery(const json_t *stories, const json_t *entry)
{
	size_t i, j;
	json_t *story, *delivery;
	json_array_foreach(stories, i, story) json_array_foreach(json_object_get(story, "deliveries"), j,
	        delivery) if (is_same(delivery, entry, "delivery")) return delivery;
	return NULL;
}

static json_t *story_of(json_t *stories, const json_t *entry)
{
	static const char *const members[] = {"id", "source", "type", "origin", "event", "event_omitted_bytes", NULL};
	size_t i;
	json_t *story = NULL;
	json_array_foreach(stories, i,
	        story) if (is_same(story, entry, "id") && is_same(story, entry, "source") &&
	                   json_equal(json_object_get(story, "origin"), json_object_get(entry, "origin"))) break;
	if (i == json_array_size(stories)) {
		story = json_pack("{s:[]}", "deliveries");
		json_array_append_new(stories, story);
	}
	copy_members(story, entry, members);
	if (json_object_get(entry, "received_ms") && !json_object_get(story, "received_at"))
		set_time(story, "received_at", json_integer_value(json_object_get(entry, "received_ms")));
	return story;
}

static json_t *delivery_of(json_t *stories, const json_t *entry)
{
	static const char *const members[] = {"delivery", "rule", "target", NULL};
	json_t *delivery = find_delivery(stories, entry);
	if (!delivery) {
		delivery = json_pack("{s:[]}", "steps");
		json_array_append_new(json_object_get(story_of(stories, entry), "deliveries"), delivery);
	} else if (json_object_get(entry, "received_ms")) {
		story_of(stories, entry);
	}
	copy_members(delivery, entry, members);
	return delivery;
}

/* What the last step says of where the delivery is now. */
static const char *state_after(const char *what, const char *before)
{
	static const char *const ends[] = {
	        "parked", "dead", "dropped", "delivered", "released", "redriven", "purged", NULL};
	for (const char *const *end = ends; *end; end++)
		if (strcmp(what, *end) == 0)
			return *end;
	return strcmp(what, "attempt") == 0 || strcmp(what, "retry") == 0 ? "waiting" : before;
}

static void tell_step(const struct trace *trace, json_t *delivery, const struct entry *entry)
{
	static const char *const members[] = {"attempt", "status", "code", "latency_ms", "message", "redrives", NULL};
	const char *what = text_of(entry->json, "what"), *before = text_of(delivery, "state");
	json_t *step = json_pack("{s:s}", "what", what), *next = json_object_get(entry->json, "next_ms");
	set_time(step, "at", entry->at_ms + trace->wall_ms);
	if (strcmp(what, "attempt") == 0 || strcmp(what, "delivered") == 0)
		json_object_set_new(step, "attempt",
		        json_integer(json_integer_value(json_object_get(entry->json, "attempts")) + 1));
	copy_members(step, entry->json, members);
	if (next)
		set_time(step, "next_at", json_integer_value(next) + trace->wall_ms);
	json_array_append_new(json_object_get(delivery, "steps"), step);
	json_object_set_new(delivery, "state", json_string(state_after(what, before[0] ? before : "waiting")));
}

static json_t *tell(const struct trace *trace)
{
	json_t *stories = json_array();
	for (size_t i = 0; i < trace->count; i++) {
		const struct entry *entry = &trace->entries[i];
		if (text_of(entry->json, "delivery")[0])
			tell_step(trace, delivery_of(stories, entry->json), entry);
		else
			set_time(story_of(stories, entry->json), "unmatched_at", entry->at_ms + trace->wall_ms);
	}
	return stories;
}

enum tn_status tn_trace_json(struct tn_store *store, struct tn_str id, int64_t since_ms, int64_t wall_ms,
        struct tn_buf *out, struct tn_error *error)
{
	struct trace trace = {.id = id, .wall_ms = wall_ms};
	enum tn_status status = look_up(&trace, store, id, since_ms, error);
	if (status == TN_OK)
		status = look_up_deliveries(&trace, store, since_ms, error);
	if (status == TN_OK) {
		sort_and_drop_twins(&trace);
		json_t *report = json_pack("{s:o s:o s:b}", "id", json_stringn(id.bytes, id.len), "stories",
		        tell(&trace), "cut", trace.cut);
		char *json = json_dumps(report, JSON_COMPACT);
		json_decref(report);
		if (!json)
			abort();
		tn_buf_add_text(out, json);
		free(json);
	}
	for (size_t i = 0; i < trace.count; i++)
		json_decref(trace.entries[i].json);
	free(trace.entries);
	return status;
}

/* --- Asked for over HTTP --- */

static void answer(struct tn_bus *bus, struct tn_http_request *request, struct tn_str id)
{
	static const struct tn_header json_type = {{"Content-Type", 12}, {"application/json", 16}, TN_STRING};
	struct tn_error error = {0};
	struct tn_buf body = {0};
	int64_t now_ms = tn_bus_engine_ms(bus);
	if (tn_trace_json(tn_bus_store(bus), id, now_ms - tn_bus_config(bus)->trace_keep_ms, tn_bus_wall_of(bus, 0),
	            &body, &error) == TN_OK)
		tn_http_reply(request, 200, &json_type, 1, tn_buf_str(&body));
	else
		tn_http_reply_problem(request, 503, 0, error.message, (struct tn_str){0});
	tn_buf_fini(&body);
}

void tn_traces_request(struct tn_bus *bus, struct tn_http_request *request)
{
	struct tn_str body = tn_http_request_body(request);
	json_t *asked =
	        tn_str_is(tn_http_request_method(request), "POST") ? json_loadb(body.bytes, body.len, 0, NULL) : NULL;
	const json_t *id = json_object_get(asked, "id");
	size_t len = json_string_length(id);
	if (!id || len == 0 || len > ID_LIMIT)
		tn_http_reply_problem(
		        request, 400, 0, "POST {\"id\": a CloudEvents id or a delivery id}", (struct tn_str){0});
	else
		answer(bus, request, tn_str_make(json_string_value(id), len));
	json_decref(asked);
}
