// SPDX-License-Identifier: Apache-2.0
#include "front_address.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/ensure.h"
#include "base/hash.h"

enum { FIRST_PLACES = 64, KEY_BYTES = 16, NETWORK_BYTES = 8, MAPPED_BYTES = 12 };

struct entry {
    struct entry *next;
    uint8_t key[KEY_BYTES];
    unsigned count;
};

struct front_addresses {
    uint64_t seed;
    size_t place_count; // a power of two, grows with the number of addresses
    size_t entry_count;
    struct entry **places;
};

static const uint8_t mapped[MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const uint8_t address[16]);
static void key_of(const uint8_t address[16], uint8_t out_key[KEY_BYTES]);
static struct entry **find(const struct front_addresses *addresses, const uint8_t key[KEY_BYTES]);
static struct entry **place_of(const struct front_addresses *addresses,
                               const uint8_t key[KEY_BYTES]);
static void grow(struct front_addresses *addresses);

struct front_addresses *front_addresses_create(uint64_t seed) {
    struct front_addresses *addresses = alloc_new(struct front_addresses);
    addresses->seed = seed;
    addresses->place_count = FIRST_PLACES;
    addresses->places = alloc_zeroed(FIRST_PLACES, sizeof(addresses->places[0]));
    return addresses;
}

void front_addresses_destroy(struct front_addresses *take_addresses) {
    if (take_addresses != NULL) {
        ensure(take_addresses->entry_count == 0);
        free(take_addresses->places);
        free(take_addresses);
    }
}

unsigned front_addresses_enter(struct front_addresses *addresses, const uint8_t address[16]) {
    uint8_t key[KEY_BYTES];
    key_of(address, key);
    struct entry **link = find(addresses, key);
    if (*link == NULL) {
        struct entry *entry = alloc_new(struct entry);
        memcpy(entry->key, key, sizeof(key));
        *link = entry;
        addresses->entry_count++;
        if (addresses->entry_count > addresses->place_count) {
            grow(addresses);
        }
        return entry->count = 1;
    }
    return ++(*link)->count;
}

void front_addresses_leave(struct front_addresses *addresses, const uint8_t address[16]) {
    uint8_t key[KEY_BYTES];
    key_of(address, key);
    struct entry **link = find(addresses, key);
    struct entry *entry = *link;
    ensure(entry != NULL);
    if (--entry->count == 0) {
        *link = entry->next;
        addresses->entry_count--;
        free(entry);
    }
}

bool front_address_is_local(const uint8_t address[16]) {
    static const uint8_t loopback[KEY_BYTES] = {[15] = 1};
    static const uint8_t none[KEY_BYTES] = {0}; // a unix socket's
    bool is_loopback = is_v4(address) ? address[MAPPED_BYTES] == 127
                                      : memcmp(address, loopback, sizeof(loopback)) == 0;
    return is_loopback || memcmp(address, none, sizeof(none)) == 0;
}

static bool is_v4(const uint8_t address[16]) {
    return memcmp(address, mapped, sizeof(mapped)) == 0;
}

static void key_of(const uint8_t address[16], uint8_t out_key[KEY_BYTES]) {
    memset(out_key, 0, KEY_BYTES);
    memcpy(out_key, address, is_v4(address) ? KEY_BYTES : NETWORK_BYTES);
}

// Where the entry hangs, or would.
static struct entry **find(const struct front_addresses *addresses, const uint8_t key[KEY_BYTES]) {
    struct entry **link = place_of(addresses, key);
    while (*link != NULL && memcmp((*link)->key, key, KEY_BYTES) != 0) {
        link = &(*link)->next;
    }
    return link;
}

static struct entry **place_of(const struct front_addresses *addresses,
                               const uint8_t key[KEY_BYTES]) {
    uint64_t hash = hash_bytes(addresses->seed, slice_of((const char *)key, KEY_BYTES));
    return &addresses->places[hash & (addresses->place_count - 1)];
}

static void grow(struct front_addresses *addresses) {
    struct entry **old = addresses->places;
    size_t count = addresses->place_count;
    addresses->place_count *= 2;
    addresses->places = alloc_zeroed(addresses->place_count, sizeof(addresses->places[0]));
    for (size_t i = 0; i < count; i++) {
        while (old[i] != NULL) {
            struct entry *entry = old[i];
            struct entry **link = place_of(addresses, entry->key);
            old[i] = entry->next;
            entry->next = *link;
            *link = entry;
        }
    }
    free(old);
}
