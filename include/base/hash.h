// SPDX-License-Identifier: Apache-2.0
// Keyed 64-bit hashes (SipHash: Aumasson and Bernstein, 2012), so that a peer who does not know the
// key can't choose colliding keys, nor sign what outrider signs. Pure.
#ifndef OUTRIDER_BASE_HASH_H
#define OUTRIDER_BASE_HASH_H

#include <stdint.h>

#include "base/slice.h"

// For tables: SipHash-1-3. Chain calls to hash several parts.
uint64_t hash_bytes(uint64_t seed, struct slice bytes);

struct hash_key {
    uint64_t low;
    uint64_t high;
};

// For what leaves the process and comes back: SipHash-2-4, a message authentication code of 64
// bits.
uint64_t hash_sign(const struct hash_key *key, struct slice bytes);

#endif
