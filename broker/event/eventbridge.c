/* SPDX-License-Identifier: Apache-2.0
 *
 * eventbridge.c - an event as an EventBridge envelope, and back (cloudevents.md section 11).
 *
 * Called by rules with `view: eventbridge`, by EventBridge targets, and by whoever takes envelopes in. The two ways invert each
 * other for envelopes (whose source is a URI reference), and for events whose data is a JSON object and whose time is whole
 * seconds of UTC: what an envelope has no place for (dataschema, extensions) is not carried. Owns nothing. Any thread.
 */
#include <assert.h>

#include "fault.h"
#include "structured.h"
#include "timestamp.h"
#include "turnout/base64.h"
#include "uri.h"

/* --- To an envelope --- */

static void put_member(struct tn_buf *out, const char *name, struct tn_str value)
{
	tn_buf_addf(out, ",\"%s\":", name);
	tn_json_quote(out, value);
}

static struct tn_str extension_or(const struct tn_event *event, const char *name, struct tn_str otherwise)
{
	const struct tn_attribute *attribute = tn_event_find(event, tn_str_from(name));
	return attribute ? attribute->value : otherwise;
}

static void put_time(const struct tn_event *event, struct tn_buf *out)
{
	struct tn_str text = tn_event_core(event, TN_CORE_TIME);
	int64_t ms = tn_event_accepted_ms(event);
	struct tn_timestamp time = {.seconds = ms / 1000 - (ms % 1000 < 0)};
	char utc[TN_TIMESTAMP_TEXT_SIZE];
	bool fits = (!text.bytes || tn_timestamp_parse(text, &time)) && tn_timestamp_format(time, utc);
	/* At the ends of the calendar an offset leads out of it: then the time stays as it was said. */
	put_member(out, "time", fits ? tn_str_from(utc) : text);
}

static bool is_array_of_strings(struct tn_str text)
{
	struct tn_json json;
	struct tn_json_token token;
	tn_json_init(&json, text, 1);
	if (tn_json_next(&json, &token) != TN_OK || token.kind != TN_JSON_ARRAY)
		return false;
	do {
		if (tn_json_next(&json, &token) != TN_OK)
			return false;
	} while (token.kind == TN_JSON_STRING);
	return token.kind == TN_JSON_ARRAY_END && tn_json_next(&json, &token) == TN_OK;
}

static void put_resources(const struct tn_event *event, struct tn_buf *out)
{
	struct tn_str all = extension_or(event, "ebresources", TN_STR("")), subject = tn_event_core(event, TN_CORE_SUBJECT);
	tn_buf_add_text(out, ",\"resources\":");
	if (is_array_of_strings(all)) {
		tn_buf_add_str(out, all);
		return;
	}
	tn_buf_add_byte(out, '[');
	if (subject.bytes)
		tn_json_quote(out, subject);
	tn_buf_add_byte(out, ']');
}

static bool is_object(struct tn_str json)
{
	json = tn_str_trim(json, " \t\r\n");
	return json.len > 0 && json.bytes[0] == '{';
}

static void put_detail(const struct tn_event *event, struct tn_buf *out)
{
	struct tn_str data = tn_event_data(event);
	tn_buf_add_text(out, ",\"detail\":");
	switch (tn_event_data_kind(event)) {
	case TN_DATA_NONE:
		tn_buf_add_text(out, "{}");
		break;
	case TN_DATA_JSON:
		if (is_object(data)) {
			tn_buf_add_str(out, data);
			break;
		}
		tn_buf_add_text(out, "{\"data\":");
		tn_buf_add_str(out, data);
		tn_buf_add_byte(out, '}');
		break;
	case TN_DATA_TEXT:
		tn_buf_add_text(out, "{\"data\":");
		tn_json_quote(out, data);
		tn_buf_add_byte(out, '}');
		break;
	case TN_DATA_BINARY:
		tn_buf_add_text(out, "{\"data_base64\":\"");
		tn_base64_encode(out, data);
		tn_buf_add_text(out, "\"}");
		break;
	}
}

void tn_event_to_eventbridge(const struct tn_event *event, const struct tn_eventbridge *defaults, struct tn_buf *out)
{
	assert(!tn_event_is_raw(event));
	struct tn_str account = TN_STR("000000000000"), region = TN_STR("");
	if (defaults && defaults->account.len)
		account = defaults->account;
	if (defaults && defaults->region.len)
		region = defaults->region;
	tn_buf_add_text(out, "{\"version\":\"0\"");
	put_member(out, "id", tn_event_core(event, TN_CORE_ID));
	put_member(out, "detail-type", tn_event_core(event, TN_CORE_TYPE));
	put_member(out, "source", tn_event_core(event, TN_CORE_SOURCE));
	put_member(out, "account", extension_or(event, "ebaccount", account));
	put_time(event, out);
	put_member(out, "region", extension_or(event, "ebregion", region));
	put_resources(event, out);
	put_detail(event, out);
	tn_buf_add_byte(out, '}');
}

