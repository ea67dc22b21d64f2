// SPDX-License-Identifier: Apache-2.0
// Golomb-Rice codes for sets of numbers: the members ascend, and each is written as the gap to the
// one before it (member - previous - 1): gap >> remainder_bits zeros, a one, then the low
// remainder_bits of the gap. Bits fill bytes from the highest down.
// Owner: the caller's frame. Pure. See also: push/push_digest.h, push/push_cache_digest.h.
#ifndef OUTRIDER_PUSH_PUSH_GOLOMB_H
#define OUTRIDER_PUSH_PUSH_GOLOMB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PUSH_GOLOMB_MAX_BITS = 57 }; // of one read or write

struct push_golomb_reader {
    const unsigned char *bytes; // borrowed
    size_t bit_count;
    size_t at; // bits read
};

struct push_golomb_writer {
    unsigned char *bytes; // borrowed, zeroed by the caller
    size_t bit_count;     // room
    size_t at;            // bits written
    bool is_full;         // something did not fit and was left out
};

static inline size_t push_golomb_bytes(const struct push_golomb_writer *writer) {
    return (writer->at + 7) / 8;
}

void push_golomb_reader_init(struct push_golomb_reader *reader, const void *bytes, size_t length);
bool push_golomb_read_bits(struct push_golomb_reader *reader, unsigned count, uint64_t *out_bits);
// False when the end comes first or the gap is over `limit`; the reader is of no more use then.
bool push_golomb_read_gap(struct push_golomb_reader *reader, unsigned remainder_bits,
                          uint64_t limit, uint64_t *out_gap);
// Nothing more but zeros, fewer than eight.
bool push_golomb_is_at_end(const struct push_golomb_reader *reader);

void push_golomb_writer_init(struct push_golomb_writer *writer, void *zeroed_bytes, size_t length);
void push_golomb_write_bits(struct push_golomb_writer *writer, unsigned count, uint64_t bits);
void push_golomb_write_gap(struct push_golomb_writer *writer, unsigned remainder_bits,
                           uint64_t gap);

#endif
