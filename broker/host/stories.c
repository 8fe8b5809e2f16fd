/* SPDX-License-Identifier: Apache-2.0
 *
 * stories.c - the engine's notes as entries of the store's ledger, for `turnout trace`.
 *
 * One entry a note, complete in itself: a JSON object that names its event and its delivery, so that any of them may be
 * missing. Found by the event's CloudEvents id and by the delivery id. What the configuration leaves out (trace.events)
 * is not noted at all. Bus thread.
 */
#include "bus_parts.h"

#include "turnout/base64.h"
#include "turnout/json.h"
#include "turnout/wire.h"

enum { NAME_BYTES = 256, MESSAGE_BYTES = 512, EVENT_BYTES = 16384 };

static const char *const words[] = {
        [TN_NOTE_RETRY] = "retry",
        [TN_NOTE_PARKED] = "parked",
        [TN_NOTE_DEAD] = "dead",
        [TN_NOTE_DROPPED] = "dropped",
        [TN_NOTE_LATE_SUCCESS] = "late_success",
        [TN_NOTE_REPLY_REFUSED] = "reply_refused",
        [TN_NOTE_ATTEMPT] = "attempt",
        [TN_NOTE_DELIVERED] = "delivered",
        [TN_NOTE_RELEASED] = "released",
        [TN_NOTE_UNMATCHED] = "unmatched",
};

/* Whole characters only. */
static struct tn_str cut(struct tn_str text, size_t limit)
{
	if (text.len <= limit)
		return text;
	while (limit > 0 && ((unsigned char)text.bytes[limit] & 0xc0) == 0x80)
		limit--;
	return tn_str_make(text.bytes, limit);
}

static void add_text(struct tn_buf *out, const char *name, struct tn_str text, size_t limit)
{
	if (text.len == 0)
		return;
	tn_buf_addf(out, ",\"%s\":", name);
	tn_json_quote(out, cut(text, limit));
}

static void add_number(struct tn_buf *out, const char *name, int64_t number)
{
	tn_buf_addf(out, ",\"%s\":%lld", name, (long long)number);
}

static void add_payload(struct tn_buf *out, const struct tn_event *event)
{
	size_t before = out->len;
	if (tn_event_is_raw(event))
		return;
	tn_buf_add_text(out, ",\"event\":");
	tn_event_to_json(event, out);
	if (out->len - before <= EVENT_BYTES)
		return;
	long long bytes = (long long)(out->len - before);
	out->len = before;
	add_number(out, "event_omitted_bytes", bytes);
}

static void add_event(struct tn_buf *out, const struct tn_event *event, struct tn_str origin, bool payload)
{
	if (!tn_event_is_raw(event)) {
		add_text(out, "id", tn_event_core(event, TN_CORE_ID), NAME_BYTES);
		add_text(out, "source", tn_event_core(event, TN_CORE_SOURCE), NAME_BYTES);
		add_text(out, "type", tn_event_core(event, TN_CORE_TYPE), NAME_BYTES);
	}
	add_number(out, "received_ms", tn_event_accepted_ms(event));
	if (origin.len > 0) {
		tn_buf_add_text(out, ",\"origin\":");
		tn_buf_add_str(out, origin);
	}
	if (payload)
		add_payload(out, event);
}

static void add_outcome(struct tn_buf *out, const struct tn_note *note)
{
	if (note->status != 0)
		add_number(out, "status", note->status);
	if (note->code)
		add_text(out, "code", tn_str_from(note->code), NAME_BYTES);
	if (note->latency_ms >= 0 && (note->kind == TN_NOTE_ATTEMPT || note->kind == TN_NOTE_DELIVERED))
		add_number(out, "latency_ms", note->latency_ms);
	add_text(out, "message", note->message, MESSAGE_BYTES);
}

/* An attempt is numbered from 1; attempts counts the failures before the note. */
static void add_delivery(struct tn_buf *out, const struct tn_note *note, const char *id)
{
	add_text(out, "delivery", tn_str_from(id), NAME_BYTES);
	add_text(out, "rule", note->rule, NAME_BYTES);
	add_text(out, "target", note->target, NAME_BYTES);
	add_number(out, "attempts", note->attempts);
	if (note->redrives > 0)
		add_number(out, "redrives", note->redrives);
	if (note->due_ms > 0)
		add_number(out, "next_ms", note->due_ms);
	add_outcome(out, note);
}

static void append(struct tn_bus *bus, struct tn_buf *text, struct tn_str event_id, const char *delivery_id)
{
	struct tn_ledger_entry entry = {.at_ms = tn_bus_engine_ms(bus)};
	if (event_id.len > 0)
		entry.names[0] = tn_store_ledger_name(event_id);
	if (delivery_id[0])
		entry.names[1] = tn_store_ledger_name(tn_str_from(delivery_id));
	tn_buf_add_byte(text, '}');
	entry.text = tn_buf_str(text);
	tn_store_ledger_append(bus->store, &entry); /* what it has no room for it counts */
}

void tn_stories_note(struct tn_bus *bus, const struct tn_note *note)
{
	const struct tn_config *config = bus->started->config;
	char id[TN_ID_TEXT_SIZE] = "";
	bool has_word = note->kind < sizeof words / sizeof *words && words[note->kind];
	if (config->trace_events == TN_NOTES_DECISIONS || !has_word || !note->event)
		return;
	struct tn_str event_id =
	        tn_event_is_raw(note->event) ? (struct tn_str){0} : tn_event_core(note->event, TN_CORE_ID);
	struct tn_buf *text = &bus->story;
	tn_buf_clear(text);
	tn_buf_addf(text, "{\"what\":\"%s\"", words[note->kind]);
	if (note->kind != TN_NOTE_UNMATCHED) {
		tn_base32_id(note->id.bytes, id);
		add_delivery(text, note, id);
	}
	add_event(text, note->event, note->origin, config->trace_payloads && note->attempts == 0);
	append(bus, text, event_id, id);
}

void tn_bus_tell_moved(struct tn_bus *bus, const struct tn_id *delivery, const char *what)
{
	char id[TN_ID_TEXT_SIZE];
	if (bus->started->config->trace_events == TN_NOTES_DECISIONS)
		return;
	tn_base32_id(delivery->bytes, id);
	tn_buf_clear(&bus->story);
	tn_buf_addf(&bus->story, "{\"what\":\"%s\",\"delivery\":\"%s\"", what, id);
	append(bus, &bus->story, (struct tn_str){0}, id);
}
