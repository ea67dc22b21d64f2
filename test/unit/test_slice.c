// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

static void test_comparisons(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        bool is_equal, is_equal_nocase, starts;
    } cases[] = {
        {"", "", true, true, true},
        {"a", "a", true, true, true},
        {"a", "A", false, true, false},
        {"ab", "a", false, false, true},
        {"a", "ab", false, false, false},
        {"Content-Length", "content-LENGTH", false, true, false},
        {"[", "{", false, false, false}, // differ by the case bit, but are no letters
        {"\xc4", "\xe4", false, false, false},
        {"abc", "", false, false, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice a = slice_of_text(cases[i].a), b = slice_of_text(cases[i].b);
        assert_int_equal(slice_equal(a, b), cases[i].is_equal);
        assert_int_equal(slice_equal_nocase(a, b), cases[i].is_equal_nocase);
        assert_int_equal(slice_starts_with(a, b), cases[i].starts);
    }
    assert_true(slice_equal(slice_of(NULL, 0), SLICE_EMPTY));
}

static void test_parts(void **state) {
    (void)state;
    struct slice s = SLICE("abc");
    assert_true(slice_equal(slice_skip(s, 1), SLICE("bc")));
    assert_true(slice_equal(slice_skip(s, 9), SLICE("")));
    assert_true(slice_equal(slice_first(s, 2), SLICE("ab")));
    assert_true(slice_equal(slice_first(s, 9), SLICE("abc")));
    assert_int_equal(slice_find(s, 'c'), 2);
    assert_int_equal(slice_find(s, 'x'), 3);
    assert_int_equal(slice_find(slice_of(NULL, 0), 'x'), 0);
}

static void test_trim(void **state) {
    (void)state;
    static const char *cases[][2] = {
        {"", ""}, {" \t ", ""}, {"a", "a"}, {"  a b\t", "a b"}, {"\na", "\na"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(
            slice_equal(slice_trim(slice_of_text(cases[i][0])), slice_of_text(cases[i][1])));
    }
}

static void test_elements(void **state) {
    (void)state;
    static const char *cases[][2] = {
        {"", ""}, {",", ""}, {"a", "a|"}, {"a,b", "a|b|"}, {" a , ,\tb c ,", "a|b c|"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice rest = slice_of_text(cases[i][0]), element;
        char joined[64] = "";
        while (slice_next_element(&rest, &element)) {
            strncat(joined, element.data, element.length);
            strcat(joined, "|");
        }
        assert_string_equal(joined, cases[i][1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
