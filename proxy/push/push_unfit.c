// SPDX-License-Identifier: Apache-2.0
#include "push/push_unfit.h"

#include "base/alloc.h"
#include "base/hash.h"

struct entry {
    uint64_t key; // 0: empty
    uint64_t until_ms;
    bool only_with_credentials;
};

// A hash table of buckets of four: small, no chains, the one that ends first gives way.
enum { WAYS = 4, BUCKETS = PUSH_UNFIT_ENTRIES / WAYS };

struct push_unfit {
    uint64_t seed;
    struct entry entries[BUCKETS][WAYS];
};

static uint64_t key_of(const struct push_unfit *unfit, struct slice authority, struct slice path);

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
    uint64_t key = key_of(unfit, authority, path);
    struct entry *bucket = unfit->entries[key % BUCKETS];
    struct entry *place = &bucket[0];
    for (unsigned i = 0; i < WAYS; i++) {
        if (bucket[i].key == key) {
            bool was_for_all = bucket[i].until_ms > now_ms && !bucket[i].only_with_credentials;
            only_with_credentials = only_with_credentials && !was_for_all;
            place = &bucket[i];
            break;
        }
        if (bucket[i].until_ms < place->until_ms) {
            place = &bucket[i];
        }
    }
    *place = (struct entry){key, now_ms + PUSH_UNFIT_MS, only_with_credentials};
}

bool push_unfit_has(const struct push_unfit *unfit, struct slice authority, struct slice path,
                    bool has_credentials, uint64_t now_ms) {
    uint64_t key = key_of(unfit, authority, path);
    const struct entry *bucket = unfit->entries[key % BUCKETS];
    for (unsigned i = 0; i < WAYS; i++) {
        if (bucket[i].key == key && bucket[i].until_ms > now_ms) {
            return has_credentials || !bucket[i].only_with_credentials;
        }
    }
    return false;
}

static uint64_t key_of(const struct push_unfit *unfit, struct slice authority, struct slice path) {
    uint64_t key = hash_bytes(hash_bytes(unfit->seed, authority), path);
    return key != 0 ? key : 1;
}
