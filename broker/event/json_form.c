/* SPDX-License-Identifier: Apache-2.0
 *
 * json_form.c - writes an event in the JSON event format (cloudevents.md section 3).
 *
 * Called for structured mode, dead letters, rules tests and whoever shows an event. Owns nothing. Any thread.
 */
#include <assert.h>

#include "structured.h"
#include "turnout/base64.h"

static void put_attribute(const struct tn_attribute *attribute, struct tn_buf *out)
{
	tn_buf_add(out, ",\"", 2);
	tn_buf_add_str(out, attribute->name);
	tn_buf_add(out, "\":", 2);
	if (attribute->type == TN_BOOLEAN || attribute->type == TN_INTEGER)
		tn_buf_add_str(out, attribute->value);
	else
		tn_json_quote(out, attribute->value);
}

static void put_data(const struct tn_event *event, struct tn_buf *out)
{
	struct tn_str data = tn_event_data(event);
	switch (tn_event_data_kind(event)) {
	case TN_DATA_NONE:
		break;
	case TN_DATA_JSON:
		tn_buf_add_text(out, ",\"data\":");
		tn_buf_add_str(out, data);
		break;
	case TN_DATA_TEXT:
		tn_buf_add_text(out, ",\"data\":");
		tn_json_quote(out, data);
		break;
	case TN_DATA_BINARY:
		tn_buf_add_text(out, ",\"data_base64\":\"");
		tn_base64_encode(out, data);
		tn_buf_add_byte(out, '"');
		break;
	}
}

void tn_event_to_json(const struct tn_event *event, struct tn_buf *out)
{
	assert(!tn_event_is_raw(event));
	size_t count;
	const struct tn_attribute *attributes = tn_event_attributes(event, &count);
	tn_buf_add_text(out, "{\"specversion\":\"1.0\"");
	for (size_t i = 0; i < count; i++)
		put_attribute(&attributes[i], out);
	put_data(event, out);
	tn_buf_add_byte(out, '}');
}

enum tn_status tn_event_from_json(struct tn_str json, int64_t accepted_ms, struct tn_event **out_event,
	struct tn_wire_error *error)
{
	struct tn_draft draft;
	tn_draft_init(&draft, NULL, accepted_ms);
	enum tn_status status = tn_structured_decode(json, &draft, out_event, error);
	tn_draft_fini(&draft);
	return status;
}
