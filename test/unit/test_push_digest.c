// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/base64.h"
#include "push/push_digest.h"
#include "push/push_golomb.h"

static const char *const outcome_names[] = {
#define X(name, text) [PUSH_DIGEST_##name] = (text),
    PUSH_DIGEST_OUTCOME_LIST(X)
#undef X
};

static const struct slice site = {"example.org", 11};
static struct push_digest_key key;
static uint64_t random_state = 88172645463325252U;

static uint32_t random_below(uint32_t limit) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % limit;
}

static int set_up(void **state) {
    (void)state;
    return push_digest_key_from_text(SLICE("a secret of the tests"), &key) ? 0 : -1;
}

static struct slice number_path(unsigned number) {
    static char text[32];
    return slice_of(text, (size_t)snprintf(text, sizeof(text), "/asset-%u.css", number));
}

static bool has(const struct push_digest *digest, unsigned number) {
    return push_digest_has(digest, &key, site, number_path(number), SLICE("v"));
}

static void add(struct push_digest *digest, unsigned number) {
    push_digest_add(digest, &key, site, number_path(number), SLICE("v"));
}

static void expect_outcome(const struct push_digest_key *with, struct slice value,
                           enum push_digest_outcome wanted, const char *what) {
    struct push_digest digest;
    char *exact = malloc(value.length > 0 ? value.length : 1); // so that overreads show
    memcpy(exact, value.data, value.length);
    enum push_digest_outcome got = push_digest_read(with, slice_of(exact, value.length), &digest);
    free(exact);
    if (got != wanted) {
        fail_msg("%s: %s", what, outcome_names[got]);
    }
    assert_true(got == PUSH_DIGEST_READ || digest.count == 0);
    assert_false(digest.is_changed);
}

static void expect_same(const struct push_digest *a, const struct push_digest *b) {
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->rows, b->rows, a->count * sizeof(a->rows[0]));
}

// Writes, checks the bound, reads again.
static struct slice go_round(const struct push_digest *digest, struct arena *arena) {
    struct push_digest again;
    struct slice value = push_digest_write(digest, &key, arena);
    assert_true(value.length <= PUSH_DIGEST_MAX_CHARS);
    assert_int_equal(push_digest_read(&key, value, &again), PUSH_DIGEST_READ);
    expect_same(digest, &again);
    return value;
}

static void test_every_part_matters(void **state) {
    (void)state;
    struct push_digest digest;
    push_digest_init(&digest);
    assert_false(digest.is_changed);
    push_digest_add(&digest, &key, site, SLICE("/a.css"), SLICE("v1"));
    assert_true(digest.is_changed);
    assert_true(push_digest_has(&digest, &key, site, SLICE("/a.css"), SLICE("v1")));
    assert_false(push_digest_has(&digest, &key, site, SLICE("/a.css"), SLICE("v2"))); // changed
    assert_false(push_digest_has(&digest, &key, site, SLICE("/a.css"), SLICE_EMPTY));
    assert_false(push_digest_has(&digest, &key, site, SLICE("/a.css?"), SLICE("v1")));
    assert_false(push_digest_has(&digest, &key, site, SLICE("/a.cssv"), SLICE("1")));
    assert_false(push_digest_has(&digest, &key, SLICE("b.org"), SLICE("/a.css"), SLICE("v1")));
    push_digest_add(&digest, &key, site, SLICE("/b.js"), SLICE_EMPTY); // has no validator
    assert_true(push_digest_has(&digest, &key, site, SLICE("/b.js"), SLICE_EMPTY));
    assert_int_equal(digest.count, 2);
}

