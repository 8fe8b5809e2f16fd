/* SPDX-License-Identifier: Apache-2.0
 *
 * event.c - the event: one block of memory, immutable, counted.
 *
 * Made by the decoders and by whoever wraps or thaws one; read everywhere. Any thread.
 *
 *   +--------+----------------------------+---------------------------------------+
 *   | header | attributes[count]          | bytes: names, values, data (reason)   |
 *   +--------+----------------------------+---------------------------------------+
 *              core ones first, in the      the attributes and `data` point here;
 *              order of enum tn_core        names of core attributes are constants
 */
#include "turnout/event.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "attribute.h"
#include "media_type.h"
#include "turnout/json.h"
#include "turnout/utf8.h"

enum { ABSENT = -1, ALLOCATOR_BYTES = 16 };

struct tn_event {
	atomic_uint refs;
	bool raw, has_data, base64;  /* base64: the data came as data_base64 */
	uint8_t kind;                /* enum tn_data_kind */
	int8_t core[TN_CORE_COUNT];  /* index into attributes, or ABSENT */
	uint32_t attribute_count;
	size_t size;                 /* of the block */
	int64_t accepted_ms;
	struct tn_str data, reason;
	struct tn_attribute attributes[];
};

struct tn_str tn_event_core_name(enum tn_core which)
{
	static const struct tn_str names[TN_CORE_COUNT] = {
		[TN_CORE_ID] = {"id", 2},
		[TN_CORE_SOURCE] = {"source", 6},
		[TN_CORE_TYPE] = {"type", 4},
		[TN_CORE_SUBJECT] = {"subject", 7},
		[TN_CORE_TIME] = {"time", 4},
		[TN_CORE_DATACONTENTTYPE] = {"datacontenttype", 15},
		[TN_CORE_DATASCHEMA] = {"dataschema", 10},
	};
	assert(which < TN_CORE_COUNT);
	return names[which];
}

static struct tn_event *new_block(size_t attribute_count, size_t text_bytes)
{
	if (attribute_count > UINT32_MAX || text_bytes > SIZE_MAX / 4)
		abort();
	size_t size = sizeof(struct tn_event) + attribute_count * sizeof(struct tn_attribute) + text_bytes;
	struct tn_event *event = malloc(size);
	if (!event)
		abort();
	*event = (struct tn_event){.attribute_count = (uint32_t)attribute_count, .size = size};
	atomic_init(&event->refs, 1);
	for (unsigned i = 0; i < TN_CORE_COUNT; i++)
		event->core[i] = ABSENT;
	return event;
}

/* A copy at *to, which moves behind it; never NULL bytes. */
static struct tn_str copy_text(char **to, struct tn_str text)
{
	struct tn_str copy = {*to, text.len};
	if (text.len)
		memcpy(*to, text.bytes, text.len);
	*to += text.len;
	return copy;
}

static enum tn_data_kind judge_data(struct tn_str media_type, struct tn_str data, enum tn_data_form form)
{
	if (form == TN_FORM_BASE64)
		return TN_DATA_BINARY;
	switch (tn_media_type_class(media_type)) {
	case TN_MEDIA_JSON:
		return form == TN_FORM_JSON || tn_json_valid(data, TN_EVENT_DATA_DEPTH) ? TN_DATA_JSON : TN_DATA_BINARY;
	case TN_MEDIA_TEXT:
		return tn_utf8_check(data) == data.len ? TN_DATA_TEXT : TN_DATA_BINARY;
	case TN_MEDIA_OTHER:
		break;
	}
	return TN_DATA_BINARY;
}

/* Where each core attribute stands among the parts (SIZE_MAX: nowhere). Answers how many bytes the texts need. */
static size_t survey(const struct tn_event_parts *parts, size_t core_index[TN_CORE_COUNT])
{
	size_t text_bytes = parts->has_data ? parts->data.len : 0;
	for (unsigned which = 0; which < TN_CORE_COUNT; which++)
		core_index[which] = SIZE_MAX;
	for (size_t i = 0; i < parts->attribute_count; i++) {
		const struct tn_attribute *attribute = &parts->attributes[i];
		unsigned which = tn_attribute_which(attribute->name);
		text_bytes += attribute->value.len;
		if (which == TN_NAME_EXTENSION) {
			text_bytes += attribute->name.len;
			continue;
		}
		assert(which != TN_NAME_SPECVERSION && core_index[which] == SIZE_MAX);
		core_index[which] = i;
	}
	return text_bytes;
}

