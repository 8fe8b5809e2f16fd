/* SPDX-License-Identifier: Apache-2.0
 *
 * member.c - a member of a JSON answer of the bus, for printing.
 *
 * Called by the commands that show what the admin socket said.
 */
#include "member.h"

long long tn_member_number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

const char *tn_member_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "";
}