static void test_remove(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct push_digest digest;
    push_digest_init(&digest);
    push_digest_remove(&digest, &key, site, SLICE("/a.css"), SLICE("v"));
    assert_false(digest.is_changed); // there was none
    for (unsigned i = 0; i < 100; i++) {
        add(&digest, i);
    }
    for (unsigned i = 0; i < 100; i += 2) {
        digest.is_changed = false;
        push_digest_remove(&digest, &key, site, number_path(i), SLICE("w")); // another version
        push_digest_remove(&digest, &key, SLICE("b.org"), number_path(i), SLICE("v"));
        assert_false(digest.is_changed);
        push_digest_remove(&digest, &key, site, number_path(i), SLICE("v"));
        assert_true(digest.is_changed);
    }
    assert_int_equal(digest.count, 50);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(has(&digest, i), i % 2);
    }
    go_round(&digest, arena);
    for (unsigned i = 1; i < 100; i += 2) {
        push_digest_remove(&digest, &key, site, number_path(i), SLICE("v"));
    }
    assert_int_equal(digest.count, 0);
    go_round(&digest, arena);
    arena_destroy(arena);
}

// From the full set, first and last ones too: the rows stay ascending.
static void test_remove_at_random(void **state) {
    (void)state;
    struct push_digest digest;
    push_digest_init(&digest);
    for (unsigned step = 0; step < 5000; step++) {
        unsigned number = random_below(600);
        if (random_below(3) > 0) {
            add(&digest, number);
            assert_true(has(&digest, number));
        } else {
            uint32_t before = digest.count;
            bool was_there = has(&digest, number);
            push_digest_remove(&digest, &key, site, number_path(number), SLICE("v"));
            assert_false(has(&digest, number));
            assert_int_equal(digest.count, before - was_there);
        }
        for (uint32_t i = 1; step % 100 == 0 && i < digest.count; i++) {
            assert_true(digest.rows[i - 1] >> 2 < digest.rows[i] >> 2);
        }
    }
}

static void test_unchanged_needs_no_cookie(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct push_digest digest;
    push_digest_init(&digest);
    for (unsigned i = 0; i < 100; i++) {
        add(&digest, i);
    }
    struct slice value = go_round(&digest, arena);
    push_digest_read(&key, value, &digest);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(has(&digest, i));
        add(&digest, i);
    }
    assert_false(digest.is_changed);
    assert_true(slice_equal(push_digest_write(&digest, &key, arena), value));
    arena_destroy(arena);
}

static void test_every_size_goes_round(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct push_digest digest;
    push_digest_init(&digest);
    go_round(&digest, arena);
    for (unsigned i = 0; i < 2 * PUSH_DIGEST_ENTRIES; i++) {
        add(&digest, i);
        assert_true(has(&digest, i));
        go_round(&digest, arena);
    }
    assert_int_equal(digest.count, PUSH_DIGEST_ENTRIES);
    arena_destroy(arena);
}

// Sets that no honest hash makes: all at the start, all at the end, both, spread evenly.
static void test_worst_sets_fit(void **state) {
    (void)state;
    const uint32_t hashes = 1 << 17;
    for (uint32_t count = 1; count <= PUSH_DIGEST_ENTRIES; count++) {
        struct arena *arena = arena_create();
        for (unsigned shape = 0; shape < 4; shape++) {
            struct push_digest digest = {.count = count};
            for (uint32_t i = 0; i < count; i++) {
                bool is_high = shape == 1 || (shape == 2 && i >= count / 2);
                uint32_t hash = is_high ? hashes - count + i : i;
                hash = shape == 3 ? (i + 1) * (hashes / count) - 1 : hash;
                digest.rows[i] = hash << 2 | i % 4;
            }
            go_round(&digest, arena);
        }
        arena_destroy(arena);
    }
}

static void test_random_sets_go_round(void **state) {
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct arena *arena = arena_create();
        struct push_digest digest;
        push_digest_init(&digest);
        for (unsigned steps = random_below(900); steps > 0; steps--) {
            add(&digest, random_below(1 + random_below(2000)));
        }
        for (uint32_t i = 1; i < digest.count; i++) {
            assert_true(digest.rows[i - 1] >> 2 < digest.rows[i] >> 2);
        }
        go_round(&digest, arena);
        arena_destroy(arena);
    }
}

