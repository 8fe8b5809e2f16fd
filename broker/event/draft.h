/* SPDX-License-Identifier: Apache-2.0
 *
 * draft.h - an event while it is being read: collects attributes, checks each one, makes the event at the end.
 *
 * Lives on the stack of a decoder. Texts are borrowed from the message, or from the draft's own room when they had to be decoded;
 * a usual event needs no memory but the event's own. One thread.
 */
#ifndef EVENT_DRAFT_H
#define EVENT_DRAFT_H

#include "attribute.h"
#include "turnout/arena.h"
#include "turnout/wire.h"

enum { TN_DRAFT_INLINE_ATTRIBUTES = 24, TN_DRAFT_INLINE_TEXT = 1024 };

struct tn_draft {
	const struct tn_wire_limits *limits; /* may be NULL */
	int64_t accepted_ms;
	struct tn_attribute *attributes;     /* value.bytes NULL: an extension that was null */
	int64_t *places;                     /* by attribute: offset in the body, or -1 */
	size_t count, capacity;
	uint32_t named, present;             /* bits by tn_attribute_which: met at all; met with a value */
	struct tn_str datacontenttype;       /* bytes NULL: not met yet */
	bool crowded;                        /* too many extensions to look for duplicates one by one: done at the end */
	bool has_data;
	struct tn_str data;
	enum tn_data_form data_form;
	struct tn_buf decoded;               /* undone base64 */
	struct tn_arena arena;
	size_t text_used;
	struct tn_attribute inline_attributes[TN_DRAFT_INLINE_ATTRIBUTES];
	int64_t inline_places[TN_DRAFT_INLINE_ATTRIBUTES];
	char inline_text[TN_DRAFT_INLINE_TEXT];
};

void tn_draft_init(struct tn_draft *draft, const struct tn_wire_limits *limits, int64_t accepted_ms);
/* Empty again, for the next event of a batch. */
void tn_draft_reset(struct tn_draft *draft);
void tn_draft_fini(struct tn_draft *draft);
/* Memory for len bytes of decoded text, until reset. */
char *tn_draft_room(struct tn_draft *draft, size_t len);
/* May an attribute have this name? tn_draft_add asks by itself. */
enum tn_status tn_draft_check_name(struct tn_str name, int64_t place, struct tn_wire_error *error) TN_MUST_CHECK;
/* Checks name and value and keeps both (borrowed). place: offset in the body, or -1. */
enum tn_status tn_draft_add(struct tn_draft *draft, struct tn_attribute attribute, int64_t place, struct tn_wire_error *error)
	TN_MUST_CHECK;
/* A member whose value is null: absent, but the name is taken. */
enum tn_status tn_draft_add_null(struct tn_draft *draft, struct tn_str name, int64_t place, struct tn_wire_error *error)
	TN_MUST_CHECK;
/* Returns owned the event, if nothing is missing and it is not too large. */
enum tn_status tn_draft_finish(struct tn_draft *draft, struct tn_event **out_event, struct tn_wire_error *error) TN_MUST_CHECK;

#endif
