// SPDX-License-Identifier: Apache-2.0
#include "learn_scene.h"

#include "push/push_learn_behaviour.h"

#define START 5000000
#define PAGE "https://example.org/page"
#define STYLE "sec-fetch-dest: style\nreferer: " PAGE
#define DOCUMENT "sec-fetch-dest: document\n"

static const char *const reason_names[] = {
#define X(name, text) [PUSH_LEARN_BEHAVIOUR_##name] = (text),
    PUSH_LEARN_BEHAVIOUR_LIST(X)
#undef X
};

static struct push_learn_behaviour *behaviour;
static uint64_t now_ms;

static int open_table(void **state) {
    (void)state;
    behaviour = push_learn_behaviour_create(0, 11);
    now_ms = START;
    return 0;
}

static int close_table(void **state) {
    (void)state;
    push_learn_behaviour_destroy(behaviour);
    return 0;
}

static enum push_learn_behaviour_reason show(const struct learn_scene_row *row, uint64_t conn_id) {
    struct learn_scene scene;
    learn_scene_open(&scene, row);
    if (!row->is_promised) {
        push_learn_behaviour_start(behaviour, &scene.request, &scene.policy, conn_id, now_ms);
    }
    enum push_learn_behaviour_reason reason =
        push_learn_behaviour_observe(behaviour, &scene.response, conn_id, scene.arena, now_ms);
    learn_scene_close(&scene);
    return reason;
}

static enum push_learn_behaviour_reason show_page(const char *path, uint64_t conn_id) {
    return show(&(struct learn_scene_row){.path = path, .request = DOCUMENT}, conn_id);
}

static enum push_learn_behaviour_reason show_part(const char *path, const char *dest,
                                                  const char *referer, uint64_t conn_id) {
    char fields[256];
    snprintf(fields, sizeof(fields), "sec-fetch-dest: %s\nreferer: %s", dest, referer);
    return show(&(struct learn_scene_row){.path = path, .request = fields}, conn_id);
}

static void pass(uint64_t ms) {
    now_ms += ms;
}

static const char *found(const char *path, bool has_credentials) {
    static char text[8192];
    struct push_learn_links links;
    struct push_learn_key key = {SLICE("https"), SLICE("example.org"), slice_of_text(path),
                                 has_credentials};
    size_t length = 0;
    text[0] = '\0';
    if (push_learn_behaviour_find(behaviour, &key, now_ms, &links)) {
        assert_true(links.count > 0 && links.hint_count == links.count);
        for (size_t i = 0; i < links.count; i++) {
            length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%.*s",
                                       i > 0 ? " | " : "", SLICE_ARGS(links.elements[i]));
        }
    }
    return text;
}

// One letter per visit, on connections 1, 2, 3 ...: what it asked for. 's' a style, 'b' both a
// style and an image, 'i' an image, '-' nothing; '!' the page answers 403, 'p' it is private.
static const struct {
    const char *visits;
    bool has_style;
    bool has_image;
} rows[] = {
    {"", false, false},
    {"s", false, false},
    {"ssss", false, false},
    {"sssss", true, false},
    {"bbbbb", true, true},
    {"bbbss", true, true},
    {"bbsss", true, false},
    {"sssii", true, false},
    {"iisss", true, false},
    {"ssiii", false, true},
    {"ssss-", false, false}, // a visit that asks for nothing is none
    {"ss--s--ss", true, false},
    {"bbbbb!", false, false},
    {"bbbbbp", false, false},
    {"bbbbb!bbbb", false, false},
    {"bbbbb!bbbbb", true, true},
    {"iiiiiiiiiiiiiiiisssssssss", false, false}, // nine of the last sixteen
    {"iiiiiiiiiiiiiiiissssssssss", true, false}, // ten
    {"iiiiiiiiiissssss", false, true},
    {"bbbbbbbbbbbbbbbbbbbbiiiiiiiiiiiiiiii", false, true}, // sixteen later the style is forgotten
};

static void test_part_of_most_visits(void **state) {
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t conn_id = 1;
        open_table(state);
        for (const char *visit = rows[i].visits; *visit != '\0'; visit++) {
            show(&(struct learn_scene_row){.request = DOCUMENT,
                                           .status = *visit == '!' ? 403 : 200,
                                           .response =
                                               *visit == 'p' ? "cache-control: private" : ""},
                 conn_id);
            pass(100);
            if (*visit == 's' || *visit == 'b' || *visit == 'p') {
                show_part("/a.css", "style", PAGE, conn_id);
            }
            if (*visit == 'i' || *visit == 'b') {
                show_part("/a.png", "image", PAGE, conn_id);
            }
            pass(11000);
            conn_id++;
        }
        const char *text = found("/page", false);
        bool has_style = strstr(text, "</a.css>; rel=preload; as=style") != NULL;
        bool has_image = strstr(text, "</a.png>; rel=preload; as=image") != NULL;
        if (has_style != rows[i].has_style || has_image != rows[i].has_image) {
            fail_msg("%s: '%s'", rows[i].visits, text);
        }
        close_table(state);
    }
}

