/* SPDX-License-Identifier: Apache-2.0
 *
 * draft.c - an event while it is being read.
 *
 * Called by every decoder (headers, JSON, EventBridge) with one attribute after the other; here are the checks that all of them
 * share: names, values, duplicates, what is required, size. One thread for each draft.
 */
#include "draft.h"

#include <stdlib.h>

#include "fault.h"

enum { LOOK_AT_EACH = 32 /* as many extensions are compared one by one */ };

void tn_draft_init(struct tn_draft *draft, const struct tn_wire_limits *limits, int64_t accepted_ms)
{
	draft->limits = limits;
	draft->accepted_ms = accepted_ms;
	draft->decoded = (struct tn_buf){0};
	draft->arena = (struct tn_arena){0};
	tn_draft_reset(draft);
}

void tn_draft_reset(struct tn_draft *draft)
{
	tn_arena_reset(&draft->arena);
	tn_buf_clear(&draft->decoded);
	draft->attributes = draft->inline_attributes;
	draft->places = draft->inline_places;
	draft->count = 0;
	draft->capacity = TN_DRAFT_INLINE_ATTRIBUTES;
	draft->named = 0;
	draft->present = 0;
	draft->datacontenttype = (struct tn_str){NULL, 0};
	draft->crowded = false;
	draft->has_data = false;
	draft->data = (struct tn_str){NULL, 0};
	draft->data_form = TN_FORM_OPAQUE;
	draft->text_used = 0;
}

void tn_draft_fini(struct tn_draft *draft)
{
	tn_arena_fini(&draft->arena);
	tn_buf_fini(&draft->decoded);
}

char *tn_draft_room(struct tn_draft *draft, size_t len)
{
	if (len > sizeof draft->inline_text - draft->text_used)
		return tn_arena_alloc(&draft->arena, len);
	char *room = draft->inline_text + draft->text_used;
	draft->text_used += len;
	return room;
}

static void grow(struct tn_draft *draft)
{
	size_t capacity = draft->capacity * 2;
	struct tn_attribute *attributes = tn_arena_array(&draft->arena, struct tn_attribute, capacity);
	int64_t *places = tn_arena_array(&draft->arena, int64_t, capacity);
	memcpy(attributes, draft->attributes, draft->count * sizeof *attributes);
	memcpy(places, draft->places, draft->count * sizeof *places);
	draft->attributes = attributes;
	draft->places = places;
	draft->capacity = capacity;
}

static void keep(struct tn_draft *draft, struct tn_attribute attribute, int64_t place)
{
	if (draft->count == draft->capacity)
		grow(draft);
	draft->attributes[draft->count] = attribute;
	draft->places[draft->count++] = place;
}

static enum tn_status refuse_duplicate(struct tn_str name, int64_t place, struct tn_wire_error *error)
{
	return tn_fault_set(error, TN_FAULT_DUPLICATE_ATTRIBUTE, name, place, "attribute '%.*s' is there twice",
		(int)(name.len < 64 ? name.len : 64), name.bytes);
}

static bool extension_known(const struct tn_draft *draft, struct tn_str name)
{
	for (size_t i = 0; i < draft->count; i++)
		if (tn_str_equal(draft->attributes[i].name, name))
			return true;
	return false;
}

enum tn_status tn_draft_check_name(struct tn_str name, int64_t place, struct tn_wire_error *error)
{
	if (tn_attribute_name_valid(name))
		return TN_OK;
	return tn_fault_set(error, TN_FAULT_INVALID_ATTRIBUTE_NAME, name, place, name.len == 0 ?
		"an attribute name is empty" : tn_str_is(name, "data") ?
		"'data' is no name for an attribute" : "an attribute name has something else than a-z and 0-9");
}

/* Valid, and not met before. */
static enum tn_status take_name(struct tn_draft *draft, struct tn_str name, unsigned *out_which, int64_t place,
	struct tn_wire_error *error)
{
	unsigned which = tn_attribute_which(name);
	if (which == TN_NAME_EXTENSION) {
		if (tn_draft_check_name(name, place, error) != TN_OK)
			return TN_INVALID;
		if (draft->count >= LOOK_AT_EACH)
			draft->crowded = true;
		else if (extension_known(draft, name))
			return refuse_duplicate(name, place, error);
	} else {
		if (draft->named >> which & 1)
			return refuse_duplicate(name, place, error);
		draft->named |= 1u << which;
	}
	*out_which = which;
	return TN_OK;
}

