/* SPDX-License-Identifier: Apache-2.0
 *
 * dead_letters.c - dead letters of a running bus: listed, shown, counted, exported, imported.
 *
 * Called by admin.c for /dlq and what is below it; redrives and purges are in redrive.c. Each answer is bounded: a page, and where to go on.
 * Bus thread.
 */
#include "admin_parts.h"

#include "turnout/letter_query.h"
#include "turnout/letter_ways.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES_AN_ANSWER = 16, EXPORT_BYTES = 4 * 1024 * 1024, SAMPLE = 5 };

struct insertion {                        /* an import under way */
	struct dead_letters *dead_letters;
	struct tn_http_request *request;  /* NULL: its client left */
	struct tn_arena arena;
	struct tn_row rows[TN_DLQ_IMPORT_LINES];
	struct tn_event *events[TN_DLQ_IMPORT_LINES];
	uint32_t count;
};

struct dead_letters {
	struct tn_bus *bus;
	struct redrives *redrives;
	struct insertion *insertion;      /* NULL: none */
	char dest[512];                   /* of the target described last */
};

/* --- Showing --- */

static void describe_target(void *arg, struct tn_str name, struct tn_dlq_target *out_target)
{
	struct dead_letters *dead_letters = arg;
	const struct tn_target_config *target = tn_config_target(tn_bus_config(dead_letters->bus), name);
	*out_target = (struct tn_dlq_target){0};
	if (!target)
		return;
	out_target->kind = tn_str_from(target->connector->name);
	if (!target->connector->describe_target)
		return;
	target->connector->describe_target(target->options, dead_letters->dest, sizeof dead_letters->dest);
	out_target->dest = tn_str_from(dead_letters->dest);
}

static struct tn_dlq_view make_view(struct dead_letters *dead_letters)
{
	return (struct tn_dlq_view){
		.bus = tn_bus_config(dead_letters->bus)->bus,
		.wall_offset_ms = tn_bus_wall_of(dead_letters->bus, 0),
		.describe_target = describe_target,
		.arg = dead_letters,
	};
}

struct listing {
	struct tn_dlq_view view;
	struct tn_buf *out;
	uint64_t left;
	bool first;
	json_t *open;                     /* count: targets whose breaker is open */
	struct tn_letter_ways *ways;
	enum tn_dlq_to to;                /* count */
};

static bool add_line(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct listing *listing = arg;
	if (!listing->first)
		tn_buf_add_byte(listing->out, ',');
	listing->first = false;
	tn_dlq_line_json(&listing->view, row, event, listing->out);
	return --listing->left > 0;
}

static bool add_export(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct listing *listing = arg;
	tn_dlq_export_line(&listing->view, row, event, listing->out);
	return --listing->left > 0 && listing->out->len < EXPORT_BYTES;
}

static bool add_record(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct listing *listing = arg;
	tn_dlq_record_json(&listing->view, row, event, listing->out);
	listing->first = false;
	return false;
}

static bool is_named(const json_t *names, struct tn_str name)
{
	size_t i;
	const json_t *each;
	json_array_foreach(names, i, each)
		if (tn_str_equal(tn_str_make(json_string_value(each), json_string_length(each)), name))
			return true;
	return false;
}

/* What is redriven there would not be sent yet: whoever asks should hear of it. */
static void note_breaker(struct listing *listing, struct tn_str target)
{
	const struct dead_letters *dead_letters = listing->view.arg;
	const struct tn_engine *engine = tn_bus_engine(dead_letters->bus);
	struct tn_target_view view;
	for (uint32_t i = 0; i < tn_engine_target_count(engine); i++)
		if (tn_engine_target_view(engine, i, &view) && view.breaker == TN_BREAKER_OPEN && tn_str_equal(view.name, target) &&
			!is_named(listing->open, target))
			json_array_append_new(listing->open, json_stringn(target.bytes, target.len));
}

static void add_sample(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct listing *listing = arg;
	if (listing->to == TN_DLQ_TO_TARGET)
		note_breaker(listing, row->target);
	if (listing->left > 0)
		add_line(arg, row, event);
}

static void reply_json(struct tn_http_request *request, struct tn_str body)
{
	struct tn_header header = {TN_STR("Content-Type"), TN_STR("application/json"), TN_STRING};
	tn_http_reply(request, 200, &header, 1, body);
}

