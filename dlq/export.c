/* SPDX-License-Identifier: Apache-2.0
 *
 * export.c - a dead letter as one line: a structured CloudEvent whose data is the record of delivery-semantics section 8.
 *
 * Called by the admin room and by tools. import.c is the inverse. Any thread.
 *
 *   type     turnout.deadletter      id    the dead letter's         dlqqueue  its queue
 *   source   /turnout/BUS            time  when it died              dlqdata   see below
 *
 * JSON data may have line breaks between its parts, and white space around it. On a line the breaks become spaces; dlqdata, base64, then
 * has the data's own bytes.
 */
#include "turnout/dlq.h"

#include <string.h>
#include "turnout/base64.h"
#include "turnout/clock.h"
#include "turnout/json.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Does the data come back from a line byte for byte? */
static bool fits_a_line(const struct tn_event *event)
{
	struct tn_str data = tn_event_data(event);
	if (tn_event_is_raw(event) || tn_event_data_kind(event) != TN_DATA_JSON || data.len == 0)
		return true;
	return !is_space(data.bytes[0]) && !is_space(data.bytes[data.len - 1]) && !memchr(data.bytes, '\n', data.len) &&
		!memchr(data.bytes, '\r', data.len);
}

void tn_dlq_export_line(const struct tn_dlq_view *view, const struct tn_row *row, const struct tn_event *event, struct tn_buf *out)
{
	char id[TN_DLQ_ID_SIZE], time[TN_TIME_TEXT_SIZE];
	size_t start = out->len;
	tn_buf_addf(out, "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/turnout/%.*s\",\"type\":\"turnout.deadletter\",\"time\":\"%s\"",
		tn_dlq_id_format(row->key, id), TN_STR_ARG(view->bus), tn_clock_format(row->dead_ms + view->wall_offset_ms, time));
	tn_buf_add_text(out, ",\"datacontenttype\":\"application/json\",\"dlqqueue\":");
	tn_json_quote(out, row->queue.len > 0 ? row->queue : TN_STR("default"));
	if (!fits_a_line(event)) {
		tn_buf_add_text(out, ",\"dlqdata\":\"");
		tn_base64_encode(out, tn_event_data(event));
		tn_buf_add_byte(out, '"');
	}
	tn_buf_add_text(out, ",\"data\":");
	tn_dlq_record_json(view, row, event, out);
	for (size_t i = start; i < out->len; i++) /* within strings they are escaped */
		if (out->bytes[i] == '\n' || out->bytes[i] == '\r')
			out->bytes[i] = ' ';
	tn_buf_add_text(out, "}\n");
}
