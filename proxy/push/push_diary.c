// SPDX-License-Identifier: Apache-2.0
#include "push/push_diary.h"

#include "base/alloc.h"
#include "base/hash.h"

enum {
    FIRST_ENTRIES = 8, // most clients of a page or two need no more
    NO_ENTRY = PUSH_DIARY_ENTRIES,
    WINDOW = 20,          // promises looked back at
    WINDOW_REFUSALS = 11, // more than half of them
    FIRST = 4,
    FIRST_REFUSALS = 3,
};

struct entry {
    uint64_t hash;
    uint64_t given_ms;
    uint32_t version; // with given_ms: when has_version
    uint16_t next;    // in the chain of a bucket; NO_ENTRY ends it
    bool is_taken;
    bool has_version;
};

// Hashes stand for the pairs: with 64 keyed bits a mistake costs one push that isn't made.
struct push_diary {
    uint64_t seed;
    struct entry *entries; // the ring, as far as it was ever written
    uint16_t *buckets;     // first of each chain, two for each entry; behind the entries
    uint16_t capacity;     // of entries: a power of two, at most PUSH_DIARY_ENTRIES
    uint16_t oldest;       // where the next one is written
    uint32_t refusals;     // one bit per promise, the latest lowest
    unsigned outcomes;     // noted so far, counted to FIRST
    uint32_t taken;        // promises in the connection's whole life
    uint32_t refused;
    bool has_stopped;
};

static void grow(struct push_diary *diary, uint16_t capacity);
static void judge(struct push_diary *diary);
static size_t bucket_of(const struct push_diary *diary, uint64_t hash);
static uint16_t *find(struct push_diary *diary, uint64_t hash);
static const struct entry *look(const struct push_diary *diary, uint64_t hash);
static struct entry *insert(struct push_diary *diary, uint64_t hash);
static unsigned age_of(const struct push_diary *diary, uint16_t place);
static void unlink_entry(struct push_diary *diary, uint16_t *link);
static uint64_t hash_pair(uint64_t seed, struct slice authority, struct slice path);

struct push_diary *push_diary_create(uint64_t seed) {
    struct push_diary *diary = alloc_new(struct push_diary);
    diary->seed = seed;
    grow(diary, FIRST_ENTRIES);
    return diary;
}

// One block, so that a quiet client costs little.
static void grow(struct push_diary *diary, uint16_t capacity) {
    size_t buckets = (size_t)2 * capacity;
    struct entry *entries =
        alloc_zeroed(1, capacity * sizeof(*entries) + buckets * sizeof(*diary->buckets));
    if (diary->capacity > 0) {
        memcpy(entries, diary->entries, diary->capacity * sizeof(*entries));
    }
    free(diary->entries);
    diary->entries = entries;
    diary->buckets = (uint16_t *)(void *)(entries + capacity);
    diary->capacity = capacity;
    for (size_t i = 0; i < buckets; i++) {
        diary->buckets[i] = NO_ENTRY;
    }
    for (uint16_t i = 0; i < diary->oldest; i++) { // it has not come round yet
        if (entries[i].is_taken) {
            uint16_t *bucket = &diary->buckets[bucket_of(diary, entries[i].hash)];
            entries[i].next = *bucket;
            *bucket = i;
        }
    }
}

bool push_diary_has(const struct push_diary *diary, struct slice authority, struct slice path) {
    return look(diary, hash_pair(diary->seed, authority, path)) != NULL;
}

void push_diary_add(struct push_diary *diary, struct slice authority, struct slice path) {
    uint64_t hash = hash_pair(diary->seed, authority, path);
    uint16_t *link = find(diary, hash);
    if (*link == NO_ENTRY) {
        insert(diary, hash);
    } else if (age_of(diary, *link) < PUSH_DIARY_ENTRIES / 2) {
        // Young enough: what is asked for again and again does not age the others.
        diary->entries[*link].has_version = false;
    } else {
        unlink_entry(diary, link);
        insert(diary, hash);
    }
}