/* --- From an envelope --- */

enum member { VERSION, ID, DETAIL_TYPE, SOURCE, TIME, ACCOUNT, REGION, RESOURCES, DETAIL, MEMBER_COUNT };

static const struct {
	const char *name, *attribute; /* attribute NULL: not copied as it is */
	bool required;
} members[MEMBER_COUNT] = {
	[VERSION] = {"version", NULL, false},
	[ID] = {"id", "id", true},
	[DETAIL_TYPE] = {"detail-type", "type", true},
	[SOURCE] = {"source", "source", true},
	[TIME] = {"time", "time", true},
	[ACCOUNT] = {"account", "ebaccount", false},
	[REGION] = {"region", "ebregion", false},
	[RESOURCES] = {"resources", NULL, false},
	[DETAIL] = {"detail", NULL, true},
};

struct envelope {
	bool found[MEMBER_COUNT];
	struct tn_str value[MEMBER_COUNT]; /* strings: unescaped; resources and detail: source text */
};

static enum tn_status refuse(struct tn_error *error, enum member member, const char *why)
{
	tn_error_set(error, "EventBridge envelope: member '%s' %s", members[member].name, why);
	return TN_INVALID;
}

static enum tn_status refuse_json(const struct tn_json *json, struct tn_error *error)
{
	struct tn_wire_error fault;
	tn_structured_fault(json, &fault);
	tn_error_set(error, "EventBridge envelope: %s", fault.message);
	return TN_INVALID;
}

static struct tn_str unescape(struct tn_str escaped, struct tn_draft *draft)
{
	char *to = tn_draft_room(draft, escaped.len);
	return (struct tn_str){to, tn_json_unescape_to(escaped, to)};
}

static enum tn_status read_member(struct tn_json *json, enum member member, struct tn_draft *draft, struct envelope *out,
	struct tn_error *error)
{
	struct tn_json_token token;
	size_t end;
	if (out->found[member])
		return refuse(error, member, "is there twice");
	if (tn_json_next(json, &token) != TN_OK || tn_json_skip(json, &token, &end) != TN_OK)
		return refuse_json(json, error);
	enum tn_json_kind wanted = member == DETAIL ? TN_JSON_OBJECT : member == RESOURCES ? TN_JSON_ARRAY : TN_JSON_STRING;
	if (token.kind != wanted)
		return refuse(error, member, member == DETAIL ? "is not an object" : member == RESOURCES ? "is not an array" :
			"is not a string");
	out->found[member] = true;
	out->value[member] = wanted == TN_JSON_STRING ? unescape(token.text, draft) :
		(struct tn_str){json->text.bytes + token.at, end - token.at};
	return TN_OK;
}

static enum member member_by_name(const struct tn_json_token *name)
{
	enum member member = 0;
	while (member < MEMBER_COUNT && !tn_json_equals(name, tn_str_from(members[member].name)))
		member++;
	return member;
}

