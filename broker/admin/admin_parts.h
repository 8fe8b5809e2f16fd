/* SPDX-License-Identifier: Apache-2.0
 *
 * admin_parts.h - what the files of broker/admin share. Private to the room.
 */
#ifndef TURNOUT_ADMIN_PARTS_H
#define TURNOUT_ADMIN_PARTS_H

#include "turnout/bus.h"
#include "turnout/http_server.h"
#include "turnout/str.h"

/* metrics.c: appends the Prometheus text. */
void tn_metrics_write(struct tn_bus *bus, struct tn_buf *out);
uint64_t tn_metrics_resident_bytes(void); /* of this process; 0: the system does not say */
/* status.c: appends one JSON object. */
void tn_status_write(struct tn_bus *bus, struct tn_buf *out);

/* breakers.c: POST /breaker. */
void tn_breakers_request(struct tn_bus *bus, struct tn_http_request *request);

/* lanes.c: handles /lanes and /lanes/release; the latter is answered later. */
struct lanes;
struct lanes *tn_lanes_new(struct tn_bus *bus);
void tn_lanes_free(struct lanes *lanes);
void tn_lanes_request(struct lanes *lanes, struct tn_http_request *request);
void tn_lanes_gone(struct lanes *lanes, struct tn_http_request *request);

/* trace.c: POST /trace. */
void tn_traces_request(struct tn_bus *bus, struct tn_http_request *request);

/* audit.c: handles /audit, later: it reads the whole store. NULL with the error when there is no descriptor left. */
struct audits;
struct audits *tn_audits_new(struct tn_bus *bus, struct tn_error *error);
/* Waits for the thread that reads, which ends soon. NULL is fine. */
void tn_audits_free(struct audits *audits);
void tn_audits_request(struct audits *audits, struct tn_http_request *request);
void tn_audits_gone(struct audits *audits, struct tn_http_request *request);

/* dead_letters.c: handles /dlq and what is below it; answers the request now or, for an import, later. */
struct dead_letters;
struct dead_letters *tn_dead_letters_new(struct tn_bus *bus);
void tn_dead_letters_free(struct dead_letters *dead_letters);
void tn_dead_letters_request(struct dead_letters *dead_letters, struct tn_http_request *request);
/* The client of an unanswered request left. */
void tn_dead_letters_gone(struct dead_letters *dead_letters, struct tn_http_request *request);

/* redrive.c: handles /dlq/tasks and what is below it. */
struct redrives;
struct redrives *tn_redrives_new(struct tn_bus *bus); /* finds what another run left behind */
void tn_redrives_free(struct redrives *redrives);     /* what runs is interrupted, and kept */
void tn_redrives_request(struct redrives *redrives, struct tn_http_request *request, struct tn_str path);
/* clock.c: handles /clock/accept. */
void tn_admin_clock(struct tn_bus *bus, struct tn_http_request *request);

/* quarantine.c: handles /quarantine and what is below it. */
void tn_admin_quarantine(struct tn_bus *bus, struct tn_http_request *request);

#endif
