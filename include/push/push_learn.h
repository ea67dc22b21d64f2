// SPDX-License-Identifier: Apache-2.0
// The learned table: which Link elements a page had when it was answered, so that they can be
// hinted and promised before the origin is asked (PUSH section 1, "Learning from Link"). Bounded;
// every operation costs the same whether it holds ten pages or a hundred thousand.
// Owner: the worker. One thread. Pure: times are monotonic ms and arguments; all workers' tables
// have the same clock and the same seed.
//
// States of a page: seen - one sighting, or several by one visitor, waiting for a second witness;
// confirmed - two of them saw the same; used - confirmed, and found at least once. When the table
// is full, what is over leaves first, then seen before confirmed before used, each the least
// recently used first; but the first two keep an eighth of the room each, so that a full table
// still learns.
//
// Between workers nothing is shared. Each change makes a record; the owner takes the records at
// least every PUSH_LEARN_SHARE_MS and gives them to the other tables. Order and repetition do not
// matter. See also: push/push_learn_rules.h, push/push_learn_file.h.
#ifndef OUTRIDER_PUSH_PUSH_LEARN_H
#define OUTRIDER_PUSH_PUSH_LEARN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "push/push_learn_rules.h"

struct push_learn;

enum {
    PUSH_LEARN_PAGES = 1024,
    PUSH_LEARN_PAGE_BYTES = 2048,
    PUSH_LEARN_MAX_PAGE_BYTES = 32 * 1024,
    PUSH_LEARN_SHARE_MS = 500,
    PUSH_LEARN_BAD_MS = 10 * 60 * 1000, // so long an element whose URL answered 4xx is left out
    PUSH_LEARN_OUTBOX_BYTES = 256 * 1024,
};

struct push_learn_limits {
    uint32_t pages;      // 0: PUSH_LEARN_PAGES
    uint32_t page_bytes; // of elements; 0: PUSH_LEARN_PAGE_BYTES; at most PUSH_LEARN_MAX_PAGE_BYTES
    bool is_alone;       // there are no other workers: make no records
};

struct push_learn *push_learn_create(const struct push_learn_limits *limits, uint64_t seed);
void push_learn_destroy(struct push_learn *learn); // NULL is fine

// --- on the request path ----------------------------------------------------------------------
struct push_learn_links {
    const struct slice *elements; // those for promises only come last
    size_t count;
    size_t hint_count; // the first so many may be hinted
};

// What may be hinted and promised for this page; counts as a use. False when there is nothing that
// is confirmed and fresh. `visitor` is push_learn_rules_visitor of the request: what only that
// visitor has confirmed, on two connections, is found by him alone. The result is valid until the
// table is next changed or asked.
bool push_learn_find(struct push_learn *learn, const struct push_learn_key *key,
                     struct slice visitor, uint64_t now_ms, struct push_learn_links *out_links);

// For every final response, learnable or not: some make hints known before go. `conn_id` is the
// client connection, unique in the process. The arena holds only what is needed until return.
enum push_learn_reason push_learn_observe(struct push_learn *learn,
                                          const struct push_learn_response *response,
                                          uint64_t conn_id, struct arena *arena, uint64_t now_ms);
// A URL answered 4xx (push_learn_rules_is_bad): every page that hints it is dropped, and for a
// while it is in no result. False, at the cost of one look-up, when no page hints it.
bool push_learn_note_bad(struct push_learn *learn, struct slice authority, struct slice path,
                         uint64_t now_ms);

// What an operator wants forgotten: a page (push_learn_rules_is_page), or all.
void push_learn_forget(struct push_learn *learn, struct slice authority, struct slice path);

// --- between workers --------------------------------------------------------------------------
size_t push_learn_record_bytes_waiting(const struct push_learn *learn);
// Appends the records made since the last call. False when there are none.
bool push_learn_take_records(struct push_learn *learn, struct buffer *to);
// Records of other workers, whole. False when they are damaged: what stands before that is applied.
bool push_learn_apply(struct push_learn *learn, struct slice records, uint64_t now_ms);

// --- for people and files ---------------------------------------------------------------------
struct push_learn_view { // texts are valid until the table is next changed
    struct push_learn_key key;
    const struct slice *elements;
    size_t count;
    size_t hint_count;
    uint32_t left_out;  // elements beyond page_bytes
    uint32_t sightings; // that agreed, this worker's and those that others told of
    uint32_t uses;      // of this worker
    bool is_confirmed;
    uint64_t age_ms;  // since the first of them
    uint64_t seen_ms; // since the last of them
    uint64_t left_ms; // of its life
};

// One page, confirmed or not, without counting a use. False when it is not known.
bool push_learn_look(const struct push_learn *learn, const struct push_learn_key *key,
                     uint64_t now_ms, struct push_learn_view *out_view);

// Walks over all pages that are not over: seen, confirmed, used, each the least recently used
// first. A zeroed cursor starts; the table may not change in between.
struct push_learn_cursor {
    const void *next;
    unsigned tier;
    bool is_started;
};
bool push_learn_next(const struct push_learn *learn, struct push_learn_cursor *cursor,
                     uint64_t now_ms, struct push_learn_view *out_view);

struct push_learn_stats {
    uint64_t reasons[PUSH_LEARN_REASON_COUNT]; // responses observed, by what became of them
    uint64_t uses;                             // finds that gave something
    uint64_t evicted;                          // pages that left before they were over
    uint64_t left_out;                         // elements beyond page_bytes, when a page is stored
    uint64_t dropped_bad;                      // pages dropped since a hinted URL answered 4xx
    uint64_t records_lost;                     // since nobody took them
    uint64_t records_damaged;
    uint32_t pages; // now, with those in seen
    uint32_t confirmed;
};
const struct push_learn_stats *push_learn_stats(struct push_learn *learn);

// A confirmed page from a file; one that is known already stays as it is. Makes no record.
struct push_learn_past {
    uint64_t age_ms;
    uint64_t seen_ms;
    uint64_t left_ms;
    uint32_t sightings;
    uint32_t uses;
};
void push_learn_restore(struct push_learn *learn, const struct push_learn_lesson *lesson,
                        const struct push_learn_past *past, uint64_t now_ms);

#endif
