/* SPDX-License-Identifier: Apache-2.0
 *
 * wire.c - the dialects, and the way from a message to its events and back.
 *
 * Called by workers with what a source handed over, and with what a target is to send. The steps: find the media type and the
 * attribute headers, settle the mode, read it (binary.c, structured.c, batch.c). Owns nothing. Any thread.
 *
 *   media type begins with application/cloudevents-batch ---> batched     (415 where the dialect has no batches)
 *   media type begins with application/cloudevents ---------> structured  (415 unless it is exactly ...+json)
 *   one of <prefix>specversion, id, source, type is there --> binary
 *   the dialect sniffs, and the body is an event -----------> structured
 *   else ---------------------------------------------------> plain
 */
#include "turnout/wire.h"

#include <assert.h>
#include <stdlib.h>

#include "binary.h"
#include "fault.h"
#include "media_type.h"
#include "structured.h"

static const char *const hyphen_prefix[] = {"ce-", NULL};
static const char *const underscore_prefix[] = {"ce_", NULL};
static const char *const redis_prefixes[] = {"ce_", "ce-", NULL};
static const char *const amqp_prefixes[] = {"ce-", "ce_", "cloudEvents_", "cloudEvents:", NULL};

const struct tn_wire tn_wire_http = {
	.name = "http",
	.read_prefixes = hyphen_prefix,
	.write_prefix = "ce-",
	.percent = true,
	.batch = true,
	.empty_is_none = true,
};
const struct tn_wire tn_wire_kafka = {
	.name = "kafka",
	.read_prefixes = underscore_prefix,
	.write_prefix = "ce_",
	.sniff = true,
};
const struct tn_wire tn_wire_amqp = {
	.name = "amqp",
	.read_prefixes = amqp_prefixes,
	.write_prefix = "ce-",
	.sniff = true,
	.empty_is_none = true,
	.typed_values = true,
};
const struct tn_wire tn_wire_nats = {
	.name = "nats",
	.read_prefixes = hyphen_prefix,
	.write_prefix = "ce-",
	.percent = true,
	.sniff = true,
	.empty_is_none = true,
	.type_in_header = true,
};
const struct tn_wire tn_wire_redis = {
	.name = "redis",
	.read_prefixes = redis_prefixes,
	.write_prefix = "ce_",
	.sniff = true,
};

const struct tn_wire *tn_wire_find(struct tn_str name)
{
	static const struct tn_wire *const all[] = {&tn_wire_http, &tn_wire_kafka, &tn_wire_amqp, &tn_wire_nats, &tn_wire_redis};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (tn_str_is(name, all[i]->name))
			return all[i];
	return NULL;
}

/* --- Reading --- */

struct survey { /* of the headers, in one pass */
	struct tn_str content_type; /* trimmed; bytes NULL: none */
	bool content_type_twice;
	bool has_attributes;        /* one of those that every event has */
};

static bool is_telling(struct tn_str name)
{
	return tn_str_equal_nocase(name, TN_STR("id")) || tn_str_equal_nocase(name, TN_STR("type")) ||
		tn_str_equal_nocase(name, TN_STR("source")) || tn_str_equal_nocase(name, TN_STR("specversion"));
}

static struct survey survey_headers(const struct tn_wire *wire, const struct tn_wire_input *input)
{
	struct survey found = {.content_type = input->content_type};
	bool own_place = input->content_type.bytes != NULL;
	if (own_place && input->content_type.len == 0)
		found.content_type.bytes = NULL; /* a property that is set to nothing */
	for (size_t i = 0; i < input->header_count; i++) {
		unsigned prefix;
		const struct tn_header *header = &input->headers[i];
		struct tn_str name = tn_binary_strip_prefix(wire, header->name, &prefix);
		if (name.bytes) {
			found.has_attributes |= is_telling(name);
		} else if (!own_place && tn_str_equal_nocase(header->name, TN_STR("content-type"))) {
			found.content_type_twice |= found.content_type.bytes != NULL;
			if (!found.content_type.bytes)
				found.content_type = header->value.bytes ? header->value : TN_STR("");
		}
	}
	if (found.content_type.bytes)
		found.content_type = tn_str_trim(found.content_type, " \t");
	return found;
}

static enum tn_mode find_mode(const struct tn_wire *wire, const struct tn_wire_input *input, const struct survey *survey)
{
	if (tn_str_starts_nocase(survey->content_type, TN_STR("application/cloudevents-batch")))
		return TN_MODE_BATCHED;
	if (tn_str_starts_nocase(survey->content_type, TN_STR("application/cloudevents")))
		return TN_MODE_STRUCTURED;
	if (survey->has_attributes)
		return TN_MODE_BINARY;
	if (wire->sniff && input->has_body && tn_structured_sniff(input->body))
		return TN_MODE_STRUCTURED;
	return TN_MODE_PLAIN;
}

enum tn_mode tn_wire_mode(const struct tn_wire *wire, const struct tn_wire_input *input)
{
	struct survey survey = survey_headers(wire, input);
	return find_mode(wire, input, &survey);
}

