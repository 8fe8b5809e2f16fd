/* SPDX-License-Identifier: Apache-2.0
 *
 * admin.h - the bus as operators and monitors see it, over HTTP.
 *
 * On the TCP listener (admin.listen): /healthz, /readyz, /metrics; nothing that shows payloads or changes state. On the Unix socket
 * beside the store (0600): those, /status, /audit, /trace, /breaker, /lanes, and /dlq with what is below it, which `turnout status`, `audit`,
 * `target`, `lanes`, `dlq` and `trace` use. Bus thread.
 *
 *   GET  /healthz             200 while the process serves
 *   GET  /readyz              200 when sources are open; 503 while starting or draining
 *   GET  /metrics             Prometheus text format
 *   GET  /status              the books, sources, targets, store, as one JSON object
 *   GET  /audit               the books recomputed from the store, as tn_audit_json writes them; takes a while. 409: one is under way
 *   GET  /dlq/ID              one dead-letter record
 *   POST /clock/accept        the wall clock is right, however far ahead: {"moved_ms": N}; 0: it was not held
 *   GET  /quarantine          what the process died at work on: {"strikes": [...]}, see quarantine.h
 *   POST /quarantine/release  {"hashes": [...]}, at most TN_ADMIN_RELEASES: forgets their strikes; answers {"released": N}
 *   POST /trace               {"id": a CloudEvents id or a delivery id}: what the ledger knows of it, as tn_trace_json writes it
 *   POST /breaker             {"target": NAME, "state": "open" or "closed"}; 204, or 404 for no such target
 *   GET  /lanes               {"blocked": N, "lanes": [{"target", "dead_letter", "in_hand", "parked"}, ...]}: at most 10,000 of them
 *   POST /lanes/release       {"ids": [...]}, {"target": NAME} or {"all": true}; {"released": N}, at most 512: ask again until 0.
 *                             503: dead letters are being moved; come again
 *
 * The bodies of these are what letter_query.h says; the first three answer a page and, with "next", where to go on ("after"):
 *   POST /dlq/list            {"dead_letters": [...], "next": ID or null}, oldest first
 *   POST /dlq/export          lines of CloudEvents (dlq.h); the last line is {"next": ID or null}
 *   POST /dlq/count           what an action would move: {"sample": [up to 5], "selected", "would_move", "no_target", "too_often", "next",
 *                             "breakers_open": [names of targets]}
 *   POST /dlq/tasks           starts a redrive or purge; needs "ids" or "all": true. Answers the task; 409: one runs on that queue
 *   GET  /dlq/tasks           {"tasks": [...]}: state, what was looked at, moved, left and why, and what first attempts brought
 *   POST /dlq/tasks/resume, /dlq/tasks/cancel   {"queue": Q} or {}: the only task that is not done
 *   POST /dlq/import          lines of export, at most 100, all or none: {"imported": N}
 */
#ifndef TURNOUT_ADMIN_H
#define TURNOUT_ADMIN_H

#include "turnout/bus.h"
#include "turnout/error.h"

struct tn_admin;
enum { TN_ADMIN_RELEASES = 16 };

/* Returns owned, listening. TN_BUSY: admin.listen is in use. */
enum tn_status tn_admin_new(struct tn_bus *bus, struct tn_admin **out_admin, struct tn_error *error) TN_MUST_CHECK;
/* Also removes the Unix socket. NULL is fine. */
void tn_admin_free(struct tn_admin *admin);

/* Appends what an audit found as one JSON object: {"adds_up", "findings", "listed": [{"code", "key", "text", "advice"}], "rows", "events",
 * "seen", "names", "strikes", "kept", "aside", "leftovers", "books"}; books NULL: no bus is running, and there are none. Any thread. */
void tn_audit_json(const struct tn_audit *audit, const struct tn_books *books, struct tn_buf *out);

/* Appends the stories of all events with that CloudEvents id, or of the delivery with that id: {"id", "stories": [{"id", "source", "type",
 * "received_at", "origin", "event", "unmatched_at", "deliveries": [{"delivery", "rule", "target", "state", "steps": [{"at", "what", ...}]}]}],
 * "cut"}. since_ms: nothing from before that (engine time). wall_ms: what is added to engine time to have the wall clock's. Any thread. */
enum tn_status tn_trace_json(struct tn_store *store, struct tn_str id, int64_t since_ms, int64_t wall_ms, struct tn_buf *out,
	struct tn_error *error) TN_MUST_CHECK;

#endif