// What becomes of one part of a page that connection 1 got a moment ago.
static const struct {
    struct learn_scene_row row;
    uint64_t conn_id; // 0: 1
    uint64_t pause_ms;
    const char *reason;
    bool is_twice;
} parts[] = {
    {{.path = "/a.css", .request = STYLE}, 0, 0, "part", false},
    {{.path = "/a.css", .request = STYLE}, 0, 0, "repeated", true},
    {{.path = "/a.css", .request = STYLE}, 0, 9999, "part", false},
    {{.path = "/a.css", .request = STYLE}, 0, 10000, "no_visit", false},
    {{.path = "/a.css", .request = STYLE}, 2, 0, "no_visit", false},
    {{.path = "/a.css", .request = STYLE "?x=y"}, 0, 0, "part", false},
    {{.path = "/a.css", .request = STYLE "x"}, 0, 0, "no_visit", false},
    {{.path = "/a.css", .request = STYLE "\nauthorization: x"}, 0, 0, "rules", false},
    {{.path = "/a.css", .request = STYLE "\ncookie: x=y"}, 0, 0, "part", false},
    {{.path = "/a.css", .request = STYLE, .method = "HEAD"}, 0, 0, "rules", false},
    {{.path = "/a.css", .request = STYLE, .method = "POST"}, 0, 0, "rules", false},
    {{.path = "/a.css", .request = STYLE, .status = 404}, 0, 0, "rules", false},
    {{.path = "/a.css", .request = STYLE, .status = 304}, 0, 0, "rules", false},
    {{.path = "/a.css", .request = STYLE, .status = 206}, 0, 0, "rules", false},
    {{.path = "/a.css", .request = STYLE, .response = "set-cookie: x=y"}, 0, 0, "rules", false},
    {{.path = "/a.css", .request = STYLE, .response = "cache-control: private"},
     0,
     0,
     "rules",
     false},
    {{.path = "/a.css", .request = STYLE, .response = "cache-control: no-store"},
     0,
     0,
     "rules",
     false},
    {{.path = "/a.css", .request = STYLE, .response = "cache-control: max-age=0"},
     0,
     0,
     "rules",
     false},
    {{.path = "/a.css", .request = "sec-fetch-dest: style"}, 0, 0, "no_referer", false},
    {{.path = "/a.css", .request = "sec-fetch-dest: style\nreferer: /page"},
     0,
     0,
     "no_referer",
     false},
    {{.path = "/a.css", .request = "sec-fetch-dest: style\nreferer: http://example.org/page"},
     0,
     0,
     "no_referer",
     false},
    {{.path = "/a.css", .request = "sec-fetch-dest: style\nreferer: https://example.net/page"},
     0,
     0,
     "no_referer",
     false},
    {{.path = "/a.css", .request = "referer: " PAGE}, 0, 0, "kind", false},
    {{.path = "/a.json", .request = "sec-fetch-dest: empty\nreferer: " PAGE}, 0, 0, "kind", false},
    {{.path = "/frame", .request = "sec-fetch-dest: iframe\nreferer: " PAGE}, 0, 0, "kind", false},
    {{.path = "/next", .request = DOCUMENT "referer: " PAGE}, 0, 0, "page", false},
    {{.path = "/next", .request = DOCUMENT "authorization: x"}, 0, 0, "rules", false},
    // of a part
    {{.path = "/a.woff2", .request = "sec-fetch-dest: font\nreferer: https://example.org/a.css"},
     0,
     0,
     "no_visit",
     false},
    {{.path = "/a.css", .is_promised = true, .request = "referer: " PAGE}, 0, 0, "kind", false},
    // whatever the client said, the answer is no style
    {{.path = "/logout", .request = STYLE, .response = ""}, 0, 0, "kind", false},
    {{.path = "/logout", .request = STYLE, .response = "etag: x"}, 0, 0, "kind", false},
    {{.path = "/logout", .request = STYLE, .response = "content-type: text/html\netag: x"},
     0,
     0,
     "kind",
     false},
    {{.path = "/logout",
      .request = STYLE,
      .response = "content-type: text/html\ncache-control: max-age=60"},
     0,
     0,
     "kind",
     false},
    {{.path = "/a.png", .request = STYLE, .response = "content-type: image/png\netag: x"},
     0,
     0,
     "kind",
     false},
    // a style that is made for this once
    {{.path = "/logout", .request = STYLE, .response = "content-type: text/css"},
     0,
     0,
     "kind",
     false},
    {{.path = "/logout",
      .request = STYLE,
      .response = "content-type: text/css\ncache-control: no-cache"},
     0,
     0,
     "kind",
     false},
    {{.path = "/logout",
      .request = STYLE,
      .response = "content-type: text/css\netag: x\ncache-control: max-age=0"},
     0,
     0,
     "rules",
     false},
    // one that can be kept
    {{.path = "/a", .request = STYLE, .response = "Content-Type: Text/CSS;charset=x\netag: x"},
     0,
     0,
     "part",
     false},
    {{.path = "/a",
      .request = STYLE,
      .response = "content-type: text/css\nlast-modified: Sun, 06 Nov 1994 08:00:00 GMT"},
     0,
     0,
     "part",
     false},
    {{.path = "/a",
      .request = STYLE,
      .response = "content-type: text/css\ncache-control: max-age=60"},
     0,
     0,
     "part",
     false},
    {{.path = "/a",
      .request = STYLE,
      .response = "content-type: text/css\nexpires: Sun, 06 Nov 1994 08:50:37 GMT"},
     0,
     0,
     "part",
     false},
};

