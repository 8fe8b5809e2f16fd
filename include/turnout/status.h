/* SPDX-License-Identifier: Apache-2.0
 *
 * status.h - the second kind of "no": a failure that a caller must look at.
 *
 * A bug is an assert, a failure is an enum tn_status, what a target answered is a verdict (engine.h). Do not mix them.
 */
#ifndef TURNOUT_STATUS_H
#define TURNOUT_STATUS_H

enum tn_status {
	TN_OK = 0,
	TN_FULL,        /* no room now; the caller is told when to come again */
	TN_NO_MEMORY,   /* an allocation failed; nothing was changed */
	TN_INVALID,     /* the input is wrong; an error out-parameter says where */
	TN_NOT_FOUND,   /* no such file, name or row */
	TN_IO,          /* the operating system or a library refused; an error out-parameter says why */
	TN_BUSY,        /* somebody else holds it (a lock, a port) */
	TN_CLOSED,      /* the other side, or this side, is shutting down */
	TN_TOO_LARGE,   /* over a stated limit */
	TN_UNSUPPORTED, /* known by name, not in this version */
};

#define TN_MUST_CHECK __attribute__((warn_unused_result))
#define TN_PRINTF(format_index, first_index) __attribute__((format(printf, format_index, first_index)))

#endif
