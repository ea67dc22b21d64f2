// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <endian.h>

#include "base/swar.h"

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t word, unsigned bits) {
    return word << bits | word >> (64 - bits);
}

static inline void mix(struct sip *sip) {
    sip->v0 += sip->v1;
    sip->v1 = rotate(sip->v1, 13) ^ sip->v0;
    sip->v0 = rotate(sip->v0, 32);
    sip->v2 += sip->v3;
    sip->v3 = rotate(sip->v3, 16) ^ sip->v2;
    sip->v0 += sip->v3;
    sip->v3 = rotate(sip->v3, 21) ^ sip->v0;
    sip->v2 += sip->v1;
    sip->v1 = rotate(sip->v1, 17) ^ sip->v2;
    sip->v2 = rotate(sip->v2, 32);
}

static inline void absorb(struct sip *sip, uint64_t word, unsigned rounds) {
    sip->v3 ^= word;
    for (unsigned i = 0; i < rounds; i++) {
        mix(sip);
    }
    sip->v0 ^= word;
}

static inline uint64_t load(const char *at) {
    return le64toh(swar_load(at));
}

// What stands behind the whole words; of a longer text together with what is before it.
static inline uint64_t rest(struct slice bytes, size_t whole) {
    size_t count = bytes.length - whole;
    if (count == 0) {
        return 0;
    }
    if (whole > 0) {
        return load(bytes.data + bytes.length - 8) >> (64 - 8 * count);
    }
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++) {
        word |= (uint64_t)(unsigned char)bytes.data[i] << (8 * i);
    }
    return word;
}

// The numbers of rounds are constants in both callers.
__attribute__((always_inline)) static inline uint64_t
hash(uint64_t first, uint64_t second, struct slice bytes, unsigned rounds, unsigned last_rounds) {
    struct sip sip = {first ^ 0x736f6d6570736575U, second ^ 0x646f72616e646f6dU,
                      first ^ 0x6c7967656e657261U, second ^ 0x7465646279746573U};
    size_t whole = bytes.length / 8 * 8;
    for (size_t i = 0; i < whole; i += 8) {
        absorb(&sip, load(bytes.data + i), rounds);
    }
    absorb(&sip, (uint64_t)bytes.length << 56 | rest(bytes, whole), rounds);
    sip.v2 ^= 0xff;
    for (unsigned i = 0; i < last_rounds; i++) {
        mix(&sip);
    }
    return sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
}

uint64_t hash_bytes(uint64_t seed, struct slice bytes) {
    return hash(seed, ~seed, bytes, 1, 3);
}

uint64_t hash_sign(const struct hash_key *key, struct slice bytes) {
    return hash(key->low, key->high, bytes, 2, 4);
}
