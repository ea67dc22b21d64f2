// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/ceiling.h"

static void test_levels(void **state) {
    (void)state;
    static const struct {
        enum memory_level now;
        uint64_t percent;
        enum memory_level next;
    } rows[] = {
        {MEMORY_PLENTY, 0, MEMORY_PLENTY}, {MEMORY_PLENTY, 79, MEMORY_PLENTY},
        {MEMORY_PLENTY, 80, MEMORY_SHORT}, {MEMORY_PLENTY, 89, MEMORY_SHORT},
        {MEMORY_PLENTY, 90, MEMORY_FULL},  {MEMORY_PLENTY, 400, MEMORY_FULL},
        {MEMORY_SHORT, 79, MEMORY_SHORT},  {MEMORY_SHORT, 75, MEMORY_SHORT},
        {MEMORY_SHORT, 74, MEMORY_PLENTY}, {MEMORY_SHORT, 89, MEMORY_SHORT},
        {MEMORY_SHORT, 90, MEMORY_FULL},   {MEMORY_FULL, 89, MEMORY_FULL},
        {MEMORY_FULL, 85, MEMORY_FULL},    {MEMORY_FULL, 84, MEMORY_SHORT},
        {MEMORY_FULL, 75, MEMORY_SHORT},   {MEMORY_FULL, 74, MEMORY_PLENTY},
    };
    static const uint64_t limits[] = {100, 64 << 20, UINT64_C(1) << 50};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t k = 0; k < sizeof(limits) / sizeof(limits[0]); k++) {
            uint64_t used = limits[k] / 100 * rows[i].percent;
            enum memory_level next = ceiling_decide(rows[i].now, used, limits[k]);
            if (next != rows[i].next) {
                fail_msg("row %zu: %d", i, (int)next);
            }
        }
    }
    assert_int_equal(ceiling_decide(MEMORY_PLENTY, 0, 0), MEMORY_FULL); // a group that may nothing
    assert_int_equal(ceiling_decide(MEMORY_PLENTY, UINT64_MAX, UINT64_MAX), MEMORY_FULL);
}

// What wavers around a border by less than the slack changes the level once.
static void test_no_flapping(void **state) {
    (void)state;
    static const uint64_t used[] = {79, 81, 78, 80, 76, 83, 75, 79, 89, 91, 88, 90, 86, 92};
    enum memory_level level = MEMORY_PLENTY;
    unsigned changes = 0;
    for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
        enum memory_level next = ceiling_decide(level, used[i], 100);
        changes += next != level;
        level = next;
    }
    assert_int_equal(level, MEMORY_FULL);
    assert_int_equal(changes, 2);
}

static void test_nobody_measures(void **state) {
    (void)state;
    assert_int_equal(memory_gauge_read(NULL), MEMORY_PLENTY);
}

// --- a real process -----------------------------------------------------------------------------

static void test_measures_itself(void **state) {
    (void)state;
    struct loop loop;
    loop_init(&loop);
    struct ceiling *ceiling = ceiling_start(&loop, 1); // whatever we use, it is more
    const struct memory_gauge *gauge = ceiling_gauge(ceiling);
    assert_int_equal(memory_gauge_read(gauge), MEMORY_FULL);
    assert_int_equal(atomic_load(&gauge->limit), 1);
    ceiling_set(ceiling, UINT64_C(1) << 50);
    assert_int_equal(memory_gauge_read(gauge), MEMORY_PLENTY);
    assert_int_equal(atomic_load(&gauge->limit), UINT64_C(1) << 50);
    assert_in_range(atomic_load(&gauge->used), 1 << 16, UINT64_C(1) << 40);
    ceiling_set(ceiling, 1);
    assert_int_equal(memory_gauge_read(gauge), MEMORY_FULL);
    ceiling_stop(ceiling);
    ceiling_stop(NULL);
    loop_finish(&loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_no_flapping),
        cmocka_unit_test(test_nobody_measures),
        cmocka_unit_test(test_measures_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
