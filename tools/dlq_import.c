/* SPDX-License-Identifier: Apache-2.0
 *
 * dlq_import.c - `turnout dlq import`: what export wrote becomes dead letters of this bus, under new ids, with the delivery ids they had.
 *
 * Lines go in batches, each all or none. Every line is checked here first, so that an error names the file and the line; what was imported
 * before it stays, and the message says how much that was.
 */
#include "dlq.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "admin_client.h"
#include "command.h"
#include "lines.h"

enum { BATCH_BYTES = 3 * 1024 * 1024, BUSY_TRIES = 500, BUSY_MS = 20 };

struct batch {
	struct dlq *dlq;
	struct tn_store *store;           /* stopped only */
	struct tn_arena arena;
	struct tn_buf text;
	struct tn_row rows[TN_DLQ_IMPORT_LINES];
	struct tn_event *events[TN_DLQ_IMPORT_LINES];
	uint32_t count;
	uint64_t imported;
};

static void empty(struct batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++)
		tn_event_unref(batch->events[i]);
	batch->count = 0;
	tn_buf_clear(&batch->text);
	tn_arena_reset(&batch->arena);
}

/* While others move dead letters it says 503: come again. */
static int send_running(struct batch *batch)
{
	struct tn_error error = {0};
	for (unsigned i = 0; i < BUSY_TRIES; i++) {
		struct tn_buf answer = {0};
		long code = 0;
		enum tn_status status = tn_admin_client_call(batch->dlq->socket, "/dlq/import", tn_buf_terminate(&batch->text), 60, &answer, &code,
			&error);
		int result = status != TN_OK ? dlq_complain_error(&error) : code == 200 ? TN_EXIT_GOOD : TN_EXIT_FINDINGS;
		if (result == TN_EXIT_FINDINGS && (code != 503 || i + 1 == BUSY_TRIES))
			result = dlq_complain_answer(code, &answer);
		tn_buf_fini(&answer);
		if (result != TN_EXIT_FINDINGS || code != 503)
			return result;
		nanosleep(&(struct timespec){.tv_nsec = BUSY_MS * 1000000}, NULL);
	}
	return TN_EXIT_UNUSABLE;
}

static int put_stopped(struct batch *batch)
{
	struct tn_error error = {0};
	enum tn_status status = TN_OK;
	for (uint32_t i = 0; i < batch->count && status == TN_OK; i++)
		status = tn_store_number(batch->store, batch->rows[i].target, &batch->rows[i].target_no, &error);
	if (status == TN_OK)
		status = tn_dlq_insert_offline(batch->store, batch->rows, batch->events, batch->count, &error);
	return status == TN_OK ? TN_EXIT_GOOD : dlq_complain_error(&error);
}

static int flush(struct batch *batch)
{
	if (batch->count == 0)
		return TN_EXIT_GOOD;
	int status = batch->dlq->running ? send_running(batch) : put_stopped(batch);
	if (status == TN_EXIT_GOOD)
		batch->imported += batch->count;
	empty(batch);
	return status;
}

static int take(struct batch *batch, const struct tn_lines *lines, struct tn_str line)
{
	struct tn_error error = {0};
	int status = TN_EXIT_GOOD;
	if (batch->count == TN_DLQ_IMPORT_LINES || (batch->count > 0 && batch->text.len + line.len > BATCH_BYTES))
		status = flush(batch);
	if (status != TN_EXIT_GOOD)
		return status;
	struct tn_error wrong = {0};
	if (tn_dlq_import_line(line, 0, &batch->arena, &batch->rows[batch->count], &batch->events[batch->count], &wrong) != TN_OK) {
		tn_error_at(&error, lines->name, (uint32_t)lines->number, 0, "%s", wrong.message);
		return dlq_complain_error(&error);
	}
	batch->count++;
	tn_buf_add_str(&batch->text, line);
	tn_buf_add_byte(&batch->text, '\n');
	return TN_EXIT_GOOD;
}

static int read_all(struct batch *batch, struct tn_lines *lines)
{
	struct tn_error error = {0};
	struct tn_str line;
	int status = TN_EXIT_GOOD;
	enum tn_lines_next next = TN_LINES_LINE;
	while (status == TN_EXIT_GOOD && (next = tn_lines_wait(lines, &line, &error)) == TN_LINES_LINE)
		status = take(batch, lines, line);
	if (next == TN_LINES_ERROR)
		status = dlq_complain_error(&error);
	return status == TN_EXIT_GOOD ? flush(batch) : status;
}

int dlq_import(struct dlq *dlq, int argc, char **argv)
{
	struct batch batch = {.dlq = dlq};
	struct tn_lines lines;
	struct tn_error error = {0};
	if (argc > 1)
		return dlq_complain("import takes one file, or none for standard input");
	if (tn_lines_init(&lines, argc == 1 ? argv[0] : NULL, &error) != TN_OK)
		return dlq_complain_error(&error);
	int status = TN_EXIT_UNUSABLE;
	if (!dlq->running)
		batch.store = dlq_open_store(dlq);
	dlq->began = false; /* no line was read yet */
	if (dlq->running || batch.store)
		status = read_all(&batch, &lines);
	empty(&batch);
	tn_store_close(batch.store);
	tn_lines_fini(&lines);
	tn_arena_fini(&batch.arena);
	tn_buf_fini(&batch.text);
	if (dlq->json)
		printf("{\"imported\":%" PRIu64 "}\n", batch.imported);
	else
		printf("%" PRIu64 " dead letter%s imported\n", batch.imported, batch.imported == 1 ? "" : "s");
	return status;
}
