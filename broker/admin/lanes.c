/* SPDX-License-Identifier: Apache-2.0
 *
 * lanes.c - lanes that a dead letter blocks (delivery-semantics section 12): listed, and released by hand.
 *
 * Called by admin.c for /lanes and /lanes/release, which `turnout lanes` sends. A lane is called by the id of the dead letter that
 * blocks it. A release is answered when it is durable; one at a time. Bus thread.
 */
#include "admin_parts.h"

#include "turnout/dlq.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

enum { PAGE = 256, LISTED_MAX = 10000 };

struct lanes {
	struct tn_bus *bus;
	struct tn_http_request *request;  /* of the release under way; NULL: none is, or its client left */
};

static void reply_json(struct tn_http_request *request, json_t *root)
{
	struct tn_header header = {TN_STR("Content-Type"), TN_STR("application/json"), TN_STRING};
	char *text = json_dumps(root, JSON_COMPACT);
	if (!text)
		abort();
	tn_http_reply(request, 200, &header, 1, tn_str_from(text));
	free(text);
	json_decref(root);
}

static json_t *lane_json(const struct tn_lane_view *view)
{
	char id[TN_DLQ_ID_SIZE];
	return json_pack("{s:s% s:s s:I s:I}", "target", view->target.bytes, view->target.len, "dead_letter",
		tn_dlq_id_format(view->blocked_by, id), "in_hand", (json_int_t)view->in_hand, "parked", (json_int_t)view->parked);
}

static void list(struct lanes *lanes, struct tn_http_request *request)
{
	const struct tn_engine *engine = tn_bus_engine(lanes->bus);
	struct tn_lane_view page[PAGE];
	json_t *blocked = json_array();
	uint32_t count, all = 0;
	for (uint32_t i = 0; (count = tn_engine_blocked_lanes(engine, i, page, PAGE)) > 0 && i < LISTED_MAX; i += count)
		for (uint32_t j = 0; j < count; j++)
			json_array_append_new(blocked, lane_json(&page[j]));
	struct tn_target_view view;
	for (uint32_t i = 0; i < tn_engine_target_count(engine); i++)
		if (tn_engine_target_view(engine, i, &view))
			all += view.lanes_blocked;
	reply_json(request, json_pack("{s:I s:o}", "blocked", (json_int_t)all, "lanes", blocked));
}

/* --- Release --- */

struct choice {                           /* who is to be released */
	bool all;
	struct tn_str target;
	const json_t *ids;
};

static bool is_chosen(const struct choice *choice, const struct tn_lane_view *view)
{
	char id[TN_DLQ_ID_SIZE];
	size_t i;
	const json_t *each;
	if (choice->all || (choice->target.len > 0 && tn_str_equal(choice->target, view->target)))
		return true;
	tn_dlq_id_format(view->blocked_by, id);
	json_array_foreach(choice->ids, i, each)
		if (json_is_string(each) && tn_str_is(tn_str_from(id), json_string_value(each)))
			return true;
	return false;
}

/* As many as one move takes: who wants more asks again. */
static uint32_t choose(const struct tn_engine *engine, const struct choice *choice, struct tn_move_item *out_items)
{
	struct tn_lane_view page[PAGE];
	uint32_t count, chosen = 0;
	for (uint32_t i = 0; (count = tn_engine_blocked_lanes(engine, i, page, PAGE)) > 0; i += count)
		for (uint32_t j = 0; j < count && chosen < TN_MOVES_MAX; j++)
			if (is_chosen(choice, &page[j]))
				out_items[chosen++] = (struct tn_move_item){.key = page[j].blocked_by, .target_no = page[j].target_no};
	return chosen;
}

static void on_released(void *arg, uint32_t moved)
{
	struct lanes *lanes = arg;
	struct tn_http_request *request = lanes->request;
	lanes->request = NULL;
	if (!request)
		return;
	if (moved == 0)
		tn_http_reply_problem(request, 503, 5, "the store is full; no lane was released", (struct tn_str){0});
	else
		reply_json(request, json_pack("{s:I}", "released", (json_int_t)moved));
}

static void start(struct lanes *lanes, struct tn_http_request *request, const struct choice *choice)
{
	struct tn_move_item items[TN_MOVES_MAX];
	struct tn_moves moves = {.move = TN_MOVE_RELEASE, .items = items};
	if (lanes->request || !tn_bus_moves_ended(lanes->bus, &moves.as_of)) {
		tn_http_reply_problem(request, 503, 1, "dead letters are being moved; come again in a moment", (struct tn_str){0});
		return;
	}
	moves.count = choose(tn_bus_engine(lanes->bus), choice, items);
	if (moves.count == 0) {
		reply_json(request, json_pack("{s:i}", "released", 0));
		return;
	}
	lanes->request = request;
	if (tn_bus_move(lanes->bus, &moves, on_released, lanes) == TN_OK)
		return;
	lanes->request = NULL;
	tn_http_reply_problem(request, 503, 1, "the bus is busy or shutting down; no lane was released", (struct tn_str){0});
}

static void release(struct lanes *lanes, struct tn_http_request *request)
{
	struct tn_str text = tn_http_request_body(request);
	json_t *body = json_loadb(text.bytes ? text.bytes : "", text.len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *target = json_object_get(body, "target");
	struct choice choice = {.all = json_is_true(json_object_get(body, "all")), .ids = json_object_get(body, "ids")};
	if (json_is_string(target))
		choice.target = tn_str_make(json_string_value(target), json_string_length(target));
	if (choice.all + (choice.target.len > 0) + (json_array_size(choice.ids) > 0) != 1)
		tn_http_reply_problem(request, 400, 0,
			"the body must have one of: ids, a list of the ids of dead letters; target, its name; all: true", (struct tn_str){0});
	else
		start(lanes, request, &choice);
	json_decref(body);
}

void tn_lanes_request(struct lanes *lanes, struct tn_http_request *request)
{
	bool post = tn_str_is(tn_http_request_method(request), "POST"), one = tn_str_is(tn_http_request_path(request), "/lanes/release");
	if (one && post)
		release(lanes, request);
	else if (!one && !post && tn_str_is(tn_http_request_path(request), "/lanes"))
		list(lanes, request);
	else
		tn_http_reply_problem(request, 405, 0, "GET /lanes lists them, POST /lanes/release releases some", (struct tn_str){0});
}

void tn_lanes_gone(struct lanes *lanes, struct tn_http_request *request)
{
	if (lanes->request == request)
		lanes->request = NULL;
}

struct lanes *tn_lanes_new(struct tn_bus *bus)
{
	struct lanes *lanes = calloc(1, sizeof *lanes);
	if (!lanes)
		abort();
	lanes->bus = bus;
	return lanes;
}

void tn_lanes_free(struct lanes *lanes)
{
	if (!lanes)
		return;
	tn_bus_moves_forget(lanes->bus, lanes);
	free(lanes);
}
