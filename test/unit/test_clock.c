// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

static void test_dates(void **state) {
    (void)state;
    static const struct {
        int64_t wall_ms;
        const char *date;
    } cases[] = {
        {784111777000, "Sun, 06 Nov 1994 08:49:37 GMT"}, // the example of RFC 9110
        {784111777999, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {784111778000, "Sun, 06 Nov 1994 08:49:38 GMT"},
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {1709164800000, "Thu, 29 Feb 2024 00:00:00 GMT"},
        {1798761599999, "Thu, 31 Dec 2026 23:59:59 GMT"},
    };
    struct clock clock = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        clock_update(&clock, i, cases[i].wall_ms);
        assert_int_equal(clock.now_ms, i);
        assert_int_equal(clock.wall_ms, cases[i].wall_ms);
        assert_string_equal(clock.date, cases[i].date);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
