// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "push/push_unfit.h"

static const struct slice site = {"a.example", 9};

// 'a': unfit for all, 'c': only for those with credentials; then who may not be promised it?
static const struct {
    const char *adds;
    bool is_unfit_with, is_unfit_without;
} sequences[] = {
    {"", false, false},  {"a", true, true},   {"c", true, false},
    {"cc", true, false}, {"ac", true, true}, // still a 404 for all
    {"ca", true, true},  {"aca", true, true},
};

static void test_who_is_kept_away(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
        struct push_unfit *unfit = push_unfit_create(1);
        for (const char *add = sequences[i].adds; *add != '\0'; add++) {
            push_unfit_add(unfit, site, SLICE("/x"), *add == 'c', 1000);
        }
        bool with = push_unfit_has(unfit, site, SLICE("/x"), true, 1000);
        bool without = push_unfit_has(unfit, site, SLICE("/x"), false, 1000);
        if (with != sequences[i].is_unfit_with || without != sequences[i].is_unfit_without) {
            fail_msg("'%s': with %d, without %d", sequences[i].adds, with, without);
        }
        push_unfit_destroy(unfit);
    }
}

static void test_other_pairs_are_not_touched(void **state) {
    (void)state;
    struct push_unfit *unfit = push_unfit_create(2);
    push_unfit_add(unfit, site, SLICE("/x"), false, 1000);
    assert_false(push_unfit_has(unfit, site, SLICE("/y"), true, 1000));
    assert_false(push_unfit_has(unfit, site, SLICE("/x?"), true, 1000));
    assert_false(push_unfit_has(unfit, SLICE("b.example"), SLICE("/x"), true, 1000));
    assert_false(push_unfit_has(unfit, SLICE("a.example/"), SLICE("x"), true, 1000));
    push_unfit_destroy(unfit);
    push_unfit_destroy(NULL);
}

static void test_is_forgotten_after_a_while(void **state) {
    (void)state;
    struct push_unfit *unfit = push_unfit_create(3);
    push_unfit_add(unfit, site, SLICE("/x"), false, 1000);
    assert_true(push_unfit_has(unfit, site, SLICE("/x"), false, 1000 + PUSH_UNFIT_MS - 1));
    assert_false(push_unfit_has(unfit, site, SLICE("/x"), false, 1000 + PUSH_UNFIT_MS));
    push_unfit_add(unfit, site, SLICE("/x"), false, 5000); // again: the time starts anew
    assert_true(push_unfit_has(unfit, site, SLICE("/x"), false, 5000 + PUSH_UNFIT_MS - 1));
    push_unfit_destroy(unfit);
}

// What was wrong long ago says nothing about now.
static void test_an_old_entry_does_not_widen_a_new_one(void **state) {
    (void)state;
    struct push_unfit *unfit = push_unfit_create(4);
    push_unfit_add(unfit, site, SLICE("/x"), false, 1000);
    uint64_t later = 1000 + PUSH_UNFIT_MS;
    push_unfit_add(unfit, site, SLICE("/x"), true, later);
    assert_true(push_unfit_has(unfit, site, SLICE("/x"), true, later));
    assert_false(push_unfit_has(unfit, site, SLICE("/x"), false, later));
    push_unfit_destroy(unfit);
}

static struct slice number_path(unsigned number) {
    static char text[16];
    return slice_of(text, (size_t)snprintf(text, sizeof(text), "/%u", number));
}

// Many more than there is room for: the latest is always there, the oldest give way, and the table
// is used well.
static void test_when_full_the_oldest_gives_way(void **state) {
    (void)state;
    enum { MANY = 4 * PUSH_UNFIT_ENTRIES };
    struct push_unfit *unfit = push_unfit_create(5);
    for (unsigned i = 0; i < MANY; i++) {
        push_unfit_add(unfit, site, number_path(i), false, 1000 + i);
        assert_true(push_unfit_has(unfit, site, number_path(i), false, 1000 + i));
    }
    unsigned kept = 0;
    unsigned kept_young = 0;
    for (unsigned i = 0; i < MANY; i++) {
        bool has = push_unfit_has(unfit, site, number_path(i), false, 1000 + MANY);
        kept += has;
        kept_young += has && i >= MANY - PUSH_UNFIT_ENTRIES / 4;
    }
    assert_in_range(kept, PUSH_UNFIT_ENTRIES * 9 / 10, PUSH_UNFIT_ENTRIES);
    assert_in_range(kept_young, PUSH_UNFIT_ENTRIES / 4 * 9 / 10, PUSH_UNFIT_ENTRIES / 4);
    push_unfit_destroy(unfit);
}

