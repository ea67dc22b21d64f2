// SPDX-License-Identifier: Apache-2.0
#include "push_learn_habits.h"

#include "base/alloc.h"

enum { MIN_CHAINS = 16, ROOM_SHARE = 8, WINDOW_MASK = (1 << PUSH_LEARN_BEHAVIOUR_WINDOW) - 1 };

static void make_room(struct push_learn_habits *habits);
static struct slice put(char **text, struct slice bytes);
static int place_of_element(const struct push_learn_habit *habit, struct slice element);
static int spare_place(const struct push_learn_habit *habit);
static unsigned count_visits(const struct push_learn_part *part);
static void count_part(struct push_learn_part *part, const struct push_learn_visit *visit,
                       bool had_it);
static void free_part(struct push_learn_habits *habits, struct push_learn_part *part);
static bool forget_in(struct push_learn_habits *habits, const struct list *list, uint64_t url);

void push_learn_habits_init(struct push_learn_habits *habits, uint32_t limit) {
    uint64_t chains = MIN_CHAINS;
    while (chains < 2 * (uint64_t)limit) {
        chains *= 2;
    }
    *habits = (struct push_learn_habits){.limit = limit, .mask = chains - 1};
    habits->chains = alloc_zeroed(chains, sizeof(struct push_learn_habit *));
    list_init(&habits->young);
    list_init(&habits->ripe);
}

struct push_learn_habit *push_learn_habits_find(struct push_learn_habits *habits, uint64_t hash,
                                                const struct push_learn_key *key, uint64_t now_ms) {
    struct push_learn_habit *habit = habits->chains[hash & habits->mask];
    while (habit != NULL &&
           (habit->hash != hash || !push_learn_rules_key_equal(&habit->key, key))) {
        habit = habit->next;
    }
    if (habit != NULL && now_ms >= habit->expires_ms) {
        push_learn_habits_remove(habits, habit);
        habit = NULL;
    }
    return habit;
}

// --- pages ------------------------------------------------------------------------------------

struct push_learn_habit *push_learn_habits_insert(struct push_learn_habits *habits, uint64_t hash,
                                                  const struct push_learn_key *key,
                                                  uint64_t now_ms) {
    if (habits->count == habits->limit) {
        make_room(habits);
    }
    struct push_learn_habit *habit =
        alloc_bytes(sizeof(*habit) + key->scheme.length + key->authority.length + key->path.length);
    char *text = (char *)(habit + 1);
    *habit = (struct push_learn_habit){
        .hash = hash,
        .next = habits->chains[hash & habits->mask],
        .id = ++habits->last_id,
        .key = {.scheme = put(&text, key->scheme),
                .authority = put(&text, key->authority),
                .path = put(&text, key->path),
                .has_credentials = key->has_credentials},
        .expires_ms = now_ms + PUSH_LEARN_LIFE_MS,
    };
    habits->chains[hash & habits->mask] = habit;
    habits->count++;
    list_append(&habits->young, &habit->link);
    return habit;
}

static struct slice put(char **text, struct slice bytes) {
    struct slice copy = slice_of(*text, bytes.length);
    memcpy(*text, bytes.data, bytes.length);
    *text += bytes.length;
    return copy;
}

static void make_room(struct push_learn_habits *habits) {
    bool has_young = habits->count - habits->ripe_count > habits->limit / ROOM_SHARE;
    struct list_link *link = list_first(has_young ? &habits->young : &habits->ripe);
    push_learn_habits_remove(habits, LIST_ENTRY(link, struct push_learn_habit, link));
}

void push_learn_habits_touch(struct push_learn_habits *habits, struct push_learn_habit *habit) {
    bool is_ripe = habit->visits >= PUSH_LEARN_BEHAVIOUR_MIN_VISITS;
    habits->ripe_count += (is_ripe ? 1U : 0U) - (habit->is_ripe ? 1U : 0U);
    habit->is_ripe = is_ripe;
    list_remove(&habit->link);
    list_append(is_ripe ? &habits->ripe : &habits->young, &habit->link);
}

void push_learn_habits_remove(struct push_learn_habits *habits, struct push_learn_habit *habit) {
    struct push_learn_habit **at = &habits->chains[habit->hash & habits->mask];
    while (*at != habit) {
        at = &(*at)->next;
    }
    *at = habit->next;
    for (unsigned i = 0; i < PUSH_LEARN_BEHAVIOUR_PARTS; i++) {
        free_part(habits, &habit->parts[i]);
    }
    list_remove(&habit->link);
    habits->count--;
    habits->ripe_count -= habit->is_ripe ? 1U : 0U;
    free(habit);
}

// --- parts ------------------------------------------------------------------------------------

int push_learn_habits_place(struct push_learn_habits *habits, struct push_learn_habit *habit,
                            struct slice element, uint64_t url,
                            const struct destination *destination) {
    int place = place_of_element(habit, element);
    if (place >= 0) {
        return place;
    }
    place = spare_place(habit);
    if (place < 0) {
        return place;
    }
    struct push_learn_part *part = &habit->parts[place];
    free_part(habits, part);
    char *text = alloc_bytes(element.length);
    memcpy(text, element.data, element.length);
    *part = (struct push_learn_part){
        .element = slice_of(text, element.length), .url = url, .destination = destination};
    habits->urls[url % PUSH_LEARN_HABIT_URLS]++;
    return place;
}

