/* SPDX-License-Identifier: Apache-2.0
 *
 * attribute.h - names and values of context attributes: what cloudevents.md sections 1 and 2 allow. Any thread.
 */
#ifndef EVENT_ATTRIBUTE_H
#define EVENT_ATTRIBUTE_H

#include "turnout/event.h"
#include "turnout/wire.h"

/* Besides the values of enum tn_core. */
enum { TN_NAME_SPECVERSION = TN_CORE_COUNT, TN_NAME_EXTENSION };

/* enum tn_core, or one of the two above. */
unsigned tn_attribute_which(struct tn_str name);
/* One or more of a-z0-9, and not "data". */
bool tn_attribute_name_valid(struct tn_str name);
/* Well-formed UTF-8 without the characters a String may not have: NONE, INVALID_UTF8 or INVALID_ATTRIBUTE_VALUE. */
enum tn_wire_fault tn_attribute_check_text(struct tn_str value);
/* Is value what this attribute may be? NONE, or the fault and, for a person, why. */
enum tn_wire_fault tn_attribute_check(unsigned which, struct tn_str value, const char **out_why);
/* An optional minus, digits, within 32 bits. *out_text is the canonical form, part of text but for "-0". */
bool tn_attribute_integer(struct tn_str text, struct tn_str *out_text);
/* Is the value the canonical form of its type? */
bool tn_attribute_canonical(const struct tn_attribute *attribute);

#endif
