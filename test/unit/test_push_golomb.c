// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "push/push_golomb.h"

static uint64_t random_state = 88172645463325252U;

static uint64_t random_bits(unsigned count) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return count > 0 ? random_state >> (64 - count) : 0;
}

// By hand: gap 0, 1, 5 with 1 bit of remainder are "1 0", "1 1", "00 1 1"; then padding.
static void test_known_bits(void **state) {
    (void)state;
    unsigned char bytes[2] = {0};
    struct push_golomb_writer writer;
    push_golomb_writer_init(&writer, bytes, sizeof(bytes));
    push_golomb_write_gap(&writer, 1, 0);
    push_golomb_write_gap(&writer, 1, 1);
    push_golomb_write_gap(&writer, 1, 5);
    assert_false(writer.is_full);
    assert_int_equal(push_golomb_bytes(&writer), 1);
    assert_int_equal(bytes[0], 0xb3);
    push_golomb_write_bits(&writer, 3, 5);
    assert_int_equal(push_golomb_bytes(&writer), 2);
    assert_int_equal(bytes[1], 0xa0);
}

// Gaps and plain bits mixed, whose quotients are long and short; the buffers have the exact size.
static void test_round_trips(void **state) {
    (void)state;
    enum { ITEMS = 40 };
    for (unsigned round = 0; round < 3000; round++) {
        unsigned remainder = (unsigned)random_bits(5) % 32;
        unsigned widths[ITEMS];
        uint64_t gaps[ITEMS];
        uint64_t plain[ITEMS];
        unsigned char *bytes = calloc(1, 16384);
        struct push_golomb_writer writer;
        push_golomb_writer_init(&writer, bytes, 16384);
        for (unsigned i = 0; i < ITEMS; i++) {
            widths[i] = (unsigned)random_bits(6) % (PUSH_GOLOMB_MAX_BITS + 1);
            gaps[i] = random_bits(remainder + (unsigned)random_bits(3));
            plain[i] = random_bits(widths[i]);
            push_golomb_write_gap(&writer, remainder, gaps[i]);
            push_golomb_write_bits(&writer, widths[i], plain[i]);
        }
        assert_false(writer.is_full);
        size_t length = push_golomb_bytes(&writer);
        bytes = alloc_resize(bytes, length);
        struct push_golomb_reader reader;
        push_golomb_reader_init(&reader, bytes, length);
        for (unsigned i = 0; i < ITEMS; i++) {
            uint64_t got;
            assert_true(push_golomb_read_gap(&reader, remainder, gaps[i], &got));
            assert_true(got == gaps[i]);
            assert_true(push_golomb_read_bits(&reader, widths[i], &got));
            assert_true(got == plain[i]);
        }
        assert_int_equal(reader.at, writer.at);
        assert_true(push_golomb_is_at_end(&reader));
        free(bytes);
    }
}

static void test_limit(void **state) {
    (void)state;
    for (uint64_t gap = 0; gap < 300; gap++) {
        unsigned char bytes[80] = {0};
        struct push_golomb_writer writer;
        struct push_golomb_reader reader;
        uint64_t got;
        push_golomb_writer_init(&writer, bytes, sizeof(bytes));
        push_golomb_write_gap(&writer, 2, gap);
        push_golomb_reader_init(&reader, bytes, sizeof(bytes));
        assert_true(push_golomb_read_gap(&reader, 2, gap, &got));
        assert_true(got == gap);
        push_golomb_reader_init(&reader, bytes, sizeof(bytes));
        assert_true(gap == 0 || !push_golomb_read_gap(&reader, 2, gap - 1, &got));
    }
}

// A full writer stays full and touches nothing behind its end.
static void test_full(void **state) {
    (void)state;
    for (size_t length = 0; length < 12; length++) {
        for (uint64_t gap = 0; gap < 120; gap++) {
            unsigned char *bytes = calloc(1, length > 0 ? length : 1);
            struct push_golomb_writer writer;
            push_golomb_writer_init(&writer, bytes, length);
            push_golomb_write_gap(&writer, 3, gap);
            assert_int_equal(writer.is_full, gap / 8 + 4 > 8 * length);
            if (writer.is_full) {
                push_golomb_write_bits(&writer, 1, 1);
                push_golomb_write_gap(&writer, 0, 0);
                assert_true(writer.is_full);
            }
            free(bytes);
        }
    }
}

// Any bytes: reading ends, inside the buffer, and what was read can be written again.
static void test_random_bytes(void **state) {
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        size_t length = random_bits(5);
        unsigned remainder = (unsigned)random_bits(5);
        unsigned char *bytes = malloc(length > 0 ? length : 1);
        unsigned char *again = calloc(1, length > 0 ? length : 1);
        uint64_t mask = random_bits(2) == 0 ? 0x11 : 0xff; // some with long runs of zeros
        for (size_t i = 0; i < length; i++) {
            bytes[i] = (unsigned char)(random_bits(8) & mask & random_bits(8));
        }
        struct push_golomb_reader reader;
        struct push_golomb_writer writer;
        push_golomb_reader_init(&reader, bytes, length);
        push_golomb_writer_init(&writer, again, length);
        uint64_t gap;
        size_t good = 0;
        while (push_golomb_read_gap(&reader, remainder, UINT64_C(1) << 40, &gap)) {
            push_golomb_write_gap(&writer, remainder, gap);
            good = reader.at;
        }
        assert_false(writer.is_full);
        assert_int_equal(writer.at, good);
        assert_memory_equal(bytes, again, good / 8);
        free(bytes);
        free(again);
    }
}

// The last bits: is that padding?
static const struct {
    unsigned char bytes[2];
    size_t length, skip;
    bool wanted;
} ends[] = {
    {{0}, 0, 0, true},        {{0}, 1, 0, false},         {{0}, 1, 1, true},
    {{1}, 1, 1, false},       {{1}, 1, 7, false},         {{1}, 1, 8, true},
    {{0xff, 0}, 2, 8, false}, {{0xff, 0x80}, 2, 9, true}, {{0, 0}, 2, 7, false},
};

static void test_end(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct push_golomb_reader reader;
        uint64_t bits;
        push_golomb_reader_init(&reader, ends[i].bytes, ends[i].length);
        assert_true(push_golomb_read_bits(&reader, (unsigned)ends[i].skip, &bits));
        if (push_golomb_is_at_end(&reader) != ends[i].wanted) {
            fail_msg("row %zu", i);
        }
        assert_false(push_golomb_read_bits(&reader, 17, &bits));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_bits),   cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_limit),        cmocka_unit_test(test_full),
        cmocka_unit_test(test_random_bytes), cmocka_unit_test(test_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
