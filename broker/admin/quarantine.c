/* SPDX-License-Identifier: Apache-2.0
 *
 * quarantine.c - what the process died at work on: listed, and released.
 *
 * Called by admin.c for /quarantine and what is below it. A release waits for the disk, so a request may name only a
 * few. Bus thread.
 */
#include "admin_parts.h"

#include <jansson.h>
#include <stdio.h>
#include "turnout/admin.h"

static void reply_json(struct tn_http_request *request, struct tn_str body)
{
	struct tn_header header = {TN_STR("Content-Type"), TN_STR("application/json"), TN_STRING};
	tn_http_reply(request, 200, &header, 1, body);
}

static void list(struct tn_bus *bus, struct tn_http_request *request)
{
	struct tn_buf body = {0};
	struct tn_error error = {0};
	if (tn_quarantine_write(tn_bus_store(bus), &body, &error) == TN_OK)
		reply_json(request, tn_buf_str(&body));
	else
		tn_http_reply_problem(request, 500, 0, error.message, (struct tn_str){0});
	tn_buf_fini(&body);
}

/* False: not a list of hashes. */
static bool read_names(const json_t *body, uint64_t names[TN_ADMIN_RELEASES], size_t *out_count)
{
	size_t i;
	const json_t *each, *hashes = json_object_get(body, "hashes");
	*out_count = json_array_size(hashes);
	if (*out_count == 0 || *out_count > TN_ADMIN_RELEASES)
		return false;
	json_array_foreach(hashes, i,
	        each) if (!tn_quarantine_parse(tn_str_from(json_is_string(each) ? json_string_value(each) : ""),
	                          &names[i])) return false;
	return true;
}

static void release(struct tn_bus *bus, struct tn_http_request *request)
{
	struct tn_str text = tn_http_request_body(request);
	uint64_t names[TN_ADMIN_RELEASES];
	size_t count, released = 0;
	struct tn_error error = {0};
	char answer[64];
	json_t *body = json_loadb(text.bytes ? text.bytes : "", text.len, JSON_REJECT_DUPLICATES, NULL);
	bool good = read_names(body, names, &count);
	json_decref(body);
	if (!good) {
		tn_http_reply_problem(request, 400, 0,
		        "the body must be {\"hashes\": [...]} with 1 to 16 hashes of sixteen digits each",
		        (struct tn_str){0});
		return;
	}
	while (released < count && tn_bus_pardon(bus, names[released], &error) == TN_OK)
		released++;
	if (released < count) {
		tn_http_reply_problem(request, 500, 0, error.message, (struct tn_str){0});
		return;
	}
	tn_log_info(tn_bus_log(bus), "released from quarantine", "hashes=%zu", released);
	reply_json(
	        request, tn_str_make(answer, (size_t)snprintf(answer, sizeof answer, "{\"released\":%zu}", released)));
}

void tn_admin_quarantine(struct tn_bus *bus, struct tn_http_request *request)
{
	struct tn_str path = tn_http_request_path(request), method = tn_http_request_method(request);
	if (tn_str_is(path, "/quarantine") && tn_str_is(method, "GET"))
		list(bus, request);
	else if (tn_str_is(path, "/quarantine/release") && tn_str_is(method, "POST"))
		release(bus, request);
	else
		tn_http_reply_problem(
		        request, 405, 0, "here are GET /quarantine and POST /quarantine/release", (struct tn_str){0});
}