static enum tn_status read_envelope(struct tn_str text, struct tn_draft *draft, struct envelope *out, struct tn_error *error)
{
	struct tn_json json;
	struct tn_json_token token;
	size_t end;
	tn_structured_begin(&json, text, NULL, 1);
	if (tn_json_next(&json, &token) != TN_OK)
		return refuse_json(&json, error);
	if (token.kind != TN_JSON_OBJECT) {
		tn_error_set(error, "EventBridge envelope: not a JSON object");
		return TN_INVALID;
	}
	for (;;) {
		if (tn_json_next(&json, &token) != TN_OK)
			return refuse_json(&json, error);
		if (token.kind == TN_JSON_OBJECT_END)
			break;
		enum member member = member_by_name(&token);
		if (member < MEMBER_COUNT) {
			if (read_member(&json, member, draft, out, error) != TN_OK)
				return TN_INVALID;
		} else if (tn_json_next(&json, &token) != TN_OK || tn_json_skip(&json, &token, &end) != TN_OK) {
			return refuse_json(&json, error); /* members we do not know, such as replay-name, are passed over */
		}
	}
	return tn_json_next(&json, &token) == TN_OK ? TN_OK : refuse_json(&json, error);
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool starts_escape(struct tn_str text, size_t at)
{
	return text.len - at >= 3 && is_hex(text.bytes[at + 1]) && is_hex(text.bytes[at + 2]);
}

/* How much of a source has to be escaped: what no URI may have; what may stand in one place only; a colon that ends no scheme. */
enum escaping { ESCAPE_FOREIGN, ESCAPE_MISPLACED, ESCAPE_COLON, ESCAPE_END };

static struct tn_str escape_source(struct tn_str text, enum escaping escaping, char *to)
{
	static const char digits[] = "0123456789ABCDEF";
	bool first_segment = true, fragment = false;
	size_t len = 0;
	for (size_t at = 0; at < text.len; at++) {
		char c = text.bytes[at];
		bool escape = !tn_uri_byte_valid(c) || (c == '%' && !starts_escape(text, at));
		if (escaping >= ESCAPE_MISPLACED)
			escape |= c == '[' || c == ']' || (c == '#' && fragment);
		if (escaping >= ESCAPE_COLON)
			escape |= c == ':' && first_segment;
		fragment |= c == '#';
		first_segment &= c != '/' && c != '?' && c != '#';
		if (!escape) {
			to[len++] = c;
			continue;
		}
		to[len++] = '%';
		to[len++] = digits[(unsigned char)c >> 4];
		to[len++] = digits[(unsigned char)c & 15];
	}
	return (struct tn_str){to, len};
}

static struct tn_str source_to_uri(struct tn_str source, struct tn_draft *draft)
{
	if (tn_uri_reference_valid(source))
		return source;
	char *to = tn_draft_room(draft, source.len * 3);
	struct tn_str uri = source;
	for (enum escaping escaping = ESCAPE_FOREIGN; escaping < ESCAPE_END && !tn_uri_reference_valid(uri); escaping++)
		uri = escape_source(source, escaping, to);
	return uri;
}

static enum tn_status add(struct tn_draft *draft, const char *name, struct tn_str value, enum member member,
	struct tn_error *error)
{
	struct tn_wire_error fault;
	if (tn_draft_add(draft, (struct tn_attribute){tn_str_from(name), value, TN_STRING}, -1, &fault) == TN_OK)
		return TN_OK;
	tn_error_set(error, "EventBridge envelope: member '%s' cannot be taken: %s", members[member].name, fault.message);
	return TN_INVALID;
}

/* The array without white space, so that it is a String; and its only element as the subject. */
static enum tn_status add_resources(struct tn_str array, struct tn_draft *draft, struct tn_error *error)
{
	struct tn_json json;
	struct tn_json_token token;
	struct tn_str only = {NULL, 0};
	const char *why;
	char *text = tn_draft_room(draft, array.len);
	size_t len = 0, count = 0;
	tn_json_init(&json, array, TN_EVENT_DATA_DEPTH);
	if (tn_json_next(&json, &token) != TN_OK)
		return refuse_json(&json, error);
	text[len++] = '[';
	for (;; count++) {
		if (tn_json_next(&json, &token) != TN_OK)
			return refuse_json(&json, error);
		if (token.kind == TN_JSON_ARRAY_END)
			break;
		if (token.kind != TN_JSON_STRING)
			return refuse(error, RESOURCES, "has an element that is not a string");
		if (count > 0)
			text[len++] = ',';
		memcpy(text + len, token.text.bytes - 1, token.text.len + 2); /* with its quotes */
		len += token.text.len + 2;
		only = unescape(token.text, draft);
	}
	text[len++] = ']';
	if (count == 1 && tn_attribute_check(TN_CORE_SUBJECT, only, &why) == TN_FAULT_NONE &&
		add(draft, "subject", only, RESOURCES, error) != TN_OK)
		return TN_INVALID;
	return add(draft, "ebresources", (struct tn_str){text, len}, RESOURCES, error);
}

static enum tn_status fill_draft(struct envelope *envelope, struct tn_draft *draft, struct tn_error *error)
{
	struct tn_wire_error fault;
	for (enum member member = 0; member < MEMBER_COUNT; member++) {
		if (members[member].required && !envelope->found[member])
			return refuse(error, member, "is missing");
		if (member == SOURCE)
			envelope->value[SOURCE] = source_to_uri(envelope->value[SOURCE], draft);
		if (members[member].attribute && envelope->found[member] &&
			add(draft, members[member].attribute, envelope->value[member], member, error) != TN_OK)
			return TN_INVALID;
	}
	if (envelope->found[VERSION] && !tn_str_is(envelope->value[VERSION], "0"))
		return refuse(error, VERSION, "is not \"0\"");
	struct tn_str resources = envelope->found[RESOURCES] ? envelope->value[RESOURCES] : TN_STR("[]");
	if (add_resources(resources, draft, error) != TN_OK ||
		add(draft, "datacontenttype", TN_STR("application/json"), DETAIL, error) != TN_OK ||
		tn_draft_add(draft, (struct tn_attribute){TN_STR("specversion"), TN_STR("1.0"), TN_STRING}, -1, &fault) != TN_OK)
		return TN_INVALID;
	draft->has_data = true;
	draft->data = envelope->value[DETAIL];
	draft->data_form = TN_FORM_JSON;
	return TN_OK;
}

enum tn_status tn_event_from_eventbridge(struct tn_str json, int64_t accepted_ms, struct tn_event **out_event,
	struct tn_error *error)
{
	struct tn_draft draft;
	struct envelope envelope = {0};
	struct tn_wire_error fault;
	tn_draft_init(&draft, NULL, accepted_ms);
	enum tn_status status = read_envelope(json, &draft, &envelope, error);
	if (status == TN_OK)
		status = fill_draft(&envelope, &draft, error);
	if (status == TN_OK)
		status = tn_draft_finish(&draft, out_event, &fault);
	tn_draft_fini(&draft);
	return status;
}
