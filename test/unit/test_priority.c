// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/priority.h"

// Parsed on top of urgency 5, incremental, so that what is not said can be seen to stay.
static const struct {
    const char *value;
    bool has_said;
    unsigned urgency;
    bool is_incremental;
} cases[] = {
    {"", false, 5, true},
    {"u=0", true, 0, true},
    {"u=7", true, 7, true},
    {"u=3, i=?0", true, 3, false},
    {"i=?0,u=3", true, 3, false},
    {"i", true, 5, true},
    {"i=?1", true, 5, true},
    {"i=?0", true, 5, false},
    {"  u=1 ,\t i=?0 ", true, 1, false},
    {"u=1;x=2, i=?0;y", true, 1, false}, // parameters mean nothing
    {"u=1 ;x", true, 1, true},
    {"u=1, u=2", true, 2, true}, // the last one counts (RFC 8941 section 3.2)
    {"i=?0, i", true, 5, true},
    {"u=1, u=9", true, 1, true},
    {"foo, u=2, bar=\"x\"", true, 2, true},
    {"u=8", false, 5, true}, // out of range: ignored (RFC 9218 section 4)
    {"u=-1", false, 5, true},
    {"u=10", false, 5, true},
    {"u=", false, 5, true},
    {"u", false, 5, true},
    {"u=a", false, 5, true},
    {"u=1.0", false, 5, true},
    {"u =1", false, 5, true},
    {"u= 1", false, 5, true},
    {"U=1", false, 5, true}, // keys are lower case
    {"I=?0", false, 5, true},
    {"i=0", false, 5, true},
    {"i=?2", false, 5, true},
    {"i=false", false, 5, true},
    {"uu=1", false, 5, true},
    {"u=1i=?0", false, 5, true},
    {";u=1", false, 5, true},
    {",,,", false, 5, true},
    {",,u=4,,", true, 4, true},
};

static void test_values(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct priority priority = {5, true};
        bool has_said = priority_parse(slice_of_text(cases[i].value), &priority);
        if (has_said != cases[i].has_said || priority.urgency != cases[i].urgency ||
            priority.is_incremental != cases[i].is_incremental) {
            fail_msg("'%s': said %d, u=%u, i=%d", cases[i].value, has_said, priority.urgency,
                     priority.is_incremental);
        }
    }
}

// Every short text of the letters that matter: nothing is read behind the end, no urgency above 7.
static void test_any_text(void **state) {
    (void)state;
    static const char letters[] = "ui=?07,; ";
    enum { LETTERS = sizeof(letters) - 1, LENGTH = 4 };
    char *text = test_malloc(LENGTH); // not on the stack, so that one byte too far is seen
    for (unsigned number = 0; number < LETTERS * LETTERS * LETTERS * LETTERS; number++) {
        for (unsigned i = 0, rest = number; i < LENGTH; i++, rest /= LETTERS) {
            text[i] = letters[rest % LETTERS];
        }
        struct priority priority = PRIORITY_DEFAULT;
        priority_parse(slice_of(text, LENGTH), &priority);
        assert_true(priority.urgency == 0 || priority.urgency == 7 || priority.urgency == 3);
    }
    test_free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_any_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
