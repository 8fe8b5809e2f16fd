/* SPDX-License-Identifier: Apache-2.0
 *
 * fault.h - filling in a refusal. Any thread.
 */
#ifndef EVENT_FAULT_H
#define EVENT_FAULT_H

#include "turnout/wire.h"

/* Fills in error (NULL: nobody wants to know) and answers TN_INVALID. attribute may be any bytes: what is not UTF-8 is replaced, what
 * is too long is cut. offset: of the body, or -1. */
enum tn_status tn_fault_set(struct tn_wire_error *error, enum tn_wire_fault fault, struct tn_str attribute, int64_t offset,
	const char *format, ...) TN_PRINTF(5, 6);

#define TN_NO_ATTRIBUTE ((struct tn_str){"", 0})

#endif
