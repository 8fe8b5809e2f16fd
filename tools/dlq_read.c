/* SPDX-License-Identifier: Apache-2.0
 *
 * dlq_read.c - `turnout dlq list`, `show` and `export`.
 */
#include "dlq.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

enum { PAGE = 200 };

static int print_end(const struct dlq *dlq)
{
	if (dlq->tally)
		dlq_tally_print(dlq->tally, dlq->json);
	if (!dlq->json)
		printf("%" PRIu64 " dead letter%s\n", dlq->printed, dlq->printed == 1 ? "" : "s");
	if (dlq->printed == 0)
		dlq_warn_of_names(dlq);
	return TN_EXIT_GOOD;
}

static bool wants_more(const struct dlq *dlq)
{
	return dlq->limit == 0 || dlq->printed < dlq->limit;
}

static void set_page(const struct dlq *dlq, json_t *request, const char *after)
{
	uint64_t left = dlq->limit ? dlq->limit - dlq->printed : PAGE;
	json_object_set_new(request, "limit", json_integer((json_int_t)(left < PAGE ? left : PAGE)));
	if (after)
		json_object_set_new(request, "after", json_string(after));
}

/* --- list --- */

static int list_running(struct dlq *dlq, json_t *request)
{
	int status = TN_EXIT_GOOD;
	char after[TN_DLQ_ID_SIZE] = "";
	for (bool more = true; more && wants_more(dlq);) {
		json_t *page = NULL;
		size_t i;
		const json_t *record;
		set_page(dlq, request, after[0] ? after : NULL);
		if ((status = dlq_call_json(dlq, "/dlq/list", request, &page)) != TN_EXIT_GOOD)
			return status;
		json_array_foreach(json_object_get(page, "dead_letters"), i, record)
			dlq_print_line(dlq, record);
		const char *next = json_string_value(json_object_get(page, "next"));
		more = next != NULL;
		snprintf(after, sizeof after, "%s", next ? next : "");
		json_decref(page);
	}
	return status;
}

static bool visit_line(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct dlq *dlq = arg;
	struct tn_dlq_view view = dlq_view(dlq);
	struct tn_buf line = {0};
	tn_dlq_line_json(&view, row, event, &line);
	json_t *record = json_loadb(line.bytes, line.len, JSON_ALLOW_NUL, NULL);
	dlq_print_line(dlq, record);
	json_decref(record);
	tn_buf_fini(&line);
	return wants_more(dlq);
}

static int read_stopped(struct dlq *dlq, const json_t *request, tn_dlq_visit *visit)
{
	struct tn_error error = {0};
	struct tn_letter_query *query = dlq_query(request);
	struct tn_store *store = query ? dlq_open_store(dlq) : NULL;
	int status = TN_EXIT_UNUSABLE;
	if (store)
		status = tn_dlq_each(store, &query->terms.selection, visit, dlq, &error) == TN_OK ? TN_EXIT_GOOD : dlq_complain_error(&error);
	tn_store_close(store);
	tn_letter_query_free(query);
	return status;
}

int dlq_list(struct dlq *dlq, int argc, char **argv)
{
	if (argc > 0)
		return dlq_complain(dlq->tally ? "count takes no ids; filter with --rule, --target, --error and so on"
					       : "list takes no ids; filter with --rule, --target, --error and so on");
	json_t *request = dlq_request(dlq, 0, NULL);
	if (!request)
		return TN_EXIT_UNUSABLE;
	int status = dlq->running ? list_running(dlq, request) : read_stopped(dlq, request, visit_line);
	json_decref(request);
	return status == TN_EXIT_GOOD ? print_end(dlq) : status;
}

int dlq_count_groups(struct dlq *dlq, int argc, char **argv)
{
	dlq->tally = dlq_tally_new();
	int status = dlq_list(dlq, argc, argv);
	dlq_tally_free(dlq->tally);
	dlq->tally = NULL;
	return status;
}

/* --- show --- */

static void print_record(const struct dlq *dlq, struct tn_str record)
{
	if (dlq->json)
		printf("%.*s\n", TN_STR_ARG(record));
	else
		dlq_print_indented(record);
}

