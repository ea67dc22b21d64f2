// SPDX-License-Identifier: Apache-2.0
// The inside of the learned table, shared by push_learn.c (what is asked of it), push_learn_sight.c
// (what a sighting changes) and push_learn_share.c (what other workers are told).
// Owner: see push/push_learn.h. One thread.
#ifndef OUTRIDER_PUSH_PUSH_LEARN_IMPL_H
#define OUTRIDER_PUSH_PUSH_LEARN_IMPL_H

#include "http/link_header.h"
#include "push/push_learn.h"
#include "push_learn_pages.h"

enum { PUSH_LEARN_BADS = 256 };

// URLs that answered 4xx while a page hinted them: a hash table of one entry per place, so a second
// one takes the place of the first, whose pages are then merely learned, and dropped, once more.
struct push_learn_bad {
    uint64_t hash;
    uint64_t until_ms;
};

struct push_learn {
    uint64_t seed;
    uint32_t page_bytes;
    bool is_alone; // no other workers: nobody takes records
    struct push_learn_pages pages;
    struct push_learn_bad bads[PUSH_LEARN_BADS];
    uint64_t bads_until_ms; // of the last one
    struct buffer outbox;
    struct push_learn_stats stats;
    struct slice found[LINK_MAX_ELEMENTS]; // what the last find gave, when some were left out
};

// --- push_learn.c -----------------------------------------------------------------------------
uint64_t push_learn_hash_key(const struct push_learn *learn, const struct push_learn_key *key);
uint64_t push_learn_hash_url(const struct push_learn *learn, struct slice authority,
                             struct slice path);
// The page, unless its life is over: then it is removed.
struct push_learn_page *push_learn_get(struct push_learn *learn, const struct push_learn_key *key,
                                       uint64_t now_ms);
// Drops all pages that hint it. False when there was none.
bool push_learn_forbid(struct push_learn *learn, uint64_t url, uint64_t from_ms);

// --- push_learn_sight.c -----------------------------------------------------------------------
// A sighting of a non-empty set, by this worker or another. `out_page` is the page as it is now, or
// NULL when nothing of it is known.
enum push_learn_reason push_learn_sight(struct push_learn *learn,
                                        const struct push_learn_lesson *lesson,
                                        struct push_learn_sighting sighting, uint64_t now_ms,
                                        struct push_learn_page **out_page);
// A sighting of the very set that the page has.
enum push_learn_reason push_learn_agree(struct push_learn *learn, struct push_learn_page *page,
                                        const struct push_learn_lesson *lesson,
                                        struct push_learn_sighting sighting);
// The page was seen without a set, or as gone. False when nothing of it was known.
bool push_learn_drop(struct push_learn *learn, const struct push_learn_key *key, uint64_t ms,
                     uint64_t now_ms);
// For a page of which nothing is known: sightings that were made before `ms`, and that are heard of
// later, count for nothing.
void push_learn_bar(struct push_learn *learn, const struct push_learn_key *key, uint64_t ms,
                    uint64_t now_ms);
// A new page with what fits of the lesson.
struct push_learn_page *push_learn_store(struct push_learn *learn,
                                         const struct push_learn_lesson *lesson, uint64_t now_ms);

// --- push_learn_share.c -----------------------------------------------------------------------
void push_learn_tell_sighting(struct push_learn *learn, struct push_learn_page *page,
                              struct push_learn_sighting sighting);
void push_learn_tell_drop(struct push_learn *learn, const struct push_learn_key *key, uint64_t ms);
void push_learn_tell_bad(struct push_learn *learn, struct slice authority, struct slice path,
                         uint64_t ms);

#endif
