// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/fault.h"

static void test_every_row_is_complete(void **state) {
    (void)state;
    for (int i = 0; i < FAULT_COUNT; i++) {
        enum fault fault = (enum fault)i;
        assert_true(strlen(fault_name(fault)) > 0);
        assert_int_equal(strspn(fault_name(fault), "abcdefghijklmnopqrstuvwxyz_"),
                         strlen(fault_name(fault))); // a metric label
        assert_true(strlen(fault_text(fault)) > 0);
        int status = fault_status(fault);
        assert_true(status == 0 || (status >= 400 && status <= 599));
        // What is answered has a Proxy-Status; what cannot be answered needs none.
        if (status != 0 && status != 499) {
            assert_true(strlen(fault_proxy_status(fault)) > 0);
        } else {
            assert_string_equal(fault_proxy_status(fault), "");
        }
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(fault_name((enum fault)k), fault_name(fault));
        }
    }
}

static void test_what_matters_is_pinned(void **state) {
    (void)state;
    static const struct {
        enum fault fault;
        int status;
        bool may_retry;
    } cases[] = {
        {FAULT_NONE, 0, false},
        {FAULT_BAD_REQUEST, 400, false},
        {FAULT_NO_ROUTE, 404, false},
        {FAULT_CLIENT_TIMEOUT, 408, false},
        {FAULT_BODY_TOO_LARGE, 413, false},
        {FAULT_URI_TOO_LONG, 414, false},
        {FAULT_MISDIRECTED, 421, false},
        {FAULT_HEAD_TOO_LARGE, 431, false},
        {FAULT_NOT_IMPLEMENTED, 501, false},
        {FAULT_ORIGIN_REFUSED, 502, false},
        {FAULT_ORIGIN_BUSY, 503, false},
        {FAULT_DRAINING, 503, false},
        {FAULT_MEMORY_FULL, 503, false}, // the client may, later
        {FAULT_ORIGIN_TIMEOUT, 504, false},
        {FAULT_ORIGIN_CUT, 502, false},
        {FAULT_ORIGIN_RESET, 502, true}, // the only one: nothing had been answered
    };
    unsigned retries = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(fault_status(cases[i].fault), cases[i].status);
        assert_int_equal(fault_may_retry(cases[i].fault), cases[i].may_retry);
    }
    for (int i = 0; i < FAULT_COUNT; i++) {
        retries += fault_may_retry((enum fault)i);
    }
    assert_int_equal(retries, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_complete),
        cmocka_unit_test(test_what_matters_is_pinned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