static void reply_problem(struct tn_http_request *request, int status, const char *detail)
{
	tn_http_reply_problem(request, status, 0, detail, (struct tn_str){0});
}

static void add_next(struct tn_buf *body, const struct tn_dlq_cursor *cursor)
{
	char id[TN_DLQ_ID_SIZE];
	if (cursor->done)
		tn_buf_add_text(body, "\"next\":null}");
	else
		tn_buf_addf(body, "\"next\":\"%s\"}", tn_dlq_id_format(cursor->after, id));
}

/* Page after page, up to what one answer may read. */
static enum tn_status read_some(struct dead_letters *dead_letters, const struct tn_letter_query *query, struct tn_dlq_cursor *cursor,
	tn_dlq_visit *visit, struct listing *listing, struct tn_error *error)
{
	enum tn_status status = TN_OK;
	for (int page = 0; page < PAGES_AN_ANSWER && status == TN_OK && !cursor->done && listing->left > 0 && listing->out->len < EXPORT_BYTES;
		page++)
		status = tn_dlq_read(tn_bus_store(dead_letters->bus), &query->terms.selection, &tn_dlq_limits_default, cursor, visit, listing,
			error);
	return status;
}

static void list(struct dead_letters *dead_letters, struct tn_http_request *request, const struct tn_letter_query *query)
{
	struct tn_dlq_cursor cursor = {.after = query->after};
	struct tn_buf body = {0};
	struct tn_error error = {0};
	struct listing listing = {.view = make_view(dead_letters), .out = &body, .left = query->limit, .first = true};
	tn_buf_add_text(&body, "{\"dead_letters\":[");
	if (read_some(dead_letters, query, &cursor, add_line, &listing, &error) != TN_OK) {
		reply_problem(request, 500, error.message);
	} else {
		tn_buf_add_text(&body, "],");
		add_next(&body, &cursor);
		reply_json(request, tn_buf_str(&body));
	}
	tn_buf_fini(&body);
}

/* Lines of events; the last line says where to go on. */
static void export(struct dead_letters *dead_letters, struct tn_http_request *request, const struct tn_letter_query *query)
{
	struct tn_dlq_cursor cursor = {.after = query->after};
	struct tn_buf body = {0};
	struct tn_error error = {0};
	struct listing listing = {.view = make_view(dead_letters), .out = &body, .left = query->limit, .first = true};
	if (read_some(dead_letters, query, &cursor, add_export, &listing, &error) != TN_OK) {
		reply_problem(request, 500, error.message);
	} else {
		tn_buf_add_byte(&body, '{');
		add_next(&body, &cursor);
		reply_json(request, tn_buf_str(&body));
	}
	tn_buf_fini(&body);
}

static bool has_route(void *arg, struct tn_str rule, struct tn_str target)
{
	const struct listing *listing = arg;
	const struct dead_letters *dead_letters = listing->view.arg;
	return tn_bus_has_route(dead_letters->bus, rule, target);
}

static void find_ways(void *arg, const struct tn_row *row, const struct tn_event *event, struct tn_dlq_ways *out_ways)
{
	struct listing *listing = arg;
	const struct dead_letters *dead_letters = listing->view.arg;
	tn_letter_ways_find(listing->ways, tn_bus_ruleset(dead_letters->bus), tn_bus_config(dead_letters->bus)->bus, listing->to, row, event,
		out_ways);
	for (uint32_t i = 0; i < out_ways->count; i++)
		note_breaker(listing, out_ways->matches[i].route->target);
}

