/* SPDX-License-Identifier: Apache-2.0
 *
 * dedup.c - the idempotency key of an event (delivery-semantics section 11), computed on the worker that decoded it.
 *
 * A key is 128 bits of SHA-256 over length-prefixed parts: a label, bus and source (the scope), and what tells events apart. Bus and
 * source stand where a secret key would. A secret would have to be the same over restarts and in every process that shares a store of
 * keys, and guards against nothing here: nobody can find an event whose SHA-256 begins like another one's, with or without it, which a
 * faster hash for tables (SipHash) promises only while its key is secret. The fingerprint guards nobody but its own sender from itself,
 * so it may be fast.
 */
#include "dedup.h"

#include <assert.h>
#include "turnout/id.h"
#include "turnout/json.h"

enum { PATHS_MAX = TN_DEDUP_PATHS_MAX };

/* --- Idempotency-Key: "a structured field" or a bare text --- */

static struct tn_str header_value(const struct tn_message *message)
{
	for (uint32_t i = 0; i < message->header_count; i++) {
		if (tn_str_equal_nocase(message->headers[i].name, TN_STR("idempotency-key")))
			return tn_str_trim(message->headers[i].value, " \t");
	}
	return (struct tn_str){0};
}

/* The text of a quoted string at the head of value, unescaped into out; false: it is not one. Parameters behind it say nothing to us. */
static bool unquote(struct tn_str value, struct tn_buf *out)
{
	if (value.len < 2 || value.bytes[0] != '"')
		return false;
	for (size_t i = 1; i < value.len; i++) {
		char c = value.bytes[i];
		if (c == '"')
			return i + 1 == value.len || value.bytes[i + 1] == ';' || value.bytes[i + 1] == ' ';
		if (c == '\\' && i + 1 < value.len)
			c = value.bytes[++i];
		tn_buf_add_byte(out, c);
	}
	return false;
}

static bool add_header(const struct tn_message *message, size_t index, struct tn_buf *out)
{
	struct tn_str value = header_value(message);
	struct tn_buf text = {0};
	if (unquote(value, &text))
		value = tn_buf_str(&text);
	bool some = value.len > 0;
	if (some) {
		tn_buf_addf(out, "%zu ", index); /* one header for all events of a batch */
		tn_buf_add_str(out, value);
	}
	tn_buf_fini(&text);
	return some;
}

/* --- Paths --- */

