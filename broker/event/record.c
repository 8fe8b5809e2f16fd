/* SPDX-License-Identifier: Apache-2.0
 *
 * record.c - the event as bytes in the store: ours alone, versioned, independent of any wire form.
 *
 * Called by the store when an event is journaled, parked or buried, and when it is read back. A record is read as if anybody
 * might have written it: its checksum, its lengths and its attributes are checked before an event is made. Any thread.
 *
 * Version 1, numbers little-endian:
 *   u8 version | u8 flags | u64 checksum of all other bytes | i64 accepted_ms | then
 *   raw:   u64 length, reason | u64 length, bytes
 *   else:  u32 count | count times: u8 type, u32 length, name, u32 length, value | with data: u64 length, bytes
 */
#include <assert.h>
#include <endian.h>

#include "attribute.h"
#include "turnout/arena.h"
#include "turnout/utf8.h"

/* To change the record:
 * 1. Write the new layout above, beside the old one, and raise RECORD_VERSION.
 * 2. Keep the reader of the old layout (thaw_version_1) as it is and call it from tn_event_thaw by the version byte.
 * 3. Add a frozen record of the old version, as bytes, to tests/event/test_record.c: it must thaw for ever.
 * 4. Never reuse a number: a record may lie in a dead-letter queue for years. Type numbers (enum tn_value_type) are part of it. */
enum { RECORD_VERSION = 1 };

enum { FLAG_RAW = 1, FLAG_DATA = 2, FLAG_BASE64 = 4, FLAGS_KNOWN = 7 };
enum { FLAGS_AT = 1, CHECKSUM_AT = 2, BODY_AT = 10, SMALLEST_ATTRIBUTE = 9 };

_Static_assert(TN_STRING == 0 && TN_BOOLEAN == 1 && TN_INTEGER == 2 && TN_TIMESTAMP == 3 && TN_BYTES == 4,
	"type numbers are in records on disk");

static uint64_t load_bytes(const char *bytes, size_t n)
{
	uint64_t value = 0;
	for (size_t i = 0; i < n; i++)
		value |= (uint64_t)(uint8_t)bytes[i] << (8 * i);
	return value;
}

static void store_bytes(char *bytes, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(uint8_t)(value >> (8 * i));
}

/* Each step is one-to-one in `sum`, so a change within eight neighbouring bytes never goes unseen. */
static uint64_t add_word(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
	return sum ^ sum >> 32;
}

static uint64_t load_word(const char *bytes)
{
	uint64_t word;
	memcpy(&word, bytes, sizeof word);
	return le64toh(word);
}

static uint64_t checksum(const char *record, size_t len)
{
	const char *body = record + BODY_AT;
	size_t body_len = len - BODY_AT, at = 0;
	uint64_t sum = add_word(body_len, load_bytes(record, CHECKSUM_AT));
	for (; body_len - at >= 8; at += 8)
		sum = add_word(sum, load_word(body + at));
	return add_word(sum, load_bytes(body + at, body_len - at));
}

/* --- Writing --- */

static void put_number(struct tn_buf *out, uint64_t value, size_t n)
{
	store_bytes(tn_buf_reserve(out, n), value, n);
	out->len += n;
}

static void put_text(struct tn_buf *out, struct tn_str text, size_t length_bytes)
{
	assert(length_bytes == 8 || text.len <= UINT32_MAX);
	put_number(out, text.len, length_bytes);
	tn_buf_add_str(out, text);
}

static void put_attributes(struct tn_buf *out, const struct tn_event *event)
{
	size_t count;
	const struct tn_attribute *attributes = tn_event_attributes(event, &count);
	put_number(out, count, 4);
	for (size_t i = 0; i < count; i++) {
		put_number(out, (uint64_t)attributes[i].type, 1);
		put_text(out, attributes[i].name, 4);
		put_text(out, attributes[i].value, 4);
	}
}

void tn_event_freeze(const struct tn_event *event, struct tn_buf *out)
{
	size_t start = out->len;
	bool raw = tn_event_is_raw(event), has_data = tn_event_has_data(event);
	unsigned flags = (raw ? FLAG_RAW : 0u) | (has_data ? FLAG_DATA : 0u) |
		(tn_event_data_was_base64(event) ? FLAG_BASE64 : 0u);
	put_number(out, RECORD_VERSION, 1);
	put_number(out, flags, 1);
	put_number(out, 0, 8);
	put_number(out, (uint64_t)tn_event_accepted_ms(event), 8);
	if (raw)
		put_text(out, tn_event_raw_reason(event), 8);
	else
		put_attributes(out, event);
	if (has_data)
		put_text(out, tn_event_data(event), 8);
	store_bytes(out->bytes + start + CHECKSUM_AT, checksum(out->bytes + start, out->len - start), 8);
}

/* --- Reading --- */

struct reader {
	struct tn_str record;
	size_t at;
	bool ended; /* something did not fit: at is where */
};

static uint64_t get_number(struct reader *reader, size_t n)
{
	if (reader->ended || reader->record.len - reader->at < n) {
		reader->ended = true;
		return 0;
	}
	uint64_t value = load_bytes(reader->record.bytes + reader->at, n);
	reader->at += n;
	return value;
}

