/* SPDX-License-Identifier: Apache-2.0
 *
 * agree.c - array consistency, decided element by element; by exhaustive search where an event is built so that this will not do.
 *
 * Called by branch.c. In an ordinary event a field that goes on below a context (see leaves.h) does so through one array, so the fields
 * fall apart into groups, one an array, that do not constrain each other; and of each array either no element is entered, or one:
 *
 *   solve(context)   every group of it can be satisfied
 *   solve_group      by the leaves directly in the context alone; or by those and solve(one element of the array)
 *
 * Each leaf is looked at once a level, so the work is about linear in the leaves; a limit keeps it there. An element counts as entered
 * only when some leaf in it is chosen, for absence is judged within the elements that were. A name that is there twice can lead one path
 * into two arrays at once; then choices multiply, and the plain search decides within its work limit. One thread.
 */
#include "agree.h"

#include <stdlib.h>

enum { NO_ARRAY = 0 };
#define NO_ELEMENT UINT32_MAX

struct tn_agree_entry {
	uint32_t context;
	bool accepted;
};
struct tn_agree_span {
	uint32_t low, high;    /* entries of one field within one context */
	bool required;         /* not yet satisfied further out */
	bool absence;          /* may be absent as far as was seen further out */
	bool direct, present;  /* an accepted leaf, any leaf, directly in the context */
	uint32_t array;        /* the array it goes on through, or NO_ARRAY */
	uint32_t at;           /* search: the entry chosen; group: how far elements were looked at */
	uint32_t element;      /* the element that entry `at` is in, or NO_ELEMENT */
};
struct verdict {
	bool any;  /* can be satisfied */
	bool some; /* can be satisfied with at least one leaf chosen in here */
};

void tn_agree_fini(struct tn_agree *agree)
{
	free(agree->entries);
	free(agree->spans);
	*agree = (struct tn_agree){0};
}

void tn_agree_begin(struct tn_agree *agree, const struct tn_context *contexts)
{
	agree->contexts = contexts;
	agree->entry_count = agree->field_count = agree->span_count = agree->work = 0;
	agree->tangled = false;
}

static void add_span(struct tn_agree *agree, struct tn_agree_span span)
{
	if (agree->span_count == agree->span_capacity) {
		agree->span_capacity = agree->span_capacity ? agree->span_capacity * 2 : 32;
		agree->spans = realloc(agree->spans, agree->span_capacity * sizeof *agree->spans);
		if (!agree->spans)
			abort();
	}
	agree->spans[agree->span_count++] = span;
}

void tn_agree_field(struct tn_agree *agree, bool absence)
{
	add_span(agree, (struct tn_agree_span){
		.low = agree->entry_count, .high = agree->entry_count, .required = true, .absence = absence});
	agree->field_count = agree->span_count;
}

void tn_agree_leaf(struct tn_agree *agree, uint32_t context, bool accepted)
{
	struct tn_agree_span *span = &agree->spans[agree->span_count - 1];
	if (span->high > span->low && agree->entries[span->high - 1].context == context) {
		agree->entries[span->high - 1].accepted |= accepted;
		return;
	}
	if (agree->entry_count == agree->entry_capacity) {
		agree->entry_capacity = agree->entry_capacity ? agree->entry_capacity * 2 : 64;
		agree->entries = realloc(agree->entries, agree->entry_capacity * sizeof *agree->entries);
		if (!agree->entries)
			abort();
	}
	agree->entries[agree->entry_count++] = (struct tn_agree_entry){context, accepted};
	span->high = agree->entry_count;
}

/* The element right below context on the way to inner; inner is not context. */
static uint32_t child_towards(struct tn_agree *agree, uint32_t context, uint32_t inner)
{
	for (; agree->contexts[inner].parent != context; inner = agree->contexts[inner].parent)
		agree->work++;
	return inner;
}

/* Moves the span to the next entry that is in some element below context. */
static void seek_element(struct tn_agree *agree, uint32_t context, struct tn_agree_span *span)
{
	for (; span->at < span->high && agree->entries[span->at].context == context; span->at++)
		agree->work++;
	span->element = span->at == span->high ? NO_ELEMENT :
		child_towards(agree, context, agree->entries[span->at].context);
}

/* Moves the span behind the last entry of its element; answers that place. */
static uint32_t pass_element(struct tn_agree *agree, struct tn_agree_span *span)
{
	uint32_t end = agree->contexts[span->element].end;
	while (span->at < span->high && agree->entries[span->at].context >= span->element &&
		agree->entries[span->at].context < end) {
		span->at++;
		agree->work++;
	}
	return span->at;
}

/* What the span has directly in context, and through which array it goes on. */
static void survey(struct tn_agree *agree, uint32_t context, struct tn_agree_span *span)
{
	span->direct = span->present = false;
	span->array = NO_ARRAY;
	for (uint32_t i = span->low; i < span->high; i++)
		if (agree->entries[i].context == context) {
			span->present = true;
			span->direct |= agree->entries[i].accepted;
		}
	span->at = span->low;
	for (seek_element(agree, context, span); span->element != NO_ELEMENT; seek_element(agree, context, span)) {
		uint32_t array = agree->contexts[span->element].array;
		if (span->array != NO_ARRAY && span->array != array)
			agree->tangled = true;
		span->array = array;
		pass_element(agree, span);
	}
	span->at = span->low;
	seek_element(agree, context, span);
}

static bool gave_up(const struct tn_agree *agree)
{
	return agree->tangled || agree->work >= TN_AGREE_WORK_LIMIT;
}

static struct verdict solve(struct tn_agree *agree, uint32_t context, uint32_t first, uint32_t end);

