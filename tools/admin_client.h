/* SPDX-License-Identifier: Apache-2.0
 *
 * admin_client.h - one request to a running bus through the admin socket beside its store. For the command line: it blocks.
 */
#ifndef TURNOUT_TOOLS_ADMIN_CLIENT_H
#define TURNOUT_TOOLS_ADMIN_CLIENT_H

#include "turnout/config.h"
#include "turnout/error.h"
#include "turnout/store.h"
#include "turnout/str.h"

/* Finds the socket of the bus that has the configuration's store. TN_NOT_FOUND: no bus is running on it. TN_BUSY: another command has it,
 * and keeps it. */
enum tn_status tn_admin_client_find(const struct tn_config *config, char *out_socket, size_t size) TN_MUST_CHECK;
/* Finds the bus that has the configuration's store (*out_store is NULL), or opens the store, which is never made: whichever is possible
 * first, as a bus may take the store or leave it at any moment. Waits for what starts and for other commands to be done with it. */
enum tn_status tn_admin_client_reach(const struct tn_config *config, char *out_socket, size_t size, struct tn_store **out_store,
	struct tn_error *error) TN_MUST_CHECK;
/* GET when body is NULL, else POST of JSON. The answer's body is appended to out; *out_status is its HTTP status. TN_IO: nobody
 * answered within timeout_s. */
enum tn_status tn_admin_client_call(const char *socket, const char *path, const char *body, long timeout_s, struct tn_buf *out,
	long *out_status, struct tn_error *error) TN_MUST_CHECK;

#endif
