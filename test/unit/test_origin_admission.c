// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "origin_admission.h"

enum { START_MS = 5000, MOST = 6000 };

// Requests in the order in which they came; those before `begun` were admitted.
struct scene {
    struct origin_admission admission;
    struct origin_admission_entry entries[MOST];
    unsigned begun, answered, most_open;
    uint64_t now_ms;
};

static void open_scene(struct scene *s) {
    *s = (struct scene){.now_ms = START_MS};
    origin_admission_init(&s->admission);
}

static void admit(struct scene *s, unsigned waiting) {
    while (s->begun < waiting && origin_admission_is_open(&s->admission)) {
        origin_admission_begin(&s->admission, &s->entries[s->begun++], s->now_ms);
    }
    unsigned open = s->begun - s->answered;
    s->most_open = open > s->most_open ? open : s->most_open;
}

static void answer(struct scene *s, unsigned count) {
    for (; count > 0 && s->answered < s->begun; count--) {
        origin_admission_answer(&s->admission, &s->entries[s->answered++]);
    }
}

// Time passes; `waiting` have come since the beginning.
static void pass(struct scene *s, uint64_t ms, unsigned waiting) {
    s->now_ms += ms;
    origin_admission_tend(&s->admission, s->now_ms, s->begun < waiting ? START_MS : 0);
    admit(s, waiting);
}

static void test_a_quick_origin_gets_some_dozens(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    admit(&s, 1000);
    assert_int_equal(s.begun, ORIGIN_ADMISSION_WIDTH);
    for (unsigned ms = 0; s.begun < 1000; ms++) {
        answer(&s, 40);
        pass(&s, 1, 1000);
        assert_in_range(ms, 0, ORIGIN_ADMISSION_HELD_MS);
    }
    assert_int_equal(s.most_open, ORIGIN_ADMISSION_WIDTH);
    answer(&s, 1000);
    assert_int_equal(s.admission.fresh_count + s.admission.aged_count, 0);
    assert_true(list_is_empty(&s.admission.fresh));
}

static void test_a_silent_origin_gets_a_burst_within_moments(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    admit(&s, 1000);
    for (unsigned moments = 0; s.begun < 1000; moments++) {
        assert_in_range(moments, 0, 4); // twice as many each time, and a few more
        pass(&s, ORIGIN_ADMISSION_FRESH_MS, 1000);
    }
    assert_int_equal(s.admission.width, ORIGIN_ADMISSION_WIDTH);
    answer(&s, 1000);
    assert_int_equal(s.admission.fresh_count + s.admission.aged_count, 0);
}

// Long polls take nothing away from the others.
static void test_who_thinks_long_leaves_room_for_others(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    admit(&s, ORIGIN_ADMISSION_WIDTH);
    pass(&s, ORIGIN_ADMISSION_FRESH_MS, ORIGIN_ADMISSION_WIDTH);
    assert_int_equal(s.admission.aged_count, ORIGIN_ADMISSION_WIDTH);
    admit(&s, MOST);
    assert_int_equal(s.begun, 3 * ORIGIN_ADMISSION_WIDTH); // as many aged ones, and those twice
}

// A turn may take longer than a request is fresh: it is measured from the moment it was begun, to
// the beginning of a turn whose answers were read.
static void test_a_long_turn_makes_nothing_old(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    s.now_ms += 10 * ORIGIN_ADMISSION_FRESH_MS; // in the turn that began at START_MS
    admit(&s, ORIGIN_ADMISSION_WIDTH);
    origin_admission_tend(&s.admission, START_MS, 0);
    assert_int_equal(s.admission.aged_count, 0);
    pass(&s, ORIGIN_ADMISSION_FRESH_MS - 1, ORIGIN_ADMISSION_WIDTH);
    assert_int_equal(s.admission.aged_count, 0);
    pass(&s, 1, ORIGIN_ADMISSION_WIDTH);
    assert_int_equal(s.admission.aged_count, ORIGIN_ADMISSION_WIDTH);
}

// An origin that answers each after 2 ms, however many they are.
static void test_the_width_grows_for_who_waits_long(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    admit(&s, MOST);
    unsigned before = 0;
    for (unsigned ms = 1; ms <= 2 * ORIGIN_ADMISSION_HELD_MS; ms++) {
        unsigned begun = s.begun;
        answer(&s, before - s.answered);
        before = begun;
        pass(&s, 1, MOST);
        unsigned times = ms < ORIGIN_ADMISSION_HELD_MS       ? 1
                         : ms < 2 * ORIGIN_ADMISSION_HELD_MS ? 2
                                                             : 4;
        assert_int_equal(s.admission.width, times * ORIGIN_ADMISSION_WIDTH);
    }
    answer(&s, MOST);
    pass(&s, ORIGIN_ADMISSION_WIDE_MS - 1, s.begun);
    assert_int_equal(s.admission.width, 4 * ORIGIN_ADMISSION_WIDTH);
    pass(&s, 1, s.begun);
    assert_int_equal(s.admission.width, 2 * ORIGIN_ADMISSION_WIDTH);
    pass(&s, ORIGIN_ADMISSION_WIDE_MS, s.begun);
    pass(&s, ORIGIN_ADMISSION_WIDE_MS, s.begun);
    assert_int_equal(s.admission.width, ORIGIN_ADMISSION_WIDTH);
}

static void test_nothing_counts_twice(void **state) {
    (void)state;
    struct scene s;
    open_scene(&s);
    struct origin_admission_entry never = {0};
    origin_admission_answer(&s.admission, &never);
    admit(&s, 2);
    pass(&s, ORIGIN_ADMISSION_FRESH_MS, 2); // both are aged
    admit(&s, 3);
    for (unsigned i = 0; i < 3; i++) {
        origin_admission_answer(&s.admission, &s.entries[i]);
        origin_admission_answer(&s.admission, &s.entries[i]);
    }
    assert_int_equal(s.admission.fresh_count, 0);
    assert_int_equal(s.admission.aged_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_quick_origin_gets_some_dozens),
        cmocka_unit_test(test_a_silent_origin_gets_a_burst_within_moments),
        cmocka_unit_test(test_who_thinks_long_leaves_room_for_others),
        cmocka_unit_test(test_a_long_turn_makes_nothing_old),
        cmocka_unit_test(test_the_width_grows_for_who_waits_long),
        cmocka_unit_test(test_nothing_counts_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
