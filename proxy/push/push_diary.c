// SPDX-License-Identifier: Apache-2.0
#include "push/push_diary.h"

#include "base/alloc.h"
#include "base/hash.h"

enum {
    BUCKETS = 2 * PUSH_DIARY_ENTRIES,
    NO_ENTRY = PUSH_DIARY_ENTRIES,
    WINDOW = 20,          // promises looked back at
    WINDOW_REFUSALS = 11, // more than half of them
    FIRST = 4,
    FIRST_REFUSALS = 3,
};

// Hashes stand for the pairs: with 64 keyed bits a mistake costs one push that isn't made.
struct push_diary {
    uint64_t seed;
    uint64_t hashes[PUSH_DIARY_ENTRIES]; // the ring
    uint16_t nexts[PUSH_DIARY_ENTRIES];  // in the chain of a bucket; NO_ENTRY ends it
    uint16_t buckets[BUCKETS];           // first of each chain
    bool is_taken[PUSH_DIARY_ENTRIES];
    uint16_t oldest;   // where the next one is written
    uint32_t refusals; // one bit per promise, the latest lowest
    unsigned outcomes; // noted so far, counted to FIRST
    bool has_stopped;
};

static void judge(struct push_diary *diary);
static uint16_t *find(struct push_diary *diary, uint64_t hash);
static void unlink_entry(struct push_diary *diary, uint16_t *link);
static uint64_t hash_pair(uint64_t seed, struct slice authority, struct slice path);

struct push_diary *push_diary_create(uint64_t seed) {
    struct push_diary *diary = alloc_new(struct push_diary);
    diary->seed = seed;
    for (size_t i = 0; i < BUCKETS; i++) {
        diary->buckets[i] = NO_ENTRY;
    }
    return diary;
}

bool push_diary_has(const struct push_diary *diary, struct slice authority, struct slice path) {
    uint64_t hash = hash_pair(diary->seed, authority, path);
    uint16_t entry = diary->buckets[hash % BUCKETS];
    while (entry != NO_ENTRY && diary->hashes[entry] != hash) {
        entry = diary->nexts[entry];
    }
    return entry != NO_ENTRY;
}

// An entry that is there already becomes the youngest.
void push_diary_add(struct push_diary *diary, struct slice authority, struct slice path) {
    push_diary_forget(diary, authority, path);
    uint16_t entry = diary->oldest;
    if (diary->is_taken[entry]) {
        unlink_entry(diary, find(diary, diary->hashes[entry]));
    }
    uint64_t hash = hash_pair(diary->seed, authority, path);
    uint16_t *bucket = &diary->buckets[hash % BUCKETS];
    diary->hashes[entry] = hash;
    diary->nexts[entry] = *bucket;
    diary->is_taken[entry] = true;
    *bucket = entry;
    diary->oldest = (uint16_t)((entry + 1) % PUSH_DIARY_ENTRIES);
}

void push_diary_forget(struct push_diary *diary, struct slice authority, struct slice path) {
    uint16_t *link = find(diary, hash_pair(diary->seed, authority, path));
    if (*link != NO_ENTRY) {
        unlink_entry(diary, link);
    }
}

void push_diary_note_outcome(struct push_diary *diary, bool was_refused) {
    diary->refusals = (diary->refusals << 1 | was_refused) & ((1U << WINDOW) - 1);
    diary->outcomes += diary->outcomes <= FIRST;
    judge(diary);
}

void push_diary_note_late_refusal(struct push_diary *diary) {
    for (unsigned i = 0; i < WINDOW; i++) {
        if ((diary->refusals >> i & 1) == 0) {
            diary->refusals |= 1U << i;
            break;
        }
    }
    judge(diary);
}

static void judge(struct push_diary *diary) {
    int refused = __builtin_popcount(diary->refusals);
    diary->has_stopped |=
        refused >= WINDOW_REFUSALS || (diary->outcomes <= FIRST && refused >= FIRST_REFUSALS);
}

bool push_diary_has_stopped(const struct push_diary *diary) {
    return diary->has_stopped;
}

void push_diary_destroy(struct push_diary *diary) {
    free(diary);
}

// The link that leads to the entry of that hash, or the end of its chain.
static uint16_t *find(struct push_diary *diary, uint64_t hash) {
    uint16_t *link = &diary->buckets[hash % BUCKETS];
    while (*link != NO_ENTRY && diary->hashes[*link] != hash) {
        link = &diary->nexts[*link];
    }
    return link;
}

static void unlink_entry(struct push_diary *diary, uint16_t *link) {
    uint16_t entry = *link;
    *link = diary->nexts[entry];
    diary->is_taken[entry] = false;
}

static uint64_t hash_pair(uint64_t seed, struct slice authority, struct slice path) {
    return hash_bytes(hash_bytes(seed, authority), path);
}
