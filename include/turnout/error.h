/* SPDX-License-Identifier: Apache-2.0
 *
 * error.h - one failure as a person reads it: what, where, what to do.
 *
 * A plain value; callers put it on the stack. The message is one sentence without a final full stop. Whoever decides prints
 * or logs it, once; everyone below fills it in and returns a tn_status. Functions accept NULL for "nobody wants to know".
 */
#ifndef TURNOUT_ERROR_H
#define TURNOUT_ERROR_H

#include <stddef.h>
#include <stdint.h>
#include "turnout/status.h"

struct tn_error {
	char message[512];
	char file[256];        /* "" when there is none */
	uint32_t line, column; /* 1-based, columns in code points; 0 when unknown */
};

/* Replaces the message; keeps file, line and column. Longer messages are cut. */
void tn_error_set(struct tn_error *error, const char *format, ...) TN_PRINTF(2, 3);
/* Replaces everything. file may be NULL. */
void tn_error_at(struct tn_error *error, const char *file, uint32_t line, uint32_t column, const char *format, ...)
	TN_PRINTF(5, 6);
/* Writes "file:line:column: message", leaving out what is unknown; always ends with a NUL. Returns out. */
char *tn_error_format(const struct tn_error *error, char *out, size_t size);

#endif