static struct tn_str get_text(struct reader *reader, size_t length_bytes)
{
	uint64_t len = get_number(reader, length_bytes);
	if (reader->ended || reader->record.len - reader->at < len) {
		reader->ended = true;
		return (struct tn_str){NULL, 0};
	}
	struct tn_str text = {reader->record.bytes + reader->at, (size_t)len};
	reader->at += text.len;
	return text;
}

/* What tn_event_new asks of its parts, so that whatever was frozen thaws: no more, no less. */
static bool attribute_fits(const struct tn_attribute *attribute, uint32_t *core_seen)
{
	if (attribute->type > TN_BYTES || !tn_attribute_name_valid(attribute->name) ||
		tn_utf8_check(attribute->value) != attribute->value.len || !tn_attribute_canonical(attribute))
		return false;
	unsigned which = tn_attribute_which(attribute->name);
	if (which == TN_NAME_EXTENSION)
		return true;
	bool fits = which != TN_NAME_SPECVERSION && !(*core_seen >> which & 1);
	*core_seen |= 1u << which;
	return fits;
}

static bool get_attributes(struct reader *reader, struct tn_arena *arena, struct tn_event_parts *parts)
{
	uint64_t count = get_number(reader, 4);
	if (count > (reader->record.len - reader->at) / SMALLEST_ATTRIBUTE)
		return false;
	struct tn_attribute *attributes = tn_arena_array(arena, struct tn_attribute, count);
	uint32_t core_seen = 0;
	for (uint64_t i = 0; i < count; i++) {
		size_t start = reader->at;
		attributes[i].type = (enum tn_value_type)get_number(reader, 1);
		attributes[i].name = get_text(reader, 4);
		attributes[i].value = get_text(reader, 4);
		if (reader->ended || !attribute_fits(&attributes[i], &core_seen)) {
			reader->at = start;
			return false;
		}
	}
	parts->attributes = attributes;
	parts->attribute_count = (size_t)count;
	return true;
}

static struct tn_event *thaw_raw(struct reader *reader, int64_t accepted_ms)
{
	struct tn_str reason = get_text(reader, 8), bytes = get_text(reader, 8);
	if (reader->ended || reader->at != reader->record.len || tn_utf8_check(reason) != reason.len)
		return NULL;
	return tn_event_new_raw(bytes, reason, accepted_ms);
}

static struct tn_event *thaw_event(struct reader *reader, struct tn_arena *arena, int64_t accepted_ms, unsigned flags)
{
	struct tn_event_parts parts = {.accepted_ms = accepted_ms, .has_data = flags & FLAG_DATA,
		.data_form = flags & FLAG_BASE64 ? TN_FORM_BASE64 : TN_FORM_OPAQUE};
	if (!get_attributes(reader, arena, &parts))
		return NULL;
	if (parts.has_data)
		parts.data = get_text(reader, 8);
	if (reader->ended || reader->at != reader->record.len)
		return NULL;
	return tn_event_new(&parts);
}

static struct tn_event *thaw_version_1(struct reader *reader)
{
	struct tn_arena arena = {0};
	unsigned flags = (uint8_t)reader->record.bytes[FLAGS_AT];
	reader->at = FLAGS_AT;
	if (flags & ~(unsigned)FLAGS_KNOWN || (flags & FLAG_RAW && flags != (FLAG_RAW | FLAG_DATA)) ||
		(flags & FLAG_BASE64 && !(flags & FLAG_DATA)))
		return NULL;
	reader->at = BODY_AT;
	int64_t accepted_ms = (int64_t)get_number(reader, 8);
	struct tn_event *event = flags & FLAG_RAW ? thaw_raw(reader, accepted_ms) :
		thaw_event(reader, &arena, accepted_ms, flags);
	tn_arena_fini(&arena);
	return event;
}

enum tn_status tn_event_thaw(struct tn_str record, struct tn_event **out_event, struct tn_error *error)
{
	if (record.len == 0) {
		tn_error_set(error, "event record is empty (byte 0)");
		return TN_INVALID;
	}
	unsigned version = (uint8_t)record.bytes[0];
	if (version != RECORD_VERSION) {
		tn_error_set(error, "event record has version %u (byte 0), this program reads %u", version, RECORD_VERSION);
		return TN_INVALID;
	}
	if (record.len < BODY_AT) {
		tn_error_set(error, "event record ends at byte %zu, inside its header", record.len);
		return TN_INVALID;
	}
	if (load_bytes(record.bytes + CHECKSUM_AT, 8) != checksum(record.bytes, record.len)) {
		tn_error_set(error, "event record of %zu bytes does not match its checksum (byte %d)", record.len, CHECKSUM_AT);
		return TN_INVALID;
	}
	struct reader reader = {.record = record};
	struct tn_event *event = thaw_version_1(&reader);
	if (!event) {
		tn_error_set(error, "event record makes no sense at byte %zu of %zu", reader.at, record.len);
		return TN_INVALID;
	}
	*out_event = event;
	return TN_OK;
}
