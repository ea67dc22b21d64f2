// SPDX-License-Identifier: Apache-2.0
// The visits under way: which documents a connection asked for a short time ago, and which of their
// parts it asked for since. A fixed number; the oldest ends when another begins.
// Owner: struct push_learn_behaviour. One thread. See also: push_learn_habits.h.
#ifndef OUTRIDER_PUSH_PUSH_LEARN_VISITS_H
#define OUTRIDER_PUSH_PUSH_LEARN_VISITS_H

#include "base/list.h"
#include "push/push_learn_behaviour.h"

enum { PUSH_LEARN_VISIT_CHAINS = 2 * PUSH_LEARN_BEHAVIOUR_OPEN };

struct push_learn_visit {
    struct list_link link; // in idle, or in open: the oldest first
    struct push_learn_visit *next;
    uint64_t hash; // of connection and URL
    uint64_t conn_id;
    uint64_t page;     // hash of the page's key
    uint64_t habit_id; // of the habit that `parts` is about; 0 while there is none
    uint64_t started_ms;
    uint32_t parts; // one bit per part of the habit
    bool has_credentials;
    bool counts; // the document was answered, and may be learned from
};

struct push_learn_visits {
    struct list idle;
    struct list open;
    struct push_learn_visit *chains[PUSH_LEARN_VISIT_CHAINS];
    struct push_learn_visit rows[PUSH_LEARN_BEHAVIOUR_OPEN];
};

void push_learn_visits_init(struct push_learn_visits *visits);
// The last begun one of that connection and URL, or NULL.
struct push_learn_visit *push_learn_visits_find(struct push_learn_visits *visits, uint64_t hash);
// The oldest one that is over, or that has to make room for another; NULL when there is none.
struct push_learn_visit *push_learn_visits_over(struct push_learn_visits *visits, uint64_t now_ms,
                                                bool is_room_needed);
struct push_learn_visit *push_learn_visits_begin(struct push_learn_visits *visits, uint64_t hash);
void push_learn_visits_end(struct push_learn_visits *visits, struct push_learn_visit *visit);

#endif