// What is used at each visit stays, whatever passes by; what is not leaves.
static void test_old_ones_leave_first(void **state) {
    (void)state;
    struct push_digest digest;
    push_digest_init(&digest);
    unsigned next = 1000;
    for (unsigned visit = 0; visit < 100; visit++) {
        for (unsigned i = 0; i < 50; i++) {
            assert_true(visit == 0 || has(&digest, i));
            add(&digest, i);
        }
        for (unsigned i = 0; i < 40; i++) {
            add(&digest, next++);
        }
    }
    unsigned left = 0;
    for (unsigned i = next - 120; i < next; i++) {
        left += has(&digest, i);
    }
    assert_int_equal(left, 120); // the young ones
    left = 0;
    for (unsigned i = 1000; i < 3000; i++) {
        left += has(&digest, i);
    }
    assert_in_range(left, 0, 40); // chance
}

// A member that is used again is made young only when it is old: else each visit would set a
// cookie.
static void test_used_again(void **state) {
    (void)state;
    struct push_digest digest;
    push_digest_init(&digest);
    for (unsigned i = 0; i <= 120; i++) {
        add(&digest, i); // with the last one the first 120 become of age 1
    }
    digest.is_changed = false;
    add(&digest, 0);
    assert_false(digest.is_changed);
    for (unsigned i = 121; i <= 240; i++) {
        add(&digest, i); // and now of age 2
    }
    digest.is_changed = false;
    add(&digest, 0);
    assert_true(digest.is_changed);
    digest.is_changed = false;
    add(&digest, 0);
    assert_false(digest.is_changed);
}

// Among n members one in 2^17/n strangers.
static void test_false_positives(void **state) {
    (void)state;
    const struct {
        unsigned members, least, most; // of 200,000 strangers
    } rates[] = {{0, 0, 0}, {64, 40, 170}, {128, 110, 290}, {480, 600, 880}};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct push_digest digest;
        push_digest_init(&digest);
        for (unsigned member = 0; member < rates[i].members; member++) {
            add(&digest, member);
        }
        unsigned found = 0;
        for (unsigned stranger = 1000; stranger < 201000; stranger++) {
            found += has(&digest, stranger);
        }
        assert_in_range(found, rates[i].least, rates[i].most);
    }
}

// --- hostile values ---------------------------------------------------------------------------

static const struct {
    const char *value;
    enum push_digest_outcome wanted;
} values[] = {
    {"", PUSH_DIGEST_GARBLED},
    {"A", PUSH_DIGEST_GARBLED},
    {"1", PUSH_DIGEST_GARBLED},
    {"deleted", PUSH_DIGEST_GARBLED},
    {"\"AQAAAAAAAAAAAAA\"", PUSH_DIGEST_GARBLED},
    {"AQAAAAAAAAAAAA", PUSH_DIGEST_GARBLED}, // 10 bytes
    {"AQAAAAAAAAAAAAA", PUSH_DIGEST_FORGED}, // 11 bytes: the shortest
    {"AgAAAAAAAAAAAAA", PUSH_DIGEST_VERSION},
    {"AAAAAAAAAAAAAAA", PUSH_DIGEST_VERSION},
    {"AQAAAAAAAAAAAA%", PUSH_DIGEST_GARBLED},
};

static void test_values(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        expect_outcome(&key, slice_of_text(values[i].value), values[i].wanted, values[i].value);
    }
    char large[PUSH_DIGEST_MAX_CHARS + 1];
    memset(large, 'A', sizeof(large));
    large[1] = 'Q';
    expect_outcome(&key, slice_of(large, sizeof(large)), PUSH_DIGEST_OVERSIZED, "one too long");
    expect_outcome(&key, slice_of(large, sizeof(large) - 1), PUSH_DIGEST_FORGED, "just not");
}