/* Core ones, then extensions as they came. */
static void copy_attributes(struct tn_event *event, const struct tn_event_parts *parts,
	const size_t core_index[TN_CORE_COUNT], char **to)
{
	uint32_t next = 0;
	for (unsigned which = 0; which < TN_CORE_COUNT; which++) {
		if (core_index[which] == SIZE_MAX)
			continue;
		const struct tn_attribute *from = &parts->attributes[core_index[which]];
		struct tn_str name = tn_event_core_name((enum tn_core)which);
		event->core[which] = (int8_t)next;
		event->attributes[next++] = (struct tn_attribute){name, copy_text(to, from->value), from->type};
	}
	for (size_t i = 0; i < parts->attribute_count; i++) {
		const struct tn_attribute *from = &parts->attributes[i];
		if (tn_attribute_which(from->name) != TN_NAME_EXTENSION)
			continue;
		struct tn_str name = copy_text(to, from->name);
		event->attributes[next++] = (struct tn_attribute){name, copy_text(to, from->value), from->type};
	}
}

struct tn_event *tn_event_new(const struct tn_event_parts *parts)
{
	size_t core_index[TN_CORE_COUNT];
	size_t text_bytes = survey(parts, core_index);
	struct tn_event *event = new_block(parts->attribute_count, text_bytes);
	char *to = (char *)(event->attributes + parts->attribute_count);
	copy_attributes(event, parts, core_index, &to);
	event->accepted_ms = parts->accepted_ms;
	event->has_data = parts->has_data;
	if (parts->has_data) {
		event->data = copy_text(&to, parts->data);
		event->base64 = parts->data_form == TN_FORM_BASE64;
		event->kind = (uint8_t)judge_data(tn_event_core(event, TN_CORE_DATACONTENTTYPE), event->data, parts->data_form);
	}
	return event;
}

struct tn_event *tn_event_new_raw(struct tn_str bytes, struct tn_str reason, int64_t accepted_ms)
{
	struct tn_event *event = new_block(0, bytes.len + reason.len);
	char *to = (char *)event->attributes;
	event->raw = true;
	event->has_data = true;
	event->kind = TN_DATA_BINARY;
	event->accepted_ms = accepted_ms;
	event->data = copy_text(&to, bytes);
	event->reason = copy_text(&to, reason);
	return event;
}

struct tn_event *tn_event_ref(struct tn_event *event)
{
	atomic_fetch_add_explicit(&event->refs, 1, memory_order_relaxed);
	return event;
}

void tn_event_unref(struct tn_event *event)
{
	if (event && atomic_fetch_sub_explicit(&event->refs, 1, memory_order_acq_rel) == 1)
		free(event);
}

size_t tn_event_cost(const struct tn_event *event)
{
	return event->size + ALLOCATOR_BYTES;
}

bool tn_event_is_raw(const struct tn_event *event)
{
	return event->raw;
}

struct tn_str tn_event_raw_reason(const struct tn_event *event)
{
	return event->reason;
}

int64_t tn_event_accepted_ms(const struct tn_event *event)
{
	return event->accepted_ms;
}

struct tn_str tn_event_core(const struct tn_event *event, enum tn_core which)
{
	assert(which < TN_CORE_COUNT);
	if (event->core[which] == ABSENT)
		return (struct tn_str){NULL, 0};
	return event->attributes[event->core[which]].value;
}

const struct tn_attribute *tn_event_find(const struct tn_event *event, struct tn_str name)
{
	static const struct tn_attribute specversion = {{"specversion", 11}, {"1.0", 3}, TN_STRING};
	unsigned which = tn_attribute_which(name);
	if (which == TN_NAME_SPECVERSION)
		return event->raw ? NULL : &specversion;
	if (which < TN_CORE_COUNT)
		return event->core[which] == ABSENT ? NULL : &event->attributes[event->core[which]];
	for (uint32_t i = 0; i < event->attribute_count; i++)
		if (tn_str_equal(event->attributes[i].name, name))
			return &event->attributes[i];
	return NULL;
}

const struct tn_attribute *tn_event_attributes(const struct tn_event *event, size_t *out_count)
{
	*out_count = event->attribute_count;
	return event->attributes;
}

bool tn_event_has_data(const struct tn_event *event)
{
	return event->has_data;
}

struct tn_str tn_event_data(const struct tn_event *event)
{
	return event->data;
}

enum tn_data_kind tn_event_data_kind(const struct tn_event *event)
{
	return (enum tn_data_kind)event->kind;
}

bool tn_event_data_was_base64(const struct tn_event *event)
{
	return event->base64;
}
