/* SPDX-License-Identifier: Apache-2.0
 *
 * folder.h - that the store's files can still be found and used after the power went.
 */
#ifndef TN_STORE_FOLDER_H
#define TN_STORE_FOLDER_H

#include "turnout/error.h"
#include "turnout/status.h"

/* Makes the names of the store's files durable, and the name of its folder. With each open, before anything is promised: whoever opens a
 * store cannot know whether the process that made it came to this. */
enum tn_status tn_folder_sync(const char *path, struct tn_error *error) TN_MUST_CHECK;

/* Before LMDB opens its lock file: makes it, with its room on the disk. LMDB writes to it through memory, where a full disk would end the
 * process. TN_FULL. */
enum tn_status tn_folder_reserve_readers(const char *path, struct tn_error *error) TN_MUST_CHECK;

/* Before LMDB opens the data file, under the lock: empties one that the power left behind before it was whole, so that it is begun anew.
 * Nothing was ever committed to such a file: it has no more than LMDB's two meta pages, which are synced before anything else is written
 * (environment.c), and nothing in it but their beginnings. Any other file is left alone. */
enum tn_status tn_folder_clear_stillborn(const char *path, struct tn_error *error) TN_MUST_CHECK;

#endif
