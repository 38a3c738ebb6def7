/* SPDX-License-Identifier: MIT */
/* Intrusive circular doubly linked list. The owner's lock protects it. */
#pragma once

#include <kr/types.h>

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(name)  \
    {                    \
        &(name), &(name) \
    }

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_insert_between(struct list *n, struct list *prev, struct list *next)
{
    n->prev = prev;
    n->next = next;
    prev->next = n;
    next->prev = n;
}

static inline void list_add(struct list *n, struct list *head)
{
    list_insert_between(n, head, head->next);
}

static inline void list_add_tail(struct list *n, struct list *head)
{
    list_insert_between(n, head->prev, head);
}

/* Unlinks and re-initialises `n`, so that removing twice is harmless. */
static inline void list_del(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}

#define list_entry(p, type, member)          container_of(p, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_for_each(p, head)               for (p = (head)->next; p != (head); p = p->next)
#define list_for_each_entry(p, head, member)                                         \
    for (p = list_entry((head)->next, __typeof__(*p), member); &p->member != (head); \
         p = list_entry(p->member.next, __typeof__(*p), member))
#define list_for_each_entry_safe(p, tmp, head, member)            \
    for (p = list_entry((head)->next, __typeof__(*p), member),    \
        tmp = list_entry(p->member.next, __typeof__(*p), member); \
         &p->member != (head); p = tmp, tmp = list_entry(p->member.next, __typeof__(*p), member))
