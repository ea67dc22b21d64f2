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

// The place that an entry left is written again while the entry lives on elsewhere.
static void test_a_left_place_is_nobodys(void **state) {
    (void)state;
    struct push_diary *diary = push_diary_create(12);
    push_diary_add(diary, site, SLICE("/x"));
    for (unsigned i = 0; i < PUSH_DIARY_ENTRIES / 2; i++) {
        push_diary_add(diary, site, number_path(i));
    }
    push_diary_add(diary, site, SLICE("/x"));
    for (unsigned i = 0; i < PUSH_DIARY_ENTRIES - 1; i++) {
        push_diary_add(diary, site, number_path(1000 + i));
        assert_true(push_diary_has(diary, site, SLICE("/x")));
    }
    push_diary_destroy(diary);
}

static void test_asked_for_again_and_again_ages_nothing(void **state) {
    (void)state;
    struct push_diary *diary = push_diary_create(13);
    push_diary_add(diary, site, SLICE("/style.css"));
    for (unsigned i = 0; i < 1000; i++) {
        push_diary_add(diary, site, SLICE("/poll"));
    }
    assert_true(push_diary_has(diary, site, SLICE("/style.css")));
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

// Time 10 at the start, then 11, ... 'a' /x is added, 'f' forgotten, '1' and '2' given in that
// version, 'o' one other path is added, 'O' as many as make the oldest leave.
static const struct {
    const char *events;
    bool is_there;
    uint32_t version; // 0: none
    uint64_t given_ms;
} versions[] = {
    {"", false, 0, 0},       {"a", true, 0, 0},
    {"a1", true, 1, 11},     {"1", true, 1, 10}, // its entry had left, or was never made
    {"a12", true, 2, 12},    {"a11", true, 1, 12},
    {"a1a", true, 0, 0}, // asked for again: what it has is known when the answer is complete
    {"a1aa2", true, 2, 14},  {"a1oaoa", true, 0, 0},
    {"a1f", false, 0, 0},    {"a1fa", true, 0, 0},
    {"a1fa2", true, 2, 14},  {"a1O", false, 0, 0},
    {"a1Oa", true, 0, 0},    {"O1o", true, 1, 11},
    {"Oa1aooa", true, 0, 0}, {"OOooa1fa", true, 0, 0}, // the place had another's version
};

static void give_others(struct push_diary *diary, unsigned count, uint64_t now_ms) {
    static unsigned number;
    for (unsigned i = 0; i < count; i++) {
        push_diary_add(diary, site, number_path(number));
        push_diary_note_version(diary, site, number_path(number++), 99, now_ms);
    }
}

static void do_event(struct push_diary *diary, char event, uint64_t now_ms) {
    switch (event) {
    case 'a':
        push_diary_add(diary, site, SLICE("/x"));
        break;
    case 'f':
        push_diary_forget(diary, site, SLICE("/x"));
        break;
    case 'o':
        give_others(diary, 1, now_ms);
        break;
    case 'O':
        give_others(diary, PUSH_DIARY_ENTRIES, now_ms);
        break;
    default:
        push_diary_note_version(diary, site, SLICE("/x"), (uint32_t)(event - '0'), now_ms);
    }
}

static void test_versions(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        struct push_diary *diary = push_diary_create(8);
        uint64_t now_ms = 10;
        for (const char *event = versions[i].events; *event != '\0'; event++) {
            do_event(diary, *event, now_ms++);
        }
        uint32_t version = 7; // untouched when there is none
        uint64_t given_ms = 7;
        bool has = push_diary_find_version(diary, site, SLICE("/x"), &version, &given_ms);
        bool is_there = push_diary_has(diary, site, SLICE("/x"));
        bool has_one = versions[i].version != 0;
        if (is_there != versions[i].is_there || has != has_one ||
            version != (has_one ? versions[i].version : 7) ||
            given_ms != (has_one ? versions[i].given_ms : 7)) {
            fail_msg("%s: there %d, version %d: %u at %u", versions[i].events, is_there, has,
                     version, (unsigned)given_ms);
        }
        push_diary_destroy(diary);
    }
}