enum tn_status tn_draft_add(struct tn_draft *draft, struct tn_attribute attribute, int64_t place, struct tn_wire_error *error)
{
	unsigned which = TN_NAME_EXTENSION;
	const char *why;
	if (!attribute.value.bytes)
		attribute.value = TN_STR("");
	if (take_name(draft, attribute.name, &which, place, error) != TN_OK)
		return TN_INVALID;
	enum tn_wire_fault fault = tn_attribute_check(which, attribute.value, &why);
	if (fault != TN_FAULT_NONE)
		return tn_fault_set(error, fault, attribute.name, place, "attribute '%.*s' %s",
			(int)(attribute.name.len < 64 ? attribute.name.len : 64), attribute.name.bytes, why);
	if (which != TN_NAME_EXTENSION)
		draft->present |= 1u << which;
	if (which == TN_CORE_DATACONTENTTYPE)
		draft->datacontenttype = attribute.value;
	if (which != TN_NAME_SPECVERSION)
		keep(draft, attribute, place);
	return TN_OK;
}

enum tn_status tn_draft_add_null(struct tn_draft *draft, struct tn_str name, int64_t place, struct tn_wire_error *error)
{
	unsigned which = TN_NAME_EXTENSION;
	if (take_name(draft, name, &which, place, error) != TN_OK)
		return TN_INVALID;
	if (which == TN_NAME_EXTENSION)
		keep(draft, (struct tn_attribute){name, {NULL, 0}, TN_STRING}, place);
	return TN_OK;
}

struct named_place {
	struct tn_str name;
	int64_t place;
};

static int compare_names(const void *a, const void *b)
{
	const struct named_place *one = a, *other = b;
	int order = tn_str_compare(one->name, other->name);
	return order ? order : (one->place > other->place) - (one->place < other->place);
}

/* Sorting bounds the work whatever the sender chose for names. */
static enum tn_status check_crowd(struct tn_draft *draft, struct tn_wire_error *error)
{
	struct named_place *sorted = tn_arena_array(&draft->arena, struct named_place, draft->count);
	for (size_t i = 0; i < draft->count; i++)
		sorted[i] = (struct named_place){draft->attributes[i].name, draft->places[i]};
	qsort(sorted, draft->count, sizeof *sorted, compare_names);
	for (size_t i = 1; i < draft->count; i++)
		if (tn_str_equal(sorted[i - 1].name, sorted[i].name))
			return refuse_duplicate(sorted[i].name, sorted[i].place, error);
	return TN_OK;
}

static enum tn_status check_required(const struct tn_draft *draft, struct tn_wire_error *error)
{
	static const struct {
		unsigned which;
		struct tn_str name;
	} required[] = {
		{TN_NAME_SPECVERSION, {"specversion", 11}},
		{TN_CORE_ID, {"id", 2}},
		{TN_CORE_SOURCE, {"source", 6}},
		{TN_CORE_TYPE, {"type", 4}},
	};
	for (size_t i = 0; i < sizeof required / sizeof *required; i++)
		if (!(draft->present >> required[i].which & 1))
			return tn_fault_set(error, TN_FAULT_MISSING_ATTRIBUTE, required[i].name, -1,
				"required attribute '%s' is missing", required[i].name.bytes);
	return TN_OK;
}

/* Nulls go; answers the bytes of all that stay. */
static size_t drop_nulls(struct tn_draft *draft)
{
	size_t kept = 0, bytes = 0;
	for (size_t i = 0; i < draft->count; i++) {
		if (!draft->attributes[i].value.bytes)
			continue;
		bytes += draft->attributes[i].name.len + draft->attributes[i].value.len;
		draft->attributes[kept++] = draft->attributes[i];
	}
	draft->count = kept;
	return bytes;
}

enum tn_status tn_draft_finish(struct tn_draft *draft, struct tn_event **out_event, struct tn_wire_error *error)
{
	if (check_required(draft, error) != TN_OK || (draft->crowded && check_crowd(draft, error) != TN_OK))
		return TN_INVALID;
	size_t bytes = drop_nulls(draft) + draft->data.len;
	if (draft->limits && draft->limits->event_bytes && bytes > draft->limits->event_bytes)
		return tn_fault_set(error, TN_FAULT_TOO_LARGE, TN_NO_ATTRIBUTE, -1,
			"event of %zu bytes is over the limit of %zu", bytes, draft->limits->event_bytes);
	*out_event = tn_event_new(&(struct tn_event_parts){.attributes = draft->attributes,
		.attribute_count = draft->count, .has_data = draft->has_data, .data = draft->data,
		.data_form = draft->data_form, .accepted_ms = draft->accepted_ms});
	return TN_OK;
}
