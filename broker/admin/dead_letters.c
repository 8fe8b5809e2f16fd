/* SPDX-License-Identifier: Apache-2.0
 *
 * dead_letters.c - dead letters of a running bus: listed, shown, and sent again.
 *
 * Called by admin.c for /dlq and what is below it. Listing reads bounded pages of the store. A redrive is a task of its own: page by page
 * it asks the engine to move records, waits until that move is durable, and goes on; one at a time, ended when its client leaves. Bus
 * thread.
 */
#include "admin_parts.h"

#include "turnout/dlq.h"

#include <event2/event.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { LIST_DEFAULT = 100, LIST_MAX = 1000, PAGES_A_LIST = 16, POLL_MS = 5, MOVE_MAX = 256 };

struct redrive {
	struct tn_http_request *request;
	struct tn_dlq_selection selection;
	struct tn_dlq_cursor cursor, page; /* page: before the page at hand */
	struct tn_row_key *ids;
	json_t *body;                     /* the selection's strings live in it */
	bool force;
	struct tn_move_item items[MOVE_MAX];
	uint32_t count;                   /* items of the page at hand, until the engine took them */
	uint64_t moved, refused, no_target, too_often;
};

struct dead_letters {
	struct tn_bus *bus;
	struct redrive *redrive;          /* NULL: none under way */
	struct event *step;
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

static bool add_record(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct listing *listing = arg;
	tn_dlq_record_json(&listing->view, row, event, listing->out);
	listing->first = false;
	return false;
}

static void reply_json(struct tn_http_request *request, struct tn_str body)
{
	struct tn_header header = {TN_STR("Content-Type"), TN_STR("application/json"), TN_STRING};
	tn_http_reply(request, 200, &header, 1, body);
}

static void reply_store_error(struct tn_http_request *request, const struct tn_error *error)
{
	tn_http_reply_problem(request, 500, 0, error->message, (struct tn_str){0});
}

/* The value of one query parameter; names and codes need no percent-decoding. bytes NULL: not there. */
static struct tn_str query_value(struct tn_http_request *request, const char *name)
{
	struct tn_str target = tn_http_request_target(request);
	size_t mark = tn_str_find(target, '?');
	struct tn_str rest = mark == SIZE_MAX ? (struct tn_str){0} : tn_str_tail(target, mark + 1);
	while (rest.len) {
		size_t end = tn_str_find(rest, '&');
		struct tn_str pair = end == SIZE_MAX ? rest : tn_str_make(rest.bytes, end);
		rest = end == SIZE_MAX ? (struct tn_str){0} : tn_str_tail(rest, end + 1);
		size_t equals = tn_str_find(pair, '=');
		if (equals != SIZE_MAX && tn_str_is(tn_str_make(pair.bytes, equals), name))
			return tn_str_tail(pair, equals + 1);
	}
	return (struct tn_str){0};
}

static void list(struct dead_letters *dead_letters, struct tn_http_request *request)
{
	struct tn_dlq_selection selection = {.all = true, .rule = query_value(request, "rule"), .target = query_value(request, "target"),
		.code = query_value(request, "error")};
	struct tn_dlq_cursor cursor = {0};
	struct tn_buf body = {0};
	struct tn_error error = {0};
	struct tn_str after = query_value(request, "after"), limit = query_value(request, "limit");
	struct listing listing = {.view = make_view(dead_letters), .out = &body, .left = LIST_DEFAULT, .first = true};
	char id[TN_DLQ_ID_SIZE];
	if ((after.bytes && !tn_dlq_id_parse(after, &cursor.after)) ||
		(limit.bytes && (!tn_str_to_u64(limit, LIST_MAX, &listing.left) || listing.left == 0))) {
		tn_http_reply_problem(request, 400, 0, "after must be the id of a dead letter, limit a number from 1 to 1000", (struct tn_str){0});
		return;
	}
	tn_buf_add_text(&body, "{\"dead_letters\":[");
	enum tn_status status = TN_OK;
	for (int page = 0; page < PAGES_A_LIST && status == TN_OK && !cursor.done && listing.left > 0; page++)
		status = tn_dlq_read(tn_bus_store(dead_letters->bus), &selection, &tn_dlq_limits_default, &cursor, add_line, &listing, &error);
	if (status != TN_OK) {
		reply_store_error(request, &error);
	} else {
		if (cursor.done)
			tn_buf_add_text(&body, "],\"next\":null}");
		else
			tn_buf_addf(&body, "],\"next\":\"%s\"}", tn_dlq_id_format(cursor.after, id));
		reply_json(request, tn_buf_str(&body));
	}
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
		reply_store_error(request, &error);
	else if (listing.first)
		tn_http_reply_problem(request, 404, 0, named ? "there is no such dead letter" : "not the id of a dead letter", (struct tn_str){0});
	else
		reply_json(request, tn_buf_str(&body));
	tn_buf_fini(&body);
}

/* --- Redriving --- */

static void free_redrive(struct redrive *redrive)
{
	if (!redrive)
		return;
	json_decref(redrive->body);
	free(redrive->ids);
	free(redrive);
}

static void end_redrive(struct dead_letters *dead_letters)
{
	tn_bus_moves_forget(dead_letters->bus, dead_letters);
	free_redrive(dead_letters->redrive);
	dead_letters->redrive = NULL;
	event_del(dead_letters->step);
}

static void reply_tally(struct redrive *redrive)
{
	char body[160];
	int len = snprintf(body, sizeof body, "{\"moved\":%" PRIu64 ",\"no_target\":%" PRIu64 ",\"too_often\":%" PRIu64 "}", redrive->moved,
		redrive->no_target, redrive->too_often);
	reply_json(redrive->request, tn_str_make(body, (size_t)len));
}

static bool take_record(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct dead_letters *dead_letters = arg;
	struct redrive *redrive = dead_letters->redrive;
	if (!tn_bus_has_route(dead_letters->bus, row->rule, row->target))
		redrive->no_target++;
	else if (row->redrives >= TN_DLQ_MAX_REDRIVES && !redrive->force)
		redrive->too_often++;
	else
		redrive->items[redrive->count++] = (struct tn_move_item){
			.key = row->key, .target_no = row->target_no, .bytes = tn_dead_letter_bytes(event)};
	return redrive->count < MOVE_MAX;
}

static void wait_a_moment(struct dead_letters *dead_letters);

static void on_moved(void *arg, uint32_t moved)
{
	struct dead_letters *dead_letters = arg;
	struct redrive *redrive = dead_letters->redrive;
	redrive->moved += moved;
	redrive->refused += redrive->count - moved;
	redrive->count = 0;
	wait_a_moment(dead_letters);
}

/* False: there is nothing more to do. */
static bool redrive_page(struct dead_letters *dead_letters, uint64_t as_of, struct tn_error *error)
{
	struct redrive *redrive = dead_letters->redrive;
	if (redrive->cursor.done)
		return false;
	if (tn_dlq_read(tn_bus_store(dead_letters->bus), &redrive->selection, &tn_dlq_limits_default, &redrive->cursor, take_record,
		    dead_letters, error) != TN_OK)
		return false;
	if (redrive->count == 0) {
		wait_a_moment(dead_letters);
		return true;
	}
	struct tn_moves moves = {.move = TN_MOVE_REDRIVE, .as_of = as_of, .items = redrive->items, .count = redrive->count};
	switch (tn_bus_move(dead_letters->bus, &moves, on_moved, dead_letters)) {
	case TN_OK:
		return true;
	case TN_FULL:
		redrive->cursor = redrive->page;
		break;
	default: /* a target went with a reload between reading and moving */
		redrive->no_target += redrive->count;
		break;
	}
	redrive->count = 0;
	wait_a_moment(dead_letters);
	return true;
}

static void wait_a_moment(struct dead_letters *dead_letters)
{
	event_add(dead_letters->step, &(struct timeval){.tv_usec = POLL_MS * 1000});
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	struct dead_letters *dead_letters = arg;
	struct tn_error error = {0};
	uint64_t as_of;
	if (!tn_bus_moves_ended(dead_letters->bus, &as_of)) {
		wait_a_moment(dead_letters);
		return;
	}
	if (tn_bus_phase(dead_letters->bus) >= TN_BUS_DRAINING) {
		tn_http_reply_problem(dead_letters->redrive->request, 503, 5, "the bus is shutting down; what was moved stays moved",
			(struct tn_str){0});
		end_redrive(dead_letters);
		return;
	}
	dead_letters->redrive->page = dead_letters->redrive->cursor;
	if (redrive_page(dead_letters, as_of, &error))
		return;
	if (error.message[0])
		reply_store_error(dead_letters->redrive->request, &error);
	else
		reply_tally(dead_letters->redrive);
	end_redrive(dead_letters);
}

static struct tn_str member(const json_t *body, const char *name)
{
	const json_t *value = json_object_get(body, name);
	return json_is_string(value) ? tn_str_make(json_string_value(value), json_string_length(value)) : (struct tn_str){0};
}

static bool read_ids(struct redrive *redrive, const json_t *ids)
{
	size_t i;
	const json_t *each;
	redrive->ids = calloc(json_array_size(ids) + 1, sizeof *redrive->ids);
	if (!redrive->ids)
		abort();
	json_array_foreach(ids, i, each)
		if (!tn_dlq_id_parse(tn_str_from(json_is_string(each) ? json_string_value(each) : ""), &redrive->ids[i]))
			return false;
	redrive->selection.ids = redrive->ids;
	redrive->selection.id_count = tn_dlq_unique(redrive->ids, (uint32_t)json_array_size(ids));
	return true;
}

/* NULL: the request does not say which ones. */
static struct redrive *read_redrive(struct tn_http_request *request)
{
	struct tn_str text = tn_http_request_body(request);
	struct redrive *redrive = calloc(1, sizeof *redrive);
	if (!redrive)
		abort();
	redrive->request = request;
	redrive->body = json_loadb(text.bytes ? text.bytes : "", text.len, JSON_REJECT_DUPLICATES, NULL);
	redrive->force = json_is_true(json_object_get(redrive->body, "force"));
	redrive->selection.all = json_is_true(json_object_get(redrive->body, "all"));
	redrive->selection.rule = member(redrive->body, "rule");
	redrive->selection.target = member(redrive->body, "target");
	redrive->selection.code = member(redrive->body, "error");
	const json_t *ids = json_object_get(redrive->body, "ids");
	if (redrive->selection.all ? ids == NULL : json_array_size(ids) > 0 && read_ids(redrive, ids))
		return redrive;
	free_redrive(redrive);
	return NULL;
}

static void start_redrive(struct dead_letters *dead_letters, struct tn_http_request *request)
{
	if (!tn_str_is(tn_http_request_method(request), "POST")) {
		tn_http_reply_problem(request, 405, 0, "a redrive is asked for with POST", (struct tn_str){0});
		return;
	}
	if (dead_letters->redrive) {
		tn_http_reply_problem(request, 409, 1, "a redrive is under way; wait until it has ended", (struct tn_str){0});
		return;
	}
	struct redrive *redrive = read_redrive(request);
	if (!redrive) {
		tn_http_reply_problem(request, 400, 0, "the body must be {\"ids\": [...]} with ids of dead letters, or {\"all\": true}",
			(struct tn_str){0});
		return;
	}
	dead_letters->redrive = redrive;
	event_add(dead_letters->step, &(struct timeval){0});
}

void tn_dead_letters_gone(struct dead_letters *dead_letters, struct tn_http_request *request)
{
	if (dead_letters->redrive && dead_letters->redrive->request == request)
		end_redrive(dead_letters);
}

void tn_dead_letters_request(struct dead_letters *dead_letters, struct tn_http_request *request)
{
	struct tn_str path = tn_http_request_path(request);
	if (tn_str_is(path, "/dlq/redrive"))
		start_redrive(dead_letters, request);
	else if (!tn_str_is(tn_http_request_method(request), "GET"))
		tn_http_reply_problem(request, 405, 0, "only GET is served here", (struct tn_str){0});
	else if (tn_str_is(path, "/dlq"))
		list(dead_letters, request);
	else
		show(dead_letters, request, tn_str_tail(path, strlen("/dlq/")));
}

/* --- Life --- */

struct dead_letters *tn_dead_letters_new(struct tn_bus *bus)
{
	struct dead_letters *dead_letters = calloc(1, sizeof *dead_letters);
	if (!dead_letters)
		abort();
	dead_letters->bus = bus;
	dead_letters->step = evtimer_new(tn_bus_base(bus), on_step, dead_letters);
	if (!dead_letters->step)
		abort();
	return dead_letters;
}

void tn_dead_letters_free(struct dead_letters *dead_letters)
{
	if (!dead_letters)
		return;
	free_redrive(dead_letters->redrive);
	event_free(dead_letters->step);
	free(dead_letters);
}
