// SPDX-License-Identifier: Apache-2.0
// Where the learned pages are kept: found by their key, found by what they hint, and in the order
// in which they leave. Knows nothing of sightings. One page is one piece of memory.
// Owner: struct push_learn. One thread. See also: push/push_learn.h.
#ifndef OUTRIDER_PUSH_PUSH_LEARN_PAGES_H
#define OUTRIDER_PUSH_PUSH_LEARN_PAGES_H

#include "base/list.h"
#include "push/push_learn_rules.h"

enum push_learn_tier {
    PUSH_LEARN_TIER_SEEN,      // waiting for a second witness
    PUSH_LEARN_TIER_CONFIRMED, // waiting for its first use
    PUSH_LEARN_TIER_USED,
    PUSH_LEARN_TIERS
};

struct push_learn_sighting {
    uint64_t conn_id;
    uint64_t visitor; // hash of the cookies, 0 without any
    uint64_t ms;
};

struct push_learn_page;

// One element seen from its URL: all pages that hint a URL are in one chain.
struct push_learn_target {
    struct push_learn_target *next;
    struct push_learn_target **at; // what points here
    struct push_learn_page *page;
    uint64_t hash;
};

struct push_learn_page {
    struct list_link link; // in its tier, the least recently used first
    struct push_learn_page *next;
    uint64_t hash;
    struct push_learn_key key;
    const struct slice *elements;
    struct push_learn_target *targets; // one per element
    uint32_t count;
    uint32_t hint_count;
    uint32_t left_out;
    enum push_learn_tier tier;

    // What push_learn.c knows of it. No elements: it was dropped, and remembers when.
    uint64_t fingerprint; // of the set of elements
    uint64_t wording;     // hash of the Link fields that it was last seen in, 0: not known
    struct push_learn_sighting first;
    struct push_learn_sighting last;
    uint64_t barrier_ms; // sightings before this are void: another answer, or a drop, came then
    uint64_t expires_ms;
    uint64_t shared_ms; // when the other workers were last told of it
    uint32_t sightings;
    uint32_t uses;
    bool is_own; // its first visitor has seen it on two connections
};

struct push_learn_pages {
    uint32_t limit;
    uint32_t count;
    uint32_t counts[PUSH_LEARN_TIERS];
    struct list tiers[PUSH_LEARN_TIERS];
    uint64_t mask; // of both tables of chains
    struct push_learn_page **chains;
    struct push_learn_target **target_chains;
    uint64_t evicted;
};

// What a page is to hold, chosen from a lesson.
struct push_learn_choice {
    const struct push_learn_element *const *elements; // those to be hinted first
    const uint64_t *targets;                          // hashes of their URLs
    uint32_t count;
    uint32_t hint_count;
    uint32_t left_out;
};

void push_learn_pages_init(struct push_learn_pages *pages, uint32_t limit);
void push_learn_pages_finish(struct push_learn_pages *pages);

struct push_learn_page *push_learn_pages_find(const struct push_learn_pages *pages, uint64_t hash,
                                              const struct push_learn_key *key);
// The key must not be there. Another page leaves when the table is full.
struct push_learn_page *push_learn_pages_insert(struct push_learn_pages *pages, uint64_t hash,
                                                const struct push_learn_key *key,
                                                const struct push_learn_choice *choice,
                                                uint64_t now_ms);
void push_learn_pages_remove(struct push_learn_pages *pages, struct push_learn_page *page);
// It is the most recently used of that tier now.
void push_learn_pages_touch(struct push_learn_pages *pages, struct push_learn_page *page,
                            enum push_learn_tier tier);
// A page that hints this URL, or NULL.
struct push_learn_page *push_learn_pages_hinting(const struct push_learn_pages *pages,
                                                 uint64_t target);

#endif