static enum push_digest_outcome read_exact(struct slice value) {
    struct push_digest digest;
    char *exact = malloc(value.length > 0 ? value.length : 1);
    memcpy(exact, value.data, value.length);
    enum push_digest_outcome outcome =
        push_digest_read(&key, slice_of(exact, value.length), &digest);
    assert_true(outcome == PUSH_DIGEST_READ || digest.count == 0);
    free(exact);
    return outcome;
}

static void test_every_truncation_and_bit_flip(void **state) {
    (void)state;
    const unsigned sizes[] = {0, 1, 7, 60, 480};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct arena *arena = arena_create();
        struct push_digest digest;
        push_digest_init(&digest);
        for (unsigned member = 0; member < sizes[i]; member++) {
            add(&digest, member);
        }
        struct slice value = go_round(&digest, arena);
        for (size_t length = 0; length < value.length; length++) {
            assert_int_not_equal(read_exact(slice_first(value, length)), PUSH_DIGEST_READ);
            assert_int_not_equal(read_exact(slice_skip(value, value.length - length)),
                                 PUSH_DIGEST_READ);
        }
        char *flipped = (char *)(uintptr_t)arena_copy(arena, value).data;
        for (size_t bit = 0; bit < 8 * value.length; bit++) {
            flipped[bit / 8] = (char)(flipped[bit / 8] ^ 1 << bit % 8);
            assert_int_not_equal(read_exact(slice_of(flipped, value.length)), PUSH_DIGEST_READ);
            flipped[bit / 8] = (char)(flipped[bit / 8] ^ 1 << bit % 8);
        }
        assert_int_equal(read_exact(slice_of(flipped, value.length)), PUSH_DIGEST_READ);
        arena_destroy(arena);
    }
}

// Bytes signed with our own key that are no set: as a bug of ours might make them.
static void test_signed_nonsense(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    unsigned read = 0;
    for (unsigned round = 0; round < 30000; round++) {
        unsigned char bytes[64] = {1};
        size_t length = 3 + random_below(40);
        for (size_t i = 1; i < length; i++) {
            bytes[i] = (unsigned char)random_below(256);
        }
        if (round % 2 == 0) { // a count that can be read, so that members are looked at
            bytes[1] = 0;
            bytes[2] = (unsigned char)(random_below(8) << 5 | random_below(32));
        }
        uint64_t tag = hash_sign(&key.sign, slice_of((char *)bytes, length));
        memcpy(bytes + length, &tag, 8);
        char text[128];
        base64_encode(slice_of((char *)bytes, length + 8), text);
        struct push_digest digest;
        struct slice value = slice_of(text, base64_text_length(length + 8));
        enum push_digest_outcome outcome = push_digest_read(&key, value, &digest);
        if (outcome == PUSH_DIGEST_READ) {
            assert_true(slice_equal(push_digest_write(&digest, &key, arena), value)); // canonical
            read++;
        } else {
            assert_int_equal(outcome, PUSH_DIGEST_DAMAGED);
            assert_int_equal(digest.count, 0);
        }
    }
    assert_in_range(read, 1, 3000);
    arena_destroy(arena);
}

// Each is signed; gaps after the first are 0. Of 2^17 hashes with remainders of `remainder` bits.
static const struct {
    unsigned count, members, first, remainder;
    enum push_digest_outcome wanted;
} bodies[] = {
    {1, 1, 131071, 16, PUSH_DIGEST_READ},       {1, 1, 131072, 16, PUSH_DIGEST_DAMAGED},
    {2, 2, 131070, 15, PUSH_DIGEST_READ},       {2, 2, 131071, 15, PUSH_DIGEST_DAMAGED},
    {2, 1, 7, 15, PUSH_DIGEST_DAMAGED},         {1, 2, 7, 16, PUSH_DIGEST_DAMAGED},
    {480, 480, 0, 8, PUSH_DIGEST_READ},         {480, 480, 130592, 8, PUSH_DIGEST_READ},
    {480, 480, 130593, 8, PUSH_DIGEST_DAMAGED}, {481, 481, 0, 8, PUSH_DIGEST_DAMAGED},
    {511, 511, 0, 8, PUSH_DIGEST_DAMAGED},
};

