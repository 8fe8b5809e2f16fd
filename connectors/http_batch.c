/* SPDX-License-Identifier: Apache-2.0
 *
 * http_batch.c - writes a batch of events, and reads which of them the function did not do.
 *
 * Called by http_target.c for the request and by http_report.c for the answer. Owns nothing. Any thread.
 */
#include "http_batch.h"

#include "dead_letter.h"
#include "turnout/base64.h"
#include "turnout/json.h"
#include "turnout/wire.h"

#include <stdlib.h>

enum { ANSWER_BASE = 4096, ANSWER_PER_ITEM = 128, ANSWER_MAX = 1024 * 1024, ANSWER_DEPTH = 64 };

static const struct tn_str id_name = {"turnoutdeliveryid", 17}, number_name = {"turnoutattempt", 14};

bool tn_http_batch_wanted(const struct tn_attempt *attempt)
{
	return attempt->batch || attempt->count > 1;
}

/* --- Writing --- */

static bool is_own(struct tn_str name)
{
	return tn_str_equal(name, id_name) || tn_str_equal(name, number_name);
}

/* Returns owned the event without the extensions that are ours to set; or NULL: it has none of them. */
static struct tn_event *strip_own(const struct tn_event *event)
{
	if (!tn_event_find(event, id_name) && !tn_event_find(event, number_name))
		return NULL;
	size_t count, kept = 0;
	const struct tn_attribute *attributes = tn_event_attributes(event, &count);
	struct tn_attribute *others = calloc(count, sizeof *others);
	if (!others)
		abort();
	for (size_t i = 0; i < count; i++)
		if (!is_own(attributes[i].name))
			others[kept++] = attributes[i];
	struct tn_event *stripped = tn_event_new(&(struct tn_event_parts){
		.attributes = others,
		.attribute_count = kept,
		.has_data = tn_event_has_data(event),
		.data = tn_event_data(event),
		.data_form = tn_event_data_was_base64(event) ? TN_FORM_BASE64 : TN_FORM_OPAQUE,
		.accepted_ms = tn_event_accepted_ms(event),
	});
	free(others);
	return stripped;
}

static void write_item(const struct tn_item *item, bool dead, int64_t wall_ms, struct tn_buf *out)
{
	char id[TN_ID_TEXT_SIZE];
	struct tn_event *letter = dead || tn_event_is_raw(item->event) ? tn_dead_letter_event(item, wall_ms) : NULL;
	const struct tn_event *event = letter ? letter : item->event;
	struct tn_event *stripped = strip_own(event);
	tn_event_to_json(stripped ? stripped : event, out);
	out->len--; /* its closing brace comes after ours */
	tn_base32_id(item->id.bytes, id);
	tn_buf_addf(out, ",\"turnoutdeliveryid\":\"%s\",\"turnoutattempt\":%u}", id, item->tries.system + item->tries.function + 1);
	tn_event_unref(stripped);
	tn_event_unref(letter);
}

void tn_http_batch_write(const struct tn_attempt *attempt, int64_t wall_ms, struct tn_buf *out)
{
	tn_buf_add_byte(out, '[');
	for (uint32_t i = 0; i < attempt->count; i++) {
		if (i > 0)
			tn_buf_add_byte(out, ',');
		write_item(&attempt->items[i], attempt->purpose == TN_TO_DEAD_LETTER, wall_ms, out);
	}
	tn_buf_add_byte(out, ']');
}

/* --- Reading --- */

uint32_t tn_http_batch_answer_max(uint32_t count)
{
	uint64_t most = ANSWER_BASE + (uint64_t)count * ANSWER_PER_ITEM;
	return most < ANSWER_MAX ? (uint32_t)most : ANSWER_MAX;
}

struct reader {
	struct tn_json json;
	const struct tn_item *items;
	uint32_t count;
	uint32_t *sorted;    /* item numbers by id; made for the first failure, since most answers list none */
	bool *failed;
	struct tn_error *error;
};

static enum tn_status refuse(struct reader *reader, const char *why)
{
	tn_error_set(reader->error, "the answer to the batch %s", why);
	return TN_INVALID;
}

static enum tn_status next(struct reader *reader, struct tn_json_token *out_token)
{
	if (tn_json_next(&reader->json, out_token) == TN_OK)
		return TN_OK;
	return refuse(reader, reader->json.fault == TN_JSON_TOO_DEEP ? "is nested too deep" : "is not JSON");
}

static enum tn_status skip_value(struct reader *reader)
{
	struct tn_json_token token;
	size_t end;
	enum tn_status status = next(reader, &token);
	if (status == TN_OK && tn_json_skip(&reader->json, &token, &end) != TN_OK)
		status = refuse(reader, reader->json.fault == TN_JSON_TOO_DEEP ? "is nested too deep" : "is not JSON");
	return status;
}

static int compare_items(const void *a, const void *b, void *items_arg)
{
	const struct tn_item *items = items_arg;
	return memcmp(items[*(const uint32_t *)a].id.bytes, items[*(const uint32_t *)b].id.bytes, sizeof items->id.bytes);
}

