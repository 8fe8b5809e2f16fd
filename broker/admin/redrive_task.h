/* SPDX-License-Identifier: Apache-2.0
 *
 * redrive_task.h - one redrive or purge of the bus, from its start to its end. Bus thread.
 */
#ifndef TURNOUT_ADMIN_REDRIVE_TASK_H
#define TURNOUT_ADMIN_REDRIVE_TASK_H

#include <jansson.h>

#include "turnout/bus.h"
#include "turnout/kept_task.h"

struct redrive_task;

/* Not begun. request as in letter_query.h. Returns owned; NULL with the error. */
struct redrive_task *tn_redrive_task_new(struct tn_bus *bus, json_t *request, struct tn_error *error);
/* What was kept, as it ended; it may be resumed. Returns owned; NULL with the error. */
struct redrive_task *tn_redrive_task_take_up(struct tn_bus *bus, const struct tn_dlq_kept_task *kept, struct tn_error *error);
void tn_redrive_task_free(struct redrive_task *task); /* what was kept stays; NULL is fine */

/* Once; it is kept from now on. */
void tn_redrive_task_start(struct redrive_task *task);
/* One that has ended, but is not DONE, and is not moving. */
void tn_redrive_task_resume(struct redrive_task *task);
/* One that is RUNNING. A page on its way still moves. */
void tn_redrive_task_end(struct redrive_task *task, enum tn_dlq_state state, const char *why);

const char *tn_redrive_task_queue(const struct redrive_task *task); /* "": all */
enum tn_dlq_state tn_redrive_task_state(const struct redrive_task *task);
bool tn_redrive_task_is_moving(const struct redrive_task *task); /* a page is on its way, also of one that has ended */
/* For operators. Returns owned. */
json_t *tn_redrive_task_json(const struct redrive_task *task);

#endif
