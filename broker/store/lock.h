/* SPDX-License-Identifier: Apache-2.0
 *
 * lock.h - one process at a time owns a store; its lock file says which, and where its admin socket is.
 */
#ifndef STORE_LOCK_H
#define STORE_LOCK_H

#include "turnout/error.h"

/* Takes the lock of the store folder `path` and writes who has it. admin_socket may be NULL. TN_BUSY: somebody has it, and the error says
 * who. TN_IO. The lock goes when its descriptor is closed, however the process ends. */
enum tn_status tn_lock_take(const char *path, const char *admin_socket, int *out_fd, struct tn_error *error) TN_MUST_CHECK;
/* Empties the file, lets go. -1 is fine. */
void tn_lock_release(int fd);

#endif
