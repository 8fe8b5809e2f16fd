/* SPDX-License-Identifier: Apache-2.0
 *
 * keep.h - small files beside the store, one a queue, replaced whole: for kept_task.c and progress.c.
 */
#ifndef TURNOUT_DLQ_KEEP_H
#define TURNOUT_DLQ_KEEP_H

#include "turnout/dlq.h"

/* name: the file's, before the queue's ("redrive"), without a dash; queue "": all queues. Appends its path, with a NUL behind it. */
void tn_keep_path(const char *store_path, const char *name, struct tn_str queue, struct tn_buf *out);
bool tn_keep_exists(const char *store_path, const char *name, struct tn_str queue);
/* text {NULL, 0} forgets it. TN_IO. */
enum tn_status tn_keep_put(const char *store_path, const char *name, struct tn_str queue, struct tn_str text, struct tn_error *error)
	TN_MUST_CHECK;
/* Appends it. TN_NOT_FOUND, TN_IO, TN_TOO_LARGE. */
enum tn_status tn_keep_get(const char *store_path, const char *name, struct tn_str queue, struct tn_buf *out, struct tn_error *error)
	TN_MUST_CHECK;

#endif
