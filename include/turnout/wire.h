/* SPDX-License-Identifier: Apache-2.0
 *
 * wire.h - events on a wire: one codec for all transports, and each transport's dialect as data.
 *
 * A message is what a connector hands over, undecoded; decoding finds its mode, validates all of it and makes events. All rules are
 * those of cloudevents.md; a dialect says where they differ from one transport to the next. Any thread, all functions.
 */
#ifndef TURNOUT_WIRE_H
#define TURNOUT_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/event.h"

struct tn_header { /* a header as the wire had it; nobody has looked inside yet */
	struct tn_str name, value;
	/* AMQP tables are typed: BOOLEAN is "true" or "false", INTEGER decimal text, TIMESTAMP seconds since 1970 as text, BYTES bytes,
	 * OTHER anything CloudEvents has no type for. Elsewhere TN_STRING. */
	enum tn_value_type type;
};

enum tn_mode { TN_MODE_BINARY, TN_MODE_STRUCTURED, TN_MODE_BATCHED, TN_MODE_PLAIN };

struct tn_wire {                            /* a transport's CloudEvents dialect */
	const char *name;                   /* "http", "kafka", "amqp", "nats", "redis" */
	const char *const *read_prefixes;   /* NULL-terminated, compared without case; two of them in one message: mixed_prefix */
	const char *write_prefix;
	bool percent;                       /* values are quoted and percent-encoded (HTTP, NATS) */
	bool batch;                         /* application/cloudevents-batch+json is taken */
	bool sniff;                         /* a JSON object body that looks like a CloudEvent is one, without a media type */
	bool empty_is_none;                 /* an empty body is no data (HTTP, AMQP, NATS) */
	bool type_in_header;                /* datacontenttype is written as <prefix>datacontenttype (NATS) */
	bool typed_values;                  /* header values have types (AMQP) */
};
extern const struct tn_wire tn_wire_http, tn_wire_kafka, tn_wire_amqp, tn_wire_nats, tn_wire_redis;
/* By name; NULL when there is none. */
const struct tn_wire *tn_wire_find(struct tn_str name);

struct tn_wire_input {
	const struct tn_header *headers;
	size_t header_count;
	struct tn_str content_type;         /* the transport's own place for it (AMQP property); bytes NULL: look in the headers */
	bool has_body;                      /* false: Kafka null value, Redis entry without `data` */
	struct tn_str body;
	int64_t accepted_ms;                /* wall clock */
};

struct tn_wire_limits {                     /* zero, or no limits at all: no limit of this kind, but for json_depth */
	size_t event_bytes;                 /* of one event's data and attributes */
	uint32_t batch_events;              /* [1000] */
	uint32_t json_depth;                /* [256] of `data`; never above TN_EVENT_DATA_DEPTH, which is also what 0 means */
};

enum tn_wire_fault { TN_FAULT_NONE, TN_FAULT_MISSING_ATTRIBUTE, TN_FAULT_INVALID_ATTRIBUTE_NAME, TN_FAULT_INVALID_ATTRIBUTE_VALUE,
	TN_FAULT_DUPLICATE_ATTRIBUTE, TN_FAULT_MIXED_PREFIX, TN_FAULT_UNSUPPORTED_SPECVERSION, TN_FAULT_INVALID_PERCENT_ENCODING,
	TN_FAULT_INVALID_QUOTING, TN_FAULT_INVALID_UTF8, TN_FAULT_CONTENT_TYPE_CONFLICT, TN_FAULT_INVALID_JSON,
	TN_FAULT_NOT_AN_OBJECT, TN_FAULT_NOT_AN_ARRAY, TN_FAULT_DATA_CONFLICT, TN_FAULT_DATA_TYPE_MISMATCH,
	TN_FAULT_INVALID_BASE64, TN_FAULT_UNSUPPORTED_FORMAT, TN_FAULT_UNSUPPORTED_CHARSET, TN_FAULT_TOO_LARGE,
	TN_FAULT_PLAIN_REFUSED };
/* "missing_attribute" and so on, as in the vectors. */
const char *tn_wire_fault_name(enum tn_wire_fault fault);
/* The HTTP status of that refusal: 400, 413 or 415 (section 16). */
int tn_wire_fault_status(enum tn_wire_fault fault);

struct tn_wire_error {
	enum tn_wire_fault fault;
	char attribute[64];                 /* "" when it is not about one; longer names are cut */
	int32_t index;                      /* member of a batch, or -1; broken JSON is a fault of the whole body */
	int64_t offset;                     /* byte of the body, for JSON faults; or -1 */
	char message[256];                  /* one sentence for a person */
};

struct tn_decoded {                         /* {0}; give back with tn_decoded_fini */
	enum tn_mode mode;
	struct tn_event **events;           /* owned refs; none for plain */
	size_t count;
};
void tn_decoded_fini(struct tn_decoded *decoded);

/* The mode alone, by media type and headers; where the dialect sniffs, by the body too. */
enum tn_mode tn_wire_mode(const struct tn_wire *wire, const struct tn_wire_input *input);
/* TN_OK with one event, with a batch's events (none for []), or with mode plain and none; or TN_INVALID with the error. A batch is
 * all or nothing. out is untouched on failure. */
enum tn_status tn_wire_decode(const struct tn_wire *wire, const struct tn_wire_input *input, const struct tn_wire_limits *limits,
	struct tn_decoded *out, struct tn_wire_error *error) TN_MUST_CHECK;

/* --- Writing --- */

struct tn_encoded {                         /* {0}; reused from call to call, freed by tn_encoded_fini */
	struct tn_header *headers;          /* what to send, Content-Type included under the transport's name for it (see below) */
	size_t header_count, header_capacity;
	struct tn_str body;                 /* binary: borrowed from the event; structured: in text */
	bool has_body;                      /* false: Kafka null value, Redis without `data` */
	struct tn_buf text;
};
void tn_encoded_fini(struct tn_encoded *encoded);

/* mode is BINARY or STRUCTURED; the event is not raw. Header names are lower case, the media type's is "content-type" (HTTP also
 * when written as Content-Type: compared without case). The body is borrowed from event or from out->text. An event whose datacontenttype would
 * announce a structured message (its data is an event) is written structured where binary mode could not tell the two apart. */
void tn_wire_encode(const struct tn_wire *wire, const struct tn_event *event, enum tn_mode mode, struct tn_encoded *out);
/* Appends the event as one CloudEvents JSON object. */
void tn_event_to_json(const struct tn_event *event, struct tn_buf *out);
/* One CloudEvents JSON object; the inverse. Returns owned. */
enum tn_status tn_event_from_json(struct tn_str json, int64_t accepted_ms, struct tn_event **out_event,
	struct tn_wire_error *error) TN_MUST_CHECK;

#endif
