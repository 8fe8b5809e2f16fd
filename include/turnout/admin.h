/* SPDX-License-Identifier: Apache-2.0
 *
 * admin.h - the bus as operators and monitors see it, over HTTP.
 *
 * On the TCP listener (admin.listen): /healthz, /readyz, /metrics; nothing that shows payloads or changes state. On the Unix socket
 * beside the store (0600): those, and /status, /dlq, /dlq/ID, /dlq/redrive, /breaker, which `turnout
 * status`, `dlq` and `target` use. Bus thread.
 *
 *   GET  /healthz             200 while the process serves
 *   GET  /readyz              200 when sources are open; 503 while starting or draining
 *   GET  /metrics             Prometheus text format
 *   GET  /status              the books, sources, targets, store, as one JSON object
 *   GET  /dlq?after=ID&limit=N&rule=R&target=T&error=CODE   {"dead_letters": [...], "next": ID or null}, oldest first
 *   GET  /dlq/ID              one dead-letter record
 *   POST /dlq/redrive         {"ids": [...]} or {"all": true, "rule": R, "target": T, "error": CODE}, and "force": true; answers, once
 *                             everything moved is durable, {"moved": N, "no_target": N, "too_often": N}
 *   POST /breaker             {"target": NAME, "state": "open" or "closed"}; 204, or 404 for no such target
 */
#ifndef TURNOUT_ADMIN_H
#define TURNOUT_ADMIN_H

#include "turnout/bus.h"
#include "turnout/error.h"

struct tn_admin;

/* Returns owned, listening. TN_BUSY: admin.listen is in use. */
enum tn_status tn_admin_new(struct tn_bus *bus, struct tn_admin **out_admin, struct tn_error *error) TN_MUST_CHECK;
/* Also removes the Unix socket. NULL is fine. */
void tn_admin_free(struct tn_admin *admin);

#endif