static void test_parts(void **state) {
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        uint64_t conn_id = parts[i].conn_id != 0 ? parts[i].conn_id : 1;
        open_table(state);
        assert_int_equal(show_page("/page", 1), PUSH_LEARN_BEHAVIOUR_PAGE);
        pass(parts[i].pause_ms);
        if (parts[i].is_twice) {
            show(&parts[i].row, conn_id);
        }
        const char *reason = reason_names[show(&parts[i].row, conn_id)];
        if (strcmp(reason, parts[i].reason) != 0) {
            fail_msg("part %zu: '%s', wanted '%s'", i, reason, parts[i].reason);
        }
        close_table(state);
    }
}

static void visit_often(unsigned visits, uint64_t first_conn, unsigned conns) {
    for (unsigned i = 0; i < visits; i++) {
        uint64_t conn_id = first_conn + i % conns;
        show_page("/page", conn_id);
        show_part("/z.png", "image", PAGE, conn_id);
        show_part("/a.js", "script", PAGE "?utm=1", conn_id);
        show(&(struct learn_scene_row){.path = "/m.js?v=1",
                                       .request = "sec-fetch-dest: script\nsec-fetch-mode: cors\n"
                                                  "referer: " PAGE},
             conn_id);
        show_part("/f.woff2", "font", PAGE, conn_id);
        show_part("/a.css", "style", PAGE, conn_id);
        show_part("/deep.woff2", "font", "https://example.org/a.css", conn_id);
        pass(10000);
    }
}

static void test_elements(void **state) {
    (void)state;
    visit_often(5, 1, 5);
    assert_string_equal(found("/page", false), "</a.css>; rel=preload; as=style | "
                                               "</f.woff2>; rel=preload; as=font; crossorigin | "
                                               "</a.js>; rel=preload; as=script | "
                                               "</m.js?v=1>; rel=preload; as=script; crossorigin | "
                                               "</z.png>; rel=preload; as=image");
    assert_string_equal(found("/page", true), "");
    assert_string_equal(found("/a.css", false), "");
    struct push_learn_cursor cursor = {0};
    struct push_learn_behaviour_view view;
    assert_true(push_learn_behaviour_next(behaviour, &cursor, now_ms, &view));
    assert_int_equal(view.visits, 5);
    assert_int_equal(view.count, 5);
    assert_int_equal(view.uses, 1);
    assert_true(view.parts[0].is_candidate && view.parts[0].visits == 5);
    assert_false(push_learn_behaviour_next(behaviour, &cursor, now_ms, &view));
    pass(PUSH_LEARN_LIFE_MS);
    assert_string_equal(found("/page", false), "");
}

// However many say that it is a style.
static void test_no_resource_is_never_learned(void **state) {
    (void)state;
    static const char *const answers[] = {"content-type: text/html\netag: x",
                                          "content-type: text/css"};
    for (unsigned visit = 0; visit < 20; visit++) {
        show_page("/page", visit);
        for (unsigned i = 0; i < 2; i++) {
            show(&(struct learn_scene_row){.path = "/logout",
                                           .request = STYLE,
                                           .response = answers[i]},
                 visit);
        }
        show_part("/a.css", "style", PAGE, visit);
        pass(10000);
    }
    assert_string_equal(found("/page", false), "</a.css>; rel=preload; as=style");
}

