// SPDX-License-Identifier: Apache-2.0
// Eight bytes at once in a word ("SIMD within a register"), for the checks that every byte of every
// field goes through. Results have the high bit of each byte that is meant.
#ifndef OUTRIDER_BASE_SWAR_H
#define OUTRIDER_BASE_SWAR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

enum { SWAR_BYTES = 8 };

#define SWAR_ONES UINT64_C(0x0101010101010101)
#define SWAR_HIGH UINT64_C(0x8080808080808080)

static inline uint64_t swar_load(const char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

// Bytes that are `first`, 1 to 128, or more.
static inline uint64_t swar_from(uint64_t word, unsigned char first) {
    return (((word & ~SWAR_HIGH) + SWAR_ONES * (0x80U - first)) | word) & SWAR_HIGH;
}

static inline uint64_t swar_below(uint64_t word, unsigned char limit) {
    return swar_from(word, limit) ^ SWAR_HIGH;
}

static inline uint64_t swar_equal(uint64_t word, unsigned char byte) {
    return swar_below(word ^ SWAR_ONES * byte, 1);
}

// Whether `find` marks a byte of the text, which has SWAR_BYTES or more. The last word overlaps.
static inline bool swar_marks(struct slice text, uint64_t (*find)(uint64_t word)) {
    uint64_t found = find(swar_load(text.data + text.length - SWAR_BYTES));
    for (size_t i = 0; i + SWAR_BYTES <= text.length; i += SWAR_BYTES) {
        found |= find(swar_load(text.data + i));
    }
    return found != 0;
}

// With ASCII letters in lower case.
static inline uint64_t swar_lower(uint64_t word) {
    uint64_t low = word & ~SWAR_HIGH;
    uint64_t from_a = low + SWAR_ONES * (0x80 - 'A');
    uint64_t beyond_z = low + SWAR_ONES * (0x7f - 'Z');
    uint64_t upper = (from_a ^ beyond_z) & ~word & SWAR_HIGH;
    return word | upper >> 2;
}

// Copies the bytes to `to` in lower case; `to` may be where they are.
static inline void swar_copy_lower(char *to, struct slice bytes) {
    size_t i = 0;
    for (; i + SWAR_BYTES <= bytes.length; i += SWAR_BYTES) {
        uint64_t word = swar_lower(swar_load(bytes.data + i));
        memcpy(to + i, &word, sizeof(word));
    }
    for (; i < bytes.length; i++) {
        to[i] = slice_lower(bytes.data[i]);
    }
}

#endif