static void test_seed_decides_who_collides(void **state) {
    (void)state;
    struct push_unfit *one = push_unfit_create(6);
    struct push_unfit *two = push_unfit_create(7);
    unsigned different = 0;
    for (unsigned i = 0; i < 4 * PUSH_UNFIT_ENTRIES; i++) {
        push_unfit_add(one, site, number_path(i), false, 1000 + i);
        push_unfit_add(two, site, number_path(i), false, 1000 + i);
    }
    for (unsigned i = 0; i < 4 * PUSH_UNFIT_ENTRIES; i++) {
        different += push_unfit_has(one, site, number_path(i), false, 5000) !=
                     push_unfit_has(two, site, number_path(i), false, 5000);
    }
    assert_true(different > 0);
    push_unfit_destroy(one);
    push_unfit_destroy(two);
}

// 'r' a promise of it was refused, 't' taken; 'a', 'c' as above.
static void note(struct push_unfit *unfit, struct slice path, const char *events, uint64_t now_ms) {
    for (const char *event = events; *event != '\0'; event++) {
        if (*event == 'a' || *event == 'c') {
            push_unfit_add(unfit, site, path, *event == 'c', now_ms);
        } else {
            push_unfit_note_outcome(unfit, site, path, *event == 'r', now_ms);
        }
    }
}

static const struct {
    const char *events;
    enum push_unfit_reason with, without;
} reasons[] = {
    {"tttttttttttttttt", PUSH_UNFIT_NOT, PUSH_UNFIT_NOT},
    {"rrrrr", PUSH_UNFIT_NOT, PUSH_UNFIT_NOT}, // too few
    {"rrrrrr", PUSH_UNFIT_UNWANTED, PUSH_UNFIT_UNWANTED},
    {"rrrttt", PUSH_UNFIT_NOT, PUSH_UNFIT_NOT}, // half
    {"rrrtttt", PUSH_UNFIT_NOT, PUSH_UNFIT_NOT},
    {"rrrrtt", PUSH_UNFIT_UNWANTED, PUSH_UNFIT_UNWANTED},
    {"tttrrr", PUSH_UNFIT_NOT, PUSH_UNFIT_NOT},
    {"tttrrrr", PUSH_UNFIT_UNWANTED, PUSH_UNFIT_UNWANTED},
    {"ttrrrr", PUSH_UNFIT_UNWANTED, PUSH_UNFIT_UNWANTED}, // what came before the first one counts
    {"tttttrrrrr", PUSH_UNFIT_NOT, PUSH_UNFIT_NOT},
    {"tttttrrrrrr", PUSH_UNFIT_UNWANTED, PUSH_UNFIT_UNWANTED}, // 6 of the first 11
    {"ttttttrrrrrr", PUSH_UNFIT_NOT, PUSH_UNFIT_NOT},          // 6 of the first 12
    {"ttttttttttttttttttttrrrrrrrr", PUSH_UNFIT_NOT, PUSH_UNFIT_NOT},
    {"ttttttttttttttttttttrrrrrrrrr", PUSH_UNFIT_UNWANTED, PUSH_UNFIT_UNWANTED}, // 9 of 16
    {"trtrtrtrtrtrtrtrtrtrtrtrtrtrtrtrtrtr", PUSH_UNFIT_NOT, PUSH_UNFIT_NOT},
    {"rrrrrrtttttttttt", PUSH_UNFIT_UNWANTED, PUSH_UNFIT_UNWANTED}, // for a while, whatever comes
    {"a", PUSH_UNFIT_BAD, PUSH_UNFIT_BAD},
    {"c", PUSH_UNFIT_BAD, PUSH_UNFIT_NOT},
    {"attttttttttt", PUSH_UNFIT_BAD, PUSH_UNFIT_BAD},
    {"arrrrrr", PUSH_UNFIT_BAD, PUSH_UNFIT_BAD},
    {"rrrrrra", PUSH_UNFIT_BAD, PUSH_UNFIT_BAD},
    {"crrrrrr", PUSH_UNFIT_BAD, PUSH_UNFIT_UNWANTED},
    {"rrrrrrc", PUSH_UNFIT_BAD, PUSH_UNFIT_UNWANTED},
    {"rrrcrrr", PUSH_UNFIT_BAD, PUSH_UNFIT_UNWANTED}, // does not start the count anew
    {"rrcrrr", PUSH_UNFIT_BAD, PUSH_UNFIT_NOT},
};

