// SPDX-License-Identifier: Apache-2.0
// What operators want forgotten: one page or all, of Link fields and of behaviour.
#include "learn_scene.h"

#include "push/push_learn_behaviour.h"

#define A "</a.css>; rel=preload; as=style"
#define START 5000000
#define DOCUMENT "sec-fetch-dest: document\n"

enum { VISITS = 5 }; // after so many behaviour is known

static struct push_learn *learn;
static struct push_learn_behaviour *behaviour;
static uint64_t now_ms;

static int open_tables(void **state) {
    (void)state;
    learn = push_learn_create(&(struct push_learn_limits){.is_alone = true}, 99);
    behaviour = push_learn_behaviour_create(0, 11);
    now_ms = START;
    return 0;
}

static int close_tables(void **state) {
    (void)state;
    push_learn_destroy(learn);
    push_learn_behaviour_destroy(behaviour);
    return 0;
}

// --- pages that are known by their links and by behaviour ---------------------------------------

static void observe(const struct learn_scene_row *row, uint64_t conn_id) {
    struct learn_scene scene;
    learn_scene_open(&scene, row);
    push_learn_behaviour_start(behaviour, &scene.request, &scene.policy, conn_id, now_ms);
    push_learn_behaviour_observe(behaviour, &scene.response, conn_id, scene.arena, now_ms);
    push_learn_observe(learn, &scene.response, conn_id, scene.arena, now_ms);
    learn_scene_close(&scene);
}

// Visits by as many connections, each of which asks for a style. Cookies are everybody's own.
static void visit(const char *path, bool with_query, bool has_cookies, unsigned visits) {
    static uint64_t conn_id = 1;
    for (unsigned i = 0; i < visits; i++) {
        char page[256];
        char part[256];
        char cookie[32] = "";
        if (has_cookies) {
            snprintf(cookie, sizeof(cookie), "cookie: id=%u\n", (unsigned)conn_id);
        }
        snprintf(page, sizeof(page), DOCUMENT "%s", cookie);
        snprintf(part, sizeof(part), "sec-fetch-dest: style\n%sreferer: https://example.org%s",
                 cookie, path);
        observe(
            &(struct learn_scene_row){
                .path = path, .request = page, .response = "link: " A, .with_query = with_query},
            conn_id);
        now_ms += 100;
        observe(
            &(struct learn_scene_row){.path = "/a.css", .request = part, .with_query = with_query},
            conn_id);
        now_ms += 11000;
        conn_id++;
    }
}

static bool is_known(const char *path, bool has_cookies) {
    struct push_learn_key key = {SLICE("https"), SLICE("example.org"), slice_of_text(path),
                                 has_cookies};
    struct push_learn_view view;
    struct push_learn_links links;
    bool by_links = push_learn_look(learn, &key, now_ms, &view);
    bool by_behaviour = push_learn_behaviour_find(behaviour, &key, now_ms, &links);
    if (by_links != by_behaviour) {
        fail_msg("%s: known by links %d, by behaviour %d", path, by_links, by_behaviour);
    }
    return by_links;
}

static void forget(const char *authority, const char *path) {
    push_learn_forget(learn, slice_of_text(authority), slice_of_text(path));
    push_learn_behaviour_forget(behaviour, slice_of_text(authority), slice_of_text(path));
}

// ------------------------------------------------------------------------------------------------

static void test_one_page(void **state) {
    (void)state;
    visit("/page", false, false, VISITS);
    visit("/page", false, true, VISITS);
    visit("/page/", false, false, VISITS);
    visit("/other", false, false, VISITS);
    forget("example.net", "/page");
    forget("example.org", "/pag");
    forget("example.org", "/Page");
    forget("example.org", "/page?x"); // it is known without a query
    assert_true(is_known("/page", false));
    assert_true(is_known("/page", true));
    forget("example.org", "/page");
    assert_false(is_known("/page", false));
    assert_false(is_known("/page", true)); // whoever asks
    assert_true(is_known("/page/", false));
    assert_true(is_known("/other", false));
    forget("example.org", "/page"); // nothing is left to be forgotten
}

