// SPDX-License-Identifier: Apache-2.0
#include "learn_scene.h"

#include <stdlib.h>

#include "push/push_learn.h"

#define A "</a.css>; rel=preload; as=style"
#define B "</b.js>; rel=preload; as=script"
#define START 5000000

// A story of one page, in words:
//   1A    connection 1 gets the page with the links A (A, B, AB, BA, M: A for 60 s)
//   k1A   so does a visitor with cookies, another on each connection;  k71A: visitor 7
//   404   and other numbers of three digits: the page answers so;  k404: to a visitor with a cookie
//   -     200 without links;  P, S, N: A with private, Set-Cookie, no-store; Z: A with max-age=0
//   bad   /a.css answers 404
//   +9    nine seconds pass
static const struct {
    const char *story;
    const char *found; // for a visitor without cookie
    const char *for_cookie;
    const char *for_seven; // NULL: what is for any visitor with cookies
} stories[] = {
    {"", "", ""},
    // two agreeing sightings from different connections
    {"1A", "", ""},
    {"1A 1A 1A", "", ""},
    {"1A 2A", A, ""},
    {"1AB 2AB", A " | " B, ""},
    {"1AB 2BA", A " | " B, ""},
    {"1A 2B", "", ""},
    {"1A 2AB", "", ""},
    {"1A 2B 3A", "", ""},
    {"1A 2B 3B", B, ""},
    {"1A 2A 3A 1A", A, ""},
    // a disagreeing one drops
    {"1A 2A 3B", "", ""},
    {"1A 2A 3B 3B", "", ""},
    {"1A 2A 3B 4B", B, ""},
    {"1A 2A 3B 4A", "", ""},
    {"1A 2A -", "", ""},
    {"1A - 2A", "", ""},
    {"1A 2A - 1A", "", ""},
    {"1A 2A - 3A 4A", A, ""},
    {"1A 2A 3P", "", ""},
    {"1A 2A 3N", "", ""},
    {"1A 2A 3Z", "", ""},
    {"1A 2A 3S", A, ""},
    {"1S 2S", "", ""},
    {"1P 2P", "", ""},
    {"1N 2N", "", ""},
    {"1A 2P 3A", "", ""},
    {"1A 2S 3A", A, ""},
    // what was confirmed and is said in the same words is not read again
    {"1AB 2AB 3AB 4BA 5BA 6AB", A " | " B, ""},
    {"1AB 2AB 3AB 4B", "", ""},
    {"1AB 2AB 3AB 4B 5B 6AB", "", ""},
    {"1A 2A 3A 4A +1800 5A +3599", A, ""},
    {"1A 2A 3A 4M +59", A, ""},
    {"1A 2A 3A 4M +60", "", ""},
    {"1A 2A 3A - 4A", "", ""},
    {"1A 2A 3A bad 4A 5A", "", ""},
    {"k71A k72A k73A k74A k71B", "", ""},
    // the page's own answers
    {"1A 2A 401", "", ""},
    {"1A 2A 403", "", ""},
    {"1A 2A 404", "", ""},
    {"1A 2A 404 3A", "", ""},
    {"1A 2A 404 3A 4A", A, ""},
    {"1A 404 2A", "", ""},
    {"1A 2A 304", A, ""},
    {"1A 2A 500", A, ""},
    {"1A 2A 302", A, ""},
    // what is hinted
    {"1A 2A bad", "", ""},
    {"1AB 2AB bad", "", ""},
    {"1AB 2AB bad 3AB", "", ""},
    {"1AB 2AB bad 3AB 4AB", B, ""},
    {"1A 2A bad 3A 4A", "", ""},
    {"1A 2A bad 3A 4A +601", A, ""},
    {"1B 2B bad", B, ""},
    {"bad 1A 2A", A, ""}, // nobody hinted it then
    // time
    {"1A +1800 2A", A, ""},
    {"1A +3599 2A", A, ""},
    {"1A +3600 2A", "", ""},
    {"1A 2A +3599", A, ""},
    {"1A 2A +3600", "", ""},
    {"1A 2A +1800 1A +1800", A, ""},
    {"1A 2A +1800 1A +3600", "", ""},
    {"1M 2M +59", "</a.css>; rel=preload; as=style", ""},
    {"1M 2M +60", "", ""},
    {"1M +60 2M", "", ""},
    {"1A 2M +60", "", ""}, // by the latest answer
    {"1M 2A +60", A, ""},
    {"1A 2A +3600 3A", "", ""},
    // with and without credentials
    {"k1A k2A", "", A},
    {"1A k2A", "", ""},
    {"1A 2A k1B k2B", A, B},
    {"1A 2A k1A k2A k3B", A, ""},
    {"1A 2A k1A k2A 404", "", A},
    {"1A 2A k1A k2A k403", A, ""},
    {"1A 2A k1A k2A bad", "", ""},
    // one visitor's connections are one witness, and enough for himself
    {"k71A", "", ""},
    {"k71A k71A", "", ""},
    {"k71A k72A", "", "", A},
    {"k71A k72A k73A", "", "", A},
    {"k71AB k72BA", "", "", A " | " B},
    {"k81A k82A", "", ""},
    {"k71A 2A", "", ""},
    {"k71A k82A", "", A},
    {"k71A k81A", "", ""}, // the connection is one
    {"k71A k72A k83A", "", A},
    {"k81A k82A k73A", "", A},
    // his own is taken back as any other
    {"k71A k72A k73B", "", ""},
    {"k71A k72A k83B", "", ""},
    {"k71A k72A k403", "", ""},
    {"k71A k72A 403", "", "", A},
    {"k71A k72A bad", "", ""},
    {"k71AB k72AB bad k71AB k72AB", "", "", B},
    {"k71A k72A +3599", "", "", A},
    {"k71A k72A +3600", "", ""},
};

