/* SPDX-License-Identifier: Apache-2.0
 *
 * pages.c - between the engine and the store: reads pages of rows, finds today's routes for them, brings completions home.
 *
 * Scans run on the bus thread: a page is bounded in rows and bytes, and its read transaction ends before the call does. Completions
 * come from the store's writer thread as letters.
 */
#include "bus_parts.h"

#include <event2/event.h>
#include <stdlib.h>

enum { REOPEN_WINDOW_MS = 60000 };

struct completion_letter {
	struct tn_mail mail;
	struct tn_bus *bus;
	uint64_t batch;
	enum tn_commit commit;
};

/* LMDB gave its environment up twice in a minute: opening it again does not help, a supervisor may (delivery-semantics section 17). */
static void check_store(struct tn_bus *bus)
{
	struct tn_store_facts facts;
	int64_t now_ms = tn_clock_mono_ms(&bus->clock);
	tn_store_facts(bus->store, &facts);
	if (facts.reopened == bus->store_reopened)
		return;
	bool again = bus->store_reopened > 0 && now_ms - bus->store_reopened_ms < REOPEN_WINDOW_MS;
	bus->store_reopened = facts.reopened;
	bus->store_reopened_ms = now_ms;
	if (!again)
		return;
	char quoted[sizeof facts.failure * 2];
	tn_log_error(&bus->log, "store failed twice in a minute; leaving", "error=%s",
		tn_log_quote(facts.failure, strlen(facts.failure), quoted, sizeof quoted));
	tn_error_set(bus->run_error, "the store failed twice in a minute (%s); what was accepted is in it: check the disk, then start again",
		facts.failure);
	bus->failed = true;
	event_base_loopbreak(bus->workers[0].base);
}

static void take_completion(struct tn_mail *mail, void *arg)
{
	struct completion_letter *letter = (struct completion_letter *)mail;
	if (arg && letter->commit == TN_COMMIT_UNKNOWN)
		check_store(letter->bus);
	if (arg) {
		tn_engine_stored(letter->bus->engine, letter->batch, letter->commit);
		tn_turn_want(letter->bus);
	}
	free(letter);
}

void tn_pages_completed(void *arg, uint64_t batch, enum tn_commit commit)
{
	struct tn_bus *bus = arg;
	struct completion_letter *letter = malloc(sizeof *letter);
	if (!letter)
		abort();
	*letter = (struct completion_letter){.mail.open = take_completion, .bus = bus, .batch = batch, .commit = commit};
	tn_mailbox_post(bus->workers[0].mailbox, &letter->mail);
}

/* Today's rules decide where a row goes; NULL: its rule or target is gone. */
static const struct tn_route **find_routes(struct tn_bus *bus, struct tn_page *page)
{
	const struct tn_route **routes = calloc(page->count + 1, sizeof *routes);
	if (!routes)
		abort();
	for (uint32_t i = 0; i < page->count; i++)
		routes[i] = tn_ruleset_find_route(bus->ruleset, page->rows[i].rule, page->rows[i].target);
	page->ruleset = tn_ruleset_ref(bus->ruleset);
	page->routes = routes;
	return routes;
}

/* NULL: none is. */
static bool *find_quarantined(struct tn_bus *bus, const struct tn_page *page)
{
	bool *quarantined = NULL;
	for (uint32_t i = 0; i < page->count; i++) {
		if (!tn_quarantine_holds(bus->quarantine, tn_quarantine_stored_event(page->rows[i].key.event_seq)))
			continue;
		if (!quarantined && !(quarantined = calloc(page->count, sizeof *quarantined)))
			abort();
		quarantined[i] = true;
		if (page->events[i]) /* TRIED rows are read only to be counted */
			tn_quarantine_counted(bus->quarantine);
	}
	return quarantined;
}

void tn_pages_scan(struct tn_bus *bus, const struct tn_scan *scan)
{
	struct tn_page page = {0};
	struct tn_error error = {0};
	uint64_t token = scan->token;
	if (tn_store_scan(bus->store, scan, &page, &error) != TN_OK) {
		char text[1024], quoted[1200];
		tn_error_format(&error, text, sizeof text);
		tn_log_error(&bus->log, "store could not be read", "error=%s", tn_log_quote(text, strlen(text), quoted, sizeof quoted));
		page = (struct tn_page){.token = token, .failed = true, .next_due_ms = INT64_MAX};
		tn_engine_page(bus->engine, &page);
		return;
	}
	const struct tn_route **routes = find_routes(bus, &page);
	bool *quarantined = find_quarantined(bus, &page);
	page.quarantined = quarantined;
	tn_engine_page(bus->engine, &page);
	tn_ruleset_unref(page.ruleset);
	free(routes);
	free(quarantined);
	tn_page_fini(&page);
}
