/* SPDX-License-Identifier: Apache-2.0
 *
 * http_listener.h - a listening socket out of "127.0.0.1:8080", "[::1]:0" or "unix:/path".
 */
#ifndef TURNOUT_HTTP_LISTENER_H
#define TURNOUT_HTTP_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "turnout/error.h"
#include "turnout/http_server.h"

#define TN_HTTP_ADDRESS_SIZE 128

struct tn_http_listener {
	int fd;
	char address[TN_HTTP_ADDRESS_SIZE]; /* as bound: with the port that was chosen for 0 */
	dev_t device;                       /* of a unix socket, to remove only our own */
	ino_t inode;
};

/* Non-blocking, listening. TN_INVALID: not an address; TN_BUSY: in use; TN_IO. */
enum tn_status tn_http_listener_open(const char *listen, enum tn_http_port port, uint32_t unix_mode, struct tn_http_listener *out_listener,
	struct tn_error *error) TN_MUST_CHECK;
/* Closes, and removes the unix socket if it is still ours. Twice is fine. */
void tn_http_listener_close(struct tn_http_listener *listener);

#endif