static int place_of_element(const struct push_learn_habit *habit, struct slice element) {
    for (int i = 0; i < PUSH_LEARN_BEHAVIOUR_PARTS; i++) {
        if (slice_equal(habit->parts[i].element, element)) {
            return i;
        }
    }
    return -1;
}

int push_learn_habits_place_of(const struct push_learn_habit *habit, uint64_t url) {
    for (int i = 0; i < PUSH_LEARN_BEHAVIOUR_PARTS; i++) {
        if (habit->parts[i].element.length > 0 && habit->parts[i].url == url) {
            return i;
        }
    }
    return -1;
}

// A free one, or of those that neither the last visit nor one under way had the least seen.
static int spare_place(const struct push_learn_habit *habit) {
    int best = -1;
    for (int i = 0; i < PUSH_LEARN_BEHAVIOUR_PARTS; i++) {
        const struct push_learn_part *part = &habit->parts[i];
        if (part->element.length == 0) {
            return i;
        }
        if (part->open == 0 && (part->visits & 1) == 0 &&
            (best < 0 || count_visits(part) < count_visits(&habit->parts[best]))) {
            best = i;
        }
    }
    return best;
}

static unsigned count_visits(const struct push_learn_part *part) {
    return (unsigned)__builtin_popcount(part->visits);
}

void push_learn_habits_count(struct push_learn_habits *habits, struct push_learn_habit *habit,
                             const struct push_learn_visit *visit) {
    habit->visits += visit->counts && habit->visits < PUSH_LEARN_BEHAVIOUR_WINDOW;
    for (unsigned i = 0; i < PUSH_LEARN_BEHAVIOUR_PARTS; i++) {
        struct push_learn_part *part = &habit->parts[i];
        bool had_it = (visit->parts >> i & 1) != 0;
        part->open = (uint16_t)(part->open - had_it);
        if (visit->counts) {
            count_part(part, visit, had_it);
        }
        if (part->visits == 0 && part->open == 0) {
            free_part(habits, part);
        }
    }
    if (visit->counts) {
        habit->expires_ms = visit->started_ms + PUSH_LEARN_LIFE_MS;
        push_learn_habits_touch(habits, habit);
    }
}

static void count_part(struct push_learn_part *part, const struct push_learn_visit *visit,
                       bool had_it) {
    if (had_it && part->visits == 0) {
        part->conn_id = visit->conn_id;
        part->has_two_clients = false;
    }
    part->has_two_clients |= had_it && part->conn_id != visit->conn_id;
    part->visits = (uint16_t)((part->visits << 1 | had_it) & WINDOW_MASK);
}

// Two clients, as for links: one alone may not decide what all are told.
bool push_learn_habits_is_candidate(const struct push_learn_habit *habit,
                                    const struct push_learn_part *part) {
    return habit->visits >= PUSH_LEARN_BEHAVIOUR_MIN_VISITS && part->has_two_clients &&
           count_visits(part) * 100 >= habit->visits * PUSH_LEARN_BEHAVIOUR_PERCENT;
}

bool push_learn_habits_forget(struct push_learn_habits *habits, uint64_t url) {
    if (habits->urls[url % PUSH_LEARN_HABIT_URLS] == 0) {
        return false;
    }
    bool was_young = forget_in(habits, &habits->young, url);
    return forget_in(habits, &habits->ripe, url) || was_young;
}

// A part that a visit under way has keeps its place, unseen, until that ends.
static bool forget_in(struct push_learn_habits *habits, const struct list *list, uint64_t url) {
    bool has_found = false;
    LIST_EACH(list, link) {
        struct push_learn_habit *habit = LIST_ENTRY(link, struct push_learn_habit, link);
        for (unsigned i = 0; i < PUSH_LEARN_BEHAVIOUR_PARTS; i++) {
            struct push_learn_part *part = &habit->parts[i];
            if (part->element.length > 0 && part->url == url) {
                has_found = true;
                part->visits = 0;
                part->has_two_clients = false;
                if (part->open == 0) {
                    free_part(habits, part);
                }
            }
        }
    }
    return has_found;
}

static void free_part(struct push_learn_habits *habits, struct push_learn_part *part) {
    if (part->element.length > 0) {
        habits->urls[part->url % PUSH_LEARN_HABIT_URLS]--;
        free((void *)(uintptr_t)part->element.data);
    }
    *part = (struct push_learn_part){.element = SLICE_EMPTY};
}

void push_learn_habits_finish(struct push_learn_habits *habits) {
    while (habits->count > 0) {
        struct list *list = list_is_empty(&habits->young) ? &habits->ripe : &habits->young;
        push_learn_habits_remove(habits,
                                 LIST_ENTRY(list_first(list), struct push_learn_habit, link));
    }
    free(habits->chains);
}
