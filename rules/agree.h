/* SPDX-License-Identifier: Apache-2.0
 *
 * agree.h - array consistency (event-patterns.md section 3): can each field be given a leaf, or absence, so that no two of them sit in
 * different elements of one array?
 *
 * Asked only where leaves inside arrays decide; branch.c answers the ordinary case without. Use: begin, then for each field
 * tn_agree_field and its leaves in reading order, then decide. Of a field that may be absent give all leaves, of others at least the
 * accepted ones. The memory is kept from use to use. One thread.
 */
#ifndef TURNOUT_RULES_AGREE_H
#define TURNOUT_RULES_AGREE_H

#include "leaves.h"
#include "turnout/status.h"

enum { TN_AGREE_WORK_LIMIT = 20000000 }; /* steps that one decision may take: some ten milliseconds */

struct tn_agree_entry;
struct tn_agree_span;
struct tn_agree { /* {0} */
	const struct tn_context *contexts;
	struct tn_agree_entry *entries;
	uint32_t entry_count, entry_capacity;
	struct tn_agree_span *spans; /* one a field; above them those of the elements being looked into */
	uint32_t field_count, span_count, span_capacity;
	uint32_t work;
	bool tangled;
};

void tn_agree_fini(struct tn_agree *agree);
void tn_agree_begin(struct tn_agree *agree, const struct tn_context *contexts);
/* absence: the field may also be absent. */
void tn_agree_field(struct tn_agree *agree, bool absence);
void tn_agree_leaf(struct tn_agree *agree, uint32_t context, bool accepted);
/* TN_TOO_LARGE: the work limit was reached: an event that gives one path to several arrays (by a name that is there twice), or hundreds
 * of thousands of leaves very deep in arrays. */
enum tn_status tn_agree_decide(struct tn_agree *agree, bool *out_agree) TN_MUST_CHECK;
/* The same by trying everything: the definition, word for word. */
enum tn_status tn_agree_search(struct tn_agree *agree, bool *out_agree) TN_MUST_CHECK;

#endif
