/* SPDX-License-Identifier: Apache-2.0
 *
 * audit.c - does everything add up? The store's audit on a thread of its own, and the engine's books; as one JSON
 * object.
 *
 * Called by admin.c for GET /audit, and by `turnout audit` with no bus running (tn_audit_json). One audit at a time: it
 * reads the whole store. Bus thread, but for the thread that reads, which touches nothing but the store and its report,
 * and tells the bus thread through a mailbox.
 */
#include "admin_parts.h"

#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "turnout/admin.h"
#include "turnout/mailbox.h"

struct audit_run {
	struct tn_mail mail;
	struct tn_store *store;
	struct tn_mailbox *mailbox;
	struct tn_audit audit;
	struct tn_error error;
	enum tn_status status;
	atomic_bool stopping;
};

struct audits {
	struct tn_bus *bus;
	struct tn_mailbox *mailbox;
	pthread_t thread;
	struct audit_run *run; /* NULL: none under way */
	struct tn_http_request *request; /* NULL: its client left */
};

/* --- The report --- */

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *listed_json(const struct tn_audit *audit)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < audit->listed_count; i++) {
		const struct tn_audit_finding *finding = &audit->listed[i];
		json_t *each = json_pack("{s:s s:s s:s s:s}", "code", finding->code, "key", finding->key, "text",
		        finding->text, "advice", finding->advice);
		/* Names of targets in it may have been cut in the middle of a character. */
		json_array_append_new(
		        list, each ? each : json_pack("{s:s s:s}", "code", finding->code, "advice", finding->advice));
	}
	return list;
}

void tn_audit_json(const struct tn_audit *audit, const struct tn_books *books, struct tn_buf *out)
{
	json_t *report = json_pack("{s:b s:o s:o s:{s:o s:o s:o s:o} s:o s:o s:o s:o s:o s:o s:o}", "adds_up",
	        audit->findings == 0, "findings", number(audit->findings), "listed", listed_json(audit), "rows", "open",
	        number(audit->rows[TN_ROW_OPEN]), "tried", number(audit->rows[TN_ROW_TRIED]), "parked",
	        number(audit->rows[TN_ROW_PARKED]), "dead", number(audit->rows[TN_ROW_DEAD]), "events",
	        number(audit->events), "seen", number(audit->seen), "names", number(audit->names), "strikes",
	        number(audit->strikes), "kept", number(audit->kept), "aside", number(audit->aside), "leftovers",
	        number(audit->leftovers));
	if (books)
		json_object_set_new(report, "books",
		        json_pack("{s:b s:o}", "closed", tn_books_closed(books), "parked", number(books->parked)));
	char *json = json_dumps(report, JSON_COMPACT);
	json_decref(report);
	if (!json)
		abort();
	tn_buf_add_text(out, json);
	free(json);
}

/* The bus thread is between two steps of the engine, and what the store committed is told to the engine afterwards: at
 * any instant the identity closes, and no delivery is counted as parked that has no PARKED row, unless its row was set
 * aside. */
static void compare_books(const struct tn_bus *bus, struct tn_audit *audit)
{
	const struct tn_books *books = tn_engine_books(tn_bus_engine(bus));
	struct tn_store_facts facts;
	tn_store_facts(tn_bus_store(bus), &facts);
	uint64_t rows = facts.rows[TN_ROW_PARKED] + facts.flows.aside[TN_ROW_PARKED];
	if (!tn_books_closed(books))
		tn_audit_find(audit, "BOOKS_NOT_CLOSED", "please report this, with `turnout status --json`", "books",
		        "what was matched, recovered and redriven is not what was delivered, died, was dropped, "
		        "released, parked or is in hand");
	if (books->parked > rows)
		tn_audit_find(audit, "BOOKS_PARKED", "please report this, with `turnout status --json`", "books",
		        "%llu deliveries are counted as parked, and the store has %llu rows for them",
		        (unsigned long long)books->parked, (unsigned long long)rows);
}

/* --- The thread --- */

static bool goes_on(void *arg)
{
	struct audit_run *run = arg;
	return !atomic_load(&run->stopping);
}

static void *read_store(void *arg)
{
	struct audit_run *run = arg;
	run->status = tn_store_audit(run->store, goes_on, run, &run->audit, &run->error);
	tn_mailbox_post(run->mailbox, &run->mail);
	return NULL;
}

static void answer(struct audits *audits, struct audit_run *run)
{
	static const struct tn_header json_type = {{"Content-Type", 12}, {"application/json", 16}, TN_STRING};
	struct tn_buf body = {0};
	if (run->status != TN_OK) {
		tn_http_reply_problem(audits->request, 503, 0, run->error.message, (struct tn_str){0});
		return;
	}
	compare_books(audits->bus, &run->audit);
	tn_audit_json(&run->audit, tn_engine_books(tn_bus_engine(audits->bus)), &body);
	tn_http_reply(audits->request, 200, &json_type, 1, tn_buf_str(&body));
	tn_buf_fini(&body);
}

static void on_read(struct tn_mail *mail, void *reader_arg)
{
	struct audits *audits = reader_arg;
	struct audit_run *run = (struct audit_run *)mail;
	if (audits) {
		pthread_join(audits->thread, NULL);
		audits->run = NULL;
		if (audits->request)
			answer(audits, run);
		audits->request = NULL;
	}
	free(run);
}

/* --- For admin.c --- */

struct audits *tn_audits_new(struct tn_bus *bus, struct tn_error *error)
{
	struct audits *audits = calloc(1, sizeof *audits);
	if (!audits)
		abort();
	audits->bus = bus;
	audits->mailbox = tn_mailbox_new(tn_bus_base(bus), audits);
	if (audits->mailbox)
		return audits;
	tn_error_set(error, "no descriptor is left for the admin socket; raise the open files limit (ulimit -n)");
	free(audits);
	return NULL;
}

void tn_audits_free(struct audits *audits)
{
	if (!audits)
		return;
	if (audits->run) {
		atomic_store(&audits->run->stopping, true);
		pthread_join(audits->thread, NULL);
	}
	tn_mailbox_free(audits->mailbox);
	free(audits);
}

void tn_audits_request(struct audits *audits, struct tn_http_request *request)
{
	sigset_t all, before;
	if (audits->run) {
		tn_http_reply_problem(request, 409, 0, "another audit is under way", (struct tn_str){0});
		return;
	}
	struct audit_run *run = calloc(1, sizeof *run);
	if (!run)
		abort();
	run->mail.open = on_read;
	run->store = tn_bus_store(audits->bus);
	run->mailbox = audits->mailbox;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&audits->thread, NULL, read_store, run);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		tn_http_reply_problem(request, 503, 0, strerror(failed), (struct tn_str){0});
		free(run);
		return;
	}
	audits->run = run;
	audits->request = request;
}

void tn_audits_gone(struct audits *audits, struct tn_http_request *request)
{
	if (audits->request != request)
		return;
	audits->request = NULL;
	atomic_store(&audits->run->stopping, true);
}
