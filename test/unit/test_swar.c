// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/swar.h"

// Among neighbours that are and are not meant themselves.
static void fill(char eight[SWAR_BYTES], unsigned at, unsigned byte, char others) {
    memset(eight, others, SWAR_BYTES);
    eight[at] = (char)byte;
}

static void expect_marks(uint64_t marks, const char eight[SWAR_BYTES], unsigned first,
                         unsigned last) {
    for (unsigned at = 0; at < SWAR_BYTES; at++) {
        unsigned byte = (unsigned char)eight[at];
        bool is_meant = byte >= first && byte <= last;
        assert_int_equal(((unsigned char *)&marks)[at], is_meant ? 0x80 : 0);
    }
}

static void test_bytes_are_marked_wherever_they_stand(void **state) {
    (void)state;
    static const char neighbours[] = {'\0', '\x1f', ' ', '!', 'z', '{', '\x7f', '\x80', '\xff'};
    for (size_t n = 0; n < sizeof(neighbours); n++) {
        for (unsigned i = 0; i < SWAR_BYTES * 256; i++) {
            char eight[SWAR_BYTES];
            fill(eight, i / 256, i % 256, neighbours[n]);
            uint64_t word = swar_load(eight);
            expect_marks(swar_below(word, ' '), eight, 0, ' ' - 1);
            expect_marks(swar_below(word, 128), eight, 0, 127);
            expect_marks(swar_from(word, 1), eight, 1, 255);
            expect_marks(swar_from(word, '{'), eight, '{', 255);
            expect_marks(swar_equal(word, 0), eight, 0, 0);
            expect_marks(swar_equal(word, '"'), eight, '"', '"');
            expect_marks(swar_equal(word, 0x7f), eight, 0x7f, 0x7f);
        }
    }
}

static void test_letters_become_lower_case_and_nothing_else_changes(void **state) {
    (void)state;
    static const char neighbours[] = {'A', 'z', '\xc4', '[', '@', '\0'};
    for (size_t n = 0; n < sizeof(neighbours); n++) {
        for (unsigned i = 0; i < SWAR_BYTES * 256; i++) {
            char eight[SWAR_BYTES];
            fill(eight, i / 256, i % 256, neighbours[n]);
            uint64_t word = swar_lower(swar_load(eight));
            for (unsigned at = 0; at < SWAR_BYTES; at++) {
                char expected = slice_lower(eight[at]);
                assert_int_equal(((char *)&word)[at], expected);
            }
        }
    }
}

static void test_copies_of_every_length(void **state) {
    (void)state;
    static const char text[] = "X-Forwarded-For: ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char lower[] = "x-forwarded-for: abcdefghijklmnopqrstuvwxyz";
    for (size_t length = 0; length < sizeof(text); length++) {
        char copy[sizeof(text)];
        memset(copy, '!', sizeof(copy));
        swar_copy_lower(copy, slice_of(text, length));
        assert_memory_equal(copy, lower, length);
        assert_int_equal(copy[length], '!');
        memcpy(copy, text, length);
        swar_copy_lower(copy, slice_of(copy, length));
        assert_memory_equal(copy, lower, length);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_marked_wherever_they_stand),
        cmocka_unit_test(test_letters_become_lower_case_and_nothing_else_changes),
        cmocka_unit_test(test_copies_of_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
