// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "push/push_diary.h"

static const struct slice site = {"example.org", 11};

static struct slice number_path(unsigned number) {
    static char text[32];
    int length = snprintf(text, sizeof(text), "/asset-%u.css", number);
    return slice_of(text, (size_t)length);
}

static void test_has_add_forget(void **state) {
    (void)state;
    struct push_diary *diary = push_diary_create(1);
    assert_false(push_diary_has(diary, site, SLICE("/a")));
    push_diary_forget(diary, site, SLICE("/a"));
    push_diary_add(diary, site, SLICE("/a"));
    assert_true(push_diary_has(diary, site, SLICE("/a")));
    assert_false(push_diary_has(diary, site, SLICE("/a?")));
    assert_false(push_diary_has(diary, site, SLICE("/A")));
    assert_false(push_diary_has(diary, SLICE("example.org/"), SLICE("a")));
    assert_false(push_diary_has(diary, SLICE("example.net"), SLICE("/a")));
    push_diary_forget(diary, site, SLICE("/a"));
    assert_false(push_diary_has(diary, site, SLICE("/a")));
    push_diary_add(diary, SLICE_EMPTY, SLICE_EMPTY);
    assert_true(push_diary_has(diary, SLICE_EMPTY, SLICE_EMPTY));
    push_diary_destroy(diary);
    push_diary_destroy(NULL);
}

// Every length around the words of the hash; each differs from its neighbours.
static void test_all_lengths(void **state) {
    (void)state;
    static const char text[64] = {0};
    struct push_diary *diary = push_diary_create(2);
    for (size_t i = 0; i < sizeof(text); i++) {
        assert_false(push_diary_has(diary, site, slice_of(text, i)));
        push_diary_add(diary, site, slice_of(text, i));
    }
    for (size_t i = 0; i < sizeof(text); i++) {
        assert_true(push_diary_has(diary, site, slice_of(text, i)));
    }
    push_diary_destroy(diary);
}

static void test_oldest_ages_out(void **state) {
    (void)state;
    struct push_diary *diary = push_diary_create(3);
    for (unsigned i = 0; i < 3 * PUSH_DIARY_ENTRIES; i++) {
        push_diary_add(diary, site, number_path(i));
        assert_true(push_diary_has(diary, site, number_path(i)));
        if (i >= PUSH_DIARY_ENTRIES) {
            assert_true(push_diary_has(diary, site, number_path(i - PUSH_DIARY_ENTRIES + 1)));
            assert_false(push_diary_has(diary, site, number_path(i - PUSH_DIARY_ENTRIES)));
        }
    }
    push_diary_destroy(diary);
}

static void test_added_again_is_young(void **state) {
    (void)state;
    struct push_diary *diary = push_diary_create(4);
    push_diary_add(diary, site, SLICE("/old"));
    for (unsigned i = 0; i < PUSH_DIARY_ENTRIES - 1; i++) {
        push_diary_add(diary, site, number_path(i));
    }
    push_diary_add(diary, site, SLICE("/old"));
    push_diary_add(diary, site, SLICE("/new"));
    assert_true(push_diary_has(diary, site, SLICE("/old")));
    push_diary_destroy(diary);
}

// Against a plain model: adds and forgets in a random order.
static void test_like_a_list(void **state) {
    (void)state;
    struct push_diary *diary = push_diary_create(5);
    enum { PATHS = 100 }; // fewer than entries, with forgotten holes between them
    bool model[PATHS] = {false};
    uint32_t random = 12345;
    unsigned live_adds = 0;
    for (unsigned i = 0; i < 5000; i++) {
        random = random * 1664525 + 1013904223;
        unsigned path = (random >> 8) % PATHS;
        if (random >> 31 == 0 || live_adds > 150) {
            push_diary_forget(diary, site, number_path(path));
            model[path] = false;
            live_adds -= live_adds > 0;
        } else if (!model[path]) {
            push_diary_add(diary, site, number_path(path));
            model[path] = true;
            live_adds++;
        }
        // An entry may have aged out since its hole-ridden ring moved on; none may appear.
        for (unsigned j = 0; j < PATHS; j++) {
            assert_true(model[j] || !push_diary_has(diary, site, number_path(j)));
        }
        assert_int_equal(push_diary_has(diary, site, number_path(path)), model[path]);
        for (unsigned j = 0; j < PATHS; j++) {
            model[j] = push_diary_has(diary, site, number_path(j));
        }
    }
    push_diary_destroy(diary);
}

// Four small pushes were all sent before the first reset came.
static void test_late_refusals(void **state) {
    (void)state;
    struct push_diary *diary = push_diary_create(7);
    for (int i = 0; i < 4; i++) {
        push_diary_note_outcome(diary, false);
    }
    push_diary_note_late_refusal(diary);
    push_diary_note_late_refusal(diary);
    assert_false(push_diary_has_stopped(diary));
    push_diary_note_late_refusal(diary);
    assert_true(push_diary_has_stopped(diary));
    push_diary_destroy(diary);
}

// 'r' a promise that was refused, 't' one that was taken; has it stopped after them?
static const struct {
    const char *outcomes;
    bool has_stopped;
} stops[] = {
    {"", false},
    {"t", false},
    {"r", false},
    {"rr", false},
    {"rrr", true}, // 3 of the first 4
    {"rrt", false},
    {"rrtr", true},
    {"trrr", true},
    {"rtrr", true},
    {"rrttr", false}, // the third refusal came too late for that rule
    {"ttrrrr", false},
    {"ttttrrrrrrrrrr", false}, // 10 of 20
    {"ttttrrrrrrrrrrr", true}, // 11 of 20
    {"rtrtrtrtrtrtrtrtrtrtrtrtrtrt", false},
    {"ttrrttrrttrrttrrttrrrttrrrttrrrttrrr", true},
    {"ttttrrrrrrrrrrrtttttttttttttttttttttttttttt", true}, // for good
    {"ttttrrrrrrrrrrttttttttttttttttttttrrrrrrrrrr", false},
};

static void test_stop_rule(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
        struct push_diary *diary = push_diary_create(6);
        for (const char *outcome = stops[i].outcomes; *outcome != '\0'; outcome++) {
            push_diary_note_outcome(diary, *outcome == 'r');
        }
        if (push_diary_has_stopped(diary) != stops[i].has_stopped) {
            fail_msg("%s: stopped %d", stops[i].outcomes, push_diary_has_stopped(diary));
        }
        push_diary_destroy(diary);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_has_add_forget),  cmocka_unit_test(test_all_lengths),
        cmocka_unit_test(test_oldest_ages_out), cmocka_unit_test(test_added_again_is_young),
        cmocka_unit_test(test_like_a_list),     cmocka_unit_test(test_stop_rule),
        cmocka_unit_test(test_late_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