static void test_one_client_alone_teaches_nothing(void **state) {
    (void)state;
    visit_often(20, 1, 1);
    assert_string_equal(found("/page", false), "");
    visit_often(1, 2, 1);
    assert_string_not_equal(found("/page", false), "");
}

static void test_reload_is_another_visit(void **state) {
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        show_page("/page", 1 + i % 2);
        show_part("/a.css", "style", PAGE, 1 + i % 2);
        pass(500);
    }
    show_page("/page", 1);
    assert_string_equal(found("/page", false), ""); // one of the five is under way
    pass(10000);
    assert_string_equal(found("/page", false), "</a.css>; rel=preload; as=style");
}

static void test_visits_side_by_side(void **state) {
    (void)state;
    for (uint64_t conn_id = 1; conn_id <= 5; conn_id++) {
        show_page("/page", conn_id);
        show_page("/other", conn_id);
    }
    for (uint64_t conn_id = 1; conn_id <= 5; conn_id++) {
        show_part("/a.css", "style", PAGE, conn_id);
        show_part("/b.css", "style", "https://example.org/other", conn_id);
    }
    pass(10000);
    assert_string_equal(found("/page", false), "</a.css>; rel=preload; as=style");
    assert_string_equal(found("/other", false), "</b.css>; rel=preload; as=style");
}

// A hinted part may be asked for before the page is answered.
static void test_part_before_page(void **state) {
    (void)state;
    for (uint64_t conn_id = 1; conn_id <= 5; conn_id++) {
        struct learn_scene scene;
        learn_scene_open(&scene, &(struct learn_scene_row){.request = DOCUMENT});
        push_learn_behaviour_start(behaviour, &scene.request, &scene.policy, conn_id, now_ms);
        assert_int_equal(show_part("/a.css", "style", PAGE, conn_id), PUSH_LEARN_BEHAVIOUR_PART);
        push_learn_behaviour_observe(behaviour, &scene.response, conn_id, scene.arena, now_ms);
        learn_scene_close(&scene);
    }
    pass(10000);
    assert_string_equal(found("/page", false), "</a.css>; rel=preload; as=style");
}

// Pushed, it is no longer asked for: it stays a candidate nevertheless.
static void test_promised_parts_count(void **state) {
    (void)state;
    visit_often(5, 1, 5);
    for (uint64_t conn_id = 10; conn_id < 50; conn_id++) {
        show_page("/page", conn_id);
        const struct learn_scene_row promised = {
            .path = "/a.css", .is_promised = true, .request = "referer: " PAGE};
        assert_int_equal(show(&promised, conn_id), PUSH_LEARN_BEHAVIOUR_PART);
        pass(10000);
    }
    assert_string_equal(found("/page", false), "</a.css>; rel=preload; as=style");
}

static void test_bad_parts(void **state) {
    (void)state;
    visit_often(5, 1, 5);
    assert_false(push_learn_behaviour_note_bad(behaviour, SLICE("example.org"), SLICE("/none")));
    assert_true(push_learn_behaviour_note_bad(behaviour, SLICE("example.org"), SLICE("/a.css")));
    assert_null(strstr(found("/page", false), "/a.css"));
    assert_non_null(strstr(found("/page", false), "/a.js"));
    // Also while a visit has it.
    show_page("/page", 1);
    show_part("/a.js", "script", PAGE, 1);
    assert_true(push_learn_behaviour_note_bad(behaviour, SLICE("example.org"), SLICE("/a.js")));
    assert_null(strstr(found("/page", false), "/a.js"));
    pass(10000);
    assert_null(strstr(found("/page", false), "/a.js"));
}

static void test_credentials_are_apart(void **state) {
    (void)state;
    for (uint64_t conn_id = 1; conn_id <= 5; conn_id++) {
        show(&(struct learn_scene_row){.request = DOCUMENT "cookie: a=b"}, conn_id);
        show_part("/a.css", "style", PAGE, conn_id); // fetched without cookie
    }
    pass(10000);
    assert_string_equal(found("/page", false), "");
    assert_string_equal(found("/page", true), "</a.css>; rel=preload; as=style");
}

