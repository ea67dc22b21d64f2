// SPDX-License-Identifier: Apache-2.0
// What the visits of a page had in common: per page a few parts, per part one bit for each of the
// last visits. Bounded; pages with too few visits leave before those that have candidates, each the
// least recently used first, but keep an eighth of the room.
// Owner: struct push_learn_behaviour. One thread. See also: push/push_learn_behaviour.h.
#ifndef OUTRIDER_PUSH_PUSH_LEARN_HABITS_H
#define OUTRIDER_PUSH_PUSH_LEARN_HABITS_H

#include "base/list.h"
#include "http/destination.h"
#include "push/push_learn_behaviour.h"
#include "push_learn_visits.h"

struct push_learn_part {
    struct slice element; // owned; no data: the place is free
    uint64_t url;         // hash of authority and path
    const struct destination *destination;
    uint16_t visits;      // one bit per visit in the window, the last one lowest
    uint16_t open;        // visits under way that have it
    bool has_two_clients; // seen by more than one connection
    uint64_t conn_id;     // of the first
};

struct push_learn_habit {
    struct list_link link;
    struct push_learn_habit *next;
    uint64_t hash;
    uint64_t id; // never used twice: tells a page from one that came after it
    struct push_learn_key key;
    bool is_ripe;    // in the list of those with enough visits
    unsigned visits; // in the window
    uint32_t uses;
    uint64_t expires_ms;
    struct push_learn_part parts[PUSH_LEARN_BEHAVIOUR_PARTS];
};

enum { PUSH_LEARN_HABIT_URLS = 4096 };

struct push_learn_habits {
    uint32_t limit;
    uint32_t count;
    uint32_t ripe_count;
    uint64_t last_id;
    uint64_t mask;
    struct push_learn_habit **chains;
    struct list young;
    struct list ripe;
    uint16_t urls[PUSH_LEARN_HABIT_URLS]; // parts per hash of their URLs: most URLs are no part
};

void push_learn_habits_init(struct push_learn_habits *habits, uint32_t limit);
void push_learn_habits_finish(struct push_learn_habits *habits);

struct push_learn_habit *push_learn_habits_find(struct push_learn_habits *habits, uint64_t hash,
                                                const struct push_learn_key *key, uint64_t now_ms);
struct push_learn_habit *push_learn_habits_insert(struct push_learn_habits *habits, uint64_t hash,
                                                  const struct push_learn_key *key,
                                                  uint64_t now_ms);
void push_learn_habits_remove(struct push_learn_habits *habits, struct push_learn_habit *habit);
void push_learn_habits_touch(struct push_learn_habits *habits, struct push_learn_habit *habit);

// The place of that element, taken for it if need be; -1 when all are in use.
int push_learn_habits_place(struct push_learn_habits *habits, struct push_learn_habit *habit,
                            struct slice element, uint64_t url,
                            const struct destination *destination);
// Without taking one; -1 when there is none of that URL.
int push_learn_habits_place_of(const struct push_learn_habit *habit, uint64_t url);
// A visit is over. One that does not count only lets its parts go.
void push_learn_habits_count(struct push_learn_habits *habits, struct push_learn_habit *habit,
                             const struct push_learn_visit *visit);
bool push_learn_habits_is_candidate(const struct push_learn_habit *habit,
                                    const struct push_learn_part *part);
// Forgets a URL on all pages. False when none has it.
bool push_learn_habits_forget(struct push_learn_habits *habits, uint64_t url);

#endif
