// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin_text.h"
#include "base/alloc.h"

static void test_text_of_any_length(void **state) {
    (void)state;
    enum { MOST = 600 };
    char wanted[MOST + 8];
    for (size_t length = 0; length <= MOST; length++) {
        struct buffer out = {0};
        admin_text_add(&out, "a: ");
        admin_text_format(&out, "%0*d.", (int)length, 0);
        memcpy(wanted, "a: ", 3);
        memset(wanted + 3, '0', length);
        size_t digits = length > 0 ? length : 1; // a number has one at least
        wanted[3] = '0';
        wanted[3 + digits] = '.';
        assert_int_equal(buffer_length(&out), 3 + digits + 1);
        assert_memory_equal(buffer_peek(&out).data, wanted, 3 + digits + 1);
        buffer_finish(&out);
    }
}

static void test_seconds(void **state) {
    (void)state;
    static const struct {
        uint64_t ms;
        const char *wanted;
    } rows[] = {
        {0, "0.000"},    {1, "0.001"},      {999, "0.999"},
        {1000, "1.000"}, {61250, "61.250"}, {UINT64_MAX, "18446744073709551.615"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer out = {0};
        admin_text_add_seconds(&out, rows[i].ms);
        struct slice text = buffer_peek(&out);
        if (!slice_equal(text, slice_of_text(rows[i].wanted))) {
            fail_msg("'%.*s' instead of '%s'", SLICE_ARGS(text), rows[i].wanted);
        }
        buffer_finish(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_of_any_length),
        cmocka_unit_test(test_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