static const char *fields_of(char set) {
    switch (set) {
    case 'A':
        return "link: " A;
    case 'B':
        return "link: " B;
    case '2': // AB
        return "link: " A ", " B;
    case '3': // BA
        return "link: " B "\nlink: " A;
    case 'M':
        return "cache-control: max-age=60\nlink: " A;
    case 'P':
        return "cache-control: private\nlink: " A;
    case 'S':
        return "set-cookie: x=y\nlink: " A;
    case 'N':
        return "cache-control: no-store\nlink: " A;
    case 'Z':
        return "cache-control: max-age=0\nlink: " A;
    default:
        return "";
    }
}

static void tell_word(struct push_learn *learn, struct slice word, uint64_t *now_ms) {
    char text[16] = "";
    char cookie[32] = "";
    struct learn_scene_row row = {0};
    memcpy(text, word.data, word.length);
    const char *rest = text;
    if (*rest == '+') {
        *now_ms += (uint64_t)atoi(rest + 1) * 1000;
        return;
    }
    if (strcmp(rest, "bad") == 0) {
        push_learn_note_bad(learn, SLICE("example.org"), SLICE("/a.css"), *now_ms);
        return;
    }
    if (*rest == 'k') {
        rest++;
        bool has_visitor = strspn(rest, "0123456789") == 2;
        snprintf(cookie, sizeof(cookie), "cookie: sid=%c", has_visitor ? *rest++ : *rest);
        row.request = cookie;
    }
    unsigned number = (unsigned)atoi(rest);
    if (number >= 100) {
        row.status = (int)number;
        row.response = fields_of('A');
    } else {
        const char *set = rest + (number > 0);
        row.response = fields_of(strcmp(set, "AB") == 0   ? '2'
                                 : strcmp(set, "BA") == 0 ? '3'
                                                          : *set);
    }
    learn_scene_show(learn, &row, number, *now_ms);
}

