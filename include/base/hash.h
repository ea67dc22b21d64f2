// SPDX-License-Identifier: Apache-2.0
// A keyed 64-bit hash (SipHash-1-3: Aumasson and Bernstein, 2012), so that a peer who does not know
// the seed can't choose colliding keys. Chain calls to hash several parts. Pure.
#ifndef OUTRIDER_BASE_HASH_H
#define OUTRIDER_BASE_HASH_H

#include <stdint.h>

#include "base/slice.h"

uint64_t hash_bytes(uint64_t seed, struct slice bytes);

#endif