// All of them at once, any value, each its own.
static void test_every_entry_has_its_own_version(void **state) {
    (void)state;
    struct push_diary *diary = push_diary_create(9);
    for (unsigned i = 0; i < 3 * PUSH_DIARY_ENTRIES; i++) {
        push_diary_note_version(diary, site, number_path(i), UINT32_MAX - i, UINT64_MAX - i);
    }
    for (unsigned i = 0; i < 3 * PUSH_DIARY_ENTRIES; i++) {
        uint32_t version = 0;
        uint64_t given_ms = 0;
        bool has = push_diary_find_version(diary, site, number_path(i), &version, &given_ms);
        assert_int_equal(has, i >= 2 * PUSH_DIARY_ENTRIES);
        if (has) {
            assert_int_equal(version, UINT32_MAX - i);
            assert_true(given_ms == UINT64_MAX - i);
        }
    }
    push_diary_note_version(diary, site, SLICE("/zero"), 0, 0);
    uint32_t version = 1;
    uint64_t given_ms = 1;
    assert_true(push_diary_find_version(diary, site, SLICE("/zero"), &version, &given_ms));
    assert_int_equal(version, 0);
    assert_int_equal(given_ms, 0);
    push_diary_destroy(diary);
}

// To be given something does not make an entry younger, asking for it does.
static void test_given_is_not_younger(void **state) {
    (void)state;
    struct push_diary *diary = push_diary_create(10);
    push_diary_add(diary, site, SLICE("/x"));
    give_others(diary, PUSH_DIARY_ENTRIES - 1, 1);
    push_diary_note_version(diary, site, SLICE("/x"), 1, 2);
    assert_true(push_diary_has(diary, site, SLICE("/x")));
    give_others(diary, 1, 3);
    assert_false(push_diary_has(diary, site, SLICE("/x")));
    push_diary_destroy(diary);
}

// 'r' and 't' as above, 'l' a late refusal.
static const struct {
    const char *outcomes;
    bool is_refusing;
} balances[] = {
    {"", false},
    {"t", false},
    {"r", true},
    {"rt", false},
    {"tr", false},
    {"trr", true},
    {"rrtt", false},
    {"rrttt", false},
    {"l", true},
    {"tl", true},
    {"ttl", false},
    {"ttll", true},
    {"tttl", false},
    {"tttlr", false},
    {"tttlrr", true},
    // not only of late: more than the window of the stop rule, and after it has stopped
    {"ttttttttttttttttttttrrrrrrrrrrrrrrrrrrrr", false},
    {"ttttttttttttttttttttrrrrrrrrrrrrrrrrrrrrr", true},
    {"rrrrrrrrrrrrrrrrrrrrrtttttttttttttttttttt", true},
    {"rrrrrrrrrrrrrrrrrrrrrttttttttttttttttttttt", false},
};

static void test_is_refusing(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(balances) / sizeof(balances[0]); i++) {
        struct push_diary *diary = push_diary_create(11);
        for (const char *outcome = balances[i].outcomes; *outcome != '\0'; outcome++) {
            if (*outcome == 'l') {
                push_diary_note_late_refusal(diary);
            } else {
                push_diary_note_outcome(diary, *outcome == 'r');
            }
        }
        if (push_diary_is_refusing(diary) != balances[i].is_refusing) {
            fail_msg("%s: refusing %d", balances[i].outcomes, push_diary_is_refusing(diary));
        }
        push_diary_destroy(diary);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_has_add_forget),
        cmocka_unit_test(test_all_lengths),
        cmocka_unit_test(test_oldest_ages_out),
        cmocka_unit_test(test_added_again_is_young),
        cmocka_unit_test(test_asked_for_again_and_again_ages_nothing),
        cmocka_unit_test(test_like_a_list),
        cmocka_unit_test(test_stop_rule),
        cmocka_unit_test(test_late_refusals),
        cmocka_unit_test(test_is_refusing),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_every_entry_has_its_own_version),
        cmocka_unit_test(test_given_is_not_younger),
        cmocka_unit_test(test_a_left_place_is_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