static void test_stories(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
        struct push_learn *learn = push_learn_create(&(struct push_learn_limits){0}, i);
        uint64_t now_ms = START;
        struct slice rest = slice_of_text(stories[i].story);
        struct slice word;
        while (push_scene_next_part(&rest, ' ', &word)) {
            tell_word(learn, word, &now_ms);
        }
        push_scene_expect(stories[i].story, "found",
                          slice_of_text(learn_scene_found(learn, "/page", false, now_ms)),
                          stories[i].found);
        push_scene_expect(stories[i].story, "for cookie",
                          slice_of_text(learn_scene_found(learn, "/page", true, now_ms)),
                          stories[i].for_cookie);
        push_scene_expect(stories[i].story, "for seven",
                          slice_of_text(learn_scene_found_by(learn, "/page", "sid=7", now_ms)),
                          stories[i].for_seven != NULL ? stories[i].for_seven
                                                       : stories[i].for_cookie);
        push_learn_destroy(learn);
    }
}

static struct push_learn *make_table(uint32_t pages, uint32_t page_bytes) {
    return push_learn_create(&(struct push_learn_limits){.pages = pages, .page_bytes = page_bytes},
                             42);
}

// Two connections see the page.
static void teach(struct push_learn *learn, const char *path, const char *links, uint64_t now_ms) {
    char fields[512];
    snprintf(fields, sizeof(fields), "link: %s", links);
    const struct learn_scene_row row = {.path = path, .response = fields};
    learn_scene_show(learn, &row, 1, now_ms);
    learn_scene_show(learn, &row, 2, now_ms);
}

static bool is_known(struct push_learn *learn, const char *path, struct push_learn_view *view) {
    struct push_learn_key key = {SLICE("https"), SLICE("example.org"), slice_of_text(path), false};
    return push_learn_look(learn, &key, START, view);
}

static void test_reasons_are_counted(void **state) {
    (void)state;
    struct push_learn *learn = make_table(0, 0);
    const struct learn_scene_row a = {.response = "link: " A};
    const struct learn_scene_row b = {.response = "link: " B};
    assert_int_equal(learn_scene_show(learn, &a, 1, START), PUSH_LEARN_FIRST);
    assert_int_equal(learn_scene_show(learn, &a, 1, START + 1), PUSH_LEARN_SAME_SOURCE);
    assert_int_equal(learn_scene_show(learn, &a, 2, START + 2), PUSH_LEARN_CONFIRMED);
    assert_int_equal(learn_scene_show(learn, &a, 3, START + 3), PUSH_LEARN_AGREED);
    assert_int_equal(learn_scene_show(learn, &b, 3, START + 4), PUSH_LEARN_DISAGREED);
    assert_int_equal(learn_scene_show(learn, &b, 4, START + 5), PUSH_LEARN_CONFIRMED);
    const struct push_learn_stats *stats = push_learn_stats(learn);
    assert_int_equal(stats->reasons[PUSH_LEARN_FIRST], 1);
    assert_int_equal(stats->reasons[PUSH_LEARN_CONFIRMED], 2);
    assert_int_equal(stats->pages, 1);
    assert_int_equal(stats->confirmed, 1);
    assert_string_equal(learn_scene_found(learn, "/page", false, START + 6), B);
    assert_int_equal(push_learn_stats(learn)->uses, 1);
    push_learn_destroy(learn);
    push_learn_destroy(NULL);
}

// What one visitor has seen twice is his; a second one makes it everybody's.
static void test_visitor_alone(void **state) {
    (void)state;
    struct push_learn *learn = make_table(0, 0);
    const struct learn_scene_row mine = {.request = "cookie: a=1; b=2", .response = "link: " A};
    const struct learn_scene_row crumbs = {.request = "cookie: a=1\ncookie: b=2",
                                           .response = "link: " A};
    const struct learn_scene_row other = {.request = "cookie: a=1; b=3", .response = "link: " A};
    struct push_learn_key key = {SLICE("https"), SLICE("example.org"), SLICE("/page"), true};
    struct push_learn_view view;
    assert_int_equal(learn_scene_show(learn, &mine, 1, START), PUSH_LEARN_FIRST);
    assert_string_equal(learn_scene_found_by(learn, "/page", "a=1; b=2", START), "");
    assert_int_equal(learn_scene_show(learn, &crumbs, 2, START + 1), PUSH_LEARN_SAME_SOURCE);
    assert_string_equal(learn_scene_found_by(learn, "/page", "a=1; b=2", START + 2), A);
    assert_string_equal(learn_scene_found_by(learn, "/page", "a=1; b=3", START + 2), "");
    assert_string_equal(learn_scene_found_by(learn, "/page", "", START + 2), "");
    assert_true(push_learn_look(learn, &key, START + 2, &view));
    assert_false(view.is_confirmed); // his use of it changes nothing
    assert_int_equal(view.uses, 1);
    assert_int_equal(learn_scene_show(learn, &other, 3, START + 3), PUSH_LEARN_CONFIRMED);
    assert_string_equal(learn_scene_found_by(learn, "/page", "a=1; b=2", START + 4), A);
    assert_string_equal(learn_scene_found_by(learn, "/page", "a=1; b=3", START + 4), A);
    assert_string_equal(learn_scene_found_by(learn, "/page", "c=4", START + 4), A);
    assert_int_equal(learn_scene_show(learn, &mine, 4, START + 5), PUSH_LEARN_AGREED);
    push_learn_destroy(learn);
}

