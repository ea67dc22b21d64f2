// SPDX-License-Identifier: Apache-2.0
#include "push_learn_visits.h"

static struct push_learn_visit **chain_of(struct push_learn_visits *visits, uint64_t hash);

void push_learn_visits_init(struct push_learn_visits *visits) {
    list_init(&visits->idle);
    list_init(&visits->open);
    for (unsigned i = 0; i < PUSH_LEARN_BEHAVIOUR_OPEN; i++) {
        list_append(&visits->idle, &visits->rows[i].link);
    }
}

struct push_learn_visit *push_learn_visits_over(struct push_learn_visits *visits, uint64_t now_ms,
                                                bool is_room_needed) {
    struct list_link *first = list_first(&visits->open);
    if (first == NULL) {
        return NULL;
    }
    struct push_learn_visit *visit = LIST_ENTRY(first, struct push_learn_visit, link);
    bool is_over = now_ms >= visit->started_ms + PUSH_LEARN_BEHAVIOUR_VISIT_MS;
    return is_over || (is_room_needed && list_is_empty(&visits->idle)) ? visit : NULL;
}

struct push_learn_visit *push_learn_visits_begin(struct push_learn_visits *visits, uint64_t hash) {
    struct list_link *link = list_take_first(&visits->idle);
    ensure(link != NULL);
    struct push_learn_visit *visit = LIST_ENTRY(link, struct push_learn_visit, link);
    struct push_learn_visit **chain = chain_of(visits, hash);
    *visit = (struct push_learn_visit){.hash = hash, .next = *chain};
    *chain = visit;
    list_append(&visits->open, &visit->link);
    return visit;
}

struct push_learn_visit *push_learn_visits_find(struct push_learn_visits *visits, uint64_t hash) {
    struct push_learn_visit *visit = *chain_of(visits, hash);
    while (visit != NULL && visit->hash != hash) {
        visit = visit->next;
    }
    return visit;
}

void push_learn_visits_end(struct push_learn_visits *visits, struct push_learn_visit *visit) {
    struct push_learn_visit **at = chain_of(visits, visit->hash);
    while (*at != visit) {
        at = &(*at)->next;
    }
    *at = visit->next;
    list_remove(&visit->link);
    list_append(&visits->idle, &visit->link);
}

static struct push_learn_visit **chain_of(struct push_learn_visits *visits, uint64_t hash) {
    return &visits->chains[hash % PUSH_LEARN_VISIT_CHAINS];
}