// Where queries tell pages apart: one of them, or the page with all of them.
static void test_with_and_without_query(void **state) {
    (void)state;
    static const char *const pages[] = {"/page", "/page?", "/page?a=1", "/page?a=1&b",
                                        "/pages?a=1"};
    static const struct {
        const char *forgotten;
        unsigned left; // bits: pages
    } rows[] = {
        {"/page", 1u << 4}, {"/page?", 0x1f & ~(1u << 1)}, {"/page?a=1", 0x1f & ~(1u << 2)},
        {"/page?b", 0x1f},  {"/pages", 0x1f & ~(1u << 4)},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (unsigned j = 0; j < 5; j++) {
            visit(pages[j], true, false, VISITS);
        }
        forget("example.org", rows[i].forgotten);
        for (unsigned j = 0; j < 5; j++) {
            if (is_known(pages[j], false) != ((rows[i].left >> j & 1) != 0)) {
                fail_msg("%s forgets %s", rows[i].forgotten, pages[j]);
            }
        }
        close_tables(NULL);
        open_tables(NULL);
    }
}

static void test_all(void **state) {
    (void)state;
    char path[32];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(path, sizeof(path), "/page-%u", i);
        visit(path, false, i % 2 == 0, VISITS);
    }
    visit("/seen", false, false, 1); // not known yet
    forget("", "");
    for (unsigned i = 0; i < 100; i++) {
        snprintf(path, sizeof(path), "/page-%u", i);
        assert_false(is_known(path, i % 2 == 0));
    }
    struct push_learn_cursor cursor = {0};
    struct push_learn_view view;
    assert_false(push_learn_next(learn, &cursor, now_ms, &view));
    assert_int_equal(push_learn_stats(learn)->pages, 0);
    assert_int_equal(push_learn_stats(learn)->confirmed, 0);
    assert_int_equal(push_learn_stats(learn)->evicted, 0); // it was no want of room
}

// From the beginning: what was seen before is no witness any more.
static void test_it_is_learned_again(void **state) {
    (void)state;
    visit("/page", false, false, VISITS);
    forget("example.org", "/page");
    visit("/page", false, false, 1);
    struct push_learn_key key = {SLICE("https"), SLICE("example.org"), SLICE("/page"), false};
    struct push_learn_view view;
    struct push_learn_links links;
    assert_true(push_learn_look(learn, &key, now_ms, &view));
    assert_false(view.is_confirmed);
    assert_int_equal(view.sightings, 1);
    assert_false(push_learn_behaviour_find(behaviour, &key, now_ms, &links));
    visit("/page", false, false, VISITS - 1);
    assert_true(is_known("/page", false));
    // Nor does a bad part drop anything that was forgotten.
    forget("", "");
    assert_false(push_learn_note_bad(learn, SLICE("example.org"), SLICE("/a.css"), now_ms));
    assert_int_equal(push_learn_stats(learn)->dropped_bad, 0);
}

// While a browser loads a page that is forgotten just then.
static void test_in_the_middle_of_a_visit(void **state) {
    (void)state;
    visit("/page", false, false, VISITS);
    observe(&(struct learn_scene_row){.request = DOCUMENT, .response = "link: " A}, 99);
    forget("example.org", "/page");
    observe(
        &(struct learn_scene_row){.path = "/a.css",
                                  .request =
                                      "sec-fetch-dest: style\nreferer: https://example.org/page"},
        99);
    now_ms += 20000;
    assert_false(is_known("/page", false));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_page, open_tables, close_tables),
        cmocka_unit_test_setup_teardown(test_with_and_without_query, open_tables, close_tables),
        cmocka_unit_test_setup_teardown(test_all, open_tables, close_tables),
        cmocka_unit_test_setup_teardown(test_it_is_learned_again, open_tables, close_tables),
        cmocka_unit_test_setup_teardown(test_in_the_middle_of_a_visit, open_tables, close_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