static void test_query_is_no_part_of_the_page(void **state) {
    (void)state;
    struct push_learn *learn = make_table(0, 0);
    const char *fields = "link: " A;
    learn_scene_show(learn, &(struct learn_scene_row){.path = "/page?id=1", .response = fields}, 1,
                     START);
    learn_scene_show(learn, &(struct learn_scene_row){.path = "/page?id=2", .response = fields}, 2,
                     START);
    assert_string_equal(learn_scene_found(learn, "/page", false, START), A);
    const struct learn_scene_row row = {.path = "/by?id=1", .response = fields, .with_query = true};
    learn_scene_show(learn, &row, 1, START);
    learn_scene_show(learn, &row, 2, START);
    assert_string_equal(learn_scene_found(learn, "/by", false, START), "");
    assert_string_equal(learn_scene_found(learn, "/by?id=1", false, START), A);
    push_learn_destroy(learn);
}

// Who writes links into a page by his query or his fields teaches nobody, and takes nothing
// away.
static void test_reflected_links(void **state) {
    (void)state;
    struct push_learn *learn = make_table(0, 0);
    const struct learn_scene_row attack = {.path = "/page?theme=%2Fevil.js",
                                           .response = "link: </evil.js>; rel=preload; as=script"};
    for (uint64_t conn = 1; conn < 20; conn++) {
        assert_int_equal(learn_scene_show(learn, &attack, conn, START), PUSH_LEARN_REFLECTED);
    }
    assert_string_equal(learn_scene_found(learn, "/page", false, START), "");
    teach(learn, "/page", A, START);
    const struct learn_scene_row others[] = {
        attack,
        {.path = "/page?cdn=evil.example",
         .response = "link: <//evil.example/x.js>; rel=preload; as=script"},
        {.request = "user-agent: evil", .response = "link: </evil.js>; rel=preload; as=script"},
    };
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(learn_scene_show(learn, &others[i], 30 + i, START), PUSH_LEARN_REFLECTED);
        assert_string_equal(learn_scene_found(learn, "/page", false, START), A);
    }
    push_learn_destroy(learn);
}

static void test_nopush_and_push_only(void **state) {
    (void)state;
    struct push_learn *learn = make_table(0, 0);
    teach(learn, "/page",
          "</1>; rel=preload; x-http2-push-only, </2>; rel=preload; nopush, </3>; rel=preload, "
          "</3>; rel=preload, </4>; rel=preload; x-http2-push-only",
          START);
    assert_string_equal(learn_scene_found(learn, "/page", false, START),
                        "</2>; rel=preload; nopush | </3>; rel=preload || "
                        "</1>; rel=preload; x-http2-push-only | "
                        "</4>; rel=preload; x-http2-push-only");
    push_learn_note_bad(learn, SLICE("example.org"), SLICE("/2"), START);
    push_learn_note_bad(learn, SLICE("example.org"), SLICE("/4"), START);
    teach(learn, "/other",
          "</1>; rel=preload; x-http2-push-only, </2>; rel=preload, "
          "</3>; rel=preload, </4>; rel=preload; x-http2-push-only",
          START);
    teach(learn, "/promises", "</1>; rel=preload; x-http2-push-only", START);
    push_learn_note_bad(learn, SLICE("example.org"), SLICE("/9"), START);
    teach(learn, "/other2",
          "</2>; rel=preload, </3>; rel=preload, </1>; rel=preload; "
          "x-http2-push-only",
          START);
    assert_string_equal(learn_scene_found(learn, "/other2", false, START),
                        "</3>; rel=preload || </1>; rel=preload; x-http2-push-only");
    assert_string_equal(learn_scene_found(learn, "/promises", false, START),
                        " || </1>; rel=preload; x-http2-push-only");
    push_learn_destroy(learn);
}

