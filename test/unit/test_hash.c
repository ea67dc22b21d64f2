// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

// SipHash-c-d as its paper says it, byte by byte; slow, and checked against the paper's own
// vectors.
static uint64_t left(uint64_t x, int b) {
    return (x << b) | (x >> (64 - b));
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1], v[1] = left(v[1], 13), v[1] ^= v[0], v[0] = left(v[0], 32);
    v[2] += v[3], v[3] = left(v[3], 16), v[3] ^= v[2];
    v[0] += v[3], v[3] = left(v[3], 21), v[3] ^= v[0];
    v[2] += v[1], v[1] = left(v[1], 17), v[1] ^= v[2], v[2] = left(v[2], 32);
}

static uint64_t sip(int c, int d, uint64_t k0, uint64_t k1, const unsigned char *bytes,
                    size_t length) {
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575U, k1 ^ 0x646f72616e646f6dU, k0 ^ 0x6c7967656e657261U,
                     k1 ^ 0x7465646279746573U};
    for (size_t start = 0; start <= length; start += 8) {
        uint64_t word = start + 8 > length ? (uint64_t)(length & 0xff) << 56 : 0;
        for (size_t i = 0; i < 8 && start + i < length; i++) {
            word |= (uint64_t)bytes[start + i] << (8 * i);
        }
        v[3] ^= word;
        for (int i = 0; i < c; i++) {
            sip_round(v);
        }
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < d; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void test_the_reference_is_right(void **state) {
    (void)state;
    unsigned char bytes[15];
    for (unsigned char i = 0; i < sizeof(bytes); i++) {
        bytes[i] = i;
    }
    uint64_t k0 = 0x0706050403020100U;
    uint64_t k1 = 0x0f0e0d0c0b0a0908U;
    assert_true(sip(2, 4, k0, k1, bytes, 0) == 0x726fdb47dd0e0e31U);
    assert_true(sip(2, 4, k0, k1, bytes, 1) == 0x74f839c593dc67fdU);
    assert_true(sip(2, 4, k0, k1, bytes, 15) == 0xa129ca6149be45e5U); // appendix A
}

static void test_like_the_reference(void **state) {
    (void)state;
    const uint64_t seeds[] = {0, 1, 0x0706050403020100U, UINT64_MAX, 0x8000000000000000U};
    for (size_t length = 0; length <= 300; length++) {
        unsigned char *bytes = malloc(length > 0 ? length : 1); // exact, so that overreads show
        for (size_t i = 0; i < length; i++) {
            bytes[i] = (unsigned char)(i * 37 + length);
        }
        for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
            uint64_t found = hash_bytes(seeds[i], slice_of((char *)bytes, length));
            assert_true(found == sip(1, 3, seeds[i], ~seeds[i], bytes, length));
        }
        free(bytes);
    }
}

static void test_signature(void **state) {
    (void)state;
    const struct hash_key key = {0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
    for (size_t length = 0; length <= 100; length++) {
        unsigned char *bytes = malloc(length > 0 ? length : 1);
        for (size_t i = 0; i < length; i++) {
            bytes[i] = (unsigned char)i;
        }
        struct slice text = slice_of((char *)bytes, length);
        assert_true(hash_sign(&key, text) == sip(2, 4, key.low, key.high, bytes, length));
        free(bytes);
    }
    for (unsigned bit = 0; bit < 128; bit++) {
        struct hash_key other = key;
        *(bit < 64 ? &other.low : &other.high) ^= UINT64_C(1) << bit % 64;
        assert_true(hash_sign(&other, SLICE("x")) != hash_sign(&key, SLICE("x")));
    }
}

static void test_every_bit_matters(void **state) {
    (void)state;
    char bytes[24] = "outrider says hello you";
    uint64_t whole = hash_bytes(42, slice_of(bytes, sizeof(bytes)));
    for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        assert_true(hash_bytes(42, slice_of(bytes, sizeof(bytes))) != whole);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    }
    for (size_t length = 0; length < sizeof(bytes); length++) {
        assert_true(hash_bytes(42, slice_of(bytes, length)) != whole);
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        assert_true(hash_bytes(42 ^ UINT64_C(1) << bit, slice_of(bytes, sizeof(bytes))) != whole);
    }
}

static uint64_t chain(struct slice first, struct slice second) {
    return hash_bytes(hash_bytes(7, first), second);
}

// Where one part ends and the next begins matters.
static void test_chained_parts_do_not_run_together(void **state) {
    (void)state;
    uint64_t ab_c = chain(SLICE("ab"), SLICE("c"));
    assert_true(ab_c == chain(SLICE("ab"), SLICE("c")));
    assert_true(ab_c != chain(SLICE("a"), SLICE("bc")));
    assert_true(ab_c != chain(SLICE("abc"), SLICE("")));
    assert_true(ab_c != chain(SLICE(""), SLICE("abc")));
    assert_true(ab_c != chain(SLICE("c"), SLICE("ab")));
}

// Short, alike keys into few buckets: none gets far more than its share.
static void test_spreads(void **state) {
    (void)state;
    enum { BUCKETS = 64, KEYS = 6400 };
    unsigned counts[BUCKETS] = {0};
    for (uint32_t i = 0; i < KEYS; i++) {
        char key[4];
        memcpy(key, &i, sizeof(key));
        counts[hash_bytes(3, slice_of(key, sizeof(key))) % BUCKETS]++;
    }
    for (unsigned i = 0; i < BUCKETS; i++) {
        assert_in_range(counts[i], 50, 150);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_reference_is_right),
        cmocka_unit_test(test_like_the_reference),
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_every_bit_matters),
        cmocka_unit_test(test_chained_parts_do_not_run_together),
        cmocka_unit_test(test_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
