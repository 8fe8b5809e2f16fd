/* SPDX-License-Identifier: Apache-2.0
 *
 * event.h - the event: a CloudEvent 1.0, immutable and counted; or raw bytes and the reason they could not be read as one.
 *
 * An event is one block of memory: attributes, data and the count. Sharing one is a ref. Nothing in it changes after it was
 * made, so any thread may read it while it holds a ref. How events are read from and written to a wire is in wire.h.
 */
#ifndef TURNOUT_EVENT_H
#define TURNOUT_EVENT_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/error.h"
#include "turnout/status.h"
#include "turnout/str.h"

struct tn_event;

/* The type of an attribute as its sender wrote it. From JSON only BOOLEAN and INTEGER can be told from STRING; from most headers
 * everything is a STRING (cloudevents.md section 2). AMQP tables are typed. */
enum tn_value_type { TN_STRING, TN_BOOLEAN, TN_INTEGER, TN_TIMESTAMP, TN_BYTES, TN_OTHER };

struct tn_attribute {
	struct tn_str name, value;  /* value: the canonical string form (section 2) */
	enum tn_value_type type;
};

enum tn_core { TN_CORE_ID, TN_CORE_SOURCE, TN_CORE_TYPE, TN_CORE_SUBJECT, TN_CORE_TIME, TN_CORE_DATACONTENTTYPE,
	TN_CORE_DATASCHEMA, TN_CORE_COUNT };

/* What data is, judged by datacontenttype and, for JSON, by the bytes themselves (section 3, "Writing data into JSON"). */
enum tn_data_kind {
	TN_DATA_NONE,   /* the event has no data; not the same as data of length 0 */
	TN_DATA_JSON,   /* JSON media type and the bytes are one JSON text, no deeper than TN_EVENT_DATA_DEPTH */
	TN_DATA_TEXT,   /* text or XML media type, UTF-8 */
	TN_DATA_BINARY, /* everything else */
};

/* JSON data is never nested deeper than this; whoever scans an event's CloudEvents JSON form needs one level more. */
#define TN_EVENT_DATA_DEPTH 256

/* What a reader already knows about the data it hands over. */
enum tn_data_form {
	TN_FORM_OPAQUE, /* bytes: datacontenttype and the bytes themselves decide what they are */
	TN_FORM_JSON,   /* the scanner has accepted them as one JSON value: they are not looked at again */
	TN_FORM_BASE64, /* `data_base64`: BINARY whatever its media type, and written as data_base64 again */
};

/* Parts to make an event from; everything is copied. specversion is implied (1.0) and is not among the attributes. */
struct tn_event_parts {
	/* Each name once, of a-z0-9; core ones in any place. Values are UTF-8 and in the canonical form of their type, never OTHER. */
	const struct tn_attribute *attributes;
	size_t attribute_count;
	bool has_data;
	struct tn_str data;                    /* the payload's own bytes: base64 undone, a JSON value as its text */
	enum tn_data_form data_form;
	int64_t accepted_ms;                   /* wall clock; stands in where `time` is missing */
};

/* Returns owned. Never NULL: aborts without memory, as sizes were limited before. Does not validate: decoders do. Any thread. */
struct tn_event *tn_event_new(const struct tn_event_parts *parts);
/* Returns owned a raw event: bytes that could not be read as a CloudEvent, and one sentence why (UTF-8). Any thread. */
struct tn_event *tn_event_new_raw(struct tn_str bytes, struct tn_str reason, int64_t accepted_ms);

struct tn_event *tn_event_ref(struct tn_event *event); /* Any thread. Returns event. */
void tn_event_unref(struct tn_event *event);           /* Any thread; the last one frees. NULL is fine. */
/* Bytes charged to the memory budget: the block and its bookkeeping. */
size_t tn_event_cost(const struct tn_event *event);

bool tn_event_is_raw(const struct tn_event *event);
struct tn_str tn_event_raw_reason(const struct tn_event *event); /* {NULL, 0} unless raw */
int64_t tn_event_accepted_ms(const struct tn_event *event);
/* "id", "source", and so on. */
struct tn_str tn_event_core_name(enum tn_core which);
/* A core attribute's canonical text; bytes NULL when absent. Constant time. */
struct tn_str tn_event_core(const struct tn_event *event, enum tn_core which);
/* Any attribute by name, "specversion" too; NULL when absent. */
const struct tn_attribute *tn_event_find(const struct tn_event *event, struct tn_str name);
/* All but specversion: core ones first in the order of enum tn_core, then extensions as they came. */
const struct tn_attribute *tn_event_attributes(const struct tn_event *event, size_t *out_count);
bool tn_event_has_data(const struct tn_event *event);
struct tn_str tn_event_data(const struct tn_event *event); /* raw event: its bytes */
enum tn_data_kind tn_event_data_kind(const struct tn_event *event); /* decided once, when the event is made */
bool tn_event_data_was_base64(const struct tn_event *event); /* it came as `data_base64` */

/* --- The event in the store: our own record, versioned, independent of any wire form. Any thread. --- */

/* Appends the record (version byte first). */
void tn_event_freeze(const struct tn_event *event, struct tn_buf *out);
/* Returns owned in *out_event. TN_INVALID: not a record of a known version, with the byte offset in the error. */
enum tn_status tn_event_thaw(struct tn_str record, struct tn_event **out_event, struct tn_error *error) TN_MUST_CHECK;

/* --- EventBridge view (cloudevents.md section 11). Any thread. --- */

struct tn_eventbridge {                    /* what a CloudEvent does not say of itself; from the configuration */
	struct tn_str account, region;     /* used when extension ebaccount or ebregion is absent */
};
/* Appends the envelope as one JSON object. The event is not raw. */
void tn_event_to_eventbridge(const struct tn_event *event, const struct tn_eventbridge *defaults, struct tn_buf *out);
/* Reads an envelope. TN_INVALID names the member. Returns owned. */
enum tn_status tn_event_from_eventbridge(struct tn_str json, int64_t accepted_ms, struct tn_event **out_event,
	struct tn_error *error) TN_MUST_CHECK;

#endif