static void test_why_it_may_not_be_promised(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        struct push_unfit *unfit = push_unfit_create(8);
        note(unfit, SLICE("/x"), reasons[i].events, 1000);
        enum push_unfit_reason with = push_unfit_has(unfit, site, SLICE("/x"), true, 1000);
        enum push_unfit_reason without = push_unfit_has(unfit, site, SLICE("/x"), false, 1000);
        if (with != reasons[i].with || without != reasons[i].without) {
            fail_msg("'%s': with %d, without %d", reasons[i].events, with, without);
        }
        assert_int_equal(push_unfit_has(unfit, site, SLICE("/y"), true, 1000), PUSH_UNFIT_NOT);
        push_unfit_destroy(unfit);
    }
}

// Even when the six come one after the other.
static void test_six_refusals_of_a_thousand_are_not_enough(void **state) {
    (void)state;
    for (unsigned before = 6; before <= 994; before++) {
        struct push_unfit *unfit = push_unfit_create(9);
        for (unsigned i = 0; i < 1000; i++) {
            bool was_refused = i >= before && i < before + 6;
            push_unfit_note_outcome(unfit, site, SLICE("/x"), was_refused, 1000 + i);
            if (push_unfit_has(unfit, site, SLICE("/x"), true, 1000 + i) != PUSH_UNFIT_NOT) {
                fail_msg("unwanted after %u taken and %u refused", before, i + 1 - before);
            }
        }
        push_unfit_destroy(unfit);
    }
}

// What came before the verdict, or while it held, says nothing afterwards.
static const struct {
    const char *meanwhile, *afterwards;
    enum push_unfit_reason reason;
} afresh[] = {
    {"", "", PUSH_UNFIT_NOT},
    {"", "rrrrr", PUSH_UNFIT_NOT},
    {"", "rrrrrr", PUSH_UNFIT_UNWANTED},
    {"", "tttttt", PUSH_UNFIT_NOT},
    {"rrrrr", "r", PUSH_UNFIT_NOT}, // these had been promised before
    {"tttttt", "rrrrrr", PUSH_UNFIT_UNWANTED},
};

static void test_an_unwanted_one_starts_afresh(void **state) {
    (void)state;
    const uint64_t later = 1000 + PUSH_UNFIT_MS;
    for (size_t i = 0; i < sizeof(afresh) / sizeof(afresh[0]); i++) {
        struct push_unfit *unfit = push_unfit_create(10);
        note(unfit, SLICE("/x"), "rrrrrr", 1000);
        note(unfit, SLICE("/x"), afresh[i].meanwhile, later - 1);
        assert_int_equal(push_unfit_has(unfit, site, SLICE("/x"), true, later - 1),
                         PUSH_UNFIT_UNWANTED);
        note(unfit, SLICE("/x"), afresh[i].afterwards, later);
        enum push_unfit_reason reason = push_unfit_has(unfit, site, SLICE("/x"), true, later);
        if (reason != afresh[i].reason) {
            fail_msg("'%s', then '%s': %d", afresh[i].meanwhile, afresh[i].afterwards, reason);
        }
        push_unfit_destroy(unfit);
    }
}

enum { FILL = 16 * PUSH_UNFIT_ENTRIES }; // leaves no bucket with room

// What is found out about /x, then many others, then the rest of /x, later by so much.
static const struct {
    const char *first, *others, *last;
    unsigned after_ms;
    enum push_unfit_reason reason;
} crowds[] = {
    {"a", "t", "", 0, PUSH_UNFIT_BAD},
    {"a", "r", "", 0, PUSH_UNFIT_BAD},
    {"a", "a", "", 0, PUSH_UNFIT_NOT},
    {"a", "r", "", PUSH_UNFIT_MS - 1, PUSH_UNFIT_BAD},
    {"rrrrrr", "t", "", 0, PUSH_UNFIT_UNWANTED},
    {"rrrrrr", "r", "", 0, PUSH_UNFIT_UNWANTED},
    {"rrrrrr", "a", "", 0, PUSH_UNFIT_NOT},
    {"rrrrr", "t", "r", 0, PUSH_UNFIT_UNWANTED},
    {"rrrrr", "t", "r", PUSH_UNFIT_MS - 1, PUSH_UNFIT_UNWANTED},
    {"rrrrr", "t", "r", PUSH_UNFIT_MS, PUSH_UNFIT_NOT}, // not lately: has left
    {"rrrrr", "r", "r", 0, PUSH_UNFIT_NOT},
    {"rrrrr", "a", "r", 0, PUSH_UNFIT_NOT},
    {"tttttt", "", "rrrrrr", 0, PUSH_UNFIT_NOT},
    {"tttttt", "t", "rrrrrr", 0, PUSH_UNFIT_UNWANTED}, // forgotten
    {"", "t", "rrrrrr", 0, PUSH_UNFIT_UNWANTED},
    {"", "r", "ttttttrrrrrr", 0, PUSH_UNFIT_UNWANTED},             // no room for what is taken
    {"", "r", "ttttttrrrrrr", PUSH_UNFIT_MS, PUSH_UNFIT_UNWANTED}, // the others are of then, too
    {"", "a", "rrrrrr", 0, PUSH_UNFIT_NOT},                        // no room for what is refused
    {"", "a", "a", 0, PUSH_UNFIT_BAD},
};

