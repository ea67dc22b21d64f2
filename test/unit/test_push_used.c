// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "push_used.h"

static struct url url_of(const char *path) {
    return (struct url){SLICE("https"), SLICE("example.org"), slice_of_text(path)};
}

static void test_urls_that_end_alike_are_not_the_same(void **state) {
    (void)state;
    static const char *const paths[] = {"/a/12345678", "/b/12345678", "/12345678", "/1234567", "/"};
    struct arena *arena = arena_create();
    struct push_used used;
    push_used_start(&used, NULL, 0, arena);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct url url = url_of(paths[i]);
        assert_false(push_used_has(&used, &url));
        push_used_add(&used, &url);
        assert_true(push_used_has(&used, &url));
    }
    struct url elsewhere = url_of("/a/12345678");
    elsewhere.authority = SLICE("www.example.org");
    assert_false(push_used_has(&used, &elsewhere));
    arena_destroy(arena);
}

static void test_what_was_there_stays_in_order(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct url before[] = {url_of("/1"), url_of("/2"), url_of("/3")};
    struct push_used used;
    push_used_start(&used, before, 3, arena);
    char paths[PUSH_USED_MAX][8];
    for (unsigned i = 3; i < PUSH_USED_MAX; i++) {
        assert_false(push_used_is_full(&used));
        snprintf(paths[i], sizeof(paths[i]), "/%u", i + 1);
        struct url url = url_of(paths[i]);
        push_used_add(&used, &url);
    }
    assert_true(push_used_is_full(&used));
    for (unsigned i = 0; i < PUSH_USED_MAX; i++) {
        char path[8];
        snprintf(path, sizeof(path), "/%u", i + 1);
        struct url url = url_of(path);
        assert_true(url_equal(&used.urls[i], &url));
        assert_true(push_used_has(&used, &url));
    }
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls_that_end_alike_are_not_the_same),
        cmocka_unit_test(test_what_was_there_stays_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
