// SPDX-License-Identifier: Apache-2.0
#include "push/push_golomb.h"

#include <endian.h>
#include <string.h>

#include "base/ensure.h"

static uint64_t peek(const struct push_golomb_reader *reader);

// --- reading ----------------------------------------------------------------------------------

void push_golomb_reader_init(struct push_golomb_reader *reader, const void *bytes, size_t length) {
    *reader = (struct push_golomb_reader){.bytes = bytes, .bit_count = 8 * length};
}

bool push_golomb_read_bits(struct push_golomb_reader *reader, unsigned count, uint64_t *out_bits) {
    ensure(count <= PUSH_GOLOMB_MAX_BITS);
    if (count > reader->bit_count - reader->at) {
        return false;
    }
    *out_bits = count > 0 ? peek(reader) >> (64 - count) : 0;
    reader->at += count;
    return true;
}

bool push_golomb_read_gap(struct push_golomb_reader *reader, unsigned remainder_bits,
                          uint64_t limit, uint64_t *out_gap) {
    ensure(remainder_bits <= PUSH_GOLOMB_MAX_BITS);
    uint64_t quotient = 0;
    uint64_t window;
    do {
        window = peek(reader);
        unsigned zeros = window != 0 ? (unsigned)__builtin_clzll(window) : PUSH_GOLOMB_MAX_BITS;
        if (zeros >= reader->bit_count - reader->at) {
            return false;
        }
        reader->at += zeros;
        quotient += zeros;
        if (quotient > limit >> remainder_bits) {
            return false;
        }
    } while (window == 0);
    reader->at++; // the one
    uint64_t remainder;
    if (!push_golomb_read_bits(reader, remainder_bits, &remainder)) {
        return false;
    }
    uint64_t gap = quotient << remainder_bits | remainder;
    *out_gap = gap;
    return gap <= limit;
}

bool push_golomb_is_at_end(const struct push_golomb_reader *reader) {
    return reader->bit_count - reader->at < 8 && peek(reader) == 0;
}

// The next bits, the first of them highest; at least PUSH_GOLOMB_MAX_BITS, zeros behind the end.
static uint64_t peek(const struct push_golomb_reader *reader) {
    size_t start = reader->at / 8;
    size_t left = reader->bit_count / 8 - start;
    uint64_t window = 0;
    if (left >= 8) {
        memcpy(&window, reader->bytes + start, 8);
        window = be64toh(window);
    } else {
        for (size_t i = 0; i < left; i++) {
            window |= (uint64_t)reader->bytes[start + i] << (56 - 8 * i);
        }
    }
    return window << reader->at % 8;
}

// --- writing ----------------------------------------------------------------------------------

void push_golomb_writer_init(struct push_golomb_writer *writer, void *zeroed_bytes, size_t length) {
    *writer = (struct push_golomb_writer){.bytes = zeroed_bytes, .bit_count = 8 * length};
}

void push_golomb_write_bits(struct push_golomb_writer *writer, unsigned count, uint64_t bits) {
    ensure(count <= PUSH_GOLOMB_MAX_BITS);
    if (writer->is_full || count > writer->bit_count - writer->at) {
        writer->is_full = true;
        return;
    }
    for (unsigned i = count; i > 0; i--, writer->at++) {
        unsigned bit = bits >> (i - 1) & 1;
        writer->bytes[writer->at / 8] |= (unsigned char)(bit << (7 - writer->at % 8));
    }
}

void push_golomb_write_gap(struct push_golomb_writer *writer, unsigned remainder_bits,
                           uint64_t gap) {
    ensure(remainder_bits < PUSH_GOLOMB_MAX_BITS);
    uint64_t zeros = gap >> remainder_bits;
    if (writer->is_full || zeros >= writer->bit_count - writer->at) {
        writer->is_full = true;
        return;
    }
    writer->at += zeros; // they are there
    push_golomb_write_bits(writer, 1, 1);
    push_golomb_write_bits(writer, remainder_bits, gap);
}
