/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An intrusive doubly linked ring: the object owns its node, the head is a node
 * of its own. Removing the current element inside list_each is safe.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

/* Into no list yet, or out of it: both have NULL links or point to themselves. */
static inline bool list_linked(const struct list *n)
{
	return n->next && n->next != n;
}

static inline void list_append(struct list *head, struct list *n)
{
	n->prev = head->prev;
	n->next = head;
	head->prev->next = n;
	head->prev = n;
}

static inline void list_prepend(struct list *head, struct list *n)
{
	list_append(head->next, n);
}

static inline void list_remove(struct list *n)
{
	if (!n->next)
		return;
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->prev = n->next = NULL;
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_first(head, type, member)                                                             \
	(list_empty(head) ? NULL : list_entry((head)->next, type, member))
#define list_each(var, head, type, member)                                                         \
	for (struct list *var##_n = (head)->next, *var##_x = var##_n->next;                        \
	     var##_n != (head); var##_n = var##_x, var##_x = var##_n->next)                        \
		for (type *var = list_entry(var##_n, type, member); var; var = NULL)

#endif