static bool visit_record(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct dlq *dlq = arg;
	struct tn_dlq_view view = dlq_view(dlq);
	struct tn_buf record = {0};
	tn_dlq_record_json(&view, row, event, &record);
	print_record(dlq, tn_buf_str(&record));
	dlq->printed++;
	tn_buf_fini(&record);
	return false;
}

static int show_running(struct dlq *dlq, const char *id)
{
	struct tn_buf answer = {0};
	char path[64];
	snprintf(path, sizeof path, "/dlq/%s", id);
	int status = dlq_call(dlq, path, NULL, &answer);
	if (status == TN_EXIT_GOOD)
		print_record(dlq, tn_buf_str(&answer));
	tn_buf_fini(&answer);
	return status;
}

int dlq_show(struct dlq *dlq, int argc, char **argv)
{
	struct tn_row_key key;
	char text[200];
	if (argc != 1)
		return dlq_complain("show takes one id; `turnout dlq list` shows them");
	if (!tn_dlq_id_parse(tn_str_from(argv[0]), &key)) {
		snprintf(text, sizeof text, "'%.100s' is not the id of a dead letter; `turnout dlq list` shows them", argv[0]);
		return dlq_complain(text);
	}
	if (dlq->running)
		return show_running(dlq, argv[0]);
	json_t *request = dlq_request(dlq, 1, argv);
	int status = request ? read_stopped(dlq, request, visit_record) : TN_EXIT_UNUSABLE;
	json_decref(request);
	if (status == TN_EXIT_GOOD && dlq->printed == 0) {
		dlq_complain("there is no such dead letter");
		return TN_EXIT_FINDINGS;
	}
	return status;
}

/* --- export --- */

/* All lines but the last, which says where to go on. False: it is not there. */
static bool print_page(struct dlq *dlq, struct tn_str page, char *out_after, size_t size)
{
	size_t last = 0;
	for (size_t i = 0; i < page.len; i++)
		if (page.bytes[i] == '\n') {
			last = i + 1;
			dlq->printed++;
		}
	fwrite(page.bytes, 1, last, stdout);
	json_t *end = json_loadb(page.bytes + last, page.len - last, 0, NULL);
	const char *next = json_string_value(json_object_get(end, "next"));
	bool good = end != NULL;
	snprintf(out_after, size, "%s", next ? next : "");
	json_decref(end);
	return good;
}

static int export_running(struct dlq *dlq, json_t *request)
{
	char after[TN_DLQ_ID_SIZE] = "";
	do {
		struct tn_buf page = {0};
		set_page(dlq, request, after[0] ? after : NULL);
		int status = dlq_call(dlq, "/dlq/export", request, &page);
		if (status == TN_EXIT_GOOD && !print_page(dlq, tn_buf_str(&page), after, sizeof after))
			status = dlq_complain("the bus answered half an export");
		tn_buf_fini(&page);
		if (status != TN_EXIT_GOOD)
			return status;
	} while (after[0] && wants_more(dlq));
	return TN_EXIT_GOOD;
}

static bool visit_export(void *arg, const struct tn_row *row, const struct tn_event *event)
{
	struct dlq *dlq = arg;
	struct tn_dlq_view view = dlq_view(dlq);
	struct tn_buf line = {0};
	tn_dlq_export_line(&view, row, event, &line);
	fwrite(line.bytes, 1, line.len, stdout);
	dlq->printed++;
	tn_buf_fini(&line);
	return wants_more(dlq);
}

int dlq_export(struct dlq *dlq, int argc, char **argv)
{
	json_t *request = dlq_request(dlq, argc, argv);
	if (!request)
		return TN_EXIT_UNUSABLE;
	int status = dlq->running ? export_running(dlq, request) : read_stopped(dlq, request, visit_export);
	json_decref(request);
	if (status == TN_EXIT_GOOD && (fflush(stdout) != 0 || ferror(stdout)))
		status = dlq_complain("the output could not be written; the export is not whole");
	if (status == TN_EXIT_GOOD)
		fprintf(stderr, "%" PRIu64 " dead letter%s exported\n", dlq->printed, dlq->printed == 1 ? "" : "s");
	return status;
}
