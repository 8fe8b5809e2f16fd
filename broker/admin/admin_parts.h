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
/* status.c: appends one JSON object. */
void tn_status_write(struct tn_bus *bus, struct tn_buf *out);

/* breakers.c: POST /breaker. */
void tn_breakers_request(struct tn_bus *bus, struct tn_http_request *request);

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

#endif
