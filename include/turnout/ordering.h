/* SPDX-License-Identifier: Apache-2.0
 *
 * ordering.h - by which key a target's events keep their order (delivery-semantics section 12): the `ordering` of a target.
 *
 * The key's text is what is compared: a string as it is (an empty one is no key), a boolean as true or false, a number by its value (1, 1.0
 * and 1e0 are one key; an integer of up to 19 digits as its digits, so that 7 and "7" are one key too). null, a list, an object, what is
 * absent and data that is not JSON are no key. Where a path leads into a list, its first value is the key.
 */
#ifndef TURNOUT_ORDERING_H
#define TURNOUT_ORDERING_H

#include <stdbool.h>
#include "turnout/arena.h"
#include "turnout/error.h"
#include "turnout/status.h"
#include "turnout/str.h"

enum { TN_ORDERING_KEY_BYTES = 256 };

struct tn_ordering {
	bool by_key;                      /* false: none */
	bool serial;                      /* keyless: serial: events without a key share one lane; else they are unordered */
	struct tn_str key;                /* an attribute's name, or "data." and the path of a member */
};

struct tn_doc;
struct tn_doc_node;
struct tn_option;

/* `none`, `key` (that is, partitionkey), or a map. Strings are copied into arena. TN_INVALID with the place; then *out is untouched. */
enum tn_status tn_ordering_parse(const struct tn_doc *doc, const struct tn_doc_node *node, struct tn_arena *arena, struct tn_ordering *out,
	struct tn_error *error) TN_MUST_CHECK;
/* The keys of that map with their help. */
const struct tn_option *tn_ordering_options(void);

#endif
