/* SPDX-License-Identifier: Apache-2.0
 *
 * member.h - a member of a JSON answer of the bus, for printing: something to print also where there is none.
 */
#ifndef TURNOUT_TOOLS_MEMBER_H
#define TURNOUT_TOOLS_MEMBER_H

#include <jansson.h>

/* 0 when it is not there, or no whole number. object may be NULL. */
long long tn_member_number(const json_t *object, const char *name);
/* "" when it is not there, or no string; borrowed from object, which may be NULL. */
const char *tn_member_text(const json_t *object, const char *name);

#endif