static void test_signed_bodies(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        unsigned char bytes[900] = {0};
        struct push_golomb_writer writer;
        push_golomb_writer_init(&writer, bytes, sizeof(bytes) - 8);
        push_golomb_write_bits(&writer, 8, 1);
        push_golomb_write_bits(&writer, 9, bodies[i].count);
        for (unsigned member = 0; member < bodies[i].members; member++) {
            push_golomb_write_gap(&writer, bodies[i].remainder, member == 0 ? bodies[i].first : 0);
            push_golomb_write_bits(&writer, 2, member % 4);
        }
        assert_false(writer.is_full);
        size_t length = push_golomb_bytes(&writer);
        uint64_t tag = hash_sign(&key.sign, slice_of((char *)bytes, length));
        memcpy(bytes + length, &tag, 8);
        char text[1200];
        base64_encode(slice_of((char *)bytes, length + 8), text);
        expect_outcome(&key, slice_of(text, base64_text_length(length + 8)), bodies[i].wanted,
                       "body");
    }
}

// --- keys -------------------------------------------------------------------------------------

static void test_keys(void **state) {
    (void)state;
    struct push_digest_key made, same, other;
    const unsigned char bytes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255};
    assert_false(push_digest_key_from_text(SLICE_EMPTY, &made));
    assert_true(push_digest_key_from_text(SLICE("000102030405060708090a0b0c0d0eff"), &made));
    push_digest_key_from_bytes(bytes, &same);
    assert_memory_equal(&made, &same, sizeof(made));
    assert_true(push_digest_key_from_text(SLICE("000102030405060708090A0B0C0D0EFF"), &same));
    assert_memory_equal(&made, &same, sizeof(made));
    const struct slice others[] = {SLICE("000102030405060708090a0b0c0d0efe"),
                                   SLICE("000102030405060708090a0b0c0d0ef"),
                                   SLICE("000102030405060708090a0b0c0d0efg"), SLICE("x")};
    struct arena *arena = arena_create();
    struct push_digest digest;
    push_digest_init(&digest);
    struct slice value = push_digest_write(&digest, &made, arena);
    expect_outcome(&made, value, PUSH_DIGEST_READ, "its own");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_true(push_digest_key_from_text(others[i], &other));
        expect_outcome(&other, value, PUSH_DIGEST_FORGED, others[i].data);
        assert_true(other.entries != made.entries && other.entries != other.sign.low &&
                    other.sign.low != other.sign.high);
    }
    arena_destroy(arena);
}

// The format, so that a later version can't change it unseen: cookies outlive the process.
static void test_known_value(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct push_digest_key known;
    struct push_digest digest;
    push_digest_key_from_text(SLICE("000102030405060708090a0b0c0d0e0f"), &known);
    push_digest_init(&digest);
    push_digest_add(&digest, &known, site, SLICE("/a.css"), SLICE("v1"));
    push_digest_add(&digest, &known, site, SLICE("/b.js"), SLICE("v2"));
    push_digest_add(&digest, &known, site, SLICE("/c.woff2"), SLICE_EMPTY);
    struct slice value = push_digest_write(&digest, &known, arena);
    if (!slice_equal(value, SLICE("AQGk2YvSM0u4HK8FP5xi4h0"))) {
        fail_msg("%.*s", SLICE_ARGS(value));
    }
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_part_matters),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_remove_at_random),
        cmocka_unit_test(test_unchanged_needs_no_cookie),
        cmocka_unit_test(test_every_size_goes_round),
        cmocka_unit_test(test_worst_sets_fit),
        cmocka_unit_test(test_random_sets_go_round),
        cmocka_unit_test(test_old_ones_leave_first),
        cmocka_unit_test(test_used_again),
        cmocka_unit_test(test_false_positives),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_every_truncation_and_bit_flip),
        cmocka_unit_test(test_signed_nonsense),
        cmocka_unit_test(test_signed_bodies),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_known_value),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
