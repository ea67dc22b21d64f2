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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_kept_away),
        cmocka_unit_test(test_other_pairs_are_not_touched),
        cmocka_unit_test(test_is_forgotten_after_a_while),
        cmocka_unit_test(test_an_old_entry_does_not_widen_a_new_one),
        cmocka_unit_test(test_when_full_the_oldest_gives_way),
        cmocka_unit_test(test_seed_decides_who_collides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