static void test_who_gives_way_to_whom(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(crowds) / sizeof(crowds[0]); i++) {
        struct push_unfit *unfit = push_unfit_create(11);
        uint64_t then = 1000 + crowds[i].after_ms;
        note(unfit, SLICE("/x"), crowds[i].first, 1000);
        for (unsigned j = 0; j < FILL; j++) {
            note(unfit, number_path(j), crowds[i].others, then);
        }
        note(unfit, SLICE("/x"), crowds[i].last, then);
        enum push_unfit_reason reason = push_unfit_has(unfit, site, SLICE("/x"), true, then);
        if (reason != crowds[i].reason) {
            fail_msg("'%s', many '%s', '%s' %u ms later: %d", crowds[i].first, crowds[i].others,
                     crowds[i].last, crowds[i].after_ms, reason);
        }
        push_unfit_destroy(unfit);
    }
}

// Verdicts and refusals that are over leave their places to what is taken.
static void test_old_ones_make_room(void **state) {
    (void)state;
    static const char *const events[] = {"a", "r"};
    for (size_t i = 0; i < 2; i++) {
        struct push_unfit *unfit = push_unfit_create(12);
        for (unsigned j = 0; j < FILL; j++) {
            note(unfit, number_path(j), events[i], 1000);
        }
        note(unfit, SLICE("/x"), "ttttttrrrrrr", 1000 + PUSH_UNFIT_MS);
        assert_int_equal(push_unfit_has(unfit, site, SLICE("/x"), true, 1000 + PUSH_UNFIT_MS),
                         PUSH_UNFIT_NOT);
        push_unfit_destroy(unfit);
    }
}

// Small pushes are sent whole before the client's reset comes: they counted as taken.
static void test_late_refusals(void **state) {
    (void)state;
    struct push_unfit *unfit = push_unfit_create(21);
    uint64_t key = push_unfit_key(unfit, site, SLICE("/a.css"));
    push_unfit_note_late_refusal(unfit, key); // nothing is known of it
    for (unsigned i = 0; i < 6; i++) {
        push_unfit_note_outcome(unfit, site, SLICE("/a.css"), false, 100 + i);
        push_unfit_note_outcome(unfit, site, SLICE("/b.css"), false, 100 + i);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(push_unfit_has(unfit, site, SLICE("/a.css"), false, 200), PUSH_UNFIT_NOT);
        push_unfit_note_late_refusal(unfit, key);
    }
    assert_int_equal(push_unfit_has(unfit, site, SLICE("/a.css"), false, 200), PUSH_UNFIT_UNWANTED);
    assert_int_equal(push_unfit_has(unfit, site, SLICE("/b.css"), false, 200), PUSH_UNFIT_NOT);
    assert_int_equal(push_unfit_has(unfit, site, SLICE("/a.css"), false, 105 + PUSH_UNFIT_MS),
                     PUSH_UNFIT_NOT);
    push_unfit_note_late_refusal(unfit, key); // more refusals than were taken
    push_unfit_destroy(unfit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_kept_away),
        cmocka_unit_test(test_other_pairs_are_not_touched),
        cmocka_unit_test(test_is_forgotten_after_a_while),
        cmocka_unit_test(test_an_old_entry_does_not_widen_a_new_one),
        cmocka_unit_test(test_when_full_the_oldest_gives_way),
        cmocka_unit_test(test_seed_decides_who_collides),
        cmocka_unit_test(test_why_it_may_not_be_promised),
        cmocka_unit_test(test_six_refusals_of_a_thousand_are_not_enough),
        cmocka_unit_test(test_an_unwanted_one_starts_afresh),
        cmocka_unit_test(test_who_gives_way_to_whom),
        cmocka_unit_test(test_old_ones_make_room),
        cmocka_unit_test(test_late_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
