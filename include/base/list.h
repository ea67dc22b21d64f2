// SPDX-License-Identifier: Apache-2.0
// Intrusive doubly linked list. The link lives inside the element; the list owns nothing.
// A zeroed link is in no list. One thread.
#ifndef OUTRIDER_BASE_LIST_H
#define OUTRIDER_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/ensure.h"

struct list_link {
    struct list_link *next;
    struct list_link *previous;
};

struct list {
    struct list_link head; // head.next is the first element, head.previous the last
};

#define LIST_ENTRY(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void list_init(struct list *list) {
    list->head.next = list->head.previous = &list->head;
}

static inline bool list_is_empty(const struct list *list) {
    return list->head.next == &list->head;
}

static inline bool list_link_is_in_list(const struct list_link *link) {
    return link->next != NULL;
}

static inline void list_insert_before(struct list_link *position, struct list_link *link) {
    ensure(link->next == NULL);
    link->next = position;
    link->previous = position->previous;
    position->previous->next = link;
    position->previous = link;
}

static inline void list_append(struct list *list, struct list_link *link) {
    list_insert_before(&list->head, link);
}

static inline void list_prepend(struct list *list, struct list_link *link) {
    list_insert_before(list->head.next, link);
}

// Harmless on a link that is in no list.
static inline void list_remove(struct list_link *link) {
    if (link->next != NULL) {
        link->next->previous = link->previous;
        link->previous->next = link->next;
        link->next = link->previous = NULL;
    }
}

// The first link, or NULL.
static inline struct list_link *list_first(const struct list *list) {
    return list_is_empty(list) ? NULL : list->head.next;
}

static inline struct list_link *list_last(const struct list *list) {
    return list_is_empty(list) ? NULL : list->head.previous;
}

static inline struct list_link *list_take_first(struct list *list) {
    struct list_link *first = list_first(list);
    if (first != NULL) {
        list->head.next = first->next;
        first->next->previous = &list->head;
        first->next = first->previous = NULL;
    }
    return first;
}

// Safe against removal of `link` inside the loop, not of its neighbour.
// NOLINTBEGIN(bugprone-macro-parentheses): what declares a name can't stand in parentheses
#define LIST_EACH(list, link)                                                                      \
    for (struct list_link *link = (list)->head.next, *link##_next = link->next;                    \
         link != &(list)->head; link = link##_next, link##_next = link->next)
// NOLINTEND(bugprone-macro-parentheses)

#endif
