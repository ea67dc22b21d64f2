// SPDX-License-Identifier: Apache-2.0
#include "learn_scene.h"

#include "push/push_learn_rules.h"

#define A "</a.css>; rel=preload; as=style"
#define LINK "link: " A "\n"
#define HOUR 3600

static const struct {
    struct learn_scene_row row;
    const char *reason;
    uint64_t life_s; // with reason "first"
    const char *visitor;
} responses[] = {
    {{.response = LINK}, "first", HOUR, ""},
    // who asked, and how
    {{.response = LINK, .method = "HEAD"}, "method", 0, ""},
    {{.response = LINK, .method = "POST"}, "method", 0, ""},
    {{.response = LINK, .method = "get"}, "method", 0, ""},
    {{.response = LINK, .is_promised = true}, "promised", 0, ""},
    {{.response = LINK, .request = "authorization: Basic eDp5"}, "authorization", 0, ""},
    {{.response = LINK, .request = "authorization: x\ncookie: a=b"}, "authorization", 0, ""},
    {{.response = LINK, .request = "authorization: x", .with_private = true},
     "authorization",
     0,
     ""},
    {{.response = LINK, .request = "cookie: a=b"}, "first", HOUR, "a=b"},
    {{.response = LINK, .path = "*"}, "url", 0, ""},
    {{.response = LINK, .path = "/a\\b"}, "url", 0, ""},
    // status
    {{.response = LINK, .status = 201}, "status", 0, ""},
    {{.response = LINK, .status = 206}, "status", 0, ""},
    {{.response = LINK, .status = 301}, "status", 0, ""},
    {{.response = LINK, .status = 304}, "status", 0, ""},
    {{.response = LINK, .status = 400}, "status", 0, ""},
    {{.response = LINK, .status = 401}, "gone", 0, ""},
    {{.response = LINK, .status = 403}, "gone", 0, ""},
    {{.response = LINK, .status = 404}, "gone", 0, ""},
    {{.response = LINK, .status = 410}, "gone", 0, ""},
    {{.response = LINK, .status = 500}, "status", 0, ""},
    {{.response = LINK, .status = 404, .method = "HEAD"}, "method", 0, ""},
    {{.response = LINK, .status = 401, .request = "authorization: x"}, "gone", 0, ""},
    // whom it is for
    {{.response = LINK "set-cookie: a=b"}, "set_cookie", 0, ""},
    {{.response = LINK "cache-control: private"}, "private", 0, ""},
    {{.response = LINK "cache-control: max-age=60, Private"}, "private", 0, ""},
    {{.response = LINK "cache-control: private=\"x\""}, "private", 0, ""},
    {{.response = LINK "cache-control: no-store"}, "no_store", 0, ""},
    {{.response = LINK "cache-control: public\ncache-control: no-store"}, "no_store", 0, ""},
    {{.response = LINK "set-cookie: a=b", .with_private = true}, "first", HOUR, ""},
    {{.response = LINK "cache-control: private, no-store", .with_private = true},
     "first",
     HOUR,
     ""},
    {{.response = LINK "vary: *"}, "vary", 0, ""},
    {{.response = LINK "vary: accept, *", .with_private = true}, "vary", 0, ""},
    {{.response = LINK "vary: accept-encoding"}, "first", HOUR, ""},
    {{.response = LINK "vary: Cookie", .request = "cookie: sid=1"}, "first", HOUR, "sid=1"},
    {{.response = LINK "vary: cookie"}, "first", HOUR, ""},
    {{.response = LINK, .request = "cookie: a\ncookie: b"}, "first", HOUR, "a; b"},
    {{.response = LINK, .request = "user-agent: me"}, "first", HOUR, ""},
    {{.response = "link: </theme/Dark%20blue.css>; rel=preload\n",
      .request = "cookie: a=1; theme=dark+blue"},
     "reflected",
     0,
     ""},
    {{.response = "link: </style.css>; rel=preload\n", .request = "cookie: style=1; b=css"},
     "first",
     HOUR,
     "style=1; b=css"}, // names and short values are in many URLs by chance
    // for how long
    {{.response = LINK "cache-control: max-age=10"}, "first", 10, ""},
    {{.response = LINK "cache-control: max-age=10, s-maxage=20"}, "first", 20, ""},
    {{.response = LINK "cache-control: max-age=10, s-maxage=0"}, "stale", 0, ""},
    {{.response = LINK "cache-control: max-age=0, s-maxage=5"}, "first", 5, ""},
    {{.response = LINK "cache-control: max-age=86400"}, "first", HOUR, ""},
    {{.response = LINK "cache-control: max-age=99999999999999999999"}, "first", HOUR, ""},
    {{.response = LINK "cache-control: max-age=0"}, "stale", 0, ""},
    {{.response = LINK "cache-control: max-age=x"}, "stale", 0, ""},
    {{.response = LINK "cache-control: max-age=600\nage: 590"}, "first", 10, ""},
    {{.response = LINK "cache-control: max-age=600\nage: 600"}, "stale", 0, ""},
    {{.response = LINK "cache-control: no-cache"}, "first", HOUR, ""},
    {{.response = LINK "cache-control: no-cache, max-age=0"}, "stale", 0, ""},
    {{.response = LINK "cache-control: no-cache, max-age=7"}, "first", 7, ""},
    {{.response = LINK "cache-control: private, max-age=0", .with_private = true},
     "first",
     HOUR,
     ""},
    {{.response = LINK "cache-control: private, max-age=9", .with_private = true}, "first", 9, ""},
    {{.response = LINK "expires: Sun, 06 Nov 1994 08:49:57 GMT"}, "first", 20, ""},
    {{.response = LINK "date: Sun, 06 Nov 1994 08:49:37 GMT\n"
                       "expires: Sun, 06 Nov 1994 08:50:37 GMT"},
     "first",
     60,
     ""},
    {{.response = LINK "expires: Sun, 06 Nov 1994 08:00:00 GMT"}, "stale", 0, ""},
    {{.response = LINK "expires: 0"}, "stale", 0, ""},
    {{.response = LINK "expires: 0\ncache-control: max-age=5"}, "first", 5, ""},
    // nothing to learn
    {{.response = ""}, "no_links", 0, ""},
    {{.response = "link: </next>; rel=next"}, "no_links", 0, ""},
    {{.response = "link: nonsense"}, "no_links", 0, ""},
    {{.response = "cache-control: private"}, "private", 0, ""},
    // what the visitor wrote
    {{.response = "link: </skins/dark.css>; rel=preload", .path = "/page?skin=dark"},
     "reflected",
     0,
     ""},
    {{.response = "link: </skins/dark.css>; rel=preload",
      .path = "/page?skin=dark",
      .with_query = true},
     "first",
     HOUR,
     ""},
    {{.response = "link: </skins/dark.css>; rel=preload", .path = "/page?skin=DAR%4b"},
     "reflected",
     0,
     ""},
    {{.response = "link: </skins/d%61rk.css>; rel=preload", .path = "/page?skin=dark"},
     "reflected",
     0,
     ""},
    {{.response = "link: </skins/dark.css>; rel=preload", .path = "/page?dark"},
     "reflected",
     0,
     ""},
    {{.response = "link: <evil.js>; rel=preload", .path = "/p?x=%3Cevil.js%3E;rel=preload"},
     "reflected",
     0,
     ""},
    {{.response = "link: <//evil.example>; rel=preconnect", .path = "/p?cdn=evil.example"},
     "reflected",
     0,
     ""},
    {{.response = "link: <//evil.example/x.js>; rel=preload", .path = "/p?cdn=evil.example"},
     "reflected",
     0,
     ""}, // though it would not be learned either: it takes nothing away
    {{.response = LINK "link: <//evil.example/x.js>; rel=preload", .path = "/p?cdn=evil.example"},
     "reflected",
     0,
     ""},
    {{.response = "link: <//cdn.example/x.js>; rel=preload"}, "no_links", 0, ""},
    {{.response = LINK "link: <//cdn.example/x.js>; rel=preload"}, "first", HOUR, ""},
    {{.response = "link: </skins/dark.css>; rel=preload", .request = "user-agent: Dark"},
     "reflected",
     0,
     ""},
    {{.response = "link: </skins/dark.css>; rel=preload", .request = "tracestate: Dark"},
     "reflected",
     0,
     ""},
    {{.response = "link: </x.js>; rel=preload", .request = "user-agent: Mozilla </x.js>;rel=y"},
     "reflected",
     0,
     ""},
    {{.response = "link: </x.js>; rel=preload", .request = "user-agent: Mozilla/5.0 (X11)"},
     "first",
     HOUR,
     ""},
    {{.response = "link: <//evil.example>; rel=preconnect", .request = "x-cdn: evil.example"},
     "reflected",
     0,
     ""},
    {{.response = "link: </skins/dark.css>; rel=preload", .request = "x-a: dar\nx-skin: d%61rk"},
     "reflected",
     0,
     ""},
    {{.response = "link: </skins/dark.css>; rel=preload", .request = "x-skin: dar"},
     "first",
     HOUR,
     ""},
    // what a browser says by itself
    {{.response = "link: </skins/dark.css>; rel=preload",
      .request = "sec-ch-prefers-color-scheme: dark"},
     "first",
     HOUR,
     ""},
    {{.response = "link: <https://cdn.example>; rel=preconnect",
      .request = "origin: https://cdn.example"},
     "first",
     HOUR,
     ""},
    {{.response = "link: <https://example.org/a.css>; rel=preload",
      .path = "/p?utm_source=example.org"},
     "first",
     HOUR,
     ""},
    {{.response = LINK, .path = "/page?id=12345&tab=preload&as=style"}, "first", HOUR, ""},
    {{.response = "link: </a/b/v12.css>; rel=preload", .path = "/page?v=12"}, "first", HOUR, ""},
    {{.response = LINK,
      .path = "/p?w001&w002&w003&w004&w005&w006&w007&w008&w009&w010&w011&w012&w013&w014&w015&w016"},
     "first",
     HOUR,
     ""},
    {{.response = LINK,
      .path = "/p?w001&w002&w003&w004&w005&w006&w007&w008&w009&w010&w011&w012&w013&w014&w015&w016&"
              "w017"},
     "reflected",
     0,
     ""},
    {{.response = "", .path = "/page?skin=dark"}, "no_links", 0, ""},
};