static enum tn_status check_format(const struct tn_wire *wire, struct tn_str content_type, enum tn_mode mode,
	struct tn_wire_error *error)
{
	struct tn_str wanted = mode == TN_MODE_BATCHED ? TN_STR("application/cloudevents-batch+json") :
		TN_STR("application/cloudevents+json");
	struct tn_media_type media_type;
	if (!tn_media_type_parse(content_type, &media_type) || !tn_str_equal_nocase(media_type.essence, wanted))
		return tn_fault_set(error, TN_FAULT_UNSUPPORTED_FORMAT, TN_NO_ATTRIBUTE, -1,
			"event format is not known here: only %s is", wanted.bytes);
	if (mode == TN_MODE_BATCHED && !wire->batch)
		return tn_fault_set(error, TN_FAULT_UNSUPPORTED_FORMAT, TN_NO_ATTRIBUTE, -1, "batches are not taken here (%s)",
			wire->name);
	if (!tn_media_type_is_utf8(&media_type))
		return tn_fault_set(error, TN_FAULT_UNSUPPORTED_CHARSET, TN_NO_ATTRIBUTE, -1,
			"events in JSON are UTF-8, and charset says otherwise");
	return TN_OK;
}

static enum tn_status decode_one(const struct tn_wire *wire, const struct tn_wire_input *input,
	const struct survey *survey, enum tn_mode mode, const struct tn_wire_limits *limits, struct tn_event **out_event,
	struct tn_wire_error *error)
{
	struct tn_draft draft;
	enum tn_status status;
	tn_draft_init(&draft, limits, input->accepted_ms);
	if (mode == TN_MODE_STRUCTURED) {
		status = tn_structured_decode(input->body, &draft, out_event, error);
	} else {
		status = tn_binary_decode(wire, input, survey->content_type, &draft, error);
		if (status == TN_OK)
			status = tn_draft_finish(&draft, out_event, error);
	}
	tn_draft_fini(&draft);
	return status;
}

static void keep_one(struct tn_decoded *out, enum tn_mode mode, struct tn_event *event)
{
	struct tn_event **events = malloc(sizeof(struct tn_event *));
	if (!events)
		abort();
	*events = event;
	*out = (struct tn_decoded){.mode = mode, .events = events, .count = 1};
}

enum tn_status tn_wire_decode(const struct tn_wire *wire, const struct tn_wire_input *input, const struct tn_wire_limits *limits,
	struct tn_decoded *out, struct tn_wire_error *error)
{
	struct survey survey = survey_headers(wire, input);
	enum tn_mode mode = find_mode(wire, input, &survey);
	struct tn_event *event = NULL;
	if (mode == TN_MODE_PLAIN) {
		*out = (struct tn_decoded){.mode = TN_MODE_PLAIN};
		return TN_OK;
	}
	if (survey.content_type_twice)
		return tn_fault_set(error, TN_FAULT_DUPLICATE_ATTRIBUTE, TN_STR("datacontenttype"), -1,
			"content type is there twice");
	/* Sniffed bodies may be labelled anything. */
	bool labelled = tn_str_starts_nocase(survey.content_type, TN_STR("application/cloudevents"));
	if (labelled && check_format(wire, survey.content_type, mode, error) != TN_OK)
		return TN_INVALID;
	if (mode == TN_MODE_BATCHED)
		return tn_batch_decode(input->body, limits, input->accepted_ms, out, error);
	if (decode_one(wire, input, &survey, mode, limits, &event, error) != TN_OK)
		return TN_INVALID;
	keep_one(out, mode, event);
	return TN_OK;
}

void tn_decoded_fini(struct tn_decoded *decoded)
{
	for (size_t i = 0; i < decoded->count; i++)
		tn_event_unref(decoded->events[i]);
	free(decoded->events);
	*decoded = (struct tn_decoded){0};
}

/* --- Writing --- */

static void encode_structured(const struct tn_event *event, struct tn_encoded *out)
{
	tn_encoded_reserve(out, 1);
	out->headers[out->header_count++] = (struct tn_header){.name = TN_STR("content-type"),
		.value = TN_STR("application/cloudevents+json"), .type = TN_STRING};
	tn_buf_clear(&out->text);
	tn_event_to_json(event, &out->text);
	out->has_body = true;
	out->body = tn_buf_str(&out->text);
}

/* In binary mode the receiver would take data that is an event itself for the event. */
static bool looks_structured(const struct tn_wire *wire, const struct tn_event *event)
{
	return !wire->type_in_header &&
		tn_str_starts_nocase(tn_event_core(event, TN_CORE_DATACONTENTTYPE), TN_STR("application/cloudevents"));
}

void tn_wire_encode(const struct tn_wire *wire, const struct tn_event *event, enum tn_mode mode, struct tn_encoded *out)
{
	assert(!tn_event_is_raw(event) && (mode == TN_MODE_BINARY || mode == TN_MODE_STRUCTURED));
	if (mode == TN_MODE_STRUCTURED || looks_structured(wire, event))
		encode_structured(event, out);
	else
		tn_binary_encode(wire, event, out);
}