bool tn_dedup_path_is_valid(struct tn_str path)
{
	bool data = tn_str_starts(path, TN_STR("data."));
	for (size_t i = 0; i < path.len; i++) {
		char c = path.bytes[i];
		if (data ? c == '.' && (i + 1 == path.len || path.bytes[i + 1] == '.') : !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			return false;
	}
	return path.len > 0 && !tn_str_is(path, "data");
}

static struct tn_str first_step(struct tn_str *path)
{
	const char *dot = memchr(path->bytes, '.', path->len);
	size_t len = dot ? (size_t)(dot - path->bytes) : path->len;
	struct tn_str step = {path->bytes, len};
	*path = tn_str_tail(*path, len < path->len ? len + 1 : len);
	return step;
}

/* With the scanner just inside an object: at the value of its member `name`, or false at the object's end. */
static bool find_member(struct tn_json *json, struct tn_str name, struct tn_json_token *token)
{
	size_t end;
	while (tn_json_next(json, token) == TN_OK && token->kind == TN_JSON_NAME) {
		bool found = tn_json_equals(token, name);
		if (tn_json_next(json, token) != TN_OK)
			return false;
		if (found)
			return true;
		if (tn_json_skip(json, token, &end) != TN_OK)
			return false;
	}
	return false;
}

/* Appends the value's text as it stands. */
static bool add_data(struct tn_str data, struct tn_str path, struct tn_buf *out)
{
	struct tn_json json;
	struct tn_json_token token;
	size_t end;
	tn_json_init(&json, data, TN_EVENT_DATA_DEPTH);
	if (tn_json_next(&json, &token) != TN_OK)
		return false;
	while (path.len) {
		struct tn_str step = first_step(&path);
		if (token.kind != TN_JSON_OBJECT || !find_member(&json, step, &token))
			return false;
	}
	if (token.kind == TN_JSON_STRING) {
		tn_json_unescape(token.text, out);
		return true;
	}
	size_t start = token.at;
	if (token.kind == TN_JSON_NULL || tn_json_skip(&json, &token, &end) != TN_OK)
		return false;
	if (token.kind == TN_JSON_OBJECT || token.kind == TN_JSON_ARRAY)
		tn_buf_add_str(out, (struct tn_str){data.bytes + start, end - start});
	else
		tn_buf_add_str(out, token.text);
	return true;
}

static bool add_path(const struct tn_event *event, struct tn_str path, struct tn_buf *out)
{
	if (!tn_str_starts(path, TN_STR("data."))) {
		const struct tn_attribute *attribute = tn_event_find(event, path);
		if (attribute)
			tn_buf_add_str(out, attribute->value);
		return attribute != NULL;
	}
	return tn_event_data_kind(event) == TN_DATA_JSON && add_data(tn_event_data(event), tn_str_tail(path, 5), out);
}

/* --- Keys --- */

static struct tn_id hash(const struct dedup_message *message, const char *what, const struct tn_str *more, size_t count)
{
	struct tn_str parts[4 + PATHS_MAX] = {TN_STR("turnout-seen-1"), message->bus, message->source, tn_str_from(what)};
	assert(count <= PATHS_MAX);
	memcpy(parts + 4, more, count * sizeof *more);
	return tn_id_hash(parts, 4 + count);
}

static bool key_by_header(const struct dedup_message *message, size_t index, struct tn_id *out_key)
{
	struct tn_buf text = {0};
	bool some = add_header(message->message, index, &text);
	struct tn_str part = tn_buf_str(&text);
	if (some)
		*out_key = hash(message, "header", &part, 1);
	tn_buf_fini(&text);
	return some;
}

/* A path that leads nowhere in this event tells nothing of it: it has no key then. */
static bool key_by_paths(const struct tn_dedup_config *config, const struct dedup_message *message, const struct tn_event *event,
	struct tn_id *out_key)
{
	struct tn_buf text = {0};
	size_t ends[PATHS_MAX];
	bool some = true;
	for (size_t i = 0; i < config->paths.count && some; i++) {
		some = add_path(event, config->paths.items[i], &text);
		ends[i] = text.len;
	}
	struct tn_str parts[PATHS_MAX];
	for (size_t i = 0; i < config->paths.count && some; i++) {
		size_t start = i == 0 ? 0 : ends[i - 1];
		parts[i] = tn_str_make(text.bytes ? text.bytes + start : "", ends[i] - start);
	}
	if (some)
		*out_key = hash(message, "paths", parts, config->paths.count);
	tn_buf_fini(&text);
	return some;
}

bool tn_dedup_key(const struct tn_dedup_config *config, const struct dedup_message *message, const struct tn_event *event, size_t index,
	struct tn_id *out_key)
{
	if (config->by == TN_DEDUP_OFF || tn_event_is_raw(event))
		return false;
	if (config->by == TN_DEDUP_HEADER)
		return key_by_header(message, index, out_key);
	if (config->by == TN_DEDUP_PATHS)
		return key_by_paths(config, message, event, out_key);
	if (message->wrapped)
		return false;
	struct tn_str parts[] = {tn_event_core(event, TN_CORE_SOURCE), tn_event_core(event, TN_CORE_ID)};
	*out_key = hash(message, "event", parts, 2);
	return true;
}

/* --- Fingerprints --- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9fb21c651e98df25u;
	return hash ^ (hash >> 35);
}

/* Words are read low byte first on every machine. */
static uint64_t mix_text(uint64_t hash, struct tn_str text)
{
	size_t at = 0;
	for (; at + 8 <= text.len; at += 8) {
		uint64_t word;
		memcpy(&word, text.bytes + at, 8);
		hash = mix(hash, __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(word) : word);
	}
	uint64_t rest = 0;
	for (size_t i = at; i < text.len; i++)
		rest |= (uint64_t)(uint8_t)text.bytes[i] << (8 * (i - at));
	return mix(mix(hash, rest), text.len);
}

uint64_t tn_dedup_fingerprint(const struct tn_event *event)
{
	uint64_t hash = mix_text(0x7475726e6f757431u, tn_event_core(event, TN_CORE_TYPE));
	return mix(mix_text(hash, tn_event_data(event)), tn_event_has_data(event));
}
