/* SPDX-License-Identifier: Apache-2.0
 *
 * keep.h - small files beside the store, one a queue, replaced whole: for progress.c.
 */
#ifndef TURNOUT_DLQ_KEEP_H
#define TURNOUT_DLQ_KEEP_H

#include "turnout/dlq.h"

/* As tn_dlq_keep and tn_dlq_kept; name: the file's, before the queue's ("redrive"), without a dash. */
enum tn_status tn_keep_put(const char *store_path, const char *name, struct tn_str queue, struct tn_str text, struct tn_error *error)
	TN_MUST_CHECK;
enum tn_status tn_keep_get(const char *store_path, const char *name, struct tn_str queue, struct tn_buf *out, struct tn_error *error)
	TN_MUST_CHECK;

#endif