/* What a redrive or purge would move, and the first of it. */
static void count(struct dead_letters *dead_letters, struct tn_http_request *request, struct tn_letter_query *query)
{
	struct tn_dlq_cursor cursor = {.after = query->after};
	struct tn_dlq_tally tally = {0};
	struct tn_buf body = {0};
	struct tn_error error = {0};
	struct listing listing = {.view = make_view(dead_letters), .out = &body, .left = SAMPLE, .first = true,
		.open = json_array(), .ways = tn_letter_ways_new(), .to = query->terms.to};
	struct tn_dlq_page *read = calloc(1, sizeof *read);
	enum tn_status status = TN_OK;
	if (!read)
		abort();
	query->terms.has_route = has_route;
	query->terms.find_ways = find_ways;
	query->terms.chosen = add_sample;
	query->terms.arg = &listing;
	tn_buf_add_text(&body, "{\"sample\":[");
	for (int i = 0; i < PAGES_AN_ANSWER && status == TN_OK && !cursor.done; i++) {
		status = tn_dlq_page_read(tn_bus_store(dead_letters->bus), &query->terms, TN_DLQ_PAGE_ITEMS, &cursor, read, &error);
		tn_dlq_tally_add(&tally, &read->tally);
	}
	tn_dlq_page_fini(read);
	free(read);
	tn_letter_ways_free(listing.ways);
	if (status != TN_OK) {
		reply_problem(request, 500, error.message);
	} else {
		char *open = json_dumps(listing.open, JSON_COMPACT);
		if (!open)
			abort();
		tn_buf_addf(&body, "],\"breakers_open\":%s,\"selected\":%" PRIu64 ",\"would_move\":%" PRIu64 ",\"no_target\":%" PRIu64 ",\"too_often\":%" PRIu64 ",\"no_match\":%" PRIu64 ",",
			open, tally.selected, tally.done, tally.no_target, tally.too_often, tally.no_match);
		free(open);
		add_next(&body, &cursor);
		reply_json(request, tn_buf_str(&body));
	}
	json_decref(listing.open);
	tn_buf_fini(&body);
}

static void show(struct dead_letters *dead_letters, struct tn_http_request *request, struct tn_str id)
{
	struct tn_row_key key;
	struct tn_buf body = {0};
	struct tn_error error = {0};
	struct listing listing = {.view = make_view(dead_letters), .out = &body, .first = true};
	enum tn_status status = TN_OK;
	bool named = tn_dlq_id_parse(id, &key);
	if (named) {
		struct tn_dlq_selection selection = {.ids = &key, .id_count = 1};
		status = tn_dlq_each(tn_bus_store(dead_letters->bus), &selection, add_record, &listing, &error);
	}
	if (status != TN_OK)
		reply_problem(request, 500, error.message);
	else if (listing.first)
		reply_problem(request, 404, named ? "there is no such dead letter" : "not the id of a dead letter");
	else
		reply_json(request, tn_buf_str(&body));
	tn_buf_fini(&body);
}

/* --- Import: lines of events, all or none of a request's --- */

static void free_insertion(struct insertion *insertion)
{
	if (!insertion)
		return;
	for (uint32_t i = 0; i < insertion->count; i++)
		tn_event_unref(insertion->events[i]);
	tn_arena_fini(&insertion->arena);
	free(insertion);
}

static void on_inserted(void *arg, uint32_t moved)
{
	struct insertion *insertion = arg;
	char body[64];
	int len = snprintf(body, sizeof body, "{\"imported\":%u}", moved);
	insertion->dead_letters->insertion = NULL;
	if (insertion->request && moved == 0)
		reply_problem(insertion->request, 507, "the store is full: none of these were imported");
	else if (insertion->request)
		reply_json(insertion->request, tn_str_make(body, (size_t)len));
	free_insertion(insertion);
}

static enum tn_status read_line(struct insertion *insertion, struct tn_str line, struct tn_error *error)
{
	struct tn_bus *bus = insertion->dead_letters->bus;
	struct tn_row *row = &insertion->rows[insertion->count];
	if (insertion->count == TN_DLQ_IMPORT_LINES) {
		tn_error_set(error, "more than %d lines", TN_DLQ_IMPORT_LINES);
		return TN_TOO_LARGE;
	}
	enum tn_status status =
		tn_dlq_import_line(line, tn_bus_wall_of(bus, 0), &insertion->arena, row, &insertion->events[insertion->count], error);
	if (status != TN_OK)
		return status;
	insertion->count++;
	return tn_store_number(tn_bus_store(bus), row->target, &row->target_no, error);
}

static enum tn_status read_lines(struct insertion *insertion, struct tn_str text, struct tn_error *error)
{
	enum tn_status status = TN_OK;
	for (uint32_t number = 1; text.len > 0 && status == TN_OK; number++) {
		size_t end = tn_str_find(text, '\n');
		struct tn_str line = end == SIZE_MAX ? text : tn_str_make(text.bytes, end);
		text = end == SIZE_MAX ? (struct tn_str){0} : tn_str_tail(text, end + 1);
		struct tn_error wrong = {0};
		status = read_line(insertion, line, &wrong);
		if (status != TN_OK)
			tn_error_set(error, "line %u: %s", number, wrong.message);
	}
	return status;
}

