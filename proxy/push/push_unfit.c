// SPDX-License-Identifier: Apache-2.0
#include "push/push_unfit.h"

#include "base/alloc.h"
#include "base/hash.h"

enum {
    // A hash table of buckets of four: small, no chains.
    WAYS = 4,
    BUCKETS = PUSH_UNFIT_ENTRIES / WAYS,
    WINDOW = 16,     // outcomes looked back at
    JUDGED_FROM = 6, // fewer of them say nothing
};

// Who gives way to whom, the least first.
enum worth {
    WORTH_LITTLE,  // empty, over, or never refused
    WORTH_REFUSED, // not long ago
    WORTH_VERDICT, // may not be promised
};

struct entry {
    uint64_t key; // 0: empty
    uint64_t bad_until_ms;
    uint64_t unwanted_until_ms;
    uint64_t changed_ms;
    uint16_t refusals; // one bit per outcome, the latest lowest
    uint8_t outcomes;  // known so far, counted to WINDOW
    bool only_with_credentials;
};

struct push_unfit {
    uint64_t seed;
    struct entry entries[BUCKETS][WAYS]; // 20 KB
};

static struct entry *take_entry(struct push_unfit *unfit, struct slice authority, struct slice path,
                                enum worth worth, uint64_t now_ms);
static bool gives_way(const struct entry *entry, const struct entry *other, uint64_t now_ms);
static enum worth worth_of(const struct entry *entry, uint64_t now_ms);
static void judge(struct entry *entry);
static bool is_mostly_refused(const struct entry *entry);

struct push_unfit *push_unfit_create(uint64_t seed) {
    struct push_unfit *unfit = alloc_new(struct push_unfit);
    unfit->seed = seed;
    return unfit;
}

void push_unfit_destroy(struct push_unfit *unfit) {
    free(unfit);
}

void push_unfit_add(struct push_unfit *unfit, struct slice authority, struct slice path,
                    bool only_with_credentials, uint64_t now_ms) {
    struct entry *entry = take_entry(unfit, authority, path, WORTH_VERDICT, now_ms);
    bool was_for_all = entry->bad_until_ms > now_ms && !entry->only_with_credentials;
    entry->only_with_credentials = only_with_credentials && !was_for_all;
    entry->bad_until_ms = now_ms + PUSH_UNFIT_MS;
    entry->changed_ms = now_ms;
}

void push_unfit_note_outcome(struct push_unfit *unfit, struct slice authority, struct slice path,
                             bool was_refused, uint64_t now_ms) {
    struct entry *entry =
        take_entry(unfit, authority, path, was_refused ? WORTH_REFUSED : WORTH_LITTLE, now_ms);
    // What ends now was promised before it was found unwanted.
    if (entry == NULL || entry->unwanted_until_ms > now_ms) {
        return;
    }
    entry->refusals = (uint16_t)(entry->refusals << 1 | was_refused);
    entry->outcomes += entry->outcomes < WINDOW;
    entry->changed_ms = now_ms;
    judge(entry);
}

static void judge(struct entry *entry) {
    if (is_mostly_refused(entry)) {
        entry->unwanted_until_ms = entry->changed_ms + PUSH_UNFIT_MS;
        entry->refusals = 0;
        entry->outcomes = 0;
    }
}

void push_unfit_note_late_refusal(struct push_unfit *unfit, uint64_t key) {
    struct entry *bucket = unfit->entries[key % BUCKETS];
    for (unsigned i = 0; i < WAYS; i++) {
        unsigned taken = ~(unsigned)bucket[i].refusals & ((1U << bucket[i].outcomes) - 1);
        if (bucket[i].key == key && taken != 0) {
            bucket[i].refusals |= (uint16_t)(taken & -taken);
            judge(&bucket[i]);
        }
    }
}

enum push_unfit_reason push_unfit_has(const struct push_unfit *unfit, struct slice authority,
                                      struct slice path, bool has_credentials, uint64_t now_ms) {
    uint64_t key = push_unfit_key(unfit, authority, path);
    const struct entry *bucket = unfit->entries[key % BUCKETS];
    for (unsigned i = 0; i < WAYS; i++) {
        const struct entry *entry = &bucket[i];
        if (entry->key != key) {
            continue;
        }
        if (entry->bad_until_ms > now_ms && (has_credentials || !entry->only_with_credentials)) {
            return PUSH_UNFIT_BAD;
        }
        return entry->unwanted_until_ms > now_ms ? PUSH_UNFIT_UNWANTED : PUSH_UNFIT_NOT;
    }
    return PUSH_UNFIT_NOT;
}

// The entry of that URL, or a new one; NULL when all in its place are worth more than `worth`.
static struct entry *take_entry(struct push_unfit *unfit, struct slice authority, struct slice path,
                                enum worth worth, uint64_t now_ms) {
    uint64_t key = push_unfit_key(unfit, authority, path);
    struct entry *bucket = unfit->entries[key % BUCKETS];
    struct entry *place = &bucket[0];
    for (unsigned i = 0; i < WAYS; i++) {
        if (bucket[i].key == key) {
            return &bucket[i];
        }
        if (gives_way(&bucket[i], place, now_ms)) {
            place = &bucket[i];
        }
    }
    if (worth_of(place, now_ms) > worth) {
        return NULL;
    }
    *place = (struct entry){.key = key};
    return place;
}

static bool gives_way(const struct entry *entry, const struct entry *other, uint64_t now_ms) {
    enum worth worth = worth_of(entry, now_ms);
    enum worth worth_of_other = worth_of(other, now_ms);
    return worth != worth_of_other ? worth < worth_of_other : entry->changed_ms < other->changed_ms;
}

static enum worth worth_of(const struct entry *entry, uint64_t now_ms) {
    if (entry->bad_until_ms > now_ms || entry->unwanted_until_ms > now_ms) {
        return WORTH_VERDICT;
    }
    bool is_recent = entry->changed_ms + PUSH_UNFIT_MS > now_ms;
    return entry->refusals != 0 && is_recent ? WORTH_REFUSED : WORTH_LITTLE;
}

static bool is_mostly_refused(const struct entry *entry) {
    int refused = __builtin_popcount(entry->refusals);
    return entry->outcomes >= JUDGED_FROM && 2 * refused > entry->outcomes;
}

uint64_t push_unfit_key(const struct push_unfit *unfit, struct slice authority, struct slice path) {
    uint64_t key = hash_bytes(hash_bytes(unfit->seed, authority), path);
    return key != 0 ? key : 1;
}
