/* SPDX-License-Identifier: Apache-2.0
 *
 * list.h - intrusive doubly linked lists: the member brings its own link, so joining and leaving cannot fail.
 *
 * A list is a ring through its head. A link that stands in no list is zero; tn_link_leave is then harmless.
 */
#ifndef TURNOUT_LIST_H
#define TURNOUT_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct tn_link {
	struct tn_link *next, *prev;
};
struct tn_list {
	struct tn_link head;
};

/* The struct whose member `member` this link is. */
#define TN_OWNER(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

static inline void tn_list_init(struct tn_list *list)
{
	list->head.next = list->head.prev = &list->head;
}
static inline bool tn_list_empty(const struct tn_list *list)
{
	return list->head.next == &list->head;
}
static inline void tn_link_insert_after(struct tn_link *place, struct tn_link *link)
{
	link->prev = place;
	link->next = place->next;
	place->next->prev = link;
	place->next = link;
}
static inline void tn_list_push(struct tn_list *list, struct tn_link *link) /* at the end */
{
	tn_link_insert_after(list->head.prev, link);
}
static inline void tn_list_push_first(struct tn_list *list, struct tn_link *link)
{
	tn_link_insert_after(&list->head, link);
}
static inline void tn_link_leave(struct tn_link *link)
{
	if (link->next == NULL)
		return;
	link->next->prev = link->prev;
	link->prev->next = link->next;
	link->next = link->prev = NULL;
}
static inline bool tn_link_in_list(const struct tn_link *link)
{
	return link->next != NULL;
}
static inline struct tn_link *tn_list_first(const struct tn_list *list) /* NULL when empty */
{
	return tn_list_empty(list) ? NULL : list->head.next;
}
static inline struct tn_link *tn_list_pop(struct tn_list *list)
{
	struct tn_link *link = tn_list_first(list);
	if (link != NULL)
		tn_link_leave(link);
	return link;
}
/* The one behind link, or NULL at the end. */
static inline struct tn_link *tn_list_next(const struct tn_list *list, const struct tn_link *link)
{
	return link->next == &list->head ? NULL : link->next;
}
/* All of from, in order, to the end of to. */
static inline void tn_list_append(struct tn_list *to, struct tn_list *from)
{
	if (tn_list_empty(from))
		return;
	from->head.next->prev = to->head.prev;
	to->head.prev->next = from->head.next;
	from->head.prev->next = &to->head;
	to->head.prev = from->head.prev;
	tn_list_init(from);
}

#endif