// More parts than are remembered: those of every visit stay.
static void test_many_parts(void **state) {
    (void)state;
    for (unsigned visit = 0; visit < 10; visit++) {
        show_page("/page", visit);
        show_part("/a.css", "style", PAGE, visit);
        for (unsigned i = 0; i < 60; i++) {
            char path[32];
            snprintf(path, sizeof(path), "/image-%u", visit * 100 + i);
            show_part(path, "image", PAGE, visit);
        }
        pass(10000);
    }
    assert_string_equal(found("/page", false), "</a.css>; rel=preload; as=style");
    struct push_learn_cursor cursor = {0};
    struct push_learn_behaviour_view view;
    assert_true(push_learn_behaviour_next(behaviour, &cursor, now_ms, &view));
    assert_true(view.count <= PUSH_LEARN_BEHAVIOUR_PARTS);
}

static void test_flood_of_pages(void **state) {
    (void)state;
    visit_often(6, 1, 6);
    for (unsigned i = 0; i < 20000; i++) {
        char path[32];
        char referer[64];
        snprintf(path, sizeof(path), "/page-%u", i);
        snprintf(referer, sizeof(referer), "https://example.org%s", path);
        show_page(path, i);
        show_part("/b.css", "style", referer, i);
    }
    assert_string_not_equal(found("/page", false), "");
    struct push_learn_cursor cursor = {0};
    struct push_learn_behaviour_view view;
    unsigned pages = 0;
    while (push_learn_behaviour_next(behaviour, &cursor, now_ms, &view)) {
        pages++;
    }
    assert_int_equal(pages, PUSH_LEARN_BEHAVIOUR_PAGES);
}

static void test_long_paths(void **state) {
    (void)state;
    char path[PUSH_LEARN_BEHAVIOUR_PATH_BYTES + 2];
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    show_page("/page", 1);
    assert_int_equal(show_part(path, "style", PAGE, 1), PUSH_LEARN_BEHAVIOUR_URL);
    path[sizeof(path) - 2] = '\0';
    assert_int_equal(show_part(path, "style", PAGE, 1), PUSH_LEARN_BEHAVIOUR_PART);
    assert_int_equal(show_part("/a b", "style", PAGE, 1), PUSH_LEARN_BEHAVIOUR_URL);
}

// Random doings, against the bounds and the rules that hold always.
static void test_random_doings(void **state) {
    static const char *const dests[] = {"style", "font", "script", "image", "empty", "document"};
    static const char *const referers[] = {PAGE, "https://example.org/", "https://example.org/p2",
                                           "https://example.org/a0", "x"};
    uint32_t random = 5;
    for (unsigned round = 0; round < 20; round++) {
        open_table(state);
        for (unsigned i = 0; i < 3000; i++) {
            char path[16];
            random = random * 1664525 + 1013904223;
            unsigned dice = random >> 8;
            snprintf(path, sizeof(path), "/a%u", dice % 40);
            uint64_t conn_id = dice / 40 % 7;
            switch (dice / 280 % 16) {
            case 0:
                show_page("/page", conn_id);
                break;
            case 1:
                show_page("/", conn_id);
                break;
            case 2:
                show(&(struct learn_scene_row){.path = "/page", .request = DOCUMENT, .status = 404},
                     conn_id);
                break;
            case 3:
                push_learn_behaviour_note_bad(behaviour, SLICE("example.org"), slice_of_text(path));
                assert_null(strstr(found("/page", false), strcat(path, ">")));
                break;
            case 4:
                pass(dice % 4000);
                break;
            default:
                show_part(path, dests[dice / 5000 % 6], referers[dice / 30000 % 5], conn_id);
            }
            assert_null(strstr(found("/page", false), "as=empty"));
            assert_string_equal(found("/page", true), "");
        }
        close_table(state);
    }
}

int main(void) {
#define WITH_TABLE(test) cmocka_unit_test_setup_teardown(test, open_table, close_table)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part_of_most_visits),
        cmocka_unit_test(test_parts),
        WITH_TABLE(test_elements),
        WITH_TABLE(test_no_resource_is_never_learned),
        WITH_TABLE(test_one_client_alone_teaches_nothing),
        WITH_TABLE(test_reload_is_another_visit),
        WITH_TABLE(test_visits_side_by_side),
        WITH_TABLE(test_part_before_page),
        WITH_TABLE(test_promised_parts_count),
        WITH_TABLE(test_bad_parts),
        WITH_TABLE(test_credentials_are_apart),
        WITH_TABLE(test_many_parts),
        WITH_TABLE(test_flood_of_pages),
        WITH_TABLE(test_long_paths),
        cmocka_unit_test(test_random_doings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
