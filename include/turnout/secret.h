/* SPDX-License-Identifier: Apache-2.0
 *
 * secret.h - a value by reference (env:NAME, file:PATH), in a type that prints as ***.
 */
#ifndef TURNOUT_SECRET_H
#define TURNOUT_SECRET_H

#include <stdbool.h>
#include "turnout/error.h"
#include "turnout/str.h"

struct tn_secret {
	struct tn_str reference; /* "env:NAME", "file:PATH", or a literal where literals are allowed */
	bool literal;
};

/* True for "env:..." and "file:...". */
bool tn_secret_is_reference(struct tn_str text);
/* Reads the value now, appending it to out without a trailing newline; at most 64 KiB. TN_NOT_FOUND or TN_IO with the reference, never
 * the value, in the error. Any thread. */
enum tn_status tn_secret_read(const struct tn_secret *secret, struct tn_buf *out, struct tn_error *error) TN_MUST_CHECK;

#endif