static enum tn_status insert(struct insertion *insertion)
{
	struct tn_move_item items[TN_DLQ_IMPORT_LINES];
	for (uint32_t i = 0; i < insertion->count; i++)
		items[i] = (struct tn_move_item){.target_no = insertion->rows[i].target_no, .bytes = tn_dead_letter_bytes(insertion->events[i]),
			.row = &insertion->rows[i], .event = insertion->events[i]};
	struct tn_moves moves = {.move = TN_MOVE_INSERT, .items = items, .count = insertion->count};
	return tn_bus_move(insertion->dead_letters->bus, &moves, on_inserted, insertion);
}

static void import(struct dead_letters *dead_letters, struct tn_http_request *request)
{
	struct tn_error error = {0};
	if (dead_letters->insertion) {
		tn_http_reply_problem(request, 503, 1, "another import is under way", (struct tn_str){0});
		return;
	}
	struct insertion *insertion = calloc(1, sizeof *insertion);
	if (!insertion)
		abort();
	insertion->dead_letters = dead_letters;
	insertion->request = request;
	enum tn_status status = read_lines(insertion, tn_http_request_body(request), &error);
	if (status == TN_OK && (status = insert(insertion)) == TN_OK) {
		dead_letters->insertion = insertion;
		return;
	}
	if (status == TN_FULL)
		tn_http_reply_problem(request, 503, 1, "dead letters are being moved; come again", (struct tn_str){0});
	else
		reply_problem(request, status == TN_CLOSED ? 503 : 400, error.message[0] ? error.message : "the bus is shutting down, or no line came");
	free_insertion(insertion);
}

/* --- Requests --- */

void tn_dead_letters_gone(struct dead_letters *dead_letters, struct tn_http_request *request)
{
	if (dead_letters->insertion && dead_letters->insertion->request == request)
		dead_letters->insertion->request = NULL;
}

static void query(struct dead_letters *dead_letters, struct tn_http_request *request, struct tn_str path)
{
	struct tn_letter_query *query;
	struct tn_error error = {0};
	if (tn_letter_query_new(tn_http_request_body(request), tn_bus_wall_of(dead_letters->bus, 0), &query, &error) != TN_OK) {
		reply_problem(request, 400, error.message);
		return;
	}
	if (tn_str_is(path, "/dlq/list"))
		list(dead_letters, request, query);
	else if (tn_str_is(path, "/dlq/export"))
		export(dead_letters, request, query);
	else
		count(dead_letters, request, query);
	tn_letter_query_free(query);
}

void tn_dead_letters_request(struct dead_letters *dead_letters, struct tn_http_request *request)
{
	struct tn_str path = tn_http_request_path(request), method = tn_http_request_method(request);
	bool post = tn_str_is(method, "POST");
	if (tn_str_is(path, "/dlq/tasks") || tn_str_starts(path, TN_STR("/dlq/tasks/")))
		tn_redrives_request(dead_letters->redrives, request, path);
	else if (post && (tn_str_is(path, "/dlq/list") || tn_str_is(path, "/dlq/export") || tn_str_is(path, "/dlq/count")))
		query(dead_letters, request, path);
	else if (post && tn_str_is(path, "/dlq/import"))
		import(dead_letters, request);
	else if (tn_str_starts(path, TN_STR("/dlq/")) && tn_str_is(method, "GET"))
		show(dead_letters, request, tn_str_tail(path, strlen("/dlq/")));
	else
		reply_problem(request, 405, "see include/turnout/admin.h");
}

/* --- Life --- */

struct dead_letters *tn_dead_letters_new(struct tn_bus *bus)
{
	struct dead_letters *dead_letters = calloc(1, sizeof *dead_letters);
	if (!dead_letters)
		abort();
	dead_letters->bus = bus;
	dead_letters->redrives = tn_redrives_new(bus);
	return dead_letters;
}

void tn_dead_letters_free(struct dead_letters *dead_letters)
{
	if (!dead_letters)
		return;
	tn_redrives_free(dead_letters->redrives);
	if (dead_letters->insertion) { /* its rows may be on their way to the store: they live as long as the process */
		dead_letters->insertion->request = NULL;
		tn_bus_moves_forget(dead_letters->bus, dead_letters->insertion);
	}
	free(dead_letters);
}
