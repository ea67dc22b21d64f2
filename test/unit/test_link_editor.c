// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/link_editor.h"
#include "http/link_header.h"

// Elements whose target starts with 'x' are taken out.
static const struct {
    const char *field;
    const char *wanted;
} cases[] = {
    {"<a>; p", "<a>; p"},
    {"<x>", ""},
    {" <x>; p ; , ", ""},
    {"<x>, <x2>", ""},
    {"<x>,<a>", "<a>"},
    {"<x> ,  <a>;  q=\"1,2\" ", "<a>;  q=\"1,2\" "},
    {"<a>,<x>", "<a>"},
    {"<a> , <x>", "<a>"},
    {"<a>, <x>,", "<a>"},
    {"<a>, <x>, <b>", "<a>, <b>"},
    {"<a>,<x>,<b>", "<a>,<b>"},
    {"<a>, <x>, <x2>, <b>", "<a>, <b>"},
    {"<a>, <x>, <b>, <x2>", "<a>, <b>"},
    {"<x>, <a>, <x2>, <b>, <x3>", "<a>, <b>"},
    {"bad \"<x>,\" , <x>, <b", "bad \"<x>,\" , <b"},
    {",,<x>,,<a>,,", ",,<a>,,"},
    {"", ""},
};

static void test_cases(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *arena = arena_create();
        struct slice field = slice_of_text(cases[i].field);
        struct link_reader reader = {0};
        struct link_header link;
        struct link_editor editor;
        link_reader_start(&reader, field);
        link_editor_start(&editor, field);
        while (link_reader_next(&reader, &link)) {
            if (slice_starts_with(link.target, SLICE("x"))) {
                link_editor_remove(&editor, link.element, arena);
            }
        }
        struct slice got = link_editor_finish(&editor);
        if (!slice_equal(got, slice_of_text(cases[i].wanted))) {
            fail_msg("%s: got '%.*s', wanted '%s'", cases[i].field, SLICE_ARGS(got),
                     cases[i].wanted);
        }
        arena_destroy(arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