/* The next element of the array in which any span of the group has a leaf. */
static uint32_t next_element(const struct tn_agree *agree, uint32_t array, uint32_t first, uint32_t end)
{
	uint32_t next = NO_ELEMENT;
	for (uint32_t i = first; i < end; i++)
		if (agree->spans[i].array == array && agree->spans[i].element < next)
			next = agree->spans[i].element;
	return next;
}

/* Pushes what the group's spans have in the element, and moves them past it. */
static void enter_element(struct tn_agree *agree, uint32_t context, uint32_t element, uint32_t array, uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i++) {
		struct tn_agree_span *span = &agree->spans[i];
		if (span->array != array)
			continue;
		struct tn_agree_span inner = {
			.low = span->at,
			.high = span->at,
			.required = span->required && !span->direct,
			.absence = span->absence && !span->present,
		};
		if (span->element == element) {
			inner.high = pass_element(agree, span);
			seek_element(agree, context, span);
		}
		add_span(agree, inner);
	}
}

static struct verdict solve_group(struct tn_agree *agree, uint32_t context, uint32_t array, uint32_t first, uint32_t end)
{
	bool outside = true, direct = false;
	for (uint32_t i = first; i < end; i++)
		if (agree->spans[i].array == array) {
			outside &= !agree->spans[i].required || agree->spans[i].direct;
			direct |= agree->spans[i].direct;
		}
	uint32_t element;
	while (!gave_up(agree) && (element = next_element(agree, array, first, end)) != NO_ELEMENT) {
		uint32_t mark = agree->span_count;
		enter_element(agree, context, element, array, first, end);
		bool found = solve(agree, element, mark, agree->span_count).some;
		agree->span_count = mark;
		if (found)
			return (struct verdict){true, true};
	}
	return (struct verdict){outside, outside && direct};
}

static struct verdict solve(struct tn_agree *agree, uint32_t context, uint32_t first, uint32_t end)
{
	static const struct verdict no = {false, false};
	bool some = false;
	for (uint32_t i = first; i < end; i++) {
		struct tn_agree_span *span = &agree->spans[i];
		survey(agree, context, span);
		bool absent = span->absence && !span->present;
		if (span->array == NO_ARRAY && span->required && !span->direct && !absent)
			return no;
		some |= span->direct && span->array == NO_ARRAY;
	}
	for (uint32_t i = first; i < end && !gave_up(agree); i++) {
		uint32_t array = agree->spans[i].array;
		bool done = array == NO_ARRAY;
		for (uint32_t j = first; j < i && !done; j++)
			done = agree->spans[j].array == array;
		if (done)
			continue;
		struct verdict group = solve_group(agree, context, array, first, end);
		if (!group.any)
			return no;
		some |= group.some;
	}
	return (struct verdict){!gave_up(agree), some && !gave_up(agree)};
}

/* Are a and b in different elements of one array? Then their ways from the root part at that array. */
static bool conflict(const struct tn_agree *agree, uint32_t a, uint32_t b)
{
	const struct tn_context *contexts = agree->contexts;
	while (contexts[a].depth > contexts[b].depth)
		a = contexts[a].parent;
	while (contexts[b].depth > contexts[a].depth)
		b = contexts[b].parent;
	while (a != b && contexts[a].parent != contexts[b].parent) {
		a = contexts[a].parent;
		b = contexts[b].parent;
	}
	return a != b && contexts[a].array == contexts[b].array;
}

enum { ABSENT = UINT32_MAX };

/* Does the entry agree with what the first `fields` fields chose? */
static bool agrees(struct tn_agree *agree, uint32_t entry, uint32_t fields)
{
	for (uint32_t i = 0; i < fields; i++) {
		uint32_t chosen = agree->spans[i].at;
		agree->work++;
		if (chosen != ABSENT && conflict(agree, agree->entries[entry].context, agree->entries[chosen].context))
			return false;
	}
	return true;
}

static bool absences_hold(struct tn_agree *agree)
{
	for (uint32_t i = 0; i < agree->field_count; i++) {
		const struct tn_agree_span *span = &agree->spans[i];
		for (uint32_t entry = span->low; span->at == ABSENT && entry < span->high; entry++)
			if (agrees(agree, entry, agree->field_count))
				return false;
	}
	return true;
}

static bool search(struct tn_agree *agree, uint32_t field)
{
	if (field == agree->field_count)
		return absences_hold(agree);
	struct tn_agree_span *span = &agree->spans[field];
	for (uint32_t entry = span->low; entry < span->high && agree->work < TN_AGREE_WORK_LIMIT; entry++) {
		agree->work++;
		if (!agree->entries[entry].accepted || !agrees(agree, entry, field))
			continue;
		span->at = entry;
		if (search(agree, field + 1))
			return true;
	}
	span->at = ABSENT;
	return span->absence && agree->work < TN_AGREE_WORK_LIMIT && search(agree, field + 1);
}

enum tn_status tn_agree_search(struct tn_agree *agree, bool *out_agree)
{
	agree->work = 0;
	bool found = search(agree, 0);
	if (!found && agree->work >= TN_AGREE_WORK_LIMIT)
		return TN_TOO_LARGE;
	*out_agree = found;
	return TN_OK;
}

enum tn_status tn_agree_decide(struct tn_agree *agree, bool *out_agree)
{
	bool found = solve(agree, 0, 0, agree->field_count).any;
	agree->span_count = agree->field_count;
	if (agree->tangled)
		return tn_agree_search(agree, out_agree);
	if (!found && gave_up(agree))
		return TN_TOO_LARGE;
	*out_agree = found;
	return TN_OK;
}
