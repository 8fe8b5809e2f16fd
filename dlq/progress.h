/* SPDX-License-Identifier: Apache-2.0
 *
 * progress.h - the numbers of a kept task: for kept_task.c.
 */
#ifndef TURNOUT_DLQ_PROGRESS_H
#define TURNOUT_DLQ_PROGRESS_H

#include "turnout/kept_task.h"

/* Of the task whose started_ms and cutoff_ms are filled in, the rest being zero; it stays so when no numbers were kept of that task. What
 * became of a page on its way is asked of the store, and kept. */
enum tn_status tn_progress_read(const char *store_path, struct tn_str queue, struct tn_store *store, struct tn_dlq_progress *progress,
	struct tn_error *error) TN_MUST_CHECK;
/* Fine if there are none. */
enum tn_status tn_progress_forget(const char *store_path, struct tn_str queue, struct tn_error *error) TN_MUST_CHECK;

#endif