static void read_lesson(struct learn_scene *scene, struct push_learn_lesson *out_lesson) {
    push_learn_rules_open(&scene->response, out_lesson);
    if (out_lesson->reason == PUSH_LEARN_FIRST) {
        push_learn_rules_read(&scene->response, scene->arena, out_lesson);
    }
}

static void test_responses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
        struct learn_scene scene;
        struct push_learn_lesson lesson;
        learn_scene_open(&scene, &responses[i].row);
        read_lesson(&scene, &lesson);
        const char *reason = push_learn_rules_reason_name(lesson.reason);
        if (strcmp(reason, responses[i].reason) != 0) {
            fail_msg("row %zu: '%s', wanted '%s'", i, reason, responses[i].reason);
        }
        bool is_first = lesson.reason == PUSH_LEARN_FIRST;
        assert_int_equal(lesson.count > 0, is_first);
        if (is_first && lesson.life_ms != responses[i].life_s * 1000) {
            fail_msg("row %zu: %u ms", i, (unsigned)lesson.life_ms);
        }
        push_scene_expect("visitor", reason, lesson.visitor, responses[i].visitor);
        bool is_judged = push_learn_rules_judge(&scene.response) == lesson.reason;
        bool is_of_links = lesson.reason == PUSH_LEARN_NO_LINKS ||
                           lesson.reason == PUSH_LEARN_REFLECTED || lesson.reason == PUSH_LEARN_URL;
        assert_true(is_judged || is_of_links);
        learn_scene_close(&scene);
    }
}