static void sort_items(struct reader *reader)
{
	reader->sorted = calloc(reader->count, sizeof *reader->sorted);
	if (!reader->sorted)
		abort();
	for (uint32_t i = 0; i < reader->count; i++)
		reader->sorted[i] = i;
	qsort_r(reader->sorted, reader->count, sizeof *reader->sorted, compare_items, (void *)(uintptr_t)reader->items);
}

/* Where id stands in sorted, or would stand. */
static uint32_t find_first(const struct reader *reader, const struct tn_id *id)
{
	uint32_t low = 0, high = reader->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (memcmp(reader->items[reader->sorted[middle]].id.bytes, id->bytes, sizeof id->bytes) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* An event that came twice stands in the batch twice with one id: both failed. */
static bool mark_failed(struct reader *reader, const struct tn_id *id)
{
	bool found = false;
	if (!reader->sorted)
		sort_items(reader);
	for (uint32_t i = find_first(reader, id); i < reader->count; i++) {
		uint32_t item = reader->sorted[i];
		if (!tn_id_equal(&reader->items[item].id, id))
			break;
		reader->failed[item] = true;
		found = true;
	}
	return found;
}

static enum tn_status read_identifier(struct reader *reader)
{
	struct tn_json_token token;
	struct tn_id id;
	char plain[6 * TN_ID_TEXT_SIZE]; /* should each of its characters be escaped */
	enum tn_status status = next(reader, &token);
	if (status != TN_OK)
		return status;
	if (token.kind != TN_JSON_STRING || token.text.len == 0)
		return refuse(reader, "has an identifier that is no text or empty");
	if (token.escaped && token.text.len <= sizeof plain)
		token.text = tn_str_make(plain, tn_json_unescape_to(token.text, plain));
	if (!tn_base32_parse_id(token.text, id.bytes) || !mark_failed(reader, &id))
		return refuse(reader, "names an item that is not in it");
	return TN_OK;
}

static enum tn_status read_failure(struct reader *reader)
{
	struct tn_json_token token;
	bool named = false;
	enum tn_status status = next(reader, &token);
	while (status == TN_OK && token.kind == TN_JSON_NAME) {
		bool identifier = tn_json_equals(&token, TN_STR("itemIdentifier"));
		if (identifier && named)
			return refuse(reader, "names two items at once");
		named = named || identifier;
		status = identifier ? read_identifier(reader) : skip_value(reader);
		if (status == TN_OK)
			status = next(reader, &token);
	}
	if (status == TN_OK && !named)
		return refuse(reader, "lists a failure without itemIdentifier");
	return status;
}

static enum tn_status read_list(struct reader *reader)
{
	struct tn_json_token token;
	enum tn_status status = next(reader, &token);
	if (status != TN_OK || token.kind == TN_JSON_NULL)
		return status;
	if (token.kind != TN_JSON_ARRAY)
		return refuse(reader, "has batchItemFailures that is no list");
	while ((status = next(reader, &token)) == TN_OK && token.kind != TN_JSON_ARRAY_END) {
		if (token.kind != TN_JSON_OBJECT)
			return refuse(reader, "lists a failure that is no object");
		status = read_failure(reader);
		if (status != TN_OK)
			return status;
	}
	return status;
}

static enum tn_status read_members(struct reader *reader)
{
	struct tn_json_token token;
	bool listed = false;
	enum tn_status status = next(reader, &token);
	while (status == TN_OK && token.kind == TN_JSON_NAME) {
		bool list = tn_json_equals(&token, TN_STR("batchItemFailures"));
		if (list && listed)
			return refuse(reader, "has batchItemFailures twice");
		listed = listed || list;
		status = list ? read_list(reader) : skip_value(reader);
		if (status == TN_OK)
			status = next(reader, &token);
	}
	return status;
}

static enum tn_status read_answer(struct reader *reader)
{
	struct tn_json_token token;
	enum tn_status status = next(reader, &token);
	if (status != TN_OK)
		return status;
	if (token.kind == TN_JSON_OBJECT)
		status = read_members(reader);
	else if (token.kind == TN_JSON_ARRAY)
		status = next(reader, &token) == TN_OK && token.kind == TN_JSON_ARRAY_END ? TN_OK : refuse(reader, "is no JSON object");
	else if (token.kind != TN_JSON_NULL)
		status = refuse(reader, "is no JSON object");
	return status == TN_OK ? next(reader, &token) : status; /* the end: nothing may follow */
}

enum tn_status tn_http_batch_read(struct tn_str body, const struct tn_item *items, uint32_t count, bool *out_failed, struct tn_error *error)
{
	struct reader reader = {.items = items, .count = count, .failed = out_failed, .error = error};
	body = tn_str_trim(body, " \t\r\n");
	if (body.len == 0)
		return TN_OK;
	tn_json_init(&reader.json, body, ANSWER_DEPTH);
	enum tn_status status = read_answer(&reader);
	free(reader.sorted);
	return status;
}
