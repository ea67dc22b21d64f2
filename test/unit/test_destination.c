// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/destination.h"

static void expect(const char *what, struct slice got, const char *wanted) {
    if (!slice_equal(got, slice_of_text(wanted))) {
        fail_msg("%s: got '%.*s', wanted '%s'", what, SLICE_ARGS(got), wanted);
    }
}

static const struct {
    const char *as;
    const char *found;
    enum destination_rank rank;
} names[] = {
    {"style", "style", DESTINATION_BLOCKING}, {"STYLE", "style", DESTINATION_BLOCKING},
    {"font", "font", DESTINATION_BLOCKING},   {"Script", "script", DESTINATION_BLOCKING},
    {"fetch", "fetch", DESTINATION_ORDINARY}, {"document", "document", DESTINATION_ORDINARY},
    {"image", "image", DESTINATION_MEDIA},    {"video", "video", DESTINATION_MEDIA},
    {"", "", DESTINATION_ORDINARY},           {"empty", "", DESTINATION_ORDINARY},
    {"styles", "", DESTINATION_ORDINARY},     {"styl", "", DESTINATION_ORDINARY},
    {" style", "", DESTINATION_ORDINARY},
};

static void test_find(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct destination *destination = destination_find(slice_of_text(names[i].as));
        expect(names[i].as, destination->as, names[i].found);
        if (destination->rank != names[i].rank) {
            fail_msg("%s: rank %d", names[i].as, destination->rank);
        }
    }
}

static const struct {
    const char *path;
    const char *as;
    const char *guessed;
    const char *of;
    const char *hint;
} paths[] = {
    {"/app.css", "", "style", "style", "</app.css>; rel=preload; as=style"},
    {"/a.CSS?v=1.png", "", "style", "style", "</a.CSS?v=1.png>; rel=preload; as=style"},
    {"/a.b.mjs", "", "script", "script", "</a.b.mjs>; rel=preload; as=script"},
    {"/f.woff2", "", "font", "font", "</f.woff2>; rel=preload; as=font; crossorigin"},
    {"/p.jpeg", "", "image", "image", "</p.jpeg>; rel=preload; as=image"},
    {"/d.json", "", "fetch", "fetch", "</d.json>; rel=preload; as=fetch; crossorigin"},
    {"/api", "", "", "", "</api>; rel=preload; as=fetch; crossorigin"},
    {"/app.css/", "", "", "", "</app.css/>; rel=preload; as=fetch; crossorigin"},
    {"/?a.css", "", "", "", "</?a.css>; rel=preload; as=fetch; crossorigin"},
    {".css", "", "", "", "<.css>; rel=preload; as=fetch; crossorigin"},
    {"/css", "", "", "", "</css>; rel=preload; as=fetch; crossorigin"},
    // What is said goes before what the ending tells.
    {"/app.css", "script", "style", "script", "</app.css>; rel=preload; as=script"},
    {"/x", "Font", "", "font", "</x>; rel=preload; as=Font; crossorigin"},
    {"/x", "fetch", "", "fetch", "</x>; rel=preload; as=fetch; crossorigin"},
    {"/x", "json", "", "json", "</x>; rel=preload; as=json"},
    {"/app.css", "manifest", "style", "", "</app.css>; rel=preload; as=manifest"},
};

static void test_paths(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct slice path = slice_of_text(paths[i].path);
        struct slice as = slice_of_text(paths[i].as);
        expect(paths[i].path, destination_guess(path), paths[i].guessed);
        expect(paths[i].path, destination_of(as, path)->as, paths[i].of);
        expect(paths[i].path, destination_hint(path, as, arena), paths[i].hint);
    }
    arena_destroy(arena);
}

static const struct {
    const char *as;
    const char *type;
    bool fits;
} types[] = {
    {"style", "text/css", true},
    {"style", "Text/CSS; charset=utf-8", true},
    {"style", "text/html", false},
    {"style", "text/javascript", false},
    {"style", "text/cs", false},
    {"style", "", false},
    {"style", " text/css", false},
    {"script", "text/javascript", true},
    {"script", "application/javascript;charset=utf-8", true},
    {"script", "application/x-javascript", true},
    {"script", "application/json", false},
    {"script", "text/css", false},
    {"script", "text/html", false},
    {"font", "font/woff2", true},
    {"font", "application/font-woff", true},
    {"font", "application/x-font-ttf", true},
    {"font", "application/vnd.ms-fontobject", true},
    {"font", "application/octet-stream", false},
    {"font", "image/svg+xml", false},
    {"image", "image/svg+xml", true},
    {"image", "IMAGE/png", true},
    {"image", "text/html", false},
    {"image", "font/woff2", false},
    // nobody asks of others
    {"fetch", "application/json", false},
    {"document", "text/html", false},
    {"", "text/css", false},
};

static void test_types(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const struct destination *destination = destination_find(slice_of_text(types[i].as));
        if (destination_fits(destination, slice_of_text(types[i].type)) != types[i].fits) {
            fail_msg("'%s' as '%s'", types[i].type, types[i].as);
        }
    }
}

static void test_in_the_order_of_need(void **state) {
    (void)state;
    static const char *const first[] = {"style", "font", "script"};
    enum destination_rank rank = DESTINATION_BLOCKING;
    unsigned count = 0;
    const struct destination *destination = NULL;
    while ((destination = destination_next(destination)) != NULL) {
        if (count < sizeof(first) / sizeof(first[0])) {
            expect("order", destination->as, first[count]);
        }
        assert_true(destination->as.length > 0);
        assert_ptr_equal(destination_find(destination->as), destination);
        assert_true(destination->accept.length > 0);
        assert_true(destination->rank >= rank);
        rank = destination->rank;
        count++;
    }
    assert_int_equal(rank, DESTINATION_MEDIA);
    assert_int_equal(count, 15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_in_the_order_of_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