// Elements that are kept, joined with '|'; a '+' marks those for promises only.
static const struct {
    const char *links; // fields, separated by '\n'
    const char *kept;
} links[] = {
    {"<a.css>;rel=preload;as=style", "<a.css>;rel=preload;as=style"},
    {"</a>;rel=preload;  x=\"a, b\" , </b>;rel=modulepreload",
     "</a>;rel=preload;  x=\"a, b\"|</b>;rel=modulepreload"},
    {"</a>;rel=preload\n</b>;rel=preload", "</a>;rel=preload|</b>;rel=preload"},
    {"<https://cdn.example>;rel=preconnect;crossorigin",
     "<https://cdn.example>;rel=preconnect;crossorigin"},
    {"<//cdn.example>;rel=preconnect", "<//cdn.example>;rel=preconnect"},
    // another site's resources would be fetched by all
    {"<https://cdn.example/x.js>;rel=preload;as=script", ""},
    {"<//cdn.example/x.js>;rel=preload", ""},
    {"<//cdn.example/x.js>;rel=modulepreload", ""},
    {"<//cdn.example>;rel=\"preconnect preload\"", ""},
    {"<http://example.org/x.js>;rel=preload", ""},
    {"<https://example.org:8443/x.js>;rel=preload", ""},
    {"<https://example.org/x.js>;rel=preload", "<https://example.org/x.js>;rel=preload"},
    {"<//cdn.example/x.js>;rel=preload, </a>;rel=preload, <//cdn.example>;rel=preconnect",
     "</a>;rel=preload|<//cdn.example>;rel=preconnect"},
    {"</a>;rel=preload;nopush", "</a>;rel=preload;nopush"},
    {"</a>;rel=preload;media=print", "</a>;rel=preload;media=print"},
    {"</a>;rel=preload;imagesrcset=\"/b 2x\"", "</a>;rel=preload;imagesrcset=\"/b 2x\""},
    {"</a>;rel=preload;x-http2-push-only", "+</a>;rel=preload;x-http2-push-only"},
    {"</a>;rel=preload;x-http2-push-only;nopush", ""},
    {"<//cdn.example/a>;rel=preload;x-http2-push-only", ""},
    {"</a>;rel=prefetch, </b>;rel=dns-prefetch, </c>;rel=stylesheet, </d>", ""},
    {"<https://example.org>;rel=preconnect", ""}, // we are there
    {"</page>;rel=preload", ""},
    {"<#top>;rel=preload, <page#x>;rel=preload", ""},
    {"<page?x>;rel=preload", "<page?x>;rel=preload"},
    {"</a>;rel=preload;anchor=\"#b\"", ""},
    {"</a>;rel=preload;anchor=\"/page\"", "</a>;rel=preload;anchor=\"/page\""},
    {"</a>;rel=preload;anchor=\"/other\"", ""},
    {"</a>;rel=preload;loadpolicy=next", ""},
    {"<data:text/css,x>;rel=preload, <javascript:x>;rel=preload", ""},
    {"<https://u@example.org/a>;rel=preload, </a b>;rel=preload, </a\\b>;rel=preload", ""},
    {"<>;rel=preload, ><, <a;rel=preload", ""},
};