void push_diary_forget(struct push_diary *diary, struct slice authority, struct slice path) {
    uint16_t *link = find(diary, hash_pair(diary->seed, authority, path));
    if (*link != NO_ENTRY) {
        unlink_entry(diary, link);
    }
}

void push_diary_note_version(struct push_diary *diary, struct slice authority, struct slice path,
                             uint32_t version_hash, uint64_t now_ms) {
    uint64_t hash = hash_pair(diary->seed, authority, path);
    uint16_t place = *find(diary, hash);
    struct entry *entry = place != NO_ENTRY ? &diary->entries[place] : insert(diary, hash);
    entry->has_version = true;
    entry->version = version_hash;
    entry->given_ms = now_ms;
}

bool push_diary_find_version(const struct push_diary *diary, struct slice authority,
                             struct slice path, uint32_t *out_version_hash,
                             uint64_t *out_given_ms) {
    const struct entry *entry = look(diary, hash_pair(diary->seed, authority, path));
    if (entry == NULL || !entry->has_version) {
        return false;
    }
    *out_version_hash = entry->version;
    *out_given_ms = entry->given_ms;
    return true;
}

void push_diary_note_outcome(struct push_diary *diary, bool was_refused) {
    diary->refusals = (diary->refusals << 1 | was_refused) & ((1U << WINDOW) - 1);
    diary->outcomes += diary->outcomes <= FIRST;
    diary->refused += was_refused;
    diary->taken += !was_refused;
    judge(diary);
}

void push_diary_note_late_refusal(struct push_diary *diary) {
    diary->refused++;
    diary->taken -= diary->taken > 0;
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

bool push_diary_is_refusing(const struct push_diary *diary) {
    return diary->refused > diary->taken;
}

void push_diary_destroy(struct push_diary *diary) {
    if (diary != NULL) {
        free(diary->entries);
        free(diary);
    }
}

// The link that leads to the entry of that hash, or the end of its chain.
static uint16_t *find(struct push_diary *diary, uint64_t hash) {
    uint16_t *link = &diary->buckets[bucket_of(diary, hash)];
    while (*link != NO_ENTRY && diary->entries[*link].hash != hash) {
        link = &diary->entries[*link].next;
    }
    return link;
}

static const struct entry *look(const struct push_diary *diary, uint64_t hash) {
    uint16_t place = diary->buckets[bucket_of(diary, hash)];
    while (place != NO_ENTRY && diary->entries[place].hash != hash) {
        place = diary->entries[place].next;
    }
    return place != NO_ENTRY ? &diary->entries[place] : NULL;
}

// How many were written after it.
static unsigned age_of(const struct push_diary *diary, uint16_t place) {
    unsigned newest = diary->oldest + PUSH_DIARY_ENTRIES - 1U;
    return (newest - place) % PUSH_DIARY_ENTRIES;
}

// A hash that is not there yet; the oldest entry leaves.
static struct entry *insert(struct push_diary *diary, uint64_t hash) {
    uint16_t place = diary->oldest;
    if (place == diary->capacity) {
        grow(diary, (uint16_t)(2 * place));
    }
    struct entry *entry = &diary->entries[place];
    if (entry->is_taken) {
        unlink_entry(diary, find(diary, entry->hash));
    }
    uint16_t *bucket = &diary->buckets[bucket_of(diary, hash)];
    *entry = (struct entry){.hash = hash, .next = *bucket, .is_taken = true};
    *bucket = place;
    diary->oldest = (uint16_t)((place + 1) % PUSH_DIARY_ENTRIES);
    return entry;
}

static void unlink_entry(struct push_diary *diary, uint16_t *link) {
    struct entry *entry = &diary->entries[*link];
    *link = entry->next;
    entry->is_taken = false;
}

static size_t bucket_of(const struct push_diary *diary, uint64_t hash) {
    return hash & (2U * diary->capacity - 1);
}

static uint64_t hash_pair(uint64_t seed, struct slice authority, struct slice path) {
    return hash_bytes(hash_bytes(seed, authority), path);
}