static const char *number_path(unsigned number) {
    static char text[32];
    snprintf(text, sizeof(text), "/page-%u", number);
    return text;
}

static void test_walk(void **state) {
    (void)state;
    struct push_learn *learn = make_table(0, 0);
    struct push_learn_cursor cursor = {0};
    struct push_learn_view view;
    assert_false(push_learn_next(learn, &cursor, START, &view));
    teach(learn, "/used", A, START);
    teach(learn, "/confirmed", "</a>; rel=preload, </b>; rel=preload; x-http2-push-only", START);
    learn_scene_show(learn, &(struct learn_scene_row){.path = "/seen", .response = "link: " B}, 1,
                     START);
    teach(learn, "/gone", A, START);
    learn_scene_show(learn, &(struct learn_scene_row){.path = "/gone", .status = 404}, 1, START);
    learn_scene_found(learn, "/used", false, START);
    cursor = (struct push_learn_cursor){0};
    assert_true(push_learn_next(learn, &cursor, START + 100, &view));
    push_scene_expect("walk", "first", view.key.path, "/seen");
    assert_false(view.is_confirmed);
    assert_int_equal(view.sightings, 1);
    assert_true(push_learn_next(learn, &cursor, START + 100, &view));
    push_scene_expect("walk", "second", view.key.path, "/confirmed");
    assert_true(view.is_confirmed);
    assert_int_equal(view.count, 2);
    assert_int_equal(view.hint_count, 1);
    assert_int_equal(view.sightings, 2);
    assert_int_equal(view.uses, 0);
    assert_int_equal(view.age_ms, 100);
    assert_int_equal(view.left_ms, PUSH_LEARN_LIFE_MS - 100);
    assert_true(push_learn_next(learn, &cursor, START + 100, &view));
    push_scene_expect("walk", "third", view.key.path, "/used");
    assert_int_equal(view.uses, 1);
    assert_false(push_learn_next(learn, &cursor, START + 100, &view));
    cursor = (struct push_learn_cursor){0};
    assert_false(push_learn_next(learn, &cursor, START + PUSH_LEARN_LIFE_MS, &view));
    push_learn_destroy(learn);
}

static void test_bad_url_of_many_pages(void **state) {
    (void)state;
    struct push_learn *learn = make_table(0, 0);
    struct push_learn_view view;
    for (unsigned i = 0; i < 100; i++) {
        teach(learn, number_path(i), i % 2 == 0 ? A ", " B : B, START);
    }
    assert_false(push_learn_note_bad(learn, SLICE("example.org"), SLICE("/none"), START));
    assert_false(push_learn_note_bad(learn, SLICE("example.net"), SLICE("/a.css"), START));
    assert_false(push_learn_note_bad(learn, SLICE("example.org"), SLICE("/a.css?"), START));
    assert_true(push_learn_note_bad(learn, SLICE("example.org"), SLICE("/a.css"), START));
    assert_false(push_learn_note_bad(learn, SLICE("example.org"), SLICE("/a.css"), START));
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(is_known(learn, number_path(i), &view), i % 2);
    }
    assert_int_equal(push_learn_stats(learn)->dropped_bad, 50);
    push_learn_destroy(learn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories),
        cmocka_unit_test(test_reasons_are_counted),
        cmocka_unit_test(test_visitor_alone),
        cmocka_unit_test(test_query_is_no_part_of_the_page),
        cmocka_unit_test(test_reflected_links),
        cmocka_unit_test(test_nopush_and_push_only),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_bad_url_of_many_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