static void test_links(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        struct learn_scene scene;
        struct push_learn_lesson lesson;
        struct slice rest = slice_of_text(links[i].links);
        struct slice field;
        learn_scene_open(&scene, &(struct learn_scene_row){0});
        while (push_scene_next_part(&rest, '\n', &field)) {
            headers_add(&scene.head.headers, SLICE("link"), field);
        }
        read_lesson(&scene, &lesson);
        struct slice kept = SLICE_EMPTY;
        struct slice *texts = arena_alloc(scene.arena, 256 * sizeof(struct slice));
        for (size_t j = 0; j < lesson.count; j++) {
            struct slice text = lesson.elements[j].text;
            texts[j] = text;
            kept = arena_printf(scene.arena, "%.*s%s%s%.*s", SLICE_ARGS(kept), j > 0 ? "|" : "",
                                lesson.elements[j].is_push_only ? "+" : "", SLICE_ARGS(text));
        }
        push_scene_expect(links[i].links, "kept", kept, links[i].kept);
        // What was learned is good enough for a record and a file.
        struct push_learn_lesson again;
        assert_int_equal(
            push_learn_rules_lesson(&lesson.key, texts, lesson.count, scene.arena, &again),
            lesson.count > 0);
        learn_scene_close(&scene);
    }
}

static const struct {
    const char *scheme, *authority, *path, *element;
    bool is_good;
} lessons[] = {
    {"https", "example.org", "/page", A, true},
    {"http", "[::1]:8080", "/page?x", A, true},
    {"ftp", "example.org", "/page", A, false},
    {"https", "Example.org", "/page", A, false},
    {"https", "example.org:443", "/page", A, false},
    {"https", "", "/page", A, false},
    {"https", "a@b", "/page", A, false},
    {"https", "example.org", "page", A, false},
    {"https", "example.org", "", A, false},
    {"https", "example.org", "/a b", A, false},
    {"https", "example.org", "/a\nb", A, false},
    {"https", "example.org", "/a#b", A, false},
    {"https", "example.org", "/page", "", false},
    {"https", "example.org", "/page", " " A, false},
    {"https", "example.org", "/page", A " ", false},
    {"https", "example.org", "/page", A "," A, false},
    {"https", "example.org", "/page", A ",", false},
    {"https", "example.org", "/page", A "\r\nx: y", false},
    {"https", "example.org", "/page", "</a>; rel=next", false},
    {"https", "example.org", "/page", "</page>; rel=preload", false},
    {"https", "example.org", "/page", "<//cdn.example/x.js>; rel=preload", false},
    {"https", "example.org", "/page", "<//cdn.example>; rel=preconnect", true},
};

