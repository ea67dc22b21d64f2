// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/http_date.h"

// -1: none
static const struct {
    const char *text;
    int64_t wanted_s;
} dates[] = {
    {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
    {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
    {"Sun Nov  6 08:49:37 1994", 784111777},
    {" Sun, 06 Nov 1994 08:49:37 GMT ", 784111777},
    {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
    {"Thu, 29 Feb 2024 23:59:60 GMT", 1709251200},
    {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
    {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
    {"Sun, 06 Nov 1994 08:49:37 UTC", -1},
    {"Sun, 06 Nov 1994 08:49:37", -1},
    {"Sun, 06 Nov 1994 08:49:37 GMT and more", -1},
    {"Sun, 06 Nov 1994 25:49:37 GMT", -1},
    {"Sun, 40 Nov 1994 08:49:37 GMT", -1},
    {"0", -1},
    {"", -1},
    {"-1", -1},
    {"Sun, 06 Nov 1994 08:49:37 GMTGMTGMTGMTGMTGMTGMTGMTGMTGMT", -1},
};

static void test_dates(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        int64_t got = -1;
        bool is_date = http_date_parse(slice_of_text(dates[i].text), &got);
        int64_t wanted = dates[i].wanted_s >= 0 ? dates[i].wanted_s * 1000 : -1;
        if (is_date != (wanted >= 0) || (is_date && got != wanted)) {
            fail_msg("%s: %d %lld", dates[i].text, is_date, (long long)got);
        }
    }
    int64_t got;
    assert_false(http_date_parse(SLICE("Sun, 06 Nov 1994 08:49:37 GMT\0"), &got));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