static void test_lessons_of_others(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(lessons) / sizeof(lessons[0]); i++) {
        struct arena *arena = arena_create();
        struct push_learn_lesson lesson;
        struct push_learn_key key = {slice_of_text(lessons[i].scheme),
                                     slice_of_text(lessons[i].authority),
                                     slice_of_text(lessons[i].path), false};
        struct slice texts[] = {SLICE("</ok>;rel=preload"), slice_of_text(lessons[i].element)};
        if (push_learn_rules_lesson(&key, texts, 2, arena, &lesson) != lessons[i].is_good) {
            fail_msg("row %zu", i);
        }
        assert_false(push_learn_rules_lesson(&key, texts, 0, arena, &lesson));
        arena_destroy(arena);
    }
}

static const struct {
    struct learn_scene_row row;
    const char *path; // NULL: no key
    bool has_credentials;
} keys[] = {
    {{.path = "/page"}, "/page", false},
    {{.path = "/page?a=b"}, "/page", false},
    {{.path = "/page?a=b", .with_query = true}, "/page?a=b", false},
    {{.path = "/?"}, "/", false},
    {{.path = "/page", .request = "cookie: a=b"}, "/page", true},
    {{.path = "/page", .request = "authorization: a"}, NULL, false},
    {{.path = "/page", .method = "HEAD"}, NULL, false},
    {{.path = "*", .method = "OPTIONS"}, NULL, false},
};

static void test_keys(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct learn_scene scene;
        struct push_learn_key key;
        learn_scene_open(&scene, &keys[i].row);
        bool has_key = push_learn_rules_key(&scene.request, &scene.policy, &key);
        assert_int_equal(has_key, keys[i].path != NULL);
        if (has_key) {
            push_scene_expect("key", "path", key.path, keys[i].path);
            assert_int_equal(key.has_credentials, keys[i].has_credentials);
        }
        learn_scene_close(&scene);
    }
}

static void test_long_key(void **state) {
    (void)state;
    static char path[2048];
    memset(path, 'a', sizeof(path) - 1);
    path[0] = '/';
    for (size_t length = PUSH_LEARN_KEY_BYTES - 20; length < PUSH_LEARN_KEY_BYTES; length++) {
        struct learn_scene scene;
        struct push_learn_key key;
        learn_scene_open(&scene, &(struct learn_scene_row){.path = path});
        scene.request.path = slice_of(path, length);
        assert_int_equal(push_learn_rules_key(&scene.request, &scene.policy, &key),
                         length + strlen("httpsexample.org") <= PUSH_LEARN_KEY_BYTES);
        learn_scene_close(&scene);
    }
}

static const struct {
    struct learn_scene_row row;
    bool is_bad;
} bads[] = {
    {{.status = 404}, true},
    {{.status = 400}, true},
    {{.status = 403, .request = "cookie: a=b"}, true},
    {{.status = 410, .request = "if-none-match: \"x\""}, true},
    {{.status = 451}, true},
    {{.status = 200}, false},
    {{.status = 304}, false},
    {{.status = 399}, false},
    {{.status = 500}, false},
    {{.status = 406}, false},
    {{.status = 412}, false},
    {{.status = 416}, false},
    {{.status = 429}, false},
    {{.status = 404, .method = "POST"}, false},
    {{.status = 404, .method = "HEAD"}, false},
    {{.status = 401, .request = "authorization: x"}, false},
    {{.status = 400, .request = "range: bytes=x"}, false},
};

static void test_bad_answers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        struct learn_scene scene;
        learn_scene_open(&scene, &bads[i].row);
        if (push_learn_rules_is_bad(&scene.request, scene.head.status) != bads[i].is_bad) {
            fail_msg("row %zu", i);
        }
        learn_scene_close(&scene);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_responses),         cmocka_unit_test(test_links),
        cmocka_unit_test(test_lessons_of_others), cmocka_unit_test(test_keys),
        cmocka_unit_test(test_long_key),          cmocka_unit_test(test_bad_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
